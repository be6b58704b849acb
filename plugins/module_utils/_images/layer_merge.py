# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge the records of layers into the files that a process in the container would see. Standard library only."""

from __future__ import annotations

import typing as t

from .file_selection import FileSelection
from .layer_records import LayerRecord
from .model import KeptFile, Problem
from .overlay import Content, Interest, Links, ResolvedPath, Tree, join, matches
from .symlinks import SymlinkLoop
from .tar import FILE, FOLDER


class LayerMerge:
    """The layers of one image, merged as often as more becomes known.

    ``problems``, ``layer_files`` (of folders that are reported by layer), ``crossed`` (symlinked folders that names go
    through) and ``places`` (wanted file -> real path) are those of the last merge.
    """

    def __init__(self, selection: FileSelection, interest: Interest) -> None:
        self._wanted = selection
        self._interest = interest
        self.problems: dict[Problem, None] = {}
        self.layer_files: list[KeptFile] = []
        self.crossed: frozenset[str] = frozenset()
        self.places: dict[str, str] = {}

    def merge(self, stacked: list[LayerRecord]) -> tuple[set[str], dict[str, KeptFile]]:
        """(folders in which more must be known, files)."""
        interest = self._interest
        self.problems = {}
        self.layer_files = []
        interest.added.clear()
        links = Links()
        for number, record in enumerate(stacked):
            for path, target in record.links:
                links.add(path, target, number)

        def populated(folder: str) -> bool:
            return any(record.names_in(folder) for record in stacked)

        def crossed(path: str, layer: int) -> bool:
            return any(record.names_in(path) for record in stacked[layer:])

        links.widen(interest, crossed, populated)
        self.crossed = frozenset(links.crossed)
        files: dict[str, KeptFile] = {}
        if not interest.added:
            tree = Tree()
            unknown: set[str] = set()
            for number, record in enumerate(stacked):
                tree.apply(number, record.events, interest.covers, unknown)
                if not unknown:
                    self._report_layer(number, record, tree)
            for path in unknown:
                interest.add(path)
            if not unknown:
                files = self._resolve(tree, lambda path: links.decided(path, populated))
            if interest.added:
                links.widen(interest, crossed, populated)
        return interest.added, files

    def _resolve(self, tree: Tree, decided: t.Callable[[str], bool]) -> dict[str, KeptFile]:
        interest = self._interest
        files: dict[str, KeptFile] = {}
        places = self.places = {}

        def sees(path: str) -> bool:
            return interest.sees(path) or not decided(path)

        def complete(path: str) -> bool:
            return interest.covers(path) or path in interest.folders or not decided(path)

        def find(asked: str, place: str) -> ResolvedPath | list[str]:
            try:
                return tree.find(place, sees, complete)
            except SymlinkLoop:
                self._problem("symlink-loop", f"{asked}: too many symlinks")
                return []

        def take(asked: str, place: str) -> None:
            resolved = find(asked, place)
            if isinstance(resolved, list):
                for path in resolved:
                    interest.add(path)
            elif resolved.kind is FILE:
                content = t.cast(Content, resolved.content)  # files have one
                places[asked] = resolved.path
                if content.data is not None:
                    files[asked] = KeptFile(asked, content.data, resolved.layer)
                elif content.why:
                    self._problem("file-not-read", f"{asked}: {content.why}")
                elif not interest.add(resolved.path):
                    self._problem("file-not-read", f"{asked}: its content cannot be told from the layers")
            elif resolved.kind:
                kind = "a folder" if resolved.kind is FOLDER else "a device, a pipe or a socket"
                self._problem("not-a-file", f"{asked}: it is {kind}, not a file")

        for asked, place in self._wanted.places(places):
            take(asked, place)
        for folder in sorted(self._wanted.folders):
            patterns = self._wanted.folders[folder]
            resolved = find(folder, folder)
            if isinstance(resolved, list):
                for path in resolved:
                    interest.add_folder(path, patterns)
            elif resolved.kind is FOLDER:
                if decided(join(resolved.path, "x")) and interest.add_folder(resolved.path, patterns):
                    continue
                for name in resolved.children:
                    if matches(name, patterns):
                        take(join(folder, name), join(resolved.path, name))
            elif resolved.kind:
                self._problem("not-a-folder", f"{folder}: it is not a folder")
        return files

    def _report_layer(self, number: int, record: LayerRecord, tree: Tree) -> None:
        """Note the files that one layer brought into the folders that are reported by layer."""
        for asked, name, content in record.files:
            if content is None:
                try:
                    resolved = tree.find(name, lambda _path: True, lambda _path: True)
                except SymlinkLoop:
                    continue
                content = None if isinstance(resolved, list) else resolved.content
            if content is None:
                continue
            if content.data is not None:
                self.layer_files.append(KeptFile(asked, content.data, number))
            elif content.why:
                self._problem("file-not-read", f"{asked}: in layer {number + 1}, {content.why}")

    def _problem(self, code: str, message: str) -> None:
        self.problems[Problem(code, message)] = None
