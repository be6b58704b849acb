# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the YAML that people write (policies, exceptions), with errors that say file, line, key and what is expected.

PyYAML parses; its nodes are read here instead of being constructed, because scalars must stay the text that was
written: a key id like ``8483e65`` is a float to YAML 1.1, ``no`` a boolean, and a node knows its line. Aliases,
tags and repeated keys are refused: no policy needs them, and each has hidden a mistake or a bomb before.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from .._core.errors import InputError
from .._core.spelling import nearest
from .._core.text import visible

#: Largest document in characters, and how deep it may nest. A thousand exceptions are 100 to 200 kB; PyYAML's parser
#: takes up to 9 s and 160 MB for a megabyte.
SIZE_LIMIT = 1 << 19
DEPTH_LIMIT = 16
#: Longest text of one value.
VALUE_LIMIT = 4096

#: What to do about text that is not YAML.
_YAML = "look at the indentation, the colons and the brackets there"
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NOTHING = ("", "~", "null", "Null", "NULL")


@dataclasses.dataclass(frozen=True)
class Field:
    """One value of a document and where it stands.

    ``path`` names it for a person (``policy 'default', vulnerabilities.max_severity``). ``value`` is a text as it was
    written, None where nothing was, a list of fields or a mapping of fields.
    """

    where: str
    path: str
    line: int
    value: str | list[Field] | dict[str, Field] | None

    def error(self, message: str) -> InputError:
        """An error about this value, ready to be raised."""
        path = f"{self.path}: " if self.path else ""
        return InputError(f"{self.where}, line {self.line}: {path}{message}")

    def renamed(self, path: str) -> Field:
        """The same value under a better name."""
        return dataclasses.replace(self, path=path)

    def mapping(self, keys: t.Iterable[str], expected: str) -> dict[str, Field]:
        """The keys that are given; other keys than ``keys`` are refused."""
        known_keys = tuple(keys)
        fields = self.any_mapping(expected)
        for key, field in fields.items():
            if key not in known_keys:
                place = dataclasses.replace(self, line=field.line)
                raise place.error(
                    f"unknown key '{visible(key, 100)}'{nearest(key, known_keys)} (known: {', '.join(known_keys)})"
                )
        return {key: field.renamed(_below(self.path, key)) for key, field in fields.items()}

    def any_mapping(self, expected: str) -> dict[str, Field]:
        """The keys that are given, whatever they are called."""
        if not isinstance(self.value, dict):
            raise self.error(f"expected {expected}, found {self._kind()}")
        return self.value

    def items(self, expected: str) -> list[Field]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            raise self.error(f"expected {expected}, found {self._kind()}")
        return [field.renamed(f"{self.path}[{number}]") for number, field in enumerate(self.value)]

    def text(self, expected: str = "a text") -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.error(f"expected {expected}, found {self._kind()}")
        if len(self.value) > VALUE_LIMIT:
            raise self.error(f"longer than {VALUE_LIMIT} characters")
        return self.value.strip()

    def texts(self, expected: str) -> tuple[str, ...]:
        """A list of texts; a single text is a list of one."""
        if isinstance(self.value, str):
            return (self.text(expected),)
        return tuple(field.text("a text") for field in self.items(expected))

    def flag(self) -> bool:
        """True or false."""
        word = self.text("true or false").lower()
        if word not in _FLAGS:
            raise self.error(f"expected true or false, found {self._kind()}")
        return _FLAGS[word]

    def choice(self, choices: t.Sequence[str], noun: str) -> str:
        """One of a few words, whatever the case of its letters."""
        word = self.text(f"{noun}, one of {', '.join(choices)}")
        if word.lower() not in choices:
            raise self.error(
                f"'{visible(word, 100)}' is not {noun}{nearest(word, choices)} (expected one of {', '.join(choices)})"
            )
        return word.lower()

    def number(self, low: float, high: float) -> float:
        """A number between two others."""
        word = self.text(f"a number from {low:g} to {high:g}")
        if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", word) or not low <= float(word) <= high:
            raise self.error(f"expected a number from {low:.10g} to {high:.10g}, found {self._kind()}")
        return float(word)

    def whole_number(self, high: int) -> int:
        """A whole number from 0."""
        number = self.number(0, high)
        if not number.is_integer():
            raise self.error(f"expected a whole number, found {self._kind()}")
        return int(number)

    def duration(self) -> int | None:
        """Seconds, from a number with a unit (``90m``, ``12h``, ``7d``, ``2w``); None for ``unlimited``."""
        word = self.text("a duration like 7d").lower()
        if word == "unlimited":
            return None
        match = re.fullmatch(r"(\d{1,6}) ?([mhdw])", word)
        if not match:
            raise self.error(f"expected a number with a unit (90m, 12h, 7d, 2w) or unlimited, found {self._kind()}")
        return int(match.group(1)) * _UNITS[match.group(2)]

    def date(self) -> datetime.date:
        """A day, ``2027-03-31``."""
        word = self.text("a date like 2027-03-31")
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
                return datetime.date.fromisoformat(word)
        except ValueError:
            pass
        raise self.error(f"expected a date like 2027-03-31, found {self._kind()}")

    def _kind(self) -> str:
        if self.value is None:
            return "nothing"
        if isinstance(self.value, str):
            return f"'{visible(self.value, 100)}'"
        return "a list" if isinstance(self.value, list) else "a mapping"


def _below(path: str, key: str) -> str:
    if not path:
        return key
    return f"{path}, {key}" if path.endswith("'") else f"{path}.{key}"


def read_document(text: str, place: str) -> Field:
    """Parse one YAML document. ``place`` names the file in errors. Raises ``InputError``."""
    import yaml

    if len(text) > SIZE_LIMIT:
        raise InputError(f"{place}: larger than {SIZE_LIMIT >> 10} KiB")
    depth = 0

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: yaml.Node | None, index: t.Any) -> yaml.Node | None:
            nonlocal depth
            if self.check_event(yaml.AliasEvent):
                line = self.peek_event().start_mark.line + 1
                raise InputError(f"{place}, line {line}: aliases (*name) are not read: write the value out")
            if depth >= DEPTH_LIMIT:
                line = self.peek_event().start_mark.line + 1
                raise InputError(f"{place}, line {line}: nested deeper than {DEPTH_LIMIT} levels")
            depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                depth -= 1

    try:
        root = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(
            f"{place}{line}: not valid YAML: {visible(error.problem or str(error), 300)}", hint=_YAML
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"{place}: not valid YAML: {visible(str(error), 300)}", hint=_YAML) from None
    except RecursionError:
        raise InputError(f"{place}: nested too deep") from None
    if root is None:
        return Field(place, "", 1, None)
    return _field(root, place)


def _field(node: t.Any, place: str) -> Field:
    import yaml

    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        _check_tag(node, place, line, "scalar")
        is_empty = node.style is None and node.value in _NOTHING
        return Field(place, "", line, None if is_empty else node.value)
    if isinstance(node, yaml.SequenceNode):
        _check_tag(node, place, line, "seq")
        return Field(place, "", line, [_field(child, place) for child in node.value])
    _check_tag(node, place, line, "map")
    fields: dict[str, Field] = {}
    for key, child in node.value:
        at = f"{place}, line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{at}: a key must be a word")
        if key.value in fields:
            raise InputError(f"{at}: the key '{visible(key.value, 100)}' stands twice in one mapping")
        # A key without a value is reported where the key is, not where the next line begins.
        fields[key.value] = dataclasses.replace(_field(child, place), line=key.start_mark.line + 1)
    return Field(place, "", line, fields)


def _check_tag(node: t.Any, place: str, line: int, kind: str) -> None:
    plain = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge") if kind == "scalar" else (kind,)
    if node.tag not in tuple(f"tag:yaml.org,2002:{name}" for name in plain):
        raise InputError(f"{place}, line {line}: the tag {visible(node.tag, 100)} is not read: write plain YAML")


def hexadecimal(field: Field, lengths: tuple[int, ...], expected: str) -> str:
    """Hexadecimal digits in lower case, without the blanks and colons that people write. ``lengths``: those allowed."""
    digits = re.sub(r"[\s:]", "", field.text(expected)).lower().removeprefix("0x")
    if len(digits) not in lengths or not re.fullmatch(r"[0-9a-f]+", digits):
        raise field.error(f"expected {expected}, found '{visible(digits, 100)}' ({len(digits)} characters)")
    return digits
