# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a name with a tag leads to, as far as anybody has told.

A name can be seen with several digests: imported yesterday with one, started by a pod with another, and pushed again
since. Only whoever holds the name (its registry; the API, for an image stream's own tag) can say what it means now.
Everything else says what it meant at some time. Order of reading never matters, only who told and of which time.

Standard library only: the scanner pod runs this package.
"""

from __future__ import annotations

import datetime
import functools
import typing as t

from .._core.times import BEGINNING, read_time
from .references import is_digest

#: Who told. The registry or the file itself, and the API of a cluster for an image stream's tag, say what is so now.
REGISTRY, STREAM = "registry", "openshift"
#: What an image was imported from, what a pod was started with, and what nobody can prove (events, webhooks, users).
IMPORT, POD, TOLD = "import", "pod", "told"
#: In a store of an older version, which kept the digest that was written last.
UNKNOWN = "unknown"
SOURCES = (REGISTRY, STREAM, IMPORT, POD, TOLD, UNKNOWN)
HOLDERS = frozenset((REGISTRY, STREAM))


class Sighting(t.NamedTuple):
    """A name that was seen to lead to a digest.

    ``source``: one of ``SOURCES``. ``seen``: RFC 3339 in UTC, when the name had the digest for certain, as late as is
    known. ``cluster``: identity of the cluster that told, of a name that each cluster has for itself; else empty.
    """

    reference: str
    digest: str
    source: str = REGISTRY
    seen: str = ""
    cluster: str = ""


def leads_to(sightings: t.Iterable[Sighting]) -> dict[str, dict[str, bool]]:
    """Name -> the digests that it may lead to, each with whether that is certain; at most one is.

    What the holder of a name said last ends all that was seen until then. What was seen later than that may be so as
    well, and without a word of the holder everything may. A name with a digest in it leads to that digest alone.
    Spellings of one name (``Quay.io``, ``quay.io:443``) count together, and each is given as it was seen.
    """
    by_name: dict[str, list[Sighting]] = {}
    digests_by_name: dict[str, dict[str, bool]] = {}
    for sighting in sightings:
        pinned = pinned_digest(sighting.reference)
        if not pinned:
            by_name.setdefault(_spelling(sighting.reference), []).append(sighting)
        elif pinned == sighting.digest:
            digests_by_name[sighting.reference] = {pinned: True}
    for same_name in by_name.values():
        last = _last_words(same_name)
        alive = [sighting for sighting in same_name if _is_alive(sighting, last)]
        certain = _is_certain(alive)
        for sighting in alive:
            digests_by_name.setdefault(sighting.reference, {})[sighting.digest] = certain
    return digests_by_name


def _is_certain(alive: t.Sequence[Sighting]) -> bool:
    return len({sighting.digest for sighting in alive}) == 1 and any(sighting.source in HOLDERS for sighting in alive)


def _spelling(name: str) -> str:
    """A name in the spelling in which names are compared: no case of the host, no port that is the usual one."""
    host, slash, path = name.partition("/")
    host = host.lower()
    return (host[: -len(":443")] if host.endswith(":443") else host) + slash + path


def _last_words(sightings: t.Iterable[Sighting]) -> dict[str, datetime.datetime]:
    """Cluster -> when the holder of the name spoke last there; under the empty one, anywhere."""
    last: dict[str, datetime.datetime] = {}
    for sighting in sightings:
        if sighting.source in HOLDERS:
            for cluster in (sighting.cluster, ""):
                last[cluster] = max(last.get(cluster, BEGINNING), moment(sighting.seen))
    return last


def _is_alive(sighting: Sighting, last: t.Mapping[str, datetime.datetime]) -> bool:
    word = last.get(sighting.cluster)
    if word is None:
        return True
    return moment(sighting.seen) >= word if sighting.source in HOLDERS else moment(sighting.seen) > word


def pinned_digest(name: str) -> str:
    """The digest in a name, empty without one."""
    _name, at, digest = name.rpartition("@")
    return digest if at and is_digest(digest) else ""


@functools.lru_cache(maxsize=65536)
def moment(text: str) -> datetime.datetime:
    """An RFC 3339 time; what is none is the beginning of time."""
    return read_time(text) or BEGINNING


def earlier(text: str, limit: str) -> str:
    """A time, but not later than another: a clock that is ahead must not outlast every word that follows."""
    return text if text and BEGINNING < moment(text) <= moment(limit) else limit


def is_of_one_cluster(name: str) -> bool:
    """True if a name means something else in each cluster: its host is a service of the cluster or the machine."""
    host = name.partition("/")[0].lower()
    host = host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    return host.endswith((".svc", ".svc.cluster.local")) or host in ("localhost", "[::1]") or host.startswith("127.")
