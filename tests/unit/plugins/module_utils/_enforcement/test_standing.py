# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts that still stand when a plan is carried out: asked again, and only of what was planned."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import standing as module
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.standing import Standing
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import FlagFacts
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.plan import FlagSubject, Snapshot

A, B = ("sha256:" + letter * 64 for letter in "ab")
NAME = "quay.io/team/app:1"


def snapshot(places: t.Mapping[str, t.Collection[str]], **verdicts: str) -> Snapshot:
    """A store with the images ``a`` and ``b``."""
    digests = {"a": A, "b": B}
    subjects = {
        digests[letter]: FlagSubject(FlagFacts(digests[letter], verdict, (), (), {}, "", "", "", None))
        for letter, verdict in verdicts.items()
    }
    return Snapshot(subjects, places, whole=True)


def test_without_the_store_everything_stands() -> None:
    standing = Standing([A, B], snapshot({NAME: [A]}, a="passed", b="failed"), None)
    assert standing.digests() == {A, B}
    assert standing.leads_there(NAME)


@pytest.mark.parametrize(
    ("later", "stand", "leads"),
    [
        pytest.param(snapshot({NAME: [A]}, a="passed", b="passed"), {A, B}, True, id="same"),
        pytest.param(snapshot({NAME: [A]}, a="failed", b="passed"), {B}, False, id="another verdict"),
        pytest.param(snapshot({NAME: [A]}, b="passed"), {B}, False, id="forgotten"),
        pytest.param(snapshot({NAME: [B]}, a="passed", b="passed"), {A, B}, False, id="the name leads elsewhere"),
        pytest.param(snapshot({}, a="passed", b="passed"), {A, B}, False, id="the name is gone"),
    ],
)
def test_a_verdict_that_changed_stands_no_more(later: Snapshot, stand: set[str], leads: bool) -> None:
    asked: list[t.Collection[str] | None] = []

    def read(digests: t.Collection[str] | None) -> Snapshot:
        asked.append(digests)
        return later

    standing = Standing([A, B], snapshot({NAME: [A]}, a="passed", b="passed"), read)
    assert standing.digests() == stand
    assert standing.leads_there(NAME) is leads
    assert asked == [frozenset((A, B))], "what the store said counts for a moment"


def test_the_store_is_asked_again_when_its_word_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot({}, a="passed")
    words = iter((before, snapshot({}, a="failed")))
    standing = Standing([A], before, lambda digests: next(words))
    assert standing.digests() == {A}
    monkeypatch.setattr(module, "FRESH_SECONDS", -1.0)
    assert standing.digests() == set()
