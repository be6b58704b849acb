# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that a cluster runs and would run: pods by the digest that the runtime reports, workloads by their templates.

A runtime reports ``imageID`` in several forms: with a repository (``quay.io/team/app@sha256:...``, Docker's with
``docker-pullable://`` before it) it is the digest of a manifest or index. A digest alone is mostly that of a config:
CRI-O reports it after a restart, containerd for images that were imported. It is never taken for a manifest unseen.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.errors import InputError, ScanError
from ..._core.text import quoted
from ..._images.references import Reference, is_digest, parse_reference
from ..._images.sightings import POD, moment
from ..._kubernetes.errors import OF_THE_CLUSTER, ApiError
from ..cluster import Cluster
from ..images import INTEGRATED_REGISTRY, StreamTags, parsed
from ..model import Arrival, NamedImage, NameUsage, Unidentified
from ..selection import LeftOut, full_name, obj, on_one_line
from ..workloads import KINDS, Holder, Slot, read_holder
from .model import DiscoverySource, Gathered, Params, WatchedKind

NAME = "workloads"
#: What marks our own pods; it counts in our own namespace alone, where only we create pods.
OUR_LABEL = ("app.kubernetes.io/managed-by", "imagescan.openshift")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_ID = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class WorkloadQuery:
    """Kinds to list. ``old_revisions``: also what only was: templates of former revisions, Jobs that have ended."""

    kinds: t.Sequence[str] = tuple(KINDS)
    old_revisions: bool = False


def parse(options: Params, params: Params) -> WorkloadQuery:
    """Read the options of the source."""
    if params["in_use"] and "pods" not in options["kinds"]:
        raise InputError("in_use is asked for, but workloads.kinds is without pods, which tell what runs")
    return WorkloadQuery(options["kinds"], options["old_revisions"])


def gather(query: WorkloadQuery, cluster: Cluster) -> Gathered:
    """List all objects of some kinds. Kinds that the cluster does not have are left out; one that it refuses raises."""
    reading = _SlotReading(StreamTags(cluster.client, cluster.streams))
    namespaces = set()
    # Pods come first: a template whose image a pod of its namespace runs needs no registry.
    for kind in sorted(query.kinds, key=list(KINDS).index):
        for holder in _list_holders(kind, query, cluster):
            namespaces.add(holder.namespace)
            reading.take(holder)
    return Gathered(
        excluded=reading.left_out.lines(),
        unidentified=reading.problems() + cluster.unseen(namespaces, NAME),
        uses=reading.uses,
    )


def _list_holders(kind: str, query: WorkloadQuery, cluster: Cluster) -> list[Holder]:
    group = KINDS[kind].group
    if group and not cluster.client.has_group(group):
        return []

    def project(item: dict[str, t.Any]) -> Holder:
        namespace, name = full_name(item)
        reason = cluster.refusal(namespace) or ("they are our own scanner's" if is_ours(item, cluster) else "")
        if reason:
            return Holder(kind, namespace, name, reason=reason)
        return read_holder(kind, item, old_revisions=query.old_revisions)

    try:
        return cluster.items(KINDS[kind].prefix, kind, project)
    except ApiError as error:
        if error.status == 404 and group:
            return []  # the group is there, but not this kind
        raise


def is_ours(item: dict[str, t.Any], cluster: Cluster) -> bool:
    """Return whether an object is our own scanner's."""
    namespace = full_name(item)[0]
    labels = obj(item, "metadata", "labels")
    return bool(namespace) and namespace == cluster.own_namespace and labels.get(OUR_LABEL[0]) == OUR_LABEL[1]


class _SlotReading:
    """Turns slots into names and counts who uses them."""

    def __init__(self, tags: StreamTags) -> None:
        self.uses: dict[NamedImage, NameUsage] = {}
        self.left_out = LeftOut()
        self._tags = tags
        self._pods = 0
        self._running: set[tuple[str, str]] = set()  # (namespace, reference) that a pod is known to run
        self._problems: dict[tuple[str, str, str], list[str]] = {}  # (name, code, message) -> who has it

    def take(self, holder: Holder) -> None:
        """One object."""
        if holder.reason:
            self.left_out.add(f"{holder.kind} in namespace {holder.namespace}", holder.reason)
            return
        if holder.problem:
            self._problem(holder, holder.label, "corrupt-data", holder.problem)
        self._pods += holder.kind == "pods"
        for slot in holder.slots:
            if slot.unseen:
                message = "it is mounted as a volume, and the cluster does not tell which image the tag meant then"
                self._problem(holder, _shown_reference(slot.reference), "image-volume-unseen", message)
            try:
                names = self._names(holder, slot)
            except ScanError as error:
                if error.code in OF_THE_CLUSTER:
                    raise
                self._problem(holder, _shown_reference(slot.reference), error.code, str(error))
                continue
            for name in names:
                self._use(name, holder, slot)

    def _use(self, name: NamedImage, holder: Holder, slot: Slot) -> None:
        usage = self.uses.setdefault(name, NameUsage())
        usage.namespaces.add(holder.namespace)
        if holder.runs:
            usage.pods.add(self._pods)
        if name.past or name.image_id:
            usage.started = max(usage.started, slot.started, key=moment)

    def problems(self) -> list[Unidentified]:
        """List what could not be identified, with an example of who names it."""
        problems = []
        for (name, code, message), holders in self._problems.items():
            more = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
            said = f"{message}; named by {on_one_line(holders[0])}{more}"
            problems.append(Unidentified(name, NAME, code, said))
        return problems

    def _problem(self, holder: Holder, name: str, code: str, message: str) -> None:
        self._problems.setdefault((name, code, message), []).append(holder.label)

    def _names(self, holder: Holder, slot: Slot) -> list[NamedImage]:
        if slot.kind != "DockerImage":
            return [self._stream_tag(slot, slot.namespace or holder.namespace)]
        place = (holder.namespace, slot.reference)
        if slot.image_id:
            if holder.runs:
                self._running.add(place)
            return running(slot.reference, slot.image_id)
        if not slot.reference.strip():
            raise ScanError("it has no image yet", code="no-reference", hint="something has to set it before it runs")
        if place in self._running and not holder.runs:
            return []  # a pod of this namespace runs it, and tells what it is
        reference = parse_reference(slot.reference)
        return [self._of_stream(reference) or NamedImage(str(reference), NAME, reference.digest)]

    def _of_stream(self, reference: Reference) -> NamedImage | None:
        """The image of a reference by tag into the integrated registry, as far as its stream tells."""
        namespace, slash, name = reference.repository.partition("/")
        if reference.registry != INTEGRATED_REGISTRY or reference.digest or not slash:
            return None
        try:
            pulled, digest = self._tags.find(namespace, name, reference.tag)
        except ScanError as error:
            if error.code in OF_THE_CLUSTER:
                raise
            return None  # the registry may know
        return NamedImage(str(reference) if digest else pulled, NAME, digest)

    def _stream_tag(self, slot: Slot, namespace: str) -> NamedImage:
        if slot.kind == "ImageStreamTag":
            name, _colon, tag = slot.reference.partition(":")
            reference, digest = self._tags.find(namespace, name, tag or "latest")
            return NamedImage(reference, NAME, digest)
        name, _at, digest = slot.reference.partition("@")
        if slot.kind != "ImageStreamImage" or not is_digest(digest):
            raise ScanError(
                f"{on_one_line(slot.kind)} {quoted(slot.reference, 100)} is not a kind of reference that we know",
                code="corrupt-data",
            )
        return NamedImage(str(parse_reference(f"{INTEGRATED_REGISTRY}/{namespace}/{name}@{digest}")), NAME, digest)


def running(specification: str, image_id: str) -> list[NamedImage]:
    """The names of what runs: by the runtime's word, with the specification's name where both are of one repository.

    Raises ScanError where neither tells what it is.
    """
    asked = parsed(specification)
    bare = _SCHEME.sub("", image_id, count=1)
    if "@" in bare:
        try:
            ran = parse_reference(bare)
        except InputError as error:
            raise ScanError(f"the runtime reports an image ID that we cannot read: {error}", code="image-id") from error
        exact = NamedImage(str(Reference(ran.registry, ran.repository, digest=ran.digest)), NAME, ran.digest)
        if asked is None:
            return [exact]
        if asked.digest and asked.digest != ran.digest:
            # An index was asked for and one of its images runs, or the runtime knows the same files by another name.
            return [exact, NamedImage(str(asked), NAME, asked.digest)]
        return [exact, NamedImage(str(asked), NAME, ran.digest, doubtful=asked.name != ran.name, past=POD)]
    if _ID.fullmatch(bare):
        bare = f"sha256:{bare}"
    if not is_digest(bare):
        raise ScanError(
            f"the runtime reports an image ID that we cannot read: {quoted(image_id, 100)}", code="image-id"
        )
    if asked is None:
        raise ScanError(
            f"the runtime reports the image ID {bare}, and the specification names no repository to look for it",
            code="image-id",
        )
    if asked.digest:
        return [NamedImage(str(asked), NAME, asked.digest)]
    return [NamedImage(str(asked), NAME, image_id=bare)]


def _shown_reference(reference: str) -> str:
    """Spell a reference of a specification so that nobody takes it for a local file."""
    return str(parsed(reference) or quoted(reference, 300))


def pod_arrivals(item: dict[str, t.Any], cluster: Cluster) -> list[Arrival]:
    """Return what a pod tells: what its containers run, once the node pulled it, and what its specification pins."""
    namespace, _name = full_name(item)
    if is_ours(item, cluster) or cluster.refusal(namespace):
        return []
    names: list[tuple[NamedImage, str]] = []
    problems: list[Arrival] = []
    for slot in read_holder("pods", item).slots:
        try:
            if slot.image_id:
                names += [(name, slot.started) for name in running(slot.reference, slot.image_id)]
            elif "@" in slot.reference:
                reference = parse_reference(slot.reference)
                names.append((NamedImage(str(reference), NAME, reference.digest), ""))
        except ScanError as error:
            problems.append(Unidentified(slot.reference, "pods", error.code, str(error)).arrival(namespace))
    return problems + [
        Arrival(name.name, name.digest, "pods", namespace, mark=name.image_id, told=POD, seen=started)
        for name, started in names
    ]


SOURCE = DiscoverySource(
    NAME,
    {
        "type": "dict",
        "options": {
            "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
            "old_revisions": {"type": "bool", "default": False},
        },
    },
    gather,
    parse,
    in_cluster=True,
    tells_use=True,
    watch=(WatchedKind("pods", "pods", "/api/v1", "pods", pod_arrivals),),
)
