# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in the store: their names, what indexes list, and why the last attempt to scan one failed."""

from __future__ import annotations

import typing as t

from .._core.errors import ScanError
from .._images.sightings import Sighting
from .bodies import put_row
from .database import Database
from .model import UNRESOLVED, StoredChild, StoredImage, unresolved_key
from .names import names_of_images, put_names
from .tables import tables
from .texts import chunks, clean_text, text_key

if t.TYPE_CHECKING:
    import sqlalchemy as sa


class StoredImages:
    """The images, indexes, and references that could not be resolved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def children(self, digests: t.Iterable[str]) -> dict[str, tuple[StoredChild, ...]]:
        """Index digest -> its images in order, for the digests that are known to be indexes."""
        import sqlalchemy as sa

        images, children = tables().images, tables().children
        listed: dict[str, list[StoredChild]] = {}
        with self._database.reading() as connection:
            for part in chunks(sorted(set(digests))):
                indexes = sa.select(images.c.digest).where(images.c.digest.in_(part), images.c.kind == "index")
                for row in connection.execute(indexes):
                    listed[row.digest] = []
                rows = children.select().where(children.c.index_digest.in_(part))
                for row in connection.execute(rows.order_by(children.c.index_digest, children.c.position)):
                    if row.index_digest in listed:
                        listed[row.index_digest].append(StoredChild(row.child_digest, row.platform))
        return {digest: tuple(images_of) for digest, images_of in listed.items()}

    def all(self) -> list[StoredImage]:
        """Read everything, ordered by key: images, indexes, and references that could not be resolved."""
        import sqlalchemy as sa

        inventories, states = tables().inventories, tables().evaluation_states
        has_states, has_names = self._database.has(states), self._database.has(tables().names)
        with self._database.reading() as connection:
            named = names_of_images(connection, legacy=not has_names)
            failures = {row.subject: row for row in connection.execute(tables().errors.select())}
            scans = connection.execute(sa.select(inventories.c.digest, inventories.c.scanned_at))
            scanned = {row.digest: row.scanned_at for row in scans}
            evaluated = {}
            if has_states:
                since = connection.execute(sa.select(states.c.digest, states.c.since))
                evaluated = {row.digest: row.since for row in since}
            rows = connection.execute(tables().images.select()).all()
        images = []
        for row in rows:
            failure = failures.pop(row.digest, None)
            names = named.get(row.digest, [])
            images.append(
                StoredImage(
                    key=row.digest,
                    digest=row.digest,
                    kind=row.kind,
                    platform=row.platform,
                    references=tuple(name.reference for name in names),
                    scanned_at=scanned.get(row.digest, ""),
                    error_code=failure.code if failure else "",
                    error_message=failure.message if failure else "",
                    error_at=failure.first_at if failure else "",
                    wanted_platforms=tuple(row.wanted_platforms.split()),
                    evaluated_at=evaluated.get(row.digest, ""),
                    unconfirmed=tuple(name.reference for name in names if not name.certain),
                )
            )
        for subject, failure in failures.items():
            images.append(
                StoredImage(
                    key=subject,
                    digest=failure.digest,
                    kind="image" if failure.digest else "unresolved",
                    platform="",
                    references=(failure.reference,) if failure.reference else (),
                    scanned_at="",
                    error_code=failure.code,
                    error_message=failure.message,
                    error_at=failure.first_at,
                    wanted_platforms=(),
                )
            )
        return sorted(images, key=lambda image: image.key)

    def record(
        self,
        digest: str,
        reference: str,
        *,
        now: str,
        kind: str = "image",
        platform: str = "",
        settled: bool = False,
    ) -> bool:
        """Note that an image exists, and that whoever holds the reference says now that it leads there.

        ``settled``: its inventory is valid, so the error of a later attempt no longer matters. True when anything is
        new.
        """

        def work(connection: sa.Connection) -> bool:
            changed = put_image(connection, digest, reference, now, kind, platform)
            return (settled and drop_error(connection, digest)) or changed

        return self._database.write(work)

    def record_names(self, sightings: t.Sequence[Sighting], *, now: str) -> bool:
        """Keep with which digests names were seen. True where a name leads elsewhere by that than before."""
        return self._database.write(lambda connection: _put_names(connection, sightings, now))

    def record_index(
        self,
        digest: str,
        reference: str,
        children: t.Sequence[StoredChild],
        *,
        wanted_platforms: t.Iterable[str],
        now: str,
    ) -> bool:
        """Note an index and the images that it lists, in its order. True when anything is new."""
        import sqlalchemy as sa

        table = tables().children

        def work(connection: sa.Connection) -> bool:
            changed = put_image(connection, digest, reference, now, "index", "", wanted_platforms)
            changed |= drop_error(connection, digest)
            matches = table.c.index_digest == digest
            query = sa.select(table.c.child_digest, table.c.platform).where(matches).order_by(table.c.position)
            if list(map(tuple, connection.execute(query))) == list(map(tuple, children)):
                return changed
            connection.execute(table.delete().where(matches))
            for position, child in enumerate(children):
                connection.execute(
                    table.insert().values(
                        index_digest=digest,
                        position=position,
                        child_digest=child.digest,
                        platform=clean_text(child.platform)[:100],
                    )
                )
            return True

        return self._database.write(work)

    def record_error(self, digest: str, reference: str, error: ScanError, *, now: str) -> bool:
        """Keep why the last attempt failed; what was known before stays. True when the cause is a new one."""
        errors = tables().errors
        reference = clean_text(reference)
        subject = digest or unresolved_key(reference)
        sha256, code = text_key(subject), error.code[:100]

        def work(connection: sa.Connection) -> bool:
            changed = bool(digest) and put_image(connection, digest, reference, now, "", "")
            matches = errors.c.sha256 == sha256
            row = connection.execute(errors.select().where(matches).with_for_update()).first()
            values: dict[str, t.Any] = {"last_at": now, "attempts": 1 if row is None else row.attempts + 1}
            if row is not None and row.code == code:
                connection.execute(errors.update().where(matches).values(**values))
                return changed
            values |= {
                "code": code,
                "message": clean_text(str(error))[:4000],
                "reference": reference,
                "first_at": now,
            }
            if row is None:
                values |= {"subject": subject, "digest": digest}
            put_row(connection, errors, {"sha256": sha256}, values, new=row is None)
            return True

        return self._database.write(work)

    def forget(self, digest: str) -> None:
        """Drop the inventory of an image, its rules, and what an index lists: who told it cannot be trusted.

        The image and its names stay.
        """
        images, children = tables().images, tables().children

        def work(connection: sa.Connection) -> None:
            for table in (tables().inventories, tables().evaluations, tables().evaluation_states):
                connection.execute(table.delete().where(table.c.digest == digest))
            connection.execute(children.delete().where(children.c.index_digest == digest))
            # An index without a list would count as one that is known to hold no image.
            connection.execute(images.update().where(images.c.digest == digest).values(kind="image"))

        self._database.write(work)


def put_image(
    connection: sa.Connection,
    digest: str,
    reference: str,
    now: str,
    kind: str,
    platform: str,
    wanted_platforms: t.Iterable[str] | None = None,
) -> bool:
    """Insert or complete an image and its reference; True where that is new.

    An empty ``kind`` or ``platform``, or None: not known, keep what is there.
    """
    images = tables().images
    facts = {"kind": kind, "platform": clean_text(platform)[:100]}
    values = {name: value for name, value in facts.items() if value}
    if wanted_platforms is not None:
        values["wanted_platforms"] = " ".join(sorted(wanted_platforms))
    row = connection.execute(images.select().where(images.c.digest == digest)).first()
    if row is None:
        values = {"kind": "image", "platform": "", "wanted_platforms": "", "first_seen": now, **values}
    else:
        values = {name: value for name, value in values.items() if getattr(row, name) != value}
    if values:
        put_row(connection, images, {"digest": digest}, values, new=row is None)
    return _put_names(connection, [Sighting(reference, digest, seen=now)], now) or bool(values)


def _put_names(connection: sa.Connection, sightings: t.Sequence[Sighting], now: str) -> bool:
    """Keep sightings of names, and forget that these could not be resolved. True where that makes a difference."""
    import sqlalchemy as sa

    changed = put_names(connection, sightings, now)
    errors = tables().errors
    subjects = [unresolved_key(clean_text(sighting.reference)) for sighting in sightings]
    by_hash = {text_key(subject): subject for subject in subjects}
    for part in chunks(sorted(by_hash)):
        for key in connection.execute(sa.select(errors.c.sha256).where(errors.c.sha256.in_(part))).scalars().all():
            changed |= drop_error(connection, by_hash[key])
    return changed


def drop_error(connection: sa.Connection, subject: str) -> bool:
    """Forget the error of a subject; True when there was one. A verdict that stood on it alone goes with it."""
    errors, key = tables().errors, text_key(subject)
    was_there = connection.execute(errors.delete().where(errors.c.sha256 == key)).rowcount > 0
    if was_there and subject.startswith(UNRESOLVED):
        for table in (tables().current, tables().changes):
            connection.execute(table.delete().where(table.c.subject_sha256 == key))
    return was_there
