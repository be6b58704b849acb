# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/triggers/many_clusters.md, on two real control planes: one report, also when one is gone."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, play, variables_of
from ansible_collections.imagescan.openshift.tests.cluster.conftest import PREFIX
from ansible_collections.imagescan.openshift.tests.cluster.enforced import deployment
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster, folder_of
from ansible_collections.imagescan.openshift.tests.cluster.relay import lead_kubeconfig, leading_into
from ansible_collections.imagescan.openshift.tests.support.examples import Runner, data_in, examples
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image, stream

CHECKOUT = Path(__file__).resolve().parents[2]
PORT = 16443
#: Namespaces in both clusters. The second is what west leaves out.
SHOP = f"shop-{secrets.token_hex(4)}"
SANDBOX = f"{SHOP}-sandbox"
DENY = "images.openshift.io/deny-execution"
#: Image that each cluster runs.
RUNS = {"east": "shop-frontend", "west": "payments"}
#: A document of the feed without which payments passes.
NEWS = Path("2026", "cve-2026-900001.json")

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Two clusters by name. ``place``: the namespace of the scans in both."""

    clusters: t.Mapping[str, KubernetesCluster]
    digests: t.Mapping[str, str]
    place: str

    def denied(self) -> dict[str, dict[str, str | None]]:
        """deny-execution of each image in each cluster."""
        found: dict[str, dict[str, str | None]] = {}
        for name, cluster in self.clusters.items():
            images = {shown: cluster.get("images.image.openshift.io", one) for shown, one in self.digests.items()}
            found[name] = {shown: (one["metadata"].get("annotations") or {}).get(DENY) for shown, one in images.items()}
        return found

    def made(self) -> dict[str, set[str]]:
        """The Jobs and pods that events in each cluster tell of, by UID: also those that are gone."""
        events = {name: one.get("--namespace", self.place, "events")["items"] for name, one in self.clusters.items()}
        return {
            name: {one["involvedObject"]["uid"] for one in found if one["involvedObject"]["kind"] in ("Job", "Pod")}
            for name, found in events.items()
        }


def fill(cluster: KubernetesCluster, folder: Path, digests: t.Mapping[str, str], runs: str) -> None:
    """Both images in the registry and as Image objects, one of them named by a workload and an image stream."""
    cluster.install_openshift_kinds()
    cluster.create_namespace(SHOP)
    kinds = {"apiVersion": "image.openshift.io/v1"}
    for name, digest in digests.items():
        reference = cluster.push(f"oci:{folder}/images:{name}", f"{SHOP}/{name}:1")
        pinned = f"{reference.rpartition(':')[0]}@{digest}"
        known: dict[str, t.Any] = {**image("0"), **kinds, "kind": "Image"}
        known["metadata"]["name"] = digest
        known["dockerImageReference"] = pinned
        cluster.apply(known)
        if name == runs:
            tags = stream(SHOP, name, latest=[(digest, pinned)])
            cluster.apply({**tags, **kinds, "kind": "ImageStream"})
            cluster.apply(deployment(name, pinned, replicas=0), namespace=SHOP)


def remove(cluster: KubernetesCluster, digests: t.Iterable[str]) -> None:
    """Take away what ``fill`` made."""
    cluster.remove_namespace(SHOP)
    cluster.kubectl("delete", "--ignore-not-found", "images.image.openshift.io", *digests)


@pytest.fixture
def west(breakable_cluster: Cluster) -> t.Iterator[Cluster]:
    """A second cluster."""
    name = f"{PREFIX}{os.getpid()}-west"
    started = Cluster(name, folder_of(name))
    started.start()
    try:
        yield started
    finally:
        started.stop()


def test_one_report_of_two_clusters_and_of_the_one_that_is_left(
    breakable_cluster: Cluster, west: Cluster, shared_accounts: Accounts, scanner_image: str, tmp_path: Path
) -> None:
    east = breakable_cluster
    folder = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", folder], check=True, capture_output=True)
    layout = json.loads((folder / "images/index.json").read_text(encoding="utf-8"))["manifests"]
    tags = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
    digests = {name: tags[name] for name in RUNS.values()}
    (folder / "feed" / NEWS).rename(tmp_path / NEWS.name)
    # The program in this process's network sees the first cluster; west's own tools see west.
    outside = Inside(west)
    outside.push_scanner()
    clusters: dict[str, KubernetesCluster] = {"east": east, "west": outside}
    for name, one in clusters.items():
        fill(one, folder, digests, RUNS[name])
    outside.create_namespace(SANDBOX)
    outside.apply(deployment("left-out", f"{west.registry}/{SHOP}/{RUNS['east']}:1", replicas=0), namespace=SANDBOX)
    server = west.server.removeprefix("https://")
    place = shared_accounts.namespace
    try:
        with leading_into(west.network, server, tmp_path, PORT) as url:
            led = lead_kubeconfig(west.kubeconfig, tmp_path / "west.kubeconfig", url)
            accounts = tmp_path / "west"
            made = {**variables_of(west, place, accounts), "setup_kubeconfig": str(led)}
            played = play(KubernetesCluster(led, west.registry, ""), "setup", made, tmp_path)
            assert played.status == 0, played.output
            # What these clusters have that those of the page have not; an inventory takes it from beside it.
            here = {
                "scan_namespaces": [f"{SHOP}.*"],
                "imagescan_plain_http_registries": [east.registry],
                "scan_scanner_image": scanner_image,
                "scan_pods": {"start_timeout": 180},
                "scan_flag_targets": ["image_annotation"],
                "scan_max_new_flags": "100%",
            }
            (tmp_path / "group_vars").mkdir()
            (tmp_path / "group_vars/all.yml").write_text(json.dumps(here), encoding="utf-8")
            replaced = {
                "/var/lib/imagescan": str(tmp_path / "scan"),
                "/etc/imagescan/policies.yml": str(folder / "policies.yml"),
                "/etc/imagescan/east": str(shared_accounts.folder),
                "/etc/imagescan/west": str(accounts),
                "scan_namespace: imagescan": f"scan_namespace: {place}",
                "[sandbox]": f"[{SANDBOX}]",
                **data_in(folder),
            }
            runner = Runner(tmp_path, ansible_environment(tmp_path), replaced)
            check(Fleet(clusters, digests, place), east, west, runner)
    finally:
        remove(east, digests.values())


class Inside(KubernetesCluster):
    """A cluster whose tools run in its own network."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.kubeconfig, cluster.registry, str(cluster.folder / "bin" / "kubectl"))
        self._network = cluster.network

    def _inside(self, command: t.Sequence[str]) -> list[str]:
        return ["nsenter", f"--net={self._network}", "--", *command]


def check(fleet: Fleet, east: Cluster, west: Cluster, runner: Runner) -> None:
    """The examples: in check mode, without west, with both, with news, and once more when west is gone."""
    inventory, scanning, flagging, judging, limited = examples("clusters", "many_clusters")
    results, both = runner.folder / "scan", list(RUNS)
    report = results / "report/report.json"
    nothing = {name: dict.fromkeys(fleet.digests) for name in both}

    before = fleet.made()
    runner.run(inventory)
    planned = dataclasses.replace(
        flagging, text=flagging.text.replace("-e clusters_steps", "--check -e clusters_steps")
    )
    assert "[WARNING]" not in runner.run(planned)
    assert not results.exists()
    assert fleet.made() == before

    # Without localhost nobody would say that west was left out.
    silent = dataclasses.replace(limited, text=limited.text.splitlines()[0].replace("east,localhost", "'!west'"))
    assert "name it, too, as in --limit !west,localhost" in runner.run(silent)
    assert not results.exists()

    # A store that never knew west does not make it look empty.
    printed = runner.run(limited)
    assert "[WARNING]" not in printed, printed
    assert "1 of 2 clusters are not complete: west (not_discovered): this run left it out" in printed
    assert "nothing is known of its images" in printed
    alone = json.loads(report.read_bytes())["clusters"]
    assert [(one["name"], one["state"], one["known"], one["images"]) for one in alone] == [
        ("east", "complete", True, [fleet.digests["shop-frontend"]]),
        ("west", "not_discovered", False, []),
    ]
    pods = fleet.made()
    assert len(pods["east"] - before["east"]) >= 2  # a Job and a pod
    assert pods["west"] == before["west"]

    printed = runner.run(scanning)
    assert "[WARNING]" not in printed, printed
    first = json.loads(report.read_bytes())
    assert verdicts(first) == dict.fromkeys(fleet.digests.values(), "passed")
    assert [(one["name"], one["state"], one["images"]) for one in first["clusters"]] == [
        (name, "complete", [fleet.digests[runs]]) for name, runs in RUNS.items()
    ]
    assert len(fleet.made()["west"] - pods["west"]) >= 2
    assert fleet.denied() == nothing

    # Once again: nothing is scanned or judged anew, and the report is the same.
    pods = fleet.made()
    printed = runner.run(flagging)
    assert "[WARNING]" not in printed, printed
    assert re.search(r"^localhost +: .*changed=0 ", printed, re.MULTILINE), printed
    assert json.loads(report.read_bytes()) == first
    assert fleet.made() == pods
    assert fleet.denied() == {name: {"shop-frontend": "false", "payments": "false"} for name in both}

    # News: no pod, and no pull, since there is nothing to pull from.
    shutil.copy(runner.folder / NEWS.name, runner.folder / "fleet/feed" / NEWS)
    for one in (east, west):
        one.kill("registry")
    printed = runner.run(judging)
    east.restart("registry")
    assert "[WARNING]" not in printed, printed
    assert "1 image has another verdict than before:" in printed
    assert fleet.made() == pods
    second = json.loads(report.read_bytes())
    assert verdicts(second) == {fleet.digests["shop-frontend"]: "passed", fleet.digests["payments"]: "failed"}
    assert [(one["name"], one["state"], one["images"]) for one in second["clusters"]] == [
        (one["name"], one["state"], one["images"]) for one in first["clusters"]
    ]
    # What failed in one cluster is refused in both.
    assert fleet.denied() == {name: {"shop-frontend": "false", "payments": "true"} for name in both}

    west.stop()
    printed = runner.run(dataclasses.replace(flagging, status=2))
    assert "1 of 2 clusters are not complete: west (not_discovered): " in printed
    third = json.loads(report.read_bytes())
    left, gone = third["clusters"]
    assert (left["state"], left["images"]) == ("complete", [fleet.digests["shop-frontend"]])
    assert (gone["state"], gone["known"], gone["images"]) == ("not_discovered", True, [fleet.digests["payments"]])
    assert gone["reason"]
    assert gone["seen"]
    assert third["images"] == second["images"]
    assert "ERROR         cluster west was not reached" in printed
    assert "1 of 2 clusters not complete" in printed
    page = (results / "report/report.html").read_text(encoding="utf-8")
    assert "west was not reached" in page


def verdicts(report: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Digest -> verdict."""
    return {one["digest"]: one["verdict"] for one in report["images"]}
