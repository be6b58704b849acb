# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants of what an adversary may try with layers, databases and os-release: none passes, and patched ones do."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb
from ansible_collections.imagescan.openshift.tests.traps.layers import DATABASE, as_object, database
from ansible_collections.imagescan.openshift.tests.traps.situation import (
    BASE,
    PATCHED,
    RHEL9_RELEASE,
    VULNERABLE,
    Situation,
    openssl,
    outcome,
)

OLD, NEW = openssl("1:3.0.7-27.el9"), openssl("1:3.0.7-28.el9_4")
SYSIMAGE = "usr/lib/sysimage/rpm"
SHARE = "usr/share/rpm"


class Variant(t.NamedTuple):
    """What is tried, and how it ends. ``fields``: of a Situation."""

    name: str
    fields: dict[str, t.Any]
    verdict: str
    code: str


def failed(name: str, **fields: t.Any) -> Variant:
    return Variant(name, fields, "failed", "vulnerability")


def unclear(name: str, code: str, **fields: t.Any) -> Variant:
    return Variant(name, fields, "inconclusive", code)


def second(
    place: str, packages: t.Sequence[rpmdb.Rpm], write: t.Callable[..., dict[str, bytes]] = rpmdb.sqlite_files
) -> tuple[images.Entry, ...]:
    """A second database."""
    return tuple(images.files(place, write(packages)))


def in_log(packages: t.Sequence[rpmdb.Rpm]) -> dict[str, bytes]:
    """Only the first package stands in the database itself."""
    return rpmdb.sqlite_files(packages[:1], in_log=packages[1:])


def release(**fields: str) -> bytes:
    return images.os_release(**fields)


def two(*packages: rpmdb.Rpm) -> dict[str, t.Any]:
    return {"packages": (*BASE, *packages)}


def stack(lower: t.Sequence[images.Entry], upper: t.Sequence[images.Entry], **more: t.Any) -> dict[str, t.Any]:
    """Two layers; the database is where they say."""
    return {"write": lambda packages: {}, "more": tuple(lower), "upper": tuple(upper), **more}


LINKED = (images.folder("data/rpm"), images.symlink("var/lib/rpm", "../../data/rpm"))
VARIANTS = [
    # Both database places with different content.
    failed("two places, the first has what is vulnerable", more=second(SYSIMAGE, VULNERABLE)),
    unclear("two places, the second has it", "rpmdb-ambiguous", place=SYSIMAGE, more=second("var/lib/rpm", VULNERABLE)),
    unclear("the third place has it", "rpmdb-ambiguous", more=second(SHARE, VULNERABLE)),
    unclear("another format in the same place", "rpmdb-ambiguous",
            more=second("var/lib/rpm", VULNERABLE, rpmdb.bdb_files)),
    failed("another format in another place", more=second(SYSIMAGE, VULNERABLE, rpmdb.ndb_files)),
    failed("the other place has it in its log", more=second(SYSIMAGE, VULNERABLE, in_log)),
    unclear("the other place has fewer packages", "rpmdb-ambiguous", more=second(SYSIMAGE, PATCHED[:2])),
    unclear("the other place is damaged", "rpmdb-corrupt",
            more=(images.Entry(f"{SYSIMAGE}/rpmdb.sqlite", b"SQLite format 3\0" + b"x" * 5000),)),
    unclear("the other place has the same builds of another maker", "rpmdb-ambiguous", place=SYSIMAGE,
            more=second("var/lib/rpm", (*BASE, dataclasses.replace(NEW, vendor="Other", key_id="")))),
    unclear("the other place has the same builds in a module", "rpmdb-ambiguous", place=SYSIMAGE,
            more=second("var/lib/rpm", (*BASE, dataclasses.replace(NEW, modularity="openssl:3:1:c")))),
    # Two versions of one package.
    failed("old before new", **two(OLD, NEW)),
    failed("new before old", **two(NEW, OLD)),
    failed("old of another architecture", **two(NEW, openssl("1:3.0.7-27.el9", arch="i686"))),
    failed("old without its epoch", **two(NEW, openssl("3.0.7-27.el9"))),
    failed("new twice, and old", **two(NEW, NEW, OLD)),
    failed("old in the log", write=lambda packages: rpmdb.sqlite_files(packages[:-1], in_log=packages[-1:]),
           **two(NEW, OLD)),
    unclear("old of another maker", "packages-not-covered",
            **two(NEW, openssl("1:3.0.7-27.el9", vendor="Other", key_id=""))),
    # os-release of another vendor.
    *(
        unclear(f"Red Hat's packages in {name}", "distribution-not-covered", packages=VULNERABLE,
                os_release=release(**fields))
        for name, fields in {
            "Debian": {"id": "debian", "version_id": "12"},
            "Rocky Linux": {"id": "rocky", "version_id": "9.4", "id_like": "rhel centos fedora"},
            "Fedora": {"id": "fedora", "version_id": "40"},
            "CentOS Stream": {"id": "centos", "version_id": "9", "id_like": "rhel fedora"},
            "a house's own": {"id": "house", "version_id": "1", "id_like": "rhel"},
        }.items()
    ),
    failed("os-release without an ID", packages=VULNERABLE, os_release=b"NAME=x\n"),
    unclear("os-release without an ID, patched", "os-release-unreadable", os_release=b"NAME=x\n"),
    unclear("no os-release, patched", "os-release-missing", os_release=None),
    unclear("another os-release in etc than in usr", "distribution-not-covered", os_release=release(id="debian"),
            more=(images.Entry("usr/lib/os-release", RHEL9_RELEASE),)),
    failed("the one in usr says otherwise", packages=VULNERABLE,
           more=(images.Entry("usr/lib/os-release", release(id="debian")),)),
    # Whiteouts and links.
    failed("opaque, with the database of the same layer behind it",
           **stack(database(PATCHED), (images.opaque("var/lib/rpm"), *database(VULNERABLE)))),
    failed("opaque, with the database of the same layer before it",
           **stack(database(PATCHED), (*database(VULNERABLE), images.opaque("var/lib/rpm")))),
    failed("whiteout of the folder above, and a new one",
           **stack(database(PATCHED), (images.whiteout("var/lib"), *database(VULNERABLE)))),
    unclear("whiteout of the folder above", "rpmdb-missing", **stack(database(PATCHED), (images.whiteout("var"),))),
    failed("whiteout of another file only", **stack(database(VULNERABLE), (images.whiteout(f"{DATABASE}-wal"),))),
    failed("database through a symlink of the layer below",
           **stack(LINKED, database(VULNERABLE))),
    unclear("whiteout through a symlink", "rpmdb-missing",
            **stack((*LINKED, *database(PATCHED, "data/rpm")), (images.whiteout(DATABASE),))),
    failed("whiteout of the link, and a folder in its place",
           **stack((*LINKED, *database(PATCHED, "data/rpm")),
                   (images.whiteout("var/lib/rpm"), *database(VULNERABLE)))),
    failed("hard link to what the upper layer deletes",
           **stack((*database(VULNERABLE, "data"), images.hardlink(DATABASE, "data/rpmdb.sqlite")),
                   (images.whiteout("data"),))),
    failed("hard link across layers", **stack((*database(PATCHED), *database(VULNERABLE, "data")),
                                              (images.hardlink(DATABASE, "data/rpmdb.sqlite"),))),
    failed("symlink that the upper layer turns",
           **stack((*database(PATCHED, "a"), *database(VULNERABLE, "b"), images.symlink("var/lib/rpm", "/a")),
                   (images.symlink("var/lib/rpm", "/b"),))),
]  # fmt: skip
TWINS: dict[str, dict[str, t.Any]] = {
    "an empty second database": {"more": (images.Entry(f"{SYSIMAGE}/rpmdb.sqlite", b""),)},
    "the same database in both places": {"more": second(SYSIMAGE, PATCHED)},
    "the same in another format": {"more": second(SYSIMAGE, PATCHED, rpmdb.ndb_files)},
    "new twice": two(NEW, NEW),
    "an ID in other letters": {"os_release": release(id="RHEL", version_id="9.4")},
    "opaque": stack(database(VULNERABLE), (images.opaque("var/lib/rpm"), *database(PATCHED))),
    "whiteout of the folder above": stack(database(VULNERABLE), (images.whiteout("var"), *database(PATCHED))),
    "hard link across layers": stack(
        (*database(VULNERABLE), *images.files("data", as_object(PATCHED))),
        (images.hardlink(DATABASE, "data/0c2f.file"),),
    ),
}


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.name for variant in VARIANTS])
def test_no_variant_passes(variant: Variant, tmp_path: Path) -> None:
    found = outcome(Situation(**variant.fields), tmp_path)
    assert found.verdict == variant.verdict, found
    assert variant.code in found.codes, found


@pytest.mark.parametrize("name", TWINS)
def test_their_patched_twins_pass(name: str, tmp_path: Path) -> None:
    found = outcome(Situation(**TWINS[name]), tmp_path)
    assert found.verdict == "passed", found
