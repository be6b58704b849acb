#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: enforcement_lists
short_description: Keep the lists that admission reads in place, without their entries
version_added: 0.3.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Makes the first, empty deny list of each provider, its lists of passed digests, and the list for drills.
  - Entries are the business of M(imagescan.openshift.image_flag); this module never touches them.
  - The role imagescan.openshift.enforce uses it. C(kubernetes.core.k8s) cannot, since it takes every kind whose name
    ends with C(List) for a list of objects.
options:
  prefix:
    description: Which installation of the role reads the lists.
    type: str
    default: imagescan
  providers:
    description: Under which names M(imagescan.openshift.image_flag) writes.
    type: list
    elements: str
    default: [imagescan]
  shards:
    description: Over how many lists the passed digests of a provider are spread.
    type: int
    choices: [1, 2, 4, 8, 16]
    default: 4
  in_use:
    description: Whether namespaces require a passed scan. Then lists of passed digests are not made anew.
    type: bool
    default: false
  needs_passed:
    description: Whether it is an error that a provider has no passed digests.
    type: bool
    default: false
  state:
    description:
      - V(present) makes and changes. V(tidy) removes lists of passed digests that are of no use any more. V(absent)
        removes all lists of the installation, and needs no other option but O(prefix).
    type: str
    choices: [present, tidy, absent]
    default: present
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift.cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: imagescan.openshift.image_flag
  - module: imagescan.openshift.enforcement_info
"""

EXAMPLES = r"""
- name: Make the lists of two teams
  imagescan.openshift.enforcement_lists:
    providers: [imagescan, licences]
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode, with which list.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: One of V(make), V(change), V(renew) (removed and made anew) and V(remove).
      type: str
    kind:
      description: V(DenyList) or V(PassedList).
      type: str
    name:
      description: Name of the list.
      type: str
others:
  description: Lists that belong to no installation or to another one, as kind/name.
  returned: success
  type: list
  elements: str
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.imagescan.openshift.plugins.module_utils import _argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.first_lists import (
    SHARDS,
    Installation,
    carry_out,
    plan,
    plan_removal,
    plan_tidying,
    read,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.lists import ENFORCE_LABEL
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.manifests import check_name
from ansible_collections.imagescan.openshift.plugins.module_utils._module import client_of, run


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Keep the lists."""
    params = module.params
    check_name(params["prefix"], "prefix")
    wanted = Installation(params["prefix"], tuple(params["providers"]), params["shards"])
    wanted.check()
    client = client_of(module)
    found = read(client, wanted.prefix)
    if params["state"] == "present":
        steps = plan(wanted, found, in_use=params["in_use"], needs_passed=params["needs_passed"])
    else:
        steps = plan_tidying(wanted, found) if params["state"] == "tidy" else plan_removal(wanted.prefix, found)
    if not module.check_mode:
        carry_out(client, steps, found)
    there = {one.key: {"labels": dict(one.labels), "spec": one.spec} for one in found}
    after = {f"{one.kind}/{one.name}": one.document for one in steps}
    return {
        "changed": bool(steps),
        "steps": [{"what": one.what, "kind": one.kind, "name": one.name} for one in steps],
        "others": sorted(one.key for one in found if one.labels.get(ENFORCE_LABEL) != wanted.prefix),
        "diff": {
            "before": {key: there.get(key, {}) for key in after},
            "after": {
                key: {"labels": one["metadata"]["labels"], "spec": one["spec"]} if one else {}
                for key, one in after.items()
            },
        },
    }


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "prefix": {"type": "str", "default": "imagescan"},
            "providers": {"type": "list", "elements": "str", "default": ["imagescan"]},
            "shards": {"type": "int", "choices": list(SHARDS), "default": 4},
            "in_use": {"type": "bool", "default": False},
            "needs_passed": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "tidy", "absent"], "default": "present"},
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
