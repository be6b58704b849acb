# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results are kept between runs.

Each call is one transaction, so that a run that is killed goes on where it stopped, and several runs may share a store.
Bodies are compressed JSON. A schema newer than ours is refused, since we would misread it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t
import zlib

from .._core.errors import CorruptData, ScanError
from .._images.sightings import Sighting
from .._scanner.model import JobRecord
from .._verdicts.model import Judgement
from .._verdicts.precedence import DatedVerdict, inventory_outlives, is_renewed_by, outlives
from .database import Database, StoreError, open_database
from .model import (
    SCHEMA_VERSION,
    Asked,
    KnownEvaluation,
    KnownInventory,
    RecordedVerdict,
    StoredChange,
    StoredChild,
    StoredCluster,
    StoredEvaluation,
    StoredImage,
    StoredVerdict,
)
from .names import NameOfImage, adopt_references, names_of_images, put_names
from .tables import tables
from .texts import CHUNK, chunks, clean_text, text_key

if t.TYPE_CHECKING:
    import sqlalchemy as sa

UNRESOLVED = "unresolved:"
#: Most bytes that a compressed body may hold.
BODY_LIMIT = 256 << 20
#: Evaluations that are kept of one image.
ANSWERS_KEPT = 4


def open_store(url: str, password: str = "", create: bool = True, *, read_only: bool = False) -> Store:
    """Open the store at a SQLAlchemy URL or at the path of a SQLite file.

    ``create``: make a missing one; without it a missing store is an error (a mistyped path must not read as "nothing
    there"). ``read_only``: for check mode; nothing is written, and a missing store is an empty one.
    """
    database = open_database(url, password, create=create, read_only=read_only)
    if database is None:
        if read_only:
            return _empty_store()
        raise StoreError(
            "there is no such store",
            code="store-missing",
            hint="scan images into it first, or check the path",
            subject=f"store {url}",
        )
    names = database.table_names()
    if tables().meta.name not in names:
        if names and not create and not read_only:
            raise StoreError(
                "the database holds no store of ours", code="store-missing", subject=f"store {database.where}"
            )
        if read_only:
            database.close()
            return _empty_store()
        if not create:
            raise StoreError("the store is empty", code="store-missing", subject=f"store {database.where}")
        database.create(tables().metadata)
        names = set(tables().metadata.tables)
    store = Store(database)
    store.check_version()
    if not read_only:
        if not names >= set(tables().metadata.tables):
            database.create(tables().metadata)  # An older version of the collection made it, which had fewer tables.
        store.upgrade()
    return store


def _empty_store() -> Store:
    """A store in memory: what check mode sees where there is none yet."""
    import sqlalchemy as sa

    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})
    tables().metadata.create_all(engine)
    return Store(Database(engine, "(none yet)", read_only=True))


def unresolved_key(reference: str) -> str:
    """Key of a reference that never gave a digest."""
    return UNRESOLVED + reference


def canonical(value: t.Any) -> bytes:
    """JSON with one form for equal values; what hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _pack(data: bytes) -> bytes:
    return zlib.compress(data, 6)


def _unpack(body: bytes, what: str) -> t.Any:
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(bytes(body), BODY_LIMIT)
        if not reader.eof:
            raise CorruptData(f"{what} in the store is cut short or holds more than {BODY_LIMIT} bytes")
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except (zlib.error, ValueError, RecursionError) as error:
        raise CorruptData(f"{what} in the store cannot be read: {error}") from error


class Store:
    """Reads and writes of the store. Made by ``open_store``; use as a context manager or close it."""

    def __init__(self, database: Database) -> None:
        self._db = database
        #: Hash and content of the package set that was read last: images of one run often share it.
        self._last_packages: tuple[str, t.Any] = ("", None)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_about: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._db.close()

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._db.read_only

    @property
    def where(self) -> str:
        """Path or URL without secrets, for messages."""
        return self._db.where

    def check_version(self) -> None:
        """Refuse what a newer version of the collection wrote; note the version in a new store."""
        import sqlalchemy as sa

        meta = tables().meta
        wanted = sa.select(meta.c.value).where(meta.c.name == "schema_version")
        with self._db.reading() as connection:
            value = connection.execute(wanted).scalar()
        if value is None:
            if self.read_only:
                return

            def note(connection: sa.Connection) -> None:
                if connection.execute(wanted).scalar() is None:
                    connection.execute(sa.insert(meta).values(name="schema_version", value=str(SCHEMA_VERSION)))

            self._db.write(note)
            return
        if not value.isdecimal() or int(value) > SCHEMA_VERSION:
            raise StoreError(
                f"its schema version is {value[:20]}; this version of the collection knows {SCHEMA_VERSION} at most",
                code="store-too-new",
                hint="update the collection, or give another store",
                subject=f"store {self.where}",
            )

    def upgrade(self) -> None:
        """Bring what an older version wrote to the present form."""
        import sqlalchemy as sa

        meta = tables().meta
        here = meta.c.name == "schema_version"
        with self._db.reading() as connection:
            if connection.execute(sa.select(meta.c.value).where(here)).scalar() == str(SCHEMA_VERSION):
                return

        def work(connection: sa.Connection) -> None:
            # Of two runs that come at once, the second one waits here and finds nothing to do.
            value = connection.execute(sa.select(meta.c.value).where(here).with_for_update()).scalar()
            if value is not None and int(value) < SCHEMA_VERSION:
                adopt_references(connection)
                connection.execute(sa.update(meta).where(here).values(value=str(SCHEMA_VERSION)))

        self._db.write(work)

    # What is known of images

    def known(self, digests: t.Iterable[str]) -> dict[str, KnownInventory]:
        """Digest -> that its inventory is stored; digests without one are left out."""
        import sqlalchemy as sa

        inventories = tables().inventories
        found = {}
        with self._db.reading() as connection:
            for part in chunks(sorted(set(digests))):
                for row in connection.execute(
                    sa.select(
                        inventories.c.digest,
                        inventories.c.schema_version,
                        inventories.c.scanned_at,
                        inventories.c.packages,
                        inventories.c.complete,
                        inventories.c.kind,
                    ).where(inventories.c.digest.in_(part))
                ):
                    found[row.digest] = KnownInventory(*row)
        return found

    def children(self, digests: t.Iterable[str]) -> dict[str, tuple[StoredChild, ...]]:
        """Index digest -> its images in order, for the digests that are known to be indexes."""
        import sqlalchemy as sa

        images, children = tables().images, tables().children
        found: dict[str, list[StoredChild]] = {}
        with self._db.reading() as connection:
            for part in chunks(sorted(set(digests))):
                indexes = sa.select(images.c.digest).where(images.c.digest.in_(part), images.c.kind == "index")
                for row in connection.execute(indexes):
                    found[row.digest] = []
                rows = sa.select(children).where(children.c.index_digest.in_(part))
                for row in connection.execute(rows.order_by(children.c.index_digest, children.c.position)):
                    if row.index_digest in found:
                        found[row.index_digest].append(StoredChild(row.child_digest, row.platform))
        return {digest: tuple(kept) for digest, kept in found.items()}

    def images(self) -> list[StoredImage]:
        """Everything in the store, ordered by key: images, indexes, and references that could not be resolved."""
        import sqlalchemy as sa

        images, inventories, errors = tables().images, tables().inventories, tables().errors
        nameless: list[NameOfImage] = []
        kept = []
        states = tables().evaluation_states
        has_states, has_names = self._has(states), self._has(tables().names)
        with self._db.reading() as connection:
            named = names_of_images(connection, legacy=not has_names)
            failures = {row.subject: row for row in connection.execute(sa.select(errors))}
            scanned = {
                row.digest: row.scanned_at
                for row in connection.execute(sa.select(inventories.c.digest, inventories.c.scanned_at))
            }
            evaluated = {}
            if has_states:
                since = sa.select(states.c.digest, states.c.since)
                evaluated = {row.digest: row.since for row in connection.execute(since)}
            for row in connection.execute(sa.select(images)):
                failure = failures.pop(row.digest, None)
                names = named.get(row.digest, nameless)
                kept.append(
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
            kept.append(
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
        return sorted(kept, key=lambda image: image.key)

    def package_sets(self, digests: t.Iterable[str]) -> dict[str, str]:
        """Digest -> hash of its packages, the same for images with the same ones; without an inventory left out."""
        import sqlalchemy as sa

        inventories = tables().inventories
        found: dict[str, str] = {}
        with self._db.reading() as connection:
            for part in chunks(sorted(set(digests))):
                columns = sa.select(inventories.c.digest, inventories.c.package_set)
                for row in connection.execute(columns.where(inventories.c.digest.in_(part))):
                    found[row.digest] = row.package_set
        return found

    def inventory(self, digest: str) -> dict[str, t.Any] | None:
        """The inventory of an image, in the form of ``_packages.codec``; None where none is stored.

        Its packages are the very list that the call before gave where they are the same: they must not be changed.
        """
        import sqlalchemy as sa

        inventories, sets = tables().inventories, tables().package_sets
        wanted = sa.select(inventories.c.body, inventories.c.package_set).where(inventories.c.digest == digest)
        body = None
        with self._db.reading() as connection:
            row = connection.execute(wanted).first()
            if row is None:
                return None
            if row.package_set != self._last_packages[0]:
                body = connection.execute(sa.select(sets.c.body).where(sets.c.sha256 == row.package_set)).scalar()
                if body is None:
                    raise CorruptData(
                        f"the package set {row.package_set} of {digest} is missing in the store {self.where}"
                    )
        inventory = _unpack(row.body, f"the inventory of {digest}")
        if body is not None:
            self._last_packages = (row.package_set, _unpack(body, f"the package set of {digest}"))
        packages = self._last_packages[1]
        if not isinstance(inventory, dict) or not isinstance(packages, list):
            raise CorruptData(f"the inventory of {digest} in the store {self.where} does not have its form")
        return {**inventory, "packages": packages}

    def labels(self, digest: str) -> dict[str, str]:
        """The labels of an image, as its inventory has them; none without one. Packages are not read."""
        import sqlalchemy as sa

        inventories = tables().inventories
        with self._db.reading() as connection:
            body = connection.execute(sa.select(inventories.c.body).where(inventories.c.digest == digest)).scalar()
        labels = None if body is None else _unpack(body, f"the inventory of {digest}").get("labels")
        return {str(key): str(value) for key, value in (labels or {}).items()}

    def package_names(self) -> set[str]:
        """Names of all packages in the store, and of the source packages they were built from."""
        import sqlalchemy as sa

        sets = tables().package_sets
        names: set[str] = set()
        with self._db.reading() as connection:
            for row in connection.execute(sa.select(sets.c.sha256, sets.c.body)):
                for package in _unpack(row.body, f"the package set {row.sha256}"):
                    names.add(str(package.get("name", "")))
                    names.add(str(package.get("source_rpm", "")).rpartition("-")[0].rpartition("-")[0])
        return names - {""}

    # Writing what a scan saw

    def record_image(
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
            changed = _put_image(connection, digest, reference, now, kind, platform, None)
            return (settled and _drop_error(connection, digest)) or changed

        return self._db.write(work)

    def record_names(self, sightings: t.Sequence[Sighting], *, now: str) -> bool:
        """Keep with which digests names were seen. True where a name leads elsewhere by that than before."""
        return self._db.write(lambda connection: _put_names(connection, sightings, now))

    def record_index(
        self,
        digest: str,
        reference: str,
        children: t.Sequence[StoredChild],
        *,
        wanted_platforms: t.Iterable[str],
        now: str,
    ) -> bool:
        """Note an index and the images that it lists, in its order."""
        import sqlalchemy as sa

        table = tables().children

        def work(connection: sa.Connection) -> bool:
            changed = _put_image(connection, digest, reference, now, "index", "", wanted_platforms)
            changed |= _drop_error(connection, digest)
            rows = connection.execute(
                sa.select(table.c.child_digest, table.c.platform)
                .where(table.c.index_digest == digest)
                .order_by(table.c.position)
            ).all()
            if [tuple(row) for row in rows] != [tuple(child) for child in children]:
                connection.execute(sa.delete(table).where(table.c.index_digest == digest))
                for position, child in enumerate(children):
                    connection.execute(
                        sa.insert(table).values(
                            index_digest=digest,
                            position=position,
                            child_digest=child.digest,
                            platform=clean_text(child.platform)[:100],
                        )
                    )
                changed = True
            return changed

        return self._db.write(work)

    def record_inventory(
        self, digest: str, reference: str, inventory: t.Mapping[str, t.Any], *, platform: str, scanned_at: str
    ) -> bool:
        """Keep the inventory of an image, and forget the error of an earlier attempt. True when anything is new.

        An inventory that was taken later than this one stays.
        """
        import sqlalchemy as sa

        body = {key: value for key, value in inventory.items() if key != "packages"}
        packages = list(inventory["packages"])
        packed = canonical(packages)
        values = {
            "schema_version": int(inventory["schema_version"]),
            "package_set": _sha256(packed),
            "packages": len(packages),
            "kind": str(inventory["kind"]),
            "complete": not inventory["problems"],
            "scanned_at": scanned_at,
            "body": _pack(canonical(body)),
        }
        inventories, sets = tables().inventories, tables().package_sets

        def work(connection: sa.Connection) -> bool:
            changed = _put_image(connection, digest, reference, scanned_at, "image", platform, None)
            changed |= _drop_error(connection, digest)
            row = connection.execute(
                sa.select(inventories).where(inventories.c.digest == digest).with_for_update()
            ).first()
            if row is not None and inventory_outlives(row.scanned_at, scanned_at):
                return changed
            present = sa.select(sets.c.sha256).where(sets.c.sha256 == values["package_set"])
            if connection.execute(present).first() is None:
                connection.execute(
                    sa.insert(sets).values(sha256=values["package_set"], packages=len(packages), body=_pack(packed))
                )
            if row is None:
                connection.execute(sa.insert(inventories).values(digest=digest, **values))
                return True
            connection.execute(sa.update(inventories).where(inventories.c.digest == digest).values(**values))
            same = all(
                getattr(row, name) == values[name] for name in ("schema_version", "package_set", "kind", "complete")
            )
            return changed or not same or bytes(row.body) != values["body"]

        return self._db.write(work)

    def record_error(self, digest: str, reference: str, error: ScanError, *, now: str) -> bool:
        """Keep why the last attempt failed; what was known before stays. True when the cause is a new one."""
        import sqlalchemy as sa

        errors = tables().errors
        reference = clean_text(reference)
        subject = digest or unresolved_key(reference)
        code = error.code[:100]

        def work(connection: sa.Connection) -> bool:
            changed = False
            if digest:
                changed = _put_image(connection, digest, reference, now, "", "", None)
            where = errors.c.sha256 == text_key(subject)
            row = connection.execute(sa.select(errors).where(where).with_for_update()).first()
            if row is not None and row.code == code:
                connection.execute(sa.update(errors).where(where).values(last_at=now, attempts=row.attempts + 1))
                return changed
            values = {
                "code": code,
                "message": clean_text(str(error))[:4000],
                "reference": reference,
                "first_at": now,
                "last_at": now,
            }
            if row is None:
                connection.execute(
                    sa.insert(errors).values(
                        sha256=text_key(subject), subject=subject, digest=digest, attempts=1, **values
                    )
                )
            else:
                connection.execute(sa.update(errors).where(where).values(attempts=row.attempts + 1, **values))
            return True

        return self._db.write(work)

    def forget(self, digest: str) -> None:
        """Drop the inventory of an image, its rules, and what an index lists: who told it cannot be trusted.

        The image and its names stay.
        """
        import sqlalchemy as sa

        images, children, inventories = tables().images, tables().children, tables().inventories

        def work(connection: sa.Connection) -> None:
            for table in (inventories, tables().evaluations, tables().evaluation_states):
                connection.execute(sa.delete(table).where(table.c.digest == digest))
            connection.execute(sa.delete(children).where(children.c.index_digest == digest))
            # An index without a list would count as one that is known to hold no image.
            connection.execute(sa.update(images).where(images.c.digest == digest).values(kind="image"))

        self._db.write(work)

    # Rules

    def known_evaluations(self, question: str) -> dict[str, KnownEvaluation]:
        """Digest -> what an evaluation came to; without those whose last attempt at this question failed."""
        import sqlalchemy as sa

        table, states = tables().evaluations, tables().evaluation_states
        if not self._has(states):
            return {}
        failed = sa.and_(states.c.question == question, states.c.error_code != "")
        wanted = (
            sa.select(
                table.c.digest,
                table.c.schema_version,
                table.c.counts,
                table.c.complete,
                table.c.evaluated_at,
                table.c.arf.is_not(None).label("arf"),
                sa.and_(states.c.in_force == question, states.c.question == question).label("in_force"),
            )
            .join_from(table, states, table.c.digest == states.c.digest)
            .where(table.c.question == question, sa.not_(failed))
        )
        with self._db.reading() as connection:
            return {
                row.digest: KnownEvaluation(
                    row.digest,
                    row.schema_version,
                    json.loads(row.counts),
                    row.complete,
                    row.evaluated_at,
                    bool(row.arf),
                    bool(row.in_force),
                )
                for row in connection.execute(wanted)
            }

    def evaluation(self, digest: str, question: str = "") -> StoredEvaluation | None:
        """What is known of the rules of an image; None where they were never asked for.

        ``question``: give its answer, and not the one in force.
        """
        import sqlalchemy as sa

        table, states, sets = tables().evaluations, tables().evaluation_states, tables().rule_sets
        if not self._has(states):
            return None
        with self._db.reading() as connection:
            state = connection.execute(sa.select(states).where(states.c.digest == digest)).first()
            if state is None:
                return None
            question = question or state.in_force
            if not question:
                return StoredEvaluation(None, None, "", state.error_code, state.error_message)
            here = sa.and_(table.c.digest == digest, table.c.question == question)
            columns = sa.select(table.c.rule_set, table.c.evaluated_at, table.c.asked, table.c.body)
            row = connection.execute(columns.where(here)).first()
            rules = None
            if row is not None:
                rules = connection.execute(sa.select(sets.c.body).where(sets.c.sha256 == row.rule_set)).scalar()
        if row is None or rules is None:
            raise CorruptData(f"the rules of {digest} are missing in the store {self.where}")
        results = _unpack(row.body, f"the evaluation of {digest}")
        results["rules"] = _unpack(rules, f"the rules of {digest}")
        asked = json.loads(row.asked)
        return StoredEvaluation(
            results,
            Asked(**{**asked, "rules": tuple(asked["rules"])}),
            row.evaluated_at,
            state.error_code,
            state.error_message,
        )

    def arf(self, digest: str) -> bytes | None:
        """The ARF of the evaluation in force, compressed with gzip; None where it was not kept."""
        body = self._in_force(digest, "arf")
        return None if body is None else bytes(body)

    def evaluated_at(self, digest: str) -> str:
        """When the evaluation in force was made; empty without one."""
        return self._in_force(digest, "evaluated_at") or ""

    def _in_force(self, digest: str, column: str) -> t.Any:
        """A column of the evaluation in force; None without one."""
        import sqlalchemy as sa

        table, states = tables().evaluations, tables().evaluation_states
        if not self._has(states):
            return None
        same = sa.and_(table.c.digest == states.c.digest, table.c.question == states.c.in_force)
        wanted = sa.select(table.c[column]).join_from(table, states, same).where(table.c.digest == digest)
        with self._db.reading() as connection:
            return connection.execute(wanted).scalar()

    def record_results(
        self, digest: str, asked: Asked, results: t.Mapping[str, t.Any], *, arf: bytes | None, now: str
    ) -> bool:
        """Keep what an evaluation came to, put it in force, and forget the error of an earlier one.

        Of several questions about one image the ``ANSWERS_KEPT`` newest answers stay.
        ``results``: in the form of ``_compliance.codec``. ``arf``: compressed with gzip. True where anything is new.
        """
        import sqlalchemy as sa

        table, sets = tables().evaluations, tables().rule_sets
        # When each rule was looked at says nothing that "started" and "ended" do not, and makes all sets differ.
        rules = [{key: value for key, value in rule.items() if key != "time"} for rule in results["rules"]]
        packed = canonical(rules)
        counts: dict[str, int] = {"notselected": int(results["not_selected"])}
        for rule in rules:
            counts[rule["result"]] = counts.get(rule["result"], 0) + 1
        values = {
            "schema_version": int(results["schema_version"]),
            "rule_set": _sha256(packed),
            "counts": json.dumps(counts, sort_keys=True),
            "complete": not results["problems"],
            "evaluated_at": now,
            "asked": canonical(dataclasses.asdict(asked)).decode("utf-8", "replace"),
            "body": _pack(canonical({key: value for key, value in results.items() if key != "rules"})),
            "arf": arf,
        }
        question = asked.question
        here = sa.and_(table.c.digest == digest, table.c.question == question)

        def work(connection: sa.Connection) -> bool:
            before = connection.execute(
                sa.select(table.c.rule_set, table.c.body, table.c.evaluated_at).where(here).with_for_update()
            ).first()
            if connection.execute(sa.select(sets.c.sha256).where(sets.c.sha256 == values["rule_set"])).first() is None:
                connection.execute(
                    sa.insert(sets).values(sha256=values["rule_set"], rules=len(rules), body=_pack(packed))
                )
            if before is None:
                connection.execute(sa.insert(table).values(digest=digest, question=question, **values))
            else:
                connection.execute(sa.update(table).where(here).values(**values))
            # Each update of the content is a new question, which nobody asks again after the next one.
            older = sa.select(table.c.question).where(table.c.digest == digest, table.c.question != question)
            older = older.order_by(table.c.evaluated_at.desc(), table.c.question)
            gone = [row.question for row in connection.execute(older)][ANSWERS_KEPT - 1 :]
            connection.execute(sa.delete(table).where(table.c.digest == digest, table.c.question.in_(gone)))
            changed = _put_state(connection, digest, question, question, None, now, renew=True)
            if before is None or before.rule_set != values["rule_set"]:
                return True
            old = _unpack(before.body, f"the evaluation of {digest}")
            same = all(old.get(key) == results[key] for key in ("content", "problems"))
            return changed or not same

        return self._db.write(work)

    def use_results(self, digest: str, question: str, *, now: str) -> bool:
        """Put results in force that are known already, since they answer what is asked now. True where that is new."""
        return self._db.write(lambda connection: _put_state(connection, digest, question, question, None, now))

    def record_evaluation_error(self, digest: str, question: str, error: ScanError, *, now: str) -> bool:
        """Keep why an evaluation failed; what was known before stays. True when the cause is a new one."""
        return self._db.write(lambda connection: _put_state(connection, digest, question, None, error, now))

    def _has(self, table: sa.Table) -> bool:
        """False in a store of an older version that is open for reading."""
        return not self.read_only or table.name in self._db.table_names()

    # Clusters

    def record_cluster(self, name: str, images: t.Iterable[str], *, now: str) -> None:
        """Keep which images (keys) a cluster has, for the time when it cannot be asked."""
        import sqlalchemy as sa

        table = tables().clusters
        key = text_key(name)
        values = {"name": clean_text(name), "seen_at": now, "images": _pack(canonical(sorted(set(images))))}

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(table).where(table.c.sha256 == key))
            connection.execute(sa.insert(table).values(sha256=key, **values))

        self._db.write(work)

    def cluster(self, name: str) -> StoredCluster | None:
        """What a cluster was last found to have; None where it never was asked."""
        import sqlalchemy as sa

        table = tables().clusters
        if not self._has(table):
            return None
        with self._db.reading() as connection:
            row = connection.execute(sa.select(table).where(table.c.sha256 == text_key(name))).first()
        return None if row is None else StoredCluster(row.seen_at, _unpack(row.images, f"the cluster {name}"))

    # Jobs in clusters

    def record_job(self, job: JobRecord) -> None:
        """Keep that a Job exists."""
        import sqlalchemy as sa

        table = tables().jobs

        def work(connection: sa.Connection) -> None:
            if connection.execute(sa.select(table.c.uid).where(table.c.uid == job.uid)).first() is None:
                connection.execute(sa.insert(table).values(**dataclasses.asdict(job)))

        self._db.write(work)

    def forget_job(self, uid: str) -> None:
        """Drop what is known of a Job."""
        import sqlalchemy as sa

        table = tables().jobs
        self._db.write(lambda connection: connection.execute(sa.delete(table).where(table.c.uid == uid)).close())

    def jobs(self, server: str, namespace: str) -> list[JobRecord]:
        """The Jobs on record in one namespace of a cluster, oldest first."""
        import sqlalchemy as sa

        table = tables().jobs
        if not self._has(table):
            return []
        wanted = sa.select(table).where(table.c.server == server, table.c.namespace == namespace)
        with self._db.reading() as connection:
            return [
                JobRecord(**row._mapping) for row in connection.execute(wanted.order_by(table.c.created, table.c.name))
            ]

    # Verdicts

    def compare_verdicts(self, judgements: t.Sequence[Judgement]) -> list[RecordedVerdict]:
        """What ``record_verdicts`` would say, without writing."""
        with self._db.reading() as connection:
            return [_weigh(connection, judgement)[0] for judgement in judgements]

    def record_verdicts(self, judgements: t.Sequence[Judgement]) -> list[RecordedVerdict]:
        """Append what differs from the verdict in force. A judgement made earlier, or with older data, never counts.

        One transaction for each part of the list, so that other runs are not kept waiting.
        """
        recorded: list[RecordedVerdict] = []
        for start in range(0, len(judgements), CHUNK):
            part = judgements[start : start + CHUNK]
            # mypy has no type for a lambda with a default.
            recorded += self._db.write(lambda connection, part=part: [_put_verdict(connection, one) for one in part])  # type: ignore[misc]
        return recorded

    def verdicts(self, keys: t.Iterable[str] | None = None) -> list[StoredVerdict]:
        """The verdicts in force, ordered by key; all of them without ``keys``."""
        import sqlalchemy as sa

        verdicts, current = tables().verdicts, tables().current
        base = sa.select(
            verdicts.c.subject,
            verdicts.c.digest,
            verdicts.c.verdict,
            verdicts.c.document,
            current.c.judged_at,
            current.c.feed,
        ).join_from(current, verdicts, current.c.verdict_id == verdicts.c.id)
        found = []
        with self._db.reading() as connection:
            if keys is None:
                rows = list(connection.execute(base))
            else:
                rows = []
                for part in chunks([text_key(key) for key in sorted(set(keys))]):
                    rows += connection.execute(base.where(current.c.subject_sha256.in_(part))).all()
        for row in rows:
            document = _unpack(row.document, f"the verdict of {row.subject}")
            feed = json.loads(row.feed) if row.feed else None
            found.append(StoredVerdict(row.subject, row.digest, row.verdict, row.judged_at, document, feed))
        return sorted(found, key=lambda verdict: verdict.key)

    def changes(self, keys: t.Iterable[str]) -> dict[str, StoredChange]:
        """Subject -> the last change of its verdict; without those that only ever had one."""
        import sqlalchemy as sa

        table = tables().changes
        if not self._has(table):
            return {}
        by_hash = {text_key(key): key for key in keys}
        found = {}
        with self._db.reading() as connection:
            for part in chunks(sorted(by_hash)):
                for row in connection.execute(sa.select(table).where(table.c.subject_sha256.in_(part))):
                    change = StoredChange(row.before, row.after, row.since, json.loads(row.reasons))
                    found[by_hash[row.subject_sha256]] = change
        return found

    def failed_last(self, keys: t.Iterable[str]) -> set[str]:
        """Which subjects failed when they were last judged with a clear result; what came after was none."""
        import sqlalchemy as sa

        verdicts = tables().verdicts
        clear = verdicts.c.verdict.in_(("passed", "failed"))
        found: set[str] = set()
        with self._db.reading() as connection:
            for part in chunks([text_key(key) for key in sorted(set(keys))]):
                last = sa.select(sa.func.max(verdicts.c.id)).where(verdicts.c.subject_sha256.in_(part), clear)
                rows = sa.select(verdicts.c.subject).where(
                    verdicts.c.id.in_(last.group_by(verdicts.c.subject_sha256)), verdicts.c.verdict == "failed"
                )
                found.update(connection.execute(rows).scalars())
        return found

    def history(self, key: str) -> list[StoredVerdict]:
        """Every verdict that was in force for one subject, oldest first."""
        import sqlalchemy as sa

        verdicts = tables().verdicts
        wanted = sa.select(verdicts).where(verdicts.c.subject_sha256 == text_key(key)).order_by(verdicts.c.id)
        with self._db.reading() as connection:
            rows = connection.execute(wanted).all()
        return [
            StoredVerdict(
                row.subject,
                row.digest,
                row.verdict,
                row.judged_at,
                _unpack(row.document, f"the verdict of {row.subject}"),
                json.loads(row.feed) if row.feed else None,
            )
            for row in rows
        ]


def _put_image(
    connection: sa.Connection,
    digest: str,
    reference: str,
    now: str,
    kind: str,
    platform: str,
    wanted_platforms: t.Iterable[str] | None,
) -> bool:
    """Insert or complete an image and its reference. An empty ``kind``: not known, keep what is there."""
    import sqlalchemy as sa

    images = tables().images
    platform = clean_text(platform)[:100]
    wanted = None if wanted_platforms is None else " ".join(sorted(wanted_platforms))
    row = connection.execute(sa.select(images).where(images.c.digest == digest)).first()
    changed = False
    if row is None:
        connection.execute(
            sa.insert(images).values(
                digest=digest, kind=kind or "image", platform=platform, wanted_platforms=wanted or "", first_seen=now
            )
        )
        changed = True
    else:
        values: dict[str, str] = {}
        if kind and row.kind != kind:
            values["kind"] = kind
        if platform and row.platform != platform:
            values["platform"] = platform
        if wanted is not None and row.wanted_platforms != wanted:
            values["wanted_platforms"] = wanted
        if values:
            connection.execute(sa.update(images).where(images.c.digest == digest).values(**values))
            changed = True
    return _put_names(connection, [Sighting(reference, digest, seen=now)], now) or changed


def _put_names(connection: sa.Connection, sightings: t.Sequence[Sighting], now: str) -> bool:
    """Keep sightings of names, and forget that these could not be resolved. True where that makes a difference."""
    import sqlalchemy as sa

    changed = put_names(connection, sightings, now)
    errors = tables().errors
    wanted = {text_key(key): key for key in (unresolved_key(clean_text(one.reference)) for one in sightings)}
    for part in chunks(sorted(wanted)):
        for key in connection.execute(sa.select(errors.c.sha256).where(errors.c.sha256.in_(part))).scalars().all():
            changed |= _drop_error(connection, wanted[key])
    return changed


def _put_state(
    connection: sa.Connection,
    digest: str,
    question: str,
    in_force: str | None,
    error: ScanError | None,
    now: str,
    *,
    renew: bool = False,
) -> bool:
    """Note the last attempt at the rules of an image. ``in_force`` None: what was stays. ``renew``: it is news."""
    import sqlalchemy as sa

    states = tables().evaluation_states
    row = connection.execute(sa.select(states).where(states.c.digest == digest).with_for_update()).first()
    values = {
        "question": question,
        "in_force": (row.in_force if row is not None else "") if in_force is None else in_force,
        "error_code": error.code[:100] if error else "",
    }
    message = clean_text(str(error))[:4000] if error else ""
    if row is None:
        connection.execute(sa.insert(states).values(digest=digest, error_message=message, since=now, **values))
        return True
    changed = any(getattr(row, name) != value for name, value in values.items())
    if changed or renew:
        here = states.c.digest == digest
        connection.execute(sa.update(states).where(here).values(error_message=message, since=now, **values))
    return changed


def _drop_error(connection: sa.Connection, subject: str) -> bool:
    """Forget the error of a subject; True when there was one. A verdict that stood on it alone goes with it."""
    import sqlalchemy as sa

    errors, current = tables().errors, tables().current
    key = text_key(subject)
    gone = connection.execute(sa.delete(errors).where(errors.c.sha256 == key)).rowcount > 0
    if gone and subject.startswith(UNRESOLVED):
        for table in (current, tables().changes):
            connection.execute(sa.delete(table).where(table.c.subject_sha256 == key))
    return gone


def _weigh(connection: sa.Connection, judgement: Judgement) -> tuple[RecordedVerdict, str, bytes, t.Any]:
    """Compare a judgement with the verdict in force; also its document's hash and bytes, and the row in force."""
    import sqlalchemy as sa

    verdicts, current = tables().verdicts, tables().current
    document = canonical(judgement.document)
    sha256 = _sha256(document)
    row = connection.execute(
        sa.select(
            verdicts.c.verdict,
            verdicts.c.document_sha256,
            current.c.verdict_id,
            current.c.judged_at,
            current.c.feed_checked,
        )
        .join_from(current, verdicts, current.c.verdict_id == verdicts.c.id)
        .where(current.c.subject_sha256 == text_key(judgement.key))
    ).first()
    if row is None:
        state = "new"
    elif row.document_sha256 == sha256:
        state = "unchanged"
    elif outlives(_dated(row), judgement, lambda: _document(connection, row.verdict_id, judgement.key)):
        state = "superseded"
    else:
        state = "changed"
    before = row.verdict if row is not None else ""
    after = before if state == "superseded" else judgement.verdict
    reasons: tuple[dict[str, str], ...] = ()
    if row is not None and before != after:
        # Only what judges needs the table of all reasons: a fifth of the start of a scan.
        from .._verdicts.changes import difference

        reasons = tuple(difference(_document(connection, row.verdict_id, judgement.key), judgement.document))
    return RecordedVerdict(judgement.key, state, before, after, reasons), sha256, document, row


def _dated(row: t.Any) -> DatedVerdict:
    return DatedVerdict(row.verdict, row.judged_at, row.feed_checked)


def _document(connection: sa.Connection, verdict_id: int, key: str) -> t.Any:
    """The document of one verdict in the history."""
    import sqlalchemy as sa

    verdicts = tables().verdicts
    body = connection.execute(sa.select(verdicts.c.document).where(verdicts.c.id == verdict_id)).scalar()
    return _unpack(body or b"", f"the verdict of {key}")


def _put_verdict(connection: sa.Connection, judgement: Judgement) -> RecordedVerdict:
    import sqlalchemy as sa

    verdicts, current = tables().verdicts, tables().current
    key = text_key(judgement.key)
    # PostgreSQL: whoever judges the same subject at the same time waits here.
    connection.execute(sa.select(current.c.verdict_id).where(current.c.subject_sha256 == key).with_for_update())
    recorded, sha256, document, row = _weigh(connection, judgement)
    if recorded.state == "superseded":
        return recorded
    feed = "" if judgement.feed is None else canonical(judgement.feed).decode("utf-8")
    force = {"judged_at": judgement.judged_at, "feed_checked": judgement.feed_checked, "feed": feed}
    if recorded.state == "unchanged":
        if row is not None and is_renewed_by(_dated(row), judgement):
            connection.execute(sa.update(current).where(current.c.subject_sha256 == key).values(**force))
        return recorded
    appended = connection.execute(
        sa.insert(verdicts).values(
            subject_sha256=key,
            subject=clean_text(judgement.key),
            digest=judgement.digest,
            verdict=judgement.verdict,
            judged_at=judgement.judged_at,
            feed=feed,
            document_sha256=sha256,
            document=_pack(document),
        )
    )
    verdict_id = (appended.inserted_primary_key or (None,))[0]
    if row is None:
        connection.execute(sa.insert(current).values(subject_sha256=key, verdict_id=verdict_id, **force))
    else:
        connection.execute(
            sa.update(current).where(current.c.subject_sha256 == key).values(verdict_id=verdict_id, **force)
        )
        if recorded.before != recorded.after:
            changes = tables().changes
            connection.execute(sa.delete(changes).where(changes.c.subject_sha256 == key))
            change = {"before": recorded.before, "after": recorded.after, "since": judgement.judged_at}
            reasons = json.dumps(recorded.reasons)
            connection.execute(sa.insert(changes).values(subject_sha256=key, reasons=reasons, **change))
    return recorded
