# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order of versions: the rules one by one, and what any order must have. ``tests/oracle`` compares with librpm."""

from __future__ import annotations

import functools

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.versions import (
    Evr,
    compare_evr,
    compare_versions,
    parse_evr,
)
from hypothesis import given
from hypothesis import strategies as st

VERSIONS = st.text(alphabet="0019az~^._-ü", max_size=10)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0", "1.1"),
        ("1.9", "1.10"),
        ("1.0", "1.0.1"),
        ("1.0a", "1.0.1"),  # a number is newer than letters
        ("1.0rc", "1.0.0"),
        ("1.a", "1.b"),
        ("1.A", "1.a"),
        ("1.0~rc1", "1.0"),
        ("1.0~rc1", "1.0~rc2"),
        ("1.0~~", "1.0~"),
        ("1.0", "1.0^"),
        ("1.0^git1", "1.0^git2"),
        ("1.0^git1", "1.0.1"),
        ("1.0^git1~pre", "1.0^git1"),
        ("1.0~^", "1.0"),
        ("23.el9_2.4", "26.el9_3.2"),
        ("", "1"),
        ("~", ""),
    ],
)
def test_older_and_newer(older: str, newer: str) -> None:
    assert compare_versions(older, newer) == -1
    assert compare_versions(newer, older) == 1


@pytest.mark.parametrize(
    ("one", "two"),
    [("1.0", "1.0"), ("1.00", "1.0"), ("1.0", "1_0"), ("1.", "1"), ("1a", "1.a"), ("ü1", "1"), ("", ".")],
)
def test_equal(one: str, two: str) -> None:
    assert compare_versions(one, two) == compare_versions(two, one) == 0


@given(VERSIONS, VERSIONS, VERSIONS)
def test_it_is_an_order(one: str, two: str, three: str) -> None:
    assert compare_versions(one, two) == -compare_versions(two, one)
    first, second, third = sorted((one, two, three), key=functools.cmp_to_key(compare_versions))
    assert compare_versions(first, second) <= 0
    assert compare_versions(second, third) <= 0
    assert compare_versions(first, third) <= 0


@pytest.mark.parametrize(
    ("text", "evr"),
    [
        ("1:2.0-3", Evr(1, "2.0", "3")),
        ("2.0-3", Evr(None, "2.0", "3")),
        ("0:2.0-3", Evr(0, "2.0", "3")),
        (":2.0", Evr(0, "2.0", None)),
        ("007:2.0", Evr(7, "2.0", None)),
        ("1.2-3-4", Evr(None, "1.2-3", "4")),
        ("a:2-3", Evr(None, "a:2", "3")),
        ("²:2-3", Evr(None, "²:2", "3")),
        ("4294967295:1-1", Evr(4294967295, "1", "1")),
    ],
)
def test_parts(text: str, evr: Evr) -> None:
    assert parse_evr(text) == evr


@pytest.mark.parametrize("text", ["", "1:", "-1", "4294967296:1", "9" * 5000 + ":1"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_evr(text)


@pytest.mark.parametrize(
    ("one", "two", "order"),
    [
        ("1:1.0-1", "2.0-1", 1),
        ("0:1.0-1", "1.0-1", 0),
        ("1.0-1", "1.0-2", -1),
        ("1.0", "1.0-2", 0),
        ("1.0-9", "1.1", -1),
        ("2:1-1", "10:1-1", -1),
    ],
)
def test_epoch_then_version_then_release(one: str, two: str, order: int) -> None:
    assert compare_evr(one, two) == order
    assert compare_evr(two, one) == -order


@given(st.text(alphabet="01:-~^.a²", max_size=12), st.text(alphabet="01:-~^.a²", max_size=12))
def test_nothing_but_input_errors(one: str, two: str) -> None:
    try:
        order = compare_evr(one, two)
    except InputError:
        return
    assert order in (-1, 0, 1)
