# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the matcher worked out by hand: which product, which stream, which fix.

Each docstring gives the facts, the rule that decides (rules are those of the matcher's own page) and the conclusion, as
an auditor would write them down. Made-up documents have the shape and the products of Red Hat's.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
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

MAJOR_8 = "cpe:/o:redhat:enterprise_linux:8"
NEW_MAIN_9 = "cpe:/a:redhat:enterprise_linux:9"
NEW_EUS_9_2 = "cpe:/a:redhat:rhel_eus:9.2"
NEW_E4S_9_2 = "cpe:/a:redhat:rhel_e4s:9.2"
TEN = "cpe:/o:redhat:enterprise_linux:10"
TEN_0 = "cpe:/o:redhat:enterprise_linux:10.0"
TEN_1 = "cpe:/o:redhat:enterprise_linux:10.1"
OPENSHIFT = "cpe:/a:redhat:openshift:4.16::el9"
SATELLITE = "cpe:/a:redhat:satellite:6.16::el9"


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


def problems(feed: Feed, said: t.Sequence[Says], *packages: Package, cpes: t.Sequence[str]) -> list[str]:
    """Codes of what makes the match incomplete."""
    return [problem.code for problem in feed.match_with(cpes, said, *packages).problems]


# -- update streams --


@pytest.mark.parametrize(("release", "expected"), [("5.el9_2", "affected"), ("5.el9_3", "clear")])
def test_a_build_of_the_very_release_that_is_affected_is_not_fixed_by_an_older_fix(
    feed: Feed, release: str, expected: str
) -> None:
    """A build of 9.2 that is newer than the only fix, and EUS 9.2 is affected without a fix.

    Facts: tool-1.0-5.el9_2 is installed in an image with the repositories of EUS 9.2 and the main ones. The main stream
    is fixed in 1.0-4.el9; EUS 9.2 is affected, and has no fix.
    Rule: being newer than every fix is not enough where a product that the build may be of is affected and has no fix.
    The dist tag el9_2 names that product's own minor release.
    Conclusion: affected. The same build of 9.3 cannot be of 9.2, and is clear.
    """
    said = [fixed(MAIN_9, "tool", "1.0-4.el9"), affected(EUS_9_2, "tool")]
    package = rpm(f"tool-1.0-{release}.x86_64")
    assert status(feed, said, package, cpes=(MAIN_9, EUS_9_2)) == expected


def test_a_build_of_an_update_stream_is_judged_by_it_wherever_it_came_from(feed: Feed) -> None:
    """An old build of 9.2 in an image that names the main repositories alone.

    Facts: tool-1.0-3.el9_2.2 is installed. EUS 9.2 is fixed in 1.0-3.el9_2.3; Enterprise Linux 9, now at 9.4, is not
    affected, because it was rebased. The image's repositories are those of the main stream, which it was pinned to
    while 9.2 was current.
    Rule: the dist tag el9_2 names the stream that the build was made in. The vendor says of that very stream that
    builds before .3 have the flaw; "not affected" is said of what the main stream has become.
    Conclusion: vulnerable, fixed only in EUS 9.2. The fixed build is clear, and so is a build of 9.4.
    """
    said = [fixed(EUS_9_2, "tool", "0:1.0-3.el9_2.3"), not_affected(MAJOR_9, "tool")]
    finding = found(feed, said, rpm("tool-1.0-3.el9_2.2.x86_64"))
    assert finding is not None
    assert (finding.status, finding.fixed_in) == ("affected", "fixed only in rhel_eus:9.2")
    assert status(feed, said, rpm("tool-1.0-3.el9_2.3.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-2.0-1.el9_4.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-2.0-1.el9.x86_64")) == "clear", "a plain tag names no minor release"


def test_an_update_stream_that_is_affected_and_not_fixed_concerns_its_builds(feed: Feed) -> None:
    """The new feed says of each minor release what is not fixed, too.

    Facts: rhel_eus:9.2 is affected, the main stream is not. Installed are builds of 9.2 and of 9.4.
    Rule: as before, the dist tag tells the stream.
    Conclusion: the build of 9.2 is affected, that of 9.4 is not.
    """
    said = [affected(NEW_EUS_9_2, "tool", state="Will not fix"), not_affected(NEW_MAIN_9, "tool")]
    assert status(feed, said, rpm("tool-1.0-3.el9_2.2.x86_64")) == "will_not_fix"
    assert status(feed, said, rpm("tool-1.0-3.el9_4.x86_64")) == "clear"


def test_not_affected_in_an_update_stream_that_the_image_has_not_clears_nothing(feed: Feed) -> None:
    """The dist tag makes a stream's flaws apply, never its all-clear.

    Facts: the main stream is affected; EUS 9.2 is not. The image names the main stream; the build is of 9.2.
    Rule: "not affected" is only believed of a product that the image has.
    Conclusion: affected.
    """
    said = [affected(MAJOR_9, "tool"), not_affected(EUS_9_2, "tool")]
    assert status(feed, said, rpm("tool-1.0-3.el9_2.2.x86_64")) == "affected"


def test_a_fix_of_an_update_stream_does_not_fix_the_main_stream(feed: Feed) -> None:
    """An image with the repositories of the main stream and of EUS 9.2.

    Facts: EUS 9.2 has the fix 7.76.1-23.el9_2.4; Enterprise Linux 9 is affected and has none yet.
    Rule: a build that is merely newer than a fix has it only where every product that may have made it has a fix. The
    main stream has none, so 8.0 of the main stream is not known to have it, though it is newer than EUS's fix.
    Conclusion: the newer build of the main stream is affected; the fixed one of EUS 9.2 is clear.
    """
    said = [affected(MAJOR_9, "curl"), fixed(EUS_9_2, "curl", "0:7.76.1-23.el9_2.4")]
    cpes = [MAIN_9, EUS_9_2]
    assert status(feed, said, rpm("curl-8.0-1.el9_5.x86_64"), cpes=cpes) == "affected"
    assert status(feed, said, rpm("curl-7.76.1-26.el9_3.x86_64"), cpes=cpes) == "affected"
    assert status(feed, said, rpm("curl-7.76.1-23.el9_2.4.x86_64"), cpes=cpes) == "clear"


def test_what_the_main_stream_s_vendor_still_investigates_is_not_fixed_by_an_update_stream(feed: Feed) -> None:
    """The same while the vendor has not said whether the main stream is affected.

    Conclusion: under investigation, not clear.
    """
    said = [investigated(MAJOR_9, "curl"), fixed(EUS_9_2, "curl", "0:7.76.1-23.el9_2.4")]
    cpes = [MAIN_9, EUS_9_2]
    assert status(feed, said, rpm("curl-8.0-1.el9_5.x86_64"), cpes=cpes) == "under_investigation"
    assert status(feed, said, rpm("curl-7.76.1-23.el9_2.4.x86_64"), cpes=cpes) == "clear"
    assert status(feed, said, rpm("curl-7.76.1-23.el9_2.3.x86_64"), cpes=cpes) == "fix_available"


def test_an_older_update_stream_that_is_affected_does_not_taint_later_builds(feed: Feed) -> None:
    """EUS 9.2 will not be fixed, the main stream is, and the image has the repositories of both.

    Facts: the main stream's fix is 1.0-5.el9_4; installed is 1.0-6.el9_6.
    Rule: a build of 9.6 was not made in the stream of 9.2; what is said of that does not concern it. Neither does it
    concern a build with a plain tag that is newer than the main stream's fix: those that 9.2 inherited are older.
    Conclusion: clear.
    """
    said = [fixed(MAIN_9, "tool", "0:1.0-5.el9_4"), affected(EUS_9_2, "tool", state="Will not fix")]
    cpes = [MAIN_9, EUS_9_2]
    assert status(feed, said, rpm("tool-1.0-6.el9_6.x86_64"), cpes=cpes) == "clear"
    assert status(feed, said, rpm("tool-1.0-5.el9_4.x86_64"), cpes=cpes) == "clear"
    assert status(feed, said, rpm("tool-1.1-1.el9.x86_64"), cpes=cpes) == "clear"
    assert status(feed, said, rpm("tool-1.0-4.el9.x86_64"), cpes=cpes) == "fix_available"
    assert status(feed, said, rpm("tool-1.0-4.el9_2.x86_64"), cpes=cpes) == "fix_available"


# -- minor releases of Enterprise Linux 10 --


def test_not_affected_in_a_later_minor_release_does_not_clear_builds_of_an_earlier_one(feed: Feed) -> None:
    """An image that was updated from 10.0 to 10.1, and kept a package of 10.0.

    Facts: 10.0 is fixed in 3.2-5.el10_0.3; 10.1 is not affected, since it came with the fix. Installed is
    3.2-5.el10_0.1; os-release and repositories say 10.1.
    Rule: the dist tag says that the build is of 10.0, and for 10.0 it is older than the fix. What is said of 10.1 is
    said of the builds that 10.1 came with.
    Conclusion: a fix is available. Builds of 10.1, and the fixed one of 10.0, are clear.
    """
    said = [fixed(TEN_0, "tool", "0:3.2-5.el10_0.3"), not_affected(TEN_1, "tool")]
    more: dict[str, t.Any] = {"cpes": [TEN_1], "version": "10.1"}
    finding = found(feed, said, rpm("tool-3.2-5.el10_0.1.x86_64"), **more)
    assert finding is not None and (finding.status, finding.fixed_in) == ("fix_available", "0:3.2-5.el10_0.3")
    assert status(feed, said, rpm("tool-3.2-5.el10_0.3.x86_64"), **more) == "clear"
    assert status(feed, said, rpm("tool-3.2-5.el10_1.x86_64"), **more) == "clear"


# -- binaries and sources --


def test_a_product_whose_fix_names_the_source_alone_is_not_judged_by_another_product_s_binary(feed: Feed) -> None:
    """Enterprise Linux's fix lists binaries, OpenShift's the source alone ("binaries will be available soon").

    Facts: runc is fixed in 4:1.1.12-3.el9_4 (binary, Enterprise Linux) and 4:1.1.12-9.rhaos4.16.el9 (source,
    OpenShift 4.16). Installed is OpenShift's 4:1.1.12-5.rhaos4.16.el9.
    Rule: a build is compared with the fix of its own stream. That it is listed by its source does not make it less of a
    fix: where a stream has no binary listed, its source counts.
    Conclusion: a fix is available, though the build is newer than Enterprise Linux's.
    """
    said = [
        fixed(MAIN_9, "runc", "4:1.1.12-3.el9_4"),
        fixed(OPENSHIFT, "runc", "4:1.1.12-9.rhaos4.16.el9", arch="src"),
    ]
    cpes = [MAIN_9, OPENSHIFT]
    old = rpm("runc-4:1.1.12-5.rhaos4.16.el9.x86_64", source="runc-1.1.12-5.rhaos4.16.el9.src.rpm")
    new = rpm("runc-4:1.1.12-9.rhaos4.16.el9.x86_64", source="runc-1.1.12-9.rhaos4.16.el9.src.rpm")
    finding = found(feed, said, old, cpes=cpes)
    assert finding is not None and finding.fixed_in == "4:1.1.12-9.rhaos4.16.el9"
    assert status(feed, said, new, cpes=cpes) == "clear"


def test_a_newer_minor_release_whose_fix_names_the_source_alone_counts(feed: Feed) -> None:
    """The fix of 9.3 lists binaries; that of 9.4, which just came out, the source alone.

    Facts: 26.el9_3.2 (binary) and 29.el9_4.1 (source). Installed: 29.el9_4, which 9.4 came with.
    Rule and conclusion: its stream is el9_4, whose fix is 29.el9_4.1; it is older. That it is newer than the fix of 9.3
    says nothing.
    """
    said = [
        fixed(MAIN_9, "curl", "0:7.76.1-26.el9_3.2"),
        fixed(MAIN_9, "curl", "0:7.76.1-29.el9_4.1", arch="src"),
    ]
    assert status(feed, said, rpm("curl-7.76.1-29.el9_4.x86_64")) == "fix_available"
    assert status(feed, said, rpm("curl-7.76.1-29.el9_4.1.x86_64")) == "clear"
    assert status(feed, said, rpm("curl-7.76.1-26.el9_3.2.x86_64")) == "clear"


def test_a_source_s_epoch_is_that_of_the_binary_with_its_name(feed: Feed) -> None:
    """The fix came with a new epoch, and is listed by its source.

    Facts: the source tool is fixed in 1:1.0-2.el9; installed are tool-9.0-1.el9 (no epoch) and its tool-libs.
    Rule: the name of the source package in a header has no epoch, and that of a binary may differ from its source's
    (perl-Errno). But the binary that has the source's name is the source's main package and shares its epoch. It is
    only used as a sign of age: a lower epoch is older, a higher one is not proof of the fix.
    A package that inherits the source's version inherits its epoch; where neither is in the image, a package with an
    older epoch of its own counts as new enough only with the very version of the fix.
    Conclusion: tool is older than the fix, and so is tool-libs. tool-data, with a version of its own, is as old as tool
    beside it; alone it is clear in version 1.0 and not in 9.0.
    """
    said = [fixed(MAIN_9, "tool", "1:1.0-2.el9", arch="src")]
    assert status(feed, said, rpm("tool-9.0-1.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-1:1.0-2.el9.x86_64")) == "clear"
    assert status(feed, said, rpm("tool-1:1.0-1.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-2:1.0-1.el9.x86_64")) == "fix_available"
    assert status(feed, said, rpm("tool-libs-9.0-1.el9.x86_64", source="tool-9.0-1.el9.src.rpm")) == "fix_available"
    assert status(feed, said, rpm("tool-libs-1:9.0-1.el9.x86_64", source="tool-9.0-1.el9.src.rpm")) == "clear"
    data = {
        build: rpm("tool-data-7-1.el9.noarch", source=f"tool-{build}.src.rpm") for build in ("9.0-1.el9", "1.0-3.el9")
    }
    assert status(feed, said, data["9.0-1.el9"]) == "fix_available"
    assert status(feed, said, data["1.0-3.el9"]) == "clear"
    for main, expected in (("tool-9.0-1.el9.x86_64", ["tool", "tool-data"]), ("tool-1:9.0-1.el9.x86_64", [])):
        match = feed.match(inventory(rpm(main), data["9.0-1.el9"]), document("CVE-2026-1000", *said))
        assert [finding.name for finding in match.findings] == expected


# -- products --


def test_what_is_said_of_another_enterprise_linux_neither_clears_nor_blames_a_build(feed: Feed) -> None:
    """An image of 9 in which a repository of 8 was enabled once, so that it has the products of both.

    Facts: Enterprise Linux 9 is affected, 8 is not (or the other way round); the build's dist tag is el9.
    Rule: a build is of the Enterprise Linux that its dist tag names, if the image has that.
    Conclusion: what is said of 9 counts, and what is said of 8 does not.
    """
    cpes = [MAIN_8, MAIN_9]
    package = rpm("tool-1.0-1.el9.x86_64")
    assert status(feed, [affected(MAJOR_9, "tool"), not_affected(MAJOR_8, "tool")], package, cpes=cpes) == "affected"
    assert status(feed, [affected(MAJOR_8, "tool"), not_affected(MAJOR_9, "tool")], package, cpes=cpes) == "clear"
    untold = rpm("tool-1.0-1.x86_64")
    assert status(feed, [affected(MAJOR_9, "tool"), not_affected(MAJOR_8, "tool")], untold, cpes=cpes) == "affected"
    assert status(feed, [affected(MAJOR_8, "tool"), not_affected(MAJOR_9, "tool")], untold, cpes=cpes) == "affected"


def test_a_layered_product_s_build_in_an_image_of_another_one_is_a_stranger(feed: Feed) -> None:
    """A package of Satellite (el9sat) in an image that names OpenShift alone.

    Facts: Satellite's tool is affected. The image has Enterprise Linux 9 and OpenShift 4.16.
    Rule: the mark in the dist tag says that the build is of a layered product. What the feed says of the package for
    layered products is said for none that the image names, so it was not looked at.
    Conclusion: no finding, and a problem that keeps the image from passing. It is none where the image names Satellite,
    in whichever version, or where the feed says nothing of the package for a layered product.
    """
    package = rpm("tool-1.0-1.el9sat.x86_64")
    said = [affected(SATELLITE, "tool")]
    assert problems(feed, said, package, cpes=[MAIN_9, OPENSHIFT]) == ["product-unknown"]
    assert problems(feed, said, package, cpes=[MAIN_9, SATELLITE]) == []
    assert problems(feed, said, package, cpes=[MAIN_9, "cpe:/a:redhat:satellite:6.15::el9"]) == []
    assert problems(feed, [affected(MAJOR_9, "tool")], package, cpes=[MAIN_9, OPENSHIFT]) == []


def test_fast_datapath_is_a_channel_of_enterprise_linux(feed: Feed) -> None:
    """openvswitch of Fast Datapath has the dist tag el9fdp, and its CPE is a channel of Enterprise Linux.

    Facts: the repository maps to enterprise_linux:9::fastdatapath; openvswitch is fixed there.
    Rule: the product that the mark stands for is named by the image.
    Conclusion: judged like any other, without a problem; without that channel it is a stranger.
    """
    channel = "cpe:/o:redhat:enterprise_linux:9::fastdatapath"
    said = [fixed(channel, "openvswitch3.1", "0:3.1.0-100.el9fdp")]
    old, new = rpm("openvswitch3.1-3.1.0-99.el9fdp.x86_64"), rpm("openvswitch3.1-3.1.0-100.el9fdp.x86_64")
    assert status(feed, said, old, cpes=[MAIN_9, channel]) == "fix_available"
    assert status(feed, said, new, cpes=[MAIN_9, channel]) == "clear"
    assert problems(feed, said, old, cpes=[MAIN_9]) == ["product-unknown"]


# -- whose packages --


def test_packages_with_red_hat_s_key_of_openpgp_version_6(feed: Feed) -> None:
    """Red Hat signs packages of RHEL 10 with release key 4 (2025), too, a key of OpenPGP version 6.

    Facts: its fingerprint is FCD355B305707A62DA143AB6E422397E50FE8467A2A95343D246D6276AFEDF8F; the id of such a key is
    the beginning of its fingerprint, that of older keys the end (RFC 9580 §5.5.4.3).
    Conclusion: the package is Red Hat's, by key. The end of the fingerprint is nobody's key.
    """
    said = [affected(TEN, "tool")]
    ours = rpm("tool-1.0-1.el10.x86_64", vendor="", key="fcd355b305707a62")
    assert status(feed, said, ours, cpes=[TEN_1], version="10.1") == "affected"
    nobody = rpm("tool-1.0-1.el10.x86_64", vendor="", key="d246d6276afedf8f")
    match = feed.match_with([TEN_1], said, nobody, version="10.1")
    assert not match.findings and [one.key_id for one in match.not_covered] == ["d246d6276afedf8f"]


# -- repositories of several versions --


def test_a_repository_of_several_versions_of_a_product(feed: Feed) -> None:
    """The map gives a repository of 3scale the CPEs of three versions, 2.8, 2.11 and 2.12.

    Facts: 2.12 is not affected, 2.11 is. Which of them the image has is not known.
    Rule: "not affected" is only believed where it is said of every version that the image may have.
    Conclusion: affected; clear when the image has 2.12 alone, or when it is said of 3scale 2 as a whole.
    """
    three = [f"cpe:/a:redhat:3scale_amp:2.{minor}::el9" for minor in (8, 11, 12)]
    said = [affected(three[1], "tool"), not_affected(three[2], "tool")]
    package = rpm("tool-1.0-1.el9.x86_64")
    assert status(feed, said, package, cpes=[MAIN_9, *three]) == "affected"
    assert status(feed, said, package, cpes=[MAIN_9, three[2]]) == "clear"
    general = [affected("cpe:/a:redhat:3scale_amp:2", "tool"), not_affected(three[2], "tool")]
    assert status(feed, general, package, cpes=[MAIN_9, *three]) == "affected"
    assert status(feed, general, package, cpes=[MAIN_9, three[2]]) == "clear"
    whole = [not_affected("cpe:/a:redhat:3scale_amp:2", "tool"), affected("cpe:/a:redhat:3scale_amp", "tool")]
    assert status(feed, whole, package, cpes=[MAIN_9, *three]) == "clear"


def test_a_repository_of_several_minor_releases_of_enterprise_linux_10(feed: Feed) -> None:
    """The map gives a repository both 10.0 and 10.1; 10.1 is not affected, 10.0 is. The build's tag is plain el10.

    Conclusion: affected, since the image may be of 10.0; a build of el10_1 is clear, one of el10_0 is not.
    """
    said = [affected(TEN_0, "tool"), not_affected(TEN_1, "tool")]
    more: dict[str, t.Any] = {"cpes": [TEN_0, TEN_1], "version": "10.1"}
    assert status(feed, said, rpm("tool-1.0-1.el10.x86_64"), **more) == "affected"
    assert status(feed, said, rpm("tool-1.0-1.el10_0.x86_64"), **more) == "affected"
    assert status(feed, said, rpm("tool-1.0-1.el10_1.x86_64"), **more) == "clear"


def test_not_affected_in_one_kind_of_update_stream_does_not_clear_another(feed: Feed) -> None:
    """An image with the repositories of EUS 9.2 and of E4S 9.2.

    Facts: EUS 9.2 is said not to be affected (it has not the component), E4S 9.2 is fixed in 1.0-3.el9_2.3. Installed
    is 1.0-3.el9_2.1, which may be of either.
    Rule: update streams of one minor release are products of their own.
    Conclusion: vulnerable, and the fix is available.
    """
    said = [not_affected(NEW_EUS_9_2, "tool"), fixed(NEW_E4S_9_2, "tool", "0:1.0-3.el9_2.3")]
    finding = found(feed, said, rpm("tool-1.0-3.el9_2.1.x86_64"), cpes=[NEW_EUS_9_2, NEW_E4S_9_2])
    assert finding is not None and finding.fixed_in == "0:1.0-3.el9_2.3"
    assert status(feed, said, rpm("tool-1.0-3.el9_2.3.x86_64"), cpes=[NEW_EUS_9_2, NEW_E4S_9_2]) == "clear"
