# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of feed formats. To add one: a file beside this one that ends in ``FORMAT``, its entry here, and its name
in ``model.FEED_FORMATS``, which policies read: what judges needs no code that fetches and reads feeds.

The module's choices, what an index says of its data and the limits of policies follow from this table. A test compares
the module's documentation and ``docs/feeds.md`` with it.
"""

from __future__ import annotations

import typing as t

from . import (
    csaf_vex,
    osv,
    updateinfo,
)
from .model import FeedFormat

#: Name -> format, in the order in which they are documented; the first is the default.
FORMATS: t.Mapping[str, FeedFormat] = {
    item.name: item
    for item in (
        csaf_vex.FORMAT,
        osv.FORMAT,
        updateinfo.FORMAT,
    )
}
