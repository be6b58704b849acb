# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Common parts of the readers of advisories (OSV, updateinfo): how advisories word severities, modules and versions."""

from __future__ import annotations

import re
import typing as t

from ..._core.text import printable

TEXT_LIMIT = 256  # characters of a text that is kept

#: Words of the vendors; ``none`` and ``unspecified`` are missing: nobody rated what is said to be a security fix.
_SEVERITIES: t.Mapping[str, str] = {
    "critical": "critical",
    "urgent": "critical",
    "important": "important",
    "high": "important",
    "moderate": "moderate",
    "medium": "moderate",
    "low": "low",
}
_TITLE = re.compile(r"\s*([A-Za-z]+)\s*:")
_MODULE = re.compile(r"(?<![A-Za-z0-9._+:/-])([A-Za-z][A-Za-z0-9._+-]{0,99}:[A-Za-z0-9][A-Za-z0-9._+-]{0,99})(?![:/])")
_ADVISORY = re.compile(r"[A-Z][A-Za-z]*-[0-9]{4}:")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}")
_BUILD = re.compile(r"(?:([0-9]{1,10}):)?([A-Za-z0-9._+~^]{1,128}-[A-Za-z0-9._+~^]{1,128})")
_SUBJECT = re.compile(r"(?:[A-Za-z]+:\s+)?([A-Za-z0-9_][A-Za-z0-9._+-]{0,254})\s+(?:security|bug ?fix|enhancement)\b")


def read_severity(text: str) -> str:
    """A severity in our words; empty for what says none, or none that is known."""
    return _SEVERITIES.get(text.strip().casefold(), "")


def title_severity(title: str) -> str:
    """The severity that a title begins with (``Important: kernel security update``), or empty."""
    match = _TITLE.match(title)
    return read_severity(match[1]) if match else ""


def modules_in(title: str) -> list[str]:
    """The modules that a title names (``python39:3.9 and python39-devel:3.9 security update``), each once.

    A module for developers stands for its companion where both are named.
    """
    modules = list(
        dict.fromkeys(module.rstrip(".") for module in _MODULE.findall(title) if not _ADVISORY.match(module))
    )
    return [module for module in modules if "-devel:" not in module or module.replace("-devel:", ":") not in modules]


def subject_of(title: str) -> str:
    """The one source package that a title is about (``bind`` of ``Important: bind security update``), or empty."""
    match = _SUBJECT.match(title)
    return match[1] if match else ""


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a package."""
    return bool(_NAME.fullmatch(text))


def build_of(text: str) -> str:
    """``epoch:version-release`` in the index's form, without ``epoch:`` where there is none; empty for what is none."""
    match = _BUILD.fullmatch(text)
    if match is None:
        return ""
    return f"{int(match[1])}:{match[2]}" if match[1] else match[2]


def kept_text(text: str) -> str:
    """A text for reports: printable, bounded."""
    return printable(text, TEXT_LIMIT)
