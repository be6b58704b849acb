#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_objects
short_description: Apply or delete many objects of a cluster in one call
version_added: 0.6.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Makes objects what their definitions say, by server-side apply, or deletes them, in the order of the list.
  - Lists in a definition are replaced as a whole, also where the server would merge them with items of somebody else.
    Fields that a definition does not name stay as they are.
  - The roles of this collection use it. For a single object C(kubernetes.core.k8s) does the same, with more options.
options:
  definitions:
    description:
      - The objects. Each has C(apiVersion), C(kind), C(metadata.name) and, if its kind is namespaced,
        C(metadata.namespace). Deletion needs no more.
    type: list
    elements: dict
    required: true
  state:
    description: V(present) applies. V(absent) deletes what is there.
    type: str
    choices: [present, absent]
    default: present
  wait:
    description:
      - Wait until custom kinds are established, or until deleted objects are gone with all that is in them.
    type: bool
    default: false
  wait_timeout:
    description: How long to wait for one object, in seconds.
    type: int
    default: 120
  settle:
    description: Seconds to wait after a change, for API servers that learn of it later than the one that was asked.
    type: int
    default: 0
  continue_on_error:
    description:
      - Go on with the next object if the server refuses one, and report the refusal in RV(objects[].error). The module
        fails only if the cluster cannot be reached or the credentials are not accepted.
    type: bool
    default: false
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift.cluster
attributes:
  check_mode:
    support: full
    details: The server tries each object in a dry run. It cannot try one in a namespace that is yet to be made.
  diff_mode:
    support: full
    details: Data of Secrets is not shown.
  idempotent:
    support: full
seealso:
  - module: imagescan.openshift.cluster_objects_info
"""

EXAMPLES = r"""
- name: Make a namespace with an account
  imagescan.openshift.cluster_objects:
    definitions:
      - apiVersion: v1
        kind: Namespace
        metadata: {name: shop}
      - apiVersion: v1
        kind: ServiceAccount
        metadata: {name: robot, namespace: shop}
        automountServiceAccountToken: false

- name: Delete the namespace with all that is in it
  imagescan.openshift.cluster_objects:
    definitions:
      - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
    state: absent
    wait: true
"""

RETURN = r"""
objects:
  description: What was done with each object, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object.
      type: str
    name:
      description: Name of the object.
      type: str
    namespace:
      description: Namespace of the object, or empty.
      type: str
    method:
      description: One of V(create), V(patch) and V(delete), or empty if nothing was changed.
      type: str
    created:
      description: When the server made it, RFC 3339. Empty if it is not there.
      type: str
      sample: "2026-03-31T07:00:00Z"
    error:
      description: What the server said if it refused, with O(continue_on_error=true); else empty.
      type: str
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.cluster_objects import change_objects
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            "definitions": {"type": "list", "elements": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "wait": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 120},
            "settle": {"type": "int", "default": 0},
            "continue_on_error": {"type": "bool", "default": False},
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, change_objects)


if __name__ == "__main__":
    main()
