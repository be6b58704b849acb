# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a table for a terminal: verdicts with their reasons, what needs attention first."""

from __future__ import annotations

import typing as t

from .._text import pad, visible, wrap
from .document import ATTENTION

#: Reasons that are shown of one image, and images of one table.
REASONS_SHOWN = 3
IMAGES_SHOWN = 200

_NARROWEST = 40


def render(report: t.Mapping[str, t.Any], width: int = 100) -> str:
    """Text of at most ``width`` columns (40 at least), each line ending in a newline."""
    width = max(width, _NARROWEST)
    images = sorted(
        report["images"], key=lambda image: (ATTENTION.index(image["verdict"]), image["reference"], image["digest"])
    )
    indent = max(len(verdict) for verdict in ATTENTION) + 2
    lines = [_rule(width)]
    for image in images[:IMAGES_SHOWN]:
        label = pad(image["verdict"].upper(), indent)
        for number, line in enumerate(wrap(visible(image["reference"] or image["digest"]), width - indent)):
            lines.append((label if number == 0 else " " * indent) + line)
        for text in _details(image):
            for number, line in enumerate(wrap(text, width - indent - 2)):
                lines.append(" " * indent + ("- " if number == 0 else "  ") + line)
    if len(images) > IMAGES_SHOWN:
        lines.append(f"and {len(images) - IMAGES_SHOWN} more images; the report has all of them")
    lines.append(_rule(width))
    lines += wrap(summary(report), width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def summary(report: t.Mapping[str, t.Any]) -> str:
    """One line: how many images have each verdict, and by which data."""
    counts = ", ".join(f"{report['counts'][verdict]} {verdict}" for verdict in ATTENTION)
    number = len(report["images"])
    feed = report["feed"]
    data = "no vulnerability data"
    if feed:
        data = f"vulnerability data last checked {visible(feed['checked'], 40) or 'at an unknown time'}"
    return f"{number} image{'' if number == 1 else 's'}: {counts}; {data}"


def _details(image: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    reasons = image["reasons"]
    shown = REASONS_SHOWN if len(reasons) > REASONS_SHOWN + 1 else len(reasons)
    for reason in reasons[:shown]:
        yield f"{visible(reason['message'], 600)} [{visible(reason['code'], 60)}]"
    if len(reasons) > shown:
        yield f"and {len(reasons) - shown} more reasons"
    number = sum(image["not_examined"].values())
    if number:
        kinds = ", ".join(f"{count} {visible(kind, 40)}" for kind, count in image["not_examined"].items() if count)
        yield f"{number} component{'' if number == 1 else 's'} not examined ({kinds})"


def _rule(width: int) -> str:
    return "─" * width
