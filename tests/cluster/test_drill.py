# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill against the policy that the role ``enforce`` installs, on a real API server."""

from __future__ import annotations

import dataclasses
import json
import secrets
import sys
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.accounts import (
    Account,
    kubeconfig,
    request_token,
    write_kubeconfig,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.client import Client, Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.ways import DIGEST, REFERENCES
from ansible_collections.imagescan.openshift.tests.cluster import enforcing
from ansible_collections.imagescan.openshift.tests.cluster.accounts import environment
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster

TEXT = 'policy "drill": fix\'it {{ 7 * 7 }} [red] (https://example.invalid/report)'
KINDS = {"Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"}
KINDS |= {"PodTemplate", "DeploymentConfig"}
Answer = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Place:
    """A namespace with a policy of its own, and the account that drills there, with the rights of the role."""

    cluster: KubernetesCluster
    namespace: str
    home: Path

    @property
    def kubeconfig(self) -> Path:
        """Of the account."""
        return self.home / "drill.kubeconfig"

    def drill(self, *options: str, **arguments: t.Any) -> Answer:
        """Call the module as the account."""
        given = {"kubeconfig": str(self.kubeconfig), "namespace": self.namespace, "policy": f"{self.namespace}-deny"}
        content = json.dumps({**given, **arguments})
        command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-m", "imagescan.openshift.enforcement_info"]
        done = self.cluster.run(*command, "-a", content, *options, check=False, env=environment(self.home))
        assert "[WARNING]" not in done.stderr, done.stderr
        return dict(json.loads(done.stdout[done.stdout.index("=> {") + 3 :]))

    def until_proved(self) -> Answer:
        """Drill until the policy works; a new one takes some seconds."""
        end = time.monotonic() + 20
        while True:
            found = self.drill()
            if found["proved"] or time.monotonic() > end:
                return found
            time.sleep(1)

    def listed(self, **spec: t.Any) -> None:
        """The deny list of the namespace."""
        labels = {"imagescan.github.io/list": "deny", "imagescan.github.io/enforce": self.namespace}
        metadata = {"name": self.namespace, "labels": labels}
        version = "imagescan.github.io/v1alpha1"
        self.cluster.apply({"apiVersion": version, "kind": "DenyList", "metadata": metadata, "spec": spec})

    def flagged(self) -> None:
        """What the role puts on the list for drills."""
        self.listed(digests={DIGEST: TEXT}, references=dict.fromkeys(REFERENCES, TEXT))

    def install(self, **options: t.Any) -> None:
        """The role's policy and binding."""
        policies, bindings = enforcing.documents(self.namespace, [self.namespace], **options)
        self.cluster.apply(*policies)
        self.cluster.apply(*bindings)

    def left(self) -> str:
        """What of a drill is in the namespace."""
        kinds = "pods,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs,replicationcontrollers,podtemplates"
        return self.cluster.kubectl("get", kinds, "--output=name", f"--namespace={self.namespace}").stdout


@pytest.fixture(scope="module")
def place(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Place]:
    """A namespace where the policy works."""
    cluster.install_openshift_kinds()
    name = f"drill-{secrets.token_hex(4)}"
    made = Place(cluster, name, tmp_path_factory.mktemp("drill"))
    cluster.create_namespace(name)
    cluster.apply(*enforcing.kinds())
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/denylists.imagescan.github.io")
    made.flagged()
    account(connect(Connection(kubeconfig=str(cluster.kubeconfig))), made)
    try:
        made.install()
        found = made.until_proved()
        assert found["proved"], "\n".join(found.get("lines", [str(found)]))
        yield made
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            cluster.kubectl("delete", kind, "--ignore-not-found", f"{name}-deny")
        cluster.kubectl("delete", "denylists.imagescan.github.io", name)
        cluster.remove_namespace(name)


def account(client: Client, place: Place) -> None:
    """The account for drills with the rights that the role gives it."""
    rules = yaml.safe_load((enforcing.VARS / "main.yml").read_text(encoding="utf-8"))["enforce__drill_rules"]
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "drill", "namespace": place.namespace}
    metadata = {"name": "drill"}
    place.cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "drill"},
        },
        namespace=place.namespace,
    )
    who = Account(place.namespace, "drill")
    write_kubeconfig(str(place.kubeconfig), kubeconfig(client, who, request_token(client, who, 3600).text))


def test_every_way_is_tried_and_refused_with_the_text_of_the_list(place: Place) -> None:
    found = place.drill()
    assert {row["kind"] for row in found["ways"]} == KINDS
    claimed = [row for row in found["ways"] if row["claimed"]]
    assert len(claimed) > 90
    for row in claimed:
        assert (row["outcome"], row["by"], row["code"], row["good"]) == ("refused", f"{place.namespace}-deny", 403, "")
        assert TEXT in row["message"]
        assert row["image"] in row["message"]
    assert found["proved"]
    assert found["control"]
    assert not found["open"]
    assert not found["unproved"]
    again = place.drill()
    assert not again["changed"]
    assert again["counts"] == found["counts"]
    assert not place.left()
