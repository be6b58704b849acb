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
BESIDE = f"tests/unit/{Path(FILE).parent}/test_model.py"
REACH: t.Any = {
    "tests": [
        ["t.py::slow", 30.0],
        ["t.py::quick", 0.1],
        ["t.py::other", 0.2],
        ["t.py::slower", 35.0],
        [f"{BESIDE}::a", 0.3],
    ],
    "lines": {FILE: {"1": [], "5": [0, 1], "6": [0, 3, 1], "7": [4]}},
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
        (1, [f"{BESIDE}::a"]),  # runs at import alone
    ],
)
def test_the_tests_that_reach_a_line_run_quickest_first(mutants: t.Any, line: int, chosen: list[str]) -> None:
    assert mutants._tests(mutant(mutants, line), REACH) == chosen


@pytest.fixture
def tree(mutants: t.Any, tmp_path: Path) -> Path:
    """A checkout with the file of the mutant, which is made."""
    tree = tmp_path / "a" / "ansible_collections" / "imagescan" / "openshift"
    (tree / FILE).parent.mkdir(parents=True)
    (tree / FILE).write_text("a < b\n")
    (tmp_path / "0.py").write_text("a <= b\n")
    return tree


Runs = list[tuple[str, bool, tuple[str, ...]]]


def answers(mutants: t.Any, monkeypatch: pytest.MonkeyPatch, tree: Path, statuses: list[int | None]) -> Runs:
    """Runs of pytest end with these statuses; what each saw of the file, and its arguments."""
    target = tree / FILE
    before = target.stat().st_mtime_ns
    runs: Runs = []

    def pytest_run(self: t.Any, *arguments: str, **environment: str) -> int | None:
        runs.append((target.read_text(), target.stat().st_mtime_ns != before, arguments))
        return statuses[len(runs) - 1]

    monkeypatch.setattr(mutants.Copy, "pytest", pytest_run)
    return runs


@pytest.mark.parametrize(("status", "survives"), [(0, True), (5, True), (1, False), (2, False), (None, False)])
def test_a_change_is_taken_back_whatever_the_tests_say(
    mutants: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tree: Path, status: int | None, survives: bool
) -> None:
    before = (tree / FILE).stat().st_mtime_ns
    runs = answers(mutants, monkeypatch, tree, [status])
    copy = mutants.Copy(tree, Path(sys.executable))
    assert copy.survives(mutant(mutants, 5), lambda: REACH) == (survives, "2 tests")
    assert runs == [("a <= b\n", True, (f"@{tmp_path / 'tests.txt'}",))]
    assert ((tree / FILE).read_text(), (tree / FILE).stat().st_mtime_ns) == ("a < b\n", before)
    assert (tmp_path / "tests.txt").read_text().splitlines() == ["t.py::quick", "t.py::slow"]


@pytest.mark.parametrize(
    ("line", "statuses", "result"),
    [
        (5, [1], (False, "beside")),
        (5, [0, 1], (False, "2 tests")),
        (5, [0, 0], (True, "2 tests")),
        (5, [5, 0], (True, "2 tests")),  # all tests beside it are marked "full"
        (7, [0], (True, "beside")),  # reached by no other test
    ],
)
def test_the_tests_beside_a_module_run_first_and_once(
    mutants: t.Any,
    monkeypatch: pytest.MonkeyPatch,
    tree: Path,
    line: int,
    statuses: list[int | None],
    result: tuple[bool, str],
) -> None:
    (tree / BESIDE).parent.mkdir(parents=True)
    (tree / BESIDE).write_text("")
    runs = answers(mutants, monkeypatch, tree, statuses)
    measured = []

    def reach() -> t.Any:
        # Measured with the file as it was.
        measured.append((tree / FILE).read_text())
        return REACH

    copy = mutants.Copy(tree, Path(sys.executable))
    assert copy.survives(mutant(mutants, line), reach) == result
    assert len(runs) == len(statuses)
    assert runs[0][2] == (BESIDE,)
    assert measured == ["a < b\n"] * (result[1] != "beside" or result[0])


def test_a_module_without_tests_of_its_own_has_those_of_its_folder(mutants: t.Any, tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "unit" / Path(FILE).parent
    deep = mutant(mutants, 5)._replace(file=str(Path(FILE).parent / "conditions" / "rules.py"))
    assert mutants._beside(tmp_path, deep) == []
    folder.mkdir(parents=True)
    (folder / "test_judge.py").write_text("")
    assert mutants._beside(tmp_path, deep) == [str(folder.relative_to(tmp_path))]
    assert mutants._beside(tmp_path, mutant(mutants, 5)) == [str(folder.relative_to(tmp_path))]
    (folder / "test_model.py").write_text("")
    assert mutants._beside(tmp_path, mutant(mutants, 5)) == [BESIDE]


def test_another_run_leaves_out_what_was_killed_and_what_is_known(mutants: t.Any, tmp_path: Path) -> None:
    mutants.KNOWN.write_text(f"{FILE}: known -> c\n  it cannot matter\n")
    sample = [mutant(mutants, 5)._replace(before=text, after="c") for text in ("twice", "twice", "known", "alive")]
    ran = []

    def survives(tried: t.Any) -> tuple[bool, str]:
        ran.append(tried.before)
        return len(ran) > 1, "tests"

    assert mutants.try_all(sample, mutants.earlier_results([]), survives) == sample[1:]
    assert ran == ["twice", "twice", "known", "alive"]
    again = mutants.earlier_results(mutants.known_survivors())
    assert mutants.try_all(sample, again, survives) == sample[1:]
    assert ran[4:] == ["twice", "alive"]


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
