# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences of README.md and docs/ are short: 18 words on average of a page, or fewer.

A sentence ends with ``.``, ``!`` or ``?`` before a blank, or with its paragraph or item of a list. Fenced blocks,
tables and headings are left out. What stands between backticks is one word.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
MOST = 18.0
_FENCED = re.compile(r"^[ \t]*```.*?^[ \t]*```$", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r"(?:[-*]|\d+\.)\s+")
_END = re.compile(r"""(?<=[.!?])[)*"]*\s+""")
_WORD = re.compile(r"\w[\w'.,/-]*")


def paragraphs(text: str) -> t.Iterator[str]:
    """Yield paragraphs and items of lists, each as one line."""
    lines: list[str] = []
    for line in [*_FENCED.sub("\n", text).splitlines(), ""]:
        stripped = line.strip()
        item = _ITEM.match(stripped)
        if (not stripped or stripped.startswith(("#", "|")) or item) and lines:
            yield " ".join(lines)
            lines = []
        if stripped and not stripped.startswith(("#", "|")):
            lines.append(stripped[item.end() :] if item else stripped)


def sentences(text: str) -> list[int]:
    """Return how many words each sentence has."""
    plain = (re.sub(r"`[^`]*`", "code", paragraph) for paragraph in paragraphs(text))
    numbers = [len(_WORD.findall(sentence)) for paragraph in plain for sentence in _END.split(paragraph)]
    return [number for number in numbers if number]


@pytest.mark.parametrize("page", [str(page.relative_to(CHECKOUT)) for page in PAGES])
def test_sentences_are_short(page: str) -> None:
    lengths = sentences((CHECKOUT / page).read_text(encoding="utf-8"))
    assert sum(lengths) / len(lengths) <= MOST, f"{len(lengths)} sentences, the longest of {max(lengths)} words"


def test_what_a_sentence_is() -> None:
    text = "# A heading here\n\nOne two `a b c`. Four 1.5\nsix! Last:\n\n* item one\n* item\n  two\n"
    text += "\n| a | b |\n\n```\nx. y\n```\n"
    assert sentences(text) == [3, 3, 1, 2, 2]
