# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real API server cannot be made to say: hostile and broken answers. The rest is in tests/cluster."""

from __future__ import annotations

import itertools
import json
import threading
import time
import typing as t

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes import client as module
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes import errors
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import (
    Connection,
    KubernetesClient,
    connect,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import (
    ApiError,
    Operation,
    operation_of,
    refused,
    roles_for,
)
from ansible_collections.imagescan.openshift.tests.support.requirements import CHECKOUT
from ansible_collections.imagescan.openshift.tests.support.servers import (
    Answer,
    Request,
    RunningServer,
    running_server,
)

TOKEN = "canary-token-5c1f"
PODS = "/api/v1/namespaces/x/pods"


def said(value: t.Any, status: int = 200, **headers: str) -> Answer:
    """An answer of JSON."""
    return Answer(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


def trouble(status: int, reason: str = "", message: str = "no", **headers: str) -> Answer:
    """An answer as the API refuses."""
    return said({"kind": "Status", "status": "Failure", "reason": reason, "message": message}, status, **headers)


def client_of(server: RunningServer, **options: t.Any) -> KubernetesClient:
    """A client with a token for a stub on loopback."""
    return connect(Connection(host=f"http://{server.host}", api_key=TOKEN, **options))


def in_turn(*answers: Answer) -> t.Callable[[Request], Answer]:
    """Each answer once, then the last one again and again."""
    left = itertools.chain(answers, itertools.repeat(answers[-1]))
    return lambda _request: next(left)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses pass at once and are remembered."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    with running_server(in_turn(trouble(status), trouble(status), said({"kind": "Pod"}))) as server:
        assert client_of(server).get(PODS) == {"kind": "Pod"}
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "cluster-invalid"),
        (401, "cluster-unauthorized"),
        (403, "cluster-forbidden"),
        (404, "cluster-not-found"),
        (405, "cluster-invalid"),
        (409, "cluster-conflict"),
        (410, "cluster-expired"),
        (413, "cluster-invalid"),
        (422, "cluster-invalid"),
    ],
)
def test_what_will_not_pass_is_said_at_once(status: int, code: str) -> None:
    with running_server(in_turn(trouble(status, "Reason"), said({}))) as server, pytest.raises(ApiError) as caught:
        client_of(server).get(PODS)
    assert (caught.value.code, caught.value.status, caught.value.reason) == (code, status, "Reason")
    assert caught.value.api_message == "no"
    assert len(server.requests) == 1
    assert TOKEN not in str(caught.value)


def test_what_is_too_large_for_etcd_is_not_tried_again() -> None:
    message = "etcdserver: request is too large"
    with running_server(in_turn(trouble(500, message=message), said({}))) as server, pytest.raises(ApiError) as caught:
        client_of(server).merge_patch(f"{PODS}/x", {})
    assert (caught.value.code, caught.value.status, len(server.requests)) == ("cluster-invalid", 413, 1)
    assert "500 from" in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_has_just_started_may_refuse_what_it_allows(status: int) -> None:
    with running_server(in_turn(said({}), trouble(503), trouble(status), trouble(status), said({"a": 1}))) as server:
        client = client_of(server)
        client.get(PODS)
        assert client.get(PODS) == {"a": 1}


@pytest.mark.parametrize("status", [401, 403])
def test_who_was_never_let_in_is_refused_at_once(status: int) -> None:
    with running_server(in_turn(trouble(503), trouble(status), said({}))) as server, pytest.raises(ApiError) as caught:
        client_of(server).get(PODS)
    assert caught.value.status == status


def test_a_refusal_without_trouble_before_is_final() -> None:
    with running_server(in_turn(said({}), trouble(403), said({}))) as server:
        client = client_of(server)
        client.get(PODS)
        with pytest.raises(ApiError, match="403"):
            client.get(PODS)


def test_a_refusal_that_stays_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 0.5)
    with running_server(in_turn(said({}), trouble(503), trouble(403))) as server:
        client = client_of(server)
        client.get(PODS)
        monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
        with pytest.raises(ApiError, match="403"):
            client.get(PODS)
    assert len(server.requests) > 4


def test_the_server_says_how_long_to_wait(no_waiting: list[float]) -> None:
    with running_server(in_turn(trouble(429, Retry_After="7"), said({}))) as server:
        client_of(server).get(PODS)
    assert 7 <= no_waiting[0] < 8


def test_nobody_waits_longer_than_the_deadline(no_waiting: list[float]) -> None:
    with (
        running_server(in_turn(trouble(429, Retry_After="3600"))) as server,
        pytest.raises(ApiError, match="asks to wait 3600 s, longer than the deadline of 60 s") as caught,
    ):
        client_of(server).get(PODS)
    assert caught.value.code == "cluster-busy"
    assert not no_waiting


def test_trouble_that_stays_is_told_with_the_number_of_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 3.0)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    told = r"503 from .*list pods in the namespace x: etcd is away \(tried \d+ times\)"
    with running_server(in_turn(trouble(503, message="etcd is away"))) as server, pytest.raises(ApiError, match=told):
        client_of(server).get(PODS)
    assert len(server.requests) > 2


@pytest.mark.parametrize(("answer", "tries"), [(trouble(500), 1), (trouble(429), 2), (Answer(200, cut=0, length=9), 1)])
def test_what_has_no_name_is_not_made_twice(answer: Answer, tries: int) -> None:
    with running_server(in_turn(answer, said({"kind": "Made"}))) as server:
        client = client_of(server)
        if tries == 1:
            with pytest.raises(ApiError):
                client.create(PODS, {"metadata": {"generateName": "p-"}})
        else:
            assert client.create(PODS, {"metadata": {"generateName": "p-"}}) == {"kind": "Made"}
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    ("labels", "is_ours"), [({"run": "1", "more": "x"}, True), ({"run": "2"}, False), ({}, False), (None, False)]
)
def test_what_an_earlier_try_made_is_told_from_what_was_there(labels: t.Any, is_ours: bool) -> None:
    there = {"metadata": {"name": "a", "labels": labels}}

    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return said(there)
        return trouble(504) if len(server.requests) == 1 else trouble(409, "AlreadyExists")

    body = {"metadata": {"name": "a", "labels": {"run": "1"}}}
    with running_server(answer) as server:
        client = client_of(server)
        if is_ours:
            assert client.create(PODS, body) == there
        else:
            with pytest.raises(ApiError) as caught:
                client.create(PODS, body)
            assert caught.value.status == 409


def test_what_was_there_before_the_first_try_is_a_conflict() -> None:
    there = {"metadata": {"name": "a", "labels": {"run": "1"}}}
    with (
        running_server(lambda request: said(there) if request.method == "GET" else trouble(409)) as server,
        pytest.raises(ApiError) as caught,
    ):
        client_of(server).create(PODS, there)
    assert caught.value.status == 409
    assert len(server.requests) == 1


def test_a_body_that_is_cut_is_read_again() -> None:
    whole = json.dumps({"items": list(range(1000))}).encode()
    with running_server(in_turn(Answer(200, whole, cut=500), Answer(200, whole))) as server:
        assert len(client_of(server).get(PODS)["items"]) == 1000
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "body", [b"<html><title>Log in</title></html>", b"[1]", b"null", b'"x"', b"\xff", b"[" * 100_000]
)
def test_an_answer_that_is_no_object_is_refused(body: bytes) -> None:
    with (
        running_server(in_turn(Answer(200, body))) as server,
        pytest.raises(ApiError, match="does not answer as an API server does") as caught,
    ):
        client_of(server).get(PODS)
    assert caught.value.code == "cluster-invalid"


def test_a_redirect_is_not_followed() -> None:
    with running_server(in_turn(said({}))) as other:
        elsewhere = Answer(302, b"", {"Location": f"http://{other.host}/steal"})
        with running_server(in_turn(elsewhere)) as server, pytest.raises(ApiError) as caught:
            client_of(server).get(PODS)
    assert caught.value.code == "cluster-config"
    assert not other.requests


def test_an_error_page_is_told_in_harmless_text() -> None:
    page = b"<html><b>bad \x1b[31mgateway\x00</b>" + b"x" * 100_000
    with running_server(in_turn(Answer(404, page))) as server, pytest.raises(ApiError) as caught:
        client_of(server).get(PODS)
    assert "bad \\x1b[31mgateway" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_an_answer_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_LIMIT", 10_000)
    with (
        running_server(in_turn(Answer(200, b'{"a":"' + b"x" * 100_000 + b'"}'))) as server,
        pytest.raises(LimitExceeded),
    ):
        client_of(server).get(PODS)


class Lists:
    """A stub that pages ``names``; ``spoil`` may answer in place of it."""

    def __init__(self, count: int, size: int = 1) -> None:
        self.names = [f"n{number}" for number in range(count)]
        self.size = size
        self.spoil: t.Callable[[Request], Answer | None] = lambda _request: None
        self.start: t.Callable[[str], int] = int

    def __call__(self, request: Request) -> Answer:
        spoilt = self.spoil(request)
        if spoilt is not None:
            return spoilt
        query = request.query()
        start, limit = self.start(query.get("continue", "0")), int(query["limit"])
        page = [{"metadata": {"name": name, "pad": "x" * self.size}} for name in self.names[start : start + limit]]
        following = str(start + limit) if start + limit < len(self.names) else ""
        return said({"metadata": {"continue": following}, "items": page})


def name_of(item: dict[str, t.Any]) -> str:
    """The name of an object."""
    return str(item["metadata"]["name"])


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404, 409, 422, 500])
def test_an_attempt_gives_the_answer_whatever_it_is(status: int) -> None:
    with running_server(in_turn(trouble(status, message="why"), said({}))) as server:
        answer = client_of(server).attempt("POST", PODS, {"kind": "Pod"}, {"dryRun": "All"})
    assert (answer.status, answer.value["message"], answer.warnings) == (status, "why", ())
    assert [request.query() for request in server.requests] == [{"dryRun": "All"}]


def test_an_attempt_is_repeated_while_the_server_is_busy() -> None:
    with running_server(in_turn(trouble(503), Answer(200, b"{}" * 50, cut=1), trouble(429), said({"a": 1}))) as server:
        assert client_of(server).attempt("POST", PODS, {}).value == {"a": 1}
    assert len(server.requests) == 4


def test_an_attempt_without_login_or_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_server(in_turn(trouble(401))) as server, pytest.raises(ApiError) as caught:
        client_of(server).attempt("POST", PODS, {})
    assert (caught.value.code, len(server.requests)) == ("cluster-unauthorized", 1)
    with running_server(in_turn(trouble(503))) as server, pytest.raises(ApiError) as caught:
        client_of(server, deadline=0.1).attempt("POST", PODS, {})
    assert caught.value.code == "cluster-busy"


@pytest.mark.parametrize("body", [b"<html>Access denied</html>", b"[]", b"", b'"x"', b"[" * 100_000])
def test_what_is_no_object_says_nothing(body: bytes) -> None:
    with running_server(in_turn(Answer(403, body))) as server:
        assert client_of(server).attempt("POST", PODS, {}) == module.ApiAnswer(403, {}, ())


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ('299 - "plain"', ("plain",)),
        ('299 - "with \\"quotes\\" and \\\\"', ('with "quotes" and \\',)),
        ('299 - "one, two", 299 kube "three"', ("one, two", "three")),
        ("299 - none", ()),
        ('299 - "' + "x\\" * 5000, ()),
    ],
)
def test_warnings_are_read_as_they_were_meant(header: str, texts: tuple[str, ...]) -> None:
    with running_server(in_turn(said({"kind": "Pod"}, Warning=header))) as server:
        assert client_of(server).attempt("POST", PODS, {}).warnings == texts


def test_patches_say_which_they_are() -> None:
    with running_server(in_turn(said({"a": 1}))) as server:
        client = client_of(server)
        client.attempt("PATCH", f"{PODS}/x", [{"op": "test", "path": "/a", "value": 1}])
        client.attempt("PATCH", f"{PODS}/x", {"a": 1})
        client.merge_patch(f"{PODS}/x", {"a": 1})
        client.create(PODS, {"a": 1})
    kinds = [request.headers["content-type"].removeprefix("application/") for request in server.requests]
    assert kinds == ["json-patch+json", "merge-patch+json", "merge-patch+json", "json"]


def test_a_list_is_read_page_by_page() -> None:
    lists = Lists(25)
    with running_server(lists) as server:
        assert client_of(server).items(PODS, name_of, {"labelSelector": "a=b"}, limit=10) == lists.names
    assert [request.query().get("continue") for request in server.requests] == [None, "10", "20"]
    assert all(request.query()["labelSelector"] == "a=b" for request in server.requests)


def test_what_is_projected_to_nothing_is_left_out() -> None:
    with running_server(Lists(9)) as server:
        found = client_of(server).items(PODS, lambda item: name_of(item) if name_of(item) > "n5" else None, limit=4)
    assert found == ["n6", "n7", "n8"]


def test_a_list_that_is_forgotten_is_read_from_the_start() -> None:
    lists = Lists(25)
    spoilt = iter([trouble(410, "Expired"), None, trouble(410, "Expired")])
    lists.spoil = lambda request: next(spoilt, None) if "continue" in request.query() else None
    with running_server(lists) as server:
        assert client_of(server).items(PODS, name_of, limit=10) == lists.names
    assert [request.query().get("continue") for request in server.requests].count(None) == 3


def forgotten(token: str) -> Answer:
    """The answer to a page of a list that was compacted away, with a token for the newest state."""
    body = {"kind": "Status", "metadata": {"continue": token}, "code": 410, "reason": "Expired"}
    return Answer(410, json.dumps(body).encode())


def test_a_list_that_is_forgotten_twice_goes_on_in_its_newest_state() -> None:
    lists = Lists(45)
    lists.spoil = lambda request: (
        forgotten(f"new-{request.query()['continue']}") if request.query().get("continue", "").isdigit() else None
    )
    lists.start = lambda token: int(token.removeprefix("new-"))
    with running_server(lists) as server:
        assert client_of(server).items(PODS, name_of, limit=10) == lists.names
    tokens = [request.query().get("continue") for request in server.requests]
    assert tokens == [None, "10", None, "10", "new-10", "20", "new-20", "30", "new-30", "40", "new-40"]


def test_a_server_that_offers_to_go_on_and_never_does_ends_as_an_error() -> None:
    lists = Lists(25)
    numbers = itertools.count()
    lists.spoil = lambda request: forgotten(f"new-{next(numbers)}") if "continue" in request.query() else None
    with running_server(lists) as server, pytest.raises(ApiError, match="forgot the list 5 times"):
        client_of(server).items(PODS, name_of, limit=10)
    assert len(server.requests) == 2 + 4 * 3


def test_a_list_that_is_always_forgotten_ends_as_an_error() -> None:
    lists = Lists(25)
    lists.spoil = lambda request: trouble(410, "Expired") if "continue" in request.query() else None
    with running_server(lists) as server, pytest.raises(ApiError, match="forgot the list 5 times") as caught:
        client_of(server).items(PODS, name_of, limit=10)
    assert caught.value.code == "cluster-expired"


def test_pages_get_smaller_where_objects_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE_LIMIT", 5_000)
    lists = Lists(40, size=1_000)
    with running_server(lists) as server:
        assert client_of(server).items(PODS, name_of, limit=40) == lists.names
    assert {request.query()["limit"] for request in server.requests} == {"40", "10", "2"}


def test_one_object_too_large_for_a_page_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE_LIMIT", 500)
    with running_server(Lists(4, size=1_000)) as server, pytest.raises(LimitExceeded):
        client_of(server).items(PODS, name_of)


@pytest.mark.parametrize(
    "page",
    [
        {"metadata": {"continue": "again"}, "items": []},
        {},
        {"kind": "Status", "status": "Success"},
        {"items": {"a": 1}},
        {"items": "text"},
        {"items": [1]},
    ],
)
def test_a_list_that_is_none_or_never_ends_is_refused(page: dict[str, t.Any]) -> None:
    with running_server(in_turn(said(page))) as server, pytest.raises(ApiError) as caught:
        client_of(server).items(PODS, name_of)
    assert caught.value.code == "cluster-invalid"
    assert len(server.requests) <= 2


@pytest.mark.parametrize("page", [{"items": None, "metadata": {}}, {"items": []}, {"items": None, "metadata": None}])
def test_an_empty_list_is_empty(page: dict[str, t.Any]) -> None:
    with running_server(in_turn(said(page))) as server:
        assert client_of(server).items(PODS, name_of) == []


@pytest.mark.parametrize("answer", [{}, {"groups": []}, {"groups": None}, {"groups": "image.openshift.io"}])
def test_a_server_without_any_group_is_none(answer: dict[str, t.Any]) -> None:
    with running_server(in_turn(said(answer))) as server, pytest.raises(ApiError) as caught:
        client_of(server).has_group("apps.openshift.io")
    assert caught.value.code == "cluster-invalid"


def test_lines_are_read_as_they_are() -> None:
    text = b"one\n\n" + b"x" * 100 + b"\nlast"
    with running_server(in_turn(Answer(200, text))) as server, client_of(server).stream(f"{PODS}/p/log") as stream:
        assert stream.status == 200
        assert [stream.readline(50) for _line in range(7)] == [
            b"one\n",
            b"\n",
            b"x" * 50,
            b"x" * 50,
            b"\n",
            b"last",
            b"",
        ]


def test_a_stream_that_is_cut_is_an_error() -> None:
    with (
        running_server(in_turn(Answer(200, b"one\ntwo\n", length=100, cut=8))) as server,
        client_of(server).stream(f"{PODS}/p/log") as stream,
    ):
        assert stream.readline(100) == b"one\n"
        with pytest.raises(ApiError, match="broke") as caught:
            while stream.readline(100):
                pass
    assert caught.value.code == "cluster-unreachable"


CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"", id="between-chunks"),
        pytest.param(b"5", id="in-the-length-of-a-chunk"),
        pytest.param(b"5\r\n", id="before-a-chunk"),
        pytest.param(b"5\r\ntw", id="in-a-chunk"),
        pytest.param(b"5\r\ntwo!\n", id="after-a-chunk"),
        pytest.param(b"none\r\n", id="not-a-length"),
    ],
)
def test_a_chunked_stream_that_is_cut_says_so_in_words(rest: bytes) -> None:
    body = b"4\r\none\n\r\n" + rest
    with (
        running_server(in_turn(Answer(200, body, CHUNKED, cut=len(body)))) as server,
        client_of(server).stream(f"{PODS}/p/log") as stream,
    ):
        assert stream.readline(100) == b"one\n"
        with pytest.raises(ApiError) as caught:
            while stream.readline(100):
                pass
    assert str(caught.value).endswith("broke: the answer was cut short")


def test_a_chunked_answer_that_is_cut_says_so_in_words() -> None:
    body = b"4\r\n{"
    answer = Answer(200, body, CHUNKED, cut=len(body))
    with running_server(in_turn(answer)) as server, pytest.raises(ApiError) as caught:
        client_of(server, deadline=0.1).get(PODS)
    assert "pods in the namespace x: the answer was cut short" in str(caught.value)


def test_a_silent_stream_is_an_error() -> None:
    release = threading.Event()

    def answer(_request: Request) -> Answer:
        release.wait(30)
        return said({})

    with running_server(answer) as server:
        client = client_of(server)
        with pytest.raises(ApiError, match="timed out"):
            client.stream(f"{PODS}/p/log", read_timeout=0.2)
        release.set()


def test_streams_are_asked_for_once() -> None:
    with running_server(in_turn(trouble(500), said({}))) as server, pytest.raises(ApiError) as caught:
        client_of(server).stream(f"{PODS}/p/log")
    assert caught.value.status == 500
    assert len(server.requests) == 1


def test_deleting_what_is_gone_is_no_error() -> None:
    with running_server(in_turn(trouble(404))) as server:
        assert client_of(server).delete(f"{PODS}/p") is None


def test_groups_are_asked_for_once() -> None:
    with running_server(in_turn(said({"groups": [{"name": "image.openshift.io"}, 7]}))) as server:
        client = client_of(server)
        assert client.has_group("image.openshift.io")
        assert not client.has_group("security.openshift.io")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "version"), [({"major": "1", "minor": "36+"}, (1, 36)), ({"major": "1"}, None), ({}, None)]
)
def test_version(value: dict[str, str], version: t.Any) -> None:
    with running_server(in_turn(said(value))) as server:
        if version:
            assert client_of(server).version() == version
        else:
            with pytest.raises(ApiError):
                client_of(server).version()


def test_a_server_that_never_answered_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_server(in_turn(said({}))) as server:
        pass
    clock = itertools.count(0, 1.0)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(ApiError, match="no answer from") as caught:
        client_of(server).get("/version")
    assert caught.value.code == "cluster-unreachable"
    assert "check the address" in caught.value.hint
    assert next(clock) < 20


def test_many_threads_share_a_client() -> None:
    with running_server(lambda request: said({"target": request.target})) as server:
        client = client_of(server)
        wrong: list[str] = []

        def work(number: int) -> None:
            for turn in range(20):
                path = f"/api/v1/namespaces/{number}-{turn}"
                if client.get(path) != {"target": path}:
                    wrong.append(path)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not wrong
    assert len(server.requests) == 160


@pytest.mark.parametrize(
    ("method", "path", "params", "operation"),
    [
        ("GET", "/api/v1/pods", None, Operation("list", "", "pods")),
        ("GET", PODS, {"watch": True}, Operation("watch", "", "pods", "x")),
        ("GET", f"{PODS}/p/log", None, Operation("get", "", "pods/log", "x", "p")),
        ("POST", "/apis/batch/v1/namespaces/x/jobs", None, Operation("create", "batch", "jobs", "x")),
        ("GET", "/api/v1/namespaces/x", None, Operation("get", "", "namespaces", "", "x")),
        (
            "PATCH",
            "/apis/image.openshift.io/v1/images/sha256%3Aab",
            None,
            Operation("patch", "image.openshift.io", "images", "", "sha256:ab"),
        ),
        ("DELETE", f"{PODS}/p", None, Operation("delete", "", "pods", "x", "p")),
        ("GET", "/version", None, Operation("get", resource="/version")),
    ],
)
def test_requests_in_the_words_of_rbac(method: str, path: str, params: t.Any, operation: Operation) -> None:
    assert operation_of(method, path, params) == operation


def forbidden(account: str, operation: Operation) -> ApiError:
    """As the API says that an account may not do something."""
    message = (
        f'{operation.resource} is forbidden: User "{account}" cannot {operation.verb} resource "{operation.resource}"'
    )
    body = json.dumps({"reason": "Forbidden", "message": message}).encode()
    return refused("https://api", 403, body, operation)


@pytest.mark.parametrize(
    ("operation", "hint"),
    [
        (
            Operation("create", "batch", "jobs", "scan"),
            "grant Role imagescan-scanner in the namespace scan to sa; the role imagescan.openshift.setup makes it",
        ),
        (
            Operation("list", "apps", "deployments"),
            "grant ClusterRole imagescan-discovery to sa; the role imagescan.openshift.setup makes it",
        ),
        (
            Operation("patch", "image.openshift.io", "images", "", "sha256:ab"),
            "grant ClusterRole imagescan-flagger to sa; the role imagescan.openshift.setup makes it",
        ),
        (Operation("list", "", "secrets", "scan"), "grant list on secrets to sa"),
        (Operation("delete", "apps", "deployments", "x", "d"), "grant delete on deployments.apps to sa"),
    ],
)
def test_a_refusal_names_the_role_to_grant(operation: Operation, hint: str) -> None:
    error = forbidden("sa", operation)
    assert error.hint == hint
    assert str(operation) in error.message


def test_no_role_is_named_where_none_would_help() -> None:
    operation = Operation("create", "", "pods", "x")
    said_by_admission = {"message": 'pods "p" is forbidden: violates PodSecurity "restricted:latest": hostPath'}
    assert refused("https://api", 403, json.dumps(said_by_admission).encode(), operation).hint == ""
    assert "no credentials were sent" in forbidden("system:anonymous", Operation("list", "", "pods")).hint


def test_no_shipped_role_is_named_for_what_it_does_not_allow() -> None:
    assert roles_for(Operation("create", "", "pods", "x")) == []
    assert roles_for(Operation("create", "batch", "jobs")) == []  # not cluster-wide
    assert roles_for(Operation("list", "", "pods", "x")) == [
        "Role imagescan-scanner in the namespace x",
        "ClusterRole imagescan-discovery",
        "ClusterRole imagescan-flagger",
    ]


@pytest.mark.parametrize("role", ["scanner", "discovery", "mirrors", "flagger"])
def test_hints_know_the_shipped_roles(role: str) -> None:
    variables = yaml.safe_load((CHECKOUT / "roles" / "setup" / "vars" / "main.yml").read_text(encoding="utf-8"))
    names = [f"setup__{role}_rules"] if role != "flagger" else ["setup__deny_list_rules", "setup__image_rules"]
    shipped = {
        (group, resource): " ".join(rule["verbs"])
        for rule in itertools.chain.from_iterable(variables[name] for name in names)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert getattr(errors, f"_{role.upper()}") == shipped
