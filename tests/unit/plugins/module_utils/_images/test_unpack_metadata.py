# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners and modes: when a disk can have them, and what is assumed where the kernel does not tell."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_metadata import (
    Metadata,
    may_own,
    metadata_of,
    read_umask,
)

ALL = "CapEff:\t000001ffffffffff\n"


def tell(monkeypatch: pytest.MonkeyPatch, status: str | OSError, user: int = 0) -> None:
    """Let the kernel say this of the process."""

    def read_text(_path: Path, **_options: t.Any) -> str:
        if isinstance(status, OSError):
            raise status
        return status

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(os, "geteuid", lambda: user)


@pytest.mark.parametrize(
    ("status", "user", "allowed"),
    [
        (ALL, 0, True),
        ("CapEff:\t000000000000001b\n", 0, True),
        (ALL, 1000, False),
        *((f"CapEff:\t{0b11011 & ~bit:016x}\n", 0, False) for bit in (1 << 0, 1 << 1, 1 << 3, 1 << 4)),
        ("CapEff:\t0000000000000000\n", 0, False),
        ("CapEff:\tmuch\n", 0, False),
        ("CapEff:", 0, False),
        ("", 0, False),
        (OSError(2, "No such file or directory"), 0, False),
    ],
)
def test_only_root_with_all_that_it_takes_may_own(
    monkeypatch: pytest.MonkeyPatch, status: str | OSError, user: int, allowed: bool
) -> None:
    tell(monkeypatch, status, user)
    assert may_own() is allowed


@pytest.mark.parametrize(
    ("status", "umask"),
    [
        ("Name:\tx\nUmask:\t0027\nState:\tR\n", 0o027),
        # A program's name is text of its own.
        ("Name:\tUmask: 0000\nUmask:\t0022\n", 0o022),
        ("Name:\tx\nUmask:\t0999\n", 0o777),
        ("Name:\tx\nUmask:", 0o777),
        ("Name:\tx\n", 0o777),
        (OSError(13, "Permission denied"), 0o777),
    ],
)
def test_an_unknown_umask_takes_everything_away(
    monkeypatch: pytest.MonkeyPatch, status: str | OSError, umask: int
) -> None:
    tell(monkeypatch, status)
    assert read_umask() == umask


def test_the_umask_is_read_and_stays() -> None:
    before = os.umask(0o013)
    try:
        assert [read_umask(), os.umask(0o013)] == [0o013, 0o013]
    finally:
        os.umask(before)


def test_all_permission_bits_of_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o6751)
    os.utime(path, (1, 12.5))
    status = path.stat()
    assert metadata_of(status) == Metadata(0o6751, status.st_uid, status.st_gid, 12.5)
