# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of clusters in the store."""

from __future__ import annotations

import dataclasses
import typing as t

from .._scanner.model import JobRecord
from .database import Database
from .tables import tables

if t.TYPE_CHECKING:
    import sqlalchemy as sa


class StoredJobs:
    """The Jobs that runs made, until their results are kept and they are deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, job: JobRecord) -> None:
        """Keep that a Job exists."""
        import sqlalchemy as sa

        table = tables().jobs

        def work(connection: sa.Connection) -> None:
            if connection.execute(sa.select(table.c.uid).where(table.c.uid == job.uid)).first() is None:
                connection.execute(table.insert().values(**dataclasses.asdict(job)))

        self._database.write(work)

    def forget(self, uid: str) -> None:
        """Drop what is known of a Job."""
        table = tables().jobs
        self._database.write(lambda connection: connection.execute(table.delete().where(table.c.uid == uid)).close())

    def of_namespace(self, server: str, namespace: str) -> list[JobRecord]:
        """The Jobs on record in one namespace of a cluster, oldest first."""
        table = tables().jobs
        if not self._database.has(table):
            return []
        query = table.select().where(table.c.server == server, table.c.namespace == namespace)
        rows = self._database.rows(query.order_by(table.c.created, table.c.name))
        return [JobRecord(**row._mapping) for row in rows]
