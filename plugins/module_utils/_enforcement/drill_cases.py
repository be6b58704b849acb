# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways on which an image comes into a cluster: each with a flagged image, and the same again with a good one.

Objects pass Pod Security ``restricted``, so that what refuses them is what is tried. Nothing of them ever runs: they
are sent as dry runs, and those that stay for a moment, because an update needs them, start no container.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from .._core.errors import InputError
from .._flags.names import PREFIX
from .._images.references import DOCKER_HUB, Reference, is_digest, parse_reference

#: Flagged in the list that the role ``enforce`` installs for drills. No image has these digests and names.
DIGEST = "sha256:" + hashlib.sha256(b"imagescan drill").hexdigest()
REFERENCES = ("drill.imagescan.github.io/flagged:latest", "docker.io/library/imagescan-drill-flagged:latest")
#: Never flagged. Where a passed scan is required, it must be among the passed ones.
GOOD_DIGEST = "sha256:" + hashlib.sha256(b"imagescan drill, good").hexdigest()
#: On no list.
UNKNOWN_DIGEST = "sha256:" + hashlib.sha256(b"imagescan drill, unknown").hexdigest()
UNKNOWN_REFERENCES = ("drill.imagescan.github.io/app:latest", "docker.io/library/imagescan-drill:latest")
#: Name of the objects that updates are tried on, and start of the name of all others.
NAME = "imagescan-drill"
LABELS = {"app.kubernetes.io/managed-by": "imagescan.openshift", "app.kubernetes.io/component": "drill"}
MARK = f"{PREFIX}/drill"

#: Part of a BuildConfig that starts a build, and the way on which a drill tries it.
INSTANTIATE = "instantiate"

_REPOSITORY = "drill.imagescan.github.io/app"
_STORED = "drill.imagescan.github.io/stored"
_Object = dict[str, t.Any]
_CONTAINER, _SECOND, _INIT, _SIDECAR = "container", "second container", "init container", "sidecar"
_VOLUME = "image volume"
_DOCKER, _SOURCE, _CUSTOM, _COPIED = "docker strategy", "source strategy", "custom strategy", "source image"
_STREAM_IMAGE, _DOCKERFILE = "image of a stream", "Dockerfile"


@dataclasses.dataclass(frozen=True)
class DrillKind:
    """A kind of object that holds images.

    ``openshift``: only OpenShift has it, and serves it from an API server of its own, which evaluates policies in newer
    releases alone. So it is claimed only where that server is seen to do so; what is made of such an object is judged
    like everything else.
    """

    name: str
    api: str
    resource: str
    openshift: bool = False

    @property
    def version(self) -> str:
        """Its apiVersion."""
        return self.api.partition("/")[2].partition("/")[2] if self.api.startswith("/apis/") else "v1"

    @property
    def group(self) -> str:
        """Its API group; empty for the core."""
        return self.version.partition("/")[0] if "/" in self.version else ""

    def path(self, namespace: str) -> str:
        """Where its objects are."""
        return f"{self.api}/namespaces/{namespace}/{self.resource}"


POD = DrillKind("Pod", "/api/v1", "pods")
DEPLOYMENT = DrillKind("Deployment", "/apis/apps/v1", "deployments")
REPLICA_SET = DrillKind("ReplicaSet", "/apis/apps/v1", "replicasets")
STATEFUL_SET = DrillKind("StatefulSet", "/apis/apps/v1", "statefulsets")
DAEMON_SET = DrillKind("DaemonSet", "/apis/apps/v1", "daemonsets")
JOB = DrillKind("Job", "/apis/batch/v1", "jobs")
CRON_JOB = DrillKind("CronJob", "/apis/batch/v1", "cronjobs")
REPLICATION_CONTROLLER = DrillKind("ReplicationController", "/api/v1", "replicationcontrollers")
POD_TEMPLATE = DrillKind("PodTemplate", "/api/v1", "podtemplates")
DEPLOYMENT_CONFIG = DrillKind("DeploymentConfig", "/apis/apps.openshift.io/v1", "deploymentconfigs", openshift=True)
BUILD = DrillKind("Build", "/apis/build.openshift.io/v1", "builds", openshift=True)
BUILD_CONFIG = DrillKind("BuildConfig", "/apis/build.openshift.io/v1", "buildconfigs", openshift=True)
KINDS = (
    POD,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    DAEMON_SET,
    JOB,
    CRON_JOB,
    REPLICATION_CONTROLLER,
    POD_TEMPLATE,
    DEPLOYMENT_CONFIG,
    BUILD,
    BUILD_CONFIG,
)
#: Forged owners: kind of the object -> API version and kind of what it claims to belong to.
_OWNERS = {
    POD: (("apps/v1", "ReplicaSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"), ("v1", "ReplicationController")),
    REPLICA_SET: (("apps/v1", "Deployment"),),
    JOB: (("batch/v1", "CronJob"),),
}


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of a drill.

    ``digest`` and ``references`` (full, with a tag alone) must be refused, ``good`` (a digest) must not. With
    ``only_good`` nothing but what is known to be good may run, which no tag is.
    """

    digest: str = DIGEST
    references: tuple[str, ...] = REFERENCES
    good: str = GOOD_DIGEST
    only_good: bool = False

    def __post_init__(self) -> None:
        for option, digest in (("digest", self.digest), ("good_digest", self.good)):
            if not is_digest(digest):
                raise InputError(f"{option} is none", hint="give sha256: and 64 digits in lower case")
        if self.digest == self.good:
            raise InputError("digest and good_digest are the same")
        for reference in map(parse_reference, self.references):
            if reference.digest:
                raise InputError(f"{reference} has a digest", hint="give references with a tag alone")

    def by_digest(self, name: str = _REPOSITORY) -> tuple[str, str]:
        """The image by digest, and its good twin."""
        return f"{name}@{self.digest}", f"{name}@{self.good}"

    def by_name(self, reference: str) -> list[tuple[str, str]]:
        """A reference in every spelling that a runtime takes for the same, as it is first, with their good twins."""
        parsed = parse_reference(reference)
        spellings = _spellings(parsed)
        if self.only_good:
            return [(spelling, f"{_REPOSITORY}@{self.good}") for spelling in spellings]
        twin = dataclasses.replace(parsed, repository=f"{parsed.repository}-good")
        return list(zip(spellings, _spellings(twin)))


@dataclasses.dataclass(frozen=True)
class DrillCase:
    """One way in: an object of a kind with one image in one place, in one form.

    ``body`` makes what is sent, from an image; ``bad`` and ``good`` are the images. ``request``: ``create``, ``update``
    (a JSON patch of the object called NAME), ``ephemeral`` (the same, of a pod's ephemeral containers), or
    ``instantiate`` (a request to that part of a BuildConfig). ``claimed``: the role ``enforce`` says that it is closed.
    """

    kind: DrillKind
    name: str
    bad: str
    good: str
    body: t.Callable[[str], _Object | list[_Object]]
    request: str = "create"
    claimed: bool = True

    @property
    def is_volume(self) -> bool:
        """True if the image is mounted and not run."""
        return self.name.startswith(_VOLUME)


def ways(images: Images) -> list[DrillCase]:
    """Every way. Kinds of OpenShift are among them."""
    cases: list[DrillCase] = []
    for kind in KINDS:
        made = _of_builds(kind, images) if kind in (BUILD, BUILD_CONFIG) else _of_a_kind(kind, images)
        cases += [dataclasses.replace(way, claimed=way.claimed and not kind.openshift) for way in made]
    return cases


def target(kind: DrillKind, good: str) -> _Object:
    """An object with a good image that starts nothing, for what can be tried only on an object that is there.

    No way has an image of this name, so each is a change of it.
    """
    if kind is BUILD_CONFIG:
        # Without triggers nothing is built.
        return {**_head(kind, NAME), "spec": _build_spec(_DOCKER, f"{_STORED}@{good}")}
    made = _object(kind, _pod_spec(_CONTAINER, f"{_STORED}@{good}", good), name=NAME)
    if kind is POD:
        # A pod that is gated is never given to a node, so nothing is pulled.
        made["spec"]["schedulingGates"] = [{"name": MARK}]
    elif kind is DAEMON_SET:
        made["spec"]["template"]["spec"]["nodeSelector"] = {MARK: "nowhere"}
    return made


def _of_a_kind(kind: DrillKind, images: Images) -> list[DrillCase]:
    by_digest = images.by_digest()
    cases = [
        DrillCase(kind, f"{place}, by digest", *by_digest, _creator(kind, place, images.good))
        for place in (_CONTAINER, _SECOND, _INIT, _SIDECAR, _VOLUME)
    ]
    named = [images.by_name(reference)[0] for reference in images.references[:1]]
    cases += [
        DrillCase(kind, f"{place}, by listed reference", *pair, _creator(kind, place, images.good))
        for pair in named
        for place in (_CONTAINER, _VOLUME)
    ]
    for owner in _OWNERS.get(kind, ()):
        body = _creator(kind, _CONTAINER, images.good, owner)
        cases.append(DrillCase(kind, f"forged owner {owner[1]}", *by_digest, body))
    if kind is POD:
        cases += _forms(images)
        cases.append(DrillCase(kind, "ephemeral container, by digest", *by_digest, _ephemeral, "ephemeral"))
        cases += [
            DrillCase(kind, "ephemeral container, by listed reference", *pair, _ephemeral, "ephemeral")
            for pair in named
        ]
    if kind is DEPLOYMENT_CONFIG:
        cases.append(DrillCase(kind, f"{_CUSTOM}, by digest", *by_digest, _creator(kind, _CUSTOM, images.good)))
    if kind is not JOB:  # the API server itself lets nobody change the image of a Job
        cases.append(DrillCase(kind, "update of an existing object", *by_digest, _updater(kind), "update"))
    return cases


def _forms(images: Images) -> list[DrillCase]:
    """Ways to write the same image."""
    forms = [
        ("by tag and digest", images.by_digest(f"{_REPOSITORY}:1.0")),
        ("by digest in another registry", images.by_digest("other.example:5000/a/b")),
        ("by digest with a short name", images.by_digest("app")),
    ]
    for reference in images.references:
        forms += [(f"as {pair[0]}", pair) for pair in images.by_name(reference)]
    body = _creator(POD, _CONTAINER, images.good)
    cases = [DrillCase(POD, f"container, {name}", *pair, body) for name, pair in forms]
    # What a node has runs by the digest of its configuration on kubelets before 1.35. No list knows those.
    cases.append(
        DrillCase(POD, "container, by the ID that a node keeps it under", images.digest, images.by_digest()[1], body)
    )
    unlisted = (f"{_REPOSITORY}:not-listed", images.by_digest()[1])
    return [*cases, DrillCase(POD, "container, by a tag that is not listed", *unlisted, body, claimed=images.only_good)]


def _spellings(parsed: Reference) -> list[str]:
    """List the spellings of a reference that a runtime takes for the same; itself first."""
    names = [parsed.name]
    if parsed.registry == DOCKER_HUB:
        short = parsed.repository.removeprefix("library/") if parsed.repository.count("/") == 1 else parsed.repository
        names += [parsed.repository, f"index.{parsed.name}"]
        if short != parsed.repository:
            names += [short, f"{DOCKER_HUB}/{short}", f"index.{DOCKER_HUB}/{short}"]
    elif parsed.registry != parsed.registry.upper():
        names.append(f"{parsed.registry.upper()}/{parsed.repository}")
    tagged = [f"{name}:{parsed.tag}" for name in names]
    return [*tagged, *names] if parsed.tag == "latest" else tagged


def _of_builds(kind: DrillKind, images: Images) -> list[DrillCase]:
    """Ways in of what a build is made of. The server itself lets nobody change the image of a Build."""

    def creator(place: str) -> t.Callable[[str], _Object]:
        return lambda image: {**_head(kind), "spec": _build_spec(place, image)}

    by_digest = images.by_digest()
    places = (_DOCKER, _SOURCE, _CUSTOM, _COPIED, _DOCKERFILE)
    cases = [DrillCase(kind, f"{place}, by digest", *by_digest, creator(place)) for place in places]
    cases.append(DrillCase(kind, _STREAM_IMAGE, *images.by_digest(NAME), creator(_STREAM_IMAGE)))
    for reference in images.references[:1]:
        pair = images.by_name(reference)[0]
        cases += [
            DrillCase(kind, f"{place}, by listed reference", *pair, creator(place)) for place in (_DOCKER, _COPIED)
        ]
    if kind is BUILD_CONFIG:
        cases.append(DrillCase(kind, "update of an existing object", *by_digest, _updater(kind), "update"))
        cases.append(DrillCase(kind, INSTANTIATE, *by_digest, _build_request, INSTANTIATE))
    return cases


def _build_spec(place: str, image: str) -> _Object:
    """The spec of a Build or a BuildConfig with an image in one place."""
    reference = {"kind": "ImageStreamImage" if place == _STREAM_IMAGE else "DockerImage", "name": image}
    repository = {"type": "Git", "git": {"uri": "https://drill.imagescan.github.io/app.git"}}
    if place == _SOURCE:
        return {"source": repository, "strategy": {"type": "Source", "sourceStrategy": {"from": reference}}}
    if place == _CUSTOM:
        return {"source": repository, "strategy": {"type": "Custom", "customStrategy": {"from": reference}}}
    text = f"FROM {image}\n" if place == _DOCKERFILE else "FROM scratch\n"
    source: _Object = {"type": "Dockerfile", "dockerfile": text}
    if place == _COPIED:
        source["images"] = [{"from": reference, "paths": [{"sourcePath": "/app", "destinationDir": "app"}]}]
    strategy = {"from": reference} if place in (_DOCKER, _STREAM_IMAGE) else {}
    return {"source": source, "strategy": {"type": "Docker", "dockerStrategy": strategy}}


def _build_request(image: str) -> _Object:
    """A build of the BuildConfig called NAME for a new image, as the controller of image triggers asks for."""
    return {
        **_head(BUILD_CONFIG, NAME),
        "kind": "BuildRequest",
        "triggeredByImage": {"kind": "DockerImage", "name": image},
        "from": {"kind": "ImageStreamTag", "name": f"{NAME}:latest"},
    }


def _creator(
    kind: DrillKind, place: str, good: str, owner: tuple[str, str] | None = None
) -> t.Callable[[str], _Object]:
    def body(image: str) -> _Object:
        made = _object(kind, _pod_spec(place, image, good), owner=owner)
        if place == _CUSTOM:
            made["spec"]["strategy"] = {"type": "Custom", "customParams": {"image": image}}
        return made

    return body


def _updater(kind: DrillKind) -> t.Callable[[str], list[_Object]]:
    """Another image in the object called NAME; nothing else of it is touched, whatever it was given on the way."""
    place = {POD: "/spec", POD_TEMPLATE: "/template/spec", CRON_JOB: "/spec/jobTemplate/spec/template/spec"}

    def body(image: str) -> list[_Object]:
        where = f"{place.get(kind, '/spec/template/spec')}/containers/0/image"
        if kind is BUILD_CONFIG:
            where = "/spec/strategy/dockerStrategy/from/name"
        return [{"op": "replace", "path": where, "value": image}]

    return body


def _ephemeral(image: str) -> list[_Object]:
    container = _container("debugger", image)
    del container["resources"]  # not allowed there
    return [{"op": "add", "path": "/spec/ephemeralContainers", "value": [container]}]


def _object(kind: DrillKind, pod_spec: _Object, *, name: str = "", owner: tuple[str, str] | None = None) -> _Object:
    """An object that makes no pod, even if it stayed."""
    made = _head(kind, name)
    if owner:
        version, owner_kind = owner
        # Of no object that is there. Without blockOwnerDeletion, for which a server may ask further rights.
        uid = "00000000-0000-4000-8000-000000000000"
        reference = {"apiVersion": version, "kind": owner_kind, "name": NAME, "uid": uid, "controller": True}
        made["metadata"]["ownerReferences"] = [reference]
    labels = {MARK: "pod"}
    template = {"metadata": {"labels": labels}, "spec": pod_spec}
    selector: _Object = {"matchLabels": labels}
    if kind is POD:
        made["spec"] = pod_spec
    elif kind is POD_TEMPLATE:
        made["template"] = template
    elif kind is DAEMON_SET:
        made["spec"] = {"selector": selector, "template": template}
    elif kind is STATEFUL_SET:
        made["spec"] = {"replicas": 0, "serviceName": NAME, "selector": selector, "template": template}
    elif kind in (DEPLOYMENT, REPLICA_SET):
        made["spec"] = {"replicas": 0, "selector": selector, "template": template}
    elif kind in (REPLICATION_CONTROLLER, DEPLOYMENT_CONFIG):
        made["spec"] = {"replicas": 0, "selector": labels, "template": template}
        if kind is DEPLOYMENT_CONFIG:
            made["spec"] |= {"triggers": [], "paused": True}  # or a deployer pod is started
    else:
        pod_spec["restartPolicy"] = "Never"
        job = {"suspend": True, "template": template}
        if kind is CRON_JOB:
            job = {"schedule": "0 0 29 2 *", "suspend": True, "jobTemplate": {"spec": job}}
        else:
            del template["metadata"]  # the server labels the pods of a Job itself
        made["spec"] = job
    return made


def _head(kind: DrillKind, name: str = "") -> _Object:
    named = {"name": name} if name else {"generateName": f"{NAME}-"}
    return {"apiVersion": kind.version, "kind": kind.name, "metadata": {**named, "labels": dict(LABELS)}}


def _pod_spec(place: str, image: str, good_digest: str) -> _Object:
    """The spec of a pod with an image in one place and good ones elsewhere."""
    good = f"{_REPOSITORY}@{good_digest}"
    spec: _Object = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container("main", image if place == _CONTAINER else good)],
    }
    if place == _SECOND:
        spec["containers"].append(_container("second", image))
    elif place in (_INIT, _SIDECAR):
        spec["initContainers"] = [_container("first", image)]
        if place == _SIDECAR:
            spec["initContainers"][0]["restartPolicy"] = "Always"
    elif place == _VOLUME:
        spec["volumes"] = [{"name": "data", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}]
        spec["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data", "readOnly": True}]
    return spec


def _container(name: str, image: str) -> _Object:
    quantities = {"cpu": "10m", "memory": "16Mi"}
    return {
        "name": name,
        "image": image,
        "command": ["/imagescan-drill"],
        "resources": {"requests": quantities, "limits": quantities},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
