# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store must do, whatever database it lies in. Run for SQLite and for PostgreSQL."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.sightings import (
    IMPORT,
    POD,
    REGISTRY,
    STREAM,
    TOLD,
    Sighting,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.model import JobRecord
from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import (
    SCHEMA_VERSION,
    Asked,
    StoredChange,
    StoredChild,
    StoredCluster,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import Store
from ansible_collections.imagescan.openshift.plugins.module_utils._store.tables import tables
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import Judgement

OpenStore = t.Callable[..., Store]
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
INDEX = "sha256:" + "c" * 64
NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-02T00:00:00Z"
LATEST = "2026-01-03T00:00:00Z"


def inventory(*names: str, problems: tuple[str, ...] = ()) -> dict[str, t.Any]:
    """As much of an inventory as the store looks at; texts that a database could choke on."""
    return {
        "schema_version": 1,
        "kind": "rpm",
        "labels": {"nul": "a\0b", "quote": "'; DROP TABLE imagescan_images; --", "lone": "\udc80"},
        "packages": [{"name": name, "source_rpm": f"{name}-src-1-1.el9.src.rpm"} for name in names],
        "problems": [{"code": code, "message": code} for code in problems],
    }


def judgement(
    verdict: str, *, key: str = DIGEST, at: str = NOW, checked: str = NOW, note: str = "", feed: bool = True
) -> Judgement:
    """A verdict with a document that differs by verdict and note."""
    return Judgement(
        key=key,
        digest=key if key.startswith("sha256:") else "",
        verdict=verdict,
        document={"verdict": verdict, "note": note},
        feed={"serial": checked, "checked": checked} if feed else None,
        feed_checked=checked if feed else "",
        judged_at=at,
    )


ASKED = Asked("cis", "c" * 64)
STRICT = Asked("stig", "c" * 64, "d" * 64, ("one", "two"))


def results(
    *outcomes: str, at: str = NOW, problems: tuple[str, ...] = (), content: str = "sha256:c"
) -> dict[str, t.Any]:
    """Results of OpenSCAP with rules of these outcomes, as they are written."""
    rules = [{"id": f"r{number}", "result": one, "time": at} for number, one in enumerate(outcomes)]
    return {
        "schema_version": 1,
        "content": content,
        "started": at,
        "not_selected": 2,
        "rules": rules,
        "problems": [{"code": code, "message": f"{code} \0 \udc80"} for code in problems],
    }


class StoreContract:
    """Tests; a subclass gives the fixture ``open_it``, which opens one and the same store each time."""

    def test_an_inventory_comes_out_as_it_went_in(self, open_it: OpenStore) -> None:
        with open_it() as store:
            given = inventory("bash", "glibc")
            assert store.inventories.record(DIGEST, "quay.io/a/b:1", given, platform="linux/amd64", scanned_at=NOW)
        with open_it() as store:
            assert store.inventories.get(DIGEST) == given
            known = store.inventories.known([DIGEST, OTHER])
            assert set(known) == {DIGEST}
            assert (known[DIGEST].packages, known[DIGEST].complete, known[DIGEST].scanned_at) == (2, True, NOW)
            assert store.inventories.get(OTHER) is None
            assert store.inventories.package_names() == {"bash", "glibc", "bash-src", "glibc-src"}

    def test_recording_the_same_again_changes_nothing(self, open_it: OpenStore) -> None:
        with open_it() as store:
            for expected in (True, False):
                changed = store.inventories.record(
                    DIGEST, "a/b:1", inventory("x"), platform="linux/amd64", scanned_at=NOW
                )
                assert changed is expected
            assert store.inventories.record(DIGEST, "a/b:1", inventory("y"), platform="linux/amd64", scanned_at=LATER)

    def test_an_older_inventory_never_replaces_a_newer_one(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.inventories.record(DIGEST, "a/b:1", inventory("new"), platform="", scanned_at=LATER)
            assert not store.inventories.record(DIGEST, "a/b:1", inventory("old"), platform="", scanned_at=NOW)
            assert store.inventories.get(DIGEST) == inventory("new")

    def test_equal_package_sets_are_kept_once(self, open_it: OpenStore) -> None:
        with open_it() as store:
            for digest in (DIGEST, OTHER):
                store.inventories.record(digest, "", inventory("x"), platform="", scanned_at=NOW)
            assert store.inventories.get(DIGEST) == store.inventories.get(OTHER) == inventory("x")
            store.inventories.record(INDEX, "", inventory("y"), platform="", scanned_at=NOW)
            store.images.record("sha256:" + "0" * 64, "a/b:1", now=NOW)
            sets = store.inventories.package_sets([DIGEST, OTHER, INDEX, "sha256:" + "0" * 64])
            assert sets.keys() == {DIGEST, OTHER, INDEX}
            assert sets[DIGEST] == sets[OTHER] != sets[INDEX]

    def test_a_reference_leads_to_the_newest_digest_only(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.images.record(DIGEST, "a/b:1", now=NOW)
            store.images.record(DIGEST, "a/b:stable", now=NOW)
            assert store.images.record(OTHER, "a/b:1", now=LATER)
            assert not store.images.record(OTHER, "a/b:1", now=LATER)
            # More is known of it.
            for attempt in (1, 2):
                assert store.images.record(OTHER, "a/b:1", platform="linux/arm64", now=LATER) is (attempt == 1)
            found = {image.digest: image.references for image in store.images.all()}
            assert found == {DIGEST: ("a/b:stable",), OTHER: ("a/b:1",)}

    def test_a_name_keeps_every_digest_until_its_holder_speaks(self, open_it: OpenStore) -> None:
        def names(*sightings: Sighting) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
            with open_it() as store:
                store.images.record_names(sightings, now=LATEST)
            with open_it(read_only=True) as store:
                return {image.digest: (image.references, image.unconfirmed) for image in store.images.all()}

        name = "quay.io/shop/app:1 \0 \udc80"
        clean = "quay.io/shop/app:1 \ufffd ?"
        with open_it() as store:
            for digest in (DIGEST, OTHER):
                store.images.record(digest, "", now=NOW)
        unknown = ((clean,), (clean,))
        assert names(Sighting(name, DIGEST, IMPORT, LATER)) == {DIGEST: unknown, OTHER: ((), ())}
        # Neither of an earlier nor of a later time does an import say what the name means now.
        assert names(Sighting(name, OTHER, IMPORT, NOW)) == {DIGEST: unknown, OTHER: unknown}
        assert names(Sighting(name, OTHER, REGISTRY, NOW)) == {DIGEST: unknown, OTHER: unknown}
        assert names(Sighting(name, OTHER, REGISTRY, LATEST)) == {DIGEST: ((), ()), OTHER: ((clean,), ())}

    def test_a_name_that_did_not_move_is_no_news(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.images.record(DIGEST, "", now=NOW)
            for at, source, expected in (
                (NOW, POD, True),
                (LATER, POD, False),
                (LATER, REGISTRY, True),
                (LATEST, REGISTRY, False),
            ):
                told = [Sighting("a/b:1", DIGEST, source, at), Sighting("a/b:2", DIGEST, source, at)]
                assert store.images.record_names(told, now=LATEST) is expected, (at, source)
            # It was there until LATEST, so what was elsewhere before does not count.
            assert not store.images.record_names([Sighting("a/b:1", OTHER, TOLD, LATER)], now=LATEST)
            assert [image.references for image in store.images.all()] == [("a/b:1", "a/b:2")]

    def test_a_time_that_is_ahead_counts_as_now(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.images.record(DIGEST, "", now=NOW)
            store.images.record_names([Sighting("a/b:1", DIGEST, IMPORT, "2099-01-01T00:00:00Z")], now=NOW)
            store.images.record_names([Sighting("a/b:1", DIGEST, TOLD, "no time")], now=NOW)
            assert store.images.record(OTHER, "a/b:1", now=LATER)
            assert {one.digest: one.references for one in store.images.all()} == {DIGEST: (), OTHER: ("a/b:1",)}

    def test_each_cluster_speaks_of_its_own_names(self, open_it: OpenStore) -> None:
        name = "image-registry.openshift-image-registry.svc:5000/shop/app:1"
        with open_it() as store:
            for digest, cluster, at in ((DIGEST, "east", NOW), (OTHER, "west", LATER)):
                store.images.record(digest, "", now=NOW)
                store.images.record_names([Sighting(name, digest, STREAM, at, cluster)], now=LATEST)
            assert [(one.references, one.unconfirmed) for one in store.images.all()] == [((name,), (name,))] * 2
            store.images.record_names([Sighting(name, OTHER, STREAM, LATEST, "east")], now=LATEST)
            assert [(one.references, one.unconfirmed) for one in store.images.all()] == [((), ()), ((name,), ())]

    def test_an_error_keeps_what_was_known_and_a_success_ends_it(self, open_it: OpenStore) -> None:
        refused = ScanError("403 for a/b", code="registry-denied")
        with open_it() as store:
            store.inventories.record(DIGEST, "a/b:1", inventory("x"), platform="", scanned_at=NOW)
            assert store.images.record_error(DIGEST, "a/b:1", refused, now=LATER)
            assert not store.images.record_error(DIGEST, "a/b:1", refused, now="2026-01-03T00:00:00Z")
            (image,) = store.images.all()
            assert (image.error_code, image.error_at, image.scanned_at) == ("registry-denied", LATER, NOW)
            assert store.images.record_error(DIGEST, "a/b:1", ScanError("gone", code="image-not-found"), now=LATER)
            assert store.inventories.record(DIGEST, "a/b:1", inventory("x"), platform="", scanned_at=LATER)
            (image,) = store.images.all()
            assert image.error_code == ""

    def test_a_reference_without_a_digest_is_there_until_it_resolves(self, open_it: OpenStore) -> None:
        reference = "quay.io/team/" + "long/" * 700 + "app:1"
        with open_it() as store:
            assert store.images.record_error(
                "", reference, ScanError("nobody answers", code="registry-unavailable"), now=NOW
            )
            (image,) = store.images.all()
            assert (image.kind, image.digest, image.references) == ("unresolved", "", (reference,))
            store.verdicts.record([judgement("error", key=image.key)])
            assert [verdict.verdict for verdict in store.verdicts.in_force()] == ["error"]
            store.images.record(DIGEST, reference, now=LATER)
            assert [found.digest for found in store.images.all()] == [DIGEST]
            assert store.verdicts.in_force() == []
            assert len(store.verdicts.history(image.key)) == 1

    def test_an_index_keeps_its_images_in_order(self, open_it: OpenStore) -> None:
        children = [StoredChild(OTHER, "linux/arm64"), StoredChild(DIGEST, "linux/amd64")]
        with open_it() as store:
            assert store.images.record_index(INDEX, "a/b:1", children, wanted_platforms=["linux/amd64"], now=NOW)
            assert not store.images.record_index(INDEX, "a/b:1", children, wanted_platforms=["linux/amd64"], now=LATER)
            assert store.images.children([INDEX, DIGEST]) == {INDEX: tuple(children)}
            (index,) = store.images.all()
            assert (index.kind, index.wanted_platforms) == ("index", ("linux/amd64",))
            assert store.images.record_index(INDEX, "a/b:1", children[:1], wanted_platforms=[], now=LATER)
            assert store.images.children([INDEX]) == {INDEX: tuple(children[:1])}

    def test_what_is_forgotten_is_unknown_and_keeps_its_names(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.images.record_index(
                INDEX, "a/b:1", [StoredChild(DIGEST, "linux/amd64")], wanted_platforms=[], now=NOW
            )
            for digest, name in ((DIGEST, "a/b:2"), (OTHER, "a/b:3")):
                store.inventories.record(digest, name, inventory(), platform="linux/amd64", scanned_at=NOW)
            another = "sha256:" + "9" * 64
            store.images.record_index(
                another, "a/b:4", [StoredChild(OTHER, "linux/amd64")], wanted_platforms=[], now=NOW
            )
            store.images.forget(INDEX)
            store.images.forget(DIGEST)
            store.images.forget("sha256:" + "0" * 64)
            assert store.images.children([INDEX, another]) == {another: (StoredChild(OTHER, "linux/amd64"),)}
            assert store.inventories.get(DIGEST) is None
            assert set(store.inventories.known([INDEX, DIGEST, OTHER])) == {OTHER}
            assert {one.digest: one.references for one in store.images.all()}[DIGEST] == ("a/b:2",)
            assert store.inventories.record(DIGEST, "a/b:2", inventory(), platform="linux/amd64", scanned_at=LATER)

    def test_verdicts_are_appended_only_when_they_differ(self, open_it: OpenStore) -> None:
        with open_it() as store:
            states = [
                store.verdicts.record([one])[0].state
                for one in (
                    judgement("failed"),
                    judgement("failed", at=LATER),
                    judgement("failed", at=LATER, note="other reason"),
                    judgement("passed", at=LATER),
                )
            ]
            assert states == ["new", "unchanged", "changed", "changed"]
            assert [one.verdict for one in store.verdicts.history(DIGEST)] == ["failed", "failed", "passed"]
            (current,) = store.verdicts.in_force([DIGEST])
            assert (current.verdict, current.document) == ("passed", {"verdict": "passed", "note": ""})

    def test_what_a_cluster_had_is_kept(self, open_it: OpenStore) -> None:
        with open_it() as store:
            assert store.clusters.get("east") is None
            store.clusters.record("east", [OTHER, DIGEST, OTHER], now=NOW)
            store.clusters.record("west \0 \udc80", [], now=NOW)
            store.clusters.record("east", [DIGEST, OTHER], now=LATER)
        with open_it() as store:
            assert store.clusters.get("east") == StoredCluster(LATER, [DIGEST, OTHER])
            assert store.clusters.get("west \0 \udc80") == StoredCluster(NOW, [])
            assert store.clusters.get("north") is None

    def test_the_last_change_of_a_verdict_is_kept_with_its_reasons(self, open_it: OpenStore) -> None:
        reason = {"code": "vulnerability", "message": "CVE-2026-1 \0 \udc80"}

        def judged(verdict: str, at: str, *reasons: dict[str, str]) -> Judgement:
            return dataclasses.replace(
                judgement(verdict, at=at), document={"verdict": verdict, "reasons": list(reasons), "at": at}
            )

        with open_it() as store:
            store.verdicts.record([judged("passed", NOW), judgement("passed", key=OTHER)])
            assert store.verdicts.changes([DIGEST, OTHER]) == {}
            worse = judged("failed", LATER, reason)
            (planned,) = store.verdicts.compare([worse])
            assert planned.reasons == ({**reason, "state": "new"},)
            assert store.verdicts.changes([DIGEST]) == {}
            assert store.verdicts.record([worse]) == [planned]
            # Another document with the same verdict is not a change, nor is what does not count.
            store.verdicts.record([judged("failed", LATEST, reason), judged("passed", LATER)])
        with open_it() as store:
            kept = StoredChange("passed", "failed", LATER, [{**reason, "state": "new"}])
            assert store.verdicts.changes([DIGEST, OTHER]) == {DIGEST: kept}
            store.verdicts.record([judged("passed", LATEST)])
            kept = StoredChange("failed", "passed", LATEST, [{**reason, "state": "gone"}])
            assert store.verdicts.changes([DIGEST, OTHER]) == {DIGEST: kept}

    @pytest.mark.parametrize(
        ("late", "why"),
        [
            (judgement("passed", at=NOW, checked=LATER), "judged earlier"),
            (judgement("passed", at=LATER, checked=NOW), "judged with older data"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_newer_judgement_is_never_overwritten(self, open_it: OpenStore, late: Judgement, why: str) -> None:
        with open_it() as store:
            store.verdicts.record([judgement("failed", at=LATER, checked=LATER)])
            (recorded,) = store.verdicts.record([late])
            assert (recorded.state, recorded.before, recorded.after) == ("superseded", "failed", "failed"), why
            assert [one.verdict for one in store.verdicts.in_force()] == ["failed"]

    def test_an_unchanged_judgement_still_counts_as_the_newest(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.verdicts.record([judgement("failed", at=NOW)])
            store.verdicts.record([judgement("failed", at="2026-01-03T00:00:00Z")])
            assert store.verdicts.record([judgement("passed", at=LATER)])[0].state == "superseded"

    def test_comparing_writes_nothing(self, open_it: OpenStore) -> None:
        with open_it() as store:
            assert store.verdicts.compare([judgement("passed")])[0].state == "new"
            assert store.verdicts.in_force() == []

    def test_results_come_out_as_they_went_in_but_for_the_times_of_rules(self, open_it: OpenStore) -> None:
        given = results("pass", "fail", problems=("compliance-canary",))
        with open_it() as store:
            assert store.evaluations.record(DIGEST, STRICT, given, arf=b"arf", now=NOW)
        with open_it() as store:
            found = store.evaluations.get(DIGEST)
            assert found is not None
            assert found.results == {**given, "rules": [{"id": "r0", "result": "pass"}, {"id": "r1", "result": "fail"}]}
            assert (found.asked, found.evaluated_at, found.error_code) == (STRICT, NOW, "")
            assert store.evaluations.arf(DIGEST) == b"arf"
            known = store.evaluations.known(STRICT.question)[DIGEST]
            assert known.counts == {"pass": 1, "fail": 1, "notselected": 2}
            assert (known.complete, known.arf, known.in_force, known.evaluated_at) == (False, True, True, NOW)
            assert store.evaluations.known(ASKED.question) == {}
            assert (store.evaluations.get(OTHER), store.evaluations.arf(OTHER)) == (None, None)

    def test_the_same_results_again_change_nothing(self, open_it: OpenStore) -> None:
        with open_it() as store:
            for at, outcome, expected in ((NOW, "pass", True), (LATER, "pass", False), (LATER, "fail", True)):
                assert store.evaluations.record(DIGEST, ASKED, results(outcome, at=at), arf=None, now=at) is expected
            assert store.evaluations.record(DIGEST, ASKED, results("fail", problems=("p",)), arf=None, now=LATER)
            assert store.evaluations.record(DIGEST, ASKED, results("fail", content="sha256:d"), arf=None, now=LATER)
            store.images.record(DIGEST, "a/b:1", now=NOW)
            assert [image.evaluated_at for image in store.images.all()] == [LATER]

    def test_equal_rules_are_kept_once(self, open_it: OpenStore) -> None:
        import sqlalchemy as sa

        with open_it() as store:
            for digest, at in ((DIGEST, NOW), (OTHER, LATER)):
                store.evaluations.record(digest, ASKED, results("pass", at=at), arf=None, now=at)
            with store.database.reading() as connection:
                count = sa.select(sa.func.count()).select_from(tables().rule_sets)
                assert connection.execute(count).scalar() == 1

    def test_another_question_has_an_answer_of_its_own(self, open_it: OpenStore) -> None:
        def in_force() -> tuple[Asked | None, bool, bool]:
            found = store.evaluations.get(DIGEST)
            known = [store.evaluations.known(one.question)[DIGEST].in_force for one in (ASKED, STRICT)]
            return (found.asked if found else None, known[0], known[1])

        with open_it() as store:
            store.evaluations.record(DIGEST, ASKED, results("pass"), arf=None, now=NOW)
            store.evaluations.record(DIGEST, STRICT, results("fail"), arf=None, now=NOW)
            assert in_force() == (STRICT, False, True)
            assert store.evaluations.put_in_force(DIGEST, ASKED.question, now=LATER)
            assert in_force() == (ASKED, True, False)
            assert not store.evaluations.put_in_force(DIGEST, ASKED.question, now=LATER)
            other = store.evaluations.get(DIGEST, STRICT.question)
            assert other is not None
            assert other.asked == STRICT

    def test_old_answers_go_when_there_are_too_many(self, open_it: OpenStore) -> None:
        questions = [Asked("cis", str(number)) for number in range(6)]
        with open_it() as store:
            for day, asked in enumerate(questions, 1):
                now = f"2026-01-0{day}T00:00:00Z"
                store.evaluations.record(DIGEST, asked, results("pass"), arf=None, now=now)
                store.evaluations.record(OTHER, questions[0], results("pass"), arf=None, now=now)
            kept = [asked for asked in questions if DIGEST in store.evaluations.known(asked.question)]
            assert kept == questions[2:]
            assert OTHER in store.evaluations.known(questions[0].question)
            found = store.evaluations.get(DIGEST)
            assert found is not None
            assert found.asked == questions[-1]

    def test_a_failed_evaluation_keeps_the_results_and_ends_that_they_are_current(self, open_it: OpenStore) -> None:
        error = ScanError("oscap was ended\0", code="oscap-killed")
        with open_it() as store:
            assert store.evaluations.record_error(OTHER, ASKED.question, error, now=NOW)
            nothing = store.evaluations.get(OTHER)
            assert nothing is not None
            assert (nothing.results, nothing.error_code) == (None, "oscap-killed")
            store.evaluations.record(DIGEST, ASKED, results("pass"), arf=None, now=NOW)
            assert store.evaluations.record_error(DIGEST, ASKED.question, error, now=LATER)
            assert not store.evaluations.record_error(DIGEST, ASKED.question, error, now=LATER)
            found = store.evaluations.get(DIGEST)
            assert found is not None
            assert (found.error_code, found.evaluated_at) == ("oscap-killed", NOW)
            assert found.results is not None
            assert store.evaluations.known(ASKED.question) == {}
            # A failure of something else says nothing of what was asked before.
            store.evaluations.record_error(DIGEST, STRICT.question, error, now=LATER)
            assert not store.evaluations.known(ASKED.question)[DIGEST].in_force
            store.evaluations.record(DIGEST, ASKED, results("pass"), arf=None, now=LATER)
            assert store.evaluations.known(ASKED.question)[DIGEST].in_force

    def test_the_rules_of_what_is_forgotten_are_forgotten(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.images.record(DIGEST, "a/b:1", now=NOW)
            store.evaluations.record(DIGEST, ASKED, results("pass"), arf=b"", now=NOW)
            store.images.forget(DIGEST)
            assert (store.evaluations.get(DIGEST), store.evaluations.known(ASKED.question)) == (None, {})
            assert [image.evaluated_at for image in store.images.all()] == [""]

    def test_jobs_are_on_record_until_they_are_forgotten(self, open_it: OpenStore) -> None:
        def job(number: int, namespace: str = "imagescan", server: str = "https://api.example") -> JobRecord:
            created = f"2026-01-0{number}T00:00:00Z"
            return JobRecord(server, namespace, f"job-{number}", f"uid-{number}", "0" * 64, created)

        with open_it() as store:
            for one in (job(2), job(1), job(3, "other"), job(4, server="https://other.example"), job(1)):
                store.jobs.record(one)
        with open_it() as store:
            assert store.jobs.of_namespace("https://api.example", "imagescan") == [job(1), job(2)]
            assert store.jobs.of_namespace("https://api.example", "other") == [job(3, "other")]
            store.jobs.forget("uid-1")
            store.jobs.forget("uid-1")
            assert store.jobs.of_namespace("https://api.example", "imagescan") == [job(2)]

    def test_a_store_of_an_older_version_gets_what_it_lacks(self, open_it: OpenStore) -> None:
        import sqlalchemy as sa

        # It kept the digest that was written last, which need not be the one that the name has.
        kept = ("quay.io/a/b:1",)
        with open_it() as store:
            store.inventories.record(DIGEST, "quay.io/a/b:1", inventory("bash"), platform="", scanned_at=NOW)
            store.images.record_error("", "quay.io/c/d:1", ScanError("no", code="registry-denied"), now=NOW)
            old = {"sha256": "0" * 64, "reference": "quay.io/a/b:1", "digest": DIGEST}
            store.database.write(lambda connection: connection.execute(sa.insert(tables().references).values(**old)))
            store.database.write(lambda connection: connection.execute(sa.update(tables().meta).values(value="1")))
            for table in (
                tables().names,
                tables().jobs,
                tables().rule_sets,
                tables().evaluations,
                tables().evaluation_states,
            ):
                store.database.write(table.drop)
        with open_it(read_only=True) as store:
            assert store.jobs.of_namespace("https://api.example", "imagescan") == []
            assert (store.evaluations.get(DIGEST), store.evaluations.arf(DIGEST)) == (None, None)
            assert store.evaluations.known(ASKED.question) == {}
            assert [image.evaluated_at for image in store.images.all()] == ["", ""]
            image = store.images.all()[0]
            assert (image.references, image.unconfirmed) == (kept, kept)
            assert store.inventories.known([DIGEST])
        for _time in range(2):
            with open_it(create=False) as store:
                image = store.images.all()[0]
                assert (image.references, image.unconfirmed) == (kept, kept)
        with open_it(create=False) as store:
            assert not store.images.record_names([Sighting(kept[0], DIGEST, POD, LATER)], now=LATER)
            assert store.images.record(OTHER, kept[0], now=LATEST)
            assert [one.references for one in store.images.all()][:2] == [(), kept]
            store.jobs.record(JobRecord("s", "n", "j", "u", "0" * 64, NOW))
            assert [one.uid for one in store.jobs.of_namespace("s", "n")] == ["u"]
            assert store.evaluations.record(DIGEST, ASKED, results("pass"), arf=None, now=NOW)
            assert store.inventories.known([DIGEST])

    def test_a_store_of_a_newer_version_is_refused(self, open_it: OpenStore) -> None:
        import sqlalchemy as sa

        with open_it() as store:
            meta = tables().meta
            store.database.write(
                lambda connection: connection.execute(sa.update(meta).values(value=str(SCHEMA_VERSION + 1)))
            )
        with pytest.raises(ScanError, match="update the collection") as raised:
            open_it()
        assert raised.value.code == "store-too-new"

    def test_read_only_refuses_to_write(self, open_it: OpenStore) -> None:
        with open_it() as store:
            store.images.record(DIGEST, "a/b:1", now=NOW)
        with open_it(read_only=True) as store:
            assert [image.digest for image in store.images.all()] == [DIGEST]
            with pytest.raises(ScanError, match="reading only"):
                store.images.record(OTHER, "a/b:2", now=NOW)

    def test_runs_at_the_same_time_lose_nothing(self, open_it: OpenStore) -> None:
        def one_run(number: int) -> int:
            with open_it() as store:
                for image in range(10):
                    digest = f"sha256:{image:064x}"
                    # All write the same images and package sets, in the same order.
                    store.inventories.record(
                        digest, f"a/b:{image}", inventory("x", str(image)), platform="", scanned_at=NOW
                    )
                    store.verdicts.record([judgement("failed", key=digest, note=str(image))])
                return number

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(one_run, range(4))) == [0, 1, 2, 3]
        with open_it() as store:
            assert len(store.images.all()) == 10
            assert len(store.verdicts.in_force()) == 10
            for image in store.images.all():
                assert len(store.verdicts.history(image.key)) == 1
