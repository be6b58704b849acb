# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying an expression on generated images: a condition, or a part of it, that never changes is a mistake."""

from __future__ import annotations

import typing as t

from .._core.errors import InputError
from .rendering import Node, render
from .samples import IMAGES, Samples
from .schema import Schema

#: Steps of one trial at most: some tens of milliseconds.
STEPS_LIMIT = 150_000
#: Images that must have been tried before the trial says that something never changes.
_IMAGES_NEEDED = 100
_BOOLEAN_FUNCTIONS = ("contains", "starts_with", "ends_with")
_TRUE, _FALSE = 1, 2
_CHANGING = _TRUE | _FALSE


class _Enough(Exception):
    """The trial took as many steps as it may."""


def try_expression(tree: Node, schema: Schema, reads: t.Collection[str]) -> None:
    """Evaluate a checked expression on generated images.

    Raises ``InputError`` if the whole, or a part with a truth value, is true for each of them, or false for each.
    """
    import jmespath

    recorder = _recorder()
    watched = list(_watched(tree))
    whole = 0
    tried = 0
    try:
        for image in Samples(tree, schema, reads):
            tried += 1
            try:
                result = recorder.visit(tree, image)
            except (jmespath.exceptions.JMESPathError, TypeError, ValueError):
                continue
            if isinstance(result, bool):
                whole |= _TRUE if result else _FALSE
            if whole == _CHANGING and all(recorder.outcomes.get(id(node)) == _CHANGING for node in watched):
                return
    except _Enough:
        if tried < _IMAGES_NEEDED:
            raise InputError("takes too many steps to be checked: make it smaller") from None
    _refuse_unchanging(tree, [(node, recorder.outcomes.get(id(node), 0)) for node in watched], whole)


def _refuse_unchanging(tree: Node, outcomes: t.Iterable[tuple[Node, int]], whole: int) -> None:
    """Refuse an expression that has the same value for every image, as a whole or in a part."""
    for node, outcome in outcomes:
        if outcome in (_TRUE, _FALSE):
            raise InputError(_never(tree, node, outcome, whole))
    if whole in (_TRUE, _FALSE):
        raise InputError(_never(tree, tree, whole, whole))
    if not whole:
        raise InputError("gives neither true nor false for any image")


def _never(tree: Node, node: Node, outcome: int, whole: int) -> str:
    """Say what never changes, what follows from it, and what to write."""
    effect = {_TRUE: "can never be broken: ", _FALSE: "can never hold: "}.get(whole, "")
    state = "true" if outcome == _TRUE else "false"
    part = "it" if node is tree else f"the part {render(node)}"
    return f"{effect}{part} is {state} for every image ({IMAGES} were tried){_better(node)}"


def _better(node: Node) -> str:
    if node["type"] == "comparator" and (better := _better_comparison(node["children"])):
        return better
    if node["type"] == "and_expression":
        return "; one value is never two at once: write || between them"
    if node["type"] == "or_expression":
        return "; every value differs from one of two: write && between them"
    if node["type"] == "not_expression":
        return f"; {render(node['children'][0])} is never empty or null: leave the part out"
    if node["type"] == "field":
        return f"; {render(node)} is never empty: compare it with something, as in {render(node)} == 'x'"
    return "; leave the part out, or compare with a value that only some images have"


def _better_comparison(children: list[Node]) -> str:
    if any(child == {"type": "literal", "children": [], "value": None} for child in children):
        return "; nothing is null here: an empty text or list is false, so write !x instead of x == `null`"
    lengths = [child for child in children if child["type"] == "function_expression" and child["value"] == "length"]
    if lengths:
        return f"; a length is never below 0: write {render(lengths[0])} == `0` or > `0`"
    numbers = [child["value"] for child in children if child["type"] == "literal"]
    if numbers and not isinstance(numbers[0], (str, list)):
        return "; compare with a number that can be on both sides: cvss_score is 0 to 10, compliance.score 0 to 100"
    return ""


def _watched(node: Node) -> t.Iterator[Node]:
    """Nodes with a truth value, the inner ones first."""
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _watched(child)
    kind = node["type"]
    function = kind == "function_expression" and node["value"] in _BOOLEAN_FUNCTIONS
    if function or kind in ("comparator", "and_expression", "or_expression"):
        yield node
    elif kind == "filter_projection" and node["children"][2]["type"] in ("field", "not_expression"):
        yield node["children"][2]


def _is_false(value: t.Any) -> bool:
    """Return whether JMESPath takes a value for false; numbers are true, zero included."""
    return value is None or value is False or (isinstance(value, (str, list, dict)) and not value)


def _recorder() -> t.Any:
    """An interpreter of jmespath that notes the truth values of nodes in ``outcomes``, and counts its steps."""
    import jmespath

    interpreter: t.Any = jmespath.visitor.TreeInterpreter

    class Recorder(interpreter):
        def __init__(self) -> None:
            super().__init__()
            self.outcomes: dict[int, int] = {}
            self.steps = 0

        def visit(self, node: Node, *args: t.Any, **kwargs: t.Any) -> t.Any:
            self.steps += 1
            if self.steps > STEPS_LIMIT:
                raise _Enough
            return super().visit(node, *args, **kwargs)

        def note(self, node: Node, value: t.Any) -> t.Any:
            key = id(node)
            self.outcomes[key] = self.outcomes.get(key, 0) | (_FALSE if _is_false(value) else _TRUE)
            return value

        def visit_comparator(self, node: Node, value: t.Any) -> t.Any:
            return self.note(node, super().visit_comparator(node, value))

        def visit_function_expression(self, node: Node, value: t.Any) -> t.Any:
            return self.note(node, super().visit_function_expression(node, value))

        def visit_or_expression(self, node: Node, value: t.Any) -> t.Any:
            return self.note(node, self.both(node, value, first_counts=lambda operand: not _is_false(operand)))

        def visit_and_expression(self, node: Node, value: t.Any) -> t.Any:
            return self.note(node, self.both(node, value, first_counts=_is_false))

        def both(self, node: Node, value: t.Any, first_counts: t.Callable[[t.Any], bool]) -> t.Any:
            """Evaluate the second operand in any case, so that a part behind another one is seen to change, too."""
            first = self.visit(node["children"][0], value)
            try:
                second = self.visit(node["children"][1], value)
            except (jmespath.exceptions.JMESPathError, TypeError, ValueError):
                if not first_counts(first):
                    raise
                second = None
            return first if first_counts(first) else second

        def visit_filter_projection(self, node: Node, value: t.Any) -> t.Any:
            base, projection, condition = node["children"]
            elements = self.visit(base, value)
            if not isinstance(elements, list):
                return None
            noted = condition["type"] in ("field", "not_expression")
            # Long lists hold the same few elements again and again.
            results: dict[int, t.Any] = {}
            for element in {id(element): element for element in elements}.values():
                holds = self.visit(condition, element)
                if noted:
                    self.note(condition, holds)
                results[id(element)] = None if _is_false(holds) else self.visit(projection, element)
            return [result for result in (results[id(element)] for element in elements) if result is not None]

    return Recorder()
