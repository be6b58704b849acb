# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three formats, which database counts, and damage. ``tests/oracle`` compares with librpm."""

from __future__ import annotations

import struct
import typing as t
import zlib

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm import databases
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.databases import (
    read_database,
    read_databases,
)
from hypothesis import given, settings
from hypothesis import strategies as st

RPMS = [rpmdb.Rpm(f"p{n:03d}", f"1.{n}", "1.el9", license="L" * (n * 131 % 7000)) for n in range(80)]
NAMES = [rpm.name for rpm in RPMS]
Maker = t.Callable[[t.Sequence[rpmdb.Rpm]], dict[str, bytes]]
MAKERS: dict[str, Maker] = {
    "sqlite": rpmdb.sqlite_files,
    "sqlite with a log": lambda rpms: rpmdb.sqlite_files(rpms[:50], in_log=rpms[50:]),
    "ndb": rpmdb.ndb_files,
    "bdb, little-endian": rpmdb.bdb_files,
    "bdb, big-endian": lambda rpms: rpmdb.bdb_files(rpms, byte_order=">"),
    "bdb, small pages": lambda rpms: rpmdb.bdb_files(rpms, page_size=512),
}


def placed(files: t.Mapping[str, bytes], place: str = "var/lib/rpm") -> dict[str, bytes]:
    return {f"{place}/{name}": data for name, data in files.items()}


def codes(files: t.Mapping[str, bytes]) -> list[str]:
    """Problem codes of everything among the files, as an inventory gets them."""
    _chosen, problems = databases.choose_database(read_databases(files))
    return [entry.code for entry in problems]


@pytest.mark.parametrize("name", MAKERS)
def test_every_format(name: str) -> None:
    found = read_database(placed(MAKERS[name](RPMS)))
    assert found is not None
    database, packages = found
    assert sorted(package.name for package in packages) == NAMES
    assert database.rows == len(RPMS)
    assert database.format == name.split()[0].rstrip(",")


def test_formats_are_told_by_content() -> None:
    data = rpmdb.ndb_files(RPMS)["Packages.db"]
    found = read_database({"usr/share/rpm/Packages": data})
    assert found is not None
    assert (found[0].format, found[0].path) == ("ndb", "usr/share/rpm/Packages")


def test_no_database() -> None:
    assert read_database({"etc/passwd": b"x", "var/lib/rpm/Name": b"x"}) is None


# Which one counts


def test_the_same_database_under_two_names_is_one() -> None:
    files = rpmdb.sqlite_files(RPMS)
    both = {**placed(files), **placed(files, "usr/lib/sysimage/rpm")}
    assert [reading.database.path for reading in read_databases(both)] == ["usr/lib/sysimage/rpm/rpmdb.sqlite"]
    assert codes(both) == []


def test_a_log_makes_a_database_another_one() -> None:
    files = rpmdb.sqlite_files(RPMS[:50], in_log=RPMS[50:])
    both = {**placed({"rpmdb.sqlite": files["rpmdb.sqlite"]}, "usr/lib/sysimage/rpm"), **placed(files)}
    assert codes(both) == ["rpmdb-ambiguous"]


def test_two_databases_with_different_packages_are_ambiguous() -> None:
    files = {**placed(rpmdb.sqlite_files(RPMS[:5])), **placed(rpmdb.ndb_files(RPMS[3:9]))}
    chosen, _problems = databases.choose_database(read_databases(files))
    assert chosen.database.format == "sqlite"
    assert codes(files) == ["rpmdb-ambiguous"]
    with pytest.raises(CorruptData) as caught:
        read_database(files)
    assert caught.value.code == "rpmdb-ambiguous"


def test_an_older_database_that_names_nothing_new_is_no_problem() -> None:
    files = {**placed(rpmdb.sqlite_files(RPMS)), **placed(rpmdb.bdb_files(RPMS[3:9]))}
    assert codes(files) == []
    assert len(databases.choose_database(read_databases(files))[0].packages) == len(RPMS)


def test_an_empty_database_never_hides_a_filled_one() -> None:
    files = {**placed(rpmdb.sqlite_files([]), "usr/lib/sysimage/rpm"), **placed(rpmdb.ndb_files(RPMS))}
    found = read_database(files)
    assert found is not None
    assert len(found[1]) == len(RPMS)


@pytest.mark.parametrize("name", [*MAKERS, "no bytes"])
def test_a_database_without_packages_is_said(name: str) -> None:
    files = {"Packages": b""} if name == "no bytes" else MAKERS[name]([])
    assert codes(placed(files)) == ["rpmdb-empty"]


def test_an_empty_file_beside_a_database_is_nothing() -> None:
    assert codes(placed({**rpmdb.sqlite_files(RPMS), "Packages": b""})) == []


def test_an_empty_database_with_a_log_is_corrupt() -> None:
    wal = rpmdb.sqlite_files([], in_log=RPMS)["rpmdb.sqlite-wal"]
    assert codes(placed({"rpmdb.sqlite": b"", "rpmdb.sqlite-wal": wal})) == ["rpmdb-corrupt"]


def test_a_hot_journal_is_said() -> None:
    journal = bytes.fromhex("d9d505f920a163d7") + bytes(504)
    assert codes(placed({**rpmdb.sqlite_files(RPMS), "rpmdb.sqlite-journal": journal})) == ["rpmdb-journal"]
    assert codes(placed({**rpmdb.sqlite_files(RPMS), "rpmdb.sqlite-journal": bytes(512)})) == []


@pytest.mark.parametrize("missing", [1, 4, 4096, 4096 + 24, 2 * (4096 + 24)])
def test_a_log_that_was_cut_is_said_and_the_rest_read(missing: int) -> None:
    files = rpmdb.sqlite_files(RPMS[:50], in_log=RPMS[50:])
    files["rpmdb.sqlite-wal"] = files["rpmdb.sqlite-wal"][:-missing]
    assert codes(placed(files)) == ["rpmdb-wal-damaged"]
    assert len(read_databases(placed(files))[0].packages) == 50


def test_the_rest_of_an_older_round_of_the_log_is_no_damage() -> None:
    files = rpmdb.sqlite_files(RPMS[:50], in_log=RPMS[50:])
    old = bytearray(files["rpmdb.sqlite-wal"][32:])
    for offset in range(0, len(old), 4096 + 24):
        old[offset + 8 : offset + 16] = b"old salt"
    files["rpmdb.sqlite-wal"] += bytes(old)
    assert codes(placed(files)) == []
    assert len(read_databases(placed(files))[0].packages) == len(RPMS)


def test_a_damaged_log_is_said_and_the_database_read() -> None:
    files = rpmdb.sqlite_files(RPMS[:50], in_log=RPMS[50:])
    files["rpmdb.sqlite-wal"] = b"junk" + files["rpmdb.sqlite-wal"][4:]
    assert codes(placed(files)) == ["rpmdb-wal-damaged"]
    assert len(read_databases(placed(files))[0].packages) == 50


# Damage


def patched(data: bytes, offset: int, patch: bytes) -> bytes:
    return data[:offset] + patch + data[offset + len(patch) :]


@pytest.mark.parametrize("data", [b"x", b"RpmP", b"SQLite format 3\0", bytes(5000), bytes(12) + b"\x61\x15\x06\x00"])
def test_what_is_no_database_is_corrupt(data: bytes) -> None:
    assert codes({"var/lib/rpm/Packages": data}) == ["rpmdb-corrupt"]


def test_one_damaged_header_is_named_and_the_others_are_read() -> None:
    blobs = [rpmdb.header(rpm) for rpm in RPMS]
    blobs[7] = blobs[7][:-1]
    for files in (rpmdb.ndb_files(blobs), rpmdb.bdb_files(blobs)):
        (reading,) = read_databases(placed(files))
        assert [entry.code for entry in reading.problems] == ["rpmdb-row-corrupt"]
        assert "row 8" in reading.problems[0].message
        assert len(reading.packages) == len(RPMS) - 1
        assert reading.database.rows == len(RPMS)


def test_many_damaged_headers_give_a_bounded_list() -> None:
    (reading,) = read_databases(placed(rpmdb.ndb_files([b"broken!!"] * 500)))
    assert len(reading.problems) == 20


def test_more_packages_than_we_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "MAX_PACKAGES", len(RPMS) - 1)
    assert codes(placed(rpmdb.ndb_files(RPMS))) == ["rpmdb-too-large"]


def test_more_text_than_we_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "MAX_CHARACTERS", 100_000)
    assert codes(placed(rpmdb.ndb_files(RPMS))) == ["rpmdb-too-large"]
    assert read_databases(placed(rpmdb.ndb_files(RPMS)))[0].packages


@pytest.mark.parametrize("name", ["ndb", "bdb, little-endian"])
def test_a_larger_header_than_we_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "MAX_HEADER", 3000)
    assert codes(placed(MAKERS[name](RPMS))) == ["rpmdb-too-large"]


@pytest.mark.parametrize("name", MAKERS)
def test_a_truncated_file_is_corrupt(name: str) -> None:
    files = MAKERS[name](RPMS)
    file = min(files)  # the database, not its log
    for length in (100, 5000, len(files[file]) // 2, len(files[file]) - 16):
        assert codes(placed({file: files[file][:length]})) == ["rpmdb-corrupt"]


def test_fewer_index_rows_than_headers_show_in_sqlite() -> None:
    """Names of headers that are gone (or the reverse): what SQLite itself never compares."""
    extra = [rpmdb.header(rpmdb.Rpm("unnamed", "1", "1"))]
    assert codes(placed(rpmdb.sqlite_files([*RPMS, *extra]))) == ["rpmdb-row-mismatch"]


def test_a_blob_that_no_slot_names_shows_in_ndb() -> None:
    data = rpmdb.ndb_files(RPMS)["Packages.db"]
    slot = 32 + 16 * 40
    assert codes({"var/lib/rpm/Packages.db": patched(data, slot + 4, bytes(12))}) == ["rpmdb-row-mismatch"]


@pytest.mark.parametrize(
    ("offset", "patch"),
    [
        (4, b"\1"), (12, b"\0"), (12, b"\xff"), (32, b"slot"), (36, b"\0\0\0\0"), (40, b"\1\0\0\0"), (44, b"\0\0\0\0"),
        (44, b"\xff\xff\xff\x0f"), (36, b"\2\0\0\0"), (40, b"\0\0\0\0"), (44, b"\xff\0\0\0"), (4096, b"Blbs"),
        (4100, b"\2"), (4108, b"\1"), (4200, b"~"),
    ],
)  # fmt: skip
def test_damage_of_ndb(offset: int, patch: bytes) -> None:
    data = rpmdb.ndb_files(RPMS)["Packages.db"]
    assert codes({"var/lib/rpm/Packages.db": patched(data, offset, patch)}) == ["rpmdb-corrupt"]


def test_the_second_size_of_a_blob_of_ndb_counts() -> None:
    data = rpmdb.ndb_files(RPMS[:1])["Packages.db"]
    at = data.rindex(b"BlbE") - 4
    (size,) = struct.unpack("<I", data[at : at + 4])
    assert codes({"var/lib/rpm/Packages.db": patched(data, at, struct.pack("<I", size - 1))}) == ["rpmdb-corrupt"]


def test_ndb_that_is_not_made_of_blocks() -> None:
    assert codes({"var/lib/rpm/Packages.db": rpmdb.ndb_files(RPMS)["Packages.db"] + b"x"}) == ["rpmdb-corrupt"]


def test_a_slot_may_not_borrow_from_its_neighbour_in_ndb() -> None:
    data = bytearray(rpmdb.ndb_files(RPMS)["Packages.db"])
    first, second = struct.unpack_from("<I", data, 32 + 8)[0], struct.unpack_from("<I", data, 48 + 8)[0]
    struct.pack_into("<I", data, 32 + 12, second - first + 1)
    assert codes({"var/lib/rpm/Packages.db": bytes(data)}) == ["rpmdb-corrupt"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("field", "value"),
    [(4, 7), (4, 11), (5, 0), (5, 1000), (5, 1 << 20), (8, 1 << 20), (18, 0xFFFFFFFF), (18, 3), (24, 0), (24, 77777)],
)
def test_damage_of_the_metadata_of_bdb(order: str, field: int, value: int) -> None:
    data = rpmdb.bdb_files(RPMS, byte_order=order)["Packages"]
    changed = patched(data, 4 * field, struct.pack(f"{order}I", value))
    assert codes({"var/lib/rpm/Packages": changed}) in (["rpmdb-corrupt"], ["rpmdb-row-mismatch"])


@pytest.mark.parametrize("patch", [(24, b"\1"), (26, b"\1")])
def test_encrypted_or_checksummed_bdb_is_refused(patch: tuple[int, bytes]) -> None:
    assert codes({"var/lib/rpm/Packages": patched(rpmdb.bdb_files(RPMS)["Packages"], *patch)}) == ["rpmdb-corrupt"]


@pytest.mark.parametrize(
    ("offset", "patch"),
    [(8, b"\7"), (16, b"\1"), (20, b"\1"), (20, b"\xfe\xff"), (25, b"\3"), (26, b"\0\0"), (28, b"\xff\xff")],
)
def test_damage_of_a_hash_page_of_bdb(offset: int, patch: bytes) -> None:
    data = rpmdb.bdb_files(RPMS)["Packages"]
    assert codes({"var/lib/rpm/Packages": patched(data, 4096 + offset, patch)}) == ["rpmdb-corrupt"]


def test_a_chain_that_ends_early_shows_in_bdb() -> None:
    data = rpmdb.bdb_files(RPMS, page_size=512)["Packages"]
    assert struct.unpack_from("<I", data, 512 + 16)[0]
    (reading,) = read_databases({"var/lib/rpm/Packages": patched(data, 512 + 16, bytes(4))})
    assert [entry.code for entry in reading.problems] == ["rpmdb-row-mismatch"]
    assert reading.database.rows == len(RPMS)


def test_overflow_pages_that_form_a_ring_are_corrupt() -> None:
    data = rpmdb.bdb_files([rpmdb.Rpm("a", "1", "1", license="x" * 60_000)])["Packages"]
    pages = [number for number in range(len(data) // 4096) if data[number * 4096 + 25] == 7]
    assert len(pages) > 3
    ring = patched(data, pages[1] * 4096 + 16, struct.pack("<I", pages[0]))
    assert codes({"var/lib/rpm/Packages": ring}) == ["rpmdb-corrupt"]


def test_two_entries_of_one_number_are_corrupt_in_bdb() -> None:
    data = rpmdb.bdb_files(RPMS[:3])["Packages"]
    number = data.find(b"\x01" + struct.pack("<I", 2))
    assert number > 0
    assert codes({"var/lib/rpm/Packages": patched(data, number + 1, b"\1")}) == ["rpmdb-corrupt"]


@settings(max_examples=3 * settings().max_examples // 2, deadline=None)
@given(name=st.sampled_from(sorted(MAKERS)), place=st.integers(0), patch=st.binary(min_size=1, max_size=8))
def test_a_damaged_database_never_looks_like_a_smaller_whole_one(name: str, place: int, patch: bytes) -> None:
    """Whatever bytes change, either all packages are there or a problem says that they are not."""
    files = dict(WHOLE[name])
    file = sorted(files)[place % len(files)]
    files[file] = patched(files[file], place % len(files[file]), patch)[: len(files[file])]
    (reading,) = read_databases(placed(files))
    assert len(reading.packages) == len(RPMS) or reading.problems


WHOLE = {name: maker(RPMS) for name, maker in MAKERS.items()}


def test_adler_32_is_over_the_blob_with_its_head_and_padding() -> None:
    data = rpmdb.ndb_files(RPMS[:1])["Packages.db"]
    assert zlib.adler32(data[4096:-12]) == struct.unpack_from("<I", data, len(data) - 12)[0]
