# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a layer: whiteouts, hard links, and entries that no disk can have."""

from __future__ import annotations

import stat
import tarfile
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import DEFAULT_LIMITS, Budget, Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_layer import LayerUnpacker
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_metadata import Owner
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_root import UnpackedRoot
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    File,
    folder,
    hard_link,
    symlink,
    tar_of,
)
from ansible_collections.imagescan.openshift.tests.support.unpacking import names, open_files, unpacked


def test_a_hard_link_never_leads_outside(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(CorruptData, match="points to nothing"):
        unpacked(root, [symlink("s", str(tmp_path)), hard_link("stolen", "s/secret")])
    assert "stolen" not in names(root)


def test_hard_links_across_layers_share_one_file(root: Path) -> None:
    unpacked(
        root, [File("data/a", b"x", mode=0o4755, owner=(5, 6))], [hard_link("data/b", "data/a")], [File("data/a", b"y")]
    )
    assert (root / "data/b").read_bytes() == b"x"
    assert (root / "data/a").read_bytes() == b"y"
    assert (root / "data/b").stat().st_mode & 0o7777 == 0o4755


def test_devices_and_pipes_are_counted_and_not_made(root: Path) -> None:
    special = [
        File("dev/null", kind=tarfile.CHRTYPE),
        File("pipe", kind=tarfile.FIFOTYPE),
        hard_link("dev/zero", "dev/null"),
    ]
    done = unpacked(root, special)
    assert names(root) == {"dev"}
    assert done.specials == 2
    assert not done.problems


def test_capabilities_are_counted(root: Path) -> None:
    layer = tar_of([File("ping", b"", attributes={"security.capability": "x"}), File("cat", b"")], tarfile.PAX_FORMAT)
    assert unpacked(root, layer).capabilities == 1


def test_a_sparse_file_is_a_problem(root: Path) -> None:
    header = bytearray(tar_of([File("big", b"12345")])[:512])
    header[156:157] = b"S"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    done = unpacked(root, bytes(header) + b"12345".ljust(512, b"\0") + bytes(1024))
    assert [problem.code for problem in done.problems] == ["file-not-unpacked"]
    assert names(root) == set()


def test_whiteouts_delete_what_lower_layers_brought(root: Path) -> None:
    unpacked(
        root,
        [File("d/old", b""), File("d/sub/old", b""), File("gone/x", b""), File("stays", b"")],
        [File("d/new", b""), File("d/.wh..wh..opq"), File("d/sub/new", b""), File(".wh.gone")],
    )
    assert names(root) == {"d", "d/new", "d/sub", "d/sub/new", "stays"}


@pytest.mark.parametrize("name", [".wh.", "a/.wh..", ".wh..."])
def test_a_whiteout_without_a_name_is_refused(root: Path, name: str) -> None:
    with pytest.raises(CorruptData, match="names no file"):
        unpacked(root, [File("a/x", b"")], [File(name)])


@pytest.mark.parametrize("owner", [(1 << 32, 0), (0, 1 << 32)])
@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_owner_that_no_disk_can_have_is_refused(root: Path, owner: tuple[int, int], tar_format: int) -> None:
    with pytest.raises(CorruptData) as caught:
        unpacked(root, tar_of([File("a", b"x", owner=owner)], tar_format))
    assert caught.value.code == "layer-entry"


def test_a_whiteout_spares_what_its_own_layer_brought_wherever_it_stands(root: Path) -> None:
    unpacked(
        root,
        [File("d/old"), File("d/sub/old"), File("e/old"), symlink("link", "d")],
        # Through a symlink of the lower layer, and before and after the whiteout.
        [File("link/sub/new"), File(".wh.d"), File("e/new"), File("e/.wh.old"), File("e/.wh.new")],
    )
    assert names(root) == {"d", "d/sub", "d/sub/new", "e", "e/new", "link"}


def test_a_whiteout_removes_a_symlink_and_not_what_it_leads_to(root: Path) -> None:
    unpacked(root, [File("d/kept"), symlink("link", "d")], [File(".wh.link")])
    assert names(root) == {"d", "d/kept"}


def test_a_marker_goes_through_a_symlink_and_ends_at_a_file(root: Path) -> None:
    lower = [File("d/old"), symlink("link", "d"), File("file")]
    unpacked(root, lower, [File("link/.wh..wh..opq"), File("file/.wh.x"), File("missing/.wh..wh..opq")])
    assert names(root) == {"d", "link", "file"}


def test_whiteouts_of_the_lowest_layer_hide_nothing(root: Path) -> None:
    unpacked(root, [File("d/a"), File("d/.wh.a"), File("d/.wh..wh..opq")])
    assert names(root) == {"d", "d/a"}


def test_a_hard_link_goes_through_symlinks_to_the_file_of_that_moment(root: Path) -> None:
    unpacked(root, [File("d/a", b"1"), symlink("link", "/d")], [hard_link("link/b", "link/a"), File("d/a", b"2")])
    assert {path: (root / path).read_bytes() for path in ("d/a", "d/b")} == {"d/a": b"2", "d/b": b"1"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (hard_link("a", "a"), "points to nothing"),
        (hard_link("d/../a", "d/../a"), "points to nothing"),
        (hard_link("b", "missing/x"), "points to nothing"),
        (hard_link("b", "a/x"), "points to nothing"),
        (hard_link("b", "d"), "points to the folder 'd'"),
        (hard_link("b", ""), "points to "),
    ],
)
def test_a_hard_link_needs_a_file_of_its_own(root: Path, entry: File, message: str) -> None:
    with pytest.raises(CorruptData, match=message) as caught:
        unpacked(root, [File("a", b"1"), folder("d"), entry])
    assert caught.value.code == "layer-entry"
    assert (root / "a").read_bytes() == b"1"


def test_a_hard_link_to_a_symlink_is_one(root: Path) -> None:
    unpacked(root, [symlink("link", "/etc/passwd"), hard_link("other", "link")])
    assert str((root / "other").readlink()) == "/etc/passwd"


@pytest.mark.parametrize("entry", [File("./", b"x"), symlink(".", "/"), File("a/..", kind=tarfile.FIFOTYPE)])
def test_the_root_stays_a_folder(root: Path, entry: File) -> None:
    with pytest.raises(CorruptData, match="something else than a folder"):
        unpacked(root, [entry])
    assert root.is_dir()


def test_an_entry_for_the_root_gives_it_its_metadata(root: Path) -> None:
    done = unpacked(root, [File("./", kind=tarfile.DIRTYPE, mode=0o1777, owner=(7, 8))])
    assert done.owners == {"": Owner(stat.S_IFDIR | 0o1777, 7, 8)}
    assert root.stat().st_mode & 0o7777 == 0o1777


def test_an_entry_of_another_kind_replaces_what_was_there(root: Path) -> None:
    unpacked(
        root,
        [File("a/x"), File("b"), symlink("c", "a"), File("pipe")],
        [File("a", b"file"), folder("b"), folder("c"), File("pipe", kind=tarfile.FIFOTYPE)],
    )
    assert names(root) == {"a", "b", "c"}
    assert [(root / name).is_dir() for name in "abc"] == [False, True, True]
    assert not (root / "c").is_symlink()


def test_the_largest_owner_is_recorded(root: Path) -> None:
    largest = (1 << 32) - 1
    assert unpacked(root, [File("a", owner=(largest, largest))]).owners == {
        "a": Owner(stat.S_IFREG | 0o644, largest, largest)
    }


def test_what_a_layer_made_is_remembered_within_bounds(root: Path) -> None:
    with UnpackedRoot(root, Budget(Limits(index=1000)), owning=False) as target:
        upper = LayerUnpacker(target, 1)
        with pytest.raises(LimitExceeded) as caught:
            for number in range(100):
                upper.visit(f"{number}", "d", 0, "")
    assert caught.value.code == "limit-index"


def test_a_file_that_did_not_end_is_closed_with_its_layer(root: Path) -> None:
    before = open_files(collect=True)
    with UnpackedRoot(root, Budget(DEFAULT_LIMITS), owning=False) as target:
        layer = LayerUnpacker(target, 0)
        assert layer.visit("file", "f", 10, "") is not None
        layer.close()
    assert open_files() <= before
