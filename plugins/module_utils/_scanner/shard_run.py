# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event loop of a scanner pod's program. Standard library only.

One thread, because it is the first process of its container: it answers SIGTERM, reaps whatever ends, and starts a
process for each image, so that one image cannot take the others along. Only this process writes to standard output,
where the frames go.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import os
import selectors
import signal
import sys
import time
import typing as t

from .._core.errors import ScanError
from .frames import SCHEMA_VERSION, Encoder, size_on_line
from .image_answers import ImageAnswer, ImageTask, failed, too_large
from .image_process import ImageProcess, be_process, write_all
from .image_reader import Reader
from .plan import ScanPlan
from .pod_paths import PodPaths, pull_secrets, write_status
from .targets import child_name

if t.TYPE_CHECKING:
    from .evaluator_client import Lifeline

BEAT_SECONDS = 10.0
#: What a pod may write: a kubelet keeps 10 MiB of a log at least, and a reader must be able to read all of it again.
OUTPUT_LIMIT = 6 << 20
#: Room for heartbeats and the last record.
_RESERVE = 64 << 10
_READ_STEP = 1 << 18
_STOPPED = 128 + signal.SIGTERM


class ShardRun:
    """One run of the program over one shard.

    ``read``: gives the answer for a task, inside the process that was started for it. ``write``: takes one line.
    """

    def __init__(
        self,
        plan: ScanPlan,
        shard: int,
        uid: str,
        places: PodPaths,
        *,
        read: t.Callable[[ImageTask], ImageAnswer] | None = None,
        write: t.Callable[[bytes], object] | None = None,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._plan = plan
        self._number = shard
        self._shard = plan.shards[shard]
        self._uid = uid
        self._places = places
        self._read = read or Reader(plan, places).read
        self._encoder = Encoder(bytes.fromhex(self._shard.key), uid, write or _write_line)
        self._beat_seconds = beat_seconds
        self._waiting = collections.deque(
            ImageTask(number, image.target, image.digest, environment=image.environment)
            for number, image in enumerate(self._shard.images)
        )
        self._running: dict[int, ImageProcess] = {}
        self._given_up: set[int] = set()
        self._left: set[int] = set()
        self._counts = {"scanned": 0, "error": 0, "index": 0}
        self._is_full = False
        self._is_stopped = False
        self._next_beat = 0.0
        self._lifeline: Lifeline | None = None

    def run(self) -> int:
        """Work through the shard; 0 when everything was tried, 143 after SIGTERM."""
        wake, waker = os.pipe()
        for handle in (wake, waker):
            os.set_blocking(handle, False)
        before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _nothing)
        previous = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        try:
            self._encoder.send("hello", self._hello())
            self._tell()
            if self._plan.compliance is not None:
                self._lifeline = _lifeline(self._places)
            with selectors.DefaultSelector() as selector:
                selector.register(wake, selectors.EVENT_READ)
                if self._lifeline is not None:
                    selector.register(self._lifeline, selectors.EVENT_READ)
                self._loop(selector, wake)
        finally:
            for process in self._running.values():
                process.kill()
            signal.set_wakeup_fd(previous)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(wake)
            os.close(waker)
            if self._lifeline is not None:
                self._lifeline.close()
        self._say_bye()
        return _STOPPED if self._is_stopped else 0

    def _say_bye(self) -> None:
        self._left.update(task.number for task in self._waiting)
        self._left.update(process.task.number for process in self._running.values())
        counts = {**self._counts, "left": len(self._left)}
        self._encoder.send("bye", {"counts": counts, "records": self._encoder.records + 1, "left": sorted(self._left)})
        write_status(self._places, {"counts": counts, "seq": self._encoder.seq})

    def _note(self, _number: int, _frame: object) -> None:
        self._is_stopped = True

    def _hello(self) -> dict[str, t.Any]:
        _files, problems = pull_secrets(self._places)
        return {
            "schema_version": SCHEMA_VERSION,
            "run": self._plan.run,
            "shard": self._number,
            "pod": self._uid,
            "images": len(self._shard.images),
            "python": ".".join(map(str, sys.version_info[:3])),
            "problems": problems,
        }

    def _handle(self, selector: selectors.BaseSelector, key: selectors.SelectorKey, wake: int) -> None:
        """Read what a process, the evaluator or a signal wrote."""
        if key.data is not None:
            key.data.pull()
            if key.data.is_too_large:
                selector.unregister(key.fileobj)
        elif self._lifeline is not None and key.fileobj is self._lifeline:
            self._look_at_evaluator(selector, self._lifeline)
        else:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, _READ_STEP)

    def _beat_if_due(self) -> None:
        if time.monotonic() >= self._next_beat:
            self._encoder.send("beat", {"doing": self._doing()})
            self._next_beat = time.monotonic() + self._beat_seconds

    def _loop(self, selector: selectors.BaseSelector, wake: int) -> None:
        self._next_beat = time.monotonic() + self._beat_seconds
        # Collecting garbage would copy every page that a process shares with this one.
        gc.freeze()
        while (self._waiting and not self._is_full) or self._running:
            while self._waiting and not self._is_full and len(self._running) < self._plan.parallel:
                self._start(selector, self._waiting.popleft())
            nearest = min([self._next_beat, *(process.end for process in self._running.values())])
            for key, _events in selector.select(max(0.0, nearest - time.monotonic())):
                self._handle(selector, key, wake)
            if self._is_stopped:
                return
            self._reap(selector)
            self._end_the_late(selector)
            self._beat_if_due()

    def _look_at_evaluator(self, selector: selectors.BaseSelector, lifeline: Lifeline) -> None:
        """The evaluator came, or went. Without it what is still to be done is left to another pod."""
        handle = lifeline.fileno()
        if lifeline.look():
            selector.unregister(handle)
            selector.register(lifeline, selectors.EVENT_READ)
        elif lifeline.is_lost:
            selector.unregister(handle)
            self._is_full = True

    def _start(self, selector: selectors.BaseSelector, task: ImageTask) -> None:
        mine, its = os.pipe()
        pid = os.fork()
        if pid == 0:
            if self._lifeline is not None:
                self._lifeline.close()
            be_process(task, self._read, its, self._plan.memory)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        os.close(its)
        os.set_blocking(mine, False)
        process = ImageProcess(task, pid, mine, time.monotonic() + self._plan.all_seconds)
        self._running[pid] = process
        selector.register(mine, selectors.EVENT_READ, process)
        self._tell()

    def _reap(self, selector: selectors.BaseSelector) -> None:
        for process in list(self._running.values()):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid == 0:
                continue
            process.status = status
            process.pull()
            self._close(selector, process)
            try:
                if process.is_too_large:
                    raise too_large()
                answer = process.answer()
            except ScanError as error:
                answer = failed(process.task, error)
            self._keep(process.task, answer)
        self._given_up -= {pid for pid in self._given_up if os.waitpid(pid, os.WNOHANG)[0]}
        if os.getpid() == 1:
            self._reap_orphans()

    def _reap_orphans(self) -> None:
        """The first process inherits what others leave behind."""
        with contextlib.suppress(ChildProcessError):
            while True:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None or ended.si_pid in self._running or ended.si_pid in self._given_up:
                    return
                os.waitpid(ended.si_pid, os.WNOHANG)

    def _end_the_late(self, selector: selectors.BaseSelector) -> None:
        for process in list(self._running.values()):
            if process.is_too_large:
                error = too_large()
            elif time.monotonic() >= process.end:
                error = ScanError(
                    f"it was not read within {self._plan.all_seconds} s",
                    code="image-timeout",
                    hint="raise image_timeout, or look why the registry is slow",
                )
            else:
                continue
            # Not waited for: one that hangs in the kernel must not hold up the others.
            process.kill()
            self._given_up.add(process.pid)
            self._close(selector, process)
            self._keep(process.task, failed(process.task, error))

    def _close(self, selector: selectors.BaseSelector, process: ImageProcess) -> None:
        del self._running[process.pid]
        with contextlib.suppress(KeyError):
            selector.unregister(process.pipe)
        os.close(process.pipe)

    def _keep(self, task: ImageTask, answer: ImageAnswer) -> None:
        """Send a record if there is room for it; else its image is left to another pod."""
        if self._encoder.bytes + size_on_line(len(answer.payload)) > OUTPUT_LIMIT - _RESERVE:
            self._is_full = True
            self._left.add(task.number)
            return
        self._encoder.send_packed(answer.kind, answer.payload)
        self._counts[answer.state] += 1
        for digest, text in reversed(answer.chosen):
            target = child_name(task.target, digest)
            self._waiting.appendleft(ImageTask(task.number, target, digest, answer.digest, text))
        self._tell()

    def _doing(self) -> list[str]:
        return [process.task.name for process in self._running.values()]

    def _tell(self) -> None:
        """Return what is being done, where the API shows it even after the container was killed."""
        write_status(self._places, {"doing": self._doing(), "seq": self._encoder.seq})


def _lifeline(places: PodPaths) -> Lifeline:
    from .evaluator_client import Lifeline

    try:
        return Lifeline(places.tree)
    except OSError as error:
        raise ScanError(f"the evaluator cannot be met in {places.tree}: {error}") from error


def _nothing(_number: int, _frame: object) -> None:
    """A handler that only wakes the loop."""


def _write_line(line: bytes) -> None:
    write_all(1, line)
