# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods find arrives whole or is scanned again, and what was not found by them never gets into the store.

The engine is the real one, with the account for scans and the module's own book and store. Only the program that it
puts into a ConfigMap has something before it: a process that writes noise, or a program that lies. That one runs where
the real one would, with the key of its shard, so it can do what somebody who took a pod over could do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import threading
import time
import typing as t
import zipfile
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._core.progress import Progress, remaining
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import rounds
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.controller import JobScan
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.manifests import PodOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.options import ScanOptions
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.bundle import make_bundle
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.local import LocalScan
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.plan import PodAccess
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import Request, request_of
from ansible_collections.imagescan.openshift.plugins.module_utils._store.scan_book import StoreBook
from ansible_collections.imagescan.openshift.plugins.module_utils._store.store import open_store
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.faults import Fault, Faults, fault_proxy
from ansible_collections.imagescan.openshift.tests.cluster.registries import (
    CountingRegistry,
    counting_registry,
    different_images,
    push_images,
)

IMAGES, PACKAGES = 25, 2000
MODULES = "ansible_collections.imagescan.openshift.plugins.module_utils"
REPOSITORY = "results"
#: Nobody ever asked for this image.
UNCALLED = "sha256:" + "f" * 64

#: Beside the real program: lines that look like frames, lines without an end, and lines that the kubelet splits.
NOISE = """
import os, time
if os.fork() == 0:
    number = 0
    while True:
        number += 1
        os.write(2, b"warning: something\\n" * 3)
        os.write(2, b"@F1 0 0 image 0 1 3 " + b"0" * 32 + b" AAAA\\n")
        os.write(2, b"without an end, and long " + b"x" * (17_000 if number % 3 == 0 else 5))
        time.sleep(0.1)
"""

#: In place of the real program. ``LIES``: digest of a shard's first image -> what its pod does.
LIAR = """
import json, os, sys
from {modules}._scanner.frames import Encoder
from {modules}._scanner.plan import plan_from_json

LIES, FORGED, ROUNDS, UNCALLED = json.loads({settings!r})


def image(number, digest, inventory=FORGED, index=""):
    fields = {{"number": number, "digest": digest, "platform": "linux/amd64", "index": index}}
    return {{**fields, "state": "scanned", "inventory": inventory}}


def lie(how, shard, number):
    uid, key = os.environ["IMAGESCAN_POD_UID"], bytes.fromhex(shard.key)
    if how == "another pod":
        uid = "00000000-0000-4000-8000-000000000000"
    if how == "another run":
        key = bytes(32)
    encoder = Encoder(key, uid, lambda line: os.write(1, line))
    hello = {{"schema_version": 1, "run": "r", "shard": number, "pod": uid, "images": len(shard.images)}}
    encoder.send("hello", {{**hello, "python": "3", "problems": []}})
    digests = [one.digest for one in shard.images]
    if how in ("another pod", "another run"):
        for position, digest in enumerate(digests):
            encoder.send("image", image(position, digest))
    elif how == "another number":
        encoder.send("image", image(7, digests[0]))
    elif how == "another digest":
        encoder.send("image", image(0, UNCALLED))
    elif how == "another index":
        encoder.send("index", {{"number": 0, "digest": UNCALLED, "children": [[UNCALLED, ""]], "missing": []}})
        encoder.send("image", image(0, UNCALLED, index=UNCALLED))
    elif how == "an index in place of an image":
        children = [[UNCALLED, "linux/amd64"]]
        encoder.send("index", {{"number": 0, "digest": digests[0], "children": children, "missing": []}})
        encoder.send("image", image(0, UNCALLED, index=digests[0]))
    elif how == "two things":
        encoder.send("image", image(0, digests[0]))
        second = Encoder(key, uid, lambda line: os.write(1, line))
        second.seq, second.records = encoder.seq - 1, encoder.records - 1
        second.send("image", image(1, digests[1 % len(digests)]))
    elif how == "no inventory":
        encoder.send("image", image(0, digests[0], {{"schema_version": 1, "packages": "none"}}))
    else:
        raise ValueError(how)
    counts = {{"scanned": len(digests), "error": 0, "index": 0, "left": 0}}
    encoder.send("bye", {{"counts": counts, "records": encoder.records + 1, "left": []}})


with open("/plan/plan.json", "rb") as file:
    plan = plan_from_json(file.read())
number = int(os.environ["JOB_COMPLETION_INDEX"])
how = LIES.get(plan.shards[number].images[0].digest)
# imagescan-RUN-ROUND-INDEX-xxxxx
if how and int(os.environ["IMAGESCAN_POD_NAME"].split("-")[2]) <= ROUNDS:
    lie(how, plan.shards[number], number)
    sys.exit(0)
"""
LIES = (
    "another pod",
    "another run",
    "another number",
    "another digest",
    "another index",
    "an index in place of an image",
    "two things",
    "no inventory",
)
#: What a pod with the key says of an image that it was given: nobody else can be meant, so this is its error.
REFUSED = frozenset(("another digest", "another index", "an index in place of an image", "no inventory"))


def program(before: str) -> bytes:
    """The real program, with something that runs before it."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(make_bundle())) as real, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for name in real.namelist():
            content = real.read(name)
            made.writestr(name, before.encode() + content if name == "__main__.py" else content)
    return held.getvalue()


@dataclasses.dataclass(frozen=True)
class Bench:
    """Scans of the same images: ``local``, or by pods through a proxy before the API server."""

    cluster: Cluster
    accounts: Accounts
    proxy: Faults
    registry: CountingRegistry
    folder: Path

    def requests(self, digests: t.Sequence[str]) -> list[Request]:
        """As image_info hands them on."""
        return [
            request_of({"reference": f"{self.registry.host}/{REPOSITORY}@{digest}", "digest": digest, "kind": "image"})
            for digest in digests
        ]

    def local(self, digests: t.Sequence[str]) -> dict[str, t.Any]:
        """The inventories that a local scan finds, by digest."""
        path = str(self.folder / "local.db")
        with open_store(path) as store:
            book = StoreBook(store, Progress(""), max_age=None, platforms=[])
            LocalScan(book, Access(plain_http=(self.registry.host,))).run(self.requests(digests), remaining)
        return self.stored("local")

    def by_pods(self, digests: t.Sequence[str], *, pods: int, images_per_pod: int) -> JobScan:
        """Scan into the store ``pods``."""
        user = yaml.safe_load(self.accounts.scan.read_text(encoding="utf-8"))["users"][0]["user"]
        connection = Connection(host=self.proxy.url, ca_cert=str(self.proxy.ca_file), api_key=user["token"])
        options = ScanOptions(
            self.accounts.namespace,
            PodOptions(image=self.cluster.scanner_reference, cpu="50m"),
            PodAccess(plain_http=(self.registry.host,)),
            pods=pods,
            images_per_pod=images_per_pod,
            start_timeout=180,
        )
        access = Access(plain_http=(self.registry.host,))
        with open_store(str(self.folder / "pods.db")) as store:
            book = StoreBook(store, Progress(""), max_age=None, platforms=[])
            scan = JobScan(book, connect(connection), access, options, method="job")
            scan.run(self.requests(digests), remaining)
        return scan

    def stored(self, name: str) -> dict[str, t.Any]:
        """The inventories in a store, by digest."""
        with open_store(str(self.folder / f"{name}.db"), read_only=True) as store:
            found = {image.key: store.inventories.get(image.key) for image in store.images.all()}
        return {digest: inventory for digest, inventory in found.items() if inventory}

    def errors(self) -> dict[str, str]:
        """Digest -> code of its error, in the store ``pods``."""
        with open_store(str(self.folder / "pods.db"), read_only=True) as store:
            return {image.key: image.error_code for image in store.images.all() if image.error_code}


@pytest.fixture
def bench(rotating: Cluster, shared_accounts: Accounts, tmp_path: Path) -> t.Iterator[Bench]:
    with (
        counting_registry(rotating) as registry,
        fault_proxy(rotating.server, rotating.ca_file, tmp_path) as proxy,
    ):
        yield Bench(rotating, shared_accounts, proxy, registry, tmp_path)


@pytest.fixture(scope="module")
def large(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Digests of 25 images with 2,000 packages each."""
    return push_images(cluster, tmp_path_factory.mktemp("large"), REPOSITORY, different_images(IMAGES, PACKAGES))


@pytest.fixture(scope="module")
def small(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Digests of two images for each lie."""
    return push_images(cluster, tmp_path_factory.mktemp("small"), REPOSITORY, different_images(2 * len(LIES), 30))


@contextlib.contextmanager
def rotated_files(cluster: Cluster, namespace: str) -> t.Iterator[set[str]]:
    """Names of logs that the kubelet put aside while this lasts."""
    found: set[str] = set()
    over = threading.Event()
    # The kubelet has a view of its own of the file system.
    logs = Path(f"/proc/{cluster.pid('kubelet')}/root/var/log/pods")

    def watch() -> None:
        while not over.wait(0.1):
            found.update(path.name for path in logs.glob(f"{namespace}_*/*/*.log.*"))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


class Cuts(Fault):
    """Ends the connection in another way each time."""

    def applies(self, request: str) -> bool:
        due = super().applies(request)
        ways: tuple[t.Literal["clean", "broken", "reset"], ...] = ("clean", "broken", "reset")
        self.how = ways[self.hits % len(ways)]
        return due


@pytest.mark.full
def test_25_large_inventories_of_a_pod_arrive_whole(
    bench: Bench, large: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bench.local(large)
    assert sorted(expected) == sorted(large)
    assert all(len(inventory["packages"]) == PACKAGES for inventory in expected.values())
    bench.registry.requests.clear()
    bench.registry.delay = 0.2  # A kubelet looks every 3 s whether a log is to be rotated.
    monkeypatch.setattr(rounds, "make_bundle", lambda: program(NOISE))
    cuts = Cuts(r"/log\?", times=10, cut=150_000)
    bench.proxy.faults = [cuts]
    began = time.monotonic()
    with rotated_files(bench.cluster, bench.accounts.namespace) as rotated:
        scan = bench.by_pods(large, pods=1, images_per_pod=IMAGES)
    again = sum(bench.registry.fetched().values()) - IMAGES
    print(f"{time.monotonic() - began:.0f} s, {cuts.hits} cuts, {len(rotated)} logs rotated, {again} images read again")
    assert bench.stored("pods") == expected
    assert bench.errors() == {}
    assert cuts.hits == 10
    assert rotated
    assert any("looked like frames" in text for text in scan.warnings)


def test_an_altered_log_is_read_again(bench: Bench, small: list[str]) -> None:
    """On the way, characters change and pieces come twice: every checksum tells, and the log is there still."""
    expected = bench.local(small)
    count = 0

    def change(piece: bytes) -> bytes:
        nonlocal count
        count += 1
        if count % 3 == 1:
            return piece.replace(b"A", b"B", 1)
        return piece * 2 if count % 3 == 2 else piece

    bench.proxy.faults = [Fault(r"/log\?", times=4, change=change)]
    scan = bench.by_pods(small, pods=2, images_per_pod=len(small) // 2)
    assert any("looked like frames" in text for text in scan.warnings), count
    assert bench.stored("pods") == expected
    assert bench.errors() == {}


def lying(digests: t.Sequence[str], forged: t.Mapping[str, t.Any], rounds: int) -> bytes:
    """A program that lies in the first rounds."""
    lies = {digest: LIES[position // 2] for position, digest in enumerate(digests)}
    settings = json.dumps([lies, forged, rounds, UNCALLED])
    return program(LIAR.format(modules=MODULES, settings=settings))


def test_lies_of_one_round_are_scanned_again_or_errors(
    bench: Bench, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bench.local(small)
    forged = {**expected[small[0]], "packages": []}
    monkeypatch.setattr(rounds, "make_bundle", lambda: lying(small, forged, 1))
    bench.by_pods(small, pods=len(LIES), images_per_pod=2)
    refused = {small[2 * LIES.index(lie)] for lie in REFUSED}
    assert bench.errors() == dict.fromkeys(refused, "result-refused")
    assert bench.stored("pods") == {digest: found for digest, found in expected.items() if digest not in refused}


@pytest.mark.full
def test_pods_that_always_lie_get_nothing_into_the_store(
    bench: Bench, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = {**bench.local(small)[small[0]], "packages": []}
    monkeypatch.setattr(rounds, "make_bundle", lambda: lying(small, forged, 1000))
    bench.by_pods(small, pods=len(LIES), images_per_pod=2)
    assert bench.stored("pods") == {}
    assert bench.errors().keys() == set(small)
