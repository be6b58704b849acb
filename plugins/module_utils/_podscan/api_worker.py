# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thread of a run that talks to the API server."""

from __future__ import annotations

import concurrent.futures
import typing as t

from .._kubernetes.errors import ApiError
from .run_state import RunState

#: Seconds between looks at the log readers.
TICK = 0.5
#: How long the API may be silent before the run gives up (seconds).
API_PATIENCE = 150.0


class ApiWorker:
    """One thread that talks to the API, so that a slow answer never silences the progress.

    ``while_waiting`` is called every TICK seconds until an answer is there.
    """

    def __init__(self, state: RunState, while_waiting: t.Callable[[], None]) -> None:
        self._state = state
        self._while_waiting = while_waiting
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "imagescan-api")
        self._api_down_since: float | None = None

    def close(self) -> None:
        """Begin nothing more. Never waits."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def call(self, work: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Do something with the API in the worker thread, and go on saying that we are alive."""
        future = self._worker.submit(work, *arguments)
        while True:
            finished, _pending = concurrent.futures.wait([future], timeout=TICK)
            if finished:
                return future.result()
            self._while_waiting()

    def ask(self, work: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Like ``call``; None while the API is in trouble that may pass."""
        try:
            answer = self.call(work, *arguments)
        except ApiError as error:
            now = self._state.clock()
            self._api_down_since = self._api_down_since or now
            if (error.status and error.status < 429) or now - self._api_down_since > API_PATIENCE:
                raise
            return None
        self._api_down_since = None
        return answer

    def do(self, work: t.Callable[..., t.Any], *arguments: t.Any) -> bool:
        """Like ``ask``, for what gives nothing: whether it was done."""

        def done() -> bool:
            work(*arguments)
            return True

        return bool(self.ask(done))

    def until(self, end: float, work: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Wait for the worker until a moment; None, and a warning, when it fails or is late."""
        future = self._worker.submit(work, *arguments)
        try:
            return future.result(max(0.1, end - self._state.clock()))
        except concurrent.futures.TimeoutError:
            self._state.warn(
                f"the cluster took too long to remove all Jobs in the namespace {self._state.options.namespace}"
            )
        except ApiError as error:
            self._state.warn(str(error))
        return None
