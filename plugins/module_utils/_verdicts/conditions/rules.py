# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``compliance``: results of OpenSCAP."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._compliance.model import RULE_SEVERITIES
from ..._core.text import visible
from ..._images.model import Problem
from ..documents import Field
from ..model import Reason
from ..wording import counted
from .ages import AgeTerms, age_reasons
from .base import Case, Code, Condition, Limit, Outcome, Pass, Reasons, Step, unseen
from .expressions import ExpressionTerms, listed_rules, unclear_rules
from .kinds import KindTerms

#: The worst severity of rules that may fail where a policy asks about compliance and says no more. CloudForms 4.2 let
#: an image fail by one rule of high severity.
FAILED_SEVERITY = "medium"
EXAMPLE = """\

  # OpenSCAP results. Severities: info, low, medium, high. Without more, no rule of high severity may fail.
  # compliance: {profile: cis, max_failed_severity: medium, score: 90}
"""
CODES: t.Mapping[str, Code] = {
    "compliance-rule-failed": Code(
        "failed", "An OpenSCAP rule failed that is worse than the policy allows.", "Change the image as the rule says."
    ),
    "compliance-score": Code(
        "failed", "The OpenSCAP score is lower than the policy demands.", "Repair the rules that failed."
    ),
    "compliance-missing": Code(
        "inconclusive", "The policy asks about OpenSCAP results, and there are none.", "Scan with a compliance profile."
    ),
    "compliance-incomplete": Code(
        "inconclusive",
        "OpenSCAP rules ended in an error or were not evaluated, and the policy would not let them fail.",
        "Check them by hand and tailor them out of the profile, or allow rules of their severity to fail.",
    ),
    "compliance-profile": Code(
        "inconclusive",
        "The rules of another profile were evaluated than the policy asks for.",
        "Scan with the profile that the policy names.",
    ),
    "compliance-partial": Code(
        "note",
        "Only single rules of the profile were asked for, so nothing is known of the others.",
        "Nothing; or scan without a list of rules.",
    ),
}


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class ComplianceTerms(KindTerms, ExpressionTerms, AgeTerms):
    """Terms for rules; None where there are none."""

    compliance_profile: str = ""
    max_failed_severity: str | None = None
    min_score: float | None = None

    @property
    def asks_compliance(self) -> bool:
        """True if the policy asks about the results of rules."""
        return self.max_failed_severity is not None or self.min_score is not None or self.reads("compliance")

    @property
    def asks_score(self) -> bool:
        """True if the policy asks about the score, on which every rule has an influence."""
        return self.min_score is not None or any(
            "compliance" in expression.reads and "score" in expression.that for expression in self.conditions
        )


def _parse(field: Field) -> dict[str, t.Any]:
    fields = field.mapping(("profile", "max_failed_severity", "score"), "profile, max_failed_severity and score")
    values: dict[str, t.Any] = {}
    if "profile" in fields:
        values["compliance_profile"] = fields["profile"].text("the id of a profile, such as cis")
    if "max_failed_severity" in fields:
        severities = ("none", *RULE_SEVERITIES[:-1])
        values["max_failed_severity"] = fields["max_failed_severity"].choice(severities, "a severity of rules")
    if "score" in fields:
        values["min_score"] = fields["score"].number(0, 100)
    if "max_failed_severity" not in fields and "score" not in fields:
        values["max_failed_severity"] = FAILED_SEVERITY
    return values


def _reasons(policy: ComplianceTerms, case: Case) -> Reasons:
    results, evaluation = case.facts["compliance"], case.subject.compliance
    # What has no RPM packages has no rules either, and the policy accepts that.
    if not policy.asks_compliance or case.inventory.kind in policy.accept:
        return
    problem = case.subject.compliance_problem
    if problem is not None:
        yield Outcome("error", Reason(problem.code, visible(problem.message, 1000)))
    if results is not None and evaluation is not None:
        yield from _results(policy, case, results, evaluation)
    elif problem is None:
        text = f"The policy '{policy.name}' asks about OpenSCAP results, and there are none"
        yield Reason("compliance-missing", text)


def _results(
    policy: ComplianceTerms, case: Case, results: t.Mapping[str, t.Any], evaluation: t.Mapping[str, t.Any]
) -> Reasons:
    """What stands against an image by the results of its rules. ``evaluation``: without late problems or exceptions."""
    if results["partial"]:
        text = f"Only {counted(len(results['rules']), 'rule')} of the profile were asked for"
        yield Reason("compliance-partial", text)
    yield from age_reasons(policy, case, "The rules were evaluated", case.subject.evaluated_at)
    for problem in evaluation["problems"]:
        yield unseen(Problem(problem["code"], problem["message"]))
    if policy.compliance_profile not in ("", results["profile"], results["profile"].rpartition("_profile_")[2]):
        text = f"The rules of the profile {visible(results['profile'], 200)} were evaluated"
        profile = visible(policy.compliance_profile, 200)
        yield Reason("compliance-profile", f"{text}; the policy '{policy.name}' asks for {profile}")
    yield from _rules_without_result(policy, results)
    if policy.min_score is not None and results["score"] is not None and results["score"] < policy.min_score:
        text = f"The score is {results['score']:g}; the policy '{policy.name}' demands {policy.min_score:g}"
        yield Reason("compliance-score", text)
    yield from _failed_rules(policy, results["rules"])


def _failed_rules(policy: ComplianceTerms, rules: t.Iterable[t.Mapping[str, t.Any]]) -> Reasons:
    if policy.max_failed_severity is None:
        return
    highest = _rank(policy.max_failed_severity)
    failed = [rule for rule in rules if rule["result"] == "fail" and not rule["exception"]]
    for rule in sorted(failed, key=lambda rule: (-_rank(rule["severity"]), rule["id"])):
        if _rank(rule["severity"]) > highest:
            yield Reason(
                "compliance-rule-failed",
                f"Rule {visible(rule['id'], 200)} failed ({visible(rule['title'], 200)}), severity "
                f"{rule['severity']}; the policy '{policy.name}' allows at most {policy.max_failed_severity}",
            )


def _rules_without_result(policy: ComplianceTerms, results: t.Mapping[str, t.Any]) -> Reasons:
    """Rules that oscap could not decide. They may all have failed, which matters unless that would be allowed."""
    if not any(rule["result"] in ("pass", "fixed", "fail") for rule in results["rules"]):
        if not results["problems"]:
            yield Reason("compliance-incomplete", "no rule has a result")
        return
    unclear = unclear_rules(results)
    if not policy.asks_score:
        # Conditions are tried with these rules failed, and passed.
        allowed = "high" if policy.max_failed_severity is None else policy.max_failed_severity
        unclear = [rule for rule in unclear if _rank(rule["severity"]) > _rank(allowed)]
    if unclear:
        text = f"{counted(len(unclear), 'rule')} without a result: {listed_rules(unclear)}"
        yield Reason("compliance-incomplete", text)
    elif policy.min_score is not None and results["score"] is None:
        yield Reason("compliance-incomplete", f"there is no score; the policy '{policy.name}' demands one")


def _rank(severity: str) -> int:
    """Rank of a rule's severity; ``none`` is below all, ``unknown`` counts as ``high``."""
    return -1 if severity == "none" else RULE_SEVERITIES.index("high" if severity == "unknown" else severity)


def _valid_until(policy: ComplianceTerms, passed: Pass) -> t.Iterator[Limit]:
    # With a problem about its rules it passed by its kind, which has none.
    counts = policy.asks_compliance and passed.compliance and not passed.compliance["problems"]
    if policy.scan_age is not None and counts:
        yield Limit(passed.evaluated_at, policy.scan_age, "its rules were evaluated at an unknown time", True)


COMPLIANCE = Condition(
    "compliance",
    EXAMPLE,
    _parse,
    CODES,
    {Step.RULES: _reasons},
    asks=lambda policy: policy.asks_compliance,
    valid_until=_valid_until,
)
