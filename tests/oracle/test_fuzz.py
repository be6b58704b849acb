# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short run of the fuzzers; ``make fuzz`` is the long one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.fuzz import harness
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

#: Of each target where everything is run.
CASES = 2_000
#: In every run: readers of what others make, and the way through to a verdict. With fewer cases the fuzzer does not yet
#: run enough lines of the readers of databases.
ALWAYS = {"rpmdb": CASES, "tar": 400, "advisories": 400, "verdicts": 100}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("target", "cases"),
    [
        *ALWAYS.items(),
        *(pytest.param(name, CASES, marks=pytest.mark.full) for name in harness.targets() if ALWAYS.get(name) != CASES),
    ],
)
def test_no_input_does_what_it_must_not(target: str, cases: int, tmp_path: Path) -> None:
    for module in ("atheris", "coverage"):
        if importlib.util.find_spec(module) is None:
            missing(f"the Python package {module}")
    program = harness.HERE / "run.py"
    command = [sys.executable, str(program), "--cases", str(cases), "--target", target, "--folder", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]


def test_a_failing_reader_is_found(tmp_path: Path) -> None:
    """The harness itself: a target that fails on one byte, and one whose lines are mostly not run."""
    program = f"""
import sys, types
from ansible_collections.imagescan.openshift.tests.fuzz import harness
target = types.ModuleType("target")
def one_case(data):
    if data[:1] == b"!":
        raise IndexError("a defect")
target.one_case, target.seeds, target.READERS = one_case, lambda: [b"a", b"b!"], ()
harness.load = lambda name: target
harness.fuzz("none", 200000, __import__("pathlib").Path({str(tmp_path)!r}), 1)
"""
    if importlib.util.find_spec("atheris") is None:
        missing("the Python package atheris")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "a defect" in result.stdout + result.stderr
    assert list(tmp_path.glob("failed-*"))


def test_a_slow_case_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "CASE_LIMIT", -1.0)
    with pytest.raises(AssertionError, match="limit"):
        harness.checked(lambda data: None)(b"")
