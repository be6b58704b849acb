# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``max_age``: how old a scan and the vulnerability data may be."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..._core.text import visible
from ..._core.times import CLOCK_SKEW, read_time
from ..documents import Field
from ..model import Reason
from ..wording import span
from .base import Case, Code, Condition, Limit, Pass, Reasons, Step, Terms

#: How far a vendor may date a change ahead of us: a day begins earlier elsewhere.
CHANGE_SKEW = datetime.timedelta(days=1)
#: Age of the feed that a policy allows when it says nothing.
FEED_AGE = 7 * 86400
EXAMPLE = """\

  max_age:
    feed: 7d                 # since the last successful check of the vulnerability data (7d where it is left out)
    # newest: 30d            # since the newest change in it: a mirror that nobody refreshes is checked in vain
    scan: 30d                # since the image was scanned (unlimited where it is left out)
"""
CODES: t.Mapping[str, Code] = {
    "feed-stale": Code(
        "inconclusive", "The vulnerability data is older than the policy allows.", "Sync the feed, then judge again."
    ),
    "feed-time": Code(
        "inconclusive",
        "When the vulnerability data was last checked is not known, or that or its newest change lies in the future.",
        "Set the clocks right and sync the feed; if its vendor dates a document in the future, drop 'max_age.newest'.",
    ),
    "scan-stale": Code("inconclusive", "The image was scanned longer ago than the policy allows.", "Scan it again."),
    "scan-time": Code(
        "inconclusive",
        "When the image was scanned is not known, or lies in the future.",
        "Set the clocks right and scan again.",
    ),
}


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class AgeTerms(Terms):
    """Ages in seconds, None for unlimited."""

    feed_age: int | None = FEED_AGE
    scan_age: int | None = None
    newest_age: int | None = None


def _parse(field: Field) -> dict[str, t.Any]:
    fields = field.mapping(("feed", "newest", "scan"), "feed, newest and scan with durations like 7d")
    return {f"{key}_age": child.duration() for key, child in fields.items()}


def age_reasons(policy: AgeTerms, case: Case, beginning: str, moment: str) -> Reasons:
    """Return whether what a scan saw is too old. ``beginning``: that of the sentence; ``moment``: RFC 3339."""
    limit = policy.scan_age
    if limit is None:
        return
    time = read_time(moment, zoned=True)
    if time is None or time > case.now + CLOCK_SKEW:
        yield Reason("scan-time", f"{beginning} {_shown_time(moment)}")
    elif case.now - time > datetime.timedelta(seconds=limit):
        yield Reason("scan-stale", f"{beginning} {moment}; the policy '{policy.name}' allows {span(limit)}")


def _scan_age(policy: AgeTerms, case: Case) -> Reasons:
    yield from age_reasons(policy, case, "The image was scanned", case.subject.scanned_at)


def _feed_age(policy: AgeTerms, case: Case) -> Reasons:
    limit = policy.feed_age
    if case.data is None or limit is None:
        return
    feed = case.data.feed
    checked = read_time(feed.checked, zoned=True)
    if checked is None or checked > case.now + CLOCK_SKEW:
        yield Reason("feed-time", f"The vulnerability data was last checked {_shown_time(feed.checked)}")
    elif case.now - checked > datetime.timedelta(seconds=limit):
        text = f"The vulnerability data was last checked {feed.checked}"
        yield Reason("feed-stale", f"{text}; the policy '{policy.name}' allows {span(limit)}")


def _newest_age(policy: AgeTerms, case: Case) -> Reasons:
    limit = policy.newest_age
    if case.data is None or limit is None:
        return
    feed = case.data.feed
    newest = read_time(feed.newest, zoned=True)
    if newest is not None and newest > case.now + CHANGE_SKEW:
        yield Reason("feed-time", f"The newest change in the vulnerability data is of {_shown_time(feed.newest)}")
    elif newest is None or case.now - newest > datetime.timedelta(seconds=limit):
        text = f"The newest change in the vulnerability data is of {visible(feed.newest, 40) or 'an unknown time'}"
        yield Reason("feed-stale", f"{text}; the policy '{policy.name}' allows {span(limit)}")


def _valid_until(policy: AgeTerms, passed: Pass) -> t.Iterator[Limit]:
    if policy.scan_age is not None:
        yield Limit(passed.scanned_at, policy.scan_age, "it was scanned at an unknown time", True)
    if not passed.feed_checked:
        return  # it passed by its kind, which needs no data
    unknown = "its data is of an unknown time"
    if policy.feed_age is not None:
        yield Limit(passed.feed_checked, policy.feed_age, unknown, False)
    if policy.newest_age is not None:
        yield Limit(passed.feed_newest, policy.newest_age, unknown, False, CHANGE_SKEW)


def _shown_time(text: str) -> str:
    if read_time(text, zoned=True) is None:
        return f"at an unknown time ('{visible(text, 40)}')"
    return f"{text}, which lies in the future"


MAX_AGE = Condition(
    "max_age",
    EXAMPLE,
    _parse,
    CODES,
    {Step.SCAN: _scan_age, Step.DATA: _feed_age, Step.NEWEST: _newest_age},
    valid_until=_valid_until,
)
