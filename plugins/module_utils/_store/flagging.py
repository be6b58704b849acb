# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdicts in force as flags need them: no pass that has run out, and names as a runtime spells them."""

from __future__ import annotations

import datetime
import typing as t

from .._errors import InputError
from .._flags.annotations import facts_of
from .._flags.lists import full_reference
from .._flags.plan import Snapshot, Subject
from .._flags.validity import Validity, validity, worst_of
from .._images.targets import TRANSPORTS
from .._verdicts.policies import Policy
from .judging import InForce, Wanted, in_force
from .store import Store


def read_snapshot(
    store: Store,
    wanted: t.Sequence[Wanted] | None,
    policies: t.Sequence[Policy],
    *,
    now: datetime.datetime,
    report_url: str = "",
    only: t.Container[str] | None = None,
) -> Snapshot:
    """What is in force of the images that are meant, those of an index included, or of all.

    ``policies``: those that are in force. What passed by others, or as long ago as they do not allow, is inconclusive
    here. What has no digest can have no flag, and is left out. ``only``: these digests of what is meant.
    """
    state = in_force(store, wanted, now.astimezone(datetime.timezone.utc).date())
    holds = _validities(state, {policy.sha256: policy for policy in policies}, now)
    scanned = {image.digest: image.scanned_at for image in state.images}
    subjects = {}
    for image, document in zip(state.images, state.documents):
        if not image.digest or (only is not None and image.digest not in only):
            continue
        held = holds.get(image.digest, Validity())
        if held.problem:
            reason = {"code": "not_judged_yet", "message": held.problem}
            document = {**document, "verdict": "inconclusive", "reasons": [reason, *document["reasons"]]}
        passes = document["verdict"] == "passed"
        times = [image.scanned_at, *(scanned.get(child.digest, "") for child in state.children.get(image.key, ()))]
        subjects[image.digest] = Subject(
            facts_of(document, scanned_at=min(filter(None, times), default=""), report_url=report_url),
            image.reference,
            tuple(dict.fromkeys(filter(None, map(_full, image.references)))),
            held.until if passes else "",
            held.lasting if passes else "",
        )
    places: dict[str, list[str]] = {}
    for image in state.images if wanted is None else store.images():
        for name in filter(None, map(_full, image.references if image.digest else ())):
            if image.digest not in places.setdefault(name, []):
                places[name].append(image.digest)
    return Snapshot(subjects, places, whole=wanted is None)


def _validities(state: InForce, policies: t.Mapping[str, Policy], now: datetime.datetime) -> dict[str, Validity]:
    """Of what passed: how long it does. An index as long as those of its images that passed."""
    found: dict[str, Validity] = {}
    indexes = []
    for image, document, feed in zip(state.images, state.documents, state.feeds):
        if document["verdict"] != "passed":
            continue
        if image.kind == "index":
            indexes.append(image)
            continue
        found[image.digest] = validity(
            document,
            policies,
            scanned_at=image.scanned_at,
            feed_checked=feed.checked if feed else "",
            feed_newest=feed.newest if feed else "",
            now=now,
        )
    for image in indexes:
        children = [child.digest for child in state.children.get(image.key, ()) if child.digest in found]
        found[image.digest] = worst_of(found[digest] for digest in children)
    return found


def _full(name: str) -> str:
    """A name with a tag as the deny list has it; empty for what has a digest, or lies on a disk."""
    if "@" in name or name.partition(":")[0] in TRANSPORTS:
        return ""
    try:
        return full_reference(name)
    except InputError:
        return ""
