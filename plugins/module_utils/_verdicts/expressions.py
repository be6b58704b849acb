# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking JMESPath expressions against a schema before they run.

JMESPath answers null for whatever it does not find, and null is false: a misspelt ``!vulnerabilites`` holds for every
image. So each expression is walked with the type that every step gives, and what can only be a mistake is refused:
unknown fields, values that an enumeration does not have, comparisons between kinds that are never equal, an order on
texts, numbers as truth values (they are all true), and a result that is not a boolean. No library does this: jmespath
(1.1) has no notion of a schema.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._errors import InputError
from .._text import visible
from .documents import nearest
from .schema import Schema

#: Bounds of one expression: characters, nodes, depth, and how many copies of its input it may hold at once.
LENGTH_LIMIT = 2000
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
    "to_number": ((("string", "number"),), "number"),
    "to_string": ((("number", "boolean"),), "string"),
    "values": ((("object",),), "values"),
}


@dataclasses.dataclass(frozen=True)
class Checked:
    """An expression that fits the schema. ``reads``: the fields of the whole object that it asks about, sorted."""

    expression: str
    reads: tuple[str, ...]


def check_expression(expression: str, schema: Schema) -> Checked:
    """Compile and check one expression. Raises ``InputError`` whose message begins with what is wrong."""
    import jmespath

    if len(expression) > LENGTH_LIMIT:
        raise InputError(f"longer than {LENGTH_LIMIT} characters")
    try:
        tree: t.Any = jmespath.compile(expression).parsed
    except jmespath.exceptions.JMESPathError as error:
        raise InputError(f"not a JMESPath expression: {visible(' '.join(str(error).split()), 300)}") from None
    except RecursionError:
        raise InputError("nested too deep") from None
    check = _Check(schema)
    result = check.type_of(tree, schema)
    if result is not _ANY and _kinds(result) != {"boolean"}:
        raise InputError(f"gives {_named(result)}; it must be true where the condition holds, and false elsewhere")
    if not check.reads:
        raise InputError("asks nothing about the image")
    return Checked(expression, tuple(sorted(check.reads)))


def evaluate(expression: str, value: t.Any) -> bool:
    """Run a checked expression. Raises ``InputError`` where it gives no boolean."""
    import jmespath

    try:
        result = jmespath.search(expression, value)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError) as error:
        raise InputError(f"cannot be evaluated: {visible(' '.join(str(error).split()), 300)}") from None
    if not isinstance(result, bool):
        kind = "null" if result is None else f"a {type(result).__name__}"
        raise InputError(f"gave {kind} instead of true or false")
    return result


class _Check:
    def __init__(self, root: Schema) -> None:
        self.root = root
        self.reads: set[str] = set()
        self.nodes = 0
        self.depth = 0
        self.copies = 1

    def type_of(self, node: dict[str, t.Any], given: Schema) -> Schema:
        """The type that ``node`` gives when it is applied to a value of the type ``given``."""
        self.nodes += 1
        self.depth += 1
        if self.nodes > NODE_LIMIT or self.depth > DEPTH_LIMIT:
            raise InputError(f"larger than {NODE_LIMIT} steps or deeper than {DEPTH_LIMIT}")
        try:
            step: t.Callable[[dict[str, t.Any], Schema], Schema] = getattr(self, f"_{node['type']}")
            return step(node, given)
        finally:
            self.depth -= 1

    # One method for each node type of jmespath.ast, in its names.

    def _field(self, node: dict[str, t.Any], given: Schema) -> Schema:
        name = node["value"]
        kinds = _kinds(given)
        if given is _ANY:
            return _ANY
        if "array" in kinds:
            raise InputError(f"'{_word(name)}' is asked of a list: write [] before it, as in vulnerabilities[].id")
        if "object" not in kinds:
            raise InputError(f"'{_word(name)}' is asked of {_named(given)}, which has no fields{_binding(kinds)}")
        properties: t.Mapping[str, Schema] = given["properties"]
        if name not in properties:
            hint = ""
            if name in ("null", "true", "false"):
                hint = f"; the value {name} is written `{name}`"
            raise InputError(
                f"unknown field '{_word(name)}'{nearest(name, properties) or hint} "
                f"(known here: {', '.join(properties)})"
            )
        if given is self.root:
            self.reads.add(name)
        return properties[name]

    def _chain(self, node: dict[str, t.Any], given: Schema) -> Schema:
        for child in node["children"]:
            given = self.type_of(child, given)
        return given

    _subexpression = _index_expression = _pipe = _chain

    def _current(self, node: dict[str, t.Any], given: Schema) -> Schema:
        return given

    _identity = _current

    def _literal(self, node: dict[str, t.Any], given: Schema) -> Schema:
        return _constant(node["value"])

    def _index(self, node: dict[str, t.Any], given: Schema) -> Schema:
        return self._items(given, "an index")

    def _slice(self, node: dict[str, t.Any], given: Schema) -> Schema:
        self._items(given, "a slice")
        return given

    def _flatten(self, node: dict[str, t.Any], given: Schema) -> Schema:
        items = self._items(self.type_of(node["children"][0], given), "[]")
        return {"type": "array", "items": items["items"] if _kinds(items) == {"array"} else items}

    def _projection(self, node: dict[str, t.Any], given: Schema) -> Schema:
        left, right = node["children"]
        return {"type": "array", "items": self.type_of(right, self._items(self.type_of(left, given), "[*]"))}

    def _value_projection(self, node: dict[str, t.Any], given: Schema) -> Schema:
        left, right = node["children"]
        return {"type": "array", "items": self.type_of(right, self._values(self.type_of(left, given), ".*"))}

    def _filter_projection(self, node: dict[str, t.Any], given: Schema) -> Schema:
        left, right, condition = node["children"]
        items = self._items(self.type_of(left, given), "[?…]")
        self._truth(self.type_of(condition, items))
        return {"type": "array", "items": self.type_of(right, items)}

    def _comparator(self, node: dict[str, t.Any], given: Schema) -> Schema:
        left, right = (self.type_of(child, given) for child in node["children"])
        if node["value"] in ("eq", "ne"):
            _comparable(left, right)
            return _BOOLEAN
        for side in (left, right):
            if "enum" in side:
                raise InputError(
                    "words have no order in JMESPath (it is alphabetical): name the values that you mean, as in "
                    "contains(['important', 'critical'], severity)"
                )
            if side is not _ANY and _kinds(side) != {"number"}:
                raise InputError(f"< and > compare numbers, not {_named(side)}")
        return _BOOLEAN

    def _both(self, node: dict[str, t.Any], given: Schema) -> Schema:
        left, right = (self.type_of(child, given) for child in node["children"])
        self._truth(left)
        self._truth(right)
        return _union(left, right)

    _or_expression = _and_expression = _both

    def _not_expression(self, node: dict[str, t.Any], given: Schema) -> Schema:
        self._truth(self.type_of(node["children"][0], given))
        return _BOOLEAN

    def _multi_select_list(self, node: dict[str, t.Any], given: Schema) -> Schema:
        self._copy(node["children"])
        parts = [self.type_of(child, given) for child in node["children"]]
        items = parts[0]
        for part in parts[1:]:
            items = _union(items, part)
        return {"type": "array", "items": items}

    def _multi_select_dict(self, node: dict[str, t.Any], given: Schema) -> Schema:
        self._copy(node["children"])
        return {
            "type": "object",
            "properties": {child["value"]: self.type_of(child["children"][0], given) for child in node["children"]},
        }

    def _function_expression(self, node: dict[str, t.Any], given: Schema) -> Schema:
        name, arguments = node["value"], node["children"]
        if name not in _FUNCTIONS:
            known = ", ".join(_FUNCTIONS)
            raise InputError(f"unknown function '{_word(name)}'{nearest(name, _FUNCTIONS)} (known: {known})")
        kinds, result = _FUNCTIONS[name]
        if len(arguments) != len(kinds):
            raise InputError(f"{name}() takes {len(kinds)} arguments, not {len(arguments)}")
        types = [_ANY if argument["type"] == "expref" else self.type_of(argument, given) for argument in arguments]
        for argument, allowed, found in zip(arguments, kinds, types):
            if (argument["type"] == "expref") != (allowed == ("&",)):
                raise InputError(f"{name}() takes an expression that begins with & where {_words(allowed)} is expected")
            if found is self.root:
                raise InputError(f"{name}() cannot take the whole image")
            if allowed != ("&",) and found is not _ANY and not _kinds(found) & set(allowed):
                raise InputError(f"{name}() takes {_words(allowed)}, not {_named(found)}")
        array = next((found for found in types if "array" in _kinds(found)), _ANY)
        mapped = _ANY
        for argument in arguments:
            if argument["type"] == "expref":
                mapped = self.type_of(argument["children"][0], array.get("items", _ANY))
        if name == "contains":
            _comparable(array.get("items", _ANY) if "array" in _kinds(types[0]) else _STRING, types[1])
        if name in ("avg", "sum") and array.get("items", _ANY) and _kinds(array["items"]) != {"number"}:
            raise InputError(f"{name}() takes a list of numbers")
        if name in ("max", "min", "max_by", "min_by") and "enum" in (mapped or array.get("items", _ANY)):
            raise InputError(f"{name}() would order words alphabetically: name the values that you mean")
        items: Schema = array.get("items", _ANY)
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

    def _expref(self, node: dict[str, t.Any], given: Schema) -> Schema:
        raise InputError("& belongs before an argument of map, sort_by, min_by or max_by")

    def _items(self, given: Schema, what: str) -> Schema:
        if given is _ANY:
            return _ANY
        if "array" not in _kinds(given):
            raise InputError(f"{what} is applied to {_named(given)}, which is no list{_binding(_kinds(given))}")
        return t.cast(Schema, given["items"])

    def _values(self, given: Schema, what: str) -> Schema:
        if given is _ANY:
            return _ANY
        if "object" not in _kinds(given) or given is self.root:
            raise InputError(f"{what} needs a mapping of equal values, such as not_examined")
        values = list(given["properties"].values())
        if not values:
            raise InputError(f"{what} is applied to a mapping without fields")
        result = values[0]
        for value in values[1:]:
            result = _union(result, value)
        return t.cast(Schema, result)

    def _truth(self, found: Schema) -> None:
        """Refuse what is true for every image when it stands where a truth value is expected."""
        if found is not _ANY and _kinds(found) == {"number"}:
            raise InputError("a number is always true in JMESPath: compare it, as in packages > `0`")
        if found is self.root or "enum" in found:
            raise InputError(f"{_named(found)} is always true: compare it with something")

    def _copy(self, children: list[dict[str, t.Any]]) -> None:
        self.copies *= max(1, sum(child["type"] != "literal" for child in children))
        if self.copies > COPIES_LIMIT:
            raise InputError("its lists of lists grow too large")


def _kinds(found: Schema) -> set[str]:
    kinds = found.get("type", ())
    return {"number" if kind == "integer" else kind for kind in ([kinds] if isinstance(kinds, str) else kinds)} - {
        "null"
    }


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


def _union(left: Schema, right: Schema) -> Schema:
    if left is _ANY or right is _ANY:
        return _ANY
    if left == right:
        return left
    both: dict[str, t.Any] = {"type": sorted(_kinds(left) | _kinds(right))}
    for key in ("const", "enum"):
        if key in left and key in right:
            both[key] = [*left[key], *(word for word in right[key] if word not in left[key])]
    if _kinds(left) == _kinds(right) == {"array"}:
        both["items"] = _union(left["items"], right["items"])
    elif len(both["type"]) > 1 or "object" in both["type"]:
        return {"type": both["type"], "properties": {}, "items": _ANY}
    return both


def _comparable(left: Schema, right: Schema) -> None:
    """Refuse a comparison that cannot be true."""
    for words, constants in ((left, right), (right, left)):
        if "enum" in words and "const" in constants:
            for word in constants["const"]:
                if word not in words["enum"]:
                    raise InputError(
                        f"'{_word(word)}' is never a value here{nearest(word, words['enum'])} "
                        f"(possible: {', '.join(words['enum'])})"
                    )
    if left is _ANY or right is _ANY or not _kinds(left) or not _kinds(right):
        return
    if not _kinds(left) & _kinds(right):
        raise InputError(f"compares {_named(left)} with {_named(right)}, which are never equal")


def _named(found: Schema) -> str:
    kinds = sorted(_kinds(found))
    if not kinds:
        return "null"
    names = {"array": "a list", "object": "a mapping", "string": "a text", "number": "a number", "boolean": "a boolean"}
    return " or ".join(names[kind] for kind in kinds)


def _binding(kinds: set[str]) -> str:
    return " (! binds tighter than . and [: write !(…) around the whole)" if kinds == {"boolean"} else ""


def _words(kinds: t.Iterable[str]) -> str:
    return " or ".join("an expression" if kind == "&" else _named({"type": kind}) for kind in kinds)


def _word(word: str) -> str:
    return visible(word, 100)
