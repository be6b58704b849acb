# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest archive of a feed in the vendor's layout: its name, when it was made, and which version of it there is."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import re

from ..._core.errors import CorruptData
from ..._core.times import parse_time
from .downloads import FetchError
from .layout import ARCHIVE_LATEST, ARCHIVE_NAME
from .signatures import SIGNATURE_LIMIT, SUFFIX
from .sites import Site, marks_of

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class NewestArchive:
    """The archive that a feed names as its newest.

    ``label``: its name without the ending. ``marks``: the label and what tells this version from another, if anything
    does. Raises CorruptData (``feed-older``) where it is older than the one with the ``old_label``.
    """

    def __init__(self, site: Site, old_label: str) -> None:
        self._site = site
        self.label, self.name = _latest(site)
        self._check_label(old_label)
        self.headers = site.head(self.name)
        self.marks = [self.label, *marks_of(self.headers)]

    def _check_label(self, old_label: str) -> None:
        old, new = _DATE.search(old_label), _DATE.search(self.label)
        if old and new and new[0] < old[0]:
            raise CorruptData(
                f"the feed {self._site.shown('')} is older than the index: its newest archive is {self.label}, the"
                f" index has {old_label}",
                code="feed-older",
                hint="fetch the feed again, or delete the index to build it from this feed all the same",
            )

    def made(self) -> datetime.datetime:
        """When the archive was made, or a little earlier.

        A mirror's copy says when it was copied; what changed between the two would be nowhere. So the day in the name
        counts from its first moment, unless the server says earlier.
        """
        moment = None
        with contextlib.suppress(TypeError, ValueError, IndexError):
            moment = email.utils.parsedate_to_datetime(self.headers.get("last-modified", ""))
            moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
        date = _DATE.search(self.label)
        named = parse_time(f"{date[0]}T00:00:00Z", f"the date of {self.label}") if date else moment
        if named is None:
            raise CorruptData(
                f"nothing tells when the archive {self._site.shown(self.name)} was made", code="feed-damaged"
            )
        return min(named, moment) if moment else named

    def is_same(self, earlier: object) -> bool:
        """Return whether the archive is the one that was seen at another time; never where nothing tells that."""
        return len(self.marks) > 1 and self.marks == earlier

    def signature(self) -> bytes | None:
        """The detached signature of the archive; None where there is none."""
        try:
            return self._site.read(f"{self.name}{SUFFIX}", limit=SIGNATURE_LIMIT).data
        except FetchError as error:
            if error.status in (403, 404):  # some servers refuse what is not there
                return None
            raise


def _latest(site: Site) -> tuple[str, str]:
    try:
        data = site.read(ARCHIVE_LATEST, limit=4096).data or b""
    except FetchError as error:
        if error.status == 404:
            error.hint = "give the address of an archive (.tar, .tar.zst, .tar.gz, .tar.xz) or of such a feed"
        raise
    name = data.decode("ascii", "replace").strip()
    match = ARCHIVE_NAME.fullmatch(name)
    if match is None:
        raise CorruptData(
            f"{site.shown(ARCHIVE_LATEST)} says {name[:80]!r}; expected the name of an archive",
            code="feed-damaged",
        )
    return match[1], name
