# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters in a report: which verdicts the images of each have, also while it cannot be reached."""

from __future__ import annotations

import typing as t
from datetime import datetime

from .._core.times import utc_text
from .._reports.document import cluster_object
from .._scanner.targets import named
from .._store.current import InForce, in_force
from .._store.model import UNRESOLVED
from .._store.requested import find_requested
from .._store.store import Store


class ClusterReports:
    """Describes clusters one by one. ``unseen``: documents of their images that are not in what is in force.

    ``record``: keep what they have, for the time when they cannot be reached.
    """

    def __init__(self, store: Store, state: InForce, now: datetime, *, record: bool) -> None:
        self.unseen: list[dict[str, t.Any]] = []
        self._store = store
        self._now = now
        self._record = record
        self._documents = {image.key: document for image, document in zip(state.images, state.documents)}

    def describe(self, cluster: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Make the object of the report for a cluster, an entry of the option ``clusters``."""
        keys, seen_at = self._images_of(cluster)
        self._read(keys or ())
        verdicts = None
        if keys is not None:
            documents = [(key, self._documents[key]) for key in keys]
            verdicts = {_name_of(document, key): document["verdict"] for key, document in documents}
        return cluster_object(cluster["name"], cluster["state"], cluster["reason"], verdicts, seen_at)

    def _images_of(self, cluster: t.Mapping[str, t.Any]) -> tuple[list[str] | None, str]:
        """Find the keys of a cluster's images, None if not known, and when they were seen if that is not now."""
        if cluster["images"] is None or cluster["state"] == "not_discovered":
            cluster_record = self._store.clusters.get(cluster["name"])
            return (None, "") if cluster_record is None else (cluster_record.images, cluster_record.seen_at)
        images, _children = find_requested(self._store, [named(image) for image in cluster["images"]])
        keys = [image.key for image in images]
        if self._record:
            self._store.clusters.record(cluster["name"], keys, now=utc_text(self._now))
        return keys, ""

    def _read(self, keys: t.Iterable[str]) -> None:
        """Read the documents of images that are not among those in force."""
        missing = [key for key in keys if key not in self._documents]
        if not missing:
            return
        state = in_force(self._store, [named(key.removeprefix(UNRESOLVED)) for key in missing], self._now.date())
        for image, document in zip(state.images, state.documents):
            if image.key not in self._documents:
                self._documents[image.key] = document
                self.unseen.append(document)


def _name_of(document: t.Mapping[str, t.Any], key: str) -> str:
    """Return the digest of an image, its name where it has none."""
    return str(document["digest"] or document["reference"] or key)
