# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to an API server: raw JSON, with deadlines, retries, pages and one kind of error.

No dynamic client and no models: a list of 10,000 images costs twice the time and memory with them, and nothing here
needs more of an object than a few fields.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
import urllib.parse

from .._core.errors import LimitExceeded
from .._images.transport import retry_after
from .connection import Connection, Settled, settle
from .errors import EXPIRED, ApiError, Operation, operation_of
from .exchange import JSON, ApiPatience, Exchange, Lost, Params
from .stream import ResponseStream

__all__ = ["ApiAnswer", "KubernetesClient", "Connection", "ResponseStream", "connect"]

_T = t.TypeVar("_T")

#: A server that does not know these answers with whole objects.
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_ANSWER_LIMIT = 64 << 20
_PAGE_LIMIT = 24 << 20
_ITEM_LIMIT = 2_000_000
_RESTARTS = 5
#: Seconds of patience with a server that never answered: more likely a wrong address than a restart.
_FIRST_CONTACT = 5.0
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
#: A text in a header of warnings (RFC 7234, section 5.5).
_WARNING = re.compile(r'\b\d{3} [^ "]+ "((?:[^"\\]|\\.)*)"')


def connect(connection: Connection) -> KubernetesClient:
    """A client for the cluster that the options name. Nothing is sent yet, but for a login by password."""
    return KubernetesClient(settle(connection), connection.timeout, connection.deadline)


@dataclasses.dataclass(frozen=True)
class ApiAnswer:
    """An answer of the server: HTTP status, the object or Status (empty if it was not a JSON object), and warnings."""

    status: int
    value: dict[str, t.Any]
    warnings: tuple[str, ...]


class KubernetesClient:
    """One API server. Safe to use from several threads.

    ``server`` is its URL; ``warnings`` are sentences that a person should read. ``ca`` (PEM text, "" for the system's
    store), ``verifies`` and ``tls_server_name`` are what a kubeconfig for the same server needs.
    """

    def __init__(self, settled: Settled, timeout: float, deadline: float) -> None:
        self.server = settled.server
        self.warnings = settled.warnings
        self.ca = settled.ca
        self.verifies = settled.verifies
        self.tls_server_name = settled.tls_server_name
        self._exchange = Exchange(settled, timeout, deadline)
        self._timeout = timeout
        self._deadline = deadline
        self._groups: frozenset[str] | None = None

    def get(self, path: str, params: Params | None = None, *, metadata_only: bool = False) -> dict[str, t.Any]:
        """One object or one small list. ``metadata_only``: of an object its metadata alone."""
        return self._object("GET", path, params, accept=_METADATA if metadata_only else JSON)

    def create(self, path: str, body: Params, params: Params | None = None) -> dict[str, t.Any]:
        """Create an object and return it as the server has it.

        A try whose fate is unknown (connection lost, 5xx) is repeated only if the body has a name. If the object is
        there then, it is taken for the one of the earlier try when it has the labels and annotations of ``body``.
        """
        metadata = body.get("metadata") or {}
        name = metadata.get("name", "")
        tried = _Tries()
        try:
            return self._object("POST", path, params, body=body, repeatable=bool(name), tries=tried)
        except ApiError as error:
            if error.status != 409 or not tried.unknown:
                raise
            existing_object = self.get(f"{path}/{urllib.parse.quote(name, safe='')}")
            existing_metadata = existing_object.get("metadata") or {}
            for kind in ("labels", "annotations"):
                wanted_values, existing_values = metadata.get(kind) or {}, existing_metadata.get(kind) or {}
                if not wanted_values.items() <= existing_values.items():
                    raise
            return existing_object

    def merge_patch(
        self, path: str, body: Params, params: Params | None = None, *, metadata_only: bool = False
    ) -> dict[str, t.Any]:
        """Change an object by a JSON merge patch and return it, or its metadata alone, as the server has it then."""
        return self._object("PATCH", path, params, body=body, accept=_METADATA if metadata_only else JSON)

    def apply(self, path: str, body: Params, *, manager: str, dry_run: bool = False) -> dict[str, t.Any]:
        """Create or change an object by server-side apply and return it as the server has it, or would have it.

        ``manager`` owns the fields of ``body`` afterwards, whoever owned them before.
        """
        params = {"fieldManager": manager, "force": True, **({"dryRun": "All"} if dry_run else {})}
        return self._object("PATCH", path, params, body=body)

    def delete(self, path: str, body: Params | None = None, params: Params | None = None) -> dict[str, t.Any] | None:
        """Delete an object; None where there is none. ``body`` are DeleteOptions."""
        try:
            return self._object("DELETE", path, params, body=body)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def attempt(self, method: str, path: str, body: t.Any, params: Params | None = None) -> ApiAnswer:
        """Send something that the server may refuse, and tell what it said: its refusal is an answer like any other.

        For dry runs: what was lost, and 429, 502, 503 and 504, are repeated whatever it is. Raises ApiError when there
        is not an answer but these, and for 401.
        """
        operation = operation_of(method, path, params)
        data = json.dumps(body, separators=(",", ":")).encode()
        patience = ApiPatience(self._deadline)
        while True:
            try:
                answer = self._exchange.send(method, path, params, data, self._timeout, operation)
                if answer.status == 401:
                    raise self._exchange.refusal(answer, operation, params)
                if answer.status == 500 or answer.status not in _TRANSIENT:
                    content = self._exchange.read(answer, _ANSWER_LIMIT, patience, operation)
                    break
                wait = retry_after(answer.headers)
                error = self._exchange.refusal(answer, operation, params)
            except Lost as lost:
                error, wait = lost.error, None
                if not self._exchange.was_reached:
                    patience.shorten(_FIRST_CONTACT)
            patience.pause(error, wait)
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            value = None
        texts = [text for line in answer.headers.getlist("Warning") for text in _WARNING.findall(line)]
        unescaped = tuple(re.sub(r"\\(.)", r"\1", text) for text in texts)
        return ApiAnswer(answer.status, value if isinstance(value, dict) else {}, unescaped)

    def items(
        self,
        path: str,
        project: t.Callable[[dict[str, t.Any]], _T | None],
        params: Params | None = None,
        *,
        limit: int = 500,
        metadata_only: bool = False,
    ) -> list[_T]:
        """All objects of a list, each as ``project`` makes it; those that it makes None are left out.

        ``metadata_only``: ask for the metadata of the objects alone.

        Pages of ``limit`` objects are projected one by one, so that memory holds one page of JSON. When the server has
        forgotten the list (410), it is read again from the start: what was read before is of another moment. When that
        happens again, the list is longer than the server remembers, and goes on in its newest state where the server
        offers that: all is in it but what was created meanwhile.
        """
        return self.snapshot(path, project, params, limit=limit, metadata_only=metadata_only)[0]

    def snapshot(
        self,
        path: str,
        project: t.Callable[[dict[str, t.Any]], _T | None],
        params: Params | None = None,
        *,
        limit: int = 500,
        metadata_only: bool = False,
    ) -> tuple[list[_T], str]:
        """The same, and the version from which a watch goes on; that tells what was created meanwhile."""
        accept = _METADATA_LIST if metadata_only else JSON
        for restart in range(_RESTARTS):
            try:
                return self._pages(path, project, dict(params or {}), limit, accept, goes_on=restart > 0)
            except ApiError as error:
                if error.status != 410:
                    raise
        operation = operation_of("GET", path, params)
        raise ApiError(
            f"{self.server} forgot the list {_RESTARTS} times while it was read, asked to {operation}",
            code=EXPIRED,
            status=410,
            hint="the API server restarts or compacts too often; try again",
        )

    def _pages(
        self,
        path: str,
        project: t.Callable[[dict[str, t.Any]], _T | None],
        params: dict[str, t.Any],
        limit: int,
        accept: str,
        *,
        goes_on: bool,
    ) -> tuple[list[_T], str]:
        """All pages. ``goes_on``: with the state of now, if the server has forgotten that of the first page."""
        result: list[_T] = []
        item_count, token, version = 0, "", ""
        forgotten_at = -1
        while True:
            params["limit"] = limit
            try:
                page = self._object("GET", path, params, size=_PAGE_LIMIT, accept=accept)
            except LimitExceeded:
                if limit == 1:
                    raise
                limit = max(1, limit // 4)
                continue
            except ApiError as error:
                if not (goes_on and error.continuation) or forgotten_at == item_count:
                    raise
                forgotten_at = item_count
                token = params["continue"] = error.continuation
                continue
            objects = self._items(page, operation_of("GET", path, params))
            result += [value for value in map(project, objects) if value is not None]
            item_count += len(objects)
            metadata = page.get("metadata") or {}
            # That of the first page: what a later one had already is then told again, which does no harm.
            version = version or str(metadata.get("resourceVersion") or "")
            following = metadata.get("continue") or ""
            if not following:
                return result, version
            if following == token or item_count > _ITEM_LIMIT:
                raise self._exchange.nonsense(operation_of("GET", path, params), "the list does not end")
            token = params["continue"] = following
            # Pages carry on where the first began; a version would contradict the token.
            params.pop("resourceVersion", None)
            params.pop("resourceVersionMatch", None)
            del page, objects, metadata

    def _items(self, page: dict[str, t.Any], operation: Operation) -> list[dict[str, t.Any]]:
        """The objects of a page of a list."""
        # Every list has the field, be it null; what answers in its place must not read as an empty cluster.
        objects = page["items"] or [] if "items" in page else None
        if not isinstance(objects, list):
            raise self._exchange.nonsense(operation, "items is not a list")
        if not all(isinstance(item, dict) for item in objects):
            raise self._exchange.nonsense(operation, "an item is not an object")
        return objects

    def stream(self, path: str, params: Params | None = None, *, read_timeout: float = 20.0) -> ResponseStream:
        """Open an answer that is read line by line: a log, a watch. Never repeated: the caller knows where to go on."""
        operation = operation_of("GET", path, params)
        try:
            answer = self._exchange.send("GET", path, params, None, read_timeout, operation)
        except Lost as lost:
            raise lost.error from lost
        if not 200 <= answer.status < 300:
            raise self._exchange.refusal(answer, operation, params)
        return ResponseStream(answer, self.server, operation)

    def groups(self) -> frozenset[str]:
        """The API groups that the cluster serves; asked for once."""
        if self._groups is None:
            listed = self.get("/apis").get("groups")
            if not isinstance(listed, list) or not listed:
                raise self._exchange.nonsense(operation_of("GET", "/apis"), "no API groups")
            self._groups = frozenset(str(group.get("name")) for group in listed if isinstance(group, dict))
        return self._groups

    def has_group(self, group: str) -> bool:
        """Return whether the cluster serves an API group ("image.openshift.io")."""
        return group in self.groups()

    def version(self) -> tuple[int, int]:
        """The Kubernetes version that the server has, (1, 36)."""
        value = self.get("/version")
        numbers = [re.match(r"\d{1,6}", str(value.get(name))) for name in ("major", "minor")]
        if not all(numbers):
            raise self._exchange.nonsense(operation_of("GET", "/version"), "no version")
        major, minor = (int(number.group()) for number in numbers if number)
        return major, minor

    def _object(
        self,
        method: str,
        path: str,
        params: Params | None,
        *,
        body: Params | None = None,
        repeatable: bool = True,
        size: int = 0,
        tries: _Tries | None = None,
        accept: str = JSON,
    ) -> dict[str, t.Any]:
        operation = operation_of(method, path, params)
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        patience = ApiPatience(self._deadline)
        tries = tries or _Tries()
        while True:
            try:
                answer = self._exchange.send(method, path, params, data, self._timeout, operation, accept)
                if 200 <= answer.status < 300:
                    content = self._exchange.read(answer, size or _ANSWER_LIMIT, patience, operation)
                    self._exchange.was_let_in = True
                    break
                wait = retry_after(answer.headers)
                error = self._exchange.refusal(answer, operation, params)
                if error.status not in _TRANSIENT and not self._exchange.is_settling(answer.status):
                    raise error
                was_done = None if answer.status >= 500 else False
            except Lost as lost:
                error, wait, was_done = lost.error, None, lost.was_done
                if not self._exchange.was_reached:
                    patience.shorten(_FIRST_CONTACT)
            if was_done is None and not repeatable:
                raise error
            tries.unknown = tries.unknown or was_done is None
            patience.pause(error, wait)
        try:
            value = json.loads(content) if content else {}
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._exchange.nonsense(operation, "no JSON object")
        return value


class _Tries:
    """State of the attempts of one request."""

    unknown = False
