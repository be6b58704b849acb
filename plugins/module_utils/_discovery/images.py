# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image objects of OpenShift, and the image streams that give them names, as their API has them.

Source of the shapes: openshift/api, image/v1 and image/docker10. Every field is foreign: what has another type than it
should counts as absent, and an object without an identity is reported.
"""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

from .._core.errors import InputError, ScanError
from .._core.text import quoted
from .._images.manifests import CHILD_LIMIT, INDEX_TYPES, LAYER_LIMIT
from .._images.references import Reference, is_digest, is_tag, parse_reference
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import OF_THE_CLUSTER
from .model import ImageFacts, Unidentified, is_scanner, short_digest, telling_labels
from .selection import array, entries, full_name, obj, on_one_line, text

GROUP = "image.openshift.io"
PREFIX = f"/apis/{GROUP}/v1"
NAME = "openshift"
#: The name under which pods reach the integrated registry.
INTEGRATED_REGISTRY = "image-registry.openshift-image-registry.svc:5000"
LAYERS_ORDER = "image.openshift.io/dockerLayersOrder"
#: Bounds of one stream; real ones keep 10 images a tag at most once they are pruned.
TAG_LIMIT, HISTORY_LIMIT = 10_000, 20_000
#: Streams that are asked for one by one, where they were not listed.
STREAM_LOOKUPS = 1000
_SIZE_LIMIT = 1 << 62


@dataclasses.dataclass(frozen=True)
class StreamTag:
    """A tag: its images (digest, pull specification), newest first. ``failure``: why there is none.

    ``origin``: the name that the newest image was imported from, and ``imported`` when, RFC 3339. That name may have
    another image by now; or it always had: of an index, an import may keep one image alone (``importMode: Legacy``).
    """

    name: str
    items: tuple[tuple[str, str], ...]
    origin: str = ""
    failure: str = ""
    imported: str = ""


@dataclasses.dataclass(frozen=True)
class ImageStream:
    """An image stream. ``repositories``: its names in the integrated registry, that for the outside first."""

    namespace: str
    name: str
    repositories: tuple[str, ...]
    tags: tuple[StreamTag, ...]
    problem: str = ""

    @property
    def full_name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


@dataclasses.dataclass(frozen=True)
class ImageObject:
    """One Image object, and which entries of its index describe others (signatures, provenance)."""

    facts: ImageFacts
    attestations: tuple[str, ...] = ()


def read_image(item: dict[str, t.Any]) -> ImageObject | Unidentified:
    """Read an Image object."""
    metadata = obj(item, "metadata")
    digest = text(metadata, "name")
    if not is_digest(digest):
        return Unidentified(
            f"image {quoted(digest, 100)}", NAME, "corrupt-data", "the name of this Image object is not a digest"
        )
    docker = obj(item, "dockerImageMetadata")
    labels = obj(docker, "Config", "Labels")
    children, attestations = _children(item)
    layers = array(item, "dockerImageLayers", LAYER_LIMIT)
    size = sum(_number(obj(layer), "size") for layer in layers) or _number(docker, "Size")
    config = text(docker, "Id")
    facts = ImageFacts(
        digest,
        kind="index",
        reference=pinned(text(item, "dockerImageReference"), digest),
        size=min(size, _SIZE_LIMIT),
        layers=_short_layers(layers, text(obj(metadata, "annotations"), LAYERS_ORDER) == "descending"),
        config=config if is_digest(config) else "",
        children=children,
        scanner=is_scanner(labels),
    )
    media_type = text(item, "dockerImageManifestMediaType")
    if media_type not in INDEX_TYPES and not children:
        architecture = text(docker, "Architecture", 64)
        facts = dataclasses.replace(
            facts,
            # Without any of these it may be anything, an index too.
            kind="image" if any((media_type, layers, architecture)) else "",
            platform=f"{text(docker, 'Os', 64) or 'linux'}/{architecture}" if architecture else "",
            created=text(docker, "Created", 64),
            labels=telling_labels({key: text(labels, key) for key in labels}),
        )
    return ImageObject(facts, attestations)


def _short_layers(layers: list[t.Any], descending: bool) -> tuple[str, ...]:
    """The digests of layers, lowest first; none where one is not known."""
    digests = [text(layer, "name") for layer in layers if isinstance(layer, dict)]
    shorts = tuple(short_digest(digest) for digest in digests if is_digest(digest))
    if len(shorts) < len(layers):
        return ()
    return shorts[::-1] if descending else shorts


def _children(item: dict[str, t.Any]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Images of an index as (digest, platform), and digests of what only describes them."""
    children, attestations = [], []
    for entry in entries(item, "dockerImageManifests", CHILD_LIMIT):
        if not is_digest(text(entry, "digest")):
            continue  # the index itself is read when it is scanned; this list only tells of it
        parts = [text(entry, name, 64).lower() for name in ("os", "architecture", "variant")]
        if parts[:2] == ["unknown", "unknown"]:
            attestations.append(text(entry, "digest"))
        else:
            children.append((text(entry, "digest"), "/".join(part for part in parts if part)))
    return tuple(children), tuple(attestations)


def read_stream(item: dict[str, t.Any]) -> ImageStream:
    """Read an image stream."""
    spec, status = obj(item, "spec"), obj(item, "status")
    hosts = (text(status, "publicDockerImageRepository"), text(status, "dockerImageRepository"))
    specs = {text(entry, "name"): entry for entry in entries(spec, "tags", TAG_LIMIT) if text(entry, "name")}
    tags, problem = _read_tags(status, specs)
    tags.update({name: _not_imported(name, entry) for name, entry in specs.items() if name not in tags})
    if any(len(array(part, "tags", TAG_LIMIT + 1)) > TAG_LIMIT for part in (spec, status)):
        problem = f"it has more than {TAG_LIMIT} tags; the others were not read"
    return ImageStream(
        *full_name(item), tuple(filter(None, hosts)), tuple(tags.values()), problem or _wrong_shape(item)
    )


def _read_tags(status: dict[str, t.Any], specs: t.Mapping[str, dict[str, t.Any]]) -> tuple[dict[str, StreamTag], str]:
    """The tags that have a status, by name, and what of them could not be read."""
    tags: dict[str, StreamTag] = {}
    problem, unread = "", HISTORY_LIMIT
    for entry in array(status, "tags", TAG_LIMIT):
        if not isinstance(entry, dict) or not text(entry, "tag"):
            problem = "an entry of its status has no tag"
            continue
        name = text(entry, "tag")
        if name in tags:
            problem = f"its status has the tag {on_one_line(name)} twice; only one of them was read"
        history = array(entry, "items")
        if len(history) > unread:
            problem = f"it has more than {HISTORY_LIMIT} images; not all of its history was read"
        history = [obj(image) for image in history[:unread]]
        unread -= len(history)
        newest = history[0] if history else {}
        items = tuple((text(image, "image"), text(image, "dockerImageReference")) for image in history)
        origin = _origin(specs.get(name, {}), newest)
        tags[name] = StreamTag(name, items, origin, _failure(entry), text(newest, "created", 64))
    return tags, problem


def _not_imported(name: str, spec: dict[str, t.Any]) -> StreamTag:
    source = obj(spec, "from")
    origin = f"{text(source, 'kind', 60)} {text(source, 'name', 300)}".strip() or "nothing"
    return StreamTag(name, (), failure=f"it was not imported; its specification names {on_one_line(origin)}")


def _wrong_shape(item: dict[str, t.Any]) -> str:
    """Name the part of a stream that has the wrong type; absent parts are good."""
    for part in ("spec", "status"):
        holder = item.get(part)
        if holder is not None and not (isinstance(holder, dict) and isinstance(holder.get("tags") or [], list)):
            return f"its {part} is not an object with a list of tags"
    return ""


def _origin(spec: dict[str, t.Any], newest: dict[str, t.Any]) -> str:
    """The name that the newest image was imported from, if the specification has not changed since."""
    source = obj(spec, "from")
    generation = spec.get("generation")
    if text(source, "kind") != "DockerImage" or generation is None or generation != newest.get("generation"):
        return ""
    return text(source, "name")


def _failure(entry: dict[str, t.Any]) -> str:
    for condition in entries(entry, "conditions", 20):
        if text(condition, "status") == "False":
            said = text(condition, "message") or text(condition, "reason")
            return f"its import failed: {on_one_line(said)}" if said else "its import failed"
    return "it has no image yet"


def _number(holder: dict[str, t.Any], name: str) -> int:
    value = holder.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _SIZE_LIMIT else 0


def parsed(name: str) -> Reference | None:
    try:
        return parse_reference(name)
    except InputError:
        return None


def pinned(name: str, digest: str) -> str:
    """The repository of a pull specification with this digest; empty where it is none."""
    reference = parsed(name)
    return str(Reference(reference.registry, reference.repository, digest=digest)) if reference else ""


def tagged(repository: str, tag: str) -> str:
    reference = parsed(f"{repository}:{tag}") if is_tag(tag) else None
    return str(reference) if reference else ""


def tag_digest(tag: StreamTag) -> str:
    """The digest that a tag means now; empty where the stream does not know it."""
    return item_digest(*tag.items[0]) if tag.items else ""


def item_digest(image: str, specification: str) -> str:
    if is_digest(image):
        return image
    reference = parsed(specification)
    return reference.digest if reference else ""


class StreamTags:
    """Finds what a tag of an image stream means; asks the server for streams that were not listed."""

    def __init__(self, client: KubernetesClient, streams: t.Mapping[tuple[str, str], ImageStream]) -> None:
        self._client = client
        self._streams: dict[tuple[str, str], ImageStream | ScanError] = dict(streams)
        self._lookups = 0

    def find(self, namespace: str, name: str, tag: str) -> tuple[str, str]:
        """Reference and digest of a tag; the digest is empty where only the reference is known. Raises ScanError."""
        stream = self._stream(namespace, name)
        entry = next((entry for entry in stream.tags if entry.name == tag), None)
        subject = f"image stream {namespace}/{name}"
        if entry is None:
            raise ScanError(f"it has no tag {quoted(tag, 100)}", code="no-such-tag", subject=subject)
        if not entry.items:
            raise ScanError(f"tag {quoted(tag, 100)}: {entry.failure}", code="import-failed", subject=subject)
        image, specification = entry.items[0]
        digest = item_digest(image, specification)
        names = [tagged(repository, tag) for repository in stream.repositories[-1:]] if digest else []
        reference = parsed(specification)
        names.append(pinned(specification, digest) if digest else str(reference or ""))
        for pulled in filter(None, names):
            return pulled, digest
        raise ScanError(f"tag {quoted(tag, 100)} has no name to pull it by", code="no-reference", subject=subject)

    def _stream(self, namespace: str, name: str) -> ImageStream:
        stream = self._streams.get((namespace, name))
        if stream is None:
            self._lookups += 1
            try:
                if self._lookups > STREAM_LOOKUPS:
                    raise ScanError(
                        f"more than {STREAM_LOOKUPS} image streams are named",
                        code="limit-exceeded",
                        hint="use the source openshift too, which lists them",
                    )
                parts = [urllib.parse.quote(part, safe="") for part in (namespace, name)]
                stream = read_stream(self._client.get(f"{PREFIX}/namespaces/{parts[0]}/imagestreams/{parts[1]}"))
            except ScanError as error:
                if error.code in OF_THE_CLUSTER:
                    raise
                stream = error
            self._streams[namespace, name] = stream
        if isinstance(stream, ScanError):
            raise stream
        return stream
