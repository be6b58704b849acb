# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store in SQLite files."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
import typing as t
from pathlib import Path

import ansible_collections
import pytest
import sqlalchemy
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._store import database
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.tests.support.store_contract import (
    DIGEST,
    NOW,
    StoreContract,
    inventory,
    judgement,
)


class TestSqlite(StoreContract):
    """The contract."""

    @pytest.fixture
    def open_it(self, tmp_path: Path) -> t.Callable[..., Store]:
        """Open the one store of this test."""
        return lambda **options: open_store(str(tmp_path / "store.db"), **options)


def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        open_store(f"sqlite:///{tmp_path}/new folder/a?b#c%20.db").close()
    finally:
        os.umask(before)
    folder = tmp_path / "new folder"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_reading_leaves_no_file_behind(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(str(path)) as store:
        store.images.record(DIGEST, "a/b:1", now=NOW)
    before = path.read_bytes()
    with open_store(str(path), read_only=True) as store:
        assert store.images.all()
    assert [found.name for found in tmp_path.iterdir()] == ["store.db"]
    assert path.read_bytes() == before


def test_check_mode_takes_a_missing_store_for_an_empty_one(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "missing" / "store.db"), read_only=True) as store:
        assert store.images.all() == []
        assert store.inventories.known([DIGEST]) == {}
        assert store.verdicts.in_force() == []
        assert store.verdicts.compare([judgement("passed")])[0].state == "new"
        with pytest.raises(ScanError, match="reading only"):
            store.verdicts.record([judgement("passed")])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_store_is_an_error_where_it_may_not_be_made(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="no such store") as raised:
        open_store(str(tmp_path / "store.db"), create=False)
    assert raised.value.code == "store-missing"
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_somebody_else_is_not_taken_for_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(ScanError, match="no store of ours"):
        open_store(str(path), create=False)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:canary@host/db", "holds a password"),
        ("postgresql://me@host/db?password=canary", "holds a password"),
        ("mysql://host/canary", "cannot be a mysql database"),
        ("sqlite://", "needs the path of a file"),
        ("sqlite:///:memory:", "needs the path of a file"),
        ("sqlite+pysqlcipher:///canary", "is not supported"),
        ("://canary", "cannot be read"),
        ("nonsense://canary", "cannot be|is not"),
        ("  ", "has no address"),
    ],
)
def test_a_wrong_url_is_said_without_its_secrets(url: str, message: str) -> None:
    with pytest.raises(ScanError, match=message) as raised:
        open_store(url)
    assert "canary" not in str(raised.value)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes. " * 500)
    with pytest.raises(ScanError, match="not a SQLite database") as raised:
        open_store(str(path))
    assert raised.value.code == "store-invalid"
    with pytest.raises(ScanError, match="is a folder"):
        open_store(str(tmp_path))


def test_a_damaged_body_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_store(str(path)) as store:
        store.inventories.record(DIGEST, "a/b:1", inventory("x"), platform="", scanned_at=NOW)
        for damage in ("UPDATE imagescan_inventories SET body = x'00'", "DELETE FROM imagescan_package_sets"):
            with sqlite3.connect(path) as connection:
                connection.execute(damage)
            connection.close()
            with pytest.raises(ScanError, match="in the store"):
                store.inventories.get(DIGEST)
            store.inventories.record(DIGEST, "a/b:1", inventory("y"), platform="", scanned_at=NOW)


def test_a_run_that_another_one_got_in_the_way_of_is_tried_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)

    def work(_connection: object) -> t.NoReturn:
        raise sqlalchemy.exc.IntegrityError("INSERT", {}, Exception("the row is there"))

    with open_store(str(tmp_path / "store.db")) as store, pytest.raises(ScanError):
        store.database.write(work)
    assert pauses == pytest.approx([0.05 * attempt for attempt in range(1, database.ATTEMPTS)])


def test_a_store_that_stays_locked_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    path = tmp_path / "store.db"
    with open_store(str(path)) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ScanError, match="locked") as raised:
            store.images.record(DIGEST, "a/b:1", now=NOW)
        assert raised.value.code == "store-locked"
        holder.execute("ROLLBACK")
        holder.close()
        assert store.images.record(DIGEST, "a/b:1", now=NOW)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        real = database._connect

        def small(uri: str) -> t.Any:
            connection = real(uri)
            connection.execute("PRAGMA max_page_count = 40")
            return connection

        pool: t.Any = store.database._engine.pool
        pool._creator = lambda *_args: small(f"file:{tmp_path}/store.db?mode=rw")
        with pytest.raises(ScanError, match="make room") as raised:
            for number in range(100):
                noise = os.urandom(20000).hex()
                store.inventories.record(f"sha256:{number}", "", inventory(noise), platform="", scanned_at=NOW)
        assert raised.value.code == "store-full"


def test_a_killed_run_keeps_what_it_had_done(tmp_path: Path) -> None:
    """A process writes images without end and is killed in the middle: what it said is done is there, and whole."""
    path = tmp_path / "store.db"
    program = """
        import sys
        from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
        store = open_store(sys.argv[1])
        for number in range(100000):
            inventory = {"schema_version": 1, "kind": "rpm", "problems": [], "packages": [{"name": str(number)}]}
            store.inventories.record(f"sha256:{number}", "", inventory, platform="", scanned_at="2026-01-01T00:00:00Z")
            print(number, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    # ansible-test imports collections by a loader of its own, which a child does not have.
    home = str(Path(ansible_collections.__path__[0]).parent)
    environment = {**os.environ, "PYTHONPATH": home}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 20:
                process.kill()
                break
        rest = process.stdout.read().split()
    last = int(rest[-1]) if rest else 20
    with open_store(str(path)) as store:
        for number in range(last + 1):
            found = store.inventories.get(f"sha256:{number}")
            assert found is not None
            assert found["packages"] == [{"name": str(number)}]


def test_a_missing_driver_is_reported_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ImportError) as raised:
        open_store("postgresql://me@127.0.0.1/db")
    assert raised.value.name == "psycopg"


def test_every_error_of_the_store_is_a_scan_error() -> None:
    assert issubclass(database.StoreError, ScanError)
    assert issubclass(InputError, ScanError)
