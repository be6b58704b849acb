# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of a run in a cluster: its queue, its rounds of Jobs, and their pods as they were last seen."""

from __future__ import annotations

import dataclasses
import secrets
import typing as t
from datetime import datetime, timedelta, timezone

from .._core.errors import ScanError
from .._kubernetes.client import KubernetesClient
from .._scanner.ledger import Ledger
from .._scanner.model import Book
from . import jobs as api
from .jobs import Job, JobPod, Jobs
from .options import ScanOptions
from .results import RecordReceiver, ShardState
from .sharding import Item


@dataclasses.dataclass
class WatchedPod:
    """A pod and what is known of it beyond its last state."""

    pod: JobPod
    shard: ShardState
    job: str
    seen_at: float
    followed: bool = False
    doing: tuple[str, ...] = ()
    failure: ScanError | None = None
    gone_at: float | None = None
    lost_at: float | None = None
    lost_why: str = ""


@dataclasses.dataclass
class RoundJob:
    """A Job of a round: all shards of it, or with image volumes one."""

    name: str
    uid: str
    shards: dict[int, ShardState]
    released_at: float | None = None
    parallelism: int = 1
    deleted: bool = False

    @property
    def is_over(self) -> bool:
        """True if all its shards have ended."""
        return all(shard.ended for shard in self.shards.values())


@dataclasses.dataclass
class Round:
    """Jobs that share program and plan."""

    name: str
    jobs: list[RoundJob]
    is_retry: bool = False
    beat_at: float = 0.0

    @property
    def shards(self) -> list[ShardState]:
        return [shard for job in self.jobs for shard in job.shards.values()]


class RunState:
    """State of one run that its parts share: what is to be done, what was made for it, and what was last seen of that.

    ``queue``: images that no round has yet. ``made``: UID of each Job on record, and its name. ``runs``: labels of the
    Jobs that are ours, adopted ones too. ``done``: UIDs of the pods that said bye. Moments are those of ``clock``.
    """

    def __init__(
        self,
        book: Book,
        client: KubernetesClient,
        options: ScanOptions,
        ledger: Ledger,
        *,
        method: str,
        clock: t.Callable[[], float],
    ) -> None:
        self.book = book
        self.server = client.server
        self.jobs = Jobs(client, options.namespace)
        self.options = options
        self.method = method
        self.clock = clock
        self.compliance = options.compliance.planned(options.pod.image) if options.compliance else None
        self.ledger = ledger
        self.results = RecordReceiver(ledger, self.new_number)
        self.results.needs_labels = method == "image_volume"
        self.results.needs_rules = options.compliance is not None
        self.run = secrets.token_hex(5)
        self.runs = {self.run}
        self.owner = api.this_process()
        self.skew: timedelta | None = None
        self.warnings: list[str] = []
        self.queue: list[Item] = []
        self.queued_at = 0.0
        self.rounds: list[Round] = []
        self.watched: dict[str, WatchedPod] = {}
        self.done: set[str] = set()
        self.made: dict[str, str] = {}
        self.states: dict[str, Job] = {}
        self.troubles: dict[str, ScanError] = {}
        self.saw_pods_at = self.saw_jobs_at = self.worked_at = float("-inf")
        self._numbers = 0

    def new_number(self) -> int:
        """Number an image of this run."""
        self._numbers += 1
        return self._numbers

    def warn(self, text: str) -> None:
        """Keep a warning for a person, each once."""
        if text not in self.warnings and len(self.warnings) < 20:
            self.warnings.append(text)

    def server_now(self) -> datetime:
        """Estimate the server's time."""
        return datetime.now(timezone.utc) + (self.skew or timedelta())

    def requeue(self, items: list[Item]) -> None:
        """Put images back, for a further round."""
        if items:
            self.queue += items
            self.queued_at = self.clock()

    def forget_job(self, uid: str) -> None:
        """Take a Job that is gone off the record."""
        self.made.pop(uid, None)
        self.book.forget_job(uid)
