# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of OpenShift as far as their API servers do more than keep them: tags, pushes, imports, instantiation.

Sources: openshift-apiserver 4.20, ``pkg/image/apiserver/registry`` and ``pkg/apps/apiserver/registry``.
"""

from __future__ import annotations

import contextlib
import copy
import typing as t

from .openshift_store import Object, Refusal, Store, now
from .recorded_cluster import INTERNAL

IMAGES, STREAMS, TAGS = (f"{name}.image.openshift.io" for name in ("images", "imagestreams", "imagestreamtags"))
CONFIGS = "deploymentconfigs.apps.openshift.io"
_KEPT = "create delete get list patch watch"
_KEPT_KINDS = {
    "": "Namespace Pod ReplicationController",
    "apps": "Deployment ReplicaSet StatefulSet DaemonSet",
    "batch": "Job CronJob",
    "image.openshift.io": "Image ImageStream",
    "apps.openshift.io": "DeploymentConfig",
    "build.openshift.io": "Build BuildConfig",
    "config.openshift.io": "ImageDigestMirrorSet ImageTagMirrorSet",
}
_CLUSTER_WIDE = ("Namespace", "Image", "ImageDigestMirrorSet", "ImageTagMirrorSet")
GROUPS = tuple(filter(None, _KEPT_KINDS))
#: Resource -> (kind, whether it is in namespaces, verbs).
KINDS: t.Mapping[str, tuple[str, bool, str]] = {
    TAGS: ("ImageStreamTag", True, "create get"),
    "imagestreammappings.image.openshift.io": ("ImageStreamMapping", True, "create"),
    "imagestreamimports.image.openshift.io": ("ImageStreamImport", True, "create"),
    "deploymentconfigs/instantiate.apps.openshift.io": ("DeploymentRequest", True, "create"),
    **{
        f"{kind.lower()}s.{group}".rstrip("."): (kind, kind not in _CLUSTER_WIDE, _KEPT)
        for group, kinds in _KEPT_KINDS.items()
        for kind in kinds.split()
    },
}


class OpenShiftKinds:
    """What openshift-apiserver does with a body that is sent to it.

    ``registry``: host of the integrated registry, "" for a cluster that has none. ``upstream``: what other registries
    have, by reference (``quay.io/team/app:1``): Image objects that an import finds.
    """

    def __init__(self, store: Store, registry: str = INTERNAL) -> None:
        self.store = store
        self.registry = registry
        self.upstream: dict[str, Object] = {}
        self._made: t.Mapping[str, t.Callable[[Object], Object]] = {
            STREAMS: self._make_stream,
            TAGS: self._make_tag,
            "imagestreammappings.image.openshift.io": self._push,
            "imagestreamimports.image.openshift.io": self._import,
            "deploymentconfigs/instantiate.apps.openshift.io": self._instantiate,
        }

    def create(self, resource: str, body: Object) -> Object:
        """What becomes of a POST; its answer."""
        with self.store.lock:
            make = self._made.get(resource)
            return make(body) if make else self.store.create(resource, body)

    def update(self, resource: str, body: Object) -> Object:
        """Keep a changed object; of a stream, tags that its specification has newly are resolved."""
        if resource == STREAMS:
            self._resolve(body)
        return self.store.replace(resource, body)

    def get(self, resource: str, namespace: str, name: str) -> Object:
        """An object as it is read; Refusal with 404 where there is none, or a tag has no image."""
        if resource != TAGS:
            return self.store.get(resource, namespace, name)
        stream_name, _sep, tag = name.partition(":")
        item = _newest(self.store.get(STREAMS, namespace, stream_name), tag)
        if item is None:
            raise Refusal(404, "NotFound", f'{TAGS} "{name}" not found')
        image = self.store.get(IMAGES, "", item["image"])
        metadata = {"namespace": namespace, "name": name, "creationTimestamp": item["created"]}
        return {"metadata": metadata, "tag": None, "generation": item["generation"], "image": image}

    def _make_stream(self, body: Object) -> Object:
        place = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
        body["status"] = {"dockerImageRepository": f"{self.registry}/{place}" if self.registry else ""}
        self._resolve(body)
        return self.store.create(STREAMS, body)

    def _make_tag(self, body: Object) -> Object:
        """``oc tag``: the specification of one tag of a stream, which is made when there is none."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        stream_name, _sep, tag = name.partition(":")
        stream = self._stream(namespace, stream_name)
        tags = stream.setdefault("spec", {}).setdefault("tags", [])
        if any(entry["name"] == tag for entry in tags):
            raise Refusal(409, "AlreadyExists", f'{TAGS} "{name}" already exists')
        tags.append({**(body.get("tag") or {}), "name": tag, "generation": None})
        self.update(STREAMS, stream)
        try:
            return self.get(TAGS, namespace, name)
        except Refusal:
            return body  # a name of another registry, which a controller imports later

    def _push(self, body: Object) -> Object:
        """What the integrated registry sends when a manifest was pushed."""
        stream = self.store.get(STREAMS, body["metadata"]["namespace"], body["metadata"]["name"])
        self._take_image(stream, body.get("tag") or "latest", body["image"])
        self.store.replace(STREAMS, stream)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _import(self, body: Object) -> Object:
        """``oc import-image``: the images that other registries have now."""
        stream = self._stream(body["metadata"]["namespace"], body["metadata"]["name"])
        stream["metadata"]["generation"] = generation = stream["metadata"]["generation"] + 1
        results: list[Object] = []
        for wish in body["spec"].get("images", []):
            tag, origin = wish["to"]["name"], wish["from"]["name"]
            entries = stream.setdefault("spec", {}).setdefault("tags", [])
            entries[:] = [entry for entry in entries if entry["name"] != tag]
            entries.append({"name": tag, "from": wish["from"], "generation": generation})
            if origin in self.upstream:
                self._take_image(stream, tag, self.upstream[origin], generation)
                results.append({"tag": tag, "status": {"status": "Success"}, "image": self.upstream[origin]})
                continue
            why = {"reason": "NotFound", "message": f"Internal error occurred: {origin}: manifest unknown"}
            _state(stream, tag)["conditions"] = [{"type": "ImportSuccess", "status": "False", **why}]
            results.append({"tag": tag, "status": {"status": "Failure", **why}})
        return {**body, "status": {"import": self.store.replace(STREAMS, stream), "images": results}}

    def _instantiate(self, body: Object) -> Object:
        """``oc rollout latest``: the template gets the images that its triggers name, and the next version begins."""
        config = self.store.get(CONFIGS, body["metadata"]["namespace"], body["name"])
        triggers = [one.get("imageChangeParams") or {} for one in config["spec"].get("triggers") or []]
        for params in [one for one in triggers if one.get("automatic") or (one and body.get("force"))]:
            namespace = params["from"].get("namespace") or body["metadata"]["namespace"]
            name, _sep, tag = params["from"]["name"].partition(":")
            if item := _newest(self.store.get(STREAMS, namespace, name), tag):
                params["lastTriggeredImage"] = item["dockerImageReference"]
                for container in config["spec"]["template"]["spec"]["containers"]:
                    if container["name"] in params["containerNames"]:
                        container["image"] = item["dockerImageReference"]
        status = config.setdefault("status", {})
        status["latestVersion"] = status.get("latestVersion", 0) + 1
        return self.store.replace(CONFIGS, config)

    def _stream(self, namespace: str, name: str) -> Object:
        """A stream to change, new where there is none."""
        try:
            return self.store.get(STREAMS, namespace, name)
        except Refusal:
            return self._make_stream({"metadata": {"namespace": namespace, "name": name}, "spec": {}})

    def _resolve(self, stream: Object) -> None:
        """Give the tags that name another tag its image, when they are new."""
        for entry in (stream.get("spec") or {}).get("tags") or []:
            if entry.get("generation") is not None:
                continue
            entry["generation"] = stream["metadata"].get("generation", 1)
            source = entry.get("from") or {}
            if source.get("kind") != "ImageStreamTag" or entry.get("reference"):
                continue
            name, _sep, tag = source["name"].rpartition(":")
            place = (source.get("namespace") or stream["metadata"]["namespace"], name or stream["metadata"]["name"])
            own = place == (stream["metadata"]["namespace"], stream["metadata"]["name"])
            origin = stream if own else self.store.get(STREAMS, *place)
            if item := _newest(origin, tag):
                _take(stream, entry["name"], item["dockerImageReference"], item["image"], entry["generation"])

    def _take_image(self, stream: Object, tag: str, image: Object, generation: int = 1) -> None:
        """A tag has this image now, which is kept when it is new."""
        with contextlib.suppress(Refusal):
            self.store.create(IMAGES, copy.deepcopy(image))
        _state(stream, tag).pop("conditions", None)
        _take(stream, tag, image["dockerImageReference"], image["metadata"]["name"], generation)


def _newest(stream: Object, tag: str) -> Object | None:
    newest = (one["items"][0] for one in stream["status"].get("tags", []) if one["tag"] == tag and one["items"])
    return next(newest, None)


def _state(stream: Object, tag: str) -> Object:
    """The state of a tag, to change."""
    states: list[Object] = stream["status"].setdefault("tags", [])
    if all(one["tag"] != tag for one in states):
        states.append({"tag": tag, "items": []})
    return next(one for one in states if one["tag"] == tag)


def _take(stream: Object, tag: str, reference: str, image: str, generation: int) -> None:
    """A tag has another image now; the former ones stay as its history. Tags that follow it have it, too."""
    items = _state(stream, tag)["items"]
    if items and (items[0]["image"], items[0]["dockerImageReference"]) == (image, reference):
        items[0]["generation"] = generation
        return
    items.insert(0, {"created": now(), "dockerImageReference": reference, "image": image, "generation": generation})
    followed = [{"kind": "ImageStreamTag", "name": name} for name in (tag, f"{stream['metadata']['name']}:{tag}")]
    for entry in (stream.get("spec") or {}).get("tags") or []:
        if entry["name"] != tag and entry.get("from") in followed:
            _take(stream, entry["name"], reference, image, entry.get("generation") or 1)
