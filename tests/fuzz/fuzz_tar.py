# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers: tar headers, compression, the overlay rules.

The first byte of an input says what it is: layers to merge (each with its length in four bytes before it), the same
with threads, layers whose diffIDs do not fit, layers that are cut on their way, a compressed stream, or layers to
unpack into a folder.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import random
import struct
import tarfile
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import LimitExceeded, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images import (
    components,
    compression,
    file_selection,
    folders,
    layer_merge,
    layer_visitor,
    layers,
    limits,
    overlay,
    symlinks,
    tar,
    unpack,
    unpack_layer,
    unpack_root,
    walk,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
from ansible_collections.imagescan.openshift.tests.support.layouts import (
    PLAIN,
    File,
    folder,
    hard_link,
    image_of_blobs,
    symlink,
    tar_of,
)

READERS = (
    tar.__file__,
    compression.__file__,
    overlay.__file__,
    symlinks.__file__,
    walk.__file__,
    layer_visitor.__file__,
    layer_merge.__file__,
    layers.__file__,
    file_selection.__file__,
    components.__file__,
    limits.__file__,
    unpack.__file__,
    unpack_layer.__file__,
    unpack_root.__file__,
)

KINDS = MERGE, THREADED, WRONG, CUT, STREAM, UNPACK = range(6)

DB = "var/lib/rpm/rpmdb.sqlite"
WANTED = file_selection.FileSelection(
    files=frozenset({DB, "usr/lib/sysimage/rpm/rpmdb.sqlite", "etc/os-release", "usr/lib/os-release"}),
    folders={"etc/yum.repos.d": ("*.repo",), "root/buildinfo": ("*.json",)},
    layer_folders=frozenset({"root/buildinfo"}),
    file_limit=4000,
)
LIMITS = limits.Limits(
    uncompressed=1 << 24, entries=5000, kept=1 << 20, index=1 << 20, expansion_free=1 << 22, seconds=5
)


def one_case(data: bytes) -> None:
    if not data:
        return
    # Spooling is for files of more than 512 KiB; inputs of that size would make fuzzing slow.
    file_selection.SPOOL_FROM = 1500
    kind, data = data[0] % len(KINDS), data[1:]
    if kind == STREAM:
        decompress(data)
        return
    layers = split(data)
    image = image_of_blobs([(PLAIN, layer, tar_bytes(layer, kind)) for layer in layers], step=700)
    if kind == UNPACK:
        unpack_as_read(image)
        return
    if kind == CUT:
        blobs = t.cast(t.Any, image.source).blobs
        for digest, blob in blobs.items():
            blobs[digest] = blob[: max(len(blob) * 2 // 3, 1)]
    with contextlib.suppress(ScanError):
        content = walk.read_root(image, WANTED, limits=LIMITS, threads=2 if kind == THREADED else 1)
        assert kind != WRONG or not layers
        assert kind != CUT or max(map(len, layers), default=0) < 2
        for file in content.files.values():
            assert len(file.data) <= WANTED.file_limit
            assert 0 <= file.layer < len(layers)
        assert all(count >= 0 for count in content.unexamined.values())
        assert all(problem.message for problem in content.problems)


def unpack_as_read(image: Image) -> None:
    """Unpacking gives the files that reading finds, and leaves nothing outside of its folder."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "outside" / "root"
        root.mkdir(parents=True)
        try:
            with contextlib.suppress(ScanError):
                with unpack.Unpacking(image, root, limits=LIMITS, owning=False) as beside:
                    read = walk.read_root(image, WANTED, limits=LIMITS, threads=1, beside=beside)
                done = beside.result()
                seen = folders.read_folder(str(root), WANTED)
                # A layer that is there twice is read once, and unpacked twice.
                again = len(image.layers) - len({layer.diff_id for layer in image.layers})
                assert done.entries == read.entries or again
                contents = [{path: bytes(file.data[:]) for path, file in one.files.items()} for one in (read, seen)]
                assert contents[0] == contents[1]
        finally:
            assert [one.name for one in Path(folder).iterdir()] == ["outside"]
            assert list(root.parent.iterdir()) == [root]


def tar_bytes(layer: bytes, kind: int) -> bytes:
    """What the config says that a layer unpacks to."""
    if kind == WRONG:
        return b"something else"
    with contextlib.suppress(ScanError):
        return b"".join(stream(layer))
    return layer


def stream(
    blob: bytes, decompressed: t.Callable[[compression.Read], t.Iterator[bytes]] = compression.decompress
) -> t.Iterator[bytes]:
    """Yield the pieces that a blob unpacks to."""
    source = io.BytesIO(blob)
    size = 0
    for piece in decompressed(lambda count: source.read(min(count, 501))):
        assert 0 < len(piece) <= compression.OUTPUT_STEP + (128 << 10)
        size += len(piece)
        if size > 1 << 23:
            raise LimitExceeded("enough")
        yield piece


def decompress(blob: bytes) -> None:
    """Decompress; where the gzip module of the standard library gets to the end, we have the same bytes or an error."""
    with contextlib.suppress(ScanError):
        ours = b"".join(stream(blob, compression.decompress_file))
        if blob.startswith(b"\x1f\x8b"):
            assert gzip.decompress(blob) == ours


def split(data: bytes) -> list[bytes]:
    """The layers of an input, at most six."""
    layers: list[bytes] = []
    while len(data) >= 4 and len(layers) < 6:
        size = int.from_bytes(data[:4], "big")
        layers.append(data[4 : 4 + size])
        data = data[4 + size :]
    return layers


def joined(kind: int, *layers: bytes) -> bytes:
    """An input of layers."""
    return bytes((kind,)) + b"".join(struct.pack(">I", len(layer)) + layer for layer in layers)


def with_checksums(layer: bytes) -> bytes:
    """The layer with right checksums in all blocks that look like headers."""
    blocks = bytearray(layer)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar":
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + 512])
    return bytes(blocks)


def mutate(data: bytes, source: random.Random) -> bytes:
    """A change inside one layer, its length and its headers' checksums kept right; now and then of anything."""
    if not data or data[0] % len(KINDS) == STREAM or source.random() < 0.1:
        return mutate_bytes(data, source)
    layers = split(data[1:])
    if not layers:
        return mutate_bytes(data, source)
    place = source.randrange(len(layers))
    if source.random() < 0.1:
        layers.insert(place, source.choice(layers))
    else:
        changed = mutate_bytes(layers[place], source)
        layers[place] = with_checksums(changed) if source.random() < 0.9 else changed
    return joined(source.choice((data[0], data[0], MERGE)), *layers)


# Seeds


def special(name: str, kind: bytes) -> File:
    """An entry of another kind."""
    return File(name, kind=kind)


def with_pax(records: dict[str, str], name: str = "x", size: int = 0) -> bytes:
    """A PAX header and its entry, without the end of the archive."""
    info = tarfile.TarInfo(name)
    info.pax_headers = records
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT) + bytes(size + -size % 512)


@functools.lru_cache(maxsize=1)
def seeds() -> list[bytes]:
    base = tar_of(
        [
            folder("./usr/lib"),
            symlink("lib", "usr/lib"),
            symlink("etc/os-release", "../usr/lib/os-release"),
            File("usr/lib/os-release", b"ID=x"),
            File("usr/lib/sysimage/rpm/rpmdb.sqlite", b"r" * 2000),
            symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm"),
            File("etc/yum.repos.d/a.repo", b"a"),
            File("root/buildinfo/x.json", b"{}"),
            File("opt/a.jar"),
            File("opt/node_modules/@s/b/package.json"),
            File("opt/c.dist-info/METADATA"),
            File("usr/bin/bash"),
            special("dev/null", tarfile.CHRTYPE),
        ]
    )
    upper = tar_of(
        [
            File("etc/yum.repos.d/.wh.a.repo"),
            File("root/buildinfo/.wh..wh..opq"),
            File("var/lib/rpm/rpmdb.sqlite", b"n" * 5000),
            hard_link("object", "usr/lib/os-release"),
            hard_link("etc/yum.repos.d/h.repo", "object"),
            File(".wh.opt"),
            File("etc/os-release/x"),
            symlink("var", "/var"),
            File("n" * 150),
        ]
    )
    links = tar_of(
        [
            symlink("data", "srv/db"),
            symlink("var/lib/rpm", "/data"),
            File("data/rpmdb.sqlite", b"1"),
            symlink("etc", "data"),
            symlink("a", "b"),
            symlink("b", "a"),
            symlink("root", "a/x"),
            special("usr/lib/os-release", tarfile.FIFOTYPE),
            symlink("etc/yum.repos.d", "/srv"),
            File("srv/x.repo", b"x"),
            symlink("srv/y.repo", "/usr/lib"),
        ]
    )
    again = tar_of(
        [
            folder("."),
            File("opt/d/new"),
            File(".wh.opt"),
            symlink("l", "opt/../opt/d"),
            File("l/.wh.new"),
            hard_link("dev/zero", "dev/null"),
            folder("usr/bin/bash"),
            File("usr/lib", mode=0),
            File("s/", kind=tarfile.DIRTYPE, mode=0o2775, owner=(1, 2)),
            File("s/x/y", owner=(3, 4)),
        ]
    )
    rest = (
        with_pax({"path": DB, "size": "3"}, size=3)
        + with_pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": DB}, size=600)
        + with_pax({"linkpath": "/x", "comment": "y"})
    )
    ustar = tar_of([File("p" * 90 + "/" + "n" * 90), File("old/", kind=b"\0")], tarfile.USTAR_FORMAT)
    sparse = bytearray(tar_of([File("etc/os-release", kind=b"S")]))
    sparse[482] = 1
    in_base_256 = bytearray(tar_of([File("usr/lib/os-release", b"12345")]))
    in_base_256[124:136] = b"\x80" + bytes(10) + b"\5"
    strange = bytearray(tar_of([File("f")]))
    strange[257:265] = b"ustar  \0"
    strange[345:352] = b"usr/lib"
    bad = [tar_of([entry]) for entry in (File(".wh."), hard_link(DB, "missing"), symlink(".", "x"), special("v", b"V"))]
    bad += [tar_of([File("var", b"x"), File(DB)]), tar_of([folder("d"), hard_link(DB, "d")])]
    bad += [with_pax({"path": "x" * 5000}), with_pax({"path": "d/" * 300}), with_pax({"size": "-1"})]
    bad += [tar_of([File("usr/lib/os-release", bytes(9000))]), tar_of([File(DB, b"x" * 3000)])[:2000]]
    bad += [tar_of([symlink("x", "y" * 5000)]), tar_of([File("x" * (1 << 12))])]
    bad += [tarfile.TarInfo("g").create_pax_global_header({key: "1"}) for key in ("path", "comment")]
    many = tar_of(
        [symlink(f"l{number}", "etc") for number in range(30)] + [File(f"l{number}/x") for number in range(30)]
    )
    found = [joined(kind, base, upper, links) for kind in (*KINDS[:4], UNPACK)]
    found += [joined(UNPACK, base, upper), joined(UNPACK, upper, base), joined(UNPACK, base, rest)]
    found += [joined(UNPACK, layer) for layer in (links, ustar, with_checksums(bytes(sparse)), *bad)]
    found += [joined(UNPACK, base, links), joined(UNPACK, base, again)]
    found += [joined(MERGE, layer) for layer in (rest, ustar, with_checksums(bytes(sparse)), *bad, many, b"")]
    found += [joined(MERGE, with_checksums(bytes(layer))) for layer in (in_base_256, strange)]
    found += [
        joined(THREADED, base, base, bad[0]),
        joined(CUT, gzip.compress(base)),
        joined(MERGE, gzip.compress(base)),
    ]
    found.append(joined(MERGE, base + b"x" * 600, base[:-1024] + bytes(512) + b"x" * 512))
    return found + [bytes((STREAM,)) + blob for blob in streams(base)]


def streams(content: bytes) -> t.Iterator[bytes]:
    """Compressed streams of all kinds."""
    yield gzip.compress(content) + bytes(5) + gzip.compress(b"") + gzip.compress(b"second")
    yield gzip.compress(content)[:-3]
    yield gzip.compress(b"x") + b"garbage"
    for pack in (bz2.compress, lzma.compress):
        yield pack(content) + bytes(4) + pack(b"second")
        yield pack(content)[:-9]
    yield from (b"BZh9", b"\xfd7zXZ\0", b"plain")
    with contextlib.suppress(ImportError):
        import zstandard

        packer = zstandard.ZstdCompressor(write_checksum=True)
        skipped = b"\x50\x2a\x4d\x18\4\0\0\0skip"
        yield packer.compress(content) + skipped + packer.compress(b"second")
        yield packer.compress(content)[:-2]
        yield packer.compress(content) + b"garbage"
        yield b"\x28\xb5\x2f\xfd\0\xff" + b"\1\0\0"
        yield b"\x28\xb5\x2f\xfd\0\x58" + (200_000 << 3 | 1).to_bytes(3, "little")
        large = zstandard.ZstdCompressor().compressobj()
        yield large.compress(bytes(900_000)) + large.flush()
