# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the operating system that serve as oracles or servers in tests."""

from __future__ import annotations

import shutil

from .requirements import missing


def require_program(name: str) -> str:
    """Path of a program; skips the test aloud when it is not installed."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        missing(f"the program {name}")
    return str(path)
