# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners and modes of unpacked files, also those that the disk cannot have. Standard library only."""

from __future__ import annotations

import dataclasses
import os
import stat
import typing as t
from pathlib import Path

#: chown, dac_override, fowner, fsetid: with these a root on disk can be as the image has it.
_CAPABILITIES = 0b11011


@dataclasses.dataclass(frozen=True)
class Owner:
    """Owner and mode of a file in the image where the disk has others. ``mode``: type and permission bits (st_mode)."""

    mode: int
    uid: int
    gid: int


class Metadata(t.NamedTuple):
    """Metadata that a file is to have."""

    mode: int  # permission bits
    uid: int
    gid: int
    modified: float


#: Of a folder that no entry describes.
IMPLIED = Metadata(0o755, 0, 0, 0.0)


def may_own() -> bool:
    """Return whether this process can give files any owner and mode, and read them all the same."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        held = int(status.partition("CapEff:")[2].split()[0], 16)
    except (OSError, IndexError, ValueError):
        return False
    return os.geteuid() == 0 and held & _CAPABILITIES == _CAPABILITIES


def metadata_of(status: os.stat_result) -> Metadata:
    """The metadata of a file on disk."""
    return Metadata(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime)


def read_umask() -> int:
    """This process's umask, read without changing it: other threads may be making files."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(text.partition("\nUmask:")[2].split()[0], 8)
    except (OSError, IndexError, ValueError):
        return 0o777
