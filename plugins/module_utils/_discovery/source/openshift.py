# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of OpenShift: Image objects, and the names that image streams give them."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

from ..._core.errors import InputError
from ..._core.times import exact_now_text
from ..._images.sightings import IMPORT, STREAM
from ..cluster import Cluster
from ..images import (
    GROUP,
    NAME,
    PREFIX,
    ImageObject,
    ImageStream,
    StreamTag,
    item_digest,
    parsed,
    pinned,
    read_image,
    read_stream,
    tag_digest,
    tagged,
)
from ..model import Arrival, Catalogue, ImageFacts, NamedImage, Unidentified
from ..selection import LeftOut, chosen, obj, on_one_line, patterns, text
from .model import DiscoverySource, Gathered, Params, WatchedKind


@dataclasses.dataclass(frozen=True)
class StreamQuery:
    """Which tags of image streams count. Patterns must match the whole name; a stream's also ``namespace/name``.

    ``history``: the older images of a tag, too.
    """

    streams: tuple[re.Pattern[str], ...] = ()
    tags: tuple[re.Pattern[str], ...] = ()
    history: bool = True


NAMELESS = "this Image object has no name to pull it by"


def parse(options: Params, _params: Params) -> StreamQuery:
    """Read the options of the source."""
    streams, tags = (patterns(options, name, "openshift.") for name in ("streams", "tags"))
    return StreamQuery(streams, tags, options["history"])


#: What to do on a cluster without this API.
ELSEWHERE = "use the source workloads, or the source registry with its registry"


def check(cluster: Cluster, hint: str = "watch pods, or poll its registries") -> None:
    """Raise InputError for a cluster without this API."""
    if not cluster.client.has_group(GROUP):
        raise InputError(f"{cluster.client.server} has no {GROUP}, so it is not OpenShift", hint=hint)


def gather(query: StreamQuery, cluster: Cluster) -> Gathered:
    """List all Image objects and image streams, and the names that the chosen tags give.

    Raises InputError on a cluster without this API, ApiError where it cannot be listed whole.
    """
    check(cluster, ELSEWHERE)
    objects: list[ImageObject | Unidentified] = cluster.items(PREFIX, "images", read_image, namespaced=False)
    streams = {(stream.namespace, stream.name): stream for stream in cluster.items(PREFIX, "imagestreams", read_stream)}
    cluster.streams = streams
    gathered = _StreamReading(query, cluster).read(objects, streams.values())
    gathered.unidentified += cluster.unseen({stream.namespace for stream in streams.values()}, NAME)
    return gathered


class _StreamReading:
    """Brings Image objects and streams together."""

    def __init__(self, query: StreamQuery, cluster: Cluster) -> None:
        self._query = query
        self._cluster = cluster
        self._gathered = Gathered()
        self._facts: dict[str, ImageFacts] = {}
        self._attestations: set[str] = set()  # what only describes images of an index
        self._left_out = LeftOut()
        self._in_streams: set[str] = set()  # digests that some stream names, chosen or not
        self._reported: set[str] = set()  # digests that are in one of the lists already

    def read(self, objects: t.Iterable[ImageObject | Unidentified], streams: t.Collection[ImageStream]) -> Gathered:
        for item in objects:
            if isinstance(item, Unidentified):
                self._gathered.unidentified.append(item)
                continue
            self._facts[item.facts.digest] = item.facts
            self._attestations.update(item.attestations)
        for stream in streams:
            self._take(stream)
        self._take_unnamed()
        self._gathered.excluded += self._left_out.lines()
        self._gathered.catalogue = Catalogue(
            self._facts, _tags(streams), _registries(streams), frozenset(self._reported)
        )
        return self._gathered

    def _take(self, stream: ImageStream) -> None:
        """The names that a stream gives."""
        for tag in stream.tags:
            self._in_streams.update(item_digest(*item) for item in tag.items)
        if not (stream.tags or stream.problem) or self._is_left_out(stream):
            return
        label = f"image stream {stream.full_name}"
        if stream.problem:
            self._gathered.unidentified.append(Unidentified(label, NAME, "corrupt-data", stream.problem))
        for tag in stream.tags:
            if chosen(tag.name, self._query.tags):
                self._take_tag(stream, tag)
            else:
                self._left_out.add(label, "no pattern of openshift.tags matches")

    def _is_left_out(self, stream: ImageStream) -> bool:
        number = max(1, len(stream.tags))
        reason = self._cluster.refusal(stream.namespace)
        if reason:
            self._left_out.add(f"namespace {stream.namespace}", reason, number)
            return True
        if any(chosen(name, self._query.streams) for name in (stream.full_name, stream.name)):
            return False
        self._left_out.add(f"image stream {stream.full_name}", "no pattern of openshift.streams matches", number)
        return True

    def _take_tag(self, stream: ImageStream, tag: StreamTag) -> None:
        """The names of the images of a tag, without its history where that is not asked for."""
        if not tag.items:
            self._fail(stream, tag, "import-failed", tag.failure)
        items = tag.items if self._query.history else tag.items[:1]
        for number, item in enumerate(items):
            self._take_item(stream, tag, number, *item)
        if len(items) < len(tag.items):
            older = len(tag.items) - len(items)
            self._left_out.add(f"image stream {stream.full_name}", "older images of a tag (history)", older)

    def _take_item(self, stream: ImageStream, tag: StreamTag, number: int, image: str, specification: str) -> None:
        """The names of one image of a tag; only the newest has the tag itself as a name."""
        digest = item_digest(image, specification)
        if not digest:
            # A tag that only points elsewhere (reference: true) has no image, but its pull specification.
            reference = parsed(specification)
            if reference is None:
                self._fail(stream, tag, "corrupt-data", "one of its images has neither a digest nor a name to pull by")
            else:
                self._gathered.named.append(NamedImage(str(reference), NAME))
            return
        names = []
        if number == 0:
            names = [tagged(repository, tag.name) for repository in stream.repositories]
            self._take_origin(tag, digest, specification)
        names.append(pinned(specification, digest))
        names.append(self._facts[digest].reference if digest in self._facts else "")
        if not any(names):
            names = [pinned(repository, digest) for repository in stream.repositories]
        if not any(names):
            self._fail(stream, tag, "no-reference", f"its image {digest} has no name to pull it by")
            self._reported.add(digest)
        self._gathered.named += [NamedImage(name, NAME, digest) for name in dict.fromkeys(filter(None, names))]

    def _take_origin(self, tag: StreamTag, digest: str, specification: str) -> None:
        """The name that the newest image of a tag was imported from. It had this image then, and may have another."""
        origin, pulled = parsed(tag.origin), parsed(specification)
        if not (origin and origin.tag and not origin.digest and pulled and pulled.name == origin.name):
            return
        self._gathered.named.append(NamedImage(str(origin), NAME, digest, past=IMPORT, seen=tag.imported))

    def _fail(self, stream: ImageStream, tag: StreamTag, code: str, message: str) -> None:
        label = f"image stream {stream.full_name}, tag {on_one_line(tag.name)}"
        names = (tagged(repository, tag.name) for repository in reversed(stream.repositories))
        name = next(filter(None, names), label)
        self._gathered.unidentified.append(Unidentified(name, NAME, code, f"{label}: {message}"))

    def _take_unnamed(self) -> None:
        """Images that no stream names; those of an index come with it."""
        if any((self._cluster.selection.is_narrow, self._query.streams, self._query.tags)):
            return  # the search counts them as left out
        # An index without a name is reported and names nothing, so its images stand for themselves.
        named = (facts for facts in self._facts.values() if facts.reference or facts.digest in self._in_streams)
        named_elsewhere = self._in_streams.union(child for facts in named for child, _platform in facts.children)
        for digest in self._facts:
            if digest not in named_elsewhere:
                self._take_object(digest)

    def _take_object(self, digest: str) -> None:
        """The name that an Image object itself gives."""
        reference = self._facts[digest].reference
        if digest in self._attestations:
            self._left_out.add("images.image.openshift.io", "they only describe images of an index (unknown/unknown)")
            self._reported.add(digest)
        elif reference:
            self._gathered.named.append(NamedImage(reference, NAME, digest))
        else:
            self._reported.add(digest)
            self._gathered.unidentified.append(Unidentified(digest, NAME, "no-reference", NAMELESS))


def _tags(streams: t.Iterable[ImageStream]) -> dict[str, str]:
    """Canonical name of each tag -> the digest that it means now."""
    return {
        name: tag_digest(tag)
        for stream in streams
        for tag in stream.tags
        for name in (tagged(repository, tag.name) for repository in stream.repositories)
        if name and tag_digest(tag)
    }


def _registries(streams: t.Iterable[ImageStream]) -> tuple[str, ...]:
    """Hosts of the cluster's own registry, those for the outside first."""
    hosts: list[collections.Counter[str]] = [collections.Counter(), collections.Counter()]
    for stream in streams:
        for number, repository in enumerate(reversed(stream.repositories)):
            hosts[number][repository.partition("/")[0]] += 1
    return tuple(dict.fromkeys(host for counter in reversed(hosts) for host, _number in counter.most_common(4)))


def image_arrivals(item: dict[str, t.Any], _cluster: Cluster) -> list[Arrival]:
    """Read the arrivals of an Image object."""
    image = read_image(item)
    if isinstance(image, Unidentified):
        return [image.arrival()]
    facts = image.facts
    if not facts.reference:
        return [Unidentified(facts.digest, "images", "no-reference", NAMELESS).arrival()]
    return [Arrival(facts.reference, facts.digest, "images", mark=text(obj(item, "metadata"), "uid", 64))]


def stream_arrivals(item: dict[str, t.Any], cluster: Cluster) -> list[Arrival]:
    """Read the arrivals of an image stream: its tags, each with its history."""
    stream = read_stream(item)
    if cluster.refusal(stream.namespace):
        return []
    gathered = _StreamReading(StreamQuery(), cluster).read((), (stream,))
    now = exact_now_text()
    arrivals = [
        Arrival(
            image.name,
            image.digest,
            "streams",
            stream.namespace,
            told=image.past or STREAM,
            seen=image.seen if image.past else now,
        )
        for image in gathered.named
    ]
    return arrivals + [problem.arrival(stream.namespace) for problem in gathered.unidentified]


_TEXTS = {"type": "list", "elements": "str", "default": []}
SOURCE = DiscoverySource(
    NAME,
    {
        "type": "dict",
        "options": {"streams": _TEXTS, "tags": _TEXTS, "history": {"type": "bool", "default": True}},
    },
    gather,
    parse,
    in_cluster=True,
    watch=(
        WatchedKind("images", "Image objects", PREFIX, "images", image_arrivals, namespaced=False, check=check),
        WatchedKind("streams", "image streams", PREFIX, "imagestreams", stream_arrivals, check=check),
    ),
)
