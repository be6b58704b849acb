# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether oscap saw the image: an image that it does not see looks like one without faults.

Every guard gives problems with a code of ``PROBLEMS``; with any of them a rule that passed proves nothing, and the
verdict is inconclusive. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._images.model import Problem
from .._packages.model import Inventory
from .content.canary import CANARY_RULE
from .content.trim import Trimmed
from .model import Results

#: More than this share of rules that do not apply says that something else is wrong: 0.7 is usual for a container.
NOT_APPLICABLE = 0.95

#: code -> what it means for whoever reads a report. Codes of the inventory and of unpacking come beside these.
PROBLEMS: t.Mapping[str, str] = {
    "compliance-no-rpm": "The image has no RPM packages, which all content for OpenSCAP here builds upon.",
    "compliance-packages-unseen": "The package database could not be read whole, so rules may miss packages.",
    "content-missing": "There is no content for the image's distribution where it was looked for.",
    "content-other-product": "The content is for another product or major version than the image.",
    "compliance-canary": "oscap did not see the packages and files that are there.",
    "compliance-rules-missing": "oscap gave no result for rules that the profile selects.",
    "compliance-other-results": "The results are for another profile or benchmark than was asked for.",
    "compliance-not-applicable": "Hardly any rule applied, so nothing was shown.",
}


def check_inventory(inventory: Inventory) -> tuple[Problem, ...]:
    """Why there is no use in running oscap; empty when there is."""
    if inventory.kind != "rpm":
        return (Problem("compliance-no-rpm", f"the image is of the kind {inventory.kind}, without RPM packages"),)
    unseen = [entry for entry in inventory.problems if entry.code.startswith("rpmdb-") and entry.code != "rpmdb-stray"]
    if unseen or inventory.database is None or not inventory.packages:
        why = unseen[0].message if unseen else "it holds no package"
        return (Problem("compliance-packages-unseen", f"the package database could not be read whole: {why}"),)
    return ()


def check_results(results: Results, trimmed: Trimmed, *, share: float = NOT_APPLICABLE) -> Results:
    """The results without the canary and without rules that were not asked for, and with what is wrong."""
    problems = list(_wrong(results, trimmed))
    rule_ids = frozenset(trimmed.rules)
    rules = tuple(rule for rule in results.rules if rule.id in rule_ids)
    counts = collections.Counter(rule.result for rule in rules)
    missing = sorted(rule_ids - {rule.id for rule in rules})
    if missing:
        text = f"{len(missing)} of {len(rule_ids)} rules have no result, {missing[0]} among them"
        problems.append(Problem("compliance-rules-missing", text))
    silent = counts["notapplicable"]
    if silent > share * len(rules):
        text = f"{silent} of {len(rules)} rules do not apply to this image, by what oscap sees"
        problems.append(Problem("compliance-not-applicable", text))
    return dataclasses.replace(results, rules=rules).with_problems(problems)


def _wrong(results: Results, trimmed: Trimmed) -> t.Iterator[Problem]:
    canary = [rule.result for rule in results.rules if rule.id == CANARY_RULE]
    if canary != ["pass"]:
        outcome = f"it came to {', '.join(canary)}" if canary else "it has no result"
        text = f"oscap does not see the packages and files that are in the image: the rule that counts them, {outcome}"
        yield Problem("compliance-canary", text)
    if results.profile != trimmed.profile or results.benchmark.id not in ("", trimmed.benchmark):
        text = f"results of the profile {results.profile or 'none'} of {results.benchmark.id or 'no benchmark'}"
        yield Problem("compliance-other-results", text)
