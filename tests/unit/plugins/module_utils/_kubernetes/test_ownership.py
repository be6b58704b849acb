# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation makes, and what of it is taken away."""

from __future__ import annotations

import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.ownership import key_of, plan_objects

OURS = {"owner": "us", "place": "a"}


def answer(kind: str, **labels: dict[str, str] | None) -> dict[str, t.Any]:
    """What a cluster has of a kind, by name."""
    return {"kind": kind, "objects": [{"metadata": {"name": n, "labels": given}} for n, given in labels.items()]}


def part(kind: str, name: str, *, wanted: bool) -> dict[str, t.Any]:
    """An object that the installation can have."""
    return {"wanted": wanted, "object": {"kind": kind, "metadata": {"name": name}}}


def planned(*answers: dict[str, t.Any], parts: t.Sequence[dict[str, t.Any]]) -> dict[str, list[str]]:
    """The plan, by kind and name."""
    plan = plan_objects(answers, parts, OURS)
    return {name: [item if name == "taken" else key_of(item) for item in items] for name, items in plan.items()}


def test_objects_of_the_cluster_are_ours_by_all_labels() -> None:
    there = answer("ClusterRole", a={**OURS, "more": "x"}, b={"owner": "us"}, c=None)
    parts = [part("ClusterRole", name, wanted=True) for name in "abd"]
    assert planned(there, parts=parts) == {
        "wanted": ["ClusterRole/a", "ClusterRole/b", "ClusterRole/d"],
        "ours": ["ClusterRole/a"],
        "taken": ["ClusterRole/b"],
        "needless": [],
    }


def test_what_is_wanted_no_more_is_needless_where_it_is_there() -> None:
    there = (answer("ClusterRoleBinding", a=OURS, old=OURS, alien={}), answer("Role", scan=None, alien=None))
    parts = [
        *(part("ClusterRoleBinding", name, wanted=False) for name in ("a", "alien")),
        part("Role", "scan", wanted=False),
        part("Role", "gone", wanted=False),
    ]
    needless = planned(*there, parts=parts)["needless"]
    assert needless == ["ClusterRoleBinding/a", "ClusterRoleBinding/old", "Role/scan"]
    # A namespaced object is never taken: the namespace is ours.
    kept = planned(*there, parts=[part("Role", "scan", wanted=True)])
    assert (kept["taken"], kept["needless"]) == ([], ["ClusterRoleBinding/a", "ClusterRoleBinding/old"])
