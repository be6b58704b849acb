# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every real Red Hat document is read, but those that somebody changed for tests of their own."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.documents import real_documents, red_hat_documents
from ansible_collections.imagescan.openshift.tests.support.vex import NOW

#: What is missing in documents that are not as Red Hat published them, and what the reader says of them.
CHANGED = {
    # trivy-db made these up: their vulnerabilities have no product_status.
    "legacy/CVE-2024-11111-85c08f.json": ("its vulnerability has no product_status", "its product_status is empty"),
    "legacy/CVE-2024-22222-29fe92.json": ("its vulnerability has no product_status", "its product_status is empty"),
    "legacy/CVE-2024-9999-03be10.json": ("its vulnerability has no product_status", "its product_status is empty"),
    "legacy/CVE-2025-33333-bd5e52.json": ("its vulnerability has no product_status", "its product_status is empty"),
    # vuls-data-update made it up: a build without an architecture, by the generator of the documents with one.
    "new/CVE-2026-7323-b15231.json": (
        "the generator of the flat shape, which it has",
        "mixes the shapes of the feeds vex and vex-feed",
    ),
    # csaf-walker emptied the lists of one and renamed an id in two.
    "advisory/RHSA-2023_1441-f47dba.json": (
        "fixed and known_affected are empty; 35 builds were there",
        "product_status.known_affected' is empty",
    ),
    "advisory/RHSA-2021_3029-dd9eee.json": (
        "the status of one build: its id was prefixed with 'notexits-' in the status list alone",
        "speaks of 'notexits-7ComputeNode-7.7.EUS:microcode_ctl-2:2.1-53.18.el7_7.src'",
    ),
    "advisory/RHSA-2023_4378-7f443b.json": (
        "the relationship of one build: its id was prefixed with 'notmatch-' there alone",
        "has no status for 'notmatch-NFV-9.2.0.Z.MAIN.EUS:kernel-rt-0:5.14.0-284.25.1.rt14.310.el9_2.src'",
    ),
}


def documents() -> dict[str, bytes]:
    return {**real_documents(), **red_hat_documents()}


def test_the_documents_are_all_there() -> None:
    names = list(red_hat_documents())
    assert [sum(name.startswith(kind) for name in names) for kind in ("legacy/", "advisory/", "new/")] == [49, 20, 4]
    assert set(CHANGED) <= set(names)


@pytest.mark.parametrize("name", CHANGED)
def test_a_document_that_somebody_changed_is_refused_for_that(name: str) -> None:
    _missing, message = CHANGED[name]
    with pytest.raises(ScanError) as raised:
        read_document(red_hat_documents()[name], name)
    assert message in str(raised.value)


def test_no_other_is_refused() -> None:
    refused = {}
    rows = 0
    for name, data in documents().items():
        try:
            document = read_document(data, name)
        except ScanError as error:
            refused[name] = str(error)
        else:
            rows += sum(len(rows) for _cve, rows in document.vulnerabilities)
    assert not {name: text for name, text in refused.items() if name not in CHANGED}
    assert rows > 20_000


def test_they_make_an_index_with_the_real_repository_map(tmp_path: Path) -> None:
    """One document of each vulnerability, as a feed has them."""
    feed = tmp_path / "feed"
    feed.mkdir()
    expected = set()
    for name, data in red_hat_documents().items():
        if name.startswith("legacy/"):
            file = f"{name.removeprefix('legacy/').rpartition('-')[0].lower()}.json"
            (feed / file).write_bytes(data)
            expected.update([file] if name in CHANGED else [])
    mapped = tmp_path / "repository-to-cpe.json"
    mapped.write_bytes(lzma.decompress(data_path("repository-to-cpe.json.xz").read_bytes()))
    result = build_index(str(feed), str(tmp_path / "index"), repository_map=str(mapped), now=NOW)
    assert {rejected.path for rejected in result.rejected} == expected
    assert result.info.documents == len(list(feed.iterdir())) - len(expected) > 35
    with FeedIndex.open(str(tmp_path / "index")) as index:
        assert index.cpes_of("rhel-9-for-x86_64-baseos-rpms") == ("cpe:/o:redhat:enterprise_linux:9::baseos",)
