# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation of the role ``enforce`` that belongs to one test, and what tests do with it."""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._flags.names import NAMESPACES_ANNOTATION
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.namespace_scope import Reach
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.service_accounts import (
    Account,
    kubeconfig,
    request_token,
    write_kubeconfig,
)
from ansible_collections.imagescan.openshift.tests.cluster import enforcing
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Played, play
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster

Json = dict[str, t.Any]
SECURE: Json = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SLEEP = ["python3", "-c", "import signal, sys; signal.signal(15, lambda *_: sys.exit()); signal.pause()"]


@dataclasses.dataclass(frozen=True)
class Enforced:
    """``name``: prefix, only provider, and how the names of its namespaces begin."""

    cluster: KubernetesCluster
    name: str
    home: Path
    space: str = ""

    @property
    def work(self) -> str:
        """The namespace in which flagged images are refused, or ``space``."""
        return self.space or f"{self.name}-work"

    @property
    def strict(self) -> str:
        """The namespace that may require a passed scan."""
        return f"{self.name}-strict"

    @property
    def variables(self) -> Json:
        """What an administrator gives to the role. It counts in our namespaces alone, since others test beside us."""
        return {
            "enforce_kubeconfig": str(self.cluster.kubeconfig),
            "enforce_prefix": self.name,
            "enforce_providers": self.name,
            "enforce_namespaces": [self.work, self.strict, self.name],
            "enforce_scan_namespace": self.name,
            "enforce_passed_shards": "2",
            "enforce_kubeconfig_dir": str(self.home / "kubeconfigs"),
        }

    def play(self, *options: str, **variables: t.Any) -> Played:
        """Run the playbook; it must not warn."""
        played = play(self.cluster, "enforce", {**self.variables, **variables}, self.home, *options)
        assert not played.warnings, played.output
        print(f"enforce {options} {variables}: {played.processor:.1f} s of processor time, {played.changed} changed")
        return played

    def do(self, playbook: str, *options: str, **variables: t.Any) -> int:
        """Run the playbook, which must not fail. How many of its tasks changed something."""
        assert playbook == "enforce"
        played = self.play(*options, **variables)
        assert played.status == 0, played.message or played.output
        return played.changed

    def install(self) -> None:
        """What the role leaves, without its playbook: the kinds, a deny list, the policy and its binding."""
        made = enforcing.kinds()
        self.cluster.apply(*made)
        names = [f"crd/{one['metadata']['name']}" for one in made]
        self.cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
        labels = {"list": "deny", "provider": self.name, "enforce": self.name}
        metadata = {
            "name": f"{self.name}-0",
            "labels": {f"imagescan.github.io/{key}": value for key, value in labels.items()},
            "annotations": {NAMESPACES_ANNOTATION: Reach(only=tuple(self.variables["enforce_namespaces"])).text()},
        }
        version = "imagescan.github.io/v1alpha1"
        self.cluster.apply({"apiVersion": version, "kind": "DenyList", "metadata": metadata, "spec": {}})
        policies, bindings = enforcing.documents(self.name, self.variables["enforce_namespaces"])
        self.cluster.apply(*policies)
        self.cluster.apply(*bindings)

    def remove(self) -> None:
        """Take away what the role made, but for the kinds: by label, since its own removal is a test of its own."""
        ours = f"--selector=imagescan.github.io/enforce={self.name}"
        # In this order: a list that is gone before its binding refuses everything.
        bindings, policies = (f"validatingadmission{kind}" for kind in ("policybindings", "policies"))
        rights = "clusterrolebindings,clusterroles,namespaces"
        lists = [f"{name}.imagescan.github.io" for name in ("denylists", "passedlists")]
        known = self.cluster.kubectl("api-resources", "--api-group=imagescan.github.io", "--output=name").stdout.split()
        for kinds in (bindings, policies, *(kind for kind in lists if kind in known), rights):
            self.cluster.kubectl("delete", kinds, ours, "--ignore-not-found", "--wait=false")

    def user(self, name: str, namespace: str) -> KubernetesClient:
        """Somebody who may do everything in a namespace."""
        metadata = {"name": name}
        group = "rbac.authorization.k8s.io"
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            },
            namespace=namespace,
        )
        path = self.home / f"{namespace}-{name}.kubeconfig"
        account, administrator = Account(namespace, name), admin(self.cluster)
        token = request_token(administrator, account, 3600).text
        write_kubeconfig(str(path), kubeconfig(administrator, account, token))
        return connect(Connection(kubeconfig=str(path)))


def admin(cluster: KubernetesCluster) -> KubernetesClient:
    """The cluster as its administrator."""
    return connect(Connection(kubeconfig=str(cluster.kubeconfig)))


def pod_spec(image: str, **more: t.Any) -> Json:
    """The spec of a pod that waits, under Pod Security ``restricted``."""
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{"name": "main", "image": image, "command": SLEEP, "securityContext": SECURE}],
        **more,
    }


def pod(name: str, image: str, **metadata: t.Any) -> Json:
    """A pod that waits."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": pod_spec(image)}


def deployment(name: str, image: str, replicas: int = 1) -> Json:
    """A Deployment of pods that wait."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(image)}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def until(holds: t.Callable[[], t.Any], seconds: float = 60.0) -> float:
    """Wait until something holds. How long that took."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - start


def pods_of(cluster: KubernetesCluster, namespace: str, app: str) -> list[Json]:
    """Pods of a Deployment that are not going away."""
    found = cluster.get("pods", f"--namespace={namespace}", f"--selector=app={app}")["items"]
    return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def running(cluster: KubernetesCluster, namespace: str, app: str) -> list[str]:
    """Names of the pods of a Deployment that run."""
    found = pods_of(cluster, namespace, app)
    return [one["metadata"]["name"] for one in found if one["status"].get("phase") == "Running"]


def evict(cluster: KubernetesCluster, namespace: str, name: str) -> None:
    """Evict a pod, as a drain of its node does."""
    path = f"/api/v1/namespaces/{namespace}/pods/{urllib.parse.quote(name)}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    cluster.kubectl("create", "--raw", path, "--filename=-", input=json.dumps(body))


def failures(cluster: KubernetesCluster, namespace: str, name: str) -> str:
    """What a Deployment's condition ReplicaFailure says."""
    found = cluster.get("deployment", name, f"--namespace={namespace}")["status"].get("conditions", ())
    return "".join(one["message"] for one in found if (one["type"], one["status"]) == ("ReplicaFailure", "True"))
