# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan images from this machine: no cluster, no container runtime.

Threads open and read; what they found is recorded by the caller's thread, one image at a time, as soon as it is there.
Decompression and hashing release the interpreter's lock, so threads do use several processors.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import time
import typing as t

from .._errors import ScanError
from .._images.access import Access
from .._images.model import Descriptor, Image, ImageIndex, Platform
from .._images.targets import RootFolder, open_child, open_target
from .._rpm.inventory import take_inventory
from .._rpm.model import Inventory
from .model import ImageBook, IndexOutcome, Outcome
from .targets import Request, child_name, choose

#: Threads that ask registries what a reference is; they wait more than they work.
RESOLVERS = 8
#: Images that may wait, opened, for a thread that reads them.
BACKLOG = 64


@dataclasses.dataclass(frozen=True)
class _Job:
    """An image that is to be read: opened already, or a child that is still to be opened."""

    digest: str
    references: tuple[str, ...]
    opened: Image | RootFolder | None = None
    index: ImageIndex | None = None
    child: Descriptor | None = None


class LocalScan:
    """One run over a list of requests."""

    def __init__(
        self,
        book: ImageBook,
        access: Access,
        *,
        platforms: t.Sequence[Platform] = (),
        parallel: int = 2,
        threads: int = 2,
        plan_only: bool = False,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._access = access
        self._platforms = tuple(platforms)
        self._parallel = parallel
        self._threads = threads
        self._plan_only = plan_only
        self._clock = clock
        self._waiting: collections.deque[_Job] = collections.deque()
        self._claimed: dict[str, str] = {}
        self._counts = {"scanned": 0, "current": 0, "planned": 0, "error": 0}
        self._done = 0
        self._total = 0

    def run(self, requests: t.Sequence[Request], remaining: t.Callable[[int, int, float], str]) -> None:
        """Scan them all. Failures are outcomes; only Abandoned and errors of the book itself end the run early."""
        self._total = len(requests)
        started = self._clock()
        unresolved = collections.deque(requests)
        resolvers = concurrent.futures.ThreadPoolExecutor(RESOLVERS, "imagescan-resolve")
        readers = concurrent.futures.ThreadPoolExecutor(self._parallel, "imagescan-read")
        resolving: dict[concurrent.futures.Future[t.Any], Request] = {}
        reading: dict[concurrent.futures.Future[t.Any], _Job] = {}
        finished = False
        try:
            while unresolved or resolving or reading or self._waiting:
                while self._waiting and len(reading) < self._parallel:
                    job = self._waiting.popleft()
                    reading[readers.submit(self._read, job)] = job
                while unresolved and len(resolving) < RESOLVERS and len(self._waiting) < BACKLOG:
                    request = unresolved.popleft()
                    if not self._settled_without_opening(request):
                        resolving[resolvers.submit(open_target, request.target, self._access)] = request
                pending = [*resolving, *reading]
                if pending:
                    done, _rest = concurrent.futures.wait(
                        pending, timeout=1.0, return_when=concurrent.futures.FIRST_COMPLETED
                    )
                    for future in done:
                        if future in resolving:
                            self._opened(resolving.pop(future), future)
                        else:
                            self._was_read(reading.pop(future), future)
                self._book.beat(self.line(remaining(self._done, self._total, self._clock() - started)))
            finished = True
        finally:
            resolvers.shutdown(wait=finished, cancel_futures=True)
            readers.shutdown(wait=finished, cancel_futures=True)

    def line(self, left: str = "") -> str:
        """``scanned 40/312, 12 current, 1 error, about 6 min left``."""
        verb = "planned" if self._plan_only else "scanned"
        parts = [f"{verb} {self._done}/{self._total}"]
        for state, plural in (("current", "current"), ("error", "errors")):
            if self._counts[state]:
                parts.append(f"{self._counts[state]} {plural if self._counts[state] > 1 else state}")
        return ", ".join(parts) + left

    def _settled_without_opening(self, request: Request) -> bool:
        """Whether all that a request asks for is known already: then no registry is asked at all."""
        if not request.digest:
            return False
        if request.digest in self._claimed:
            self._duplicate(request.digest, request.references)
            return True
        if self._book.is_current(request.digest):
            self._finish(Outcome(request.digest, request.references, "current"))
            return True
        children = self._book.children_of(request.digest)
        if children is None:
            return False
        descriptors = tuple(Descriptor("", digest, 0, _platform_of(platform)) for digest, platform in children)
        chosen, missing = choose(descriptors, self._platforms)
        if not all(self._book.is_current(child.digest) for child in chosen):
            return False
        self._claimed[request.digest] = "index"
        self._book.record_index(IndexOutcome(request.digest, request.references, children, missing))
        self._total += len(chosen) - 1
        for child in chosen:
            names = (child_name(request.reference, child.digest),)
            if child.digest in self._claimed:
                self._duplicate(child.digest, names)
            else:
                self._finish(Outcome(child.digest, names, "current", str(child.platform or ""), request.digest))
        return True

    def _opened(self, request: Request, future: concurrent.futures.Future[t.Any]) -> None:
        error = _error_of(future)
        if error is None:
            opened = future.result()
            if request.digest and opened.digest != request.digest:
                error = ScanError(
                    f"it now holds {opened.digest}, and not {request.digest} as when it was discovered",
                    code="image-changed",
                    hint="discover the images again",
                    subject=request.reference,
                )
        if error is not None:
            self._finish(Outcome(request.digest, request.references, "error", error=error))
            return
        if isinstance(opened, ImageIndex):
            self._index_opened(request, opened)
            return
        job = _Job(opened.digest, request.references, opened=opened)
        self._queue(job, _platform_text(opened))

    def _index_opened(self, request: Request, index: ImageIndex) -> None:
        if index.digest in self._claimed:
            self._duplicate(index.digest, request.references)
            return
        self._claimed[index.digest] = "index"
        chosen, missing = choose(index.children, self._platforms)
        children = tuple((child.digest, str(child.platform or "")) for child in index.children)
        self._book.record_index(IndexOutcome(index.digest, request.references, children, missing))
        self._total += len(chosen) - 1
        for child in chosen:
            names = (child_name(request.reference, child.digest),)
            self._queue(_Job(child.digest, names, index=index, child=child), str(child.platform or ""))

    def _queue(self, job: _Job, platform: str) -> None:
        """Put a job in line unless its image is known or in line already."""
        if job.digest in self._claimed:
            self._duplicate(job.digest, job.references)
            return
        index = job.index.digest if job.index else ""
        if self._book.is_current(job.digest):
            self._finish(Outcome(job.digest, job.references, "current", platform, index))
        elif self._plan_only:
            self._finish(Outcome(job.digest, job.references, "planned", platform, index))
        else:
            self._claimed[job.digest] = "waiting"
            self._waiting.append(job)

    def _read(self, job: _Job) -> tuple[str, Inventory]:
        """Platform and inventory of one image; runs in a thread."""
        if job.index is not None and job.child is not None:
            opened: t.Any = open_child(job.index, job.child, self._access)
        else:
            opened = job.opened
        return _platform_text(opened), take_inventory(opened, threads=self._threads)

    def _was_read(self, job: _Job, future: concurrent.futures.Future[t.Any]) -> None:
        error = _error_of(future)
        index = job.index.digest if job.index else ""
        if error is not None:
            platform = str(job.child.platform or "") if job.child else _platform_text(job.opened)
            self._finish(Outcome(job.digest, job.references, "error", platform, index, error=error))
            return
        platform, inventory = future.result()
        self._finish(Outcome(job.digest, job.references, "scanned", platform, index, inventory=inventory))

    def _finish(self, outcome: Outcome) -> None:
        if outcome.digest:
            self._claimed[outcome.digest] = outcome.state
        self._counts[outcome.state] += 1
        self._done += 1
        self._book.record(outcome)

    def _duplicate(self, digest: str, references: tuple[str, ...]) -> None:
        """Another name of an image that this run has seen already: it adds a reference, not an image."""
        self._total -= 1
        self._book.record(Outcome(digest, references, "same"))


def _error_of(future: concurrent.futures.Future[t.Any]) -> ScanError | None:
    """Why a thread failed. One bad image, or one defect of ours, must not stop the others."""
    error = future.exception()
    if error is None or isinstance(error, ScanError):
        return error
    if not isinstance(error, Exception):
        raise error
    return ScanError(f"{type(error).__name__}: {error}", code="internal-error", hint="this is a defect; please report")


def _platform_of(text: str) -> Platform | None:
    parts = text.split("/")
    return Platform(*parts) if 2 <= len(parts) <= 3 else None


def _platform_text(opened: t.Any) -> str:
    return str(opened.config.platform) if isinstance(opened, Image) else ""
