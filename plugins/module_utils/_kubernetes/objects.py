# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists, applies and deletes objects of any kind that the API server serves, many of them over one connection.

Objects are applied by server-side apply. Where the server merges a list of ours with items of somebody else, or of a
version of this collection that did not apply, the list is then replaced: a policy must say what we say and no more.
kubernetes.core does the same an object at a time; its client takes a second of processor time to start.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t
import urllib.parse

from .._core.errors import InputError, ScanError
from .client import KubernetesClient
from .errors import ApiError

Json = dict[str, t.Any]

MANAGER = "imagescan.openshift"
CREATED, PATCHED, DELETED, UNCHANGED = "create", "patch", "delete", ""
_PAUSE = 0.5  # seconds between two looks at an object that is waited for
#: Metadata that changes with every write.
_VOLATILE = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"})
_CRD = "CustomResourceDefinition"


@dataclasses.dataclass(frozen=True)
class Resource:
    """A kind as the server serves it: where its objects are, and whether they are in namespaces."""

    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of one object, or of all of them (in one namespace)."""
        place = f"/namespaces/{urllib.parse.quote(namespace, safe='')}" if self.namespaced and namespace else ""
        last_segment = f"/{urllib.parse.quote(name, safe='')}" if name else ""
        return f"{self.prefix}{place}/{self.plural}{last_segment}"


@dataclasses.dataclass(frozen=True)
class ObjectSelection:
    """Objects of one kind to list: all, one by ``name``, or those that fit ``labels`` and ``fields`` (selectors)."""

    api_version: str
    kind: str
    namespace: str = ""
    name: str = ""
    labels: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    metadata_only: bool = True


@dataclasses.dataclass(frozen=True)
class ObjectChange:
    """Change of an object, made or planned: CREATED, PATCHED, DELETED or UNCHANGED.

    ``before`` and ``after``: the object without what changes with every write; empty where there is none.
    ``created``: when the server made it, RFC 3339. ``error``: why the server refused it.
    """

    definition: Json
    method: str
    before: Json
    after: Json
    created: str = ""
    error: ApiError | None = None


class ObjectClient:
    """Objects of any kind on one server. Kinds are looked up once."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._served: dict[str, dict[str, Resource]] = {}

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """Look up a kind; None where the server does not serve it. Raises ApiError."""
        if api_version not in self._served:
            prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                listed = self._client.get(prefix).get("resources") or []
            except ApiError as error:
                if error.status != 404:
                    raise
                listed = []
            self._served[api_version] = {
                str(item.get("kind")): Resource(prefix, str(item.get("name")), item.get("namespaced") is True)
                for item in listed
                if isinstance(item, dict) and "/" not in str(item.get("name"))
            }
        return self._served[api_version].get(kind)

    def select(self, selection: ObjectSelection) -> list[Json] | None:
        """List objects without their managed fields; None where the server does not serve the kind. Raises ApiError."""
        resource = self.resource(selection.api_version, selection.kind)
        if resource is None:
            return None
        if selection.name:
            path = resource.path(selection.namespace, selection.name)
            listed = [self._read(path, metadata_only=selection.metadata_only)]
        else:
            selectors = {"labelSelector": selection.labels, "fieldSelector": selection.fields}
            params = {name: ",".join(parts) for name, parts in selectors.items() if parts}
            path = resource.path(selection.namespace)
            listed = list(self._client.items(path, dict, params, metadata_only=selection.metadata_only))
        return [_without_managed_fields(item) for item in listed if item]

    def apply(self, definition: Json, *, planned: t.Collection[str] = (), dry_run: bool = False) -> ObjectChange:
        """Make an object what its definition says; other fields of it stay. Raises ApiError, InputError.

        ``planned``: what a dry run has planned before, as ``Kind/name``: the server cannot try an object in a
        namespace, or of a kind, that does not exist yet.
        """
        resource = self.resource(definition["apiVersion"], definition["kind"])
        if resource is None and dry_run and any(key.startswith(f"{_CRD}/") for key in planned):
            return ObjectChange(definition, CREATED, {}, _lasting(definition))
        path = self._path(definition, resource)
        old_object = self._read(path)
        try:
            made = self._make(path, definition, dry_run=dry_run, exists=bool(old_object))
        except ApiError as error:
            space = f"Namespace/{definition['metadata'].get('namespace', '')}"
            if dry_run and error.status == 404 and not old_object and space in planned:
                return ObjectChange(definition, CREATED, {}, _lasting(definition))
            raise
        before, after = _lasting(old_object), _lasting(made)
        method = CREATED if not old_object else PATCHED if before != after else UNCHANGED
        return ObjectChange(definition, method, before, after, str(made["metadata"].get("creationTimestamp") or ""))

    def _make(self, path: str, definition: Json, *, dry_run: bool, exists: bool) -> Json:
        """Apply a definition, and patch the object with it where it says something else then."""
        made = self._client.apply(path, definition, manager=MANAGER, dry_run=dry_run)
        if _says(made, definition) or (dry_run and not exists):  # what a dry run would create cannot be patched
            return made
        return self._client.merge_patch(path, definition, {"dryRun": "All"} if dry_run else None)

    def delete(self, definition: Json, *, dry_run: bool = False) -> ObjectChange:
        """Delete an object if it is there. Raises ApiError, InputError."""
        resource = self.resource(definition["apiVersion"], definition["kind"])
        if resource is None:
            return ObjectChange(definition, UNCHANGED, {}, {})
        path = self._path(definition, resource)
        old_object = self._read(path)
        if not old_object:
            return ObjectChange(definition, UNCHANGED, {}, {})
        if not dry_run:
            self._client.delete(path)
        return ObjectChange(definition, DELETED, _lasting(old_object), {})

    def wait_until_established(self, definition: Json, seconds: float) -> None:
        """Wait until the server serves the kind of a CustomResourceDefinition. Raises ScanError after ``seconds``."""
        path = self._path(definition, self.resource(definition["apiVersion"], definition["kind"]))

        def is_established() -> bool:
            conditions = (self._read(path).get("status") or {}).get("conditions") or []
            return any(
                condition.get("type") == "Established" and condition.get("status") == "True" for condition in conditions
            )

        _wait(is_established, f"{_name_of(definition)} is not established", seconds)

    def wait_until_gone(self, definition: Json, seconds: float) -> None:
        """Wait until a deleted object, with all that is in it, is gone. Raises ScanError after ``seconds``."""
        resource = self.resource(definition["apiVersion"], definition["kind"])
        if resource is not None:
            path = self._path(definition, resource)
            _wait(lambda: not self._read(path), f"{_name_of(definition)} is still being deleted", seconds)

    def _path(self, definition: Json, resource: Resource | None) -> str:
        if resource is None:
            raise InputError(
                f"the server does not serve the kind {definition['kind']} of {definition['apiVersion']}",
                hint="check apiVersion and kind, or install what defines the kind",
            )
        namespace = definition["metadata"].get("namespace") or ""
        if resource.namespaced and not namespace:
            raise InputError(f"{_name_of(definition)} has no namespace", hint="give metadata.namespace")
        return resource.path(namespace, definition["metadata"]["name"])

    def _read(self, path: str, *, metadata_only: bool = False) -> Json:
        """One object; empty where it is not there."""
        try:
            return self._client.get(path, metadata_only=metadata_only)
        except ApiError as error:
            if error.status != 404:
                raise
            return {}


def check_definition(definition: t.Any) -> Json:
    """Check that a value names an object of Kubernetes, and return it. Raises InputError."""
    if not isinstance(definition, dict):
        raise InputError("a definition is not a dictionary")
    metadata = definition.get("metadata")
    texts = [
        definition.get("apiVersion"),
        definition.get("kind"),
        metadata.get("name") if isinstance(metadata, dict) else 0,
    ]
    if not all(isinstance(text, str) and text for text in texts):
        raise InputError("a definition lacks apiVersion, kind or metadata.name")
    return definition


def _name_of(definition: Json) -> str:
    return f"{definition['kind']} {definition['metadata']['name']}"


def _wait(holds: t.Callable[[], bool], why_not: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise ScanError(
                f"{why_not} after {seconds:.0f} s",
                code="timeout",
                hint="see its status.conditions for what holds it up; then run again",
            )
        time.sleep(_PAUSE)


def _without_managed_fields(document: Json) -> Json:
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    return {**document, "metadata": metadata}


def _lasting(document: Json) -> Json:
    """An object as people write it: without status and what changes with every write."""
    if not document:
        return {}
    metadata = {key: value for key, value in document["metadata"].items() if key not in _VOLATILE}
    return {**{key: value for key, value in document.items() if key != "status"}, "metadata": metadata}


def _says(actual: t.Any, expected: t.Any) -> bool:
    """Tell whether a value says all that is wanted; dictionaries may say more, lists may not."""
    if actual is None:
        return not expected  # the server leaves out what is empty
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(_says(actual.get(key), value) for key, value in expected.items())
    if isinstance(expected, list):
        lists = isinstance(actual, list) and len(actual) == len(expected)
        return lists and all(map(_says, actual, expected))
    return bool(actual == expected)
