# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the matcher worked out by hand, from a document to the finding: modules, rebases, precedence, shapes.

Documents are made up in the shape of Red Hat's, where no published one at hand shows the case. Each docstring gives the
facts, the rule that decides, and the conclusion.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Finding, Match
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.vex import (
    EUS_9_2,
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    Feed,
    Json,
    Says,
    affected,
    document,
    fixed,
    inventory,
    investigated,
    not_affected,
    rpm,
)

MAJOR_8 = "cpe:/o:redhat:enterprise_linux:8"


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def found(
    feed: Feed, said: t.Sequence[Says], package: Package, cpes: t.Sequence[str] = (MAIN_9,), version: str = "9.4"
) -> Finding | None:
    """The finding about one package, if there is one; what was not seen would be a problem."""
    match = feed.match_with(cpes, said, package, version=version)
    assert match.supported and not match.problems and not match.not_covered
    assert len(match.findings) <= 1
    return match.findings[0] if match.findings else None


def status(feed: Feed, said: t.Sequence[Says], package: Package, **more: t.Any) -> str:
    """The finding's status, ``clear`` when there is none."""
    finding = found(feed, said, package, **more)
    return finding.status if finding else "clear"


EL_8: dict[str, t.Any] = {"cpes": [MAIN_8], "version": "8.10"}


# -- versions --


def test_a_rebase_between_two_fixes(feed: Feed) -> None:
    """One stream was fixed twice: 1.2 by a backport, then 2.0 after a rebase.

    Facts: fixes 1.2-3.el9 and 2.0-1.el9 in the main stream; installed 1.5-1.el9, a rebase between them.
    Rule: within a stream a build with the version of a fix needs that fix or a later one; one with another version must
    not be older than the last fix, since nobody says that 1.5 got the backport.
    Conclusion: 1.5 is vulnerable though newer than a fix of its stream; 1.2-3 and 2.0-1 are clear.
    """
    said = [fixed(MAIN_9, "tool", "0:1.2-3.el9"), fixed(MAIN_9, "tool", "0:2.0-1.el9")]
    finding = found(feed, said, rpm("tool-1.5-1.el9.x86_64"))
    assert finding is not None and (finding.status, finding.fixed_in) == ("fix_available", "0:2.0-1.el9")
    assert status(feed, said, rpm("tool-1.2-3.el9.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-2.0-1.el9.x86_64")) == "clear"


def test_a_new_epoch(feed: Feed) -> None:
    """A package went back from 5.0 to 4.9, with epoch 1, and was fixed there.

    Facts: fixed in 1:4.9-2.el9; installed 5.0-7.el9, without an epoch.
    Rule: the epoch is compared first, and none is 0.
    Conclusion: 0:5.0 is older, so vulnerable. 1:4.9-2 is fixed, 1:4.9-1 is not.
    """
    said = [fixed(MAIN_9, "tool", "1:4.9-2.el9")]
    assert status(feed, said, rpm("tool-5.0-7.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-1:4.9-2.el9.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-1:4.9-1.el9.x86_64")) == "fix_available"


def test_a_release_candidate_and_a_snapshot_after_the_release(feed: Feed) -> None:
    """Fixed in 2.0-1.el9; installed 2.0~rc2-5.el9, and 2.0^git1-0.el9.

    Rule: ``~`` sorts before the end of a version, ``^`` after it.
    Conclusion: the candidate is older, the snapshot newer.
    """
    said = [fixed(MAIN_9, "tool", "0:2.0-1.el9")]
    assert status(feed, said, rpm("tool-2.0~rc2-5.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-2.0^git1-0.el9.x86_64")) == "clear"


def test_a_build_without_a_dist_tag(feed: Feed) -> None:
    """Red Hat's own package whose release names no stream: tool-1.0-5.

    Facts: fixes 1.0-4.el9_2 and 1.0-6.el9_4.
    Rule: what is in no known stream must not be older than any fix.
    Conclusion: -5 is vulnerable, since it may be from the stream that was fixed in -6; -6 and later are clear.
    """
    said = [fixed(MAIN_9, "tool", "0:1.0-4.el9_2"), fixed(MAIN_9, "tool", "0:1.0-6.el9_4")]
    assert status(feed, said, rpm("tool-1.0-5.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-1.0-7.x86_64")) == "clear"


def test_two_builds_of_one_package(feed: Feed) -> None:
    """Two kernels are installed, the older one beside the one that is fixed.

    Facts: kernel-core 427.el9_4 and 427.13.1.el9_4; fixed in 427.13.1.el9_4.
    Rule: each header of the database is a package of its own.
    Conclusion: one finding, about the older one.
    """
    said = [fixed(MAIN_9, "kernel-core", "0:5.14.0-427.13.1.el9_4")]
    builds = [
        rpm(f"kernel-core-5.14.0-{one}.x86_64", source=f"kernel-5.14.0-{one}.src.rpm")
        for one in ("427.el9_4", "427.13.1.el9_4")
    ]
    match = feed.match_with([MAIN_9], said, *builds)
    assert [finding.package for finding in match.findings] == ["kernel-core-0:5.14.0-427.el9_4.x86_64"]


def test_a_real_time_kernel_has_its_own_fixes(feed: Feed) -> None:
    """kernel fixed in 427.13.1.el9_4, kernel-rt affected and not fixed; both are installed, fixed kernel and all.

    Rule: kernel-rt-core is built from kernel-rt up to 9.2 and from kernel after; the header tells which.
    Conclusion: built from kernel-rt it is affected, built from kernel it is not, by its source's fix.
    """
    said = [
        fixed(MAIN_9, "kernel", "0:5.14.0-427.13.1.el9_4", arch="src"),
        affected(MAJOR_9, "kernel-rt", arch="src"),
    ]
    release = "5.14.0-427.13.1.el9_4"
    assert (
        status(feed, said, rpm(f"kernel-rt-core-{release}.x86_64", source=f"kernel-rt-{release}.src.rpm")) == "affected"
    )
    assert status(feed, said, rpm(f"kernel-rt-core-{release}.x86_64", source=f"kernel-{release}.src.rpm")) == "clear"


# -- modules --


def test_a_module_that_was_built_again(feed: Feed) -> None:
    """nodejs:18 was built again against another platform: the same module build, another context.

    Facts: fixed in 18.20.4-1.module+el8.10.0+22247+5eb8e5ad; installed …+22247+00ff00ff and …+22246+ffffffff.
    Rule: the last hash is what it was built against; it has no order and is not compared. The number before it is the
    module's build.
    Conclusion: the first is the fix, the second the build before.
    """
    said = [fixed(MAIN_8, "nodejs", "1:18.20.4-1.module+el8.10.0+22247+5eb8e5ad", module="nodejs:18")]

    def node(build: str) -> Package:
        return rpm(f"nodejs-1:18.20.4-1.module+el8.10.0+{build}.x86_64", module="nodejs:18")

    assert status(feed, said, node("22247+00ff00ff"), **EL_8) == "clear"
    assert status(feed, said, node("22246+ffffffff"), **EL_8) == "fix_available"


def test_a_module_s_stream_that_nobody_mentions(feed: Feed) -> None:
    """nodejs:18 is fixed, nodejs:20 not mentioned; installed is nodejs:20.

    Rule: streams of a module are different software. What is said of one says nothing of another.
    Conclusion: no finding for nodejs:20; the same version labelled nodejs:18 has one.
    """
    said = [fixed(MAIN_8, "nodejs", "1:20.1.0-2.module+el8.10.0+22247+5eb8e5ad", module="nodejs:18")]
    nevra = "nodejs-1:20.1.0-1.module+el8.10.0+22247+5eb8e5ad.x86_64"
    assert status(feed, said, rpm(nevra, module="nodejs:20"), **EL_8) == "clear"
    assert status(feed, said, rpm(nevra, module="nodejs:18"), **EL_8) == "fix_available"


def test_a_module_of_a_layered_product(feed: Feed) -> None:
    """Satellite marks its module satellite:el8; the release has the mark of a module and no minor."""
    cpe = "cpe:/a:redhat:satellite:6.11::el8"
    said = [fixed(cpe, "foreman", "0:3.1.1.27-1.module+el8sat+17+aaaaaaaa", module="satellite:el8", arch="noarch")]

    def foreman(build: int) -> Package:
        return rpm(f"foreman-3.1.1.27-1.module+el8sat+{build}+bbbbbbbb.noarch", module="satellite:el8")

    more: dict[str, t.Any] = {"cpes": [MAIN_8, cpe], "version": "8.10"}
    assert status(feed, said, foreman(17), **more) == "clear"
    assert status(feed, said, foreman(16), **more) == "fix_available"


def test_a_development_module_of_another_stream(feed: Feed) -> None:
    """virt-devel:av is affected; installed is virt:rhel.

    Rule: ``<module>-devel`` is the module when the stream is the same.
    Conclusion: virt:rhel is clear, virt:av affected.
    """
    said = [affected(MAJOR_8, "qemu-kvm", module="virt-devel:av")]
    nevra = "qemu-kvm-15:6.2.0-53.module+el8.10.0+22375+ea5e8167.x86_64"
    assert status(feed, said, rpm(nevra, module="virt:rhel"), **EL_8) == "clear"
    assert status(feed, said, rpm(nevra, module="virt:av"), **EL_8) == "affected"


def test_a_package_that_left_its_module(feed: Feed) -> None:
    """perl of RHEL 8 exists in perl:5.32 and outside of modules (5.26); the module's is affected.

    Rule: a statement with a module never concerns a package without one, and the other way round.
    """
    said = [affected(MAJOR_8, "perl", module="perl:5.32"), not_affected(MAJOR_8, "perl")]
    assert status(feed, said, rpm("perl-4:5.26.3-422.el8.x86_64"), **EL_8) == "clear"
    modular = rpm("perl-4:5.32.1-473.module+el8.10.0+21354+3ee57f3e.x86_64", module="perl:5.32")
    assert status(feed, said, modular, **EL_8) == "affected"


# -- products --

AUS, TUS, E4S = (f"cpe:/o:redhat:rhel_{kind}:8.6::baseos" for kind in ("aus", "tus", "e4s"))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([AUS], "fix_available"),
        ([TUS], "clear"),
        ([E4S], "clear"),
        ([MAIN_8], "clear"),
        ([MAIN_8, AUS], "fix_available"),
    ],
)
def test_statements_about_aus_concern_aus(feed: Feed, own: list[str], expected: str) -> None:
    """Only Advanced Update Support of 8.6 is said to be fixed; the build has a plain dist tag, the image is of 8.7.

    Rule: each kind of update stream (EUS, AUS, TUS, E4S) of each minor release is a product, which the image has by its
    repositories. Of other minor releases than that of its os-release it has no builds with a plain dist tag alone.
    """
    said = [fixed(AUS, "tool", "0:1.0-3.el8_6.1")]
    assert status(feed, said, rpm("tool-1.0-3.el8.x86_64"), cpes=own, version="8.7") == expected


@pytest.mark.parametrize("main", [not_affected(MAJOR_9, "tool", arch="src"), None], ids=["not affected", "silent"])
def test_a_build_that_the_update_stream_of_its_minor_release_began_with(feed: Feed, main: Says | None) -> None:
    """An image of 9.4 with the main repositories; EUS 9.4 is fixed in 28.el9_4, the main stream is not affected.

    Rule: an update stream begins with the builds that its minor release had, and "not affected" of the main stream is
    said of what the main stream has become. A build is one of the minor release by its dist tag or, with a plain one,
    by the image's os-release.
    Conclusion: 27.el9 is what was fixed, and so is 27.el9_4. With another os-release, with the fix, and newer than it
    the build is clear.
    """
    said = [fixed("cpe:/a:redhat:rhel_eus:9.4::appstream", "tool", "0:1.0-28.el9_4"), *([main] if main else [])]
    for build, version, expected in (
        ("27.el9", "9.4", "affected"),
        ("27.el9_4", "9.4", "affected"),
        ("27.el9_4", "9.6", "affected"),
        ("27.el9", "9.3", "clear"),
        ("27.el9", "9.6", "clear"),
        ("27.el9", "9", "clear"),
        ("28.el9_4", "9.4", "clear"),
        ("28.el9", "9.4", "affected"),
        ("29.el9", "9.4", "clear"),
        ("29.el9_5", "9.4", "clear"),
    ):
        package = rpm(f"tool-1.0-{build}.x86_64")
        assert status(feed, said, package, cpes=[MAIN_9], version=version) == expected, (build, version)
    finding = found(feed, said, rpm("tool-1.0-27.el9.x86_64"), cpes=[MAIN_9], version="9.4")
    assert finding is not None and finding.fixed_in == "fixed only in rhel_eus:9.4"


def test_one_fix_in_three_update_streams(feed: Feed) -> None:
    """AUS, TUS and E4S of 8.6 get the same build, 1.0-3.el8_6.1; the main stream got 1.0-5.el8_10.

    Conclusion: in an image with TUS the same build is clear and its predecessor is offered that very fix; in one with
    the main stream alone the fix of the main stream is offered.
    """
    said = [
        *(fixed(cpe, "tool", "0:1.0-3.el8_6.1") for cpe in (AUS, TUS, E4S)),
        fixed(MAIN_8, "tool", "0:1.0-5.el8_10"),
    ]
    old, new = rpm("tool-1.0-3.el8_6.x86_64"), rpm("tool-1.0-3.el8_6.1.x86_64")
    for own, offered in ((TUS, "0:1.0-3.el8_6.1"), (MAIN_8, "0:1.0-5.el8_10")):
        finding = found(feed, said, old, cpes=[own], version="8.6")
        assert finding is not None and finding.fixed_in == offered
        assert status(feed, said, new, cpes=[own], version="8.6") == "clear"


def test_extended_update_support_of_enterprise_linux_10(feed: Feed) -> None:
    """EUS of 10.0 is ``enterprise_linux_eus:10.0``; the main stream, 10.1, has its own fix.

    Conclusion: an image with EUS is offered el10_0.3. What is said of EUS 10.0 does not concern builds of 10.1.
    """
    eus = "cpe:/o:redhat:enterprise_linux_eus:10.0"
    said = [
        fixed(eus, "tool", "0:1.0-2.el10_0.3"),
        fixed("cpe:/o:redhat:enterprise_linux:10.1", "tool", "0:1.0-4.el10_1"),
    ]
    finding = found(feed, said, rpm("tool-1.0-2.el10_0.2.x86_64"), cpes=[eus], version="10.0")
    assert finding is not None and finding.fixed_in == "0:1.0-2.el10_0.3"
    assert status(feed, said, rpm("tool-1.0-2.el10_0.3.x86_64"), cpes=[eus], version="10.0") == "clear"
    later = ["cpe:/o:redhat:enterprise_linux:10.1"]
    assert status(feed, said, rpm("tool-1.0-4.el10_1.x86_64"), cpes=later, version="10.1") == "clear"
    assert status(feed, said, rpm("tool-1.0-3.el10_1.x86_64"), cpes=later, version="10.1") == "fix_available"


def test_layered_products_of_several_enterprise_linux_under_one_cpe(feed: Feed) -> None:
    """CVE-2022-38752 lists builds for el7, el8 and el9 under one CPE of JBoss EAP, which has no edition.

    Facts: eap7-netty is fixed in 4.1.86-1.el7eap, 4.1.86-2.el8eap and 4.1.86-3.el9eap; installed is el8eap's.
    Rule: the dist tag tells which of them the build is compared with.
    Conclusion: 4.1.86-2.el8eap is fixed, 4.1.86-1.el8eap is not, though that is the fix of el7.
    """
    cpe = "cpe:/a:redhat:jboss_enterprise_application_platform:7.4"
    said = [
        fixed(cpe, "eap7-netty", f"0:4.1.86-{number}.el{major}eap", arch="noarch")
        for number, major in ((1, 7), (2, 8), (3, 9))
    ]
    more: dict[str, t.Any] = {"cpes": [MAIN_8, cpe], "version": "8.10"}
    assert status(feed, said, rpm("eap7-netty-4.1.86-2.el8eap.noarch"), **more) == "clear"
    finding = found(feed, said, rpm("eap7-netty-4.1.86-1.el8eap.noarch"), **more)
    assert finding is not None and finding.fixed_in == "0:4.1.86-2.el8eap"


def test_severity_is_that_of_the_product(feed: Feed) -> None:
    """Critical in OpenShift, Low in Enterprise Linux; the document as a whole says Critical.

    Rule: severity is rated for each product.
    Conclusion: an image of Enterprise Linux has a Low finding; one with both has the graver.
    """
    openshift = "cpe:/a:redhat:openshift:4.16::el9"
    said = [
        fixed(MAIN_9, "runc", "4:1.1.12-3.el9_4", severity="Low"),
        fixed(openshift, "runc", "4:1.1.12-9.rhaos4.16.el9", severity="Critical"),
    ]
    for cpes, expected in (([MAIN_9], "low"), ([MAIN_9, openshift], "critical")):
        finding = found(feed, said, rpm("runc-4:1.1.12-2.el9_4.x86_64"), cpes=cpes)
        assert finding is not None and finding.severity == expected


# -- what is said, and what takes precedence --


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Affected", "affected"),
        ("Fix deferred", "fix_deferred"),
        ("Will not fix", "will_not_fix"),
        ("Out of support scope", "out_of_support"),
    ],
)
def test_what_is_not_fixed_says_why(feed: Feed, state: str, expected: str) -> None:
    """Four words of Red Hat's remediations for what has the flaw and no fix; all of them are findings.

    "Will not fix" and "Out of support scope" are final, the others may be followed by a fix; none means harmless.
    """
    finding = found(feed, [affected(MAJOR_9, "tool", state=state)], rpm("tool-1.0-1.el9.x86_64"))
    assert finding is not None and (finding.status, finding.fixed_in, finding.advisory) == (expected, "", "")


def test_under_investigation_until_something_is_said(feed: Feed) -> None:
    """Facts: the vendor investigates Enterprise Linux 9. Later it says that 9 is not affected, or affected.

    Rule: not affected, fixed and affected each take precedence over under investigation.
    """
    package = rpm("tool-1.0-1.el9.x86_64")
    open_ = investigated(MAJOR_9, "tool")
    assert status(feed, [open_], package) == "under_investigation"
    assert status(feed, [open_, not_affected(MAIN_9, "tool")], package) == "clear"
    assert status(feed, [open_, affected(MAIN_9, "tool")], package) == "affected"
    assert status(feed, [open_, fixed(MAIN_9, "tool", "0:1.0-1.el9")], package) == "clear"


def test_an_advisory_that_rebuilt_what_never_had_the_flaw(feed: Feed) -> None:
    """An advisory lists all binaries of a source as fixed; tool-doc never had the flaw, and the vendor says so.

    Facts: tool and tool-doc fixed in 1.0-2.el9; tool-doc of Enterprise Linux 9 known_not_affected, in as many words.
    Rule: not affected, said of a product as exactly, takes precedence over the advisory's list.
    Conclusion: tool-1.0-1 is vulnerable, tool-doc-1.0-1 is not.
    """
    said = [
        fixed(MAIN_9, "tool", "0:1.0-2.el9"),
        fixed(MAIN_9, "tool-doc", "0:1.0-2.el9", arch="noarch"),
        not_affected(MAIN_9, "tool-doc"),
    ]
    assert status(feed, said, rpm("tool-1.0-1.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-doc-1.0-1.el9.noarch", source="tool-1.0-1.el9.src.rpm")) == "clear"


def test_not_affected_as_a_source_and_affected_as_a_binary(feed: Feed) -> None:
    """The source is said to be fine, one binary of it to have the flaw (it bundles a library).

    Rule: a statement about the binary is more exact than one about its source.
    Conclusion: tool-gui is affected, tool-libs is not.
    """
    said = [not_affected(MAJOR_9, "tool", arch="src"), affected(MAJOR_9, "tool-gui")]
    source = "tool-1.0-1.el9.src.rpm"
    assert status(feed, said, rpm("tool-gui-1.0-1.el9.x86_64", source=source)) == "affected"
    assert status(feed, said, rpm("tool-libs-1.0-1.el9.x86_64", source=source)) == "clear"


def test_a_package_that_became_noarch(feed: Feed) -> None:
    """Fixes list tool-data for aarch64 and x86_64; the installed, older build is noarch.

    Rule: noarch is every architecture.
    Conclusion: vulnerable, and clear from the fix on. A package for ppc64le is not what the fix is about.
    """
    said = [fixed(MAIN_9, "tool-data", "0:1.0-2.el9", arch=arch) for arch in ("aarch64", "x86_64")]
    source = "other-1.0-1.el9.src.rpm"
    assert status(feed, said, rpm("tool-data-1.0-1.el9.noarch", source=source)) == "fix_available"
    assert status(feed, said, rpm("tool-data-1.0-2.el9.noarch", source=source)) == "clear"
    assert status(feed, said, rpm("tool-data-1.0-1.el9.ppc64le", source=source)) == "clear"


# -- whose packages --


@pytest.mark.parametrize(
    ("vendor", "key", "covered", "foreign"),
    [
        ("Red Hat, Inc.", "199e2f91fd431d51", True, False),
        ("CentOS", "05b555b38483c65d", False, True),
        ("AlmaLinux", "d36cb86cb86b3716", False, True),
        ("Fedora Project", "8a3872bf3228467c", False, True),
        ("Red Hat, Inc.", "05b555b38483c65d", True, True),
        ("", "", False, True),
    ],
)
def test_builds_of_others_with_the_same_name(feed: Feed, vendor: str, key: str, covered: bool, foreign: bool) -> None:
    """bash of CentOS Stream, AlmaLinux or EPEL in an image of Red Hat's: same name, other maker.

    Rule: a feed speaks of the vendor's own builds, which its key shows. What others built is listed as not covered, and
    never counts as clean. With Red Hat's vendor text and another's key both may be: it is matched and listed.
    """
    package = rpm("bash-5.1.8-9.el9.x86_64", vendor=vendor, key=key)
    match = feed.match_with([MAIN_9], [affected(MAJOR_9, "bash")], package)
    assert bool(match.findings) == covered
    assert bool(match.not_covered) == foreign


# -- shapes --


def whole(value: Json, *packages: Package, folder: Path, **more: t.Any) -> Match:
    return Feed(folder).match(
        inventory(*packages, repositories=["repo"]), value, repositories={"repo": [MAIN_9]}, **more
    )


def test_a_module_by_nested_relationships(tmp_path: Path) -> None:
    """Old documents: the package is part of a module's build, and that is part of the repository.

    Facts: nodejs-1:18.20.4-2… is a component of ``nodejs:18:8100020240520:a75119d5``, that of the product.
    Rule: relationships are followed to the product that has a CPE; the module met on the way is the package's.
    Conclusion: it concerns nodejs:18, and not nodejs:20.
    """
    value = document("CVE-2026-1000", fixed(MAIN_9, "nodejs", "1:18.20.4-2.module+el9.4.0+22247+5eb8e5ad"))
    build = "nodejs:18:9040020240520:a75119d5"
    tree = value["product_tree"]
    (link,) = tree["relationships"]
    product = link["relates_to_product_reference"]
    purl = "pkg:rpmmod/redhat/nodejs@18:9040020240520:a75119d5"
    module = {"product_id": build, "product_identification_helper": {"purl": purl}}
    tree["branches"].append({"category": "product_version", "name": build, "product": module})
    link["relates_to_product_reference"] = f"{product}:{build}"
    tree["relationships"].append(
        {
            "category": "default_component_of",
            "full_product_name": {"product_id": f"{product}:{build}", "name": ""},
            "product_reference": build,
            "relates_to_product_reference": product,
        }
    )
    nevra = "nodejs-1:18.20.4-1.module+el9.4.0+21670+8a5b3a5f.x86_64"
    for stream, count in (("18", 1), ("20", 0)):
        match = whole(value, rpm(nevra, module=f"nodejs:{stream}"), folder=tmp_path / stream)
        assert len(match.findings) == count


def test_an_id_without_a_relationship(tmp_path: Path) -> None:
    """A fixed id that the tree does not relate to anything, though it defines both of its parts.

    Facts: ``product…:tool-0:1.0-2.el9.x86_64``; the product and the component are there, the relationship is not.
    Rule: what it says is not lost: it can only be the component of that product. Ids have colons inside their parts,
    so only parts that the document itself defines count.
    Conclusion: vulnerable before 1.0-2, clear from then on. An id that is a product alone ("Text-Only JBCS", "all
    supported products") speaks of no package: it is counted, and nothing else.
    """
    value = document("CVE-2026-1000", fixed(MAIN_9, "tool", "0:1.0-2.el9"))
    value["product_tree"]["relationships"] = []
    for release, count in ((1, 1), (2, 0)):
        match = whole(value, rpm(f"tool-1.0-{release}.el9.x86_64"), folder=tmp_path / str(release))
        assert len(match.findings) == count
    only = json.loads(json.dumps(value))
    only["vulnerabilities"][0]["product_status"] = {
        "known_affected": ["product-cpe-o-redhat-enterprise-linux-9-baseos"]
    }
    only["vulnerabilities"][0].update(threats=[], remediations=[])
    only["product_tree"]["branches"][0]["branches"].pop()  # the component, of which nothing is said then
    read = read_document(json.dumps(only).encode(), "it")
    assert read.skipped["no_relationship"] == 1 and read.vulnerabilities == (("CVE-2026-1000", ()),)


def test_a_whole_product_and_no_package(tmp_path: Path) -> None:
    """CVE-2026-0006: "all currently supported Red Hat products" (cpe:/a:redhat) are not affected, no relationships.

    Conclusion: nothing about any package; nothing is cleared by it, and the document is not refused.
    """
    path = data_path("RedHatInsights+vmaas/vmaas/reposcan/redhatcsaf/test/cve-2026-0006.json")
    value = json.loads(path.read_bytes())
    other = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), repositories=["repo"])
    match = Feed(tmp_path).match(taken, value, other, repositories={"repo": [MAIN_9]})
    assert [finding.id for finding in match.findings] == ["CVE-2026-1000"] and match.feed is not None
    assert (match.feed.documents, match.feed.rejected) == (2, 0)


def test_the_new_feed_names_minor_releases(feed: Feed) -> None:
    """vex-feed: ``rhel-9.8.z`` (main) fixed, ``rhel-9.2.0.z`` (EUS) affected; part ``a``, no channel, sources alone.

    Rule: part and channel do not count; statements about EUS concern images with EUS, or builds with its dist tag.
    Conclusion: el9_8.1 is fixed; an image with EUS 9.2 and a build of 9.2 is affected, with the main fix offered where
    the image has the main stream (it has, who has EUS).
    """
    main, eus = "cpe:/a:redhat:enterprise_linux:9", "cpe:/a:redhat:rhel_eus:9.2"
    said = [fixed(main, "tool", "0:2.0-1.el9_8.1", arch="src"), affected(eus, "tool", arch="src")]
    own = [EUS_9_2]
    assert status(feed, said, rpm("tool-2.0-1.el9_8.1.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-2.0-1.el9_8.x86_64")) == "fix_available"
    finding = found(feed, said, rpm("tool-1.0-9.el9_2.x86_64"), cpes=own, version="9.2")
    assert finding is not None and (finding.status, finding.fixed_in) == ("fix_available", "0:2.0-1.el9_8.1")


def test_a_document_that_names_its_build_twice(tmp_path: Path) -> None:
    """The same build is listed for baseos and appstream, of which the image has one.

    Conclusion: one finding.
    """
    both = [MAIN_9, "cpe:/a:redhat:enterprise_linux:9::appstream"]
    value = document("CVE-2026-1000", *(fixed(cpe, "tool", "0:1.0-2.el9") for cpe in both))
    match = whole(value, rpm("tool-1.0-1.el9.x86_64"), folder=tmp_path)
    assert len(match.findings) == 1


def test_two_vulnerabilities_of_one_package(tmp_path: Path) -> None:
    """Two documents about tool: one fixed in -2, the other in -3. Installed -2.

    Conclusion: each vulnerability for itself: the first is fixed, the second is not.
    """
    said = [
        document(f"CVE-2026-100{number}", fixed(MAIN_9, "tool", f"0:1.0-{release}.el9"))
        for number, release in ((1, 2), (2, 3))
    ]
    taken = inventory(rpm("tool-1.0-2.el9.x86_64"), repositories=["repo"])
    match = Feed(tmp_path).match(taken, *said, repositories={"repo": [MAIN_9]})
    assert [(finding.id, finding.fixed_in) for finding in match.findings] == [("CVE-2026-1002", "0:1.0-3.el9")]


def test_a_package_whose_header_names_no_source(feed: Feed) -> None:
    """The header has no SOURCERPM. Rule: then the package is taken for its own source, and for unknown.

    Conclusion: a statement about the source of that name concerns it, and that of others might.
    """
    package = dataclasses.replace(rpm("tool-1.0-1.el9.x86_64"), source_rpm="")
    match = feed.match_with([MAIN_9], [affected(MAJOR_9, "tool", arch="src")], package)
    assert [finding.status for finding in match.findings] == ["affected"]
    assert [problem.code for problem in match.problems] == ["source-unknown"]


def test_a_module_that_is_affected_as_a_whole(tmp_path: Path) -> None:
    """The vendor says that the module nodejs:18 has a flaw, and names none of its packages.

    Facts: ``…:nodejs:18`` is known_affected; its component's package URL is ``pkg:rpmmod/redhat/nodejs@18``.
    Rule: what is said of a module is said of what belongs to it, which the packages' labels tell.
    Conclusion: npm of nodejs:18 is affected, npm of nodejs:20 is not, nor is a package without a module. That a module
    is fixed says nothing by itself: its packages are listed beside it, with their builds.
    """
    for status_ in ("known_affected", "under_investigation", "fixed"):
        value = document("CVE-2026-1000", affected(MAIN_9, "nodejs")._replace(status=status_))
        for branch in value["product_tree"]["branches"][0]["branches"]:
            if branch["product"]["product_id"] == "nodejs":
                branch["product"]["product_identification_helper"]["purl"] = "pkg:rpmmod/redhat/nodejs@18"
        for module, name, count in (("nodejs:18", "npm", 1), ("nodejs:20", "npm", 0), ("", "nodejs", 0)):
            release = "1.module+el9.4.0+21670+8a5b3a5f" if module else "1.el9"
            package = rpm(f"{name}-1:10.7.0-{release}.x86_64", module=module)
            match = whole(value, package, folder=tmp_path / status_ / module)
            partial = whole(value, package, folder=tmp_path / "partial" / status_ / module, names=["npm", "nodejs"])
            assert partial.findings == match.findings, "an index of some packages has it, too"
            expected = count if status_ != "fixed" else 0
            assert len(match.findings) == expected, (status_, module)
            assert not match.findings or match.findings[0].module == "nodejs:18"
