# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod reports what it was given, once, and nothing else; what an index lists counts one by one."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.codec import (
    results_from_dict,
    results_to_dict,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import Results as RuleResults
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.model import RuleResult
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Platform
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, OsRelease
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.problems import problem
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import results
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.results import RecordReceiver, ShardState
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.sharding import Item
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.ledger import Ledger
from ansible_collections.imagescan.openshift.tests.support.books import MemoryBook

INVENTORY = Inventory("rpm", OsRelease(), (), None, (), ("cpe:/a:b",), {}, {}, ())


def digest(letter: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + letter * 64


class Desk:
    """A shard of some images, and what became of them. An image is a letter, or ``?`` for a tag without a digest."""

    def __init__(self, letters: str, *platforms: Platform) -> None:
        self.book = MemoryBook()
        self.ledger = Ledger(self.book, platforms, plan_only=False)
        self.ledger.total = len(letters)
        numbers = itertools.count(len(letters))
        self.results = RecordReceiver(self.ledger, numbers.__next__)
        items = {}
        for number, letter in enumerate(letters):
            known = "" if letter == "?" else digest(letter)
            name = f"r.example/a:{number}"
            if known:
                assert self.ledger.claim(known, (name,))
            items[number] = Item(number, f"r.example/a@{known}" if known else name, known, (name,))
        self.shard = ShardState("0" * 64, items, set(items))

    def image(self, number: int, letter: str, index: str = "", **more: t.Any) -> None:
        """A record of an image that was read, or with ``error`` of one that was not."""
        body: dict[str, t.Any] = {
            "number": number,
            "digest": digest(letter) if letter else "",
            "platform": "linux/amd64",
            "index": digest(index) if index else "",
            "state": "error" if "error" in more else "scanned",
            **({} if "error" in more else {"inventory": inventory_to_dict(INVENTORY)}),
            **more,
        }
        self.results.take(self.shard, "image", body)

    def index(self, number: int, letter: str, **children: str) -> None:
        """A record of an index: children by letter, with their platforms."""
        listed = [[digest(child), platform] for child, platform in children.items()]
        body = {"number": number, "digest": digest(letter), "children": listed, "missing": []}
        self.results.take(self.shard, "index", body)

    @property
    def states(self) -> list[tuple[str, str]]:
        """(letter, state or code) of each outcome."""
        return [(one.digest[-1:], one.error.code if one.error else one.state) for one in self.book.outcomes]


def test_an_image_is_taken_once() -> None:
    desk = Desk("ab")
    desk.image(0, "a")
    desk.image(0, "a")
    assert desk.states == [("a", "scanned")]
    assert desk.book.outcomes[0].inventory == INVENTORY
    assert desk.book.outcomes[0].platform == "linux/amd64"
    assert desk.shard.open == {1}
    assert desk.ledger.done == 1


def test_another_digest_than_the_one_asked_for_is_refused() -> None:
    desk = Desk("ab")
    desk.image(0, "b")
    assert desk.states == [("a", "result-refused")]
    assert desk.book.outcomes[0].inventory is None
    desk.index(1, "c", d="linux/amd64")
    assert desk.states[1] == ("b", "result-refused")
    assert not desk.shard.open


def test_what_discovery_saw_as_an_image_cannot_become_an_index() -> None:
    """Else a pod could tell of whatever image it likes, by saying that the index lists it."""
    desk = Desk("a")
    desk.shard.items[0].kind = "image"
    desk.index(0, "a", x="linux/amd64")
    desk.image(0, "x", index="a")
    assert desk.states == [("a", "result-refused")]
    assert not desk.book.indexes


def test_a_number_that_the_pod_was_not_given_is_passed_over_and_counted() -> None:
    desk = Desk("a")
    desk.image(7, "a")
    assert desk.states == []
    assert desk.results.uncalled == 1
    assert desk.shard.open == {0}


def test_an_inventory_that_is_none_is_an_error() -> None:
    for broken in ({}, {"schema_version": 1}, {**inventory_to_dict(INVENTORY), "kind": "new"}):
        desk = Desk("a")
        desk.image(0, "a", inventory=broken)
        assert desk.states == [("a", "result-refused")]


RULES = results_to_dict(RuleResults("t1", (RuleResult("r1", "fail"),), profile="cis"))


def test_results_of_rules_come_with_the_inventory_where_they_were_asked_for() -> None:
    desk = Desk("abc")
    desk.results.needs_rules = True
    desk.image(0, "a", compliance=RULES, arf="aGVsbG8=")
    desk.image(1, "b", compliance=RULES)
    error = {"code": "evaluator-lost", "message": "m" * 9000, "hint": "h"}
    desk.image(2, "c", compliance_error=error)
    first, second, third = desk.book.outcomes
    assert (first.state, first.compliance, first.arf) == ("scanned", results_from_dict(RULES), b"hello")
    assert (second.state, second.compliance, second.arf) == ("scanned", results_from_dict(RULES), None)
    assert (third.state, third.compliance, third.error, third.inventory) == ("error", None, None, INVENTORY)
    assert third.compliance_error is not None
    assert (third.compliance_error.code, third.compliance_error.hint) == ("evaluator-lost", "h")
    assert len(third.compliance_error.message) == 2000


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"compliance": {}},
        {"compliance": {**RULES, "rules": [{"id": "r1", "result": "good"}]}},
        {"compliance": RULES, "arf": "%%"},
        {"compliance": RULES, "arf": "ä"},
    ],
)
def test_an_image_without_the_results_that_were_asked_for_is_an_error(told: dict[str, t.Any]) -> None:
    desk = Desk("a")
    desk.results.needs_rules = True
    desk.image(0, "a", **told)
    assert desk.states == [("a", "result-refused")]


def test_results_that_nobody_asked_for_are_passed_over() -> None:
    desk = Desk("a")
    desk.image(0, "a", compliance=RULES)
    assert desk.states == [("a", "scanned")]
    assert desk.book.outcomes[0].compliance is None


def test_what_the_pod_says_of_an_error_is_kept_within_bounds() -> None:
    desk = Desk("ab")
    desk.image(0, "a", error={"code": "registry-unauthorized", "message": "no" * 9000, "hint": "log in"})
    error = desk.book.outcomes[0].error
    assert error is not None
    assert (error.code, error.hint, error.subject) == ("registry-unauthorized", "log in", "r.example/a:0")
    assert len(error.message) == 2000
    desk.image(1, "b", error={"code": "passed\n<b>", "message": "m", "hint": ""})
    assert desk.states[1] == ("b", "scan-error")


def test_a_tag_becomes_the_digest_that_the_pod_found() -> None:
    desk = Desk("??a")
    desk.image(0, "c")
    desk.image(1, "c")
    desk.image(2, "a")
    assert desk.states == [("c", "scanned"), ("c", "same"), ("a", "scanned")]
    assert (desk.ledger.done, desk.ledger.total) == (2, 2)
    unresolved = Desk("?")
    unresolved.image(0, "", error={"code": "image-not-found", "message": "m", "hint": ""})
    assert unresolved.states == [("", "image-not-found")]


def test_an_index_counts_as_its_images() -> None:
    for letter in "i?":
        desk = Desk(letter)
        desk.index(0, "i", a="linux/amd64", b="linux/arm64/v8")
        assert desk.book.indexes[0].children == ((digest("a"), "linux/amd64"), (digest("b"), "linux/arm64/v8"))
        assert desk.ledger.total == 2
        desk.image(0, "a", index="i")
        assert desk.shard.open == {0}
        desk.image(0, "x", index="i")
        desk.image(0, "b", index="y")
        desk.image(0, "b", index="i")
        assert desk.states == [("a", "scanned"), ("b", "scanned")]
        assert desk.book.outcomes[1].index == digest("i")
        assert desk.book.outcomes[1].references == (f"r.example/a@{digest('b')}",)
        assert not desk.shard.open
        assert desk.ledger.done == desk.ledger.total == 2


def test_platforms_decide_which_images_of_an_index_are_owed() -> None:
    desk = Desk("i", Platform("linux", "amd64"), Platform("linux", "s390x"))
    desk.index(0, "i", a="linux/amd64", b="linux/arm64")
    desk.image(0, "b", index="i")
    assert desk.states == []
    assert desk.book.indexes[0].missing == ("linux/s390x",)
    desk.image(0, "a", index="i")
    assert desk.states == [("a", "scanned")]
    assert not desk.shard.open


def test_after_a_repair_images_may_come_before_their_index() -> None:
    desk = Desk("i")
    desk.image(0, "b", index="i")
    desk.image(0, "x", index="i")
    assert desk.states == []
    desk.index(0, "i", a="linux/amd64", b="linux/arm64")
    assert desk.states == [("b", "scanned")]
    desk.image(0, "a", index="i")
    assert not desk.shard.open


@pytest.mark.parametrize(("limit", "states"), [(2, []), (1, [("i", "result-refused")])])
def test_an_index_has_as_many_images_as_one_may_have(
    monkeypatch: pytest.MonkeyPatch, limit: int, states: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(results, "CHILD_LIMIT", limit)
    desk = Desk("i")
    desk.index(0, "i", a="linux/amd64", b="linux/arm64")
    assert desk.states == states


@pytest.mark.parametrize(("limit", "kept"), [(3, "abc"), (2, "ab")])
def test_as_many_images_as_an_index_may_have_are_kept_until_it_comes(
    monkeypatch: pytest.MonkeyPatch, limit: int, kept: str
) -> None:
    desk = Desk("i")
    with monkeypatch.context() as patched:
        patched.setattr(results, "CHILD_LIMIT", limit)
        for letter in "abc":
            desk.image(0, letter, index="i")
    desk.index(0, "i", a="linux/amd64", b="linux/arm64", c="linux/s390x")
    assert desk.states == [(letter, "scanned") for letter in kept]
    assert bool(desk.shard.open) is (kept != "abc")


def test_of_an_index_that_was_cut_short_only_the_missing_images_are_owed() -> None:
    desk = Desk("ia")
    desk.index(0, "i", c="linux/amd64", b="linux/arm64")
    desk.image(0, "c", index="i")
    owed = desk.results.rest(desk.shard)
    assert [(number, item.digest[-1], item.index) for number, item in owed] == [(0, "b", digest("i")), (1, "a", "")]
    child = owed[0][1]
    assert child.target == f"r.example/a@{digest('b')}"
    # Scanned by itself the next time, it is still an image of that index.
    desk.shard = ShardState("1" * 64, {0: child}, {0})
    desk.image(0, "b")
    assert desk.book.outcomes[-1].index == digest("i")
    assert desk.states[-1] == ("b", "scanned")


def test_an_index_whose_images_others_have_owes_nothing() -> None:
    desk = Desk("ai")
    desk.index(1, "i", a="linux/amd64")
    assert desk.shard.open == {0}
    assert desk.states == [("a", "same")]


def test_an_image_of_an_index_cannot_turn_into_an_index() -> None:
    desk = Desk("b")
    desk.shard.items[0].index = digest("i")
    desk.index(0, "b", c="linux/amd64")
    assert desk.states == [("b", "result-refused")]


def test_labels_that_no_pod_can_see_are_added_or_missed_aloud() -> None:
    desk = Desk("abc")
    desk.results.needs_labels = True
    desk.results.labels = {digest("a"): {"cpe": '"cpe:/o:x"', "name": "n"}, digest("b"): None}
    for number, letter in enumerate("abc"):
        desk.image(number, letter)
    first, second, third = (one.inventory for one in desk.book.outcomes)
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.labels == {"cpe": '"cpe:/o:x"', "name": "n"}
    assert first.label_cpes == ("cpe:/a:b", "cpe:/o:x")
    assert first.complete
    for unseen in (second, third):
        assert [problem.code for problem in unseen.problems] == ["config-unseen"]


def test_an_empty_volume_is_a_problem_unless_its_image_is_known_to_have_no_layer() -> None:
    desk = Desk("ab")
    desk.results.needs_labels = True
    desk.results.labels = {digest("a"): {}, digest("b"): {}}
    desk.results.bare = {digest("b")}
    empty = dataclasses.replace(INVENTORY, problems=(problem("root-empty", "m"),))
    for number, letter in enumerate("ab"):
        desk.image(number, letter, inventory=inventory_to_dict(empty))
    assert [one.inventory and one.inventory.complete for one in desk.book.outcomes] == [False, True]


def test_what_a_forged_log_told_is_asked_for_once_more_as_it_was_at_first() -> None:
    desk = Desk("ai??e")
    desk.image(0, "a")
    desk.index(1, "i", b="linux/amd64", d="linux/arm64")
    desk.image(1, "b", index="i")
    desk.image(2, "c")
    desk.image(3, "a")  # an image that the run has already, it says
    again, forged = desk.results.distrusted(desk.shard)
    # Of a tag also what it means is asked again, of an index also what it lists.
    asked = [(item.target, item.digest[-1:], item.alone) for item in again]
    assert asked == [
        (f"r.example/a@{digest('a')}", "a", True),
        (f"r.example/a@{digest('i')}", "i", True),
        ("r.example/a:2", "", True),
        ("r.example/a:3", "", True),
    ]
    assert {one[-1] for one in forged} == set("abci")
    assert (desk.ledger.done, desk.ledger.total, desk.shard.open) == (0, 5, {4})
    assert desk.results.distrusted(desk.shard) == ([], [])
    desk.image(4, "e")
    desk.shard = ShardState("1" * 64, dict(enumerate(again)), set(range(4)))
    desk.image(0, "a")
    desk.index(1, "i", b="linux/amd64", d="linux/arm64", f="linux/s390x")
    for letter in "bdf":
        desk.image(1, letter, index="i")
    desk.image(2, "g")
    desk.image(3, "h")
    assert not desk.shard.open
    assert {letter for letter, _state in desk.states[-6:]} == set("abdfgh")
    assert desk.ledger.done == desk.ledger.total == 7
    assert desk.ledger.counts["scanned"] == 7
    # Whoever does that twice gets an error, and no third pod.
    assert desk.results.distrusted(desk.shard)[0] == []
    assert desk.states[-4:] == [(letter, "result-refused") for letter in ("a", "i", "", "")]
    assert desk.ledger.done == desk.ledger.total == 5


def test_what_a_shard_owed_when_it_ended_is_not_asked_for_twice() -> None:
    desk = Desk("i")
    desk.index(0, "i", b="linux/amd64", d="linux/arm64")
    desk.image(0, "b", index="i")
    (_number, owed) = desk.results.rest(desk.shard)[0]
    desk.shard.open.clear()
    again, forged = desk.results.distrusted(desk.shard)
    assert [one[-1] for one in forged] == ["i", "b"]
    desk.shard = ShardState("1" * 64, {0: again[0], 1: owed}, {0, 1})
    desk.index(0, "i", b="linux/amd64", d="linux/arm64")
    desk.image(0, "b", index="i")
    desk.image(1, "d")
    assert not desk.shard.open
    assert [one for one in desk.states if one[1] != "same"] == [(letter, "scanned") for letter in "bbd"]
    assert desk.ledger.done == desk.ledger.total == 2
