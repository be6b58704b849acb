# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a cluster before a run: it can be reached, and each account may do what its steps do."""

from __future__ import annotations

import typing as t
from functools import partial

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import InputError
from .._core.text import quoted
from .._discovery import images, mirrors
from .._discovery.cluster import Cluster
from .._discovery.selection import DiscoverySelection, patterns
from .._discovery.source import openshift, workloads
from .._discovery.workloads import KINDS
from .._enforcement.targets.table import TARGETS, find_targets
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import FORBIDDEN, ApiError, operation_of
from .._kubernetes.rights import missing_rights, requests_of
from .._kubernetes.service_accounts import AccessRequest, who_am_i
from .cluster_options import connect_as

Params = t.Mapping[str, t.Any]
#: What the methods job and image_volume do in their namespace.
SCANNER_RIGHTS = {
    ("batch", "jobs"): "create list patch delete",
    ("", "pods"): "list delete",
    ("", "pods/log"): "get",
    ("", "configmaps"): "create get list delete",
    ("", "events"): "list",
}
_RIGHTS_SHOWN = 40


def account_checks(module: AnsibleModule) -> t.Iterator[t.Callable[[], None]]:
    """List the checks of the cluster, one for each account."""
    steps_of: dict[str, list[str]] = {}
    for step in module.params["cluster_steps"]:
        steps_of.setdefault(module.params["kubeconfigs"].get(step, ""), []).append(step)
    for kubeconfig, steps in steps_of.items():
        yield partial(_check_account, module, kubeconfig, steps)


def _check_account(module: AnsibleModule, kubeconfig: str, steps: t.Sequence[str]) -> None:
    """Raise ApiError where the account of these steps does not get in, or lacks rights: all of them in one message."""
    client = connect_as(module, kubeconfig)
    step_of: dict[AccessRequest, str] = {}
    for step in steps:
        for wish in _WISHES[step](client, module):
            step_of.setdefault(wish, step)
    missing = missing_rights(client, step_of)
    if not missing:
        return
    lacking = {step: [wish for wish in missing if step_of[wish] == step] for step in steps}
    told = "; ".join(f"{_listed(lacked)} (step {step})" for step, lacked in lacking.items() if lacked)
    roles = dict.fromkeys(
        "ClusterRole imagescan-mirrors" if wish.group == mirrors.GROUP else _ROLES[step].format_map(module.params)
        for step, lacked in lacking.items()
        for wish in lacked
    )
    raise ApiError(
        f"{who_am_i(client) or 'the account'} may not do in {client.server} what the run needs: {told}",
        code=FORBIDDEN,
        hint=f"grant {' and '.join(roles)} to it; the role imagescan.openshift.setup makes accounts with these rights,"
        " and docs/rights.md lists them",
    )


def _listed(wishes: t.Sequence[AccessRequest]) -> str:
    more = len(wishes) - _RIGHTS_SHOWN
    return ", ".join(map(str, wishes[:_RIGHTS_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _discovers(client: KubernetesClient, module: AnsibleModule) -> t.Iterator[AccessRequest]:
    params = module.params
    yield from _reads_mirrors(client, params)
    selection = DiscoverySelection(patterns(params, "namespaces"))
    if selection.namespaces and not selection.plain:
        yield AccessRequest("list", "namespaces")
    listed: dict[tuple[str, str], str] = {}
    if openshift.SOURCE.name in params["sources"]:
        openshift.check(Cluster(client), openshift.ELSEWHERE)
        yield AccessRequest("list", "images", images.GROUP)
        listed[images.GROUP, "imagestreams"] = "list"
    if workloads.SOURCE.name in params["sources"]:
        for resource in params["workload_kinds"] or KINDS:
            if resource not in KINDS:
                raise InputError(f"{quoted(resource)} is not a kind of workloads", hint=f"expected {', '.join(KINDS)}")
            kind = KINDS[resource]
            if not kind.group or client.has_group(kind.group):
                listed[operation_of("GET", f"{kind.prefix}/{resource}").group, resource] = "list"
    for namespace in selection.plain or ("",):
        yield from requests_of(listed, namespace)


def _scans(client: KubernetesClient, module: AnsibleModule) -> t.Iterator[AccessRequest]:
    yield from _reads_mirrors(client, module.params)
    if module.params["scan_method"] != "local":
        yield from requests_of(SCANNER_RIGHTS, module.params["scan_namespace"])


def _flags(client: KubernetesClient, module: AnsibleModule) -> t.Iterator[AccessRequest]:
    known = [target.name for target in TARGETS]
    for name in module.params["flag_targets"] or ():
        if name not in known:
            raise InputError(
                f"flag_targets: {quoted(name)} is not a target of flags", hint=f"expected {' or '.join(known)}"
            )
    yield AccessRequest("list", "pods")
    for target in find_targets(client, module.params["flag_targets"]):
        for wish in requests_of(target.rights):
            if wish.verb in ("get", "list") or not module.check_mode:
                yield wish


def _reads_mirrors(client: KubernetesClient, params: Params) -> t.Iterator[AccessRequest]:
    if params["mirrors_from_cluster"] and client.has_group(mirrors.GROUP):
        yield from requests_of({(mirrors.GROUP, kind): "list" for kind in mirrors.KINDS})


_WISHES = {"discover": _discovers, "scan": _scans, "flag": _flags}
#: What the role ``setup`` gives the account of each step.
_ROLES = {
    "discover": "ClusterRole imagescan-discovery",
    "scan": "Role imagescan-scanner in the namespace {scan_namespace}",
    "flag": "ClusterRole imagescan-flagger",
}
