# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: one object from which every format is written. Equal input gives an equal object."""

from __future__ import annotations

import typing as t

from .._verdicts.model import VERDICTS
from .._vulnerabilities.model import FeedInfo

SCHEMA_VERSION = 1

#: From what needs attention first to what does not, as in ``counts`` of results and reports.
ATTENTION = tuple(reversed(VERDICTS))


def build_report(images: t.Sequence[dict[str, t.Any]], feed: FeedInfo | None, as_of: str) -> dict[str, t.Any]:
    """The report object. ``images``: image objects (``judge.image_document``). ``as_of``: see ``newest_time``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "as_of": as_of,
        "feed": None
        if feed is None
        else {"serial": feed.serial, "checked": feed.checked, "newest": feed.newest, "documents": feed.documents},
        "counts": count_verdicts(image["verdict"] for image in images),
        "images": sorted(images, key=lambda image: (image["reference"], image["digest"])),
    }


def count_verdicts(verdicts: t.Iterable[str]) -> dict[str, int]:
    """How many images have each verdict; all four keys are there."""
    counts = {"passed": 0, "failed": 0, "inconclusive": 0, "error": 0}
    for verdict in verdicts:
        counts[verdict] += 1
    return counts


def newest_time(times: t.Iterable[str]) -> str:
    """The newest of RFC 3339 times in UTC with ``Z``, which is what a report is as of; empty without any."""
    return max(times, default="")
