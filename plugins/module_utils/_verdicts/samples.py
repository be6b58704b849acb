# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated image objects that have everything which an expression asks about, the same ones on every run.

Values come from the schema and from the literals of the expression: for ``name == 'zlib'`` some packages are called
zlib, for ``length(…) < `100``` some lists have 99, 100 and 101 elements. A literal is used only where it is a value
that the field can have.
"""

from __future__ import annotations

import random
import typing as t

from .forms import FORMS, reached
from .schema import Schema

#: Images that are generated, the empty one and the full one included.
IMAGES = 500
_SEED = 20260301
#: Longest list, and from which image on lists are longer than a few elements.
_LONGEST = 20_000
_LONG_FROM = 60
_LITERALS_LIMIT = 40
_POOL_LIMIT = 60
_FUNCTIONS = ("starts_with", "ends_with", "contains")


class Samples:
    """Iterable of image objects for one expression; ``reads``: the fields of the image that are generated."""

    def __init__(self, tree: dict[str, t.Any], schema: Schema, reads: t.Collection[str]) -> None:
        self._schema = schema
        self._reads = sorted(reads)
        self._random = random.Random(_SEED)
        self._words: dict[str, None] = {}
        #: Field -> the texts that it is compared with.
        self._compared: dict[str, dict[str, None]] = {}
        self._numbers: dict[float, None] = {}
        self._names: set[str] = set()
        self._every_field = False
        self._collect(tree)
        self._texts: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
        self._ranges: dict[tuple[str, float], tuple[list[float], list[float]]] = {}
        counts = [int(number + step) for number in self._numbers for step in (0, 1, -1) if number == int(number)]
        self._sizes = [size for size in dict.fromkeys(counts) if 3 < size <= _LONGEST]
        self._long = False
        self._aimed = False

    def __iter__(self) -> t.Iterator[dict[str, t.Any]]:
        properties = self._schema["properties"]
        for number in range(IMAGES):
            self._long = number >= _LONG_FROM
            image = {}
            for name in self._reads:
                self._aimed = self._chance(0.5)
                image[name] = self._empty(properties[name]) if number == 0 else self._value(properties[name], name)
            yield image

    def _collect(self, node: t.Any) -> None:
        if node["type"] == "comparator" or node.get("value") in _FUNCTIONS:
            names: set[str] = set()
            words: dict[str, None] = {}
            for child in node["children"]:
                names |= _names_in(child)
                words.update(dict.fromkeys(_words_in(child)))
            for name in names:
                self._compared.setdefault(name, {}).update(words)
        if node["type"] == "literal":
            self._collect_literal(node["value"])
        elif node["type"] == "field":
            self._names.add(node["value"])
        elif node["type"] == "value_projection" or node.get("value") in ("values", "keys"):
            self._every_field = True
        for child in node["children"]:
            if isinstance(child, dict):
                self._collect(child)

    def _collect_literal(self, value: t.Any) -> None:
        if isinstance(value, str) and len(self._words) < _LITERALS_LIMIT:
            self._words[value] = None
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12:
            self._numbers[value] = None
        elif isinstance(value, (list, dict)):
            for item in list(value.values() if isinstance(value, dict) else value)[:_LITERALS_LIMIT]:
                self._collect_literal(item)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _one_of(self, values: t.Sequence[t.Any]) -> t.Any:
        return values[int(self._random.random() * len(values))]

    def _preferred(self, named: t.Sequence[t.Any], alternatives: t.Sequence[t.Any]) -> t.Any:
        """One of the values that the expression names, more often than not, or one of the others."""
        if named and (not alternatives or self._chance(0.9 if self._aimed else 0.5)):
            return self._one_of(named)
        return self._one_of(alternatives or named)

    def _empty(self, schema: Schema) -> t.Any:
        kinds = _kinds(schema)
        if "object" in kinds:
            return {name: self._empty(part) for name, part in schema["properties"].items()}
        if "array" in kinds:
            return []
        return self._value(schema, "") if "boolean" in kinds or "string" in kinds else 0

    def _value(self, schema: Schema, name: str) -> t.Any:
        kinds = _kinds(schema)
        if "object" in kinds:
            return {
                key: self._value(part, key) for key, part in schema["properties"].items() if self._needed(part, key)
            }
        if "array" in kinds:
            return self._list(schema["items"], name)
        if "null" in kinds and self._chance(0.1):
            return None
        if "boolean" in kinds:
            return self._chance(0.5)
        if "enum" in schema:
            words = self._compared.get(name) or self._words
            return self._preferred([word for word in words if word in schema["enum"]], schema["enum"])
        if "string" in kinds:
            return self._preferred(*self._texts_of(schema, name))
        return self._preferred(*self._numbers_of(schema, name))

    def _needed(self, schema: Schema, name: str) -> bool:
        """True if a field must be there; plain ones that the expression does not name are left out, to be quick."""
        return self._every_field or name in self._names or not {"string", "boolean"} & _kinds(schema)

    def _list(self, items: Schema, name: str) -> list[t.Any]:
        size = self._one_of((0, 1, 2, 3))
        if self._long and self._sizes and self._chance(0.5):
            size = self._one_of(self._sizes)
        if size <= 3:
            return [self._value(items, name) for _number in range(size)]
        aimed, self._aimed = self._aimed, True
        kinds = [self._value(items, name) for _number in range(self._one_of((1, 1, 1, 2)))]
        self._aimed = aimed
        elements: list[t.Any] = kinds * (size // len(kinds) + 1)
        return elements[:size]

    def _texts_of(self, schema: Schema, name: str) -> tuple[list[str], list[str]]:
        """(texts that the expression names, others) of a field."""
        key = (name, schema.get("form", "text"))
        pools = self._texts.get(key)
        if pools is None:
            may_be_empty = schema.get("empty", True)
            words = self._compared.get(name) or (self._words if key[1] != "text" else {})
            named = _named_texts(key[1], list(words)[:_LITERALS_LIMIT] if name in self._names else (), may_be_empty)
            pools = self._texts[key] = (named, [*FORMS[key[1]].examples, *([""] if may_be_empty else [])])
        return pools

    def _numbers_of(self, schema: Schema, name: str) -> tuple[list[float], list[float]]:
        low, high = schema.get("minimum", 0), schema.get("maximum", 10**9)
        pools = self._ranges.get((name, high))
        if pools is None:
            is_whole = "integer" in _kinds(schema)
            near = [number + step for number in self._numbers for step in ((0, 1, -1) if is_whole else (0, 0.5, -0.5))]
            named, alternatives = (
                [number for number in numbers if low <= number <= high and (not is_whole or number == int(number))]
                for numbers in (dict.fromkeys(near), (0, 1, 3, 7, 9.8, 10, 55, 100, 400))
            )
            pools = self._ranges[(name, high)] = (list(map(int, named)) if is_whole else named, alternatives)
        return pools


def _named_texts(form: str, words: t.Iterable[str], may_be_empty: bool) -> list[str]:
    """The words that a field of a form can have, and texts with which functions are true for the words."""
    texts: dict[str, None] = {}
    for word in words:
        if FORMS[form].fits(word) or (not word and may_be_empty):
            texts[word] = None
        for function in _FUNCTIONS if word else ():
            parts = (reached(form, word, function, more) for more in ((), tuple(texts)[:4]))
            texts.update((text, None) for text in parts if text is not None and len(texts) < _POOL_LIMIT)
    return list(texts)


def _names_in(node: t.Any) -> set[str]:
    """Names of the fields in a part of an expression."""
    names = {node["value"]} if node["type"] == "field" else set()
    return names.union(*(_names_in(child) for child in node["children"] if isinstance(child, dict)))


def _words_in(node: t.Any) -> list[str]:
    """Texts that stand in a part of an expression, or in a list there."""
    if node["type"] == "literal":
        values = node["value"] if isinstance(node["value"], list) else [node["value"]]
        return [value for value in values if isinstance(value, str)]
    if node["type"] == "multi_select_list":
        return [word for child in node["children"] for word in _words_in(child)]
    return []


def _kinds(schema: Schema) -> set[str]:
    kinds = schema.get("type", ())
    return {kinds} if isinstance(kinds, str) else set(kinds)
