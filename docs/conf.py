# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx: the stage ``content`` of tests/tools/suite.py builds these pages, any warning fails.

By hand: ``sphinx-build -W docs build/docs``.
"""

from __future__ import annotations

project = "imagescan.openshift"
extensions = ["myst_parser"]
# Headings can be linked to.
myst_heading_anchors = 3
