# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules in the store, judged."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.codec import results_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import Results, RuleResult
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import desired
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.facts import facts_of
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.transition import KEEP
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.flagging import read_snapshot
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judged, Judging
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import Asked
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._store.tables import tables
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.tests.support.verdicts import INVENTORY

DIGEST = "sha256:" + "a" * 64
NOW = datetime.datetime(2026, 1, 3, tzinfo=datetime.timezone.utc)
DAY1, DAY2, DAY3 = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
ASKED = Asked("cis", "c" * 64, "d" * 64)
STRICT = Asked("stig", "c" * 64)
RULE = "xccdf_org.ssgproject.content_rule_no_empty_passwords"
POLICY = "- name: rules\n  compliance: {max_failed_severity: medium}\n"
PASSED = Results("t", (RuleResult(RULE, "pass", "high"),), profile="xccdf_org.ssgproject.content_profile_cis")
FAILED = dataclasses.replace(PASSED, rules=(RuleResult(RULE, "fail", "high"),))
KILLED = ScanError("oscap was ended by signal 9", code="oscap-killed")


@pytest.fixture
def store(tmp_path: Path) -> t.Iterator[Store]:
    """A store with one image that has an inventory."""
    with open_store(str(tmp_path / "store.db")) as store:
        store.inventories.record(DIGEST, "r.example/a:1", inventory_to_dict(INVENTORY), platform="", scanned_at=DAY1)
        yield store


def put(store: Store, results: Results, at: str = DAY1, asked: Asked = ASKED) -> None:
    """Keep results."""
    store.evaluations.record(DIGEST, asked, results_to_dict(results), arf=None, now=at)


def judge(store: Store, at: str = DAY3, *, policy: str = POLICY, exceptions: str = "") -> Judged:
    """The verdict on the one image."""
    now = datetime.datetime.fromisoformat(at.replace("Z", "+00:00"))
    found = Judging(store, load_policies(policy, "p.yml"), load_exceptions(exceptions, "e.yml"), None, now=now)
    (judged,) = found.run(None)
    return judged


def codes(judged: Judged) -> list[str]:
    """Codes of the reasons."""
    return [reason["code"] for reason in judged.document["reasons"]]


def shown(store: Store) -> tuple[str, list[str]]:
    """Verdict and codes as a report has them."""
    (document,) = in_force(store, None).documents
    return document["verdict"], [reason["code"] for reason in document["reasons"]]


def test_rules_decide_the_verdict_and_are_in_the_report(store: Store) -> None:
    assert codes(judge(store)) == ["compliance-missing"]
    put(store, PASSED)
    assert judge(store).verdict == "passed"
    put(store, FAILED)
    judged = judge(store)
    assert (judged.verdict, codes(judged)) == ("failed", ["compliance-rule-failed"])
    compliance = judged.document["compliance"]
    assert (compliance["profile"], compliance["tailoring"], compliance["partial"]) == (
        PASSED.profile,
        ASKED.tailoring,
        False,
    )
    assert [(rule["id"], rule["result"]) for rule in compliance["rules"]] == [(RULE, "fail")]


def test_an_accepted_rule_leads_to_a_passed_verdict(store: Store) -> None:
    put(store, FAILED)
    accepted = "- {rule: no_empty_passwords, reason: no logins, owner: me, expires: 2026-01-03}\n"
    judged = judge(store, exceptions=accepted)
    assert (judged.verdict, codes(judged)) == ("passed", ["exception-applied"])
    assert judged.document["compliance"]["rules"][0]["exception"] == "no_empty_passwords"
    assert judge(store, "2026-01-04T00:00:00Z", exceptions=accepted).verdict == "failed"


def test_what_a_guard_said_is_the_reason(store: Store) -> None:
    put(store, PASSED.with_problems([Problem("compliance-canary", "oscap saw no package")]))
    judged = judge(store)
    assert (judged.verdict, codes(judged)) == ("inconclusive", ["compliance-canary"])


def test_only_some_of_the_rules_is_said(store: Store) -> None:
    put(store, PASSED, asked=Asked("cis", "c" * 64, rules=("no_empty_passwords",)))
    assert codes(judge(store)) == ["compliance-partial"]


def test_a_failed_attempt_supersedes_what_passed_and_not_what_failed(store: Store) -> None:
    put(store, PASSED)
    assert judge(store, DAY1).verdict == "passed"
    store.evaluations.record_error(DIGEST, ASKED.question, KILLED, now=DAY2)
    assert shown(store) == ("inconclusive", ["not_judged_yet"])
    judged = judge(store)
    assert (judged.verdict, codes(judged)) == ("error", ["oscap-killed"])
    assert [one["code"] for one in judged.document["compliance"]["problems"]] == ["oscap-killed"]
    put(store, FAILED)
    store.evaluations.record_error(DIGEST, ASKED.question, KILLED, now=DAY2)
    assert codes(judge(store)) == ["compliance-rule-failed", "oscap-killed"]
    put(store, PASSED, DAY3)
    assert judge(store, DAY3).verdict == "passed"


def test_other_results_make_what_passed_wait_for_the_next_judging(store: Store) -> None:
    put(store, PASSED)
    put(store, FAILED, asked=STRICT)
    store.evaluations.put_in_force(DIGEST, ASKED.question, now=DAY1)
    assert judge(store, DAY1).verdict == "passed"
    store.evaluations.put_in_force(DIGEST, STRICT.question, now=DAY2)
    assert shown(store) == ("inconclusive", ["not_judged_yet"])
    assert judge(store).verdict == "failed"


def test_old_results_are_stale_where_the_policy_asks_for_an_age(store: Store) -> None:
    put(store, PASSED)
    policy = POLICY + "  max_age: {scan: 30d}\n"
    assert judge(store, policy=policy).verdict == "passed"
    late = judge(store, "2026-03-01T00:00:00Z", policy=policy)
    assert (late.verdict, codes(late)) == ("inconclusive", ["scan-stale", "scan-stale"])


@pytest.mark.parametrize("damage", ["rule set", "body", "form"])
def test_damaged_results_are_an_error_of_their_image(store: Store, damage: str) -> None:
    import sqlalchemy as sa

    put(store, PASSED)
    if damage == "form":
        store.evaluations.record(
            DIGEST, ASKED, {**results_to_dict(PASSED), "schema_version": 99, "more": 1}, arf=None, now=DAY1
        )
    elif damage == "body":
        store.database.write(lambda connection: connection.execute(sa.update(tables().evaluations).values(body=b"x")))
    else:
        store.database.write(lambda connection: connection.execute(sa.delete(tables().rule_sets)))
    judged = judge(store)
    assert judged.verdict == "error"
    assert judge(store, policy="- name: one\n  unexamined: fail\n").verdict == "passed"


def test_the_annotation_about_rules_tells_what_the_store_has(store: Store) -> None:
    for results, exceptions, compliant, critical in (
        (PASSED, "", True, 0),
        (FAILED, "", False, 1),
        (PASSED.with_problems([Problem("compliance-canary", "oscap saw no package")]), "", None, 0),
        (FAILED, "- {rule: no_empty_passwords, reason: no logins, expires: 2026-01-03}\n", True, 0),
    ):
        put(store, results)
        facts = facts_of(
            dict(judge(store, exceptions=exceptions).document),
            scanned_at=DAY1,
            report_url="https://reports.example/{digest}",
            scanner_version="1.0.0",
        )
        change = desired(facts, KEEP, {}, {}, provider="imagescan", now=NOW)
        said = json.loads(change.annotations["quality.images.openshift.io/policy.imagescan"] or "")
        assert said["compliant"] is compliant
        assert said["summary"][0] == {**said["summary"][0], "label": "critical", "data": str(critical)}


def test_a_pass_ends_when_the_rules_are_too_old(store: Store) -> None:
    policy = POLICY + "  max_age: {scan: 10d}\n"
    put(store, PASSED)
    store.inventories.record(DIGEST, "r.example/a:1", inventory_to_dict(INVENTORY), platform="", scanned_at=DAY2)
    assert judge(store, DAY3, policy=policy).verdict == "passed"
    now = datetime.datetime.fromisoformat(DAY3.replace("Z", "+00:00"))
    (subject,) = read_snapshot(store, None, load_policies(policy, "p.yml"), now=now).subjects.values()
    assert (subject.until, subject.lasting) == ("2026-01-11T00:00:00Z", "2026-01-11T00:00:00Z")
