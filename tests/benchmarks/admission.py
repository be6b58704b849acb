# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what full deny lists cost every new pod, and how soon an entry acts; write build/bench-admission.json.

A cluster of our own (tests/cluster), the policy of the role ``enforce`` three times, each for a namespace of its own:
with an empty list, with lists of 20,000 digests and 5,000 references, and not at all. Good pods of two containers are
created in turn in all three (server-side dry runs, so that nothing else takes part). Then patches of 500 entries are
sent, and pods that they deny until one is refused. Nothing here gates a test. IMAGESCAN_BENCH_PODS makes it shorter,
IMAGESCAN_TEST_CLUSTER names a cluster of ours that runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import statistics
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.lists import (
    DENY_PATH,
    Lists,
    read_lists,
    set_entries,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import Entry, deny_text
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.benchmarks.cluster import running_cluster
from ansible_collections.imagescan.openshift.tests.benchmarks.table import Table
from ansible_collections.imagescan.openshift.tests.cluster.enforcing import documents, kinds
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import missing_requirements

BUILD = Path(__file__).resolve().parents[2] / "build"
DIGESTS, REFERENCES, PATCHES = 20_000, 5_000, 10
PODS = int(os.environ.get("IMAGESCAN_BENCH_PODS", "500"))
URL = "https://reports.example.com/imagescan"
KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
PACKAGES = (
    *("openssl-libs-1:3.0.7-24.el9", "glibc-2.34-83.el9.7", "python3-3.9.18-1.el9_3", "krb5-libs-1.21.1-1.el9"),
    *(
        "libxml2-2.9.13-5.el9_3",
        "java-17-openjdk-headless-1:17.0.9.0.9-2.el9",
        "expat-2.5.0-1.el9",
        "curl-7.76.1-26.el9",
    ),
)
Json = dict[str, t.Any]


def digest(name: object) -> str:
    """A digest."""
    return f"sha256:{hashlib.sha256(str(name).encode()).hexdigest()}"


def entry(number: int) -> Entry:
    """Why an image is denied, as a run writes it from the judge's reasons."""
    chance = random.Random(number)
    package, advisory = f"{chance.choice(PACKAGES)}.x86_64", f"RHSA-2026:{chance.randint(1, 9999)}"
    message = (
        f"CVE-{chance.randint(2020, 2026)}-{chance.randint(1000, 49999)} in {package} is critical; fixed in a newer "
        f"build by {advisory}; the policy 'production' allows at most important"
    )
    return Entry(deny_text(["production"], [("vulnerability", message)] * chance.randint(1, 40), URL))


def pod(number: int, *digests: str) -> Json:
    """A pod that Pod Security ``restricted`` admits."""
    closed = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    containers = [
        {"name": f"c{position}", "image": f"registry.example.com/team/app@{each}", "securityContext": closed}
        for position, each in enumerate(digests)
    ]
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": containers, "securityContext": security}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": spec}


def refused(client: KubernetesClient, namespace: str, body: Json) -> bool:
    """Whether a pod is refused for being on a list."""
    try:
        client.create(f"/api/v1/namespaces/{namespace}/pods", body, {"dryRun": "All"})
    except ApiError as error:
        if error.status not in (403, 422):
            raise
        return "is refused: " in error.api_message
    return False


def install(client: KubernetesClient, names: t.Sequence[str]) -> None:
    """The kinds, and for each name an empty list, a policy and a binding for the namespace of that name."""
    for kind in kinds():
        with contextlib.suppress(ApiError):  # it is there already
            client.create(KINDS, kind)
    for name in names:
        labels = {"list": "deny", "provider": name, "enforce": name}
        metadata = {"name": f"{name}-0", "labels": {f"imagescan.github.io/{key}": text for key, text in labels.items()}}
        document = {"apiVersion": "imagescan.github.io/v1alpha1", "kind": "DenyList", "metadata": metadata, "spec": {}}
        until(lambda: bool(client.create(DENY_PATH, document)))  # noqa: B023 - called at once
    time.sleep(3)  # the server must know the kind before a policy names it
    for name in names:
        policies, bindings = documents(name, [name])
        for path, objects in (
            ("validatingadmissionpolicies", policies),
            ("validatingadmissionpolicybindings", bindings),
        ):
            for each in objects:
                client.create(f"{REGISTRATION}/{path}", each)


def uninstall(client: KubernetesClient, names: t.Sequence[str]) -> None:
    """Take away what ``install`` made, but the kinds."""
    for name in names:
        for path in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            client.delete(f"{REGISTRATION}/{path}/{name}-deny")
        for shard in read_lists(client, name).shards:
            client.delete(f"{DENY_PATH}/{shard.name}")


def until(holds: t.Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait for something; a refusal counts as no."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(ApiError):
            if holds():
                return
        time.sleep(0.2)
    raise SystemExit("the cluster does not do what it is waited for")


def latencies(client: KubernetesClient, namespaces: t.Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds to create a good pod, by namespace, in turn."""
    found: dict[str, list[float]] = {name: [] for name in namespaces}
    for number in range(PODS + 20):
        body = pod(number, digest(f"good {number}"), digest(f"sidecar {number % 7}"))
        for name in namespaces:
            started = time.perf_counter()
            client.create(f"/api/v1/namespaces/{name}/pods", body, {"dryRun": "All"})
            if number >= 20:  # the first ones warm up
                found[name].append((time.perf_counter() - started) * 1000)
    return found


def actings(client: KubernetesClient, name: str, lists: Lists) -> t.Iterator[tuple[float, float]]:
    """Seconds until a patch of 500 new entries was taken, and until it acted."""
    shard = lists.shards[-1].name
    for number in range(PATCHES):
        new = {digest(f"new {number} {position}"): entry(position).text for position in range(500)}
        body = pod(number, max(new))
        started = time.perf_counter()
        client.merge_patch(f"{DENY_PATH}/{shard}", {"spec": {"digests": new}})
        taken = time.perf_counter() - started
        while not refused(client, name, body):
            pass
        yield taken, time.perf_counter() - started
        client.merge_patch(f"{DENY_PATH}/{shard}", {"spec": {"digests": dict.fromkeys(new)}})


def main() -> int:
    """Measure, print, write."""
    lacking = missing_requirements()
    if lacking:
        print(f"the benchmark of admission needs {', '.join(lacking)}", file=sys.stderr)
        return 1
    table = Table()
    row = table.row
    row("load average before the runs", os.getloadavg()[0], "processes")
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(running_cluster())
        client = connect(Connection(kubeconfig=str(cluster.kubeconfig)))
        free, empty, full = (f"bench-{kind}-{os.getpid()}" for kind in ("free", "empty", "full"))
        for name in (free, empty, full):
            cluster.create_namespace(name)
            stack.callback(cluster.remove_namespace, name)
        stack.callback(uninstall, client, (empty, full))
        install(client, (empty, full))
        digests = {digest(number): entry(number) for number in range(DIGESTS)}
        references = {
            f"registry-{n % 3}.example.com/team-{n % 40}/service-{n}:1.{n % 7}.{n % 11}": entry(n)
            for n in range(REFERENCES)
        }
        started = time.perf_counter()
        lists = set_entries(client, read_lists(client, full), digests, references).lists
        row("writing 25,000 entries", time.perf_counter() - started, "s")
        row("lists that they take", len(lists.shards), "lists")
        row("mean length of a text", statistics.mean(len(each.text) for each in digests.values()), "chars")
        until(lambda: refused(client, full, pod(0, digest(DIGESTS - 1))))
        until(lambda: not refused(client, empty, pod(0, digest(DIGESTS - 1))))
        found = latencies(client, (free, empty, full))
        median = {name: statistics.median(values) for name, values in found.items()}
        row("median time to create a pod, no policy", median[free], "ms")
        row("the same, policy with an empty list", median[empty], "ms")
        row("the same, policy with full lists", median[full], "ms")
        more = median[full] - median[empty]
        row("full lists - empty list", more, "ms", "<= 2", more <= 2)
        row("full lists / empty list", median[full] / median[empty], "ratio")
        times = list(actings(client, full, lists))
        row("a patch of 500 entries is taken, median", statistics.median(taken for taken, _acts in times), "s")
        row("the same acts, median", statistics.median(acts for _taken, acts in times), "s")
        acts = max(acts for _taken, acts in times)
        row(f"the same acts, longest of {PATCHES}", acts, "s", "<= 1", acts <= 1)
    table.write(BUILD / "bench-admission.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
