# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that appear in a cluster or a registry: what sources tell while they are watched and polled.

Every watch and every poll is a thread of its own. The first that fails for good ends them all: an event source that
silently sees half of the cluster would be taken for one that sees all of it.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import threading
import typing as t

from .._core.errors import ScanError
from .._images.access import Access
from .._images.sightings import is_of_one_cluster
from .._kubernetes.watch import Item, Watcher
from .cluster import Cluster
from .event_queue import Backlog
from .model import Arrival
from .source import registry
from .source.model import WatchedKind

_LOG = logging.getLogger(__name__)

#: Namespaces that are watched one by one, each over a connection of its own.
MOST_NAMESPACES = 20


@dataclasses.dataclass(frozen=True)
class Poll:
    """A registry that is asked every ``interval`` seconds which tags it has."""

    query: registry.RegistryQuery
    interval: float


class Arrivals:
    """Fills a backlog until ``stop``. ``ended`` is called when a thread ends; ``failure`` tells why, where we know.

    ``only_new``: what the first list of each kind and each registry has counts as known.
    """

    def __init__(self, backlog: Backlog, ended: t.Callable[[], None], *, only_new: bool = False) -> None:
        self.failure: ScanError | None = None
        self._backlog = backlog
        self._ended = ended
        self._only_new = only_new
        self._watchers: list[Watcher] = []
        self._stopped = threading.Event()

    def watch(self, cluster: Cluster, kinds: t.Sequence[WatchedKind]) -> None:
        """Begin to watch. Raises ScanError where the cluster has not what is asked for."""
        for kind in kinds:
            kind.check(cluster)
        cluster.prepare()
        selection = cluster.selection
        # What is in no namespace has no name that differs by cluster.
        identity = cluster.identity if any(kind.namespaced for kind in kinds) else ""
        for kind in kinds:
            plain = selection.plain if len(selection.plain) <= MOST_NAMESPACES and kind.namespaced else ()
            paths = [f"{kind.prefix}/namespaces/{name}/{kind.resource}" for name in plain]
            for path in paths or [f"{kind.prefix}/{kind.resource}"]:
                self._start(self._watcher(cluster, kind, path, identity).run)

    def _watcher(self, cluster: Cluster, kind: WatchedKind, path: str, identity: str) -> Watcher:
        selector = cluster.selection.label_selector if kind.namespaced else ""

        def see(item: Item) -> None:
            arrivals = [
                dataclasses.replace(arrival, cluster=identity) if is_of_one_cluster(arrival.reference) else arrival
                for arrival in kind.read(item, cluster)
            ]
            self._offer(path, arrivals)

        params = {"labelSelector": selector} if selector else {}
        watcher = Watcher(cluster.client, path, see, lambda: self._backlog.looked(path), params)
        self._watchers.append(watcher)
        return watcher

    def _offer(self, name: str, arrivals: list[Arrival]) -> None:
        self._backlog.offer(arrivals, known=self._only_new and not self._backlog.has_looked(name))

    def poll(self, poll: Poll, access: Access) -> None:
        """Begin to ask a registry."""
        self._start(lambda: self._poll(poll, access))

    def stop(self) -> None:
        """End everything. Threads that wait for a registry end later, by themselves."""
        self._stopped.set()
        for watcher in self._watchers:
            watcher.stop()

    def _start(self, work: t.Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except ScanError as error:
                self.failure = self.failure or error
            finally:  # a defect, too: its traceback is printed, and whoever waits has to learn of it
                if not self._stopped.is_set():
                    self._ended()

        # A daemon: a silent connection must not keep the process from ending.
        threading.Thread(target=run, name="imagescan-arrivals", daemon=True).start()

    def _poll(self, poll: Poll, access: Access) -> None:
        name = f"registry {poll.query.registry}"
        first = True
        while not self._stopped.is_set():
            arrivals, problems = registry.poll(poll.query, access)
            if first and problems and not arrivals:
                raise ScanError(problems[0].message, code=problems[0].code)
            first = False
            for problem in problems:
                _LOG.warning("%s: %s", problem.name, problem.message)
            self._offer(name, arrivals)
            if not problems and not self._backlog.has_looked(name):
                self._backlog.looked(name)
            self._stopped.wait(poll.interval * random.uniform(0.9, 1.1))
