# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits are the last value that is allowed."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import Budget, Limits


@pytest.mark.parametrize(
    ("limits", "count", "code"),
    [
        ({"uncompressed": 9}, lambda budget, number: budget.add_bytes(number, number), "limit-uncompressed"),
        ({"entries": 9}, Budget.add_entries, "limit-entries"),
        ({"kept": 9}, Budget.add_kept, "limit-kept"),
        ({"index": 9}, Budget.add_index, "limit-index"),
        (
            {"expansion": 2, "expansion_free": 5},
            lambda budget, number: budget.add_bytes(2, number),
            "limit-expansion",
        ),
    ],
)
def test_what_is_more_than_the_limit_is_refused(
    limits: dict[str, int], count: t.Callable[[Budget, int], None], code: str
) -> None:
    count(Budget(Limits(**limits)), 9)
    with pytest.raises(LimitExceeded) as caught:
        count(Budget(Limits(**limits)), 10)
    assert caught.value.code == code
