# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real files that public projects publish as test data. They lie beside the checkout and are never part of it."""

from __future__ import annotations

import os
from pathlib import Path

from .requirements import CHECKOUT, missing


def data_path(name: str = "") -> Path:
    """Path of a real file (or folder); skips the test aloud when it is not there."""
    root = Path(os.environ.get("IMAGESCAN_TEST_DATA") or CHECKOUT.parent / "shared" / "data")
    path = root / name
    if not path.exists():
        missing(f"{path} (set IMAGESCAN_TEST_DATA)")
    return path
