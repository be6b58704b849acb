# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of an RPM inventory. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import typing as t

from .._images.model import Problem

#: Version of the inventory's form and of what the readers see; raised when older inventories are no longer valid.
SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Package:
    """One header of the database. ``epoch`` is None where the header has none (compares as 0).

    ``key_id``: last 16 hex digits, lower case, of the key that signed the header, or empty.
    ``modularity``: ``name:stream:version:context`` or empty. ``install_time``: seconds since 1970, UTC.
    ``repository``: repository id of the package where the dnf history tells, else empty.
    """

    name: str
    epoch: int | None
    version: str
    release: str
    arch: str
    source_rpm: str = ""
    vendor: str = ""
    key_id: str = ""
    modularity: str = ""
    license: str = ""
    install_time: int = 0
    size: int = 0
    repository: str = ""

    @property
    def evr(self) -> str:
        """``epoch:version-release`` with an explicit epoch."""
        return f"{self.epoch or 0}:{self.version}-{self.release}"

    @property
    def nevra(self) -> str:
        """``name-epoch:version-release.arch``, the form of DESIGN 5.3."""
        return f"{self.name}-{self.evr}.{self.arch}"


@dataclasses.dataclass(frozen=True)
class OsRelease:
    """The fields of os-release that matter, empty where absent. ``id`` and ``id_like`` are lower case."""

    id: str = ""
    version_id: str = ""
    name: str = ""
    pretty_name: str = ""
    id_like: tuple[str, ...] = ()
    cpe_name: str = ""
    variant_id: str = ""


@dataclasses.dataclass(frozen=True)
class RepositoryId:
    """A raw repository id, mapped to CPEs when judging. ``source``: ``content_manifest`` or ``dnf_history``."""

    id: str
    source: str


@dataclasses.dataclass(frozen=True)
class PackageDatabase:
    """The package database that was read. ``rows``: its own count of headers; equals the number of packages read."""

    path: str
    format: str
    rows: int


@dataclasses.dataclass(frozen=True)
class Inventory:
    """Contents of one image.

    ``kind``: ``rpm``, ``dpkg``, ``apk``, ``static`` or ``unknown``. ``repositories``: empty means that the CPEs must
    be assumed from os-release, and be marked so. ``labels``: of the image's config. ``label_cpes``: CPEs that
    ``labels.json`` or the config's labels name. ``not_examined``: component kind (``jar``, ``python``, ``npm``,
    ``dpkg``, ``apk``) -> number. ``problems`` empty means that the inventory is complete.
    """

    kind: str
    os: OsRelease
    packages: tuple[Package, ...]
    database: PackageDatabase | None
    repositories: tuple[RepositoryId, ...]
    label_cpes: tuple[str, ...]
    labels: t.Mapping[str, str]
    not_examined: t.Mapping[str, int]
    problems: tuple[Problem, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def complete(self) -> bool:
        """True when nothing of the inventory was out of sight."""
        return not self.problems
