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
from .._core.errors import ScanError
from .._core.times import utc_text
from .._packages.codec import inventory_from_dict
from .._packages.model import Inventory, Package
from .._verdicts.applying import Entry, Exceptions
from .._verdicts.changes import difference
from .._verdicts.facts import compliance_facts, image_document
from .._verdicts.judge import JudgedChild as IndexChild
from .._verdicts.judge import judge, judge_index
from .._verdicts.model import ImageVerdict, Judgement, PolicyVerdict, Reason, worst
from .._verdicts.policies import Policy
from .._verdicts.subject import Subject
from .._verdicts.usage import Usages
from .._vulnerabilities.matching.matcher import Matcher
from .current import IMAGE_OUTDATED, seen_at, unless_outdated, unless_passed
from .feeds import Feeds, feed_to_dict
from .model import RecordedVerdict, StoredChild, StoredImage, StoredVerdict
from .requested import RequestedImage, find_requested, indexes_of
from .store import Store

if t.TYPE_CHECKING:
    from .._vulnerabilities.index.reader import FeedIndex

#: Verdicts that are held in memory before they are written together.
BATCH = 100


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

    def run(self, requests: t.Sequence[RequestedImage] | None) -> list[Judged]:
        """Judge what is wanted, or everything in the store; indexes after their images. Ordered by key."""
        images, children = self.images(requests)
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
        verdicts.update((item.key, _verdict_in(item.document)) for item in judged if item.state == "superseded")
        for image in images:
            if image.kind == "index":
                subject = self._bare_subject(image)
                verdict = self._index_verdict(image, subject, children.get(image.key, ()), verdicts)
                batch.append(self._judgement(image, subject, verdict))
        judged += self._settle(batch, indexes=True)
        return sorted(judged, key=lambda item: item.key)

    def usages(self, judged: t.Iterable[Judged]) -> Usages:
        """Return what the exceptions are about in the images that were judged."""
        usages = Usages(self._exceptions, self._today)
        for verdict in judged:
            usages.add(verdict.document, self._indexes.get(verdict.document["digest"], ()))
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
        self, requests: t.Sequence[RequestedImage] | None
    ) -> tuple[list[StoredImage], t.Mapping[str, tuple[StoredChild, ...]]]:
        """The images that are meant, those of indexes included, and the images of each index in the store."""
        images, children = find_requested(self._store, requests)
        self._indexes = indexes_of(children)
        return images, children

    def verdict(self, subject: Subject) -> ImageVerdict:
        """Return what the policies say of an image that is not an index."""
        return judge(subject, self._policies, self._exceptions, now=self._now)

    def matcher(self, inventory: Inventory) -> Matcher | None:
        """Return what matches an inventory; None without vulnerability data."""
        return self._feeds.matcher(inventory)

    def subject(self, image: StoredImage) -> Subject:
        """Return what is known of an image that is not an index."""
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
        details = dataclasses.replace(subject, labels=inventory.labels, inventory=inventory, match=match, feed=feed)
        return self._with_rules(details) if image.evaluated_at else details

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
        bare_inventory = inventory_from_dict({**stored, "packages": []})
        return dataclasses.replace(bare_inventory, packages=self._packages[1])

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
            seen_at=seen_at(image),
        )

    def _settle(self, batch: t.Sequence[Judgement], *, indexes: bool = False) -> list[Judged]:
        """Write a batch, and say what is in force now: where a newer judgement stays, that one as reports show it."""
        self._feeds.check_unchanged()
        act = self._store.verdicts.compare if self._dry_run else self._store.verdicts.record
        recorded = act(batch)
        keys = [result.key for result in recorded if result.state == "superseded"]
        in_force = {verdict.key: verdict for verdict in self._store.verdicts.in_force(keys)} if keys else {}
        return [
            self._judged(judgement, result, in_force.get(judgement.key), indexes)
            for judgement, result in zip(batch, recorded)
        ]

    def _judged(
        self, judgement: Judgement, result: RecordedVerdict, stored_verdict: StoredVerdict | None, index: bool
    ) -> Judged:
        if stored_verdict is None:
            feed = (judgement.feed or {}).get("serial", "")
            return Judged(
                result.key, result.state, result.before, result.after, judgement.document, feed, result.reasons
            )
        document = unless_outdated(stored_verdict, judgement.seen_at, self._today)
        if index and judgement.verdict != "passed":
            document = unless_passed(document, IMAGE_OUTDATED)
        feed = (stored_verdict.feed or {}).get("serial", "")
        verdict = document["verdict"]
        reasons = () if verdict == result.before else tuple(difference(stored_verdict.document, document))
        return Judged(result.key, result.state, result.before, verdict, document, feed, reasons)


def _verdict_in(document: t.Mapping[str, t.Any]) -> ImageVerdict:
    """Return what an index must know of the verdict of an image."""
    return ImageVerdict(
        document["digest"],
        document["verdict"],
        tuple(Reason(reason["code"], reason["message"]) for reason in document["reasons"]),
        tuple(PolicyVerdict(item["name"], item["sha256"], item["verdict"], ()) for item in document["policies"]),
    )
