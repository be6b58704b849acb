# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The feed index: one SQLite file, compiled once from a feed's documents, read by package name.

A full feed has some ten million statements. They shrink by grouping: for one package and one vulnerability, statements
that differ in product and architecture alone are one group. A package's groups are one compressed JSON text::

    [[vulnerability, [[status, module, evr, severity, fix_state, advisory, cvss, [product, ...], "arch"], ...]], ...]

with numbers into the tables ``vulnerabilities`` and ``products``, and into STATEMENT_STATUSES, SEVERITIES, FIX_STATES.
"""

from __future__ import annotations

import typing as t

from ..model import STATUSES

STATEMENT_STATUSES = ("fixed", "known_affected", "known_not_affected", "under_investigation")
FIX_STATES = ("", *STATUSES)

#: Marks the file as ours (``PRAGMA application_id``).
APPLICATION_ID = 0x696D7378

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE products (id INTEGER PRIMARY KEY, cpe TEXT NOT NULL, product TEXT NOT NULL);
CREATE TABLE vulnerabilities (id INTEGER PRIMARY KEY, cve TEXT NOT NULL, revision TEXT NOT NULL, path TEXT NOT NULL);
CREATE TABLE packages (name TEXT PRIMARY KEY, groups BLOB NOT NULL);
CREATE TABLE repositories (id TEXT PRIMARY KEY, cpes TEXT NOT NULL) WITHOUT ROWID;
"""


class Title(t.NamedTuple):
    """Which vulnerability groups are about, and which document (path in its feed, release date) says so."""

    cve: str
    revision: str
    path: str


class Group(t.NamedTuple):
    """Statements of one package and vulnerability that differ in product and architecture alone."""

    status: int
    module: str
    evr: str
    severity: int
    fix_state: int
    advisory: str
    cvss: str
    products: list[int]
    arches: str
