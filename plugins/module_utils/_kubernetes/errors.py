# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of an API server, each as one sentence that names the request and says what to do."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
import urllib.parse

from .._core.errors import ScanError
from .._core.text import visible

_TEXT_LIMIT = 600

UNREACHABLE = "cluster-unreachable"
TLS = "cluster-tls"
UNAUTHORIZED = "cluster-unauthorized"
FORBIDDEN = "cluster-forbidden"
NOT_FOUND = "cluster-not-found"
CONFLICT = "cluster-conflict"
EXPIRED = "cluster-expired"
INVALID = "cluster-invalid"
BUSY = "cluster-busy"
CONFIG = "cluster-config"
#: The cluster fails, and not the object that was asked for: whatever is asked next fails, too.
OF_THE_CLUSTER = frozenset((UNREACHABLE, UNAUTHORIZED, BUSY))


class ApiError(ScanError):
    """The API server refused, failed or could not be reached.

    ``status`` is the HTTP status, 0 without an answer. ``reason`` is the API's own word ("AlreadyExists"), or "".
    ``api_message`` is what the server said, without our sentence around it. ``continuation`` is the token with which a
    list that the server forgot goes on in its newest state, or "".
    """

    code = UNREACHABLE

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        api_message: str = "",
        continuation: str = "",
        **details: t.Any,
    ) -> None:
        super().__init__(message, **details)
        self.status = status
        self.reason = reason
        self.api_message = api_message
        self.continuation = continuation


def config_error(message: str, hint: str = "") -> ApiError:
    """The error for options or a kubeconfig that cannot be used."""
    return ApiError(message, code=CONFIG, hint=hint)


_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclasses.dataclass(frozen=True)
class Operation:
    """A request in the words of RBAC. ``resource`` has its subresource ("pods/log"), or is the path of what is none."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f" {visible(self.name, 260)}" if self.name else ""
        place = f" in the namespace {visible(self.namespace, 260)}" if self.namespace else ""
        return f"{self.verb} {kind}{named}{place}"


def operation_of(method: str, path: str, params: t.Mapping[str, t.Any] | None = None) -> Operation:
    """Derive the operation of a request from its method and API path."""
    parts = list(map(urllib.parse.unquote, path.split("?")[0].strip("/").split("/")))
    if parts[0] == "api" and len(parts) > 2:
        group, parts = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, parts = parts[1], parts[3:]
    else:
        return Operation(_VERBS.get(method, method.lower()), resource=path.split("?")[0])
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource = [*parts, "", ""][:3]
    verb = _VERBS.get(method, method.lower())
    if (method, name) == ("GET", ""):
        verb = "watch" if (params or {}).get("watch") else "list"
    return Operation(verb, group, f"{resource}/{subresource}" if subresource else resource, namespace, name)


_Rules = t.Mapping[tuple[str, str], str]
_SCANNER: _Rules = {
    ("batch", "jobs"): "create get list watch patch delete",
    ("", "pods"): "get list watch delete",
    ("", "pods/log"): "get",
    ("", "configmaps"): "create get list delete",
    ("", "events"): "list",
    ("", "serviceaccounts"): "get",
}
_DISCOVERY: _Rules = {
    ("", "namespaces"): "list",
    ("", "pods"): "list watch",
    ("", "replicationcontrollers"): "list",
    ("apps", "deployments"): "list",
    ("apps", "replicasets"): "list",
    ("apps", "statefulsets"): "list",
    ("apps", "daemonsets"): "list",
    ("batch", "jobs"): "list",
    ("batch", "cronjobs"): "list",
    ("image.openshift.io", "images"): "get list watch",
    ("image.openshift.io", "imagestreams"): "get list watch",
    ("apps.openshift.io", "deploymentconfigs"): "list",
    ("build.openshift.io", "buildconfigs"): "list",
}
_MIRRORS: _Rules = {
    ("config.openshift.io", "imagedigestmirrorsets"): "list",
    ("config.openshift.io", "imagetagmirrorsets"): "list",
}
_FLAGGER: _Rules = {
    ("imagescan.github.io", "denylists"): "get list create patch delete",
    ("imagescan.github.io", "passedlists"): "get list patch",
    ("", "pods"): "list",
    ("image.openshift.io", "images"): "get list patch",
}


def roles_for(operation: Operation) -> list[str]:
    """The roles that the role ``setup`` ships and that allow an operation, in the words of a hint."""
    key = (operation.group, operation.resource)
    roles = []
    if operation.namespace and operation.verb in _SCANNER.get(key, "").split():
        roles.append(f"Role imagescan-scanner in the namespace {visible(operation.namespace, 260)}")
    for name, rules in (("discovery", _DISCOVERY), ("mirrors", _MIRRORS), ("flagger", _FLAGGER)):
        if operation.verb in rules.get(key, "").split():
            roles.append(f"ClusterRole imagescan-{name}")
    return roles


_BUSY_HINT = "look at the API server and what it depends on, and try again"
#: Code and hint of an answer whose status tells all; what is above 500 is as 500.
_CODES = {
    401: (UNAUTHORIZED, "the token or certificate is wrong or has expired; log in again and give the new one"),
    409: (CONFLICT, ""),
    410: (EXPIRED, ""),
    429: (BUSY, _BUSY_HINT),
    500: (BUSY, _BUSY_HINT),
}


def _why_bad(api_message: str, params: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """Code and hint of a request that the server does not understand."""
    if "HTTP request to an HTTPS server" in api_message:
        return CONFIG, "use https:// for the API server"
    return INVALID, "check the selector" if params.get("labelSelector") or params.get("fieldSelector") else ""


def refused(
    server: str, status: int, body: bytes, operation: Operation, params: t.Mapping[str, t.Any] | None = None
) -> ApiError:
    """The error for an answer that is not 2xx. ``body`` is a Status object where the API itself answered."""
    value = _status_of(body)
    reason, api_message, details = _words_of(value, body)
    shown = "the credentials are not accepted" if status == 401 else api_message
    text = f"{status} from {server}, asked to {operation}" + (f": {shown}" if shown else "")
    if status == 403:
        code, hint = FORBIDDEN, _grant(operation, api_message)
    elif status == 404:
        code, hint = NOT_FOUND, _what_is_missing(operation, details, api_message)
    elif status == 400:
        code, hint = _why_bad(api_message, params or {})
    elif 300 <= status < 400:
        code, hint = CONFIG, f"is {server} the address of an API server?"
    elif status == 500 and "request is too large" in api_message:
        # Said by etcd; the same is 413 elsewhere, and to try again is useless.
        code, hint, status = INVALID, "", 413
    else:
        code, hint = _CODES.get(min(status, 500), (INVALID, ""))
    return ApiError(
        text,
        code=code,
        hint=hint,
        status=status,
        reason=reason,
        api_message=api_message,
        continuation=_continuation(value) if status == 410 else "",
    )


def _status_of(body: bytes) -> t.Any:
    """The Status object of an answer, or whatever else is JSON; None for what is not."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _continuation(value: t.Any) -> str:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    token = metadata.get("continue") if isinstance(metadata, dict) else None
    return token if isinstance(token, str) else ""


def _words_of(value: t.Any, body: bytes) -> tuple[str, str, dict[str, t.Any]]:
    """Reason, message and details of a Status; of another answer its text."""
    if value is None:
        text = re.sub(r"<[^>]{0,200}>", " ", body[: 4 * _TEXT_LIMIT].decode("utf-8", "replace"))
        return "", visible(" ".join(text.split()), 200), {}
    if not isinstance(value, dict):
        return "", "", {}
    reason, message, details = value.get("reason"), value.get("message"), value.get("details")
    return (
        visible(reason, 80) if isinstance(reason, str) else "",
        visible(message, _TEXT_LIMIT) if isinstance(message, str) else "",
        details if isinstance(details, dict) else {},
    )


def _grant(operation: Operation, message: str) -> str:
    user = re.search(r'[Uu]ser \\?"([^"\\]{1,300})\\?"', message)
    account = user.group(1) if user else "the account"
    if account == "system:anonymous":
        return "no credentials were sent; give api_key, a client certificate or a kubeconfig with a user"
    if "cannot impersonate" in message:
        return f"let {account} impersonate, or leave out impersonate_user and impersonate_groups"
    if user is None and "is forbidden: User" not in message:
        # Admission (Pod Security, quota, policies) says 403 too; a role would not help.
        return "" if operation.verb in ("create", "patch", "update") and message else f"grant {operation.verb}"
    roles = roles_for(operation)
    if roles:
        return f"grant {' or '.join(roles)} to {account}; the role imagescan.openshift.setup makes it"
    kind = f"{operation.resource}.{operation.group}" if operation.group else operation.resource
    return f"grant {operation.verb} on {kind} to {account}"


def _what_is_missing(operation: Operation, details: t.Mapping[str, t.Any], message: str) -> str:
    if details.get("kind") == "namespaces" and operation.namespace:
        return f"create the namespace {visible(operation.namespace, 260)}, as the role imagescan.openshift.setup does"
    if not details.get("name") and ("could not find the requested resource" in message or "page not found" in message):
        group = operation.group or "core"
        return f"does this cluster have {operation.resource} of the group {group}?"
    return ""
