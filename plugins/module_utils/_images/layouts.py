# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI image layouts: as a folder, and as an uncompressed tar archive of one (OCI image specification 1.1)."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from .._core.errors import CorruptData, InputError, IntegrityError, LimitExceeded
from .._core.safe_json import field, read_object
from .._core.text import quoted
from .files import Member, SliceReader, TarMembers, open_regular, read_whole
from .manifests import CHILD_LIMIT, MANIFEST_LIMIT, parse_descriptor
from .model import BlobReader, Descriptor
from .references import is_digest

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
NAME_ANNOTATION = "org.opencontainers.image.ref.name"


class Layout:
    """An OCI layout. Subclasses say where its files are."""

    def __init__(self, path: str) -> None:
        self.path = path
        subject = f"{LAYOUT_FILE} of {quoted(path)}"
        version = field(
            read_object(self._read(LAYOUT_FILE, 4096), subject, limit=4096), "imageLayoutVersion", str, subject
        )
        if version is None or version.partition(".")[0] != "1":
            raise InputError(f"{subject} has the version {quoted(str(version), 40)}; expected 1.x")
        subject = f"{INDEX_FILE} of {quoted(path)}"
        index = read_object(self._read(INDEX_FILE, MANIFEST_LIMIT), subject, limit=MANIFEST_LIMIT)
        entries: list[t.Any] = field(index, "manifests", list, subject) or []
        if len(entries) > CHILD_LIMIT:
            raise LimitExceeded(f"{subject} has {len(entries)} entries; at most {CHILD_LIMIT} are read")
        self.entries = tuple(
            parse_descriptor(entry, f"{subject}, manifests[{number}]") for number, entry in enumerate(entries)
        )

    def selectors(self) -> list[str]:
        """Selectors to put behind the path to name each image: ``:TAG`` where that names one only, else ``@DIGEST``."""
        tags = [entry.annotations.get(NAME_ANNOTATION, "") for entry in self.entries]
        # A tag with an at sign could be read as a digest.
        selectors = [
            f":{tag}" if tag and tags.count(tag) == 1 and "@" not in tag else f"@{entry.digest}"
            for tag, entry in zip(tags, self.entries)
        ]
        return list(dict.fromkeys(selectors))

    def _matching(self, tag: str, digest: str) -> list[Descriptor]:
        if digest:
            return [entry for entry in self.entries if entry.digest == digest]
        if tag:
            return [entry for entry in self.entries if entry.annotations.get(NAME_ANNOTATION) == tag]
        return list(self.entries)

    def select(self, tag: str, digest: str) -> Descriptor:
        """The entry with that tag or digest, or the only one. Raises InputError naming what there is."""
        entries = self._matching(tag, digest)
        if len({entry.digest for entry in entries}) == 1:
            return entries[0]
        selectors = ", ".join(quoted(selector, 80) for selector in self.selectors()[:10]) or "none"
        asked = f"named {quoted(digest or tag)}" if digest or tag else "without a name"
        count = "no image" if not entries else f"{len(entries)} images"
        raise InputError(
            f"the OCI layout has {count} {asked}; expected exactly one",
            hint=f"add one of {selectors}",
            code=_code(entries),
        )

    def read_manifest(self, descriptor: Descriptor, /) -> bytes:
        return self.read_blob(descriptor, MANIFEST_LIMIT)

    def read_blob(self, descriptor: Descriptor, limit: int, /) -> bytes:
        return self._read(_blob_name(descriptor.digest), limit)

    def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
        reader, size = self._open(_blob_name(descriptor.digest))
        if size != descriptor.size:
            reader.close()
            raise IntegrityError(
                f"the blob {descriptor.digest} has {size} bytes; expected {descriptor.size}",
                code="layer-truncated" if size < descriptor.size else None,
                subject=quoted(self.path),
            )
        return reader

    def _read(self, name: str, limit: int) -> bytes:
        reader, size = self._open(name)
        if size > limit:
            reader.close()
            raise LimitExceeded(f"{name} has {size} bytes; at most {limit} are read")
        return read_whole(reader, size)

    def _open(self, name: str) -> tuple[SliceReader, int]:
        raise NotImplementedError


class LayoutFolder(Layout):
    """An OCI layout in a folder."""

    def _open(self, name: str) -> tuple[SliceReader, int]:
        try:
            stream = open_regular(str(Path(self.path) / name), "the file")
        except InputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise _missing(name) from error
            raise
        size = os.fstat(stream.fileno()).st_size
        return SliceReader(stream, 0, size, name), size


class LayoutArchive(Layout):
    """An OCI layout in an uncompressed tar archive."""

    def __init__(self, path: str, members: TarMembers | None = None) -> None:
        self._members = members or TarMembers(path)
        super().__init__(path)

    def _open(self, name: str) -> tuple[SliceReader, int]:
        if name not in self._members:
            raise _missing(name)
        member: Member = self._members.find(name)
        return self._members.open(member), member.size


def _code(entries: t.Sequence[Descriptor]) -> str | None:
    return None if entries else "image-not-found"


def _missing(name: str) -> CorruptData:
    if name in (LAYOUT_FILE, INDEX_FILE):
        return CorruptData(f"there is no {name}; expected an OCI layout ({LAYOUT_FILE}, {INDEX_FILE}, blobs)")
    return CorruptData(f"{name} is missing from the OCI layout", code="blob-not-found")


def _blob_name(digest: str) -> str:
    if not is_digest(digest):
        raise CorruptData(f"{quoted(digest)} is not a digest")
    algorithm, _sep, digits = digest.partition(":")
    return f"blobs/{algorithm}/{digits}"
