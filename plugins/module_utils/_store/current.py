# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts in force as reports show them: none that passed and is outdated, and by the names of now."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .._verdicts.applying import Entry, Exceptions
from .._verdicts.facts import image_document, with_names
from .._verdicts.model import ImageVerdict, Reason
from .._verdicts.subject import Subject
from .._verdicts.usage import Usages
from .._vulnerabilities.model import FeedInfo
from .feeds import feed_from_dict
from .model import StoredChange, StoredChild, StoredImage, StoredVerdict
from .requested import NAME_UNCONFIRMED, RequestedImage, find_requested, indexes_of
from .store import Store

#: Verdicts that are read together; one of 300 findings takes about half a megabyte.
READ = 25
IMAGE_OUTDATED = "an image of the index must be judged again"


@dataclasses.dataclass(frozen=True)
class InForce:
    """What a report is made of. ``feed``: the newest that any of the verdicts was made with.

    ``images``, and ``feeds`` that each verdict was made with, are in the order of ``documents``. ``children``: of every
    index in the store. ``judged_at``: when one of them was judged last, empty for never.
    """

    documents: list[dict[str, t.Any]]
    feed: FeedInfo | None
    times: list[str]
    images: list[StoredImage]
    feeds: list[FeedInfo | None]
    children: t.Mapping[str, tuple[StoredChild, ...]]
    judged_at: str


@dataclasses.dataclass(frozen=True)
class Current:
    """An image and its object in the report, by the verdict in force.

    ``feed``: that it was made with. ``judged_at``: empty for never.
    """

    image: StoredImage
    document: dict[str, t.Any]
    feed: FeedInfo | None
    judged_at: str = ""


def in_force(store: Store, requests: t.Sequence[RequestedImage] | None, today: datetime.date | None = None) -> InForce:
    """The verdicts in force of what is wanted, or of everything; what was never judged is inconclusive.

    ``times`` are those of the inputs, scans and feed, never of the judging: equal input gives an equal report.
    """
    images, children = find_requested(store, requests)
    states = sorted(each_in_force(store, images, children, today), key=lambda current: current.image.key)
    feeds = [current.feed for current in states]
    feed = max((feed for feed in feeds if feed is not None), key=lambda feed: feed.checked, default=None)
    times = [image.scanned_at for image in images if image.scanned_at]
    changes = store.verdicts.changes(image.key for image in images)
    documents = [
        {**current.document, "change": _change_of(current, changes.get(current.image.key))} for current in states
    ]
    judged_at = max((current.judged_at for current in states), default="")
    return InForce(documents, feed, times + ([feed.checked] if feed else []), images, feeds, children, judged_at)


def _change_of(current: Current, change: StoredChange | None) -> dict[str, t.Any] | None:
    """How an image came to the verdict that it has; None where it never had another, or the store's is outdated."""
    if change is None or change.after != current.document["verdict"]:
        return None
    return {"before": change.before, "since": change.since, "reasons": change.reasons}


def each_in_force(
    store: Store,
    images: t.Sequence[StoredImage],
    children: t.Mapping[str, tuple[StoredChild, ...]],
    today: datetime.date | None = None,
) -> t.Iterator[Current]:
    """Like ``in_force``, of these images and in any order, a few objects in memory at a time."""
    since: dict[str, str] = {}
    singles = [image for image in images if image.kind != "index"]
    for start in range(0, len(singles), READ):
        part = singles[start : start + READ]
        verdicts = {verdict.key: verdict for verdict in store.verdicts.in_force(image.key for image in part)}
        for image in part:
            current = _current(image, verdicts.get(image.key), today)
            _note_since(since, current.document, verdicts)
            yield _with_names_now(current)
    # Their objects have no findings.
    indexes = [image for image in images if image.kind == "index"]
    verdicts = {verdict.key: verdict for verdict in store.verdicts.in_force(image.key for image in indexes)}
    states = [_current(image, verdicts.get(image.key), today) for image in indexes]
    for current in states:
        _note_since(since, current.document, verdicts)
    for current in states:
        yield _with_names_now(
            dataclasses.replace(current, document=_unless_image_outdated(current.document, since, verdicts, children))
        )


def _with_names_now(current: Current) -> Current:
    """By the names that the image has now; when it was judged, it may have had others."""
    image = current.image
    document = {**current.document, "reference": image.reference}
    return dataclasses.replace(current, document=with_names(document, image.references, image.unconfirmed))


def _current(image: StoredImage, verdict: StoredVerdict | None, today: datetime.date | None) -> Current:
    if verdict is not None:
        document = unless_outdated(verdict, seen_at(image), today)
        return Current(image, document, feed_from_dict(verdict.feed), verdict.judged_at)
    reason = Reason("not_judged_yet", "the image has not been judged yet")
    if image.error_code == NAME_UNCONFIRMED:
        reason = Reason(image.error_code, image.error_message)
    subject = Subject(image.digest, image.reference, image.references, image.platform)
    unjudged = ImageVerdict(image.digest, "inconclusive", (reason,), ())
    return Current(image, image_document(subject, unjudged), None)


def count_usage(
    store: Store, documents: t.Iterable[t.Mapping[str, t.Any]], exceptions: t.Iterable[Entry], today: datetime.date
) -> Usages:
    """Return what exceptions are about in images, of which the objects of a report are given."""
    images = store.images.all()
    indexes = indexes_of(store.images.children(image.key for image in images if image.kind == "index"))
    usages = Usages(Exceptions(exceptions), today)
    for document in documents:
        usages.add(document, indexes.get(document["digest"], ()))
    return usages


def seen_at(image: StoredImage) -> str:
    """When an image was last scanned, well or not, or something about its rules became known."""
    return max(image.scanned_at, image.error_at, image.evaluated_at)


def unless_outdated(verdict: StoredVerdict, seen_at: str, today: datetime.date | None) -> dict[str, t.Any]:
    """The document of a verdict; what passed is inconclusive until judged again, where it was scanned again since, well
    or not, or where an exception that it passed by has expired."""
    document = _with_expired(verdict.document, today)
    if seen_at > verdict.judged_at:
        return unless_passed(document, "the image was scanned again after it was judged")
    if document is not verdict.document:
        return unless_passed(document, "an exception has expired since the image was judged")
    return document


def _with_expired(document: dict[str, t.Any], today: datetime.date | None) -> dict[str, t.Any]:
    """The document with the exceptions that have expired by now, so that what they alone accepted is not accepted any
    more; the same one where there is none."""
    exceptions = document.get("exceptions", ())
    accepted = [exception for exception in exceptions if exception["state"] == "accepted"]
    past = [exception for exception in accepted if today and "" < exception["expires"] < str(today)]
    if not past:
        return document
    # One that holds for some policies alone does not accept for all of them, which is what a finding is marked with.
    holding = [exception for exception in accepted if exception not in past and not exception["policies"]]
    expired, holding_ids = _accepting(past), _accepting(holding)

    def marked(finding: t.Mapping[str, t.Any], key: tuple[str, str]) -> t.Mapping[str, t.Any]:
        return (
            {**finding, "exception": holding_ids.get(key, "")} if finding["exception"] and key in expired else finding
        )

    changed: dict[str, t.Any] = {
        "exceptions": [
            {**exception, "state": "expired"} if exception in past else exception for exception in exceptions
        ],
        "vulnerabilities": [
            marked(finding, (finding["id"], finding["package"])) for finding in document["vulnerabilities"]
        ],
    }
    if document["compliance"] is not None:
        rules = [marked(rule, (rule["id"], "")) for rule in document["compliance"]["rules"]]
        changed["compliance"] = {**document["compliance"], "rules": rules}
    return {**document, **changed}


def _accepting(exceptions: t.Iterable[t.Mapping[str, t.Any]]) -> dict[tuple[str, str], str]:
    """Id and package of what is accepted, of a rule its id alone -> what accepts it."""
    accepting: dict[tuple[str, str], str] = {}
    for exception in exceptions:
        for finding in exception["findings"]:
            accepting.setdefault((finding["id"], finding["package"]), exception["id"])
        for rule in exception["rules"]:
            accepting.setdefault((rule, ""), exception["id"])
    return accepting


def unless_passed(document: dict[str, t.Any], message: str) -> dict[str, t.Any]:
    """The document; where it passed, inconclusive until it is judged again."""
    if document["verdict"] != "passed":
        return document
    reason = {"code": "not_judged_yet", "message": message}
    return {**document, "verdict": "inconclusive", "reasons": [reason, *document["reasons"]]}


def _note_since(
    since: dict[str, str], document: t.Mapping[str, t.Any], verdicts: t.Mapping[str, StoredVerdict]
) -> None:
    """Since when an image does not pass: outdated now, or judged at that time, perhaps without the index."""
    verdict = verdicts.get(document["digest"])
    if document["verdict"] != "passed" and verdict is not None:
        since[document["digest"]] = "9999" if verdict.verdict == "passed" else verdict.judged_at


def _unless_image_outdated(
    document: dict[str, t.Any],
    since: t.Mapping[str, str],
    verdicts: t.Mapping[str, StoredVerdict],
    children: t.Mapping[str, tuple[StoredChild, ...]],
) -> dict[str, t.Any]:
    """An index that passed by an image that no longer does is inconclusive, too."""
    listed = children.get(document["digest"], ()) if document["verdict"] == "passed" else ()
    if any(since.get(child.digest, "") > verdicts[document["digest"]].judged_at for child in listed):
        return unless_passed(document, IMAGE_OUTDATED)
    return document
