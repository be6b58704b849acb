# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what becomes of shards whose pods ended, cannot start, or never came."""

from __future__ import annotations

import typing as t

from .._core.errors import ScanError
from .._images.references import parse_reference
from . import jobs as api
from .api_worker import ApiWorker
from .pod_watcher import LOOK, PodWatcher
from .results import ShardState
from .run_state import RoundJob, RunState, WatchedPod
from .sharding import Item

#: Pods that may end under an image before that is its error.
TRIES = 3
#: How long a pod that shares its fate with other images is held by a pull that fails (seconds).
GROUP_PATIENCE = 3.0
#: A pod that gives no sign at all, neither good nor bad (seconds): a large scanner image may be on its way.
SILENCE = 300.0
#: What a pod's status may lag behind its log (seconds).
STATUS_LAG = 4.0
#: Ends of a pod that come again with the same image.
_COMES_AGAIN = frozenset((api.OOM_KILLED, api.DEADLINE))


class Supervisor:
    """Ends the shards whose pods ended, cannot start, or never came; what they still owe is tried again, or fails."""

    def __init__(self, state: RunState, worker: ApiWorker, watcher: PodWatcher) -> None:
        self._state = state
        self._api = worker
        self._watcher = watcher
        self._trouble_since: dict[str, tuple[float, str]] = {}

    def decide(self) -> None:
        """End shards whose pods ended, cannot start, or never came."""
        now = self._state.clock()
        for watched in list(self._state.watched.values()):
            if not watched.shard.ended:
                self._check_pod(watched, now)
        for round_ in list(self._state.rounds):
            for job in round_.jobs:
                self._check_job(job, now)

    def _check_pod(self, watched: WatchedPod, now: float) -> None:
        """End the shard of a pod that is over with something missing, or that does not start."""
        is_over = watched.pod.ended or watched.gone_at is not None
        if watched.followed:
            if watched.lost_at is not None and (is_over or now - watched.lost_at > STATUS_LAG):
                self._pod_lost(watched)
        elif is_over:
            self._pod_lost(watched)
        elif not watched.pod.started:
            self._waits(watched, now)

    def give_up(self, error: ScanError) -> None:
        """End every image that has no result."""
        for item in self._state.queue:
            self._state.results.fail(item, item.cause or error)
        self._state.queue = []
        for round_ in self._state.rounds:
            for shard in round_.shards:
                self._end(shard, error)

    def _pod_lost(self, watched: WatchedPod) -> None:
        """A pod is over, or its channel is, and not everything came."""
        state = self._state.states.get(watched.job)
        if watched.failure is None or watched.failure.code == api.DELETED:
            # Who deleted it? The Job knows whether it did so itself.
            if self._state.saw_jobs_at < (watched.gone_at or watched.lost_at or 0.0) or state is None:
                self._watcher.look_at_jobs()
            state = self._state.states.get(watched.job)
        error = watched.failure
        failing = state.failing if state is not None else None
        if failing is not None:
            error = failing
        elif error is None and watched.gone_at is not None:
            error = api.cause(api.DELETED)
        error = error or api.cause(api.RESULT_LOST, watched.lost_why)
        if not (watched.pod.ended or watched.gone_at is not None):
            # Its channel is dead, but it may still run on a node that nobody hears.
            self._api.do(self._state.jobs.delete_pod, watched.pod.name, watched.pod.uid)
        # What its Job did to it says nothing about the image.
        comes_again = failing is None and error.code in _COMES_AGAIN
        self._lose(watched.shard, error, watched.doing, comes_again=comes_again)

    def _waits(self, watched: WatchedPod, now: float) -> None:
        """A pod that has not started yet: is that still all right?"""
        pod = watched.pod
        # An event stays when its trouble is over.
        error = pod.trouble or (None if pod.prepared else self._state.troubles.get(pod.uid))
        if error is None:
            if now - watched.seen_at > max(SILENCE, self._state.options.start_timeout):
                self._no_start(watched.shard, api.cause(api.START_FAILED, "its node does not say why"), now)
            return
        since = self._since(pod.uid, error, now)
        if self._state.method == "image_volume" and error.code == api.IMAGE_PULL_FAILED:
            named = [item for item in watched.shard.items.values() if item.digest.partition(":")[2] in error.message]
            if named or not self._is_about_own_image(error):
                self._volume_trouble(watched, error, named, now - since)
                return
        if now - since > self._state.options.start_timeout:
            self._no_start(watched.shard, error, since)

    def _is_about_own_image(self, error: ScanError) -> bool:
        """Return whether it is the scanner's image, or that with the content for oscap, that cannot be pulled."""
        compliance = self._state.options.compliance
        references = [self._state.options.pod.image, compliance.content_image if compliance else ""]
        return any(parse_reference(reference).repository in error.message for reference in filter(None, references))

    def _since(self, uid: str, error: ScanError, now: float) -> float:
        """Since when this trouble lasts. A pod that only waits for the others is in none."""
        begun, code = self._trouble_since.get(uid, (now, error.code))
        if code != error.code or (
            error.code in (api.UNSCHEDULABLE, api.REFUSED) and self._state.worked_at > now - 2 * LOOK
        ):
            begun = now
        self._trouble_since[uid] = (begun, error.code)
        return begun

    def _volume_trouble(self, watched: WatchedPod, error: ScanError, named: list[Item], lasts: float) -> None:
        """A pull fails. The image in question has its error; those that were held by it are tried again."""
        shard = watched.shard
        if lasts < GROUP_PATIENCE:
            return
        if len(shard.items) == 1:
            item = next(iter(shard.items.values()))
            before = 0.0 if item.failing_since is None else self._state.clock() - item.failing_since
            if max(lasts, before) > self._state.options.start_timeout:
                self._lose(shard, error, final=True)
            return
        suspects = named or list(shard.items.values())
        for item in suspects:
            item.cause = item.cause or error
            item.alone = True
            item.failing_since = self._state.clock() - lasts
        self._requeue(shard, [item for _number, item in self._state.results.rest(shard)])

    def _no_start(self, shard: ShardState, error: ScanError, since: float) -> None:
        """A pod does not start. Where no other works either, no further one will; else this one is tried elsewhere."""
        if self._state.worked_at < since:
            self.give_up(error)
        else:
            self._lose(shard, error)

    def _check_job(self, job: RoundJob, now: float) -> None:
        """Shards of a Job that has no pod for them."""
        waiting = [shard for shard in job.shards.values() if not shard.ended and not shard.pod]
        if not waiting or job.released_at is None:
            return
        state = self._state.states.get(job.uid)
        if self._state.saw_jobs_at > job.released_at and (state is None or state.finished or state.failing):
            # One more look: pods of a Job that just finished may not have been seen.
            error = state.failing if state else api.cause(api.DELETED, "with its Job")
            if self._state.saw_pods_at > self._state.saw_jobs_at:
                for shard in waiting:
                    self._lose(shard, error or api.cause(api.JOB_FAILED, "its pod was never seen"))
        elif not self._has_working_pod(job):
            self._check_start(job, job.released_at, waiting[0], now)  # else they wait for those that work

    def _has_working_pod(self, job: RoundJob) -> bool:
        return any(watched.job == job.uid and not watched.shard.ended for watched in self._state.watched.values())

    def _check_start(self, job: RoundJob, released_at: float, shard: ShardState, now: float) -> None:
        """A Job of which no pod works, and one should be there for a shard."""
        trouble = self._state.troubles.get(job.uid)
        if trouble is not None:
            since = self._since(job.uid, trouble, now)
            if now - since > self._state.options.start_timeout:
                self._no_start(shard, trouble, since)
        elif now - max(released_at, self._state.worked_at) > SILENCE:
            self._no_start(shard, api.cause(api.START_FAILED, "the cluster makes no pod of the Job"), now)

    def _lose(
        self,
        shard: ShardState,
        error: ScanError,
        doing: t.Sequence[str] = (),
        *,
        comes_again: bool = False,
        final: bool = False,
    ) -> None:
        """End a shard; what it still owes is tried again, or has its error."""
        owed = self._state.results.rest(shard)
        suspects = [
            item
            for number, item in owed
            if item.digest in doing or item.target in doing or shard.indexes.get(number, "-") in doing
        ]
        alone = len(shard.items) == 1
        again: list[Item] = []
        for _number, item in owed:
            item.tries += 1
            item.cause = item.cause or error
            item.alone = item.alone or item in suspects
            if final or item.tries >= TRIES or (alone and comes_again):
                self._state.results.fail(item, item.cause)
            else:
                again.append(item)
        self._requeue(shard, again)

    def _requeue(self, shard: ShardState, items: list[Item]) -> None:
        self._state.requeue(items)
        shard.open.clear()
        shard.ended = True

    def _end(self, shard: ShardState, error: ScanError) -> None:
        """End a shard for good."""
        if not shard.ended:
            for _number, item in self._state.results.rest(shard):
                self._state.results.fail(item, item.cause or error)
            self._requeue(shard, [])
