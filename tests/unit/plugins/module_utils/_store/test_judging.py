# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images are judged, and what goes back into the store."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.sightings import Sighting
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    OsRelease,
    Package,
    PackageDatabase,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import named
from ansible_collections.imagescan.openshift.plugins.module_utils._store.current import count_usage, in_force
from ansible_collections.imagescan.openshift.plugins.module_utils._store.judging import Judging
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import StoredChild
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store, open_store
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.applying import Used
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import Judgement
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.usage import describe_vex
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.vex_names import ImageName
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.vex_statements import (
    VexDocument,
    VexStatement,
)

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
THEN = "2025-12-31T00:00:00Z"
AMD = "sha256:" + "a" * 64
ARM = "sha256:" + "b" * 64
INDEX = "sha256:" + "c" * 64
NEW = "sha256:" + "d" * 64
POLICY = """
- name: no-jars
  unexamined: {jar: fail, python: ignore, npm: ignore, dpkg: ignore, apk: ignore}
"""


def inventory(jars: int = 0) -> Inventory:
    """An image with one package."""
    package = Package("bash", None, "5", "1.el9", "x86_64")
    return Inventory(
        "rpm",
        OsRelease("rhel", "9.4"),
        (package,),
        PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", 1),
        (),
        (),
        {},
        {"jar": jars},
        (),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with an index of two images."""
    store = open_store(str(tmp_path / "store.db"))
    put(store, AMD, "r.example/a@" + AMD, 0)
    put(store, ARM, "r.example/a@" + ARM, 3)
    children = [StoredChild(AMD, "linux/amd64"), StoredChild(ARM, "linux/arm64")]
    store.images.record_index(INDEX, "r.example/a:1", children, wanted_platforms=[], now=THEN)
    return store


def put(store: Store, digest: str, reference: str, jars: int) -> None:
    """Store an image with so many jars."""
    platform = "linux/arm64" if digest == ARM else "linux/amd64"
    values = inventory_to_dict(inventory(jars))
    store.inventories.record(digest, reference, values, platform=platform, scanned_at=THEN)


def judge(store: Store, *images: object, now: datetime.datetime = NOW, **options: t.Any) -> dict[str, str]:
    """Verdicts by key."""
    judging = Judging(store, load_policies(POLICY, "test"), [], None, now=now, **options)
    judged = judging.run([named(image) for image in images] if images else None)
    return {one.key: one.verdict for one in judged}


def test_everything_is_judged_and_an_index_takes_the_worst(store: Store) -> None:
    assert judge(store) == {AMD: "passed", ARM: "failed", INDEX: "failed"}


def test_progress_counts_the_images_that_are_judged_one_by_one(store: Store) -> None:
    lines: list[str] = []
    judge(store, beat=lines.append)
    assert lines == ["judged 1/2", "judged 2/2"]


def test_platforms_decide_which_images_of_an_index_count(store: Store) -> None:
    assert judge(store, platforms=["linux/amd64"])[INDEX] == "passed"
    assert judge(store, platforms=["linux/amd64", "linux/s390x"])[INDEX] == "inconclusive"


def test_the_platforms_of_the_scan_count_where_none_are_given(store: Store) -> None:
    children = [StoredChild(AMD, "linux/amd64"), StoredChild(ARM, "linux/arm64")]
    store.images.record_index(INDEX, "r.example/a:1", children, wanted_platforms=["linux/amd64"], now=THEN)
    assert judge(store)[INDEX] == "passed"


def test_a_name_selects_what_it_leads_to_with_all_images_of_an_index(store: Store) -> None:
    put(store, NEW, "r.example/other:1", 0)
    assert set(judge(store, "r.example/a:1")) == {INDEX, AMD, ARM}
    assert set(judge(store, NEW)) == {NEW}


def test_an_image_that_the_store_does_not_know_is_inconclusive(store: Store) -> None:
    unknown = {"digest": NEW, "reference": "r.example/new:1"}
    assert judge(store, unknown, "r.example/typo:1") == {
        NEW: "inconclusive",
        "unresolved:r.example/typo:1": "inconclusive",
    }


def test_a_name_that_no_longer_resolves_is_an_error_beside_what_it_led_to(store: Store) -> None:
    judge(store)
    store.images.record_error("", "r.example/a:1", ScanError("nobody answers", code="registry-unavailable"), now=THEN)
    verdicts = judge(store, "r.example/a:1")
    assert verdicts["unresolved:r.example/a:1"] == "error"
    assert verdicts[INDEX] == "failed"


def test_the_same_error_of_a_name_is_news_once(store: Store) -> None:
    error = ScanError("nobody answers", code="registry-unavailable")
    assert store.images.record_error("", "r.example/new:1", error, now=THEN)
    assert not store.images.record_error("", "r.example/new:1", error, now=THEN)
    assert store.images.record_error("", "r.example/new:1", ScanError("gone", code="image-not-found"), now=THEN)


def test_a_name_that_cannot_be_kept_does_not_keep_the_next_ones_away(store: Store) -> None:
    names = [Sighting("r.example/x:1", ""), Sighting("", AMD), Sighting("r.example/y:1", AMD)]
    assert store.images.record_names(names, now=THEN)
    assert not store.images.record_names(names, now=THEN)
    assert not store.images.record_names(names[:2], now=THEN)


def test_a_failed_attempt_never_hides_an_earlier_finding(store: Store) -> None:
    broken = ScanError("cut", code="registry-error")
    for digest in (AMD, ARM):
        store.images.record_error(digest, "", broken, now=THEN)
    assert judge(store) == {AMD: "error", ARM: "failed", INDEX: "failed"}


def test_an_index_that_cannot_be_read_is_never_passed(store: Store) -> None:
    put(store, ARM, "r.example/a@" + ARM, 0)
    store.images.record_error(INDEX, "r.example/a:1", ScanError("gone", code="image-not-found"), now=THEN)
    assert judge(store)[INDEX] == "error"


def test_a_damaged_inventory_is_its_own_trouble(store: Store) -> None:
    values = {**inventory_to_dict(inventory()), "kind": "cheese"}
    store.inventories.record(AMD, "", values, platform="linux/amd64", scanned_at="2026-01-01T00:00:00Z")
    assert judge(store) == {AMD: "error", ARM: "failed", INDEX: "failed"}


def test_judging_again_is_the_same_and_a_dry_run_keeps_nothing(store: Store) -> None:
    policies = load_policies(POLICY, "test")
    plan = Judging(store, policies, [], None, now=NOW, dry_run=True).run(None)
    assert {one.state for one in plan} == {"new"}
    assert store.verdicts.in_force() == []
    first = Judging(store, policies, [], None, now=NOW).run(None)
    later = Judging(store, policies, [], None, now=NOW + datetime.timedelta(hours=5)).run(None)
    assert {one.state for one in later} == {"unchanged"}
    assert [one.document for one in later] == [one.document for one in first]


def test_an_older_judgement_reports_what_stays_in_force(store: Store) -> None:
    judge(store)
    put(store, ARM, "", 0)
    judged = Judging(store, load_policies(POLICY, "test"), [], None, now=NOW - datetime.timedelta(days=1)).run(None)
    by_key = {one.key: one for one in judged}
    assert (by_key[ARM].state, by_key[ARM].verdict) == ("superseded", "failed")
    assert by_key[ARM].document["verdict"] == "failed"


def test_a_report_has_every_image_and_the_unjudged_ones_are_inconclusive(store: Store) -> None:
    judge(store, AMD)
    state = in_force(store, None)
    verdicts = {document["digest"]: document["verdict"] for document in state.documents}
    assert verdicts == {AMD: "passed", ARM: "inconclusive", INDEX: "inconclusive"}
    (reason,) = next(document["reasons"] for document in state.documents if document["digest"] == ARM)
    assert reason == {"code": "not_judged_yet", "message": "the image has not been judged yet"}
    store.images.record_error(ARM, "", ScanError("nobody knows", code="name-unconfirmed"), now=THEN)
    documents = in_force(store, None).documents
    (reason,) = next(document["reasons"] for document in documents if document["digest"] == ARM)
    assert reason == {"code": "name-unconfirmed", "message": "nobody knows"}
    assert max(state.times) == THEN
    assert [document["digest"] for document in in_force(store, [named(NEW)]).documents] == [NEW]


def test_what_changed_a_verdict_is_told_once_and_stays_in_the_report(store: Store) -> None:
    judge(store)
    put(store, ARM, "", 0)
    later = NOW + datetime.timedelta(days=1)
    judging = Judging(store, load_policies(POLICY, "test"), [], None, now=later)
    changed = {one.key: one for one in judging.run(None) if one.before != one.verdict}
    assert {key: (one.before, one.verdict) for key, one in changed.items()} == {
        ARM: ("failed", "passed"),
        INDEX: ("failed", "passed"),
    }
    (reason,) = changed[ARM].reasons
    assert (reason["code"], reason["state"]) == ("unexamined-components", "gone")
    assert all(one.before == one.verdict and not one.reasons for one in judging.run(None))
    told = {one["digest"]: one["change"] for one in in_force(store, None).documents}
    assert told[AMD] is None
    assert told[ARM] == {"before": "failed", "since": "2026-01-02T00:00:00Z", "reasons": [reason]}
    # Where a report does not show the verdict that was recorded, its change would not explain it.
    values = inventory_to_dict(inventory(1))
    store.inventories.record(ARM, "", values, platform="linux/arm64", scanned_at="2026-01-03T00:00:00Z")
    (found,) = [one for one in in_force(store, None).documents if one["digest"] == ARM]
    assert (found["verdict"], found["change"]) == ("inconclusive", None)


# Exceptions and VEX over a whole store.

RULE_POLICY = load_policies("- name: no-jars\n  unexamined: {jar: fail}\n", "test")


def stated(digest: str) -> VexStatement:
    """What a maker says of everything in an image."""
    return VexStatement(("CVE-1",), "fixed", ImageName(digest=digest), None, THEN, document="d", author="maker")


@pytest.mark.parametrize(("named_digest", "cleared"), [(INDEX, 2), (AMD, 1), (NEW, 0)])
def test_vex_of_an_index_is_about_its_images(store: Store, named_digest: str, cleared: int) -> None:
    # Two files of one id, of which the other says nothing of these images.
    file, other = (
        VexDocument("v.json", "d", statements=(stated(digest),)) for digest in (named_digest, f"sha256:{'0' * 64}")
    )
    entries = [*file.statements, *other.statements]
    judging = Judging(store, RULE_POLICY, entries, [], now=NOW)
    judged = judging.run(None)
    for one in judged:
        if one.key != INDEX:
            found = {"id": "CVE-1", "package": "bash-0:5-1.el9.x86_64", "status": "affected"}
            t.cast("list[t.Any]", one.document["vulnerabilities"]).append(found)
    usages = judging.usages(judged)
    assert [describe_vex(one, usages)["used"] for one in (file, other)] == [cleared, 0]
    documents = [one.document for one in judged]
    usages = count_usage(store, documents, entries, NOW.date())
    assert [describe_vex(one, usages)["used"] for one in (file, other)] == [cleared, 0]


def test_what_exceptions_are_about_is_counted_over_all_images(store: Store) -> None:
    entries = load_exceptions(
        "- {id: CVE-1, reason: a, expires: 2026-01-01}\n- {id: CVE-1, reason: b, when: fixed, images: ['*b*']}\n", "e"
    )
    judging = Judging(store, RULE_POLICY, entries, [], now=NOW)
    judged = judging.run(None)
    found = [{"id": "CVE-1", "package": "bash-0:5-1.el9.x86_64", "status": "fix_available"}]
    usages = judging.usages([])
    for one in judged:
        if one.key != INDEX:
            usages.add({**one.document, "vulnerabilities": found})
    first, second = usages.result()
    assert (first.state, first.number, first.images) == ("used", 2, ("r.example/a@" + AMD, "r.example/a@" + ARM))
    assert (second.state, second.number) == ("fixed", 1)


def test_what_passed_by_an_exception_that_has_expired_is_inconclusive_in_reports(store: Store) -> None:
    entries = load_exceptions("- {id: CVE-1, reason: a, expires: 2026-01-01}\n", "e")
    Judging(store, RULE_POLICY, entries, [], now=NOW, platforms=["linux/amd64"]).run(None)
    # An image with a finding would need a feed here; what counts is what the verdict says it passed by.
    (stored,) = store.verdicts.in_force([AMD])
    used = Used(entries[0], "accepted", (("CVE-1", "bash-0:5-1.el9.x86_64"),)).document()
    document = {**stored.document, "exceptions": [used]}
    judgement = Judgement(AMD, AMD, "passed", document, None, "", stored.judged_at)
    store.verdicts.record([judgement])
    for day, verdict in ((NOW.date(), "passed"), (NOW.date() + datetime.timedelta(days=1), "inconclusive")):
        found = {one["digest"]: one for one in in_force(store, None, day).documents}
        assert (found[AMD]["verdict"], found[INDEX]["verdict"]) == (verdict, verdict)
        assert found[AMD]["exceptions"][0]["state"] == ("accepted" if verdict == "passed" else "expired")
    assert found[AMD]["reasons"][0]["message"] == "an exception has expired since the image was judged"


FINDING = {"id": "CVE-1", "package": "bash-0:5-1.el9.x86_64"}
HOLDS = "- {id: CVE-1, reason: a, expires: 2026-01-09, owner: second"
ENDS = "- {id: CVE-1, reason: a, expires: 2026-01-01, policies: [no-jars]}\n"


@pytest.mark.parametrize(
    ("entries", "left"),
    [
        (load_exceptions(ENDS, "e"), ""),
        (load_exceptions(ENDS + HOLDS + ", policies: [others]}\n", "e"), ""),
        (load_exceptions(ENDS + HOLDS + "}\n", "e"), "CVE-1"),
        ([*load_exceptions(ENDS, "e"), stated(AMD)], stated(AMD).label),
    ],
    ids=["alone", "another-for-other-policies", "another-for-all", "and-vex"],
)
@pytest.mark.parametrize("verdict", ["passed", "failed"])
def test_what_an_expired_exception_accepted_counts_again_in_reports(
    store: Store, entries: list[t.Any], left: str, verdict: str
) -> None:
    judge(store, AMD)
    (stored,) = store.verdicts.in_force([AMD])
    document = {
        **stored.document,
        "verdict": verdict,
        "vulnerabilities": [{**FINDING, "exception": "CVE-1"}, {**FINDING, "id": "CVE-2", "exception": "CVE-2"}],
        "compliance": {"rules": [{"id": "r1", "exception": "CVE-1"}, {"id": "r2", "exception": "r2"}]},
        "exceptions": [Used(one, "accepted", (("CVE-1", FINDING["package"]),), ("r1",)).document() for one in entries],
    }
    store.verdicts.record([Judgement(AMD, AMD, verdict, document, None, "", stored.judged_at)])
    for day, label in ((NOW.date(), "CVE-1"), (NOW.date() + datetime.timedelta(days=1), left)):
        (found,) = in_force(store, [named(AMD)], day).documents
        assert [one["exception"] for one in found["vulnerabilities"]] == [label, "CVE-2"]
        assert [one["exception"] for one in found["compliance"]["rules"]] == [label, "r2"]
    (kept,) = store.verdicts.in_force([AMD])
    assert kept.document == document
