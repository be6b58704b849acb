# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking layers into a folder, where umoci does not help: hostile entries, bounds, what is recorded or counted."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    IntegrityError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import FileSelection
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import DEFAULT_LIMITS
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import (
    BlobReader,
    Descriptor,
    RootContent,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack import Unpacking, unpack
from ansible_collections.imagescan.openshift.plugins.module_utils._images.walk import read_root
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    File,
    folder,
    hard_link,
    image_of,
)
from ansible_collections.imagescan.openshift.tests.support.unpacking import make, names, open_files, unpacked


def test_a_hundred_and_twenty_seven_layers(root: Path) -> None:
    layers = [[File("shared/last", b"%d" % number), File(f"own/{number}", b"")] for number in range(127)]
    done = unpacked(root, *layers)
    assert (root / "shared/last").read_bytes() == b"126"
    assert len(names(root)) == 2 + 1 + 127
    assert done.entries == 254


def test_no_more_is_written_than_allowed(root: Path) -> None:
    limits = dataclasses.replace(DEFAULT_LIMITS, uncompressed=200_000)
    with pytest.raises(LimitExceeded) as caught:
        unpacked(root, [File("a", bytes(150_000))], [File("b", bytes(150_000))], limits=limits)
    assert caught.value.code == "limit-uncompressed"
    assert "layer 2 of 2" in caught.value.message


def test_entries_and_depth_are_bounded(root: Path) -> None:
    with pytest.raises(LimitExceeded) as caught:
        unpacked(
            root, [File(str(number)) for number in range(600)], limits=dataclasses.replace(DEFAULT_LIMITS, entries=500)
        )
    assert caught.value.code == "limit-entries"


def test_a_damaged_layer_is_no_root(root: Path) -> None:
    image = image_of([File("a", b"x")])
    digest = "sha256:" + "0" * 64
    wrong = dataclasses.replace(image, layers=(dataclasses.replace(image.layers[0], diff_id=digest),))
    with pytest.raises(IntegrityError) as caught:
        unpack(wrong, root, owning=False)
    assert caught.value.code == "diffid-mismatch"


#: What a layer may do to lower ones, or have been before.
STACKS: t.Mapping[str, t.Sequence[t.Sequence[File]]] = {
    "one": [[folder("etc"), File("etc/name", b"1", mode=0, owner=(3, 4)), File("srv/x", bytes(100_000))]],
    "whiteouts": [
        [File("etc/name", b"1"), File("d/a", b""), File("gone", b"")],
        [File(".wh.gone"), File("d/.wh..wh..opq"), File("d/b", b"")],
        [File("etc/name", b"2")],
    ],
    "the same layer again": [[File("etc/name", b"1")], [File("etc/.wh.name")], [File("etc/name", b"1")]],
    "a link to what must be read for it": [[File("hidden", b"1")], [hard_link("etc/name", "hidden")]],
    "nothing": [[], []],
}
NAME = FileSelection(files=frozenset(("etc/name",)))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("stack", STACKS)
def test_unpacking_beside_a_reading_changes_neither(root: Path, stack: str, threads: int) -> None:
    image = image_of(*STACKS[stack])
    with Unpacking(image, root, owning=False) as beside:
        content = read_root(image, NAME, threads=threads, beside=beside)
    alone = make(root.parent / "alone")
    assert beside.result() == unpack(image, alone, owning=False, threads=1)
    assert contents(root) == contents(alone)
    expected = read_root(image, NAME, threads=1)
    assert read_texts(content) == read_texts(expected)
    assert dataclasses.replace(content, files={}) == dataclasses.replace(expected, files={})


def read_texts(content: RootContent) -> dict[str, bytes]:
    """Path -> what was read."""
    return {path: bytes(file.data[:]) for path, file in content.files.items()}


def contents(root: Path) -> dict[str, bytes]:
    """Path -> what is in each file."""
    return {name: (root / name).read_bytes() if (root / name).is_file() else b"" for name in names(root)}


def test_each_layer_is_fetched_once_for_both(root: Path) -> None:
    image = image_of([File("etc/name", b"1")], [File("b", b"2")])
    opened: list[str] = []

    class Counted:
        def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
            opened.append(descriptor.digest)
            return image.source.open_blob(descriptor)

    counted = dataclasses.replace(image, source=Counted())
    with Unpacking(counted, root, owning=False) as beside:
        read_root(counted, NAME, threads=1, beside=beside)
    assert opened == [layer.descriptor.digest for layer in image.layers]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("entries", "limit", "code"),
    [
        ([File("a", b""), File("a/b", b"")], 1 << 30, "layer-entry"),
        ([File("srv/first", bytes(5 << 20)), File("srv/next", bytes(9 << 20))], 4 << 20, "limit-uncompressed"),
        ([File("srv/name", b"x", owner=(1 << 32, 0))], 1 << 30, "layer-entry"),
    ],
)
def test_what_cannot_be_unpacked_can_be_read(
    root: Path, entries: list[File], limit: int, code: str, threads: int
) -> None:
    image = image_of([File("etc/name", b"1")], entries, [File("etc/name", b"2"), File("later", b"")])
    limits = dataclasses.replace(DEFAULT_LIMITS, uncompressed=limit)
    before = open_files(collect=True)
    with Unpacking(image, root, limits=limits, owning=False) as beside:
        content = read_root(image, NAME, threads=threads, beside=beside)
    assert read_texts(content) == {"etc/name": b"2"}
    with pytest.raises(ScanError) as caught:
        beside.result()
    assert caught.value.code == code
    assert "layer 2 of 3" in caught.value.message
    assert caught.value.subject == image.reference
    # Not a byte more: the room may be used up.
    assert "later" not in names(root)
    assert sum(len(data) for data in contents(root).values()) <= limit
    assert open_files() <= before


def test_a_full_disk_ends_the_unpacking_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    image = image_of([File("etc/name", b"1"), File("b", b"2")])
    monkeypatch.setattr(os, "write", full)
    with Unpacking(image, root, owning=False) as beside:
        assert read_texts(read_root(image, NAME, threads=1, beside=beside)) == {"etc/name": b"1"}
    with pytest.raises(LimitExceeded, match="more room") as caught:
        beside.result()
    assert caught.value.code == "unpack-no-space"


def test_a_damaged_layer_ends_the_reading(root: Path) -> None:
    image = image_of([File("etc/name", b"x")])
    wrong = dataclasses.replace(image, layers=(dataclasses.replace(image.layers[0], diff_id="sha256:" + "0" * 64),))
    with Unpacking(wrong, root, owning=False) as beside, pytest.raises(IntegrityError):
        read_root(wrong, NAME, threads=1, beside=beside)


def test_a_folder_that_is_not_empty_does_not_end_the_reading(root: Path) -> None:
    (root / "x").touch()
    image = image_of([File("etc/name", b"1")])
    with Unpacking(image, root, owning=False) as beside:
        assert read_texts(read_root(image, NAME, threads=1, beside=beside)) == {"etc/name": b"1"}
    with pytest.raises(InputError, match="not empty"):
        beside.result()
    assert names(root) == {"x"}


def test_no_folder_stays_open(root: Path) -> None:
    before = open_files(collect=True)
    unpacked(root, [File(f"d{number}/e/f", b"") for number in range(200)], [File("d1/.wh.e"), hard_link("h", "d2/e/f")])
    with pytest.raises(CorruptData):
        unpack(image_of([File("a", b""), File("a/b", b"")]), make(root.parent / "second"), owning=False)
    assert open_files() <= before
