# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that an image is unpacked into: nothing leads out of it, and what it could not have is recorded."""

from __future__ import annotations

import os
import stat
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import DEFAULT_LIMITS, Budget, Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_metadata import Metadata, Owner
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_root import (
    FileWriter,
    UnpackedRoot,
    kind_at,
    unpack_failure,
)
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    File,
    folder,
    hard_link,
    symlink,
)
from ansible_collections.imagescan.openshift.tests.support.unpacking import names, open_files, unpacked

PLAIN = Metadata(0o644, 0, 0, 0.0)


@pytest.fixture
def opened(root: Path) -> t.Iterator[UnpackedRoot]:
    """A root that is written by who may not own."""
    with UnpackedRoot(root, Budget(DEFAULT_LIMITS), owning=False) as target:
        yield target


def put_link(target: UnpackedRoot, path: str, link: str) -> None:
    """Make a symlink."""
    above, _slash, name = path.rpartition("/")
    target.place(above, name, lambda path, handle: target.make_symlink(path, handle, name, link, PLAIN))


def put_file(target: UnpackedRoot, path: str, data: bytes = b"", metadata: Metadata = PLAIN) -> None:
    """Make a file."""
    above, _slash, name = path.rpartition("/")

    def make(path: str, handle: int) -> FileWriter:
        return target.make_file(path, handle, name, metadata)

    writer = target.place(above, name, make)
    writer.write(memoryview(data))
    writer.finish()


@pytest.mark.parametrize(
    ("link", "path", "real"),
    [
        ("usr/lib", "lib/x", "usr/lib/x"),
        ("/usr/lib", "lib/x", "usr/lib/x"),
        ("../../../usr/lib", "lib/x", "usr/lib/x"),
        ("/", "lib/x", "x"),
        ("usr/lib/..", "lib/x", "usr/x"),
        ("missing/../usr/lib", "lib/x", "usr/lib/x"),
        ("nowhere", "lib/../x", "x"),
        (".", "lib/lib/lib/x", "x"),
    ],
)
def test_symlinks_are_followed_inside_the_root(
    opened: UnpackedRoot, root: Path, link: str, path: str, real: str
) -> None:
    opened.parent("usr/lib")
    put_link(opened, "lib", link)
    found, handle = opened.parent(path)
    assert found == real
    assert os.path.samestat(os.fstat(handle), (root / real).stat())
    assert opened.folder(path, create=False) == (real, handle)


def test_what_is_missing_is_made_only_where_that_is_asked_for(opened: UnpackedRoot, root: Path) -> None:
    put_file(opened, "file")
    assert opened.folder("a/b", create=False) is None
    assert opened.folder("file", create=False) is None
    assert names(root) == {"file"}
    with pytest.raises(CorruptData, match="an entry stands inside 'file', which is not a folder") as caught:
        opened.parent("file/x")
    assert caught.value.code == "layer-entry"
    assert opened.parent("a/b")[0] == "a/b"
    assert names(root) == {"file", "a", "a/b"}


@pytest.mark.parametrize("is_open", [False, True], ids=["from the top", "from an open folder"])
def test_a_loop_of_symlinks_names_the_whole_path(opened: UnpackedRoot, is_open: bool) -> None:
    opened.parent("d")
    put_link(opened, "d/a", "b")
    put_link(opened, "d/b", "a")
    if not is_open:
        opened.forget()
    with pytest.raises(CorruptData, match="the folder 'd/a' leads through a loop of symlinks") as caught:
        opened.parent("d/a")
    assert caught.value.code == "symlink-loop"


def test_a_folder_that_is_swapped_for_a_symlink_leads_nowhere(
    opened: UnpackedRoot, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    opened.parent("a/b")
    opened.forget()
    original = os.open

    def swap(path: t.Any, *rest: t.Any, **options: t.Any) -> int:
        if path == "b":
            (root / "a/b").rmdir()
            (root / "a/b").symlink_to(outside)
            monkeypatch.setattr(os, "open", original)
        return original(path, *rest, **options)

    monkeypatch.setattr(os, "open", swap)
    put_file(opened, "a/b/x", b"1")
    assert list(outside.iterdir()) == []
    assert (root / str(outside).lstrip("/") / "x").read_bytes() == b"1"


def test_removing_follows_no_symlink(opened: UnpackedRoot, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "kept").touch()
    put_link(opened, "d/e/out", str(outside))
    put_file(opened, "d/e/f/g/file")
    opened.remove("", "d")
    opened.remove("", "missing")
    assert names(root) == set()
    assert [path.name for path in outside.iterdir()] == ["kept"]


def test_an_open_folder_that_was_removed_is_not_written_to(opened: UnpackedRoot, root: Path) -> None:
    opened.parent("a/b/c")
    opened.remove("a", "b")
    put_link(opened, "a/b", "/other")
    put_file(opened, "a/b/c/x", b"1")
    assert names(root) == {"a", "a/b", "other", "other/c", "other/c/x"}


def test_what_is_at_a_place_is_replaced(opened: UnpackedRoot, root: Path) -> None:
    put_file(opened, "a", b"old")
    put_file(opened, "a", b"new")
    put_file(opened, "d/x")
    put_file(opened, "d", b"was a folder")
    put_link(opened, "a", "d")
    assert {name: kind_at(opened.parent("")[1], name) for name in ("a", "d", "none")} == {
        "a": "l",
        "d": "f",
        "none": "",
    }
    assert (root / "d").read_bytes() == b"was a folder"


def test_a_folder_that_nobody_described_takes_the_group_of_the_one_above(opened: UnpackedRoot, root: Path) -> None:
    above = opened.parent("")[1]
    opened.make_folder("shared", above, "shared", Metadata(0o2775, 0, 50, 0.0))
    opened.parent("shared/x/y")
    assert (root / "shared/x/y").stat().st_mode & 0o7777 == 0o2755
    owners = opened.result().owners
    expected = {"shared": 0o2775, "shared/x": 0o2755, "shared/x/y": 0o2755}
    assert owners == {path: Owner(stat.S_IFDIR | mode, 0, 50) for path, mode in expected.items()}


def test_records_of_owners_are_bounded(root: Path) -> None:
    with UnpackedRoot(root, Budget(Limits(index=1000)), owning=False) as target, pytest.raises(LimitExceeded) as caught:
        for number in range(10):
            put_file(target, str(number), metadata=Metadata(0, 0, 0, 0.0))
    assert caught.value.code == "limit-index"


def test_many_problems_are_summed_up(opened: UnpackedRoot) -> None:
    for number in range(23):
        opened.unseen("unreadable", f"{number}: no")
    messages = [problem.message for problem in opened.result().problems]
    assert (len(messages), messages[0], messages[-1]) == (21, "0: no", "3 more files or folders could not be read")


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (28, LimitExceeded, "unpack-no-space"),
        (122, LimitExceeded, "unpack-no-space"),
        (5, ScanError, "unpack-failed"),
    ],
)
def test_what_the_disk_refuses_names_the_entry(number: int, kind: type[ScanError], code: str) -> None:
    error = unpack_failure(OSError(number, "refused"), "etc/x")
    assert (type(error), error.code) == (kind, code)
    assert "'etc/x'" in error.message


def test_no_more_folders_stay_open_than_a_process_may_have(opened: UnpackedRoot) -> None:
    before = open_files(collect=True)
    for number in range(200):
        opened.parent(f"d{number}/e")
    assert open_files() - before <= 64
    opened.close()
    assert open_files() <= before - 1


# Whole layers


def test_entries_stay_inside_the_root(root: Path) -> None:
    unpacked(
        root,
        [
            File("../escaped", b"1"),
            File("/absolute", b"2"),
            symlink("out", "../../../../.."),
            File("out/tmp/through", b"3"),
            symlink("away", str(root.parent)),
            File("away/written", b"4"),
            File("a/../../../b", b"5"),
        ],
    )
    assert {path.name for path in root.parent.iterdir()} == {"root"}
    assert (root / "escaped").read_bytes() == b"1"
    assert (root / "absolute").read_bytes() == b"2"
    assert (root / "tmp" / "through").read_bytes() == b"3"
    assert (root / str(root.parent).lstrip("/") / "written").read_bytes() == b"4"
    assert (root / "b").read_bytes() == b"5"


def test_what_the_disk_cannot_have_is_recorded(root: Path) -> None:
    done = unpacked(
        root,
        [
            folder("etc"),
            File("etc/shadow", b"root:*:", mode=0),
            File("etc/other", b"", owner=(12, 34)),
            hard_link("etc/link", "etc/shadow"),
            File("plain", b""),
            File("closed/", kind=tarfile.DIRTYPE, mode=0o555),
            File("closed/file", b"z"),
        ],
    )
    assert done.owners == {
        "etc/shadow": Owner(stat.S_IFREG, 0, 0),
        "etc/link": Owner(stat.S_IFREG, 0, 0),
        "etc/other": Owner(stat.S_IFREG | 0o644, 12, 34),
        "closed": Owner(stat.S_IFDIR | 0o555, 0, 0),
    }
    assert (root / "etc/shadow").read_bytes() == b"root:*:"


def test_a_record_goes_with_its_file(root: Path) -> None:
    done = unpacked(root, [File("a", b"", mode=0), File("b", b"", owner=(1, 1))], [File("a", b""), symlink("b", "a")])
    assert done.owners == {}


def test_loops_of_symlinks_end(root: Path) -> None:
    with pytest.raises(CorruptData, match="loop of symlinks") as caught:
        unpacked(root, [symlink("a", "b"), symlink("b", "a"), File("a/x", b"")])
    assert caught.value.code == "symlink-loop"


def test_a_full_disk_says_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LimitExceeded, match="more room") as caught:
        unpacked(root, [File("etc/a", b"x")])
    assert caught.value.code == "unpack-no-space"


def test_the_folder_must_be_empty_and_there(root: Path) -> None:
    (root / "x").touch()
    with pytest.raises(InputError, match="not empty"):
        unpacked(root, [])
    with pytest.raises(ScanError, match="No such file"):
        unpacked(root / "missing", [])
