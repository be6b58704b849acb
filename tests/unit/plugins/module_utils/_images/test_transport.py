# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import email.utils
import functools
import http.client
import io
import socket
import ssl
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, RegistryError
from ansible_collections.imagescan.openshift.plugins.module_utils._images import transport
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.registry import RegistryClient
from ansible_collections.imagescan.openshift.plugins.module_utils._images.transport import (
    ConnectionLost,
    Patience,
    Transport,
    retry_after,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.urls import Endpoint
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._images.test_urls import url


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were made, without waiting for them."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


def tls_error(kind: type[ssl.SSLError], **attributes: str) -> ssl.SSLError:
    """As OpenSSL raises it."""
    error = kind(1, "TLS")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (ssl.SSLEOFError(8, "unexpected end"), True),
        (ssl.SSLZeroReturnError(6, "closed"), True),
        (ConnectionResetError(104, "reset"), True),
        (tls_error(ssl.SSLError, reason="WRONG_VERSION_NUMBER"), False),
        (tls_error(ssl.SSLCertVerificationError, verify_message="self-signed"), False),
    ],
)
def test_a_connection_that_ends_is_tried_again_and_what_is_no_tls_is_not(error: Exception, is_lost: bool) -> None:
    failure = Transport(Access())._failure(Endpoint("https", "registry.example", 443), error)
    assert isinstance(failure, ConnectionLost) is is_lost
    assert failure.code == ("registry-unavailable" if is_lost else "registry-tls")


def test_a_registry_that_speaks_no_tls_is_told_with_the_option_for_it() -> None:
    error = tls_error(ssl.SSLError, reason="WRONG_VERSION_NUMBER")
    failure = Transport(Access())._failure(Endpoint("https", "registry.example", 5000), error)
    assert "name a registry in plain_http_registries (in the roles, in scan_registries: {" in failure.hint


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("9" * 400, 999_999_999.0),
        ("Wed, 99 Foo", None),
    ],
)
def test_retry_after(value: str, expected: float | None) -> None:
    headers = http.client.HTTPMessage()
    headers["Retry-After"] = value
    assert retry_after(headers) == expected


def test_retry_after_a_date() -> None:
    for offset, low, high in ((100, 95, 101), (-100, 0, 0)):
        headers = http.client.HTTPMessage()
        headers["Retry-After"] = email.utils.formatdate(time.time() + offset, usegmt=True)
        waited = retry_after(headers)
        assert waited is not None and low <= waited <= high


def test_pauses_grow_and_end(pauses: list[float]) -> None:
    patience = Patience(Access(retries=4))
    for _attempt in range(4):
        patience.pause(ConnectionLost("gone"))
    with pytest.raises(ConnectionLost, match=r"gone \(tried 5 times\)"):
        patience.pause(ConnectionLost("gone"))
    assert [0.25 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(pauses)] == [True] * 4


def test_progress_gives_new_attempts(pauses: list[float]) -> None:
    patience = Patience(Access(retries=1))
    for _attempt in range(10):
        patience.pause(ConnectionLost("gone"))
        patience.progress()
    assert max(pauses) <= 0.5


def test_the_wait_that_is_asked_for_is_kept_unless_it_is_too_long(pauses: list[float]) -> None:
    patience = Patience(Access(deadline=100))
    patience.pause(ConnectionLost("busy"), 20.0)
    assert 20.0 <= pauses[0] <= 22.0
    with pytest.raises(ConnectionLost, match=r"busy; it asks to wait 120 s"):
        patience.pause(ConnectionLost("busy"), 120.0)


def get(target: str, access: Access | None = None, **options: t.Any) -> tuple[int, bytes]:
    access = access or Access()
    response = Transport(access).send("GET", url(target), {}, Patience(access), **options)
    return response.status, response.read_all(1 << 20, "it")


def test_connections_are_kept_and_a_stale_one_is_replaced() -> None:
    access = Access()
    shared = Transport(access)

    def answer(request: Request) -> Answer:
        # The server says that it keeps the connection, and drops it after the answer.
        return Answer(200, b"hello", cut=5) if request.target == "/drop" else Answer(200, b"hello")

    with running_server(answer) as server:
        for target in ("/a", "/b", "/drop", "/c", "/d"):
            response = shared.send("GET", url(f"http://{server.host}{target}"), {}, Patience(access))
            assert response.read_all(100, "it") == b"hello"
            time.sleep(0.05)
        assert [request.target for request in server.requests] == ["/a", "/b", "/drop", "/c", "/d"]
        assert sum(len(idle) for idle in shared._idle.values()) == 1


def _same(answer: Answer, _request: Request) -> Answer:
    """A server with one answer."""
    return answer


def test_a_body_that_is_cut_is_lost_and_not_short() -> None:
    for cut, reset in ((0, False), (3, False), (99, False), (0, True), (50, True)):
        answer = Answer(200, b"x" * 100, cut=cut, reset=reset)
        with running_server(functools.partial(_same, answer)) as server, pytest.raises(ConnectionLost):
            get(f"http://{server.host}/")
    with running_server(lambda request: Answer(200, b"short", length=100)) as server, pytest.raises(ConnectionLost):
        get(f"http://{server.host}/", Access(timeout=0.3))


def test_what_came_before_an_error_is_not_lost() -> None:
    class Breaks(io.RawIOBase):
        pieces: t.ClassVar[list[bytes]] = [b"seven b"]

        def readinto(self, buffer: t.Any, /) -> int:
            if not self.pieces:
                raise ConnectionResetError(104, "Connection reset by peer")
            piece = self.pieces.pop()
            buffer[: len(piece)] = piece
            return len(piece)

    incoming = transport._TimedFile(Patience(Access()), Breaks())
    incoming.keeps_errors = True
    buffered = io.BufferedReader(incoming, 1 << 16)
    assert buffered.read(1 << 20) == b"seven b"
    assert buffered.read(1 << 20) == b""
    assert isinstance(incoming.error, ConnectionResetError)


def test_a_chunked_body_is_read_to_its_end() -> None:
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    with running_server(lambda request: Answer(200, body, {"Transfer-Encoding": "chunked"})) as server:
        assert get(f"http://{server.host}/") == (200, b"hello world")
    cut = Answer(200, body[:12], {"Transfer-Encoding": "chunked"}, cut=12)
    with running_server(lambda request: cut) as server, pytest.raises(ConnectionLost):
        get(f"http://{server.host}/")


def test_a_server_that_drips_is_left_when_the_time_is_over() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _peer = listener.accept()
        try:
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            connection.close()

    threading.Thread(target=drip, daemon=True).start()
    with pytest.raises(ConnectionLost, match="not done within"):  # without a deadline it would never end
        get(f"http://127.0.0.1:{listener.getsockname()[1]}/", Access(deadline=0.5))
    listener.close()


def test_a_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(ConnectionLost, match="timed out"):
        get(f"http://127.0.0.1:{listener.getsockname()[1]}/", Access(timeout=0.2))


@pytest.mark.parametrize(
    "raw", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n", b"HTTP/1.1 200 " + b"x" * 100_000]
)
def test_answers_that_are_no_http(raw: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            connection, _peer = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(raw)

        threading.Thread(target=speak, daemon=True).start()
        with pytest.raises(ConnectionLost) as caught:
            get(f"http://127.0.0.1:{listener.getsockname()[1]}/", Access(timeout=5))
        assert len(str(caught.value)) < 400


def test_a_host_that_does_not_exist_is_final() -> None:
    with pytest.raises(RegistryError, match=r"no host|failed") as caught:
        get("https://registry.invalid/")
    assert caught.value.code == "registry-unavailable"


class TestBreaker:
    """A host that is gone costs its patience once and not for each image."""

    @pytest.fixture
    def attempts(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Ports that somebody tried to connect to."""
        made: list[int] = []
        connect = http.client.HTTPConnection.connect

        def counted(connection: http.client.HTTPConnection) -> None:
            made.append(connection.port)
            connect(connection)

        monkeypatch.setattr(http.client.HTTPConnection, "connect", counted)
        return made

    def client(self, port: int, retries: int = 3) -> RegistryClient:
        host = f"127.0.0.1:{port}"
        return RegistryClient(host, Access(plain_http=(host,), retries=retries))

    def ask(self, client: RegistryClient) -> str:
        """The error of one request, or its body."""
        try:
            return client.fetch("/v2/", "", None, 100, {}, "the answer")[0].decode()
        except RegistryError as error:
            assert error.code == "registry-unavailable"
            return str(error)

    def closed_port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return int(listener.getsockname()[1])

    def test_later_requests_fail_at_once_with_the_same_words(self, attempts: list[int], pauses: list[float]) -> None:
        client = self.client(self.closed_port())
        first = self.ask(client)
        assert "Connection refused (tried 4 times) (check that the registry is up" in first
        assert (len(attempts), len(pauses)) == (4, 3)
        assert [self.ask(client) for _again in range(3)] == [first] * 3
        assert (len(attempts), len(pauses)) == (4, 3)

    def test_after_a_while_one_attempt_is_made_and_a_host_that_is_back_is_asked(
        self, attempts: list[int], pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = self.closed_port()
        client = self.client(port)
        first = self.ask(client)
        monkeypatch.setattr(transport, "BREAKER_SECONDS", 0.0)
        assert self.ask(client) == first
        assert (len(attempts), len(pauses)) == (5, 3)
        with socket.create_server(("127.0.0.1", port)) as listener:

            def speak() -> None:
                connection, _peer = listener.accept()
                with connection:
                    connection.recv(10_000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

            threading.Thread(target=speak, daemon=True).start()
            assert self.ask(client) == "ok"
        monkeypatch.setattr(transport, "BREAKER_SECONDS", 30.0)
        # It had answered, so that all the patience is there again.
        assert self.ask(client) == first
        assert len(attempts) == 10

    def test_one_request_that_has_patience_left_stops_no_other(self, attempts: list[int]) -> None:
        port = self.closed_port()
        host = url(f"http://127.0.0.1:{port}/")
        shared = Transport(Access())
        for _attempt in range(10):
            with pytest.raises(ConnectionLost):
                shared.send("GET", host, {}, Patience(Access()))
        assert len(attempts) == 10

    def test_other_hosts_and_silent_ones_are_not_concerned(self, attempts: list[int], pauses: list[float]) -> None:
        dead = url(f"http://127.0.0.1:{self.closed_port()}/")
        shared = Transport(Access())
        nothing = Patience(Access(retries=0))
        with pytest.raises(ConnectionLost):
            shared.send("GET", dead, {}, nothing)
        with running_server(lambda request: Answer(200, b"", cut=0, length=5)) as server:
            for _attempt in range(2):
                response = shared.send("GET", url(f"http://{server.host}/"), {}, nothing)
                with pytest.raises(ConnectionLost, match="closed the connection"):
                    response.read(5)
        assert len(attempts) == 3


class TestRedirects:
    def test_credentials_stay_with_the_first_host_even_on_the_way_back(self) -> None:
        with running_server(lambda request: Answer(302, b"", {"Location": back[0]})) as other:

            def answer(request: Request) -> Answer:
                if request.target == "/end":
                    return Answer(200, b"end")
                return Answer(307, b"", {"Location": f"http://{other.host}/x"})

            with running_server(answer) as first:
                back = [f"http://{first.host}/end"]
                access = Access(plain_http=(other.host, first.host))
                assert get(f"http://{first.host}/", access, authorization="Basic c2VjcmV0") == (200, b"end")
                assert [request.headers.get("authorization") for request in first.requests] == ["Basic c2VjcmV0", None]
            assert [request.headers.get("authorization") for request in other.requests] == [None]

    def test_on_the_same_host_they_are_kept(self) -> None:
        def answer(request: Request) -> Answer:
            return Answer(200, b"end") if request.target == "/end" else Answer(308, b"", {"Location": "/end"})

        with running_server(answer) as server:
            assert get(f"http://{server.host}/", authorization="Basic c2VjcmV0")[0] == 200
            assert server.requests[1].headers["authorization"] == "Basic c2VjcmV0"

    def test_plain_http_elsewhere_only_where_asked_for(self) -> None:
        with running_server(lambda request: Answer(200, b"x")) as other:
            with running_server(lambda request: Answer(307, b"", {"Location": f"http://{other.host}/"})) as first:
                with pytest.raises(RegistryError, match="plain HTTP") as caught:
                    get(f"http://{first.host}/")
                assert caught.value.code == "redirect-refused"
                assert get(f"http://{first.host}/", Access(plain_http=(other.host,)))[0] == 200
            assert len(other.requests) == 1

    def test_a_post_is_not_sent_on(self) -> None:
        access = Access()
        with running_server(lambda request: Answer(307, b"", {"Location": "/x"})) as server:
            with pytest.raises(RegistryError, match="redirects"):
                Transport(access).send("POST", url(f"http://{server.host}/"), {}, Patience(access), body=b"secret")
            assert len(server.requests) == 1


class TestProxies:
    def test_plain_http_goes_through_it_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with running_server(lambda request: Answer(200, b"by proxy")) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://u:p@{proxy.host}")
            assert get("http://r.test:5000/a?b", authorization="Basic c2VjcmV0") == (200, b"by proxy")
            assert proxy.requests[0].target == "http://r.test:5000/a?b"
            assert proxy.requests[0].headers["host"] == "r.test:5000"
            assert proxy.requests[0].headers["proxy-authorization"] == "Basic dTpw"

    def test_https_goes_through_a_tunnel_and_a_refusal_is_final(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with running_server(lambda request: Answer(407, b"")) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://u:p@{proxy.host}")
            with pytest.raises(RegistryError, match=r"the proxy \S+ refuses the way to r\.test with 407") as caught:
                get("https://r.test/a", authorization="Basic c2VjcmV0")
            assert not isinstance(caught.value, ConnectionLost)
            assert (proxy.requests[0].method, proxy.requests[0].target) == ("CONNECT", "r.test:443")
            assert "c2VjcmV0" not in proxy.everything()


def test_a_ca_file_without_certificates(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    for content in (b"", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="PEM"):
            get("https://127.0.0.1:1/", Access(ca_file=str(path)))
