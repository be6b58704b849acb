# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds and the streams they were made in."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.builds import (
    Build,
    BuildStream,
    compare_builds,
    is_rebuild,
    parse_build,
    parse_label,
    same_version,
    stream_of,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("26.el9", BuildStream("el9", 9, None, "")),
        ("23.el9_2.4", BuildStream("el9_2", 9, 2, "")),
        ("26.el9_3", BuildStream("el9_3", 9, 3, "")),
        ("20.el8_10.1", BuildStream("el8_10", 8, 10, "")),
        ("6.el10_0", BuildStream("el10_0", 10, 0, "")),
        ("36.el7_9.1", BuildStream("el7_9", 7, 9, "")),
        ("5.el8.4", BuildStream("el8", 8, None, "")),  # ".4" is not a minor version: modules alone write it so
        ("1.module+el8.6.0+14480+c0a3aa0f", BuildStream("el8_6", 8, 6, "")),
        ("1.module+el8+2737+ab12cd34", BuildStream("el8", 8, None, "")),
        ("1.el8sat", BuildStream("el8sat", 8, None, "sat")),
        ("2.SP3_redhat_00001.1.el9eap", BuildStream("el9eap", 9, None, "eap")),
        ("7.rhaos4.16.el9", BuildStream("rhaos4.16.el9", 9, None, "rhaos")),
        ("7.rhaos4.16.git1234567.el9", BuildStream("el9", 9, None, "")),
        ("1.hum1", BuildStream("hum1", 0, None, "hum1")),
        ("1", BuildStream("", 0, None, "")),
        ("1.fc40", BuildStream("", 0, None, "")),
        ("1.delta9", BuildStream("", 0, None, "")),
        ("el9", BuildStream("el9", 9, None, "")),
        ("1.el" + "9" * 5000, BuildStream("el" + "9" * 5000, 0, None, "")),
    ],
)
def test_streams(release: str, expected: BuildStream) -> None:
    assert stream_of(release) == expected


@pytest.mark.parametrize(("minor", "expected"), [("10", 10), ("999", 999), ("1000", None)])
def test_a_minor_release_has_at_most_three_digits(minor: str, expected: int | None) -> None:
    assert stream_of(f"1.el8_{minor}").minor == expected


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("1.module+el8.6.0+1+aaaaaaaa", "1.module+el8.7.0+2+bbbbbbbb", True),
        ("1.module+el8.6.0+1+aaaaaaaa", "2.module+el8.7.0+2+bbbbbbbb", False),
        ("1.module+el8.6.0+1+aaaaaaaa", "1", False),
        ("1", "1.module+el8.6.0+1+aaaaaaaa", False),
        ("1", "1", False),
    ],
)
def test_rebuilds_are_of_two_builds_of_a_module(one: str, two: str, expected: bool) -> None:
    assert is_rebuild(parse_build(f"1-{one}"), parse_build(f"1-{two}")) is expected


def test_plain_tags_stand_in_every_stream() -> None:
    assert not stream_of("1.el9").distinctive and not stream_of("1").distinctive
    assert stream_of("1.el9_2").distinctive and stream_of("1.el9sat").distinctive
    assert stream_of("1.module+el8.6.0+1+aaaaaaaa").distinctive


@pytest.mark.parametrize(
    ("evr", "expected"),
    [
        ("1:3.0.7-27.el9", Build(1, "3.0.7", "27.el9")),
        ("3.0.7-27.el9", Build(None, "3.0.7", "27.el9")),
        ("0:1-1.module+el8.6.0+14480+c0a3aa0f", Build(0, "1", "1.module+el8.6.0+14480")),
        ("0:1-1.module+el8.6.0+14480+c0a3aa0f.2", Build(0, "1", "1.module+el8.6.0+14480.2")),
        ("0:1-1.c0a3aa0f", Build(0, "1", "1.c0a3aa0f")),
        ("", Build(None, "", "")),
        ("²:1-1", Build(None, "²:1", "1")),
    ],
)
def test_reading(evr: str, expected: Build) -> None:
    assert parse_build(evr) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("perl:5.32:8060020220101000000:abc", (Build(None, "80600", "20220101000000"), BuildStream("el8_6", 8, 6, ""))),
        ("perl:5.32:920220101000000", (Build(None, "9", "20220101000000"), BuildStream("el9", 9, None, ""))),
        ("perl:5.32", None),
        ("perl:5.32:rolling", None),
        ("", None),
    ],
)
def test_labels_of_modules(label: str, expected: tuple[Build, BuildStream] | None) -> None:
    assert parse_label(label) == expected


@pytest.mark.parametrize(
    ("one", "two", "order"),
    [
        ("0:1-1", "0:1-1", 0),
        ("0:1-2", "0:1-1", 1),
        ("1:1-1", "0:2-1", 1),
        ("0:1-1", "1:0-1", -1),
        ("1-1", "7:1-1", 0),  # an epoch that is not known is that of the other
        ("7:1-1", "1-2", -1),
        ("0:1~rc1-1", "0:1-1", -1),
        ("0:1-1.module+el8.6.0+14480+aaaaaaaa", "0:1-1.module+el8.6.0+14480+ffffffff", 0),
        ("0:1-1.module+el8.6.0+14480+ffffffff", "0:1-1.module+el8.6.0+14481+aaaaaaaa", -1),
    ],
)
def test_order(one: str, two: str, order: int) -> None:
    assert compare_builds(parse_build(one), parse_build(two)) == order
    assert compare_builds(parse_build(two), parse_build(one)) == -order


def test_versions_with_epoch() -> None:
    assert same_version(parse_build("1:1.0-1"), parse_build("1:1.0-9"))
    assert not same_version(parse_build("1:1.0-1"), parse_build("0:1.0-1"))
    assert same_version(parse_build("1:1.0-1"), parse_build("1.0-1"))
    assert not same_version(parse_build("1:1.0-1"), parse_build("1:1.1-1"))


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_is_read_and_compared_without_an_error(one: str, two: str) -> None:
    stream_of(one)
    assert compare_builds(parse_build(one), parse_build(two)) == -compare_builds(parse_build(two), parse_build(one))
