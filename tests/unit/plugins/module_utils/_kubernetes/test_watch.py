# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching: every object is told of, however the watch ends; what waiting does not repair ends it."""

from __future__ import annotations

import json
import threading
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes import watch as module
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import Connection, connect
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.watch import Watcher
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

Json = dict[str, t.Any]
PATH = "/api/v1/pods"
SECONDS = 30


def item(name: str, version: str) -> Json:
    """An object."""
    return {"metadata": {"name": name, "resourceVersion": version}}


def event(kind: str, value: Json) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": value}).encode() + b"\n"


def gone(status: int) -> bytes:
    """How a server says inside a watch that it forgot the version."""
    return event("ERROR", {"kind": "Status", "code": status, "reason": "Expired", "message": "too old"})


class Script:
    """A server that answers lists and watches one after the other, and the last one for ever.

    ``lists``: names in each list. ``watches``: bodies, or statuses.
    """

    def __init__(self, lists: t.Sequence[list[str] | int], watches: t.Sequence[bytes | int | Answer]) -> None:
        self.lists, self.watches = list(lists), list(watches)
        self.listed = 0
        self.watched: list[dict[str, str]] = []

    def __call__(self, request: Request) -> Answer:
        """The next answer."""
        if "watch" in request.query():
            self.watched.append(request.query())
            said = self.watches[min(len(self.watched), len(self.watches)) - 1]
        else:
            self.listed += 1
            said = self.lists[min(self.listed, len(self.lists)) - 1]
        if isinstance(said, Answer):
            return said
        if isinstance(said, int):
            return Answer(said, json.dumps({"kind": "Status", "code": said, "message": "no"}).encode())
        if isinstance(said, bytes):
            return Answer(200, said)
        body = {"metadata": {"resourceVersion": f"list-{self.listed}"}, "items": [item(name, "x") for name in said]}
        return Answer(200, json.dumps(body).encode())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)


def names(script: Script, wanted: set[str]) -> list[str]:
    """The names that a watcher tells of, until all that are wanted came."""
    told: list[str] = []
    with running_server(script) as server:

        def see(found: Json) -> None:
            told.append(found["metadata"]["name"])
            if wanted <= set(told):
                watcher.stop()

        watcher = Watcher(connect(Connection(host=f"http://{server.host}", deadline=2.0)), PATH, see)
        thread = threading.Thread(target=watcher.run)
        thread.start()
        thread.join(SECONDS)
        assert not thread.is_alive(), told
    return told


def test_a_watch_goes_on_where_the_list_was_and_after_its_end_where_it_was_itself() -> None:
    first = event("ADDED", item("b", "7")) + event("BOOKMARK", item("", "9"))
    script = Script([["a"]], [first, event("MODIFIED", item("c", "10"))])
    assert names(script, {"a", "b", "c"}) == ["a", "b", "c"]
    assert script.listed == 1
    assert [one["resourceVersion"] for one in script.watched] == ["list-1", "9"]
    assert script.watched[0]["allowWatchBookmarks"] == "true"
    assert int(script.watched[0]["timeoutSeconds"]) >= 300


def test_deleted_objects_are_no_news() -> None:
    script = Script([["a"]], [event("DELETED", item("a", "7")) + event("ADDED", item("b", "8"))])
    assert names(script, {"a", "b"}) == ["a", "b"]


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(gone(410), id="410-inside"),
        pytest.param(gone(500), id="error-inside"),
        pytest.param(410, id="410"),
        pytest.param(500, id="500"),
        pytest.param(429, id="429"),
        pytest.param(event("ADDED", item("b", "7"))[:-9], id="cut-inside-an-event"),
        pytest.param(event("ADDED", item("b", "7"))[:-1], id="cut-before-the-line-break"),
        pytest.param(b"<html>\n", id="no-JSON"),
        pytest.param(b"[]\n", id="no-event"),
        pytest.param(event("ADDED", {"metadata": {"name": "b"}}), id="no-version"),
        pytest.param(b"", id="nothing"),
        pytest.param(Answer(200, b"x" * 100, length=200, cut=50, reset=True), id="reset"),
    ],
)
def test_what_was_missed_while_a_watch_broke_is_in_the_next_list(trouble: bytes | int | Answer) -> None:
    script = Script([["a"], ["a", "b"]], [trouble, event("ADDED", item("c", "12"))])
    assert set(names(script, {"a", "b", "c"})) == {"a", "b", "c"}
    assert script.listed >= 2
    assert script.watched[-1]["resourceVersion"] == f"list-{script.listed}"


def test_fifty_broken_watches() -> None:
    script = Script([["a"]], [*[event("ADDED", item("a", "7")) + b"{"] * 50, event("ADDED", item("last", "8"))])
    assert set(names(script, {"a", "last"})) == {"a", "last"}
    assert script.listed == 51


def failure(script: Script) -> ApiError:
    """Why a watcher ended."""
    with running_server(script) as server:
        watcher = Watcher(connect(Connection(host=f"http://{server.host}", deadline=2.0)), PATH, lambda found: None)
        with pytest.raises(ApiError) as caught:
            watcher.run()
    return caught.value


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_it_at_once(status: int) -> None:
    assert failure(Script([status], [b""])).status == status
    assert failure(Script([["a"]], [status])).status == status


def test_an_account_without_the_right_to_watch_learns_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = json.dumps({"kind": "Status", "message": 'pods is forbidden: User "robot" cannot watch'}).encode()
    error = failure(Script([["a"]], [Answer(403, denied)]))
    assert "grant ClusterRole imagescan-discovery to robot" in str(error)


def test_what_an_api_server_refuses_after_its_start_is_tried_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    good = event("ADDED", item("b", "7"))
    script = Script([["a"]], [good, 403, 404, event("ADDED", item("c", "8"))])
    assert set(names(script, {"a", "b", "c"})) == {"a", "b", "c"}
    monkeypatch.setattr(module, "SETTLING", 0.0)
    assert failure(Script([["a"]], [good, 403])).status == 403
