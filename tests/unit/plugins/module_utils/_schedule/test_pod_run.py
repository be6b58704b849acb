# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scheduled run in a pod needs of its cluster."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._schedule.pod_run import PodRun

DATA = "/var/lib/imagescan"
STEPS = ("discover", "scan", "judge", "report")


def run(
    variables: t.Mapping[str, t.Any] | None = None,
    steps: t.Collection[str] = STEPS,
    sources: t.Collection[str] = (),
    mount: str = DATA,
) -> PodRun:
    """Describe a run in the namespace ``scans``."""
    return PodRun(variables or {}, steps, sources, "scans", "nightly-schedule", "shop", mount)


def wanted_roles(pod_run: PodRun) -> list[str]:
    """Endings of the roles that it is bound to."""
    return [role.ending for role in pod_run.cluster_roles if role.is_wanted]


@pytest.mark.parametrize(
    ("variables", "mount", "store", "is_kept"),
    [
        ({}, DATA, f"{DATA}/store.db", True),
        ({}, "", "/tmp/imagescan/store.db", False),
        ({"scan_dir": "/tmp/a"}, DATA, "/tmp/a/store.db", False),
        ({"scan_store": "", "imagescan_store": f"sqlite:///{DATA}/b.db"}, DATA, f"sqlite:///{DATA}/b.db", True),
        ({"scan_store": f"{DATA}/a.db", "imagescan_store": "/b.db"}, DATA, f"{DATA}/a.db", True),
        ({"scan_store": f"{DATA}/a.db"}, "", f"{DATA}/a.db", False),
        ({"scan_store": f"{DATA}s/a.db"}, DATA, f"{DATA}s/a.db", False),
        ({"scan_store": f"{DATA}/../a.db"}, DATA, f"{DATA}/../a.db", False),
        ({"scan_store": "postgresql+psycopg://u@h/d"}, "", "postgresql+psycopg://u@h/d", True),
    ],
)
def test_a_store_outlives_the_pod_in_a_volume_or_a_server(
    variables: dict[str, str], mount: str, store: str, is_kept: bool
) -> None:
    pod_run = run(variables, mount=mount)
    assert (pod_run.store, pod_run.keeps_store) == (store, is_kept)


@pytest.mark.parametrize(
    ("variables", "steps", "sources", "roles"),
    [
        ({}, STEPS, (), []),
        ({}, STEPS, ("files", "openshift"), ["discovery", "mirrors"]),
        ({}, ("scan",), ("workloads",), []),
        ({"scan_method": "job"}, STEPS, (), ["mirrors"]),
        ({"scan_method": "job"}, ("judge",), (), []),
        ({"scan_method": ""}, (*STEPS, "flag"), (), ["flagger", "image-auditor"]),
    ],
)
def test_a_run_gets_the_rights_of_its_steps(
    variables: dict[str, str], steps: tuple[str, ...], sources: tuple[str, ...], roles: list[str]
) -> None:
    assert wanted_roles(run(variables, steps, sources)) == roles


def test_what_setup_did_not_make_is_missing_but_for_what_a_cluster_may_lack() -> None:
    pod_run = run({"scan_method": "job"}, (*STEPS, "flag"), ("workloads",))
    everything = ["namespace scans", "Role imagescan-scanner in scans", "ClusterRole shop-discovery"]
    everything.append("ClusterRole shop-flagger")
    assert pod_run.missing([], has_namespace=False, has_scanner=False) == everything
    assert pod_run.missing(["shop-flagger"], has_namespace=True, has_scanner=True) == everything[2:3]
    assert run().missing([], has_namespace=True, has_scanner=False) == []


def test_a_binding_needs_a_role_and_goes_with_the_namespace() -> None:
    pod_run = run({}, (*STEPS, "flag"), ("workloads",))
    parts = pod_run.bindings(["shop-discovery", "shop-mirrors", "other"], {"a": "b"}, "4f2c")
    assert [part["wanted"] for part in parts] == [True, False, True, False]
    assert [part["object"]["metadata"]["name"] for part in parts] == [
        f"shop-nightly-schedule-{ending}" for ending in ("discovery", "flagger", "mirrors", "image-auditor")
    ]
    owners = [part["object"]["metadata"]["ownerReferences"][0] for part in parts]
    assert {(owner["kind"], owner["name"], owner["uid"]) for owner in owners} == {("Namespace", "scans", "4f2c")}
