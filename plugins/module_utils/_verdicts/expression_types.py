# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of JMESPath expressions: each is walked with the type that every step gives, and what can only be a mistake is
refused with what to write instead."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import InputError
from .expression_advice import (
    LENGTHS,
    ORDER_ADVICE,
    comparison_advice,
    field_advice,
    nearest_word,
    shown_word,
    unknown_function,
)
from .forms import FORMS, reached
from .rendering import Node, render
from .schema import Schema, truth_kinds

#: Bounds of one expression: nodes, depth, and how many copies of its input it may hold at once.
NODE_LIMIT = 300
DEPTH_LIMIT = 40
COPIES_LIMIT = 256

_ANY: Schema = {}
_BOOLEAN: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "number"}
_STRING: Schema = {"type": "string"}

#: Function -> (kinds of each argument, result). ``&`` is an expression on the elements of the array beside it.
#: Missing on purpose: ``merge`` (nothing to merge) and ``to_array`` (hides a misspelling).
_FUNCTIONS: t.Mapping[str, tuple[tuple[tuple[str, ...], ...], str]] = {
    "abs": ((("number",),), "number"),
    "avg": ((("array",),), "number"),
    "ceil": ((("number",),), "number"),
    "contains": ((("array", "string"), ("string", "number", "boolean")), "boolean"),
    "ends_with": ((("string",), ("string",)), "boolean"),
    "floor": ((("number",),), "number"),
    "join": ((("string",), ("array",)), "string"),
    "keys": ((("object",),), "strings"),
    "length": ((("string", "array", "object"),), "number"),
    "map": ((("&",), ("array",)), "mapped"),
    "max": ((("array",),), "element"),
    "max_by": ((("array",), ("&",)), "element"),
    "min": ((("array",),), "element"),
    "min_by": ((("array",), ("&",)), "element"),
    "not_null": ((("string", "number", "boolean", "array"), ("string", "number", "boolean", "array")), "union"),
    "reverse": ((("array",),), "same"),
    "sort": ((("array",),), "same"),
    "sort_by": ((("array",), ("&",)), "same"),
    "starts_with": ((("string",), ("string",)), "boolean"),
    "sum": ((("array",),), "number"),
    "to_number": ((("number",),), "number"),
    "to_string": ((("number", "boolean"),), "string"),
    "values": ((("object",),), "values"),
}

#: Functions that put texts in the order of the alphabet.
_ORDERING = ("max", "min", "max_by", "min_by", "sort", "sort_by")


class TypeCheck:
    """Walks one expression. ``reads``: the fields of the whole object that it asks about."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self.reads: set[str] = set()
        self.nodes = 0
        self.depth = 0
        self.copies = 1

    def type_of(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        """The type that ``node`` gives when it is applied to a value of the type ``schema``."""
        self.nodes += 1
        self.depth += 1
        if self.nodes > NODE_LIMIT or self.depth > DEPTH_LIMIT:
            raise InputError(f"larger than {NODE_LIMIT} steps or deeper than {DEPTH_LIMIT}")
        try:
            step: t.Callable[[dict[str, t.Any], Schema], Schema] = getattr(self, f"_{node['type']}")
            return step(node, schema)
        finally:
            self.depth -= 1

    # One method for each node type of jmespath.ast, in its names.

    def _field(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        name = node["value"]
        kinds = truth_kinds(schema)
        if schema is _ANY:
            return _ANY
        if "array" in kinds:
            advice = "write length(…)" if name in LENGTHS else "write [] before it, as in vulnerabilities[].id"
            raise InputError(f"'{shown_word(name)}' is asked of a list: {advice}")
        if "object" not in kinds:
            advice = f": {FORMS['os'].better('9.4', 'os')}" if schema.get("form") == "os" else _binding(kinds)
            raise InputError(f"'{shown_word(name)}' is asked of {named_type(schema)}, which has no fields{advice}")
        properties: t.Mapping[str, Schema] = schema["properties"]
        if name not in properties:
            advice = field_advice(name, properties)
            raise InputError(f"unknown field '{shown_word(name)}'{advice} (known here: {', '.join(properties)})")
        if schema is self.root:
            self.reads.add(name)
        return properties[name]

    def _chain(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        for child in node["children"]:
            schema = self.type_of(child, schema)
        return schema

    _subexpression = _index_expression = _pipe = _chain

    def _current(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        return schema

    _identity = _current

    def _literal(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        return _constant(node["value"])

    def _index(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        return self._items(schema, "an index")

    def _slice(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        self._items(schema, "a slice")
        return schema

    def _flatten(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        items = self._items(self.type_of(node["children"][0], schema), "[]")
        return {"type": "array", "items": items["items"] if truth_kinds(items) == {"array"} else items}

    def _projection(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        base, right = node["children"]
        return {"type": "array", "items": self.type_of(right, self._items(self.type_of(base, schema), "[*]"))}

    def _value_projection(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        base, right = node["children"]
        return {"type": "array", "items": self.type_of(right, self._values(self.type_of(base, schema), ".*"))}

    def _filter_projection(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        base, right, condition = node["children"]
        items = self._items(self.type_of(base, schema), "[?…]")
        self._truth(self.type_of(condition, items))
        return {"type": "array", "items": self.type_of(right, items)}

    def _comparator(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        left_type, right_type = (self.type_of(child, schema) for child in node["children"])
        if node["value"] in ("eq", "ne"):
            self._comparable(left_type, right_type, *node["children"])
            return _BOOLEAN
        for side, child in zip((left_type, right_type), node["children"]):
            if "enum" in side:
                raise InputError(
                    "words have no order in JMESPath (it is alphabetical): name the values that you mean, as in "
                    "contains(['important', 'critical'], severity)"
                )
            if side is not _ANY and truth_kinds(side) != {"number"}:
                advice = ORDER_ADVICE.get(side.get("form", ""), "")
                if "const" in side and re.fullmatch(r"-?\d+(\.\d+)?", side["const"][0]):
                    advice = f": a number is written `{side['const'][0]}`"
                elif truth_kinds(side) == {"array"}:
                    advice = f": write length({render(child)})"
                raise InputError(f"< and > compare numbers, not {named_type(side)}{advice}")
        return _BOOLEAN

    def _both(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        left_type, right_type = (self.type_of(child, schema) for child in node["children"])
        self._truth(left_type)
        self._truth(right_type)
        return _union(left_type, right_type)

    _or_expression = _and_expression = _both

    def _not_expression(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        self._truth(self.type_of(node["children"][0], schema))
        return _BOOLEAN

    def _multi_select_list(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        self._copy(node["children"])
        parts = [self.type_of(child, schema) for child in node["children"]]
        items = parts[0]
        for part in parts[1:]:
            items = _union(items, part)
        return {"type": "array", "items": items}

    def _multi_select_dict(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        self._copy(node["children"])
        return {
            "type": "object",
            "properties": {child["value"]: self.type_of(child["children"][0], schema) for child in node["children"]},
        }

    def _function_expression(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        name, arguments = node["value"], node["children"]
        if name not in _FUNCTIONS:
            raise unknown_function(name, _FUNCTIONS)
        kinds, result = _FUNCTIONS[name]
        if len(arguments) != len(kinds):
            raise InputError(f"{name}() takes {len(kinds)} arguments, not {len(arguments)}")
        types = [_ANY if argument["type"] == "expref" else self.type_of(argument, schema) for argument in arguments]
        for argument, allowed, kind in zip(arguments, kinds, types):
            self._check_argument(name, argument, allowed, kind)
            if "enum" in kind and name in ("length", "starts_with", "ends_with", "contains", "join"):
                self._refuse_part_of_enum(name, kind, argument, arguments, types)
        items: Schema = next((kind for kind in types if "array" in truth_kinds(kind)), _ANY).get("items", _ANY)
        mapped = _ANY
        for argument in arguments:
            if argument["type"] == "expref":
                mapped = self.type_of(argument["children"][0], items)
        self._check_texts(name, types, arguments, items)
        _check_items(name, items, mapped)
        return self._result(result, types, items, mapped)

    def _check_argument(self, name: str, argument: Node, allowed: tuple[str, ...], schema: Schema) -> None:
        """Refuse an argument of another kind than a function takes."""
        if (argument["type"] == "expref") != (allowed == ("&",)):
            raise InputError(f"{name}() takes an expression that begins with & where {_words(allowed)} is expected")
        if schema is self.root:
            raise InputError(f"{name}() cannot take the whole image")
        if allowed != ("&",) and schema is not _ANY and not truth_kinds(schema) & set(allowed):
            better = ""
            if name == "to_number":
                number = ORDER_ADVICE.get(schema.get("form", ""), "")
                better = f": it gives null for such a text, so nothing is ever found{number}"
            raise InputError(f"{name}() takes {_words(allowed)}, not {named_type(schema)}{better}")

    def _check_texts(self, name: str, types: list[Schema], arguments: list[Node], items: Schema) -> None:
        """Refuse a text to look for that cannot be there."""
        if name == "contains" and "array" in truth_kinds(types[0]):
            self._comparable(items, types[1], *arguments, element=arguments[0]["type"] == "field")
        elif name in ("contains", "starts_with", "ends_with"):
            self._comparable(_STRING, types[1], *arguments)
            self._reachable(name, types, arguments)

    def _result(self, result: str, types: list[Schema], items: Schema, mapped: Schema) -> Schema:
        """The type of what a function gives, by its word for that in the table of functions."""
        if result == "values":
            return {"type": "array", "items": self._values(types[0], "values()")}
        results: dict[str, Schema] = {
            "boolean": _BOOLEAN,
            "number": _NUMBER,
            "string": _STRING,
            "strings": {"type": "array", "items": _STRING},
            "same": types[0],
            "element": items,
            "mapped": {"type": "array", "items": mapped},
            "union": _union(types[0], types[-1]),
        }
        return results[result]

    def _expref(self, node: dict[str, t.Any], schema: Schema) -> Schema:
        raise InputError("& belongs before an argument of map, sort_by, min_by or max_by")

    def _items(self, schema: Schema, operator: str) -> Schema:
        if schema is _ANY:
            return _ANY
        if "array" not in truth_kinds(schema):
            raise InputError(
                f"{operator} is applied to {named_type(schema)}, which is not a list{_binding(truth_kinds(schema))}"
            )
        return t.cast(Schema, schema["items"])

    def _values(self, schema: Schema, operator: str) -> Schema:
        if schema is _ANY:
            return _ANY
        if "object" not in truth_kinds(schema) or schema is self.root:
            raise InputError(f"{operator} needs a mapping of equal values, such as not_examined")
        values = list(schema["properties"].values())
        if not values:
            raise InputError(f"{operator} is applied to a mapping without fields")
        result = values[0]
        for value in values[1:]:
            result = _union(result, value)
        return t.cast(Schema, result)

    def _comparable(
        self, left_type: Schema, right_type: Schema, left_node: Node, right_node: Node, *, element: bool = False
    ) -> None:
        """Refuse a comparison that cannot be true. ``element``: of an element of what ``left_node`` names."""
        for words, constants, node in ((left_type, right_type, left_node), (right_type, left_type, right_node)):
            for word in constants.get("const", ()):
                _check_word(word, words, node, element=element)
        if left_type is _ANY or right_type is _ANY or not truth_kinds(left_type) or not truth_kinds(right_type):
            return
        if not truth_kinds(left_type) & truth_kinds(right_type):
            advice = comparison_advice((left_type, left_node), (right_type, right_node))
            raise InputError(
                f"compares {named_type(left_type)} with {named_type(right_type)}, which are never equal{advice}"
            )

    def _reachable(self, name: str, types: list[Schema], arguments: list[Node]) -> None:
        """Refuse a part that no text of a field has."""
        form: str = types[0].get("form", "text")
        for word in types[1].get("const", ()) if form != "text" else ():
            if reached(form, word, name) is None:
                field = render(arguments[0])
                advice = FORMS[form].better(word, field if arguments[0]["type"] == "field" else "@")
                raise InputError(
                    f"{name}({field}, '{shown_word(word)}') is false for every text that can be there: {advice}"
                )

    def _refuse_part_of_enum(
        self, name: str, enum: Schema, argument: Node, arguments: list[Node], types: list[Schema]
    ) -> None:
        if name == "contains" and argument is not arguments[0] and "array" in truth_kinds(types[0]):
            return
        field = render(argument)
        words = [word for schema in types for word in schema.get("const", ())]
        value = next((item for item in enum["enum"] for word in words if word and word.lower() in item), "")
        value = value or next(iter(enum["enum"]))
        raise InputError(
            f"{name}() is for texts, and {field} is one of a few words: write {field} == '{value}', or "
            f"contains(['{enum['enum'][0]}', '{enum['enum'][-1]}'], {field}) (possible: {', '.join(enum['enum'])})"
        )

    def _truth(self, schema: Schema) -> None:
        """Refuse what is true for every image when it stands where a truth value is expected."""
        if schema is not _ANY and truth_kinds(schema) == {"number"}:
            raise InputError("a number is always true in JMESPath: compare it, as in packages > `0`")
        if schema is self.root or "enum" in schema:
            raise InputError(f"{named_type(schema)} is always true: compare it with something")

    def _copy(self, children: list[dict[str, t.Any]]) -> None:
        self.copies *= max(1, sum(child["type"] != "literal" for child in children))
        if self.copies > COPIES_LIMIT:
            raise InputError("its lists of lists grow too large")


def _check_items(name: str, items: Schema, mapped: Schema) -> None:
    """Refuse a list that a function does not sum up, or should not order."""
    if name in ("avg", "sum") and items and truth_kinds(items) != {"number"}:
        raise InputError(f"{name}() takes a list of numbers")
    if name in _ORDERING and "enum" in (mapped or items):
        raise InputError(f"{name}() would order words alphabetically: name the values that you mean")


def _check_word(word: str, words: Schema, node: Node, *, element: bool) -> None:
    """Refuse a text that a value never is. ``words``: the type of the value that ``node`` names."""
    field = render(node)
    if "enum" in words and word not in words["enum"]:
        raise InputError(
            f"'{shown_word(word)}' is never a value here{nearest_word(word, words['enum'])} "
            f"(possible: {', '.join(words['enum'])})"
        )
    form = words.get("form")
    if form and not FORMS[form].fits(word) and (word or not words.get("empty", True)):
        better = FORMS[form].better(word, field if node["type"] == "field" and not element else "@")
        better += f" on the elements, as in !({field}[?…])" if element else ""
        raise InputError(f"'{shown_word(word)}' is never a value of {field}: {better}")


def _constant(value: t.Any) -> Schema:
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, (int, float)):
        return _NUMBER
    if isinstance(value, str):
        return {"type": "string", "const": [value]}
    if isinstance(value, list):
        items: Schema = _ANY
        for number, item in enumerate(value):
            items = _constant(item) if number == 0 else _union(items, _constant(item))
        return {"type": "array", "items": items}
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: _constant(item) for key, item in value.items()}}
    return {"type": "null"}


def _union(left_type: Schema, right_type: Schema) -> Schema:
    if left_type is _ANY or right_type is _ANY:
        return _ANY
    if left_type == right_type:
        return left_type
    union: dict[str, t.Any] = {"type": sorted(truth_kinds(left_type) | truth_kinds(right_type))}
    for key in {"const", "enum"} & left_type.keys() & right_type.keys():
        union[key] = list(dict.fromkeys([*left_type[key], *right_type[key]]))
    if truth_kinds(left_type) == truth_kinds(right_type) == {"array"}:
        union["items"] = _union(left_type["items"], right_type["items"])
    elif len(union["type"]) > 1 or "object" in union["type"]:
        return {"type": union["type"], "properties": {}, "items": _ANY}
    return union


def named_type(schema: Schema) -> str:
    kinds = sorted(truth_kinds(schema))
    if not kinds:
        return "null"
    names = {"array": "a list", "object": "a mapping", "string": "a text", "number": "a number", "boolean": "a boolean"}
    return " or ".join(names[kind] for kind in kinds)


def _binding(kinds: set[str]) -> str:
    return " (! binds tighter than . and [: write !(…) around the whole)" if kinds == {"boolean"} else ""


def _words(kinds: t.Iterable[str]) -> str:
    return " or ".join("an expression" if kind == "&" else named_type({"type": kind}) for kind in kinds)
