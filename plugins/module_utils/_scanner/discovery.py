# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images there are: names from people, folders, registries and clusters, each brought to its digest."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import re
import typing as t
from datetime import datetime, timezone

from .._errors import InputError, LimitExceeded, RegistryError, ScanError
from .._images.access import Access
from .._images.model import Image, ImageIndex
from .._images.references import Reference, parse_registry, shown
from .._images.targets import list_targets, open_child, open_target
from .targets import canonical_name, is_local, pinned

RESOLVERS = 8
#: Images of an index whose configs are read to find the one that a pod runs.
CHILDREN_TO_COMPARE = 32
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
#: Docker's first release was in 2013.
NO_IMAGE_BEFORE = datetime(2013, 1, 1, tzinfo=timezone.utc)


@dataclasses.dataclass(frozen=True)
class RegistryQuery:
    """What to list in a registry. The patterns are regular expressions that must match the whole name."""

    registry: str
    repositories: tuple[re.Pattern[str], ...] = ()
    tags: tuple[re.Pattern[str], ...] = ()
    limit: int = 10000


@dataclasses.dataclass(frozen=True)
class Named:
    """A name that somebody or something gave.

    ``source``: ``references``, ``paths``, ``registry``, ``openshift`` or ``workloads``.
    ``digest``: what it is, where its holder knows that already.
    ``image_id``: what runs, where the runtime gave a digest of which nobody knows whether it is a manifest's or a
    config's. ``doubtful``: the repository of the name need not have this digest.
    """

    name: str
    source: str
    digest: str = ""
    image_id: str = ""
    doubtful: bool = False


@dataclasses.dataclass
class Usage:
    """Who uses what has a name: numbers of the pods that run it, namespaces where it runs or is named."""

    pods: set[int] = dataclasses.field(default_factory=set)
    namespaces: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known about an image.

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
    """What a cluster knows about images.

    ``facts``: by digest. ``tags``: canonical name of an image stream's tag -> the digest that it means now.
    ``registries``: hosts of the cluster's own registry, best to use first; other hosts go before them.
    ``reported``: digests that nothing needs to name, since they are in one of the lists already.
    """

    facts: t.Mapping[str, Facts] = dataclasses.field(default_factory=dict)
    tags: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    registries: tuple[str, ...] = ()
    reported: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Unidentified:
    """Something that should be an image and could not be resolved."""

    name: str
    source: str
    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class Excluded:
    """What was left out on purpose, and why. ``count``: how many things the line stands for."""

    name: str
    reason: str
    count: int = 1


@dataclasses.dataclass
class Found:
    """An image, under all the names that lead to it.

    ``platforms``: of an index, those of its images. ``indexes``: digests of the found indexes that list it.
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
    used_by: dict[str, t.Any] | None = None


@dataclasses.dataclass(frozen=True)
class Discovery:
    """Everything that was named ends in exactly one of the three lists."""

    found: tuple[Found, ...]
    excluded: tuple[Excluded, ...]
    unidentified: tuple[Unidentified, ...]


@dataclasses.dataclass(frozen=True)
class Wish:
    """Which of the images that were found are wanted.

    ``exclude``: regular expressions over names. ``in_use``: only what a pod runs. ``scanner_digest``: our scanner's.
    ``ask``: whether registries are asked about what nobody else describes.
    """

    exclude: tuple[re.Pattern[str], ...] = ()
    newer_than: datetime | None = None
    in_use: bool = False
    scanner_digest: str = ""
    ask: bool = True


def pattern(text: str, option: str) -> re.Pattern[str]:
    """Compile a regular expression that a person wrote."""
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"{option}: {shown(text, 100)} is no regular expression: {error}") from None


def gather(
    references: t.Iterable[str], paths: t.Iterable[str], queries: t.Iterable[RegistryQuery], access: Access
) -> tuple[list[Named], list[Excluded], list[Unidentified]]:
    """The names that the sources give, without asking for a single image yet. A source that fails is reported."""
    named: list[Named] = []
    excluded: list[Excluded] = []
    failed: list[Unidentified] = []
    for reference in references:
        try:
            named.append(Named(canonical_name(reference.strip()), "references"))
        except ScanError as error:
            failed.append(unidentified(reference, "references", error))
    for path in paths:
        try:
            targets = list_targets(path)
            if not targets:
                raise InputError("no image is in it", subject=path)
            named += [Named(canonical_name(target), "paths") for target in targets]
        except ScanError as error:
            failed.append(unidentified(path, "paths", error))
    for query in queries:
        try:
            named += _list_registry(query, access, excluded, failed)
        except ScanError as error:
            failed.append(unidentified(query.registry, "registry", error))
    return list(dict.fromkeys(named)), excluded, failed


def _list_registry(
    query: RegistryQuery,
    access: Access,
    excluded: list[Excluded],
    failed: list[Unidentified],
) -> list[Named]:
    """Every matching tag of a registry, or none of them where there are too many."""
    from .._images.registry import list_repositories, list_tags

    registry = parse_registry(query.registry)
    named: list[Named] = []
    before = len(excluded) + len(failed)
    # Names that are plain text need no catalogue, which many registries do not give to everybody.
    plain = [found.pattern for found in query.repositories if re.fullmatch(r"[a-z0-9/_-]+", found.pattern)]
    all_plain = bool(plain) and len(plain) == len(query.repositories)
    for repository in plain if all_plain else list_repositories(registry, access):
        if not chosen(repository, query.repositories):
            excluded.append(Excluded(f"{registry}/{repository}", "no pattern of registry.repositories matches"))
            continue
        try:
            for tag in list_tags(registry, repository, access):
                name = str(Reference(registry, repository, tag))
                if not chosen(tag, query.tags):
                    excluded.append(Excluded(name, "no pattern of registry.tags matches"))
                    continue
                if len(named) == query.limit:
                    raise LimitExceeded(
                        f"{registry} has more than {query.limit} matching tags",
                        hint="narrow registry.repositories or registry.tags, or raise registry.limit",
                        subject=registry,
                    )
                named.append(Named(name, "registry"))
        except LimitExceeded:
            raise
        except ScanError as error:
            failed.append(unidentified(f"{registry}/{repository}", "registry", error))
    if not named and len(excluded) + len(failed) == before:
        # Many registries show only what an account may see: an empty list is no sign that nothing is there.
        raise ScanError(
            "it lists no image",
            code="registry-empty",
            hint="check registry.repositories, and whether the credentials may see the catalogue",
            subject=registry,
        )
    return named


def chosen(name: str, patterns: tuple[re.Pattern[str], ...]) -> bool:
    """Whether one of the patterns matches the whole name; without patterns every name is chosen."""
    return not patterns or any(found.fullmatch(name) for found in patterns)


def unidentified(name: str, source: str, error: ScanError) -> Unidentified:
    """What could not be identified, and why."""
    return Unidentified(name, source, error.code, str(error))


def facts_of(opened: t.Any) -> Facts:
    """What an image says of itself, once it is opened."""
    if isinstance(opened, Image):
        config = opened.config
        return Facts(
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
        return Facts(opened.digest, "index", children=children)
    return Facts(opened.digest, "root_folder")


def telling_labels(labels: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Those labels that tell what an image is."""
    return {key: str(labels[key])[:LABEL_LIMIT] for key in LABELS if key in labels}


def is_scanner(labels: t.Mapping[str, t.Any]) -> bool:
    """Whether an image says that it is our scanner."""
    return labels.get(SCANNER_LABEL[0]) == SCANNER_LABEL[1]


def short_digest(digest: str) -> str:
    """The first 12 hex digits of a digest."""
    return digest.partition(":")[2][:12]


def discover(
    named: t.Iterable[Named],
    access: Access,
    *,
    wish: Wish | None = None,
    catalogue: Catalogue | None = None,
    uses: t.Mapping[Named, Usage] | None = None,
    beat: t.Callable[[int, int], None] = lambda done, total: None,
) -> Discovery:
    """Bring names to digests. One that fails is reported and never stops the others.

    ``uses``: the names that the workloads gave, and who uses them; None where no workloads were read.
    ``beat``: called every second with the numbers of names that are resolved and of all; what it raises ends the run.
    """
    search = _Search(access, wish or Wish(), catalogue or Catalogue(), uses)
    search.take(named)
    search.ask(beat)
    return search.result()


class _Search:
    """One run: names in, each of them settled by what is known or by asking its registry, images out."""

    def __init__(self, access: Access, wish: Wish, catalogue: Catalogue, uses: t.Mapping[Named, Usage] | None) -> None:
        self._access = access
        self._wish = wish
        self._catalogue = catalogue
        self._uses = uses
        self._facts: dict[str, Facts] = dict(catalogue.facts)
        self._names: dict[str, list[Named]] = {}  # digest -> the names that lead to it
        self._open: dict[tuple[str, str], list[Named]] = {}  # (name, image ID) -> names that nobody knows yet
        self._excluded: list[Excluded] = []
        self._unidentified: list[Unidentified] = []
        self._out: set[str] = set()  # digests that were left out by name
        self._configs: dict[str, list[str]] | None = None

    def take(self, named: t.Iterable[Named]) -> None:
        """Settle every name that needs no registry."""
        for one in dict.fromkeys((*named, *(self._uses or ()))):
            digests = self._known(one)
            if self._is_excluded(one.name):
                self._out.update(digests)
            elif digests:
                for digest in digests:
                    self._names.setdefault(digest, []).append(one)
            else:
                self._open.setdefault((one.name, one.image_id), []).append(one)

    def _is_excluded(self, name: str) -> bool:
        hit = next((found for found in self._wish.exclude if found.search(name)), None)
        if hit is not None:
            self._excluded.append(Excluded(name, f"the pattern {hit.pattern!r} of exclude matches"))
        return hit is not None

    def _known(self, one: Named) -> list[str]:
        """The digests of a name, as far as the cluster tells them."""
        if one.digest:
            return [one.digest]
        if not one.image_id:
            digest = self._catalogue.tags.get(one.name, "")
            return [digest] if digest else []
        if one.image_id in self._facts:
            return [one.image_id]
        if self._configs is None:
            self._configs = {}
            for facts in self._catalogue.facts.values():
                if facts.config:
                    self._configs.setdefault(facts.config, []).append(facts.digest)
        # Several manifests can have one config: the same files, compressed differently. All of them run, then.
        return self._configs.get(one.image_id, [])

    def ask(self, beat: t.Callable[[int, int], None]) -> None:
        """Ask registries: what is behind a name, and what a digest is that nobody describes."""
        if not self._wish.ask:
            for waiting in self._open.values():
                self._failed(waiting, ScanError("registries are not asked (ask_registries)", code="not-resolved"))
            return
        pool = concurrent.futures.ThreadPoolExecutor(RESOLVERS, "imagescan-resolve")
        finished = False
        try:
            questions = {key: pool.submit(identify, *key, self._access) for key in self._open}
            for digest, names in self._names.items():
                if digest not in self._facts:
                    best = min(names, key=self._rank)
                    questions["", digest] = pool.submit(open_target, pinned(best.name, digest), self._access)
            pending = set(questions.values())
            while pending:
                _done, pending = concurrent.futures.wait(pending, timeout=1.0)
                beat(len(questions) - len(pending), len(questions))
            finished = True
        finally:
            pool.shutdown(wait=finished, cancel_futures=True)
        for (name, rest), future in questions.items():
            self._answered(name, rest, future)

    def _answered(self, name: str, rest: str, future: concurrent.futures.Future[t.Any]) -> None:
        error = future.exception()
        if error is not None and not isinstance(error, ScanError):
            raise error
        if name:
            waiting = self._open[name, rest]
            if error is not None:
                self._failed(waiting, error)
                return
            facts = facts_of(future.result())
            self._facts.setdefault(facts.digest, facts)
            self._names.setdefault(facts.digest, []).extend(waiting)
        elif error is None:
            # An image whose digest the cluster told is found, whether its registry can be asked from here or not.
            self._facts[rest] = facts_of(future.result())

    def _failed(self, waiting: t.Iterable[Named], error: ScanError) -> None:
        for one in waiting:
            message, name = str(error), one.name
            if one.image_id:
                message = f"what runs is known by its ID {one.image_id} only: {message}"
                # Not the bare name: whatever that leads to now would answer for what runs.
                name = f"{name} with image ID {one.image_id}"
            usage = (self._uses or {}).get(one)
            if usage and usage.namespaces:
                more = f" and {len(usage.namespaces) - 1} more" if len(usage.namespaces) > 1 else ""
                message += f"; used in namespace {min(usage.namespaces)}{more}"
            self._unidentified.append(Unidentified(name, one.source, error.code, message))

    def result(self) -> Discovery:
        """What became of every name."""
        indexes = self._add_children()
        found = []
        for digest, names in self._names.items():
            facts = self._facts.get(digest) or Facts(digest)
            usage = self._usage(names)
            reason = self._refusal(facts, usage, [self._usage(self._names[index]) for index in indexes.get(digest, ())])
            if reason:
                self._excluded += [Excluded(one, reason) for one in self._references(names)]
            else:
                found.append(self._found(facts, names, usage, indexes.get(digest, set())))
        kept = {image.digest for image in found}
        for image in found:
            image.indexes = [digest for digest in image.indexes if digest in kept]
        left = self._catalogue.facts.keys() - self._names.keys() - self._out - self._catalogue.reported
        if left:
            reason = "no tag of an image stream that was chosen names them"
            self._excluded.append(Excluded("images.image.openshift.io", reason, len(left)))
        return Discovery(
            tuple(sorted(found, key=lambda image: (image.references[0], image.digest))),
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
                self._names[child] = [Named(name, parent.source, child)]
                pending.append(child)
        return indexes

    def _usage(self, names: t.Iterable[Named]) -> Usage:
        usage = Usage()
        for one in names:
            part = (self._uses or {}).get(one)
            if part is not None:
                usage.pods |= part.pods
                usage.namespaces |= part.namespaces
        return usage

    def _refusal(self, facts: Facts, usage: Usage, above: t.Sequence[Usage]) -> str:
        """Why an image is left out, empty where it is not."""
        wish = self._wish
        if facts.digest == wish.scanner_digest and facts.scanner:
            return "it is the scanner's own image"
        # Of an index that runs nobody knows here which of its images the nodes chose, so all count as running.
        if wish.in_use and not usage.pods and not any(one.pods for one in above):
            return "no pod runs it (in_use)"
        if wish.newer_than is not None and facts.created:
            made = _moment(facts.created)
            # An image whose time nobody knows is kept: leaving it out would hide it. Reproducible builds write the
            # beginning of some calendar (1970, 1980), which no image of containers is as old as.
            if made is not None and NO_IMAGE_BEFORE <= made < wish.newer_than:
                return f"it was created at {facts.created}, before newer_than"
        return ""

    def _found(self, facts: Facts, names: list[Named], usage: Usage, indexes: set[str]) -> Found:
        own = facts.reference
        if own and all(one.name != own for one in names) and not any(one.search(own) for one in self._wish.exclude):
            names = [*names, Named(own, "openshift", facts.digest)]
        used = {"count": len(usage.pods), "namespaces": sorted(usage.namespaces)}
        return Found(
            digest=facts.digest,
            kind=facts.kind,
            references=self._references(names),
            sources=sorted({one.source for one in names}),
            platform=facts.platform,
            platforms=sorted({platform or "unknown" for _child, platform in facts.children}),
            created=facts.created,
            labels=dict(facts.labels),
            size=facts.size,
            layers=list(facts.layers),
            indexes=sorted(indexes),
            used_by=None if self._uses is None else used,
        )

    def _references(self, names: t.Iterable[Named]) -> list[str]:
        return list(dict.fromkeys(one.name for one in sorted(names, key=self._rank)))

    def _rank(self, one: Named) -> tuple[bool, int, bool, str]:
        """Names that serve best first: sure ones, of registries that can be reached from anywhere, with a tag."""
        if is_local(one.name):
            return one.doubtful, 0, False, one.name
        host = one.name.partition("/")[0]
        own = self._catalogue.registries
        return one.doubtful, own.index(host) + 1 if host in own else 0, ":" not in _path(one.name), one.name


def _path(name: str) -> str:
    """Repository and tag of a canonical name."""
    return name.partition("/")[2].partition("@")[0]


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


def fold(lines: t.Iterable[Excluded]) -> list[Excluded]:
    """The lines with equal ones added up, of each reason at most ``LINES``; the others become one with their number."""
    counts: dict[tuple[str, str], int] = {}
    for one in lines:
        counts[one.name, one.reason] = counts.get((one.name, one.reason), 0) + one.count
    folded: list[Excluded] = []
    shown_lines: collections.Counter[str] = collections.Counter()
    rest: dict[str, int] = {}
    for (name, reason), count in counts.items():
        shown_lines[reason] += 1
        if shown_lines[reason] <= LINES:
            folded.append(Excluded(name, reason, count))
        else:
            rest[reason] = rest.get(reason, 0) + count
    return folded + [Excluded(f"{count} more", reason, count) for reason, count in rest.items()]


def _moment(text: str) -> datetime | None:
    """A time out of an image's config, which may hold anything; nanoseconds are cut to what Python knows."""
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00")))
    except ValueError:
        # Python 3.9 reads fractions of three or six digits only.
        try:
            moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text.replace("Z", "+00:00")))
        except ValueError:
            return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
