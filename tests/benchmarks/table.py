# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark on a cluster found: printed as it comes, and written to build/ at the end."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path


class Table:
    """Rows of name, value, unit, the bar as text and whether it holds (None: there is none)."""

    def __init__(self) -> None:
        self._rows: list[dict[str, t.Any]] = []

    def row(self, name: str, value: float, unit: str, limit: str = "", holds: bool | None = None) -> None:
        """Keep and print one."""
        self._rows.append({"name": name, "value": round(value, 3), "unit": unit, "bar": limit, "holds": holds})
        verdict = {True: "holds", False: "DOES NOT HOLD", None: ""}[holds]
        print(f"{name:68} {value:10.3f} {unit:9} {limit:8} {verdict}", flush=True)

    def write(self, path: Path) -> None:
        """All of them as JSON."""
        path.write_text(json.dumps(self._rows, indent=1) + "\n", encoding="utf-8")
