# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that were fetched for one image of a pod, kept on its scratch disk for the next.

The images of a shard are chosen so that they share layers. A layer is kept when all of it was read and it has its
digest; whoever reads it from here hashes it again, like every layer. Where the disk is full or fails, layers come from
the registry as without a cache. Processes share the folder: who fetches a layer holds a lock on it, and the others wait
for that instead of fetching it too. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
import typing as t
from pathlib import Path

from .._images.model import BlobReader, BlobSource, Descriptor
from .._images.references import is_digest

#: Seconds to wait for another process that fetches the same layer, before fetching it as well.
PATIENCE = 60.0
_STEP = 0.05
_PART = ".part"


class CachedLayers:
    """A source of blobs that looks into a folder first. ``limit``: bytes that the folder may hold."""

    def __init__(self, source: BlobSource, folder: str, limit: int) -> None:
        self._source = source
        self._folder = Path(folder)
        self._limit = limit

    def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
        # A single layer that takes more than half of the room would drive out everything else.
        if not is_digest(descriptor.digest) or descriptor.size > self._limit // 2:
            return self._source.open_blob(descriptor)
        try:
            file = self._find_or_lock(descriptor)
        except OSError:
            file = None
        if isinstance(file, _FileReader):
            return file
        try:
            reader = self._source.open_blob(descriptor)
        except BaseException:
            if file is not None:
                os.close(file)
            raise
        return reader if file is None else _KeepingReader(reader, file, self._path(descriptor), descriptor)

    def _path(self, descriptor: Descriptor) -> Path:
        return self._folder / descriptor.digest.replace(":", "-")

    def _find_or_lock(self, descriptor: Descriptor) -> _FileReader | int | None:
        """The kept layer; or a locked, empty file to keep it in; None where neither is to be had."""
        path = self._path(descriptor)
        part = path.with_name(path.name + _PART)
        end = time.monotonic() + PATIENCE
        while True:
            reader = _kept(path, descriptor.size)
            if reader is not None:
                return reader
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                if time.monotonic() > end:
                    return None
                time.sleep(_STEP)
                continue
            except OSError:
                os.close(handle)
                raise
            if not _is_same(handle, part):
                # Its last holder has finished it or thrown it away meanwhile.
                os.close(handle)
                continue
            try:
                os.ftruncate(handle, 0)
                if self._make_room(descriptor.size):
                    return handle
            except OSError:
                os.close(handle)
                raise
            os.close(handle)
            return None

    def _make_room(self, size: int) -> bool:
        """Remove what was used longest ago, until ``size`` bytes more fit."""
        entries = []
        for path in self._folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            entries.append((status.st_mtime_ns, status.st_size, path))
        used = sum(entry[1] for entry in entries)
        for _time, held, path in sorted(entries):
            if used + size <= self._limit:
                break
            if path.suffix != _PART:
                path.unlink(missing_ok=True)
                used -= held
        return used + size <= self._limit


def _kept(path: Path, size: int) -> _FileReader | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if os.fstat(handle).st_size != size:
        os.close(handle)
        path.unlink(missing_ok=True)
        return None
    os.utime(handle)
    return _FileReader(handle)


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


class _FileReader:
    """A kept layer."""

    def __init__(self, handle: int) -> None:
        self._file = os.fdopen(handle, "rb", buffering=0)

    def read(self, size: int, /) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class _KeepingReader:
    """Passes a blob on and writes it down; what is not whole, or has another digest, is thrown away."""

    def __init__(self, reader: BlobReader, handle: int, path: Path, descriptor: Descriptor) -> None:
        self._reader = reader
        self._handle: int | None = handle
        self._path = path
        self._descriptor = descriptor
        self._size = 0
        self._hash = hashlib.new(descriptor.digest.partition(":")[0])

    def read(self, size: int, /) -> bytes:
        data = self._reader.read(size)
        if self._handle is None:
            return data
        try:
            if data:
                self._keep(self._handle, data)
            else:
                self._finish()
        except OSError:
            self._drop()
        return data

    def close(self) -> None:
        try:
            self._reader.close()
        finally:
            self._drop()

    def _keep(self, handle: int, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)
        if self._size > self._descriptor.size:
            self._drop()
            return
        unwritten = memoryview(data)
        while unwritten:
            unwritten = unwritten[os.write(handle, unwritten) :]

    def _finish(self) -> None:
        if self._size == self._descriptor.size and self._descriptor.digest.endswith(f":{self._hash.hexdigest()}"):
            self._part.replace(self._path)
            os.close(t.cast(int, self._handle))
            self._handle = None
        else:
            self._drop()

    def _drop(self) -> None:
        """Give room and lock back."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            with contextlib.suppress(OSError):  # Where it stays, the next one takes it over.
                self._part.unlink(missing_ok=True)
            os.close(handle)

    @property
    def _part(self) -> Path:
        return self._path.with_name(self._path.name + _PART)
