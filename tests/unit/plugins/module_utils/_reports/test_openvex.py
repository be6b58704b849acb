# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions as OpenVEX: what is said, of what, in the same bytes each time, and that it can be read back."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import OsRelease
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.document import build_report
from ansible_collections.imagescan.openshift.plugins.module_utils._reports.openvex import render
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.applying import Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import image_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import Policy, load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.vex import read_vex
from ansible_collections.imagescan.openshift.tests.support import verdicts as make

LENIENT = load_policies("- name: lenient\n  vulnerabilities: {max_severity: critical}\n", "p.yml")
POLICIES = load_policies("- name: base\n  vulnerabilities: {max_severity: moderate}\n", "p.yml")
WHY = "vulnerable_code_not_in_execute_path"
ACCEPTED = "- {id: CVE-2026-1001, reason: tested, owner: me@example.com, ticket: T-1, expires: 2027-01-01}\n"
JUSTIFIED = f"- {{id: CVE-2026-1001, reason: tested, owner: me@example.com, justification: {WHY}, when: fixed}}\n"
FOUND = make.finding(status="affected")
DIGEST = make.SUBJECT.digest
IMAGE = f"pkg:oci/app@{DIGEST}?arch=amd64&repository_url=registry.example.com/team/app"
PACKAGE = "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&distro=rhel-9.4&epoch=1"


def subject(**changes: t.Any) -> Subject:
    return make.subject(**{**make.match(findings=(FOUND,)), **changes})


def exported(
    exceptions: str | t.Sequence[Entry],
    *subjects: Subject,
    as_of: str = "2026-11-24T00:00:00Z",
    policies: t.Sequence[Policy] = POLICIES,
) -> dict[str, t.Any]:
    """The document of some images, after judging them with exceptions."""
    entries = load_exceptions(exceptions, "e.yml") if isinstance(exceptions, str) else exceptions
    images = [image_document(one, judge(one, policies, entries, now=make.NOW)) for one in subjects or (subject(),)]
    content = render(build_report(images, make.FEED, as_of))
    assert content == render(build_report(images[::-1], make.FEED, as_of))
    document: dict[str, t.Any] = json.loads(content)
    return document


def test_an_accepted_risk_is_affected_with_what_was_decided() -> None:
    document = exported(ACCEPTED)
    assert document["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert re.fullmatch(r"https://openvex\.dev/docs/public/vex-[0-9a-f]{64}", document["@id"])
    assert (document["author"], document["timestamp"], document["version"]) == (
        "me@example.com",
        "2026-11-24T00:00:00Z",
        1,
    )
    assert document["statements"] == [
        {
            "vulnerability": {"name": "CVE-2026-1001"},
            "status": "affected",
            "action_statement": "The risk is accepted by me@example.com until 2027-01-01: tested (T-1)",
            "products": [
                {
                    "@id": IMAGE,
                    "identifiers": {"purl": IMAGE},
                    "subcomponents": [{"@id": PACKAGE, "identifiers": {"purl": PACKAGE}}],
                }
            ],
        }
    ]


def test_a_justified_one_is_not_affected() -> None:
    (statement,) = exported(JUSTIFIED)["statements"]
    assert (statement["status"], statement["justification"]) == ("not_affected", WHY)
    assert "action_statement" not in statement
    # The schema of the format allows one of the two.
    assert "impact_statement" not in statement
    assert statement["status_notes"] == "tested; decided by me@example.com until a fix is there"


@pytest.mark.parametrize(
    "exceptions",
    [
        "",
        ACCEPTED.replace("2027", "2026"),
        "- {rule: abcd, reason: a, expires: 2027-01-01}\n",
        ACCEPTED.replace("1001", "1"),
    ],
)
def test_what_holds_for_nothing_is_not_told(exceptions: str) -> None:
    document = exported(exceptions)
    assert (document["statements"], document["author"]) == ([], "unknown")


def test_images_share_a_statement_and_owners_are_the_authors() -> None:
    other = subject(digest="sha256:" + "2" * 64, reference="oci:/srv/secret/images:app", references=(), platform="")
    both = ACCEPTED + "- {id: CVE-2026-1002, reason: b, owner: a@example.com, expires: 2027-01-01}\n"
    second = make.finding(id="CVE-2026-1002", package="bash-0:5.1.8-9.el9.x86_64", name="bash")
    document = exported(both, subject(), dataclasses.replace(other, **make.match(findings=(FOUND, second))))
    assert document["author"] == "a@example.com, me@example.com"
    first, last = document["statements"]
    assert [product["@id"] for product in first["products"]] == [IMAGE, f"pkg:oci/images-app@sha256:{'2' * 64}"]
    assert [one["@id"] for product in last["products"] for one in product["subcomponents"]] == [
        "pkg:rpm/redhat/bash@5.1.8-9.el9?arch=x86_64&distro=rhel-9.4"
    ]
    assert "/srv" not in json.dumps(document)


@pytest.mark.parametrize(
    ("distribution", "namespace"),
    [("rhel", "redhat/"), ("almalinux", "almalinux/"), ("rocky", "rocky/"), ("ol", "oracle/"), ("fedora", "fedora/")],
)
def test_packages_are_named_by_their_distribution_and_read_back(distribution: str, namespace: str) -> None:
    one = subject(**make.inventory(os=OsRelease(distribution, "9.4")))
    document = exported(JUSTIFIED, one)
    (part,) = document["statements"][0]["products"][0]["subcomponents"]
    assert part["@id"].startswith(f"pkg:rpm/{namespace}openssl-libs@")
    imported = read_vex(json.dumps(document).encode(), "report.openvex.json", now=make.NOW)
    assert (imported.problems, len(imported.statements)) == ((), 1)
    again = judge(one, POLICIES, imported.statements, now=make.NOW)
    assert again.verdict == judge(one, POLICIES, load_exceptions(JUSTIFIED, "e"), now=make.NOW).verdict == "passed"
    # Another package, another image, an accepted risk: none of them is cleared by what was written.
    for other in (
        dataclasses.replace(one, digest="sha256:" + "2" * 64),
        dataclasses.replace(one, **make.match(findings=(make.finding(package="openssl-libs-1:3.0.7-28.el9.x86_64"),))),
    ):
        assert judge(other, POLICIES, imported.statements, now=make.NOW).verdict == "failed"
    risk = read_vex(json.dumps(exported(ACCEPTED, one)).encode(), "report.openvex.json", now=make.NOW)
    assert judge(one, POLICIES, risk.statements, now=make.NOW).verdict == "failed"


@pytest.mark.parametrize("exceptions", [ACCEPTED, JUSTIFIED])
def test_a_finding_that_still_counts_is_left_out(exceptions: str) -> None:
    both = [*POLICIES, *LENIENT]
    for_one = exceptions.replace("reason:", "policies: [lenient], reason:")
    for_both = exceptions.replace("reason:", "policies: [lenient, base], reason:")
    assert exported(for_one, policies=both)["statements"] == []
    assert len(exported(for_both, policies=both)["statements"]) == 1
    # The same package is found by way of two products, for one of which there is a fix.
    fixed = make.finding(status="fix_available", product="another")
    again = subject(**make.match(findings=(FOUND, fixed)))
    until_fixed = exceptions.replace("expires: 2027-01-01", "expires: 2027-01-01, when: fixed")
    assert exported(until_fixed, again)["statements"] == []
    assert len(exported(until_fixed, subject())["statements"]) == 1


def test_what_makers_say_is_left_to_them() -> None:
    statements = read_vex(json.dumps(exported(JUSTIFIED)).encode(), "maker.json", now=make.NOW).statements
    assert exported(statements)["statements"] == []


def test_a_report_about_nothing_is_a_document() -> None:
    document = json.loads(render(build_report([], None, "")))
    assert (document["timestamp"], document["statements"]) == ("1970-01-01T00:00:00Z", [])
