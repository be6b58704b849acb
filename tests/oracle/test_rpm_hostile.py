# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases made to exhaust a reader: each is read, or refused, within 200 MB of memory.

The file itself is mapped, as the layer walk hands it over, so it does not count; the kernel's limit on private memory
(RLIMIT_DATA) makes an excess a MemoryError in the process that reads.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import rpmdb

MEMORY = 200_000_000
#: Not a measure of speed: the bar is 10 s, on a machine that does nothing else.
DEADLINE = 60

_READ = """
import json, mmap, resource, sys
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm import databases
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), int(sys.argv[2])))
with open(sys.argv[1], "rb") as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
(reading,) = databases.read_databases({"var/lib/rpm/Packages": data})
print(json.dumps([reading.database.format, len(reading.packages), [entry.code for entry in reading.problems]]))
"""


def entries(count: int) -> bytes:
    """A header with as many index entries as there may be, none of which says anything."""
    return struct.pack(">II", count, 0) + struct.pack(">IIiI", 5000, 0, 0, 0) * count


def many_entries() -> dict[str, bytes]:
    return rpmdb.ndb_files([entries(0xFFFF)] * 200)


def many_packages() -> dict[str, bytes]:
    blob = rpmdb.header(rpmdb.Rpm("n", "1", "1", vendor="", key_id="", license="", summary=""))
    return rpmdb.ndb_files([blob] * 400_000)


def many_texts() -> dict[str, bytes]:
    return rpmdb.bdb_files([rpmdb.header(rpmdb.Rpm("n", "1", "1", license="\u6f22" * 20_000))] * 3_000)


def many_broken() -> dict[str, bytes]:
    return rpmdb.ndb_files([b"broken"] * 400_000)


def many_rows() -> dict[str, bytes]:
    return {"Packages": rpmdb.sqlite_files([b"x"] * 300_000)["rpmdb.sqlite"]}


def large_header() -> dict[str, bytes]:
    return rpmdb.bdb_files([bytes(150_000_000)])


HOSTILE: dict[str, t.Callable[[], dict[str, bytes]]] = {
    "many_entries": many_entries,
    "many_packages": many_packages,
    "many_texts": many_texts,
    "many_broken": many_broken,
    "many_rows": many_rows,
    "large_header": large_header,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_databases_end_in_a_problem_within_bounds(name: str, tmp_path: Path) -> None:
    path = tmp_path / "Packages"
    for data in HOSTILE[name]().values():
        path.write_bytes(data)
    command = [sys.executable, "-c", _READ, str(path), str(MEMORY)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert result.returncode == 0, result.stderr[-2000:]
    _format, _packages, problems = json.loads(result.stdout)
    assert problems
    assert set(problems) <= {"rpmdb-too-large", "rpmdb-row-corrupt", "rpmdb-row-mismatch"}
