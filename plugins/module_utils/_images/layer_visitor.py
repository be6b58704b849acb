# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See each entry of a layer, and note what bears on the paths of interest. Standard library only: the pod runs this."""

from __future__ import annotations

import typing as t

from .._core.errors import CorruptData
from .components import ARCHIVES, DATABASES, LOADERS, PYTHON, SHELLS, component_of
from .file_selection import SPOOL_FROM, FileSelection, Keeper
from .layer_records import LayerRecord
from .limits import Budget
from .overlay import IMPLIED, OPAQUE, WHITEOUT, Content, Interest, join, matches, parent_of
from .tar import FILE, FOLDER, HARD_LINK, SPARSE, SYMLINK, FileSink, Visit


def layer_visitor(record: LayerRecord, interest: Interest, selection: FileSelection, budget: Budget) -> Visit:
    """The function that sees each entry of a layer; it runs once for each, so it is written for speed."""
    files, above, patterns_of = interest.files, interest.above, interest.folders
    layer_folders = _asked_layer_folders(interest, selection)
    file_limit = selection.file_limit
    events, links, candidates = record.events, record.links, record.candidates
    add_folder = record.folders.add
    add_other = record.others.append
    suffixes = (*ARCHIVES, *PYTHON, "package.json")
    named = SHELLS | DATABASES
    parent = ""
    inside: list[str] = []  # wanted files that are folders in this layer
    patterns: tuple[str, ...] = patterns_of.get("", ())
    add_folder(hash(""))
    enter = _entrance(record, files, inside, budget)

    def visit(name: str, kind: str, size: int, link: str) -> FileSink | None:
        nonlocal parent, patterns
        folder, _slash, base = name.rpartition("/")
        if base[:4] == ".wh.":
            _whiteout(record, folder, base, budget)
            return None
        if folder != parent:
            parent = folder
            enter(folder)
            patterns = patterns_of.get(folder, ())
            if inside and any(folder == path or folder.startswith(path + "/") for path in inside):
                events.append((folder, IMPLIED, "", None))
                budget.add_index(200)
        if kind is not FOLDER:
            add_other(hash(name))
            if kind is SYMLINK:
                links.append((name, link))
                budget.add_index(200 + len(name) + len(link))
        if base.endswith(suffixes) or base in named or base.startswith(LOADERS):
            component = component_of(folder, base, kind)
            if component:
                candidates[name] = component
                budget.add_index(200 + len(name))
            else:
                candidates.pop(name, None)
            if kind is FOLDER:
                add_folder(hash(name))
        is_wanted = name in files or (bool(patterns) and matches(base, patterns))
        if not is_wanted and name not in above:
            return None
        if not name:
            if kind is not FOLDER:
                raise CorruptData("an entry makes the root something else than a folder", code="layer-entry")
            return None
        budget.add_index(300 + len(name) + len(link))
        content: Content | None = None
        sink: FileSink | None = None
        if kind is FILE or kind is SPARSE:
            content, sink = _content(kind, size, is_wanted, file_limit, budget)
            kind = FILE
        if is_wanted and folder in layer_folders and (content is not None or kind is HARD_LINK):
            record.files.extend(
                (join(asked, base), name, content)
                for asked in layer_folders[folder]
                if matches(base, selection.folders[asked])
            )
        events.append((name, kind, link, content))
        return sink

    return visit


def _entrance(
    record: LayerRecord, files: t.Container[str], inside: list[str], budget: Budget
) -> t.Callable[[str], None]:
    """The function that notes a folder, and all above it, when entries in it begin.

    ``inside`` gets the ``files`` that are folders in this layer.
    """
    folders, add_folder, candidates = record.folders, record.folders.add, record.candidates

    def enter(path: str) -> None:
        cost = 0
        while path:
            key = hash(path)
            if key in folders:
                break
            add_folder(key)
            cost += 130
            if path.endswith(PYTHON):
                candidates[path] = "python"
                cost += 200
            if path in files:
                inside.append(path)
            path = path.rpartition("/")[0]
        if cost:
            budget.add_index(cost)

    return enter


def _content(kind: str, size: int, is_wanted: bool, file_limit: int, budget: Budget) -> tuple[Content, FileSink | None]:
    """The content of a file, and what takes it where it is to be kept."""
    content = Content(size)
    if kind is SPARSE:
        content.why = "it is stored as a sparse file, which is not expanded"
    elif is_wanted and size > file_limit:
        content.why = f"it has {size} bytes, more than {file_limit}"
    elif is_wanted:
        budget.add_kept(size)
        if size <= SPOOL_FROM:
            budget.add_index(size)
        return content, Keeper(content)
    return content, None


def _asked_layer_folders(interest: Interest, selection: FileSelection) -> dict[str, list[str]]:
    """Folder as named in a layer -> folders as asked for."""
    asked = selection.layer_folders
    return {folder: sorted(origins & asked) for folder, origins in interest.origins.items() if origins & asked}


def _whiteout(record: LayerRecord, folder: str, base: str, budget: Budget) -> None:
    """Note what a whiteout hides in the layers below."""
    budget.add_index(300 + 2 * len(folder) + len(base))
    above = folder
    while above and hash(above) not in record.whiteout_folders:
        record.whiteout_folders.add(hash(above))
        budget.add_index(130)
        above = parent_of(above)
    if base == ".wh..wh..opq":
        record.opaques.add(folder)
        record.events.append((folder, OPAQUE, "", None))
        return
    name = base[4:]
    if name in ("", ".", ".."):
        raise CorruptData(f"the whiteout {join(folder, base)!r} names no file", code="layer-entry")
    path = join(folder, name)
    record.whiteouts.add(path)
    record.events.append((path, WHITEOUT, "", None))
