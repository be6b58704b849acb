# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store with verdicts as a test wants them, each an object of a report as the judge makes them."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._images.sightings import Sighting
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import StoredChild
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import image_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import (
    ImageVerdict,
    Judgement,
    PolicyVerdict,
    Reason,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.tests.support.verdicts import INVENTORY, SUBJECT

POLICY = load_policies(DEFAULT_POLICY_TEXT, "the built-in policy")[0]
REASONS = {
    "failed": [Reason("vulnerability", "openssl-libs has the important CVE-2026-1001, fixed in 1:3.0.7-28.el9")],
    "inconclusive": [Reason("feed-missing", "There is no vulnerability data to judge the image by")],
    "error": [Reason("registry-error", "401 from registry.example.com")],
    "passed": [],
}


def text(moment: datetime.datetime) -> str:
    """A time as the store keeps it."""
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class VerdictStore:
    """A SQLite store in ``path`` and what is written to it. Safe to use while others read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._now = datetime.datetime.now(datetime.timezone.utc)

    def _open(self) -> Store:
        return open_store(str(self.path))

    def put(self, verdicts: t.Mapping[str, str], references: t.Mapping[str, str] | None = None, **how: t.Any) -> None:
        """Scan and judge images. ``verdicts``: by digest; ``references``: name -> digest.

        ``age``: since when the scan is; ``reasons``, ``policy``, ``inventory``: other ones.
        """
        now = self._now = max(
            datetime.datetime.now(datetime.timezone.utc), self._now + datetime.timedelta(milliseconds=1)
        )
        scanned = now - how.get("age", datetime.timedelta())
        policy = how.get("policy", POLICY)
        names: dict[str, list[str]] = {}
        for name, digest in (references or {}).items():
            names.setdefault(digest, []).append(name)
        with self._open() as store:
            known = {image.digest: image for image in store.images.all()}
            judgements = []
            for digest, verdict in verdicts.items():
                named = names.get(digest, [] if digest in known else [f"registry.example.com/app@{digest}"])
                # Two calls within a second must not look as if the name had both images at once.
                seen = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
                store.images.record(digest, "", now=text(now), platform="linux/amd64")
                store.images.record_names([Sighting(name, digest, seen=seen) for name in named], now=seen)
                if digest not in known or not known[digest].scanned_at:
                    values = inventory_to_dict(how.get("inventory", INVENTORY))
                    store.inventories.record(digest, "", values, platform="linux/amd64", scanned_at=text(scanned))
                reasons = tuple(how.get("reasons", REASONS[verdict]))
                judged = ImageVerdict(
                    digest, verdict, reasons, (PolicyVerdict(policy.name, policy.sha256, verdict, reasons),)
                )
                subject = dataclasses.replace(SUBJECT, digest=digest, references=tuple(names.get(digest, ())))
                document = image_document(subject, judged)
                judgements.append(Judgement(digest, digest, verdict, document, None, "", text(now)))
            store.verdicts.record(judgements)

    def index(self, digest: str, children: t.Iterable[str], verdict: str) -> None:
        """An index of images, and its verdict."""
        with self._open() as store:
            listed = [StoredChild(child, "linux/amd64") for child in children]
            name = f"registry.example.com/index@{digest}"
            store.images.record_index(digest, name, listed, wanted_platforms=(), now=text(self._now))
            judged = ImageVerdict(
                digest, verdict, tuple(REASONS[verdict]), (PolicyVerdict(POLICY.name, POLICY.sha256, verdict, ()),)
            )
            document = image_document(dataclasses.replace(SUBJECT, digest=digest, inventory=None), judged)
            store.verdicts.record([Judgement(digest, digest, verdict, document, None, "", text(self._now))])
