# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of reading one image. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import threading
import time

from .._core.errors import LimitExceeded

MIB = 1 << 20
GIB = 1 << 30


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds for one image, all layers and passes together. Every excess is a ``LimitExceeded`` with the numbers.

    ``uncompressed``: bytes of all layers after decompression.
    ``expansion`` and ``expansion_free``: uncompressed bytes may not exceed ``expansion_free + expansion * compressed``.
    Real layers expand 2 to 4 times, text up to 20 times, a run of zeros 1,000 (gzip) to 30,000 times (zstd). The free
    amount lets an image carry ordinary zero-filled files of up to 1 GiB; past it only sustained expansion of more than
    100 : 1 stops, so a bomb ends after a little over 1 GiB (1 to 4 s), however large it claims to be.
    ``entries``: tar members, including extended headers (a million take about 4 s).
    ``path_bytes`` and ``path_depth``: of one path. Linux itself stops at 4,096 bytes.
    ``header``: bytes of one extended tar header; Go's archive/tar, which the runtimes use, stops at 1 MiB too.
    ``kept``: bytes of file content kept, in memory and in spool files. ``index``: bytes of what is kept in memory:
    small files, symlinks, whiteouts, folder hashes.
    ``seconds``: wall time from the first byte to the last.
    """

    uncompressed: int = 64 * GIB
    expansion: int = 100
    expansion_free: int = GIB
    entries: int = 1_500_000
    path_bytes: int = 4096
    path_depth: int = 256
    header: int = MIB
    kept: int = 2 * GIB
    index: int = 96 * MIB
    seconds: float = 1800.0


DEFAULT_LIMITS = Limits()


class Budget:
    """Used part of the limits. Shared by the threads that read the layers of one image."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._deadline = time.monotonic() + limits.seconds
        self._compressed = 0
        self._uncompressed = 0
        self._entries = 0
        self._kept = 0
        self._index = 0

    def check_time(self) -> None:
        """Raise when the time is over."""
        if time.monotonic() > self._deadline:
            raise LimitExceeded(
                f"reading took longer than {self.limits.seconds:g} seconds", code="limit-time", hint="raise the limit"
            )

    def add_bytes(self, compressed: int, uncompressed: int) -> None:
        """Count what a decompressor took and gave."""
        limits = self.limits
        with self._lock:
            self._compressed += compressed
            self._uncompressed += uncompressed
            taken, unpacked = self._compressed, self._uncompressed
        if unpacked > limits.uncompressed:
            raise LimitExceeded(
                f"the layers unpack to more than {limits.uncompressed} bytes", code="limit-uncompressed"
            )
        if unpacked > limits.expansion_free + limits.expansion * taken:
            raise LimitExceeded(
                f"{taken} compressed bytes unpacked to {unpacked} bytes; more than {limits.expansion} to 1 is accepted"
                f" for the first {limits.expansion_free} bytes only (a decompression bomb, or huge zero-filled files)",
                code="limit-expansion",
            )
        self.check_time()

    def add_entries(self, count: int) -> None:
        """Count tar members."""
        with self._lock:
            self._entries += count
            total = self._entries
        if total > self.limits.entries:
            raise LimitExceeded(f"the layers have more than {self.limits.entries} tar entries", code="limit-entries")
        self.check_time()

    def add_kept(self, size: int) -> None:
        """Count bytes of file content that are kept."""
        with self._lock:
            self._kept += size
            total = self._kept
        if total > self.limits.kept:
            raise LimitExceeded(
                f"the files that the inventory needs have more than {self.limits.kept} bytes", code="limit-kept"
            )

    def add_index(self, size: int) -> None:
        """Count bytes (an estimate) that are kept in memory."""
        with self._lock:
            self._index += size
            total = self._index
        if total > self.limits.index:
            raise LimitExceeded(
                f"symlinks, whiteouts, folders and small files need more than {self.limits.index} bytes of memory",
                code="limit-index",
            )

    def begin_pass(self) -> None:
        """Begin a further pass over the same layers: what the last one kept is gone, and entries count anew."""
        with self._lock:
            self._index = 0
            self._kept = 0
            self._entries = 0

    @property
    def entries(self) -> int:
        """Tar members counted in this pass."""
        return self._entries
