# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dnf history of both generations."""

from __future__ import annotations

import contextlib
import sqlite3
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm import history

#: item, name, epoch, version, release, architecture
RPMS = [
    (1, "bash", 0, "5.1", "1.el9", "x86_64"),
    (2, "openssl", 1, "3.0", "2.el9", "x86_64"),
    (3, "kernel", 0, "5.14", "3.el9", "x86_64"),
    (4, "local", 0, "1", "1", "noarch"),
]
REPOSITORIES = [(1, "baseos"), (2, "appstream"), (3, "@System"), (4, "@commandline")]

#: Number of an action by word, by generation.
ACTIONS = {
    4: {"install": 1, "downgrade": 2, "upgrade": 6, "remove": 8, "reinstall": 9, "reason": 11, "upgraded": 7},
    5: {"install": 1, "downgrade": 3, "upgrade": 2, "remove": 5, "reinstall": 4, "reason": 7, "upgraded": 6},
}


def dnf4(path: Path, items: t.Sequence[tuple[int, int, str]]) -> bytes:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(
            """
            CREATE TABLE repo (id INTEGER PRIMARY KEY, repoid TEXT NOT NULL /* repository ID, aka 'repoid' */);
            CREATE TABLE trans_item (id INTEGER PRIMARY KEY AUTOINCREMENT, trans_id INTEGER REFERENCES trans(id),
              item_id INTEGER REFERENCES item(id), repo_id INTEGER, action INTEGER NOT NULL, /* (enum) */
              reason INTEGER NOT NULL, state INTEGER NOT NULL);
            CREATE TABLE rpm (item_id INTEGER UNIQUE NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL,
              version TEXT NOT NULL, release TEXT NOT NULL, arch TEXT NOT NULL,
              FOREIGN KEY(item_id) REFERENCES item(id), CONSTRAINT u UNIQUE (name, epoch, version, release, arch));
            """
        )
        database.executemany("INSERT INTO repo VALUES (?, ?)", REPOSITORIES)
        database.executemany("INSERT INTO rpm VALUES (?, ?, ?, ?, ?, ?)", RPMS)
        for item, repository, action in items:
            database.execute(
                "INSERT INTO trans_item (trans_id, item_id, repo_id, action, reason, state) VALUES (1, ?, ?, ?, 1, 1)",
                (item, repository, ACTIONS[4][action]),
            )
    return path.read_bytes()


def dnf5(path: Path, items: t.Sequence[tuple[int, int, str]]) -> bytes:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(
            """
            CREATE TABLE "repo" ("id" INTEGER, "repoid" TEXT NOT NULL, PRIMARY KEY("id"));
            CREATE TABLE "pkg_name" ("id" INTEGER, "name" TEXT NOT NULL UNIQUE, PRIMARY KEY("id"));
            CREATE TABLE "arch" ("id" INTEGER, "name" TEXT NOT NULL UNIQUE, PRIMARY KEY("id"));
            CREATE TABLE "trans_item" ("id" INTEGER, "trans_id" INTEGER, "item_id" INTEGER, "repo_id" INTEGER,
              "action_id" INTEGER NOT NULL, "reason_id" INTEGER NOT NULL, "state_id" INTEGER NOT NULL,
              PRIMARY KEY("id" AUTOINCREMENT));
            CREATE TABLE "rpm" ("item_id" INTEGER NOT NULL UNIQUE, "name_id" INTEGER NOT NULL, "epoch" INTEGER NOT NULL,
              "version" TEXT NOT NULL, "release" TEXT NOT NULL, "arch_id" INTEGER NOT NULL);
            """
        )
        names = sorted({rpm[1] for rpm in RPMS})
        architectures = sorted({rpm[5] for rpm in RPMS})
        database.executemany("INSERT INTO repo VALUES (?, ?)", REPOSITORIES)
        database.executemany("INSERT INTO pkg_name VALUES (?, ?)", enumerate(names, 10))
        database.executemany("INSERT INTO arch VALUES (?, ?)", enumerate(architectures, 20))
        for item, name, epoch, version, release, arch in RPMS:
            row = (item, 10 + names.index(name), epoch, version, release, 20 + architectures.index(arch))
            database.execute("INSERT INTO rpm VALUES (?, ?, ?, ?, ?, ?)", row)
        for item, repository, action in items:
            database.execute(
                "INSERT INTO trans_item (trans_id, item_id, repo_id, action_id, reason_id, state_id) "
                "VALUES (1, ?, ?, ?, 1, 1)",
                (item, repository, ACTIONS[5][action]),
            )
    return path.read_bytes()


MAKERS = {4: dnf4, 5: dnf5}


@pytest.mark.parametrize("generation", [4, 5])
def test_the_newest_transaction_that_brought_a_package_counts(generation: int, tmp_path: Path) -> None:
    items = [
        (1, 1, "install"),
        (2, 1, "install"),
        (2, 3, "reason"),
        (2, 2, "reinstall"),
        (3, 2, "upgrade"),
        (3, 3, "remove"),
        (4, 4, "install"),
    ]
    data = MAKERS[generation](tmp_path / "history", items)
    assert history.repositories_of_packages(data, None, "h") == {
        ("bash", 0, "5.1", "1.el9", "x86_64"): "baseos",
        ("openssl", 1, "3.0", "2.el9", "x86_64"): "appstream",
        ("kernel", 0, "5.14", "3.el9", "x86_64"): "appstream",
    }


@pytest.mark.parametrize("generation", [4, 5])
def test_what_only_left_has_no_repository(generation: int, tmp_path: Path) -> None:
    data = MAKERS[generation](tmp_path / "history", [(1, 1, "remove"), (2, 1, "upgraded"), (3, 1, "reason")])
    assert history.repositories_of_packages(data, None, "h") == {}


@pytest.mark.parametrize("table", ["repo", "trans_item", "rpm"])
def test_another_database_is_no_history(table: str, tmp_path: Path) -> None:
    dnf4(tmp_path / "h", [])
    with contextlib.closing(sqlite3.connect(tmp_path / "h")) as database:
        database.execute(f"DROP TABLE {table}")
        database.commit()
    with pytest.raises(CorruptData, match=table):
        history.repositories_of_packages((tmp_path / "h").read_bytes(), None, "h")


def test_a_row_that_is_no_package_is_corrupt(tmp_path: Path) -> None:
    dnf4(tmp_path / "h", [])
    with contextlib.closing(sqlite3.connect(tmp_path / "h")) as database:
        database.execute("INSERT INTO rpm VALUES (9, x'00', 0, '1', '1', 'noarch')")
        database.commit()
    with pytest.raises(CorruptData, match="not a package"):
        history.repositories_of_packages((tmp_path / "h").read_bytes(), None, "h")


def test_more_rows_than_we_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_ROWS", 3)
    with pytest.raises(LimitExceeded):
        history.repositories_of_packages(dnf4(tmp_path / "h", []), None, "h")
