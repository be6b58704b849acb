# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Find variables with the prefix of a role that the role does not have
version_added: 0.6.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Ansible ignores a variable with a misspelt name, such as C(scan_referenzes), and a check that it was to switch on
    stays off. The roles of this collection refuse such variables with the help of this lookup.
  - The prefix may be misspelt, too, as in C(sacn_references), and C(imagescan_) is the prefix of what roles share.
  - It looks at everything that the task sees, so at inventory, play, role and extra variables.
  - Results of tasks, variables of loops, and what the roles hand on to later jobs of a workflow do not count.
    ansible-core older than 2.19 does not tell an included role which variable its loop has; give that another prefix.
options:
  _terms:
    description: Names of roles of this collection. Their argument specs say which variables there are.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse variables that the role scan does not have
  ansible.builtin.assert:
    that: unknown | length == 0
    fail_msg: "{{ unknown | join('; ') }}"
  vars:
    unknown: "{{ query('imagescan.openshift.unknown_variables', 'scan') }}"
"""

RETURN = r"""
_raw:
  description: A text for each of these variables, with its name and the name that is written most alike.
  type: list
  elements: str
"""

import typing as t
from collections.abc import Mapping

from ansible.plugins.lookup import LookupBase

from ..plugin_utils._variables import unknown_of_role


class LookupModule(LookupBase):
    """See the documentation of the lookup."""

    def run(self, terms: list[str], variables: Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """Write the texts for all roles."""
        return list(dict.fromkeys(text for role in terms for text in unknown_of_role(str(role), variables or {})))
