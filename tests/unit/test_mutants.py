# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of "make mutants": which tests run for a change, and that the change is taken back whatever happens."""

from __future__ import annotations

import importlib
import sys
import typing as t
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"
FILE = "plugins/module_utils/_verdicts/model.py"
REACH: t.Any = {
    "tests": {
        "t.py::slow": 30.0,
        "t.py::quick": 0.1,
        "t.py::other": 0.2,
        "t.py::slower": 35.0,
        f"tests/unit/{Path(FILE).parent}/test_model.py::a": 0.3,
    },
    "lines": {
        FILE: {
            "1": [""],
            "5": ["t.py::slow", "t.py::quick", ""],
            "6": ["t.py::slow", "t.py::slower", "t.py::quick"],
        }
    },
}


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Iterator[t.Any]:
    """tests/tools/mutants.py, with its files elsewhere."""
    monkeypatch.syspath_prepend(str(TOOLS))
    module = importlib.import_module("mutants")
    monkeypatch.setattr(module, "WORK", tmp_path)
    monkeypatch.setattr(module, "KNOWN", tmp_path / "mutants.txt")
    yield module
    del sys.modules["mutants"]


def mutant(mutants: t.Any, line: int) -> t.Any:
    return mutants.Mutant(FILE, line, 0, "core/AddNot", 0, "a < b", "a <= b")


@pytest.mark.parametrize(
    ("line", "chosen"),
    [
        (5, ["t.py::quick", "t.py::slow"]),
        (6, ["t.py::quick", "t.py::slow"]),  # the budget is 40 s
        (1, [f"tests/unit/{Path(FILE).parent}/test_model.py::a"]),  # runs at import alone
    ],
)
def test_the_tests_that_reach_a_line_run_quickest_first(mutants: t.Any, line: int, chosen: list[str]) -> None:
    assert mutants._tests(mutant(mutants, line), REACH) == chosen


@pytest.mark.parametrize(("status", "survives"), [(0, True), (1, False), (2, False), (None, False)])
def test_a_change_is_taken_back_whatever_the_tests_say(
    mutants: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int | None, survives: bool
) -> None:
    tree = tmp_path / "a" / "ansible_collections" / "imagescan" / "openshift"
    target = tree / FILE
    target.parent.mkdir(parents=True)
    target.write_text("a < b\n")
    before = target.stat().st_mtime_ns
    (tmp_path / "0.py").write_text("a <= b\n")
    seen = []

    def pytest_run(self: t.Any, *arguments: str, **environment: str) -> int | None:
        seen.append((target.read_text(), target.stat().st_mtime_ns != before, arguments))
        return status

    monkeypatch.setattr(mutants.Copy, "pytest", pytest_run)
    copy = mutants.Copy(tree, Path(sys.executable))
    assert copy.survives(mutant(mutants, 5), REACH) == (survives, 2)
    assert seen == [("a <= b\n", True, (f"@{tmp_path / 'tests.txt'}",))]
    assert (target.read_text(), target.stat().st_mtime_ns) == ("a < b\n", before)
    assert (tmp_path / "tests.txt").read_text().splitlines() == ["t.py::quick", "t.py::slow"]


def test_known_survivors_have_a_reason(mutants: t.Any) -> None:
    mutants.KNOWN.write_text("# why\n\nx.py: a -> b\n  it cannot matter\ny.py: c -> d\n")
    assert mutants.known_survivors() == {"x.py: a -> b": "it cannot matter"}


def test_every_survivor_of_the_list_is_of_a_folder_that_is_mutated(
    mutants: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "KNOWN", TOOLS / "mutants.txt")
    known = mutants.known_survivors()
    names = [line for line in (TOOLS / "mutants.txt").read_text().splitlines() if line and line[0] not in "# "]
    assert sorted(known) == sorted(names)
    for name, reason in known.items():
        file, _colon, change = name.partition(": ")
        assert any(file.startswith(f"{mutants.UTILS}/{folder}/") for folder in mutants.FOLDERS)
        assert " -> " in change and len(reason) > 10
