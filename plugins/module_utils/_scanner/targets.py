# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets that a run looks at, and which images of an index count."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from .._core.errors import InputError
from .._core.text import quoted
from .._images.model import Descriptor, Platform
from .._images.platforms import choose
from .._images.references import TRANSPORTS, is_digest, parse_reference
from .._images.sightings import SOURCES, TOLD, Sighting

_LAYER = re.compile(r"[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True)
class Request:
    """One image to look at. ``references``: the names under which people know it; ``digest``: empty when not known.

    What discovery learnt and a plan can use: ``size`` in compressed bytes (0: unknown), ``layers`` (the first 12 hex
    digits of each layer's digest, lowest first), ``platform``, and ``kind`` as ``image_info`` names it. ``sightings``:
    who told that the names lead to the digest; none where it is not known.
    """

    target: str
    digest: str = ""
    references: tuple[str, ...] = ()
    size: int = 0
    layers: tuple[str, ...] = ()
    platform: str = ""
    kind: str = ""
    sightings: tuple[Sighting, ...] = ()

    @property
    def reference(self) -> str:
        """The first name, or the target where there is none."""
        return self.references[0] if self.references else self.target


def is_local(target: str) -> bool:
    """Return whether a target lies on this machine and not in a registry."""
    transport, colon, _path = target.partition(":")
    return bool(colon) and transport in TRANSPORTS


def canonical_name(text: str) -> str:
    """The name under which a target is kept: the canonical form of a reference, a local target made absolute."""
    if is_local(text):
        transport, _colon, path = text.partition(":")
        return f"{transport}:{absolute(path)}" if path else text
    return str(parse_reference(text[len("docker://") :] if text.startswith("docker://") else text))


def absolute(path: str) -> str:
    """A path that a person wrote, with its home folder and without its dots; symlinks stay."""
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - a tag may stand behind it


def _are_texts(entries: t.Iterable[object]) -> bool:
    return all(isinstance(entry, str) for entry in entries)


def _request_of_text(entry: str) -> Request:
    name = canonical_name(entry.strip())
    digest = "" if is_local(name) else parse_reference(name).digest
    return Request(name, digest, (name,), sightings=(Sighting(name, digest, TOLD),) if digest else ())


def request_of(entry: t.Any) -> Request:
    """Read one entry of an ``images`` option: a target as text, or a dictionary as ``image_info`` returns it."""
    if isinstance(entry, str):
        return _request_of_text(entry)
    if not isinstance(entry, dict):
        raise InputError(f"{quoted(str(entry), 80)} does not name an image; expected text, or what image_info returns")
    digest = entry.get("digest") or ""
    if not isinstance(digest, str) or (digest and not is_digest(digest)):
        raise InputError(f"the digest {quoted(str(digest), 100)} of an image is none; expected sha256:<64 digits>")
    names = _names(entry, digest)
    sightings = _sightings(entry.get("names") or [], digest, names) if digest else ()
    return Request(pinned(names[0], digest), digest, names, sightings=sightings, **_facts(entry))


def _names(entry: dict[str, t.Any], digest: str) -> tuple[str, ...]:
    reference = entry.get("reference") or ""
    references = entry.get("references") or []
    if not isinstance(references, list) or not _are_texts([reference, *references]):
        raise InputError("an image's reference must be text, and its references a list of texts")
    if not reference:
        raise InputError(
            f"the image {digest or quoted(str(entry), 80)} has no reference, so nobody knows where to fetch it"
        )
    return tuple(dict.fromkeys(map(canonical_name, [reference, *references])))


def _sighting(name_entry: dict[str, t.Any], digest: str) -> Sighting:
    texts = [name_entry.get(key, "") for key in ("reference", "source", "seen", "cluster")]
    if not _are_texts(texts) or texts[1] not in SOURCES:
        raise InputError(
            f"a name of the image {digest} is {quoted(str(name_entry), 200)}; expected reference, source, seen and "
            f"cluster as text, and as source one of {', '.join(SOURCES)}"
        )
    return Sighting(canonical_name(texts[0]), digest, *texts[1:])


def _sightings(names_given: t.Any, digest: str, names: tuple[str, ...]) -> tuple[Sighting, ...]:
    """Who told of each name. Of one that nobody is named for, whoever wrote the entry did."""
    if not isinstance(names_given, list) or not all(isinstance(name_entry, dict) for name_entry in names_given):
        raise InputError("the names of an image must be a list of dictionaries, as image_info returns them")
    sightings = [_sighting(name_entry, digest) for name_entry in names_given]
    references = {sighting.reference for sighting in sightings}
    return (*sightings, *(Sighting(name, digest, TOLD) for name in names if name not in references))


def _is_layer(layer: object) -> bool:
    return isinstance(layer, str) and _LAYER.fullmatch(layer) is not None


def _is_size(size: object) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and size >= 0


def _facts(entry: dict[str, t.Any]) -> dict[str, t.Any]:
    """Size, layers, platform and kind, as far as they are given."""
    size, layers = entry.get("size") or 0, entry.get("layers") or []
    if not _is_size(size):
        raise InputError(f"the size of an image is {quoted(str(size), 40)}; expected a number of bytes")
    if not isinstance(layers, list) or not all(map(_is_layer, layers)):
        raise InputError("the layers of an image must be a list of the first 12 hex digits of each layer's digest")
    texts = {name: entry.get(name) or "" for name in ("platform", "kind")}
    if not _are_texts(texts.values()):
        raise InputError("an image's platform and kind must be text")
    return {"size": size, "layers": tuple(layers), **texts}


def named(entry: t.Any) -> Request:
    """Read one entry of an ``images`` option that picks out of a store: there a digest alone is enough.

    A name that is none is kept as it is: the store may hold its error.
    """
    if isinstance(entry, str) and is_digest(entry.strip()):
        return Request("", entry.strip(), ())
    if isinstance(entry, dict):
        if entry.get("digest"):
            return request_of(entry)
        if entry.get("code"):  # what image_info could not identify is kept under the name that it has there
            return Request("", "", (str(entry.get("reference", "")),))
        entry = entry.get("reference", "")
    if not isinstance(entry, str) or not entry.strip():
        raise InputError(f"{quoted(str(entry), 80)} does not name an image; expected a reference or a digest")
    try:
        name = canonical_name(entry.strip())
    except InputError:
        name = entry
    return Request("", "", (name,))


def pinned(name: str, digest: str) -> str:
    """The target that gives exactly this digest: a tag may move between discovery and scan."""
    if not digest or is_local(name):
        return name
    return str(dataclasses.replace(parse_reference(name), tag="", digest=digest))


def child_name(name: str, digest: str) -> str:
    """The target for one image of an index that is known as ``name``."""
    if is_local(name):
        return f"{_without_version(name)}@{digest}"
    return str(dataclasses.replace(parse_reference(name), tag="", digest=digest))


def _without_version(target: str) -> str:
    """A local target without ``:tag`` or ``@digest`` behind its path; a path may hold colons itself."""
    transport, _colon, place = target.partition(":")
    path, at, digest = place.rpartition("@")
    if at and is_digest(digest):
        return f"{transport}:{path}"
    ends = [position for position, character in enumerate(place) if character == ":"]
    for end in ends:
        if os.path.exists(place[:end]) and not os.path.exists(place):  # noqa: PTH110 - text in, text out
            return f"{transport}:{place[:end]}"
    return target


def choose_children(
    children: t.Sequence[Descriptor], platforms: t.Sequence[Platform]
) -> tuple[tuple[Descriptor, ...], tuple[str, ...]]:
    """Choose the images of an index that count (``platforms.choose``); they and the platforms that nobody serves."""
    chosen, missing = choose([child.platform for child in children], platforms)
    return tuple(children[position] for position in chosen), tuple(map(str, missing))
