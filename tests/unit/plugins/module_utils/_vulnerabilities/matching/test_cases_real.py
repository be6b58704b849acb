# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the matcher worked out by hand from documents that Red Hat published.

Each docstring gives what the document says, the rule that decides, and the conclusion.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Finding
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.documents import real_documents
from ansible_collections.imagescan.openshift.tests.support.vex import (
    NOW,
    affected,
    document,
    inventory,
    rpm,
    write_feed,
    write_map,
)

BASE_8, APP_8 = "cpe:/o:redhat:enterprise_linux:8::baseos", "cpe:/a:redhat:enterprise_linux:8::appstream"
BASE_9, APP_9 = "cpe:/o:redhat:enterprise_linux:9::baseos", "cpe:/a:redhat:enterprise_linux:9::appstream"
MAIN_7 = "cpe:/o:redhat:enterprise_linux:7::server"
TEN_1 = "cpe:/o:redhat:enterprise_linux:10.1"
EUS_8_6 = "cpe:/a:redhat:rhel_eus:8.6::appstream"
EUS_9_0, EUS_9_2 = "cpe:/o:redhat:rhel_eus:9.0::baseos", "cpe:/o:redhat:rhel_eus:9.2::baseos"
JBCS_8 = "cpe:/a:redhat:jboss_core_services:1::el8"
VIRTUALIZATION = "cpe:/a:redhat:advanced_virtualization:8::el8"
HARDENED = "cpe:/a:redhat:hummingbird:1"

Case = t.Callable[..., "Finding | None"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[FeedIndex]:
    """Every document in one index; a repository for each CPE, named like it."""
    root = tmp_path_factory.mktemp("real")
    feed = root / "feed"
    feed.mkdir()
    for name, data in real_documents().items():
        (feed / name[3:]).write_bytes(data)
    cpes = (BASE_8, APP_8, BASE_9, APP_9, MAIN_7, TEN_1, EUS_8_6, EUS_9_0, EUS_9_2, JBCS_8, VIRTUALIZATION, HARDENED)
    mapped = write_map(root / "map.json", {cpe: [cpe] for cpe in cpes})
    build_index(str(feed), str(root / "index"), repository_map=str(mapped), now=NOW)
    with FeedIndex.open(str(root / "index")) as opened:
        yield opened


@pytest.fixture
def case(index: FeedIndex) -> Case:
    """The finding of one vulnerability about one package of an image with these repositories, or None."""

    def found(cve: str, package: Package, *cpes: str, version: str = "9.4") -> Finding | None:
        match = match_inventory(inventory(package, version=version, repositories=cpes), index)
        assert match.supported and not match.problems and not match.not_covered and not match.unmapped
        findings = [finding for finding in match.findings if finding.id == cve]
        assert len(findings) <= 1
        return findings[0] if findings else None

    return found


def short(finding: Finding | None) -> tuple[str, ...]:
    """Severity, state, fix and advisory."""
    return (finding.severity, finding.status, finding.fixed_in, finding.advisory) if finding else ()


def test_curl_of_9_2_with_the_fix_of_9_2(case: Case) -> None:
    """CVE-2023-38545, curl-7.76.1-23.el9_2.4 in an image of the main stream.

    Said: fixed for enterprise_linux:9 in 23.el9_2.4 (RHSA-2023:5763) and, after 9.3 came out, in 26.el9_3.2
    (RHSA-2023:6745).
    Rule: a build is compared with the fix of its own stream, which its dist tag names (el9_2).
    Conclusion: it has the fix. Whoever compares with the highest fix reports it for as long as the image exists.
    """
    assert case("CVE-2023-38545", rpm("curl-7.76.1-23.el9_2.4.x86_64"), BASE_9, APP_9) is None


def test_curl_of_9_3_before_the_fix_of_9_3(case: Case) -> None:
    """CVE-2023-38545, curl-7.76.1-26.el9_3.1: newer than the fix of 9.2, older than that of 9.3.

    Conclusion: vulnerable, fixed in 26.el9_3.2 by RHSA-2023:6745. Whoever takes any older fix for enough passes it.
    """
    finding = case("CVE-2023-38545", rpm("curl-7.76.1-26.el9_3.1.x86_64"), BASE_9)
    assert short(finding) == ("important", "fix_available", "0:7.76.1-26.el9_3.2", "RHSA-2023:6745")


def test_curl_of_extended_update_support(case: Case) -> None:
    """CVE-2023-38545 in images with EUS 9.0.

    Said: fixed for rhel_eus:9.0 in 14.el9_0.9 (RHSA-2023:5700), and for the main stream as above.
    Rule: statements about an update stream apply to images that have it; the lowest fix that the image can install is
    offered; builds of a stream are compared with its fix, wherever they are.
    Conclusion: .8 is vulnerable. With EUS .9 is offered, without it the first fix of the main stream. .9 is clear.
    """
    old, new = rpm("curl-7.76.1-14.el9_0.8.x86_64"), rpm("curl-7.76.1-14.el9_0.9.x86_64")
    eus = short(case("CVE-2023-38545", old, EUS_9_0))
    assert eus == ("important", "fix_available", "0:7.76.1-14.el9_0.9", "RHSA-2023:5700")
    main = short(case("CVE-2023-38545", old, BASE_9))
    assert main == ("important", "fix_available", "0:7.76.1-23.el9_2.4", "RHSA-2023:5763")
    assert case("CVE-2023-38545", new, EUS_9_0) is None
    assert case("CVE-2023-38545", new, BASE_9) is None


def test_curl_of_a_stream_that_is_not_mentioned(case: Case) -> None:
    """CVE-2023-38545, curl-7.76.1-19.el9_1.2: 9.1 had no extended support, and got no fix.

    Rule: no fix names its stream, and it is not newer than every fix.
    Conclusion: vulnerable; the first fix that is newer is that of 9.2.
    """
    finding = case("CVE-2023-38545", rpm("curl-7.76.1-19.el9_1.2.x86_64"), BASE_9)
    assert short(finding)[1:3] == ("fix_available", "0:7.76.1-23.el9_2.4")


def test_curl_that_never_had_the_flaw(case: Case) -> None:
    """CVE-2023-38545 in RHEL 8: the socks5 code of 7.61.1 is older than the flaw.

    Said: curl and libcurl of enterprise_linux:8 are known_not_affected, without a build.
    Conclusion: clear, in whichever build.
    """
    for release in ("8.el8", "30.el8_8.3"):
        assert case("CVE-2023-38545", rpm(f"curl-7.61.1-{release}.x86_64"), BASE_8, version="8.8") is None


def test_libcurl_for_32_bits(case: Case) -> None:
    """CVE-2023-38545, libcurl.i686 beside libcurl.x86_64.

    Said: libcurl is fixed for aarch64, i686, ppc64le, s390x and x86_64, curl-minimal for all but i686.
    Conclusion: each architecture is judged by its own statement.
    """
    finding = case("CVE-2023-38545", rpm("libcurl-7.76.1-26.el9_3.1.i686", source="curl-7.76.1-26.el9_3.1.src.rpm"))
    assert short(finding)[1] == "fix_available"


def test_curl_of_jboss_core_services(case: Case) -> None:
    """CVE-2023-38545, jbcs-httpd24-curl, which JBCS builds for RHEL 7 and 8 with the dist tags el7jbcs and el8jbcs.

    Said: fixed in 8.4.0-2.el7jbcs for jboss_core_services:1::el7 and in 8.4.0-2.el8jbcs for ::el8. The id "Text-Only
    JBCS" is a product without a component, and says nothing about RPMs.
    Conclusion: an image of RHEL 8 with JBCS is judged by the fix for el8.
    """
    old, new = rpm("jbcs-httpd24-curl-8.4.0-1.el8jbcs.x86_64"), rpm("jbcs-httpd24-curl-8.4.0-2.el8jbcs.x86_64")
    finding = case("CVE-2023-38545", old, BASE_8, JBCS_8, version="8.8")
    assert short(finding) == ("important", "fix_available", "0:8.4.0-2.el8jbcs", "RHSA-2023:7625")
    assert case("CVE-2023-38545", new, BASE_8, JBCS_8, version="8.8") is None


def test_openssl_with_its_epoch(case: Case) -> None:
    """CVE-2024-0727 in RHEL 9.

    Said: openssl and openssl-libs are fixed in 1:3.0.7-27.el9 (RHSA-2024:2447), severity Low.
    Rule: epoch first, then version, then release. The dist tag is plain el9, which stands in every stream.
    Conclusion: 24.el9 is vulnerable, 27.el9 is not; neither is 1:3.2.2-6.el9_5, rebased and newer than every fix; a
    build without epoch would be older whatever its version.
    """
    source = "openssl-3.0.7-24.el9.src.rpm"
    finding = case("CVE-2024-0727", rpm("openssl-libs-1:3.0.7-24.el9.x86_64", source=source), BASE_9)
    assert short(finding) == ("low", "fix_available", "1:3.0.7-27.el9", "RHSA-2024:2447")
    assert case("CVE-2024-0727", rpm("openssl-1:3.0.7-27.el9.x86_64"), BASE_9) is None
    assert case("CVE-2024-0727", rpm("openssl-1:3.2.2-6.el9_5.x86_64"), BASE_9) is None
    assert short(case("CVE-2024-0727", rpm("openssl-3.2.2-6.el9_5.x86_64"), BASE_9))[1] == "fix_available"


def test_openssl_deferred_and_out_of_support(case: Case) -> None:
    """CVE-2024-0727 in RHEL 8 and 7.

    Said: enterprise_linux:8 "Fix deferred", enterprise_linux:7 "Out of support scope"; no build is named.
    Rule: an unfixed statement concerns every build of the product, and names neither minor release nor channel.
    Conclusion: the states differ, and are told apart in reports.
    """
    eight = rpm("openssl-libs-1:1.1.1k-12.el8_9.x86_64", source="openssl-1.1.1k-12.el8_9.src.rpm")
    assert short(case("CVE-2024-0727", eight, BASE_8, version="8.9")) == ("low", "fix_deferred", "", "")
    seven = rpm("openssl-libs-1:1.0.2k-26.el7_9.x86_64", source="openssl-1.0.2k-26.el7_9.src.rpm")
    assert short(case("CVE-2024-0727", seven, MAIN_7, version="7.9")) == ("low", "out_of_support", "", "")


def test_compat_openssl_beside_a_fixed_openssl(case: Case) -> None:
    """CVE-2024-0727 in RHEL 9: openssl is fixed, compat-openssl11, built from older sources, is "Fix deferred".

    Conclusion: each package is judged by what is said of it.
    """
    finding = case("CVE-2024-0727", rpm("compat-openssl11-1:1.1.1k-4.el9_0.x86_64"), BASE_9, APP_9)
    assert short(finding) == ("low", "fix_deferred", "", "")


def test_edk2_whose_fix_names_the_source_alone(case: Case) -> None:
    """CVE-2024-0727, edk2-ovmf, built from edk2.

    Said: edk2 is fixed for RHEL 9 (appstream, crb) in 0:20240524-6.el9_5, with arch=src alone (RHSA-2024:9088); RHEL 8
    "Will not fix", of the source, too.
    Rule: what is said of a source concerns all that was built from it; version and release are compared with those in
    the name of the source package that the header gives, without epoch.
    Conclusion: -5 is vulnerable, -6 is not; RHEL 8's will not be fixed. A matcher that skips sources reports nothing.
    """

    def ovmf(version_release: str) -> Package:
        return rpm(f"edk2-ovmf-{version_release}.noarch", source=f"edk2-{version_release}.src.rpm")

    finding = case("CVE-2024-0727", ovmf("20240524-5.el9_5"), APP_9)
    assert short(finding) == ("low", "fix_available", "0:20240524-6.el9_5", "RHSA-2024:9088")
    assert case("CVE-2024-0727", ovmf("20240524-6.el9_5"), APP_9) is None
    eight = case("CVE-2024-0727", ovmf("20220126gitbb1bba3d77-13.el8_10"), APP_8, version="8.10")
    assert short(eight) == ("low", "will_not_fix", "", "")


def test_python39_under_the_name_of_its_development_module(case: Case) -> None:
    """CVE-2026-2297, python39-numpy of the module python39:3.9 in RHEL 8.

    Said: numpy (source) of the module ``python39-devel:3.9`` is affected, "Fix deferred", like 58 others of it. The
    packages' own label says ``python39:3.9``: the development module is the same module's other half.
    Rule: ``<module>-devel`` is the module, if the stream is the same.
    Conclusion: affected. numpy of python38:3.8, of which nothing is said, is not.
    """

    def numpy(module: str) -> Package:
        number = "".join(module.split(":")[0][-2:])
        release = "1.19.4-3.module+el8.9.0+19644+d68f775d"
        return rpm(f"python{number}-numpy-{release}.x86_64", source=f"numpy-{release}.src.rpm", module=module)

    finding = case("CVE-2026-2297", numpy("python39:3.9"), APP_8, version="8.9")
    assert short(finding) == ("low", "fix_deferred", "", "")
    assert finding is not None and finding.module == "python39:3.9"
    assert case("CVE-2026-2297", numpy("python38:3.8"), APP_8, version="8.9") is None


def test_python3_outside_of_modules(case: Case) -> None:
    """CVE-2026-2297, platform-python and python3-libs of RHEL 8, built from python3 and in no module.

    Said: both are affected, without a module; python36 and python39 with theirs.
    Rule: what is said of a module never concerns packages that are in none, and the other way round.
    Conclusion: affected by the statement without a module alone.
    """
    for name in ("platform-python", "python3-libs"):
        package = rpm(f"{name}-3.6.8-62.el8_10.x86_64", source="python3-3.6.8-62.el8_10.src.rpm")
        finding = case("CVE-2026-2297", package, BASE_8, version="8.10")
        assert short(finding) == ("low", "fix_deferred", "", "")
        assert finding is not None and finding.module == ""


def test_python3_12_of_rhel_10(case: Case) -> None:
    """CVE-2026-2297 in an image of RHEL 10.1, python3-libs built from python3.12.

    Said: enterprise_linux:10 (no minor) is affected; python3-libs by name, and python3.12 as a source.
    Rule: a statement about the major release concerns every minor release of it. The image's CPE has the minor in the
    version (enterprise_linux:10.1).
    Conclusion: affected. One finding, though two statements say so.
    """
    package = rpm("python3-libs-3.12.9-2.el10_0.2.x86_64", source="python3.12-3.12.9-2.el10_0.2.src.rpm")
    assert short(case("CVE-2026-2297", package, TEN_1, version="10.1")) == ("low", "fix_deferred", "", "")


def test_libssh_affected_and_deferred(case: Case) -> None:
    """CVE-2026-0968: RHEL 9 and 10 "Affected", RHEL 8 "Fix deferred"; libssh2 is another package.

    Conclusion: the state is that of the product, and names are equal or nothing.
    """
    for release, cpe, version, state in (
        ("13.el9_4", BASE_9, "9.4", "affected"),
        ("3.el10", TEN_1, "10.1", "affected"),
        ("14.el8", BASE_8, "8.10", "fix_deferred"),
    ):
        finding = case("CVE-2026-0968", rpm(f"libssh-0.10.4-{release}.x86_64"), cpe, version=version)
        assert short(finding) == ("low", state, "", "")
    assert case("CVE-2026-0968", rpm("libssh2-1.11.0-1.el9.x86_64"), BASE_9) is None


def test_slof_of_a_module_that_the_document_does_not_name(case: Case) -> None:
    """CVE-2023-1017, SLOF of the module virt:rhel in EUS 8.6.

    Said: SLOF-0:20210217-1.module+el8.6.0+14480+c0a3aa0f is fixed; its relationship leaves the module out, that of the
    source names it (virt:rhel).
    Rule: builds of one module build belong to one module; the context (last hash) has no order.
    Conclusion: 14480 with any context is fixed, 14479 is not.
    """

    def slof(build: str) -> Package:
        return rpm(f"SLOF-20210217-1.module+el8.6.0+{build}.noarch", module="virt:rhel")

    for fixed in ("14480+c0a3aa0f", "14480+00000000"):
        assert case("CVE-2023-1017", slof(fixed), EUS_8_6, version="8.6") is None
    finding = case("CVE-2023-1017", slof("14479+c0a3aa0f"), EUS_8_6, version="8.6")
    assert short(finding)[1] == "fix_available"


def test_libtpms_in_several_streams_of_one_module(case: Case) -> None:
    """CVE-2023-1017, libtpms, in virt:rhel of RHEL 8 and in virt:8.2, 8.3 and av of Advanced Virtualization.

    Said: affected in each; the ids are ``virt:rhel/libtpms`` and have no package URL.
    Rule: name and stream of the module must be the package's, and the image must have the product.
    Conclusion: virt:rhel is affected in every image of RHEL 8, virt:8.3 only with Advanced Virtualization.
    """

    def libtpms(module: str) -> Package:
        return rpm("libtpms-0.9.1-1.20211126git1ff6fe1f43.module+el8.6.0+14480+c0a3aa0f.x86_64", module=module)

    assert short(case("CVE-2023-1017", libtpms("virt:rhel"), APP_8, version="8.6"))[1] == "affected"
    assert case("CVE-2023-1017", libtpms("virt:8.3"), APP_8, version="8.6") is None
    assert short(case("CVE-2023-1017", libtpms("virt:8.3"), APP_8, VIRTUALIZATION, version="8.6"))[1] == "affected"


def test_sudo_whose_release_is_a_fix_elsewhere(case: Case) -> None:
    """RHSA-2024:0811 (CVE-2023-28487), sudo-1.9.5p2-9.el9_3.

    Said: fixed in 9.el9_2.2 (EUS 9.2) and 10.el9_3 (main stream).
    Rule: the dist tag tells the stream, not the number before it. 9 is a fix in 9.2, and older than the one of 9.3.
    Conclusion: vulnerable. (A rule that compares release numbers up to the tag passes it.)
    """
    finding = case("CVE-2023-28487", rpm("sudo-1.9.5p2-9.el9_3.x86_64"), BASE_9)
    assert short(finding) == ("moderate", "fix_available", "0:1.9.5p2-10.el9_3", "RHSA-2024:0811")
    assert case("CVE-2023-28487", rpm("sudo-1.9.5p2-9.el9_2.2.x86_64"), BASE_9, EUS_9_2) is None


def test_sudo_with_equal_releases_in_three_streams(case: Case) -> None:
    """RHSA-2024:0811: RHEL 8 was rebased in three streams at once, to 1.el8_6, 1.el8_8 and 1.el8_9.

    Conclusion: each is fixed. A build of 8.7, 1.8.29-8.el8_7.1, is older than all of them and in no stream.
    """
    for tag in ("el8_6", "el8_8", "el8_9"):
        assert case("CVE-2023-28487", rpm(f"sudo-1.9.5p2-1.{tag}.x86_64"), BASE_8, version="8.9") is None
    finding = case("CVE-2023-28487", rpm("sudo-1.8.29-8.el8_7.1.x86_64"), BASE_8, version="8.9")
    assert short(finding)[1:3] == ("fix_available", "0:1.9.5p2-1.el8_9")


def test_kernel_packages(case: Case) -> None:
    """CVE-2023-0045, the kernel's packages of RHEL 9, 8 and 7.

    Said: kernel "Will not fix" in 8 and 9, kernel-rt "Affected", kernel not affected in 7; old shape: names without
    architecture or version.
    Rule: such a name may be the source: all that was built from it is concerned, except headers and documentation,
    of which nothing runs.
    Conclusion: kernel-core and bpftool are reported, kernel-headers are not; kernel-rt-core by its own source.
    """

    def kernel(name: str, source: str = "kernel", release: str = "503.el9") -> Package:
        return rpm(f"{name}-5.14.0-{release}.x86_64", source=f"{source}-5.14.0-{release}.src.rpm")

    for name in ("kernel-core", "kernel-modules", "bpftool"):
        assert short(case("CVE-2023-0045", kernel(name), BASE_9)) == ("low", "will_not_fix", "", "")
    assert case("CVE-2023-0045", kernel("kernel-headers"), BASE_9) is None
    assert short(case("CVE-2023-0045", kernel("kernel-rt-core", "kernel-rt"), BASE_9))[1] == "affected"
    assert case("CVE-2023-0045", kernel("kernel", release="1160.el7"), MAIN_7, version="7.9") is None


def test_samba_that_is_affected_nowhere(case: Case, index: FeedIndex) -> None:
    """CVE-2023-4154: every samba package of RHEL 6 to 9 is known_not_affected.

    Conclusion: clear; and that is seen, not missed: the statements apply.
    """
    for major, cpe in ((8, BASE_8), (9, BASE_9)):
        package = rpm(f"samba-client-4.18.6-1.el{major}.x86_64", source=f"samba-4.18.6-1.el{major}.src.rpm")
        assert case("CVE-2023-4154", package, cpe, version=f"{major}.4") is None
        taken = inventory(package, version=f"{major}.4", repositories=[cpe])
        assert match_inventory(taken, index).counts["packages_matched"] == 1


def test_vim_of_one_flaw_and_another(case: Case) -> None:
    """CVE-2023-0049 and CVE-2023-0051 in vim-minimal of RHEL 8.

    Said: vim of RHEL 8 "Will not fix" of the first, known_not_affected of the second.
    Rule: a name without architecture and version may be the source of what is installed; "not affected" is never
    spread that way, and need not be where nothing else is said.
    Conclusion: the first is a finding, the second is none.
    """
    package = rpm("vim-minimal-2:8.0.1763-19.el8_6.4.x86_64", source="vim-8.0.1763-19.el8_6.4.src.rpm")
    assert short(case("CVE-2023-0049", package, BASE_8, version="8.10")) == ("low", "will_not_fix", "", "")
    assert case("CVE-2023-0051", package, BASE_8, version="8.10") is None


def test_a_package_of_hardened_images(index: FeedIndex) -> None:
    """The new shape: testpkg of Red Hat Hardened Images (hummingbird-1), fixed in 0:1.2.3-1.hum1 with arch=src alone.

    Said also: otherpkg is not affected there, and affected in RHEL 9.
    Rule: releases of this product have the tag hum1, its CPE no edition; what is said of RHEL concerns it only where
    the image has RHEL.
    Conclusion: libraries built from testpkg before the fix are vulnerable; otherpkg is clear in a hardened image, and
    affected in one of RHEL 9.
    """

    def findings(*packages: Package, os_id: str = "hummingbird", cpe: str = HARDENED) -> list[tuple[str, ...]]:
        taken = inventory(*packages, os_id=os_id, version="1", cpe_name=cpe)
        match = match_inventory(taken, index)
        assert match.supported and not match.problems
        return [(finding.name, finding.status, finding.fixed_in) for finding in match.findings]

    library = rpm("testpkg-libs-1.2.3-0.hum1.x86_64", source="testpkg-1.2.3-0.hum1.src.rpm")
    assert findings(library) == [("testpkg-libs", "fix_available", "0:1.2.3-1.hum1")]
    assert findings(rpm("testpkg-1.2.3-1.hum1.x86_64")) == []
    assert findings(rpm("testpkg-1.2.4-1.hum1.x86_64")) == [], "a later version"
    assert findings(rpm("otherpkg-1.0-1.hum1.x86_64")) == []
    taken = inventory(rpm("otherpkg-1.0-1.el9.x86_64"), version="9.4")
    assert [finding.status for finding in match_inventory(taken, index).findings] == ["affected"]


def test_a_module_that_cannot_be_read(case: Case) -> None:
    """CVE-2024-24786, firefox-flatpak with ``rpmmod=rhel10``, which names no stream.

    Rule: which module is meant is not known, so the statement concerns the package in any, and in none.
    Conclusion: affected; the document is not refused for it, and good-pkg beside it is affected, too.
    """
    flatpak = rpm("firefox-flatpak-libs-128.0-1.el10.x86_64", source="firefox-flatpak-128.0-1.el10.src.rpm")
    assert short(case("CVE-2024-24786", flatpak, TEN_1, version="10.1"))[1] == "affected"
    assert short(case("CVE-2024-24786", rpm("good-pkg-1.0.0-1.el10.x86_64"), TEN_1, version="10.1"))[1] == "affected"


def test_a_repository_by_the_published_map(tmp_path: Path) -> None:
    """An excerpt of ``repository-to-cpe.json`` gives 3scale's repository for RHEL 8 the CPEs of 2.8, 2.11 and 2.12.

    Said (made up): tool of 3scale 2.12 is affected; nothing is said of tool in RHEL 8.
    Rule: the image has every product that the map names for its repositories.
    Conclusion: affected, and the CPE is told. A repository that the excerpt lacks is listed as unmapped.
    """
    mapped = data_path("aquasecurity+vuln-list-update/redhat/oval/testdata/happy/repository-to-cpe.json")
    feed = write_feed(
        tmp_path / "feed", document("CVE-2026-1000", affected("cpe:/a:redhat:3scale_amp:2.12::el8", "tool"))
    )
    build_index(str(feed), str(tmp_path / "index"), repository_map=str(mapped), now=NOW)
    repositories = ["3scale-amp-2-for-rhel-8-ppc64le-rpms", "rhel-8-for-ppc64le-baseos-rpms"]
    taken = inventory(rpm("tool-1.0-1.el8.ppc64le"), version="8.8", repositories=repositories)
    with FeedIndex.open(str(tmp_path / "index")) as index:
        match = match_inventory(taken, index)
    assert [(finding.status, finding.cpe) for finding in match.findings] == [
        ("affected", "cpe:/a:redhat:3scale_amp:2.12::el8")
    ]
    assert match.unmapped == ("rhel-8-for-ppc64le-baseos-rpms",)
