# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions: what fits the image object is run, and what can only be a mistake is refused."""

from __future__ import annotations

import contextlib
import time

import jmespath
import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.expressions import (
    LENGTH_LIMIT,
    check_expression,
    evaluate,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import image_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.schema import FACTS_SCHEMA
from ansible_collections.imagescan.openshift.tests.support import verdicts as make
from hypothesis import given
from hypothesis import strategies as st

RESULTS = make.compliance({"references": ["CCE-1"]})
SUBJECT = make.subject(
    compliance=RESULTS,
    **make.match(
        findings=(
            make.finding(),
            make.finding(id="CVE-2026-2", severity="low", status="affected", fixed_in="", module="perl:5.32"),
        )
    ),
)
FACTS = image_document(SUBJECT, judge(SUBJECT, load_policies(DEFAULT_POLICY_TEXT, "p"), [], now=make.NOW))


@pytest.mark.parametrize(
    ("expression", "reads", "holds"),
    [
        ("!vulnerabilities", "vulnerabilities", False),
        ("length(vulnerabilities) == `2`", "vulnerabilities", True),
        ("length(vulnerabilities[?severity == 'important' && !exception]) <= `1`", "vulnerabilities", True),
        ("!(vulnerabilities[?contains(['important', 'critical'], severity)])", "vulnerabilities", False),
        ("!contains(vulnerabilities[].severity, 'critical')", "vulnerabilities", True),
        ("vulnerabilities[].status | !contains(@, 'will_not_fix')", "vulnerabilities", True),
        ("vulnerabilities[0].id == 'CVE-2026-1001'", "vulnerabilities", True),
        ("vulnerabilities[:1].fixed_in | [0] != ''", "vulnerabilities", True),
        ("!(vulnerabilities[?starts_with(module, 'perl:')])", "vulnerabilities", False),
        ("max(map(&length(id), vulnerabilities)) < `20`", "vulnerabilities", True),
        ("sort_by(vulnerabilities, &id)[0].severity == 'important'", "vulnerabilities", True),
        ("max_by(vulnerabilities, &length(id)).id == 'CVE-2026-1001'", "vulnerabilities", True),
        ("starts_with(os, 'rhel 9') || starts_with(os, 'rhel 10')", "os", True),
        ("packages > `1` && platform == 'linux/amd64'", "packages platform", True),
        ("sum(values(not_examined)) == `0`", "not_examined", True),
        ("max(not_examined.*) < `5`", "not_examined", True),
        ("not_examined.{all: jar}.all == `0`", "not_examined", True),
        ("inventory.complete", "inventory", True),
        ("length(inventory.repositories[?source == 'assumed']) == `0`", "inventory", True),
        ("!(inventory.problems[*].code)", "inventory", True),
        ("compliance.score >= `90`", "compliance", True),
        ("!(compliance.rules[?result == 'fail' && severity == 'high'])", "compliance", True),
        ("contains(compliance.rules[].references[], 'CCE-1')", "compliance", True),
        ("compliance.counts.fail == `0`", "compliance", True),
        ("contains(references, 'registry.example.com/team/app:1.0')", "references", True),
        ("digest | starts_with(@, 'sha256:1')", "digest", True),
        ("join(' ', references) != ''", "references", True),
    ],
)
def test_what_fits_is_run(expression: str, reads: str, holds: bool) -> None:
    assert check_expression(expression, FACTS_SCHEMA).reads == tuple(reads.split())
    assert evaluate(expression, FACTS) is holds


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("!vulnerabilites", "unknown field 'vulnerabilites'; did you mean 'vulnerabilities'?"),
        ("!Vulnerabilities", "did you mean 'vulnerabilities'?"),
        ("length(vulnerabilities[?severty == 'low']) == `0`", "unknown field 'severty'; did you mean 'severity'?"),
        (
            "!(vulnerabilities[?severity == 'Important'])",
            "'Important' is never a value here; did you mean 'important'?",
        ),
        ("!(vulnerabilities[?'importnat' == severity])", "did you mean 'important'?"),
        ("!(vulnerabilities[?status != 'fixed'])", "'fixed' is never a value here"),
        ("!contains(vulnerabilities[].severity, 'critial')", "did you mean 'critical'?"),
        ("!(vulnerabilities[?contains(['critical', 'importan'], severity)])", "did you mean 'important'?"),
        ('!(vulnerabilities[?contains(`["hihg"]`, severity)])', "'hihg' is never a value here"),
        ("!vulnerabilities.id", "! binds tighter"),
        ("!vulnerabilities[?severity == 'critical']", "! binds tighter"),
        ("!(vulnerabilities.id)", "'id' is asked of a list"),
        ("vulnerabilities", "gives a list; it must be true"),
        ("vulnerabilities[?severity == 'critical']", "gives a list"),
        ("compliance.score", "gives a number"),
        ("os", "gives a text"),
        ("vulnerabilities && os == 'rhel 9.4'", "gives a list or a boolean; it must be true"),
        ("packages == '5'", "compares a number with a text, which are never equal"),
        ("packages > '5'", "< and > compare numbers, not a text"),
        ("vulnerabilities[0].severity > 'low'", "words have no order"),
        ("max(vulnerabilities[].severity) == 'low'", "alphabetically"),
        ("max_by(vulnerabilities, &severity).id == 'x'", "alphabetically"),
        ("!packages", "a number is always true"),
        ("!(vulnerabilities[?severity])", "always true"),
        ("!@", "always true"),
        ("`true`", "asks nothing about the image"),
        ("`null` == `null`", "asks nothing about the image"),
        ("exception == null", "unknown field 'exception'"),
        ("compliance == null", "the value null is written `null`"),
        ("verdict == 'passed'", "unknown field 'verdict'"),
        ("os.name == 'rhel'", "'name' is asked of a text"),
        ("os[0] == 'r'", "an index is applied to a text"),
        ("not_examined.jars == `0`", "did you mean 'jar'?"),
        ("leng(vulnerabilities) == `0`", "unknown function 'leng'; did you mean 'length'?"),
        ("length(vulnerabilities, os) == `0`", "length() takes 1 arguments, not 2"),
        ("length(packages) == `0`", "length() takes"),
        ("contains(vulnerabilities, &id)", "an expression that begins with &"),
        ("sort_by(vulnerabilities, os) == `[]`", "an expression that begins with &"),
        ("sum(references) == `0`", "a list of numbers"),
        ("length(@) == `0`", "cannot take the whole image"),
        ("length(keys(@)) == `10`", "cannot take the whole image"),
        ("values(inventory)[0]", "gives"),
        ("`{}`.* == `[]`", "a mapping without fields"),
        ("vulnerabilities[", "not a JMESPath expression"),
        ("vulnerabilities ==", "not a JMESPath expression"),
        ("\x1b[2J", "not a JMESPath expression"),
        ("packages == `1` || " * 200 + "inventory.complete", "longer than"),
        ("(" * 1900 + "os", "nested too deep"),
        ("!" * 1900 + "os", "nested too deep"),
        ("os.a" + ".b" * 900, "asked of a text"),
        ("!".join([""] * 60) + "inventory.complete", "deeper than"),
        ("[inventory.complete, " * 3 + "os" + "]" * 3, "gives a list"),
        ("@" + "|[@,@]" * 9 + "|!@", "grow too large"),
    ],
)
def test_what_can_only_be_a_mistake_is_refused(expression: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_expression(expression, FACTS_SCHEMA)
    assert message in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(("value", "kind"), [(None, "null"), ("rhel 9.4", "a str")])
def test_what_gives_no_truth_value_is_said(value: object, kind: str) -> None:
    with pytest.raises(InputError, match=f"^gave {kind} instead of true or false$"):
        evaluate("os", {"os": value})


def test_jmespath_itself_would_let_the_misspelling_pass() -> None:
    """What all this is for."""
    assert jmespath.search("!vulnerabilites", FACTS) is True


@pytest.mark.parametrize("expression", ["vulnerabilities[9].exception", "starts_with(vulnerabilities[9].id, 'C')"])
def test_what_gives_no_boolean_is_an_error_when_it_runs(expression: str) -> None:
    with pytest.raises(InputError):
        evaluate(expression, FACTS)


PIECES = ["vulnerabilities", "compliance", "os", "packages", "not_examined", "inventory", "severity", "rules", "`1`"]
PIECES += ["'low'", "`null`", '`[1,"a",{}]`', "`{}`", "@", "!", "&", "|", "||", "&&", "==", ">", ".", "[]", "[*]", ".*"]
PIECES += [
    "[0]",
    "[1:2]",
    "[?",
    "]",
    "(",
    ")",
    ",",
    "[",
    "{a: ",
    "}",
    *(["length(", "max_by(", "map(", "values(", "contains("]),
]
PIECES += ["not_null(", "sum(", "keys(", "sort(", "id", "complete", "x"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join))
def test_checking_ends_in_an_answer_or_a_clear_error(expression: str) -> None:
    try:
        checked = check_expression(expression, FACTS_SCHEMA)
    except InputError:
        return
    assert set(checked.reads) <= set(FACTS_SCHEMA["properties"])
    with contextlib.suppress(InputError):
        assert evaluate(expression, FACTS) in (True, False)


@given(st.text(max_size=200))
def test_any_text_ends_in_an_answer_or_a_clear_error(expression: str) -> None:
    try:
        check_expression(expression, FACTS_SCHEMA)
    except InputError as error:
        assert error.message.isprintable()


def test_the_largest_expression_over_many_findings_ends() -> None:
    subject = make.subject(**make.match(findings=tuple(make.finding(id=f"CVE-2026-{n}") for n in range(2_000))))
    facts = image_document(subject, judge(subject, load_policies(DEFAULT_POLICY_TEXT, "p"), [], now=make.NOW))
    expression = "vulnerabilities" + "|[@,@][]" * 8 + "|" + "[?severity=='low']|" * 15 + "length(@) == `0`"
    assert len(expression) < LENGTH_LIMIT
    start = time.process_time()
    with pytest.raises(InputError):
        check_expression(expression, FACTS_SCHEMA)
    assert time.process_time() - start < 10
    assert evaluate(expression, facts) is True
    assert time.process_time() - start < 120
