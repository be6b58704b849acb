# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What surveys give, with the type that it is meant to have."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.imagescan.openshift.plugins.filter.survey_value import CONVERTERS, survey_value
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("kind", sorted(CONVERTERS))
@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_nothing_given_is_the_default(kind: str, value: t.Any) -> None:
    assert survey_value(value, kind, "default") == "default"


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, "bool", True),
        ("FALSE", "bool", False),
        (" on ", "bool", True),
        (0, "bool", False),
        ("12", "int", 12),
        (3.0, "int", 3),
        ("0.5", "float", 0.5),
        (7, "str", "7"),
        ("a,b , c", "list", ["a", "b", "c"]),
        ("a\r\nb", "list", ["a", "b"]),
        ('["a, b", 1]', "list", ["a, b", 1]),
        ([], "list", []),
        ('{"a": 1}', "dict", {"a": 1}),
        ('{"a": 1}', "dicts", [{"a": 1}]),
        ([{"a": 1}], "dicts", [{"a": 1}]),
        ("/a/../b", "path", "/b"),
        ("~", "path", str(Path.home())),
        ("x, /y", "paths", [str(Path.cwd() / "x"), "/y"]),
        ("quay.io/a/b:1", "images", ["quay.io/a/b:1"]),
        ("oci:x:tag", "images", [f"oci:{Path.cwd() / 'x'}:tag"]),
        ([{"digest": "d"}], "images", [{"digest": "d"}]),
        ("https://a/../b", "location", "https://a/../b"),
        ("a", "location", str(Path.cwd() / "a")),
        ("a", "kubeconfig", str(Path.cwd() / "a")),
        ("/a:b:", "kubeconfig", f"/a:{Path.cwd() / 'b'}"),
        ({"apiVersion": "v1"}, "kubeconfig", {"apiVersion": "v1"}),
        (' {"apiVersion": "v1"}', "kubeconfig", {"apiVersion": "v1"}),
    ],
)
def test_values_get_their_type(value: t.Any, kind: str, expected: t.Any) -> None:
    found = survey_value(value, kind)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("maybe", "bool"),
        (2, "bool"),
        ([], "bool"),
        ("1.5", "int"),
        (1.5, "int"),
        (True, "int"),
        (float("inf"), "int"),
        ("x", "float"),
        ({}, "str"),
        ({"a": 1}, "list"),
        ("[1", "list"),
        ("[1]", "dict"),
        ('"a"', "dicts"),
        ("[1]", "dicts"),
        ([], "kubeconfig"),
        ("{", "kubeconfig"),
        ("x", "nothing"),
    ],
)
def test_what_cannot_be_converted_is_an_error(value: t.Any, kind: str) -> None:
    with pytest.raises(AnsibleFilterError, match="survey_value: "):
        survey_value(value, kind)


#: What templates and forms give where somebody meant nothing, or something else.
ODD = [
    False,
    True,
    {},
    {"a": None},
    [None],
    [False],
    [True],
    [[]],
    [{}],
    [""],
    ["a", None],
    "[null]",
    "[false]",
    '[""]',
]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("kind", ["list", "paths", "path", "location", "str", "kubeconfig"])
def test_no_odd_value_becomes_a_name_or_nothing(value: t.Any, kind: str) -> None:
    """The name 'False' selects nothing, which looks like nothing found; an empty list switches checks off."""
    if kind == "kubeconfig" and isinstance(value, dict):
        assert survey_value(value, kind) == value
        return
    if kind in ("path", "location", "str", "kubeconfig") and isinstance(value, str):
        return  # a text
    with pytest.raises(AnsibleFilterError, match="survey_value: "):
        survey_value(value, kind, "default")


@pytest.mark.parametrize("value", [False, True, {}, [None], [False], [""], [[]], "[null]", "[false]", "[[]]"], ids=repr)
def test_no_odd_value_becomes_an_image(value: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="survey_value: "):
        survey_value(value, "images", "default")


@pytest.mark.parametrize("value", [{}, [], [False], [None], "None", "{}", "[]", "null"], ids=repr)
@pytest.mark.parametrize("kind", ["bool", "int", "float"])
def test_no_odd_value_becomes_a_switch_or_a_limit(value: t.Any, kind: str) -> None:
    with pytest.raises(AnsibleFilterError, match="survey_value: "):
        survey_value(value, kind, True)


@pytest.mark.parametrize("value", [False, True, [False], [None], "[false]", "none", "false", "null"], ids=repr)
@pytest.mark.parametrize("kind", ["dict", "dicts"])
def test_no_odd_value_becomes_a_dictionary(value: t.Any, kind: str) -> None:
    with pytest.raises(AnsibleFilterError, match="survey_value: "):
        survey_value(value, kind, {})


@given(
    st.one_of(st.text(), st.integers(), st.booleans(), st.floats(), st.lists(st.text())),
    st.sampled_from(sorted(CONVERTERS)),
)
def test_any_value_gives_its_type_or_one_error(value: t.Any, kind: str) -> None:
    with contextlib.suppress(AnsibleFilterError):
        survey_value(value, kind)
