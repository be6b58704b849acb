# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in images that look like static programs: a policy that accepts those must not accept a whole distribution."""

from __future__ import annotations

import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import images
from ansible_collections.imagescan.openshift.tests.support.elf import NEEDED, STATIC, STATIC_PIE, elf

from .judging import accepting
from .trap import Trap, differs

BARE: t.Any = {
    "write": lambda packages: {},
    "os_release": None,
    "manifest": None,
    "policy": accepting("static"),
    "codes": "no-package-database",
}
APP = images.Entry("app", STATIC, mode=0o755)
DYNAMIC = elf(interpreter="/lib64/ld64.so.2", tags=(NEEDED,))


def program(path: str, content: bytes) -> images.Entry:
    """A program."""
    return images.Entry(path, content, mode=0o755)


def beside(name: str, fools: str, *entries: images.Entry, **more: t.Any) -> Trap:
    """Entries that are not those of a static program; the twin has the program alone."""
    return differs(name, fools, "system", (APP, *entries), (APP,), **{**BARE, **more})


TRAPS: list[Trap] = [
    beside(
        "loader-of-ppc64le",
        "whoever knows a system by the names of the loaders of x86 and arm",
        program("usr/lib64/ld64.so.2", STATIC_PIE),
    ),
    beside("loader-of-s390x", "the same on s390x", program("lib/ld64.so.1", STATIC_PIE)),
    beside("loader-by-its-version", "the same for the file behind the link", program("lib/ld-2.28.so", STATIC_PIE)),
    beside("shared-library", "whoever looks for a loader alone", program("opt/app/libssl.so.1.1", b"\x7fELF")),
    beside(
        "link-to-a-shared-library",
        "whoever follows no link",
        images.symlink("usr/lib/libcrypto.so.3", "/opt/libcrypto.so.3.0.7"),
    ),
    differs(
        "dynamic-program-without-a-loader",
        "whoever looks at names: the loader comes from a volume, or has another name",
        "system",
        (program("app", DYNAMIC),),
        (program("app", STATIC_PIE),),
        **BARE,
    ),
    differs(
        "program-that-needs-a-library",
        "whoever looks for an interpreter alone; in a file for another processor, with its dynamic section at the end",
        "system",
        (program("app", elf(kind=3, tags=(5, NEEDED), wide=False, order=">", gap=300_000)),),
        (program("app", elf(kind=3, tags=(5, 6), wide=False, order=">", gap=300_000)),),
        **BARE,
    ),
    differs(
        "dynamic-program-that-is-cut-off",
        "whoever takes a dynamic section that is not there for an empty one",
        "system",
        (program("app", elf(kind=3, tags=(5, 6), gap=100_000, cut=20)),),
        (program("app", elf(kind=3, tags=(5, 6), gap=100_000)),),
        **BARE,
    ),
    differs(
        "hard-link-to-a-dynamic-program",
        "whoever does not count the second name of a program whose first one was deleted",
        "system",
        (program("build/app", DYNAMIC), images.hardlink("app", "build/app")),
        (program("build/app", STATIC), images.hardlink("app", "build/app")),
        upper=(images.whiteout("build"),),
        **BARE,
    ),
    differs(
        "dynamic-program-in-the-upper-layer",
        "whoever looks into the first layer alone",
        "upper",
        (program("app", DYNAMIC),),
        (program("app", STATIC),),
        system=(APP,),
        **BARE,
    ),
    differs(
        "dynamic-program-in-an-unpacked-root",
        "whoever looks into layers, and at a mounted root by names alone",
        "system",
        (program("usr/bin/app", DYNAMIC),),
        (program("usr/bin/app", STATIC_PIE),),
        form="rootfs",
        **BARE,
    ),
    beside(
        "release-file-of-a-distribution",
        "whoever knows a distribution by os-release alone",
        images.Entry("etc/redhat-release", b"Red Hat Enterprise Linux release 6.10 (Santiago)\n"),
    ),
    beside(
        "rest-of-an-rpm-database",
        "whoever takes a database that was deleted for one that never was",
        images.Entry("var/lib/rpm/__db.001", b""),
    ),
    beside(
        "database-of-pacman",
        "whoever knows rpm, dpkg and apk alone",
        images.Entry("var/lib/pacman/local/openssl-3.0.7-1/desc", b"%NAME%\nopenssl\n"),
    ),
    beside(
        "database-of-opkg",
        "the same, on routers",
        images.Entry("usr/lib/opkg/status", b"Package: openssl\nVersion: 3.0.7-1\n"),
    ),
    beside("empty-folder-of-dpkg", "whoever asks for files", images.folder("var/lib/dpkg/info")),
    beside(
        "distribution-inside-a-folder",
        "whoever looks below the root alone: the program changes its root",
        images.Entry("srv/root/etc/apk/world", b"openssl\n"),
    ),
    beside(
        "history-of-dnf-without-a-database",
        "whoever reads the history only to find repositories",
        images.Entry("var/lib/dnf/history.sqlite", b""),
    ),
]
