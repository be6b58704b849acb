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

import fnmatch
import typing as t
from collections.abc import Mapping
from pathlib import Path

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils._core.text import visible
from ..module_utils._verdicts.documents import nearest
from .option_group import FORMER_NAMES

ROLES = Path(__file__).resolve().parents[2] / "roles"
#: Names with the prefix of a role that are not options of it: what runs hand on to later jobs of a workflow, where AWX
#: gives it to every job as a variable, what hooks get, variables of earlier releases, variables of the playbook
#: feed_export, and how the modules of awx.awx and ansible.controller reach their server.
OTHERS: Mapping[str, tuple[str, ...]] = {
    "controller": (
        *(
            "controller_host",
            "controller_hostname",
            "controller_username",
            "controller_password",
            "controller_oauthtoken",
        ),
        *("controller_oauth_token", "controller_validate_certs", "controller_verify_ssl", "controller_config_file"),
        "controller_request_timeout",
    ),
    "feed": ("feed_indexes", "feed_export_*"),
    "scan": (
        *("scan_counts", "scan_changed_verdicts", "scan_verdict_changes", "scan_flagged", "scan_cleared"),
        *("scan_next_due", "scan_report_files", "scan_clusters", "scan_change"),
        *FORMER_NAMES,
    ),
    "schedule": ("schedule_last", "schedule_refused", "schedule_next", "schedule_changes"),
}


class LookupModule(LookupBase):
    """See the documentation of the lookup."""

    def run(self, terms: list[str], variables: Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """Write the texts for all roles."""
        return [text for role in terms for text in unknown(str(role), variables or {})]


def unknown(role: str, variables: Mapping[str, t.Any]) -> list[str]:
    """Write a text for each variable of the role's prefix that it does not have, by name."""
    options = options_of(role)
    loops = {variables.get("ansible_loop_var"), variables.get("ansible_index_var")}
    texts = []
    for name in sorted(map(str, variables)):
        is_ours = name.startswith(f"{role}_") and not name.startswith(f"{role}__")
        if not is_ours or name in options or name in loops or is_result(variables[name]):
            continue
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in OTHERS.get(role, ())):
            continue
        # Without the prefix, which makes all of them alike.
        endings = [option.removeprefix(f"{role}_") for option in options]
        meant = nearest(name.removeprefix(f"{role}_"), endings).replace("'", f"'{role}_", 1)
        texts.append(f"the role {role} has no variable {visible(name, 100)}{meant}")
    return texts


def options_of(role: str) -> list[str]:
    """List the variables that a role's argument spec names. Raises AnsibleError for a role that is not there."""
    path = ROLES / role / "meta" / "argument_specs.yml"
    if not role.isidentifier() or not path.is_file():
        raise AnsibleError(f"unknown_variables: the collection has no role {visible(role, 100)!r}")
    spec: dict[str, t.Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return list(spec["argument_specs"]["main"]["options"])


def is_result(value: t.Any) -> bool:
    """Return whether a variable was registered: what a task returns says whether it changed something."""
    return isinstance(value, Mapping) and "changed" in value and bool({"failed", "skipped", "results"} & set(value))
