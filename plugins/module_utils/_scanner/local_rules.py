# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate the rules of images on this machine, in a folder of ours that never outlives us for long.

Standard library only, as all of this package.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import typing as t
from pathlib import Path

from .._compliance.content.select import FOLDERS, TAILORING_LIMIT, EvaluationRequest
from .._compliance.content.trim import trim
from .._compliance.evaluate import EvaluationPaths, evaluate
from .._compliance.model import Results
from .._compliance.oscap import Bounds, Tools, check_tools, find_tools
from .._core.errors import InputError, LimitExceeded, ScanError
from .._images.limits import DEFAULT_LIMITS, Limits
from .._images.model import Image
from .._images.pull_sources import PullSources
from .._images.registry import Repository
from .._images.targets import RootFolder
from .._images.unpack_metadata import may_own
from .._packages.model import Inventory
from .cache import CachedLayers

#: Unpacked bytes of one image.
MAX_IMAGE_SIZE = 16 << 30
#: Bytes of layers that are kept for the second reading.
LAYERS_LIMIT = 8 << 30
#: Sources of layers that are far away.
REMOTE: tuple[type, ...] = (Repository, PullSources)
_PREFIX = "imagescan-rules-"
_LOCK = "lock"


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Outcome of one image: results, and the ARF that was asked for, compressed with gzip."""

    results: Results
    arf: bytes | None


class LocalEvaluator:
    """Evaluates images, from several threads at once. A context manager: the folder goes when it is left.

    ``parent``: where the folder is made; empty: where temporary files are. ``keep_arf``: give it back with the results.
    Raises ScanError where this machine lacks a program, and InputError where the content or the tailoring file is none.
    """

    def __init__(
        self,
        request: EvaluationRequest,
        *,
        parent: str = "",
        keep_arf: bool = False,
        max_image_size: int = MAX_IMAGE_SIZE,
        bounds: Bounds | None = None,
        contents: tuple[str, ...] = FOLDERS,
        tools: Tools | None = None,
    ) -> None:
        self._wanted = request
        self._parent = Path(parent or tempfile.gettempdir())
        self._keep_arf = keep_arf
        self._limits: Limits = dataclasses.replace(DEFAULT_LIMITS, uncompressed=max_image_size)
        self._bounds = bounds or Bounds()
        self._contents = contents
        self._tools = check_tools(tools or find_tools(), owning=may_own())
        self.content, self.tailoring = identities(request, contents)
        self._folder: Path | None = None
        self._lock = -1

    def __enter__(self) -> LocalEvaluator:
        try:
            _sweep(self._parent)
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            self._lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (self._folder / "content").mkdir()
        except OSError as error:
            raise ScanError(
                f"no folder for unpacked images can be made in {self._parent}: {error.strerror or error}",
                code="evaluation-failed",
                hint="give another work_dir",
            ) from error
        if self._wanted.content:
            # Once, and before any image is fetched: a profile that does not exist would be the error of each.
            trim(self._wanted, Path(self._wanted.content), self._folder / "content")
        return self

    def __exit__(self, *_about: object) -> None:
        # Where the run was abandoned, threads may still be writing there; the next run sweeps what they leave.
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._folder = None

    def with_kept_layers(self, opened: Image | RootFolder) -> Image | RootFolder:
        """The same image, whose layers a registry is asked for once: they are read twice, and other images share them.

        Layers are kept in the folder, as long as they take a quarter of its room at most.
        """
        if self._folder is None or not isinstance(opened, Image) or not isinstance(opened.source, REMOTE):
            return opened
        layers = self._folder / "layers"
        try:
            layers.mkdir(exist_ok=True)
            room = min(LAYERS_LIMIT, shutil.disk_usage(layers).free // 4)
        except OSError:
            return opened
        return dataclasses.replace(opened, source=CachedLayers(opened.source, str(layers), room))

    def evaluate(self, opened: Image | RootFolder, inventory: Inventory) -> Evaluation:
        """Evaluate one image. Raises ScanError: why it could not be, which says nothing about the image."""
        if self._folder is None:
            raise ScanError("the folder for unpacked images is gone", code="evaluation-failed")
        try:
            work = Path(tempfile.mkdtemp(dir=self._folder))
        except OSError as error:
            raise ScanError(f"{self._folder} cannot be written: {error}", code="evaluation-failed") from error
        arf = work / "arf.xml.gz" if self._keep_arf else None
        try:
            results = evaluate(
                opened,
                inventory,
                self._wanted,
                EvaluationPaths(work, self._folder / "content", self._contents),
                limits=self._limits,
                bounds=self._bounds,
                tools=self._tools,
                keep=arf,
            )
            return Evaluation(results, arf.read_bytes() if arf is not None and arf.is_file() else None)
        except LimitExceeded as error:
            if error.code != "limit-uncompressed":
                raise
            raise LimitExceeded(
                f"the image unpacks to more than {self._limits.uncompressed} bytes, so its rules were not evaluated",
                code="image-too-large-for-compliance",
                hint="raise max_image_size",
            ) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)


def identities(request: EvaluationRequest, contents: t.Sequence[str] = FOLDERS) -> tuple[str, str]:
    """Return what tells content and tailoring file apart from others, so that results are made anew when they change.

    Content that is chosen by os-release is told by the names, sizes and times of all there is: hashing a gigabyte to
    learn that nothing changed would take longer than some scans. Raises InputError where a file cannot be read.
    """
    tailoring = ""
    if request.tailoring:
        tailoring = _sha256(request.tailoring, "the tailoring file", TAILORING_LIMIT)
    if request.content:
        return _sha256(request.content, "the content"), tailoring
    files = []
    for folder in contents:
        for path in sorted(Path(folder).glob("ssg-*-ds.xml")):
            status = path.stat()
            files.append((path.name, status.st_size, int(status.st_mtime)))
    return f"here:{hashlib.sha256(json.dumps(files).encode()).hexdigest()}", tailoring


def _sha256(path: str, subject: str, limit: int = 1 << 30) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        with Path(path).open("rb") as source:
            while data := source.read(1 << 20):
                digest.update(data)
                size += len(data)
                if size > limit:
                    raise InputError(f"{subject} {path[:300]} has more than {limit} bytes", code="content-kind")
    except (OSError, ValueError) as error:
        raise InputError(f"{subject} {path[:300]} cannot be read: {error}", code="content-missing") from error
    return digest.hexdigest()


def _sweep(parent: Path) -> None:
    """Remove what runs left behind that were killed: folders of this user on which nobody holds the lock."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if folder.lstat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(lock)
