# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic programs are told by their headers, in whatever pieces they come; what is not understood is dynamic."""

from __future__ import annotations

import random
import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.programs import (
    HEAD,
    ProgramReader,
    is_trace,
)
from ansible_collections.imagescan.openshift.tests.support.elf import (
    NEEDED,
    OBJECT,
    SHARED,
    SONAME,
    STATIC,
    STATIC_PIE,
    elf,
)
from ansible_collections.imagescan.openshift.tests.support.requirements import missing

LOADER = "/lib64/ld64.so.2"
FORMS = [
    pytest.param({"wide": wide, "order": order}, id=f"{64 if wide else 32} bits {order}")
    for wide in (True, False)
    for order in "<>"
]
FAR = 3 * HEAD


def is_dynamic(data: bytes, step: int = 1 << 20) -> bool:
    seen: list[bool] = []
    reader = ProgramReader(len(data), lambda: seen.append(True))
    for start in range(0, len(data), step):
        reader.write(memoryview(data)[start : start + step])
    reader.finish()
    assert len(seen) < 2
    return bool(seen)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", [7, 4096, HEAD, 1 << 20])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"kind": SHARED, "tags": (SONAME, 5)}, False),
        ({"kind": SHARED, "tags": (5,), "gap": FAR}, False),
        ({"kind": SHARED, "tags": (5,), "gap": HEAD - 200}, False),
        ({"interpreter": LOADER}, True),
        ({"interpreter": LOADER, "tags": (NEEDED,), "kind": SHARED}, True),
        ({"kind": SHARED, "tags": (5, NEEDED)}, True),
        ({"tags": (5, NEEDED), "gap": FAR}, True),
        ({"tags": (5, NEEDED), "loads": 4}, True),
        ({"tags": (5, NEEDED), "gap": HEAD - 200}, True),
        ({"tags": (0, NEEDED)}, False),  # behind the end of the section
        ({"tags": (5, 6), "gap": FAR, "cut": 1}, True),
        ({"kind": OBJECT, "tags": (NEEDED,)}, False),
    ],
)
def test_programs(form: dict[str, t.Any], step: int, options: dict[str, t.Any], expected: bool) -> None:
    assert is_dynamic(elf(**options, **form), step) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", False),
        (b"#!/bin/sh\n" * 100, False),
        (b"\x7fELF", False),
        (b"\x7fELF" + b"\0" * 200, True),  # of no class
        (STATIC[:63], False),
        (STATIC[:54] + b"\x39" + STATIC[55:], True),  # program headers of another size
        (STATIC[:56] + b"\xff\xff" + STATIC[58:], True),  # more than the file has
        (STATIC[:32] + b"\xff" * 8 + STATIC[40:], True),
    ],
)
def test_what_no_linker_writes(data: bytes, expected: bool) -> None:
    assert is_dynamic(data) is expected


def test_random_damage_never_stops_the_reader() -> None:
    chance = random.Random(4)
    for number in range(3000):
        data = bytearray((STATIC, elf(interpreter=LOADER, tags=(NEEDED,)), STATIC_PIE[:3000])[number % 3])
        for _change in range(chance.randint(1, 6)):
            data[chance.randrange(min(len(data), 240))] = chance.randrange(256)
        is_dynamic(bytes(data), chance.choice((5, 64, 1 << 16)))


def test_memory_is_bounded() -> None:
    huge = elf(kind=SHARED, tags=(5,) * 4000, gap=FAR)
    reader = ProgramReader(len(huge), lambda: None)
    reader.write(memoryview(huge))
    assert reader.done
    assert is_dynamic(elf(kind=SHARED, tags=(5,) * 5000, gap=FAR))  # a dynamic section of 80 KB


@pytest.mark.parametrize("program", ["true", "ls", "bash"])
def test_programs_of_this_system_are_dynamic(program: str) -> None:
    path = shutil.which(program) or missing(f"the program {program}")
    assert is_dynamic(Path(path).read_bytes())


@pytest.mark.parametrize(
    "path",
    [
        "lib/libc.so.6",
        "lib/libc.so",
        "opt/a/ld64.so.1",
        "ld-2.28.so",
        "etc/centos-release",
        "usr/lib/fedora-release",
        "etc/debian_version",
        "etc/ld.so.cache",
        "var/lib/rpm/Name",
        "usr/lib/sysimage/rpm/.rpm.lock",
        "x/y/var/lib/dpkg/info/a.list",
        "lib/apk",
        "opt/conda/conda-meta/history",
        "nix/store/abc/bin/app",
    ],
)
def test_traces(path: str) -> None:
    assert is_trace(path)


@pytest.mark.parametrize(
    "path",
    ["app", "etc/passwd", "etc/ssl/certs/ca.crt", "etc/nsswitch.conf", "a.sock", "lib/x.so.conf", "opt/my-release",
     "usr/share/zoneinfo/UTC", "var/lib/app/rpm", "etc/app.conf", "data/var/libs/rpm"],
)  # fmt: skip
def test_what_static_programs_bring(path: str) -> None:
    assert not is_trace(path)
