# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan finds out, and the book that keeps it. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import typing as t

from .._compliance.model import Results
from .._core.errors import ScanError
from .._packages.model import Inventory


@dataclasses.dataclass(frozen=True)
class ScanOutcome:
    """Outcome of one image. ``state``: ``scanned``, ``current``, ``planned`` (check mode) or ``error``.

    ``digest`` is empty where a reference could not be resolved. ``index``: digest of the index that it came from.
    Where rules were wanted, an image with an inventory has either ``compliance`` or, as an ``error``,
    ``compliance_error``: why there are no results. ``arf``: compressed with gzip, where it was to be kept.
    """

    digest: str
    references: tuple[str, ...]
    state: str
    platform: str = ""
    index: str = ""
    inventory: Inventory | None = None
    error: ScanError | None = None
    compliance: Results | None = None
    compliance_error: ScanError | None = None
    arf: bytes | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class IndexOutcome:
    """An index: ``children`` (digest, platform) in its order, and the platforms that were wanted and are missing."""

    digest: str
    references: tuple[str, ...]
    children: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class JobRecord:
    """A Job that a run made, kept so that a later run can adopt what an interrupted one left.

    ``server``: URL of the cluster; ``plan_sha256``: of the plan that its pods were given; ``created``: RFC 3339, UTC.
    """

    server: str
    namespace: str
    name: str
    uid: str
    plan_sha256: str
    created: str


class ImageBook(t.Protocol):
    """What a scan knows and tells; called from one thread only."""

    def is_current(self, digest: str) -> bool:
        """Return whether a valid inventory of this image is kept and, where rules are wanted, their valid results."""

    def children_of(self, digest: str) -> tuple[tuple[str, str], ...] | None:
        """(digest, platform) of each image of a known index; None when it is not known to be one."""

    def record(self, outcome: ScanOutcome) -> None:
        """Keep what became of an image."""

    def record_index(self, outcome: IndexOutcome) -> None:
        """Keep what an index lists."""

    def beat(self, line: str) -> None:
        """Say how far the scan is; raises Abandoned when nobody waits any more."""


class Book(ImageBook, t.Protocol):
    """The book of a scan that makes Jobs in a cluster."""

    def forget(self, digest: str) -> None:
        """Drop the inventory of an image, or the list of an index: who told it cannot be trusted."""

    def record_job(self, job: JobRecord) -> None:
        """Keep that a Job of ours exists."""

    def forget_job(self, uid: str) -> None:
        """A Job is gone, or all that it found is kept."""

    def jobs(self, server: str, namespace: str) -> list[JobRecord]:
        """The Jobs that are on record there, oldest first."""
