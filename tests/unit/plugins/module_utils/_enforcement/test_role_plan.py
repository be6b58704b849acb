# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role ``enforce`` makes of its variables and of what a cluster has."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.role_plan import (
    BINDING,
    POLICY,
    RoleOptions,
    RolePlan,
    SeenObject,
    read,
)

Json = dict[str, t.Any]
DENY, PASSED, BOUND = f"{POLICY}/shop-deny", f"{POLICY}/shop-passed", f"{BINDING}/shop-deny"
BINDINGS = [f"{BINDING}/shop-shop-passed-{number}" for number in (0, 1)]
OPENSHIFT = ["openshift", "openshift-*", "kube-*"]
REQUIRED: Json = {"require_passed_namespaces": ["till"]}
PLAIN = RoleOptions("shop", "deny", ["shop"], 2, [], [], [], "scans")


def seen(
    *ours: str,
    proved: t.Collection[str] = (),
    denying: t.Collection[str] = (),
    theirs: t.Sequence[str] = (),
    setup: t.Sequence[str] = (),
) -> list[SeenObject]:
    """Objects as kind/name. ``setup``: namespaces with the label of the role ``setup``."""
    objects = []
    for key in ours:
        kind, name = key.split("/")
        objects.append(SeenObject(kind, name, True, "shop", key in proved, key in denying))
    for key in (*theirs, "Namespace/kube-system", "Namespace/openshift-dns", "Namespace/till"):
        kind, name = key.split("/")
        objects.append(SeenObject(kind, name, False, "", False, False))
    return objects + [SeenObject("Namespace", name, True, "", False, False) for name in setup]


def plan(found: t.Sequence[SeenObject] | None = None, **options: t.Any) -> RolePlan:
    """Plan with these options beside plain ones."""
    return RolePlan(RoleOptions(**{**vars(PLAIN), **options}), seen() if found is None else found)


def exempt(found: t.Sequence[SeenObject]) -> list[str]:
    """Namespaces that the selector of the policy spares."""
    selector = plan(found).terms({}, is_trial=False)["selector"]
    return list(selector["matchExpressions"][-1]["values"])


def test_the_scan_namespace_is_exempt_only_where_setup_made_it() -> None:
    assert exempt(seen()) == ["kube-system"]
    assert exempt(seen(theirs=["Namespace/scans"])) == ["kube-system"]
    assert exempt(seen("Namespace/scans")) == ["kube-system"]
    assert exempt(seen(setup=["scans"])) == ["kube-system", "scans"]
    assert exempt(seen(setup=["other"])) == ["kube-system"]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({}, ""),
        (REQUIRED, ""),
        (
            {"require_passed_namespaces": ["kube-system", "scans"]},
            "passed_namespaces: kube-system, scans is exempt, too",
        ),
        ({"require_passed_namespaces": ["openshift-dns"]}, ""),
        # What OpenShift's own defaults exempt is known only once the cluster was asked.
        (
            {"require_passed_namespaces": ["openshift-dns"], "exempt_namespaces": OPENSHIFT},
            "openshift-dns is exempt, too",
        ),
        ({"exempt_namespaces": ["sh*"]}, "shop-drill, in which drills are made, is exempt"),
        ({"exempt_namespaces": ["shop-drill"]}, "shop-drill, in which drills are made, is exempt"),
        (
            {**REQUIRED, "exempt_namespaces": ["shop-drill-passed"]},
            "shop-drill-passed, in which drills are made, is exempt",
        ),
        ({"exempt_namespaces": ["shop-drill-passed"]}, ""),
        ({"namespaces": ["till", "kube-system"]}, ""),
        ({"namespaces": ["kube-system"]}, "enforce_namespaces: kube-system is exempt"),
        (
            {"namespaces": ["till-a", "till-b"], "exempt_namespaces": ["till-*"]},
            "enforce_namespaces: till-a, till-b is exempt",
        ),
        ({"namespaces": ["openshift-dns"], "exempt_namespaces": OPENSHIFT}, "enforce_namespaces: openshift-dns"),
    ],
)
def test_what_would_exempt_what_must_not_be_is_refused(options: Json, wrong: str) -> None:
    refusals = plan(**options).refusals()
    assert [wrong in text for text in refusals] == ([True] if wrong else [])


def test_requiring_needs_passes_unless_it_is_refused_already() -> None:
    def needs(found: t.Sequence[SeenObject], **options: t.Any) -> bool:
        return plan(found, **{**REQUIRED, **options}).needs_passed

    assert needs(seen())
    assert needs(seen(DENY, BOUND, proved=[DENY], denying=[BOUND]))
    bound = (DENY, PASSED, BOUND, *BINDINGS)
    assert not needs(seen(*bound, proved=[DENY, PASSED], denying=[BOUND, *BINDINGS]))
    # Until now it only warned; with another provider or a trial that was broken off nothing was required, either.
    assert needs(seen(*bound, proved=[DENY, PASSED]))
    assert needs(seen(*bound, proved=[DENY, PASSED], denying=[BOUND, *BINDINGS]), providers=["shop", "b"])
    assert needs(seen(*bound, proved=[DENY], denying=[BOUND, *BINDINGS]))
    assert not needs(seen(), action="warn")
    assert not plan().needs_passed


def test_only_what_is_new_is_tried_and_drilled() -> None:
    def tried(found: t.Sequence[SeenObject], **options: t.Any) -> tuple[list[str], bool, bool]:
        planned = plan(found, **options)
        terms = planned.terms({}, is_trial=True)
        return planned.tried, terms["drills_deny"], terms["drills_passed"]

    assert tried(seen()) == (["shop-deny"], True, False)
    assert tried(seen(), **REQUIRED) == (["shop-deny", "shop-passed"], True, True)
    counts = seen(DENY, BOUND, proved=[DENY], denying=[BOUND])
    assert tried(counts) == ([], False, False)
    assert tried(counts, **REQUIRED) == (["shop-passed"], False, True)
    # Nothing that was not bound counted.
    assert tried(seen(DENY, PASSED, proved=[DENY, PASSED]), **REQUIRED)[0] == ["shop-deny", "shop-passed"]
    terms = plan(counts, **REQUIRED).terms({}, is_trial=False)
    assert (terms["drills_deny"], terms["drills_passed"]) == (True, True)
    assert not plan(counts, action="warn", **REQUIRED).terms({}, is_trial=False)["drills_passed"]


def test_a_trial_refuses_in_the_namespaces_for_drills_alone() -> None:
    planned = plan(seen(), action="audit", namespaces=["window"], **REQUIRED)
    trial, proved = (planned.terms({"a": "b"}, is_trial=is_trial) for is_trial in (True, False))
    spaces = [[e["values"] for e in terms["selector"]["matchExpressions"]] for terms in (trial, proved)]
    assert spaces == [[["shop-drill"]], [["shop-drill", "shop-drill-passed", "window"], ["kube-system"]]]
    passed_spaces = [terms["passed_selector"]["matchExpressions"][0]["values"] for terms in (trial, proved)]
    assert passed_spaces == [["shop-drill-passed"], ["shop-drill-passed", "till"]]
    names = ("stage", "denies", "failure_policy", "actions")
    assert [trial[name] for name in names] == ["trial", True, "Fail", ["Deny", "Audit"]]
    assert [proved[name] for name in names] == ["proved", False, "Ignore", ["Audit"]]
    for terms in (trial, proved):
        assert [binding["metadata"]["name"] for binding in terms["passed_bindings"]] == [
            key.partition("/")[2] for key in BINDINGS
        ]
        assert {tuple(binding["spec"]["validationActions"]) for binding in terms["passed_bindings"]} == {
            tuple(terms["actions"])
        }


def test_a_pod_is_tried_for_each_list_of_passed_digests() -> None:
    options = plan(**REQUIRED, passed_shards=4).options
    images = [pod["spec"]["containers"][0]["image"] for pod in options.unscanned_pods()]
    assert [image.partition("@sha256:")[2] for image in images] == [digit + "0" * 63 for digit in "048c"]
    assert plan().options.unscanned_pods() == []


def test_nothing_of_others_is_removed() -> None:
    found = seen(
        *(DENY, BOUND, PASSED, *BINDINGS, "Namespace/shop-drill", "Namespace/shop-drill-passed"),
        *("ClusterRole/shop-drill", "ClusterRoleBinding/shop-drill"),
    )
    needless = plan(found).needless
    assert [item.key for item in needless] == [PASSED, *BINDINGS, "Namespace/shop-drill-passed"]
    versions = {item.kind: item.document["apiVersion"] for item in needless}
    assert versions == {"Namespace": "v1", **dict.fromkeys((POLICY, BINDING), "admissionregistration.k8s.io/v1")}
    assert not plan(found, **REQUIRED).needless
    assert not plan(found).refusals()
    theirs = seen(DENY, theirs=[item.key for item in found[:9] if item.key != DENY])
    (refusal,) = plan(theirs).refusals()
    taken = f"ClusterRole/shop-drill, ClusterRoleBinding/shop-drill, Namespace/shop-drill, {BOUND} exists and does not"
    assert refusal.startswith(taken)


@pytest.mark.parametrize("prefixes", [[], ["shop"], ["till", "shop", "shop"]])
def test_a_namespace_is_ours_by_its_name_and_its_labels(prefixes: list[str]) -> None:
    of_setup = {"app.kubernetes.io/managed-by": "imagescan.openshift"}
    ours = {**of_setup, "imagescan.github.io/enforce": "shop"}
    answers: dict[str, list[Json]] = {
        "Namespace": [
            {"metadata": {"name": "shop-drill", "labels": ours}},
            {"metadata": {"name": "shop-drill-passed"}},
            {"metadata": {"name": "till", "labels": ours}},  # a tenant may give these labels to what is his own
            {"metadata": {"name": "scans", "labels": of_setup}},
        ],
        BINDING: [
            {"metadata": {"name": "a", "labels": ours}, "spec": {"validationActions": ["Deny", "Audit"]}},
            {"metadata": {"name": "b", "labels": ours}, "spec": {"validationActions": ["Warn"]}},
        ],
        POLICY: [
            {"metadata": {"name": "c", "labels": {**ours, "imagescan.github.io/enforce": prefix}}}
            for prefix in prefixes
        ],
        "DenyList": [
            {"metadata": {"name": "d", "labels": {"imagescan.github.io/enforce": prefix}}} for prefix in prefixes
        ],
    }
    planned = plan(read({"kind": kind, "objects": objects} for kind, objects in answers.items()))
    keys = [item.key for item in planned.ours if item.kind != POLICY]
    assert keys == ["Namespace/shop-drill", f"{BINDING}/a", f"{BINDING}/b"]
    assert [item.key for item in planned.ours if item.denies] == [f"{BINDING}/a"]
    assert planned.always_exempt == ["kube-system", "scans"]
    assert planned.lists == prefixes
    assert planned.installations == sorted(set(prefixes))
