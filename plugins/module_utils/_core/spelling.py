# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the name that was meant by a misspelt one."""

from __future__ import annotations

import difflib
import typing as t

#: Letters of a word that count: nothing that is longer is a name.
_LENGTH_LIMIT = 100


def nearest(word: str, choices: t.Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the choice that is written most alike, or an empty text."""
    match = nearest_choice(word, choices)
    return f"; did you mean '{match}'?" if match else ""


def nearest_choice(word: str, choices: t.Iterable[str]) -> str:
    """Find the choice that is written most alike, or an empty text where none is.

    One mistake for every three letters is a slip of the fingers; one is in shorter words, too. Where words differ by
    more, such as ``policy`` and ``policies``, it counts how much they have in common.
    """
    wanted = _folded(word)
    by_folded = {_folded(choice): choice for choice in choices}
    if not by_folded:
        return ""
    ratios = {choice: difflib.SequenceMatcher(None, choice, wanted).ratio() for choice in by_folded}
    mistakes, _unlike, best = min((distance(wanted, choice), -ratios[choice], choice) for choice in by_folded)
    length = max(len(wanted), len(best))
    if mistakes <= max(1, length // 3) and mistakes < length:
        return by_folded[best]
    alike = max(ratios, key=lambda choice: (ratios[choice], choice))
    return by_folded[alike] if ratios[alike] >= 0.6 else ""


def distance(one: str, other: str) -> int:
    """Count the letters that are missing, too many, wrong, or swapped with the next one."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            count = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                count = min(count, last[j - 2] + 1)
            row.append(count)
    return row[-1]


def _folded(word: str) -> str:
    return word[:_LENGTH_LIMIT].casefold().replace("-", "_")
