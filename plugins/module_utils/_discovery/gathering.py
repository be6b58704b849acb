# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names from the sources that a person chose, before anybody asks what they mean."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t

from .._core.errors import InputError
from .._core.progress import Progress
from .._images.access import Access
from .._images.sightings import is_of_one_cluster
from .cluster import Cluster
from .source.model import DiscoverySource, Gathered, Params
from .source.table import SOURCES


def chosen_sources(params: Params) -> list[DiscoverySource]:
    """The sources that the options name, or give. Raises InputError where these contradict each other."""
    given_names = [name for name, source in SOURCES.items() if source.is_given(params)]
    names = given_names if params["sources"] is None else params["sources"]
    _check_given(names, given_names)
    telling = [source.name for source in SOURCES.values() if source.tells_use]
    if params["in_use"] and not set(telling).intersection(names):
        raise InputError(f"in_use is asked for, but not the source {' or '.join(telling)}, which tells what runs")
    return [source for name, source in SOURCES.items() if name in names]


def _check_given(names: t.Collection[str], given_names: t.Collection[str]) -> None:
    needed = [name for name, source in SOURCES.items() if not source.has_defaults]
    empty = [name for name in names if name in needed and name not in given_names]
    if empty:
        raise InputError(f"sources names {', '.join(empty)}, but the option of that name is empty")
    unused = [name for name in given_names if name not in names]
    if unused:
        raise InputError(f"the option {unused[0]} is given, but sources does not name it, so it would be left out")


def read_queries(params: Params, sources: t.Container[DiscoverySource]) -> list[tuple[DiscoverySource, t.Any]]:
    """Read the options of all sources, before anything is asked; the queries of those that are chosen."""
    queries = [(source, source.query(params)) for source in SOURCES.values()]
    return [(source, query) for source, query in queries if source in sources]


def gather(
    queries: t.Sequence[tuple[DiscoverySource, t.Any]], access: Access, cluster: Cluster | None, progress: Progress
) -> Gathered:
    """What the sources give, that of a cluster last. It is read first, since one that cannot be read ends the search.

    Says every second how far the cluster is read: a page can take long where the server is slow.
    """
    of_cluster = _gather_from_cluster(queries, cluster, progress) if cluster else Gathered()
    gathered = Gathered()
    for source, query in queries:
        if not source.in_cluster:
            gathered.add(source.gather(query, access))
    gathered.add(of_cluster)
    if cluster and any(is_of_one_cluster(image.name) for image in (*gathered.named, *gathered.uses)):
        gathered.catalogue = dataclasses.replace(gathered.catalogue, cluster=cluster.identity)
    return gathered


def _gather_from_cluster(
    queries: t.Iterable[tuple[DiscoverySource, t.Any]], cluster: Cluster, progress: Progress
) -> Gathered:
    def read() -> Gathered:
        cluster.prepare()
        gathered = Gathered()
        for source, query in queries:
            if source.in_cluster:
                gathered.add(source.gather(query, cluster))
        return gathered

    pool = concurrent.futures.ThreadPoolExecutor(1, "imagescan-list")
    finished = False
    try:
        reading = pool.submit(read)
        while not concurrent.futures.wait([reading], timeout=1.0).done:
            counts = ", ".join(f"{count} {resource}" for resource, count in tuple(cluster.read.items()))
            progress.beat(f"read {counts or 'nothing yet'} of {cluster.client.server}")
        finished = True
        return reading.result()
    finally:
        pool.shutdown(wait=finished)
