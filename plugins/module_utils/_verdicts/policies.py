# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies: what an image must be like. ``DEFAULT_POLICY_TEXT`` shows and explains every key."""

from __future__ import annotations

import re
import typing as t

from .._core.errors import InputError
from .._core.text import visible
from .conditions.table import CONDITIONS, Policy
from .documents import Field, read_document
from .selection import Selection

__all__ = ["DEFAULT_POLICY_TEXT", "Policy", "load_policies"]

_HEAD = """\
---
# A list of policies. Each judges the images that it selects; several may judge one image, and the worst verdict counts.
# Durations: 90m, 12h, 7d, 2w or unlimited. Severities: none, low, moderate, important, critical.
- name: default
  description: Nothing critical or important that could be fixed by an update, judged by fresh data.

  # Which images. Every list holds shell patterns; a key that is left out selects all.
  images:
    registries: ["*"]        # quay.io, *.example.com:5000
    repositories: ["*"]      # team/*, without the registry
    platforms: ["*"]         # linux/amd64
    # labels: {com.example.stage: "prod*"}
"""
_EXPECTED = "a policy, beginning with '- name:'"
#: The policy that is used where none is given.
DEFAULT_POLICY_TEXT = _HEAD + "".join(condition.example for condition in CONDITIONS)


def load_policies(text: str, place: str) -> list[Policy]:
    """Read a list of policies. ``place`` names the file in errors. Raises ``InputError``, also where there is none."""
    root = read_document(text, place)
    if root.value is None or root.value == []:
        raise InputError(f"{place}: no policy in it: expected a list, each entry beginning with '- name:'")
    policies = [_policy(field) for field in root.items("a list of policies, each beginning with '- name:'")]
    names: set[str] = set()
    for policy in policies:
        if policy.name in names:
            raise InputError(f"{place}: two policies are named '{visible(policy.name, 100)}'")
        names.add(policy.name)
    return policies


def _policy(field: Field) -> Policy:
    name = _name(field)
    field = field.renamed(f"policy '{name}'")
    values: dict[str, t.Any] = {"name": name}
    for key, value in field.mapping(_POLICY_KEYS, _EXPECTED).items():
        values.update(_POLICY_KEYS[key](value))
    policy = Policy(**values)
    # A policy that asks for nothing would pass everything, which nobody means.
    asking = {condition.key: condition.asks for condition in CONDITIONS if condition.asks}
    if not any(asks(policy) for asks in asking.values()):
        *keys, last = asking
        raise field.error(f"asks for nothing: give {', '.join(keys)} or {last}")
    return policy


def _name(field: Field) -> str:
    fields = field.any_mapping(_EXPECTED)
    if "name" not in fields:
        raise field.renamed("").error("a policy without a name: expected '- name: …'")
    name = fields["name"].renamed("name of a policy").text("a name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise fields["name"].error(
            f"'{visible(name, 100)}' is not a name: expected letters, digits, '.', '_' and '-', at most 100"
        )
    return name


def _images(field: Field) -> dict[str, t.Any]:
    fields = field.mapping(("registries", "repositories", "platforms", "labels"), "registries, repositories, …")
    patterns: dict[str, t.Any] = {}
    for key, child in fields.items():
        if key == "labels":
            labels = child.any_mapping("a mapping of label names to patterns")
            patterns[key] = tuple(
                sorted(
                    (name, value.renamed(f"{child.path}.{name}").text("a pattern")) for name, value in labels.items()
                )
            )
        else:
            patterns[key] = child.texts("a list of patterns")
        if not patterns[key]:
            raise child.error("an empty list selects nothing: leave the key out to select all")
    return {"images": Selection(**patterns)}


_POLICY_KEYS: t.Mapping[str, t.Callable[[Field], dict[str, t.Any]]] = {
    "name": lambda field: {},
    "description": lambda field: {"description": field.text()},
    "images": _images,
    **{condition.key: condition.parse for condition in CONDITIONS},
}
