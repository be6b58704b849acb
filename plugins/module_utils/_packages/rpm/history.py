# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dnf history: from which repository each package came. Standard library only: the scanner pod runs this file.

dnf 4 (libdnf) and dnf 5 (libdnf5) keep it in SQLite, with tables ``trans_item`` (item, repository, action), ``repo``
and ``rpm``; dnf 5 has names and architectures in tables of their own.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import CorruptData, LimitExceeded
from .sqlite import Buffer, SqliteFile, Value

#: dnf 4: Install, Downgrade, Upgrade, Reinstall; dnf 5: Install, Upgrade, Downgrade, Reinstall.
_INBOUND_4 = (1, 2, 6, 9)
_INBOUND_5 = (1, 2, 3, 4)

#: Rows of one table; a machine that is updated daily for years has fewer.
MAX_ROWS = 300_000

#: name, epoch, version, release, architecture
Nevra = tuple[str, int, str, str, str]


def _repositories_of_items(
    items: t.Iterable[t.Mapping[str, Value]], repositories: t.Mapping[Value, str], five: bool
) -> dict[Value, str]:
    action, inbound = ("action_id", _INBOUND_5) if five else ("action", _INBOUND_4)
    came_from: dict[Value, str] = {}
    for row in items:
        repository = repositories.get(row.get("repo_id"), "")
        if row.get(action) in inbound and repository and not repository.startswith("@"):
            came_from[row.get("item_id")] = repository
    return came_from


def repositories_of_packages(data: Buffer, wal: Buffer | None, where: str) -> dict[Nevra, str]:
    """Repository id of every package that the history saw coming in, the newest transaction last and winning.

    Pseudo repositories (``@System``, ``@commandline``) are left out. Raises CorruptData or LimitExceeded.
    """
    file = SqliteFile(data, wal, where)
    if file.log_damage:
        raise CorruptData(file.log_damage, subject=where)
    tables = file.tables()
    five = "pkg_name" in tables
    repositories = _lookup(file, tables, "repo", "repoid")
    names = _lookup(file, tables, "pkg_name", "name") if five else {}
    architectures = _lookup(file, tables, "arch", "name") if five else {}
    came_from = _repositories_of_items(_rows(file, tables, "trans_item"), repositories, five)
    repository_of: dict[Nevra, str] = {}
    for row in _rows(file, tables, "rpm"):
        repository = came_from.get(row.get("item_id"), "")
        name = names.get(row.get("name_id")) if five else row.get("name")
        arch = architectures.get(row.get("arch_id")) if five else row.get("arch")
        nevra = (name, row.get("epoch"), row.get("version"), row.get("release"), arch)
        if not all(map(isinstance, nevra, (str, int, str, str, str))):
            raise CorruptData(f"row {row['rowid']!r} of table rpm is not a package", subject=where)
        if repository:
            repository_of[t.cast(Nevra, nevra)] = repository
    return repository_of


def _rows(file: SqliteFile, tables: t.Mapping[str, tuple[int, str]], name: str) -> t.Iterator[dict[str, Value]]:
    if name not in tables:
        raise CorruptData(f"has no table {name}; expected a dnf history", subject=file.where)
    for number, row in enumerate(file.dicts(*tables[name])):
        if number >= MAX_ROWS:
            raise LimitExceeded(f"table {name} has more than {MAX_ROWS} rows", subject=file.where)
        yield row


def _lookup(file: SqliteFile, tables: t.Mapping[str, tuple[int, str]], name: str, column: str) -> dict[Value, str]:
    texts = ((row.get("id"), row.get(column)) for row in _rows(file, tables, name))
    return {number: text for number, text in texts if isinstance(text, str)}
