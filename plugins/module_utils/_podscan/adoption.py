# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that earlier runs left: adopted where their plan is on record, else removed."""

from __future__ import annotations

import hashlib
import typing as t
from datetime import datetime, timezone

from .._core.errors import ScanError
from .._scanner.model import JobRecord
from .._scanner.plan import ScanPlan, plan_from_json
from . import jobs as api
from .api_worker import ApiWorker
from .jobs import Job
from .results import ShardState
from .run_state import Round, RoundJob, RunState


class Adoption:
    """Goes on with the Jobs of runs that were interrupted, and removes what is of no use of theirs."""

    def __init__(self, state: RunState, worker: ApiWorker) -> None:
        self._state = state
        self._api = worker

    def take_over(self) -> None:
        """Adopt the Jobs on record that nobody looks after any more; remove the others of dead runs."""
        namespace = self._state.options.namespace
        records = {record.uid: record for record in self._state.book.jobs(self._state.server, namespace)}
        jobs: list[Job] = self._api.call(self._state.jobs.jobs)
        dead = self._api.call(self._dead, jobs)
        for uid in records.keys() - {job.uid for job in jobs}:
            self._state.book.forget_job(uid)
        rounds: dict[str, Round] = {}
        for job in dead:
            record = records.get(job.uid)
            if record is not None and self._adopt(job, record, rounds):
                continue
            self._state.runs.add(job.run)
            self._api.call(self._state.jobs.delete_job, job.name, job.uid)
            self._state.book.forget_job(job.uid)
        self._state.rounds += rounds.values()

    def sweep(self) -> None:
        """Remove what died while we worked. Runs in the worker."""
        for job in self._dead(self._state.jobs.jobs()):
            self._state.runs.add(job.run)
            self._state.jobs.delete_job(job.name, job.uid)

    def _dead(self, jobs: t.Sequence[Job]) -> list[Job]:
        """Those whose process is gone; a process gives its sign of life on one of its Jobs alone."""
        foreign_jobs = [job for job in jobs if job.uid not in self._state.made]
        if not foreign_jobs:
            return []
        stale = self._state.jobs.server_time() - api.STALE
        alive: dict[str, datetime] = {}
        for job in foreign_jobs:
            alive[job.run] = max(job.alive_at, alive.get(job.run, job.alive_at))
        return [job for job in foreign_jobs if api.is_dead(job.owner) or alive[job.run] < stale]

    def _adopt(self, job: Job, record: JobRecord, rounds: dict[str, Round]) -> bool:
        """Go on with a Job of an interrupted run, if it has a plan that is on record and images that we want."""
        if job.suspended:
            return False
        data = self._api.call(self._state.jobs.plan, job)
        if data is None or hashlib.sha256(data).hexdigest() != record.plan_sha256:
            return False
        try:
            plan = plan_from_json(data)
        except ScanError:
            return False  # A newer version of the collection made it.
        numbers = range(len(plan.shards)) if job.shard is None else [job.shard]
        if (plan.method, plan.compliance) != (self._state.method, self._state.compliance):
            return False
        if not all(number < len(plan.shards) for number in numbers):
            return False
        shards, item_numbers = self._take(plan, numbers)
        if not item_numbers:
            return False
        moment = self._api.call(self._state.jobs.server_time)
        if not self._api.call(self._state.jobs.claim, job, self._state.owner, moment):
            return False
        self._state.skew = moment - datetime.now(timezone.utc)
        self._state.queue = [item for item in self._state.queue if item.number not in item_numbers]
        self._state.runs.add(job.run)
        self._state.made[job.uid] = job.name
        name = job.plan.rpartition("-")[0]
        round_ = rounds.setdefault(job.plan, Round(name, [], beat_at=self._state.clock()))
        round_.jobs.append(RoundJob(job.name, job.uid, shards, self._state.clock()))
        return True

    def _take(self, plan: ScanPlan, numbers: t.Iterable[int]) -> tuple[dict[int, ShardState], set[int]]:
        """Shards of a plan with the images of them that are wanted, and the numbers of these."""
        # What a tag meant when the interrupted run asked is not an answer to what it means now.
        by_digest = {item.digest: item for item in self._state.queue if item.digest}
        shards: dict[int, ShardState] = {}
        item_numbers: set[int] = set()
        for number in numbers:
            items = {}
            for position, planned in enumerate(plan.shards[number].images):
                item = by_digest.get(planned.digest)
                if item is not None and item.number not in item_numbers:
                    items[position] = item
                    item_numbers.add(item.number)
            shards[number] = ShardState(plan.shards[number].key, items, set(items), ended=not items)
        return shards, item_numbers
