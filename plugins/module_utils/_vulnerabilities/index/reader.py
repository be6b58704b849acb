# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a feed index."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import typing as t
import zlib
from pathlib import Path

from ..._core.errors import CorruptData, InputError
from ..documents.unread import EVERYTHING, UnreadScope
from ..model import SCHEMA_VERSION, SEVERITIES, FeedInfo, Statement
from .form import (
    APPLICATION_ID,
    FIX_STATES,
    REJECTED,
    STATEMENT_STATUSES,
    DocumentRow,
    Group,
    Title,
    checksum,
    expanded,
    to_json,
)


class RejectedDocument(t.NamedTuple):
    """A document that could not be read: where it stands in its feed, SHA-256 of its bytes, why, and what it may be
    about.
    """

    path: str
    sha256: str
    reason: str
    scope: UnreadScope


class IndexedDocument(t.NamedTuple):
    """A document that the index was made of, be it read, rejected or left out because it says nothing about packages.

    ``path``: where it stands in its feed. ``sha256``: of its bytes. ``revision``: its release date, RFC 3339, empty
    where it was not read. ``stamp``: its time in the vendor's list of changes, empty when it was not in one.
    ``verified``: its signature was checked and is good.
    """

    path: str
    sha256: str
    revision: str
    stamp: str
    verified: bool


def is_index(path: str) -> bool:
    """Return whether a file is a feed index, be it damaged or of another version."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION_ID.to_bytes(4, "big")


def identity_of(path: str) -> tuple[int, int] | None:
    """Which file is at a path; None for none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _stamp(path: str) -> tuple[int, ...]:
    """Device, number, size and time of change of a file; empty for none."""
    try:
        status = Path(path).stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class FeedIndex:
    """A feed index, open for reading. Close it, or use it as a context manager.

    Opening reads the description alone; ``products``, the names and the repositories are read once, when needed.
    ``identity``: which file it is, be it replaced later.
    """

    def __init__(
        self, path: str, database: sqlite3.Connection, meta: dict[str, t.Any], stamp: tuple[int, ...] = ()
    ) -> None:
        self.path = path
        self.meta = meta
        self.identity = identity_of(path)
        self._db = database
        self._stamp = stamp
        self._products: list[tuple[str, str]] | None = None
        self._names: dict[str, list[int]] | None = None
        self._dead: frozenset[int] | None = None
        self._rows: list[DocumentRow] | None = None
        self._repositories: dict[str, list[str]] | None = None
        self.info = _info(meta, path)

    @classmethod
    def open(cls, path: str) -> FeedIndex:
        """Open an index. Raises InputError when there is none or it is of another form, CorruptData when damaged."""
        location = Path(path).absolute()
        if not location.is_file():
            raise InputError(
                f"there is no feed index at {location}",
                code="no-feed",
                hint="make one with the module vulnerability_feed",
            )
        stamp = _stamp(str(location))
        try:
            # Quoted by hand: as_uri() refuses nothing, and a "?" in a folder's name must not become an option.
            database = sqlite3.connect(f"{location.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise CorruptData(
                f"the feed index {location} cannot be opened: {error}", code="feed-index-corrupt"
            ) from error
        try:
            with damage(str(location)):
                application = database.execute("PRAGMA application_id").fetchone()[0]
                if application != APPLICATION_ID:
                    raise CorruptData(f"{location} is not a feed index", code="feed-index-corrupt")
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version > SCHEMA_VERSION:
                    raise InputError(
                        f"the feed index {location} has schema version {version}; {SCHEMA_VERSION} is the newest known",
                        code="feed-index-newer",
                        hint="update the collection, or build the index again",
                    )
                if version < SCHEMA_VERSION:
                    raise InputError(
                        f"the feed index {location} was made by an older version of the collection",
                        code="feed-index-older",
                        hint="build it again with the module vulnerability_feed",
                    )
                meta = read_list(database, "meta")
                if meta["schema_version"] != version:
                    raise CorruptData(f"the feed index {location} has no schema version", code="feed-index-corrupt")
                return cls(str(location), database, meta, stamp)
        except BaseException:
            database.close()
            raise

    def check_unchanged(self) -> None:
        """Raise CorruptData if somebody wrote into the file since it was opened.

        What was read before and after does not belong together then. A new index is renamed into the place of the old
        one, which stays as it is for whoever reads it.
        """
        present = _stamp(self.path)
        if present[:2] == self._stamp[:2] and present != self._stamp:
            raise CorruptData(
                f"the feed index {self.path} was overwritten while it was read",
                code="feed-index-changed",
                hint="judge again; put a new index in its place by renaming it, and not by copying over it",
            )

    def __enter__(self) -> FeedIndex:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- what it says --

    @property
    def products(self) -> list[tuple[str, str]]:
        """CPE and product id by number; number 0 is unused. The same list every time: it can be a key for caches."""
        if self._products is None:
            with damage(self.path):
                rows = read_list(self._db, "products")
                self._products = [("", ""), *((str(cpe), str(product)) for cpe, product in rows)]
        return self._products

    def names(self) -> t.KeysView[str]:
        """Names of all packages that something is said of."""
        return self._directory().keys()

    def _directory(self) -> dict[str, list[int]]:
        if self._names is None:
            with damage(self.path):
                names = read_list(self._db, "names")
                self._dead = frozenset(read_list(self._db, "dead"))
                if not isinstance(names, dict):
                    raise ValueError("its list of names is none")
                self._names = names
        return self._names

    def groups(self, name: str) -> list[tuple[int, list[Group]]]:
        """All that is said of one package: number of the vulnerability and its groups.

        Read and decoded anew by every call: some 10 ms for a kernel package of a full feed, 0.1 ms for most others.
        """
        numbered_groups: list[tuple[int, list[Group]]] = []
        rows = self._directory().get(name)
        if rows is None:
            return numbered_groups
        dead = self._dead or frozenset()
        with damage(self.path):
            for number in rows:
                row = self._db.execute("SELECT groups FROM packages WHERE id = ?", (number,)).fetchone()
                if row is None:
                    raise ValueError(f"it lacks what it says of {name}")
                own, entries = expanded(row[0])
                if own != name:
                    raise ValueError(f"it has something else in the place of {name}")
                numbered_groups.extend(
                    (vulnerability, [Group._make(group) for group in groups])
                    for vulnerability, groups in entries
                    if vulnerability not in dead
                )
        return numbered_groups

    def vulnerabilities(self, numbers: t.Iterable[int]) -> dict[int, Title]:
        """Vulnerabilities by number. Some 3 microseconds each: ask for many at once, or use ``titles``."""
        titles: dict[int, Title] = {}
        sorted_numbers = sorted(set(numbers))
        for start in range(0, len(sorted_numbers), 500):
            part = sorted_numbers[start : start + 500]
            titles.update(self._titles(f"WHERE v.id IN ({','.join('?' * len(part))})", part))
        if len(titles) != len(sorted_numbers):
            raise CorruptData(f"the feed index {self.path} lacks vulnerabilities", code="feed-index-corrupt")
        return titles

    def titles_of(self, cve: str) -> list[Title]:
        """Every document that is about one vulnerability, whatever it says, by path. Looks through all of them."""
        return sorted(title for _number, title in self._titles("WHERE v.cve = ?", [cve]))

    def _titles(self, where: str, values: t.Sequence[t.Any]) -> t.Iterator[tuple[int, Title]]:
        query = (
            "SELECT v.id, v.cve, v.document, v.crc, d.* FROM vulnerabilities v"
            f" LEFT JOIN documents d ON d.id = v.document {where}"
        )
        with damage(self.path):
            for number, cve, document, own, *columns in self._db.execute(query, values):
                if checksum((number, cve, document)) != own:
                    raise ValueError(f"vulnerability {number} has another checksum")
                row = checked_row(columns)
                yield number, Title(cve, row.revision, row.path, bool(row.verified))

    def statements(self, names: t.Iterable[str]) -> dict[str, list[Statement]]:
        """Every statement about these packages, by name; packages without one are left out."""
        result: dict[str, list[Statement]] = {}
        for name in dict.fromkeys(names):
            groups = self.groups(name)
            titles = self.vulnerabilities(number for number, _groups in groups)
            statements = [
                self.statement(name, titles[number], group, product, "" if arch == "*" else arch)
                for number, inner in groups
                for group in inner
                for product in group.products
                for arch in group.arches.split(" ")
            ]
            if statements:
                result[name] = statements
        return result

    def statement(self, name: str, title: Title, group: Group, product: int, arch: str) -> Statement:
        """One statement of a group."""
        with damage(self.path):
            cpe, identity = self.products[product]
            return Statement(
                cve=title.cve,
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
                cvss=group.cvss,
                revision=title.revision,
            )

    def cpes_of(self, repository_id: str) -> tuple[str, ...]:
        """CPEs of a repository, empty when the map does not have it or there is no map."""
        with damage(self.path):
            return tuple(map(str, self.repositories().get(repository_id, ())))

    def repositories(self) -> dict[str, list[str]]:
        """The whole map of repositories: id -> CPEs."""
        if self._repositories is None:
            with damage(self.path):
                repositories = read_list(self._db, "repositories")
                if not isinstance(repositories, dict):
                    raise ValueError("its list of repositories is none")
                self._repositories = repositories
        return self._repositories

    # -- what it was made of --

    def rows(self) -> t.Iterator[DocumentRow]:
        """Every document with all that the index knows of it, in no order.

        Read once and kept: 0.3 s and 40 MB for a full feed.
        """
        if self._rows is None:
            with damage(self.path):
                self._rows = [checked_row(row) for row in self._db.execute("SELECT * FROM documents")]
                if len(self._rows) != self.meta["rows"]:
                    raise ValueError(f"it has {len(self._rows)} documents and not {self.meta['rows']}")
        return iter(self._rows)

    def documents(self) -> t.Iterator[IndexedDocument]:
        """Every document that it was made of, in no order."""
        for row in self.rows():
            yield _document(row)

    def rejected(self) -> list[RejectedDocument]:
        """Every document that could not be read, by path. Looks through all documents once, and reads these alone.

        Where signatures are checked, a document without a good one may be about everything: whoever changed it may have
        removed names.
        """
        with damage(self.path):
            query = "SELECT * FROM documents WHERE category = ? ORDER BY path"
            rows = [checked_row(row) for row in self._db.execute(query, (REJECTED,))]
            if len(rows) != self.info.rejected:
                raise ValueError(f"it has {len(rows)} rejected documents and not {self.info.rejected}")
            return [rejected_document(row, self.info.signature_key) for row in rows]

    def documents_about(self, names: t.Iterable[str]) -> t.Iterator[IndexedDocument]:
        """The documents that say something of these packages, each once, by path."""
        numbers = {number for name in dict.fromkeys(names) for number, _groups in self.groups(name)}
        paths = {title.path for title in self.vulnerabilities(numbers).values()}
        yield from sorted(document for document in self.documents() if document.path in paths)

    def content(self) -> t.Iterator[bytes]:
        """All that the index says, line by line, whatever the way it came to be: equal for equal feeds.

        Without what is said of the check alone: when, from where, and the stamps of the list of changes.
        """
        for row in sorted(self.rows(), key=lambda row: row.path):
            line = [row.path, row.sha256, row.revision, row.verified, row.category, row.note, row.skipped, row.scope]
            yield to_json([*line, row.statements]).encode() + b"\n"
        titles = dict(self._titles("", ()))
        products = self.products
        for name in sorted(self.names()):
            lines: list[list[t.Any]] = []
            for number, groups in self.groups(name):
                with damage(self.path):
                    title = titles[number]
                    for group in groups:
                        named = sorted(products[product] for product in group.products)
                        lines.append([title.path, title.cve, *group[:7], named, group.arches])
            if lines:
                yield to_json([name, sorted(lines)]).encode("utf-8", "surrogatepass") + b"\n"
        for key, cpes in sorted(self.repositories().items()):
            yield to_json([key, cpes]).encode("utf-8", "surrogatepass") + b"\n"
        yield to_json(list(self.info.names)).encode("utf-8", "surrogatepass") + b"\n"


def read_list(database: sqlite3.Connection, key: str) -> t.Any:
    """One of the lists. Raises what ``damage`` turns into CorruptData."""
    row = database.execute("SELECT data FROM lists WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise ValueError(f"its list {key} is missing")
    own, value = expanded(row[0])
    if own != key:
        raise ValueError(f"it has something else in the place of its list {key}")
    return value


def checked_row(row: t.Sequence[t.Any]) -> DocumentRow:
    """A row of ``documents``. Raises ValueError when it is damaged."""
    *fields, own = row
    if checksum(fields) != own:
        raise ValueError("a document's row has another checksum")
    return DocumentRow._make(fields)


def rejected_document(row: DocumentRow, signature_key: str) -> RejectedDocument:
    """The document of a rejected row of an index. Raises ValueError or TypeError when the row is damaged."""
    names, distributions = json.loads(row.scope)
    scope = UnreadScope(tuple(map(str, names)), tuple(map(str, distributions)))
    if signature_key and not row.verified:
        scope = EVERYTHING
    return RejectedDocument(row.path, row.sha256, row.note, scope)


def _document(row: DocumentRow) -> IndexedDocument:
    return IndexedDocument(row.path, row.sha256, row.revision, row.stamp, bool(row.verified))


def _info(meta: dict[str, t.Any], path: str) -> FeedInfo:
    with damage(path):
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
            distributions=tuple(map(str, meta.get("distributions", ("rhel", "rhcos")))),
            coverage=str(meta.get("coverage", "full")),
            signature_key=str(meta.get("signature_key", "")),
            verified=int(meta.get("verified", 0)),
            listed=int(meta.get("feed", {}).get("listed", 0)),
            years=tuple(map(int, meta.get("years", ()))),
        )


@contextlib.contextmanager
def damage(path: str) -> t.Iterator[None]:
    """Whatever a damaged index leads to is CorruptData."""
    try:
        yield
    except (sqlite3.Error, zlib.error, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise CorruptData(
            f"the feed index {path} is damaged: {error}", code="feed-index-corrupt", hint="build it again"
        ) from error
