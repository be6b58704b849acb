# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One test by its name: what a failure prints runs it again; a change runs it once more."""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

def test_good(): pass

@pytest.mark.parametrize("it", ["a $(shell touch made) b", "it's tests/x"])
def test_bad(it): assert not it

@pytest.fixture
def broken(): raise OSError

def test_without_its_fixture(broken): pass
"""


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[t.Any]:
    """tests/tools/one.py."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "tests" / "tools"))
    yield importlib.import_module("one")
    for name in ("one", "environments"):
        del sys.modules[name]


def test_what_failed_is_printed_as_the_command_that_repeats_it(one: t.Any, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TESTS, encoding="utf-8")
    shutil.copy(CHECKOUT / "tests" / "conftest.py", tmp_path / "tests")
    (tmp_path / "Makefile").write_text("test-one:\n\t@printenv T\n", encoding="utf-8")
    # make tells the makes below it that they are, and these say so.
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "MAKE", "MFLAGS"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "tests"]
    printed = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False).stdout
    commands = [line for line in printed.splitlines() if line.startswith("make test-one ")]
    names = []
    for line in commands:
        told = subprocess.run(
            shlex.split(line), cwd=tmp_path, env=settings, capture_output=True, text=True, check=True
        ).stdout
        names += one.named(told)
    prefix = "tests/test_it.py::test_"
    assert names == [
        f"{prefix}bad[a $(shell touch made) b]",
        f"{prefix}bad[it's",
        "tests/x]",  # the one name that cannot be told from two
        f"{prefix}without_its_fixture",
    ]
    assert not (tmp_path / "made").exists()


def test_names_stand_side_by_side(one: t.Any) -> None:
    assert one.named("  tests/unit/a.py  tests/unit/b.py::c[x y]\n") == ["tests/unit/a.py", "tests/unit/b.py::c[x y]"]
    assert one.named(" ") == []
    assert one.main([]) == 2


def test_a_change_runs_tests_again(one: t.Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("plugins/__pycache__", "tests"):
        (tmp_path / name).mkdir(parents=True)
    runs: list[t.Sequence[str]] = []
    changes = iter(["plugins/__pycache__/x.pyc", "tests/test_new.py", "build.log", "plugins/x.py"])
    made: list[int] = []

    def change(_seconds: float) -> None:
        name = next(changes, None)
        if name is None:
            raise KeyboardInterrupt
        (tmp_path / name).touch()
        made.append(len(runs))

    monkeypatch.setattr(one, "run", runs.append)
    monkeypatch.setattr(one.time, "sleep", change)
    with pytest.raises(KeyboardInterrupt):
        one.watch(["tests/test_new.py"], tmp_path)
    assert runs == [["tests/test_new.py"]] * 3
    assert made == [1, 1, 2, 2]
