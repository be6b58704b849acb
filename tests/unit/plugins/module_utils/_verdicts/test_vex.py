# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VEX of an image's maker: what it clears, for which images, and what is reported instead of being used."""

from __future__ import annotations

import copy
import datetime
import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts import vex
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.facts import image_document
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import ImageVerdict
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.vex_names import PackageName
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.vex_statements import VexDocument
from ansible_collections.imagescan.openshift.tests.support import verdicts as make
from ansible_collections.imagescan.openshift.tests.support.openpgp import Signer, write_keys

POLICY = "- name: base\n  vulnerabilities: {max_severity: moderate}\n"
DIGEST = make.SUBJECT.digest
IMAGE = f"pkg:oci/app@{DIGEST}"
OTHER = f"pkg:oci/app@sha256:{'2' * 64}"
BY_NAME = "pkg:oci/app?repository_url=registry.example.com/team/app"
PACKAGE = "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&epoch=1"
WHY = "vulnerable_code_not_in_execute_path"
FOUND = make.finding()


def statement(product: t.Any = IMAGE, *parts: str, **keys: t.Any) -> dict[str, t.Any]:
    """A statement that clears the finding; None leaves a key out."""
    whole = {"@id": product} if isinstance(product, str) else dict(product)
    if parts:
        whole["subcomponents"] = [{"@id": part} for part in parts]
    given = {
        "vulnerability": {"name": FOUND.id},
        "products": [whole],
        "status": "not_affected",
        "justification": WHY,
        **keys,
    }
    return {key: value for key, value in given.items() if value is not None}


def openvex(*statements: dict[str, t.Any], **keys: t.Any) -> dict[str, t.Any]:
    """An OpenVEX document; None leaves a key out."""
    given = {
        "@context": vex.CONTEXT,
        "@id": "https://example.com/vex/1",
        "author": "Maker",
        "timestamp": "2026-11-01T00:00:00Z",
        "version": 1,
        "statements": list(statements),
        **keys,
    }
    return {key: value for key, value in given.items() if value is not None}


def read(document: t.Any) -> VexDocument:
    """What is read from a document whose author is known."""
    return vex.read_vex(json.dumps(document).encode(), "app.json", now=make.NOW)


def judged(*documents: t.Any, **changes: t.Any) -> ImageVerdict:
    """The verdict on the usual image, which has one finding."""
    subject = make.subject(**{**make.match(findings=(FOUND,)), **changes})
    statements = [one for document in documents for one in read(document).statements]
    return judge(subject, load_policies(POLICY, "p.yml"), statements, now=make.NOW)


# Which statements clear.


@pytest.mark.parametrize(
    ("keys", "clears"),
    [
        ({}, True),
        ({"justification": None, "impact_statement": "the parser is not built in"}, True),
        ({"justification": None}, False),
        ({"justification": None, "impact_statement": " "}, False),
        ({"status": "fixed", "justification": None}, True),
        ({"status": "affected", "action_statement": "update"}, False),
        ({"status": "under_investigation"}, False),
        ({"vulnerability": {"name": "CVE-2026-9"}}, False),
        ({"vulnerability": {"name": "GHSA-1", "aliases": [FOUND.id]}}, True),
        ({"products": None}, False),
        ({"products": []}, False),
        ({"products": [{"@id": OTHER}, {"@id": IMAGE}]}, True),
    ],
)
def test_only_fixed_and_explained_not_affected_clear(keys: dict[str, t.Any], clears: bool) -> None:
    verdict = judged(openvex(statement(**keys)))
    assert verdict.verdict == ("passed" if clears else "failed")
    assert [reason.code for reason in verdict.reasons] == (["vex-applied"] if clears else ["vulnerability"])


@pytest.mark.parametrize(
    ("product", "clears"),
    [
        (IMAGE, True),
        (f"pkg:oci/other-name@{DIGEST}?repository_url=elsewhere.example.com/x/other-name", True),
        (f"pkg:oci/app@{DIGEST.replace(':', '%3A')}", True),
        (f"pkg:docker/team/app@{DIGEST}", True),
        (OTHER, False),
        (BY_NAME, True),
        (f"{BY_NAME}&tag=1.0", False),  # the image is called latest, too
        ("pkg:oci/app?repository_url=registry.example.com/team/application", False),
        ("pkg:oci/app?repository_url=registry.example.com/team/other", False),
        ("pkg:oci/app?repository_url=registry.example.com/app", False),
        ("pkg:oci/app", False),
        ("pkg:oci/app@1.0", False),
        ("pkg:docker/team/app", False),
        ("registry.example.com/team/app", False),
        (PACKAGE, False),  # no image is named: it could be about any
        ("pkg:generic/app@1", False),
        ("pkg:oci", False),
        ({"@id": "https://example.com/app", "identifiers": {"purl": IMAGE}}, True),
        ({"@id": "https://example.com/app", "hashes": {"sha-256": DIGEST[7:]}}, True),
        ({"@id": IMAGE, "hashes": {"sha-256": "2" * 64}}, False),
        ({"@id": IMAGE, "hashes": {"sha-256": "1"}}, False),
        ({"@id": IMAGE, "identifiers": {"purl": OTHER}}, False),  # they contradict each other
        ({"@id": IMAGE, "subcomponents": []}, False),
    ],
)
def test_only_images_that_are_named_are_cleared(product: t.Any, clears: bool) -> None:
    assert judged(openvex(statement(product))).verdict == ("passed" if clears else "failed")


@pytest.mark.parametrize(
    ("part", "clears"),
    [
        (PACKAGE, True),
        ("pkg:rpm/redhat/openssl-libs", True),
        ("pkg:rpm/openssl-libs@3.0.7-27.el9", True),
        ("pkg:rpm/redhat/openssl-libs@1:3.0.7-27.el9", True),
        ("pkg:rpm/redhat/openssl-libs@2:3.0.7-27.el9", False),
        ("pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?epoch=0", False),
        ("pkg:rpm/redhat/openssl-libs@1:3.0.7-27.el9?epoch=2", False),
        ("pkg:rpm/redhat/openssl-libs@3.0.7-28.el9", False),
        ("pkg:rpm/redhat/openssl-libs@3.0.7", False),
        ("pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=aarch64", False),
        ("pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=src", False),
        ("pkg:rpm/almalinux/openssl-libs@3.0.7-27.el9", False),
        ("pkg:rpm/redhat/openssl@3.0.7-27.el9", False),
        ("pkg:deb/debian/openssl-libs", False),
        ("pkg:generic/openssl-libs", False),
        ("openssl-libs", False),
    ],
)
def test_only_packages_that_are_named_are_cleared(part: str, clears: bool) -> None:
    """A part that is not understood must not become the whole image."""
    assert judged(openvex(statement(IMAGE, part))).verdict == ("passed" if clears else "failed")


@pytest.mark.parametrize(
    ("product", "part", "clears"),
    [
        (IMAGE, "", True),
        (BY_NAME, "", False),
        (BY_NAME, "pkg:rpm/redhat/openssl-libs", False),
        (BY_NAME, PACKAGE, True),
    ],
)
def test_fixed_is_said_of_builds(product: str, part: str, clears: bool) -> None:
    """An image that is named without a digest has older builds, in which nothing was fixed."""
    document = openvex(statement(product, *filter(None, [part]), status="fixed", justification=None))
    assert judged(document).verdict == ("passed" if clears else "failed")
    assert bool(read(document).problems) is not clears


def test_an_index_that_is_named_stands_for_its_images() -> None:
    document = openvex(statement(OTHER))
    assert judged(document).verdict == "failed"
    assert judged(document, index_digests=(f"sha256:{'2' * 64}",)).verdict == "passed"


def test_a_name_must_be_the_only_one() -> None:
    document = openvex(statement(f"{BY_NAME}&tag=1.0"))
    assert judged(document, references=()).verdict == "passed"
    assert judged(document, references=("registry.example.com/prod/app:1.0",)).verdict == "failed"
    assert judged(document, reference="", references=()).verdict == "failed"


@pytest.mark.parametrize(
    ("older", "newer", "clears"),
    [
        ({}, {"status": "affected"}, False),
        ({"status": "affected"}, {}, True),
        ({}, {"status": "under_investigation"}, False),
        ({}, {"justification": None}, False),
    ],
)
def test_the_newest_statement_counts(older: dict[str, t.Any], newer: dict[str, t.Any], clears: bool) -> None:
    one = statement(timestamp="2026-10-01T00:00:00Z", **older)
    two = statement(timestamp="2026-10-01T02:00:00+01:00", **newer)
    assert judged(openvex(one, two)).verdict == ("passed" if clears else "failed")
    assert judged(openvex(two), openvex(one)).verdict == ("passed" if clears else "failed")


def test_of_equally_new_statements_the_one_that_clears_nothing_counts() -> None:
    for statements in ([statement(), statement(status="affected")], [statement(status="affected"), statement()]):
        assert judged(openvex(*statements)).verdict == "failed"


MIRROR = "mirror.example.org/team/app:1.0"
BY_DIGEST = f"registry.example.com/team/app@{DIGEST}"


@pytest.mark.parametrize(
    ("product", "parts", "changes", "taken_back"),
    [
        # Parts that are not understood, or not wholly.
        (IMAGE, ["pkg:rpm/redhat/openssl?arch=src"], {}, True),
        (IMAGE, ["pkg:generic/openssl"], {}, True),
        (IMAGE, ["openssl"], {}, True),
        (IMAGE, ["pkg:rpm/redhat/zlib", "openssl"], {}, True),
        ({"@id": IMAGE, "subcomponents": []}, [], {}, True),
        (IMAGE, ["pkg:rpm/redhat/openssl-libs@3.0.7"], {}, True),
        (IMAGE, ["pkg:rpm/redhat/openssl-libs@0:3.0.7-27.el9"], {}, True),
        (IMAGE, ["pkg:rpm/ubi9/openssl-libs@3.0.7-27.el9?arch=amd64"], {}, True),
        # What is understood, and something else.
        (IMAGE, ["pkg:rpm/redhat/zlib"], {}, False),
        (IMAGE, ["pkg:rpm/redhat/openssl-libs@3.0.7-28.el9"], {}, False),
        (IMAGE, ["pkg:rpm/redhat/openssl-libs?arch=s390x"], {}, False),
        (IMAGE, ["pkg:rpm/almalinux/openssl-libs"], {}, False),
        # Any of the image's names.
        (BY_NAME, [], {"references": (MIRROR,)}, True),
        (BY_NAME, [], {"reference": MIRROR, "references": ()}, False),
        (f"{BY_NAME}&tag=1.0", [], {}, True),
        (f"{BY_NAME}&tag=2.0", [], {"reference": BY_DIGEST, "references": ()}, True),
        (f"{BY_NAME}&tag=2.0", [], {"reference": MIRROR.replace("mirror", "x"), "references": ()}, False),
        # Names that are not quite right.
        ("pkg:oci/app@1.0?repository_url=registry.example.com/team/app", [], {}, True),
        ("pkg:oci/app?repository_url=https://registry.example.com/team/", [], {}, True),
        ("pkg:docker/team/app@1.0?repository_url=registry.example.com", [], {}, True),
        ({"@id": OTHER, "identifiers": {"purl": IMAGE}}, [], {}, True),
        ({"@id": IMAGE, "hashes": {"sha-256": "1"}}, [], {}, True),
        ({"@id": BY_NAME, "hashes": {"sha-256": "2" * 64}}, [], {}, False),
        (OTHER, [], {}, False),
    ],
)
@pytest.mark.parametrize("status", ["affected", "under_investigation"])
def test_what_is_unclear_takes_an_older_statement_back(
    product: t.Any, parts: list[str], changes: dict[str, t.Any], taken_back: bool, status: str
) -> None:
    older = openvex(statement(IMAGE, PACKAGE), timestamp="2026-10-01T00:00:00Z")
    newer = openvex(statement(product, *parts, status=status))
    assert judged(older, **changes).verdict == "passed"
    assert judged(older, newer, **changes).verdict == ("failed" if taken_back else "passed")


@pytest.mark.parametrize(
    ("vulnerability", "taken_back"),
    [
        ({"name": FOUND.id.lower()}, True),
        ({"name": "Cve-2026-1001"}, True),
        ({"name": " CVE-2026-1001 "}, True),
        ({"name": "CVE\u20112026\u20111001"}, True),  # non-breaking hyphens
        ({"name": "CVE-2026-1001\u200b"}, True),
        ({"name": "CVE 2026 1001"}, True),
        ({"name": "https://nvd.nist.gov/vuln/detail/CVE-2026-1001"}, True),
        ({"name": "GHSA-1", "aliases": ["cve-2026-1001"]}, True),
        ({"name": "openssl overflow", "@id": "https://www.cve.org/CVERecord?id=CVE-2026-1001"}, True),
        ({"name": "CVE-2026-10010"}, False),
        ({"name": "CVE-2026-100"}, False),
        ({"name": "GHSA-cve-2026"}, False),
    ],
)
def test_one_id_written_in_another_way_takes_an_older_statement_back(
    vulnerability: dict[str, t.Any], taken_back: bool
) -> None:
    older = openvex(statement(IMAGE, PACKAGE), timestamp="2026-10-01T00:00:00Z")
    newer = openvex(statement(IMAGE, PACKAGE, status="affected", vulnerability=vulnerability))
    assert judged(older).verdict == "passed"
    assert judged(older, newer).verdict == ("failed" if taken_back else "passed")


@pytest.mark.parametrize(
    ("product", "part"),
    [
        (IMAGE, PACKAGE.replace("openssl-libs", "OpenSSL-libs")),
        (IMAGE, PACKAGE.replace("el9", "EL9")),
        (IMAGE.replace("sha256:1", "SHA256:1"), PACKAGE),
        (f"pkg:docker/team/app@SHA256:{DIGEST[7:]}", PACKAGE),
        ({"@id": "https://example.com/app", "hashes": {"sha-256": DIGEST[7:].upper()}}, PACKAGE),
        (BY_NAME.replace("registry", "Registry").replace("/app", "/App"), PACKAGE),
    ],
)
def test_case_of_letters_saves_no_older_statement(product: t.Any, part: str) -> None:
    older = openvex(statement(IMAGE, PACKAGE), timestamp="2026-10-01T00:00:00Z")
    newer = openvex(statement(product, part, status="affected"))
    assert judged(older, newer).verdict == "failed"


@pytest.mark.parametrize("name", ["cve-2026-1001", "CVE-2026-1001\u200b"])
def test_one_id_written_in_another_way_clears_too(name: str) -> None:
    assert judged(openvex(statement(vulnerability={"name": name}))).verdict == "passed"


@pytest.mark.parametrize("name", ["see CVE-2026-1001", "https://nvd.nist.gov/vuln/detail/CVE-2026-1001"])
def test_an_id_that_is_only_mentioned_clears_nothing(name: str) -> None:
    assert judged(openvex(statement(vulnerability={"name": name}))).verdict == "failed"


@pytest.mark.parametrize("changes", [{"id": "cve-2026-1001"}, {}])
def test_a_finding_may_be_written_in_lower_case(changes: dict[str, t.Any]) -> None:
    findings = make.match(findings=(make.finding(**changes),))
    assert judged(openvex(statement(IMAGE, PACKAGE)), **findings).verdict == "passed"
    assert judged(openvex(statement(IMAGE, PACKAGE, status="affected")), **findings).verdict == "failed"


def test_a_package_that_cannot_be_read_is_meant_by_what_counts() -> None:
    name = PackageName("openssl-libs")
    assert name.names("openssl-libs", "rhel", widely=True)
    assert not name.names("openssl-libs", "rhel")
    unreadable = make.match(findings=(make.finding(package="openssl-libs of an unknown build"),))
    older = openvex(statement(IMAGE), timestamp="2026-10-01T00:00:00Z")
    newer = openvex(statement(IMAGE, PACKAGE, status="affected"))
    assert judged(older, **unreadable).verdict == "passed"
    assert judged(older, newer, **unreadable).verdict == "failed"


def test_last_updated_is_newer_than_the_beginning() -> None:
    updated = openvex(
        statement(status="affected"), last_updated="2026-11-02T00:00:00Z", timestamp="2026-01-01T00:00:00Z"
    )
    assert judged(openvex(statement()), updated).verdict == "failed"


def test_vex_never_hides_what_could_not_be_seen() -> None:
    assert judged(openvex(statement()), **make.match(unread=(make.UNREAD,))).verdict == "inconclusive"
    assert judged(openvex(statement()), match=None, feed=None).verdict == "inconclusive"


def test_the_report_says_whose_word_it_is() -> None:
    verdict = judged(openvex(statement()))
    document = image_document(make.subject(**make.match(findings=(FOUND,))), verdict)
    assert document["vulnerabilities"][0]["exception"] == "vex:https://example.com/vex/1"
    (one,) = document["exceptions"]
    assert (one["kind"], one["owner"], one["status"]) == ("vex", "Maker", "not_affected")
    assert verdict.reasons[0].message == (
        f"1 finding cleared by Maker (vex:https://example.com/vex/1): not_affected, {WHY}"
    )


# CSAF.


def csaf(**changes: t.Any) -> dict[str, t.Any]:
    """A CSAF document of an image's maker: one image with one package in it."""
    document: dict[str, t.Any] = {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "publisher": {"name": "Maker", "category": "vendor", "namespace": "https://example.com"},
            "title": "app",
            "tracking": {"id": "maker-1", "status": "final", "current_release_date": "2026-11-01T00:00:00Z"},
        },
        "product_tree": {
            "branches": [
                {
                    "category": "vendor",
                    "name": "Maker",
                    "branches": [
                        {
                            "category": "product_version",
                            "name": "app",
                            "product": {
                                "product_id": "image",
                                "name": "app",
                                "product_identification_helper": {"purl": IMAGE},
                            },
                        }
                    ],
                }
            ],
            "full_product_names": [
                {"product_id": "part", "name": "x", "product_identification_helper": {"purl": PACKAGE}},
                {"product_id": "jar", "name": "x", "product_identification_helper": {"purl": "pkg:maven/a/b@1"}},
                {"product_id": "unknown", "name": "x"},
            ],
            "relationships": [relation("whole", "part", "image"), relation("with-jar", "jar", "image")],
            "product_groups": [{"group_id": "all", "product_ids": ["image", "whole"]}],
        },
        "vulnerabilities": [
            {
                "cve": FOUND.id,
                "product_status": {"known_not_affected": ["whole"]},
                "flags": [{"label": WHY, "product_ids": ["whole"]}],
            }
        ],
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        holder: t.Any = document
        for name in parents:
            holder = holder[int(name)] if name.isdigit() else holder[name]
        if value is None:
            del holder[last]
        else:
            holder[last] = value
    return document


def relation(whole: str, part: str, container: str) -> dict[str, t.Any]:
    """A product that is a part of another."""
    return {
        "category": "default_component_of",
        "full_product_name": {"product_id": whole, "name": whole},
        "product_reference": part,
        "relates_to_product_reference": container,
    }


@pytest.mark.parametrize(
    ("changes", "clears"),
    [
        ({}, True),
        ({"vulnerabilities__0__product_status": {"known_not_affected": ["image"]}}, False),  # not explained
        ({"vulnerabilities__0__product_status": {"fixed": ["image"]}}, True),
        ({"vulnerabilities__0__product_status": {"first_fixed": ["whole"]}}, True),
        ({"vulnerabilities__0__product_status": {"known_affected": ["whole"]}}, False),
        ({"vulnerabilities__0__product_status": {"recommended": ["whole"]}}, False),
        ({"vulnerabilities__0__product_status": {"under_investigation": ["whole"]}}, False),
        ({"vulnerabilities__0__product_status": {"fixed": ["whole"], "known_affected": ["image"]}}, False),
        ({"vulnerabilities__0__product_status": {"fixed": ["part"]}}, False),  # no image is named
        ({"vulnerabilities__0__product_status": {"fixed": ["with-jar"]}}, False),
        ({"vulnerabilities__0__product_status": {"fixed": ["unknown"]}}, False),
        ({"vulnerabilities__0__product_status": {"fixed": ["missing"]}}, False),
        ({"vulnerabilities__0__flags": None}, False),
        ({"vulnerabilities__0__flags": [{"label": WHY, "product_ids": ["image"]}]}, False),
        ({"vulnerabilities__0__flags": [{"label": WHY, "group_ids": ["all"]}]}, True),
        (
            {
                "vulnerabilities__0__flags": None,
                "vulnerabilities__0__threats": [{"category": "impact", "details": "no", "product_ids": ["whole"]}],
            },
            True,
        ),
        ({"vulnerabilities__0__cve": "CVE-2026-9"}, False),
        ({"vulnerabilities__0__cve": "X-1", "vulnerabilities__0__ids": [{"text": FOUND.id}]}, True),
        ({"document__tracking__status": "interim"}, True),
        ({"product_tree__relationships": [relation("whole", "whole", "whole")]}, False),
        (
            {"product_tree__relationships": [relation("m", "part", "module"), relation("whole", "m", "image")]},
            True,
        ),
        ({"product_tree__relationships": [relation("whole", "image", "part")]}, False),
    ],
)
def test_csaf_clears_what_it_explains(changes: dict[str, t.Any], clears: bool) -> None:
    assert judged(csaf(**changes)).verdict == ("passed" if clears else "failed")


@pytest.mark.parametrize(
    ("whole", "changes", "taken_back"),
    [
        ("with-jar", {}, True),
        ("reversed", {}, True),
        ("twice", {}, True),
        ("round", {}, True),
        ("part", {}, False),  # no image is named
        ("missing", {}, False),
        ("named", {"references": (MIRROR,)}, True),
    ],
)
@pytest.mark.parametrize("status", ["known_affected", "last_affected", "under_investigation", "unknown"])
def test_what_is_unclear_in_csaf_takes_an_older_statement_back(
    whole: str, changes: dict[str, t.Any], taken_back: bool, status: str
) -> None:
    newer = csaf(vulnerabilities__0__product_status={status: [whole]})
    newer["document"]["tracking"]["current_release_date"] = "2026-11-02T00:00:00Z"
    newer["product_tree"]["relationships"] += [
        relation("reversed", "image", "part"),
        relation("round", "round", "image"),
    ]
    for name, urls in (("twice", [IMAGE, OTHER]), ("named", [BY_NAME])):
        helper = {"purls": urls}
        product = {"product_id": name, "name": name, "product_identification_helper": helper}
        newer["product_tree"]["full_product_names"].append(product)
    assert judged(csaf(), **changes).verdict == "passed"
    assert judged(csaf(), newer, **changes).verdict == ("failed" if taken_back else "passed")


@pytest.mark.parametrize("changes", [{"cve": "cve-2026-1001"}, {"cve": None, "ids": [{"text": "see cve-2026-1001"}]}])
def test_csaf_may_write_an_id_in_another_way(changes: dict[str, t.Any]) -> None:
    older = openvex(statement(IMAGE, PACKAGE), timestamp="2026-10-01T00:00:00Z")
    newer = csaf()
    vulnerability = {**newer["vulnerabilities"][0], "product_status": {"known_affected": ["whole"]}, **changes}
    newer["vulnerabilities"] = [{key: value for key, value in vulnerability.items() if value is not None}]
    assert judged(older, newer).verdict == "failed"


# What is refused as a whole.


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is not a JSON object but a list"),
        ({}, "is neither OpenVEX"),
        (openvex(statement(), **{"@context": "https://openvex.dev/ns"}), "expected https://openvex.dev/ns/v0.2.0"),
        (openvex(statement(), **{"@id": None}), "no '@id'"),
        (openvex(statement(), author=None), "no 'author'"),
        (openvex(statement(), author=["a"]), "author is a list"),
        (openvex(statement(), timestamp=None), "no 'timestamp'"),
        (openvex(statement(), timestamp="yesterday"), "expected a time"),
        (openvex(statement(), timestamp="2026-11-24T13:00:00Z"), "lies in the future"),
        (openvex(statement(timestamp="2100-01-01T00:00:00Z")), "lies in the future"),
        (openvex(statement(), statements={}), "statements is an object"),
        (openvex(statement(), statements=["x"]), "not an object"),
        (openvex(statement(status="exploitable")), "statement 1: 'exploitable' is not a status"),
        (openvex(statement(status=None)), "'' is not a status"),
        (openvex(statement(justification="because")), "'because' is not a justification"),
        (openvex(statement(vulnerability="CVE-2026-1001")), "vulnerability is text"),
        (openvex(statement(vulnerability={})), "the vulnerability has no name"),
        (openvex(statement(vulnerability={"name": "a", "aliases": [1]})), "not text"),
        (openvex(statement(products=[1])), "not an object"),
        (openvex(statement(Status="fixed")), "readers disagree"),
        (csaf(document__category="csaf_security_advisory"), "expected csaf_vex"),
        (csaf(document__csaf_version="1.0"), "expected 2.x"),
        (csaf(document__tracking__status="draft"), "expected final or interim"),
        (csaf(document__tracking__id=None), "no id"),
        (csaf(document__tracking__current_release_date="2027-01-01T00:00:00Z"), "lies in the future"),
        (csaf(document__tracking__current_release_date=None), "expected a time"),
        (csaf(vulnerabilities__0__cve=None), "neither cve nor ids"),
        (csaf(vulnerabilities__0__flags=[{"label": "because", "product_ids": ["whole"]}]), "flag 'because'"),
        (csaf(product_tree="x"), "product_tree is text"),
    ],
)
def test_what_is_not_understood_is_refused_as_a_whole(document: t.Any, message: str) -> None:
    with pytest.raises(CorruptData) as caught:
        read(document)
    assert message in str(caught.value)
    assert "app.json" in str(caught.value)


@pytest.mark.parametrize("is_last", [True, False])
def test_of_two_definitions_of_a_product_in_branches_the_last_one_counts(is_last: bool) -> None:
    document = csaf()
    (maker,) = document["product_tree"]["branches"]
    other = copy.deepcopy(maker["branches"][0])
    other["product"]["product_identification_helper"]["purl"] = "pkg:oci/other@sha256:" + "9" * 64
    maker["branches"].insert(0 if is_last else 1, other)
    (found,) = read(document).statements
    assert (found.image == read(csaf()).statements[0].image) == is_last


def test_deep_branches_and_endless_groups_are_bounded() -> None:
    deep: dict[str, t.Any] = {}
    for _level in range(20):
        deep = {"branches": [deep]}
    with pytest.raises(LimitExceeded):
        read(csaf(product_tree__branches=[deep]))
    many = csaf(
        product_tree__product_groups=[{"group_id": "g", "product_ids": [str(n) for n in range(10_000)]}],
        vulnerabilities__0__flags=[{"label": WHY, "group_ids": ["g"] * 10_000}],
    )
    started = time.process_time()
    with pytest.raises(LimitExceeded):
        read(many)
    # Many vulnerabilities, none of which goes too far by itself.
    one = {**csaf()["vulnerabilities"][0], "flags": [{"label": WHY, "group_ids": ["g"] * 5}]}
    groups = [{"group_id": "g", "product_ids": [str(n) for n in range(10_000)]}]
    read(csaf(product_tree__product_groups=groups, vulnerabilities=[one] * 10))
    with pytest.raises(LimitExceeded, match="steps"):
        read(csaf(product_tree__product_groups=groups, vulnerabilities=[one] * 10_000))
    chain = [relation(f"r{n}", "jar", f"r{n + 1}") for n in range(20_000)]
    with pytest.raises(LimitExceeded, match="steps"):
        read(
            csaf(
                product_tree__relationships=chain,
                vulnerabilities__0__product_status={"known_affected": ["r0"] * 20_000},
            )
        )
    for names in (vex.IDS_LIMIT, vex.IDS_LIMIT + 1):
        aliases = [f"GHSA-{n}" for n in range(names - 1)]
        documents = (
            openvex(statement(vulnerability={"name": FOUND.id, "aliases": [FOUND.id, *aliases]})),
            csaf(vulnerabilities__0__ids=[{"text": alias} for alias in aliases]),
        )
        for document in documents:
            if names <= vex.IDS_LIMIT:
                assert judged(document).verdict == "passed"
            else:
                with pytest.raises(LimitExceeded, match="ids"):
                    read(document)
    with pytest.raises(LimitExceeded):
        read(openvex(statement(products=[{"@id": OTHER}] * (vex.STATEMENT_LIMIT + 1))))
    assert time.process_time() - started < 60


def test_problems_are_told_and_bounded() -> None:
    found = read(openvex(statement(products=[{"@id": f"pkg:generic/{n}"} for n in range(30)])))
    assert len(found.problems) == 21
    assert found.problems[0] == "statement 1: pkg:generic/0 names no image by digest or repository"
    assert found.problems[-1] == "and 10 more that are not used"
    assert read(openvex()).problems == ("it says nothing",)


# Signatures.


@pytest.fixture(scope="module")
def maker() -> Signer:
    return Signer("Maker <maker@example.com>")


def load(folder: Path, *keys: t.Any, document: t.Any = None) -> VexDocument:
    """Load app.json of a folder, trusting some keys."""
    path = folder / "app.json"
    path.write_text(json.dumps(document or openvex(statement())))
    signing = keys[0]
    if isinstance(signing, Signer):
        signing.sign_file(path)
    return vex.load_vex(str(path), str(write_keys(folder / "keys.asc", *keys[1:])), now=make.NOW)


def test_a_document_that_is_signed_with_the_named_key_is_used(tmp_path: Path, maker: Signer) -> None:
    found = load(tmp_path, maker, maker)
    assert (found.verified, len(found.statements), found.problems) == (True, 1, ())


def test_a_document_without_a_signature_is_not_used(tmp_path: Path, maker: Signer) -> None:
    found = load(tmp_path, None, maker)
    assert (found.verified, found.statements) == (False, ())
    assert "there is no signature" in found.problems[0]


def test_a_document_that_somebody_else_signed_is_not_used(tmp_path: Path, maker: Signer) -> None:
    found = load(tmp_path, Signer("Other <other@example.com>"), maker)
    assert (found.verified, found.statements) == (False, ())
    assert "not by a key of" in found.problems[0]


def test_a_document_that_was_changed_is_not_used(tmp_path: Path, maker: Signer) -> None:
    load(tmp_path, maker, maker)
    path = tmp_path / "app.json"
    path.write_text(path.read_text() + " ")
    found = vex.load_vex(str(path), str(tmp_path / "keys.asc"), now=make.NOW)
    assert (found.verified, found.statements) == (False, ())
    (tmp_path / "app.json.asc").write_text("nonsense")
    assert not vex.load_vex(str(path), str(tmp_path / "keys.asc"), now=make.NOW).verified


def test_a_signed_document_that_is_none_is_reported(tmp_path: Path, maker: Signer) -> None:
    found = load(tmp_path, maker, maker, document={"a": 1})
    assert (found.verified, found.statements) == (True, ())
    assert found.problems[0].startswith("not used:")


def test_a_key_or_file_that_cannot_be_read_is_an_error(tmp_path: Path, maker: Signer) -> None:
    keys = write_keys(tmp_path / "keys.asc", maker)
    with pytest.raises(InputError, match=r"the VEX file .* cannot be read"):
        vex.load_vex(str(tmp_path / "missing.json"), str(keys), now=make.NOW)
    with pytest.raises(InputError, match="key"):
        vex.load_vex(str(tmp_path / "missing.json"), str(tmp_path / "missing.asc"), now=make.NOW)


def test_time_is_compared_as_time() -> None:
    """A document is not in the future because its zone is ahead."""
    ahead = openvex(statement(), timestamp="2026-11-25T01:00:00+14:00")
    assert read(ahead).statements[0].time == "2026-11-24T11:00:00Z"
    assert datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc) == make.NOW


def test_reading_changes_nothing() -> None:
    document = csaf()
    before = copy.deepcopy(document)
    assert read(document) == read(document)
    assert document == before
