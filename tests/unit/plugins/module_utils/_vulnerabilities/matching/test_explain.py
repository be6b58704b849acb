# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The explanation names what the matcher looked at, what it made of it, and how it ended."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.kinds import PackageKind
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, Package
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.table import PACKAGE_KINDS
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.explain import (
    PACKAGES_SHOWN,
    STATEMENTS_SHOWN,
    Explained,
    _some,
    explain,
    explain_coverage,
    explain_feed,
    explain_products,
    unseen,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import Matcher
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import FeedInfo
from ansible_collections.imagescan.openshift.tests.support import verdicts as make
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

CVE = "CVE-2026-1000"
REPOSITORIES = {"rhel-9-baseos": [MAIN_9]}
PACKAGE = rpm("tool-1.0-2.el9.x86_64")


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def explained(feed: Feed, said: t.Sequence[Says], *packages: Package, cve: str = CVE, **more: t.Any) -> Explained:
    taken = inventory(*(packages or (PACKAGE,)), **{"repositories": ["rhel-9-baseos"], **more})
    return of(feed, said, taken, cve)


def of(feed: Feed, said: t.Sequence[Says], taken: Inventory, cve: str = CVE) -> Explained:
    path = feed.index(document(CVE, *said), repositories=REPOSITORIES)
    with FeedIndex.open(str(path)) as index:
        matcher = Matcher(index)
        return explain(matcher, taken, matcher.match(taken), cve)


@pytest.mark.parametrize(
    ("said", "outcome", "lines"),
    [
        (
            [fixed(MAIN_9, "tool", "0:1.0-3.el9")],
            "affected",
            [
                "the build 0:1.0-2.el9 is older than 0:1.0-3.el9 of [1]",
                "=> finding: fix available, moderate, 0:1.0-3.el9 by RHSA-2026:1001",
            ],
        ),
        (
            [fixed(MAIN_9, "tool", "0:1.0-1.el9")],
            "fixed",
            ["is newer than 0:1.0-1.el9 of [1]", "fixed: the build is not older than any fix that counts"],
        ),
        (
            [fixed(MAIN_9, "tool", "0:1.0-2.el9"), affected(EUS_9_2, "tool"), fixed(MAIN_9, "tool", "0:2.0-1.el9_4")],
            "fixed",
            ["fixed: the build has the fix of its own stream"],
        ),
        ([affected(MAJOR_9, "tool", state="Will not fix")], "affected", ["=> finding: will not fix, moderate"]),
        ([investigated(MAJOR_9, "tool")], "under_investigation", ["the vendor still investigates, by [1]"]),
        ([not_affected(MAJOR_9, "tool")], "not_affected", ["not affected, by [1]"]),
        (
            [not_affected(MAIN_9, "tool"), affected(MAJOR_9, "tool")],
            "not_affected",
            ['[2] does not count: [1] says "not affected" of a product named as exactly'],
        ),
        (
            [affected(MAIN_8, "tool")],
            "nothing_applies",
            ["left out: 1 statement of products that the image does not have: affected in cpe:/o:redhat"],
        ),
        (
            [fixed(MAIN_9, "tool", "0:1.0-3.el9", arch="s390x")],
            "nothing_applies",
            ["left out: 1 statement for other architectures: fixed 0:1.0-3.el9"],
        ),
        (
            [fixed(MAIN_9, "tool", "0:1.0-3.el9", module="tool:1")],
            "nothing_applies",
            ["left out: 1 statement about another module"],
        ),
        ([affected(MAIN_9, "another")], "not_mentioned", ["No package of the image is named there"]),
    ],
)
def test_what_was_decided_and_why(feed: Feed, said: list[Says], outcome: str, lines: list[str]) -> None:
    found = explained(feed, said)
    assert found.outcome == outcome
    for line in lines:
        assert any(line in one for one in found.lines), (line, found.lines)
    assert any("document 2026/cve-2026-1000.json, released 2026-03-01T10:00:00Z" in one for one in found.lines)


def test_a_package_is_named_with_all_that_decides(feed: Feed) -> None:
    (line,) = (one for one in explained(feed, [affected(MAJOR_9, "tool")]).lines if "vendor" in one)
    assert line.strip() == (
        "vendor Red Hat, Inc., signed with the key 199e2f91fd431d51; built from tool-1.0-2.el9; of no module; "
        "stream el9 by its dist tag"
    )


def test_a_vulnerability_of_which_nobody_speaks(feed: Feed) -> None:
    found = explained(feed, [affected(MAJOR_9, "tool")], cve="CVE-2026-9999")
    assert found.outcome == "not_mentioned"
    assert "nothing: no document of the data is about it" in found.lines[1]


def test_packages_that_are_not_matched_are_never_called_clean(feed: Feed) -> None:
    foreign = rpm("tool-1.0-2.el9.x86_64", vendor="Somebody", key="0" * 16)
    found = explained(feed, [affected(MAJOR_9, "tool")], foreign)
    assert found.outcome == "not_covered"
    assert any("=> not weighed" in one for one in found.lines)
    headers = rpm("kernel-headers-5.14.0-1.el9.x86_64", source="kernel-5.14.0-1.el9.src.rpm")
    assert explained(feed, [affected(MAJOR_9, "kernel-headers")], headers).outcome == "left_out"
    # The worst package tells.
    assert explained(feed, [affected(MAJOR_9, "tool")], foreign, PACKAGE).outcome == "affected"
    assert explained(feed, [not_affected(MAJOR_9, "tool")], foreign, PACKAGE).outcome == "not_covered"


def test_another_distribution_is_not_judged(feed: Feed) -> None:
    found = explained(feed, [not_affected(MAJOR_9, "tool")], os_id="debian", version="13")
    assert found.outcome == "not_judged"


def test_products_are_named_with_where_each_was_found(feed: Feed) -> None:
    path = feed.index(document(CVE, affected(MAJOR_9, "tool")), repositories=REPOSITORIES)
    taken = inventory(PACKAGE, repositories=["rhel-9-baseos", "own"], label_cpes=["cpe:/a:redhat:openshift:4.16::el9"])
    with FeedIndex.open(str(path)) as index:
        matcher = Matcher(index)
        match = matcher.match(taken)
        lines = explain_products(matcher, taken, match)
        assert f"  {MAIN_9}: repository rhel-9-baseos, by the content manifest" in lines
        assert "  cpe:/a:redhat:openshift:4.16::el9: a label of the image" in lines
        assert any("assumed from os-release" in line for line in lines)
        assert "  repositories without a product in the data: own" in lines
        assert any(line.startswith("Data: csaf-vex for rhel, rhcos, serial ") for line in explain_feed(index.info))
    assert explain_feed(None) == ["Data: none"]


def test_what_the_data_do_not_have_is_said() -> None:
    feed = FeedInfo("1", "csaf", "2026-03-01T10:00:00Z", "", 5, 6, repository_map=True)
    assert "only published fixes" not in "\n".join(explain_feed(feed))
    others = dataclasses.replace(feed, coverage="fixes", rejected=1, repository_map=False, names=("bash",))
    assert explain_feed(others)[3:] == [
        "  1 documents could not be read; they concern the images that have what they name",
        '  only published fixes are known: no advisory does not mean "not affected"',
        "  without a map of repositories to products",
        "  built for 1 package names alone",
    ]


def test_lists_of_names_are_cut_where_they_are_longer_than_the_limit() -> None:
    assert _some(["a", "b", "c"], 3) == "a, b, c"
    assert _some(["a", "b", "c", "d"], 3) == "a, b, c and 1 more"


def test_what_was_not_seen_is_said(feed: Feed) -> None:
    taken = inventory(PACKAGE, rpm("own-1-1.x86_64", vendor="Somebody", key=""), kind="rpm")
    path = feed.index(document(CVE, affected(MAJOR_9, "tool")))
    with FeedIndex.open(str(path)) as index:
        lines = explain_coverage(taken, Matcher(index).match(taken))
        damaged = dataclasses.replace(taken, problems=(Problem("rpmdb-row-corrupt", "row 7"),))
        match = dataclasses.replace(Matcher(index).match(damaged), problems=(Problem("repositories-unknown", "none"),))
    assert "  packages that the data do not cover (another maker or no key): 1" in lines
    problems = ["  rpmdb-row-corrupt: row 7", "  repositories-unknown: none"]
    assert [line for line in explain_coverage(damaged, match) if line in problems] == problems
    assert [line for line in explain_coverage(damaged, None) if line in problems] == problems[:1]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, []),
        ({"kind": "dpkg"}, ["the image has no RPM database (kind: dpkg)"]),
        ({"database": None}, ["the image has no RPM database (kind: rpm)"]),
        ({"packages": ()}, ["the RPM database counts 2 packages, and 0 were read"]),
    ],
)
def test_an_image_without_a_database_is_not_seen(changes: dict[str, t.Any], lines: list[str]) -> None:
    assert unseen(make.inventory(**changes)["inventory"], make.MATCH) == lines


def test_the_kind_of_the_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = t.cast("dict[str, PackageKind]", PACKAGE_KINDS)
    monkeypatch.setitem(kinds, "dpkg", dataclasses.replace(kinds["dpkg"], feeds=("csaf-vex",)))
    inventory = make.inventory(kind="dpkg", packages=())["inventory"]
    assert unseen(inventory, make.MATCH) == ["the dpkg database counts 2 packages, and 0 were read"]


def test_it_is_bounded_and_harmless(feed: Feed) -> None:
    said = [fixed(MAIN_9, "tool", f"0:1.0-{number}.el9_4") for number in range(3, 120)]
    packages = [rpm(f"tool-1.0-2.el9_{number}.x86_64") for number in range(PACKAGES_SHOWN + 30)]
    hostile = [rpm("tool-1.0-2.el9.x86_64", vendor="Red Hat\x1b[2J\u202e" + "x" * 100_000)]
    found = explained(feed, said, *hostile, *packages)
    steps = [line for line in explained(feed, said, PACKAGE).lines if line.startswith(("  the build", "  vulnerable"))]
    assert (len(said), len(steps)) == (117, STATEMENTS_SHOWN)
    assert len(found.lines) < (PACKAGES_SHOWN + 1) * (3 * STATEMENTS_SHOWN + 20)
    assert any(line.startswith("And 31 more packages: 31 affected") for line in found.lines)
    assert all(line.isprintable() and len(line) < 2000 for line in found.lines)
