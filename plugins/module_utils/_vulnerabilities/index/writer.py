# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a feed index, anew or as a changed copy of another."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import shutil
import sqlite3
import typing as t
from pathlib import Path

from ..._core.errors import InputError, ScanError
from ..documents.model import Document
from ..documents.unread import EVERYTHING, UnreadScope
from ..model import SCHEMA_VERSION
from .form import APPLICATION_ID, LEFT_OUT, REJECTED, TABLES, DocumentRow, checksum, compressed, to_json
from .package_rows import PackageRows
from .packing import Packed, pack
from .reader import FeedIndex, checked_row, damage, identity_of, read_list
from .stage import Stage
from .work_folders import work_folder

#: The year in the name of a document: cve-2026-1234.json, ALSA-2022:1234.json, ALAS2023-2024-123.
_YEAR = re.compile(r"-((?:19|20)[0-9]{2})[-:_]")


class Writer:
    """Common parts of new indexes and updates.

    Written beside ``dest`` and put in its place when whole. Use as a context manager: whatever goes wrong before
    ``finish`` leaves what is at ``dest`` as it was. Memory is bounded: groups are staged in a second file and put
    together package by package. ``meta``: what the index that is changed is described by.
    """

    def __init__(self, dest: str, old: str) -> None:
        folder = Path(dest).absolute().parent
        if not folder.is_dir():
            raise InputError(f"the folder of the feed index does not exist: {folder}")
        self.dest = Path(dest).absolute()
        self.replaces = identity_of(str(self.dest))
        self.meta: dict[str, t.Any] = {}
        self._products: dict[tuple[str, str], int] = {}
        self._repositories: dict[str, list[str]] = {}
        self._documents: dict[str, int] = {}
        self._is_settled = False
        self._last_document = 0
        self._last_vulnerability = 0
        self._stack = contextlib.ExitStack()
        try:
            work = self._stack.enter_context(work_folder(dest, folder))
            self._file = Path(work) / "index"
            with self._errors():
                if self.replaces:
                    # While it is open, no other file gets its number.
                    self._stack.enter_context(self.dest.open("rb"))
                if old:
                    shutil.copyfile(old, self._file)
                self._db = self._stack.enter_context(_connection(self._file))
                self._packages = PackageRows(self._db, str(self.dest))
                if old:
                    self._load(old)
                else:
                    self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                    self._db.executescript(TABLES)
                self._stage = Stage(self._stack.enter_context(_connection(self._file.with_name("stage"))))
        except BaseException:
            self._stack.close()
            raise

    def _load(self, old: str) -> None:
        """Take over what the copied index has. Raises CorruptData when it is damaged."""
        with damage(old):
            self.meta = read_list(self._db, "meta")
            rows = read_list(self._db, "products")
            self._products = {(str(cpe), str(product)): number for number, (cpe, product) in enumerate(rows, 1)}
            self._packages.numbers = dict(read_list(self._db, "names"))
            self._packages.dead = set(read_list(self._db, "dead"))
            self._repositories = dict(read_list(self._db, "repositories"))
            for row in map(checked_row, self._db.execute("SELECT * FROM documents")):
                self._documents[row.path] = row.id
            if len(self._documents) != self.meta["rows"]:
                raise ValueError(f"it has {len(self._documents)} documents and not {self.meta['rows']}")
            self._last_document = max(self._documents.values(), default=0)
            (last,) = self._db.execute("SELECT max(id) FROM vulnerabilities").fetchone()
            self._last_vulnerability = self._packages.loaded = max(last or 0, *self._packages.dead, 0)
            (last,) = self._db.execute("SELECT max(id) FROM packages").fetchone()
            self._packages.last = last or 0

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._stack.close()

    # -- documents --

    def put(self, path: str, sha256: str, stamp: str, document: Document, verified: bool) -> None:
        """Add a document, in the place of the one that stood at its path, if any.

        ``sha256``: of its bytes. ``stamp``: its time in the vendor's list of changes, empty for none. ``verified``: its
        signature was checked and is good.
        """
        self.put_packed(path, sha256, stamp, pack(document), verified)

    def put_packed(self, path: str, sha256: str, stamp: str, packed: Packed, verified: bool) -> None:
        """As ``put``, with a document whose statements are grouped already."""
        product_numbers = [self._products.setdefault(product, len(self._products) + 1) for product in packed.products]
        first = self._last_vulnerability + 1
        rows = []
        staged = []
        self._is_settled = False
        with self._errors():
            self._drop(path)
            document = self._last_document + 1
            for number, (cve, by_name) in enumerate(packed.vulnerabilities, first):
                rows.append((number, cve, document, checksum((number, cve, document))))
                for name, groups in by_name:
                    for group in groups:
                        group[7] = sorted([product_numbers[product] for product in group[7]])
                    staged.append((self._stage.number_of(name), number, to_json(groups)))
            self._db.executemany("INSERT INTO vulnerabilities VALUES (?, ?, ?, ?)", rows)
            self._stage.add(staged)
            self._last_vulnerability += len(rows)
            skipped = {**packed.skipped, "deleted": 1} if packed.deleted else packed.skipped
            text = to_json(dict(sorted(skipped.items())))
            self._insert(
                path,
                sha256,
                packed.revision,
                stamp,
                int(verified),
                packed.category,
                "",
                text,
                packed.statements,
                first,
                len(rows),
                "",
            )

    def reject(
        self,
        path: str,
        sha256: str,
        stamp: str,
        reason: str,
        revision: str = "",
        *,
        scope: UnreadScope = EVERYTHING,
        verified: bool = False,
    ) -> None:
        """Note that the document at a path cannot be read, and why. ``revision``: its release date, where it is known.
        ``verified``: its signature is good, so that its maker wrote what the ``scope`` is of.

        What an earlier version of it said is dropped: it may be wrong now. As long as there is one such document,
        no image that is in its ``scope`` passes by the index.
        """
        with self._errors():
            self._drop(path)
            self._insert(path, sha256, revision, stamp, int(verified), REJECTED, reason, "{}", 0, 0, 0, to_json(scope))

    def leave_out(self, path: str, sha256: str, stamp: str, reason: str) -> None:
        """Note that what is at a path is none of the documents that are read; ``reason``: a key of ``skipped``."""
        with self._errors():
            self._drop(path)
            self._insert(path, sha256, "", stamp, 0, LEFT_OUT, "", to_json({reason: 1}), 0, 0, 0, "")

    def remove(self, path: str) -> bool:
        """Take the document at a path away. False: there is none."""
        with self._errors():
            return self._drop(path)

    def set_verified(self, path: str, verified: bool) -> None:
        """Note whether a document's signature is good. Raises InputError where there is no such document."""
        self._change(path, lambda row: row._replace(verified=int(verified)))

    def set_stamp(self, path: str, stamp: str) -> None:
        """Note a document's time in the vendor's list of changes. Raises InputError where there is none."""
        self._change(path, lambda row: row._replace(stamp=stamp))

    def _change(self, path: str, change: t.Callable[[DocumentRow], DocumentRow]) -> None:
        number = self._documents.get(path)
        if number is None:
            raise InputError(f"the feed index has no document {path}")
        with self._errors():
            row = self._row(number)
            changed = change(row)
            if changed != row:
                self._db.execute("DELETE FROM documents WHERE id = ?", (number,))
                self._add_row(changed)

    def _insert(self, *fields: str | int) -> None:
        self._last_document += 1
        self._documents[str(fields[0])] = self._last_document
        self._add_row(DocumentRow._make((self._last_document, *fields)))

    def _add_row(self, row: DocumentRow) -> None:
        self._db.execute(f"INSERT INTO documents VALUES ({'?, ' * len(row)}?)", (*row, checksum(row)))

    def _row(self, number: int) -> DocumentRow:
        with damage(str(self.dest)):
            return checked_row(self._db.execute("SELECT * FROM documents WHERE id = ?", (number,)).fetchone())

    def _drop(self, path: str) -> bool:
        number = self._documents.pop(path, None)
        if number is None:
            return False
        row = self._row(number)
        self._packages.dead.update(range(row.first, row.first + row.vulnerabilities))
        self._db.execute("DELETE FROM documents WHERE id = ?", (number,))
        self._db.execute(
            "DELETE FROM vulnerabilities WHERE id BETWEEN ? AND ?", (row.first, row.first + row.vulnerabilities - 1)
        )
        return True

    def contents(self) -> dict[str, str]:
        """SHA-256 of every document by path: what was read, rejected and left out."""
        with self._errors():
            return dict(self._db.execute("SELECT path, sha256 FROM documents"))

    def row(self, path: str) -> DocumentRow | None:
        """Return the row of the document at a path; None for none."""
        number = self._documents.get(path)
        if number is None:
            return None
        with self._errors():
            return self._row(number)

    def rows(self) -> t.Iterator[DocumentRow]:
        """Every document with all that the index will know of it, in no order."""
        with self._errors(), damage(str(self.dest)):
            for row in self._db.execute("SELECT * FROM documents"):
                yield checked_row(row)

    def products(self) -> list[tuple[str, str]]:
        """CPE and product id of all products that something was said of."""
        return list(self._products)

    def set_repositories(self, repositories: t.Mapping[str, t.Sequence[str]]) -> None:
        """Set the CPEs of repositories, in the place of those that it had."""
        self._repositories = {key: list(cpes) for key, cpes in repositories.items()}

    # -- the end --

    def settle(self, tick: t.Callable[[], None] = lambda: None) -> None:
        """Reject documents about what another one is about, all but the first by path. ``tick`` is called often.

        Added up, an older "not affected" would clear what the newer one says. Call it when all documents are put;
        ``finish`` does, too. Feeds of advisories name a vulnerability as often as they like.
        """
        if self._is_settled:
            return
        with self._errors():
            repeated = _repeated(self._db, tick)
            rows = {path: self._row(self._documents[path]) for path in repeated}
            names = _names_said(rows, self._db, self._stage, self._packages, tick) if repeated else {}
            for path, (sha256, stamp, reason, is_verified) in repeated.items():
                tick()
                scope = UnreadScope(tuple(sorted(names[path])))
                self.reject(path, sha256, stamp, reason, scope=scope, verified=is_verified)
        self._is_settled = True

    def finish(self, meta: t.Mapping[str, t.Any], tick: t.Callable[[], None] = lambda: None) -> None:
        """Complete the index with its description and put it in the place of the old one. ``tick`` is called often.

        ``meta``: what FeedInfo has beside what the documents tell (their number, ``newest``, ``statements``,
        ``rejected``), and whatever else is to be remembered, as JSON; an update keeps the keys that are not given.
        """
        self.settle(tick)
        with self._errors():
            self._stage.commit()
            self._packages.add_staged(self._stage, tick)
            self._compact(tick)
            self.meta.update(meta)
            self.meta.update(_totals(self.rows()))
            self.meta["schema_version"] = SCHEMA_VERSION
            for key, value in (
                ("meta", self.meta),
                ("products", list(self._products)),
                ("names", self._packages.numbers),
                ("dead", sorted(self._packages.dead)),
                ("repositories", self._repositories),
            ):
                self._db.execute("INSERT OR REPLACE INTO lists VALUES (?, ?)", (key, compressed(to_json([key, value]))))
            self._db.commit()
            self._db.close()
            _sync(self._file)
            self.check_place(self.replaces)
            self._file.replace(self.dest)
            _sync(self.dest.parent)

    def check_place(self, expected: tuple[int, int] | None) -> None:
        """Raises ScanError when what is at ``dest`` is not what is to be replaced: another run was quicker, and what it
        found would be lost.
        """
        if identity_of(str(self.dest)) != expected or self.replaces != expected:
            raise ScanError(
                f"another run has replaced the feed index {self.dest} meanwhile",
                code="feed-busy",
                hint="run it again",
            )

    def _compact(self, tick: t.Callable[[], None]) -> None:
        """Leave everything out that is dead, once that is much."""
        (alive,) = self._db.execute("SELECT count(*) FROM vulnerabilities").fetchone()
        if not self._packages.dead or len(self._packages.dead) * 2 <= alive:
            return
        self._packages.drop_dead(tick)
        self._db.commit()
        whole = self._file.with_name("compacted")
        self._db.execute("VACUUM INTO ?", (str(whole),))
        self._db.close()
        self._file = whole
        self._db = self._packages.db = self._stack.enter_context(_connection(whole))

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


class IndexWriter(Writer):
    """Writes a new index. See Writer for its use."""

    def __init__(self, dest: str) -> None:
        super().__init__(dest, "")


class IndexUpdate(Writer):
    """Changes a copy of an index, and puts it at ``dest``, which may be where the old one is: readers see the old or
    the new one. See Writer for its use. Raises what FeedIndex.open raises for the old index.
    """

    def __init__(self, old_path: str, dest: str) -> None:
        FeedIndex.open(old_path).close()
        super().__init__(dest, str(Path(old_path).absolute()))


@contextlib.contextmanager
def _connection(path: Path) -> t.Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        yield database


def _repeated(db: sqlite3.Connection, tick: t.Callable[[], None]) -> dict[str, tuple[str, str, str, bool]]:
    """Documents about what another one is about, all but the first by path: digest, time, reason, and if verified."""
    query = """
        SELECT v.cve, d.path, d.sha256, d.stamp, d.verified
        FROM vulnerabilities v JOIN documents d ON d.id = v.document
        WHERE d.category = 'csaf_vex' ORDER BY v.cve, d.path
    """
    repeated: dict[str, tuple[str, str, str, bool]] = {}
    about = first = ""
    for cve, path, sha256, stamp, verified in db.execute(query):
        if cve != about:
            tick()
            about, first = cve, path
        elif path != first and path not in repeated:
            reason = f"it is about {cve}, and so is {first}; a feed says it once"
            repeated[path] = sha256, stamp, reason, bool(verified)
    return repeated


def _names_said(
    rows: t.Mapping[str, DocumentRow],
    db: sqlite3.Connection,
    stage: Stage,
    packages: PackageRows,
    tick: t.Callable[[], None],
) -> dict[str, set[str]]:
    """Names of the packages and modules that documents say something of, and ids of their vulnerabilities, so that
    a document that says nothing does not concern everything. Looks through all that is said.
    """
    names_by_path: dict[str, set[str]] = {}
    by_number: dict[int, set[str]] = {}
    for path, row in rows.items():
        numbers = range(row.first, row.first + row.vulnerabilities)
        titles = db.execute(
            "SELECT cve FROM vulnerabilities WHERE id BETWEEN ? AND ?", (numbers.start, numbers.stop - 1)
        )
        names_by_path[path] = {cve for (cve,) in titles}
        by_number.update(dict.fromkeys(numbers, names_by_path[path]))
    for name, number in stage.names_of(by_number):
        by_number[number].add(name.partition(":")[0])
    if any(number <= packages.loaded for number in by_number):
        for name, number in packages.names_of(by_number, tick):
            by_number[number].add(name.partition(":")[0])
    return names_by_path


def _totals(every: t.Iterable[DocumentRow]) -> dict[str, t.Any]:
    """Sums of what the documents tell."""
    skipped: collections.Counter[str] = collections.Counter()
    rows = documents = statements = verified = rejected = 0
    newest = ""
    years: set[int] = set()
    for row in every:
        rows += 1
        rejected += row.category == REJECTED
        documents += row.category not in (REJECTED, LEFT_OUT)
        if row.category != LEFT_OUT and (year := _YEAR.search(row.path)):
            years.add(int(year[1]))
        statements += row.statements
        verified += row.verified
        newest = max(newest, row.revision)
        if row.skipped != "{}":
            skipped.update(json.loads(row.skipped))
    return {
        "rows": rows,
        "documents": documents,
        "rejected": rejected,
        "statements": statements,
        "verified": verified,
        "newest": newest,
        "years": [min(years), max(years)] if years else [],
        "skipped": dict(sorted(skipped.items())),
    }


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def touch(path: str, checked: str, sources: t.Sequence[str], state: t.Mapping[str, t.Any] | None = None) -> None:
    """Note that the feed was looked at, where, and had not changed. ``state``: what the next update has to know."""
    noted = {"checked": checked, "sources": list(sources), "feed": dict(state or {})}
    with FeedIndex.open(path) as index:
        if {key: index.meta.get(key) for key in noted} == noted:
            return
    with IndexUpdate(path, path) as update:
        update.finish(noted)
