# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the role ``scan`` in a pod of a CronJob: its store, the rights that its steps need, and what is missing."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._discovery.source.table import SOURCES

_Json = dict[str, t.Any]
_RBAC = "rbac.authorization.k8s.io"


class ClusterRole(t.NamedTuple):
    """A role that a run may need. ``ending``: of the name of its binding; ``is_optional``: clusters may not have it."""

    name: str
    ending: str
    is_wanted: bool
    is_optional: bool = False


@dataclasses.dataclass(frozen=True)
class PodRun:
    """``variables``: of the role ``scan``; ``steps`` and ``sources`` as they say, or its defaults. ``prefix``: of the
    cluster roles that the role ``setup`` made; ``mount``: where a volume is mounted, or an empty text."""

    variables: t.Mapping[str, t.Any]
    steps: t.Collection[str]
    sources: t.Collection[str]
    namespace: str
    account: str
    prefix: str
    mount: str

    @property
    def scope(self) -> _Json:
        """The variables that the run gets."""
        folder = self.mount or "/tmp/imagescan"
        return {"scan_dir": folder, "scan_namespace": self.namespace, **self.variables}

    @property
    def store(self) -> str:
        """Path or URL of the store."""
        location = self.variables.get("scan_store") or self.variables.get("imagescan_store")
        return str(location or f"{self.scope['scan_dir']}/store.db")

    @property
    def keeps_store(self) -> bool:
        """Return whether the store outlives the pod."""
        path = re.sub(r"\Asqlite:///", "", self.store)
        in_volume = bool(self.mount) and path.startswith(f"{self.mount}/") and "/../" not in path
        return in_volume or self.store.startswith("postgresql")

    @property
    def scans_in_pods(self) -> bool:
        """Return whether it starts pods itself, with the rights of the Role for scans."""
        return "scan" in self.steps and (self.variables.get("scan_method") or "local") != "local"

    @property
    def cluster_roles(self) -> list[ClusterRole]:
        """Every role that a run can need."""
        in_cluster = {name for name, source in SOURCES.items() if source.in_cluster}
        discovers = "discover" in self.steps and not in_cluster.isdisjoint(self.sources)
        flags, looks_up = "flag" in self.steps, discovers or self.scans_in_pods
        return [
            ClusterRole(f"{self.prefix}-discovery", "discovery", discovers),
            ClusterRole(f"{self.prefix}-flagger", "flagger", flags),
            # setup makes it only where a cluster has mirrors.
            ClusterRole(f"{self.prefix}-mirrors", "mirrors", looks_up, is_optional=True),
            ClusterRole("system:image-auditor", "image-auditor", flags, is_optional=True),  # OpenShift's own
        ]

    def missing(self, roles: t.Collection[str], *, has_namespace: bool, has_scanner: bool) -> list[str]:
        """Return what the role ``setup`` has yet to make. ``roles``: names of those that the cluster has."""
        needed = [role.name for role in self.cluster_roles if role.is_wanted and not role.is_optional]
        lacks_scanner = self.scans_in_pods and not has_scanner
        return [
            *([] if has_namespace else [f"namespace {self.namespace}"]),
            *([f"Role imagescan-scanner in {self.namespace}"] if lacks_scanner else []),
            *(f"ClusterRole {name}" for name in needed if name not in roles),
        ]

    def bindings(self, roles: t.Collection[str], labels: _Json, namespace_uid: str) -> list[_Json]:
        """Each ClusterRoleBinding as ``object``, and whether it is ``wanted``. It goes with the namespace."""
        owner = {"apiVersion": "v1", "kind": "Namespace", "name": self.namespace, "uid": namespace_uid}
        parts = []
        for role in self.cluster_roles:
            name = f"{self.prefix}-{self.account}-{role.ending}"
            binding = {
                "apiVersion": f"{_RBAC}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
                "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role.name},
                "subjects": [{"kind": "ServiceAccount", "name": self.account, "namespace": self.namespace}],
            }
            parts.append({"wanted": role.is_wanted and role.name in roles, "object": binding})
        return parts
