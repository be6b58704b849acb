# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CSAF-VEX documents of Red Hat: one for each CVE, signed one by one."""

from __future__ import annotations

import re
import typing as t

from ..._core.errors import CorruptData
from ..distributions import RED_HAT
from ..documents.csaf_vex import read_document
from ..documents.model import Document
from ..documents.unread import csaf_vex_scope
from ..feeds.sources import listing_of, open_feed
from .model import FeedFormat

_DOCUMENT_NAME = re.compile(r"cve-[0-9]{4}-[0-9]{4,}\.json", re.IGNORECASE)


def _read(data: bytes, where: str, names: t.Collection[str], _distribution: str) -> Document:
    is_about_cve = _DOCUMENT_NAME.fullmatch(where) is not None
    try:
        document = read_document(data, where, names=names or None)
    except CorruptData as error:
        if error.code == "not-csaf" and is_about_cve:
            error.code = "corrupt-data"
        raise
    if document.category != "csaf_vex":
        description = f"of the category {ascii(document.category)[:60]}, not csaf_vex"
        if is_about_cve:
            raise CorruptData(f"it is about a CVE, and {description}")
        raise CorruptData(f"it is {description}", code="not-vex")
    return document


FORMAT = FeedFormat(
    name="csaf-vex",
    noun="CSAF-VEX document",
    coverage="full",
    open=open_feed,
    listing=listing_of,
    read=_read,
    scope=csaf_vex_scope,
    distributions=lambda _distribution, _cpes: list(RED_HAT.ids),
    left_out=frozenset({"not-csaf", "not-vex"}),
    is_signed=True,
    takes_map=True,
)
