# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories and tags of registries, listed, and polled for what is new."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ..._core.errors import LimitExceeded, ScanError
from ..._core.times import exact_now_text
from ..._images.access import Access
from ..._images.references import Reference, parse_reference, parse_registry
from ..._images.registry import list_repositories, list_tags, open_repository
from ..._images.sightings import REGISTRY
from ..model import Arrival, Excluded, NamedImage, Unidentified
from ..selection import chosen, patterns
from .model import DiscoverySource, Gathered, Params

NAME = "registry"
#: What is asked of one registry.
OPTIONS: Params = {
    "host": {"type": "str", "required": True},
    "repositories": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "list", "elements": "str", "default": []},
    "limit": {"type": "int", "default": 10000},
}


@dataclasses.dataclass(frozen=True)
class RegistryQuery:
    """Query of a registry. The patterns are regular expressions that must match the whole name."""

    registry: str
    repositories: tuple[re.Pattern[str], ...] = ()
    tags: tuple[re.Pattern[str], ...] = ()
    limit: int = 10000


def parse(options: Params, prefix: str = "") -> RegistryQuery:
    """Read ``OPTIONS``; ``prefix`` goes before their names in messages."""
    repositories, tags = (patterns(options, name, prefix) for name in ("repositories", "tags"))
    return RegistryQuery(options["host"], repositories, tags, options["limit"])


def gather(queries: t.Iterable[RegistryQuery], access: Access) -> Gathered:
    """List every matching tag of registries; of one with too many, none."""
    gathered = Gathered()
    for query in queries:
        part = Gathered()
        try:
            _list_registry(query, access, part)
        except ScanError as error:
            part.named.clear()
            part.fail(query.registry, NAME, error)
        gathered.add(part)
    gathered.named = list(dict.fromkeys(gathered.named))
    return gathered


def _list_registry(query: RegistryQuery, access: Access, part: Gathered) -> None:
    registry = parse_registry(query.registry)
    for repository in _repositories(query, registry, access):
        if not chosen(repository, query.repositories):
            part.excluded.append(Excluded(f"{registry}/{repository}", "no pattern of registry.repositories matches"))
            continue
        try:
            _list_repository(query, registry, repository, access, part)
        except LimitExceeded:
            raise
        except ScanError as error:
            part.fail(f"{registry}/{repository}", NAME, error)
    if not (part.named or part.excluded or part.unidentified):
        # Many registries show only what an account may see: an empty list is not a sign that nothing is there.
        raise ScanError(
            "it lists no image",
            code="registry-empty",
            hint="check registry.repositories, and whether the credentials may see the catalogue",
            subject=registry,
        )


def _repositories(query: RegistryQuery, registry: str, access: Access) -> t.Iterable[str]:
    """Names that are plain text need no catalogue, which many registries do not give to everybody."""
    names = [pattern.pattern for pattern in query.repositories]
    if names and all(re.fullmatch(r"[a-z0-9/_-]+", name) for name in names):
        return names
    return list_repositories(registry, access)


def _list_repository(query: RegistryQuery, registry: str, repository: str, access: Access, part: Gathered) -> None:
    for tag in list_tags(registry, repository, access):
        name = str(Reference(registry, repository, tag))
        if not chosen(tag, query.tags):
            part.excluded.append(Excluded(name, "no pattern of registry.tags matches"))
            continue
        if len(part.named) == query.limit:
            raise LimitExceeded(
                f"{registry} has more than {query.limit} matching tags",
                hint="narrow registry.repositories or registry.tags, or raise registry.limit",
                subject=registry,
            )
        part.named.append(NamedImage(name, NAME))


def poll(query: RegistryQuery, access: Access) -> tuple[list[Arrival], list[Unidentified]]:
    """The tags that a registry has now, and what could not be read of it; that is asked for again next time."""
    gathered = gather((query,), access)
    arrivals: list[Arrival] = []
    for image in gathered.named:
        reference = parse_reference(image.name)
        try:
            data, _kind = open_repository(reference, access).fetch_manifest(reference.tag)
        except ScanError as error:
            gathered.fail(image.name, NAME, error)
            continue
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        arrivals.append(Arrival(image.name, digest, NAME, told=REGISTRY, seen=exact_now_text()))
    return arrivals, gathered.unidentified


SOURCE = DiscoverySource(
    NAME,
    {"type": "list", "elements": "dict", "default": [], "options": OPTIONS},
    gather,
    lambda value, params: [parse(options, "registry.") for options in value],
)
