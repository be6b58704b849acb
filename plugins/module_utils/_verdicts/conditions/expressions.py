# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``conditions``: anything else, as JMESPath over the report's image object."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._compliance.model import UNCLEAR_RESULTS
from ..._core.errors import InputError
from ..._core.text import visible
from ..documents import Field
from ..expressions import check_expression, evaluate
from ..model import Reason
from ..schema import FACTS_SCHEMA
from ..wording import listed
from .base import Case, Code, Condition, Reasons, Step, Terms

EXAMPLE = """\

  # Anything else, as JMESPath over the report's image object. It must be true where the condition holds.
  # conditions:
  #   - name: few-low-ones
  #     that: "length(vulnerabilities[?severity == 'low']) < `100`"
  #     message: a hundred small holes are a big one
"""
CODES: t.Mapping[str, Code] = {
    "policy-error": Code(
        "inconclusive",
        "A condition of the policy could not be evaluated on this image.",
        "Correct the expression; it must be true or false for every image.",
    ),
    "condition-broken": Code(
        "failed", "A condition of the policy does not hold.", "Read the condition's message; change the image."
    ),
    "cvss-missing": Code(
        "inconclusive",
        "A condition asks about CVSS scores, and its outcome depends on findings that have none.",
        "Say in the condition what a missing score counts as, as in not_null(cvss_score, `10`) >= `9`.",
    ),
}


@dataclasses.dataclass(frozen=True)
class Expression:
    """A JMESPath expression that must be true. ``reads``: the fields of the image object that it asks about."""

    name: str
    that: str
    message: str
    reads: tuple[str, ...] = dataclasses.field(compare=False)


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class ExpressionTerms(Terms):
    """Expressions that must be true."""

    conditions: tuple[Expression, ...] = ()

    def reads(self, *fields: str) -> bool:
        """Return whether an expression asks about one of these fields of the image object."""
        return any(set(fields).intersection(expression.reads) for expression in self.conditions)


def _parse(field: Field) -> dict[str, t.Any]:
    conditions: list[Expression] = []
    for child in field.items("a list of conditions"):
        fields = child.mapping(("name", "that", "message"), "name, that and message")
        for key in ("name", "that"):
            if key not in fields:
                raise child.error(f"{key} is missing")
        name = fields["name"].text("a name")
        if name in [condition.name for condition in conditions]:
            raise fields["name"].error(f"two conditions are named '{visible(name, 100)}'")
        try:
            checked = check_expression(fields["that"].text("a JMESPath expression"), FACTS_SCHEMA)
        except InputError as error:
            if error.message.startswith(f"{field.where}, line"):
                raise
            raise fields["that"].renamed(f"{field.path} '{visible(name, 100)}', that").error(error.message) from None
        message = fields["message"].text() if "message" in fields else ""
        conditions.append(Expression(name, checked.expression, message, checked.reads))
    return {"conditions": tuple(conditions)}


def _reasons(policy: ExpressionTerms, case: Case) -> Reasons:
    for condition in policy.conditions:
        if "compliance" not in condition.reads or case.facts["compliance"] is not None:  # else it is said already
            reason = _reason(
                condition, case.facts, f"condition '{visible(condition.name, 100)}' of the policy '{policy.name}'"
            )
            if reason:
                yield reason


def _reason(condition: Expression, facts: dict[str, t.Any], subject: str) -> Reason | None:
    """Why a condition does not hold, or may not; None where it holds."""
    try:
        holds = evaluate(condition.that, facts)
    except InputError as error:
        return Reason("policy-error", f"{subject} {error.message}: {visible(condition.that, 300)}")
    if not holds:
        explanation = visible(condition.message, 500) or f"it demands {visible(condition.that, 300)}"
        return Reason("condition-broken", f"{subject} is broken: {explanation}")
    if "compliance" in condition.reads and not _holds_in_any_case(condition, facts):
        names = listed_rules(unclear_rules(facts["compliance"]))
        return Reason("compliance-incomplete", f"{subject} depends on rules without a result: {names}")
    if not _holds_for_any_score(condition, facts):
        ids = sorted({finding["id"] for finding in facts["vulnerabilities"] if finding["cvss_score"] is None})
        return Reason("cvss-missing", f"{subject} depends on findings without a CVSS score: {listed(ids)}")
    return None


def unclear_rules(compliance: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    """The rules whose outcome nobody knows, as objects of the report."""
    return [rule for rule in compliance["rules"] if rule["result"] in UNCLEAR_RESULTS]


def listed_rules(rules: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """The first rules with their results, and how many more there are."""
    return listed([f"{rule['id']} ({rule['result']})" for rule in rules])


def _holds_for_any_score(condition: Expression, facts: dict[str, t.Any]) -> bool:
    """Return whether a condition that holds also holds if every missing CVSS score were the lowest, or the highest."""
    findings = facts["vulnerabilities"]
    if "cvss_score" not in condition.that or all(item["cvss_score"] is not None for item in findings):
        return True
    for score in (0.0, 10.0):
        scored = [item if item["cvss_score"] is not None else {**item, "cvss_score": score} for item in findings]
        try:
            if not evaluate(condition.that, {**facts, "vulnerabilities": scored}):
                return False
        except InputError:
            return False
    return True


def _holds_in_any_case(condition: Expression, facts: dict[str, t.Any]) -> bool:
    """Return whether a condition that holds also holds if every rule without a result failed, or passed."""
    results = facts["compliance"]
    unclear = sum(rule["result"] in UNCLEAR_RESULTS for rule in results["rules"])
    for result in ("fail", "pass") if unclear else ():
        rules = [{**rule, "result": result} if rule["result"] in UNCLEAR_RESULTS else rule for rule in results["rules"]]
        counts = {**results["counts"], **dict.fromkeys(UNCLEAR_RESULTS, 0), result: results["counts"][result] + unclear}
        varied = {**facts, "compliance": {**results, "rules": rules, "counts": counts}}
        try:
            if not evaluate(condition.that, varied):
                return False
        except InputError:
            return False
    return True


CONDITIONS = Condition(
    "conditions",
    EXAMPLE,
    _parse,
    CODES,
    {Step.EXPRESSIONS: _reasons},
    asks=lambda policy: bool(policy.conditions),
)
