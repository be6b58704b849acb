# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of images in the store: every digest that a name was seen with, who told, and of which time."""

from __future__ import annotations

import typing as t

from .._images.sightings import UNKNOWN, Sighting, earlier, leads_to, moment
from .tables import tables
from .texts import CHUNK, chunks, clean_text, text_key

if t.TYPE_CHECKING:
    import sqlalchemy as sa

_CLUSTER_LIMIT = 200
_Key = tuple[str, str, str, str]


class NameOfImage(t.NamedTuple):
    """A name that may lead to an image. ``certain``: its holder says so, and nothing later speaks against it."""

    reference: str
    certain: bool


def put_names(connection: sa.Connection, sightings: t.Iterable[Sighting], now: str) -> bool:
    """Keep sightings; True where a name leads elsewhere by them. A time that is ahead of ``now`` counts as now."""
    newest: dict[_Key, Sighting] = {}
    for sighting in sightings:
        reference = clean_text(sighting.reference)
        if not reference or not sighting.digest:
            continue
        cluster = clean_text(sighting.cluster)[:_CLUSTER_LIMIT]
        last_seen = earlier(sighting.seen, now)
        key = (text_key(reference), sighting.digest, sighting.source, cluster)
        if key not in newest or moment(newest[key].seen) < moment(last_seen):
            newest[key] = Sighting(reference, sighting.digest, sighting.source, last_seen, cluster)
    changed = False
    # Two runs that wait for each other's rows in different orders would end each other.
    for part in chunks(sorted({key[0] for key in newest})):
        chosen = frozenset(part)
        changed |= _put_part(connection, part, {key: newest[key] for key in sorted(newest) if key[0] in chosen})
    return changed


def _put_part(connection: sa.Connection, names: t.Sequence[str], sightings: t.Mapping[_Key, Sighting]) -> bool:
    import sqlalchemy as sa

    table = tables().names
    rows = connection.execute(sa.select(table).where(table.c.sha256.in_(names)).with_for_update()).all()
    stored = {(row.sha256, row.digest, row.source, row.cluster): _sighting(row) for row in rows}
    later = {
        key: sighting
        for key, sighting in sightings.items()
        if key not in stored or moment(stored[key].seen) < moment(sighting.seen)
    }
    fresh = [
        {**_columns(key), "reference": sighting.reference, "first_seen": sighting.seen, "last_seen": sighting.seen}
        for key, sighting in later.items()
        if key not in stored
    ]
    if fresh:
        connection.execute(sa.insert(table), fresh)
    updates = [
        {**{f"the_{name}": value for name, value in _columns(key).items()}, "last_seen": sighting.seen}
        for key, sighting in later.items()
        if key in stored
    ]
    if updates:
        matches = sa.and_(*(table.c[name] == sa.bindparam(f"the_{name}") for name in _COLUMNS))
        connection.execute(sa.update(table).where(matches).values(last_seen=sa.bindparam("last_seen")), updates)
    return leads_to(stored.values()) != leads_to({**stored, **later}.values())


_COLUMNS = ("sha256", "digest", "source", "cluster")


def _columns(key: _Key) -> dict[str, str]:
    return dict(zip(_COLUMNS, key))


def _sighting(row: t.Any) -> Sighting:
    return Sighting(row.reference, row.digest, row.source, row.last_seen, row.cluster)


def names_of_images(connection: sa.Connection, *, legacy: bool) -> dict[str, list[NameOfImage]]:
    """Digest -> the names that may lead to it, sorted. ``legacy``: the store has only what older versions kept."""
    names: dict[str, list[NameOfImage]] = {}
    for name, digests in sorted(leads_to(all_sightings(connection, legacy=legacy)).items()):
        for digest, certain in digests.items():
            names.setdefault(digest, []).append(NameOfImage(name, certain))
    return names


def all_sightings(connection: sa.Connection, *, legacy: bool = False) -> list[Sighting]:
    """Everything that is known of names, in no order."""
    import sqlalchemy as sa

    if not legacy:
        return [_sighting(row) for row in connection.execute(sa.select(tables().names))]
    references = tables().references
    return [
        Sighting(row.reference, row.digest, UNKNOWN)
        for row in connection.execute(sa.select(references.c.reference, references.c.digest))
    ]


def adopt_references(connection: sa.Connection) -> None:
    """Take over what an older version kept of names: the digest that was written last, which proves nothing."""
    import sqlalchemy as sa

    table = tables().names
    keys = {row.sha256 for row in connection.execute(sa.select(table.c.sha256))}
    rows = [
        {
            **_columns((text_key(sighting.reference), sighting.digest, UNKNOWN, "")),
            "reference": sighting.reference,
            "first_seen": "",
            "last_seen": "",
        }
        for sighting in all_sightings(connection, legacy=True)
    ]
    rows = [row for row in rows if row["sha256"] not in keys]
    for start in range(0, len(rows), CHUNK):
        connection.execute(sa.insert(table), rows[start : start + CHUNK])
