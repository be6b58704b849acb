# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing a root: packages that librpm finds, links that stay inside, what else oscap needs."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.oscap import DATABASE_FOLDER
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.tree import (
    owners_for_fakeroot,
    prepare,
    without_modules,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_metadata import Owner
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import PackageDatabase
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.databases import read_databases

PACKAGES = [rpmdb.parse_rpm(f"package{number}-1.0-{number}.el9.x86_64") for number in range(7)]
HEADERS = [rpmdb.header(package) for package in PACKAGES]


def in_log(packages: t.Sequence[t.Any]) -> dict[str, bytes]:
    """Most packages stand only in the write-ahead log."""
    return rpmdb.sqlite_files(packages[:2], in_log=packages[2:])


def make_root(folder: Path, files: dict[str, bytes], place: str = "var/lib/rpm") -> tuple[Path, PackageDatabase]:
    """A root with a database, and what an inventory says of it."""
    root = folder / "root"
    (root / place).mkdir(parents=True)
    for name, data in files.items():
        (root / place / name).write_bytes(data)
    [reading] = read_databases({f"{place}/{name}": data for name, data in files.items()})
    return root, reading.database


@pytest.mark.parametrize("write", [rpmdb.sqlite_files, rpmdb.ndb_files, rpmdb.bdb_files, in_log])
@pytest.mark.parametrize("place", ["var/lib/rpm", "usr/lib/sysimage/rpm"])
def test_every_format_becomes_one_that_librpm_reads(
    tmp_path: Path, write: t.Callable[[t.Sequence[t.Any]], dict[str, bytes]], place: str
) -> None:
    root, database = make_root(tmp_path, write(PACKAGES), place)
    assert prepare(root, database, "token") == len(PACKAGES)
    path = root / DATABASE_FOLDER / "rpmdb.sqlite"
    assert [entry.name for entry in path.parent.iterdir()] == ["rpmdb.sqlite"]
    with contextlib.closing(sqlite3.connect(path)) as found:
        assert sorted(row[0] for row in found.execute("SELECT blob FROM Packages")) == sorted(HEADERS)
        names = dict(found.execute("SELECT key, hnum FROM Name"))
        assert set(names) == {package.name for package in PACKAGES}
        [(journal,)] = found.execute("PRAGMA journal_mode")
        assert journal == "delete"


def test_a_database_behind_a_link_is_read(tmp_path: Path) -> None:
    root, database = make_root(tmp_path, rpmdb.sqlite_files(PACKAGES), "usr/lib/sysimage/rpm")
    (root / "var/lib").mkdir(parents=True)
    (root / "var/lib/rpm").symlink_to("/usr/lib/sysimage/rpm")
    linked = PackageDatabase("var/lib/rpm/rpmdb.sqlite", database.format, database.rows)
    assert prepare(root, linked, "token") == len(PACKAGES)
    assert str((root / "var/lib/rpm").readlink()) == "../../usr/lib/sysimage/rpm"


def test_another_database_than_that_of_the_inventory_is_refused(tmp_path: Path) -> None:
    root, database = make_root(tmp_path, rpmdb.sqlite_files(PACKAGES))
    for other in (PackageDatabase(database.path, "sqlite", 8), PackageDatabase("var/lib/rpm/Packages.db", "ndb", 7)):
        with pytest.raises(CorruptData) as caught:
            prepare(root, other, "token")
        assert caught.value.code == "tree-other-packages"


@pytest.fixture
def root(tmp_path: Path) -> tuple[Path, PackageDatabase]:
    """A root with a few folders."""
    made = make_root(tmp_path, rpmdb.sqlite_files(PACKAGES))
    for name in ("etc/a/b", "usr/lib"):
        (made[0] / name).mkdir(parents=True)
    return made


LINKS = {
    "etc/os-release": ("../usr/lib/os-release", "../usr/lib/os-release"),
    "etc/absolute": ("/usr/lib/x", "../usr/lib/x"),
    "etc/a/b/deep": ("/etc/passwd", "../../../etc/passwd"),
    "top": ("/", "."),
    "etc/top": ("/", ".."),
    "etc/out": ("../../../../etc/passwd", "../etc/passwd"),
    "etc/a/odd": ("b/../../../../../etc/passwd", "../../etc/passwd"),
    "etc/plain": ("a/b", "a/b"),
    "etc/itself": ("../etc/itself", "../etc/itself"),
    "etc/dotted": ("/usr/./lib/../lib//y", "../usr/lib/y"),
}


def test_links_stay_inside_and_lead_where_they_led(root: tuple[Path, PackageDatabase]) -> None:
    for name, (target, _new) in LINKS.items():
        (root[0] / name).symlink_to(target)
    (root[0] / "etc/a/s").symlink_to("/usr")
    (root[0] / "etc/through").symlink_to("a/s/../../../tmp/x")
    prepare(*root, "token")
    for name, (_target, new) in LINKS.items():
        assert str((root[0] / name).readlink()) == new, name
    # a/s is /usr here, and its parent the root.
    assert str((root[0] / "etc/through").readlink()) == "../tmp/x"


@pytest.mark.parametrize("way", ["/nowhere/../etc/good", "/etc/good/../good", "/etc/dangling/../../../../etc/good"])
def test_links_through_what_is_not_there_lead_nowhere(root: tuple[Path, PackageDatabase], way: str) -> None:
    (root[0] / "etc/good").touch()
    (root[0] / "etc/dangling").symlink_to("nowhere/at/all")
    (root[0] / "etc/link").symlink_to(way)
    prepare(*root, "token")
    assert (root[0] / "etc/link").is_symlink()
    assert not (root[0] / "etc/link").exists()


def test_loops_of_links_end(root: tuple[Path, PackageDatabase]) -> None:
    (root[0] / "etc/one").symlink_to("/etc/two/x")
    (root[0] / "etc/two").symlink_to("/etc/one/x")
    (root[0] / "mnt").symlink_to("mnt")
    (root[0] / "etc/out").symlink_to("/mnt/../etc/passwd")
    prepare(*root, "token")
    for name in ("one", "two", "out"):
        # Where the scanner has no such loop, the old target would lead there.
        with pytest.raises(OSError, match="symbolic links"):
            (root[0] / "etc" / name).stat()


def test_the_root_is_marked_as_a_container(root: tuple[Path, PackageDatabase]) -> None:
    (root[0] / "run").mkdir()
    (root[0] / "run/.containerenv").symlink_to("/etc/passwd")
    prepare(*root, "abc")
    mark = root[0] / "run/.containerenv"
    assert not mark.is_symlink()
    assert mark.read_text(encoding="ascii") == "imagescan=abc\n"
    assert list((root[0] / "proc").iterdir()) == []


def test_what_an_image_says_of_its_kernel_is_not_there(root: tuple[Path, PackageDatabase]) -> None:
    (root[0] / "proc/sys/crypto").mkdir(parents=True)
    (root[0] / "proc/sys/crypto/fips_enabled").write_bytes(b"1\n")
    prepare(*root, "abc")
    assert list((root[0] / "proc").iterdir()) == []


@pytest.mark.parametrize("target", ["etc", "nowhere", "proc"])
def test_proc_is_a_folder_of_its_own(root: tuple[Path, PackageDatabase], target: str) -> None:
    (root[0] / "proc").symlink_to(target)
    prepare(*root, "abc")
    assert not (root[0] / "proc").is_symlink()
    assert list((root[0] / "proc").iterdir()) == []
    assert (root[0] / "etc/a").is_dir()


def test_a_root_that_cannot_be_prepared_is_an_error(root: tuple[Path, PackageDatabase]) -> None:
    (root[0] / "run").write_bytes(b"")
    with pytest.raises(ScanError) as caught:
        prepare(*root, "abc")
    assert caught.value.code == "tree-not-prepared"


def test_owners_are_told_by_inode(tmp_path: Path) -> None:
    for name in ("a", "b", "gone", "other"):
        (tmp_path / name).touch()
    (tmp_path / "gone").unlink()
    owners = {
        "a": Owner(stat.S_IFREG | 0o4711, 12, 34),
        "gone": Owner(stat.S_IFREG, 1, 1),
        "other": Owner(stat.S_IFDIR | 0o755, 1, 1),
    }
    status = (tmp_path / "a").stat()
    assert owners_for_fakeroot(tmp_path, owners).decode() == (
        f"dev={status.st_dev:x},ino={status.st_ino},mode=104711,uid=12,gid=34,nlink=1,rdev=0\n"
    )


def test_nothing_is_written_through_links(root: tuple[Path, PackageDatabase], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root[0] / "proc").symlink_to(outside)
    (root[0] / "run").symlink_to(outside)
    with contextlib.suppress(ScanError):
        prepare(*root, "abc")
    assert not list(outside.iterdir())


NAMES = b"""# passwd: evil
passwd:\tsss files evil # evil
 group evil [NOTFOUND=return] files
shadow:evil
hosts: files dns myhostname
:evil
"""


def test_names_are_looked_up_in_files_alone(root: tuple[Path, PackageDatabase]) -> None:
    place = root[0] / "etc/nsswitch.conf"
    (root[0] / "etc/names").write_bytes(NAMES)
    for make in (lambda: place.write_bytes(NAMES), lambda: place.symlink_to("names")):
        make()
        without_modules(root[0])
        assert not place.is_symlink()
        assert place.read_bytes() == b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
        place.unlink()
    assert (root[0] / "etc/names").read_bytes() == NAMES
    without_modules(root[0])
    assert not place.exists()
