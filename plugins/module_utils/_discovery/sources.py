# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that people, folders, archives and registries give, before anybody asks what they mean."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._core.errors import InputError, LimitExceeded, ScanError
from .._core.text import quoted
from .._images.access import Access
from .._images.references import Reference, parse_registry
from .._images.targets import list_targets
from .._scanner.targets import canonical_name
from .model import Excluded, NamedImage, Unidentified


@dataclasses.dataclass(frozen=True)
class RegistryQuery:
    """Query of a registry. The patterns are regular expressions that must match the whole name."""

    registry: str
    repositories: tuple[re.Pattern[str], ...] = ()
    tags: tuple[re.Pattern[str], ...] = ()
    limit: int = 10000


def pattern(text: str, option: str) -> re.Pattern[str]:
    """Compile a regular expression that a person wrote."""
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"{option}: {quoted(text, 100)} is not a regular expression: {error}") from None


def gather(
    references: t.Iterable[str], paths: t.Iterable[str], queries: t.Iterable[RegistryQuery], access: Access
) -> tuple[list[NamedImage], list[Excluded], list[Unidentified]]:
    """The names that the sources give, without asking for a single image yet. A source that fails is reported."""
    named: list[NamedImage] = []
    excluded: list[Excluded] = []
    failed: list[Unidentified] = []
    for reference in references:
        try:
            named.append(NamedImage(canonical_name(reference.strip()), "references"))
        except ScanError as error:
            failed.append(unidentified(reference, "references", error))
    for path in paths:
        try:
            targets = list_targets(path)
            if not targets:
                raise InputError("no image is in it", subject=path)
            named += [NamedImage(canonical_name(target), "paths") for target in targets]
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
) -> list[NamedImage]:
    """Every matching tag of a registry, or none of them where there are too many."""
    from .._images.registry import list_repositories, list_tags

    registry = parse_registry(query.registry)
    named: list[NamedImage] = []
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
                named.append(NamedImage(name, "registry"))
        except LimitExceeded:
            raise
        except ScanError as error:
            failed.append(unidentified(f"{registry}/{repository}", "registry", error))
    if not named and len(excluded) + len(failed) == before:
        # Many registries show only what an account may see: an empty list is not a sign that nothing is there.
        raise ScanError(
            "it lists no image",
            code="registry-empty",
            hint="check registry.repositories, and whether the credentials may see the catalogue",
            subject=registry,
        )
    return named


def chosen(name: str, patterns: tuple[re.Pattern[str], ...]) -> bool:
    """Return whether one of the patterns matches the whole name; without patterns every name is chosen."""
    return not patterns or any(found.fullmatch(name) for found in patterns)


def unidentified(name: str, source: str, error: ScanError) -> Unidentified:
    """Describe what could not be identified, and why."""
    return Unidentified(name, source, error.code, str(error))
