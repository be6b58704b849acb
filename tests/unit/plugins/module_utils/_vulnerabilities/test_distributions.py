# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of AlmaLinux, Rocky, Oracle, Fedora and Amazon Linux against their own data, and against that of others."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, OsRelease, Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.distributions import (
    DISTRIBUTIONS,
    distribution_of,
    release_of,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Match
from ansible_collections.imagescan.openshift.tests.support import advisories as make
from ansible_collections.imagescan.openshift.tests.support import vex
from ansible_collections.imagescan.openshift.tests.support.data import data_path


def codes(match: Match) -> list[str]:
    return [problem.code for problem in match.problems]


def found(match: Match) -> list[tuple[str, str, str]]:
    return [(one.id, one.name, one.fixed_in) for one in match.findings]


def osv(tmp_path: Path, image: Inventory, *records: make.Json) -> Match:
    return make.matched(make.write_records(tmp_path / "feed", *records), make.OSV, image, tmp_path)


def repository(tmp_path: Path, distribution: str, image: Inventory, *advisories: str) -> Match:
    names = [package.name for package in image.packages]
    source = make.write_repository(tmp_path / "feed", make.updates(*advisories), *names)
    return make.matched(source, make.updateinfo(distribution), image, tmp_path)


# -- each distribution with its own data --

OWN = [
    ("almalinux", "9.4", "el9"),
    ("rocky", "9.4", "el9"),
    ("ol", "9.4", "el9"),
    ("fedora", "42", "fc42"),
    ("amzn", "2023", "amzn2023"),
]
PREFIX = {"almalinux": "ALSA", "rocky": "RLSA", "ol": "ELSA", "fedora": "FEDORA", "amzn": "ALAS2023"}


@pytest.mark.parametrize(("name", "version", "tag"), OWN)
def test_a_distribution_by_its_repository(tmp_path: Path, name: str, version: str, tag: str) -> None:
    old = make.package(name, "openssl-libs", "3.0.7", f"27.{tag}", epoch=1)
    new = make.package(name, "curl", "7.76.1", f"26.{tag}")
    match = repository(
        tmp_path,
        f"{name}:{release_of(version)}",
        make.image(name, version, old, new),
        make.advisory(f"{PREFIX[name]}-2026-1", f"openssl-libs-1:3.0.7-28.{tag}.x86_64"),
        make.advisory(f"{PREFIX[name]}-2026-2", f"curl-7.76.1-26.{tag}.x86_64", cves=["CVE-2026-1002"]),
    )
    assert (match.supported, match.problems, match.not_covered) == (True, (), ())
    assert found(match) == [("CVE-2026-1001", "openssl-libs", f"1:3.0.7-28.{tag}")]
    assert (match.findings[0].severity, match.findings[0].advisory) == ("important", f"{PREFIX[name]}-2026-1")
    assert [(one.source, one.cpe.split(":")[-1]) for one in match.cpes] == [("os_release", release_of(version))]
    assert match.feed is not None
    assert (match.feed.distributions, match.feed.coverage, match.feed.format) == ((name,), "fixes", "updateinfo")
    assert match.counts["packages_matched"] == 2


@pytest.mark.parametrize(("name", "ecosystem"), [("almalinux", "AlmaLinux:9"), ("rocky", "Rocky Linux:9")])
def test_a_distribution_by_its_records(tmp_path: Path, name: str, ecosystem: str) -> None:
    old = make.package(name, "openssl-libs", "3.0.7", "27.el9", epoch=1)
    new = make.package(name, "curl", "7.76.1", "26.el9_3.2.alma.1")
    match = osv(
        tmp_path,
        make.image(name, "9.4", old, new),
        make.record(f"{PREFIX[name]}-2026:1", ("openssl-libs", "1:3.0.7-28.el9"), ecosystem=ecosystem),
        make.record(
            f"{PREFIX[name]}-2026:2", ("curl", "7.76.1-26.el9_3.2"), ecosystem=ecosystem, related=["CVE-2026-1002"]
        ),
        make.record(f"{PREFIX[name]}-2026:3", ("openssl-libs", "1:9-1.el8"), ecosystem=ecosystem.replace("9", "8")),
    )
    assert (match.supported, match.problems, match.not_covered) == (True, (), ())
    assert found(match) == [("CVE-2026-1001", "openssl-libs", "1:3.0.7-28.el9")]
    assert match.feed is not None
    assert (match.feed.distributions, match.feed.coverage) == ((name,), "fixes")


def test_a_real_record_and_its_kernel(tmp_path: Path) -> None:
    folder = data_path("AlmaLinux+osv-database/advisories")
    packages = [
        make.package("almalinux", "kernel-core", "5.14.0", release, source_rpm=f"kernel-5.14.0-{release}.src.rpm")
        for release in ("611.49.1.el9_7", "611.49.2.el9_7")
    ]
    match = make.matched(folder, make.OSV, make.image("almalinux", "9.7", *packages), tmp_path)
    assert [(one.id, one.package) for one in match.findings] == [("CVE-2026-31431", packages[0].nevra)]


def test_packages_that_an_advisory_forgets(tmp_path: Path) -> None:
    """ALSA-2025:19912 about bind named bind-doc and bind-license alone: what is built of bind is fixed by it, too."""
    source = "bind-9.18.33-{}.src.rpm"
    old = make.package("almalinux", "bind-libs", "9.18.33", "3.el10", epoch=32, source_rpm=source.format("3.el10"))
    new = make.package(
        "almalinux", "bind-utils", "9.18.33", "4.el10_0.2", epoch=32, source_rpm=source.format("4.el10_0.2")
    )
    said = make.record(
        "ALSA-2025:19912",
        ("bind-doc", "32:9.18.33-4.el10_0.2"),
        ("bind-license", "32:9.18.33-4.el10_0.2"),
        ecosystem="AlmaLinux:10",
        summary="Important: bind security update",
    )
    match = osv(tmp_path, make.image("almalinux", "10.0", old, new), said)
    assert [(one.name, one.fixed_in) for one in match.findings] == [("bind-libs", "9.18.33-4.el10_0.2")]


def test_a_real_repository(tmp_path: Path) -> None:
    path = data_path("aquasecurity+vuln-list-update/rocky/testdata/fixtures/happy/updateinfo.xml")
    old = make.package("rocky", "lz4", "1.8.3", "2.el8", key_id="15af5dac6d745a60")
    new = make.package("rocky", "kernel", "4.18.0", "305.12.1.el8_4", key_id="15af5dac6d745a60")
    match = make.matched(path, make.updateinfo("rocky:8"), make.image("rocky", "8.4", old, new), tmp_path)
    assert found(match) == [("CVE-2021-3520", "lz4", "0:1.8.3-3.el8_4")]


# -- the data of others --


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("almalinux", "9.4"),  # rebuilt from the same sources, numbered otherwise
        ("rocky", "8.9"),  # a release that the feed has nothing for
        ("rocky", "10"),
        ("rocky", ""),
        ("ol", "9.4"),
        ("centos", "9"),
        ("rhel", "9.4"),
        ("", ""),
    ],
)
def test_a_feed_of_another_release_or_distribution_covers_nothing(tmp_path: Path, image: str, version: str) -> None:
    package = make.package("rocky", "openssl-libs", "3.0.7", "27.el9", epoch=1)
    fix = make.advisory("RLSA-2026:1", "openssl-libs-1:3.0.7-26.el9.x86_64")
    match = repository(tmp_path, "rocky:9", make.image(image, version, package), fix)
    assert (match.supported, match.findings) == (False, ())
    twin = repository(tmp_path / "twin", "rocky:9", make.image("rocky", "9.4", package), fix)
    assert (twin.supported, twin.findings, twin.problems) == (True, (), ())


@pytest.mark.parametrize("name", ["almalinux", "rocky", "ol", "fedora", "amzn", "centos"])
def test_red_hats_feed_does_not_cover_other_distributions(tmp_path: Path, name: str) -> None:
    maker = name if name in make.MAKERS else "rocky"
    package = make.package(maker, "openssl-libs", "3.0.7", "27.el9", epoch=1)
    document = vex.document("CVE-2026-1001", vex.fixed(vex.MAIN_9, "openssl-libs", "1:3.0.7-26.el9"))
    match = make.matched(vex.write_feed(tmp_path / "feed", document), CSAF, make.image(name, "9.4", package), tmp_path)
    assert (match.supported, match.findings, len(match.not_covered)) == (False, (), 1)


def test_packages_of_others_are_not_covered(tmp_path: Path) -> None:
    """EPEL's packages carry Fedora's vendor text and a key of their own, on every Enterprise Linux."""
    own = make.package("almalinux", "bash", "5.1.8", "9.el9")
    epel = make.package("fedora", "htop", "3.3.0", "1.el9", key_id="8a3872bf3228467c")
    unsigned = make.package("almalinux", "grep", "3.6", "5.el9", key_id="")
    forged = make.package("almalinux", "sed", "4.8", "9.el9", key_id="8a3872bf3228467c")
    match = osv(
        tmp_path,
        make.image("almalinux", "9.4", own, epel, unsigned, forged),
        make.record("ALSA-2026:1", ("bash", "1-1")),
    )
    assert [one.name for one in match.not_covered] == ["htop", "sed"]
    assert (match.counts["vendor_by_name"], match.counts["packages_covered"]) == (1, 3)


@pytest.mark.parametrize(("release", "code"), [("27.el8", ["release-mismatch"]), ("27.el9", [])])
def test_packages_for_another_release_are_told(tmp_path: Path, release: str, code: list[str]) -> None:
    package = make.package("rocky", "openssl-libs", "3.0.7", release, epoch=1)
    fix = make.advisory("RLSA-2026:1", "openssl-libs-1:3.0.7-26.el9.x86_64")
    assert codes(repository(tmp_path, "rocky:9", make.image("rocky", "9.4", package), fix)) == code


def test_single_packages_for_another_release_count_when_something_is_said_of_them(tmp_path: Path) -> None:
    image = make.image(
        "almalinux",
        "9.4",
        make.package("almalinux", "bash", "5.1.8", "9.el9"),
        make.package("almalinux", "grep", "3.6", "5.el9"),
        make.package("almalinux", "compat-a", "1", "1.el8"),
        make.package("almalinux", "compat-b", "1", "1.el8"),
    )
    said = make.record("ALSA-2026:1", ("bash", "1-1.el9"))
    other = make.record("ALSA-2026:2", ("compat-a", "1-2.el8"), ecosystem="AlmaLinux:8")
    match = osv(tmp_path, image, said, other)
    assert codes(match) == ["release-mismatch"]
    assert "1 packages" in match.problems[0].message
    assert "compat-a-0:1-1.el8.x86_64" in match.problems[0].message


@pytest.mark.parametrize(
    ("arch", "listed", "code"),
    [
        ("x86_64", ["aarch64"], ["feed-architecture"]),
        ("x86_64", ["aarch64", "src"], ["feed-architecture"]),
        ("x86_64", ["aarch64", "x86_64"], []),
        ("x86_64", ["noarch"], []),
        ("noarch", ["aarch64"], []),
        ("aarch64", ["aarch64"], []),
    ],
)
def test_a_feed_of_another_architecture_is_told(tmp_path: Path, arch: str, listed: list[str], code: list[str]) -> None:
    package = make.package("ol", "openssl-libs", "3.0.7", "29.el9", epoch=1, arch=arch)
    fix = make.advisory("ELSA-2026-1", *(f"openssl-libs-1:3.0.7-28.el9.{one}" for one in listed))
    match = repository(tmp_path, "ol:9", make.image("ol", "9.4", package), fix)
    assert (codes(match), match.findings) == (code, ())


@pytest.mark.parametrize(("tag", "code"), [("el8", ["feed-release"]), ("el9", []), ("el9_2", [])])
def test_builds_for_another_release_than_the_feed_is_said_to_be_about(
    tmp_path: Path, tag: str, code: list[str]
) -> None:
    """The repository of Rocky 8, given as rocky:9: nothing in its file names a release but the builds."""
    package = make.package("rocky", "openssl-libs", "3.0.7", "27.el9", epoch=1)
    fix = make.advisory("RLSA-2026:1", f"openssl-libs-1:1.1.1k-9.{tag}.x86_64")
    assert codes(repository(tmp_path, "rocky:9", make.image("rocky", "9.4", package), fix)) == code


def test_packages_of_a_repository_that_was_not_given_are_told(tmp_path: Path) -> None:
    """The image has packages of AppStream, and the feed is BaseOS alone: no advisory is not "not affected"."""
    image = make.image(
        "rocky",
        "9.4",
        make.package("rocky", "bash", "5.1.8", "9.el9"),
        make.package("rocky", "nginx", "1.20.1", "14.el9"),
    )
    base = make.write_repository(
        tmp_path / "9/BaseOS", make.updates(make.advisory("RLSA-2026:1", "bash-5.1.8-8.el9.x86_64"))
    )
    match = make.matched(base, make.updateinfo("rocky:9"), image, tmp_path)
    assert codes(match) == ["feed-repositories"]
    assert "nginx-0:1.20.1-14.el9.x86_64" in match.problems[0].message
    make.write_repository(
        tmp_path / "9/AppStream", make.updates(make.advisory("RLSA-2026:2", "php-8-1.el9.x86_64")), "nginx"
    )
    assert codes(make.matched(tmp_path / "9", make.updateinfo("rocky:9"), image, tmp_path)) == []


def test_fedora_has_all_updates_in_one_repository(tmp_path: Path) -> None:
    """Packages that were never updated are in the repository of the release, which has no advisories."""
    image = make.image("fedora", "42", make.package("fedora", "filesystem", "3.18", "42.fc42"))
    source = make.write_repository(
        tmp_path / "feed", make.updates(make.advisory("FEDORA-2026-1", "openssl-libs-1:3.2.4-3.fc42.x86_64"))
    )
    match = make.matched(source, make.updateinfo("fedora:42"), image, tmp_path)
    assert (match.supported, match.problems) == (True, ())


# -- modules --

OLD = "8.0.26-1.module+el9.2.0+10+aaaaaaaa"
FIXED = "8.0.32-1.module+el9.2.0+11+bbbbbbbb"


@pytest.mark.parametrize(
    ("build", "label", "module", "vulnerable"),
    [
        (OLD, "mysql:8.0:1:c", "mysql:8.0", True),
        (FIXED, "mysql:8.0:1:c", "mysql:8.0", False),
        # A fix of another module says nothing.
        (OLD, "mysql:8.0:1:c", "mysql:8.4", False),
        # An ordinary build, however new, is not cleared by a modular fix, nor found by it.
        ("8.0.26-1.el9", "", "mysql:8.0", False),
        # Which module the fix is for is not known: the build is compared.
        (OLD, "mysql:8.0:1:c", "", True),
        (FIXED, "mysql:8.0:1:c", "", False),
        # Which module the build is of is not known.
        (OLD, "", "mysql:8.0", True),
    ],
)
def test_modules(tmp_path: Path, build: str, label: str, module: str, vulnerable: bool) -> None:
    version, _dash, release = build.partition("-")
    package = make.package("rocky", "mysql", version, release, modularity=label)
    title = f"Important: {module or 'mysql'} security update"
    fix = make.advisory("RLSA-2026:1", f"mysql-{FIXED}.x86_64", module=module, title=title)
    match = repository(tmp_path, "rocky:9", make.image("rocky", "9.4", package), fix)
    assert bool(match.findings) is vulnerable


def test_a_modular_build_is_not_cleared_by_a_fix_of_the_ordinary_one(tmp_path: Path) -> None:
    version, _dash, release = FIXED.partition("-")
    modular = make.package("rocky", "mysql", version, release, modularity="mysql:8.0:1:c")
    plain = make.advisory("RLSA-2026:1", "mysql-8.0.20-1.el9.x86_64", title="mysql security update")
    inside = make.advisory(
        "RLSA-2026:2", "mysql-8.0.40-1.module+el9.2.0+12+cccccccc.x86_64", module="mysql:8.0", title=""
    )
    match = repository(tmp_path, "rocky:9", make.image("rocky", "9.4", modular), plain, inside)
    assert found(match) == [("CVE-2026-1001", "mysql", "0:8.0.40-1.module+el9.2.0+12+cccccccc")]


# -- Oracle's variants --


@pytest.mark.parametrize(
    ("epoch", "release", "vulnerable"),
    [
        (1, "4.el8_5", True),
        (1, "5.el8_5", False),
        (1, "7.el8_6", False),  # newer than the ordinary fix, and of no variant
        (2, "4.ksplice1.el8_5", True),
        (2, "5.ksplice1.el8_5", False),
        (10, "5.el8_5_fips", False),
        (10, "4.el8_5_fips", True),
    ],
)
def test_variants_are_compared_with_their_own_fixes(tmp_path: Path, epoch: int, release: str, vulnerable: bool) -> None:
    """Builds for live patching and FIPS have higher epochs: the highest fix is none for the ordinary build."""
    package = make.package("ol", "openssl-libs", "1.1.1k", release, epoch=epoch, key_id="82562ea9ad986da3")
    fixes = ("1:1.1.1k-5.el8_5", "2:1.1.1k-5.ksplice1.el8_5", "10:1.1.1k-5.el8_5_fips")
    advisories = [
        make.advisory(f"ELSA-2026-{number}", f"openssl-libs-{fix}.x86_64") for number, fix in enumerate(fixes, 1)
    ]
    match = repository(tmp_path, "ol:8", make.image("ol", "8.6", package), *advisories)
    assert bool(match.findings) is vulnerable


# -- the table --


def test_the_distributions_do_not_overlap() -> None:
    assert all(distribution_of(name) is one for one in DISTRIBUTIONS for name in one.ids)
    for kind in ("keys", "ids", "advisories", "vendors"):
        values: list[t.Any] = [value for one in DISTRIBUTIONS for value in getattr(one, kind)]
        assert len(values) == len(set(values))
    assert all(len(key) == 16 and key == key.lower() for one in DISTRIBUTIONS for key in one.keys)


@pytest.mark.parametrize(
    ("version", "release"),
    [("9.4", "9"), ("42", "42"), ("2023", "2023"), ("2", "2"), ("", ""), ("rawhide", ""), ("9a", ""), ("12345", "")],
)
def test_releases(version: str, release: str) -> None:
    assert release_of(version) == release


def test_an_image_that_is_made_of_two_names_is_no_distribution(tmp_path: Path) -> None:
    """Red Hat's CPE in an os-release of another distribution does not make it one of Red Hat's."""
    package = Package("bash", None, "5.1.8", "9.el9", "x86_64", vendor="Red Hat, Inc.", key_id=vex.RED_HAT_KEY)
    os = OsRelease(id="almalinux", version_id="9.4", cpe_name="cpe:/o:redhat:enterprise_linux:9")
    inventory = make.image("almalinux", "9.4", package)
    document = vex.document("CVE-2026-1001", vex.fixed(vex.MAIN_9, "bash", "0:5.1.8-9.el9"))
    feed = vex.write_feed(tmp_path / "feed", document)
    match = make.matched(feed, CSAF, dataclasses.replace(inventory, os=os), tmp_path)
    assert not match.supported
