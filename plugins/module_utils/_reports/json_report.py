# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON: sorted keys, one space of indent, ASCII (so that no foreign text acts on a terminal)."""

from __future__ import annotations

import json
import typing as t

from .document import ReportFormat


def render(report: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of report.json; an equal report gives equal bytes."""
    return (json.dumps(report, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


FORMAT = ReportFormat("json", "JSON report", "report.json", render)
