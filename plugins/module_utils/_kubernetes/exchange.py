# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to an API server and its answer, and the patience with a server that does not answer."""

from __future__ import annotations

import math
import random
import re
import socket
import ssl
import time
import typing as t
import urllib.parse

from .._core.errors import LimitExceeded
from .._core.text import visible
from .connection import Settled
from .errors import INVALID, TLS, UNREACHABLE, ApiError, Operation, refused
from .stream import PIECE, causes_of, reason_of

if t.TYPE_CHECKING:
    import urllib3

Params = t.Mapping[str, t.Any]

JSON = "application/json"
#: Content types of PATCH. JSON is YAML, too.
_APPLY, _JSON_PATCH, _MERGE = (
    f"application/{kind}" for kind in ("apply-patch+yaml", "json-patch+json", "merge-patch+json")
)
_ERROR_LIMIT = 1 << 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 8.0
#: An API server that has just started refuses what it allows, until it has read its roles and accounts (seen: 403 for
#: two seconds). So for so many seconds after trouble, who was let in before is asked to try again.
_SETTLING = 10.0
_REFUSALS = frozenset({401, 403})


class Lost(Exception):
    """An exchange that failed. ``was_done``: False when the request certainly was not carried out, None if unknown."""

    def __init__(self, error: ApiError, was_done: bool | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.was_done = was_done


class ApiPatience:
    """The time that is left for one request with all its repetitions."""

    def __init__(self, seconds: float) -> None:
        self._start = time.monotonic()
        self._seconds = seconds
        self._tries = 0

    def shorten(self, seconds: float) -> None:
        """Have at most so many seconds from the start."""
        self._seconds = min(self._seconds, seconds)

    def is_over(self) -> bool:
        """True if no time is left."""
        return time.monotonic() - self._start > self._seconds

    def pause(self, error: ApiError, seconds: float | None) -> None:
        """Wait before another try, ``seconds`` if the server said so; raise ``error`` when time is over."""
        self._tries += 1
        delay = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._tries, 10)) * random.uniform(0.5, 1.0)
        if seconds is not None:
            delay = seconds + delay * 0.5
        if time.monotonic() - self._start + delay > self._seconds:
            if seconds is not None and seconds > self._seconds:
                error.message += f"; it asks to wait {seconds:.0f} s, longer than the deadline of {self._seconds:.0f} s"
            if self._tries > 1:
                error.message += f" (tried {self._tries} times)"
            raise error
        time.sleep(delay)


class Exchange:
    """Requests to one API server, each once. It remembers whether the server was reached, let us in, and failed."""

    def __init__(self, settled: Settled, timeout: float, deadline: float) -> None:
        self.server = settled.server
        self.was_reached = False
        self.was_let_in = False
        self._settled = settled
        self._timeout = timeout
        self._deadline = deadline
        self._trouble_at = -math.inf

    def is_settling(self, status: int) -> bool:
        """Return whether a refusal may be that of a server that has just started."""
        return status in _REFUSALS and self.was_let_in and time.monotonic() - self._trouble_at < _SETTLING

    def send(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: bytes | None,
        read_timeout: float,
        operation: Operation,
        accept: str = JSON,
    ) -> urllib3.BaseHTTPResponse:
        """One request; the answer's head has arrived. Raises Lost where another try may help, ApiError where not."""
        import urllib3

        headers = urllib3.HTTPHeaderDict({"Accept": accept, "User-Agent": "imagescan.openshift"})
        authorization = self._settled.authorization()
        if authorization:
            headers["Authorization"] = authorization
        for name, value in self._settled.impersonate:
            headers.add(name, value)
        if body is not None:
            headers["Content-Type"] = _content_type(method, params, body)
        url = self.server + path
        if params:
            url += "?" + urllib.parse.urlencode({name: _text(value) for name, value in params.items()})
        try:
            answer = self._settled.pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=self._timeout, read=read_timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._failure(error, operation) from error
        self.was_reached = True
        if answer.status >= 500:
            self._trouble_at = time.monotonic()
        return answer

    def read(self, answer: urllib3.BaseHTTPResponse, size: int, patience: ApiPatience, operation: Operation) -> bytes:
        """The rest of an answer, of at most ``size`` bytes."""
        import urllib3

        pieces, received = [], 0
        try:
            for piece in answer.stream(PIECE, decode_content=False):
                received += len(piece)
                if received > size:
                    answer.close()
                    raise LimitExceeded(f"{self.server} sent more than {size >> 20} MiB, asked to {operation}")
                if patience.is_over():
                    answer.close()
                    raise self._lost(f"the answer took longer than {self._deadline:.0f} s", operation)
                pieces.append(piece)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            answer.close()
            raise self._failure(error, operation) from error
        answer.release_conn()
        return b"".join(pieces)

    def refusal(self, answer: urllib3.BaseHTTPResponse, operation: Operation, params: Params | None) -> ApiError:
        """The error of an answer that refuses, which is closed."""
        import urllib3

        try:
            body = answer.read(_ERROR_LIMIT, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError):
            body = b""  # the status alone says enough
        finally:
            answer.close()
        return refused(self.server, answer.status, body, operation, params)

    def nonsense(self, operation: Operation, problem: str) -> ApiError:
        """The error of an answer that no API server gives."""
        return ApiError(
            f"{self.server} does not answer as an API server does, asked to {operation}: {problem}",
            code=INVALID,
            hint="check the address and whether a proxy or a login page answers in its place",
        )

    def _lost(self, reason: str, operation: Operation, was_done: bool | None = None) -> Lost:
        self._trouble_at = time.monotonic()
        hint = "check the address, the network and the proxy" if not self.was_reached else ""
        text = f"no answer from {self.server}, asked to {operation}: {reason}"
        return Lost(ApiError(text, code=UNREACHABLE, hint=hint), was_done)

    def _failure(self, error: Exception, operation: Operation) -> Lost | ApiError:
        """Classify a failed exchange."""
        import urllib3

        causes = causes_of(error)
        lasting = next(filter(None, map(self._lasting_failure, causes)), None)
        if lasting is not None:
            return lasting
        tunnel = re.search(r"Tunnel connection failed: (4\d\d)", str(error))
        if tunnel:
            proxy = self._settled.pool.proxy
            name = f"the proxy {proxy.netloc}" if proxy else "the proxy"
            return ApiError(
                f"{name} refuses the way to {self.server} with {tunnel.group(1)}",
                code=UNREACHABLE,
                hint="check proxy, no_proxy and the proxy's login",
            )
        refused_at_once = isinstance(
            error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
        )
        return self._lost(reason_of(causes), operation, False if refused_at_once else None)

    def _lasting_failure(self, cause: BaseException) -> ApiError | None:
        """The error for a cause that does not go away; None for any other."""
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ApiError(
                f"the certificate of {self.server} is not trusted: {visible(cause.verify_message)}",
                code=TLS,
                hint="give the CA that signed it as ca_cert, and the name that stands in it as host",
            )
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME and not self.was_reached:
            return ApiError(
                f"there is no host {visible(urllib.parse.urlsplit(self.server).hostname or '')}",
                code=UNREACHABLE,
                hint="check the address of the API server",
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            reason = cause.reason or "TLS failed"
            hint = "check the address, the CA and the client certificate"
            if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
                hint = "does it speak plain HTTP? then use http:// for the API server"
            return ApiError(f"no TLS connection to {self.server}: {reason}", code=TLS, hint=hint)
        return None


def _content_type(method: str, params: Params | None, body: bytes) -> str:
    """Tell the kinds of PATCH apart: a JSON patch is a list, and only an applied object has a field manager."""
    if method != "PATCH":
        return JSON
    if body.startswith(b"["):
        return _JSON_PATCH
    return _APPLY if params and "fieldManager" in params else _MERGE


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
