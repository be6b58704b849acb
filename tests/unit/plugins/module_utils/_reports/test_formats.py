# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of report formats: a new one is a file and an entry, and each is documented as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.document import ReportFormat
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.formats import FORMATS
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.plugins.modules import scan_report
from ansible_collections.imagescan.openshift.tests.support.seams import CHECKOUT, PACKAGE, Copy

TOY = """
from __future__ import annotations

from .document import ReportFormat


def render(report):
    return f"{len(report['images'])} images".encode()


FORMAT = ReportFormat("toy", "Toy", "report.toy", render)
"""
LABELS = f"""
import json
from {PACKAGE}.action import scan_report
lines = []
scan_report.show_line = lambda line, *colour: lines.append(line)
scan_report.show(["PASSED"], {{"toy": "/report.toy"}})
print(json.dumps(lines))
"""
NAMES = [item.name for item in FORMATS]


def test_a_format_is_one_file_and_its_entry(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    store = str(tmp_path / "store.db")
    with open_store(store):
        pass
    wish = {"store": store, "dest": str(tmp_path / "report"), "formats": ["toy"]}
    copy.add("_reports/toy.py", TOY)
    copy.enter("_reports/formats.py", (")\nfrom .document", "    toy,"), ("    OPENSCAP,\n", "    toy.FORMAT,"))
    result = copy.module("scan_report", wish)
    assert result["files"] == {"toy": str(tmp_path / "report" / "report.toy")}
    assert (tmp_path / "report" / "report.toy").read_bytes() == b"0 images"
    assert copy.python(LABELS) == ["PASSED", "Toy: /report.toy"]


def test_names_and_files_are_unique() -> None:
    assert len(set(NAMES)) == len({item.filename for item in FORMATS}) == len({item.label for item in FORMATS}) > 1


def test_the_module_offers_every_format() -> None:
    options = yaml.safe_load(scan_report.DOCUMENTATION)["options"]
    assert options["formats"]["choices"] == NAMES


@pytest.mark.parametrize("item", FORMATS, ids=NAMES)
def test_every_format_is_documented(item: ReportFormat) -> None:
    module = yaml.safe_load(scan_report.DOCUMENTATION)["options"]
    assert f"C({item.filename})" in module["dest"]["description"][0]
    specification = (CHECKOUT / "roles/scan/meta/argument_specs.yml").read_text(encoding="utf-8")
    role = yaml.safe_load(specification)["argument_specs"]["main"]["options"]["scan_report_formats"]["description"][0]
    assert set(re.findall(r"V\((\w+)\)", role)) == set(NAMES)
    place = f"`{item.filename}`" if item.render else f"folder `{item.filename}`"
    rows = (CHECKOUT / "docs/reports.md").read_text(encoding="utf-8").splitlines()
    assert [row for row in rows if row.startswith(f"| `{item.name}` | {place} | ")]
