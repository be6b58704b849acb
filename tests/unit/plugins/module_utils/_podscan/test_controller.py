# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run decides: what it makes, tries again, gives up, adopts and removes. The cluster's time is made up here.

Whether the states are those of a real cluster is for tests/cluster; here are the ones that take minutes there.
"""

from __future__ import annotations

import base64
import collections
import copy
import dataclasses
import threading
import time
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    Abandoned,
    InputError,
    RegistryError,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.times import utc_text
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import (
    Descriptor,
    Image,
    ImageConfig,
    ImageIndex,
    Platform,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import inventory_to_dict
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory, OsRelease
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import controller, rounds, supervisor
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import image_volumes as volumes
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import jobs as api
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.controller import JobScan
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.jobs import Job, JobPod
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.log_collector import Finished, Received
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.manifests import EvaluatorOptions, PodOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.options import ComplianceOptions, ScanOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import Record
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.model import (
    IndexOutcome,
    JobRecord,
    ScanOutcome,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import ScanPlan, plan_from_json
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import Request

INVENTORY = Inventory("rpm", OsRelease(), (), None, (), (), {}, {}, ())
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: Seconds that a pod of the made-up cluster needs to start, and for one image.
START_SECONDS, IMAGE_SECONDS = 2.0, 1.0


def digest(number: int | str) -> str:
    """The digest of an image."""
    return f"sha256:{number:0>64}"


def asked(*numbers: int, kind: str = "image") -> list[Request]:
    """Requests for images by digest."""
    return [
        Request(f"r.example/a@{digest(number)}", digest(number), (f"r.example/a:{number}",), kind=kind)
        for number in numbers
    ]


@dataclasses.dataclass
class FakePod:
    """A pod of the made-up cluster, and how far it is."""

    name: str
    uid: str
    job: FakeJob
    index: int
    born: float
    told: int = 0
    deleted: bool = False
    pod_state: dict[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class FakeJob:
    """A Job of the made-up cluster."""

    body: dict[str, t.Any]
    uid: str
    created: datetime
    released: bool = False
    pods: list[FakePod] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])


class World:
    """A cluster, its logs, and a book. ``fate``: digest -> what happens to a pod when it comes to that image.

    One of CAUSES ends the pod. ``lost`` loses the rest of its log, ``once-lost`` so the first time. ``once-forged`` is
    told by somebody else, too. ``left out`` is never told. ``registry`` is an error that the pod tells. ``pull`` holds
    a pod that has the image as a volume.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs: dict[str, FakeJob] = {}
        self.maps: dict[str, dict[str, t.Any]] = {}
        self.fate: dict[str, str] = {}
        self.no_start: ScanError | None = None
        self.refusal: ScanError | None = None
        #: What an event says of every pod.
        self.warning: ScanError | None = None
        self.start_seconds = START_SECONDS
        self.down_until = -1.0
        self.most_pods = 0
        self.made: list[list[str]] = []
        self.mounted: list[int] = []
        self.outcomes: list[ScanOutcome] = []
        self.forgotten: list[str] = []
        self.indexes: list[IndexOutcome] = []
        self.lines: list[str] = []
        self.current: set[str] = set()
        self.children: dict[str, tuple[tuple[str, str], ...]] = {}
        self.records: dict[str, JobRecord] = {}
        self.dead_owners: set[str] = set()
        self.ended_at: dict[str, float] = {}
        self.followed: dict[str, FakePod] = {}
        self.events: list[t.Any] = []
        self.abandon_at = float("inf")
        #: What somebody does to the cluster meanwhile, after each step of the time.
        self.meddle: t.Callable[[], None] = lambda: None
        #: What a webhook makes of the specification of pods.
        self.rewrite: t.Callable[[dict[str, t.Any]], dict[str, t.Any]] = lambda spec: spec
        self._numbers = 0

    # The clock

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, and the cluster do what it does."""
        self.now += seconds
        if self.now < self.down_until:
            self.meddle()
            return
        for job in list(self.jobs.values()):
            self._start_pods(job)
            for pod in job.pods:
                self._work(pod)
        states = [pod.pod_state for job in self.jobs.values() for pod in job.pods]
        self.most_pods = max(self.most_pods, sum(bool(one.get("started") and not one.get("ended")) for one in states))
        self.meddle()

    def _start_pods(self, job: FakeJob) -> None:
        if not job.released or self.refusal:
            return
        spec = job.body["spec"]
        active = [pod for pod in job.pods if not pod.pod_state.get("ended") and not pod.deleted]
        for index in range(spec["completions"]):
            if len(active) >= spec["parallelism"]:
                break
            if all(pod.index != index for pod in job.pods):
                self._numbers += 1
                pod = FakePod(f"{job.name}-{index}", f"pod{self._numbers}", job, index, self.now)
                job.pods.append(pod)
                active.append(pod)

    def plan_of(self, job: FakeJob) -> ScanPlan:
        """The plan that a Job's pods have."""
        volumes = job.body["spec"]["template"]["spec"]["volumes"]
        name = next(volume["configMap"]["name"] for volume in volumes if volume["name"] == "plan")
        return plan_from_json(self.maps[name]["data"]["plan.json"].encode())

    def _work(self, pod: FakePod) -> None:
        state = pod.pod_state
        if state.get("ended"):
            return
        if pod.deleted:
            state.update(ended=True, failure=state.get("failure") or api.cause(api.DELETED))
            return
        shards = self.plan_of(pod.job).shards
        annotation = pod.job.body["metadata"]["annotations"].get("imagescan.github.io/shard")
        images = shards[int(annotation) if annotation is not None else pod.index].images
        held = [one.digest for one in images if self.fate.get(one.digest) == "pull"]
        if self.no_start:
            state["trouble"] = self.no_start
            return
        if held and annotation is not None:
            state["trouble"] = api.cause(api.IMAGE_PULL_FAILED, f'failed to pull "r.example/a@{held[0]}"')
            return
        state["trouble"] = None
        state["prepared"] = self.now - pod.born > 1
        if self.now - pod.born < self.start_seconds:
            return
        state["started"] = True
        if pod.uid not in self.followed:
            return
        due = int((self.now - pod.born - self.start_seconds) / IMAGE_SECONDS)
        while pod.told < min(due, len(images)):
            one = images[pod.told]
            fate = self.fate.get(one.digest, "")
            if fate == "once-lost":
                self.fate[one.digest] = ""
            if fate == "registry":
                self._tell(pod, pod.told, one.digest, error="registry-unavailable")
            elif not fate:
                self._tell(pod, pod.told, one.digest)
            if fate in api.CAUSES:
                state.update(ended=True, failure=api.cause(fate), doing=(one.digest,))
                self._end(pod, whole=False)
                return
            if fate == "once-forged":
                self.fate[one.digest] = ""
                state.update(ended=True)
                self._tell(pod, pod.told, one.digest)
                self.events.append(Finished(pod.uid, False, "two frames claim one place", 1, True))
                return
            if fate in ("lost", "once-lost"):
                state.update(ended=True)
                self._end(pod, whole=False)
                return
            pod.told += 1
        if pod.told == len(images):
            state["ended"] = True
            self._end(pod, whole=True)

    def _tell(self, pod: FakePod, number: int, found: str, error: str = "") -> None:
        body: dict[str, t.Any] = {
            "number": number,
            "digest": found,
            "platform": "linux/amd64",
            "index": "",
            "state": "error" if error else "scanned",
        }
        if error:
            body["error"] = {"code": error, "message": "m", "hint": ""}
        else:
            body["inventory"] = inventory_to_dict(INVENTORY)
        self.events.append(Received(pod.uid, Record(0, "image", body)))

    def _end(self, pod: FakePod, *, whole: bool) -> None:
        self.events.append(Finished(pod.uid, whole, "" if whole else "frames are missing"))

    # What JobScan asks of Jobs

    def _up(self) -> None:
        if self.now < self.down_until:
            raise ApiError("no answer", code="cluster-unreachable")

    def create_job(self, body: dict[str, t.Any], *, dry_run: bool = False) -> dict[str, t.Any]:
        """Create."""
        self._up()
        self._numbers += 1
        job = FakeJob(body, f"job{self._numbers}", START + timedelta(seconds=self.now))
        if not dry_run:
            assert body["spec"]["suspend"]
            volumes = body["spec"]["template"]["spec"]["volumes"]
            self.mounted.append(sum("image" in volume for volume in volumes))
            self.jobs[job.uid] = job
        metadata = {**body["metadata"], "uid": job.uid, "creationTimestamp": utc_text(job.created)}
        return {**body, "metadata": metadata}

    def create_config_map(self, body: dict[str, t.Any]) -> None:
        """Create, owned by Jobs that exist."""
        self._up()
        assert {owner["uid"] for owner in body["metadata"]["ownerReferences"]} <= self.jobs.keys()
        self.maps[body["metadata"]["name"]] = body

    def _named(self, name: str) -> FakeJob:
        return next(job for job in self.jobs.values() if job.name == name)

    def release(self, name: str) -> None:
        """Unsuspend; program and plan have to be there."""
        self._up()
        job = self._named(name)
        self.made.append([one.digest for shard in self.plan_of(job).shards for one in shard.images])
        job.released = True

    def widen(self, name: str, parallelism: int) -> None:
        """More pods at once."""
        self._named(name).body["spec"]["parallelism"] = parallelism

    def beat(self, name: str, moment: datetime) -> None:
        """A sign of life."""
        self._up()
        self._named(name).body["metadata"]["annotations"]["imagescan.github.io/heartbeat"] = utc_text(moment)

    def claim(self, job: Job, owner: str, moment: datetime) -> bool:
        """Take over."""
        found = self.jobs[job.uid]
        found.body["metadata"]["annotations"]["imagescan.github.io/owner"] = owner
        self.beat(job.name, moment)
        return True

    def jobs_of(self, *runs: str) -> list[Job]:
        """List."""
        self._up()
        found = []
        for job in self.jobs.values():
            value = {**job.body, "metadata": {**job.body["metadata"], "uid": job.uid}}
            value["metadata"]["creationTimestamp"] = utc_text(job.created)
            value["spec"] = {**job.body["spec"], "suspend": not job.released}
            if not runs or job.body["metadata"]["labels"]["imagescan.github.io/run"] in runs:
                found.append(api.job_of(value))
        return found

    def pods(self, *runs: str) -> list[JobPod]:
        """List; a pod that was deleted and has ended is gone."""
        self._up()
        found = []
        for job in self.jobs.values():
            for pod in job.pods:
                if pod.deleted and pod.pod_state.get("gone"):
                    continue
                pod.pod_state["gone"] = pod.deleted and pod.pod_state.get("ended")
                state: dict[str, t.Any] = dict.fromkeys(("started", "ended", "prepared"), False)
                state |= {"doing": (), "trouble": None, "failure": None}
                state.update({key: value for key, value in pod.pod_state.items() if key in state})
                index = -1 if "imagescan.github.io/shard" in job.body["metadata"]["annotations"] else pod.index
                mounts = api.mounts_of(self.rewrite(job.body["spec"]["template"]["spec"]))
                found.append(
                    JobPod(
                        pod.name, pod.uid, job.uid, index, deleting=pod.deleted, mounts=mounts, **t.cast("t.Any", state)
                    )
                )
        return found

    def troubles(self) -> dict[str, ScanError]:
        """Events."""
        self._up()
        pods = [pod.uid for job in self.jobs.values() for pod in job.pods]
        found = {**dict.fromkeys(self.jobs, self.refusal), **dict.fromkeys(pods, self.warning)}
        return {uid: error for uid, error in found.items() if error is not None}

    def plan(self, job: Job) -> bytes | None:
        """The plan's bytes."""
        found = self.maps.get(job.plan)
        return found["data"]["plan.json"].encode() if found else None

    def delete_job(self, name: str, uid: str) -> None:
        """Delete with its pods, and ConfigMaps that nobody owns then."""
        self._up()
        self.jobs.pop(uid, None)
        for key, value in list(self.maps.items()):
            if not {owner["uid"] for owner in value["metadata"]["ownerReferences"]} & self.jobs.keys():
                del self.maps[key]

    def delete_pod(self, name: str, uid: str) -> None:
        """Delete."""
        for job in self.jobs.values():
            for pod in job.pods:
                pod.deleted = pod.deleted or pod.uid == uid

    def delete_config_maps(self, name: str) -> None:
        """They are gone with their Jobs."""

    def leftovers(self, *runs: str, ended_pods: t.Container[str] = ()) -> list[str]:
        """What is there."""
        return [*self.jobs, *self.maps]

    def server_time(self) -> datetime:
        """The present."""
        return START + timedelta(seconds=self.now)

    # What it asks of the logs

    def follow(self, pod: str, uid: str, key: bytes) -> None:
        """Begin with a pod."""
        for job in self.jobs.values():
            for one in job.pods:
                if one.uid == uid:
                    self.followed[uid] = one

    def tell(self, uid: str, *, ended: bool = False, is_gone: bool = False) -> None:
        """A pod that ended without a word is finished then."""
        pod = self.followed.get(uid)
        if pod is not None and (pod.deleted or is_gone) and not pod.pod_state.get("told_end"):
            pod.pod_state["told_end"] = True
            self._end(pod, whole=False)

    def poll(self) -> list[t.Any]:
        """What came."""
        events, self.events = self.events, []
        return events

    def close(self) -> None:
        """No more."""

    # The book

    def is_current(self, digest: str) -> bool:
        return digest in self.current

    def children_of(self, digest: str) -> tuple[tuple[str, str], ...] | None:
        return self.children.get(digest)

    def record(self, outcome: ScanOutcome) -> None:
        self.outcomes.append(outcome)
        self.ended_at[outcome.digest] = self.now

    def record_index(self, outcome: IndexOutcome) -> None:
        self.indexes.append(outcome)

    def record_job(self, job: JobRecord) -> None:
        self.records[job.uid] = job

    def forget(self, digest: str) -> None:
        self.forgotten.append(digest)

    def forget_job(self, uid: str) -> None:
        self.records.pop(uid, None)

    def jobs_on_record(self, server: str, namespace: str) -> list[JobRecord]:
        return list(self.records.values())

    def beat_book(self, line: str) -> None:
        if self.now >= self.abandon_at:
            raise Abandoned("gone")
        self.lines.append(line)

    # Running

    def run(
        self,
        *requests: Request,
        method: str = "job",
        plan_only: bool = False,
        image: str = "r.example/scanner:1",
        **options: t.Any,
    ) -> JobScan:
        """One run to its end. ``image``: of the pods."""
        made = JobScan(
            t.cast("t.Any", _Book(self)),
            t.cast("t.Any", _Client()),
            Access(),
            ScanOptions("imagescan", PodOptions(image), **options),
            method=method,
            plan_only=plan_only,
            clock=self.clock,
            sleep=self.sleep,
        )
        made._state.jobs = t.cast("t.Any", _Jobs(self))
        made._watcher.collector = t.cast("t.Any", self)
        made.run(requests, lambda done, total, seconds: "")
        return made

    @property
    def states(self) -> dict[str, str]:
        """Number of an image -> state, or code of its error."""
        return {
            one.digest.lstrip("sha256:").lstrip("0") or one.references[0]: one.error.code if one.error else one.state
            for one in self.outcomes
            if one.state != "same"
        }

    def counts(self) -> dict[str, int]:
        """How many ended as what."""
        return dict(collections.Counter(self.states.values()))


class _Client:
    server = "https://api.example"


class _Book:
    """The book's side of the world."""

    def __init__(self, world: World) -> None:
        self.is_current, self.children_of = world.is_current, world.children_of
        self.record, self.record_index = world.record, world.record_index
        self.forget = world.forget
        self.record_job, self.forget_job, self.jobs = world.record_job, world.forget_job, world.jobs_on_record
        self.beat = world.beat_book


class _Jobs:
    """The API's side of the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.jobs = world.jobs_of

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._world, name)


@pytest.fixture(name="world")
def made_world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A cluster."""
    world = World()
    monkeypatch.setattr(rounds, "make_bundle", lambda: b"PK")
    monkeypatch.setattr(api, "is_dead", lambda owner: owner in world.dead_owners)
    return world


def test_every_image_is_scanned_and_nothing_is_left(world: World) -> None:
    made = world.run(*asked(*range(1, 61)), images_per_pod=10)
    assert world.counts() == {"scanned": 60}
    assert world.most_pods == 4
    assert world.leftovers() == []
    assert world.records == {}
    assert made.warnings == []
    assert any("pods running" in line for line in world.lines)
    assert len(world.made) == 1


def test_what_is_known_needs_no_pod(world: World) -> None:
    world.current = {digest(1), digest(3), digest(4)}
    world.children = {digest(2): ((digest(3), "linux/amd64"), (digest(4), "linux/arm64"))}
    world.run(*asked(1, 2, 1))
    assert world.counts() == {"current": 3}
    assert world.made == []


def test_of_a_known_index_only_the_missing_image_is_scanned(world: World) -> None:
    world.current = {digest(3)}
    world.children = {digest(2): ((digest(3), "linux/amd64"), (digest(4), "linux/arm64"))}
    world.run(*asked(2))
    assert world.states == {"3": "current", "4": "scanned"}
    assert world.made == [[digest(4)]]
    assert {one.index for one in world.outcomes} == {digest(2)}


def test_a_local_image_has_its_error_and_needs_no_pod(world: World) -> None:
    world.run(Request("oci:/tmp/x:1", "", ("oci:/tmp/x:1",)))
    assert list(world.states.values()) == ["not-in-a-registry"]
    assert world.made == []


def test_check_mode_plans_and_makes_nothing(world: World) -> None:
    requests = [dataclasses.replace(one, size=1000) for one in asked(*range(1, 61))]
    made = world.run(*requests, plan_only=True, images_per_pod=10)
    assert made.plan == {"jobs": 1, "pods": 8, "images": 60, "bytes": 60_000}
    assert world.counts() == {"planned": 60}
    assert (world.jobs, world.maps, world.records) == ({}, {}, {})


@pytest.mark.parametrize("code", [api.OOM_KILLED, api.EVICTED, api.NODE_LOST, api.JOB_FAILED, api.DEADLINE])
def test_an_image_of_which_pods_die_takes_no_other_along(world: World, code: str) -> None:
    world.fate = {digest(7): code}
    world.run(*asked(*range(1, 21)), images_per_pod=10)
    assert world.states["7"] == code
    assert world.counts() == {"scanned": 19, code: 1}
    assert world.leftovers() == []
    tries = sum(digest(7) in made for made in world.made)
    assert tries == (2 if code in (api.OOM_KILLED, api.DEADLINE) else 3)
    assert [digest(7)] in [list(set(made) & {digest(7)}) for made in world.made]


def test_a_result_that_was_lost_is_scanned_again(world: World) -> None:
    world.fate = {digest(3): "once-lost", digest(4): "lost"}
    world.run(*asked(*range(1, 9)), pods=1)
    assert world.states["4"] == "result-lost"
    assert world.counts() == {"scanned": 7, "result-lost": 1}


def test_what_somebody_else_may_have_told_is_scanned_again(world: World) -> None:
    world.fate = {digest(4): "once-forged"}
    made = world.run(*asked(*range(1, 9)), pods=1)
    assert world.counts() == {"scanned": 8}
    told = collections.Counter(one.digest for one in world.outcomes)
    assert {number for number in range(1, 9) if told[digest(number)] == 2} == {1, 2, 3, 4}
    assert world.forgotten == [digest(number) for number in range(1, 5)]
    assert "two frames claim one place" in made.warnings[0]
    assert world.leftovers() == []


def test_what_a_whole_log_leaves_out_is_scanned_again_and_never_passed_over(world: World) -> None:
    world.fate = {digest(2): "left out"}
    world.run(*asked(1, 2), pods=1)
    assert world.states == {"1": "scanned", "2": "result-lost"}
    assert sum(digest(2) in made for made in world.made) == supervisor.TRIES


def test_a_pod_that_somebody_deletes_is_made_up_for(world: World) -> None:
    deleted: list[str] = []

    def delete() -> None:
        pods = [pod for job in world.jobs.values() for pod in job.pods if pod.told]
        if pods and not deleted:
            pods[0].deleted = True
            deleted.append(pods[0].name)

    world.meddle = delete
    world.run(*asked(*range(1, 21)), images_per_pod=10)
    assert deleted
    assert world.counts() == {"scanned": 20}


def test_where_no_pod_starts_all_images_have_the_cause(world: World) -> None:
    world.no_start = api.cause(api.UNSCHEDULABLE, "0/1 nodes are available")
    world.run(*asked(*range(1, 61)), images_per_pod=5)
    assert world.counts() == {api.UNSCHEDULABLE: 60}
    assert max(world.ended_at.values()) < 30
    assert world.leftovers() == []


def test_a_pod_that_waits_for_the_others_is_not_in_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    work, waiting = world._work, api.cause(api.UNSCHEDULABLE, "1 Insufficient cpu")

    def one_at_a_time(pod: FakePod) -> None:
        others = [p for job in world.jobs.values() for p in job.pods if p is not pod and not p.pod_state.get("ended")]
        if any(other.pod_state.get("started") for other in others) and not pod.pod_state.get("started"):
            pod.born, pod.pod_state["trouble"] = world.now, waiting
            return
        work(pod)

    monkeypatch.setattr(world, "_work", one_at_a_time)
    world.run(*asked(*range(1, 121)), images_per_pod=40)
    assert world.counts() == {"scanned": 120}
    assert max(world.ended_at.values()) > 60


def test_pods_that_the_cluster_refuses_to_make(world: World) -> None:
    world.refusal = api.cause(api.REFUSED, 'violates PodSecurity "restricted:latest"')
    world.run(*asked(1, 2, 3))
    assert world.counts() == {api.REFUSED: 3}
    assert max(world.ended_at.values()) < 30


def test_an_event_of_a_trouble_that_is_over_counts_no_more(world: World) -> None:
    world.warning = api.cause(api.START_FAILED, "failed to sync configmap cache")
    world.start_seconds = 60.0
    world.run(*asked(1, 2, 3))
    assert world.counts() == {"scanned": 3}


def test_the_deadline_of_a_job_says_nothing_about_its_images(world: World) -> None:
    over: list[str] = []

    def end() -> None:
        for job in world.jobs.values():
            if job.released and len(over) < 2 and job.uid not in over and world.now > 3 + 6 * len(over):
                over.append(job.uid)
                condition = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
                job.body["status"] = {"conditions": [condition]}
                for pod in job.pods:
                    pod.deleted = True

    world.meddle = end
    world.run(*asked(1, 2, 3), pods=1)
    assert len(over) == 2
    assert world.counts() == {"scanned": 3}


def test_an_image_without_an_outcome_is_a_defect_that_shows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor.Supervisor, "_requeue", lambda self, shard, items: setattr(shard, "ended", True))
    world.fate = {digest(2): "lost"}
    with pytest.raises(ScanError, match="1 of 2 images have an outcome"):
        world.run(*asked(1, 2), pods=1)


def test_silence_has_an_end_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "_start_pods", lambda job: None)
    world.run(*asked(1))
    assert world.counts() == {api.START_FAILED: 1}


def test_a_job_that_somebody_deletes_is_made_up_for(world: World) -> None:
    gone: list[t.Any] = []

    def delete() -> None:
        if world.now > 5 and not gone:
            gone.append(world.jobs.popitem())

    world.meddle = delete
    world.run(*asked(*range(1, 21)), images_per_pod=10)
    assert gone
    assert world.counts() == {"scanned": 20}


def test_an_error_that_a_pod_reports_is_that_images_alone(world: World) -> None:
    world.fate = {digest(2): "registry"}
    world.run(*asked(1, 2, 3))
    assert world.states == {"1": "scanned", "2": "registry-unavailable", "3": "scanned"}
    assert len(world.made) == 1


def test_an_api_that_is_away_for_a_while_is_waited_for(world: World) -> None:
    def stop() -> None:
        if world.now == 4.0:
            world.down_until = world.now + 60

    world.meddle = stop
    world.run(*asked(*range(1, 21)))
    assert world.counts() == {"scanned": 20}


def test_an_api_that_stays_away_ends_every_image_by_name(world: World) -> None:
    def stop() -> None:
        if world.now == 4.0:
            world.down_until = float("inf")

    world.meddle = stop
    made = world.run(*asked(*range(1, 21)))
    assert world.counts() == {"scanned": 4, "cluster-unreachable": 16}
    # What could not be removed stays on record.
    assert world.records
    assert made.warnings


def test_a_cluster_that_does_not_say_what_is_left_is_told_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(controller, "CLEAN", 1.0)
    monkeypatch.setattr(world, "leftovers", lambda *runs, ended_pods: [] if answer.wait(60) else ["unseen"])
    try:
        made = world.run(*asked(1, 2))
    finally:
        answer.set()
    assert world.counts() == {"scanned": 2}
    assert ["took too long" in text for text in made.warnings] == [True]


def test_an_api_that_takes_no_job_is_one_error_for_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(body: dict[str, t.Any], *, dry_run: bool = False) -> dict[str, t.Any]:
        raise ApiError("403 creating jobs", code="cluster-forbidden", status=403)

    monkeypatch.setattr(world, "create_job", refuse)
    with pytest.raises(ApiError, match="403 creating jobs"):
        world.run(*asked(1))


def test_a_run_that_nobody_waits_for_removes_its_jobs_and_starts_nothing(world: World) -> None:
    world.abandon_at = 5.0
    with pytest.raises(Abandoned):
        world.run(*asked(*range(1, 61)), images_per_pod=10)
    assert world.leftovers() == []
    assert world.records == {}
    assert len(world.made) == 1


# Image volumes


def image(number: int, labels: dict[str, str] | None = None) -> Image:
    """What a registry says of an image."""
    config = ImageConfig(digest(0), Platform("linux", "amd64"), "", labels or {}, (), ())
    return Image(digest(number), f"r.example/a:{number}", config, (), t.cast("t.Any", None))


@pytest.fixture(name="registry")
def made_registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """Target -> what it is, or an error; everything else does not answer."""
    known: dict[str, t.Any] = {}

    def open_target(target: str, access: Access) -> t.Any:
        found = known.get(target, RegistryError("no answer", code="registry-unavailable"))
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(volumes, "open_target", open_target)
    monkeypatch.setattr(volumes, "open_child", lambda index, child, access: known[child.digest])
    return known


def test_four_images_are_mounted_into_a_pod(world: World, registry: dict[str, t.Any]) -> None:
    for number in range(1, 41):
        registry[f"r.example/a@{digest(number)}"] = image(number, {"n": str(number)})
    world.run(*asked(*range(1, 41)), method="image_volume")
    assert world.counts() == {"scanned": 40}
    assert sum(world.mounted) == 40
    assert max(world.mounted) == 4
    assert world.most_pods <= 4
    first = next(one for one in world.outcomes if one.digest == digest(1))
    assert first.inventory is not None
    assert first.inventory.labels == {"n": "1"}
    assert world.leftovers() == []


@pytest.mark.parametrize("rewritten", ["mirror.example/a:1", f"r.example/a@{digest(9)}", ""])
def test_a_volume_that_a_webhook_rewrites_is_never_taken_for_the_image(
    world: World, registry: dict[str, t.Any], rewritten: str
) -> None:
    def rewrite(spec: dict[str, t.Any]) -> dict[str, t.Any]:
        changed = copy.deepcopy(spec)
        for volume in changed["volumes"]:
            reference = volume.get("image", {}).get("reference", "")
            if reference.endswith(digest(2)):
                volume["image"] = {"reference": rewritten}
            elif reference:  # another place for the same image is good
                volume["image"] = {"reference": f"mirror.example/a@{reference.partition('@')[2]}"}
        return changed

    world.rewrite = rewrite
    world.run(*asked(1, 2, 3), method="image_volume")
    assert world.states == {"1": "scanned", "2": "image-changed", "3": "scanned"}
    assert world.leftovers() == []


def test_a_pull_that_fails_is_the_error_of_that_image_alone(world: World, registry: dict[str, t.Any]) -> None:
    world.fate = {digest(3): "pull"}
    world.run(*asked(*range(1, 9)), method="image_volume", pods=2)
    assert world.states.pop("3") == api.IMAGE_PULL_FAILED
    assert world.counts() == {"scanned": 7, api.IMAGE_PULL_FAILED: 1}
    assert world.ended_at[digest(3)] < 30


def test_without_the_registry_labels_are_missed_aloud(world: World, registry: dict[str, t.Any]) -> None:
    world.run(*asked(1), method="image_volume")
    inventory = world.outcomes[0].inventory
    assert inventory is not None
    assert [problem.code for problem in inventory.problems] == ["config-unseen"]


def test_a_tag_is_resolved_or_an_error(world: World, registry: dict[str, t.Any]) -> None:
    registry["r.example/a:1"] = image(1)
    registry["r.example/a:3"] = RegistryError("404", status=404, code="image-not-found")
    names = ["r.example/a:1", "silent.example/a:2", "r.example/a:3"]
    requests = [Request(name, "", (name,)) for name in names]
    target = f"silent.example/a@{digest(4)}"
    unknown_kind = Request(target, digest(4), (target,))
    world.run(*requests, unknown_kind, method="image_volume")
    assert world.states == {
        "1": "scanned",
        "silent.example/a:2": "digest-needed",
        "r.example/a:3": "image-not-found",
        "4": "digest-needed",
    }


def test_the_images_of_an_index_are_mounted_one_by_one(world: World, registry: dict[str, t.Any]) -> None:
    children = (
        Descriptor("", digest(5), 1, Platform("linux", "amd64")),
        Descriptor("", digest(6), 1, Platform("linux", "arm64")),
    )
    target = f"r.example/a@{digest(2)}"
    registry[target] = ImageIndex(digest(2), target, children)
    registry[digest(5)], registry[digest(6)] = image(5, {"a": "b"}), image(6)
    world.run(*asked(2, kind="index"), method="image_volume")
    assert world.states == {"5": "scanned", "6": "scanned"}
    assert world.indexes[0].digest == digest(2)
    assert {one.index for one in world.outcomes} == {digest(2)}


def test_a_run_that_nobody_waits_for_asks_registries_no_further(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[str] = []

    def open_target(target: str, access: Access) -> Image:
        asked_for.append(target)
        time.sleep(0.02)
        return image(1)

    monkeypatch.setattr(volumes, "open_target", open_target)
    world.abandon_at = 0.0
    with pytest.raises(Abandoned):
        world.run(*asked(*range(1, 201)), method="image_volume")
    assert 0 < len(asked_for) < 200


def drop_image_volumes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the server does not know them."""
    create = world.create_job

    def drop(body: dict[str, t.Any], *, dry_run: bool = False) -> dict[str, t.Any]:
        made = create(body, dry_run=dry_run)
        for volume in made["spec"]["template"]["spec"]["volumes"]:
            volume.pop("image", None)
        return made

    monkeypatch.setattr(world, "create_job", drop)


def test_a_server_that_drops_image_volumes_is_refused(
    world: World, registry: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_image_volumes(world, monkeypatch)
    with pytest.raises(ScanError, match="method: job") as raised:
        world.run(*asked(1), method="image_volume")
    assert raised.value.code == "image-volume-unsupported"
    assert world.jobs == {}


# Jobs that earlier runs left


def killed(world: World, *requests: Request, after: float, **options: t.Any) -> None:
    """A run whose process dies: it removes nothing."""

    class Killed(BaseException):
        """Nothing is done after this."""

    def die() -> None:
        if world.now >= after:
            raise Killed

    with pytest.MonkeyPatch.context() as patches, pytest.raises(Killed):
        patches.setattr(JobScan, "_clean", lambda self, hurry: None)
        patches.setattr(world, "meddle", die)
        world.run(*requests, **options)
    world.dead_owners.add(api.this_process())
    world.events.clear()
    for pod in world.followed.values():
        pod.told = 0  # its log is read from the start again
    world.followed.clear()
    world.current = {one.digest for one in world.outcomes if one.state == "scanned"}


def revive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is another one."""
    monkeypatch.setattr(api, "this_process", lambda: "other.1.1")


def test_the_next_run_goes_on_with_the_jobs_of_a_dead_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = asked(*range(1, 21))
    killed(world, *requests, after=4.0, images_per_pod=10)
    assert world.jobs
    assert len(world.outcomes) < 20
    before = len(world.made)
    revive(world, monkeypatch)
    world.run(*requests, images_per_pod=10)
    assert set(world.states.values()) <= {"scanned", "current"}
    assert len(world.states) == 20
    assert len(world.made) == before, "nothing was begun anew"
    assert world.leftovers() == []
    assert world.records == {}


def test_what_a_tag_meant_to_a_dead_run_is_not_taken_for_what_it_means_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [*asked(1), Request("r.example/a:moved", "", ("r.example/a:moved",))]
    killed(world, *requests, after=0.5)
    old = set(world.jobs)
    revive(world, monkeypatch)
    made = len(world.made)
    tell = world._tell
    monkeypatch.setattr(world, "_tell", lambda pod, number, found: tell(pod, number, found or digest(7)))
    world.run(*requests)
    adopted = [pod.job.uid for pod in world.followed.values()]
    assert old & set(adopted), "the image with a digest is taken from the Job that is there"
    assert len(world.made) == made + 1, "the tag is asked for anew"
    assert world.states == {"1": "scanned", "7": "scanned"}


def test_jobs_that_are_not_on_record_or_have_another_plan_are_removed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = asked(*range(1, 21))
    killed(world, *requests, after=4.0)
    revive(world, monkeypatch)
    for uid, record in world.records.items():
        world.records[uid] = dataclasses.replace(record, plan_sha256="0" * 64)
    old = set(world.jobs)
    world.run(*requests)
    assert len(world.states) == 20
    assert len(world.made) == 2
    assert not old & set(world.jobs)
    assert world.leftovers() == []


def test_jobs_of_a_run_that_lives_are_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(world, *asked(*range(1, 21)), after=4.0)
    world.dead_owners.clear()
    revive(world, monkeypatch)
    theirs = set(world.jobs)
    world.records.clear()
    made = world.run(*asked(31, 32))
    assert theirs <= set(world.jobs)
    assert made.warnings == [] or "still there" in made.warnings[0]
    assert world.states["31"] == "scanned"


def test_a_run_without_a_sign_of_life_for_a_minute_is_dead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(world, *asked(*range(1, 21)), after=4.0)
    world.dead_owners.clear()
    revive(world, monkeypatch)
    world.records.clear()
    world.now += 61
    world.run(*asked(31))
    assert world.leftovers() == []


# Rules


CONTENT = "r.example/content@sha256:" + "c" * 64
RULES = ComplianceOptions("cis", ("r1",), content=b"packed", tailoring=b"<Tailoring/>", max_image_size=1 << 30)


def test_pods_that_evaluate_are_told_what_and_have_what_they_need(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[ScanPlan] = []
    maps: dict[str, dict[str, t.Any]] = {}
    memory: list[tuple[int, int]] = []

    def look() -> None:
        maps.update(world.maps)
        for job in world.jobs.values():
            scanner, oscap = job.body["spec"]["template"]["spec"]["containers"]
            assert oscap["resources"]["limits"]["memory"] == RULES.memory
            resources = scanner["resources"]
            memory.append((int(resources["requests"]["memory"]), int(resources["limits"]["memory"])))

    monkeypatch.setattr(world, "meddle", look)
    requests = [dataclasses.replace(one, size=number << 20) for number, one in enumerate(asked(1, 2, 3), 10)]
    world.run(*requests, compliance=RULES)
    # What the pods of this world tell has no results of rules, so it is worth nothing.
    assert set(world.states.values()) == {"result-refused"}
    plans = [plan_from_json(one["data"]["plan.json"].encode()) for one in maps.values() if "data" in one]
    assert {plan.compliance for plan in plans} == {RULES.planned("r.example/scanner:1")}
    (content,) = (one["binaryData"] for name, one in maps.items() if name.endswith("-content"))
    assert {name: base64.b64decode(data) for name, data in content.items()} == RULES.given
    evaluator = EvaluatorOptions(RULES.memory, 1 << 30, True, 12 << 20)
    base = 512 << 20
    assert set(memory) == {(base + evaluator.tree_request, base + evaluator.tree_bytes)}
    assert {plan.shards[0].images[0].environment for plan in plans} == {()}


def test_where_one_size_is_not_known_all_the_room_is_requested(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    resources: list[t.Any] = []

    def look() -> None:
        for job in world.jobs.values():
            resources.append(job.body["spec"]["template"]["spec"]["containers"][0]["resources"])

    monkeypatch.setattr(world, "meddle", look)
    first, second = asked(1, 2)
    world.run(dataclasses.replace(first, size=1 << 20), second, compliance=RULES)
    assert resources
    assert all(one["requests"]["memory"] == one["limits"]["memory"] for one in resources)


@pytest.mark.parametrize(("arf", "most"), [(True, 8), (False, 20)])
def test_a_pod_has_no_more_images_than_arfs_fit_into_its_log(
    world: World, monkeypatch: pytest.MonkeyPatch, arf: bool, most: int
) -> None:
    largest: list[int] = []

    def look() -> None:
        plans = [plan_from_json(one["data"]["plan.json"].encode()) for one in world.maps.values() if "data" in one]
        largest.extend(len(shard.images) for plan in plans for shard in plan.shards)

    monkeypatch.setattr(world, "meddle", look)
    world.run(*asked(*range(1, 21)), pods=1, compliance=dataclasses.replace(RULES, arf=arf))
    assert 0 < max(largest) <= most
    assert arf or max(largest) == most


def test_jobs_that_evaluate_other_rules_are_not_adopted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = asked(*range(1, 21))
    killed(world, *requests, after=2.0)
    world.current.clear()
    old = set(world.jobs)
    revive(world, monkeypatch)
    world.run(*requests, compliance=RULES)
    assert old
    assert not old & set(world.jobs)
    assert not old & {pod.job.uid for pod in world.followed.values()}
    assert len(world.made) == 2, "all are asked for anew"
    assert world.leftovers() == []


@pytest.mark.parametrize(("content", "is_adopted"), [(b"", False), (b"packed", True)])
def test_jobs_whose_pods_have_other_content_are_not_adopted(
    world: World, monkeypatch: pytest.MonkeyPatch, content: bytes, is_adopted: bool
) -> None:
    """Content comes with the image of the pods: what an older one found does not answer what the new one is asked."""
    requests, rules = asked(*range(1, 21)), dataclasses.replace(RULES, content=content)
    killed(world, *requests, after=2.0, compliance=rules)
    world.current.clear()
    old = set(world.jobs)
    revive(world, monkeypatch)
    world.run(*requests, compliance=rules, image="r.example/scanner:2")
    assert old
    assert bool(old & {pod.job.uid for pod in world.followed.values()}) is is_adopted


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"seconds": 0}, "timeout of compliance"),
        ({"max_image_size": 1000}, "max_image_size of compliance"),
        ({"max_image_size": 1 << 41}, "max_image_size of compliance"),
        ({"memory": "64Mi"}, "memory of compliance"),
        ({"content": bytes(950_001)}, "fewer rules"),
        ({"content_image": "r.example/content:1"}, "no digest"),
        ({"content_image": CONTENT, "content": b"x"}, "one of them"),
    ],
)
def test_wishes_that_no_pod_can_fulfil_are_refused(options: dict[str, t.Any], complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        ComplianceOptions("cis", **options)
    assert complaint in str(caught.value)


def test_content_of_an_image_is_mounted_where_the_cluster_can(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, seen = ComplianceOptions("cis", content_image=CONTENT), []

    def look() -> None:
        seen.extend(job.body["spec"]["template"]["spec"]["volumes"] for job in world.jobs.values())

    monkeypatch.setattr(world, "meddle", look)
    world.run(*asked(1), compliance=rules)
    assert seen
    assert all({"reference": CONTENT, "pullPolicy": "IfNotPresent"} in [v.get("image") for v in one] for one in seen)
    assert rules.planned("r.example/a:1").image == rules.planned("r.example/a:2").image == CONTENT


def test_content_of_an_image_needs_a_server_that_mounts_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_image_volumes(world, monkeypatch)
    with pytest.raises(ScanError, match="without content_image") as raised:
        world.run(*asked(1), compliance=ComplianceOptions("cis", content_image=CONTENT))
    assert raised.value.code == "image-volume-unsupported"
    assert world.jobs == {}


def test_other_content_is_another_question() -> None:
    assert ComplianceOptions("cis").planned("r.example/a:1").given == ""
    digests = {
        ComplianceOptions("cis", content=content, tailoring=tailoring).planned("r.example/a:1").given
        for content, tailoring in ((b"ab", b""), (b"", b"ab"), (b"a", b"b"), (b"b", b"a"))
    }
    assert len(digests) == 4
