# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scanner's side of a pod with an evaluator: it has images evaluated while it takes their inventories.

``evaluator`` says what is told. Standard library only: it runs in the pod.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import socket
import tempfile
import time
import typing as t
from pathlib import Path

from .._compliance.codec import results_from_dict
from .._compliance.evaluate import remove_tree
from .._compliance.model import Results
from .._core.errors import CorruptData, LimitExceeded, ScanError
from .._core.safe_json import read_object
from .._images.file_selection import FileSelection as Files
from .._images.folders import read_folder
from .._images.limits import DEFAULT_LIMITS, Budget, Limits
from .._images.model import Image
from .._images.tar import Visit
from .._images.targets import RootFolder
from .._images.unpack import Unpacking
from .._images.unpack_copy import copy_folder
from .._images.unpack_root import Unpacked
from .._packages.codec import inventory_to_dict
from .._packages.inventory import inventory_of, take_inventory
from .._packages.model import Inventory, OsRelease
from .evaluator_messages import (
    ANSWER_LIMIT,
    GRACE,
    LIFELINE,
    MEMORY_HINT,
    PAUSE,
    SOCKET,
    listener_at,
    receive,
    send,
    unpacked_to_dict,
)
from .plan import LOST, PlannedCompliance

TOO_LARGE = "image-too-large-for-compliance"
#: One image is read at a time, so that decompressing beside hashing and writing takes nothing from another.
_THREADS = 2
_OS_RELEASE = Files(files=frozenset(("etc/os-release", "usr/lib/os-release")))
_ROOT = "root-"


class Lifeline:
    """Tells the evaluator that the scanner lives, and the other way round. Held by the scanner's first process."""

    def __init__(self, tree: str) -> None:
        self.is_lost = False
        self._peer: socket.socket | None = None
        self._listener = listener_at(f"{tree}/{LIFELINE}")

    def fileno(self) -> int:
        """Return what becomes readable when the evaluator comes, or goes."""
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
        for connection in (self._peer, self._listener):
            if connection is not None:
                connection.close()


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
                _tell(connection, {"tree": root.name, "unpacked": unpacked_to_dict(unpacked)})
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
            time.sleep(PAUSE)

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
        end = time.monotonic() + GRACE
        while leftovers := list(Path(self.tree).glob(f"{_ROOT}*")):
            try:
                for path in leftovers:
                    if path.is_symlink() or path.is_file():
                        path.unlink()  # nobody of ours made it
                    else:
                        remove_tree(path)
            except (ScanError, OSError) as error:
                # oscap, which is being ended as well, may still write there.
                if time.monotonic() >= end:
                    raise ScanError(f"what was unpacked cannot be removed: {error}", code="tree-not-removed") from error
                time.sleep(PAUSE)
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
            os_release = inventory_of(read_folder(self._folder, _OS_RELEASE), {}).os
            if os_release.id:
                self._announce(os_release)

    def _announce(self, os_release: OsRelease) -> None:
        request = self._client.wanted
        message = {
            "profile": request.profile,
            "rules": list(request.rules),
            "os": [os_release.id, os_release.version_id],
        }
        with contextlib.suppress(OSError):  # whether it is there, the question will show
            connection = self._client.try_to_connect()
            try:
                send(connection, message)
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
        send(connection, message)
    except OSError as error:
        raise _lost(str(error)) from error


def _hear(connection: socket.socket) -> dict[str, t.Any]:
    """Return what the evaluator answers. Raises ScanError where that is an error."""
    try:
        line = receive(connection, ANSWER_LIMIT)
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
    return CorruptData("the evaluator's answer is malformed")


def _lost(why: str) -> ScanError:
    return ScanError(
        f"the container that runs oscap is gone: {why}",
        code=LOST,
        hint=f"it most likely had not enough memory; {MEMORY_HINT}",
    )
