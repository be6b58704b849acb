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
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.enforcement import read_installation
from ansible_collections.imagescan.openshift.plugins.module_utils._cluster.errors import ApiError
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


def policy(where: Json, *conditions: str) -> Json:
    """A policy."""
    listed = [{"name": "c", "expression": condition} for condition in conditions]
    constraints = {"namespaceSelector": where}
    return {"spec": {"failurePolicy": "Fail", "matchConstraints": constraints, "matchConditions": listed}}


def bound(*actions: str, name: str = "p") -> Json:
    """A binding to a policy."""
    labels = {"imagescan.github.io/list": "deny"}
    return {
        "spec": {
            "policyName": name,
            "validationActions": list(actions),
            "paramRef": {"selector": {"matchLabels": labels}},
        }
    }


def installed(answers: dict[str, Json | int]) -> tuple[Json, list[Request]]:
    """What is read from a server that has these objects, lists of them, and refusals."""

    def answer(request: Request) -> Answer:
        found = answers.get(urllib.parse.urlsplit(request.target).path, 404)
        if isinstance(found, int):
            return Answer(found, json.dumps({"kind": "Status", "message": "no"}).encode())
        return Answer(200, json.dumps(found).encode())

    with running_server(answer) as server:
        client = connect(Connection(host=f"http://{server.host}", deadline=0.1))
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
        (selector(In=["b", "a"], NotIn=["c"]), (), "p counts only in the namespaces a, b"),
        (selector(NotIn=["a"]), ("x", "y"), "p counts in every namespace but a, under conditions: x; y"),
    ],
)
def test_where_it_counts_is_said(where: Json, conditions: tuple[str, ...], scope: str) -> None:
    found, _requests = installed({POLICY: policy(where, *conditions), BINDINGS: {"items": [bound("Deny")]}})
    assert found["scope"] == scope
    assert found["conditions"] == list(conditions)


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
        installed({POLICY: 503})
