# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boundaries of judging: the last moment that is fresh enough, the first that is not, and nothing at all."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS, worst
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Coverage
from ansible_collections.imagescan.openshift.tests.support import verdicts as make

BASE = "- name: base\n  vulnerabilities: {max_severity: moderate}\n"
AGES = BASE + "  max_age: {scan: 30d, newest: 7d}\n"


def reasons(policy: str, **changes: t.Any) -> dict[str, str]:
    """Code -> sentence of what stands against the usual image with changes, at noon of 24 November 2026."""
    verdict = judge(make.subject(**changes), load_policies(policy, "p.yml"), [], now=make.NOW)
    return {reason.code: reason.message for reason in verdict.reasons}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scanned_at": "2026-10-25T12:00:00Z"}, ""),
        ({"scanned_at": "2026-10-25T11:59:59Z"}, "scan-stale"),
        ({"scanned_at": "2026-11-24T12:10:00Z"}, ""),
        ({"scanned_at": "2026-11-24T12:10:01Z"}, "scan-time"),
        (make.feed(checked="2026-11-17T12:00:00Z"), ""),
        (make.feed(checked="2026-11-17T11:59:59Z"), "feed-stale"),
        (make.feed(checked="2026-11-24T12:10:00Z"), ""),
        (make.feed(checked="2026-11-24T12:10:01Z"), "feed-time"),
        (make.feed(newest="2026-11-17T12:00:00Z"), ""),
        (make.feed(newest="2026-11-17T11:59:59Z"), "feed-stale"),
        (make.feed(newest=""), "feed-stale"),
    ],
)
def test_the_last_moment_that_is_allowed_passes_and_the_next_does_not(changes: dict[str, t.Any], code: str) -> None:
    assert list(reasons(AGES, **changes)) == ([code] if code else [])


@pytest.mark.parametrize(("number", "ends"), [(5, "p4"), (6, "p4 and 1 more"), (7, "p4 and 2 more")])
def test_five_names_are_shown_and_the_others_are_counted(number: int, ends: str) -> None:
    findings = tuple(make.finding(package=f"p{index}") for index in range(number))
    text = reasons(BASE, **make.match(findings=findings))["vulnerability"]
    assert f"p0, p1, p2, p3, {ends} is important" in text


@pytest.mark.parametrize(("number", "more"), [(5, ""), (6, " and 1 more")])
def test_five_packages_are_shown_and_the_others_are_counted(number: int, more: str) -> None:
    packages = tuple(Coverage(f"p{index}", f"p{index}", "Me", "k") for index in range(number))
    text = reasons(BASE, **make.match(not_covered=packages))["packages-not-covered"]
    assert f"p4 (Me, key k){more}; the policy" in text


def test_nothing_that_was_judged_is_inconclusive() -> None:
    assert worst([]) == "inconclusive"
    for verdict in VERDICTS:
        assert worst([verdict]) == worst(["passed", verdict]) == worst([verdict, "passed"]) == verdict
    assert worst(["inconclusive", "error"]) == "error"
    assert worst(["failed", "error"]) == "failed"
