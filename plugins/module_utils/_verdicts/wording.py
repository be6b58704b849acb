# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of the sentences that reasons are: numbers, names and durations."""

from __future__ import annotations

import typing as t

from .._core.text import visible

#: Names that a sentence has; of the others it has their number.
NAMES_SHOWN = 5


def span(seconds: int) -> str:
    """A duration in the largest unit that has no rest: ``7 days``."""
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % unit == 0 and seconds:
            return counted(seconds // unit, name)
    return counted(seconds, "second")


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun: ``1 package``, ``2 packages``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def listed(names: t.Sequence[str]) -> str:
    """The first names with commas between them, and how many more there are."""
    shown = ", ".join(visible(name, 120) for name in names[:NAMES_SHOWN])
    hidden_count = len(names) - NAMES_SHOWN
    return f"{shown} and {hidden_count} more" if hidden_count > 0 else shown
