# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing the lists that admission reads, while other runs write them, too.

Every patch names the version of the object that it was planned for. Where that is not the newest any more, or the
object is gone or full, the lists are read again and the rest is planned again.
"""

from __future__ import annotations

import dataclasses
import random
import re
import time
import typing as t
import urllib.parse

from .._flags.lists import Entry, ListPlan, ListShard, PassedShard, ShardPatch, plan, plan_passed
from .._flags.names import (
    API_VERSION,
    DENY,
    DENY_KIND,
    DENY_PLURAL,
    ENFORCE_LABEL,
    LIST_LABEL,
    NAMESPACES_ANNOTATION,
    PASSED,
    PASSED_PLURAL,
    PREFIX,
    PROVIDER_LABEL,
    REQUIRED,
    REQUIRED_LABEL,
)
from .._flags.namespace_scope import Reach, read_reach
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import INVALID, NOT_FOUND, ApiError

DENY_PATH = f"/apis/{API_VERSION}/{DENY_PLURAL}"
PASSED_PATH = f"/apis/{API_VERSION}/{PASSED_PLURAL}"
#: Objects of a page: each may have a megabyte.
_PAGE = 10
#: Seconds within which a run must have its turn among others that write the same lists.
_PATIENCE = 120.0
_ENFORCE_FIRST = "run the playbook imagescan.openshift.enforce first; it installs the kinds and the lists"


@dataclasses.dataclass(frozen=True)
class Lists:
    """All lists of a provider. ``labels`` are those that further shards get."""

    provider: str
    shards: tuple[ListShard, ...] = ()
    passed: tuple[PassedShard, ...] = ()
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def enforced_by(self) -> str:
        """The prefix of the installation of ``enforce`` whose policies read these lists; "" if none does."""
        return self.labels.get(ENFORCE_LABEL, "")

    @property
    def reach(self) -> Reach | None:
        """Where the policies act that read these lists; None where nobody wrote that down."""
        return next((read_reach(shard.namespaces) for shard in self.shards if shard.number == 0), None)

    @property
    def is_required(self) -> bool:
        """True if there are namespaces where nothing runs that is not on the passed lists."""
        return any(shard.required for shard in self.passed)

    @property
    def digests(self) -> dict[str, Entry]:
        """Every digest that is denied."""
        return {key: entry for shard in self.shards for key, entry in shard.digests.items()}

    @property
    def references(self) -> dict[str, Entry]:
        """Every reference that is denied."""
        return {key: entry for shard in self.shards for key, entry in shard.references.items()}

    @property
    def passed_digests(self) -> dict[str, str]:
        """Every digest that passed, and the end of that."""
        return {key: until for shard in self.passed for key, until in shard.digests.items()}


@dataclasses.dataclass(frozen=True)
class Written:
    """What was sent. ``lists`` is what stands there now, as far as we know."""

    lists: Lists
    patches: int = 0
    entries: int = 0


def read_lists(client: KubernetesClient, provider: str) -> Lists:
    """All lists of a provider. Raises ApiError, with what to do where the kinds are not installed."""
    denied: list[tuple[ListShard | None, dict[str, str]]]
    denied = _listed(client, DENY_PATH, DENY, lambda document: _deny_shard(document, provider))
    passed = _listed(client, PASSED_PATH, PASSED, lambda document: _passed_shard(document, provider))
    return Lists(
        provider,
        tuple(sorted((shard for shard, _labels in denied if shard is not None), key=_deny_order)),
        tuple(sorted((shard for shard in passed if shard is not None), key=_passed_order)),
        _labels_for(provider, denied),
    )


def set_entries(
    client: KubernetesClient,
    lists: Lists,
    wanted_digests: t.Mapping[str, Entry],
    wanted_references: t.Mapping[str, Entry],
    *,
    keep: t.Container[str] = frozenset(),
) -> Written:
    """Deny what is wanted and not denied yet; takes nothing away. Run it before the annotations are written.

    ``lists`` is what ``read_lists`` gave. Sends nothing when all is there. Raises ApiError; what was written until then
    stays, and the next run goes on from there.
    """
    return _ListWriter(client, lists).run(
        lambda writer: writer.plan(wanted_digests, wanted_references, keep), sets=True
    )


def clear_entries(
    client: KubernetesClient,
    lists: Lists,
    wanted_digests: t.Mapping[str, Entry],
    wanted_references: t.Mapping[str, Entry],
    *,
    keep: t.Container[str] = frozenset(),
) -> Written:
    """Take away what is denied and not wanted, in every shard, and shards that are empty then, but the first.

    Run it after the annotations are written, with the arguments of ``set_entries``. The lists are read again first,
    since another run may have written meanwhile; what is wanted and was lost meanwhile is set again.
    """
    fresh = read_lists(client, lists.provider)
    return _ListWriter(client, fresh).run(
        lambda writer: writer.plan(wanted_digests, wanted_references, keep), sets=False
    )


def pass_entries(
    client: KubernetesClient, lists: Lists, wanted: t.Mapping[str, str], *, keep: t.Container[str] = frozenset()
) -> Written:
    """Make the PassedLists hold the digests of ``wanted`` with their ends, and what of ``keep`` they hold already.

    What goes is taken away first.
    """
    return _ListWriter(client, lists).run(
        lambda writer: plan_passed(writer.lists.passed, wanted, keep=keep), sets=False, passed=True
    )


class _ListWriter:
    """One phase of writing, begun again as often as others get in its way."""

    def __init__(self, client: KubernetesClient, lists: Lists) -> None:
        self.lists = lists
        self._client = client
        self._full: set[str] = set()
        self._taken: set[str] = set()
        self._patches = self._entries = 0

    def plan(
        self, digests: t.Mapping[str, Entry], references: t.Mapping[str, Entry], keep: t.Container[str]
    ) -> ListPlan:
        """Plan what is still to be written to the deny lists."""
        lists = self.lists
        return plan(
            lists.shards,
            digests,
            references,
            provider=lists.provider,
            keep=keep,
            full=self._full,
            taken=self._taken,
        )

    def run(self, planned: t.Callable[[_ListWriter], ListPlan], *, sets: bool, passed: bool = False) -> Written:
        """Carry out plans until nothing is left of this phase."""
        end = time.monotonic() + _PATIENCE
        delay = 0.05
        while True:
            todo = planned(self)
            if not todo.sets and (sets or not (todo.clears or todo.deletes)):
                return self._written
            try:
                if passed:
                    self._apply(PASSED_PATH, (*todo.clears, *todo.sets))
                else:
                    self._set(todo)
                    if not sets:
                        self._apply(DENY_PATH, todo.clears)
                        self._delete(todo.deletes)
            except _Again as again:
                if time.monotonic() + delay > end:
                    again.error.partial = self._written
                    raise again.error from again
                time.sleep(delay * random.uniform(0.5, 1.5))
                delay = min(2.0, delay * 1.5)
                self.lists = read_lists(self._client, self.lists.provider)
            except ApiError as error:
                error.partial = self._written
                raise

    @property
    def _written(self) -> Written:
        return Written(self.lists, self._patches, self._entries)

    def _set(self, todo: ListPlan) -> None:
        for name in todo.creates:
            self._create(name)
        self._apply(DENY_PATH, todo.sets)

    def _create(self, name: str) -> None:
        labels = dict(self.lists.labels)
        if not labels:
            raise ApiError(
                f"there is no DenyList {self.lists.provider}-0, and no other that names the policy that reads it",
                code=NOT_FOUND,
                hint=_ENFORCE_FIRST,
            )
        body = {
            "apiVersion": API_VERSION,
            "kind": DENY_KIND,
            "metadata": {"name": name, "labels": labels},
            "spec": {},
        }
        try:
            made = self._client.create(DENY_PATH, body)
        except ApiError as error:
            if error.status != 409:
                raise self._explained(error, name)
            # Another run was faster, or the name is that of an object which is not a list of ours.
            shards = read_lists(self._client, self.lists.provider).shards
            if name not in {shard.name for shard in shards}:
                self._taken.add(name)
            raise _Again(error)
        self._remember(DENY_PATH, made)

    def _apply(self, path: str, patches: t.Iterable[ShardPatch]) -> None:
        for patch in patches:
            name = patch.shard
            body = {"metadata": {"resourceVersion": self._known(path)[name].resource_version}, **patch.body()}
            try:
                answer = self._client.merge_patch(_path(path, name), body)
            except ApiError as error:
                if error.status in (404, 409):
                    raise _Again(error)
                if error.status == 413 and path == DENY_PATH and name not in self._full and self._holds(name):
                    self._full.add(name)
                    raise _Again(error)
                raise self._explained(error, name)
            self._remember(path, answer)
            self._patches += 1
            self._entries += len(patch.digests) + len(patch.references)

    def _known(self, path: str) -> dict[str, ListShard | PassedShard]:
        """The objects as they were seen last."""
        return {shard.name: shard for shard in (self.lists.passed if path == PASSED_PATH else self.lists.shards)}

    def _holds(self, name: str) -> bool:
        return any(shard.name == name and (shard.digests or shard.references) for shard in self.lists.shards)

    def _remember(self, path: str, document: dict[str, t.Any]) -> None:
        """Take what the server answered for what stands there now."""
        provider = self.lists.provider
        name = (document.get("metadata") or {}).get("name")
        if path == PASSED_PATH:
            ours = [shard for shard in self.lists.passed if shard.name != name]
            changed = _passed_shard(document, provider)
            ours += [changed] if changed else []
            self.lists = dataclasses.replace(self.lists, passed=tuple(sorted(ours, key=_passed_order)))
            return
        shards = [shard for shard in self.lists.shards if shard.name != name]
        shard, _labels = _deny_shard(document, provider)
        shards += [shard] if shard else []
        self.lists = dataclasses.replace(self.lists, shards=tuple(sorted(shards, key=_deny_order)))

    def _delete(self, names: t.Iterable[str]) -> None:
        for name in names:
            shard = next(each for each in self.lists.shards if each.name == name)
            # Whoever wrote to it meanwhile keeps it.
            options = {"preconditions": {"resourceVersion": shard.resource_version, "uid": shard.uid}}
            try:
                self._client.delete(_path(DENY_PATH, name), options)
            except ApiError as error:
                if error.status == 409:
                    raise _Again(error)
                raise
            remaining = tuple(each for each in self.lists.shards if each.name != name)
            self.lists = dataclasses.replace(self.lists, shards=remaining)

    def _explained(self, error: ApiError, name: str) -> ApiError:
        if error.status == 413:
            error.hint = (
                f"{name} or one request with its entries is larger than the cluster takes; a proxy before the API "
                "server must let 1 MB pass"
            )
        elif error.status in (400, 422):
            error.hint = (
                "the installed kinds are of another version than this collection, or were changed; run the playbook "
                "imagescan.openshift.enforce again"
            )
        elif error.status == 404:
            error.hint = _ENFORCE_FIRST
        return error


class _Again(Exception):
    """Somebody else changed what the plan was made for."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(str(error))
        self.error = error


_T = t.TypeVar("_T")


def _listed(client: KubernetesClient, path: str, kind: str, project: t.Callable[[dict[str, t.Any]], _T]) -> list[_T]:
    try:
        return client.items(path, project, {"labelSelector": f"{LIST_LABEL}={kind}"}, limit=_PAGE)
    except ApiError as error:
        if error.status == 404:
            error.message = f"the cluster has no {path.rpartition('/')[2]}.{PREFIX}: {error.message}"
            error.hint = _ENFORCE_FIRST
        raise


def _deny_shard(document: dict[str, t.Any], provider: str) -> tuple[ListShard | None, dict[str, str]]:
    """The shard, None for one of another provider; and the labels of the object."""
    name, labels, version, uid = _identity(document)
    if labels.get(PROVIDER_LABEL) != provider:
        return None, labels
    grace = _texts(document, name, "grace")
    digests, references = (
        {key: Entry(text, grace.get(key, "")) for key, text in _texts(document, name, part).items()}
        for part in ("digests", "references")
    )
    number = re.fullmatch(rf"{re.escape(provider)}-(0|[1-9]\d{{0,5}})", name)
    noted = document["metadata"].get("annotations")
    namespaces = noted.get(NAMESPACES_ANNOTATION) if isinstance(noted, dict) else None
    reach = namespaces if isinstance(namespaces, str) else ""
    return ListShard(name, int(number[1]) if number else -1, digests, references, version, uid, reach), labels


def _passed_shard(document: dict[str, t.Any], provider: str) -> PassedShard | None:
    name, labels, version, _uid = _identity(document)
    if labels.get(PROVIDER_LABEL) != provider:
        return None
    prefixes = document["spec"].get("prefixes") if isinstance(document.get("spec"), dict) else None
    if not isinstance(prefixes, list) or not all(isinstance(each, str) and each for each in prefixes):
        raise _damaged(name, "spec.prefixes is not a list of hexadecimal digits")
    required = labels.get(REQUIRED_LABEL) == REQUIRED
    return PassedShard(name, tuple(prefixes), _texts(document, name, "digests"), version, required)


def _identity(document: t.Mapping[str, t.Any]) -> tuple[str, dict[str, str], str, str]:
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    labels = metadata.get("labels")
    labels = labels if isinstance(labels, dict) else {}
    name, version, uid = (str(metadata.get(key) or "") for key in ("name", "resourceVersion", "uid"))
    if not name or not version:
        raise _damaged(name, "it has no name or no version")
    return name, {str(key): str(value) for key, value in labels.items()}, version, uid


def _texts(document: t.Mapping[str, t.Any], name: str, part: str) -> dict[str, str]:
    spec = document.get("spec")
    entries = spec.get(part) if isinstance(spec, dict) else None
    if entries is None:
        return {}
    if not isinstance(entries, dict) or not all(isinstance(text, str) for text in entries.values()):
        raise _damaged(name, f"spec.{part} does not map text to text")
    return entries


def _damaged(name: str, fault: str) -> ApiError:
    return ApiError(
        f"the list {name!a} is damaged: {fault}",
        code=INVALID,
        hint="the installed kinds are not ours; run the playbook imagescan.openshift.enforce again",
        subject=name,
    )


def _labels_for(provider: str, denied: t.Sequence[tuple[ListShard | None, dict[str, str]]]) -> dict[str, str]:
    """The labels of further shards: those of the first one, else those by which another list is read by a policy."""
    ours = [(shard, labels) for shard, labels in denied if shard is not None]
    if ours:
        return min(ours, key=lambda pair: _deny_order(pair[0]))[1]
    owners = {labels[ENFORCE_LABEL] for _shard, labels in denied if labels.get(ENFORCE_LABEL)}
    if len(owners) != 1:
        return {}
    return {LIST_LABEL: DENY, PROVIDER_LABEL: provider, ENFORCE_LABEL: owners.pop()}


def _deny_order(shard: ListShard) -> tuple[int, str]:
    return shard.number, shard.name


def _passed_order(shard: PassedShard) -> str:
    return shard.name


def _path(path: str, name: str) -> str:
    return f"{path}/{urllib.parse.quote(name, safe='')}"
