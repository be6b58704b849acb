# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source as a rulebook runs it, with what it told."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import typing as t

from ansible_collections.imagescan.openshift.extensions.eda.plugins.event_source import images as source
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError

Json = dict[str, t.Any]


class Listener:
    """The event source in a thread of its own, read as a rulebook reads it, while ``reads`` is set."""

    def __init__(self, **options: t.Any) -> None:
        self.events: list[Json] = []
        self.failure: BaseException | None = None
        self.reads = threading.Event()
        self.reads.set()
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self.reads.set()
        with contextlib.suppress(RuntimeError):  # it ended by itself
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        async def read(queue: asyncio.Queue[Json]) -> None:
            while True:
                await self._loop.run_in_executor(None, self.reads.wait)
                self.events.append(await queue.get())

        async def both() -> None:
            self._task = asyncio.current_task()
            queue: asyncio.Queue[Json] = asyncio.Queue(1)
            reading = asyncio.ensure_future(read(queue))
            try:
                await source.main(queue, self._options)
            finally:
                reading.cancel()

        try:
            self._loop.run_until_complete(both())
        except asyncio.CancelledError:
            pass
        except ScanError as error:
            self.failure = error
        finally:
            self._loop.close()

    def told(self, wanted: t.Collection[str]) -> collections.Counter[str]:
        """How often it told of each of these digests."""
        return counted(self.events, wanted)


def counted(events: t.Iterable[Json], wanted: t.Collection[str]) -> collections.Counter[str]:
    """How often events tell of each of these digests."""
    every = [image["digest"] for event in list(events) for image in event["imagescan"]["images"]]
    return collections.Counter(digest for digest in every if digest in wanted)
