# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters in the store."""

from __future__ import annotations

import typing as t

from .bodies import canonical, pack, unpack
from .database import Database
from .model import StoredCluster
from .tables import tables
from .texts import clean_text, text_key

if t.TYPE_CHECKING:
    import sqlalchemy as sa


class StoredClusters:
    """The images that clusters were last found to have."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, name: str, images: t.Iterable[str], *, now: str) -> None:
        """Keep which images (keys) a cluster has, for the time when it cannot be asked."""
        table = tables().clusters
        key = text_key(name)
        values = {"name": clean_text(name), "seen_at": now, "images": pack(canonical(sorted(set(images))))}

        def work(connection: sa.Connection) -> None:
            connection.execute(table.delete().where(table.c.sha256 == key))
            connection.execute(table.insert().values(sha256=key, **values))

        self._database.write(work)

    def get(self, name: str) -> StoredCluster | None:
        """Read what a cluster was last found to have; None where it never was asked."""
        table = tables().clusters
        if not self._database.has(table):
            return None
        row = self._database.first(table.select().where(table.c.sha256 == text_key(name)))
        return None if row is None else StoredCluster(row.seen_at, unpack(row.images, f"the cluster {name}"))
