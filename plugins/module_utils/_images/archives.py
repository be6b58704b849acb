# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of ``docker save``, old (a folder for each layer, links between equal ones) and new (OCI-shaped).

Such an archive holds no manifest, so it has no manifest digest either. The identity that we give it is the sha256 of
the canonical Docker schema 2 manifest (sorted keys, no blanks) of its config and of its layers as they lie in the
archive. It is stable for one archive's content, whatever its member order, times or tags, but differs from the digest
that a registry would have for the same image, where layers are compressed.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from .._core.errors import CorruptData, InputError
from .._core.safe_json import field, read_json
from .._core.text import quoted
from .files import Member, TarMembers
from .manifests import (
    CONFIG_LIMIT,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    LAYER_LIMIT,
    MANIFEST_LIMIT,
    digest_of,
    parse_config,
)
from .model import BlobReader, Descriptor, Image, Layer
from .references import parse_reference

MANIFEST_FILE = "manifest.json"
_HEX_NAME = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")
_BLOB_NAME = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_PIECE = 1 << 20


class DockerArchive:
    """A ``docker save`` archive with one or more images."""

    def __init__(self, path: str, members: TarMembers | None = None) -> None:
        self.path = path
        self._members = members or TarMembers(path)
        if MANIFEST_FILE not in self._members:
            raise CorruptData(f"the archive has no {MANIFEST_FILE}; expected one made by docker save (1.10 or newer)")
        entries = read_json(
            self._members.read(MANIFEST_FILE, MANIFEST_LIMIT), f"the archive's {MANIFEST_FILE}", limit=MANIFEST_LIMIT
        )
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise CorruptData(f"the archive's {MANIFEST_FILE} is not a list of images")
        self._entries: list[dict[str, t.Any]] = entries

    def selectors(self) -> list[str]:
        """Selectors behind the path for each image: nothing for the only one, ``:REFERENCE``, else ``:@NUMBER``."""
        if len(self._entries) == 1:
            return [""]
        return [
            f":{tags[0]}" if tags else f":@{number}"
            for number, tags in enumerate(self._tags(entry) for entry in self._entries)
        ]

    def open_image(self, selector: str, reference: str) -> Image:
        """The image that ``selector`` (a reference, ``@NUMBER`` or empty for the only one) names."""
        entry = self._select(selector)
        subject = f"the archive's {MANIFEST_FILE}"
        config_name = field(entry, "Config", str, subject)
        layer_names: list[t.Any] = field(entry, "Layers", list, subject) or []
        if not config_name or not all(isinstance(name, str) for name in layer_names) or len(layer_names) > LAYER_LIMIT:
            raise CorruptData(f"{subject} has an image without Config, or with odd Layers")
        data = self._members.read(config_name, CONFIG_LIMIT)
        named = _HEX_NAME.fullmatch(config_name)
        config_digest = f"sha256:{named.group(1)}" if named else digest_of(data)
        config_descriptor = Descriptor(DOCKER_CONFIG, config_digest, len(data))
        config = parse_config(data, config_descriptor)
        if len(layer_names) != len(config.diff_ids):
            raise CorruptData(f"{subject} has {len(layer_names)} layers, the config {len(config.diff_ids)} diff_ids")
        blobs: dict[str, Member] = {}
        layers = []
        for name, diff_id in zip(layer_names, config.diff_ids):
            member = self._members.find(name)
            descriptor = self._describe(member, diff_id)
            blobs[descriptor.digest] = member
            layers.append(Layer(descriptor, diff_id))
        return Image(
            digest=_identity(config_descriptor, layers),
            reference=reference,
            config=config,
            layers=tuple(layers),
            source=_Blobs(self._members, blobs),
        )

    def _select(self, selector: str) -> dict[str, t.Any]:
        if not selector:
            entries = self._entries
        elif selector.startswith("@"):
            number = _number(selector)
            entries = self._entries[number : number + 1]
        else:
            reference = parse_reference(selector)
            entries = [entry for entry in self._entries if reference in map(parse_reference, self._tags(entry))]
        if len(entries) == 1:
            return entries[0]
        selectors = ", ".join(quoted(text, 80) for text in self.selectors()[:10])
        asked = f"named {quoted(selector)}" if selector else "and no name was given"
        raise InputError(
            f"the archive has {len(entries) or 'no'} images {asked}; expected exactly one",
            hint=f"add one of {selectors}",
            code=None if entries else "image-not-found",
        )

    def _tags(self, entry: dict[str, t.Any]) -> list[str]:
        subject = f"the archive's {MANIFEST_FILE}, RepoTags"
        tags: list[t.Any] = field(entry, "RepoTags", list, subject) or []
        for tag in tags:
            if not isinstance(tag, str):
                raise CorruptData(f"{subject} has an entry that is not text")
            try:
                parse_reference(tag)
            except InputError as error:
                raise CorruptData(f"{subject}: {error.message}") from error
        return tags

    def _describe(self, member: Member, diff_id: str) -> Descriptor:
        """A descriptor for a layer as it lies in the archive. Its digest is verified by whoever reads the layer."""
        reader = self._members.open(member)
        try:
            head = reader.read(4)
            compression = _MAGICS.get(head[:2]) or _MAGICS.get(head)
            if compression is None:
                return Descriptor(DOCKER_LAYER, diff_id, member.size)
            named = _BLOB_NAME.fullmatch(member.name)
            if named:
                digest = f"sha256:{named.group(1)}"
            else:
                hasher = hashlib.sha256(head)
                while True:
                    piece = reader.read(_PIECE)
                    if not piece:
                        break
                    hasher.update(piece)
                digest = f"sha256:{hasher.hexdigest()}"
            return Descriptor(f"{DOCKER_LAYER}.{compression}", digest, member.size)
        finally:
            reader.close()


_MAGICS: t.Mapping[bytes, str] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class _Blobs:
    def __init__(self, members: TarMembers, blobs: t.Mapping[str, Member]) -> None:
        self._members = members
        self._blobs = blobs

    def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
        member = self._blobs.get(descriptor.digest)
        if member is None:
            raise CorruptData(f"the archive has no layer {descriptor.digest}", code="blob-not-found")
        return self._members.open(member)


def _number(selector: str) -> int:
    number = selector[1:]
    if not (number.isdecimal() and number.isascii() and len(number) < 7):
        raise InputError(f"{quoted(selector)} is not the number of an image in the archive; expected @0, @1, ...")
    return int(number)


def _identity(config: Descriptor, layers: t.Iterable[Layer]) -> str:
    def described(descriptor: Descriptor) -> dict[str, t.Any]:
        return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}

    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": described(config),
        "layers": [described(layer.descriptor) for layer in layers],
    }
    return digest_of(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode())
