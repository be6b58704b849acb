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

from .._compliance.codec import results_from_dict, results_to_dict
from .._compliance.content import FOLDERS, Wanted, choose, trim, unpack_trimmed
from .._compliance.evaluate import Places, evaluate_tree, plan, refused, remove_tree
from .._compliance.model import Results
from .._compliance.oscap import Bounds, check_tools, find_tools
from .._core.errors import CorruptData, LimitExceeded, ScanError
from .._core.safe_json import read_object
from .._images.access import read_small_file
from .._images.folders import read_folder
from .._images.limits import DEFAULT_LIMITS, Budget, Limits
from .._images.model import Image, Problem
from .._images.tar import Visit
from .._images.targets import RootFolder
from .._images.unpack import Owner, Unpacked, Unpacking, copy_folder, may_own
from .._images.wanted import Wanted as Files
from .._rpm.codec import inventory_from_dict, inventory_to_dict
from .._rpm.inventory import inventory_of, take_inventory
from .._rpm.model import Inventory, OsRelease
from .plan import CONTENT_FILE, CONTENT_VARIABLE, GIVEN_LIMIT, LOST, TAILORING_FILE, PlannedCompliance

SOCKET, LIFELINE = "evaluator.sock", "lifeline.sock"
TOO_LARGE = "image-too-large-for-compliance"
#: How long the two containers wait for each other (seconds).
PATIENCE = 120.0
#: Of one message (bytes): inventories of 20 MB have been seen, results of 2 MB, and an ARF of 5 MB.
REQUEST_LIMIT, ANSWER_LIMIT = 256 << 20, 32 << 20
#: Of a compressed ARF that still fits into a record.
ARF_LIMIT = 3 << 20
#: Between two tries to connect, and two looks at a process that is to end (seconds).
_PAUSE = 0.1
#: How long a process may take to end oscap (seconds).
_GRACE = 4.0
#: One image is read at a time, so that decompressing beside hashing and writing takes nothing from another.
_THREADS = 2
_STEP = 1 << 18
_OS_RELEASE = Files(files=frozenset(("etc/os-release", "usr/lib/os-release")))
_REFUSALS = 10
_ROOT, _CACHE = "root-", "cache"
_HINT = "raise memory of compliance"


# The scanner's side


class Lifeline:
    """Tells the evaluator that the scanner lives, and the other way round. Held by the scanner's first process."""

    def __init__(self, tree: str) -> None:
        self.is_lost = False
        self._peer: socket.socket | None = None
        self._listener = listener_at(f"{tree}/{LIFELINE}")

    def fileno(self) -> int:
        """What becomes readable when the evaluator comes, or goes."""
        return (self._peer or self._listener).fileno()

    def look(self) -> bool:
        """Note what happened; True when ``fileno`` changed."""
        if self._peer is None:
            with contextlib.suppress(BlockingIOError):
                self._peer, _address = self._listener.accept()
                self._peer.setblocking(False)
                return True
            return False
        try:
            self.is_lost = self.is_lost or not self._peer.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            self.is_lost = True
        return False

    def close(self) -> None:
        """Let the evaluator end."""
        for one in (self._peer, self._listener):
            if one is not None:
                one.close()


@dataclasses.dataclass(frozen=True)
class EvaluatorClient:
    """Has images evaluated. ``tree``: the folder that both containers see. ``until``: when the evaluator must be there
    at the latest (``time.monotonic``).
    """

    wanted: PlannedCompliance
    tree: str
    until: float

    def scan(
        self, opened: Image | RootFolder, environment: t.Sequence[str]
    ) -> tuple[Inventory, tuple[Results, bytes] | ScanError]:
        """The inventory of an image; and its results with its compressed ARF or nothing, or why there are none.

        ``environment``: of the image's config. Layers are read once, for both. Why there are none: ``evaluator-lost``,
        ``image-too-large-for-compliance``, and what evaluating and unpacking raise. Raises what ``take_inventory``
        raises.
        """
        try:
            root = self._new_root()
        except ScanError as error:
            return take_inventory(opened, threads=_THREADS), error
        inventory = None
        beside = None if isinstance(opened, RootFolder) else _Announcing(opened, root, self)
        try:
            try:
                with beside or contextlib.nullcontext():
                    inventory = take_inventory(opened, threads=_THREADS, beside=beside)
                return inventory, self._evaluate(opened, inventory, environment, root, beside)
            finally:
                if beside is not None:
                    beside.hang_up()
                remove_tree(root)
        except ScanError as error:
            if inventory is None:
                raise
            return inventory, error

    def _evaluate(
        self,
        opened: Image | RootFolder,
        inventory: Inventory,
        environment: t.Sequence[str],
        root: Path,
        beside: _Announcing | None,
    ) -> tuple[Results, bytes]:
        asked = {
            "profile": self.wanted.profile,
            "rules": list(self.wanted.rules),
            "inventory": inventory_to_dict(inventory),
            "identifier": f"{opened.reference} {opened.digest}".strip(),
            "environment": list(environment),
            "seconds": self.wanted.seconds,
            "arf": self.wanted.arf,
        }
        connection = beside.connection if beside is not None else None
        with contextlib.closing(connection or self._connect()) as connection:
            _tell(connection, asked)
            answer = _hear(connection)
            if answer["state"] == "ready":
                unpacked = self._unpacked(opened, root, beside)
                _tell(connection, {"tree": root.name, "unpacked": _unpacked_to_dict(unpacked)})
                answer = _hear(connection)
            return _result(answer)

    def _unpacked(self, opened: Image | RootFolder, root: Path, beside: Unpacking | None) -> Unpacked:
        try:
            if isinstance(opened, RootFolder):
                return copy_folder(opened.path, root, limits=self.limits)
            return t.cast(Unpacking, beside).result()
        except LimitExceeded as error:
            if error.code not in ("limit-uncompressed", "unpack-no-space"):
                raise
            raise LimitExceeded(
                f"unpacked it has more than the {self.wanted.bytes >> 20} MiB that are set aside for one image",
                code=TOO_LARGE,
                hint="raise max_image_size of compliance; the pods' memory limit grows with it",
            ) from error

    @property
    def limits(self) -> Limits:
        """Of unpacking."""
        return dataclasses.replace(DEFAULT_LIMITS, uncompressed=self.wanted.bytes)

    def _connect(self) -> socket.socket:
        while True:
            try:
                return self.try_to_connect()
            except OSError as error:
                if time.monotonic() >= self.until:
                    raise _lost("it is not there") from error
            time.sleep(_PAUSE)

    def try_to_connect(self) -> socket.socket:
        """A connection, which begins one image. Raises OSError where the evaluator is not there, or not yet."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(f"{self.tree}/{SOCKET}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _new_root(self) -> Path:
        """An empty folder. What a process that was ended left behind goes: the next image needs the room."""
        end = time.monotonic() + _GRACE
        while left := list(Path(self.tree).glob(f"{_ROOT}*")):
            try:
                for one in left:
                    if one.is_symlink() or one.is_file():
                        one.unlink()  # nobody of ours made it
                    else:
                        remove_tree(one)
            except (ScanError, OSError) as error:
                # oscap, which is being ended as well, may still write there.
                if time.monotonic() >= end:
                    raise ScanError(f"what was unpacked cannot be removed: {error}", code="tree-not-removed") from error
                time.sleep(_PAUSE)
        root = Path(tempfile.mkdtemp(prefix=_ROOT, dir=self.tree))
        root.chmod(0o755)
        return root


class _Announcing(Unpacking):
    """Tells the evaluator of which distribution an image is, once that is seen, so that it trims content meanwhile.

    ``connection``: on which it was told; what is asked later goes there, too.
    """

    def __init__(self, image: Image, root: Path, client: EvaluatorClient) -> None:
        super().__init__(image, root, limits=client.limits)
        self.connection: socket.socket | None = None
        self._client = client
        self._folder = str(root)
        self._last = len(image.layers) - 1

    def walk(self, number: int, chunks: t.Iterator[bytes], visit: Visit, budget: Budget) -> None:
        """As ``Unpacking``. Behind the last layer comes the question itself."""
        super().walk(number, chunks, visit, budget)
        if self.connection is None and number < self._last and self.error is None:
            found = inventory_of(read_folder(self._folder, _OS_RELEASE), {}).os
            if found.id:
                self._announce(found)

    def _announce(self, found: OsRelease) -> None:
        wanted = self._client.wanted
        told = {"profile": wanted.profile, "rules": list(wanted.rules), "os": [found.id, found.version_id]}
        with contextlib.suppress(OSError):  # whether it is there, the question will show
            connection = self._client.try_to_connect()
            try:
                _send(connection, told)
            except BaseException:
                connection.close()
                raise
            self.connection = connection

    def hang_up(self) -> None:
        """The image is done with."""
        if self.connection is not None:
            self.connection.close()


def _tell(connection: socket.socket, message: t.Mapping[str, t.Any]) -> None:
    try:
        _send(connection, message)
    except OSError as error:
        raise _lost(str(error)) from error


def _hear(connection: socket.socket) -> dict[str, t.Any]:
    """What the evaluator answers. Raises ScanError where that is an error."""
    try:
        line = _receive(connection, ANSWER_LIMIT)
    except OSError as error:
        raise _lost(str(error)) from error
    if not line:
        raise _lost("it ended while it had this image")
    answer = read_object(line, "the evaluator's answer", limit=ANSWER_LIMIT)
    if answer.get("state") == "error":
        texts = [answer.get(name) for name in ("code", "message", "hint")]
        if not all(isinstance(text, str) for text in texts):
            raise _strange()
        code, message_, hint = t.cast("list[str]", texts)
        raise ScanError(message_, code=code, hint=hint)
    if answer.get("state") not in ("ready", "evaluated"):
        raise _strange()
    return answer


def _result(answer: t.Mapping[str, t.Any]) -> tuple[Results, bytes]:
    arf = answer.get("arf", "")
    if answer["state"] != "evaluated" or not isinstance(arf, str):
        raise _strange()
    try:
        return results_from_dict(answer.get("results")), base64.b64decode(arf, validate=True)
    except ValueError as error:
        raise _strange() from error


def _strange() -> CorruptData:
    return CorruptData("the evaluator's answer has not the form that it must have")


def _lost(why: str) -> ScanError:
    return ScanError(
        f"the container that runs oscap is gone: {why}",
        code=LOST,
        hint=f"it most likely had not enough memory; {_HINT}",
    )


def _unpacked_to_dict(unpacked: Unpacked) -> dict[str, t.Any]:
    owners = {path: [owner.mode, owner.uid, owner.gid] for path, owner in unpacked.owners.items()}
    return {**dataclasses.asdict(dataclasses.replace(unpacked, owners={})), "owners": owners}


def _unpacked_of(found: dict[str, t.Any]) -> Unpacked:
    owners = {path: Owner(*numbers) for path, numbers in found.pop("owners").items()}
    problems = tuple(Problem(**one) for one in found.pop("problems"))
    return Unpacked(owners=owners, problems=problems, **found)


# The evaluator's side


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where the evaluator finds what is mounted. ``root``: in front of every path; empty in a real pod.

    ``contents``: where data streams are looked for.
    """

    root: str = ""
    contents: tuple[str, ...] = FOLDERS

    @property
    def tree(self) -> str:
        """What it shares with the scanner."""
        return f"{self.root}/tree"

    @property
    def given(self) -> Path:
        """Content and tailoring file that a person gave; may be absent."""
        return Path(f"{self.root}/content")

    @property
    def work(self) -> Path:
        """What is its own. oscap writes into ``/tmp``, whatever TMPDIR says."""
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
            time.sleep(_PAUSE)
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
    end = time.monotonic() + _GRACE
    while time.monotonic() < end:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(_PAUSE / 5)
    os.kill(pid, signal.SIGKILL)


def _be_process(folders: Folders, connection: socket.socket) -> t.NoReturn:
    """Serve one connection. Never returns into the loop that it was forked from."""
    status = 1

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(1)  # through whatever ends oscap

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        _send(connection, _answer(folders, connection))
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
            error.hint = _HINT
    except MemoryError:
        error = ScanError("evaluating it needs too much memory", code="oscap-killed", hint=_HINT)
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
    given, tailoring = folders.given / CONTENT_FILE, folders.given / TAILORING_FILE
    wanted = Wanted(
        asked["profile"], tailoring=str(tailoring) if tailoring.exists() else "", rules=tuple(asked["rules"])
    )
    places = Places(work, folders.work / _CACHE, folders.contents)
    if "os" in asked:
        if not given.exists():
            _trim_ahead(OsRelease(*asked["os"]), wanted, places)
        asked = _asked(connection)
    inventory = inventory_from_dict(asked["inventory"])
    content = None
    if given.exists():
        content = unpack_trimmed(read_small_file(str(given), "the content", GIVEN_LIMIT))
        if wanted.tailoring:
            content = dataclasses.replace(content, tailoring=tailoring.read_bytes())
    trimmed, problems = plan(inventory, wanted, places, content)
    if trimmed is None:
        return refused(wanted, problems), b""
    tools = check_tools(find_tools(), owning=may_own())
    _send(connection, {"state": "ready"})
    told = _asked(connection)
    keep = work / "arf.gz" if asked["arf"] else None
    results = evaluate_tree(
        Path(folders.tree) / Path(told["tree"]).name,
        _unpacked_of(told["unpacked"]),
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
    line = _receive(connection, REQUEST_LIMIT)
    if not line:
        raise SystemExit(1)  # there is nobody who would hear an answer
    message: dict[str, t.Any] = json.loads(line)
    return message


def _trim_ahead(os_release: OsRelease, wanted: Wanted, places: Places) -> None:
    """Trim the content that an image most likely needs; what is wrong with it is said when that is asked for."""
    path = choose(os_release, places.contents)
    if path is not None:
        with contextlib.suppress(ScanError):
            trim(wanted, path, places.cache)


# Both


def listener_at(path: str) -> socket.socket:
    """Make a socket that listens at a path, and does not block. It is at the path only once it listens."""
    listener = socket.socket(socket.AF_UNIX)
    listener.setblocking(False)
    listener.bind(f"{path}~")
    listener.listen(8)
    Path(f"{path}~").rename(path)
    return listener


def _send(connection: socket.socket, message: t.Mapping[str, t.Any]) -> None:
    connection.sendall(json.dumps(message).encode("ascii") + b"\n")


def _receive(connection: socket.socket, limit: int) -> bytes:
    """One message; empty where the other side is gone. Raises LimitExceeded."""
    data = bytearray()
    while not data.endswith(b"\n"):
        if len(data) > limit:
            raise LimitExceeded(f"a message between the pod's containers has more than {limit} bytes")
        # No more than one: the next may have come, too.
        part = connection.recv(_STEP, socket.MSG_PEEK)
        if not part:
            return b""
        data += connection.recv(part.find(b"\n") + 1 or len(part))
    return bytes(data)
