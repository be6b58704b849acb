# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for the lists that must stand before a policy reads any."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.list_installer import (
    SHARDS,
    ExistingList,
    Installation,
    ListStep,
    change,
    plan,
    plan_removal,
    plan_tidying,
    read,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.names import (
    NAMESPACES_ANNOTATION,
    PASSED_KIND,
    REQUIRED_LABEL,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import Reach, read_reach

TWO = Installation("shop", ("imagescan", "licences"), 2)
STRICT = dataclasses.replace(TWO, reach=Reach(required=("vault",)))
NOW = "2026-06-01T00:00:00Z"


def there(wanted: Installation, *filled: str) -> list[ExistingList]:
    """What a cluster has once all was made. ``filled``: names of lists with entries."""
    return [
        ExistingList(
            one["kind"],
            one["metadata"]["name"],
            one["metadata"]["labels"],
            one["spec"],
            one["metadata"]["name"] in filled,
            one["metadata"].get("annotations", {}),
        )
        for one in wanted.documents
    ]


def steps(planned: t.Iterable[ListStep]) -> list[tuple[str, str]]:
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
    for wanted in (TWO, STRICT):
        assert not plan(wanted, there(wanted), needs_passed=False)
        assert not plan_tidying(wanted, there(wanted))


def test_what_lacks_is_made_and_what_was_changed_is_put_right() -> None:
    found = there(TWO)
    drill, first = found[0], found[1]
    changed = [
        ExistingList(drill.kind, drill.name, drill.labels, {"digests": {}}, True, {}),
        ExistingList(first.kind, first.name, {}, first.spec, True, first.annotations),
        *found[3:],
    ]
    planned = steps(plan(TWO, changed, needs_passed=False))
    assert planned == [("change", "shop-drill"), ("change", "imagescan-0"), ("make", "licences-0")]


def test_lists_are_made_anew_only_while_nothing_requires_them() -> None:
    four = Installation("shop", TWO.providers, 4)
    planned = steps(plan(four, there(TWO), needs_passed=False))
    assert ("renew", "imagescan-passed-0") in planned
    assert ("make", "licences-passed-3") in planned
    with pytest.raises(ScanError, match="cannot change while namespaces require a passed scan") as caught:
        plan(dataclasses.replace(four, reach=STRICT.reach), there(TWO), needs_passed=False)
    assert caught.value.code == "lists-in-use"
    assert steps(plan_tidying(TWO, there(four))) == [
        ("remove", f"{name}-passed-{number}") for name in TWO.providers for number in (2, 3)
    ]


@pytest.mark.parametrize(
    ("filled", "lacking"),
    [
        ((), "imagescan, licences"),
        (("imagescan-passed-1",), "licences"),
        (("imagescan-passed-1", "licences-0"), "licences"),  # a deny list is not proof of a pass
    ],
)
def test_nothing_is_required_that_no_digest_has(filled: tuple[str, ...], lacking: str) -> None:
    with pytest.raises(ScanError, match=f"no digest is known that passed a scan of {lacking}, so") as caught:
        plan(STRICT, there(STRICT, *filled), needs_passed=True)
    assert caught.value.code == "nothing-passed"
    everyone = there(STRICT, "imagescan-passed-0", "licences-passed-1")
    assert not plan(STRICT, everyone, needs_passed=True)
    # They lack the label of required lists until now, and keep their entries when they get it.
    before = there(TWO, "imagescan-passed-0", "licences-passed-1")
    assert {what for what, _name in steps(plan(STRICT, before, needs_passed=True))} == {"change"}


def test_lists_of_another_installation_are_left_alone() -> None:
    other = Installation("staging", ("imagescan",), 2)
    with pytest.raises(ScanError, match="belongs to the installation shop") as caught:
        plan(other, there(TWO), needs_passed=False)
    assert caught.value.code == "list-taken"
    assert not plan_removal("staging", there(TWO))
    assert len(plan_removal("shop", there(TWO))) == 7


# What runs of image_flag read: where enforcement acts, and which lists something cannot run without.


def test_the_first_deny_list_of_each_provider_says_where_enforcement_acts() -> None:
    reach = Reach("warn", ("shop",), ("kube-system", "openshift-*"), ())
    wanted = dataclasses.replace(TWO, reach=reach)
    noted = {one["metadata"]["name"]: one["metadata"].get("annotations", {}) for one in wanted.documents}
    assert {name for name, annotations in noted.items() if annotations} == {"imagescan-0", "licences-0"}
    assert read_reach(noted["imagescan-0"][NAMESPACES_ANNOTATION]) == reach

    planned = plan(wanted, there(TWO), needs_passed=False)
    assert steps(planned) == [("change", "imagescan-0"), ("change", "licences-0")]
    patch = change(planned[0].document, there(TWO)[1])
    assert patch["metadata"]["annotations"] == {NAMESPACES_ANNOTATION: reach.text()}
    assert "spec" not in patch


def test_passed_lists_say_whether_they_are_required_and_no_longer_when_they_are_not() -> None:
    names = {one.name for one in there(STRICT) if REQUIRED_LABEL in one.labels}
    assert names == set(STRICT.digits)
    assert not any(REQUIRED_LABEL in one.labels for one in there(TWO))
    assert {name for what, name in steps(plan(STRICT, there(TWO), needs_passed=False)) if "-passed-" in name} == names

    found = there(STRICT)
    planned = [one for one in plan(TWO, found, needs_passed=False) if one.kind == PASSED_KIND]
    assert steps(planned) == [("change", name) for name in TWO.digits]
    last = next(one for one in found if one.name == planned[0].name)
    assert change(planned[0].document, last)["metadata"]["labels"][REQUIRED_LABEL] is None
    assert change(planned[0].document, there(TWO)[3])["metadata"]["labels"].get(REQUIRED_LABEL, "") == ""


@pytest.mark.parametrize(
    ("digests", "filled"),
    [
        ({}, False),
        ({"sha256:1": ""}, True),
        ({"sha256:1": "2026-05-31T23:59:59Z"}, False),
        ({"sha256:1": NOW}, False),
        ({"sha256:1": "2026-05-31T23:59:59Z", "sha256:2": "2026-06-01T00:00:01Z"}, True),
    ],
)
def test_only_a_pass_that_is_not_over_fills_a_list(digests: dict[str, str], filled: bool) -> None:
    document = {**TWO.documents[-1], "spec": {"prefixes": ["0"], "digests": digests}}

    class Api:
        def items(self, path: str, project: t.Callable[[t.Any], ExistingList], *, limit: int) -> list[ExistingList]:
            return [project(document)] if path.endswith("/passedlists") else []

    found = read(t.cast("t.Any", Api()), "shop", now=NOW)
    assert [one.filled for one in found] == [filled]
    assert found[0].spec == {"prefixes": ["0"]}
