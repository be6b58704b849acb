# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects in the shapes that API servers give, and a client that hands them out."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

INTERNAL = "image-registry.openshift-image-registry.svc:5000"
PUBLIC = "default-route-openshift-image-registry.apps.example.com"
OPENSHIFT = ("image.openshift.io", "apps.openshift.io", "build.openshift.io", "config.openshift.io")
Object = dict[str, t.Any]


def digest(letter: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + letter * 64


def image(letter: str, reference: str = "quay.io/team/app", **fields: t.Any) -> Object:
    """An Image object as OpenShift 4 has it."""
    return {
        "metadata": {
            "name": digest(letter),
            "annotations": {"image.openshift.io/dockerLayersOrder": "ascending"},
        },
        "dockerImageReference": f"{reference}@{digest(letter)}",
        "dockerImageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "dockerImageLayers": [
            {"name": digest("1"), "size": 100, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"},
            {"name": digest("2"), "size": 20, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"},
        ],
        "dockerImageMetadata": {
            "kind": "DockerImage",
            "Id": f"sha256:{letter * 32}{'0' * 32}",
            "Created": "2026-01-02T03:04:05Z",
            "Architecture": "amd64",
            "Size": 125,
            "Config": {"Labels": {"name": "team/app", "unrelated": "x"}},
        },
        **fields,
    }


def index(letter: str, reference: str = "quay.io/team/app", **children: str) -> Object:
    """An Image object of an index: letters of its images, and their architectures."""
    return {
        "metadata": {"name": digest(letter)},
        "dockerImageReference": f"{reference}@{digest(letter)}",
        "dockerImageManifestMediaType": "application/vnd.oci.image.index.v1+json",
        "dockerImageMetadata": {"Created": None},
        "dockerImageManifests": [
            {"digest": digest(child), "os": "unknown" if arch == "unknown" else "linux", "architecture": arch}
            for child, arch in children.items()
        ],
    }


def stream(namespace: str, name: str, spec: t.Sequence[Object] = (), **tags: t.Sequence[tuple[str, str]]) -> Object:
    """An image stream: each tag with (image digest, pull specification) of its images, newest first."""
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"tags": list(spec)},
        "status": {
            "dockerImageRepository": f"{INTERNAL}/{namespace}/{name}",
            "publicDockerImageRepository": f"{PUBLIC}/{namespace}/{name}",
            "tags": [
                {
                    "tag": tag,
                    "items": [
                        {"image": one, "dockerImageReference": reference, "generation": 2} for one, reference in items
                    ],
                }
                for tag, items in tags.items()
            ],
        },
    }


def pod(
    namespace: str,
    name: str,
    containers: t.Mapping[str, tuple[str, str]],
    phase: str = "Running",
    **more: t.Any,
) -> Object:
    """A pod: container name -> (image of the specification, imageID of the status)."""
    return {
        "metadata": {"namespace": namespace, "name": name, **more.pop("metadata", {})},
        "spec": {"containers": [{"name": key, "image": one} for key, (one, _id) in containers.items()], **more},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": key, "imageID": ran} for key, (_one, ran) in containers.items()],
        },
    }


def workload(namespace: str, name: str, *images: str, **fields: t.Any) -> Object:
    """A deployment or another kind with a template at the usual place."""
    containers = [{"name": f"c{number}", "image": one} for number, one in enumerate(images)]
    spec = {"template": {"spec": {"containers": containers}}, **fields.pop("spec", {})}
    return {"metadata": {"namespace": namespace, "name": name, **fields.pop("metadata", {})}, "spec": spec, **fields}


def damaged(item: Object) -> SearchStrategy[Object]:
    """The object with one of its parts replaced by something that no schema allows."""
    scalars = strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=8)
    anything = strategies.recursive(
        scalars | strategies.just("\ud800") | strategies.floats(),
        lambda inner: (
            strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=3)
        ),
        max_leaves=6,
    )

    def replace(place: tuple[t.Any, ...], value: t.Any) -> Object:
        made = copy.deepcopy(item)
        holder: t.Any = made
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = value
        return made

    return strategies.builds(replace, strategies.sampled_from(list(_places(item))), anything)


def _places(value: t.Any, above: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    if above:
        yield above
    for step, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from _places(inner, (*above, step))


class RecordedClient:
    """Hands out lists by path. ``refused``: paths that answer with a status instead."""

    server = "https://api.example.com:6443"

    def __init__(self, lists: t.Mapping[str, t.Sequence[Object]], groups: t.Sequence[str] = ()) -> None:
        self.lists = lists
        self.groups = groups
        self.refused: dict[str, int] = {}
        self.asked: list[tuple[str, t.Mapping[str, t.Any]]] = []

    def has_group(self, group: str) -> bool:
        """Whether the cluster has an API group."""
        return group in self.groups

    def items(
        self, path: str, project: t.Callable[[Object], t.Any], params: t.Mapping[str, t.Any] | None = None
    ) -> list[t.Any]:
        """A list, projected."""
        self._check(path, params or {})
        return [value for value in map(project, self.lists.get(path, ())) if value is not None]

    def get(self, path: str) -> Object:
        """One object."""
        self._check(path, {})
        for one in self.lists.get(path.rpartition("/")[0], ()):
            if one["metadata"]["name"] == path.rpartition("/")[2]:
                return one
        raise ApiError(f"404 for {path}", status=404, code="cluster-not-found")

    def _check(self, path: str, params: t.Mapping[str, t.Any]) -> None:
        self.asked.append((path, params))
        if path in self.refused:
            raise ApiError(f"{self.refused[path]} for {path}", status=self.refused[path], code="cluster-forbidden")
