# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One layer of an image as a stream: fetched, hashed, decompressed, and hashed again (diffID).

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import hashlib
import threading
import typing as t

from .._core.errors import CorruptData, IntegrityError, ScanError, UnsupportedImage
from .compression import INPUT_STEP, decompress
from .limits import Budget
from .model import Descriptor, Image, Layer

_QUEUE = 4
_DRAIN = 256 * 1024 * 1024


def stream_layer(
    image: Image,
    layer: Layer,
    take: t.Callable[[t.Iterator[bytes]], None],
    budget: Budget,
    *,
    name: str,
    threaded: bool,
    stopped: t.Callable[[], bool] = lambda: False,
) -> None:
    """Give the unpacked layer to ``take``, chunk by chunk, and verify all of it, also what ``take`` leaves.

    ``name`` (``layer 2 of 5``) begins the messages of errors. ``threaded``: fetch and decompress in threads of their
    own. ``stopped``: asked now and then; raises ``Stopped`` when it says so. Raises what ``take`` and the image's
    source raise, ``IntegrityError``, ``CorruptData``, ``LimitExceeded`` and ``UnsupportedImage``. What ``take`` made of
    the chunks is to be trusted only after this returned.
    """
    try:
        _stream(image, layer, take, budget, threaded, stopped)
    except ScanError as error:
        raise in_layer(error, image, layer, name)


def in_layer(error: ScanError, image: Image, layer: Layer, name: str) -> ScanError:
    """The same error, which now says where it was."""
    error.message = f"{name} ({layer.descriptor.digest}): {error.message}"
    error.subject = error.subject or image.reference
    return error


class Stopped(Exception):
    """Another layer failed; this one need not be read to its end."""


class _Blob:
    """A blob being read: counted, hashed, checked."""

    def __init__(self, image: Image, descriptor: Descriptor, stopped: t.Callable[[], bool]) -> None:
        self._descriptor = descriptor
        self._hash = _hasher(descriptor.digest)
        self._reader = image.source.open_blob(descriptor)
        self._stopped = stopped
        self.size = 0

    def read(self, size: int) -> bytes:
        if self._stopped():
            raise Stopped
        data = self._reader.read(size)
        self.size += len(data)
        if self.size > self._descriptor.size:
            raise IntegrityError(f"the blob has more than the {self._descriptor.size} bytes of its descriptor")
        self._hash.update(data)
        return data

    def verify(self, most: int | None = None) -> None:
        """Read what is left, and compare size and digest. More than ``most`` bytes are not read, nor judged then."""
        start = self.size
        while self.read(1 << 18):
            if most is not None and self.size - start > most:
                return
        if self.size < self._descriptor.size:
            raise CorruptData(
                f"the blob ends after {self.size} of {self._descriptor.size} bytes", code="layer-truncated"
            )
        actual = self._hash.hexdigest()
        if actual != self._descriptor.digest.partition(":")[2]:
            raise IntegrityError(f"the blob's digest is {actual}")

    def close(self) -> None:
        self._reader.close()


def _hasher(digest: str) -> t.Any:
    algorithm, _colon, value = digest.partition(":")
    if algorithm not in ("sha256", "sha512"):
        raise UnsupportedImage(f"the digest {digest[:80]!r} is neither sha256 nor sha512")
    hasher = hashlib.new(algorithm)
    if len(value) != 2 * hasher.digest_size:
        raise CorruptData(f"the digest {digest[:80]!r} has not the length of {algorithm}")
    return hasher


def _stream(
    image: Image,
    layer: Layer,
    take: t.Callable[[t.Iterator[bytes]], None],
    budget: Budget,
    threaded: bool,
    stopped: t.Callable[[], bool],
) -> None:
    diff_hash = _hasher(layer.diff_id)
    blob = _Blob(image, layer.descriptor, stopped)
    try:
        unpacked = _unpacked(blob, budget, threaded)
        chunks = _in_thread(unpacked) if threaded else unpacked
        try:
            hashed = _hashed(chunks, diff_hash)
            try:
                take(hashed)
                for _chunk in hashed:
                    pass
            except CorruptData:
                # A damaged blob explains damaged content best: say that, if it is so.
                _exhaust(chunks)
                blob.verify(_DRAIN)
                raise
        finally:
            chunks.close()
        blob.verify()
    finally:
        blob.close()
    actual = diff_hash.hexdigest()
    if actual != layer.diff_id.partition(":")[2]:
        raise IntegrityError(
            f"the unpacked layer's digest is {actual}, the image's config says {layer.diff_id}",
            code="diffid-mismatch",
        )


def _unpacked(blob: _Blob, budget: Budget, threaded: bool) -> t.Generator[bytes, None, None]:
    pieces = iter(lambda: blob.read(INPUT_STEP), b"")
    fetched = _in_thread(pieces) if threaded else pieces
    taken = 0

    def take(_size: int) -> bytes:
        nonlocal taken
        piece = next(fetched, b"")
        taken += len(piece)
        return piece

    counted = 0
    try:
        for chunk in decompress(take):
            budget.add_bytes(taken - counted, len(chunk))
            counted = taken
            yield chunk
    finally:
        if isinstance(fetched, t.Generator):
            fetched.close()


def _hashed(chunks: t.Iterator[bytes], hasher: t.Any) -> t.Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk


def _exhaust(chunks: t.Iterator[bytes]) -> None:
    try:
        for _chunk in chunks:
            pass
    except CorruptData:
        pass


def _in_thread(chunks: t.Iterator[bytes]) -> t.Generator[bytes, None, None]:
    """The same chunks, made in another thread, a few ahead."""
    import queue

    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(_QUEUE)
    closed = False

    def produce() -> None:
        end: BaseException | None = None
        try:
            for chunk in chunks:
                ready.put(chunk)
                if closed:
                    return
        except BaseException as error:  # noqa: BLE001 - carried to the consumer
            end = error
        ready.put(end)

    producer = threading.Thread(target=produce, daemon=True)
    producer.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, bytes):
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        closed = True
        while producer.is_alive():
            try:
                ready.get(timeout=0.01)
            except queue.Empty:
                continue
        producer.join()
