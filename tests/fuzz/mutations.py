# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of bytes that hit the fields of binary formats."""

from __future__ import annotations

import random
import struct

_NUMBERS = (0, 1, 2, 3, 7, 8, 12, 13, 26, 100, 127, 128, 255, 256, 511, 512, 4095, 4096, 65535, 1 << 31, 0xFFFFFFFF)


def mutate_bytes(data: bytes, source: random.Random) -> bytes:
    """One to four changes, each of one of the kinds that file formats are sensitive to."""
    changed = bytearray(data)
    for _change in range(source.choice((1, 1, 1, 2, 4))):
        if not changed:
            return bytes(source.randrange(256) for _byte in range(8))
        _change_once(changed, source)
    return bytes(changed)


def _change_once(data: bytearray, source: random.Random) -> None:
    place = _place(len(data), source)
    kind = source.randrange(10)
    if kind < 3:
        data[place] ^= 1 << source.randrange(8)
    elif kind < 5:
        data[place] = source.choice((0, 1, 2, 3, 5, 7, 10, 13, 0x7F, 0x80, 0xFF, source.randrange(256)))
    elif kind < 8:
        form = source.choice((">H", "<H", ">I", "<I"))
        width = struct.calcsize(form)
        if place + width <= len(data):
            (number,) = struct.unpack_from(form, data, place)
            number = source.choice((*_NUMBERS, number + 1, number - 1, number * 2, len(data)))
            struct.pack_into(form, data, place, number & (0xFFFF if width == 2 else 0xFFFFFFFF))
    elif kind == 8:
        length = source.choice((1, 4, 16, 24, 512, 4096))
        other = _place(len(data), source)
        block = data[other : other + length]
        if source.random() < 0.5:
            data[place : place + len(block)] = block
        else:
            data[place : place + length], data[other : other + length] = block, data[place : place + length]
    elif source.random() < 0.5:
        del data[place : place + source.choice((1, 4, 16, 512, len(data)))]
    else:
        data[place:place] = bytes(source.choice((1, 4, 16, 512)))


def _place(size: int, source: random.Random) -> int:
    """Anywhere, but every second time within the first bytes of a page: that is where the structure is."""
    place = source.randrange(size)
    if source.random() < 0.5:
        page = source.choice((512, 4096))
        place = min(place // page * page + source.randrange(40), size - 1)
    return place
