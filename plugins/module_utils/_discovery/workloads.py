# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a cluster that name images: the places for an image in each, and what the runtime reports of them."""

from __future__ import annotations

import dataclasses
import typing as t

from .selection import array, entries, full_name, obj, text

#: Containers (of one pod) that are looked at; an object of the API's largest size has fewer.
CONTAINER_LIMIT = 50_000
_CONTAINERS = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
#: Owners whose own template we read. Another one (a Rollout of Argo) may start its ReplicaSet at zero again.
_WITH_REVISIONS = ("Deployment", "DeploymentConfig")


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

    @property
    def label(self) -> str:
        """Kind, namespace and name, for messages."""
        return f"{self.kind} {self.namespace}/{self.name}"


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
        return _read_pod(holder, spec, status)
    if not old_revisions and _is_over(kind, item, status):
        reason = "they have ended" if kind == "jobs" else "they are old revisions"
        return dataclasses.replace(holder, reason=f"{reason} (old_revisions)")
    slots, problem = _slots(spec, {})
    if kind == "deploymentconfigs":
        slots = _triggered(item, spec, slots)
    return dataclasses.replace(holder, slots=slots, problem=problem)


def _read_pod(holder: Holder, spec: dict[str, t.Any], status: dict[str, t.Any]) -> Holder:
    slots, problem = _slots(spec, status)
    if text(status, "phase") not in ("Succeeded", "Failed"):
        return dataclasses.replace(holder, slots=slots, runs=True, problem=problem)
    # Of a pod that ended only what did run is told: the rest never will.
    slots = tuple(slot for slot in slots if slot.image_id)
    reason = "" if slots or problem else "they ended before they ran anything"
    return dataclasses.replace(holder, slots=slots, problem=problem, reason=reason)


def _is_over(kind: str, item: dict[str, t.Any], status: dict[str, t.Any]) -> bool:
    """Return whether an object only tells what was: nothing starts from it any more, unless somebody rolls back."""
    if kind == "jobs":
        ended = [entry for entry in entries(status, "conditions", 100) if text(entry, "type") in ("Complete", "Failed")]
        return any(text(condition, "status") == "True" for condition in ended)
    if kind not in ("replicasets", "replicationcontrollers"):
        return False
    owners = entries(obj(item, "metadata"), "ownerReferences", 100)
    owned = any(owner.get("controller") is True and text(owner, "kind") in _WITH_REVISIONS for owner in owners)
    return owned and obj(item, "spec").get("replicas") == 0


def _slots(spec: dict[str, t.Any], status: dict[str, t.Any]) -> tuple[tuple[Slot, ...], str]:
    """The containers and image volumes of a pod's specification, and what of it could not be read."""
    slots: list[Slot] = []
    started = text(status, "phase") == "Running"
    problem = ""
    for listed, reported in _CONTAINERS:
        statuses = {text(container, "name"): container for container in entries(status, reported, CONTAINER_LIMIT)}
        # While init containers run, a pod is Pending, and its volumes are mounted already.
        started = started or (
            listed == "initContainers" and any(text(container, "imageID") for container in statuses.values())
        )
        problem = _wrong_shape(spec, listed) or problem
        for container in entries(spec, listed, CONTAINER_LIMIT):
            ran = statuses.get(text(container, "name"), {})
            slots.append(Slot(text(container, "image"), text(ran, "imageID"), started=_started(ran)))
    return (*slots, *_volume_slots(spec, status, started)), problem


def _wrong_shape(spec: dict[str, t.Any], listed: str) -> str:
    """Say what is wrong with a list of containers; an absent one is good."""
    if spec.get(listed) is not None and not isinstance(spec[listed], list):
        return f"its {listed} are not a list"
    if len(entries(spec, listed, CONTAINER_LIMIT)) < len(array(spec, listed, CONTAINER_LIMIT)):
        return f"one of its {listed} is not an object"
    return ""


def _volume_slots(spec: dict[str, t.Any], status: dict[str, t.Any], started: bool) -> t.Iterator[Slot]:
    """The image volumes of a pod, each with what the runtime mounted."""
    images = {
        text(mount, "name"): text(obj(mount, "volumeStatus", "image"), "imageRef")
        for _listed, reported in _CONTAINERS
        for container in entries(status, reported, CONTAINER_LIMIT)
        for mount in entries(container, "volumeMounts")
        if text(obj(mount, "volumeStatus", "image"), "imageRef")
    }
    for volume in entries(spec, "volumes", CONTAINER_LIMIT):
        reference = text(obj(volume, "image"), "reference")
        if reference:
            mounted = images.get(text(volume, "name"), "")
            # Kubernetes 1.36 reports it by opt-in only (feature gate ImageVolumeWithDigest).
            yield Slot(reference, mounted, unseen=started and not mounted and "@" not in reference)


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
        text(container, "name")
        for listed, _reported in _CONTAINERS
        for container in entries(spec, listed, CONTAINER_LIMIT)
    ]
    filled = [sources.get(name, slot) if not slot.reference.strip() else slot for name, slot in zip(names, slots)]
    return (*filled, *slots[len(names) :])


def _build_slots(spec: dict[str, t.Any]) -> tuple[Slot, ...]:
    """List the images that a build starts from and copies from."""
    strategy = obj(spec, "strategy")
    sources = [obj(strategy, name, "from") for name in ("sourceStrategy", "dockerStrategy", "customStrategy")]
    sources += [obj(image, "from") for image in array(obj(spec, "source"), "images", 1000)]
    return tuple(
        Slot(text(source, "name"), "", text(source, "kind"), text(source, "namespace"))
        for source in sources
        if text(source, "name")
    )
