# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in the package database: formats, logs, damage, and rows that get lost on the way."""

from __future__ import annotations

import dataclasses
import functools
import struct
import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb

from .layers import DATABASE
from .situation import BASE, GPG_KEY, PATCHED, VULNERABLE, Situation, openssl
from .trap import Trap, differs, hides

Files = dict[str, bytes]
Writer = t.Callable[[t.Sequence[t.Any]], Files]


def in_log(packages: t.Sequence[t.Any]) -> Files:
    """The last package stands only in the write-ahead log."""
    return rpmdb.sqlite_files(packages[:-1], in_log=packages[-1:])


def all_in_log(packages: t.Sequence[t.Any]) -> Files:
    """Every package but one stands only in the write-ahead log."""
    return rpmdb.sqlite_files(packages[:1], in_log=packages[1:])


def changed(write: Writer, name: str, change: t.Callable[[bytes], bytes]) -> Writer:
    """A writer whose file ``name`` is changed afterwards."""

    def writer(packages: t.Sequence[t.Any]) -> Files:
        files = write(packages)
        return {**files, name: change(files[name])}

    return writer


def flip(offset: int) -> t.Callable[[bytes], bytes]:
    """Change one byte."""
    return lambda data: data[:offset] + bytes((data[offset] ^ 0xFF,)) + data[offset + 1 :]


def flip_log_frame(data: bytes) -> bytes:
    """Change one byte of the log's first page, so that its checksum does not hold and SQLite ignores all of it."""
    return flip(32 + 24 + 100)(data)


def without_last_page(data: bytes) -> bytes:
    return data[:-4096]


def ndb_slot_lost(data: bytes) -> bytes:
    """Damage the mark of the last slot in use."""
    last = max(offset for offset in range(32, 4096, 16) if struct.unpack_from("<I", data, offset + 4)[0])
    return data[:last] + b"Slut" + data[last + 4 :]


def ndb_blob_changed(data: bytes) -> bytes:
    """Change one byte of the last header: its checksum does not hold."""
    return flip(len(data) - 60)(data)


def bdb_item_lost(data: bytes) -> bytes:
    """Take the last package off the page's list, and leave the counters as they were."""
    entries = struct.unpack_from("<H", data, 4096 + 20)[0]
    return data[: 4096 + 20] + struct.pack("<H", entries - 2) + data[4096 + 22 :]


def bdb_chain_cut(data: bytes) -> bytes:
    """End every chain of overflow pages after its first page."""
    pages = [bytearray(data[start : start + 4096]) for start in range(0, len(data), 4096)]
    for page in pages:
        if page[25] == 7:
            page[16:20] = bytes(4)
    return b"".join(pages)


def blob(packages: t.Sequence[rpmdb.Rpm], change: t.Callable[[bytes], bytes]) -> tuple[t.Any, ...]:
    """The packages with the last one's header changed."""
    return (*packages[:-1], change(rpmdb.header(packages[-1])))


def lie_about_size(header: bytes) -> bytes:
    return struct.pack(">I", 0x7FFFFFF0) + header[4:]


def rename_tag(old: int, new: int) -> t.Callable[[bytes], bytes]:
    """Hide one entry of a header under another tag."""

    def change(header: bytes) -> bytes:
        lines = struct.unpack_from(">I", header)[0]
        for offset in range(8, 8 + 16 * lines, 16):
            if struct.unpack_from(">I", header, offset)[0] == old:
                return header[:offset] + struct.pack(">I", new) + header[offset + 4 :]
        raise ValueError(old)

    return change


def empty(name: str) -> Writer:
    """A writer of a file without a byte."""
    return lambda packages: {name: b""}


big_header = functools.partial(dataclasses.replace, license="GPL-2.0-or-later " * 600)
BIG = tuple(big_header(rpm) for rpm in PATCHED)


def second_root(folder: str) -> tuple[images.Entry, ...]:
    """Another root inside the root, with the vulnerable packages in a database of its own."""
    return tuple(images.Entry(f"{folder}/{name}", data) for name, data in rpmdb.sqlite_files(VULNERABLE).items())


TRAPS: list[Trap] = [
    # Places.
    differs(
        "database-of-a-root-inside-the-root",
        "whoever looks in the three places alone: what a chroot below /opt holds runs, too",
        "more",
        second_root("opt/chroot/var/lib/rpm"),
        second_root("usr/share/rpm-ostree-base-db"),
        codes="rpmdb-stray",
    ),
    differs(
        "database-of-a-root-inside-a-root-folder",
        "the same in an unpacked root folder",
        "more",
        second_root("srv/image/usr/lib/sysimage/rpm"),
        codes="rpmdb-stray",
        form="rootfs",
    ),
    # Formats.
    hides("ndb", "a reader that knows SQLite alone", write=rpmdb.ndb_files),
    hides("berkeley-db", "a reader that knows SQLite alone", write=rpmdb.bdb_files),
    hides(
        "berkeley-db-of-the-other-byte-order",
        "a reader that takes the numbers of a big-endian machine's database for its own",
        write=functools.partial(rpmdb.bdb_files, byte_order=">"),
    ),
    hides(
        "sqlite-in-wal-mode-read-only",
        "SQLite on a read-only mount: without -shm and -wal it cannot open the file, and librpm reports no package",
        form="rootfs",
    ),
    hides(
        "package-in-the-write-ahead-log",
        "a reader that opens the database as immutable and never looks at the log beside it",
        write=in_log,
    ),
    hides("all-but-one-in-the-log", "the same, with nearly nothing in the database itself", write=all_in_log),
    differs(
        "log-damaged",
        "SQLite, which ends reading a log at the first bad checksum as if nothing came after it",
        "write",
        changed(in_log, "rpmdb.sqlite-wal", flip_log_frame),
        in_log,
        codes="rpmdb-wal-damaged",
    ),
    hides(
        "log-beside-the-target-of-a-link",
        "a reader that looks for the log beside the link: SQLite follows the link first",
        write=in_log,
        place="opt/state",
        more=(images.symlink(DATABASE, "/opt/state/rpmdb.sqlite"),),
    ),
    hides(
        "log-beside-the-target-of-a-link-in-a-root-folder",
        "the same for an unpacked root folder",
        write=in_log,
        place="opt/state",
        more=(images.symlink(DATABASE, "/opt/state/rpmdb.sqlite"),),
        form="rootfs",
    ),
    differs(
        "rollback-journal-left-behind",
        "a reader that ignores the journal of an interrupted transaction, and reads half of it",
        "more",
        (images.Entry(DATABASE + "-journal", bytes.fromhex("d9d505f920a163d7") + b"\0\0\0\1" + bytes(500)),),
        (images.Entry(DATABASE + "-journal", b""),),
        codes="rpmdb-journal",
    ),
    # Nothing in it.
    differs(
        "no-database",
        "a reader that finds no database in a Red Hat image, and so no vulnerability",
        "write",
        lambda packages: {},
        codes="rpmdb-missing",
    ),
    differs("empty-database", "a reader that counts nothing and calls it clean", "packages", (), codes="rpmdb-empty"),
    differs(
        "database-of-zero-bytes",
        "SQLite, to which an empty file is a valid, empty database",
        "write",
        empty("rpmdb.sqlite"),
        codes="rpmdb-empty",
    ),
    differs(
        "only-public-keys",
        "whoever counts the keys in the database as packages",
        "packages",
        (GPG_KEY,),
        (GPG_KEY, *PATCHED),
        codes="no-packages",
    ),
    # Damage.
    differs(
        "database-cut-short",
        "a reader that keeps the rows up to the first page that is missing",
        "write",
        changed(rpmdb.sqlite_files, "rpmdb.sqlite", without_last_page),
        rpmdb.sqlite_files,
        codes="rpmdb-corrupt",
    ),
    differs(
        "header-damaged",
        "rpm -qa, which leaves out a header that it dislikes and exits with 0",
        "packages",
        blob(VULNERABLE, lie_about_size),
        PATCHED,
        codes="rpmdb-row-corrupt",
    ),
    differs(
        "header-without-a-name",
        "a reader that skips rows without a name",
        "packages",
        blob(VULNERABLE, rename_tag(1000, 1200)),
        PATCHED,
        codes="rpmdb-row-corrupt",
    ),
    differs(
        "header-without-a-version",
        "a comparison in which a missing version is newer than every fix",
        "packages",
        blob(VULNERABLE, rename_tag(1001, 1200)),
        PATCHED,
        codes="rpmdb-row-corrupt",
    ),
    differs(
        "ndb-slot-damaged",
        "a reader that takes a slot without its mark for a free one",
        "write",
        changed(rpmdb.ndb_files, "Packages.db", ndb_slot_lost),
        rpmdb.ndb_files,
        codes="rpmdb-corrupt",
    ),
    differs(
        "ndb-checksum",
        "a reader that does not verify the checksum of a header",
        "write",
        changed(rpmdb.ndb_files, "Packages.db", ndb_blob_changed),
        rpmdb.ndb_files,
        codes="rpmdb-corrupt",
    ),
    differs(
        "berkeley-db-row-lost",
        "a reader that never compares what it read with the database's own count",
        "write",
        changed(rpmdb.bdb_files, "Packages", bdb_item_lost),
        rpmdb.bdb_files,
        codes="rpmdb-row-mismatch",
    ),
    differs(
        "berkeley-db-overflow-cut",
        "a reader that takes a header which ends early for a small one",
        "write",
        changed(rpmdb.bdb_files, "Packages", bdb_chain_cut),
        rpmdb.bdb_files,
        codes="rpmdb-corrupt",
        packages=BIG,
    ),
    Trap(
        "signature-malformed",
        "librpm with Sequoia, which hides a package whose signature it cannot parse, with exit code 0",
        Situation(packages=(*BASE, openssl("1:3.0.7-27.el9", signature="malformed"))),
        Situation(packages=(*BASE, openssl("1:3.0.7-28.el9_4", signature="malformed"))),
        "failed",
        ("vulnerability",),
    ),
    Trap(
        "signature-of-version-4",
        "a reader that finds the key only in old signature packets, and takes the package for another vendor's",
        Situation(packages=(*BASE, openssl("1:3.0.7-27.el9", signature="v4", vendor=""))),
        Situation(packages=(*BASE, openssl("1:3.0.7-28.el9_4", signature="v4", vendor=""))),
        "failed",
        ("vulnerability",),
    ),
]
