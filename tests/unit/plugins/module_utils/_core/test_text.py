# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign text becomes harmless, and stays readable where it was harmless."""

from __future__ import annotations

import unicodedata

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.text import (
    columns,
    fit,
    pad,
    visible,
    wrap,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("openssl-libs-1:3.0.7-27.el9.x86_64", "openssl-libs-1:3.0.7-27.el9.x86_64"),
        ("Größe 日本語 Ω", "Größe 日本語 Ω"),
        ("red \x1b[31mtext", "red \\x1b[31mtext"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("a\nb\r\nc\td", "a b  c d"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\udc80", "\\udc80"),
        ("\ue000\U0010ffff", "\\ue000\\U0010ffff"),
        ("no\u00a0break\u3000", "no break "),
        ("e\u0301", "e\u0301"),
        ("z" + "\u0335" * 50, "z" + "\u0335" * 3),
        ("\x7f\x00", "\\x7f\\x00"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(alphabet=st.characters(exclude_categories=())), st.integers(1, 60))
def test_the_text_is_printable_and_bounded(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert all(unicodedata.category(character)[0] not in "C" for character in shown)
    assert not any(character.isspace() and character != " " for character in shown)
    assert len(shown) <= limit + 1
    shown.encode("utf-8")


def test_long_text_is_cut_visibly() -> None:
    assert visible("x" * 11, 10) == "x" * 10 + "…"
    assert visible("x" * 10, 10) == "x" * 10
    assert visible("\x00" * 10**7, 10) == "\\x00\\x00…"


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\ufb00", 1), ("\uff21", 2), ("", 0)]
)
def test_columns_of_a_terminal(text: str, width: int) -> None:
    assert columns(text) == width


@given(st.text(), st.integers(2, 40))
def test_nothing_is_wider_than_it_may_be(text: str, width: int) -> None:
    shown = visible(text)
    assert columns(fit(shown, width)) <= width
    assert columns(pad(shown, width)) == width
    lines = wrap(shown, width)
    assert all(columns(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(shown.split())
