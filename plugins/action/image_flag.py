# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the progress of ``image_flag`` while it runs."""

from __future__ import annotations

from ..plugin_utils._watched import WatchedAction


class ActionModule(WatchedAction):
    """See ``WatchedAction``."""
