# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights that an account lacks, found with few requests."""

from __future__ import annotations

import typing as t

from .client import KubernetesClient
from .errors import ApiError
from .service_accounts import AccessRequest, may

#: No namespace can have this name, so what holds in it holds in all of them.
_NOWHERE = "-"
_Json = t.Mapping[str, t.Any]


def requests_of(rights: t.Mapping[tuple[str, str], str], namespace: str = "") -> list[AccessRequest]:
    """List what a table of rights, (group, resource) -> verbs, asks for; "" for all namespaces."""
    return [
        AccessRequest(verb, resource.partition("/")[0], group, resource.partition("/")[2], namespace)
        for (group, resource), verbs in rights.items()
        for verb in verbs.split()
    ]


def missing_rights(client: KubernetesClient, wishes: t.Iterable[AccessRequest]) -> list[AccessRequest]:
    """Return those of the wishes that the server would refuse; none where the account may not ask for its rights.

    The server lists the rights of an account in one answer for each namespace. The list need not have all of them, so
    the server is asked about each wish that it does not allow.
    """
    pending = list(dict.fromkeys(wishes))
    try:
        for namespace in (_NOWHERE, *dict.fromkeys(wish.namespace for wish in pending if wish.namespace)):
            if not pending or (namespace != _NOWHERE and all(wish.namespace != namespace for wish in pending)):
                continue
            rules = _rules_in(client, namespace)
            pending = [
                wish
                for wish in pending
                if namespace not in (_NOWHERE, wish.namespace) or not any(_allows(rule, wish) for rule in rules)
            ]
        return [wish for wish in pending if not may(client, wish)]
    except ApiError as error:
        # The steps themselves will tell. Whoever sends no credentials, or may not impersonate, is told here.
        if "cannot create resource" not in error.api_message or "system:anonymous" in error.api_message:
            raise
        return []


def _rules_in(client: KubernetesClient, namespace: str) -> list[_Json]:
    answer = client.create(
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        },
    )
    status = answer.get("status")
    rules = status.get("resourceRules") if isinstance(status, dict) else None
    return [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []


def _allows(rule: _Json, wish: AccessRequest) -> bool:
    """Return whether a rule allows a wish, for all objects. Where it may or may not, the server is asked."""
    resource = "/".join(filter(None, (wish.resource, wish.subresource)))
    return not rule.get("resourceNames") and all(
        {value, "*"}.intersection(rule.get(name) or ())
        for name, value in (("verbs", wish.verb), ("apiGroups", wish.group), ("resources", resource))
    )
