# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON from outside, with bounds that ``json`` itself does not have on every Python we run on.

Text nested too deep, numbers of a million digits, NaN and unpaired surrogates all end as CorruptData. Of a key that
stands twice the last one counts, as in the Go programs that run images; a key that differs from a known one in case
only would be read differently there and here, so ``field`` refuses it.
"""

from __future__ import annotations

import json
import typing as t

from .errors import CorruptData, LimitExceeded, ScanError

_NUMBER_LIMIT = 40
_VALUE_LIMIT = 400_000  # about 100 MB of Python objects at worst
_DEPTH_LIMIT = 64


def read_json(
    data: bytes, description: str, *, limit: int, error: type[ScanError] = CorruptData, unique: bool = False
) -> t.Any:
    """Parse UTF-8 JSON of at most ``limit`` bytes. ``description`` names the document in messages.

    ``unique``: a key that stands twice is an error, for documents of which no entry may be lost.
    """
    if len(data) > limit:
        raise LimitExceeded(f"{description} has {len(data)} bytes; at most {limit} are read")
    if data.count(b"{") + data.count(b"[") + data.count(b",") > _VALUE_LIMIT:
        raise LimitExceeded(f"{description} has more than {_VALUE_LIMIT} values")
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            parse_int=_integer,
            parse_float=_floating,
            parse_constant=_no_constant,
            object_pairs_hook=unique_keys if unique else None,
        )
        _check(value)
    except (ValueError, RecursionError) as cause:
        reason = "it is nested too deep" if isinstance(cause, RecursionError) else _reason(cause)
        raise error(f"{description} is not readable JSON: {reason}") from cause
    return value


def read_object(
    data: bytes, description: str, *, limit: int, error: type[ScanError] = CorruptData, unique: bool = False
) -> dict[str, t.Any]:
    """As ``read_json``, for a document that must be an object."""
    value = read_json(data, description, limit=limit, error=error, unique=unique)
    if not isinstance(value, dict):
        raise error(f"{description} is not a JSON object but {type_name(value)}")
    return value


def unique_keys(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """An object, for ``object_pairs_hook``. Raises ValueError where a key stands twice: a value would be lost."""
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("an object has a key twice")
    return mapping


_T = t.TypeVar("_T")


def field(holder: t.Mapping[str, t.Any], name: str, kind: type[_T], description: str) -> _T | None:
    """One field, None where it is absent or null. Raises CorruptData for another type or a key of other case."""
    value = holder.get(name)
    lowered = name.lower()
    for key in holder:
        if key != name and key.lower() == lowered:
            raise CorruptData(
                f"{description} has the key {ascii(key)[:80]} where {name!r} is meant; readers disagree about it"
            )
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CorruptData(f"{description}: {name} is {type_name(value)}; expected {_KINDS.get(kind, kind.__name__)}")
    return value


_KINDS: t.Mapping[type, str] = {dict: "an object", list: "a list", str: "text", int: "a whole number"}


def type_name(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    return "a truth value" if isinstance(value, bool) else _KINDS.get(type(value), "a number")


def _reason(cause: Exception) -> str:
    if isinstance(cause, json.JSONDecodeError):
        return f"{cause.msg} at line {cause.lineno}, column {cause.colno}"
    return "it is not UTF-8" if isinstance(cause, UnicodeDecodeError) else str(cause)[:120]


def _integer(text: str) -> int:
    if len(text) > _NUMBER_LIMIT:
        raise ValueError("a number has too many digits")
    return int(text)


def _floating(text: str) -> float:
    if len(text) > _NUMBER_LIMIT:
        raise ValueError("a number has too many digits")
    return float(text)


def _no_constant(text: str) -> t.NoReturn:
    raise ValueError(f"{text} is not JSON")


def _check(value: t.Any) -> None:
    """Refuse depth, and unpaired surrogates, which could not be encoded or printed later."""
    stack: list[t.Iterator[t.Any]] = [iter((value,))]
    while stack:
        node = next(stack[-1], _END)
        if node is _END:
            stack.pop()
        elif isinstance(node, str):
            _check_text(node)
        elif isinstance(node, (dict, list)):
            if len(stack) > _DEPTH_LIMIT:
                raise RecursionError
            if isinstance(node, dict):
                for key in node:
                    _check_text(key)
                stack.append(iter(node.values()))
            else:
                stack.append(iter(node))


def _check_text(text: str) -> None:
    if not text.isascii():
        text.encode("utf-8")


_END = object()
