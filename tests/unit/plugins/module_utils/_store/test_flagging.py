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
from ansible_collections.imagescan.openshift.plugins.module_utils._store.flagging import read_snapshot
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import Policy
from ansible_collections.imagescan.openshift.tests.support.verdict_store import POLICY, VerdictStore

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
