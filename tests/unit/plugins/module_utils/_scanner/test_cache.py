# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers on the scratch disk: kept when they are whole and true, and never in the way of reading them."""

from __future__ import annotations

import os
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import RegistryError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import BlobReader, Descriptor
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import cache
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.cache import CachedLayers
from ansible_collections.imagescan.openshift.tests.support.layouts import MemorySource, digest_of

DATA = bytes(range(256)) * 40
LIMIT = 100_000


def described(data: bytes) -> Descriptor:
    """What a manifest says about a blob."""
    return Descriptor("", digest_of(data), len(data))


def source_of(*blobs: bytes) -> MemorySource:
    """Where blobs come from, in small pieces."""
    return MemorySource({digest_of(blob): blob for blob in blobs}, step=1000)


def whole(reader: BlobReader) -> bytes:
    """Read to the end."""
    pieces: list[bytes] = []
    try:
        while True:
            piece = reader.read(4096)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
    finally:
        reader.close()


def names(folder: Path) -> set[str]:
    """What lies in the folder."""
    return {path.name for path in folder.iterdir()}


def kept_name(data: bytes) -> str:
    """The name of a kept layer."""
    return digest_of(data).replace(":", "-")


def test_a_layer_is_fetched_once(tmp_path: Path) -> None:
    source = source_of(DATA)
    for _image in range(3):
        assert whole(CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))) == DATA
    assert source.opened == {digest_of(DATA): 1}
    assert names(tmp_path) == {kept_name(DATA)}


@pytest.mark.parametrize("given", [DATA[:-1], DATA + b"x", DATA[:-1] + b"x", b""])
def test_what_is_not_the_layer_is_passed_on_and_not_kept(tmp_path: Path, given: bytes) -> None:
    source = MemorySource({digest_of(DATA): given}, step=1000)
    for _image in range(2):
        assert whole(CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))) == given
    assert source.opened == {digest_of(DATA): 2}
    assert names(tmp_path) == set()


def test_a_layer_that_was_not_read_to_its_end_is_not_kept(tmp_path: Path) -> None:
    source = source_of(DATA)
    reader = CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))
    assert b"".join(reader.read(1000) for _piece in range(0, len(DATA), 1000)) == DATA
    reader.close()
    reader.close()
    assert names(tmp_path) == set()


def test_an_error_of_the_registry_gives_the_place_back(tmp_path: Path) -> None:
    class Broken:
        def open_blob(self, descriptor: Descriptor, /) -> BlobReader:
            raise RegistryError("no")

    with pytest.raises(RegistryError):
        CachedLayers(Broken(), str(tmp_path), LIMIT).open_blob(described(DATA))
    assert whole(CachedLayers(source_of(DATA), str(tmp_path), LIMIT).open_blob(described(DATA))) == DATA
    assert names(tmp_path) == {kept_name(DATA)}


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    blobs = [bytes([number]) * 30_000 for number in range(4)]
    layers = CachedLayers(source_of(*blobs), str(tmp_path), LIMIT)
    for number, blob in enumerate((blobs[0], blobs[1], blobs[2], blobs[0], blobs[3])):
        assert whole(layers.open_blob(described(blob))) == blob
        os.utime(tmp_path / kept_name(blob), (number, number))
    assert names(tmp_path) == {kept_name(blob) for blob in (blobs[2], blobs[0], blobs[3])}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= LIMIT


def test_a_layer_that_would_drive_out_all_others_is_not_kept(tmp_path: Path) -> None:
    layers = CachedLayers(source_of(DATA), str(tmp_path), 2 * len(DATA) - 1)
    assert whole(layers.open_blob(described(DATA))) == DATA
    assert names(tmp_path) == set()


def test_there_is_no_room_beside_what_others_write(tmp_path: Path) -> None:
    (tmp_path / "other.part").write_bytes(bytes(LIMIT))
    assert whole(CachedLayers(source_of(DATA), str(tmp_path), LIMIT).open_blob(described(DATA))) == DATA
    assert kept_name(DATA) not in names(tmp_path)
    assert "other.part" in names(tmp_path)


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / f"{kept_name(DATA)}.part").write_bytes(b"half of it" * 2000)
    (tmp_path / kept_name(b"x")).write_bytes(b"too long")
    source = source_of(DATA, b"x")
    for data in (DATA, b"x", DATA, b"x"):
        assert whole(CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(data))) == data
    assert set(source.opened.values()) == {1}
    assert names(tmp_path) == {kept_name(DATA), kept_name(b"x")}


@pytest.mark.parametrize("broken", ["folder", "write", "replace", "unlink"])
def test_a_broken_disk_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    folder = tmp_path / "layers"
    if broken != "folder":
        folder.mkdir()

    def fail(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    if broken == "write":
        monkeypatch.setattr(os, "write", fail)
    elif broken == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    elif broken == "unlink":
        monkeypatch.setattr(os, "write", fail)
        monkeypatch.setattr(Path, "unlink", fail)
    source = source_of(DATA)
    for _image in range(2):
        assert whole(CachedLayers(source, str(folder), LIMIT).open_blob(described(DATA))) == DATA
    assert source.opened == {digest_of(DATA): 2}


def test_who_wants_a_layer_that_another_one_fetches_waits_for_it(tmp_path: Path) -> None:
    source = source_of(DATA)
    first = CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))
    first.read(100)
    found: list[bytes] = []

    def second() -> None:
        found.append(whole(CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))))

    threads = [threading.Thread(target=second) for _number in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert found == []
    whole(first)
    for thread in threads:
        thread.join(60)
    assert found == [DATA] * 3
    assert source.opened == {digest_of(DATA): 1}


def test_whose_turn_never_comes_fetches_it_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 0.2)
    source = source_of(DATA)
    first = CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))
    assert whole(CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))) == DATA
    assert source.opened == {digest_of(DATA): 2}
    assert whole(first) == DATA
    assert names(tmp_path) == {kept_name(DATA)}


def test_who_waited_for_one_that_gave_up_takes_its_place(tmp_path: Path) -> None:
    source = source_of(DATA)
    first = CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))
    found: list[bytes] = []
    thread = threading.Thread(
        target=lambda: found.append(whole(CachedLayers(source, str(tmp_path), LIMIT).open_blob(described(DATA))))
    )
    thread.start()
    time.sleep(0.2)
    first.close()
    thread.join(60)
    assert found == [DATA]
    assert names(tmp_path) == {kept_name(DATA)}


def test_a_name_that_is_no_digest_never_reaches_the_disk(tmp_path: Path) -> None:
    source = MemorySource({"../x": DATA})
    assert whole(CachedLayers(source, str(tmp_path), LIMIT).open_blob(Descriptor("", "../x", len(DATA)))) == DATA
    assert names(tmp_path) == set()
