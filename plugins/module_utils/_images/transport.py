# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for registries: connections, TLS, proxies, redirects, and how long to go on trying.

``http.client`` and not ``urllib.request``, since a redirect must not carry credentials along and connections are kept;
and no third-party client, since the scanner pod has none.
"""

from __future__ import annotations

import email.message
import email.utils
import functools
import http.client
import io
import random
import re
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse

from .._core.errors import InputError, LimitExceeded, RegistryError
from .._core.text import quoted
from .access import Access, read_small_file
from .proxies import proxy_for
from .urls import Endpoint, Url, parse_url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECT_LIMIT = 5
_IDLE_LIMIT = 4
_BUFFER = 1 << 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_CA_LIMIT = 16 << 20
BREAKER_SECONDS = 30.0
_BREAKER_LIMIT = 1000
_PLAIN = (
    "does it speak plain HTTP? Then name a registry in plain_http_registries (in the roles, in scan_registries:"
    " {plain_http_registries: [HOST:PORT]})"
)
_UNREACHED = "check that the registry is up, and that it can be reached from where images are read"


class ConnectionLost(RegistryError):
    """No answer, or the answer broke off. Worth another attempt."""

    code = "registry-unavailable"


class Patience:
    """Attempts and time that are left for one request or one stream."""

    def __init__(self, access: Access, more_seconds: float = 0.0) -> None:
        self._retries = access.retries
        self._seconds = access.deadline + more_seconds
        self._end = time.monotonic() + self._seconds
        self._used = 0

    @property
    def is_used_up(self) -> bool:
        """True if there is no further attempt."""
        return self._used >= self._retries

    def check(self) -> None:
        """Raise TimeoutError when the time is over."""
        if time.monotonic() > self._end:
            raise TimeoutError(f"not done within {self._seconds:.0f} s")

    def progress(self) -> None:
        """Something new arrived: attempts count from here."""
        self._used = 0

    @property
    def used(self) -> int:
        """Number of further attempts since the last progress."""
        return self._used

    def pause(self, error: RegistryError, asked_seconds: float | None = None) -> None:
        """Wait before another attempt, for ``asked_seconds`` if given; raise ``error`` when there is none."""
        if self._used >= self._retries:
            raise _after(error, self._used)
        delay = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._used) * random.uniform(0.5, 1.0)
        if asked_seconds is not None:
            delay = max(delay, asked_seconds * random.uniform(1.0, 1.1))
        if time.monotonic() + delay > self._end:
            if asked_seconds is not None and asked_seconds >= delay / 1.1:
                error.message += (
                    f"; it asks to wait {asked_seconds:.0f} s, longer than the deadline of {self._seconds:.0f} s"
                )
            raise _after(error, self._used)
        self._used += 1
        time.sleep(delay)


class Breaker:
    """Endpoints that a request could not even connect to, with all its attempts: the next ones do not try as long.

    Within ``BREAKER_SECONDS`` they fail at once with the same words; then each gets one attempt, until one connects.
    Used under the lock of its transport.
    """

    def __init__(self) -> None:
        self._open: dict[Endpoint, tuple[float, str]] = {}

    def check(self, endpoint: Endpoint) -> None:
        """Raise RegistryError, which is not tried again, where the endpoint was dead a moment ago."""
        since, message = self._open.get(endpoint, (0.0, ""))
        if message and time.monotonic() < since + BREAKER_SECONDS:
            raise RegistryError(message, code=ConnectionLost.code, hint=_UNREACHED)

    def failed(self, endpoint: Endpoint, error: RegistryError, patience: Patience) -> RegistryError:
        """Take in that no connection came about; gives the error to raise."""
        message = self._open.get(endpoint, (0.0, ""))[1]
        if message:
            error = RegistryError(message, code=ConnectionLost.code, hint=_UNREACHED)
        elif patience.is_used_up and len(self._open) < _BREAKER_LIMIT:
            message = _after(ConnectionLost(error.message), patience.used).message
        if message:
            self._open[endpoint] = (time.monotonic(), message)
        return error

    def connected(self, endpoint: Endpoint) -> None:
        """It lives."""
        self._open.pop(endpoint, None)


def _after(error: RegistryError, retries: int) -> RegistryError:
    if retries:
        error.message += f" (tried {retries + 1} times)"
    return error


def retry_after(headers: email.message.Message | t.Mapping[str, str]) -> float | None:
    """Seconds that the header Retry-After asks for, as a number or as a date."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


class Response:
    """An answer whose body is read in pieces. Reading it to its end gives the connection back for the next request."""

    def __init__(self, raw: _TimedResponse, url: Url, release: t.Callable[[bool], None]) -> None:
        self._raw = raw
        raw.incoming.keeps_errors = True
        self._release: t.Callable[[bool], None] | None = release
        self.url = url
        self.status = raw.status
        self.headers: http.client.HTTPMessage = raw.headers
        self.length = raw.length  # of the body, None where the server does not say
        self._received = 0
        if self.length == 0:
            self._end(True)

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, b"" at the end. Raises ConnectionLost where the body is cut."""
        if self._release is None:
            return b""
        try:
            data = self._raw.read(size)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise lost(self.url.endpoint, error) from error
        self._received += len(data)
        if not data and self.length is not None:
            self.close()
            where = f"after {self._received} of {self.length} bytes"
            if self._raw.incoming.error is not None:
                failure = lost(self.url.endpoint, self._raw.incoming.error)
                failure.message += f", {where}"
                raise failure
            raise ConnectionLost(f"{self.url.endpoint} closed the connection {where}", hint=_UNREACHED)
        if not data or self._received == self.length:
            self._end(True)
        return data

    def read_all(self, limit: int, subject: str) -> bytes:
        """The whole body, at most ``limit`` bytes."""
        pieces: list[bytes] = []
        room = limit + 1
        while room > 0:
            piece = self.read(min(room, _BUFFER))
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            room -= len(piece)
        self.close()
        raise LimitExceeded(f"{subject} has more than {limit} bytes")

    def close(self) -> None:
        """Stop reading. The connection is closed unless the body was read to its end."""
        self._end(False)

    def _end(self, reusable: bool) -> None:
        if self._release is not None:
            release, self._release = self._release, None
            reusable = reusable and not self._raw.will_close
            self._raw.close()
            release(reusable)


def lost(endpoint: Endpoint, error: Exception) -> ConnectionLost:
    """The error for a connection that failed."""
    reason = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    if isinstance(error, socket.timeout):
        reason = "timed out" if reason == "timed out" else reason
    return ConnectionLost(f"the connection to {endpoint} failed: {ascii(reason)[1:-1][:200]}", hint=_UNREACHED)


class Transport:
    """Sends requests and keeps idle connections. Safe to use from several threads."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._idle: dict[Endpoint, list[http.client.HTTPConnection]] = {}
        self._context: ssl.SSLContext | None = None
        self._breaker = Breaker()

    def send(
        self,
        method: str,
        url: Url,
        headers: t.Mapping[str, str],
        patience: Patience,
        *,
        authorization: str = "",
        body: bytes | None = None,
        follow: bool = True,
    ) -> Response:
        """One request, redirects followed unless told. ``authorization`` goes to the first endpoint alone.

        Raises ConnectionLost, or RegistryError for what another attempt would not change.
        """
        for _attempt in range(_REDIRECT_LIMIT + 1):
            sent = {**headers, "Authorization": authorization} if authorization else dict(headers)
            response = self._exchange(method, url, sent, body, patience)
            if response.status not in _REDIRECTS or not follow:
                return response
            location = response.headers.get("Location", "")
            response.close()
            following = self._redirect(method, url, location)
            if following.endpoint != url.endpoint:
                authorization = ""  # for good, even if a later redirect leads back
            url = following
        raise RegistryError(f"{url.endpoint} redirects more than {_REDIRECT_LIMIT} times", code="redirect-refused")

    def may_carry_secrets(self, endpoint: Endpoint) -> bool:
        """Secrets go over verified TLS, or stay on this machine."""
        return (endpoint.scheme == "https" and self._access.validate_certs) or endpoint.is_loopback

    def _redirect(self, method: str, url: Url, location: str) -> Url:
        following = parse_url(urllib.parse.urljoin(str(url), location)) if location else None
        if following is None or method != "GET":
            raise RegistryError(f"{url.endpoint} redirects to no address that can be used", code="redirect-refused")
        start, end = url.endpoint, following.endpoint
        if end.scheme == "http" and start.scheme == "https":
            raise RegistryError(
                f"{start} redirects to {end} over plain HTTP, which is never followed from HTTPS",
                code="redirect-refused",
            )
        names = (str(end), f"{end.host}:{end.port}")
        if end.scheme == "http" and end != start and not any(map(self._access.is_plain_http, names)):
            raise RegistryError(
                f"{start} redirects to {end} over plain HTTP, which was not asked for",
                code="redirect-refused",
                hint=f"add {end} to the registries that are asked over plain HTTP",
            )
        return following

    def _exchange(
        self, method: str, url: Url, headers: t.Mapping[str, str], body: bytes | None, patience: Patience
    ) -> Response:
        target, sent = url.target, dict(headers)
        proxy = proxy_for(url.endpoint) if url.endpoint.scheme == "http" else None
        if proxy:
            target = str(url)
            sent.update(proxy.headers)
        while True:
            connection, is_fresh = self._take(url.endpoint)
            # typeshed wants a class where any callable will do.
            connection.response_class = functools.partial(_TimedResponse, patience)  # type: ignore[assignment]
            try:
                patience.check()
                if is_fresh:
                    self._open(url.endpoint, connection, patience)
                connection.request(method, target, body, sent)
                raw = t.cast(_TimedResponse, connection.getresponse())
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if not is_fresh and isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
                    continue  # the server closed an idle connection; that says nothing about this request
                raise self._failure(url.endpoint, error) from error
            return Response(raw, url, functools.partial(self._give_back, url.endpoint, connection))

    def _open(self, endpoint: Endpoint, connection: http.client.HTTPConnection, patience: Patience) -> None:
        """Connect, unless that failed a moment ago."""
        with self._lock:
            self._breaker.check(endpoint)
        try:
            connection.connect()
        except OSError as error:
            failure = self._failure(endpoint, error)
            if failure.code != ConnectionLost.code:
                raise
            connection.close()
            with self._lock:
                raise self._breaker.failed(endpoint, failure, patience) from error
        with self._lock:
            self._breaker.connected(endpoint)

    def _take(self, endpoint: Endpoint) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            idle = self._idle.get(endpoint)
            if idle:
                return idle.pop(), False
        return self._connect(endpoint), True

    def _give_back(self, endpoint: Endpoint, connection: http.client.HTTPConnection, reusable: bool) -> None:
        with self._lock:
            idle = self._idle.setdefault(endpoint, [])
            if reusable and len(idle) < _IDLE_LIMIT:
                idle.append(connection)
                return
        connection.close()

    def _connect(self, endpoint: Endpoint) -> http.client.HTTPConnection:
        proxy = proxy_for(endpoint)
        host, port = (proxy.endpoint.host, proxy.endpoint.port) if proxy else (endpoint.host, endpoint.port)
        if endpoint.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._access.timeout)
        connection = http.client.HTTPSConnection(host, port, timeout=self._access.timeout, context=self._tls_context())
        if proxy:
            connection.set_tunnel(endpoint.host, endpoint.port, headers=dict(proxy.headers))
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = tls_context(self._access)
            return self._context

    def _failure(self, endpoint: Endpoint, error: Exception) -> RegistryError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return RegistryError(
                f"the certificate of {endpoint} is not trusted: {error.verify_message}",
                code="registry-tls",
                hint="give a file with the certificate of its CA as registry_ca_cert, in the roles in scan_registries",
            )
        if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            hint = _PLAIN if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST") else ""
            return RegistryError(
                f"no TLS connection to {endpoint}: {error.reason or 'TLS failed'}", code="registry-tls", hint=hint
            )
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
            return RegistryError(f"there is no host {endpoint.host}", code="registry-unavailable", hint=_UNREACHED)
        refused = re.match(r"Tunnel connection failed: (4\d\d)", str(error))
        if refused:
            proxy = proxy_for(endpoint)
            name = f"the proxy {proxy.endpoint}" if proxy else "the proxy"
            return RegistryError(
                f"{name} refuses the way to {endpoint} with {refused.group(1)}",
                code="registry-unavailable",
                hint="check the proxy, its login and what needs none (HTTPS_PROXY, NO_PROXY)",
            )
        return lost(endpoint, error)


def tls_context(access: Access) -> ssl.SSLContext:
    """TLS as the run wants it. Raises InputError when the CA file cannot be used."""
    context = ssl.create_default_context()
    if not access.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if access.ca_file:
        data = read_small_file(access.ca_file, "the CA file", _CA_LIMIT)
        try:
            context.load_verify_locations(cadata=data.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise InputError(
                f"the CA file {quoted(access.ca_file)} has no certificates in PEM form",
                hint="give the certificate of the CA as text that begins with -----BEGIN CERTIFICATE-----",
            ) from error
    return context


class _TimedFile(io.RawIOBase):
    """Data of a socket, read within a deadline.

    While a body is read, an error waits until what came before it is delivered: a buffered reader would lose that, and
    a connection that breaks often would never get further.
    """

    def __init__(self, patience: Patience, raw: io.RawIOBase) -> None:
        self._patience = patience
        self._raw = raw
        self.keeps_errors = False
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any, /) -> int | None:
        if self.error is not None:
            return 0
        try:
            self._patience.check()
            return self._raw.readinto(buffer)
        except OSError as error:
            if not self.keeps_errors:
                raise
            self.error = error
            return 0

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _TimedResponse(http.client.HTTPResponse):
    """An answer that is read through ``_TimedFile``, with a bigger buffer."""

    def __init__(self, patience: Patience, sock: t.Any, *args: t.Any, **details: t.Any) -> None:
        self.incoming = _TimedFile(patience, sock.makefile("rb", buffering=0))
        super().__init__(t.cast(socket.socket, self), *args, **details)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Stands in for the socket, of which http.client wants just this."""
        return io.BufferedReader(self.incoming, _BUFFER)
