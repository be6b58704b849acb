# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write RPM databases: SQLite, ndb and Berkeley DB hash, for the example fleet and for tests.

Every image in the examples is made from nothing, so no binary lies in the repository and no rpm is needed to run
them. What is written here is checked against librpm in ``tests/oracle/test_fleet_databases.py``: ``rpm -qa`` reads
the formats and prints what was put in. Equal input gives equal bytes, but for a write-ahead log (SQLite salts it).
Standard library only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import struct
import tempfile
import typing as t
import zlib
from pathlib import Path

#: Key that signs Red Hat's releases (public, from Red Hat's list of product signing keys).
RED_HAT_KEY = "199e2f91fd431d51"
RED_HAT = "Red Hat, Inc."

_STRING, _BIN, _STRING_ARRAY, _I18N = 6, 7, 8, 9
_INT32, _INT64 = 4, 5
_IMMUTABLE_REGION = 63


@dataclasses.dataclass(frozen=True)
class Rpm:
    """One installed package. ``epoch`` None writes no epoch. ``key_id`` empty writes no signature.

    ``signature``: ``v3`` or ``v4``, the version of the OpenPGP packet that carries the key id, or ``malformed``: a v3
    packet whose number is cut short, which librpm with Sequoia refuses (and then hides the package).
    """

    name: str
    version: str
    release: str
    epoch: int | None = None
    arch: str = "x86_64"
    source: str = ""
    vendor: str = RED_HAT
    key_id: str = RED_HAT_KEY
    license: str = "GPL-2.0-or-later"
    modularity: str = ""
    install_time: int = 1_730_000_000
    size: int = 40_960
    signature: str = "v3"
    summary: str = "An example package"

    @property
    def source_rpm(self) -> str:
        """File name of the source package: as given, else of a source with the package's own name."""
        return self.source or f"{self.name}-{self.version}-{self.release}.src.rpm"


def parse_rpm(nevra: str, **fields: t.Any) -> Rpm:
    """``name-[epoch:]version-release.arch`` as a package, e.g. ``openssl-libs-1:3.0.7-27.el9.x86_64``."""
    rest, arch = nevra.rsplit(".", 1)
    name, version, release = rest.rsplit("-", 2)
    epoch: int | None = None
    if ":" in version:
        text, version = version.split(":", 1)
        epoch = int(text)
    return Rpm(name=name, version=version, release=release, epoch=epoch, arch=arch, **fields)


def _signature_packet(key_id: str, form: str) -> bytes:
    """An OpenPGP signature packet (RFC 4880, 5.2) that names a key. The signature itself is only filler."""
    key = bytes.fromhex(key_id)
    mpi = struct.pack(">H", 2048) + b"\x80" + b"\x5a" * (15 if form == "malformed" else 255)
    if form in ("v3", "malformed"):
        body = struct.pack(">BBBI", 3, 5, 0, 1_700_000_000) + key + struct.pack(">BBH", 1, 8, 0x5A5A) + mpi
    elif form == "v4":
        hashed = b"\x05\x02" + struct.pack(">I", 1_700_000_000)
        unhashed = b"\x09\x10" + key
        body = struct.pack(">BBBBH", 4, 0, 1, 8, len(hashed)) + hashed
        body += struct.pack(">H", len(unhashed)) + unhashed + b"\x5a\x5a" + mpi
    else:
        raise ValueError(f"signature form {form!r}, expected v3, v4 or malformed")
    return b"\x89" + struct.pack(">H", len(body)) + body


_Entry = tuple[int, int, int, bytes]  # tag, type, count, data


def _text(tag: int, value: str, kind: int = _STRING) -> _Entry:
    return tag, kind, 1, value.encode() + b"\0"


def _number(tag: int, value: int) -> _Entry:
    return tag, _INT32, 1, struct.pack(">I", value)


def header(rpm: Rpm) -> bytes:
    """The header as a database stores it: an immutable region, then what the installation added.

    Entries are sorted by tag, their data lie in the same order, aligned to their type: librpm refuses all else.
    """
    fixed: list[_Entry] = [
        (100, _STRING_ARRAY, 1, b"C\0"),
        _text(1000, rpm.name),
        _text(1001, rpm.version),
        _text(1002, rpm.release),
        _text(1004, rpm.summary, _I18N),
        _number(1006, 1_700_000_000),
        _text(1014, rpm.license),
        _text(1021, "linux"),
        _text(1022, rpm.arch),
    ]
    if rpm.epoch is not None:
        fixed.append(_number(1003, rpm.epoch))
    if rpm.vendor:
        fixed.append(_text(1011, rpm.vendor))
    if rpm.source_rpm and rpm.name != "gpg-pubkey":
        fixed.append(_text(1044, rpm.source_rpm))
    if rpm.modularity:
        fixed.append(_text(5096, rpm.modularity))
    if rpm.size < 1 << 32:
        fixed.append(_number(1009, rpm.size))
    else:
        fixed.append((5009, _INT64, 1, struct.pack(">Q", rpm.size)))
    added: list[_Entry] = [_number(1008, rpm.install_time), _number(1128, rpm.install_time)]
    if rpm.key_id:
        packet = _signature_packet(rpm.key_id, rpm.signature)
        added.append((268, _BIN, len(packet), packet))

    index, data = bytearray(), bytearray()

    def put(entries: list[_Entry]) -> None:
        for tag, kind, count, content in sorted(entries):
            width = {_INT32: 4, _INT64: 8}.get(kind, 1)
            data.extend(bytes(-len(data) % width))
            index.extend(struct.pack(">iiii", tag, kind, len(data), count))
            data.extend(content)

    put(fixed)
    lines = len(fixed) + 1
    index[:0] = struct.pack(">iiii", _IMMUTABLE_REGION, _BIN, len(data), 16)
    data.extend(struct.pack(">iiii", _IMMUTABLE_REGION, _BIN, -16 * lines, 16))
    put(added)
    return struct.pack(">II", lines + len(added), len(data)) + bytes(index) + bytes(data)


Headers = t.Sequence[t.Union[Rpm, bytes]]


def _blobs(packages: Headers) -> list[bytes]:
    return [item if isinstance(item, bytes) else header(item) for item in packages]


#: Indexes that librpm opens beside the packages. A database opened for reading is refused when one is missing.
_INDEXES = (
    "Name Basenames Group Requirename Providename Conflictname Obsoletename Triggername Dirnames Installtid Sigmd5 "
    "Sha1header Filetriggername Transfiletriggername Recommendname Suggestname Supplementname Enhancename"
)


def _create(database: sqlite3.Connection) -> None:
    database.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    for name in _INDEXES.split():
        kind = "BLOB" if name in ("Installtid", "Sigmd5") else "TEXT"
        database.execute(
            f"CREATE TABLE '{name}' (key '{kind}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, "
            "FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))"
        )
        database.execute(f"CREATE INDEX '{name}_key_idx' ON '{name}'(key ASC)")
        database.execute(f"CREATE INDEX '{name}_hnum_idx' ON '{name}'(hnum ASC)")
    database.execute("PRAGMA user_version = 1")


def _insert(database: sqlite3.Connection, packages: Headers, first: int) -> None:
    for number, item in enumerate(packages, first):
        blob = item if isinstance(item, bytes) else header(item)
        database.execute("INSERT INTO Packages VALUES (?, ?)", (number, blob))
        if isinstance(item, Rpm):
            database.execute("INSERT INTO Name VALUES (?, ?, 0)", (item.name, number))
    database.commit()


def sqlite_files(packages: Headers, *, in_log: Headers = (), name: str = "rpmdb.sqlite") -> dict[str, bytes]:
    """An SQLite database in write-ahead mode, as rpm leaves it: ``{file name: bytes}``.

    ``in_log``: packages that stand only in the write-ahead log ("hot": not yet copied into the database), as after a
    build that was killed or committed while rpm had it open. Then a ``-wal`` file comes with it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")  # one write for all tables
            _create(database)
            _insert(database, packages, 1)
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("PRAGMA wal_autocheckpoint = 0")
            if not in_log:
                return {name: path.read_bytes()}
            _insert(database, in_log, len(packages) + 1)
            return {name: path.read_bytes(), f"{name}-wal": Path(f"{path}-wal").read_bytes()}


def ndb_files(packages: Headers) -> dict[str, bytes]:
    """An ndb database: ``Packages.db``. Slots name runs of 16-byte blocks; each blob has an Adler-32 checksum."""
    blobs = _blobs(packages)
    pages = (32 + 16 * len(blobs) + 4095) // 4096 or 1
    slots, body, block = bytearray(), bytearray(), pages * 256
    for number, blob in enumerate(blobs, 1):
        count = (16 + len(blob) + 12 + 15) // 16
        slots += struct.pack("<4sIII", b"Slot", number, block, count)
        record = struct.pack("<4sIII", b"BlbS", number, number, len(blob)) + blob
        record += bytes(16 * count - len(record) - 12)
        body += record + struct.pack("<II4s", zlib.adler32(record), len(blob), b"BlbE")
        block += count
    for _free in range(pages * 256 - 2 - len(blobs)):
        slots += struct.pack("<4sIII", b"Slot", 0, 0, 0)
    start = struct.pack("<4sIIIIIII", b"RpmP", 0, len(blobs) + 1, pages, len(blobs) + 1, 0, 0, 0)
    return {"Packages.db": start + bytes(slots) + bytes(body)}


def _berkeley_hash(data: bytes) -> int:
    """The hash function that the format's check value is made with (FNV with the multiplication first)."""
    value = 0
    for byte in data:
        value = (value * 16777619 & 0xFFFFFFFF) ^ byte
    return value


def bdb_files(packages: Headers, *, byte_order: str = "<", page_size: int = 4096) -> dict[str, bytes]:
    """A Berkeley DB hash database: ``Packages``. ``byte_order``: ``<`` or ``>``, the machine's that wrote it.

    All headers lie in one bucket, a chain of pages; a header that does not fit into a quarter of a page goes to
    overflow pages, as libdb does it. Key 0 holds the highest package number.
    """
    head = 26
    pages: list[bytearray] = [bytearray(page_size)]  # page 0 is written last

    def page(kind: int) -> tuple[int, bytearray]:
        pages.append(bytearray(page_size))
        struct.pack_into(f"{byte_order}8xI", pages[-1], 0, len(pages) - 1)
        pages[-1][25] = kind
        return len(pages) - 1, pages[-1]

    def overflow(blob: bytes) -> int:
        first = previous = 0
        for offset in range(0, len(blob), page_size - head):
            part = blob[offset : offset + page_size - head]
            number, content = page(7)
            first = first or number
            if previous:
                struct.pack_into(f"{byte_order}I", pages[previous], 16, number)
            struct.pack_into(f"{byte_order}I4xHH", content, 12, previous, 1, len(part))
            content[head : head + len(part)] = part
            previous = number
        return first

    number, bucket = page(2)
    count, floor = 0, page_size

    def put(item: bytes) -> None:
        nonlocal count, floor
        floor -= len(item)
        bucket[floor : floor + len(item)] = item
        struct.pack_into(f"{byte_order}H", bucket, head + 2 * count, floor)
        count += 1
        struct.pack_into(f"{byte_order}HH", bucket, 20, count, floor)

    blobs = _blobs(packages)
    records = [(0, struct.pack(f"{byte_order}I", len(blobs))), *enumerate(blobs, 1)]
    for key, value in records:
        if len(value) + 1 > page_size // 4:
            item = struct.pack(f"{byte_order}B3xII", 3, overflow(value), len(value))
        else:
            item = b"\x01" + value
        if floor - len(item) - 5 < head + 2 * (count + 2):
            following, content = page(2)
            struct.pack_into(f"{byte_order}I", bucket, 16, following)
            struct.pack_into(f"{byte_order}I", content, 12, number)
            number, bucket, count, floor = following, content, 0, page_size
        put(b"\x01" + struct.pack(f"{byte_order}I", key))
        put(item)

    meta = pages[0]
    struct.pack_into(f"{byte_order}8xIIII", meta, 0, 0, 0x061561, 9, page_size)
    meta[25] = 8
    struct.pack_into(f"{byte_order}II", meta, 32, len(pages) - 1, 0)
    struct.pack_into(f"{byte_order}II", meta, 40, len(records), len(records))
    # One bucket, so both masks send every key to it; its page is found through the first spare.
    check = _berkeley_hash(b"%$sniglet^&\0")
    struct.pack_into(f"{byte_order}IIIIIII", meta, 72, 0, 0, 0xFFFFFFFF, 0, len(records), check, 1)
    return {"Packages": b"".join(bytes(content) for content in pages)}
