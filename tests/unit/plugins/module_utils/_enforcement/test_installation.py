# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of an installation that may be read in part, or is not what the role makes."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.parse

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.installation import read_installation
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICY = f"{ADMISSION}/validatingadmissionpolicies/p"
BINDINGS = f"{ADMISSION}/validatingadmissionpolicybindings"
LISTS = "/apis/imagescan.github.io/v1alpha1/denylists"
Json = dict[str, t.Any]


def selector(**named: list[str]) -> Json:
    """Namespaces by name: ``NotIn`` or ``In``."""
    key = "kubernetes.io/metadata.name"
    return {"matchExpressions": [{"key": key, "operator": operator, "values": named[operator]} for operator in named]}


def rule(group: str, *resources: str, **more: t.Any) -> Json:
    """What one rule of a policy looks at."""
    whole = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "scope": "Namespaced"}
    return {**whole, "resources": list(resources), **more}


RULES = [
    rule("", "pods", "pods/ephemeralcontainers", "replicationcontrollers", "podtemplates"),
    rule("apps", "deployments", "replicasets", "statefulsets", "daemonsets"),
    rule("batch", "jobs", "cronjobs"),
]


def policy(where: Json | None, *conditions: str, constraints: Json | None = None, **more: t.Any) -> Json:
    """A policy."""
    listed = [{"name": "c", "expression": condition} for condition in conditions]
    whole = {"namespaceSelector": where, "resourceRules": RULES, "matchPolicy": "Equivalent", **(constraints or {})}
    kind = {"apiVersion": "imagescan.github.io/v1alpha1", "kind": "DenyList"}
    head = {"failurePolicy": "Fail", "paramKind": kind}
    return {"spec": {**head, "matchConstraints": whole, "matchConditions": listed, **more}}


def bound(*actions: str, name: str = "p", reads: Json | None = None, **more: t.Any) -> Json:
    """A binding to a policy."""
    labels = {"imagescan.github.io/list": "deny"}
    reference = {"selector": {"matchLabels": labels}, "parameterNotFoundAction": "Deny", **(reads or {})}
    spec = {"policyName": name, "validationActions": list(actions), "paramRef": reference, **more}
    return {"metadata": {"name": "b"}, "spec": spec}


def installed(answers: dict[str, Json | int], deadline: float = 10) -> tuple[Json, list[Request]]:
    """What is read from a server that has these objects, lists of them, and refusals."""

    def answer(request: Request) -> Answer:
        found = answers.get(urllib.parse.urlsplit(request.target).path, 404)
        if isinstance(found, int):
            return Answer(found, json.dumps({"kind": "Status", "message": "no"}).encode())
        return Answer(200, json.dumps(found).encode())

    with running_server(answer) as server:
        client = connect(Connection(host=f"http://{server.host}", deadline=deadline))
        return read_installation(client, "p", ["sha256:1", "a.example/b:1"]), server.requests


@pytest.mark.parametrize(
    ("actions", "mode"),
    [
        (("Deny", "Audit"), "deny"),
        (("Warn", "Audit"), "warn"),
        (("Audit",), "audit"),
        ((), "none"),
    ],
)
def test_the_strictest_action_is_the_mode(actions: tuple[str, ...], mode: str) -> None:
    others = [bound("Deny", name="other")]
    found, _requests = installed({POLICY: policy({}), BINDINGS: {"items": [bound(*actions), *others]}})
    assert found["mode"] == mode
    assert found["actions"] == sorted(actions)


@pytest.mark.parametrize("there", [{POLICY: 404, BINDINGS: {"items": [bound("Deny")]}}, {BINDINGS: {"items": []}}])
def test_a_policy_or_binding_alone_does_nothing(there: dict[str, t.Any]) -> None:
    found, _requests = installed({POLICY: policy({}), **there})
    assert found["mode"] == "none"
    assert found["scope"] == "there is no policy p, or no binding of it that does anything"


@pytest.mark.parametrize("hidden", [{POLICY: 403}, {BINDINGS: 403}, {POLICY: 403, BINDINGS: 403}])
def test_what_may_not_be_read_is_not_known(hidden: dict[str, t.Any]) -> None:
    found, _requests = installed({POLICY: policy({}), BINDINGS: {"items": [bound("Deny")]}, **hidden})
    assert found["mode"] == "unknown"
    assert "may not read" in found["scope"]
    assert len([text for text in found["unread"] if text.startswith("403 from")]) == len(hidden)


@pytest.mark.parametrize(
    ("where", "conditions", "scope"),
    [
        (selector(NotIn=["kube-system", "a"]), (), "p counts in every namespace but a, kube-system"),
        ({}, (), "p counts in every namespace"),
        (None, (), "p counts in every namespace"),
        (selector(In=["b", "a"], NotIn=["c"]), (), "p counts only in the namespaces a, b"),
        (selector(In=["b", "a"], NotIn=["b"]), (), "p counts only in the namespaces a"),
        (selector(NotIn=["a"]), ("x", "y"), "p counts in every namespace but a, under conditions: x; y"),
    ],
)
def test_where_it_counts_is_said(where: Json, conditions: tuple[str, ...], scope: str) -> None:
    found, _requests = installed({POLICY: policy(where, *conditions), BINDINGS: {"items": [bound("Deny")]}})
    assert found["scope"] == scope
    assert found["conditions"] == list(conditions)
    assert found["limits"] == [f"condition: {condition}" for condition in conditions]


BY_NAME = "kubernetes.io/metadata.name"
#: What nobody limits anything by: the server's defaults, and what it takes for nothing.
NOTHING: list[Json] = [
    {"objectSelector": {}, "namespaceSelector": {}, "matchPolicy": "Equivalent"},
    {"objectSelector": None, "namespaceSelector": None, "matchPolicy": None, "excludeResourceRules": None},
    {"excludeResourceRules": []},
    *[{key: {"matchLabels": None, "matchExpressions": None}} for key in ("objectSelector", "namespaceSelector")],
    *[{key: {"matchLabels": {}, "matchExpressions": []}} for key in ("objectSelector", "namespaceSelector")],
]
#: Constraints of a policy or a binding -> the words.
LIMITED: list[tuple[Json, str]] = [
    ({"namespaceSelector": {"matchLabels": {"env": "prod"}}}, "only namespaces with env=prod"),
    (
        {
            "namespaceSelector": {
                "matchLabels": {"b": "1"},
                "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["1", "2"]},
                    {"key": "c", "operator": "NotIn", "values": ["3"]},
                    {"key": "d", "operator": "Exists"},
                    {"key": "e", "operator": "DoesNotExist", "values": None},
                ],
            }
        },
        "only namespaces with b=1,a in (1,2),c notin (3),d,!e",
    ),
    ({"objectSelector": {"matchLabels": {"app": "shop"}}}, "only objects with app=shop"),
    (
        {"objectSelector": {"matchExpressions": [{"key": "free", "operator": "DoesNotExist"}]}},
        "only objects with !free",
    ),
    (
        {"excludeResourceRules": [rule("", "pods", operations=["CREATE"], resourceNames=["x"])]},
        "not CREATE of pods named x",
    ),
    ({"excludeResourceRules": [rule("apps", "deployments", "daemonsets")]},
     "not CREATE, UPDATE of deployments, daemonsets in apps"),
    ({"matchPolicy": "Exact"}, "only the API versions that its rules name (matchPolicy Exact)"),
    ({"resourceRules": RULES[:2]}, "no rule for jobs, cronjobs"),
    (
        {"resourceRules": [rule("", "pods", operations=["CREATE"]), *RULES[1:]]},
        "no rule for pods (UPDATE), pods/ephemeralcontainers (UPDATE), replicationcontrollers, podtemplates",
    ),
    ({"resourceRules": [*RULES[:2], rule("batch", "jobs", "cronjobs", resourceNames=["x"])]},
     "no rule for jobs, cronjobs"),
    ({"resourceRules": [*RULES[:2], rule("batch", "jobs", "cronjobs", scope="Cluster")]}, "no rule for jobs, cronjobs"),
    ({"resourceRules": [*RULES[:2], rule("batch", "jobs", "cronjobs", apiVersions=["v2"])]},
     "no rule for jobs, cronjobs"),
    ({"resourceRules": [*RULES[1:], rule("", "*")]}, "no rule for pods/ephemeralcontainers (UPDATE)"),
]  # fmt: skip
WIDE: list[list[Json]] = [
    [rule("*", "*/*", apiVersions=["*"], operations=["*"], scope="*")],
    [rule("*", "*", scope=None), rule("", "pods/*", resourceNames=[])],
    [rule("*", "*"), rule("", "*/ephemeralcontainers", operations=["UPDATE"], resourceNames=None)],
    [*RULES, rule("apps.openshift.io", "deploymentconfigs")],
]


def limits(found: Json, binding: Json) -> tuple[list[str], str]:
    """What limits a policy with a binding, and the whole sentence."""
    read, _requests = installed({POLICY: found, BINDINGS: {"items": [binding]}})
    return read["limits"], read["scope"]


@pytest.mark.parametrize("nothing", NOTHING)
def test_nulls_and_empty_selectors_are_no_limits(nothing: Json) -> None:
    assert limits(policy({}, constraints=nothing), bound("Deny")) == ([], "p counts in every namespace")
    for rules in ([], None):
        bound_by = bound("Deny", matchResources={**nothing, "resourceRules": rules})
        assert limits(policy({}), bound_by) == ([], "p counts in every namespace")


@pytest.mark.parametrize("absent", [{}, {"matchResources": None}, {"matchResources": {}}])
def test_a_binding_without_constraints_limits_nothing(absent: Json) -> None:
    assert limits(policy({}), bound("Deny", **absent)) == ([], "p counts in every namespace")


@pytest.mark.parametrize("rules", WIDE)
def test_rules_that_look_at_more_are_no_limits(rules: list[Json]) -> None:
    assert limits(policy({}, constraints={"resourceRules": rules}), bound("Deny"))[0] == []


@pytest.mark.parametrize(("constraints", "words"), LIMITED)
def test_every_limit_is_named_of_policies_and_bindings(constraints: Json, words: str) -> None:
    assert limits(policy({}, constraints=constraints), bound("Deny")) == (
        [words],
        f"p counts in every namespace; limited: {words}",
    )
    of_binding = f"binding b: {words}"
    assert limits(policy({}), bound("Deny", matchResources=constraints)) == (
        [of_binding],
        f"p counts in every namespace; limited: {of_binding}",
    )


def test_names_of_namespaces_limit_a_binding_too() -> None:
    narrow = bound("Deny", matchResources={"namespaceSelector": selector(In=["a", "b"])})
    assert limits(policy({}), narrow)[0] == [f"binding b: only namespaces with {BY_NAME} in (a,b)"]
    labelled, _scope = limits(policy({"matchLabels": {BY_NAME: "a"}}), bound("Deny"))
    assert labelled == []
    both = {"matchLabels": {BY_NAME: "a"}, **selector(In=["b", "c"])}
    assert limits(policy(both), bound("Deny")) == (
        ["no namespace fits its namespaceSelector"],
        "p counts in no namespace; limited: no namespace fits its namespaceSelector",
    )


@pytest.mark.parametrize(
    ("changed", "binding", "words"),
    [
        ({"failurePolicy": "Ignore"}, bound("Deny"), "what it cannot evaluate is let in (failurePolicy Ignore)"),
        ({}, bound("Warn", "Audit"), "binding b: does not deny (Warn, Audit)"),
        (
            {},
            bound("Deny", reads={"parameterNotFoundAction": "Allow"}),
            "binding b: everything is let in without a list",
        ),
        ({}, bound("Deny", reads={"selector": None, "name": "x"}), "binding b: reads only the list x"),
        ({}, bound("Deny", reads={"namespace": "n"}), "binding b: reads only lists of the namespace n"),
        (
            {},
            bound("Deny", reads={"selector": {"matchLabels": {"imagescan.github.io/list": "deny", "team": "a"}}}),
            "binding b: reads only lists with team=a",
        ),
        (
            {},
            bound("Deny", reads={"selector": {"matchLabels": {"imagescan.github.io/list": "passed"}}}),
            "binding b: reads only lists with imagescan.github.io/list=passed",
        ),
        (
            {},
            bound("Deny", reads={"selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}),
            "binding b: reads only lists with team",
        ),
    ],
)
def test_what_weakens_a_policy_is_named(changed: Json, binding: Json, words: str) -> None:
    found, scope = limits(policy({}, **changed), binding)
    assert found == [words]
    assert scope == f"p counts in every namespace; limited: {words}"


def test_all_limits_are_named_and_not_the_first_alone() -> None:
    narrow = {"objectSelector": {"matchLabels": {"a": "1"}}, "matchPolicy": "Exact"}
    found = policy(selector(NotIn=["x"]), "c", constraints=narrow, failurePolicy="Ignore")
    one = bound("Warn", matchResources={"objectSelector": {"matchLabels": {"b": "2"}}})
    read, _requests = installed({POLICY: found, BINDINGS: {"items": [one, bound("Deny", name="other"), bound("Deny")]}})
    assert read["limits"] == [
        "condition: c",
        "only objects with a=1",
        "only the API versions that its rules name (matchPolicy Exact)",
        "what it cannot evaluate is let in (failurePolicy Ignore)",
        "binding b: does not deny (Warn)",
        "binding b: only objects with b=2",
    ]
    assert read["scope"] == (
        "p counts in every namespace but x, under conditions: c; limited: " + "; ".join(read["limits"][1:])
    )


@pytest.mark.parametrize("reads", [{"selector": {}}, {"selector": {"matchLabels": None}}])
def test_a_binding_that_reads_every_list_is_not_limited(reads: Json) -> None:
    assert limits(policy({}), bound("Deny", reads=reads))[0] == []


def test_lists_are_chosen_by_expressions_and_names_too() -> None:
    chosen = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}
    for reads, expected in (
        ({"selector": chosen}, {"labelSelector": "a in (1,2)"}),
        ({"selector": None, "name": "x"}, {"fieldSelector": "metadata.name=x"}),
        ({"selector": {}}, {}),
    ):
        there = {POLICY: policy({}), BINDINGS: {"items": [bound("Deny", reads=reads)]}, LISTS: {"items": []}}
        _found, requests = installed(there)
        assert {**expected, "limit": "10"} == requests[-1].query()


def test_limits_are_told_as_far_as_they_can_be_read() -> None:
    narrow = policy({}, constraints={"matchPolicy": "Exact"})
    hidden, _requests = installed({POLICY: narrow, BINDINGS: 403})
    assert hidden["mode"] == "unknown"
    assert "only the API versions" in hidden["limits"][0]
    assert hidden["limits"][0] in hidden["scope"]


def test_lists_are_those_that_the_binding_reads() -> None:
    def one(name: str, **spec: t.Any) -> Json:
        return {"metadata": {"name": name}, "spec": spec}

    lists = [
        one("b", digests={"sha256:1": "x", "sha256:2": "y"}),
        one("a", references={"a.example/b:1": "x"}),
        one("c"),
    ]
    there = {POLICY: policy({}), BINDINGS: {"items": [bound("Deny")]}, LISTS: {"items": lists}}
    found, requests = installed(there)
    assert found["lists"] == [
        {"name": "a", "digests": 0, "references": 1},
        {"name": "b", "digests": 2, "references": 0},
        {"name": "c", "digests": 0, "references": 0},
    ]
    assert found["listed"] == ["a.example/b:1", "sha256:1"]
    assert requests[-1].query()["labelSelector"] == "imagescan.github.io/list=deny"
    for status in (403, 404):
        lacking, _requests = installed({**there, LISTS: status})
        assert lacking["lists"] is None
        assert lacking["unread"]


def test_a_server_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    with pytest.raises(ApiError):
        installed({POLICY: 503}, deadline=0.1)
