# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the bytes of a document of a feed to what the index keeps of it."""

from __future__ import annotations

import typing as t

from ..._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from ..distributions import parse_distribution
from ..documents.model import Document
from ..documents.unread import EVERYTHING, UnreadScope
from ..formats.model import FeedFormat
from ..formats.table import FORMATS
from ..index.packing import Packed, pack

if t.TYPE_CHECKING:
    from ..index.writer import Writer

#: What says nothing about packages, and is not damage.
LEFT_OUT_CODES = frozenset({"not-security"}).union(*(item.left_out for item in FORMATS.values()))


class Form(t.NamedTuple):
    """Kind of the documents of a feed. ``distribution``: whose, like ``rocky:9``, where they do not say it."""

    name: str = next(iter(FORMATS))
    distribution: str = ""

    @property
    def format(self) -> FeedFormat:
        """The format with this name. Raises InputError for a name that is not in the table."""
        if self.name not in FORMATS:
            raise InputError(f"the format {ascii(self.name)[:40]} is not known; expected one of {', '.join(FORMATS)}")
        return FORMATS[self.name]

    def check(self) -> None:
        """Raises InputError for a form that does not exist, or that does not say all that is needed."""
        if self.format.needs_distribution:
            parse_distribution(self.distribution)
        elif self.distribution:
            raise InputError(f"the format {self.name} says by itself which distribution its documents are about")


class Refusal(t.NamedTuple):
    """A document that cannot be read: why, and what it can concern. ``is_rejected`` False: it is none of the feed's
    documents, or it is the feed that is wrong.
    """

    error: ScanError
    scope: UnreadScope
    is_rejected: bool


CSAF = Form()


def parse(path: str, data: bytes, names: t.Collection[str], form: Form = CSAF) -> Packed:
    """Read a document; with ``names`` only what it says of these packages.

    Raises what the readers raise; with a code of LEFT_OUT_CODES for a file that is none of the feed's documents.
    """
    where = path.rpartition("/")[2]
    document = form.format.read(data, where, names, form.distribution)
    if document.category.endswith("-other"):
        raise CorruptData(f"{where} fixes no vulnerability", code="not-security")
    if names:
        document = Document(
            document.category,
            document.revision,
            document.deleted,
            tuple((cve, rows) for cve, rows in document.vulnerabilities if rows),
            document.skipped,
        )
    return pack(document)


def outcome(path: str, data: bytes, names: t.Collection[str], form: Form) -> Packed | Refusal:
    """Read a document as ``parse`` does; why it cannot be read is a result, too."""
    try:
        return parse(path, data, names, form)
    except ScanError as error:
        is_rejected = (
            isinstance(error, (CorruptData, LimitExceeded))
            and error.code not in LEFT_OUT_CODES
            and error.code != "feed-distribution"
        )
        return Refusal(error, form.format.scope(data, path) if is_rejected else EVERYTHING, is_rejected)


def write_outcome(
    writer: Writer, path: str, sha256: str, stamp: str, document_outcome: Packed | Refusal, *, verified: bool
) -> None:
    """Write what came of a document into an index: see ``Writer.put``. Raises the error of a feed that is wrong."""
    if not isinstance(document_outcome, Refusal):
        writer.put_packed(path, sha256, stamp, document_outcome, verified)
    elif document_outcome.is_rejected:
        writer.reject(
            path, sha256, stamp, document_outcome.error.message, scope=document_outcome.scope, verified=verified
        )
    elif document_outcome.error.code in LEFT_OUT_CODES:
        writer.leave_out(path, sha256, stamp, document_outcome.error.code.replace("-", "_"))
    else:
        raise document_outcome.error
