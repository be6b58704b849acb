# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading documents in other processes gives what reading them here gives, and ends when we end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import build, workers
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import (
    CSAF,
    Refusal,
    parse,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.workers import (
    WorkerLost,
    Workers,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.packing import Packed
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.benchmarks import feed_data
from ansible_collections.imagescan.openshift.tests.support.vex import NOW

Done = dict[t.Any, t.Union[Packed, ScanError]]
HERE = frozenset[str]()


@pytest.fixture(autouse=True)
def never_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ALONE", 0)


@pytest.fixture(autouse=True)
def others() -> t.Iterator[None]:
    """Processes that other tests have and that are none of these tests' business."""
    OTHERS.clear()
    OTHERS.update(children())
    yield
    OTHERS.clear()


OTHERS: set[int] = set()


def children() -> set[int]:
    """The processes that this one has, but for those of other tests."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return set(map(int, text.split())) - OTHERS


def interpreter() -> dict[str, str]:
    """The environment of an interpreter that finds the collection, wherever it was imported from here."""
    return {**os.environ, "PYTHONPATH": str(workers.__file__).partition(f"{os.sep}ansible_collections{os.sep}")[0]}


def test_documents_come_back_as_they_are_read_here() -> None:
    done: Done = {}
    with Workers((HERE, CSAF), done.__setitem__, 3) as pool:
        for number in range(40):
            pool.read(number, feed_data.path_of(number), feed_data.document(number))
        pool.finish()
        assert len(children()) == 3
    assert done == {number: parse(feed_data.path_of(number), feed_data.document(number), HERE) for number in range(40)}
    assert not children(), "no process is left"


def test_only_what_is_asked_for() -> None:
    done: Done = {}
    with Workers((frozenset({"kernel"}), CSAF), done.__setitem__, 2) as pool:
        for number in range(20):
            pool.read(number, feed_data.path_of(number), feed_data.document(number))
        pool.finish()
    packed = [one for one in done.values() if isinstance(one, Packed)]
    assert {name for one in packed for _cve, names in one.vulnerabilities for name, _groups in names} == {"kernel"}
    assert len(packed) == 20


def test_errors_come_back_whole() -> None:
    done: Done = {}
    with Workers((HERE, CSAF), done.__setitem__, 2) as pool:
        pool.read("cut", "2026/cve-2026-1.json", b'{"document": ')
        pool.read("note", "notes.json", b"{}")
        pool.read("good", "2026/cve-2026-2.json", feed_data.document(1))
        pool.finish()
    for key, path, data in (("cut", "2026/cve-2026-1.json", b'{"document": '), ("note", "notes.json", b"{}")):
        with pytest.raises(CorruptData) as caught:
            parse(path, data, HERE)
        found = done[key]
        assert isinstance(found, Refusal)
        error = found.error
        assert isinstance(error, CorruptData)
        assert (error.code, error.message, error.hint) == (caught.value.code, caught.value.message, caught.value.hint)
        assert found.is_rejected == (key == "cut")
    assert isinstance(done["good"], Packed)


def test_small_feeds_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ALONE", 1 << 20)
    done: Done = {}
    with Workers((HERE, CSAF), done.__setitem__, 2) as pool:
        pool.read(1, feed_data.path_of(1), feed_data.document(1))
        assert done
        assert not children()


def test_a_process_that_was_killed_is_an_error_that_names_the_document() -> None:
    expected = pytest.raises(WorkerLost, match=r"document 2026/second\.json was killed by signal 9")
    with expected as caught, Workers((HERE, CSAF), lambda _key, _found: None, 2) as pool:
        pool.read(1, "2026/first.json", feed_data.document(1))
        pool.finish()
        (victim,) = children()
        os.kill(victim, signal.SIGSTOP)
        pool.read(2, "2026/second.json", feed_data.document(2))
        os.kill(victim, signal.SIGKILL)
        pool.finish()
    assert caught.value.code == "worker-lost"
    assert not children()


def test_a_process_that_cannot_work_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "__file__", "/nonexistent/ansible_collections/x")
    monkeypatch.setattr(workers, "__name__", "not_there")
    with pytest.raises(WorkerLost, match="No module named 'not_there'"), Workers((HERE, CSAF), print, 2) as pool:
        pool.read(1, "2026/first.json", feed_data.document(1))
        pool.finish()
    assert not children()


def test_an_error_on_our_side_ends_the_processes() -> None:
    def fail(_key: t.Any, _found: t.Any) -> None:
        raise CorruptData("no")

    with pytest.raises(CorruptData, match="no"), Workers((HERE, CSAF), fail, 2) as pool:
        for number in range(4):
            pool.read(number, feed_data.path_of(number), feed_data.document(number))
        pool.finish()
    assert not children()


def test_processes_end_with_a_parent_that_is_killed() -> None:
    program = f"""
import sys
from {workers.__name__} import Workers
from {feed_data.__name__} import document
from {CSAF.__class__.__module__} import CSAF
from pathlib import Path
import {workers.__name__} as workers
workers.ALONE = 0
with Workers((frozenset(), CSAF), lambda key, found: None, 2) as pool:
    for number in range(2):
        pool.read(number, "x.json", document(number))
    print(Path(f"/proc/self/task/{{__import__('os').getpid()}}/children").read_text(), flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, env=interpreter(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = parent.stdout.readline().split()
        assert len(pids) == 2
        parent.kill()
    deadline = time.monotonic() + 60
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "they run on"
        time.sleep(0.05)


def is_running(pid: str) -> bool:
    """Whether a process does anything still; nobody may wait for it here."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_index_is_the_same_however_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed_data.write_archive(tmp_path / "feed", 60, 1)
    archive = str(tmp_path / "feed" / f"{feed_data.ARCHIVE}.tar.zst")
    contents = []
    for name, alone in (("here", 1 << 40), ("there", 0)):
        monkeypatch.setattr(workers, "ALONE", alone)
        result = build.build_index(archive, str(tmp_path / name), now=NOW)
        with FeedIndex.open(str(tmp_path / name)) as index:
            contents.append((result.info, list(index.content())))
    assert contents[0] == contents[1]
    assert contents[0][0].documents == 60
