# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when a verdict that passed is one: policies limit the age of scans and data, and exceptions end.

A verdict is not judged again by time passing, so whoever acts on one asks here whether it still holds.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .._core.text import visible
from .._core.times import parse_time, read_time, utc_text
from .._verdicts.conditions.base import Limit, Pass
from .._verdicts.conditions.table import CONDITIONS
from .._verdicts.policies import Policy

_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class Validity:
    """Validity of a pass. Times are RFC 3339 in UTC, empty for no end.

    ``until``: the end, by all that is known. ``lasting``: the end by what a new check of the data does not move (scan
    and exceptions), which is the same in every run. ``problem``: why it does not hold now, or empty.
    """

    until: str = ""
    lasting: str = ""
    problem: str = ""


def validity(
    document: t.Mapping[str, t.Any],
    policies: t.Mapping[str, Policy],
    *,
    selecting: t.Iterable[Policy],
    scanned_at: str,
    evaluated_at: str,
    feed_checked: str,
    feed_newest: str,
    now: datetime.datetime,
) -> Validity:
    """Compute the validity of the pass of a report's image object that is not an index.

    ``policies``: by their sha256, those that are in force. A pass by another one does not hold: nobody knows its
    limits, and it may have been changed since. ``selecting``: those of them that select the image, each of which it
    must have passed. ``evaluated_at``: when its rules were. Times are empty where there was no scan, none or no data.
    """
    lasting: list[datetime.datetime | None] = []
    moving: list[datetime.datetime | None] = []
    judged = {judging_policy["sha256"] for judging_policy in document["policies"]}
    passed = Pass(scanned_at, evaluated_at, feed_checked, feed_newest, document.get("compliance"))
    for judging_policy in document["policies"]:
        if judging_policy["sha256"] not in policies:
            name = visible(str(judging_policy["name"]), 100)
            return Validity(
                problem=f"it passed by the policy '{name}', which is not one of the policies given, or not as it is now"
            )
        policy = policies[judging_policy["sha256"]]
        for limit in _limits(policy, passed):
            moment = read_time(limit.moment.strip())
            if moment is None or moment > now + limit.skew:
                return Validity(problem=f"{limit.unknown}, and the policy '{policy.name}' limits that")
            (lasting if limit.lasting else moving).append(_later(moment, limit.seconds))
    for policy in selecting:
        if policy.sha256 not in judged:
            return Validity(problem=f"it was not judged by the policy '{policy.name}', which selects it; judge again")
    lasting += _ends_of_exceptions(document)
    end = _first(lasting + moving)
    ran_out = end is not None and end <= now
    problem = f"its verdict ran out at {_text(end)}; judge again, after a scan or with newer data" if ran_out else ""
    return Validity(_text(end), _text(_first(lasting)), problem)


def _ends_of_exceptions(document: t.Mapping[str, t.Any]) -> list[datetime.datetime | None]:
    """Ends of the exceptions that a pass needs. One holds through its last day."""
    expiries = [
        exception["expires"] for exception in document.get("exceptions", ()) if exception["state"] == "accepted"
    ]
    return [_later(parse_time(day, "the expiry of an exception"), _DAY) for day in expiries if day]


def _limits(policy: Policy, passed: Pass) -> list[Limit]:
    """Those of a pass by one policy, with the ones first that a new check of the data does not move."""
    limits = [limit for condition in CONDITIONS for limit in condition.valid_until(policy, passed)]
    return sorted(limits, key=lambda limit: not limit.lasting)


def worst_of(validities: t.Iterable[Validity]) -> Validity:
    """That of an index, of those of its images that passed: it passes as long as all of them do."""
    items = list(validities)
    if not items:
        return Validity(problem="none of its images passed; judge again")
    problems = [item.problem for item in items if item.problem]
    return Validity(
        min((item.until for item in items if item.until), default=""),
        min((item.lasting for item in items if item.lasting), default=""),
        f"one of its images: {problems[0]}" if problems else "",
    )


def _later(moment: datetime.datetime, seconds: int) -> datetime.datetime | None:
    """A moment after another; None for one that no calendar has, which means no end."""
    try:
        return moment + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return None


def _first(ends: t.Iterable[datetime.datetime | None]) -> datetime.datetime | None:
    return min((end for end in ends if end is not None), default=None)


def _text(moment: datetime.datetime | None) -> str:
    return "" if moment is None else utc_text(moment)
