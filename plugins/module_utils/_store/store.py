# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results are kept between runs.

Each call is one transaction, so that a run that is killed goes on where it stopped, and several runs may share a store.
"""

from __future__ import annotations

from .clusters import StoredClusters
from .database import Database, open_database
from .evaluations import StoredEvaluations
from .images import StoredImages
from .inventories import StoredInventories
from .jobs import StoredJobs
from .verdicts import StoredVerdicts


def open_store(url: str, password: str = "", create: bool = True, *, read_only: bool = False) -> Store:
    """Open the store at a SQLAlchemy URL or at the path of a SQLite file.

    ``create``: make a missing one; without it a missing store is an error (a mistyped path must not read as "nothing
    there"). ``read_only``: for check mode; nothing is written, and a missing store is an empty one.
    """
    return Store(open_database(url, password, create=create, read_only=read_only))


class Store:
    """Everything that is kept, by what it is about. Use as a context manager or close it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.images = StoredImages(database)
        self.inventories = StoredInventories(database)
        self.evaluations = StoredEvaluations(database)
        self.verdicts = StoredVerdicts(database)
        self.clusters = StoredClusters(database)
        self.jobs = StoredJobs(database)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    @property
    def read_only(self) -> bool:
        """Tell whether writes are refused."""
        return self.database.read_only
