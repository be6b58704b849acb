# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of package kinds. To add one: a file or folder beside this one that ends in ``KIND``, and its entry here.

The files that are kept while layers are walked, the kinds of inventories, the comparison of versions and the feeds that
cover an image follow from this table. A test compares ``docs/matching.md`` with it. Standard library only: the scanner
pod runs this file.
"""

from __future__ import annotations

import typing as t

from .._core.errors import InputError
from . import (
    apk,
    dpkg,
)
from .kinds import PackageKind
from .rpm.kind import KIND as RPM

#: Name -> kind. An image with several is of the first of them.
PACKAGE_KINDS: t.Mapping[str, PackageKind] = {
    item.name: item
    for item in (
        RPM,
        dpkg.KIND,
        apk.KIND,
    )
}


def feeds_of(kind: str) -> tuple[str, ...]:
    """The feed formats that speak of the packages of an image of this kind; none for images without packages."""
    return PACKAGE_KINDS[kind].feeds if kind in PACKAGE_KINDS else ()


def label_of(kind: str) -> str:
    """The name of a kind in a sentence."""
    return (PACKAGE_KINDS[kind].label if kind in PACKAGE_KINDS else "") or kind


def scheme_of(kind: str) -> t.Callable[[str, str], int]:
    """The order of two versions of this kind (-1, 0 or 1). Raises InputError for one that is only counted."""
    scheme = PACKAGE_KINDS[kind].scheme
    if scheme is None:
        raise InputError(f"versions of {kind} packages cannot be compared: they are counted, not examined")
    return scheme
