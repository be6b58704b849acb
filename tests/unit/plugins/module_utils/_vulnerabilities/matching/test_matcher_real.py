# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matcher against real documents: what Red Hat lists as fixed is fixed, what came before it is not."""

from __future__ import annotations

import functools
import json
import lzma
import re
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.databases import read_database
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.cpes import RHEL, parse_cpe
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import StatementRow
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
from ansible_collections.imagescan.openshift.tests.support.documents import real_documents, whole_documents
from ansible_collections.imagescan.openshift.tests.support.vex import NOW, RED_HAT_KEY, inventory

_EL = re.compile(r"(el[0-9]+|hum[0-9]+)")


class Built(t.NamedTuple):
    """A build that a document lists as fixed."""

    document: str
    cve: str
    row: StatementRow


def test_the_documents_are_all_there() -> None:
    """Both shapes, and documents of every kind of place: files, an archive, a text of several files."""
    names = [name[3:] for name in real_documents()]
    assert len(names) >= 18
    for name in ("cve-2023-38545.json", "rhsa-2024_0811.json", "cve-2026-12345.json", "cve-2023-0118.json"):
        assert name in names
    assert names.count("cve-2023-0030.json") == 2, "one of them from the archive"


@functools.cache
def documents() -> dict[str, bytes]:
    """Those with the shape of vex. test_flat_real.py has those of vex-feed."""
    return {**real_documents(), **whole_documents("legacy", "advisory")}


@pytest.fixture(scope="module", params=[pytest.param(1, marks=pytest.mark.full), 40])
def fixed_builds(request: pytest.FixtureRequest) -> list[Built]:
    """Every build that a document lists as fixed, or every so many of the archive's."""
    builds = [
        Built(name, cve, row)
        for name, data in documents().items()
        for cve, rows in read_document(data, name).vulnerabilities
        for row in dict.fromkeys(row._replace(product="") for row in rows)
        if row.status == "fixed"
    ]
    assert len(builds) > 12_000
    chosen = [build for number, build in enumerate(builds) if not number % request.param or is_own(build)]
    assert sum(build.row.arch == "src" for build in chosen) > 50
    return chosen


def is_own(build: Built) -> bool:
    """Whether a build is of the small documents, of which each build is tried."""
    return build.document in real_documents()


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, FeedIndex]]:
    """An index for each document, and one that maps each CPE in it to a repository of that name."""
    folder = tmp_path_factory.mktemp("real")
    opened: dict[str, FeedIndex] = {}
    for name, data in documents().items():
        cpes = {row.cpe for _cve, rows in read_document(data, name).vulnerabilities for row in rows}
        cpes |= {main_stream(cpe.major) for cpe in map(parse_cpe, cpes) if cpe is not None and cpe.family == RHEL}
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


def installed(row: StatementRow, evr: str) -> Package:
    """The build as a header would show it. A source package is one that a package of another name was built from."""
    epoch, _colon, version_release = evr.rpartition(":")
    version, release = version_release.rsplit("-", 1)
    name = "built-from-it" if row.arch == "src" else row.name
    source = row.name if row.arch == "src" else f"source-of-{row.name}"
    return Package(
        name=name,
        epoch=int(epoch or 0) if row.arch != "src" else 7,
        version=version,
        release=release,
        arch="x86_64" if row.arch in ("src", "") else row.arch,
        source_rpm=f"{source}-{version_release}.src.rpm",
        vendor="Red Hat, Inc.",
        key_id=RED_HAT_KEY,
        modularity=f"{row.module}:1:abcdef01" if row.module else "",
    )


def main_stream(major: int) -> str:
    return f"cpe:/o:redhat:enterprise_linux:{major}::baseos"


def products_of(row: StatementRow, rows: t.Iterable[StatementRow], have: str) -> list[str]:
    """CPEs of an image that has the build.

    ``own product``: that of the fix. ``all streams``: all of Enterprise Linux of its major version. ``main stream``:
    the main stream alone, from which the build of an update stream does not come.
    """
    own = parse_cpe(row.cpe)
    assert own is not None
    if have == "own product" or own.family != RHEL:
        return [row.cpe]
    if have == "main stream":
        return [main_stream(own.major)]
    others = {other.cpe for other in rows}
    return sorted(cpe for cpe in others if (c := parse_cpe(cpe)) and c.family == RHEL and c.major == own.major)


every_image = pytest.mark.parametrize("have", ["own product", "all streams", "main stream"])


def judged(index: FeedIndex, package: Package, cpes: list[str]) -> Match:
    major = _EL.search(package.release)
    version = major[1][2:] if major and major[1].startswith("el") else "9"
    return match_inventory(inventory(package, version=version, repositories=cpes), index)


@every_image
def test_every_fixed_build_is_fixed(fixed_builds: list[Built], indexes: dict[str, FeedIndex], have: str) -> None:
    """0 wrong. Binaries are compared as such; what is listed by its source, with a binary of another name."""
    wrong = []
    seen = 0
    by_document = rows_by_document(fixed_builds)
    for document, cve, row in fixed_builds:
        package = installed(row, row.evr)
        match = judged(indexes[document], package, products_of(row, by_document[document], have))
        seen += bool(match.counts["statements_seen"])
        wrong.extend((document, row, finding) for finding in match.findings if finding.id == cve)
    assert not wrong, f"{len(wrong)} of {len(fixed_builds)}, the first: {wrong[:3]}"
    assert seen == len(fixed_builds), "the statements must have been looked at, or this shows nothing"


def rows_by_document(builds: t.Iterable[Built]) -> dict[str, list[StatementRow]]:
    found: dict[str, list[StatementRow]] = {}
    for document, _cve, row in builds:
        found.setdefault(document, []).append(row)
    return found


def lower(pattern: str) -> t.Callable[[str], str | None]:
    """Lowers the number that is the second group of a pattern, which an EVR must match, by one."""

    def lowered(evr: str) -> str | None:
        match = re.fullmatch(pattern, evr)
        return f"{match[1]}{int(match[2]) - 1}{match[3]}" if match and int(match[2]) else None

    return lowered


PREDECESSORS = {
    "z-release": lower(r"(.*\.el[0-9]+_[0-9]+\.)([0-9]+)()"),
    "module build": lower(r"(.*\.module\+el[0-9.]+\+)([0-9]+)(\+[0-9a-f]{8}.*)"),
    "release": lower(r"(.*-)([0-9]+)([^-]*)"),
    "version": lower(r"([0-9]*:.*?)([0-9]+)([^0-9]*-[^-]*)"),
}


@every_image
@pytest.mark.parametrize("kind", PREDECESSORS)
def test_no_predecessor_is_fixed(
    fixed_builds: list[Built], indexes: dict[str, FeedIndex], kind: str, have: str
) -> None:
    """0 wrong of the builds before the listed ones: z-release, module build, release or version lowered by one."""
    wrong = []
    tried = 0
    by_document = rows_by_document(fixed_builds)
    listed = {(document, row.name, row.evr) for document, _cve, row in fixed_builds}
    for document, cve, row in fixed_builds:
        evr = PREDECESSORS[kind](row.evr)
        if evr is None or (document, row.name, evr) in listed:
            continue
        if have == "main stream" and document.startswith("advisory-"):
            continue  # it speaks of the products that it was made for alone
        tried += 1
        match = judged(indexes[document], installed(row, evr), products_of(row, by_document[document], have))
        states = {finding.status for finding in match.findings if finding.id == cve}
        # A fix that the image cannot install is told, and not offered.
        if not states or (have != "main stream" and states != {"fix_available"}):
            wrong.append((document, row, evr, states))
    assert tried >= (10 if kind == "module build" else 100)
    assert not wrong, f"{len(wrong)} of {tried}, the first: {wrong[:3]}"


def test_the_data_tells_rules_apart(fixed_builds: list[Built]) -> None:
    """The rules of other matchers (highest fix, any newer fix) call builds vulnerable that Red Hat lists as fixed."""
    fixes: dict[t.Any, list[str]] = {}
    for document, cve, row in fixed_builds:
        fixes.setdefault((document, cve, row.name, row.arch, row.module, row.cpe), []).append(row.evr)
    wrong = sum(
        any(compare_builds(parse_build(evr), parse_build(other)) < 0 for other in group)
        for group in fixes.values()
        for evr in group
    )
    assert wrong > 50


@pytest.fixture(scope="module")
def whole_index(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[FeedIndex]:
    """All real VEX documents in one index, one for each vulnerability."""
    root = tmp_path_factory.mktemp("whole")
    feed = root / "feed"
    feed.mkdir()
    for name, data in real_documents().items():
        (feed / name[3:]).write_bytes(data)
    result = build_index(str(feed), str(root / "index"), now=NOW)
    assert not result.rejected
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
    assert not match.not_covered, "public keys are not packages"


def test_a_real_image_of_rhel_9(whole_index: FeedIndex) -> None:
    """ubi9/httpd-24:9.5, read by hand: its curl and openssl are newer than every fix, python and vim are affected.

    The two documents about vim name it without architecture or version, as old ones name sources; the image has two
    packages that were built from it, vim-minimal and vim-filesystem. Red Hat will not fix either in RHEL 9.
    """
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
        ("CVE-2023-0049", "vim-filesystem-2:8.2.2637-21.el9.noarch", "will_not_fix"),
        ("CVE-2023-0049", "vim-minimal-2:8.2.2637-21.el9.x86_64", "will_not_fix"),
        ("CVE-2023-0051", "vim-filesystem-2:8.2.2637-21.el9.noarch", "will_not_fix"),
        ("CVE-2023-0051", "vim-minimal-2:8.2.2637-21.el9.x86_64", "will_not_fix"),
        ("CVE-2026-2297", "python3-0:3.9.21-1.el9_5.x86_64", "fix_deferred"),
        ("CVE-2026-2297", "python3-libs-0:3.9.21-1.el9_5.x86_64", "fix_deferred"),
    }
    assert match.counts["packages_matched"] >= 8
    assert not match.not_covered and match.supported
