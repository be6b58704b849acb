# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists that must stand before a policy reads any: one for drills, and of each provider the first deny list and the
lists of passed digests. Entries are written by ``lists``; here they are never touched.

kubernetes.core takes every kind whose name ends with List for a list of objects, and can neither make nor delete ours.
"""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

from .._core.errors import InputError, ScanError
from .._flags.names import (
    API_VERSION,
    DENY,
    DENY_KIND,
    ENFORCE_LABEL,
    LIST_LABEL,
    NAMESPACES_ANNOTATION,
    PASSED,
    PASSED_KIND,
    PROVIDER_LABEL,
    REQUIRED,
    REQUIRED_LABEL,
    check_provider,
)
from .._flags.namespace_scope import Reach
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import ApiError
from .drill_cases import DIGEST, REFERENCES
from .lists import DENY_PATH, PASSED_PATH
from .passed_lists import passed_digits

SHARDS = (1, 2, 4, 8, 16)
DRILL_TEXT = "policy drill: no image has this digest or name, it stands here for drills (docs/enforcement.md)"
_PATHS = {DENY_KIND: DENY_PATH, PASSED_KIND: PASSED_PATH}
_MANAGED = {"app.kubernetes.io/managed-by": "imagescan.openshift"}
_PAGE = 10
_Json = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Installation:
    """``prefix``: which policies read the lists. ``shards``: over how many lists the passed digests of each of
    ``providers`` are spread. ``reach``: where they act, which is written down for ``image_flag``."""

    prefix: str
    providers: tuple[str, ...]
    shards: int
    reach: Reach = dataclasses.field(default_factory=Reach)

    def check(self) -> None:
        """Raises InputError."""
        for provider in self.providers:
            check_provider(provider)
        if self.shards not in SHARDS:
            raise InputError(f"shards is {self.shards}", hint=f"give one of {', '.join(map(str, SHARDS))}")

    @property
    def digits(self) -> dict[str, str]:
        """Name of each list of passed digests -> the first digits of those that it speaks for."""
        return passed_digits(self.providers, self.shards)

    @property
    def documents(self) -> list[_Json]:
        """The lists as they begin."""
        drill = {"digests": {DIGEST: DRILL_TEXT}, "references": dict.fromkeys(REFERENCES, DRILL_TEXT)}
        made = [self._document(DENY_KIND, DENY, f"{self.prefix}-drill", "drill", drill)]
        for name in self.providers:
            first = self._document(DENY_KIND, DENY, f"{name}-0", name, {})
            first["metadata"]["annotations"] = {NAMESPACES_ANNOTATION: self.reach.text()}
            made.append(first)
        made += [
            self._document(PASSED_KIND, PASSED, name, name.rpartition("-passed-")[0], {"prefixes": list(digits)})
            for name, digits in self.digits.items()
        ]
        return made

    def _document(self, kind: str, sort: str, name: str, provider: str, spec: _Json) -> _Json:
        labels = {**_MANAGED, ENFORCE_LABEL: self.prefix, LIST_LABEL: sort, PROVIDER_LABEL: provider}
        if kind == PASSED_KIND and self.reach.required:
            labels[REQUIRED_LABEL] = REQUIRED
        head = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "labels": labels}}
        return {**head, "spec": spec}


@dataclasses.dataclass(frozen=True)
class ExistingList:
    """A list that is there.

    ``spec``: without the entries, but for that of the drill. ``filled``: it has some, and of passed digests one whose
    scan is not too old. ``annotations``: ours.
    """

    kind: str
    name: str
    labels: t.Mapping[str, str]
    spec: _Json
    filled: bool
    annotations: t.Mapping[str, str]

    @property
    def key(self) -> str:
        """Kind and name."""
        return f"{self.kind}/{self.name}"


@dataclasses.dataclass(frozen=True)
class ListStep:
    """Change of one list: ``make``, ``change``, ``renew`` (it speaks for other digests now) or ``remove``."""

    what: str
    kind: str
    name: str
    document: _Json = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        """Kind and name."""
        return f"{self.kind}/{self.name}"


def read(client: KubernetesClient, prefix: str, *, now: str) -> list[ExistingList]:
    """All lists of all installations. None where the kinds are not there. ``now`` as in lists. Raises ApiError."""

    def projected(kind: str) -> t.Callable[[_Json], ExistingList]:
        def project(document: _Json) -> ExistingList:
            metadata, spec = document["metadata"], document.get("spec") or {}
            entries = ("digests", "references", "grace")
            is_drill = metadata["name"] == f"{prefix}-drill"
            settings = {key: value for key, value in spec.items() if is_drill or key not in entries}
            filled = any(spec.get(key) for key in entries)
            if kind == PASSED_KIND:
                filled = any(not until or until > now for until in (spec.get("digests") or {}).values())
            noted = {k: v for k, v in (metadata.get("annotations") or {}).items() if k == NAMESPACES_ANNOTATION}
            return ExistingList(kind, metadata["name"], metadata.get("labels") or {}, settings, filled, noted)

        return project

    existing: list[ExistingList] = []
    for kind, path in _PATHS.items():
        try:
            existing += client.items(path, projected(kind), limit=_PAGE)
        except ApiError as error:
            if error.status != 404:
                raise
    return existing


def plan(installation: Installation, existing: t.Sequence[ExistingList], *, needs_passed: bool) -> list[ListStep]:
    """Plan the lists to make and to change.

    While namespaces require a passed scan, no list may be made anew. ``needs_passed``: what has none begins to be
    refused there, so each provider must have passed digests. Raises ScanError for both, and for lists of somebody else.
    """
    by_key = {item.key: item for item in existing}
    steps = []
    for document in installation.documents:
        step = _step(installation, document, by_key.get(f"{document['kind']}/{document['metadata']['name']}"))
        if step is not None:
            steps.append(step)
    renewed = {step.key for step in steps if step.what == "renew"}
    if installation.reach.required and renewed:
        raise ScanError(
            "the number of lists of passed digests cannot change while namespaces require a passed scan",
            code="lists-in-use",
            hint="run once with an empty enforce_require_passed_namespaces, let image_flag run, and name them again",
        )
    if needs_passed:
        _check_passed(installation, existing, renewed)
    return steps


def _check_passed(installation: Installation, existing: t.Iterable[ExistingList], renewed: t.Container[str]) -> None:
    """Raise ScanError for a provider without passed digests on lists that are not made anew."""
    passed = (item for item in existing if item.kind == PASSED_KIND and item.filled and item.key not in renewed)
    filled = {item.labels.get(PROVIDER_LABEL) for item in passed}
    lacking = [name for name in installation.providers if name not in filled]
    if lacking:
        raise ScanError(
            f"no digest is known that passed a scan of {', '.join(lacking)}, so everything would be refused in the "
            "namespaces that require one",
            code="nothing-passed",
            hint="run with an empty enforce_require_passed_namespaces, let image_flag run, and name them then",
        )


def _step(installation: Installation, document: _Json, item: ExistingList | None) -> ListStep | None:
    """Plan the change of one list. ``item``: the one that is there. Raises ScanError for one of somebody else."""
    kind, name, prefix = document["kind"], document["metadata"]["name"], installation.prefix
    if item is None:
        return ListStep("make", kind, name, document)
    if item.labels.get(ENFORCE_LABEL, prefix) != prefix:
        raise ScanError(
            f"the {kind} {name} belongs to the installation {item.labels[ENFORCE_LABEL]}",
            code="list-taken",
            hint="give other providers, or the prefix of that installation",
        )
    if kind == PASSED_KIND and item.spec != document["spec"]:
        return ListStep("renew", kind, name, document)
    if _differs(document, item) or (name == f"{prefix}-drill" and item.spec != document["spec"]):
        return ListStep("change", kind, name, document)
    return None


def plan_tidying(installation: Installation, existing: t.Sequence[ExistingList]) -> list[ListStep]:
    """Plan to remove lists of passed digests that are of no use any more. Deny lists stay: they still deny."""
    return [
        step
        for step in plan_removal(installation.prefix, existing)
        if step.kind == PASSED_KIND and step.name not in installation.digits
    ]


def plan_removal(prefix: str, existing: t.Sequence[ExistingList]) -> list[ListStep]:
    """Plan to remove all lists of an installation."""
    return [ListStep("remove", item.kind, item.name) for item in existing if item.labels.get(ENFORCE_LABEL) == prefix]


def carry_out(client: KubernetesClient, steps: t.Sequence[ListStep], existing: t.Sequence[ExistingList]) -> None:
    """Do what was planned. Raises ApiError."""
    by_key = {item.key: item for item in existing}
    for step in steps:
        path = f"{_PATHS[step.kind]}/{urllib.parse.quote(step.name, safe='')}"
        if step.what in ("remove", "renew"):
            client.delete(path)
        if step.what in ("make", "renew"):
            client.create(_PATHS[step.kind], step.document)
        elif step.what == "change":
            client.merge_patch(path, change(step.document, by_key[step.key]))


def _differs(document: _Json, item: ExistingList) -> bool:
    """Return whether a list lacks something of ours, or has the label of required ones without being item."""
    labels = document["metadata"]["labels"]
    return (
        not labels.items() <= item.labels.items()
        or item.labels.get(REQUIRED_LABEL) != labels.get(REQUIRED_LABEL)
        or document["metadata"].get("annotations", {}) != item.annotations
    )


def change(document: _Json, item: ExistingList) -> _Json:
    """A merge patch that gives labels and annotations, and for the drill's list exactly its entries."""
    spec, head = item.spec, document["metadata"]
    gone = {key: None for key in item.labels if key == REQUIRED_LABEL}
    patch: _Json = {"metadata": {"labels": {**gone, **head["labels"]}}}
    if head.get("annotations"):
        patch["metadata"]["annotations"] = head["annotations"]
    if document["metadata"]["labels"][PROVIDER_LABEL] == "drill":
        patch["spec"] = {
            part: {**dict.fromkeys(spec.get(part) or {}), **document["spec"].get(part, {})}
            for part in ("digests", "references", "grace")
        }
    return patch
