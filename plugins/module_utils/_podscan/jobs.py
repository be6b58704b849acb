# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of scanner Jobs in one namespace: made, watched, adopted, removed; and what their pods' states mean.

A pod that cannot start never fails its Job, phases lag behind, and some failures are told by events alone. So causes
are read from container states, conditions, events and the Job's own conditions, whichever is there first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .._core.errors import ScanError
from .._core.times import read_time, utc_text
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError
from .._scanner.plan import LOST
from .manifests import (
    CONTAINER,
    EVALUATOR,
    HEARTBEAT_ANNOTATION,
    LABELS,
    OWNER_ANNOTATION,
    PLAN_FILE,
    RUN_LABEL,
    SHARD_ANNOTATION,
    given_name,
    plan_name,
    program_name,
    selector,
)

IMAGE_PULL_FAILED = "image-pull-failed"
UNSCHEDULABLE = "pod-unschedulable"
OOM_KILLED = "pod-oom-killed"
EVICTED = "pod-evicted"
DEADLINE = "pod-deadline"
DELETED = "pod-deleted"
NODE_LOST = "node-lost"
REFUSED = "pod-refused"
START_FAILED = "pod-start-failed"
RESULT_LOST = "result-lost"
JOB_FAILED = "job-failed"
EVALUATOR_LOST = LOST

#: code -> what happened, and what a person can do.
CAUSES: t.Mapping[str, tuple[str, str]] = {
    IMAGE_PULL_FAILED: ("the image could not be pulled", "check its name, and the pull secrets of the namespace"),
    UNSCHEDULABLE: ("no node takes the pod", "lower pod_memory or pod_cpu, or check node_selector and tolerations"),
    OOM_KILLED: ("the pod used more memory than it may", "raise pod_memory"),
    EVICTED: ("the pod was evicted", "scan again when the node is calm, or give the pods a priority_class"),
    DEADLINE: ("the pod ran longer than it may", "raise image_timeout"),
    DELETED: ("somebody deleted the pod", "scan again"),
    NODE_LOST: ("the pod's node went away", "scan again when the node is back"),
    REFUSED: ("the cluster refuses the pod", "the role imagescan.openshift.setup makes a namespace that takes it"),
    START_FAILED: ("the pod could not start", "check scanner_image, and that the Secrets of pull_secrets are there"),
    RESULT_LOST: ("the pod's result did not arrive whole", "scan again"),
    JOB_FAILED: ("the pod failed", "look at its log if it comes again"),
    EVALUATOR_LOST: ("the container that runs oscap ended", "raise memory of compliance, or look at its log"),
}

_PULL_REASONS = frozenset(
    (
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"),
        *("SignatureValidationFailed", "ImageInspectError"),
    )
)
_START_REASONS = frozenset(
    (
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"),
        *("CreatePodSandboxError", "ConfigPodSandboxError"),
    )
)
#: The kubelet paces its pulls and says so as if they had failed.
_PACED = "QPS exceeded"
#: reason of DisruptionTarget -> code
_DISRUPTIONS = {"DeletionByTaintManager": NODE_LOST, "DeletionByPodGC": NODE_LOST}
#: status.reason of a pod -> code
_REASONS = {
    "Evicted": EVICTED,
    "DeadlineExceeded": DEADLINE,
    "NodeLost": NODE_LOST,
    "NodeShutdown": NODE_LOST,
    "Terminated": NODE_LOST,
    "Shutdown": NODE_LOST,
}
_NEVER_RAN = frozenset(("StartError", "ContainerCannotRun"))
_POD_EVENTS = frozenset(("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"))
_TEXT_LIMIT = 600
#: A Job whose process gave no sign of life for this long has nobody any more.
STALE = timedelta(seconds=60)
_COLLECTIONS = {
    "job": "/apis/batch/v1/namespaces/{}/jobs",
    "pod": "/api/v1/namespaces/{}/pods",
    "config map": "/api/v1/namespaces/{}/configmaps",
}


def cause(code: str, details: str = "", subject: str = "") -> ScanError:
    """The error of an image whose pod ended, or could not begin, for one of CAUSES."""
    text, hint = CAUSES[code]
    details = " ".join(details.split())[:_TEXT_LIMIT]
    return ScanError(f"{text}: {details}" if details else text, code=code, hint=hint, subject=subject)


@dataclasses.dataclass(frozen=True)
class JobPod:
    """Relevant fields of a pod. ``job``: UID of its Job; ``index``: its completion index, -1 without one.

    ``started``: its container runs or ran. ``ended``: it does not run, and never will again. ``doing``: digests that it
    said it works on. ``prepared``: it has its network, and all volumes but images. ``trouble``: why it does not start;
    ``failure``: why it ended, where that was not a success. ``mounts``: number of an image volume -> digest that its
    specification names, empty without one.
    """

    name: str
    uid: str
    job: str
    index: int
    started: bool
    ended: bool
    deleting: bool
    doing: tuple[str, ...]
    prepared: bool
    trouble: ScanError | None
    failure: ScanError | None
    mounts: t.Mapping[int, str] = dataclasses.field(default_factory=dict)

    @property
    def running(self) -> bool:
        """True if it works."""
        return self.started and not self.ended


def pod_of(value: t.Mapping[str, t.Any]) -> JobPod:
    """Read a pod as the API gives it."""
    metadata, status = value.get("metadata") or {}, value.get("status") or {}
    state, evaluator_state = _container_state(status, CONTAINER), _container_state(status, EVALUATOR)
    terminated = state.get("terminated")
    phase = status.get("phase") or ""
    owners = [entry for entry in metadata.get("ownerReferences") or () if entry.get("controller")]
    index = str((metadata.get("annotations") or {}).get("batch.kubernetes.io/job-completion-index", ""))
    started = state.get("running") is not None or bool(terminated and terminated.get("reason") not in _NEVER_RAN)
    deleting = "deletionTimestamp" in metadata
    return JobPod(
        name=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        job=str(owners[0].get("uid", "")) if owners else "",
        index=int(index) if index.isdecimal() else -1,
        started=started,
        ended=bool(terminated) or phase in ("Succeeded", "Failed") or (deleting and not started),
        deleting=deleting,
        doing=_doing(terminated),
        prepared=any(
            entry.get("type") == "PodReadyToStartContainers" and entry.get("status") == "True"
            for entry in status.get("conditions") or ()
        ),
        trouble=None if started else _trouble(status, state.get("waiting") or {}),
        failure=_failure(status, terminated, phase, deleting, evaluator_state.get("terminated") or {}),
        mounts=mounts_of(value.get("spec") or {}),
    )


def mounts_of(spec: t.Mapping[str, t.Any]) -> dict[int, str]:
    """The image volumes of a pod's specification, as the cluster made it: number -> digest, or empty."""
    digests = {}
    for volume in spec.get("volumes") or ():
        number = str(volume.get("name", "")).rpartition("image-")[2]
        reference = str((volume.get("image") or {}).get("reference", ""))
        if reference and number.isdecimal():
            digests[int(number)] = reference.partition("@")[2]
    return digests


def _container_state(status: t.Mapping[str, t.Any], name: str) -> dict[str, t.Any]:
    """State of a container of ours, whatever a webhook put beside it."""
    for container in status.get("containerStatuses") or ():
        if container.get("name") == name:
            return container.get("state") or {}
    return {}


def _doing(terminated: t.Mapping[str, t.Any] | None) -> tuple[str, ...]:
    """The digests in the termination message, which the pod keeps up to date while it runs."""
    with contextlib.suppress(ValueError, RecursionError):
        message = json.loads((terminated or {}).get("message") or "{}")
        doing = message.get("doing") if isinstance(message, dict) else None
        if isinstance(doing, list):
            return tuple(digest for digest in doing if isinstance(digest, str))
    return ()


def _trouble(status: t.Mapping[str, t.Any], waiting: t.Mapping[str, t.Any]) -> ScanError | None:
    """Why a pod does not start, as far as its status tells."""
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if _PACED in message:
        return None
    if reason in _PULL_REASONS:
        return cause(IMAGE_PULL_FAILED, message or reason)
    if reason in _START_REASONS:
        return cause(START_FAILED, f"{reason}: {message}")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            if condition.get("reason") == "SchedulingGated":
                return cause(UNSCHEDULABLE, "somebody put a scheduling gate on it")
            return cause(UNSCHEDULABLE, str(condition.get("message", "")))
    return None


def _failure(
    status: t.Mapping[str, t.Any],
    terminated: t.Mapping[str, t.Any] | None,
    phase: str,
    deleting: bool,
    evaluator_state: t.Mapping[str, t.Any],
) -> ScanError | None:
    """Why a pod ended. ``evaluator_state``: of the container for oscap.

    The more telling sign wins: what the cluster did to it, before what its program said then.
    """
    terminated = terminated or {}
    if terminated.get("reason") == "OOMKilled":
        return cause(OOM_KILLED)
    reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    if reason in _REASONS:
        return cause(_REASONS[reason], message)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            code = _DISRUPTIONS.get(condition.get("reason", ""), EVICTED)
            return cause(code, str(condition.get("message", "")))
    if evaluator_state.get("reason") in _NEVER_RAN:
        return cause(START_FAILED, str(evaluator_state.get("message", "")))
    if evaluator_state.get("reason") == "OOMKilled":
        return cause(EVALUATOR_LOST, "it used more memory than it may")
    if evaluator_state.get("exitCode") and terminated:
        return cause(EVALUATOR_LOST, f"with exit code {evaluator_state['exitCode']}")
    if terminated.get("reason") in _NEVER_RAN:
        return cause(START_FAILED, str(terminated.get("message", "")))
    if deleting:
        return cause(DELETED)
    if terminated.get("exitCode"):
        detail = str(terminated.get("message", ""))
        detail = "" if detail.startswith("{") else f": {detail}"
        return cause(JOB_FAILED, f"its program ended with exit code {terminated['exitCode']}{detail}")
    if phase == "Failed":
        return cause(JOB_FAILED if terminated else START_FAILED, f"{reason}: {message}")
    return None


@dataclasses.dataclass(frozen=True)
class Job:
    """Relevant fields of a Job. ``shard``: of a one-pod Job, else None. ``alive_at``: the last sign of its process.

    ``failing``: why all its pods end; ``finished``: no pod of it runs, and none will.
    """

    name: str
    uid: str
    version: str
    run: str
    shard: int | None
    plan: str
    owner: str
    alive_at: datetime
    suspended: bool
    finished: bool
    failing: ScanError | None


def job_of(value: t.Mapping[str, t.Any]) -> Job:
    """Read a Job as the API gives it."""
    metadata, spec, status = value["metadata"], value.get("spec") or {}, value.get("status") or {}
    annotations = metadata.get("annotations") or {}
    conditions = {entry.get("type"): entry for entry in status.get("conditions") or () if entry.get("status") == "True"}
    failed = conditions.get("FailureTarget") or conditions.get("Failed")
    failing = None
    if failed:
        code = DEADLINE if failed.get("reason") == "DeadlineExceeded" else JOB_FAILED
        # "FailedIndexes" comes at the end, and says nothing that the pods did not say.
        failing = None if failed.get("reason") == "FailedIndexes" else cause(code, str(failed.get("message", "")))
    shard = str(annotations.get(SHARD_ANNOTATION, ""))
    volumes = ((spec.get("template") or {}).get("spec") or {}).get("volumes") or ()
    plan = next((entry["configMap"].get("name", "") for entry in volumes if entry.get("name") == "plan"), "")
    created = _moment(metadata.get("creationTimestamp")) or datetime.now(timezone.utc)
    return Job(
        name=metadata["name"],
        uid=metadata["uid"],
        version=str(metadata.get("resourceVersion", "")),
        run=str((metadata.get("labels") or {}).get(RUN_LABEL, "")),
        shard=int(shard) if shard.isdecimal() else None,
        plan=plan,
        owner=str(annotations.get(OWNER_ANNOTATION, "")),
        alive_at=max(created, _moment(annotations.get(HEARTBEAT_ANNOTATION)) or created),
        suspended=bool(spec.get("suspend")),
        finished=bool(conditions.keys() & {"Complete", "Failed"}),
        failing=failing,
    )


def _moment(text: object) -> datetime | None:
    return read_time(str(text), zoned=True)


def this_process() -> str:
    """Names this process among all that may look after Jobs: machine, number, start. Empty where nobody can tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = Path("/proc/self/ns/pid").readlink()
    except (OSError, ValueError):
        return ""
    # A hash, since the name of a machine is nobody's business.
    machine = hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:16]
    return f"{machine}.{os.getpid()}.{_start_of(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Return whether a process certainly ended: it was one of this machine, and is not there any more."""
    machine, _dot, process = owner.partition(".")
    number, _dot, start = process.partition(".")
    if not number.isdecimal() or machine != this_process().partition(".")[0]:
        return False
    return _start_of(int(number)) != start


def _start_of(number: int) -> str:
    """When a process began, in ticks since the boot; empty where there is none. Zombies have ended."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""


class Jobs:
    """Jobs of ours in one namespace. Everything raises ApiError."""

    def __init__(self, client: KubernetesClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._paths = {kind: path.format(namespace) for kind, path in _COLLECTIONS.items()}

    def create_job(self, job: t.Mapping[str, t.Any], *, dry_run: bool = False) -> dict[str, t.Any]:
        """Create a Job, or let the server say what it would make of it."""
        return self._client.create(self._paths["job"], job, {"dryRun": "All"} if dry_run else None)

    def create_config_map(self, value: t.Mapping[str, t.Any]) -> None:
        """Create a ConfigMap."""
        self._client.create(self._paths["config map"], value)

    def release(self, name: str) -> None:
        """Let a Job make its pods."""
        self._client.merge_patch(f"{self._paths['job']}/{name}", {"spec": {"suspend": False}})

    def widen(self, name: str, parallelism: int) -> None:
        """Let a Job have more pods at once."""
        self._client.merge_patch(f"{self._paths['job']}/{name}", {"spec": {"parallelism": parallelism}})

    def beat(self, name: str, moment: datetime) -> None:
        """Say that a Job's process is alive. A Job that is gone is somebody else's news."""
        with contextlib.suppress(_JobGone):
            self._patch_annotations(name, {HEARTBEAT_ANNOTATION: utc_text(moment)})

    def claim(self, job: Job, owner: str, moment: datetime) -> bool:
        """Take a Job over from a dead process; False where another one was faster, or the Job is gone."""
        annotations = {OWNER_ANNOTATION: owner, HEARTBEAT_ANNOTATION: utc_text(moment)}
        try:
            self._patch_annotations(job.name, annotations, job.version)
        except _JobGone:
            return False
        return True

    def _patch_annotations(self, name: str, annotations: dict[str, str], version: str = "") -> None:
        metadata: dict[str, t.Any] = {"annotations": annotations}
        if version:
            metadata["resourceVersion"] = version
        try:
            self._client.merge_patch(f"{self._paths['job']}/{name}", {"metadata": metadata})
        except ApiError as error:
            if error.status in (404, 409):
                raise _JobGone
            raise

    def jobs(self, *runs: str) -> list[Job]:
        """The Jobs of these runs; without any, of all."""
        return self._client.items(self._paths["job"], job_of, {"labelSelector": selector(*runs)})

    def pods(self, *runs: str) -> list[JobPod]:
        """The pods of these runs."""
        return self._client.items(self._paths["pod"], pod_of, {"labelSelector": selector(*runs)})

    def troubles(self) -> dict[str, ScanError]:
        """UID of a Job or pod -> what the newest warning about its start says."""
        newest: dict[str, tuple[str, ScanError]] = {}

        def keep(event: dict[str, t.Any]) -> None:
            target, reason = event.get("involvedObject") or {}, event.get("reason")
            message = str(event.get("message", ""))
            if target.get("kind") == "Job" and reason == "FailedCreate":
                error = cause(REFUSED, message)
            elif target.get("kind") == "Pod" and reason in _POD_EVENTS:
                error = cause(START_FAILED, message)
            else:
                return
            moment = str(event.get("lastTimestamp") or event.get("eventTime") or "")
            uid = str(target.get("uid", ""))
            if uid not in newest or newest[uid][0] <= moment:
                newest[uid] = (moment, error)

        path = f"/api/v1/namespaces/{self._namespace}/events"
        self._client.items(path, keep, {"fieldSelector": "type=Warning"})
        return {uid: error for uid, (_moment, error) in newest.items()}

    def plan(self, job: Job) -> bytes | None:
        """The plan that a Job's pods were given; None where it is gone."""
        try:
            value = self._client.get(f"{self._paths['config map']}/{job.plan}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return str((value.get("data") or {}).get(PLAN_FILE, "")).encode()

    def delete_job(self, name: str, uid: str) -> None:
        """Delete a Job, and by that all that belongs to it. One that is gone, or has another UID, is not an error."""
        self._delete("job", name, {"propagationPolicy": "Background", "preconditions": {"uid": uid}})

    def delete_pod(self, name: str, uid: str) -> None:
        """Delete a pod; its Job counts that as a failure of its index and makes no other."""
        self._delete("pod", name, {"preconditions": {"uid": uid}})

    def delete_config_maps(self, name: str) -> None:
        """Delete program, plan and content of a round, as the garbage collector would some seconds later."""
        for full in (program_name(name), plan_name(name), given_name(name)):
            self._delete("config map", full, {})

    def _delete(self, kind: str, name: str, options: dict[str, t.Any]) -> None:
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        try:
            self._client.delete(f"{self._paths[kind]}/{name}", body)
        except ApiError as error:
            if error.status != 409:
                raise

    def leftovers(self, *runs: str, ended_pods: t.Container[str] = ()) -> list[str]:
        """List what is left of these runs: ``pod NAME`` and so on.

        ``ended_pods``: UIDs of pods of which nothing runs any more; once they are being deleted they count as gone,
        though their kubelet may take another second or two to say so.
        """

        def name(value: t.Mapping[str, t.Any]) -> str:
            metadata = value["metadata"]
            going = metadata.get("deletionTimestamp") and metadata.get("uid") in ended_pods
            return "" if going else str(metadata["name"])

        leftovers: list[str] = []
        for kind, path in self._paths.items():
            names = self._client.items(path, name, {"labelSelector": selector(*runs)})
            leftovers += [f"{kind} {name}" for name in names if name]
        return leftovers

    def server_time(self) -> datetime:
        """The present by the server's clock, which wrote the times of all objects. Nothing is created."""
        answer = self._client.create(
            self._paths["config map"],
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "imagescan-time", "labels": LABELS}},
            {"dryRun": "All"},
        )
        return _moment(answer["metadata"].get("creationTimestamp")) or datetime.now(timezone.utc)


class _JobGone(Exception):
    """A Job is not there any more, or was changed by somebody else."""


def _name_of(value: t.Mapping[str, t.Any]) -> str:
    return str(value["metadata"]["name"])
