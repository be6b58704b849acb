# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluations with OpenSCAP in the store."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from .._core.errors import CorruptData, ScanError
from .bodies import canonical, pack, put_row, put_set, sha256_of, unpack
from .database import Database
from .model import Asked, KnownEvaluation, StoredEvaluation
from .tables import tables
from .texts import clean_text

if t.TYPE_CHECKING:
    import sqlalchemy as sa

#: Evaluations that are kept of one image.
ANSWERS_KEPT = 4


class StoredEvaluations:
    """The rule results of images, by digest and by what was asked; of each image one is in force."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, question: str) -> dict[str, KnownEvaluation]:
        """Digest -> summary of its evaluation; without those whose last attempt at this question failed."""
        import sqlalchemy as sa

        table, states = tables().evaluations, tables().evaluation_states
        if not self._database.has(states):
            return {}
        failed = sa.and_(states.c.question == question, states.c.error_code != "")
        query = (
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
            for row in self._database.rows(query)
        }

    def get(self, digest: str, question: str = "") -> StoredEvaluation | None:
        """Read what is known of the rules of an image; None where they were never asked for.

        ``question``: give its answer, and not the one in force. Raises CorruptData.
        """
        import sqlalchemy as sa

        table, states, sets = tables().evaluations, tables().evaluation_states, tables().rule_sets
        if not self._database.has(states):
            return None
        with self._database.reading() as connection:
            state = connection.execute(states.select().where(states.c.digest == digest)).first()
            if state is None:
                return None
            question = question or state.in_force
            if not question:
                return StoredEvaluation(None, None, "", state.error_code, state.error_message)
            columns = sa.select(table.c.rule_set, table.c.evaluated_at, table.c.asked, table.c.body)
            row = connection.execute(columns.where(table.c.digest == digest, table.c.question == question)).first()
            rules = None
            if row is not None:
                rules = connection.execute(sa.select(sets.c.body).where(sets.c.sha256 == row.rule_set)).scalar()
        if row is None or rules is None:
            raise CorruptData(f"the rules of {digest} are missing in the store {self._database.where}")
        results = unpack(row.body, f"the evaluation of {digest}")
        results["rules"] = unpack(rules, f"the rules of {digest}")
        asked = json.loads(row.asked)
        asked = Asked(**{**asked, "rules": tuple(asked["rules"])})
        return StoredEvaluation(results, asked, row.evaluated_at, state.error_code, state.error_message)

    def arf(self, digest: str) -> bytes | None:
        """Read the ARF of the evaluation in force, compressed with gzip; None where it was not kept."""
        body = self._in_force(digest, "arf")
        return None if body is None else bytes(body)

    def evaluated_at(self, digest: str) -> str:
        """Read when the evaluation in force was made; empty without one."""
        return self._in_force(digest, "evaluated_at") or ""

    def _in_force(self, digest: str, column: str) -> t.Any:
        """A column of the evaluation in force; None without one."""
        import sqlalchemy as sa

        table, states = tables().evaluations, tables().evaluation_states
        if not self._database.has(states):
            return None
        join = sa.and_(table.c.digest == states.c.digest, table.c.question == states.c.in_force)
        query = sa.select(table.c[column]).join_from(table, states, join).where(table.c.digest == digest)
        row = self._database.first(query)
        return None if row is None else row[0]

    def record(self, digest: str, asked: Asked, results: t.Mapping[str, t.Any], *, arf: bytes | None, now: str) -> bool:
        """Keep the results of an evaluation, put them in force, and forget the error of an earlier one.

        Of several questions about one image the ``ANSWERS_KEPT`` newest answers stay.
        ``results``: in the form of ``_compliance.codec``. ``arf``: compressed with gzip. True where anything is new.
        """
        import sqlalchemy as sa

        table = tables().evaluations
        # When each rule was looked at says nothing that "started" and "ended" do not, and makes all sets differ.
        rules = [{key: value for key, value in rule.items() if key != "time"} for rule in results["rules"]]
        packed = canonical(rules)
        counts: dict[str, int] = {"notselected": int(results["not_selected"])}
        for rule in rules:
            counts[rule["result"]] = counts.get(rule["result"], 0) + 1
        rule_set = sha256_of(packed)
        values = {
            "schema_version": int(results["schema_version"]),
            "rule_set": rule_set,
            "counts": json.dumps(counts, sort_keys=True),
            "complete": not results["problems"],
            "evaluated_at": now,
            "asked": canonical(dataclasses.asdict(asked)).decode("utf-8", "replace"),
            "body": pack(canonical({key: value for key, value in results.items() if key != "rules"})),
            "arf": arf,
        }
        question = asked.question
        matches = sa.and_(table.c.digest == digest, table.c.question == question)

        def work(connection: sa.Connection) -> bool:
            before = connection.execute(
                sa.select(table.c.rule_set, table.c.body, table.c.evaluated_at).where(matches).with_for_update()
            ).first()
            put_set(connection, tables().rule_sets, rule_set, packed, rules=len(rules))
            put_row(connection, table, {"digest": digest, "question": question}, values, new=before is None)
            # Each update of the content is a new question, which nobody asks again after the next one.
            older = sa.select(table.c.question).where(table.c.digest == digest, table.c.question != question)
            older = older.order_by(table.c.evaluated_at.desc(), table.c.question)
            old_questions = [row.question for row in connection.execute(older)][ANSWERS_KEPT - 1 :]
            connection.execute(table.delete().where(table.c.digest == digest, table.c.question.in_(old_questions)))
            changed = _put_state(connection, digest, question, question, None, now, renew=True)
            if before is None or before.rule_set != rule_set:
                return True
            old = unpack(before.body, f"the evaluation of {digest}")
            is_same = all(old.get(key) == results[key] for key in ("content", "problems"))
            return changed or not is_same

        return self._database.write(work)

    def put_in_force(self, digest: str, question: str, *, now: str) -> bool:
        """Put results in force that are known already, since they answer what is asked now. True where that is new."""
        return self._database.write(lambda connection: _put_state(connection, digest, question, question, None, now))

    def record_error(self, digest: str, question: str, error: ScanError, *, now: str) -> bool:
        """Keep why an evaluation failed; what was known before stays. True when the cause is a new one."""
        return self._database.write(lambda connection: _put_state(connection, digest, question, None, error, now))


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
    states = tables().evaluation_states
    row = connection.execute(states.select().where(states.c.digest == digest).with_for_update()).first()
    values = {
        "question": question,
        "in_force": (row.in_force if row is not None else "") if in_force is None else in_force,
        "error_code": error.code[:100] if error else "",
    }
    changed = row is None or any(getattr(row, name) != value for name, value in values.items())
    if changed or renew:
        values |= {"error_message": clean_text(str(error))[:4000] if error else "", "since": now}
        put_row(connection, states, {"digest": digest}, values, new=row is None)
    return changed
