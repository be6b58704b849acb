# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as feeds and reports write them: RFC 3339, UTC, whole seconds, so that they sort as text."""

from __future__ import annotations

import datetime

from .errors import CorruptData


def parse_time(text: str, what: str) -> datetime.datetime:
    """An RFC 3339 time. Raises CorruptData; ``what`` names the field."""
    text = text.strip()
    try:
        # Python before 3.11 reads no "Z".
        moment = datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        return moment.astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError) as error:
        raise CorruptData(f"{what} is {ascii(text)[:60]}; expected a time like 2026-08-21T10:11:12Z") from error


def utc_text(moment: str | datetime.datetime, what: str = "the time") -> str:
    """The same moment as ``YYYY-MM-DDTHH:MM:SSZ``."""
    if isinstance(moment, str):
        moment = parse_time(moment, what)
    moment = moment.astimezone(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
    return moment.isoformat() + "Z"
