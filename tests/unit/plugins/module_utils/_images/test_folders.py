# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an unpacked root folder: as a process whose root it is, never out of it, and nothing unseen in silence."""

from __future__ import annotations

import os
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import FileSelection
from ansible_collections.imagescan.openshift.plugins.module_utils._images.folders import read_folder
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import RootContent
from ansible_collections.imagescan.openshift.plugins.module_utils._images.symlinks import FOLLOWED
from ansible_collections.imagescan.openshift.tests.support.unpacking import open_files

WANTED = FileSelection(
    files=frozenset({"var/lib/rpm/rpmdb.sqlite", "etc/os-release"}),
    folders={"etc/yum.repos.d": ("*.repo",), "root/buildinfo": ("*.json",)},
    layer_folders=frozenset({"root/buildinfo"}),
)


def put(root: Path, path: str, data: bytes = b"") -> Path:
    """Write a file and the folders above it."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


def link(root: Path, path: str, target: str) -> None:
    """Make a symlink and the folders above it."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).symlink_to(target)


def texts(content: RootContent) -> dict[str, bytes]:
    """The files as bytes."""
    return {path: bytes(file.data[:]) for path, file in content.files.items()}


def codes(content: RootContent) -> list[tuple[str, str]]:
    """Code and path of each problem."""
    return [(problem.code, problem.message.partition(":")[0]) for problem in content.problems]


@pytest.mark.parametrize("name", ["os-release", "etc"])
def test_what_becomes_a_symlink_meanwhile_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = tmp_path / "root"
    put(tmp_path, "outside/os-release", b"ID=outside")
    place = put(root, "etc/os-release", b"ID=inside")
    changed = place if name == "os-release" else place.parent
    original = os.open

    def swap(path: t.Any, *rest: t.Any, **options: t.Any) -> int:
        if path == name and not changed.is_symlink():
            changed.rename(tmp_path / "old")
            changed.symlink_to(tmp_path / "outside" / ("os-release" if name == "os-release" else ""))
        return original(path, *rest, **options)

    monkeypatch.setattr(os, "open", swap)
    content = read_folder(str(root), WANTED)
    assert content.files == {}
    assert ("unreadable", "etc/os-release") in codes(content)


def test_files_and_folders_are_read_through_symlinks_inside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(tmp_path, "etc/os-release", b"outside")
    put(root, "usr/lib/sysimage/rpm/rpmdb.sqlite", bytes(700_000))
    link(root, "var/lib/rpm", "../../usr/lib/sysimage/rpm")
    put(root, "usr/lib/os-release", b"ID=x")
    link(root, "etc/os-release", "../../../../usr/lib/os-release")
    put(root, "data/a.repo", b"a")
    put(root, "data/a.txt")
    link(root, "etc/yum.repos.d", "/data")
    put(root, "root/buildinfo/x.json", b"{}")
    content = read_folder(str(root), WANTED)
    assert texts(content) == {
        "var/lib/rpm/rpmdb.sqlite": bytes(700_000),
        "etc/os-release": b"ID=x",
        "etc/yum.repos.d/a.repo": b"a",
        "root/buildinfo/x.json": b"{}",
    }
    assert [file.path for file in content.layer_files] == ["root/buildinfo/x.json"]
    assert content.problems == ()


@pytest.mark.parametrize("target", ["{outside}", "../outside", "/../outside", "../../../../../../{outside}"])
def test_no_symlink_leads_out_of_the_root(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    outside = put(tmp_path, "outside", b"secret")
    link(root, "etc/os-release", target.format(outside=outside))
    link(root, "var/lib/rpm", str(tmp_path))
    put(tmp_path, "rpmdb.sqlite", b"secret")
    content = read_folder(str(root), WANTED)
    assert (content.files, content.problems) == ({}, ())


def test_what_is_no_file_or_folder_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "etc/os-release").mkdir(parents=True)
    put(tmp_path, "etc/yum.repos.d")
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    os.mkfifo(tmp_path / "var/lib/rpm/rpmdb.sqlite")
    link(tmp_path, "root", "root")
    assert codes(read_folder(str(tmp_path), WANTED)) == [
        ("not-a-file", "etc/os-release"),
        ("not-a-file", "var/lib/rpm/rpmdb.sqlite"),
        ("not-a-folder", "etc/yum.repos.d"),
        ("symlink-loop", "root/buildinfo"),
    ]


def test_a_symlink_too_many_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    readlink = os.readlink

    def reading(name: str, *, dir_fd: int | None = None) -> str:
        read.append(name)
        return readlink(name, dir_fd=dir_fd)

    link(tmp_path, "root", "root")
    monkeypatch.setattr(os, "readlink", reading)
    assert codes(read_folder(str(tmp_path), WANTED)) == [("symlink-loop", "root/buildinfo")]
    assert read == ["root"] * FOLLOWED


def test_a_file_in_place_of_a_folder_above_means_that_nothing_is_there(tmp_path: Path) -> None:
    put(tmp_path, "etc")
    put(tmp_path, "data")
    link(tmp_path, "var", "data/..")
    content = read_folder(str(tmp_path), WANTED)
    assert (content.files, content.problems) == ({}, ())


def test_unreadable_files_and_folders_are_problems() -> None:
    # Root may read everything, so it steps down; and pytest's own folders are closed to others.
    nobody = 65534
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        put(root, "etc/os-release").chmod(0)
        put(root, "opt/secret/x.jar")
        (root / "opt/secret").chmod(0)
        me = os.geteuid()
        if me == 0:
            os.seteuid(nobody)
        try:
            content = read_folder(name, WANTED)
        finally:
            os.seteuid(me)
        (root / "opt/secret").chmod(0o700)
    assert codes(content) == [("unreadable", "etc/os-release"), ("unreadable", "opt/secret")]


def test_errors_of_the_system_are_problems_and_many_are_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "etc/os-release", b"x")
    for number in range(30):
        (tmp_path / f"dir{number:02}").mkdir()
    real = os.open

    def refuse(path: t.Any, flags: int, *rest: t.Any, **options: t.Any) -> int:
        if str(path) == "os-release" or str(path).startswith("dir"):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    content = read_folder(str(tmp_path), WANTED)
    assert content.files == {}
    assert codes(content)[0] == ("unreadable", "etc/os-release")
    assert len(content.problems) == 21
    assert content.problems[-1].message.startswith("11 more")


@pytest.mark.parametrize("size", [50, 150])
def test_a_file_that_changes_while_it_is_read_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    place = put(tmp_path, "etc/os-release", b"x" * 100)
    real = os.read

    def change_first(handle: int, count: int) -> bytes:
        place.write_bytes(b"y" * size)
        return real(handle, count)

    monkeypatch.setattr(os, "read", change_first)
    content = read_folder(str(tmp_path), WANTED)
    assert (content.files, codes(content)) == ({}, [("file-not-read", "etc/os-release")])


def test_a_file_over_the_limit_is_a_problem(tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", b"x" * 100)
    content = read_folder(str(tmp_path), FileSelection(files=frozenset({"etc/os-release"}), file_limit=99))
    assert (content.files, codes(content)) == ({}, [("file-not-read", "etc/os-release")])


def test_components_are_counted(tmp_path: Path) -> None:
    for path in ("opt/a.jar", "x/node_modules/b/package.json", "lib/c.dist-info/METADATA", "usr/bin/bash"):
        put(tmp_path, path)
    (tmp_path / "opt/folder.jar").mkdir()
    link(tmp_path, "opt/link.jar", "a.jar")
    os.mkfifo(tmp_path / "opt/pipe.jar")
    link(tmp_path, "again", "opt")
    content = read_folder(str(tmp_path), WANTED)
    assert content.unexamined == {"jar": 1, "npm": 1, "python": 1}
    assert content.is_dynamic
    assert content.entries == sum(1 for _path in tmp_path.rglob("*"))


def test_limits(tmp_path: Path) -> None:
    place = tmp_path
    for _depth in range(12):
        place /= "d"
    place.mkdir(parents=True)
    put(tmp_path, "etc/os-release", b"x" * 1000)
    for limits, code in (
        (Limits(path_depth=10), "limit-path"),
        (Limits(entries=5), "limit-entries"),
        (Limits(kept=999), "limit-kept"),
        (Limits(index=999), "limit-index"),
        (Limits(seconds=-1), "limit-time"),
    ):
        with pytest.raises(LimitExceeded) as caught:
            read_folder(str(tmp_path), WANTED, limits=limits)
        assert caught.value.code == code
    link(tmp_path, "var", "/".join("d" * 12) + "/../d")
    with pytest.raises(LimitExceeded, match="deep"):
        read_folder(str(tmp_path), WANTED, limits=Limits(path_depth=10))


@pytest.mark.parametrize("path", ["missing", "file", "a\0b"])
def test_a_root_that_is_no_folder_is_an_input_error(tmp_path: Path, path: str) -> None:
    put(tmp_path, "file")
    with pytest.raises(InputError):
        read_folder(str(tmp_path / path), WANTED)


def test_no_handle_stays_open(tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", b"x")
    put(tmp_path, "etc/yum.repos.d/a.repo", b"x")
    link(tmp_path, "var", "etc")
    before = open_files(collect=True)
    read_folder(str(tmp_path), WANTED)
    assert open_files() <= before
