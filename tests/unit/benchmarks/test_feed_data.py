# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated feed has the size and the variety that the figures in docs/performance.md are about."""

from __future__ import annotations

import collections

from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.tests.benchmarks import feed_data


def test_fifty_thousand_documents_have_some_ten_million_statements() -> None:
    numbers = range(7, feed_data.DOCUMENTS, 250)
    kinds: collections.Counter[str] = collections.Counter()
    total = 0
    for number in numbers:
        path = feed_data.path_of(number)
        document = read_document(feed_data.document(number), path)
        assert not document.skipped, "all of it is understood"
        ((cve, rows),) = document.vulnerabilities
        assert cve == feed_data.cve_of(number)
        total += len(rows)
        kinds.update(row.status for row in rows)
        kinds["modules"] += any(row.module for row in rows)
        kinds["kernel"] += any(row.name == "kernel" for row in rows)
        kinds["flat"] += all(row.arch == "src" for row in rows)
        kinds["eus"] += any("rhel_eus" in row.cpe for row in rows)
        kinds["openshift"] += any(":openshift:" in row.cpe for row in rows)
    assert 8_000_000 < total / len(numbers) * feed_data.DOCUMENTS < 13_000_000
    wanted = {"fixed", "known_affected", "known_not_affected", "under_investigation"}
    wanted |= {"modules", "kernel", "flat", "eus", "openshift"}
    assert {kind for kind in wanted if kinds[kind] > 1} == wanted


def test_a_document_is_the_same_in_every_feed_and_another_in_every_revision() -> None:
    for number in (0, 1, 2, 49_999):
        assert feed_data.document(number) == feed_data.document(number)
        path = feed_data.path_of(number)
        first, second = (read_document(feed_data.document(number, revision), path) for revision in (0, 1))
        assert first.revision < second.revision
