# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images there are: names brought to their digests, by what a cluster knows or by asking registries."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import hashlib
import re
import typing as t
from datetime import datetime, timezone

from .._core.errors import RegistryError, ScanError
from .._core.times import exact_now_text, read_time
from .._images.access import Access
from .._images.model import Image, ImageIndex
from .._images.references import parse_reference
from .._images.registry import open_repository
from .._images.sightings import (
    IMPORT,
    POD,
    REGISTRY,
    STREAM,
    Sighting,
    earlier,
    is_of_one_cluster,
    leads_to,
    pinned_digest,
)
from .._images.targets import open_child, open_target
from .._scanner.targets import is_local, pinned
from .model import (
    Catalogue,
    DiscoveredImage,
    Discovery,
    Excluded,
    ImageFacts,
    NamedImage,
    NameUsage,
    Unidentified,
    is_scanner,
    short_digest,
    telling_labels,
)

RESOLVERS = 8
#: Images of an index whose configs are read to find the one that a pod runs.
CHILDREN_TO_COMPARE = 32
#: Questions at a time that one registry gets about names that are in doubt.
_ASKERS = 4
#: Docker's first release was in 2013.
NO_IMAGE_BEFORE = datetime(2013, 1, 1, tzinfo=timezone.utc)


@dataclasses.dataclass(frozen=True)
class ImageFilter:
    """Which of the images that were found are wanted.

    ``exclude``: regular expressions over names. ``in_use``: only what a pod runs. ``scanner_digest``: our scanner's.
    ``ask``: whether registries are asked about what nobody else describes.
    """

    exclude: tuple[re.Pattern[str], ...] = ()
    newer_than: datetime | None = None
    in_use: bool = False
    scanner_digest: str = ""
    ask: bool = True


def facts_of(opened: t.Any) -> ImageFacts:
    """Read the facts of an opened image."""
    if isinstance(opened, Image):
        config = opened.config
        return ImageFacts(
            digest=opened.digest,
            kind="image",
            platform=str(config.platform),
            created=config.created,
            labels=telling_labels(config.labels),
            size=sum(layer.descriptor.size for layer in opened.layers),
            layers=tuple(short_digest(layer.descriptor.digest) for layer in opened.layers),
            config=config.digest,
            scanner=is_scanner(config.labels),
        )
    if isinstance(opened, ImageIndex):
        children = tuple((child.digest, str(child.platform or "")) for child in opened.children)
        return ImageFacts(opened.digest, "index", children=children)
    return ImageFacts(opened.digest, "root_folder")


def discover(
    named: t.Iterable[NamedImage],
    access: Access,
    *,
    wish: ImageFilter | None = None,
    catalogue: Catalogue | None = None,
    uses: t.Mapping[NamedImage, NameUsage] | None = None,
    beat: t.Callable[[int, int], None] = lambda done, total: None,
) -> Discovery:
    """Bring names to digests. One that fails is reported and never stops the others.

    ``uses``: the names that the workloads gave, and who uses them; None where no workloads were read.
    ``beat``: called every second with the numbers of names that are resolved and of all; what it raises ends the run.
    """
    search = _Search(access, wish or ImageFilter(), catalogue or Catalogue(), uses)
    search.take(named)
    search.ask(beat)
    return search.result()


class _Search:
    """One run: names in, each of them settled by what is known or by asking its registry, images out."""

    def __init__(
        self, access: Access, wish: ImageFilter, catalogue: Catalogue, uses: t.Mapping[NamedImage, NameUsage] | None
    ) -> None:
        self._access = access
        self._wish = wish
        self._catalogue = catalogue
        self._uses = uses or {}
        self._tells_use = uses is not None
        self._facts: dict[str, ImageFacts] = dict(catalogue.facts)
        self._names: dict[str, list[NamedImage]] = {}  # digest -> the names that lead to it
        self._open: dict[tuple[str, str], list[NamedImage]] = {}  # (name, image ID) -> names that nobody knows yet
        self._excluded: list[Excluded] = []
        self._unidentified: list[Unidentified] = []
        self._out: set[str] = set()  # digests that were left out by name
        self._configs: dict[str, list[str]] | None = None
        self._began = exact_now_text()
        self._sightings: dict[Sighting, None] = {}
        self._by_digest: dict[str, list[Sighting]] = {}

    def take(self, named: t.Iterable[NamedImage]) -> None:
        """Settle every name that needs no registry."""
        for name in dict.fromkeys((*named, *self._uses)):
            digests = self._digests(name)
            if self._is_excluded(name.name):
                self._out.update(digests)
            elif digests:
                for digest in digests:
                    self._names.setdefault(digest, []).append(name)
                    self._see(name, digest)
            else:
                self._open.setdefault((name.name, name.image_id), []).append(name)

    def _see(self, name: NamedImage, digest: str, source: str = "", seen: str = "") -> None:
        """Keep who told that a name has a digest. What was there before this search cannot be newer than its begin."""
        if pinned_digest(name.name):
            return
        if not source:
            past = name.past or (POD if name.image_id else "")
            time = name.seen or self._uses.get(name, NameUsage()).started
            source, seen = past or STREAM, earlier(time, self._began) if past else self._began
        cluster = self._catalogue.cluster if is_of_one_cluster(name.name) else ""
        self._sightings[Sighting(name.name, digest, source, seen, cluster)] = None

    def _is_excluded(self, name: str) -> bool:
        pattern = next((pattern for pattern in self._wish.exclude if pattern.search(name)), None)
        if pattern is not None:
            self._excluded.append(Excluded(name, f"the pattern {pattern.pattern!r} of exclude matches"))
        return pattern is not None

    def _digests(self, name: NamedImage) -> list[str]:
        """The digests of a name, as far as the cluster tells them."""
        if name.digest:
            return [name.digest]
        if not name.image_id:
            digest = self._catalogue.tags.get(name.name, "")
            return [digest] if digest else []
        if name.image_id in self._facts:
            return [name.image_id]
        if self._configs is None:
            self._configs = {}
            for facts in self._catalogue.facts.values():
                if facts.config:
                    self._configs.setdefault(facts.config, []).append(facts.digest)
        # Several manifests can have one config: the same files, compressed differently. All of them run, then.
        return self._configs.get(name.image_id, [])

    def ask(self, beat: t.Callable[[int, int], None]) -> None:
        """Ask registries: what is behind a name, and what a digest is that nobody describes."""
        if not self._wish.ask:
            for waiting in self._open.values():
                self._failed(waiting, ScanError("registries are not asked (ask_registries)", code="not-resolved"))
            return
        pool = concurrent.futures.ThreadPoolExecutor(RESOLVERS, "imagescan-resolve")
        finished = False
        doubts = self._doubts()
        try:
            asked = [pool.submit(_ask_again, names, self._access) for names in doubts]
            questions: dict[tuple[str, str], concurrent.futures.Future[t.Any]] = {
                key: pool.submit(identify, *key, self._access) for key in self._open
            }
            for digest, names in self._names.items():
                if digest not in self._facts:
                    best = min(names, key=self._rank)
                    questions["", digest] = pool.submit(open_target, pinned(best.name, digest), self._access)
            pending = {*questions.values(), *asked}
            number = len(pending)
            while pending:
                _done, pending = concurrent.futures.wait(pending, timeout=1.0)
                beat(number - len(pending), number)
            finished = True
        finally:
            pool.shutdown(wait=finished, cancel_futures=True)
        for (name, identity), future in questions.items():
            self._answered(name, identity, future)
        for answers in asked:
            for name, (digest, seen) in answers.result().items():
                self._is_now(name, digest, seen)

    def _doubts(self) -> list[list[str]]:
        """Names that had several images, or were imported from, and nobody said yet which one they have now.

        An import tells when it first had an image, and not when it was repeated, so the name may have moved back.
        """
        asked = {name for name, _image_id in self._open}
        imported = {sighting.reference for sighting in self._sightings if sighting.source == IMPORT}
        by_registry: dict[str, list[str]] = {}
        for name, digests in sorted(leads_to(self._sightings).items()):
            is_certain = any(digests.values()) or (len(digests) < 2 and name not in imported)
            if not is_certain and name not in asked:
                by_registry.setdefault(name.partition("/")[0], []).append(name)
        # Of one registry a few at a time.
        return [names[start::_ASKERS] for names in by_registry.values() for start in range(min(_ASKERS, len(names)))]

    def _is_now(self, name: str, digest: str, seen: str) -> None:
        """Take the registry's answer about a name that was in doubt. What it has now may be yet another image."""
        source = next(named.source for names in self._names.values() for named in names if named.name == name)
        named = NamedImage(name, source, digest)
        self._see(named, digest, REGISTRY, seen)
        names = self._names.setdefault(digest, [])
        if all(image.name != name for image in names):
            names.append(named)

    def _answered(self, name: str, identity: str, future: concurrent.futures.Future[t.Any]) -> None:
        error = future.exception()
        if error is not None and not isinstance(error, ScanError):
            raise error
        if name:
            waiting = self._open[name, identity]
            if error is not None:
                self._failed(waiting, error)
                return
            facts = facts_of(future.result())
            self._facts.setdefault(facts.digest, facts)
            self._names.setdefault(facts.digest, []).extend(waiting)
            for named in waiting:
                if named.image_id:
                    self._see(named, facts.digest)
                else:
                    self._see(named, facts.digest, REGISTRY, exact_now_text())
        elif error is None:
            # An image whose digest the cluster told is found, whether its registry can be asked from here or not.
            self._facts[identity] = facts_of(future.result())

    def _failed(self, waiting: t.Iterable[NamedImage], error: ScanError) -> None:
        for name in waiting:
            message, label = str(error), name.name
            if name.image_id:
                message = f"what runs is known by its ID {name.image_id} only: {message}"
                # Not the bare name: whatever that leads to now would answer for what runs.
                label = f"{label} with image ID {name.image_id}"
            namespaces = self._usage([name]).namespaces
            if namespaces:
                more = f" and {len(namespaces) - 1} more" if len(namespaces) > 1 else ""
                message += f"; used in namespace {min(namespaces)}{more}"
            self._unidentified.append(Unidentified(label, name.source, error.code, message))

    def result(self) -> Discovery:
        """Collect the outcome of every name."""
        indexes = self._add_children()
        for sighting in self._sightings:
            self._by_digest.setdefault(sighting.digest, []).append(sighting)
        images = []
        for digest, names in self._names.items():
            facts = self._facts.get(digest) or ImageFacts(digest)
            usage = self._usage(names)
            parents = indexes.get(digest, set())
            reason = self._refusal(facts, usage, [self._usage(self._names[index]) for index in parents])
            if reason:
                self._excluded += [Excluded(reference, reason) for reference in self._references(names)]
            else:
                images.append(self._image(facts, names, usage, parents))
        digests = {image.digest for image in images}
        for image in images:
            image.indexes = [digest for digest in image.indexes if digest in digests]
        unnamed = self._catalogue.facts.keys() - self._names.keys() - self._out - self._catalogue.reported
        if unnamed:
            reason = "no tag of an image stream that was chosen names them"
            self._excluded.append(Excluded("images.image.openshift.io", reason, len(unnamed)))
        return Discovery(
            tuple(sorted(images, key=lambda image: (image.references[0], image.digest))),
            tuple(self._excluded),
            tuple(self._unidentified),
        )

    def _add_children(self) -> dict[str, set[str]]:
        """Name the images of the indexes that the cluster describes too; gives image -> indexes that list it."""
        indexes: dict[str, set[str]] = {}
        pending = collections.deque(self._names)
        while pending:
            index = pending.popleft()
            facts = self._facts.get(index)
            for child, _platform in facts.children if facts else ():
                indexes.setdefault(child, set()).add(index)
                described = self._catalogue.facts.get(child)
                if child in self._names or described is None:
                    continue
                parent = min(self._names[index], key=self._rank)
                name = described.reference or pinned(parent.name, child)
                if self._is_excluded(name):
                    self._out.add(child)
                    continue
                self._names[child] = [NamedImage(name, parent.source, child)]
                pending.append(child)
        return indexes

    def _usage(self, names: t.Iterable[NamedImage]) -> NameUsage:
        usage = NameUsage()
        for name in names:
            part = self._uses.get(name)
            if part is not None:
                usage.pods |= part.pods
                usage.namespaces |= part.namespaces
        return usage

    def _refusal(self, facts: ImageFacts, usage: NameUsage, above: t.Sequence[NameUsage]) -> str:
        """Why an image is left out, empty where it is not."""
        wish = self._wish
        if facts.digest == wish.scanner_digest and facts.scanner:
            return "it is the scanner's own image"
        # Of an index that runs nobody knows here which of its images the nodes chose, so all count as running.
        if wish.in_use and not any(use.pods for use in (usage, *above)):
            return "no pod runs it (in_use)"
        if wish.newer_than is not None:
            made = read_time(facts.created)
            # An image whose time nobody knows is kept: leaving it out would hide it. Reproducible builds write the
            # beginning of some calendar (1970, 1980), which no image of containers is as old as.
            if made is not None and NO_IMAGE_BEFORE <= made < wish.newer_than:
                return f"it was created at {facts.created}, before newer_than"
        return ""

    def _image(
        self, facts: ImageFacts, names: list[NamedImage], usage: NameUsage, indexes: set[str]
    ) -> DiscoveredImage:
        own = facts.reference
        excluded = any(pattern.search(own) for pattern in self._wish.exclude)
        if own and not excluded and all(name.name != own for name in names):
            names = [*names, NamedImage(own, "openshift", facts.digest)]
        used = {"count": len(usage.pods), "namespaces": sorted(usage.namespaces)}
        return DiscoveredImage(
            digest=facts.digest,
            kind=facts.kind,
            references=self._references(names),
            sources=sorted({name.source for name in names}),
            platform=facts.platform,
            platforms=sorted({platform or "unknown" for _child, platform in facts.children}),
            created=facts.created,
            labels=dict(facts.labels),
            size=facts.size,
            layers=list(facts.layers),
            indexes=sorted(indexes),
            names=self._told(facts.digest, names),
            used_by=used if self._tells_use else None,
        )

    def _told(self, digest: str, names: t.Iterable[NamedImage]) -> list[dict[str, str]]:
        """Who told of the names of an image, those in the order of its references."""
        order = {name: number for number, name in enumerate(self._references(names))}
        sightings = [sighting for sighting in self._by_digest.get(digest, ()) if sighting.reference in order]
        return [
            {
                "reference": sighting.reference,
                "source": sighting.source,
                "seen": sighting.seen,
                **({"cluster": sighting.cluster} if sighting.cluster else {}),
            }
            for sighting in sorted(sightings, key=lambda sighting: (order[sighting.reference], sighting))
        ]

    def _references(self, names: t.Iterable[NamedImage]) -> list[str]:
        return list(dict.fromkeys(name.name for name in sorted(names, key=self._rank)))

    def _rank(self, named: NamedImage) -> tuple[bool, int, bool, str]:
        """Names that serve best first: sure ones, of registries that can be reached from anywhere, with a tag."""
        name = named.name
        if is_local(name):
            return named.doubtful, 0, False, name
        host = name.partition("/")[0]
        own = self._catalogue.registries
        return named.doubtful, own.index(host) + 1 if host in own else 0, ":" not in _path(name), name


def _path(name: str) -> str:
    """Repository and tag of a canonical name."""
    return name.partition("/")[2].partition("@")[0]


def _ask_again(names: t.Iterable[str], access: Access) -> dict[str, tuple[str, str]]:
    """Name -> digest that its registry has for it now, and when it said so; those of one registry, one by one.

    What it does not tell stays in doubt. One that cannot be reached, or is too busy, is not asked for the next name.
    """
    answers: dict[str, tuple[str, str]] = {}
    access = dataclasses.replace(access, retries=0)
    for name in names:
        try:
            reference = parse_reference(name)
            data, _kind = open_repository(reference, access).fetch_manifest(reference.tag)
        except RegistryError as error:
            if not error.status or error.status == 429 or error.status >= 500:
                break
            continue
        except ScanError:
            break
        answers[name] = (f"sha256:{hashlib.sha256(data).hexdigest()}", exact_now_text())
    return answers


def identify(name: str, image_id: str, access: Access) -> t.Any:
    """Open what a name means; with an image ID, the image that a pod runs, and no other."""
    if not image_id:
        return open_target(name, access)
    try:
        opened = open_target(pinned(name, image_id), access)
        if opened.digest == image_id:
            return opened  # a manifest proves itself by its digest
    except RegistryError as error:
        if error.status not in (400, 404):
            raise
    opened = open_target(name, access)
    if isinstance(opened, Image) and opened.config.digest == image_id:
        return opened
    if isinstance(opened, ImageIndex):
        for child in opened.children[:CHILDREN_TO_COMPARE]:
            image = open_child(opened, child, access)
            if image.config.digest == image_id:
                return image
    raise ScanError(
        f"its name now leads to another image, {opened.digest}",
        code="image-id-unresolved",
        hint="restart the pods, or name the image by digest",
        subject=name,
    )
