# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of an API server with their versions: pages of lists, events of watches, and what becomes too old.

As etcd and the watch cache of openshift-apiserver 4.20 behave: a compaction ends the tokens of lists that are half
read, with another token for the newest state, and leaves watches alone.
"""

from __future__ import annotations

import base64
import bisect
import copy
import datetime
import json
import re
import threading
import typing as t
import uuid

Object = dict[str, t.Any]

_FORGOTTEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
)


class Refusal(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status: int, reason: str, message: str, token: str = "") -> None:
        super().__init__(message)
        self.status = status
        metadata = {"continue": token} if token else {}
        self.body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure"}
        self.body |= {"message": message, "reason": reason, "code": status}


class Event(t.NamedTuple):
    """A change. ``value`` is the object after it, or as it was when it was deleted."""

    version: int
    kind: str
    resource: str
    value: Object


def now() -> str:
    """The time as objects have it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _namespace_of(value: Object) -> str:
    return str(value["metadata"].get("namespace", ""))


def _token(version: int, start: str) -> str:
    content = {"v": "meta.k8s.io/v1", "rv": version, "start": start + "\0"}
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _position(token: str) -> tuple[int, str]:
    content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return int(content["rv"]), str(content["start"])[:-1]


def _etcd_key(value: Object) -> str:
    return f"{_namespace_of(value)}/{value['metadata']['name']}"


class Store:
    """All objects by resource ("images.image.openshift.io"), namespace and name. They are replaced, never changed.

    ``lock`` is notified of every change. ``oldest`` is the version before which no watch can begin.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition(threading.RLock())
        self.version = self.oldest = 1000
        self._compacted = 0
        self._objects: dict[tuple[str, ...], Object] = {}
        self._events: list[Event] = []
        self._snapshots: dict[tuple[str, str, int], list[Object]] = {}

    def get(self, *place: str) -> Object:
        """A copy of the object of a resource, namespace and name; Refusal with 404 where there is none."""
        if place not in self._objects:
            raise Refusal(404, "NotFound", f'{place[0]} "{place[2]}" not found')
        return copy.deepcopy(self._objects[place])

    def create(self, resource: str, value: Object) -> Object:
        """Keep a new object; the object with its version."""
        metadata = value.setdefault("metadata", {})
        name = metadata.get("name", "")
        if not name or name in (".", "..") or re.search("[/%]", name):
            raise Refusal(422, "Invalid", f"metadata.name: Invalid value: {json.dumps(name)}")
        if (resource, _namespace_of(value), name) in self._objects:
            raise Refusal(409, "AlreadyExists", f'{resource} "{name}" already exists')
        metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now(), generation=1)
        return self._put("ADDED", resource, value)

    def replace(self, resource: str, value: Object) -> Object:
        """Keep the changed copy of an object; the object with its version."""
        return self._put("MODIFIED", resource, value)

    def delete(self, *place: str) -> Object:
        """Remove an object and return it."""
        with self.lock:
            return self._put("DELETED", place[0], self.get(*place))

    def _put(self, kind: str, resource: str, value: Object) -> Object:
        with self.lock:
            self.version += 1
            value["metadata"]["resourceVersion"] = str(self.version)
            kept = copy.deepcopy(value)
            self._objects[resource, _namespace_of(value), value["metadata"]["name"]] = kept
            if kind == "DELETED":
                del self._objects[resource, _namespace_of(value), value["metadata"]["name"]]
            self._events.append(Event(self.version, kind, resource, kept))
            self.lock.notify_all()
        return value

    def all(self, resource: str, namespace: str = "") -> list[Object]:
        """The objects of now, in the order of etcd."""
        with self.lock:
            found = [(place[1], value) for place, value in self._objects.items() if place[0] == resource]
        return sorted((value for place, value in found if namespace in ("", place)), key=_etcd_key)

    def page(self, resource: str, namespace: str, limit: int, token: str) -> Object:
        """A page of a list, of the moment of its first page; Refusal with 410 where that is compacted."""
        with self.lock:
            version, start = _position(token) if token else (self.version, "")
            if 0 < version < self._compacted:
                raise Refusal(410, "Expired", _FORGOTTEN, _token(-1, start))
            version = self.version if version < 0 else version
            snapshot = self._snapshots.setdefault((resource, namespace, version), [])
            snapshot[:] = snapshot or self.all(resource, namespace)
        first = bisect.bisect_right(snapshot, start, key=_etcd_key) if token else 0
        items = snapshot[first : first + limit] if limit else snapshot
        remaining = len(snapshot) - first - len(items)
        metadata: Object = {"resourceVersion": str(version)}
        if remaining:
            metadata |= {"continue": _token(version, _etcd_key(items[-1])), "remainingItemCount": remaining}
        return {"metadata": metadata, "items": items}

    def events(self, resource: str, namespace: str, version: int) -> list[Event]:
        """What happened after a version."""
        with self.lock:
            first = bisect.bisect_right(self._events, version, key=lambda event: event.version)
            events = [event for event in self._events[first:] if event.resource == resource]
        return [event for event in events if namespace in ("", _namespace_of(event.value))]

    def compact(self) -> None:
        """Forget the state of all lists that are half read, as etcd does every five minutes."""
        with self.lock:
            self._compacted = self.version = self.version + 1  # in a cluster, something always changes
            self._snapshots.clear()
