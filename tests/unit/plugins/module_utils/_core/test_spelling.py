# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name that was meant is found by slips of the fingers, and nothing by words that are something else."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.spelling import (
    distance,
    nearest,
    nearest_choice,
)

NAMES = ("references", "policies", "arf", "host", "fail_on", "report_dir", "4", "organization", "Vulnerabilities")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("refernces", "references"),
        ("policy", "policies"),
        ("raf", "arf"),
        ("af", "arf"),
        ("hots", "host"),
        ("fail-on", "fail_on"),
        ("report_dri", "report_dir"),
        ("organisation", "organization"),
        ("VULNERABILITES", "Vulnerabilities"),
        ("", ""),
        ("x", ""),
        ("7", ""),
        ("qwertz", ""),
        ("references" * 50, ""),
    ],
)
def test_the_choice_that_is_written_most_alike(word: str, meant: str) -> None:
    assert nearest_choice(word, NAMES) == meant
    assert nearest(word, iter(NAMES)) == (f"; did you mean '{meant}'?" if meant else "")


def test_without_choices_nothing_is_meant() -> None:
    assert nearest("a", []) == ""


@pytest.mark.parametrize(
    ("one", "other", "mistakes"),
    [
        ("", "", 0),
        ("ab", "ab", 0),
        ("ab", "ba", 1),
        ("abc", "ac", 1),
        ("ac", "abc", 1),
        ("abc", "axc", 1),
        ("ca", "abc", 3),
    ],
)
def test_mistakes_are_counted_and_letters_that_are_swapped_are_one(one: str, other: str, mistakes: int) -> None:
    assert distance(one, other) == distance(other, one) == mistakes
