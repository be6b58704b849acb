# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_pod_run
short_description: Tell what a scheduled run in a pod needs
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads variables of the role P(imagescan.openshift.scan#role), and tells where the run keeps its store, which rights
    its steps need, and what the cluster lacks. The role P(imagescan.openshift.schedule#role) uses it.
positional: namespace, account, prefix, mount, labels, cluster
options:
  _input:
    description: The variables.
    type: dict
    required: true
  namespace:
    description: Where the pod runs.
    type: str
    required: true
  account:
    description: Name of its service account.
    type: str
    required: true
  prefix:
    description: What the names of the cluster roles begin with that the role P(imagescan.openshift.setup#role) made.
    type: str
    required: true
  mount:
    description: Where a volume is mounted. Empty where there is none.
    type: str
    default: ""
  labels:
    description: Labels of what is made for the schedule.
    type: dict
    default: {}
  cluster:
    description:
      - What the cluster has, with the keys C(namespace_uid) (empty where it is not there), C(has_scanner) (whether the
        Role for scans is there) and C(roles) (names of cluster roles).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Tell where the store is
  ansible.builtin.debug:
    msg: "{{ ({} | imagescan.openshift.schedule_pod_run('scans', 'nightly', 'imagescan')).store }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary. C(scope) has the variables that the run gets, and C(steps) its steps; C(store) is the path or URL
      of the store, and C(keeps_store) whether it outlives the pod; C(scans_in_pods) whether the run starts pods itself.
    - C(missing) lists what the cluster lacks, and C(bindings) has the ClusterRoleBindings, each with C(object) and
      whether it is C(wanted).
  type: dict
"""

import typing as t

from .survey_value import survey_value

STEPS = ["discover", "scan", "judge", "report"]


def schedule_pod_run(
    variables: dict[str, t.Any],
    namespace: str,
    account: str,
    prefix: str,
    mount: str = "",
    labels: dict[str, t.Any] | None = None,
    cluster: dict[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """See the documentation of the filter."""
    # Ansible imports all filters of a collection for any of them, in each task, and this imports all sources of images.
    from ..module_utils._schedule.pod_run import PodRun

    steps = survey_value(variables.get("scan_steps"), "list", STEPS)
    sources = survey_value(variables.get("scan_sources"), "list", [])
    run = PodRun(variables, steps, sources, namespace, account, prefix, mount)
    cluster = cluster or {}
    roles, uid = cluster.get("roles", []), str(cluster.get("namespace_uid", ""))
    return {
        "scope": run.scope,
        "steps": steps,
        "store": run.store,
        "keeps_store": run.keeps_store,
        "scans_in_pods": run.scans_in_pods,
        "missing": run.missing(roles, has_namespace=bool(uid), has_scanner=bool(cluster.get("has_scanner"))),
        "bindings": run.bindings(roles, labels or {}, uid),
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {"schedule_pod_run": schedule_pod_run}
