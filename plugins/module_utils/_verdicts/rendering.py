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
    if kind in ("current", "identity"):
        return "@" if kind == "current" else ""
    if kind == "index":
        return f"[{node['value']}]"
    if kind == "slice":
        return "[" + ":".join("" if number is None else str(number) for number in children) + "]"
    parts = [_render(child) for child in children]
    if kind in ("and_expression", "or_expression"):
        inner = [
            f"({part})" if child["type"].endswith(("and_expression", "or_expression")) else part
            for part, child in zip(parts, children)
        ]
        return (" && " if kind == "and_expression" else " || ").join(inner)
    if kind == "not_expression":
        plain = children[0]["type"] in ("field", "function_expression", "current", "literal")
        return f"!{parts[0]}" if plain else f"!({parts[0]})"
    if kind == "comparator":
        return f"{parts[0]} {_OPERATORS[node['value']]} {parts[1]}"
    if kind == "function_expression":
        return f"{node['value']}({', '.join(parts)})"
    if kind == "filter_projection":
        return _joined(f"{parts[0]}[?{parts[2]}]", parts[1])
    if kind == "projection":
        sliced = children[0]["type"] == "index_expression" and children[0]["children"][-1]["type"] == "slice"
        plain = sliced or children[0]["type"] == "flatten"
        return _joined(parts[0] if plain else f"{parts[0]}[*]", parts[1])
    if kind == "value_projection":
        return _joined(f"{parts[0]}.*", parts[1])
    return _render_rest(node, parts)


def _render_rest(node: Node, parts: list[str]) -> str:
    kind = node["type"]
    if kind == "flatten":
        return f"{parts[0]}[]"
    if kind == "pipe":
        return " | ".join(parts)
    if kind == "index_expression":
        return "".join(parts)
    if kind == "expref":
        return f"&{parts[0]}"
    if kind == "key_val_pair":
        return f"{node['value']}: {parts[0]}"
    if kind == "multi_select_list":
        return f"[{', '.join(parts)}]"
    if kind == "multi_select_dict":
        return f"{{{', '.join(parts)}}}"
    return ".".join(parts)


def _joined(base: str, suffix: str) -> str:
    if not suffix or suffix.startswith("["):
        return base + suffix
    return f"{base}.{suffix}"
