# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the bytes of a document of a feed to what the index keeps of it."""

from __future__ import annotations

import re
import typing as t

from ..._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from ..distributions import DISTRIBUTIONS, RED_HAT, distribution_of_product, parse_distribution
from ..documents.csaf_vex import read_document
from ..documents.model import Document
from ..documents.osv import read_record
from ..documents.unread import EVERYTHING, UnreadScope, scope_of
from ..documents.updateinfo import read_advisory
from ..index.packing import Packed, pack
from ..model import FEED_FORMATS

if t.TYPE_CHECKING:
    from ..index.writer import Writer

#: What says nothing about packages, and is no damage.
LEFT_OUT_CODES = frozenset({"not-csaf", "not-vex", "not-osv", "not-security"})

_DOCUMENT_NAME = re.compile(r"cve-[0-9]{4}-[0-9]{4,}\.json", re.IGNORECASE)
_RECORD_NAME = re.compile(rf"(?:{'|'.join(name for one in DISTRIBUTIONS for name in one.advisories)}).*\.json")


class Form(t.NamedTuple):
    """What the documents of a feed are. ``distribution``: whose, like ``rocky:9``, where they do not say it."""

    name: str = "csaf-vex"
    distribution: str = ""

    @property
    def documents(self) -> str:
        """One of them, in messages."""
        return {"csaf-vex": "CSAF-VEX document", "osv": "OSV record"}.get(self.name, "advisory")

    @property
    def coverage(self) -> str:
        """As in ``FeedInfo``: advisories tell what is fixed, and nothing of what is not."""
        return "full" if self.name == "csaf-vex" else "fixes"

    @property
    def keeps_vanished(self) -> bool:
        """Whether documents that are no longer in the feed stay true.

        A repository lists what is current; an advisory leaves it when its packages are replaced.
        """
        return self.name == "updateinfo"

    def check(self) -> None:
        """Raises InputError for a form that does not exist, or that does not say all that is needed."""
        if self.name not in FEED_FORMATS:
            raise InputError(
                f"the format {ascii(self.name)[:40]} is not known; expected one of {', '.join(FEED_FORMATS)}"
            )
        if self.name == "updateinfo":
            parse_distribution(self.distribution)
        elif self.distribution:
            raise InputError(f"the format {self.name} says by itself which distribution its documents are about")

    def distributions(self, cpes: t.Iterable[str]) -> list[str]:
        """As in ``FeedInfo``, for an index with these products."""
        if self.name == "csaf-vex":
            return list(RED_HAT.ids)
        if self.name == "updateinfo":
            return list(parse_distribution(self.distribution)[0].ids)
        found = (distribution_of_product(cpe) for cpe in set(cpes))
        return sorted({name for one in found if one is not None for name in one.ids})


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
    if form.name == "osv":
        document = _record(data, where, names)
    elif form.name == "updateinfo":
        document = read_advisory(data, where, names=names or None, distribution=form.distribution)
    else:
        document = _vex(data, where, names)
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
        return Refusal(error, scope_of(data, path, form.name) if is_rejected else EVERYTHING, is_rejected)


def write_outcome(
    writer: Writer, path: str, sha256: str, stamp: str, found: Packed | Refusal, *, verified: bool
) -> None:
    """Write what came of a document into an index: see ``Writer.put``. Raises the error of a feed that is wrong."""
    if not isinstance(found, Refusal):
        writer.put_packed(path, sha256, stamp, found, verified)
    elif found.is_rejected:
        writer.reject(path, sha256, stamp, found.error.message, scope=found.scope, verified=verified)
    elif found.error.code in LEFT_OUT_CODES:
        writer.leave_out(path, sha256, stamp, found.error.code.replace("-", "_"))
    else:
        raise found.error


def _record(data: bytes, where: str, names: t.Collection[str]) -> Document:
    try:
        return read_record(data, where, names=names or None)
    except CorruptData as error:
        if error.code == "not-osv" and _RECORD_NAME.fullmatch(where):
            error.code = "corrupt-data"
        raise


def _vex(data: bytes, where: str, names: t.Collection[str]) -> Document:
    is_about_cve = _DOCUMENT_NAME.fullmatch(where) is not None
    try:
        document = read_document(data, where, names=names or None)
    except CorruptData as error:
        if error.code == "not-csaf" and is_about_cve:
            error.code = "corrupt-data"
        raise
    if document.category != "csaf_vex":
        what = f"of the category {ascii(document.category)[:60]}, not csaf_vex"
        if is_about_cve:
            raise CorruptData(f"it is about a CVE, and {what}")
        raise CorruptData(f"it is {what}", code="not-vex")
    return document
