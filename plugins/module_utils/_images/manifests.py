# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests, indexes and configs of the OCI image specification 1.1 and of Docker's schema 2.

What is not a container image that we can read whole (schema 1, foreign layers, encrypted layers, artifacts) is refused
here by name, before anything is fetched for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from .._core.errors import CorruptData, IntegrityError, LimitExceeded, ScanError, UnsupportedImage
from .._core.safe_json import field, read_object
from .._core.text import quoted
from .model import Descriptor, ImageConfig, Layer, Platform
from .platforms import resolve_names
from .references import is_digest

MANIFEST_LIMIT = 4 << 20
CONFIG_LIMIT = 8 << 20
LAYER_LIMIT = 1024
CHILD_LIMIT = 1024
_SIZE_LIMIT = 1 << 62
_PAIR_LIMIT = 65_536

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})

# Media type of a layer -> how its tar is compressed.
LAYER_COMPRESSIONS: t.Mapping[str, str] = {
    "application/vnd.oci.image.layer.v1.tar": "",
    "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
    DOCKER_LAYER: "",
    f"{DOCKER_LAYER}.gzip": "gzip",
    f"{DOCKER_LAYER}.zstd": "zstd",
}
_FOREIGN = (".foreign.", ".nondistributable.")
# What a server sends that does not know or say what a manifest is.
_VAGUE_TYPES = frozenset({"", "application/json", "application/octet-stream", "text/plain", "binary/octet-stream"})


@dataclasses.dataclass(frozen=True)
class ImageManifest:
    """One single-platform manifest."""

    digest: str
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclasses.dataclass(frozen=True)
class Index:
    """An index or manifest list: every entry, attestations and nested indexes too."""

    digest: str
    media_type: str
    entries: tuple[Descriptor, ...]


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Digest of ``data`` in the form of a descriptor."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def verify_digest(data: bytes, digest: str, subject: str) -> None:
    """Raise IntegrityError where ``data`` does not have ``digest``."""
    actual = digest_of(data, digest.partition(":")[0])
    if actual != digest:
        raise IntegrityError(f"{subject} has the digest {actual}; expected {digest}")


def parse_manifest(data: bytes, media_type: str = "", digest: str = "") -> ImageManifest | Index:
    """Read a manifest or an index. ``media_type`` is what its holder says that it is, ``digest`` what was asked for.

    Raises IntegrityError, CorruptData, LimitExceeded, or UnsupportedImage with what the thing is instead.
    """
    if digest:
        verify_digest(data, digest, "the manifest")
    else:
        digest = digest_of(data)
    document = read_object(data, "the manifest", limit=MANIFEST_LIMIT, unique=True)
    kind = _manifest_type(document, media_type.partition(";")[0].strip().lower())
    if field(document, "schemaVersion", int, "the manifest") != 2:
        raise CorruptData(
            f"the manifest's schemaVersion is {quoted(str(document.get('schemaVersion')), 40)}; expected 2"
        )
    if kind in INDEX_TYPES:
        entries = _descriptors(document, "manifests", CHILD_LIMIT, "the index")
        return Index(digest, kind, entries)
    config = field(document, "config", dict, "the manifest")
    if config is None:
        raise CorruptData("the manifest has no config")
    config_descriptor = parse_descriptor(config, "the manifest's config")
    if config_descriptor.media_type not in CONFIG_TYPES:
        artifact = field(document, "artifactType", str, "the manifest") or config_descriptor.media_type
        raise UnsupportedImage(f"not a container image but an artifact of type {quoted(artifact)}")
    layers = _descriptors(document, "layers", LAYER_LIMIT, "the manifest")
    for number, layer in enumerate(layers, 1):
        _check_layer_type(layer.media_type, f"layer {number} of {len(layers)}")
    return ImageManifest(digest, kind, config_descriptor, layers)


def parse_config(data: bytes, descriptor: Descriptor) -> ImageConfig:
    """Read an image's config, whose bytes must have the descriptor's digest."""
    verify_digest(data, descriptor.digest, "the image's config")
    subject = "the image's config"
    document = read_object(data, subject, limit=CONFIG_LIMIT, unique=True)
    rootfs = field(document, "rootfs", dict, subject)
    if rootfs is None:
        raise CorruptData(f"{subject} has no rootfs, so its layers cannot be verified")
    if field(rootfs, "type", str, f"{subject}, rootfs") not in (None, "layers"):
        raise UnsupportedImage(f"{subject} has a rootfs of type {quoted(str(rootfs.get('type')))}; expected layers")
    diff_ids = _texts(rootfs, "diff_ids", LAYER_LIMIT, f"{subject}, rootfs")
    for diff_id in diff_ids:
        if not is_digest(diff_id):
            raise CorruptData(f"{subject}: {quoted(diff_id)} is not a diff_id; expected sha256:<64 digits>")
    run = field(document, "config", dict, subject) or {}
    return ImageConfig(
        digest=descriptor.digest,
        platform=_platform(document, subject),
        created=(field(document, "created", str, subject) or "")[:64],
        labels=_pairs(run, "Labels", subject),
        env=_texts(run, "Env", _PAIR_LIMIT, subject),
        diff_ids=diff_ids,
    )


def join_layers(manifest: ImageManifest, config: ImageConfig) -> tuple[Layer, ...]:
    """The layers with their diff_ids, lowest first."""
    if len(manifest.layers) != len(config.diff_ids):
        raise CorruptData(f"the manifest has {len(manifest.layers)} layers, its config {len(config.diff_ids)} diff_ids")
    return tuple(Layer(descriptor, diff_id) for descriptor, diff_id in zip(manifest.layers, config.diff_ids))


def parse_descriptor(entry: t.Any, subject: str) -> Descriptor:
    """Read one descriptor."""
    if not isinstance(entry, dict):
        raise CorruptData(f"{subject} is not a descriptor; expected an object with mediaType, digest and size")
    media_type = field(entry, "mediaType", str, subject) or ""
    digest = field(entry, "digest", str, subject) or ""
    size = field(entry, "size", int, subject)
    if not is_digest(digest):
        raise CorruptData(
            f"{subject} has the digest {quoted(digest)}; expected sha256:<64 digits> or sha512:<128 digits>"
        )
    if size is None or not 0 <= size < _SIZE_LIMIT:
        raise CorruptData(f"{subject} has the size {size}; expected a number of bytes")
    platform = field(entry, "platform", dict, subject)
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        platform=_stated_platform(platform, f"{subject}, platform") if platform is not None else None,
        annotations=_pairs(entry, "annotations", subject),
        urls=_texts(entry, "urls", 64, subject),
    )


def is_attestation(entry: Descriptor) -> bool:
    """True if an index's entry is for ``unknown/unknown``, which no node runs, so that it only describes another one.

    Annotations prove nothing: nodes do not look at them.
    """
    return entry.platform is not None and (entry.platform.os, entry.platform.architecture) == ("unknown", "unknown")


def is_artifact(data: bytes, digest: str) -> bool:
    """Return whether a manifest proves that neither containerd nor CRI-O can run it.

    containerd ignores the type of the config, but unpacks no JSON. CRI-O (containers/image) ignores the types of
    layers, but accepts an OCI manifest only with the config of an image.
    """
    try:
        verify_digest(data, digest, "the manifest")
        document = read_object(data, "the manifest", limit=MANIFEST_LIMIT, unique=True)
        if field(document, "mediaType", str, "the manifest") != OCI_MANIFEST or "manifests" in document:
            return False
        config = parse_descriptor(field(document, "config", dict, "the manifest"), "the manifest's config")
        layers = _descriptors(document, "layers", LAYER_LIMIT, "the manifest")
    except ScanError:
        return False
    return config.media_type not in CONFIG_TYPES and any(layer.media_type.endswith("json") for layer in layers)


def in_image(error: ScanError, subject: str) -> ScanError:
    """The same error with the image's name, where it has none yet."""
    if not error.subject:
        error.subject = subject
    return error


def _manifest_type(document: dict[str, t.Any], served: str) -> str:
    subject = "the manifest"
    written = field(document, "mediaType", str, subject) or ""
    _check_supported(document, written, served)
    known_types = INDEX_TYPES | MANIFEST_TYPES
    has_entries = _has_entries(document)
    if written in known_types and served in known_types and written != served:
        raise CorruptData(f"the manifest says that it is {written}, but is served as {served}")
    kind = written if written in known_types else served
    if kind not in known_types:
        kind = OCI_INDEX if has_entries else OCI_MANIFEST
    if (kind in INDEX_TYPES) != has_entries:
        raise CorruptData(f"the manifest is said to be {kind}, but has {'manifests' if has_entries else 'layers'}")
    return kind


def _check_supported(document: dict[str, t.Any], written: str, served: str) -> None:
    if document.get("schemaVersion") == 1 or written in DOCKER_SCHEMA_1 or served in DOCKER_SCHEMA_1:
        raise UnsupportedImage(
            "the manifest has Docker's schema 1, which names no verifiable layers",
            hint="push the image again with a current tool",
        )
    for kind in (written, served):
        if kind not in INDEX_TYPES | MANIFEST_TYPES | _VAGUE_TYPES:
            raise UnsupportedImage(
                f"the manifest has the media type {quoted(kind)}; expected an OCI or Docker v2 image"
            )


def _has_entries(document: dict[str, t.Any]) -> bool:
    has_entries, has_layers = "manifests" in document, "layers" in document or "config" in document
    if has_entries and has_layers:
        raise CorruptData("the manifest has both layers and manifests, so it is ambiguous")
    if not has_entries and not has_layers:
        raise CorruptData("the manifest has neither layers nor manifests")
    return has_entries


def _check_layer_type(media_type: str, subject: str) -> None:
    if media_type in LAYER_COMPRESSIONS:
        return
    if any(mark in media_type for mark in _FOREIGN):
        raise UnsupportedImage(f"{subject} is a foreign layer ({quoted(media_type)}), which the registry does not hold")
    if media_type.endswith("+encrypted"):
        raise UnsupportedImage(f"{subject} is encrypted ({quoted(media_type)})")
    raise UnsupportedImage(
        f"{subject} has the media type {quoted(media_type)}, which is not a layer of a root file system"
    )


def _descriptors(document: dict[str, t.Any], name: str, limit: int, subject: str) -> tuple[Descriptor, ...]:
    entries = field(document, name, list, subject) or []
    if len(entries) > limit:
        raise LimitExceeded(f"{subject} has {len(entries)} {name}; at most {limit} are read")
    return tuple(parse_descriptor(entry, f"{subject}, {name}[{number}]") for number, entry in enumerate(entries))


def _platform(holder: dict[str, t.Any], subject: str) -> Platform:
    parts = [field(holder, name, str, subject) or "" for name in ("os", "architecture", "variant")]
    for part in parts:
        if len(part) > 64:
            raise CorruptData(f"{subject}: {quoted(part, 60)} is too long for a platform")
    return resolve_names(*parts)


def _stated_platform(holder: dict[str, t.Any], subject: str) -> Platform | None:
    """The platform of an index's entry; None where it is not whole: it may then be any."""
    platform = _platform(holder, subject)
    return platform if platform.os and platform.architecture else None


def _texts(holder: dict[str, t.Any], name: str, limit: int, subject: str) -> tuple[str, ...]:
    entries: list[t.Any] = field(holder, name, list, subject) or []
    if len(entries) > limit:
        raise LimitExceeded(f"{subject} has {len(entries)} entries in {name}; at most {limit} are read")
    if not all(isinstance(entry, str) for entry in entries):
        raise CorruptData(f"{subject}: {name} has an entry that is not text")
    return tuple(entries)


def _pairs(holder: dict[str, t.Any], name: str, subject: str) -> dict[str, str]:
    pairs: dict[str, t.Any] = field(holder, name, dict, subject) or {}
    if len(pairs) > _PAIR_LIMIT:
        raise LimitExceeded(f"{subject} has {len(pairs)} entries in {name}; at most {_PAIR_LIMIT} are read")
    if not all(isinstance(value, str) for value in pairs.values()):
        raise CorruptData(f"{subject}: {name} has a value that is not text")
    return pairs
