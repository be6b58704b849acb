# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build container images from nothing: layers, OCI layouts, OCI and ``docker save`` archives.

No container tool, no root, no network; equal input gives equal bytes. A ``Blobs`` dictionary holds everything by
digest until it is written, so a test can break one blob and leave the rest as it is. Formats: OCI image specification
1.1 (manifest, config, layout, whiteouts), Docker image specification 1.2 for ``docker save``.
Standard library; layers in zstd need the ``zstandard`` package.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
import typing as t
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CREATED = "2026-01-15T08:00:00Z"
_MTIME = 1_768_464_000

#: digest -> content
Blobs = dict[str, bytes]
Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One member of a layer. ``kind``: ``file``, ``folder``, ``symlink`` or ``hardlink`` (``link`` is its target)."""

    path: str
    data: bytes = b""
    kind: str = "file"
    link: str = ""
    mode: int = 0o644


def folder(path: str) -> Entry:
    """A folder."""
    return Entry(path, kind="folder", mode=0o755)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, kind="symlink", link=target, mode=0o777)


def hardlink(path: str, target: str) -> Entry:
    """A second name for a member that stands earlier in the same layer."""
    return Entry(path, kind="hardlink", link=target)


def whiteout(path: str) -> Entry:
    """Hide what lower layers have at ``path``."""
    parent, _sep, name = path.rpartition("/")
    return Entry(f"{parent}/.wh.{name}" if parent else f".wh.{name}")


def opaque(path: str) -> Entry:
    """Hide all that lower layers have below the folder ``path``."""
    return Entry(f"{path}/.wh..wh..opq")


def files(folder_path: str, contents: t.Mapping[str, bytes]) -> list[Entry]:
    """Several files of one folder."""
    return [Entry(f"{folder_path}/{name}", data) for name, data in contents.items()]


_KINDS = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}


def tar(entries: t.Iterable[Entry], *, parents: bool = True) -> bytes:
    """The entries as an uncompressed tar, in the order given; ``parents`` adds the folders that they need."""
    seen: set[str] = set()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def put(entry: Entry) -> None:
            info = tarfile.TarInfo(entry.path)
            info.type, info.mode, info.mtime = _KINDS[entry.kind], entry.mode, _MTIME
            info.linkname, info.size = entry.link, len(entry.data)
            archive.addfile(info, io.BytesIO(entry.data))

        for entry in entries:
            if parents:
                steps = entry.path.split("/")[:-1]
                for depth in range(1, len(steps) + 1):
                    parent = "/".join(steps[:depth])
                    if parent not in seen:
                        seen.add(parent)
                        put(folder(parent))
                seen.add(entry.path)
            put(entry)
    return stream.getvalue()


def compress(data: bytes, kind: str = "gzip", *, cuts: t.Sequence[int] = ()) -> bytes:
    """Compress. ``cuts``: offsets in ``data`` where a new gzip member or zstd frame begins (eStargz, zstd:chunked)."""
    ends = [*cuts, len(data)]
    parts = [data[start:end] for start, end in zip([0, *cuts], ends)]
    if kind == "none":
        return data
    if kind == "gzip":
        return b"".join(gzip.compress(part, 6, mtime=0) for part in parts)
    if kind == "zstd":
        import zstandard

        return b"".join(zstandard.ZstdCompressor(level=3).compress(part) for part in parts)
    raise ValueError(f"compression {kind!r}, expected none, gzip or zstd")


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer as it is stored, and the digest of its tar."""

    blob: bytes
    media_type: str
    diff_id: str


def layer(entries: t.Iterable[Entry], kind: str = "gzip", *, cuts: t.Sequence[int] = ()) -> Layer:
    """A layer of these entries."""
    return layer_of_tar(tar(entries), kind, cuts=cuts)


def layer_of_tar(content: bytes, kind: str = "gzip", *, cuts: t.Sequence[int] = ()) -> Layer:
    """A layer of a tar that is already there."""
    suffix = "" if kind == "none" else f"+{kind}"
    return Layer(compress(content, kind, cuts=cuts), LAYER + suffix, digest(content))


def digest(content: bytes) -> str:
    """``sha256:<hex>``."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def to_json(value: t.Any) -> bytes:
    """Canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def put(blobs: Blobs, content: bytes, media_type: str) -> Json:
    """Store a blob; its descriptor."""
    name = digest(content)
    blobs[name] = content
    return {"mediaType": media_type, "digest": name, "size": len(content)}


def image(
    blobs: Blobs,
    layers: t.Sequence[Layer],
    *,
    labels: t.Mapping[str, str] | None = None,
    architecture: str = "amd64",
    os: str = "linux",
    change_config: t.Callable[[Json], None] | None = None,
    change_manifest: t.Callable[[Json], None] | None = None,
) -> Json:
    """Store an image; the descriptor of its manifest. ``change_*`` may edit the documents before they are stored."""
    config: Json = {
        "architecture": architecture,
        "os": os,
        "created": CREATED,
        "config": {"Labels": dict(labels or {}), "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["/bin/bash"]},
        "rootfs": {"type": "layers", "diff_ids": [item.diff_id for item in layers]},
        "history": [{"created": CREATED, "created_by": "example fleet"} for _item in layers],
    }
    if change_config:
        change_config(config)
    manifest: Json = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put(blobs, to_json(config), CONFIG),
        "layers": [put(blobs, item.blob, item.media_type) for item in layers],
    }
    if change_manifest:
        change_manifest(manifest)
    return put(blobs, to_json(manifest), manifest.get("mediaType", MANIFEST))


def index(blobs: Blobs, children: t.Sequence[tuple[Json, str]]) -> Json:
    """Store an index of ``(descriptor, "os/architecture[/variant]")``; its descriptor."""
    manifests = []
    for child, platform in children:
        system, architecture, *variant = platform.split("/")
        described: Json = {"os": system, "architecture": architecture}
        if variant:
            described["variant"] = variant[0]
        manifests.append({**child, "platform": described})
    return put(blobs, to_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}), INDEX)


def layout_files(blobs: Blobs, tags: t.Mapping[str, Json]) -> dict[str, bytes]:
    """The files of an OCI layout whose index names ``tags`` (tag -> descriptor)."""
    manifests = [
        {**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}} for tag, descriptor in tags.items()
    ]
    listing = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    return {
        "oci-layout": to_json({"imageLayoutVersion": "1.0.0"}),
        "index.json": to_json(listing),
        **{"blobs/" + name.replace(":", "/"): content for name, content in sorted(blobs.items())},
    }


def docker_archive_files(blobs: Blobs, references: t.Mapping[str, Json]) -> dict[str, bytes]:
    """The files of a ``docker save`` archive (layers as plain tars) of ``reference -> descriptor``."""
    listing: list[Json] = []
    content: dict[str, bytes] = {}
    for reference, descriptor in references.items():
        manifest = json.loads(blobs[descriptor["digest"]])
        config = blobs[manifest["config"]["digest"]]
        config_name = hashlib.sha256(config).hexdigest() + ".json"
        content[config_name] = config
        names = []
        for item in manifest["layers"]:
            data = blobs[item["digest"]]
            if item["mediaType"].endswith("gzip"):
                data = gzip.decompress(data)
            names.append(hashlib.sha256(data).hexdigest() + "/layer.tar")
            content[names[-1]] = data
        listing.append({"Config": config_name, "RepoTags": [reference], "Layers": names})
    return {**content, "manifest.json": to_json(listing)}


def write_folder(path: Path, contents: t.Mapping[str, bytes]) -> Path:
    """Write files below a folder; files that are the same already are left alone."""
    for name, content in contents.items():
        target = path / name
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return path


def write_archive(path: Path, contents: t.Mapping[str, bytes]) -> Path:
    """Write the same as one tar."""
    return write_folder(path.parent, {path.name: tar(Entry(name, data) for name, data in contents.items())}) / path.name


def os_release(**fields: str) -> bytes:
    """The text of ``/etc/os-release``; keys in lower case become upper case."""
    return "".join(f'{key.upper()}="{value}"\n' for key, value in fields.items()).encode()
