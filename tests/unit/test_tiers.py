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


def mapped(pattern: str) -> dict[str, str]:
    """What README.md says of the files and targets whose names match: name -> tier."""
    text = (TESTS / "README.md").read_text("utf-8")
    rows = re.findall(rf"^\| ({pattern}) \| (\w+) \| \S", text, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_the_map_is_right() -> None:
    files = {f"{folder}/{path.name}": path for folder in FOLDERS for path in (TESTS / folder).glob("test_*.py")}
    assert mapped(r"\w+/test_\w+\.py") == {name: tier(path.read_text("utf-8")) for name, path in files.items()}


def tier_of_target(name: str, tasks: str) -> str:
    """``always``, ``some`` or ``full``, by the runner's lists and the tags of the tasks."""
    runner = ast.parse((TESTS / "tools" / "suite.py").read_text("utf-8"))
    assigned = {ast.unparse(node.targets[0]): node.value for node in runner.body if isinstance(node, ast.Assign)}
    if any(name in ast.literal_eval(assigned[names]) for names in ("FULL_TARGETS", "LONG_TARGETS")):
        return "full"
    return "some" if re.search(r"^ +tags: full$", tasks, re.MULTILINE) else "always"


def test_the_map_has_the_targets_that_lose_something() -> None:
    targets = (TESTS / "integration" / "targets").iterdir()
    texts = {
        target.name: "".join(path.read_text("utf-8") for path in sorted(target.glob("tasks/*.yml")))
        for target in targets
    }
    tiers = {f"integration/{name}": tier_of_target(name, text) for name, text in texts.items()}
    assert mapped(r"integration/\w+") == {name: found for name, found in tiers.items() if found != "always"}


@pytest.mark.parametrize("text", ["tags: [full]", "tags: 'full'", "tags:\n    - full"])
def test_tags_have_one_form(text: str) -> None:
    pattern = re.compile(r"^ +tags:(?! full$)", re.MULTILINE)
    assert pattern.search(f"- name: A\n  {text}\n")
    for path in (TESTS / "integration" / "targets").rglob("*.yml"):
        assert not pattern.search(path.read_text("utf-8")), path


@pytest.mark.parametrize(
    ("name", "tasks", "expected"),
    [
        ("playbook_controller", "", "full"),
        ("role_scan", "- name: A\n  tags: full\n", "some"),
        ("role_scan", "- name: tags are full\n", "always"),
    ],
)
def test_tags_are_read(name: str, tasks: str, expected: str) -> None:
    assert tier_of_target(name, tasks) == expected


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
