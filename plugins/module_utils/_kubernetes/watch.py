# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All objects of a list, and whatever becomes of it: list, watch from the list's version, list again when that breaks.

Whoever is told must know what is news: a new list tells of everything again, and so finds what was missed meanwhile.
Versions are opaque texts. Bookmarks keep them young, so that a watch that its server ended goes on without a list.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import typing as t

from .client import KubernetesClient
from .errors import BUSY, EXPIRED, UNREACHABLE, ApiError, operation_of, refused
from .stream import ResponseStream

Item = dict[str, t.Any]

#: Bytes of one object. What etcd keeps is smaller; OpenShift's Image objects have grown beside it.
LINE_LIMIT = 24 << 20
#: Seconds of silence. Servers send a bookmark every minute.
READ_TIMEOUT = 100.0
#: Seconds that a watch lasts before the server ends it; spread, so that not all begin again at once.
LASTS = (300, 600)
#: What is over once the server is up again.
TRANSIENT = frozenset((UNREACHABLE, BUSY, EXPIRED))
#: An API server that has just started refuses for some seconds what it allows, and does not know kinds that it has.
SETTLING = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0

_LOG = logging.getLogger(__name__)


class Watcher:
    """Tells ``see`` of every object, over and over; ``listed`` is called when a list was told of whole.

    ``run`` belongs to one thread; it returns after ``stop`` and raises ApiError for what waiting does not repair.
    """

    def __init__(
        self,
        client: KubernetesClient,
        path: str,
        see: t.Callable[[Item], None],
        listed: t.Callable[[], None] = lambda: None,
        params: t.Mapping[str, str] | None = None,
    ) -> None:
        self._client = client
        self._path = path
        self._see = see
        self._listed = listed
        self._params = dict(params or {})
        self._stopped = threading.Event()
        self._stream: ResponseStream | None = None
        self._was_listed = self._was_watched = False
        self._refused_at: float | None = None
        self._failures = 0

    def stop(self) -> None:
        """End it; may be called from another thread."""
        self._stopped.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def run(self) -> None:
        """List and watch until somebody says stop."""
        version = ""
        while not self._stopped.is_set():
            try:
                if not version:
                    version = self._list()
                version = self._follow(version)
            except ApiError as error:
                if self._stopped.is_set():
                    return
                if not self._may_pass(error):
                    raise
                _LOG.warning("%s; it is listed again", error)
                version = ""
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10))
            self._failures += 1
            self._stopped.wait(pause * random.uniform(0.5, 1.0))

    def _may_pass(self, error: ApiError) -> bool:
        """Return whether it is worth trying again."""
        if error.code in TRANSIENT:
            return self._was_listed
        self._refused_at = self._refused_at or time.monotonic()
        return self._was_watched and time.monotonic() - self._refused_at < SETTLING

    def _list(self) -> str:
        version = self._client.snapshot(self._path, self._see, self._params)[1]
        self._was_listed = True
        self._listed()
        return version

    def _follow(self, version: str) -> str:
        """Watch until the server ends it. The version from which it goes on, or "" where only a list can tell."""
        lasts = random.randint(*LASTS)
        params = {**self._params, "watch": True, "allowWatchBookmarks": True, "timeoutSeconds": lasts}
        if version:
            params["resourceVersion"] = version
        has_events = False
        with self._client.stream(self._path, params, read_timeout=READ_TIMEOUT) as stream:
            self._stream = stream
            self._was_watched = True
            self._refused_at = None
            if self._stopped.is_set():
                return version
            while line := stream.readline(LINE_LIMIT):
                if not line.endswith(b"\n"):
                    raise self._broken("an event was cut short")
                version = self._take(line)
                has_events = True
                self._failures = 0
        # A server that ends watches at once keeps nothing for us.
        return version if has_events else ""

    def _take(self, line: bytes) -> str:
        """Tell of one event; the version after it."""
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        kind = event.get("type") if isinstance(event, dict) else None
        item = event.get("object") if isinstance(event, dict) else None
        if not isinstance(item, dict) or kind not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"):
            raise self._broken("an event could not be read")
        if kind == "ERROR":
            status = item.get("code")
            operation = operation_of("GET", self._path, {"watch": True})
            body = json.dumps(item).encode()
            raise refused(self._client.server, status if isinstance(status, int) else 500, body, operation)
        if kind in ("ADDED", "MODIFIED"):
            self._see(item)
        metadata = item.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str) or not version:
            raise self._broken("an event has no version")
        return version

    def _broken(self, problem: str) -> ApiError:
        operation = operation_of("GET", self._path, {"watch": True})
        return ApiError(f"{self._client.server}, asked to {operation}: {problem}", code=UNREACHABLE)
