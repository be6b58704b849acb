# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways around the policy that an attacker would try who may edit everything in a namespace, with real requests."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import json
import re
import secrets
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import drill_cases
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.drill import Drill, drill
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.tests.cluster import enforcing
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster

BAD = f"drill.imagescan.github.io/app@{drill_cases.DIGEST}"
GOOD = f"drill.imagescan.github.io/app@{drill_cases.GOOD_DIGEST}"
DENIED = "denied request: image "
VERSION = "imagescan.github.io/v1alpha1"
Json = dict[str, t.Any]


class Tenant:
    """Somebody who may do everything in a namespace that the policy covers."""

    def __init__(self, cluster: KubernetesCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def try_out(self, *arguments: str, body: t.Any = None) -> str:
        """Run kubectl as the tenant; all that it said."""
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        who = f"--as=system:serviceaccount:{self.namespace}:default"
        done = self.cluster.kubectl(who, f"--namespace={self.namespace}", *arguments, input=text, check=False)
        return f"{done.stdout}{done.stderr}"

    def post(self, kind: drill_cases.DrillKind, body: t.Any) -> str:
        """Create an object; all that the server said. From a text as it stands."""
        if isinstance(body, str):
            return self.try_out("create", "--raw", kind.path(self.namespace), "--filename=-", body=body)
        answer = self.client.attempt("POST", kind.path(self.namespace), body).value
        return json.dumps(answer, separators=(",", ":"), ensure_ascii=False)

    def patch(self, name: str, change: t.Any, *options: str) -> str:
        """Change an object."""
        return self.try_out("patch", name, f"--patch={json.dumps(change)}", *options)

    @functools.cached_property
    def client(self) -> KubernetesClient:
        """The API server as the tenant sees it: kubectl takes a hundred times as long for a request."""
        user = f"system:serviceaccount:{self.namespace}:default"
        return connect(Connection(kubeconfig=str(self.cluster.kubeconfig), impersonate_user=user))

    def delete(self, *names: str) -> None:
        """Remove objects at once."""
        self.try_out("delete", *names, "--ignore-not-found", "--force", "--grace-period=0")


def made(kind: drill_cases.DrillKind, image: str, place: str = "container", name: str = "") -> Json:
    """An object as drills send it."""
    one = next(
        way for way in drill_cases.ways(drill_cases.Images()) if way.kind is kind and way.name == f"{place}, by digest"
    )
    body = one.body(image)
    assert isinstance(body, dict)
    body = copy.deepcopy(body)
    if name:
        body["metadata"] = {"name": name}
    return body


def grant(cluster: KubernetesCluster, namespace: str) -> Tenant:
    """A namespace and who may do everything in it."""
    cluster.create_namespace(namespace)
    cluster.apply(*enforcing.kinds())
    names = ("denylists", "passedlists")
    known = [f"crd/{name}.imagescan.github.io" for name in names]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *known)
    account = f"--serviceaccount={namespace}:default"
    role = "--clusterrole=cluster-admin"
    cluster.kubectl("create", "rolebinding", "tenant", role, account, f"--namespace={namespace}")
    return Tenant(cluster, namespace)


def until(true: t.Callable[[], bool]) -> None:
    """Wait for a policy that was just made."""
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.5)


@pytest.fixture(scope="module")
def tenant(cluster: KubernetesCluster) -> t.Iterator[Tenant]:
    """A tenant where the policy works."""
    name = f"around-{secrets.token_hex(4)}"
    one = grant(cluster, name)
    labels = {"imagescan.github.io/list": "deny", "imagescan.github.io/enforce": name}
    spec = {
        "digests": {drill_cases.DIGEST: "policy p"},
        "references": dict.fromkeys(drill_cases.REFERENCES, "policy p"),
    }
    cluster.apply(
        {"apiVersion": VERSION, "kind": "DenyList", "metadata": {"name": name, "labels": labels}, "spec": spec}
    )
    policies, bindings = enforcing.documents(name, [name])
    try:
        cluster.apply(*policies)
        cluster.apply(*bindings)
        until(lambda: DENIED in one.post(drill_cases.POD, made(drill_cases.POD, BAD)))
        yield one
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            cluster.kubectl("delete", kind, "--ignore-not-found", f"{name}-deny")
        cluster.kubectl("delete", "denylists.imagescan.github.io", name)
        cluster.remove_namespace(name)


@pytest.fixture
def deployment(tenant: Tenant) -> t.Iterator[str]:
    """A Deployment of no pods with the good image."""
    said = tenant.post(drill_cases.DEPLOYMENT, made(drill_cases.DEPLOYMENT, GOOD, name="victim"))
    assert "victim" in said
    yield "deployment/victim"
    tenant.delete("deployment/victim")


@pytest.fixture
def pod(tenant: Tenant) -> t.Iterator[str]:
    """A pod with the good image that is never scheduled."""
    body = drill_cases.target(drill_cases.POD, drill_cases.GOOD_DIGEST)
    body["metadata"] = {"name": "victim"}
    assert "victim" in tenant.post(drill_cases.POD, body)
    yield "pod/victim"
    tenant.delete("pod/victim")


def test_the_tenant_may_do_it_with_a_good_image(tenant: Tenant) -> None:
    assert '"kind":"Pod"' in tenant.post(drill_cases.POD, made(drill_cases.POD, GOOD))
    tenant.delete("pods", "--all")


def test_every_kind_of_the_server_that_holds_a_pod_is_known(cluster: KubernetesCluster) -> None:
    """By the server's own schemas, so that a new Kubernetes with a new kind fails here."""
    client = connect(Connection(kubeconfig=str(cluster.kubeconfig)))
    index = client.get("/openapi/v3")["paths"]
    holders: set[str] = set()
    for place, where in index.items():
        if not place.startswith(("api/", "apis/")) or place.count("/") < 1:
            continue
        described = client.get(where["serverRelativeURL"])
        schemas = (described.get("components") or {}).get("schemas") or {}
        links = {
            name: re.findall(r"#/components/schemas/([^\"]+)", json.dumps(schema)) for name, schema in schemas.items()
        }
        for name, schema in schemas.items():
            kinds = [one["kind"] for one in schema.get("x-kubernetes-group-version-kind") or ()]
            if len(kinds) == 1 and "metadata" in schema.get("properties", {}) and not kinds[0].endswith("List"):
                holders |= set(kinds) if reaches(name, "io.k8s.api.core.v1.PodSpec", links) else set()
    assert holders == {kind.name for kind in drill_cases.KINDS if not kind.openshift}
    policies, _bindings = enforcing.documents("x", ["x"])
    rules = policies[0]["spec"]["matchConstraints"]["resourceRules"]
    covered = {name for rule in rules for name in rule["resources"]}
    parts = {"pods/ephemeralcontainers", "builds/clone", "buildconfigs/instantiate"}
    assert {kind.resource for kind in drill_cases.KINDS} | parts == covered


def reaches(name: str, wanted: str, links: t.Mapping[str, t.Sequence[str]]) -> bool:
    """Whether a schema leads to another one. ``links``: schema -> the schemas that it names."""
    seen, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one == wanted:
            return True
        if one not in seen:
            seen.add(one)
            waiting += links.get(one, ())
    return False


# Other ways to write a request.


def test_json_that_says_it_twice(tenant: Tenant) -> None:
    text = json.dumps(made(drill_cases.POD, GOOD))
    one = f'"image": "{GOOD}"'
    assert text.count(one) == 1
    assert DENIED in tenant.post(drill_cases.POD, text.replace(one, f'{one}, "image": "{BAD}"'))
    # Names of fields are not bent to fit: this one is unknown, and the good image stays.
    said = tenant.post(drill_cases.POD, text.replace(one, f'{one}, "Image": "{BAD}"'))
    assert DENIED in said or BAD not in said
    tenant.delete("pods", "--all")


def test_yaml_and_escapes(tenant: Tenant) -> None:
    escaped = json.dumps(made(drill_cases.POD, BAD)).replace(
        drill_cases.DIGEST, drill_cases.DIGEST.replace("s", "\\u0073").replace("4", "\\u0034")
    )
    assert DENIED in tenant.post(drill_cases.POD, escaped)


@pytest.mark.parametrize("kind", ["apply", "strategic", "merge", "json", "replace"])
def test_every_kind_of_patch(tenant: Tenant, deployment: str, kind: str) -> None:
    container = made(drill_cases.DEPLOYMENT, BAD)["spec"]["template"]["spec"]["containers"][0]
    if kind == "apply":
        wanted = made(drill_cases.DEPLOYMENT, BAD, name="victim")
        said = tenant.try_out("apply", "--server-side", "--force-conflicts", "--filename=-", body=wanted)
    elif kind == "replace":
        said = tenant.try_out("replace", "--filename=-", body=made(drill_cases.DEPLOYMENT, BAD, name="victim"))
    elif kind == "json":
        change = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": BAD}]
        said = tenant.patch(deployment, change, "--type=json")
    else:
        said = tenant.patch(deployment, {"spec": {"template": {"spec": {"containers": [container]}}}}, f"--type={kind}")
    assert DENIED in said
    assert BAD not in tenant.try_out("get", deployment, "--output=json")


def test_creation_by_server_side_apply(tenant: Tenant) -> None:
    wanted = made(drill_cases.POD, BAD, name="applied")
    assert DENIED in tenant.try_out("apply", "--server-side", "--filename=-", body=wanted)


def test_a_container_that_is_slipped_in_beside_the_old_ones(tenant: Tenant, deployment: str) -> None:
    more = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "more", "image": BAD}}]
    assert DENIED in tenant.patch(deployment, more, "--type=json")
    first = [{"op": "add", "path": "/spec/template/spec/initContainers", "value": [{"name": "main2", "image": BAD}]}]
    assert DENIED in tenant.patch(deployment, first, "--type=json")


# Parts of objects.


@pytest.mark.parametrize("part", ["status", "resize"])
def test_parts_of_a_pod_take_no_image(tenant: Tenant, pod: str, part: str) -> None:
    change = [{"op": "replace", "path": "/spec/containers/0/image", "value": BAD}]
    tenant.patch(pod, change, "--type=json", f"--subresource={part}")
    assert BAD not in tenant.try_out("get", pod, "--output=json")


def test_an_ephemeral_container_beside_a_good_one(tenant: Tenant, pod: str) -> None:
    secure = made(drill_cases.POD, GOOD)["spec"]["containers"][0]["securityContext"]
    named = [{"name": name, "image": image, "securityContext": secure} for name, image in (("a", GOOD), ("b", BAD))]
    path = f"/api/v1/namespaces/{tenant.namespace}/pods/victim/ephemeralcontainers"
    found = json.loads(tenant.try_out("get", pod, "--output=json"))
    found["spec"]["ephemeralContainers"] = named
    assert DENIED in tenant.try_out("replace", "--raw", path, "--filename=-", body=found)
    found["spec"]["ephemeralContainers"] = named[:1]
    assert '"ephemeralContainers"' in tenant.try_out("replace", "--raw", path, "--filename=-", body=found)


def test_a_debugging_copy(tenant: Tenant, pod: str) -> None:
    said = tenant.try_out("debug", "victim", "--copy-to=copy", f"--set-image=main={BAD}", "--profile=restricted")
    assert DENIED in said


def test_a_revision_to_roll_back_to(tenant: Tenant, cluster: KubernetesCluster) -> None:
    """A forged revision of a StatefulSet: whatever is made of it, its pod has to be created."""
    name = "revised"
    good = made(drill_cases.STATEFUL_SET, GOOD, name=name)
    good["spec"]["replicas"] = 1
    uid = json.loads(tenant.post(drill_cases.STATEFUL_SET, good))["metadata"]["uid"]
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": uid, "controller": True}
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name}-forged",
            "labels": good["spec"]["selector"]["matchLabels"],
            "ownerReferences": [owner],
        },
        "revision": 1000,
        "data": {"spec": {"template": made(drill_cases.STATEFUL_SET, BAD)["spec"]["template"]}},
    }
    assert "created" in tenant.try_out("create", "--filename=-", body=revision)
    assert DENIED in tenant.try_out("rollout", "undo", f"statefulset/{name}", "--to-revision=1000")
    assert BAD not in tenant.try_out("get", "pods,statefulsets", "--output=json")
    tenant.delete(f"statefulset/{name}", f"controllerrevision/{name}-forged", "pods", "--all")


def test_the_name_of_a_namespace_cannot_be_lied_about(tenant: Tenant, cluster: KubernetesCluster) -> None:
    """Exemptions go by this label, which the server itself keeps. As administrator, since a tenant may not even try."""
    change = json.dumps({"metadata": {"labels": {"kubernetes.io/metadata.name": "kube-system"}}})
    cluster.kubectl("patch", "namespace", tenant.namespace, f"--patch={change}", check=False)
    labels = cluster.get("namespace", tenant.namespace)["metadata"]["labels"]
    assert labels["kubernetes.io/metadata.name"] == tenant.namespace
    assert DENIED in tenant.post(drill_cases.POD, made(drill_cases.POD, BAD))


def test_marks_that_make_other_policies_look_away(tenant: Tenant) -> None:
    body = made(drill_cases.POD, BAD)
    body["metadata"]["annotations"] = {
        "alpha.image.policy.openshift.io/ignore-rules": "*",
        "images.openshift.io/deny-execution": "false",
        "kubernetes.io/config.mirror": "x",
    }
    body["spec"]["nodeName"] = "node1"  # as a mirror of a static pod has, and past the scheduler
    body["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "imagescan.openshift", "k8s-app": "kube-proxy"}
    assert DENIED in tenant.post(drill_cases.POD, body)


# Other ways to write an image.


@pytest.mark.parametrize(
    "image",
    [
        f"a@{drill_cases.DIGEST}",
        f"localhost/a:1@{drill_cases.DIGEST}",
        f"[::1]:5000/a@{drill_cases.DIGEST}",
        f"10.0.0.1:80/a/b/c:tag@{drill_cases.DIGEST}",
        f"EXAMPLE.org/a@{drill_cases.DIGEST}",
        f"a@{drill_cases.GOOD_DIGEST}@{drill_cases.DIGEST}",
        "drill.imagescan.github.io/flagged",
        "Drill.ImageScan.GitHub.io/flagged:latest",
        "imagescan-drill-flagged",
        "Index.Docker.IO/imagescan-drill-flagged:latest",
        "index.docker.io/library/imagescan-drill-flagged",
    ],
)
def test_images_that_are_the_flagged_one(tenant: Tenant, image: str) -> None:
    assert DENIED in tenant.post(drill_cases.POD, made(drill_cases.POD, image))
    assert DENIED in tenant.post(drill_cases.POD, made(drill_cases.POD, image, "image volume"))


@pytest.fixture(scope="module")
def pushed(cluster: KubernetesCluster, tenant: Tenant) -> t.Iterator[Json]:
    """A real image that is flagged by its digest and its reference; ``manifest`` are its bytes."""
    reference = cluster.scanner_reference
    name, _at, digest = reference.partition("@")
    spec = {"digests": {digest: "policy p"}, "references": {f"{name}:test": "policy p"}}
    patch = f"--patch={json.dumps({'spec': spec})}"
    cluster.kubectl("patch", "denylists.imagescan.github.io", tenant.namespace, "--type=merge", patch)
    raw = cluster.run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}").stdout
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == digest
    sha512 = hashlib.sha512(raw.encode()).hexdigest()
    yield {"name": name, "digest": digest, "sha512": sha512}
    gone = {"digests": {digest: None}, "references": {f"{name}:test": None}}
    patch = f"--patch={json.dumps({'spec': gone})}"
    cluster.kubectl("patch", "denylists.imagescan.github.io", tenant.namespace, "--type=merge", patch)


def copy_of(tenant: Tenant, pushed: Json) -> str:
    """The same content under a name that is not flagged."""
    copied = f"{pushed['name'].partition('/')[0]}/around/copy:1"
    options = ("--quiet", "--src-tls-verify=false", "--dest-tls-verify=false")
    source = f"docker://{pushed['name']}@{pushed['digest']}"
    tenant.cluster.run("skopeo", "--insecure-policy", "copy", *options, source, f"docker://{copied}")
    return copied


def run_it(tenant: Tenant, image: str) -> str:
    """Let a pod run with an image: why it does not, or ``runs``."""
    name = f"probe-{secrets.token_hex(3)}"
    body = made(drill_cases.POD, image, name=name)
    container = body["spec"]["containers"][0]
    container["command"] = ["/bin/true"]
    body["spec"] |= {
        "restartPolicy": "Never",
        "securityContext": {**body["spec"]["securityContext"], "runAsUser": 65534},
    }
    said = tenant.post(drill_cases.POD, body)
    if DENIED in said:
        return "denied"
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end:
            status = tenant.client.get(f"{drill_cases.POD.path(tenant.namespace)}/{name}")["status"]
            for one in status.get("containerStatuses") or ():
                waiting = (one["state"].get("waiting") or {}).get("reason", "")
                if waiting in ("InvalidImageName", "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"):
                    return str(waiting)
                if one.get("imageID"):
                    return "runs"
            time.sleep(0.3)
        return "pending"
    finally:
        tenant.client.delete(f"{drill_cases.POD.path(tenant.namespace)}/{name}", {"gracePeriodSeconds": 0})


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("{name}@{digest}", {"denied"}),
        ("{name}:test", {"denied"}),
        ("{name}:test@{digest}", {"denied"}),
        # The server takes these, and no node can read them.
        ("{name}@{upper}", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{name}@SHA256:{hex}", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{name}@{digest}@{digest}", {"denied"}),
        ("http://{name}@{digest}", {"denied"}),
        ("{name}@sha256:{hex}0", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{name}@{digest}@sha256:{good}", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{name}:test@", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{dotted}/imagescan/scanner:test", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{name}:test?x=y", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{host}//imagescan/scanner:test", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{host}/./imagescan/scanner:test", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{host}/imagescan%2Fscanner:test", {"InvalidImageName", "ErrImagePull", "ImagePullBackOff"}),
        ("{host}/Imagescan/scanner:test", {"denied", "InvalidImageName"}),
        # The registry of these tests knows manifests by sha256 alone, as most do.
        ("{name}@sha512:{sha512}", {"ErrImagePull", "ImagePullBackOff"}),
    ],
)
def test_no_spelling_of_a_real_flagged_image_runs(tenant: Tenant, pushed: Json, form: str, expected: set[str]) -> None:
    host, _slash, _rest = pushed["name"].partition("/")
    hexadecimal = pushed["digest"].partition(":")[2]
    image = form.format(
        **pushed,
        hex=hexadecimal,
        good=drill_cases.GOOD_DIGEST.partition(":")[2],
        upper=f"sha256:{hexadecimal.upper()}",
        host=host,
        dotted=host.replace(":", ".:"),
    )
    assert run_it(tenant, image) in expected


@pytest.mark.parametrize("length", [71, 30, 10])
@pytest.mark.parametrize("place", ["container", "init container", "image volume"])
def test_no_image_is_let_in_by_the_id_that_a_node_keeps_it_under(tenant: Tenant, place: str, length: int) -> None:
    """Kubelets before 1.35 start what they have by the digest of its configuration, or the beginning of it, without
    asking whether it may be pulled (tried with the feature KubeletEnsureSecretPulledImages off)."""
    said = tenant.post(drill_cases.POD, made(drill_cases.POD, f"sha256:{'13fa1677' * 8}"[:length], place))
    assert "is refused: it is named by the ID under which a node keeps it" in said
    assert "denied" not in tenant.post(drill_cases.POD, made(drill_cases.POD, "sha256", place))
    tenant.delete("pods", "--all")


def test_another_name_of_the_same_content_runs(tenant: Tenant, pushed: Json) -> None:
    """What admission cannot know, and why namespaces may require a passed scan. And pods do run here."""
    copied = copy_of(tenant, pushed)
    assert run_it(tenant, copied) == "runs"
    assert run_it(tenant, f"{copied}@{pushed['digest']}") == "denied"


# Where a passed scan is required.


@pytest.fixture(scope="module")
def strict(cluster: KubernetesCluster) -> t.Iterator[Tenant]:
    """A tenant whose namespace requires a passed scan. GOOD passed; BAD did, and that ended."""
    name = f"strict-{secrets.token_hex(4)}"
    one = grant(cluster, name)
    digests = {drill_cases.GOOD_DIGEST: "", drill_cases.DIGEST: "2026-01-01T00:00:00Z"}
    spec = {"prefixes": list("0123456789abcdef"), "digests": digests}
    labels = {"imagescan.github.io/list": "passed", "imagescan.github.io/enforce": name}
    metadata = {"name": f"{name}-passed-0", "labels": labels}
    cluster.apply({"apiVersion": VERSION, "kind": "PassedList", "metadata": metadata, "spec": spec})
    lists = {f"{name}-passed-0": "0123456789abcdef"}
    policies, bindings = enforcing.documents(name, ["nowhere"], passed=lists, passed_namespaces=[name])
    ours = [one for one in (*policies, *bindings) if one["metadata"]["name"] != f"{name}-deny"]
    try:
        cluster.apply(*ours)
        until(lambda: ENDED in one.post(drill_cases.POD, made(drill_cases.POD, BAD)))
        assert '"kind":"Pod"' in one.post(drill_cases.POD, made(drill_cases.POD, GOOD))
        yield one
    finally:
        for document in reversed(ours):
            cluster.kubectl("delete", document["kind"].lower(), document["metadata"]["name"], "--ignore-not-found")
        cluster.kubectl("delete", "passedlists.imagescan.github.io", f"{name}-passed-0")
        cluster.remove_namespace(name)


ENDED = "requires a passed scan, and that of this digest ended at "
OLD = "2020-01-01T00:00:00Z"
FORGED_FIELDS: dict[str, list[Json]] = {
    "none": [],
    "reset": [{}],
    "without a time": [
        {"manager": "m", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
    ],
    "old": [
        {
            "manager": "kubectl-replace",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "time": OLD,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"main"}': {"f:image": {}}}}}}
            },
        }
    ],
}


def test_a_forged_time_of_creation_does_not_revive_a_pass(strict: Tenant) -> None:
    for kind in (drill_cases.POD, drill_cases.DEPLOYMENT):
        body = made(kind, BAD)
        body["metadata"]["creationTimestamp"] = OLD
        assert ENDED in strict.post(kind, body)
    applied = made(drill_cases.POD, BAD, name="applied")
    applied["metadata"]["creationTimestamp"] = OLD
    assert ENDED in strict.try_out("apply", "--server-side", "--filename=-", body=applied)


def replaced(tenant: Tenant, fields: list[t.Any], image: str) -> str:
    """What is said to a forged deployment that takes the place of the one there is."""
    for _try in range(20):
        changed = json.loads(tenant.try_out("get", "deployment/victim", "--output=json", "--show-managed-fields"))
        changed["metadata"]["managedFields"] = fields
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = image
        said = tenant.try_out("replace", "--filename=-", body=changed)
        if "the object has been modified" not in said:  # by its controller, meanwhile
            return said
    raise AssertionError(said)


@pytest.mark.parametrize("name", FORGED_FIELDS)
def test_forged_times_of_changes_do_not_revive_a_pass(strict: Tenant, name: str) -> None:
    strict.post(drill_cases.DEPLOYMENT, made(drill_cases.DEPLOYMENT, GOOD, name="victim"))
    try:
        for _round in range(2):  # the second time with what the first left
            assert "replaced" in replaced(strict, FORGED_FIELDS[name], GOOD)
            assert ENDED in replaced(strict, FORGED_FIELDS[name], BAD)
            patch = [
                {"op": "add", "path": "/metadata/managedFields", "value": FORGED_FIELDS[name]},
                {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": BAD},
            ]
            assert ENDED in strict.patch("deployment/victim", patch, "--type=json")
    finally:
        strict.delete("deployment/victim")


@pytest.mark.parametrize(
    "image",
    [
        "drill.imagescan.github.io/app:1",
        "app",
        f"app:{drill_cases.GOOD_DIGEST.partition(':')[2]}",
        f"app@sha512:{'0' * 128}",
        f"app@{drill_cases.GOOD_DIGEST.upper()}",
        f"app@{drill_cases.GOOD_DIGEST}0",
        f"app@{drill_cases.GOOD_DIGEST}@{drill_cases.UNKNOWN_DIGEST}",
        f"app@{drill_cases.UNKNOWN_DIGEST}",
        f"{drill_cases.GOOD_DIGEST}",
        "app@",
    ],
)
def test_only_a_digest_that_passed_may_run(strict: Tenant, image: str) -> None:
    refused = f"ValidatingAdmissionPolicy '{strict.namespace}-passed'"
    for place in ("container", "init container", "image volume"):
        said = strict.post(drill_cases.POD, made(drill_cases.POD, image, place))
        assert refused in said
        assert "is refused: " in said


def test_drills_know_namespaces_that_require_a_passed_scan(strict: Tenant) -> None:
    client = connect(Connection(kubeconfig=str(strict.cluster.kubeconfig)))
    images = drill_cases.Images(drill_cases.UNKNOWN_DIGEST, drill_cases.UNKNOWN_REFERENCES, only_good=True)
    told: list[str] = []
    rows = drill(
        client, Drill(strict.namespace, images, f"{strict.namespace}-passed", "deny", targets=True), told.append
    )
    assert {row.outcome for row in rows if row.claimed} == {"refused"}
    unlisted = next(row for row in rows if row.way == "container, by a tag that is not listed")
    assert unlisted.claimed
    assert "must be named by its digest" in unlisted.message
    # With a good image that did not pass nothing is proved.
    nobody = dataclasses.replace(images, good=f"sha256:{'0' * 64}")
    wanted = Drill(strict.namespace, nobody, f"{strict.namespace}-passed", "deny", targets=False)
    assert {row.outcome for row in drill(client, wanted, told.append) if row.claimed} == {"unknown", "not-tried"}
    assert not told
