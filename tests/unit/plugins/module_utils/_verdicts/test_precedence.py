# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which verdict outlives which, without a store; ``store_contract`` shows the same on databases."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import Judgement
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.precedence import (
    DatedVerdict,
    inventory_outlives,
    is_renewed_by,
    outlives,
)

MONDAY, TUESDAY, WEDNESDAY, NEXT_WEEK = (f"2026-03-{day}T10:00:00Z" for day in ("02", "03", "04", "10"))
DOCUMENT: dict[str, t.Any] = {"policies": [{"name": "base", "sha256": "1"}]}
#: The judgement of Tuesday, by the data of Monday, that says something worse than the pass that is in force.
FAILED = Judgement("sha256:1", "sha256:1", "failed", DOCUMENT, None, MONDAY, TUESDAY)
PASSED = DatedVerdict("passed", TUESDAY, TUESDAY)


@pytest.mark.parametrize(
    ("current", "changes", "stays"),
    [
        pytest.param(PASSED, {}, True, id="older-data-are-worse"),
        pytest.param(PASSED, {"feed_checked": TUESDAY}, False, id="twin-with-data-as-new"),
        pytest.param(PASSED, {"feed_checked": ""}, False, id="twin-without-data"),
        pytest.param(PASSED, {"judged_at": NEXT_WEEK}, False, id="twin-a-day-later"),
        pytest.param(PASSED, {"judged_at": WEDNESDAY, "seen_at": WEDNESDAY}, False, id="twin-scanned-again"),
        pytest.param(PASSED, {"document": {"policies": []}}, False, id="twin-by-other-policies"),
        pytest.param(PASSED, {"judged_at": MONDAY, "feed_checked": TUESDAY}, True, id="judged-earlier"),
        pytest.param(PASSED, {"verdict": "passed"}, True, id="older-data-are-no-better"),
        pytest.param(DatedVerdict("failed", TUESDAY, TUESDAY), {"verdict": "passed"}, True, id="older-data-pass"),
        pytest.param(DatedVerdict("failed", TUESDAY, MONDAY), {"verdict": "passed"}, False, id="twin-data-as-new-pass"),
        pytest.param(DatedVerdict("passed", NEXT_WEEK, NEXT_WEEK), {}, False, id="a-clock-that-was-wrong"),
        pytest.param(DatedVerdict("passed", WEDNESDAY, WEDNESDAY), {}, True, id="twin-a-clock-within-a-day"),
    ],
)
def test_what_stays_in_force(current: DatedVerdict, changes: dict[str, t.Any], stays: bool) -> None:
    assert outlives(current, dataclasses.replace(FAILED, **changes), lambda: DOCUMENT) is stays


def test_what_was_accepted_must_still_be_accepted() -> None:
    finding = {"id": "CVE-2026-1", "package": "p-0:1-1.x86_64"}
    exception = {"state": "accepted", "policies": [], "findings": [finding], "rules": []}
    document = {**DOCUMENT, "exceptions": [exception]}
    assert not outlives(PASSED, FAILED, lambda: document)
    assert outlives(PASSED, dataclasses.replace(FAILED, document=document), lambda: document)
    expired = {**DOCUMENT, "exceptions": [{**exception, "state": "expired"}]}
    assert outlives(PASSED, FAILED, lambda: expired)


def test_the_document_is_read_only_where_it_decides() -> None:
    def read() -> t.NoReturn:
        raise AssertionError

    assert outlives(PASSED, dataclasses.replace(FAILED, verdict="passed"), read)
    assert is_renewed_by(PASSED, dataclasses.replace(FAILED, feed_checked=TUESDAY))
    assert not is_renewed_by(PASSED, FAILED)


def test_an_inventory_outlives_one_taken_earlier_unless_its_clock_was_wrong() -> None:
    assert inventory_outlives(TUESDAY, MONDAY)
    assert not inventory_outlives(MONDAY, MONDAY)
    assert not inventory_outlives(WEDNESDAY, MONDAY)
    with pytest.raises(CorruptData, match="a time in the store"):
        inventory_outlives("soon", MONDAY)
