# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matcher on cases worked out by hand. Each rule has a case that turns over when the rule is taken away."""

from __future__ import annotations

import itertools
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.packages import wanted_names
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import Finding
from ansible_collections.imagescan.openshift.tests.support.vex import (
    EUS_9_2,
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    Feed,
    Says,
    affected,
    document,
    fixed,
    inventory,
    investigated,
    not_affected,
    rpm,
)

OPENSHIFT = "cpe:/a:redhat:openshift:4.16::el9"
APPSTREAM_9 = "cpe:/a:redhat:enterprise_linux:9::appstream"


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def found(
    feed: Feed, said: t.Sequence[Says], package: Package, cpes: t.Sequence[str] = (MAIN_9,), version: str = "9.4"
) -> Finding | None:
    """The finding about one package and one vulnerability, if there is one."""
    match = feed.match_with(cpes, said, package, version=version)
    assert match.supported and not match.problems and not match.not_covered
    assert len(match.findings) <= 1
    return match.findings[0] if match.findings else None


def status(feed: Feed, said: t.Sequence[Says], package: Package, **more: t.Any) -> str:
    """The finding's status, ``clear`` when there is none."""
    finding = found(feed, said, package, **more)
    return finding.status if finding else "clear"


# -- which fix counts (streams) --

CURL = [
    fixed(MAIN_9, "curl", "0:7.76.1-23.el9_2.4", advisory="RHSA-2023:5763"),
    fixed(MAIN_9, "curl", "0:7.76.1-26.el9_3.2", advisory="RHSA-2023:6745"),
    fixed("cpe:/o:redhat:rhel_eus:9.0::baseos", "curl", "0:7.76.1-14.el9_0.9", advisory="RHSA-2023:5700"),
]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("23.el9_2.4", "clear"),  # the fix of its stream, below the highest fix
        ("23.el9_2.5", "clear"),
        ("23.el9_2.3", "fix_available"),  # before it
        ("23.el9_2", "fix_available"),
        ("26.el9_3.2", "clear"),
        ("26.el9_3.1", "fix_available"),  # newer than the fix of another stream
        ("26.el9_3", "fix_available"),
        ("14.el9_0.9", "clear"),  # a fixed build of an update stream, wherever it was installed from
        ("14.el9_0.8", "fix_available"),
        ("29.el9_4", "clear"),  # newer than every fix
        ("25.el9_1", "fix_available"),  # a stream without a fix
        ("23.el9", "fix_available"),
    ],
)
def test_a_build_is_compared_with_the_fix_of_its_own_stream(feed: Feed, release: str, expected: str) -> None:
    """Neither the highest fix nor any fix: curl 7.76.1 has three fixes for Enterprise Linux 9."""
    assert status(feed, CURL, rpm(f"curl-7.76.1-{release}.x86_64")) == expected


def test_the_fix_that_is_offered_is_the_smallest_newer_one_that_the_image_can_install(feed: Feed) -> None:
    finding = found(feed, CURL, rpm("curl-7.76.1-14.el9_0.8.x86_64"))
    assert finding is not None
    assert (finding.fixed_in, finding.advisory) == ("0:7.76.1-23.el9_2.4", "RHSA-2023:5763")
    finding = found(feed, CURL, rpm("curl-7.76.1-14.el9_0.8.x86_64"), cpes=["cpe:/o:redhat:rhel_eus:9.0::baseos"])
    assert finding is not None and finding.fixed_in == "0:7.76.1-14.el9_0.9"
    finding = found(feed, CURL, rpm("curl-7.76.1-26.el9_3.1.x86_64"))
    assert finding is not None and finding.fixed_in == "0:7.76.1-26.el9_3.2"
    assert (finding.id, finding.package) == ("CVE-2026-1000", "curl-0:7.76.1-26.el9_3.1.x86_64")


def test_a_fix_of_an_update_stream_alone_is_told_and_not_offered(feed: Feed) -> None:
    said = [affected(MAJOR_9, "curl", state="Will not fix"), fixed(EUS_9_2, "curl", "0:7.76.1-23.el9_2.4")]
    finding = found(feed, said, rpm("curl-7.76.1-29.el9_4.x86_64"))
    assert finding is not None
    assert (finding.status, finding.fixed_in) == ("will_not_fix", "fixed only in rhel_eus:9.2")
    assert finding.advisory == ""
    assert status(feed, said, rpm("curl-7.76.1-23.el9_2.4.x86_64")) == "clear"
    assert status(feed, said, rpm("curl-7.76.1-23.el9_2.3.x86_64")) == "will_not_fix"


def test_a_build_newer_than_a_stream_s_fix_is_not_fixed_while_its_own_product_has_no_fix(feed: Feed) -> None:
    """Rebased main stream, fix in an old update stream: 8.0 is newer than 7.76.1 and still broken."""
    said = [affected(MAJOR_9, "curl"), fixed(EUS_9_2, "curl", "0:7.76.1-23.el9_2.4")]
    assert status(feed, said, rpm("curl-8.0-1.el9_5.x86_64")) == "affected"
    # A plain dist tag stands in every stream; only the same version tells.
    plain = [affected(MAJOR_9, "curl"), fixed(EUS_9_2, "curl", "0:7.76.1-23.el9")]
    assert status(feed, plain, rpm("curl-8.0-1.el9.x86_64")) == "affected"
    assert status(feed, plain, rpm("curl-7.76.1-24.el9.x86_64")) == "clear"


@pytest.mark.parametrize(
    ("evr", "expected"),
    [
        ("1.2-3.el9", "clear"),
        ("1.2-4.el9", "clear"),
        ("1.2-2.el9", "fix_available"),
        ("1.5-1.el9", "fix_available"),  # rebased past the first fix, before the second
        ("2.0-1.el9", "clear"),
        ("2.0-0.el9", "fix_available"),
        ("2.1-1.el9", "clear"),
    ],
)
def test_a_rebase_inside_a_stream(feed: Feed, evr: str, expected: str) -> None:
    """Fixes 1.2-3.el9 and 2.0-1.el9: a version between them is not known to have the fix."""
    said = [fixed(MAIN_9, "tool", "0:1.2-3.el9"), fixed(MAIN_9, "tool", "0:2.0-1.el9")]
    assert status(feed, said, rpm(f"tool-{evr}.x86_64")) == expected


def test_a_rebase_inside_a_stream_below_the_fix_of_another(feed: Feed) -> None:
    said = [fixed(MAIN_9, "tool", "0:1.2-3.el9_2"), fixed(MAIN_9, "tool", "0:3.0-1.el9_4")]
    assert status(feed, said, rpm("tool-2.0-1.el9_2.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-1.1-9.el9_2.x86_64")) == "fix_available"
    plain = [fixed(MAIN_9, "tool", "0:1.2-3.el9"), fixed(MAIN_9, "tool", "0:3.0-1.el9_4")]
    assert status(feed, plain, rpm("tool-2.0-1.el9.x86_64")) == "clear"
    stream = [affected(MAJOR_9, "tool"), fixed(EUS_9_2, "tool", "0:1.2-3.el9_2")]
    assert status(feed, stream, rpm("tool-2.0-1.el9_2.x86_64")) == "clear"
    assert status(feed, stream, rpm("tool-1.1-1.el9_2.x86_64")) == "affected"


def test_two_fixes_of_one_version_in_one_stream_take_the_first(feed: Feed) -> None:
    said = [fixed(MAIN_9, "tool", "0:1.2-3.el9_4"), fixed(MAIN_9, "tool", "0:1.2-5.el9_4")]
    assert status(feed, said, rpm("tool-1.2-4.el9_4.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-1.2-2.el9_4.x86_64")) == "fix_available"


def test_the_same_release_number_is_not_the_same_stream(feed: Feed) -> None:
    """sudo of RHSA-2024:0811: 9.el9_3 is older than its stream's fix, though 9.el9_2.2 is a fix."""
    said = [
        fixed(MAIN_9, "sudo", "0:1.9.5p2-10.el9_3"),
        fixed(EUS_9_2, "sudo", "0:1.9.5p2-9.el9_2.2"),
    ]
    assert status(feed, said, rpm("sudo-1.9.5p2-9.el9_3.x86_64")) == "fix_available"


def test_only_fixes_of_the_same_enterprise_linux_count(feed: Feed) -> None:
    said = [fixed(MAIN_8, "bash", "0:4.4.19-7.el8"), fixed(MAIN_9, "bash", "0:5.1.8-9.el9")]
    assert status(feed, said, rpm("bash-5.1.8-8.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("bash-4.4.19-7.el8.x86_64"), cpes=[MAIN_8], version="8.9") == "clear"
    assert status(feed, said, rpm("bash-4.4.19-6.el8.x86_64"), cpes=[MAIN_8], version="8.9") == "fix_available"


# -- CPEs --


def test_statements_about_products_that_the_image_has_not_do_not_apply(feed: Feed) -> None:
    """Check-list 1: a package's name alone says nothing; brotli is fixed for fourteen products."""
    said = [fixed("cpe:/a:redhat:ansible_automation_platform:2.5::el9", "brotli", "0:9-1.el9ap")]
    match = feed.match_with([MAIN_9], said, rpm("brotli-1.0.9-6.el9.x86_64"))
    assert not match.findings
    assert match.counts["statements_applicable"] == match.counts["packages_matched"] == 0
    said.append(affected(MAJOR_9, "brotli"))
    assert status(feed, said, rpm("brotli-1.0.9-6.el9.x86_64")) == "affected"


@pytest.mark.parametrize("cpe", ["cpe:/o:redhat:enterprise_linux:9", "cpe:/a:redhat:enterprise_linux:9::appstream"])
@pytest.mark.parametrize(
    "own", [MAIN_9, "cpe:/a:redhat:enterprise_linux:9::crb", EUS_9_2, "cpe:/a:redhat:rhel_aus:9.2"]
)
def test_part_and_channel_do_not_count_and_update_streams_have_the_main_stream(feed: Feed, cpe: str, own: str) -> None:
    """Check-list 10 and 11: the feeds disagree about part and channel, and unfixed statements have neither minor nor
    channel."""
    assert status(feed, [affected(cpe, "bash")], rpm("bash-5.1.8-9.el9.x86_64"), cpes=[own]) == "affected"


def test_statements_about_an_update_stream_need_that_stream(feed: Feed) -> None:
    said = [affected("cpe:/a:redhat:rhel_eus:9.2::appstream", "bash")]
    package = rpm("bash-5.1.8-6.el9.x86_64")
    assert status(feed, said, package, cpes=[EUS_9_2]) == "affected"
    assert status(feed, said, package, cpes=[MAIN_9]) == "clear"
    assert status(feed, said, package, cpes=["cpe:/o:redhat:rhel_eus:9.4::baseos"]) == "clear"
    assert status(feed, said, package, cpes=["cpe:/o:redhat:rhel_aus:9.2::baseos"]) == "clear"


def test_a_fix_in_extended_life_means_that_the_main_stream_is_broken(feed: Feed) -> None:
    """rhel_els continues the main stream of version 7, and its fixes are all that is said after its end of life."""
    said = [fixed("cpe:/o:redhat:rhel_els:7", "bash", "0:4.2.46-36.el7_9")]
    main = "cpe:/o:redhat:enterprise_linux:7::server"
    finding = found(feed, said, rpm("bash-4.2.46-35.el7_9.x86_64"), cpes=[main], version="7.9")
    assert finding is not None
    assert (finding.status, finding.fixed_in, finding.advisory) == ("affected", "fixed only in rhel_els:7", "")
    assert status(feed, said, rpm("bash-4.2.46-36.el7_9.x86_64"), cpes=[main], version="7.9") == "clear"
    els = ["cpe:/o:redhat:rhel_els:7"]
    cleared = [affected("cpe:/o:redhat:enterprise_linux:7", "bash"), not_affected(els[0], "bash")]
    assert status(feed, cleared, rpm("bash-4.2.46-35.el7_9.x86_64"), cpes=els, version="7.9") == "clear"
    assert status(feed, cleared, rpm("bash-4.2.46-35.el7_9.x86_64"), cpes=[main], version="7.9") == "affected"
    assert status(feed, said, rpm("bash-4.2.46-35.el7_9.x86_64"), cpes=els, version="7.9") == "fix_available"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("cpe:/o:redhat:enterprise_linux:10", "affected"),
        ("cpe:/o:redhat:enterprise_linux:10.1", "affected"),
        ("cpe:/o:redhat:enterprise_linux:10.0", "affected"),  # what was broken in 10.0 is so until something says more
        ("cpe:/o:redhat:enterprise_linux", "affected"),
        ("cpe:/o:redhat:enterprise_linux:x", "clear"),
        ("cpe:/o:redhat:enterprise_linux:1", "clear"),
        ("cpe:/o:redhat:enterprise_linux:9", "clear"),
        ("cpe:/o:redhat:enterprise_linux_eus:10.0", "clear"),
    ],
)
def test_enterprise_linux_10_has_its_minor_in_the_cpe(feed: Feed, stated: str, expected: str) -> None:
    """Check-list 20."""
    cpes = ["cpe:/o:redhat:enterprise_linux:10.1"]
    package = rpm("bash-5.2.26-6.el10.x86_64")
    assert status(feed, [affected(stated, "bash")], package, cpes=cpes, version="10.1") == expected


def test_not_affected_in_another_minor_clears_nothing(feed: Feed) -> None:
    """RHEL 10.0 not affected, 10 affected: an image of 10.1 is affected, one of 10.0 is not."""
    said = [
        affected("cpe:/o:redhat:enterprise_linux:10", "bash"),
        not_affected("cpe:/o:redhat:enterprise_linux:10.0", "bash"),
    ]
    package = rpm("bash-5.2.26-6.el10.x86_64")
    ten_one, ten_zero = "cpe:/o:redhat:enterprise_linux:10.1", "cpe:/o:redhat:enterprise_linux:10.0"
    assert status(feed, said, package, cpes=[ten_one], version="10.1") == "affected"
    assert status(feed, said, package, cpes=[ten_zero], version="10.0") == "clear"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("cpe:/a:redhat:openshift:4.16::el9", "affected"),
        ("cpe:/a:redhat:openshift:4.16", "affected"),
        ("cpe:/a:redhat:openshift:4", "affected"),
        ("cpe:/a:redhat:openshift", "affected"),
        ("cpe:/a:redhat:openshift:4.1", "clear"),
        ("cpe:/a:redhat:openshift:4.15::el9", "clear"),
        ("cpe:/a:redhat:openshift:4.16::el8", "clear"),
        ("cpe:/a:redhat:openshift_ironic:4.16::el9", "clear"),
    ],
)
def test_layered_products_by_version_and_edition(feed: Feed, stated: str, expected: str) -> None:
    package = rpm("cri-o-1.29.5-7.rhaos4.16.el9.x86_64")
    assert status(feed, [affected(stated, "cri-o")], package, cpes=[OPENSHIFT]) == expected


def test_an_edition_is_that_of_the_image_when_its_own_cpe_has_none(feed: Feed) -> None:
    package = rpm("cri-o-1.29.5-7.rhaos4.16.el9.x86_64")
    own = [MAIN_9, "cpe:/a:redhat:openshift:4.16"]
    assert status(feed, [affected("cpe:/a:redhat:openshift:4.16::el9", "cri-o")], package, cpes=own) == "affected"
    assert status(feed, [affected("cpe:/a:redhat:openshift:4.16::el8", "cri-o")], package, cpes=own) == "clear"


def test_builds_for_several_enterprise_linux_under_one_cpe_are_told_apart_by_dist_tag(feed: Feed) -> None:
    """CVE-2022-38752: one JBoss CPE with el7, el8 and el9 builds; the highest of all would make most look broken."""
    cpe = "cpe:/a:redhat:jboss_enterprise_application_platform:7.4"
    said = [
        fixed(cpe, "eap7-undertow", "0:2.2.22-1.SP3_redhat_00001.1.el7eap", arch="noarch"),
        fixed(cpe, "eap7-undertow", "0:2.2.22-2.SP3_redhat_00001.1.el8eap", arch="noarch"),
        fixed(cpe, "eap7-undertow", "0:2.2.22-3.SP3_redhat_00001.1.el9eap", arch="noarch"),
    ]
    for major, release in ((7, 1), (8, 2), (9, 3)):
        main = f"cpe:/o:redhat:enterprise_linux:{major}::baseos"
        for lower, expected in ((0, "clear"), (1, "fix_available")):
            nevra = f"eap7-undertow-2.2.22-{release - lower}.SP3_redhat_00001.1.el{major}eap.noarch"
            assert status(feed, said, rpm(nevra), cpes=[main, cpe], version=f"{major}.4") == expected
        fix = found(
            feed, said, rpm(f"eap7-undertow-2.2.21-9.el{major}eap.noarch"), cpes=[main, cpe], version=f"{major}.4"
        )
        assert fix is not None and fix.fixed_in.endswith(f".el{major}eap")


def test_a_product_s_own_builds_are_judged_by_its_own_fixes(feed: Feed) -> None:
    """runc is in Enterprise Linux and in OpenShift; each build is compared with the fix of where it was made."""
    said = [
        fixed(MAIN_9, "runc", "4:1.1.12-3.el9_4"),
        fixed(OPENSHIFT, "runc", "4:1.1.12-1.2.rhaos4.16.el9"),
    ]
    cpes = [MAIN_9, OPENSHIFT]
    for evr, expected in (
        ("4:1.1.12-1.2.rhaos4.16.el9", "clear"),
        ("4:1.1.12-1.1.rhaos4.16.el9", "fix_available"),
        ("4:1.1.12-3.el9_4", "clear"),
        ("4:1.1.12-2.el9_4", "fix_available"),
        ("4:1.1.14-1.el9_5", "clear"),
    ):
        assert status(feed, said, rpm(f"runc-{evr}.x86_64"), cpes=cpes) == expected, evr
    finding = found(feed, said, rpm("runc-4:1.1.12-1.1.rhaos4.16.el9.x86_64"), cpes=cpes)
    assert finding is not None and finding.fixed_in == "4:1.1.12-1.2.rhaos4.16.el9"


def test_a_higher_fix_of_another_product_does_not_make_a_fixed_build_old(feed: Feed) -> None:
    said = [
        fixed(MAIN_9, "cri-tools", "0:1.28-3.el9_4"),
        fixed(OPENSHIFT, "cri-tools", "0:1.30-1.rhaos4.16.el9"),
    ]
    package = rpm("cri-tools-1.28-5.el9_5.x86_64")
    assert status(feed, said, package, cpes=[MAIN_9, OPENSHIFT]) == "clear"


def test_a_product_that_is_affected_keeps_a_newer_build_from_counting_as_fixed(feed: Feed) -> None:
    """Enterprise Linux fixed 1.0; the layered product ships 2.0 and has no fix."""
    said = [
        fixed(MAIN_9, "tool", "0:1.0-5.el9_4"),
        affected("cpe:/a:redhat:satellite:6.16::el9", "tool"),
    ]
    cpes = [MAIN_9, "cpe:/a:redhat:satellite:6.16::el9"]
    assert status(feed, said, rpm("tool-2.0-1.el9sat.x86_64"), cpes=cpes) == "affected"
    assert status(feed, said, rpm("tool-1.0-5.el9_4.x86_64"), cpes=cpes) == "clear"


def test_the_fix_that_is_offered_is_of_the_same_product_when_there_is_one(feed: Feed) -> None:
    said = [fixed(MAIN_9, "runc", "4:1.1.12-1.el9_4"), fixed(OPENSHIFT, "runc", "4:1.1.12-1.2.rhaos4.16.el9")]
    finding = found(feed, said, rpm("runc-4:1.1.12-0.9.rhaos4.16.el9.x86_64"), cpes=[MAIN_9, OPENSHIFT])
    assert finding is not None and finding.fixed_in == "4:1.1.12-1.2.rhaos4.16.el9"
    finding = found(feed, said[:1], rpm("runc-4:1.1.12-0.9.rhaos4.16.el9.x86_64"), cpes=[MAIN_9, OPENSHIFT])
    assert finding is not None and finding.fixed_in == "4:1.1.12-1.el9_4"


def test_a_product_without_a_fix_of_its_own_is_compared_with_all(feed: Feed) -> None:
    said = [fixed(MAIN_9, "tool", "0:1.0-2.el9_4")]
    cpes = [MAIN_9, "cpe:/a:redhat:satellite:6.16::el9"]
    assert status(feed, said, rpm("tool-0.9-1.el9sat.x86_64"), cpes=cpes) == "fix_available"
    assert status(feed, said, rpm("tool-1.1-1.el9sat.x86_64"), cpes=cpes) == "clear"


def test_without_a_fix_for_this_enterprise_linux_those_for_others_count(feed: Feed) -> None:
    cpe = "cpe:/a:redhat:jboss_core_services:1"
    said = [fixed(cpe, "jbcs-curl", "0:8.4.0-2.el7jbcs"), fixed(cpe, "jbcs-curl", "0:8.4.0-2.el8jbcs")]
    assert status(feed, said, rpm("jbcs-curl-8.3.0-9.el9jbcs.x86_64"), cpes=[MAIN_9, cpe]) == "fix_available"
    assert status(feed, said, rpm("jbcs-curl-8.5.0-1.el9jbcs.x86_64"), cpes=[MAIN_9, cpe]) == "clear"


def test_two_products_with_the_same_dist_tag_must_both_have_fixed_the_build(feed: Feed) -> None:
    said = [
        fixed(MAIN_9, "tool", "0:1.0-9.el9"),
        fixed("cpe:/a:redhat:layer:1::el9", "tool", "0:1.0-2.el9"),
    ]
    cpes = [MAIN_9, "cpe:/a:redhat:layer:1::el9"]
    assert status(feed, said, rpm("tool-1.0-5.el9.x86_64"), cpes=cpes) == "fix_available"
    assert status(feed, said, rpm("tool-1.0-9.el9.x86_64"), cpes=cpes) == "clear"


# -- names, architectures, sources, epochs --


@pytest.mark.parametrize(
    ("stated", "own", "expected"),
    [
        ("x86_64", "x86_64", "affected"),
        ("", "x86_64", "affected"),
        ("noarch", "x86_64", "affected"),
        ("aarch64", "x86_64", "clear"),
        ("i686", "x86_64", "clear"),
        ("x86_64", "noarch", "affected"),  # it became noarch since
        ("src", "noarch", "clear"),  # of a source of that name, which this was not built from
        ("s390x", "s390x", "affected"),
        ("x86_64", "amd64", "affected"),
    ],
)
def test_architectures(feed: Feed, stated: str, own: str, expected: str) -> None:
    """Check-list 13: other architectures than x86_64 are matched like it, and are not mixed up with it."""
    package = rpm(f"tool-1.0-1.el9.{own}", source="other-1.0-1.el9.src.rpm")
    assert status(feed, [affected(MAJOR_9, "tool", arch=stated)], package) == expected


@pytest.mark.parametrize("name", ["tool-libs", "Tool", "tool2", "too"])
def test_names_are_equal_or_nothing(feed: Feed, name: str) -> None:
    assert status(feed, [affected(MAJOR_9, name)], rpm("tool-1.0-1.el9.x86_64")) == "clear"


def test_names_with_percent_signs(feed: Feed) -> None:
    said = [affected(MAJOR_9, "libstdc++"), affected(MAJOR_9, "gcc-c++")]
    package = rpm("libstdc++-11.4.1-3.el9.x86_64", source="gcc-11.4.1-3.el9.src.rpm")
    assert status(feed, said, package) == "affected"


def test_a_statement_about_the_source_concerns_what_was_built_from_it(feed: Feed) -> None:
    """Check-list 9: unfixed statements of the legacy feed and fixed ones of the new one name the source alone."""
    package = rpm("openssl-libs-1:3.0.7-27.el9.x86_64", source="openssl-3.0.7-27.el9.src.rpm")
    assert status(feed, [affected(MAJOR_9, "openssl", arch="src")], package) == "affected"
    assert status(feed, [affected(MAJOR_9, "openssl", arch="x86_64")], package) == "clear"
    said = [fixed(MAIN_9, "openssl", "1:3.0.7-28.el9", arch="src")]
    assert status(feed, said, package) == "fix_available"
    newer = rpm("openssl-libs-1:3.0.7-28.el9.x86_64", source="openssl-3.0.7-28.el9.src.rpm")
    assert status(feed, said, newer) == "clear"


def test_a_source_is_compared_without_epoch(feed: Feed) -> None:
    """Check-list 6: perl-Errno has epoch 0 and version 1.28, its source perl epoch 4 and version 5.26.3."""
    said = [fixed(MAIN_8, "perl", "4:5.26.3-420.el8", arch="src")]
    old = rpm("perl-Errno-0:1.28-419.el8.x86_64", source="perl-5.26.3-419.el8.src.rpm")
    new = rpm("perl-Errno-0:1.28-420.el8.x86_64", source="perl-5.26.3-420.el8.src.rpm")
    assert status(feed, said, old, cpes=[MAIN_8], version="8.6") == "fix_available"
    assert status(feed, said, new, cpes=[MAIN_8], version="8.6") == "clear"
    # The other way round: a binary with an epoch from a source without one.
    said = [fixed(MAIN_9, "findutils", "0:4.8.0-7.el9", arch="src")]
    old = rpm("findutils-1:4.8.0-6.el9.x86_64", source="findutils-4.8.0-6.el9.src.rpm")
    assert status(feed, said, old) == "fix_available"


def test_epochs_count(feed: Feed) -> None:
    """Check-list 6: 1:1.0 is newer than 0:9.0."""
    said = [fixed(MAIN_9, "tool", "1:1.0-1.el9")]
    assert status(feed, said, rpm("tool-9.0-1.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-1:1.0-1.el9.x86_64")) == "clear"


def test_fixes_of_the_binary_beat_those_of_the_source(feed: Feed) -> None:
    """A source that is fixed in a build that this package came in unfixed: the binary's own fix decides."""
    said = [
        fixed(MAIN_9, "tool", "0:1.0-3.el9", arch="src"),
        fixed(MAIN_9, "tool-libs", "0:1.0-5.el9"),
    ]
    package = rpm("tool-libs-1.0-4.el9.x86_64", source="tool-1.0-4.el9.src.rpm")
    finding = found(feed, said, package)
    assert finding is not None and finding.fixed_in == "0:1.0-5.el9"


def test_a_fix_of_the_source_that_applies_beats_one_of_the_binary_that_does_not(feed: Feed) -> None:
    """Else the binary of an old update stream would clear every newer build of the main stream."""
    said = [
        fixed(MAIN_9, "tool", "0:1.0-5.el9_4", arch="src"),
        fixed(EUS_9_2, "tool-libs", "0:1.0-2.el9_2.1"),
    ]
    package = rpm("tool-libs-1.0-4.el9_4.x86_64", source="tool-1.0-4.el9_4.src.rpm")
    assert status(feed, said, package) == "fix_available"


def test_a_package_without_source_is_its_own(feed: Feed) -> None:
    package = Package("tool", None, "1.0", "1.el9", "x86_64", vendor="Red Hat, Inc.", key_id="199e2f91fd431d51")
    match = feed.match(inventory(package), document("CVE-2026-1000", affected(MAJOR_9, "tool", arch="src")))
    assert [finding.status for finding in match.findings] == ["affected"]
    assert [problem.code for problem in match.problems] == ["source-unknown"]


# -- modules --


@pytest.mark.parametrize(
    ("stated", "own", "expected"),
    [
        ("perl:5.32", "perl:5.32", "affected"),
        ("perl:5.32:8060020230403:ad008a3a", "perl:5.32", "affected"),
        ("perl:5.30", "perl:5.32", "clear"),
        ("perl-tools:5.32", "perl:5.32", "clear"),
        ("", "perl:5.32", "clear"),
        ("perl:5.32", "", "clear"),
        ("", "", "affected"),
        ("perl-devel:5.32", "perl:5.32", "affected"),
        ("perl:5.32", "perl-devel:5.32", "affected"),
        ("perl-devel:5.30", "perl:5.32", "clear"),
        ("satellite:el8", "satellite:el8", "affected"),
    ],
)
def test_modules(feed: Feed, stated: str, own: str, expected: str) -> None:
    """Check-list 4 and 5: name and stream must be equal; ``<module>-devel`` is the module, too."""
    release = "1.module+el8.6.0+14480+c0a3aa0f" if own else "1.el8"
    package = rpm(f"perl-FCGI-0.78-{release}.x86_64", module=own)
    said = [affected("cpe:/o:redhat:enterprise_linux:8", "perl-FCGI", module=stated)]
    finding = found(feed, said, package, cpes=[MAIN_8], version="8.6")
    assert (finding.status if finding else "clear") == expected
    assert finding is None or finding.module == own


def test_builds_of_a_module_that_differ_in_context_alone_are_the_same_build(feed: Feed) -> None:
    """Check-list 4: CVE-2025-40907 lists four perl-FCGI builds that differ in the last hash."""
    contexts = ("20b7d289", "63faba8d", "95b68fad", "df114ff4")
    said = [
        fixed(MAIN_8, "perl-FCGI", f"1:0.78-12.module+el8.10.0+23147+{context}", module="perl:5.32")
        for context in contexts
    ]
    for context in (*contexts, "00000000", "ffffffff"):
        package = rpm(f"perl-FCGI-1:0.78-12.module+el8.10.0+23147+{context}.x86_64", module="perl:5.32")
        assert status(feed, said, package, cpes=[MAIN_8], version="8.10") == "clear"
        package = rpm(f"perl-FCGI-1:0.78-12.module+el8.10.0+23146+{context}.x86_64", module="perl:5.32")
        assert status(feed, said, package, cpes=[MAIN_8], version="8.10") == "fix_available"


def test_streams_of_modules_by_minor(feed: Feed) -> None:
    """``+el8.6.0+`` and ``+el8.8.0+`` are streams like ``el8_6`` and ``el8_8``."""
    said = [
        fixed(MAIN_8, "ruby", "0:3.1.2-142.module+el8.8.0+18000+aaaaaaaa", module="ruby:3.1"),
        fixed(
            "cpe:/a:redhat:rhel_eus:8.6::appstream",
            "ruby",
            "0:3.1.2-141.module+el8.6.0+17000+bbbbbbbb",
            module="ruby:3.1",
        ),
    ]
    for evr, expected in (
        ("3.1.2-141.module+el8.6.0+17000+cccccccc", "clear"),
        ("3.1.2-141.module+el8.6.0+16999+cccccccc", "fix_available"),
        ("3.1.2-141.module+el8.8.0+17999+cccccccc", "fix_available"),
        ("3.1.2-142.module+el8.8.0+18000+cccccccc", "clear"),
        ("3.1.2-143.module+el8.10.0+19000+cccccccc", "clear"),
    ):
        package = rpm(f"ruby-{evr}.x86_64", module="ruby:3.1")
        assert status(feed, said, package, cpes=[MAIN_8], version="8.8") == expected, evr


def test_fixes_of_another_stream_of_the_module_do_not_count(feed: Feed) -> None:
    said = [
        affected("cpe:/o:redhat:enterprise_linux:8", "perl", module="perl:5.32"),
        fixed(MAIN_8, "perl", "4:5.30.1-452.module+el8.6.0+1+aaaaaaaa", module="perl:5.30"),
    ]
    package = rpm("perl-4:5.32.1-471.module+el8.6.0+9+aaaaaaaa.x86_64", module="perl:5.32")
    assert status(feed, said, package, cpes=[MAIN_8], version="8.6") == "affected"


def test_a_modular_build_without_label_may_be_of_any_module(feed: Feed) -> None:
    """The release says that it is modular; not knowing the module must not hide anything."""
    package = rpm("perl-4:5.32.1-471.module+el8.6.0+9+aaaaaaaa.x86_64")
    said = [affected("cpe:/o:redhat:enterprise_linux:8", "perl", module="perl:5.32")]
    finding = found(feed, said, package, cpes=[MAIN_8], version="8.6")
    assert finding is not None and (finding.status, finding.module) == ("affected", "")
    said = [
        affected("cpe:/o:redhat:enterprise_linux:8", "perl", module=module, severity=severity)
        for module, severity in (("perl:5.24", "Low"), ("perl:5.30", "Critical"), ("perl:5.32", "Low"))
    ]
    finding = found(feed, said, package, cpes=[MAIN_8], version="8.6")
    assert finding is not None and finding.severity == "critical", "the worst of what may be meant"


def test_a_modular_fix_without_its_module_concerns_modular_builds_alone(feed: Feed) -> None:
    said = [fixed(MAIN_8, "perl", "4:5.32.1-472.module+el8.6.0+9+aaaaaaaa")]
    modular = rpm("perl-4:5.32.1-471.module+el8.6.0+8+aaaaaaaa.x86_64", module="perl:5.32")
    assert status(feed, said, modular, cpes=[MAIN_8], version="8.6") == "fix_available"
    plain = rpm("perl-4:5.26.3-420.el8.x86_64")
    assert status(feed, said, plain, cpes=[MAIN_8], version="8.6") == "clear"


def test_a_statement_that_hides_its_module_counts_until_one_names_it(feed: Feed) -> None:
    """``rpmmod=rhel10`` (seen in CVE-2024-24786) names no stream: it concerns the package, modular or not."""
    unknown = affected("cpe:/o:redhat:enterprise_linux:8", "perl", module="perl")
    modular = rpm("perl-4:5.32.1-471.module+el8.6.0+9+aaaaaaaa.x86_64", module="perl:5.32")
    for package in (modular, rpm("perl-4:5.26.3-420.el8.x86_64")):
        assert status(feed, [unknown], package, cpes=[MAIN_8], version="8.6") == "affected"
    named = not_affected("cpe:/o:redhat:enterprise_linux:8", "perl", module="perl:5.32")
    assert status(feed, [unknown, named], modular, cpes=[MAIN_8], version="8.6") == "clear"


def test_while_the_module_is_not_known_the_build_is_clear_when_it_is_for_each(feed: Feed) -> None:
    """A fix in one stream of a module, or "not affected" there, says nothing about another."""
    package = rpm("perl-4:5.32.1-471.module+el8.6.0+9+aaaaaaaa.x86_64")
    major_8 = "cpe:/o:redhat:enterprise_linux:8"
    other = affected(major_8, "perl", module="perl:5.32")
    old = fixed(MAIN_8, "perl", "4:5.30.1-452.module+el8.6.0+1+aaaaaaaa", module="perl:5.30")
    for said in ([other, old], [other, not_affected(major_8, "perl", module="perl:5.30")]):
        assert status(feed, said, package, cpes=[MAIN_8], version="8.6") == "affected"
    assert status(feed, [old], package, cpes=[MAIN_8], version="8.6") == "clear"
    hidden = not_affected(major_8, "perl", module="perl")
    assert (
        status(feed, [hidden, affected(major_8, "perl", module="perl")], package, cpes=[MAIN_8], version="8.6")
        == "affected"
    )


POSTGRESQL = [
    fixed(APPSTREAM_9, "postgresql", "0:13.11-1.el9_2"),
    fixed(APPSTREAM_9, "postgresql", "0:15.3-1.module+el9.2.0.z+19113+6f5d9d63"),
    affected(MAJOR_9, "postgresql", module="postgresql:15"),
]


@pytest.mark.parametrize("module", ["postgresql:15", ""])
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("15.3-1.module+el9.2.0.z+19113+6f5d9d63", "clear"),  # the very build that is listed
        ("15.3-1.module+el9.2.0.z+19113+00000000", "clear"),
        ("15.3-2.module+el9.2.0.z+19200+6f5d9d63", "clear"),
        ("15.4-1.module+el9.2.0.z+19300+6f5d9d63", "clear"),  # a later version of the same stream
        ("15.3-1.module+el9.2.0.z+19112+6f5d9d63", "fix_available"),
        ("15.3-0.module+el9.2.0.z+19112+6f5d9d63", "fix_available"),
        ("15.2-1.module+el9.1.0+17000+6f5d9d63", "fix_available"),
    ],
)
def test_a_fix_without_its_module_is_that_of_the_builds_own_module(
    feed: Feed, build: str, module: str, expected: str
) -> None:
    """As in CVE-2023-2454, which names postgresql:15 for what is affected and no module for any fix."""
    for package in (
        rpm(f"postgresql-{build}.x86_64", module=module),
        rpm(f"postgresql-{build}.x86_64", module=module, source=f"postgresql-{build}.src.rpm"),
    ):
        assert status(feed, POSTGRESQL, package, cpes=[APPSTREAM_9]) == expected


@pytest.mark.parametrize(
    ("stream", "build", "expected"),
    [
        ("13", "13.10-1.module+el8.7.0+18000+0a277c66", "fix_available"),
        ("13", "13.11-1.module+el8.8.0+19081+0a277c66", "clear"),
        ("13", "13.12-1.module+el8.8.0+20000+0a277c66", "clear"),  # older than the fix of 15, newer than its own
        ("15", "15.2-1.module+el8.8.0+19000+0a277c66", "fix_available"),
        ("1", "13.12-1.module+el8.8.0+20000+0a277c66", "fix_available"),  # 13.12 is not 1.x
        ("rhel8", "13.12-1.module+el8.8.0+20000+0a277c66", "fix_available"),  # no stream of numbers
    ],
)
def test_fixes_of_several_modules_that_are_not_named(feed: Feed, stream: str, build: str, expected: str) -> None:
    said = [
        fixed(MAIN_8, "postgresql", "0:13.11-1.module+el8.8.0+19081+0a277c66"),
        fixed(MAIN_8, "postgresql", "0:15.3-1.module+el8.8.0+19565+1b0ddae0"),
    ]
    package = rpm(f"postgresql-{build}.x86_64", module=f"postgresql:{stream}")
    assert status(feed, said, package, cpes=[MAIN_8], version="8.8") == expected


@pytest.mark.parametrize(
    ("build", "expected"), [(11353, "fix_available"), (11354, "clear"), (11356, "fix_available"), (11357, "clear")]
)
def test_one_version_in_several_modules_that_are_not_named(feed: Feed, build: int, expected: str) -> None:
    """A build between those of two modules may be an older one of either."""
    said = [fixed(MAIN_8, "pg_repack", f"0:1.4.6-3.module+el8.5.0+{number}+bcc62552") for number in (11354, 11357)]
    said.append(fixed(MAIN_8, "pg_repack", "0:1.4.8-1.module+el8.8.0+17071+aaaceaa4"))
    package = rpm(f"pg_repack-1.4.6-3.module+el8.5.0+{build}+bcc62552.x86_64", module="postgresql:13")
    assert status(feed, said, package, cpes=[MAIN_8], version="8.8") == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("11.module+el8.4.0+23208+5106d2ab.1", "fix_available"),
        ("11.module+el8.4.0+23209+97efe810.1", "clear"),
        ("11.module+el8.4.0+23228+35c4aba7.1", "fix_available"),
        ("11.module+el8.4.0+23229+35c4aba7.1", "clear"),
        ("11.module+el8.4.0+23300+35c4aba7.1", "clear"),
        ("10.module+el8.4.0+23300+35c4aba7", "fix_available"),
        ("12.module+el8.4.0+23210+5106d2ab", "clear"),
    ],
)
def test_one_release_in_several_builds_of_its_module(feed: Feed, build: str, expected: str) -> None:
    """As perl-FCGI in CVE-2025-40907, which is built for several streams of perl."""
    said = [
        fixed(cpe, "perl-FCGI", f"1:0.78-{release}", module="perl-FCGI:0.78")
        for cpe, release in (
            ("cpe:/a:redhat:rhel_aus:8.4::appstream", "11.module+el8.4.0+23209+5106d2ab.1"),
            ("cpe:/a:redhat:rhel_aus:8.4::appstream", "11.module+el8.4.0+23209+97efe810.1"),
            ("cpe:/a:redhat:rhel_aus:8.4::appstream", "11.module+el8.4.0+23229+35c4aba7.1"),
            (MAIN_8, "12.module+el8.10.0+23147+20b7d289"),
        )
    ]
    package = rpm(f"perl-FCGI-1:0.78-{build}.x86_64", module="perl-FCGI:0.78")
    cpes = [MAIN_8, "cpe:/a:redhat:rhel_aus:8.4::appstream"]
    assert status(feed, said, package, cpes=cpes, version="8.4") == expected


# -- precedence of what is said --


def test_not_affected_is_believed_for_a_product_named_as_exactly(feed: Feed) -> None:
    """Check-list 8 and 17: what an advisory rebuilt without having had the bug is not affected."""
    package = rpm("tool-1.0-1.el9.x86_64")
    for other in (affected(MAJOR_9, "tool"), investigated(MAJOR_9, "tool")):
        assert status(feed, [other, not_affected(MAJOR_9, "tool", arch="x86_64")], package) == "clear"
        assert status(feed, [other, not_affected(MAIN_9, "tool")], package) == "clear"
    later = fixed(MAIN_9, "tool", "0:1.0-2.el9")
    assert status(feed, [later, not_affected(MAIN_9, "tool")], package) == "clear"


@pytest.mark.parametrize("cpe", [MAIN_9, MAJOR_9, OPENSHIFT, "cpe:/a:redhat:openshift_application_runtimes:1.0"])
def test_not_affected_does_not_clear_another_product_with_the_same_cpe(feed: Feed, cpe: str) -> None:
    """As in CVE-2023-1370, where two products have one CPE: one has the flaw and no fix, the other is not affected."""
    package = rpm("tool-1.0-1.el9.x86_64")
    cpes = [MAIN_9, cpe]
    for other, expected in (
        (affected(cpe, "tool"), "affected"),
        (affected(cpe, "tool", state="Will not fix"), "will_not_fix"),
        (investigated(cpe, "tool"), "under_investigation"),
    ):
        clear = not_affected(cpe, "tool")
        assert status(feed, [other, clear], package, cpes=cpes) == expected, "two products, each with its own state"
        assert status(feed, [clear, other], package, cpes=cpes) == expected
    both = [affected(cpe, "tool", state="Will not fix"), affected(cpe, "tool", arch="x86_64", state="Affected")]
    assert status(feed, both, package, cpes=cpes) == "affected", "what may still be fixed is told first"


def test_a_more_exact_product_beats_not_affected(feed: Feed) -> None:
    package = rpm("tool-1.0-1.el9.x86_64")
    said = [fixed(MAIN_9, "tool", "0:1.0-2.el9"), not_affected(MAJOR_9, "tool")]
    assert status(feed, said, package) == "fix_available"
    said = [affected(EUS_9_2, "tool"), not_affected(MAIN_9, "tool")]
    assert status(feed, said, package, cpes=[EUS_9_2]) == "affected"


def test_not_affected_in_an_update_stream_clears_its_own_builds_alone(feed: Feed) -> None:
    said = [affected(MAJOR_9, "tool"), not_affected(EUS_9_2, "tool")]
    cpes = [MAIN_9, EUS_9_2]
    assert status(feed, said, rpm("tool-1.0-1.el9_2.x86_64"), cpes=cpes) == "clear"
    assert status(feed, said, rpm("tool-1.1-1.el9_4.x86_64"), cpes=cpes) == "affected"
    assert status(feed, said, rpm("tool-1.0-1.el9_2.x86_64"), cpes=[MAIN_9]) == "affected"


def test_not_affected_of_another_product_clears_nothing(feed: Feed) -> None:
    said = [affected(MAJOR_9, "tool"), not_affected(OPENSHIFT, "tool")]
    assert status(feed, said, rpm("tool-1.0-1.el9.x86_64"), cpes=[MAIN_9, OPENSHIFT]) == "affected"


@pytest.mark.parametrize("version", ["4.*", "4.%02", "4.1?", "4.1%01", "4.%01%01"])
def test_a_version_with_a_wildcard_is_that_of_the_image(feed: Feed, version: str) -> None:
    stated = f"cpe:/a:redhat:openshift:{version}::el9"
    package = rpm("tool-1.0-1.el9.x86_64")
    for cpe, expected in ((OPENSHIFT, "affected"), ("cpe:/a:redhat:openshift:5.16::el9", "clear")):
        assert status(feed, [affected(stated, "tool")], package, cpes=[MAIN_9, cpe]) == expected
    said = [affected("cpe:/a:redhat:openshift:4::el9", "tool"), not_affected(stated, "tool")]
    assert status(feed, said, package, cpes=[MAIN_9, OPENSHIFT]) == "clear"
    said = [affected(OPENSHIFT, "tool"), not_affected(stated, "tool")]
    assert status(feed, said, package, cpes=[MAIN_9, OPENSHIFT]) == "affected", "a version is more exact"


def test_not_affected_of_a_source_does_not_clear_what_is_said_of_the_binary(feed: Feed) -> None:
    package = rpm("tool-libs-1.0-1.el9.x86_64", source="tool-1.0-1.el9.src.rpm")
    source, binary = {"name": "tool", "arch": "src"}, {"name": "tool-libs"}
    said = [affected(MAJOR_9, **binary), not_affected(MAJOR_9, **source)]
    assert status(feed, said, package) == "affected"
    said = [affected(MAJOR_9, **source), not_affected(MAJOR_9, **binary)]
    assert status(feed, said, package) == "clear"
    said = [affected(MAJOR_9, **source), not_affected(MAIN_9, **source)]
    assert status(feed, said, package) == "clear"


def test_not_affected_of_one_build_says_nothing_about_older_ones(feed: Feed) -> None:
    said = [affected(MAJOR_9, "tool"), not_affected(MAIN_9, "tool", evr="0:3.0.7-2.el9", arch="x86_64")]
    assert status(feed, said, rpm("tool-3.0.7-2.el9.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-3.0.7-3.el9.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-3.0.7-1.el9.x86_64")) == "affected"


def test_fixed_beats_affected_and_affected_beats_under_investigation(feed: Feed) -> None:
    package = rpm("tool-1.0-2.el9.x86_64")
    everything = [
        fixed(MAIN_9, "tool", "0:1.0-2.el9"),
        affected(MAJOR_9, "tool", state="Will not fix"),
        investigated(MAJOR_9, "tool"),
    ]
    assert status(feed, everything, package) == "clear"
    assert status(feed, everything[1:], package) == "will_not_fix"
    assert status(feed, everything[2:], package) == "under_investigation"
    assert status(feed, everything, rpm("tool-1.0-1.el9.x86_64")) == "fix_available"
    for order in itertools.permutations(everything):
        assert status(feed, order, package) == "clear", "the order in the document does not matter"


def test_a_build_that_is_affected_does_not_clear_newer_ones(feed: Feed) -> None:
    """Some statements name the build that was looked at; only "fixed" names one from which on all is well."""
    said = [affected(MAIN_9, "tool", evr="0:1.0-1.el9", arch="x86_64")]
    for evr in ("0.9-1.el9", "1.0-1.el9", "1.0-2.el9"):
        assert status(feed, said, rpm(f"tool-{evr}.x86_64")) == "affected"


@pytest.mark.parametrize("say", [affected, investigated])
def test_the_statement_that_is_reported_is_the_most_exact_one(feed: Feed, say: t.Callable[..., Says]) -> None:
    package = rpm("tool-1.0-1.el9.x86_64")
    for said in ([say(MAJOR_9, "tool"), say(MAIN_9, "tool")], [say(MAIN_9, "tool"), say(MAJOR_9, "tool")]):
        finding = found(feed, said, package)
        assert finding is not None and finding.cpe == MAIN_9
        assert (finding.fixed_in, finding.advisory, finding.module) == ("", "", "")


def test_the_state_that_is_reported_is_the_binary_s_and_the_least_final(feed: Feed) -> None:
    source = affected(MAJOR_9, "tool", arch="src", state="Affected")
    for said, expected in (
        ([source, affected(MAJOR_9, "tool", state="Will not fix")], "will_not_fix"),
        ([affected(MAJOR_9, "tool", state="Will not fix"), affected(MAJOR_9, "tool", arch="noarch")], "affected"),
        ([affected(MAJOR_9, "tool"), affected(MAJOR_9, "tool", arch="noarch", state="Will not fix")], "affected"),
    ):
        assert status(feed, said, rpm("tool-1.0-1.el9.x86_64")) == expected


def test_a_fix_without_a_version_fixes_nothing(feed: Feed) -> None:
    assert status(feed, [fixed(MAIN_9, "tool", "")], rpm("tool-1.0-1.el9.x86_64")) == "affected"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Affected", "affected"),
        ("Fix deferred", "fix_deferred"),
        ("Will not fix", "will_not_fix"),
        ("Out of support scope", "out_of_support"),
        ("will not fix ", "will_not_fix"),
        ("Something new", "will_not_fix"),
    ],
)
def test_fix_states(feed: Feed, state: str, expected: str) -> None:
    assert status(feed, [affected(MAJOR_9, "tool", state=state)], rpm("tool-1.0-1.el9.x86_64")) == expected


def test_severity_is_that_of_the_product(feed: Feed) -> None:
    """Check-list 23: one vulnerability is Low in one product and Critical in another."""
    said = [
        affected(MAJOR_9, "tool", severity="Low"),
        affected("cpe:/o:redhat:enterprise_linux:8", "tool", severity="Critical"),
        affected("cpe:/a:redhat:openshift:4", "tool", severity="Important"),
    ]
    package = rpm("tool-1.0-1.el9.x86_64")
    looked_at = [one._replace(status="under_investigation") for one in said]
    for statements in (said, looked_at):
        for cpes, expected in (([MAIN_9], "low"), ([MAIN_9, OPENSHIFT], "important")):
            finding = found(feed, statements, package, cpes=cpes)
            assert finding is not None and finding.severity == expected


# -- scope --


def test_packages_of_other_vendors_are_listed_and_not_matched(feed: Feed) -> None:
    """Check-list 7: EPEL's builds have the names of Red Hat's and nothing to do with its statements."""
    epel = rpm("tool-1.0-1.el9.x86_64", vendor="Fedora Project", key="8a3872bf3228467c")
    own = rpm("other-1.0-1.el9.x86_64", vendor="", key="")
    match = feed.match_with([MAIN_9], [affected(MAJOR_9, "tool"), affected(MAJOR_9, "other")], epel, own)
    assert not match.findings
    assert [(one.package, one.vendor, one.key_id) for one in match.not_covered] == [
        ("tool-0:1.0-1.el9.x86_64", "Fedora Project", "8a3872bf3228467c"),
        ("other-0:1.0-1.el9.x86_64", "", ""),
    ]
    assert match.counts["packages_covered"] == 0


def test_a_vendor_s_name_without_its_key_is_a_guess(feed: Feed) -> None:
    """Without a signature it counts as a guess; with the key of somebody else it is matched, and listed as foreign."""
    packages = [
        rpm("tool-1.0-1.el9.x86_64", key=""),
        rpm("tool-1.0-2.el9.x86_64", key="0123456789abcdef"),
        rpm("tool-1.0-3.el9.x86_64", vendor=""),
        rpm("tool-1.0-4.el9.x86_64", vendor="", key="199E2F91FD431D51"),
    ]
    match = feed.match_with([MAIN_9], [affected(MAJOR_9, "tool")], *packages)
    assert len(match.findings) == 4
    assert match.counts["vendor_by_name"] == 1
    assert [one.package for one in match.not_covered] == ["tool-0:1.0-2.el9.x86_64"]


@pytest.mark.parametrize("repositories", [[], ["repo"]])
def test_packages_for_another_enterprise_linux_than_the_image_says_are_a_problem(
    feed: Feed, repositories: list[str]
) -> None:
    """With a wrong os-release or repository, no statement about the real packages would have been seen."""
    said = document("CVE-2026-1000", affected("cpe:/o:redhat:enterprise_linux:8", "tool"))
    for package, expected in ((rpm("tool-1.0-1.el8.x86_64"), ["release-mismatch"]), (rpm("tool-1.0-1.el9.x86_64"), [])):
        taken = inventory(package, version="9.4", repositories=repositories)
        match = feed.match(taken, said, repositories={"repo": [MAIN_9]})
        assert [problem.code for problem in match.problems] == expected


def test_a_few_packages_of_another_enterprise_linux_count_when_the_feed_speaks_of_them(feed: Feed) -> None:
    packages = [rpm(f"p{number}-1.0-1.el9.x86_64") for number in range(5)]
    packages.append(rpm("tool-libs-1.0-1.el8.x86_64", source="tool-1.0-1.el8.src.rpm"))
    for cpe, expected in (("cpe:/o:redhat:enterprise_linux:8", ["release-mismatch"]), (MAJOR_9, [])):
        for name in ("tool", "tool-libs"):
            match = feed.match_with([MAIN_9], [affected(cpe, name, arch="src" if name == "tool" else "")], *packages)
            assert [problem.code for problem in match.problems] == expected
            assert not expected or "tool-libs-0:1.0-1.el8.x86_64" in match.problems[0].message


def test_builds_of_a_layered_product_that_the_image_does_not_name_are_a_problem(feed: Feed) -> None:
    said = [affected(MAJOR_9, "tool")]
    package = rpm("tool-1.0-1.el9sat.x86_64")
    for cpes, expected in (([MAIN_9], ["product-unknown"]), ([MAIN_9, "cpe:/a:redhat:satellite:6.16::el9"], [])):
        match = feed.match_with(cpes, said, package)
        assert [problem.code for problem in match.problems] == expected


def test_channels_tell_products_apart_when_something_is_cleared(feed: Feed) -> None:
    said = [fixed(MAIN_9, "tool", "0:1.0-2.el9"), not_affected("cpe:/a:redhat:enterprise_linux:9::appstream", "tool")]
    assert status(feed, said, rpm("tool-1.0-1.el9.x86_64")) == "fix_available"


def test_a_component_without_architecture_may_be_the_source(feed: Feed) -> None:
    """Old documents name what is affected without saying whether it is a binary or a source package."""
    package = rpm("tool-libs-1.0-1.el9.x86_64", source="tool-1.0-1.el9.src.rpm")
    assert status(feed, [affected(MAJOR_9, "tool")], package) == "affected"
    assert status(feed, [affected(MAJOR_9, "tool"), not_affected(MAJOR_9, "tool-libs")], package) == "clear"
    assert status(feed, [affected(MAJOR_9, "tool", arch="src"), not_affected(MAJOR_9, "tool")], package) == "affected"


def test_public_keys_are_no_packages(feed: Feed) -> None:
    """Check-list 19."""
    key = rpm("gpg-pubkey-fd431d51-4ae0493b.(none)", vendor="", key="", source="(none)")
    match = feed.match_with([MAIN_9], [affected(MAJOR_9, "gpg-pubkey")], key, rpm("tool-1.0-1.el9.x86_64"))
    assert not match.findings and not match.not_covered
    assert match.counts["packages"] == 2 and match.counts["packages_covered"] == 1


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("kernel", True),
        ("kernel-core", True),
        ("kernel-modules-extra", True),
        ("kernel-rt-core", True),
        ("kernel-64k-modules", True),
        ("kernel-uki-virt", True),
        ("kernel-tools-libs", True),
        ("perf", True),
        ("bpftool", True),
        ("kernel-headers", False),
        ("kernel-doc", False),
        ("kernel-devel", False),
        ("kernel-rt-devel", False),
        ("kernel-64k-devel-matched", False),
        ("kernel-cross-headers", False),
        ("kernel-abi-stablelists", False),
    ],
)
def test_headers_and_documentation_of_the_kernel_are_left_out(feed: Feed, name: str, reported: bool) -> None:
    """Check-list 16: the feed calls kernel-headers affected by every flaw of the kernel."""
    package = rpm(f"{name}-5.14.0-427.el9.x86_64", source="kernel-5.14.0-427.el9.src.rpm")
    said = [affected(MAJOR_9, name), affected(MAJOR_9, "kernel", arch="src")]
    match = feed.match_with([MAIN_9], said, package)
    assert bool(match.findings) == reported
    assert match.counts["kernel_headers"] == (not reported)


def test_headers_of_something_else_are_not_left_out(feed: Feed) -> None:
    package = rpm("kernel-headers-1.0-1.el9.x86_64", source="impostor-1.0-1.el9.src.rpm")
    assert status(feed, [affected(MAJOR_9, "kernel-headers")], package) == "affected"


@pytest.mark.parametrize(
    ("os_id", "version", "cpe_name"),
    [
        ("almalinux", "9.4", "cpe:/o:almalinux:almalinux:9::baseos"),
        ("rocky", "9.4", "cpe:/o:rocky:rocky:9::baseos"),
        ("centos", "9", "cpe:/o:centos:centos:9"),
        ("fedora", "40", "cpe:/o:fedoraproject:fedora:40"),
        ("ol", "9.4", "cpe:/o:oracle:linux:9:4:server"),
        ("amzn", "2023", "cpe:2.3:o:amazon:amazon_linux:2023"),
    ],
)
def test_other_distributions_are_not_supported(feed: Feed, os_id: str, version: str, cpe_name: str) -> None:
    """Check-list 18: rebuilds number their modules themselves; this feed's fixes say nothing about them."""
    package = rpm("tool-1.0-1.el9.x86_64")
    said = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    match = feed.match(inventory(package, os_id=os_id, version=version, cpe_name=cpe_name), said)
    assert not match.supported and not match.findings and not match.cpes
    labelled = inventory(package, os_id=os_id, version=version, cpe_name=cpe_name, label_cpes=[MAIN_9])
    match = feed.match(labelled, said)
    assert not match.supported and not match.findings


@pytest.mark.parametrize("kind", ["dpkg", "apk", "static", "unknown"])
def test_what_has_no_rpm_database_is_not_supported(feed: Feed, kind: str) -> None:
    for os_id in ("debian", "rhel", ""):
        taken = inventory(rpm("tool-1.0-1.el9.x86_64"), os_id=os_id, kind=kind)
        match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")))
        assert not match.supported and not match.findings


def test_red_hat_s_packages_without_os_release_are_supported_and_their_version_assumed(feed: Feed) -> None:
    """``FROM scratch`` with packages in it: the dist tags tell which Enterprise Linux they are for."""
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), os_id="", version="")
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")))
    assert match.supported
    assert [finding.status for finding in match.findings] == ["affected"]
    assert {cpe.source for cpe in match.cpes} == {"assumed"}


@pytest.mark.parametrize("os_id", ["rhel", ""])
def test_the_version_that_os_release_lacks_is_that_of_the_packages(feed: Feed, os_id: str) -> None:
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), rpm("other-1-1.noarch"), os_id=os_id, version="")
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")))
    assert len(match.findings) == 1
    for version in ("²", "99999", "rolling"):
        taken = inventory(rpm("tool-1.0-1.el9.x86_64"), os_id=os_id, version=version)
        assert len(feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool"))).findings) == 1
    taken = inventory(rpm("other-1-1.noarch"), os_id=os_id, version="")
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")))
    assert match.supported and not match.cpes, "no dist tag: no product, which is seen"


def test_other_products_of_red_hat_are_supported_by_their_cpe(feed: Feed) -> None:
    hummingbird = "cpe:/a:redhat:hummingbird:1"
    taken = inventory(rpm("tool-1.0-1.hum1.x86_64"), os_id="hummingbird", version="1", cpe_name=hummingbird)
    match = feed.match(taken, document("CVE-2026-1000", fixed(hummingbird, "tool", "0:1.0-2.hum1", arch="src")))
    assert match.supported and [finding.fixed_in for finding in match.findings] == ["0:1.0-2.hum1"]


def test_coreos_is_supported_by_its_packages(feed: Feed) -> None:
    package = rpm("cri-o-1.29.5-7.rhaos4.16.el9.x86_64")
    taken = inventory(package, os_id="rhcos", version="4.16", cpe_name="cpe:/a:redhat:openshift:4.16::el9")
    match = feed.match(taken, document("CVE-2026-1000", affected("cpe:/a:redhat:openshift:4", "cri-o")))
    assert match.supported and len(match.findings) == 1
    assert {cpe.cpe for cpe in match.cpes} >= {MAIN_9, "cpe:/a:redhat:openshift:4.16::el9"}


# -- repositories --


def test_cpes_come_from_the_repositories_and_say_so(feed: Feed) -> None:
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), repositories=["main", "layer"], label_cpes=["cpe:/a:redhat:my:1"])
    mapped = {"main": [MAIN_9], "layer": [OPENSHIFT]}
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")), repositories=mapped)
    assert [(cpe.cpe, cpe.source) for cpe in match.cpes] == [
        (MAIN_9, "content_manifest"),
        (OPENSHIFT, "content_manifest"),
        ("cpe:/a:redhat:my:1", "label"),
    ]
    assert not match.unmapped


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("9.4", {MAIN_9, "cpe:/a:redhat:enterprise_linux:9::appstream", "cpe:/a:redhat:enterprise_linux:9::crb"}),
        ("10.0", {"cpe:/o:redhat:enterprise_linux:10.0"}),
        ("10", {"cpe:/o:redhat:enterprise_linux:10"}),
    ],
)
def test_without_repositories_the_main_channels_are_assumed(feed: Feed, version: str, expected: set[str]) -> None:
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), version=version)
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")))
    assert {cpe.cpe for cpe in match.cpes} == expected
    assert {cpe.source for cpe in match.cpes} == {"assumed"}


def test_repositories_without_a_map_are_listed_and_hide_nothing(feed: Feed) -> None:
    """Check-list 24: a missing map must not make an image look clean."""
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), repositories=["unknown", "layer"])
    said = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    match = feed.match(taken, said)
    assert match.unmapped == ("layer", "unknown")
    assert len(match.findings) == 1
    twice = inventory(rpm("tool-1.0-1.el9.x86_64"), repositories=["unknown", "main", "unknown"])
    match = feed.match(twice, said, repositories={"main": [EUS_9_2]})
    assert match.unmapped == ("unknown",)
    assert {cpe.cpe for cpe in match.cpes if cpe.source == "assumed"} >= {MAIN_9}, "in addition to what is known"
    match = feed.match(taken, said, repositories={"layer": [OPENSHIFT]})
    assert match.unmapped == ("unknown",)
    assert len(match.findings) == 1
    assert {cpe.source for cpe in match.cpes} == {"content_manifest", "assumed"}


def test_layered_repositories_alone_do_not_hide_the_base(feed: Feed) -> None:
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), repositories=["layer"])
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")), repositories={"layer": [OPENSHIFT]})
    assert len(match.findings) == 1 and not match.unmapped


def test_a_repository_without_a_version_of_enterprise_linux_does_not_hide_it(feed: Feed) -> None:
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), repositories=["odd"])
    mapped = {"odd": ["cpe:/o:redhat:enterprise_linux"]}
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")), repositories=mapped)
    assert len(match.findings) == 1


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("rhel-9-eus", {EUS_9_2, "cpe:/o:redhat:rhel_eus:9.4::baseos"}),
        ("rhel-9-eus__9_DOT_2", {EUS_9_2}),
        ("rhel-9-eus__9", {EUS_9_2, "cpe:/o:redhat:rhel_eus:9.4::baseos"}),
        ("rhel-9-eus__9_DOT_6", {EUS_9_2, "cpe:/o:redhat:rhel_eus:9.4::baseos"}),  # none fits: better all than none
        ("rhel-9__9_DOT_2", {MAIN_9, EUS_9_2}),
        ("known__9_DOT_2", {OPENSHIFT, MAIN_9}),
    ],
)
def test_repository_ids_may_carry_a_release(feed: Feed, repository: str, expected: set[str]) -> None:
    """Check-list 12: ``__8`` and ``__9_DOT_2`` stand behind ids that the map has without them."""
    taken = inventory(rpm("tool-1.0-1.el9.x86_64"), repositories=[repository])
    mapped = {
        "rhel-9-eus": [EUS_9_2, "cpe:/o:redhat:rhel_eus:9.4::baseos"],
        "rhel-9": [MAIN_9, EUS_9_2, "cpe:/o:redhat:rhel_eus:9.4::baseos"],
        "known__9_DOT_2": [OPENSHIFT, MAIN_9],
        "known": [EUS_9_2],
    }
    match = feed.match(taken, document("CVE-2026-1000", affected(MAJOR_9, "tool")), repositories=mapped)
    assert {cpe.cpe for cpe in match.cpes} == expected
    assert not match.unmapped


# -- what is missing --


def test_without_a_feed_nothing_is_known() -> None:
    """Check-list 24."""
    match = match_inventory(inventory(rpm("tool-1.0-1.el9.x86_64")), None)
    assert not match.supported and match.feed is None
    assert [problem.code for problem in match.problems] == ["no-feed"]


def test_a_partial_index_refuses_packages_it_was_not_built_for(feed: Feed) -> None:
    tool = rpm("tool-libs-1.0-1.el9.x86_64", source="tool-1.0-1.el9.src.rpm")
    said = [
        document("CVE-2026-1000", affected(MAJOR_9, "tool", arch="src")),
        document("CVE-2026-1001", affected(MAJOR_9, "bash")),
    ]
    whole = inventory(tool)
    assert wanted_names(whole) == ("tool", "tool-libs")
    assert wanted_names(inventory(rpm("gpg-pubkey-1-1.(none)"))) == ()
    match = feed.match(whole, *said, names=wanted_names(whole))
    assert [finding.id for finding in match.findings] == ["CVE-2026-1000"]
    assert not match.problems and match.feed is not None and match.feed.names == ("tool", "tool-libs")
    for names in (["tool-libs"], ["tool"], ["bash"]):
        match = feed.match(whole, *said, names=names)
        assert [problem.code for problem in match.problems] == ["feed-partial"], names
        assert "tool-libs-0:1.0-1.el9.x86_64" in match.problems[0].message


def test_counts_show_when_nothing_applies(feed: Feed) -> None:
    packages = [rpm(f"p{number}-1.0-1.el9.x86_64") for number in range(300)]
    match = feed.match(inventory(*packages), document("CVE-2026-1000", affected(MAJOR_9, "tool")))
    assert match.counts == {
        "packages": 300,
        "packages_covered": 300,
        "packages_matched": 0,
        "vendor_by_name": 0,
        "kernel_headers": 0,
        "statements_seen": 0,
        "statements_applicable": 0,
    }


def test_findings_do_not_depend_on_the_order_of_anything(feed: Feed) -> None:
    said = [
        *CURL,
        fixed("cpe:/a:redhat:enterprise_linux:9::appstream", "curl", "0:7.76.1-26.el9_3.2"),
        affected(MAJOR_9, "curl"),
        affected(MAJOR_9, "curl", arch="src"),
    ]
    packages = [rpm("curl-7.76.1-26.el9_3.1.x86_64"), rpm("curl-7.76.1-14.el9_0.8.x86_64")]
    results = {
        feed.match_with([MAIN_9, EUS_9_2], order, *own).findings
        for order in (said, said[::-1])
        for own in (packages, packages[::-1])
    }
    assert len(results) == 1 and len(next(iter(results))) == 2


def test_the_same_package_twice_is_one_finding(feed: Feed) -> None:
    package = rpm("tool-1.0-1.el9.x86_64")
    assert len(feed.match_with([MAIN_9], [affected(MAJOR_9, "tool")], package, package).findings) == 1


@pytest.mark.parametrize(
    "package",
    [
        Package("tool", None, "", "", "x86_64", vendor="Red Hat, Inc."),
        Package("tool", None, "1", "", "", vendor="Red Hat, Inc.", source_rpm="-"),
        Package("tool", 2**40, "\n;;", "~~^^..", "x86_64", vendor="Red Hat, Inc.", modularity=":::"),
        Package(
            "", None, "9" * 10000, "el" + "9" * 5000, "x86_64", vendor="Red Hat, Inc.", source_rpm="tool-1-1.src.rpm"
        ),
        Package("tool", None, "1", "1.module+el" + "8" * 5000, "x86_64", vendor="Red Hat, Inc."),
    ],
)
def test_odd_packages_end_in_a_finding_and_not_in_a_crash(feed: Feed, package: Package) -> None:
    """Names, versions and labels come from the image: none of them may end the scan or hide a statement."""
    said = [affected(MAJOR_9, "tool"), affected(MAJOR_9, "tool", arch="src"), fixed(MAIN_9, "tool", "99:1-1.el9")]
    if package.modularity or "module" in package.release:
        said = [affected(MAJOR_9, "tool", module="odd")]
    match = feed.match_with([MAIN_9], said, package)
    assert len(match.findings) == 1


def test_an_image_of_500_packages_is_matched_in_a_moment(feed: Feed) -> None:
    said = [
        document(
            f"CVE-2026-{number}",
            *(
                fixed(MAIN_9, f"p{number % 500}", f"0:1.{number}-1.el9", arch=arch)
                for arch in ("x86_64", "aarch64", "src")
            ),
            affected(MAJOR_9, f"p{(number + 7) % 500}"),
        )
        for number in range(1000, 2000)
    ]
    packages = [rpm(f"p{number}-1.1500-1.el9.x86_64") for number in range(500)]
    path = feed.index(*said)
    start = time.process_time()
    with FeedIndex.open(str(path)) as index:
        match = match_inventory(inventory(*packages), index)
    assert time.process_time() - start < 30
    assert match.counts["packages_matched"] == 500
