# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service of the module ``enforcement_lists``: keep the lists of an installation."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._core.times import now_text
from .._enforcement.list_installer import (
    ExistingList,
    Installation,
    ListStep,
    carry_out,
    plan,
    plan_removal,
    plan_tidying,
    read,
)
from .._flags.names import ENFORCE_LABEL, REQUIRED_LABEL
from .._flags.namespace_scope import Reach
from .._podscan.manifests import check_name
from .cluster_options import client_of

_SCOPE = ("namespaces", "exempt_namespaces", "require_passed_namespaces")


def keep_lists(module: AnsibleModule) -> dict[str, t.Any]:
    """Make, tidy or remove the lists. Returns the result of the module."""
    params = module.params
    check_name(params["prefix"], "prefix")
    reach = Reach(params["action"], *(tuple(params[key]) for key in _SCOPE))
    installation = Installation(params["prefix"], tuple(params["providers"]), params["shards"], reach)
    installation.check()
    client = client_of(module)
    lists = read(client, installation.prefix, now=now_text())
    steps = _steps(params, installation, lists)
    if not module.check_mode:
        carry_out(client, steps, lists)
    tidying = plan_tidying(installation, lists) if params["state"] == "present" else []
    return {
        "changed": bool(steps),
        "needless": [_key(step) for step in tidying],
        "steps": [{"what": step.what, "kind": step.kind, "name": step.name} for step in steps],
        "others": sorted(item.key for item in lists if item.labels.get(ENFORCE_LABEL) != installation.prefix),
        "diff": _difference(steps, {item.key: item for item in lists}),
    }


def _steps(
    params: t.Mapping[str, t.Any], installation: Installation, lists: t.Sequence[ExistingList]
) -> t.Sequence[ListStep]:
    if params["state"] == "present":
        return plan(installation, lists, needs_passed=params["needs_passed"])
    return plan_tidying(installation, lists) if params["state"] == "tidy" else plan_removal(installation.prefix, lists)


def _key(step: ListStep) -> str:
    return f"{step.kind}/{step.name}"


def _difference(steps: t.Sequence[ListStep], lists: t.Mapping[str, ExistingList]) -> dict[str, t.Any]:
    """Describe the lists before and after the steps, for --diff."""
    return {
        "before": {key: _shown(lists[key]) if key in lists else {} for key in map(_key, steps)},
        "after": {_key(step): _after(step, lists.get(_key(step))) for step in steps},
    }


def _shown(item: ExistingList) -> dict[str, t.Any]:
    return {"labels": dict(item.labels), "annotations": dict(item.annotations), "spec": item.spec}


def _after(step: ListStep, item: ExistingList | None) -> dict[str, t.Any]:
    """Describe the list after the change; nothing if it is removed."""
    if not step.document:
        return {}
    head = step.document["metadata"]
    labels = dict(item.labels) if item and step.what == "change" else {}
    labels.pop(REQUIRED_LABEL, None)
    labels.update(head["labels"])
    return {"labels": labels, "annotations": head.get("annotations", {}), "spec": step.document["spec"]}
