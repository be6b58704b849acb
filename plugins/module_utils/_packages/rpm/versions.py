# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of RPM versions, as librpm defines it (rpm-version(7)). Standard library only: the scanner pod runs this file.

Own code, because the published Python ports are not smaller than this and would be a dependency of the scanner pod.
"""

from __future__ import annotations

import re
import typing as t

from ..._core.errors import InputError

#: What takes part in a comparison; everything between these is a separator and counts for nothing.
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")

#: Epochs are unsigned 32-bit numbers in a header.
MAX_EPOCH = 0xFFFFFFFF


class Evr(t.NamedTuple):
    """Epoch, version and release; ``epoch`` and ``release`` are None where the text has none."""

    epoch: int | None
    version: str
    release: str | None


def compare_versions(a: str, b: str) -> int:
    """Order of two versions or two releases: -1, 0 or 1.

    Runs of digits compare as numbers, runs of ASCII letters as text, digits are newer than letters; ``~`` sorts before
    everything, even the end; ``^`` after the end but before anything else; more segments are newer.
    """
    if a == b:
        return 0
    a_segments, b_segments = _SEGMENT.findall(a), _SEGMENT.findall(b)
    for a_segment, b_segment in zip(a_segments, b_segments):
        if a_segment == b_segment:
            continue
        order = _compare_segments(a_segment, b_segment)
        if order:
            return order
    if len(a_segments) == len(b_segments):
        return 0
    surplus = a_segments[len(b_segments)] if len(a_segments) > len(b_segments) else b_segments[len(a_segments)]
    sign = 1 if len(a_segments) > len(b_segments) else -1
    return -sign if surplus == "~" else sign


def _compare_segments(a: str, b: str) -> int:
    for mark in ("~", "^"):
        if mark in (a, b):
            return -1 if a == mark else 1
    a_is_number, b_is_number = a[0] <= "9", b[0] <= "9"
    if a_is_number != b_is_number:
        return 1 if a_is_number else -1
    if a_is_number:
        # No int(): its length limit would turn a long version into an exception.
        a, b = a.lstrip("0"), b.lstrip("0")
        if len(a) != len(b):
            return 1 if len(a) > len(b) else -1
    return (a > b) - (a < b)


def _epoch(head: str, text: str) -> int:
    digits = head.lstrip("0") or "0"
    if len(digits) > 10 or int(digits) > MAX_EPOCH:
        raise InputError(f"the epoch of {text[:100]!r} is above {MAX_EPOCH}")
    return int(digits)


def parse_evr(text: str) -> Evr:
    """Split ``[epoch:]version[-release]``. An empty epoch before a colon is 0; a colon after anything else is version.

    Raises InputError for an empty version and for an epoch above 32 bits.
    """
    head, colon, tail = text.partition(":")
    epoch: int | None = None
    if colon and (not head or (head.isascii() and head.isdigit())):
        epoch, text = _epoch(head, text), tail
    version, dash, release = text.rpartition("-")
    if not dash:
        version = release
    if not version:
        raise InputError(f"{text[:100]!r} has no version; expected epoch:version-release")
    return Evr(epoch, version, release if dash else None)


def compare_evr(a: str, b: str) -> int:
    """Order of two ``epoch:version-release`` texts: -1, 0 or 1.

    An absent epoch is 0. Where one of them has no release, releases are not compared (rpm's rule for dependencies).
    """
    if a == b:
        return 0
    a_evr, b_evr = parse_evr(a), parse_evr(b)
    a_epoch, b_epoch = a_evr.epoch or 0, b_evr.epoch or 0
    if a_epoch != b_epoch:
        return 1 if a_epoch > b_epoch else -1
    order = compare_versions(a_evr.version, b_evr.version)
    if order or a_evr.release is None or b_evr.release is None:
        return order
    return compare_versions(a_evr.release, b_evr.release)
