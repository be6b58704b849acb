# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetched documents of a feed that are not in an index yet: kept beside it, so that an interrupted run goes on.

A folder with the archive, as far as it came, and a SQLite file with single documents, each written as a whole or not
at all. One process at a time uses it; it is removed when the index is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import time
import typing as t
from pathlib import Path

from ..._core.errors import InputError, ScanError

_TABLES = """
CREATE TABLE IF NOT EXISTS archive (url TEXT NOT NULL, validator TEXT NOT NULL, length INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    path TEXT PRIMARY KEY, stamp TEXT NOT NULL, fetched TEXT NOT NULL, data BLOB NOT NULL
) WITHOUT ROWID;
"""
_PATIENCE = 30.0  # seconds that another process may need to end


class KeptArchive(t.NamedTuple):
    """An archive of which there is a part. ``length``: of the whole, -1 where it is not known."""

    url: str
    validator: str
    length: int


class DocumentSpool:
    """Made when it is first used. Close it, or use it as a context manager.

    Raises ScanError (``disk-full``, ``feed-busy``) or InputError where it cannot be used.
    """

    def __init__(self, folder: Path, tick: t.Callable[[], None] = lambda: None) -> None:
        self.folder = folder
        self._tick = tick
        self._stack = contextlib.ExitStack()
        self._opened: sqlite3.Connection | None = None

    def __enter__(self) -> DocumentSpool:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave everything for the next run."""
        self._opened = None
        self._stack.close()

    def remove(self) -> None:
        """Leave nothing: it is in the index. What another process uses is its own."""
        with contextlib.suppress(OSError):
            if self._opened is not None or (self.folder.is_dir() and self._take_lock()):
                shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    @property
    def archive(self) -> Path:
        """The archive, or a part of it."""
        self._use()
        return self.folder / "archive"

    def _use(self) -> sqlite3.Connection:
        if self._opened is None:
            end = time.monotonic() + _PATIENCE
            try:
                while not self._take_lock():
                    if time.monotonic() > end:
                        raise ScanError(
                            f"another process updates the index beside {self.folder}",
                            code="feed-busy",
                            hint="wait for it to end",
                        )
                    self._tick()
                    time.sleep(0.2)
                self._opened = self._open()
            except OSError as error:
                self.close()
                raise InputError(
                    f"nothing can be written to {self.folder.parent}: {error.strerror or error}"
                ) from error
            except BaseException:
                self.close()
                raise
        return self._opened

    def kept_archive(self) -> KeptArchive | None:
        """Of which archive there is a part."""
        db = self._use()
        with self._errors():
            row = db.execute("SELECT url, validator, length FROM archive").fetchone()
        return KeptArchive(*row) if row and self.archive.exists() else None

    def keep_archive(self, archive: KeptArchive) -> None:
        """Note which archive's part there is."""
        db = self._use()
        with self._errors(), db:
            db.execute("DELETE FROM archive")
            db.execute("INSERT INTO archive VALUES (?, ?, ?)", archive)

    def drop_archive(self) -> None:
        """Forget the archive, which is damaged or another one."""
        db = self._use()
        with self._errors(), db:
            db.execute("DELETE FROM archive")
        self.archive.unlink(missing_ok=True)

    def document(self, path: str, stamp: str) -> tuple[bytes, str] | None:
        """A document of a change, and when it was fetched."""
        db = self._use()
        with self._errors():
            row = db.execute(
                "SELECT data, fetched FROM documents WHERE path = ? AND stamp = ?", (path, stamp)
            ).fetchone()
        return (row[0], row[1]) if row else None

    def keep(self, path: str, stamp: str, fetched: str, data: bytes) -> None:
        """Keep a document, in the place of an older one."""
        db = self._use()
        with self._errors(), db:
            db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", (path, stamp, fetched, data))

    def _take_lock(self) -> bool:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / "lock"
        with contextlib.ExitStack() as stack:
            lock = stack.enter_context(path.open("wb"))
            try:
                # Unlike flock, it is not inherited by processes that read documents for us.
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                return False
            except OSError:
                pass  # A file system without locks.
            try:
                if not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                    return False
            except FileNotFoundError:
                return False  # Who had it is done, and the folder is removed.
            self._stack.enter_context(stack.pop_all())
        return True

    def _open(self) -> sqlite3.Connection:
        path = self.folder / "documents"
        for _attempt in range(2):
            database = sqlite3.connect(path)
            try:
                with self._errors():
                    database.execute("PRAGMA synchronous = NORMAL")
                    database.executescript(_TABLES)
                    if database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                        return self._stack.enter_context(contextlib.closing(database))
            except _Damaged:
                pass
            except BaseException:
                database.close()
                raise
            database.close()
            # Damaged, and only what can be fetched again.
            path.unlink(missing_ok=True)
            (self.folder / "archive").unlink(missing_ok=True)
        raise ScanError(f"what was fetched cannot be kept in {self.folder}", code="disk-full")

    @contextlib.contextmanager
    def _errors(self) -> t.Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            raise ScanError(
                f"what is fetched cannot be kept: {error}",
                code="disk-full",
                hint="make room beside the index, and run it again: it goes on where it stopped",
            ) from error
        except sqlite3.Error as error:
            raise _Damaged(
                f"what was fetched is damaged: {error}",
                code="feed-damaged",
                hint=f"remove {self.folder}; what is in it is fetched again",
            ) from error


class _Damaged(ScanError):
    """A database that is none."""
