# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two statements about one image counts, where several runs share a store.

Newer verdicts and inventories are never replaced by older ones, in whatever order the runs write.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from .._core.times import BEGINNING, parse_time
from .model import VERDICTS, Judgement

#: Runs that share a store differ by less; what is further ahead of us was made by a clock that was wrong.
CLOCK_ERROR = timedelta(days=1)
#: How long a verdict that was made with newer data stays although older data now say something worse.
VERDICT_STAYS = timedelta(days=1)


class DatedVerdict(t.NamedTuple):
    """The verdict in force. Times are RFC 3339 text; ``feed_checked`` is empty where it was made without a feed."""

    verdict: str
    judged_at: str
    feed_checked: str


def outlives(current: DatedVerdict, judgement: Judgement, read_document: t.Callable[[], t.Mapping[str, t.Any]]) -> bool:
    """Tell whether the verdict in force stays, because a judgement was made earlier or with older data.

    Older data never make a verdict better. They make it worse where the one in force is not an answer to what is asked
    now: it was made by other policies, by what is not accepted any more, of what was scanned again since, or so long
    ago that its own data may be too old meanwhile. ``read_document``: gives the document of the verdict in force; it
    is read only where it decides. Raises CorruptData for a time that cannot be read.
    """
    if is_renewed_by(current, judgement):
        return False
    judged_at = _moment(current.judged_at)
    age = _moment(judgement.judged_at) - judged_at
    if age < timedelta(0) or VERDICTS.index(judgement.verdict) <= VERDICTS.index(current.verdict):
        return True
    if age > VERDICT_STAYS or _moment(judgement.seen_at) > judged_at:
        return False
    document = read_document()
    # Where older data do not find what was accepted, nobody can tell whether it still would be.
    return _policies(document) == _policies(judgement.document) and _accepted(document) <= _accepted(judgement.document)


def is_renewed_by(current: DatedVerdict, judgement: Judgement) -> bool:
    """Tell whether a judgement was made later than the verdict in force and with data at least as new.

    A verdict from far in the future was made by a clock that was wrong; it must not stay in force until then.
    """
    present, judged_at, checked = map(_moment, (judgement.judged_at, current.judged_at, current.feed_checked))
    if max(judged_at, checked) > present + CLOCK_ERROR:
        return True
    return judged_at <= present and (not judgement.feed_checked or checked <= _moment(judgement.feed_checked))


def inventory_outlives(scanned_at: str, later_scanned_at: str) -> bool:
    """Tell whether the inventory that is kept was taken after another one, by a clock that was right."""
    present = _moment(later_scanned_at)
    return present < _moment(scanned_at) <= present + CLOCK_ERROR


def _moment(text: str) -> datetime:
    """A time for comparing; the empty text is the beginning of time."""
    return parse_time(text, "a time in the store") if text else BEGINNING


def _policies(document: t.Mapping[str, t.Any]) -> set[tuple[str, str]]:
    return {(str(policy["name"]), str(policy["sha256"])) for policy in document.get("policies", ())}


def _accepted(document: t.Mapping[str, t.Any]) -> set[tuple[str, ...]]:
    """Collect what exceptions accept of an image, and for which policies; by which of them makes no difference."""
    accepted: set[tuple[str, ...]] = set()
    for exception in document.get("exceptions", ()):
        if exception["state"] == "accepted":
            policies = exception["policies"]
            accepted.update((finding["id"], finding["package"], *policies) for finding in exception["findings"])
            accepted.update((rule, "", *policies) for rule in exception["rules"])
    return accepted
