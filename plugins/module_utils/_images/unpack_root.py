# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that an image is unpacked into. Standard library only: the scanner pod runs this file.

Nothing is followed by the kernel: each folder is opened on its own, relative to the one above it, and symlinks are
resolved here, inside the root.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import stat
import typing as t
from pathlib import Path

from .._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from .limits import Budget
from .model import Problem
from .overlay import join, parent_of
from .symlinks import PathSteps
from .tar import FILE, FOLDER, SYMLINK
from .unpack_metadata import IMPLIED, Metadata, Owner, read_umask

_OPEN_FOLDERS = 64
_NAMED_PROBLEMS = 20
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TYPES = {FILE: stat.S_IFREG, FOLDER: stat.S_IFDIR, SYMLINK: stat.S_IFLNK}
_T = t.TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """Unpacked content.

    ``owning``: files have their owners and modes on disk. ``entries``: of all layers. ``bytes``: content of all regular
    files that were written, also of those that a later layer replaced. ``owners``: real path in the root -> what the
    disk could not have; a path may be gone since. ``specials``: devices, pipes and sockets that were not made.
    ``capabilities``: files with capabilities, which were not set. ``problems``: not empty means that something that
    should be there is not.
    """

    owning: bool
    entries: int
    bytes: int
    owners: t.Mapping[str, Owner]
    specials: int
    capabilities: int
    problems: tuple[Problem, ...]


class UnpackedRoot:
    """The folder that is written. Paths are real ones in the root: no symlinks, no slash at either end."""

    def __init__(self, path: Path, budget: Budget, owning: bool) -> None:
        self.budget = budget
        self._path = path
        self._owning = owning
        self._open: dict[str, tuple[str, int]] = {}
        self._top = -1
        self._inherits = False  # whether some folder gives its group to what is made in it
        self._owners: dict[str, Owner] = {}
        self._problems: list[Problem] = []
        self._unseen = 0
        #: Real paths of what was in a layer and is not made: a hard link to it is not an error.
        self.unmade: set[str] = set()
        self.bytes = 0
        self.specials = 0
        self.capabilities = 0
        self._umask = 0

    def __enter__(self) -> UnpackedRoot:
        try:
            self._top = os.open(self._path, FOLDER_FLAGS)
            if os.listdir(self._top):  # noqa: PTH208 - an open folder
                raise InputError("the folder to unpack into is not empty", subject=str(self._path))
            self._umask = read_umask()
            self.dress_top(IMPLIED)
        except OSError as error:
            self.close()
            raise unpack_failure(error, "the folder to unpack into") from error
        except InputError:
            self.close()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every folder."""
        self.forget()
        if self._top >= 0:
            os.close(self._top)
            self._top = -1

    def result(self) -> Unpacked:
        """Return the unpacked content."""
        if self._unseen > _NAMED_PROBLEMS:
            more = self._unseen - _NAMED_PROBLEMS
            self._problems.append(Problem("unreadable", f"{more} more files or folders could not be read"))
        return Unpacked(
            owning=self._owning,
            entries=self.budget.entries,
            bytes=self.bytes,
            owners=self._owners,
            specials=self.specials,
            capabilities=self.capabilities,
            problems=tuple(self._problems),
        )

    def unseen(self, code: str, message: str) -> None:
        """Something that should be there is not."""
        self._unseen += 1
        if self._unseen <= _NAMED_PROBLEMS:
            self._problems.append(Problem(code, message))

    # Folders

    def forget(self) -> None:
        """Close the folders that were kept open: a name on the way to one of them may now mean something else."""
        for _real, handle in self._open.values():
            os.close(handle)
        self._open.clear()

    def parent(self, path: str) -> tuple[str, int]:
        """As ``folder``, for a folder that is made where it is missing."""
        return t.cast("tuple[str, int]", self.folder(path, create=True))

    def place(self, folder: str, name: str, make: t.Callable[[str, int], _T]) -> _T:
        """``make(real path, open folder)`` with nothing at that place: what is there is removed first."""
        where, above = self.parent(folder)
        try:
            return make(join(where, name), above)
        except FileExistsError:
            self.remove(where, name)
            where, above = self.parent(folder)
            return make(join(where, name), above)

    def folder(self, path: str, *, create: bool) -> tuple[str, int] | None:
        """(real path, handle) of the folder that a path leads to; the handle stays this object's.

        Symlinks are followed inside the root. A missing component does not stop ``..`` behind it, as in umoci's
        lexical resolution. None where it is missing, or no folder, and not to be created.
        """
        if not path:
            return "", self._top
        open_folder = self._open.get(path)
        if open_folder is not None:
            return open_folder
        opened = self._walk(path, create)
        if opened is None:
            return None
        if len(self._open) >= _OPEN_FOLDERS:
            self.forget()
        self._open[path] = opened
        return opened

    def _walk(self, path: str, create: bool) -> tuple[str, int] | None:
        above = parent_of(path)
        start = self._open.get(above)
        steps = PathSteps(path)
        if start is not None:
            names = start[0].split("/") if start[0] else []
            handle = os.dup(start[1])
            del steps.left[1:]
        else:
            names, handle = [], os.dup(self._top)
        missing = 0  # how many of the names, at their end, do not exist
        try:
            for name in steps:
                if name == "..":
                    if names:
                        names.pop()
                        missing = max(0, missing - 1)
                    steps.left.extend(names[::-1])
                    names, missing, handle = [], 0, _swap(handle, os.dup(self._top))
                    continue
                if missing:
                    names.append(name)
                    missing += 1
                    continue
                try:
                    handle = _swap(handle, os.open(name, FOLDER_FLAGS, dir_fd=handle))
                    names.append(name)
                except FileNotFoundError:
                    names.append(name)
                    missing = 1
                except OSError as error:
                    # A symlink, or neither symlink nor folder.
                    if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                        raise
                    target = _read_link(name, handle)
                    if target is None:
                        if not create:
                            return None
                        inside = "/".join([*names, name])
                        raise CorruptData(
                            f"an entry stands inside {inside!r}, which is not a folder", code="layer-entry"
                        ) from error
                    steps.follow(target)
                    if not target.startswith("/"):
                        steps.left.extend(names[::-1])
                    names, handle = [], _swap(handle, os.dup(self._top))
            if missing and not create:
                return None
            for number in range(len(names) - missing, len(names)):
                above_path = "/".join(names[:number])
                self.make_folder(
                    join(above_path, names[number]), handle, names[number], self._implied(above_path, handle)
                )
                handle = _swap(handle, os.open(names[number], FOLDER_FLAGS, dir_fd=handle))
            folder, handle = handle, -1
            return "/".join(names), folder
        finally:
            if handle >= 0:
                os.close(handle)

    def _implied(self, above: str, handle: int) -> Metadata:
        """The metadata of a folder that no entry describes, as the kernel would make it for root."""
        status = os.fstat(handle)
        if not status.st_mode & stat.S_ISGID:
            return IMPLIED
        owner = self._owners.get(above)
        group = owner.gid if owner else status.st_gid if self._owning else 0
        return Metadata(IMPLIED.mode | stat.S_ISGID, 0, group, 0.0)

    # Making

    def make_folder(self, path: str, above: int, name: str, metadata: Metadata) -> None:
        """Make a folder, or give an existing one this metadata."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        handle = os.open(name, FOLDER_FLAGS, dir_fd=above)
        try:
            self.dress(handle, path, FOLDER, metadata)
        finally:
            os.close(handle)

    def dress_top(self, metadata: Metadata) -> None:
        """Give the root itself its metadata."""
        self.dress(self._top, "", FOLDER, metadata)

    def make_symlink(self, path: str, above: int, name: str, target: str, metadata: Metadata) -> None:
        """Make a symlink where nothing is."""
        os.symlink(target, name, dir_fd=above)
        self._owners.pop(path, None)
        if self._owning:
            if self._inherits or metadata[1:3] != (0, 0):
                os.chown(name, metadata.uid, metadata.gid, dir_fd=above, follow_symlinks=False)
        elif metadata[1:3] != (0, 0):
            self._record(path, SYMLINK, metadata)
        os.utime(name, (metadata.modified, metadata.modified), dir_fd=above, follow_symlinks=False)

    def make_file(self, path: str, above: int, name: str, metadata: Metadata) -> FileWriter:
        """A new regular file where nothing is; the writer gives it its metadata."""
        permissions = (metadata.mode if self._owning else metadata.mode | 0o600) & 0o777
        handle = os.open(name, _CREATE, permissions, dir_fd=above)
        return FileWriter(self, handle, path, metadata)

    def dress(self, handle: int, path: str, kind: str, metadata: Metadata) -> None:
        """Give a new file or an open folder its owner, mode and time, or record what it cannot have."""
        mode = metadata.mode
        self._owners.pop(path, None)
        if self._owning:
            if self._inherits or metadata[1:3] != (0, 0) or kind is FOLDER:
                os.fchown(handle, metadata.uid, metadata.gid)
        else:
            mode |= 0o700 if kind is FOLDER else 0o600
            if mode != metadata.mode or metadata[1:3] != (0, 0):
                self._record(path, kind, metadata)
        if kind is FOLDER:
            self._inherits = self._inherits or bool(mode & stat.S_ISGID)
        # A file was created with its mode.
        if kind is FOLDER or mode & (self._umask | 0o7000):
            os.fchmod(handle, mode)
        os.utime(handle, (metadata.modified, metadata.modified))

    def make_link(self, path: str, above: int, name: str, source: str, source_above: int) -> None:
        """A hard link, where nothing is, to the real path ``source`` (in the open folder ``source_above``)."""
        own = source.rpartition("/")[2]
        os.link(own, name, src_dir_fd=source_above, dst_dir_fd=above, follow_symlinks=False)
        self._owners.pop(path, None)
        if source in self._owners:
            self._owners[path] = self._owners[source]

    def _record(self, path: str, kind: str, metadata: Metadata) -> None:
        self.budget.add_index(200 + len(path))
        mode = 0o777 if kind is SYMLINK else metadata.mode
        self._owners[path] = Owner(_TYPES[kind] | mode, metadata.uid, metadata.gid)

    # Removing

    def remove(self, folder: str, name: str) -> None:
        """Remove whatever is at a place, with all below it. Closes the folders that were kept open."""
        above = os.dup(self.parent(folder)[1])
        try:
            self.forget()
            self._remove(above, name)
        finally:
            os.close(above)

    def _remove(self, above: int, name: str) -> None:
        if _unlinked(above, name):
            return
        # Each: an open folder, and the name under which it is to be removed when it is empty.
        stack = [(os.open(name, FOLDER_FLAGS, dir_fd=above), name)]
        try:
            while stack:
                handle, own = stack[-1]
                for child in os.listdir(handle):  # noqa: PTH208 - an open folder
                    if not _unlinked(handle, child):
                        stack.append((os.open(child, FOLDER_FLAGS, dir_fd=handle), child))
                        break
                else:
                    stack.pop()
                    os.close(handle)
                    os.rmdir(own, dir_fd=stack[-1][0] if stack else above)
        finally:
            for handle, _own in stack:
                os.close(handle)


class FileWriter:
    """Takes the content of one new file."""

    __slots__ = ("_handle", "_metadata", "_path", "_root")

    def __init__(self, root: UnpackedRoot, handle: int, path: str, metadata: Metadata) -> None:
        self._root = root
        self._handle = handle
        self._path = path
        self._metadata = metadata

    def write(self, data: memoryview) -> None:
        """Take the next bytes."""
        try:
            while len(data):
                written = os.write(self._handle, data)
                self._root.bytes += written
                data = data[written:]
        except OSError as error:
            self.close()
            raise unpack_failure(error, self._path) from error

    def finish(self) -> None:
        """All bytes were given."""
        try:
            self._root.dress(self._handle, self._path, FILE, self._metadata)
        except OSError as error:
            raise unpack_failure(error, self._path) from error
        finally:
            self.close()

    def close(self) -> None:
        """Give the file back, whole or not."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def kind_at(above: int, name: str) -> str:
    """FOLDER, SYMLINK, FILE, or "" where nothing is."""
    try:
        mode = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return ""
    return FOLDER if stat.S_ISDIR(mode) else SYMLINK if stat.S_ISLNK(mode) else FILE


def _unlinked(above: int, name: str) -> bool:
    """Remove what is not a folder; False where there is one."""
    try:
        os.unlink(name, dir_fd=above)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        return False
    return True


def _read_link(name: str, above: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=above)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None


def _swap(old: int, new: int) -> int:
    os.close(old)
    return new


def unpack_failure(error: OSError, name: str) -> ScanError:
    """The error for what the disk refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LimitExceeded(
            f"the disk is full: {name!r} could not be unpacked",
            code="unpack-no-space",
            hint="give the volume that images are unpacked into more room",
        )
    return ScanError(f"{name!r} could not be unpacked: {error.strerror or error}", code="unpack-failed")
