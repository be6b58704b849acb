# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``scan`` on a real cluster: one command from discovery to the report, each step with its own account."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, play
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image, stream

pytestmark = pytest.mark.full

CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = {"apiVersion": "image.openshift.io/v1"}
OURS = "--selector=app.kubernetes.io/managed-by=imagescan.openshift"


@dataclasses.dataclass(frozen=True)
class Fleet:
    """The example fleet as a cluster has it. ``reference``: what nobody but a person names."""

    folder: Path
    namespace: str
    reference: str
    verdicts: t.Mapping[str, str]


@pytest.fixture
def fleet(cluster: KubernetesCluster, namespace: str, tmp_path: Path) -> t.Iterator[Fleet]:
    """Workloads that run no pod, an image stream, an image that is only in the registry, and one that is nowhere."""
    cluster.install_openshift_kinds()
    folder = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", folder], check=True, capture_output=True)
    layout = json.loads((folder / "images/index.json").read_text(encoding="utf-8"))["manifests"]
    digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
    names = ("shop-frontend", "payments", "reports")
    frontend, payments, reports = (
        cluster.push(f"oci:{folder}/images:{name}", f"{namespace}/{name}:1") for name in names
    )
    nowhere = f"{cluster.registry}/{namespace}/nowhere:1"
    for name, reference in (("frontend", frontend), ("nowhere", nowhere)):
        options = (f"--image={reference}", "--replicas=0")
        cluster.kubectl("--namespace", namespace, "create", "deployment", name, *options)
    pinned = f"{payments.rpartition(':')[0]}@{digests['payments']}"
    known: dict[str, t.Any] = {**image("0"), **KINDS, "kind": "Image", "dockerImageReference": pinned}
    known["metadata"]["name"] = digests["payments"]
    tags = stream(namespace, "payments", latest=[(digests["payments"], pinned)])
    cluster.apply(known, {**tags, **KINDS, "kind": "ImageStream"})
    verdicts = {digests[name]: verdict for name, verdict in zip(names, ("passed", "failed", "failed"))}
    yield Fleet(folder, namespace, reports, {**verdicts, "": "error"})
    cluster.kubectl("delete", "images.image.openshift.io", digests["payments"])


def made(cluster: KubernetesCluster, namespace: str) -> set[str]:
    """The Jobs and pods that events of the namespace tell of, by UID: also those that are gone."""
    events = cluster.get("--namespace", namespace, "events")["items"]
    return {one["involvedObject"]["uid"] for one in events if one["involvedObject"]["kind"] in ("Job", "Pod")}


@pytest.mark.timeout(900)
def test_one_command_from_discovery_to_the_report(
    cluster: KubernetesCluster, fleet: Fleet, shared_accounts: Accounts, scanner_image: str, tmp_path: Path
) -> None:
    place, results = shared_accounts.namespace, tmp_path / "results"
    variables = {
        "scan_kubeconfig_dir": str(shared_accounts.folder),
        "scan_sources": "openshift, workloads, references",
        "scan_namespaces": fleet.namespace,
        "scan_references": fleet.reference,
        "scan_method": "job",
        "scan_namespace": place,
        "scan_scanner_image": scanner_image,
        "scan_pods": "pods=2 start_timeout=120",
        "scan_registries": {"plain_http_registries": cluster.registry},
        "scan_feed": str(fleet.folder / "feed"),
        "scan_repository_map": str(fleet.folder / "repository-to-cpe.json"),
        "scan_policies": str(fleet.folder / "policies.yml"),
        "scan_dir": str(results),
        "scan_fail_on": "none",  # one of the images is nowhere
    }
    before = made(cluster, place)
    planned = play(cluster, "scan", variables, tmp_path, "--check")
    assert (planned.status, planned.warnings) == (0, ()), planned.output
    assert not results.exists()
    assert made(cluster, place) == before

    scanned = play(cluster, "scan", variables, tmp_path)
    assert (scanned.status, scanned.warnings) == (0, ()), scanned.output
    assert scanned.changed > 0
    report = results / "report/report.json"
    first = report.read_bytes()
    assert {one["digest"]: one["verdict"] for one in json.loads(first)["images"]} == fleet.verdicts
    pods = made(cluster, place)
    assert len(pods - before) >= 2  # a Job and a pod

    again = play(cluster, "scan", variables, tmp_path)
    assert (again.status, again.warnings, again.changed) == (0, (), 0), again.output
    assert report.read_bytes() == first
    assert made(cluster, place) == pods
    assert cluster.get("--namespace", place, "jobs,pods,configmaps", OURS)["items"] == []
