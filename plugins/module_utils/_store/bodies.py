# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed JSON, as the columns for bodies hold it, and rows that are written whether they are there or not."""

from __future__ import annotations

import hashlib
import json
import typing as t
import zlib

from .._core.errors import CorruptData

if t.TYPE_CHECKING:
    import sqlalchemy as sa

#: Most bytes that a compressed body may hold.
BODY_LIMIT = 256 << 20


def canonical(value: t.Any) -> bytes:
    """JSON with one form for equal values; what hashes are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def sha256_of(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def pack(data: bytes) -> bytes:
    """Compress a body."""
    return zlib.compress(data, 6)


def unpack(body: bytes, name: str) -> t.Any:
    """Read a compressed body. Raises CorruptData, which calls it by ``name``."""
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(bytes(body), BODY_LIMIT)
        if not reader.eof:
            raise CorruptData(f"{name} in the store is cut short or holds more than {BODY_LIMIT} bytes")
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except (zlib.error, ValueError, RecursionError) as error:
        raise CorruptData(f"{name} in the store cannot be read: {error}") from error


def put_set(connection: sa.Connection, table: sa.Table, sha256: str, content: bytes, **columns: int) -> None:
    """Insert a set that is known by its hash, unless it is there."""
    import sqlalchemy as sa

    if connection.execute(sa.select(table.c.sha256).where(table.c.sha256 == sha256)).first() is None:
        connection.execute(table.insert().values(sha256=sha256, body=pack(content), **columns))


def put_row(
    connection: sa.Connection, table: sa.Table, key: t.Mapping[str, str], values: t.Mapping[str, t.Any], *, new: bool
) -> None:
    """Insert a row, or update the one that has these values of its primary key."""
    if new:
        connection.execute(table.insert().values(**key, **values))
    else:
        conditions = [table.c[name] == value for name, value in key.items()]
        connection.execute(table.update().where(*conditions).values(**values))
