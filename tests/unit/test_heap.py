# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of pytest that take files from one heap: each is run once, whole, and tidied up before the next one."""

from __future__ import annotations

import collections
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = [f"test_{letter}.py" for letter in "abcdefgh"]
#: The unknown by size, the others by their seconds.
ORDER = [*NAMES[:1:-1], *NAMES[:2]]
WHOLE = ["0", "1", "2", "tidied"]
TESTS = """
import os
import time
from pathlib import Path

import pytest

DONE = Path("done")
PRESENT = Path("present", str(os.getpid()))


def tell(what):
    with DONE.open("a") as stream:
        stream.write(f"{os.getpid()} {Path(__file__).name} {what}\\n")


@pytest.fixture(scope="module")
def module():
    yield
    tell("tidied")


@pytest.mark.parametrize("number", range(3))
def test_it(module, number):
    PRESENT.touch()
    end = time.monotonic() + 300
    while len(list(PRESENT.parent.iterdir())) < int(os.environ["PROCESSES"]):
        assert time.monotonic() < end, "the other process does not come"
        time.sleep(0.05)
    tell(number)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of tests of different lengths, and the hooks."""
    made = tmp_path / "cluster"
    for name in ("heap", "present"):
        (made / name).mkdir(parents=True)
    shutil.copy(Path(__file__).resolve().parents[1] / "cluster" / "heap.py", made / "conftest.py")
    for number, name in enumerate(NAMES):
        (made / name).write_text(TESTS + "#" * number, encoding="utf-8")
    (tmp_path / "tools").mkdir()
    costs = {"files": {"test_b.py": 3, "test_a.py": 10}}
    (tmp_path / "tools" / "costs.json").write_text(json.dumps(costs), encoding="utf-8")
    return made


def start(folder: Path, **settings: str) -> subprocess.Popen[str]:
    """Run them all."""
    # What ansible-test has its own pytest load is not to be had here.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    for name in ("IMAGESCAN_TEST_HEAP", "PYTHONPATH"):
        kept.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", *NAMES]
    return subprocess.Popen(command, cwd=folder, env={**kept, **settings}, stdout=subprocess.PIPE, text=True)


def test_two_processes_run_every_file_once_and_whole(folder: Path) -> None:
    both = [start(folder, IMAGESCAN_TEST_HEAP=str(folder / "heap"), PROCESSES="2") for _process in "ab"]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    done = collections.defaultdict(list)
    for line in (folder / "done").read_text(encoding="utf-8").splitlines():
        process, name, what = line.split()
        done[process].append((name, what))
    assert len(done) == 2
    assert (folder / "heap" / "expected").read_text(encoding="utf-8").split() == NAMES
    everything = sorted((name, what) for name in NAMES for what in WHOLE)
    assert sorted(one for of_process in done.values() for one in of_process) == everything
    for of_process in done.values():
        assert [what for _name, what in of_process] == WHOLE * (len(of_process) // len(WHOLE))
        order = [ORDER.index(name) for name, _what in of_process]
        assert order == sorted(order)


def test_without_a_heap_all_are_run(folder: Path) -> None:
    printed = start(folder, PROCESSES="1").communicate()[0]
    assert f"{3 * len(NAMES)} passed" in printed
    lines = (folder / "done").read_text(encoding="utf-8").splitlines()
    assert list(dict.fromkeys(line.split()[1] for line in lines)) == NAMES


def test_a_file_without_a_test_that_was_chosen_is_not_expected(folder: Path) -> None:
    (folder / NAMES[0]).write_text("def test_other(): pass\n", encoding="utf-8")
    process = start(folder, IMAGESCAN_TEST_HEAP=str(folder / "heap"), PROCESSES="1", PYTEST_ADDOPTS="-k test_it")
    process.communicate()
    assert (folder / "heap" / "expected").read_text(encoding="utf-8").split() == NAMES[1:]
    assert {path.name for path in (folder / "heap").iterdir()} == {"expected", *NAMES[1:]}


STARTED = """
import os
from pathlib import Path

import conftest
import pytest


class Cluster:
    def start(self):
        with Path("starts").open("a") as stream:
            stream.write("x")
        if len(Path("starts").read_text()) <= int(os.environ["FAILURES"]):
            raise RuntimeError("the kubelet ended")


@pytest.fixture(scope="session")
def cluster(request):
    conftest.start(Cluster(), request.session)


def test_one(cluster): pass


def test_two(cluster): pass
"""


@pytest.mark.parametrize(
    ("failures", "said"), [(0, "16 passed"), (1, "16 passed"), (2, "no test cluster: the kubelet")]
)
def test_a_cluster_is_started_once_more_and_a_process_without_one_takes_no_other_file(
    folder: Path, failures: int, said: str
) -> None:
    for name in NAMES:
        (folder / name).write_text(STARTED, encoding="utf-8")
    process = start(folder, IMAGESCAN_TEST_HEAP=str(folder / "heap"), FAILURES=str(failures))
    assert said in process.communicate()[0]
    assert process.returncode == (failures == 2)
    taken = {path.name for path in (folder / "heap").iterdir()} - {"expected"}
    assert len(taken) == (1 if failures == 2 else len(NAMES))
