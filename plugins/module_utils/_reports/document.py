# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: one object from which every format is written. Equal input gives an equal object."""

from __future__ import annotations

import dataclasses
import operator
import typing as t

from .._core.text import visible
from .._verdicts.model import VERDICTS
from .._vulnerabilities.model import FeedInfo

SCHEMA_VERSION = 1

#: From what needs attention first to what does not, as in ``counts`` of results and reports.
ATTENTION = tuple(reversed(VERDICTS))


#: What is said where there is nothing to say: to a program that reads it, silence would be the best of news.
NO_IMAGES = "there is not one image in this report"
#: What can be said of a cluster, with the words of a sentence about it. All but the first is an error.
CLUSTER_STATES = {
    "complete": "is complete",
    "not_discovered": "was not reached",
    "not_scanned": "was not scanned to the end",
    "not_flagged": "was not flagged to the end",
}


@dataclasses.dataclass(frozen=True)
class ReportFormat:
    """A format of a report: an entry of ``formats.FORMATS``, defined in the file that renders it.

    ``name``: as in options. ``label``: what people read. ``filename``: of the file in the report's folder.
    ``render``: the file's bytes of a report object, equal for equal reports; None for a folder that the module makes.
    ``timed``: whether ``render`` takes ``Times`` beside the report. ``differs``: whether two contents say different
    things; times that each run alters do not count.
    """

    name: str
    label: str
    filename: str
    render: t.Callable[..., bytes] | None
    timed: bool = False
    differs: t.Callable[[bytes, bytes], bool] = operator.ne


@dataclasses.dataclass(frozen=True)
class Times:
    """When images were last scanned and judged, RFC 3339; empty for never."""

    scanned: str = ""
    judged: str = ""


def build_report(
    images: t.Sequence[dict[str, t.Any]],
    feed: FeedInfo | None,
    as_of: str,
    clusters: t.Sequence[dict[str, t.Any]] | None = None,
) -> dict[str, t.Any]:
    """The report object. ``images``: image objects (``judge.image_document``). ``as_of``: see ``newest_time``.

    ``clusters``: objects of ``cluster_object``; None where the report is not about clusters.
    """
    cluster_part = {} if clusters is None else {"clusters": sorted(clusters, key=lambda cluster: cluster["name"])}
    return {
        **cluster_part,
        "schema_version": SCHEMA_VERSION,
        "as_of": as_of,
        "feed": None
        if feed is None
        else {
            "serial": feed.serial,
            "checked": feed.checked,
            "newest": feed.newest,
            "documents": feed.documents,
            "years": list(feed.years),
            "unread": feed.rejected,
        },
        "counts": count_verdicts(image["verdict"] for image in images),
        "images": sorted(images, key=lambda image: (image["reference"], image["digest"])),
    }


def cluster_object(
    name: str, state: str, reason: str, images: t.Mapping[str, str] | None, seen_at: str = ""
) -> dict[str, t.Any]:
    """A cluster in the report.

    ``state``: of ``CLUSTER_STATES``, ``reason``: why it is not complete. ``images``: digest, or name where there is
    none, -> verdict; None where nothing was ever known of them. ``seen_at``: when it had these; empty for now.
    """
    return {
        "name": name,
        "state": state,
        "reason": reason,
        "known": images is not None,
        "seen": seen_at,
        "counts": count_verdicts((images or {}).values()),
        "images": sorted(images or ()),
    }


def about_cluster(cluster: t.Mapping[str, t.Any]) -> str:
    """Describe what a person must know of the images of a cluster."""
    counts = ", ".join(f"{cluster['counts'][verdict]} {verdict}" for verdict in ATTENTION)
    number = len(cluster["images"])
    text = f"{number} image{'' if number == 1 else 's'}: {counts}"
    if not cluster["known"]:
        return "nothing is known of its images; none of them is part of this report"
    if cluster["state"] == "not_discovered" or cluster["seen"]:
        moment = visible(cluster["seen"], 40) or "an unknown time"
        text = f"at {moment} it had {text}"
    return f"what it runs now is not known; {text}" if cluster["state"] == "not_discovered" else text


def about_size(feed: t.Mapping[str, t.Any]) -> str:
    """Describe the size of a feed: number of documents, the span of years in their names, and how many more
    could not be read.
    """
    number = feed["documents"]
    text = f"{number:,} document{'' if number == 1 else 's'}"
    if feed["years"]:
        first, last = feed["years"]
        text += f" of {first}" if first == last else f" of {first} to {last}"
    return f"{text} ({feed['unread']:,} more could not be read)" if feed["unread"] else text


def count_verdicts(verdicts: t.Iterable[str]) -> dict[str, int]:
    """Count the images with each verdict; all four keys are there."""
    counts = {"passed": 0, "failed": 0, "inconclusive": 0, "error": 0}
    for verdict in verdicts:
        counts[verdict] += 1
    return counts


def newest_time(times: t.Iterable[str]) -> str:
    """The newest of RFC 3339 times in UTC with ``Z``, which is what a report is as of; empty without any."""
    return max(times, default="")
