# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a root folder into the folder where an image would be unpacked. Standard library only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .._core.errors import InputError, LimitExceeded
from .limits import DEFAULT_LIMITS, Budget, Limits
from .overlay import join, parent_of
from .unpack_metadata import may_own, metadata_of
from .unpack_root import FOLDER_FLAGS, Unpacked, UnpackedRoot, unpack_failure

_STEP = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def copy_folder(source: str, root: Path, *, limits: Limits = DEFAULT_LIMITS, owning: bool | None = None) -> Unpacked:
    """Copy the root folder ``source`` (an image that is mounted, perhaps) into the empty folder ``root``.

    What may not be read becomes a problem (``unreadable``). Raises InputError, LimitExceeded and ScanError.
    """
    budget = Budget(limits)
    try:
        handle = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise InputError(f"the root folder cannot be opened: {error}", subject=source) from error
    try:
        with UnpackedRoot(root, budget, may_own() if owning is None else owning) as target:
            _Copy(target, budget).run(handle)
            return target.result()
    finally:
        os.close(handle)


class _Copy:
    """One root folder being copied."""

    def __init__(self, root: UnpackedRoot, budget: Budget) -> None:
        self._root = root
        self._budget = budget
        self._links: dict[tuple[int, int], str] = {}
        self._written = 0

    def run(self, source: int) -> None:
        """Copy all that is in an open folder."""
        self._root.dress_top(metadata_of(os.fstat(source)))
        stack = [("", os.dup(source))]
        try:
            while stack:
                path, handle = stack.pop()
                try:
                    self._folder(path, handle, stack)
                finally:
                    os.close(handle)
        finally:
            for _path, handle in stack:
                os.close(handle)

    def _folder(self, path: str, handle: int, stack: list[tuple[str, int]]) -> None:
        try:
            names = sorted(os.listdir(handle))
        except OSError as error:
            self._unreadable(path, error)
            return
        self._budget.add_entries(len(names))
        if names and path.count("/") + 2 > self._budget.limits.path_depth:
            raise LimitExceeded(
                f"folders are more than {self._budget.limits.path_depth} deep: {path[:60]!r}...", code="limit-path"
            )
        for name in names:
            entry_path = join(path, name)
            try:
                self._entry(entry_path, handle, name, stack)
            except OSError as error:
                raise unpack_failure(error, entry_path) from error

    def _entry(self, path: str, source: int, name: str, stack: list[tuple[str, int]]) -> None:
        root = self._root
        place = root.parent(parent_of(path))[1]
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        metadata = metadata_of(status)
        if stat.S_ISDIR(status.st_mode):
            root.make_folder(path, place, name, metadata)
            try:
                stack.append((path, os.open(name, FOLDER_FLAGS, dir_fd=source)))
            except PermissionError as error:
                self._unreadable(path, error)
        elif stat.S_ISLNK(status.st_mode):
            root.make_symlink(path, place, name, os.readlink(name, dir_fd=source), metadata)
        elif stat.S_ISREG(status.st_mode):
            self._file(path, source, name, place, status)
        else:
            root.specials += 1

    def _file(self, path: str, source: int, name: str, place: int, status: os.stat_result) -> None:
        root = self._root
        key = (status.st_dev, status.st_ino)
        first_path = self._links.get(key) if status.st_nlink > 1 else None
        if first_path is not None:
            first_folder = root.parent(parent_of(first_path))[1]
            root.make_link(path, place, name, first_path, first_folder)
            return
        try:
            handle = os.open(name, _READ, dir_fd=source)
        except PermissionError as error:
            self._unreadable(path, error)
            return
        try:
            writer = root.make_file(path, place, name, metadata_of(status))
            try:
                while True:
                    data = os.read(handle, _STEP)
                    if not data:
                        break
                    self._written += len(data)
                    # Nothing is compressed here, so nothing expands.
                    self._budget.add_bytes(len(data), len(data))
                    writer.write(memoryview(data))
                writer.finish()
            finally:
                writer.close()
        finally:
            os.close(handle)
        if status.st_nlink > 1:
            self._budget.add_index(200 + len(path))
            self._links[key] = path

    def _unreadable(self, path: str, error: OSError) -> None:
        self._root.unseen("unreadable", f"{path or '/'}: {error.strerror or error}")
