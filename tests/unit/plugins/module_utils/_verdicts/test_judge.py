# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging: every code of a reason, each with a twin that differs in one thing and passes; precedence; repeatability."""

from __future__ import annotations

import dataclasses
import datetime
import random
import re
import types
import typing as t

import jsonschema
import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.guards import PROBLEMS
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import (
    DEFAULT_SCORING,
    Benchmark,
    Results,
    RuleResult,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.kinds import PackageKind
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Package,
    PackageDatabase,
    RepositoryId,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.table import PACKAGE_KINDS
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.codes import CODES
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import (
    compliance_facts,
    image_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import (
    REASON_LIMIT,
    JudgedChild,
    judge,
    judge_index,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import (
    VERDICTS,
    ImageVerdict,
    Reason,
    worst,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.schema import IMAGE_SCHEMA
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import (
    SEVERITIES,
    STATUSES,
    AppliedCpe,
    Coverage,
    UnreadDocument,
)
from ansible_collections.imagescan.openshift.tests.support import verdicts as make
from hypothesis import given
from hypothesis import strategies as st

SIGNED = dataclasses.replace(make.FEED, signature_key="77e79abe93673533ed09ebe2dce3823597f5eac4")
BASE = "- name: base\n  vulnerabilities: {max_severity: moderate, fixable: true}\n"
SIZED = "- {name: base, vulnerabilities: {max_severity: moderate, min_documents: %s}}\n"
REBUILDS = {"format": "osv", "distributions": ("almalinux", "rocky")}
HTOP = Coverage("htop-0:3.3.0-1.el9.x86_64", "htop", "Fedora Project", "8a3872bf3228467c")
RESULTS = make.compliance()


def rules(**changes: t.Any) -> dict[str, t.Any]:
    return make.compliance(changes)


OTHER_UNREAD = UnreadDocument("2026/cve-2026-2.json", "too large")
ACCEPT_UNREAD = f"  accept_unread: [{{document: 2026/cve-2026-1.json, sha256: {'a' * 64}, reason: not ours}}]\n"


class Case(t.NamedTuple):
    code: str
    trap: dict[str, t.Any]  # what is wrong with the subject
    policy: str = BASE
    twin: t.Mapping[str, t.Any] = types.MappingProxyType({})  # what makes it right
    exceptions: str = ""
    twin_policy: str = ""
    twin_exceptions: str = ""
    verdict: str = ""


CASES = [
    Case(
        "vulnerability",
        make.match(findings=(make.finding(),)),
        twin=make.match(findings=(make.finding(severity="low"),)),
    ),
    Case(
        "condition-broken",
        make.inventory(packages=make.PACKAGES[:1], database=PackageDatabase("p", "sqlite", 1)),
        BASE + "  conditions: [{name: two, that: 'packages == `2`'}]\n",
    ),
    Case("unexamined-components", make.inventory(not_examined={"jar": 1}), BASE + "  unexamined: {jar: fail}\n"),
    Case("packages-forbidden", make.match(not_covered=(HTOP,)), BASE + "  not_covered: fail\n"),
    Case(
        "compliance-rule-failed",
        {"compliance": rules(result="fail", severity="high")},
        BASE + "  compliance: {max_failed_severity: medium}\n",
        {"compliance": rules(result="fail", severity="medium")},
    ),
    Case(
        "compliance-score",
        {"compliance": {**RESULTS, "score": 89.9}},
        BASE + "  compliance: {score: 90}\n",
        {"compliance": {**RESULTS, "score": 90.0}},
    ),
    Case("scan-error", {"scan_problem": Reason("scan-error", "pull refused")}),
    Case("name-unconfirmed", {"inventory": None, "match": None, "scan_problem": Reason("name-unconfirmed", "who?")}),
    Case("not_scanned_yet", {"inventory": None, "match": None}),
    Case(
        "no-policy",
        {"reference": "other.example.com/team/app:1.0", "references": ()},
        BASE + "  images: {registries: [registry.example.com]}\n",
    ),
    Case(
        "policy-error",
        make.match(findings=()),
        BASE + """  conditions: [{name: first, that: "starts_with(vulnerabilities[0].id, 'CVE')"}]\n""",
        make.match(findings=(make.finding(severity="low"),)),
    ),
    Case(
        "cvss-missing",
        make.match(findings=(make.finding(severity="low", cvss=""),)),
        BASE + """  conditions: [{name: none, that: "!(vulnerabilities[?cvss_score >= `9`])"}]\n""",
        make.match(findings=(make.finding(severity="low", cvss="8.9 CVSS:3.1/AV:N/AC:L"),)),
    ),
    Case("inventory-incomplete", make.inventory(problems=(Problem("rpmdb-corrupt", "page 7 is damaged"),))),
    Case(
        "no-package-database",
        make.inventory(kind="unknown", packages=(), database=None),
    ),
    Case("no-packages", make.inventory(packages=(), database=PackageDatabase("p", "sqlite", 0))),
    Case("package-count", make.inventory(database=PackageDatabase("p", "sqlite", 3))),
    Case("distribution-not-covered", make.match(supported=False)),
    Case("no-product", make.match(cpes=())),
    Case("nothing-applicable", make.match(counts={"packages_covered": 2, "statements_applicable": 0})),
    Case("repository-unmapped", make.match(unmapped=("rhel-9-for-x86_64-baseos-rpms",))),
    Case(
        "packages-not-covered",
        make.match(not_covered=(HTOP,)),
        twin=make.match(not_covered=(HTOP,)),
        twin_policy=BASE + "  accept_vendors: [{key_id: 8a3872bf3228467c}]\n",
    ),
    Case("feed-missing", {"feed": None, "match": None}),
    Case("feed-stale", make.feed(checked="2026-11-17T11:59:59Z"), twin=make.feed(checked="2026-11-17T12:00:00Z")),
    Case("feed-time", make.feed(checked="2026-11-24T12:10:01Z"), twin=make.feed(checked="2026-11-24T12:10:00Z")),
    Case("feed-incomplete", make.match(unread=(make.UNREAD,)), twin=make.feed(rejected=1)),
    Case(  # One of them was accepted, the other was not.
        "feed-incomplete",
        make.match(unread=(make.UNREAD, OTHER_UNREAD)),
        BASE + ACCEPT_UNREAD,
        twin=make.match(unread=(make.UNREAD,)),
    ),
    Case(  # The document changed since somebody read it.
        "feed-incomplete",
        make.match(unread=(dataclasses.replace(make.UNREAD, sha256="b" * 64),)),
        BASE + ACCEPT_UNREAD,
        twin=make.match(unread=(make.UNREAD,)),
    ),
    Case("feed-unread-accepted", make.match(unread=(make.UNREAD,)), BASE + ACCEPT_UNREAD, verdict="passed"),
    Case("feed-partial", make.match(problems=(Problem("feed-partial", "built for 3 names alone"),))),
    Case("product-unknown", make.match(problems=(Problem("product-unknown", "2 packages are of another product"),))),
    Case("source-unknown", make.match(problems=(Problem("source-unknown", "2 packages name no source"),))),
    Case("feed-architecture", make.match(problems=(Problem("feed-architecture", "2 packages are named for others"),))),
    Case("feed-repositories", make.match(problems=(Problem("feed-repositories", "2 packages are in none"),))),
    Case("feed-release", make.match(problems=(Problem("feed-release", "2 packages are fixed for others"),))),
    Case(
        "feed-coverage",
        make.feed(coverage="fixes"),
        BASE.replace("fixable: true", "require_full_coverage: true"),
        twin=make.feed(coverage="full"),
    ),
    Case("feed-too-small", make.feed(documents=39_999), twin=make.feed(documents=39_999), twin_policy=SIZED % 39_999),
    Case("feed-too-small", make.feed(documents=39_999), twin=make.feed(documents=40_000)),
    # Nine tenths of what the vendor's own list names.
    # What could not be read was there: it has a reason of its own.
    Case(
        "feed-too-small",
        make.feed(documents=39_998, rejected=1),
        twin=make.feed(documents=39_999, rejected=1),
    ),
    Case("feed-too-small", make.feed(listed=66_667), twin=make.feed(listed=66_666)),
    Case("feed-too-small", {}, SIZED % 60_001, twin_policy=SIZED % "{csaf-vex: 60000, osv: 70000}"),
    Case("feed-too-small", make.feed(**REBUILDS, documents=4_999), twin=make.feed(**REBUILDS, documents=5_000)),
    Case("feed-fixes-only", make.feed(coverage="fixes"), verdict="passed"),
    Case("release-mismatch", make.match(problems=(Problem("release-mismatch", "4 packages are for another release"),))),
    Case(
        "feed-unsigned", {}, BASE + "  require_signed_feed: true\n", twin_policy=BASE + "  require_signed_feed: false\n"
    ),
    Case(
        "feed-unsigned",
        {"feed": SIGNED, **make.match(feed=SIGNED, unverified=1)},
        BASE + "  require_signed_feed: true\n",
        twin={"feed": SIGNED, **make.match(feed=SIGNED, unverified=0)},
    ),
    Case("match-outdated", {"feed": dataclasses.replace(make.FEED, serial="serial-2")}),
    Case(
        "under-investigation",
        make.match(findings=(make.finding(status="under_investigation", fixed_in="", advisory=""),)),
        "- name: all\n  vulnerabilities: {max_severity: moderate}\n",
    ),
    Case(
        "scan-stale",
        {"scanned_at": "2026-11-20T00:00:00Z"},
        BASE + "  max_age: {scan: 4d}\n",
        {"scanned_at": "2026-11-21T00:00:00Z"},
    ),
    Case("scan-time", {"scanned_at": ""}, BASE + "  max_age: {scan: 30d}\n"),
    Case(
        "components-not-examined",
        make.inventory(not_examined={"npm": 1}),
        BASE + "  unexamined: inconclusive\n",
    ),
    Case(
        "compliance-profile",
        {"compliance": make.compliance(profile="xccdf_org.ssgproject.content_profile_standard")},
        BASE + "  compliance: {profile: cis}\n",
        {"compliance": make.compliance(profile="xccdf_org.ssgproject.content_profile_cis")},
    ),
    Case(
        "compliance-partial",
        {"compliance": make.compliance(partial=True)},
        BASE + "  compliance: {}\n",
        {"compliance": RESULTS},
        verdict="passed",
    ),
    Case("compliance-missing", {}, BASE + "  compliance: {score: 90}\n", {"compliance": RESULTS}),
    Case(
        "compliance-incomplete",
        {"compliance": rules(result="error")},
        BASE + "  compliance: {max_failed_severity: none}\n",
        {"compliance": RESULTS},
    ),
    Case(
        "exception-applied",
        make.match(findings=(make.finding(),)),
        twin=make.match(findings=()),
        exceptions="- {id: CVE-2026-1001, reason: tested, expires: 2026-11-24}\n",
        verdict="passed",
    ),
    Case(
        "exception-expired",
        make.match(findings=(make.finding(),)),
        twin=make.match(findings=(make.finding(),)),
        exceptions="- {id: CVE-2026-1001, reason: tested, expires: 2026-11-23}\n",
        twin_exceptions="- {id: CVE-2026-1001, reason: tested, expires: 2026-11-24}\n",
        verdict="failed",
    ),
    Case(
        "exception-ended",
        make.match(findings=(make.finding(),)),
        BASE.replace(", fixable: true", ""),
        twin=make.match(findings=(make.finding(status="affected", fixed_in=""),)),
        exceptions="- {id: CVE-2026-1001, reason: tested, when: fixed}\n",
        twin_exceptions="- {id: CVE-2026-1001, reason: tested, when: fixed}\n",
        verdict="failed",
    ),
    Case(
        "vendor-guessed",
        make.match(not_covered=(HTOP,)),
        BASE + "  accept_vendors: [{vendor: fedora project}]\n",
        verdict="passed",
    ),
    Case(
        "kind-accepted",
        make.inventory(kind="static", packages=(), database=None),
        BASE + "  accept: [static]\n",
        verdict="passed",
    ),
    Case("repositories-assumed", make.match(cpes=(AppliedCpe(make.CPE, "assumed"),)), verdict="passed"),
]
INDEX_CODES = {"platform-missing", "index-empty"}
#: Given where VEX is used; test_applying.py has it.
VEX_CODES = {"vex-applied"}


def judged(changes: t.Mapping[str, t.Any], policy: str = BASE, exceptions: str = "") -> ImageVerdict:
    return judge(
        make.subject(**changes),
        load_policies(policy, "policies.yml"),
        load_exceptions(exceptions, "exceptions.yml"),
        now=make.NOW,
    )


def codes(verdict: ImageVerdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


@pytest.mark.parametrize("case", CASES, ids=[case.code for case in CASES])
def test_each_code_is_given_and_its_twin_passes(case: Case) -> None:
    verdict = judged(case.trap, case.policy, case.exceptions)
    twin = judged(case.twin, case.twin_policy or case.policy, case.twin_exceptions)
    assert case.code in codes(verdict)
    assert verdict.verdict == (case.verdict or CODES[case.code].effect)
    assert case.code not in codes(twin)
    assert twin.verdict == "passed"


def test_the_table_of_codes_is_what_the_judge_gives() -> None:
    assert {case.code for case in CASES} | INDEX_CODES | VEX_CODES == set(CODES)
    assert {code.effect for code in CODES.values()} <= {*VERDICTS, "note"}


def test_what_passes_has_no_reason() -> None:
    verdict = judged({}, DEFAULT_POLICY_TEXT)
    assert (verdict.verdict, verdict.reasons) == ("passed", ())
    assert [(policy.name, policy.verdict) for policy in verdict.policies] == [("default", "passed")]


def test_a_finding_says_condition_finding_and_fix() -> None:
    (reason,) = judged(make.match(findings=(make.finding(),))).reasons
    assert reason.message == (
        "CVE-2026-1001 in openssl-libs-1:3.0.7-27.el9.x86_64 is important; fixed in 1:3.0.7-28.el9 by RHSA-2026:1001; "
        "the policy 'base' allows at most moderate"
    )


def test_packages_with_one_hole_share_a_reason() -> None:
    found = tuple(make.finding(package=f"perl-{number}-0:1-1.el9.noarch") for number in range(7))
    (reason,) = judged(make.match(findings=found)).reasons
    assert "perl-4-0:1-1.el9.noarch and 2 more is important" in reason.message


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("allowed", SEVERITIES)
def test_what_is_worse_than_allowed_breaks_the_policy(severity: str, allowed: str) -> None:
    policy = f"- name: one\n  vulnerabilities: {{max_severity: {allowed}}}\n"
    verdict = judged(make.match(findings=(make.finding(severity=severity),)), policy)
    worse = SEVERITIES.index(severity) > SEVERITIES.index(allowed)
    assert verdict.verdict == ("failed" if worse else "passed")


@pytest.mark.parametrize("status", STATUSES)
def test_fixable_counts_only_what_an_update_repairs(status: str) -> None:
    changes = make.match(findings=(make.finding(status=status),))
    every = judged(changes, "- name: one\n  vulnerabilities: {max_severity: low}\n").verdict
    assert every == ("inconclusive" if status == "under_investigation" else "failed")
    assert judged(changes).verdict == ("failed" if status == "fix_available" else "passed")


@pytest.mark.parametrize("fixed_in", ["", "fixed only in rhel_eus:9.2"])
def test_a_finding_without_fix_says_so(fixed_in: str) -> None:
    found = make.finding(status="will_not_fix", fixed_in=fixed_in, advisory="")
    (reason,) = judged(make.match(findings=(found,)), "- name: one\n  vulnerabilities: {max_severity: low}\n").reasons
    assert f"{fixed_in or 'no fix'} (will not fix)" in reason.message


# Precedence.


def test_a_certain_finding_beats_missing_data() -> None:
    changes = {
        **make.match(findings=(make.finding(),)),
        **make.inventory(problems=(Problem("rpmdb-corrupt", "page 7"),)),
        "scan_problem": Reason("registry-error", "the registry answered 500"),
    }
    verdict = judged(changes)
    assert verdict.verdict == "failed"
    assert codes(verdict) == ["vulnerability", "registry-error", "inventory-incomplete", "rpmdb-corrupt"]


def test_a_failed_scan_does_not_erase_what_was_known() -> None:
    error = {"scan_problem": Reason("registry-error", "the registry answered 500")}
    assert judged({**error, **make.match(findings=(make.finding(),))}).verdict == "failed"
    assert judged(error).verdict == "error"
    assert judged({**error, "inventory": None, "match": None}).verdict == "error"


def test_an_error_of_a_scan_keeps_its_own_code_even_if_the_judge_knows_it_as_a_note() -> None:
    assert judged({"scan_problem": Reason("repositories-assumed", "?")}).verdict == "error"
    assert judged(make.match(problems=(Problem("kind-accepted", "?"),))).verdict == "inconclusive"


def test_not_scanned_yet_is_inconclusive_also_when_it_is_given() -> None:
    changes = {"inventory": None, "match": None, "scan_problem": Reason("not_scanned_yet", "planned")}
    assert judged(changes).verdict == "inconclusive"


SPOILS: list[tuple[str, dict[str, t.Any]]] = [
    ("failed", {"findings": (make.finding(),)}),
    ("error", {"scan_problem": Reason("registry-error", "500")}),
    ("inconclusive", {"problems": (Problem("rpmdb-corrupt", "page 7"),)}),
    ("inconclusive", {"supported": False}),
    ("inconclusive", {"not_covered": (HTOP,)}),
    ("passed", {"cpes": (AppliedCpe(make.CPE, "assumed"),)}),
]


@given(st.sets(st.integers(0, len(SPOILS) - 1)), st.integers(1, 3))
def test_the_worst_counts(chosen: set[int], policies: int) -> None:
    direct = {key: value for number in chosen for key, value in SPOILS[number][1].items() if key == "scan_problem"}
    matched = {key: value for number in chosen for key, value in SPOILS[number][1].items() if key != "scan_problem"}
    text = "".join(BASE.replace("base", f"policy-{number}") for number in range(policies))
    verdict = judged({**make.match(**matched), **direct}, text)
    assert verdict.verdict == worst(["passed", *(SPOILS[number][0] for number in chosen)])
    assert verdict.verdict == worst([policy.verdict for policy in verdict.policies])


def test_the_worst_policy_counts_and_others_do_not_judge() -> None:
    text = BASE + "- name: strict\n  vulnerabilities: {max_severity: none}\n"
    text += "- name: elsewhere\n  images: {platforms: [windows/*]}\n  vulnerabilities: {max_severity: none}\n"
    verdict = judged(make.match(findings=(make.finding(severity="low"),)), text)
    assert verdict.verdict == "failed"
    assert [(policy.name, policy.verdict) for policy in verdict.policies] == [("base", "passed"), ("strict", "failed")]


def test_without_any_policy_nothing_passes() -> None:
    verdict = judge(make.SUBJECT, [], [], now=make.NOW)
    assert (verdict.verdict, codes(verdict)) == ("inconclusive", ["no-policy"])


# Data.


@pytest.mark.parametrize("checked", ["", "yesterday", "2026-11-24", "2026-11-24T06:00:00", "2026-13-24T06:00:00Z"])
def test_an_unreadable_time_is_never_fresh(checked: str) -> None:
    assert codes(judged(make.feed(checked=checked))) == ["feed-time"]


def test_unlimited_age_asks_for_no_time() -> None:
    assert judged(make.feed(checked=""), BASE + "  max_age: {feed: unlimited}\n").verdict == "passed"


def test_a_policy_without_ages_still_wants_data_of_this_week() -> None:
    assert codes(judged(make.feed(checked="2026-11-01T00:00:00Z"))) == ["feed-stale"]


def test_an_empty_index_is_not_clean() -> None:
    assert codes(judged(make.feed(statements=0))) == ["feed-incomplete"]


def test_a_document_that_cannot_be_read_is_named_with_what_it_concerns_and_what_helps() -> None:
    (scoped,) = judged(make.match(unread=(make.UNREAD,))).reasons
    assert "2026/cve-2026-1.json" in scoped.message
    assert "it names openssl, openssl-libs, which the image has" in scoped.message
    assert f"under 'accept_unread' with the SHA-256 {'a' * 64}" in scoped.message
    (wide,) = judged(make.match(unread=(OTHER_UNREAD,))).reasons
    assert "may be about any package of the image" in wide.message
    assert "accept_unread" not in wide.message, "what was too large to be read has no digest to accept it by"


def test_a_match_without_feed_is_no_match() -> None:
    changes = make.match(feed=None, supported=False, problems=(Problem("no-feed", "none"),))
    assert codes(judged(changes)) == ["feed-missing"]


def test_compliance_alone_needs_no_feed_but_the_findings_in_a_condition_do() -> None:
    only = "- name: one\n  compliance: {score: 90}\n"
    nothing = {"feed": None, "match": None, "compliance": RESULTS}
    assert judged(nothing, only).verdict == "passed"
    for asked in ("vulnerabilities", "inventory.repositories"):
        condition = f"  conditions: [{{name: none, that: '!{asked}'}}]\n".replace(
            "!inventory.repositories", "!(inventory.repositories)"
        )
        assert codes(judged(nothing, only + condition)) == ["feed-missing"]


def test_a_condition_on_results_that_are_not_there_does_not_hold() -> None:
    condition = """  conditions: [{name: none, that: "!(compliance.rules[?severity == 'high'])"}]\n"""
    verdict = judged({}, BASE + condition)
    assert (verdict.verdict, codes(verdict)) == ("inconclusive", ["compliance-missing"])


def test_rules_of_unknown_severity_count_as_high() -> None:
    policy = BASE + "  compliance: {max_failed_severity: medium}\n"
    assert judged({"compliance": rules(result="fail", severity="unknown")}, policy).verdict == "failed"


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_what_speaks_against_the_results_is_inconclusive_but_for_policies_that_do_not_ask(code: str) -> None:
    for changes in ({}, {"rules": [], "score": None}):
        results = make.compliance(problems=[{"code": code, "message": "seen: nothing"}], **changes)
        verdict = judged({"compliance": results}, BASE + "  compliance: {}\n")
        assert (verdict.verdict, codes(verdict)) == ("inconclusive", [code])
        assert judged({"compliance": results}).verdict == "passed"


def test_what_failed_counts_even_where_not_all_was_seen() -> None:
    results = make.compliance({"result": "fail"}, problems=[{"code": "unreadable", "message": "etc/shadow"}])
    verdict = judged({"compliance": results}, BASE + "  compliance: {}\n")
    assert (verdict.verdict, codes(verdict)) == ("failed", ["compliance-rule-failed", "unreadable"])


def test_an_evaluation_that_failed_is_an_error_and_erases_no_failure() -> None:
    policy = BASE + "  compliance: {}\n"
    problem = Reason("oscap-timeout", "oscap took longer than 600 seconds")
    for results, expected in (
        (None, ("error", ["oscap-timeout"])),
        (RESULTS, ("error", ["oscap-timeout"])),
        (rules(result="fail"), ("failed", ["compliance-rule-failed", "oscap-timeout"])),
    ):
        subject = make.subject(compliance=results, compliance_problem=problem)
        verdict = judged({"compliance": results, "compliance_problem": problem}, policy)
        assert (verdict.verdict, codes(verdict)) == expected
        document = image_document(subject, verdict)
        if results is not None:
            assert document["compliance"]["problems"] == [{"code": problem.code, "message": problem.message}]
        assert judged({"compliance": results, "compliance_problem": problem}).verdict == "passed"


def test_results_are_held_to_the_age_that_the_policy_allows_a_scan() -> None:
    policy = BASE + "  compliance: {}\n  max_age: {scan: 7d}\n"
    for at, expected in (("2026-11-20T00:00:00Z", []), ("2026-11-10T00:00:00Z", ["scan-stale"]), ("", ["scan-time"])):
        assert codes(judged({"compliance": RESULTS, "evaluated_at": at}, policy)) == expected


@pytest.mark.parametrize("result", ["error", "unknown", "notchecked"])
def test_a_rule_without_a_result_matters_unless_it_might_fail(result: str) -> None:
    for severity, asked, expected in (
        ("medium", "max_failed_severity: medium", "passed"),
        ("high", "max_failed_severity: medium", "inconclusive"),
        ("unknown", "max_failed_severity: medium", "inconclusive"),
        ("medium", "max_failed_severity: low", "inconclusive"),
        ("low", "max_failed_severity: medium, score: 10", "inconclusive"),
    ):
        results = make.compliance({}, {"id": "r2", "result": result, "severity": severity})
        assert judged({"compliance": results}, BASE + f"  compliance: {{{asked}}}\n").verdict == expected
        condition = """  conditions: [{name: one, that: "compliance.counts.fail == `0`"}]\n"""
        both = judged({"compliance": results}, BASE + f"  compliance: {{{asked}}}\n" + condition)
        assert set(codes(both)) == {"compliance-incomplete"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("length(compliance.rules[?result == 'fail' && severity == 'high']) == `0`", "passed"),
        ("length(compliance.rules[?result == 'fail' && severity == 'low']) == `0`", "inconclusive"),
        ("compliance.counts.fail <= `1`", "passed"),
        ("compliance.counts.fail == `0`", "inconclusive"),
        ("compliance.counts.pass == `1`", "inconclusive"),
        ("compliance.counts.notchecked == `0`", "failed"),
        ("compliance.score >= `1`", "inconclusive"),
        ("packages == `2`", "passed"),
    ],
)
def test_a_condition_must_hold_whatever_a_rule_without_a_result_came_to(condition: str, expected: str) -> None:
    results = make.compliance({}, {"id": "r2", "result": "notchecked", "severity": "low"})
    policy = BASE + f"""  conditions: [{{name: one, that: "{condition}"}}]\n"""
    assert judged({"compliance": results}, policy).verdict == expected


@pytest.mark.parametrize(
    ("condition", "cvss", "expected"),
    [
        ("!(vulnerabilities[?cvss_score >= `9`])", "8.9", "passed"),
        ("!(vulnerabilities[?cvss_score >= `9`])", "9.0 CVSS:3.1/AV:N", "failed"),
        ("!(vulnerabilities[?cvss_score >= `9`])", "10.0 CVSS:3.1/AV:N", "failed"),
        ("!(vulnerabilities[?cvss_score >= `9`])", "", "inconclusive"),
        ("!(vulnerabilities[?cvss_score >= `9`])", "high", "inconclusive"),
        ("!(vulnerabilities[?cvss_score < `1`])", "", "inconclusive"),
        ("!(vulnerabilities[?not_null(cvss_score, `0`) >= `9`])", "", "inconclusive"),
        ("!(vulnerabilities[?not_null(cvss_score, `10`) >= `9`])", "", "failed"),
        ("!(vulnerabilities[?cvss_score == `null`])", "", "failed"),
        ("!(vulnerabilities[?cvss_score >= `9` && severity == 'critical'])", "", "passed"),
        ("max(vulnerabilities[].cvss_score) < `9`", "", "inconclusive"),
        ("!(vulnerabilities[?name == 'openssl-libs'])", "", "failed"),
        ("!(vulnerabilities[?name == 'openssl'])", "", "passed"),
    ],
)
def test_a_condition_must_hold_whatever_a_missing_score_is(condition: str, cvss: str, expected: str) -> None:
    policy = BASE + f"""  conditions: [{{name: one, that: "{condition}"}}]\n"""
    verdict = judged(make.match(findings=(make.finding(severity="low", cvss=cvss),)), policy)
    assert verdict.verdict == expected
    scores = {"8.9": 8.9, "9.0 CVSS:3.1/AV:N": 9.0, "10.0 CVSS:3.1/AV:N": 10.0}
    subject = make.subject(**make.match(findings=(make.finding(cvss=cvss),)))
    assert image_document(subject, verdict)["vulnerabilities"][0]["cvss_score"] == scores.get(cvss)


def test_a_score_that_is_asked_for_must_be_there() -> None:
    verdict = judged({"compliance": make.compliance(score=None)}, BASE + "  compliance: {score: 0}\n")
    assert codes(verdict) == ["compliance-incomplete"]


def test_a_kind_that_is_accepted_without_packages_needs_no_rules() -> None:
    problems = [{"code": "compliance-no-rpm", "message": "the image is of the kind static"}]
    changes = {**make.inventory(kind="static", packages=(), database=None), "match": None}
    policy = "- name: one\n  accept: [static]\n  compliance: {}\n"
    for results in (None, make.compliance(problems=problems, rules=[])):
        assert judged({**changes, "compliance": results}, policy).verdict == "passed"
        other = judged({**changes, "compliance": results}, policy.replace("static", "apk"))
        assert other.verdict == "inconclusive"


def test_the_facts_of_results_are_the_object_of_the_report() -> None:
    found = Results(
        id="t",
        profile="xccdf_org.ssgproject.content_profile_cis",
        benchmark=Benchmark("b", "0.1", "b.xml"),
        content="sha256:c",
        scores=((DEFAULT_SCORING, 40.0, 80.0),),
        not_selected=3,
        rules=(
            RuleResult("r2", "fail", "high", "two", (("s", "CCE-2"), ("t", "CCE-2")), ("CCI-2", "CCI-1")),
            RuleResult("r1", "notchecked"),
        ),
        problems=(Problem("unreadable", "etc/shadow"),),
    )
    facts = compliance_facts(found, tailoring="d", partial=True)
    assert facts["rules"][1] == {
        "id": "r2",
        "title": "two",
        "result": "fail",
        "severity": "high",
        "identifiers": ["CCE-2"],
        "references": ["CCI-1", "CCI-2"],
    }
    assert [rule["id"] for rule in facts["rules"]] == ["r1", "r2"]
    assert (facts["score"], facts["counts"]["fail"], facts["counts"]["notselected"]) == (50.0, 1, 3)
    subject = make.subject(compliance=facts)
    document = image_document(subject, judge(subject, (), (), now=make.NOW))
    jsonschema.validate(document, IMAGE_SCHEMA)
    assert document["compliance"]["benchmark"] == {"id": "b", "version": "0.1"}


def test_results_without_any_evaluated_rule_are_incomplete() -> None:
    policy = BASE + "  compliance: {score: 0}\n"
    assert codes(judged({"compliance": rules(result="notapplicable")}, policy)) == ["compliance-incomplete"]


@pytest.mark.parametrize("result", ["error", "unknown", "notchecked"])
def test_one_rule_without_a_result_is_enough(result: str) -> None:
    one = RESULTS["rules"][0]
    results = {**RESULTS, "rules": [one, {**one, "id": "r2", "result": result}]}
    assert codes(judged({"compliance": results}, BASE + "  compliance: {score: 90}\n")) == ["compliance-incomplete"]


def test_a_repository_of_foreign_packages_needs_no_product() -> None:
    foreign = Package("htop", None, "3.3.0", "1.el9", "x86_64", repository="epel")
    ours = dataclasses.replace(make.PACKAGES[0], repository="baseos")
    changes = {
        **make.inventory(
            packages=(ours, foreign),
            repositories=(RepositoryId("epel", "dnf_history"), RepositoryId("baseos", "dnf_history")),
        ),
        **make.match(unmapped=("epel",), not_covered=(HTOP,)),
    }
    policy = BASE + "  accept_vendors: [{key_id: 8a3872bf3228467c}]\n"
    assert judged(changes, policy).verdict == "passed"
    changes.update(make.match(unmapped=("baseos",), not_covered=(HTOP,)))
    assert codes(judged(changes, policy)) == ["repository-unmapped"]


@pytest.mark.parametrize(
    ("patterns", "verdict"),
    [
        ("registry.example.com/dev/*", "failed"),
        ("registry.example.com/dev/*, registry.example.com/prod/*", "passed"),
        (make.SUBJECT.digest, "passed"),
        ("registry.example.com/test/*", "failed"),
    ],
)
def test_an_exception_for_one_name_does_not_clear_the_image_under_another(patterns: str, verdict: str) -> None:
    """The verdict is about the digest: where prod/app is the same image as dev/app, both must be meant."""
    names = ("registry.example.com/dev/app:1", "registry.example.com/prod/app:1")
    changes = {"reference": names[0], "references": names, **make.match(findings=(make.finding(),))}
    exceptions = f"- {{id: CVE-2026-1001, reason: tested, expires: 2026-11-24, images: ['{patterns}']}}\n"
    assert judged(changes, exceptions=exceptions.replace(", registry", "', 'registry")).verdict == verdict


@pytest.mark.parametrize(
    ("newest", "verdict"), [("2026-11-01T00:00:00Z", "passed"), ("2026-10-01T00:00:00Z", "inconclusive")]
)
def test_a_feed_that_is_checked_and_never_changes_can_be_refused(newest: str, verdict: str) -> None:
    """A mirror that nobody refreshes is checked successfully every day."""
    policy = BASE + "  max_age: {newest: 30d}\n"
    found = judged(make.feed(newest=newest), policy)
    assert found.verdict == verdict
    assert codes(found) == ([] if verdict == "passed" else ["feed-stale"])
    assert judged(make.feed(newest="long ago"), policy).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ("2026-11-24T12:05:00Z", []),  # another machine's clock
        ("2026-11-25T11:00:00Z", []),  # tomorrow begins earlier elsewhere
        ("2026-11-25T12:15:00Z", ["feed-time"]),
        ("2099-01-01T00:00:00Z", ["feed-time"]),
        ("2026-11-25T23:30:00+05:00", ["feed-time"]),
        ("2026-11-25T16:30:00+05:00", []),
        ("", ["feed-stale"]),
    ],
)
def test_a_change_from_the_future_does_not_make_a_feed_young(newest: str, expected: list[str]) -> None:
    """Else one document with a wrong year answers for a mirror that nobody refreshes."""
    assert codes(judged(make.feed(newest=newest), BASE + "  max_age: {newest: 30d}\n")) == expected


def test_a_missing_database_is_said_once() -> None:
    """That a database which is not there has no package would be one thing too many to read."""
    missing = make.inventory(packages=(), database=None, problems=(Problem("rpmdb-missing", "no rpm database"),))
    assert codes(judged(missing)) == ["inventory-incomplete", "rpmdb-missing"]


def test_gpg_keys_are_no_packages() -> None:
    keys = (Package("gpg-pubkey", None, "fd431d51", "4ae0493b", "(none)"),)
    assert codes(judged(make.inventory(packages=keys, database=PackageDatabase("p", "sqlite", 1)))) == ["no-packages"]


@pytest.mark.parametrize("kind", ["unknown", "dpkg", "apk", "static"])
def test_only_the_kind_that_is_accepted_passes(kind: str) -> None:
    for accepted in ("dpkg", "apk", "static"):
        policy = BASE + f"  accept: [{accepted}]\n"
        verdict = judged(make.inventory(kind=kind, packages=(), database=None), policy)
        assert verdict.verdict == ("passed" if kind == accepted else "inconclusive")


def test_an_accepted_kind_asks_nothing_of_the_vulnerability_data() -> None:
    nothing = {"feed": None, "match": None, **make.inventory(kind="static", packages=(), database=None)}
    assert judged(nothing, BASE + "  accept: [static]\n").verdict == "passed"
    assert codes(judged(nothing)) == ["no-package-database", "feed-missing"]


def test_the_table_of_kinds_says_which_images_need_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGE_KINDS, "toy", dataclasses.replace(PACKAGE_KINDS["rpm"], name="toy"))
    assert judged(make.inventory(kind="toy")).verdict == "passed"
    empty = make.inventory(kind="toy", packages=(), database=PackageDatabase("p", "sqlite", 0))
    assert codes(judged(empty)) == ["no-packages"]


def test_an_accepted_kind_does_not_hide_what_could_not_be_read() -> None:
    changes = make.inventory(kind="static", packages=(), database=None, problems=(Problem("layer-unreadable", "no"),))
    assert judged(changes, BASE + "  accept: [static]\n").verdict == "inconclusive"


@pytest.mark.parametrize(
    ("entry", "passes"),
    [
        ("key_id: 8A3872BF3228467C", True),
        ("fingerprint: ff8ad1344597106ece813b918a3872bf3228467c", True),
        ("fingerprint: 'FF8A D134 4597 106E CE81  3B91 8A38 72BF 3228 467C'", True),
        ("key_id: 8a3872bf3228467d", False),
        ("key_id: 8a3872bf3228467c, vendor: Somebody", False),
        ("key_id: 8a3872bf3228467c, vendor: Fedora Project", True),
        ("vendor: Fedora", False),
    ],
)
def test_vendors_are_accepted_by_key(entry: str, passes: bool) -> None:
    verdict = judged(make.match(not_covered=(HTOP,)), BASE + f"  accept_vendors: [{{{entry}}}]\n")
    assert (verdict.verdict, codes(verdict)) == (
        ("passed", []) if passes else ("inconclusive", ["packages-not-covered"])
    )


def test_an_unsigned_package_is_not_accepted_by_an_empty_key() -> None:
    unsigned = dataclasses.replace(HTOP, key_id="")
    verdict = judged(make.match(not_covered=(unsigned,)), BASE + "  accept_vendors: [{key_id: 8a3872bf3228467c}]\n")
    assert codes(verdict) == ["packages-not-covered"]


# Exceptions.


def accept(**keys: str) -> str:
    given = {"id": "CVE-2026-1001", "reason": "tested", "expires": "2027-01-01", **keys}
    return "- {" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}\n"


@pytest.mark.parametrize(
    ("keys", "accepted"),
    [
        ({}, True),
        ({"id": "CVE-2026-100*"}, True),
        ({"id": "CVE-2026-*", "packages": "[openssl-libs]"}, True),
        ({"id": "CVE-2026-1002"}, False),
        ({"packages": "[openssl-libs]"}, True),
        ({"packages": "'openssl-libs-1:3.0.7-*'"}, True),
        ({"packages": "[openssl]"}, False),
        ({"images": "['registry.example.com/team/*']"}, True),
        ({"images": "['*:latest']"}, False),
        ({"images": "['*:latest', '*:1.0']"}, True),
        ({"images": f"['sha256:{'1' * 64}']"}, True),
        ({"images": "[quay.io/*]"}, False),
        ({"expires": "2026-11-24"}, True),
        ({"expires": "2026-11-23"}, False),
    ],
)
def test_exceptions_accept_what_they_name(keys: dict[str, str], accepted: bool) -> None:
    found = make.finding()
    verdict = judged(make.match(findings=(found,)), exceptions=accept(**keys))
    assert verdict.verdict == ("passed" if accepted else "failed")
    assert verdict.excepted == ({(found.id, found.package): keys.get("id", found.id)} if accepted else {})


def test_the_day_of_expiry_is_counted_in_utc() -> None:
    east = datetime.datetime(2026, 11, 25, 2, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))
    policies, exceptions = load_policies(BASE, "p"), load_exceptions(accept(expires="2026-11-24"), "e")
    subject = make.subject(**make.match(findings=(make.finding(),)))
    assert judge(subject, policies, exceptions, now=east).verdict == "passed"
    assert judge(subject, policies, exceptions, now=east + datetime.timedelta(hours=3)).verdict == "failed"


def test_an_exception_never_hides_that_something_was_not_seen() -> None:
    changes = {
        **make.match(findings=(make.finding(),)),
        **make.inventory(problems=(Problem("rpmdb-corrupt", "page 7"),)),
    }
    assert judged(changes, exceptions=accept(id="'CVE*'", packages="['openssl-*', 'bash-*']")).verdict == "inconclusive"


# Indexes.

CHILDREN = (
    JudgedChild("linux/amd64", "sha256:a"),
    JudgedChild("linux/arm64/v8", "sha256:b"),
    JudgedChild("linux/s390x", "sha256:c"),
)


def index_of(
    verdicts: dict[str, str], platforms: tuple[str, ...], children: t.Sequence[JudgedChild] = CHILDREN
) -> ImageVerdict:
    found = {
        digest: ImageVerdict(digest, verdict, (Reason("vulnerability", f"it {verdict}"),), ())
        for digest, verdict in verdicts.items()
    }
    return judge_index(Subject("sha256:index", "quay.io/a/b:1"), children, found, platforms)


@pytest.mark.parametrize(
    ("verdicts", "platforms", "expected"),
    [
        ({"sha256:a": "passed", "sha256:b": "passed", "sha256:c": "passed"}, (), "passed"),
        ({"sha256:a": "passed", "sha256:b": "passed", "sha256:c": "failed"}, (), "failed"),
        ({"sha256:a": "passed", "sha256:b": "passed", "sha256:c": "failed"}, ("linux/amd64", "linux/arm64"), "passed"),
        ({"sha256:a": "passed", "sha256:b": "error", "sha256:c": "failed"}, ("linux/arm64",), "error"),
        ({"sha256:a": "passed", "sha256:b": "inconclusive"}, ("linux/amd64", "linux/arm64/v8"), "inconclusive"),
        ({"sha256:a": "passed", "sha256:b": "passed"}, (), "inconclusive"),  # c was not judged
        ({"sha256:a": "passed"}, ("linux/amd64", "linux/ppc64le"), "inconclusive"),
        ({"sha256:a": "failed"}, ("linux/amd64", "linux/ppc64le"), "failed"),
        ({"sha256:a": "passed"}, ("linux/ppc64le",), "inconclusive"),
    ],
)
def test_an_index_takes_the_worst_of_what_runs_here(
    verdicts: dict[str, str], platforms: tuple[str, ...], expected: str
) -> None:
    assert index_of(verdicts, platforms).verdict == expected


def test_an_index_names_the_platform_that_it_lacks() -> None:
    verdict = index_of({"sha256:a": "passed"}, ("linux/amd64", "linux/ppc64le"))
    assert verdict.reasons[0] == Reason(
        "platform-missing",
        "The index has no image that every linux/ppc64le node can run; it has linux/amd64, linux/arm64/v8, linux/s390x",
    )
    assert codes(index_of({"sha256:a": "passed"}, ("linux/amd64",))) == ["vulnerability"]


def test_an_empty_index_does_not_pass() -> None:
    for platforms in ((), ("linux/amd64",)):
        verdict = index_of({}, platforms, [])
        assert (verdict.verdict, codes(verdict)) == ("inconclusive", ["index-empty"])


def test_the_worst_image_explains_the_index_first() -> None:
    verdict = index_of({"sha256:a": "passed", "sha256:b": "inconclusive", "sha256:c": "failed"}, ())
    assert [reason.message for reason in verdict.reasons] == [
        "linux/s390x: it failed",
        "linux/arm64/v8: it inconclusive",
        "linux/amd64: it passed",
    ]


# Bounds and repeatability.


def test_reasons_are_bounded_and_the_worst_are_named() -> None:
    found = [make.finding(id=f"CVE-2026-{number}") for number in range(1000, 1500)]
    found.append(make.finding(id="CVE-2026-9999", severity="critical"))
    verdict = judged(make.match(findings=tuple(found)))
    assert len(verdict.reasons) == REASON_LIMIT
    assert verdict.reasons[0].message.startswith("CVE-2026-9999 ")
    assert verdict.reasons[-1].message == "and 477 more of this kind; the report names all of them"


def test_a_reason_is_never_the_last_of_one_kind_only_to_say_that_there_is_one_more() -> None:
    found = tuple(make.finding(id=f"CVE-2026-{number}") for number in range(1000, 1000 + REASON_LIMIT))
    assert not any("more of this kind" in reason.message for reason in judged(make.match(findings=found)).reasons)


def many() -> dict[str, t.Any]:
    found = [
        make.finding(
            id=f"CVE-2026-{number % 7}",
            package=f"p{number}-0:1-1.x86_64",
            severity=SEVERITIES[number % 5],
            status=STATUSES[number % 6],
        )
        for number in range(60)
    ]
    return {
        **make.match(
            findings=found,
            cpes=[AppliedCpe(f"cpe:/a:redhat:p{number}:1", "label") for number in range(9)],
            not_covered=[dataclasses.replace(HTOP, package=f"x{number}-0:1-1.x86_64") for number in range(9)],
            unmapped=[f"repository-{number}" for number in range(9)],
            problems=[Problem(f"problem-{number}", "?") for number in range(4)],
        ),
        **make.inventory(
            problems=[Problem(f"problem-{number}", "?") for number in range(9)],
            repositories=[RepositoryId(f"repository-{number}", "content_manifest") for number in range(9)],
        ),
        "references": [f"quay.io/a/b:{number}" for number in range(9)],
    }


def shuffled(value: t.Any, seed: int) -> t.Any:
    """The same facts in another order."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value,
            **{field.name: shuffled(getattr(value, field.name), seed) for field in dataclasses.fields(value)},
        )
    if isinstance(value, list):
        return tuple(random.Random(seed).sample(value, len(value)))
    return value


def test_the_order_of_facts_does_not_change_the_verdict() -> None:
    policies = load_policies(DEFAULT_POLICY_TEXT + BASE, "p")
    exceptions = load_exceptions("".join(accept(id=f"CVE-2026-{n}", expires=f"202{n}-01-01") for n in range(5, 9)), "e")
    results = set()
    for seed in range(20):
        subject = shuffled(make.subject(**many()), seed)
        order = random.Random(seed)
        verdict = judge(subject, order.sample(policies, 2), order.sample(exceptions, len(exceptions)), now=make.NOW)
        results.add(repr((verdict.reasons, image_document(subject, verdict))))
    assert len(results) == 2  # the order of policies is the order of their reasons


def test_time_that_passes_changes_nothing_until_something_is_too_old() -> None:
    policies = load_policies(DEFAULT_POLICY_TEXT, "p")
    exceptions = load_exceptions(accept(), "e")
    subject = make.subject(**make.match(findings=(make.finding(),)))
    hours = [datetime.timedelta(hours=hour) for hour in range(0, 24 * 6, 7)]
    assert len({repr(judge(subject, policies, exceptions, now=make.NOW + hour)) for hour in hours}) == 1
    stale = [judge(subject, policies, exceptions, now=make.NOW + datetime.timedelta(days=days)) for days in (8, 9)]
    assert stale[0] == stale[1]
    assert not re.search(r"\d+ (days|hours) (ago|old)", repr(stale))


def test_hostile_texts_reach_reasons_as_harmless_ones() -> None:
    evil = "\x1b[2Jred\u202eevil\n\x00"
    changes = {
        **make.match(
            findings=(make.finding(id=evil, package=evil, fixed_in=evil, advisory=evil),),
            not_covered=(Coverage(evil, evil, evil, evil),),
            unmapped=(evil,),
            problems=(Problem("feed-partial", evil),),
        ),
        **make.inventory(
            problems=(Problem("rpmdb-corrupt", evil),), repositories=(RepositoryId(evil, "content_manifest"),)
        ),
        "scan_problem": Reason("registry-error", evil),
    }
    verdict = judged(changes)
    assert len(verdict.reasons) >= 6
    assert all(reason.message.isprintable() for reason in verdict.reasons)


def test_the_kind_of_a_package_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = t.cast("dict[str, PackageKind]", PACKAGE_KINDS)
    monkeypatch.setitem(kinds, "dpkg", dataclasses.replace(kinds["dpkg"], feeds=("csaf-vex",)))
    for rows, packages, said in ((0, {"packages": ()}, "has no package"), (3, {}, "counts 3 packages, and")):
        for kind, label in (("rpm", "RPM"), ("dpkg", "dpkg")):
            subject = make.inventory(kind=kind, database=PackageDatabase("p", "sqlite", rows), **packages)
            messages = [reason.message for reason in judged(subject).reasons]
            assert any(message.startswith(f"The {label} database {said}") for message in messages), messages
