# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what one layer says, and tell what of it is visible in the merged root. Standard library only."""

from __future__ import annotations

import array
import functools
import typing as t

from .components import COMPONENTS, DATABASE, LOADER
from .limits import Budget
from .overlay import Content, Event, and_above, parent_of
from .programs import ProgramReader, is_trace
from .tar import FILE, FOLDER, HARD_LINK, SPARSE, FileSink, Visit, clean_name


class LayerRecord:
    """Facts of one layer about the paths of interest, and about what no RPM feed covers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.links: list[tuple[str, str]] = []
        # Hashes of the folders that entries stand in, and of all above them; the second set is that of whiteouts.
        self.folders: set[int] = set()
        self.whiteout_folders: set[int] = set()
        self.others = array.array("q")
        self.whiteouts: set[str] = set()
        self.opaques: set[str] = set()
        self.candidates: dict[str, str] = {}
        # What the layer's table of contents says otherwise than its tar.
        self.table_problem = ""
        # Files of folders that are reported by layer: path as asked for, name, content (None for a hard link).
        self.files: list[tuple[str, str, Content | None]] = []

    def names_in(self, folder: str) -> bool:
        """Return whether a name in this layer goes through a folder (or, rarely, through one with the same hash)."""
        key = hash(folder)
        return key in self.folders or key in self.whiteout_folders


def program_visitor(record: LayerRecord, budget: Budget) -> Visit:
    """The visitor of a further pass over a layer, which notes whatever static programs alone would not have.

    A hard link counts as what it leads to if that is in the same layer, else as dynamic.
    """
    names: set[int] = set()

    def mark(path: str) -> None:
        budget.add_index(200 + len(path))
        record.candidates[path] = LOADER

    def is_unknown_link(link: str) -> bool:
        if not names:
            names.update(record.others)
        target = clean_name(link)
        return record.candidates.get(target) == LOADER or hash(target) not in names

    def visit(name: str, kind: str, size: int, link: str) -> FileSink | None:
        if name.rpartition("/")[2].startswith(".wh."):
            return None
        if kind is FOLDER:
            if is_trace(name):
                mark(name + "/.")  # the folder itself would be hidden by the same folder in a layer above
        elif is_trace(name) or kind is SPARSE or (kind is HARD_LINK and is_unknown_link(link)):
            mark(name)
        elif kind is FILE:
            return ProgramReader(size, functools.partial(mark, name))
        return None

    return visit


def visible_components(stacked: t.Sequence[LayerRecord], crossed: t.Collection[str]) -> dict[str, list[str]]:
    """Paths of the components that are visible in the merged root, by kind.

    What goes through one of the symlinks ``crossed`` stands elsewhere, and is taken as visible.
    """
    top: dict[str, int] = {}
    for number, record in enumerate(stacked):
        for path in record.candidates:
            top[path] = number
    visible: dict[str, list[str]] = {kind: [] for kind in (*COMPONENTS, LOADER, DATABASE)}
    hiding = _hiding_places(stacked, top)
    hidden: dict[tuple[str, int], bool] = {}
    for path, number in top.items():
        kind = stacked[number].candidates[path]
        elsewhere = bool(crossed) and any(above in crossed for above in and_above(parent_of(path)))
        if elsewhere or not _is_hidden(path, number, kind, stacked, hiding, hidden):
            visible[kind].append(path)
    return visible


def _hiding_places(stacked: t.Sequence[LayerRecord], top: t.Iterable[str]) -> list[set[str]]:
    """The places of each layer that hide what lower layers have there and below it.

    Such a place is a whiteout, or anything that is not a folder.
    """
    paths: set[str] = set()
    for path in top:
        while path and path not in paths:
            paths.add(path)
            path = parent_of(path)
    hashes = {hash(path): path for path in paths}
    keys = set(hashes)
    return [{hashes[key] for key in keys.intersection(record.others)} | record.whiteouts for record in stacked]


def _is_hidden(
    path: str,
    number: int,
    kind: str,
    stacked: t.Sequence[LayerRecord],
    hiding: t.Sequence[set[str]],
    hidden: dict[tuple[str, int], bool],
) -> bool:
    for layer in range(number + 1, len(stacked)):
        if path in hiding[layer] or (kind != "python" and hash(path) in stacked[layer].folders):
            return True
    return _folder_hidden(parent_of(path), number, stacked, hiding, hidden)


def _folder_hidden(
    path: str,
    number: int,
    stacked: t.Sequence[LayerRecord],
    hiding: t.Sequence[set[str]],
    hidden: dict[tuple[str, int], bool],
) -> bool:
    key = (path, number)
    is_hidden = hidden.get(key)
    if is_hidden is None:
        above = range(number + 1, len(stacked))
        is_hidden = any(path in hiding[layer] or path in stacked[layer].opaques for layer in above) or (
            bool(path) and _folder_hidden(parent_of(path), number, stacked, hiding, hidden)
        )
        hidden[key] = is_hidden
    return is_hidden
