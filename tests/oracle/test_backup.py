# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores come back from the copies that docs/backup.md makes, with the commands that stand there."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.tests.support.postgresql import PASSWORD, Postgresql, running_postgresql
from ansible_collections.imagescan.openshift.tests.support.programs import require_program

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "backup.md").read_text(encoding="utf-8")


def script(name: str, folder: Path) -> Path:
    """A file of one block of the page."""
    block = re.search(rf"^```sh file={name}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert block
    path = folder / name
    path.write_text(block[1], encoding="utf-8")
    return path


def command(beginning: str, changes: dict[str, str]) -> list[str]:
    """The words of one command of the page, with other addresses and files."""
    line = re.search(rf"^{re.escape(beginning)} .*$", PAGE, re.MULTILINE)
    assert line
    text = line[0]
    for old, new in changes.items():
        text = text.replace(old, new)
    return ["sh", "-c", text]


@pytest.fixture
def store(tmp_path: Path) -> t.Iterator[tuple[Path, Path]]:
    """The path of a store with a row of its own, and the folder for copies."""
    require_program("sqlite3")
    path = tmp_path / "store.db"
    open_store(str(path)).close()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE canary (word TEXT)")
        database.execute("INSERT INTO canary VALUES ('kept')")
    database.close()
    yield path, tmp_path / "copies"


def words(path: Path) -> list[str]:
    """What the table of the test holds; the store itself can be opened."""
    open_store(str(path), create=False).close()
    database = sqlite3.connect(path)
    try:
        return [row[0] for row in database.execute("SELECT word FROM canary")]
    finally:
        database.close()


def test_a_sqlite_store_comes_back(store: tuple[Path, Path], tmp_path: Path) -> None:
    path, copies = store
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO canary VALUES ('not committed')")  # a run is at work
    subprocess.run(["sh", script("store-backup", tmp_path), path, copies], check=True, timeout=60)
    writer.execute("ROLLBACK")
    writer.close()
    (copy,) = copies.iterdir()
    assert re.fullmatch(r"store-\d{4}-\d\d-\d\d\.db", copy.name)
    assert copy.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"damaged")
    Path(f"{path}-journal").write_bytes(b"of the damaged file")
    subprocess.run(["sh", script("store-restore", tmp_path), copy, path], check=True, timeout=60)
    assert words(path) == ["kept"]
    assert sorted(file.name for file in tmp_path.glob("store.db*")) == ["store.db"]


def test_a_damaged_sqlite_store_is_not_kept_as_a_copy(store: tuple[Path, Path], tmp_path: Path) -> None:
    path, copies = store
    path.write_bytes(path.read_bytes()[:5000])
    ended = subprocess.run(["sh", script("store-backup", tmp_path), path, copies], check=False, timeout=60)
    assert ended.returncode != 0
    assert not list(copies.glob("*.db"))


def test_old_copies_go_and_others_stay(store: tuple[Path, Path], tmp_path: Path) -> None:
    path, copies = store
    copies.mkdir()
    old, other = copies / "store-2026-01-01.db", copies / "notes"
    for file in (old, other):
        file.write_bytes(b"")
        os.utime(file, (1_000_000_000, 1_000_000_000))
    subprocess.run(["sh", script("store-backup", tmp_path), path, copies], check=True, timeout=60)
    assert not old.exists()
    assert other.exists()


@pytest.fixture(scope="module")
def postgresql() -> t.Iterator[Postgresql]:
    with running_postgresql() as server:
        yield server


def test_a_postgresql_store_comes_back(postgresql: Postgresql, tmp_path: Path) -> None:
    for program in ("pg_dump", "pg_restore", "createdb"):
        require_program(program)
    postgresql.sql("CREATE DATABASE imagescan")
    address = f"postgresql://scanner@{postgresql.address}"

    def store(name: str, **options: t.Any) -> Store:
        return open_store(f"{address}/{name}", PASSWORD, **options)

    store("imagescan").close()
    host, _colon, port = postgresql.address.partition(":")
    changes = {
        "postgresql://scanner@db.example.com": address,
        "--host=db.example.com --username=postgres": f"--host={host} --port={port} --username=scanner",
        "store-$(date +%F).dump": "store-2026-12-03.dump",
    }
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    for beginning in ("pg_dump", "createdb", "pg_restore"):
        subprocess.run(command(beginning, changes), check=True, cwd=tmp_path, env=environment, timeout=60)
    with store("imagescan_restored", create=False) as restored:
        assert restored.images.all() == []
