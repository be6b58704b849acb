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

from ..._errors import CorruptData, InputError
from ..model import SCHEMA_VERSION, SEVERITIES, FeedInfo, Statement
from .form import APPLICATION_ID, FIX_STATES, STATEMENT_STATUSES, Group, Title

_BLOB_LIMIT = 1 << 30


def is_index(path: str) -> bool:
    """Whether a file is a feed index, be it damaged or of another version."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION_ID.to_bytes(4, "big")


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
                if application != APPLICATION_ID:
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

    def vulnerabilities(self, numbers: t.Iterable[int]) -> dict[int, Title]:
        """Vulnerabilities by number."""
        found: dict[int, Title] = {}
        wanted = sorted(set(numbers))
        with _damage(self.path):
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                marks = ",".join("?" * len(part))
                query = f"SELECT id, cve, revision, path FROM vulnerabilities WHERE id IN ({marks})"
                found.update((number, Title(*title)) for number, *title in self._db.execute(query, part))
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

    def statement(self, name: str, title: Title, group: Group, product: int, arch: str) -> Statement:
        """One statement of a group."""
        with _damage(self.path):
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
        with _damage(self.path):
            row = self._db.execute("SELECT cpes FROM repositories WHERE id = ?", (repository_id,)).fetchone()
            return tuple(json.loads(row[0])) if row else ()


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
