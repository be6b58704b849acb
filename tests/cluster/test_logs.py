# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of real pods, through a kubelet that rotates them, connections that break, and processes that are killed."""

from __future__ import annotations

import base64
import hashlib
import inspect
import io
import json
import os
import time
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.log_collector import Finished, LogCollector
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import Encoder, Record
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, fault_proxy
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT

KEY = bytes(range(32))
PACKAGE = "ansible_collections/imagescan/openshift/plugins/module_utils"
#: A cut or a killed kubelet that meets a rotation loses lines, which is declared; a run that met none is whole.
TRIES = 4
CUTS: tuple[t.Literal["clean", "broken", "reset"], ...] = ("clean", "broken", "reset")


def inventory(number: int, packages: int) -> dict[str, t.Any]:
    """About as many bytes as the inventory of a real image has when it is packed."""

    def package(index: int) -> dict[str, t.Any]:
        digest = hashlib.sha256(b"%d/%d" % (number, index)).hexdigest()
        return {
            "name": f"package-{index}",
            "version": f"{index % 9}.{number}",
            "release": "1.el9",
            "arch": "x86_64",
            "source_rpm": f"package-{index // 3}-{index % 9}.{number}-1.el9.src.rpm",
            "header": digest,
        }

    return {"kind": "rpm", "packages": [package(index) for index in range(packages)]}


def record_of(number: int, packages: int) -> dict[str, t.Any]:
    """The body of one image's record."""
    return {
        "number": number,
        "digest": f"sha256:{number:064x}",
        "platform": "linux/amd64",
        "index": "",
        "state": "scanned",
        "inventory": inventory(number, packages),
    }


def speak(images: int, packages: int, pause: float, noise: bool) -> None:
    """What runs in the pod: records at a steady pace, heartbeats, and noise on standard error."""
    encoder = Encoder(bytes.fromhex(os.environ["KEY"]), os.environ["IMAGESCAN_POD_UID"], write_line)
    hello = {"schema_version": 1, "run": "r", "shard": 0, "pod": os.environ["HOSTNAME"], "images": images}
    encoder.send("hello", {**hello, "python": "3", "problems": []})
    beat = time.monotonic()
    for number in range(images):
        encoder.send("image", record_of(number, packages))
        if noise:
            os.write(2, b"warning: something about image %d\n" % number)
            os.write(2, b"without an end, and as long as a kubelet splits " + b"x" * (17_000 if number % 3 else 5))
            os.write(2, b"@F1 0 0 image 0 1 3 " + b"0" * 32 + b" AAAA\n")
        end = time.monotonic() + pause
        while time.monotonic() < end:
            time.sleep(min(0.1, pause))
            if time.monotonic() - beat > 5:
                encoder.send("beat", {"doing": []})
                beat = time.monotonic()
    encoder.send("bye", {"counts": {"scanned": images}, "records": encoder.records + 1, "left": []})


def write_line(line: bytes) -> None:
    """One line, one write."""
    os.write(1, line)


def program() -> bytes:
    """A zip file with ``speak`` and the modules of the collection that it uses."""
    parts = [inspect.getsource(function) for function in (inventory, record_of, speak, write_line)]
    imports = "import hashlib, json, os, time, typing as t\n"
    imports += f"from {PACKAGE.replace('/', '.')}._scanner.frames import Encoder\n"
    main = (
        "from __future__ import annotations\n" + imports + "\n".join(parts) + "speak(**json.loads(os.environ['HOW']))\n"
    )
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__main__.py", main)
        folders = PACKAGE.split("/")
        for depth in range(len(folders)):
            archive.writestr("/".join([*folders[: depth + 1], "__init__.py"]), "")
        utils = CHECKOUT / "plugins" / "module_utils"
        for name in ("_scanner", "_core", "_images"):
            archive.writestr(f"{PACKAGE}/{name}/__init__.py", "")
        for path in (*utils.glob("_core/*.py"), *utils.glob("_images/*.py"), utils / "_scanner" / "frames.py"):
            archive.write(path, f"{PACKAGE}/{path.relative_to(utils)}")
    return held.getvalue()


@pytest.fixture
def client(rotating: Cluster) -> KubernetesClient:
    """A client that no proxy disturbs."""
    return connect(Connection(kubeconfig=str(rotating.kubeconfig), timeout=5, deadline=10))


class Bench:
    """Pods that speak, and a collector that listens to them."""

    def __init__(
        self, cluster: Cluster, client: KubernetesClient, namespace: str, through: KubernetesClient | None = None
    ) -> None:
        self.cluster = cluster
        self.client = client
        # Who waits for a dead API server does not see what the collector says meanwhile.
        self.hasty = connect(Connection(kubeconfig=str(cluster.kubeconfig), timeout=1, deadline=1))
        self.path = f"/api/v1/namespaces/{namespace}"
        self.namespace = namespace
        self.collector = LogCollector(through or client, namespace)
        self.names: dict[str, str] = {}
        self.records: dict[str, list[Record]] = {}
        self.finished: dict[str, Finished] = {}
        content = {"binaryData": {"speak.pyz": base64.b64encode(program()).decode()}}
        client.create(f"{self.path}/configmaps", {"metadata": {"generateName": "program-"}, **content})
        listed = client.get(f"{self.path}/configmaps")["items"]
        self.program = [item["metadata"]["name"] for item in listed if item["metadata"]["name"].startswith("program-")][
            -1
        ]

    def start(self, *, images: int, packages: int, pause: float, noise: bool = False) -> str:
        """Create a pod; its UID."""
        how = {"images": images, "packages": packages, "pause": pause, "noise": noise}
        container = {
            "name": "scanner",
            "image": self.cluster.scanner_image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "/program/speak.pyz"],
            "env": [
                {"name": "KEY", "value": KEY.hex()},
                {"name": "HOW", "value": json.dumps(how)},
                {"name": "IMAGESCAN_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            ],
            "volumeMounts": [{"name": "program", "mountPath": "/program"}],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        spec = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "program", "configMap": {"name": self.program}}],
        }
        body = {"metadata": {"generateName": "speaker-"}, "spec": spec}
        metadata = self.client.create(f"{self.path}/pods", body)["metadata"]
        self.names[metadata["uid"]] = metadata["name"]
        return str(metadata["uid"])

    def follow(self, uid: str) -> None:
        self.records[uid] = []
        self.collector.follow(self.names[uid], uid, KEY)

    def phase(self, uid: str) -> str:
        """The pod's phase, "" when it is gone, "?" when the API does not answer."""
        try:
            return str(self.hasty.get(f"{self.path}/pods/{self.names[uid]}")["status"]["phase"])
        except ApiError as error:
            return "" if error.status == 404 else "?"

    def turn(self) -> None:
        """Tell the collector what the API says, and take what it has."""
        for uid in set(self.records) - set(self.finished):
            phase = self.phase(uid)
            self.collector.tell(uid, ended=phase in ("Succeeded", "Failed"), is_gone=not phase)
        for event in self.collector.poll():
            assert event.uid not in self.finished
            if isinstance(event, Finished):
                self.finished[event.uid] = event
            else:
                self.records[event.uid].append(event.record)
        time.sleep(0.2)

    def until(self, holds: t.Callable[[], bool], seconds: float = 240) -> None:
        """Take turns until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, (self.finished, {uid: self.phase(uid) for uid in self.records})
            self.turn()

    def until_finished(self) -> None:
        self.until(lambda: len(self.finished) == len(self.records))

    def images(self, uid: str) -> dict[int, t.Mapping[str, t.Any]]:
        """The images that came; none twice."""
        bodies = [record.body for record in self.records[uid] if record.kind == "image"]
        found = {body["number"]: body for body in bodies}
        assert len(found) == len(bodies)
        return found

    def check(self, uid: str, images: int, packages: int) -> bool:
        """Whether the pod's log came whole. What came is right in any case, and what did not come is declared."""
        done, found = self.finished[uid], self.images(uid)
        assert all(dict(body) == record_of(number, packages) for number, body in found.items())
        if done.whole:
            assert sorted(found) == list(range(images))
        else:
            assert done.reason
        return done.whole


@pytest.fixture
def bench(rotating: Cluster, client: KubernetesClient, namespace: str) -> t.Iterator[Bench]:
    made = Bench(rotating, client, namespace)
    yield made
    made.collector.close()
    rotating.heal()


@pytest.mark.full
def test_25_images_of_2000_packages_through_rotation_noise_and_ten_cuts(
    rotating: Cluster, client: KubernetesClient, namespace: str, tmp_path: Path
) -> None:
    account = f"--serviceaccount={namespace}:default"
    rotating.kubectl("create", "rolebinding", "reader", "--clusterrole=view", account, f"--namespace={namespace}")
    token = rotating.kubectl("create", "token", "default", f"--namespace={namespace}").stdout
    outcomes: list[Finished] = []
    with fault_proxy(rotating.server, rotating.ca_file, tmp_path) as proxy:
        through = connect(Connection(host=proxy.url, ca_cert=str(proxy.ca_file), api_key=token))
        for _try in range(TRIES):
            # More than the pod writes in two seconds, so that each connection brings something new.
            fault = Fault(r"/log\?", times=10, cut=400_000)
            proxy.faults = [fault]
            bench = Bench(rotating, client, namespace, through)
            uid = bench.start(images=25, packages=2000, pause=0.8, noise=True)
            bench.follow(uid)
            while not bench.finished:
                fault.how = CUTS[fault.hits % len(CUTS)]
                bench.turn()
            bench.collector.close()
            outcomes.append(bench.finished[uid])
            assert fault.hits == 10
            assert bench.finished[uid].rejected >= 25, "the frames that the noise pretends to be"
            # What the node still holds is not the whole log: it was rotated.
            with client.stream(f"{bench.path}/pods/{bench.names[uid]}/log", {"follow": "false"}) as stream:
                assert b" hello " not in stream.readline(1 << 20)
            if bench.check(uid, 25, 2000):
                return
            assert "are missing" in bench.finished[uid].reason
    pytest.fail(f"not once whole: {outcomes}")


@pytest.mark.parametrize("process", ["kube-apiserver", "kubelet"])
def test_a_process_is_killed_and_started_in_the_middle(bench: Bench, process: str) -> None:
    uids = [bench.start(images=20, packages=300, pause=1.0) for _pod in range(2)]
    for uid in uids:
        bench.follow(uid)
    bench.until(lambda: all(len(bench.images(uid)) >= 3 for uid in uids))
    bench.cluster.kill(process)
    killed = time.monotonic()
    bench.until(lambda: time.monotonic() - killed > 6)
    bench.cluster.spawn(process)
    bench.until_finished()
    # Nothing was rotated, and so nothing may be lost.
    assert all(bench.check(uid, 20, 300) for uid in uids), bench.finished


@pytest.mark.full
def test_a_kubelet_that_is_killed_while_logs_rotate_loses_nothing_silently(bench: Bench) -> None:
    uid = bench.start(images=25, packages=2000, pause=0.8, noise=True)
    bench.follow(uid)
    for number in (4, 9, 14):
        bench.until(lambda: len(bench.images(uid)) >= number or uid in bench.finished)  # noqa: B023 - called here
        if bench.phase(uid) == "Running":
            bench.cluster.restart("kubelet")
    bench.until_finished()
    if not bench.check(uid, 25, 2000):
        assert "are missing" in bench.finished[uid].reason


@pytest.mark.full
def test_a_kubelet_that_stays_dead_is_named_within_30_seconds(bench: Bench) -> None:
    uid = bench.start(images=200, packages=50, pause=1.0)
    bench.follow(uid)
    bench.until(lambda: len(bench.images(uid)) >= 3)
    bench.cluster.kill("kubelet")
    killed = time.monotonic()
    bench.until_finished()
    assert not bench.check(uid, 200, 50)
    assert "could not be read" in bench.finished[uid].reason
    assert len(bench.images(uid)) >= 3
    # The bar is 30 s. It does not gate on a machine that is busy with other things.
    assert time.monotonic() - killed < 60


def test_pods_that_ended_before_they_are_followed(bench: Bench) -> None:
    uids = [bench.start(images=3, packages=500, pause=0.0) for _pod in range(3)]
    bench.until(lambda: all(bench.phase(uid) == "Succeeded" for uid in uids))
    for uid in uids:
        bench.follow(uid)
    bench.until_finished()
    assert all(bench.check(uid, 3, 500) for uid in uids), bench.finished


def test_a_pod_that_ended_before_it_is_followed_and_was_rotated_is_declared(bench: Bench) -> None:
    uid = bench.start(images=25, packages=2000, pause=0.8)
    bench.until(lambda: bench.phase(uid) == "Succeeded")
    bench.follow(uid)
    bench.until_finished()
    assert not bench.check(uid, 25, 2000)
    assert "are missing" in bench.finished[uid].reason
    assert 0 < len(bench.images(uid)) < 25, "what the node still had is kept"


def test_a_pod_that_is_deleted_in_the_middle(bench: Bench) -> None:
    gone, stays = (bench.start(images=12, packages=300, pause=1.0) for _pod in range(2))
    bench.follow(gone)
    bench.follow(stays)
    bench.until(lambda: len(bench.images(gone)) >= 3)
    bench.client.delete(f"{bench.path}/pods/{bench.names[gone]}")
    bench.until_finished()
    assert not bench.check(gone, 12, 300)
    assert bench.finished[gone].reason.startswith(("the pod is gone", "the pod ended"))
    assert len(bench.images(gone)) >= 3
    assert bench.check(stays, 12, 300), bench.finished


def test_a_pod_whose_log_is_gone_is_declared(bench: Bench) -> None:
    uid = bench.start(images=2, packages=100, pause=0.0)
    bench.until(lambda: bench.phase(uid) == "Succeeded")
    bench.cluster.run("sh", "-c", f"rm -r /var/log/pods/*_{uid}")
    bench.follow(uid)
    bench.until_finished()
    assert not bench.check(uid, 2, 100)
    assert not bench.records[uid]


def test_a_pod_that_can_never_start_waits_until_it_is_deleted(bench: Bench) -> None:
    bench.program = "there-is-none"
    uid = bench.start(images=1, packages=1, pause=0.0)
    bench.follow(uid)
    begun = time.monotonic()
    bench.until(lambda: time.monotonic() - begun > 5)
    assert not bench.finished
    bench.client.delete(f"{bench.path}/pods/{bench.names[uid]}")
    bench.until_finished()
    assert not bench.check(uid, 1, 1)
    assert bench.finished[uid].reason.startswith("the pod is gone")
