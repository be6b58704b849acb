# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``accept_unread``: documents of the feed that could not be read."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.text import visible
from ..documents import Field, hexadecimal
from ..model import Reason
from ..wording import counted, listed
from .base import Case, Code, Condition, Reasons, Step, Terms

EXAMPLE = """\

  # Documents of the feed that could not be read hold up the images that they may be about. What a person has read is
  # accepted by its name in the feed and its content; when it changes, it holds up again.
  accept_unread: []
  #  - document: 2026/cve-2026-1234.json
  #    sha256: 0f4c6ca86e0f3b1d2b1b2f7ad3c2a08d8e5a9f1f9a3a6f2f0a54b4d1d6f3c7ab
  #    reason: it is about a product that we do not have
"""
_KEYS = {
    "document": "its path in the feed, as the sync names it",
    "sha256": "so that the next version of the document is not accepted unseen",
    "reason": "why it may be passed over",
}
CODES: t.Mapping[str, Code] = {
    "feed-incomplete": Code(
        "inconclusive",
        "A document of the feed could not be read, and it names packages of the image or nothing tells what it names.",
        "Sync the feed again once the vendor has corrected the document; or read it yourself, and accept it by its path"
        " and SHA-256 under 'accept_unread' if it says nothing of your images.",
    ),
    "feed-unread-accepted": Code(
        "note",
        "Documents of the feed that may be about the image could not be read, and the policy accepts each of them.",
        "Sync the feed again; take those that can be read by now out of 'accept_unread'.",
    ),
}


@dataclasses.dataclass(frozen=True)
class AcceptedDocument:
    """A document of a feed that no program of ours can read, and a person did. ``sha256``: of its content, in hex."""

    document: str
    sha256: str
    reason: str


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class UnreadTerms(Terms):
    """Documents that a person has read."""

    accept_unread: tuple[AcceptedDocument, ...] = ()


def _parse(field: Field) -> dict[str, t.Any]:
    documents = []
    for child in field.items("a list of documents"):
        keys = ("document", "sha256", "reason")
        fields = child.mapping(keys, "document, sha256 and reason")
        missing = [key for key in keys if key not in fields]
        if missing:
            raise child.error(f"{missing[0]} is missing: {_KEYS[missing[0]]}")
        digest = hexadecimal(fields["sha256"], (64,), "the 64 hexadecimal digits of the document's SHA-256")
        documents.append(AcceptedDocument(fields["document"].text(), digest, fields["reason"].text()))
    return {"accept_unread": tuple(documents)}


def _reasons(policy: UnreadTerms, case: Case) -> Reasons:
    """Documents that could not be read and may be about the image."""
    if case.data is None:
        return
    if not case.data.feed.statements:
        yield Reason("feed-incomplete", "The vulnerability data has no statement in it")
    documents = case.data.match.unread
    accepted = {(entry.document, entry.sha256) for entry in policy.accept_unread}
    unread = [document for document in documents if (document.path, document.sha256) not in accepted]
    for document in unread:
        names_text = "it names no package that can be relied on, so it may be about any package of the image"
        if document.names:
            names_text = f"it names {listed(document.names)}, which the image has"
        remedy = "conclusive once the feed has a document that can be read"
        if len(document.sha256) == 64:
            remedy += f", or a policy accepts it under 'accept_unread' with the SHA-256 {document.sha256}"
        text = f"The document {visible(document.path, 200)} of the feed could not be read; {names_text}; {remedy}"
        yield Reason("feed-incomplete", text)
    if len(unread) < len(documents):
        number = counted(len(documents) - len(unread), "document")
        text = f"{number} of the feed could not be read and may be about the image"
        yield Reason("feed-unread-accepted", f"{text}; the policy '{policy.name}' accepts each by its SHA-256")


ACCEPT_UNREAD = Condition("accept_unread", EXAMPLE, _parse, CODES, {Step.UNREAD: _reasons})
