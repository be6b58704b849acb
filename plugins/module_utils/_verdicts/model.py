# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of judging."""

from __future__ import annotations

import dataclasses

#: From best to worst; the worst of several counts (DESIGN 1).
VERDICTS = ("passed", "inconclusive", "error", "failed")


def worst(verdicts: list[str]) -> str:
    """The verdict that counts among several; nothing judged is inconclusive, never passed."""
    return max(verdicts, key=VERDICTS.index) if verdicts else "inconclusive"


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why a verdict is what it is. ``code`` is stable (lower case, dashes); ``message``: condition, finding and fix."""

    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class PolicyVerdict:
    """What one policy says. ``sha256`` is of the policy's canonical JSON."""

    name: str
    sha256: str
    verdict: str
    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True)
class ImageVerdict:
    """What all policies that apply say of one image, and what it was derived from.

    ``excepted``: (finding id, package) -> exception id, for accepted findings.
    """

    digest: str
    verdict: str
    reasons: tuple[Reason, ...]
    policies: tuple[PolicyVerdict, ...]
    excepted: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
