# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every real Red Hat document is read, but those that somebody changed for tests of their own."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.documents import CHANGED, real_documents, red_hat_documents
from ansible_collections.imagescan.openshift.tests.support.vex import NOW


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
