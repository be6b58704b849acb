# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for the lists that must stand before a policy reads any."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.first_lists import (
    SHARDS,
    Found,
    Installation,
    Step,
    plan,
    plan_removal,
    plan_tidying,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import ScanError

TWO = Installation("shop", ("imagescan", "licences"), 2)


def there(wanted: Installation, *filled: str) -> list[Found]:
    """What a cluster has once all was made. ``filled``: names of lists with entries."""
    return [
        Found(
            one["kind"],
            one["metadata"]["name"],
            one["metadata"]["labels"],
            one["spec"],
            one["metadata"]["name"] in filled,
        )
        for one in wanted.documents
    ]


def steps(planned: t.Iterable[Step]) -> list[tuple[str, str]]:
    """What, with which list."""
    return [(one.what, one.name) for one in planned]


@pytest.mark.parametrize("shards", SHARDS)
def test_the_lists_of_a_provider_speak_for_every_digest_once(shards: int) -> None:
    digits = Installation("shop", ("a", "b"), shards).digits
    assert len(digits) == 2 * shards
    for provider in "ab":
        spoken = "".join(part for name, part in digits.items() if name.startswith(f"{provider}-passed-"))
        assert sorted(spoken) == list("0123456789abcdef")


def test_nothing_is_done_where_all_is_there() -> None:
    assert not plan(TWO, there(TWO), in_use=True, needs_passed=False)
    assert not plan_tidying(TWO, there(TWO))


def test_what_lacks_is_made_and_what_was_changed_is_put_right() -> None:
    found = there(TWO)
    drill, first = found[0], found[1]
    changed = [
        Found(drill.kind, drill.name, drill.labels, {"digests": {}}, True),
        Found(first.kind, first.name, {}, first.spec, True),
        *found[3:],
    ]
    planned = steps(plan(TWO, changed, in_use=False, needs_passed=False))
    assert planned == [("change", "shop-drill"), ("change", "imagescan-0"), ("make", "licences-0")]


def test_lists_are_made_anew_only_while_nothing_requires_them() -> None:
    four = Installation("shop", TWO.providers, 4)
    planned = steps(plan(four, there(TWO), in_use=False, needs_passed=False))
    assert ("renew", "imagescan-passed-0") in planned
    assert ("make", "licences-passed-3") in planned
    with pytest.raises(ScanError, match="cannot change while namespaces require a passed scan") as caught:
        plan(four, there(TWO), in_use=True, needs_passed=False)
    assert caught.value.code == "lists-in-use"
    assert steps(plan_tidying(TWO, there(four))) == [
        ("remove", f"{name}-passed-{number}") for name in TWO.providers for number in (2, 3)
    ]


@pytest.mark.parametrize(
    ("filled", "lacking"),
    [
        ((), "imagescan, licences"),
        (("imagescan-passed-1",), "licences"),
        (("imagescan-passed-1", "licences-0"), "licences"),  # a deny list is no proof of a pass
    ],
)
def test_nothing_is_required_that_no_digest_has(filled: tuple[str, ...], lacking: str) -> None:
    with pytest.raises(ScanError, match=f"no digest is known that passed a scan of {lacking}, so") as caught:
        plan(TWO, there(TWO, *filled), in_use=True, needs_passed=True)
    assert caught.value.code == "nothing-passed"
    everyone = there(TWO, "imagescan-passed-0", "licences-passed-1")
    assert not plan(TWO, everyone, in_use=True, needs_passed=True)


def test_lists_of_another_installation_are_left_alone() -> None:
    other = Installation("staging", ("imagescan",), 2)
    with pytest.raises(ScanError, match="belongs to the installation shop") as caught:
        plan(other, there(TWO), in_use=False, needs_passed=False)
    assert caught.value.code == "list-taken"
    assert not plan_removal("staging", there(TWO))
    assert len(plan_removal("shop", there(TWO))) == 7
