# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that OpenSCAP wrote, of many versions and in all forms, against an independent reading with lxml.

They come from projects that publish them as test data, from the wheel of openscap-report, and from the oscap that is
installed here, which evaluates a root made from packages.
"""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
import sys
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.files import read_chunks
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import RULE_SEVERITIES
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.reader import (
    read_definitions,
    read_results,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT, missing
from ansible_collections.imagescan.openshift.tests.support.rpm_tools import build_database

etree = pytest.importorskip("lxml.etree", reason="the package lxml is for tests alone")

PUBLISHED = (
    "ComplianceAsCode+compliance-operator/tests/data/xccdf-result.xml",
    "OpenSCAP+openscap/tests/API/XCCDF/unittests/test_xccdf_overrides.arf.xml",
)
OVAL_FILE = "OpenSCAP+openscap/tests/API/OVAL/results-good.xml"
WHEEL = "openscap-report==1.0.0"
CONTENT = Path("/usr/share/xml/scap/ssg/content")
XCCDF = ("http://checklists.nist.gov/xccdf/1.1", "http://checklists.nist.gov/xccdf/1.2")
OVAL = "{http://oval.mitre.org/XMLSchema/oval-results-5}"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of openscap-report, which carries results of many versions of oscap."""
    folder = CHECKOUT / "build" / "wheels"
    if not list(folder.glob("openscap_report-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            missing(f"{WHEEL}, which pip cannot fetch")
    return zipfile.ZipFile(next(folder.glob("openscap_report-*.whl")))


def spec(name: str, version: str, more: str = "") -> str:
    return (
        f"Name: {name}\nVersion: {version}\nRelease: 1.el9\nSummary: x\nLicense: x\nBuildArch: noarch\n{more}"
        "%description\nx\n%files\n"
    )


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[..., Path]:
    """Evaluate a root with the oscap that is here; gives the folder with what it wrote."""
    oscap = require_program("oscap")
    content = CONTENT / "ssg-rhel9-ds.xml"
    if not content.exists():
        missing(f"{content} (package ssg-nondebian)")
    if os.geteuid() != 0:
        missing("root, for the chroot of oscap")
    folder = tmp_path_factory.mktemp("openscap")
    root = folder / "root"
    for path in ("etc", "proc", "run", "var/lib", "home"):
        (root / path).mkdir(parents=True)
    names = ("pam", "sudo", "shadow-utils", "audit", "openssh-server", "telnet-server", "rsyslog", "kernel")
    release = spec("redhat-release", "9.2", "Provides: system-release = 9.2\n")
    database = build_database(folder / "rpm", [release, *(spec(name, "1") for name in names)])
    shutil.copytree(database, root / "var/lib/rpm")
    (root / "etc/redhat-release").write_text("Red Hat Enterprise Linux release 9.2\n", encoding="utf-8")
    (root / "etc/os-release").write_text('ID="rhel"\nVERSION_ID="9.2"\n', encoding="utf-8")
    (root / "run/.containerenv").touch()
    (folder / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n", encoding="utf-8")

    def evaluate(profile: str, *options: str) -> Path:
        into = folder / f"{profile}{len(options)}"
        if not into.exists():
            into.mkdir()
            command = [oscap, "xccdf", "eval", "--profile", profile, *options, str(content)]
            environment = {**os.environ, "HOME": str(folder), "OSCAP_PROBE_ROOT": str(root)}
            done = subprocess.run(command, cwd=into, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 2, done.stderr[-2000:]
        return into

    return evaluate


def text_of(element: t.Any) -> str:
    return " ".join("".join(element.itertext()).split())


def read_by_lxml(path: Path) -> dict[str, t.Any]:
    """What matters of the last TestResult, read from a whole tree."""
    parser = etree.XMLParser(huge_tree=True, resolve_entities=False)
    tree = etree.parse(str(path), parser)
    tests = [test for one in XCCDF for test in tree.iter(f"{{{one}}}TestResult")]
    test = tests[-1]
    space = "{" + etree.QName(test).namespace + "}"
    benchmark = test.find(f"{space}benchmark").get("id")
    rules: dict[str, t.Any] = {}
    for found in tree.iter(f"{space}Benchmark"):
        if found.get("id") == benchmark:
            rules = {rule.get("id"): rule for rule in found.iter(f"{space}Rule")}
    reports: dict[str, dict[str, list[str]]] = {}
    for report in tree.iter("{http://scap.nist.gov/schema/asset-reporting-format/1.1}report"):
        for one in report.iter(f"{OVAL}definition"):
            reports.setdefault(report.get("id"), {}).setdefault(one.get("definition_id"), []).append(one.get("result"))
    rows = []
    counts: t.Counter[str] = collections.Counter()
    for one in test.iter(f"{space}rule-result"):
        result = one.findtext(f"{space}result").strip()
        counts[result] += 1
        if result != "notselected":
            rows.append((result, one, rules.get(one.get("idref"))))
    return {
        "counts": dict(counts),
        "id": test.get("id"),
        "profile": (test.find(f"{space}profile").get("idref") if test.find(f"{space}profile") is not None else ""),
        "benchmark": benchmark or "",
        "targets": [text_of(one) for one in test.iter(f"{space}target")],
        "facts": [(one.get("name"), text_of(one)) for one in test.iter(f"{space}fact")],
        "scores": [
            (one.get("system"), float(one.text), float(one.get("maximum", "100"))) for one in test.iter(f"{space}score")
        ],
        "rules": [row(space, result, one, rule, reports) for result, one, rule in rows],
    }


def row(space: str, result: str, one: t.Any, rule: t.Any, reports: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    own = [] if rule is None else list(rule)

    def of_rule(name: str) -> list[t.Any]:
        return [child for child in own if child.tag == space + name]

    severity = one.get("severity") or ("" if rule is None else rule.get("severity"))
    definitions = []
    for check in one.iter(f"{space}check"):
        if check.get("system") != "http://oval.mitre.org/XMLSchema/oval-definitions-5":
            continue
        for ref in check.iter(f"{space}check-content-ref"):
            name, href = ref.get("name"), ref.get("href").lstrip("#")
            if not name:
                continue
            holders = [reports[href]] if name in reports.get(href, {}) else [r for r in reports.values() if name in r]
            definitions += [(name, found) for found in (holders[0][name] if len(holders) == 1 else [""])]
    return {
        "id": one.get("idref"),
        "result": result,
        "severity": severity if severity in RULE_SEVERITIES else "unknown",
        "weight": float(one.get("weight", "1")),
        "title": text_of(of_rule("title")[0]) if of_rule("title") else "",
        "identifiers": list(
            dict.fromkeys((i.get("system"), text_of(i)) for i in [*one.findall(f"{space}ident"), *of_rule("ident")])
        ),
        "references": list(dict.fromkeys(text_of(r) or r.get("href") for r in of_rule("reference"))),
        "messages": [text_of(m) for m in one.findall(f"{space}message")],
        "instances": [text_of(m) for m in one.findall(f"{space}instance")],
        "overridden": one.findtext(f"{space}override/{space}old-result", default=""),
        "remediation": bool(of_rule("fix")) or one.find(f"{space}fix") is not None,
        "definitions": definitions,
    }


def read_by_us(path: Path) -> dict[str, t.Any]:
    """The same, by our reader."""
    results = read_results(read_chunks(path), "it")
    return {
        "counts": {name: number for name, number in results.counts.items() if number},
        "id": results.id,
        "profile": results.profile,
        "benchmark": results.benchmark.id,
        "targets": list(results.targets),
        "facts": list(results.facts),
        "scores": list(results.scores),
        "rules": [
            {
                "id": rule.id,
                "result": rule.result,
                "severity": rule.severity,
                "weight": rule.weight,
                "title": rule.title,
                "identifiers": list(rule.identifiers),
                "references": list(rule.references),
                "messages": list(rule.messages),
                "instances": list(rule.instances),
                "overridden": rule.overridden,
                "remediation": rule.remediation,
                "definitions": [(one.id, one.result) for one in rule.definitions],
            }
            for rule in results.rules
        ],
    }


def check(path: Path) -> dict[str, t.Any]:
    ours, theirs = read_by_us(path), read_by_lxml(path)
    assert ours == theirs
    return ours


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_results_are_read_as_lxml_reads_them(name: str) -> None:
    assert len(check(data_path(name))["rules"]) > 20


def test_published_oval_results_are_read_as_lxml_reads_them() -> None:
    path = data_path(OVAL_FILE)
    ours = read_definitions(read_chunks(path), "it")
    theirs = [(one.get("definition_id"), one.get("result")) for one in etree.parse(str(path)).iter(f"{OVAL}definition")]
    assert theirs
    assert sorted((one.id, one.result) for found in ours.values() for one in found) == sorted(theirs)
    with pytest.raises(CorruptData):
        read_results(read_chunks(path), "it")


@pytest.mark.timeout(300)
def test_results_that_openscap_report_tests_with_are_read_as_lxml_reads_them(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    """Each file is read alike, or has no results for lxml either."""
    rules = 0
    names = [name for name in wheel.namelist() if name.startswith("tests/test_data/") and name.endswith(".xml")]
    for name in names:
        path = Path(wheel.extract(name, tmp_path))
        if path.name in ("empty.xml", "plant_catalog.xml"):
            with pytest.raises(CorruptData):
                read_by_us(path)
        else:
            rules += len(check(path)["rules"])
    assert len(names) >= 17
    assert rules > 1000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("profile", ["cis", pytest.param("stig", marks=pytest.mark.full)])
def test_what_oscap_writes_here_is_read_as_lxml_reads_it(profile: str, evaluated: t.Callable[..., Path]) -> None:
    folder = evaluated(profile, "--results-arf", "arf.xml", "--results", "xccdf.xml")
    arf, xccdf = check(folder / "arf.xml"), check(folder / "xccdf.xml")
    assert arf["counts"] == xccdf["counts"]
    assert arf["counts"]["pass"] >= 20
    assert arf["counts"]["fail"] >= 20
    assert all(one["title"] for one in arf["rules"])
    assert [one["definitions"] and one["definitions"][0][1] for one in arf["rules"] if one["result"] == "fail"].count(
        "false"
    ) >= 20


@pytest.mark.full
@pytest.mark.timeout(300)
def test_thin_results_give_the_same(evaluated: t.Callable[..., Path]) -> None:
    full = evaluated("cis", "--results-arf", "arf.xml", "--results", "xccdf.xml")
    thin = evaluated("cis", "--results-arf", "arf.xml", "--thin-results", "--skip-validation", "--progress")
    assert (thin / "arf.xml").stat().st_size < (full / "arf.xml").stat().st_size
    assert check(thin / "arf.xml")["rules"] == check(full / "arf.xml")["rules"]


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_real_arf_that_was_cut_gives_nothing(evaluated: t.Callable[..., Path]) -> None:
    folder = evaluated("cis", "--results-arf", "arf.xml", "--results", "xccdf.xml")
    data = (folder / "arf.xml").read_bytes().rstrip()
    after_results = data.index(b"</TestResult>") + 13
    for end in (0, 100, len(data) // 3, after_results, after_results + 1000, len(data) - 1000, len(data) - 1):
        with pytest.raises(CorruptData) as caught:
            read_results([data[:end]], "it")
        assert caught.value.code == "results-truncated"
