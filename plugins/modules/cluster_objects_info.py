#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_objects_info
short_description: List objects of several kinds of a cluster in one call
version_added: 0.6.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Lists objects of any kinds, with one connection for all of them, and by default their metadata alone.
  - A kind that the server does not serve is reported as such. It is never an empty list without a word.
  - The roles of this collection use it.
options:
  kinds:
    description: What to list, each entry by itself.
    type: list
    elements: dict
    required: true
    suboptions:
      api_version:
        description: Group and version of the kind, as V(v1) or V(rbac.authorization.k8s.io/v1).
        type: str
        required: true
      kind:
        description: The kind, as V(ClusterRole).
        type: str
        required: true
      namespace:
        description: Where. Empty means in all namespaces.
        type: str
        default: ""
      name:
        description: One object alone.
        type: str
        default: ""
      label_selectors:
        description: Only objects with all of these labels.
        type: list
        elements: str
        default: []
      field_selectors:
        description: Only objects with all of these values of fields that the server can select by.
        type: list
        elements: str
        default: []
      metadata_only:
        description: Whether to leave out everything but the metadata.
        type: bool
        default: true
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.info
  - imagescan.openshift.cluster
seealso:
  - module: imagescan.openshift.cluster_objects
"""

EXAMPLES = r"""
- name: See which namespaces there are, and who may do what in the whole cluster
  imagescan.openshift.cluster_objects_info:
    kinds:
      - {api_version: v1, kind: Namespace}
      - {api_version: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata_only: false}
"""

RETURN = r"""
kinds:
  description: What was listed, in the order of O(kinds).
  returned: success
  type: list
  elements: dict
  contains:
    api_version:
      description: Group and version of the kind.
      type: str
    kind:
      description: The kind.
      type: str
    served:
      description: Whether the server has such a kind.
      type: bool
    objects:
      description: The objects, without C(metadata.managedFields).
      type: list
      elements: dict
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.cluster_options import client_of
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.objects import (
    ObjectClient,
    ObjectSelection,
)


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """List the objects."""
    client = ObjectClient(client_of(module))
    kinds = []
    for entry in module.params["kinds"]:
        selection = ObjectSelection(
            entry["api_version"],
            entry["kind"],
            entry["namespace"],
            entry["name"],
            tuple(entry["label_selectors"]),
            tuple(entry["field_selectors"]),
            entry["metadata_only"],
        )
        objects = client.select(selection)
        kinds.append(
            {
                "api_version": entry["api_version"],
                "kind": entry["kind"],
                "served": objects is not None,
                "objects": objects or [],
            }
        )
    return {"changed": False, "kinds": kinds}


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            "kinds": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "api_version": {"type": "str", "required": True},
                    "kind": {"type": "str", "required": True},
                    "namespace": {"type": "str", "default": ""},
                    "name": {"type": "str", "default": ""},
                    "label_selectors": {"type": "list", "elements": "str", "default": []},
                    "field_selectors": {"type": "list", "elements": "str", "default": []},
                    "metadata_only": {"type": "bool", "default": True},
                },
            },
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
