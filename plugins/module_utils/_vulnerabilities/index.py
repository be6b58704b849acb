# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The feed index: one SQLite file, compiled once from a feed's documents, read by package name.

A full feed has some ten million statements. They shrink by grouping: for one package and one vulnerability, statements
that differ in product and architecture alone are one group. A package's groups are one compressed JSON text::

    [[vulnerability, [[status, module, evr, severity, fix_state, advisory, [product, ...], "arch arch"], ...]], ...]

with numbers into the tables ``vulnerabilities`` and ``products``, and into STATEMENT_STATUSES, SEVERITIES, FIX_STATES.
"""

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

from .._errors import CorruptData, InputError, ScanError
from .csaf_vex import Row
from .model import SCHEMA_VERSION, SEVERITIES, STATUSES, FeedInfo, Statement

STATEMENT_STATUSES = ("fixed", "known_affected", "known_not_affected", "under_investigation")
FIX_STATES = ("", *STATUSES)

_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)

#: Marks the file as ours (``PRAGMA application_id``).
_APPLICATION_ID = 0x696D7378
_LEFT_AFTER = 86400.0  # seconds
_BLOB_LIMIT = 1 << 30

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE products (id INTEGER PRIMARY KEY, cpe TEXT NOT NULL, product TEXT NOT NULL);
CREATE TABLE vulnerabilities (id INTEGER PRIMARY KEY, cve TEXT NOT NULL, revision TEXT NOT NULL, path TEXT NOT NULL);
CREATE TABLE packages (name TEXT PRIMARY KEY, groups BLOB NOT NULL);
CREATE TABLE repositories (id TEXT PRIMARY KEY, cpes TEXT NOT NULL) WITHOUT ROWID;
"""


class Group(t.NamedTuple):
    """Statements of one package and vulnerability that differ in product and architecture alone."""

    status: int
    module: str
    evr: str
    severity: int
    fix_state: int
    advisory: str
    products: list[int]
    arches: str


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
            self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._db.executescript(_TABLES)
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
            products = shared.get(row[:7])
            if products is None:
                products = shared[row[:7]] = {}
            arches = products.get(row[8:])
            if arches is None:
                arches = products[row[8:]] = set()
            arches.add(row.arch)
        by_name: dict[str, list[list[t.Any]]] = {}
        for (name, status, module, evr, severity, fix_state, advisory), products in shared.items():
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


def is_index(path: str) -> bool:
    """Whether a file is a feed index, be it damaged or of another version."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:72] == _APPLICATION_ID.to_bytes(4, "big")


class FeedIndex:
    """A feed index, open for reading. Close it, or use it as a context manager."""

    def __init__(self, path: str, database: sqlite3.Connection, meta: dict[str, t.Any]) -> None:
        self.path = path
        self.meta = meta
        self._db = database
        self._products: list[tuple[str, str]] | None = None
        self.info = _info(meta, path)

    @classmethod
    def open(cls, path: str) -> FeedIndex:
        """Open an index. Raises InputError when there is none or it is of a newer form, CorruptData when damaged."""
        location = Path(path).absolute()
        if not location.is_file():
            raise InputError(
                f"there is no feed index at {location}",
                code="no-feed",
                hint="make one with the module vulnerability_feed",
            )
        try:
            # Quoted by hand: as_uri() refuses nothing, and a "?" in a folder's name must not become an option.
            database = sqlite3.connect(f"{location.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise CorruptData(
                f"the feed index {location} cannot be opened: {error}", code="feed-index-corrupt"
            ) from error
        try:
            with _damage(str(location)):
                application = database.execute("PRAGMA application_id").fetchone()[0]
                if application != _APPLICATION_ID:
                    raise CorruptData(f"{location} is not a feed index", code="feed-index-corrupt")
                meta = {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM meta")}
                version = meta.get("schema_version")
                if not isinstance(version, int):
                    raise CorruptData(f"the feed index {location} has no schema version", code="feed-index-corrupt")
                if version > SCHEMA_VERSION:
                    raise InputError(
                        f"the feed index {location} has schema version {version}; {SCHEMA_VERSION} is the newest known",
                        code="feed-index-newer",
                        hint="update the collection, or build the index again",
                    )
                return cls(str(location), database, meta)
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> FeedIndex:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def products(self) -> list[tuple[str, str]]:
        """CPE and product id by number; number 0 is unused."""
        if self._products is None:
            with _damage(self.path):
                rows = self._db.execute("SELECT id, cpe, product FROM products ORDER BY id").fetchall()
            if [row[0] for row in rows] != list(range(1, len(rows) + 1)):
                raise CorruptData(f"the feed index {self.path} lacks products", code="feed-index-corrupt")
            self._products = [("", ""), *((cpe, product) for _id, cpe, product in rows)]
        return self._products

    def groups(self, name: str) -> list[tuple[int, list[Group]]]:
        """All that is said of one package: number of the vulnerability and its groups."""
        with _damage(self.path):
            row = self._db.execute("SELECT groups FROM packages WHERE name = ?", (name,)).fetchone()
            if row is None:
                return []
            inflater = zlib.decompressobj()
            text = inflater.decompress(row[0], _BLOB_LIMIT)
            if not inflater.eof:
                raise CorruptData(f"the feed index {self.path} is damaged at {name}", code="feed-index-corrupt")
            return [(number, [Group(*group) for group in groups]) for number, groups in json.loads(text)]

    def vulnerabilities(self, numbers: t.Iterable[int]) -> dict[int, tuple[str, str]]:
        """CVE and revision of vulnerabilities by number."""
        found: dict[int, tuple[str, str]] = {}
        wanted = sorted(set(numbers))
        with _damage(self.path):
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT id, cve, revision FROM vulnerabilities WHERE id IN ({marks})"
                found.update((number, (cve, revision)) for number, cve, revision in self._db.execute(query, part))
            if len(found) != len(wanted):
                raise CorruptData(f"the feed index {self.path} lacks vulnerabilities", code="feed-index-corrupt")
        return found

    def paths(self) -> t.Iterator[str]:
        """Where in its feed each document stood that says something."""
        with _damage(self.path):
            for (path,) in self._db.execute("SELECT DISTINCT path FROM vulnerabilities"):
                yield str(path)

    def statements(self, names: t.Iterable[str]) -> dict[str, list[Statement]]:
        """Every statement about these packages, by name; packages without one are left out."""
        result: dict[str, list[Statement]] = {}
        for name in dict.fromkeys(names):
            groups = self.groups(name)
            titles = self.vulnerabilities(number for number, _groups in groups)
            found = [
                self.statement(name, titles[number], group, product, "" if arch == "*" else arch)
                for number, inner in groups
                for group in inner
                for product in group.products
                for arch in group.arches.split(" ")
            ]
            if found:
                result[name] = found
        return result

    def statement(self, name: str, title: tuple[str, str], group: Group, product: int, arch: str) -> Statement:
        """One statement of a group."""
        with _damage(self.path):
            cpe, identity = self.products[product]
            return Statement(
                cve=title[0],
                name=name,
                arch=arch,
                module=group.module,
                cpe=cpe,
                product=identity,
                status=STATEMENT_STATUSES[group.status],
                evr=group.evr,
                severity=SEVERITIES[group.severity],
                fix_state=FIX_STATES[group.fix_state],
                advisory=group.advisory,
                revision=title[1],
            )

    def cpes_of(self, repository_id: str) -> tuple[str, ...]:
        """CPEs of a repository, empty when the map does not have it or there is no map."""
        with _damage(self.path):
            row = self._db.execute("SELECT cpes FROM repositories WHERE id = ?", (repository_id,)).fetchone()
            return tuple(json.loads(row[0])) if row else ()


def touch(path: str, checked: str, sources: t.Sequence[str]) -> None:
    """Note that the feed was looked at, where, and had not changed."""
    try:
        with contextlib.closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=rw", uri=True)) as database:
            for key, value in (("checked", checked), ("sources", list(sources))):
                database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
            database.commit()
    except sqlite3.Error as error:
        raise ScanError(f"the feed index {path} cannot be updated: {error}", code="feed-index-unwritable") from error


def _info(meta: dict[str, t.Any], path: str) -> FeedInfo:
    with _damage(path):
        return FeedInfo(
            serial=str(meta["serial"]),
            format=str(meta["format"]),
            checked=str(meta["checked"]),
            newest=str(meta["newest"]),
            documents=int(meta["documents"]),
            statements=int(meta["statements"]),
            repository_map=bool(meta["repository_map"]),
            names=tuple(map(str, meta["names"])),
            rejected=int(meta["rejected"]),
        )


@contextlib.contextmanager
def _damage(path: str) -> t.Iterator[None]:
    """Whatever a damaged index leads to is CorruptData."""
    try:
        yield
    except (sqlite3.Error, zlib.error, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise CorruptData(
            f"the feed index {path} is damaged: {error}", code="feed-index-corrupt", hint="build it again"
        ) from error
