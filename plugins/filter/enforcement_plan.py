# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: enforcement_plan
short_description: Plan what the role enforce does with a cluster
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Tells from what a cluster has where the policies of the role P(imagescan.openshift.enforce#role) count, what is
    removed, what is tried first, and what may not be.
positional: options, labels
options:
  _input:
    description:
      - What the module M(imagescan.openshift.cluster_objects_info) returns as C(kinds) for the policies, bindings and
        lists of all installations, all namespaces, and the cluster role and binding for drills.
    type: list
    elements: dict
    required: true
  options:
    description:
      - Variables of the role without C(enforce_), which are C(prefix), C(action), C(providers), C(passed_shards),
        C(namespaces), C(exempt_namespaces), C(require_passed_namespaces) and C(scan_namespace).
    type: dict
    required: true
  labels:
    description: Labels of what is made.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Tell what is removed
  ansible.builtin.debug:
    msg: "{{ (seen.kinds | imagescan.openshift.enforcement_plan(options)).needless }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary. C(refusals) says what may not be; C(ours) and C(needless) are objects, as far as deleting them needs
      it; C(tried) names policies that do not count yet; C(needs_passed) tells whether something begins to be refused
      because no passed scan of it is known.
    - C(drills) are the namespaces for drills, C(always_exempt) those that no option makes count, C(exempt_beginnings)
      are beginnings of the names of others; C(passed) maps lists of passed digests to first digits; C(unscanned_pods)
      are pods that must be refused.
    - C(terms) has for C(trial) and C(proved) what the policies are filled with.
    - C(installations) has the prefixes of all that have a policy; C(our_lists) and C(other_lists) have a prefix for
      each list, and C(has_lists) tells whether the cluster knows their kinds.
  type: dict
"""

import typing as t

from ..module_utils._enforcement.role_plan import LIST_KINDS, RoleOptions, RolePlan, read


def enforcement_plan(
    kinds: list[dict[str, t.Any]], options: dict[str, t.Any], labels: dict[str, str] | None = None
) -> dict[str, t.Any]:
    """See the documentation of the filter."""
    options = {**options, "passed_shards": int(options["passed_shards"])}
    plan = RolePlan(RoleOptions(**options), read(kinds))
    return {
        "refusals": plan.refusals(),
        "ours": [item.document for item in plan.ours],
        "needless": [item.document for item in plan.needless],
        "tried": plan.tried,
        "needs_passed": plan.needs_passed,
        "drills": plan.options.drills,
        "always_exempt": plan.always_exempt,
        "exempt_beginnings": plan.options.beginnings,
        "passed": plan.options.passed,
        "unscanned_pods": plan.options.unscanned_pods(),
        "terms": {
            name: plan.terms(labels or {}, is_trial=is_trial) for name, is_trial in (("trial", True), ("proved", False))
        },
        "installations": plan.installations,
        "our_lists": [prefix for prefix in plan.lists if prefix == plan.options.prefix],
        "other_lists": [prefix for prefix in plan.lists if prefix != plan.options.prefix],
        "has_lists": any(kind["served"] for kind in kinds if kind["kind"] in LIST_KINDS),
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {"enforcement_plan": enforcement_plan}
