# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack an image into a folder, for programs that need to see the whole root.

Layers are applied lowest first, as umoci does (see ``overlay.Tree``, the same rules in memory). Nothing is followed by
the kernel: each folder is opened on its own, relative to the one above it, and symlinks are resolved here, inside the
root. Owners and modes that the disk cannot have (we are not root; nobody could read a file of mode 0) are recorded.
Devices, pipes and sockets are counted, not made: a program that opens one may hang. Standard library only: the scanner
pod runs this file.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from .._core.errors import ScanError
from .layers import in_layer, stream_layer
from .limits import DEFAULT_LIMITS, Budget, Limits
from .model import Image
from .tar import FileSink, Visit, walk_tar
from .unpack_layer import LayerUnpacker
from .unpack_metadata import may_own
from .unpack_root import Unpacked, UnpackedRoot


def unpack(
    image: Image, root: Path, *, limits: Limits = DEFAULT_LIMITS, threads: int = 2, owning: bool | None = None
) -> Unpacked:
    """Unpack an image into the empty folder ``root``.

    ``limits.uncompressed`` bounds what is written. ``threads`` above 1: fetch and decompress beside writing.
    ``owning``: see ``may_own``, which decides when it is None. Raises ScanError for everything that makes the root
    another one than the image's: what ``read_root`` raises, and ``unpack-no-space``, ``unpack-failed``.
    """
    with Unpacking(image, root, limits=limits, owning=owning) as unpacking:
        for number in range(len(image.layers)):
            unpacking.read(number, threaded=threads > 1)
        return unpacking.result()


class Unpacking:
    """An image being unpacked, for who reads its layers anyway: they are fetched and decompressed once.

    Every layer, the lowest first, is to be given to ``walk``, or to ``read`` by its number. What goes wrong in here
    ends the unpacking alone: ``result`` raises it, as ``unpack`` does. A context manager.
    """

    def __init__(
        self, image: Image, root: Path, *, limits: Limits = DEFAULT_LIMITS, owning: bool | None = None
    ) -> None:
        self._image = image
        self._budget = Budget(limits)
        self._root = UnpackedRoot(root, self._budget, may_own() if owning is None else owning)
        #: What ended it.
        self.error: ScanError | None = None

    def __enter__(self) -> Unpacking:
        try:
            self._root.__enter__()
        except ScanError as error:
            self.error = error
        return self

    def __exit__(self, *_details: object) -> None:
        self._root.close()

    def read(self, number: int, *, threaded: bool) -> None:
        """Fetch a layer, and unpack it."""
        if self.error is not None:
            return
        layer = LayerUnpacker(self._root, number)

        def apply(chunks: t.Iterator[bytes]) -> None:
            walk_tar(chunks, layer.visit, self._budget, layer.header)

        try:
            described = self._image.layers[number]
            stream_layer(self._image, described, apply, self._budget, name=self._name(number), threaded=threaded)
        except ScanError as error:
            self.error = error
        finally:
            layer.close()

    def walk(self, number: int, chunks: t.Iterator[bytes], visit: Visit, budget: Budget) -> None:
        """``walk_tar`` over the chunks of a layer, which unpacks it on the way."""
        layer = LayerUnpacker(self._root, number)

        def fail(error: ScanError) -> None:
            if self.error is None:
                self.error = in_layer(error, self._image, self._image.layers[number], self._name(number))

        def counted() -> t.Iterator[bytes]:
            for chunk in chunks:
                if self.error is None:
                    try:
                        # Whether it expands too much, the other budget says.
                        self._budget.add_bytes(len(chunk), len(chunk))
                    except ScanError as error:
                        fail(error)
                yield chunk

        def see(name: str, kind: str, size: int, link: str) -> FileSink | None:
            sink = visit(name, kind, size, link)
            if self.error is not None:
                return sink
            try:
                writer = layer.visit(name, kind, size, link)
            except ScanError as error:
                fail(error)
                return sink
            return sink if writer is None else _Sinks(self, writer, fail, sink)

        before = budget.entries
        try:
            walk_tar(counted(), see, budget, layer.header)
        finally:
            layer.close()
        try:
            self._budget.add_entries(budget.entries - before)
        except ScanError as error:
            fail(error)

    def _name(self, number: int) -> str:
        return f"layer {number + 1} of {len(self._image.layers)}"

    def result(self) -> Unpacked:
        """Return the unpacked content, once every layer was read and verified."""
        if self.error is not None:
            raise self.error
        return self._root.result()


class _Sinks:
    """Gives the content of one file to its writer, as long as the image is unpacked, and to another sink."""

    __slots__ = ("_fail", "_other", "_unpacking", "_writer")

    def __init__(
        self, unpacking: Unpacking, writer: FileSink, fail: t.Callable[[ScanError], None], reader_sink: FileSink | None
    ) -> None:
        self._unpacking = unpacking
        self._writer = writer
        self._fail = fail
        self._other = reader_sink

    def write(self, data: memoryview) -> None:
        """Take the next bytes."""
        if self._other is not None:
            self._other.write(data)
        if self._unpacking.error is None:
            try:
                self._writer.write(data)
            except ScanError as error:
                self._fail(error)

    def finish(self) -> None:
        """All bytes were given."""
        if self._other is not None:
            self._other.finish()
        if self._unpacking.error is None:
            try:
                self._writer.finish()
            except ScanError as error:
                self._fail(error)
