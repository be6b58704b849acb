# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that go into the store and come out of it. Times are RFC 3339 text in UTC."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

#: Version of the tables and of what the compressed columns hold; a store with a newer one is refused.
#: Version 2 keeps all digests of a name.
SCHEMA_VERSION = 2
UNRESOLVED = "unresolved:"


def unresolved_key(reference: str) -> str:
    """Key of a reference that never gave a digest."""
    return UNRESOLVED + reference


class StoredImage(t.NamedTuple):
    """Record of one subject in the store: an image, a root folder, an index, or a reference without a digest.

    ``key`` identifies the subject: its digest, or ``unresolved:<reference>`` where the reference never gave one.
    ``kind``: ``image``, ``index`` or ``unresolved``. ``references``: sorted. ``scanned_at``: empty without an
    inventory. ``error_code``, ``error_message``, ``error_at``: of the last attempt, empty when it succeeded.
    ``wanted_platforms``: of an index, those asked for when it was scanned; empty means every platform that it has.
    ``evaluated_at``: since when what is known of its rules is so, empty where they were never asked for.
    ``unconfirmed``: those of the references of which nobody can tell whether they lead to it now (``leads_to``).
    """

    key: str
    digest: str
    kind: str
    platform: str
    references: tuple[str, ...]
    scanned_at: str
    error_code: str
    error_message: str
    error_at: str
    wanted_platforms: tuple[str, ...]
    evaluated_at: str = ""
    unconfirmed: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The first of the references, or the digest where there is none."""
        return self.references[0] if self.references else self.digest


class StoredChild(t.NamedTuple):
    """One image of an index, in the order of the index."""

    digest: str
    platform: str


class KnownInventory(t.NamedTuple):
    """That an inventory of a digest is stored. ``complete`` is False when something was out of sight."""

    digest: str
    schema_version: int
    scanned_at: str
    packages: int
    complete: bool
    kind: str


@dataclasses.dataclass(frozen=True)
class Asked:
    """Request that an evaluation with OpenSCAP answered.

    ``profile``: as somebody wrote it. ``content``: the SHA-256 of a data stream, or whatever tells those apart that are
    chosen from by os-release. ``tailoring``: SHA-256 of the file, or empty. ``rules``: only these, or all where empty.
    """

    profile: str
    content: str
    tailoring: str = ""
    rules: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """SHA-256, in hex: the same where the same is asked, so that its answer holds."""
        text = json.dumps([self.profile, self.content, self.tailoring, sorted(set(self.rules))])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class KnownEvaluation(t.NamedTuple):
    """That the rules of an image were evaluated for a question.

    ``counts``: result -> number of rules. ``complete`` is False where something speaks against the results. ``arf``:
    whether it is kept. ``in_force``: whether these are the results that are judged.
    """

    digest: str
    schema_version: int
    counts: dict[str, int]
    complete: bool
    evaluated_at: str
    arf: bool
    in_force: bool


@dataclasses.dataclass(frozen=True)
class StoredEvaluation:
    """Results of the rules of an image.

    ``results``: the newest, in the form of ``_compliance.codec``, None where no evaluation ever came to an end;
    ``asked`` and ``evaluated_at`` are of them. ``error_code``, ``error_message``: of the last attempt, empty where it
    succeeded; with one the results are older than what was asked for.
    """

    results: dict[str, t.Any] | None
    asked: Asked | None
    evaluated_at: str
    error_code: str
    error_message: str


class StoredCluster(t.NamedTuple):
    """What a cluster was last found to have. ``images``: keys, sorted."""

    seen_at: str
    images: list[str]


class RecordedVerdict(t.NamedTuple):
    """Outcome of a judgement.

    ``state``: ``new`` (first one of this subject), ``changed``, ``unchanged``, or ``superseded`` (the store holds one
    that was made later or with newer data; it stays). ``before``: the verdict that was stored, empty when none was.
    ``reasons``: why the verdict is another one, as ``_verdicts.changes.difference`` gives them.
    """

    key: str
    state: str
    before: str
    after: str
    reasons: tuple[dict[str, str], ...] = ()


class StoredChange(t.NamedTuple):
    """When a subject got the verdict ``after``, which one it had before, and why (``_verdicts.changes.difference``)."""

    before: str
    after: str
    since: str
    reasons: list[dict[str, str]]


class StoredVerdict(t.NamedTuple):
    """The verdict in force for one subject, or one line of its history."""

    key: str
    digest: str
    verdict: str
    judged_at: str
    document: dict[str, t.Any]
    feed: dict[str, t.Any] | None
