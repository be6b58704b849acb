# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks and answers of the processes in a scanner pod that read one image each. Standard library only."""

from __future__ import annotations

import dataclasses
import errno
import typing as t

from .._core.errors import LimitExceeded, ScanError
from .._packages.codec import inventory_to_dict
from .._packages.model import Inventory
from .frames import pack

MESSAGE_LIMIT = 4000
RESULT_TOO_LARGE = "result-too-large"
DEFECT = "this is a defect; please report, with the log of the pod"


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
        """Return how messages call it."""
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
    return ImageAnswer("error", pack("image", {**_about(task), "state": "error", "error": told_error(error)}))


def told_error(error: ScanError) -> dict[str, str]:
    """An error as it stands in a record."""
    fields = {"code": error.code, "message": error.message, "hint": error.hint}
    # Whatever stands in a message, it must arrive.
    return {name: text[:MESSAGE_LIMIT].encode("utf-8", "replace").decode() for name, text in fields.items()}


def _about(task: ImageTask) -> dict[str, t.Any]:
    return {"number": task.number, "digest": task.digest, "platform": task.platform, "index": task.index}


def changed(task: ImageTask, digest: str) -> ScanError:
    """The error for a name that leads elsewhere now."""
    return ScanError(
        f"it now holds {digest}, and not {task.digest} as when it was discovered",
        code="image-changed",
        hint="discover the images again",
    )


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
