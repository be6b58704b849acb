# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package headers as rpm databases store them. Standard library only: the scanner pod runs this file.

A stored header has no magic: ``il`` (number of index entries) and ``dl`` (bytes of data), then ``il`` entries of tag,
type, offset and count, then the data; all numbers big-endian (rpm's lib/header.c). Entries behind the immutable region
("dribbles": install time and the like) replace entries of the same tag inside it.
"""

from __future__ import annotations

import base64
import binascii
import struct
import typing as t

from ..._core.errors import CorruptData
from ..model import Package

#: librpm refuses a header with more entries.
MAX_ENTRIES = 0xFFFF

#: The largest header that we read. librpm allows 256 MiB; the largest in use (long file lists with signatures) are
#: below 20 MiB.
MAX_HEADER = 64 * 1024 * 1024

#: The longest text of one tag.
MAX_TEXT = 64 * 1024

_REGIONS = (61, 62, 63)  # image, signatures, immutable
_NAME = 1000
_VERSION = 1001
_RELEASE = 1002
_EPOCH = 1003
_INSTALLTIME = 1008
_SIZE = 1009
_VENDOR = 1011
_LICENSE = 1014
_ARCH = 1022
_SOURCERPM = 1044
_LONGSIZE = 5009
_MODULARITYLABEL = 5096
_SIGPGP = 259
_SIGGPG = 262
_DSAHEADER = 267
_RSAHEADER = 268
_OPENPGP = 278

#: Header-only signatures first, as ``rpm -qi`` does.
_SIGNATURES = (_OPENPGP, _RSAHEADER, _DSAHEADER, _SIGGPG, _SIGPGP)
_TEXTS_AND_NUMBERS = (_NAME, _VERSION, _RELEASE, _EPOCH, _INSTALLTIME, _SIZE, _VENDOR, _LICENSE, _ARCH, _SOURCERPM)
_WANTED = frozenset((*_TEXTS_AND_NUMBERS, _LONGSIZE, _MODULARITYLABEL, *_SIGNATURES))

_INT32 = 4
_INT64 = 5
_STRING = 6
_BIN = 7
_STRING_ARRAY = 8
_I18NSTRING = 9
_MAX_TYPE = 9
#: Bytes of one element by type (NULL, CHAR, INT8, INT16, INT32, INT64, STRING, BIN, STRING_ARRAY, I18NSTRING).
_ELEMENT = (0, 1, 1, 2, 4, 8, 0, 1, 0, 0)

_INTRO = struct.Struct(">II")
_ENTRY = struct.Struct(">IIiI")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")

_Entry = tuple[int, int, int]


def parse_header(blob: bytes, row: int, where: str = "rpm database") -> Package:
    """The package that one stored header describes.

    Text that is not UTF-8 has U+FFFD in the place of each undecodable byte. ``arch`` is empty only for ``gpg-pubkey``
    entries, which have none. Raises CorruptData, naming the row, for anything that is not a whole header.
    """
    try:
        return _parse(blob)
    except CorruptData as error:
        raise CorruptData(
            f"row {row}: {error.message}", code="rpmdb-row-corrupt", subject=error.subject or where
        ) from None


def _parse(blob: bytes) -> Package:
    index, data = _index(blob)
    name = _text(index, blob, data, _NAME, required="name")
    version = _text(index, blob, data, _VERSION, required="version")
    release = _text(index, blob, data, _RELEASE, required="release")
    arch = _text(index, blob, data, _ARCH, required="" if name == "gpg-pubkey" else "architecture")
    size = _number(index, blob, data, _LONGSIZE)
    if size is None:
        size = _number(index, blob, data, _SIZE)
    return Package(
        name=name,
        epoch=_number(index, blob, data, _EPOCH),
        version=version,
        release=release,
        arch=arch,
        source_rpm=_text(index, blob, data, _SOURCERPM),
        vendor=_text(index, blob, data, _VENDOR),
        key_id=_key_id(index, blob, data),
        modularity=_text(index, blob, data, _MODULARITYLABEL),
        license=_text(index, blob, data, _LICENSE),
        install_time=_number(index, blob, data, _INSTALLTIME) or 0,
        size=size or 0,
    )


def _index(blob: bytes) -> tuple[dict[int, _Entry], int]:
    """The wanted entries by tag, as (type, absolute offset, count), and where the data ends.

    Every entry is checked, not only the wanted ones: a damaged entry means that the header is not what rpm wrote.
    """
    if len(blob) < _INTRO.size:
        raise CorruptData(f"a header of {len(blob)} bytes has no introduction")
    entries, data_size = _INTRO.unpack_from(blob)
    if not 0 < entries <= MAX_ENTRIES:
        raise CorruptData(f"a header with {entries} entries; expected 1 to {MAX_ENTRIES}")
    start = _INTRO.size + entries * _ENTRY.size
    end = start + data_size
    if end != len(blob):
        raise CorruptData(f"a header of {len(blob)} bytes announces {end}")
    region = _region(blob, entries, start, data_size)
    wanted_entries: dict[int, _Entry] = {}
    tags: set[int] = set()
    for position, (tag, kind, offset, count) in enumerate(_ENTRY.iter_unpack(blob[_INTRO.size : start])):
        if kind > _MAX_TYPE:
            raise CorruptData(f"tag {tag} has the unknown type {kind}")
        if not 0 <= offset <= data_size or count > data_size or offset + count * _ELEMENT[kind] > data_size:
            raise CorruptData(f"tag {tag} (type {kind}, {count} elements at {offset}) lies outside of the header")
        if position == region:
            tags.clear()
        if tag in _WANTED:
            if tag in tags:
                raise CorruptData(f"tag {tag} stands twice; readers disagree about it")
            tags.add(tag)
            wanted_entries[tag] = (kind, start + offset, count)
    return wanted_entries, end


def _region(blob: bytes, entries: int, start: int, data_size: int) -> int:
    """Number of entries in the region that a package brought; those behind it were added by the installation.

    The region's entry points to its trailer in the data: an entry whose offset is minus the size of its index. Headers
    of old packages have none, or one without a trailer: then there is one part.
    """
    tag, kind, offset, count = _ENTRY.unpack_from(blob, _INTRO.size)
    if tag not in _REGIONS or not offset:
        return entries
    if kind != _BIN or count != _ENTRY.size or not 0 < offset <= data_size - _ENTRY.size:
        raise CorruptData("the region of a header is damaged")
    size = -int(_ENTRY.unpack_from(blob, start + offset)[2])
    if size % _ENTRY.size or not 0 < size <= entries * _ENTRY.size:
        raise CorruptData("the trailer of a header's region is damaged")
    return size // _ENTRY.size


def _text(index: t.Mapping[int, _Entry], blob: bytes, end: int, tag: int, required: str = "") -> str:
    entry = index.get(tag)
    if entry is None:
        if required:
            raise CorruptData(f"a header without {required}")
        return ""
    kind, offset, count = entry
    if kind not in (_STRING, _STRING_ARRAY, _I18NSTRING) or count < 1:
        raise CorruptData(f"tag {tag} has type {kind} and {count} elements; expected text")
    stop = blob.find(b"\0", offset, min(end, offset + MAX_TEXT + 1))
    if stop < 0:
        raise CorruptData(f"the text of tag {tag} has no end within {MAX_TEXT} bytes")
    if required and stop == offset:
        raise CorruptData(f"a header with an empty {required}")
    return blob[offset:stop].decode("utf-8", errors="replace")


def _number(index: t.Mapping[int, _Entry], blob: bytes, end: int, tag: int) -> int | None:
    entry = index.get(tag)
    if entry is None:
        return None
    kind, offset, count = entry
    if kind not in (_INT32, _INT64) or count < 1:
        raise CorruptData(f"tag {tag} has type {kind} and {count} elements; expected a number")
    form = _U32 if kind == _INT32 else _U64
    value: int = form.unpack_from(blob, offset)[0]
    return value


def _key_id(index: t.Mapping[int, _Entry], blob: bytes, end: int) -> str:
    """Id of the key of the first signature that names one.

    A signature that cannot be read gives no key: whose package it is stays unknown, which is never the better verdict.
    """
    for tag in _SIGNATURES:
        entry = index.get(tag)
        if entry is None:
            continue
        kind, offset, count = entry
        if kind == _BIN:
            packets = [blob[offset : offset + count]]
        elif kind == _STRING_ARRAY and tag == _OPENPGP:
            packets = [_unbase64(text) for text in _texts(blob, offset, count, end)]
        else:
            raise CorruptData(f"the signature tag {tag} has type {kind}")
        for packet in packets:
            key = signing_key_id(packet)
            if key:
                return key
    return ""


def _texts(blob: bytes, offset: int, count: int, end: int) -> t.Iterator[bytes]:
    for _number_of_text in range(min(count, 64)):
        stop = blob.find(b"\0", offset, end)
        if stop < 0:
            raise CorruptData("a list of texts has no end")
        yield blob[offset:stop]
        offset = stop + 1


def _unbase64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""


def lists_of_texts(blob: bytes, tags: t.Container[int]) -> dict[int, list[bytes]]:
    """The elements of text tags, as bytes, by tag; those that the header lacks are absent.

    For a header that ``parse_header`` took. Raises CorruptData where a list is shorter than it says.
    """
    entries, _data_size = _INTRO.unpack_from(blob)
    start = _INTRO.size + entries * _ENTRY.size
    texts_by_tag: dict[int, list[bytes]] = {}
    for tag, kind, offset, count in _ENTRY.iter_unpack(blob[_INTRO.size : start]):
        if tag in tags and kind in (_STRING, _STRING_ARRAY, _I18NSTRING):
            texts = blob[start + offset :].split(b"\0", count)
            if len(texts) <= count:
                raise CorruptData(f"the list of tag {tag} has fewer than {count} texts", code="rpmdb-row-corrupt")
            texts_by_tag[tag] = texts[:count]
    return texts_by_tag


def signing_key_id(packets: bytes) -> str:
    """Key id (16 hex digits, lower case) that the first OpenPGP signature packet names, or "" (RFC 4880, RFC 9580).

    Version 3 has it in a fixed place; later versions in subpacket 16 (issuer), or as the end (version 4) or beginning
    (version 6) of the fingerprint in subpacket 33, hashed subpackets first.
    """
    offset = 0
    while offset < len(packets):
        tag, body, offset = _packet(packets, offset)
        if tag == 2:
            return _issuer(body)
        if tag < 0:
            return ""
    return ""


def _packet(data: bytes, offset: int) -> tuple[int, bytes, int]:
    """Tag, body and end of the packet at ``offset``; tag -1 when it is not a whole packet."""
    broken = (-1, b"", len(data))
    first = data[offset]
    offset += 1
    if not first & 0x80:
        return broken
    if first & 0x40:
        tag = first & 0x3F
        length, offset = _length(data, offset)
    else:
        tag = first >> 2 & 0x0F
        width = (1, 2, 4, 0)[first & 3]
        length = int.from_bytes(data[offset : offset + width], "big") if width else len(data) - offset
        offset += width
    if length < 0 or offset + length > len(data):
        return broken
    return tag, data[offset : offset + length], offset + length


def _length(data: bytes, offset: int) -> tuple[int, int]:
    """A length of the new packet format and what follows it, maybe past the end; -1 for partial ones and at the end."""
    if offset >= len(data):
        return -1, offset
    first = data[offset]
    if first < 192:
        return first, offset + 1
    if first < 224 and offset + 2 <= len(data):
        return ((first - 192) << 8) + data[offset + 1] + 192, offset + 2
    if first == 255:
        return int.from_bytes(data[offset + 1 : offset + 5], "big"), offset + 5
    return -1, offset


def _issuer(body: bytes) -> str:
    if len(body) < 4:
        return ""
    version = body[0]
    if version in (2, 3):
        return body[7:15].hex() if body[1] == 5 and len(body) >= 15 else ""
    return _issuer_in_subpackets(body) if version in (4, 5, 6) else ""


def _id_in_fingerprint(content: bytes) -> str:
    """The key id in a fingerprint behind its version: its end, and from version 5 on its beginning."""
    return (content[-8:] if content[0] == 4 else content[1:9]).hex()


def _issuer_in_subpackets(body: bytes) -> str:
    version = body[0]
    width = 4 if version == 6 else 2
    fingerprint = ""
    offset = 4
    for _area in ("hashed", "unhashed"):
        size = int.from_bytes(body[offset : offset + width], "big")
        offset += width
        if offset + size > len(body):
            return ""
        for kind, content in _subpackets(body[offset : offset + size]):
            if kind == 16 and len(content) == 8:
                return content.hex()
            if kind == 33 and len(content) in (21, 33):
                fingerprint = fingerprint or _id_in_fingerprint(content)
        offset += size
    return fingerprint


def _subpackets(area: bytes) -> t.Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(area):
        first = area[offset]
        # Unlike packets, subpackets have no partial lengths: 192 to 254 all begin a two-byte length.
        if 224 <= first < 255 and offset + 2 <= len(area):
            length, offset = ((first - 192) << 8) + area[offset + 1] + 192, offset + 2
        else:
            length, offset = _length(area, offset)
        if length < 1 or offset + length > len(area):
            return
        yield area[offset] & 0x7F, area[offset + 1 : offset + length]
        offset += length
