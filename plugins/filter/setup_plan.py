# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: setup_plan
short_description: Plan what the role setup makes and removes
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Compares what a cluster has with what the role P(imagescan.openshift.setup#role) is to make.
positional: parts, labels
options:
  _input:
    description: What the module M(imagescan.openshift.cluster_objects_info) returns as C(kinds).
    type: list
    elements: dict
    required: true
  parts:
    description: Every object that the role can make, as C(object), and whether it is C(wanted).
    type: list
    elements: dict
    required: true
  labels:
    description: Labels by which objects of the cluster belong to the installation.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell what is removed
  ansible.builtin.debug:
    msg: "{{ (seen.kinds | imagescan.openshift.setup_plan(parts, {'example.com/owner': 'shop'})).needless }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary of lists. C(wanted) has the objects to make, C(ours) those of the cluster that belong to the
      installation, and C(needless) all that are to be deleted; C(taken) has kinds and names of objects that belong to
      somebody else.
  type: dict
"""

import typing as t

from ..module_utils._kubernetes.ownership import plan_objects


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {"setup_plan": plan_objects}
