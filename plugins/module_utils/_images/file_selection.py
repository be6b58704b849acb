# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to read out of a root, and how a file that is wanted is kept. Standard library only."""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import ScanError
from .overlay import Content

#: Larger files go into a temporary file.
SPOOL_FROM = 512 * 1024
#: Endings of the files that SQLite keeps beside a database.
LOGS = ("-wal", "-journal")


@dataclasses.dataclass(frozen=True)
class FileSelection:
    """Selection of files to read. Paths have no leading slash.

    ``files``: exact paths in the merged root; symlinks are followed as a process in the container would.
    ``folders``: folder -> file name patterns (fnmatch); files right inside it. Result keys are ``folder/name`` with
    the folder as asked for. ``layer_folders``: those of ``folders`` whose files are also reported for each layer.
    ``file_limit``: a larger file is not kept and becomes a problem. Files of more than 512 KiB are spooled to an
    unlinked temporary file, and their ``KeptFile.data`` is an mmap.
    """

    files: frozenset[str] = frozenset()
    folders: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    layer_folders: frozenset[str] = frozenset()
    file_limit: int = 512 * 1024 * 1024

    def places(self, real_paths: t.Mapping[str, str]) -> t.Iterator[tuple[str, str]]:
        """(wanted file, path to look for it). ``real_paths``: wanted file -> real path, filled while this runs.

        SQLite follows a link to a database first, and looks for its logs beside what it finds there.
        """
        for path in sorted(self.files):
            for ending in LOGS:
                if path.endswith(ending):
                    base = path[: -len(ending)]
                    yield path, real_paths.get(base, base) + ending
                    break
            else:
                yield path, path


def join_selections(selections: t.Iterable[FileSelection]) -> FileSelection:
    """All that several selections ask for; the default limit of files holds."""
    files: set[str] = set()
    folders: dict[str, tuple[str, ...]] = {}
    layer_folders: set[str] = set()
    for selection in selections:
        files |= selection.files
        layer_folders |= selection.layer_folders
        for folder, patterns in selection.folders.items():
            folders[folder] = tuple(dict.fromkeys((*folders.get(folder, ()), *patterns)))
    return FileSelection(frozenset(files), folders, frozenset(layer_folders))


class Keeper:
    """Takes the content of one wanted file."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._parts: list[bytes] = []
        self._file: t.IO[bytes] | None = None
        if content.size > SPOOL_FROM:
            import tempfile

            with _Spooling():
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - finish() closes it

    def write(self, data: memoryview) -> None:
        if self._file is None:
            self._parts.append(bytes(data))
            return
        with _Spooling():
            while data:
                data = data[self._file.write(data) :]

    def finish(self) -> None:
        if self._file is None:
            self._content.data = b"".join(self._parts)
            return
        import mmap

        with self._file, _Spooling():
            self._content.data = mmap.mmap(self._file.fileno(), self._content.size, prot=mmap.PROT_READ)


class _Spooling:
    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise ScanError(
                f"cannot keep a file of the image in the temporary folder: {error}",
                code="spool-failed",
                hint="free space there or set TMPDIR",
            ) from error
