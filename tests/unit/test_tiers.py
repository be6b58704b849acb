# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map of both tiers names every file of tests, and says of each what its marks say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = ("oracle", "cluster")
MARK = "pytest.mark.full"


def tier(text: str) -> str:
    """``always``, ``some`` or ``full``, by the marks of a file."""
    tree = ast.parse(text)
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    if any(ast.unparse(node.targets[0]) == "pytestmark" and MARK in ast.unparse(node.value) for node in assigned):
        return "full"
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    whole = [node for node in tests if any(ast.unparse(mark) == MARK for mark in node.decorator_list)]
    if len(whole) == len(tests):
        return "full"
    return "some" if MARK in text else "always"


def test_the_map_is_right() -> None:
    rows = re.findall(r"^\| (\w+/test_\w+\.py) \| (\w+) \| \S", (TESTS / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == len(dict(rows))
    files = {f"{folder}/{path.name}": path for folder in FOLDERS for path in (TESTS / folder).glob("test_*.py")}
    assert dict(rows) == {name: tier(path.read_text("utf-8")) for name, path in files.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def test_a(): pass", "always"),
        ("@pytest.mark.full\ndef test_a(): pass", "full"),
        ("pytestmark = [pytest.mark.full]\ndef test_a(): pass", "full"),
        ("@pytest.mark.full\ndef test_a(): pass\ndef test_b(): pass", "some"),
        ("@mark('x', [1, pytest.param(2, marks=pytest.mark.full)])\ndef test_a(): pass", "some"),
    ],
)
def test_marks_are_read(text: str, expected: str) -> None:
    assert tier(text) == expected
