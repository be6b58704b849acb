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

from .._core.errors import ScanError
from .._images.access import Access
from .._images.model import Descriptor, Image, ImageIndex, Platform
from .._images.targets import RootFolder, open_child, open_target
from .._packages.inventory import take_inventory
from .._packages.model import Inventory
from .ledger import Ledger
from .local_rules import Evaluation, LocalEvaluator
from .model import ImageBook, ScanOutcome
from .targets import Request

#: Threads that ask registries what a reference is; they wait more than they work.
RESOLVERS = 8
#: Images that may wait, opened, for a thread that reads them.
BACKLOG = 64

_Future = concurrent.futures.Future[t.Any]


@dataclasses.dataclass(frozen=True)
class _Job:
    """An image that is to be read: opened already, or a child that is still to be opened."""

    digest: str
    references: tuple[str, ...]
    opened: Image | RootFolder | None = None
    index: ImageIndex | None = None
    child: Descriptor | None = None


@dataclasses.dataclass(frozen=True)
class _Read:
    """What was read of an image. ``error``: why its rules could not be evaluated."""

    platform: str
    inventory: Inventory
    evaluation: Evaluation | None = None
    error: ScanError | None = None


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
        evaluator: LocalEvaluator | None = None,
        plan_only: bool = False,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = Ledger(book, platforms, plan_only=plan_only)
        self._access = access
        self._parallel = parallel
        self._threads = threads
        self._evaluator = evaluator
        self._clock = clock
        self._waiting: collections.deque[_Job] = collections.deque()

    def _take_finished(self, resolving: dict[_Future, Request], reading: dict[_Future, _Job]) -> None:
        """Wait for what finishes next, a second at most."""
        finished_futures, _unfinished = concurrent.futures.wait(
            [*resolving, *reading], timeout=1.0, return_when=concurrent.futures.FIRST_COMPLETED
        )
        for future in finished_futures:
            if future in resolving:
                self._opened(resolving.pop(future), future)
            else:
                self._was_read(reading.pop(future), future)

    def run(self, requests: t.Sequence[Request], remaining: t.Callable[[int, int, float], str]) -> None:
        """Scan them all. Failures are outcomes; only Abandoned and errors of the book itself end the run early."""
        ledger = self._ledger
        ledger.total = len(requests)
        started = self._clock()
        unresolved = collections.deque(requests)
        resolvers = concurrent.futures.ThreadPoolExecutor(RESOLVERS, "imagescan-resolve")
        readers = concurrent.futures.ThreadPoolExecutor(self._parallel, "imagescan-read")
        resolving: dict[_Future, Request] = {}
        reading: dict[_Future, _Job] = {}
        finished = False
        try:
            while unresolved or resolving or reading or self._waiting:
                while self._waiting and len(reading) < self._parallel:
                    job = self._waiting.popleft()
                    reading[readers.submit(self._read, job)] = job
                while unresolved and len(resolving) < RESOLVERS and len(self._waiting) < BACKLOG:
                    request = unresolved.popleft()
                    if not ledger.settle(request):
                        resolving[resolvers.submit(open_target, request.target, self._access)] = request
                self._take_finished(resolving, reading)
                ledger.book.beat(ledger.line(remaining(ledger.done, ledger.total, self._clock() - started)))
            ledger.check()
            finished = True
        finally:
            resolvers.shutdown(wait=finished, cancel_futures=True)
            readers.shutdown(wait=finished, cancel_futures=True)

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
            self._ledger.finish(ScanOutcome(request.digest, request.references, "error", error=error))
            return
        if isinstance(opened, ImageIndex):
            self._index_opened(request, opened)
            return
        if self._ledger.claim(opened.digest, request.references):
            self._queue(_Job(opened.digest, request.references, opened=opened), _platform_text(opened))

    def _index_opened(self, request: Request, index: ImageIndex) -> None:
        fresh = self._ledger.open_index(index.digest, request.references, request.reference, index.children)
        for child, names in fresh:
            self._queue(_Job(child.digest, names, index=index, child=child), str(child.platform or ""))

    def _queue(self, job: _Job, platform: str) -> None:
        """Put a job in line unless its image is known already."""
        index = job.index.digest if job.index else ""
        if self._ledger.book.is_current(job.digest):
            self._ledger.finish(ScanOutcome(job.digest, job.references, "current", platform, index))
        elif self._ledger.plan_only:
            self._ledger.finish(ScanOutcome(job.digest, job.references, "planned", platform, index))
        else:
            self._waiting.append(job)

    def _read(self, job: _Job) -> _Read:
        """Read one image; runs in a thread."""
        if job.index is not None and job.child is not None:
            opened: t.Any = open_child(job.index, job.child, self._access)
        else:
            opened = job.opened
        if self._evaluator is not None:
            opened = self._evaluator.with_kept_layers(opened)
        platform, inventory = _platform_text(opened), take_inventory(opened, threads=self._threads)
        if self._evaluator is None:
            return _Read(platform, inventory)
        try:
            evaluation = self._evaluator.evaluate(opened, inventory)
        except ScanError as error:
            return _Read(platform, inventory, error=error)
        return _Read(platform, inventory, evaluation)

    def _was_read(self, job: _Job, future: concurrent.futures.Future[t.Any]) -> None:
        error = _error_of(future)
        index = job.index.digest if job.index else ""
        if error is not None:
            platform = str(job.child.platform or "") if job.child else _platform_text(job.opened)
            self._ledger.finish(ScanOutcome(job.digest, job.references, "error", platform, index, error=error))
            return
        read: _Read = future.result()
        self._ledger.finish(
            ScanOutcome(
                job.digest,
                job.references,
                "error" if read.error is not None else "scanned",
                read.platform,
                index,
                inventory=read.inventory,
                compliance=read.evaluation.results if read.evaluation is not None else None,
                compliance_error=read.error,
                arf=read.evaluation.arf if read.evaluation is not None else None,
            )
        )


def _error_of(future: concurrent.futures.Future[t.Any]) -> ScanError | None:
    """Why a thread failed. One bad image, or one defect of ours, must not stop the others."""
    error = future.exception()
    if error is None or isinstance(error, ScanError):
        return error
    if not isinstance(error, Exception):
        raise error
    return ScanError(f"{type(error).__name__}: {error}", code="internal-error", hint="this is a defect; please report")


def _platform_text(opened: t.Any) -> str:
    return str(opened.config.platform) if isinstance(opened, Image) else ""
