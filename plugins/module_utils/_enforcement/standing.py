# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts that a plan was made by, and whether they still stand when it is carried out."""

from __future__ import annotations

import math
import threading
import time
import typing as t

from .._flags.plan import Snapshot

#: For so long what the store said of verdicts counts while flags are cleared.
FRESH_SECONDS = 1.0
#: The store's verdicts of all images, or of some digests.
Read = t.Callable[[t.Optional[t.Collection[str]]], Snapshot]


class Standing:
    """Which of some images have the verdict that a plan was made by, asked of the store again and again.

    Another run may judge meanwhile, and where the cluster is slow, clearing takes its time. For several threads.
    """

    def __init__(self, digests: t.Collection[str], snapshot: Snapshot, read: Read | None) -> None:
        self._digests = frozenset(digests)
        self._snapshot = snapshot
        self._read = read if digests else None
        self._asked_at = -math.inf
        self._lock = threading.Lock()
        self._standing = self._digests
        self._places = snapshot.places

    def digests(self) -> frozenset[str]:
        """Those that stand."""
        return self._look()[0]

    def leads_there(self, reference: str) -> bool:
        """Return whether a name leads where it led, to images that all stand."""
        standing, places = self._look()
        before = self._snapshot.places.get(reference, ())
        return places.get(reference, ()) == before and set(before) <= standing

    def _look(self) -> tuple[frozenset[str], t.Mapping[str, t.Collection[str]]]:
        with self._lock:
            if self._read is not None and time.monotonic() - self._asked_at > FRESH_SECONDS:
                later = self._read(self._digests)
                self._asked_at = time.monotonic()
                self._places = later.places
                self._standing = frozenset(
                    digest
                    for digest in self._digests & later.subjects.keys()
                    if later.subjects[digest].facts.verdict == self._snapshot.subjects[digest].facts.verdict
                )
            return self._standing, self._places
