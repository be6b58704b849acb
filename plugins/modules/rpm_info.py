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

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.rpm_packages import list_packages


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={"path": {"type": "str", "required": True}, "platform": {"type": "str"}},
        supports_check_mode=True,
    )
    run(module, list_packages)


if __name__ == "__main__":
    main()
