# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making foreign text harmless before a person sees it: package names, labels, file names, document titles.

Escaping for HTML is the template's (autoescape); here is what both HTML and terminals need: nothing that moves a
cursor, reverses reading direction, hides or forges characters, and nothing longer than it is worth.
"""

from __future__ import annotations

import unicodedata

#: Longest text that is shown of one foreign value, in characters.
TEXT_LIMIT = 2000
#: More combining marks than this on one character are not writing but an attack on the lines above and below.
MARKS = 3


def visible(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text with every character that cannot be seen written as an escape; cut at ``limit`` characters.

    White space becomes one space each. Control characters, format characters (bidirectional overrides, zero width,
    tags), surrogates, private and unassigned characters become ``\\x1b``, ``\\u202e`` and so on.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    shown = []
    length = marks = 0
    for character in text[: limit + 1]:
        if character in "\t\n\r\v\f\x85\u2028\u2029":
            character = " "
        elif not character.isprintable() and unicodedata.category(character) != "Zs":
            character = _escape(character)
        elif character.isspace():
            character = " "
        marks = marks + 1 if unicodedata.combining(character[0]) else 0
        if marks > MARKS:
            continue
        length += len(character)
        if length > limit:
            shown.append("…")
            break
        shown.append(character)
    return "".join(shown)


def quoted(text: str, limit: int = 200) -> str:
    """Foreign text for a message: quoted, in printable ASCII, and not longer than ``limit`` characters."""
    return ascii(text if len(text) <= limit else text[: limit - 3] + "...")


def printable(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text with a question mark for what cannot be printed, so that its length stays; cut at ``limit``.

    For what is kept and told further; ``visible`` is for what a person reads in the end.
    """
    text = text[:limit]
    return text if text.isprintable() else "".join(character if character.isprintable() else "?" for character in text)


def _escape(character: str) -> str:
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def columns(text: str) -> int:
    """Columns that a text of ``visible`` takes on a terminal: wide characters take two, combining marks none."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int) -> str:
    """The text in at most ``width`` columns, cut with an ellipsis."""
    if columns(text) <= width:
        return text
    characters, used = [], 1
    for character in text:
        used += _columns(character)
        if used > width:
            break
        characters.append(character)
    return "".join(characters) + "…"


def pad(text: str, width: int) -> str:
    """The text cut or filled with spaces to exactly ``width`` columns."""
    text = fit(text, width)
    return text + " " * (width - columns(text))


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` columns, broken at spaces; longer words are broken where they must."""
    lines: list[str] = []
    line, used = "", 0
    for word in text.split():
        size = columns(word)
        if line and used + 1 + size <= width:
            line, used = f"{line} {word}", used + 1 + size
            continue
        if line:
            lines.append(line)
            line, used = "", 0
        for character in word:
            step = _columns(character)
            if used + step > width and line:
                lines.append(line)
                line, used = "", 0
            line, used = line + character, used + step
    if line:
        lines.append(line)
    return lines or [""]
