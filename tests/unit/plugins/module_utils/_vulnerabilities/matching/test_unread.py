# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a document that cannot be read concerns; no damage to one lets an image pass that it would fail."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.unread import (
    EVERYTHING,
    UnreadScope,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import (
    FeedIndex,
    RejectedDocument,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.unread import Unread
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import UnreadDocument
from ansible_collections.imagescan.openshift.tests.support import damage
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    Feed,
    document,
    inventory,
    not_affected,
    rpm,
)

CURL = rpm("libcurl-7.76.1-26.el9.x86_64", source="curl-7.76.1-26.el9.src.rpm")
NODEJS = rpm("npm-8.19.3-1.16.19.1.1.module+el8.7.0+1+aaaaaaaa.x86_64", module="nodejs:16")
BASH = rpm("bash-5.1.8-9.el9.x86_64")


def rejected(*scopes: UnreadScope) -> list[RejectedDocument]:
    return [RejectedDocument(f"{number}.json", "a" * 64, "it is cut", one) for number, one in enumerate(scopes)]


@pytest.mark.parametrize(
    ("package", "names"),
    [
        (CURL, ("libcurl",)),
        (CURL, ("curl",)),
        (NODEJS, ("npm",)),
        (NODEJS, ("nodejs",)),
        (NODEJS, ("nodejs-devel",)),
        (BASH, ()),
        (CURL, ("bash",)),
        (NODEJS, ("node", "nodejs:16")),
    ],
)
def test_a_package_is_concerned_by_its_name_its_source_and_its_module(package: Package, names: tuple[str, ...]) -> None:
    found = Unread(rejected(UnreadScope(names))).naming(package)
    expected = [(0, name) for name in names if name in {"libcurl", "curl", "npm", "nodejs", "nodejs-devel"}]
    assert list(found) == expected


def test_what_concerns_everything_concerns_every_image() -> None:
    scopes = UnreadScope(("curl",)), EVERYTHING, UnreadScope((), ("rocky",)), UnreadScope((), ("almalinux",))
    unread = Unread(rejected(*scopes))
    assert unread.concerning({0: {"curl"}}, ("rocky", "rocky-lts")) == (
        UnreadDocument("0.json", "a" * 64, ("curl",)),
        UnreadDocument("1.json", "a" * 64),
        UnreadDocument("2.json", "a" * 64),
    )
    assert [one.path for one in unread.concerning({}, ("rhel",))] == ["1.json"]


def test_kernel_headers_are_not_concerned_by_what_the_kernel_has(tmp_path: Path) -> None:
    """The matcher leaves them out of every document that can be read, too."""
    unreadable = document("CVE-2026-1001", not_affected(MAIN_9, "kernel-headers"), not_affected(MAIN_9, "kernel"))
    unreadable["document"]["category"] = "unreadable"
    index = Feed(tmp_path).index(unreadable, document("CVE-2026-1002", not_affected(MAIN_9, "bash")))
    found = []
    for name in ("kernel-headers", "kernel-core"):
        package = rpm(f"{name}-5.14.0-427.el9.x86_64", source="kernel-5.14.0-427.el9.src.rpm")
        with FeedIndex.open(str(index)) as opened:
            found.append([one.names for one in match_inventory(inventory(package, BASH), opened).unread])
    assert found == [[], [("kernel",)]]


# -- damage to real documents --


def check_damages(paths: t.Iterable[str], count: int, seed: int, folder: Path) -> dict[str, int]:
    """Damage documents ``count`` times; gives how often each outcome came. Raises AssertionError where an image passes
    that the undamaged document fails, or one outside of the scope does not.
    """
    documents = damage.every_document()
    source = random.Random(seed)
    victims = [
        victim
        for number, path in enumerate(sorted(paths))
        for victim in damage.victims(f"2026/cve-2026-{10000 + number}.json", documents[path], folder, source, 3)
    ]
    # Of 91 documents ten have more than a megabyte, and would take nearly all of the time.
    weights = [1 / len(victim.text) for victim in victims]
    found: dict[str, int] = {}
    for number in range(count):
        (victim,) = source.choices(victims, weights)
        kind, text = damage.damaged(victim.text, random.Random(seed * 1_000_000 + number))
        where = f"{kind} ({number}) in {victim.path}"
        verdict = damage.verdict_of(victim, text, folder).verdict
        assert verdict != "passed", f"{where}: {victim.image.packages[1].nevra} passes"
        state = damage.state_of(victim, text)
        found[state] = found.get(state, 0) + 1
        if state == "scoped":
            assert damage.keeps_bystander(victim, text, folder), where
    return found


def test_no_damage_lets_an_image_pass(tmp_path: Path) -> None:
    """A short form of the next test, with small documents."""
    small = [path for path, text in damage.every_document().items() if len(text) < 16_000]
    found = check_damages(small, 70, 13, tmp_path)
    assert found["scoped"] > 10 and found["wide"] > 5, found


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_no_damage_to_any_document_lets_an_image_pass(tmp_path: Path) -> None:
    found = check_damages(damage.every_document(), 5000, 14, tmp_path)
    assert found["scoped"] > 1000 and found["wide"] > 500, found


# -- a feed --


def test_images_outside_the_scope_are_judged_as_without_the_unreadable_documents(tmp_path: Path) -> None:
    """``tests/benchmarks/feed.py`` does the same with 50,000 documents."""
    broken = set(range(0, 300, 100))
    ranges = [range(start, start + 8, 2) for start in range(290)]
    found = []
    for unreadable in (set(), broken):
        documents = [damage.numbered_document(number, readable=number not in unreadable) for number in range(300)]
        index = Feed(tmp_path / str(len(unreadable))).index(*documents, repositories={"repo": [MAIN_9]})
        found.append(damage.verdicts(index, map(damage.numbered_image, ranges)))
    ends = set()
    for numbers, before, after in zip(ranges, *found):
        concerned = sorted(damage.numbered(number) for number in broken & set(numbers))
        ends.add((before.verdict, after.verdict, bool(concerned)))
        if concerned:
            (reason,) = [one for one in after.reasons if one.code == "feed-incomplete"]
            assert all(name in reason.message for name in concerned)
        else:
            assert after == before
    assert ends == {("failed", "failed", False), ("passed", "passed", False), ("passed", "inconclusive", True)}
