# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that appear in a cluster or a registry: what is watched and polled, and what each object tells of images.

Every watch and every poll is a thread of its own. The first that fails for good ends them all: an event source that
silently sees half of the cluster would be taken for one that sees all of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import random
import threading
import typing as t

from .._core.errors import InputError, ScanError
from .._core.times import exact_now_text
from .._images.access import Access
from .._images.references import parse_reference
from .._images.registry import open_repository
from .._images.sightings import POD, STREAM, is_of_one_cluster
from .._kubernetes.client import KubernetesClient
from .._kubernetes.watch import Item, Watcher
from .event_queue import Arrival, Backlog
from .images import GROUP, PREFIX, StreamQuery, names_of_stream, read_image, read_stream
from .model import NamedImage, Unidentified
from .selection import DiscoverySelection, check_namespaces, full_name, identity, is_openshift, obj, text
from .sources import RegistryQuery, gather
from .workloads import OUR_LABEL, SOURCE, read_holder, running

_LOG = logging.getLogger(__name__)

IMAGES, STREAMS, PODS = "images", "streams", "pods"
#: Namespaces that are watched one by one, each over a connection of its own.
MOST_NAMESPACES = 20
#: What is told of a registry whose poll failed is not news for the next poll.
REGISTRY = "registry"


@dataclasses.dataclass(frozen=True)
class Poll:
    """A registry that is asked every ``interval`` seconds which tags it has."""

    query: RegistryQuery
    interval: float


@dataclasses.dataclass(frozen=True)
class Watch:
    """Parts of a cluster to watch. ``kinds``: any of images, streams, pods. ``own_namespace``: our scanner pods'.

    ``only_new``: what the first list of each kind has counts as known.
    """

    kinds: tuple[str, ...] = ()
    selection: DiscoverySelection = dataclasses.field(default_factory=DiscoverySelection)
    own_namespace: str = ""
    only_new: bool = False


class Arrivals:
    """Fills a backlog until ``stop``. ``ended`` is called when a thread ends; ``failure`` tells why, where we know."""

    def __init__(self, backlog: Backlog, ended: t.Callable[[], None]) -> None:
        self.failure: ScanError | None = None
        self._backlog = backlog
        self._ended = ended
        self._watchers: list[Watcher] = []
        self._stopped = threading.Event()

    def watch(self, client: KubernetesClient, wanted: Watch) -> None:
        """Begin to watch. Raises ScanError where the cluster has not what is asked for."""
        openshift = is_openshift(client)
        if {IMAGES, STREAMS} & set(wanted.kinds) and not client.has_group(GROUP):
            raise InputError(
                f"{client.server} has no {GROUP}, so it is not OpenShift", hint="watch pods, or poll its registries"
            )
        selection = wanted.selection
        check_namespaces(client, selection)
        cluster = identity(client) if {STREAMS, PODS} & set(wanted.kinds) else ""

        def of_cluster(arrivals: list[Arrival]) -> list[Arrival]:
            return [
                dataclasses.replace(one, cluster=cluster) if is_of_one_cluster(one.reference) else one
                for one in arrivals
            ]

        readers: dict[str, tuple[str, str, t.Callable[[Item], list[Arrival]]]] = {
            IMAGES: (PREFIX, "images", image_arrivals),
            STREAMS: (PREFIX, "imagestreams", lambda item: of_cluster(stream_arrivals(item, selection, openshift))),
            PODS: (
                "/api/v1",
                "pods",
                lambda item: of_cluster(pod_arrivals(item, selection, openshift, wanted.own_namespace)),
            ),
        }
        params = {"labelSelector": selection.label_selector} if selection.label_selector else {}
        for kind in wanted.kinds:
            prefix, resource, read = readers[kind]
            plain = selection.plain if len(selection.plain) <= MOST_NAMESPACES and kind != IMAGES else ()
            paths = [f"{prefix}/namespaces/{name}/{resource}" for name in plain] or [f"{prefix}/{resource}"]
            for path in paths:
                self._start(self._watcher(client, path, params if kind != IMAGES else {}, read, wanted.only_new).run)

    def _watcher(
        self,
        client: KubernetesClient,
        path: str,
        params: t.Mapping[str, str],
        read: t.Callable[[Item], list[Arrival]],
        only_new: bool,
    ) -> Watcher:
        def see(item: Item) -> None:
            self._backlog.offer(read(item), known=only_new and not self._backlog.has_looked(path))

        watcher = Watcher(client, path, see, lambda: self._backlog.looked(path), params)
        self._watchers.append(watcher)
        return watcher

    def poll(self, poll: Poll, access: Access, *, only_new: bool = False) -> None:
        """Begin to ask a registry."""
        self._start(lambda: self._poll(poll, access, only_new))

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

    def _poll(self, poll: Poll, access: Access, only_new: bool) -> None:
        name = f"registry {poll.query.registry}"
        first = True
        while not self._stopped.is_set():
            arrivals, failed = registry_arrivals(poll.query, access)
            if first and failed and not arrivals:
                raise ScanError(failed[0].message, code=failed[0].code)
            first = False
            for one in failed:
                _LOG.warning("%s: %s", one.name, one.message)
            self._backlog.offer(arrivals, known=only_new and not self._backlog.has_looked(name))
            if not failed and not self._backlog.has_looked(name):
                self._backlog.looked(name)
            self._stopped.wait(poll.interval * random.uniform(0.9, 1.1))


def image_arrivals(item: Item) -> list[Arrival]:
    """Read the arrivals of an Image object."""
    found = read_image(item)
    if isinstance(found, Unidentified):
        return [_problem(found)]
    facts = found.facts
    if not facts.reference:
        return [
            Arrival(
                facts.digest,
                source=IMAGES,
                code="no-reference",
                message="this Image object has no name to pull it by",
            )
        ]
    return [Arrival(facts.reference, facts.digest, IMAGES, mark=text(obj(item, "metadata"), "uid", 64))]


def stream_arrivals(item: Item, selection: DiscoverySelection, openshift: bool) -> list[Arrival]:
    """Read the arrivals of an image stream: its tags, each with its history."""
    stream = read_stream(item)
    if selection.refusal(stream.namespace, openshift):
        return []
    named, problems = names_of_stream(stream, selection, StreamQuery(), openshift)
    now = exact_now_text()
    found = [
        Arrival(
            one.name, one.digest, STREAMS, stream.namespace, told=one.past or STREAM, seen=one.seen if one.past else now
        )
        for one in named
    ]
    return found + [_problem(one, stream.namespace) for one in problems]


def pod_arrivals(item: Item, selection: DiscoverySelection, openshift: bool, own_namespace: str = "") -> list[Arrival]:
    """What a pod tells: what its containers run, once the node pulled it, and what its specification pins."""
    namespace, _name = full_name(item)
    labels = obj(item, "metadata", "labels")
    is_ours = bool(own_namespace) and namespace == own_namespace and labels.get(OUR_LABEL[0]) == OUR_LABEL[1]
    if is_ours or selection.refusal(namespace, openshift):
        return []
    names: list[tuple[NamedImage, str]] = []
    arrivals: list[Arrival] = []
    for slot in read_holder("pods", item).slots:
        try:
            if slot.image_id:
                names += [(one, slot.started) for one in running(slot.reference, slot.image_id)]
            elif "@" in slot.reference:
                reference = parse_reference(slot.reference)
                names.append((NamedImage(str(reference), SOURCE, reference.digest), ""))
        except ScanError as error:
            problem = Unidentified(slot.reference, PODS, error.code, str(error))
            arrivals.append(_problem(problem, namespace))
    arrivals += [
        Arrival(one.name, one.digest, PODS, namespace, mark=one.image_id, told=POD, seen=started)
        for one, started in names
    ]
    return arrivals


def registry_arrivals(query: RegistryQuery, access: Access) -> tuple[list[Arrival], list[Unidentified]]:
    """The tags that a registry has now, and what could not be read of it; that is asked for again next time."""
    named, _excluded, failed = gather((), (), (query,), access)
    arrivals: list[Arrival] = []
    for one in named:
        reference = parse_reference(one.name)
        try:
            data, _kind = open_repository(reference, access).fetch_manifest(reference.tag)
        except ScanError as error:
            failed.append(Unidentified(one.name, REGISTRY, error.code, str(error)))
            continue
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        arrivals.append(Arrival(one.name, digest, REGISTRY, told=REGISTRY, seen=exact_now_text()))
    return arrivals, failed


def _problem(found: Unidentified, namespace: str = "") -> Arrival:
    return Arrival(found.name, source=found.source, namespace=namespace, code=found.code, message=found.message)
