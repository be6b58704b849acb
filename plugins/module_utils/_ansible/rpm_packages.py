# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``rpm_info``: the packages of one image, root folder or database file."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError, LimitExceeded
from .._images.access import Access
from .._images.model import Descriptor, ImageIndex, Platform
from .._images.platforms import matches, normalized, parse_platform
from .._images.targets import list_targets, open_child, open_target
from .._packages.codec import inventory_to_dict
from .._packages.inventory import take_inventory
from .._packages.model import Package
from .._packages.rpm.databases import choose_database, read_databases
from .._scanner.targets import absolute, canonical_name, is_local

#: Files that belong to a database and lie beside it.
COMPANIONS = ("-wal", "-journal")
DATABASE_LIMIT = 512 << 20
#: How the formats begin: SQLite, ndb; Berkeley DB has its magic, in either byte order, at byte 12.
SQLITE = b"SQLite format 3\0"
NDB = b"RpmP"
BERKELEY = (b"\x61\x15\x06\x00", b"\x00\x06\x15\x61")


def list_packages(module: AnsibleModule) -> dict[str, t.Any]:
    """Read one image or database. Returns the result of the module."""
    path = module.params["path"].strip()
    if not is_local(path):
        path = absolute(path)
        name = _database_name(path) if os.path.isfile(path) else ""  # noqa: PTH113 - text in
        if name:
            return _read_file(path, name)
        path = _only_image(list_targets(path), path)
    opened = open_target(canonical_name(path), Access())
    if isinstance(opened, ImageIndex):
        opened = open_child(opened, _image_for(opened, module.params["platform"]), Access())
    inventory = take_inventory(opened)
    values = inventory_to_dict(inventory)
    return {
        **_packages_to_dict(inventory.packages),
        **{key: values[key] for key in ("os", "database", "repositories", "not_examined", "problems")},
    }


def _only_image(targets: list[str], path: str) -> str:
    """Return the one image of a path; with several the person has to choose."""
    if len(targets) == 1:
        return targets[0]
    if not targets:
        raise InputError(f"{path} holds no image")
    shown = ", ".join(targets[:10])
    more = f" and {len(targets) - 10} more" if len(targets) > 10 else ""
    raise InputError(f"{path} holds {len(targets)} images", hint=f"give one of them as path: {shown}{more}")


def _image_for(index: ImageIndex, platform: str | None) -> Descriptor:
    """Return the image of an index that is for a platform."""
    have = ", ".join(str(child.platform or "unknown") for child in index.children)
    if not platform:
        if len(index.children) == 1:
            return index.children[0]
        raise InputError("it is an index of several images", hint=f"choose one by platform: {have}")
    suitable = _images_that_run_on(parse_platform(platform), index)
    if len(suitable) != 1:
        raise InputError(f"the index has {len(suitable)} images for {platform}", hint=f"it has {have}")
    return suitable[0]


def _images_that_run_on(node: Platform, index: ImageIndex) -> list[Descriptor]:
    """List what a node would take of an index: what is exactly for it before anything else."""
    named = [(child, child.platform) for child in index.children if child.platform is not None]
    exact = [child for child, platform in named if normalized(platform) == normalized(node)]
    return exact or [child for child, platform in named if matches(node, platform)]


def _database_name(path: str) -> str:
    """Return the name under which a file is a package database, by its first bytes; empty if it is not one."""
    try:
        with open(path, "rb") as source:
            head = source.read(16)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if head.startswith(SQLITE):
        return "rpmdb.sqlite"
    if head.startswith(NDB):
        return "Packages.db"
    return "Packages" if head[12:16] in BERKELEY else ""


def _read_file(path: str, name: str) -> dict[str, t.Any]:
    """Read a database file, with what lies beside it."""
    files = {}
    for suffix in ("", *COMPANIONS):
        if suffix and not os.path.exists(path + suffix):  # noqa: PTH110 - text in
            continue
        try:
            with open(path + suffix, "rb") as source:
                data = source.read(DATABASE_LIMIT + 1)
        except OSError as error:
            raise InputError(f"{path}{suffix} cannot be read: {error.strerror or error}") from error
        if len(data) > DATABASE_LIMIT:
            raise LimitExceeded(f"{path}{suffix} is larger than {DATABASE_LIMIT >> 20} MiB")
        files[f"var/lib/rpm/{name}{suffix}"] = data
    readings = read_databases(files)
    if not readings:
        raise InputError(f"{path} is not an RPM package database")
    reading, problems = choose_database(readings)
    return {
        **_packages_to_dict(reading.packages),
        "os": {},
        "database": {"path": path, "format": reading.database.format, "rows": reading.database.rows},
        "repositories": [],
        "not_examined": {},
        "problems": [{"code": problem.code, "message": problem.message} for problem in problems],
    }


def _packages_to_dict(packages: t.Sequence[Package]) -> dict[str, t.Any]:
    """Describe packages with all fields, also those without a value."""
    return {
        "packages": [{**dataclasses.asdict(package), "nevra": package.nevra} for package in packages],
        "count": len(packages),
    }
