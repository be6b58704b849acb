# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of report formats. To add one: a file beside this one that ends in ``FORMAT``, and its entry here.

The module's choices and file names, and the labels on the terminal, follow from this table. A test compares its
documentation, that of the role ``scan`` and ``docs/reports.md`` with it.
"""

from __future__ import annotations

from . import (
    csv_report,
    html_report,
    json_report,
    junit,
    metrics,
    openvex,
    sarif,
)
from .document import ReportFormat

#: A folder, made from what OpenSCAP said of each image and not from the report.
OPENSCAP = ReportFormat("openscap", "Pages of OpenSCAP", "openscap", None)
#: In the order in which they are documented.
FORMATS: tuple[ReportFormat, ...] = (
    json_report.FORMAT,
    html_report.FORMAT,
    junit.FORMAT,
    sarif.FORMAT,
    csv_report.FORMAT,
    metrics.FORMAT,
    openvex.FORMAT,
    OPENSCAP,
)
