# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster that these tests run on: our own (started once), one that ``make cluster-up`` started, or the user's.

IMAGESCAN_TEST_KUBECONFIG and IMAGESCAN_TEST_REGISTRY (a registry that the nodes may pull from) name a user's cluster.
IMAGESCAN_TEST_CLUSTER names one of ours that runs (default: that of ``make cluster-up``). With IMAGESCAN_TEST_HEAP (see
``heap``) it is always our own.
"""

from __future__ import annotations

import json
import os
import secrets
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.cluster import heap
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts, accounts_in
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.cluster.harness.binaries import CACHE, locked
from ansible_collections.imagescan.openshift.tests.cluster.harness.cluster import (
    Cluster,
    folder_of,
    missing_requirements,
)
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

PREFIX = "pytest-"
pytest_collection_modifyitems = heap.pytest_collection_modifyitems
pytest_collection_finish = heap.pytest_collection_finish
pytest_runtest_protocol = heap.pytest_runtest_protocol


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> t.Iterator[KubernetesCluster]:
    """A cluster; from here on this process lives in the network namespace of ours, with no way out."""
    kubeconfig = os.environ.get("IMAGESCAN_TEST_KUBECONFIG")
    if kubeconfig:
        registry = os.environ.get("IMAGESCAN_TEST_REGISTRY")
        if not registry:
            missing("IMAGESCAN_TEST_REGISTRY: a registry that the tests may push to and the nodes may pull from")
        named = KubernetesCluster.named(Path(kubeconfig), str(registry))
        named.push_scanner()
        yield named
        return
    name = os.environ.get("IMAGESCAN_TEST_CLUSTER")
    running = None if os.environ.get(heap.HEAP) else Cluster.running(folder_of(name or "hand"))
    if running is not None:
        running.heal()
        running.push_scanner()
        running.enter()
        yield running
        return
    if name:
        pytest.fail(f"the cluster {name} of IMAGESCAN_TEST_CLUSTER does not run")
    lacking = missing_requirements()
    if lacking:
        missing(f"for the test cluster: {', '.join(lacking)}")
    with locked(CACHE / "sweep.lock"):
        Cluster.sweep(_abandoned())
    own = f"{PREFIX}{os.getpid()}"
    started = Cluster(own, folder_of(own))
    try:
        heap.start(started, request.session)
        started.push_scanner()
        started.enter()
        yield started
    finally:
        started.stop()


@pytest.fixture
def breakable_cluster(cluster: KubernetesCluster) -> t.Iterator[Cluster]:
    """The cluster with its handles to break it; healed afterwards. A user's cluster has none."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: this test stops and kills its processes")
    yield cluster
    cluster.heal()


@pytest.fixture(scope="module")
def rotating(cluster: KubernetesCluster) -> t.Iterator[Cluster]:
    """A cluster of our own, with a kubelet that rotates logs at 1 MiB and looks every 3 s."""
    if not isinstance(cluster, Cluster):
        missing("a cluster of our own: these tests change and kill its kubelet")
    path = cluster.folder / "kubelet.json"
    plain = path.read_text(encoding="utf-8")
    limits = {"containerLogMaxSize": "1Mi", "containerLogMaxFiles": 2, "containerLogMonitorInterval": "3s"}
    path.write_text(json.dumps({**json.loads(plain), **limits}), encoding="utf-8")
    cluster.restart("kubelet")
    yield cluster
    path.write_text(plain, encoding="utf-8")
    cluster.heal()
    cluster.restart("kubelet")


@pytest.fixture(scope="session")
def scanner_image(cluster: KubernetesCluster) -> str:
    """The scanner image by digest."""
    return cluster.scanner_reference


@pytest.fixture
def namespace(cluster: KubernetesCluster) -> t.Iterator[str]:
    """A fresh namespace with Pod Security ``restricted``."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.create_namespace(name)
    yield name
    cluster.remove_namespace(name)


@pytest.fixture
def accounts(cluster: KubernetesCluster, namespace: str, tmp_path: Path) -> t.Iterator[Accounts]:
    """Kubeconfigs of the accounts for discover, scan and flag, as ``setup`` makes them in ``namespace``."""
    with accounts_in(cluster, namespace, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def shared_accounts(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Accounts]:
    """The same in one namespace for the whole session, for tests that need none of their own."""
    name = f"shared-{secrets.token_hex(4)}"
    with accounts_in(cluster, name, tmp_path_factory.mktemp("shared"), by_role=False) as made:
        yield made
    cluster.remove_namespace(name)


def _abandoned() -> list[Path]:
    """Folders of clusters whose pytest is gone."""
    found = folder_of(PREFIX).parent.glob(f"cluster-{PREFIX}*")
    return [path for path in found if not Path("/proc", path.name.split("-")[2]).exists()]
