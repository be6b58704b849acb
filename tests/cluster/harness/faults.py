# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reverse proxy in front of the real API server that breaks what passes through it, and an HTTP proxy (CONNECT).

Tokens pass; client certificates cannot. Answers are handed on as they come, so logs can be followed and watched.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import http.server
import json
import re
import select
import socket
import ssl
import struct
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.imagescan.openshift.tests.support.certificates import Authority
from ansible_collections.imagescan.openshift.tests.support.servers import Server

_PIECE = 1 << 16
_CODES = {410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}


@dataclasses.dataclass
class Fault:
    """What happens to every ``every``-th request whose ``METHOD target`` matches ``pattern``, ``times`` times at most.

    ``delay``: seconds before anything else. ``status``: this answer in place of the real one, with ``retry_after``.
    ``drop``: the connection ends without an answer, ``"before"`` the server is asked or ``"after"``.
    ``cut``: the answer ends after so many bytes of its body: ``"clean"`` as if that were all (what a broken log looks
    like), ``"broken"`` without the end that HTTP wants, or ``"reset"``.
    ``change``: a function that makes another body of each piece that passes.
    """

    pattern: str = ""
    every: int = 1
    times: int = 1_000_000
    delay: float = 0.0
    status: int = 0
    retry_after: int | None = None
    drop: t.Literal["", "before", "after"] = ""
    cut: int | None = None
    how: t.Literal["clean", "broken", "reset"] = "clean"
    change: t.Callable[[bytes], bytes] | None = None
    seen: int = 0
    hits: int = 0

    def applies(self, request: str) -> bool:
        """Whether it is this request's turn. Not thread-safe."""
        if self.hits >= self.times or not re.search(self.pattern, request):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.hits += 1
        return True


class Faults:
    """A running proxy. ``url`` is its address for clients that trust ``ca_file``. ``faults`` may change at any time."""

    def __init__(self, url: str, ca_file: Path, faults: list[Fault]) -> None:
        self.url = url
        self.ca_file = ca_file
        self.faults = faults
        self.requests: list[str] = []
        self._lock = threading.Lock()

    def record(self, request: str) -> list[Fault]:
        """Remember a request (``METHOD target``); the faults whose turn it is."""
        with self._lock:
            self.requests.append(request)
            return [fault for fault in self.faults if fault.applies(request)]

    def count(self, pattern: str) -> int:
        """How many requests matched."""
        return sum(1 for request in self.requests if re.search(pattern, request))


@contextlib.contextmanager
def fault_proxy(server: str, server_ca: Path, folder: Path, faults: t.Iterable[Fault] = ()) -> t.Iterator[Faults]:
    """Run the proxy in the network namespace of the caller.

    ``server`` is the API server's URL, trusted by ``server_ca``; the proxy's own certificates are made in ``folder``.
    """
    own = Authority.create(folder)
    upstream = urllib.parse.urlsplit(server)
    trust = ssl.create_default_context(cafile=str(server_ca))
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(own.certificate, own.key)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            host, port = upstream.hostname or "", upstream.port or 443
            self.upstream = http.client.HTTPSConnection(host, port, context=trust, timeout=300)

        def finish(self) -> None:
            self.upstream.close()
            with contextlib.suppress(OSError):
                super().finish()

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length) if length else None
            due = proxy.record(f"{self.command} {self.path}")
            for fault in due:
                time.sleep(fault.delay)
            for fault in due:
                if fault.drop == "before":
                    self.hang_up()
                    return
                if fault.status:
                    self.say(fault)
                    return
            try:
                answer = self.ask(body)
            except OSError:
                self.hang_up()
                return
            if any(fault.drop == "after" for fault in due):
                answer.read()
                self.hang_up()
                return
            self.hand_on(answer, due)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def ask(self, body: bytes | None) -> http.client.HTTPResponse:
            """Send the request on, header by header, since a dictionary would lose repeated ones."""
            for is_last in (False, True):
                try:
                    self.upstream.putrequest(self.command, self.path, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        if name.lower() not in ("host", "connection"):
                            self.upstream.putheader(name, value)
                    self.upstream.endheaders(body)
                    return self.upstream.getresponse()
                except (ConnectionError, http.client.HTTPException):
                    self.upstream.close()  # the server closed an idle connection
                    if is_last or self.command == "POST":
                        raise ConnectionError from None
            raise AssertionError("unreachable")

        def hand_on(self, answer: http.client.HTTPResponse, due: list[Fault]) -> None:
            self.send_response_only(answer.status)
            length = answer.getheader("Content-Length")
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                    self.send_header(name, value)
            cut = next((fault for fault in due if fault.cut is not None), None)
            change = next((fault.change for fault in due if fault.change), None)
            has_body = answer.status != 204
            is_chunked = has_body and (length is None or change is not None or (cut and cut.how == "clean"))
            if is_chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif has_body and length is not None:
                self.send_header("Content-Length", length)
            self.end_headers()
            left = cut.cut if cut and cut.cut is not None else None
            try:
                while left is None or left > 0:
                    piece = answer.read1(_PIECE)
                    if not piece:
                        answer.close()  # read1 does not notice the end itself, and the next request would be refused
                        break
                    piece = change(piece) if change else piece
                    if left is not None:
                        piece = piece[:left]
                        left -= len(piece)
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked and piece else piece)
                    self.wfile.flush()
            except (OSError, http.client.HTTPException):
                self.hang_up()
                return
            if left is not None and left <= 0 and cut:
                answer.close()
                self.upstream.close()
                if cut.how != "clean":
                    self.hang_up(reset=cut.how == "reset")
                    return
            if is_chunked:
                with contextlib.suppress(OSError):
                    self.wfile.write(b"0\r\n\r\n")

        def say(self, fault: Fault) -> None:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status}
            body = json.dumps(
                {**status, "reason": _CODES.get(fault.status, ""), "message": "a fault of the test"}
            ).encode()
            self.send_response_only(fault.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if fault.retry_after is not None:
                self.send_header("Retry-After", str(fault.retry_after))
            self.end_headers()
            self.wfile.write(body)

        def hang_up(self, *, reset: bool = True) -> None:
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    served = Server(("0.0.0.0", 0), Handler)
    served.socket = listening.wrap_socket(served.socket, server_side=True, do_handshake_on_connect=False)
    proxy = Faults(f"https://127.0.0.1:{served.server_address[1]}", own.ca_file, list(faults))
    with _serving(served):
        yield proxy


@dataclasses.dataclass
class Tunnel:
    """A running CONNECT proxy: its ``url``, what it was asked to connect to, and the logins that it was shown."""

    url: str
    targets: list[str]
    logins: list[str]


@contextlib.contextmanager
def tunnel(login: str = "") -> t.Iterator[Tunnel]:
    """Run an HTTP proxy on loopback that only makes tunnels, and demands ``login`` ("name:password") if given."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            running.targets.append(self.path)
            shown = self.headers.get("Proxy-Authorization", "")
            running.logins.append(shown)
            self.close_connection = True
            if login and shown != "Basic " + base64.b64encode(login.encode()).decode():
                self.send_response(407)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            host, _colon, port = self.path.rpartition(":")
            try:
                other = socket.create_connection((host, int(port)), timeout=10)
            except OSError:
                self.send_error(502)
                return
            self.send_response_only(200)
            self.end_headers()
            self.wfile.flush()
            with other:
                ends = {self.connection: other, other: self.connection}
                while True:
                    for end in select.select(list(ends), [], [], 300)[0]:
                        data = end.recv(_PIECE)
                        if not data:
                            return
                        ends[end].sendall(data)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    served = Server(("127.0.0.1", 0), Handler)
    running = Tunnel(f"http://127.0.0.1:{served.server_address[1]}", [], [])
    with _serving(served):
        yield running


@contextlib.contextmanager
def _serving(server: Server) -> t.Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
