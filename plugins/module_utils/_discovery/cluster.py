# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is searched or watched, and which of its objects are looked at."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
import urllib.parse

from .._core.errors import InputError, ScanError
from .._core.text import quoted
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import OF_THE_CLUSTER, ApiError
from .images import ImageStream
from .model import Unidentified
from .selection import DiscoverySelection, full_name, obj, text

_T = t.TypeVar("_T")
#: Groups that tell an OpenShift cluster, where nobody but the platform gets a namespace called openshift-...
_OPENSHIFT_GROUPS = ("config.openshift.io", "project.openshift.io", "image.openshift.io")


@dataclasses.dataclass
class Cluster:
    """A cluster and what of it is looked at.

    ``own_namespace``: that of our scanner pods. ``unsure``: namespaces of which nobody may ask whether they exist.
    ``streams``: the image streams that were listed, by (namespace, name). ``read``: numbers of objects, by plural.
    ``has_selected``: whether there were objects with labels to be chosen by.
    """

    client: KubernetesClient
    selection: DiscoverySelection = dataclasses.field(default_factory=DiscoverySelection)
    own_namespace: str = ""
    unsure: t.Sequence[str] = ()
    streams: t.Mapping[tuple[str, str], ImageStream] = dataclasses.field(default_factory=dict)
    read: dict[str, int] = dataclasses.field(default_factory=dict)
    has_selected: bool = False

    def is_openshift(self) -> bool:
        """Return whether the cluster is an OpenShift."""
        return any(self.client.has_group(group) for group in _OPENSHIFT_GROUPS)

    @functools.cached_property
    def identity(self) -> str:
        """Identity of the cluster, whatever its address is: the UID of ``kube-system``, else the address."""

        def uid_of(item: dict[str, t.Any]) -> str:
            return text(obj(item, "metadata"), "uid", 64) if full_name(item)[1] == "kube-system" else ""

        try:
            uids = self.client.items("/api/v1/namespaces", uid_of, {"fieldSelector": "metadata.name=kube-system"})
        except ApiError as error:
            if error.code in OF_THE_CLUSTER:
                raise
            uids = []
        return next(filter(None, uids), self.client.server)

    def refusal(self, namespace: str) -> str:
        """Why the objects of a namespace are left out; empty where they are not."""
        return self.selection.refusal(namespace, self.is_openshift())

    def items(
        self,
        prefix: str,
        resource: str,
        project: t.Callable[[dict[str, t.Any]], _T | None],
        *,
        namespaced: bool = True,
    ) -> list[_T]:
        """The objects of one kind, as ``project`` makes them; those of other namespaces may be among them."""

        def counted(item: dict[str, t.Any]) -> _T | None:
            self.read[resource] = self.read.get(resource, 0) + 1
            self.has_selected = self.has_selected or namespaced
            return project(item)

        if not namespaced:
            return self.client.items(f"{prefix}/{resource}", counted)
        selection = self.selection
        params = {"labelSelector": selection.label_selector} if selection.label_selector else {}
        paths = [f"{prefix}/namespaces/{namespace}/{resource}" for namespace in selection.plain]
        listed: list[_T] = []
        for path in paths or [f"{prefix}/{resource}"]:
            listed += self.client.items(path, counted, params)
        return listed

    def prepare(self) -> None:
        """Ask what has to be known before objects are read; fills ``unsure``.

        Raises InputError where a pattern of ``namespaces`` has no namespace, which would look like no images.
        """
        self._check_namespaces()
        self.is_openshift()  # asks for the API groups, which must not happen in the middle of a list

    def _check_namespaces(self) -> None:
        selection = self.selection
        if not selection.namespaces:
            return
        try:
            names = self.client.items("/api/v1/namespaces", lambda item: text(obj(item, "metadata"), "name"))
        except ApiError as error:
            if error.status != 403:
                raise
            if not selection.plain:
                raise InputError(
                    "namespaces has patterns, but the account may not list namespaces",
                    hint="write out their names, or grant ClusterRole imagescan-discovery; the role"
                    " imagescan.openshift.setup makes it",
                )
            self.unsure = [name for name in selection.plain if not self._may_see(name)]
            return
        for pattern in selection.namespaces:
            if not any(pattern.fullmatch(name) for name in names):
                raise InputError(
                    f"namespaces: no namespace of {self.client.server} matches {quoted(pattern.pattern, 100)}",
                    hint="check its name, and that this is the right cluster",
                )

    def _may_see(self, namespace: str) -> bool:
        try:
            self.client.get(f"/api/v1/namespaces/{urllib.parse.quote(namespace, safe='')}")
        except ApiError as error:
            if error.status == 404:
                raise InputError(
                    f"namespaces: {self.client.server} has no namespace {quoted(namespace)}",
                    hint="check its name, and that this is the right cluster",
                )
            if error.status != 403:
                raise
            return False
        return True

    def unseen(self, namespaces: t.Container[str], source: str) -> list[Unidentified]:
        """List the namespaces that may not exist: nothing was found in them, and the account may not ask."""
        error = ScanError(
            "nothing was found in it, and the account may not ask whether it exists",
            code="namespace-unknown",
            hint="check the name, or grant the account to get this namespace",
        )
        return [
            Unidentified(f"namespace {namespace}", source, error.code, str(error))
            for namespace in self.unsure
            if namespace not in namespaces
        ]
