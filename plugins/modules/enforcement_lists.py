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
  - Writes down where policies act that read the lists, as an annotation of the first deny lists and a label of lists of
    passed digests. M(imagescan.openshift.image_flag) goes by them before it flags what runs there.
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
  action:
    description: What is done with flagged images.
    type: str
    choices: [deny, warn, audit]
    default: deny
  namespaces:
    description: The only namespaces in which the lists act. Empty means all.
    type: list
    elements: str
    default: []
  exempt_namespaces:
    description: Namespaces in which they do not. An entry may end in V(*).
    type: list
    elements: str
    default: []
  require_passed_namespaces:
    description: Namespaces that require a passed scan. While there are any, lists of passed digests are not made anew.
    type: list
    elements: str
    default: []
  needs_passed:
    description:
      - Whether it is an error that a provider has no digests with a passed scan that is not too old.
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
needless:
  description: Lists of passed digests that are of no use any more, as kind/name. V(tidy) removes them.
  returned: success, with O(state=present)
  type: list
  elements: str
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

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.enforcement_lists import keep_lists
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.list_installer import SHARDS
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import ACTIONS


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            "prefix": {"type": "str", "default": "imagescan"},
            "providers": {"type": "list", "elements": "str", "default": ["imagescan"]},
            "shards": {"type": "int", "choices": list(SHARDS), "default": 4},
            "action": {"type": "str", "choices": list(ACTIONS), "default": ACTIONS[0]},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "exempt_namespaces": {"type": "list", "elements": "str", "default": []},
            "require_passed_namespaces": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "needs_passed": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "tidy", "absent"], "default": "present"},
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, keep_lists)


if __name__ == "__main__":
    main()
