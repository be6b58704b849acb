# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads documents on all cores: each in a process of its own, one document at a time.

The processes are fresh interpreters that are spoken to through sockets, and not forks or a pool of the standard
library: a module may have threads, which a fork does not survive, and a worker must end when its parent is killed,
which it sees by the end of its input. A process has at most one document, so that memory is bounded by their number.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import socket
import subprocess
import sys
import tempfile
import typing as t

from ..._core.errors import ScanError
from ..index.packing import Packed
from .parsing import Form, Refusal, outcome

#: Documents of so many bytes in all are read by the process that has them: starting others takes 0.2 s.
ALONE = 8 << 20
_LENGTH = 8
_AT_MOST = 8  # processes


class WorkerLost(ScanError):
    """A process that read documents has ended, and not because it was told to."""

    code = "worker-lost"


class Workers:
    """Reads documents and gives each to ``report`` with its key, in no order: as read, or why it was not.

    Use as a context manager; leaving it ends the processes. ``how``: what ``outcome`` takes beside path and bytes.
    ``processes`` 0: one a core.
    """

    def __init__(
        self,
        how: tuple[t.Collection[str], Form],
        report: t.Callable[[t.Any, Packed | Refusal], None],
        processes: int = 0,
    ) -> None:
        self._how = how
        self._done = report
        self._count = processes or min(_cores(), _AT_MOST)
        self._alone = 0
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, t.Any] = {}
        self._stack = contextlib.ExitStack()
        self._selector = self._stack.enter_context(selectors.DefaultSelector())

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._stack.close()

    def read(self, key: t.Any, path: str, data: bytes) -> None:
        """Have a document read. Waits while all processes have one."""
        if self._count < 2 or self._alone + len(data) <= ALONE:
            self._alone += len(data)
            self._done(key, outcome(path, data, *self._how))
            return
        if not self._idle and len(self._busy) < self._count:
            worker = _Worker(self._how)
            self._stack.callback(worker.end)
            self._selector.register(worker.connection, selectors.EVENT_READ, worker)
            self._idle.append(worker)
        while not self._idle:
            self._collect()
        worker = self._idle.pop()
        self._busy[worker] = key
        worker.read(path, data)

    def finish(self) -> None:
        """Wait until every document is read."""
        while self._busy:
            self._collect()

    def _collect(self) -> None:
        """Take what processes have read, of one at least."""
        for key, _events in self._selector.select():
            worker: _Worker = key.data
            document_outcome = worker.receive()
            document = self._busy.pop(worker)
            self._idle.append(worker)
            self._done(document, document_outcome)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Interpreter(subprocess.Popen[bytes]):
    """A fresh interpreter that reads documents.

    ``run_command`` of Ansible's modules waits for the end of what it starts; this is spoken to while it runs.
    """

    def __init__(self, program: str, root: str, spoken: socket.socket, errors: t.IO[bytes]) -> None:
        super().__init__(
            [sys.executable, "-c", program, root],
            stdin=spoken.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,  # an interrupt on the terminal is for the parent alone
        )


class _Worker:
    """One process. It gets (path, bytes) and answers with what ``outcome`` gives."""

    def __init__(self, how: tuple[t.Collection[str], Form]) -> None:
        # Where the collection is imported from: a folder, or the archive that Ansible packs for a module. It takes the
        # place of the present folder, from which nothing must be imported.
        root = __file__.partition(f"{os.sep}ansible_collections{os.sep}")[0]
        program = f"import sys; sys.path[0] = sys.argv[1]; from {__name__} import work; work()"
        self.connection, its = socket.socketpair()
        with contextlib.ExitStack() as stack:
            self._errors = stack.enter_context(tempfile.TemporaryFile())
            self._stack = stack.pop_all()
        self._path = ""
        try:
            self._process = _Interpreter(program, root, its, self._errors)
        except OSError as error:
            raise WorkerLost(f"a process that reads documents cannot be started: {error}") from error
        finally:
            its.close()
        self._stream = self.connection.makefile("rb")
        self._send(how)

    def read(self, path: str, data: bytes) -> None:
        """Give it a document."""
        self._path = path
        self._send((path, data))

    def _send(self, value: t.Any) -> None:
        try:
            _send(self.connection, value)
        except OSError:
            raise self._lost() from None

    def receive(self) -> t.Any:
        try:
            return _receive(self._stream)
        except (EOFError, OSError):
            raise self._lost() from None

    def _lost(self) -> WorkerLost:
        self._process.kill()
        status = self._process.wait()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 500))
        last_line = self._errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        message = f"the process that read the document {self._path} {how}" + (f": {last_line}" if last_line else "")
        return WorkerLost(message, hint="is there enough memory? Each may need some 500 MB for a large document.")

    def end(self) -> None:
        """End the process, whatever it does."""
        self._stream.close()
        self.connection.close()
        self._process.kill()
        self._process.wait()
        self._stack.close()


def work() -> None:
    """Run as a process: read documents until there are no more."""
    with (
        contextlib.suppress(EOFError, OSError),  # the parent has what it wanted, or was killed
        socket.socket(fileno=os.dup(0)) as connection,
        connection.makefile("rb") as stream,
    ):
        how = _receive(stream)
        while True:
            path, data = _receive(stream)
            _send(connection, outcome(path, data, *how))


def _send(connection: socket.socket, value: t.Any) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    connection.sendall(len(data).to_bytes(_LENGTH, "big") + data)


def _receive(stream: t.BinaryIO) -> t.Any:
    """The next value. Both ends are ours, so that it may be a pickle. Raises EOFError."""
    size = int.from_bytes(stream.read(_LENGTH) or b"", "big")
    data = stream.read(size)
    if not size or len(data) != size:
        raise EOFError
    return pickle.loads(data)
