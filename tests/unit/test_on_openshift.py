# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery and the event source against an API server that behaves as OpenShift's: complete, whatever it does."""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes import watch
from ansible_collections.imagescan.openshift.tests.support.event_listener import Json, Listener
from ansible_collections.imagescan.openshift.tests.support.modules import run_module
from ansible_collections.imagescan.openshift.tests.support.openshift_server import (
    BETWEEN_CHUNKS,
    IN_A_CHUNK,
    OpenShiftApi,
)
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import INTERNAL, digest, image
from ansible_collections.imagescan.openshift.tests.support.servers import Request

SECONDS = 60.0
WEB = f"{INTERNAL}/shop/web"
MANY = 5000
IMAGES, STREAMS = "images.image.openshift.io", "imagestreams.image.openshift.io"


@pytest.fixture
def api() -> t.Iterator[OpenShiftApi]:
    """A server with an empty stream."""
    with OpenShiftApi().running() as running:
        running.objects.create(STREAMS, {"metadata": {"namespace": "shop", "name": "web"}})
        yield running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_FIRST_PAUSE", 0.01)


def numbered(number: int) -> Json:
    """An Image object of the stream, one of many."""
    made = image("a", WEB)
    name = f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"
    made["metadata"]["name"], made["dockerImageReference"] = name, f"{WEB}@{name}"
    return made


def fill(api: OpenShiftApi, begin: int, end: int) -> set[str]:
    """Make so many Image objects; their digests."""
    made = [api.objects.create(IMAGES, numbered(number)) for number in range(begin, end)]
    return {one["metadata"]["name"] for one in made}


def find(api: OpenShiftApi, folder: Path, **options: t.Any) -> set[str]:
    """The digests that discovery finds."""
    access = {"host": api.url, "api_key": "none", "sources": ["openshift"]}
    result = run_module("image_info", {**access, **options}, folder)
    assert not result.get("failed"), result
    assert result["unidentified"] == []
    return {str(one["digest"]) for one in result["images"]}


def until(holds: t.Callable[[], t.Any], seconds: float = SECONDS) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def until_told(listener: Listener, wanted: t.Collection[str]) -> None:
    """Wait until the event source has told of all these digests."""
    until(lambda: len(listener.told(wanted)) == len(wanted))


def break_watch(api: OpenShiftApi, number: int, rest: bytes) -> None:
    """Break the watch that is the first, second and so on."""
    until(lambda: api.begun("images")[1] >= number)
    api.break_watches(rest)


def listening(api: OpenShiftApi, *kinds: str) -> Listener:
    """The event source on this server."""
    return Listener(host=api.url, api_key="none", watch=list(kinds or ("images",)), batch_delay=0.02)


def test_discovery_tells_the_tags_their_history_and_what_was_imported(api: OpenShiftApi, tmp_path: Path) -> None:
    for letter in "abc":
        api.push("shop", "web", image(letter, WEB), "v1")
    api.objects.upstream["quay.io/team/app:1"] = image("d")
    wish = {"from": {"kind": "DockerImage", "name": "quay.io/team/app:1"}, "to": {"name": "1"}}
    place = {"namespace": "shop", "name": "app"}
    api.objects.create("imagestreamimports.image.openshift.io", {"metadata": place, "spec": {"images": [wish]}})
    assert find(api, tmp_path) == set(map(digest, "abcd"))
    assert find(api, tmp_path, openshift={"history": False}) == set(map(digest, "cd"))
    access = {"host": api.url, "api_key": "none", "sources": ["openshift"]}
    found = {one["digest"]: one for one in run_module("image_info", access, tmp_path)["images"]}
    assert f"{WEB}:v1" in found[digest("c")]["references"]
    assert f"{WEB}:v1" not in found[digest("a")]["references"]
    assert f"{INTERNAL}/shop/app:1" in found[digest("d")]["references"]


def test_discovery_says_why_an_import_failed(api: OpenShiftApi, tmp_path: Path) -> None:
    wish = {"from": {"kind": "DockerImage", "name": "quay.io/team/app:1"}, "to": {"name": "1"}}
    place = {"namespace": "shop", "name": "app"}
    api.objects.create("imagestreamimports.image.openshift.io", {"metadata": place, "spec": {"images": [wish]}})
    access = {"host": api.url, "api_key": "none", "sources": ["openshift"]}
    (problem,) = run_module("image_info", access, tmp_path)["unidentified"]
    assert problem["code"] == "import-failed"
    assert "manifest unknown" in problem["message"]


def test_discovery_of_a_cluster_without_a_registry_of_its_own(tmp_path: Path) -> None:
    with OpenShiftApi(registry="").running() as api:
        api.objects.create(STREAMS, {"metadata": {"namespace": "shop", "name": "web"}})
        api.push("shop", "web", image("a"))
        assert find(api, tmp_path) == {digest("a")}


def test_discovery_is_complete_when_the_server_compacts_between_pages(api: OpenShiftApi, tmp_path: Path) -> None:
    made = fill(api, 0, 1200)
    # All pages but the first: so a list that is begun anew is forgotten as the one before was.
    api.before = lambda request: api.store.compact() if request.query().get("continue") else None
    assert find(api, tmp_path) == made
    assert api.begun("images") == (2, 0)


def test_the_event_source_tells_what_is_pushed_between_the_pages_of_a_list_that_is_forgotten(api: OpenShiftApi) -> None:
    made = fill(api, 0, 1200)
    later = itertools.count(10_000)

    def before(request: Request) -> None:
        if "/images" in request.target and "continue" in request.query() and len(made) < 1230:
            made.update(fill(api, number := next(later), number + 1))
            api.store.compact()

    api.before = before
    with listening(api) as listener:
        until(lambda: len(listener.told(made)) == len(made) > 1200)
    assert listener.failure is None
    assert set(listener.told(made).values()) == {1}


@pytest.mark.parametrize(
    "rest", [pytest.param(IN_A_CHUNK, id="in-a-chunk"), pytest.param(BETWEEN_CHUNKS, id="between")]
)
def test_the_event_source_goes_on_when_watches_break(
    api: OpenShiftApi, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    told: set[str] = set()
    with listening(api) as listener:
        for number, letter in enumerate("abcdef", start=1):
            break_watch(api, number, rest)
            api.push("shop", "web", image(letter, WEB), "v1")
            told.add(digest(letter))
            until_told(listener, told)
    assert listener.failure is None
    assert set(listener.told(told).values()) == {1}
    messages = [record.getMessage() for record in caplog.records]
    assert messages
    assert all(message.endswith("broke: the answer was cut short; it is listed again") for message in messages)


def test_the_event_source_goes_on_when_the_server_restarts_and_compacts(api: OpenShiftApi) -> None:
    with listening(api) as listener:
        for letter in "abc":
            api.push("shop", "web", image(letter, WEB), "v1")
            api.store.compact()
            api.restart()
            until_told(listener, {digest(letter)})
    assert listener.failure is None
    assert set(listener.told(set(map(digest, "abc"))).values()) == {1}


def test_the_event_source_waits_for_the_first_bookmark(api: OpenShiftApi, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server takes a minute, and silence is borne for 100 s; here 0.4 and 1.2.
    assert 1.5 * OpenShiftApi().bookmark_after < watch.READ_TIMEOUT
    api.bookmark_after = 0.4
    monkeypatch.setattr(watch, "READ_TIMEOUT", 1.2)
    with listening(api) as listener:
        until(lambda: api.begun("images")[1])
        time.sleep(1.8)
        assert api.begun("images") == (1, 1)
        api.bookmark_after = 60.0  # from the one after the next: silence
        until(lambda: api.begun("images")[1] > 1, 5.0)
    assert listener.failure is None


def test_the_event_source_asks_for_nothing_that_the_server_refuses(api: OpenShiftApi) -> None:
    api.push("shop", "web", image("a", WEB))
    with listening(api, "images", "streams") as listener:
        until_told(listener, {digest("a")})
    assert api.begun("imagestreams")[1] == 1
    assert not [request for request in api.requests if "sendInitialEvents" in request.target]


def test_the_event_source_tells_a_new_name_of_a_known_image(api: OpenShiftApi) -> None:
    api.push("shop", "web", image("a", WEB), "v1")
    source = {"kind": "ImageStreamTag", "namespace": "shop", "name": "web:v1"}
    with listening(api, "images", "streams") as listener:
        until_told(listener, {digest("a")})
        place = {"namespace": "prod", "name": "other:stolen"}
        api.objects.create("imagestreamtags.image.openshift.io", {"metadata": place, "tag": {"from": source}})
        until(lambda: f"{INTERNAL}/prod/other:stolen" in str(listener.events))
    told = [one for event in listener.events for one in event["imagescan"]["images"]]
    (found,) = [one for one in told if f"{INTERNAL}/prod/other:stolen" in str(one)]
    assert found["digest"] == digest("a")


def test_five_thousand_images_are_found_and_told_whole(api: OpenShiftApi, tmp_path: Path) -> None:
    made = fill(api, 0, MANY)
    assert find(api, tmp_path) == made
    # From here on each page is compacted away once, and every watch breaks while images are pushed.
    api.before = lambda request: api.store.compact() if "continue" in request.query() else None
    assert find(api, tmp_path) == made
    with listening(api) as listener:
        for number in range(1, 4):
            made |= fill(api, MANY + 10 * number, MANY + 10 * number + 10)
            break_watch(api, number, IN_A_CHUNK)
            until_told(listener, made)
    assert listener.failure is None
    assert set(listener.told(made).values()) == {1}
