# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What states of pods and Jobs mean. The states are those that a real cluster showed."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.times import utc_text
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import jobs
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.jobs import job_of, pod_of

DIGEST = "sha256:" + "a" * 64


def pod(phase: str = "Running", state: dict[str, t.Any] | None = None, **status: t.Any) -> jobs.JobPod:
    """A pod of a Job, index 3."""
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if status.pop("deleted", False) else {}
    metadata = {
        "name": "imagescan-r-1-3-x",
        "uid": "p1",
        "annotations": {"batch.kubernetes.io/job-completion-index": "3"},
        "ownerReferences": [{"kind": "Other", "uid": "o"}, {"kind": "Job", "uid": "j1", "controller": True}],
        **deleted,
    }
    containers = {"containerStatuses": [{"name": "scanner", "state": state}]} if state is not None else {}
    return pod_of({"metadata": metadata, "status": {"phase": phase, **containers, **status}})


def beside(state: dict[str, t.Any], evaluator: dict[str, t.Any], phase: str = "Failed") -> jobs.JobPod:
    """A pod whose second container is in the state ``evaluator``."""
    states = {"proxy": ended(1), "scanner": state, "oscap": evaluator}
    return pod(phase, containerStatuses=[{"name": name, "state": one} for name, one in states.items()])


def disrupted(reason: str) -> list[dict[str, str]]:
    """The condition that says what the cluster did to a pod."""
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": f"because {reason}"}]


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, t.Any]:
    """A container that ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def waiting(reason: str, message: str = "") -> dict[str, t.Any]:
    """A container that waits."""
    return {"waiting": {"reason": reason, "message": message}}


def test_a_pod_that_works() -> None:
    found = pod(state={"running": {"startedAt": "now"}})
    assert (found.name, found.uid, found.job, found.index) == ("imagescan-r-1-3-x", "p1", "j1", 3)
    assert (found.started, found.ended, found.running, found.trouble, found.failure) == (True, False, True, None, None)


def test_a_container_that_a_webhook_put_beside_ours_is_not_asked() -> None:
    sidecar = {"name": "proxy", "state": {"running": {"startedAt": "now"}}}
    ours = {"name": "scanner", "state": ended(0, "Completed")}
    found = pod(containerStatuses=[sidecar, ours])
    assert (found.started, found.ended, found.failure) == (True, True, None)
    found = pod(containerStatuses=[{**ours, "name": "proxy"}, {**sidecar, "name": "scanner"}])
    assert (found.started, found.ended) == (True, False)


def test_a_pod_whose_evaluator_is_gone_still_works() -> None:
    found = beside({"running": {}}, ended(1), "Running")
    assert (found.running, found.failure) == (True, None)


def test_a_pod_that_is_done() -> None:
    found = pod("Succeeded", ended(0, "Completed", '{"counts": {"scanned": 2}, "seq": 9}'))
    assert (found.started, found.ended, found.failure, found.doing) == (True, True, None, ())


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        (pod("Failed", ended(137, "OOMKilled")), jobs.OOM_KILLED, "memory"),
        # The child was killed and the program lived: only its frames tell.
        (pod("Succeeded", ended(0, "OOMKilled")), jobs.OOM_KILLED, "memory"),
        (pod("Failed", ended(137), reason="Evicted", message="low on memory"), jobs.EVICTED, "low on memory"),
        (pod("Running", ended(143), conditions=disrupted("EvictionByEvictionAPI")), jobs.EVICTED, "because"),
        (pod("Failed", ended(137), conditions=disrupted("PreemptionByScheduler")), jobs.EVICTED, "because"),
        (pod(state={"running": {}}, conditions=disrupted("DeletionByTaintManager")), jobs.NODE_LOST, "because"),
        (pod("Failed", ended(137), conditions=disrupted("DeletionByPodGC")), jobs.NODE_LOST, "because"),
        (pod("Failed", ended(137), reason="DeadlineExceeded"), jobs.DEADLINE, "longer"),
        (pod("Failed", None, reason="NodeShutdown"), jobs.NODE_LOST, "node"),
        (pod(state={"running": {}}, deleted=True), jobs.DELETED, "deleted"),
        (pod("Failed", ended(128, "StartError", "python3: not found")), jobs.START_FAILED, "python3: not found"),
        (pod("Failed", ended(2, "Error", "no plan")), jobs.JOB_FAILED, "exit code 2: no plan"),
        (beside(ended(0, "Completed"), ended(137, "OOMKilled")), jobs.EVALUATOR_LOST, "memory"),
        (beside(ended(0, "Completed"), ended(1)), jobs.EVALUATOR_LOST, "exit code 1"),
        (beside(ended(137, "OOMKilled"), ended(0, "Completed")), jobs.OOM_KILLED, "memory"),
        (beside(ended(0), ended(128, "StartError", "no python3")), jobs.START_FAILED, "no python3"),
        (pod("Failed", None, reason="UnexpectedAdmissionError", message="x"), jobs.START_FAILED, "x"),
    ],
)
def test_each_end_has_its_name(found: jobs.JobPod, code: str, words: str) -> None:
    assert found.failure is not None
    assert found.failure.code == code
    assert words in found.failure.message
    assert found.failure.hint


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (pod("Pending", waiting("ErrImagePull", "no such host")), jobs.IMAGE_PULL_FAILED),
        (pod("Pending", waiting("ImagePullBackOff", 'Back-off pulling image "x"')), jobs.IMAGE_PULL_FAILED),
        (pod("Pending", waiting("InvalidImageName")), jobs.IMAGE_PULL_FAILED),
        (pod("Pending", waiting("CreateContainerConfigError", "runAsNonRoot")), jobs.START_FAILED),
        (
            pod("Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
            jobs.UNSCHEDULABLE,
        ),
        (pod("Pending", waiting("ErrImagePull", "pull QPS exceeded")), None),
        (pod("Pending", waiting("ImagePullBackOff", 'Back-off "x": ErrImagePull: pull QPS exceeded')), None),
        (pod("Pending", waiting("ContainerCreating")), None),
        (pod("Pending", waiting("PodInitializing")), None),
        (pod("Pending"), None),
    ],
)
def test_each_trouble_before_the_start_has_its_name(found: jobs.JobPod, code: str | None) -> None:
    assert (found.trouble.code if found.trouble else None) == code
    assert not found.started
    assert not found.ended


def test_a_pod_that_is_deleted_before_it_started_is_over() -> None:
    assert pod("Pending", waiting("ContainerCreating"), deleted=True).ended
    assert not pod(state={"running": {}}, deleted=True).ended


def test_what_a_pod_mounts_stands_in_its_specification() -> None:
    digest = "sha256:" + "a" * 64
    volumes = [
        {"name": "plan", "configMap": {"name": "x"}},
        {"name": "image-0", "image": {"reference": f"quay.io/a/b:1@{digest}"}},
        {"name": "image-1", "image": {"reference": "quay.io/a/b:1"}},
        {"name": "image-2", "emptyDir": {}},
    ]
    assert pod_of({"spec": {"volumes": volumes}}).mounts == {0: digest, 1: ""}


def test_a_pod_says_when_its_volumes_are_there() -> None:
    """An event stays when its trouble is over; this condition tells."""
    assert not pod("Pending", waiting("ContainerCreating")).prepared
    for status, prepared in (("True", True), ("False", False)):
        condition = {"type": "PodReadyToStartContainers", "status": status}
        assert pod("Pending", waiting("ContainerCreating"), conditions=[condition]).prepared is prepared


def test_what_a_pod_was_doing_stands_in_its_last_words() -> None:
    assert pod("Failed", ended(137, "OOMKilled", f'{{"doing": ["{DIGEST}"], "seq": 4}}')).doing == (DIGEST,)
    for message in ("", "{", "[]", '{"doing": 3}', '{"doing": [3]}', "[" * 2000, "Traceback"):
        assert pod("Failed", ended(1, "Error", message)).doing == ()


def test_long_texts_of_others_are_cut() -> None:
    found = pod("Pending", waiting("ErrImagePull", "x\n" * 9000)).trouble
    assert found is not None
    assert len(found.message) < 700
    assert "\n" not in found.message


def job(*conditions: tuple[str, str], **metadata: t.Any) -> jobs.Job:
    """A Job as the API gives it."""
    listed = [{"type": kind, "status": "True", "reason": reason, "message": "m"} for kind, reason in conditions]
    return job_of(
        {
            "metadata": {"name": "n", "uid": "u", "creationTimestamp": "2026-01-01T10:00:00Z", **metadata},
            "spec": {"template": {"spec": {"volumes": [{"name": "plan", "configMap": {"name": "n-plan"}}]}}},
            "status": {"conditions": listed},
        }
    )


def test_jobs_say_why_they_end() -> None:
    assert job().failing is None
    assert not job().finished
    late = job(("FailureTarget", "DeadlineExceeded"))
    assert late.failing is not None
    assert late.failing.code == jobs.DEADLINE
    assert not late.finished
    assert job(("Complete", "")).finished
    over = job(("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes"))
    assert over.finished
    assert over.failing is None


def test_a_job_tells_what_an_adopter_needs() -> None:
    found = job(
        labels={"imagescan.github.io/run": "r1"},
        resourceVersion="7",
        annotations={
            "imagescan.github.io/owner": "m.1.2",
            "imagescan.github.io/heartbeat": "2026-01-01T10:05:00Z",
            "imagescan.github.io/shard": "4",
        },
    )
    assert (found.run, found.plan, found.owner, found.shard, found.version) == ("r1", "n-plan", "m.1.2", 4, "7")
    assert utc_text(found.alive_at) == "2026-01-01T10:05:00Z"
    for nonsense in ("yesterday", "", "2026-01-01T10:05:00"):
        strange = job(annotations={"imagescan.github.io/heartbeat": nonsense})
        assert utc_text(strange.alive_at) == "2026-01-01T10:00:00Z"
        assert strange.shard is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are told apart by /proc")
def test_a_process_is_dead_only_when_that_is_certain() -> None:
    me = jobs.this_process()
    assert me
    assert not jobs.is_dead(me)
    machine, number, start = me.split(".")
    assert number == str(os.getpid())
    with subprocess.Popen(["true"]) as child:
        gone = child.pid
        assert not jobs.is_dead(f"0000.{gone}.1"), "another machine: nobody can tell"
    assert jobs.is_dead(f"{machine}.{gone}.{start}")
    assert jobs.is_dead(f"{machine}.{number}.1"), "the number was given to another process"
    for nonsense in ("", "x", machine, f"{machine}.x.y", "..", "."):
        assert not jobs.is_dead(nonsense)
