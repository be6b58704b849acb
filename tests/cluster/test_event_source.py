# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source on a real cluster, with the account for discovery: whatever breaks, no image is lost."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.extensions.eda.plugins.event_source import images as source
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_queue import read_state
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.enforced import pod, until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, Faults, fault_proxy
from ansible_collections.imagescan.openshift.tests.support.event_listener import Listener, counted

Json = dict[str, t.Any]
IMAGES = "/apis/image.openshift.io/v1/images"
WATCH = r"^GET \S+/images\?\S*watch=true"
MANY = int(os.environ.get("IMAGESCAN_TEST_ARRIVALS", "5000"))
SECONDS = 900.0
GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'

pytestmark = pytest.mark.timeout(3600)


class Fleet:
    """Image objects of one test."""

    def __init__(self, client: KubernetesClient) -> None:
        self.client = client
        self.name = f"burst-{secrets.token_hex(4)}"
        self.made: dict[str, None] = {}

    def body(self, number: int) -> Json:
        """An Image object."""
        digest = f"sha256:{hashlib.sha256(f'{self.name}-{number}'.encode()).hexdigest()}"
        return {
            "apiVersion": "image.openshift.io/v1",
            "kind": "Image",
            "metadata": {"name": digest, "labels": {"test": self.name}, "annotations": {"padding": "x" * 500}},
            "dockerImageReference": f"registry.example.com/{self.name}/app@{digest}",
        }

    def make(self, count: int, threads: int = 8) -> set[str]:
        """Make so many more, as fast as the server takes them. All that there are."""
        begin = len(self.made)
        bodies = [self.body(number) for number in range(begin, begin + count)]
        self.made.update((one["metadata"]["name"], None) for one in bodies)
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda one: self.client.create(IMAGES, one), bodies))
        return set(self.made)

    def remove(self, cluster: KubernetesCluster) -> None:
        """Take them away."""
        while self.client.items(IMAGES, lambda one: one["metadata"]["name"], {"labelSelector": f"test={self.name}"}):
            cluster.kubectl("delete", f"--raw={IMAGES}?labelSelector=test%3D{self.name}", check=False)


@pytest.fixture
def fleet(cluster: KubernetesCluster) -> t.Iterator[Fleet]:
    """No Image objects yet."""
    cluster.install_openshift_kinds()
    made = Fleet(connect(Connection(kubeconfig=str(cluster.kubeconfig), deadline=120.0)))
    yield made
    made.remove(cluster)


@pytest.fixture
def account(shared_accounts: Accounts) -> Json:
    """Access as the account for discovery."""
    return {"kubeconfig": str(shared_accounts.discover), "watch": ["images"], "batch_delay": 0.2}


@pytest.fixture
def proxy(fleet: Fleet, tmp_path: Path) -> t.Iterator[Faults]:
    """A proxy in front of the API server, without faults yet."""
    ca_file = tmp_path / "ca.crt"
    ca_file.write_text(fleet.client.ca, encoding="ascii")
    with fault_proxy(fleet.client.server, ca_file, tmp_path / "proxy") as running:
        yield running


@pytest.fixture
def through(proxy: Faults, shared_accounts: Accounts) -> Json:
    """Access as the account for discovery, through the proxy."""
    user = yaml.safe_load(shared_accounts.discover.read_text(encoding="utf-8"))["users"][0]["user"]
    access = {"host": proxy.url, "ca_cert": str(proxy.ca_file), "api_key": user["token"]}
    return {**access, "watch": ["images"], "batch_delay": 0.2}


@pytest.mark.full
def test_a_burst_through_watches_that_are_cut_forgotten_and_refused_and_an_api_server_that_restarts(
    breakable_cluster: Cluster, fleet: Fleet, proxy: Faults, through: Json
) -> None:
    # Each is the turn of every fifth watch, so none lives until all are through.
    cuts = [
        Fault(WATCH, every=5, times=17, cut=4000, how="clean"),
        Fault(WATCH, every=5, times=17, cut=4000, how="broken", seen=1),
        Fault(WATCH, every=5, times=17, cut=4000, how="reset", seen=2),
    ]
    gone = Fault(WATCH, every=5, times=17, status=410, seen=3)
    inside = Fault(WATCH, every=5, times=17, change=lambda piece: GONE, seen=4)
    pages = Fault(r"/images\?\S*continue=", every=5, times=3, status=410)
    lists = Fault(r"/images\?limit", every=7, times=3, drop="after")
    busy = Fault(r"/images\?limit", every=9, times=3, status=503)
    proxy.faults[:] = [*cuts, gone, inside, busy, pages, lists]

    def made_until(holds: t.Callable[[], bool]) -> set[str]:
        end = time.monotonic() + SECONDS
        while not holds() and time.monotonic() < end:
            fleet.make(10, threads=2)
        return set(fleet.made)

    before = fleet.make(10)
    with Listener(**through) as listener:
        until(lambda: len(listener.told(before)) == len(before), SECONDS)
        made_until(lambda: sum(one.hits for one in cuts) >= 40)  # while there are few: each means a list
        fleet.make(MANY // 2)
        breakable_cluster.restart("kube-apiserver")
        fleet.make(MANY // 2)
        made = made_until(lambda: sum(one.hits for one in cuts) >= 50)
        until(lambda: len(listener.told(made)) == len(made) or listener.failure, SECONDS)
        assert listener.failure is None
        cut = sum(one.hits for one in cuts)
        told = listener.told(made)
    assert len(made) >= MANY
    assert cut >= 50
    assert min(one.hits for one in (gone, inside, busy, pages, lists)) >= 3
    assert set(told) == made
    assert set(told.values()) == {1}


@pytest.mark.full
def test_what_comes_while_nobody_reads_goes_into_the_next_event(fleet: Fleet, account: Json, tmp_path: Path) -> None:
    first = fleet.make(1)
    with Listener(**account, batch_count=10_000, initial="new", state_file=str(tmp_path / "state")) as listener:
        until((tmp_path / "state").exists)
        listener.reads.clear()
        time.sleep(0.2)
        made = fleet.make(1)  # for the reading that had begun
        time.sleep(2.0)
        made = fleet.make(300)
        time.sleep(2.0)
        listener.reads.set()
        until(lambda: len(listener.told(made)) == 301, SECONDS)
        sizes = [event["imagescan"]["count"] for event in listener.events]
    assert len(sizes) == 3  # one was in the queue already
    assert not listener.told(first)


class Program:
    """The event source as a program, printing events."""

    def __init__(self, account: Json, state: Path, home: Path) -> None:
        command = [sys.executable, source.__file__, "--kubeconfig", account["kubeconfig"], "--watch", "images"]
        command += ["--batch-delay", "0.05", "--batch-count", "50", "--state-file", str(state)]
        self.output = home / f"events-{secrets.token_hex(4)}"
        with self.output.open("wb") as out:
            kept = {key: value for key, value in os.environ.items() if not key.startswith("K8S_AUTH_")}
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=kept)

    def events(self) -> list[Json]:
        """What it printed whole."""
        lines = self.output.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def kill(self) -> None:
        """As a machine that loses its power."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


@pytest.mark.full
def test_a_source_that_is_killed_goes_on_where_it_was(fleet: Fleet, account: Json, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    runs: list[Program] = []
    try:
        for _round in range(5):
            running = Program(account, state, tmp_path)
            runs.append(running)
            made = fleet.make(200)
            until(running.events, SECONDS)
            running.kill()
        made = fleet.make(200)  # while nothing runs
        last = Program(account, state, tmp_path)
        runs.append(last)
        until(lambda: set(counted((e for run in runs for e in run.events()), made)) == made, SECONDS)
        time.sleep(1.0)
    finally:
        for run in runs:
            run.kill()
    for run in runs:
        assert set(counted(run.events(), made).values()) <= {1}
    every = counted((event for run in runs for event in run.events()), made)
    assert set(every) == made
    # After a kill the batch that was being handed on comes again, and nothing else.
    assert sum(every.values()) <= len(made) + 5 * 50
    assert state.stat().st_mode & 0o777 == 0o600


@pytest.mark.full
def test_a_restart_tells_nothing_again(fleet: Fleet, account: Json, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    options = {**account, "state_file": str(state)}
    made = fleet.make(30)
    with Listener(**options) as listener:
        until(lambda: len(listener.told(made)) == len(made), SECONDS)
        until(lambda: len(read_state(state).known) >= len(made))
    missed = fleet.make(5) - made
    with Listener(**options) as listener:
        until(lambda: len(listener.told(missed)) == len(missed), SECONDS)
        assert not listener.told(made)


def test_an_image_object_made_anew_is_new(fleet: Fleet, account: Json) -> None:
    (digest,) = fleet.make(1)
    with Listener(**account) as listener:
        until(lambda: listener.told({digest})[digest] == 1, SECONDS)
        fleet.client.merge_patch(f"{IMAGES}/{digest}", {"metadata": {"annotations": {"a": "b"}}})
        fleet.client.delete(f"{IMAGES}/{digest}")
        fleet.client.create(IMAGES, fleet.body(0))
        until(lambda: listener.told({digest})[digest] == 2, SECONDS)


@pytest.mark.full
def test_pods_tell_what_they_run(cluster: KubernetesCluster, namespace: str, account: Json, scanner_image: str) -> None:
    digest = scanner_image.partition("@")[2]
    with Listener(**{**account, "watch": ["pods"], "namespaces": [namespace]}) as listener:
        cluster.apply(pod("app", cluster.scanner_image), namespace=namespace)
        until(lambda: listener.told({digest}), SECONDS)
    (found,) = [one for event in listener.events for one in event["imagescan"]["images"]]
    assert (found["namespace"], found["source"]) == (namespace, "pods")
    assert cluster.scanner_image in (found["reference"], *found["references"])


def test_an_account_without_rights_learns_what_to_grant(
    cluster: KubernetesCluster, namespace: str, tmp_path: Path
) -> None:
    cluster.kubectl("--namespace", namespace, "create", "serviceaccount", "robot")
    token = cluster.kubectl("--namespace", namespace, "create", "token", "robot").stdout.strip()
    admin = connect(Connection(kubeconfig=str(cluster.kubeconfig)))
    ca_file = tmp_path / "ca.crt"
    ca_file.write_text(admin.ca, encoding="ascii")
    access = {"host": admin.server, "ca_cert": str(ca_file), "api_key": token}
    with Listener(**access, watch=["pods"]) as listener:
        until(lambda: listener.failure)
    assert re.search("403 .*list pods.*grant ClusterRole imagescan-discovery", str(listener.failure))
    lister = ("--verb=list", "--resource=pods")
    cluster.kubectl("--namespace", namespace, "create", "role", "lister", *lister)
    robot = f"--serviceaccount={namespace}:robot"
    cluster.kubectl("--namespace", namespace, "create", "rolebinding", "lister", "--role=lister", robot)
    cluster.kubectl(
        "--namespace", namespace, "wait", "serviceaccount", "robot", "--for=jsonpath={.metadata.name}=robot"
    )
    with Listener(**access, watch=["pods"], namespaces=[namespace]) as listener:
        until(lambda: listener.failure)
    assert re.search("403 .*watch pods.*grant", str(listener.failure))
    with Listener(**{**access, "api_key": "wrong"}, watch=["pods"]) as listener:
        until(lambda: listener.failure)
    assert "log in again" in str(listener.failure)
    assert token not in str(listener.failure)


@pytest.mark.full
def test_an_idle_source_costs_next_to_nothing(fleet: Fleet, account: Json, tmp_path: Path) -> None:
    made = fleet.make(50)
    running = Program(account, tmp_path / "state.json", tmp_path)
    try:
        until(lambda: len(counted(running.events(), made)) == len(made), SECONDS)
        time.sleep(2.0)
        before = processor_seconds(running.process.pid)
        time.sleep(20.0)
        used = processor_seconds(running.process.pid) - before
    finally:
        running.kill()
    # Generous; tests/benchmarks/events.py has the bar of 1 s a minute, for a quiet machine.
    assert used < 2.0


def processor_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
