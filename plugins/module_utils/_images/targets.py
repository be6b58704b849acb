# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets: the texts that name what to scan, and how each of them is opened.

A registry reference (``docker://`` before it is allowed), or, in the terms of containers-transports(5), ``oci:PATH``,
``oci-archive:PATH`` and ``docker-archive:PATH``, each with a tag, digest or reference behind it where the path holds
several images; and ``rootfs:PATH``, an unpacked root folder. A Docker Hub image that is called like a transport has to
be written with its registry.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import typing as t
from pathlib import Path

from .._core.errors import CorruptData, InputError, LimitExceeded, ScanError, UnsupportedImage
from .._core.text import quoted
from .access import Access
from .archives import MANIFEST_FILE, DockerArchive
from .files import Source, TarMembers
from .layouts import INDEX_FILE, LAYOUT_FILE, Layout, LayoutArchive, LayoutFolder
from .manifests import (
    CHILD_LIMIT,
    CONFIG_LIMIT,
    INDEX_TYPES,
    OCI_MANIFEST,
    ImageManifest,
    Index,
    in_image,
    is_artifact,
    is_attestation,
    join_layers,
    parse_config,
    parse_manifest,
)
from .model import Descriptor, Image, ImageIndex
from .platforms import is_fallback
from .references import TRANSPORTS, is_digest, parse_reference

ENTRY_LIMIT = 1_000_000
_NESTING_LIMIT = 3
_NESTED_LIMIT = 16


@dataclasses.dataclass(frozen=True)
class RootFolder:
    """An unpacked root file system. ``digest`` is over the metadata of everything in it, so that a change shows."""

    path: str
    digest: str
    reference: str


@dataclasses.dataclass(frozen=True)
class _FileTarget:
    transport: str
    path: str
    tag: str
    digest: str


def open_target(target: str, access: Access) -> Image | ImageIndex | RootFolder:
    """Open what ``target`` names, verified down to the config; layers are opened by whoever reads them.

    Every error is a ScanError whose subject is the target.
    """
    try:
        parsed = _parse(target)
        if parsed is None:
            return _open_reference(target, access)
        if parsed.transport == "rootfs":
            return RootFolder(parsed.path, folder_digest(parsed.path), target)
        if parsed.transport == "docker-archive":
            return DockerArchive(parsed.path).open_image(parsed.tag, target)
        layout = _layout(parsed)
        entry = layout.select(parsed.tag, parsed.digest)
        return _resolve(layout, layout.read_manifest(entry), entry.media_type, entry.digest, target)
    except ScanError as error:
        raise in_image(error, _subject(target))


def open_child(index: ImageIndex, descriptor: Descriptor, access: Access) -> Image:
    """Open one child of an index that ``open_target`` gave."""
    platform = f" ({descriptor.platform})" if descriptor.platform else ""
    subject = f"{index.reference}, {descriptor.digest}{platform}"
    try:
        if descriptor.digest not in {child.digest for child in index.children}:
            raise InputError(f"the index {index.digest} has no child {descriptor.digest}")
        source = index.source if index.source is not None else _source_of(index.reference, access)
        data = source.read_manifest(descriptor)
        opened = _resolve(source, data, descriptor.media_type, descriptor.digest, index.reference, index.digest)
        if not isinstance(opened, Image):
            raise CorruptData("the child is an index, though the index that names it says otherwise")
        return opened
    except ScanError as error:
        raise in_image(error, subject)


def _list_folder(path: str, where: str) -> list[str]:
    is_layout = any(_exists(f"{path}/{name}") for name in (LAYOUT_FILE, INDEX_FILE))
    is_root = any(_is_folder(f"{path}/{name}") for name in ("etc", "usr"))
    if is_layout and is_root:
        raise InputError(
            f"{where} could be an OCI layout and a root folder",
            hint="say which with oci: or rootfs: before the path",
        )
    if is_root:
        return [f"rootfs:{path}"]
    if is_layout:
        return _found([f"oci:{path}{selector}" for selector in LayoutFolder(path).selectors()], where)
    raise InputError(
        f"{where} is neither an OCI layout ({LAYOUT_FILE}, {INDEX_FILE}) nor a root folder (etc or usr in it)"
    )


def list_targets(path: str) -> list[str]:
    """The targets in a folder (OCI layout or root folder) or archive file. Raises InputError for anything else."""
    where = quoted(path)
    if _is_folder(path):
        return _list_folder(path, where)
    if not _exists(path):
        raise InputError(f"{where} does not exist; expected an OCI layout, an archive or a root folder")
    members = TarMembers(path)
    # An archive of a new docker is both; the manifest in its layout has the true digest.
    if LAYOUT_FILE in members and INDEX_FILE in members:
        return _found([f"oci-archive:{path}{selector}" for selector in LayoutArchive(path, members).selectors()], where)
    if MANIFEST_FILE in members:
        return [f"docker-archive:{path}{selector}" for selector in DockerArchive(path, members).selectors()]
    raise InputError(
        f"{where} is a tar archive, but of no image; expected {LAYOUT_FILE} and {INDEX_FILE}, or {MANIFEST_FILE} in it",
        hint="unpack the archive of a root file system and give the folder",
    )


def _found(targets: list[str], where: str) -> list[str]:
    if not targets:
        raise InputError(f"{where} is an OCI layout, but of no image; expected at least one in its {INDEX_FILE}")
    return targets


def _device_of(path: str) -> int:
    try:
        if not _is_folder(path):
            raise InputError(f"{quoted(path)} is not a folder; expected an unpacked root file system")
        return Path(path).stat().st_dev
    except (OSError, ValueError) as error:
        raise InputError(f"{quoted(path)} cannot be read: {error}") from error


def folder_digest(path: str) -> str:
    """sha256 over path, type, mode, size and mtime of everything in a root folder, in sorted order.

    Links are not followed. proc, sys, dev and run right below the root are left out where they are mount points: they
    are the running kernel's, not the image's. What cannot be read is marked as such; the inventory reports it.
    """
    hasher = hashlib.sha256()
    device = _device_of(path)
    pending = [(os.fsencode(path), b"")]
    count = 0
    while pending:
        folder, inside = pending.pop()
        try:
            with os.scandir(folder) as scanned:
                entries = []
                for entry in scanned:
                    entries.append(entry)
                    count += 1
                    if count > ENTRY_LIMIT:
                        raise LimitExceeded(f"{quoted(path)} has more than {ENTRY_LIMIT} entries")
        except OSError:
            hasher.update(inside + b"\0unreadable\0")
            continue
        folders = []
        for entry in sorted(entries, key=lambda entry: entry.name):
            relative = (inside + b"/" + entry.name).lstrip(b"/")
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                hasher.update(relative + b"\0unreadable\0")
                continue
            facts = f"{status.st_mode:o} {status.st_size} {status.st_mtime_ns}"
            hasher.update(relative + b"\0" + facts.encode() + b"\0")
            if stat.S_ISDIR(status.st_mode) and not (relative in _KERNEL_FOLDERS and status.st_dev != device):
                folders.append((entry.path, relative))
        pending.extend(reversed(folders))
    return f"sha256:{hasher.hexdigest()}"


_KERNEL_FOLDERS = frozenset({b"proc", b"sys", b"dev", b"run"})


def _subject(target: object) -> str:
    """The target as errors name it; as it is, if it can be printed."""
    text = str(target)
    return text if len(text) <= 1024 and text.isprintable() else quoted(text)


def _exists(path: str) -> bool:
    """Return whether there is something at ``path``; a path that no system call takes is not there."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _parse(target: str) -> _FileTarget | None:
    """Transport and parts of a file target, None for a registry reference. Raises InputError."""
    if not isinstance(target, str) or "\0" in target:
        raise InputError("a target must be text without NUL")
    transport, colon, place = target.partition(":")
    if not colon or transport not in TRANSPORTS:
        return None
    if not place:
        raise InputError(f"{transport}: has no path behind it")
    if transport == "rootfs" or _exists(place):
        return _FileTarget(transport, place, "", "")
    return _split_selector(transport, place)


def _split_selector(transport: str, place: str) -> _FileTarget:
    """Tell the path from the tag or digest behind it: the path is what exists."""
    path, at, digest = place.rpartition("@")
    if at and is_digest(digest) and transport != "docker-archive":
        return _FileTarget(transport, path, "", digest)
    position = place.find(":")
    while position != -1:
        if _exists(place[:position]):
            if position + 1 == len(place):
                raise InputError(f"nothing follows the ':' behind {quoted(place[:position])}; expected a tag")
            return _FileTarget(transport, place[:position], place[position + 1 :], "")
        position = place.find(":", position + 1)
    raise InputError(f"{quoted(place)} does not exist", code="image-not-found")


def _layout(target: _FileTarget) -> Layout:
    if target.transport == "oci":
        if not _is_folder(target.path):
            raise InputError(
                f"{quoted(target.path)} is not a folder", hint="for an archive write oci-archive: or docker-archive:"
            )
        return LayoutFolder(target.path)
    return LayoutArchive(target.path)


def _source_of(target: str, access: Access) -> Source:
    parsed = _parse(target)
    if parsed is not None:
        return _layout(parsed)
    from .registry import open_repository

    return open_repository(parse_reference(target), access)


def _open_reference(target: str, access: Access) -> Image | ImageIndex:
    from .registry import open_repository

    reference = parse_reference(target[len("docker://") :] if target.startswith("docker://") else target)
    repository = open_repository(reference, access)
    data, media_type = repository.fetch_manifest(reference.version)
    return _resolve(repository, data, media_type, reference.digest, str(reference))


def _resolve(
    source: Source, data: bytes, media_type: str, digest: str, reference: str, index_digest: str = ""
) -> Image | ImageIndex:
    parsed = parse_manifest(data, media_type, digest)
    if isinstance(parsed, Index):
        children = tuple(_children(source, parsed))
        if not children:
            raise UnsupportedImage("the index names no image")
        return ImageIndex(parsed.digest, reference, children, source)
    return _image(source, parsed, reference, index_digest)


def _image(source: Source, manifest: ImageManifest, reference: str, index_digest: str) -> Image:
    descriptor = manifest.config
    if descriptor.size > CONFIG_LIMIT:
        raise LimitExceeded(f"the image's config has {descriptor.size} bytes; at most {CONFIG_LIMIT} are read")
    config = parse_config(source.read_blob(descriptor, CONFIG_LIMIT), descriptor)
    return Image(manifest.digest, reference, config, join_layers(manifest, config), source, index_digest)


def _children(source: Source, index: Index) -> t.Iterator[Descriptor]:
    """The images of an index; those of nested indexes too, since nodes look into them.

    Beside a nested index, the order in which a node tries platforms depends on the nesting, so that what is only a
    fallback gets no platform: it then counts for all.
    """
    nests = any(entry.media_type in INDEX_TYPES for entry in index.entries)
    count = nested = 0
    pending = [(entry, 1) for entry in reversed(index.entries)]
    while pending:
        entry, depth = pending.pop()
        if is_attestation(entry):
            continue
        if entry.media_type not in INDEX_TYPES:
            count += 1
            if count > CHILD_LIMIT:
                raise LimitExceeded(f"the index names more than {CHILD_LIMIT} images")
            if entry.platform is None and _is_artifact(source, entry):
                continue
            yield dataclasses.replace(entry, platform=None) if nests and is_fallback(entry.platform) else entry
            continue
        nested += 1
        if depth > _NESTING_LIMIT or nested > _NESTED_LIMIT:
            raise LimitExceeded(f"the index nests more than {_NESTED_LIMIT} indexes, or deeper than {_NESTING_LIMIT}")
        inner = parse_manifest(source.read_manifest(entry), entry.media_type, entry.digest)
        if not isinstance(inner, Index):
            raise CorruptData(f"{entry.digest} is not an index, though the index that names it says so")
        pending.extend((child, depth + 1) for child in reversed(inner.entries))


def _is_artifact(source: Source, entry: Descriptor) -> bool:
    """True if an entry without a platform proves that it is not an image; one that cannot be read proves nothing."""
    try:
        return entry.media_type == OCI_MANIFEST and is_artifact(source.read_manifest(entry), entry.digest)
    except ScanError:
        return False
