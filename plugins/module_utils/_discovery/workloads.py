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

from .._core.errors import InputError, ScanError
from .._core.text import quoted
from .._images.references import Reference, is_digest, parse_reference
from .._images.sightings import POD, moment
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import OF_THE_CLUSTER, ApiError
from .images import INTEGRATED_REGISTRY, StreamTags
from .model import Excluded, NamedImage, NameUsage, Unidentified
from .selection import DiscoverySelection, LeftOut, array, full_name, is_openshift, obj, on_one_line, text, unseen

SOURCE = "workloads"
#: What marks our own pods; it counts in our own namespace alone, where only we create pods.
OUR_LABEL = ("app.kubernetes.io/managed-by", "imagescan.openshift")
#: Containers (of one pod) that are looked at; an object of the API's largest size has fewer.
CONTAINER_LIMIT = 50_000
_CONTAINERS = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
#: Owners whose own template we read. Another one (a Rollout of Argo) may start its ReplicaSet at zero again.
_WITH_REVISIONS = ("Deployment", "DeploymentConfig")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_ID = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class WorkloadKind:
    """A kind of object that names images. ``group``: one that not every cluster has."""

    prefix: str
    path: tuple[str, ...] = ("spec", "template", "spec")
    group: str = ""


KINDS: t.Mapping[str, WorkloadKind] = {
    "pods": WorkloadKind("/api/v1", ("spec",)),
    "deployments": WorkloadKind("/apis/apps/v1"),
    "replicasets": WorkloadKind("/apis/apps/v1"),
    "statefulsets": WorkloadKind("/apis/apps/v1"),
    "daemonsets": WorkloadKind("/apis/apps/v1"),
    "jobs": WorkloadKind("/apis/batch/v1"),
    "cronjobs": WorkloadKind("/apis/batch/v1", ("spec", "jobTemplate", "spec", "template", "spec")),
    "replicationcontrollers": WorkloadKind("/api/v1"),
    "deploymentconfigs": WorkloadKind("/apis/apps.openshift.io/v1", group="apps.openshift.io"),
    "buildconfigs": WorkloadKind("/apis/build.openshift.io/v1", ("spec",), "build.openshift.io"),
}


@dataclasses.dataclass(frozen=True)
class Workloads:
    """Every name that the workloads gave, and who uses it."""

    uses: t.Mapping[NamedImage, NameUsage]
    excluded: tuple[Excluded, ...]
    unidentified: tuple[Unidentified, ...]


@dataclasses.dataclass(frozen=True)
class Slot:
    """One place for an image: what the specification says and what the runtime reports. ``kind``: of a reference.

    ``unseen``: it is in use, and nothing tells which image that is. ``started``: when, RFC 3339, or empty.
    """

    reference: str
    image_id: str = ""
    kind: str = "DockerImage"
    namespace: str = ""
    unseen: bool = False
    started: str = ""


@dataclasses.dataclass(frozen=True)
class Holder:
    """An object that names images. ``runs``: a pod that has not ended. ``reason``: why it is left out, or empty.

    ``problem``: what of it could not be read.
    """

    kind: str
    namespace: str
    name: str
    slots: tuple[Slot, ...] = ()
    runs: bool = False
    reason: str = ""
    problem: str = ""


def read_workloads(
    client: KubernetesClient,
    selection: DiscoverySelection,
    tags: StreamTags,
    *,
    kinds: t.Sequence[str] = tuple(KINDS),
    old_revisions: bool = False,
    own_namespace: str = "",
    unsure: t.Sequence[str] = (),
    count: t.Callable[[str], None] = lambda what: None,
) -> Workloads:
    """All objects of the given kinds. Kinds that the cluster does not have are left out; one that it refuses raises.

    ``old_revisions``: also what only was: templates of former revisions, and Jobs that have ended.
    """
    openshift = is_openshift(client)
    reading = _SlotReading(tags)
    seen = set()
    # Pods come first: a template whose image a pod of its namespace runs needs no registry.
    for name in sorted(kinds, key=list(KINDS).index):
        kind = KINDS[name]
        if kind.group and not client.has_group(kind.group):
            continue

        def project(item: dict[str, t.Any], name: str = name) -> Holder:
            count(name)
            namespace, own_name = full_name(item)
            reason = selection.refusal(namespace, openshift) or _is_ours(item, namespace, own_namespace)
            if reason:
                return Holder(name, namespace, own_name, reason=reason)
            return read_holder(name, item, old_revisions=old_revisions)

        try:
            holders = selection.list(client, kind.prefix, name, project)
        except ApiError as error:
            if error.status == 404 and kind.group:
                continue  # the group is there, but not this kind
            raise
        for holder in holders:
            seen.add(holder.namespace)
            reading.take(holder)
    problems = [unseen(namespace, SOURCE) for namespace in unsure if namespace not in seen]
    return Workloads(reading.uses, tuple(reading.left.lines()), (*reading.problems(), *problems))


def _is_ours(item: dict[str, t.Any], namespace: str, own_namespace: str) -> str:
    labels = obj(item, "metadata", "labels")
    ours = bool(own_namespace) and namespace == own_namespace and labels.get(OUR_LABEL[0]) == OUR_LABEL[1]
    return "they are our own scanner's" if ours else ""


def read_holder(kind: str, item: dict[str, t.Any], *, old_revisions: bool = False) -> Holder:
    """Read one object of one of ``KINDS``."""
    namespace, name = full_name(item)
    holder = Holder(kind, namespace, name)
    status = obj(item, "status")
    spec = obj(item, *KINDS[kind].path)
    if not spec:
        return dataclasses.replace(holder, problem="it has no readable specification")
    if kind == "buildconfigs":
        return dataclasses.replace(holder, slots=_build_slots(spec))
    if kind == "pods":
        ended = text(status, "phase") in ("Succeeded", "Failed")
        slots, problem = _slots(spec, status)
        if ended:
            # Of a pod that ended only what did run is told: the rest never will.
            slots = tuple(slot for slot in slots if slot.image_id)
        reason = "" if slots or problem or not ended else "they ended before they ran anything"
        return dataclasses.replace(holder, slots=slots, runs=not ended, problem=problem, reason=reason)
    if not old_revisions and _is_over(kind, item, status):
        what = "they have ended" if kind == "jobs" else "they are old revisions"
        return dataclasses.replace(holder, reason=f"{what} (old_revisions)")
    slots, problem = _slots(spec, {})
    if kind == "deploymentconfigs":
        slots = _triggered(item, spec, slots)
    return dataclasses.replace(holder, slots=slots, problem=problem)


def _is_over(kind: str, item: dict[str, t.Any], status: dict[str, t.Any]) -> bool:
    """Return whether an object only tells what was: nothing starts from it any more, unless somebody rolls back."""
    if kind == "jobs":
        conditions = [one for one in array(status, "conditions", 100) if isinstance(one, dict)]
        return any(text(one, "type") in ("Complete", "Failed") and text(one, "status") == "True" for one in conditions)
    if kind not in ("replicasets", "replicationcontrollers"):
        return False
    owners = array(obj(item, "metadata"), "ownerReferences", 100)
    owned = any(
        isinstance(one, dict) and one.get("controller") is True and text(one, "kind") in _WITH_REVISIONS
        for one in owners
    )
    return owned and obj(item, "spec").get("replicas") == 0


def _slots(spec: dict[str, t.Any], status: dict[str, t.Any]) -> tuple[tuple[Slot, ...], str]:
    """The containers and image volumes of a pod's specification, and what of it could not be read."""
    slots = []
    volumes: dict[str, str] = {}  # of image volumes, what the runtime mounted
    started = text(status, "phase") == "Running"
    problem = ""
    for listed, reported in _CONTAINERS:
        running: dict[str, str] = {}
        since: dict[str, str] = {}
        for one in array(status, reported, CONTAINER_LIMIT):
            if isinstance(one, dict):
                running[text(one, "name")] = text(one, "imageID")
                since[text(one, "name")] = _started(one)
                for mount in array(one, "volumeMounts"):
                    mounted = text(obj(mount, "volumeStatus", "image"), "imageRef")
                    if mounted:
                        volumes[text(obj(mount), "name")] = mounted
        # While init containers run, a pod is Pending, and its volumes are mounted already.
        started = started or (listed == "initContainers" and any(running.values()))
        if spec.get(listed) is not None and not isinstance(spec[listed], list):
            problem = f"its {listed} are not a list"
        for one in array(spec, listed, CONTAINER_LIMIT):
            if not isinstance(one, dict):
                problem = f"one of its {listed} is not an object"
                continue
            name = text(one, "name")
            slots.append(Slot(text(one, "image"), running.get(name, ""), started=since.get(name, "")))
    for volume in array(spec, "volumes", CONTAINER_LIMIT):
        if isinstance(volume, dict) and isinstance(volume.get("image"), dict):
            reference = text(obj(volume, "image"), "reference")
            if reference:
                mounted = volumes.get(text(volume, "name"), "")
                # Kubernetes 1.36 reports it by opt-in only (feature gate ImageVolumeWithDigest).
                unseen = started and not mounted and "@" not in reference
                slots.append(Slot(reference, mounted, unseen=unseen))
    return tuple(slots), problem


def _started(container: dict[str, t.Any]) -> str:
    """When a container last started: by then its image was there."""
    states = [obj(container, "state", name) for name in ("running", "terminated")]
    return next((text(state, "startedAt", 64) for state in states if text(state, "startedAt", 64)), "")


def _triggered(item: dict[str, t.Any], spec: dict[str, t.Any], slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """The slots with the image stream tag of its trigger where a container has no image of its own yet."""
    sources: dict[str, Slot] = {}
    for trigger in array(obj(item, "spec"), "triggers", 1000):
        change = obj(trigger, "imageChangeParams")
        source = obj(change, "from")
        for name in array(change, "containerNames", 1000):
            if isinstance(name, str):
                sources[name] = Slot(text(source, "name"), "", text(source, "kind"), text(source, "namespace"))
    names = [
        text(one, "name")
        for listed, _reported in _CONTAINERS
        for one in array(spec, listed, CONTAINER_LIMIT)
        if isinstance(one, dict)
    ]
    filled = [sources.get(name, slot) if not slot.reference.strip() else slot for name, slot in zip(names, slots)]
    return (*filled, *slots[len(names) :])


def _build_slots(spec: dict[str, t.Any]) -> tuple[Slot, ...]:
    """List the images that a build starts from and copies from."""
    strategy = obj(spec, "strategy")
    sources = [obj(strategy, name, "from") for name in ("sourceStrategy", "dockerStrategy", "customStrategy")]
    sources += [obj(one, "from") for one in array(obj(spec, "source"), "images", 1000)]
    return tuple(
        Slot(text(source, "name"), "", text(source, "kind"), text(source, "namespace"))
        for source in sources
        if text(source, "name")
    )


class _SlotReading:
    """Turns slots into names and counts who uses them."""

    def __init__(self, tags: StreamTags) -> None:
        self.uses: dict[NamedImage, NameUsage] = {}
        self.left = LeftOut()
        self._tags = tags
        self._pods = 0
        self._running: set[tuple[str, str]] = set()  # (namespace, reference) that a pod is known to run
        self._problems: dict[tuple[str, str, str], list[str]] = {}  # (name, code, message) -> who has it

    def take(self, holder: Holder) -> None:
        """One object."""
        where = f"{holder.kind} {holder.namespace}/{holder.name}"
        if holder.reason:
            self.left.add(f"{holder.kind} in namespace {holder.namespace}", holder.reason)
            return
        if holder.problem:
            self._problem(where, "corrupt-data", holder.problem, where)
        self._pods += holder.kind == "pods"
        for slot in holder.slots:
            if slot.unseen:
                message = "it is mounted as a volume, and the cluster does not tell which image the tag meant then"
                self._problem(_shown_reference(slot.reference), "image-volume-unseen", message, where)
            try:
                names = self._names(holder, slot)
            except ScanError as error:
                if error.code in OF_THE_CLUSTER:
                    raise
                self._problem(_shown_reference(slot.reference), error.code, str(error), where)
                continue
            for one in names:
                usage = self.uses.setdefault(one, NameUsage())
                usage.namespaces.add(holder.namespace)
                if holder.runs:
                    usage.pods.add(self._pods)
                if one.past or one.image_id:
                    usage.started = max(usage.started, slot.started, key=moment)

    def problems(self) -> list[Unidentified]:
        """List what could not be identified, with an example of who names it."""
        found = []
        for (name, code, message), where in self._problems.items():
            more = f" and {len(where) - 1} more" if len(where) > 1 else ""
            found.append(Unidentified(name, SOURCE, code, f"{message}; named by {on_one_line(where[0])}{more}"))
        return found

    def _problem(self, name: str, code: str, message: str, where: str) -> None:
        self._problems.setdefault((name, code, message), []).append(where)

    def _names(self, holder: Holder, slot: Slot) -> list[NamedImage]:
        if slot.kind != "DockerImage":
            return [self._stream_tag(slot, slot.namespace or holder.namespace)]
        if slot.image_id:
            if holder.runs:
                self._running.add((holder.namespace, slot.reference))
            return running(slot.reference, slot.image_id)
        if not slot.reference.strip():
            raise ScanError("it has no image yet", code="no-reference", hint="something has to set it before it runs")
        if (holder.namespace, slot.reference) in self._running and not holder.runs:
            return []  # a pod of this namespace runs it, and tells what it is
        reference = parse_reference(slot.reference)
        if reference.registry == INTEGRATED_REGISTRY and not reference.digest and "/" in reference.repository:
            namespace, _slash, name = reference.repository.partition("/")
            try:
                found, digest = self._tags.find(namespace, name, reference.tag)
            except ScanError as error:
                if error.code in OF_THE_CLUSTER:
                    raise
                return [NamedImage(str(reference), SOURCE)]  # the registry may know
            return [NamedImage(str(reference) if digest else found, SOURCE, digest)]
        return [NamedImage(str(reference), SOURCE, reference.digest)]

    def _stream_tag(self, slot: Slot, namespace: str) -> NamedImage:
        if slot.kind == "ImageStreamTag":
            name, _colon, tag = slot.reference.partition(":")
            reference, digest = self._tags.find(namespace, name, tag or "latest")
            return NamedImage(reference, SOURCE, digest)
        name, _at, digest = slot.reference.partition("@")
        if slot.kind != "ImageStreamImage" or not is_digest(digest):
            raise ScanError(
                f"{on_one_line(slot.kind)} {quoted(slot.reference, 100)} is not a kind of reference that we know",
                code="corrupt-data",
            )
        return NamedImage(str(parse_reference(f"{INTEGRATED_REGISTRY}/{namespace}/{name}@{digest}")), SOURCE, digest)


def running(specification: str, image_id: str) -> list[NamedImage]:
    """The names of what runs: by the runtime's word, with the specification's name where both are of one repository.

    Raises ScanError where neither tells what it is.
    """
    try:
        asked: Reference | None = parse_reference(specification)
    except InputError:
        asked = None
    bare = _SCHEME.sub("", image_id, count=1)
    if "@" in bare:
        try:
            ran = parse_reference(bare)
        except InputError as error:
            raise ScanError(f"the runtime reports an image ID that we cannot read: {error}", code="image-id") from error
        exact = NamedImage(str(Reference(ran.registry, ran.repository, digest=ran.digest)), SOURCE, ran.digest)
        if asked is None:
            return [exact]
        if asked.digest and asked.digest != ran.digest:
            # An index was asked for and one of its images runs, or the runtime knows the same files by another name.
            return [exact, NamedImage(str(asked), SOURCE, asked.digest)]
        return [exact, NamedImage(str(asked), SOURCE, ran.digest, doubtful=asked.name != ran.name, past=POD)]
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
        return [NamedImage(str(asked), SOURCE, asked.digest)]
    return [NamedImage(str(asked), SOURCE, image_id=bare)]


def _shown_reference(reference: str) -> str:
    """Spell a reference of a specification so that nobody takes it for a local file."""
    try:
        return str(parse_reference(reference))
    except InputError:
        return quoted(reference, 300)
