# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for openshift-apiserver 4.20 on loopback, for tests without a cluster.

It answers as that was measured to answer: lists in pages, 410 with a token for an inconsistent rest after a compaction,
no ``sendInitialEvents``, an ERROR event for a version that is too old, the first bookmark after a minute. Everybody may
do everything.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import ssl
import threading
import time
import typing as t
import urllib.parse

from .openshift_kinds import GROUPS, KINDS, OpenShiftKinds
from .openshift_store import Event, Object, Refusal, Store
from .recorded_cluster import INTERNAL
from .servers import Request, Server

_PATH = re.compile(r"/(?:api|apis/([^/]+))/v1(?:/namespaces/([^/]+)(?=/))?/([^/]+)(?:/([^/]+)(?:/([^/]+))?)?")
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
_NO_LIST = "sendInitialEvents: Forbidden: it is forbidden for watch unless the WatchList feature gate is enabled"
#: What is sent of a chunk before the connection of a watch breaks.
IN_A_CHUNK, BETWEEN_CHUNKS = b'400\r\n{"type":"ADDED","object":{"ki', b""


class OpenShiftApi:
    """The server. ``objects`` are what it has; ``before`` is called with each request, ``requests`` grows.

    ``bookmark_after``: seconds from one bookmark to the next.
    """

    def __init__(self, registry: str = INTERNAL) -> None:
        self.store = Store()
        self.objects = OpenShiftKinds(self.store, registry)
        self.requests: list[Request] = []
        self.before: t.Callable[[Request], None] = lambda _request: None
        self.bookmark_after = 60.0
        self.url = ""
        self.breaks, self.rest = 0, b""
        self.watches: list[str] = []
        self.store.create("namespaces", {"metadata": {"name": "kube-system"}})

    @contextlib.contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> t.Iterator[OpenShiftApi]:
        """Serve until the end; all watches end then."""
        server = Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            self.break_watches()
            server.server_close()
            thread.join()

    def push(self, namespace: str, stream: str, image: Object, tag: str = "latest") -> None:
        """Push an image as the integrated registry does."""
        body = {"metadata": {"namespace": namespace, "name": stream}, "image": image, "tag": tag}
        self.objects.create("imagestreammappings.image.openshift.io", body)

    def break_watches(self, rest: bytes = BETWEEN_CHUNKS) -> None:
        """Break the connections of all watches, after so much of another chunk."""
        with self.store.lock:
            self.breaks, self.rest = self.breaks + 1, rest
            self.store.lock.notify_all()

    def restart(self) -> None:
        """Break all watches and forget what happened: whoever asks for that is told that it is too old."""
        with self.store.lock:
            self.store.oldest = self.store.version = self.store.version + 1
            self.break_watches()

    def begun(self, resource: str) -> tuple[int, int]:
        """How many lists and how many watches of a resource ("images") were begun."""
        queries = [one.query() for one in self.requests if one.target.partition("?")[0].endswith(f"/{resource}")]
        lists = [query for query in queries if not query.keys() & {"continue", "watch"}]
        return len(lists), sum(one.startswith(f"{resource}.") for one in self.watches)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request after the other. ``resource`` is with its subresource and group."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: OpenShiftApi
    resource = namespace = name = kind = ""
    query: t.Mapping[str, str]

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        request = Request(self.command, self.path, headers, body, self.client_address[1])
        self.api.requests.append(request)
        self.api.before(request)
        self.query = request.query()
        try:
            about = _about(self.path)
            if not about:
                self._read_path()
            if "watch" in self.query:
                self._watch()
            else:
                self._say(201 if self.command == "POST" else 200, about or self._answer(json.loads(body or b"{}")))
        except Refusal as refusal:
            self._say(refusal.status, refusal.body)

    do_POST = do_PATCH = do_DELETE = do_GET

    def _read_path(self) -> None:
        match = _PATH.fullmatch(self.path.partition("?")[0])
        parts = match.groups("") if match else ("",) * 5
        group, self.namespace, plural, self.name, subresource = map(urllib.parse.unquote, parts)
        self.resource = ".".join(filter(None, (f"{plural}/{subresource}".rstrip("/"), group)))
        if self.resource not in KINDS:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        verb = _VERBS[self.command]
        if verb == "get" and not self.name:
            verb = "watch" if "watch" in self.query else "list"
        self.kind, _namespaced, verbs = KINDS[self.resource]
        if verb not in verbs.split() or "labelSelector" in self.query:
            raise Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _answer(self, body: Object) -> Object:
        """The object or list that is the answer."""
        objects, store, place = self.api.objects, self.api.store, (self.resource, self.namespace, self.name)
        if self.command == "POST":
            body.setdefault("metadata", {}).update({"namespace": self.namespace} if self.namespace else {})
            return self._typed(objects.create(self.resource, body), self.kind)
        if self.command == "DELETE":
            return self._typed(store.delete(*place), self.kind)
        if self.command == "PATCH":
            with store.lock:
                return self._typed(objects.update(self.resource, _merged(store.get(*place), body)), self.kind)
        if self.name:
            return self._typed(objects.get(*place), self.kind)
        limit, token = int(self.query.get("limit", "0")), self.query.get("continue", "")
        return self._typed(store.page(self.resource, self.namespace, limit, token), f"{self.kind}List")

    def _typed(self, value: Object, kind: str) -> Object:
        """The object as it is told. Whoever asks for its metadata alone gets it whole."""
        return {"kind": kind, "apiVersion": f"{self.resource.partition('.')[2]}/v1".lstrip("/"), **value}

    def _say(self, status: int, value: Object) -> None:
        content = json.dumps(value, separators=(",", ":")).encode()
        self._begin(status, "Content-Length", str(len(content)))
        self.wfile.write(content)

    def _begin(self, status: int, name: str, value: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header(name, value)
        self.end_headers()

    def _watch(self) -> None:
        store = self.api.store
        if "sendInitialEvents" in self.query:
            raise Refusal(422, "Invalid", _NO_LIST)
        with store.lock:
            breaks = self.api.breaks
            self.api.watches.append(self.resource)
            asked = int(self.query.get("resourceVersion") or "0")
            first = [] if asked else store.all(self.resource, self.namespace)
            position = asked or store.version
        self._begin(200, "Transfer-Encoding", "chunked")
        if asked and asked < store.oldest:
            self._tell("ERROR", Refusal(410, "Expired", f"too old resource version: {asked} ({store.oldest})").body)
        else:
            self._follow([Event(0, "ADDED", self.resource, value) for value in first], position, breaks)
        if not self.close_connection:
            self._chunk(b"")

    def _follow(self, events: list[Event], position: int, breaks: int) -> None:
        """Tell what happens until the time is over or the connection has to break."""
        store = self.api.store
        end = time.monotonic() + float(self.query.get("timeoutSeconds", "1800"))
        bookmark_at = time.monotonic() + self.api.bookmark_after
        while time.monotonic() < end:
            for event in events:
                self._tell(event.kind, self._typed(event.value, self.kind))
                position = max(position, event.version)
            with store.lock:
                events = store.events(self.resource, self.namespace, position)
                if not events and time.monotonic() >= bookmark_at:
                    bookmark_at, position = time.monotonic() + self.api.bookmark_after, store.version
                    mark = {"metadata": {"resourceVersion": str(position)}}
                    events = [Event(0, "BOOKMARK", self.resource, mark)] * ("allowWatchBookmarks" in self.query)
                elif not events and self.api.breaks == breaks:
                    store.lock.wait(max(0.0, min(end, bookmark_at) - time.monotonic()))
            if self.api.breaks != breaks:
                self.wfile.write(self.api.rest)
                self.close_connection = True
                return

    def _tell(self, kind: str, value: Object) -> None:
        self._chunk(json.dumps({"type": kind, "object": value}, separators=(",", ":")).encode() + b"\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))


def _about(path: str) -> Object:
    """The groups, or the resources of a group; empty for other paths."""
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": group} for group in GROUPS]}
    group = path.removeprefix("/apis/").removesuffix("/v1")
    if path != f"/apis/{group}/v1":
        return {}
    resources = [
        {"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs.split()}
        for (name, _sep, its_group), (kind, namespaced, verbs) in ((key.partition("."), KINDS[key]) for key in KINDS)
        if its_group == group
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{group}/v1", "resources": resources}


def _merged(value: t.Any, patch: t.Any) -> t.Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    parts = {name: _merged(value.get(name) or {}, part) for name, part in patch.items()}
    return {name: part for name, part in {**value, **parts}.items() if part is not None}
