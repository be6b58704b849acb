# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images one pod works through: balanced by bytes, images that share layers together."""

from __future__ import annotations

import dataclasses
import statistics
import typing as t

from .._core.errors import ScanError

#: What an image costs beside its bytes (requests, a process), in bytes that are read in the same time.
OVERHEAD = 2 << 20
#: Images of one pod at the second try, as a part of the usual number; from the third on each is alone.
SMALLER = 5


@dataclasses.dataclass
class Item:
    """One image that is still to be scanned.

    ``target``: reference, pinned where the digest is known. ``digest``: empty where only a tag is known. ``index``:
    digest of the index that it came from. ``size``: compressed bytes, 0 unknown. ``layers``: lowest first.
    ``kind``: ``image``, ``index`` or empty where nobody knows. ``failing_since``: since when its pull fails, by the
    clock of the run. ``environment``: of the image's config, where a registry told it.
    ``number``: its place in the run; it names the item. ``tries``: pods that had it and ended without its result.
    ``alone``: it may be the cause of such an end. ``cause``: the first reason why it has no result yet. ``again``: what
    was recorded for it cannot be trusted, and is replaced.
    """

    number: int
    target: str
    digest: str
    references: tuple[str, ...]
    index: str = ""
    platform: str = ""
    size: int = 0
    layers: tuple[str, ...] = ()
    tries: int = 0
    alone: bool = False
    cause: ScanError | None = None
    again: bool = False
    kind: str = ""
    failing_since: float | None = None
    environment: tuple[str, ...] = ()


def plan_shards(items: t.Sequence[Item], *, pods: int, per_pod: int) -> list[list[Item]]:
    """Cut the items into shards of at most ``per_pod``, enough for ``pods`` to work at once; largest first.

    What was tried before gets smaller shards, so that one bad image takes fewer others along.
    """
    sizes = [item.size for item in items if item.size > 0]
    usual = int(statistics.median(sizes)) if sizes else 0
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(_most(item, per_pod), []).append(item)
    shards = [shard for most, group in sorted(groups.items(), reverse=True) for shard in _cut(group, usual, pods, most)]
    # Whatever takes long begins first. Sorting is stable, so equal input gives equal shards.
    return sorted(shards, key=lambda shard: -sum(_weight(item, usual) for item in shard))


def _most(item: Item, per_pod: int) -> int:
    """Count the images that may share a pod with this one, itself included."""
    if item.alone or item.tries > 1:
        return 1
    return per_pod if not item.tries else max(1, per_pod // SMALLER)


def _weight(item: Item, usual: int) -> int:
    return (item.size or usual) + OVERHEAD


def _cut(items: list[Item], usual: int, pods: int, most: int) -> list[list[Item]]:
    """Cut a group into runs of about the same weight. In the order of their layers, neighbours share a base."""
    ordered = sorted(items, key=lambda item: (item.layers, item.number))
    count = -(-len(ordered) // most)
    # A multiple of the pods that work at once, else the last wave leaves some of them without work.
    count = min(len(ordered), -(-count // pods) * pods)
    total = sum(_weight(item, usual) for item in ordered)
    shards: list[list[Item]] = [[]]
    filled = 0
    for position, item in enumerate(ordered):
        weight = _weight(item, usual)
        cuts, current = count - len(shards), shards[-1]
        # Half of an image beyond the boundary is nearer to it than none.
        full = filled + weight // 2 > total * len(shards) // count
        item_count = len(ordered) - position
        if current and cuts and (len(current) == most or item_count <= cuts or (full and item_count <= cuts * most)):
            shards.append([])
        shards[-1].append(item)
        filled += weight
    return shards
