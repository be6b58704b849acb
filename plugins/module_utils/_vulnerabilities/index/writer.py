# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a feed index."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import sqlite3
import tempfile
import time
import typing as t
import zlib
from pathlib import Path

from ..._errors import InputError, ScanError
from ..documents.model import Row
from ..model import SCHEMA_VERSION, SEVERITIES
from .form import APPLICATION_ID, FIX_STATES, STATEMENT_STATUSES, TABLES

_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_LEFT_AFTER = 86400.0  # seconds


def work_folder(dest: str, parent: Path | None) -> tempfile.TemporaryDirectory[str]:
    """A folder for what is in the making, beside ``dest`` or, without ``parent``, where temporary files go.

    What runs that were killed left beside ``dest`` more than a day ago is removed.
    """
    prefix = f".{Path(dest).name}-"
    if parent is not None:
        with contextlib.suppress(OSError):
            for left in parent.glob(glob.escape(prefix) + "*"):
                if left.is_dir() and not left.is_symlink() and time.time() - left.stat().st_mtime > _LEFT_AFTER:
                    shutil.rmtree(left, ignore_errors=True)
    try:
        return tempfile.TemporaryDirectory(prefix=prefix, dir=parent)
    except OSError as error:
        raise InputError(f"nothing can be written to {parent or tempfile.gettempdir()}: {error.strerror}") from error


class IndexWriter:
    """Writes a new index beside ``dest`` and puts it in its place when it is whole.

    Use as a context manager: whatever goes wrong before ``finish`` leaves the old index as it was. Memory is bounded:
    groups are staged in a second file and put together package by package.
    """

    def __init__(self, dest: str) -> None:
        folder = Path(dest).absolute().parent
        if not folder.is_dir():
            raise InputError(f"the folder of the feed index does not exist: {folder}")
        self.dest = Path(dest).absolute()
        self._products: dict[tuple[str, ...], int] = {}
        self._names: dict[str, int] = {}
        self._vulnerabilities = 0
        self._stack = contextlib.ExitStack()
        self.statements = 0
        try:
            work = self._stack.enter_context(work_folder(dest, folder))
            self._file = Path(work) / "index"
            self._db = self._stack.enter_context(contextlib.closing(sqlite3.connect(self._file)))
            self._db.execute("PRAGMA journal_mode = OFF")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.executescript(TABLES)
            stage = Path(work) / "stage"
            self._stage = self._stack.enter_context(contextlib.closing(sqlite3.connect(stage)))
            self._stage.execute("PRAGMA journal_mode = OFF")
            self._stage.execute("PRAGMA synchronous = OFF")
            self._stage.execute("CREATE TABLE stage (name INTEGER, vulnerability INTEGER, groups TEXT)")
        except (OSError, sqlite3.Error) as error:
            self._stack.close()
            raise InputError(f"the feed index cannot be written to {folder}: {error}") from error

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(self, *_details: object) -> None:
        self._stack.close()

    def add(self, path: str, revision: str, cve: str, rows: t.Iterable[Row]) -> None:
        """Add what one document says of one vulnerability."""
        self._vulnerabilities += 1
        number = self._vulnerabilities
        shared: dict[tuple[str, ...], dict[tuple[str, ...], set[str]]] = {}
        for row in rows:
            products = shared.get(row[:8])
            if products is None:
                products = shared[row[:8]] = {}
            arches = products.get(row[9:])
            if arches is None:
                arches = products[row[9:]] = set()
            arches.add(row.arch)
        by_name: dict[str, list[list[t.Any]]] = {}
        for (name, status, module, evr, severity, fix_state, advisory, cvss), products in shared.items():
            by_arches: dict[str, list[int]] = {}
            for product, arches in products.items():
                self.statements += len(arches)
                known = self._products.get(product)
                if known is None:
                    known = self._products[product] = len(self._products) + 1
                by_arches.setdefault(" ".join(sorted(arch or "*" for arch in arches)), []).append(known)
            head = (
                STATEMENT_STATUSES.index(status),
                module,
                evr,
                SEVERITIES.index(severity),
                FIX_STATES.index(fix_state),
                advisory,
                cvss,
            )
            by_name.setdefault(name, []).extend([*head, numbers, text] for text, numbers in by_arches.items())
        staged = [
            (self._names.setdefault(name, len(self._names)), number, _JSON.encode(groups))
            for name, groups in by_name.items()
        ]
        with self._errors():
            self._db.execute("INSERT INTO vulnerabilities VALUES (?, ?, ?, ?)", (number, cve, revision, path))
            self._stage.executemany("INSERT INTO stage VALUES (?, ?, ?)", staged)

    def add_repositories(self, repositories: t.Mapping[str, t.Sequence[str]]) -> None:
        """Add the CPEs of repositories."""
        with self._errors():
            self._db.executemany(
                "INSERT INTO repositories VALUES (?, ?)",
                ((key, json.dumps(list(cpes))) for key, cpes in repositories.items()),
            )

    def finish(self, meta: t.Mapping[str, t.Any], tick: t.Callable[[], None] = lambda: None) -> None:
        """Complete the index with its description and put it in the place of the old one. ``tick`` is called often."""
        with self._errors():
            self._db.executemany(
                "INSERT INTO products VALUES (?, ?, ?)",
                ((number, cpe, product) for (cpe, product), number in self._products.items()),
            )
            names = {number: name for name, number in self._names.items()}
            self._stage.commit()
            cursor = self._stage.execute("SELECT name, vulnerability, groups FROM stage ORDER BY name, vulnerability")
            for name, parts in _joined(cursor):
                tick()
                blob = zlib.compress(f"[{','.join(parts)}]".encode(), 6)
                self._db.execute("INSERT INTO packages VALUES (?, ?)", (names[name], blob))
            described = {"schema_version": SCHEMA_VERSION, **meta, "statements": self.statements}
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", ((k, json.dumps(v)) for k, v in described.items()))
            self._db.commit()
            self._db.close()
            descriptor = os.open(self._file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._file.replace(self.dest)
            folder = os.open(self.dest.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextlib.contextmanager
    def _errors(self) -> t.Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise ScanError(
                f"the feed index {self.dest} cannot be written: {error}",
                code="feed-index-unwritable",
                hint="is there room on the disk?",
            ) from error


def _joined(cursor: t.Iterable[tuple[int, int, str]]) -> t.Iterator[tuple[int, list[str]]]:
    current = -1
    parts: list[str] = []
    for name, vulnerability, groups in cursor:
        if name != current and parts:
            yield current, parts
            parts = []
        current = name
        parts.append(f"[{vulnerability},{groups}]")
    if parts:
        yield current, parts


def touch(path: str, checked: str, sources: t.Sequence[str]) -> None:
    """Note that the feed was looked at, where, and had not changed."""
    try:
        with contextlib.closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=rw", uri=True)) as database:
            for key, value in (("checked", checked), ("sources", list(sources))):
                database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
            database.commit()
    except sqlite3.Error as error:
        raise ScanError(f"the feed index {path} cannot be updated: {error}", code="feed-index-unwritable") from error
