# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a matcher keeps between images changes no result, and what it traces is what it found."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching import (
    package_matcher,
    products,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.caches import Kept
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    Matcher,
    match_inventory,
)
from ansible_collections.imagescan.openshift.tests.support.vex import (
    EUS_9_2,
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    Feed,
    Json,
    Says,
    document,
    inventory,
    rpm,
)

CPES = (
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    EUS_9_2,
    "cpe:/a:redhat:openshift:4.16::el9",
    "cpe:/a:redhat:rhel_eus:9.4::appstream",
    "cpe:/a:redhat:enterprise_linux:9::appstream",
    "cpe:/o:redhat:rhel_els:9",
)
REPOSITORIES = {f"repo{number}": [cpe] for number, cpe in enumerate(CPES)}
NAMES = ("tool", "tool-libs", "kernel", "kernel-core", "kernel-headers", "other")
RELEASES = ("1.el9", "2.el9_2", "3.el9_2.1", "5.el9_4.2", "2.el8", "1.rhaos4.16.el9", "3.module+el9.2.0+123+abcdef01")
VERSIONS = ("1.0", "1.2", "2.0")
MODULES = ("", "", "", "tool:1", "tool-devel:1", "x:2")


def test_what_fits_is_kept_and_what_was_not_used_for_longest_goes() -> None:
    kept: Kept[str, int] = Kept(6)
    for number, key in enumerate("abc"):
        kept.put(key, number, 1)
    assert [kept.get(key) for key in "abca"] == [0, 1, 2, 0]
    kept.put("d", 3, 1)
    assert [kept.get(key) for key in "abcd"] == [0, None, 2, 3]
    kept.put("e", 4, 100)
    assert [kept.get(key) for key in "abcde"] == [None, None, None, None, 4]


def says(chance: random.Random) -> Says:
    status = chance.choice(("fixed", "fixed", "known_affected", "known_not_affected", "under_investigation"))
    arch = chance.choice(("x86_64", "noarch", "src", "aarch64"))
    evr = ""
    if status == "fixed" or chance.random() < 0.2:
        evr = f"{chance.choice(('1:', '0:'))}{chance.choice(VERSIONS)}-{chance.choice(RELEASES)}"
    elif arch != "src":
        arch = ""
    severity, state = chance.choice(("Low", "Moderate", "Critical")), chance.choice(("Affected", "Will not fix"))
    more = {"arch": arch, "module": chance.choice(MODULES), "severity": severity, "state": state}
    return Says(status, chance.choice(CPES), chance.choice(NAMES), evr, **more)


def package(chance: random.Random) -> Package:
    source, version, release = (
        chance.choice(("tool", "kernel", "other")),
        chance.choice(VERSIONS),
        chance.choice(RELEASES),
    )
    return rpm(
        f"{chance.choice(NAMES)}-{chance.choice(('', '1:'))}{version}-{release}.{chance.choice(('x86_64', 'noarch'))}",
        source=f"{source}-{version}-{release}.src.rpm",
        module=chance.choice(("", "", "tool:1", "x:2")),
        vendor=chance.choice(("Red Hat, Inc.", "Red Hat, Inc.", "Somebody")),
        key=chance.choice(("199e2f91fd431d51", "199e2f91fd431d51", "")),
    )


def feed(chance: random.Random) -> list[Json]:
    """Documents of which no component has two statuses."""
    documents = []
    for number in range(chance.randint(1, 12)):
        said = {(one.cpe, one.name, one.evr, one.arch, one.module): one for one in map(says, [chance] * 10)}
        documents.append(document(f"CVE-2026-{1000 + number}", *said.values()))
    return documents


def image(chance: random.Random) -> Inventory:
    packages = [package(chance) for _number in range(chance.randint(1, 8))]
    repositories = chance.sample(sorted(REPOSITORIES), chance.randint(0, 3))
    return inventory(*packages, version=chance.choice(("9.4", "9.2", "8.6")), repositories=repositories)


@pytest.mark.parametrize("seed", [*range(20), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(20, 60))])
@pytest.mark.parametrize("limit", [0, 40, None], ids=["nothing-kept", "little-kept", "all-kept"])
def test_what_is_kept_changes_nothing_and_the_trace_tells_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, limit: int | None
) -> None:
    chance = random.Random(seed)
    if limit is not None:
        for name in ("GROUPS_KEPT", "STATEMENTS_KEPT", "FINDINGS_KEPT", "_PRODUCTS_KEPT"):
            monkeypatch.setattr(package_matcher, name, limit)
        monkeypatch.setattr(products, "RELATED_KEPT", limit)
    documents = feed(chance)
    with FeedIndex.open(str(Feed(tmp_path).index(*documents, repositories=REPOSITORIES))) as index:
        matcher = Matcher(index)
        images = [image(chance) for _number in range(5)]
        for one in [*images, *images]:
            match = matcher.match(one)
            assert match == match_inventory(one, index)
            # Each vulnerability by itself, with all that is said of it and without any short cut.
            traced = [
                trace.finding
                for value in documents
                for trace in matcher.trace(one, value["document"]["tracking"]["id"])
                if trace.finding is not None
            ]
            assert tuple(sorted(traced, key=lambda finding: (finding.id, finding.package))) == match.findings


def test_a_cache_is_bounded_by_weight_and_drops_what_was_not_used() -> None:
    kept: Kept[str, int] = Kept(10)
    for name in "abc":
        kept.put(name, 1, 2)
    assert kept.get("a") == 1
    kept.put("d", 1, 2)
    assert [name for name in "abcd" if kept.get(name)] == ["a", "c", "d"]
    kept.put("big", 1, 1000)
    assert [name for name in (*"abcd", "big") if kept.get(name)] == ["big"]
    kept.put("e", 1, 1)
    assert [name for name in ("big", "e") if kept.get(name)] == ["e"]


@pytest.mark.parametrize("on", [True, False])
def test_the_search_for_cycles_is_as_it_was(tmp_path: Path, on: bool) -> None:
    path = Feed(tmp_path).index(document("CVE-2026-1000", says(random.Random(1))))
    with FeedIndex.open(str(path)) as index:
        (gc.enable if on else gc.disable)()
        try:
            Matcher(index).match(inventory(rpm("tool-1.0-1.el9.x86_64")))
            assert gc.isenabled() is on
        finally:
            gc.enable()
