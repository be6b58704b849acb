# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists over which passed digests are spread."""

from __future__ import annotations

import typing as t


def passed_digits(providers: t.Iterable[str], shards: int) -> dict[str, str]:
    """Name of each list of passed digests -> the first digits of those that it speaks for. ``shards``: per provider."""
    size = 16 // shards
    parts = ["0123456789abcdef"[at : at + size] for at in range(0, 16, size)]
    return {f"{name}-passed-{number}": part for name in providers for number, part in enumerate(parts)}
