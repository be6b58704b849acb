# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``openscap_info``: the results of an evaluation, from a file."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from .._compliance.files import read_chunks
from .._compliance.model import Definition, Results, RuleResult
from .._compliance.reader import read_definitions, read_results
from .._core.errors import InputError


def read_evaluation(module: AnsibleModule) -> dict[str, t.Any]:
    """Read one file of results. Returns the result of the module."""
    params = module.params
    if params["limit"] < 0:
        raise InputError("limit is less than 0")
    definitions: dict[str, list[Definition]] = {}
    for path in params["oval_results"]:
        for identity, of_file in read_definitions(read_chunks(Path(path)), path).items():
            definitions.setdefault(identity, []).extend(of_file)
    results = read_results(read_chunks(Path(params["path"])), params["path"], definitions)
    matched = [
        rule
        for rule in results.rules
        if (params["results"] is None or rule.result in params["results"])
        and (params["severities"] is None or rule.severity in params["severities"])
    ]
    return {
        **_results_to_dict(results),
        "rules": [_rule_to_dict(rule) for rule in matched[: params["limit"]]],
        "matched": len(matched),
    }


def _results_to_dict(results: Results) -> dict[str, t.Any]:
    """Describe all but the rules."""
    return {
        "counts": results.counts,
        "score": results.score,
        "scores": [dict(zip(("system", "value", "maximum"), score)) for score in results.scores],
        "profile": results.profile,
        "benchmark": dataclasses.asdict(results.benchmark),
        "target": {
            "name": results.target,
            "names": list(results.targets),
            "addresses": list(results.addresses),
            "identity": results.identity,
            "platforms": list(results.platforms),
            "facts": [{"name": name, "value": value} for name, value in results.facts],
        },
        "test_result": {name: getattr(results, name) for name in ("id", "started", "ended", "scanner")},
        "problems": [dataclasses.asdict(problem) for problem in results.problems],
    }


def _rule_to_dict(rule: RuleResult) -> dict[str, t.Any]:
    """Describe one rule, also what it has no value for."""
    return {
        **dataclasses.asdict(rule),
        "identifiers": [{"system": system, "value": value} for system, value in rule.identifiers],
        "definitions": [
            {
                "id": definition.id,
                "result": definition.result,
                "tests": [{"id": test, "result": result} for test, result in definition.tests],
            }
            for definition in rule.definitions
        ],
    }
