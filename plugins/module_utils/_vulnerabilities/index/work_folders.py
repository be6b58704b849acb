# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders for what is in the making; what runs that were killed left of them is removed."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
import time
import typing as t
from pathlib import Path

from ..._core.errors import InputError

#: Seconds in which a folder that was just made is locked, and after which one is left where there are no locks.
_LOCKED_AFTER = 10.0
_LEFT_AFTER = 86400.0


@contextlib.contextmanager
def work_folder(dest: str, parent: Path | None) -> t.Iterator[str]:
    """A folder for what is in the making, beside ``dest`` or, without ``parent``, where temporary files go.

    A lock shows that it is in use; what runs that were killed left beside ``dest`` is removed.
    """
    prefix = f".{Path(dest).name}-"
    if parent is not None:
        _remove_left(parent, prefix)
    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent)
    except OSError as error:
        raise InputError(f"nothing can be written to {parent or tempfile.gettempdir()}: {error.strerror}") from error
    with folder as path:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        finally:
            os.close(descriptor)


def _remove_left(parent: Path, prefix: str) -> None:
    for folder in parent.glob(glob.escape(prefix) + "*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if time.time() - os.fstat(descriptor).st_mtime > _age_when_left(descriptor):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _age_when_left(descriptor: int) -> float:
    """Seconds after which nobody uses a folder any more. Raises BlockingIOError where somebody does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return _LEFT_AFTER  # a file system without locks
    return _LOCKED_AFTER
