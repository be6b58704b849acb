# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading rpm databases against librpm: every field, every package, every format."""

from __future__ import annotations

import contextlib
import lzma
import shutil
import sqlite3
import struct
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet.rpmdb import ndb_files
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Package, PackageDatabase
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm import databases
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.header import parse_header
from ansible_collections.imagescan.openshift.tests.support import rpm_tools
from ansible_collections.imagescan.openshift.tests.support.data import data_path

#: path in the data folder, name in a database folder, backend, number of packages
REAL = (
    ("knqyf263+go-rpmdb/pkg/testdata/cbl-mariner-2.0/rpmdb.sqlite", "rpmdb.sqlite", "sqlite", 129),
    ("knqyf263+go-rpmdb/pkg/testdata/libuuid/Packages", "Packages", "bdb_ro", 1),
    ("_derived/rhel8-beta.Packages.xz", "Packages", "bdb_ro", 101),
    ("_derived/rhel8-beta.rpmdb.sqlite.xz", "rpmdb.sqlite", "sqlite", 101),
    ("_derived/rhel8-beta.Packages.db.xz", "Packages.db", "ndb", 101),
)
EXPECTED = {
    "knqyf263+go-rpmdb/pkg/testdata/cbl-mariner-2.0/rpmdb.sqlite": "_expected/go-rpmdb_mariner_sqlite.rpm-qa.txt",
    "_derived/rhel8-beta.Packages.xz": "_expected/scancode_rhel_bdb.rpm-qa.txt",
    "_derived/rhel8-beta.rpmdb.sqlite.xz": "_expected/scancode_rhel_bdb.rpm-qa.txt",
    "_derived/rhel8-beta.Packages.db.xz": "_expected/scancode_rhel_bdb.rpm-qa.txt",
}


def content(name: str) -> bytes:
    path = data_path(name)
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def ours(folder: Path) -> tuple[PackageDatabase, list[Package]]:
    """What we read of a folder's files, as if it were an image's /var/lib/rpm; problems raise."""
    files = {f"var/lib/rpm/{path.name}": path.read_bytes() for path in folder.iterdir() if path.is_file()}
    known = {path: data for path, data in files.items() if path in databases.database_files()}
    found = databases.read_database(known)
    assert found is not None
    return found


def assert_equal(folder: Path, backend: str) -> list[Package]:
    database, packages = ours(folder)
    assert database.rows == len(packages)
    if backend == "ndb" and not rpm_tools.librpm_reads_ndb(folder):
        assert_equal_to_go(folder / "Packages.db")
        return packages
    answer = rpm_tools.librpm(folder, backend)
    assert rpm_tools.comparable(packages) == rpm_tools.comparable(answer.packages)
    return packages


@pytest.mark.parametrize(("name", "file", "backend", "number"), REAL, ids=[entry[0] for entry in REAL])
def test_real_databases_are_read_as_librpm_reads_them(
    name: str, file: str, backend: str, number: int, tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(content(name))
    assert len(assert_equal(tmp_path, backend)) == number


@pytest.mark.parametrize("name", EXPECTED)
def test_listings_made_by_a_newer_rpm_are_reproduced(name: str, tmp_path: Path) -> None:
    file = next(entry[1] for entry in REAL if entry[0] == name)
    found = databases.read_database({f"var/lib/rpm/{file}": content(name)})
    assert found is not None

    def none(value: str) -> str:
        return value or "(none)"

    lines = [
        f"{p.name}|{p.epoch or 0}|{p.version}|{p.release}|{none(p.arch)}|{none(p.source_rpm)}|{none(p.vendor)}"
        f"|{none(p.modularity)}"
        for p in found[1]
    ]
    assert sorted(lines) == sorted(data_path(EXPECTED[name]).read_text(encoding="utf-8").splitlines())


def test_the_three_formats_of_one_real_system_give_the_same_packages() -> None:
    found = [
        rpm_tools.comparable(databases.read_databases({f"var/lib/rpm/{file}": content(name)})[0].packages)
        for name, file, _backend, number in REAL
        if number == 101
    ]
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


def test_the_same_ndb_by_go_rpmdb(tmp_path: Path) -> None:
    (tmp_path / "Packages.db").write_bytes(content("_derived/rhel8-beta.Packages.db.xz"))
    assert_equal_to_go(tmp_path / "Packages.db")


def assert_equal_to_go(path: Path) -> None:
    _database, packages = ours(path.parent)
    theirs = rpm_tools.go_rpmdb(path)

    def text(value: t.Any) -> str:
        return "" if value in (None, "(none)") else str(value)

    assert sorted(
        (text(p["Name"]), int(p["Epoch"] or 0), text(p["Version"]), text(p["Release"]), text(p["Arch"]),
         text(p["SourceRpm"]), text(p["Vendor"]), text(p["License"]), text(p["Modularitylabel"]), int(p["InstallTime"]))
        for p in theirs
    ) == sorted(
        (p.name, p.epoch or 0, p.version, p.release, p.arch, text(p.source_rpm), p.vendor, p.license, p.modularity,
         p.install_time)
        for p in packages
    )  # fmt: skip


def test_a_single_stored_header() -> None:
    package = parse_header(data_path("knqyf263+go-rpmdb/pkg/testdata/blob.bin").read_bytes(), 1)
    assert package.nevra == package.nevra.strip()
    assert package.name
    assert package.arch


# Databases that rpmbuild and rpm make


def spec(
    name: str, *, extra: str = "", vendor: str = "Häuser & Söhne™ GmbH", subpackages: int = 0, words: int = 10
) -> str:
    """A spec text; subpackages differ in version, release, epoch, licence and length of their headers."""
    text = f"""Name: {name}
Version: 1.2~rc1^git{len(name)}
Release: 3.el9_2.4
Summary: {name}
License: GPL-2.0-or-later AND LicenseRef-Ünïcode|pipe
{f"Vendor: {vendor}" if vendor else ""}
BuildArch: noarch
{extra}
%description
{"lorem ipsum " * words}
%files
"""
    for number in range(subpackages):
        epoch = f"Epoch: {number % 5}\n" if number % 3 else ""
        text += f"""%package -n {name}-sub{number:03d}
{epoch}Version: 4.{number}
Release: {number}%{{?dist}}
Summary: part {number}
License: MIT
%description -n {name}-sub{number:03d}
{"dolor sit amet " * (number * number % 3000)}
%files -n {name}-sub{number:03d}
"""
    return text


SPECS = (
    spec("many", subpackages=260),
    spec("epochal", extra="Epoch: 2"),
    spec("modular", extra="ModularityLabel: perl:5.32:8050020211109120512:466ea64f", vendor="Red Hat, Inc."),
    spec("large", words=60_000),
    spec("plain", vendor=""),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database of 265 packages and a key, signed with RSA."""
    return rpm_tools.build_database(tmp_path_factory.mktemp("built") / "rsa", SPECS, sign="RSA")


def test_a_sqlite_database_of_rpm_is_read_as_librpm_reads_it(built: Path) -> None:
    packages = assert_equal(built, "sqlite")
    assert len(packages) == 260 + len(SPECS) + 1
    by_name = {package.name: package for package in packages}
    assert by_name["epochal"].epoch == 2
    assert by_name["many"].epoch is None
    assert by_name["many-sub005"].epoch == 0
    assert by_name["modular"].modularity == "perl:5.32:8050020211109120512:466ea64f"
    assert by_name["many"].vendor == "Häuser & Söhne™ GmbH"
    assert len({package.key_id for package in packages if package.name != "gpg-pubkey"}) == 1
    assert all(len(package.key_id) == 16 for package in packages if package.name != "gpg-pubkey")
    assert by_name["gpg-pubkey"].arch == ""


def test_its_row_count_is_that_of_sqlite(built: Path) -> None:
    assert ours(built)[0].rows == len(rpm_tools.headers(built))


@pytest.mark.parametrize("algorithm", ["eddsa", "DSA"])
def test_other_kinds_of_signature_keys(algorithm: str, tmp_path: Path) -> None:
    database = rpm_tools.build_database(tmp_path / algorithm, [spec("one")], sign=algorithm)
    packages = assert_equal(database, "sqlite")
    assert [len(package.key_id) for package in packages if package.name == "one"] == [16]


@pytest.mark.parametrize("page_size", [512, 1024, 4096, 16384, 65536])
def test_sqlite_pages_of_every_size(built: Path, page_size: int, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "db")
    with contextlib.closing(sqlite3.connect(tmp_path / "db" / "rpmdb.sqlite")) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        database.execute(f"PRAGMA page_size={page_size}")
        database.execute("VACUUM")
    assert (tmp_path / "db" / "rpmdb.sqlite").read_bytes()[16:18] == struct.pack(">H", page_size & 0xFFFF or 1)
    assert_equal(tmp_path / "db", "sqlite")


def test_a_database_on_read_only_media_without_its_log_is_read(built: Path) -> None:
    data = (built / "rpmdb.sqlite").read_bytes()
    assert data[18:20] == b"\x02\x02", "rpm leaves the database in write-ahead mode"
    found = databases.read_database({"var/lib/rpm/rpmdb.sqlite": data})
    assert found is not None
    assert len(found[1]) == len(rpm_tools.headers(built))


def test_packages_that_are_only_in_the_write_ahead_log_are_read(built: Path, tmp_path: Path) -> None:
    with hot_log(built, tmp_path / "db", delete=range(1, 40)) as folder:
        packages = assert_equal(folder, "sqlite")
        assert (folder / "rpmdb.sqlite-wal").stat().st_size > 0
        assert len(packages) == len(rpm_tools.headers(built)) - 39 + 60


def test_a_transaction_that_was_not_committed_is_not_applied(built: Path, tmp_path: Path) -> None:
    with hot_log(built, tmp_path / "db", delete=range(1, 40)) as folder:
        wal = folder / "rpmdb.sqlite-wal"
        data = wal.read_bytes()
        step = 24 + struct.unpack(">I", data[8:12])[0]
        commits = [
            offset for offset in range(32, len(data) - step + 1, step) if data[offset + 4 : offset + 8] != bytes(4)
        ]
        assert len(commits) == 2
        for length in (commits[-1], commits[-1] + step - 1, len(data) - 5):
            copy = tmp_path / f"cut-{length}"
            copy.mkdir()
            (copy / "rpmdb.sqlite").write_bytes((folder / "rpmdb.sqlite").read_bytes())
            (copy / "rpmdb.sqlite-wal").write_bytes(data[:length])
            files = {f"var/lib/rpm/{path.name}": path.read_bytes() for path in copy.iterdir()}
            (reading,) = databases.read_databases(files)
            answer = rpm_tools.librpm(copy, "sqlite")
            assert rpm_tools.comparable(reading.packages) == rpm_tools.comparable(answer.packages)
            # librpm says nothing of what it left aside; we do.
            assert [entry.code for entry in reading.problems] == ["rpmdb-wal-damaged"]


@contextlib.contextmanager
def hot_log(source: Path, folder: Path, delete: t.Iterable[int]) -> t.Iterator[Path]:
    """A copy whose log holds two transactions that no checkpoint has moved: rows deleted, then rows added."""
    shutil.copytree(source, folder)
    database = sqlite3.connect(folder / "rpmdb.sqlite", isolation_level=None)
    database.execute("PRAGMA wal_autocheckpoint=0")
    blobs = database.execute("SELECT hnum, blob FROM Packages ORDER BY hnum LIMIT 60").fetchall()
    names = dict(database.execute("SELECT hnum, key FROM Name"))
    numbers = [(number,) for number in delete]
    database.execute("BEGIN")
    database.executemany("DELETE FROM Name WHERE hnum=?", numbers)
    database.executemany("DELETE FROM Packages WHERE hnum=?", numbers)
    database.execute("COMMIT")
    database.execute("BEGIN")
    for number, blob in blobs:
        cursor = database.execute("INSERT INTO Packages (blob) VALUES (?)", (blob,))
        database.execute("INSERT INTO Name VALUES (?, ?, 0)", (names[number], cursor.lastrowid))
    database.execute("COMMIT")
    try:
        yield folder
    finally:
        database.close()


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_berkeley_db_hash_of_either_byte_order(built: Path, byte_order: str, page_size: int, tmp_path: Path) -> None:
    path = tmp_path / "Packages"
    rpm_tools.load_bdb(rpm_tools.headers(built), path, byte_order=byte_order, page_size=page_size)
    packages = assert_equal(tmp_path, "bdb_ro")
    assert rpm_tools.bdb_keys(path) == len(packages) + 1
    assert rpm_tools.comparable(packages) == rpm_tools.comparable(ours(built)[1])


def test_berkeley_db_after_many_deletions(built: Path, tmp_path: Path) -> None:
    blobs = rpm_tools.headers(built)
    kept = {number: blob for number, blob in blobs.items() if number % 7 == 0}
    rpm_tools.load_bdb(kept, tmp_path / "Packages", byte_order="little")
    assert len(assert_equal(tmp_path, "bdb_ro")) == len(kept)


def test_ndb_of_the_same_headers(built: Path, tmp_path: Path) -> None:
    """The file comes from the examples' writer; that it is ndb is what go-rpmdb says."""
    (tmp_path / "Packages.db").write_bytes(ndb_files(list(rpm_tools.headers(built).values()))["Packages.db"])
    assert rpm_tools.comparable(ours(tmp_path)[1]) == rpm_tools.comparable(ours(built)[1])
    assert_equal(tmp_path, "ndb")
    assert_equal_to_go(tmp_path / "Packages.db")
