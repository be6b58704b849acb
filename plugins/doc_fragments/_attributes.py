# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what would be done, without changing anything, not even the store.
  diff_mode:
    description: Returns details on what changes, or would change in C(check_mode), when in diff mode.
  idempotent:
    description: When run twice in a row with the same input, the second run does not report a change.
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: The module never changes anything.
  diff_mode:
    support: none
  idempotent:
    support: full
"""

    ACTIONS = r"""
options: {}
attributes:
  action:
    description: Has an action plugin that runs on the controller.
    support: full
    details: Shows progress while the module runs.
  async:
    description: Supports the C(async) keyword.
    support: full
    details: Without progress.
"""
