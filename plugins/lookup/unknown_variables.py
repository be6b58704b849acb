# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Find variables of a role that are misspelt, or have a value that cannot be
version_added: 0.6.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Ansible ignores a variable with a misspelt name, such as C(scan_referenzes), and a check that it was to switch on
    stays off. The roles of this collection refuse such variables with the help of this lookup.
  - The prefix may be misspelt, too, as in C(sacn_references), and C(imagescan_) is the prefix of what roles share.
  - It finds values, too, that are not of the type that the variable has, or not among its choices, and options of
    dictionaries such as C(scan_pods) that no module has. All mistakes are so told at once, before anything is done.
  - It looks at everything that the task sees, so at inventory, play, role and extra variables.
  - Results of tasks, variables of loops, and what the roles hand on to later jobs of a workflow do not count.
    ansible-core older than 2.19 does not tell an included role which variable its loop has; give that another prefix.
options:
  _terms:
    description: Names of roles of this collection. Their argument specs say which variables there are.
    type: list
    elements: str
    required: true
  given:
    description:
      - Look at this dictionary, and not at what the task sees. A name in it that the roles do not have is then
        a mistake, whatever its prefix.
    type: dict
    version_added: 0.7.0
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
  description: A text for each mistake, with the name, and the one that is written most alike.
  type: list
  elements: str
"""

import typing as t
from collections.abc import Mapping

from ansible.plugins.lookup import LookupBase

from ..plugin_utils._values import wrong_values
from ..plugin_utils._variables import unknown_of_role


class LookupModule(LookupBase):
    """See the documentation of the lookup."""

    def run(self, terms: list[str], variables: Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """Write the texts for all roles."""
        given: Mapping[str, t.Any] | None = kwargs.get("given")
        texts = []
        for role in map(str, terms):
            if given is None:
                texts += unknown_of_role(role, variables or {})
                texts += wrong_values(role, variables or {}, self._templar.template)
            else:
                texts += unknown_of_role(role, given, is_all=True) + wrong_values(role, given, lambda value: value)
        return list(dict.fromkeys(texts))
