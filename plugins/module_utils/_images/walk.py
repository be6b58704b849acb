# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a few files out of the layers of an image, without unpacking it.

Every layer is streamed once: fetched, hashed, decompressed, hashed again (diffID), and its tar headers walked. Only
what ``FileSelection`` asks for is kept, with all symlinks, whiteouts and hard links that bear on it; then the layers
are merged (see ``overlay``). Where that shows that another path matters (a hard link to a file that nobody asked for),
the layers that may have it are streamed again. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import functools
import threading
import typing as t

from .._core.errors import LimitExceeded
from . import stargz
from .components import COMPONENTS, DATABASE, LOADER
from .file_selection import FileSelection
from .layer_merge import LayerMerge
from .layer_records import LayerRecord, program_visitor, visible_components
from .layer_visitor import layer_visitor
from .layers import Stopped, stream_layer
from .limits import DEFAULT_LIMITS, MIB, Budget, Limits
from .model import Image, KeptFile, Layer, Problem, RootContent
from .overlay import Interest
from .tar import Visit, walk_tar

if t.TYPE_CHECKING:
    from .unpack import Unpacking

_PASSES = 10
_Walk = t.Callable[[t.Iterator[bytes], Visit, Budget], None]


def read_root(
    image: Image,
    selection: FileSelection,
    *,
    limits: Limits = DEFAULT_LIMITS,
    threads: int = 2,
    beside: Unpacking | None = None,
) -> RootContent:
    """Read what is wanted out of an image.

    ``threads`` layers at once, each with a thread that fetches, one that decompresses and one that walks; 1 means: no
    threads at all. ``beside``: unpacks the image at the same time; layers are then read one after the other.
    Raises ``IntegrityError`` (``digest-mismatch``, ``diffid-mismatch``), ``CorruptData``, ``LimitExceeded``,
    ``UnsupportedImage`` and whatever the image's source raises; each names the layer.

    The numbers of ``unexamined`` include what RPM packages installed: Python distributions and node modules that
    belong to a package cannot be told apart here. An entry that goes through a symlinked folder is counted under the
    name that it has in its layer, and always as visible: a number may be off there, but is not 0 for what is visible.
    """
    return _ImageReading(image, selection, limits, threads).run(beside)


class _ImageReading:
    """One image being read."""

    def __init__(self, image: Image, selection: FileSelection, limits: Limits, threads: int) -> None:
        self._image = image
        self._wanted = selection
        self._budget = Budget(limits)
        self._threads = threads
        self._interest = Interest(selection.files, selection.folders)
        self._stop = False
        self._merge = LayerMerge(selection, self._interest)

    def run(self, beside: Unpacking | None) -> RootContent:
        image = self._image
        # glibc gives memory of freed blocks larger than a threshold back to the kernel, which then has to clear it for
        # the next block. Freeing one large, never touched block lifts the threshold: a tenth of the time is saved.
        bytes(16 * MIB)
        layers, slots = _different_layers(image.layers)
        if beside is None:
            records = self._read(layers, range(len(layers)), [None] * len(layers))
        else:
            records = self._read_beside(slots, beside)
        entries = self._budget.entries
        records, files = self._merge_all(layers, slots, records)
        stacked = [records[slot] for slot in slots]
        components = visible_components(stacked, self._merge.crossed)
        if not (files or self._merge.problems or any(components.values())):
            self._look_for_programs(layers, records)
            components = visible_components(stacked, self._merge.crossed)
        expected = {*self._wanted.files, *self._merge.places.values()}
        counts = {kind: len(components[kind]) for kind in COMPONENTS}
        return RootContent(
            files=files,
            layer_files=tuple(self._merge.layer_files),
            unexamined=counts,
            entries=entries,
            is_dynamic=bool(components[LOADER]),
            problems=(*self._merge.problems, *_table_problems(stacked)),
            stray_databases=tuple(sorted(set(components[DATABASE]) - expected)),
        )

    def _merge_all(
        self, layers: list[Layer], slots: t.Sequence[int], records: list[LayerRecord]
    ) -> tuple[list[LayerRecord], dict[str, KeptFile]]:
        """Merge the records, and read again what has more paths than were recorded, until that is all."""
        for _pass in range(_PASSES):
            needed, files = self._merge.merge([records[slot] for slot in slots])
            if not needed:
                return records, files
            again = [
                number for number, record in enumerate(records) if any(record.names_in(folder) for folder in needed)
            ]
            self._budget.begin_pass()
            records = self._read(layers, again, records)
        raise LimitExceeded(
            f"symlinks and hard links would need more than {_PASSES} passes over the layers",
            code="limit-paths",
            subject=self._image.reference,
        )

    def _read(
        self, layers: list[Layer], numbers: t.Iterable[int], known_records: t.Sequence[LayerRecord | None]
    ) -> list[LayerRecord]:
        """Read some layers; the others keep the record that they have."""
        records = list(known_records)
        # The largest first: the threads then end at about the same time.
        todo = sorted(numbers, key=lambda number: layers[number].descriptor.size)
        errors: dict[int, BaseException] = {}

        def work() -> None:
            while todo and not self._stop:
                try:
                    number = todo.pop()
                except IndexError:
                    return
                try:
                    records[number] = self._read_layer(layers[number], number, len(layers))
                except Stopped:
                    return
                except BaseException as error:  # noqa: BLE001 - carried to the calling thread
                    errors[number] = error
                    self._stop = True
                    return

        if self._threads > 1:
            workers = [threading.Thread(target=work, daemon=True) for _attempt in range(min(self._threads, len(todo)))]
            try:
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
            finally:
                self._stop = True
            self._stop = bool(errors)
        else:
            work()
        for number in sorted(errors):
            raise errors[number]
        return t.cast("list[LayerRecord]", records)

    def _read_beside(self, slots: t.Sequence[int], beside: Unpacking) -> list[LayerRecord]:
        """Read every layer once, in the order in which they are unpacked. ``slots``: where each layer's record goes."""
        records: list[LayerRecord] = []
        layers = self._image.layers
        for number, layer in enumerate(layers):
            if slots[number] < len(records):
                beside.read(number, threaded=self._threads > 1)
            else:
                walk = functools.partial(beside.walk, number)
                records.append(self._read_layer(layer, number, len(layers), walk))
        return records

    def _read_layer(self, layer: Layer, number: int, of: int, walk: _Walk = walk_tar) -> LayerRecord:
        record = LayerRecord()
        visitor = layer_visitor(record, self._interest, self._wanted, self._budget)
        digest = layer.descriptor.annotations.get(stargz.DIGEST_ANNOTATION)
        table = None if digest is None else stargz.TableOfContents(digest, self._budget)
        if table is not None:
            visitor = table.watch(visitor)
        stream_layer(
            self._image,
            layer,
            lambda chunks: walk(chunks, visitor, self._budget),
            self._budget,
            name=f"layer {number + 1} of {of}",
            threaded=self._threads > 1,
            stopped=lambda: self._stop,
        )
        if table is not None:
            contents = {name: content for name, kind, _link, content in record.events if content is not None}
            record.table_problem = table.difference(contents)
        return record

    def _look_for_programs(self, layers: t.Sequence[Layer], records: t.Sequence[LayerRecord]) -> None:
        """Stream the layers once more, for what shows that a root without a known file is not one of static programs.

        Only small images come here. A link counts as what it leads to, if that is in the same layer; else as dynamic.
        """
        self._budget.begin_pass()
        for number, (layer, record) in enumerate(zip(layers, records)):
            stream_layer(
                self._image,
                layer,
                functools.partial(walk_tar, visit=program_visitor(record, self._budget), budget=self._budget),
                self._budget,
                name=f"layer {number + 1} of {len(layers)}",
                threaded=self._threads > 1,
            )


def _different_layers(layers: t.Iterable[Layer]) -> tuple[list[Layer], list[int]]:
    """(layers to read, number in them of each layer): the same one, as the empty one of old builders, is read once."""
    numbers: dict[tuple[str, int, str], int] = {}
    different: list[Layer] = []
    slots: list[int] = []
    for layer in layers:
        key = (layer.descriptor.digest, layer.descriptor.size, layer.diff_id)
        if key not in numbers:
            numbers[key] = len(different)
            different.append(layer)
        slots.append(numbers[key])
    return different, slots


def _table_problems(stacked: t.Sequence[LayerRecord]) -> t.Iterator[Problem]:
    """Layers of which nodes with a lazy snapshotter would mount something else than what was read."""
    for number, record in enumerate(stacked, 1):
        if record.table_problem:
            yield Problem(
                "layer-ambiguous",
                f"layer {number} has an eStargz table of contents that differs: {record.table_problem}; build the image"
                " again with a current tool, or without lazy pulling",
            )
