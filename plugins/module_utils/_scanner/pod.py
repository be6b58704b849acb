# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a scanner pod: reads the images of one shard, each in a process of its own, and tells what is in them.

One thread and an event loop, because it is the first process of its container: it answers SIGTERM, reaps whatever ends,
and starts a process for each image, bounded in memory and time, so that one image cannot take the others along. A
process answers with one packed record through a pipe; only this process writes to standard output, where the frames go
(see ``frames``). Standard error is free for noise. Where rules are to be evaluated, a second container does that (see
``evaluator``). Standard library only.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import dataclasses
import encodings.idna
import errno
import gc
import json
import os
import resource
import selectors
import signal
import sys
import time
import traceback
import typing as t
from pathlib import Path

from .._core.errors import LimitExceeded, RegistryError, ScanError
from .._core.safe_json import read_object
from .._images.access import Access, read_small_file
from .._images.credentials import Credentials
from .._images.model import Image, ImageIndex
from .._images.platforms import parse_platform
from .._images.registry import open_repository
from .._images.targets import RootFolder, open_target
from .._packages.codec import inventory_to_dict
from .._packages.inventory import take_inventory
from .._packages.model import Inventory
from .cache import CachedLayers
from .frames import PAYLOAD_LIMIT, SCHEMA_VERSION, Encoder, pack, size_on_line
from .plan import EVALUATE, PLAN_LIMIT, ScanPlan, plan_from_json
from .targets import child_name, choose_children

if t.TYPE_CHECKING:
    from .evaluator_client import Lifeline

#: Imported late where it is used; here, so that no process has to do that anew. Every connection needs ``idna``:
#: 2 of the 33 ms that a small image takes.
_WARM = (open_repository, encodings.idna)

BEAT_SECONDS = 10.0
#: How long the evaluator may take to come, counted from the start of the pod's program.
EVALUATOR_PATIENCE = 60.0
#: What a pod may write: a kubelet keeps 10 MiB of a log at least, and a reader must be able to read all of it again.
OUTPUT_LIMIT = 6 << 20
#: Room for heartbeats and the last record.
_RESERVE = 64 << 10
_HEAD_LIMIT = 1 << 20
_READ_STEP = 1 << 18
_MESSAGE_LIMIT = 4000
_STATUS_LIMIT = 4000
_STOPPED = 128 + signal.SIGTERM
_NO_MEMORY = 77
RESULT_TOO_LARGE = "result-too-large"
_SECRET_FILES = (".dockerconfigjson", ".dockercfg")
#: Any name will do; the token is what counts.
_TOKEN_USER = "serviceaccount"


@dataclasses.dataclass(frozen=True)
class PodPaths:
    """Where the pod finds what is mounted into it. ``root``: in front of every path; empty in a real pod."""

    root: str = ""

    @property
    def plan(self) -> str:
        """The plan."""
        return f"{self.root}/plan/plan.json"

    @property
    def ca_file(self) -> str:
        """Certificates to trust beside those of the system; may be absent."""
        return f"{self.root}/program/ca.crt"

    @property
    def pull_secrets(self) -> str:
        """A folder for each pull secret; may be absent."""
        return f"{self.root}/pull-secrets"

    @property
    def token(self) -> str:
        """The projected token for the integrated registry."""
        return f"{self.root}/registry-token/token"

    @property
    def layers(self) -> str:
        """Layers that are kept for the next image."""
        return f"{self.root}/scratch/layers"

    @property
    def tree(self) -> str:
        """What the evaluator sees, too; absent where no rule is evaluated."""
        return f"{self.root}/tree"

    @property
    def status(self) -> str:
        """The container's termination message."""
        return f"{self.root}/dev/termination-log"


@dataclasses.dataclass(frozen=True)
class ImageTask:
    """One image to read. ``number``: of the planned image; ``index``: digest of the index that it came from.

    ``environment``: see ``PlannedImage``.
    """

    number: int
    target: str
    digest: str
    index: str = ""
    platform: str = ""
    environment: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.digest or self.target


@dataclasses.dataclass(frozen=True)
class ImageAnswer:
    """What a process found: ``state`` (``scanned``, ``error`` or ``index``) and the packed record that says so.

    ``digest`` and ``chosen``: of an index, and (digest, platform) of its images that count.
    """

    state: str
    payload: bytes
    digest: str = ""
    chosen: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """The kind of the record."""
        return "index" if self.state == "index" else "image"


def main(arguments: t.Sequence[str] = ()) -> int:
    """Scan the pod's shard, or evaluate for the container that does (``evaluate``). Returns the exit status.

    ``arguments``: behind that, optionally, the folder that stands for ``/``.
    """
    if arguments[:1] == [EVALUATE]:
        # Only here: other pods need not read that code.
        from .evaluator import serve

        return serve("".join(arguments[1:2]))
    places = PodPaths(*arguments[:1])
    try:
        plan = plan_from_json(read_small_file(places.plan, "the plan", PLAN_LIMIT))
        shard = _shard_number(plan)
        uid = os.environ.get("IMAGESCAN_POD_UID", "")
        if not uid:
            raise ScanError("IMAGESCAN_POD_UID is not set, so nobody could tell whose frames these are")
    except ScanError as error:
        # Without plan and name there is no key to frames with.
        sys.stderr.write(f"{error}\n")
        _write_status(places, {"error": str(error)[:_MESSAGE_LIMIT]})
        return 2
    with contextlib.suppress(OSError):
        Path(places.layers).mkdir(parents=True, exist_ok=True)
    return ShardRun(plan, shard, uid, places).run()


def _shard_number(plan: ScanPlan) -> int:
    text = os.environ.get("IMAGESCAN_SHARD") or os.environ.get("JOB_COMPLETION_INDEX") or ""
    if not text.isdecimal() or not text.isascii() or int(text) >= len(plan.shards):
        raise ScanError(f"IMAGESCAN_SHARD is {text[:20]!r}; expected a number below {len(plan.shards)}")
    return int(text)


class Process:
    """One image being read in a process of its own. ``answer()`` once ``is_over``."""

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
        """What it found. Raises ScanError when it ended without saying that."""
        status = t.cast(int, self.status)
        if os.WIFSIGNALED(status):
            name = _signal_name(os.WTERMSIG(status))
            hint = "it most likely had not enough memory; raise pod_memory" if name == "SIGKILL" else _DEFECT
            raise ScanError(f"the process that read it was ended by {name}", code="scanner-killed", hint=hint)
        code = os.WEXITSTATUS(status)
        if code == _NO_MEMORY:
            raise no_memory()
        head, newline, payload = bytes(self._data).partition(b"\n")
        if code != 0 or not newline:
            raise ScanError(
                f"the process that read it ended with status {code} and no answer", code="internal-error", hint=_DEFECT
            )
        found = read_object(head, "the answer", limit=_HEAD_LIMIT)
        if found["payload"] != len(payload):
            raise ScanError("the answer was cut short", code="internal-error", hint=_DEFECT)
        chosen = tuple((digest, text) for digest, text in found["chosen"])
        return ImageAnswer(found["state"], payload, found["digest"], chosen)


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
        self._running: dict[int, Process] = {}
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
        self._left.update(task.number for task in self._waiting)
        self._left.update(process.task.number for process in self._running.values())
        counts = {**self._counts, "left": len(self._left)}
        self._encoder.send("bye", {"counts": counts, "records": self._encoder.records + 1, "left": sorted(self._left)})
        _write_status(self._places, {"counts": counts, "seq": self._encoder.seq})
        return _STOPPED if self._is_stopped else 0

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

    def _loop(self, selector: selectors.BaseSelector, wake: int) -> None:
        self._next_beat = time.monotonic() + self._beat_seconds
        # Collecting garbage would copy every page that a process shares with this one.
        gc.freeze()
        while (self._waiting and not self._is_full) or self._running:
            while self._waiting and not self._is_full and len(self._running) < self._plan.parallel:
                self._start(selector, self._waiting.popleft())
            nearest = min([self._next_beat, *(process.end for process in self._running.values())])
            for key, _events in selector.select(max(0.0, nearest - time.monotonic())):
                if key.data is not None:
                    key.data.pull()
                    if key.data.is_too_large:
                        selector.unregister(key.fileobj)
                elif key.fileobj is self._lifeline:
                    self._look_at_evaluator(selector, self._lifeline)
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, _READ_STEP)
            if self._is_stopped:
                return
            self._reap(selector)
            self._end_the_late(selector)
            if time.monotonic() >= self._next_beat:
                self._encoder.send("beat", {"doing": self._doing()})
                self._next_beat = time.monotonic() + self._beat_seconds

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
            _be_process(task, self._read, its, self._plan.memory)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        os.close(its)
        os.set_blocking(mine, False)
        process = Process(task, pid, mine, time.monotonic() + self._plan.all_seconds)
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

    def _close(self, selector: selectors.BaseSelector, process: Process) -> None:
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
        """What is being done, where the API shows it even after the container was killed."""
        _write_status(self._places, {"doing": self._doing(), "seq": self._encoder.seq})


class Reader:
    """Reads one image after the plan; runs in the process that was started for it."""

    def __init__(self, plan: ScanPlan, places: PodPaths) -> None:
        self._plan = plan
        self._places = places
        self._evaluator_until = time.monotonic() + EVALUATOR_PATIENCE

    def read(self, task: ImageTask) -> ImageAnswer:
        """What is in the image. Raises ScanError."""
        if self._plan.method == "image_volume":
            return self._read_volume(task)
        files, problems = pull_secrets(self._places)
        known = task
        try:
            opened = open_target(task.target, self._access(files))
            if isinstance(opened, ImageIndex):
                return self._index(task, opened)
            image = t.cast(Image, opened)
            known = dataclasses.replace(task, digest=image.digest, platform=str(image.config.platform))
            if task.digest not in ("", image.digest):
                raise changed(task, image.digest)
            return self._image(known, image)
        except ScanError as error:
            if isinstance(error, RegistryError) and error.status in (401, 403) and problems:
                error.hint = "; ".join(part for part in (error.hint, *problems) if part)
            return failed(known, error)

    def _read_volume(self, task: ImageTask) -> ImageAnswer:
        path = f"{self._places.root}{task.target}"
        if not is_mount(path):
            raise ScanError(
                f"nothing is mounted at {task.target}",
                code="volume-missing",
                hint="the cluster does not serve image volumes; use method: job",
            )
        return self._scanned(task, RootFolder(path, task.digest, task.target), 2)

    def _image(self, task: ImageTask, image: Image) -> ImageAnswer:
        if self._plan.cache:
            image = dataclasses.replace(image, source=CachedLayers(image.source, self._places.layers, self._plan.cache))
        # One image is one process; threads would cost memory and gain nothing while others are read beside it.
        return self._scanned(task, image, 1)

    def _scanned(self, task: ImageTask, opened: Image | RootFolder, threads: int) -> ImageAnswer:
        if self._plan.compliance is None:
            return scanned(task, take_inventory(opened, threads=threads))
        from .._compliance.codec import results_to_dict
        from .evaluator_client import EvaluatorClient

        client = EvaluatorClient(self._plan.compliance, self._places.tree, self._evaluator_until)
        environment = opened.config.env if isinstance(opened, Image) else task.environment
        inventory, found = client.scan(opened, environment)
        if isinstance(found, ScanError):
            return scanned(task, inventory, {"compliance_error": _told(found)})
        results, arf = found
        evaluated: dict[str, t.Any] = {"compliance": results_to_dict(results)}
        if arf:
            evaluated["arf"] = base64.b64encode(arf).decode("ascii")
        try:
            return scanned(task, inventory, evaluated)
        except ScanError as error:
            if error.code != RESULT_TOO_LARGE:
                raise
            # The inventory alone most likely has room.
            return scanned(task, inventory, {"compliance_error": _told(results_too_large(error, has_arf=bool(arf)))})

    def _index(self, task: ImageTask, index: ImageIndex) -> ImageAnswer:
        if task.digest not in ("", index.digest):
            raise changed(task, index.digest)
        if task.index:
            raise ScanError("it is an index, though the index that names it says otherwise", code="corrupt-data")
        chosen, missing = choose_children(index.children, [parse_platform(text) for text in self._plan.platforms])
        listed = [[child.digest, str(child.platform or "")] for child in index.children]
        body = {"number": task.number, "digest": index.digest, "children": listed, "missing": list(missing)}
        wanted = tuple((child.digest, str(child.platform or "")) for child in chosen)
        return ImageAnswer("index", pack("index", body), index.digest, wanted)

    def _access(self, auth_files: tuple[str, ...]) -> Access:
        given = self._plan.access
        login = given.login_registry
        return Access(
            auth_files=auth_files,
            ca_file=self._places.ca_file if Path(self._places.ca_file).exists() else "",
            validate_certs=given.validate_certs,
            plain_http=given.plain_http,
            token_realms=given.token_realms,
            mirrors=given.mirrors,
            timeout=given.timeout,
            # The process is ended then; before that there may still be an error that names the cause.
            deadline=float(self._plan.seconds),
            username=_TOKEN_USER if login else "",
            password_file=self._places.token if login else "",
            login_registry=login,
        )


def _lifeline(places: PodPaths) -> Lifeline:
    from .evaluator_client import Lifeline

    try:
        return Lifeline(places.tree)
    except OSError as error:
        raise ScanError(f"the evaluator cannot be met in {places.tree}: {error}") from error


def scanned(task: ImageTask, inventory: Inventory, evaluated: t.Mapping[str, t.Any] | None = None) -> ImageAnswer:
    """The answer for an image that was read. ``evaluated``: what became of its rules, where there were any.

    Raises ScanError where that cannot be sent.
    """
    body = {**_about(task), "state": "scanned", "inventory": inventory_to_dict(inventory), **(evaluated or {})}
    try:
        return ImageAnswer("scanned", pack("image", body))
    except LimitExceeded as error:
        raise too_large(error.message)


def failed(task: ImageTask, error: ScanError) -> ImageAnswer:
    """The answer for an image that could not be read."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.ENOMEM:
        error = no_memory()  # a spooled file that cannot be mapped: the folder for it is not to blame
    return ImageAnswer("error", pack("image", {**_about(task), "state": "error", "error": _told(error)}))


def _told(error: ScanError) -> dict[str, str]:
    told = {"code": error.code, "message": error.message, "hint": error.hint}
    # Whatever stands in a message, it must arrive.
    return {name: text[:_MESSAGE_LIMIT].encode("utf-8", "replace").decode() for name, text in told.items()}


def _about(task: ImageTask) -> dict[str, t.Any]:
    return {"number": task.number, "digest": task.digest, "platform": task.platform, "index": task.index}


def changed(task: ImageTask, digest: str) -> ScanError:
    """The error for a name that leads elsewhere now."""
    return ScanError(
        f"it now holds {digest}, and not {task.digest} as when it was discovered",
        code="image-changed",
        hint="discover the images again",
    )


_DEFECT = "this is a defect; please report, with the log of the pod"


def no_memory() -> ScanError:
    """The error for an image that needs more memory than it may use."""
    return ScanError(
        "reading it needs more memory than an image may use", code="image-too-large", hint="raise pod_memory"
    )


def too_large(why: str = "") -> ScanError:
    """The error for an image of which too much would have to be told."""
    message = "its inventory is larger than a pod can send"
    return ScanError(f"{message}: {why}" if why else message, code=RESULT_TOO_LARGE, hint="scan it with method: local")


def results_too_large(why: ScanError, *, has_arf: bool) -> ScanError:
    """The error for rules of which too much would have to be told."""
    hint = "do without arf, or scan it with method: local" if has_arf else "scan it with method: local"
    message = "inventory and results of rules together are larger than a pod can send"
    return ScanError(f"{message}: {why.message}", code="results-too-large", hint=hint)


def pull_secrets(places: PodPaths) -> tuple[tuple[str, ...], list[str]]:
    """Files with credentials that are mounted now, and what is wrong with those that cannot be used."""
    try:
        names = sorted(entry.name for entry in os.scandir(places.pull_secrets) if not entry.name.startswith("."))
    except FileNotFoundError:
        return (), []
    except OSError as error:
        return (), [f"the pull secrets cannot be read: {error.strerror}"]
    files: list[str] = []
    problems: list[str] = []
    for name in names:
        paths = [f"{places.pull_secrets}/{name}/{file}" for file in _SECRET_FILES]
        present = [path for path in paths if os.path.lexists(path)]
        if not present:
            problems.append(f"the pull secret {name} holds neither {' nor '.join(_SECRET_FILES)}")
        for path in present:
            try:
                Credentials(Access(auth_files=(path,)))
                files.append(path)
            except ScanError as error:
                problems.append(f"the pull secret {name} cannot be used: {error.message}")
    return tuple(files), problems


def is_mount(path: str) -> bool:
    """Whether something is mounted at a path; a bind mount of the same file system too."""
    if os.path.ismount(path):
        return True
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return False
    real = os.path.realpath(path).encode()
    return any(len(fields) > 4 and fields[4] == real for fields in map(bytes.split, lines))


def _be_process(task: ImageTask, read: t.Callable[[ImageTask], ImageAnswer], pipe: int, memory: int) -> t.NoReturn:
    """What a process does with its life. Never returns into the loop that it was forked from."""
    status = 1
    try:
        _prepare(memory)
        answer = _answer(task, read)
        head = {**dataclasses.asdict(answer), "payload": len(answer.payload)}
        _write_all(pipe, json.dumps(head).encode() + b"\n" + answer.payload)
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
        error = ScanError(f"{type(cause).__name__}: {cause}", code="internal-error", hint=_DEFECT)
    _limit_memory(0)
    return failed(task, error)


def _nothing(_number: int, _frame: object) -> None:
    """A handler that only wakes the loop."""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _write_line(line: bytes) -> None:
    _write_all(1, line)


def _write_all(handle: int, data: bytes) -> None:
    """One write, unless a signal cuts it short."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _write_status(places: PodPaths, value: t.Mapping[str, t.Any]) -> None:
    """Write the termination message. It is a help for people; what counts are the frames."""
    text = json.dumps(value)
    if len(text) > _STATUS_LIMIT:
        text = json.dumps({**value, "doing": t.cast("list[str]", value.get("doing", []))[:20]})
    with contextlib.suppress(OSError):
        handle = os.open(places.status, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # One write over what was there, blanks behind it: whoever reads or kills at any moment finds a message.
            os.write(handle, text.encode().ljust(os.fstat(handle).st_size))
            os.ftruncate(handle, len(text.encode()))
        finally:
            os.close(handle)
