# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and changing the annotations and labels of OpenShift's Image objects, many at a time.

A change is decided on what was read and written with that object's version, so that nobody's word in between is lost:
on a conflict the object is read and the change decided again.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import random
import threading
import time
import typing as t

from .._core.errors import InputError, ScanError
from .._discovery.images import GROUP, PREFIX
from .._discovery.selection import obj, text
from .._flags.annotations import AnnotationPatch
from .._images.references import is_digest
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import CONFLICT, FORBIDDEN, OF_THE_CLUSTER, ApiError

#: Up to so many images are read one by one, more by one list of all.
SINGLE_READS = 200
CONCURRENCY = 8
#: Tries of one image whose object others change all the time.
TRIES = 20
_LONGEST_PAUSE = 1.0

WRITTEN, SAME, GONE, FAILED = "written", "same", "gone", "failed"


@dataclasses.dataclass(frozen=True)
class ImageState:
    """Relevant fields of an Image object. Values that are not text are left out."""

    digest: str
    annotations: t.Mapping[str, str]
    labels: t.Mapping[str, str]
    resource_version: str


Decide = t.Callable[[ImageState], AnnotationPatch]


@dataclasses.dataclass(frozen=True)
class FlagOutcome:
    """Outcome of one image.

    ``state``: WRITTEN (in a dry run: would be), SAME, GONE (there is no such Image object) or FAILED with ``error``.
    ``before``: what the change was decided on, None where it was not read. ``conflicts``: how often it was read again.
    """

    digest: str
    state: str
    before: ImageState | None
    change: AnnotationPatch
    error: ScanError | None = None
    conflicts: int = 0


NOTHING = AnnotationPatch({}, {})


def read_images(client: KubernetesClient, digests: t.Collection[str] | None = None) -> dict[str, ImageState]:
    """Digest -> state, of all Image objects or of those named; what does not exist is absent.

    Raises InputError on a cluster without Image objects, ApiError where they cannot be read.
    """
    if not client.has_group(GROUP):
        raise InputError(
            f"{client.server} has no {GROUP}, so there are no Image objects to flag",
            hint="leave image_annotation out of targets; deny_list works on every cluster",
        )
    if digests is not None and len(digests) <= SINGLE_READS:
        with concurrent.futures.ThreadPoolExecutor(CONCURRENCY, "imagescan-read") as pool:
            read = pool.map(_reader(client), sorted(set(digests)))
            return {state.digest: state for state in read if state is not None}
    selected = None if digests is None else frozenset(digests)

    def project(item: dict[str, t.Any]) -> ImageState | None:
        state = _state(item)
        return state if is_digest(state.digest) and (selected is None or state.digest in selected) else None

    listed = client.items(f"{PREFIX}/images", project, metadata_only=True)
    return {state.digest: state for state in listed}


def _reader(client: KubernetesClient) -> t.Callable[[str], ImageState | None]:
    def read(digest: str) -> ImageState | None:
        return read_image(client, digest)

    return read


def read_image(client: KubernetesClient, digest: str) -> ImageState | None:
    """The state of one image; None where there is no such object."""
    try:
        return _state(client.get(_path(digest), metadata_only=True))
    except ApiError as error:
        if _is_gone(error, digest):
            return None
        raise


def patch_image(client: KubernetesClient, digest: str, change: AnnotationPatch, resource_version: str) -> ImageState:
    """Write a change, if the object still has this version. Raises ApiError, with status 409 where it has not."""
    metadata: dict[str, t.Any] = {"resourceVersion": resource_version}
    if change.annotations:
        metadata["annotations"] = dict(change.annotations)
    if change.labels:
        metadata["labels"] = dict(change.labels)
    return _state(client.merge_patch(_path(digest), {"metadata": metadata}, metadata_only=True))


def apply(
    client: KubernetesClient, digest: str, decide: Decide, state: ImageState | None = None, *, dry_run: bool = False
) -> FlagOutcome:
    """Decide and write the change of one image. ``state``: as it was read, if it was. Errors are in the outcome.

    ``decide`` is called again, with what is there then, each time somebody else was faster; a ScanError of it ends this
    image.
    """
    tried: ImageState | None = None
    planned = NOTHING
    conflicts = 0
    while True:
        try:
            if state is None:
                state = read_image(client, digest)
            if state is None:
                return FlagOutcome(digest, GONE, tried, NOTHING, conflicts=conflicts)
            change = decide(state)
            if not change:
                return _unchanged(state, tried, planned, conflicts)
            tried, planned = state, change
            if not dry_run:
                patch_image(client, digest, change, state.resource_version)
            return FlagOutcome(digest, WRITTEN, state, change, conflicts=conflicts)
        except ApiError as error:
            if _is_gone(error, digest):
                return FlagOutcome(digest, GONE, tried, NOTHING, conflicts=conflicts)
            if conflicts >= TRIES or not _is_passing(error):
                return FlagOutcome(digest, FAILED, tried or state, planned, error, conflicts)
        except ScanError as error:
            return FlagOutcome(digest, FAILED, state, NOTHING, error, conflicts)
        conflicts += 1
        state = None
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.02 * 2 ** min(conflicts, 10))))


def _unchanged(state: ImageState, tried: ImageState | None, planned: AnnotationPatch, conflicts: int) -> FlagOutcome:
    """The outcome where nothing is to be written. ``tried``: what an earlier try was decided on."""
    # What was written, and its answer lost, comes back as a conflict: all that we wanted stands there then.
    if tried is not None and _holds(state, planned):
        return FlagOutcome(state.digest, WRITTEN, tried, planned, conflicts=conflicts)
    return FlagOutcome(state.digest, SAME, state, NOTHING, conflicts=conflicts)


def _is_passing(error: ApiError) -> bool:
    """Return whether another try may help. An API server that has just started says 404 of kinds that it has."""
    return error.code == CONFLICT or error.status == 404


def apply_all(
    client: KubernetesClient,
    decide: Decide,
    digests: t.Iterable[str],
    states: t.Mapping[str, ImageState],
    *,
    concurrency: int = CONCURRENCY,
    dry_run: bool = False,
    beat: t.Callable[[FlagOutcome], None] = lambda outcome: None,
) -> list[FlagOutcome]:
    """``apply`` to many images at once, ordered as ``digests``. ``beat``: called here after each.

    Where the cluster fails, or refuses the account, images that were not begun end with the same error untried.
    """
    stopped: list[ScanError] = []
    lock = threading.Lock()

    def work(digest: str) -> FlagOutcome:
        with lock:
            if stopped:
                return FlagOutcome(digest, FAILED, states.get(digest), NOTHING, stopped[0])
        outcome = apply(client, digest, decide, states.get(digest), dry_run=dry_run)
        if isinstance(outcome.error, ApiError) and outcome.error.code in (*OF_THE_CLUSTER, FORBIDDEN):
            with lock:
                stopped.append(outcome.error)
        return outcome

    with concurrent.futures.ThreadPoolExecutor(max(1, concurrency), "imagescan-flag") as pool:
        waiting = [pool.submit(work, digest) for digest in digests]
        try:
            for done in concurrent.futures.as_completed(waiting):
                beat(done.result())
        finally:
            pool.shutdown(cancel_futures=True)  # what an interruption left
        return [done.result() for done in waiting]


def _holds(state: ImageState, change: AnnotationPatch) -> bool:
    return all(state.annotations.get(key) == value for key, value in change.annotations.items()) and all(
        state.labels.get(key) == value for key, value in change.labels.items()
    )


def _is_gone(error: ApiError, digest: str) -> bool:
    """Return whether a 404 speaks of the object, and not of its kind."""
    return error.status == 404 and digest in error.api_message


def _path(digest: str) -> str:
    if not is_digest(digest):
        raise InputError(f"{digest[:100]!r} is not a digest, so there is no Image object of that name")
    return f"{PREFIX}/images/{digest}"


def _state(item: dict[str, t.Any]) -> ImageState:
    metadata = obj(item, "metadata")
    annotations, labels = obj(metadata, "annotations"), obj(metadata, "labels")
    return ImageState(
        text(metadata, "name"),
        {key: value for key, value in annotations.items() if isinstance(value, str)},
        {key: value for key, value in labels.items() if isinstance(value, str)},
        text(metadata, "resourceVersion"),
    )
