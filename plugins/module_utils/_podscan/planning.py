# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of a run become images that need a pod; all others get their outcomes."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import typing as t

from .._core.errors import ScanError
from .._images.access import Access
from .._images.model import Descriptor, Image, ImageIndex
from .._images.references import parse_reference
from .._scanner.model import ScanOutcome
from .._scanner.targets import Request, is_local
from .api_worker import TICK
from .image_volumes import Resolver, unresolved
from .run_state import RunState
from .sharding import Item

#: Of one image's environment in a plan; without it rules that look at it fail.
ENVIRONMENT_BYTES = 32 << 10
RESOLVERS = 8


class RequestPlanner:
    """Settles which requests need a pod; ``beat`` is called while registries are asked."""

    def __init__(self, state: RunState, access: Access, beat: t.Callable[[], None]) -> None:
        self._state = state
        self._access = access
        self._beat = beat

    def items(self, requests: t.Sequence[Request]) -> list[Item]:
        """The images that need a pod; all others get their outcomes."""
        items: list[Item] = []
        targets: set[str] = set()
        for request in requests:
            if self._state.ledger.settle(request):
                continue
            if is_local(request.target):
                error = ScanError(
                    "it lies on the machine that runs the module, where no pod can reach it",
                    code="not-in-a-registry",
                    hint="use method: local for it",
                    subject=request.reference,
                )
                self._state.ledger.finish(ScanOutcome(request.digest, request.references, "error", error=error))
                continue
            if request.target in targets:
                self._state.ledger.same(request.digest, request.references)
                continue
            targets.add(request.target)
            names = request.references or (request.target,)
            children = self._state.ledger.known_children(request.digest) if request.digest else None
            if children is not None:
                items += self._of_index(request.digest, names, request.reference, children)
            elif not request.digest or self._state.ledger.claim(request.digest, names):
                items.append(
                    Item(
                        self._state.new_number(),
                        request.target,
                        request.digest,
                        names,
                        platform=request.platform,
                        size=request.size,
                        layers=request.layers,
                        kind=request.kind,
                    )
                )
        return items

    def _of_index(
        self, digest: str, names: tuple[str, ...], reference: str, children: t.Sequence[Descriptor]
    ) -> list[Item]:
        """The images of an index that are not known yet."""
        items = []
        for child, child_names in self._state.ledger.open_index(digest, names, reference, children):
            platform = str(child.platform or "")
            if self._state.book.is_current(child.digest):
                self._state.ledger.finish(ScanOutcome(child.digest, child_names, "current", platform, digest))
            else:
                items.append(
                    Item(
                        self._state.new_number(),
                        child_names[0],
                        child.digest,
                        child_names,
                        index=digest,
                        platform=platform,
                        kind="image",
                    )
                )
        return items

    def resolved(self, items: list[Item]) -> list[Item]:
        """With image volumes: what exactly is to be mounted, and what only the registry knows of it."""
        resolver = Resolver(self._access)
        waiting = collections.deque(items)
        ready: list[Item] = []
        pending: dict[concurrent.futures.Future[Image | ImageIndex | ScanError], Item] = {}
        pool = concurrent.futures.ThreadPoolExecutor(RESOLVERS, "imagescan-resolve")
        finished = False
        try:
            while waiting or pending:
                # No more at once than threads: each wait costs time for every one that is pending.
                while waiting and len(pending) < RESOLVERS:
                    item = waiting.popleft()
                    pending[pool.submit(resolver.open, item)] = item
                finished_futures, _pending = concurrent.futures.wait(
                    pending, timeout=TICK, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in finished_futures:
                    waiting += self._opened(pending.pop(future), future.result(), ready)
                self._beat()
            finished = True
        finally:
            # Where nobody waits any more, nobody waits for a silent registry either.
            pool.shutdown(wait=finished, cancel_futures=True)
        return ready

    def _opened(self, item: Item, opened: Image | ImageIndex | ScanError, ready: list[Item]) -> list[Item]:
        """Note what the registry said of an item; gives the images of an index, which are to be opened, too."""
        if isinstance(opened, ScanError):
            if item.digest and (item.kind == "image" or item.index):
                self._state.results.labels[item.digest] = None
                ready.append(item)
            else:
                self._state.results.fail(item, unresolved(item, opened))
            return []
        if item.digest and opened.digest != item.digest:
            self._state.results.fail(
                item, ScanError(f"the registry gives {opened.digest} for it", code="image-changed")
            )
            return []
        reference = item.references[0]
        if isinstance(opened, ImageIndex):
            if item.digest:
                self._state.ledger.release(item.digest)
            return self._of_index(opened.digest, item.references, reference, opened.children)
        if not item.digest:
            if not self._state.ledger.claim(opened.digest, item.references):
                return []
            if self._state.book.is_current(opened.digest):
                self._state.ledger.finish(
                    ScanOutcome(opened.digest, item.references, "current", str(opened.config.platform))
                )
                return []
            item.digest = opened.digest
            item.target = str(dataclasses.replace(parse_reference(item.target), tag="", digest=opened.digest))
        item.platform = str(opened.config.platform)
        item.size = sum(layer.descriptor.size for layer in opened.layers)
        if sum(map(len, opened.config.env)) <= ENVIRONMENT_BYTES:
            item.environment = opened.config.env
        self._state.results.labels[item.digest] = opened.config.labels
        if not opened.layers:
            self._state.results.bare.add(item.digest)
        ready.append(item)
        return []
