# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: option_group
short_description: Read a dictionary of module options that a role passes on
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - The role P(imagescan.openshift.scan#role) passes options of modules on as dictionaries, such as C(scan_pods). This
    lookup gives every option in them its type, as the filter P(imagescan.openshift.survey_value#filter) does.
  - An option that is not in the dictionary comes from the variable that all roles share, such as C(imagescan_host),
    where there is one.
  - The variables that were there before the dictionaries, such as C(scan_pod_memory), still count, with a warning.
    The same option in both places is an error.
  - An option that no module has is an error that names the nearest one.
options:
  _terms:
    description: Names of the dictionaries.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what scanner pods get
  ansible.builtin.debug:
    msg: "{{ query('imagescan.openshift.option_group', 'scan_pods') | first }}"
  vars:
    scan_pods:
      pods: 4
      pod_memory: 512Mi
"""

RETURN = r"""
_raw:
  description: For each name, a dictionary of the options that were given, with their types.
  type: list
  elements: dict
"""

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleError
from ansible.parsing.splitter import parse_kv
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..filter.survey_value import plain, survey_value
from ..module_utils._core.spelling import nearest
from ..module_utils._core.text import visible

display = Display()


@dataclasses.dataclass(frozen=True)
class OptionGroup:
    """Options of one dictionary: name -> type of the filter ``survey_value``, or "secret", whose value is never shown.

    ``former`` begins the names of the variables of 0.6.0; ``shared`` tells that imagescan_<option> counts, too.
    """

    types: Mapping[str, str]
    former: str = "scan_"
    shared: bool = False

    def former_name(self, option: str) -> str:
        """Name the variable of 0.6.0."""
        return f"{self.former}{option}"


#: A test holds the options and their types equal to those of the modules.
GROUPS: Mapping[str, OptionGroup] = {
    "scan_access": OptionGroup(
        {
            "kubeconfig": "kubeconfig",
            "context": "str",
            "host": "str",
            "api_key": "secret",
            "username": "str",
            "password": "secret",
            "client_cert": "path",
            "client_key": "path",
            "impersonate_user": "str",
            "impersonate_groups": "list",
            "ca_cert": "path",
            "validate_certs": "bool",
            "proxy": "str",
            "no_proxy": "str",
        },
        shared=True,
    ),
    "scan_registries": OptionGroup(
        {
            "registry_auth_file": "path",
            "registry_ca_cert": "path",
            "registry_validate_certs": "bool",
            "plain_http_registries": "list",
            "token_realms": "list",
            "mirrors": "dicts",
            "mirrors_from_cluster": "bool",
        },
        shared=True,
    ),
    "scan_pods": OptionGroup(
        {
            "pods": "int",
            "images_per_pod": "int",
            "pod_memory": "str",
            "pod_cpu": "str",
            "image_timeout": "int",
            "start_timeout": "float",
            "pull_secrets": "list",
            "integrated_registry": "str",
            "pod_proxy": "dict",
            "node_selector": "dict",
            "tolerations": "dicts",
            "priority_class": "str",
        }
    ),
    "scan_compliance": OptionGroup(
        {
            "profile": "str",
            "content": "path",
            "content_image": "str",
            "tailoring": "path",
            "rules": "list",
            "arf": "bool",
            "max_image_size": "str",
            "timeout": "int",
            "memory": "str",
            "chroot": "bool",
            "work_dir": "path",
        },
        former="scan_compliance_",
    ),
}
#: Variables of 0.6.0 that an option of a dictionary has replaced. The number of pods has kept its name.
FORMER_NAMES = frozenset(group.former_name(option) for group in GROUPS.values() for option in group.types) - frozenset(
    GROUPS
)


class LookupModule(LookupBase):
    """See the documentation of the lookup."""

    def run(
        self, terms: list[str], variables: Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[dict[str, t.Any]]:
        """Read the dictionaries."""
        return [read_group(str(term), variables or {}, self._templar.template) for term in terms]


def read_group(name: str, variables: Mapping[str, t.Any], template: t.Callable[[t.Any], t.Any]) -> dict[str, t.Any]:
    """Read one dictionary. Raises AnsibleError for an unknown option, a wrong value, or one that is given twice."""
    if name not in GROUPS:
        raise AnsibleError(f"option_group: {visible(name, 100)} is not one of {', '.join(sorted(GROUPS))}")
    group = GROUPS[name]

    def value_of(variable: str) -> t.Any:
        return template(variables[variable]) if variable in variables else None

    entries = dictionary(name, value_of(name))
    check_options(name, entries, group)
    options = {}
    for option, kind in group.types.items():
        value = typed(f"{name}.{option}", entries.get(option), kind)
        former = group.former_name(option)
        former_value = None if former == name else typed(former, value_of(former), kind)
        if former_value is not None:
            if value is not None:
                raise AnsibleError(f"{name}.{option} and {former} are both given; remove {former}")
            warn(former, name, option)
            value = former_value
        if value is None and group.shared:
            value = typed(f"imagescan_{option}", value_of(f"imagescan_{option}"), kind)
        if value is not None:
            options[option] = value
    return options


def check_options(name: str, entries: Mapping[str, t.Any], group: OptionGroup) -> None:
    """Raise AnsibleError for an option that the dictionary does not have."""
    for option in entries:
        if option not in group.types:
            raise AnsibleError(f"{name} has no option {visible(option, 100)}{nearest(option, list(group.types))}")


def dictionary(name: str, value: t.Any) -> Mapping[str, t.Any]:
    """Read a dictionary, or its text as JSON or as key=value. Raises AnsibleError for anything else."""
    value = plain(value)
    if isinstance(value, str) and "=" in value and not value.lstrip().startswith("{"):
        pairs: dict[str, t.Any] = parse_kv(value)
        if "_raw_params" in pairs:
            raise AnsibleError(f"{name} is neither a dictionary nor a text of key=value")
        return pairs
    if name == "scan_pods" and not isinstance(value, bool) and str(value).strip().isdecimal():
        warn(name, name, "pods")
        return {"pods": value}
    try:
        read: dict[str, t.Any] = survey_value(value, "dict", {})
    except AnsibleError:
        # Without the cause, which shows the value, and that may hold a password.
        raise AnsibleError(f"{name} is neither a dictionary nor a text of key=value") from None
    return read


def typed(name: str, value: t.Any, kind: str) -> t.Any:
    """Give a value its type, None where nothing was given."""
    if kind == "secret":
        return plain(value) or None
    try:
        value = survey_value(value, kind)
    except AnsibleError as error:
        raise AnsibleError(f"{name}: {error}") from error
    return None if value in ("", [], {}) else value


def warn(former: str, name: str, option: str) -> None:
    """Tell that a variable of 0.6.0 will no longer be read."""
    display.deprecated(
        f"The variable {former} is deprecated. Use {name}: {{{option}: ...}}.",
        version="0.8.0",
        collection_name="imagescan.openshift",
    )
