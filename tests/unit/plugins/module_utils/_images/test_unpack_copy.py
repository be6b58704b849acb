# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying a root folder: what is taken along, what cannot be read, bounds."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import DEFAULT_LIMITS
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_copy import copy_folder
from ansible_collections.imagescan.openshift.tests.support.unpacking import make, names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder to copy into."""
    return make(tmp_path / "root")


def test_a_folder_is_copied_whole(root: Path, tmp_path: Path) -> None:
    source = make(tmp_path / "source")
    (source / "etc").mkdir()
    (source / "etc/a").write_bytes(b"x" * 3_000_000)
    (source / "etc/a").chmod(0o4751)
    os.link(source / "etc/a", source / "b")
    (source / "link").symlink_to("/etc/a")
    os.mkfifo(source / "pipe")
    done = copy_folder(str(source), root, owning=False)
    assert names(root) == {"etc", "etc/a", "b", "link"}
    assert (root / "b").read_bytes() == b"x" * 3_000_000
    assert (root / "b").samefile(root / "etc/a")
    assert (root / "b").stat().st_mode & 0o7777 == 0o4751
    assert str((root / "link").readlink()) == "/etc/a"
    assert (done.specials, done.problems) == (1, ())


def test_what_cannot_be_read_is_a_problem(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "source")
    (source / "closed").write_bytes(b"")
    (source / "open").write_bytes(b"")
    original = os.open

    def refuse(path: t.Any, flags: int, *rest: t.Any, **options: t.Any) -> int:
        if path == "closed" and not flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return original(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    done = copy_folder(str(source), root, owning=False)
    assert [(problem.code, problem.message) for problem in done.problems] == [
        ("unreadable", "closed: Permission denied")
    ]
    assert names(root) == {"open"}


def test_many_problems_are_counted(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "source")
    for number in range(25):
        (source / f"closed{number}").write_bytes(b"")
    original = os.open

    def refuse(path: t.Any, flags: int, *rest: t.Any, **options: t.Any) -> int:
        if str(path).startswith("closed"):
            raise PermissionError(13, "Permission denied")
        return original(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    problems = copy_folder(str(source), root, owning=False).problems
    assert len(problems) == 21
    assert problems[-1].message == "5 more files or folders could not be read"


def test_a_copy_is_bounded(root: Path, tmp_path: Path) -> None:
    source = make(tmp_path / "source")
    (source / "a").write_bytes(bytes(100_000))
    with pytest.raises(LimitExceeded):
        copy_folder(str(source), root, limits=dataclasses.replace(DEFAULT_LIMITS, uncompressed=50_000), owning=False)
