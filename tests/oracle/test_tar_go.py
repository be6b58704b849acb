# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd tar records: what we read is what Go's archive/tar reads, with which all container runtimes unpack, or refused.

A record that Go reads otherwise than we would hide a file, or show one that is not there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import Budget, Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._images.tar import clean_name, walk_tar
from ansible_collections.imagescan.openshift.tests.support.go_programs import go_program

OLD, NEW = b"vulnerable", b"patched..."
PLACE = b"var/lib/rpm/rpmdb.sqlite"
END = bytes(1024)
DAMAGED = 3000
KINDS = {"0": "f", "\0": "f", "1": "h", "2": "l", "3": "s", "4": "s", "6": "s", "5": "d"}


def header(name: bytes, size: bytes | int = 0, flag: bytes = b"0", *, link: bytes = b"", **fields: bytes) -> bytes:
    """One header with a right checksum. ``fields``: ``prefix``, ``magic``, or ``at_<offset>`` for any bytes."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = size if isinstance(size, bytes) else b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[156:157] = flag
    block[157 : 157 + len(link)] = link
    magic = fields.pop("magic", b"ustar\x0000")
    block[257 : 257 + len(magic)] = magic
    prefix = fields.pop("prefix", b"")
    block[345 : 345 + len(prefix)] = prefix
    for key, value in fields.items():
        at = int(key.partition("_")[2])
        block[at : at + len(value)] = value
    return summed(block)


def summed(block: bytearray) -> bytes:
    """The block with its checksum."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def body(data: bytes) -> bytes:
    """Data, padded."""
    return data + bytes(-len(data) % 512)


def file(name: bytes, data: bytes = OLD, **more: t.Any) -> bytes:
    """A file as a member."""
    return header(name, more.pop("size", len(data)), more.pop("flag", b"0"), **more) + body(data)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record."""
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def pax(*records: tuple[bytes, bytes], flag: bytes = b"x") -> bytes:
    """An extended header."""
    data = b"".join(record(key, value) for key, value in records)
    return header(b"PaxHeaders/x", len(data), flag) + body(data)


def long_name(name: bytes, flag: bytes = b"L") -> bytes:
    """GNU's header for a long name (or link, ``K``)."""
    return header(b"././@LongLink", len(name), flag, magic=b"ustar  \0") + body(name)


def sparse_map(*pieces: tuple[int, int]) -> bytes:
    """A map of GNU's PAX format 1.0."""
    return body(b"%d\n" % len(pieces) + b"".join(b"%d\n%d\n" % piece for piece in pieces))


def base256(number: int, width: int = 12) -> bytes:
    """A number in base 256."""
    data = bytearray((number % (1 << 8 * width)).to_bytes(width, "big"))
    data[0] |= 0x80
    return bytes(data)


GNU = b"ustar  \0"
HIDDEN = file(b"etc/other", b"x" * 600)
#: Family -> variants. Most say of one member what another reader could read otherwise.
ODD: dict[str, dict[str, bytes]] = {
    "pax_path": {
        "path": pax((b"path", PLACE)) + file(b"harmless"),
        "path twice": pax((b"path", b"first"), (b"path", PLACE)) + file(b"harmless"),
        "path empty": pax((b"path", b"")) + file(PLACE),
        "path with NUL": pax((b"path", PLACE + b"\0x")) + file(b"harmless"),
        "path and long name": pax((b"path", b"first")) + long_name(PLACE + b"\0") + file(b"harmless"),
        "long name and path": long_name(b"first\0") + pax((b"path", PLACE)) + file(b"harmless"),
        "two headers": pax((b"path", PLACE)) + pax((b"mtime", b"1")) + file(b"harmless"),
        "global path": pax((b"path", PLACE), flag=b"g") + file(b"harmless"),
        "global comment": pax((b"comment", b"x"), flag=b"g") + file(PLACE),
        "path of a folder": pax((b"path", b"var/lib/rpm/")) + header(b"x", 0, b"\0"),
        "path of a file that ends with a slash": pax((b"path", PLACE + b"/")) + file(b"x"),
        "linkpath": pax((b"linkpath", PLACE)) + header(b"a", 0, b"2", link=b"elsewhere"),
        "path in capitals": pax((b"PATH", b"other")) + file(PLACE),
        "record without a key": header(b"p", 5, b"x") + body(b"5 =x\n") + file(PLACE),
        "record of a wrong length": header(b"p", 12, b"x") + body(b"13 path=abc\n") + file(PLACE),
        "record without its end": header(b"p", 12, b"x") + body(b"12 path=abcd") + file(PLACE),
        "length with a sign": header(b"p", 13, b"x") + body(b"+13 path=abc\n") + file(PLACE),
        "record after NULs": header(b"p", 20, b"x") + body(b"12 path=abc\n" + bytes(8)) + file(PLACE),
    },
    "pax_size": {
        "size": pax((b"size", b"10")) + file(PLACE, size=0),
        "size of a longer member": pax((b"size", b"1024")) + header(b"a", 0) + HIDDEN[:1024] + file(PLACE),
        "size of zero": pax((b"size", b"0")) + header(b"a", 1024) + file(PLACE),
        "size empty": pax((b"size", b"")) + file(PLACE),
        "size negative": pax((b"size", b"-1")) + file(PLACE),
        "size with a sign": pax((b"size", b"+10")) + file(PLACE),
        "size with blanks": pax((b"size", b" 10 ")) + file(PLACE),
        "size of 20 digits": pax((b"size", b"9" * 20)) + file(PLACE),
        "size in other digits": pax((b"size", b"\xd9\xa1\xd9\xa0")) + file(PLACE),
        "size in octal": pax((b"size", b"0o12")) + file(PLACE),
        "size with leading zeros": pax((b"size", b"0000000010")) + file(PLACE),
        "size of a link": pax((b"size", b"1024")) + header(b"a", 0, b"1", link=b"b") + file(PLACE),
    },
    "size": {
        "base 256": file(PLACE, size=base256(10)),
        "base 256 negative": file(PLACE, size=base256(-10)),
        "base 256 huge": file(PLACE, size=base256(1 << 70)),
        "base 256 of 2^63": file(PLACE, size=base256(1 << 63)),
        "base 256 of 2^63 - 1": file(PLACE, size=base256((1 << 63) - 1)),
        "blanks": file(PLACE, size=b"         12 "),
        "NULs before it": file(PLACE, size=b"\0\0\0\0\0\0\0\00012\0"),
        "NUL inside": file(PLACE, size=b"0000\0000012\0"),
        "empty": header(PLACE, b"\0" * 12) + file(b"b"),
        "not octal": file(PLACE, size=b"00000000009\0"),
        "a sign": file(PLACE, size=b"-0000000012\0"),
        "twelve digits": file(PLACE, size=b"000000000012"),
        "of a folder": header(b"var/", 512, b"5") + file(PLACE),
        "of a symlink": header(b"a", 512, b"2", link=b"b") + file(PLACE),
        "of a hard link": header(b"a", 512, b"1", link=b"b") + file(PLACE),
        "of a device": header(b"a", 512, b"3") + file(PLACE),
        "of a pipe": header(b"a", 512, b"6") + file(PLACE),
        "of an unknown type": header(b"a", 512, b"Z") + file(PLACE),
        "of a contiguous file": file(PLACE, flag=b"7"),
    },
    "sparse": {
        "old, of one piece": file(PLACE, flag=b"S", magic=GNU, at_386=b"00000000000\0" b"00000000012\0",
                                  at_483=b"00000000012\0"),
        "old, with a hole": file(PLACE, flag=b"S", magic=GNU, at_386=b"00000001000\0" b"00000000012\0",
                                 at_483=b"00000001012\0"),
        "old, without a map": file(PLACE, flag=b"S", magic=GNU) + file(b"b"),
        "old, with more maps": header(PLACE, 10, b"S", magic=GNU, at_482=b"\1") + bytes(512) + body(OLD) + file(b"b"),
        "old, more maps than told": header(PLACE, 10, b"S", magic=GNU, at_482=b"\1") + bytes(504) + b"\1" + bytes(7),
        "0.0": pax((b"GNU.sparse.size", b"10"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.offset", b"0"),
                   (b"GNU.sparse.numbytes", b"10")) + file(PLACE),
        "0.1": pax((b"GNU.sparse.size", b"10"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"0,10"),
                   (b"GNU.sparse.name", PLACE)) + file(b"GNUSparseFile.0/x"),
        "1.0": pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", PLACE),
                   (b"GNU.sparse.realsize", b"10")) + header(b"GNUSparseFile.0/x", 522) + sparse_map((0, 10))
        + body(OLD),
        "1.0 without a map": pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                                 (b"GNU.sparse.name", PLACE)) + file(b"x"),
        "name alone": pax((b"GNU.sparse.name", b"other")) + file(PLACE),
        "name and path": pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", PLACE),
                             (b"path", b"other"), (b"GNU.sparse.realsize", b"10")) + header(b"x", 522)
        + sparse_map((0, 10)) + body(OLD),
        "unknown version": pax((b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0"),
                               (b"GNU.sparse.name", b"other")) + file(PLACE),
        "version of a folder": pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                                   (b"GNU.sparse.name", PLACE)) + header(b"x/", 0, b"5"),
    },
    "zero_size_and_twice": {
        "empty, then full": header(PLACE) + file(PLACE),
        "full, then empty": file(PLACE) + header(PLACE),
        "twice": file(PLACE) + file(PLACE, NEW),
        "under another spelling": file(PLACE) + file(b"./var//lib/rpm/../rpm/rpmdb.sqlite", NEW),
        "as a folder, then as a file": header(PLACE + b"/", 0, b"5") + file(PLACE),
        "as a link, then as a file": header(PLACE, 0, b"2", link=b"x") + file(PLACE),
        "no name": file(b"") + file(PLACE),
        "a slash": header(b"/", 0, b"5") + file(PLACE),
        "absolute": file(b"/" + PLACE),
        "above the root": file(b"../../" + PLACE),
    },
    "names": {
        "prefix": file(b"rpm/rpmdb.sqlite", prefix=b"var/lib"),
        "prefix in a GNU header": file(b"rpm/rpmdb.sqlite", prefix=b"var/lib", magic=GNU),
        "prefix in an old header": file(PLACE, prefix=b"other", magic=b"\0" * 8),
        "prefix of another magic": file(PLACE, prefix=b"other", magic=b"ustar\0xx"),
        "prefix of star": file(b"rpm/rpmdb.sqlite", prefix=b"var/lib", at_508=b"tar\0"),
        "long name": long_name(PLACE + b"\0") + file(b"x"),
        "long name without its NUL": long_name(PLACE) + file(b"x"),
        "long name with more behind it": long_name(PLACE + b"\0/other\0") + file(b"x"),
        "long name that is empty": long_name(b"\0") + file(PLACE),
        "two long names": long_name(b"first\0") + long_name(PLACE + b"\0") + file(b"x"),
        "long link": long_name(PLACE + b"\0", b"K") + header(b"a", 0, b"2", link=b"x"),
        "not UTF-8": file(b"var/lib/rpm/rpmdb\xff.sqlite"),
        "name of 100 bytes": file(b"n" * 100),
        "NUL and more": file(PLACE + b"\0other"),
        "long name of a folder": long_name(b"var/lib/rpm/\0") + header(b"x", 0, b"\0"),
    },
    "ends": {
        "one zero block": file(b"a") + bytes(512) + file(PLACE) + END,
        "two zero blocks": file(b"a") + END + file(PLACE) + END,
        "nothing": b"",
        "cut header": file(b"a") + header(PLACE)[:200],
        "cut padding": file(b"a") + header(PLACE, 10) + OLD,
        "cut content": file(b"a") + header(PLACE, 600) + bytes(512),
        "after an extended header": file(b"a") + pax((b"path", PLACE)) + END,
        "junk": file(b"a") + b"\1" * 512 + file(PLACE),
        "wrong checksum": file(b"a") + header(PLACE)[:148] + b"0000000\0" + header(PLACE)[156:],
        "checksum of signed bytes": file(b"a"),
    },
}  # fmt: skip
CASES = [(family, name, tar) for family, variants in ODD.items() for name, tar in variants.items()]

#: (name, kind, link, hash of the content) of each entry; None for an archive that is refused.
Reading = t.Optional[list[tuple[bytes, str, bytes, str]]]


class Hasher:
    """Takes the content of one file."""

    def __init__(self, taken: t.Callable[[str], None]) -> None:
        self._hash = hashlib.sha256()
        self._taken = taken

    def write(self, data: memoryview) -> None:
        self._hash.update(data)

    def finish(self) -> None:
        self._taken(self._hash.hexdigest())


def ours(data: bytes) -> Reading:
    """What we read."""
    entries: list[tuple[bytes, str, bytes, str]] = []

    def visit(name: str, kind: str, _size: int, link: str) -> Hasher | None:
        raw, target = name.encode("utf-8", "surrogateescape"), link.encode("utf-8", "surrogateescape")
        if kind != "f":
            entries.append((raw, kind, target, ""))
            return None
        return Hasher(lambda digest: entries.append((raw, kind, b"", digest)))

    try:
        walk_tar(iter([data]), visit, Budget(Limits()))
    except ScanError:
        return None
    return entries


def theirs(answer: dict[str, t.Any]) -> Reading:
    """What Go reads. What it refuses is never unpacked."""
    if answer["error"]:
        return None
    entries = []
    for entry in answer["entries"]:
        name, link = (base64.b64decode(entry[key]) for key in ("name", "link"))
        kind = KINDS.get(entry["flag"], entry["flag"])
        if kind == "g":
            continue
        clean = clean_name(name.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        entries.append((clean, kind, link if kind in "hl" else b"", entry["hash"] if kind == "f" else ""))
    return entries


def same(our: Reading, their: Reading) -> bool:
    """Whether nothing is read otherwise. What one side refuses is never run, or never passes."""
    if our is None or their is None:
        return True
    # Sparse files are not expanded, and so become a problem where they are wanted: only the name counts.
    return len(our) == len(their) and all(
        mine == yours or (mine[1] == "S" and yours[1] in "fS" and mine[0] == yours[0])
        for mine, yours in zip(our, their)
    )


def ask(archives: t.Sequence[bytes]) -> list[Reading]:
    """Ask Go about many archives at once."""
    program = go_program(Path(__file__).parent / "tar")
    data = b"".join(struct.pack("<Q", len(archive)) + archive for archive in archives)
    result = subprocess.run([str(program)], input=data, stdout=subprocess.PIPE, check=True)
    return [theirs(json.loads(line)) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, str], Reading]:
    readings = ask([tar + END for _family, _name, tar in CASES])
    return {(family, name): reading for (family, name, _tar), reading in zip(CASES, readings)}


@pytest.mark.parametrize(("family", "name", "tar"), CASES, ids=[f"{family}: {name}" for family, name, _tar in CASES])
def test_odd_records_are_read_as_go_reads_them(
    family: str, name: str, tar: bytes, answers: dict[tuple[str, str], Reading]
) -> None:
    our, their = ours(tar + END), answers[family, name]
    assert same(our, their), (our, their)


def test_most_of_what_go_reads_is_read(answers: dict[tuple[str, str], Reading]) -> None:
    """So that refusing everything would not do."""
    read = [case for case in CASES if answers[case[:2]] is not None]
    refused = [case[:2] for case in read if ours(case[2] + END) is None]
    assert len(read) > 50
    assert len(refused) < len(read) / 4, refused


def damaged(chance: random.Random) -> bytes:
    """Some members in a row, of which a few bytes are changed, with right checksums."""
    members = [tar for _family, _name, tar in chance.sample(CASES, chance.randint(1, 4))]
    data = bytearray(b"".join(members))
    for _change in range(chance.randint(0, 4)):
        at = chance.randrange(0, max(len(data) // 512, 1)) * 512
        if len(data) < at + 512:
            continue
        place = at + chance.choice((chance.randrange(512), chance.randrange(124, 136), 156, chance.randrange(345, 512)))
        data[place] = chance.choice((0, 32, 48, 49, 55, 128, 255, chance.randrange(256)))
        data[at : at + 512] = summed(data[at : at + 512])
    return bytes(data) + (END if chance.random() < 0.9 else b"")


def test_damaged_archives_are_read_as_go_reads_them_or_refused() -> None:
    chance = random.Random("tar")
    archives = [damaged(chance) for _number in range(DAMAGED)]
    different, read = [], 0
    for archive, their in zip(archives, ask(archives)):
        our = ours(archive)
        read += our is not None and their is not None
        if not same(our, their):
            different.append((archive, our, their))
    assert not different, (len(different), different[0][1:])
    assert read > DAMAGED // 6
