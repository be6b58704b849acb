# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of sources of images. To add one: a file beside this one that ends in ``SOURCE``, and its entry here.

The sources and their options of the module ``image_info``, and the kinds that the event source ``images`` watches,
follow from this table. A test compares their documentation, and what the roles know of sources, with it.
"""

from __future__ import annotations

import typing as t

from . import (
    openshift,
    paths,
    references,
    registry,
    workloads,
)
from .model import DiscoverySource, WatchedKind

#: Name -> source, in the order in which they are read and documented. Workloads know the image streams that were read.
SOURCES: t.Mapping[str, DiscoverySource] = {
    item.name: item
    for item in (
        references.SOURCE,
        paths.SOURCE,
        registry.SOURCE,
        openshift.SOURCE,
        workloads.SOURCE,
    )
}
WATCHED: t.Mapping[str, WatchedKind] = {kind.name: kind for item in SOURCES.values() for kind in item.watch}
