#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access_info
short_description: Tell who one is in a cluster, and what one may do there
version_added: 0.2.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reaches the API server with the given credentials, and says in one sentence what is wrong where that fails.
  - Tells which of the wanted rights the account lacks, by C(SelfSubjectAccessReview), so that a playbook can stop
    before it has changed anything.
options:
  access:
    description: What the account should be allowed to do.
    type: list
    elements: dict
    default: []
    suboptions:
      verb:
        description: What, as V(list) or V(create).
        type: str
        required: true
      resource:
        description: With which kind, in the plural, as V(pods).
        type: str
        required: true
      group:
        description: API group of the kind. Empty for the core group.
        type: str
        default: ""
      subresource:
        description: Part of the kind, as V(log).
        type: str
        default: ""
      namespace:
        description: Where. Empty means in all namespaces.
        type: str
        default: ""
      name:
        description: One object alone.
        type: str
        default: ""
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift._attributes.info
  - imagescan.openshift.cluster
seealso:
  - module: imagescan.openshift.service_account_kubeconfig
"""

EXAMPLES = r"""
- name: See whether the credential of this job can read the images of the cluster
  imagescan.openshift.access_info:
    access:
      - {verb: list, resource: images, group: image.openshift.io}
  register: access

- name: Fail when it cannot
  ansible.builtin.assert:
    that: access.denied | length == 0
"""

RETURN = r"""
server:
  description: URL of the API server.
  returned: success
  type: str
version:
  description: Version of Kubernetes, as C(1.36).
  returned: success
  type: str
user:
  description: Under which name the server knows us. Empty where it does not tell.
  returned: success
  type: str
  sample: system:serviceaccount:imagescan:imagescan-scan
groups:
  description: API groups that the cluster serves.
  returned: success
  type: list
  elements: str
denied:
  description: What is not allowed of O(access), in words.
  returned: success
  type: list
  elements: str
  sample: ["list images.image.openshift.io"]
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
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.service_accounts import (
    AccessRequest,
    may,
    who_am_i,
)


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Ask the server."""
    client = client_of(module)
    user = who_am_i(client)
    wishes = [AccessRequest(**wish) for wish in module.params["access"]]
    return {
        "server": client.server,
        "version": ".".join(map(str, client.version())),
        "user": user,
        "groups": sorted(client.groups()),
        "denied": [str(wish) for wish in wishes if not may(client, wish)],
    }


def main() -> None:
    """Entry point of the module."""
    wish = {
        "verb": {"type": "str", "required": True},
        "resource": {"type": "str", "required": True},
        **{name: {"type": "str", "default": ""} for name in ("group", "subresource", "namespace", "name")},
    }
    module = Module(
        argument_spec={
            "access": {"type": "list", "elements": "dict", "default": [], "options": wish},
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
