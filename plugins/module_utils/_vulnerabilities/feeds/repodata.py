# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata of yum repositories: which files a ``repomd.xml`` lists, and which packages a repository has."""

from __future__ import annotations

import hashlib
import re
import typing as t
import xml.parsers.expat

from ..._core.errors import CorruptData, LimitExceeded
from ..documents.updateinfo import DEPTH_LIMIT, PENDING_LIMIT

NAMES_LIMIT = 1_000_000  # packages of one repository
CHECKSUMS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
_STEP = 1 << 18


class ListedFile(t.NamedTuple):
    """A file that a ``repomd.xml`` lists: where, and its checksum."""

    path: str
    kind: str
    checksum: str


def read_repomd(data: bytes, where: str) -> tuple[ListedFile, ListedFile]:
    """Updateinfo and primary, as a ``repomd.xml`` lists them. ``where`` names the repository in messages."""
    files = _RepomdReader(where).read(data)
    if "updateinfo" not in files:
        raise CorruptData(
            f"the repository {where} has no updateinfo, so nothing is known of its packages",
            code="feed-empty",
            hint="leave out repositories without advisories",
        )
    return _listed(files, "updateinfo", where), _listed(files, "primary", where)


def _listed(files: t.Mapping[str, dict[str, str]], kind: str, where: str) -> ListedFile:
    values = {"path": "", "kind": "", "checksum": "", **files.get(kind, {})}
    path, checksum = values["path"], values["checksum"].strip()
    if values["kind"] not in CHECKSUMS or not re.fullmatch(r"[0-9a-f]{64,128}", checksum):
        raise CorruptData(
            f"the repomd.xml of {where} has no checksum of {kind} that can be relied on"
            f" ({ascii(values['kind'])[:20]}); expected one of {', '.join(CHECKSUMS)}",
            code="feed-damaged",
        )
    if ".." in path.split("/") or not re.fullmatch(r"[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*", path):
        raise CorruptData(
            f"the repomd.xml of {where} lists {kind} at {ascii(path)[:100]}, outside of the repository",
            code="feed-damaged",
        )
    return ListedFile(path, values["kind"], checksum)


class _MetadataReader:
    """Reads one file of a repository's metadata as a stream, without document types and their entities."""

    what = "metadata"

    def __init__(self, where: str) -> None:
        self.where = where
        self.names: list[str] = []
        self.parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.characters

    def parse(self, chunks: t.Iterable[bytes]) -> None:
        try:
            byte_count = 0
            for chunk in chunks:
                for start in range(0, len(chunk), _STEP):
                    part = chunk[start : start + _STEP]
                    byte_count += len(part)
                    self.parser.Parse(part, False)
                    if byte_count - self.parser.CurrentByteIndex > PENDING_LIMIT:
                        raise LimitExceeded(f"the {self.what} of {self.where} has a tag of {PENDING_LIMIT} bytes")
            self.parser.Parse(b"", True)
        except xml.parsers.expat.ExpatError as error:
            raise CorruptData(
                f"the {self.what} of {self.where} is not whole XML: {xml.parsers.expat.ErrorString(error.code)} at line"
                f" {error.lineno}",
                code="feed-damaged",
            ) from error

    def _refuse(self, *_details: object) -> None:
        raise CorruptData(f"the {self.what} of {self.where} declares a document type", code="feed-damaged")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.names.append(tag.rpartition(" ")[2])
        if len(self.names) > DEPTH_LIMIT:
            raise LimitExceeded(f"the {self.what} of {self.where} is nested deeper than {DEPTH_LIMIT}")
        self.start(attributes)

    def _end(self, _tag: str) -> None:
        self.end()
        self.names.pop()

    def start(self, attributes: dict[str, str]) -> None:
        """An element begins; ``names`` leads to it."""

    def end(self) -> None:
        """An element ends."""

    def characters(self, data: str) -> None:
        """Text of an element."""


class _RepomdReader(_MetadataReader):
    what = "repomd.xml"

    def read(self, data: bytes) -> dict[str, dict[str, str]]:
        """Type of data -> path, kind of checksum, and checksum."""
        self.found: dict[str, dict[str, str]] = {}
        self._data: dict[str, str] = {}
        self.parse([data])
        return self.found

    def start(self, attributes: dict[str, str]) -> None:
        if self.names == ["repomd", "data"]:
            self._data = self.found[attributes.get("type", "")] = {}
        elif self.names == ["repomd", "data", "location"]:
            self._data["path"] = attributes.get("href", "")
        elif self.names == ["repomd", "data", "checksum"]:
            self._data |= {"kind": attributes.get("type", ""), "checksum": ""}

    def characters(self, data: str) -> None:
        if self.names == ["repomd", "data", "checksum"]:
            self._data["checksum"] = (self._data["checksum"] + data)[:200]


class PrimaryReader(_MetadataReader):
    """The list of a repository's packages."""

    what = "list of packages"

    def read(self, chunks: t.Iterable[bytes]) -> set[str]:
        """Names of the packages."""
        self.found: set[str] = set()
        self._text = ""
        self.parse(chunks)
        return self.found

    def start(self, attributes: dict[str, str]) -> None:
        self._text = ""

    def characters(self, data: str) -> None:
        if self.names == ["metadata", "package", "name"]:
            self._text = (self._text + data)[:256]

    def end(self) -> None:
        if self.names == ["metadata", "package", "name"]:
            self.found.add(self._text.strip())
            if len(self.found) > NAMES_LIMIT:
                raise LimitExceeded(f"the repository {self.where} has more than {NAMES_LIMIT} packages")
