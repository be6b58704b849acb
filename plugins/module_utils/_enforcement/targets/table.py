# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of targets of flags. To add one: a file beside this one with its entry, and the entry here."""

from __future__ import annotations

from . import (
    deny_list,
    image_annotation,
)
from .base import FlagTarget

#: In the order in which flags are set, so ordered by ``order``.
TARGETS: tuple[FlagTarget, ...] = (
    deny_list.DENY_LIST,
    image_annotation.IMAGE_ANNOTATION,
)
