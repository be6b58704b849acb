# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of its own for one image: bounded in memory, ended with all that it started. Standard library only.

It answers through a pipe: one line of JSON, then the packed record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import signal
import traceback
import typing as t
from pathlib import Path

from .._core.errors import ScanError
from .._core.safe_json import read_object
from .frames import PAYLOAD_LIMIT
from .image_answers import DEFECT, ImageAnswer, ImageTask, failed, no_memory

_HEAD_LIMIT = 1 << 20
_READ_STEP = 1 << 18
_NO_MEMORY = 77


class ImageProcess:
    """One image being read in a process of its own. ``answer()`` once ``status`` is set."""

    def __init__(self, task: ImageTask, pid: int, pipe: int, end: float) -> None:
        self.task = task
        self.pid = pid
        self.pipe = pipe
        self.end = end
        self.status: int | None = None
        self._data = bytearray()
        self.is_too_large = False

    def pull(self) -> None:
        """Read what the pipe holds now."""
        while not self.is_too_large:
            try:
                data = os.read(self.pipe, _READ_STEP)
            except BlockingIOError:
                return
            if not data:
                return
            self._data += data
            self.is_too_large = len(self._data) > PAYLOAD_LIMIT + _HEAD_LIMIT

    def kill(self) -> None:
        """End it and what it started."""
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(self.pid, signal.SIGKILL)

    def answer(self) -> ImageAnswer:
        """Return what it found. Raises ScanError when it ended without saying that."""
        status = t.cast(int, self.status)
        if os.WIFSIGNALED(status):
            name = _signal_name(os.WTERMSIG(status))
            hint = "it most likely had not enough memory; raise pod_memory" if name == "SIGKILL" else DEFECT
            raise ScanError(f"the process that read it was ended by {name}", code="scanner-killed", hint=hint)
        code = os.WEXITSTATUS(status)
        if code == _NO_MEMORY:
            raise no_memory()
        head, newline, payload = bytes(self._data).partition(b"\n")
        if code != 0 or not newline:
            raise ScanError(
                f"the process that read it ended with status {code} and no answer", code="internal-error", hint=DEFECT
            )
        body = read_object(head, "the answer", limit=_HEAD_LIMIT)
        if body["payload"] != len(payload):
            raise ScanError("the answer was cut short", code="internal-error", hint=DEFECT)
        chosen = tuple((digest, text) for digest, text in body["chosen"])
        return ImageAnswer(body["state"], payload, body["digest"], chosen)


def be_process(task: ImageTask, read: t.Callable[[ImageTask], ImageAnswer], pipe: int, memory: int) -> t.NoReturn:
    """Read an image, and answer. Never returns into the loop that the process was forked from."""
    status = 1
    try:
        _prepare(memory)
        answer = _answer(task, read)
        head = {**dataclasses.asdict(answer), "payload": len(answer.payload)}
        write_all(pipe, json.dumps(head).encode() + b"\n" + answer.payload)
        status = 0
    except MemoryError:
        status = _NO_MEMORY
    except BaseException:  # noqa: BLE001 - shown; the parent makes it the error of this image
        traceback.print_exc()
    finally:
        os._exit(status)


def _prepare(memory: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    # Nothing but frames may stand on standard output.
    os.dup2(2, 1)
    # Where the kernel runs out of memory it takes this process first, not the one that all others need.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(memory)


def _limit_memory(memory: int) -> None:
    """Allow ``memory`` bytes of address space beyond what the program itself has; 0 takes the limit away."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = hard
    if memory:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        soft = pages * resource.getpagesize() + memory
        soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _answer(task: ImageTask, read: t.Callable[[ImageTask], ImageAnswer]) -> ImageAnswer:
    try:
        return read(task)
    except ScanError as cause:
        error = cause
    except MemoryError:
        error = no_memory()
    except Exception as cause:  # noqa: BLE001 - a defect of ours is the error of this image, as in a local scan
        traceback.print_exc()
        error = ScanError(f"{type(cause).__name__}: {cause}", code="internal-error", hint=DEFECT)
    _limit_memory(0)
    return failed(task, error)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def write_all(handle: int, data: bytes) -> None:
    """One write, unless a signal cuts it short."""
    unwritten = memoryview(data)
    while unwritten:
        unwritten = unwritten[os.write(handle, unwritten) :]
