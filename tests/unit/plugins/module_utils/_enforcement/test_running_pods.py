# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an image: found by what runs and by what is named, counted once, and told by owner."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.running_pods import (
    RunningPods,
    owner_of,
    read_running,
)
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import (
    Object,
    RecordedClient,
    damaged,
    digest,
    pod,
)
from hypothesis import given

A, B, C, D = (digest(letter) for letter in "abcd")


def running(*pods: Object) -> RunningPods:
    """What runs in a cluster with these pods."""
    return read_running(t.cast("t.Any", RecordedClient({"/api/v1/pods": pods})))


def users(found: RunningPods, name: str, *references: str) -> list[str]:
    """Names of pods."""
    return [one.name for one in found.using(name, references)]


def test_a_pod_counts_by_what_runs_and_by_what_it_names() -> None:
    found = running(
        pod("n", "reported", {"c": ("quay.io/team/app:1", f"quay.io/team/app@{A}")}),
        pod("n", "docker", {"c": ("nginx", f"docker-pullable://nginx@{B}")}),
        pod("n", "pinned", {"c": (f"quay.io/team/app@{C}", f"quay.io/team/app@{A}")}),  # an index and one of its images
        pod("n", "waiting", {"c": ("Quay.io/team/app:1", "")}, "Pending"),
        pod("n", "ended", {"c": ("quay.io/team/app:1", f"quay.io/team/app@{A}")}, "Succeeded"),
        pod("n", "config", {"c": ("quay.io/team/tool", D)}),
    )
    assert users(found, A) == ["pinned", "reported"]
    assert users(found, A, "quay.io/team/app:1") == ["pinned", "reported", "waiting"]
    assert users(found, B) == ["docker"]
    assert users(found, D) == []  # the digest of a config is none of a manifest
    assert users(found, B, "docker.io/library/nginx:latest", "quay.io/team/tool:latest") == ["config", "docker"]
    assert users(found, C) == ["pinned"]
    # A at its name, which the pod that waits names too, B, and the one that tells no more than its config.
    assert len(found.images) == 3
    assert found.images_of([A]) == found.images_of([A, C, "quay.io/team/app:1"]) == {A}
    assert len(found.images_of(["quay.io/team/tool:latest"])) == 1
    assert found.images_of(["sha256:" + "9" * 64]) == frozenset()


def test_every_place_of_a_pod_counts_and_pods_count_once() -> None:
    several = pod("n", "several", {"one": ("a/a", f"a/a@{A}"), "two": ("a/b", f"a/b@{A}")})
    several["spec"]["initContainers"] = [{"name": "init", "image": f"a/c@{B}"}]
    several["spec"]["volumes"] = [{"name": "data", "image": {"reference": f"a/d@{C}"}}]
    found = running(several)
    assert users(found, A) == users(found, B) == users(found, C) == ["several"]
    assert len(found.images) == 3


def test_what_runs_in_some_namespaces() -> None:
    found = running(
        pod("mine", "a", {"c": ("quay.io/team/app:1", f"quay.io/team/app@{A}")}),
        pod("other", "a", {"c": ("quay.io/team/app:1", f"quay.io/team/app@{A}")}),
        pod("other", "b", {"c": (f"quay.io/team/app@{B}", "")}),
        pod("other", "c", {"c": ("quay.io/team/third:1", f"quay.io/team/third@{C}")}),
        pod("mine", "waits-for-c", {"c": ("quay.io/team/third:1", "")}, "Pending"),
        pod("mine", "waits", {"c": ("quay.io/team/fourth:1", "")}, "Pending"),
    )
    mine = found.within(lambda name: name == "mine")
    assert mine.images == {A, C, "quay.io/team/fourth:1"}
    assert mine.images_of([A, B, "quay.io/team/fourth:1"]) == {A, "quay.io/team/fourth:1"}
    assert mine.images_of(["quay.io/team/third:1"]) == {C}
    assert found.within(lambda name: name == "other").images == {A, B, C}
    assert found.within(lambda _name: False).images == frozenset()


def owned(kind: str, name: str, **metadata: t.Any) -> Object:
    """A pod with an owner."""
    reference = {"kind": kind, "name": name, "controller": True}
    return pod("n", "p", {}, metadata={"ownerReferences": [{"kind": "Other", "name": "x"}, reference], **metadata})


@pytest.mark.parametrize(
    ("item", "owner"),
    [
        (owned("ReplicaSet", "web-5d9c7b", labels={"pod-template-hash": "5d9c7b"}), ("Deployment", "web")),
        (owned("ReplicaSet", "web-5d9c7b"), ("ReplicaSet", "web-5d9c7b")),
        (owned("ReplicaSet", "web", labels={"pod-template-hash": "5d9c7b"}), ("ReplicaSet", "web")),
        (owned("ReplicaSet", "-5d", labels={"pod-template-hash": "5d"}), ("ReplicaSet", "-5d")),
        (owned("StatefulSet", "db"), ("StatefulSet", "db")),
        (owned("Job", "nightly-29000"), ("Job", "nightly-29000")),
        (
            owned("ReplicationController", "app-3", annotations={"openshift.io/deployment-config.name": "app"}),
            ("DeploymentConfig", "app"),
        ),
        (
            owned("ReplicationController", "app-3", annotations={"openshift.io/deployment-config.name": " \n "}),
            ("ReplicationController", "app-3"),
        ),
        (owned("Bad\x1bKind", "a\nb"), ("Bad?Kind", "a b")),
        (pod("n", "alone", {}), ("Pod", "alone")),
    ],
)
def test_owners_are_told_by_what_pods_say(item: Object, owner: tuple[str, str]) -> None:
    item["metadata"].setdefault("name", "p")
    assert owner_of(item) == owner


@given(damaged(owned("ReplicaSet", "web-1", labels={"pod-template-hash": "1"})))
def test_damaged_pods_are_read_as_far_as_they_go(item: Object) -> None:
    running(item)
