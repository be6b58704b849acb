# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a parsed JMESPath expression as text again, for messages."""

from __future__ import annotations

import json
import re
import typing as t

from .._core.text import visible

#: A node of jmespath's tree: ``type``, ``children`` and maybe ``value``.
Node = dict[str, t.Any]

_OPERATORS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def render(node: Node) -> str:
    """Write an expression as text, with the parentheses that JMESPath puts in."""
    return visible(_render(node), 200)


def _render(node: Node) -> str:
    kind, children = node["type"], node["children"]
    if kind == "field":
        name = node["value"]
        return name if re.fullmatch(r"[A-Za-z_]\w*", name) else json.dumps(name)
    if kind == "literal":
        return f"'{node['value']}'" if isinstance(node["value"], str) else f"`{json.dumps(node['value'])}`"
    if kind == "slice":
        return "[" + ":".join("" if number is None else str(number) for number in children) + "]"
    return _FORMATS.get(kind, _render_subexpression)(node, [_render(child) for child in children])


def _render_logic(node: Node, parts: list[str]) -> str:
    inner = [
        f"({part})" if child["type"].endswith(("and_expression", "or_expression")) else part
        for part, child in zip(parts, node["children"])
    ]
    return (" && " if node["type"] == "and_expression" else " || ").join(inner)


def _render_not(node: Node, parts: list[str]) -> str:
    plain = node["children"][0]["type"] in ("field", "function_expression", "current", "literal")
    return f"!{parts[0]}" if plain else f"!({parts[0]})"


def _render_projection(node: Node, parts: list[str]) -> str:
    base = node["children"][0]
    sliced = base["type"] == "index_expression" and base["children"][-1]["type"] == "slice"
    plain = sliced or base["type"] == "flatten"
    return _joined(parts[0] if plain else f"{parts[0]}[*]", parts[1])


def _render_subexpression(_node: Node, parts: list[str]) -> str:
    return ".".join(parts)


def _joined(base: str, member: str) -> str:
    if not member or member.startswith("["):
        return base + member
    return f"{base}.{member}"


#: Text of a node by its type, out of the texts of its children.
_FORMATS: dict[str, t.Callable[[Node, list[str]], str]] = {
    "current": lambda _node, _parts: "@",
    "identity": lambda _node, _parts: "",
    "index": lambda node, _parts: f"[{node['value']}]",
    "and_expression": _render_logic,
    "or_expression": _render_logic,
    "not_expression": _render_not,
    "comparator": lambda node, parts: f"{parts[0]} {_OPERATORS[node['value']]} {parts[1]}",
    "function_expression": lambda node, parts: f"{node['value']}({', '.join(parts)})",
    "filter_projection": lambda _node, parts: _joined(f"{parts[0]}[?{parts[2]}]", parts[1]),
    "projection": _render_projection,
    "value_projection": lambda _node, parts: _joined(f"{parts[0]}.*", parts[1]),
    "flatten": lambda _node, parts: f"{parts[0]}[]",
    "pipe": lambda _node, parts: " | ".join(parts),
    "index_expression": lambda _node, parts: "".join(parts),
    "expref": lambda _node, parts: f"&{parts[0]}",
    "key_val_pair": lambda node, parts: f"{node['value']}: {parts[0]}",
    "multi_select_list": lambda _node, parts: f"[{', '.join(parts)}]",
    "multi_select_dict": lambda _node, parts: f"{{{', '.join(parts)}}}",
}
