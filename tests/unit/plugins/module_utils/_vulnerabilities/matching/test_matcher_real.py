# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matcher against real documents: what Red Hat lists as fixed is fixed, what came before it is not."""

from __future__ import annotations

import json
import lzma
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._rpm.databases import read_database
from ansible_collections.imagescan.openshift.plugins.module_utils._rpm.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.cpes import RHEL, parse_cpe
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import Row
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.builds import (
    compare_builds,
    parse_build,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Match
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.vex import NOW, RED_HAT_KEY, inventory

CLAIRCORE = "quay+claircore/rhel/vex/testdata"
SUDO = "anchore+vunnel/tests/unit/providers/rhel/test-fixtures/csaf/advisories/rhsa-2024_0811.json"
_EL = re.compile(r"(el[0-9]+|hum[0-9]+)")


def real_documents() -> dict[str, bytes]:
    """Every CSAF document in the data folder, by name. The advisory, of the same shape, stands in as a VEX document."""
    found = {path.name: path.read_bytes() for path in sorted(data_path().rglob("cve-*.json"))}
    parts = re.split(r"^-- (\S+).* --\n", data_path(f"{CLAIRCORE}/server.txtar").read_text("utf-8"), flags=re.MULTILINE)
    for name, text in zip(parts[1::2], parts[2::2]):
        if name.endswith(".json"):
            found[f"server-{Path(name).name}"] = text.encode()
    advisory = json.loads(data_path(SUDO).read_bytes())
    advisory["document"]["category"] = "csaf_vex"
    found["rhsa-2024_0811.json"] = json.dumps(advisory).encode()
    return found


class Built(t.NamedTuple):
    """A build that a document lists as fixed."""

    document: str
    cve: str
    row: Row


@pytest.fixture(scope="module")
def fixed_builds() -> list[Built]:
    builds = [
        Built(name, cve, row)
        for name, data in real_documents().items()
        for cve, rows in read_document(data, name).vulnerabilities
        for row in dict.fromkeys(row._replace(product="") for row in rows)
        if row.status == "fixed"
    ]
    assert len(builds) > 800
    return builds


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, FeedIndex]]:
    """An index for each document, and one that maps each CPE in it to a repository of that name."""
    folder = tmp_path_factory.mktemp("real")
    opened: dict[str, FeedIndex] = {}
    for name, data in real_documents().items():
        cpes = {row.cpe for _cve, rows in read_document(data, name).vulnerabilities for row in rows}
        root = folder / name
        root.mkdir()
        (root / name).write_bytes(data)
        mapped = folder / f"{name}.map"
        mapped.write_text(json.dumps({"data": {cpe: {"cpes": [cpe]} for cpe in cpes} or {"none": {"cpes": []}}}))
        build_index(str(root), str(folder / f"{name}.index"), repository_map=str(mapped), now=NOW)
        opened[name] = FeedIndex.open(str(folder / f"{name}.index"))
    yield opened
    for index in opened.values():
        index.close()


def installed(row: Row, evr: str) -> Package:
    """The build as a header would show it. A source package is one that a package of another name was built from."""
    epoch, _colon, version_release = evr.partition(":")
    version, release = version_release.rsplit("-", 1)
    name = "built-from-it" if row.arch == "src" else row.name
    source = row.name if row.arch == "src" else f"source-of-{row.name}"
    return Package(
        name=name,
        epoch=int(epoch) if row.arch != "src" else 7,
        version=version,
        release=release,
        arch="x86_64" if row.arch in ("src", "") else row.arch,
        source_rpm=f"{source}-{version_release}.src.rpm",
        vendor="Red Hat, Inc.",
        key_id=RED_HAT_KEY,
        modularity=f"{row.module}:1:abcdef01" if row.module else "",
    )


def products_of(row: Row, rows: t.Iterable[Row], *, streams: bool) -> list[str]:
    """CPEs of an image that has the build: its own, or all of Enterprise Linux of that major version together."""
    own = parse_cpe(row.cpe)
    assert own is not None
    if not streams or own.family != RHEL:
        return [row.cpe]
    others = {other.cpe for other in rows}
    return sorted(cpe for cpe in others if (c := parse_cpe(cpe)) and c.family == RHEL and c.major == own.major)


def judged(index: FeedIndex, package: Package, cpes: list[str]) -> Match:
    major = _EL.search(package.release)
    version = major[1][2:] if major and major[1].startswith("el") else "9"
    return match_inventory(inventory(package, version=version, repositories=cpes), index)


@pytest.mark.parametrize("streams", [False, True], ids=["own product", "all streams"])
def test_every_fixed_build_is_fixed(fixed_builds: list[Built], indexes: dict[str, FeedIndex], streams: bool) -> None:
    wrong = []
    seen = 0
    for document, cve, row in fixed_builds:
        rows = [one.row for one in fixed_builds if one.document == document]
        package = installed(row, row.evr)
        match = judged(indexes[document], package, products_of(row, rows, streams=streams))
        seen += bool(match.counts["statements_applicable"])
        wrong.extend((document, row, finding) for finding in match.findings if finding.id == cve)
    assert not wrong, f"{len(wrong)} of {len(fixed_builds)}, the first: {wrong[:3]}"
    assert seen == len(fixed_builds), "the statements must have been looked at, or this shows nothing"


def lower_release(evr: str) -> str | None:
    """The build before: the last number after the dist tag, the module's build, or the release, lowered by one."""
    head, _dash, release = evr.rpartition("-")
    match = re.fullmatch(r"(.*\.module\+el[0-9.]+\+)([0-9]+)(\+[0-9a-f]{8}.*)", release)
    match = match or re.fullmatch(r"(.*\.el[0-9]+_[0-9]+\.)([0-9]+)()", release)
    match = match or re.fullmatch(r"()([0-9]+)(.*)", release)
    if not match or int(match[2]) == 0:
        return None
    return f"{head}-{match[1]}{int(match[2]) - 1}{match[3]}"


def lower_version(evr: str) -> str | None:
    """The version before, of the same release."""
    head, _dash, release = evr.rpartition("-")
    numbers = [match for match in re.finditer(r"[0-9]+", head.partition(":")[2]) if int(match[0]) > 0]
    if not numbers:
        return None
    last = numbers[-1]
    version = head.partition(":")[2]
    version = f"{version[: last.start()]}{int(last[0]) - 1}{version[last.end() :]}"
    return f"{head.partition(':')[0]}:{version}-{release}"


@pytest.mark.parametrize("streams", [False, True], ids=["own product", "all streams"])
@pytest.mark.parametrize("lowered", [lower_release, lower_version])
def test_no_predecessor_is_fixed(
    fixed_builds: list[Built],
    indexes: dict[str, FeedIndex],
    lowered: t.Callable[[str], str | None],
    streams: bool,
) -> None:
    wrong = []
    tried = 0
    for document, cve, row in fixed_builds:
        evr = lowered(row.evr)
        rows = [one.row for one in fixed_builds if one.document == document]
        if evr is None or any(other.name == row.name and other.evr == evr for other in rows):
            continue
        tried += 1
        match = judged(indexes[document], installed(row, evr), products_of(row, rows, streams=streams))
        if not any(finding.id == cve and finding.status == "fix_available" for finding in match.findings):
            wrong.append((document, row, evr))
    assert tried > 500
    assert not wrong, f"{len(wrong)} of {tried}, the first: {wrong[:3]}"


def test_the_data_tells_rules_apart(fixed_builds: list[Built]) -> None:
    """The rules of other matchers (highest fix, any newer fix) call builds vulnerable that Red Hat lists as fixed."""
    wrong = 0
    for document, cve, row in fixed_builds:
        fixes = [
            one.row.evr
            for one in fixed_builds
            if (one.document, one.cve) == (document, cve)
            and (one.row.name, one.row.arch, one.row.module, one.row.cpe) == (row.name, row.arch, row.module, row.cpe)
        ]
        wrong += any(compare_builds(parse_build(row.evr), parse_build(evr)) < 0 for evr in fixes)
    assert wrong > 50


@pytest.fixture(scope="module")
def whole_index(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[FeedIndex]:
    """All real VEX documents in one index."""
    root = tmp_path_factory.mktemp("whole")
    feed = root / "feed"
    feed.mkdir()
    for name, data in real_documents().items():
        (feed / name).write_bytes(data)
    build_index(str(feed), str(root / "index"), now=NOW)
    with FeedIndex.open(str(root / "index")) as index:
        yield index


def test_the_verdicts_worked_out_for_the_rhel8_beta_image(whole_index: FeedIndex) -> None:
    expected = json.loads(data_path("_expected/rhel8-beta.vex-expected.json").read_text("utf-8"))
    raw = lzma.decompress(data_path("_derived/rhel8-beta.rpmdb.sqlite.xz").read_bytes())
    read = read_database({"var/lib/rpm/rpmdb.sqlite": raw})
    assert read is not None and len(read[1]) == 101
    match = match_inventory(inventory(*read[1], version="8.0"), whole_index)
    found = {(finding.id, finding.package.rpartition(".")[0]): finding for finding in match.findings}
    affected = {
        (cve, package)
        for cve, verdict in expected.items()
        if cve.startswith("CVE-")
        for package in verdict.get("affected_no_fix", {})
    }
    assert affected, "the expectations must name something"
    assert set(found) == affected
    assert {finding.status for finding in found.values()} == {"fix_deferred"}
    assert {finding.severity for finding in found.values()} == {"low"}
    assert {cpe.source for cpe in match.cpes} == {"assumed"}
    assert {cpe.cpe for cpe in match.cpes} >= {
        "cpe:/o:redhat:enterprise_linux:8::baseos",
        "cpe:/a:redhat:enterprise_linux:8::appstream",
    }
    assert match.counts["packages"] == 101
    assert match.counts["packages_covered"] == 99
    assert not match.not_covered, "public keys are no packages"


def test_a_real_image_of_rhel_9(whole_index: FeedIndex) -> None:
    """ubi9/httpd-24:9.5, read by hand: its curl and openssl are newer than every fix, its python is affected."""
    manifest = json.loads(
        data_path("quay+claircore/rhel/testdata/httpd-24_9.5-1734525854.rpm-manifest.json").read_text("utf-8")
    )
    packages = []
    for entry in manifest["rpms"]:
        epoch, colon, version = entry["version"].rpartition(":")
        packages.append(
            Package(
                name=entry["name"],
                epoch=int(epoch) if colon else None,
                version=version,
                release=entry["release"],
                arch=entry["architecture"],
                source_rpm=f"{entry['srpm_nevra']}.rpm",
                key_id=entry["gpg"],
            )
        )
    match = match_inventory(inventory(*packages, version="9.5"), whole_index)
    assert match.counts["packages_covered"] == len(packages) == 243
    assert {(finding.id, finding.package, finding.status) for finding in match.findings} == {
        ("CVE-2026-2297", "python3-0:3.9.21-1.el9_5.x86_64", "fix_deferred"),
        ("CVE-2026-2297", "python3-libs-0:3.9.21-1.el9_5.x86_64", "fix_deferred"),
    }
    assert match.counts["packages_matched"] >= 8
    assert not match.not_covered and match.supported
