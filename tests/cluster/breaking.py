# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is needed to break a scan at a known moment, and to time it: a gate before a registry, signs, and a book."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import http.server
import threading
import time
import types
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import KubernetesClient, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.connection import Connection
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.model import (
    IndexOutcome,
    JobRecord,
    ScanOutcome,
)
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.sandbox import NODE_ADDRESS
from ansible_collections.imagescan.openshift.tests.support.servers import Server

PACED = "QPS exceeded"
_PULL = frozenset(("ErrImagePull", "ImagePullBackOff"))
_STARTING = frozenset(("ContainerCreating", "PodInitializing"))
_PIECE = 1 << 16


class Gate:
    """A registry by plain HTTP in front of the cluster's own, for pods and for the node. ``host`` is its address.

    While it is closed, requests of pods for manifests wait, and the node is told 503, since it makes one pull after the
    other; ``holders`` are the addresses they came from. Ours pass. ``asked_at``: when the first one came (monotonic).
    """

    def __init__(self, cluster: Cluster) -> None:
        gate = self
        self.holders: set[str] = set()
        self.asked_at: float | None = None
        self._opened = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if "/manifests/" in self.path:
                    status = gate.asked(self.client_address[0], self.headers["User-Agent"] or "")
                    if status != 200:
                        self.close_connection = True
                        if status:
                            self.send_error(status)
                        return
                kept = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
                upstream = http.client.HTTPConnection(cluster.registry, timeout=60)
                with contextlib.closing(upstream):
                    upstream.request(self.command, self.path, None, kept)
                    answer = upstream.getresponse()
                    self.send_response_only(answer.status)
                    for key, value in answer.getheaders():
                        if key.lower() not in ("connection", "transfer-encoding"):
                            self.send_header(key, value)
                    self.end_headers()
                    while piece := answer.read(_PIECE):
                        self.wfile.write(piece)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self._server = Server((NODE_ADDRESS, 0), Handler)
        self.host = f"{NODE_ADDRESS}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._is_up = True
        self._lock = threading.Lock()
        folder = cluster.folder / "certs.d" / self.host
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(f'server = "http://{self.host}"\n', encoding="utf-8")
        self._thread.start()

    def asked(self, address: str, agent: str) -> int:
        """200 where a request may pass, else what it is answered; 0 for nothing. Pods wait here."""
        if address == NODE_ADDRESS and "containerd" not in agent:
            return 200
        self.asked_at = self.asked_at or time.monotonic()
        if self._opened.is_set():
            return 200
        self.holders.add(address)
        if address == NODE_ADDRESS:
            return 503
        self._opened.wait()
        return 200 if self._is_up else 0

    def open(self) -> None:
        """Let everything pass from now on."""
        self._opened.set()

    def down(self) -> None:
        """Refuse connections from now on; those that are held end without an answer."""
        with self._lock:
            if not self._is_up:
                return
            self._is_up = False
        self._server.shutdown()
        self._server.server_close()
        self._opened.set()
        self._thread.join()


class Signs:
    """While open: looks at all pods and warnings of the cluster, and keeps the first bad sign of each namespace.

    ``first``: namespace -> moment (monotonic clock) and what was seen. ``paced``: namespaces whose pulls were paced.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.first: dict[str, tuple[float, str]] = {}
        self.paced: set[str] = set()
        self._client = admin(cluster)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Signs:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        warnings = {"fieldSelector": "type=Warning"}
        while not self._stop.wait(0.5):
            with contextlib.suppress(ApiError):
                self._client.items("/api/v1/pods", self._see_pod)
                self._client.items("/api/v1/events", self._see_event, warnings)

    def _keep(self, namespace: str, text: str) -> None:
        if PACED in text:
            self.paced.add(namespace)
        else:
            self.first.setdefault(namespace, (time.monotonic(), text[:100]))

    def _see_event(self, event: dict[str, t.Any]) -> None:
        # The pod's status says the same of pulls, and the test cluster has no name server.
        if event.get("reason") not in ("BackOff", "Failed", "MissingClusterDNS"):
            self._keep(event["metadata"]["namespace"], f"{event.get('reason')}: {event.get('message')}")

    def _see_pod(self, pod: dict[str, t.Any]) -> None:
        for text in bad_signs(pod):
            self._keep(pod["metadata"]["namespace"], text)


def bad_signs(pod: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """What in a pod's status says that something is wrong."""
    status = pod["status"]
    states = [one["state"] for one in status.get("containerStatuses", ())]
    for state in states:
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason") in _PULL | {""}:
            yield f"{waiting['reason']}: {waiting.get('message', '')}"
        elif waiting and waiting.get("reason") not in _STARTING:
            yield f"waiting, {waiting.get('reason')}: {waiting.get('message', '')}"
        if terminated and (terminated.get("exitCode") or terminated.get("reason") != "Completed"):
            yield f"terminated, {terminated.get('reason')}"
    for condition in status.get("conditions", ()):
        if (condition["type"], condition["status"]) in (("PodScheduled", "False"), ("DisruptionTarget", "True")):
            yield f"{condition['type']}: {condition.get('message', '')}"
    if status.get("reason"):
        yield str(status["reason"])


def admin(cluster: Cluster) -> KubernetesClient:
    """A client that looks, as administrator, and does not wait long."""
    return connect(Connection(kubeconfig=str(cluster.kubeconfig), timeout=5.0, deadline=5.0))


@dataclasses.dataclass
class TimedBook:
    """A book in memory that notes when each outcome came (monotonic clock). ``twice``: images with two outcomes."""

    outcomes: dict[str, tuple[ScanOutcome, float]] = dataclasses.field(default_factory=dict)
    twice: list[str] = dataclasses.field(default_factory=list)
    made: dict[str, JobRecord] = dataclasses.field(default_factory=dict)

    @property
    def scanned(self) -> int:
        """How many images have an inventory."""
        return sum(outcome.state == "scanned" for outcome, _at in list(self.outcomes.values()))

    def is_current(self, digest: str) -> bool:
        """Nothing is known."""
        return False

    def children_of(self, digest: str) -> tuple[tuple[str, str], ...] | None:
        """Nothing is known."""
        return None

    def record(self, outcome: ScanOutcome) -> None:
        """Keep it, with its moment."""
        if outcome.digest in self.outcomes:
            self.twice.append(outcome.digest)
        self.outcomes[outcome.digest] = (outcome, time.monotonic())

    def record_index(self, outcome: IndexOutcome) -> None:
        """These tests have no index."""
        raise AssertionError(outcome)

    def forget(self, digest: str) -> None:
        """These tests have no forged log."""
        raise AssertionError(digest)

    def record_job(self, job: JobRecord) -> None:
        """Keep it."""
        self.made[job.uid] = job

    def forget_job(self, uid: str) -> None:
        """Drop it."""
        self.made.pop(uid, None)

    def jobs(self, server: str, namespace: str) -> list[JobRecord]:
        """All that are kept."""
        return list(self.made.values())

    def beat(self, line: str) -> None:
        """Nobody looks."""
