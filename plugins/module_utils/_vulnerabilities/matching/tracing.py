# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps from a package to its finding, for explanations."""

from __future__ import annotations

import typing as t

from ..._packages.model import Package
from ..index.form import Group, Title
from ..model import Finding
from .statements import PrecedenceStep, Said


class Considered(t.NamedTuple):
    """One statement that was looked at for a package, for explanations.

    ``name``: of the package or source package that it is about. ``left_out``: why it was not weighed, ``architecture``,
    ``binary``, ``module`` or ``product``; empty where it was weighed as ``said``. ``applies``: whether it concerns the
    build.
    """

    title: Title
    group: Group
    product: int
    name: str
    left_out: str
    said: Said | None
    applies: bool


class Trace(t.NamedTuple):
    """Steps from one package to its finding of one vulnerability, or to none.

    ``covered``: whether the feed speaks of the package at all (its vendor built it); without it nothing was weighed.
    ``left_out``: ``kernel_headers`` where the package is not matched for being one, else empty.
    """

    package: Package
    covered: bool
    left_out: str
    considered: tuple[Considered, ...]
    steps: tuple[PrecedenceStep, ...]
    finding: Finding | None
