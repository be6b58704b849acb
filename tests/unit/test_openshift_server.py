# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for openshift-apiserver says what the real one was measured to say. Tests against it need that."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.tests.support.openshift_server import OpenShiftApi
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import INTERNAL, Object, digest, image

PREFIX = "/apis/image.openshift.io/v1"
IMAGES = f"{PREFIX}/images"
SHOP = f"{PREFIX}/namespaces/shop"


@pytest.fixture
def api() -> t.Iterator[OpenShiftApi]:
    """A server with three images and an empty stream."""
    with OpenShiftApi().running() as running:
        for letter in "ace":
            running.objects.create("images.image.openshift.io", image(letter))
        running.objects.create("imagestreams.image.openshift.io", {"metadata": {"namespace": "shop", "name": "web"}})
        yield running


@pytest.fixture
def client(api: OpenShiftApi) -> KubernetesClient:
    """A client for it."""
    return connect(Connection(host=api.url, deadline=2.0))


def names(page: Object) -> list[str]:
    """Letters of the images of a page."""
    return [item["metadata"]["name"][-1] for item in page["items"]]


def events(client: KubernetesClient, path: str = IMAGES, **params: t.Any) -> list[Object]:
    """What a watch tells until it ends."""
    found = []
    with client.stream(path, {"watch": True, "timeoutSeconds": 0.3, **params}) as stream:
        while line := stream.readline(1 << 20):
            found.append(json.loads(line))
    return found


def status(client: KubernetesClient, method: str, path: str, body: Object) -> int:
    """The status of an answer."""
    return client.attempt(method, path, body).status


def items(client: KubernetesClient, stream: str, tag: str) -> list[str]:
    """Letters of the images of a tag, newest first."""
    states = client.get(f"{SHOP}/imagestreams/{stream}")["status"]["tags"]
    return [item["image"][-1] for state in states if state["tag"] == tag for item in state["items"]]


def test_pages_are_of_the_moment_of_the_first(api: OpenShiftApi, client: KubernetesClient) -> None:
    first = client.get(IMAGES, {"limit": 2})
    api.objects.create("images.image.openshift.io", image("d"))
    second = client.get(IMAGES, {"limit": 2, "continue": first["metadata"]["continue"]})
    assert (names(first), names(second)) == (["a", "c"], ["e"])
    assert first["metadata"]["remainingItemCount"] == 1
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]
    assert (first["kind"], first["apiVersion"]) == ("ImageList", "image.openshift.io/v1")


def test_after_a_compaction_the_rest_of_a_list_is_of_now(api: OpenShiftApi, client: KubernetesClient) -> None:
    first = client.get(IMAGES, {"limit": 2})
    api.objects.create("images.image.openshift.io", image("b"))
    api.objects.create("images.image.openshift.io", image("d"))
    api.store.compact()
    with pytest.raises(ApiError, match="too old to display a consistent list") as caught:
        client.get(IMAGES, {"limit": 2, "continue": first["metadata"]["continue"]})
    assert (caught.value.status, caught.value.reason) == (410, "Expired")
    rest = client.get(IMAGES, {"limit": 2, "continue": caught.value.continuation})
    assert names(rest) == ["d", "e"]
    assert int(rest["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


def test_a_version_that_is_too_old_is_an_event(client: KubernetesClient) -> None:
    (event,) = events(client, resourceVersion=1)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert "too old resource version: 1 (" in event["object"]["message"]


def test_initial_events_are_refused(client: KubernetesClient) -> None:
    with pytest.raises(ApiError, match="WatchList feature gate") as caught:
        events(client, sendInitialEvents=True, resourceVersionMatch="NotOlderThan")
    assert caught.value.status == 422


def test_a_watch_tells_changes_and_bookmarks_and_ends(api: OpenShiftApi, client: KubernetesClient) -> None:
    version = client.get(IMAGES)["metadata"]["resourceVersion"]
    client.merge_patch(f"{IMAGES}/{digest('a')}", {"metadata": {"annotations": {"x": "y"}}})
    client.delete(f"{IMAGES}/{digest('c')}")
    assert client.get(f"{IMAGES}/{digest('a')}")["metadata"]["annotations"]["x"] == "y"
    assert [event["type"] for event in events(client, resourceVersion=version)] == ["MODIFIED", "DELETED"]
    assert [event["type"] for event in events(client)] == ["ADDED"] * 2
    api.bookmark_after = 0.2
    began = time.monotonic()
    (bookmark,) = events(client, resourceVersion=api.store.version, allowWatchBookmarks=True)
    assert (bookmark["type"], bookmark["object"]["kind"]) == ("BOOKMARK", "Image")
    assert bookmark["object"]["metadata"] == {"resourceVersion": str(api.store.version)}
    assert time.monotonic() - began >= 0.3


def test_a_restart_forgets_events_and_a_compaction_does_not(api: OpenShiftApi, client: KubernetesClient) -> None:
    version = api.store.version
    api.objects.create("images.image.openshift.io", image("b"))
    api.store.compact()
    assert [event["type"] for event in events(client, resourceVersion=version)] == ["ADDED"]
    api.restart()
    assert [event["type"] for event in events(client, resourceVersion=version)] == ["ERROR"]


def test_a_mapping_pushes_an_image_and_keeps_the_history_of_its_tag(client: KubernetesClient) -> None:
    for letter in ("a", "f", "f", "a"):
        pushed = {"metadata": {"name": "web"}, "image": image(letter, f"{INTERNAL}/shop/web"), "tag": "v1"}
        assert client.create(f"{SHOP}/imagestreammappings", pushed)["status"] == "Success"
    assert items(client, "web", "v1") == ["a", "f", "a"]
    assert client.get(f"{IMAGES}/{digest('f')}")["dockerImageReference"] == f"{INTERNAL}/shop/web@{digest('f')}"
    assert client.get(f"{SHOP}/imagestreamtags/web:v1")["image"]["metadata"]["name"] == digest("a")
    assert client.get(f"{SHOP}/imagestreams/web")["status"]["dockerImageRepository"] == f"{INTERNAL}/shop/web"
    missing = {"metadata": {"name": "none"}, "image": image("b"), "tag": "v1"}
    assert status(client, "POST", f"{SHOP}/imagestreammappings", missing) == 404
    assert status(client, "GET", f"{SHOP}/imagestreammappings", {}) == 405


def test_a_tag_of_a_tag_has_its_image_and_follows_it(api: OpenShiftApi, client: KubernetesClient) -> None:
    api.push("shop", "web", image("a"), "v1")
    alias = {"metadata": {"name": "web:alias"}, "tag": {"from": {"kind": "ImageStreamTag", "name": "v1"}}}
    stolen = {"kind": "ImageStreamTag", "namespace": "shop", "name": "web:v1"}
    client.create(f"{SHOP}/imagestreamtags", alias)
    client.create(f"{SHOP}/imagestreamtags", {"metadata": {"name": "other:new"}, "tag": {"from": stolen}})
    assert (items(client, "web", "alias"), items(client, "other", "new")) == (["a"], ["a"])
    assert status(client, "POST", f"{SHOP}/imagestreamtags", alias) == 409
    api.push("shop", "web", image("c"), "v1")
    assert (items(client, "web", "alias"), items(client, "other", "new")) == (["c", "a"], ["a"])


def test_an_import_takes_what_another_registry_has(api: OpenShiftApi, client: KubernetesClient) -> None:
    api.objects.upstream["quay.io/team/app:1"] = image("f")
    wishes = [{"from": {"kind": "DockerImage", "name": f"quay.io/team/app:{n}"}, "to": {"name": n}} for n in "12"]
    done = client.create(
        f"{SHOP}/imagestreamimports", {"metadata": {"name": "app"}, "spec": {"import": True, "images": wishes}}
    )
    assert [one["status"]["status"] for one in done["status"]["images"]] == ["Success", "Failure"]
    stream = client.get(f"{SHOP}/imagestreams/app")
    assert items(client, "app", "1") == ["f"]
    assert stream["spec"]["tags"][0]["generation"] == stream["status"]["tags"][0]["items"][0]["generation"]
    assert "manifest unknown" in stream["status"]["tags"][1]["conditions"][0]["message"]


def test_instantiate_writes_the_image_of_a_trigger_into_the_template(
    api: OpenShiftApi, client: KubernetesClient
) -> None:
    api.push("shop", "web", image("a"), "v1")
    params = {"automatic": True, "containerNames": ["app"], "from": {"kind": "ImageStreamTag", "name": "web:v1"}}
    spec = {
        "triggers": [{"type": "ConfigChange"}, {"type": "ImageChange", "imageChangeParams": params}],
        "template": {"spec": {"containers": [{"name": "app", "image": " "}, {"name": "side", "image": "x"}]}},
    }
    path = "/apis/apps.openshift.io/v1/namespaces/shop/deploymentconfigs"
    client.create(path, {"metadata": {"name": "web"}, "spec": spec})
    request = {"kind": "DeploymentRequest", "name": "web", "latest": True, "force": True}
    done = client.create(f"{path}/web/instantiate", request)
    containers = done["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == [f"quay.io/team/app@{digest('a')}", "x"]
    assert done["status"]["latestVersion"] == 1


def test_names_with_a_colon_are_names_and_paths_are_not(client: KubernetesClient) -> None:
    assert status(client, "POST", IMAGES, image("b")) == 201
    assert status(client, "POST", IMAGES, image("b")) == 409
    assert status(client, "POST", IMAGES, {"metadata": {"name": "a/b"}}) == 422
    assert status(client, "GET", f"{IMAGES}/{digest('7').replace(':', '%3A')}", {}) == 404
    assert client.get(f"{IMAGES}/{digest('b').replace(':', '%3A')}")["metadata"]["name"] == digest("b")
    assert status(client, "GET", f"{PREFIX}/nothing", {}) == 404


def test_the_groups_tell_their_resources(client: KubernetesClient) -> None:
    assert {"image.openshift.io", "apps.openshift.io", "build.openshift.io"} <= client.groups()
    told = {one["name"]: one for one in client.get(PREFIX)["resources"]}
    assert set(told) == {f"image{name}" for name in ("s", "streams", "streamtags", "streammappings", "streamimports")}
    assert (told["images"]["namespaced"], told["imagestreams"]["namespaced"]) == (False, True)
    apps = {one["name"] for one in client.get("/apis/apps.openshift.io/v1")["resources"]}
    assert apps == {"deploymentconfigs", "deploymentconfigs/instantiate"}
