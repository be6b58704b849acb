# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the matcher from documents of the ``vex-feed``: builds without architecture, and builds of whole modules.

Each docstring gives the rule that decides, and the conclusion.
"""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    Feed,
    Says,
    affected,
    document,
    fixed,
    inventory,
    not_affected,
    rpm,
)

MAJOR_8 = "cpe:/o:redhat:enterprise_linux:8"
EUS_8_8 = "cpe:/a:redhat:rhel_eus:8.8::appstream"


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def build(cpe: str, name: str, evr: str, status: str = "fixed") -> Says:
    """A build without an architecture: of a source package, of a binary or of a module."""
    return Says(status, cpe, name, evr, arch="")


def status(feed: Feed, said: t.Sequence[Says], package: Package, cpe: str = MAIN_9, version: str = "9.4") -> str:
    match = feed.match_with([cpe], said, package, version=version)
    assert match.supported and not match.problems
    assert len(match.findings) <= 1
    return match.findings[0].status if match.findings else "clear"


# -- sources and binaries --


def test_a_source_speaks_for_what_was_built_from_it(feed: Feed) -> None:
    """dotnet6.0 is fixed in 6.0.126; nothing is said of its binaries, and their versions may be others.

    Rule: without an architecture a name may be that of the source package; its build is compared with that in the
    header, which has no epoch.
    """
    said = [build(MAIN_9, "dotnet6.0", "0:6.0.126-1.el9_3")]
    for source, expected in (("6.0.125-1.el9_3", "fix_available"), ("6.0.126-1.el9_3", "clear")):
        for binary in (f"dotnet-runtime-6.0-{source}", "dotnet-templates-1:9.9-1.el9", f"dotnet6.0-{source}"):
            package = rpm(f"{binary}.x86_64", source=f"dotnet6.0-{source}.src.rpm")
            assert status(feed, said, package) == expected, (binary, source)
    other = rpm("dotnet-runtime-7.0-6.0.125-1.el9_3.x86_64", source="dotnet7.0-6.0.125-1.el9_3.src.rpm")
    match = feed.match_with([MAIN_9], said, other)
    assert not match.findings and not match.counts["statements_seen"]


def test_a_binary_speaks_for_itself(feed: Feed) -> None:
    """libcurl is fixed in 7.61.1-2, and has the epoch 1, which its source has not.

    Rule: the same name may be that of a binary, which is compared with its epoch.
    """
    said = [build(MAIN_9, "libcurl", "1:7.61.1-2.el9")]
    for nevra, expected in (
        ("libcurl-1:7.61.1-1.el9.x86_64", "fix_available"),
        ("libcurl-0:7.61.1-2.el9.x86_64", "fix_available"),
        ("libcurl-1:7.61.1-2.el9.noarch", "clear"),
    ):
        assert status(feed, said, rpm(nevra, source="curl-7.61.1-2.el9.src.rpm")) == expected, nevra


def test_the_fix_of_a_source_does_not_clear_a_binary_of_that_name(feed: Feed) -> None:
    """python3 is fixed in 3.6.8-67, which is a source package; the binary python3 is built from python3.9, affected.

    Rule: where the document does not tell which is meant, a build is clear when it is by either.
    Conclusion: affected, although 3.9.18 is newer than the fix. Were python3.9 fixed, too, it would be clear.
    """
    package = rpm("python3-3.9.18-3.el9.x86_64", source="python3.9-3.9.18-3.el9.src.rpm")
    said = [build(MAIN_9, "python3", "0:3.6.8-67.el9"), affected(MAJOR_9, "python3.9", arch="src")]
    assert status(feed, said, package) == "affected"
    said = [build(MAIN_9, "python3", "0:3.6.8-67.el9"), fixed(MAIN_9, "python3.9", "0:3.9.18-3.el9", arch="src")]
    assert status(feed, said, package) == "clear"
    old = rpm("python3-3.9.18-2.el9.x86_64", source="python3.9-3.9.18-2.el9.src.rpm")
    assert status(feed, said, old) == "fix_available"


def test_the_fix_of_a_binary_does_not_clear_another_one_that_is_affected(feed: Feed) -> None:
    """git is fixed in 2.43.5; git-core, built from the same source, is affected and has no fix.

    Rule: a package of which the document speaks by its own name is not cleared by a build named like its source.
    Conclusion: git-core is affected in any version; git-gui, of which nothing is said, has the source's fix.
    """
    said = [build(MAIN_9, "git", "0:2.43.5-1.el9_4"), affected(MAJOR_9, "git-core")]
    for name, expected in (("git", "clear"), ("git-core", "affected"), ("git-gui", "clear")):
        package = rpm(f"{name}-2.43.5-1.el9_4.x86_64", source="git-2.43.5-1.el9_4.src.rpm")
        assert status(feed, said, package) == expected, name
    package = rpm("git-gui-2.43.4-1.el9_4.x86_64", source="git-2.43.4-1.el9_4.src.rpm")
    assert status(feed, said, package) == "fix_available"


def test_a_build_that_is_not_affected_clears_nothing_but_itself(feed: Feed) -> None:
    """The build tool-1.0-1 is not affected, by a document that says of the source tool that it is.

    Rule: "not affected" is never spread from a binary to its source, and not believed of what may be another package.
    Conclusion: tool-libs is affected. So is a binary tool that was built from another, affected source.
    """
    clear = build(MAIN_9, "tool", "0:1.0-1.el9", "known_not_affected")
    libs = rpm("tool-libs-1.0-1.el9.x86_64", source="tool-1.0-1.el9.src.rpm")
    tool = rpm("tool-1.0-1.el9.x86_64")
    elsewhere = rpm("tool-1.0-1.el9.x86_64", source="kit-1.0-1.el9.src.rpm")
    assert status(feed, [clear, affected(MAJOR_9, "tool", arch="src")], libs) == "affected"
    assert status(feed, [clear, affected(MAJOR_9, "tool", arch="src")], tool) == "clear"
    assert status(feed, [clear, affected(MAJOR_9, "kit", arch="src")], elsewhere) == "affected"


def test_an_affected_build_concerns_every_version(feed: Feed) -> None:
    """``rhel-9.5`` is said to be affected in python3.12-0:3.12.1-4.el9_4.3: the build names the component alone."""
    said = [build(MAJOR_9, "python3.12", "0:3.12.1-4.el9_4.3", "known_affected")]
    for release in ("3.el9", "4.el9_4.3", "9.el9_5"):
        package = rpm(f"python3.12-libs-3.12.1-{release}.x86_64", source=f"python3.12-3.12.1-{release}.src.rpm")
        assert status(feed, said, package) == "affected", release


# -- modules --

PYTHON_FIX = build(MAIN_8, "python39", "0:3.9-8100020240826142629.d47b87a4")
PYTHON_FIX_8_8 = build(EUS_8_8, "python39", "0:3.9-8080020240911100614.93c2fc2f")


def of_module(label: str, release: str = "1.module+el8.10.0+1+aaaaaaaa") -> Package:
    return rpm(f"python39-six-1.15.0-{release}.noarch", source="python3x-six-1.15.0-1.src.rpm", module=label)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("python39:3.9:8100020240826142629:d47b87a4", "clear"),
        ("python39:3.9:8100020240826142629:ffffffff", "clear"),  # the context has no order
        ("python39:3.9:8100020240826142628:d47b87a4", "fix_available"),
        ("python39:3.9:8100020250101000000:d47b87a4", "clear"),
        ("python39:3.9:8090020240827000000:d47b87a4", "fix_available"),  # built later, for an earlier minor release
        ("python39:3.9:820240827000000:d47b87a4", "fix_available"),  # for no minor release, as of 2018
        ("python39:3.9:8100020240826142629", "clear"),
        ("python39:3.9:sooner:d47b87a4", "fix_available"),  # no build is told: it may be any
        ("python39-devel:3.9:8100020240826142628:d47b87a4", None),  # the companion has builds of its own
        ("python39:3.8:8100020240826142628:d47b87a4", None),
        ("python38:3.9:8100020240826142628:d47b87a4", None),
        ("", None),
    ],
)
def test_the_build_of_a_module_is_compared_with_the_label(feed: Feed, label: str, expected: str | None) -> None:
    """python39:3.9 is fixed in 8100020240826142629. The package has another name, source and version than the module.

    Rule: the label of a package names the module, its stream and the build of the module that it comes with.
    """
    package = of_module(label, "1.el8_10" if not label else "1.module+el8.10.0+1+aaaaaaaa")
    match = feed.match_with([MAIN_8], [PYTHON_FIX], package, version="8.10")
    assert not match.problems
    assert bool(match.counts["statements_seen"]) is (expected is not None)
    assert [one.status for one in match.findings] == ([expected] if expected not in ("clear", None) else [])
    if expected == "fix_available":
        assert match.findings[0].fixed_in == "python39:3.9:8100020240826142629:d47b87a4"
        assert match.findings[0].advisory == "RHSA-2026:1001"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("8080020240911100614", "clear"),
        ("8080020240911100613", "fix_available"),
        ("8080020250101000000", "clear"),
        ("8100020240826142629", "clear"),
        ("8100020240826142628", "fix_available"),  # newer than the fix for 8.8, and not of that stream
        ("8060020250101000000", "fix_available"),
        ("8120020250101000000", "clear"),
    ],
)
@pytest.mark.parametrize("release", ["el8.4.0", "el8.8.0", "el8.10.0"])
def test_a_module_is_compared_with_the_fix_for_its_minor_release(
    feed: Feed, version: str, expected: str, release: str
) -> None:
    """Fixed for 8.8 (EUS) and for 8.10. The dist tag tells when a package was built, and its label for what.

    Rule: as with packages, the fix of the own stream decides, or else every fix.
    """
    package = of_module(f"python39:3.9:{version}:aaaaaaaa", f"1.module+{release}+1+aaaaaaaa")
    for cpe in (MAIN_8, EUS_8_8):
        match = feed.match_with([MAIN_8, cpe], [PYTHON_FIX, PYTHON_FIX_8_8], package, version="8.10")
        assert [one.status for one in match.findings] == ([expected] if expected != "clear" else [])


def test_a_module_between_two_fixes(feed: Feed) -> None:
    """8.10 got two builds with a fix. What a build between them has in it is not told.

    Conclusion: both listed builds are clear, and so is what came after the second; a build between them is not.
    """
    said = [PYTHON_FIX, build(MAIN_8, "python39", "0:3.9-8100020250101000000.d47b87a4")]
    for version, expected in (
        ("8100020240826142629", "clear"),
        ("8100020240901000000", "fix_available"),
        ("8100020250101000000", "clear"),
        ("8100020250101000001", "clear"),
    ):
        package = of_module(f"python39:3.9:{version}:aaaaaaaa")
        assert status(feed, said, package, MAIN_8, "8.10") == expected, version


def test_a_whole_module_is_affected(feed: Feed) -> None:
    """A build of python39:3.9 is known to be affected: all its packages are, in any build of the module.

    Where the module is said not to be affected in EUS 8.8, images with EUS are clear of it; those without are not.
    """
    said = [build(MAJOR_8, "python39", "0:3.9-8100020240826142629.d47b87a4", "known_affected")]
    for version in ("8090020230101000000", "8100020240826142629", "8100020260101000000"):
        assert status(feed, said, of_module(f"python39:3.9:{version}:a"), MAIN_8, "8.10") == "affected"
    clear = build(EUS_8_8, "python39", "0:3.9-8080020240911100614.93c2fc2f", "known_not_affected")
    package = of_module("python39:3.9:8080020240911100614:a", "1.module+el8.8.0+1+aaaaaaaa")
    assert status(feed, [*said, clear], package, EUS_8_8, "8.8") == "clear"
    assert status(feed, [*said, clear], package, MAIN_8, "8.8") == "affected"
    older = of_module("python39:3.9:8080020240911100613:a", "1.module+el8.8.0+1+aaaaaaaa")
    assert status(feed, [*said, clear], older, EUS_8_8, "8.8") == "affected", "said of a later build"


def test_a_stream_with_a_dash(feed: Feed) -> None:
    """In the version of a build the stream rhel-8.0 is written rhel_8.0."""
    said = [build(MAIN_8, "tool", "0:rhel_8.0-8100020240826142629.d47b87a4")]
    for version, expected in (("8100020240826142628", "fix_available"), ("8100020240826142629", "clear")):
        package = rpm("tool-1.0-1.module+el8.10.0+1+aaaaaaaa.x86_64", module=f"tool:rhel-8.0:{version}:d47b87a4")
        assert status(feed, said, package, MAIN_8, "8.10") == expected


def test_not_affected_in_a_companion_clears_nothing(feed: Feed) -> None:
    """python39 of python39-devel:3.9 is not affected, python39:3.9 has no fix."""
    said = [
        not_affected(MAIN_8, "python39", module="python39-devel:3.9", arch="src"),
        affected(MAJOR_8, "python39", module="python39:3.9", arch="src"),
    ]
    nevra = "python39-libs-3.9.19-1.module+el8.10.0+1+aaaaaaaa.x86_64"
    for module, expected in (("python39:3.9", "affected"), ("python39-devel:3.9", "clear")):
        package = rpm(nevra, source="python39-3.9.19-1.module+el8.10.0+1+aaaaaaaa.src.rpm", module=module)
        assert status(feed, said, package, MAIN_8, "8.10") == expected, module


# -- headers that do not tell what the feed speaks of --


@pytest.mark.parametrize("source", ["", "(none)", "tool", "tool-1.0.src.rpm", "tool-1.0-1.el9.x86_64.rpm"])
def test_a_package_that_names_no_source(feed: Feed, source: str) -> None:
    """Nobody can tell whether a fix of a source package concerns it: that is a problem, and never clear."""
    package = dataclasses.replace(rpm("tool-libs-1.0-1.el9.x86_64"), source_rpm=source)
    match = feed.match(inventory(package), document("CVE-2026-1000", build(MAIN_9, "tool", "0:1.0-2.el9")))
    assert [problem.code for problem in match.problems] == ["source-unknown"]
    assert "the headers of 1 packages name no source package" in match.problems[0].message
    assert package.nevra in match.problems[0].message
    foreign = dataclasses.replace(package, vendor="Somebody", key_id="0" * 16)
    assert not feed.match(inventory(foreign), document("CVE-2026-1000", PYTHON_FIX)).problems, "it is not covered"
