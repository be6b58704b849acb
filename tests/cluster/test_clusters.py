# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``clusters`` on two real control planes: one report, also when one of them is gone."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Played, play
from ansible_collections.imagescan.openshift.tests.cluster.conftest import PREFIX
from ansible_collections.imagescan.openshift.tests.cluster.enforced import pod_spec
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster, folder_of
from ansible_collections.imagescan.openshift.tests.cluster.relay import lead_kubeconfig, leading_into
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

CHECKOUT = Path(__file__).resolve().parents[2]
PORT = 16443
#: Namespace in both clusters.
SHOP = f"shop-{secrets.token_hex(4)}"
DENY = "images.openshift.io/deny-execution"
#: Image that each cluster runs, and its verdict.
RUNS = {"east": ("shop-frontend", "passed"), "west": ("payments", "failed")}

pytestmark = pytest.mark.timeout(2400)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Two clusters by name, and an inventory that says how both are reached."""

    clusters: dict[str, KubernetesCluster]
    digests: dict[str, str]
    inventory: Path
    feed: Path

    def play(self, home: Path, *options: str, **variables: t.Any) -> Played:
        """Run the playbook from the network of the first."""
        given = {
            "scan_dir": str(home / "scan"),
            "scan_feed": str(self.feed / "feed"),
            "scan_repository_map": str(self.feed / "repository-to-cpe.json"),
            **variables,
        }
        cluster = self.clusters["east"]
        return play(cluster, "clusters", given, home, "-i", str(self.inventory), *options)

    def denied(self, name: str, shown: str) -> str | None:
        """deny-execution of an image in a cluster."""
        found = self.clusters[name].get("images.image.openshift.io", self.digests[shown])
        return (found["metadata"].get("annotations") or {}).get(DENY)


def fill(cluster: KubernetesCluster, folder: Path, digests: t.Mapping[str, str], runs: str) -> None:
    """Both images in the registry and as Image objects, one of them named by a workload."""
    cluster.install_openshift_kinds()
    cluster.create_namespace(SHOP)
    for name, digest in digests.items():
        reference = cluster.push(f"oci:{folder}/images:{name}", f"{SHOP}/{name}:1")
        pinned = f"{reference.rpartition(':')[0]}@{digest}"
        known: dict[str, t.Any] = {**image("0"), "apiVersion": "image.openshift.io/v1", "kind": "Image"}
        known["metadata"]["name"] = digest
        known["dockerImageReference"] = pinned
        cluster.apply(known)
        if name == runs:
            labels = {"app": name}
            template = {"metadata": {"labels": labels}, "spec": pod_spec(pinned)}
            spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
            body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
            cluster.apply(body, namespace=SHOP)


def remove(cluster: KubernetesCluster, digests: t.Iterable[str]) -> None:
    """Take away what ``fill`` made."""
    cluster.remove_namespace(SHOP)
    cluster.kubectl("delete", "--ignore-not-found", "images.image.openshift.io", *digests)


@pytest.fixture
def west(cluster: KubernetesCluster) -> t.Iterator[Cluster]:
    """A second cluster."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: this test starts a second one")
    name = f"{PREFIX}{os.getpid()}-west"
    started = Cluster(name, folder_of(name))
    started.start()
    try:
        yield started
    finally:
        started.stop()


def test_one_report_of_two_clusters_and_of_the_one_that_is_left(
    cluster: KubernetesCluster, west: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", folder], check=True, capture_output=True)
    layout = json.loads((folder / "images/index.json").read_text(encoding="utf-8"))["manifests"]
    tags = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
    digests = {name: tags[name] for name, _verdict in RUNS.values()}
    # The program in this process's network sees the first cluster; west's own tools see west.
    outside = Inside(west)
    clusters: dict[str, KubernetesCluster] = {"east": cluster, "west": outside}
    for name, one in clusters.items():
        fill(one, folder, digests, RUNS[name][0])
    server = west.server.removeprefix("https://")
    try:
        with leading_into(west.network, server, tmp_path, PORT) as url:
            kubeconfigs = {
                "east": str(cluster.kubeconfig),
                "west": str(lead_kubeconfig(west.kubeconfig, tmp_path / "west.kubeconfig", url)),
            }
            hosts = {name: {"scan_kubeconfig": path} for name, path in kubeconfigs.items()}
            shared = {
                "scan_sources": ["workloads"],
                "scan_namespaces": [SHOP],
                "scan_plain_http_registries": [cluster.registry],
                "scan_flag_targets": ["image_annotation"],
                "scan_max_new_flags": "100%",
            }
            inventory = tmp_path / "clusters.json"
            document = {"all": {"vars": shared, "children": {"clusters": {"hosts": hosts}}}}
            inventory.write_text(json.dumps(document), encoding="utf-8")
            check(Fleet(clusters, digests, inventory, folder), west, tmp_path)
    finally:
        remove(cluster, digests.values())


class Inside(KubernetesCluster):
    """A cluster whose tools run in its own network."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.kubeconfig, cluster.registry, str(cluster.folder / "bin" / "kubectl"))
        self._network = cluster.network

    def _inside(self, command: t.Sequence[str]) -> list[str]:
        return ["nsenter", f"--net={self._network}", "--", *command]


def check(fleet: Fleet, west: Cluster, home: Path) -> None:
    """Both at once, in check mode too; again; then without west."""
    steps = "discover, scan, judge, flag, report"
    planned = fleet.play(home, "--check", steps=steps)
    assert (planned.status, planned.warnings) == (0, ()), planned.output
    assert not (home / "scan").exists()

    both = fleet.play(home, steps=steps)
    assert (both.status, both.warnings) == (0, ()), both.output
    report = home / "scan/report/report.json"
    first = json.loads(report.read_bytes())
    assert {one["digest"]: one["verdict"] for one in first["images"]} == {
        fleet.digests[name]: verdict for name, verdict in RUNS.values()
    }
    assert [(one["name"], one["state"], one["images"]) for one in first["clusters"]] == [
        (name, "complete", [fleet.digests[runs]]) for name, (runs, _verdict) in RUNS.items()
    ]
    # What failed in one cluster is refused in both.
    flags = {name: {shown: fleet.denied(name, shown) for shown in fleet.digests} for name in RUNS}
    assert flags == {name: {"shop-frontend": "false", "payments": "true"} for name in RUNS}

    again = fleet.play(home, steps=steps)
    assert (again.status, again.warnings, again.changed) == (0, (), 0), again.output
    assert json.loads(report.read_bytes()) == first

    west.stop()
    left = fleet.play(home, steps=steps)
    assert left.status == 2, left.output
    assert left.message.startswith("1 of 2 clusters are not complete: west (not_discovered): ")
    second = json.loads(report.read_bytes())
    east, gone = second["clusters"]
    assert east == first["clusters"][0]
    assert (gone["state"], gone["known"], gone["images"]) == ("not_discovered", True, [fleet.digests["payments"]])
    assert gone["reason"]
    assert gone["seen"]
    assert second["images"] == first["images"]
    assert "ERROR         cluster west was not reached" in left.output
    assert "1 of 2 clusters not complete" in left.output
    page = (home / "scan/report/report.html").read_text(encoding="utf-8")
    assert "west was not reached" in page

    # A store that never knew west does not make it look empty.
    fresh = home / "fresh"
    fresh.mkdir()
    unknown = fleet.play(fresh, steps="discover, scan, judge, report")
    assert unknown.status == 2, unknown.output
    found = json.loads((fresh / "scan/report/report.json").read_bytes())["clusters"][1]
    assert (found["known"], found["images"]) == (False, [])
    assert "nothing is known of its images" in unknown.output
