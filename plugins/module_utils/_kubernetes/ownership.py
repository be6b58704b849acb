# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that an installation makes, and those of it that it needs no more. They are told apart as kind/name."""

from __future__ import annotations

import typing as t

_Json = dict[str, t.Any]
#: Of these an object is ours by its labels; of others by its name in a namespace of ours.
_CLUSTER_KINDS = ("ClusterRole", "ClusterRoleBinding")


def key_of(document: t.Mapping[str, t.Any]) -> str:
    """Kind and name."""
    return f"{document['kind']}/{document['metadata']['name']}"


def plan_objects(
    answers: t.Iterable[t.Mapping[str, t.Any]], parts: t.Sequence[t.Mapping[str, t.Any]], labels: t.Mapping[str, str]
) -> dict[str, list[t.Any]]:
    """Compare what is there with what is wanted.

    ``answers``: what the module ``cluster_objects_info`` returned as ``kinds``. ``parts``: every object that the
    installation can have, as ``object``, and whether it is ``wanted``. ``labels``: of the cluster's objects of ours.
    """
    ours: list[_Json] = []
    seen: set[str] = set()
    for answer in answers:
        for found in answer["objects"]:
            document = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": answer["kind"],
                "metadata": {"name": found["metadata"]["name"]},
            }
            seen.add(key_of(document))
            given = found["metadata"].get("labels") or {}
            if answer["kind"] in _CLUSTER_KINDS and all(given.get(name) == value for name, value in labels.items()):
                ours.append(document)
    wanted = [part["object"] for part in parts if part["wanted"] is True]
    names, own = set(map(key_of, wanted)), set(map(key_of, ours))
    unwanted = [part["object"] for part in parts if part["wanted"] is not True]
    left = [item for item in unwanted if item["kind"] not in _CLUSTER_KINDS and key_of(item) in seen]
    in_cluster = {key for key in names if key.startswith(_CLUSTER_KINDS)}
    return {
        "wanted": wanted,
        "ours": ours,
        "taken": sorted(in_cluster & seen - own),
        "needless": [item for item in ours if key_of(item) not in names] + left,
    }
