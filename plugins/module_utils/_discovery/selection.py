# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects of a cluster a search looks at: by namespace and label; and how foreign fields are read."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t
import urllib.parse

from .._core.errors import InputError, ScanError
from .._core.text import printable, quoted
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import OF_THE_CLUSTER, ApiError
from .model import Excluded, Unidentified

_T = t.TypeVar("_T")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SAMPLE = 5
#: Groups that tell an OpenShift cluster, where nobody but the platform gets a namespace called openshift-...
_OPENSHIFT_GROUPS = ("config.openshift.io", "project.openshift.io", "image.openshift.io")


@dataclasses.dataclass(frozen=True)
class DiscoverySelection:
    """Which objects are looked at.

    ``namespaces`` and ``exclude``: regular expressions that must match the whole name; no ``namespaces`` means all.
    ``system``: the platform's own namespaces, too. ``label_selector``: for the server, in its own words.
    """

    namespaces: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()
    system: bool = False
    label_selector: str = ""

    @property
    def plain(self) -> tuple[str, ...]:
        """The namespaces, where each is a plain name: then only those are asked for, and rights in them are enough."""
        names = [each.pattern for each in self.namespaces if _NAMESPACE.fullmatch(each.pattern)]
        return tuple(dict.fromkeys(names)) if len(names) == len(self.namespaces) else ()

    @property
    def is_narrow(self) -> bool:
        """True if some objects are not seen at all, so that what nothing names may be named elsewhere."""
        return bool(self.namespaces or self.label_selector)

    def refusal(self, namespace: str, openshift: bool) -> str:
        """Why the objects of a namespace are left out; empty where they are not."""
        if any(each.fullmatch(namespace) for each in self.exclude):
            return "exclude_namespaces names it"
        if self.namespaces and not any(each.fullmatch(namespace) for each in self.namespaces):
            return "no pattern of namespaces matches"
        # Who writes out the name of such a namespace means it.
        meant = self.system or any(each.pattern == namespace for each in self.namespaces)
        if not meant and is_system(namespace, openshift):
            return "it is the platform's own namespace (system_namespaces)"
        return ""

    def list(
        self, client: KubernetesClient, prefix: str, resource: str, project: t.Callable[[dict[str, t.Any]], _T | None]
    ) -> list[_T]:
        """The objects of one kind, as ``project`` makes them; those of other namespaces may be among them."""
        params = {"labelSelector": self.label_selector} if self.label_selector else {}
        if not self.plain:
            return client.items(f"{prefix}/{resource}", project, params)
        found: list[_T] = []
        for namespace in self.plain:
            found += client.items(f"{prefix}/namespaces/{namespace}/{resource}", project, params)
        return found


def is_system(namespace: str, openshift: bool) -> bool:
    """Return whether a namespace is the platform's: kube-..., and openshift-... on OpenShift, which keeps that name."""
    if namespace.startswith("kube-"):
        return True
    return openshift and (namespace == "openshift" or namespace.startswith("openshift-"))


def is_openshift(client: KubernetesClient) -> bool:
    """Return whether the cluster is an OpenShift."""
    return any(client.has_group(group) for group in _OPENSHIFT_GROUPS)


def check_namespaces(client: KubernetesClient, selection: DiscoverySelection) -> list[str]:
    """Raise InputError where a pattern of ``namespaces`` has no namespace: a typing error would look like no images.

    Gives the namespaces of which nobody may be asked whether they exist.
    """
    if not selection.namespaces:
        return []
    try:
        there = client.items("/api/v1/namespaces", lambda each: text(obj(each, "metadata"), "name"))
    except ApiError as error:
        if error.status != 403:
            raise
        if not selection.plain:
            raise InputError(
                "namespaces has patterns, but the account may not list namespaces",
                hint="write out their names, or grant ClusterRole imagescan-discovery; the role"
                " imagescan.openshift.setup makes it",
            )
        return [name for name in selection.plain if not _may_see(client, name)]
    for each in selection.namespaces:
        if not any(each.fullmatch(name) for name in there):
            raise InputError(
                f"namespaces: no namespace of {client.server} matches {quoted(each.pattern, 100)}",
                hint="check its name, and that this is the right cluster",
            )
    return []


def identity(client: KubernetesClient) -> str:
    """Identify a cluster, whatever its address is: the UID of ``kube-system``, else the address."""

    def uid_of(item: dict[str, t.Any]) -> str:
        return text(obj(item, "metadata"), "uid", 64) if full_name(item)[1] == "kube-system" else ""

    try:
        uids = client.items("/api/v1/namespaces", uid_of, {"fieldSelector": "metadata.name=kube-system"})
    except ApiError as error:
        if error.code in OF_THE_CLUSTER:
            raise
        uids = []
    return next(filter(None, uids), client.server)


def _may_see(client: KubernetesClient, namespace: str) -> bool:
    try:
        client.get(f"/api/v1/namespaces/{urllib.parse.quote(namespace, safe='')}")
    except ApiError as error:
        if error.status == 404:
            raise InputError(
                f"namespaces: {client.server} has no namespace {quoted(namespace)}",
                hint="check its name, and that this is the right cluster",
            )
        if error.status != 403:
            raise
        return False
    return True


def unseen(namespace: str, source: str) -> Unidentified:
    """A namespace in which nothing was found, and of which nobody may ask whether it exists."""
    error = ScanError(
        "nothing was found in it, and the account may not ask whether it exists",
        code="namespace-unknown",
        hint="check the name, or grant the account to get this namespace",
    )
    return Unidentified(f"namespace {namespace}", source, error.code, str(error))


class LeftOut:
    """Counts what is left out by namespace: one line each, however many objects there are."""

    def __init__(self) -> None:
        self._counts: collections.Counter[tuple[str, str]] = collections.Counter()

    def add(self, name: str, reason: str, count: int = 1) -> None:
        """Count things."""
        self._counts[name, reason] += count

    def lines(self) -> list[Excluded]:
        """The lines, in stable order."""
        return [Excluded(name, reason, count) for (name, reason), count in sorted(self._counts.items())]


def obj(holder: t.Any, *names: str) -> dict[str, t.Any]:
    """The object at a path of fields; an empty one where something else is there."""
    for name in names:
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder if isinstance(holder, dict) else {}


def array(holder: dict[str, t.Any], name: str, limit: int = 100_000) -> list[t.Any]:
    """A list, cut at ``limit``; an empty one where something else is there."""
    value = holder.get(name)
    return value[:limit] if isinstance(value, list) else []


def text(holder: dict[str, t.Any], name: str, limit: int = 1024) -> str:
    """Text that can be printed and stored, cut at ``limit`` characters; empty where something else is there."""
    value = holder.get(name)
    if not isinstance(value, str):
        return ""
    # Half a surrogate pair passes through an API server that keeps unknown fields as they came.
    return value[:limit] if value.isascii() else value[:limit].encode("utf-8", "replace").decode("utf-8")


def full_name(item: dict[str, t.Any]) -> tuple[str, str]:
    """Namespace and name of an object."""
    metadata = obj(item, "metadata")
    return text(metadata, "namespace", 253), text(metadata, "name", 253)


def on_one_line(message: str, limit: int = 300) -> str:
    """Foreign text for a sentence: on one line, without control characters."""
    return printable(" ".join(message[: 2 * limit].split()), limit)
