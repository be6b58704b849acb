# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/triggers that need a cluster, run as they stand there, with the accounts of ``setup``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.enforced import pod_spec
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.examples import WITHOUT_INVENTORY, Runner, data_in, examples
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import image, stream

CHECKOUT = Path(__file__).resolve().parents[2]
#: Image of the fleet -> tier of its workload.
TIERS = {"payments": "back", "shop-frontend": "front"}

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]


@pytest.fixture
def runner(
    cluster: KubernetesCluster, namespace: str, shared_accounts: Accounts, scanner_image: str, tmp_path: Path
) -> t.Iterator[Runner]:
    """A shop: two images, each named by a workload that runs no pod, and one of them by an image stream."""
    cluster.install_openshift_kinds()
    fleet = tmp_path / "fleet"
    subprocess.run([sys.executable, CHECKOUT / "examples/fleet/build.py", fleet], check=True, capture_output=True)
    layout = json.loads((fleet / "images/index.json").read_text(encoding="utf-8"))["manifests"]
    digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in layout}
    for name, tier in TIERS.items():
        reference = cluster.push(f"oci:{fleet}/images:{name}", f"{namespace}/{name}:1")
        # A label that is this test's alone, since others test beside us.
        labels = {f"{namespace}/tier": tier}
        template = {"metadata": {"labels": labels}, "spec": pod_spec(reference)}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        metadata = {"name": name, "labels": labels}
        cluster.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}, namespace=namespace
        )
    # It names its image as what is about to run, and no node takes it.
    waiting = pod_spec(f"{cluster.registry}/{namespace}/payments:1", nodeSelector={"imagescan.test/no": "node"})
    cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "waiting"}, "spec": waiting}, namespace=namespace
    )
    kinds = {"apiVersion": "image.openshift.io/v1"}
    digest, reference = digests["payments"], f"{cluster.registry}/{namespace}/payments:1"
    known: dict[str, t.Any] = {**image("0"), **kinds, "kind": "Image", "dockerImageReference": reference}
    known["metadata"]["name"] = digest
    tags = stream(namespace, "payments", latest=[(digest, reference)])
    cluster.apply(known, {**tags, **kinds, "kind": "ImageStream"})
    more = {
        "imagescan.yml": f"imagescan_plain_http_registries: [{cluster.registry!r}]\n"
        f"scan_policies: {fleet}/policies.yml\n",
        "cluster.yml": f"scan_scanner_image: {scanner_image}\nscan_pods: {{start_timeout: 180}}\n",
    }
    replaced = {
        "registry.example.com": cluster.registry,
        "~/.local/share/imagescan/kubeconfigs": str(shared_accounts.folder),
        "scan_namespace: imagescan": f"scan_namespace: {shared_accounts.namespace}",
        "web-shop": namespace,
        "shop/tier": f"{namespace}/tier",
        # What others run beside us does not concern us.
        "scan_in_use=true": f"scan_in_use=true -e scan_namespaces={namespace}",
        **data_in(fleet),
    }
    yield Runner(tmp_path, {**ansible_environment(tmp_path), **WITHOUT_INVENTORY}, replaced, more)
    cluster.kubectl("delete", "images.image.openshift.io", digest)


@pytest.mark.parametrize("page", sorted({example.page for example in examples("cluster")}))
def test_the_examples_of_a_page(runner: Runner, page: str) -> None:
    for example in examples("cluster", page.removesuffix(".md")):
        printed = runner.run(example)
        assert "[WARNING]" not in printed, printed
        assert example.file or re.search(r"^(FAILED|PASSED) ", printed, re.MULTILINE), printed
