# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of feed documents: tar, plain or compressed with zstd, gzip or xz, read as a stream.

A cut archive must never look like a smaller feed: compressed streams have to end where they say, and a plain one has
to have its two zero blocks, which the reader of image layers does not ask for.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from ..._images.compression import decompress_file
from ..._images.limits import GIB, Budget, Limits
from ..._images.tar import FILE, FOLDER, Visit, walk_tar

_TAIL = 1024

#: Gets the path and the content of a member; content None: it is larger than the limit.
Take = t.Callable[[str, t.Optional[bytes]], None]

#: JSON of one kind repeats itself: feeds expand some 30 times with zstd. Compiling one takes minutes, not hours.
LIMITS = Limits(uncompressed=256 * GIB, expansion=400, expansion_free=GIB, entries=2_000_000, seconds=6 * 3600.0)


class _Member:
    """Collects one member."""

    def __init__(self, path: str, take: Take) -> None:
        self._path = path
        self._take = take
        self._parts: list[bytes] = []

    def write(self, data: memoryview) -> None:
        self._parts.append(bytes(data))

    def finish(self) -> None:
        self._take(self._path, b"".join(self._parts))


def read_archive(
    path: str, is_wanted: t.Callable[[str], bool], take: Take, *, member_limit: int, limits: Limits = LIMITS
) -> None:
    """Give each regular file of the archive whose path ``is_wanted`` to ``take``, in the archive's order.

    Raises InputError when it cannot be opened, CorruptData (``feed-truncated``, ``feed-damaged``) and LimitExceeded; a
    link that ``is_wanted`` is damage, too: what it leads to would be missing.
    """

    def visit(name: str, kind: str, size: int, _link: str) -> _Member | None:
        if kind == FOLDER or not is_wanted(name):
            return None
        if kind != FILE:
            raise CorruptData(f"{name} is a link, a device or a sparse file", code="feed-damaged")
        if size > member_limit:
            take(name, None)
            return None
        return _Member(name, take)

    walk_archive(path, visit, limits)


def walk_archive(path: str, visit: Visit, limits: Limits = LIMITS) -> None:
    """Call ``visit`` for each entry of an archive (see ``tar.walk_tar``), and read it to its end.

    Raises as ``read_archive``; what ``visit`` raises comes out as CorruptData.
    """
    budget = Budget(limits)
    try:
        with Path(path).open("rb") as stream:
            chunks = _Counted(decompress_file(stream.read), stream, budget)
            _walk(chunks, visit, budget, path)
    except OSError as error:
        raise InputError(f"the archive {path} cannot be read: {error.strerror or error}") from error


def unpack_file(path: str, limits: Limits = LIMITS) -> t.Iterator[bytes]:
    """Unpack a file, plain or compressed with gzip, xz or zstd, in chunks. Raises as ``read_archive``."""
    try:
        with Path(path).open("rb") as stream:
            yield from _Counted(decompress_file(stream.read), stream, Budget(limits))
    except OSError as error:
        raise InputError(f"the file {path} cannot be read: {error.strerror or error}") from error
    except LimitExceeded:
        raise
    except ScanError as error:
        raise _damage(f"the file {path}", error) from error


def starts_with(path: str, start: bytes) -> bool:
    """True if the archive in a file begins like this once it is unpacked; no where it is not an archive at all."""
    try:
        with Path(path).open("rb") as stream:
            return next(decompress_file(stream.read), b"").startswith(start)
    except OSError as error:
        raise InputError(f"the archive {path} cannot be read: {error.strerror or error}") from error
    except ScanError:
        return False


class _Counted:
    """The unpacked stream, counted against the budget; remembers its last bytes."""

    def __init__(self, chunks: t.Iterator[bytes], stream: t.BinaryIO, budget: Budget) -> None:
        self._chunks = chunks
        self._stream = stream
        self._budget = budget
        self._read = 0
        self.size = 0
        self.tail = b""

    def __iter__(self) -> t.Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        at = self._stream.tell()
        self._budget.add_bytes(at - self._read, len(chunk))
        self._read = at
        self.size += len(chunk)
        self.tail = chunk[-_TAIL:] if len(chunk) >= _TAIL else (self.tail + chunk)[-_TAIL:]
        return chunk


def _walk(chunks: _Counted, visit: t.Callable[..., t.Any], budget: Budget, path: str) -> None:
    try:
        walk_tar(chunks, visit, budget)
        for _chunk in chunks:  # to the end: only there a compressed stream is known to be whole
            pass
    except LimitExceeded:
        raise
    except ScanError as error:
        raise _damage(f"the archive {path}", error) from error
    if not chunks.size:
        raise CorruptData(f"the archive {path} is empty", code="feed-truncated")
    if chunks.tail.strip(b"\0") or len(chunks.tail) < _TAIL:
        raise CorruptData(f"the archive {path} is cut: the end of the tar is missing", code="feed-truncated")


def _damage(subject: str, error: ScanError) -> CorruptData:
    """An error of the readers of layers, about a feed."""
    code = {"layer-truncated": "feed-truncated"}.get(error.code, "feed-damaged")
    if error.code == "zstd-unavailable":
        code = error.code
    message = error.message.replace("the layer is", "it is")
    return CorruptData(f"{subject} cannot be read: {message}", code=code, hint=error.hint)
