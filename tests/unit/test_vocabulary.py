# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and wording: what ``CONTRIBUTING.md`` asks for and a linter can tell."""

from __future__ import annotations

import ast
import collections
import re
import typing as t
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


#: "is no list" -> "is not a list". "There is no list" and "is no longer" are as they should be.
NOT_A = re.compile(r"(?<!here )\b(?:is|are|was|were) no (?!longer\b)[a-zA-Z{]")


def prose() -> t.Iterator[tuple[Path, str]]:
    """Files with messages, documentation and comments, each as one line: sentences go on behind a line's end."""
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/**/*",
        "plugins/**/*",
        "roles/**/*",
        "playbooks/**/*",
        "extensions/**/*",
        "examples/**/*",
        "tests/**/*",
    ):
        for path in sorted(CHECKOUT.glob(pattern)):
            if (
                path.suffix in (".py", ".md", ".yml", ".sh", ".j2")
                and path.is_file()
                and path != Path(__file__).resolve()
            ):
                yield path, re.sub(r"[\s#\"]+", " ", path.read_text(encoding="utf-8"))


def test_what_is_not_a_thing_is_written_so() -> None:
    found = [f"{path.relative_to(CHECKOUT)}: {match[0]}" for path, text in prose() for match in NOT_A.finditer(text)]
    assert not found
