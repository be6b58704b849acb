# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in the origin of vulnerability data: signatures that are missing, bad or somebody else's; old copies."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import vex

from .feeds import unreadable
from .judging import LIMIT, policy
from .situation import document
from .trap import Trap, differs

DOCUMENT = Path("2026/cve-2026-900101.json")
REQUIRED = policy(LIMIT, "require_signed_feed: true")
SIGNED: dict[str, t.Any] = {"policy": REQUIRED, "feed_key": "maker"}


def unsign_one(feed: Path) -> None:
    (feed / f"{DOCUMENT}.asc").unlink()


def clear_after_signing(feed: Path) -> None:
    """A mirror that says of the hole that it is none."""
    said = vex.Says(vex.RHEL9_BASEOS, "known_not_affected", ("openssl-libs", "openssl.src"))
    (feed / DOCUMENT).write_text(json.dumps(document(said)))


def name_another_package(feed: Path) -> None:
    """A mirror that has another package named in the document."""
    said = vex.Says(vex.RHEL9, "known_affected", ("httpd",))
    (feed / DOCUMENT).write_text(json.dumps(document(said)))


def unsign_the_unreadable(feed: Path) -> None:
    (feed / "2026" / "cve-2026-900177.json.asc").unlink()


def break_after_signing(feed: Path) -> None:
    """A mirror that takes the package out of the document, and has nobody read what is left."""
    name_another_package(feed)
    path = feed / DOCUMENT
    path.write_text(path.read_text().replace('"csaf_vex"', '"csaf_vexx"'))


def swap_signatures(feed: Path) -> None:
    """The maker's own signatures, each of another document."""
    first, second = sorted(feed.rglob("*.asc"))[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def empty_signature(feed: Path) -> None:
    (feed / f"{DOCUMENT}.asc").write_bytes(b"")


TRAPS: list[Trap] = [
    differs(
        "signed-by-a-stranger",
        "whoever looks that there is a signature, and not whose",
        "signed_by",
        "stranger",
        "maker",
        codes="feed-incomplete",
        **SIGNED,
    ),
    differs(
        "signed-and-nobody-looked",
        "whoever takes a signature beside a document for one that was checked",
        "feed_key",
        "",
        "maker",
        policy=REQUIRED,
        signed_by="maker",
        codes="feed-unsigned",
    ),
    differs(
        "one-document-without-signature",
        "whoever calls a feed signed because most of it is",
        "edit_signed",
        unsign_one,
        signed_by="maker",
        codes="feed-unsigned",
        **SIGNED,
    ),
    differs(
        "cleared-by-a-mirror",
        "whoever believes a document that was changed after it was signed",
        "edit_signed",
        clear_after_signing,
        signed_by="maker",
        feed_key="maker",
        codes="feed-incomplete",
    ),
    differs(
        "package-taken-out-by-a-mirror",
        "whoever asks a document with a bad signature which packages it is about",
        "edit_signed",
        name_another_package,
        signed_by="maker",
        feed_key="maker",
        codes="feed-incomplete",
    ),
    differs(
        "package-taken-out-of-what-cannot-be-read",
        "whoever checks no signature of a document that cannot be read, and asks it all the same what it is about",
        "edit_signed",
        break_after_signing,
        signed_by="maker",
        feed_key="maker",
        codes="feed-incomplete",
    ),
    differs(
        "unreadable-document-without-signature",
        "the same, where the mirror took the signature away, too",
        "edit_signed",
        unsign_the_unreadable,
        edit_feed=unreadable("httpd"),
        signed_by="maker",
        feed_key="maker",
        codes="feed-incomplete",
    ),
    differs(
        "signature-of-another-document",
        "whoever checks that a signature is the maker's, and not of what",
        "edit_signed",
        swap_signatures,
        signed_by="maker",
        feed_key="maker",
        codes="feed-incomplete",
    ),
    differs(
        "empty-signature",
        "whoever takes an empty signature for a missing one",
        "edit_signed",
        empty_signature,
        signed_by="maker",
        feed_key="maker",
        codes="feed-incomplete",
    ),
    differs(
        "old-bundle-imported-anew",
        "whoever counts the age of data from the day on which it was imported",
        "carried",
        8 * 24.0,
        1.0,
        codes="feed-stale",
    ),
]
