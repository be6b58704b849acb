# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching feed files from a server that breaks things."""

from __future__ import annotations

import io
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.downloads import (
    FeedClient,
    Fetched,
    FetchError,
    Transfer,
    shown_url,
)
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server

BODY = bytes(range(256)) * 4000


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


class Naps:
    """Stands in for time.sleep."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds


def client(**more: t.Any) -> tuple[FeedClient, Naps]:
    naps = Naps()
    return FeedClient(Access(timeout=5.0, retries=3), sleep=naps, **more), naps


def ranged(request: Request, *, etag: str = '"v1"', cut: int | None = None) -> Answer:
    """The body, or the part that was asked for; ``cut``: the connection ends after so many bytes."""
    given = {"ETag": etag} if etag else {}
    wanted = request.headers.get("range", "")
    if wanted and request.headers.get("if-range") == etag:
        start = int(wanted[len("bytes=") : -1])
        given["Content-Range"] = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
        return cut_off(206, BODY[start:], given, cut)
    return cut_off(200, BODY, given, cut)


def cut_off(status: int, body: bytes, headers: dict[str, str], cut: int | None) -> Answer:
    if cut is None:
        return Answer(status, body, headers)
    return Answer(status, body[:cut], {**headers, "Connection": "close"}, length=len(body))


def fetched(answer: t.Callable[[Request], Answer], limit: int = 1 << 30) -> tuple[bytes, list[Request], Naps]:
    fetcher, naps = client()
    with running_server(answer) as server:
        target = io.BytesIO()
        fetcher.fetch(f"http://{server.host}/file", Transfer(target, limit))
        return target.getvalue(), server.requests, naps


def test_a_file_is_fetched() -> None:
    body, requests, naps = fetched(ranged)
    assert body == BODY and len(requests) == 1 and not naps.seconds


def test_a_broken_transfer_goes_on_where_it_broke() -> None:
    cuts = iter([300_000, 300_000, None])
    body, requests, _naps = fetched(lambda request: ranged(request, cut=next(cuts)))
    assert body == BODY
    starts = [int(request.headers["range"][6:-1]) for request in requests if "range" in request.headers]
    assert len(starts) == 2 and 0 < starts[0] < starts[1], "each time from where it broke"
    assert all(request.headers["if-range"] == '"v1"' for request in requests[1:])


def test_many_breaks_that_each_bring_something_are_no_failure() -> None:
    def answer(request: Request) -> Answer:
        return ranged(request, cut=100_000)

    def patient(request: Request) -> Answer:
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        return answer(request) if start + 300_000 < len(BODY) else ranged(request)

    body, requests, _naps = fetched(patient)
    assert body == BODY and len(requests) > 5


def test_a_file_that_changed_meanwhile_is_fetched_anew() -> None:
    versions = iter(['"old"', '"new"'])
    cuts = iter([300_000, None])

    def answer(request: Request) -> Answer:
        return ranged(request, etag=next(versions), cut=next(cuts))

    body, requests, _naps = fetched(answer)
    assert body == BODY and len(requests) == 2


@pytest.mark.parametrize("etag", ['W/"weak"', ""])
def test_without_a_strong_validator_a_broken_transfer_starts_again(etag: str) -> None:
    cuts = iter([300_000, None])
    body, requests, _naps = fetched(lambda request: ranged(request, etag=etag, cut=next(cuts)))
    assert body == BODY and "range" not in requests[1].headers


def test_a_part_from_elsewhere_is_not_glued_on() -> None:
    cuts = iter([300_000, None])

    def answer(request: Request) -> Answer:
        if "range" in request.headers:
            return Answer(206, b"x" * 10, {"ETag": '"v1"', "Content-Range": "bytes 5-14/15"})
        return ranged(request, cut=next(cuts))

    body, requests, _naps = fetched(answer)
    assert body == BODY and len(requests) == 3


def test_the_rest_of_another_version_is_not_glued_on() -> None:
    """From a server that does not know If-Range."""
    cuts = iter([300_000, None])

    def answer(request: Request) -> Answer:
        if "range" in request.headers:
            start = int(request.headers["range"][6:-1])
            told = {"ETag": '"v2"', "Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
            return Answer(206, b"x" * (len(BODY) - start), told)
        return ranged(request, cut=next(cuts))

    body, requests, _naps = fetched(answer)
    assert body == BODY and len(requests) == 3


def test_a_part_that_nobody_asked_for_is_refused() -> None:
    part = Answer(206, b"x" * 10, {"ETag": '"v1"', "Content-Range": "bytes 0-9/20"})
    fetcher, _naps = client()
    with running_server(lambda _request: part) as server, pytest.raises(FetchError, match="nobody asked for"):
        fetcher.read(f"http://{server.host}/", limit=100)


def test_a_reset_connection_is_tried_again() -> None:
    cuts = iter([300_000, 10, None])

    def answer(request: Request) -> Answer:
        whole = ranged(request)
        return Answer(whole.status, whole.body, whole.headers, cut=next(cuts))

    assert fetched(answer)[0] == BODY


def test_a_transfer_that_never_gets_on_ends() -> None:
    fetcher, naps = client()
    with running_server(lambda request: ranged(request, cut=0)) as server:
        with pytest.raises(FetchError, match="cannot be fetched") as caught:
            fetcher.read(f"http://{server.host}/file", limit=1 << 30)
        assert len(server.requests) == 4
    assert caught.value.code == "feed-unreachable" and naps.seconds > 3


def test_less_than_announced_is_not_taken_for_the_whole() -> None:
    fetcher, _naps = client()
    short = Answer(200, b"x" * 10, {"Connection": "close"}, length=20)
    with running_server(lambda _request: short) as server, pytest.raises(FetchError, match="after 10 of 20 bytes"):
        fetcher.read(f"http://{server.host}/file", limit=1 << 30)


@pytest.mark.parametrize(
    ("status", "tries", "code"),
    [
        (401, 1, "feed-refused"),
        (404, 1, "feed-not-found"),
        (410, 1, "feed-not-found"),
        (400, 1, "feed-unreachable"),
        (403, 4, "feed-refused"),
        (429, 4, "feed-unreachable"),
        (500, 4, "feed-unreachable"),
        (503, 4, "feed-unreachable"),
    ],
)
def test_refusals(status: int, tries: int, code: str) -> None:
    fetcher, _naps = client()
    with running_server(lambda _request: Answer(status, b"no")) as server:
        with pytest.raises(FetchError, match=rf"http://{server.host}/file cannot be fetched: .*{status}") as caught:
            fetcher.read(f"http://{server.host}/file", limit=100)
        assert len(server.requests) == tries
    assert (caught.value.code, caught.value.status) == (code, status)


def test_retry_after_is_waited_for() -> None:
    answers = iter(
        [Answer(429, headers={"Retry-After": "17"}), Answer(503, headers={"Retry-After": "x"}), Answer(200, b"y")]
    )
    fetcher, naps = client()
    with running_server(lambda _request: next(answers)) as server:
        assert fetcher.read(f"http://{server.host}/", limit=100) == b"y"
    assert 17 <= naps.seconds < 25


def test_a_wait_of_hours_is_not_waited_for() -> None:
    fetcher, naps = client()
    with running_server(lambda _request: Answer(429, headers={"Retry-After": "99999"})) as server:
        with pytest.raises(FetchError, match="429"):
            fetcher.read(f"http://{server.host}/", limit=100)
        assert len(server.requests) == 1
    assert not naps.seconds


def test_a_file_larger_than_the_limit_is_refused_announced_or_not() -> None:
    for answer in (
        Answer(200, BODY),
        Answer(200, b"10000\r\n" + BODY[:65536] + b"\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}),
    ):
        fetcher, _naps = client()
        with (
            running_server(lambda _request, answer=answer: answer) as server,
            pytest.raises(LimitExceeded, match="more than 1000"),
        ):
            fetcher.read(f"http://{server.host}/file", limit=1000)


def test_nobody_listens() -> None:
    with running_server(lambda _request: Answer(200)) as server:
        host = server.host
    fetcher, _naps = client()
    with pytest.raises(FetchError, match=rf"http://{host}/x cannot be fetched"):
        fetcher.read(f"http://{host}/x", limit=100)


def test_credentials_go_to_their_host_alone_and_stand_in_no_message() -> None:
    with running_server(lambda _request: Answer(404)) as other:
        elsewhere = Answer(302, headers={"Location": f"http://{other.host}/there"})
        with running_server(lambda _request: elsewhere) as server:
            fetcher, _naps = client()
            url = f"http://someone:s3cret%40x@{server.host}/file?token=t0ken"
            with pytest.raises(FetchError) as caught:
                fetcher.read(url, limit=100)
            assert server.requests[0].basic_login() == ("someone", "s3cret@x")
            assert server.requests[0].target == "/file?token=t0ken"
        assert other.requests and "authorization" not in other.requests[0].headers
        assert "s3cret" not in other.everything()
    for secret in ("s3cret", "someone", "t0ken"):
        assert secret not in str(caught.value)
    assert shown_url(url) == f"http://{server.host}/file"


def test_a_redirect_on_the_same_host_keeps_credentials() -> None:
    def answer(request: Request) -> Answer:
        return Answer(200, b"y") if request.target == "/b" else Answer(301, headers={"Location": "/b"})

    fetcher, _naps = client()
    with running_server(answer) as server:
        assert fetcher.read(f"http://u:p@{server.host}/a", limit=100) == b"y"
        assert server.requests[1].basic_login() == ("u", "p")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://x/"])
def test_redirects_lead_to_http_alone(location: str) -> None:
    fetcher, _naps = client()
    away = Answer(302, headers={"Location": location})
    with running_server(lambda _request: away) as server, pytest.raises(FetchError, match=r"redirects|cannot be"):
        fetcher.read(f"http://{server.host}/", limit=100)


def test_redirects_in_a_circle_end() -> None:
    fetcher, _naps = client()
    with running_server(lambda _request: Answer(302, headers={"Location": "/"})) as server, pytest.raises(FetchError):
        fetcher.read(f"http://{server.host}/", limit=100)


def test_head_of_a_server_that_has_none_is_empty() -> None:
    fetcher, _naps = client()
    with running_server(lambda _request: Answer(405)) as server:
        assert fetcher.head(f"http://{server.host}/") == {}
    with running_server(lambda _request: Answer(200, headers={"ETag": '"x"'})) as server:
        assert fetcher.head(f"http://{server.host}/")["etag"] == '"x"'
        assert server.requests[0].method == "HEAD"


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://x:99999/", "http://a b/", "ftp://x/y", "http://x\n/"]
)
def test_malformed_urls(url: str) -> None:
    fetcher, _naps = client()
    with pytest.raises((InputError, FetchError)):
        fetcher.read(url, limit=100)


def test_a_full_disk_is_not_taken_for_a_broken_transfer() -> None:
    class Full(io.BytesIO):
        def write(self, data: t.Any, /) -> int:
            raise OSError(28, "No space left on device")

    fetcher, naps = client()
    with running_server(ranged) as server:
        with pytest.raises(ScanError, match="No space left") as caught:
            fetcher.fetch(f"http://{server.host}/", Transfer(Full(), 1 << 30))
        assert len(server.requests) == 1 and not naps.seconds
    assert caught.value.code == "disk-full"


def test_whoever_is_told_how_far_it_is_may_end_it() -> None:
    class Gone(Exception):
        pass

    def gone() -> None:
        raise Gone

    fetcher, _naps = client(tick=gone)
    with running_server(ranged) as server, pytest.raises(Gone):
        fetcher.read(f"http://{server.host}/", limit=1 << 30)
    with running_server(lambda _request: Answer(503)) as server, pytest.raises(Gone):
        fetcher.read(f"http://{server.host}/", limit=1 << 30)


def test_one_connection_is_kept_for_all_requests_refusals_too() -> None:
    peers = []
    answers = iter([Answer(200, b"a"), Answer(404, b"none"), Answer(304), Answer(503, b"later"), Answer(200, b"b")])

    def answer(request: Request) -> Answer:
        peers.append(request.peer)
        return next(answers)

    fetcher, _naps = client()
    with running_server(answer) as server:
        url = f"http://{server.host}/"
        assert fetcher.read(url, limit=100) == b"a"
        with pytest.raises(FetchError):
            fetcher.read(url, limit=100)
        assert fetcher.read_if_changed(url, '"1"', limit=100) == Fetched(None, '"1"')
        assert fetcher.read(url, limit=100) == b"b"
    assert len(peers) == 5 and len(set(peers)) == 1


def test_a_connection_that_the_server_closed_meanwhile_is_no_failure() -> None:
    fetcher, naps = client()
    with running_server(lambda _request: Answer(200, b"a", {"Connection": "close"})) as server:
        for _time in range(3):
            assert fetcher.read(f"http://{server.host}/", limit=100) == b"a"
    assert not naps.seconds


def test_what_did_not_change_is_not_sent_again() -> None:
    def answer(request: Request) -> Answer:
        if request.headers.get("if-none-match") == '"v2"':
            return Answer(304, headers={"ETag": '"v2"'})
        return Answer(200, b"rows", {"ETag": '"v2"'})

    fetcher, _naps = client()
    with running_server(answer) as server:
        url = f"http://{server.host}/changes.csv"
        for known, data in (("", b"rows"), ('"v1"', b"rows"), ('"v2"', None)):
            assert fetcher.read_if_changed(url, known, limit=100) == Fetched(data, '"v2"')


def test_not_modified_without_having_asked_is_refused() -> None:
    fetcher, _naps = client()
    with running_server(lambda _request: Answer(304)) as server, pytest.raises(FetchError, match="answers 304"):
        fetcher.read(f"http://{server.host}/", limit=100)


def test_a_server_that_is_asked_too_quickly_is_asked_more_slowly_from_then_on() -> None:
    answers = iter([Answer(403), Answer(403), *[Answer(200, b"y")] * 11])
    fetcher, naps = client()
    with running_server(lambda _request: next(answers)) as server:
        fetcher.read(f"http://{server.host}/", limit=100)
        waited = naps.seconds
        for _time in range(10):
            fetcher.read(f"http://{server.host}/", limit=100)
    assert 10 * 0.1 <= naps.seconds - waited <= 10 * 2.0


def test_a_file_without_a_length_is_refused_since_a_cut_one_would_look_whole() -> None:
    plain = Answer(200, b"rows", {"Transfer-Encoding": "identity", "Connection": "close"}, cut=4)
    fetcher, _naps = client()
    with running_server(lambda _request: plain) as server, pytest.raises(FetchError, match="how long it is"):
        fetcher.read(f"http://{server.host}/", limit=100)


def test_a_cut_chunked_file_is_not_taken_for_the_whole() -> None:
    cut = Answer(200, b"5\r\nhello\r\n", {"Transfer-Encoding": "chunked", "Connection": "close"}, cut=10)
    fetcher, _naps = client()
    with running_server(lambda _request: cut) as server, pytest.raises(FetchError, match="cannot be fetched"):
        fetcher.read(f"http://{server.host}/", limit=100)


def test_a_transfer_goes_on_in_another_process() -> None:
    begun: list[tuple[str, int]] = []
    target = io.BytesIO(BODY[:300_000])
    target.seek(0, io.SEEK_END)
    fetcher, _naps = client()
    with running_server(ranged) as server:
        transfer = Transfer(
            target, 1 << 30, size=300_000, validator='"v1"', started=lambda *version: begun.append(version)
        )
        fetcher.fetch(f"http://{server.host}/file", transfer)
        assert target.getvalue() == BODY and not begun
        assert server.requests[0].headers["range"] == "bytes=300000-"
        transfer = Transfer(target, 1 << 30, size=len(BODY), validator='"v0"', started=lambda *new: begun.append(new))
        fetcher.fetch(f"http://{server.host}/file", transfer)
        assert target.getvalue() == BODY and begun == [('"v1"', len(BODY))], "another version: from its start"


def test_a_part_that_the_server_has_not_is_fetched_anew() -> None:
    answers = iter([Answer(416, headers={"Content-Range": f"bytes */{len(BODY)}"}), Answer(200, BODY)])
    target = io.BytesIO(BODY + b"more")
    target.seek(0, io.SEEK_END)
    fetcher, _naps = client()
    with running_server(lambda _request: next(answers)) as server:
        fetcher.fetch(f"http://{server.host}/", Transfer(target, 1 << 30, size=len(BODY) + 4, validator='"v1"'))
    assert target.getvalue() == BODY
