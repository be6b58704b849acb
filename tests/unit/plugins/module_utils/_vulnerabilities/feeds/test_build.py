# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From folders, archives and servers to an index: whole, or not at all."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import sqlite3
import subprocess
import sys
import tarfile
import time
import typing as t
import urllib.parse
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.unread import EVERYTHING
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import archives, intake
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import build as feeds
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import (
    BuildResult,
    build_index,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.downloads import FetchError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.repository_map import (
    read_repository_map,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    MAJOR_9,
    NOW,
    affected,
    document,
    fixed,
    write_feed,
    write_map,
)

LATER = "2026-08-22T12:00:00Z"
CLAIRCORE = "quay+claircore/rhel/vex/testdata"
TOOL = document("CVE-2026-1000", affected(MAJOR_9, "tool"), date="2026-03-01T10:00:00+00:00")
BASH = document("CVE-2026-1001", fixed(MAIN_9, "bash", "0:5.1.8-9.el9"), date="2026-04-01T10:00:00+00:00")
CURL = document("CVE-2025-2000", affected(MAJOR_9, "curl"), date="2025-04-01T10:00:00+00:00")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "index"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_feed(tmp_path / "feed", TOOL, BASH, CURL)


def build(source: object, dest: Path, **more: t.Any) -> BuildResult:
    return build_index(str(source), str(dest), **{"now": NOW, **more})


def names_in(dest: Path, *names: str) -> dict[str, list[str]]:
    """Vulnerabilities that the index has for each package."""
    with FeedIndex.open(str(dest)) as index:
        return {name: sorted({one.cve for one in found}) for name, found in index.statements(names).items()}


def tar_of(folder: Path, extra: t.Mapping[str, bytes] | None = None, *, backwards: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in sorted(folder.rglob("*"), reverse=backwards):
            archive.add(path, arcname=path.relative_to(folder).as_posix(), recursive=False)
        for name, data in (extra or {}).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    """With the checksum that the zstd program writes too, and without which a changed byte may decompress."""
    zstandard = pytest.importorskip("zstandard", reason="the package zstandard is optional")
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKERS: dict[str, t.Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": zstd,
}


# -- folders --


def test_a_folder_with_years(folder: Path, dest: Path) -> None:
    (folder / "2026" / "cve-2026-1000.json.asc").write_text("signature")
    (folder / "README").write_text("text")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "cve-2026-9.json").write_text("broken")
    result = build(folder, dest)
    assert result.changed and not result.rejected
    assert (result.info.documents, result.info.statements, result.info.rejected) == (3, 3, 0)
    assert (result.info.checked, result.info.newest) == (NOW, "2026-04-01T10:00:00Z")
    assert (result.info.format, result.info.names, result.info.repository_map) == ("csaf-vex", (), False)
    assert names_in(dest, "tool", "bash", "curl") == {
        "tool": ["CVE-2026-1000"],
        "bash": ["CVE-2026-1001"],
        "curl": ["CVE-2025-2000"],
    }


def test_the_same_feed_again_changes_nothing_but_the_time_of_the_check(folder: Path, dest: Path) -> None:
    first = build(folder, dest)
    before = dest.read_bytes()
    assert not build(folder, dest).changed
    assert dest.read_bytes() == before, "checked at the same time: not a byte is written"
    again = build(
        folder, dest, now=datetime.datetime(2026, 8, 22, 14, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    )
    assert not again.changed
    assert again.info.checked == LATER and again.info.serial == first.info.serial
    with FeedIndex.open(str(dest)) as index:
        assert index.info == again.info


def test_the_serial_is_that_of_the_statements(folder: Path, dest: Path, tmp_path: Path) -> None:
    first = build(folder, dest).info
    copy = write_feed(tmp_path / "elsewhere", CURL, BASH, TOOL)
    assert build(copy, tmp_path / "out" / "copy").info.serial == first.serial
    numbers = iter(range(100))

    def serial(source: Path, **more: t.Any) -> str:
        return build(source, tmp_path / "out" / str(next(numbers)), **more).info.serial

    serials = [first.serial]
    more = write_feed(tmp_path / "more", TOOL, BASH, CURL, document("CVE-2024-1", affected(MAJOR_9, "x")))
    serials.append(serial(more))
    mapped = write_map(tmp_path / "map.json", {"repo": [MAIN_9]})
    serials.append(serial(folder, repository_map=str(mapped)))
    write_map(mapped, {"repo": [MAJOR_9]})
    serials.append(serial(folder, repository_map=str(mapped)))
    serials.append(serial(folder, names=["tool"]))
    serials.append(serial(folder, names=["tool", "bash"]))
    (folder / "2026" / "cve-2026-1000.json").write_text(json.dumps(TOOL) + "\n")
    serials.append(serial(folder))
    (folder / "2026" / "cve-2026-1000.json").unlink()
    serials.append(serial(folder))
    assert len(set(serials)) == 8, "whatever changes what is found changes the serial"


def test_a_feed_that_shrank_is_refused(folder: Path, dest: Path) -> None:
    """Half a copy of a folder would make what it lacks look like nothing found."""
    build(folder, dest)
    before = dest.read_bytes()
    (folder / "2026" / "cve-2026-1000.json").unlink()
    with pytest.raises(CorruptData, match="expected at least 3") as caught:
        build(folder, dest)
    assert caught.value.code == "feed-shrunk" and dest.read_bytes() == before
    dest.unlink()
    assert build(folder, dest).info.documents == 2


def test_a_feed_that_went_back_is_refused(folder: Path, dest: Path) -> None:
    build(folder, dest)
    older = document("CVE-2026-1001", fixed(MAIN_9, "bash", "0:5.1.8-9.el9"), date="2026-03-31T10:00:00+00:00")
    write_feed(folder, older)
    with pytest.raises(CorruptData, match="older than the index") as caught:
        build(folder, dest)
    assert caught.value.code == "feed-older"


@pytest.mark.parametrize("how", ["taken back", "unreadable"])
def test_a_feed_goes_on_without_its_newest_document(folder: Path, dest: Path, how: str) -> None:
    """Were it refused as older, the index would stay as it is until something else is newer."""
    newest = document("CVE-2026-1000", affected(MAJOR_9, "tool"), date="2026-06-01T10:00:00+00:00")
    write_feed(folder, newest)
    assert build(folder, dest).info.newest.startswith("2026-06-01")
    path = folder / "2026" / "cve-2026-1000.json"
    if how == "unreadable":
        path.write_bytes(b"{")
    else:
        (folder / "changes.csv").write_bytes(rows(("2026/cve-2026-1000.json", "2026-06-01T10:00:00+00:00")))
        (folder / "deletions.csv").write_bytes(rows(("2026/cve-2026-1000.json", "2026-06-02T00:00:00+00:00")))
    result = build(folder, dest, now=LATER)
    assert result.changed and not result.info.newest.startswith("2026-06-01")
    assert (result.info.documents, result.info.rejected) == (2, how == "unreadable")


def test_two_documents_about_one_vulnerability_are_not_added_up(folder: Path, dest: Path) -> None:
    copy = json.loads(json.dumps(TOOL))
    copy["product_tree"]["relationships"] = []
    (folder / "cve-2026-1000.json").write_text(json.dumps(copy))
    result = build(folder, dest)
    assert [one.path for one in result.rejected] == ["cve-2026-1000.json"]
    assert names_in(dest, "tool") == {"tool": ["CVE-2026-1000"]}


def test_a_folder_drops_what_its_lists_say_was_taken_back(folder: Path, dest: Path) -> None:
    """A copy keeps files that are gone at the source. What they say, "not affected" too, no longer holds."""
    gone, back = "2026/cve-2026-1000.json", "2026/cve-2026-1001.json"
    deleted = [(gone, "2026-05-03T00:00:00+00:00"), (back, "2026-05-03T00:00:00+00:00")]
    (folder / "deletions.csv").write_bytes(rows(*deleted))
    assert build(folder, dest).info.documents == 3, "nothing tells whether they came back"
    (folder / "changes.csv").write_bytes(rows((back, "2026-05-04T00:00:00+00:00"), (gone, "2026-05-03T00:00:00+00:00")))
    assert build(folder, dest).info.documents == 2
    assert names_in(dest, "tool", "bash", "curl").keys() == {"bash", "curl"}
    (folder / "changes.csv").write_bytes(b"<html>")
    with pytest.raises(CorruptData, match=r"changes\.csv"):
        build(folder, dest)


def test_an_index_knows_how_much_its_maker_lists_and_of_which_years(folder: Path, dest: Path) -> None:
    first = build(folder, dest).info
    assert (first.documents, first.listed, first.years) == (3, 0, (2025, 2026))
    names = [f"2026/cve-2026-{number}.json" for number in range(1000, 1020)]
    (folder / "changes.csv").write_bytes(rows(*((name, "2026-05-04T00:00:00+00:00") for name in names)))
    (folder / "deletions.csv").write_bytes(rows((names[-1], "2026-05-05T00:00:00+00:00")))
    build(folder, dest, now=LATER)
    with FeedIndex.open(str(dest)) as index:
        assert index.info.listed == 19, "noted although no document changed"
    write_feed(folder, document("CVE-1999-1002", affected(MAJOR_9, "old")))
    found = build(folder, dest, now=LATER).info
    assert (found.documents, found.listed, found.years) == (4, 19, (1999, 2026))
    names_alone = build(folder, dest.with_name("names"), names=["tool"]).info
    assert (names_alone.documents, names_alone.listed, names_alone.years) == (4, 19, (1999, 2026))


def test_check_mode_writes_nothing(folder: Path, dest: Path) -> None:
    planned = build(folder, dest, dry_run=True)
    assert planned.changed and not list(dest.parent.iterdir())
    done = build(folder, dest)
    assert done.info == planned.info
    before = dest.read_bytes()
    assert not build(folder, dest, dry_run=True, now=LATER).changed
    write_feed(folder, document("CVE-2026-1002", affected(MAJOR_9, "more")))
    assert build(folder, dest, dry_run=True).info.documents == 4
    assert dest.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", json.dumps(TOOL).encode()[:-1], json.dumps(TOOL).encode()[:300], b"\xff" * 100, b"null"],
)
def test_documents_that_cannot_be_read_are_counted_and_named(folder: Path, dest: Path, content: bytes) -> None:
    (folder / "2026" / "cve-2026-6666.json").write_bytes(content)
    for _time in range(2):
        result = build(folder, dest)
        assert [one.path for one in result.rejected] == ["2026/cve-2026-6666.json"]
        assert "cve-2026-6666.json" in result.rejected[0].reason
        assert (result.info.documents, result.info.rejected) == (3, 1)
    with FeedIndex.open(str(dest)) as index:
        (rejected,) = index.rejected()
        assert (rejected.path, rejected.sha256) == ("2026/cve-2026-6666.json", hashlib.sha256(content).hexdigest())
        assert (rejected.scope == EVERYTHING) == (content != json.dumps(TOOL).encode()[:-1])


@pytest.mark.parametrize("names", [None, ["tool"]])
def test_a_cut_document_is_rejected_in_a_partial_index_too(folder: Path, dest: Path, names: list[str] | None) -> None:
    """What was cut off may have named the package."""
    text = json.dumps(document("CVE-2026-7777", affected(MAJOR_9, "other"), affected(MAJOR_9, "tool")))
    (folder / "2026" / "cve-2026-7777.json").write_text(text[: text.index("tool")])
    assert build(folder, dest, names=names).info.rejected == 1


def test_documents_that_are_too_large_are_rejected(
    folder: Path, dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "2026" / "cve-2026-1002.json").write_text(json.dumps({**TOOL, "padding": "x" * 5000}))
    monkeypatch.setattr(intake, "DOCUMENT_LIMIT", 4000)
    archive = tmp_path / "feed.tar"
    archive.write_bytes(tar_of(folder))
    for source in (folder, archive):
        assert [one.path for one in build(source, dest).rejected] == ["2026/cve-2026-1002.json"]


def test_json_that_is_no_document_is_passed_over(folder: Path, dest: Path) -> None:
    (folder / "provider-metadata.json").write_text('{"role": "csaf_provider"}')
    (folder / "list.json").write_text("[1]")
    advisory = json.loads(json.dumps(TOOL))
    advisory["document"]["category"] = "csaf_security_advisory"
    (folder / "rhsa-2026_1.json").write_text(json.dumps(advisory))
    gone = json.loads(json.dumps(BASH))
    gone["document"]["tracking"]["status"] = "deleted"
    (folder / "2026" / "cve-2026-1009.json").write_text(json.dumps(gone))
    result = build(folder, dest)
    assert not result.rejected and result.info.documents == 4
    assert {key: count for key, count in result.skipped.items() if count} == {"not_csaf": 2, "not_vex": 1, "deleted": 1}
    (folder / "notes.json").write_text('{"broken')
    assert [one.path for one in build(folder, dest).rejected] == ["notes.json"], "broken is broken, whatever its name"


def test_a_feed_without_documents_is_refused(folder: Path, dest: Path, tmp_path: Path) -> None:
    build(folder, dest)
    before = dest.read_bytes()
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cve-2026-1.json").write_text("{")
    archive = tmp_path / "empty.tar"
    archive.write_bytes(tar_of(empty))
    for source in (empty, broken, archive):
        with pytest.raises(CorruptData, match="no readable CSAF-VEX document") as caught:
            build(source, dest)
        assert caught.value.code == "feed-empty"
    assert dest.read_bytes() == before
    assert [one.name for one in dest.parent.iterdir()] == ["index"]


def test_sources_that_are_not_there(dest: Path, tmp_path: Path) -> None:
    for source in (tmp_path / "missing", f"file://{tmp_path}/missing", "file://otherhost/x"):
        with pytest.raises(InputError):
            build(source, dest)


@pytest.mark.parametrize("now", ["yesterday", "", "2026-99-01T00:00:00Z"])
def test_the_time_of_the_check_must_be_one(folder: Path, dest: Path, now: str) -> None:
    with pytest.raises(ScanError, match="expected a time"):
        build(folder, dest, now=now)


def test_the_folder_of_the_index_must_be_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        build(folder, tmp_path / "missing" / "index")
    assert build(folder, tmp_path / "missing" / "index", dry_run=True).changed
    assert not (tmp_path / "missing").exists()


def test_what_a_killed_run_left_is_removed_and_what_a_running_one_has_is_not(folder: Path, dest: Path) -> None:
    for name, age in ((".index-dead", 100), (".index-alive", 100), (".index-new", 0), (".other-dead", 100)):
        left = dest.parent / name
        left.mkdir()
        (left / "stage").write_text("x")
        os.utime(left, (time.time() - age,) * 2)
    script = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX); print(1, flush=True); input()"
    command = [sys.executable, "-c", script, str(dest.parent / ".index-alive")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alive:
        assert alive.stdout is not None and alive.stdout.readline() == b"1\n"
        build(folder, dest)
        kept = [".index-alive", ".index-new", ".other-dead", "index"]
        assert sorted(one.name for one in dest.parent.iterdir()) == kept
        alive.communicate()


def test_files_of_others_are_not_overwritten(folder: Path, dest: Path) -> None:
    dest.write_bytes(b"my precious notes")
    with pytest.raises(InputError, match="not a feed index"):
        build(folder, dest)
    assert dest.read_bytes() == b"my precious notes"


@pytest.mark.parametrize("damage", ["cut", "a row"])
def test_a_damaged_index_is_built_again(folder: Path, dest: Path, damage: str) -> None:
    build(folder, dest)
    if damage == "cut":
        dest.write_bytes(dest.read_bytes()[:4096])
    else:
        database = sqlite3.connect(dest)
        database.execute("DELETE FROM documents WHERE id = (SELECT min(id) FROM documents)")
        database.commit()
        database.close()
    assert build(folder, dest).changed
    assert names_in(dest, "tool") == {"tool": ["CVE-2026-1000"]}


def test_an_index_of_a_newer_release_is_kept(folder: Path, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index import reader, writer

    with monkeypatch.context() as patch:
        patch.setattr(reader, "SCHEMA_VERSION", 99)
        patch.setattr(writer, "SCHEMA_VERSION", 99)
        build(folder, dest)
    with pytest.raises(InputError, match="schema version 99"):
        build(folder, dest)


def test_readers_that_see_more_build_the_index_again(folder: Path, dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(folder, dest)
    monkeypatch.setattr(feeds, "READER_VERSION", feeds.READER_VERSION + 1)
    assert build(folder, dest).changed


def test_progress_is_told_and_may_end_the_build(folder: Path, dest: Path) -> None:
    seen: list[tuple[int, int]] = []
    build(folder, dest, progress=lambda done, total: seen.append((done, total)))
    assert (3, 3) in seen and seen[0] == (0, 0)

    def gone(done: int, _total: int) -> None:
        if done == 2:
            raise RuntimeError("gone")

    before = dest.read_bytes()
    (folder / "2026" / "cve-2026-1000.json").unlink()
    with pytest.raises(RuntimeError):
        build(folder, dest, progress=gone)
    assert dest.read_bytes() == before and [one.name for one in dest.parent.iterdir()] == ["index"]


# -- names --


def test_a_partial_index_has_all_that_is_said_of_its_names_and_remembers_them(folder: Path, dest: Path) -> None:
    result = build(folder, dest, names=["tool", "curl", "tool"])
    assert result.info.names == ("curl", "tool")
    assert result.info.documents == 3, "documents that were looked at"
    assert result.info.newest == "2026-04-01T10:00:00Z"
    assert names_in(dest, "tool", "bash", "curl") == {"tool": ["CVE-2026-1000"], "curl": ["CVE-2025-2000"]}


def test_a_partial_index_equals_the_whole_one_for_its_names(dest: Path) -> None:
    """Real documents: nothing is lost by the quick look."""
    feed = data_path("quay+claircore")
    whole = dest.with_name("whole")
    build(feed, whole)
    wanted = ["curl", "libcurl", "openssl-libs", "libssh", "samba", "python39", "nothing"]
    build(feed, dest, names=wanted)
    with FeedIndex.open(str(whole)) as one, FeedIndex.open(str(dest)) as other:
        expected = one.statements(wanted)
        assert len(expected) >= 5
        assert {k: set(v) for k, v in other.statements(wanted).items()} == {k: set(v) for k, v in expected.items()}


def test_no_names_at_all_are_refused(folder: Path, dest: Path) -> None:
    with pytest.raises(InputError, match="no package names"):
        build(folder, dest, names=[])


# -- repository maps --


def test_the_repository_map_of_the_folder_is_used_unless_another_is_given(
    folder: Path, dest: Path, tmp_path: Path
) -> None:
    write_map(folder / "repository-to-cpe.json", {"repo": [MAIN_9]})
    assert build(folder, dest).info.repository_map
    with FeedIndex.open(str(dest)) as index:
        assert index.cpes_of("repo") == (MAIN_9,)
    other = write_map(tmp_path / "other.json", {"repo": [MAJOR_9]})
    build(folder, dest, repository_map=str(other))
    with FeedIndex.open(str(dest)) as index:
        assert index.cpes_of("repo") == (MAJOR_9,)
    build(folder, dest, repository_map=other.as_uri())
    write_map(folder / "repository-to-cpe.json", {"repo": ["cpe:/a:redhat:x"]})
    assert build(folder, dest).changed


def test_a_real_repository_map() -> None:
    name = "aquasecurity+vuln-list-update/redhat/oval/testdata/happy/repository-to-cpe.json"
    read = read_repository_map(data_path(name).read_bytes(), name)
    assert read.cpes["3scale-amp-2-for-rhel-8-ppc64le-rpms"] == (
        "cpe:/a:redhat:3scale_amp:2.11::el8",
        "cpe:/a:redhat:3scale_amp:2.12::el8",
        "cpe:/a:redhat:3scale_amp:2.8::el8",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"data": {}}',
        '{"data": []}',
        '{"data": {"repo": []}}',
        '{"data": {"repo": {"cpes": null}}}',
        '{"data": {"repo": {"cpes": "cpe:/a:b:c"}}}',
        '{"data": {"repo": {"cpes": ["x"]}}}',
        '{"data": {"repo": {"cpes": [7]}}}',
        '{"data": {"repo": {"cpes": [["cpe:/a"]]}}}',
        "[" * 100_000,
    ],
)
def test_a_broken_repository_map_is_refused_and_the_old_index_kept(
    folder: Path, dest: Path, tmp_path: Path, text: str
) -> None:
    build(folder, dest)
    before = dest.read_bytes()
    given = tmp_path / "map.json"
    given.write_text(text)
    with pytest.raises(CorruptData, match="repository map"):
        build(folder, dest, repository_map=str(given))
    (folder / "repository-to-cpe.json").write_text(text)
    with pytest.raises(CorruptData, match="repository map"):
        build(folder, dest)
    assert dest.read_bytes() == before
    with pytest.raises(InputError, match="repository map"):
        build(folder, dest, repository_map=str(tmp_path / "missing"))


# -- archives --


@pytest.mark.parametrize("suffix", PACKERS)
def test_archives(folder: Path, dest: Path, tmp_path: Path, suffix: str) -> None:
    archive = tmp_path / f"csaf_vex_2026-04-02{suffix}"
    archive.write_bytes(PACKERS[suffix](tar_of(folder)))
    result = build(archive, dest)
    assert result.changed and result.info.documents == 3
    assert result.info.serial.startswith("csaf_vex_2026-04-02+2026-04-01T10:00:00Z+")
    assert names_in(dest, "tool", "bash", "curl").keys() == {"tool", "bash", "curl"}
    assert not build(archive, dest).changed
    assert not build(archive.as_uri(), dest).changed


def test_a_packed_again_archive_is_the_same_feed(folder: Path, dest: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "feed.tar.gz", tmp_path / "feed.tar.xz"
    one.write_bytes(gzip.compress(tar_of(folder)))
    two.write_bytes(lzma.compress(tar_of(folder, backwards=True)))
    first = build(one, dest)
    again = build(two, dest, now=LATER)
    assert not again.changed and again.info.serial == first.info.serial and again.info.checked == LATER


def test_a_real_archive(dest: Path) -> None:
    pytest.importorskip("zstandard", reason="the package zstandard is optional")
    result = build(data_path(f"{CLAIRCORE}/server/csaf_vex_2023-10-31.tar.zst"), dest)
    assert result.info.documents == 5 and not result.rejected
    assert result.info.serial.startswith("csaf_vex_2023-10-31+2023-1")


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_cut_archive_is_an_error_and_the_old_index_stays(
    folder: Path, dest: Path, tmp_path: Path, suffix: str
) -> None:
    """Also where the cut falls between two documents, so that what is left looks like a smaller feed."""
    build(folder, dest)
    before = dest.read_bytes()
    plain = tar_of(folder)
    data = PACKERS[suffix](plain)
    cuts = set(range(0, len(data) - 1, max(1, len(data) // 40))) | {len(data) - 1, len(data) - 5, len(data) - 512}
    if suffix == ".tar":
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            boundaries = {member.offset for member in archive.getmembers()} | {archive.offset}
            end = archive.offset
        # Behind that only the end mark and padding are lost, and no document.
        cuts = {cut for cut in cuts if cut < end} | boundaries | {end + 1, end + 511, end + 512}
    for cut in sorted(cuts):
        archive_path = tmp_path / f"cut{suffix}"
        archive_path.write_bytes(data[:cut])
        with pytest.raises(CorruptData) as caught:
            build(archive_path, dest)
        assert "cut" in str(caught.value) and caught.value.code in ("feed-truncated", "feed-damaged"), cut
        assert dest.read_bytes() == before, cut


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".tar.zst"])
def test_a_damaged_archive_is_an_error(folder: Path, dest: Path, tmp_path: Path, suffix: str) -> None:
    data = bytearray(PACKERS[suffix](tar_of(folder)))
    data[len(data) // 2] ^= 0xFF
    archive = tmp_path / f"damaged{suffix}"
    archive.write_bytes(data)
    with pytest.raises(ScanError):
        build(archive, dest)
    assert not dest.exists()


def test_something_else_is_no_archive(dest: Path, tmp_path: Path) -> None:
    other = tmp_path / "feed.tar"
    for content in (b"", b"text", b"BZh91AY", bytes(100), b"x" * 5000, b"PK\3\4" + bytes(5000)):
        other.write_bytes(content)
        with pytest.raises(ScanError):
            build(other, dest)


def test_a_document_that_stands_twice_in_an_archive_is_refused(folder: Path, dest: Path, tmp_path: Path) -> None:
    archive = tmp_path / "feed.tar"
    archive.write_bytes(tar_of(folder, {"2026/cve-2026-1000.json": json.dumps(BASH).encode()}))
    with pytest.raises(CorruptData, match="twice"):
        build(archive, dest)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_document_that_is_a_link_in_an_archive_is_refused(
    folder: Path, dest: Path, tmp_path: Path, kind: bytes
) -> None:
    """What it leads to is not in the archive, or has another name there; passed over it would be missing."""
    with tarfile.open(tmp_path / "feed.tar", "w") as archive:
        archive.add(folder, ".")
        link = tarfile.TarInfo("2026/cve-2026-7777.json")
        link.type = kind
        link.linkname = "2026/cve-2026-1000.json" if kind != tarfile.FIFOTYPE else ""
        archive.addfile(link)
    with pytest.raises(CorruptData, match=r"cve-2026-7777\.json is a link") as caught:
        build(tmp_path / "feed.tar", dest)
    assert caught.value.code == "feed-damaged" and not dest.exists()


def test_a_folder_that_is_a_link(folder: Path, dest: Path, tmp_path: Path) -> None:
    """It is not passed over in silence; one to what is read anyway does not count as one more document."""
    (folder / "latest").symlink_to("2026")
    assert build(folder, dest).info.documents == 3
    (folder / "2026").rename(tmp_path / "elsewhere")
    (folder / "2026").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="2026 is a link to what is not read"):
        build(folder, tmp_path / "other")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert build(tmp_path / "link", tmp_path / "other").info.documents == 2, "the feed itself may be one"
    (tmp_path / "elsewhere").rename(folder / ".hidden")
    (folder / "2026").unlink()
    (folder / "2026").symlink_to(".hidden")
    with pytest.raises(InputError, match="2026 is a link to what is not read"):
        build(folder, tmp_path / "third")


def test_a_decompression_bomb_ends(dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LIMITS", Limits(expansion=50, expansion_free=1 << 20))
    monkeypatch.setattr(
        archives.read_archive, "__kwdefaults__", {**archives.read_archive.__kwdefaults__, "limits": archives.LIMITS}
    )
    bomb = tmp_path / "bomb.tar.gz"
    bomb.write_bytes(gzip.compress(tar_of(tmp_path / "nothing", {"x.bin": bytes(64 << 20)})))
    with pytest.raises(LimitExceeded, match="decompression bomb"):
        build(bomb, dest)


# -- servers --

ACCESS = Access(timeout=10.0, retries=2)


class Site:
    """Serves files by path; ``headers`` of some of them."""

    def __init__(
        self, files: t.Mapping[str, bytes], headers: t.Mapping[str, t.Mapping[str, str]] | None = None
    ) -> None:
        self.files = dict(files)
        self.headers = dict(headers or {})

    def __call__(self, request: Request) -> Answer:
        path = urllib.parse.urlsplit(request.target).path
        if path not in self.files:
            return Answer(404)
        body = self.files[path]
        if request.method == "HEAD":
            return Answer(200, b"", self.headers.get(path, {}), length=len(body))
        return Answer(200, body, self.headers.get(path, {}))


def rows(*pairs: tuple[str, str]) -> bytes:
    return "".join(f'"{path}","{moment}"\n' for path, moment in pairs).encode()


def test_an_archive_behind_a_url(folder: Path, dest: Path) -> None:
    site = Site({"/feed/my_vex.tar.gz": gzip.compress(tar_of(folder))}, {"/feed/my_vex.tar.gz": {"ETag": '"1"'}})
    with running_server(site) as server:
        url = f"http://{server.host}/feed/my_vex.tar.gz"
        result = build(url, dest, access=ACCESS)
        assert result.info.documents == 3 and result.info.serial.startswith("my_vex+")
        assert [request.method for request in server.requests] == ["HEAD", "GET"]
        assert not build(url, dest, access=ACCESS).changed
        assert [request.method for request in server.requests[2:]] == ["HEAD"], "unchanged: not fetched again"
        site.files["/feed/my_vex.tar.gz"] = gzip.compress(tar_of(folder, {"README": b""}))
        site.headers["/feed/my_vex.tar.gz"] = {"ETag": '"2"'}
        assert not build(url, dest, access=ACCESS).changed, "packed again: the same statements"


def test_an_archive_of_a_server_without_validators_is_compared_by_content(folder: Path, dest: Path) -> None:
    site = Site({"/my.tar": tar_of(folder)})
    with running_server(site) as server:
        assert build(f"http://{server.host}/my.tar", dest, access=ACCESS).changed
        assert not build(f"http://{server.host}/my.tar", dest, access=ACCESS).changed
        write_feed(folder, document("CVE-2026-1002", affected(MAJOR_9, "more")))
        site.files["/my.tar"] = tar_of(folder)
        assert build(f"http://{server.host}/my.tar", dest, access=ACCESS).info.documents == 4


def test_a_real_feed_with_changes_and_deletions(dest: Path) -> None:
    """The fixture of another scanner: one change is older than the archive, two are newer, none is a deletion in it."""
    pytest.importorskip("zstandard", reason="the package zstandard is optional")
    text = data_path(f"{CLAIRCORE}/server.txtar").read_bytes()
    archive = data_path(f"{CLAIRCORE}/server/csaf_vex_2023-10-31.tar.zst").read_bytes()
    parts = re.split(rb"^-- (\S+).* --\n", text, flags=re.MULTILINE)
    files = {f"/vex{name.decode()}": body for name, body in zip(parts[1::2], parts[2::2])}
    # The fixture's archive is as of this day, and bears another one in its name.
    files["/vex/archive_latest.txt"] = b"csaf_vex_2023-12-11.tar.zst\n"
    files["/vex/csaf_vex_2023-12-11.tar.zst"] = archive
    made = {"Last-Modified": "Mon, 11 Dec 2023 00:00:00 GMT"}
    with running_server(Site(files, {"/vex/csaf_vex_2023-12-11.tar.zst": made})) as server:
        result = build(f"http://{server.host}/vex", dest, access=ACCESS)
        fetched = [request.target for request in server.requests if re.search(r"cve-.*\.json$", request.target)]
        assert fetched == ["/vex/2023/cve-2023-0044.json", "/vex/2023/cve-2023-0118.json"]
        assert result.info.documents == 6 and not result.rejected
        assert result.info.statements > 2000
        server.requests.clear()
        assert not build(f"http://{server.host}/vex/", dest, access=ACCESS).changed
        assert not [
            request
            for request in server.requests
            if re.search(r"cve-.*\.json$|\.zst$", request.target) and request.method == "GET"
        ]


@pytest.mark.parametrize(
    "modified",
    ["Fri, 01 May 2026 04:00:00 GMT", "Sat, 30 May 2026 04:00:00 GMT", ""],
    ids=["made", "copied", "silent"],
)
def test_a_mirror_that_copied_the_archive_later_hides_no_change(folder: Path, dest: Path, modified: str) -> None:
    """The time of a copy is not the time of what is in it: changes between them are in neither."""
    added = document("CVE-2026-3000", affected(MAJOR_9, "added"), date="2026-05-10T00:00:00Z")
    files = {
        "/archive_latest.txt": b"csaf_vex_2026-05-01.tar\n",
        "/csaf_vex_2026-05-01.tar": tar_of(folder),
        "/changes.csv": rows(("2026/cve-2026-3000.json", "2026-05-10T00:00:00+00:00")),
        "/2026/cve-2026-3000.json": json.dumps(added).encode(),
    }
    headers = {"/csaf_vex_2026-05-01.tar": {"Last-Modified": modified}} if modified else {}
    with running_server(Site(files, headers)) as server:
        build(f"http://{server.host}", dest, access=ACCESS)
    assert "added" in names_in(dest, "added")


def test_as_many_other_documents_do_not_make_up_for_lost_ones(folder: Path, dest: Path) -> None:
    build(folder, dest)
    lost = folder / "2026" / "cve-2026-1001.json"
    content = lost.read_bytes()
    lost.unlink()
    newer = document("CVE-2026-3000", affected(MAJOR_9, "added"), date="2026-06-01T00:00:00Z")
    write_feed(folder, newer)
    with pytest.raises(CorruptData, match=r"lacks 1 documents .* cve-2026-1001\.json") as caught:
        build(folder, dest)
    assert caught.value.code == "feed-shrunk"
    lost.write_bytes(content)
    assert build(folder, dest).changed


def test_a_document_about_a_cve_of_another_category_is_rejected(folder: Path, dest: Path) -> None:
    """It is where the feed says something of a vulnerability; an advisory beside it is not."""
    path = folder / "2026" / "cve-2026-1001.json"
    item = json.loads(path.read_text())
    item["document"]["category"] = "csaf_security_advisory"
    (folder / "2026" / "rhsa-2026_1.json").write_text(json.dumps(item))
    assert build(folder, dest).rejected == ()
    dest.unlink()
    path.write_text(json.dumps(item))
    assert [one.path for one in build(folder, dest).rejected] == ["2026/cve-2026-1001.json"]


def test_changes_and_deletions_after_the_archive_count(folder: Path, dest: Path) -> None:
    newer = document(
        "CVE-2026-1000", affected(MAJOR_9, "tool"), affected(MAJOR_9, "tool-libs"), date="2026-05-02T00:00:00Z"
    )
    added = document("CVE-2026-3000", affected(MAJOR_9, "added"), date="2026-05-03T00:00:00Z")
    files = {
        "/archive_latest.txt": b"csaf_vex_2026-05-01.tar\n",
        "/csaf_vex_2026-05-01.tar": tar_of(folder),
        "/changes.csv": rows(
            ("2026/cve-2026-3000.json", "2026-05-03T00:00:00+00:00"),
            ("2026/cve-2026-1000.json", "2026-05-02T00:00:00+00:00"),
            ("2025/cve-2025-2000.json", "2026-05-02T00:00:00+00:00"),
            ("2026/cve-2026-1001.json", "2026-04-30T17:59:59+00:00"),
            ("2020/cve-2020-1.json", "2020-01-01T00:00:00+00:00"),
        ),
        "/deletions.csv": rows(
            ("2025/cve-2025-2000.json", "2026-05-03T00:00:00+00:00"),
            ("2026/cve-2026-1001.json", "2026-04-01T00:00:00+00:00"),
            ("2026/cve-2026-3000.json", "2026-05-02T00:00:00+00:00"),
        ),
        "/2026/cve-2026-1000.json": json.dumps(newer).encode(),
        "/2026/cve-2026-3000.json": json.dumps(added).encode(),
    }
    with running_server(Site(files)) as server:
        result = build(f"http://{server.host}", dest, access=ACCESS)
        assert result.info.documents == 3 and result.info.newest == "2026-05-03T00:00:00Z"
        assert names_in(dest, "tool", "tool-libs", "added", "curl", "bash").keys() == {
            "tool",
            "tool-libs",
            "added",
            "bash",
        }
        site_changes = rows(("2026/cve-2026-1000.json", "2026-05-04T00:00:00+00:00"))
    files["/changes.csv"] = site_changes + files["/changes.csv"]
    with running_server(Site(files)) as server:
        assert not build(f"http://{server.host}", dest, access=ACCESS).changed, "announced anew, the same content"
        (folder / "2026" / "cve-2026-1001.json").unlink()
        files["/csaf_vex_2026-05-01.tar"] = tar_of(folder)
    again = Site(files, {"/csaf_vex_2026-05-01.tar": {"ETag": '"2"'}})
    with running_server(again) as server, pytest.raises(CorruptData, match="expected at least 3"):
        build(f"http://{server.host}", dest, access=ACCESS)
    files["/deletions.csv"] = rows(("2026/cve-2026-1001.json", "2026-05-05T00:00:00+00:00")) + files["/deletions.csv"]
    with running_server(Site(files)) as server:
        assert build(f"http://{server.host}", dest, access=ACCESS).info.documents == 2, "told to be taken back"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/archive_latest.txt", b""),
        ("/archive_latest.txt", b"../../etc/passwd"),
        ("/archive_latest.txt", b"http://elsewhere/x.tar"),
        ("/archive_latest.txt", b"\xff\xfe"),
        ("/changes.csv", b"<html>"),
        ("/changes.csv", b'"../../etc/passwd","2026-05-02T00:00:00+00:00"\n'),
        ("/changes.csv", b'"2026/cve-2026-1000.json","yesterday"\n'),
        ("/changes.csv", b'"2026/cve-2026-1000.json"\n'),
        ("/deletions.csv", b"\xff\xfe\n"),
        ("/deletions.csv", b'"2026/cve-2026-1000.json","2026-05-02T00:00:00+00:00\n'),
        ("/csaf_vex_2026-05-01.tar", b"cut"),
    ],
)
def test_a_damaged_feed_is_an_error_and_the_old_index_stays(folder: Path, dest: Path, path: str, body: bytes) -> None:
    files = {
        "/archive_latest.txt": b"csaf_vex_2026-05-01.tar\n",
        "/csaf_vex_2026-05-01.tar": tar_of(folder),
        "/changes.csv": b"",
        "/deletions.csv": b"",
    }
    with running_server(Site(files)) as server:
        build(f"http://{server.host}", dest, access=ACCESS)
    before = dest.read_bytes()
    with running_server(Site({**files, path: body})) as server, pytest.raises(ScanError) as caught:
        build(f"http://{server.host}", dest, access=ACCESS)
    assert caught.value.code.startswith(("feed-", "corrupt-data", "unsupported"))
    assert dest.read_bytes() == before


def test_a_changed_document_that_is_missing_is_an_error(folder: Path, dest: Path) -> None:
    """Going on without it would lose a vulnerability in silence."""
    files = {
        "/archive_latest.txt": b"csaf_vex_2026-05-01.tar\n",
        "/csaf_vex_2026-05-01.tar": tar_of(folder),
        "/changes.csv": rows(("2026/cve-2026-9000.json", "2026-05-03T00:00:00+00:00")),
    }
    with running_server(Site(files)) as server, pytest.raises(FetchError, match=r"cve-2026-9000\.json"):
        build(f"http://{server.host}", dest, access=ACCESS)
    assert not dest.exists()


def test_a_url_that_is_neither_archive_nor_feed(dest: Path) -> None:
    with (
        running_server(Site({})) as server,
        pytest.raises(FetchError, match=r"archive_latest\.txt .*give the address of an archive") as caught,
    ):
        build(f"http://{server.host}/some/where", dest, access=ACCESS)
    assert caught.value.code == "feed-not-found"
    for url in ("http://[::1", "http://x:99999/y.tar", "https://"):
        with pytest.raises(ScanError):
            build(url, dest, access=ACCESS)


def test_a_broken_download_is_resumed(folder: Path, dest: Path) -> None:
    body = tar_of(folder, {"padding": bytes(3 << 20)})
    cuts = iter([1 << 20, 2 << 20])

    def answer(request: Request) -> Answer:
        headers = {"ETag": '"1"'}
        if request.method == "HEAD":
            return Answer(200, b"", headers, length=len(body))
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        end = next(cuts, len(body))
        close = {"Connection": "close"} if end < len(body) else {}
        return Answer(206 if start else 200, body[start:end], {**headers, **close}, length=len(body) - start)

    with running_server(answer) as server:
        assert build(f"http://{server.host}/x.tar", dest, access=ACCESS).info.documents == 3
        starts = [request.headers.get("range", "") for request in server.requests if request.method == "GET"]
    assert starts[0] == "" and all(starts[1:]) and len(starts) == 3


def test_the_repository_map_behind_a_url_is_fetched_when_it_changed(folder: Path, dest: Path) -> None:
    site = Site({"/map.json": json.dumps({"data": {"repo": {"cpes": [MAIN_9]}}}).encode()})
    sent = []

    def answer(request: Request) -> Answer:
        etag = f'"{len(site.files["/map.json"])}"'
        if request.headers.get("if-none-match") == etag:
            return Answer(304, headers={"ETag": etag})
        sent.append(request.target)
        return Answer(200, site.files["/map.json"], {"ETag": etag})

    with running_server(answer) as server:
        url = f"http://{server.host}/map.json"
        first = build(folder, dest, repository_map=url, access=ACCESS)
        assert first.changed and not build(folder, dest, repository_map=url, access=ACCESS, now=LATER).changed
        write_feed(folder, document("CVE-2026-3000", affected(MAJOR_9, "added"), date="2026-06-01T00:00:00Z"))
        assert build(folder, dest, repository_map=url, access=ACCESS).info.repository_map
        assert len(sent) == 1
        with FeedIndex.open(str(dest)) as index:
            assert index.repositories() == {"repo": [MAIN_9]}
        site.files["/map.json"] = json.dumps({"data": {"repo": {"cpes": [MAJOR_9, MAIN_9]}}}).encode()
        assert build(folder, dest, repository_map=url, access=ACCESS).changed and len(sent) == 2
        with FeedIndex.open(str(dest)) as index:
            assert index.repositories() == {"repo": [MAJOR_9, MAIN_9]}


def test_the_repository_map_behind_a_url(folder: Path, dest: Path) -> None:
    mapped = json.dumps({"data": {"repo": {"cpes": [MAIN_9]}}}).encode()
    with running_server(Site({"/map.json": mapped})) as server:
        assert build(folder, dest, repository_map=f"http://{server.host}/map.json", access=ACCESS).info.repository_map
        with pytest.raises(FetchError):
            build(folder, dest, repository_map=f"http://{server.host}/missing.json", access=ACCESS)
