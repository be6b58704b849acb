# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the bytes of a document of a feed to what the index keeps of it."""

from __future__ import annotations

import re
import typing as t

from ..._errors import CorruptData
from ..documents.csaf_vex import may_name, read_document, revision_in
from ..documents.model import Document
from ..index.packing import Packed, pack

#: What says nothing about packages, and is no damage.
LEFT_OUT_CODES = frozenset({"not-csaf", "not-vex"})

_DOCUMENT_NAME = re.compile(r"cve-[0-9]{4}-[0-9]{4,}\.json", re.IGNORECASE)


def parse(path: str, data: bytes, names: t.Collection[str]) -> Packed:
    """Read a document; with ``names`` only what it says of these packages.

    Raises what the readers raise; with a code of LEFT_OUT_CODES for a file that is none of the feed's documents.
    """
    where = path.rpartition("/")[2]
    if names and not may_name(data, names):
        return pack(Document("csaf_vex", revision_in(data, where), False, (), {}))
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
    if names:
        document = Document(
            document.category,
            document.revision,
            document.deleted,
            tuple((cve, rows) for cve, rows in document.vulnerabilities if rows),
            document.skipped,
        )
    return pack(document)
