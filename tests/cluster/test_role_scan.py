# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``scan`` on a real cluster: what is deployed, found and scanned with an account for each step."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in, play
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGES = ("shop-frontend", "payments", "reports", "batch")


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """The example fleet, with a feed about it."""
    folder = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def references(cluster: KubernetesCluster, namespace: str, fleet: Path) -> list[str]:
    """Images that deployments without pods name."""
    pushed = []
    for name in IMAGES:
        reference = cluster.push(f"oci:{fleet}/images:{name}", f"{namespace}/{name}:1")
        options = (f"--image={reference}", "--replicas=0")
        cluster.kubectl("--namespace", namespace, "create", "deployment", name, *options)
        cluster.push(f"oci:{fleet}/images:{name}", f"{namespace}/all:{name}")
        pushed.append(reference)
    return pushed


@pytest.fixture
def accounts(cluster: KubernetesCluster, namespace: str, tmp_path: Path) -> t.Iterator[Accounts]:
    """The accounts of the role setup."""
    with accounts_in(cluster, namespace, tmp_path) as made:
        yield made


def images_in(folder: Path) -> dict[str, t.Any]:
    """The images of a report by digest, without their names."""
    images = json.loads((folder / "report/report.json").read_text(encoding="utf-8"))["images"]
    return {image.pop("digest"): {**image, "reference": "", "references": []} for image in images}


def test_pods_find_what_the_controller_finds(
    cluster: KubernetesCluster,
    namespace: str,
    fleet: Path,
    references: list[str],
    accounts: Accounts,
    scanner_image: str,
    tmp_path: Path,
) -> None:
    common = {
        "scan_plain_http_registries": cluster.registry,
        "scan_feed": str(fleet / "feed"),
        "scan_repository_map": str(fleet / "repository-to-cpe.json"),
    }
    found = play(
        cluster,
        "scan",
        {
            **common,
            "scan_sources": "workloads",
            "scan_namespaces": namespace,
            "scan_kubeconfig": str(accounts.discover),
            "scan_dir": str(tmp_path / "local"),
        },
        tmp_path,
    )
    assert (found.status, found.warnings) == (0, ()), found.output
    expected = images_in(tmp_path / "local")
    assert len(expected) == len(references)
    assert {image["verdict"] for image in expected.values()} == {"passed", "failed", "inconclusive"}

    by_pods = {
        **common,
        "scan_steps": "scan, judge, report",
        # As a job that discovers hands them on: with a digest, so that a second run knows them.
        "scan_images": [f"{cluster.registry}/{namespace}/all@{digest}" for digest in expected],
        "scan_method": "job",
        "scan_namespace": namespace,
        "scan_scanner_image": scanner_image,
        "scan_pods": "2",
        "scan_start_timeout": "120",
        "scan_kubeconfig": str(accounts.scan),
        "scan_dir": str(tmp_path / "job"),
    }
    planned = play(cluster, "scan", by_pods, tmp_path, "--check")
    assert planned.status == 0, planned.output
    assert not (tmp_path / "job").exists()
    scanned = play(cluster, "scan", by_pods, tmp_path)
    assert (scanned.status, scanned.warnings) == (0, ()), scanned.output
    assert scanned.changed > 0
    assert images_in(tmp_path / "job") == expected
    again = play(cluster, "scan", by_pods, tmp_path)
    assert (again.status, again.changed) == (0, 0), again.output
    ours = "--selector=app.kubernetes.io/managed-by=imagescan.openshift"
    assert cluster.get("--namespace", namespace, "jobs,pods", ours)["items"] == []
