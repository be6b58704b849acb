# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a name leads to: who told counts, and of which time, never the order."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.sightings import (
    HOLDERS,
    SOURCES,
    Sighting,
    earlier,
    is_of_one_cluster,
    leads_to,
    moment,
)
from hypothesis import given
from hypothesis import strategies as st

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
NAME = "quay.io/shop/app:1"
DAYS = tuple(f"2026-01-0{day}T00:00:00Z" for day in range(1, 6))


def seen(*told: tuple[str, str, int]) -> list[Sighting]:
    """Digest, source, day."""
    return [Sighting(NAME, digest, source, DAYS[day - 1]) for digest, source, day in told]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([(A, "registry", 1)], {A: True}),
        ([(A, "import", 1)], {A: False}),
        ([(A, "import", 1), (B, "import", 2)], {A: False, B: False}),
        ([(A, "import", 1), (B, "registry", 1)], {B: True}),
        ([(A, "import", 3), (B, "registry", 2)], {A: False, B: False}),
        ([(A, "pod", 3), (A, "registry", 2)], {A: True}),
        ([(A, "registry", 1), (B, "registry", 2)], {B: True}),
        ([(A, "registry", 3), (B, "registry", 2), (C, "told", 3)], {A: True}),
        ([(A, "registry", 2), (B, "openshift", 2)], {A: False, B: False}),
        ([(A, "unknown", 1), (B, "told", 2)], {A: False, B: False}),
    ],
)
def test_what_a_name_leads_to(told: list[tuple[str, str, int]], expected: dict[str, bool]) -> None:
    for order in itertools.permutations(seen(*told)):
        assert leads_to(order) == {NAME: expected}


SIGHTINGS = st.lists(
    st.builds(
        Sighting,
        st.sampled_from([NAME, "Quay.IO:443/shop/app:1", "quay.io/shop/other:1"]),
        st.sampled_from([A, B, C]),
        st.sampled_from(SOURCES),
        st.sampled_from([*DAYS, "", "no time"]),
        st.sampled_from(["", "", "east", "west"]),
    ),
    max_size=8,
)


@given(SIGHTINGS, st.randoms())
def test_the_order_never_matters_and_only_a_holder_is_certain(told: list[Sighting], random: t.Any) -> None:
    found = leads_to(told)
    shuffled = list(told)
    random.shuffle(shuffled)
    assert leads_to(shuffled) == leads_to([*told, *told]) == found
    for digests in found.values():
        holders = {one.digest for one in told if one.source in HOLDERS}
        if any(digests.values()):
            assert len(digests) == 1
            assert set(digests) <= holders
    # What nobody ended is there: the newest word of all.
    if told:
        newest = max(told, key=lambda one: (moment(one.seen), one.source in HOLDERS))
        assert newest.digest in found[newest.reference]


def test_a_name_with_a_digest_leads_to_that_alone() -> None:
    pinned = f"{NAME}@{A}"
    assert leads_to([Sighting(pinned, A, "told")]) == {pinned: {A: True}}
    assert leads_to([Sighting(pinned, B)]) == {}


def test_spellings_of_a_name_are_one_name() -> None:
    told = [Sighting("Quay.IO:443/shop/app:1", A, "registry", DAYS[0]), *seen((B, "registry", 2))]
    assert leads_to(told) == {NAME: {B: True}}
    # Tags and paths do have a case.
    assert len(leads_to([*seen((A, "registry", 1)), Sighting("quay.io/shop/app:1A", B, "registry", DAYS[1])])) == 2


@pytest.mark.parametrize(
    ("time", "expected"), [("", DAYS[1]), (DAYS[0], DAYS[0]), (DAYS[2], DAYS[1]), ("yesterday", DAYS[1])]
)
def test_no_time_is_later_than_the_present(time: str, expected: str) -> None:
    assert earlier(time, DAYS[1]) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("image-registry.openshift-image-registry.svc:5000/shop/app:1", True),
        ("Registry.default.SVC.cluster.local/shop/app:1", True),
        ("localhost:5000/app:1", True),
        ("[::1]:5000/app:1", True),
        ("127.0.0.1:5000/app:1", True),
        ("quay.io/shop/app.svc:1", False),
        ("registry.svc.example.com/app:1", False),
        ("oci:/tmp/app:1", False),
    ],
)
def test_names_that_each_cluster_has_for_itself(name: str, expected: bool) -> None:
    assert is_of_one_cluster(name) is expected
