# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories in the store, and the package sets that several of them share."""

from __future__ import annotations

import typing as t

from .._core.errors import CorruptData
from .._verdicts.precedence import inventory_outlives
from .bodies import canonical, pack, put_row, put_set, sha256_of, unpack
from .database import Database
from .images import drop_error, put_image
from .model import KnownInventory
from .tables import tables

if t.TYPE_CHECKING:
    import sqlalchemy as sa


class StoredInventories:
    """The inventories of images, by digest."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Hash and content of the package set that was read last: images of one run often share it.
        self._last_packages: tuple[str, t.Any] = ("", None)

    def known(self, digests: t.Iterable[str]) -> dict[str, KnownInventory]:
        """Digest -> summary of its inventory; digests without one are left out."""
        import sqlalchemy as sa

        table = tables().inventories
        query = sa.select(*(table.c[name] for name in KnownInventory._fields))
        return {row.digest: KnownInventory(*row) for row in self._database.rows_in(query, table.c.digest, digests)}

    def package_sets(self, digests: t.Iterable[str]) -> dict[str, str]:
        """Digest -> hash of its packages, the same for images with the same ones; without an inventory left out."""
        import sqlalchemy as sa

        table = tables().inventories
        query = sa.select(table.c.digest, table.c.package_set)
        return {row.digest: row.package_set for row in self._database.rows_in(query, table.c.digest, digests)}

    def get(self, digest: str) -> dict[str, t.Any] | None:
        """Read the inventory of an image, in the form of ``_packages.codec``; None where none is stored.

        Its packages are the very list that the call before gave where they are the same: they must not be changed.
        Raises CorruptData.
        """
        import sqlalchemy as sa

        inventories, sets = tables().inventories, tables().package_sets
        query = sa.select(inventories.c.body, inventories.c.package_set).where(inventories.c.digest == digest)
        place = self._database.where
        body = None
        with self._database.reading() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            if row.package_set != self._last_packages[0]:
                body = connection.execute(sa.select(sets.c.body).where(sets.c.sha256 == row.package_set)).scalar()
                if body is None:
                    raise CorruptData(f"the package set {row.package_set} of {digest} is missing in the store {place}")
        inventory = unpack(row.body, f"the inventory of {digest}")
        if body is not None:
            self._last_packages = (row.package_set, unpack(body, f"the package set of {digest}"))
        packages = self._last_packages[1]
        if not isinstance(inventory, dict) or not isinstance(packages, list):
            raise CorruptData(f"the inventory of {digest} in the store {place} does not have its form")
        return {**inventory, "packages": packages}

    def labels(self, digest: str) -> dict[str, str]:
        """Read the labels of an image, as its inventory has them; none without one. Packages are not read."""
        import sqlalchemy as sa

        inventories = tables().inventories
        row = self._database.first(sa.select(inventories.c.body).where(inventories.c.digest == digest))
        labels = None if row is None else unpack(row.body, f"the inventory of {digest}").get("labels")
        return {str(key): str(value) for key, value in (labels or {}).items()}

    def package_names(self) -> set[str]:
        """Collect the names of all packages in the store, and of the source packages they were built from."""
        import sqlalchemy as sa

        sets = tables().package_sets
        names: set[str] = set()
        with self._database.reading() as connection:
            for row in connection.execute(sa.select(sets.c.sha256, sets.c.body)):
                for package in unpack(row.body, f"the package set {row.sha256}"):
                    names.add(str(package.get("name", "")))
                    names.add(str(package.get("source_rpm", "")).rpartition("-")[0].rpartition("-")[0])
        return names - {""}

    def record(
        self, digest: str, reference: str, inventory: t.Mapping[str, t.Any], *, platform: str, scanned_at: str
    ) -> bool:
        """Keep the inventory of an image, and forget the error of an earlier attempt. True when anything is new.

        An inventory that was taken later than this one stays.
        """
        table = tables().inventories
        body = {key: value for key, value in inventory.items() if key != "packages"}
        packages = list(inventory["packages"])
        packed = canonical(packages)
        package_set = sha256_of(packed)
        values = {
            "schema_version": int(inventory["schema_version"]),
            "package_set": package_set,
            "packages": len(packages),
            "kind": str(inventory["kind"]),
            "complete": not inventory["problems"],
            "scanned_at": scanned_at,
            "body": pack(canonical(body)),
        }

        def work(connection: sa.Connection) -> bool:
            changed = put_image(connection, digest, reference, scanned_at, "image", platform)
            changed |= drop_error(connection, digest)
            row = connection.execute(table.select().where(table.c.digest == digest).with_for_update()).first()
            if row is not None and inventory_outlives(row.scanned_at, scanned_at):
                return changed
            put_set(connection, tables().package_sets, package_set, packed, packages=len(packages))
            put_row(connection, table, {"digest": digest}, values, new=row is None)
            if row is None:
                return True
            facts = ("schema_version", "package_set", "kind", "complete")
            is_same = all(getattr(row, name) == values[name] for name in facts)
            return changed or not is_same or bytes(row.body) != values["body"]

        return self._database.write(work)
