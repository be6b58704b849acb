# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as JSON: what was written is read again, and nothing else."""

from __future__ import annotations

import copy
import dataclasses
import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.codec import (
    results_from_dict,
    results_to_dict,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import Results, RuleResult
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.reader import read_results
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.tests.fuzz import trees
from ansible_collections.imagescan.openshift.tests.support import openscap as made


def results() -> Results:
    found = read_results([made.whole().encode()], "it")
    return found.with_problems([Problem("some-code", "A sentence."), Problem("some-code", "A sentence.")])


def written() -> t.Any:
    return json.loads(json.dumps(results_to_dict(results())))


@pytest.mark.parametrize("value", [results(), Results("t", ()), Results("t", (RuleResult("r", "fail"),))])
def test_what_was_written_is_read_again(value: Results) -> None:
    assert results_from_dict(json.loads(json.dumps(results_to_dict(value)))) == value


def test_every_field_is_written_and_defaults_of_rules_are_not() -> None:
    assert set(written()) == {field.name for field in dataclasses.fields(Results)}
    assert len(written()["problems"]) == 1
    assert set(written()["rules"][0]) == {field.name for field in dataclasses.fields(RuleResult)} - {
        "instances",
        "overridden",
    }
    assert results_to_dict(Results("t", (RuleResult("r", "fail"),)))["rules"] == [
        {"id": "r", "result": "fail", "severity": "unknown"}
    ]


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(CorruptData) as caught:
        results_from_dict({**written(), "schema_version": 2, "more": 1})
    assert caught.value.code == "results-too-new"


WRONG = (None, True, -1, "x", 1.5, [], {}, [[]], [None], {"x": 1}, float("nan"))


def test_anything_else_is_refused_or_read_as_what_it_says() -> None:
    """Every value of the tree replaced by everything: either an error, or results that give the same JSON again."""
    root = written()
    refused = 0
    for path in trees.nodes(root):
        for value in WRONG:
            changed = copy.deepcopy(root)
            trees.at(changed, path[:-1])[path[-1]] = value
            try:
                found = results_from_dict(changed)
            except CorruptData as error:
                assert error.code in ("results-invalid", "results-too-new")
                refused += 1
            else:
                again = json.loads(json.dumps(results_to_dict(found), allow_nan=False))
                assert results_from_dict(again) == found
                assert isinstance(value, (str, list, bool, float)) or path[-1] == "weight" or path[-3:-2] == ("scores",)
    assert refused > 800


@pytest.mark.parametrize(
    "path", [("rules",), ("rules", 0, "id"), ("rules", 0, "result"), ("benchmark", "id"), ("ended",)]
)
def test_what_is_missing_is_refused(path: t.Any) -> None:
    root = written()
    del trees.at(root, path[:-1])[path[-1]]
    with pytest.raises(CorruptData) as caught:
        results_from_dict(root)
    assert caught.value.code == "results-invalid"


@pytest.mark.parametrize("result", ["notselected", "passed", ""])
def test_a_result_that_no_rule_has_is_refused(result: str) -> None:
    root = written()
    root["rules"][0]["result"] = result
    with pytest.raises(CorruptData):
        results_from_dict(root)
