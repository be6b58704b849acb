# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secrets_in
short_description: Find what looks like a password in variables that are about to be written down
version_added: 0.5.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Tells where variables hold a password, a token or a key, by its name, or a URL with a password in it. Values are
    never part of the answer.
  - It finds mistakes, not what somebody hides.
options:
  _input:
    description: The variables, as deep as they are.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse passwords
  ansible.builtin.assert:
    that: my_variables | imagescan.openshift.secrets_in == []
"""

RETURN = r"""
_value:
  description: Names of what holds one, as in V(scan_registry.0.password).
  type: list
  elements: str
"""

import json
import re
import typing as t

from ansible.errors import AnsibleFilterError

NAME = re.compile(
    r"(?:^|[_.-])(?:password|passwd|passphrase|token|secret|api[_-]?key|(?:client[_-])?key[_-]data)\Z", re.I
)
URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@:]*:[^/\s@]+@", re.I)
#: As a survey gives a dictionary: key=value.
PAIR = re.compile(r"(?:^|(?<=\s))([\w-]+)=(?=\S)")
KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
#: As YAML of a playbook has values of Ansible Vault, and so does JSON.
VAULT = ("__ansible_vault", "__ansible_unsafe_vault")


def secrets_in(value: t.Any) -> list[str]:
    """See the documentation of the filter."""
    if not isinstance(value, dict):
        raise AnsibleFilterError("secrets_in: expected a dictionary of variables")
    return sorted(_found(value, ""))


def _found(value: t.Any, name: str) -> t.Iterator[str]:
    if isinstance(value, dict):
        yield from _found_in_dictionary(value, name)
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            yield from _found(part, f"{name}.{number}")
    elif isinstance(value, str):
        yield from _found_in_text(value, name)


def _found_in_dictionary(value: dict[t.Any, t.Any], name: str) -> t.Iterator[str]:
    for key, part in value.items():
        inner = f"{name}.{key}" if name else str(key)
        if key in VAULT:
            yield name or inner
        elif NAME.search(str(key)) and part not in (None, "", [], {}):
            yield inner
        else:
            yield from _found(part, inner)


def _decoded(text: str) -> t.Any:
    """Decode JSON; None for any other text."""
    try:
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else None
    except (ValueError, RecursionError):
        return None


def _found_in_text(value: str, name: str) -> t.Iterator[str]:
    """Find secrets in a text, and in a dictionary that is written as text."""
    decoded = _decoded(value)
    keys = [key for key in PAIR.findall(value) if NAME.search(key)]
    if decoded is not None:
        yield from _found(decoded, name)
    elif keys:
        yield from (f"{name}.{key}" for key in keys)
    elif URL.search(value) or KEY.search(value) or value.startswith("$ANSIBLE_VAULT;"):
        yield name


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {"secrets_in": secrets_in}
