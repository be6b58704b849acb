# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read one image after the plan, in the process that a scanner pod started for it. Standard library only."""

from __future__ import annotations

import base64
import dataclasses
import encodings.idna
import os
import time
import typing as t
from pathlib import Path

from .._core.errors import RegistryError, ScanError
from .._images.access import Access
from .._images.model import Image, ImageIndex
from .._images.platforms import parse_platform
from .._images.registry import open_repository
from .._images.targets import RootFolder, open_target
from .._packages.inventory import take_inventory
from .cache import CachedLayers
from .frames import pack
from .image_answers import (
    RESULT_TOO_LARGE,
    ImageAnswer,
    ImageTask,
    changed,
    failed,
    results_too_large,
    scanned,
    told_error,
)
from .plan import ScanPlan
from .pod_paths import PodPaths, pull_secrets
from .targets import choose_children

#: Imported late where it is used; here, so that no process has to do that anew. Every connection needs ``idna``:
#: 2 of the 33 ms that a small image takes.
_WARM = (open_repository, encodings.idna)

#: How long the evaluator may take to come, counted from the start of the pod's program.
EVALUATOR_PATIENCE = 60.0
#: Any name will do; the token is what counts.
_TOKEN_USER = "serviceaccount"


class Reader:
    """Reads one image after the plan; runs in the process that was started for it."""

    def __init__(self, plan: ScanPlan, places: PodPaths) -> None:
        self._plan = plan
        self._places = places
        self._evaluator_until = time.monotonic() + EVALUATOR_PATIENCE

    def read(self, task: ImageTask) -> ImageAnswer:
        """Return what is in the image. Raises ScanError."""
        if self._plan.method == "image_volume":
            return self._read_volume(task)
        files, problems = pull_secrets(self._places)
        known_task = task
        try:
            opened = open_target(task.target, self._access(files))
            if isinstance(opened, ImageIndex):
                return self._index(task, opened)
            image = t.cast(Image, opened)
            known_task = dataclasses.replace(task, digest=image.digest, platform=str(image.config.platform))
            if task.digest not in ("", image.digest):
                raise changed(task, image.digest)
            return self._image(known_task, image)
        except ScanError as error:
            if isinstance(error, RegistryError) and error.status in (401, 403) and problems:
                error.hint = "; ".join(part for part in (error.hint, *problems) if part)
            return failed(known_task, error)

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
        inventory, outcome = client.scan(opened, environment)
        if isinstance(outcome, ScanError):
            return scanned(task, inventory, {"compliance_error": told_error(outcome)})
        results, arf = outcome
        evaluated: dict[str, t.Any] = {"compliance": results_to_dict(results)}
        if arf:
            evaluated["arf"] = base64.b64encode(arf).decode("ascii")
        try:
            return scanned(task, inventory, evaluated)
        except ScanError as error:
            if error.code != RESULT_TOO_LARGE:
                raise
            # The inventory alone most likely has room.
            unsent = results_too_large(error, has_arf=bool(arf))
            return scanned(task, inventory, {"compliance_error": told_error(unsent)})

    def _index(self, task: ImageTask, index: ImageIndex) -> ImageAnswer:
        if task.digest not in ("", index.digest):
            raise changed(task, index.digest)
        if task.index:
            raise ScanError("it is an index, though the index that names it says otherwise", code="corrupt-data")
        chosen, missing = choose_children(index.children, [parse_platform(text) for text in self._plan.platforms])
        listed = [[child.digest, str(child.platform or "")] for child in index.children]
        body = {"number": task.number, "digest": index.digest, "children": listed, "missing": list(missing)}
        children = tuple((child.digest, str(child.platform or "")) for child in chosen)
        return ImageAnswer("index", pack("index", body), index.digest, children)

    def _access(self, auth_files: tuple[str, ...]) -> Access:
        options = self._plan.access
        login = options.login_registry
        return Access(
            auth_files=auth_files,
            ca_file=self._places.ca_file if Path(self._places.ca_file).exists() else "",
            validate_certs=options.validate_certs,
            plain_http=options.plain_http,
            token_realms=options.token_realms,
            mirrors=options.mirrors,
            timeout=options.timeout,
            # The process is ended then; before that there may still be an error that names the cause.
            deadline=float(self._plan.seconds),
            username=_TOKEN_USER if login else "",
            password_file=self._places.token if login else "",
            login_registry=login,
        )


def is_mount(path: str) -> bool:
    """Return whether something is mounted at a path; a bind mount of the same file system too."""
    if os.path.ismount(path):
        return True
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return False
    real = os.path.realpath(path).encode()
    return any(len(fields) > 4 and fields[4] == real for fields in map(bytes.split, lines))
