# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and wording: what ``CONTRIBUTING.md`` asks for and a linter can tell."""

from __future__ import annotations

import ast
import collections
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
#: Ansible wants these names.
GIVEN = {"ActionModule", "FilterModule", "LookupModule", "ModuleDocFragment"}


def test_no_class_name_is_used_twice() -> None:
    places = collections.defaultdict(list)
    for path in sorted((CHECKOUT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef) and node.name not in GIVEN:
                places[node.name].append(f"{path.relative_to(CHECKOUT)}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}, (
        "give the more specific one a longer name"
    )
