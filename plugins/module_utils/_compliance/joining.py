# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join a TestResult with what the benchmark and the OVAL results say of its rules, once the whole file is read.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import re
import typing as t

from .._core.times import read_time, utc_text
from .._images.model import Problem
from .model import RULE_SEVERITIES, Benchmark, Definition, Results, RuleResult
from .records import Contents, WrittenOutcome, WrittenRule, WrittenTest, shown

#: Id of an OVAL definition -> what it came to, more than once where it was evaluated with several sets of variables.
Definitions = t.Mapping[str, t.Sequence[Definition]]

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def join(contents: Contents, test: WrittenTest, definitions: Definitions) -> Results:
    """Results of a TestResult of a file. ``definitions``: OVAL results that are files of their own.

    Raises CorruptData where the weight of a rule is not a number.
    """
    benchmark = test.benchmark
    if not benchmark.id and len(contents.rules) == 1:
        benchmark = Benchmark(next(iter(contents.rules)), "", benchmark.href)
    rules = contents.rules.get(benchmark.id, {})
    attributes = test.attributes
    version = contents.versions.get(benchmark.id) or attributes.get("version", "")
    results = Results(
        id=attributes.get("id", ""),
        rules=tuple(
            _rule_result(contents, outcome, rules.get(outcome.attributes["idref"]), definitions)
            for outcome in test.outcomes
        ),
        profile=test.profile,
        benchmark=Benchmark(benchmark.id, version, benchmark.href),
        targets=tuple(test.targets),
        addresses=tuple(test.addresses),
        identity=test.identity,
        platforms=tuple(test.platforms),
        facts=tuple(test.facts),
        scores=tuple(test.scores),
        started=_utc(attributes.get("start-time", "")),
        ended=_utc(attributes.get("end-time", "")),
        scanner=attributes.get("test-system", ""),
        not_selected=test.not_selected,
    )
    return results.with_problems(_problems(contents, results, rules))


def _rule_result(
    contents: Contents, outcome: WrittenOutcome, rule: WrittenRule | None, definitions: Definitions
) -> RuleResult:
    attributes = outcome.attributes
    rule = rule or WrittenRule({})
    severity = attributes.get("severity") or rule.severity
    return RuleResult(
        id=attributes["idref"],
        result=outcome.result or "",
        severity=severity if severity in RULE_SEVERITIES else "unknown",
        title=rule.title or "",
        identifiers=tuple(dict.fromkeys((*outcome.identifiers, *rule.identifiers))),
        references=tuple(dict.fromkeys(rule.references)),
        messages=tuple(outcome.messages),
        remediation=outcome.fix or rule.remediation,
        weight=contents.number(attributes.get("weight", "1"), "weight"),
        time=_utc(attributes.get("time", "")),
        instances=tuple(outcome.instances),
        overridden=outcome.overridden[0] if outcome.overridden else "",
        definitions=tuple(
            definition
            for href, name in dict.fromkeys(outcome.checks)
            for definition in _definitions(contents, href, name, definitions)
        ),
    )


def _definitions(contents: Contents, href: str, name: str, beside: Definitions) -> t.Sequence[Definition]:
    """Read a definition's result: by the report that is named, the only one that has it, or else by ``beside``."""
    named = contents.definitions.get(href.lstrip("#"), {})
    # oscap 1.0 named the report of the XCCDF results instead.
    holders = [named] if name in named else [report for report in contents.definitions.values() if name in report]
    if len(holders) == 1:
        return [evaluation.definition() for evaluation in holders[0][name]]
    return beside.get(name) or [Definition(name)]


def _problems(contents: Contents, results: Results, rules: t.Mapping[str, WrittenRule]) -> t.Iterator[Problem]:
    where, number = contents.where, len(results.rules)
    if contents.tests > 1:
        text = f"{where} holds {contents.tests} TestResults; the last one, {shown(results.id)}, was read"
        yield Problem("results-several", text)
    if not results.ended:
        yield Problem("results-unfinished", f"{where} does not say when the evaluation ended")
    if not results.rules:
        yield Problem("results-empty", f"{where} has no result of a rule that the profile selects")
    missing = [rule.id for rule in results.rules if rule.id not in rules]
    if missing:
        text = f"{where} does not hold what the benchmark says of {len(missing)} of {number} rules: {_some(missing)}"
        yield Problem("benchmark-missing", text)
    changed = [rule.id for rule in results.rules if rule.overridden]
    if changed:
        text = f"the results of {len(changed)} of {number} rules were overridden by hand: {_some(changed)}"
        yield Problem("results-overridden", text)


def _some(names: t.Sequence[str]) -> str:
    first = ", ".join(map(shown, names[:3]))
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first


def _utc(text: str) -> str:
    """A time as RFC 3339 in UTC, whole seconds; without a zone as it is; empty where it is none."""
    match = _TIME.fullmatch(text.strip()[:60])
    if match is None:
        return ""
    text, zone = match.groups()
    moment = read_time(text + (zone or ""))
    if moment is None:
        return ""
    return utc_text(moment) if zone else text
