# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories as JSON objects, and back, strictly. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import CorruptData
from .._images.model import Problem
from .model import SCHEMA_VERSION, Database, Inventory, OsRelease, Package, RepositoryId

KINDS = ("rpm", "dpkg", "apk", "static", "unknown")

_T = t.TypeVar("_T")

#: Defaults are left out of the JSON: most of a package's fields are empty.
_PACKAGE_TYPES: t.Mapping[str, type] = {
    "name": str,
    "epoch": int,
    "version": str,
    "release": str,
    "arch": str,
    "source_rpm": str,
    "vendor": str,
    "key_id": str,
    "modularity": str,
    "license": str,
    "install_time": int,
    "size": int,
    "repository": str,
}
_PACKAGE_REQUIRED = frozenset(("name", "version", "release", "arch"))
_OS_TEXTS = ("id", "version_id", "name", "pretty_name", "cpe_name", "variant_id")
_KEYS = frozenset(field.name for field in dataclasses.fields(Inventory))


def inventory_to_dict(inventory: Inventory) -> dict[str, t.Any]:
    """A JSON object with ``schema_version``; equal inventories give equal objects."""
    return {
        "schema_version": inventory.schema_version,
        "kind": inventory.kind,
        "os": {**{name: getattr(inventory.os, name) for name in _OS_TEXTS}, "id_like": list(inventory.os.id_like)},
        "packages": [_package_to_dict(package) for package in inventory.packages],
        "database": dataclasses.asdict(inventory.database) if inventory.database else None,
        "repositories": [{"id": one.id, "source": one.source} for one in inventory.repositories],
        "label_cpes": list(inventory.label_cpes),
        "labels": dict(sorted(inventory.labels.items())),
        "not_examined": dict(sorted(inventory.not_examined.items())),
        "problems": [{"code": one.code, "message": one.message} for one in inventory.problems],
    }


def _package_to_dict(package: Package) -> dict[str, t.Any]:
    values = {name: getattr(package, name) for name in _PACKAGE_TYPES}
    return {
        name: value
        for name, value in values.items()
        if name in _PACKAGE_REQUIRED or (value is not None if name == "epoch" else value not in ("", 0))
    }


def inventory_from_dict(value: object) -> Inventory:
    """The inventory that ``inventory_to_dict`` wrote. Raises CorruptData for anything else, newer versions included."""
    top = _object(value, "inventory")
    version = _typed(top.get("schema_version"), int, "schema_version")
    if version > SCHEMA_VERSION:
        raise CorruptData(
            f"the inventory has schema version {version}; this program knows {SCHEMA_VERSION}",
            code="inventory-too-new",
            hint="upgrade the collection",
        )
    _exactly(top, _KEYS, _KEYS, "inventory")
    kind = _typed(top["kind"], str, "kind")
    if kind not in KINDS:
        raise CorruptData(f"the inventory has the unknown kind {kind[:40]!r}", code="inventory-invalid")
    database = top["database"]
    return Inventory(
        kind=kind,
        os=_os(top["os"]),
        packages=tuple(_package(one, number) for number, one in enumerate(_list(top["packages"], "packages"))),
        database=None if database is None else _flat(Database, database, "database"),
        repositories=_flats(RepositoryId, top["repositories"], "repositories"),
        label_cpes=_texts(top["label_cpes"], "label_cpes"),
        labels=_mapping(top["labels"], str, "labels"),
        not_examined=_mapping(top["not_examined"], int, "not_examined"),
        problems=_flats(Problem, top["problems"], "problems"),
        schema_version=version,
    )


def _os(value: object) -> OsRelease:
    found = _object(value, "os")
    names = frozenset((*_OS_TEXTS, "id_like"))
    _exactly(found, names, names, "os")
    texts = {name: _typed(found[name], str, f"os.{name}") for name in _OS_TEXTS}
    return OsRelease(id_like=_texts(found["id_like"], "os.id_like"), **texts)


def _package(value: object, number: int) -> Package:
    where = f"packages[{number}]"
    found = _object(value, where)
    _exactly(found, _PACKAGE_REQUIRED, frozenset(_PACKAGE_TYPES), where)
    for name, one in found.items():
        _typed(one, _PACKAGE_TYPES[name], f"{where}.{name}")
    return Package(**{"epoch": None, **found})


def _flat(kind: type[_T], value: object, where: str) -> _T:
    """A dataclass whose fields are all texts or integers."""
    found = _object(value, where)
    # Only dataclasses come here, which the type of kind does not say.
    # The kinds are dataclasses.
    types = {field.name: int if field.type == "int" else str for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    _exactly(found, frozenset(types), frozenset(types), where)
    for name, one in found.items():
        _typed(one, types[name], f"{where}.{name}")
    return kind(**found)


def _flats(kind: type[_T], value: object, where: str) -> tuple[_T, ...]:
    return tuple(_flat(kind, one, where) for one in _list(value, where))


def _typed(value: t.Any, kind: type[_T], where: str) -> _T:
    if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
        what = "a text" if kind is str else "a number from 0"
        raise CorruptData(f"{where} of the inventory is not {what}", code="inventory-invalid")
    return value


def _object(value: object, where: str) -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise CorruptData(f"{where} is not a JSON object", code="inventory-invalid")
    return value


def _list(value: object, where: str) -> list[t.Any]:
    if not isinstance(value, list):
        raise CorruptData(f"{where} of the inventory is not a list", code="inventory-invalid")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    return tuple(_typed(one, str, where) for one in _list(value, where))


def _mapping(value: object, kind: type[_T], where: str) -> dict[str, _T]:
    return {
        _typed(name, str, where): _typed(one, kind, f"{where}.{name}") for name, one in _object(value, where).items()
    }


def _exactly(found: t.Mapping[str, t.Any], required: frozenset[str], known: frozenset[str], where: str) -> None:
    missing, unknown = required - set(found), set(found) - known
    if missing:
        raise CorruptData(f"{where} has no {', '.join(sorted(missing))}", code="inventory-invalid")
    if unknown:
        names = ", ".join(ascii(name)[:40] for name in sorted(unknown, key=str)[:5])
        raise CorruptData(f"{where} has the unknown field {names}", code="inventory-invalid")
