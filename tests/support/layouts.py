# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small images for tests: from tar layers in memory, as a value for the readers or as an OCI layout for programs."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import (
    Descriptor,
    Image,
    ImageConfig,
    Layer,
    Platform,
)

PLAIN = "application/vnd.oci.image.layer.v1.tar"
GZIP = PLAIN + "+gzip"
ZSTD = PLAIN + "+zstd"


def digest_of(data: bytes) -> str:
    """The sha256 digest of a blob."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclasses.dataclass(frozen=True)
class File:
    """One tar entry. ``kind`` is a tar type flag; ``link`` is the target of a link.

    ``mode``: permission bits, -1 for the usual ones. ``owner``: user and group id. ``attributes``: extended ones, which
    need the PAX format.
    """

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = -1
    owner: tuple[int, int] = (0, 0)
    modified: float = 0
    attributes: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


def folder(name: str) -> File:
    """A folder entry."""
    return File(name, kind=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> File:
    """A symlink entry."""
    return File(name, kind=tarfile.SYMTYPE, link=target)


def hard_link(name: str, target: str) -> File:
    """A hard link entry."""
    return File(name, kind=tarfile.LNKTYPE, link=target)


def tar_of(entries: t.Iterable[File], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    """An uncompressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type = entry.kind
            info.linkname = entry.link
            info.size = len(entry.data)
            info.mode = entry.mode if entry.mode >= 0 else 0o755 if entry.kind == tarfile.DIRTYPE else 0o644
            info.uid, info.gid = entry.owner
            info.mtime = entry.modified
            info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in entry.attributes.items()}
            archive.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()


class MemoryReader:
    """A blob in memory, given in pieces of at most ``step`` bytes."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._step))

    def close(self) -> None:
        self._data.close()


class MemorySource:
    """Blobs in memory by digest. ``opened`` counts how often each was opened."""

    def __init__(self, blobs: t.Mapping[str, bytes], step: int = 1 << 30) -> None:
        self.blobs = dict(blobs)
        self.step = step
        self.opened: dict[str, int] = {}

    def open_blob(self, descriptor: Descriptor, /) -> MemoryReader:
        self.opened[descriptor.digest] = self.opened.get(descriptor.digest, 0) + 1
        return MemoryReader(self.blobs[descriptor.digest], self.step)


def image_of_blobs(blobs: t.Sequence[tuple[str, bytes, bytes]], step: int = 1 << 30) -> Image:
    """An image from (media type, blob, unpacked tar), lowest layer first."""
    layers = tuple(
        Layer(Descriptor(media_type, digest_of(blob), len(blob)), digest_of(tar)) for media_type, blob, tar in blobs
    )
    config = ImageConfig(
        digest=digest_of(b"config"),
        platform=Platform("linux", "amd64"),
        created="",
        labels={},
        env=(),
        diff_ids=tuple(layer.diff_id for layer in layers),
    )
    source = MemorySource({digest_of(blob): blob for _media_type, blob, _tar in blobs}, step)
    return Image(digest_of(b"manifest"), "registry.test/image:latest", config, layers, source)


def image_of(*layers: t.Iterable[File] | bytes, step: int = 1 << 30) -> Image:
    """An image of plain layers from entries, or from ready tar archives."""
    tars = [layer if isinstance(layer, bytes) else tar_of(layer) for layer in layers]
    return image_of_blobs([(PLAIN, tar, tar) for tar in tars], step)


def write_layout(path: Path, layers: t.Sequence[bytes], tag: str = "latest", compress: bool = False) -> None:
    """Write tar layers as an OCI image layout folder with one tag."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, t.Any]:
        digest = digest_of(data)
        (blobs / digest[7:]).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    packed = [gzip.compress(layer, 1, mtime=0) if compress else layer for layer in layers]
    media_type = GZIP if compress else PLAIN
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        "history": [{"created_by": "test"} for _layer in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **put(json.dumps(config).encode())},
        "layers": [{"mediaType": media_type, **put(layer)} for layer in packed],
    }
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                **put(json.dumps(manifest).encode()),
                "annotations": {"org.opencontainers.image.ref.name": tag},
            }
        ],
    }
    (path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
