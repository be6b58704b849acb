# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications of pushes: notifications of Docker distribution, of Quay and of Harbor.

Whoever reaches the webhook writes the body, so nothing in it is believed but that it names images, and those only in
registries that were allowed. Sources of the shapes: distribution/notifications, Quay's manual (repository
notifications), Harbor's manual (webhook payloads, plain and CloudEvents).
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import InputError
from .._core.text import quoted
from .._images.manifests import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from .._images.references import Reference, is_digest, is_repository, is_tag, parse_reference, parse_registry
from .model import Arrival

#: Images of one body. Registries send one to a handful.
IMAGE_LIMIT = 1000
_MANIFESTS = frozenset((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
_NAMELESS = "an image has no registry or no repository that could be one"
_HARBOR_PUSHES = frozenset(("PUSH_ARTIFACT", "harbor.artifact.pushed"))


@dataclasses.dataclass(frozen=True)
class Push:
    """What a body tells: images, or the ``reason`` why it tells of none. Both, where only some are good."""

    arrivals: tuple[Arrival, ...] = ()
    reason: str = ""


def read_push(body: t.Any, registries: t.Mapping[str, str]) -> Push:
    """Read a body. ``registries``: a registry as it calls itself -> how it is reached; others are refused."""
    if not isinstance(body, dict):
        return Push(reason="the body is not a JSON object")
    if isinstance(body.get("events"), list):
        kind, images = "Docker distribution", _distribution(body["events"])
    elif isinstance(body.get("docker_url"), str):
        kind, images = "Quay", _quay(body)
    elif isinstance(body.get("type"), str) and isinstance(body.get("event_data", body.get("data")), dict):
        kind, images = "Harbor", _harbor(body)
    else:
        return Push(reason="the body is none that Docker distribution, Quay or Harbor send")
    arrivals, reasons = _allowed(images, registries, f"webhook of {kind}")
    if not arrivals and not reasons:
        reasons = ["it tells of no push of an image"]
    return Push(arrivals, f"{kind}: {'; '.join(reasons[:5])}" if reasons else "")


def _allowed(
    images: t.Iterable[Reference | str], registries: t.Mapping[str, str], source: str
) -> tuple[tuple[Arrival, ...], list[str]]:
    """The images of registries that are allowed, and why others are left out."""
    arrivals: dict[Arrival, None] = {}
    reasons: dict[str, None] = {}
    for number, image in enumerate(images):
        if number >= IMAGE_LIMIT:
            reasons[f"it names more than {IMAGE_LIMIT} images; the others were left out"] = None
            break
        if isinstance(image, str):
            reasons[image] = None
            continue
        host = registries.get(image.registry)
        if host is None:
            reason = f"the registry {quoted(image.registry, 100)} is none of those that are allowed (registries)"
            reasons[reason] = None
            continue
        # The tag is the name that pods use, the digest says what it means; only without a tag both are one.
        reference = Reference(host, image.repository, image.tag, "" if image.tag else image.digest)
        arrivals[Arrival(str(reference), image.digest, source)] = None
    return tuple(arrivals), list(reasons)


def _distribution(events: list[t.Any]) -> t.Iterator[Reference | str]:
    for event in events:
        target, request = (_part(event, name) for name in ("target", "request"))
        if not isinstance(event, dict) or event.get("action") != "push":
            continue
        if target.get("mediaType") not in _MANIFESTS:
            continue  # a layer, or what is not an image
        yield _reference(request.get("host"), target.get("repository"), target.get("tag"), target.get("digest"))


def _quay(body: dict[str, t.Any]) -> t.Iterator[Reference | str]:
    tags = body.get("updated_tags")
    if not isinstance(tags, (list, dict)):
        return
    registry, _slash, repository = body["docker_url"].partition("/")
    for tag in tags:
        yield _reference(registry, repository, tag, None)


def _harbor(body: dict[str, t.Any]) -> t.Iterator[Reference | str]:
    if body["type"] not in _HARBOR_PUSHES:
        return
    resources = _part(body, "event_data" if "event_data" in body else "data").get("resources")
    for resource in resources if isinstance(resources, list) else ():
        url = resource.get("resource_url") if isinstance(resource, dict) else None
        try:
            named = parse_reference(url) if isinstance(url, str) else None
        except InputError:
            named = None
        if named is None:
            yield "a resource has no resource_url that names an image"
            continue
        yield _reference(named.registry, named.repository, resource.get("tag") or named.tag, resource.get("digest"))


def _part(holder: t.Any, name: str) -> dict[str, t.Any]:
    part = holder.get(name) if isinstance(holder, dict) else None
    return part if isinstance(part, dict) else {}


def _reference(registry: t.Any, repository: t.Any, tag: t.Any, digest: t.Any) -> Reference | str:
    """The image, or what is wrong with what names it."""
    try:
        host = parse_registry(_text(registry))
    except InputError:
        return _NAMELESS
    if not is_repository(_text(repository)):
        return _NAMELESS
    tag = tag if is_tag(_text(tag)) else ""
    digest = digest if is_digest(_text(digest)) else ""
    if not tag and not digest:
        return "an image has neither a tag nor a digest"
    return Reference(host, repository, tag, digest)


def _text(value: t.Any) -> str:
    return value if isinstance(value, str) else ""
