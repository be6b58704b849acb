# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the store, in SQL that SQLite and PostgreSQL share.

Content-addressed: package sets and rule sets by the hash of their content, inventories by the digest of their image,
evaluations by that and by what was asked. Texts without a
bound (references, paths) are never keys, since PostgreSQL limits what an index entry may hold: their SHA-256 is.
"""

from __future__ import annotations

import functools
import typing as t

if t.TYPE_CHECKING:
    import sqlalchemy as sa


class Tables(t.NamedTuple):
    """All tables, and the metadata that creates them."""

    metadata: sa.MetaData
    meta: sa.Table
    images: sa.Table
    references: sa.Table
    names: sa.Table
    children: sa.Table
    package_sets: sa.Table
    inventories: sa.Table
    errors: sa.Table
    verdicts: sa.Table
    current: sa.Table
    changes: sa.Table
    clusters: sa.Table
    jobs: sa.Table
    rule_sets: sa.Table
    evaluations: sa.Table
    evaluation_states: sa.Table


@functools.cache
def tables() -> Tables:
    """Build the tables once. SQLAlchemy is imported here, so that importing this file needs nothing."""
    import sqlalchemy as sa

    metadata = sa.MetaData()
    return Tables(
        metadata=metadata,
        **_of_store(metadata),
        **_of_images(metadata),
        **_of_inventories(metadata),
        **_of_verdicts(metadata),
        **_of_clusters(metadata),
        **_of_rules(metadata),
    )


def _of_store(metadata: sa.MetaData) -> dict[str, sa.Table]:
    """The table of the store itself."""
    import sqlalchemy as sa

    return {
        "meta": sa.Table(
            "imagescan_meta",
            metadata,
            sa.Column("name", sa.String(50), primary_key=True),
            sa.Column("value", sa.Text, nullable=False),
        ),
    }


def _of_images(metadata: sa.MetaData) -> dict[str, sa.Table]:
    """Tables of images, their names and what is in an index."""
    import sqlalchemy as sa

    digest = sa.String(200)
    time = sa.String(40)
    return {
        "images": sa.Table(
            "imagescan_images",
            metadata,
            sa.Column("digest", digest, primary_key=True),
            sa.Column("kind", sa.String(20), nullable=False),
            sa.Column("platform", sa.String(100), nullable=False),
            sa.Column("wanted_platforms", sa.Text, nullable=False),
            sa.Column("first_seen", time, nullable=False),
        ),
        # What schema version 1 knew of names: the digest that was written last. It is not written any more.
        "references": sa.Table(
            "imagescan_references",
            metadata,
            sa.Column("sha256", sa.String(64), primary_key=True),
            sa.Column("reference", sa.Text, nullable=False),
            sa.Column("digest", digest, nullable=False, index=True),
        ),
        # Which name was seen with which digest; sha256: of the name. See _images/sightings.py.
        "names": sa.Table(
            "imagescan_names",
            metadata,
            sa.Column("sha256", sa.String(64), primary_key=True),
            sa.Column("digest", digest, primary_key=True),
            sa.Column("source", sa.String(20), primary_key=True),
            sa.Column("cluster", sa.String(200), primary_key=True),
            sa.Column("reference", sa.Text, nullable=False),
            sa.Column("first_seen", time, nullable=False),
            sa.Column("last_seen", time, nullable=False),
        ),
        "children": sa.Table(
            "imagescan_index_children",
            metadata,
            sa.Column("index_digest", digest, primary_key=True),
            sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("child_digest", digest, nullable=False, index=True),
            sa.Column("platform", sa.String(100), nullable=False),
        ),
    }


def _of_inventories(metadata: sa.MetaData) -> dict[str, sa.Table]:
    """Tables of inventories, and of images without one."""
    import sqlalchemy as sa

    digest = sa.String(200)
    time = sa.String(40)
    return {
        "package_sets": sa.Table(
            "imagescan_package_sets",
            metadata,
            sa.Column("sha256", sa.String(64), primary_key=True),
            sa.Column("packages", sa.Integer, nullable=False),
            sa.Column("body", sa.LargeBinary, nullable=False),
        ),
        "inventories": sa.Table(
            "imagescan_inventories",
            metadata,
            sa.Column("digest", digest, primary_key=True),
            sa.Column("schema_version", sa.Integer, nullable=False),
            sa.Column("package_set", sa.String(64), nullable=False, index=True),
            sa.Column("packages", sa.Integer, nullable=False),
            sa.Column("kind", sa.String(20), nullable=False),
            sa.Column("complete", sa.Boolean, nullable=False),
            sa.Column("scanned_at", time, nullable=False),
            sa.Column("body", sa.LargeBinary, nullable=False),
        ),
        "errors": sa.Table(
            "imagescan_errors",
            metadata,
            sa.Column("sha256", sa.String(64), primary_key=True),
            sa.Column("subject", sa.Text, nullable=False),
            sa.Column("digest", digest, nullable=False, index=True),
            sa.Column("reference", sa.Text, nullable=False),
            sa.Column("code", sa.String(100), nullable=False),
            sa.Column("message", sa.Text, nullable=False),
            sa.Column("first_at", time, nullable=False),
            sa.Column("last_at", time, nullable=False),
            sa.Column("attempts", sa.Integer, nullable=False),
        ),
    }


def _of_verdicts(metadata: sa.MetaData) -> dict[str, sa.Table]:
    """Tables of verdicts: all, the one in force, and its last change."""
    import sqlalchemy as sa

    digest = sa.String(200)
    time = sa.String(40)
    return {
        "verdicts": sa.Table(
            "imagescan_verdicts",
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("subject_sha256", sa.String(64), nullable=False, index=True),
            sa.Column("subject", sa.Text, nullable=False),
            sa.Column("digest", digest, nullable=False, index=True),
            sa.Column("verdict", sa.String(20), nullable=False),
            sa.Column("judged_at", time, nullable=False),
            sa.Column("feed", sa.Text, nullable=False),
            sa.Column("document_sha256", sa.String(64), nullable=False),
            sa.Column("document", sa.LargeBinary, nullable=False),
        ),
        "current": sa.Table(
            "imagescan_current_verdicts",
            metadata,
            sa.Column("subject_sha256", sa.String(64), primary_key=True),
            sa.Column("verdict_id", sa.Integer, nullable=False),
            sa.Column("judged_at", time, nullable=False),
            sa.Column("feed_checked", time, nullable=False),
            sa.Column("feed", sa.Text, nullable=False),
        ),
        # The last time that a subject got another verdict than it had; reasons: JSON.
        "changes": sa.Table(
            "imagescan_verdict_changes",
            metadata,
            sa.Column("subject_sha256", sa.String(64), primary_key=True),
            sa.Column("before", sa.String(20), nullable=False),
            sa.Column("after", sa.String(20), nullable=False),
            sa.Column("since", time, nullable=False),
            sa.Column("reasons", sa.Text, nullable=False),
        ),
    }


def _of_clusters(metadata: sa.MetaData) -> dict[str, sa.Table]:
    """Tables of clusters and of the jobs that scan in them."""
    import sqlalchemy as sa

    time = sa.String(40)
    return {
        # What a cluster was last found to have; images: keys of subjects.
        "clusters": sa.Table(
            "imagescan_clusters",
            metadata,
            sa.Column("sha256", sa.String(64), primary_key=True),
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("seen_at", time, nullable=False),
            sa.Column("images", sa.LargeBinary, nullable=False),
        ),
        "jobs": sa.Table(
            "imagescan_scan_jobs",
            metadata,
            sa.Column("uid", sa.String(100), primary_key=True),
            sa.Column("server", sa.Text, nullable=False),
            sa.Column("namespace", sa.String(253), nullable=False),
            sa.Column("name", sa.String(253), nullable=False),
            sa.Column("plan_sha256", sa.String(64), nullable=False),
            sa.Column("created", time, nullable=False),
        ),
    }


def _of_rules(metadata: sa.MetaData) -> dict[str, sa.Table]:
    """Tables of the results of rules."""
    import sqlalchemy as sa

    digest = sa.String(200)
    time = sa.String(40)
    return {
        "rule_sets": sa.Table(
            "imagescan_rule_sets",
            metadata,
            sa.Column("sha256", sa.String(64), primary_key=True),
            sa.Column("rules", sa.Integer, nullable=False),
            sa.Column("body", sa.LargeBinary, nullable=False),
        ),
        # question: see model.Asked.
        "evaluations": sa.Table(
            "imagescan_evaluations",
            metadata,
            sa.Column("digest", digest, primary_key=True),
            sa.Column("question", sa.String(64), primary_key=True, index=True),
            sa.Column("schema_version", sa.Integer, nullable=False),
            sa.Column("rule_set", sa.String(64), nullable=False, index=True),
            sa.Column("counts", sa.Text, nullable=False),
            sa.Column("complete", sa.Boolean, nullable=False),
            sa.Column("evaluated_at", time, nullable=False),
            sa.Column("asked", sa.Text, nullable=False),
            sa.Column("body", sa.LargeBinary, nullable=False),
            sa.Column("arf", sa.LargeBinary),
        ),
        # question: of the last attempt. in_force: of the results that are judged, empty for none.
        "evaluation_states": sa.Table(
            "imagescan_evaluation_states",
            metadata,
            sa.Column("digest", digest, primary_key=True),
            sa.Column("question", sa.String(64), nullable=False),
            sa.Column("in_force", sa.String(64), nullable=False),
            sa.Column("error_code", sa.String(100), nullable=False),
            sa.Column("error_message", sa.Text, nullable=False),
            sa.Column("since", time, nullable=False),
        ),
    }
