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
    left, right = _SEGMENT.findall(a), _SEGMENT.findall(b)
    for one, two in zip(left, right):
        if one == two:
            continue
        if one == "~" or two == "~":
            return -1 if one == "~" else 1
        if one == "^" or two == "^":
            return -1 if one == "^" else 1
        one_is_number, two_is_number = one[0] <= "9", two[0] <= "9"
        if one_is_number != two_is_number:
            return 1 if one_is_number else -1
        if one_is_number:
            # No int(): its length limit would turn a long version into an exception.
            one, two = one.lstrip("0"), two.lstrip("0")
            if len(one) != len(two):
                return 1 if len(one) > len(two) else -1
        if one != two:
            return 1 if one > two else -1
    if len(left) == len(right):
        return 0
    rest = left[len(right)] if len(left) > len(right) else right[len(left)]
    sign = 1 if len(left) > len(right) else -1
    return -sign if rest == "~" else sign


def parse_evr(text: str) -> Evr:
    """Split ``[epoch:]version[-release]``. An empty epoch before a colon is 0; a colon after anything else is version.

    Raises InputError for an empty version and for an epoch above 32 bits.
    """
    head, colon, tail = text.partition(":")
    epoch: int | None = None
    if colon and (not head or (head.isascii() and head.isdigit())):
        digits = head.lstrip("0")
        if len(digits) > 10 or int(digits or "0") > MAX_EPOCH:
            raise InputError(f"the epoch of {text[:100]!r} is above {MAX_EPOCH}")
        epoch, text = int(digits or "0"), tail
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
    one, two = parse_evr(a), parse_evr(b)
    left, right = one.epoch or 0, two.epoch or 0
    if left != right:
        return 1 if left > right else -1
    order = compare_versions(one.version, two.version)
    if order or one.release is None or two.release is None:
        return order
    return compare_versions(one.release, two.release)
