# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run still owes: every image that was asked for ends in exactly one outcome, under however many names.

Standard library only: the scanner pod runs this package.
"""

from __future__ import annotations

import typing as t

from .._core.errors import ScanError
from .._images.model import Descriptor, Platform
from .._images.platforms import platform_of
from .model import ImageBook, IndexOutcome, ScanOutcome
from .targets import Request, child_name, choose_children


class Ledger:
    """Counts and claims of one run, whatever scans its images.

    ``total``: images that the run has, as far as it knows by now; ``done``: those with an outcome.
    """

    def __init__(self, book: ImageBook, platforms: t.Sequence[Platform], *, plan_only: bool) -> None:
        self.book = book
        self.plan_only = plan_only
        self.counts = {"scanned": 0, "current": 0, "planned": 0, "error": 0}
        self.done = 0
        self.total = 0
        self._platforms = tuple(platforms)
        self._claimed: set[str] = set()

    def settle(self, request: Request) -> bool:
        """Return whether all that a request asks for is known already: then no registry is asked at all."""
        if not request.digest:
            return False
        if request.digest in self._claimed:
            self.same(request.digest, request.references)
            return True
        if self.book.is_current(request.digest):
            self.finish(ScanOutcome(request.digest, request.references, "current"))
            return True
        children = self.known_children(request.digest)
        if children is None or not all(
            self.book.is_current(child.digest) for child in choose_children(children, self._platforms)[0]
        ):
            return False
        for child, names in self.open_index(request.digest, request.references, request.reference, children):
            self.finish(ScanOutcome(child.digest, names, "current", str(child.platform or ""), request.digest))
        return True

    def known_children(self, digest: str) -> tuple[Descriptor, ...] | None:
        """The images of an index that an earlier run opened."""
        children = self.book.children_of(digest)
        if children is None:
            return None
        return tuple(Descriptor("", child, 0, platform_of(platform)) for child, platform in children)

    def open_index(
        self, digest: str, references: tuple[str, ...], reference: str, children: t.Sequence[Descriptor]
    ) -> list[tuple[Descriptor, tuple[str, ...]]]:
        """Record what an index lists; of its images those that count and nobody has claimed yet, with their names.

        ``reference``: the name that the names of its images are made of.
        """
        if digest in self._claimed:
            self.same(digest, references)
            return []
        self._claimed.add(digest)
        chosen, missing = choose_children(children, self._platforms)
        listed = tuple((child.digest, str(child.platform or "")) for child in children)
        self.book.record_index(IndexOutcome(digest, references, listed, missing))
        self.total += len(chosen) - 1
        fresh: list[tuple[Descriptor, tuple[str, ...]]] = []
        for child in chosen:
            names = (child_name(reference, child.digest),)
            if self.claim(child.digest, names):
                fresh.append((child, names))
        return fresh

    def claim(self, digest: str, references: tuple[str, ...]) -> bool:
        """Return whether an image is nobody's yet; else its names are noted, and it counts no further."""
        if digest in self._claimed:
            self.same(digest, references)
            return False
        self._claimed.add(digest)
        return True

    def release(self, digest: str) -> None:
        """Give a claim back: what was claimed as an image turned out to be an index."""
        self._claimed.discard(digest)

    def finish(self, outcome: ScanOutcome) -> None:
        """Keep what became of an image."""
        if outcome.digest:
            self._claimed.add(outcome.digest)
        self.counts[outcome.state] += 1
        self.done += 1
        self.book.record(outcome)

    def take_back(self, outcome: ScanOutcome) -> None:
        """Undo ``finish``, of what cannot be trusted."""
        self._claimed.discard(outcome.digest)
        self.counts[outcome.state] -= 1
        self.done -= 1

    def close_index(self, digest: str, images: int) -> None:
        """Undo ``open_index``, of which so many images are to be found anew."""
        self._claimed.discard(digest)
        self.total -= images - 1

    def same(self, digest: str, references: tuple[str, ...]) -> None:
        """Another name of an image that this run has seen already: it adds a reference, not an image."""
        self.total -= 1
        self.book.record(ScanOutcome(digest, references, "same"))

    def check(self) -> None:
        """Raise ScanError where an image has no outcome at the end: it would be missing without a word."""
        if self.done != self.total:
            raise ScanError(
                f"{self.done} of {self.total} images have an outcome",
                code="internal-error",
                hint="this is a defect; please report",
            )

    def line(self, remaining_time: str = "", *more: str) -> str:
        """``scanned 40/312, 12 current, 1 error, about 6 min left``; ``more`` comes behind the first part."""
        verb = "planned" if self.plan_only else "scanned"
        parts = [f"{verb} {self.done}/{self.total}", *more]
        for state, plural in (("current", "current"), ("error", "errors")):
            if self.counts[state]:
                parts.append(f"{self.counts[state]} {plural if self.counts[state] > 1 else state}")
        return ", ".join(parts) + remaining_time
