# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an image now: running pods with their owners, by what the runtime reports and what specifications name.

Pods alone are read, so that who flags needs no right to read workloads. Owners are what pods say of themselves, which
a tenant can forge: good for telling people, never for deciding.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._discovery.selection import array, full_name, obj, on_one_line, text
from .._discovery.workloads import Slot, read_holder
from .._flags.lists import policy_key
from .._images.references import is_digest
from .._kubernetes.client import KubernetesClient

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_HASH_LABEL = "pod-template-hash"
_DEPLOYMENT_CONFIG = "openshift.io/deployment-config.name"


@dataclasses.dataclass(frozen=True)
class Use:
    """One image of a pod. ``digests``: the runtime's, and the one that the specification pins.

    ``reference``: the full form of a specification without a digest, else empty. ``key``: what tells images apart.
    """

    key: str
    digests: frozenset[str]
    reference: str


@dataclasses.dataclass(frozen=True)
class RunningPod:
    """A pod that has not ended. ``owner``: kind and name of what would make it again, or the pod itself."""

    namespace: str
    name: str
    owner: tuple[str, str]
    uses: tuple[Use, ...]


class RunningPods:
    """Running pods of a cluster, looked up by image."""

    def __init__(self, pods: t.Iterable[RunningPod]) -> None:
        self.pods = sorted(pods, key=lambda pod: (pod.namespace, pod.name))
        self._by_digest: dict[str, list[int]] = {}
        self._by_reference: dict[str, list[int]] = {}
        self._keys: dict[str, set[str]] = {}  # digest or reference -> keys of images
        self._namespaces: dict[str, set[str]] = {}  # key -> where it runs or is to run
        uses = [(number, use) for number, pod in enumerate(self.pods) for use in pod.uses]
        for number, use in uses:
            self._enter(number, use)
        # A pod that has not started yet names an image that others run.
        started = {use.reference for _number, use in uses if use.reference and use.key != use.reference}
        self.images = frozenset(
            use.key for _number, use in uses if not (use.key == use.reference and use.key in started)
        )
        for number, use in uses:
            for key in self._keys[use.reference] if use.key == use.reference else (use.key,):
                self._namespaces.setdefault(key, set()).add(self.pods[number].namespace)

    def _enter(self, number: int, use: Use) -> None:
        for digest in use.digests:
            self._by_digest.setdefault(digest, []).append(number)
            self._keys.setdefault(digest, set()).add(use.key)
        if use.reference:
            self._by_reference.setdefault(use.reference, []).append(number)
            self._keys.setdefault(use.reference, set()).add(use.key)

    def using(self, digest: str, references: t.Iterable[str] = ()) -> list[RunningPod]:
        """The pods that run an image or name it, by digest or by one of its references in full form."""
        numbers = set(self._by_digest.get(digest, ()))
        for reference in references:
            numbers.update(self._by_reference.get(reference, ()))
        return [self.pods[number] for number in sorted(numbers)]

    def images_of(self, names: t.Iterable[str]) -> frozenset[str]:
        """Which of ``images`` some digests and references in full form mean."""
        keys = {key for name in names for key in self._keys.get(name, ())}
        return frozenset(keys & self.images)

    def within(self, touches: t.Callable[[str], bool]) -> Part:
        """Select the images that run in some namespaces, or are to run there."""
        chosen = (key for key in self.images if any(map(touches, self._namespaces[key])))
        return Part(self, frozenset(chosen))


@dataclasses.dataclass(frozen=True)
class Part:
    """Some of the images that run in a cluster."""

    running: RunningPods
    images: frozenset[str]

    def images_of(self, names: t.Iterable[str]) -> frozenset[str]:
        """Which of these some digests and references in full form mean."""
        return self.running.images_of(names) & self.images


def read_running(client: KubernetesClient) -> RunningPods:
    """All pods of a cluster that have not ended. Raises ApiError."""
    return RunningPods(client.items("/api/v1/pods", _pod))


def _pod(item: dict[str, t.Any]) -> RunningPod | None:
    holder = read_holder("pods", item)
    if not holder.runs:
        return None
    uses = dict.fromkeys(use for use in map(_use, holder.slots) if use is not None)
    return RunningPod(holder.namespace, holder.name, owner_of(item), tuple(uses))


def _use(slot: Slot) -> Use | None:
    bare = _SCHEME.sub("", slot.image_id, count=1)
    _name, at, ran = bare.rpartition("@")
    # A digest alone is mostly that of a config; it tells images apart and is never taken for a manifest.
    reported = ran if at and is_digest(ran) else ""
    named = slot.reference.strip()
    pinned = named.rpartition("@")[2] if "@" in named else ""
    digests = frozenset(filter(None, (reported, pinned if is_digest(pinned) else "")))
    reference = policy_key(named) if named and not pinned else ""
    key = reported or pinned or bare or reference
    return Use(key, digests, reference) if key else None


def owner_of(item: dict[str, t.Any]) -> tuple[str, str]:
    """Kind and name of what stands behind a pod.

    A ReplicaSet that ends in the pod's template hash is a Deployment's, by the name that is left; a pod of a
    DeploymentConfig names it. Others are told as the pod names them.
    """
    metadata = obj(item, "metadata")
    for owner in array(metadata, "ownerReferences", 100):
        if isinstance(owner, dict) and owner.get("controller") is True:
            controller = _controller(metadata, owner)
            if controller is not None:
                return controller
    return "Pod", full_name(item)[1]


def _controller(metadata: dict[str, t.Any], owner: dict[str, t.Any]) -> tuple[str, str] | None:
    """Kind and name of what stands behind the owner of a pod; None for an owner without them."""
    kind, name = on_one_line(text(owner, "kind"), 63), on_one_line(text(owner, "name"), 253)
    ending = "-" + text(obj(metadata, "labels"), _HASH_LABEL)
    if kind == "ReplicaSet" and len(ending) > 1 and name.endswith(ending) and name != ending:
        return "Deployment", name[: -len(ending)]
    config = on_one_line(text(obj(metadata, "annotations"), _DEPLOYMENT_CONFIG), 253)
    if kind == "ReplicationController" and config:
        return "DeploymentConfig", config
    return (kind, name) if kind and name else None
