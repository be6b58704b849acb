# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs over the flags of a cluster: what is written in which order, what stays where something fails, and the result.

The same on a real API server is in tests/cluster/test_flagging.py.
"""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.reconciler import Flagging
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.result import Result
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.standing import Read
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.targets.base import FlagOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import (
    DENY_EXECUTION,
    FAILED_POLICY,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.facts import FlagFacts
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.names import NAMESPACES_ANNOTATION
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import Reach
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.plan import (
    FlagSubject,
    PlanOptions,
    Snapshot,
    parse_limit,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.support.flag_cluster import (
    DENY,
    IMAGES,
    PASSED,
    DirectClient,
    FlagCluster,
)
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import digest

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
A, B, C = (digest(letter) for letter in "abc")
NAMES = {A: "quay.io/team/a:1", B: "quay.io/team/b:1", C: "quay.io/team/c:1"}
LIST, PASSED_LIST = f"PATCH {DENY}/imagescan-0", f"PATCH {PASSED}/imagescan-passed-0"
MARK = "imagescan.github.io/deny.imagescan"


def snapshot(whole: bool = True, **verdicts: str) -> Snapshot:
    """A store. ``verdicts``: letter of a digest -> verdict."""
    subjects = {}
    for letter, verdict in verdicts.items():
        name = digest(letter)
        facts = FlagFacts(name, verdict, ("default",), (("vulnerability", "it is bad"),), {}, "", "", "1", None)
        subjects[name] = FlagSubject(facts, NAMES[name], (NAMES[name],))
    return Snapshot(subjects, {NAMES[name]: [name] for name in subjects}, whole)


def always(store: Snapshot) -> Read:
    """A store that stays as it is."""
    return lambda digests: store if digests is None else Snapshot(store.subjects, store.places, whole=False)


def flagging(cluster: FlagCluster, read: Read, limit: str = "100%", **options: t.Any) -> Flagging:
    """A run with one request at a time."""
    chosen = {"provider": "imagescan", "wishes": PlanOptions(), "concurrency": 1, **options}
    cluster.calls.clear()
    return Flagging(DirectClient(cluster), FlagOptions(limit=parse_limit(limit), **chosen), read, now=NOW)


def reconcile(cluster: FlagCluster, *, dry_run: bool = False, **verdicts: str) -> Result:
    """Bring the flags to verdicts."""
    return flagging(cluster, always(snapshot(**verdicts))).reconcile(dry_run=dry_run)


def digests(rows: t.Iterable[t.Any]) -> list[str]:
    """Those of rows of a result."""
    return [row.digest for row in rows]


def is_denied(cluster: FlagCluster, name: str) -> bool:
    """Whether an Image object says so."""
    return cluster.annotations(name).get(MARK) == "true"


@pytest.fixture
def cluster() -> FlagCluster:
    """One with a deny list, a list of passed digests, and three Image objects."""
    made = FlagCluster()
    made.make_list("deny", "imagescan-0")
    made.make_list("passed", "imagescan-passed-0", {"prefixes": list("0123456789abcdef"), "digests": {}})
    for name in (A, B, C):
        made.make_image(name)
    return made


def test_a_flag_is_set_in_the_order_that_refuses_first(cluster: FlagCluster) -> None:
    reconcile(cluster, a="passed", b="passed")
    assert cluster.writes == [f"PATCH {IMAGES}/{A}", f"PATCH {IMAGES}/{B}", PASSED_LIST]
    result = reconcile(cluster, a="failed", b="passed")
    assert cluster.writes == [PASSED_LIST, LIST, f"PATCH {IMAGES}/{A}"]
    assert cluster.entries(DENY).keys() == {A, NAMES[A]}
    assert cluster.entries(PASSED).keys() == {B}
    assert [is_denied(cluster, name) for name in (A, B)] == [True, False]
    assert (digests(result.flagged), result.cleared, result.kept, result.problems) == ([A], [], [], [])
    assert result.before[f"passed list, digest {A}"] == "no end"
    assert result.after[f"deny list, digest {A}"] == cluster.entries(DENY)[A]
    assert result.after[f"image {A}, annotation {MARK}"] == "true"


def test_a_flag_is_cleared_in_the_reverse_order(cluster: FlagCluster) -> None:
    reconcile(cluster, a="failed", b="failed")
    result = reconcile(cluster, a="passed", b="failed")
    assert cluster.writes == [f"PATCH {IMAGES}/{A}", LIST, PASSED_LIST]
    assert cluster.entries(DENY).keys() == {B, NAMES[B]}
    assert cluster.entries(PASSED).keys() == {A}
    assert (digests(result.cleared), digests(result.kept), result.flagged) == ([A], [B], [])
    assert f"deny list, digest {A}" in result.before.keys() - result.after.keys()
    reconcile(cluster, a="passed", b="failed")
    assert cluster.writes == []


@pytest.mark.parametrize("later", ["passed", "failed", "error"])
def test_a_dry_run_writes_nothing_and_tells_the_same(cluster: FlagCluster, later: str) -> None:
    reconcile(cluster, a="failed", b="passed")
    planned = reconcile(cluster, a=later, b="failed", dry_run=True)
    assert cluster.writes == []
    assert planned == reconcile(cluster, a=later, b="failed")
    assert planned.is_changed


@pytest.mark.parametrize(
    ("groups", "places"),
    [(["imagescan.github.io"], {DENY, PASSED}), (["image.openshift.io"], {IMAGES}), ([], {DENY, PASSED, IMAGES})],
)
def test_flags_are_written_where_the_cluster_can_hold_them(
    cluster: FlagCluster, groups: list[str], places: set[str]
) -> None:
    cluster.groups = tuple(groups) or cluster.groups
    result = reconcile(cluster, a="failed", b="passed")
    assert {write.split()[1].rpartition("/")[0] for write in cluster.writes} == places
    assert digests(result.flagged) == [A]
    assert digests(reconcile(cluster, a="passed", b="passed").cleared) == [A]


def test_targets_that_are_named_are_the_only_ones(cluster: FlagCluster) -> None:
    flagging(cluster, always(snapshot(a="failed")), targets=("image_annotation",)).reconcile(dry_run=False)
    assert cluster.writes == [f"PATCH {IMAGES}/{A}"]
    assert {path.rpartition("/")[0] for _method, path, _body in cluster.calls} <= {IMAGES, "/api/v1", IMAGES[:-7]}


def test_a_cluster_that_cannot_hold_a_flag_is_refused() -> None:
    cluster = FlagCluster("batch")
    with pytest.raises(
        InputError, match="has neither Image objects nor deny lists, so nothing in it could hold a flag"
    ):
        flagging(cluster, always(snapshot()))
    with pytest.raises(InputError, match="leave image_annotation out of targets"):
        flagging(cluster, always(snapshot()), targets=("image_annotation",)).reconcile(dry_run=False)


def test_an_image_object_that_cannot_be_changed_is_a_problem_and_keeps_its_entry(cluster: FlagCluster) -> None:
    reconcile(cluster, a="failed", b="failed")
    cluster.refuse = lambda method, path: 422 if method == "PATCH" and path in (f"{IMAGES}/{A}", f"{IMAGES}/{C}") else 0
    result = reconcile(cluster, a="passed", b="passed", c="failed")
    assert digests(result.problems) == [C, A]
    assert cluster.entries(DENY).keys() == {A, NAMES[A], C, NAMES[C]}
    assert (digests(result.cleared), digests(result.flagged)) == ([B], [C])


def test_a_flag_that_only_image_objects_can_hold_is_not_told_where_it_failed(cluster: FlagCluster) -> None:
    cluster.groups = ("image.openshift.io",)
    cluster.refuse = lambda method, path: 422 if method == "PATCH" and path.endswith(A) else 0
    result = reconcile(cluster, a="failed", b="failed")
    assert (digests(result.flagged), digests(result.problems)) == ([B], [A])


def test_what_the_cluster_refuses_ends_the_run_and_what_was_done_is_told(cluster: FlagCluster) -> None:
    reconcile(cluster, a="failed")
    cluster.refuse = lambda method, path: 403 if method == "PATCH" and path.startswith(IMAGES) else 0
    run = flagging(cluster, always(snapshot(a="passed", b="failed")))
    with pytest.raises(ApiError, match="403"):
        run.reconcile(dry_run=False)
    assert cluster.writes == [LIST, f"PATCH {IMAGES}/{B}"]
    assert (digests(run.result.flagged), run.result.cleared) == ([B], [])
    run = flagging(cluster, always(snapshot(a="passed", b="failed")))
    cluster.refuse = lambda method, path: 403 if method == "PATCH" and path.endswith(A) else 0
    with pytest.raises(ApiError, match="403"):
        run.reconcile(dry_run=False)
    assert run.result.cleared == []
    assert A in cluster.entries(DENY), "what its Image object says was not taken back"


def test_an_image_object_is_not_touched_where_the_deny_list_could_not_be_written(cluster: FlagCluster) -> None:
    cluster.refuse = lambda method, path: 403 if method == "PATCH" and path.startswith(DENY) else 0
    run = flagging(cluster, always(snapshot(a="failed")))
    with pytest.raises(ApiError, match="403"):
        run.reconcile(dry_run=False)
    assert cluster.writes == [LIST]
    assert (run.result.flagged, run.result.is_changed) == ([], False)


def test_what_was_cleared_is_told_where_the_passed_lists_cannot_be_written(cluster: FlagCluster) -> None:
    reconcile(cluster, a="failed")
    cluster.refuse = lambda method, path: 403 if method == "PATCH" and path.startswith(PASSED) else 0
    run = flagging(cluster, always(snapshot(a="passed")))
    with pytest.raises(ApiError, match="403"):
        run.reconcile(dry_run=False)
    assert digests(run.result.cleared) == [A]
    assert cluster.entries(DENY) == {}


def test_a_verdict_that_changes_meanwhile_clears_nothing(cluster: FlagCluster) -> None:
    reconcile(cluster, a="failed", b="passed")
    first, then = snapshot(a="passed", b="passed"), snapshot(False, a="failed", b="passed")
    result = flagging(cluster, lambda asked: first if asked is None else then).reconcile(dry_run=False)
    assert cluster.writes == []
    assert (A in cluster.entries(DENY), is_denied(cluster, A), result.is_changed) == (True, True, False)


def test_a_verdict_that_changes_while_a_flag_is_set_is_followed_in_another_round(cluster: FlagCluster) -> None:
    asked: list[t.Any] = []

    def read(wanted: t.Any) -> Snapshot:
        asked.append(wanted)
        return snapshot(a="failed") if len(asked) == 1 else snapshot(False, a="passed")

    result = flagging(cluster, read).reconcile(dry_run=False)
    assert asked == [None, {A}, {A}, {A}], "at the end of each round, and before the second clears"
    assert (digests(result.flagged), digests(result.cleared)) == ([A], [A])
    assert (cluster.entries(DENY), is_denied(cluster, A)) == ({}, False)


def test_too_much_stops_the_run_but_what_failed_unused_loses_its_pass(cluster: FlagCluster) -> None:
    reconcile(cluster, a="passed", b="passed")
    cluster.make_pod("shop", NAMES[A], A)
    run = flagging(cluster, always(snapshot(a="failed", b="failed")), limit="0")
    with pytest.raises(ScanError, match="; 1 images that failed and that nobody uses were taken off the passed lists"):
        run.reconcile(dry_run=False)
    assert cluster.writes == [PASSED_LIST]
    assert cluster.entries(PASSED).keys() == {A}
    planned = flagging(cluster, always(snapshot(a="failed")), limit="0").reconcile(dry_run=True)
    assert planned.refused.startswith("nothing was flagged: 1 of 1 images in use (100%) would be flagged newly")
    assert (digests(planned.flagged), planned.in_use, len(planned.affected)) == ([A], 1, 1)


@pytest.mark.parametrize(
    ("reach", "is_stopped"),
    [(None, True), (Reach(), True), (Reach(only=("shop",)), True), (Reach(only=("office",)), False)],
)
def test_what_runs_where_nothing_is_refused_does_not_count(
    cluster: FlagCluster, reach: Reach | None, is_stopped: bool
) -> None:
    annotations = {NAMESPACES_ANNOTATION: reach.text()} if reach else {}
    cluster.make_list("deny", "imagescan-0", annotations=annotations)
    cluster.make_pod("shop", NAMES[A], A)
    run = flagging(cluster, always(snapshot(a="failed")), limit="0")
    run.reconcile(dry_run=True)
    assert bool(run.result.refused) == is_stopped
    assert (" where enforcement acts" in run.result.refused) == (is_stopped and reach is not None)


@pytest.mark.parametrize(
    ("reach", "is_stopped"),
    [(None, True), (Reach(only=("office",), required=("shop",)), True), (Reach(required=("office",)), False)],
)
def test_losing_a_pass_counts_where_one_is_required(
    cluster: FlagCluster, reach: Reach | None, is_stopped: bool
) -> None:
    reconcile(cluster, a="passed")
    cluster.make_list("deny", "imagescan-0", annotations={NAMESPACES_ANNOTATION: reach.text()} if reach else {})
    spec = cluster.objects[f"{PASSED}/imagescan-passed-0"]["spec"]
    cluster.make_list("passed", "imagescan-passed-0", spec, labels={"imagescan.github.io/required": "true"})
    cluster.make_pod("shop", NAMES[A], A)
    run = flagging(cluster, always(snapshot(a="error")), limit="0")
    run.reconcile(dry_run=True)
    assert ("or lose a pass that they need" in run.result.refused) == is_stopped


def test_flags_that_somebody_changed_are_told_and_repaired(cluster: FlagCluster) -> None:
    reconcile(cluster, a="failed", b="failed", c="failed")
    cluster.objects[f"{IMAGES}/{A}"]["metadata"]["annotations"][DENY_EXECUTION] = "false"
    del cluster.objects[f"{IMAGES}/{B}"]["metadata"]["annotations"][MARK]
    del cluster.objects[f"{DENY}/imagescan-0"]["spec"]["digests"][C]
    result = reconcile(cluster, a="failed", b="failed", c="failed")
    assert [(drift.digest, drift.what) for drift in result.drifted] == [
        (A, "images.openshift.io/deny-execution of its Image object was changed"),
        (B, "its Image object does not say that we deny it"),
        (C, "it is not on the deny list"),
    ]
    assert digests(result.kept) == [A, B, C]
    assert not reconcile(cluster, a="failed", b="failed", c="failed").drifted


def test_what_cloudforms_left_is_cleared_only_where_it_is_adopted(cluster: FlagCluster) -> None:
    cluster.make_image(A, **{DENY_EXECUTION: "true", FAILED_POLICY: "old"})
    result = reconcile(cluster, a="passed")
    assert (result.cleared, digests(result.foreign)) == ([], [A])
    run = flagging(cluster, always(snapshot(a="passed")), adopt=True)
    assert digests(run.reconcile(dry_run=False).cleared) == [A]
    assert cluster.annotations(A)[DENY_EXECUTION] == "false"


@pytest.mark.parametrize("is_required", [False, True])
def test_all_is_taken_back_from_image_objects_first(cluster: FlagCluster, is_required: bool) -> None:
    reconcile(cluster, a="failed", b="passed")
    spec = cluster.objects[f"{PASSED}/imagescan-passed-0"]["spec"]
    labels = {"imagescan.github.io/required": "true"} if is_required else {}
    cluster.make_list("passed", "imagescan-passed-0", spec, labels=labels)
    planned = flagging(cluster, always(snapshot())).take_back(everything=True, dry_run=True)
    assert cluster.writes == []
    result = flagging(cluster, always(snapshot())).take_back(everything=True, dry_run=False)
    images = [f"PATCH {IMAGES}/{A}", f"PATCH {IMAGES}/{B}"]
    assert cluster.writes == [*images, LIST] if is_required else [*images, PASSED_LIST, LIST]
    assert (cluster.entries(DENY), cluster.annotations(A)) == ({}, {})
    assert cluster.entries(PASSED).keys() == ({B} if is_required else set())
    assert [text[:32] for text in result.warnings] == ["the passed lists keep 1 images, "[:32]] * is_required
    assert [(row.digest, row.reference, row.why) for row in result.cleared] == [(A, "", "its flag is taken back")]
    assert planned == result


def test_some_images_are_taken_back_and_no_others(cluster: FlagCluster) -> None:
    reconcile(cluster, a="failed", b="failed", c="passed")
    cluster.refuse = lambda method, path: 422 if method == "PATCH" and path.endswith(C) else 0
    run = flagging(cluster, always(snapshot(False, a="failed", c="passed")))
    result = run.take_back(everything=False, dry_run=False)
    assert cluster.entries(DENY).keys() == {B, NAMES[B]}
    assert (is_denied(cluster, A), is_denied(cluster, B)) == (False, True)
    assert [(row.digest, row.reference) for row in result.cleared] == [(A, NAMES[A])]
    assert (digests(result.problems), cluster.entries(PASSED)) == ([C], {})


@pytest.mark.parametrize("status", [403, 422])
def test_an_entry_is_not_taken_back_before_its_image_object(cluster: FlagCluster, status: int) -> None:
    reconcile(cluster, a="failed", b="failed")
    cluster.refuse = lambda method, path: status if method == "PATCH" and path.endswith(A) else 0
    run = flagging(cluster, always(snapshot()))
    if status == 403:
        with pytest.raises(ApiError, match="403"):
            run.take_back(everything=True, dry_run=False)
    else:
        run.take_back(everything=True, dry_run=False)
    cleared = [] if status == 403 else [B]
    assert digests(run.result.cleared) == cleared
    assert {A, B} & cluster.entries(DENY).keys() == {A, B} - set(cleared)


def test_lists_that_no_policy_reads_are_told(cluster: FlagCluster) -> None:
    assert reconcile(cluster, a="passed").is_enforced
    cluster.make_list("deny", "imagescan-0", labels={"imagescan.github.io/enforce": ""})
    assert not reconcile(cluster, a="passed").is_enforced
