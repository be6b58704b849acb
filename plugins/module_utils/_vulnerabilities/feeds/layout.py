# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's layout of a feed: names of its files, and its lists of changes and deletions.

::

    archive_latest.txt          names the newest archive: csaf_vex_2026-08-20.tar.zst
    csaf_vex_2026-08-20.tar.zst all documents as of that day
    changes.csv                 "2026/cve-2026-1234.json","2026-08-21T10:11:12+00:00", the newest first
    deletions.csv               the same for documents that were taken back
    2026/cve-2026-1234.json     the documents as they are now, each perhaps with a signature, .json.asc
    repository-to-cpe.json      perhaps
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import typing as t

from ..._core.errors import CorruptData
from ..._core.times import parse_time, utc_text
from ..documents.csaf_vex import DOCUMENT_LIMIT
from .downloads import FetchError
from .sites import Site

CHANGES_LIMIT = 32 << 20  # some 600,000 rows
LINE_LIMIT = 4096  # characters of a line of such a list
#: How far lists, documents and archives may lag behind each other.
OVERLAP = datetime.timedelta(hours=6)
_ASKED_AGAIN = 3  # times, when a document ends in the middle

ARCHIVE_LATEST = "archive_latest.txt"
CHANGES, DELETIONS = "changes.csv", "deletions.csv"
ARCHIVE_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,200}?)(?:\.tar(?:\.(?:zst|gz|xz))?|\.tgz|\.txz)")
ROW_PATH = re.compile(r"[0-9]{4}/[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.json")


def short(path: str) -> str:
    """Path of a document as the lists write it."""
    row_path = "/".join(path.split("/")[-2:])
    return row_path if ROW_PATH.fullmatch(row_path) else path


def is_document(path: str) -> bool:
    """Return whether a file of a feed is a document, by its path."""
    return path.endswith(".json") and not any(part.startswith(".") for part in path.split("/"))


def read_list(site: Site, name: str) -> dict[str, str]:
    """Paths and times (RFC 3339, UTC) of a list of changes; none where there is no such list."""
    try:
        data = site.read(name, limit=CHANGES_LIMIT).data or b""
    except FetchError as error:
        if error.status == 404:
            return {}
        raise
    return read_rows(data, site.shown(name))


def listed(changes: t.Mapping[str, str], deletions: t.Mapping[str, str]) -> dict[str, str]:
    """Select the changes that were not taken back since: the maker never shortens the list."""
    return {path: stamp for path, stamp in changes.items() if stamp > deletions.get(path, "")}


def _lines(data: bytes, where: str) -> t.Iterator[str]:
    """The lines of a list, none of them endless."""
    for number, line in enumerate(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""), 1):
        if len(line) > LINE_LIMIT:
            raise CorruptData(f"{where}, line {number}, has more than {LINE_LIMIT} characters", code="feed-damaged")
        yield line


def read_rows(data: bytes, where: str, tick: t.Callable[[], None] = lambda: None) -> dict[str, str]:
    """Paths and times (RFC 3339, UTC) of a list of changes. Raises CorruptData (``feed-damaged``)."""
    times: dict[str, str] = {}
    try:
        for number, row in enumerate(csv.reader(_lines(data, where), strict=True), 1):
            if not row:
                continue
            if len(row) != 2 or not ROW_PATH.fullmatch(row[0]):
                raise CorruptData(
                    f'{where}, line {number}, is not like "2026/cve-2026-1234.json","<time>"', code="feed-damaged"
                )
            try:
                text = utc_text(row[1], f"{where}, line {number}")
            except CorruptData as error:
                error.code = "feed-damaged"
                raise
            times[row[0]] = max(times.get(row[0], ""), text)
            if not number % 1000:
                tick()
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorruptData(f"{where} is not a CSV file: {error}", code="feed-damaged") from error
    return times


def is_young(stamp: str, moment: str) -> bool:
    """Return whether a document may have been behind its row in the list at a moment."""
    return stamp > utc_text(parse_time(moment, "now") - OVERLAP)


def is_there(site: Site, path: str) -> bool:
    """Return whether a site has a file."""
    try:
        site.head(path)
    except FetchError as error:
        if error.status == 404:
            return False
        raise
    return True


def whole_document(site: Site, path: str, tick: t.Callable[[], None]) -> bytes:
    """A document; where it ends in the middle it is asked for again, and given as it is in the end."""
    data = b""
    for _attempt in range(_ASKED_AGAIN):
        tick()
        data = site.read(path, limit=DOCUMENT_LIMIT).data or b""
        if data.rstrip().endswith(b"}"):
            break
    return data
