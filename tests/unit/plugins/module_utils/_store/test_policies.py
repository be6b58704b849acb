# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which policies the verdicts in the store were made, and how that differs from those given now."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._store.policies import PolicyUse, compare_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import Policy
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.selection import Selection
from ansible_collections.imagescan.openshift.tests.support.verdict_store import POLICY, VerdictStore
from ansible_collections.imagescan.openshift.tests.support.verdicts import INVENTORY

ONE, TWO, INDEX = (f"sha256:{letter * 64}" for letter in "12a")
CHANGED = dataclasses.replace(POLICY, max_severity="low")
OTHER = Policy("other", max_severity="low")


@pytest.fixture
def verdicts(tmp_path: Path) -> VerdictStore:
    """Two images that the built-in policy judged, and an index of them."""
    made = VerdictStore(tmp_path / "store.db")
    made.put({ONE: "failed", TWO: "passed"}, {"quay.io/team/one:1": ONE, "quay.io/team/two:1": TWO})
    made.index(INDEX, [ONE, TWO], "failed")
    return made


def compared(verdicts: VerdictStore, *policies: Policy) -> dict[str, tuple[bool, int, int, bool]]:
    """sha256 -> given, judged, missing, differs."""
    with open_store(str(verdicts.path), create=False) as store:
        found = compare_policies(store, store.images.all(), policies)
    return {one.sha256: (one.given, one.judged, one.missing, one.differs) for one in found}


def test_the_same_policy_is_the_same(verdicts: VerdictStore) -> None:
    described = dataclasses.replace(POLICY)
    assert compared(verdicts, described) == {POLICY.sha256: (True, 2, 0, False)}


def test_a_policy_that_was_changed_is_another(verdicts: VerdictStore) -> None:
    assert CHANGED.name == POLICY.name
    assert compared(verdicts, CHANGED) == {
        POLICY.sha256: (False, 2, 0, True),
        CHANGED.sha256: (True, 0, 2, True),
    }


def test_one_that_is_left_out_differs(verdicts: VerdictStore) -> None:
    verdicts.put({TWO: "passed"}, policy=OTHER)
    assert compared(verdicts, POLICY)[OTHER.sha256] == (False, 1, 0, True)


@pytest.mark.parametrize(
    ("images", "missing"),
    [
        (Selection(), 2),
        (Selection(repositories=("team/one",)), 1),
        (Selection(platforms=("linux/s390x",)), 0),
        (Selection(registries=("docker.io",)), 0),
        (Selection(labels=(("no-such-label", "*"),)), 0),
        (Selection(labels=tuple((name, "*") for name in INVENTORY.labels)), 2),
    ],
)
def test_one_that_came_since_differs_where_it_selects_an_image(
    verdicts: VerdictStore, images: Selection, missing: int
) -> None:
    added = dataclasses.replace(OTHER, images=images)
    found = compared(verdicts, POLICY, added)
    assert found[added.sha256] == (True, 0, missing, missing > 0)
    assert found[POLICY.sha256] == (True, 2, 0, False)


def test_what_has_no_verdict_counts_for_nothing(verdicts: VerdictStore) -> None:
    with open_store(str(verdicts.path)) as store:
        store.images.record("sha256:" + "3" * 64, "quay.io/team/three:1", now="2026-01-01T00:00:00Z", platform="")
    assert compared(verdicts, POLICY) == {POLICY.sha256: (True, 2, 0, False)}


def test_many_images_are_read_in_parts(verdicts: VerdictStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    with open_store(str(verdicts.path), create=False) as store:
        real = store.verdicts.in_force

        def counting(keys: t.Iterable[str] | None = None) -> list[t.Any]:
            sizes.append(len(list(keys or ())))
            return real(keys)

        monkeypatch.setattr("ansible_collections.imagescan.openshift.plugins.module_utils._store.policies._PART", 1)
        monkeypatch.setattr(store.verdicts, "in_force", counting)
        found = compare_policies(store, store.images.all(), [POLICY])
    assert sizes == [1, 1]
    assert found == [PolicyUse(POLICY.name, POLICY.sha256, True, 2, 0)]
