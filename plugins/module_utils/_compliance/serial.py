# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as JSON objects, and back, strictly. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import math
import typing as t

from .._core.errors import CorruptData
from .._images.model import Problem
from .model import RULE_RESULTS, RULE_SEVERITIES, SCHEMA_VERSION, Benchmark, Definition, Results, RuleResult

_T = t.TypeVar("_T")
_Read = t.Callable[[object, str], t.Any]


def results_to_dict(results: Results) -> dict[str, t.Any]:
    """A JSON object with ``schema_version``; equal results give equal objects. Of a rule, defaults are left out."""
    return {
        **{name: getattr(results, name) for name in _RESULTS},
        **{name: [list(one) for one in getattr(results, name)] for name in ("facts", "scores")},
        **{name: list(getattr(results, name)) for name in ("targets", "addresses", "platforms")},
        "benchmark": dataclasses.asdict(results.benchmark),
        "rules": [_rule_to_dict(rule) for rule in results.rules],
        "problems": [dataclasses.asdict(one) for one in results.problems],
    }


def _rule_to_dict(rule: RuleResult) -> dict[str, t.Any]:
    values = {name: getattr(rule, name) for name in _RULE}
    values = {
        name: _lists(value) for name, value in values.items() if name in _RULE_REQUIRED or value != _RULE_DEFAULTS[name]
    }
    if rule.definitions:
        values["definitions"] = [
            {"id": one.id, "result": one.result, "tests": _lists(one.tests)} for one in rule.definitions
        ]
    return values


def _lists(value: t.Any) -> t.Any:
    return [_lists(one) for one in value] if isinstance(value, tuple) else value


def results_from_dict(value: object) -> Results:
    """The results that ``results_to_dict`` wrote. Raises CorruptData for anything else, newer versions included."""
    top = _object(value, "results")
    version = _count(top.get("schema_version"), "schema_version")
    if version > SCHEMA_VERSION:
        raise CorruptData(
            f"the results of OpenSCAP have schema version {version}; this program knows {SCHEMA_VERSION}",
            code="results-too-new",
            hint="upgrade the collection",
        )
    return _read(Results, top, _RESULTS_READ, frozenset(_RESULTS_READ), "results")


def _read(kind: type[_T], value: object, readers: t.Mapping[str, _Read], required: frozenset[str], where: str) -> _T:
    found = _object(value, where)
    missing, unknown = required - set(found), set(found) - set(readers)
    if missing:
        raise _invalid(f"{where} has no {', '.join(sorted(missing))}")
    if unknown:
        raise _invalid(f"{where} has the unknown field {', '.join(ascii(name)[:40] for name in sorted(unknown)[:5])}")
    return kind(**{name: readers[name](one, f"{where}.{name}") for name, one in found.items()})


def _invalid(message: str) -> CorruptData:
    return CorruptData(message, code="results-invalid")


def _object(value: object, where: str) -> dict[str, t.Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise _invalid(f"{where} is not a JSON object")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{where} is not a text")
    return value


def _truth(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _invalid(f"{where} is not true or false")
    return value


def _count(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _invalid(f"{where} is not a number from 0")
    return value


def _number(value: object, where: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise _invalid(f"{where} is not a number")
    return float(value)


def _word(words: t.Sequence[str]) -> _Read:
    def read(value: object, where: str) -> str:
        if value not in words:
            raise _invalid(f"{where} is {ascii(value)[:40]}, not one of {', '.join(words)}")
        return t.cast(str, value)

    return read


def _many(read: _Read) -> _Read:
    def all_of(value: object, where: str) -> tuple[t.Any, ...]:
        if not isinstance(value, list):
            raise _invalid(f"{where} is not a list")
        return tuple(read(one, f"{where}[{number}]") for number, one in enumerate(value))

    return all_of


def _row(*reads: _Read) -> _Read:
    def read(value: object, where: str) -> tuple[t.Any, ...]:
        if not isinstance(value, list) or len(value) != len(reads):
            raise _invalid(f"{where} is not a list of {len(reads)}")
        return tuple(one(cell, where) for one, cell in zip(reads, value))

    return read


def _part(kind: type[t.Any], readers: t.Mapping[str, _Read], required: frozenset[str] | None = None) -> _Read:
    needed = frozenset(readers) if required is None else required
    return lambda value, where: _read(kind, value, readers, needed, where)


_PAIR = _row(_text, _text)
_PROBLEM = _part(Problem, {"code": _text, "message": _text})
_BENCHMARK = _part(Benchmark, {"id": _text, "version": _text, "href": _text})
_DEFINITION = _part(Definition, {"id": _text, "result": _text, "tests": _many(_PAIR)})
_RULE_REQUIRED = frozenset(("id", "result", "severity"))
_RULE_READ: t.Mapping[str, _Read] = {
    "id": _text,
    "result": _word([one for one in RULE_RESULTS if one != "notselected"]),
    "severity": _word(RULE_SEVERITIES),
    "title": _text,
    "identifiers": _many(_PAIR),
    "references": _many(_text),
    "messages": _many(_text),
    "remediation": _truth,
    "weight": _number,
    "time": _text,
    "instances": _many(_text),
    "overridden": _text,
    "definitions": _many(_DEFINITION),
}
_RESULTS_READ: t.Mapping[str, _Read] = {
    "schema_version": _count,
    "id": _text,
    "profile": _text,
    "benchmark": _BENCHMARK,
    "targets": _many(_text),
    "addresses": _many(_text),
    "identity": _text,
    "platforms": _many(_text),
    "facts": _many(_PAIR),
    "scores": _many(_row(_text, _number, _number)),
    "started": _text,
    "ended": _text,
    "scanner": _text,
    "content": _text,
    "not_selected": _count,
    "rules": _many(_part(RuleResult, _RULE_READ, _RULE_REQUIRED)),
    "problems": _many(_PROBLEM),
}
#: Fields that are written as they are.
_RESULTS = ("schema_version", "id", "profile", "identity", "started", "ended", "scanner", "content", "not_selected")
_RULE = tuple(name for name in _RULE_READ if name != "definitions")
_RULE_DEFAULTS = {one.name: one.default for one in dataclasses.fields(RuleResult)}
