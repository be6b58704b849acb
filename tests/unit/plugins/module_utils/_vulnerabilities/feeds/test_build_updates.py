# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building again over an index: only what changed is read, and the index is the one that a first build makes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import build, workers
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.benchmarks import feed_data
from ansible_collections.imagescan.openshift.tests.support.vex import NOW

DOCUMENTS = 20
LATER = "2026-08-21T18:00:00Z"


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """A folder of generated documents."""
    folder = tmp_path / "feed"
    for number in range(DOCUMENTS):
        path = folder / feed_data.path_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(feed_data.document(number))
    return folder


def content(path: Path) -> tuple[str, list[bytes]]:
    """Serial and all that an index says."""
    with FeedIndex.open(str(path)) as index:
        return index.info.serial, list(index.content())


def change(feed: Path, number: int, data: bytes = b"") -> str:
    path = feed_data.path_of(number)
    (feed / path).write_bytes(data or feed_data.document(number, 1))
    return path


@pytest.mark.parametrize("names", [None, ["kernel", "kernel-core"]])
def test_an_update_is_what_a_first_build_makes(
    feed: Path, tmp_path: Path, names: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    first = build_index(str(feed), str(index), now=NOW, names=names)
    for number in (3, 11):
        change(feed, number)
    read: list[str] = []

    def outcome(path: str, *rest: t.Any, original: t.Any = workers.outcome) -> t.Any:
        read.append(path)
        return original(path, *rest)

    monkeypatch.setattr(workers, "outcome", outcome)
    second = build_index(str(feed), str(index), now=LATER, names=names)
    assert sorted(read) == sorted(feed_data.path_of(number) for number in (3, 11)), "only what changed was read"
    assert second.changed and second.info.serial != first.info.serial
    build_index(str(feed), str(tmp_path / "anew"), now=LATER, names=names)
    assert content(index) == content(tmp_path / "anew")


def test_for_other_names_everything_is_read_again(feed: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    build_index(str(feed), str(index), now=NOW, names=["kernel"])
    build_index(str(feed), str(index), now=LATER)
    build_index(str(feed), str(tmp_path / "anew"), now=LATER)
    assert content(index) == content(tmp_path / "anew")


def test_a_changed_document_that_cannot_be_read_takes_what_it_said_with_it_until_it_is_mended(
    feed: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    build_index(str(feed), str(index), now=NOW)
    (number, *_others) = (number for number in range(DOCUMENTS) if b'"kernel-core"' in feed_data.document(number))
    path = change(feed, number, feed_data.document(number, 1)[:-40])
    result = build_index(str(feed), str(index), now=LATER)
    assert [one.path for one in result.rejected] == [path]
    with FeedIndex.open(str(index)) as opened:
        assert opened.info.rejected == 1, "no image passes by it"
        titles = opened.vulnerabilities(vulnerability for vulnerability, _groups in opened.groups("kernel-core"))
        assert path not in {title.path for title in titles.values()}
    build_index(str(feed), str(tmp_path / "anew"), now=LATER)
    assert content(index) == content(tmp_path / "anew")
    change(feed, number)
    assert build_index(str(feed), str(index), now=LATER).info.rejected == 0


def test_a_document_that_is_gone_is_not_taken_out_of_an_index_in_silence(feed: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    build_index(str(feed), str(index), now=NOW)
    before = content(index)
    (feed / feed_data.path_of(4)).unlink()
    with pytest.raises(CorruptData) as caught:
        build_index(str(feed), str(index), now=LATER)
    assert caught.value.code == "feed-shrunk"
    assert content(index) == before


def test_an_index_that_was_replaced_meanwhile_is_not_overwritten(
    feed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run knows of the index is then of another one."""
    index = tmp_path / "index"
    build_index(str(feed), str(index), now=NOW)
    change(feed, 3)

    def slow(*arguments: t.Any, original: t.Any = build.IndexUpdate) -> t.Any:
        build_index(str(feed), str(tmp_path / "other"), now=NOW)
        (tmp_path / "other").replace(index)
        return original(*arguments)

    monkeypatch.setattr(build, "IndexUpdate", slow)
    with pytest.raises(ScanError) as caught:
        build_index(str(feed), str(index), now=LATER)
    assert caught.value.code == "feed-busy"


def test_nothing_is_left_of_a_run_that_was_killed(feed: Path, tmp_path: Path) -> None:
    program = (
        f"import sys\nfrom {workers.__name__} import Workers\nimport {workers.__name__} as workers\n"
        f"from {build.__name__} import build_index\nworkers.ALONE = 0\n"
        "def progress(done, _all):\n"
        "    print(done, flush=True)\n"
        f"build_index(sys.argv[1], sys.argv[2], now={NOW!r}, progress=progress)\n"
    )
    folder = tmp_path / "indexes"
    folder.mkdir()
    for stop in ("1", "12", str(DOCUMENTS)):
        command = [sys.executable, "-c", program, str(feed), str(folder / "index")]
        root = str(workers.__file__).partition(f"{os.sep}ansible_collections{os.sep}")[0]
        environment = {**os.environ, "PYTHONPATH": root}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert stop in (line.strip() for line in process.stdout)
            process.kill()
    left = [one for one in folder.iterdir() if one.name.startswith(".index-")]
    assert left, "they were killed while they worked"
    for one in left:
        os.utime(one, (time.time() - 60,) * 2)
    build_index(str(feed), str(folder / "index"), now=NOW)
    assert [one.name for one in folder.iterdir()] == ["index"]
    build_index(str(feed), str(tmp_path / "anew"), now=NOW)
    assert content(folder / "index") == content(tmp_path / "anew")
