# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts in the store: the history of each subject, which is only appended to, and the one in force."""

from __future__ import annotations

import json
import typing as t

from .._verdicts.model import Judgement
from .._verdicts.precedence import DatedVerdict, is_renewed_by, outlives
from .bodies import canonical, pack, put_row, sha256_of, unpack
from .database import Database
from .model import RecordedVerdict, StoredChange, StoredVerdict
from .tables import tables
from .texts import CHUNK, chunks, clean_text, text_key

if t.TYPE_CHECKING:
    import sqlalchemy as sa


class StoredVerdicts:
    """The verdicts of all subjects, known by their keys (``StoredImage.key``)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def compare(self, judgements: t.Sequence[Judgement]) -> list[RecordedVerdict]:
        """Tell what ``record`` would, without writing."""
        with self._database.reading() as connection:
            return [_compare(connection, judgement)[0] for judgement in judgements]

    def record(self, judgements: t.Sequence[Judgement]) -> list[RecordedVerdict]:
        """Append what differs from the verdict in force. A judgement made earlier, or with older data, never counts.

        One transaction for each part of the list, so that other runs are not kept waiting.
        """
        recorded: list[RecordedVerdict] = []
        for start in range(0, len(judgements), CHUNK):
            part = judgements[start : start + CHUNK]
            # mypy has no type for a lambda with a default.
            recorded += self._database.write(lambda connection, part=part: [_put(connection, item) for item in part])  # type: ignore[misc]
        return recorded

    def in_force(self, keys: t.Iterable[str] | None = None) -> list[StoredVerdict]:
        """Read the verdicts in force, ordered by key; all of them without ``keys``."""
        import sqlalchemy as sa

        verdicts, current = tables().verdicts, tables().current
        query = sa.select(
            verdicts.c.subject,
            verdicts.c.digest,
            verdicts.c.verdict,
            verdicts.c.document,
            current.c.judged_at,
            current.c.feed,
        ).join_from(current, verdicts, current.c.verdict_id == verdicts.c.id)
        if keys is None:
            rows = self._database.rows(query)
        else:
            rows = self._database.rows_in(query, current.c.subject_sha256, map(text_key, keys))
        return sorted(map(_stored, rows), key=lambda verdict: verdict.key)

    def changes(self, keys: t.Iterable[str]) -> dict[str, StoredChange]:
        """Subject -> the last change of its verdict; without those that only ever had one."""
        table = tables().changes
        if not self._database.has(table):
            return {}
        subjects = {text_key(key): key for key in keys}
        return {
            subjects[row.subject_sha256]: StoredChange(row.before, row.after, row.since, json.loads(row.reasons))
            for row in self._database.rows_in(table.select(), table.c.subject_sha256, subjects)
        }

    def failed_last(self, keys: t.Iterable[str]) -> set[str]:
        """Subjects that failed when they were last judged with a clear result, passed or failed."""
        import sqlalchemy as sa

        verdicts = tables().verdicts
        clear = verdicts.c.verdict.in_(("passed", "failed"))
        subjects: set[str] = set()
        with self._database.reading() as connection:
            for part in chunks([text_key(key) for key in sorted(set(keys))]):
                last = sa.select(sa.func.max(verdicts.c.id)).where(verdicts.c.subject_sha256.in_(part), clear)
                rows = sa.select(verdicts.c.subject).where(
                    verdicts.c.id.in_(last.group_by(verdicts.c.subject_sha256)), verdicts.c.verdict == "failed"
                )
                subjects.update(connection.execute(rows).scalars())
        return subjects

    def history(self, key: str) -> list[StoredVerdict]:
        """Every verdict that was in force for one subject, oldest first."""
        verdicts = tables().verdicts
        query = verdicts.select().where(verdicts.c.subject_sha256 == text_key(key)).order_by(verdicts.c.id)
        return list(map(_stored, self._database.rows(query)))


def _stored(row: t.Any) -> StoredVerdict:
    document = unpack(row.document, f"the verdict of {row.subject}")
    feed = json.loads(row.feed) if row.feed else None
    return StoredVerdict(row.subject, row.digest, row.verdict, row.judged_at, document, feed)


def _compare(connection: sa.Connection, judgement: Judgement) -> tuple[RecordedVerdict, str, bytes, t.Any]:
    """Compare a judgement with the verdict in force; also its document's hash and bytes, and the row in force."""
    import sqlalchemy as sa

    verdicts, current = tables().verdicts, tables().current
    document = canonical(judgement.document)
    sha256 = sha256_of(document)
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
    return unpack(body or b"", f"the verdict of {key}")


def _put(connection: sa.Connection, judgement: Judgement) -> RecordedVerdict:
    import sqlalchemy as sa

    verdicts, current, changes = tables().verdicts, tables().current, tables().changes
    key = {"subject_sha256": text_key(judgement.key)}
    matches = current.c.subject_sha256 == key["subject_sha256"]
    # PostgreSQL: whoever judges the same subject at the same time waits here.
    connection.execute(sa.select(current.c.verdict_id).where(matches).with_for_update())
    recorded, sha256, document, row = _compare(connection, judgement)
    if recorded.state == "superseded":
        return recorded
    feed = "" if judgement.feed is None else canonical(judgement.feed).decode("utf-8")
    force = {"judged_at": judgement.judged_at, "feed_checked": judgement.feed_checked, "feed": feed}
    if recorded.state == "unchanged":
        if is_renewed_by(_dated(row), judgement):
            put_row(connection, current, key, force, new=False)
        return recorded
    appended = connection.execute(
        verdicts.insert().values(
            **key,
            subject=clean_text(judgement.key),
            digest=judgement.digest,
            verdict=judgement.verdict,
            judged_at=judgement.judged_at,
            feed=feed,
            document_sha256=sha256,
            document=pack(document),
        )
    )
    verdict_id = (appended.inserted_primary_key or (None,))[0]
    put_row(connection, current, key, {"verdict_id": verdict_id, **force}, new=row is None)
    if row is not None and recorded.before != recorded.after:
        connection.execute(changes.delete().where(changes.c.subject_sha256 == key["subject_sha256"]))
        change = {"before": recorded.before, "after": recorded.after, "since": judgement.judged_at}
        connection.execute(changes.insert().values(**key, **change, reasons=json.dumps(recorded.reasons)))
    return recorded
