# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts about values that a variable of a role cannot have, before any of them is used.

Argument specs cannot tell: they refuse the texts that surveys give, such as an empty one, and name no nearest choice.
"""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleError, AnsibleUndefinedVariable

from ..filter.survey_value import NAMES, survey_value
from ..lookup.option_group import GROUPS, read_group
from ..module_utils._core.spelling import nearest
from ..module_utils._core.text import visible
from ._variables import ROLES

#: Variable -> the values that it can have, or its entries where it is a list.
CHOICES: Mapping[str, Sequence[str]] = {
    "clusters_steps": ("discover", "scan", "judge", "flag", "report"),
    "controller_collection": ("awx.awx", "ansible.controller"),
    "controller_state": ("present", "absent"),
    "drill_action": ("deny", "warn", "audit"),
    "enforce_action": ("deny", "warn", "audit"),
    "enforce_passed_shards": ("1", "2", "4", "8", "16"),
    "enforce_state": ("present", "stopped", "absent"),
    "feed_feeds.format": ("csaf-vex", "osv", "updateinfo"),
    "feed_state": ("present", "checked"),
    "scan_fail_on": ("failed", "error", "inconclusive", "none"),
    "scan_feed_format": ("csaf-vex", "osv", "updateinfo"),
    "scan_flag_state": ("present", "absent"),
    "scan_flag_targets": ("image_annotation", "deny_list"),
    "scan_method": ("local", "job", "image_volume"),
    "scan_report_formats": ("json", "html", "junit", "sarif", "csv", "metrics", "openvex", "openscap"),
    "scan_sources": ("references", "paths", "registry", "openshift", "workloads"),
    "scan_steps": ("discover", "scan", "judge", "flag", "report"),
    "scan_workloads.kinds": (
        *("pods", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "cronjobs"),
        *("replicationcontrollers", "deploymentconfigs", "buildconfigs"),
    ),
    "schedule_kind": ("systemd", "cron", "cronjob"),
    "schedule_state": ("present", "disabled", "absent"),
    "setup_accounts": ("discover", "scan", "flag"),
    "setup_state": ("present", "absent"),
}
#: Variable that is a dictionary, or a list of them -> its options.
OPTIONS: Mapping[str, Sequence[str]] = {
    "feed_feeds": (
        *("url", "path", "index", "format", "distribution", "repository_map", "signature_key", "checksum", "names"),
        *("for_store", "only_names", "max_age"),
    ),
    "scan_kubeconfigs": ("discover", "scan", "flag"),
    "scan_openshift": ("streams", "tags", "history"),
    "scan_registry": ("host", "repositories", "tags", "limit"),
    "scan_vex": ("path", "signature_key"),
    "scan_workloads": ("kinds", "old_revisions"),
}
HINTS = {"schedule_kind": "; schedules of AWX belong to its job templates: imagescan.openshift.controller"}
_USE = re.compile(r"\{\{\s*(\w+)\s*\|\s*imagescan\.openshift\.survey_value\(\s*'(\w+)'")
#: Types of values that may hold a password, and are not shown.
_HIDDEN = ("kubeconfig", "dict", "dicts")


@functools.lru_cache
def types_of(role: str) -> Mapping[str, str]:
    """The types that the role's own variables give to its options: name -> type of the filter ``survey_value``."""
    path = next((ROLES / role / "vars").rglob("main.yml"))
    return dict(_USE.findall(path.read_text(encoding="utf-8")))


def wrong_values(role: str, variables: Mapping[str, t.Any], template: t.Callable[[t.Any], t.Any]) -> list[str]:
    """Write a text for each variable of a role that has a value which it cannot have."""
    texts = []
    for group in GROUPS if role == "scan" else ():
        try:
            read_group(group, variables, template)
        except AnsibleUndefinedVariable:
            continue  # It is told where it is used; some variables are known there alone.
        except AnsibleError as error:
            texts.append(str(error))
    for name, kind in types_of(role).items():
        if name not in variables:
            continue
        try:
            given = template(variables[name])
        except AnsibleUndefinedVariable:
            continue
        except AnsibleError as error:
            texts.append(f"{name}: {error}")
            continue
        texts += wrong_value(name, given, kind)
    return texts


def wrong_value(name: str, given: t.Any, kind: str) -> list[str]:
    """Write the texts for one variable, if its value is wrong."""
    try:
        value = survey_value(given, kind, [])
    except AnsibleError as error:
        if kind in _HIDDEN:
            return [f"{name} is not {NAMES.get(kind, 'a kubeconfig, neither a dictionary nor paths')}"]
        return [f"{name}: {str(error).removeprefix('survey_value: ')}"]
    if name not in OPTIONS:
        return wrong_choices(name, name, value)
    texts = []
    for number, entry in enumerate(value if isinstance(value, list) else [value], 1):
        place = f"{name}, entry {number}" if kind == "dicts" else name
        for option, chosen in entry.items():
            if option in OPTIONS[name]:
                words = chosen if isinstance(chosen, list) else [word.strip() for word in str(chosen or "").split(",")]
                texts += wrong_choices(f"{place}: {option}", f"{name}.{option}", list(filter(None, words)))
            else:
                texts.append(f"{place} has no option {visible(str(option), 100)}{nearest(str(option), OPTIONS[name])}")
    return texts


def wrong_choices(place: str, name: str, value: t.Any) -> list[str]:
    """Write the text for a value, or entries of a list, that are not among the choices of a name."""
    choices = CHOICES.get(name, ())
    words = [str(word) for word in (value if isinstance(value, list) else [value])]
    wrong = sorted({word for word in words if word not in choices}) if choices else []
    if not wrong:
        return []
    expected = (
        f"any of {', '.join(choices)}" if isinstance(value, list) else f"{', '.join(choices[:-1])} or {choices[-1]}"
    )
    shown = visible(", ".join(wrong), 200)
    return [f"{place}: {shown} is not possible; expected {expected}{nearest(wrong[0], choices)}{HINTS.get(name, '')}"]
