# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping an index up to date over a real HTTP server that lags, breaks and refuses, with processes that are killed.

The oracle is the feed itself, read as a whole into a new index at the same moment.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import sources
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import sync as syncing
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import (
    BuildResult,
    build_index,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.downloads import FeedClient
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.exporting import export_feed
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.importing import import_feed
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.support.vendor import Vendor

ACCESS = Access(timeout=10.0, retries=4)


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "index"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short."""
    monkeypatch.setattr(
        sources, "FeedClient", functools.partial(FeedClient, sleep=lambda seconds: time.sleep(seconds / 500))
    )


def sync(source: object, dest: Path, vendor: Vendor, **more: t.Any) -> BuildResult:
    return build_index(str(source), str(dest), access=ACCESS, now=vendor.now, **more)


def content(dest: Path) -> bytes:
    with FeedIndex.open(str(dest)) as index:
        return b"".join(index.content())


def serial(dest: Path) -> str:
    with FeedIndex.open(str(dest)) as index:
        return index.info.serial


def assert_like_new(dest: Path, vendor: Vendor, folder: Path) -> None:
    """The index says what one says that is made of the whole feed now, and of what the vendor has."""
    new = folder / f"new-{random.random()}"
    with running_server(vendor.serve) as server:
        sync(f"http://{server.host}", new, vendor)
    assert content(dest) == content(new)
    assert serial(dest) == serial(new)
    with FeedIndex.open(str(dest)) as index:
        assert {one.path for one in index.documents()} == set(vendor.documents)
    new.unlink()


def some_days(vendor: Vendor, documents: int = 30) -> None:
    """A feed with a past: documents of other days, and an archive of this one."""
    for number in range(documents):
        vendor.publish(number)
        vendor.pass_hours(3)
    vendor.make_archive()
    vendor.pass_hours(2)


def targets(requests: list[Request], pattern: str) -> list[str]:
    return [one.target for one in requests if one.method == "GET" and re.search(pattern, one.target)]


# -- what is fetched --


def test_first_the_archive_then_what_changed_then_only_that(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    with running_server(vendor.serve) as server:
        url = f"http://{server.host}"
        first = sync(url, dest, vendor)
        assert first.info.serial.startswith("csaf_vex_2026-05-05+") and first.info.documents == 30
        assert len(targets(server.requests, r"\.tar$")) == 1
        assert len({one.peer for one in server.requests}) == 1, "one connection"

        server.requests.clear()
        vendor.pass_hours(8)
        assert not sync(url, dest, vendor).changed
        server.requests.clear()
        vendor.pass_hours(8)
        assert not sync(url, dest, vendor).changed
        assert not targets(server.requests, r"\.tar$|cve-"), "nothing happened: nothing is fetched"
        assert [one.headers.get("if-none-match", "") != "" for one in server.requests if ".csv" in one.target] == [
            True
        ] * 2

        changed = {vendor.publish(3), vendor.publish(100)}
        deleted = next(path for path in vendor.documents if path not in changed)
        vendor.delete(deleted)
        server.requests.clear()
        vendor.pass_hours(8)
        result = sync(url, dest, vendor)
        assert result.changed and result.info.documents == 30
        assert {one[1:] for one in targets(server.requests, "cve-")} == changed
        assert not targets(server.requests, r"\.tar$")
    assert_like_new(dest, vendor, tmp_path)


def test_a_new_archive_is_not_fetched_as_long_as_the_list_reaches_back(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    with running_server(vendor.serve) as server:
        sync(f"http://{server.host}", dest, vendor)
        vendor.pass_hours(24)
        vendor.publish(100)
        vendor.make_archive()
        vendor.pass_hours(1)
        vendor.publish(101)
        server.requests.clear()
        assert sync(f"http://{server.host}", dest, vendor).info.serial.startswith("csaf_vex_2026-05-06+")
        assert not targets(server.requests, r"\.tar$")
    assert_like_new(dest, vendor, tmp_path)


@pytest.mark.parametrize("reason", ["list_is_short", "list_lags", "list_is_gone", "too_many"])
def test_the_archive_is_fetched_where_the_list_does_not_tell_enough(
    dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    vendor = Vendor()
    some_days(vendor)
    with running_server(vendor.serve) as server:
        sync(f"http://{server.host}", dest, vendor)
        known = dict(vendor.changes)
        for number in range(6):
            vendor.publish(200 + number)
            vendor.pass_hours(12)
        vendor.make_archive()
        if reason == "list_is_short":
            vendor.changes = dict(list(vendor.changes.items())[-2:])
        elif reason == "list_lags":
            vendor.changes = known
        elif reason == "list_is_gone":
            vendor.changes = {}
        else:
            monkeypatch.setattr(syncing, "ARCHIVE_WORTH", 3)
        server.requests.clear()
        result = sync(f"http://{server.host}", dest, vendor)
        assert len(targets(server.requests, r"\.tar$")) == 1
        assert result.info.documents == 36
    assert_like_new(dest, vendor, tmp_path)


def test_documents_that_the_list_has_and_the_archive_lacks_are_fetched(dest: Path, tmp_path: Path) -> None:
    """The archive lagged when it was made, by more than the overlap; nobody else would ever tell of them."""
    vendor = Vendor()
    some_days(vendor)
    late = vendor.publish(300)
    hidden = vendor.documents.pop(late)
    vendor.pass_hours(48)
    vendor.make_archive()
    vendor.documents[late] = hidden
    vendor.pass_hours(1)
    with running_server(vendor.serve) as server:
        assert sync(f"http://{server.host}", dest, vendor).info.documents == 31
        assert targets(server.requests, "cve-") == [f"/{late}"]


def test_a_document_that_is_behind_its_list_is_read_again(dest: Path, tmp_path: Path) -> None:
    """A cache still has the old one when the list tells of the new one, and no row ever tells again."""
    vendor = Vendor()
    some_days(vendor)
    stale: dict[str, bytes] = {}

    def cached(request: Request) -> Answer:
        return vendor.serve(request, {**vendor.files(), **stale})

    with running_server(cached) as server:
        url = f"http://{server.host}"
        sync(url, dest, vendor)
        vendor.pass_hours(12)
        path = next(iter(vendor.documents))
        stale[path] = vendor.documents[path]
        assert vendor.publish(0) == path and vendor.documents[path] != stale[path]
        vendor.pass_hours(1)
        assert not sync(url, dest, vendor).changed
        stale.clear()
        vendor.pass_hours(1)
        assert sync(url, dest, vendor).changed
    assert_like_new(dest, vendor, tmp_path)


def test_lists_that_lag_by_days_tell_in_the_end(dest: Path, tmp_path: Path) -> None:
    """Rows come with the time of their document, and not with that of their appearance."""
    vendor = Vendor()
    some_days(vendor)
    with running_server(vendor.serve) as server:
        url = f"http://{server.host}"
        sync(url, dest, vendor)
        vendor.pass_hours(10)
        path = vendor.publish(1)
        row = vendor.changes.pop(path)
        vendor.pass_hours(20)
        vendor.publish(2)
        vendor.pass_hours(20)
        sync(url, dest, vendor)
        vendor.changes[path] = row
        gone = next(iter(vendor.documents))
        vendor.delete(gone)
        vendor.deletions[gone] = row
        vendor.pass_hours(20)
        assert sync(url, dest, vendor).changed
    assert_like_new(dest, vendor, tmp_path)


def test_deletions_come_last_and_what_came_back_counts(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    first, second, third = list(vendor.documents)[:3]
    with running_server(vendor.serve) as server:
        url = f"http://{server.host}"
        sync(url, dest, vendor)
        vendor.pass_hours(5)
        lingering = vendor.changes[first], vendor.documents[first]
        for path in (first, second, third):
            vendor.delete(path)
        vendor.changes[first], vendor.documents[first] = vendor.deletions[first], lingering[1]
        vendor.pass_hours(1)
        assert vendor.publish(1) == second
        vendor.pass_hours(8)
        assert sync(url, dest, vendor).info.documents == 28, "deleted at the time of its last change: deleted"
        del vendor.changes[first], vendor.documents[first]
    assert_like_new(dest, vendor, tmp_path)


# -- what is refused --


@pytest.mark.parametrize("what", ["lists", "archive", "document"])
def test_a_feed_that_goes_back_is_refused(dest: Path, what: str) -> None:
    vendor = Vendor()
    some_days(vendor)
    yesterday = vendor.files()
    vendor.pass_hours(30)
    vendor.publish(100)
    vendor.make_archive()
    vendor.pass_hours(1)
    vendor.publish(101)
    served = dict(vendor.files())
    with running_server(lambda request: vendor.serve(request, served)) as server:
        url = f"http://{server.host}"
        sync(url, dest, vendor)
        before = dest.read_bytes()
        if what == "lists":
            served["changes.csv"] = yesterday["changes.csv"]
        elif what == "archive":
            served["archive_latest.txt"] = yesterday["archive_latest.txt"]
        else:
            served = {**yesterday, "changes.csv": b"", "deletions.csv": b""}
        vendor.pass_hours(48)
        with pytest.raises(CorruptData, match="older than the index") as caught:
            sync(url, dest, vendor)
    assert caught.value.code == "feed-older"
    assert dest.read_bytes() == before, "not even the time of the check: old data must not look fresh"


def test_a_change_of_the_far_future_does_not_hide_all_others(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    mistaken = vendor.publish(5)
    vendor.changes[mistaken] = vendor.now.replace(year=2099)
    with running_server(vendor.serve) as server:
        url = f"http://{server.host}"
        sync(url, dest, vendor)
        vendor.pass_hours(24)
        assert vendor.publish(5) == mistaken
        vendor.publish(6)
        vendor.pass_hours(24)
        assert sync(url, dest, vendor).changed
    assert_like_new(dest, vendor, tmp_path)


# -- an air gap --


def test_a_folder_in_the_same_layout_is_the_same_feed(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    folder = vendor.write(tmp_path / "mirror")
    assert sync(folder, dest, vendor).info.documents == 30
    assert_like_new(dest, vendor, tmp_path)
    vendor.pass_hours(8)
    assert not sync(folder, dest, vendor).changed
    gone = next(iter(vendor.documents))
    vendor.delete(gone)
    vendor.publish(100)
    vendor.pass_hours(1)
    vendor.write(folder)
    assert sync(folder, dest, vendor).changed, "the file of the deleted one is still there, and does not count"
    assert_like_new(dest, vendor, tmp_path)
    (folder / vendor.publish(101)).unlink(missing_ok=True)
    (folder / "changes.csv").write_bytes(vendor.files()["changes.csv"])
    with pytest.raises(ScanError, match=r"cve-.*-1101\.json cannot be read"):
        sync(folder, dest, vendor)


def test_a_copy_without_the_documents_that_its_archive_has(dest: Path, tmp_path: Path) -> None:
    """Documents of the hours before the archive are in it; only younger ones are needed beside it."""
    vendor = Vendor()
    some_days(vendor)
    folder = vendor.write(tmp_path / "mirror")
    for path in vendor.documents:
        (folder / path).unlink()
    assert sync(folder, dest, vendor).info.documents == 30
    assert_like_new(dest, vendor, tmp_path)


def test_a_copy_that_lacks_a_document_of_its_list_is_not_whole(dest: Path, tmp_path: Path) -> None:
    """A server does not have it any more; a copy may only lack it."""
    vendor = Vendor()
    some_days(vendor)
    sync(vendor.write(tmp_path / "before"), dest, vendor)
    before = dest.read_bytes()
    late = vendor.publish(3)
    hidden = vendor.documents.pop(late)
    vendor.pass_hours(48)
    vendor.make_archive()
    folder = vendor.write(tmp_path / "mirror")
    with pytest.raises(CorruptData, match=rf"1 documents that .*changes\.csv has .* the first: {late}") as caught:
        sync(folder, dest, vendor)
    assert (caught.value.code, dest.read_bytes()) == ("feed-damaged", before)
    (folder / late).write_bytes(hidden)
    assert sync(folder, dest, vendor).info.documents == 30
    with running_server(vendor.serve) as server:
        exported = export_feed(f"http://{server.host}", str(tmp_path / "feed.tar"), now=vendor.now.isoformat())
        assert exported.changed
    assert import_feed(str(tmp_path / "feed.tar"), str(tmp_path / "carried"), now="").info.documents == 29
    with FeedIndex.open(str(tmp_path / "carried")) as index:
        assert late not in {one.path for one in index.documents()}, "the server does not have it"


def test_what_changed_and_lies_in_the_new_archive_of_a_copy_alone_is_read(dest: Path, tmp_path: Path) -> None:
    """Its list reaches back, but the documents before the archive were not copied one by one."""
    vendor = Vendor()
    some_days(vendor)
    folder = vendor.write(tmp_path / "mirror")
    sync(folder, dest, vendor)
    vendor.pass_hours(8)
    assert not sync(folder, dest, vendor).changed
    vendor.publish(3)
    vendor.pass_hours(48)
    vendor.make_archive()
    vendor.pass_hours(1)
    vendor.publish(4)
    vendor.write(folder)
    for path, changed in vendor.changes.items():
        if changed <= vendor.archives[vendor.archive][1]:
            (folder / path).unlink()
    sync(folder, dest, vendor)
    assert_like_new(dest, vendor, tmp_path)


def test_a_change_that_a_copy_lacks_does_not_leave_what_was_before(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    folder = vendor.write(tmp_path / "mirror")
    sync(folder, dest, vendor)
    vendor.pass_hours(8)
    (folder / vendor.publish(3)).unlink()
    (folder / "changes.csv").write_bytes(vendor.files()["changes.csv"])
    with pytest.raises(ScanError, match=r"1003\.json cannot be read"):
        sync(folder, dest, vendor)


def test_the_map_beside_the_documents_is_part_of_the_feed(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    folder = vendor.write(tmp_path / "mirror")
    path = folder / "repository-to-cpe.json"
    serials: list[str] = []
    for cpes in ([], ["cpe:/o:redhat:enterprise_linux:9"], ["cpe:/o:redhat:enterprise_linux:9::baseos"], []):
        if cpes:
            path.write_text(json.dumps({"data": {"repo": {"cpes": cpes}}}))
        else:
            path.unlink(missing_ok=True)
        assert sync(folder, dest, vendor).changed
        assert not sync(folder, dest, vendor).changed
        vendor.publish(len(serials))
        vendor.pass_hours(1)
        vendor.write(folder)
        assert sync(folder, dest, vendor).changed
        with FeedIndex.open(str(dest)) as index:
            assert index.repositories() == ({"repo": cpes} if cpes else {})
        new = tmp_path / f"new-{len(serials)}"
        sync(folder, new, vendor)
        assert (content(dest), serial(dest)) == (content(new), serial(new))
        serials.append(serial(dest))
    assert len(set(serials)) == 4


def test_a_map_in_the_archive_stays(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    vendor.documents["repository-to-cpe.json"] = b'{"data": {"repo": {"cpes": ["cpe:/o:redhat:enterprise_linux:9"]}}}'
    some_days(vendor)
    del vendor.documents["repository-to-cpe.json"]
    with running_server(vendor.serve) as server:
        assert sync(f"http://{server.host}", dest, vendor).info.repository_map
        vendor.publish(3)
        vendor.pass_hours(1)
        assert sync(f"http://{server.host}", dest, vendor).info.repository_map
    assert_like_new(dest, vendor, tmp_path)


@pytest.mark.parametrize("where", ["server", "folder"])
def test_a_map_in_the_archive_stays_while_nothing_but_a_young_document_is_read_again(
    dest: Path, tmp_path: Path, where: str
) -> None:
    vendor = Vendor()
    vendor.documents["repository-to-cpe.json"] = b'{"data": {"repo": {"cpes": ["cpe:/o:redhat:enterprise_linux:9"]}}}'
    some_days(vendor)
    del vendor.documents["repository-to-cpe.json"]
    own = {"repo": ["cpe:/o:redhat:enterprise_linux:9"]}
    other = tmp_path / "other.json"
    other.write_text('{"data": {"other": {"cpes": ["cpe:/o:redhat:enterprise_linux:8"]}}}')
    with running_server(vendor.serve) as server:
        source = f"http://{server.host}" if where == "server" else str(vendor.write(tmp_path / "mirror"))
        for given in ("", "", "", str(other), str(other), "", ""):
            vendor.pass_hours(0.1)
            info = sync(source, dest, vendor, repository_map=given).info
            with FeedIndex.open(str(dest)) as index:
                assert index.repositories() == ({"other": ["cpe:/o:redhat:enterprise_linux:8"]} if given else own)
                assert info.repository_map and index.meta["feed"]["young"]


def test_an_index_for_some_packages_is_updated_alike(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    with running_server(vendor.serve) as server:
        url = f"http://{server.host}"
        sync(url, dest, vendor, names=["curl", "bash"])
        for number in range(10):
            vendor.publish(number)
        vendor.pass_hours(1)
        server.requests.clear()
        sync(url, dest, vendor, names=["curl", "bash"])
        assert not targets(server.requests, r"\.tar$")
        new = tmp_path / "new"
        sync(url, new, vendor, names=["curl", "bash"])
        assert (content(dest), serial(dest)) == (content(new), serial(new))
        server.requests.clear()
        assert sync(url, dest, vendor, names=["zlib"]).changed
        assert targets(server.requests, r"\.tar$"), "what was left out before is needed now"


def test_a_list_that_names_too_much_is_refused(dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = Vendor()
    some_days(vendor)
    monkeypatch.setattr(syncing, "MISSING_LIMIT", 3)
    lost = list(vendor.documents)[:4]
    kept = {path: vendor.documents.pop(path) for path in lost}
    vendor.make_archive()
    vendor.documents.update(kept)
    with running_server(vendor.serve) as server:
        with pytest.raises(CorruptData, match="lacks 4 documents"):
            sync(f"http://{server.host}", dest, vendor)
        monkeypatch.setattr(syncing, "CHANGED_LIMIT", 0)
        with pytest.raises(ScanError, match="at most 0 are fetched one by one"):
            sync(f"http://{server.host}", dest, vendor)
    assert not dest.exists()


def test_a_check_that_changes_nothing_writes_nothing(dest: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    with running_server(vendor.serve) as server:
        url = f"http://{server.host}"
        planned = sync(url, dest, vendor, dry_run=True)
        assert planned.changed and planned.changed_documents == 30 and not list(dest.parent.iterdir())
        assert sync(url, dest, vendor).info.serial == planned.info.serial
        vendor.publish(3)
        vendor.pass_hours(1)
        before = dest.read_bytes()
        planned = sync(url, dest, vendor, dry_run=True)
        assert planned.changed and planned.changed_documents == 1 and dest.read_bytes() == before
        assert sync(url, dest, vendor).info.serial == planned.info.serial
        assert sync(url, dest, vendor).changed_documents == 0


# -- a server that breaks --


class Bad:
    """Serves a vendor's files with lag and faults, some of which leave no trace but a wrong length.

    ``gap``: seconds within which a second request is refused with 403, as the vendor's server does.
    """

    def __init__(self, vendor: Vendor, chance: random.Random, *, faults: float = 0.0, gap: float = 0.0) -> None:
        self.vendor = vendor
        self.chance = chance
        self.faults = faults
        self.gap = gap
        self.refused = 0
        self.broken: set[str] = set()
        self.late: dict[str, bytes] = {}
        self._last = 0.0

    def lag(self, documents: bool) -> None:
        """Lists, and documents of a year, stay as they are now, each perhaps, whatever is published."""
        files = self.vendor.files()
        kinds = {name: name.partition("/")[0] for name in files if not name.startswith("csaf")}
        held = {kind for kind in sorted(set(kinds.values())) if self.chance.random() < 0.4}
        self.late = {name: files[name] for name, kind in kinds.items() if kind in held and (documents or kind == name)}

    def __call__(self, request: Request) -> Answer:
        last, self._last = self._last, time.monotonic()
        if self._last - last < self.gap:
            self.refused += 1
            return Answer(403, b"too quick")
        answer = self.vendor.serve(request, {**self.vendor.files(), **self.late})
        if self.chance.random() >= self.faults or answer.status not in (200, 206):
            return answer
        kind = self.chance.choice(["500", "429", "reset", "cut", "short", "long", "length"])
        self.broken.add(kind)
        body = answer.body
        some = self.chance.randrange(len(body) + 1)
        if kind in ("500", "429"):
            return Answer(int(kind), b"no", {"Retry-After": "1"} if kind == "429" else {})
        if kind in ("reset", "cut"):
            return Answer(answer.status, body, answer.headers, answer.length, cut=some, reset=kind == "reset")
        if kind == "short" and len(body) > 10:  # a proxy that lost the rest and counts what it has
            return Answer(answer.status, body[: len(body) // 3], answer.headers)
        if kind == "long":
            return Answer(answer.status, body, {**answer.headers, "Connection": "close"}, length=len(body) + 7)
        return Answer(answer.status, body, {**answer.headers, "Connection": "close"}, length=max(0, len(body) - 7))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in (1, 2, 3))])
@pytest.mark.usefixtures("quick")
def test_whatever_the_server_does_the_index_ends_as_one_made_anew(dest: Path, tmp_path: Path, seed: int) -> None:
    """Some weeks of publishing, deleting and archiving, with lag and faults, and a run every few hours."""
    chance = random.Random(seed)
    vendor = Vendor(seed)
    some_days(vendor)
    bad = Bad(vendor, chance, faults=0.15)
    done = failed = 0
    before = b""
    with running_server(bad) as server:
        url = f"http://{server.host}"
        for _run in range(14):
            bad.late = {}
            hours = chance.choice([0.5, 3, 7, 30])
            if chance.random() < 0.5:
                # Documents are not late by more hours than the overlap has; lists may be.
                bad.lag(documents=hours < 4)
            for _change in range(chance.randrange(6)):
                vendor.publish(chance.randrange(60))
                vendor.pass_hours(hours / 12)
            if chance.random() < 0.4:
                vendor.delete(chance.choice(sorted(vendor.documents)))
            if chance.random() < 0.4:
                vendor.pass_hours(1)
                vendor.make_archive()
            vendor.pass_hours(hours / 2)
            try:
                sync(url, dest, vendor)
                done += 1
                before = content(dest)
            except ScanError as error:
                assert error.code.startswith("feed-"), error
                failed += 1
                assert not before or content(dest) == before, "the old index stays"
        bad.late, bad.faults = {}, 0.0
        vendor.pass_hours(24)
        vendor.publish(59)
        vendor.pass_hours(1)
        sync(url, dest, vendor)
        vendor.pass_hours(7)
        sync(url, dest, vendor)
    assert done >= 3 and bad.broken
    assert_like_new(dest, vendor, tmp_path)
    assert sorted(path.name for path in dest.parent.iterdir()) == ["index"], f"nothing is left ({failed} failed)"


def test_a_server_that_refuses_who_is_too_quick_is_asked_slowly(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)
    bad = Bad(vendor, random.Random(0), gap=0.06)
    with running_server(bad) as server:
        sync(f"http://{server.host}", dest, vendor)
        first = bad.refused
        for number in range(8):
            vendor.publish(number)
        vendor.pass_hours(1)
        sync(f"http://{server.host}", dest, vendor)
        assert 1 <= first <= 2 and bad.refused - first <= 2, "refused once or twice a run, then slow enough"
    assert_like_new(dest, vendor, tmp_path)


def test_an_archive_of_another_length_than_announced_is_not_used(dest: Path, tmp_path: Path) -> None:
    vendor = Vendor()
    some_days(vendor)

    def wrong(request: Request) -> Answer:
        answer = vendor.serve(request)
        if request.method == "GET" and request.target.endswith(".tar"):
            return Answer(200, answer.body[:-20480], answer.headers)
        return answer

    with running_server(wrong) as server, pytest.raises(ScanError, match="were announced") as caught:
        sync(f"http://{server.host}", dest, vendor)
    assert caught.value.code == "feed-unreachable" and not dest.exists()
    with running_server(vendor.serve) as server:
        sync(f"http://{server.host}", dest, vendor)
    assert_like_new(dest, vendor, tmp_path)


# -- processes that are killed, and disks that are full --

#: Imports once, and makes a process for each line of its input: an index, the time and a limit of bytes for files.
PROGRAM = """
import json, os, resource, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
for line in sys.stdin:
    source, dest, now, limit = json.loads(line)
    child = os.fork()
    if not child:
        said = ""
        try:
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            build_index(source, dest, access=Access(timeout=10.0, retries=4), now=now)
        except ScanError as error:
            said = error.code
        os.write(1, (said + "\\n").encode())
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until then its number stays its own
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


class Processes:
    """Makes one process after the other. ``ended``: of the last, its error code, or the signal that killed it."""

    def __init__(self, maker: subprocess.Popen[str]) -> None:
        self._maker = maker
        self._child = -1
        self._started = threading.Event()

    def start(self, url: str, dest: Path, vendor: Vendor, limit: int = 0) -> None:
        assert self._maker.stdin and self._maker.stdout
        self._maker.stdin.write(json.dumps([url, str(dest), vendor.now.isoformat(), limit]) + "\n")
        self._maker.stdin.flush()
        self._child = os.pidfd_open(int(self._maker.stdout.readline()))
        self._started.set()
        self._maker.stdin.write("\n")
        self._maker.stdin.flush()

    def kill(self) -> None:
        """Wherever it is; nothing where it has ended."""
        assert self._started.wait(30)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._child, signal.SIGKILL)

    def wait(self) -> str:
        """How it ended: an error code, nothing where all went well, or ``killed``."""
        assert self._maker.stdout
        said = self._maker.stdout.readline().strip()
        os.close(self._child)
        self._started.clear()
        if said == str(int(signal.SIGKILL)):
            return "killed"
        assert self._maker.stdout.readline().strip() == "0"
        return said


@pytest.fixture
def processes() -> t.Iterator[Processes]:
    root = syncing.__file__.partition("/ansible_collections/")[0]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as maker:
        yield Processes(maker)
        assert maker.stdin
        maker.stdin.close()
        assert maker.wait(timeout=30) == 0


def test_nothing_is_lost_when_the_process_is_killed(dest: Path, tmp_path: Path, processes: Processes) -> None:
    """Killed at requests for lists, archive and documents, and at moments of reading and writing."""
    chance = random.Random(7)
    vendor = Vendor(padding=400_000)
    some_days(vendor, 12)
    for number in range(20):
        vendor.publish(100 + number)
    vendor.pass_hours(1)
    countdown = [0]
    archived = [0]
    fetched: list[str] = []

    def answer(request: Request) -> Answer:
        countdown[0] -= 1
        if countdown[0] == 0:
            processes.kill()
        said = vendor.serve(request)
        if request.target.endswith(".tar") and request.method == "GET":
            # In pieces, each of which breaks off, so that there is a moment to be killed at.
            piece = min(len(said.body), 150_000)
            archived[0] += piece
            if piece < len(said.body):
                return Answer(said.status, said.body, said.headers, cut=piece)
        if "cve-" in request.target and countdown[0]:
            fetched.append(request.target)
        return said

    kills = 0
    with running_server(answer) as server:
        url = f"http://{server.host}"
        while kills < 14:
            countdown[0] = chance.randrange(1, 14)
            processes.start(url, dest, vendor)
            ended = processes.wait()
            assert ended in ("", "killed")
            kills += ended == "killed"
            if not ended:
                # All is in the index. What comes next is an update.
                assert len(fetched) == len(set(fetched)), "none was fetched twice"
                fetched.clear()
                for number in range(20):
                    vendor.publish(200 + number)
                vendor.pass_hours(1)
        countdown[0] = 0
        before = content(dest) if dest.exists() else b""
        processes.start(url, dest, vendor)
        assert processes.wait() == ""
        first = content(dest)
        assert first != before
        vendor.publish(300)
        vendor.pass_hours(1)
        while kills < 20:
            processes.start(url, dest, vendor)
            time.sleep(chance.uniform(0.0, 0.15))
            processes.kill()
            ended = processes.wait()
            kills += ended == "killed"
            if ended != "killed":
                vendor.publish(301 + kills)
                vendor.pass_hours(1)
            assert len(content(dest)) >= len(first), "whole at every moment"
        processes.start(url, dest, vendor)
        assert processes.wait() == ""
    assert_like_new(dest, vendor, tmp_path)
    archive = len(vendor.archives[vendor.archive][0])
    assert archived[0] < 2 * archive, "of the archive, only what was under way is fetched twice"
    left = {path.name for path in dest.parent.iterdir()}
    assert ".index.spool" not in left and "index" in left


@pytest.mark.parametrize(
    "limit", [30_000, *(pytest.param(limit, marks=pytest.mark.full) for limit in (2_000, 120_000))]
)
def test_a_full_disk_leaves_the_old_index_and_what_was_fetched(
    dest: Path, tmp_path: Path, processes: Processes, limit: int
) -> None:
    """The limit is that of a file, of which the archive is the largest, and the spool and the index are others."""
    vendor = Vendor(padding=100_000)
    some_days(vendor)
    with running_server(vendor.serve) as server:
        url = f"http://{server.host}"
        processes.start(url, dest, vendor, limit)
        assert processes.wait() in ("disk-full", "feed-index-unwritable")
        assert not dest.exists()
        sync(url, dest, vendor)
        before = content(dest)
        for number in range(20):
            vendor.publish(200 + number)
        vendor.pass_hours(1)
        processes.start(url, dest, vendor, min(limit, 30_000))
        assert processes.wait() in ("disk-full", "feed-index-unwritable")
        assert content(dest) == before
        sync(url, dest, vendor)
    assert_like_new(dest, vendor, tmp_path)


#: In a namespace of its own: a file system of so many KiB, on which a run fails, and with room goes on.
FULL = """
import shutil, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
source, folder, copy, now = sys.argv[2:6]
for size in sys.argv[6:]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", folder], check=True)
    try:
        build_index(source, f"{folder}/index", access=Access(retries=0), now=now)
        sys.exit(f"{size} KiB were enough")
    except ScanError as error:
        assert error.code in ("disk-full", "feed-index-unwritable"), error
    assert not Path(folder, "index").exists()
    subprocess.run(["mount", "-o", "remount,size=9000k", folder], check=True)
    build_index(source, f"{folder}/index", access=Access(retries=0), now=now)
    shutil.copyfile(f"{folder}/index", f"{copy}-{size}")
    subprocess.run(["umount", folder], check=True)
"""


def test_a_file_system_without_room_and_with_room_again(tmp_path: Path) -> None:
    """The archive goes on where there was no room left for it."""
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=False).returncode:
        missing("the right to mount a file system in a namespace of its own")
    vendor = Vendor(padding=100_000)
    some_days(vendor)
    (tmp_path / "small").mkdir()
    root = syncing.__file__.partition("/ansible_collections/")[0]
    with running_server(vendor.serve) as server:
        program = ["unshare", "-rm", sys.executable, "-c", FULL, root, f"http://{server.host}", str(tmp_path / "small")]
        sizes = ["8", "32", "104", "200", "248"]
        subprocess.run([*program, str(tmp_path / "copy"), vendor.now.isoformat(), *sizes], check=True, timeout=120)
        parts = [one.headers["range"] for one in server.requests if "range" in one.headers]
    assert len(parts) == 3 and len(set(parts)) == 3, "not from its start, where something of it was kept"
    for size in sizes:
        assert_like_new(tmp_path / f"copy-{size}", vendor, tmp_path)
