#!/usr/bin/python
# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_account_kubeconfig
short_description: Keep a kubeconfig with a time-bound token for a ServiceAccount
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
    description: Name of the account.
    type: str
    required: true
  path:
    description: The kubeconfig. Its folder must exist.
    type: path
    required: true
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
"""

RETURN = r"""
path:
  description: The kubeconfig.
  returned: success
  type: str
service_account:
  description: Name of the account.
  returned: success
  type: str
server:
  description: URL of the API server.
  returned: success
  type: str
expires:
  description: When the token in the file ends. Empty where check mode would have made one.
  returned: success
  type: str
  sample: "2026-03-31T07:00:00Z"
reason:
  description: Why it was written, or empty.
  returned: success
  type: str
  sample: less than a third of its time was left
code:
  description: Stable code of the cause.
  returned: failure
  type: str
"""

import re
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.imagescan.openshift.plugins.module_utils import _argument_specs as specs
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.accounts import (
    Account,
    kubeconfig,
    request_token,
    why_renew,
    write_kubeconfig,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._module import client_of, run

SHORTEST = 600
LONGEST = 1 << 32
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Keep one kubeconfig."""
    params = module.params
    for option in ("namespace", "service_account"):
        if not NAME.fullmatch(params[option]):
            raise InputError(f"{option} is no name: lower case letters, digits, dashes and dots are expected")
    seconds = params["seconds"]
    if not SHORTEST <= seconds <= LONGEST:
        raise InputError(f"seconds is {seconds}; expected at least {SHORTEST} and at most {LONGEST}")
    account = Account(params["namespace"], params["service_account"])
    client = client_of(module)
    reason, token = why_renew(client, account, params["path"], seconds, time.time())
    expires = token.expires_text if token is not None and not reason else ""
    if reason and not module.check_mode:
        fresh = request_token(client, account, seconds)
        write_kubeconfig(params["path"], kubeconfig(client, account, fresh.text))
        expires = fresh.expires_text
    return {
        "changed": bool(reason),
        "path": params["path"],
        "service_account": account.name,
        "server": client.server,
        "expires": expires,
        "reason": reason,
    }


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "default": "imagescan"},
            "service_account": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "seconds": {"type": "int", "default": 30 * 86400},
            **specs.cluster(),
        },
        supports_check_mode=True,
    )
    run(module, work)


if __name__ == "__main__":
    main()
