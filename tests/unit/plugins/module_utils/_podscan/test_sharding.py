# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards: every image in exactly one, none too long, about the same work in each, shared layers together."""

from __future__ import annotations

from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.sharding import Item, plan_shards
from hypothesis import given, settings
from hypothesis import strategies as st

MIB = 1 << 20


def item(number: int, size: int = 0, *layers: str, tries: int = 0, alone: bool = False) -> Item:
    """An image of a registry."""
    digest = f"sha256:{number:064x}"
    return Item(number, f"r.example/a@{digest}", digest, (), size=size, layers=layers, tries=tries, alone=alone)


def numbers(shards: list[list[Item]]) -> list[list[int]]:
    """The shards by the numbers of their images."""
    return [[one.number for one in shard] for shard in shards]


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("abc"), st.integers(0, 3), st.booleans())),
    pods=st.integers(1, 9),
    per_pod=st.integers(1, 30),
)
def test_every_image_is_in_one_shard_and_no_shard_is_too_long(
    sizes: list[tuple[int, str, int, bool]], pods: int, per_pod: int
) -> None:
    items = [
        item(number, size * MIB, base, tries=tries, alone=alone)
        for number, (size, base, tries, alone) in enumerate(sizes)
    ]
    shards = plan_shards(items, pods=pods, per_pod=per_pod)
    assert sorted(one.number for shard in shards for one in shard) == list(range(len(items)))
    assert all(0 < len(shard) <= per_pod for shard in shards)
    assert all(len(shard) == 1 for shard in shards for one in shard if one.alone or one.tries > 1)
    assert shards == plan_shards(items, pods=pods, per_pod=per_pod)


def test_few_images_are_spread_over_the_pods() -> None:
    assert sorted(map(len, plan_shards([item(n) for n in range(8)], pods=4, per_pod=25))) == [2, 2, 2, 2]
    assert len(plan_shards([item(0), item(1)], pods=4, per_pod=25)) == 2


def test_no_wave_of_pods_is_nearly_empty() -> None:
    shards = plan_shards([item(n, MIB) for n in range(101)], pods=4, per_pod=25)
    assert sorted(map(len, shards)) == [12, 12, 12, 13, 13, 13, 13, 13]


def test_work_is_balanced_by_bytes_and_the_longest_begins_first() -> None:
    items = [item(0, 3000 * MIB), *(item(n, 100 * MIB) for n in range(1, 31))]
    shards = plan_shards(items, pods=2, per_pod=30)
    assert numbers(shards)[0] == [0] or numbers(shards)[1] == [0]
    weights = [sum(one.size for one in shard) for shard in shards]
    assert max(weights) - min(weights) <= 100 * MIB
    mixed = plan_shards([item(n, (n % 7 + 1) * 50 * MIB) for n in range(80)], pods=4, per_pod=25)
    weights = [sum(one.size for one in shard) for shard in mixed]
    assert weights == sorted(weights, reverse=True)
    assert max(weights) <= 1.3 * sum(weights) / len(weights)


def test_a_size_that_nobody_knows_counts_as_the_usual_one() -> None:
    items = [item(0), item(1), *(item(n, 200 * MIB) for n in range(2, 8))]
    assert sorted(map(len, plan_shards(items, pods=2, per_pod=25))) == [4, 4]


def test_images_that_share_layers_share_a_pod() -> None:
    items = [item(n, 100 * MIB, "base-a" if n % 2 else "base-b", f"top{n}") for n in range(8)]
    assert sorted(sorted(shard) for shard in numbers(plan_shards(items, pods=2, per_pod=25))) == [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
    ]


def test_what_was_tried_before_gets_smaller_shards_and_a_suspect_is_alone() -> None:
    items = [*(item(n, tries=1) for n in range(20)), item(20, tries=1, alone=True), *(item(n) for n in range(21, 46))]
    shards = numbers(plan_shards(items, pods=1, per_pod=25))
    assert [20] in shards
    assert all(len(shard) <= 5 for shard in shards if shard[0] < 21)
    assert list(range(21, 46)) in shards
    assert plan_shards([], pods=4, per_pod=25) == []
