# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs: every form in which a runtime reports an image, every place that names one, and what counts as use."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery import images
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.cluster import Cluster
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.model import NamedImage
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.selection import DiscoverySelection
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.model import Gathered
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.workloads import (
    WorkloadQuery,
    gather,
    running,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import (
    INTERNAL,
    OPENSHIFT,
    Object,
    RecordedClient,
    damaged,
    digest,
    pod,
    stream,
    workload,
)
from hypothesis import given

APP, DB = "quay.io/team/app:1", "quay.io/team/db:2"
PATHS = {
    "pods": "/api/v1/pods",
    "replicationcontrollers": "/api/v1/replicationcontrollers",
    "jobs": "/apis/batch/v1/jobs",
    "cronjobs": "/apis/batch/v1/cronjobs",
    "deploymentconfigs": "/apis/apps.openshift.io/v1/deploymentconfigs",
    "buildconfigs": "/apis/build.openshift.io/v1/buildconfigs",
}


def client_of(lists: t.Mapping[str, t.Sequence[Object]], groups: t.Sequence[str] = OPENSHIFT) -> RecordedClient:
    """A cluster with these objects, by kind or path."""
    return RecordedClient(
        {PATHS.get(kind, kind if "/" in kind else f"/apis/apps/v1/{kind}"): ones for kind, ones in lists.items()},
        groups,
    )


def read(
    lists: t.Mapping[str, t.Sequence[Object]],
    selection: DiscoverySelection | None = None,
    *,
    old_revisions: bool = False,
    own_namespace: str = "",
) -> Gathered:
    """What these objects name."""
    return look(client_of(lists), WorkloadQuery(old_revisions=old_revisions), selection, own_namespace)


def look(
    client: RecordedClient,
    query: WorkloadQuery | None = None,
    selection: DiscoverySelection | None = None,
    own_namespace: str = "",
) -> Gathered:
    """What the objects of a cluster name."""
    cluster = Cluster(t.cast("t.Any", client), selection or DiscoverySelection(), own_namespace)
    return gather(query or WorkloadQuery(), cluster)


def names(workloads: Gathered) -> set[tuple[str, str, str]]:
    """Name, digest and image ID."""
    return {(one.name, one.digest, one.image_id) for one in workloads.uses}


@pytest.mark.parametrize(
    ("specification", "image_id", "expected"),
    [
        # containerd and CRI-O
        (APP, f"quay.io/team/app@{digest('a')}",
         [("quay.io/team/app@" + digest("a"), digest("a")), (APP, digest("a"))]),
        # dockershim
        ("nginx", f"docker-pullable://nginx@{digest('a')}",
         [("docker.io/library/nginx@" + digest("a"), digest("a")), ("docker.io/library/nginx:latest", digest("a"))]),
        # the specification pins an index, and one of its images runs
        (f"quay.io/team/app@{digest('f')}", f"quay.io/team/app@{digest('a')}",
         [("quay.io/team/app@" + digest("a"), digest("a")), ("quay.io/team/app@" + digest("f"), digest("f"))]),
        # an image ID alone, with a pinned specification
        (f"quay.io/team/app@{digest('f')}", digest("c"), [("quay.io/team/app@" + digest("f"), digest("f"))]),
        # a specification that is none, as an image that a tool put on the node
        ("!", f"quay.io/team/app@{digest('a')}", [("quay.io/team/app@" + digest("a"), digest("a"))]),
    ],
)  # fmt: skip
def test_what_runs(specification: str, image_id: str, expected: list[tuple[str, str]]) -> None:
    assert [(one.name, one.digest) for one in running(specification, image_id)] == expected


def test_the_same_files_under_another_repository() -> None:
    exact, asked = running("mirror.example.com/x/app:1", f"quay.io/team/app@{digest('a')}")
    assert (exact.doubtful, asked.doubtful, asked.digest) == (False, True, digest("a"))


@pytest.mark.parametrize("image_id", [digest("c"), "c" * 64, f"docker://{digest('c')}"])
def test_an_image_id_alone_is_never_taken_for_a_manifest(image_id: str) -> None:
    assert running(APP, image_id) == [NamedImage(APP, "workloads", image_id=digest("c"))]


@pytest.mark.parametrize("image_id", ["x", "sha256:abc", "quay.io/a@sha256:abc", "@", "a" * 5000, "rootfs:/etc"])
def test_an_image_id_that_cannot_be_read(image_id: str) -> None:
    with pytest.raises(ScanError) as caught:
        running(APP, image_id)
    assert caught.value.code == "image-id"


def test_every_place_of_a_pod() -> None:
    one = pod("shop", "a", {"main": (APP, f"quay.io/team/app@{digest('a')}")})
    one["spec"]["initContainers"] = [{"name": "init", "image": "quay.io/team/init:1"}]
    one["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "quay.io/team/debug:1"}]
    one["spec"]["volumes"] = [
        {"name": "data", "image": {"reference": "quay.io/team/data:1"}},
        {"name": "later", "image": {"reference": "quay.io/team/later:1"}},
        {"name": "empty", "emptyDir": {}},
    ]
    one["status"]["initContainerStatuses"] = [{"name": "init", "imageID": f"quay.io/team/init@{digest('b')}"}]
    one["status"]["ephemeralContainerStatuses"] = [{"name": "debug", "imageID": f"quay.io/team/debug@{digest('c')}"}]
    mounted = {"image": {"imageRef": f"quay.io/team/data@{digest('d')}"}}
    one["status"]["containerStatuses"][0]["volumeMounts"] = [{"name": "data", "volumeStatus": mounted}]
    told = {(name, known) for name, known, _id in names(read({"pods": [one]})) if "@" not in name}
    assert told == {
        (APP, digest("a")),
        ("quay.io/team/init:1", digest("b")),
        ("quay.io/team/debug:1", digest("c")),
        ("quay.io/team/data:1", digest("d")),
        ("quay.io/team/later:1", ""),
    }


@pytest.mark.parametrize(
    ("phase", "reference", "reported", "unseen"),
    [
        ("Running", "quay.io/team/data:1", "", True),
        ("Running", "quay.io/team/data:1", f"quay.io/team/data@{digest('d')}", False),
        ("Running", f"quay.io/team/data@{digest('d')}", "", False),
        ("Pending", "quay.io/team/data:1", "", False),
    ],
)
def test_a_tag_that_is_mounted_may_have_moved_since(phase: str, reference: str, reported: str, unseen: bool) -> None:
    one = pod("shop", "a", {"main": (APP, f"quay.io/team/app@{digest('a')}")}, phase)
    one["spec"]["volumes"] = [{"name": "data", "image": {"reference": reference}}]
    if reported:
        mounted = {"image": {"imageRef": reported}}
        one["status"]["containerStatuses"][0]["volumeMounts"] = [{"name": "data", "volumeStatus": mounted}]
    told = [(problem.name, problem.code) for problem in read({"pods": [one]}).unidentified]
    assert told == ([(reference, "image-volume-unseen")] if unseen else [])


def test_a_pod_whose_init_container_runs_has_its_volumes() -> None:
    one = pod("shop", "a", {"main": (APP, "")}, "Pending")
    one["spec"]["initContainers"] = [{"name": "init", "image": DB}]
    one["spec"]["volumes"] = [{"name": "data", "image": {"reference": "quay.io/team/data:1"}}]
    assert not read({"pods": [one]}).unidentified
    one["status"]["initContainerStatuses"] = [{"name": "init", "imageID": f"quay.io/team/db@{digest('b')}"}]
    assert [problem.code for problem in read({"pods": [one]}).unidentified] == ["image-volume-unseen"]


def test_a_pod_that_waits_is_named_and_counts() -> None:
    workloads = read({"pods": [pod("shop", "a", {"main": (APP, "")}, "Pending")]})
    assert len(workloads.uses) == 1
    one, usage = next(iter(workloads.uses.items()))
    assert (one.name, one.digest, len(usage.pods)) == (APP, "", 1)


def test_a_pod_that_has_ended_is_found_by_what_it_ran_and_counts_as_no_use() -> None:
    ran = pod("shop", "a", {"main": (APP, f"quay.io/team/app@{digest('a')}")}, "Succeeded")
    evicted = pod("shop", "b", {"main": (DB, "")}, "Failed")
    workloads = read({"pods": [ran, evicted]})
    assert names(workloads) == {(APP, digest("a"), ""), (f"quay.io/team/app@{digest('a')}", digest("a"), "")}
    assert not any(usage.pods for usage in workloads.uses.values())
    assert [(one.name, one.count) for one in workloads.excluded] == [("pods in namespace shop", 1)]


def test_use_is_counted_by_pod_and_namespace() -> None:
    ran = f"quay.io/team/app@{digest('a')}"
    pods = [pod(name, f"p{number}", {"a": (APP, ran), "b": (APP, ran)}) for number, name in enumerate(("x", "x", "y"))]
    usage = read({"pods": pods}).uses[NamedImage(APP, "workloads", digest("a"), past="pod")]
    assert (len(usage.pods), usage.namespaces) == (3, {"x", "y"})


def test_our_own_pods_count_as_no_use_but_only_in_our_namespace() -> None:
    ours = {"labels": {"app.kubernetes.io/managed-by": "imagescan.openshift"}}
    pods = [
        pod(name, "p", {"a": (APP, f"quay.io/team/app@{digest('a')}")}, metadata=ours) for name in ("scans", "evil")
    ]
    workloads = read({"pods": pods}, own_namespace="scans")
    assert {name for usage in workloads.uses.values() for name in usage.namespaces} == {"evil"}
    assert [(one.name, one.reason) for one in workloads.excluded] == [
        ("pods in namespace scans", "they are our own scanner's")
    ]


def test_templates() -> None:
    cron = workload("shop", "c", spec={"jobTemplate": {"spec": workload("", "", "quay.io/x/cron:1")["spec"]}})
    kinds = ("deployments", "statefulsets", "daemonsets", "jobs", "replicationcontrollers", "deploymentconfigs")
    lists = {kind: [workload("shop", "w", f"quay.io/x/{kind}:1", spec={"replicas": 0})] for kind in kinds}
    told = names(read({**lists, "cronjobs": [cron]}))
    assert told == {(f"quay.io/x/{kind}:1", "", "") for kind in (*kinds, "cron")}


@pytest.mark.parametrize("old_revisions", [False, True])
def test_what_is_over(old_revisions: bool) -> None:
    owned = {"ownerReferences": [{"controller": True, "kind": "Deployment", "name": "app"}]}
    # Nobody reads the template of this owner, so that of its ReplicaSet is all that tells what would run.
    foreign = {"ownerReferences": [{"controller": True, "kind": "Rollout", "name": "app"}]}
    ended = {"conditions": [{"type": "Complete", "status": "True"}]}
    lists = {
        "replicasets": [
            workload("shop", "old", "quay.io/x/old:1", spec={"replicas": 0}, metadata=owned),
            workload("shop", "new", "quay.io/x/new:1", spec={"replicas": 2}, metadata=owned),
            workload("shop", "alone", "quay.io/x/alone:1", spec={"replicas": 0}),
            workload("shop", "idle", "quay.io/x/idle:1", spec={"replicas": 0}, metadata=foreign),
        ],
        "jobs": [
            workload("shop", "job", "quay.io/x/job:1", status=ended),
            workload("shop", "next", "quay.io/x/next:1"),
        ],
    }
    workloads = read(lists, old_revisions=old_revisions)
    told = {name for name, _digest, _id in names(workloads)}
    always = {"quay.io/x/new:1", "quay.io/x/alone:1", "quay.io/x/idle:1", "quay.io/x/next:1"}
    assert told == always | ({"quay.io/x/old:1", "quay.io/x/job:1"} if old_revisions else set())
    assert sum(one.count for one in workloads.excluded) == (0 if old_revisions else 2)


def test_a_template_that_a_pod_of_its_namespace_runs_needs_no_registry() -> None:
    running_pod = pod("shop", "p", {"a": (APP, f"quay.io/team/app@{digest('a')}")})
    told = names(read({"pods": [running_pod], "deployments": [workload("shop", "d", APP)]}))
    assert (APP, "", "") not in told
    told = names(read({"pods": [running_pod], "deployments": [workload("other", "d", APP)]}))
    assert (APP, "", "") in told


def test_builds() -> None:
    one = {
        "metadata": {"namespace": "shop", "name": "b"},
        "spec": {
            "strategy": {"dockerStrategy": {"from": {"kind": "DockerImage", "name": "quay.io/x/builder:1"}}},
            "source": {"images": [{"from": {"kind": "ImageStreamTag", "name": "tool:2", "namespace": "tools"}}]},
            "output": {"to": {"kind": "ImageStreamTag", "name": "app:latest"}},
        },
    }
    given = stream("tools", "tool", (), **{"2": [(digest("a"), f"quay.io/x/tool@{digest('a')}")]})
    told = names(read({"buildconfigs": [one], f"{images.PREFIX}/namespaces/tools/imagestreams": [given]}))
    assert told == {("quay.io/x/builder:1", "", ""), (f"{INTERNAL}/tools/tool:2", digest("a"), "")}


def test_a_deployment_config_whose_image_a_trigger_sets() -> None:
    one = workload("shop", "d", " ", "quay.io/x/sidecar:1")
    change = {"containerNames": ["c0"], "from": {"kind": "ImageStreamTag", "name": "app:latest"}}
    one["spec"]["triggers"] = [{"type": "ConfigChange"}, {"type": "ImageChange", "imageChangeParams": change}]
    given = stream("shop", "app", latest=[(digest("a"), f"quay.io/x/app@{digest('a')}")])
    told = names(read({"deploymentconfigs": [one], f"{images.PREFIX}/namespaces/shop/imagestreams": [given]}))
    assert told == {(f"{INTERNAL}/shop/app:latest", digest("a"), ""), ("quay.io/x/sidecar:1", "", "")}


def test_a_tag_of_the_integrated_registry_is_what_its_stream_says() -> None:
    given = stream("shop", "app", latest=[(digest("a"), f"quay.io/x/app@{digest('a')}")])
    lists = {
        "deployments": [workload("shop", "d", f"{INTERNAL}/shop/app:latest", f"{INTERNAL}/shop/none:1")],
        f"{images.PREFIX}/namespaces/shop/imagestreams": [given],
    }
    assert names(read(lists)) == {
        (f"{INTERNAL}/shop/app:latest", digest("a"), ""),
        (f"{INTERNAL}/shop/none:1", "", ""),
    }


def test_an_image_stream_tag_that_does_not_exist_is_reported() -> None:
    source = {"kind": "ImageStreamTag", "name": "none:1"}
    one = {"metadata": {"namespace": "shop", "name": "b"}, "spec": {"strategy": {"sourceStrategy": {"from": source}}}}
    (problem,) = read({"buildconfigs": [one]}).unidentified
    assert problem.code == "cluster-not-found"
    assert "buildconfigs shop/b" in problem.message


@pytest.mark.parametrize("text", ["rootfs:/etc", "oci:/etc/passwd", "Team/App", " ", "x" * 5000, "a b", "\x1b[2J"])
def test_a_reference_that_is_none_is_reported_under_a_name_that_leads_nowhere(text: str) -> None:
    workloads = read({"deployments": [workload("shop", "d", text)]})
    assert not workloads.uses
    (problem,) = workloads.unidentified
    assert problem.name.startswith("'") and problem.name.isprintable()
    assert "named by deployments shop/d" in problem.message


def test_a_name_like_a_transport_is_a_name_in_a_registry() -> None:
    assert names(read({"deployments": [workload("shop", "d", "oci:1")]})) == {("docker.io/library/oci:1", "", "")}


@pytest.mark.parametrize("value", [None, 7, "x", [], {"template": 3}, {"template": {"spec": {"containers": {}}}}])
def test_an_object_of_another_shape_is_reported(value: t.Any) -> None:
    one = {"metadata": {"namespace": "shop", "name": "d"}, "spec": value}
    workloads = read({"deploymentconfigs": [one], "deployments": [workload("shop", "d", APP)]})
    assert [one.code for one in workloads.unidentified] == ["corrupt-data"]
    assert names(workloads) == {(APP, "", "")}


def test_kinds_that_a_cluster_does_not_have() -> None:
    client = client_of({"pods": [pod("shop", "p", {"a": (APP, "")})]}, ())
    workloads = look(client)
    assert len(workloads.uses) == 1
    assert not any("openshift.io" in path for path, _params in client.asked)


def test_a_kind_that_is_refused_is_no_empty_list() -> None:
    client = client_of({})
    client.refused["/apis/apps/v1/daemonsets"] = 403
    with pytest.raises(ApiError):
        look(client)
    assert not look(client, WorkloadQuery(["pods"])).uses


def test_a_core_kind_that_is_missing_is_an_error_but_not_one_of_openshift() -> None:
    client = client_of({})
    client.refused["/apis/apps.openshift.io/v1/deploymentconfigs"] = 404
    look(client)
    client.refused["/api/v1/pods"] = 404
    with pytest.raises(ApiError):
        look(client)


def test_namespaces_and_labels() -> None:
    pods = [pod(name, "p", {"a": (APP, "")}) for name in ("shop", "kube-system", "openshift-dns", "other")]
    workloads = read({"pods": pods}, DiscoverySelection((re.compile("shop|kube.*|openshift-dns"),)))
    assert {name for usage in workloads.uses.values() for name in usage.namespaces} == {"shop"}
    assert {(one.name, one.count) for one in workloads.excluded} == {
        (f"pods in namespace {name}", 1) for name in ("kube-system", "openshift-dns", "other")
    }
    client = client_of({"/api/v1/namespaces/shop/pods": pods[:1]})
    selection = DiscoverySelection((re.compile("shop"),), label_selector="a=b")
    look(client, WorkloadQuery(["pods"]), selection)
    assert client.asked == [("/api/v1/namespaces/shop/pods", {"labelSelector": "a=b"})]


def test_on_plain_kubernetes_anybody_may_have_a_namespace_called_openshift() -> None:
    client = client_of({"pods": [pod("openshift-mine", "p", {"a": (APP, "")})]}, ())
    assert look(client).uses


CHANGE = {"containerNames": ["c0"], "from": {"kind": "ImageStreamTag", "name": "app:latest"}}
CONFIG = workload("shop", "d", " ", spec={"triggers": [{"type": "ImageChange", "imageChangeParams": CHANGE}]})
POD = pod("shop", "p", {"a": (APP, f"quay.io/team/app@{digest('a')}")}, volumes=[{"image": {"reference": DB}}])


@given(damaged(POD), damaged(CONFIG))
def test_no_object_makes_the_search_fail(pod_like: t.Any, config_like: t.Any) -> None:
    workloads = read({"pods": [pod_like], "deploymentconfigs": [config_like], "deployments": [workload("x", "d", APP)]})
    assert any(one.name == APP and "x" in usage.namespaces for one, usage in workloads.uses.items())
    repr(workloads).encode("utf-8")
