# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images there are: names from people, folders, archives and registries, each resolved to its digest."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import typing as t
from datetime import datetime, timezone

from .._errors import InputError, LimitExceeded, ScanError
from .._images.access import Access
from .._images.model import Image, ImageIndex
from .._images.references import Reference, parse_registry, shown
from .._images.targets import list_targets, open_target
from .targets import canonical_name

RESOLVERS = 8
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
    """A name that somebody or something gave. ``source``: ``references``, ``paths`` or ``registry``."""

    name: str
    source: str


@dataclasses.dataclass(frozen=True)
class Unidentified:
    """Something that should be an image and could not be resolved."""

    name: str
    source: str
    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class Excluded:
    """A name that was left out on purpose, and why."""

    name: str
    reason: str


@dataclasses.dataclass
class Found:
    """An image, under all the names that lead to it. ``platforms``: of an index, those of its images."""

    digest: str
    kind: str
    references: list[str]
    sources: list[str]
    platform: str
    platforms: list[str]
    created: str
    labels: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Discovery:
    """Everything that was named ends in exactly one of the three lists."""

    found: tuple[Found, ...]
    excluded: tuple[Excluded, ...]
    unidentified: tuple[Unidentified, ...]


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
            failed.append(_unidentified(reference, "references", error))
    for path in paths:
        try:
            targets = list_targets(path)
            if not targets:
                raise InputError("no image is in it", subject=path)
            named += [Named(canonical_name(target), "paths") for target in targets]
        except ScanError as error:
            failed.append(_unidentified(path, "paths", error))
    for query in queries:
        try:
            named += _list_registry(query, access, excluded, failed)
        except ScanError as error:
            failed.append(_unidentified(query.registry, "registry", error))
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
        if not _chosen(repository, query.repositories):
            excluded.append(Excluded(f"{registry}/{repository}", "no pattern of registry.repositories matches"))
            continue
        try:
            for tag in list_tags(registry, repository, access):
                name = str(Reference(registry, repository, tag))
                if not _chosen(tag, query.tags):
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
            failed.append(_unidentified(f"{registry}/{repository}", "registry", error))
    if not named and len(excluded) + len(failed) == before:
        # Many registries show only what an account may see: an empty list is no sign that nothing is there.
        raise ScanError(
            "it lists no image",
            code="registry-empty",
            hint="check registry.repositories, and whether the credentials may see the catalogue",
            subject=registry,
        )
    return named


def _chosen(name: str, patterns: tuple[re.Pattern[str], ...]) -> bool:
    return not patterns or any(found.fullmatch(name) for found in patterns)


def _unidentified(name: str, source: str, error: ScanError) -> Unidentified:
    return Unidentified(name, source, error.code, str(error))


def discover(
    named: t.Sequence[Named],
    access: Access,
    *,
    exclude: t.Sequence[re.Pattern[str]] = (),
    newer_than: datetime | None = None,
    beat: t.Callable[[int, int], None] = lambda done, total: None,
) -> Discovery:
    """Resolve names to digests. One that fails is reported and never stops the others.

    ``beat``: called every second with the numbers of names that are resolved and of all; what it raises ends the run.
    """
    excluded: list[Excluded] = []
    wanted: list[Named] = []
    for one in named:
        hit = next((found for found in exclude if found.search(one.name)), None)
        if hit is not None:
            excluded.append(Excluded(one.name, f"the pattern {hit.pattern!r} of exclude matches"))
        else:
            wanted.append(one)
    found: dict[str, Found] = {}
    unidentified: list[Unidentified] = []
    names = list(dict.fromkeys(one.name for one in wanted))
    pool = concurrent.futures.ThreadPoolExecutor(RESOLVERS, "imagescan-resolve")
    finished = False
    try:
        futures = {name: pool.submit(open_target, name, access) for name in names}
        pending = set(futures.values())
        while pending:
            _done, pending = concurrent.futures.wait(pending, timeout=1.0)
            beat(len(names) - len(pending), len(names))
        finished = True
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)
    for one in wanted:
        error = futures[one.name].exception()
        if error is None:
            _keep(found, one, futures[one.name].result(), newer_than, excluded)
        elif isinstance(error, ScanError):
            unidentified.append(_unidentified(one.name, one.source, error))
        else:
            raise error
    return Discovery(
        tuple(sorted(found.values(), key=lambda image: (image.references[0], image.digest))),
        tuple(excluded),
        tuple(unidentified),
    )


def _keep(
    found: dict[str, Found], one: Named, opened: t.Any, newer_than: datetime | None, excluded: list[Excluded]
) -> None:
    created = opened.config.created if isinstance(opened, Image) else ""
    if newer_than is not None and created:
        made = _moment(created)
        # An image whose time nobody knows is kept: leaving it out would hide it. Reproducible builds write the
        # beginning of some calendar (1970, 1980), which no image of containers is as old as.
        if made is not None and NO_IMAGE_BEFORE <= made < newer_than:
            excluded.append(Excluded(one.name, f"it was created at {created}, before newer_than"))
            return
    known = found.get(opened.digest)
    if known is None:
        labels = opened.config.labels if isinstance(opened, Image) else {}
        found[opened.digest] = Found(
            digest=opened.digest,
            kind={Image: "image", ImageIndex: "index"}.get(type(opened), "root_folder"),
            references=[one.name],
            sources=[one.source],
            platform=str(opened.config.platform) if isinstance(opened, Image) else "",
            platforms=sorted({str(child.platform or "unknown") for child in opened.children})
            if isinstance(opened, ImageIndex)
            else [],
            created=created,
            labels={key: str(labels[key])[:LABEL_LIMIT] for key in LABELS if key in labels},
        )
        return
    known.references = sorted({*known.references, one.name})
    known.sources = sorted({*known.sources, one.source})


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
