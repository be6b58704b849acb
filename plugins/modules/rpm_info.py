#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rpm_info
short_description: List the RPM packages of an image, a root folder or a package database
version_added: 0.1.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads an RPM package database in any of its three formats (SQLite, ndb, Berkeley DB) without the rpm program.
  - Takes the file of a database, an unpacked root folder, an OCI layout, or an archive of an image.
options:
  path:
    description:
      - What to read. The kind is recognised.
      - Where it cannot be, or to choose one of several images, name the transport, as in C(oci:PATH:TAG),
        C(oci-archive:PATH), C(docker-archive:PATH:REFERENCE) or C(rootfs:PATH).
    type: str
    required: true
  platform:
    description: Which image of a multi-platform index to read, as C(os/architecture[/variant]).
    type: str
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.info
notes:
  - This module reads one image and returns all of its packages. For many images use M(imagescan.openshift.image_scan),
    whose results stay in a store.
seealso:
  - module: imagescan.openshift.image_scan
"""

EXAMPLES = r"""
- name: List the packages of an unpacked image
  imagescan.openshift.rpm_info:
    path: /srv/images/ubi9-root
  register: rpms

- name: Fail when a package is there
  ansible.builtin.assert:
    that: "'telnet' not in rpms.packages | map(attribute='name')"

- name: Read the database file of another machine
  imagescan.openshift.rpm_info:
    path: /backup/host1/var/lib/rpm/rpmdb.sqlite
"""

RETURN = r"""
packages:
  description: The packages, in the order of the inventory.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
      returned: success
    epoch:
      description: Epoch, or null where the package has none.
      type: int
      returned: success
    version:
      description: Version.
      type: str
      returned: success
    release:
      description: Release.
      type: str
      returned: success
    arch:
      description: Architecture.
      type: str
      returned: success
    nevra:
      description: C(name-epoch:version-release.arch).
      type: str
      returned: success
    source_rpm:
      description: File name of the source package, or empty.
      type: str
      returned: success
    vendor:
      description: What the package says who made it. Anybody can write this.
      type: str
      returned: success
    key_id:
      description: Last 16 hexadecimal digits of the key that signed the package, or empty.
      type: str
      returned: success
    modularity:
      description: C(name:stream:version:context), or empty.
      type: str
      returned: success
    license:
      description: Licence.
      type: str
      returned: success
    install_time:
      description: When it was installed, in seconds since 1970.
      type: int
      returned: success
    size:
      description: Size of its files in bytes.
      type: int
      returned: success
    repository:
      description: The repository that it came from, where the history of dnf tells, or empty.
      type: str
      returned: success
count:
  description: Number of packages.
  returned: success
  type: int
os:
  description: What os-release says. Empty for a database file.
  returned: success
  type: dict
database:
  description: The database, with its path, its format and its own count of rows. Null where there is none.
  returned: success
  type: dict
  sample: {"path": "var/lib/rpm/rpmdb.sqlite", "format": "sqlite", "rows": 187}
repositories:
  description: Repositories that the image was built from, where it tells.
  returned: success
  type: list
  elements: dict
not_examined:
  description: Number of components that an RPM inventory says nothing about, by kind.
  returned: success
  type: dict
problems:
  description: What could not be seen. With any of them the list of packages may be incomplete.
  returned: success
  type: list
  elements: dict
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

import dataclasses
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import run
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import ImageIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._images.platforms import (
    matches,
    normalized,
    parse_platform,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import (
    list_targets,
    open_child,
    open_target,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.databases import (
    choose_database,
    read_databases,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import (
    absolute,
    canonical_name,
    is_local,
)

#: Names under which the three formats keep their database.
DATABASES = ("rpmdb.sqlite", "Packages.db", "Packages")
#: Files that belong to a database and lie beside it.
COMPANIONS = ("-wal", "-journal")
DATABASE_LIMIT = 512 << 20
#: How the formats begin: SQLite, ndb; Berkeley DB has its magic, in either byte order, at byte 12.
SQLITE = b"SQLite format 3\0"
NDB = b"RpmP"
BERKELEY = (b"\x61\x15\x06\x00", b"\x00\x06\x15\x61")


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Read one image or database."""
    path = module.params["path"].strip()
    if not is_local(path):
        path = absolute(path)
        if os.path.isfile(path):  # noqa: PTH113 - text in
            name = database_name(path)
            if name:
                return read_file(path, name)
        path = only(list_targets(path), path)
    opened = open_target(canonical_name(path), Access())
    if isinstance(opened, ImageIndex):
        opened = open_child(opened, one_of(opened, module.params["platform"]), Access())
    inventory = take_inventory(opened)
    values = inventory_to_dict(inventory)
    return {
        "packages": [package_to_dict(package) for package in inventory.packages],
        "count": len(inventory.packages),
        **{key: values[key] for key in ("os", "database", "repositories", "not_examined", "problems")},
    }


def only(targets: list[str], path: str) -> str:
    """The one image of a path; with several the person has to choose."""
    if len(targets) == 1:
        return targets[0]
    if not targets:
        raise InputError(f"{path} holds no image")
    shown = ", ".join(targets[:10])
    more = f" and {len(targets) - 10} more" if len(targets) > 10 else ""
    raise InputError(f"{path} holds {len(targets)} images", hint=f"give one of them as path: {shown}{more}")


def one_of(index: ImageIndex, platform: str | None) -> t.Any:
    """The image of an index that is wanted."""
    have = ", ".join(str(child.platform or "unknown") for child in index.children)
    if not platform and len(index.children) == 1:
        return index.children[0]
    if not platform:
        raise InputError("it is an index of several images", hint=f"choose one by platform: {have}")
    wanted = parse_platform(platform)
    named = [(child, child.platform) for child in index.children if child.platform is not None]
    # A node would take what is exactly for it before anything else.
    exact = [child for child, own in named if normalized(own) == normalized(wanted)]
    chosen = exact or [child for child, own in named if matches(wanted, own)]
    if len(chosen) != 1:
        raise InputError(f"the index has {len(chosen)} images for {platform}", hint=f"it has {have}")
    return chosen[0]


def database_name(path: str) -> str:
    """Under which name a file is a package database, by its first bytes; empty when it is none."""
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


def read_file(path: str, name: str) -> dict[str, t.Any]:
    """A database file, with what lies beside it."""
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
        "packages": [package_to_dict(package) for package in reading.packages],
        "count": len(reading.packages),
        "os": {},
        "database": {"path": path, "format": reading.database.format, "rows": reading.database.rows},
        "repositories": [],
        "not_examined": {},
        "problems": [{"code": one.code, "message": one.message} for one in problems],
    }


def package_to_dict(package: Package) -> dict[str, t.Any]:
    """All fields of a package, also those without a value."""
    return {**dataclasses.asdict(package), "nevra": package.nevra}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "str", "required": True}, "platform": {"type": "str"}},
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
