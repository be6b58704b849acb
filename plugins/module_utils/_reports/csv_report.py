# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a table for spreadsheets (RFC 4180): a row for each image, and for all that is said of it."""

from __future__ import annotations

import csv
import io
import typing as t

from .._core.text import visible
from .document import ReportFormat

COLUMNS = (
    *("kind", "verdict", "reference", "digest", "os", "platform", "id", "severity", "status", "package"),
    *("fixed_in", "advisory", "module", "exception", "message"),
)
#: What spreadsheets take for the beginning of a formula, in its full width too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_FULL_WIDTH = ("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")
#: Results of rules that ask for attention.
_RULES = ("fail", "error", "unknown", "notchecked")


def render(report: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of report.csv; an equal report gives equal bytes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for image in report["images"]:
        image_fields = {key: image[key] for key in ("verdict", "reference", "digest", "os", "platform")}
        for row in _rows(image):
            writer.writerow({key: _harmless(value) for key, value in {**image_fields, **row}.items()})
    for cluster in report.get("clusters", ()):
        row = {"kind": "cluster", "id": cluster["name"], "status": cluster["state"], "message": cluster["reason"]}
        writer.writerow({key: _harmless(value) for key, value in row.items()})
    return text.getvalue().encode("utf-8", "backslashreplace")


def _rows(image: t.Mapping[str, t.Any]) -> t.Iterator[dict[str, str]]:
    yield {"kind": "image"}
    for reason in image["reasons"]:
        yield {"kind": "reason", "id": reason["code"], "message": reason["message"]}
    for finding in image["vulnerabilities"]:
        keys = ("id", "severity", "status", "package", "fixed_in", "advisory", "module", "exception")
        yield {"kind": "vulnerability", **{key: finding[key] for key in keys}}
    for rule in image["compliance"]["rules"] if image["compliance"] else ():
        if rule["result"] in _RULES:
            fields = {key: rule[key] for key in ("id", "severity", "exception")}
            yield {"kind": "rule", "status": rule["result"], "message": rule["title"], **fields}


def _harmless(value: str) -> str:
    """The text, never a formula nor a control character."""
    # White space at the beginning is dropped by some programs before they look for a formula.
    text = visible(value).strip()
    return f"'{text}" if text.startswith((*_FORMULA, *_FULL_WIDTH)) else text


FORMAT = ReportFormat("csv", "Table (CSV)", "report.csv", render)
