# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights that an account lacks; tests/cluster/test_setup.py asks a real server."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.rights import (
    missing_rights,
    requests_of,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.service_accounts import AccessRequest
from ansible_collections.imagescan.openshift.tests.support.rights_server import TOKEN, RightsServer
from ansible_collections.imagescan.openshift.tests.support.servers import running_server

PODS, LOGS, JOBS = ("", "pods"), ("", "pods/log"), ("batch", "jobs")


def ask(
    server: t.Callable[[t.Any], t.Any], wishes: t.Sequence[AccessRequest], **options: t.Any
) -> tuple[list[str], list[str]]:
    """What is missing, in words, and the kinds of reviews that were asked for."""
    with running_server(server) as running:
        client = connect(Connection(**{"host": f"http://{running.host}", "api_key": TOKEN, **options}))
        missing = [str(wish) for wish in missing_rights(client, wishes)]
        return missing, [request.target.rpartition("/selfsubject")[2] for request in running.requests]


def test_rights_that_are_listed_cost_one_request() -> None:
    server = RightsServer({PODS: "list watch", LOGS: "get"})
    assert ask(server, requests_of({PODS: "list", LOGS: "get"})) == ([], ["rulesreviews"])


def test_nothing_is_asked_for_nothing() -> None:
    assert ask(RightsServer(), []) == ([], [])


def test_rights_in_a_namespace_are_enough_there_alone() -> None:
    server = RightsServer({PODS: "list"}, {"a": {JOBS: "create"}})
    wishes = [*requests_of({PODS: "list", JOBS: "create"}, "a"), *requests_of({JOBS: "create"}, "b")]
    assert ask(server, wishes) == (["create jobs.batch in b"], ["rulesreviews"] * 3 + ["accessreviews"])
    assert ask(server, requests_of({JOBS: "create"}))[0] == ["create jobs.batch"]


def test_what_the_list_lacks_is_asked_for() -> None:
    """A webhook may allow what no list has."""
    server = RightsServer({PODS: "list"}, hidden={JOBS: "create"})
    assert ask(server, requests_of({JOBS: "create delete"})) == (
        ["delete jobs.batch"],
        ["rulesreviews", "accessreviews", "accessreviews"],
    )


@pytest.mark.parametrize(
    ("rule", "reviews"),
    [
        ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, 1),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]}, 1),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, 2),
        ({"verbs": ["get"], "apiGroups": ["batch"], "resources": ["pods/log"]}, 2),
        ({"verbs": ["list"], "apiGroups": [""], "resources": ["pods/log"]}, 2),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"], "resourceNames": ["one"]}, 2),
        ({"verbs": None}, 2),
        ("rubbish", 2),
    ],
)
def test_a_rule_counts_where_it_allows_all_objects(rule: t.Any, reviews: int, monkeypatch: pytest.MonkeyPatch) -> None:
    server = RightsServer(hidden={LOGS: "get"})
    status = server._status
    monkeypatch.setattr(
        server,
        "_status",
        lambda kind, spec: {"resourceRules": [rule]} if kind.endswith("rulesreviews") else status(kind, spec),
    )
    missing, asked = ask(server, requests_of({LOGS: "get"}))
    assert (missing, len(asked)) == ([], reviews)


def test_who_may_not_ask_is_let_go_on() -> None:
    assert ask(RightsServer(may_ask=False), requests_of({PODS: "list"})) == ([], ["rulesreviews"])


def test_who_sends_no_credentials_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(ApiError, match="no credentials were sent"):
        ask(RightsServer(), requests_of({PODS: "list"}), api_key="")


def test_a_wrong_token_is_told() -> None:
    with pytest.raises(ApiError, match=r"401 .* log in again"):
        ask(RightsServer(), requests_of({PODS: "list"}), api_key="another")
