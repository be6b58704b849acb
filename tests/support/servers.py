# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP servers on loopback: one that answers by a function, and a proxy before a real registry that breaks things."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import http.server
import re
import socket
import ssl
import struct
import threading
import typing as t
import urllib.parse

if t.TYPE_CHECKING:
    from .certificates import Authority  # needs cryptography, which unit tests do without

_PIECE = 1 << 16


@dataclasses.dataclass(frozen=True)
class Request:
    """What a server was asked. Header names are in lower case. ``peer``: the client's port, one a connection."""

    method: str
    target: str
    headers: t.Mapping[str, str]
    body: bytes = b""
    peer: int = 0

    def query(self) -> dict[str, str]:
        """Parameters of the URL."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.target).query))

    def form(self) -> dict[str, str]:
        """Fields of a posted form."""
        return dict(urllib.parse.parse_qsl(self.body.decode()))

    def basic_login(self) -> tuple[str, str] | None:
        """User name and password of basic authentication."""
        scheme, _sep, value = self.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        username, _sep, password = base64.b64decode(value).decode().partition(":")
        return username, password


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a server says. ``length`` replaces Content-Length; ``cut`` ends the connection after so many body bytes.

    With ``reset`` it ends hard, as when a load balancer drops it; the client may then not even get all that was sent.
    """

    status: int
    body: bytes = b""
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    length: int | None = None
    cut: int | None = None
    reset: bool = False


@dataclasses.dataclass
class RunningServer:
    """``host`` is address and port; ``requests`` grows as they come."""

    host: str
    requests: list[Request]

    def everything(self) -> str:
        """All that ever reached it, as text to search in."""
        return "\n".join(f"{request.target} {dict(request.headers)} {request.body!r}" for request in self.requests)


class Server(http.server.ThreadingHTTPServer):
    """A server that many may ask at once, and that does not wait for them at its end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Clients that give up are part of the tests."""


@contextlib.contextmanager
def running_server(
    answer: t.Callable[[Request], Answer], *, tls: Authority | None = None, address: str = "127.0.0.1"
) -> t.Iterator[RunningServer]:
    """Run an HTTP server that keeps connections open and answers each request by ``answer``."""
    requests: list[Request] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            request = Request(self.command, self.path, headers, body, self.client_address[1])
            requests.append(request)
            self.send(answer(request))

        do_POST = do_PATCH = do_DELETE = do_HEAD = do_CONNECT = do_GET

        def send(self, said: Answer) -> None:
            self.send_response_only(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if not any(name.lower() in ("transfer-encoding", "content-length") for name in said.headers):
                self.send_header("Content-Length", str(len(said.body) if said.length is None else said.length))
            self.end_headers()
            if said.cut is None:
                self.wfile.write(said.body)
                return
            self.wfile.write(said.body[: said.cut])
            self.wfile.flush()
            if said.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = Server((address, 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield RunningServer(f"{address}:{server.server_address[1]}", requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclasses.dataclass
class Fault:
    """Change answers to requests whose ``METHOD target`` matches ``pattern``, the first ``times`` of them.

    ``change`` gets the request and the real answer and gives another one.
    """

    pattern: str
    change: t.Callable[[Request, Answer], Answer]
    times: int = 1_000_000

    def applies(self, request: Request) -> bool:
        """Whether it is this request's turn."""
        if self.times < 1 or not re.search(self.pattern, f"{request.method} {request.target}"):
            return False
        self.times -= 1
        return True


def ask(connection: http.client.HTTPConnection, request: Request) -> Answer:
    """What another server answers to a request, asked by a connection that is closed then."""
    passed = {name: value for name, value in request.headers.items() if name not in ("host", "connection")}
    dropped = ("content-length", "transfer-encoding", "connection", "date", "server")
    with contextlib.closing(connection):
        connection.request(request.method, request.target, request.body or None, passed)
        response = connection.getresponse()
        headers = {name: value for name, value in response.getheaders() if name.lower() not in dropped}
        return Answer(response.status, response.read(), headers)


@contextlib.contextmanager
def faulty_proxy(
    upstream: str, faults: list[Fault], *, tls: Authority, upstream_tls: bool = True
) -> t.Iterator[RunningServer]:
    """A reverse proxy over TLS before the registry at ``upstream`` (host:port) that applies ``faults``."""

    def forward(request: Request) -> Answer:
        context = ssl.create_default_context(cafile=str(tls.ca_file))
        answer = ask(
            http.client.HTTPSConnection(upstream, context=context, timeout=30)
            if upstream_tls
            else http.client.HTTPConnection(upstream, timeout=30),
            request,
        )
        for fault in faults:
            if fault.applies(request):
                answer = fault.change(request, answer)
        return answer

    with running_server(forward, tls=tls) as running:
        yield running
