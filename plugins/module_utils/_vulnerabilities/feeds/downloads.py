# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching feed files over HTTP: streamed, bounded, resumed, patient.

One request at a time over a connection that is kept: the vendor's server refuses clients that are too quick (403).
Credentials come from the URL alone, go to its host alone, and stand in no message.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import time
import typing as t
import urllib.parse
import urllib.request
from pathlib import Path

from ..._core.errors import InputError, LimitExceeded, RegistryError, ScanError
from ..._images.access import Access
from ..._images.transport import ConnectionLost, Patience, Response, Transport, retry_after, tls_context
from ..._images.urls import Url, parse_url

_STEP = 1 << 18
_SMALL = 1 << 16
_REDIRECTS = 5
_WAIT_LIMIT = 120.0  # seconds; a longer Retry-After is not waited for
_ATTEMPTS = 500  # of one file, however much each of them brings
_AGAIN = frozenset({403, 408, 425, 429, 500, 502, 503, 504})
_TOO_QUICK = frozenset({403, 429})
_FIRST_GAP, _LONGEST_GAP = 0.1, 2.0  # seconds between requests to a server that said that they come too quickly
_SLOWEST = 50_000  # bytes a second, within which a transfer has to end
_LONGEST = 6 * 3600.0  # seconds
_CODES = {401: "feed-refused", 403: "feed-refused", 404: "feed-not-found", 410: "feed-not-found"}

_HINTS = {
    401: "check the user name and password in the URL",
    403: "check the user name and password in the URL; a server may also refuse who asks too often",
    404: "check the URL",
    410: "check the URL",
}
_UNREACHED = "check the URL, the network and the proxy (HTTPS_PROXY, NO_PROXY)"

_Result = t.TypeVar("_Result")


class FetchError(ScanError):
    """A server refused, failed or could not be reached. ``status`` is the HTTP status, 0 without an answer."""

    code = "feed-unreachable"

    def __init__(self, message: str, *, status: int = 0, **details: t.Any) -> None:
        super().__init__(message, **details)
        self.status = status


def is_url(source: str) -> bool:
    """Return whether a source is to be fetched."""
    return source.lower().startswith(("http://", "https://", "file://"))


def split_url(url: str) -> urllib.parse.SplitResult:
    """Parts of a URL. Raises InputError for what is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        _port = parts.port
    except ValueError as error:
        raise InputError(f"the URL of the feed is malformed: {error}") from error
    return parts


def shown_url(url: str) -> str:
    """A URL for messages: without credentials, query and fragment, which may hold secrets."""
    parts = split_url(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))


def local_path(source: str) -> Path:
    """The path that a source names, be it a ``file:`` URL. Raises InputError for one of another host."""
    if source.lower().startswith("file://"):
        parts = split_url(source)
        if parts.netloc not in ("", "localhost"):
            raise InputError(f"{source} names the host {parts.netloc}; a file URL is file:///path")
        return Path(urllib.request.url2pathname(parts.path))
    return Path(source)


@dataclasses.dataclass(frozen=True)
class Fetched:
    """A small file; ``data`` is None where it still is what ``etag`` stood for. ``etag``: empty where there is none."""

    data: bytes | None
    etag: str


class Transfer:
    """Progress of a large download. ``target`` has ``size`` bytes of it already, of the version ``validator``.

    ``started`` is called with the validator and the length (-1: not known) of each version that is begun, before its
    first byte is written: what was kept of a file goes on in another process by them.
    """

    def __init__(
        self,
        target: t.BinaryIO,
        limit: int,
        *,
        size: int = 0,
        validator: str = "",
        started: t.Callable[[str, int], None] = lambda _validator, _length: None,
    ) -> None:
        self._target = target
        self.limit = limit
        self._started = started
        self.size = size
        self.validator = validator

    def begin(self, url: str, validator: str, length: int) -> None:
        """A version from its start; what there is of another is dropped."""
        self._check(url, length)
        self._kept(lambda: (self._target.seek(0), self._target.truncate()))
        self.size = 0
        self.validator = validator
        self._started(validator, length)

    def drop(self) -> None:
        """Forget what has come."""
        self._kept(lambda: (self._target.seek(0), self._target.truncate()))
        self.size = 0

    def write(self, url: str, data: bytes) -> None:
        """The next bytes."""
        self._check(url, self.size + len(data))
        self._kept(lambda: self._target.write(data))
        self.size += len(data)

    def _check(self, url: str, size: int) -> None:
        if size > self.limit:
            raise LimitExceeded(f"{shown_url(url)} has more than {self.limit} bytes; is it the right URL?")

    def _kept(self, change: t.Callable[[], object]) -> None:
        try:
            change()
        except OSError as error:
            raise ScanError(
                f"what is fetched cannot be kept: {error.strerror or error}",
                code="disk-full",
                hint="make room beside the index, and run it again: it goes on where it stopped",
            ) from error


class FeedClient:
    """Fetches files. ``tick`` is called often, also while it waits; what it raises ends the transfer.

    ``sleep`` is for tests.
    """

    def __init__(
        self,
        access: Access | None = None,
        *,
        tick: t.Callable[[], None] = lambda: None,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._access = access or Access()
        self._tick = tick
        self._sleep = sleep
        self._gap = 0.0
        tls_context(self._access)  # a wrong CA file is said before anything is asked
        self._transport = Transport(self._access)

    def head(self, url: str) -> dict[str, str]:
        """Headers of a file, names in lower case; empty when the server answers no HEAD."""

        def attempt() -> dict[str, str]:
            response = self._send(url, "HEAD", {}, 0)
            self._drain(response)
            _check_status(response, (200,))
            return _headers(response)

        try:
            return self._with_retries(url, attempt)
        except FetchError as error:
            if error.status in (400, 405, 501):
                return {}
            raise

    def ask(self, url: str) -> None:
        """Raise FetchError where a file cannot be had. Nothing of it is read."""

        def attempt() -> None:
            response = self._send(url, "GET", {}, 0)
            response.close()
            _check_status(response, (200,))

        self._with_retries(url, attempt)

    def read(self, url: str, *, limit: int) -> bytes:
        """A small file. Raises FetchError (``status`` 404 when there is none), LimitExceeded."""
        target = io.BytesIO()
        self.fetch(url, Transfer(target, limit))
        return target.getvalue()

    def read_if_changed(self, url: str, etag: str, *, limit: int) -> Fetched:
        """A small file, unless it is the version that ``etag`` stands for. Raises as ``read``."""
        target = io.BytesIO()
        headers = self.fetch(url, Transfer(target, limit), etag=etag)
        if headers is None:
            return Fetched(None, etag)
        return Fetched(target.getvalue(), headers.get("etag", ""))

    def fetch(self, url: str, transfer: Transfer, *, etag: str = "") -> dict[str, str] | None:
        """Stream a file into a transfer; a broken one goes on where it broke.

        Gives the headers; None where the file is the version that ``etag`` stands for.
        """
        return self._with_retries(url, lambda: self._fetch(url, transfer, etag), progress=lambda: transfer.size)

    def _send(self, url: str, method: str, headers: t.Mapping[str, str], limit: int) -> Response:
        """One request, redirects followed: to HTTP alone, from TLS to TLS alone, credentials to their host alone."""
        target, authorization = _request_of(url)
        sent = {"User-Agent": "imagescan.openshift", "Accept-Encoding": "identity", **headers}
        if self._gap:
            self._wait(self._gap)
        for _attempt in range(_REDIRECTS + 1):
            patience = Patience(self._access, min(limit / _SLOWEST, _LONGEST))
            response = self._transport.send(method, target, sent, patience, authorization=authorization, follow=False)
            if response.status not in (301, 302, 303, 307, 308):
                return response
            self._drain(response)
            location = response.headers.get("Location", "")
            following = parse_url(urllib.parse.urljoin(str(target), location)) if location else None
            if following is None or (target.endpoint.scheme == "https" and following.endpoint.scheme != "https"):
                raise FetchError(
                    f"{shown_url(url)} redirects to {_shown(target, location)}; only http and https are followed,"
                    " from https only https",
                    code="feed-redirect",
                    status=response.status,
                )
            if following.endpoint != target.endpoint:
                authorization = ""
            target = following
        raise FetchError(f"{shown_url(url)} redirects more than {_REDIRECTS} times", code="feed-redirect")

    def _drain(self, response: Response) -> None:
        """Read a small body that nobody wants, so that the connection can be kept."""
        try:
            response.read_all(_SMALL, "an answer")
        except (ConnectionLost, LimitExceeded):
            response.close()

    def _fetch(self, url: str, transfer: Transfer, etag: str) -> dict[str, str] | None:
        headers: dict[str, str] = {}
        if transfer.size and transfer.validator:
            headers = {"Range": f"bytes={transfer.size}-", "If-Range": transfer.validator}
        elif etag:
            headers = {"If-None-Match": etag}
        response = self._send(url, "GET", headers, transfer.limit)
        if response.status == 304 and "If-None-Match" in headers:
            self._drain(response)
            return None
        if response.status == 416 and "Range" in headers:
            self._drain(response)
            transfer.drop()
            raise ConnectionLost("the server does not have the part that is missing")
        if response.status not in (200, 206):
            self._drain(response)
        _check_status(response, (200, 206))
        try:
            return self._receive(url, response, transfer, headers)
        finally:
            response.close()

    def _receive(self, url: str, response: Response, transfer: Transfer, sent: t.Mapping[str, str]) -> dict[str, str]:
        headers = _headers(response)
        if response.length is None and "chunked" not in headers.get("transfer-encoding", "").lower():
            # Where the end of the connection is the end of the file, half a file looks whole.
            raise FetchError(f"{shown_url(url)} cannot be fetched: the server does not say how long it is")
        if response.status == 206:
            if "Range" not in sent or not _continues(transfer, headers):
                transfer.drop()
                raise ConnectionLost("the server sends a part that nobody asked for")
        else:
            transfer.begin(url, validator_of(headers), -1 if response.length is None else response.length)
        while True:
            data = response.read(_STEP)
            if not data:
                return headers
            self._tick()
            transfer.write(url, data)

    def _with_retries(
        self, url: str, attempt: t.Callable[[], _Result], progress: t.Callable[[], int] = lambda: 0
    ) -> _Result:
        failures = 0
        reached = 0
        for _attempt in range(_ATTEMPTS):
            wait = 0.0
            status = 0
            hint = _UNREACHED
            try:
                return attempt()
            except _Refused as error:
                reason, status = f"the server answers {error.status}", error.status
                again = status in _AGAIN
                hint = _HINTS.get(status, "try again later" if again else "check the URL")
                wait = error.wait
                if status in _TOO_QUICK:
                    self._gap = min(_LONGEST_GAP, max(_FIRST_GAP, 2 * self._gap))
            except ConnectionLost as error:
                reason, again = error.message, True
            except RegistryError as error:
                reason, again = error.message, False
                hint = _hint_of(error)
            if progress() > reached:
                # A connection that breaks again and again but brings something each time is not a failure.
                reached, failures = progress(), 0
            failures += 1
            if not again or failures > self._access.retries or wait > _WAIT_LIMIT:
                raise FetchError(
                    f"{shown_url(url)} cannot be fetched: {reason}",
                    status=status,
                    code=_CODES.get(status, "feed-unreachable"),
                    hint=hint,
                )
            self._wait(max(wait, min(30.0, 0.5 * 2.0**failures)))
        raise FetchError(f"{shown_url(url)} cannot be fetched: the transfer broke off {_ATTEMPTS} times")

    def _wait(self, seconds: float) -> None:
        while seconds > 0:
            self._tick()
            self._sleep(min(seconds, 1.0))
            seconds -= 1.0


def _hint_of(error: RegistryError) -> str:
    """Return what to do about a connection that did not come about; transport speaks of registries."""
    if error.code != "registry-tls":
        return _UNREACHED
    if "is not trusted" in error.message:
        return "give the certificate of its CA as ca_cert, or, in the roles, as scan_feed_ca_cert or feed_ca_cert"
    return "does it speak plain HTTP? then its URL begins with http://"


def validator_of(headers: t.Mapping[str, str]) -> str:
    """Return what names the version of a file in If-Range: its ETag, unless that is a weak one."""
    etag = headers.get("etag", "")
    return etag if etag.startswith('"') else headers.get("last-modified", "")


def _continues(transfer: Transfer, headers: t.Mapping[str, str]) -> bool:
    """Return whether a part follows what was received. Some servers, without If-Range, send it of another file."""
    start = headers.get("content-range", "").partition("-")[0]
    version = headers.get("etag" if transfer.validator.startswith('"') else "last-modified", "")
    return start == f"bytes {transfer.size}" and (not version or version == transfer.validator)


class _Refused(Exception):
    """An answer that is none. ``wait``: seconds that the server asks for."""

    def __init__(self, status: int, wait: float) -> None:
        super().__init__(status)
        self.status = status
        self.wait = wait


def _check_status(response: Response, statuses: tuple[int, ...]) -> None:
    if response.status not in statuses:
        raise _Refused(response.status, retry_after(response.headers) or 0.0)


def _shown(target: Url, location: str) -> str:
    """Where a redirect leads, for messages."""
    try:
        return ascii(shown_url(urllib.parse.urljoin(str(target), location)))[1:-1][:200]
    except (InputError, ValueError):
        return "what is not a URL"


def _headers(response: Response) -> dict[str, str]:
    return {key.lower(): value for key, value in response.headers.items()}


def _request_of(url: str) -> tuple[Url, str]:
    """Where a request goes and its Authorization. Raises InputError for what is not a URL."""
    parts = split_url(url)
    userinfo, _at, host = parts.netloc.rpartition("@")
    target = parse_url(urllib.parse.urlunsplit((parts.scheme, host, parts.path or "/", parts.query, "")))
    if target is None:
        raise InputError(f"{shown_url(url)!r} is not an http or https URL", hint="write http://, https://, or a path")
    if not userinfo:
        return target, ""
    user, _colon, password = userinfo.partition(":")
    plain = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    return target, "Basic " + base64.b64encode(plain.encode()).decode()
