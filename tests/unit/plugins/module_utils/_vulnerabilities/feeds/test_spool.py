# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was fetched waits for the next run, whole, and for one run at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import spool as spools
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.spool import (
    DocumentSpool,
    KeptArchive,
)

NOW = "2026-08-21T12:00:00Z"
ARCHIVE = KeptArchive("http://host/x.tar", '"1"', 10)
PATH = "2026/cve-2026-1000.json"
HOLDER = """
import fcntl, sys
with open(sys.argv[1], "wb") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".index.spool"


@pytest.fixture
def holder(folder: Path) -> t.Iterator[subprocess.Popen[str]]:
    """Another process that uses the spool until its input ends."""
    folder.mkdir()
    command = [sys.executable, "-c", HOLDER, str(folder / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process


def test_nothing_is_made_before_it_is_used(folder: Path) -> None:
    with DocumentSpool(folder):
        assert not folder.exists()
    DocumentSpool(folder).remove()
    assert not folder.exists()


def test_what_is_kept_is_there_for_the_next_run(folder: Path) -> None:
    with DocumentSpool(folder) as spool:
        assert spool.kept_archive() is None
        spool.archive.write_bytes(b"part")
        spool.keep_archive(KeptArchive("http://host/old.tar", "", -1))
        spool.keep_archive(ARCHIVE)
        spool.keep(PATH, "2026-05-01T00:00:00Z", NOW, b"older")
        spool.keep(PATH, "2026-05-02T00:00:00Z", NOW, b"{}")
    with DocumentSpool(folder) as spool:
        assert spool.kept_archive() == ARCHIVE and spool.archive.read_bytes() == b"part"
        assert spool.document(PATH, "2026-05-02T00:00:00Z") == (b"{}", NOW)
        assert spool.document(PATH, "2026-05-01T00:00:00Z") is None, "of another change"
        spool.drop_archive()
        assert spool.kept_archive() is None and not spool.archive.exists()
        spool.remove()
        assert not folder.exists()


def test_an_archive_that_somebody_removed_is_none(folder: Path) -> None:
    with DocumentSpool(folder) as spool:
        spool.keep_archive(ARCHIVE)
        assert spool.kept_archive() is None


@pytest.mark.parametrize("damage", [b"no database at all, but some text" * 40, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_spool_is_begun_anew(folder: Path, damage: bytes) -> None:
    folder.mkdir()
    (folder / "documents").write_bytes(damage)
    (folder / "archive").write_bytes(b"part")
    with DocumentSpool(folder) as spool:
        assert spool.kept_archive() is None and spool.document(PATH, "") is None
        assert not spool.archive.exists()


def test_a_second_run_waits_for_the_first(folder: Path, holder: subprocess.Popen[str]) -> None:
    ticks = []

    def release() -> None:
        time.sleep(0.5)
        assert holder.stdin
        holder.stdin.close()

    threading.Thread(target=release).start()
    with DocumentSpool(folder, lambda: ticks.append(1)) as spool:
        spool.keep(PATH, "", NOW, b"{}")
    assert ticks, "it says that it lives while it waits"


@pytest.mark.usefixtures("holder")
def test_a_second_run_does_not_wait_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_PATIENCE", 0.3)
    with DocumentSpool(folder) as spool, pytest.raises(ScanError, match="another process") as caught:
        spool.keep(PATH, "", NOW, b"{}")
    assert caught.value.code == "feed-busy"


@pytest.mark.usefixtures("holder")
def test_what_another_run_uses_is_not_removed(folder: Path) -> None:
    (folder / "archive").write_bytes(b"part")
    DocumentSpool(folder).remove()
    assert (folder / "archive").exists()


def test_what_a_run_left_is_removed_by_the_next_one_that_needs_none(folder: Path) -> None:
    with DocumentSpool(folder) as spool:
        spool.keep(PATH, "", NOW, b"{}")
    DocumentSpool(folder).remove()
    assert not folder.exists()


def test_who_waited_uses_no_folder_that_the_first_one_removed(folder: Path, holder: subprocess.Popen[str]) -> None:
    def done() -> None:
        time.sleep(0.3)
        (folder / "lock").unlink()
        folder.rmdir()
        assert holder.stdin
        holder.stdin.close()

    threading.Thread(target=done).start()
    with DocumentSpool(folder) as spool:
        spool.keep(PATH, "", NOW, b"{}")
    with DocumentSpool(folder) as spool:
        assert spool.document(PATH, "") == (b"{}", NOW)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with DocumentSpool(tmp_path / "file" / "spool") as spool, pytest.raises(InputError, match="nothing can be written"):
        spool.keep(PATH, "", NOW, b"{}")
