# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the Jobs and pods of a run, each in its own rhythm, and at their logs."""

from __future__ import annotations

from .._core.errors import ScanError
from .api_worker import ApiWorker
from .jobs import JobPod
from .log_collector import Finished, LogCollector, Received
from .results import ShardState
from .run_state import RoundJob, RunState, WatchedPod

#: Seconds between looks at pods, and at Jobs and events.
LOOK, LOOK_AT_JOBS = 1.0, 4.0
#: Between looks at pods where the API is slow: one answer that took long says little of the next (seconds).
LONGEST_BREAK = 5.0
HEARTBEAT = 15.0


class PodWatcher:
    """Takes what logs tell, and sees how Jobs and pods are."""

    def __init__(self, state: RunState, worker: ApiWorker, collector: LogCollector) -> None:
        self.collector = collector
        self._state = state
        self._api = worker
        #: When pods and Jobs are to be looked at next.
        self._look_at = self._look_at_jobs_at = float("-inf")

    def listen(self) -> None:
        """Take what the logs told since the last time."""
        for event in self.collector.poll():
            watched = self._state.watched.get(event.uid)
            if watched is None:
                continue
            if isinstance(event, Received):
                self._received(watched, event)
            else:
                self._log_ended(watched, event)

    def look(self) -> None:
        """See how Jobs and pods are, each in its own rhythm."""
        self.listen()
        now = self._state.clock()
        if not self._state.rounds or now < self._look_at:
            return
        pods = self._api.ask(self._state.jobs.pods, *self._state.runs)
        if pods is not None:
            self._state.saw_pods_at = now
            self._see(pods)
        # An API server that is slow, or has much to tell, is asked less often.
        self._look_at = self._state.clock() + min(LONGEST_BREAK, max(LOOK, 5 * (self._state.clock() - now)))
        for round_ in self._state.rounds:
            if now - round_.beat_at > HEARTBEAT:
                lead = next((job for job in round_.jobs if not job.deleted), None)
                if lead is not None:
                    self._api.do(self._state.jobs.beat, lead.name, self._state.server_now())
                round_.beat_at = now
        if now >= self._look_at_jobs_at:
            self.look_at_jobs()

    def look_at_jobs(self) -> None:
        """The Jobs, and what the events say of those that do not start."""
        now = self._state.clock()
        jobs = self._api.ask(self._state.jobs.jobs, *self._state.runs)
        if jobs is not None:
            self._state.saw_jobs_at = now
            self._state.states = {job.uid: job for job in jobs}
        self._look_at_jobs_at = self._state.clock() + LOOK_AT_JOBS
        if self._is_slow(self._state.clock() - 2 * LOOK):
            self._state.troubles = self._api.ask(self._state.jobs.troubles) or self._state.troubles

    def _is_slow(self, moment: float) -> bool:
        """Return whether a pod, or the pods of a Job, should have started and were there at a moment already."""
        pods = self._state.watched.values()
        started = {watched.job for watched in pods if watched.pod.started}
        jobs = [job for round_ in self._state.rounds for job in round_.jobs if job.uid not in started]
        return any(
            not watched.pod.started and not watched.pod.ended and watched.seen_at < moment for watched in pods
        ) or any(job.released_at is not None and job.released_at < moment for job in jobs)

    def _see(self, pods: list[JobPod]) -> None:
        """Compare the pods that are with those that were."""
        now = self._state.clock()
        jobs = {job.uid: job for round_ in self._state.rounds for job in round_.jobs}
        for pod in pods:
            watched = self._state.watched.get(pod.uid) or self._greet(pod, jobs.get(pod.job), now)
            if watched is not None:
                self._update(watched, pod, now)
        uids = {pod.uid for pod in pods}
        for uid, watched in self._state.watched.items():
            if uid not in uids and watched.gone_at is None:
                watched.gone_at = now
                self.collector.tell(uid, is_gone=True)

    def _greet(self, pod: JobPod, job: RoundJob | None, now: float) -> WatchedPod | None:
        """Watch a new pod; None for one without a shard that waits for it."""
        shard = job.shards.get(pod.index if pod.index >= 0 else next(iter(job.shards))) if job else None
        if shard is None or shard.ended or shard.pod:
            return None
        shard.pod = pod.uid
        watched = self._state.watched[pod.uid] = WatchedPod(pod, shard, pod.job, now)
        if self._state.method == "image_volume":
            self._check_mounts(pod, shard)
        return watched

    def _update(self, watched: WatchedPod, pod: JobPod, now: float) -> None:
        """Note how a pod is now, and follow its log once it has started."""
        watched.pod = pod
        watched.doing = pod.doing or watched.doing
        watched.failure = watched.failure or pod.failure
        if pod.started and not watched.followed:
            watched.followed = True
            self._state.worked_at = now
            self.collector.follow(pod.name, pod.uid, bytes.fromhex(watched.shard.key))
        if pod.running:
            self._state.worked_at = now
        if pod.ended and watched.followed:
            self.collector.tell(pod.uid, ended=True)

    def _check_mounts(self, pod: JobPod, shard: ShardState) -> None:
        """A webhook may rewrite what a pod mounts, and the pod cannot tell: the digest must still be the one wanted."""
        for number in sorted(shard.open):
            item, digest = shard.items[number], pod.mounts.get(number)
            if digest != item.digest:
                error = ScanError(
                    f"the cluster made a pod that mounts {digest or 'something without a digest'} in its place",
                    code="image-changed",
                    hint="look for an admission webhook that rewrites image volumes, and exempt the namespace from it",
                )
                self._state.results.fail(item, error)
                shard.open.discard(number)
        shard.ended = not shard.open

    def _received(self, watched: WatchedPod, event: Received) -> None:
        record = event.record
        if record.kind in ("index", "image"):
            self._state.results.take(watched.shard, record.kind, record.body)
        elif record.kind == "beat":
            watched.doing = tuple(record.body["doing"])
        elif record.kind == "hello":
            for problem in record.body["problems"]:
                self._state.warn(problem)

    def _log_ended(self, watched: WatchedPod, event: Finished) -> None:
        shard = watched.shard
        if event.rejected:
            self._state.warn(f"pod {watched.pod.name}: {event.reason}")
        if event.forged:
            # Whoever did this holds the pod's key, so nothing that it said counts.
            items, forged = self._state.results.distrusted(shard)
            for digest in forged:
                self._state.book.forget(digest)
            self._state.requeue(items)
        if event.whole:
            self._state.done.add(watched.pod.uid)
        if event.whole and not shard.open:
            shard.ended = True
            return
        watched.lost_at = self._state.clock()
        watched.lost_why = "the pod ended before it came to this image" if event.whole else event.reason
