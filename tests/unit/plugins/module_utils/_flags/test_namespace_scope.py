# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which namespaces lists act."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import Reach, read_reach


@pytest.mark.parametrize(
    ("reach", "touched", "spared"),
    [
        (Reach(), ("shop", "kube-system"), ()),
        (
            Reach(exempt=("kube-system", "openshift-*")),
            ("shop", "openshift", "kube-system-2"),
            ("kube-system", "openshift-x"),
        ),
        (Reach(only=("shop", "till")), ("shop", "till"), ("other",)),
        (Reach(only=("shop", "till"), exempt=("ti*",)), ("shop",), ("till", "other")),
        (Reach(only=("shop",), required=("vault",)), ("shop", "vault"), ("other",)),
    ],
)
def test_it_tells_where_policies_count(reach: Reach, touched: tuple[str, ...], spared: tuple[str, ...]) -> None:
    assert [one for one in (*touched, *spared) if reach.touches(one)] == list(touched)
    assert read_reach(reach.text()) == reach


def test_its_text_does_not_depend_on_the_order() -> None:
    assert Reach(only=("b", "a", "a")).text() == Reach(only=("a", "b")).text()
    assert Reach("warn").text() == '{"action":"warn","exempt":[],"only":[],"required":[]}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"action":"deny"}',
        '{"action":"refuse","exempt":[],"only":[],"required":[]}',
        '{"action":[],"exempt":[],"only":[],"required":[]}',
        '{"action":"deny","exempt":"a","only":[],"required":[]}',
        '{"action":"deny","exempt":[1],"only":[],"required":[]}',
    ],
)
def test_what_is_not_understood_is_told_as_that(text: str) -> None:
    assert read_reach(text) is None
