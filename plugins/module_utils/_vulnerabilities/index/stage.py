# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups that an index is to have, in a file of their own until they are put together package by package."""

from __future__ import annotations

import itertools
import sqlite3
import typing as t


class Stage:
    """Groups of statements as JSON, each with the number of its vulnerability. Memory holds the names alone."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[str, int] = {}
        db.execute("CREATE TABLE stage (name INTEGER, vulnerability INTEGER, groups TEXT)")

    def number_of(self, name: str) -> int:
        """The number that stands for a package's name."""
        return self._numbers.setdefault(name, len(self._numbers))

    def add(self, rows: t.Iterable[tuple[int, int, str]]) -> None:
        """Add rows: number of the name, number of the vulnerability, groups."""
        self._db.executemany("INSERT INTO stage VALUES (?, ?, ?)", rows)

    def commit(self) -> None:
        """End the transaction in which rows were added."""
        self._db.commit()

    def by_package(self) -> t.Iterator[tuple[str, t.Iterator[tuple[int, str]]]]:
        """Each package's name with the vulnerabilities and groups that are staged for it."""
        names = list(self._numbers)
        cursor = self._db.execute("SELECT name, vulnerability, groups FROM stage ORDER BY name, vulnerability")
        for number, parts in itertools.groupby(cursor, key=lambda row: row[0]):
            yield names[number], ((vulnerability, groups) for _name, vulnerability, groups in parts)

    def names_of(self, vulnerabilities: t.Iterable[int]) -> t.Iterator[tuple[str, int]]:
        """Names of the packages that something is said of, with each of these vulnerabilities."""
        self._db.execute("CREATE TEMP TABLE wanted (vulnerability INTEGER PRIMARY KEY)")
        self._db.executemany("INSERT INTO wanted VALUES (?)", [(number,) for number in vulnerabilities])
        names = list(self._numbers)
        query = "SELECT name, vulnerability FROM stage WHERE vulnerability IN (SELECT vulnerability FROM wanted)"
        for name, number in self._db.execute(query):
            yield names[name], number
        self._db.execute("DROP TABLE wanted")
