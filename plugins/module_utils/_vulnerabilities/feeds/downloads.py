# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching feed files over HTTP: streamed, bounded, resumed, patient.

One request at a time: the vendor's server refuses clients that are too quick (403). Credentials come from the URL
alone, go to its host alone, and stand in no message.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
import ssl
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ..._errors import InputError, LimitExceeded, ScanError
from ..._images.transport import retry_after

if t.TYPE_CHECKING:
    from ..._images.access import Access

_STEP = 1 << 18
_REDIRECTS = 5
_WAIT_LIMIT = 120.0  # seconds; a longer Retry-After is not waited for
_ATTEMPTS = 500  # of one file, however much each of them brings
_AGAIN = frozenset({403, 408, 425, 429, 500, 502, 503, 504})
_SCHEMES = ("http", "https")


class FetchError(ScanError):
    """A server refused, failed or could not be reached. ``status`` is the HTTP status, 0 without an answer."""

    code = "feed-unreachable"

    def __init__(self, message: str, *, status: int = 0, **details: t.Any) -> None:
        super().__init__(message, **details)
        self.status = status


def is_url(source: str) -> bool:
    """Whether a source is to be fetched."""
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


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to HTTP alone, never from TLS to none, and takes no credentials along to another host."""

    max_redirections = _REDIRECTS

    def redirect_request(
        self, req: urllib.request.Request, fp: t.Any, code: int, msg: str, headers: t.Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new.scheme not in _SCHEMES or (old.scheme == "https" and new.scheme != "https"):
            raise FetchError(
                f"{shown_url(req.full_url)} redirects to {shown_url(newurl)}; from https only https is followed",
                code="feed-redirect",
                status=code,
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (old.scheme, old.netloc) != (new.scheme, new.netloc):
            request.remove_header("Authorization")
        return request


class Client:
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
        self._timeout = access.timeout if access else 20.0
        self._retries = access.retries if access else 5
        self._tick = tick
        self._sleep = sleep
        context = ssl.create_default_context()
        if access and access.ca_file:
            try:
                context.load_verify_locations(cafile=access.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise InputError(f"the certificates in {access.ca_file} cannot be read: {error}") from error
        if access and not access.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # An opener of our own has no handlers for file:, ftp: or data:, which a redirect could name.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(),
        ):
            self._opener.add_handler(handler)

    def head(self, url: str) -> dict[str, str]:
        """Headers of a file, names in lower case; empty when the server answers no HEAD."""
        try:
            return self._with_retries(url, lambda: self._head(url))
        except FetchError as error:
            if error.status in (400, 405, 501):
                return {}
            raise

    def read(self, url: str, *, limit: int) -> bytes:
        """A small file. Raises FetchError (``status`` 404 when there is none), LimitExceeded."""
        target = io.BytesIO()
        self.fetch(url, target, limit=limit)
        return target.getvalue()

    def fetch(self, url: str, target: t.BinaryIO, *, limit: int) -> dict[str, str]:
        """Stream a file into ``target`` (seekable, empty); a broken transfer goes on where it broke.

        Gives the headers.
        """
        state = _Transfer(target, limit)
        return self._with_retries(url, lambda: self._fetch(url, state), progress=lambda: state.size)

    def _request(self, url: str, method: str, headers: t.Mapping[str, str]) -> urllib.request.Request:
        parts = split_url(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise InputError(f"{shown_url(url)!r} is not an http or https URL")
        userinfo, _at, host = parts.netloc.rpartition("@")
        bare = urllib.parse.urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
        sent = {"User-Agent": "imagescan.openshift", "Accept-Encoding": "identity", **headers}
        if userinfo:
            user, _colon, password = userinfo.partition(":")
            plain = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
            sent["Authorization"] = "Basic " + base64.b64encode(plain.encode()).decode()
        try:
            return urllib.request.Request(bare, headers=sent, method=method)
        except ValueError as error:
            raise InputError(f"{shown_url(url)!r} is not an http or https URL") from error

    def _head(self, url: str) -> dict[str, str]:
        with self._opener.open(self._request(url, "HEAD", {}), timeout=self._timeout) as response:
            return {key.lower(): value for key, value in response.headers.items()}

    def _fetch(self, url: str, state: _Transfer) -> dict[str, str]:
        headers: dict[str, str] = {}
        if state.size and state.validator:
            headers = {"Range": f"bytes={state.size}-", "If-Range": state.validator}
        with self._opener.open(self._request(url, "GET", headers), timeout=self._timeout) as response:
            given = {key.lower(): value for key, value in response.headers.items()}
            if response.status == 206:
                start = given.get("content-range", "").partition("-")[0]
                if not headers or start != f"bytes {state.size}":
                    state.restart()
                    raise http.client.HTTPException("the server sends a part that nobody asked for")
            else:
                state.restart()
                state.expected = None
                length = given.get("content-length", "")
                if length.isascii() and length.isdigit():
                    state.expected = int(length)
            etag = given.get("etag", "")
            state.validator = etag if etag.startswith('"') else given.get("last-modified", "")
            state.check(url, state.expected or 0)
            while True:
                data = response.read(_STEP)
                if not data:
                    break
                self._tick()
                state.write(data)
                state.check(url, state.size)
            if state.expected is not None and state.size < state.expected:
                raise http.client.IncompleteRead(b"", state.expected - state.size)
            if state.expected is not None and state.size > state.expected:
                state.restart()
                raise http.client.HTTPException("the server sends more than it announced")
            return given

    def _with_retries(
        self, url: str, attempt: t.Callable[[], dict[str, str]], progress: t.Callable[[], int] = lambda: 0
    ) -> dict[str, str]:
        failures = 0
        reached = 0
        for _attempt in range(_ATTEMPTS):
            wait = 0.0
            try:
                return attempt()
            except urllib.error.HTTPError as error:
                error.close()
                reason, status = f"the server answers {error.code}", error.code
                again = status in _AGAIN
                wait = retry_after(error.headers or {}) or 0.0
            except http.client.InvalidURL as error:
                raise InputError(f"the URL of the feed is malformed: {shown_url(url)!r}") from error
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                cause = error.reason if isinstance(error, urllib.error.URLError) else error
                reason, status = _cause(cause), 0
                again = not isinstance(cause, ssl.SSLCertVerificationError)
            except ValueError as error:
                raise FetchError(f"{shown_url(url)} cannot be fetched: {error}") from error
            if progress() > reached:
                # A connection that breaks again and again but brings something each time is not a failure.
                reached, failures = progress(), 0
            failures += 1
            if not again or failures > self._retries or wait > _WAIT_LIMIT:
                code = {401: "feed-refused", 403: "feed-refused", 404: "feed-not-found", 410: "feed-not-found"}
                raise FetchError(
                    f"{shown_url(url)} cannot be fetched: {reason}",
                    status=status,
                    code=code.get(status, "feed-unreachable"),
                )
            wait = max(wait, min(30.0, 0.5 * 2.0**failures))
            while wait > 0:
                self._tick()
                self._sleep(min(wait, 1.0))
                wait -= 1.0
        raise FetchError(f"{shown_url(url)} cannot be fetched: the transfer broke off {_ATTEMPTS} times")


class _Transfer:
    """How far a file has come."""

    def __init__(self, target: t.BinaryIO, limit: int) -> None:
        self._target = target
        self._limit = limit
        self.size = 0
        self.validator = ""
        self.expected: int | None = None

    def restart(self) -> None:
        self._target.seek(0)
        self._target.truncate()
        self.size = 0

    def write(self, data: bytes) -> None:
        try:
            self._target.write(data)
        except OSError as error:
            raise ScanError(f"what is fetched cannot be kept: {error.strerror}", code="disk-full") from error
        self.size += len(data)

    def check(self, url: str, size: int) -> None:
        if size > self._limit:
            raise LimitExceeded(f"{shown_url(url)} has more than {self._limit} bytes; is it the right URL?")


def _cause(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "it gives no answer"
    if isinstance(error, http.client.IncompleteRead):
        return "the transfer breaks off"
    return str(error)[:200] or type(error).__name__
