# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what scanning in a cluster costs against scanning the same images locally; write build/bench-cluster.json.

A cluster of our own (tests/cluster), one node on the processors of this machine; 200 small images (50 to 200 packages,
one base layer for all, one layer of their own) in its registry. Each run is the module in a process of its own with a
fresh store, so that seconds and processor time are the module's; the rounds run all ways one after the other. Nothing
here gates a test. ``cluster.py scan`` and ``cluster.py discovery`` measure only that. IMAGESCAN_BENCH_ROUNDS,
IMAGESCAN_BENCH_IMAGES and IMAGESCAN_BENCH_WAYS (a pattern of names) make it shorter.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import fleet, images, rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.tests.benchmarks.table import Table
from ansible_collections.imagescan.openshift.tests.cluster import test_discovery as discovery
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in
from ansible_collections.imagescan.openshift.tests.cluster.harness.binaries import OPTIMISED
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import (
    Cluster,
    folder_of,
    missing_requirements,
)
from ansible_collections.imagescan.openshift.tests.cluster.registries import push_images
from ansible_collections.imagescan.openshift.tests.cluster.scans import Scans, by_pods

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
ROUNDS = int(os.environ.get("IMAGESCAN_BENCH_ROUNDS", "5"))
IMAGES = int(os.environ.get("IMAGESCAN_BENCH_IMAGES", "200"))
WAYS = os.environ.get("IMAGESCAN_BENCH_WAYS", ".*")
#: Image volumes are measured with fewer: what the kubelet pulls it keeps, so that each run needs images of its own.
VOLUME_IMAGES = 40
Json = dict[str, t.Any]


class Run(t.NamedTuple):
    """Wall and processor seconds of the module, and the clocks in it (see module.py)."""

    seconds: float
    processor: float
    clocks: Json


class Way(t.NamedTuple):
    """A way to scan: options of ``image_scan``, and of which images."""

    options: Json
    images: t.Callable[[], list[Json]]


class Sources:
    """Images in the registry, made as they are needed."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._headers: dict[str, bytes] = {}
        self._batches = 0
        noise = random.Random(1).randbytes(3 << 20)  # a base layer does not pack well: 3 MB of it stay
        common = [self._header("base", number) for number in range(40)]
        files = images.files("usr/lib64", {f"lib{n}.so": noise[n << 18 : (n + 1) << 18] for n in range(12)})
        self._base = fleet.rpm_layer(t.cast("t.Any", common), *fleet.red_hat_root("9", "4"), *files)

    def _header(self, prefix: str, number: int) -> bytes:
        digest = hashlib.sha256(f"{prefix}/{number}".encode()).hexdigest()
        if digest not in self._headers:
            name, source = f"{prefix}-{digest[:8]}", f"{prefix}-{digest[:6]}-{number}-1.el9.src.rpm"
            self._headers[digest] = rpmdb.header(rpmdb.Rpm(name, f"{number % 9}.{number}", "1.el9", source=source))
        return self._headers[digest]

    def fresh(self, count: int) -> list[Json]:
        """Push ``count`` images that nobody has seen; as ``image_info`` would return them."""
        self._batches += 1
        layers = []
        for image in range(count):
            packages = 50 + 150 * image // max(1, count - 1)
            own = [self._header(f"own{self._batches}-{image}", number) for number in range(packages // 10)]
            headers = [*(self._header("base", number) for number in range(packages - len(own))), *own]
            application = images.Entry("opt/application", random.Random(image).randbytes(100_000))
            layers.append((self._base, fleet.rpm_layer(t.cast("t.Any", headers), application)))
        place = f"bench/batch{self._batches}"
        digests = push_images(self._cluster, self._folder / f"images-{self._batches}", place, layers)
        return [
            {
                "digest": digest,
                "reference": f"{self._cluster.registry}/{place}@{digest}",
                "references": [f"{self._cluster.registry}/{place}@{digest}"],
                "kind": "image",
                "platform": "linux/amd64",
                "size": sum(len(layer.blob) for layer in both),
                "layers": [images.digest(layer.blob).partition(":")[2][:12] for layer in both],
            }
            for digest, both in zip(digests, layers)
        ]


def scan(options: Json, wanted: t.Sequence[Json]) -> Run:
    """Run the module once. Everything must be scanned."""
    with tempfile.TemporaryDirectory() as folder:
        given, clocks, output = (Path(folder, name) for name in ("arguments.json", "clocks.json", "output"))
        arguments = {**options, "images": wanted, "store": str(Path(folder, "store.db"))}
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), encoding="utf-8")
        started = time.perf_counter()
        with output.open("wb") as out:
            process = subprocess.Popen([sys.executable, HERE / "module.py", given, clocks], stdout=out, stderr=out)
            _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        text = output.read_text(encoding="utf-8", errors="replace")
        if process.returncode or json.loads(text)["counts"]["scanned"] != len(wanted):
            raise SystemExit(f"not everything was scanned: {text[-3000:]}")
        return Run(seconds, usage.ru_utime + usage.ru_stime, json.loads(clocks.read_text(encoding="ascii")))


def playbook(options: Json, wanted: t.Sequence[Json]) -> Run:
    """Run the same by ansible-playbook; processor time of all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        scans = Scans(Path(folder), {"scan": {**options, "images": list(wanted)}})
        started = time.perf_counter()
        process = scans.start()
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or scans.result("scan")["counts"]["scanned"] != len(wanted):
            raise SystemExit(scans.output[-3000:])
        return Run(seconds, usage.ru_utime + usage.ru_stime, {})


def ways(cluster: Cluster, accounts: Accounts, sources: Sources) -> dict[str, Way]:
    """All that is measured, by name."""
    many = sources.fresh(IMAGES)
    local = {"method": "local", "plain_http_registries": [cluster.registry]}
    pods = by_pods(cluster, accounts, cluster.scanner_reference, "job")
    found = {
        "local": Way(local, lambda: many),
        "local, 1 image": Way(local, lambda: many[:1]),
        "job, 1 image": Way(pods, lambda: many[:1]),
        "job": Way(pods, lambda: many),
        **{f"job, {n} pods": Way({**pods, "pods": n}, lambda: many) for n in (1, 2, 8)},
        **{
            f"image_volume, {n} pods": Way(
                {**pods, "method": "image_volume", "pods": n}, lambda: sources.fresh(VOLUME_IMAGES)
            )
            for n in (1, 2, 4, 8)
        },
    }
    return {name: way for name, way in found.items() if name == "local" or re.search(WAYS, name)}


def measure(todo: t.Mapping[str, Way], rounds: int) -> dict[str, list[Run]]:
    """Runs by way; the first one of each, which fills caches, is left out."""
    runs: dict[str, list[Run]] = {}
    for number in range(rounds + 1):
        for name, way in todo.items():
            wanted = way.images()
            run = scan(way.options, wanted)
            clocks = " ".join(f"{key} {value:.1f}" for key, value in run.clocks.items())
            print(f"{number}/{rounds} {name:24} {run.seconds:6.1f} s {run.processor:5.1f} s here {clocks}", flush=True)
            if number:
                runs.setdefault(name, []).append(run)
        if not number and re.search(WAYS, "playbook"):
            continue
        for name in ("local", "job") if re.search(WAYS, "playbook") and "job" in todo else ():
            runs.setdefault(f"playbook, {name}", []).append(playbook(todo[name].options, todo[name].images()))
    return runs


def scan_rows(runs: dict[str, list[Run]], row: t.Callable[..., None]) -> None:
    """The rows about scans."""
    seconds = {name: statistics.median(run.seconds for run in found) for name, found in runs.items()}
    processor = {name: statistics.median(run.processor for run in found) for name, found in runs.items()}
    for name in runs:
        row(f"time: {name}", seconds[name], "s")
        row(f"processor time here: {name}", processor[name], "s")
    starts = [run.clocks["first word"] - run.clocks["first Job"] for run in runs.get("job", ())]
    if starts:
        start = statistics.median(starts)
        row("pod start: from asking for the Job to a pod's first word", start, "s")
        row(f"processor time here: job, {IMAGES} images", processor["job"], "s", "<= 5", processor["job"] <= 5)
        ratio = seconds["job"] / (seconds["local"] + start)
        row("job / (local + pod start), time", ratio, "ratio", "<= 1.25", ratio <= 1.25)
        row("processor time here: job / local", processor["job"] / processor["local"], "ratio")
    for name in runs:
        if name.startswith(("job, ", "image_volume, ")) and name != "job, 1 image":
            count = VOLUME_IMAGES if name.startswith("image_volume") else IMAGES
            row(f"images a second: {name} / local", count / seconds[name] * seconds["local"] / IMAGES, "ratio")


def discover(cluster: Cluster, folder: Path, row: t.Callable[..., None]) -> None:
    """Fill the cluster with the Image objects and streams of the tests, and find them."""
    cluster.install_openshift_kinds()
    administrator = connect(Connection(kubeconfig=str(cluster.kubeconfig)))
    reach = {"kubeconfig": str(cluster.kubeconfig), "sources": ["openshift"], "system_namespaces": True}
    objects = [*discovery.many_images(), *discovery.many_streams()]
    namespaces = sorted({body["metadata"]["namespace"] for _path, body in objects if "namespace" in body["metadata"]})
    cluster.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces))
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda each: administrator.create(*each), objects))
        found = [discovery.find(folder, **reach) for _round in range(3)]
    finally:
        cluster.kubectl("delete", "images.image.openshift.io", "--all", "--wait=false", timeout=600)
        cluster.kubectl("delete", "namespaces", *namespaces, "--wait=false")
    if any(len(run.digests) != discovery.IMAGES for run in found):
        raise SystemExit("not everything was discovered")
    seconds, memory = statistics.median(run.seconds for run in found), max(run.memory for run in found) / 1e6
    row("discovery of 10,000 Image objects and 1,000 streams: time", seconds, "s", "< 30", seconds < 30)
    row("discovery of 10,000 Image objects and 1,000 streams: peak memory", memory, "MB", "< 250", memory < 250)


@contextlib.contextmanager
def running_cluster() -> t.Iterator[Cluster]:
    """A cluster for the benchmark, or one that runs already (that name, or IMAGESCAN_TEST_CLUSTER) and stays."""
    os.environ[OPTIMISED] = "1"
    folder = folder_of(os.environ.get("IMAGESCAN_TEST_CLUSTER") or "bench")
    running = Cluster.running(folder)
    if running is not None:
        running.push_scanner()
        running.enter()
        yield running
        return
    cluster = Cluster("bench", folder)
    try:
        cluster.start()
        cluster.push_scanner()
        cluster.enter()
        yield cluster
    finally:
        cluster.stop()


def main(parts: t.Sequence[str]) -> int:
    """Measure, print, write."""
    lacking = missing_requirements()
    if lacking:
        print(f"the benchmark of the cluster needs {', '.join(lacking)}", file=sys.stderr)
        return 1
    table = Table()
    row = table.row
    row("load average before the runs", os.getloadavg()[0], "processes")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(running_cluster())
        if "scan" in parts:
            name = f"bench-{os.getpid()}"
            accounts = stack.enter_context(accounts_in(cluster, name, folder))
            stack.callback(cluster.remove_namespace, name)
            todo = ways(cluster, accounts, Sources(cluster, folder))
            scan_rows(measure(todo, ROUNDS), row)
        if "discovery" in parts:
            discover(cluster, folder, row)
    table.write(BUILD / "bench-cluster.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["scan", "discovery"]))
