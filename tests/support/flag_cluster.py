# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stub of an API server that keeps what flags are written to: lists, Image objects, and any other kind; and pods."""

from __future__ import annotations

import copy
import json
import threading
import typing as t
import urllib.parse

from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.client import KubernetesClient
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import operation_of, refused

from .servers import Answer, Request

PREFIX = "imagescan.github.io"
DENY = f"/apis/{PREFIX}/v1alpha1/denylists"
PASSED = f"/apis/{PREFIX}/v1alpha1/passedlists"
IMAGES = "/apis/image.openshift.io/v1/images"
PODS = "/api/v1/pods"
Json = dict[str, t.Any]


class FlagCluster:
    """Objects by path, with versions, merge patches and preconditions.

    ``groups``: the API groups that there are. ``refuse``: a status for a request, or 0. ``calls``: the requests for
    objects so far, each as method, path and body.
    """

    def __init__(self, *groups: str) -> None:
        self.groups = groups or (PREFIX, "image.openshift.io")
        self.objects: dict[str, Json] = {}
        self.calls: list[tuple[str, str, Json]] = []
        self.refuse: t.Callable[[str, str], int] = lambda method, path: 0
        self._version = 0
        self._lock = threading.Lock()

    def put(self, path: str, body: Json) -> Json:
        """Store an object."""
        self._version += 1
        stored = copy.deepcopy(body)
        stored["metadata"] |= {"resourceVersion": str(self._version), "uid": f"uid-{path}"}
        self.objects[path] = stored
        return stored

    def make_list(self, kind: str, name: str, spec: Json | None = None, **metadata: t.Any) -> None:
        """A list as the role ``enforce`` makes it. ``kind``: deny or passed. ``metadata``: what it has further."""
        provider = name.rpartition("-passed-" if kind == "passed" else "-")[0]
        labels = {f"{PREFIX}/list": kind, f"{PREFIX}/provider": provider, f"{PREFIX}/enforce": "site"}
        head = {"name": name, "labels": {**labels, **metadata.pop("labels", {})}, **metadata}
        self.put(f"{DENY if kind == 'deny' else PASSED}/{name}", {"metadata": head, "spec": spec or {}})

    def make_image(self, digest: str, **annotations: str) -> None:
        """An Image object."""
        self.put(f"{IMAGES}/{digest}", {"metadata": {"name": digest, "labels": {}, "annotations": annotations}})

    def make_pod(self, name: str, reference: str, digest: str) -> None:
        """A pod that runs an image."""
        status = {"phase": "Running", "containerStatuses": [{"name": "main", "imageID": f"docker://x@{digest}"}]}
        spec = {"containers": [{"name": "main", "image": reference}]}
        self.put(f"{PODS}/{name}", {"metadata": {"namespace": "shop", "name": name}, "spec": spec, "status": status})

    def entries(self, path: str) -> dict[str, str]:
        """Digest or reference -> text, of all lists of a kind."""
        specs = [each["spec"] for name, each in self.objects.items() if name.startswith(f"{path}/")]
        return {**_merged(specs, "digests"), **_merged(specs, "references")}

    def annotations(self, digest: str) -> dict[str, str]:
        """Those of an Image object."""
        return dict(self.objects[f"{IMAGES}/{digest}"]["metadata"]["annotations"])

    @property
    def writes(self) -> list[str]:
        """Method and path of the requests that change something."""
        return [f"{method} {path}" for method, path, _body in self.calls if method != "GET"]

    def __call__(self, request: Request) -> Answer:
        path = urllib.parse.unquote(urllib.parse.urlsplit(request.target).path)
        if path == "/apis":
            return _answer(200, {"groups": [{"name": name} for name in ("apps", *self.groups)]})
        with self._lock:
            body = json.loads(request.body or b"{}")
            self.calls.append((request.method, path, copy.deepcopy(body)))
            status = self.refuse(request.method, path)
            if status:
                return _answer(status, {"kind": "Status", "message": "no", "reason": "no"})
            return self._answer(request, path, body)

    def _answer(self, request: Request, path: str, body: Json) -> Answer:
        name = path.rpartition("/")[2]
        if request.method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            return _conflict() if path in self.objects else _answer(201, self.put(path, body))
        if request.method == "GET" and path not in self.objects and "limit" in request.query():
            return _answer(
                200, {"items": [each for place, each in self.objects.items() if place.startswith(f"{path}/")]}
            )
        if path not in self.objects:
            return _answer(404, {"kind": "Status", "message": f'"{name}" not found', "details": {"name": name}})
        current = self.objects[path]
        if request.method == "GET":
            return _answer(200, current)
        if request.method == "DELETE":
            if body["preconditions"] != {key: current["metadata"][key] for key in ("resourceVersion", "uid")}:
                return _conflict()
            return _answer(200, self.objects.pop(path))
        if body["metadata"].pop("resourceVersion") != current["metadata"]["resourceVersion"]:
            return _conflict()
        return _answer(200, self.put(path, _patched(current, body)))


class DirectClient(KubernetesClient):
    """A client that asks a stub without a network, and never again."""

    def __init__(self, cluster: FlagCluster) -> None:
        self.server = "https://api.example.com:6443"
        self._groups = None
        self._cluster = cluster

    def _object(
        self, method: str, path: str, params: t.Mapping[str, t.Any] | None, *, body: t.Any = None, **_options: t.Any
    ) -> Json:
        data = json.dumps(body).encode() if body is not None else b""
        answer = self._cluster(Request(method, f"{path}?{urllib.parse.urlencode(params or {})}", {}, data))
        if answer.status >= 300:
            raise refused(self.server, answer.status, answer.body, operation_of(method, path, params), params)
        return dict(json.loads(answer.body))


def _merged(specs: t.Iterable[Json], part: str) -> dict[str, str]:
    return {key: value for spec in specs for key, value in (spec.get(part) or {}).items()}


def _patched(current: Json, patch: Json) -> Json:
    """An object after a merge patch."""
    changed = copy.deepcopy(current)
    for key, value in patch.items():
        if isinstance(value, dict):
            changed[key] = _patched(changed.get(key) or {}, value)
        elif value is None:
            changed.pop(key, None)
        else:
            changed[key] = value
    return changed


def _answer(status: int, value: Json) -> Answer:
    return Answer(status, json.dumps(value).encode())


def _conflict() -> Answer:
    return _answer(409, {"kind": "Status", "message": "the object has been modified", "reason": "Conflict"})
