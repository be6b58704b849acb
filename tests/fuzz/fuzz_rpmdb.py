# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rpm databases: headers, the three formats, a write-ahead log.

The first byte of an input says what it is: a stored header, a database, a database with its log (length of the
database in the next four bytes), an OpenPGP packet, or a dnf history.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import functools
import random
import shutil
import sqlite3
import struct
import tempfile
import typing as t
import zlib
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData, LimitExceeded
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm import (
    databases,
    header,
    history,
    sqlite,
)
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
from ansible_collections.imagescan.openshift.tests.support import rpm_tools

READERS = (databases.__file__, header.__file__, sqlite.__file__, history.__file__)

KINDS = HEADER, DATABASE, WITH_LOG, PACKET, HISTORY = range(5)

_PATH = "var/lib/rpm/rpmdb.sqlite"


def one_case(data: bytes) -> None:
    if not data:
        return
    kind, data = data[0] % len(KINDS), data[1:]
    if kind == HEADER:
        with contextlib.suppress(CorruptData):
            header.parse_header(data, 1).nevra.encode()
        return
    if kind == PACKET:
        assert len(header.signing_key_id(data)) in (0, 16)
        return
    if kind == HISTORY:
        with contextlib.suppress(CorruptData, LimitExceeded):
            history.repositories_of_packages(data, None, "history.sqlite")
        return
    files = {_PATH: data}
    if kind == WITH_LOG:
        length = int.from_bytes(data[:4], "big")
        files = {_PATH: data[4 : 4 + length], f"{_PATH}-wal": data[4 + length :]}
    read(files)


def read(files: t.Mapping[str, bytes]) -> databases.Reading:
    """What our reader makes of a database: never an exception, never a silent gap."""
    (reading,) = databases.read_databases(files)
    assert reading.problems or reading.database.rows == len(reading.packages)
    try:
        found = databases.read_database(files)
    except CorruptData as error:
        assert reading.problems or error.code == "rpmdb-empty"
    else:
        assert found is not None
        assert not reading.problems
        assert found[1]
    return reading


# Seeds

RPMS = [
    rpmdb.Rpm("bash", "5.1.8", "9.el9", epoch=1, modularity="m:s:v:c", license="GPL-3.0-or-later"),
    rpmdb.Rpm("licence", "1", "1", license="L" * 1900, signature="v4"),
    rpmdb.Rpm("gpg-pubkey", "fd431d51", "4ae0493b", key_id=""),
    *(rpmdb.Rpm(f"p{number}", "1", "1.el9", size=number << 31) for number in range(9)),
]


@functools.lru_cache(maxsize=1)
def seeds() -> list[bytes]:
    found = [bytes((HEADER,)) + rpmdb.header(rpm) for rpm in RPMS[:3]]
    found += [bytes((DATABASE,)) + data for data in small_databases()]
    base, wal = small_sqlite(RPMS[:6], in_log=RPMS[6:])
    found.append(bytes((WITH_LOG,)) + struct.pack(">I", len(base)) + base + wal)
    found.append(bytes((WITH_LOG,)) + struct.pack(">I", 0) + wal)
    found += [bytes((PACKET,)) + packet for packet in packets()]
    found += [bytes((HEADER,)) + with_new_signature(packet) for packet in (packets()[0], b"")]
    found += [bytes((HISTORY,)) + data for data in histories()]
    return found


def with_new_signature(packet: bytes) -> bytes:
    """A header with the signature tag of rpm 6: Base64 texts."""
    texts = b"*\0" + base64.b64encode(packet) + b"\0"
    entries = {1000: b"n\0", 1001: b"1\0", 1002: b"1\0", 1022: b"noarch\0", 278: texts}
    index = data = b""
    for tag, content in entries.items():
        index += struct.pack(">IIiI", tag, 8 if tag == 278 else 6, len(data), 2 if tag == 278 else 1)
        data += content
    return struct.pack(">II", len(entries), len(data)) + index + data


def histories() -> t.Iterator[bytes]:
    """A dnf 4 and a dnf 5 history in small pages."""
    four = """
        CREATE TABLE repo (id INTEGER PRIMARY KEY, repoid TEXT /* repository ID, aka 'repoid' */);
        CREATE TABLE trans_item (id INTEGER PRIMARY KEY, item_id INTEGER, repo_id INTEGER, action INTEGER);
        CREATE TABLE rpm (item_id INTEGER UNIQUE NOT NULL, name TEXT, epoch INTEGER, version TEXT, release TEXT,
          arch TEXT, CONSTRAINT one UNIQUE (name, epoch));
        INSERT INTO rpm VALUES (1, 'bash', 0, '5', '1', 'noarch'), (2, 'zlib', 0, '5', '1', 'noarch');
        """
    five = """
        CREATE TABLE "repo" ("id" INTEGER, `repoid` TEXT, PRIMARY KEY("id" AUTOINCREMENT));
        CREATE TABLE trans_item ([id] INTEGER PRIMARY KEY, item_id INTEGER, repo_id INTEGER, action_id DECIMAL(10, 2));
        CREATE TABLE rpm (item_id, name_id, epoch, version, release, arch_id, -- a comment
          checked REAL DEFAULT 1.5);
        CREATE TABLE pkg_name (id INTEGER PRIMARY KEY, name); CREATE TABLE arch (id INTEGER PRIMARY KEY, name);
        INSERT INTO pkg_name VALUES (1, 'bash'), (2, 'zlib'); INSERT INTO arch VALUES (1, 'noarch');
        INSERT INTO rpm VALUES (1, 1, 0, '5', '1', 1, 1.25), (2, 2, 1, '5', '1', 1, NULL);
        """
    both = """
        INSERT INTO repo VALUES (1, 'baseos'), (2, '@System');
        INSERT INTO trans_item VALUES (1, 1, 1, 1), (2, 2, 2, 1), (3, 2, 1, 8);
        """
    for script, encoding in ((four, "UTF-8"), (five, "UTF-8"), (four, "UTF-16le")):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "history.sqlite")
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.executescript(f"PRAGMA page_size=512; PRAGMA encoding='{encoding}'; {script} {both}")
            yield path.read_bytes()


def small_databases() -> list[bytes]:
    """One of each format, in small pages, so that a case is fast and there is more than one level of everything."""
    return [
        small_sqlite(RPMS)[0],
        rpmdb.ndb_files(RPMS)["Packages.db"],
        rpmdb.bdb_files(RPMS, page_size=512)["Packages"],
        rpmdb.bdb_files(RPMS, page_size=512, byte_order=">")["Packages"],
        rpmdb.bdb_files([])["Packages"],
        b"",
    ]


def small_sqlite(packages: t.Sequence[rpmdb.Rpm], in_log: t.Sequence[rpmdb.Rpm] = ()) -> tuple[bytes, bytes]:
    """A database with the two tables that we read, in pages of 512 bytes, and its write-ahead log."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rpmdb.sqlite")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA page_size=512")
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
            database.execute("CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
            database.execute("PRAGMA wal_autocheckpoint=0")
            for number, rpm in enumerate((*packages, *in_log), 1):
                if number == len(packages) + 1:
                    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.execute("BEGIN")
                database.execute("INSERT INTO Packages VALUES (?, ?)", (number, rpmdb.header(rpm)))
                database.execute("INSERT INTO Name VALUES (?, ?, 0)", (rpm.name, number))
                database.execute("COMMIT")
            if not in_log:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return path.read_bytes(), Path(f"{path}-wal").read_bytes()


def packets() -> list[bytes]:
    key = bytes.fromhex(rpmdb.RED_HAT_KEY)
    issuer = b"\x09\x10" + key
    fingerprint = b"\x16\x21\x04" + bytes(12) + key
    long = b"\xc0\x09\x14" + bytes(200)
    found = []
    for area in (issuer, fingerprint, long + issuer, b"\xff\0\0\0\x09\x10" + key, b"\xe0\x00"):
        body = b"\x04\x00\x01\x08" + struct.pack(">H", len(area)) + area + b"\0\0"
        found.append(b"\x89" + struct.pack(">H", len(body)) + body)
        found.append(b"\xc2\xff" + struct.pack(">I", len(body)) + body)
    six = b"\x06\x00\x01\x08" + struct.pack(">I", 35) + b"\x22\x21\x06" + key + bytes(24) + bytes(4)
    three = b"\x03\x05\0\0\0\0\0" + key + b"\x01\x08\0\0"
    found += [b"\xc2" + bytes((len(six),)) + six, b"\x88" + bytes((len(three),)) + three, b"\x8b" + three]
    return found


# Mutations


def mutate(data: bytes, source: random.Random) -> bytes:
    """Change some bytes, and then, mostly, make the checksums right again: else they would stop nearly every case."""
    if not data:
        return data
    kind, body = data[0] % len(KINDS), mutate_bytes(data[1:], source)
    if source.random() < 0.7:
        if kind == DATABASE:
            body = right_ndb(body)
        elif kind == WITH_LOG and len(body) > 4:
            length = int.from_bytes(body[:4], "big")
            body = body[: 4 + length] + right_log(body[4 + length :])
    return bytes((kind,)) + body


def right_ndb(data: bytes) -> bytes:
    """The same ndb file with right checksums."""
    if data[:4] != b"RpmP" or len(data) < 4096:
        return data
    pages = min(int.from_bytes(data[12:16], "little"), len(data) // 4096)
    changed = bytearray(data)
    for offset in range(32, pages * 4096, 16):
        block, blocks = struct.unpack_from("<2I", data, offset + 8)
        start, end = block * 16, (block + blocks) * 16
        if 4096 <= start < end <= len(data) and end - start >= 28:
            struct.pack_into("<I", changed, end - 12, zlib.adler32(bytes(changed[start : end - 12])))
    return bytes(changed)


def right_log(wal: bytes) -> bytes:
    """The same write-ahead log with right checksums and salts."""
    if len(wal) < 32:
        return wal
    changed = bytearray(wal)
    order = ">" if wal[3] & 1 else "<"
    size = int.from_bytes(wal[8:12], "big")
    one, two = sqlite._checksum(bytes(changed[:24]), order, 0, 0)
    struct.pack_into(">2I", changed, 24, one, two)
    if not 0 < size <= 65536 or size % 8:
        return bytes(changed)
    for offset in range(32, len(wal) - size - 23, 24 + size):
        changed[offset + 8 : offset + 16] = changed[16:24]
        one, two = sqlite._checksum(bytes(changed[offset : offset + 8]), order, one, two)
        one, two = sqlite._checksum(bytes(changed[offset + 24 : offset + 24 + size]), order, one, two)
        struct.pack_into(">2I", changed, offset + 16, one, two)
    return bytes(changed)


# librpm


def compare(cases: int, seed: int, folder: Path) -> tuple[int, list[str]]:
    """Mutants of whole databases: whatever librpm still lists, we list too, or say that something is wrong.

    Gives the number of mutants of which librpm still listed something, and what was lost. Where librpm was built
    without ndb, go-rpmdb stands in for it there.
    """
    source = random.Random(seed)
    logged = rpmdb.sqlite_files(RPMS[:6], in_log=RPMS[6:])
    whole: list[tuple[str, dict[str, bytes]]] = [
        *[("sqlite", {"rpmdb.sqlite": complete_sqlite()}), ("sqlite", logged)] * 2,
        *[("bdb_ro", rpmdb.bdb_files(RPMS, byte_order=order)) for order in "<>"] * 2,
        ("ndb", rpmdb.ndb_files(RPMS)),
    ]
    compared = 0
    problems: list[str] = []
    place = folder / "compare"
    tried = min(max(cases // 40, 50), 2500)
    for number in range(tried):
        backend, files = whole[number % len(whole)]
        changed = change_one(files, source)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name, data in changed.items():
            (place / name).write_bytes(data)
        theirs = listed(place, backend, min(changed))
        if not theirs:
            continue
        compared += 1
        placed = {f"var/lib/rpm/{name}": data for name, data in changed.items()}
        chosen, found = databases.choose_database(databases.read_databases(placed))
        ours = collections.Counter(f"{one.name}-{one.version}-{one.release}" for one in chosen.packages)
        lost = collections.Counter(theirs) - ours
        if lost and not found:
            kept = folder / f"failed-lost-{number}"
            kept.mkdir()
            for name, data in changed.items():
                (kept / name).write_bytes(data)
            problems.append(
                f"{backend}: {sorted(lost)[:3]} are listed by librpm, and neither by us nor a problem: {kept}"
            )
    if compared < tried // 4:
        problems.append(f"librpm listed something of {compared} mutants of {tried} only: nothing was compared")
    return compared, problems


def change_one(files: dict[str, bytes], source: random.Random) -> dict[str, bytes]:
    """The files with one of them changed, the log where there is one."""
    name = max(files)
    if name.endswith("-wal"):
        wal = mutate_bytes(files[name], source)
        return {**files, name: right_log(wal) if source.random() < 0.7 else wal}
    return {name: mutate(bytes((DATABASE,)) + files[name], source)[1:]}


def complete_sqlite() -> bytes:
    """A database that librpm opens: all index tables, in small pages so that mutations meet the packages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rpmdb.sqlite")
        path.write_bytes(rpmdb.sqlite_files(RPMS)["rpmdb.sqlite"])
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            for statement in ("PRAGMA journal_mode=DELETE", "PRAGMA page_size=512", "VACUUM"):
                database.execute(statement)
        return path.read_bytes()


def listed(place: Path, backend: str, name: str) -> list[str] | None:
    if backend == "ndb" and not rpm_tools.librpm_reads_ndb(place):
        return rpm_tools.go_names(place / name)
    return rpm_tools.librpm_names(place, backend)
