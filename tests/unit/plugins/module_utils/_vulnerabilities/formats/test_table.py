# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of feed formats: a new one is a file and an entry, and each is documented as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.formats.model import FeedFormat
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.formats.table import FORMATS
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import FEED_FORMATS
from ansible_collections.imagescan.openshift.plugins.modules import vulnerability_feed
from ansible_collections.imagescan.openshift.tests.support.seams import CHECKOUT, PACKAGE, Copy

TOY = """
from __future__ import annotations

import json

from ..distributions import parse_distribution
from ..documents.model import Document, StatementRow
from ..documents.unread import EVERYTHING
from ..feeds.sources import open_feed
from .model import FeedFormat


def _read(data, where, names, distribution):
    owner, release = parse_distribution(distribution)
    value = json.loads(data)
    product = owner.cpe(release)
    shared = ("low", "", value["id"], "", "x86_64", product, product)
    row = StatementRow(value["package"], "fixed", "", value["fixed"], *shared)
    return Document("toy", value["date"], False, ((value["id"], (row,)),), {})


FORMAT = FeedFormat(
    name="toy",
    noun="toy",
    coverage="fixes",
    open=open_feed,
    read=_read,
    scope=lambda data, path: EVERYTHING,
    distributions=lambda distribution, cpes: list(parse_distribution(distribution)[0].ids),
    needs_distribution=True,
)
"""
LOOK = f"""
import json, sys
from {PACKAGE}.module_utils._vulnerabilities.index.reader import FeedIndex
from {PACKAGE}.module_utils._verdicts.policies import load_policies
with FeedIndex.open(sys.argv[1]) as index:
    info = index.info
policy, = load_policies("- {{name: a, vulnerabilities: {{max_severity: low, min_documents: {{toy: 5}}}}}}", "p")
print(json.dumps([info.format, info.coverage, info.distributions, info.statements, policy.min_documents]))
"""


def test_a_format_is_one_file_its_entry_and_its_name(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    feed, index = tmp_path / "feed", str(tmp_path / "toy.idx")
    feed.mkdir()
    record = {"id": "CVE-2026-1", "date": "2026-11-24T00:00:00Z", "package": "curl", "fixed": "0:8.1-1.el9"}
    (feed / "cve-2026-1.json").write_text(json.dumps(record))
    wish = {"path": str(feed), "index": index, "format": "toy"}
    copy.add("_vulnerabilities/formats/toy.py", TOY)
    copy.enter("_vulnerabilities/formats/table.py", (")\nfrom .model", "    toy,"), ("    )\n}", "        toy.FORMAT,"))
    copy.enter("_vulnerabilities/model.py", (")\n\nSEVERITIES =", '    "toy",'))
    assert copy.module("vulnerability_feed", {**wish, "distribution": "rocky:9"})["statements"] == 1
    assert copy.python(LOOK, index) == ["toy", "fixes", ["rocky"], 1, [["toy", 5]]]


def test_entries_are_named_alike() -> None:
    assert tuple(item.name for item in FORMATS.values()) == tuple(FORMATS) == FEED_FORMATS


@pytest.mark.parametrize("item", FORMATS.values(), ids=list(FORMATS))
def test_every_format_is_documented(item: FeedFormat) -> None:
    option = yaml.safe_load(vulnerability_feed.DOCUMENTATION)["options"]["format"]
    assert option["choices"] == list(FORMATS)
    assert option["default"] == next(iter(FORMATS))
    assert f"V({item.name})" in option["description"][0]
    lines = (CHECKOUT / "docs/feeds.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if f"`{item.name}`" in line or f"format: {item.name}" in line]
