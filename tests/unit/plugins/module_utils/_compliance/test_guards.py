# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards over inventories and results, each alone."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.canary import CANARY_RULE
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.trim import Trimmed
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.guards import (
    PROBLEMS,
    check_inventory,
    check_results,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import (
    Benchmark,
    Results,
    RuleResult,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    OsRelease,
    Package,
    PackageDatabase,
)

TRIMMED = Trimmed("sha256:0", "bench", "1", "profile", ("a", "b", "c"), (), b"")
GOOD = Results(
    "test",
    (
        RuleResult("a", "pass"),
        RuleResult("b", "fail"),
        RuleResult("c", "notapplicable"),
        RuleResult("other", "fail"),
        RuleResult(CANARY_RULE, "pass"),
    ),
    profile="profile",
    benchmark=Benchmark("bench"),
)
INVENTORY = Inventory(
    kind="rpm",
    os=OsRelease(),
    packages=(Package("a", None, "1", "1", "x86_64"),),
    database=PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", 1),
    repositories=(),
    label_cpes=(),
    labels={},
    not_examined={},
    problems=(),
)


def codes(results: Results) -> list[str]:
    """Codes of all problems."""
    found = [problem.code for problem in results.problems]
    assert set(found) <= set(PROBLEMS) | {"earlier"}
    return found


def with_rules(**rules: str) -> Results:
    """Other results of some rules; an empty one removes the rule."""
    known = {rule.id: rule.result for rule in GOOD.rules}
    known.update({CANARY_RULE if name == "canary" else name: result for name, result in rules.items()})
    return dataclasses.replace(GOOD, rules=tuple(RuleResult(name, result) for name, result in known.items() if result))


def test_good_results_lose_what_was_not_asked_for() -> None:
    found = check_results(GOOD, TRIMMED)
    assert [rule.id for rule in found.rules] == ["a", "b", "c"]
    assert codes(found) == []


@pytest.mark.parametrize("result", ["fail", "notapplicable", "error", "unknown", "notchecked", "informational", ""])
def test_the_canary_must_pass(result: str) -> None:
    assert codes(check_results(with_rules(canary=result), TRIMMED)) == ["compliance-canary"]


def test_a_second_canary_is_no_canary() -> None:
    twice = dataclasses.replace(GOOD, rules=(*GOOD.rules, RuleResult(CANARY_RULE, "fail")))
    assert codes(check_results(twice, TRIMMED)) == ["compliance-canary"]


def test_every_selected_rule_must_have_a_result() -> None:
    found = check_results(with_rules(b=""), TRIMMED)
    assert codes(found) == ["compliance-rules-missing"]
    assert "1 of 3 rules" in found.problems[0].message


def test_hardly_anything_applied() -> None:
    silent = with_rules(a="notapplicable", b="notapplicable")
    assert codes(check_results(silent, TRIMMED)) == ["compliance-not-applicable"]
    assert codes(check_results(with_rules(a="notapplicable"), TRIMMED)) == []
    assert codes(check_results(with_rules(a="notapplicable"), TRIMMED, share=0.5)) == ["compliance-not-applicable"]


@pytest.mark.parametrize("change", [{"profile": "other"}, {"profile": ""}, {"benchmark": Benchmark("other")}])
def test_results_must_be_those_that_were_asked_for(change: dict[str, t.Any]) -> None:
    assert codes(check_results(dataclasses.replace(GOOD, **change), TRIMMED)) == ["compliance-other-results"]


def test_problems_of_reading_stay() -> None:
    found = check_results(GOOD.with_problems([Problem("earlier", "x")]), TRIMMED)
    assert codes(found) == ["earlier"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "dpkg"}, "compliance-no-rpm"),
        ({"kind": "static"}, "compliance-no-rpm"),
        ({"packages": ()}, "compliance-packages-unseen"),
        ({"database": None}, "compliance-packages-unseen"),
        ({"problems": (Problem("rpmdb-row-mismatch", "x"),)}, "compliance-packages-unseen"),
        ({"problems": (Problem("rpmdb-stray", "x"), Problem("layers-unseen", "y"))}, ""),
        ({}, ""),
    ],
)
def test_an_inventory_that_misses_packages_needs_no_run(change: dict[str, t.Any], code: str) -> None:
    found = check_inventory(dataclasses.replace(INVENTORY, **change))
    assert [problem.code for problem in found] == ([code] if code else [])
