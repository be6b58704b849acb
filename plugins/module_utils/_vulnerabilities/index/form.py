# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The feed index: one SQLite file, compiled once from a feed's documents, read by package name.

A full feed has some ten million statements. They shrink by grouping: for one package and one vulnerability, statements
that differ in product and architecture alone are one group. What the index has of a package are one or more rows of
``packages`` (an update adds a row), each a compressed JSON text::

    [name, [[vulnerability, [[status, module, evr, severity, fix_state, advisory, cvss, [product, ...], "arch"], ...]],
    ...]]

with numbers into the table ``vulnerabilities``, the list ``products``, and STATEMENT_STATUSES, SEVERITIES, FIX_STATES.

``lists`` has what is read whole, as compressed JSON ``[key, value]``: ``meta``; ``products`` ([[cpe, product], ...],
number 1 is the first); ``names`` (name -> ids of its rows in ``packages``); ``dead`` (numbers of vulnerabilities that
an update took away, and which may still stand in ``packages``); ``repositories`` (id -> CPEs).

Damage must never look like nothing said, so that everything has a checksum: compressed texts their own, rows a CRC.
The names are one list for that reason: a name that is not in it is not in the index.
"""

from __future__ import annotations

import json
import typing as t
import zlib

from ..model import STATUSES

STATEMENT_STATUSES = ("fixed", "known_affected", "known_not_affected", "under_investigation")
FIX_STATES = ("", *STATUSES)

#: Marks the file as ours (``PRAGMA application_id``). ``PRAGMA user_version`` has the version of the form.
APPLICATION_ID = 0x696D7378

#: ``documents.category`` of what was not read: its reason is in ``note``, and it says nothing.
REJECTED = "rejected"
LEFT_OUT = "left_out"

#: A document's vulnerabilities are numbered ``first`` to ``first + vulnerabilities - 1``. ``scope``: of a rejected one
#: what it can concern, as JSON ``[names, distributions]`` (see ``documents.unread``); else empty.
TABLES = """
CREATE TABLE lists (key TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 TEXT NOT NULL, revision TEXT NOT NULL, stamp TEXT NOT NULL,
    verified INTEGER NOT NULL, category TEXT NOT NULL, note TEXT NOT NULL, skipped TEXT NOT NULL,
    statements INTEGER NOT NULL, first INTEGER NOT NULL, vulnerabilities INTEGER NOT NULL, scope TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE TABLE vulnerabilities (
    id INTEGER PRIMARY KEY, cve TEXT NOT NULL, document INTEGER NOT NULL, crc INTEGER NOT NULL
);
CREATE TABLE packages (id INTEGER PRIMARY KEY, groups BLOB NOT NULL);
"""

_BLOB_LIMIT = 1 << 30
_JSON = json.JSONEncoder(separators=(",", ":"), check_circular=False)


class Title(t.NamedTuple):
    """Which vulnerability groups are about, and which document (path in its feed, release date) says so.

    ``verified``: whether the document's signature was checked and is good.
    """

    cve: str
    revision: str
    path: str
    verified: bool = False


class Group(t.NamedTuple):
    """Statements of one package and vulnerability that differ in product and architecture alone.

    ``products``: numbers into ``FeedIndex.products``. ``arches``: separated by blanks; ``*`` stands for any.
    """

    status: int
    module: str
    evr: str
    severity: int
    fix_state: int
    advisory: str
    cvss: str
    products: list[int]
    arches: str


class DocumentRow(t.NamedTuple):
    """A row of ``documents`` without its checksum. ``scope``: see TABLES."""

    id: int
    path: str
    sha256: str
    revision: str
    stamp: str
    verified: int
    category: str
    note: str
    skipped: str
    statements: int
    first: int
    vulnerabilities: int
    scope: str = ""


def checksum(row: t.Sequence[str | int]) -> int:
    """The checksum of a row."""
    return zlib.crc32(repr(tuple(row)).encode("utf-8", "surrogatepass"))


def to_json(value: t.Any) -> str:
    """A value as compact JSON."""
    return _JSON.encode(value)


def compressed(text: str) -> bytes:
    """A text as it is stored."""
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)


def expanded(data: t.Any) -> t.Any:
    """The JSON value of a stored text. Raises ValueError, TypeError, RecursionError or zlib.error for damage."""
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, _BLOB_LIMIT)
    if not inflater.eof:
        raise ValueError("a compressed text is cut")
    return json.loads(text)
