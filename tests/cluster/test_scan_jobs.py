# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans by pods, from the first to the last object: both methods, check mode, and servers and pods that do not work."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import fleet as example
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import WITHOUT_IMAGE_VOLUMES, Cluster
from ansible_collections.imagescan.openshift.tests.cluster.scans import SECONDS, Scans, by_pods, check_nothing_is_left

pytestmark = pytest.mark.full

#: Of the example fleet: images and an index, each with a package database of another format or none.
TAGS = ("shop-frontend", "payments", "tools", "health-probe", "gateway")
METHODS = ("job", "image_volume")


@pytest.fixture(scope="module")
def fleet(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """References of some images of the example fleet."""
    folder = tmp_path_factory.mktemp("fleet") / "fleet"
    example.build(folder)
    return [cluster.push(f"oci:{folder}/images:{tag}", f"scan-jobs/{tag}:1") for tag in TAGS]


def failed(scans: Scans) -> str:
    """The message of a playbook that has to fail."""
    assert scans.start().wait(SECONDS) != 0, scans.output
    return scans.output


@pytest.mark.parametrize("method", METHODS)
def test_images_are_scanned_once_and_nothing_is_left(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    fleet: list[str],
    scanner_image: str,
    tmp_path: Path,
    method: str,
) -> None:
    call = by_pods(cluster, shared_accounts, scanner_image, method, images=fleet)
    scans = Scans(tmp_path, {"scan": call})
    scans.run()
    first = scans.result("scan")
    assert first["counts"] == {"scanned": 6, "current": 0, "planned": 0, "error": 0}
    assert first["changed"]
    check_nothing_is_left(cluster, shared_accounts.namespace)
    stored = scans.stored("scan")
    assert sum(one.kind == "image" for one in stored.values()) == 6
    # Again, by digest: nothing is new, and no pod is made.
    known = [{"reference": one["reference"], "digest": one["digest"]} for one in first["images"]]
    scans = Scans(tmp_path, {"scan": {**call, "images": known}})
    scans.run()
    again = scans.result("scan")
    assert again["counts"] == {"scanned": 0, "current": 6, "planned": 0, "error": 0}
    assert not again["changed"]
    assert scans.stored("scan") == stored


@pytest.mark.parametrize("method", METHODS)
def test_check_mode_says_what_would_be_made_and_makes_nothing(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    fleet: list[str],
    scanner_image: str,
    tmp_path: Path,
    method: str,
) -> None:
    call = by_pods(cluster, shared_accounts, scanner_image, method, images=fleet, pods=2)
    before = cluster.get("events", f"--namespace={shared_accounts.namespace}")["items"]
    scans = Scans(tmp_path, {"scan": call})
    scans.run("--check")
    found = scans.result("scan")
    if method == "job":  # An index counts as one until somebody opened it.
        assert found["plan"] == {"jobs": 1, "pods": 2, "images": 5, "bytes": 0}
    else:
        assert found["plan"]["jobs"] == found["plan"]["pods"] == 2
        assert found["plan"]["images"] == 6
        assert found["plan"]["bytes"] > 1000
    assert found["counts"]["planned"] == found["plan"]["images"]
    check_nothing_is_left(cluster, shared_accounts.namespace)
    assert cluster.get("events", f"--namespace={shared_accounts.namespace}")["items"] == before
    assert not (tmp_path / "scan.db").exists()


def test_a_server_that_drops_image_volumes_is_told_from_one_that_serves_them(
    breakable_cluster: Cluster, shared_accounts: Accounts, fleet: list[str], scanner_image: str, tmp_path: Path
) -> None:
    call = by_pods(breakable_cluster, shared_accounts, scanner_image, "image_volume", images=fleet)
    usual = breakable_cluster.settings
    breakable_cluster.settings = WITHOUT_IMAGE_VOLUMES
    try:
        breakable_cluster.restart("kube-apiserver")
        message = failed(Scans(tmp_path, {"scan": call}))
        check_nothing_is_left(breakable_cluster, shared_accounts.namespace)
    finally:
        breakable_cluster.settings = usual
        breakable_cluster.restart("kube-apiserver")
    assert "this cluster does not serve image volumes (use method: job without content_image, or a" in message
    assert '"code": "image-volume-unsupported"' in message


#: Options, and the code and words of the error. The kubelet passes over pull secrets of image volumes that are missing.
CANNOT_START: t.Mapping[str, tuple[dict[str, t.Any], str, str]] = {
    "missing image": ({"scanner_image": "{registry}/imagescan/missing:1"}, "image-pull-failed", "imagescan/missing:1"),
    "no node": ({"node_selector": {"imagescan.github.io/no": "node"}}, "pod-unschedulable", "nodes are available"),
    "too large": ({"pod_cpu": "900"}, "pod-unschedulable", "Insufficient cpu"),
    "missing secret": ({"pull_secrets": ["no-such-secret"]}, "pod-start-failed", '"no-such-secret" not found'),
}


@pytest.mark.parametrize(
    ("method", "name"),
    [(method, name) for method in METHODS for name in CANNOT_START if (method, name) != (METHODS[1], "missing secret")],
)
def test_pods_that_cannot_start_give_every_image_the_cause(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    fleet: list[str],
    scanner_image: str,
    tmp_path: Path,
    method: str,
    name: str,
) -> None:
    options, code, words = CANNOT_START[name]
    given = json.loads(json.dumps(options).replace("{registry}", cluster.registry))
    call = by_pods(cluster, shared_accounts, scanner_image, method, images=fleet[:2], start_timeout=10)
    scans = Scans(tmp_path, {"scan": {**call, **given}})
    scans.run()
    found = scans.result("scan")["images"]
    assert [one["state"] for one in found] == ["error", "error"]
    for one in found:
        (problem,) = one["problems"]
        assert problem["code"] == code
        assert words in problem["message"]
    check_nothing_is_left(cluster, shared_accounts.namespace)


def test_pods_that_the_cluster_does_not_make_are_an_error_by_name(
    cluster: KubernetesCluster, accounts: Accounts, fleet: list[str], scanner_image: str, tmp_path: Path
) -> None:
    cluster.kubectl("delete", "serviceaccount", "imagescan-puller", f"--namespace={accounts.namespace}")
    call = by_pods(cluster, accounts, scanner_image, "job", images=fleet[:1], start_timeout=10)
    scans = Scans(tmp_path, {"scan": call})
    scans.run()
    (image,) = scans.result("scan")["images"]
    assert image["problems"][0]["code"] == "pod-refused"
    assert 'serviceaccount "imagescan-puller" not found' in image["problems"][0]["message"]
    check_nothing_is_left(cluster, accounts.namespace)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"namespace": "no-such-namespace"}, "grant Role imagescan-scanner in the namespace no-such-namespace"),
        ({"pod_memory": "1Mi"}, "expected 128Mi or more"),
        ({"pods": 0}, "pods is 0; expected 1 to 500"),
        ({"pod_proxy": {"https_proxy": "http://me:hidden@proxy.example"}}, "holds a user or a password"),
        ({"integrated_registry": "not a registry"}, "not a registry"),
    ],
)
def test_users_errors_are_one_sentence_each(
    cluster: KubernetesCluster,
    shared_accounts: Accounts,
    fleet: list[str],
    scanner_image: str,
    tmp_path: Path,
    options: t.Mapping[str, t.Any],
    words: str,
) -> None:
    call = {**by_pods(cluster, shared_accounts, scanner_image, "job", images=fleet), **options}
    message = failed(Scans(tmp_path, {"scan": call}))
    assert words in message
    assert "Traceback" not in message
    check_nothing_is_left(cluster, shared_accounts.namespace)
