# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that knows one account and its rights, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import typing as t
import urllib.parse

from .servers import Answer, Request

USER = "system:serviceaccount:imagescan:tester"
TOKEN = "token-of-the-tester"
_REVIEWS = "/apis/authorization.k8s.io/v1/"
Rights = t.Mapping[tuple[str, str], str]


@dataclasses.dataclass
class RightsServer:
    """Answers who one is and what one may do; 404 to all else.

    ``everywhere``: (group, resource) -> verbs. ``inside``: the same by namespace. ``hidden``: rights that the list of
    rules lacks, as those of a webhook. ``groups``: API groups of the cluster. ``may_ask``: whether the account may ask
    for its rights.
    """

    everywhere: Rights = dataclasses.field(default_factory=dict)
    inside: t.Mapping[str, Rights] = dataclasses.field(default_factory=dict)
    hidden: Rights = dataclasses.field(default_factory=dict)
    groups: t.Sequence[str] = ("apps", "batch")
    may_ask: bool = True

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        path = urllib.parse.urlsplit(request.target).path
        authorization = request.headers.get("authorization")
        if authorization is not None and authorization != f"Bearer {TOKEN}":
            return _said(401, {"kind": "Status", "message": "Unauthorized", "reason": "Unauthorized"})
        if path == "/apis":
            return _said(200, {"groups": [{"name": name} for name in self.groups]})
        if not path.startswith(_REVIEWS) and path != "/apis/authentication.k8s.io/v1/selfsubjectreviews":
            return _said(404, {"kind": "Status", "message": "the server could not find the requested resource"})
        kind = path.rpartition("/")[2]
        if authorization is None or not self.may_ask:
            user = USER if authorization else "system:anonymous"
            message = f'{kind} is forbidden: User "{user}" cannot create resource "{kind}" at the cluster scope'
            return _said(403, {"kind": "Status", "message": message, "reason": "Forbidden"})
        spec = json.loads(request.body).get("spec") or {}
        return _said(201, {"status": self._status(kind, spec)})

    def _status(self, kind: str, spec: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
        if kind == "selfsubjectreviews":
            return {"userInfo": {"username": USER}}
        if kind == "selfsubjectrulesreviews":
            rules = [*_rules(self.everywhere), *_rules(self.inside.get(spec["namespace"], {}))]
            return {"resourceRules": rules, "nonResourceRules": [], "incomplete": bool(self.hidden)}
        wish = spec["resourceAttributes"]
        resource = "/".join(filter(None, (wish["resource"], wish.get("subresource"))))
        tables = (self.everywhere, self.hidden, self.inside.get(wish.get("namespace", ""), {}))
        return {
            "allowed": any(wish["verb"] in table.get((wish.get("group", ""), resource), "").split() for table in tables)
        }


def without(rights: Rights, *left_out: tuple[str, str, str]) -> Rights:
    """Rights without some: verb, group, resource."""
    taken = {(group, resource): verb for verb, group, resource in left_out}
    return {key: " ".join(verb for verb in verbs.split() if taken.get(key) != verb) for key, verbs in rights.items()}


def _rules(rights: Rights) -> list[dict[str, t.Any]]:
    return [
        {"verbs": verbs.split(), "apiGroups": [group], "resources": [resource]}
        for (group, resource), verbs in rights.items()
    ]


def _said(status: int, value: t.Mapping[str, t.Any]) -> Answer:
    return Answer(status, json.dumps(value).encode())
