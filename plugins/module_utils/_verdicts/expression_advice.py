# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Advice for expressions that can only be a mistake: what to write instead."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import InputError
from .._core.spelling import nearest
from .._core.text import visible
from .rendering import Node, render
from .schema import Schema, truth_kinds

#: What to write where a text is compared as a number, by its form.
ORDER_ADVICE: t.Mapping[str, str] = {
    "cvss": ": the number is cvss_score, as in cvss_score >= `9`",
    "time": ": times have no order here; write starts_with(revision, '2026-'), or set max_age in the policy",
    "os": ": write starts_with(os, 'rhel 9')",
}
LENGTHS = ("length", "count", "size", "len")
_FUNCTION_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (LENGTHS, "; did you mean 'length'?"),
    (
        ("lower", "upper", "lowercase", "tolower"),
        "; words such as severities are in lower case always: compare with ==",
    ),
    (("match", "matches", "regex", "regexp", "like", "glob"), "; write starts_with(), ends_with() or contains()"),
    (("any", "some", "exists"), "; a list that is not empty is true: write !(list[?…]) or length(list[?…]) > `0`"),
    (("all", "every"), "; look for what breaks it: !(list[?…])"),
    (("not",), "; write !(…)"),
    (("int", "float", "number"), "; a number is written `5`, and the score of a finding is cvss_score"),
    (("now", "today", "date", "age"), "; set max_age in the policy"),
)
#: Fields of other tools, or of the results -> what is asked here.
_OTHER_FIELDS: t.Mapping[str, str] = {
    "labels": "policies select images by label with 'images: {labels: …}'",
    "cve": "the id of a finding is id, as in vulnerabilities[].id",
    "cves": "the id of a finding is id, as in vulnerabilities[].id",
    "findings": "did you mean 'vulnerabilities'?",
    "score": "did you mean 'cvss_score'?",
    "cvss3": "did you mean 'cvss_score'?",
    "version": "the build is in package, as in starts_with(package, 'openssl-libs-1:3.0.7-')",
    "fixable": "write status == 'fix_available'",
    "fixed": "write status == 'fix_available'",
    "fix": "did you mean 'fixed_in'?",
    "accepted": "did you mean 'exception'?",
    "tag": "did you mean 'reference'?",
    "tags": "did you mean 'references'?",
    "name": "did you mean 'reference'?",
    "arch": "write platform == 'linux/amd64'",
    "architecture": "write platform == 'linux/amd64'",
    "distribution": "write starts_with(os, 'rhel ')",
    "rules": "did you mean 'compliance.rules'?",
    "scanned_at": "set max_age in the policy",
    "created": "set max_age in the policy",
    "verdict": "conditions are asked before there is a verdict",
}
#: Words of other tools -> ours.
_SYNONYMS: t.Mapping[str, tuple[str, ...]] = {
    "high": ("important", "high"),
    "medium": ("moderate", "medium"),
    "important": ("high",),
    "moderate": ("medium",),
    "critical": ("high",),
    "fixed": ("fix_available",),
    "failed": ("fail",),
    "passed": ("pass",),
    "unfixed": ("affected",),
    "wontfix": ("will_not_fix",),
    "negligible": ("low",),
}


def unknown_function(name: str, functions: t.Collection[str]) -> InputError:
    """The error for a function that is not known, with what to write instead."""
    advice = next((text for names, text in _FUNCTION_ADVICE if name.lower() in names), nearest(name, functions))
    return InputError(f"unknown function '{shown_word(name)}'{advice} (known: {', '.join(functions)})")


def comparison_advice(*sides: tuple[Schema, Node]) -> str:
    """Advise what to write instead of a comparison between two kinds."""
    if any(node["type"] == "not_expression" for _schema, node in sides):
        return " (! binds tighter than ==: write !(a == b), or a != b)"
    for (schema, node), (_schema, constant) in (sides, sides[::-1]):
        literal = constant["value"] if constant["type"] == "literal" else None
        if advice := _literal_advice(schema, node, literal):
            return advice
        if truth_kinds(schema) == {"boolean"}:
            return f": write {render(node)} alone, or !{render(node)}"
        if schema.get("form") == "cvss":
            return ORDER_ADVICE["cvss"]
    return ""


def _literal_advice(schema: Schema, node: Node, literal: t.Any) -> str:
    """Advise what to write instead of a comparison with a literal."""
    kinds = truth_kinds(schema)
    if kinds == {"array"} and isinstance(literal, (int, float)):
        return f": write length({render(node)}) == `{int(literal)}`"
    if not isinstance(literal, str):
        return ""
    if kinds == {"array"} and "object" not in truth_kinds(schema.get("items") or {}):
        return f": write contains({render(node)}, '{shown_word(literal)}')"
    if kinds == {"object"}:
        return f": name a field of the elements, as in contains(vulnerabilities[].id, '{shown_word(literal)}')"
    if kinds == {"number"} and re.fullmatch(r"-?\d+(\.\d+)?", literal):
        return f": a number is written `{literal}`"
    return ""


def field_advice(name: str, properties: t.Mapping[str, Schema]) -> str:
    """Advise what to write instead of a field that is not there."""
    if name in ("null", "true", "false"):
        return f"; the value {name} is written `{name}`"
    enums = [word for schema in properties.values() for word in schema.get("enum", ())]
    if name in enums:
        return f"; a text is written in single quotes: '{name}'"
    if name in _OTHER_FIELDS:
        return f"; {_OTHER_FIELDS[name]}"
    return nearest(name, properties)


def nearest_word(word: str, words: t.Collection[str]) -> str:
    """Advise which word to write instead, for what other tools call it, too."""
    for synonym in _SYNONYMS.get(word.lower(), ()):
        if synonym in words:
            return f"; did you mean '{synonym}'?"
    return nearest(word, words)


def shown_word(word: str) -> str:
    """A word for messages."""
    return visible(word, 100)
