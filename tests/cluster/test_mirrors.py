# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors that a real API server gives, by an account that may list nothing else."""

from __future__ import annotations

import os
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.mirrors import read_mirrors
from ansible_collections.imagescan.openshift.plugins.module_utils._images.mirrors import Mirror
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import FORBIDDEN, ApiError
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import Cluster
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

NAME = f"mirrors-{os.getpid()}"
SECONDS = 60
KINDS = ("imagedigestmirrorsets", "imagetagmirrorsets")


def mirror_set(kind: str, name: str, *entries: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """An ImageDigestMirrorSet or ImageTagMirrorSet."""
    field = {"ImageDigestMirrorSet": "imageDigestMirrors", "ImageTagMirrorSet": "imageTagMirrors"}[kind]
    metadata = {"name": f"{NAME}-{name}"}
    return {"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": metadata, "spec": {field: list(entries)}}


@pytest.fixture(scope="module")
def openshift(cluster: KubernetesCluster) -> Cluster:
    """A cluster with the kinds of OpenShift. On a user's, nodes would restart for each new mirror."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: this test creates mirror sets")
    cluster.install_openshift_kinds()
    return cluster


@pytest.fixture
def client(openshift: Cluster, namespace: str) -> t.Iterator[KubernetesClient]:
    """The account, without rights."""
    openshift.kubectl("--namespace", namespace, "create", "serviceaccount", "robot")
    token = openshift.kubectl("--namespace", namespace, "create", "token", "robot").stdout.strip()
    admin = connect(Connection(kubeconfig=str(openshift.kubeconfig)))
    yield connect(Connection(host=admin.server, ca_cert=str(openshift.ca_file), api_key=token))
    openshift.kubectl("delete", "clusterrole,clusterrolebinding", NAME, "--ignore-not-found")
    for kind in KINDS:
        openshift.kubectl("delete", kind, "--all")


def test_mirror_sets_are_read(openshift: Cluster, client: KubernetesClient, namespace: str) -> None:
    openshift.apply(
        mirror_set(
            "ImageDigestMirrorSet",
            "a",
            {"source": "quay.io/team", "mirrors": ["m.local/team", "n.local/team"]},
            {"source": "registry.example.com", "mirrors": ["m.local"], "mirrorSourcePolicy": "NeverContactSource"},
        ),
        mirror_set(
            "ImageDigestMirrorSet", "b", {"source": "quay.io/team", "mirrors": ["l.local/team", "m.local/team"]}
        ),
        mirror_set("ImageTagMirrorSet", "c", {"source": "quay.io/team", "mirrors": ["t.local/team"]}),
    )
    with pytest.raises(ApiError) as caught:
        read_mirrors(client)
    assert caught.value.code == FORBIDDEN
    assert "imagedigestmirrorsets" in str(caught.value)

    resources = ",".join(f"{kind}.config.openshift.io" for kind in KINDS)
    openshift.kubectl("create", "clusterrole", NAME, "--verb=list", f"--resource={resources}")
    account = f"--serviceaccount={namespace}:robot"
    openshift.kubectl("create", "clusterrolebinding", NAME, f"--clusterrole={NAME}", account)
    user = f"--as=system:serviceaccount:{namespace}:robot"
    deadline = time.monotonic() + SECONDS
    while openshift.kubectl("auth", "can-i", "list", KINDS[-1], user, check=False).stdout.strip() != "yes":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert read_mirrors(client) == (
        Mirror("quay.io/team", ("l.local/team", "m.local/team", "n.local/team"), "digest"),
        Mirror("registry.example.com", ("m.local",), "digest", never_contact_source=True),
        Mirror("quay.io/team", ("t.local/team",), "tag"),
    )
