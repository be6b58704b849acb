# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timestamps: RFC 3339 text, and UTC inside. Written with whole seconds and ``Z``, so that they sort as text."""

from __future__ import annotations

import datetime
import re

from .errors import CorruptData

#: How far the clocks of two machines may differ: a later timestamp lies in the future.
CLOCK_SKEW = datetime.timedelta(minutes=10)
#: Before every timestamp.
BEGINNING = datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
_FRACTION = re.compile(r"\.(\d+)", re.ASCII)


def read_time(text: str, *, zoned: bool = False) -> datetime.datetime | None:
    """The moment in UTC; None for text that is not an RFC 3339 timestamp.

    A date alone is its first moment. ``zoned``: without a zone it is not a timestamp (where a wrong guess would make
    data younger than it is); otherwise it counts as UTC.
    """
    # Python before 3.11 reads no "Z", and fractions of three or six digits only.
    if text[-1:] in ("Z", "z"):
        text = f"{text[:-1]}+00:00"
    if "." in text:
        text = _FRACTION.sub(lambda digits: f".{digits[1][:6]:0<6}", text)
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return None if zoned else moment.replace(tzinfo=datetime.timezone.utc)
        return moment.astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return None


def parse_time(text: str, description: str) -> datetime.datetime:
    """As ``read_time``; blanks around it do not matter. Raises CorruptData; ``description`` names the field."""
    moment = read_time(text.strip())
    if moment is None:
        raise CorruptData(f"{description} is {ascii(text.strip())[:60]}; expected a time like 2026-08-21T10:11:12Z")
    return moment


def utc_text(moment: str | datetime.datetime, description: str = "the time") -> str:
    """The same moment as ``YYYY-MM-DDTHH:MM:SSZ``. Raises CorruptData for text that is not a timestamp."""
    if isinstance(moment, str):
        moment = parse_time(moment, description)
    moment = moment.astimezone(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
    return moment.isoformat() + "Z"


def now_text() -> str:
    """The present, in whole seconds."""
    return utc_text(datetime.datetime.now(datetime.timezone.utc))


def exact_now_text() -> str:
    """The present with microseconds, where two events of one second must not be taken for one."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
