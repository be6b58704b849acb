# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading SQLite files from their bytes, against SQLite itself."""

from __future__ import annotations

import contextlib
import mmap
import sqlite3
import struct
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm import sqlite
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.binary(max_size=3000),
)


def database(path: Path, statements: t.Iterable[tuple[str, tuple[t.Any, ...]]] = ()) -> bytes:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement, values in statements:
            connection.execute(statement, values)
    return path.read_bytes()


def read(data: bytes, table: str = "t", wal: bytes | None = None) -> list[dict[str, sqlite.Value]]:
    file = sqlite.SqliteFile(data, wal)
    return list(file.dicts(*file.tables()[table]))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(VALUES, VALUES), max_size=60),
    page_size=st.sampled_from([512, 1024, 4096, 65536]),
    encoding=st.sampled_from(["UTF-8", "UTF-16le", "UTF-16be"]),
)
def test_every_value_of_every_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[t.Any, t.Any]], page_size: int, encoding: str
) -> None:
    path = tmp_path_factory.mktemp("sqlite") / "t.sqlite"
    setup = [(f"PRAGMA page_size={page_size}", ()), (f"PRAGMA encoding='{encoding}'", ())]
    create = [("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)", ())]
    data = database(path, [*setup, *create, *(("INSERT INTO t (a, b) VALUES (?, ?)", row) for row in rows)])
    found = read(data)
    assert [(row["id"], row["a"], row["b"]) for row in found] == [(n, *row) for n, row in enumerate(rows, 1)]
    file = sqlite.SqliteFile(data)
    assert file.count(file.tables()["t"][0], 60) == len(rows)


def test_row_ids_of_every_size(tmp_path: Path) -> None:
    numbers = [-(2**63), -1, 0, 1, 127, 128, 2**14, 2**21, 2**28, 2**35, 2**42, 2**49, 2**56, 2**63 - 1]
    insert = [("INSERT INTO t VALUES (?, 'x')", (number,)) for number in numbers]
    data = database(tmp_path / "t", [("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", ()), *insert])
    assert [row["id"] for row in read(data)] == numbers


def test_deep_trees(tmp_path: Path) -> None:
    insert = [("BEGIN", ()), *(("INSERT INTO t VALUES (?)", ("x" * 90,)) for _row in range(20_000)), ("COMMIT", ())]
    data = database(tmp_path / "t", [("PRAGMA page_size=512", ()), ("CREATE TABLE t (a)", ()), *insert])
    assert len(read(data)) == 20_000


def test_trees_that_are_too_deep_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = [("INSERT INTO t VALUES (?)", ("x" * 90,)) for _row in range(100)]
    data = database(tmp_path / "t", [("PRAGMA page_size=512", ()), ("CREATE TABLE t (a)", ()), *insert])
    monkeypatch.setattr(sqlite, "_MAX_DEPTH", 1)
    assert len(read(data)) == 100
    monkeypatch.setattr(sqlite, "_MAX_DEPTH", 0)
    with pytest.raises(CorruptData, match="deeper than 0"):
        read(data)


def test_bytes_that_are_reserved_in_each_page_are_not_usable(tmp_path: Path) -> None:
    data = bytearray(database(tmp_path / "t", [("PRAGMA page_size=512", ()), ("CREATE TABLE t (a)", ())]))
    data[20] = 32
    sqlite.SqliteFile(bytes(data), None)
    data[20] = 33
    with pytest.raises(CorruptData, match="leaves 479 bytes of a page usable"):
        sqlite.SqliteFile(bytes(data), None)


def test_zero_and_one_which_have_no_bytes_of_their_own(tmp_path: Path) -> None:
    data = database(tmp_path / "t", [("CREATE TABLE t (a, b)", ()), ("INSERT INTO t VALUES (0, 1)", ())])
    assert read(data) == [{"a": 0, "b": 1, "rowid": 1}]


def test_a_table_has_the_name_by_which_sqlite_finds_it(tmp_path: Path) -> None:
    rename = "UPDATE sqlite_master SET tbl_name = 'other'"
    statements = ["CREATE TABLE t (a)", "INSERT INTO t VALUES (7)", "PRAGMA writable_schema=ON", rename]
    assert read(database(tmp_path / "t", [(statement, ()) for statement in statements])) == [{"a": 7, "rowid": 1}]


@pytest.mark.parametrize(
    ("sql", "names", "key"),
    [
        ("CREATE TABLE t (a, b TEXT NOT NULL, c INTEGER PRIMARY KEY AUTOINCREMENT)", ["a", "b", "c"], "c"),
        ('CREATE TABLE "t" ("A" INT, `b`, [c d], \'e\', PRIMARY KEY("A" AUTOINCREMENT))', ["a", "b", "c d", "e"], "a"),
        ("CREATE TABLE t (a, b /* x, (y */, c -- z,\n, CONSTRAINT k UNIQUE (a, b))", ["a", "b", "c"], ""),
        ("CREATE TABLE t (a INTEGER, b, PRIMARY KEY (a, b))", ["a", "b"], ""),
        ("CREATE TABLE t (a DECIMAL(10, 2) DEFAULT (1 + 2), b, FOREIGN KEY (b) REFERENCES u(v))", ["a", "b"], ""),
        ("nonsense", ["nonsens"], ""),
        ("", [], ""),
    ],
)  # fmt: skip
def test_columns_of_a_create_statement(sql: str, names: list[str], key: str) -> None:
    assert sqlite.columns(sql) == (names, key)


def test_a_column_added_later_is_absent_in_older_rows(tmp_path: Path) -> None:
    data = database(
        tmp_path / "t",
        [("CREATE TABLE t (a)", ()), ("INSERT INTO t VALUES (1)", ()), ("ALTER TABLE t ADD COLUMN b", ()),
         ("INSERT INTO t VALUES (2, 3)", ())],
    )  # fmt: skip
    assert [row.get("b") for row in read(data)] == [None, 3]


def test_a_memory_map_is_read_as_bytes_are(tmp_path: Path) -> None:
    data = database(tmp_path / "t", [("CREATE TABLE t (a)", ()), ("INSERT INTO t VALUES (?)", (b"x" * 9000,))])
    with open(tmp_path / "t", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found = list(sqlite.SqliteFile(mapped).rows(sqlite.SqliteFile(mapped).tables()["t"][0]))
    assert found == [(1, [b"x" * 9000])]
    assert read(data)[0]["a"] == b"x" * 9000


# The write-ahead log


class Log(t.NamedTuple):
    base: bytes
    wal: bytes
    states: list[int]  # number of rows after each transaction


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    path = tmp_path_factory.mktemp("wal") / "t"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES ('first')")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    states = []
    for number in range(6):
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?)", [(f"{number}" * 700,) for _row in range(10)])
        connection.execute("COMMIT")
        states.append(11 + 10 * number)
    result = Log(path.read_bytes(), Path(f"{path}-wal").read_bytes(), states)
    connection.close()
    return result


def test_a_hot_log_is_applied(log: Log) -> None:
    assert len(read(log.base)) == 1
    assert len(read(log.base, wal=log.wal)) == log.states[-1]


def test_at_every_cut_the_committed_transactions_are_seen_as_sqlite_sees_them(log: Log, tmp_path: Path) -> None:
    step = 24 + 4096
    for length in [*range(32, len(log.wal) + 1, step), 31, 33, 100, len(log.wal) - 1]:
        (tmp_path / "t").write_bytes(log.base)
        (tmp_path / "t-wal").write_bytes(log.wal[:length])
        with contextlib.closing(sqlite3.connect(tmp_path / "t")) as connection:
            (expected,) = connection.execute("SELECT count(*) FROM t").fetchone()
        if length < 32:
            with pytest.raises(sqlite.WalDamaged):
                read(log.base, wal=log.wal[:length])
        else:
            assert len(read(log.base, wal=log.wal[:length])) == expected, length


def test_a_damaged_frame_ends_the_log_as_in_sqlite(log: Log, tmp_path: Path) -> None:
    step = 24 + 4096
    seen = set()
    for frame in range((len(log.wal) - 32) // step):
        for offset in (0, 3, 8, 12, 16, 20, 500):
            wal = bytearray(log.wal)
            wal[32 + frame * step + offset] ^= 0x55
            (tmp_path / "t").write_bytes(log.base)
            (tmp_path / "t-wal").write_bytes(wal)
            with contextlib.closing(sqlite3.connect(tmp_path / "t")) as connection:
                (expected,) = connection.execute("SELECT count(*) FROM t").fetchone()
            assert len(read(log.base, wal=bytes(wal))) == expected, (frame, offset)
            seen.add(expected)
    assert len(seen) > 3


@pytest.mark.parametrize("offset", [0, 7, 11, 16, 24, 28])
def test_a_damaged_header_of_the_log_is_said(log: Log, offset: int) -> None:
    wal = bytearray(log.wal)
    wal[offset] ^= 0x55
    with pytest.raises(sqlite.WalDamaged):
        read(log.base, wal=bytes(wal))


@pytest.mark.parametrize("wal", [b"", bytes(32), bytes(5000)])
def test_a_log_that_was_closed_in_order_is_empty(log: Log, wal: bytes) -> None:
    assert len(read(log.base, wal=wal)) == 1


def test_a_log_above_the_limit_is_refused(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_WAL", len(log.wal) - 1)
    with pytest.raises(LimitExceeded):
        read(log.base, wal=log.wal)


def test_big_endian_checksums(log: Log) -> None:
    """SQLite on a big-endian machine writes the other magic; its checksums run over words of that order."""
    wal = bytearray(log.wal)
    struct.pack_into(">I", wal, 0, 0x377F0683)
    one, two = sqlite._checksum(bytes(wal[:24]), ">", 0, 0)
    struct.pack_into(">2I", wal, 24, one, two)
    step = 24 + 4096
    for offset in range(32, len(wal) - step + 1, step):
        one, two = sqlite._checksum(bytes(wal[offset : offset + 8]), ">", one, two)
        one, two = sqlite._checksum(bytes(wal[offset + 24 : offset + step]), ">", one, two)
        struct.pack_into(">2I", wal, offset + 16, one, two)
    assert len(read(log.base, wal=bytes(wal))) == log.states[-1]


def test_rollback_journals() -> None:
    assert sqlite.is_hot_journal(bytes.fromhex("d9d505f920a163d7") + bytes(500))
    assert not sqlite.is_hot_journal(bytes(512))
    assert not sqlite.is_hot_journal(b"")
    assert not sqlite.is_hot_journal(None)


# Damage


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Pages of 512 bytes: two levels of a tree and overflow chains."""
    rows = [("INSERT INTO t VALUES (?, ?)", (n, bytes([n % 251]) * (n * 37 % 1500))) for n in range(1, 120)]
    create = [("PRAGMA page_size=512", ()), ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", ())]
    return database(tmp_path_factory.mktemp("sound") / "t", [*create, *rows])


def changed(data: bytes, offset: int, patch: bytes) -> bytes:
    return data[:offset] + patch + data[offset + len(patch) :]


@pytest.mark.parametrize(
    ("offset", "patch"),
    [
        (0, b"NoSQLite"), (16, b"\0\0"), (16, b"\x10\1"), (18, b"\3"), (19, b"\3"), (20, b"\xff"),
        (28, b"\0\xff\0\0"), (56, b"\0\0\0\7"), (100, b"\x0a"), (103, b"\xff\xff"), (108, b"\0\0"), (108, b"\xff\xff"),
    ],
)  # fmt: skip
def test_damage_of_the_first_page(sound: bytes, offset: int, patch: bytes) -> None:
    with pytest.raises(CorruptData):
        read(changed(sound, offset, patch))


def test_a_truncated_file_is_corrupt(sound: bytes) -> None:
    for length in (0, 100, 511, 512, 1024, len(sound) - 512, len(sound) - 1):
        with pytest.raises(CorruptData):
            read(sound[:length])


def test_a_page_that_points_to_its_parent_is_corrupt(sound: bytes) -> None:
    root = sqlite.SqliteFile(sound).tables()["t"][0]
    start = (root - 1) * 512
    assert sound[start] == 5
    with pytest.raises(CorruptData, match="twice"):
        read(changed(sound, start + 8, struct.pack(">I", root)))


def test_children_in_another_order_are_corrupt(sound: bytes) -> None:
    start = (sqlite.SqliteFile(sound).tables()["t"][0] - 1) * 512
    cell = start + struct.unpack_from(">H", sound, start + 12)[0]
    swapped = changed(changed(sound, start + 8, sound[cell : cell + 4]), cell, sound[start + 8 : start + 12])
    with pytest.raises(CorruptData, match="after row"):
        read(swapped)


@settings(max_examples=4 * settings().max_examples, deadline=None)
@given(offset=st.integers(0, 40_000), patch=st.binary(min_size=1, max_size=4))
def test_nothing_but_scan_errors(sound: bytes, offset: int, patch: bytes) -> None:
    data = changed(sound, offset % len(sound), patch)
    try:
        read(data[: len(sound)])
    except (CorruptData, LimitExceeded, KeyError) as error:
        assert not isinstance(error, KeyError) or error.args == ("t",)
