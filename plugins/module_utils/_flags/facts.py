# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of an image that its annotations and list entries tell: verdict, reasons and numbers of findings."""

from __future__ import annotations

import dataclasses
import typing as t

from .names import VERSION

#: Labels of a summary with their severityIndex.
SEVERITIES = (("critical", 3), ("important", 2), ("moderate", 1), ("low", 0))
#: XCCDF severities as CloudForms mapped them; a rule without a severity must not look harmless.
_OF_RULES = {"unknown": "critical", "high": "critical", "medium": "important", "low": "moderate", "info": "low"}


@dataclasses.dataclass(frozen=True)
class ComplianceFacts:
    """Summary of OpenSCAP's results. ``counts``: failed rules that nobody accepted, by the labels of SEVERITIES.

    ``undecided``: rules that ended in an error, are unknown or were not checked, and what speaks against all of the
    results; never 0 where no rule was decided, or only some rules of the profile were asked for. ``score``: None where
    there is none.
    """

    profile: str
    score: float | None
    counts: t.Mapping[str, int]
    undecided: int


@dataclasses.dataclass(frozen=True)
class FlagFacts:
    """What is said of one image. ``counts``: findings that nobody accepted, by the labels of SEVERITIES.

    ``scanned_at``: RFC 3339, empty if it was never scanned. ``report_url``: empty, or where to read on.
    """

    digest: str
    verdict: str
    policies: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    counts: t.Mapping[str, int]
    scanned_at: str
    report_url: str
    scanner_version: str
    compliance: ComplianceFacts | None


def facts_of(
    document: t.Mapping[str, t.Any], *, scanned_at: str = "", report_url: str = "", scanner_version: str = VERSION
) -> FlagFacts:
    """Read the facts to write about an image from its object in the report (DESIGN 5.3).

    ``report_url``: empty, or one that passed ``annotations.check_report_url``.
    """
    counts = dict.fromkeys((label for label, _index in SEVERITIES), 0)
    for finding in document["vulnerabilities"]:
        severity = finding["severity"]
        if not finding["exception"] and severity != "none":
            counts[severity if severity in counts else "critical"] += 1
    digest = document["digest"]
    return FlagFacts(
        digest=digest,
        verdict=document["verdict"],
        policies=tuple(policy["name"] for policy in document["policies"]),
        reasons=tuple((reason["code"], reason["message"]) for reason in document["reasons"]),
        counts=counts,
        scanned_at=scanned_at,
        report_url=report_url.replace("{digest}", digest),
        scanner_version=scanner_version,
        compliance=_compliance(document["compliance"]),
    )


def _compliance(results: t.Mapping[str, t.Any] | None) -> ComplianceFacts | None:
    if results is None:
        return None
    counts = dict.fromkeys((label for label, _index in SEVERITIES), 0)
    for rule in results["rules"]:
        if rule["result"] == "fail" and not rule["exception"]:
            counts[_OF_RULES.get(rule["severity"], "critical")] += 1
    undecided = sum(rule["result"] in ("error", "unknown", "notchecked") for rule in results["rules"])
    undecided += len(results["problems"]) + results["partial"]
    if not any(rule["result"] in ("pass", "fixed", "fail") for rule in results["rules"]):
        undecided += 1
    return ComplianceFacts(results["profile"], results["score"], counts, undecided)
