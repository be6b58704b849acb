# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors of registries, and the places that a reference is pulled from because of them.

The rules are those of a node (containers-registries.conf(5), and what OpenShift makes of ImageDigestMirrorSet and
ImageTagMirrorSet): the longest source that matches counts alone, for pulls by digest and by tag together; its mirrors
are asked in order, the source last; where one entry forbids the source, no pull asks it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import InputError, RegistryError
from .._core.text import quoted
from .references import Reference, is_repository, parse_registry

PULLS = ("digest", "tag", "any")
MIRROR_LIMIT = 1000


@dataclasses.dataclass(frozen=True)
class Mirror:
    """Where images of ``source`` lie as well.

    ``source``: ``host[:port]``, with the beginning of a repository's name or all of it behind, or ``*.domain``.
    ``mirrors``: ``host[:port][/path]``, which replaces what ``source`` matched. ``pulls``: which ones they serve,
    ``digest``, ``tag`` or ``any``. ``never_contact_source``: the source is not asked, whatever the mirrors say.
    """

    source: str
    mirrors: tuple[str, ...]
    pulls: str = "any"
    never_contact_source: bool = False

    def __post_init__(self) -> None:
        if self.pulls not in PULLS:
            raise InputError(
                f"pulls of the mirrors of {quoted(self.source)} is {quoted(self.pulls)}; "
                f"expected one of {', '.join(PULLS)}"
            )
        if len(self.mirrors) > MIRROR_LIMIT:
            raise InputError(f"{quoted(self.source)} has more than {MIRROR_LIMIT} mirrors")
        is_wild = self.source.startswith("*.")
        source = _location(self.source[2:] if is_wild else self.source, "source")
        if is_wild and ("/" in source or ":" in source):
            raise InputError(f"{quoted(self.source)} is not a source of mirrors; expected only a domain behind *.")
        object.__setattr__(self, "source", f"*.{source}" if is_wild else source)
        object.__setattr__(
            self, "mirrors", tuple(dict.fromkeys(_location(mirror, "mirror") for mirror in self.mirrors))
        )

    def matched(self, reference: Reference) -> str:
        """The beginning of the reference's name that the source stands for; empty where it does not match."""
        host = reference.registry.lower()
        if self.source.startswith("*."):
            return host if host.endswith(self.source[1:]) else ""
        return self.source if f"{host}/{reference.repository}/".startswith(f"{self.source}/") else ""

    def locations(self, kind: str) -> tuple[str, ...]:
        """The mirrors for pulls of that kind."""
        return self.mirrors if self.pulls in (kind, "any") else ()


def read_mirror(entry: t.Mapping[str, t.Any]) -> Mirror:
    """A mirror from a dictionary with the names of its fields, as options and plans have it. Raises InputError."""
    mirrors = entry.get("mirrors") or ()
    pulls = entry.get("pulls") or "any"
    texts = (entry.get("source"), pulls, *mirrors) if isinstance(mirrors, (list, tuple)) else (None,)
    if not all(isinstance(text, str) for text in texts):
        raise InputError("a mirror needs a source and a list of mirrors, all of them text")
    return Mirror(entry["source"], tuple(mirrors), pulls, entry.get("never_contact_source") is True)


def pull_places(reference: Reference, mirrors: t.Sequence[Mirror]) -> tuple[Reference, ...]:
    """List the places to ask for a reference, in order. Raises RegistryError where nothing may be asked."""
    chosen = _most_specific(mirrors, reference)
    if not chosen:
        return (reference,)
    kind = "digest" if reference.digest else "tag"
    locations = [location for mirror in chosen for location in mirror.locations(kind)]
    prefix = chosen[0].matched(reference)
    name = f"{reference.registry.lower()}/{reference.repository}"
    places = dict.fromkeys(
        reference if location == prefix else _moved(reference, location + name[len(prefix) :], location)
        for location in locations
    )
    if any(mirror.never_contact_source for mirror in chosen):
        places.pop(reference, None)
    else:
        places.setdefault(reference)
    if not places:
        raise RegistryError(
            f"{chosen[0].source} has no mirror for pulls by {kind}, and may not be asked itself (never_contact_source)",
            code="source-blocked",
            hint=f"name a mirror that serves pulls by {kind}",
        )
    return tuple(places)


def _most_specific(mirrors: t.Sequence[Mirror], reference: Reference) -> list[Mirror]:
    matching = [mirror for mirror in mirrors if mirror.matched(reference)]
    longest = max((mirror.source for mirror in matching), key=len, default="")
    return [mirror for mirror in matching if mirror.source == longest]


def _moved(reference: Reference, name: str, location: str) -> Reference:
    registry, slash, repository = name.partition("/")
    if not slash or not is_repository(repository):
        raise InputError(f"the mirror {location} is not a place for {reference.name}; expected one with a repository")
    return dataclasses.replace(reference, registry=registry, repository=repository)


def _location(text: str, role: str) -> str:
    host, slash, path = text.partition("/")
    if slash and not is_repository(path):
        raise InputError(f"{quoted(text)} is not a {role} of images; expected host[:port] or host[:port]/path")
    return f"{parse_registry(host).lower()}{slash}{path}"
