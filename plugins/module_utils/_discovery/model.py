# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a search for images: names, what is known of images, and the three lists in which all of it ends."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import typing as t

#: Lines of equal reason that are listed one by one; the others are one line with their number.
LINES = 100
#: Labels that tell what an image is; the others stay in the inventory.
LABELS = (
    "name",
    "version",
    "release",
    "vendor",
    "com.redhat.component",
    "org.opencontainers.image.title",
    "org.opencontainers.image.version",
    "org.opencontainers.image.source",
)
LABEL_LIMIT = 300
#: What the image that we scan with says of itself. Anybody can say it, so its digest must be the known one, too.
SCANNER_LABEL = ("imagescan.github.io/component", "scanner")


@dataclasses.dataclass(frozen=True)
class NamedImage:
    """A name that somebody or something gave.

    ``source``: name of the source.
    ``digest``: what it is, where its holder knows that already.
    ``image_id``: what runs, where the runtime gave a digest of which nobody knows whether it is a manifest's or a
    config's. ``doubtful``: the repository of the name need not have this digest.
    ``past``: not its holder says that the name has this digest, but something that was made when it had it
    (``IMPORT`` or ``POD`` of ``_images.sightings``); ``seen``: when that was, RFC 3339, where it is known.
    """

    name: str
    source: str
    digest: str = ""
    image_id: str = ""
    doubtful: bool = False
    past: str = ""
    seen: str = ""


@dataclasses.dataclass
class NameUsage:
    """Who uses what has a name: numbers of the pods that run it, namespaces where it runs or is named.

    ``started``: when the last of its containers did, RFC 3339, empty where that is not known.
    """

    pods: set[int] = dataclasses.field(default_factory=set)
    namespaces: set[str] = dataclasses.field(default_factory=set)
    started: str = ""


@dataclasses.dataclass(frozen=True)
class ImageFacts:
    """Facts about an image.

    ``reference``: the name under which its holder knows it, pinned, or empty. ``config``: digest of its config.
    ``layers``: first 12 hex digits of each layer's digest, lowest first. ``size``: compressed bytes, 0 unknown.
    ``children``: of an index, digest and platform of its images. ``scanner``: it says that it is our scanner.
    """

    digest: str
    kind: str = ""
    reference: str = ""
    platform: str = ""
    created: str = ""
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    size: int = 0
    layers: tuple[str, ...] = ()
    config: str = ""
    children: tuple[tuple[str, str], ...] = ()
    scanner: bool = False


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Images and names that a cluster knows.

    ``facts``: by digest. ``tags``: canonical name of an image stream's tag -> the digest that it means now.
    ``registries``: hosts of the cluster's own registry, best to use first; other hosts go before them.
    ``reported``: digests that nothing needs to name, since they are in one of the lists already.
    ``cluster``: its identity, empty where nothing was asked for it.
    """

    facts: t.Mapping[str, ImageFacts] = dataclasses.field(default_factory=dict)
    tags: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    registries: tuple[str, ...] = ()
    reported: frozenset[str] = frozenset()
    cluster: str = ""

    def joined(self, part: Catalogue) -> Catalogue:
        """Add what another source of the cluster knows."""
        return Catalogue(
            {**self.facts, **part.facts},
            {**self.tags, **part.tags},
            (*self.registries, *part.registries),
            self.reported | part.reported,
            self.cluster or part.cluster,
        )


@dataclasses.dataclass(frozen=True)
class Arrival:
    """A name of an image that somebody told of. ``digest``: empty where nobody knows it yet.

    ``source``: who told, ``namespace``: where, or empty. ``mark``: what else makes it another one: the UID of an Image
    object, since one that was made anew has lost its flag. ``code`` and ``message``: why it could not be identified.
    ``told``: of a name with a tag, who says that it has this digest (``_images.sightings``), empty where nobody can
    prove it; ``seen``: when it had, RFC 3339; ``cluster``: which one said so, where names differ by cluster.
    """

    reference: str
    digest: str = ""
    source: str = ""
    namespace: str = ""
    mark: str = ""
    code: str = ""
    message: str = ""
    told: str = ""
    seen: str = ""
    cluster: str = ""

    @property
    def print(self) -> str:
        """Identity by which it is remembered."""
        text = json.dumps([self.reference, self.digest, self.mark, self.code])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Unidentified:
    """Something that should be an image and could not be resolved."""

    name: str
    source: str
    code: str
    message: str

    def arrival(self, namespace: str = "") -> Arrival:
        """Tell of it as of an image that appeared."""
        return Arrival(self.name, source=self.source, namespace=namespace, code=self.code, message=self.message)


@dataclasses.dataclass(frozen=True)
class Excluded:
    """Names left out on purpose, and why. ``count``: how many things the line stands for."""

    name: str
    reason: str
    count: int = 1


@dataclasses.dataclass
class DiscoveredImage:
    """An image, under all the names that lead to it.

    ``names``: who told of those references that have a tag. ``platforms``: of an index, those of its images.
    ``indexes``: digests of the found indexes that list it.
    ``used_by``: number of pods, and namespaces; None where no workloads were read.
    """

    digest: str
    kind: str
    references: list[str]
    sources: list[str]
    platform: str
    platforms: list[str]
    created: str
    labels: dict[str, str]
    size: int = 0
    layers: list[str] = dataclasses.field(default_factory=list)
    indexes: list[str] = dataclasses.field(default_factory=list)
    names: list[dict[str, str]] = dataclasses.field(default_factory=list)
    used_by: dict[str, t.Any] | None = None


@dataclasses.dataclass(frozen=True)
class Discovery:
    """Everything that was named ends in exactly one of the three lists."""

    found: tuple[DiscoveredImage, ...]
    excluded: tuple[Excluded, ...]
    unidentified: tuple[Unidentified, ...]


def telling_labels(labels: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Those labels that tell what an image is."""
    return {key: str(labels[key])[:LABEL_LIMIT] for key in LABELS if key in labels}


def is_scanner(labels: t.Mapping[str, t.Any]) -> bool:
    """Return whether an image says that it is our scanner."""
    return labels.get(SCANNER_LABEL[0]) == SCANNER_LABEL[1]


def short_digest(digest: str) -> str:
    """The first 12 hex digits of a digest."""
    return digest.partition(":")[2][:12]


def fold(lines: t.Iterable[Excluded]) -> list[Excluded]:
    """The lines with equal ones added up, of each reason at most ``LINES``; the others become one with their number."""
    counts: dict[tuple[str, str], int] = {}
    for line in lines:
        counts[line.name, line.reason] = counts.get((line.name, line.reason), 0) + line.count
    folded: list[Excluded] = []
    shown_lines: collections.Counter[str] = collections.Counter()
    unlisted: dict[str, int] = {}
    for (name, reason), count in counts.items():
        shown_lines[reason] += 1
        if shown_lines[reason] <= LINES:
            folded.append(Excluded(name, reason, count))
        else:
            unlisted[reason] = unlisted.get(reason, 0) + count
    return folded + [Excluded(f"{count} more", reason, count) for reason, count in unlisted.items()]
