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

import contextlib
import dataclasses
import errno
import os
import stat
import typing as t
from pathlib import Path

from .._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from .layers import in_layer, stream_layer
from .limits import DEFAULT_LIMITS, Budget, Limits
from .model import Image, Problem
from .overlay import join, parent_of
from .tar import FILE, FOLDER, HARD_LINK, SPARSE, SPECIAL, SYMLINK, FileSink, Header, Visit, clean_name, walk_tar

_FOLLOWED = 40  # symlinks on one path; Linux stops there too
_OPEN_FOLDERS = 64
_NAMED_PROBLEMS = 20
_ENTRY_STEP = 256
_STEP = 1 << 20
_COST = 60  # bytes of memory for one path that is remembered by its hash
_LAST_OWNER = (1 << 32) - 1  # of user and group ids
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: chown, dac_override, fowner, fsetid: with these a root on disk can be as the image has it.
_CAPABILITIES = 0b11011
_TYPES = {FILE: stat.S_IFREG, FOLDER: stat.S_IFDIR, SYMLINK: stat.S_IFLNK}


@dataclasses.dataclass(frozen=True)
class Owner:
    """Owner and mode of a file in the image where the disk has others. ``mode``: type and permission bits (st_mode)."""

    mode: int
    uid: int
    gid: int


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


def may_own() -> bool:
    """Return whether this process can give files any owner and mode, and read them all the same."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        held = int(status.partition("CapEff:")[2].split()[0], 16)
    except (OSError, IndexError, ValueError):
        return False
    return os.geteuid() == 0 and held & _CAPABILITIES == _CAPABILITIES


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
        self._root = _Root(root, self._budget, may_own() if owning is None else owning)
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
        layer = _Layer(self._root, number)

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
        layer = _Layer(self._root, number)

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
        with _Root(root, budget, may_own() if owning is None else owning) as target:
            _Copy(target, budget).run(handle)
            return target.result()
    finally:
        os.close(handle)


class _Metadata(t.NamedTuple):
    mode: int  # permission bits
    uid: int
    gid: int
    modified: float


_T = t.TypeVar("_T")

_IMPLIED = _Metadata(0o755, 0, 0, 0.0)


class _Root:
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

    def __enter__(self) -> _Root:
        try:
            self._top = os.open(self._path, _FOLDER_FLAGS)
            if os.listdir(self._top):  # noqa: PTH208 - an open folder
                raise InputError("the folder to unpack into is not empty", subject=str(self._path))
            self._umask = _umask()
            self.dress_top(_IMPLIED)
        except OSError as error:
            self.close()
            raise _failed(error, "the folder to unpack into") from error
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
        known = self._open.get(path)
        if known is not None:
            return known
        found = self._walk(path, create)
        if found is None:
            return None
        if len(self._open) >= _OPEN_FOLDERS:
            self.forget()
        self._open[path] = found
        return found

    def _walk(self, path: str, create: bool) -> tuple[str, int] | None:
        above = parent_of(path)
        start = self._open.get(above)
        if start is not None:
            names = start[0].split("/") if start[0] else []
            handle, todo = os.dup(start[1]), [path[len(above) + 1 :]]
        else:
            names, handle, todo = [], os.dup(self._top), path.split("/")[::-1]
        missing = 0  # how many of the names, at their end, do not exist
        links = 0
        try:
            while todo:
                name = todo.pop()
                if name in ("", "."):
                    continue
                if name == "..":
                    if names:
                        names.pop()
                        missing = max(0, missing - 1)
                    todo.extend(names[::-1])
                    names, missing, handle = [], 0, _swap(handle, os.dup(self._top))
                    continue
                if missing:
                    names.append(name)
                    missing += 1
                    continue
                try:
                    handle = _swap(handle, os.open(name, _FOLDER_FLAGS, dir_fd=handle))
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
                    links += 1
                    if links > _FOLLOWED:
                        raise CorruptData(
                            f"the folder {path!r} leads through a loop of symlinks", code="symlink-loop"
                        ) from error
                    todo.extend(target.split("/")[::-1])
                    if not target.startswith("/"):
                        todo.extend(names[::-1])
                    names, handle = [], _swap(handle, os.dup(self._top))
            if missing and not create:
                return None
            for number in range(len(names) - missing, len(names)):
                here = "/".join(names[:number])
                self.make_folder(join(here, names[number]), handle, names[number], self._implied(here, handle))
                handle = _swap(handle, os.open(names[number], _FOLDER_FLAGS, dir_fd=handle))
            done, handle = handle, -1
            return "/".join(names), done
        finally:
            if handle >= 0:
                os.close(handle)

    def _implied(self, above: str, handle: int) -> _Metadata:
        """The metadata of a folder that no entry describes, as the kernel would make it for root."""
        status = os.fstat(handle)
        if not status.st_mode & stat.S_ISGID:
            return _IMPLIED
        known = self._owners.get(above)
        group = known.gid if known else status.st_gid if self._owning else 0
        return _Metadata(_IMPLIED.mode | stat.S_ISGID, 0, group, 0.0)

    # Making

    def make_folder(self, path: str, above: int, name: str, metadata: _Metadata) -> None:
        """Make a folder, or give an existing one this metadata."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        handle = os.open(name, _FOLDER_FLAGS, dir_fd=above)
        try:
            self.dress(handle, path, FOLDER, metadata)
        finally:
            os.close(handle)

    def dress_top(self, metadata: _Metadata) -> None:
        """Give the root itself its metadata."""
        self.dress(self._top, "", FOLDER, metadata)

    def make_symlink(self, path: str, above: int, name: str, target: str, metadata: _Metadata) -> None:
        """Make a symlink where nothing is."""
        os.symlink(target, name, dir_fd=above)
        self._owners.pop(path, None)
        if self._owning:
            if self._inherits or metadata[1:3] != (0, 0):
                os.chown(name, metadata.uid, metadata.gid, dir_fd=above, follow_symlinks=False)
        elif metadata[1:3] != (0, 0):
            self._record(path, SYMLINK, metadata)
        os.utime(name, (metadata.modified, metadata.modified), dir_fd=above, follow_symlinks=False)

    def make_file(self, path: str, above: int, name: str, metadata: _Metadata) -> _FileWriter:
        """A new regular file where nothing is; the writer gives it its metadata."""
        permissions = (metadata.mode if self._owning else metadata.mode | 0o600) & 0o777
        handle = os.open(name, _CREATE, permissions, dir_fd=above)
        return _FileWriter(self, handle, path, metadata)

    def dress(self, handle: int, path: str, kind: str, metadata: _Metadata) -> None:
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

    def _record(self, path: str, kind: str, metadata: _Metadata) -> None:
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
        stack = [(os.open(name, _FOLDER_FLAGS, dir_fd=above), name)]
        try:
            while stack:
                handle, own = stack[-1]
                for child in os.listdir(handle):  # noqa: PTH208 - an open folder
                    if not _unlinked(handle, child):
                        stack.append((os.open(child, _FOLDER_FLAGS, dir_fd=handle), child))
                        break
                else:
                    stack.pop()
                    os.close(handle)
                    os.rmdir(own, dir_fd=stack[-1][0] if stack else above)
        finally:
            for handle, _own in stack:
                os.close(handle)


class _FileWriter:
    """Takes the content of one new file."""

    __slots__ = ("_handle", "_metadata", "_path", "_root")

    def __init__(self, root: _Root, handle: int, path: str, metadata: _Metadata) -> None:
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
            raise _failed(error, self._path) from error

    def finish(self) -> None:
        """All bytes were given."""
        try:
            self._root.dress(self._handle, self._path, FILE, self._metadata)
        except OSError as error:
            raise _failed(error, self._path) from error
        finally:
            self.close()

    def close(self) -> None:
        """Give the file back, whole or not."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class _Sinks:
    """Gives the content of one file to its writer, as long as the image is unpacked, and to another sink."""

    __slots__ = ("_fail", "_other", "_unpacking", "_writer")

    def __init__(
        self, unpacking: Unpacking, writer: FileSink, fail: t.Callable[[ScanError], None], other: FileSink | None
    ) -> None:
        self._unpacking = unpacking
        self._writer = writer
        self._fail = fail
        self._other = other

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


class _Layer:
    """One layer being applied."""

    def __init__(self, root: _Root, number: int) -> None:
        self.header = Header()
        self._root = root
        self._lowest = number == 0
        # Hashes of the real paths that this layer made, and of the folders above them.
        self._made: set[int] = set()
        self._writer: _FileWriter | None = None

    def close(self) -> None:
        """Give back what is open."""
        if self._writer is not None:
            self._writer.close()

    def visit(self, name: str, kind: str, _size: int, link: str) -> FileSink | None:
        """Make one entry; its content goes where that says."""
        try:
            return self._put(name, kind, link)
        except OSError as error:
            raise _failed(error, name) from error

    def _put(self, name: str, kind: str, link: str) -> FileSink | None:
        root = self._root
        folder, _slash, base = name.rpartition("/")
        if base[:4] == ".wh.":
            self._whiteout(folder, base)
            return None
        header = self.header
        metadata = _Metadata(header.mode, *header.owner, header.modified)
        if max(metadata.uid, metadata.gid) > _LAST_OWNER:
            raise CorruptData(f"the owner of {name!r} is impossible: {metadata.uid}:{metadata.gid}", code="layer-entry")
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
            if _kind(root.parent(folder)[1], base) not in ("", FOLDER):
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
            if "security.capability" in header.attributes:
                root.capabilities += 1
            self._writer = root.place(folder, base, lambda path, above: root.make_file(path, above, base, metadata))
            return self._writer
        return None

    def _unmade(self, path: str) -> None:
        self._root.budget.add_index(200 + len(path))
        self._root.unmade.add(path)

    def _link(self, name: str, folder: str, base: str, wanted: str) -> None:
        root = self._root
        own = wanted.rpartition("/")[2]
        source = root.folder(parent_of(wanted), create=False)
        kind = _kind(source[1], own) if source else ""
        path = join(root.parent(folder)[0], base)
        source_path = join(source[0], own) if source else ""
        if source_path in root.unmade and not kind:
            root.remove(parent_of(path), base)
            self._unmade(path)
            return
        if source is None or not kind or source_path == path:
            raise CorruptData(f"the hard link {name!r} points to nothing: {wanted!r}", code="layer-entry")
        if kind is FOLDER:
            raise CorruptData(f"the hard link {name!r} points to the folder {wanted!r}", code="layer-entry")
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
        found = self._root.folder(folder, create=False)
        if found is not None:
            place, above = found
            for child in os.listdir(above) if opaque else [name]:  # noqa: PTH208 - an open folder
                self._hide(place, child)

    def _hide(self, folder: str, name: str) -> None:
        path = join(folder, name)
        if hash(path) not in self._made:
            self._root.remove(folder, name)
            return
        # A symlink stands for itself here.
        if _kind(self._root.parent(folder)[1], name) is FOLDER:
            for child in os.listdir(self._root.parent(path)[1]):  # noqa: PTH208 - an open folder
                self._hide(path, child)


class _Copy:
    """One root folder being copied."""

    def __init__(self, root: _Root, budget: Budget) -> None:
        self._root = root
        self._budget = budget
        self._links: dict[tuple[int, int], str] = {}
        self._written = 0

    def run(self, source: int) -> None:
        """Copy all that is in an open folder."""
        self._root.dress_top(_metadata(os.fstat(source)))
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
            here = join(path, name)
            try:
                self._entry(here, handle, name, stack)
            except OSError as error:
                raise _failed(error, here) from error

    def _entry(self, path: str, source: int, name: str, stack: list[tuple[str, int]]) -> None:
        root = self._root
        place = root.parent(parent_of(path))[1]
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        metadata = _metadata(status)
        if stat.S_ISDIR(status.st_mode):
            root.make_folder(path, place, name, metadata)
            try:
                stack.append((path, os.open(name, _FOLDER_FLAGS, dir_fd=source)))
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
        known = self._links.get(key) if status.st_nlink > 1 else None
        if known is not None:
            other = root.parent(parent_of(known))[1]
            root.make_link(path, place, name, known, other)
            return
        try:
            handle = os.open(name, _READ, dir_fd=source)
        except PermissionError as error:
            self._unreadable(path, error)
            return
        try:
            writer = root.make_file(path, place, name, _metadata(status))
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


def _metadata(status: os.stat_result) -> _Metadata:
    return _Metadata(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime)


def _kind(above: int, name: str) -> str:
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


def _umask() -> int:
    """This process's umask, read without changing it: other threads may be making files."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(text.partition("\nUmask:")[2].split()[0], 8)
    except (OSError, IndexError, ValueError):
        return 0o777


def _failed(error: OSError, name: str) -> ScanError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LimitExceeded(
            f"the disk is full: {name!r} could not be unpacked",
            code="unpack-no-space",
            hint="give the volume that images are unpacked into more room",
        )
    return ScanError(f"{name!r} could not be unpacked: {error.strerror or error}", code="unpack-failed")
