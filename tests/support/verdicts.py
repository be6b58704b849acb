# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that passes, from which tests of judging and reporting take one thing away."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import RULE_RESULTS
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    OsRelease,
    Package,
    PackageDatabase,
    RepositoryId,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import (
    AppliedCpe,
    FeedInfo,
    Finding,
    Match,
    UnreadDocument,
)

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)
CPE = "cpe:/o:redhat:enterprise_linux:9::baseos"
KEY = "199e2f91fd431d51"

PACKAGES = (
    Package("openssl-libs", 1, "3.0.7", "27.el9", "x86_64", "openssl-3.0.7-27.el9.src.rpm", "Red Hat, Inc.", KEY),
    Package("bash", None, "5.1.8", "9.el9", "x86_64", "bash-5.1.8-9.el9.src.rpm", "Red Hat, Inc.", KEY),
)
INVENTORY = Inventory(
    kind="rpm",
    os=OsRelease(id="rhel", version_id="9.4", pretty_name="Red Hat Enterprise Linux 9.4 (Plow)"),
    packages=PACKAGES,
    database=PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", 2),
    repositories=(RepositoryId("rhel-9-for-x86_64-baseos-rpms", "content_manifest"),),
    label_cpes=(),
    labels={"com.example.stage": "production"},
    not_examined={},
    problems=(),
)
FEED = FeedInfo(
    serial="serial-1",
    format="csaf-vex",
    checked="2026-11-24T06:00:00Z",
    newest="2026-11-23T20:00:00Z",
    documents=60_000,
    statements=1000,
    repository_map=True,
    years=(1999, 2026),
)
#: A document that may be about the image.
UNREAD = UnreadDocument("2026/cve-2026-1.json", "a" * 64, ("openssl", "openssl-libs"))
MATCH = Match(
    findings=(),
    cpes=(AppliedCpe(CPE, "content_manifest"),),
    not_covered=(),
    unmapped=(),
    supported=True,
    feed=FEED,
    counts={"packages": 2, "packages_covered": 2, "packages_matched": 2, "statements_applicable": 12},
)
SUBJECT = Subject(
    digest="sha256:" + "1" * 64,
    reference="registry.example.com/team/app:1.0",
    references=("registry.example.com/team/app:latest",),
    platform="linux/amd64",
    labels={"com.example.stage": "production"},
    inventory=INVENTORY,
    scanned_at="2026-11-20T00:00:00Z",
    match=MATCH,
    feed=FEED,
)


def finding(**changes: t.Any) -> Finding:
    """An important finding with a fix."""
    values: dict[str, t.Any] = {
        "id": "CVE-2026-1001",
        "package": PACKAGES[0].nevra,
        "name": "openssl-libs",
        "severity": "important",
        "status": "fix_available",
        "fixed_in": "1:3.0.7-28.el9",
        "advisory": "RHSA-2026:1001",
        "module": "",
        "cpe": CPE,
        "product": "Red Hat Enterprise Linux 9",
        "revision": "2026-11-01T00:00:00Z",
        "document": "2026/cve-2026-1001.json",
        "cvss": "7.5 CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H",
    }
    return Finding(**{**values, **changes})


def inventory(**changes: t.Any) -> dict[str, t.Any]:
    """Changes of the subject: another inventory."""
    return {"inventory": dataclasses.replace(INVENTORY, **changes)}


def match(**changes: t.Any) -> dict[str, t.Any]:
    """Changes of the subject: another match."""
    return {"match": dataclasses.replace(MATCH, **changes)}


def feed(**changes: t.Any) -> dict[str, t.Any]:
    """Changes of the subject: other data, against which it was matched."""
    changed = dataclasses.replace(FEED, **changes)
    return {"feed": changed, **match(feed=changed)}


def subject(**changes: t.Any) -> Subject:
    """The image that passes, with changes."""
    return dataclasses.replace(SUBJECT, **changes)


def compliance(*rules: t.Mapping[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
    """Results of OpenSCAP as the judge takes them. ``rules``: what differs from one of high severity that passed."""
    one = {"id": "r1", "title": "a rule", "result": "pass", "severity": "high", "identifiers": [], "references": []}
    results: dict[str, t.Any] = {
        "profile": "cis",
        "benchmark": {"id": "xccdf_org.ssgproject.content_benchmark_RHEL-9", "version": "0.1.65"},
        "content": "sha256:" + "c" * 64,
        "tailoring": "",
        "partial": False,
        "score": 95.0,
        "problems": [],
        "rules": [{**one, **rule} for rule in rules or ({},)],
    }
    results["counts"] = {name: sum(rule["result"] == name for rule in results["rules"]) for name in RULE_RESULTS}
    return {**results, **changes}
