# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several ways to one image: its mirrors, and for each place the credentials that could open it.

The way that answered last is asked first, so that a manifest and its layers come from one place where they can.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import RegistryError, ScanError
from .manifests import in_image, verify_digest
from .model import BlobReader, Descriptor
from .references import Reference, is_digest

if t.TYPE_CHECKING:
    from .registry import Repository

#: What another credential for the same place could change. Many registries call missing what one may not see.
_DENIED = frozenset({"registry-unauthorized", "registry-forbidden", "image-not-found", "blob-not-found"})
_MISSING = frozenset({"image-not-found", "blob-not-found"})

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class PullSource:
    """A place, and how to ask there; or why that cannot be."""

    place: Reference
    repository: Repository | ScanError


class PullSources:
    """A source of manifests and blobs that goes on to the next way where one fails. Safe for several threads.

    Bytes that do not have their digest are an error at once: they are not an outage. ``reference``: as it was asked
    for.
    """

    def __init__(self, reference: Reference, ways: t.Sequence[PullSource]) -> None:
        self.reference = reference
        self._ways = tuple(ways)
        self._best = 0

    def fetch_manifest(self, version: str) -> tuple[bytes, str]:
        """Manifest or index of a tag or digest, and its media type."""

        def ask(repository: Repository) -> tuple[bytes, str]:
            data, media_type = repository.fetch_manifest(version)
            if is_digest(version):
                verify_digest(data, version, f"the manifest that {repository.reference.name} sent")
            return data, media_type

        return Tour(self).ask(ask)

    def read_manifest(self, descriptor: Descriptor, /) -> bytes:
        return self.fetch_manifest(descriptor.digest)[0]

    def read_blob(self, descriptor: Descriptor, limit: int, /) -> bytes:
        def ask(repository: Repository) -> bytes:
            data = repository.read_blob(descriptor, limit)
            verify_digest(data, descriptor.digest, f"the blob that {repository.reference.name} sent")
            return data

        return Tour(self).ask(ask)

    def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
        return _Stream(self, descriptor)

    def order(self) -> list[int]:
        """Numbers of the ways, the one that answered last first."""
        best = self._best
        return [best, *(number for number in range(len(self._ways)) if number != best)]

    def way(self, number: int) -> PullSource:
        """One of the ways."""
        return self._ways[number]

    def worked(self, number: int) -> None:
        """Remember which way answered."""
        self._best = number


class Tour:
    """One request on its way from place to place, and what each of them said."""

    def __init__(self, sources: PullSources, subject: str = "") -> None:
        self._sources = sources
        self._subject = subject
        self._left = sources.order()
        self._failures: list[tuple[Reference, ScanError]] = []

    def ask(self, action: t.Callable[[Repository], T]) -> T:
        """Do it at the first way that does not fail. Raises RegistryError that names every place."""
        while self._left:
            number = self._left.pop(0)
            way = self._sources.way(number)
            if isinstance(way.repository, ScanError):
                self._failures.append((way.place, way.repository))
                continue
            try:
                answer = action(way.repository)
            except RegistryError as error:
                self.failed(way.place, error)
            else:
                self._sources.worked(number)
                return answer
        raise in_image(self._error(), self._subject)

    def failed(self, place: Reference, error: RegistryError) -> None:
        """Keep what a place said. Other credentials for it are worth a try only where it refused these."""
        self._failures.append((place, error))
        if error.code not in _DENIED:
            self._left = [number for number in self._left if self._sources.way(number).place != place]

    def _error(self) -> ScanError:
        # What one place does not have may be at another that could not be asked: the image is not missing.
        first = next((error for _place, error in self._failures if error.code not in _MISSING), self._failures[0][1])
        if len(self._failures) == 1 and self._failures[0][0] == self._sources.reference:
            return first
        causes = "; ".join(f"{place.name}: {error.message}" for place, error in self._failures)
        status = first.status if isinstance(first, RegistryError) else 0
        return RegistryError(
            f"none of the places that were asked gives it: {causes}", status=status, code=first.code, hint=first.hint
        )


class _Stream:
    """A blob that goes on from another place where one breaks off. Used by one thread at a time."""

    def __init__(self, sources: PullSources, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._tour = Tour(sources, f"{sources.reference}, layer {descriptor.digest}")
        self._offset = 0
        self._place = sources.reference
        self._reader: BlobReader = self._tour.ask(self._open)

    def read(self, size: int, /) -> bytes:
        while True:
            try:
                data = self._reader.read(size)
            except RegistryError as error:
                self._reader.close()
                self._tour.failed(self._place, error)
                self._reader = self._tour.ask(self._open)
                continue
            self._offset += len(data)
            return data

    def close(self) -> None:
        self._reader.close()

    def _open(self, repository: Repository) -> BlobReader:
        self._place = repository.reference
        return repository.open_blob(self._descriptor, self._offset)
