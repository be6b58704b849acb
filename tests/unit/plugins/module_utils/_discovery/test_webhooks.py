# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of registries' webhooks, as they send them and as somebody hostile would."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.webhooks import IMAGE_LIMIT, read_push
from hypothesis import given, strategies

Json = dict[str, t.Any]
HOST = "registry.example.com"
KNOWN = {HOST: HOST, "inside:5000": "outside.example.com"}
DIGEST = "sha256:" + "a" * 64
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def distribution(**changes: t.Any) -> Json:
    """A notification of the distribution project's registry 2.8, as it came here for one push."""
    target = {
        "mediaType": MANIFEST,
        "size": 708,
        "digest": DIGEST,
        "length": 708,
        "repository": "team/app",
        "url": f"http://{HOST}/v2/team/app/manifests/{DIGEST}",
        "tag": "1",
    }
    event = {
        "id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
        "timestamp": "2026-11-26T02:44:43.402973972Z",
        "action": "push",
        "target": {**target, **changes},
        "request": {"id": "6df24a34", "addr": "192.168.64.11:42961", "host": HOST, "method": "PUT"},
        "actor": {},
        "source": {"addr": "xtal.local:5000", "instanceID": "a53db899"},
    }
    return {"events": [event]}


def quay(**changes: t.Any) -> Json:
    """A notification of Quay for a push."""
    body = {
        "name": "app",
        "repository": "team/app",
        "namespace": "team",
        "docker_url": f"{HOST}/team/app",
        "homepage": f"https://{HOST}/repository/team/app",
        "updated_tags": ["latest", "1"],
    }
    return {**body, **changes}


def harbor(**changes: t.Any) -> Json:
    """A notification of Harbor for a push."""
    resource = {"digest": DIGEST, "tag": "1", "resource_url": f"{HOST}/team/app:1", **changes}
    repository = {"name": "app", "namespace": "team", "repo_full_name": "team/app", "repo_type": "private"}
    data = {"resources": [resource], "repository": repository}
    return {"type": "PUSH_ARTIFACT", "occur_at": 1680501893, "operator": "admin", "event_data": data}


def cloud_event() -> Json:
    """The same as a CloudEvent."""
    plain = harbor()
    return {
        "specversion": "1.0",
        "id": "4b2f89a6",
        "source": "/projects/1/webhook/policies/15",
        "type": "harbor.artifact.pushed",
        "datacontenttype": "application/json",
        "data": plain["event_data"],
    }


@pytest.mark.parametrize("body", [distribution(), harbor(), cloud_event()], ids=["distribution", "harbor", "cloud"])
def test_a_push_with_tag_and_digest(body: Json) -> None:
    push = read_push(body, KNOWN)
    assert [(one.reference, one.digest) for one in push.arrivals] == [(f"{HOST}/team/app:1", DIGEST)]
    assert push.reason == ""


def test_a_push_by_digest_alone() -> None:
    body = distribution()
    del body["events"][0]["target"]["tag"]
    (one,) = read_push(body, KNOWN).arrivals
    assert (one.reference, one.digest) == (f"{HOST}/team/app@{DIGEST}", DIGEST)
    untagged = read_push(harbor(tag="", resource_url=f"{HOST}/team/app@{DIGEST}"), KNOWN).arrivals
    assert [(one.reference, one.digest) for one in untagged] == [(f"{HOST}/team/app@{DIGEST}", DIGEST)]


@pytest.mark.parametrize("tags", [["latest", "1"], {"latest": "id", "1": "id"}])
def test_quay_tells_tags_alone(tags: t.Any) -> None:
    push = read_push(quay(updated_tags=tags), KNOWN)
    assert [(one.reference, one.digest) for one in push.arrivals] == [
        (f"{HOST}/team/app:latest", ""),
        (f"{HOST}/team/app:1", ""),
    ]


def test_a_registry_under_the_name_by_which_it_is_reached() -> None:
    push = read_push(quay(docker_url="inside:5000/team/app", updated_tags=["1"]), KNOWN)
    assert [one.reference for one in push.arrivals] == ["outside.example.com/team/app:1"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "not a JSON object"),
        ([1], "not a JSON object"),
        ({}, "none that Docker distribution, Quay or Harbor send"),
        ({"events": []}, "no push of an image"),
        ({"events": [None, 1, {"action": "push"}, {"action": "push", "target": []}]}, "no push of an image"),
        ({"events": [{**distribution()["events"][0], "action": "pull"}]}, "no push of an image"),
        (distribution(mediaType="application/octet-stream"), "no push of an image"),
        (distribution(repository="../etc"), "no registry or no repository"),
        (distribution(tag="a b", digest="md5:1"), "neither a tag nor a digest"),
        ({"events": [{**distribution()["events"][0], "request": {"host": "evil.example"}}]}, "evil.example"),
        ({"events": [{**distribution()["events"][0], "request": {"host": "{{ x }}"}}]}, "no registry or no repository"),
        (quay(updated_tags="latest"), "no push of an image"),
        (quay(updated_tags=[1, None]), "neither a tag nor a digest"),
        (quay(docker_url="evil.example/team/app"), "evil.example"),
        ({**harbor(), "type": "PULL_ARTIFACT"}, "no push of an image"),
        (harbor(resource_url=7), "no resource_url"),
        (harbor(resource_url="http://x/y"), "no resource_url"),
        (harbor(resource_url="evil.example/team/app:1"), "evil.example"),
        ({"type": "PUSH_ARTIFACT", "event_data": {"resources": {}}}, "no push of an image"),
    ],
)
def test_what_is_no_push_that_we_know_has_a_reason(body: t.Any, reason: str) -> None:
    push = read_push(body, KNOWN)
    assert push.arrivals == ()
    assert reason in push.reason


def test_good_images_count_beside_bad_ones() -> None:
    body = {"events": [*distribution()["events"], *distribution(repository="A")["events"]]}
    push = read_push(body, KNOWN)
    assert len(push.arrivals) == 1
    assert "no registry or no repository" in push.reason


def test_a_huge_body_is_bounded_and_says_so() -> None:
    push = read_push(quay(updated_tags=[f"t{number}" for number in range(IMAGE_LIMIT + 1)]), KNOWN)
    assert len(push.arrivals) == IMAGE_LIMIT
    assert "left out" in push.reason


_ANYTHING = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=9),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = ("events", "action", "target", "request", "docker_url", "updated_tags", "type", "event_data", "resources")


@given(
    _ANYTHING
    | strategies.dictionaries(strategies.sampled_from(_NAMES), _ANYTHING)
    | strategies.builds(lambda part: {"events": part}, _ANYTHING)
    | strategies.builds(lambda part: {"events": [{"action": "push", "target": part}]}, _ANYTHING)
    | strategies.builds(lambda part: distribution(repository=part), _ANYTHING)
    | strategies.builds(lambda part: harbor(tag=part, digest=part), _ANYTHING)
    | strategies.builds(lambda part: quay(updated_tags=part), _ANYTHING)
)
def test_no_body_is_a_crash(body: t.Any) -> None:
    push = read_push(body, KNOWN)
    assert push.arrivals or push.reason
    assert len(push.reason) < 2000
