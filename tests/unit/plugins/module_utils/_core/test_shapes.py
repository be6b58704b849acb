# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of parsed JSON take what they describe, and say where and why they take nothing else."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._core.shapes import Reader, Shapes

SHAPES = Shapes("thing-invalid")


def refuse(text: str) -> None:
    """A parser that takes nothing."""
    raise InputError(f"{text} is bad")


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        (SHAPES.text, "a", "a"),
        (SHAPES.truth, False, False),
        (SHAPES.count, 0, 0),
        (SHAPES.number, 1, 1.0),
        (SHAPES.short(1), "a", "a"),
        (SHAPES.matching(str.isdigit), "1", "1"),
        (SHAPES.word(("a", "b")), "b", "b"),
        (SHAPES.within(1, 2), 2, 2),
        (SHAPES.parsed(len, SHAPES.text), "a", "a"),
        (SHAPES.optional(SHAPES.text), None, None),
        (SHAPES.many(SHAPES.count, 1, 2), [1, 2], (1, 2)),
        (SHAPES.row(SHAPES.text, SHAPES.count), ["a", 1], ("a", 1)),
        (SHAPES.mapping(SHAPES.count), {"a": 1}, {"a": 1}),
        (SHAPES.record(dict, {"a": SHAPES.text, "b": SHAPES.text}, ["a"]), {"a": "x"}, {"a": "x"}),
    ],
)
def test_what_is_described_is_taken(reader: Reader, value: t.Any, expected: t.Any) -> None:
    assert reader(value, "it") == expected


@pytest.mark.parametrize(
    ("reader", "value", "message"),
    [
        (SHAPES.text, 1, "it is not a text"),
        (SHAPES.truth, 0, "it is not true or false"),
        (SHAPES.count, True, "it is not a number from 0"),
        (SHAPES.count, -1, "it is not a number from 0"),
        (SHAPES.number, float("nan"), "it is not a number"),
        (SHAPES.short(1), "secret", "it has 6 characters; expected 0 to 1"),
        (SHAPES.matching(str.isdigit), "secret", "it is malformed"),
        (SHAPES.word(("a", "b")), "c", "it is 'c', not one of a, b"),
        (SHAPES.within(1, 2), 3, "it is 3; expected 1 to 2"),
        (SHAPES.parsed(refuse, SHAPES.text), "x", "it: x is bad"),
        (SHAPES.many(SHAPES.count), {}, "it is not a list"),
        (SHAPES.many(SHAPES.count), [1, "a"], r"it\[1\] is not a number from 0"),
        (SHAPES.many(SHAPES.count, 1), [], "it has 0 entries; expected 1 or more"),
        (SHAPES.many(SHAPES.count, 0, 1), [1, 1], "it has 2 entries; expected 0 to 1"),
        (SHAPES.row(SHAPES.text), [], "it is not a list of 1"),
        (SHAPES.mapping(SHAPES.count), {"a": ""}, "it.a is not a number from 0"),
        (SHAPES.mapping(SHAPES.count), {1: 1}, "a key of it is not a text"),
        (SHAPES.record(dict, {"a": SHAPES.text}), [], "it is not a JSON object"),
        (SHAPES.record(dict, {"a": SHAPES.text}), {}, "it has no a"),
        (SHAPES.record(dict, {"a": SHAPES.text}), {"a": "", "b": 1}, "it has the unknown field 'b'"),
        (SHAPES.record(refuse, {"text": SHAPES.text}), {"text": "x"}, "it: x is bad"),
    ],
)
def test_anything_else_is_refused(reader: Reader, value: t.Any, message: str) -> None:
    with pytest.raises(CorruptData, match=f"^{message}$") as caught:
        reader(value, "it")
    assert caught.value.code == "thing-invalid"
