# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that drops image volumes without a word: ``image_volume`` is refused, and ``job`` works there."""

from __future__ import annotations

import json
import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import fleet, images
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import (
    WITHOUT_IMAGE_VOLUMES,
    Cluster,
    folder_of,
    missing_requirements,
)
from ansible_collections.imagescan.openshift.tests.cluster.scans import (
    SECONDS,
    Scans,
    by_pods,
    check_nothing_is_left,
    write_images,
)
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

pytestmark = pytest.mark.full

NAMESPACE = "unsupported"


@pytest.fixture(scope="module")
def old_cluster() -> t.Iterator[Cluster]:
    """A cluster without image volumes, beside the usual one. Nobody enters it: Ansible is started inside."""
    lacking = missing_requirements()
    if lacking:
        missing(f"for the test cluster: {', '.join(lacking)}")
    name = f"old-{os.getpid()}"
    started = Cluster(name, folder_of(name), WITHOUT_IMAGE_VOLUMES)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def old_accounts(old_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Accounts]:
    """The accounts of the role setup there."""
    with accounts_in(old_cluster, NAMESPACE, tmp_path_factory.mktemp("accounts")) as made:
        yield made


@pytest.fixture(scope="module")
def references(old_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two images with packages, and the scanner's, in its registry."""
    folder = tmp_path_factory.mktemp("images") / "layout"

    def image(name: str) -> t.Callable[[images.Blobs], images.Json]:
        layers = [fleet.rpm_layer(fleet.packages(f"{name}-1.0-1.el9"), *fleet.red_hat_root("9", "4"))]
        return lambda blobs: images.image(blobs, layers)

    tags = ("bash", "zlib")
    write_images(folder, {tag: image(tag) for tag in tags})
    old_cluster.push_scanner()
    return [old_cluster.push(f"oci:{folder}:{tag}", f"unsupported/{tag}:1") for tag in tags]


def objects(cluster: Cluster) -> list[str]:
    """What stands in the namespace beside what setup made."""
    found = cluster.get("jobs,pods,configmaps", f"--namespace={NAMESPACE}")["items"]
    names = [f"{one['kind']}/{one['metadata']['name']}" for one in found]
    return [name for name in names if name != "ConfigMap/kube-root-ca.crt"]


def events(cluster: Cluster) -> list[str]:
    """What happened in the namespace."""
    return [one["reason"] for one in cluster.get("events", f"--namespace={NAMESPACE}")["items"]]


def scan(
    cluster: Cluster, accounts: Accounts, home: Path, method: str, references: list[str], **more: t.Any
) -> tuple[Scans, int]:
    """Run image_scan by a playbook, where the cluster is reached. Its exit status."""
    call = by_pods(cluster, accounts, cluster.scanner_reference, method, images=references, **more)
    scans = Scans(home, {method: call})
    done = cluster.run(*scans.command(), check=False, env=ansible_environment(home), timeout=SECONDS)
    (home / "output").write_text(done.stdout + done.stderr, encoding="utf-8")
    return scans, done.returncode


@pytest.mark.parametrize("method", ["image_volume", "job"])
def test_image_volumes_are_refused_and_nothing_is_created(
    old_cluster: Cluster, old_accounts: Accounts, references: list[str], tmp_path: Path, method: str
) -> None:
    content = {"profile": "cis", "content_image": old_cluster.scanner_reference}
    more = {"compliance": content} if method == "job" else {}
    scans, status = scan(old_cluster, old_accounts, tmp_path, method, references, **more)
    assert status != 0
    assert '"code": "image-volume-unsupported"' in scans.output
    assert "this cluster does not serve image volumes (use method: job without content_image, or a" in scans.output
    assert objects(old_cluster) == []
    assert events(old_cluster) == []


def test_jobs_work_there(old_cluster: Cluster, old_accounts: Accounts, references: list[str], tmp_path: Path) -> None:
    scans, status = scan(old_cluster, old_accounts, tmp_path, "job", references)
    assert status == 0, scans.output
    assert scans.result("job")["counts"] == {"scanned": 2, "current": 0, "planned": 0, "error": 0}
    assert all(one.inventory and len(one.inventory["packages"]) == 1 for one in scans.stored("job").values())
    check_nothing_is_left(old_cluster, NAMESPACE)


def test_a_drill_knows_that_there_is_no_such_way_in(old_cluster: Cluster, tmp_path: Path) -> None:
    old_cluster.create_namespace("drill")
    arguments = json.dumps({"kubeconfig": str(old_cluster.kubeconfig), "namespace": "drill"})
    command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", "-m", "imagescan.openshift.enforcement_info"]
    told = old_cluster.run(*command, "-a", arguments, env=ansible_environment(tmp_path)).stdout
    found = json.loads(told[told.index("=> {") + 3 :])
    outcomes: dict[bool, set[str]] = {row["way"].startswith("image volume"): set() for row in found["ways"]}
    for row in found["ways"]:
        outcomes[row["way"].startswith("image volume")].add(row["outcome"])
    # Nothing enforces anything here, so all else is open.
    assert outcomes == {True: {"not-served"}, False: {"allowed"}}
    assert found["installed"]["mode"] == "none"
    assert not found["proved"]
