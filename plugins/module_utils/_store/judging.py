# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what is in the store: inventories against vulnerability data and policies; verdicts go back into the store."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import typing as t

from .._compliance.codec import results_from_dict
from .._core.errors import InputError, ScanError
from .._core.times import utc_text
from .._packages.codec import inventory_from_dict
from .._packages.model import Inventory, Package
from .._verdicts.applying import Entry, Exceptions
from .._verdicts.changes import difference
from .._verdicts.facts import compliance_facts, image_document, with_names
from .._verdicts.judge import JudgedChild as IndexChild
from .._verdicts.judge import judge, judge_index
from .._verdicts.model import ImageVerdict, Judgement, PolicyVerdict, Reason, worst
from .._verdicts.policies import Policy
from .._verdicts.subject import Subject
from .._verdicts.usage import Usages
from .._vulnerabilities.matching.matcher import Matcher
from .._vulnerabilities.model import FeedInfo
from .model import RecordedVerdict, StoredChange, StoredChild, StoredImage, StoredVerdict, unresolved_key
from .store import Store

if t.TYPE_CHECKING:
    from .._vulnerabilities.index.reader import FeedIndex

#: Verdicts that are held in memory before they are written together.
BATCH = 100
#: Verdicts that are read together; one of 300 findings takes about half a megabyte.
READ = 25
NAME_UNCONFIRMED = "name-unconfirmed"
_IMAGE_OUTDATED = "an image of the index must be judged again"


class RequestedImage(t.Protocol):
    """An image that is meant, as somebody named it: by its digest, which may be empty, or by its names."""

    @property
    def digest(self) -> str:
        """Digest or empty."""

    @property
    def references(self) -> tuple[str, ...]:
        """Names."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """The verdict in force for one image after judging. ``document``: its object in the report.

    ``reasons``: why it is another one than ``before``, as ``_verdicts.changes.difference`` gives them.
    """

    key: str
    state: str
    before: str
    verdict: str
    document: t.Mapping[str, t.Any]
    feed: str
    reasons: tuple[dict[str, str], ...] = ()


def select(
    images: t.Sequence[StoredImage],
    children: t.Mapping[str, tuple[StoredChild, ...]],
    wanted: t.Sequence[RequestedImage],
) -> list[StoredImage]:
    """The images that are meant, those of an index included. One that the store does not know is there all the same.

    A name finds every image that it may lead to, and is inconclusive itself where its holder has not said which one it
    has. An image that was named and is not known must end in a verdict too.
    """
    by_key = {image.key: image for image in images}
    by_name: dict[str, list[StoredImage]] = {}
    for image in images:
        for name in image.references:
            by_name.setdefault(name, []).append(image)
    chosen: dict[str, StoredImage] = {}

    def take(image: StoredImage) -> None:
        if image.key in chosen:
            return
        chosen[image.key] = image
        for child in children.get(image.key, ()):
            if child.digest in by_key:
                take(by_key[child.digest])

    for one in wanted:
        # A name that cannot be resolved now may lead to what it named before: both verdicts count.
        found = [by_key[one.digest]] if one.digest in by_key else []
        if not one.digest:
            found = [image for name in one.references for image in by_name.get(name, ())]
            found += [_unconfirmed(name) for name in one.references if _is_unconfirmed(name, by_name.get(name, ()))]
        if not found:
            name = one.references[0] if one.references else ""
            key = one.digest or unresolved_key(name)
            kind = "image" if one.digest else "unresolved"
            found = [by_key.get(key) or StoredImage(key, one.digest, kind, "", one.references, "", "", "", "", ())]
        for image in found:
            take(image)
    return sorted(chosen.values(), key=lambda image: image.key)


def _is_unconfirmed(name: str, images: t.Collection[StoredImage]) -> bool:
    """Whether images may have a name and nobody knows which; where it could not be resolved, that says it already."""
    return any(name in image.unconfirmed for image in images) and all(image.digest for image in images)


def _unconfirmed(name: str) -> StoredImage:
    """A name that may lead to an image of the store, or to another one."""
    message = "nobody has asked its registry which image it has now, so an image that had it need not be the one"
    return StoredImage(unresolved_key(name), "", "unresolved", "", (name,), "", NAME_UNCONFIRMED, message, "", ())


def indexes_of(children: t.Mapping[str, tuple[StoredChild, ...]]) -> dict[str, list[str]]:
    """Digest of an image -> those of the indexes that it is in."""
    indexes: dict[str, list[str]] = {}
    for key in sorted(children):
        for child in children[key]:
            indexes.setdefault(child.digest, []).append(key)
    return indexes


class Feeds:
    """The vulnerability data at hand: one index a distribution. Raises InputError where two speak for the same."""

    def __init__(self, indexes: t.Sequence[FeedIndex]) -> None:
        self._indexes = tuple(indexes)
        self._matchers = [(Matcher(index), index.info) for index in indexes]
        seen: dict[str, FeedIndex] = {}
        for index in indexes:
            for name in index.info.distributions:
                other = seen.setdefault(name, index)
                if other is not index:
                    raise InputError(
                        f"the indexes {other.path} and {index.path} both speak for {name}; which of them counts?",
                        code="index-twice",
                        hint="give one index for each distribution",
                    )

    def check_unchanged(self) -> None:
        """Raise CorruptData if an index was overwritten while it was read; what it said must not be kept."""
        for index in self._indexes:
            index.check_unchanged()

    @property
    def only(self) -> FeedInfo | None:
        """What is known of the data where there is one index alone."""
        return self._matchers[0][1] if len(self._matchers) == 1 else None

    def matcher(self, inventory: Inventory) -> Matcher | None:
        """That of the image's distribution. Of others the first, which says that it does not cover the image.

        An image that does not name its distribution may be made of Red Hat's packages, as its micro images are.
        """
        for wanted in (inventory.os.id, "rhel"):
            for matcher, info in self._matchers:
                if wanted in info.distributions:
                    return matcher
        return self._matchers[0][0] if self._matchers else None


class Judging:
    """One run of judging.

    ``index``: one, or one for each distribution.
    """

    def __init__(
        self,
        store: Store,
        policies: t.Sequence[Policy],
        exceptions: t.Iterable[Entry],
        index: FeedIndex | t.Sequence[FeedIndex] | None,
        *,
        now: datetime.datetime,
        platforms: t.Sequence[str] | None = None,
        dry_run: bool = False,
        beat: t.Callable[[str], None] = lambda line: None,
    ) -> None:
        self._store = store
        self._policies = policies
        self._exceptions = Exceptions(exceptions)
        self._indexes: dict[str, list[str]] = {}
        self._packages: tuple[object, tuple[Package, ...]] | None = None
        self._feeds = Feeds(() if index is None else index if isinstance(index, collections.abc.Sequence) else (index,))
        self._now = now
        self._today = now.astimezone(datetime.timezone.utc).date()
        self._judged_at = utc_text(now)
        self._platforms = platforms
        self._dry_run = dry_run
        self._beat = beat

    def run(self, wanted: t.Sequence[RequestedImage] | None) -> list[Judged]:
        """Judge what is wanted, or everything in the store; indexes after their images. Ordered by key."""
        images, children = self.images(wanted)
        singles = [image for image in images if image.kind != "index"]
        # Images with the same packages come one after the other, so that these are read and matched once.
        sets = self._store.inventories.package_sets(image.digest for image in singles)
        singles.sort(key=lambda image: sets.get(image.digest, ""))
        verdicts: dict[str, ImageVerdict] = {}
        judged: list[Judged] = []
        batch: list[Judgement] = []
        for number, image in enumerate(singles):
            subject = self.subject(image)
            verdict = self.verdict(subject)
            verdicts[image.digest] = verdict
            batch.append(self._judgement(image, subject, verdict))
            if len(batch) == BATCH:
                judged += self._settle(batch)
                batch = []
            self._beat(f"judged {number + 1}/{len(singles)}")
        judged += self._settle(batch)
        batch = []
        # Where another verdict of an image stays in force, an index is made of that one.
        verdicts.update((one.key, _verdict_in(one.document)) for one in judged if one.state == "superseded")
        for image in images:
            if image.kind == "index":
                subject = self._bare_subject(image)
                verdict = self._index_verdict(image, subject, children.get(image.key, ()), verdicts)
                batch.append(self._judgement(image, subject, verdict))
        judged += self._settle(batch, indexes=True)
        return sorted(judged, key=lambda one: one.key)

    def usages(self, judged: t.Iterable[Judged]) -> Usages:
        """What the exceptions are about in the images that were judged."""
        usages = Usages(self._exceptions, self._today)
        for one in judged:
            usages.add(one.document, self._indexes.get(one.document["digest"], ()))
        return usages

    def _bare_subject(self, image: StoredImage) -> Subject:
        problem = Reason(image.error_code, image.error_message) if image.error_code else None
        return Subject(
            digest=image.digest,
            reference=image.reference,
            references=image.references,
            platform=image.platform,
            scanned_at=image.scanned_at,
            scan_problem=problem,
            feed=self._feeds.only,
            index_digests=tuple(self._indexes.get(image.digest, ())),
            unconfirmed=image.unconfirmed,
        )

    def images(
        self, wanted: t.Sequence[RequestedImage] | None
    ) -> tuple[list[StoredImage], dict[str, tuple[StoredChild, ...]]]:
        """The images that are meant, those of indexes included, and the images of each index in the store."""
        images = self._store.images.all()
        children = self._store.images.children(image.key for image in images if image.kind == "index")
        if wanted is not None:
            images = select(images, children, wanted)
        self._indexes = indexes_of(children)
        return images, children

    def verdict(self, subject: Subject) -> ImageVerdict:
        """What the policies say of an image that is not an index."""
        return judge(subject, self._policies, self._exceptions, now=self._now)

    def matcher(self, inventory: Inventory) -> Matcher | None:
        """What matches an inventory; None without vulnerability data."""
        return self._feeds.matcher(inventory)

    def subject(self, image: StoredImage) -> Subject:
        """What is known of an image that is not an index."""
        subject = self._bare_subject(image)
        if not image.digest:
            return subject
        try:
            stored = self._store.inventories.get(image.digest)
            if stored is None:
                return subject
            inventory = self._inventory(stored)
            matcher = self.matcher(inventory)
            match = matcher.match(inventory) if matcher is not None else None
        except ScanError as error:
            # One damaged inventory must not keep the others from being judged.
            if error.code.startswith(("store-", "feed-")):
                raise
            return dataclasses.replace(subject, scan_problem=Reason(error.code, str(error)))
        feed = match.feed if match is not None else None
        found = dataclasses.replace(subject, labels=inventory.labels, inventory=inventory, match=match, feed=feed)
        return self._with_rules(found) if image.evaluated_at else found

    def _with_rules(self, subject: Subject) -> Subject:
        try:
            stored = self._store.evaluations.get(subject.digest)
            if stored is None:
                return subject
            facts = None
            if stored.results is not None and stored.asked is not None:
                results = results_from_dict(stored.results)
                facts = compliance_facts(results, tailoring=stored.asked.tailoring, partial=bool(stored.asked.rules))
        except ScanError as error:
            if error.code.startswith("store-"):
                raise
            return dataclasses.replace(subject, compliance_problem=Reason(error.code, str(error)))
        problem = Reason(stored.error_code, stored.error_message) if stored.error_code else None
        return dataclasses.replace(
            subject, compliance=facts, compliance_problem=problem, evaluated_at=stored.evaluated_at
        )

    def _inventory(self, stored: t.Mapping[str, t.Any]) -> Inventory:
        """The inventory that the store gave; packages that it gave just before are not read again."""
        if self._packages is None or self._packages[0] is not stored["packages"]:
            inventory = inventory_from_dict(stored)
            self._packages = (stored["packages"], inventory.packages)
            return inventory
        rest = inventory_from_dict({**stored, "packages": []})
        return dataclasses.replace(rest, packages=self._packages[1])

    def _index_verdict(
        self,
        image: StoredImage,
        subject: Subject,
        children: tuple[StoredChild, ...],
        verdicts: t.Mapping[str, ImageVerdict],
    ) -> ImageVerdict:
        platforms = image.wanted_platforms if self._platforms is None else self._platforms
        listed = [IndexChild(child.platform, child.digest) for child in children]
        verdict = judge_index(subject, listed, verdicts, tuple(platforms))
        if subject.scan_problem is None:
            return verdict
        return dataclasses.replace(
            verdict,
            verdict=worst([verdict.verdict, "error"]),
            reasons=(subject.scan_problem, *verdict.reasons),
        )

    def _judgement(self, image: StoredImage, subject: Subject, verdict: ImageVerdict) -> Judgement:
        feed = subject.feed
        # What a feed of another distribution says of an image must not outlast what its own says, which may be older.
        counts = feed is not None and (subject.match is None or subject.match.supported)
        # An index is made of verdicts in force, whose data were compared already.
        counts = counts and image.kind != "index"
        return Judgement(
            key=image.key,
            digest=image.digest,
            verdict=verdict.verdict,
            document=image_document(subject, verdict),
            feed=feed_to_dict(feed),
            feed_checked=feed.checked if feed is not None and counts else "",
            judged_at=self._judged_at,
            seen_at=_seen_at(image),
        )

    def _settle(self, batch: t.Sequence[Judgement], *, indexes: bool = False) -> list[Judged]:
        """Write a batch, and say what is in force now: where a newer judgement stays, that one as reports show it."""
        self._feeds.check_unchanged()
        act = self._store.verdicts.compare if self._dry_run else self._store.verdicts.record
        recorded = act(batch)
        kept = [one.key for one in recorded if one.state == "superseded"]
        in_force = {one.key: one for one in self._store.verdicts.in_force(kept)} if kept else {}
        return [self._judged(one, result, in_force.get(one.key), indexes) for one, result in zip(batch, recorded)]

    def _judged(self, own: Judgement, result: RecordedVerdict, stays: StoredVerdict | None, index: bool) -> Judged:
        if stays is None:
            feed = (own.feed or {}).get("serial", "")
            return Judged(result.key, result.state, result.before, result.after, own.document, feed, result.reasons)
        document = _unless_outdated(stays, own.seen_at, self._today)
        if index and own.verdict != "passed":
            document = _unless_passed(document, _IMAGE_OUTDATED)
        feed = (stays.feed or {}).get("serial", "")
        verdict = document["verdict"]
        reasons = () if verdict == result.before else tuple(difference(stays.document, document))
        return Judged(result.key, result.state, result.before, verdict, document, feed, reasons)


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


def in_force(store: Store, wanted: t.Sequence[RequestedImage] | None, today: datetime.date | None = None) -> InForce:
    """The verdicts in force of what is wanted, or of everything; what was never judged is inconclusive.

    ``times`` are those of the inputs, scans and feed, never of the judging: equal input gives an equal report.
    """
    images, children = meant(store, wanted)
    found = sorted(each_in_force(store, images, children, today), key=lambda one: one.image.key)
    feeds = [one.feed for one in found]
    feed = max((one for one in feeds if one is not None), key=lambda one: one.checked, default=None)
    times = [image.scanned_at for image in images if image.scanned_at]
    changes = store.verdicts.changes(image.key for image in images)
    documents = [{**one.document, "change": _change_of(one, changes.get(one.image.key))} for one in found]
    judged_at = max((one.judged_at for one in found), default="")
    return InForce(documents, feed, times + ([feed.checked] if feed else []), images, feeds, children, judged_at)


def _change_of(current: Current, change: StoredChange | None) -> dict[str, t.Any] | None:
    """How an image came to the verdict that it has; None where it never had another, or the store's is outdated."""
    if change is None or change.after != current.document["verdict"]:
        return None
    return {"before": change.before, "since": change.since, "reasons": change.reasons}


def meant(
    store: Store, wanted: t.Sequence[RequestedImage] | None
) -> tuple[list[StoredImage], t.Mapping[str, tuple[StoredChild, ...]]]:
    """The images that are meant, those of an index included, or all, by key; and the images of each index."""
    images = store.images.all()
    children = store.images.children(image.key for image in images if image.kind == "index")
    return (images if wanted is None else select(images, children, wanted)), children


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
    found = [_current(image, verdicts.get(image.key), today) for image in indexes]
    for current in found:
        _note_since(since, current.document, verdicts)
    for current in found:
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
        document = _unless_outdated(verdict, _seen_at(image), today)
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
    """What exceptions are about in images, of which the objects of a report are given."""
    images = store.images.all()
    indexes = indexes_of(store.images.children(image.key for image in images if image.kind == "index"))
    usages = Usages(Exceptions(exceptions), today)
    for document in documents:
        usages.add(document, indexes.get(document["digest"], ()))
    return usages


def _seen_at(image: StoredImage) -> str:
    """When an image was last scanned, well or not, or something about its rules became known."""
    return max(image.scanned_at, image.error_at, image.evaluated_at)


def _verdict_in(document: t.Mapping[str, t.Any]) -> ImageVerdict:
    """What an index must know of the verdict of an image."""
    return ImageVerdict(
        document["digest"],
        document["verdict"],
        tuple(Reason(one["code"], one["message"]) for one in document["reasons"]),
        tuple(PolicyVerdict(one["name"], one["sha256"], one["verdict"], ()) for one in document["policies"]),
    )


def _unless_outdated(verdict: StoredVerdict, seen_at: str, today: datetime.date | None) -> dict[str, t.Any]:
    """The document of a verdict; what passed is inconclusive until judged again, where it was scanned again since, well
    or not, or where an exception that it passed by has expired."""
    document = _with_expired(verdict.document, today)
    if seen_at > verdict.judged_at:
        return _unless_passed(document, "the image was scanned again after it was judged")
    if document is not verdict.document:
        return _unless_passed(document, "an exception has expired since the image was judged")
    return document


def _with_expired(document: dict[str, t.Any], today: datetime.date | None) -> dict[str, t.Any]:
    """The document with the exceptions that have expired by now, so that what they alone accepted is not accepted any
    more; the same one where there is none."""
    exceptions = document.get("exceptions", ())
    past = [one for one in exceptions if today and one["state"] == "accepted" and "" < one["expires"] < str(today)]
    if not past:
        return document
    # One that holds for some policies alone does not accept for all of them, which is what a finding is marked with.
    holding = [one for one in exceptions if one["state"] == "accepted" and one not in past and not one["policies"]]
    gone, left = _accepting(past), _accepting(holding)

    def marked(one: t.Mapping[str, t.Any], key: tuple[str, str]) -> t.Mapping[str, t.Any]:
        return {**one, "exception": left.get(key, "")} if one["exception"] and key in gone else one

    changed: dict[str, t.Any] = {
        "exceptions": [{**one, "state": "expired"} if one in past else one for one in exceptions],
        "vulnerabilities": [marked(one, (one["id"], one["package"])) for one in document["vulnerabilities"]],
    }
    if document["compliance"] is not None:
        rules = [marked(one, (one["id"], "")) for one in document["compliance"]["rules"]]
        changed["compliance"] = {**document["compliance"], "rules": rules}
    return {**document, **changed}


def _accepting(exceptions: t.Iterable[t.Mapping[str, t.Any]]) -> dict[tuple[str, str], str]:
    """Id and package of what is accepted, of a rule its id alone -> what accepts it."""
    found: dict[tuple[str, str], str] = {}
    for one in exceptions:
        for finding in one["findings"]:
            found.setdefault((finding["id"], finding["package"]), one["id"])
        for rule in one["rules"]:
            found.setdefault((rule, ""), one["id"])
    return found


def _unless_passed(document: dict[str, t.Any], why: str) -> dict[str, t.Any]:
    """The document; where it passed, inconclusive until it is judged again."""
    if document["verdict"] != "passed":
        return document
    reason = {"code": "not_judged_yet", "message": why}
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
        return _unless_passed(document, _IMAGE_OUTDATED)
    return document


def feed_to_dict(feed: FeedInfo | None) -> dict[str, t.Any] | None:
    """What the store keeps of a feed: all but the list of names, which may be as long as the feed."""
    if feed is None:
        return None
    return {**dataclasses.asdict(feed), "names": []}


def feed_from_dict(values: t.Mapping[str, t.Any] | None) -> FeedInfo | None:
    """The feed that ``feed_to_dict`` kept; fields that this version does not know are left out."""
    if values is None:
        return None
    known = {field.name for field in dataclasses.fields(FeedInfo)}
    kept: dict[str, t.Any] = {key: value for key, value in values.items() if key in known}
    lists = {key: tuple(value) for key, value in kept.items() if isinstance(value, list)}
    return FeedInfo(**{**kept, **lists, "names": ()})
