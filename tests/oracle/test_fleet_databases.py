# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases that the examples write are read by librpm, and verified by Berkeley DB, as what was put in."""

from __future__ import annotations

import lzma
import struct
import subprocess
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.tests.support import rpm_tools
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.programs import require_program

PACKAGES = [
    rpmdb.parse_rpm("openssl-libs-1:3.0.7-27.el9.x86_64", source="openssl-3.0.7-27.el9.src.rpm"),
    rpmdb.parse_rpm("bash-5.1.8-9.el9.x86_64", signature="v4"),
    rpmdb.parse_rpm("huge-1-1.el9.noarch", size=5 << 32, modularity="perl:5.32:123:abcdef01", license="x" * 9000),
    rpmdb.parse_rpm("unsigned-0:1-1.noarch", vendor="", key_id=""),
    *[rpmdb.parse_rpm(f"p{n}-1.{n}-1.el9.x86_64", license="L" * (n * 37 % 3000)) for n in range(1, 300)],
]
IN_LOG = [rpmdb.parse_rpm("hot-1-1.el9.x86_64")]

QUERY = (
    "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SOURCERPM}|%{VENDOR}|%{MODULARITYLABEL}|%{LICENSE}"
    "|%{LONGSIZE}|%{INSTALLTIME}|%{RSAHEADER:pgpsig}\\n"
)


def printed(rpm: rpmdb.Rpm) -> str:
    """What the query prints for a package, up to the text of the signature before the key."""
    epoch = "(none)" if rpm.epoch is None else rpm.epoch
    key = f"Key ID {rpm.key_id}" if rpm.key_id else "(none)"
    return (
        f"{rpm.name}|{epoch}|{rpm.version}|{rpm.release}|{rpm.arch}|{rpm.source_rpm}|{rpm.vendor or '(none)'}"
        f"|{rpm.modularity or '(none)'}|{rpm.license}|{rpm.size}|{rpm.install_time}|{key}"
    )


def query(folder: Path, backend: str) -> list[str]:
    result = subprocess.run(
        [
            *(require_program("rpm"), "-qa", "--nosignature", "--nodigest", "--dbpath", str(folder)),
            *("--define", f"_db_backend {backend}", "--qf", QUERY),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = []
    for line in result.stdout.splitlines():
        start, signature = line.rsplit("|", 1)
        lines.append(f"{start}|{signature[signature.rfind('Key ID') :] if 'Key ID' in signature else signature}")
    return sorted(lines)


@pytest.mark.parametrize(
    ("files", "backend", "packages"),
    [
        pytest.param(lambda: rpmdb.sqlite_files(PACKAGES), "sqlite", PACKAGES, id="sqlite"),
        pytest.param(
            lambda: rpmdb.sqlite_files(PACKAGES, in_log=IN_LOG), "sqlite", PACKAGES + IN_LOG, id="sqlite-with-log"
        ),
        pytest.param(lambda: rpmdb.ndb_files(PACKAGES), "ndb", PACKAGES, id="ndb"),
        pytest.param(lambda: rpmdb.bdb_files(PACKAGES), "bdb_ro", PACKAGES, id="bdb"),
        pytest.param(lambda: rpmdb.bdb_files(PACKAGES, byte_order=">"), "bdb_ro", PACKAGES, id="bdb-big-endian"),
        pytest.param(lambda: rpmdb.bdb_files(PACKAGES, page_size=512), "bdb_ro", PACKAGES, id="bdb-small-pages"),
    ],
)
def test_librpm_prints_what_was_written(tmp_path: Path, files: t.Any, backend: str, packages: list[rpmdb.Rpm]) -> None:
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    if backend == "ndb" and not rpm_tools.librpm_reads_ndb(tmp_path):
        # Debian's librpm reads ndb from release 13 on; go-rpmdb stands in for it.
        expected = sorted(f"{rpm.name}-{rpm.version}-{rpm.release}" for rpm in packages)
        assert sorted(rpm_tools.go_names(tmp_path / "Packages.db") or ()) == expected
        return
    assert query(tmp_path, backend) == sorted(printed(rpm) for rpm in packages)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("packages", [PACKAGES, []], ids=["many", "none"])
def test_berkeley_db_verifies_its_format(tmp_path: Path, byte_order: str, packages: list[rpmdb.Rpm]) -> None:
    path = tmp_path / "Packages"
    path.write_bytes(rpmdb.bdb_files(packages, byte_order=byte_order)["Packages"])
    subprocess.run([require_program("db5.3_verify"), str(path)], check=True, capture_output=True)


def ndb_rows(content: bytes) -> list[tuple[int, int, int]]:
    """(package number, length, stored checksum minus computed checksum) of every slot in use."""
    rows = []
    for offset in range(32, 4096 * struct.unpack_from("<I", content, 12)[0], 16):
        magic, number, block, count = struct.unpack_from("<4sIII", content, offset)
        assert magic == b"Slot"
        if number:
            end = 16 * (block + count)
            length = struct.unpack_from("<I", content, 16 * block + 12)[0]
            assert count == (16 + length + 12 + 15) // 16
            stored = struct.unpack_from("<I", content, end - 12)[0]
            rows.append((number, length, stored - zlib.adler32(content[16 * block : end - 12])))
    return rows


def test_ndb_has_the_same_structure_as_a_database_that_rpm_wrote() -> None:
    """Debian 12's rpm has no ndb: slots, block counts and checksums are compared with a real file instead."""
    real = ndb_rows(lzma.decompress(data_path("_derived/rhel8-beta.Packages.db.xz").read_bytes()))
    assert len(real) == 101
    assert {difference for _number, _length, difference in real} == {0}
    ours = ndb_rows(rpmdb.ndb_files(PACKAGES)["Packages.db"])
    assert [number for number, _length, _difference in ours] == list(range(1, len(PACKAGES) + 1))
    assert {difference for _number, _length, difference in ours} == {0}


@pytest.mark.parametrize("write", [rpmdb.sqlite_files, rpmdb.ndb_files, rpmdb.bdb_files])
def test_equal_packages_give_equal_bytes(write: t.Any) -> None:
    assert write(PACKAGES) == write(PACKAGES)
