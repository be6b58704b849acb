# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed for enforcement, as far as one may read it. A drill shows what happens."""

from __future__ import annotations

import typing as t
import urllib.parse

from .._flags.names import API_VERSION, DENY_PLURAL
from .client import Client
from .errors import ApiError

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_NAME_LABEL = "kubernetes.io/metadata.name"
_MODES = (("Deny", "deny"), ("Warn", "warn"), ("Audit", "audit"))
_Json = dict[str, t.Any]


def read_installation(client: Client, policy: str, images: t.Collection[str]) -> dict[str, t.Any]:
    """The policy, its bindings and its lists.

    ``mode``: ``deny``, ``warn``, ``audit``, ``none`` without policy or binding, ``unknown`` where it may not be read.
    ``exempt_namespaces`` and ``only_namespaces`` by name; ``conditions`` are the CEL expressions on which the policy
    depends further. ``lists``: name and number of ``digests`` and ``references`` of each list; None where they may not
    be read. ``listed``: which of ``images`` (digests, full references) are on one. ``unread``: why something is
    missing. ``scope``: where the policy counts, as a sentence. Raises ApiError when the cluster does not answer.
    """
    unread: list[str] = []
    name = urllib.parse.quote(policy, safe="")
    found = _read(client, f"{_ADMISSION}/validatingadmissionpolicies/{name}", unread)
    bindings = _bindings(client, policy, unread)
    actions = sorted({str(one) for each in bindings or () for one in _at(each, "validationActions") or ()})
    mode = "unknown"
    if found == {} or bindings == []:
        mode = "none"
    elif found and bindings:
        mode = next((mode for action, mode in _MODES if action in actions), "none")
    lists = None if bindings is None else _lists(client, bindings, images, unread)
    constraints = _at(found or {}, "matchConstraints") or {}
    exempt, only = _names(constraints, "NotIn"), _names(constraints, "In")
    conditions = [str(each.get("expression")) for each in _at(found or {}, "matchConditions") or ()]
    return {
        "mode": mode,
        "scope": _scope(policy, mode, exempt, only, conditions),
        "actions": actions,
        "failure_policy": str(_at(found or {}, "failurePolicy") or ""),
        "exempt_namespaces": exempt,
        "only_namespaces": only,
        "conditions": conditions,
        "lists": None if lists is None else [{k: v for k, v in each.items() if k != "listed"} for each in lists],
        "listed": sorted({one for each in lists or () for one in each["listed"]}),
        "unread": unread,
    }


def _scope(policy: str, mode: str, exempt: t.Sequence[str], only: t.Sequence[str], conditions: t.Sequence[str]) -> str:
    if mode == "unknown":
        return (
            "this account may not read what is installed, so what is proved holds in the namespace of the drill alone"
        )
    if mode == "none":
        return f"there is no policy {policy}, or no binding of it that does anything"
    further = f", under conditions: {'; '.join(conditions)}" if conditions else ""
    if only:
        return f"{policy} counts only in the namespaces {', '.join(only)}{further}"
    return f"{policy} counts in every namespace{' but ' if exempt else ''}{', '.join(exempt)}{further}"


def _read(client: Client, path: str, unread: list[str]) -> _Json | None:
    """An object; empty where there is none, None where it may not be read."""
    try:
        return client.get(path)
    except ApiError as error:
        if error.status == 404:
            return {}
        if error.status != 403:
            raise
        unread.append(str(error))
        return None


def _bindings(client: Client, policy: str, unread: list[str]) -> list[_Json] | None:
    def ours(binding: _Json) -> _Json | None:
        return binding if _at(binding, "policyName") == policy else None

    try:
        return client.items(f"{_ADMISSION}/validatingadmissionpolicybindings", ours)
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        unread.append(str(error))
        return None


def _lists(
    client: Client, bindings: t.Sequence[_Json], images: t.Collection[str], unread: list[str]
) -> list[_Json] | None:
    def counted(one: _Json) -> _Json:
        spec = one.get("spec") or {}
        kept = {kind: spec.get(kind) or {} for kind in ("digests", "references")}
        listed = [image for image in images if any(image in entries for entries in kept.values())]
        return {"name": one["metadata"]["name"], **{kind: len(kept[kind]) for kind in kept}, "listed": listed}

    found: dict[str, _Json] = {}
    for binding in bindings:
        wanted = _at(binding, "paramRef", "selector", "matchLabels") or {}
        params = {"labelSelector": ",".join(f"{key}={value}" for key, value in wanted.items())} if wanted else {}
        try:
            for one in client.items(f"/apis/{API_VERSION}/{DENY_PLURAL}", counted, params, limit=10):
                found[one["name"]] = one
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            unread.append(str(error))
            return None
    return [found[name] for name in sorted(found)]


def _names(constraints: _Json, operator: str) -> list[str]:
    """Namespaces that a selector names one by one."""
    expressions = (constraints.get("namespaceSelector") or {}).get("matchExpressions") or ()
    named = [one for one in expressions if one.get("key") == _NAME_LABEL and one.get("operator") == operator]
    return sorted({str(name) for one in named for name in one.get("values") or ()})


def _at(value: _Json, *keys: str) -> t.Any:
    """A field of the spec of an object."""
    found: t.Any = value.get("spec")
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
