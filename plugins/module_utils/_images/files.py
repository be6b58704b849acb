# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs that lie in files: whole ones, and members of an uncompressed tar archive, read at random."""

from __future__ import annotations

import dataclasses
import io
import os
import posixpath
import stat
import tarfile
import typing as t

from .._core.errors import CorruptData, InputError, IntegrityError, LimitExceeded
from .._core.text import quoted
from .model import BlobReader, Descriptor

MEMBER_LIMIT = 100_000
_HEADER_READ_LIMIT = 1 << 20
_LINK_HOPS = 16


class Source(t.Protocol):
    """Where one image repository's manifests and blobs come from. Safe to call from several threads."""

    def read_manifest(self, descriptor: Descriptor, /) -> bytes:
        """Bytes of the manifest or index with this digest, at most MANIFEST_LIMIT of them. Not verified."""

    def read_blob(self, descriptor: Descriptor, limit: int, /) -> bytes:
        """A whole small blob, at most ``limit`` bytes. Not verified."""

    def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
        """A blob for streaming. Not verified."""


def open_regular(path: str, subject: str) -> io.FileIO:
    """Open a regular file for reading, unbuffered; never waits on a FIFO or device. Raises InputError."""
    try:
        stream = io.FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "r", closefd=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{subject} {quoted(path)} cannot be read: {reason}") from error
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise InputError(f"{subject} {quoted(path)} is not a regular file")
    return stream


class SliceReader:
    """``size`` bytes of a file from ``offset`` on. Takes the stream over."""

    def __init__(self, stream: io.FileIO, offset: int, size: int, subject: str) -> None:
        self._stream = stream
        self._left = size
        self._what = subject
        stream.seek(offset)

    def read(self, size: int, /) -> bytes:
        if self._left == 0:
            return b""
        data = self._stream.read(min(size, self._left))
        if not data:
            raise IntegrityError(f"{self._what} ends {self._left} bytes early", code="layer-truncated")
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._stream.close()


def read_whole(reader: BlobReader, size: int) -> bytes:
    """Everything from a reader that gives ``size`` bytes, and close it."""
    try:
        pieces = []
        while size > 0:
            piece = reader.read(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
    finally:
        reader.close()


@dataclasses.dataclass(frozen=True)
class Member:
    """Where a regular member's bytes lie in its archive."""

    name: str
    offset: int
    size: int


class TarMembers:
    """The members of an uncompressed tar archive by name; links between them are followed inside the archive only."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._members: dict[str, Member] = {}
        self._links: dict[str, str] = {}
        self._sparse: set[str] = set()
        with open_regular(path, "the archive") as stream:
            head = stream.read(6) or b""
            for magic, name in _COMPRESSED.items():
                if head.startswith(magic):
                    raise InputError(
                        f"the archive {quoted(path)} is compressed with {name}, so it cannot be read at random",
                        hint="decompress it first",
                    )
            stream.seek(0)
            self._scan(_GuardedFile(stream))

    def names(self) -> t.Iterable[str]:
        return self._members.keys()

    def __contains__(self, name: str) -> bool:
        return name in self._members or name in self._links

    def find(self, name: str) -> Member:
        """The regular member of that name. Raises CorruptData where there is none, or a link leads out."""
        target = name
        for _attempt in range(_LINK_HOPS):
            path = posixpath.normpath(target)
            if path.startswith(("/", "..")):
                raise CorruptData(f"the archive's member {quoted(name)} leads outside the archive")
            if path in self._sparse:
                raise CorruptData(f"the archive's member {quoted(name)} is sparse; expected whole files")
            if path in self._members:
                return self._members[path]
            if path not in self._links:
                raise CorruptData(f"the archive has no member {quoted(name)}")
            target = self._links[path]
        raise CorruptData(f"the archive's member {quoted(name)} is a link that never ends")

    def read(self, name: str, limit: int) -> bytes:
        """Content of a small member."""
        member = self.find(name)
        if member.size > limit:
            raise LimitExceeded(
                f"the archive's member {quoted(name)} has {member.size} bytes; at most {limit} are read"
            )
        return read_whole(self.open(member), member.size)

    def open(self, member: Member) -> SliceReader:
        """Stream a member."""
        stream = open_regular(self.path, "the archive")
        return SliceReader(stream, member.offset, member.size, f"the archive's member {quoted(member.name)}")

    def _scan(self, stream: _GuardedFile) -> None:
        try:
            archive = tarfile.TarFile(fileobj=t.cast(t.IO[bytes], stream), mode="r", errors="surrogateescape")
            for count in range(MEMBER_LIMIT + 1):
                info = archive.next()
                if info is None:
                    return
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile keeps them all
                self._add(info)
                if count == MEMBER_LIMIT:
                    raise LimitExceeded(f"the archive {quoted(self.path)} has more than {MEMBER_LIMIT} members")
        except (tarfile.TarError, ValueError, OverflowError, EOFError, OSError, RecursionError) as error:
            raise CorruptData(f"the archive {quoted(self.path)} is not a readable tar: {str(error)[:120]}") from error

    def _add(self, info: tarfile.TarInfo) -> None:
        name = posixpath.normpath(info.name)
        self._members.pop(name, None)
        self._links.pop(name, None)
        self._sparse.discard(name)
        if info.issparse():
            self._sparse.add(name)
        elif info.isreg():
            self._members[name] = Member(name, info.offset_data, info.size)
        elif info.issym():
            self._links[name] = posixpath.join(posixpath.dirname(name), info.linkname)
        elif info.islnk():
            self._links[name] = info.linkname


_COMPRESSED: t.Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
}


class _GuardedFile:
    """A file for tarfile that refuses the huge reads to which hostile headers lead it."""

    def __init__(self, stream: io.FileIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER_READ_LIMIT:
            raise LimitExceeded(f"a header of the archive has {size} bytes; at most {_HEADER_READ_LIMIT} are read")
        return self._stream.read(size) or b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()
