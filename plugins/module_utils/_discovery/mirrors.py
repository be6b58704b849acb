# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors that the nodes of an OpenShift cluster use: ImageDigestMirrorSet and ImageTagMirrorSet.

Several entries for one source are merged as the Machine Config Operator merges them: their orders are kept where they
do not contradict each other. ImageContentSourcePolicy, their predecessor, is not read.
"""

from __future__ import annotations

import graphlib
import itertools
import typing as t

from .._core.errors import InputError
from .._images.mirrors import Mirror
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError

GROUP = "config.openshift.io"
ENTRY_LIMIT = 10_000
#: Plural of the kind -> field of its spec, and the pulls that its mirrors serve.
KINDS = {
    "imagedigestmirrorsets": ("imageDigestMirrors", "digest"),
    "imagetagmirrorsets": ("imageTagMirrors", "tag"),
}


def read_mirrors(client: KubernetesClient) -> tuple[Mirror, ...]:
    """The mirrors that the cluster has, none where it is not OpenShift. Raises ApiError, also where reading is refused.

    Raises InputError where an entry cannot be understood.
    """
    if not client.has_group(GROUP):
        return ()
    return tuple(itertools.chain.from_iterable(_read_kind(client, kind) for kind in KINDS))


def _read_kind(client: KubernetesClient, kind: str) -> list[Mirror]:
    field, pulls = KINDS[kind]

    def project(item: dict[str, t.Any]) -> list[Mirror]:
        metadata, spec = item.get("metadata"), item.get("spec")
        name = metadata.get("name") if isinstance(metadata, dict) else ""
        entries = spec.get(field) if isinstance(spec, dict) else None
        try:
            mirrors = [_mirror(entry, pulls) for entry in _list(entries)]
        except InputError as error:
            error.subject = f"{kind} {str(name)[:253]!a}"
            raise
        # As nodes have it: without a mirror that is another place, an entry says nothing, nor forbids its source.
        return [mirror for mirror in mirrors if set(mirror.mirrors) - {mirror.source}]

    try:
        mirrors = [mirror for listed in client.items(f"/apis/{GROUP}/v1/{kind}", project) for mirror in listed]
    except ApiError as error:
        if error.status != 404:  # An OpenShift before 4.13 has the group without these kinds.
            raise
        return []
    if len(mirrors) > ENTRY_LIMIT:
        raise InputError(f"the cluster has {len(mirrors)} entries of {kind}; at most {ENTRY_LIMIT} are read")
    by_source: dict[str, list[Mirror]] = {}
    for mirror in mirrors:
        by_source.setdefault(mirror.source, []).append(mirror)
    return [_merged(entries) for _source, entries in sorted(by_source.items())]


def _mirror(entry: t.Any, pulls: str) -> Mirror:
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), str):
        raise InputError("an entry has no source")
    mirrors = _list(entry.get("mirrors"))
    if not all(isinstance(mirror, str) for mirror in mirrors):
        raise InputError("an entry has a mirror that is not text")
    return Mirror(
        entry["source"],
        tuple(mirrors),
        pulls,
        never_contact_source=entry.get("mirrorSourcePolicy") == "NeverContactSource",
    )


def _list(value: t.Any) -> list[t.Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError("a list of mirrors is not a list")
    return value


def _merged(entries: list[Mirror]) -> Mirror:
    """One entry for the source: a, b and b, c make a, b, c."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for entry in entries:
        for place in entry.mirrors:
            sorter.add(place)
        for before, after in zip(entry.mirrors, entry.mirrors[1:]):
            sorter.add(after, before)
    try:
        order = list(sorter.static_order())
    except graphlib.CycleError:  # Such orders are allowed; the outcome is not specified.
        order = list(dict.fromkeys(place for entry in entries for place in entry.mirrors))
    return Mirror(
        entries[0].source,
        tuple(order),
        entries[0].pulls,
        never_contact_source=any(entry.never_contact_source for entry in entries),
    )
