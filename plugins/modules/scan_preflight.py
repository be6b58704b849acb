#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: scan_preflight
short_description: Check what a scan is given, before anything is scanned
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Checks policies, exceptions, VEX, files of vulnerability data, credentials and certificates of registries, the
    store, the place of the report, and the libraries that are needed.
  - All that is wrong is told in one message. Without it, a mistake in a policy would show after all images were read.
  - Asks no registry, no cluster, and no server with vulnerability data; a store in PostgreSQL is opened.
options:
  store:
    description: The store that is written, as a path of a SQLite file or an SQLAlchemy URL. It need not be there yet.
    type: str
  store_password:
    description:
      - Password for the database of O(store).
      - Without it, the environment variable E(IMAGESCAN_STORE_PASSWORD) is used.
    type: str
  writes_store:
    description: Whether the run writes to O(store). A run that reports alone reads it.
    type: bool
    default: true
  policies:
    description: Files with policies.
    type: list
    elements: path
    default: []
  feed_path:
    description: Archive or folder with vulnerability data.
    type: path
  repository_map:
    description: File that says which repository has which product.
    type: path
  feed_signature_key:
    description: File with the key that signs the vulnerability data.
    type: path
  dest:
    description: Folder that the report is written to.
    type: path
  formats:
    description: Formats of the report.
    type: list
    elements: str
    choices: [json, html, junit, sarif, csv, metrics, openvex, openscap]
    default: []
  metrics_file:
    description: File that the metrics are written to.
    type: path
  evaluates_here:
    description: Whether rules are evaluated with OpenSCAP on this host, which needs the program oscap.
    type: bool
    default: false
  uses_cluster:
    description: Whether a cluster is asked, which needs the library kubernetes.
    type: bool
    default: false
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.info
  - imagescan.openshift.exceptions
  - imagescan.openshift.registry_access
seealso:
  - module: imagescan.openshift.exception_info
  - module: imagescan.openshift.access_info
"""

EXAMPLES = r"""
- name: Check files in a pipeline, before a change of them is accepted
  imagescan.openshift.scan_preflight:
    policies: [policies/production.yml]
    exceptions: [policies/accepted.yml]

- name: Check what a run needs
  imagescan.openshift.scan_preflight:
    store: /var/lib/imagescan/store.db
    dest: /var/lib/imagescan/report
    formats: [json, html]
    registry_auth_file: /etc/imagescan/auth.json
"""

RETURN = r"""
problems:
  description: All that is wrong, empty where nothing is.
  returned: always
  type: list
  elements: dict
  contains:
    code:
      description: Stable code of the cause.
      type: str
      returned: failure
    message:
      description: What is wrong, and what to do.
      type: str
      returned: failure
code:
  description: Stable code of the first of them.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.preflight import check_inputs
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.formats import FORMATS


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            "store": {"type": "str"},
            **specs.store_password(),
            "writes_store": {"type": "bool", "default": True},
            "policies": {"type": "list", "elements": "path", "default": []},
            **specs.exceptions(),
            "feed_path": {"type": "path"},
            "repository_map": {"type": "path"},
            "feed_signature_key": {"type": "path", "no_log": False},
            "dest": {"type": "path"},
            "formats": {"type": "list", "elements": "str", "choices": [item.name for item in FORMATS], "default": []},
            "metrics_file": {"type": "path"},
            "evaluates_here": {"type": "bool", "default": False},
            "uses_cluster": {"type": "bool", "default": False},
            **specs.registry_access(),
        },
        supports_check_mode=True,
    )
    run(module, check_inputs)


if __name__ == "__main__":
    main()
