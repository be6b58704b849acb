# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OSV records of AlmaLinux and Rocky Linux."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import Document
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.osv import read_record
from ansible_collections.imagescan.openshift.tests.support.advisories import Json, record
from ansible_collections.imagescan.openshift.tests.support.data import data_path

FIX = ("openssl-libs", "1:3.0.7-28.el9")


def read(value: t.Any, **options: t.Any) -> Document:
    return read_record(json.dumps(value).encode(), "ALSA-2026:1001.json", **options)


def test_a_real_record() -> None:
    path = data_path("AlmaLinux+osv-database/advisories/almalinux9/ALSA-2026:A002.json")
    document = read_record(path.read_bytes(), path.name)
    ((cve, rows),) = document.vulnerabilities
    assert (document.category, document.revision, document.skipped) == ("osv", "2026-05-01T19:09:39Z", {})
    # 117 packages, and the kernel's source package.
    assert (cve, len(rows)) == ("CVE-2026-31431", 118)
    assert (rows[-1].name, rows[-1].evr, rows[-1].arch) == ("kernel", "5.14.0-611.49.2.el9_7", "src")
    assert rows[0]._asdict() == {
        "name": "kernel",
        "status": "fixed",
        "module": "",
        "evr": "5.14.0-611.49.2.el9_7",
        "severity": "important",
        "fix_state": "",
        "advisory": "ALSA-2026:A002",
        "cvss": "",
        "arch": "",
        "cpe": "cpe:/o:almalinux:almalinux:9",
        "product": "AlmaLinux 9",
    }


@pytest.mark.parametrize("key", ["related", "upstream", "aliases"])
def test_the_vulnerabilities_are_those_that_the_record_names(key: str) -> None:
    value = {**record("RLSA-2026:1", FIX, ecosystem="Rocky Linux:9"), "related": []}
    value[key] = ["CVE-2026-2", "RHSA-2026:1", "CVE-2026-0001"]
    assert [cve for cve, _rows in read(value).vulnerabilities] == ["CVE-2026-0001"]


def test_an_advisory_without_a_vulnerability_stands_for_itself() -> None:
    assert [cve for cve, _rows in read(record("ALSA-2026:1", FIX, related=[])).vulnerabilities] == ["ALSA-2026:1"]


@pytest.mark.parametrize("identity", ["ALBA-2026:1", "ALEA-2026:1", "RLBA-2026:1"])
def test_a_bug_fix_counts_only_when_it_fixes_a_vulnerability(identity: str) -> None:
    ecosystem = "Rocky Linux:9" if identity.startswith("RL") else "AlmaLinux:9"
    assert read(record(identity, FIX, related=[])).category == "osv-other"
    assert read(record(identity, FIX, ecosystem=ecosystem)).category == "osv"


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"database_specific": {"severity": "Critical"}}, "critical"),
        ({"database_specific": {"severity": "HIGH"}}, "important"),
        ({"summary": "Moderate: openssl security update"}, "moderate"),
        ({"summary": "Low: openssl security update", "database_specific": {"severity": 7}}, "low"),
        # Nobody rated it: the worst, never as little.
        ({"summary": "openssl security update"}, "critical"),
        ({"summary": "None: openssl security update"}, "critical"),
    ],
)
def test_severities(changes: Json, severity: str) -> None:
    assert {row.severity for row in read(record("ALSA-2026:1", FIX, **changes)).vulnerabilities[0][1]} == {severity}


@pytest.mark.parametrize(
    ("ecosystem", "cpe"),
    [
        ("AlmaLinux:8", "cpe:/o:almalinux:almalinux:8"),
        ("AlmaLinux:10.1", "cpe:/o:almalinux:almalinux:10"),
        ("AlmaLinux", "cpe:/o:almalinux:almalinux"),
        ("Rocky Linux:9", "cpe:/o:rocky:rocky:9"),
        ("Rocky Linux:9:SIG Cloud", "cpe:/o:rocky:rocky:9"),
    ],
)
def test_ecosystems_of_ours(ecosystem: str, cpe: str) -> None:
    identity = "ALSA-2026:1" if ecosystem.startswith("Alma") else "RLSA-2026:1"
    assert read(record(identity, FIX, ecosystem=ecosystem)).vulnerabilities[0][1][0].cpe == cpe


def test_what_others_say_is_left_out_and_counted() -> None:
    both = record("GHSA-1", FIX)
    both["affected"] += record("X", ("openssl", "3.0.7-1"), ecosystem="Debian:12")["affected"]
    assert read(both).skipped == {"other_ecosystem": 1}
    assert read(record("DSA-2026:1", FIX, ecosystem="Debian:12")).category == "osv-other"


@pytest.mark.parametrize("ecosystem", ["Debian:12", "AlmaL\x7fnux:9", "", None, "Rocky Linux:9"])
def test_an_advisory_of_ours_is_about_our_packages(ecosystem: t.Any) -> None:
    """Left out, a damaged entry would look like nothing said."""
    with pytest.raises(CorruptData, match="an advisory of AlmaLinux"):
        read(record("ALSA-2026:1", FIX, ecosystem=ecosystem))


@pytest.mark.parametrize("affected", [[], None, [{}], [{"package": None}]])
def test_an_advisory_of_ours_names_packages(affected: t.Any) -> None:
    with pytest.raises(CorruptData, match="an advisory of AlmaLinux"):
        read({**record("ALSA-2026:1", FIX), "affected": affected})


def test_a_key_that_stands_twice_is_refused() -> None:
    text = json.dumps(record("ALSA-2026:1", FIX)).replace('"affected": ', '"affected": [], "affected": ')
    with pytest.raises(CorruptData, match="twice"):
        read_record(text.encode(), "it")


@pytest.mark.parametrize(
    ("summary", "module"),
    [
        ("Important: python39:3.9 security update", "python39:3.9"),
        # The module for developers stands for its companion.
        ("Moderate: python39:3.9 and python39-devel:3.9 security update", "python39:3.9"),
        ("Moderate: idm:DL1 and idm:client security update", "?"),
        ("Moderate: go-toolset security update", "?"),
    ],
)
def test_the_module_of_modular_builds(summary: str, module: str) -> None:
    value = record("ALSA-2026:1", ("python39", "3.9.13-2.module_el8.7.0+3351+e02cdf9b"), FIX, summary=summary)
    assert [row.module for row in read(value).vulnerabilities[0][1]] == [module, ""]


def test_a_range_without_a_fix_is_open() -> None:
    value = record("ALSA-2026:1", FIX)
    value["affected"][0]["ranges"][0]["events"] = [{"introduced": "0"}]
    rows = read(value).vulnerabilities[0][1]
    assert {(row.status, row.fix_state, row.evr) for row in rows} == {("known_affected", "affected", "")}


@pytest.mark.parametrize("ranges", [[], None, [{}], [{"events": []}]])
def test_what_says_nothing_of_versions_is_refused(ranges: t.Any) -> None:
    value = record("ALSA-2026:1", FIX)
    value["affected"][0]["ranges"] = ranges
    with pytest.raises(CorruptData, match="range"):
        read(value)


def test_a_version_that_is_none_is_refused() -> None:
    """As no fix at all it would not count where only what can be fixed counts."""
    with pytest.raises(CorruptData, match="'later' cannot be read"):
        read(record("ALSA-2026:1", ("openssl", "later")))
    value = record("ALSA-2026:1", FIX)
    value["affected"][0]["ranges"][0]["events"][-1]["fixed"] = None
    with pytest.raises(CorruptData, match="'' cannot be read"):
        read(value)


def test_a_withdrawn_record_says_nothing() -> None:
    document = read(record("ALSA-2026:1", FIX, withdrawn="2026-08-02T00:00:00Z"))
    assert (document.deleted, document.vulnerabilities) == (True, ())


def test_only_what_is_asked_for() -> None:
    value = record("ALSA-2026:1", FIX, ("curl", "7.76.1-1.el9"))
    assert [row.name for row in read(value, names={"curl"}).vulnerabilities[0][1]] == ["curl"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "not a JSON object"),
        ({"id": "ALSA-2026:1"}, "not an OSV record"),
        (record("../x", FIX), "not the id of a record"),
        ({**record("ALSA-2026:1", FIX), "modified": "yesterday"}, "expected a time"),
        ({**record("ALSA-2026:1", FIX), "affected": "all"}, "affected is text"),
        ({**record("ALSA-2026:1", FIX), "affected": [1]}, "not a list of objects"),
        ({**record("ALSA-2026:1", FIX), "related": [1]}, "not a list of texts"),
        (record("ALSA-2026:1", FIX, ecosystem="AlmaLinux:nine"), "not like AlmaLinux:9"),
        (record("ALSA-2026:1", ("a b", "1-1")), "not the name of a package"),
        ({**record("ALSA-2026:1", FIX), "withdrawn": "x"}, "expected a time"),
    ],
)
def test_what_cannot_be_read_is_said(value: t.Any, message: str) -> None:
    with pytest.raises(CorruptData, match=message):
        read(value)


@pytest.mark.parametrize(
    ("summary", "fixes", "source"),
    [
        ("Important: bind security update", [("bind-doc", "32:9.18-4.el9")], [("bind", "9.18-4.el9")]),
        ("bind security, bug fix, and enhancement update", [("bind-doc", "32:9.18-4.el9")], [("bind", "9.18-4.el9")]),
        # Two builds: which of them is the source's?
        ("bind security update", [("bind-doc", "32:9.18-4.el9"), ("bind-x", "1-1.el9")], []),
        ("bind and dhcp security update", [("bind-doc", "32:9.18-4.el9")], []),
        ("mysql:8.0 security update", [("mysql", "8.0-1.module_el9+1+abcdef12")], []),
        ("golang security update", [("go-toolset", "1-1.el9")], []),
    ],
)
def test_the_source_package_of_the_title(
    summary: str, fixes: list[tuple[str, str]], source: list[tuple[str, str]]
) -> None:
    rows = read(record("ALSA-2026:1", *fixes, summary=summary)).vulnerabilities[0][1]
    assert [(row.name, row.evr) for row in rows if row.arch == "src"] == source
