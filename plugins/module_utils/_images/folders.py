# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a few files out of an unpacked root folder, as a process whose root it were would read them.

Symlinks never lead out of the folder: each component is opened on its own, relative to the folder above it, and not
followed by the kernel. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
import typing as t

from .._core.errors import InputError, LimitExceeded
from .components import COMPONENTS, DATABASE, LOADER, component_of
from .file_selection import SPOOL_FROM, FileSelection, Keeper
from .limits import DEFAULT_LIMITS, Budget, Limits
from .model import KeptFile, Problem, RootContent
from .overlay import Content, join, matches
from .programs import HEAD, ProgramReader, is_trace
from .symlinks import PathSteps, SymlinkLoop
from .tar import FILE, FOLDER, SYMLINK

_NAMED_PROBLEMS = 20
_STEP = 1 << 20
_ENTRY_STEP = 256
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG))
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


def read_folder(path: str, selection: FileSelection, *, limits: Limits = DEFAULT_LIMITS) -> RootContent:
    """Read what is wanted out of the root folder at ``path``; everything counts as layer 0.

    What may not be read becomes a problem (``unreadable``): also a folder anywhere in the tree, since it may hold
    components. Special files are ignored unless they were asked for. Raises ``InputError`` and ``LimitExceeded``.
    """
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except (OSError, ValueError) as error:
        raise InputError(f"the root folder cannot be opened: {error}", subject=path)
    try:
        return _Folder(root, selection, limits).read()
    finally:
        os.close(root)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a path leads. ``handle`` is open for a folder or a regular file, and whoever asked closes it.

    ``path``: of a regular file, the real one, without links.
    """

    kind: str
    handle: int = -1
    path: str = ""


#: Path, open folder and what it still has to give.
_Scan = tuple[str, int, t.Iterator["os.DirEntry[str]"]]


class _Folder:
    """One root folder being read."""

    def __init__(self, root: int, selection: FileSelection, limits: Limits) -> None:
        self._root = root
        self._wanted = selection
        self._limits = limits
        self._budget = Budget(limits)
        self._problems: list[Problem] = []
        self._unreadable = 0
        self._places: dict[str, str] = {}

    def read(self) -> RootContent:
        files = self._read_wanted()
        counts, databases = self._count()
        is_dynamic = counts[LOADER] > 0 or (
            not (files or self._problems or any(counts.values())) and self._has_programs()
        )
        if self._unreadable > _NAMED_PROBLEMS:
            more = self._unreadable - _NAMED_PROBLEMS
            self._problems.append(Problem("unreadable", f"{more} more files or folders could not be read"))
        return RootContent(
            files=files,
            layer_files=tuple(
                file for path, file in files.items() if path.rpartition("/")[0] in self._wanted.layer_folders
            ),
            unexamined={kind: counts[kind] for kind in COMPONENTS},
            entries=self._budget.entries,
            is_dynamic=is_dynamic,
            problems=tuple(self._problems),
            stray_databases=tuple(
                sorted(set(databases) - {*self._wanted.files, *self._places.values()}),
            ),
        )

    def _cannot_read(self, path: str, error: OSError) -> None:
        self._unreadable += 1
        if self._unreadable <= _NAMED_PROBLEMS:
            self._problems.append(Problem("unreadable", f"{path or '/'}: {error.strerror or error}"))

    def _names(self, folder: str) -> list[str]:
        place = self._find(folder)
        if place is None:
            return []
        if place.kind != FOLDER:
            if place.handle >= 0:
                os.close(place.handle)
            self._problems.append(Problem("not-a-folder", f"{folder}: it is not a folder"))
            return []
        try:
            names = []
            with os.scandir(place.handle) as entries:
                for entry in entries:
                    self._budget.add_entries(1)
                    names.append(entry.name)
            return sorted(names)
        except OSError as error:
            self._cannot_read(folder, error)
            return []
        finally:
            os.close(place.handle)

    def _read_wanted(self) -> dict[str, KeptFile]:
        files: dict[str, KeptFile] = {}
        for asked, place in self._wanted.places(self._places):
            self._take(asked, place, files)
        for folder, patterns in sorted(self._wanted.folders.items()):
            for name in self._names(folder):
                if matches(name, patterns):
                    self._take(join(folder, name), join(folder, name), files)
        return files

    def _take(self, path: str, where: str, files: dict[str, KeptFile]) -> None:
        """Keep the file at ``where`` under the name ``path``."""
        place = self._find(where)
        if place is None:
            return
        if place.kind != FILE:
            if place.handle >= 0:
                os.close(place.handle)
            kind = "a folder" if place.kind == FOLDER else "a device, a pipe or a socket"
            self._problems.append(Problem("not-a-file", f"{path}: it is {kind}, not a file"))
            return
        self._places[path] = place.path
        try:
            size = os.fstat(place.handle).st_size
            if size > self._wanted.file_limit:
                message = f"{path}: it has {size} bytes, more than {self._wanted.file_limit}"
                self._problems.append(Problem("file-not-read", message))
                return
            self._budget.add_kept(size)
            if size <= SPOOL_FROM:
                self._budget.add_index(size)
            content = self._read_whole(place.handle, size)
            if content is None:
                message = f"{path}: it changed while it was read"
                self._problems.append(Problem("file-not-read", message))
                return
            files[path] = KeptFile(path, t.cast("bytes", content.data), 0)
        except OSError as error:
            self._cannot_read(path, error)
        finally:
            os.close(place.handle)

    def _read_whole(self, handle: int, size: int) -> Content | None:
        """Read an open file; None where it has another size by now."""
        content = Content(size)
        keeper = Keeper(content)
        bytes_left = size
        while bytes_left:
            data = os.read(handle, min(bytes_left, _STEP))
            if not data:
                break
            self._budget.check_time()
            keeper.write(memoryview(data))
            bytes_left -= len(data)
        if bytes_left or os.read(handle, 1):
            return None
        keeper.finish()
        return content

    def _find(self, path: str) -> _Place | None:
        """Where a path leads; None where nothing is, or where a problem was noted."""
        handles = [os.dup(self._root)]
        names: list[str] = []
        steps = PathSteps(path)
        try:
            for name in steps:
                if name == "..":
                    if len(handles) > 1:
                        os.close(handles.pop())
                        names.pop()
                    continue
                try:
                    mode = os.stat(name, dir_fd=handles[-1], follow_symlinks=False).st_mode
                except OSError as error:
                    if error.errno in _ABSENT:
                        return None
                    raise
                if stat.S_ISLNK(mode):
                    steps.expect_link()
                    target = os.readlink(name, dir_fd=handles[-1])
                    steps.follow(target)
                    if target.startswith("/"):
                        while len(handles) > 1:
                            os.close(handles.pop())
                        names.clear()
                    continue
                if stat.S_ISDIR(mode):
                    handles.append(os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=handles[-1]))
                    names.append(name)
                    if len(handles) > self._limits.path_depth:
                        raise LimitExceeded(
                            f"{path} leads more than {self._limits.path_depth} folders deep", code="limit-path"
                        )
                    continue
                if steps.left:
                    return None
                if not stat.S_ISREG(mode):
                    return _Place("special")
                handle = os.open(name, _OPEN, dir_fd=handles[-1])
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    os.close(handle)
                    return _Place("special")
                return _Place(FILE, handle, "/".join([*names, name]))
            return _Place(FOLDER, handles.pop())
        except SymlinkLoop:
            self._problems.append(Problem("symlink-loop", f"{path}: too many symlinks"))
            return None
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):  # Of what was there a moment ago, too.
                self._cannot_read(path, error)
            return None
        finally:
            for handle in handles:
                os.close(handle)

    def _count(self) -> tuple[dict[str, int], list[str]]:
        """Components in the whole tree by kind, and paths of rpm databases. Symlinks are not followed."""
        counts = dict.fromkeys((*COMPONENTS, LOADER, DATABASE), 0)
        databases: list[str] = []
        for folder, name, kind, _handle in self._entries():
            component = component_of(folder, name, kind)
            if component:
                counts[component] += 1
            if component == DATABASE:
                path = join(folder, name)
                self._budget.add_index(200 + len(path))
                databases.append(path)
        return counts, databases

    def _has_programs(self) -> bool:
        """True if the tree has what static programs alone would not have; a file that cannot be read is a problem."""
        programs: list[str] = []
        for folder, name, kind, handle in self._entries():
            path = join(folder, name)
            if is_trace(path):
                return True
            if kind == FILE:
                self._read_program(path, name, handle, programs)
            if programs:
                return True
        return False

    def _read_program(self, path: str, name: str, folder: int, programs: list[str]) -> None:
        try:
            handle = os.open(name, _OPEN, dir_fd=folder)
            try:
                reader = ProgramReader(os.fstat(handle).st_size, lambda: programs.append(path))
                while not reader.done:
                    data = os.read(handle, HEAD)
                    self._budget.check_time()
                    if not data:
                        break
                    reader.write(memoryview(data))
                reader.finish()
            finally:
                os.close(handle)
        except OSError as error:
            self._cannot_read(path, error)

    def _scan(self, path: str, name: str, above: int) -> t.Iterator[_Scan]:
        """Open a folder to list it, if that is possible."""
        try:
            handle = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=above)
        except OSError as error:
            self._cannot_read(path, error)
            return
        try:
            entries = os.scandir(handle)
        except OSError as error:
            os.close(handle)
            self._cannot_read(path, error)
            return
        yield path, handle, entries

    def _entries(self) -> t.Iterator[tuple[str, str, str, int]]:
        """(folder, name, kind, open folder) of everything but special files. Symlinks are not followed."""
        stack: list[_Scan] = []
        pending = 0
        stack.extend(self._scan("", ".", self._root))
        try:
            while stack:
                folder, handle, entries = stack[-1]
                try:
                    entry = next(entries, None)
                except OSError as error:
                    self._cannot_read(folder, error)
                    entry = None
                if entry is None:
                    stack.pop()
                    os.close(handle)
                    continue
                pending += 1
                if pending == _ENTRY_STEP:
                    self._budget.add_entries(pending)
                    pending = 0
                path = join(folder, entry.name)
                try:
                    kind = FOLDER if entry.is_dir(follow_symlinks=False) else SYMLINK if entry.is_symlink() else FILE
                    special = kind == FILE and not entry.is_file(follow_symlinks=False)
                except OSError as error:
                    self._cannot_read(path, error)
                    continue
                if special:
                    continue
                yield folder, entry.name, kind, handle
                if kind == FOLDER:
                    if len(stack) >= self._limits.path_depth:
                        raise LimitExceeded(
                            f"folders are more than {self._limits.path_depth} deep: {path[:60]!r}...", code="limit-path"
                        )
                    stack.extend(self._scan(path, entry.name, handle))
        finally:
            for _path, handle, _entries in stack:
                os.close(handle)
        self._budget.add_entries(pending)
