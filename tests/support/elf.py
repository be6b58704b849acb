# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small ELF files: only the headers and the dynamic section that a loader looks at."""

from __future__ import annotations

import struct
import typing as t

EXECUTABLE, SHARED, OBJECT = 2, 3, 1
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
NEEDED, SONAME = 1, 14


def elf(
    *,
    interpreter: str = "",
    tags: t.Sequence[int] | None = None,
    kind: int = EXECUTABLE,
    wide: bool = True,
    order: str = "<",
    gap: int = 0,
    cut: int = 0,
    loads: int = 1,
) -> bytes:
    """A file with ``loads`` loaded segments and, if given, an interpreter and a dynamic section with these tags.

    ``wide``: 64 bits; ``order``: byte order as ``struct`` writes it. ``gap``: bytes before the dynamic section.
    ``cut``: bytes that are missing at the end.
    """
    header, segment = (64, 56) if wide else (52, 32)
    sections: list[tuple[int, bytes]] = [(LOAD, b"\x90" * 64)] * loads
    if interpreter:
        sections.append((INTERPRETER, interpreter.encode() + b"\0"))
    if tags is not None:
        form = order + ("qQ" if wide else "iI")
        sections.append((DYNAMIC, b"".join(struct.pack(form, tag, 1) for tag in (*tags, 0))))
    at = header + segment * len(sections)
    table, body = b"", b""
    for number, content in sections:
        padding = bytes(gap) if number == DYNAMIC else b""
        start = at + len(body) + len(padding)
        size = len(content)
        if wide:
            table += struct.pack(order + "IIQQQQQQ", number, 5, start, start, start, size, size, 8)
        else:
            table += struct.pack(order + "IIIIIIII", number, start, start, start, size, size, 5, 4)
        body += padding + content
    ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if order == ">" else 1, 1]) + bytes(9)
    numbers = (kind, 62, 1, 0, header, 0, 0, header, segment, len(sections), 0, 0, 0)
    data = ident + struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *numbers) + table + body
    return data[: len(data) - cut]


STATIC = elf()
#: What linkers make of a static program that may lie anywhere in memory.
STATIC_PIE = elf(kind=SHARED, tags=(5, 6, 10), gap=200_000)
