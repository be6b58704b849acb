# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict readers of parsed JSON: each takes a value and where it stands, and gives it back typed, or refuses it.

Readers are combined into tables: ``record(Rule, {"id": text, "tests": many(text)})`` reads a dataclass. All errors are
CorruptData with the code that ``Shapes`` was made with. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import math
import typing as t

from .errors import CorruptData, ScanError

_T = t.TypeVar("_T")
Reader = t.Callable[[object, str], t.Any]


class Shapes:
    """Readers of one kind of document. ``code``: of their errors."""

    def __init__(self, code: str) -> None:
        self._code = code

    def invalid(self, message: str) -> CorruptData:
        """The error to raise."""
        return CorruptData(message, code=self._code)

    def fields(self, value: object, place: str) -> dict[str, t.Any]:
        """An object, whatever is in it."""
        if not isinstance(value, dict):
            raise self.invalid(f"{place} is not a JSON object")
        return value

    def text(self, value: object, place: str) -> str:
        """Text of any length."""
        if not isinstance(value, str):
            raise self.invalid(f"{place} is not a text")
        return value

    def truth(self, value: object, place: str) -> bool:
        """``true`` or ``false``."""
        if not isinstance(value, bool):
            raise self.invalid(f"{place} is not true or false")
        return value

    def count(self, value: object, place: str) -> int:
        """A whole number from 0."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.invalid(f"{place} is not a number from 0")
        return value

    def number(self, value: object, place: str) -> float:
        """A finite number."""
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            raise self.invalid(f"{place} is not a number")
        return float(value)

    def short(self, most: int, least: int = 0) -> Reader:
        """Text of so many characters."""

        def read(value: object, place: str) -> str:
            text = self.text(value, place)
            if not least <= len(text) <= most:
                raise self.invalid(f"{place} has {len(text)} characters; expected {least} to {most}")
            return text

        return read

    def matching(self, accepts: t.Callable[[str], object]) -> Reader:
        """Text that a predicate accepts. It is not shown where it is wrong: it may be a secret."""

        def read(value: object, place: str) -> str:
            if not isinstance(value, str) or not accepts(value):
                raise self.invalid(f"{place} is malformed")
            return value

        return read

    def word(self, words: t.Sequence[str]) -> Reader:
        """One of several words."""

        def read(value: object, place: str) -> str:
            if value not in words:
                raise self.invalid(f"{place} is {ascii(value)[:40]}, not one of {', '.join(words)}")
            return t.cast(str, value)

        return read

    def within(self, low: int, high: int) -> Reader:
        """A whole number in a range, both ends included."""

        def read(value: object, place: str) -> int:
            number = self.count(value, place)
            if not low <= number <= high:
                raise self.invalid(f"{place} is {number}; expected {low} to {high}")
            return number

        return read

    def parsed(self, parse: t.Callable[[str], object], text: Reader) -> Reader:
        """Text that ``parse`` takes; where that raises ScanError its message is part of ours."""

        def read(value: object, place: str) -> str:
            word = t.cast(str, text(value, place))
            try:
                parse(word)
            except ScanError as error:
                raise self.invalid(f"{place}: {error.message}") from error
            return word

        return read

    def optional(self, reader: Reader) -> Reader:
        """``null``, or what ``reader`` takes."""
        return lambda value, place: None if value is None else reader(value, place)

    def many(self, reader: Reader, least: int = 0, most: int | None = None) -> Reader:
        """A list of so many entries, as a tuple."""

        def read(value: object, place: str) -> tuple[t.Any, ...]:
            if not isinstance(value, list):
                raise self.invalid(f"{place} is not a list")
            if len(value) < least or (most is not None and len(value) > most):
                expected = f"{least} or more" if most is None else f"{least} to {most}"
                raise self.invalid(f"{place} has {len(value)} entries; expected {expected}")
            return tuple(reader(entry, f"{place}[{number}]") for number, entry in enumerate(value))

        return read

    def row(self, *readers: Reader) -> Reader:
        """A list with one entry for each reader, as a tuple."""

        def read(value: object, place: str) -> tuple[t.Any, ...]:
            if not isinstance(value, list) or len(value) != len(readers):
                raise self.invalid(f"{place} is not a list of {len(readers)}")
            return tuple(reader(cell, place) for reader, cell in zip(readers, value))

        return read

    def mapping(self, reader: Reader) -> Reader:
        """An object with any keys."""
        return lambda value, place: {
            self.text(name, f"a key of {place}"): reader(entry, f"{place}.{name}")
            for name, entry in self.fields(value, place).items()
        }

    def record(
        self, kind: t.Callable[..., _T], readers: t.Mapping[str, Reader], required: t.Collection[str] | None = None
    ) -> t.Callable[[object, str], _T]:
        """An object with the keys of ``readers`` and no others, as ``kind`` makes it. ``required``: None for all."""
        needed = frozenset(readers if required is None else required)

        def read(value: object, place: str) -> _T:
            entries = self.fields(value, place)
            missing, unknown = needed - entries.keys(), entries.keys() - readers.keys()
            if missing:
                raise self.invalid(f"{place} has no {', '.join(sorted(missing))}")
            if unknown:
                names = ", ".join(ascii(name)[:40] for name in sorted(unknown, key=str)[:5])
                raise self.invalid(f"{place} has the unknown field {names}")
            values = {name: readers[name](entry, f"{place}.{name}") for name, entry in entries.items()}
            try:
                return kind(**values)
            except ScanError as error:
                raise self.invalid(f"{place}: {error.message}") from error

        return read
