# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan images in the cluster: rounds of Jobs until every image has an outcome.

A round is one Indexed Job whose pods each work through a shard, or, with image volumes, Jobs of one pod each. What a
pod left unfinished goes into a further round, in smaller shards, and what it may have died of alone. The main thread
keeps the book and decides; one worker thread talks to the API. The parts of a run share its ``RunState``.
"""

from __future__ import annotations

import functools
import time
import typing as t

from .._images.access import Access
from .._images.model import Platform
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError
from .._scanner.ledger import Ledger
from .._scanner.model import Book, ScanOutcome
from .._scanner.targets import Request
from .adoption import Adoption
from .api_worker import TICK, ApiWorker
from .image_volumes import require_image_volumes
from .log_collector import LogCollector
from .options import ScanOptions
from .planning import RequestPlanner
from .pod_watcher import PodWatcher
from .rounds import RoundLauncher
from .run_state import RunState
from .sharding import Item
from .supervisor import Supervisor

#: How long removing everything may take: normally, and when nobody waits any more (seconds).
CLEAN, HURRY = 45.0, 6.0


class JobScan:
    """One run over a list of requests. ``plan`` is what check mode shows; ``warnings`` are for a person."""

    def __init__(
        self,
        book: Book,
        client: KubernetesClient,
        access: Access,
        options: ScanOptions,
        *,
        method: str,
        platforms: t.Sequence[Platform] = (),
        plan_only: bool = False,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self.plan = {"jobs": 0, "pods": 0, "images": 0, "bytes": 0}
        self._plan_only = plan_only
        self._sleep = sleep
        ledger = Ledger(book, platforms, plan_only=plan_only)
        self._state = RunState(book, client, options, ledger, method=method, clock=clock)
        self._api = ApiWorker(self._state, self._while_waiting)
        self._planner = RequestPlanner(self._state, access, self._beat)
        self._launcher = RoundLauncher(self._state, self._api, platforms)
        self._watcher = PodWatcher(self._state, self._api, LogCollector(client, options.namespace, clock=clock))
        self._supervisor = Supervisor(self._state, self._api, self._watcher)
        self._adoption = Adoption(self._state, self._api)
        self._remaining: t.Callable[[int, int, float], str] = lambda done_count, total, seconds: ""
        self._began = 0.0

    @property
    def warnings(self) -> list[str]:
        """Warnings for a person."""
        return self._state.warnings

    def run(self, requests: t.Sequence[Request], remaining: t.Callable[[int, int, float], str]) -> None:
        """Scan them all. Failures are outcomes; Abandoned, and an API that takes no Job at all, end the run early."""
        self._remaining, self._began = remaining, self._state.clock()
        self._state.ledger.total = len(requests)
        finished = False
        try:
            items = self._planner.items(requests)
            compliance = self._state.options.compliance
            if items and (
                self._state.method == "image_volume" or (compliance is not None and compliance.content_image)
            ):
                self._api.call(require_image_volumes, self._state.jobs, self._state.options.pod, self._state.run)
            if self._state.method == "image_volume" and items:
                items = self._planner.resolved(items)
            if self._plan_only:
                self._show_plan(items)
                return
            self._state.queue = items
            self._adoption.take_over()
            self._work()
            self._state.ledger.check()
            finished = True
        finally:
            self._clean(hurry=not finished)
            self._api.close()

    def _show_plan(self, items: list[Item]) -> None:
        shards = self._launcher.cut(items)
        self.plan = {
            "jobs": len(shards) if self._state.method == "image_volume" else len(self._launcher.batches(items)),
            "pods": len(shards),
            "images": len(items),
            "bytes": sum(item.size for item in items),
        }
        for item in items:
            self._state.ledger.finish(ScanOutcome(item.digest, item.references, "planned", item.platform, item.index))

    def _work(self) -> None:
        """Until nothing is left."""
        try:
            while self._state.queue or self._state.rounds:
                self._launcher.launch()
                self._watcher.look()
                self._supervisor.decide()
                self._launcher.close()
                self._beat()
                if self._state.queue or self._state.rounds:
                    self._sleep(TICK)
        except ApiError as error:
            if not self._state.ledger.counts["scanned"] and not self._state.watched:
                raise  # Nothing worked yet: one sentence says more than an error of each image.
            self._supervisor.give_up(error)

    def _while_waiting(self) -> None:
        """Go on saying that we are alive."""
        self._watcher.listen()
        self._beat()

    def _beat(self) -> None:
        running = sum(watched.pod.running for watched in self._state.watched.values() if watched.gone_at is None)
        pods = [f"{running} {'pods' if running > 1 else 'pod'} running"] if running else []
        ledger = self._state.ledger
        remaining = self._remaining(ledger.done, ledger.total, self._state.clock() - self._began)
        self._state.book.beat(ledger.line(remaining, *pods))

    def _clean(self, *, hurry: bool) -> None:
        """Remove what the run made. In a hurry (nobody waits any more) what cannot be done at once stays on record."""
        self._watcher.collector.close()
        if self._plan_only:
            return
        end = self._state.clock() + (HURRY if hurry else CLEAN)
        job_names = dict(self._state.made)
        deleted_uids: list[str] = []

        def delete() -> None:
            for uid, name in job_names.items():
                self._state.jobs.delete_job(name, uid)
                deleted_uids.append(uid)

        self._api.until(end, delete)
        for uid in list(deleted_uids):
            self._state.forget_job(uid)
        if hurry:
            return
        self._api.until(end, self._adoption.sweep)
        leftovers = functools.partial(
            self._state.jobs.leftovers, *sorted(self._state.runs), ended_pods=self._state.done
        )
        while names := self._api.until(end, leftovers):
            if self._state.clock() >= end:
                break
            self._sleep(TICK)
            self._beat()
        if names:
            self._state.warn(f"still there in the namespace {self._state.options.namespace}: {', '.join(names[:5])}")
