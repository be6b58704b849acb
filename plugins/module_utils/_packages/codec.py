# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories as JSON objects, and back, strictly. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from .._core.errors import CorruptData
from .._core.shapes import Shapes
from .._images.model import Problem
from .model import SCHEMA_VERSION, Inventory, OsRelease, Package, PackageDatabase, RepositoryId
from .table import PACKAGE_KINDS

KINDS = (*PACKAGE_KINDS, "static", "unknown")

_PACKAGE = tuple(field.name for field in dataclasses.fields(Package))
_PACKAGE_NUMBERS = ("epoch", "install_time", "size")
_PACKAGE_REQUIRED = frozenset(("name", "version", "release", "arch"))
_OS_TEXTS = ("id", "version_id", "name", "pretty_name", "cpe_name", "variant_id")


def inventory_to_dict(inventory: Inventory) -> dict[str, t.Any]:
    """A JSON object with ``schema_version``; equal inventories give equal objects."""
    return {
        "schema_version": inventory.schema_version,
        "kind": inventory.kind,
        "os": {**{name: getattr(inventory.os, name) for name in _OS_TEXTS}, "id_like": list(inventory.os.id_like)},
        "packages": [_package_to_dict(package) for package in inventory.packages],
        "database": dataclasses.asdict(inventory.database) if inventory.database else None,
        "repositories": [{"id": repository.id, "source": repository.source} for repository in inventory.repositories],
        "label_cpes": list(inventory.label_cpes),
        "labels": dict(sorted(inventory.labels.items())),
        "not_examined": dict(sorted(inventory.not_examined.items())),
        "problems": [{"code": entry.code, "message": entry.message} for entry in inventory.problems],
    }


def _package_to_dict(package: Package) -> dict[str, t.Any]:
    # Defaults are left out of the JSON: most of a package's fields are empty.
    values = {name: getattr(package, name) for name in _PACKAGE}
    return {
        name: value
        for name, value in values.items()
        if name in _PACKAGE_REQUIRED or (value is not None if name == "epoch" else value not in ("", 0))
    }


def inventory_from_dict(value: object) -> Inventory:
    """The inventory that ``inventory_to_dict`` wrote. Raises CorruptData for anything else, newer versions included."""
    top = _SHAPES.fields(value, "inventory")
    version = _SHAPES.count(top.get("schema_version"), "schema_version")
    if version > SCHEMA_VERSION:
        raise CorruptData(
            f"the inventory has schema version {version}; this program knows {SCHEMA_VERSION}",
            code="inventory-too-new",
            hint="upgrade the collection",
        )
    return _READ(top, "inventory")


_SHAPES = Shapes("inventory-invalid")
_TEXT, _COUNT, _TEXTS = _SHAPES.text, _SHAPES.count, _SHAPES.many(_SHAPES.text)
_READ = _SHAPES.record(
    Inventory,
    {
        "schema_version": _COUNT,
        "kind": _SHAPES.word(KINDS),
        "os": _SHAPES.record(OsRelease, {**dict.fromkeys(_OS_TEXTS, _TEXT), "id_like": _TEXTS}),
        "packages": _SHAPES.many(
            _SHAPES.record(
                functools.partial(Package, epoch=None),
                {name: _COUNT if name in _PACKAGE_NUMBERS else _TEXT for name in _PACKAGE},
                _PACKAGE_REQUIRED,
            )
        ),
        "database": _SHAPES.optional(_SHAPES.record(PackageDatabase, {"path": _TEXT, "format": _TEXT, "rows": _COUNT})),
        "repositories": _SHAPES.many(_SHAPES.record(RepositoryId, {"id": _TEXT, "source": _TEXT})),
        "label_cpes": _TEXTS,
        "labels": _SHAPES.mapping(_TEXT),
        "not_examined": _SHAPES.mapping(_COUNT),
        "problems": _SHAPES.many(_SHAPES.record(Problem, {"code": _TEXT, "message": _TEXT})),
    },
)
