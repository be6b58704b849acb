#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_account_kubeconfig
short_description: Keep kubeconfigs with time-bound tokens for ServiceAccounts
version_added: 0.2.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Asks the API server for a token of a ServiceAccount (C(TokenRequest)) and writes it to a kubeconfig that only its
    owner may read.
  - It leaves a kubeconfig alone whose token the server still takes, until less than a third of its time is left. Run
    it on a schedule to renew tokens.
  - The role imagescan.openshift.setup uses it.
options:
  namespace:
    description: Namespace of the account. It is that of the kubeconfig's context too.
    type: str
    default: imagescan
  service_account:
    description: Name of the account. It needs O(path).
    type: str
  path:
    description: The kubeconfig. Its folder must exist.
    type: path
  service_accounts:
    description: Names of several accounts, each with a kubeconfig C(<name>.kubeconfig) in O(directory).
    type: list
    elements: str
  directory:
    description: Where the kubeconfigs of O(service_accounts) are. It is made with mode 0700 if it is not there.
    type: path
  absent:
    description: Names of accounts whose kubeconfigs in O(directory) are removed. For these alone no cluster is asked.
    type: list
    elements: str
    default: []
  seconds:
    description: How long a new token is to be good, in seconds, at least 600. The server may shorten this.
    type: int
    default: 2592000
extends_documentation_fragment:
  - imagescan.openshift._attributes
  - imagescan.openshift.cluster
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: A token near its end is made anew.
notes:
  - The token is in the file and nowhere in the result.
  - A token cannot be taken back. It ends with its time, or when its account is deleted.
seealso:
  - module: imagescan.openshift.image_info
  - module: imagescan.openshift.image_scan
"""

EXAMPLES = r"""
- name: Renew the kubeconfig of the account that scans
  imagescan.openshift.service_account_kubeconfig:
    namespace: imagescan
    service_account: imagescan-scan
    path: /etc/imagescan/imagescan-scan.kubeconfig
    seconds: 604800
    kubeconfig: /root/admin.kubeconfig

- name: Renew those of two accounts, and remove that of a third
  imagescan.openshift.service_account_kubeconfig:
    namespace: imagescan
    service_accounts: [imagescan-discover, imagescan-scan]
    absent: [imagescan-flag]
    directory: /etc/imagescan
    kubeconfig: /root/admin.kubeconfig
"""

RETURN = r"""
path:
  description: The kubeconfig.
  returned: success, with O(service_account)
  type: str
service_account:
  description: Name of the account.
  returned: success, with O(service_account)
  type: str
server:
  description: URL of the API server.
  returned: success, with O(service_account)
  type: str
expires:
  description: When the token in the file ends. Empty where check mode would have made one.
  returned: success, with O(service_account)
  type: str
  sample: "2026-03-31T07:00:00Z"
reason:
  description: Why it was written, or empty.
  returned: success, with O(service_account)
  type: str
  sample: less than a third of its time was left
kubeconfigs:
  description: The same for each of O(service_accounts).
  returned: success, with O(service_accounts)
  type: list
  elements: dict
  sample:
    - path: /etc/imagescan/imagescan-scan.kubeconfig
      service_account: imagescan-scan
      server: https://api.example.com:6443
      expires: "2026-03-31T07:00:00Z"
      reason: ""
removed:
  description: The kubeconfigs that were removed.
  returned: success
  type: list
  elements: str
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.kubeconfigs import keep_kubeconfigs
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible.module import Module, run


def main() -> None:
    """Entry point of the module."""
    module = Module(
        argument_spec={
            "namespace": {"type": "str", "default": "imagescan"},
            "service_account": {"type": "str"},
            "path": {"type": "path"},
            "service_accounts": {"type": "list", "elements": "str"},
            "directory": {"type": "path"},
            "absent": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "int", "default": 30 * 86400},
            **specs.cluster(),
        },
        required_together=[("service_account", "path")],
        required_one_of=[("path", "directory")],
        mutually_exclusive=[("path", "directory"), ("service_account", "service_accounts")],
        required_by={"service_accounts": ("directory",)},
        supports_check_mode=True,
    )
    run(module, keep_kubeconfigs)


if __name__ == "__main__":
    main()
