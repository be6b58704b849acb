# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a scan: Jobs and ConfigMaps as the API takes them.

A pod passes Pod Security ``restricted``: no user of the image's choice, no capability, nothing writable but a scratch
folder, no token but, where asked for, a short-lived one that can only pull. Where rules are evaluated it has a second
container, as unprivileged, for oscap, with a folder in memory for images that both see. Credentials, and the plan with
the key of the pod's frames, are mounted into the first alone. Only where a person allows oscap to change its root is a
pod more than ``restricted``.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t

from .._core.errors import InputError
from .._core.text import quoted
from .._images.references import parse_reference
from .._scanner.plan import CONTENT_VARIABLE, EVALUATE

PREFIX = "imagescan.github.io/"
RUN_LABEL = PREFIX + "run"
LABELS = {"app.kubernetes.io/managed-by": "imagescan.openshift", "app.kubernetes.io/component": "scanner"}
#: On a Job: which shard of its plan a one-pod Job has; which process looks after it, and when it last did.
SHARD_ANNOTATION = PREFIX + "shard"
OWNER_ANNOTATION = PREFIX + "owner"
HEARTBEAT_ANNOTATION = PREFIX + "heartbeat"
IMAGES_ANNOTATION = PREFIX + "images"

ACCOUNT = "imagescan-puller"
CONTAINER = "scanner"
EVALUATOR = "oscap"
PROGRAM_FILE, CA_FILE, PLAN_FILE = "scanner.pyz", "ca.crt", "plan.json"
GRACE_SECONDS = 5
#: After the controller died somebody may adopt what is finished (seconds).
TTL_SECONDS = 7200
#: How long a pod stays bound to a node that went away (seconds); the default is 300.
TOLERATION_SECONDS = 30
#: On OpenShift the security context constraints assign user and group, and refuse these.
NOBODY = 65534
SCRATCH = "4Gi"
#: Of what the evaluator writes: content, and what oscap says of one image.
EVALUATOR_SCRATCH = "1Gi"
#: A file takes whole pages of memory, and a folder one: what the volume has beyond the bytes of the largest image.
TREE_OVERHEAD, TREE_SPARE = 1.125, 32 << 20
#: Unpacked bytes that are expected of each compressed one; real images have 2 to 4.
EXPANSION = 3
TOKEN_SECONDS = 600

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PROXY_VARIABLES = {"http_proxy": "HTTP_PROXY", "https_proxy": "HTTPS_PROXY", "no_proxy": "NO_PROXY"}


@dataclasses.dataclass(frozen=True)
class EvaluatorOptions:
    """The container for oscap. ``memory``: a quantity, request and limit. ``size``: bytes of an image, unpacked.

    ``given``: whether content or a tailoring file is mounted. ``largest``: compressed bytes of the largest image of a
    Job, 0 where that is not known; what a pod requests follows from it. ``chroot``: oscap may change its root. The pod
    is then user 0: to any other the kernel gives no capability that a container has. Without others, 0 may do no more.
    ``content``: an image that is mounted for its content.
    """

    memory: str
    size: int
    given: bool = False
    largest: int = 0
    chroot: bool = False
    content: str = ""

    def __post_init__(self) -> None:
        memory_bytes(self.memory, "memory of compliance")

    @property
    def tree_bytes(self) -> int:
        """Size of the volume."""
        return int(self.size * TREE_OVERHEAD) + TREE_SPARE

    @property
    def tree_request(self) -> int:
        """Estimate the bytes of the tree that are likely to be needed."""
        expected = int(self.largest * EXPANSION * TREE_OVERHEAD) + TREE_SPARE
        return min(expected, self.tree_bytes) if self.largest else self.tree_bytes


@dataclasses.dataclass(frozen=True)
class PodOptions:
    """Options of pods.

    ``memory`` and ``cpu``: quantities; memory is request and limit, cpu the request. ``cpu_limit``: what a pod may use
    at most. ``pull_secrets``: names of Secrets in the namespace. ``registry_token``: mount a token for the integrated
    registry. ``proxy``: ``http_proxy``, ``https_proxy``, ``no_proxy``. ``openshift``: user and group are assigned.
    ``evaluator``: None where no rule is evaluated.
    """

    image: str
    memory: str = "512Mi"
    cpu: str = "500m"
    cpu_limit: str = "2"
    pull_secrets: tuple[str, ...] = ()
    registry_token: bool = False
    proxy: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    node_selector: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[t.Mapping[str, t.Any], ...] = ()
    priority_class: str = ""
    openshift: bool = False
    evaluator: EvaluatorOptions | None = None

    def __post_init__(self) -> None:
        parse_reference(self.image)
        memory_bytes(self.memory)
        for name in ("cpu", "cpu_limit"):
            _quantity(getattr(self, name), f"pod_{name}")
        for secret in self.pull_secrets:
            check_name(secret, "pull_secrets")
        for name, value in self.proxy.items():
            if name not in _PROXY_VARIABLES:
                raise InputError(f"pod_proxy has the key {quoted(name, 40)}; expected {', '.join(_PROXY_VARIABLES)}")
            if name != "no_proxy" and "@" in value:
                raise InputError(
                    f"{name} of pod_proxy holds a user or a password, which anybody who may read Jobs would see",
                    hint="let the proxy allow the pods by their network",
                )


def check_name(text: str, option: str) -> str:
    """A name of an object, as the API takes it. Raises InputError."""
    if not _NAME.fullmatch(text):
        raise InputError(f"{option}: {quoted(text, 80)} is not a name that an object can have")
    return text


def _quantity(text: str, option: str) -> float:
    from kubernetes.utils.quantity import parse_quantity

    try:
        value = float(parse_quantity(text))
    except ValueError:
        value = 0.0
    if not 0 < value < 1 << 50:
        raise InputError(f"{option}: {quoted(text, 40)} is not a quantity, as 512Mi or 500m are")
    return value


def memory_bytes(text: str, option: str = "pod_memory") -> int:
    """The bytes of a quantity. Raises InputError below 128 MiB, with which no scan has ever worked."""
    value = int(_quantity(text, option))
    if value < 128 << 20:
        raise InputError(f"{option} is {quoted(text, 40)}; expected 128Mi or more")
    return value


def scanner_job(
    name: str,
    run: str,
    options: PodOptions,
    *,
    parallelism: int,
    shards: int,
    annotations: t.Mapping[str, str],
    pod_seconds: int,
    job_seconds: int,
) -> dict[str, t.Any]:
    """A suspended Indexed Job: pod N works through shard N. A shard that fails is not tried again by the cluster.

    With a limit of failures an index would begin anew with the same plan, and die of the same image.
    """
    template = _pod_template(name, run, options, {}, pod_seconds)
    for number, secret in enumerate(options.pull_secrets):
        source: dict[str, t.Any] = {"secret": {"secretName": secret, "defaultMode": 0o440}}
        _mount(template["spec"], f"pull-{number}", f"/pull-secrets/{secret}", source)
    if options.registry_token:
        token = {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}}
        source = {"projected": {"defaultMode": 0o440, "sources": [token]}}
        _mount(template["spec"], "registry-token", "/registry-token", source)
    spec = {
        "completions": shards,
        "parallelism": parallelism,
        "completionMode": "Indexed",
        "backoffLimitPerIndex": 0,
        "activeDeadlineSeconds": job_seconds,
    }
    return _job(name, run, annotations, spec, template)


def volume_job(
    name: str,
    run: str,
    options: PodOptions,
    *,
    plan: str,
    shard: int,
    images: t.Sequence[str],
    annotations: t.Mapping[str, str],
    pod_seconds: int,
) -> dict[str, t.Any]:
    """A suspended Job of one pod that has the images mounted, pulled by the kubelet. ``plan``: name of its objects."""
    template = _pod_template(plan, run, options, {"IMAGESCAN_SHARD": str(shard)}, pod_seconds)
    for number, image in enumerate(images):
        source = {"image": {"reference": image, "pullPolicy": "IfNotPresent"}}
        _mount(template["spec"], f"image-{number}", f"/images/{number}", source)
    # The pod is held by the slowest pull, for which only the controller has a deadline.
    spec = {"completions": 1, "parallelism": 1, "backoffLimit": 0, "activeDeadlineSeconds": pod_seconds + 1800}
    return _job(name, run, {**annotations, SHARD_ANNOTATION: str(shard)}, spec, template)


def _job(
    name: str, run: str, annotations: t.Mapping[str, str], spec: dict[str, t.Any], template: dict[str, t.Any]
) -> dict[str, t.Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels(run), "annotations": dict(annotations)},
        "spec": {"suspend": True, "ttlSecondsAfterFinished": TTL_SECONDS, **spec, "template": template},
    }


def labels(run: str) -> dict[str, str]:
    """The labels of everything that a run makes."""
    return {**LABELS, RUN_LABEL: run}


def selector(*runs: str) -> str:
    """Selects what these runs made; without any, what all made."""
    labels_part = ",".join(f"{key}={value}" for key, value in LABELS.items())
    return f"{labels_part},{RUN_LABEL} in ({','.join(sorted(runs))})" if runs else labels_part


def program_name(name: str) -> str:
    """The ConfigMap with the program, of a Job or a round of Jobs."""
    return f"{name}-program"


def plan_name(name: str) -> str:
    """The ConfigMap with the plan."""
    return f"{name}-plan"


def given_name(name: str) -> str:
    """The ConfigMap with content and tailoring file that a person gave."""
    return f"{name}-content"


def config_maps(
    name: str,
    run: str,
    owners: t.Sequence[t.Mapping[str, t.Any]],
    *,
    program: bytes,
    ca: bytes,
    plan: bytes,
    evaluator_files: t.Mapping[str, bytes] | None = None,
) -> list[dict[str, t.Any]]:
    """Program and plan of a round, which go when the last of its Jobs goes. ``owners``: the Jobs as the API has them.

    ``evaluator_files``: content and tailoring file for the evaluator, by file name, in a third.

    Without ``blockOwnerDeletion``, which a cluster may refuse to accounts that cannot update finalizers.
    """
    references = [
        {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
        for job in owners
    ]
    files = {PROGRAM_FILE: program, **({CA_FILE: ca} if ca else {})}
    contents = {program_name(name): _binary(files), plan_name(name): {"data": {PLAN_FILE: plan.decode("ascii")}}}
    if evaluator_files:
        contents[given_name(name)] = _binary(evaluator_files)
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name_, "labels": labels(run), "ownerReferences": references},
            "immutable": True,
            **content,
        }
        for name_, content in contents.items()
    ]


def _binary(files: t.Mapping[str, bytes]) -> dict[str, t.Any]:
    return {"binaryData": {key: base64.b64encode(value).decode("ascii") for key, value in files.items()}}


def _pod_template(
    plan: str, run: str, options: PodOptions, variables: t.Mapping[str, str], seconds: int
) -> dict[str, t.Any]:
    security: dict[str, t.Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if not options.openshift:
        security |= {"runAsUser": NOBODY, "runAsGroup": NOBODY, "fsGroup": NOBODY}
    if options.evaluator is not None and options.evaluator.chroot:
        # Both containers, since oscap must own what the scanner unpacks.
        security |= {"runAsNonRoot": False, "runAsUser": 0}
    spec: dict[str, t.Any] = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "activeDeadlineSeconds": seconds,
        "securityContext": security,
        "tolerations": [
            *options.tolerations,
            *(
                {
                    "key": f"node.kubernetes.io/{condition}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": TOLERATION_SECONDS,
                }
                for condition in ("not-ready", "unreachable")
            ),
        ],
        "containers": [_container(options, variables)],
        "volumes": [
            {"name": "program", "configMap": {"name": program_name(plan)}},
            {"name": "plan", "configMap": {"name": plan_name(plan)}},
            {"name": "scratch", "emptyDir": {"sizeLimit": SCRATCH}},
        ],
    }
    if options.evaluator is not None:
        _add_evaluator(spec, plan, options, options.evaluator)
    if options.node_selector:
        spec["nodeSelector"] = dict(options.node_selector)
    if options.priority_class:
        spec["priorityClassName"] = options.priority_class
    if options.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in options.pull_secrets]
    return {"metadata": {"labels": labels(run)}, "spec": spec}


def _add_evaluator(spec: dict[str, t.Any], plan: str, options: PodOptions, evaluator: EvaluatorOptions) -> None:
    spec["volumes"] += [
        {"name": "tree", "emptyDir": {"medium": "Memory", "sizeLimit": str(evaluator.tree_bytes)}},
        {"name": "work", "emptyDir": {"sizeLimit": EVALUATOR_SCRATCH}},
    ]
    scanner = spec["containers"][0]
    tree = {"name": "tree", "mountPath": "/tree"}
    scanner["volumeMounts"].append(tree)
    # Pages of the volume are the scanner's: it is charged for what it writes.
    memory = memory_bytes(options.memory)
    scanner["resources"]["requests"]["memory"] = str(memory + evaluator.tree_request)
    scanner["resources"]["limits"]["memory"] = str(memory + evaluator.tree_bytes)
    mounts = [
        {"name": "program", "mountPath": "/program", "readOnly": True},
        tree,
        {"name": "work", "mountPath": "/tmp"},
    ]
    if evaluator.given:
        spec["volumes"].append({"name": "content", "configMap": {"name": given_name(plan)}})
        mounts.append({"name": "content", "mountPath": "/content", "readOnly": True})
    allowed = scanner["securityContext"]
    if evaluator.chroot:
        allowed = {**allowed, "capabilities": {**allowed["capabilities"], "add": ["SYS_CHROOT"]}}
    texts = {"HOME": "/tmp", "TMPDIR": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    if evaluator.content:
        texts[CONTENT_VARIABLE] = "/content-image"
        image = {"reference": evaluator.content, "pullPolicy": "IfNotPresent"}
        spec["volumes"].append({"name": "content-image", "image": image})
        mounts.append({"name": "content-image", "mountPath": texts[CONTENT_VARIABLE], "readOnly": True})
    spec["containers"].append(
        {
            **{name: scanner[name] for name in ("image", "imagePullPolicy")},
            "name": EVALUATOR,
            "command": ["python3", f"/program/{PROGRAM_FILE}", EVALUATE],
            "securityContext": allowed,
            "workingDir": "/tmp",
            "env": [{"name": name, "value": value} for name, value in texts.items()],
            "resources": {
                "requests": {"memory": evaluator.memory, "cpu": options.cpu},
                "limits": {"memory": evaluator.memory, "cpu": scanner["resources"]["limits"]["cpu"]},
            },
            "volumeMounts": mounts,
        }
    )


def _container(options: PodOptions, variables: t.Mapping[str, str]) -> dict[str, t.Any]:
    fields = {"IMAGESCAN_POD_NAME": "metadata.name", "IMAGESCAN_POD_UID": "metadata.uid"}
    texts = {"HOME": "/scratch", "TMPDIR": "/scratch", "PYTHONDONTWRITEBYTECODE": "1", **variables}
    # glibc would set aside 64 MiB and more for each thread, of what one image may use.
    texts["MALLOC_ARENA_MAX"] = "1"
    for name, value in options.proxy.items():
        if value:
            texts[_PROXY_VARIABLES[name]] = value
    return {
        "name": CONTAINER,
        "image": options.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", f"/program/{PROGRAM_FILE}"],
        "workingDir": "/scratch",
        "env": [
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
            *({"name": name, "value": value} for name, value in texts.items()),
        ],
        "resources": {
            "requests": {"memory": options.memory, "cpu": options.cpu},
            "limits": {
                "memory": options.memory,
                "cpu": max(options.cpu, options.cpu_limit, key=lambda text: _quantity(text, "pod_cpu")),
            },
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "program", "mountPath": "/program", "readOnly": True},
            {"name": "plan", "mountPath": "/plan", "readOnly": True},
            {"name": "scratch", "mountPath": "/scratch"},
        ],
    }


def _mount(pod: dict[str, t.Any], name: str, path: str, source: t.Mapping[str, t.Any]) -> None:
    pod["volumes"].append({"name": name, **source})
    pod["containers"][0]["volumeMounts"].append({"name": name, "mountPath": path, "readOnly": True})
