# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of an ARF or XCCDF file, as things are written there; they are filled while the file is read.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import math
import typing as t

from .._core.errors import CorruptData
from .model import Benchmark, Definition
from .streaming import Attributes, pairs


class WrittenRule:
    """Rule of a benchmark."""

    __slots__ = ("id", "identifiers", "references", "remediation", "severity", "title")

    def __init__(self, attributes: t.Mapping[str, str]) -> None:
        self.id = attributes.get("id", "")
        self.severity = attributes.get("severity", "")
        self.title: str | None = None
        self.identifiers: list[tuple[str, str]] = []
        self.references: list[str] = []
        self.remediation = False


class WrittenOutcome:
    """A rule-result."""

    __slots__ = ("attributes", "checks", "fix", "identifiers", "instances", "messages", "overridden", "result")

    def __init__(self, attributes: t.Mapping[str, str]) -> None:
        self.attributes = attributes
        self.result: str | None = None
        self.identifiers: list[tuple[str, str]] = []
        self.messages: list[str] = []
        self.instances: list[str] = []
        self.checks: list[tuple[str, str]] = []
        self.overridden: list[str] = []
        self.fix = False


class WrittenTest:
    """A TestResult."""

    def __init__(self, attributes: t.Mapping[str, str], benchmark: Benchmark) -> None:
        self.attributes = attributes
        self.benchmark = benchmark
        self.profile = ""
        self.identity = ""
        self.targets: list[str] = []
        self.addresses: list[str] = []
        self.platforms: list[str] = []
        self.facts: list[tuple[str, str]] = []
        self.scores: list[tuple[str, float, float]] = []
        self.outcomes: list[WrittenOutcome] = []
        self.not_selected = 0


class WrittenDefinition:
    """The result of an OVAL definition, with the attributes of what it is made of: few of them are ever asked for."""

    __slots__ = ("attributes", "criteria")

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self.criteria: list[Attributes] = []

    def definition(self) -> Definition:
        own = pairs(self.attributes)
        criteria = map(pairs, self.criteria)
        tests = [(part.get("test_ref") or part.get("definition_ref", ""), part.get("result", "")) for part in criteria]
        return Definition(own.get("definition_id", ""), own.get("result", ""), tuple(dict.fromkeys(tests)))


class Contents:
    """All that a pass over a file keeps. ``where`` names the file in messages."""

    def __init__(self, where: str) -> None:
        self.where = where
        #: Number of TestResults, and the last of them.
        self.tests = 0
        self.last: WrittenTest | None = None
        #: Report of an ARF (empty where there is none) -> definition -> its results.
        self.definitions: dict[str, dict[str, list[WrittenDefinition]]] = {}
        #: Benchmark -> rule -> what it says of it; benchmark -> version.
        self.rules: dict[str, dict[str, WrittenRule]] = {}
        self.versions: dict[str, str] = {}

    def damaged(self, damage: str) -> CorruptData:
        """An error to raise for a file that is damaged."""
        return CorruptData(f"{self.where} {damage}", code="results-damaged")

    def number(self, text: str, subject: str) -> float:
        """Read ``subject`` from a text. Raises CorruptData unless it is a finite number."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.damaged(f"has the {subject} {text[:40]!a}")
        return value


def shown(text: str) -> str:
    """A text of the file for a message: in ASCII, cut at 120 characters."""
    return ascii(text[:120])[1:-1]
