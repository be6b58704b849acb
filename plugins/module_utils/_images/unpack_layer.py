# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply one layer to the folder that an image is unpacked into. Standard library only."""

from __future__ import annotations

import os

from .._core.errors import CorruptData
from .overlay import join, parent_of
from .tar import FOLDER, HARD_LINK, SPARSE, SPECIAL, SYMLINK, FileSink, Header, clean_name
from .unpack_metadata import Metadata
from .unpack_root import FileWriter, UnpackedRoot, kind_at, unpack_failure

_COST = 60  # bytes of memory for one path that is remembered by its hash
_LAST_OWNER = (1 << 32) - 1  # of user and group ids


class LayerUnpacker:
    """One layer being applied."""

    def __init__(self, root: UnpackedRoot, number: int) -> None:
        self.header = Header()
        self._root = root
        self._lowest = number == 0
        # Hashes of the real paths that this layer made, and of the folders above them.
        self._made: set[int] = set()
        self._writer: FileWriter | None = None

    def close(self) -> None:
        """Give back what is open."""
        if self._writer is not None:
            self._writer.close()

    def visit(self, name: str, kind: str, _size: int, link: str) -> FileSink | None:
        """Make one entry; its content goes where that says."""
        try:
            return self._put(name, kind, link)
        except OSError as error:
            raise unpack_failure(error, name) from error

    def _metadata(self, name: str) -> Metadata:
        header = self.header
        metadata = Metadata(header.mode, *header.owner, header.modified)
        if max(metadata.uid, metadata.gid) > _LAST_OWNER:
            raise CorruptData(f"the owner of {name!r} is impossible: {metadata.uid}:{metadata.gid}", code="layer-entry")
        return metadata

    def _put(self, name: str, kind: str, link: str) -> FileSink | None:
        root = self._root
        folder, _slash, base = name.rpartition("/")
        if base[:4] == ".wh.":
            self._whiteout(folder, base)
            return None
        metadata = self._metadata(name)
        if not name:
            if kind is not FOLDER:
                raise CorruptData("an entry makes the root something else than a folder", code="layer-entry")
            root.dress_top(metadata)
            return None
        place = root.parent(folder)[0]
        path = join(place, base)
        if not self._lowest:
            self._made_here(path)
        if kind is FOLDER:
            if kind_at(root.parent(folder)[1], base) not in ("", FOLDER):
                root.remove(place, base)
            root.make_folder(path, root.parent(folder)[1], base, metadata)
        elif kind is SPECIAL:
            root.remove(place, base)
            root.specials += 1
            self._unmade(path)
        elif kind is SPARSE:
            root.remove(place, base)
            root.unseen("file-not-unpacked", f"{path}: it is stored as a sparse file, which is not expanded")
            self._unmade(path)
        elif kind is HARD_LINK:
            self._link(name, folder, base, clean_name(link))
        elif kind is SYMLINK:
            root.place(folder, base, lambda path, above: root.make_symlink(path, above, base, link, metadata))
        else:
            root.capabilities += "security.capability" in self.header.attributes
            self._writer = root.place(folder, base, lambda path, above: root.make_file(path, above, base, metadata))
            return self._writer
        return None

    def _unmade(self, path: str) -> None:
        self._root.budget.add_index(200 + len(path))
        self._root.unmade.add(path)

    def _link(self, name: str, folder: str, base: str, target: str) -> None:
        root = self._root
        own = target.rpartition("/")[2]
        source = root.folder(parent_of(target), create=False)
        kind = kind_at(source[1], own) if source else ""
        path = join(root.parent(folder)[0], base)
        source_path = join(source[0], own) if source else ""
        if source_path in root.unmade and not kind:
            root.remove(parent_of(path), base)
            self._unmade(path)
            return
        if source is None or not kind or source_path == path:
            raise CorruptData(f"the hard link {name!r} points to nothing: {target!r}", code="layer-entry")
        if kind is FOLDER:
            raise CorruptData(f"the hard link {name!r} points to the folder {target!r}", code="layer-entry")
        held = os.dup(source[1])
        try:
            # The link's own metadata count for nothing: they are its target's.
            root.place(folder, base, lambda path, above: root.make_link(path, above, base, source_path, held))
        finally:
            os.close(held)

    # Whiteouts: they delete what lower layers brought; what this layer brought stays, wherever it stands.

    def _made_here(self, path: str) -> None:
        while path:
            key = hash(path)
            if key in self._made:
                return
            self._made.add(key)
            self._root.budget.add_index(_COST)
            path = parent_of(path)

    def _whiteout(self, folder: str, base: str) -> None:
        name = base[4:]
        opaque = base == ".wh..wh..opq"
        if not opaque and name in ("", ".", ".."):
            raise CorruptData(f"the whiteout {join(folder, base)!r} names no file", code="layer-entry")
        if self._lowest:
            return
        opened = self._root.folder(folder, create=False)
        if opened is not None:
            place, above = opened
            for child in os.listdir(above) if opaque else [name]:  # noqa: PTH208 - an open folder
                self._hide(place, child)

    def _hide(self, folder: str, name: str) -> None:
        path = join(folder, name)
        if hash(path) not in self._made:
            self._root.remove(folder, name)
            return
        # A symlink stands for itself here.
        if kind_at(self._root.parent(folder)[1], name) is FOLDER:
            for child in os.listdir(self._root.parent(path)[1]):  # noqa: PTH208 - an open folder
                self._hide(path, child)
