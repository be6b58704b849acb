# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions as people write them: 60 and more that are sensible, and 60 and more that can never find anything."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts import trial
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.expressions import check_expression
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.samples import IMAGES, Samples
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.schema import FACTS_SCHEMA
from ansible_collections.imagescan.openshift.tests.support.data import CHECKOUT

SENSIBLE = [
    # Findings by severity, status and number.
    "!vulnerabilities",
    "length(vulnerabilities) == `0`",
    "length(vulnerabilities) < `5000`",
    "packages < `1000000000`",  # the largest number is one of the samples
    "vulnerabilities == `[]`",
    "vulnerabilities[?severity == 'critical'] == `[]`",
    "length(vulnerabilities[?severity == 'critical']) == `0`",
    "!(vulnerabilities[?severity == 'critical' && status == 'fix_available'])",
    "!(vulnerabilities[?contains(['important', 'critical'], severity)])",
    "!(vulnerabilities[?(severity == 'critical' || severity == 'important') && status == 'fix_available'])",
    "!contains(vulnerabilities[].severity, 'critical')",
    "length(vulnerabilities[?severity == 'low']) < `100`",
    "length(vulnerabilities[?severity == 'low' && status == 'affected' && !exception]) <= `1000`",
    "length(vulnerabilities[?status == 'will_not_fix']) <= `5`",
    "!(vulnerabilities[?severity != 'low' && severity != 'none'])",
    "length(vulnerabilities[?severity == 'moderate']) < length(vulnerabilities[?severity == 'low'])",
    "!(vulnerabilities[?!fixed_in && severity == 'critical'])",
    "!(vulnerabilities[?fixed_in && !exception])",
    "length(vulnerabilities[?exception]) <= `10`",
    "vulnerabilities[?status == 'under_investigation'] | length(@) == `0`",
    "sort_by(vulnerabilities, &id)[0].severity == 'low' || !vulnerabilities",
    # Scores.
    "length(vulnerabilities[?cvss_score >= `9`]) == `0`",
    "!(vulnerabilities[?cvss_score > `7.5` && !exception])",
    "!(vulnerabilities[?not_null(cvss_score, `10`) >= `9`])",
    "!(vulnerabilities[?cvss_score == `null` && severity == 'critical'])",
    "!vulnerabilities || max_by(vulnerabilities, &not_null(cvss_score, `10`)).severity != 'critical'",
    "!vulnerabilities || max(vulnerabilities[].cvss_score) < `9.5`",
    "!(vulnerabilities[?contains(cvss, 'AV:N') && contains(cvss, 'PR:N')])",
    "!(vulnerabilities[?contains(cvss, '/AV:N/') && cvss_score >= `7`])",
    # Packages, ids, advisories.
    "!(vulnerabilities[?name == 'openssl-libs'])",
    "!(vulnerabilities[?starts_with(name, 'kernel')])",
    "!(vulnerabilities[?starts_with(name, 'java-') && ends_with(name, '-headless')])",
    "!(vulnerabilities[?contains(['openssl', 'openssl-libs'], name) && severity == 'important'])",
    "!contains(vulnerabilities[].name, 'log4j')",
    "!(vulnerabilities[?starts_with(package, 'openssl-libs-1:3.0.7-')])",
    "!(vulnerabilities[?package == 'openssl-libs-1:3.0.7-27.el9.x86_64'])",
    "!(vulnerabilities[?ends_with(package, '.i686')])",
    "!(vulnerabilities[?contains(package, '.el8')])",
    "!(vulnerabilities[?id == 'CVE-2021-44228'])",
    "!contains(vulnerabilities[].id, 'CVE-2021-44228')",
    "length(vulnerabilities[?starts_with(id, 'CVE-2021-')]) == `0`",
    "!(vulnerabilities[?advisory && severity == 'critical'])",
    "!(vulnerabilities[?starts_with(advisory, 'RHSA-2024:')])",
    "!(vulnerabilities[?advisory == ''])",
    "!(vulnerabilities[?starts_with(module, 'perl:')])",
    "!(vulnerabilities[?starts_with(cpe, 'cpe:/o:redhat:enterprise_linux:9')])",
    "!(vulnerabilities[?contains(product, 'Extended Update Support')])",
    "!(vulnerabilities[?starts_with(revision, '2026-')])",
    "!(vulnerabilities[?starts_with(document, '2026/')])",
    # The image.
    "os == 'rhel 9.4'",
    "starts_with(os, 'rhel 9')",
    "starts_with(os, 'rhel 8.') || starts_with(os, 'rhel 9.')",
    "contains(['rhel 9.4', 'rhel 9.6', 'almalinux 9.4'], os)",
    "os != 'rhel 7.9'",
    "platform == 'linux/amd64'",
    "starts_with(platform, 'linux/')",
    "packages > `0` && packages <= `300`",
    "packages < `500`",
    "starts_with(reference, 'registry.example.com/')",
    "!(references[?starts_with(@, 'docker.io/')])",
    "contains(references, 'registry.example.com/team/app:1.0')",
    "!ends_with(reference, ':latest')",
    "not_examined.jar == `0`",
    "sum(values(not_examined)) == `0`",
    "max(not_examined.*) < `5`",
    "not_examined.python < `10` && not_examined.npm == `0`",
    "inventory.complete",
    "!(inventory.problems)",
    "!contains(inventory.problems[].code, 'rpmdb-corrupt')",
    "length(inventory.repositories[?source == 'assumed']) == `0`",
    "contains(inventory.repositories[].cpe, 'cpe:/o:redhat:enterprise_linux:9::baseos')",
    # Rules.
    "compliance.score >= `90`",
    "compliance.counts.fail == `0`",
    "!(compliance.rules[?result == 'fail' && severity == 'high'])",
    "!(compliance.rules[?ends_with(id, '_rule_no_empty_passwords') && result == 'fail'])",
    "length(compliance.rules[?result == 'fail' && !exception]) < `20`",
    "ends_with(compliance.profile, '_profile_cis')",
    "!(compliance.partial)",
    "contains(compliance.rules[].identifiers[], 'CCE-83836-7')",
    "compliance.benchmark.version == '0.1.65'",
]

#: (what somebody writes, what the message says, what they should have written)
MISTAKEN = [
    # Scores that are texts.
    ("!(vulnerabilities[?to_number(cvss) >= `9`])", "cvss_score >= `9`", "!(vulnerabilities[?cvss_score >= `9`])"),
    ("!(vulnerabilities[?cvss >= `9`])", "cvss_score >= `9`", "!(vulnerabilities[?cvss_score >= `9`])"),
    ("!(vulnerabilities[?cvss == '9.8'])", "cvss_score == `9.8`", "!(vulnerabilities[?cvss_score == `9.8`])"),
    ("!(vulnerabilities[?cvss == `9.8`])", "cvss_score", "!(vulnerabilities[?cvss_score == `9.8`])"),
    ("!(vulnerabilities[?cvss_score >= '9'])", "`9`", "!(vulnerabilities[?cvss_score >= `9`])"),
    ("!(vulnerabilities[?cvss_score > `10`])", "cvss_score is 0 to 10", "!(vulnerabilities[?cvss_score > `9`])"),
    ("!(vulnerabilities[?score >= `9`])", "cvss_score", "!(vulnerabilities[?cvss_score >= `9`])"),
    ("compliance.score > `100`", "compliance.score 0 to 100", "compliance.score > `90`"),
    ("compliance.score >= '90'", "`90`", "compliance.score >= `90`"),
    ("to_number(os) >= `9`", "starts_with(os, 'rhel 9')", "starts_with(os, 'rhel 9')"),
    # Words of an enumeration.
    ("!(vulnerabilities[?contains(severity, 'Important')])", "severity == 'important'", ""),
    ("!(vulnerabilities[?contains(severity, 'import')])", "severity == 'important'", ""),
    ("!(vulnerabilities[?starts_with(severity, 'Crit')])", "severity == 'critical'", ""),
    ("!(vulnerabilities[?ends_with(severity, 'al')])", "severity == 'critical'", ""),
    ("!(vulnerabilities[?contains(status, 'fix_a')])", "status == 'fix_available'", ""),
    ("length(vulnerabilities[0].severity) > `1`", "severity == 'none'", ""),
    ("!(compliance.rules[?contains(result, 'FAIL')])", "result == 'fail'", ""),
    ("!(vulnerabilities[?severity == 'Important'])", "'important'", "!(vulnerabilities[?severity == 'important'])"),
    ("!(vulnerabilities[?severity == 'high'])", "'important'", "!(vulnerabilities[?severity == 'important'])"),
    ("!(vulnerabilities[?severity == 'medium'])", "'moderate'", "!(vulnerabilities[?severity == 'moderate'])"),
    ("!(vulnerabilities[?severity == 'crtical'])", "'critical'", "!(vulnerabilities[?severity == 'critical'])"),
    ("!(compliance.rules[?severity == 'important'])", "'high'", "!(compliance.rules[?severity == 'high'])"),
    ("!(compliance.rules[?result == 'failed'])", "'fail'", "!(compliance.rules[?result == 'fail'])"),
    ("!(vulnerabilities[?status == 'fixed'])", "'fix_available'", "!(vulnerabilities[?status == 'fix_available'])"),
    (
        "!contains(vulnerabilities[].severity, 'CRITICAL')",
        "'critical'",
        "!contains(vulnerabilities[].severity, 'critical')",
    ),
    ("!(vulnerabilities[?severity >= 'important'])", "contains(['important', 'critical'], severity)", ""),
    ("sort_by(vulnerabilities, &severity)[0].id == 'CVE-2021-44228'", "alphabetically", ""),
    ("max(vulnerabilities[].severity) == 'low'", "alphabetically", ""),
    # Texts that a field never has.
    (
        "!(vulnerabilities[?package == 'openssl-libs'])",
        "name == 'openssl-libs'",
        "!(vulnerabilities[?name == 'openssl-libs'])",
    ),
    (
        "!contains(vulnerabilities[].package, 'openssl')",
        "name == 'openssl'",
        "!contains(vulnerabilities[].name, 'openssl')",
    ),
    ("!(vulnerabilities[?contains(['openssl', 'zlib'], package)])", "name == 'openssl'", ""),
    ("!(vulnerabilities[?package == 'openssl-libs-3.0.7-27.el9.x86_64'])", "with its epoch", ""),
    ("!(vulnerabilities[?name == 'zlib-0:1.2.11-40.el9.x86_64'])", "package == 'zlib-0:1.2.11-40.el9.x86_64'", ""),
    (
        "!(vulnerabilities[?name == 'openssl*'])",
        "starts_with(name, 'openssl')",
        "!(vulnerabilities[?starts_with(name, 'openssl')])",
    ),
    ("!(vulnerabilities[?name == '^openssl.*$'])", "starts_with(name, 'openssl')", ""),
    ("!(vulnerabilities[?id == 'cve-2021-44228'])", "in capitals", "!(vulnerabilities[?id == 'CVE-2021-44228'])"),
    (
        "!contains(vulnerabilities[].id, 'cve-2021-44228')",
        "in capitals",
        "!contains(vulnerabilities[].id, 'CVE-2021-44228')",
    ),
    ("!(vulnerabilities[?starts_with(id, 'cve-2021')])", "starts_with(id, 'CVE-2026-')", ""),
    (
        "!(vulnerabilities[?id == 'CVE-2021-*'])",
        "starts_with(id, 'CVE-2021-')",
        "!(vulnerabilities[?starts_with(id, 'CVE-2021-')])",
    ),
    (
        "!(vulnerabilities[?id == '2021-44228'])",
        "id == 'CVE-2021-44228'",
        "!(vulnerabilities[?id == 'CVE-2021-44228'])",
    ),
    ("!(vulnerabilities[?starts_with(advisory, 'rhsa-')])", "starts_with(advisory, 'RHSA-')", ""),
    ("os == 'RHEL 9.4'", "starts_with(os, 'rhel 9')", "os == 'rhel 9.4'"),
    ("os == 'rhel 9'", "starts_with(os, 'rhel 9')", "starts_with(os, 'rhel 9')"),
    ("os == 'rhel'", "starts_with(os, 'rhel 9')", ""),
    ("os == '9.4'", "os == 'rhel 9.4'", "os == 'rhel 9.4'"),
    ("os == 'Red Hat Enterprise Linux 9'", "starts_with(os, 'rhel 9')", "starts_with(os, 'rhel 9')"),
    ("starts_with(os, 'RHEL')", "starts_with(os, 'rhel 9')", "starts_with(os, 'rhel 9')"),
    ("os.version_id == '9.4'", "os == 'rhel 9.4'", "os == 'rhel 9.4'"),
    ("os > `8`", "starts_with(os, 'rhel 9')", ""),
    ("platform == 'amd64'", "platform == 'linux/amd64'", "platform == 'linux/amd64'"),
    ("platform == 'linux/x86_64'", "platform == 'linux/amd64'", "platform == 'linux/amd64'"),
    ("platform != 'linux'", "starts_with(platform, 'linux/')", "starts_with(platform, 'linux/')"),
    ("contains(references, 'quay.io')", "starts_with(@, 'quay.io/')", "!(references[?starts_with(@, 'quay.io/')])"),
    ("starts_with(reference, 'https://quay.io/')", "starts_with(reference, ", "starts_with(reference, 'quay.io/')"),
    ("digest == 'sha256:abc'", "'sha256:1111", ""),
    ("!(compliance.rules[?id == 'no_empty_passwords'])", "ends_with(id, '_rule_no_empty_passwords')", ""),
    ("compliance.profile == 'cis'", "'_profile_cis')", "ends_with(compliance.profile, '_profile_cis')"),
    # Times.
    ("!(vulnerabilities[?revision < '2026-01-01'])", "max_age", ""),
    ("!(vulnerabilities[?revision == '2026-01-01'])", "starts_with(revision, '2026-01-01')", ""),
    ("scanned_at > '2026-01-01'", "max_age", ""),
    # Names of fields and functions.
    ("!vulnerabilites", "did you mean 'vulnerabilities'?", "!vulnerabilities"),
    ("!findings", "did you mean 'vulnerabilities'?", "!vulnerabilities"),
    ("labels.foo == 'bar'", "images: {labels: …}", ""),
    ("!contains(vulnerabilities[].cve, 'CVE-2021-44228')", "vulnerabilities[].id", ""),
    ("!(vulnerabilities[?fixable])", "status == 'fix_available'", "!(vulnerabilities[?status == 'fix_available'])"),
    ("compliance.counts.failed == `0`", "did you mean 'fail'?", "compliance.counts.fail == `0`"),
    ("count(vulnerabilities) == `0`", "did you mean 'length'?", "length(vulnerabilities) == `0`"),
    ("!(vulnerabilities[?lower(severity) == 'critical'])", "in lower case always", ""),
    ("!(vulnerabilities[?matches(name, 'openssl')])", "starts_with()", ""),
    # Lists.
    ("vulnerabilities == `0`", "length(vulnerabilities) == `0`", "length(vulnerabilities) == `0`"),
    ("vulnerabilities < `5`", "length(vulnerabilities)", "length(vulnerabilities) < `5`"),
    ("vulnerabilities.length == `0`", "length(…)", "length(vulnerabilities) == `0`"),
    ("vulnerabilities.severity != 'critical'", "write [] before it", ""),
    ("vulnerabilities[].severity != 'critical'", "contains(vulnerabilities[].severity, 'critical')", ""),
    ("vulnerabilities[?severity == 'critical'] == `0`", "length(vulnerabilities[?severity == 'critical']) == `0`", ""),
    ("contains(vulnerabilities, 'CVE-2021-44228')", "contains(vulnerabilities[].id, 'CVE-2021-44228')", ""),
    ("vulnerabilities[?severity == 'critical']", "write !(…)", "!(vulnerabilities[?severity == 'critical'])"),
    ("!vulnerabilities[?severity == 'critical']", "write !(…)", "!(vulnerabilities[?severity == 'critical'])"),
    ("!compliance.partial", "write !(…)", "!(compliance.partial)"),
    ("!vulnerabilities == `[]`", "write !(a == b)", "!(vulnerabilities == `[]`)"),
    ("references == 'quay.io/team/app:1'", "contains(references, 'quay.io/team/app:1')", ""),
    ("not_examined.jar", "compare it", "not_examined.jar == `0`"),
    ("!packages", "packages > `0`", "packages > `0`"),
    # What never changes.
    ("vulnerabilities == `null`", "can never hold", "!vulnerabilities"),
    ("compliance != `null`", "can never be broken", ""),
    ("!(vulnerabilities[?fixed_in == `null`])", "!x instead of x == `null`", "!(vulnerabilities[?!fixed_in])"),
    ("!(vulnerabilities[?exception != `null`])", "!x instead of x == `null`", "!(vulnerabilities[?exception])"),
    ("length(vulnerabilities) >= `0`", "can never be broken", "length(vulnerabilities) == `0`"),
    (
        "length(vulnerabilities[?severity == 'critical']) < `0`",
        "length(vulnerabilities[?severity == 'critical']) == `0`",
        "",
    ),
    ("packages < `0`", "can never hold", "packages < `10`"),
    ("digest == digest", "leave the part out", ""),
    ("!(vulnerabilities[?severity == 'critical' && severity == 'important'])", "write ||", ""),
    ("!(vulnerabilities[?severity != 'critical' || severity != 'important'])", "write &&", ""),
    (
        "starts_with(os, 'rhel 8') && starts_with(os, 'rhel 9')",
        "can never hold",
        "starts_with(os, 'rhel 8') || starts_with(os, 'rhel 9')",
    ),
    ("inventory.complete && length(vulnerabilities) >= `0`", "the part length(vulnerabilities) >= `0`", ""),
    ("starts_with(digest, 'sha256:')", "can never be broken", ""),
    ("!(vulnerabilities[?!name])", "name is never empty", ""),
    ("!(vulnerabilities[?id])", "id is never empty", ""),
    ("!vulnerabilities || `true`", "can never be broken", ""),
    ("inventory.complete == `false` && inventory.complete", "can never hold", ""),
    # How it is written.
    ("!vulnerabilities || inventory.complete && packages > `5`", "|| (inventory.complete && packages > `5`)", ""),
    (
        "!(vulnerabilities[?severity == 'critical' || severity == 'important' && status == 'fix_available'])",
        "severity == 'critical' || (severity == 'important' && status == 'fix_available')",
        "!(vulnerabilities[?severity == 'critical' || (severity == 'important' && status == 'fix_available')])",
    ),
    ("!(vulnerabilities[?severity = 'critical'])", "equality is written ==", ""),
    ("!(vulnerabilities[?severity == critical])", "in single quotes: 'critical'", ""),
    ('!(vulnerabilities[?severity == "critical"])', "in single quotes: 'critical'", ""),
    ("length(vulnerabilities) == 0", "numbers are written `5`", "length(vulnerabilities) == `0`"),
    ("inventory.complete and packages > `5`", "write &&, || and !", "inventory.complete && packages > `5`"),
    ("not vulnerabilities", "write &&, || and !", "!vulnerabilities"),
    ("inventory.complete == 'true'", "write inventory.complete alone", "inventory.complete"),
    ("inventory.complete == true", "written `true`", "inventory.complete"),
    ("packages == '5'", "`5`", "packages == `5`"),
]


def test_the_lists_are_long_enough() -> None:
    assert len(set(SENSIBLE)) >= 60
    assert len({expression for expression, _message, _better in MISTAKEN}) >= 60


@pytest.mark.parametrize("expression", SENSIBLE)
def test_a_sensible_condition_is_accepted(expression: str) -> None:
    assert check_expression(expression, FACTS_SCHEMA).expression == expression


@pytest.mark.parametrize(("expression", "message", "better"), MISTAKEN, ids=[one[0] for one in MISTAKEN])
def test_a_condition_that_cannot_work_is_refused_with_a_better_one(expression: str, message: str, better: str) -> None:
    with pytest.raises(InputError) as caught:
        check_expression(expression, FACTS_SCHEMA)
    assert message in caught.value.message
    if better:
        check_expression(better, FACTS_SCHEMA)


def test_the_shipped_examples_are_accepted() -> None:
    conditions = 0
    for path in sorted((CHECKOUT / "examples" / "policies").glob("*.yml")):
        conditions += sum(
            len(policy.conditions) for policy in load_policies(path.read_text(encoding="utf-8"), path.name)
        )
    assert conditions


@pytest.mark.parametrize("expression", ["starts_with(digest, 'sha256:')", "length(vulnerabilities) >= `0`"])
def test_the_longest_trials_take_little(expression: str) -> None:
    start = time.process_time()
    with pytest.raises(InputError):
        check_expression(expression, FACTS_SCHEMA)
    # Some hundredths of a second; the bound is generous.
    assert time.process_time() - start < 2


def test_a_trial_ends_when_all_was_seen_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def samples(*args: t.Any) -> t.Iterator[t.Any]:
        for image in Samples(*args):
            tried.append(image)
            yield image

    monkeypatch.setattr(trial, "Samples", samples)
    check_expression("!vulnerabilities || inventory.complete", FACTS_SCHEMA)
    assert 1 < len(tried) < IMAGES


def test_samples_are_the_same_every_time_and_fit_the_schema() -> None:
    import jmespath

    tree = jmespath.compile("length(vulnerabilities[?name == 'zlib' && cvss_score > `9.1`]) < `7`").parsed
    first, second = (list(Samples(tree, FACTS_SCHEMA, ["vulnerabilities"])) for _number in range(2))
    assert first == second
    assert len(first) == IMAGES
    assert first[0] == {"vulnerabilities": []}
    findings = [finding for image in first for finding in image["vulnerabilities"]]
    assert {finding["name"] for finding in findings} >= {"zlib", "bash"}
    assert {len(image["vulnerabilities"]) for image in first} >= {0, 1, 6, 7, 8}
    scores = {finding["cvss_score"] for finding in findings}
    assert None in scores and all(score is None or 0 <= score <= 10 for score in scores)
    assert any(score is not None and score > 9.1 for score in scores)
