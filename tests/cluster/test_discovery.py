# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery on a real cluster, by the module and with the account that may only discover."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import PAUSE_IMAGE, Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, Faults, fault_proxy
from ansible_collections.imagescan.openshift.tests.support.modules import run_module
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image, stream
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

MODULE = "ansible_collections.imagescan.openshift.plugins.modules.image_info"
IMAGES, STREAMS, TAGS = 10_000, 1_000, 10
SECONDS = 300
MIB = 1 << 20
#: ClusterRole imagescan-discovery, as the role ``setup`` ships it.
RULES: t.Mapping[str, t.Mapping[str, t.Sequence[str]]] = {
    "": {"namespaces,pods,replicationcontrollers": ["list"]},
    "apps": {"deployments,replicasets,statefulsets,daemonsets": ["list"]},
    "batch": {"jobs,cronjobs": ["list"]},
    "image.openshift.io": {"images,imagestreams": ["get", "list", "watch"]},
    "apps.openshift.io": {"deploymentconfigs": ["list"]},
    "build.openshift.io": {"buildconfigs": ["list"]},
}
Result = dict[str, t.Any]


class Run(t.NamedTuple):
    """What one run of the module gave, and what it cost."""

    result: Result
    seconds: float
    memory: int

    @property
    def digests(self) -> set[str]:
        """The images."""
        return {str(one["digest"]) for one in self.result["images"]}


#: Runs the module and leaves its peak of memory; what the system counts for a child has its parent's in it.
WATCHED = f"""
import atexit, pathlib, runpy, sys
status = pathlib.Path(sys.argv.pop())
def leave():
    status.write_text(pathlib.Path("/proc/self/status").read_text())
atexit.register(leave)
runpy.run_module({MODULE!r}, run_name="__main__")
"""


def call(folder: Path, **options: t.Any) -> Result:
    """Run the module, and do not look at its costs."""
    return run_module("image_info", options, folder)


def find(folder: Path, **options: t.Any) -> Run:
    """Run the module in a process of its own, as Ansible does."""
    given = folder / f"arguments-{time.monotonic_ns()}.json"
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}), encoding="utf-8")
    status = given.with_suffix(".status")
    started = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-c", WATCHED, str(given), str(status)], capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    assert process.stdout.strip().startswith("{"), process.stdout[-1000:] + process.stderr[-3000:]
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
    assert peak
    return Run(json.loads(process.stdout), seconds, int(peak.group(1)) * 1024)


@pytest.fixture(scope="module")
def administrator(cluster: KubernetesCluster) -> KubernetesClient:
    """A client that may do everything, on a cluster that knows the kinds of OpenShift."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: this test fills it")
    cluster.install_openshift_kinds()
    return connect(Connection(kubeconfig=str(cluster.kubeconfig)))


@pytest.fixture(scope="module")
def reach(
    cluster: KubernetesCluster, administrator: KubernetesClient, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Result]:
    """Options for an account that may discover, and nothing else."""
    name = f"discover-{os.getpid()}"
    cluster.create_namespace(name)
    cluster.kubectl("--namespace", name, "create", "serviceaccount", "discover")
    rules = [
        {"apiGroups": [group], "resources": resources.split(","), "verbs": verbs}
        for group, granted in RULES.items()
        for resources, verbs in granted.items()
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
    cluster.apply({**role, "rules": rules})
    cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={name}:discover")
    ca_file = tmp_path_factory.mktemp("discovery") / "ca.crt"
    ca_file.write_text(administrator.ca, encoding="ascii")
    token = cluster.kubectl("--namespace", name, "create", "token", "discover", "--duration=2h").stdout.strip()
    yield {"host": administrator.server, "ca_cert": str(ca_file), "api_key": token}
    cluster.kubectl("delete", "clusterrolebinding,clusterrole", name)
    cluster.remove_namespace(name)


def number_digest(number: int) -> str:
    """A digest for a number."""
    return "sha256:" + hashlib.sha256(str(number).encode()).hexdigest()


def many_images() -> t.Iterator[tuple[str, Result]]:
    """10,000 Image objects of 10 KB, of which the streams name all but the last ten, each with its path."""
    for number in range(IMAGES):
        name = f"quay.io/fleet/app{number % STREAMS}"
        body = image("0", name)
        body.update(apiVersion="image.openshift.io/v1", kind="Image")
        body["metadata"].update(name=number_digest(number), labels={"test": "fleet"})
        body["dockerImageReference"] = f"{name}@{number_digest(number)}"
        body["dockerImageLayers"] = [
            {"name": number_digest(layer * IMAGES + number // 8), "size": 1000, "mediaType": "x" * 60}
            for layer in range(30)
        ]
        body["dockerImageMetadata"]["Id"] = number_digest(-number)
        body["dockerImageMetadata"]["Config"]["Env"] = [f"VARIABLE_{n}=" + "v" * 60 for n in range(60)]
        yield "/apis/image.openshift.io/v1/images", body


def many_streams() -> t.Iterator[tuple[str, Result]]:
    """1,000 streams of ten tags each, a tenth of them in a namespace of the platform."""
    for number in range(STREAMS):
        namespace = f"fleet-{number % 9}" if number % 10 else "openshift-fleet"
        tags = {}
        for tag in range(TAGS):
            one = number + tag * STREAMS
            if one < IMAGES - 10:
                tags[f"v{tag}"] = [(number_digest(one), f"quay.io/fleet/app{number}@{number_digest(one)}")]
        body = stream(namespace, f"app{number}", (), **tags)
        body.update(apiVersion="image.openshift.io/v1", kind="ImageStream")
        body["metadata"]["labels"] = {"test": "fleet", "half": str(number % 2)}
        yield f"/apis/image.openshift.io/v1/namespaces/{namespace}/imagestreams", body


def name_of(each: Result) -> str:
    """The name of an object."""
    return str(each["metadata"]["name"])


@pytest.fixture(scope="module")
def fleet(cluster: KubernetesCluster, administrator: KubernetesClient) -> t.Iterator[None]:
    """The images and streams."""
    namespaces = [f"fleet-{number}" for number in range(9)] + ["openshift-fleet"]
    for name in namespaces:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    objects = [*many_images(), *many_streams()]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: administrator.create(*each), objects))
    yield
    for name in namespaces:
        cluster.remove_namespace(name)  # and its streams
    images = "/apis/image.openshift.io/v1/images"
    while administrator.items(images, name_of, {"labelSelector": "test=fleet"}):
        # One request that the server may not end in time: it goes on where the last one stopped.
        cluster.kubectl("delete", f"--raw={images}?labelSelector=test%3Dfleet", check=False)


@pytest.fixture
def proxy(reach: Result, tmp_path: Path) -> t.Iterator[Faults]:
    """A proxy in front of the API server, without faults yet."""
    with fault_proxy(reach["host"], Path(reach["ca_cert"]), tmp_path / "proxy") as running:
        yield running


def report(what: str, run: Run) -> None:
    """Leave the figures in the output of the tests."""
    print(f"{what}: {len(run.digests)} images, {run.seconds:.1f} s, {run.memory / MIB:.0f} MiB")


def found(run: Run) -> Result:
    """The result of a run without its input, and without when a stream was asked, which differs by run."""
    names = [name for one in run.result["images"] for name in one["names"] if name["source"] == "openshift"]
    assert names
    for name in names:
        name.pop("seen", None)
    return {**run.result, "invocation": 0}


@pytest.mark.full
@pytest.mark.timeout(3 * SECONDS)
def test_ten_thousand_images(fleet: None, reach: Result, proxy: Faults, tmp_path: Path) -> None:
    everything = find(tmp_path, **reach, sources=["openshift"], system_namespaces=True)
    report("all", everything)
    assert everything.digests == {number_digest(number) for number in range(IMAGES)}
    assert everything.result["unidentified"] == everything.result["excluded"] == []
    one = next(each for each in everything.result["images"] if each["digest"] == number_digest(1))
    assert (len(one["layers"]), one["size"], one["kind"]) == (30, 30_000, "image")
    assert one["references"][0] == f"quay.io/fleet/app1@{number_digest(1)}"
    assert one["references"][1].endswith("/fleet-1/app1:v0")
    # The bar is 30 s. It does not gate on a machine that is busy with other things.
    assert everything.seconds < SECONDS
    assert everything.memory < 250 * MIB

    through = {**reach, "host": proxy.url, "ca_cert": str(proxy.ca_file)}
    forgotten = Fault(pattern=r"GET .*/images\?.*continue=", every=10, times=1, status=410)
    refused = [Fault(pattern="GET", every=10, status=status, retry_after=0) for status in (429, 500)]
    refused[1].seen = 5
    for faults in ([forgotten], refused):
        proxy.faults = faults
        again = find(tmp_path, **through, sources=["openshift"], system_namespaces=True)
        report("with faults", again)
        assert all(fault.hits for fault in faults)
        assert found(again) == found(everything)

    ours = find(tmp_path, **reach, openshift={"tags": ["v[01]"]}, namespaces=["fleet-1", "fleet-2"])
    expected = {n for n in range(STREAMS) if n % 10 and n % 9 in (1, 2)}
    assert ours.digests == {number_digest(n + tag * STREAMS) for n in expected for tag in (0, 1)}
    half = find(tmp_path, **reach, sources=["openshift"], label_selector="half=1", exclude_namespaces=["fleet-[0-4]"])
    assert half.digests == {number_digest(n) for n in range(IMAGES - 10) if n % 2 and n % STREAMS % 9 > 4}
    default = find(tmp_path, **reach, sources=["openshift"])
    assert len(default.digests) == IMAGES - STREAMS // 10 * TAGS + sum(
        n % STREAMS % 10 == 0 for n in range(IMAGES - 10, IMAGES)
    )
    left = {one["reference"]: one["count"] for one in default.result["excluded"]}
    assert left["images.image.openshift.io"] == IMAGES - len(default.digests)


def container(name: str, reference: str, **more: t.Any) -> Result:
    """A container that Pod Security ``restricted`` admits."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    sleep = ["python3", "-c", "import time; time.sleep(3600)"]
    return {"name": name, "image": reference, "command": sleep, "securityContext": security, **more}


def pod_spec(*containers: Result, **more: t.Any) -> Result:
    """The specification of such a pod."""
    security = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"securityContext": security, "containers": list(containers), "terminationGracePeriodSeconds": 0, **more}


def template(reference: str) -> Result:
    """The template of a workload."""
    return {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec(container("main", reference))}


def wait_for(holds: t.Callable[[], bool], what: str) -> None:
    """Until something holds."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.5)


@pytest.mark.timeout(2 * SECONDS)
def test_what_runs(cluster: KubernetesCluster, reach: Result, namespace: str, tmp_path: Path) -> None:
    scanner, tagged = cluster.scanner_reference, cluster.scanner_image
    digest = scanner.partition("@")[2]
    run_once = ["python3", "-c", "pass"]
    volume = {"name": "files", "image": {"reference": tagged, "pullPolicy": "IfNotPresent"}}
    everything = pod_spec(
        container("main", tagged, volumeMounts=[{"name": "files", "mountPath": "/files"}]),
        initContainers=[container("init", scanner, command=run_once)],
        volumes=[volume],
    )
    waiting = pod_spec(container("main", f"{cluster.registry}/none/at/all:1"))
    imported = pod_spec(container("main", PAUSE_IMAGE, imagePullPolicy="Never", command=None))
    ours = {"app.kubernetes.io/managed-by": "imagescan.openshift"}
    apps = {"apiVersion": "apps/v1", "metadata": {"name": "zero"}}
    selector = {"matchLabels": {"app": "x"}}
    once = template(scanner)
    once["spec"]["restartPolicy"] = "Never"
    cron = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}}
    objects: list[Result] = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "everything"}, "spec": everything},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "waiting"}, "spec": waiting},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "imported"}, "spec": imported},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "ours", "labels": ours},
            "spec": pod_spec(container("main", tagged)),
        },
        {
            **apps,
            "kind": "Deployment",
            "spec": {"replicas": 0, "selector": selector, "template": template(f"{cluster.registry}/none:zero")},
        },
        {
            **apps,
            "kind": "StatefulSet",
            "spec": {"replicas": 0, "serviceName": "x", "selector": selector, "template": template("Not/A/Name")},
        },
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "cron"}, "spec": cron},
    ]
    cluster.apply(*objects, namespace=namespace)

    def phases() -> dict[str, str]:
        pods = cluster.get("pods", f"--namespace={namespace}")["items"]
        return {one["metadata"]["name"]: one["status"]["phase"] for one in pods}

    wait_for(lambda: [phases()[name] for name in ("everything", "imported", "ours")] == ["Running"] * 3, "pods run")
    debug = {"name": "debug", **container("debug", scanner)}
    patch = json.dumps({"spec": {"ephemeralContainers": [debug]}})
    where = f"--namespace={namespace}"
    cluster.kubectl("patch", "pod", "everything", where, "--subresource=ephemeralcontainers", f"--patch={patch}")

    def reported() -> bool:
        status = cluster.get("pod", "everything", f"--namespace={namespace}")["status"]
        return any(one.get("imageID") for one in status.get("ephemeralContainerStatuses", []))

    wait_for(reported, "the ephemeral container runs")
    options = {**reach, "namespaces": [namespace], "scan_namespace": namespace, "sources": ["workloads"]}
    options["plain_http_registries"] = [cluster.registry]
    found = call(tmp_path, **options)
    images = {one["digest"]: one for one in found["images"]}
    assert set(images) == {digest}, found
    assert images[digest]["used_by"] == {"count": 1, "namespaces": [namespace]}
    assert tagged in images[digest]["references"] and scanner in images[digest]["references"]
    assert images[digest]["size"] > 0 and images[digest]["layers"]
    problems = {one["reference"]: one for one in found["unidentified"]}
    assert problems[f"{cluster.registry}/none/at/all:1"]["source"] == "workloads"
    assert f"{cluster.registry}/none:zero" in problems
    assert problems["'Not/A/Name'"]["code"] == "invalid-input"
    # An image that was imported into the node has no digest of a manifest there: what runs is not guessed.
    (unknown,) = (one for name, one in problems.items() if name.startswith(PAUSE_IMAGE))
    assert "known by its ID sha256:" in unknown["message"]
    # Nor what the tag of a volume meant when it was mounted.
    assert problems[f"{tagged} (image-volume-unseen)"]["code"] == "image-volume-unseen"
    assert len(problems) == 5
    assert [one["reason"] for one in found["excluded"]] == [
        "they are our own scanner's",
        "they are old revisions (old_revisions)",  # the ReplicaSet of the deployment that is scaled to zero
    ]
    running = call(tmp_path, **options, in_use=True)
    assert [one["digest"] for one in running["images"]] == [digest]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"namespaces": ["no-such-namespace"]}, "no namespace of .* matches 'no-such-namespace'"),
        ({"label_selector": "a in"}, "check the selector"),
    ],
)
def test_what_users_do_wrong(reach: Result, tmp_path: Path, options: Result, message: str) -> None:
    result = call(tmp_path, **reach, sources=["workloads"], **options)
    assert result["failed"]
    assert re.search(message, result["msg"]), result["msg"]


def test_a_selector_that_matches_nothing_is_said(reach: Result, tmp_path: Path) -> None:
    result = call(tmp_path, **reach, sources=["workloads"], label_selector="app=no-such-app")
    assert result["images"] == result["unidentified"] == []
    assert re.search("label_selector matches nothing", str(result.get("warnings", ""))), result


def test_without_rights(cluster: KubernetesCluster, reach: Result, namespace: str, tmp_path: Path) -> None:
    token = cluster.kubectl("--namespace", namespace, "create", "token", "default").stdout.strip()
    for sources in (["openshift"], ["workloads"]):
        result = call(tmp_path, **{**reach, "api_key": token}, sources=sources)
        assert result["failed"] and result["code"] == "cluster-forbidden"
        assert "grant ClusterRole imagescan-discovery" in result["msg"]


def test_rights_in_one_namespace_are_enough_for_it(
    cluster: KubernetesCluster, reach: Result, namespace: str, tmp_path: Path
) -> None:
    account = f"--serviceaccount={namespace}:default"
    cluster.kubectl("--namespace", namespace, "create", "rolebinding", "see", "--clusterrole=view", account)
    token = cluster.kubectl("--namespace", namespace, "create", "token", "default").stdout.strip()
    options = {**reach, "api_key": token, "sources": ["workloads"], "namespaces": [namespace]}
    options["workloads"] = {"kinds": ["pods", "deployments", "jobs", "cronjobs"]}
    result = call(tmp_path, **options)
    assert not result.get("failed"), result
    assert result["unidentified"] == []
