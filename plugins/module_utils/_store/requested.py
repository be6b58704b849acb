# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the images that somebody asked for, by digest or by name, among those in the store."""

from __future__ import annotations

import difflib
import typing as t

from .model import StoredChild, StoredImage, unresolved_key
from .store import Store

NAME_UNCONFIRMED = "name-unconfirmed"


class RequestedImage(t.Protocol):
    """An image that is meant, as somebody named it: by its digest, which may be empty, or by its names."""

    @property
    def digest(self) -> str:
        """Digest or empty."""

    @property
    def references(self) -> tuple[str, ...]:
        """Names."""


def find_requested(
    store: Store, requests: t.Sequence[RequestedImage] | None
) -> tuple[list[StoredImage], t.Mapping[str, tuple[StoredChild, ...]]]:
    """The images that are meant, those of an index included, or all, by key; and the images of each index."""
    images = store.images.all()
    children = store.images.children(image.key for image in images if image.kind == "index")
    return (images if requests is None else select(images, children, requests)), children


def select(
    images: t.Sequence[StoredImage],
    children: t.Mapping[str, tuple[StoredChild, ...]],
    requests: t.Sequence[RequestedImage],
) -> list[StoredImage]:
    """The images that are meant, those of an index included. One that the store does not know is there all the same.

    A name finds every image that it may lead to, and is inconclusive itself where its holder has not said which one it
    has. An image that was named and is not known must end in a verdict too.
    """
    by_key = {image.key: image for image in images}
    by_name: dict[str, list[StoredImage]] = {}
    for image in images:
        for name in image.references:
            by_name.setdefault(name, []).append(image)
    chosen: dict[str, StoredImage] = {}

    def take(image: StoredImage) -> None:
        if image.key in chosen:
            return
        chosen[image.key] = image
        for child in children.get(image.key, ()):
            if child.digest in by_key:
                take(by_key[child.digest])

    for request in requests:
        # A name that cannot be resolved now may lead to what it named before: both verdicts count.
        matches = [by_key[request.digest]] if request.digest in by_key else []
        if not request.digest:
            matches = [image for name in request.references for image in by_name.get(name, ())]
            matches += [
                _unconfirmed(name) for name in request.references if _is_unconfirmed(name, by_name.get(name, ()))
            ]
        if not matches:
            name = request.references[0] if request.references else ""
            key = request.digest or unresolved_key(name)
            kind = "image" if request.digest else "unresolved"
            matches = [
                by_key.get(key) or StoredImage(key, request.digest, kind, "", request.references, "", "", "", "", ())
            ]
        for image in matches:
            take(image)
    return sorted(chosen.values(), key=lambda image: image.key)


def unknown_images(store: Store, images: t.Iterable[StoredImage]) -> dict[str, list[str]]:
    """Name or digest of each of ``images`` that the store does not know -> what it has that is written most alike."""
    known = store.images.all()
    keys = {image.key for image in known}
    names = sorted({name for image in known for name in (*image.references, image.digest) if name})
    unknown = [image for image in images if image.key not in keys and image.error_code != NAME_UNCONFIRMED]
    wanted = [image.references[0] if image.references else image.digest for image in unknown]
    return {name: difflib.get_close_matches(name[:500], names, n=3, cutoff=0.5) for name in wanted}


def _is_unconfirmed(name: str, images: t.Collection[StoredImage]) -> bool:
    """Whether images may have a name and nobody knows which; where it could not be resolved, that says it already."""
    return any(name in image.unconfirmed for image in images) and all(image.digest for image in images)


def _unconfirmed(name: str) -> StoredImage:
    """A name that may lead to an image of the store, or to another one."""
    message = "nobody has asked its registry which image it has now, so an image that had it need not be the one"
    return StoredImage(unresolved_key(name), "", "unresolved", "", (name,), "", NAME_UNCONFIRMED, message, "", ())


def indexes_of(children: t.Mapping[str, tuple[StoredChild, ...]]) -> dict[str, list[str]]:
    """Digest of an image -> those of the indexes that it is in."""
    indexes: dict[str, list[str]] = {}
    for key in sorted(children):
        for child in children[key]:
            indexes.setdefault(child.digest, []).append(key)
    return indexes
