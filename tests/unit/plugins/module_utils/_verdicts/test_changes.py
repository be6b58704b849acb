# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a verdict is another one than before, between two judgements of one image."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.changes import SHOWN, difference
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import image_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import Reason
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.tests.support import verdicts as make

POLICY = "- name: base\n  vulnerabilities: {max_severity: moderate}\n"
LENIENT = "- name: lenient\n  vulnerabilities: {max_severity: critical}\n"
EXCEPTION = "- {id: CVE-2026-1001, reason: tested, owner: me, expires: 2027-01-01}\n"
CLEAN: dict[str, t.Any] = {}
BAD = make.match(findings=(make.finding(),))
BROKEN = {"scan_problem": Reason("registry-error", "the registry answered 500")}


def document(facts: t.Mapping[str, t.Any], policy: str = POLICY, exceptions: str = "") -> dict[str, t.Any]:
    subject = make.subject(**facts)
    entries = load_exceptions(exceptions, "e.yml")
    return image_document(subject, judge(subject, load_policies(policy, "p.yml"), entries, now=make.NOW))


@pytest.mark.parametrize(
    ("before", "after", "verdicts", "expected"),
    [
        (document(CLEAN), document(BAD), ("passed", "failed"), [("vulnerability", "new")]),
        (document(BAD), document(CLEAN), ("failed", "passed"), [("vulnerability", "gone")]),
        (document(CLEAN), document(BROKEN), ("passed", "error"), [("registry-error", "new")]),
        (document(BROKEN), document(BAD), ("error", "failed"), [("vulnerability", "new"), ("registry-error", "gone")]),
        (document(BAD), document(BROKEN), ("failed", "error"), [("vulnerability", "gone"), ("registry-error", "new")]),
        (
            document(BAD),
            document(BAD, exceptions=EXCEPTION),
            ("failed", "passed"),
            [("vulnerability", "gone"), ("exception-applied", "new")],
        ),
        (
            document(BAD),
            document(BAD, LENIENT),
            ("failed", "passed"),
            [("vulnerability", "gone"), ("policies-changed", "new")],
        ),
        (document(CLEAN), document(CLEAN), ("passed", "passed"), []),
    ],
)
def test_what_decides_comes_first(
    before: dict[str, t.Any], after: dict[str, t.Any], verdicts: tuple[str, str], expected: list[tuple[str, str]]
) -> None:
    assert (before["verdict"], after["verdict"]) == verdicts
    found = difference(before, after)
    assert [(one["code"], one["state"]) for one in found] == expected


def test_the_finding_is_named() -> None:
    (found,) = difference(document(CLEAN), document(BAD))
    assert "CVE-2026-1001" in found["message"]
    assert "openssl-libs" in found["message"]


def test_a_policy_that_was_edited_is_told_from_another_one() -> None:
    edited = POLICY.replace("moderate", "critical")
    texts = [difference(document(BAD), document(BAD, policy))[-1]["message"] for policy in (edited, LENIENT)]
    assert texts == [
        "judged by another version of the policies base",
        "judged by other policies: lenient; before by base",
    ]


def test_many_reasons_are_bounded_and_counted() -> None:
    findings = tuple(make.finding(id=f"CVE-2026-{number}") for number in range(2000, 2020))
    found = difference(document(CLEAN), document(make.match(findings=findings)))
    assert len(found) == SHOWN
    assert found[-1]["message"] == f"and {20 - SHOWN + 1} more reasons that are new or gone"
