# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role ``enforce`` makes of its variables and of what a cluster has."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.imagescan.openshift.tests.cluster.enforcing import VARS, trusted

Json = dict[str, t.Any]
TASKS = VARS.parent / "tasks"
#: What the filter of the collection makes of what is given, where it is not looked at.
TYPED: Json = {
    "enforce__prefix": "shop",
    "enforce__providers": ["shop"],
    "enforce__action": "deny",
    "enforce__namespaces": [],
    "enforce__required": [],
    "enforce__passed_shards": 2,
    "enforce__scan_namespace": "scans",
    "enforce__help_url": "",
}
DENY, PASSED = "ValidatingAdmissionPolicy/shop-deny", "ValidatingAdmissionPolicy/shop-passed"
BINDINGS = [f"ValidatingAdmissionPolicyBinding/shop-shop-passed-{number}" for number in (0, 1)]
BOUND = "ValidatingAdmissionPolicyBinding/shop-deny"


def seen(*ours: str, proved: t.Sequence[str] = (), denying: t.Sequence[str] = (), setup: t.Sequence[str] = ()) -> Json:
    """What the role keeps of a cluster. ``setup``: namespaces with the label of the role ``setup``."""
    return {
        "served": True,
        "all": [*ours, *(f"Namespace/{name}" for name in (*setup, "kube-system", "openshift-dns", "till"))],
        "ours": list(ours),
        "proved": list(proved),
        "denying": list(denying),
        "of_setup": list(setup),
    }


def value(name: str, **given: t.Any) -> t.Any:
    """One variable of the role."""
    variables: Json = {"enforce__seen": seen(), "enforce__cluster": {"groups": []}}
    for file in ("main.yml", "crds.yml", "policy.yml"):
        variables |= yaml.safe_load((VARS / file).read_text(encoding="utf-8"))
    openshift = "security.openshift.io" in given.get("enforce__cluster", {}).get("groups", ())
    exempt = {"enforce__exempt_namespaces": variables["enforce__of_openshift"] if openshift else []}
    safe = trusted({**variables, **TYPED, **exempt, **given})
    return Templar(loader=DataLoader(), variables=safe).template(safe[name])


def holds(answer: t.Any) -> bool:
    """A truth value, of which older versions of ansible-core make text."""
    return str(answer) == "True"


def exempt(**given: t.Any) -> list[str]:
    """Namespaces that the selector of the policy spares."""
    return list(value("enforce__wide_selector", **given)["matchExpressions"][-1]["values"])


def test_the_scan_namespace_is_exempt_only_where_setup_made_it() -> None:
    assert exempt() == ["kube-system"]
    theirs = {**seen(), "all": ["Namespace/scans"]}
    assert exempt(enforce__seen=theirs) == ["kube-system"]
    assert exempt(enforce__seen=seen(setup=["scans"])) == ["kube-system", "scans"]
    assert exempt(enforce__seen=seen(setup=["other"])) == ["kube-system"]


OPENSHIFT = {"groups": ["security.openshift.io"]}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, ""),
        ({"enforce__required": ["till"]}, ""),
        ({"enforce__required": ["kube-system", "scans"]}, "enforce_require_passed_namespaces: kube-system, scans"),
        ({"enforce__required": ["openshift-dns"]}, ""),
        # What OpenShift's own defaults exempt is known only once the cluster was asked.
        ({"enforce__required": ["openshift-dns"], "enforce__cluster": OPENSHIFT}, "openshift-dns is exempt, too"),
        ({"enforce__exempt_namespaces": ["sh*"]}, "shop-drill, in which drills are made, is exempt"),
        ({"enforce__exempt_namespaces": ["shop-drill"]}, "shop-drill, in which drills are made, is exempt"),
        (
            {"enforce__required": ["till"], "enforce__exempt_namespaces": ["shop-drill-passed"]},
            "shop-drill-passed, in which drills are made, is exempt",
        ),
        ({"enforce__exempt_namespaces": ["shop-drill-passed"]}, ""),
        ({"enforce__namespaces": ["till", "kube-system"]}, ""),
        ({"enforce__namespaces": ["kube-system"]}, "enforce_namespaces: kube-system is exempt"),
        (
            {"enforce__namespaces": ["till-a", "till-b"], "enforce__exempt_namespaces": ["till-*"]},
            "enforce_namespaces: till-a, till-b is exempt",
        ),
        (
            {"enforce__namespaces": ["openshift-dns"], "enforce__cluster": OPENSHIFT},
            "enforce_namespaces: openshift-dns",
        ),
    ],
)
def test_what_would_exempt_what_must_not_be_is_refused(given: Json, wrong: str) -> None:
    refusals = [one["say"] for one in value("enforce__refusals", **given) if not holds(one["ok"])]
    assert [wrong in one for one in refusals] == ([True] if wrong else [])


def test_requiring_needs_passes_unless_it_is_refused_already() -> None:
    def needs(found: Json, **given: t.Any) -> bool:
        return holds(value("enforce__needs_passed", enforce__required=["till"], enforce__seen=found, **given))

    assert needs(seen())
    assert needs(seen(DENY, BOUND, proved=[DENY], denying=[BOUND]))
    bound = (DENY, PASSED, BOUND, *BINDINGS)
    assert not needs(seen(*bound, proved=[DENY, PASSED], denying=[BOUND, *BINDINGS]))
    # Until now it only warned; with another provider or a trial that was broken off nothing was required, either.
    assert needs(seen(*bound, proved=[DENY, PASSED]))
    assert needs(seen(*bound, proved=[DENY, PASSED], denying=[BOUND, *BINDINGS]), enforce__providers=["shop", "b"])
    assert needs(seen(*bound, proved=[DENY], denying=[BOUND, *BINDINGS]))
    assert not needs(seen(), enforce__action="warn")
    assert not holds(value("enforce__needs_passed"))


def test_only_what_is_new_is_tried() -> None:
    def tried(found: Json, **given: t.Any) -> tuple[list[str], list[str]]:
        parts = [value(f"enforce__tried_{part}", enforce__seen=found, **given) for part in ("policies", "bindings")]
        drilled = value("enforce__drilled", enforce__seen=found, enforce__trial=True, **given)
        names = [[one["metadata"]["name"] for one in part] for part in parts]
        assert drilled == names[0]
        return names[0], names[1]

    required = {"enforce__required": ["till"]}
    assert tried(seen()) == (["shop-deny"], ["shop-deny"])
    both = (["shop-deny", "shop-passed"], ["shop-deny", "shop-shop-passed-0", "shop-shop-passed-1"])
    assert tried(seen(), **required) == both
    counts = seen(DENY, BOUND, proved=[DENY], denying=[BOUND])
    assert tried(counts) == ([], [])
    assert tried(counts, **required) == (both[0][1:], both[1][1:])
    assert value("enforce__drilled", enforce__seen=counts, **required) == both[0]


def test_nothing_of_others_is_removed() -> None:
    found = seen(
        *(DENY, BOUND, PASSED, *BINDINGS, "Namespace/shop-drill", "Namespace/shop-drill-passed"),
        *("ClusterRole/shop-drill", "ClusterRoleBinding/shop-drill"),
    )
    needless = value("enforce__needless", enforce__seen=found)
    ids = [f"{each['kind']}/{each['metadata']['name']}" for each in needless]
    assert sorted(ids) == sorted([PASSED, *BINDINGS, "Namespace/shop-drill-passed"])
    versions = {each["kind"]: each["apiVersion"] for each in needless}
    registration = "admissionregistration.k8s.io/v1"
    policies = dict.fromkeys(("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"), registration)
    assert versions == {"Namespace": "v1", **policies}
    assert not value("enforce__needless", enforce__seen=found, enforce__required=["till"])
    assert not value("enforce__taken", enforce__seen=found)
    theirs = {**found, "ours": [DENY]}
    assert value("enforce__taken", enforce__seen=theirs) == [
        *("ClusterRole/shop-drill", "ClusterRoleBinding/shop-drill", "Namespace/shop-drill", BOUND)
    ]


def documents(**answers: list[Json]) -> list[Json]:
    """Answers of the cluster as tasks/look.yml keeps them."""
    return [{"kind": kind, "objects": found, "served": True} for kind, found in answers.items()]


@pytest.mark.parametrize("prefixes", [[], ["shop"], ["till", "shop", "shop"]])
def test_a_namespace_is_ours_by_its_name_and_its_labels(prefixes: list[str]) -> None:
    ours = {"app.kubernetes.io/managed-by": "imagescan.openshift", "imagescan.github.io/enforce": "shop"}
    of_setup = {"app.kubernetes.io/managed-by": "imagescan.openshift"}
    answers = documents(
        Namespace=[
            {"metadata": {"name": "shop-drill", "labels": ours}},
            {"metadata": {"name": "shop-drill-passed"}},
            {"metadata": {"name": "till", "labels": ours}},  # a tenant may give these labels to what is his own
            {"metadata": {"name": "scans", "labels": of_setup}},
        ],
        ValidatingAdmissionPolicyBinding=[
            {"metadata": {"name": "a", "labels": ours}, "spec": {"validationActions": ["Deny", "Audit"]}},
            {"metadata": {"name": "b", "labels": ours}, "spec": {"validationActions": ["Warn"]}},
        ],
        DenyList=[
            {"metadata": {"name": "c", "labels": {"imagescan.github.io/enforce": prefix}}} for prefix in prefixes
        ],
    )
    keep = yaml.safe_load((TASKS / "look.yml").read_text(encoding="utf-8"))[1]
    given = {**keep["vars"], "enforce__answer": {"kinds": answers}}
    found = value("found", found=keep["ansible.builtin.set_fact"]["enforce__seen"], **given)
    start = "ValidatingAdmissionPolicyBinding/"
    assert found["ours"] == ["Namespace/shop-drill", f"{start}a", f"{start}b"]
    assert found["denying"] == [f"{start}a"]
    assert found["of_setup"] == ["scans"]
    assert (found["our_lists"], found["other_lists"]) == (
        [prefix for prefix in prefixes if prefix == "shop"],
        [prefix for prefix in prefixes if prefix != "shop"],
    )
    assert found["has_lists"]


@pytest.mark.parametrize(
    ("method", "created", "waits"),
    [
        ("create", "2026-01-01T00:00:00Z", True),  # whatever our clock says
        ("patch", "2026-01-01T00:00:00Z", False),
        ("patch", "2126-01-01T00:00:00Z", True),  # a run that was broken off made it a moment ago
    ],
)
def test_new_kinds_are_waited_for(method: str, created: str, waits: bool) -> None:
    made = [
        {"kind": kind, "method": how, "created": at}
        for kind, how, at in (
            ("CustomResourceDefinition", method, created),
            ("Namespace", "create", "2126-01-01T00:00:00Z"),
        )
    ]
    assert int(value("enforce__patience", enforce__made={"objects": made})) == (35 if waits else 3)
