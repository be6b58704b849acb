# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role ``enforce`` installs is nothing that a drill warns of."""

from __future__ import annotations

import json
import typing as t
import urllib.parse

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.installation import read_installation
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.tests.cluster import enforcing
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def installed(policy: str, **options: t.Any) -> dict[str, t.Any]:
    """What is read of the documents of the role."""
    policies, bindings = enforcing.documents(
        "shop", ["a"], passed={"p-passed-0": "0123456789abcdef"}, passed_namespaces=["b"], **options
    )
    there: dict[str, t.Any] = {
        f"{ADMISSION}/validatingadmissionpolicies/{one['metadata']['name']}": one for one in policies
    }
    there[f"{ADMISSION}/validatingadmissionpolicybindings"] = {"items": bindings}

    def answer(request: Request) -> Answer:
        found = there.get(urllib.parse.urlsplit(request.target).path)
        return Answer(200 if found else 404, json.dumps(found or {"kind": "Status"}).encode())

    with running_server(answer) as server:
        return read_installation(connect(Connection(host=f"http://{server.host}")), policy, [])


@pytest.mark.parametrize("beginnings", [[], ["openshift-"], ["openshift-", "kube-"]])
@pytest.mark.parametrize(("policy", "namespace"), [("shop-deny", "a"), ("shop-passed", "b")])
def test_nothing_limits_what_the_role_installs(policy: str, namespace: str, beginnings: list[str]) -> None:
    found = installed(policy, exempt_beginnings=beginnings)
    assert found["limits"] == []
    assert found["mode"] == "deny"
    assert found["only_namespaces"] == [namespace]
    assert len(found["conditions"]) == bool(beginnings and policy == "shop-deny")


def test_what_the_role_makes_milder_is_said() -> None:
    assert installed("shop-deny", actions=["Warn", "Audit"], failure_policy="Ignore")["limits"] == [
        "what it cannot evaluate is let in (failurePolicy Ignore)",
        "binding shop-deny: does not deny (Warn, Audit)",
    ]
