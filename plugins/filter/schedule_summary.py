# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_summary
short_description: Tell the last and the next run of a schedule
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Reads what a host or a cluster knows of the runs of a schedule, as the role P(imagescan.openshift.schedule#role)
    asks for it.
positional: kind, name, state, plan, spread
options:
  _input:
    description:
      - For the kind V(cronjob) two lists, of its Jobs and of the events that tell of refused ones. For others the
        answers of the module M(ansible.builtin.slurp) for the files C(last) and C(refused).
    type: list
    required: true
  kind:
    description: By what it is run.
    type: str
    choices: [systemd, cron, cronjob]
    required: true
  name:
    description: Name of the schedule.
    type: str
    required: true
  state:
    description: Its state.
    type: str
    choices: [present, disabled, absent]
    required: true
  plan:
    description: What the filter P(imagescan.openshift.schedule_plan#filter) returns. Counts in the state V(present).
    type: dict
    default: {}
  spread:
    description: By how many seconds a run may be late.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Say that there was no run
  ansible.builtin.debug:
    msg: "{{ ([] | imagescan.openshift.schedule_summary('cron', 'nightly', 'disabled')).lines }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary. C(last) has C(began), C(ended) and C(status) of the last run, as far as they are known; C(refused)
      is when a run was refused because one went on; C(next) when the next one comes; C(changes) as in the plan.
    - C(lines) says all of it.
  type: dict
"""

import typing as t

from ..module_utils._schedule.summary import lines, runs_of_cluster, runs_of_host


def schedule_summary(
    answers: list[t.Any],
    kind: str,
    name: str,
    state: str,
    plan: dict[str, t.Any] | None = None,
    spread: t.Any = 0,
) -> dict[str, t.Any]:
    """See the documentation of the filter."""
    runs = runs_of_cluster(*(answers or ([], []))) if kind == "cronjob" else runs_of_host(answers)
    plan = (plan or {}) if state == "present" else {}
    return {
        **runs._asdict(),
        "next": plan["next"][0] if plan else "",
        "changes": plan.get("changes", []),
        "lines": lines(f"{name} ({kind})", state, runs, plan, int(spread)),
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {"schedule_summary": schedule_summary}
