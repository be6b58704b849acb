# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TestResult gets what the benchmark and the OVAL results say of its rules, and what is missing is said."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import (
    Definition,
    Results,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.reader import (
    read_definitions,
    read_results,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.tests.support import openscap as made

FIRST = Definition("oval:x:def:1", "true", (("oval:x:tst:1", "true"), ("oval:x:def:9", "true")))


def read(text: str) -> Results:
    return read_results([text.encode()], "it")


def codes(results: Results) -> list[str]:
    return [problem.code for problem in results.problems]


def test_results_without_an_id_of_the_benchmark_belong_to_the_one_around_them() -> None:
    test = made.test_result(made.rule_result()).replace('<benchmark id="b1" href="b.xml"/>', "")
    results = read(made.benchmark(made.rule(), more=test))
    assert (results.benchmark.id, results.rules[0].title) == ("b1", "Rule")


def test_a_test_result_alone_is_read_and_says_what_it_lacks() -> None:
    results = read(made.test_result(made.rule_result()))
    assert codes(results) == ["benchmark-missing"]
    assert results.rules[0].severity == "high"


def test_rules_of_another_benchmark_do_not_count() -> None:
    results = read(made.arf(made.test_result(made.rule_result()), made.benchmark(made.rule()).replace('"b1"', '"b2"')))
    assert (codes(results), results.rules[0].title) == (["benchmark-missing"], "")


def test_the_last_of_several_results_is_taken_and_said() -> None:
    first, last = made.test_result(made.rule_result("a", "pass")), made.test_result(made.rule_result("a", "fail"))
    results = read(made.benchmark(made.rule(), more=first + last))
    assert ([rule.result for rule in results.rules], codes(results)) == (["fail"], ["results-several"])


def test_a_result_that_was_overridden_is_said() -> None:
    override = (
        '<override time="2026-01-01T00:00:00" authority="me"><old-result>fail</old-result>'
        "<new-result>pass</new-result><remark>no</remark></override>"
    )
    results = read(made.arf(made.test_result(made.rule_result("a", "pass", override)), made.benchmark(made.rule())))
    assert (results.rules[0].result, results.rules[0].overridden) == ("pass", "fail")
    assert codes(results) == ["results-overridden"]


def test_results_of_no_rule_and_without_an_end_are_said() -> None:
    results = read(made.arf(made.test_result(made.rule_result("a", "notselected"), attributes=""), made.benchmark()))
    assert codes(results) == ["results-unfinished", "results-empty"]


@pytest.mark.parametrize(
    ("written", "severity"), [("low", "low"), ("", "medium"), ("critical", "unknown"), ("unknown", "unknown")]
)
def test_the_severity_is_that_of_the_profile_else_of_the_rule(written: str, severity: str) -> None:
    test = made.test_result(made.rule_result(severity=written))
    assert read(made.arf(test, made.benchmark(made.rule()))).rules[0].severity == severity


def test_several_results_of_one_rule_are_all_told() -> None:
    rules = [made.rule_result("a", result, f"<instance>{result}</instance>") for result in ("pass", "fail")]
    results = read(made.arf(made.test_result(*rules), made.benchmark(made.rule())))
    assert [(rule.result, rule.instances) for rule in results.rules] == [("pass", ("pass",)), ("fail", ("fail",))]


@pytest.mark.parametrize(
    ("reports", "found"),
    [
        ([], [Definition("oval:x:def:1")]),
        ([made.oval(made.definition())], [FIRST]),
        # The report that is named counts, not another with a definition of the same id.
        ([made.oval(made.definition()), made.oval(made.definition(result="false"))], [FIRST]),
        # As oscap 1.0 wrote it: the report that is named is not the one; the only one that has it is taken …
        ([made.oval(), made.oval(made.definition())], [FIRST]),
        # … and none where several have it.
        ([made.oval(), *[made.oval(made.definition())] * 2], [Definition("oval:x:def:1")]),
        ([made.oval(made.definition(), made.definition())], [FIRST, FIRST]),
    ],
)
def test_results_of_definitions_are_found_in_their_report(reports: list[str], found: list[Definition]) -> None:
    results = read(made.arf(made.test_result(made.rule_result()), made.benchmark(made.rule()), *reports))
    assert list(results.rules[0].definitions) == found


def test_results_of_definitions_may_be_files_of_their_own() -> None:
    beside = read_definitions([made.oval(made.definition()).encode()], "oval")
    results = read_results([made.test_result(made.rule_result()).encode()], "it", beside)
    assert results.rules[0].definitions == (FIRST,)
    with pytest.raises(CorruptData) as caught:
        read_definitions([made.test_result().encode()], "oval")
    assert caught.value.code == "results-missing"


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-11-25T12:00:00", "2026-11-25T12:00:00"),
        ("2026-11-25T12:00:00.123Z", "2026-11-25T12:00:00Z"),
        ("2026-11-25T00:30:00+01:00", "2026-11-24T23:30:00Z"),
        ("2026-13-25T00:30:00", ""),
        ("0001-01-01T00:00:00+14:00", ""),
        ("yesterday", ""),
    ],
)
def test_times_are_told_in_utc_where_a_zone_is_known(written: str, time: str) -> None:
    text = made.test_result(made.rule_result(), attributes=f'end-time="{written}"')
    assert read(text).ended == time
