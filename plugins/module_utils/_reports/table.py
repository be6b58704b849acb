# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a table for a terminal: verdicts with their reasons, what needs attention first."""

from __future__ import annotations

import typing as t

from .._core.text import pad, visible, wrap
from .._verdicts.codes import shown_code
from .document import ATTENTION, CLUSTER_STATES, about_cluster, about_size

#: Reasons that are shown of one image, and images of one table.
REASONS_SHOWN = 3
IMAGES_SHOWN = 200

_NARROWEST = 40


def render(report: t.Mapping[str, t.Any], width: int = 100, changes: t.Sequence[t.Mapping[str, t.Any]] = ()) -> str:
    """Text of at most ``width`` columns (40 at least), each line ending in a newline.

    ``changes``: those of one run of judging, as ``image_verdict`` returns them; first verdicts are not news.
    """
    width = max(width, _NARROWEST)
    changed = [change for change in changes if change["before"]]
    lines = [_rule(width), *_images(report, width), _rule(width)]
    for section in (_changes(changed, width), _clusters(report.get("clusters", ()), width)):
        rows = list(section)
        if rows:
            lines += [*rows, _rule(width)]
    lines += wrap(summary(report), width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _images(report: t.Mapping[str, t.Any], width: int) -> t.Iterator[str]:
    images = sorted(
        report["images"], key=lambda image: (ATTENTION.index(image["verdict"]), image["reference"], image["digest"])
    )
    for image in images[:IMAGES_SHOWN]:
        yield from _entry(image["verdict"], visible(image["reference"] or image["digest"]), _details(image), width)
    if len(images) > IMAGES_SHOWN:
        yield f"and {len(images) - IMAGES_SHOWN} more images; the report has all of them"


def _changes(changed: t.Sequence[t.Mapping[str, t.Any]], width: int) -> t.Iterator[str]:
    number = len(changed)
    if changed:
        yield f"{number} image{' has' if number == 1 else 's have'} another verdict than before:"
    ordered = sorted(
        changed, key=lambda change: (ATTENTION.index(change["after"]), change["reference"], change["digest"])
    )
    for change in ordered[:IMAGES_SHOWN]:
        name = f"{visible(change['reference'] or change['digest'])} was {visible(change['before'], 20)}"
        yield from _entry(change["after"], name, _why(change), width)
    if number > IMAGES_SHOWN:
        yield f"and {number - IMAGES_SHOWN} more changes; the report has all of them"


def _clusters(clusters: t.Iterable[t.Mapping[str, t.Any]], width: int) -> t.Iterator[str]:
    for cluster in sorted(clusters, key=lambda cluster: (cluster["state"] == "complete", cluster["name"])):
        name = f"cluster {visible(cluster['name'], 200)}"
        if cluster["state"] == "complete":
            yield from _entry("complete", f"{name}: {about_cluster(cluster)}", (), width)
        else:
            # An error is said as loud as one of an image: without it, what is missing would look clean.
            reasons = (visible(cluster["reason"], 600) or "for a reason unknown", about_cluster(cluster))
            yield from _entry("error", f"{name} {CLUSTER_STATES[cluster['state']]}", reasons, width)


def summary(report: t.Mapping[str, t.Any]) -> str:
    """One line: how many images have each verdict, and by which data."""
    counts = ", ".join(f"{report['counts'][verdict]} {verdict}" for verdict in ATTENTION)
    number = len(report["images"])
    feed = report["feed"]
    data = "no vulnerability data"
    if feed:
        data = (
            f"vulnerability data with {about_size(feed)}, last checked"
            f" {visible(feed['checked'], 40) or 'at an unknown time'}"
        )
    open_ones = sum(cluster["state"] != "complete" for cluster in report.get("clusters", ()))
    missing = f"; {open_ones} of {len(report['clusters'])} clusters not complete" if open_ones else ""
    return f"{number} image{'' if number == 1 else 's'}: {counts}; {data}{missing}"


def _details(image: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    reasons = image["reasons"]
    shown = REASONS_SHOWN if len(reasons) > REASONS_SHOWN + 1 else len(reasons)
    for reason in reasons[:shown]:
        yield f"{visible(reason['message'], 600)} [{shown_code(reason['code'])}]"
    if len(reasons) > shown:
        yield f"and {len(reasons) - shown} more reasons"
    number = sum(image["not_examined"].values())
    if number:
        kinds = ", ".join(f"{count} {visible(kind, 40)}" for kind, count in image["not_examined"].items() if count)
        yield f"{number} component{'' if number == 1 else 's'} not examined ({kinds})"


def _entry(verdict: str, name: str, details: t.Iterable[str], width: int) -> t.Iterator[str]:
    """An image with what is said of it; the verdict stands at the beginning of the first line."""
    indent = max(len(verdict_name) for verdict_name in ATTENTION) + 2
    label = pad(verdict.upper(), indent)
    for number, line in enumerate(wrap(name, width - indent)):
        yield (label if number == 0 else " " * indent) + line
    for text in details:
        for number, line in enumerate(wrap(text, width - indent - 2)):
            yield " " * indent + ("- " if number == 0 else "  ") + line


def _why(change: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for reason in change["reasons"]:
        state = "no longer: " if reason["state"] == "gone" else ""
        yield f"{state}{visible(reason['message'], 600)} [{shown_code(reason['code'])}]"


def _rule(width: int) -> str:
    return "─" * width
