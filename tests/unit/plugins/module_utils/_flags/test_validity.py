# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a pass holds: to the second of the first limit, and not at all where nobody knows the limits."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.validity import Validity, validity, worst_of
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.conditions.ages import CHANGE_SKEW
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import Policy

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)
DAY = 86_400
SECOND = datetime.timedelta(seconds=1)
POLICY = Policy("own", feed_age=7 * DAY, scan_age=30 * DAY)
SCANNED, CHECKED, NEWEST = "2026-11-20T00:00:00Z", "2026-11-24T06:00:00Z", "2026-11-01T00:00:00Z"


def held(
    *policies: Policy,
    now: datetime.datetime = NOW,
    exceptions: t.Sequence[t.Mapping[str, str]] = (),
    times: t.Mapping[str, str] | None = None,
    selecting: t.Sequence[Policy] | None = None,
    compliance: t.Mapping[str, t.Any] | None = None,
) -> Validity:
    """How long an image holds that passed by these policies. ``selecting``: those that it should have passed by."""
    document = {
        "policies": [{"name": one.name, "sha256": one.sha256} for one in policies],
        "exceptions": list(exceptions),
        "compliance": compliance,
    }
    given = {"scanned_at": SCANNED, "evaluated_at": "", "feed_checked": CHECKED, "feed_newest": NEWEST, **(times or {})}
    known = {one.sha256: one for one in (POLICY, FREE, FRESH, LASTING, RULES)}
    return validity(document, known, selecting=policies if selecting is None else selecting, now=now, **given)


FREE = Policy("free", feed_age=None)
FRESH = Policy("fresh", feed_age=None, newest_age=30 * DAY)
RULES = Policy("rules", feed_age=None, scan_age=30 * DAY, max_failed_severity="medium")
LASTING = Policy("lasting", feed_age=999_999 * 7 * DAY, newest_age=999_999 * 7 * DAY, scan_age=999_999 * 7 * DAY)


@pytest.mark.parametrize(
    ("policies", "until", "lasting"),
    [
        ([POLICY], "2026-12-01T06:00:00Z", "2026-12-20T00:00:00Z"),
        ([FREE], "", ""),
        ([FREE, POLICY], "2026-12-01T06:00:00Z", "2026-12-20T00:00:00Z"),
        ([FRESH], "2026-12-01T00:00:00Z", ""),
    ],
)
def test_the_first_limit_ends_it(policies: list[Policy], until: str, lasting: str) -> None:
    assert held(*policies) == Validity(until, lasting)


def test_it_ends_to_the_second() -> None:
    end = datetime.datetime(2026, 12, 1, 6, 0, tzinfo=datetime.timezone.utc)
    assert held(POLICY, now=end - datetime.timedelta(seconds=1)).problem == ""
    assert held(POLICY, now=end).problem.startswith("its verdict ran out at 2026-12-01T06:00:00Z; judge again")


def test_it_ends_with_its_exceptions_through_their_last_day() -> None:
    accepted = {"state": "accepted", "expires": "2026-11-25"}
    others = [{"state": "expired", "expires": "2020-01-01"}, {"state": "accepted", "expires": ""}]
    assert held(FREE, exceptions=[accepted, *others]) == Validity("2026-11-26T00:00:00Z", "2026-11-26T00:00:00Z")


def test_an_end_that_no_calendar_has_is_none() -> None:
    assert held(LASTING) == Validity()
    assert held(FREE, exceptions=[{"state": "accepted", "expires": "9999-12-31"}]) == Validity()
    last = [{"state": "accepted", "expires": "9999-12-30"}]
    assert held(LASTING, exceptions=last) == Validity("9999-12-31T00:00:00Z", "9999-12-31T00:00:00Z")
    assert held(LASTING, POLICY, exceptions=last).until == "2026-12-01T06:00:00Z"


def test_it_holds_for_every_policy_that_selects_the_image() -> None:
    assert held(FREE, POLICY, selecting=[POLICY, FREE]).problem == ""
    added = held(FREE, selecting=[FREE, POLICY, FRESH])
    assert added.problem == "it was not judged by the policy 'own', which selects it; judge again"
    assert (added.until, added.lasting) == ("", "")
    assert held(FREE, POLICY, selecting=[FREE]).problem == ""  # its names changed, and one selects it no more
    assert held(selecting=[FREE]).problem == "it was not judged by the policy 'free', which selects it; judge again"


def test_rules_are_as_old_as_their_evaluation() -> None:
    seen: dict[str, t.Any] = {"problems": []}
    older = {"evaluated_at": "2026-11-01T00:00:00Z"}
    end = "2026-12-01T00:00:00Z"
    assert held(RULES, times=older, compliance=seen) == Validity(end, end)
    assert held(POLICY, times=older, compliance=seen).lasting == "2026-12-20T00:00:00Z"  # it asks about no rules
    assert "its rules were evaluated at an unknown time" in held(RULES, compliance=seen).problem
    # It passed by its kind, which has no rules.
    no_rpm = {"problems": [{"code": "compliance-no-rpm", "message": "static"}]}
    for passed_by_kind in (None, no_rpm):
        assert held(RULES, times=older, compliance=passed_by_kind).lasting == "2026-12-20T00:00:00Z"


def test_the_newest_change_may_be_a_little_ahead_of_our_clock() -> None:
    """As the clock of a vendor may be."""
    for ahead, is_known in ((datetime.timedelta(minutes=1), True), (CHANGE_SKEW, True), (CHANGE_SKEW + SECOND, False)):
        newest = (NOW + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert bool(held(FRESH, times={"feed_newest": newest}).problem) is not is_known


def test_without_data_there_is_no_limit_of_data() -> None:
    assert held(POLICY, times={"feed_checked": "", "feed_newest": ""}) == Validity(
        "2026-12-20T00:00:00Z", "2026-12-20T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("policy", "times", "problem"),
    [
        (dataclasses.replace(POLICY, scan_age=DAY), {}, "passed by the policy 'own', which is not one of the policies"),
        (Policy("gone"), {}, "passed by the policy 'gone', which is not one of the policies given"),
        (POLICY, {"scanned_at": ""}, "scanned at an unknown time"),
        (POLICY, {"scanned_at": "yesterday"}, "scanned at an unknown time"),
        (POLICY, {"scanned_at": "2026-11-24T13:00:00Z"}, "scanned at an unknown time"),
        (POLICY, {"feed_checked": "soon"}, "its data is of an unknown time"),
        (FRESH, {"feed_newest": ""}, "its data is of an unknown time"),
        (FRESH, {"feed_newest": "2099-01-01T00:00:00Z"}, "its data is of an unknown time"),
        (POLICY, {"feed_checked": "9999-12-31T12:00:00Z"}, "its data is of an unknown time"),
    ],
)
def test_what_nobody_knows_the_limits_of_does_not_hold(policy: Policy, times: dict[str, str], problem: str) -> None:
    assert problem in held(policy, times=times).problem


def test_an_index_holds_as_long_as_its_images() -> None:
    images = [
        Validity("2026-12-02T00:00:00Z", ""),
        Validity("2026-12-01T00:00:00Z", "2026-12-03T00:00:00Z"),
        Validity(),
    ]
    assert worst_of(images) == Validity("2026-12-01T00:00:00Z", "2026-12-03T00:00:00Z")
    assert worst_of([]).problem == "none of its images passed; judge again"
    assert worst_of([*images, Validity(problem="it ran out")]).problem == "one of its images: it ran out"
