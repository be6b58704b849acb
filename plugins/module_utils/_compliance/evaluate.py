# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate one image: the call that the local method and the scanner pod share.

What a person did wrong (a profile that does not exist) and what ended oscap raise ScanError: the image is ``error``.
What keeps the results from proving anything is in their ``problems``: the image is ``inconclusive``. Standard library
only: the scanner pod runs this file.
"""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import typing as t
from pathlib import Path

from .._core.errors import ScanError
from .._images.limits import DEFAULT_LIMITS, Limits
from .._images.model import Image, Problem
from .._images.targets import RootFolder
from .._images.unpack import unpack
from .._images.unpack_copy import copy_folder
from .._images.unpack_root import Unpacked
from .._packages.model import Inventory
from .content.select import FOLDERS, EvaluationRequest, choose, fits
from .content.trim import Trimmed, trim
from .guards import check_inventory, check_results
from .model import Benchmark, Results
from .oscap import Bounds, OscapTask, Tools, find_tools, run_oscap
from .reader import read_results
from .tree import owners_for_fakeroot, prepare, without_modules

_STEP = 1 << 20


@dataclasses.dataclass(frozen=True)
class EvaluationPaths:
    """Folders of this machine.

    ``work``: exists, and is empty; everything is written there, the image too, and nothing of it is needed later but
    what ``keep`` names. ``cache``: exists; trimmed content is kept there; None: nowhere. ``contents``: where data
    streams are looked for.
    """

    work: Path
    cache: Path | None = None
    contents: tuple[str, ...] = FOLDERS


def evaluate(
    opened: Image | RootFolder,
    inventory: Inventory,
    request: EvaluationRequest,
    places: EvaluationPaths,
    *,
    limits: Limits = DEFAULT_LIMITS,
    bounds: Bounds | None = None,
    tools: Tools | None = None,
    keep: Path | None = None,
    threads: int = 2,
) -> Results:
    """Unpack an image into ``places.work``, evaluate it, and remove what was unpacked.

    ``inventory``: what ``take_inventory`` gave for the same image. See ``evaluate_tree``.
    """
    trimmed, problems = plan(inventory, request, places)
    if trimmed is None:
        return refused(request, problems)
    root = places.work / "root"
    try:
        root.mkdir()
        environment: tuple[str, ...] = ()
        if isinstance(opened, Image):
            unpacked = unpack(opened, root, limits=limits, threads=threads)
            environment = opened.config.env
        else:
            unpacked = copy_folder(opened.path, root, limits=limits)
        return evaluate_tree(
            root,
            unpacked,
            inventory,
            trimmed,
            places,
            identifier=f"{opened.reference} {opened.digest}".strip(),
            environment=environment,
            bounds=bounds,
            tools=tools,
            keep=keep,
        )
    except OSError as error:
        raise ScanError(f"{places.work} cannot be written: {error}", code="evaluation-failed") from error
    finally:
        remove_tree(root)


def plan(
    inventory: Inventory, request: EvaluationRequest, places: EvaluationPaths, trimmed_before: Trimmed | None = None
) -> tuple[Trimmed | None, tuple[Problem, ...]]:
    """The content to evaluate an image with; or None and why an evaluation would prove nothing.

    ``trimmed_before``: content that was trimmed elsewhere to what is wanted; else it is found, and trimmed here.
    Needs the inventory alone: an image that is refused here need not be unpacked. Raises InputError where ``request``
    names what does not exist, and CorruptData and LimitExceeded for content that is unusable.
    """
    problems = check_inventory(inventory)
    if problems:
        return None, problems
    trimmed = trimmed_before
    if trimmed is None:
        path = Path(request.content) if request.content else choose(inventory.os, places.contents)
        if path is None:
            name = inventory.os.pretty_name or inventory.os.id or "a distribution that it does not name"
            text = f"there is no content for {name[:100]} in {', '.join(places.contents)}"
            return None, (Problem("content-missing", text),)
        trimmed = trim(request, path, places.cache)
    mismatch = fits(inventory.os, trimmed.platforms)
    return (None, (mismatch,)) if mismatch else (trimmed, ())


def refused(request: EvaluationRequest, problems: t.Sequence[Problem]) -> Results:
    """The results of an image on which oscap was not run."""
    return Results(id="", rules=(), profile=request.profile, benchmark=Benchmark(), problems=tuple(problems))


def evaluate_tree(
    root: Path,
    unpacked: Unpacked,
    inventory: Inventory,
    trimmed: Trimmed,
    places: EvaluationPaths,
    *,
    identifier: str = "",
    environment: tuple[str, ...] = (),
    bounds: Bounds | None = None,
    tools: Tools | None = None,
    keep: Path | None = None,
) -> Results:
    """Evaluate a root that was unpacked for this, and is changed by it.

    ``trimmed``: what ``plan`` gave. ``identifier``: of the image, for the results. ``environment``: of the image's
    config. ``keep``: a path to which the ARF is written, compressed with gzip. Raises what ``prepare``, ``run_oscap``
    and ``read_results`` raise.
    """
    if inventory.database is None:
        raise ScanError("an image without a package database cannot be evaluated", code="compliance-no-rpm")
    tools = tools or find_tools()
    token = secrets.token_hex(16)
    packages = prepare(root, inventory.database, token)
    if tools.chroot:
        without_modules(root)
    work = places.work
    content = work / "content.xml"
    content.write_bytes(trimmed.for_image(packages, token))
    tailoring = None
    if trimmed.tailoring:
        tailoring = work / "tailoring.xml"
        tailoring.write_bytes(trimmed.tailoring)
    owners = None if unpacked.owning else owners_for_fakeroot(root, unpacked.owners)
    task = OscapTask(root, work, content, trimmed.profile, tailoring, owners, identifier, environment)
    arf = run_oscap(task, tools, bounds or Bounds())
    results = check_results(read_results(_chunks(arf), "the ARF of oscap"), trimmed)
    if keep is not None:
        _keep(arf, keep)
    return dataclasses.replace(results, content=trimmed.digest).with_problems(unpacked.problems)


def remove_tree(root: Path) -> None:
    """Remove what was unpacked. Raises ScanError, since the next image would not have the room."""
    try:
        if root.exists():
            shutil.rmtree(root)
    except OSError as error:
        raise ScanError(f"what was unpacked cannot be removed: {error}", code="tree-not-removed") from error


def _chunks(path: Path) -> t.Iterator[bytes]:
    with path.open("rb") as stream:
        while True:
            data = stream.read(_STEP)
            if not data:
                return
            yield data


def _keep(arf: Path, path: Path) -> None:
    import gzip

    try:
        with path.open("wb") as out, gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed:
            for chunk in _chunks(arf):
                packed.write(chunk)
    except OSError as error:
        raise ScanError(f"the ARF cannot be kept: {error}", code="arf-not-kept") from error
