# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What objects of a cluster and tags of a registry tell of new images. The rest is in tests/cluster."""

from __future__ import annotations

import re
import threading
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.cluster import Cluster
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_queue import (
    Backlog,
    State,
    event_of,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.event_sources import Arrivals, Poll
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.model import Arrival
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.selection import DiscoverySelection
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.registry import RegistryQuery
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.table import WATCHED
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import (
    INTERNAL,
    OPENSHIFT,
    PUBLIC,
    Object,
    RecordedClient,
    damaged,
    digest,
    image,
    pod,
    stream,
)
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from hypothesis import given, settings, strategies

MANIFEST = b'{"schemaVersion": 2}'
RAN = {"app": ("quay.io/team/app:1", f"quay.io/team/app@{digest('a')}")}


def arrivals_of(
    kind: str,
    item: Object,
    groups: t.Sequence[str] = (),
    own_namespace: str = "",
    selection: DiscoverySelection | None = None,
) -> list[Arrival]:
    """What an object of a watched kind tells."""
    client = t.cast("t.Any", RecordedClient({}, groups))
    return WATCHED[kind].read(item, Cluster(client, selection or DiscoverySelection(), own_namespace))


def test_an_image_object_made_anew_is_another_one() -> None:
    first, again = (image("a"), image("a"))
    first["metadata"]["uid"], again["metadata"]["uid"] = "1", "2"
    (one,) = arrivals_of("images", first)
    (other,) = arrivals_of("images", again)
    assert (one.reference, one.digest, one.source) == (f"quay.io/team/app@{digest('a')}", digest("a"), "images")
    assert one.print != other.print
    assert event_of([one, other], "b")["imagescan"]["count"] == 1


def test_an_image_object_without_a_name_is_told_of_all_the_same() -> None:
    (one,) = arrivals_of("images", image("a", dockerImageReference=""))
    assert (one.reference, one.digest, one.code) == (digest("a"), "", "no-reference")
    (other,) = arrivals_of("images", {"metadata": {"name": "none"}})
    assert other.code == "corrupt-data"


def test_a_stream_tells_its_tags() -> None:
    reference = f"{INTERNAL}/shop/web@{digest('a')}"
    found = arrivals_of("streams", stream("shop", "web", latest=[(digest("a"), reference)]), OPENSHIFT)
    assert {one.reference for one in found} == {f"{INTERNAL}/shop/web:latest", f"{PUBLIC}/shop/web:latest", reference}
    assert {(one.digest, one.namespace) for one in found} == {(digest("a"), "shop")}


def test_a_pod_tells_what_runs_under_its_own_names() -> None:
    found = arrivals_of("pods", pod("shop", "web", RAN))
    assert [(one.reference, one.digest) for one in found] == [
        (f"quay.io/team/app@{digest('a')}", digest("a")),
        ("quay.io/team/app:1", digest("a")),
    ]


def test_a_pod_that_has_not_pulled_yet_tells_only_what_is_pinned() -> None:
    pinned = f"quay.io/team/app@{digest('b')}"
    found = arrivals_of("pods", pod("shop", "web", {"a": ("quay.io/team/app:1", ""), "b": (pinned, "")}))
    assert [(one.reference, one.digest) for one in found] == [(pinned, digest("b"))]


def test_a_config_id_is_no_digest_and_another_one_is_news() -> None:
    found = [
        *arrivals_of("pods", pod("shop", "web", {"app": ("quay.io/team/app:1", "a" * 64)})),
        *arrivals_of("pods", pod("shop", "web", {"app": ("quay.io/team/app:1", "b" * 64)})),
    ]
    assert {(one.reference, one.digest) for one in found} == {("quay.io/team/app:1", "")}
    assert len({one.print for one in found}) == 2


def test_what_is_not_looked_at() -> None:
    ours = pod("scan", "p", RAN, metadata={"labels": {"app.kubernetes.io/managed-by": "imagescan.openshift"}})
    assert arrivals_of("pods", ours, own_namespace="scan") == []
    assert arrivals_of("pods", ours, own_namespace="other") != []
    assert arrivals_of("pods", pod("kube-system", "dns", RAN)) == []
    chosen = DiscoverySelection((re.compile("shop"),))
    assert arrivals_of("pods", pod("other", "web", RAN), selection=chosen) == []
    assert arrivals_of("streams", stream("openshift", "web", a=[(digest("a"), "")]), OPENSHIFT) == []


@settings(max_examples=3 * settings().max_examples)
@given(
    damaged(pod("shop", "web", {**RAN, "side": ("x", "docker-pullable://x@y")})).map(
        lambda item: arrivals_of("pods", item, OPENSHIFT)
    )
    | damaged(stream("shop", "web", latest=[(digest("a"), "")])).map(
        lambda item: arrivals_of("streams", item, OPENSHIFT)
    )
    | damaged(image("a")).map(lambda item: arrivals_of("images", item))
    | strategies.just([])
)
def test_damaged_objects_end_as_images_or_problems(found: list[Arrival]) -> None:
    assert all(one.reference or one.code for one in found)
    event_of(found, "b")


@pytest.mark.parametrize("kind", ["images", "streams"])
def test_a_cluster_without_the_image_api(kind: str) -> None:
    cluster = Cluster(t.cast("t.Any", RecordedClient({})))
    with pytest.raises(InputError, match="not OpenShift"):
        Arrivals(Backlog(State()), lambda: None).watch(cluster, [WATCHED[kind]])


def registry(tags: dict[str, bytes]) -> t.Callable[[Request], Answer]:
    """A registry with one repository; a tag without content is an error."""

    def answer(request: Request) -> Answer:
        if request.target.startswith("/v2/team/app/tags/list"):
            body = b'{"name": "team/app", "tags": [%s]}' % ",".join(f'"{tag}"' for tag in tags).encode()
            return Answer(200, body)
        content = tags.get(request.target.rpartition("/")[2], b"")
        return Answer(200, content) if content else Answer(404)

    return answer


def polled(server: str, state: State, seconds: float = 30.0, **more: t.Any) -> tuple[Arrivals, Backlog]:
    """A poll that has found something, or failed."""
    changed, query = threading.Event(), RegistryQuery(server, (re.compile("team/app"),), limit=5)
    backlog = Backlog(state, changed.set)
    arrivals = Arrivals(backlog, changed.set, **more)
    arrivals.poll(Poll(query, 0.05), Access(plain_http=(server,), retries=0))
    assert changed.wait(seconds)
    return arrivals, backlog


def test_tags_of_a_registry_with_what_they_mean_now() -> None:
    tags = {"1": MANIFEST, "broken": b""}
    with running_server(registry(tags)) as server:
        arrivals, backlog = polled(server.host, State())
        first = backlog.take(9)
        backlog.done()
        tags["1"] = tags["2"] = MANIFEST + b" "
        while backlog.waiting[0] < 2:
            assert arrivals.failure is None
            time.sleep(0.01)
        second = backlog.take(9)
        arrivals.stop()
    assert [one.reference for one in first] == [f"{server.host}/team/app:1"]
    assert {one.reference for one in second} == {f"{server.host}/team/app:{tag}" for tag in "12"}
    assert {one.digest for one in second}.isdisjoint({first[0].digest})


def test_a_registry_that_refuses_ends_it() -> None:
    with running_server(lambda request: Answer(403)) as server:
        arrivals, _backlog = polled(server.host, State())
        arrivals.stop()
    assert arrivals.failure is not None
    assert "403" in str(arrivals.failure)


def test_only_what_is_new_in_a_registry() -> None:
    tags = {"1": MANIFEST}
    state = State()
    with running_server(registry(tags)) as server:
        arrivals, backlog = polled(server.host, state, only_new=True)
        assert state.looked == {f"registry {server.host}"}
        tags["2"] = MANIFEST
        while not backlog.waiting[0]:
            assert arrivals.failure is None
            time.sleep(0.01)
        arrivals.stop()
    assert [one.reference for one in backlog.take(9)] == [f"{server.host}/team/app:2"]
