# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of a SQLite database, read from its bytes. Standard library only: the scanner pod runs this file.

Own code instead of the ``sqlite3`` module because that one needs files in a writable place (a database in WAL mode
cannot be opened on read-only media), executes what a hostile schema says (views, triggers, expressions), and has no
bound on time. This reads bytes or an mmap, runs nothing, and applies a write-ahead log by SQLite's own rules
(https://www.sqlite.org/fileformat2.html).
"""

from __future__ import annotations

import mmap
import re
import struct
import typing as t

from ..._core.errors import CorruptData, LimitExceeded

#: Only len and slices are used, so that a large file need not be in memory.
Buffer = t.Union[bytes, mmap.mmap]

MAGIC = b"SQLite format 3\0"

#: The largest write-ahead log that is applied. rpm's grows to about the database's size; its checksum is sequential
#: and runs at about 50 MB/s here.
MAX_WAL = 256 * 1024 * 1024

#: The largest value of one cell.
MAX_PAYLOAD = 64 * 1024 * 1024

_MAX_DEPTH = 20  # of a b-tree; SQLite's own limit
_MAX_TABLES = 1000
_MAX_SQL = 8192  # of a CREATE statement; bounds the regular expressions below

_LEAF_TABLE = 13
_INTERIOR_TABLE = 5

_WAL_HEADER = struct.Struct(">8I")
_FRAME_HEADER = struct.Struct(">6I")
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")

Value = t.Union[None, int, float, str, bytes]


class WalDamaged(CorruptData):
    """The write-ahead log holds data that SQLite would ignore."""

    code = "rpmdb-wal-damaged"


def is_hot_journal(data: Buffer | None) -> bool:
    """True when a rollback journal would change the database: SQLite zeroes or truncates it at the end."""
    return data is not None and data[:8] == _JOURNAL_MAGIC


class SqliteFile:
    """One database, opened for reading. Every method raises CorruptData or LimitExceeded for bad bytes."""

    def __init__(self, data: Buffer, wal: Buffer | None = None, where: str = "SQLite database") -> None:
        self.where = where
        self._data = data
        self._frames: dict[int, int] = {}
        self._wal = wal
        #: What SQLite ignores of the log although it belongs to it: a damaged or unfinished end. Rows may be missing.
        self.log_damage = ""
        if len(data) < 512 or data[:16] != MAGIC:
            raise self._corrupt("is not a SQLite database")
        self.page_size = self._size_of_pages()
        self._usable = self.page_size - data[20]
        if self._usable < 480:
            raise self._corrupt(f"leaves {self._usable} bytes of a page usable")
        if data[18] > 2 or data[19] > 2:
            raise self._corrupt(f"has the unknown file format version {max(data[18], data[19])}")
        self.pages = self._count_pages()
        if wal:
            self._apply_wal(wal)
        first = self._page(1)
        encoding = struct.unpack(">I", first[56:60])[0]
        if encoding > 3:
            raise self._corrupt(f"has the unknown text encoding {encoding}")
        self._encoding = ("utf-8", "utf-8", "utf-16-le", "utf-16-be")[encoding]

    def _corrupt(self, damage: str) -> CorruptData:
        return CorruptData(damage, subject=self.where)

    # Pages

    def _size_of_pages(self) -> int:
        size = int.from_bytes(self._data[16:18], "big")
        size = 65536 if size == 1 else size
        if size < 512 or size & (size - 1):
            raise self._corrupt(f"has a page size of {size}")
        return size

    def _count_pages(self) -> int:
        data = self._data
        pages = len(data) // self.page_size
        header: int = struct.unpack(">I", data[28:32])[0]
        # The count in the header holds only if it was written by the last writer.
        if not header or data[24:28] != data[92:96]:
            return pages
        if header > pages and not self._wal:
            raise self._corrupt(f"has {pages} pages of {header}; it is truncated")
        return min(header, pages)

    def _apply_wal(self, wal: Buffer) -> None:
        """Find the newest committed frame of each page: salts and checksums must fit, and a commit must follow."""
        if len(wal) > MAX_WAL:
            raise LimitExceeded(
                f"a write-ahead log of {len(wal)} bytes; we read up to {MAX_WAL}",
                code="rpmdb-too-large",
                subject=self.where,
            )
        if not wal[:].strip(b"\0"):
            return  # truncated or zeroed: closed in order
        order, salts, (running1, running2) = self._wal_start(wal)
        pending: dict[int, int] = {}
        step = _FRAME_HEADER.size + self.page_size
        frames = range(_WAL_HEADER.size, len(wal) - step + 1, step)
        for offset in frames:
            page, commit, frame1, frame2, sum1, sum2 = _FRAME_HEADER.unpack(wal[offset : offset + 24])
            if (frame1, frame2) != salts:
                # Usually the rest of an older round. But no frame of this round can come after one of those.
                if any(wal[later + 8 : later + 16] == wal[16:24] for later in frames if later > offset):
                    self.log_damage = "a page in the write-ahead log is damaged, and what comes after it is lost"
                break
            running1, running2 = _checksum(wal[offset : offset + 8], order, running1, running2)
            running1, running2 = _checksum(wal[offset + 24 : offset + step], order, running1, running2)
            if (running1, running2) != (sum1, sum2) or not page:
                # Older rounds of the log have other salts: this page was written in this one, and is damaged.
                self.log_damage = f"page {page} in the write-ahead log is damaged, and what comes after it is lost"
                break
            pending[page] = offset + 24
            if commit:
                self._frames.update(pending)
                pending.clear()
                self.pages = commit
        if not self.log_damage:
            if (len(wal) - _WAL_HEADER.size) % step:
                self.log_damage = "the write-ahead log ends in the middle of a page"
            elif pending:
                self.log_damage = "the write-ahead log ends in the middle of a transaction"

    def _wal_start(self, wal: Buffer) -> tuple[str, tuple[int, int], tuple[int, int]]:
        """Order of the bytes, salts and checksum that the header of the write-ahead log gives."""
        if len(wal) < _WAL_HEADER.size:
            raise WalDamaged("the write-ahead log has no header", subject=self.where)
        magic, version, page_size, _sequence, salt1, salt2, check1, check2 = _WAL_HEADER.unpack(wal[:32])
        order = {0x377F0682: "<", 0x377F0683: ">"}.get(magic)
        if order is None or version != 3007000 or page_size != self.page_size:
            raise WalDamaged("the write-ahead log does not belong to this database", subject=self.where)
        if _checksum(wal[:24], order, 0, 0) != (check1, check2):
            raise WalDamaged("the header of the write-ahead log is damaged", subject=self.where)
        return order, (salt1, salt2), (check1, check2)

    def _page(self, number: int) -> bytes:
        if not 0 < number <= self.pages:
            raise self._corrupt(f"refers to page {number} of {self.pages}")
        offset = self._frames.get(number)
        if offset is not None and self._wal is not None:
            data = self._wal[offset : offset + self.page_size]
        else:
            offset = (number - 1) * self.page_size
            data = self._data[offset : offset + self.page_size]
        if len(data) != self.page_size:
            raise self._corrupt(f"ends before page {number}")
        return bytes(data)

    # B-trees

    def _cell_offsets(self, number: int, page: bytes, start: int) -> tuple[int, ...]:
        """Offsets of the cells of a page in a table's b-tree."""
        kind = page[start]
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        first = start + (12 if kind == _INTERIOR_TABLE else 8)
        if kind not in (_LEAF_TABLE, _INTERIOR_TABLE):
            raise self._corrupt(f"has type {kind} on page {number}, where a table was expected")
        if first + 2 * cells > self._usable:
            raise self._corrupt(f"has {cells} cells on page {number}")
        offsets = struct.unpack_from(f">{cells}H", page, first)
        if any(not first + 2 * cells <= offset <= self._usable - 4 for offset in offsets):
            raise self._corrupt(f"has a cell outside of page {number}")
        return offsets

    def _leaves(self, root: int, used: set[int]) -> t.Iterator[tuple[int, bytes, tuple[int, ...]]]:
        """Leaf pages of a table's b-tree, in order: page number, bytes, offsets of its cells."""
        stack = [(root, 0)]
        while stack:
            number, depth = stack.pop()
            if number in used:
                raise self._corrupt(f"uses page {number} twice")
            if depth > _MAX_DEPTH:
                raise self._corrupt(f"has a b-tree deeper than {_MAX_DEPTH}")
            used.add(number)
            page = self._page(number)
            start = 100 if number == 1 else 0
            kind = page[start]
            offsets = self._cell_offsets(number, page, start)
            if kind == _LEAF_TABLE:
                yield number, page, offsets
                continue
            children = [struct.unpack_from(">I", page, offset)[0] for offset in offsets]
            children.append(struct.unpack_from(">I", page, start + 8)[0])
            stack.extend((child, depth + 1) for child in reversed(children))

    def _cells(self, root: int) -> t.Iterator[tuple[int, bytes]]:
        """Row id and record of each row. Row ids ascend in a sound table: a lost or repeated page shows."""
        used: set[int] = set()
        last: int | None = None
        for number, page, offsets in self._leaves(root, used):
            for offset in offsets:
                size, offset = self._varint(page, offset)
                row, offset = self._varint(page, offset)
                row -= (row >> 63) << 64
                if last is not None and row <= last:
                    raise self._corrupt(f"has row {row} after row {last} on page {number}")
                last = row
                yield row, self._payload(page, offset, size, used, row)

    def _payload(self, page: bytes, offset: int, size: int, used: set[int], row: int) -> bytes:
        if size > MAX_PAYLOAD:
            raise LimitExceeded(
                f"row {row} has {size} bytes; we read up to {MAX_PAYLOAD}", code="rpmdb-too-large", subject=self.where
            )
        local = size
        if size > self._usable - 35:
            least = (self._usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (self._usable - 4)
            if local > self._usable - 35:
                local = least
        if offset + local > self._usable:
            raise self._corrupt(f"has a record outside of its page in row {row}")
        if local == size:
            return page[offset : offset + size]
        parts = [page[offset : offset + local]]
        if offset + local + 4 > self._usable:
            raise self._corrupt(f"has a record outside of its page in row {row}")
        (number,) = struct.unpack_from(">I", page, offset + local)
        bytes_left = size - local
        while bytes_left:
            if number in used:
                raise self._corrupt(f"uses page {number} twice")
            used.add(number)
            page = self._page(number)
            parts.append(page[4 : 4 + min(bytes_left, self._usable - 4)])
            bytes_left -= len(parts[-1])
            (number,) = struct.unpack_from(">I", page)
        return b"".join(parts)

    def _varint(self, data: bytes, offset: int) -> tuple[int, int]:
        value = 0
        for position in range(offset, min(offset + 8, len(data))):
            byte = data[position]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, position + 1
        if offset + 8 >= len(data):
            raise self._corrupt("has a number without an end")
        return value << 8 | data[offset + 8], offset + 9

    def _record(self, row: int, record: bytes) -> list[Value]:
        values: list[Value] = []
        end, offset = self._varint(record, 0)
        if end > len(record):
            raise self._corrupt(f"has a damaged record in row {row}")
        position = end
        while offset < end:
            kind, offset = self._varint(record, offset)
            size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
            if kind in (10, 11) or position + size > len(record):
                raise self._corrupt(f"has a damaged record in row {row}")
            raw = record[position : position + size]
            position += size
            if kind == 0:
                values.append(None)
            elif kind < 7:
                values.append(int.from_bytes(raw, "big", signed=True))
            elif kind == 7:
                values.append(t.cast(float, struct.unpack(">d", raw)[0]))
            elif kind < 10:
                values.append(kind - 8)
            elif kind % 2:
                values.append(raw.decode(self._encoding, errors="replace"))
            else:
                values.append(raw)
        return values

    # Tables

    def tables(self) -> dict[str, tuple[int, str]]:
        """Name in lower case (as SQL compares) -> root page and CREATE statement."""
        tables: dict[str, tuple[int, str]] = {}
        for number, (row, record) in enumerate(self._cells(1)):
            if number >= _MAX_TABLES:
                raise self._corrupt(f"has more than {_MAX_TABLES} tables and indexes")
            values = self._record(row, record)
            if len(values) < 5:
                raise self._corrupt("has a damaged schema")
            kind, name, root, sql = values[0], values[1], values[3], values[4]
            if kind == "table" and isinstance(name, str) and isinstance(root, int) and isinstance(sql, str):
                tables[name.lower()] = (root, sql)
        return tables

    def rows(self, root: int) -> t.Iterator[tuple[int, list[Value]]]:
        """Row id and values of each row, in order. An INTEGER PRIMARY KEY column is None: it is the row id."""
        for row, record in self._cells(root):
            yield row, self._record(row, record)

    def count(self, root: int, limit: int) -> int:
        """Number of rows of a table, without reading them. Raises LimitExceeded for more than ``limit``."""
        rows = 0
        for _number, _page, offsets in self._leaves(root, set()):
            rows += len(offsets)
            if rows > limit:
                raise LimitExceeded(f"more than {limit} rows", code="rpmdb-too-large", subject=self.where)
        return rows

    def dicts(self, root: int, sql: str) -> t.Iterator[dict[str, Value]]:
        """Rows by column name; ``rowid`` is among them, and stands in for an INTEGER PRIMARY KEY."""
        names, key = columns(sql)
        for row, values in self.rows(root):
            record = dict(zip(names, values))
            record["rowid"] = row
            if key and record.get(key) is None:
                record[key] = row
            yield record


_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_COLUMN = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|`([^`]+)`|\[([^\]]+)\]|(\w+))(.*)""", re.DOTALL)
_SOLE_KEY = re.compile(r"primary\s+key\s*\(\s*[\"'`\[]?(\w+)[\"'`\]]?(?:\s+autoincrement)?\s*\)", re.IGNORECASE)
_INTEGER_KEY = re.compile(r"\binteger\s+primary\s+key\b", re.IGNORECASE)
_CONSTRAINTS = ("constraint", "primary", "unique", "check", "foreign")


def _definitions(body: str) -> t.Iterator[str]:
    """Split at the commas outside of parentheses."""
    depth = begin = 0
    for position, letter in enumerate(body):
        if letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == "," and depth == 0:
            yield body[begin:position]
            begin = position + 1
    yield body[begin:]


def columns(sql: str) -> tuple[list[str], str]:
    """Column names (lower case) of a CREATE TABLE statement, in order, and the one that is an alias of the row id."""
    body = _COMMENT.sub(" ", sql[:_MAX_SQL])
    body = body[body.find("(") + 1 : body.rfind(")")]
    names: list[str] = []
    key = ""
    for part in _definitions(body):
        match = _COLUMN.match(part)
        if match is None:
            continue
        bare = (match[5] or "").lower()
        if bare in _CONSTRAINTS:
            alias = _SOLE_KEY.search(part)
            if alias and alias[1].lower() in names:
                key = alias[1].lower()
            continue
        name = next(group for group in match.groups()[:5] if group).lower()
        names.append(name)
        if _INTEGER_KEY.search(match[6]):
            key = name
    return names, key


def _checksum(data: bytes, order: str, sum1: int, sum2: int) -> tuple[int, int]:
    """SQLite's running checksum over pairs of 32-bit words."""
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2]):
        sum1 = (sum1 + first + sum2) & 0xFFFFFFFF
        sum2 = (sum2 + second + sum1) & 0xFFFFFFFF
    return sum1, sum2
