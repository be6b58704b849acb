# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role ``enforce`` does with a cluster: where its policies count, what it removes, and what it tries first.

Objects are told apart as kind/name.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from .._flags.names import DENY_KIND, ENFORCE_LABEL, PASSED_KIND, PREFIX
from .passed_lists import passed_digits

LIST_KINDS = (DENY_KIND, PASSED_KIND)
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
_REGISTRATION, _RBAC = "admissionregistration.k8s.io/v1", "rbac.authorization.k8s.io/v1"
_VERSIONS = {
    POLICY: _REGISTRATION,
    BINDING: _REGISTRATION,
    "Namespace": "v1",
    "ClusterRole": _RBAC,
    "ClusterRoleBinding": _RBAC,
}
_MANAGED, _COLLECTION = "app.kubernetes.io/managed-by", "imagescan.openshift"
_STAGE = f"{PREFIX}/stage"
#: What the server does by the action, besides refusing.
_ACTIONS = {"deny": ["Deny", "Audit"], "warn": ["Warn", "Audit"], "audit": ["Audit"]}
_Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class RoleOptions:
    """Variables of the role: ``enforce_`` and these names."""

    prefix: str
    action: str
    providers: t.Sequence[str]
    passed_shards: int
    namespaces: t.Sequence[str]
    exempt_namespaces: t.Sequence[str]
    require_passed_namespaces: t.Sequence[str]
    scan_namespace: str

    @property
    def drill(self) -> str:
        """The namespace for drills with flagged images, and of what else is needed for drills."""
        return f"{self.prefix}-drill"

    @property
    def drills(self) -> list[str]:
        """All namespaces for drills."""
        return [self.drill, *([f"{self.drill}-passed"] if self.require_passed_namespaces else [])]

    @property
    def passed(self) -> dict[str, str]:
        """Lists of passed digests that are read -> the first digits of those that they speak for."""
        return passed_digits(self.providers, self.passed_shards) if self.require_passed_namespaces else {}

    @property
    def beginnings(self) -> list[str]:
        """Beginnings of the names of namespaces that a pattern exempts."""
        return sorted(name[:-1] for name in self.exempt_namespaces if name.endswith("*"))

    @property
    def policies(self) -> list[str]:
        """Names of the policies."""
        return [f"{self.prefix}-deny", *([f"{self.prefix}-passed"] if self.passed else [])]

    def unscanned_pods(self) -> list[_Json]:
        """Make a pod for each list of passed digests, with a digest that it speaks for and that is not on it."""
        metadata = {"name": "imagescan-drill", "namespace": f"{self.drill}-passed"}
        spec = {
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        images = [f"drill.imagescan.github.io/app@sha256:{digits[0]}{'0' * 63}" for digits in self.passed.values()]
        containers = [[{"name": "main", "image": image, "securityContext": security}] for image in images]
        head = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        return [{**head, "spec": {**spec, "containers": parts}} for parts in containers]

    @property
    def wanted(self) -> list[str]:
        """Return what is made, without what lies in a namespace."""
        bindings = [f"{self.prefix}-{name}" for name in ("deny", *self.passed)]
        return [
            *(f"Namespace/{name}" for name in self.drills),
            *(f"{POLICY}/{name}" for name in self.policies),
            *(f"{BINDING}/{name}" for name in bindings),
            *(f"{kind}/{self.drill}" for kind in ("ClusterRole", "ClusterRoleBinding")),
        ]


class SeenObject(t.NamedTuple):
    """An object of the cluster with the labels of the collection and of an installation, which may be empty."""

    kind: str
    name: str
    is_managed: bool
    installation: str
    is_proved: bool
    denies: bool

    @property
    def key(self) -> str:
        """Kind and name."""
        return f"{self.kind}/{self.name}"

    @property
    def document(self) -> _Json:
        """Enough of it to delete it."""
        return {"apiVersion": _VERSIONS[self.kind], "kind": self.kind, "metadata": {"name": self.name}}


def read(answers: t.Iterable[t.Mapping[str, t.Any]]) -> list[SeenObject]:
    """Read what the module ``cluster_objects_info`` returned as ``kinds``."""
    objects = []
    for answer in answers:
        for document in answer["objects"]:
            metadata, spec = document["metadata"], document.get("spec") or {}
            labels = metadata.get("labels") or {}
            objects.append(
                SeenObject(
                    answer["kind"],
                    metadata["name"],
                    is_managed=labels.get(_MANAGED) == _COLLECTION,
                    installation=labels.get(ENFORCE_LABEL, ""),
                    is_proved=labels.get(_STAGE) == "proved",
                    denies="Deny" in (spec.get("validationActions") or []),
                )
            )
    return objects


@dataclasses.dataclass(frozen=True)
class RolePlan:
    """``seen``: every object of the kinds that the role makes, and all namespaces."""

    options: RoleOptions
    seen: t.Sequence[SeenObject]

    @functools.cached_property
    def ours(self) -> list[SeenObject]:
        """Objects of this installation. A namespace is ours by its name, too: tenants give what labels they like to
        those that they may make."""
        names = (self.options.drill, f"{self.options.drill}-passed")
        return [
            item
            for item in self.seen
            if item.kind in _VERSIONS
            and item.is_managed
            and item.installation == self.options.prefix
            and (item.kind != "Namespace" or item.name in names)
        ]

    @property
    def lists(self) -> list[str]:
        """The installation of each list."""
        return [item.installation for item in self.seen if item.kind in LIST_KINDS]

    @property
    def installations(self) -> list[str]:
        """Prefixes of all installations that have a policy."""
        return sorted({item.installation for item in self.seen if item.kind == POLICY and item.installation})

    @property
    def needless(self) -> list[SeenObject]:
        """Return what a run with other variables made."""
        wanted = self.options.wanted
        return [item for item in self.ours if item.key not in wanted]

    @property
    def always_exempt(self) -> list[str]:
        """Namespaces that no option makes count. That of scans not by its name alone: a tenant could have taken it."""
        of_setup = [item.name for item in self._namespaces if item.is_managed and not item.installation]
        return ["kube-system", *(name for name in [self.options.scan_namespace] if name in of_setup)]

    @property
    def counting(self) -> list[str]:
        """Policies that were proved to work and count already. They are changed where they stand, so that at no time
        nothing counts; the others are tried where nothing runs."""
        proved = {item.name for item in self.ours if item.kind == POLICY and item.is_proved}
        deny, passed = f"{self.options.prefix}-deny", f"{self.options.prefix}-passed"
        bound = {item.key for item in self.ours}
        return [
            *([deny] if deny in proved and f"{BINDING}/{deny}" in bound else []),
            *([passed] if passed in proved and any(map(self._binds_passed, bound)) else []),
        ]

    @property
    def tried(self) -> list[str]:
        """Names of the policies that do not count yet."""
        return [name for name in self.options.policies if name not in self.counting]

    @property
    def needs_passed(self) -> bool:
        """Whether something begins to be refused because no passed scan of it is known; what denies does so already."""
        counts = f"{self.options.prefix}-passed" in self.counting
        denying = {item.key for item in self.ours if item.denies and counts}
        begins = any(self._binds_passed(key) and key not in denying for key in self.options.wanted)
        return self.options.action == "deny" and begins

    def refusals(self) -> list[str]:
        """Say what may not be: which namespaces are exempt depends on the cluster."""
        options, ours = self.options, {item.key for item in self.ours}
        names = [name for name in options.exempt_namespaces if not name.endswith("*")]
        taken = sorted({item.key for item in self.seen} & set(options.wanted) - ours)
        required = self._exempt(options.require_passed_namespaces, ["kube-system", options.scan_namespace, *names])
        drills = self._exempt(options.drills, names)
        only = self._exempt(options.namespaces, [*self.always_exempt, *names])
        texts = []
        if taken:
            texts.append(
                f"{', '.join(taken)} exists and does not belong to the installation with the prefix {options.prefix}; "
                "give another enforce_prefix"
            )
        if required:
            texts.append(
                f"enforce_require_passed_namespaces: {', '.join(required)} is exempt, too; nothing is required there"
            )
        if drills:
            texts.append(
                f"enforce_exempt_namespaces: {', '.join(drills)}, in which drills are made, is exempt, so that nothing "
                "could be proved; give others, or another enforce_prefix"
            )
        if only and set(only) == set(options.namespaces):
            texts.append(
                f"enforce_namespaces: {', '.join(only)} is exempt, and there is no other, so nothing would be refused "
                "anywhere"
            )
        return texts

    def terms(self, labels: t.Mapping[str, str], *, is_trial: bool) -> _Json:
        """What the policies are filled with. While they are tried they count in the namespaces for drills alone, and
        refuse, whatever they are to do later."""
        options = self.options
        action = "deny" if is_trial else options.action
        drill, passed_drill = options.drill, f"{options.drill}-passed"
        wide = {"matchExpressions": [*self._only, _by_name("NotIn", self._exempt_now)]}
        wide_passed = _selector({*options.require_passed_namespaces, passed_drill})
        drilled = self.tried if is_trial else options.policies
        return {
            "stage": "trial" if is_trial else "proved",
            "denies": action == "deny",
            "selector": _selector([drill]) if is_trial else wide,
            "passed_selector": _selector([passed_drill]) if is_trial else wide_passed,
            "failure_policy": "Fail" if action == "deny" else "Ignore",
            "actions": _ACTIONS[action],
            "passed_bindings": passed_bindings(options.prefix, options.passed, _ACTIONS[action], labels),
            "drills_deny": f"{options.prefix}-deny" in drilled,
            "drills_passed": action == "deny" and f"{options.prefix}-passed" in drilled,
        }

    @property
    def _namespaces(self) -> list[SeenObject]:
        return [item for item in self.seen if item.kind == "Namespace"]

    @property
    def _only(self) -> list[_Json]:
        spaces = self.options.namespaces
        return [_by_name("In", {*spaces, *self.options.drills})] if spaces else []

    @property
    def _exempt_now(self) -> set[str]:
        """Names of all namespaces that are exempt now."""
        names = {name for name in self.options.exempt_namespaces if not name.endswith("*")}
        there = (item.name for item in self._namespaces)
        return {*self.always_exempt, *names, *filter(self._is_in_pattern, there)}

    def _exempt(self, spaces: t.Iterable[str], names: t.Collection[str]) -> list[str]:
        return sorted({space for space in spaces if space in names or self._is_in_pattern(space)})

    def _is_in_pattern(self, namespace: str) -> bool:
        return namespace.startswith(tuple(self.options.beginnings))

    def _binds_passed(self, key: str) -> bool:
        return bool(re.match(f"{BINDING}/{re.escape(self.options.prefix)}-.*-passed-[0-9]+$", key))


def passed_bindings(
    prefix: str, names: t.Iterable[str], actions: t.Sequence[str], labels: t.Mapping[str, str]
) -> list[_Json]:
    """Make a binding for each list of passed digests, by name, so that a list that is missing refuses."""
    return [
        {
            "apiVersion": _REGISTRATION,
            "kind": BINDING,
            "metadata": {"name": f"{prefix}-{name}", "labels": labels},
            "spec": {
                "policyName": f"{prefix}-passed",
                "paramRef": {"name": name, "parameterNotFoundAction": "Deny"},
                "validationActions": actions,
            },
        }
        for name in names
    ]


def _by_name(operator: str, names: t.Iterable[str]) -> _Json:
    """Tell namespaces by the label that the server sets itself."""
    return {"key": "kubernetes.io/metadata.name", "operator": operator, "values": sorted(set(names))}


def _selector(names: t.Iterable[str]) -> _Json:
    return {"matchExpressions": [_by_name("In", names)]}
