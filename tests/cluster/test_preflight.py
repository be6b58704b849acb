# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real API server says of the shipped accounts, before a run. Mistakes are in tests/unit/test_mistakes.py."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes import rights
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.tests.cluster.accounts import Accounts
from ansible_collections.imagescan.openshift.tests.support.modules import run_module

STEPS = {
    "cluster_steps": ["discover", "scan", "flag"],
    "sources": ["workloads"],
    "scan_method": "job",
    "flag_targets": ["deny_list"],
}


def check(accounts: Accounts, home: Path, **options: t.Any) -> dict[str, t.Any]:
    """Check what a run with these accounts needs."""
    kubeconfigs = {step: str(getattr(accounts, step)) for step in STEPS["cluster_steps"]}
    given = {**STEPS, "kubeconfigs": kubeconfigs, "scan_namespace": accounts.namespace, **options}
    return run_module("scan_preflight", given, home)


def test_the_shipped_accounts_have_the_rights_that_are_asked_for(shared_accounts: Accounts, tmp_path: Path) -> None:
    assert check(shared_accounts, tmp_path)["problems"] == []


def test_each_account_is_told_what_it_lacks_in_one_message(shared_accounts: Accounts, tmp_path: Path) -> None:
    swapped = {"discover": str(shared_accounts.scan), "scan": str(shared_accounts.discover)}
    told = check(shared_accounts, tmp_path, cluster_steps=["discover", "scan"], kubeconfigs=swapped)
    first, second = (problem["message"] for problem in told["problems"])
    user = f"system:serviceaccount:{shared_accounts.namespace}:imagescan"
    assert first.startswith(f"{user}-scan may not do in ")
    assert "list pods, list deployments.apps, list replicasets.apps" in first
    assert "(step discover)" in first
    assert second.startswith(f"{user}-discover may not do in ")
    assert f"create jobs.batch in {shared_accounts.namespace}" in second
    assert f"list pods in {shared_accounts.namespace}" not in second  # it may, everywhere
    assert f"Role imagescan-scanner in the namespace {shared_accounts.namespace}" in second
    assert told["msg"] == f"2 problems were found before anything was read: (1) {first}; (2) {second}"


def test_a_healthy_account_is_known_by_one_list_of_rules(
    shared_accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No right is asked for one by one: the list for a namespace that cannot be has what holds in all."""
    monkeypatch.setattr(rights, "may", lambda _client, wish: pytest.fail(f"asked for {wish}"))
    client = connect(Connection(kubeconfig=str(shared_accounts.discover)))
    assert (
        rights.missing_rights(client, rights.requests_of({("", "pods"): "list", ("apps", "deployments"): "list"})) == []
    )
