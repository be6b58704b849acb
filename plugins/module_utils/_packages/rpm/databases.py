# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of rpm databases: SQLite, ndb and Berkeley DB hash. Standard library only: it runs in the scanner pod.

Each reader gives (row number, header bytes) and the database's own count of headers, so that a header that was lost on
the way shows. Formats are told by content, not by file name. Sources: rpm's lib/backend (sqlite.c, ndb/rpmpkg.c,
bdb_ro.c) and SQLite's file format; every rule that librpm applies when it reads is applied here, or a stricter one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import typing as t

from ..._core.errors import CorruptData, LimitExceeded, ScanError
from ..._images.model import Problem
from ..model import Package, PackageDatabase
from ..problems import problem
from .header import MAX_HEADER, parse_header
from .modules import label_problems
from .sqlite import MAGIC as SQLITE_MAGIC
from .sqlite import Buffer, SqliteFile, WalDamaged, is_hot_journal

#: Where librpm keeps its database, in the order in which we look: newer distributions, older ones, ostree.
PLACES = ("usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm")

#: File names in the order in which librpm prefers them when it has to guess.
NAMES = ("rpmdb.sqlite", "Packages.db", "Packages")

#: Files that belong to a database.
COMPANIONS = ("rpmdb.sqlite-wal", "rpmdb.sqlite-journal")

#: Several times what the largest installations have. Bounds time and memory for hostile files.
MAX_PACKAGES = 50_000

#: Characters of all texts of all packages together; 10,000 ordinary packages have about 2 million.
MAX_CHARACTERS = 32 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Reading:
    """Contents of one database file. ``problems`` not empty means that packages may be missing."""

    database: PackageDatabase
    packages: tuple[Package, ...]
    problems: tuple[Problem, ...]


class _Rows(t.Protocol):
    """A format's reader. ``count``: the database's own number of headers, valid after ``rows`` has ended.

    ``problem``: what the reader had to leave aside before it could begin.
    """

    format: str
    problem: Problem | None

    def rows(self) -> t.Iterator[tuple[int, bytes]]:
        """Number and header blob of each row."""

    def count(self, read: int) -> int:
        """The database's own count of headers, ``read`` of which were read."""


def database_files() -> frozenset[str]:
    """Every path that may belong to an rpm database."""
    return frozenset(f"{place}/{name}" for place in PLACES for name in NAMES + COMPANIONS)


def read_database(files: t.Mapping[str, Buffer]) -> tuple[PackageDatabase, list[Package]] | None:
    """The rpm database among ``files`` (path in the image's root -> content), whole.

    None when there is none. Raises CorruptData when anything of it could not be read; ``partial`` of the exception is
    then the list of all Readings.
    """
    readings = read_databases(files)
    if not readings:
        return None
    chosen, problems = choose_database(readings)
    if problems:
        raise CorruptData("; ".join(entry.message for entry in problems[:5]), code=problems[0].code, partial=readings)
    return chosen.database, list(chosen.packages)


def _others(packages: t.Iterable[Package], identities: t.Collection[object]) -> list[str]:
    return [package.nevra for package in packages if _identity(package) not in identities]


def choose_database(readings: t.Sequence[Reading]) -> tuple[Reading, tuple[Problem, ...]]:
    """The database that rpm would use, and what is wrong: its own damage, that of others, packages only others name.

    An empty database never hides a filled one. A database whose packages are all in the chosen one adds nothing.
    """
    chosen = next((reading for reading in readings if reading.packages), readings[0])
    problems = [entry for reading in readings for entry in reading.problems]
    chosen_identities = {_identity(package) for package in chosen.packages}
    for candidate in readings:
        extra = _others(candidate.packages, chosen_identities)
        if extra:
            problems.append(
                problem(
                    "rpmdb-ambiguous",
                    f"{candidate.database.path} has {len(extra)} packages that {chosen.database.path} does not have, "
                    f"{extra[0]} among them",
                )
            )
    if not chosen.packages and not problems:
        problems.append(problem("rpmdb-empty", f"{chosen.database.path} holds no package"))
    return chosen, tuple(problems)


def _identity(package: Package) -> tuple[str, ...]:
    """All of a package that decides what a feed says of it."""
    return package.nevra, package.source_rpm, package.vendor, package.key_id, package.modularity


def read_databases(files: t.Mapping[str, Buffer]) -> list[Reading]:
    """Every database among ``files``, in the order of PLACES and NAMES; one that appears twice (a symlink) once.

    Damage never raises: it is in ``problems`` of the Reading, beside the packages that could be read.
    """
    readings: list[Reading] = []
    paths_by_size: dict[tuple[int, int], list[str]] = {}
    for place in PLACES:
        for name in NAMES:
            path = f"{place}/{name}"
            if path not in files:
                continue
            wal = files.get(path + "-wal") if name == "rpmdb.sqlite" else None
            alike = paths_by_size.setdefault((len(files[path]), len(wal or b"")), [])
            alike.append(path)
            if any(_same(files, path, twin) for twin in alike[:-1]):
                continue
            reading = _read(path, files[path], wal)
            if name == "rpmdb.sqlite" and is_hot_journal(files.get(path + "-journal")):
                interrupted = problem("rpmdb-journal", f"{path}-journal holds a transaction that was interrupted")
                reading = dataclasses.replace(reading, problems=(*reading.problems, interrupted))
            readings.append(reading)
    return readings


def _same(files: t.Mapping[str, Buffer], path: str, other_path: str) -> bool:
    """Return whether two databases of equal length are the same: one is a symbolic link to the other, or a copy."""
    ends = ("", "-wal")
    pairs = [(files.get(path + end) or b"", files.get(other_path + end) or b"") for end in ends]
    return all(
        first is second or hashlib.sha256(first).digest() == hashlib.sha256(second).digest() for first, second in pairs
    )


def _read(path: str, data: Buffer, wal: Buffer | None) -> Reading:
    packages: list[Package] = []
    problems: list[Problem] = []
    kind = "unknown"
    rows = 0
    damaged = 0
    characters = 0
    try:
        if len(data) == 0:
            if wal:
                raise CorruptData("the file is empty, and its write-ahead log is not")
            return Reading(PackageDatabase(path, "empty", 0), (), ())
        reader = open_rows(data, wal, path)
        kind = reader.format
        if reader.problem:
            problems.append(reader.problem)
        for row, blob in reader.rows():
            rows += 1
            if rows > MAX_PACKAGES:
                raise LimitExceeded(f"more than {MAX_PACKAGES} packages", code="rpmdb-too-large")
            try:
                packages.append(parse_header(blob, row, path))
                characters += _characters(packages[-1])
                if characters > MAX_CHARACTERS:
                    packages.pop()
                    raise LimitExceeded(f"more than {MAX_CHARACTERS} characters in the texts of its packages")
            except CorruptData as error:
                damaged += 1
                if damaged <= 20:
                    problems.append(problem("rpmdb-row-corrupt", f"{path}: {error.message}"))
        own = reader.count(rows)
        if own != rows:
            problems.append(
                problem("rpmdb-row-mismatch", f"{path} counts {own} packages by itself; {rows} could be read")
            )
        rows = own
    except LimitExceeded as error:
        problems.append(problem("rpmdb-too-large", f"{path}: {error.message}"))
    except ScanError as error:
        problems.append(problem("rpmdb-corrupt", f"{path}: {error.message}"))
    problems.extend(label_problems(packages, path))
    return Reading(PackageDatabase(path, kind, rows), tuple(packages), tuple(problems))


def _characters(package: Package) -> int:
    texts = (package.name, package.version, package.release, package.arch, package.source_rpm, package.vendor)
    return sum(map(len, texts)) + len(package.modularity) + len(package.license)


def open_rows(data: Buffer, wal: Buffer | None, where: str) -> _Rows:
    """The reader for a database's bytes. Raises CorruptData when it has none of the three formats."""
    if data[:16] == SQLITE_MAGIC:
        return SqliteRows(data, wal, where)
    if data[:4] == b"RpmP":
        return NdbRows(data, where)
    if data[12:16] in (b"\x61\x15\x06\x00", b"\x00\x06\x15\x61"):
        return BdbRows(data, where)
    raise CorruptData("not an rpm database in SQLite, ndb or Berkeley DB hash format", subject=where)


class SqliteRows:
    """Table ``Packages(hnum INTEGER PRIMARY KEY, blob BLOB)``; its index table ``Name`` has one row a package."""

    format = "sqlite"
    problem: Problem | None = None

    def __init__(self, data: Buffer, wal: Buffer | None, where: str) -> None:
        try:
            self._file = SqliteFile(data, wal, where)
        except WalDamaged as error:
            self.problem = problem("rpmdb-wal-damaged", f"{where}: {error.message}")
            self._file = SqliteFile(data, None, where)
        if self._file.log_damage:
            self.problem = problem("rpmdb-wal-damaged", f"{where}: {self._file.log_damage}")
        self._tables = self._file.tables()
        if "packages" not in self._tables:
            raise CorruptData("has no table Packages", subject=where)

    def rows(self) -> t.Iterator[tuple[int, bytes]]:
        for row, values in self._file.rows(self._tables["packages"][0]):
            blob = values[1] if len(values) > 1 else None
            # A row without a header is a damaged header: parse_header says so and names it.
            yield row, blob if isinstance(blob, bytes) else b""

    def count(self, read: int) -> int:
        if "name" not in self._tables:
            return self._file.count(self._tables["packages"][0], MAX_PACKAGES)
        return self._file.count(self._tables["name"][0], MAX_PACKAGES)


class NdbRows:
    """rpm's own format: pages of slots (package number, first block, number of blocks), then blobs in 16-byte blocks.

    All numbers are little-endian on every machine. librpm checks a blob's Adler-32 only when it writes; it is checked
    here, since a damaged header may still look like one.
    """

    format = "ndb"
    problem: Problem | None = None
    _MAX_PAGES = 4096  # of slots: a million packages
    _HEADER = 32
    _PAGE = 4096
    _BLOCK = 16
    _HEAD = 16
    _TAIL = 12

    def __init__(self, data: Buffer, where: str) -> None:
        self._where = where
        self._data = data
        if len(data) < self._PAGE or len(data) % self._BLOCK:
            raise self._corrupt(f"has {len(data)} bytes; expected a multiple of {self._BLOCK} from {self._PAGE}")
        _magic, version, _generation, pages, _next = struct.unpack("<5I", data[:20])
        if version != 0:
            raise self._corrupt(f"has the unknown version {version}")
        if not 0 < pages * self._PAGE <= len(data):
            raise self._corrupt(f"announces {pages} pages of slots in {len(data)} bytes")
        if pages > self._MAX_PAGES:
            raise LimitExceeded(f"{pages} pages of slots; we read up to {self._MAX_PAGES}", subject=where)
        self._first_block = pages * self._PAGE // self._BLOCK
        self._slots = self._read_slots(pages)

    def _corrupt(self, damage: str) -> CorruptData:
        return CorruptData(damage, subject=self._where)

    def _read_slots(self, pages: int) -> list[tuple[int, int, int]]:
        """First block, number of blocks and package number of each slot in use, in the order of the file."""
        slots = []
        for magic, package, block, blocks in struct.iter_unpack("<4s3I", self._data[self._HEADER : pages * self._PAGE]):
            if magic != b"Slot":
                raise self._corrupt("has a damaged slot")
            if not block:
                if package or blocks:
                    raise self._corrupt(f"has a slot for package {package} without a place")
                continue
            if not package or not blocks or block < self._first_block:
                raise self._corrupt(f"has a damaged slot for package {package}")
            if (block + blocks) * self._BLOCK > len(self._data):
                raise self._corrupt(f"ends before package {package}; it is truncated")
            slots.append((block, blocks, package))
        slots.sort()
        self._check_apart(slots)
        return slots

    def _check_apart(self, slots: t.Sequence[tuple[int, int, int]]) -> None:
        if len({slot[2] for slot in slots}) != len(slots):
            raise self._corrupt("has two slots for one package")
        if any(earlier[0] + earlier[1] > later[0] for earlier, later in zip(slots, slots[1:])):
            raise self._corrupt("has slots that overlap")

    def rows(self) -> t.Iterator[tuple[int, bytes]]:
        import zlib

        for block, blocks, package in self._slots:
            start = block * self._BLOCK
            end = start + blocks * self._BLOCK
            if end - start > MAX_HEADER:
                raise LimitExceeded(f"package {package} has {end - start} bytes; we read up to {MAX_HEADER}")
            magic, number, _stamp, size = struct.unpack("<4s3I", self._data[start : start + self._HEAD])
            blob = self._data[start + self._HEAD : end - self._TAIL]
            checksum, again, closing = struct.unpack("<2I4s", self._data[end - self._TAIL : end])
            whole = blocks == (self._HEAD + size + self._TAIL + self._BLOCK - 1) // self._BLOCK
            if magic != b"BlbS" or closing != b"BlbE" or number != package or again != size or not whole:
                raise self._corrupt(f"has a damaged blob for package {package}")
            if zlib.adler32(self._data[start : end - self._TAIL]) != checksum:
                raise self._corrupt(f"has a wrong checksum for package {package}")
            yield package, blob[:size]

    def count(self, read: int) -> int:
        """Slots in use, and whole blobs that no slot refers to (deleted ones are zeroed)."""
        orphans = 0
        starts = [self._first_block, *(block + blocks for block, blocks, _package in self._slots)]
        ends = [*(block for block, _blocks, _package in self._slots), len(self._data) // self._BLOCK]
        for start, end in zip(starts, ends):
            gap = self._data[start * self._BLOCK : end * self._BLOCK]
            position = gap.find(b"BlbS")
            while position >= 0:
                orphans += position % self._BLOCK == 0
                position = gap.find(b"BlbS", position + 4)
        return len(self._slots) + orphans


class BdbRows:
    """Berkeley DB hash, versions 8 to 10, either byte order.

    Keys are 4-byte package numbers in the byte order of the machine that wrote them; key 0 is a counter. Buckets are
    walked as librpm does; pages that no bucket reaches and the number of keys in the metadata show what was lost.
    """

    format = "bdb"
    problem: Problem | None = None
    _OVERHEAD = 26
    _HASH_PAGES = (2, 13)
    _OVERFLOW_PAGE = 7
    _INLINE = 1
    _OFF_PAGE = 3

    def __init__(self, data: Buffer, where: str) -> None:
        self._where = where
        self._data = data
        if len(data) < 512:
            raise self._corrupt(f"has {len(data)} bytes; its first page is not whole")
        self._order: t.Literal["little", "big"] = "little" if data[12:16] == b"\x61\x15\x06\x00" else "big"
        mark = "<" if self._order == "little" else ">"
        self._u16, self._u32 = struct.Struct(mark + "H"), struct.Struct(mark + "I")
        meta = struct.unpack(f"{mark}56I", data[:224])
        version, self._page_size = meta[4], meta[5]
        self._check_readable(version)
        if not 512 <= self._page_size <= 65536 or self._page_size & (self._page_size - 1):
            raise self._corrupt(f"has a page size of {self._page_size}")
        self._last_page = meta[8]
        self._max_bucket = meta[18]
        self._keys = meta[22]
        self._spares = meta[24:56]
        if (self._last_page + 1) * self._page_size > len(data):
            raise self._corrupt(f"has {len(data) // self._page_size} pages of {self._last_page + 1}; it is truncated")
        if self._max_bucket > self._last_page:
            raise self._corrupt(f"has {self._max_bucket} buckets on {self._last_page} pages")
        self._used: set[int] = set()

    def _check_readable(self, version: int) -> None:
        if not 8 <= version <= 10:
            raise self._corrupt(f"has the Berkeley DB hash version {version}; expected 8 to 10")
        if self._data[24] or self._data[26] & 1:
            raise self._corrupt("is encrypted or has page checksums")

    def _corrupt(self, damage: str) -> CorruptData:
        return CorruptData(damage, subject=self._where)

    def _page(self, number: int) -> bytes:
        if not 0 < number <= self._last_page:
            raise self._corrupt(f"refers to page {number} of {self._last_page}")
        if number in self._used:
            raise self._corrupt(f"uses page {number} twice")
        self._used.add(number)
        page = bytes(self._data[number * self._page_size : (number + 1) * self._page_size])
        if self._u32.unpack_from(page, 8)[0] != number:
            raise self._corrupt(f"has another page in the place of page {number}")
        return page

    def rows(self) -> t.Iterator[tuple[int, bytes]]:
        rows_read: set[int] = set()
        for bucket in range(self._max_bucket + 1):
            number = bucket + self._spares[bucket.bit_length()] if bucket.bit_length() < 32 else 0
            while number:
                page = self._page(number)
                if page[25] not in self._HASH_PAGES:
                    raise self._corrupt(f"has type {page[25]} on page {number}, where a hash page was expected")
                for key, value in self._pairs(page, number):
                    if len(key) != 4:
                        raise self._corrupt(f"has a key of {len(key)} bytes on page {number}; expected 4")
                    row = int.from_bytes(key, self._order)
                    if row in rows_read:
                        raise self._corrupt(f"has two entries for package {row}")
                    rows_read.add(row)
                    if row:
                        yield row, value
                (number,) = self._u32.unpack_from(page, 16)
        self._counter = 0 in rows_read

    def _pairs(self, page: bytes, number: int) -> t.Iterator[tuple[bytes, bytes]]:
        """Key and value alternate; items fill the page from its end, so each one ends where the one before begins."""
        (entries,) = self._u16.unpack_from(page, 20)
        floor = self._OVERHEAD + 2 * entries
        if entries % 2 or floor > self._page_size:
            raise self._corrupt(f"has {entries} entries on page {number}")
        end = self._page_size
        items: list[bytes] = []
        for index in range(entries):
            (start,) = self._u16.unpack_from(page, self._OVERHEAD + 2 * index)
            if not floor <= start < end:
                raise self._corrupt(f"has a damaged entry on page {number}")
            items.append(self._item(page[start:end], number))
            end = start
            if len(items) == 2:
                yield items[0], items[1]
                items.clear()

    def _item(self, item: bytes, number: int) -> bytes:
        if item[0] == self._INLINE:
            return item[1:]
        if item[0] != self._OFF_PAGE or len(item) != 12:
            raise self._corrupt(f"has an entry of type {item[0]} with {len(item)} bytes on page {number}")
        (number,) = self._u32.unpack_from(item, 4)
        (size,) = self._u32.unpack_from(item, 8)
        if size > MAX_HEADER:
            raise LimitExceeded(f"an entry has {size} bytes; we read up to {MAX_HEADER}")
        parts: list[bytes] = []
        bytes_left = size
        while bytes_left:
            page = self._page(number)
            (length,) = self._u16.unpack_from(page, 22)
            if page[25] != self._OVERFLOW_PAGE or not 0 < length <= min(bytes_left, self._page_size - self._OVERHEAD):
                raise self._corrupt(f"has a damaged overflow page {number}")
            parts.append(page[self._OVERHEAD : self._OVERHEAD + length])
            bytes_left -= length
            (number,) = self._u32.unpack_from(page, 16)
        return b"".join(parts)

    def count(self, read: int) -> int:
        """Keys by the metadata, or keys read and keys on pages that no bucket reaches; whichever is more."""
        hidden = 0
        for number in range(1, self._last_page + 1):
            start = number * self._page_size
            if number not in self._used and self._data[start + 25] in self._HASH_PAGES:
                (entries,) = self._u16.unpack(self._data[start + 20 : start + 22])
                hidden += int(entries) // 2
        return max(read + hidden, int(self._keys) - self._counter)
