# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts in force as flags need them: no pass that has run out, and names as a runtime spells them."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .._core.errors import InputError
from .._flags.facts import facts_of
from .._flags.lists import full_reference
from .._flags.plan import FlagSubject, Snapshot
from .._flags.validity import Validity, validity, worst_of
from .._images.references import TRANSPORTS
from .._verdicts.policies import Policy
from .current import Current, each_in_force
from .model import StoredChild, StoredImage
from .requested import RequestedImage, find_requested
from .store import Store


def read_snapshot(
    store: Store,
    requests: t.Sequence[RequestedImage] | None,
    policies: t.Sequence[Policy],
    *,
    now: datetime.datetime,
    report_url: str = "",
    only: t.Container[str] | None = None,
) -> Snapshot:
    """Return what is in force of the images that are meant, those of an index included, or of all.

    ``policies``: those that are in force. What passed by others, or not by each of them that selects it, or as long ago
    as they do not allow, is inconclusive here. What has no digest can have no flag, and is left out. ``only``: these
    digests of what is meant.
    """
    images, children = find_requested(store, requests)
    scanned = {image.digest: image.scanned_at for image in images}
    passes = _Passes(store, policies, children, now)
    subjects: dict[str, FlagSubject] = {}
    for verdict in each_in_force(store, images, children, now.astimezone(datetime.timezone.utc).date()):
        image, document = verdict.image, verdict.document
        held = passes.held(verdict) if document["verdict"] == "passed" else Validity()
        if not image.digest or (only is not None and image.digest not in only):
            continue
        if held.problem:
            reason = {"code": "not_judged_yet", "message": held.problem}
            document = {**document, "verdict": "inconclusive", "reasons": [reason, *document["reasons"]]}
        times = [image.scanned_at, *(scanned.get(child.digest, "") for child in children.get(image.key, ()))]
        subjects[image.digest] = FlagSubject(
            facts_of(document, scanned_at=min(filter(None, times), default=""), report_url=report_url),
            document["reference"],
            tuple(dict.fromkeys(filter(None, map(_full, image.references)))),
            "" if held.problem else held.until,
            "" if held.problem else held.lasting,
        )
    unclear = [digest for digest, subject in subjects.items() if subject.facts.verdict in ("inconclusive", "error")]
    for digest in store.verdicts.failed_last(unclear):
        subjects[digest] = dataclasses.replace(subjects[digest], failed_last=True)
    places: dict[str, list[str]] = {}
    for image in images if requests is None else store.images.all():
        for name in filter(None, map(_full, image.references if image.digest else ())):
            if image.digest not in places.setdefault(name, []):
                places[name].append(image.digest)
    ended: frozenset[str] = frozenset()
    if requests is not None and only is None:
        ended = _ended_indexes(store, images, children, policies, now)
    return Snapshot(subjects, places, whole=requests is None, ended=ended)


def _ended_indexes(
    store: Store,
    images: t.Iterable[StoredImage],
    children: t.Mapping[str, t.Sequence[StoredChild]],
    policies: t.Sequence[Policy],
    now: datetime.datetime,
) -> frozenset[str]:
    """The indexes, not among some images themselves, that hold one of these and do not pass, or not any more."""
    chosen = {image.digest for image in images}
    indexes = {key for key, listed in children.items() if not chosen.isdisjoint(child.digest for child in listed)}
    index_images = [image for image in store.images.all() if image.key in indexes - chosen]
    if not index_images:
        return frozenset()
    only = frozenset(image.digest for image in index_images)
    subjects = read_snapshot(store, index_images, policies, now=now, only=only).subjects
    return frozenset(digest for digest, subject in subjects.items() if subject.facts.verdict != "passed")


class _Passes:
    """How long images hold that passed, each asked for once, indexes after their images."""

    def __init__(
        self,
        store: Store,
        policies: t.Sequence[Policy],
        children: t.Mapping[str, t.Sequence[StoredChild]],
        now: datetime.datetime,
    ) -> None:
        self._store = store
        self._policies = {policy.sha256: policy for policy in policies}
        self._asks_for_rules = any(policy.asks_compliance for policy in policies)
        self._children = children
        self._now = now
        self._found: dict[str, Validity] = {}

    def held(self, verdict: Current) -> Validity:
        """Of an image; an index passes as long as those of its images that passed."""
        image = verdict.image
        if image.kind == "index":
            digests = [child.digest for child in self._children.get(image.key, ())]
            held = worst_of(self._found[digest] for digest in digests if digest in self._found)
        else:
            held = validity(
                verdict.document,
                self._policies,
                selecting=self._selecting(image),
                scanned_at=image.scanned_at,
                evaluated_at=self._store.evaluations.evaluated_at(image.digest) if self._asks_for_rules else "",
                feed_checked=verdict.feed.checked if verdict.feed else "",
                feed_newest=verdict.feed.newest if verdict.feed else "",
                now=self._now,
            )
        self._found[image.digest] = held
        return held

    def _selecting(self, image: StoredImage) -> list[Policy]:
        """The policies that select an image by what is known of it now, which may not be by what it was judged."""
        names = image.references or (image.reference,)
        labels: dict[str, str] | None = None
        policies = []
        for policy in self._policies.values():
            chosen = dataclasses.replace(policy.images, labels=())
            if not chosen.selects(names, image.platform, {}):
                continue
            if policy.images.labels:
                labels = self._store.inventories.labels(image.digest) if labels is None else labels
                if not policy.images.selects(names, image.platform, labels):
                    continue
            policies.append(policy)
        return policies


def _full(name: str) -> str:
    """A name with a tag as the deny list has it; empty for what has a digest, or lies on a disk."""
    if "@" in name or name.partition(":")[0] in TRANSPORTS:
        return ""
    try:
        return full_reference(name)
    except InputError:
        return ""
