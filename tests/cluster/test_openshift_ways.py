# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in by kinds that OpenShift alone has, as dry runs and for real."""

from __future__ import annotations

import functools
import secrets
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement import drill_cases
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.tests.cluster import enforcing
from ansible_collections.imagescan.openshift.tests.cluster.enforced import until
from ansible_collections.imagescan.openshift.tests.cluster.harness.access import KubernetesCluster
from ansible_collections.imagescan.openshift.tests.support.openshift_ways import (
    BAD,
    LISTED_TAG,
    REFUSED,
    REQUEST,
    ROLLOUT,
    WAYS,
    Way,
)

VERSION = "imagescan.github.io/v1alpha1"
Json = dict[str, t.Any]


class Place(t.NamedTuple):
    """Who asks the API server, and in which namespaces images are denied and must pass."""

    client: KubernetesClient
    denying: str
    strict: str


def kind_of_requests(kind: drill_cases.DrillKind, name: str) -> Json:
    """A kind of its own for what OpenShift takes as a part of another kind."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
    names = {"kind": kind.name, "plural": kind.resource, "singular": kind.name.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.resource}.{kind.group}", "labels": {"test": name}},
        "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": versions},
    }


def installed(cluster: KubernetesCluster, name: str) -> tuple[list[Json], list[Json]]:
    """Policies and bindings, which look at the kinds of requests, too."""
    lists = {f"{name}-passed-0": "0123456789abcdef"}
    policies, bindings = enforcing.documents(name, [name], passed=lists, passed_namespaces=[f"{name}-strict"])
    for policy in policies:
        rules = policy["spec"]["matchConstraints"]["resourceRules"]
        for kind, part in ((REQUEST, "buildconfigs/instantiate"), (ROLLOUT, "deploymentconfigs")):
            rule = next(rule for rule in rules if part in rule["resources"])
            rule["resources"] = [*rule["resources"], kind.resource]
    return policies, bindings


@pytest.fixture(scope="module")
def place(cluster: KubernetesCluster) -> t.Iterator[Place]:
    """Two namespaces where the policies work."""
    cluster.install_openshift_kinds()
    name = f"ways-{secrets.token_hex(4)}"
    kinds = [*enforcing.kinds(), *(kind_of_requests(kind, name) for kind in (REQUEST, ROLLOUT))]
    cluster.apply(*kinds)
    cluster.kubectl(
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        *(f"crd/{kind['metadata']['name']}" for kind in kinds),
    )
    documents: list[Json] = []
    for mode, spec in (
        (
            "deny",
            {
                "digests": {drill_cases.DIGEST: "policy p"},
                "references": dict.fromkeys((*drill_cases.REFERENCES, LISTED_TAG), "policy p"),
            },
        ),
        ("passed", {"prefixes": list("0123456789abcdef"), "digests": {drill_cases.GOOD_DIGEST: ""}}),
    ):
        labels = {"imagescan.github.io/list": mode, "imagescan.github.io/enforce": name}
        metadata = {"name": f"{name}-{mode}-0", "labels": labels}
        documents.append({"apiVersion": VERSION, "kind": f"{mode.title()}List", "metadata": metadata, "spec": spec})
    made = Place(connect(Connection(kubeconfig=str(cluster.kubeconfig))), name, f"{name}-strict")
    policies, bindings = installed(cluster, name)
    try:
        for namespace in made[1:]:
            cluster.create_namespace(namespace)
        cluster.apply(*documents)
        cluster.apply(*policies)
        cluster.apply(*bindings)
        last = REFUSED[-1]
        for namespace in made[1:]:
            until(functools.partial(tried, made, last, namespace, last.bad, dryRun="All"))
            assert not tried(made, last, namespace, last.good, dryRun="All")
        yield made
    finally:
        for document in (*bindings, *policies, *documents):
            cluster.kubectl("delete", document["kind"].lower(), document["metadata"]["name"], "--ignore-not-found")
        cluster.kubectl("delete", "crd", f"--selector=test={name}")
        for namespace in made[1:]:
            cluster.remove_namespace(namespace)


def tried(place: Place, way: Way, namespace: str, image: str, **params: str) -> str:
    """What is said to a way with an image; empty if it is let in."""
    method, path, body = "POST", way.kind.path(namespace), t.cast(t.Any, way.make(image))
    if way.change:
        answer = place.client.attempt(method, path, way.make(way.good))
        assert answer.status == 201, answer
        method, path, body = "PATCH", f"{path}/{answer.value['metadata']['name']}", way.change(image)
    answer = place.client.attempt(method, path, body, params)
    assert answer.status in (200, 201, 403), answer
    return "" if answer.status != 403 else str(answer.value["message"])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.title)
def test_every_way_is_refused_or_named_as_open(place: Place, way: Way) -> None:
    for params in ({"dryRun": "All"}, {}):
        said = tried(place, way, place.denying, way.bad, **params)
        assert bool(said) == (not way.open), said
        assert way.open or (
            f"ValidatingAdmissionPolicy '{place.denying}-deny'" in said
            and f"image {way.bad or LISTED_TAG} is refused: " in said
        )
    if not way.open and way.bad:
        assert not tried(place, way, place.denying, way.good, dryRun="All")


@pytest.mark.parametrize("way", REFUSED, ids=lambda way: way.title)
def test_where_a_passed_scan_is_required_they_are_refused_too(place: Place, way: Way) -> None:
    said = tried(place, way, place.strict, way.bad, dryRun="All")
    assert f"ValidatingAdmissionPolicy '{place.denying}-passed'" in said
    assert "is refused: " in said


def test_what_was_let_in_before_it_was_flagged_can_be_changed_otherwise(place: Place) -> None:
    """As the API server of OpenShift itself does, which counts builds in their BuildConfig."""
    kind = drill_cases.BUILD_CONFIG
    way = next(way for way in REFUSED if way.title == "BuildConfig: docker strategy, by digest")
    later = f"a@{drill_cases.UNKNOWN_DIGEST}"
    made = place.client.attempt("POST", kind.path(place.denying), way.make(later))
    assert made.status == 201
    path = f"{kind.path(place.denying)}/{made.value['metadata']['name']}"
    lists = f"/apis/{VERSION}/denylists/{place.denying}-deny-0"
    entry = [{"op": "add", "path": f"/spec/digests/{drill_cases.UNKNOWN_DIGEST}", "value": "policy p"}]
    assert place.client.attempt("PATCH", lists, entry).status == 200
    until(lambda: tried(place, way, place.denying, later, dryRun="All"))
    counted = [{"op": "add", "path": "/status", "value": {"lastVersion": 2}}]
    assert place.client.attempt("PATCH", path, counted).status == 200
    changed = [{"op": "replace", "path": "/spec/strategy/dockerStrategy/from/name", "value": BAD}]
    assert place.client.attempt("PATCH", path, changed).status == 403
