# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches of images into a queue, at the pace of whoever reads it.

The next batch is put together when the last one was taken, so what comes meanwhile goes into it and nothing is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import typing as t
import uuid
from pathlib import Path

from .event_queue import Backlog, event_of

#: Seconds between looks whether a batch was taken: queues tell nobody of it.
_LOOKS = (0.02, 0.5)


class Queue(t.Protocol):
    """Queue that ansible-rulebook gives to an event source."""

    async def put(self, item: t.Any, /) -> None:
        """Wait for a free place."""


class Handing:
    """Hands a backlog on. ``wake`` may be called from any thread, ``run`` belongs to the event loop.

    ``most``: images of a batch. ``delay``: seconds that the first image of a batch waits for others.
    ``feedback``: a queue in which each event comes back when the rulebook has it.
    """

    def __init__(
        self,
        queue: Queue,
        backlog: t.Callable[[t.Callable[[], None]], Backlog],
        *,
        most: int,
        delay: float,
        state_file: Path | None = None,
        feedback: asyncio.Queue[t.Any] | None = None,
    ) -> None:
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self.backlog = backlog(self.wake)
        self._most = most
        self._delay = delay
        self._state_file = state_file
        self._feedback = feedback
        self._ended = asyncio.Event()

    def wake(self) -> None:
        """There is news."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._changed.set)

    def end(self) -> None:
        """Nothing more will come: ``run`` returns, and what nobody took is left for the next start."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)

    async def run(self) -> None:
        """Hand on until ``end``."""
        handing, ended = asyncio.ensure_future(self._hand_on()), asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((handing, ended), return_when=asyncio.FIRST_COMPLETED)
            if handing.done():
                handing.result()  # it never returns, so this raises
        finally:
            handing.cancel()
            ended.cancel()

    async def _hand_on(self) -> None:
        while True:
            await self._gather()
            batch = uuid.uuid4().hex
            event = event_of(self.backlog.take(self._most), batch)
            await self._queue.put(event)
            await self._taken(batch)
            self.backlog.done()
            await self._save()

    async def _save(self) -> None:
        await self._loop.run_in_executor(None, self.backlog.save, self._state_file)

    async def _gather(self) -> None:
        """Wait until a batch is full or its first image has waited long enough."""
        while True:
            self._changed.clear()
            waiting, since = self.backlog.waiting
            if waiting >= self._most or (waiting and since >= self._delay):
                return
            if not waiting and self.backlog.has_new_look:
                await self._save()
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._delay - since if waiting else None)

    async def _taken(self, batch: str) -> None:
        """Wait until somebody took the batch out of the queue; with feedback, until the rulebook has it."""
        if self._feedback is not None:
            while True:
                told = await self._feedback.get()
                event = told.get("imagescan") if isinstance(told, dict) else None
                if isinstance(event, dict) and event.get("batch") == batch:
                    return
        # The queue itself lies behind the event filters.
        behind: t.Any = getattr(self._queue, "queue", self._queue)
        pause = _LOOKS[0]
        while not behind.empty():
            await asyncio.sleep(pause)
            pause = min(_LOOKS[1], pause * 1.5)
