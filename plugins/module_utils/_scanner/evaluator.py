# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second container of a scanner pod: it runs oscap, and has no credential, no plan, and nothing but images' files.

Both containers see one folder in memory, ``/tree``. The scanner unpacks an image into it while it takes its inventory,
and asks the evaluator over a Unix socket there; a connection is one image:

    scanner    {"profile", "rules", "os"}: what it will ask for, as soon as it has seen an os-release; or nothing
    scanner    {"profile", "rules", "inventory", "identifier", "environment", "seconds", "arf"}
    evaluator  {"state": "ready"}, or a result or an error that needs no look at the image
    scanner    {"tree": name of the folder, "unpacked": …}
    evaluator  {"state": "evaluated", "results": …, "arf": base64 or ""}
               or {"state": "error", "code", "message", "hint"}

Each message is JSON on one line. The evaluator works on one image at a time, in a process of its own that ends with
its connection. It connects to the scanner's *lifeline* when it starts, and ends when that closes: nothing else would
end its container, and with it the pod. The scanner sees on the same connection that the evaluator is gone. Standard
library only: it runs in the pod.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
import typing as t
from pathlib import Path

from .._compliance.codec import results_to_dict
from .._compliance.content.select import FOLDERS, EvaluationRequest, choose
from .._compliance.content.trim import trim, unpack_trimmed
from .._compliance.evaluate import EvaluationPaths, evaluate_tree, plan, refused
from .._compliance.model import Results
from .._compliance.oscap import Bounds, check_tools, find_tools
from .._core.errors import LimitExceeded, ScanError
from .._images.access import read_small_file
from .._images.unpack_metadata import may_own
from .._packages.codec import inventory_from_dict
from .._packages.model import OsRelease
from .evaluator_messages import (
    GRACE,
    LIFELINE,
    MEMORY_HINT,
    PAUSE,
    REQUEST_LIMIT,
    SOCKET,
    listener_at,
    receive,
    send,
    unpacked_from_dict,
)
from .plan import CONTENT_FILE, CONTENT_VARIABLE, GIVEN_LIMIT, TAILORING_FILE

#: How long the two containers wait for each other (seconds).
PATIENCE = 120.0
#: Of a compressed ARF that still fits into a record.
ARF_LIMIT = 3 << 20
_REFUSALS = 10
_CACHE = "cache"


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where the evaluator finds what is mounted. ``root``: in front of every path; empty in a real pod.

    ``contents``: where data streams are looked for.
    """

    root: str = ""
    contents: tuple[str, ...] = FOLDERS

    @property
    def tree(self) -> str:
        """Return what it shares with the scanner."""
        return f"{self.root}/tree"

    @property
    def given(self) -> Path:
        """Content and tailoring file that a person gave; may be absent."""
        return Path(f"{self.root}/content")

    @property
    def work(self) -> Path:
        """Return what is its own. oscap writes into ``/tmp``, whatever TMPDIR says."""
        return Path(f"{self.root}/tmp")


def serve(root: str = "", patience: float = PATIENCE) -> int:
    """Evaluate what the scanner asks for, until it is gone. Returns the exit status."""
    image = os.environ.get(CONTENT_VARIABLE, "")
    # Only there: content of another place is not what was asked for.
    contents = (image, *(f"{image}{folder}" for folder in FOLDERS)) if image else FOLDERS
    return _Server(Folders(root, contents)).run(patience)


class _Server:
    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._listener = listener_at(f"{folders.tree}/{SOCKET}")
        self._status = 0
        self._is_stopped = False

    def run(self, patience: float) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        (self._folders.work / _CACHE).mkdir(exist_ok=True)
        lifeline = self._lifeline(time.monotonic() + patience)
        if lifeline is None:
            return self._status
        with contextlib.closing(lifeline):
            while not self._is_stopped:
                if not _is_readable(self._listener, lifeline):
                    continue
                if _is_readable(lifeline, timeout=0.0):
                    break
                with contextlib.suppress(BlockingIOError):
                    connection, _address = self._listener.accept()
                    with contextlib.closing(connection):
                        self._work(connection, lifeline)
        return self._status

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_stopped = True

    def _lifeline(self, end: float) -> socket.socket | None:
        refused = 0
        # A socket on which nobody listens is that of a scanner that is gone already, or will listen in a moment.
        while not self._is_stopped and refused < _REFUSALS:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(f"{self._folders.tree}/{LIFELINE}")
                return connection
            except OSError as error:
                connection.close()
                refused += isinstance(error, ConnectionRefusedError)
            if time.monotonic() >= end:
                sys.stderr.write("no scanner came\n")
                self._status = 3
                break
            time.sleep(PAUSE)
        return None

    def _work(self, connection: socket.socket, lifeline: socket.socket) -> None:
        """Have one connection served by a process, which ends with it."""
        over, held = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(over)
            _be_process(self._folders, connection)
        os.close(held)
        # What the scanner sends is for the process; only that it hangs up is seen here.
        watch = select.poll()
        watch.register(over, select.POLLIN)
        watch.register(connection, select.POLLRDHUP)
        watch.register(lifeline, select.POLLIN)
        handles: set[int] = set()
        while not handles and not self._is_stopped:
            handles = {handle for handle, _event in watch.poll(1000)}
        if over not in handles:
            _end(pid)
        os.close(over)
        os.waitpid(pid, 0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        self._clean()

    def _clean(self) -> None:
        """Remove what a process left that was ended by force, and what oscap leaves then."""
        for path in self._folders.work.iterdir():
            if path.name == _CACHE:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()


def _is_readable(*sockets: socket.socket, timeout: float = 1.0) -> bool:
    return bool(select.select(sockets, [], [], timeout)[0])


def _end(pid: int) -> None:
    """Let a process end oscap and itself; by force if it does not."""
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + GRACE
    while time.monotonic() < end:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(PAUSE / 5)
    os.kill(pid, signal.SIGKILL)


def _be_process(folders: Folders, connection: socket.socket) -> t.NoReturn:
    """Serve one connection. Never returns into the loop that it was forked from."""
    status = 1

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(1)  # through whatever ends oscap

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        send(connection, _answer(folders, connection))
        status = 0
    except SystemExit:
        pass  # the scanner wants no answer any more
    except BaseException:  # noqa: BLE001 - shown; the scanner sees that the connection ends
        traceback.print_exc()
    finally:
        os._exit(status)


def _answer(folders: Folders, connection: socket.socket) -> dict[str, t.Any]:
    work = Path(tempfile.mkdtemp(dir=folders.work))
    try:
        results, arf = _evaluate(folders, connection, work)
        if len(arf) > ARF_LIMIT:
            raise LimitExceeded(
                f"its ARF has {len(arf)} bytes, and a pod can send {ARF_LIMIT}",
                code="arf-too-large",
                hint="do without arf, or scan it with method: local",
            )
        return {
            "state": "evaluated",
            "results": results_to_dict(results),
            "arf": base64.b64encode(arf).decode("ascii"),
        }
    except ScanError as cause:
        error = cause
        if error.code == "oscap-killed" and error.hint:
            error.hint = MEMORY_HINT
    except MemoryError:
        error = ScanError("evaluating it needs too much memory", code="oscap-killed", hint=MEMORY_HINT)
    except Exception as cause:  # noqa: BLE001 - a defect of ours is the error of this image
        traceback.print_exc()
        error = ScanError(
            f"{type(cause).__name__}: {cause}", code="internal-error", hint="this is a defect; please report"
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {"state": "error", "code": error.code, "message": error.message, "hint": error.hint}


def _evaluate(folders: Folders, connection: socket.socket, work: Path) -> tuple[Results, bytes]:
    asked = _asked(connection)
    content_file, tailoring = folders.given / CONTENT_FILE, folders.given / TAILORING_FILE
    request = EvaluationRequest(
        asked["profile"], tailoring=str(tailoring) if tailoring.exists() else "", rules=tuple(asked["rules"])
    )
    places = EvaluationPaths(work, folders.work / _CACHE, folders.contents)
    if "os" in asked:
        if not content_file.exists():
            _trim_ahead(OsRelease(*asked["os"]), request, places)
        asked = _asked(connection)
    inventory = inventory_from_dict(asked["inventory"])
    content = None
    if content_file.exists():
        content = unpack_trimmed(read_small_file(str(content_file), "the content", GIVEN_LIMIT))
        if request.tailoring:
            content = dataclasses.replace(content, tailoring=tailoring.read_bytes())
    trimmed, problems = plan(inventory, request, places, content)
    if trimmed is None:
        return refused(request, problems), b""
    tools = check_tools(find_tools(), owning=may_own())
    send(connection, {"state": "ready"})
    image = _asked(connection)
    keep = work / "arf.gz" if asked["arf"] else None
    results = evaluate_tree(
        Path(folders.tree) / Path(image["tree"]).name,
        unpacked_from_dict(image["unpacked"]),
        inventory,
        trimmed,
        places,
        identifier=asked["identifier"],
        environment=tuple(asked["environment"]),
        bounds=Bounds(seconds=float(asked["seconds"])),
        tools=tools,
        keep=keep,
    )
    return results, keep.read_bytes() if keep is not None else b""


def _asked(connection: socket.socket) -> dict[str, t.Any]:
    line = receive(connection, REQUEST_LIMIT)
    if not line:
        raise SystemExit(1)  # there is nobody who would hear an answer
    message: dict[str, t.Any] = json.loads(line)
    return message


def _trim_ahead(os_release: OsRelease, request: EvaluationRequest, places: EvaluationPaths) -> None:
    """Trim the content that an image most likely needs; what is wrong with it is said when that is asked for."""
    path = choose(os_release, places.contents)
    if path is not None:
        with contextlib.suppress(ScanError):
            trim(request, path, places.cache)
