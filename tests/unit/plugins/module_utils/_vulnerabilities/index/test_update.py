# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updating an index: whatever happened to it, it says what one that was built anew says."""

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import (
    Document,
    StatementRow,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.unread import (
    EVERYTHING,
    UnreadScope,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.packing import Packed
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import (
    FeedIndex,
    IndexedDocument,
    RejectedDocument,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.writer import (
    IndexUpdate,
    IndexWriter,
)
from ansible_collections.imagescan.openshift.tests.benchmarks import feed_data

META: dict[str, t.Any] = {
    "serial": "s",
    "format": "csaf-vex",
    "checked": "2026-01-01T00:00:00Z",
    "repository_map": False,
    "names": [],
}
Writer = t.Union[IndexWriter, IndexUpdate]
#: What an index is made of: path -> number and revision of a generated document, and whether it is verified.
State = dict[str, tuple[int, int, bool]]

REJECTED = -1
LEFT_OUT = -2


def put(writer: Writer, path: str, number: int, revision: int, verified: bool) -> None:
    if revision == REJECTED:
        writer.reject(path, f"rejected {number}", "", f"document {number} cannot be read")
    elif revision == LEFT_OUT:
        writer.leave_out(path, f"left out {number}", "", "not_vex")
    else:
        data = feed_data.document(number, revision)
        writer.put(path, hashlib.sha256(data).hexdigest(), f"stamp {revision}", read_document(data, path), verified)


def content(path: Path) -> list[bytes]:
    with FeedIndex.open(str(path)) as index:
        return list(index.content())


def built(path: Path, state: State) -> list[bytes]:
    with IndexWriter(str(path)) as writer:
        for where, (number, revision, verified) in sorted(state.items(), reverse=True):
            put(writer, where, number, revision, verified)
        writer.set_repositories({"repo": ["cpe:/o:redhat:enterprise_linux:9"]})
        writer.finish(META)
    return content(path)


def rows_of(path: Path) -> tuple[int, int, int]:
    """Number of package rows, of names, of what is dead."""
    with FeedIndex.open(str(path)) as index, contextlib.closing(sqlite3.connect(path)) as database:
        (rows,) = database.execute("SELECT count(*) FROM packages").fetchone()
        index.groups("")
        return rows, len(index.names()), len(index._dead or ())


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 4))])
def test_an_updated_index_says_what_one_that_is_built_anew_says(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    state: State = {feed_data.path_of(number): (number, 0, False) for number in range(0, 30, 2)}
    path = tmp_path / "index"
    built(path, state)
    compacted = 0
    dead = 0
    for generation in range(1, 15):
        with IndexUpdate(str(path), str(path)) as writer:
            for _change in range(chance.choice((0, 3, 6))):
                number = chance.randrange(30)
                where = feed_data.path_of(number)
                step = chance.random()
                if step < 0.2:
                    assert writer.remove(where) == (where in state)
                    state.pop(where, None)
                elif step < 0.4 and where in state:
                    old_number, old_revision, verified = state[where]
                    if old_revision >= 0:
                        state[where] = (old_number, old_revision, not verified)
                        writer.set_verified(where, not verified)
                elif step < 0.5:
                    state[where] = (number, chance.choice((REJECTED, LEFT_OUT)), False)
                    put(writer, where, *state[where])
                else:
                    state[where] = (number, generation, chance.random() < 0.5)
                    put(writer, where, *state[where])
            writer.finish({})
        before, dead = dead, rows_of(path)[2]
        compacted += dead < before
        assert content(path) == built(tmp_path / "anew", state), f"generation {generation}"
    assert compacted, "at some time what is dead was left out"


def test_statements_of_an_updated_index_are_those_of_the_documents(tmp_path: Path) -> None:
    """Not by the dump alone: what the matcher reads."""
    path = tmp_path / "index"
    built(path, {feed_data.path_of(number): (number, 0, False) for number in range(20)})
    with IndexUpdate(str(path), str(path)) as writer:
        for number in range(0, 20, 3):
            put(writer, feed_data.path_of(number), number, 1, True)
        writer.remove(feed_data.path_of(1))
        writer.finish({})
    expected: dict[str, set[tuple[str, StatementRow]]] = {}
    for number in range(20):
        if number == 1:
            continue
        where = feed_data.path_of(number)
        document = read_document(feed_data.document(number, int(number % 3 == 0)), where)
        for cve, rows in document.vulnerabilities:
            for row in rows:
                expected.setdefault(row.name, set()).add((cve, row))
    with FeedIndex.open(str(path)) as index:
        found = {
            name: {
                (one.cve, StatementRow(**{field: getattr(one, field) for field in StatementRow._fields}))
                for one in statements
            }
            for name, statements in index.statements(index.names()).items()
        }
        assert found == expected
        assert index.info.statements == sum(map(len, expected.values()))
        titles = index.vulnerabilities(number for number, _groups in index.groups("kernel"))
        assert all(title.verified == (int(title.cve.split("-")[2]) % 3 == 1) for title in titles.values())


def test_many_small_updates_leave_few_rows(tmp_path: Path) -> None:
    """Rows of a package are joined as they grow in number, so that reading it stays one look or a few."""
    path = tmp_path / "index"
    row = StatementRow(
        "tool", "known_affected", "", "", "low", "affected", "", "", "", "cpe:/o:redhat:enterprise_linux:9", "p"
    )

    def add(writer: Writer, number: int) -> None:
        document = Document("csaf_vex", "2026-01-01T00:00:00Z", False, ((f"CVE-2026-{number}", (row,)),), {})
        writer.put(f"2026/cve-2026-{number}.json", str(number), "", document, False)

    with IndexWriter(str(path)) as first:
        add(first, 0)
        first.finish(META)
    for number in range(1, 100):
        with IndexUpdate(str(path), str(path)) as writer:
            add(writer, number)
            writer.finish({})
    assert rows_of(path)[0] <= 8
    with FeedIndex.open(str(path)) as index:
        assert sorted(one.cve for one in index.statements(["tool"])["tool"]) == sorted(
            f"CVE-2026-{number}" for number in range(100)
        )


def test_a_rejected_document_says_nothing_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "index"
    built(path, {feed_data.path_of(number): (number, 0, True) for number in range(10)})
    where = feed_data.path_of(3)
    with IndexUpdate(str(path), str(path)) as writer:
        writer.reject(where, "other", "stamp", "it is cut")
        writer.finish({})
    with FeedIndex.open(str(path)) as index:
        assert (index.info.rejected, index.info.documents) == (1, 9)
        assert index.rejected() == [RejectedDocument(where, "other", "it is cut", EVERYTHING)]
        assert where not in {document.path for document in index.documents_about(index.names())}
        assert IndexedDocument(where, "other", "", "stamp", False) in set(index.documents())


def test_who_says_something_of_a_package(tmp_path: Path) -> None:
    path = tmp_path / "index"
    built(path, {feed_data.path_of(number): (number, 0, False) for number in range(30)})
    with FeedIndex.open(str(path)) as index:
        paths = [document.path for document in index.documents_about(["kernel", "kernel-core", "nothing"])]
        expected = [
            feed_data.path_of(number)
            for number in range(30)
            if any(
                row.name in ("kernel", "kernel-core")
                for _cve, rows in read_document(feed_data.document(number), "x").vulnerabilities
                for row in rows
            )
        ]
        assert paths == sorted(expected) and paths
        assert list(index.documents_about(["nothing"])) == []


def test_the_same_vulnerability_twice_keeps_the_first_path_whatever_the_order(tmp_path: Path) -> None:
    data = feed_data.document(4)
    contents = []
    for number, order in enumerate((("a.json", "b.json", "c.json"), ("c.json", "b.json", "a.json"))):
        path = tmp_path / str(number)
        with IndexWriter(str(path)) as writer:
            for where in order:
                writer.put(where, "x", "", read_document(data, where), False)
            writer.finish(META)
        contents.append(content(path))
        with FeedIndex.open(str(path)) as index:
            assert [one.path for one in index.rejected()] == ["b.json", "c.json"]
            assert all("a feed says it once" in one.reason for one in index.rejected())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("is_old", [False, True])
def test_the_second_document_about_a_vulnerability_concerns_what_it_names(tmp_path: Path, is_old: bool) -> None:
    """Whether it was put in this run, or is one of the index that is changed."""
    path, data = tmp_path / "index", feed_data.document(4)
    expected = {row.name.partition(":")[0] for _cve, rows in read_document(data, "x").vulnerabilities for row in rows}
    with IndexWriter(str(path)) as writer:
        writer.put("b.json", "x", "", read_document(data, "b.json"), False)
        writer.put("other.json", "x", "", read_document(feed_data.document(5), "other.json"), False)
        if not is_old:
            writer.put("a.json", "x", "", read_document(data, "a.json"), False)
        writer.finish(META)
    if is_old:
        with IndexUpdate(str(path), str(path)) as update:
            update.put("a.json", "x", "", read_document(data, "a.json"), False)
            update.finish({})
    with FeedIndex.open(str(path)) as index:
        (rejected,) = index.rejected()
    assert rejected.path == "b.json"
    assert set(rejected.scope.names) == expected | {feed_data.cve_of(4)} and expected


@pytest.mark.parametrize("damage", ["DELETE FROM documents WHERE path = 'b.json'", "UPDATE documents SET scope = '[]'"])
def test_a_lost_scope_is_damage(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "index"
    with IndexWriter(str(path)) as writer:
        writer.put("a.json", "x", "", read_document(feed_data.document(4), "a.json"), False)
        writer.reject("b.json", "x", "", "it is cut", scope=UnreadScope(("curl",)))
        writer.finish(META)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(damage)
        database.commit()
    with FeedIndex.open(str(path)) as index, pytest.raises(CorruptData):
        index.rejected()


def test_many_vulnerabilities_twice_are_found_in_one_pass(tmp_path: Path) -> None:
    """Each of 8,000 by itself would take a minute, and nobody could stop it."""
    ticks: list[int] = []
    with IndexWriter(str(tmp_path / "index")) as writer:
        for number in range(8_000):
            for where in ("a", "b"):
                packed = Packed("csaf_vex", "", False, {}, 0, [], [(f"CVE-2026-{number}", [])])
                writer.put_packed(f"{where}/{number}.json", "x", "", packed, False)
        started = time.process_time()
        writer.settle(lambda: ticks.append(1))
        writer.finish(META)
        assert time.process_time() - started < 20
    assert len(ticks) >= 8_000
    with FeedIndex.open(str(tmp_path / "index")) as index:
        assert [one.path for one in index.rejected()] == sorted(f"b/{number}.json" for number in range(8_000))
        assert all(one.scope.names for one in index.rejected()), "what says nothing concerns nobody"


def test_readers_keep_the_index_they_opened(tmp_path: Path) -> None:
    path = tmp_path / "index"
    state: State = {feed_data.path_of(number): (number, 0, False) for number in range(10)}
    before = built(path, state)
    with FeedIndex.open(str(path)) as index:
        with IndexUpdate(str(path), str(path)) as writer:
            for where in state:
                writer.remove(where)
            writer.finish({})
        assert list(index.content()) == before
    assert len(content(path)) < len(before)


def test_an_update_that_is_not_finished_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "index"
    built(path, {feed_data.path_of(1): (1, 0, False)})
    whole = path.read_bytes()
    with pytest.raises(RuntimeError), IndexUpdate(str(path), str(path)) as writer:
        writer.remove(feed_data.path_of(1))
        raise RuntimeError
    assert path.read_bytes() == whole
    assert [one.name for one in tmp_path.iterdir()] == ["index"]


def test_what_is_no_index_cannot_be_updated(tmp_path: Path) -> None:
    path = tmp_path / "index"
    built(path, {feed_data.path_of(1): (1, 0, False)})
    with IndexUpdate(str(path), str(path)) as writer, pytest.raises(InputError, match="has no document"):
        writer.set_verified("other", True)
    with pytest.raises(InputError, match="no feed index"):
        IndexUpdate(str(tmp_path / "missing"), str(path))
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE documents SET sha256 = 'other'")
        database.commit()
    with pytest.raises(CorruptData):
        IndexUpdate(str(path), str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["index"]


def test_a_full_disk_leaves_the_old_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "index"
    built(path, {feed_data.path_of(1): (1, 0, False)})
    whole = path.read_bytes()
    with pytest.raises(ScanError) as caught, IndexUpdate(str(path), str(path)) as writer:
        writer._db.execute(f"PRAGMA max_page_count = {len(whole) // 4096 + 1}")
        for number in range(40):
            put(writer, feed_data.path_of(number), number, 0, False)
        writer.finish({})
    assert caught.value.code == "feed-index-unwritable"
    assert path.read_bytes() == whole
    assert [one.name for one in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize("step", range(5))
def test_a_changed_byte_is_noticed_or_changes_nothing(tmp_path: Path, step: int) -> None:
    """Every byte of the file is covered: what is read from a damaged index is an error or the same as before."""
    path = tmp_path / "index"
    expected = built(path, {feed_data.path_of(number): (number, 0, False) for number in range(0, 40, 8)})
    with FeedIndex.open(str(path)) as index:
        info = index.info
    whole = path.read_bytes()
    chance = random.Random(step)
    errors = 0
    for _time in range(60):
        at = chance.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
        try:
            with FeedIndex.open(str(path)) as index:
                assert index.info == info
                assert list(index.content()) == expected, f"byte {at}"
        except ScanError:
            errors += 1
    assert errors > 10


@pytest.mark.parametrize("exists", [True, False])
def test_the_slower_of_two_runs_does_not_undo_the_other(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "index"
    if exists:
        built(path, {feed_data.path_of(1): (1, 0, False)})
    with IndexWriter(str(path)) as slow:
        newer = built(path, {feed_data.path_of(2): (2, 0, False)})
        put(slow, feed_data.path_of(1), 1, 0, False)
        with pytest.raises(ScanError, match="another run") as caught:
            slow.finish(META)
    assert caught.value.code == "feed-busy"
    assert content(path) == newer
