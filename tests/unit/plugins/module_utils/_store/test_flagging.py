# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What flags are made of: verdicts in force, no pass that ran out, names as a runtime spells them."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.plan import Snapshot
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import named
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import READ
from ansible_collections.imagescan.openshift.plugins.module_utils._store.flagging import _full, read_snapshot
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import StoredVerdict
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._store.verdicts import StoredVerdicts
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import Policy
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.selection import Selection
from ansible_collections.imagescan.openshift.tests.support.verdict_store import POLICY, VerdictStore
from ansible_collections.imagescan.openshift.tests.support.verdicts import INVENTORY

A, B, C, INDEX = ("sha256:" + letter * 64 for letter in "abcd")
DAY = datetime.timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> VerdictStore:
    """An empty store."""
    return VerdictStore(tmp_path / "store.db")


def read(
    store: VerdictStore,
    *images: str,
    policies: t.Sequence[Policy] = (POLICY,),
    later: datetime.timedelta = datetime.timedelta(),
    only: t.Collection[str] | None = None,
) -> Snapshot:
    """What flags see."""
    now = datetime.datetime.now(datetime.timezone.utc) + later
    wanted = [named(one) for one in images] if images else None
    with open_store(str(store.path), read_only=True) as opened:
        return read_snapshot(opened, wanted, policies, now=now, report_url="https://x.example/{digest}", only=only)


def test_verdicts_reasons_and_names(store: VerdictStore) -> None:
    store.put({A: "failed"}, {"Nginx.example.com:443/app:1": A, f"quay.io/team/app:2@{A}": A, "oci:/tmp/images:app": A})
    store.put({B: "passed"}, {"docker.io/library/nginx:latest": B})
    found = read(store)
    assert (found.whole, set(found.subjects)) == (True, {A, B})
    assert found.subjects[A].references == ("nginx.example.com/app:1",)
    assert found.subjects[A].facts.report_url == f"https://x.example/{A}"
    assert found.subjects[A].facts.reasons[0][0] == "vulnerability"
    assert found.places == {"nginx.example.com/app:1": [A], "docker.io/library/nginx:latest": [B]}
    assert found.subjects[B].facts.scanned_at


def test_a_pass_ends_with_its_policy(store: VerdictStore) -> None:
    store.put({A: "passed"})
    assert read(store).subjects[A].facts.verdict == "passed"
    assert read(store).subjects[A].until == read(store).subjects[A].lasting != ""
    late = read(store, later=31 * DAY).subjects[A]
    assert (late.facts.verdict, late.until) == ("inconclusive", "")
    assert late.facts.reasons[0] == ("not_judged_yet", late.facts.reasons[0][1])
    assert "ran out" in late.facts.reasons[0][1]
    assert read(store, policies=[Policy("other")]).subjects[A].facts.verdict == "inconclusive"


def test_an_index_ends_with_the_first_of_its_images(store: VerdictStore) -> None:
    store.put({A: "passed"}, age=20 * DAY)
    store.put({B: "passed", C: "failed"})
    store.index(INDEX, [A, B], "passed")
    found = read(store).subjects
    assert found[INDEX].until == found[A].until < found[B].until
    assert found[INDEX].facts.scanned_at == found[A].facts.scanned_at
    assert read(store, later=11 * DAY).subjects[INDEX].facts.verdict == "inconclusive"
    assert read(store, later=11 * DAY).subjects[B].facts.verdict == "passed"


def test_a_part_of_the_store_knows_where_all_names_lead(store: VerdictStore) -> None:
    store.put({A: "failed", B: "passed"}, {"quay.io/a/a:1": A, "quay.io/b/b:1": B})
    store.index(INDEX, [A], "failed")
    part = read(store, INDEX)
    assert (part.whole, set(part.subjects)) == (False, {A, INDEX})
    assert set(part.places) == {"quay.io/a/a:1", "quay.io/b/b:1"}
    assert set(read(store, INDEX, only={INDEX}).subjects) == {INDEX}
    unknown = read(store, "sha256:" + "e" * 64).subjects
    assert [one.facts.verdict for one in unknown.values()] == ["inconclusive"]


# Every policy that selects an image.


def test_a_policy_that_is_added_holds_up_what_it_has_not_judged(store: VerdictStore) -> None:
    store.put({A: "passed", B: "passed"}, {"quay.io/shop/app:1": A, "quay.io/other/app:1": B})
    store.index(INDEX, [A], "passed")
    added = Policy("shop", images=Selection(repositories=("shop/*",)))
    found = read(store, policies=[POLICY, added]).subjects
    assert {digest: one.facts.verdict for digest, one in found.items()} == {
        A: "inconclusive",
        B: "passed",
        INDEX: "inconclusive",
    }
    assert found[A].facts.reasons[0][1] == "it was not judged by the policy 'shop', which selects it; judge again"
    assert (found[A].until, found[A].lasting) == ("", "")
    # A name that it was not judged under counts, too.
    with open_store(str(store.path)) as opened:
        opened.images.record(B, "quay.io/shop/another:1", now="2026-11-24T12:00:00Z")
    assert read(store, policies=[POLICY, added]).subjects[B].facts.verdict == "inconclusive"


def test_a_policy_selects_by_platform_and_labels_too(store: VerdictStore) -> None:
    store.put({A: "passed"})
    labels = INVENTORY.labels
    assert labels
    one = sorted(labels.items())[0]
    for selection, verdict in (
        (Selection(labels=(one,)), "inconclusive"),
        (Selection(labels=((one[0], "something else"),)), "passed"),
        (Selection(platforms=("linux/amd64",)), "inconclusive"),
        (Selection(platforms=("linux/s390x",), labels=(one,)), "passed"),
    ):
        found = read(store, policies=[POLICY, Policy("added", images=selection)]).subjects
        assert found[A].facts.verdict == verdict, selection


# What a run on some images must know of others, and of before.


def test_a_part_of_the_store_tells_which_indexes_pass_no_more(store: VerdictStore) -> None:
    store.put({A: "passed", B: "passed"})
    store.index(INDEX, [A, B], "passed")
    assert read(store, A).ended == frozenset()
    part = read(store, A, later=31 * DAY)
    assert (set(part.subjects), part.ended) == ({A}, {INDEX})
    store.put({A: "failed"})
    store.index(INDEX, [A, B], "failed")
    assert read(store, B).ended == {INDEX}
    assert (read(store, INDEX).ended, read(store).ended) == (frozenset(), frozenset())


def test_indexes_that_share_an_image_are_not_followed_in_circles(store: VerdictStore) -> None:
    store.put({A: "passed", B: "passed"})
    another = "sha256:" + "9" * 64
    store.index(INDEX, [A, B], "passed")
    store.index(another, [B], "passed")
    assert read(store, A, later=31 * DAY).ended == {INDEX}
    assert read(store, B, later=31 * DAY).ended == {INDEX, another}


def test_what_failed_before_nobody_knew_is_told(store: VerdictStore) -> None:
    store.put({A: "failed", B: "failed", C: "passed"})
    store.put({A: "error", B: "passed"})
    store.put({B: "inconclusive", C: "inconclusive"})
    found = read(store).subjects
    assert {digest: one.failed_last for digest, one in found.items()} == {A: True, B: False, C: False}


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("quay.io/a/b:1", "quay.io/a/b:1"),
        ("quay.io/a/b:1@sha256:" + "a" * 64, ""),
        ("oci:/images/a", ""),
        ("docker-archive:/images/a.tar:quay.io/a/b:1", ""),
        ("quay.io/A", ""),
    ],
)
def test_names_of_the_deny_list_have_a_tag_and_a_registry(name: str, full: str) -> None:
    assert _full(name) == full


def test_few_verdicts_are_in_memory_at_a_time(store: VerdictStore) -> None:
    digests = [f"sha256:{number:064x}" for number in range(4 * READ)]
    store.put(dict.fromkeys(digests, "failed"))
    held: list[int] = []

    class Counting(StoredVerdicts):
        def in_force(self, keys: t.Iterable[str] | None = None) -> list[StoredVerdict]:
            found = super().in_force(keys)
            held.append(len(found))
            return found

    with open_store(str(store.path), read_only=True) as opened:
        opened.verdicts = Counting(opened.database)
        found = read_snapshot(opened, None, [POLICY], now=datetime.datetime.now(datetime.timezone.utc))
    assert len(found.subjects) == 4 * READ
    assert max(held) == READ
