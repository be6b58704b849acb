# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages a CSAF document may be about that was refused: rather too many than one too few.

A feed has tens of thousands of documents, and a few are always odd. What such a document says is not known; but names
of packages stand in it several times over (package URLs, ids of components, of relationships, of statuses), so that
damage which loses one of them leaves others. An image that has none of them need not wait until the vendor mends it.
"""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

#: More names than the largest documents have; a document with more may be about anything.
LIMIT = 100_000
_TEXT_LIMIT = 1024  # characters of an id
_DEPTH_LIMIT = 64
#: What names packages in a whole document.
_PARTS = frozenset({"product_tree", "product_status"})

_SPLIT = re.compile(r"[:/@?&=]+")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}")
_EPOCH = re.compile(r"(.+)-[0-9]{1,10}")
_VERSION = re.compile(r"(.+)-[^-]+-[^-]+")
_ARCH = re.compile(r"(.+)\.(?:src|nosrc|noarch|[a-z0-9_]{3,10})")


def mentioned(data: bytes) -> frozenset[str] | None:
    """Every text in a document that may name a package or, as ``name:stream``, a module; None: it may be about any.

    None also for what is no JSON, is nested too deep, or has no ids left in its product tree or its statuses: who knows
    what stood there. ``data``: no more, and no more values, than ``csaf_vex.load`` reads.
    """
    try:
        text = data.decode("utf-8-sig")
        root = json.loads(text, object_pairs_hook=_Object, parse_int=float, parse_float=float)
    except (ValueError, RecursionError):
        return None
    found: set[str] = set()
    parts: set[str] = set()
    pending: list[tuple[t.Any, int, str]] = [(root, 0, "")]
    while pending:
        value, depth, part = pending.pop()
        if depth > _DEPTH_LIMIT or len(found) > LIMIT:
            return None  # no need to read on
        if isinstance(value, _Object):
            for key, one in value:
                pending.append((key, depth + 1, ""))
                pending.append((one, depth + 1, key if key in _PARTS else part))
        elif isinstance(value, list):
            pending.extend((one, depth + 1, part) for one in value)
        elif isinstance(value, str) and len(value) <= _TEXT_LIMIT and " " not in value:
            names = frozenset(_names(urllib.parse.unquote(value)))
            found |= names
            if names:
                parts.add(part)
    return frozenset(found) if parts >= _PARTS and len(found) <= LIMIT else None


class _Object(list[tuple[str, t.Any]]):
    """An object of JSON as pairs: a key that stands twice is in it twice."""


def _names(text: str) -> t.Iterator[str]:
    """What may be a name in an id or a package URL."""
    pieces = [piece for piece in _SPLIT.split(text) if piece]
    for piece in pieces:
        if _NAME.fullmatch(piece):
            yield piece
            # curl-0 (of curl-0:7.76.1-23.el9.x86_64), curl-7.76.1-23.el9.x86_64, curl.src
            for pattern in (_EPOCH, _VERSION, _ARCH):
                match = pattern.fullmatch(piece)
                if match:
                    yield match[1]
    for one, two in zip(pieces, pieces[1:]):
        yield f"{one}:{two}"
