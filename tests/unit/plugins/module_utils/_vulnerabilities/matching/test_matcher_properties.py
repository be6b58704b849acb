# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of the matcher whatever is said: bad news never makes a build look better."""

from __future__ import annotations

import functools
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.builds import (
    compare_builds,
    parse_build,
)
from ansible_collections.imagescan.openshift.tests.support.vex import (
    EUS_9_2,
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    Feed,
    Says,
    document,
    inventory,
    rpm,
)
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

OPENSHIFT = "cpe:/a:redhat:openshift:4.16::el9"
CPES = (
    MAIN_9,
    MAJOR_9,
    EUS_9_2,
    MAIN_8,
    OPENSHIFT,
    "cpe:/a:redhat:enterprise_linux:9::appstream",
    "cpe:/a:redhat:rhel_eus:9.4",
    "cpe:/o:redhat:rhel_els:9",
    "cpe:/a:redhat:openshift:4",
)
IMAGES = ((MAIN_9,), (EUS_9_2,), (MAIN_9, EUS_9_2), (MAIN_9, OPENSHIFT), (MAIN_9, MAIN_8))
TAGS = ("el9", "el9_2", "el9_2.1", "el9_4", "el9_4.2", "el8_8", "rhaos4.16.el9")
MODULE = "tool:1"

builds = st.builds(
    "{}:{}-{}.{}".format,
    st.sampled_from((0, 0, 0, 1)),
    st.sampled_from(("1.0", "1.2", "2.0")),
    st.integers(1, 4),
    st.sampled_from(TAGS),
)


@st.composite
def sayings(draw: st.DrawFn, *statuses: str) -> Says:
    """One thing that is said of the package, or of its source."""
    status = draw(st.sampled_from(statuses))
    name, arch = draw(st.sampled_from((("tool-libs", "x86_64"), ("tool-libs", "x86_64"), ("tool", "src"))))
    evr = draw(builds) if status == "fixed" else ""
    module = draw(st.sampled_from(("", "", "", MODULE)))
    return Says(status, draw(st.sampled_from(CPES)), name, evr, arch=arch, module=module)


EVERYTHING = ("fixed", "known_affected", "known_not_affected", "under_investigation")
lists = st.lists(sayings(*EVERYTHING), max_size=5)
modules = st.sampled_from(("", "", "", MODULE))


def installed(evr: str, module: str) -> Package:
    version_release = evr.partition(":")[2]
    return rpm(f"tool-libs-{evr}.x86_64", source=f"tool-{version_release}.src.rpm", module=module)


def order(one: str, two: str) -> int:
    """Order of two builds by version and release, whatever their epochs, as a source is compared."""
    return compare_builds(parse_build(one.partition(":")[2]), parse_build(two.partition(":")[2]))


def is_clear(said: t.Sequence[Says], package: Package, cpes: t.Sequence[str]) -> bool:
    """Whether the matcher finds nothing in the package."""
    if not said:
        return True
    with tempfile.TemporaryDirectory() as folder:
        taken = inventory(package, repositories=["repo"])
        match = Feed(Path(folder)).match(taken, document("CVE-2026-1000", *said), repositories={"repo": cpes})
    assert match.feed is not None and not match.feed.rejected
    return not match.findings


some = settings(max_examples=40, deadline=None)


@some
@example(
    [Says("under_investigation", MAIN_9, "tool-libs"), Says("fixed", EUS_9_2, "tool-libs", "0:1.0-1.el9")],
    Says("known_affected", MAIN_9, "tool-libs"),
    "0:1.0-1.el9",
    "",
    (MAIN_9,),
)
@given(lists, sayings("known_affected", "under_investigation"), builds, modules, st.sampled_from(IMAGES))
def test_another_bad_word_clears_nothing(
    said: list[Says], word: Says, evr: str, module: str, cpes: tuple[str, ...]
) -> None:
    package = installed(evr, module)
    assert is_clear(said, package, cpes) or not is_clear([*said, word], package, cpes)


@some
@given(lists, sayings("known_not_affected"), builds, modules, st.sampled_from(IMAGES))
def test_not_affected_in_a_product_that_the_image_has_not_clears_nothing(
    said: list[Says], word: Says, evr: str, module: str, cpes: tuple[str, ...]
) -> None:
    elsewhere = word._replace(cpe="cpe:/a:redhat:satellite:6.16::el9")
    package = installed(evr, module)
    assert is_clear(said, package, cpes) or not is_clear([*said, elsewhere], package, cpes)


@some
@given(st.lists(sayings("fixed"), max_size=4), sayings("fixed"), builds, builds, st.sampled_from(IMAGES))
def test_a_newer_fix_clears_nothing(said: list[Says], word: Says, one: str, two: str, cpes: tuple[str, ...]) -> None:
    older, newer = sorted((one, two), key=functools.cmp_to_key(order))
    package = installed(older, "")
    later = word._replace(evr=newer, module="")
    # Newer as a binary, and as a source, whose epoch is not known.
    is_newer = order(older, newer) < 0 and compare_builds(parse_build(older), parse_build(newer)) < 0
    assert not is_newer or is_clear(said, package, cpes) or not is_clear([*said, later], package, cpes)


@some
@given(lists, builds, modules, st.sampled_from(IMAGES))
def test_order_and_repetition_change_nothing(said: list[Says], evr: str, module: str, cpes: tuple[str, ...]) -> None:
    package = installed(evr, module)
    assert is_clear(said, package, cpes) == is_clear([*said[::-1], *said], package, cpes)


@some
@given(lists, builds, modules, st.sampled_from(IMAGES))
def test_what_has_no_good_word_is_never_clear(said: list[Says], evr: str, module: str, cpes: tuple[str, ...]) -> None:
    """Only a fix, or "not affected", clears what is affected in a product that the image has."""
    package = installed(evr, module)
    bad = Says("known_affected", MAJOR_9, "tool-libs", arch="", module=module)
    without = [one for one in said if one.status not in ("fixed", "known_not_affected")]
    assume("el8" not in evr or MAIN_8 not in cpes)
    assert not is_clear([*without, bad], package, cpes)
