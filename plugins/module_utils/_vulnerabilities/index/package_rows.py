# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of an index with what is said of packages: few for each of them, and without what is dead once that is much."""

from __future__ import annotations

import sqlite3
import typing as t

from .form import compressed, expanded, to_json
from .reader import damage
from .stage import Stage


class PackageRows:
    """Rows of packages in the database of an index.

    ``numbers``: those of the rows of each package. ``dead``: vulnerabilities that the index has no more. ``last``: the
    highest number of a row. ``loaded``: the highest number of a vulnerability in rows of a copied index. ``shown``: the
    index in messages.
    """

    def __init__(self, db: sqlite3.Connection, shown: str) -> None:
        self.db = db
        self._shown = shown
        self.numbers: dict[str, list[int]] = {}
        self.dead: set[int] = set()
        self.last = 0
        self.loaded = 0

    def add_staged(self, stage: Stage, tick: t.Callable[[], None]) -> None:
        """Add what is staged, package by package."""
        for name, parts in stage.by_package():
            tick()
            texts = [f"[{vulnerability},{groups}]" for vulnerability, groups in parts if vulnerability not in self.dead]
            if texts:
                self._add(name, ",".join(texts))
                self._join_last(name)

    def _add(self, name: str, entries: str) -> None:
        """Add a row for a package, of entries as JSON."""
        self.last += 1
        self.numbers.setdefault(name, []).append(self.last)
        blob = compressed(f"[{to_json(name)},[{entries}]]")
        self.db.execute("INSERT INTO packages VALUES (?, ?)", (self.last, blob))

    def _join_last(self, name: str) -> None:
        """Join the last rows of a package that are about as large: so they stay few, and large ones are left alone."""
        numbers = self.numbers[name]
        start = len(numbers) - 1
        size = self._size(numbers[start])
        while start and (before := self._size(numbers[start - 1])) <= 2 * size:
            start -= 1
            size += before
        if start < len(numbers) - 1:
            self._join(name, numbers[start:])

    def _size(self, number: int) -> int:
        row = self.db.execute("SELECT length(groups) FROM packages WHERE id = ?", (number,)).fetchone()
        return int(row[0]) if row else 0  # read when rows are joined, a missing one is damage

    def _join(self, name: str, numbers: list[int]) -> None:
        """Make one row of some of a package's rows, without what is dead."""
        entries = [(entry[0], to_json(entry)) for entry in self.entries(name, numbers) if entry[0] not in self.dead]
        self.db.executemany("DELETE FROM packages WHERE id = ?", [(number,) for number in numbers])
        self.numbers[name] = [number for number in self.numbers[name] if number not in numbers]
        if entries:
            self._add(name, ",".join(text for _number, text in sorted(entries)))
        elif not self.numbers[name]:
            del self.numbers[name]

    def entries(self, name: str, numbers: t.Iterable[int]) -> list[t.Any]:
        """Read the rows of a package, dead or not: number of the vulnerability and groups."""
        entries: list[t.Any] = []
        with damage(self._shown):
            for number in numbers:
                (blob,) = self.db.execute("SELECT groups FROM packages WHERE id = ?", (number,)).fetchone()
                own, row_entries = expanded(blob)
                if own != name:
                    raise ValueError(f"it has something else in the place of {name}")
                entries.extend(row_entries)
        return entries

    def names_of(self, vulnerabilities: t.Container[int], tick: t.Callable[[], None]) -> t.Iterator[tuple[str, int]]:
        """Names of the packages whose rows have one of these vulnerabilities, with each of them. Reads all rows."""
        for name, numbers in self.numbers.items():
            tick()
            for vulnerability, _groups in self.entries(name, numbers):
                if vulnerability in vulnerabilities:
                    yield name, vulnerability

    def drop_dead(self, tick: t.Callable[[], None]) -> None:
        """Leave everything out that is dead."""
        for name in list(self.numbers):
            tick()
            self._join(name, list(self.numbers[name]))
        self.dead.clear()
