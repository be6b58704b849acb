# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.safe_json import field, read_json, read_object

LIMIT = 8 << 20


def test_ordinary_documents() -> None:
    text = '\ufeff{"a": [1, 2.5, "ä", null, true], "b": {}, "b": {"c": 1}}'
    assert read_json(text.encode(), "it", limit=LIMIT) == {"a": [1, 2.5, "ä", None, True], "b": {"c": 1}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1,]",
        b"\xff\xfe",
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 1_000_000,
        b"1." + b"9" * 1_000_000,
        b"NaN",
        b"-Infinity",
        b'"\\ud800"',
        b'{"\\udfff": 1}',
    ],
)
def test_hostile_documents_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptData, match="it is not readable JSON") as caught:
        read_json(data, "it", limit=LIMIT)
    assert str(caught.value).isprintable()
    with pytest.raises(InputError):
        read_json(data, "it", limit=LIMIT, error=InputError)


def test_size_and_number_of_values_are_bounded() -> None:
    with pytest.raises(LimitExceeded, match="11 bytes"):
        read_json(b"[1,2,3,4,5]", "it", limit=10)
    with pytest.raises(LimitExceeded, match="values"):
        read_json(b"[" + b"{}," * 2_000_000 + b"{}]", "it", limit=LIMIT)


def test_only_objects() -> None:
    with pytest.raises(CorruptData, match="a list"):
        read_object(b"[]", "it", limit=10)


@pytest.mark.parametrize(
    ("holder", "kind", "says"),
    [
        ({"size": "1"}, int, "size is text; expected a whole number"),
        ({"size": True}, int, "size is a truth value"),
        ({"size": 1.0}, int, "size is a number"),
        ({"size": []}, dict, "size is a list; expected an object"),
        ({"Size": 1}, int, "key 'Size'"),
        ({"size": 1, "SIZE": 1}, int, "key 'SIZE'"),
    ],
)
def test_fields_of_the_wrong_kind(holder: dict[str, t.Any], kind: type, says: str) -> None:
    with pytest.raises(CorruptData, match=says):
        field(holder, "size", kind, "it")


def test_fields() -> None:
    assert field({"size": 1}, "size", int, "it") == 1
    assert field({"size": None}, "size", int, "it") is None
    assert field({}, "size", int, "it") is None
