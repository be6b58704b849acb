# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test may need and not find: skipped aloud, or failed where IMAGESCAN_REQUIRE_ALL=1 forbids to skip."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def missing(what: str) -> t.NoReturn:
    """Skip the running test, or fail it where everything is required."""
    if os.environ.get("IMAGESCAN_REQUIRE_ALL") == "1":
        pytest.fail(f"required here, and missing: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")
