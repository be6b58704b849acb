# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of an API server that are read while they come, and why a connection failed."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import typing as t

from .._core.text import visible
from .errors import UNREACHABLE, ApiError, Operation

if t.TYPE_CHECKING:
    import urllib3

PIECE = 1 << 16


class ResponseStream:
    """An answer that is read while it comes. A context manager; ``close`` may be called from another thread."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, server: str, operation: Operation) -> None:
        self.status: int = answer.status
        self._answer = answer
        self._pieces = answer.stream(PIECE, decode_content=False)
        self._socket = getattr(getattr(answer, "connection", None), "sock", None)
        self._where = f"{server}, asked to {operation}"
        self._rest = b""
        self._is_closed = False

    def __enter__(self) -> ResponseStream:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def readline(self, limit: int) -> bytes:
        """The next line with its line break, or its first ``limit`` bytes; b"" at the end.

        Raises ApiError (``cluster-unreachable``) when the connection breaks or is silent for too long. A broken
        connection can look like an end, too.
        """
        import urllib3

        parts: list[bytes] = []
        size = 0
        while True:
            piece = self._rest
            end = piece.find(b"\n", 0, limit - size) + 1
            if end or len(piece) >= limit - size:
                end = end or limit - size
                self._rest = piece[end:]
                return b"".join((*parts, piece[:end]))
            parts.append(piece)
            size += len(piece)
            self._rest = b""
            try:
                self._rest = next(self._pieces, b"")
            except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
                # The last two are what reading a closed answer gives.
                if self._is_closed:
                    return b""
                if isinstance(error, (ValueError, AttributeError)):
                    raise
                raise ApiError(
                    f"the connection to {self._where}, broke: {reason_of(causes_of(error))}", code=UNREACHABLE
                ) from error
            if not self._rest:
                return b"".join(parts)

    def close(self) -> None:
        """Stop reading; a ``readline`` that waits in another thread ends."""
        self._is_closed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it may be closed already
                self._socket.shutdown(socket.SHUT_RDWR)
        self._answer.close()


def causes_of(error: BaseException) -> list[BaseException]:
    """The exception and what it was made of; urllib3 puts the cause into ``reason`` or the arguments."""
    causes: list[BaseException] = []
    waiting: list[t.Any] = [error]
    while waiting and len(causes) < 10:
        candidate = waiting.pop(0)
        if isinstance(candidate, BaseException) and candidate not in causes:
            causes.append(candidate)
            waiting += [getattr(candidate, "reason", None), *candidate.args, candidate.__cause__, candidate.__context__]
    return causes


def reason_of(causes: t.Sequence[BaseException]) -> str:
    """Why a connection failed, without the object addresses of the library's own text."""
    for cause in causes:
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return "timed out"
        if isinstance(cause, OSError) and cause.strerror:
            return visible(cause.strerror)
        # The library's own text is about hexadecimal numbers, or counts bytes that it has not read.
        if isinstance(cause, http.client.IncompleteRead) or "Response ended prematurely" in str(cause):
            return "the answer was cut short"
    return visible(re.sub(r"<[^>]{0,300}>:? ?", "", str(causes[-1]))[:200]) or type(causes[-1]).__name__
