# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of an evaluation with OpenSCAP: the values that are read from ARF and XCCDF results.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._images.model import Problem

SCHEMA_VERSION = 1

#: What a rule can come to, in the words of XCCDF (NISTIR 7275r4, table 26).
RULE_RESULTS = (
    "pass",
    "fixed",
    "fail",
    "error",
    "unknown",
    "notchecked",
    "notapplicable",
    "notselected",
    "informational",
)
#: Results of rules that nobody knows the outcome of.
UNCLEAR_RESULTS = ("error", "unknown", "notchecked")
#: Severities of rules from least to worst. ``unknown`` is XCCDF's default and counts as ``high``: a rule whose author
#: gave no severity must not slip through.
RULE_SEVERITIES = ("info", "low", "medium", "high", "unknown")

DEFAULT_SCORING = "urn:xccdf:scoring:default"


@dataclasses.dataclass(frozen=True)
class Definition:
    """An OVAL definition that a rule was checked by.

    ``result``: ``true``, ``false``, ``unknown``, ``error``, ``not evaluated``, ``not applicable``; empty where the file
    does not hold the OVAL results. Which of them is good depends on the definition's class.
    ``tests``: (test's id, its result) where the file tells (not with ``--thin-results``).
    """

    id: str
    result: str = ""
    tests: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class RuleResult:
    """The outcome of one rule, or of one instance of it, that was selected.

    ``result`` is one of RULE_RESULTS but never ``notselected``; ``severity`` is one of RULE_SEVERITIES, as the profile
    has it.
    ``identifiers``: (system, value), as CCE, CVE or RHSA. ``references``: their texts, as ``CCI-000366``.
    ``remediation``: whether the content has a fix. ``title``, ``references`` and ``remediation`` need the benchmark.
    ``overridden``: the result that somebody replaced by an ``override``, else empty.
    ``time``: RFC 3339, in UTC where the file says a zone.
    """

    id: str
    result: str
    severity: str = "unknown"
    title: str = ""
    identifiers: tuple[tuple[str, str], ...] = ()
    references: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    remediation: bool = False
    weight: float = 1.0
    time: str = ""
    instances: tuple[str, ...] = ()
    overridden: str = ""
    definitions: tuple[Definition, ...] = ()

    @property
    def definition(self) -> str:
        """Id of the first definition, or empty: most rules have one."""
        return self.definitions[0].id if self.definitions else ""

    @property
    def definition_result(self) -> str:
        """Result of the first definition, or empty."""
        return self.definitions[0].result if self.definitions else ""


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """The checklist: its id, version and where it was read from, each empty where the file does not tell."""

    id: str = ""
    version: str = ""
    href: str = ""


@dataclasses.dataclass(frozen=True)
class Results:
    """One evaluation (an XCCDF TestResult).

    ``profile``: id, empty for the default one. ``targets``, ``addresses``, ``facts`` (name, value), ``platforms``
    (CPEs) and ``identity`` (who it ran as): what the file says of what was looked at. ``scores``: (system, value,
    maximum). ``started``, ``ended``: RFC 3339, in UTC where the file says a zone. ``scanner``: a CPE.
    ``content``: SHA-256 of the data stream that was evaluated, as ``sha256:…``; empty where it was not we who did.
    ``not_selected``: number of rules that the profile did not select; they are counted only.
    ``problems``: why these results may not be whole, or not be what was asked for. With any of them a rule that
    passed proves nothing.
    """

    id: str
    rules: tuple[RuleResult, ...]
    profile: str = ""
    benchmark: Benchmark = dataclasses.field(default_factory=Benchmark)
    targets: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    identity: str = ""
    platforms: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    scores: tuple[tuple[str, float, float], ...] = ()
    started: str = ""
    ended: str = ""
    scanner: str = ""
    content: str = ""
    not_selected: int = 0
    problems: tuple[Problem, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def target(self) -> str:
        """The first target, or empty."""
        return self.targets[0] if self.targets else ""

    @property
    def counts(self) -> dict[str, int]:
        """Number of rules for each of RULE_RESULTS."""
        counter = collections.Counter(rule.result for rule in self.rules)
        return {**{result: counter[result] for result in RULE_RESULTS}, "notselected": self.not_selected}

    @property
    def score(self) -> float | None:
        """From 0 to 100 by XCCDF's default scoring, else by the first there is; None where there is none."""
        usable = [score for score in self.scores if score[2] > 0]
        chosen = next((score for score in usable if score[0] == DEFAULT_SCORING), usable[0] if usable else None)
        return round(100.0 * chosen[1] / chosen[2], 6) if chosen else None

    def with_problems(self, problems: t.Iterable[Problem]) -> Results:
        """The same with more problems, each once."""
        return dataclasses.replace(self, problems=tuple(dict.fromkeys((*self.problems, *problems))))
