# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in the vulnerability data: missing, stale, cut short, partial, damaged."""

from __future__ import annotations

import contextlib
import copy
import json
import sqlite3
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import vex

from .situation import FEED, OTHERS, document
from .trap import Trap, differs


def cut_document(feed: Path) -> None:
    """A download that ended early."""
    path = feed / "2026" / "cve-2026-900101.json"
    path.write_bytes(path.read_bytes()[:-200])


def empty_document(feed: Path) -> None:
    (feed / "2026" / "cve-2026-900101.json").write_bytes(b"")


def error_page(feed: Path) -> None:
    """What a proxy sends in place of a document, with status 200."""
    (feed / "2026" / "cve-2026-900101.json").write_text("<html><body>Please log in</body></html>")


def no_documents(feed: Path) -> None:
    for path in (feed / "2026").iterdir():
        path.unlink()


def no_statements(feed: Path) -> None:
    """Documents of the right shape that say nothing."""
    for path in (feed / "2026").iterdir():
        path.write_text(
            '{"document": {"category": "csaf_vex", "csaf_version": "2.0", "tracking": {"id": "CVE-2026-900101", '
            '"current_release_date": "2026-02-02T10:00:00Z", "status": "final"}}, "vulnerabilities": '
            '[{"cve": "CVE-2026-900101", "product_status": {}}]}'
        )


def older_copy(feed: Path) -> None:
    """A copy of the document from before the hole was understood, left in another folder."""
    said = vex.Says(vex.RHEL9_BASEOS, "known_not_affected", ("openssl-libs", "openssl.src"))
    (feed / "old").mkdir()
    text = json.dumps(document(said, released="2026-01-01T00:00:00+00:00"))
    (feed / "old" / "cve-2026-900101.json").write_text(text)


def cut_index(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


FRESH = "- {name: mine, vulnerabilities: {max_severity: moderate}, max_age: {newest: 30d}}\n"


def empty_index(path: Path) -> None:
    path.write_bytes(b"")


def newer_index(path: Path) -> None:
    """An index that a later version wrote."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
        database.commit()


def another_file(path: Path) -> None:
    """A SQLite file that is no index."""
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE packages (name TEXT PRIMARY KEY, groups BLOB NOT NULL)")
        database.commit()


def advisory(item: vex.Json) -> vex.Json:
    """The same document, said to be an advisory."""
    item = copy.deepcopy(item)
    item["document"]["category"] = "csaf_security_advisory"
    return item


#: Nothing about any package of the example image.
ELSEWHERE = document(vex.Says(vex.RHEL8, "known_affected", ("firefox",), state="Affected"))

TRAPS: list[Trap] = [
    differs(
        "older-copy-of-a-document",
        "whoever adds up all that is said of a vulnerability, now and before: not affected wins",
        "edit_feed",
        older_copy,
        codes="feed-incomplete",
    ),
    differs(
        "no-feed",
        "whoever judges without data: nothing is known, so nothing is found",
        "feed",
        False,
        codes="feed-missing",
    ),
    differs(
        "stale-feed",
        "whoever judges by last month's data: what was found since is not in it",
        "feed_age",
        24 * 30.0,
        codes="feed-stale",
    ),
    differs(
        "feed-that-nobody-refreshes",
        "whoever asks when the data was looked at last, and not how old it is: a dead mirror is checked every day",
        "policy",
        FRESH.replace("30d", "1d"),
        FRESH,
        codes="feed-stale",
    ),
    differs(
        "feed-from-the-future",
        "a clock that is wrong: data that was checked tomorrow is never stale",
        "feed_age",
        -24 * 30.0,
        codes="feed-time",
    ),
    differs(
        "document-cut-short",
        "whoever skips a document that does not parse, the one that matters",
        "edit_feed",
        cut_document,
        codes="feed-incomplete",
    ),
    differs(
        "document-empty", "the same for a document of no bytes", "edit_feed", empty_document, codes="feed-incomplete"
    ),
    differs(
        "login-page-in-place-of-a-document",
        "the same for what a proxy sent",
        "edit_feed",
        error_page,
        codes="feed-incomplete",
    ),
    differs(
        "feed-without-documents",
        "whoever builds an index out of nothing, and is glad that it worked",
        "edit_feed",
        no_documents,
        codes="feed-missing",
    ),
    differs(
        "feed-without-statements",
        "whoever counts documents, and not what they say",
        "edit_feed",
        no_statements,
        codes="feed-incomplete",
    ),
    differs(
        "feed-about-other-products",
        "whoever finds nothing because the feed is about something else",
        "documents",
        (ELSEWHERE,),
        FEED,
        codes="nothing-applicable",
    ),
    differs(
        "advisories-in-place-of-statements",
        "whoever takes advisories for statements: they list fixes only",
        "documents",
        tuple(advisory(item) for item in (document(), OTHERS)),
        FEED,
        codes="feed-missing",
    ),
    differs(
        "index-for-other-packages",
        "whoever reuses the index that was built for one image alone",
        "names",
        ("bash",),
        codes="feed-partial",
    ),
    differs(
        "index-cut-short",
        "whoever opens what is left of an index after a full disk",
        "edit_index",
        cut_index,
        codes="feed-missing",
    ),
    differs(
        "index-of-zero-bytes",
        "SQLite, to which an empty file is a valid database",
        "edit_index",
        empty_index,
        codes="feed-missing",
    ),
    differs(
        "index-of-a-later-version",
        "whoever reads the columns that it knows",
        "edit_index",
        newer_index,
        codes="feed-missing",
    ),
    differs(
        "index-that-is-none",
        "whoever finds a table of the right name",
        "edit_index",
        another_file,
        codes="feed-missing",
    ),
]
