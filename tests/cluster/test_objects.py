# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that apply, delete and list objects of any kind, on a real API server."""

from __future__ import annotations

import json
import secrets
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.plugins.callback import CallbackBase
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.modules import run_module
from ansible_collections.imagescan.openshift.tests.support.programs import ansible_environment

Json = dict[str, t.Any]
NAME = "kubernetes.io/metadata.name"


class Modules:
    """Calls modules as administrator, and looks at a namespace that is not there at first."""

    def __init__(self, cluster: KubernetesCluster, home: Path) -> None:
        self.cluster = cluster
        self.home = home
        self.output = ""  # the diff of the last call
        self.namespace = f"objects-{secrets.token_hex(4)}"

    def call(self, module: str, *options: str, **arguments: t.Any) -> Json:
        """Call one module; its result, also where it failed."""
        ours = {"_ansible_check_mode": "--check" in options, "_ansible_diff": "--diff" in options}
        result = run_module(module, {"kubeconfig": str(self.cluster.kubeconfig), **arguments, **ours}, self.home)
        # As every callback of Ansible prints it.
        self.output = str(CallbackBase()._get_diff(result.pop("diff", [])))
        return result

    def apply_by_ansible(self, *definitions: Json) -> str:
        """Apply objects by Ansible with a diff; all that it prints."""
        content = json.dumps({"kubeconfig": str(self.cluster.kubeconfig), "definitions": definitions})
        command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-m", "imagescan.openshift.cluster_objects"]
        done = self.cluster.run(*command, "-a", content, "--diff", env=ansible_environment(self.home))
        return str(done.stdout)

    def apply(self, *definitions: Json, options: t.Sequence[str] = (), **arguments: t.Any) -> Json:
        """Apply objects."""
        return self.call("cluster_objects", *options, definitions=definitions, **arguments)

    def methods(self, *definitions: Json, options: t.Sequence[str] = (), **arguments: t.Any) -> list[str]:
        """What was done with each of them."""
        return [each["method"] for each in self.apply(*definitions, options=options, **arguments)["objects"]]

    def space(self, **labels: str) -> Json:
        """The namespace."""
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}

    def role(self, *verbs: str) -> Json:
        """A role with one rule for each verb."""
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]} for verb in verbs]
        metadata = {"name": "reader", "namespace": self.namespace}
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules}


@pytest.fixture
def modules(cluster: KubernetesCluster, tmp_path: Path) -> t.Iterator[Modules]:
    """The modules, and a namespace of their own."""
    made = Modules(cluster, tmp_path)
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--ignore-not-found", "--wait=false")


def test_objects_are_made_changed_left_alone_and_deleted(modules: Modules) -> None:
    wanted = (modules.space(team="shop"), modules.role("get", "list"))
    planned = modules.apply(*wanted, options=["--check", "--diff"])
    assert [each["method"] for each in planned["objects"]] == ["create", "create"]
    assert planned["changed"]
    assert modules.cluster.kubectl("get", "namespace", modules.namespace, check=False).returncode != 0

    made = modules.apply(*wanted)
    assert [(each["kind"], each["namespace"], each["method"]) for each in made["objects"]] == [
        ("Namespace", "", "create"),
        ("Role", modules.namespace, "create"),
    ]
    assert all(each["created"].endswith("Z") for each in made["objects"])
    again = modules.apply(*wanted, options=["--diff"])
    assert not again["changed"]
    assert "--- before" not in modules.output

    # What another hand added to a list goes; what it added beside ours stays.
    place = f"--namespace={modules.namespace}"
    extra = [{"op": "add", "path": "/rules/-", "value": {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}}]
    modules.cluster.kubectl(place, "patch", "role", "reader", "--type=json", f"--patch={json.dumps(extra)}")
    modules.cluster.kubectl("label", "namespace", modules.namespace, "--overwrite", "team=other", "owner=somebody")
    modules.apply(*wanted, options=["--check", "--diff"])
    for header in (f"Namespace {modules.namespace}", f"Role reader in {modules.namespace}"):
        assert f"--- before: {header}\n+++ after: {header}\n" in modules.output
    assert '-            "resources": [\n-                "*"\n' in modules.output
    assert modules.methods(*wanted) == ["patch", "patch"]
    labels = modules.cluster.get("namespace", modules.namespace)["metadata"]["labels"]
    assert (labels["team"], labels["owner"]) == ("shop", "somebody")
    assert modules.cluster.get("role", place, "reader")["rules"] == modules.role("get", "list")["rules"]
    assert modules.methods(modules.space(team="shop"), modules.role("get")) == ["", "patch"]
    assert len(modules.cluster.get("role", place, "reader")["rules"]) == 1

    gone = (modules.role(), modules.space())
    assert modules.methods(*gone, options=["--check"], state="absent") == ["delete", "delete"]
    assert modules.methods(*gone, state="absent", wait=True) == ["delete", "delete"]
    assert modules.cluster.kubectl("get", "namespace", modules.namespace, check=False).returncode != 0
    assert modules.methods(*gone, state="absent", wait=True) == ["", ""]


def test_items_that_the_server_would_merge_are_replaced(modules: Modules) -> None:
    """Ports of a Service are merged by number: those of others, and of versions that did not apply, must go."""
    modules.apply(modules.space())

    def service(*ports: int) -> Json:
        metadata = {"name": "web", "namespace": modules.namespace}
        spec = {"ports": [{"name": f"p{port}", "port": port} for port in ports], "selector": {"app": "web"}}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}

    place = f"--namespace={modules.namespace}"
    modules.cluster.kubectl(
        place, "create", "--filename=-", input=json.dumps(service(80, 81))
    )  # an older version of ours
    for expected in ("patch", ""):
        assert modules.methods(service(80), options=["--check"]) == [expected]
        assert modules.methods(service(80)) == [expected]
        assert [port["port"] for port in modules.cluster.get("service", place, "web")["spec"]["ports"]] == [80]


def test_refusals_are_errors_or_data(modules: Modules) -> None:
    modules.apply(modules.space(**{"pod-security.kubernetes.io/enforce": "restricted"}))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": modules.namespace},
        "spec": {"containers": [{"name": "main", "image": "example/app", "securityContext": {"privileged": True}}]},
    }
    refused = modules.apply(modules.role("get"), pod, modules.role("list"))
    assert refused["code"] == "cluster-forbidden"
    assert 'violates PodSecurity "restricted:latest"' in refused["msg"]
    assert [each["method"] for each in refused["objects"]] == ["create"]  # what was done before is told
    told = modules.apply(pod, modules.role("get"), options=["--check"], continue_on_error=True)["objects"]
    assert 'violates PodSecurity "restricted:latest"' in told[0]["error"]
    assert (told[1]["error"], told[1]["method"]) == ("", "")

    unknown = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}}
    assert "the server does not serve the kind Widget of example.com/v1" in modules.apply(unknown)["msg"]
    assert modules.methods(unknown, state="absent") == [""]
    assert "a definition lacks apiVersion, kind or metadata.name" in modules.apply({"kind": "Pod"})["msg"]
    nowhere = {**pod, "metadata": {"name": "root"}}
    assert "Pod root has no namespace (give metadata.namespace)" in modules.apply(nowhere)["msg"]
    assert "settle is -1; expected seconds" in modules.apply(modules.space(), settle=-1)["msg"]


def test_secrets_are_not_shown(modules: Modules) -> None:
    modules.apply(modules.space())
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": modules.namespace},
        "data": {"key": "Y2FuYXJ5LXZhbHVl"},
    }
    printed = modules.apply_by_ansible(secret).partition("=> {")[0]
    assert '"data": "(not shown)"' in printed
    assert "Y2FuYXJ5" not in printed


def test_kinds_are_listed_in_one_call(modules: Modules) -> None:
    modules.apply(modules.space(team="shop"), modules.role("get"))
    role = {"api_version": "rbac.authorization.k8s.io/v1", "kind": "Role", "namespace": modules.namespace}
    listed = modules.call(
        "cluster_objects_info",
        kinds=[
            {
                "api_version": "v1",
                "kind": "Namespace",
                "label_selectors": [f"kubernetes.io/metadata.name={modules.namespace}"],
            },
            {**role, "metadata_only": False},
            {**role, "name": "nothing"},
            {"api_version": "example.com/v1", "kind": "Widget"},
            {"api_version": "v1", "kind": "Namespace"},
        ],
    )["kinds"]
    assert [(each["kind"], each["served"]) for each in listed[:4]] == [
        ("Namespace", True),
        ("Role", True),
        ("Role", True),
        ("Widget", False),
    ]
    assert listed[0]["objects"][0]["metadata"]["labels"]["team"] == "shop"
    assert "spec" not in listed[0]["objects"][0]
    assert listed[1]["objects"][0]["rules"] == modules.role("get")["rules"]
    assert "managedFields" not in listed[1]["objects"][0]["metadata"]
    assert listed[2]["objects"] == listed[3]["objects"] == []
    assert modules.namespace in {each["metadata"]["name"] for each in listed[4]["objects"]}
