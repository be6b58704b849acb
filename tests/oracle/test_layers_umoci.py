# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated layer stacks: what we read out of the layers, and what we unpack, is what ``umoci unpack`` gives."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fnmatch
import io
import os
import stat
import subprocess
import tarfile
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import LimitExceeded, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import FileSelection
from ansible_collections.imagescan.openshift.plugins.module_utils._images.folders import read_folder
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image, RootContent
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack import Unpacking, unpack
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_metadata import Owner, may_own
from ansible_collections.imagescan.openshift.plugins.module_utils._images.walk import read_root
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.layouts import File, image_of, tar_of, write_layout
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: How many of the generated stacks umoci unpacks and we read, at least.
SHARE = 0.4

WANTED = FileSelection(
    files=frozenset(
        f"{folder}/{name}"
        for folder in ("var/lib/rpm", "usr/lib/sysimage/rpm")
        for name in ("rpmdb.sqlite", "Packages")
    )
    | {"etc/os-release", "usr/lib/os-release"},
    folders={"etc/yum.repos.d": ("*.repo",)},
)

FOLDERS = (
    "var",
    "var/lib",
    "var/lib/rpm",
    "usr",
    "usr/lib",
    "usr/lib/sysimage",
    "usr/lib/sysimage/rpm",
    "etc",
    "etc/yum.repos.d",
    "data",
    "data/rpm",
)
FILES = (
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages",
    "data/rpm/rpmdb.sqlite",
    "data/rpmdb.sqlite",
    "etc/os-release",
    "usr/lib/os-release",
    "etc/yum.repos.d/a.repo",
    "data/a.repo",
    "data/app.jar",
    "etc/os-release/x",
    "spare",
)
TARGETS = (
    "../../usr/lib/sysimage/rpm",
    "../lib/sysimage/rpm",
    "/usr/lib/sysimage/rpm",
    "/data",
    "data",
    "/data/rpm",
    "rpm",
    ".",
    "..",
    "../../../..",
    "/",
    "lib",
    "../usr/lib",
    "/usr/lib/os-release",
    "../usr/lib/os-release",
    "rpmdb.sqlite",
    "Packages",
    "/data/rpmdb.sqlite",
    "missing/../rpmdb.sqlite",
    "/etc/yum.repos.d",
    "/spare",
)
SPELLINGS = ("{}", "{}", "{}", "./{}", "/{}", "data/../{}", "{}/", "../{}", ".//{}")


@st.composite
def stacks(draw: st.DrawFn) -> list[list[File]]:
    """Layers of tar entries. Hard links point to files that some earlier entry made (unpackers refuse others)."""
    made: list[str] = []
    layers: list[list[File]] = []
    serial = 0
    for _layer in range(draw(st.integers(1, 4))):
        entries: list[File] = []
        for _entry in range(draw(st.integers(1, 9))):
            kind = draw(st.sampled_from("fffffddllhhwoop"))
            place = draw(st.sampled_from(FOLDERS)) if kind in "dlo" else draw(st.sampled_from(FILES))
            if kind in "lw" and draw(st.booleans()):
                place = draw(st.sampled_from(FOLDERS + FILES))
            name = draw(st.sampled_from(SPELLINGS)).format(place)
            folder, _slash, base = place.rpartition("/")
            if kind == "f":
                serial += 1
                mode = draw(st.sampled_from((0o644, 0o600, 0o4755, 0o000)))
                owner = draw(st.sampled_from(((0, 0), (0, 0), (7, 8))))
                entries.append(File(name.rstrip("/"), b"content %d" % serial, mode=mode, owner=owner, modified=serial))
                made.append(place)
            elif kind == "d":
                mode = draw(st.sampled_from((0o755, 0o700, 0o1777, 0o2755, 0o000)))
                owner = draw(st.sampled_from(((0, 0), (0, 0), (7, 8))))
                entries.append(File(name, kind=tarfile.DIRTYPE, mode=mode, owner=owner))
            elif kind == "l":
                target = draw(st.sampled_from(TARGETS))
                entries.append(File(name.rstrip("/"), kind=tarfile.SYMTYPE, link=target))
            elif kind == "h" and made:
                entries.append(File(name.rstrip("/"), kind=tarfile.LNKTYPE, link=draw(st.sampled_from(made))))
                made.append(place)
            elif kind == "w":
                entries.append(File(f"{folder}/.wh.{base}" if folder else f".wh.{base}"))
            elif kind == "o":
                entries.append(File(f"{place}/.wh..wh..opq"))
            elif kind == "p":
                entries.append(File(name.rstrip("/"), kind=tarfile.FIFOTYPE))
        layers.append(entries)
    return layers


class OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in_root(root: int, path: str) -> int:
    """Open a path as a process with this root folder would: the kernel resolves it (openat2, RESOLVE_IN_ROOT)."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = OpenHow(os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, 0, 0x10)
    while True:
        result = libc.syscall(437, root, path.encode(), ctypes.byref(how), ctypes.sizeof(how))
        if result >= 0:
            return t.cast(int, result)
        # EAGAIN: something on this machine was renamed meanwhile, so the kernel cannot be sure about "..".
        if ctypes.get_errno() != errno.EAGAIN:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def kernel_view(root: Path, wanted: FileSelection) -> tuple[dict[str, bytes], set[str]]:
    """(wanted files, paths that exist and cannot be read as files or folders)."""
    files: dict[str, bytes] = {}
    wrong: set[str] = set()
    top = os.open(root, os.O_RDONLY)
    try:

        def take(path: str) -> None:
            try:
                handle = open_in_root(top, path)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    wrong.add(path)
                else:
                    assert error.errno in (errno.ENOENT, errno.ENOTDIR), error
                return
            try:
                if stat.S_ISREG(os.fstat(handle).st_mode):
                    files[path] = os.read(handle, 1 << 20)
                else:
                    wrong.add(path)
            finally:
                os.close(handle)

        for path in wanted.files:
            take(path)
        for folder, patterns in wanted.folders.items():
            try:
                handle = open_in_root(top, folder)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    wrong.add(folder)
                continue
            try:
                if not stat.S_ISDIR(os.fstat(handle).st_mode):
                    wrong.add(folder)
                    continue
                for name in os.listdir(handle):  # noqa: PTH208 - an open folder
                    if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                        take(f"{folder}/{name}")
            finally:
                os.close(handle)
    finally:
        os.close(top)
    return files, wrong


def unpacked_by_umoci(umoci: str, layers: t.Sequence[bytes], work: Path) -> Path | None:
    """The root that umoci unpacks, or None where it refuses."""
    write_layout(work / "image", layers)
    command = [umoci, "unpack", "--image", f"{work}/image:latest", f"{work}/bundle"]
    if os.geteuid() != 0:
        command.insert(2, "--rootless")
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return work / "bundle" / "rootfs" if done.returncode == 0 else None


def check(content: RootContent, root: Path, *, exact: bool) -> None:
    """Compare what we read with what the kernel reads below the unpacked root.

    Components are counted under the names that they have in their layers: exactly where nothing is a symlink, and no
    hard link leads to a pipe.
    """
    files, wrong = kernel_view(root, WANTED)
    assert {path: bytes(file.data[:]) for path, file in content.files.items()} == files
    assert {problem.message.partition(":")[0] for problem in content.problems} == wrong
    jars = len([path for path in root.rglob("*.jar") if stat.S_ISREG(path.lstat().st_mode)])
    assert content.unexamined["jar"] == jars if exact else bool(content.unexamined["jar"]) >= bool(jars)


def tree_of(root: Path, owners: t.Mapping[str, Owner]) -> dict[str, tuple[t.Any, ...]]:
    """What is in a root: path -> type, mode, owner, and content, target or number of names; without what is special.

    ``owners``: what was recorded where the disk has something else. Times are those of regular files alone.
    """
    found: dict[str, tuple[t.Any, ...]] = {}
    for path in [root, *root.rglob("*")]:
        name = "" if path == root else str(path.relative_to(root))
        status = path.lstat()
        owner = owners.get(name, Owner(status.st_mode, status.st_uid, status.st_gid))
        mode = stat.S_IMODE(owner.mode)
        assert stat.S_IFMT(owner.mode) == stat.S_IFMT(status.st_mode), name
        if stat.S_ISDIR(status.st_mode):
            found[name] = ("folder", mode, owner.uid, owner.gid)
        elif stat.S_ISLNK(status.st_mode):
            found[name] = ("symlink", str(path.readlink()), owner.uid, owner.gid)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
            found[name] = ("file", mode, owner.uid, owner.gid, content, status.st_nlink, int(status.st_mtime))
    return found


def check_tree(image: Image, root: Path, work: Path) -> None:
    """What we unpack is what umoci unpacked; without the rights of root, what we record says the same.

    Once on its own, and once beside a reading.
    """
    expected = tree_of(root, {})
    for owning in (True, False):
        ours, other = work / f"ours-{owning}", work / f"other-{owning}"
        ours.mkdir()
        other.mkdir()
        done = unpack(image, ours, threads=1, owning=owning)
        assert not done.problems
        with Unpacking(image, other, owning=owning) as beside, contextlib.suppress(LimitExceeded):
            read_root(image, WANTED, threads=1, beside=beside)
        assert beside.result() == done
        assert tree_of(other, done.owners) == expected
        assert tree_of(ours, done.owners) == expected
        for path in ours.rglob("*"):
            status = path.lstat()
            assert owning or stat.S_ISLNK(status.st_mode) or status.st_mode & 0o600 == 0o600
            assert owning or (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


@pytest.mark.parametrize("examples", [60, pytest.param(450, marks=pytest.mark.full)])
def test_generated_stacks_read_and_unpack_as_umoci_unpacks_them(examples: int) -> None:
    umoci = require_program("umoci")
    may_be_owned = may_own()
    compared = given_up = 0

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stacks(), st.sampled_from((1, 2)))
    def compare(layers: list[list[File]], threads: int) -> None:
        nonlocal compared, given_up
        with tempfile.TemporaryDirectory() as folder:
            root = unpacked_by_umoci(umoci, [tar_of(layer) for layer in layers], Path(folder))
            image = image_of(*layers)
            if root is not None and may_be_owned:
                check_tree(image, root, Path(folder))
            if root is None:
                # No runtime would start this image; any clear answer will do.
                try:
                    read_root(image, WANTED, threads=threads)
                except ScanError as error:
                    assert error.code in ("layer-entry", "symlink-loop", "limit-paths")
                return
            odd = any(entry.kind in (tarfile.SYMTYPE, tarfile.FIFOTYPE) for layer in layers for entry in layer)
            try:
                content = read_root(image, WANTED, threads=threads)
            except LimitExceeded as error:
                # Entries that go through a tangle of looping symlinks: given up aloud, and rare even here.
                assert error.code == "limit-paths"
                given_up += 1
                return
            check(content, root, exact=not odd)
            check(read_folder(str(root), WANTED), root, exact=True)
            compared += 1

    compare()
    if not may_be_owned:
        missing("root, to compare owners")
    assert compared >= SHARE * examples
    assert given_up <= compared // 50


def test_a_real_layer_with_opaque_folders_reads_as_umoci_unpacks_it(tmp_path: Path) -> None:
    umoci = require_program("umoci")
    upper = data_path("quay+claircore/whiteout/testdata/whiteout_opaque.layer").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(upper)) as archive:
        names = archive.getnames()
    ends = [name.rpartition("/") for name in names]
    folders = sorted({folder for folder, _slash, base in ends if base == ".wh..wh..opq"})
    # This layer also has a file whose name only ends like the marker: its folder hides nothing.
    others = sorted({folder for folder, _slash, base in ends if base.endswith(".wh..wh..opq")} - set(folders))
    assert folders
    assert others
    lower = tar_of([File(f"{folder}/below", b"lower") for folder in [*folders, *others]])
    wanted = FileSelection(files=frozenset(names) | {f"{folder}/below" for folder in [*folders, *others]})
    root = unpacked_by_umoci(umoci, [lower, upper], tmp_path)
    assert root is not None
    content = read_root(image_of(lower, upper), wanted)
    files, wrong = kernel_view(root, wanted)
    assert {path: bytes(file.data[:]) for path, file in content.files.items()} == files
    assert {problem.message.partition(":")[0] for problem in content.problems} == wrong
    assert all(f"{folder}/below" in files for folder in others)
    assert not any(f"{folder}/below" in files for folder in folders)


def test_a_real_layer_with_content_manifests_reads_as_umoci_unpacks_it(tmp_path: Path) -> None:
    umoci = require_program("umoci")
    layer = data_path("quay+claircore/rhel/testdata/layer-with-embedded-cs.tar").read_bytes()
    folder = "root/buildinfo/content_manifests"
    wanted = FileSelection(folders={folder: ("*.json",)}, layer_folders=frozenset({folder}))
    root = unpacked_by_umoci(umoci, [layer], tmp_path)
    assert root is not None
    content = read_root(image_of(layer), wanted)
    files, _wrong = kernel_view(root, wanted)
    assert files
    assert {path: bytes(file.data[:]) for path, file in content.files.items()} == files
    assert [(file.path, file.layer) for file in content.layer_files] == [(path, 0) for path in sorted(files)]
