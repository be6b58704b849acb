# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result of a run over flags: what differs, over several rounds, and whom a change concerns."""

from __future__ import annotations

import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.flags import ImageState
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.result import Result, find_foreign
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.running_pods import read_running
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import (
    DENY_EXECUTION,
    AnnotationPatch,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.plan import FlagRow, Seen
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import RecordedClient, digest, pod

A, B = digest("a"), digest("b")
NAME = "quay.io/team/app:1"


def test_nothing_differs_at_first() -> None:
    assert not Result().is_changed


def test_what_a_patch_changes_of_an_image_is_told_by_its_place() -> None:
    result = Result()
    state = ImageState(A, {"kept": "1", "gone": "2"}, {"label": "3"}, "7")
    result.tell_image(state, AnnotationPatch({"gone": None, "new": "4"}, {"label": "5"}))
    assert result.before == {f"image {A}, annotation gone": "2", f"image {A}, label label": "3"}
    assert result.after == {f"image {A}, annotation new": "4", f"image {A}, label label": "5"}
    assert result.is_changed


def test_entries_of_lists_that_come_and_go() -> None:
    result = Result()
    seen = Seen(denied={A: Entry("old")}, listed={NAME: Entry("named")}, passed={B: ""})
    result.tell_entries(seen, {B: Entry("new", "2026-12-01T00:00:00Z")}, {}, [A], [NAME])
    result.tell_passed(seen, {A: "2026-12-02T00:00:00Z"}, [B])
    assert result.before == {
        f"deny list, digest {A}": "old",
        f"deny list, reference {NAME}": "named",
        f"passed list, digest {B}": "no end",
    }
    assert result.after == {
        f"deny list, digest {B}": "new (may be started again until 2026-12-01T00:00:00Z)",
        f"passed list, digest {A}": "until 2026-12-02T00:00:00Z",
    }


def test_over_several_rounds_the_first_state_and_the_last_count() -> None:
    result = Result()
    place = f"deny list, digest {A}"
    result.tell_entries(Seen(denied={A: Entry("first")}), {A: Entry("second")}, {}, (), ())
    result.tell_entries(Seen(denied={A: Entry("second")}), {A: Entry("third")}, {}, (), ())
    assert (result.before, result.after) == ({place: "first"}, {place: "third"})
    result.tell_entries(Seen(denied={A: Entry("third")}), {}, {}, [A], ())
    assert (result.before, result.after) == ({place: "first"}, {})


def test_who_uses_an_image_is_told_and_an_image_without_users_is_not() -> None:
    running = read_running(
        t.cast("t.Any", RecordedClient({"/api/v1/pods": (pod("n", "a", {"c": (NAME, f"quay.io/team/app@{A}")}),)}))
    )
    result = Result()
    used, unused = FlagRow(A, NAME, "it is bad"), FlagRow(B, "", "it is bad")
    result.note([used, unused], "flagged", running)
    result.note([unused], "cleared", running)
    assert (result.flagged, result.cleared) == ([used, unused], [unused])
    assert [(one.row, one.change, [user.name for user in one.pods]) for one in result.affected] == [
        (used, "flagged", ["a"])
    ]


def test_images_that_somebody_else_denies() -> None:
    states = {
        B: ImageState(B, {DENY_EXECUTION: "true"}, {}, "1"),
        A: ImageState(A, {DENY_EXECUTION: "true", "imagescan.github.io/deny.imagescan": "true"}, {}, "1"),
    }
    assert [(one.digest, one.providers, one.unnamed) for one in find_foreign(states, "imagescan")] == [(B, (), True)]
    assert [(one.digest, one.providers, one.unnamed) for one in find_foreign(states, "other")] == [
        (A, ("imagescan",), False),
        (B, (), True),
    ]
