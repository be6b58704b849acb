# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of judging."""

from __future__ import annotations

import dataclasses
import typing as t

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
    """Verdict of one policy. ``sha256`` is of the policy's canonical JSON."""

    name: str
    sha256: str
    verdict: str
    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True)
class ImageVerdict:
    """Verdict of all policies that apply to one image, and its sources.

    ``excepted``: (finding id, package) -> how the exception is called, for findings that every policy accepts;
    ``excepted_rules``: the same for rules. ``exceptions``: those that are about the image, as objects of the report.
    """

    digest: str
    verdict: str
    reasons: tuple[Reason, ...]
    policies: tuple[PolicyVerdict, ...]
    excepted: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    excepted_rules: dict[str, str] = dataclasses.field(default_factory=dict)
    exceptions: tuple[t.Mapping[str, t.Any], ...] = ()


@dataclasses.dataclass(frozen=True)
class Judgement:
    """One verdict to be recorded.

    ``document``: the image object of the report, which holds verdict and reasons. ``feed``: the feed used, as a plain
    dictionary, or None. ``feed_checked``: when that feed was last checked, empty without a feed. ``seen_at``: when the
    subject was last scanned, well or not, empty for never.
    """

    key: str
    digest: str
    verdict: str
    document: t.Mapping[str, t.Any]
    feed: t.Mapping[str, t.Any] | None
    feed_checked: str
    judged_at: str
    seen_at: str = ""
