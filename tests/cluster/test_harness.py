# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test cluster is what the other tests take it for: a real one, whole, and closed."""

from __future__ import annotations

import json
import os
import socket
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.binaries import (
    NAME_CHECK,
    BuildError,
    relax_name_check,
)
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import (
    PROCESSES,
    REGISTRIES,
    WITHOUT_IMAGE_VOLUMES,
    Cluster,
    folder_of,
)
from ansible_collections.imagescan.openshift.tests.cluster.harness.sandbox import SERVICE_ADDRESS

SECONDS = 120
FILE_OF_IMAGE = "/etc/os-release"
OUTSIDE = ("192.0.2.1", 443)


def pod(image: str, *command: str, memory: str = "128Mi", **spec: t.Any) -> dict[str, t.Any]:
    """A pod that Pod Security ``restricted`` admits."""
    security = {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}}
    container: dict[str, t.Any] = {
        "name": "main",
        "image": image,
        "command": list(command),
        "resources": {"limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    container |= spec.pop("container", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": {"restartPolicy": "Never", "securityContext": security, "containers": [container], **spec},
    }


def finished(cluster: KubernetesCluster, namespace: str) -> t.Any:
    """The state in which the pod's container ended."""
    end = time.monotonic() + SECONDS
    while True:
        found = cluster.get("pod/probe", f"--namespace={namespace}")
        for status in found["status"].get("containerStatuses", ()):
            if "terminated" in status["state"]:
                return status["state"]["terminated"]
        if time.monotonic() > end:
            pytest.fail(json.dumps(found["status"], indent=1))
        time.sleep(0.2)


@pytest.mark.full
def test_pod_under_restricted_answers_by_its_log(
    cluster: KubernetesCluster, namespace: str, scanner_image: str
) -> None:
    program = "import os, sys; print('uid', os.getuid()); print('noise', file=sys.stderr)"
    cluster.apply(pod(scanner_image, "python3", "-c", program), namespace=namespace)
    assert finished(cluster, namespace)["exitCode"] == 0
    log = cluster.kubectl("logs", "probe", f"--namespace={namespace}").stdout.splitlines()
    assert sorted(log) == ["noise", "uid 65534"]


def test_pod_security_refuses_root(cluster: KubernetesCluster, namespace: str, scanner_image: str) -> None:
    wanted = pod(scanner_image, "true")
    wanted["spec"]["securityContext"] = {"runAsUser": 0}
    answer = cluster.kubectl(
        "create", f"--namespace={namespace}", "--filename=-", input=json.dumps(wanted), check=False
    )
    assert answer.returncode != 0
    assert 'violates PodSecurity "restricted' in answer.stderr


@pytest.mark.full
def test_memory_limit_kills(cluster: KubernetesCluster, namespace: str, scanner_image: str) -> None:
    hungry = pod(scanner_image, "python3", "-c", "b = bytearray(200_000_000)", memory="48Mi")
    cluster.apply(hungry, namespace=namespace)
    assert finished(cluster, namespace)["reason"] == "OOMKilled"


@pytest.mark.full
def test_image_volume_is_read(cluster: KubernetesCluster, namespace: str, scanner_image: str) -> None:
    program = f"print(open('/target{FILE_OF_IMAGE}').read())"
    wanted = pod(
        scanner_image,
        *("python3", "-c", program),
        container={"volumeMounts": [{"name": "target", "mountPath": "/target", "readOnly": True}]},
        volumes=[{"name": "target", "image": {"reference": scanner_image}}],
    )
    cluster.apply(wanted, namespace=namespace)
    assert finished(cluster, namespace)["exitCode"] == 0
    assert "VERSION_CODENAME" in cluster.kubectl("logs", "probe", f"--namespace={namespace}").stdout


@pytest.mark.full
def test_openscap_runs_in_a_pod(cluster: KubernetesCluster, namespace: str, scanner_image: str) -> None:
    wanted = pod(scanner_image, "fakechroot", "oscap", "--version")
    cluster.apply(wanted, namespace=namespace)
    assert finished(cluster, namespace)["exitCode"] == 0
    assert "OpenSCAP" in cluster.kubectl("logs", "probe", f"--namespace={namespace}").stdout


def test_image_objects_have_names_of_digests(cluster: KubernetesCluster) -> None:
    cluster.install_openshift_kinds()
    name = f"sha256:{os.urandom(32).hex()}"
    image = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "Image",
        "metadata": {"name": name},
        "dockerImageReference": f"registry.example.com/shop/frontend@{name}",
    }
    cluster.apply(image)
    try:
        change = json.dumps({"metadata": {"annotations": {"flag": "failed"}}})
        cluster.kubectl("patch", "images.image.openshift.io", name, "--type=merge", f"--patch={change}")
        listed = {item["metadata"]["name"]: item for item in cluster.get("images.image.openshift.io")["items"]}
        assert listed[name]["metadata"]["annotations"]["flag"] == "failed"
        assert listed[name]["dockerImageReference"] == image["dockerImageReference"]
    finally:
        cluster.kubectl("delete", "images.image.openshift.io", name)


def test_other_kinds_keep_the_usual_check_of_names(cluster: KubernetesCluster) -> None:
    cluster.install_openshift_kinds()
    mirrors = {"apiVersion": "config.openshift.io/v1", "kind": "ImageTagMirrorSet", "metadata": {"name": "a:b"}}
    answer = cluster.kubectl("create", "--filename=-", input=json.dumps(mirrors), check=False)
    assert answer.returncode != 0
    assert "RFC 1123" in answer.stderr


@pytest.mark.parametrize("times", [0, 2])
def test_build_fails_where_the_check_of_names_is_another(tmp_path: Path, times: int) -> None:
    name, old, _new = NAME_CHECK
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(old * times, encoding="utf-8")
    with pytest.raises(BuildError, match=f"stands {times} times"):
        relax_name_check(tmp_path)


@pytest.mark.full
def test_nothing_outside_is_reachable(breakable_cluster: Cluster, namespace: str, scanner_image: str) -> None:
    links = {line.split()[1].split("@")[0].rstrip(":") for line in _output(breakable_cluster, "ip", "-o", "link")}
    assert {link for link in links if not link.startswith("veth")} <= {"lo", "node0", "pods0"}
    assert _output(breakable_cluster, "ip", "route", "show", "default") == []
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(OUTSIDE, timeout=SECONDS)
    program = (
        "import socket\n"
        f"for target in ({OUTSIDE}, ('{SERVICE_ADDRESS}', 443)):\n"
        "    try:\n        socket.create_connection(target, timeout=60).close(); print('open')\n"
        "    except OSError as error:\n        print(error.strerror)\n"
    )
    breakable_cluster.apply(pod(scanner_image, "python3", "-c", program), namespace=namespace)
    assert finished(breakable_cluster, namespace)["exitCode"] == 0
    log = breakable_cluster.kubectl("logs", "probe", f"--namespace={namespace}").stdout.splitlines()
    assert log == ["Network is unreachable", "open"]


@pytest.mark.full
@pytest.mark.parametrize("process", [*PROCESSES, *REGISTRIES])
def test_process_is_killed_and_comes_back(breakable_cluster: Cluster, process: str) -> None:
    before = breakable_cluster.pid(process)
    breakable_cluster.restart(process)
    assert breakable_cluster.pid(process) != before
    breakable_cluster.wait_ready()


@pytest.mark.full
def test_paused_etcd_hangs_requests_and_resumes(breakable_cluster: Cluster) -> None:
    breakable_cluster.pause("etcd")
    answer = breakable_cluster.kubectl("create", "configmap", "probe", "--request-timeout=2s", check=False)
    assert answer.returncode != 0
    breakable_cluster.resume("etcd")
    breakable_cluster.wait_ready()
    breakable_cluster.kubectl("get", "nodes")


@pytest.mark.full
def test_registry_with_login(breakable_cluster: Cluster, namespace: str, scanner_image: str) -> None:
    breakable_cluster.run(
        *("skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false"),
        f"--dest-cert-dir={breakable_cluster.folder / 'pki' / 'registry-client'}",
        f"--dest-creds={':'.join(breakable_cluster.login)}",
        *(f"docker://{scanner_image}", f"docker://{breakable_cluster.tls_registry}/private/scanner:test"),
    )
    username, password = breakable_cluster.login
    host = breakable_cluster.tls_registry
    private = pod(f"{host}/private/scanner:test", "true", imagePullSecrets=[{"name": "pull"}])
    private["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    breakable_cluster.kubectl(
        *("create", "secret", "docker-registry", "pull", f"--namespace={namespace}", f"--docker-server={host}"),
        *(f"--docker-username={username}", f"--docker-password={password}"),
    )
    breakable_cluster.apply(private, namespace=namespace)
    assert finished(breakable_cluster, namespace)["exitCode"] == 0


@pytest.mark.full
def test_second_cluster_beside_without_image_volumes(
    breakable_cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also: a start cleans away what one of the same name left, and a stop leaves nothing."""
    name = f"{breakable_cluster.name[:20]}-b"
    wanted = pod("registry.example.com/a:b", "true", volumes=[{"name": "t", "image": {"reference": "x.example/a:b"}}])
    question = ("create", "--filename=-", "--dry-run=server", "--output=json")
    echo = breakable_cluster.kubectl(*question, input=json.dumps(wanted)).stdout
    assert "x.example/a:b" in echo
    Cluster(name, folder_of(name), WITHOUT_IMAGE_VOLUMES).start()  # and then it is forgotten, as after kill -9
    second = Cluster(name, folder_of(name), WITHOUT_IMAGE_VOLUMES)
    try:
        seconds = second.start()
        with capsys.disabled():
            print(f" [from start to Ready: {seconds:.1f} s] ", end="")
        echo = second.kubectl(*question, input=json.dumps(wanted)).stdout
        assert "x.example/a:b" not in echo
        breakable_cluster.wait_ready()
    finally:
        second.stop()
    assert not second.folder.exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/imagescan-{name}"))
    assert str(second.folder) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def _output(cluster: Cluster, *command: str) -> list[str]:
    return cluster.run(*command).stdout.splitlines()
