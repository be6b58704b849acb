# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts as any database can hold and compare them."""

from __future__ import annotations

import hashlib
import typing as t

#: Most values in one IN (...) clause; SQLite's own limit is 999 on old versions.
CHUNK = 500


def text_key(text: str) -> str:
    """SHA-256 in hex: a text without a bound cannot be a key itself."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def clean_text(text: str) -> str:
    """Text as any database can hold it: PostgreSQL refuses NUL, both refuse lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def chunks(values: t.Sequence[str]) -> t.Iterator[t.Sequence[str]]:
    """The values in parts that fit into one clause."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
