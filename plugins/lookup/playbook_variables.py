# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: playbook_variables
short_description: Read the variables of a playbook of this collection
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Some playbooks of this collection have variables beside those of their roles, or had other names for these, such as
    C(image) for C(scan_references). This lookup reads them, and finds names that are misspelt.
  - A variable that has its former name still counts, with a warning, until 0.8.0. Where both names are given, extra
    variables win over others, and the new name over the former one.
options:
  _terms:
    description: Names of playbooks.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the playbook explain is asked about
  ansible.builtin.debug:
    msg: "{{ given.scan_references | default('the first images') }}"
  vars:
    given: "{{ query('imagescan.openshift.playbook_variables', 'explain') | first }}"
"""

RETURN = r"""
_raw:
  description:
    - For each playbook a dictionary of the variables that have a former name, by the new name. What was not given is
      not in it, nor is an empty text.
    - Its key C(mistakes) is a list of texts about names that neither the playbook nor its roles have, and about values
      that a variable of the playbook cannot have.
  type: list
  elements: dict
"""

import datetime
import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ..module_utils._core.text import visible
from ..plugin_utils._values import wrong_value
from ..plugin_utils._variables import PLAYBOOKS, unknown_of_playbook

display = Display()


class LookupModule(LookupBase):
    """See the documentation of the lookup."""

    def run(
        self, terms: list[str], variables: Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any]]:
        """Read the variables."""
        return [self._read(str(term), variables or {}) for term in terms]

    def _read(self, name: str, variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Read the variables of one playbook."""
        if name not in PLAYBOOKS:
            raise AnsibleError(f"playbook_variables: {visible(name, 100)} is not one of {', '.join(sorted(PLAYBOOKS))}")
        mistakes = unknown_of_playbook(name, variables)
        extra = load_extra_vars(self._loader)
        found: dict[str, t.Any] = {"mistakes": mistakes}
        for former, new in PLAYBOOKS[name].former.items():
            values = {given: self._value(given, variables) for given in (new, former)}
            is_given = {given: value is not None for given, value in values.items()}
            if is_given[former] and former in extra and is_given[new] and new in extra:
                mistakes.append(f"{new} and {former} are both given; remove {former}, which is its former name")
            elif is_given[former] and (former in extra or not is_given[new]):
                warn(former, new)
                found[new] = values[former]
            elif is_given[new]:
                found[new] = values[new]
        for variable, kind in PLAYBOOKS[name].own.items():
            mistakes += wrong_value(variable, found.get(variable, self._value(variable, variables)), kind)
        return found

    def _value(self, name: str, variables: Mapping[str, t.Any]) -> t.Any:
        """Read one variable, None where nothing was given."""
        value = self._templar.template(variables[name]) if name in variables else None
        if isinstance(value, datetime.date):
            return str(value)
        return None if isinstance(value, str) and not value.strip() else value


def warn(former: str, new: str) -> None:
    """Tell that a variable has another name."""
    display.deprecated(
        f"The variable {former} is now called {new}.", version="0.8.0", collection_name="imagescan.openshift"
    )
