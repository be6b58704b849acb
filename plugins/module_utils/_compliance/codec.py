# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as JSON objects, and back, strictly. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import CorruptData
from .._core.shapes import Reader, Shapes
from .._images.model import Problem
from .model import RULE_RESULTS, RULE_SEVERITIES, SCHEMA_VERSION, Benchmark, Definition, Results, RuleResult


def results_to_dict(results: Results) -> dict[str, t.Any]:
    """A JSON object with ``schema_version``; equal results give equal objects. Of a rule, defaults are left out."""
    return {
        **{name: getattr(results, name) for name in _RESULTS},
        **{name: [list(pair) for pair in getattr(results, name)] for name in ("facts", "scores")},
        **{name: list(getattr(results, name)) for name in ("targets", "addresses", "platforms")},
        "benchmark": dataclasses.asdict(results.benchmark),
        "rules": [_rule_to_dict(rule) for rule in results.rules],
        "problems": [dataclasses.asdict(entry) for entry in results.problems],
    }


def _rule_to_dict(rule: RuleResult) -> dict[str, t.Any]:
    values = {name: getattr(rule, name) for name in _RULE}
    values = {
        name: _lists(value) for name, value in values.items() if name in _RULE_REQUIRED or value != _RULE_DEFAULTS[name]
    }
    if rule.definitions:
        values["definitions"] = [
            {"id": definition.id, "result": definition.result, "tests": _lists(definition.tests)}
            for definition in rule.definitions
        ]
    return values


def _lists(value: t.Any) -> t.Any:
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def results_from_dict(value: object) -> Results:
    """The results that ``results_to_dict`` wrote. Raises CorruptData for anything else, newer versions included."""
    top = _SHAPES.fields(value, "results")
    version = _COUNT(top.get("schema_version"), "schema_version")
    if version > SCHEMA_VERSION:
        raise CorruptData(
            f"the results of OpenSCAP have schema version {version}; this program knows {SCHEMA_VERSION}",
            code="results-too-new",
            hint="upgrade the collection",
        )
    return _READ(top, "results")


_SHAPES = Shapes("results-invalid")
_TEXT, _COUNT, _NUMBER, _TEXTS = _SHAPES.text, _SHAPES.count, _SHAPES.number, _SHAPES.many(_SHAPES.text)
_PAIR = _SHAPES.row(_TEXT, _TEXT)
_PROBLEM = _SHAPES.record(Problem, {"code": _TEXT, "message": _TEXT})
_BENCHMARK = _SHAPES.record(Benchmark, {"id": _TEXT, "version": _TEXT, "href": _TEXT})
_DEFINITION = _SHAPES.record(Definition, {"id": _TEXT, "result": _TEXT, "tests": _SHAPES.many(_PAIR)})
_RULE_REQUIRED = frozenset(("id", "result", "severity"))
_RULE_READ: t.Mapping[str, Reader] = {
    "id": _TEXT,
    "result": _SHAPES.word([one for one in RULE_RESULTS if one != "notselected"]),
    "severity": _SHAPES.word(RULE_SEVERITIES),
    "title": _TEXT,
    "identifiers": _SHAPES.many(_PAIR),
    "references": _TEXTS,
    "messages": _TEXTS,
    "remediation": _SHAPES.truth,
    "weight": _NUMBER,
    "time": _TEXT,
    "instances": _TEXTS,
    "overridden": _TEXT,
    "definitions": _SHAPES.many(_DEFINITION),
}
_READ = _SHAPES.record(
    Results,
    {
        "schema_version": _COUNT,
        "id": _TEXT,
        "profile": _TEXT,
        "benchmark": _BENCHMARK,
        "targets": _TEXTS,
        "addresses": _TEXTS,
        "identity": _TEXT,
        "platforms": _TEXTS,
        "facts": _SHAPES.many(_PAIR),
        "scores": _SHAPES.many(_SHAPES.row(_TEXT, _NUMBER, _NUMBER)),
        "started": _TEXT,
        "ended": _TEXT,
        "scanner": _TEXT,
        "content": _TEXT,
        "not_selected": _COUNT,
        "rules": _SHAPES.many(_SHAPES.record(RuleResult, _RULE_READ, _RULE_REQUIRED)),
        "problems": _SHAPES.many(_PROBLEM),
    },
)
#: Fields that are written as they are.
_RESULTS = ("schema_version", "id", "profile", "identity", "started", "ended", "scanner", "content", "not_selected")
_RULE = tuple(name for name in _RULE_READ if name != "definitions")
_RULE_DEFAULTS = {one.name: one.default for one in dataclasses.fields(RuleResult)}
