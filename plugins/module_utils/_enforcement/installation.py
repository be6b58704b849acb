# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed parts of the enforcement, as far as one may read them. A drill shows what happens."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from .._flags.names import API_VERSION, DENY, DENY_PLURAL, ENFORCE_LABEL, LIST_LABEL, PASSED_KIND
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError
from .drill_cases import KINDS, POD

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_NAME_LABEL = "kubernetes.io/metadata.name"
_MODES = (("Deny", "deny"), ("Warn", "warn"), ("Audit", "audit"))
_CHANGES = ("CREATE", "UPDATE")
#: Group, resource and operations that a policy must look at. No pod is made with ephemeral containers.
_LOOKED_AT = (
    (POD.group, POD.resource, _CHANGES),
    (POD.group, f"{POD.resource}/ephemeralcontainers", ("UPDATE",)),
    *((kind.group, kind.resource, _CHANGES) for kind in KINDS if kind is not POD and not kind.openshift),
)
#: The condition by which the role exempts namespaces whose names begin so.
_EXEMPT = re.compile(r"!\[(?:\"[-a-z0-9]+\"(?:, ?)?)*\]\.exists\(b, request\.namespace\.startsWith\(b\)\)")
_Json = dict[str, t.Any]


class _Requirement(t.NamedTuple):
    """One condition of a label selector. ``operator``: In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """As servers take it in a labelSelector."""
        if self.operator == "In" and len(self.values) == 1:
            return f"{self.key}={self.values[0]}"
        if self.operator in ("In", "NotIn"):
            return f"{self.key} {self.operator.lower()} ({','.join(self.values)})"
        return f"!{self.key}" if self.operator == "DoesNotExist" else self.key


def read_installation(client: KubernetesClient, policy: str, images: t.Collection[str]) -> dict[str, t.Any]:
    """The policy, its bindings and its lists.

    ``mode``: ``deny``, ``warn``, ``audit``, ``none`` without policy or binding, ``unknown`` where it may not be read.
    ``exempt_namespaces`` and ``only_namespaces`` by name; ``conditions`` are the CEL expressions on which the policy
    depends further. ``limits``: what else makes it less than what the role ``enforce`` installs to deny, and conditions
    that the role does not make. ``lists``: name and number of ``digests`` and ``references`` of each list; None where
    they may not be read. ``listed``: which of ``images`` (digests, full references) are on one. ``unread``: why
    something is missing. ``scope``: where the policy counts, and all that limits it, as a sentence. Raises ApiError
    when the cluster does not answer.
    """
    unread: list[str] = []
    name = urllib.parse.quote(policy, safe="")
    document = _read(client, f"{_ADMISSION}/validatingadmissionpolicies/{name}", unread)
    bindings = _bindings(client, policy, unread)
    actions = sorted({action for binding in bindings or () for action in _actions(binding)})
    mode = _mode(document, bindings, actions)
    lists, listed = (None, set()) if bindings is None else _lists(client, bindings, images, unread)
    document = document or {}
    exempt, only = _names(document)
    conditions = [str(condition.get("expression")) for condition in _at(document, "matchConditions") or ()]
    limits = _limits(document, bindings, policy)
    return {
        "mode": mode,
        "scope": _scope(policy, mode, exempt, only, conditions, limits),
        "actions": actions,
        "failure_policy": str(_at(document, "failurePolicy") or ""),
        "exempt_namespaces": exempt,
        "only_namespaces": only or [],
        "conditions": conditions,
        "limits": _foreign(conditions) + limits,
        "lists": lists,
        "listed": sorted(listed),
        "unread": unread,
    }


def _actions(binding: _Json) -> list[str]:
    return [str(action) for action in _at(binding, "validationActions") or ()]


def _mode(document: _Json | None, bindings: t.Sequence[_Json] | None, actions: t.Collection[str]) -> str:
    if document == {} or bindings == []:
        return "none"
    if not document or not bindings:
        return "unknown"
    return next((mode for action, mode in _MODES if action in actions), "none")


def _scope(
    policy: str,
    mode: str,
    exempt: t.Sequence[str],
    only: t.Sequence[str] | None,
    conditions: t.Sequence[str],
    limits: t.Sequence[str],
) -> str:
    if mode == "none":
        return f"there is no policy {policy}, or no binding of it that does anything"
    further = f", under conditions: {'; '.join(conditions)}" if conditions else ""
    further += f"; limited: {'; '.join(limits)}" if limits else ""
    if mode == "unknown":
        return (
            "this account may not read what is installed, so what is proved holds in the namespace of the drill alone"
            f"{further}"
        )
    if only is None:
        return f"{policy} counts in every namespace{' but ' if exempt else ''}{', '.join(exempt)}{further}"
    return f"{policy} counts {'only in the namespaces ' if only else 'in no namespace'}{', '.join(only)}{further}"


def _foreign(conditions: t.Iterable[str]) -> list[str]:
    return [f"condition: {expression}" for expression in conditions if not _EXEMPT.fullmatch(expression)]


def _limits(document: _Json, bindings: t.Sequence[_Json] | None, policy: str) -> list[str]:
    limits = _limits_of_policy(document) if document else []
    kind = str(_at(document, "paramKind", "kind") or "")
    for binding in bindings or ():
        name = (binding.get("metadata") or {}).get("name")
        limits += [f"binding {name}: {limit}" for limit in _limits_of_binding(binding, policy, kind)]
    return limits


def _limits_of_policy(policy: _Json) -> list[str]:
    constraints = _at(policy, "matchConstraints") or {}
    limits = _limits_of_constraints({**constraints, "namespaceSelector": None})
    others = [each for each in _requirements(constraints.get("namespaceSelector")) if not _is_of_names(each)]
    if others:
        limits.insert(0, f"only namespaces with {_selected(others)}")
    if _names(policy)[1] == []:
        limits.insert(0, "no namespace fits its namespaceSelector")
    lacking = _not_looked_at(constraints.get("resourceRules") or ())
    if lacking:
        limits.append(f"no rule for {', '.join(lacking)}")
    if _at(policy, "failurePolicy") == "Ignore":
        limits.append("what it cannot evaluate is let in (failurePolicy Ignore)")
    return limits


def _limits_of_binding(binding: _Json, policy: str, kind: str) -> list[str]:
    limits: list[str] = []
    actions = _actions(binding)
    if "Deny" not in actions:
        limits.append(f"does not deny ({', '.join(actions) or 'no action'})")
    limits += _limits_of_lists(_at(binding, "paramRef") or {}, policy, kind)
    constraints = _at(binding, "matchResources") or {}
    limits += _limits_of_constraints(constraints)
    lacking = _not_looked_at(constraints.get("resourceRules") or ()) if constraints.get("resourceRules") else []
    return [*limits, f"no rule for {', '.join(lacking)}"] if lacking else limits


def _limits_of_lists(reads: _Json, policy: str, kind: str) -> list[str]:
    """List what limits the lists that a binding reads."""
    limits: list[str] = []
    # The role names each list of passed digests, and finds deny lists by labels.
    if reads.get("name") and kind != PASSED_KIND:
        limits.append(f"reads only the list {reads['name']}")
    if reads.get("namespace"):
        limits.append(f"reads only lists of the namespace {reads['namespace']}")
    ours = {(LIST_LABEL, "In", (DENY,)), (ENFORCE_LABEL, "In", (policy.removesuffix("-deny"),))}
    foreign = [requirement for requirement in _requirements(reads.get("selector")) if requirement not in ours]
    if foreign:
        limits.append(f"reads only lists with {_selected(foreign)}")
    if reads.get("parameterNotFoundAction") == "Allow":
        limits.append("everything is let in without a list")
    return limits


def _limits_of_constraints(constraints: _Json) -> list[str]:
    """List the limits that policies and bindings have in common. The server takes null and empty for no limit."""
    limits = []
    for key, kind in (("namespaceSelector", "namespaces"), ("objectSelector", "objects")):
        requirements = _requirements(constraints.get(key))
        if requirements:
            limits.append(f"only {kind} with {_selected(requirements)}")
    limits += [f"not {_rule(each)}" for each in constraints.get("excludeResourceRules") or ()]
    if constraints.get("matchPolicy") == "Exact":
        limits.append("only the API versions that its rules name (matchPolicy Exact)")
    return limits


def _not_looked_at(rules: t.Sequence[_Json]) -> list[str]:
    lacking = []
    for group, resource, operations in _LOOKED_AT:
        missing = [
            operation
            for operation in operations
            if not any(_covers(rule, group, resource, operation) for rule in rules)
        ]
        if missing:
            lacking.append(resource if len(missing) == len(_CHANGES) else f"{resource} ({', '.join(missing)})")
    return lacking


def _covers(rule: _Json, group: str, resource: str, operation: str) -> bool:
    """Return whether a rule looks at an operation on every object of a resource, as the server reads rules."""

    def names(key: str, value: str) -> bool:
        return not {value, "*"}.isdisjoint(rule.get(key) or ())

    parent, _slash, part = resource.partition("/")
    named = (str(each).partition("/") for each in rule.get("resources") or ())
    return (
        names("apiGroups", group)
        and names("apiVersions", "v1")
        and names("operations", operation)
        and any(whole in ("*", parent) and sub in ("*", part) for whole, _sep, sub in named)
        and rule.get("scope") != "Cluster"
        and not rule.get("resourceNames")
    )


def _rule(rule: _Json) -> str:
    def listed(key: str, before: str = "") -> str:
        values = [str(each) for each in rule.get(key) or () if each != ""]
        return f"{before}{', '.join(values)}" if values else ""

    requests = f"{listed('operations')} of {listed('resources')}"
    return f"{requests}{listed('apiGroups', ' in ')}{listed('resourceNames', ' named ')}"


def _read(client: KubernetesClient, path: str, unread: list[str]) -> _Json | None:
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


def _bindings(client: KubernetesClient, policy: str, unread: list[str]) -> list[_Json] | None:
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
    client: KubernetesClient, bindings: t.Sequence[_Json], images: t.Collection[str], unread: list[str]
) -> tuple[list[_Json] | None, set[str]]:
    """Name and size of each list that bindings read, None where they may not be read; the images that are on one."""

    def project(document: _Json) -> tuple[_Json, set[str]]:
        spec = document.get("spec") or {}
        entries = {kind: spec.get(kind) or {} for kind in ("digests", "references")}
        sizes = {kind: len(entries[kind]) for kind in entries}
        listed = {image for part in entries.values() for image in part if image in images}
        return {"name": document["metadata"]["name"], **sizes}, listed

    lists: dict[str, tuple[_Json, set[str]]] = {}
    for binding in bindings:
        try:
            rows = client.items(f"/apis/{API_VERSION}/{DENY_PLURAL}", project, _selectors(binding), limit=10)
            for row, listed in rows:
                lists[row["name"]] = row, listed
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            unread.append(str(error))
            return None, set()
    return [lists[name][0] for name in sorted(lists)], {image for _row, listed in lists.values() for image in listed}


def _selectors(binding: _Json) -> dict[str, str]:
    """Parameters of a request for the lists that a binding reads."""
    reads = _at(binding, "paramRef") or {}
    params = {"fieldSelector": f"metadata.name={reads['name']}"} if reads.get("name") else {}
    requirements = _requirements(reads.get("selector"))
    return {**params, "labelSelector": _selected(requirements)} if requirements else params


def _names(policy: _Json) -> tuple[list[str], list[str] | None]:
    """Namespaces that a policy spares by name, and those that it is limited to; None where it is not."""
    exempt: set[str] = set()
    only: set[str] | None = None
    for requirement in filter(_is_of_names, _requirements(_at(policy, "matchConstraints", "namespaceSelector"))):
        values = set(requirement.values)
        if requirement.operator == "NotIn":
            exempt |= values
        else:
            only = values if only is None else only & values
    return sorted(exempt), None if only is None else sorted(only - exempt)


def _is_of_names(requirement: _Requirement) -> bool:
    return requirement.key == _NAME_LABEL and requirement.operator in ("In", "NotIn")


def _requirements(selector: _Json | None) -> list[_Requirement]:
    """All conditions of a label selector; none where it is null or empty, which selects everything."""
    chosen = selector or {}
    labels = [_Requirement(str(key), "In", (str(value),)) for key, value in (chosen.get("matchLabels") or {}).items()]
    return labels + [
        _Requirement(str(each.get("key")), str(each.get("operator")), tuple(map(str, each.get("values") or ())))
        for each in chosen.get("matchExpressions") or ()
    ]


def _selected(requirements: t.Iterable[_Requirement]) -> str:
    return ",".join(map(str, requirements))


def _at(value: _Json, *keys: str) -> t.Any:
    """A field of the spec of an object."""
    field: t.Any = value.get("spec")
    for key in keys:
        field = field.get(key) if isinstance(field, dict) else None
    return field
