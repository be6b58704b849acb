# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package headers: every field, signature packets of every form, and damage."""

from __future__ import annotations

import base64
import struct
import typing as t

import pytest
from ansible_collections.imagescan.openshift.examples.fleet.rpmdb import Rpm, header
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.header import (
    parse_header,
    signing_key_id,
)
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = "199e2f91fd431d51"
BASE: dict[int, tuple[int, int, bytes]] = {
    1000: (6, 1, b"name\0"),
    1001: (6, 1, b"1.0\0"),
    1002: (6, 1, b"2.el9\0"),
    1022: (6, 1, b"x86_64\0"),
}


def blob(entries: t.Mapping[int, tuple[int, int, bytes]]) -> bytes:
    """A header of tag -> (type, count, data), without regions."""
    index, data = b"", b""
    for tag, (kind, count, content) in entries.items():
        data += bytes(-len(data) % 8)
        index += struct.pack(">IIiI", tag, kind, len(data), count)
        data += content
    return struct.pack(">II", len(entries), len(data)) + index + data


def number(value: int) -> tuple[int, int, bytes]:
    return (4, 1, struct.pack(">I", value))


def test_every_field() -> None:
    rpm = Rpm("perl-libs", "5.32.1", "481.el9", epoch=4, vendor="Häuser GmbH", license="GPL+ or Artistic",
              modularity="perl:5.32:1:abc", source="perl-5.32.1-481.el9.src.rpm", size=1, install_time=99)  # fmt: skip
    assert parse_header(header(rpm), 1) == Package(
        name="perl-libs", epoch=4, version="5.32.1", release="481.el9", arch="x86_64",
        source_rpm="perl-5.32.1-481.el9.src.rpm", vendor="Häuser GmbH", key_id=KEY, modularity="perl:5.32:1:abc",
        license="GPL+ or Artistic", install_time=99, size=1,
    )  # fmt: skip


def test_an_absent_epoch_is_none_and_an_epoch_of_zero_is_zero() -> None:
    assert parse_header(blob(BASE), 1).epoch is None
    assert parse_header(blob({**BASE, 1003: number(0)}), 1).epoch == 0
    assert parse_header(blob({**BASE, 1003: number(0xFFFFFFFF)}), 1).epoch == 0xFFFFFFFF


def test_what_a_header_does_not_tell_is_empty() -> None:
    assert parse_header(blob(BASE), 1) == Package("name", None, "1.0", "2.el9", "x86_64")


def test_old_packages_have_no_region() -> None:
    """Or one without a trailer, or another tag first, whose text is not the first of all."""
    plain = blob(BASE)
    swapped = plain[:8] + plain[24:40] + plain[8:24] + plain[40:]
    for data in (plain, swapped, blob({63: (7, 16, bytes(16)), **BASE})):
        assert parse_header(data, 1).name == "name"


def test_the_long_size_counts_before_the_short_one() -> None:
    long = (5, 1, struct.pack(">Q", 6 << 32))
    assert parse_header(blob({**BASE, 1009: number(7)}), 1).size == 7
    assert parse_header(blob({**BASE, 1009: number(7), 5009: long}), 1).size == 6 << 32


def test_what_was_added_at_installation_replaces_what_the_package_brought() -> None:
    assert parse_header(two_parts(6), 1).install_time == 2


@pytest.mark.parametrize("lines", [0, 5, 7, 8, -1])
def test_a_tag_twice_in_one_part_is_damage(lines: int) -> None:
    """And so is a region of an impossible size."""
    with pytest.raises(CorruptData):
        parse_header(two_parts(lines), 1)


def two_parts(lines: int) -> bytes:
    """A header with the install time in a region of ``lines`` entries, and again behind it."""
    trailer = struct.pack(">IIiI", 63, 7, -16 * lines, 16)
    entries = [(63, (7, 16, trailer)), *BASE.items(), (1008, number(1)), (1008, number(2))]
    data = bytes(8) + b"".join(content + bytes(-len(content) % 8) for _tag, (_kind, _count, content) in entries)
    index, offset = b"", 8
    for tag, (kind, count, content) in entries:
        index += struct.pack(">IIiI", tag, kind, offset, count)
        offset += len(content) + -len(content) % 8
    return struct.pack(">II", len(entries), len(data)) + index + data


def test_text_that_is_not_utf_8_has_replacement_characters() -> None:
    package = parse_header(blob({**BASE, 1011: (6, 1, b"M\xfcller\0")}), 1)
    assert package.vendor == "M\ufffdller"
    package.vendor.encode("utf-8")


def test_the_first_of_several_texts_is_taken() -> None:
    assert parse_header(blob({**BASE, 1014: (9, 2, b"MIT\0GPL\0")}), 1).license == "MIT"


def test_key_entries_have_no_architecture() -> None:
    key = {**BASE, 1000: (6, 1, b"gpg-pubkey\0")}
    del key[1022]
    assert parse_header(blob(key), 1).arch == ""


DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "short": b"\0\0\0\1",
    "no entries": struct.pack(">II", 0, 0),
    "too many entries": struct.pack(">II", 0x10000, 0),
    "longer than announced": blob(BASE) + b"x",
    "shorter than announced": blob(BASE)[:-1],
    "unknown type": blob({**BASE, 1003: (10, 1, b"1234")}),
    "outside": blob({**BASE, 1003: (4, 2, b"1234")}),
    "count overflow": blob({**BASE, 5000: (4, 0xFFFFFFFF, b"1234")}),
    "text without end": blob({**BASE, 1014: (6, 1, b"MIT")}),
    "endless text": blob({**BASE, 1014: (6, 1, b"M" * 70_000 + b"\0")}),
    "text as number": blob({**BASE, 1000: (4, 1, b"abcd")}),
    "number as text": blob({**BASE, 1003: (6, 1, b"1\0")}),
    "no number": blob({**BASE, 1003: (4, 0, b"")}),
    "signature as number": blob({**BASE, 268: (4, 1, b"abcd")}),
    "empty name": blob({**BASE, 1000: (6, 1, b"\0")}),
    **{f"without {tag}": blob({k: v for k, v in BASE.items() if k != tag}) for tag in BASE},
    "negative offset": struct.pack(">II", 1, 16) + struct.pack(">IIiI", 1000, 6, -4, 1) + bytes(16),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_names_the_row(name: str) -> None:
    with pytest.raises(CorruptData, match="row 7") as caught:
        parse_header(DAMAGED[name], 7, "var/lib/rpm/Packages")
    assert caught.value.code == "rpmdb-row-corrupt"
    assert "var/lib/rpm/Packages" in str(caught.value)


@settings(max_examples=3 * settings().max_examples)
@given(st.binary(max_size=120), st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_nothing_but_corrupt_data(junk: bytes, place: int, patch: bytes) -> None:
    whole = header(Rpm("n", "1", "1", epoch=1, modularity="m:s:v:c"))
    for data in (junk, whole[:place] + patch + whole[place + len(patch) :], whole[:place] + junk):
        try:
            parse_header(data, 1)
        except CorruptData:
            continue


# Signatures

V3 = bytes.fromhex("03050000000000" + KEY) + b"\x01\x08\xab\xcd" + b"\0\x08\xff"
FINGERPRINT = "aa" * 12 + KEY


def v4(hashed: bytes, unhashed: bytes = b"", version: int = 4) -> bytes:
    head = bytes((version, 0, 1, 8))
    count = ">I" if version == 6 else ">H"
    return head + struct.pack(count, len(hashed)) + hashed + struct.pack(count, len(unhashed)) + unhashed + b"rest"


def subpacket(kind: int, content: bytes, form: int = 1) -> bytes:
    length = len(content) + 1
    prefix = bytes((length,)) if form == 1 else b""
    if form == 2:
        prefix = bytes((((length - 192) >> 8) + 192, (length - 192) & 0xFF))
    if form == 5:
        prefix = b"\xff" + struct.pack(">I", length)
    return prefix + bytes((kind,)) + content


def old_packet(body: bytes, width: int = 2, tag: int = 2) -> bytes:
    code = {1: 0, 2: 1, 4: 2, 0: 3}[width]
    return bytes((0x80 | tag << 2 | code,)) + (len(body).to_bytes(width, "big") if width else b"") + body


def new_packet(body: bytes, form: int = 5) -> bytes:
    if form == 1:
        return b"\xc2" + bytes((len(body),)) + body
    if form == 2:
        return b"\xc2" + bytes((((len(body) - 192) >> 8) + 192, (len(body) - 192) & 0xFF)) + body
    return b"\xc2\xff" + struct.pack(">I", len(body)) + body


ISSUER = subpacket(16, bytes.fromhex(KEY))
PRINT = subpacket(33, b"\x04" + bytes.fromhex(FINGERPRINT))
PRINT6 = subpacket(33, b"\x06" + bytes.fromhex(KEY) + bytes(24))
LONG = subpacket(20, bytes(300), form=2)
HUGE = subpacket(20, bytes(9000), form=2)
FIVE = subpacket(20, bytes(20), form=5)

SIGNATURES: dict[str, bytes] = {
    "version 3": old_packet(V3),
    "version 3, new format": new_packet(V3, 1),
    "version 3, length of one byte": old_packet(V3, 1),
    "version 3, length of four bytes": old_packet(V3, 4),
    "version 3, no length": old_packet(V3, 0),
    "issuer, hashed": old_packet(v4(ISSUER)),
    "issuer, unhashed": old_packet(v4(b"", ISSUER)),
    "fingerprint": old_packet(v4(PRINT)),
    "fingerprint of version 6": new_packet(v4(PRINT6, version=6)),
    "issuer before fingerprint": old_packet(v4(subpacket(33, b"\x04" + b"\xee" * 20), ISSUER)),
    "critical issuer": old_packet(v4(subpacket(16 | 0x80, bytes.fromhex(KEY)))),
    "after a long subpacket": new_packet(v4(LONG + FIVE + ISSUER), 2),
    "after a very long subpacket": new_packet(v4(HUGE + ISSUER)),
    "after another packet": old_packet(b"marker", 1, tag=10) + old_packet(V3),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_key_ids(name: str) -> None:
    assert signing_key_id(SIGNATURES[name]) == KEY
    text = base64.b64encode(SIGNATURES[name]) + b"\0"
    for tag in (259, 262, 267, 268):
        packet = (7, len(SIGNATURES[name]), SIGNATURES[name])
        assert parse_header(blob({**BASE, tag: packet}), 1).key_id == KEY
    assert parse_header(blob({**BASE, 278: (8, 2, b"!\0" + text)}), 1).key_id == KEY


NO_KEY: dict[str, bytes] = {
    "nothing": b"",
    "no packet": b"\x00\x01",
    "cut": old_packet(V3)[:10],
    "cut length": b"\xc2",
    "partial length": b"\xc2\xe4" + bytes(20),
    "version 3 cut": old_packet(V3[:12]),
    "version 5 of unknown length": old_packet(b"\x07" + bytes(20)),
    "subpackets longer than the packet": old_packet(b"\x04\x00\x01\x08\xff\xff"),
    "subpacket longer than its area": old_packet(v4(b"\x30\x10\x00")),
    "only another packet": old_packet(b"marker", 1, tag=10),
    "tiny": old_packet(b"\x04"),
    "no issuer": old_packet(v4(subpacket(2, b"1234"))),
    "empty subpacket": old_packet(v4(b"\x00\x00")),
}


@pytest.mark.parametrize("name", NO_KEY)
def test_a_signature_without_a_readable_key_gives_none_and_keeps_the_package(name: str) -> None:
    assert signing_key_id(NO_KEY[name]) == ""
    package = parse_header(blob({**BASE, 268: (7, len(NO_KEY[name]), NO_KEY[name])}), 1)
    assert (package.name, package.key_id) == ("name", "")


@given(st.binary(max_size=60))
def test_any_bytes_as_signature(data: bytes) -> None:
    key = signing_key_id(data)
    assert key == "" or len(key) == 16
