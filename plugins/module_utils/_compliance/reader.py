# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what OpenSCAP writes: ARF 1.1, XCCDF 1.1 and 1.2 results, and the OVAL results inside or beside them.

Most of a file (the content that was evaluated, twice) only passes by; what is kept are the metadata of rules, the last
TestResult, and the results of OVAL definitions. Results are given only when the whole file was well-formed, so a file
that was cut is never a good result.

Sources: NISTIR 7275r4 (XCCDF 1.2), NISTIR 7694 (ARF 1.1), the schema oval-results-5, and what oscap 1.0 to 1.4 writes.
Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import typing as t

from .._core.errors import CorruptData, LimitExceeded
from .joining import Definitions, join
from .model import RULE_RESULTS, Benchmark, Definition, Results
from .records import Contents, WrittenDefinition, WrittenOutcome, WrittenRule, WrittenTest, shown
from .streaming import TEXT_LIMIT, Attributes, KnownElement, Table, pairs, walk

#: Rules, references, tests and so on of one file; each takes about 100 bytes.
VALUES_LIMIT = 1_000_000

_XCCDF = ("http://checklists.nist.gov/xccdf/1.1", "http://checklists.nist.gov/xccdf/1.2")
_ARF = "http://scap.nist.gov/schema/asset-reporting-format/1.1"
_DATA_STREAM = "http://scap.nist.gov/schema/scap/source/1.2"
_OVAL_RESULTS = "http://oval.mitre.org/XMLSchema/oval-results-5"
_OVAL_CHECKS = "http://oval.mitre.org/XMLSchema/oval-definitions-5"

#: Elements that hold results. Where they are not known they would be passed over without a word.
_RESULTS = frozenset(("TestResult", "rule-result"))
#: What the schemas let stand in these, and nothing else of XCCDF.
_LEGAL: t.Mapping[str, frozenset[str]] = {
    "TestResult": frozenset(
        (
            *("benchmark", "tailoring-file", "title", "remark", "organization", "identity", "profile", "target"),
            *("target-address", "target-facts", "target-id-ref", "platform", "set-value", "set-complex-value"),
            *("rule-result", "score", "metadata"),
        )
    ),
    "rule-result": frozenset(
        ("result", "override", "ident", "metadata", "message", "instance", "fix", "check", "complex-check")
    ),
}
#: Most of a file: what the schemas let stand in none of its own name.
_FLAT = frozenset(
    (
        *("oval_definitions", "oval_system_characteristics", "ocil", "cpe-list", "tests", "Profile", "Value"),
        *("description", "rationale", "warning", "check", "fixtext"),
    )
)
_HINT = "give what oscap xccdf eval wrote with --results-arf or --results"


def read_results(chunks: t.Iterable[bytes], where: str, definitions: Definitions | None = None) -> Results:
    """The last TestResult of an ARF or an XCCDF file. ``where`` names the file in messages.

    ``definitions``: what ``read_definitions`` gave, for XCCDF results whose OVAL results are files of their own.
    Raises CorruptData (``results-damaged``, ``results-truncated``, ``results-missing``) and LimitExceeded.
    """
    contents = _read(chunks, where)
    if contents.last is None:
        content = "OVAL results" if contents.definitions else "content"
        raise CorruptData(f"{where} has {content} and no XCCDF TestResult", code="results-missing", hint=_HINT)
    return join(contents, contents.last, definitions or {})


def read_definitions(chunks: t.Iterable[bytes], where: str) -> dict[str, list[Definition]]:
    """The results of the OVAL definitions of a file. Raises as ``read_results``."""
    contents = _read(chunks, where)
    if not contents.definitions:
        raise CorruptData(f"{where} has no results of OVAL definitions", code="results-missing")
    definitions: dict[str, list[Definition]] = {}
    for report in contents.definitions.values():
        for identity, written in report.items():
            definitions.setdefault(identity, []).extend(evaluation.definition() for evaluation in written)
    return definitions


def _read(chunks: t.Iterable[bytes], where: str) -> Contents:
    reader = _ResultsReader(where)
    walk(chunks, where, reader.top, reader.pass_by, _FLAT)
    return reader.contents


class _ResultsReader:
    """One pass over one file: the tables of what is looked into, and what was found."""

    def __init__(self, where: str) -> None:
        self.contents = Contents(where)
        self._values = 0
        self._report = ""
        self._benchmark = ""
        self._oval = False
        # Replaced where such an element begins, before anything is put into it.
        self._rule = WrittenRule({})
        self._outcome = WrittenOutcome({})
        self._test = WrittenTest({}, Benchmark())
        self._definition = WrittenDefinition([])
        #: What may stand in a TestResult and in a rule-result, its namespace and name.
        self._strict: list[tuple[Table, str, str]] = []
        self.top = self._top()

    def pass_by(self, name: str, known_table: Table) -> None:
        """Refuse what would be lost without a word."""
        namespace, _space, local = name.rpartition(" ")
        if known_table is self.top:
            raise CorruptData(
                f"{self.contents.where} begins with <{shown(local)}> of the namespace"
                f" {shown(namespace) or '(none)'}, which no results of OpenSCAP do",
                code="results-missing",
                hint=_HINT,
            )
        lost = local in _RESULTS
        for table, own, parent in self._strict:
            if table is known_table and namespace in _XCCDF:
                lost = lost or namespace != own or local not in _LEGAL[parent]
        if lost:
            raise self.contents.damaged(f"has a <{shown(local)}> where none belongs")

    def _top(self) -> Table:
        oval = self._oval_table()
        tests: Table = {}
        benchmarks: Table = {}
        for namespace in _XCCDF:
            tests[f"{namespace} TestResult"] = self._test_table(namespace)
            benchmarks[f"{namespace} Benchmark"] = self._benchmark_table(namespace, tests)
        streams = {
            f"{_DATA_STREAM} data-stream-collection": KnownElement(
                {f"{_DATA_STREAM} component": KnownElement(benchmarks)}
            )
        }
        request = KnownElement({f"{_ARF} content": KnownElement({**streams, **benchmarks})})
        content = {f"{_ARF} content": KnownElement({**tests, **benchmarks, **oval})}
        report = KnownElement(content, self._begin_report, self._finish_report)
        collection = {
            f"{_ARF} report-requests": KnownElement({f"{_ARF} report-request": request}),
            f"{_ARF} reports": KnownElement({f"{_ARF} report": report}),
        }
        return {f"{_ARF} asset-report-collection": KnownElement(collection), **streams, **benchmarks, **tests, **oval}

    def _benchmark_table(self, namespace: str, tests: Table) -> KnownElement:
        rule = {
            f"{namespace} title": KnownElement(finish=self._rule_title),
            f"{namespace} ident": KnownElement(finish=self._rule_ident),
            f"{namespace} reference": KnownElement(finish=self._rule_reference),
            f"{namespace} fix": KnownElement({}, begin=self._rule_fix),
        }
        group: Table = {f"{namespace} Rule": KnownElement(rule, self._begin_rule, self._finish_rule)}
        group[f"{namespace} Group"] = KnownElement(group)
        inside = {**group, f"{namespace} version": KnownElement(finish=self._benchmark_version), **tests}
        return KnownElement(inside, self._begin_benchmark, self._finish_benchmark)

    def _test_table(self, namespace: str) -> KnownElement:
        content = {f"{namespace} check-content-ref": KnownElement({}, begin=self._content)}
        checks: Table = {f"{namespace} check": KnownElement(content, begin=self._check)}
        checks[f"{namespace} complex-check"] = KnownElement(checks)
        outcome = {
            f"{namespace} result": KnownElement(finish=self._result),
            f"{namespace} override": KnownElement({f"{namespace} old-result": KnownElement(finish=self._old_result)}),
            f"{namespace} ident": KnownElement(finish=self._ident),
            f"{namespace} message": KnownElement(finish=self._message),
            f"{namespace} instance": KnownElement(finish=self._instance),
            f"{namespace} fix": KnownElement({}, begin=self._fix),
            **checks,
        }
        inside = {
            f"{namespace} benchmark": KnownElement({}, begin=self._test_benchmark),
            f"{namespace} profile": KnownElement({}, begin=self._profile),
            f"{namespace} identity": KnownElement(finish=self._identity),
            f"{namespace} target": KnownElement(finish=self._target),
            f"{namespace} target-address": KnownElement(finish=self._address),
            f"{namespace} target-facts": KnownElement({f"{namespace} fact": KnownElement(finish=self._fact)}),
            f"{namespace} platform": KnownElement({}, begin=self._platform),
            f"{namespace} score": KnownElement(finish=self._score),
            f"{namespace} rule-result": KnownElement(outcome, self._begin_outcome, self._finish_outcome),
        }
        self._strict += [(outcome, namespace, "rule-result"), (inside, namespace, "TestResult")]
        return KnownElement(inside, self._begin_test, self._finish_test)

    def _oval_table(self) -> Table:
        criteria: Table = {
            f"{_OVAL_RESULTS} {name}": KnownElement({}, begin=self._criterion)
            for name in ("criterion", "extend_definition")
        }
        criteria[f"{_OVAL_RESULTS} criteria"] = KnownElement(criteria)
        inside = {
            f"{_OVAL_RESULTS} definition": KnownElement(criteria, self._begin_definition, self._finish_definition)
        }
        for name in ("definitions", "system", "results", "oval_results"):
            inside = {f"{_OVAL_RESULTS} {name}": KnownElement(inside)}
        return inside

    # Small things

    def _count(self, number: int = 1) -> None:
        self._values += number
        if self._values > VALUES_LIMIT:
            raise LimitExceeded(f"{self.contents.where} has more than {VALUES_LIMIT} values", code="limit-results")

    def _add(self, values: list[t.Any], value: object) -> None:
        self._count()
        values.append(value)

    def _id(self, attributes: Attributes, name: str) -> str:
        text = pairs(attributes).get(name, "")
        if len(text) > TEXT_LIMIT:
            raise LimitExceeded(f"{self.contents.where} has a {name} of {len(text)} characters", code="limit-results")
        return text

    def _begin_report(self, attributes: Attributes) -> None:
        self._report = self._id(attributes, "id")

    def _finish_report(self, _text: str, _attributes: Attributes) -> None:
        self._report = ""

    # Benchmarks

    def _begin_benchmark(self, attributes: Attributes) -> None:
        self._benchmark = self._id(attributes, "id")
        self.contents.rules.setdefault(self._benchmark, {})

    def _finish_benchmark(self, _text: str, _attributes: Attributes) -> None:
        self._benchmark = ""

    def _benchmark_version(self, text: str, _attributes: Attributes) -> None:
        self.contents.versions.setdefault(self._benchmark, text)

    def _begin_rule(self, attributes: Attributes) -> None:
        self._id(attributes, "id")
        self._rule = WrittenRule(pairs(attributes))

    def _finish_rule(self, _text: str, _attributes: Attributes) -> None:
        rule = self._rule
        self._count(1 + len(rule.references))
        self.contents.rules[self._benchmark].setdefault(rule.id, rule)

    def _rule_title(self, text: str, _attributes: Attributes) -> None:
        if self._rule.title is None:
            self._rule.title = text

    def _rule_ident(self, text: str, attributes: Attributes) -> None:
        self._add(self._rule.identifiers, (self._id(attributes, "system"), text))

    def _rule_reference(self, text: str, attributes: Attributes) -> None:
        # Half of all that is read are references; they are counted with their rule.
        self._rule.references.append(text or self._id(attributes, "href"))

    def _rule_fix(self, _attributes: Attributes) -> None:
        self._rule.remediation = True

    # TestResults

    def _begin_test(self, attributes: Attributes) -> None:
        for name in ("id", "version", "test-system"):
            self._id(attributes, name)
        self._test = WrittenTest(pairs(attributes), Benchmark(self._benchmark))

    def _finish_test(self, _text: str, _attributes: Attributes) -> None:
        self.contents.tests += 1
        self.contents.last = self._test

    def _test_benchmark(self, attributes: Attributes) -> None:
        identity = self._id(attributes, "id") or self._benchmark
        self._test.benchmark = Benchmark(identity, "", self._id(attributes, "href"))

    def _profile(self, attributes: Attributes) -> None:
        self._test.profile = self._id(attributes, "idref")

    def _identity(self, text: str, _attributes: Attributes) -> None:
        self._test.identity = text

    def _target(self, text: str, _attributes: Attributes) -> None:
        self._add(self._test.targets, text)

    def _address(self, text: str, _attributes: Attributes) -> None:
        self._add(self._test.addresses, text)

    def _platform(self, attributes: Attributes) -> None:
        self._add(self._test.platforms, self._id(attributes, "idref"))

    def _fact(self, text: str, attributes: Attributes) -> None:
        self._add(self._test.facts, (self._id(attributes, "name"), text))

    def _score(self, text: str, attributes: Attributes) -> None:
        maximum = self.contents.number(pairs(attributes).get("maximum", "100"), "maximum score")
        score = (self._id(attributes, "system"), self.contents.number(text, "score"), maximum)
        self._add(self._test.scores, score)

    def _begin_outcome(self, attributes: Attributes) -> None:
        if not self._id(attributes, "idref"):
            raise self.contents.damaged("has a rule-result without a rule")
        self._outcome = WrittenOutcome(pairs(attributes))

    def _finish_outcome(self, _text: str, _attributes: Attributes) -> None:
        outcome = self._outcome
        if outcome.result is None:
            raise self.contents.damaged(f"has no result of the rule {shown(outcome.attributes['idref'])}")
        self._count()
        if outcome.result == "notselected":
            self._test.not_selected += 1
        else:
            self._test.outcomes.append(outcome)

    def _result(self, text: str, _attributes: Attributes) -> None:
        if text not in RULE_RESULTS or self._outcome.result is not None:
            rule = shown(self._outcome.attributes["idref"])
            raise self.contents.damaged(f"has the result {text[:40]!a} of the rule {rule}, or two of it")
        self._outcome.result = text

    def _old_result(self, text: str, _attributes: Attributes) -> None:
        self._add(self._outcome.overridden, text)

    def _ident(self, text: str, attributes: Attributes) -> None:
        self._add(self._outcome.identifiers, (self._id(attributes, "system"), text))

    def _message(self, text: str, _attributes: Attributes) -> None:
        self._add(self._outcome.messages, text)

    def _instance(self, text: str, _attributes: Attributes) -> None:
        self._add(self._outcome.instances, text)

    def _fix(self, _attributes: Attributes) -> None:
        self._outcome.fix = True

    def _check(self, attributes: Attributes) -> None:
        self._oval = pairs(attributes).get("system") == _OVAL_CHECKS

    def _content(self, attributes: Attributes) -> None:
        name = self._id(attributes, "name")
        if self._oval and name:
            self._add(self._outcome.checks, (self._id(attributes, "href"), name))

    # OVAL results

    def _begin_definition(self, attributes: Attributes) -> None:
        self._id(attributes, "definition_id")
        self._definition = WrittenDefinition(attributes)

    def _criterion(self, attributes: Attributes) -> None:
        self._definition.criteria.append(attributes)

    def _finish_definition(self, _text: str, attributes: Attributes) -> None:
        self._count(1 + len(self._definition.criteria))
        report = self.contents.definitions.setdefault(self._report, {})
        report.setdefault(pairs(attributes).get("definition_id", ""), []).append(self._definition)
