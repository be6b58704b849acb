# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers made to exhaust whoever reads them: each ends in a clear error or a harmless result, in 10 s and 200 MB.

Each case runs in a process of its own, which reports its peak memory and the processor time that it took.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.layouts import File, hard_link, symlink, tar_of

SECONDS = 10.0
MEGABYTES = 200
MIB = 1 << 20

READ = """
import json, resource, sys
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import *
from ansible_collections.imagescan.openshift.plugins.module_utils._images.walk import read_root
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import WANTED

path, layers = sys.argv[1], json.loads(sys.argv[2])

class Source:
    def open_blob(self, descriptor):
        return open(f"{path}/{descriptor.digest[7:]}", "rb", buffering=0)

layers = tuple(Layer(Descriptor("x", digest, size), diff_id) for digest, size, diff_id in layers)
config = ImageConfig("", Platform("linux", "amd64"), "", {}, (), tuple(layer.diff_id for layer in layers))
try:
    content = read_root(Image("", "image", config, layers, Source()), WANTED)
    result = {"files": {name: len(file.data) for name, file in content.files.items()},
              "problems": [problem.code for problem in content.problems], "entries": content.entries}
except ScanError as error:
    result = {"code": error.code, "message": str(error)}
status = open("/proc/self/status").read()
usage = resource.getrusage(resource.RUSAGE_SELF)
result["megabytes"] = int(status.partition("VmHWM:")[2].split()[0]) / 1024
result["seconds"] = usage.ru_utime + usage.ru_stime
print(json.dumps(result))
"""


@dataclasses.dataclass
class Blob:
    """A layer's blob. ``diff_id`` is left out where nobody gets that far."""

    data: bytes
    diff_id: str = "sha256:" + "0" * 64


def plain(tar: bytes) -> Blob:
    """A layer as it is."""
    return Blob(tar, "sha256:" + hashlib.sha256(tar).hexdigest())


def packed(tar: bytes) -> Blob:
    """A layer with gzip."""
    return Blob(gzip.compress(tar, 1), "sha256:" + hashlib.sha256(tar).hexdigest())


def repeated(block: bytes, times: int, start: bytes = b"") -> Blob:
    """A gzip stream of a block many times over, without ever holding it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    body = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return Blob(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + head + body * times)


def read(folder: Path, *layers: Blob, seconds: float = SECONDS) -> dict[str, t.Any]:
    """Read an image of these layers in a process of its own; check what it took."""
    arguments = []
    for layer in layers:
        digest = hashlib.sha256(layer.data).hexdigest()
        (folder / digest).write_bytes(layer.data)
        arguments.append([f"sha256:{digest}", len(layer.data), layer.diff_id])
    command = [sys.executable, "-c", READ, str(folder), json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=600, check=True)
    result: dict[str, t.Any] = json.loads(done.stdout)
    print(result)
    assert result["megabytes"] < MEGABYTES
    assert result["seconds"] < seconds
    return result


def headers(count: int, name: t.Callable[[int], bytes], flag: bytes = b"0", link: bytes = b"") -> bytes:
    """Many tar headers."""
    block = bytearray(512)
    block[124:136] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = flag
    block[157 : 157 + len(link)] = link
    block[257:265] = b"ustar\x0000"
    rest = sum(block)
    parts = []
    for number in range(count):
        path = name(number)
        block[: len(path)] = path
        block[148:156] = b"%06o\0 " % (rest + sum(path))
        parts.append(bytes(block))
    return b"".join(parts)


@pytest.mark.full
def test_a_gzip_bomb_in_one_member(tmp_path: Path) -> None:
    small = headers(1, lambda _number: b"bomb")
    assert read(tmp_path, repeated(bytes(64 * MIB), 1000, small))["code"] == "limit-expansion"
    info = tarfile.TarInfo("bomb")
    info.size = 8**11 - 1
    assert read(tmp_path, repeated(bytes(64 * MIB), 1000, info.tobuf()))["code"] == "limit-expansion"


def test_a_gzip_bomb_of_many_members(tmp_path: Path) -> None:
    member = gzip.compress(bytes(64 * MIB))
    assert read(tmp_path, Blob(member * 500), Blob(member * 501))["code"] == "limit-expansion"
    assert read(tmp_path, Blob(gzip.compress(b"") * 200_000))["code"] == "diffid-mismatch"


def test_a_zstd_bomb(tmp_path: Path) -> None:
    pytest.importorskip("zstandard", reason="the package zstandard is optional")
    block = (131072 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    frame = b"\x28\xb5\x2f\xfd" + b"\0\x58" + block * 2_000_000
    assert read(tmp_path, Blob(frame))["code"] == "limit-expansion"
    empty = b"\x28\xb5\x2f\xfd" + b"\0\x58" + b"\1\0\0"
    assert "code" not in read(tmp_path, Blob(empty * 100_000, "sha256:" + hashlib.sha256(b"").hexdigest()))


def test_a_bomb_in_a_bomb(tmp_path: Path) -> None:
    inner = gzip.compress(gzip.compress(bytes(256 * MIB)))
    outer = gzip.compress(tar_of([File("var/lib/rpm/rpmdb.sqlite", inner), File("etc/os-release", inner)]))
    result = read(tmp_path, Blob(outer, "sha256:" + hashlib.sha256(gzip.decompress(outer)).hexdigest()))
    assert result["files"]["var/lib/rpm/rpmdb.sqlite"] == len(inner)
    assert read(tmp_path, Blob(gzip.compress(inner)))["code"] in ("layer-damaged", "digest-mismatch")


@pytest.mark.parametrize("flag", [b"0", *(pytest.param(flag, marks=pytest.mark.full) for flag in (b"5", b"2"))])
def test_tar_headers_without_end(tmp_path: Path, flag: bytes) -> None:
    block = headers(2048, lambda number: b"dir%05d/file" % number, flag, b"x")
    assert read(tmp_path, repeated(block, 5000))["code"] in ("limit-entries", "limit-expansion", "limit-index")


@pytest.mark.parametrize("flag", [b"x", b"g", b"L", b"K"])
def test_extended_headers_without_end(tmp_path: Path, flag: bytes) -> None:
    block = headers(2048, lambda _number: b"extended", flag)
    assert read(tmp_path, repeated(block, 5000))["code"] in ("limit-header", "layer-damaged")


@pytest.mark.full
def test_huge_pax_records(tmp_path: Path) -> None:
    def header(body: bytes, kind: bytes = b"x") -> bytes:
        block = bytearray(headers(1, lambda _number: b"pax", kind))
        block[124:136] = b"%011o\0" % len(body)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        return bytes(block) + body + bytes(-len(body) % 512)

    def record(key: bytes, size: int) -> bytes:
        return b"%d " % size + key + b"=" + b"v" * (size - len(key) - len(b"%d" % size) - 3) + b"\n"

    entry = headers(1, lambda _number: b"file")
    assert read(tmp_path, packed(header(record(b"comment", 2 * MIB)) + entry))["code"] == "limit-header"
    assert read(tmp_path, packed(header(record(b"path", MIB - 100)) + entry))["code"] == "limit-path"
    assert read(tmp_path, packed(header(record(b"path", 10**6)[:-20]) + entry))["code"] == "layer-damaged"
    many = b"".join(record(b"key%d" % number, 250) for number in range(4000))
    # As many records as there may be entries: 9 s on an idle machine.
    assert read(tmp_path, repeated(header(many) + entry, 5000), seconds=1.5 * SECONDS)["code"] == "limit-entries"
    assert read(tmp_path, repeated(header(b"7 a=bc\n" * 100_000) + entry, 5000))["code"] == "limit-header"


@pytest.mark.full
@pytest.mark.parametrize(
    "name",
    [
        lambda number: b"usr/share/d%06d/f%d" % (number // 30, number),
        lambda number: b"d%06d/sub/f%d" % (number, number),
    ],
    ids=["thirty in a folder", "one in a folder"],
)
def test_a_million_entries(tmp_path: Path, name: t.Callable[[int], bytes]) -> None:
    # Those of many folders are read to the end, and once more for what is in them.
    result = read(tmp_path, packed(headers(1_000_000, name) + bytes(1024)), seconds=2 * SECONDS)
    assert result.get("entries") == 1_000_000 or result["code"] == "limit-index"


@pytest.mark.full
@pytest.mark.parametrize("kind", ["symlinks", "whiteouts", "jars"])
def test_a_million_entries_that_must_be_remembered(tmp_path: Path, kind: str) -> None:
    if kind == "symlinks":
        tar = headers(1_000_000, lambda number: b"l%d" % number, b"2", b"t" * 90)
    elif kind == "whiteouts":
        tar = headers(1_000_000, lambda number: b"usr/.wh.%d" % number)
    else:
        tar = headers(1_000_000, lambda number: b"opt/%d.jar" % number)
    assert read(tmp_path, packed(tar + bytes(1024)))["code"] == "limit-index"


def test_paths_that_lead_elsewhere(tmp_path: Path) -> None:
    tar = tar_of(
        [
            symlink("var", "../../../../../../etc"),
            File("../../../../etc/passwd", b"root"),
            File("/etc/os-release", b"ID=harmless"),
            File("etc/lib/../../../../usr/lib/os-release", b"ID=harmless"),
            hard_link("etc/hosts", "/../../../etc/passwd"),
            File("var/lib/rpm/Packages", b"through a symlink"),
        ]
    )
    result = read(tmp_path, plain(tar))
    assert result["files"] == {"etc/os-release": 11, "usr/lib/os-release": 11, "var/lib/rpm/Packages": 17}


def test_symlinks_in_circles(tmp_path: Path) -> None:
    circles = [symlink("var", "usr/../var"), symlink("usr", "/etc/x/.."), symlink("etc", "lib"), symlink("lib", "etc")]
    result = read(tmp_path, plain(tar_of(circles)))
    assert set(result["problems"]) == {"symlink-loop"}
    tangle = [
        symlink(f"{name}", f"{target}/{name}") for name in ("var", "usr", "etc") for target in ("var", "usr", "x")
    ]
    tangle += [File(f"{name}/lib/rpm/Packages", b"x") for name in ("x/var", "x")]
    tangle += [symlink(f"x/{number}", f"{number + 1}/../{number + 1}") for number in range(2000)]
    tangle += [symlink("x/2000", "0"), symlink("var/lib", "/x/0"), File("x/0/rpm/Packages", b"x")]
    for layers in ([plain(tar_of(tangle))], [plain(tar_of(tangle)), plain(tar_of(tangle[::-1]))]):
        result = read(tmp_path, *layers)
        assert result.get("problems") or result["code"] in ("symlink-loop", "limit-paths", "layer-entry")


@pytest.mark.full
def test_deep_and_long_paths(tmp_path: Path) -> None:
    assert read(tmp_path, plain(tar_of([File("d/" * 300 + "f", b"")])))["code"] == "limit-path"
    assert read(tmp_path, plain(tar_of([File("n" * 5000, b"")])))["code"] == "limit-path"
    deep = tar_of([File("d/" * 250 + f"{number}/f", b"") for number in range(20_000)])
    assert read(tmp_path, packed(deep))["entries"] == 40_000
