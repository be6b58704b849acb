# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of packages, by the label in their header and by their release. Standard library only."""

from __future__ import annotations

import re
import typing as t

from ..._images.model import Problem
from ..model import Package
from ..problems import problem

_LABEL = re.compile(r"([!-9;-~]+:[!-9;-~]+)(:[!-9;-~]*)*")
_MODULAR = (".module+", ".module_")
_NAMED = 3


def is_modular(release: str) -> bool:
    """Return whether a release (or a whole EVR) is that of a module's build."""
    return any(mark in release for mark in _MODULAR)


def read_label(label: str) -> str:
    """The ``name:stream`` of a label ``name:stream:version:context``; empty if it cannot be read."""
    match = _LABEL.fullmatch(label)
    return match[1] if match else ""


def label_problems(packages: t.Sequence[Package], path: str) -> list[Problem]:
    """The problem of packages of which nobody can say to what module they belong, if there are any.

    What a feed says of one package is weighed for every module then, but not what it says of a module as a whole.
    """
    unknown = [
        package.nevra
        for package in packages
        if (package.modularity or is_modular(package.release)) and not read_label(package.modularity)
    ]
    if not unknown:
        return []
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    names = ", ".join(name[:100] for name in unknown[:_NAMED]) + more
    message = f"{path}: no readable module label in {names}; install builds that have one, as their vendor makes them"
    return [problem("module-unknown", message)]
