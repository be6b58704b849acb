# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of the ``vex-feed`` against those of the ``vex`` feed about the same vulnerability.

The legacy document lists each binary with its build, and modular ones with the label of the module's build. What it
lists as fixed must be fixed by the new document, too, and what came before it must not.
"""

from __future__ import annotations

import functools
import json
import re
import tarfile
import typing as t
import urllib.parse

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.cpes import RHEL, parse_cpe
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.builds import stream_of
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.vex import NOW, RED_HAT_KEY, inventory

TWINS = {
    "CVE-2023-6228": ("legacy/CVE-2023-6228-dca9a9.json", "new/CVE-2023-6228-089449.json"),
    "CVE-2024-6923": ("legacy/CVE-2024-6923-78a311.json", "new/CVE-2024-6923-70c35c.json"),
}
DOTNET = "new/CVE-2024-0056-69b5ba.json"
_PURL = re.compile(r"pkg:rpm/redhat/([^@?]+)@([^?]+)\?(.*)")


class Listed(t.NamedTuple):
    """A build that a legacy document lists as fixed for a product. ``label``: of its module, empty for none."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    source: str
    label: str
    cpe: str

    @property
    def package(self) -> Package:
        return Package(
            name=self.name,
            epoch=self.epoch,
            version=self.version,
            release=self.release,
            arch=self.arch,
            source_rpm=f"{self.source}-{self.version}-{self.release}.src.rpm",
            vendor="Red Hat, Inc.",
            key_id=RED_HAT_KEY,
            modularity=self.label,
        )


@functools.cache
def real(name: str) -> bytes:
    with tarfile.open(data_path("red_hat_documents.tar.xz")) as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read()


def products_of(branches: list[dict[str, t.Any]]) -> t.Iterator[tuple[str, dict[str, str]]]:
    for branch in branches:
        if "product" in branch:
            yield branch["product"]["product_id"], branch["product"].get("product_identification_helper", {})
        yield from products_of(branch.get("branches", []))


@functools.cache
def listed(cve: str) -> list[Listed]:
    """Every binary build that the legacy document lists as fixed, once for each product."""
    root = json.loads(real(TWINS[cve][0]))
    cpes: dict[str, str] = {}
    purls: dict[str, list[str]] = {}
    for identity, helper in products_of(root["product_tree"]["branches"]):
        if "cpe" in helper:
            cpes[identity] = helper["cpe"]
        elif helper.get("purl"):
            purls.setdefault(identity, []).append(helper["purl"])
    sources: dict[tuple[str, str], list[str]] = {}
    builds: list[Listed] = []
    ends = {
        one["full_product_name"]["product_id"]: (one["product_reference"], one["relates_to_product_reference"])
        for one in root["product_tree"]["relationships"]
    }
    for identity in root["vulnerabilities"][0]["product_status"]["fixed"]:
        part, product = ends[identity]
        for name, build, qualifiers in filter(None, map(parsed, purls.get(part, ()))):
            version, release = build.rsplit("-", 1)
            label = qualifiers.get("rpmmod", "")
            # One id stands for the same package in builds of the module for several minor releases.
            platform = re.fullmatch(r".*:(\d)(\d\d)\d\d\d{14}:.*", label)
            minor = parse_cpe(cpes[product]).minor  # type: ignore[union-attr]  # all are CPEs
            if platform and int(platform[2]) != (minor if minor is not None else 10):
                continue
            if qualifiers["arch"] == "src":
                sources.setdefault((build, label), []).append(name)
                continue
            epoch = int(qualifiers.get("epoch", "0"))
            builds.append(Listed(name, epoch, version, release, qualifiers["arch"], "", label, cpes[product]))
    return [one._replace(source=source_of(one, sources)) for one in dict.fromkeys(builds)]


def parsed(purl: str) -> tuple[str, str, dict[str, str]] | None:
    match = _PURL.fullmatch(purl)
    if match is None:
        return None
    qualifiers = dict(pair.split("=", 1) for pair in match[3].split("&"))
    return match[1], urllib.parse.unquote(match[2]), qualifiers


def source_of(one: Listed, sources: dict[tuple[str, str], list[str]]) -> str:
    """The source with the build's version that its name begins with most; packages inherit the version of theirs."""
    found = sources.get((f"{one.version}-{one.release}", one.label), [one.name])
    return max(found, key=lambda name: len([1 for a, b in zip(name, one.name) if a == b]))


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, FeedIndex]]:
    """An index of each new document, whose repositories are named like their CPEs."""
    folder = tmp_path_factory.mktemp("flat")
    opened = {}
    for cve, name in (*((cve, new) for cve, (_old, new) in TWINS.items()), ("CVE-2024-0056", DOTNET)):
        feed = folder / cve
        feed.mkdir()
        (feed / f"{cve}.json").write_bytes(real(name))
        cpes = {row.cpe for _cve, rows in read_document(real(name), name).vulnerabilities for row in rows}
        cpes |= {one.cpe for one in listed(cve)} if cve in TWINS else set()
        cpes |= {f"cpe:/o:redhat:enterprise_linux:{major}::baseos" for major in (7, 8, 9)}
        mapped = folder / f"{cve}.map"
        mapped.write_text(json.dumps({"data": {cpe: {"cpes": [cpe]} for cpe in cpes}}))
        build_index(str(feed), str(folder / f"{cve}.index"), repository_map=str(mapped), now=NOW)
        opened[cve] = FeedIndex.open(str(folder / f"{cve}.index"))
    yield opened
    for index in opened.values():
        index.close()


def states(index: FeedIndex, package: Package, *cpes: str) -> set[str]:
    """States of the findings of a package in an image with these products."""
    stream = stream_of(package.release)
    version = f"{stream.major}.{stream.minor}" if stream.minor is not None else str(stream.major)
    match = match_inventory(inventory(package, version=version, repositories=cpes), index)
    assert match.supported and not match.problems and not match.unmapped
    assert match.counts["statements_seen"], "or this shows nothing"
    return {finding.status for finding in match.findings}


def images(one: Listed) -> list[tuple[str, ...]]:
    """The products of images that may have a build: its own, and the main stream's alone."""
    cpe = parse_cpe(one.cpe)
    assert cpe is not None and cpe.family == RHEL
    return [(one.cpe,), (f"cpe:/o:redhat:enterprise_linux:{cpe.major}::baseos",)]


def before(one: Listed) -> Listed:
    """The build before one: release and module lowered by one."""
    lowered = re.sub(r"^(.*?)(\d+)(\.el[0-9_]+)?$", lambda m: f"{m[1]}{int(m[2]) - 1}{m[3] or ''}", one.release)
    if ".module" in one.release:
        lowered = re.sub(r"\+(\d+)\+", lambda m: f"+{int(m[1]) - 1}+", one.release)
    label = re.sub(r":(\d{14,}):", lambda m: f":{int(m[1]) - 1}:", one.label)
    assert lowered != one.release
    return one._replace(release=lowered, label=label)


def of_rhel(cve: str) -> list[Listed]:
    """The listed builds of Enterprise Linux: of layered products the new documents have none."""
    return [one for one in listed(cve) if (cpe := parse_cpe(one.cpe)) is not None and cpe.family == RHEL]


@pytest.mark.parametrize("cve", TWINS)
def test_every_build_that_the_legacy_document_lists_is_fixed(cve: str, indexes: dict[str, FeedIndex]) -> None:
    wrong = [
        (one, cpes, found)
        for one in of_rhel(cve)
        for cpes in images(one)
        if (found := states(indexes[cve], one.package, *cpes))
    ]
    assert not wrong, f"{len(wrong)}, the first: {wrong[:3]}"


@pytest.mark.parametrize("cve", TWINS)
def test_no_build_before_is_fixed(cve: str, indexes: dict[str, FeedIndex]) -> None:
    wrong = [
        (one, cpes)
        for one in of_rhel(cve)
        for cpes in images(one)
        if not states(indexes[cve], before(one).package, *cpes)
    ]
    assert not wrong, f"{len(wrong)}, the first: {wrong[:3]}"


def test_the_numbers_of_builds() -> None:
    """As many as the legacy documents list; of the builds of python39 most are in modules."""
    assert {cve: len(of_rhel(cve)) for cve in TWINS} == {"CVE-2023-6228": 116, "CVE-2024-6923": 1645}
    assert sum(bool(one.label) for one in of_rhel("CVE-2024-6923")) == 825
    assert all(one.source != one.name for one in of_rhel("CVE-2024-6923") if one.name == "platform-python")


@pytest.mark.parametrize(
    ("name", "source", "fix", "old"),
    [
        ("dotnet-runtime-6.0", "dotnet6.0", "6.0.126-1.el8_9", "6.0.125-1.el8_9"),
        ("dotnet-sdk-6.0", "dotnet6.0", "6.0.126-1.el9_3", "6.0.125-1.el9_3"),
        ("aspnetcore-runtime-7.0", "dotnet7.0", "7.0.115-1.el8_9", "7.0.115-0.el8_9"),
        ("dotnet-host", "dotnet8.0", "8.0.101-1.el9_3", "8.0.100-1.el9_3"),
    ],
)
def test_the_runtimes_of_dotnet(indexes: dict[str, FeedIndex], name: str, source: str, fix: str, old: str) -> None:
    """CVE-2024-0056, Important: the document names sources alone, with and without ``.src``."""
    index = indexes["CVE-2024-0056"]
    for build, expected in ((fix, set()), (old, {"fix_available"})):
        version, release = build.split("-")
        one = Listed(name, 0, version, release, "x86_64", source, "", "")
        major = stream_of(release).major
        assert states(index, one.package, f"cpe:/o:redhat:enterprise_linux:{major}::baseos") == expected
