# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds of Jobs: made from the queue, begun as there is room, removed when they are over."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import typing as t
from datetime import datetime, timezone

from .._core.times import utc_text
from .._images.model import Platform
from .._scanner.bundle import make_bundle
from .._scanner.model import JobRecord
from .._scanner.plan import VOLUME_LIMIT, PlannedImage, ScanPlan, ScanShard, plan_to_json
from . import jobs as api
from .api_worker import ApiWorker
from .manifests import (
    HEARTBEAT_ANNOTATION,
    IMAGES_ANNOTATION,
    OWNER_ANNOTATION,
    EvaluatorOptions,
    PodOptions,
    config_maps,
    memory_bytes,
    scanner_job,
    volume_job,
)
from .results import ShardState
from .run_state import Round, RoundJob, RunState
from .sharding import Item, plan_shards

#: Pulls in a second: a kubelet paces what is more.
PULLS_A_SECOND = 5.0
#: What the program itself needs of a pod's memory.
PROGRAM_MEMORY = 64 << 20
#: Of a pod's scratch folder, for layers that several of its images have.
LAYER_CACHE = 1 << 30
#: Bytes of images and keys in one plan, which has to fit into a ConfigMap; Jobs of a round with image volumes.
PLAN_BYTES = 700_000
VOLUME_JOBS = 50
#: Images of one pod whose ARFs are kept, of 0.3 to 0.4 MB each: a pod can write 6 MiB.
ARF_IMAGES = 8


class RoundLauncher:
    """Makes rounds of Jobs from the queue, lets them begin, and removes those that are over."""

    def __init__(self, state: RunState, worker: ApiWorker, platforms: t.Sequence[Platform]) -> None:
        self.program = b""
        self._state = state
        self._api = worker
        self._platforms = tuple(platforms)
        self._round_count = 0
        self._pulls_from = 0.0

    def cut(self, items: list[Item]) -> list[list[Item]]:
        """Distribute the items over pods."""
        most = VOLUME_LIMIT if self._state.method == "image_volume" else self._state.options.images_per_pod
        if self._state.compliance is not None and self._state.compliance.arf:
            most = min(most, ARF_IMAGES)
        return plan_shards(items, pods=self._state.options.pods, per_pod=min(most, self._state.options.images_per_pod))

    def batches(self, items: list[Item]) -> list[list[Item]]:
        """The items in parts that fit into one plan each."""
        batches: list[list[Item]] = []
        room = count = 0
        for item in items:
            size = len(item.target) + len(item.digest) + sum(map(len, item.environment)) + 200
            full = self._state.method == "image_volume" and count == VOLUME_JOBS * VOLUME_LIMIT
            if size > room or full:
                batches.append([])
                room, count = PLAN_BYTES, 0
            batches[-1].append(item)
            room -= size
            count += 1
        return batches

    def launch(self) -> None:
        """Let more pods begin where there is room, in further rounds where the queue has images."""
        if self._state.method == "image_volume":
            self._release_paced()
        else:
            self._widen()
        if not self._state.queue:
            return
        working = sum(not shard.ended for round_ in self._state.rounds for shard in round_.shards)
        is_retry = any(item.tries or item.alone for item in self._state.queue)
        if self._state.rounds and self._is_too_early(working, is_retry=is_retry):
            return
        batch = self.batches(self._state.queue)[0]
        numbers = {item.number for item in batch}
        self._state.queue = [item for item in self._state.queue if item.number not in numbers]
        try:
            self._make_round(self.cut(batch), max(1, self._state.options.pods - working), is_retry)
        except BaseException:
            self._state.queue = batch + self._state.queue
            raise

    def _is_too_early(self, working: int, *, is_retry: bool) -> bool:
        """Return whether another round has to wait: for room, or for what fails together to be tried again together."""
        if is_retry:
            return self._state.clock() - self._state.queued_at < 1.0
        return working >= self._state.options.pods

    def _make_round(self, cut: list[list[Item]], free: int, is_retry: bool) -> None:
        self._round_count += 1
        name = f"imagescan-{self._state.run}-{self._round_count}"
        shards = [ShardState(secrets.token_hex(32), dict(enumerate(items)), set(range(len(items)))) for items in cut]
        options = self._state.options
        plan = plan_to_json(
            ScanPlan(
                run=self._state.run,
                method=self._state.method,
                platforms=tuple(map(str, self._platforms)),
                access=options.registries,
                parallel=1,
                memory=max(64 << 20, memory_bytes(options.pod.memory) - PROGRAM_MEMORY),
                seconds=options.image_timeout,
                cache=LAYER_CACHE if self._state.method == "job" else 0,
                compliance=self._state.compliance,
                shards=tuple(ScanShard(shard.key, self._planned(shard)) for shard in shards),
            )
        )
        manifests = self._manifests(name, shards, min(free, len(shards)))
        self.program = self.program or make_bundle()
        created: list[dict[str, t.Any]] = []
        try:
            self._api.call(lambda: created.extend(map(self._state.jobs.create_job, manifests)))
        finally:
            digest = hashlib.sha256(plan).hexdigest()
            for job in created:
                self._note_job(job, digest)
        files = options.compliance.given if options.compliance is not None else None
        for config_map in config_maps(
            name, self._state.run, created, program=self.program, ca=options.ca, plan=plan, evaluator_files=files
        ):
            self._api.call(self._state.jobs.create_config_map, config_map)
        round_ = Round(name, [], is_retry, self._state.clock())
        for position, job in enumerate(created):
            parts = {position: shards[position]} if self._state.method == "image_volume" else dict(enumerate(shards))
            round_.jobs.append(RoundJob(job["metadata"]["name"], job["metadata"]["uid"], parts))
        if self._state.method == "job":
            self._api.call(self._state.jobs.release, name)
            round_.jobs[0].released_at = self._state.clock()
            round_.jobs[0].parallelism = min(free, len(shards))
        self._state.rounds.append(round_)

    def _planned(self, shard: ShardState) -> tuple[PlannedImage, ...]:
        return tuple(
            PlannedImage(
                f"/images/{number}", item.digest, item.environment if self._state.compliance is not None else ()
            )
            if self._state.method == "image_volume"
            else PlannedImage(item.target, item.digest)
            for number, item in shard.items.items()
        )

    def _manifests(self, name: str, shards: list[ShardState], parallelism: int) -> list[dict[str, t.Any]]:
        annotations = {OWNER_ANNOTATION: self._state.owner}
        if self._state.skew is not None:
            annotations[HEARTBEAT_ANNOTATION] = utc_text(self._state.server_now())
        if self._state.method == "image_volume":
            return [
                volume_job(
                    f"{name}-{number}",
                    self._state.run,
                    self._pod_options([shard]),
                    plan=name,
                    shard=number,
                    images=[item.target for item in shard.items.values()],
                    annotations={
                        **annotations,
                        IMAGES_ANNOTATION: ",".join(item.digest for item in shard.items.values()),
                    },
                    pod_seconds=self._seconds(shard),
                )
                for number, shard in enumerate(shards)
            ]
        seconds = max(map(self._seconds, shards))
        waves = -(-len(shards) // parallelism)
        images = str(sum(len(shard.items) for shard in shards))
        return [
            scanner_job(
                name,
                self._state.run,
                self._pod_options(shards),
                parallelism=parallelism,
                shards=len(shards),
                annotations={**annotations, IMAGES_ANNOTATION: images},
                pod_seconds=seconds,
                job_seconds=min(seconds * waves + 3600, 7 * 86_400),
            )
        ]

    def _pod_options(self, shards: t.Sequence[ShardState]) -> PodOptions:
        """Options for the pods of a Job, with what evaluating its images takes."""
        compliance = self._state.options.compliance
        if compliance is None:
            return self._state.options.pod
        sizes = [item.size for shard in shards for item in shard.items.values()]
        evaluator = EvaluatorOptions(
            compliance.memory,
            compliance.max_image_size,
            bool(compliance.given),
            max(sizes) if all(sizes) else 0,
            chroot=compliance.chroot,
            content=compliance.content_image,
        )
        return dataclasses.replace(self._state.options.pod, evaluator=evaluator)

    def _seconds(self, shard: ShardState) -> int:
        """Compute the seconds that a pod may take. An index may hold several images, and nobody knows how many."""
        images = sum(1 if item.kind == "image" or item.index else 4 for item in shard.items.values())
        compliance = self._state.options.compliance
        image_seconds = self._state.options.image_timeout + (compliance.seconds if compliance is not None else 0)
        return min(60 + images * image_seconds, 86_400)

    def _note_job(self, job: dict[str, t.Any], plan_sha256: str) -> None:
        metadata = job["metadata"]
        created = str(metadata.get("creationTimestamp", ""))
        self._state.made[metadata["uid"]] = metadata["name"]
        if self._state.skew is None:
            state = api.job_of(job)
            self._state.skew = state.alive_at - datetime.now(timezone.utc)
        self._state.book.record_job(
            JobRecord(
                self._state.server,
                self._state.options.namespace,
                metadata["name"],
                metadata["uid"],
                plan_sha256,
                created,
            )
        )

    def _release_paced(self) -> None:
        """With image volumes: let the next Jobs begin, no more at once than pods may be, nor than a kubelet pulls."""
        for round_ in self._state.rounds:
            for job in round_.jobs:
                now = self._state.clock()
                if job.released_at is not None or job.deleted or job.is_over:
                    continue
                most = self._state.options.pods + round_.is_retry
                if self._busy() >= most or now < self._pulls_from:
                    return
                self._api.call(self._state.jobs.release, job.name)
                job.released_at = self._state.clock()
                images = sum(len(shard.items) for shard in job.shards.values())
                self._pulls_from = max(now, self._pulls_from) + images / PULLS_A_SECOND

    def _widen(self) -> None:
        """Let the pods of a later round take the places that an earlier one leaves."""
        free = self._state.options.pods
        for round_ in self._state.rounds:
            job = round_.jobs[0]
            pod_count = sum(not shard.ended for shard in job.shards.values())
            if job.parallelism < min(pod_count, free) and self._api.do(
                self._state.jobs.widen, job.name, min(pod_count, free)
            ):
                job.parallelism = min(pod_count, free)
            free -= min(pod_count, job.parallelism)

    def _busy(self) -> int:
        """Jobs of which a pod works or will; one that waits for a pull that fails takes nobody's place."""
        stuck = {
            watched.job
            for watched in self._state.watched.values()
            if watched.pod.trouble is not None and watched.pod.trouble.code == api.IMAGE_PULL_FAILED
        }
        return sum(
            job.released_at is not None and not job.is_over and job.uid not in stuck
            for round_ in self._state.rounds
            for job in round_.jobs
        )

    def close(self) -> None:
        """Delete Jobs whose shards have all ended."""
        for round_ in list(self._state.rounds):
            for job in round_.jobs:
                if not job.deleted and job.is_over:
                    job.deleted = self._api.do(self._state.jobs.delete_job, job.name, job.uid)
                    if job.deleted:
                        self._state.forget_job(job.uid)
            if all(job.deleted for job in round_.jobs):
                self._api.do(self._state.jobs.delete_config_maps, round_.name)
                self._state.rounds.remove(round_)
                over = {job.uid for job in round_.jobs}
                self._state.watched = {uid: pod for uid, pod in self._state.watched.items() if pod.job not in over}
