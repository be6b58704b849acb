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
  - Asks the cluster whether the accounts of O(cluster_steps) get in and have the rights that their steps need, and the
    server of O(feed_url) whether it has the feed, unless the index is so young that nobody will ask for it.
  - All that is wrong is told in one message. Without it, a mistake in a policy would show after all images were read.
  - Asks no registry. A store in PostgreSQL is opened.
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
  feed_url:
    description: Addresses of vulnerability data, as O(imagescan.openshift.vulnerability_feed#module:url) has them.
    type: list
    elements: str
    default: []
  feed_format:
    description: Format of the vulnerability data.
    type: str
    choices: [csaf-vex, osv, updateinfo]
    default: csaf-vex
  feed_distribution:
    description: Distribution that the data is about, where it does not say so.
    type: str
  feed_index:
    description: Index that is made of the vulnerability data.
    type: path
  feed_max_age:
    description: Hours for which an index is young enough.
    type: float
    default: 0
  feed_for_store:
    description: Whether the index has only the packages of images in O(store).
    type: bool
    default: false
  feed_ca_cert:
    description: File with certificates (PEM) that the server of O(feed_url) is verified with, beside the system's.
    type: path
  feed_validate_certs:
    description: Whether the certificate of that server is verified.
    type: bool
    default: true
  repository_map:
    description:
      - File or URL that says which repository has which product. A URL is asked only where O(feed_url) is given.
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
  cluster_steps:
    description: Steps that ask the cluster. The other options here say what of it.
    type: list
    elements: str
    choices: [discover, scan, flag]
    default: []
  kubeconfigs:
    description: For steps with an account of their own, the path of its kubeconfig, in place of O(kubeconfig).
    type: dict
    default: {}
  sources:
    description: Where the step V(discover) looks for images, V(openshift) and V(workloads) among it.
    type: list
    elements: str
    default: []
  workload_kinds:
    description: Kinds that are read with V(workloads), in the plural. All that the module image_info knows by default.
    type: list
    elements: str
  namespaces:
    description: Regular expressions of namespaces that are looked at. None means all.
    type: list
    elements: str
    default: []
  mirrors_from_cluster:
    description: Whether the mirrors of an OpenShift cluster are read.
    type: bool
    default: false
  scan_method:
    description: How the step V(scan) reads images.
    type: str
    choices: [local, job, image_volume]
    default: local
  scan_namespace:
    description: Namespace of the scanner pods.
    type: str
    default: imagescan
  flag_targets:
    description: What the step V(flag) writes to. All that the cluster has by default.
    type: list
    elements: str
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.info
  - imagescan.openshift.exceptions
  - imagescan.openshift.registry_access
  - imagescan.openshift.cluster
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
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import FEED_FORMATS


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
            "feed_url": {"type": "list", "elements": "str", "default": []},
            "feed_format": {"type": "str", "choices": list(FEED_FORMATS), "default": FEED_FORMATS[0]},
            "feed_distribution": {"type": "str"},
            "feed_index": {"type": "path"},
            "feed_max_age": {"type": "float", "default": 0.0},
            "feed_for_store": {"type": "bool", "default": False},
            "feed_ca_cert": {"type": "path"},
            "feed_validate_certs": {"type": "bool", "default": True},
            "repository_map": {"type": "path"},
            "feed_signature_key": {"type": "path", "no_log": False},
            "dest": {"type": "path"},
            "formats": {"type": "list", "elements": "str", "choices": [item.name for item in FORMATS], "default": []},
            "metrics_file": {"type": "path"},
            "evaluates_here": {"type": "bool", "default": False},
            "cluster_steps": {
                "type": "list",
                "elements": "str",
                "choices": ["discover", "scan", "flag"],
                "default": [],
            },
            "kubeconfigs": {"type": "dict", "default": {}},
            "sources": {"type": "list", "elements": "str", "default": []},
            "workload_kinds": {"type": "list", "elements": "str"},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "mirrors_from_cluster": {"type": "bool", "default": False},
            "scan_method": {"type": "str", "choices": ["local", "job", "image_volume"], "default": "local"},
            "scan_namespace": {"type": "str", "default": "imagescan"},
            "flag_targets": {"type": "list", "elements": "str"},
            **specs.registry_access(),
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, check_inputs)


if __name__ == "__main__":
    main()
