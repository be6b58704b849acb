# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import tarfile
import time
import tracemalloc
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
from ansible_collections.imagescan.openshift.plugins.module_utils._images import files
from ansible_collections.imagescan.openshift.plugins.module_utils._images.files import TarMembers
from hypothesis import given
from hypothesis import strategies as st

Entry = tuple[str, bytes, bytes, str]


def archive(path: Path, *entries: tuple[str, bytes], links: t.Mapping[str, tuple[bytes, str]] | None = None) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, (kind, target) in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return path


def test_members_are_read_at_random_and_the_last_of_a_name_counts(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", ("./x/a", b"old"), ("b" * 300, b"long name"), ("x/a", b"new"), ("empty", b""))
    members = TarMembers(str(path))
    assert members.read("x/a", 10) == b"new"
    assert members.read("./x//a", 10) == b"new"
    assert members.read("b" * 300, 10) == b"long name"
    assert members.read("empty", 10) == b""
    assert "none" not in members
    with pytest.raises(CorruptData, match="no member"):
        members.find("none")
    with pytest.raises(LimitExceeded, match="3 bytes"):
        members.read("x/a", 2)


def test_links_stay_inside(tmp_path: Path) -> None:
    links = {
        "l1/layer.tar": (tarfile.SYMTYPE, "../x/layer.tar"),
        "l2/layer.tar": (tarfile.SYMTYPE, "../l1/layer.tar"),
        "hard": (tarfile.LNKTYPE, "x/layer.tar"),
        "out": (tarfile.SYMTYPE, "../../etc/passwd"),
        "absolute": (tarfile.SYMTYPE, "/etc/passwd"),
        "hard-out": (tarfile.LNKTYPE, "../etc/passwd"),
        "a": (tarfile.SYMTYPE, "b"),
        "b": (tarfile.SYMTYPE, "a"),
        "dangling": (tarfile.SYMTYPE, "none"),
    }
    members = TarMembers(str(archive(tmp_path / "a.tar", ("x/layer.tar", b"data"), links=links)))
    for name in ("l1/layer.tar", "l2/layer.tar", "hard"):
        assert members.read(name, 10) == b"data"
    for name, says in (("out", "outside"), ("absolute", "outside"), ("hard-out", "outside"), ("a", "never ends"),
                       ("dangling", "no member"), ("/etc/passwd", "outside"), ("../x", "outside")):  # fmt: skip
        with pytest.raises(CorruptData, match=says):
            members.find(name)


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh9", "bzip2")],
)
def test_compressed_archives_are_named(tmp_path: Path, head: bytes, name: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(head + b"\0" * 1000)
    with pytest.raises(InputError, match=f"compressed with {name}"):
        TarMembers(str(path))


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 512, b"PK\x03\x04" + b"\0" * 600, os.urandom(10_000)])
def test_files_that_are_no_archive(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(CorruptData, match="not a readable tar"):
        TarMembers(str(path))


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(InputError):
            TarMembers(str(path))


def test_an_archive_that_is_cut(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", ("first", b"1" * 3000), ("second", b"2" * 100_000))
    data = path.read_bytes()
    for end in (512 * 5, 512 * 7, 512 * 9, 60_000):
        path.write_bytes(data[:end])
        with pytest.raises((CorruptData, IntegrityError)):
            TarMembers(str(path)).read("second", 200_000)
    whole = archive(tmp_path / "b.tar", ("second", b"2" * 100_000))
    members = TarMembers(str(whole))
    whole.write_bytes(whole.read_bytes()[:50_000])
    with pytest.raises(IntegrityError, match="early") as caught:
        members.read("second", 200_000)
    assert caught.value.code == "layer-truncated"


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MEMBER_LIMIT", 10)
    path = archive(tmp_path / "a.tar", *[(f"f{number}", b"") for number in range(11)])
    with pytest.raises(LimitExceeded, match="more than 10"):
        TarMembers(str(path))
    archive(tmp_path / "b.tar", *[(f"f{number}", b"") for number in range(10)])
    assert "f9" in TarMembers(str(tmp_path / "b.tar"))


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_of_gigabytes_is_not_read(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    with path.open("wb") as stream:
        stream.write(header(kind, 4 << 30))
        stream.truncate(5 << 30)  # a hole
    tracemalloc.start()
    with pytest.raises(LimitExceeded, match="header"):
        TarMembers(str(path))
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


def test_endless_headers_end(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes((header(tarfile.GNUTYPE_LONGNAME, 4) + b"abc\0".ljust(512, b"\0")) * 20_000)
    start = time.process_time()
    with pytest.raises(CorruptData):
        TarMembers(str(path))
    assert time.process_time() - start < 30


def test_sparse_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(header(tarfile.GNUTYPE_SPARSE, 0, "s") + b"\0" * 1024)
    with pytest.raises(CorruptData, match="sparse"):
        TarMembers(str(path)).find("s")


@given(st.data())
def test_damaged_archives_end_in_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.tar"
    archive(path, ("./x/a", b"old"), ("b" * 300, b"long name"), ("x/ä", b"new"), links={"l": (tarfile.SYMTYPE, "x/a")})
    damaged = bytearray(path.read_bytes()[:8192])
    for _attempt in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for start in range(0, len(damaged), 512):  # checksums right, so that the damage is looked at
        block = damaged[start : start + 512]
        if data.draw(st.booleans()):
            block[148:156] = b" " * 8
            damaged[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    path.write_bytes(damaged)
    try:
        members = TarMembers(str(path))
        for name in list(members.names()):
            members.read(name, 10_000)
    except ScanError as error:
        assert str(error).isprintable()
