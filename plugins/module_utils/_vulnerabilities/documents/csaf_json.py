# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the JSON of CSAF documents within bounds, and values of the right type out of it."""

from __future__ import annotations

import collections
import json
import typing as t

from ..._core.errors import CorruptData, LimitExceeded
from ..._core.safe_json import unique_keys

DOCUMENT_LIMIT = 64 << 20  # bytes; the largest published ones have some 30 MB
VALUE_LIMIT = 2_000_000  # JSON values: some 200 MB of Python objects


def load(data: bytes, where: str) -> dict[str, t.Any]:
    """Parse a document's JSON within its bounds. ``where`` names it in messages."""
    if len(data) > DOCUMENT_LIMIT:
        raise LimitExceeded(f"{where} has {len(data)} bytes; at most {DOCUMENT_LIMIT} are read")
    if data.count(b",") + data.count(b"{") + data.count(b"[") > VALUE_LIMIT:
        raise LimitExceeded(f"{where} has more than {VALUE_LIMIT} values")
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, parse_int=_number, parse_float=_number, object_pairs_hook=unique_keys)
    except RecursionError as error:
        raise CorruptData(f"{where} is nested too deep to be a CSAF document") from error
    except ValueError as error:
        raise CorruptData(f"{where} is not readable JSON: {_reason(error)}") from error
    if not isinstance(value, dict) or "document" not in value:
        raise CorruptData(f"{where} is not a CSAF document: it has no 'document'", code="not-csaf")
    return value


def _number(text: str) -> float:
    """Numbers as float: no integer that takes minutes to parse; the documents' only numbers are CVSS scores."""
    return float(text)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:120]


class CsafFields:
    """Values of a document by their type, or an error that names them.

    ``where`` names the document in messages. ``skipped``: as in ``model.Document``.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.skipped: collections.Counter[str] = collections.Counter()

    def dict_of(self, holder: dict[str, t.Any], key: str, *, required: bool = False) -> dict[str, t.Any]:
        value = holder.get(key)
        if value is None and not required:
            return {}
        if not isinstance(value, dict):
            raise CorruptData(f"{self.where}: {key} is not an object")
        return value

    def text_of(self, holder: dict[str, t.Any], key: str, *, required: bool = False) -> str:
        value = holder.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            raise CorruptData(f"{self.where}: {key} is not text")
        return value

    def list_of(self, holder: dict[str, t.Any], key: str, kind: type) -> list[t.Any]:
        value = holder.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
            raise CorruptData(f"{self.where}: {key} is not a list of {'objects' if kind is dict else 'texts'}")
        return value
