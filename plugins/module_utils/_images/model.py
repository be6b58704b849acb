# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that the image readers exchange. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class Platform:
    """Platform of an image in OCI terms (``linux``, ``arm64``, ``v8``)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A reference to a blob: media type, digest (``sha256:<hex>``) and size in bytes."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    urls: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer, lowest first in an image. ``diff_id`` is the digest of the uncompressed tar."""

    descriptor: Descriptor
    diff_id: str


@dataclasses.dataclass(frozen=True)
class ImageConfig:
    """Config of an image. ``created`` is RFC 3339 text or empty."""

    digest: str
    platform: Platform
    created: str
    labels: t.Mapping[str, str]
    env: tuple[str, ...]
    diff_ids: tuple[str, ...]


class BlobReader(t.Protocol):
    """A sequential source of bytes. ``read(n)`` gives at most n bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; b"" at the end."""

    def close(self) -> None:
        """Give back what it holds."""


class BlobSource(t.Protocol):
    """Where blobs come from: a registry repository, an OCI layout, an archive. Safe to call from several threads."""

    def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
        """Open one blob for streaming. The reader does NOT verify; whoever consumes it hashes what it reads."""


@dataclasses.dataclass(frozen=True)
class Image:
    """One single-platform image, resolved: ``digest`` is its manifest's digest, the only identity."""

    digest: str
    reference: str
    config: ImageConfig
    layers: tuple[Layer, ...]
    source: BlobSource
    index_digest: str = ""


@dataclasses.dataclass(frozen=True)
class ImageIndex:
    """A multi-platform index. ``children`` without attestations (``unknown/unknown``), nested indexes flattened.

    ``source`` is where it was read from; without one (an index that comes from a store) the reference is opened again.
    """

    digest: str
    reference: str
    children: tuple[Descriptor, ...]
    source: t.Any = dataclasses.field(default=None, compare=False, repr=False)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that could not be seen. ``code`` is stable (lower case, dashes); ``message`` is a sentence."""

    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class KeptFile:
    """A file that the inventory needs, from the merged root. ``path`` has no leading slash."""

    path: str
    data: bytes
    layer: int


@dataclasses.dataclass(frozen=True)
class RootContent:
    """Result of a walk over all layers (or over a root folder).

    ``files``: path as asked for -> the file that a process in the container would read there (symlinks resolved).
    ``layer_files``: files kept for each layer apart, hidden or not (content manifests: the layer that installed a
    package says so even when a later layer replaces the folder), lowest layer first.
    ``unexamined``: component kind (``jar``, ``python``, ``npm``) -> number in the merged root.
    ``stray_databases``: files named like an rpm database that are not among the wanted ones (a root inside the root).
    ``entries``: number of tar entries read. ``is_dynamic``: a dynamic loader or a shell is in the merged root; where
    nothing else was found also a shared library, a dynamically linked program, or a trace of a package manager.
    ``problems``: what could not be read. Not empty means that the inventory is not complete.
    """

    files: t.Mapping[str, KeptFile]
    layer_files: tuple[KeptFile, ...]
    unexamined: t.Mapping[str, int]
    entries: int
    is_dynamic: bool
    problems: tuple[Problem, ...]
    stray_databases: tuple[str, ...] = ()
