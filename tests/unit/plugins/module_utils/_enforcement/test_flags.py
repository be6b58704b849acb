# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image objects as no real API server keeps or answers them. The rest is in tests/cluster/test_annotations.py."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.parse

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.flags import (
    FAILED,
    GONE,
    SINGLE_READS,
    TRIES,
    WRITTEN,
    FlagOutcome,
    ImageState,
    apply,
    apply_all,
    read_images,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import AnnotationPatch, others_say
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.tests.support.servers import (
    Answer,
    Request,
    RunningServer,
    running_server,
)

IMAGES = "/apis/image.openshift.io/v1/images"
DIGESTS = [f"sha256:{number:064x}" for number in range(1, 400)]


class Api:
    """Answers in place of an API server. ``refuse``: the status for every patch."""

    def __init__(
        self, items: t.Sequence[t.Any] = (), refuse: int = 0, groups: t.Sequence[str] = ("image.openshift.io",)
    ):
        self.items = list(items)
        self.refuse = refuse
        self.groups = groups
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        path = urllib.parse.urlsplit(request.target).path
        if path == "/apis":
            return said({"groups": [{"name": name} for name in ("apps", *self.groups)]})
        if path == IMAGES:
            return said({"items": self.items, "metadata": {}})
        if request.method == "PATCH" and self.refuse:
            return said({"kind": "Status", "message": "no", "reason": "no"}, self.refuse)
        for item in self.items:
            if path == f"{IMAGES}/{item['metadata']['name']}":
                return said(item)
        name = path.rpartition("/")[2]
        message = f'images.image.openshift.io "{name}" not found'
        return said({"kind": "Status", "reason": "NotFound", "message": message}, 404)

    def sent(self, method: str) -> list[Request]:
        """Requests for images with this method."""
        return [request for request in self.requests if request.method == method and request.target.startswith(IMAGES)]


def said(value: t.Any, status: int = 200) -> Answer:
    """An answer of JSON."""
    return Answer(status, json.dumps(value).encode(), {})


def item(digest: str, annotations: t.Any = None, labels: t.Any = None) -> dict[str, t.Any]:
    """An Image object."""
    metadata = {"name": digest, "resourceVersion": "7", "annotations": annotations, "labels": labels}
    return {"metadata": metadata, "dockerImageMetadata": {"Size": 1}}


def client_of(server: RunningServer, **options: t.Any) -> KubernetesClient:
    """A client for a stub on loopback."""
    return connect(Connection(host=f"http://{server.host}", api_key="canary", **options))


def say(_state: ImageState) -> AnnotationPatch:
    """A decision that never agrees with what is there."""
    return AnnotationPatch({"a": "b"}, {})


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses pass at once."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_values_that_are_no_text_and_huge_ones_are_read_as_they_are() -> None:
    huge = {
        "quality.images.openshift.io/vulnerability.x": "x" * 300_000,
        "number": 7,
        "nothing": None,
        "map": {"a": "b"},
    }
    items = [
        item(DIGESTS[0], huge, ["no", "map"]),
        item(DIGESTS[1], "no map", {"a": True, "b": "c"}),
        {"metadata": "none"},
        {"metadata": {"name": "latest"}},
        {},
    ]
    with running_server(Api(items)) as server:
        states = read_images(client_of(server))
    assert set(states) == set(DIGESTS[:2])
    assert list(states[DIGESTS[0]].annotations) == ["quality.images.openshift.io/vulnerability.x"]
    assert states[DIGESTS[0]].labels == states[DIGESTS[1]].annotations == {}
    assert states[DIGESTS[1]].labels == {"b": "c"}
    assert "at most 262144" in others_say(states[DIGESTS[0]].annotations, "imagescan")[0].problem


def test_few_are_read_one_by_one_and_many_by_one_list() -> None:
    api = Api([item(digest) for digest in DIGESTS])
    with running_server(api) as server:
        client = client_of(server)
        assert list(read_images(client, [*DIGESTS[:3], f"sha256:{0:064x}", DIGESTS[0]])) == DIGESTS[:3]
        assert len(api.sent("GET")) == 4
        assert all("PartialObjectMetadata;" in request.headers["accept"] for request in api.sent("GET"))
        api.requests.clear()
        assert list(read_images(client, DIGESTS[: SINGLE_READS + 1])) == DIGESTS[: SINGLE_READS + 1]
        assert [urllib.parse.urlsplit(request.target).path for request in api.sent("GET")] == [IMAGES]
        assert not read_images(client, [])


def test_a_name_that_is_no_digest_reaches_no_path() -> None:
    with running_server(Api()) as server:
        client = client_of(server)
        with pytest.raises(InputError, match="is not a digest"):
            read_images(client, ["../../../api/v1/secrets"])
        outcome = apply(client, "x/y", say)
    assert (outcome.state, outcome.change) == (FAILED, AnnotationPatch({}, {}))


def test_a_cluster_without_image_objects_says_so() -> None:
    with running_server(Api(groups=())) as server, pytest.raises(InputError, match="deny_list works on every cluster"):
        read_images(client_of(server))


def test_an_image_that_others_change_all_the_time_fails_alone() -> None:
    api = Api([item(DIGESTS[0])], refuse=409)
    with running_server(api) as server:
        outcome = apply(client_of(server), DIGESTS[0], say)
    assert (outcome.state, outcome.conflicts) == (FAILED, TRIES)
    assert "409" in str(outcome.error)
    assert len(api.sent("PATCH")) == TRIES + 1


def test_a_server_that_does_not_know_the_kind_yet_is_asked_again() -> None:
    unknown = {"kind": "Status", "reason": "NotFound", "message": "the server could not find the requested resource"}
    api, starting = Api([item(DIGESTS[0])]), [3]

    def answer(request: Request) -> Answer:
        if request.target.startswith(IMAGES) and starting[0]:
            starting[0] -= 1
            return said(unknown, 404)
        return api(request)

    with running_server(answer) as server:
        assert apply(client_of(server), DIGESTS[0], say).state == WRITTEN
        starting[0] = 1000
        outcome = apply(client_of(server), DIGESTS[0], say)
    assert (outcome.state, outcome.error and outcome.error.code) == (FAILED, "cluster-not-found")


def test_what_cannot_be_decided_fails_alone() -> None:
    def decide(state: ImageState) -> AnnotationPatch:
        if state.digest == DIGESTS[1]:
            raise CorruptData("odd")
        return say(state)

    api = Api([item(digest) for digest in DIGESTS[:3]])
    with running_server(api) as server:
        outcomes = apply_all(client_of(server), decide, DIGESTS[:4], {})
    assert [outcome.digest for outcome in outcomes] == DIGESTS[:4]
    assert [outcome.state for outcome in outcomes] == [WRITTEN, FAILED, WRITTEN, GONE]
    assert str(outcomes[1].error) == "odd"


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_cluster_that_refuses_is_not_asked_for_every_image(status: int) -> None:
    api = Api([item(digest) for digest in DIGESTS], refuse=status)
    seen: list[FlagOutcome] = []
    with running_server(api) as server:
        outcomes = apply_all(
            client_of(server, deadline=0.5),
            say,
            DIGESTS,
            read_images(client_of(server)),
            concurrency=4,
            beat=seen.append,
        )
    assert [outcome.state for outcome in outcomes] == [FAILED] * len(DIGESTS)
    assert len({str(outcome.error) for outcome in outcomes}) <= 4
    assert len({request.target for request in api.sent("PATCH")}) <= 4
    assert len(seen) == len(DIGESTS)


def test_a_dry_run_sends_no_patch() -> None:
    api = Api([item(digest) for digest in DIGESTS[:3]])
    with running_server(api) as server:
        client = client_of(server)
        outcomes = apply_all(client, say, DIGESTS[:3], read_images(client), dry_run=True)
    assert [(outcome.state, outcome.change) for outcome in outcomes] == [(WRITTEN, AnnotationPatch({"a": "b"}, {}))] * 3
    assert {request.method for request in api.requests} == {"GET"}


def test_an_interrupted_run_begins_no_further_image() -> None:
    api = Api([item(digest) for digest in DIGESTS])
    seen: list[FlagOutcome] = []

    def beat(outcome: FlagOutcome) -> None:
        seen.append(outcome)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with running_server(api) as server:
        client = client_of(server)
        with pytest.raises(KeyboardInterrupt):
            apply_all(client, say, DIGESTS, read_images(client), concurrency=2, beat=beat)
    assert len(api.sent("PATCH")) < 100
