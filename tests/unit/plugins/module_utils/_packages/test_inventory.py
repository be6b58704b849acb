# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From kept files to an inventory: kinds, repositories, CPEs, and what must be said to be missing."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import (
    KeptFile,
    Problem,
    RootContent,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages import problems
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import (
    inventory_from_dict,
    inventory_to_dict,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import (
    WANTED,
    inventory_of,
    of_mounted_root,
    parse_os_release,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    OsRelease,
    RepositoryId,
)
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._packages.rpm.test_history import (
    dnf4,
    dnf5,
)

RPMS = [
    rpmdb.Rpm("bash", "5.1", "1.el9"),
    rpmdb.Rpm("openssl", "3.0", "2.el9", epoch=1),
    rpmdb.Rpm("gpg-pubkey", "fd431d51", "4ae0493b", key_id="", arch=""),
]
RHEL = b'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\nPRETTY_NAME="RHEL 9.4"\n'
DEBIAN = b"ID=debian\nVERSION_ID=12\n"
DATABASE = rpmdb.sqlite_files(RPMS[:2])["rpmdb.sqlite"]
SYSTEM = {"etc/os-release": RHEL, "var/lib/rpm/rpmdb.sqlite": DATABASE}


def take(
    files: t.Mapping[str, bytes],
    *,
    layers: t.Sequence[tuple[str, bytes]] = (),
    labels: t.Mapping[str, str] | None = None,
    unexamined: t.Mapping[str, int] | None = None,
    loader: bool = True,
    found: tuple[Problem, ...] = (),
) -> Inventory:
    kept = {path: KeptFile(path, data, 0) for path, data in files.items()}
    below = tuple(KeptFile(path, data, number) for number, (path, data) in enumerate(layers))
    content = RootContent(kept, below, unexamined or {}, len(files), loader, found)
    inventory = inventory_of(content, labels or {})
    assert inventory_from_dict(json.loads(json.dumps(inventory_to_dict(inventory)))) == inventory
    for entry in inventory.problems:
        assert entry.code in problems.PROBLEMS or entry in found
    return inventory


def codes(inventory: Inventory) -> list[str]:
    return [entry.code for entry in inventory.problems]


def ids(inventory: Inventory) -> list[tuple[str, str]]:
    return [(one.id, one.source) for one in inventory.repositories]


def manifest(*sets: str, **fields: t.Any) -> bytes:
    return json.dumps({"metadata": {"icm_version": 1}, "content_sets": list(sets), **fields}).encode()


# What is asked of the walk


def test_what_is_wanted() -> None:
    for path in (
        "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite-wal", "usr/lib/sysimage/rpm/Packages.db",
        "usr/share/rpm/Packages", "etc/os-release", "usr/lib/os-release", "var/lib/dnf/history.sqlite",
        "usr/lib/sysimage/libdnf5/transaction_history.sqlite-wal", "var/lib/dpkg/status", "lib/apk/db/installed",
    ):  # fmt: skip
        assert path in WANTED.files
    assert WANTED.layer_folders <= set(WANTED.folders)
    assert WANTED.folders["root/buildinfo/content_manifests"] == ("*.json",)
    assert "root/buildinfo" in WANTED.layer_folders


# The database


def test_an_image_with_packages() -> None:
    inventory = take(SYSTEM, labels={"version": "9.4"}, unexamined={"jar": 3})
    assert inventory.kind == "rpm"
    assert inventory.complete
    assert [package.nevra for package in inventory.packages] == [
        "bash-0:5.1-1.el9.x86_64",
        "openssl-1:3.0-2.el9.x86_64",
    ]
    assert inventory.os == OsRelease("rhel", "9.4", "Red Hat Enterprise Linux", "RHEL 9.4", ("fedora",))
    assert inventory.database is not None
    assert (inventory.database.format, inventory.database.rows) == ("sqlite", 2)
    assert inventory.labels == {"version": "9.4"}
    assert inventory.not_examined == {"jar": 3}
    assert inventory.repositories == ()


@pytest.mark.parametrize(
    "os_release",
    [
        RHEL, b"ID=centos\n", b"ID=fedora\n", b"ID='rocky'\n", b"ID=\"almalinux\"\n", b"ID=ol\n", b"ID=amzn\n",
        b"ID=sles\n", b"ID=opensuse-leap\n", b"ID=mariner\n", b"ID=azurelinux\n", b"ID=photon\n",
        b"ID=inhouse\nID_LIKE='rhel centos'\n", b"ID=x\nID_LIKE=suse\n", b"# a comment\nID=RHEL\n",
    ],
)  # fmt: skip
def test_an_rpm_distribution_without_a_database_is_never_complete(os_release: bytes) -> None:
    for loader in (True, False):
        inventory = take({"etc/os-release": os_release}, loader=loader)
        assert inventory.kind == "rpm"
        assert codes(inventory) == ["rpmdb-missing"]


def test_a_database_in_a_fourth_place_does_not_count() -> None:
    assert codes(take({"etc/os-release": RHEL, "opt/rpm/rpmdb.sqlite": DATABASE})) == ["rpmdb-missing"]


@pytest.mark.parametrize("place", ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"])
def test_each_of_the_three_places_counts(place: str) -> None:
    inventory = take({"etc/os-release": RHEL, f"{place}/Packages.db": rpmdb.ndb_files(RPMS)["Packages.db"]})
    assert len(inventory.packages) == 3
    assert inventory.complete


@pytest.mark.parametrize("data", [b"", rpmdb.sqlite_files([])["rpmdb.sqlite"]])
def test_an_empty_database_is_never_complete(data: bytes) -> None:
    inventory = take({"etc/os-release": RHEL, "var/lib/rpm/rpmdb.sqlite": data})
    assert codes(inventory) == ["rpmdb-empty"]


def test_a_corrupt_database_is_never_complete_and_what_was_read_is_kept() -> None:
    blobs = [rpmdb.header(rpm) for rpm in RPMS]
    blobs[1] = blobs[1][:50]
    inventory = take({"etc/os-release": RHEL, "var/lib/rpm/Packages": rpmdb.bdb_files(blobs)["Packages"]})
    assert codes(inventory) == ["rpmdb-row-corrupt"]
    assert [package.name for package in inventory.packages] == ["bash", "gpg-pubkey"]


def test_packages_without_os_release_are_never_complete() -> None:
    assert codes(take({"var/lib/rpm/rpmdb.sqlite": DATABASE})) == ["os-release-missing"]
    for bad in (b"", b"NAME=x\n", b"ID=rhel\n" + b"#" * 70_000):
        assert codes(take({**SYSTEM, "etc/os-release": bad})) == ["os-release-unreadable"]


def test_the_second_os_release_stands_in_for_the_first() -> None:
    assert take({"usr/lib/os-release": RHEL, "var/lib/rpm/rpmdb.sqlite": DATABASE}).os.id == "rhel"
    assert take({**SYSTEM, "etc/os-release": b"", "usr/lib/os-release": DEBIAN}).os.id == "debian"


def test_problems_of_the_walk_stay_problems() -> None:
    hole = Problem("unreadable-file", "var/lib/rpm/rpmdb.sqlite: permission denied")
    assert take(SYSTEM, found=(hole,)).problems == (hole,)


# Kinds


def test_kinds() -> None:
    assert take({}, loader=False).kind == "static"
    assert take({}, loader=True).kind == "unknown"
    assert take({}, loader=False, unexamined={"jar": 1}).kind == "unknown"
    assert take({}, loader=False, found=(Problem("x", "y"),)).kind == "unknown"
    assert take({"etc/os-release": DEBIAN}, loader=False).kind == "unknown"
    assert take({"etc/os-release": b"junk"}, loader=False).kind == "unknown"
    assert take({"var/lib/rpm/rpmdb.sqlite": DATABASE, "etc/os-release": DEBIAN}).kind == "rpm"


STATUS = b"""Package: a
Status: install ok installed
Description: x
 Status: hold ok installed

Package: b
Status: deinstall ok config-files

Package: c
Status: hold ok installed
"""


def test_debian_packages_are_counted() -> None:
    inventory = take({"etc/os-release": DEBIAN, "var/lib/dpkg/status": STATUS})
    assert (inventory.kind, inventory.not_examined, codes(inventory)) == ("dpkg", {"dpkg": 2}, [])


def test_debian_packages_of_distroless_images_are_counted() -> None:
    files = {
        "etc/os-release": DEBIAN,
        "var/lib/dpkg/status.d/base-files": b"Package: base-files\nVersion: 12\n",
        "var/lib/dpkg/status.d/base-files.md5sums": b"Package: not one\n",
        "var/lib/dpkg/status.d/tzdata": b"Package: tzdata\nVersion: 1\n",
    }
    assert take(files, loader=False).not_examined == {"dpkg": 2}


def test_alpine_packages_are_counted() -> None:
    files = {"etc/os-release": b"ID=alpine\n", "lib/apk/db/installed": b"C:Q1\nP:musl\nV:1\n\nC:Q2\nP:zlib\nV:2\n"}
    inventory = take({**files, "usr/lib/apk/db/installed": files["lib/apk/db/installed"]})
    assert (inventory.kind, inventory.not_examined) == ("apk", {"apk": 2})


def test_debian_packages_beside_rpms_are_not_examined() -> None:
    inventory = take({**SYSTEM, "var/lib/dpkg/status": STATUS}, unexamined={"python": 1})
    assert (inventory.kind, inventory.not_examined) == ("rpm", {"python": 1, "dpkg": 2})


# os-release


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'NAME="a \\"b\\" \\$c \\\\"', 'a "b" $c \\'), (b"NAME='a \\b'", "a \\b"), (b"NAME=plain", "plain"),
        (b"  NAME=indented  ", "indented"), (b'NAME=""', ""), (b'NAME="', '"'), (b"NAME=a=b", "a=b"),
        (b"NAME=x\nNAME=last", "last"), (b"NAME=caf\xc3\xa9", "café"), (b"NAME=\xff", "\ufffd"), (b"#NAME=x", ""),
        (b"NAME =x", ""),
    ],
)  # fmt: skip
def test_values_of_os_release(line: bytes, value: str) -> None:
    assert parse_os_release(line).name == value


# Repositories

LAYER = "root/buildinfo/content_manifests/"
SHARED = "usr/share/buildinfo/"


def test_content_manifests_of_all_layers_are_joined() -> None:
    inventory = take(
        {**SYSTEM, f"{LAYER}app-1.json": manifest("rhel-9-appstream", "rhel-9-baseos")},
        layers=[(f"{LAYER}ubi9-1.json", manifest("rhel-9-baseos")), (f"{LAYER}app-1.json", manifest("layered-1"))],
    )
    assert ids(inventory) == [
        ("layered-1", "content_manifest"),
        ("rhel-9-appstream", "content_manifest"),
        ("rhel-9-baseos", "content_manifest"),
    ]
    assert inventory.complete


@pytest.mark.parametrize(
    "path", [f"{SHARED}content-sets.json", f"{SHARED}content_manifests/x.json", f"{SHARED}other-name.json"]
)
def test_newer_places_of_content_manifests(path: str) -> None:
    assert ids(take({**SYSTEM, path: manifest("a")})) == [("a", "content_manifest")]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (f"{LAYER}sbom.json", b'{"image_contents": {"dependencies": [{"purl": "pkg:rpm/redhat/zstd@1.5.1"}]}}'),
        (f"{LAYER}list.json", b"[1, 2]"),
        (f"{SHARED}sbom.json", b"{ not JSON"),
        (f"{SHARED}sbom.json", b'{"spdxVersion": "SPDX-2.3"' + b" " * (9 << 20)),
        (f"{LAYER}sbom.json", b'{"spdxVersion": "SPDX-2.3"' + b" " * (9 << 20)),
        (f"{LAYER}empty.json", b'{"content_sets": null}'),
    ],
)
def test_other_documents_in_those_folders_are_passed_over(path: str, data: bytes) -> None:
    inventory = take({**SYSTEM, path: data, f"{SHARED}content-sets.json": manifest("a")})
    assert ids(inventory) == [("a", "content_manifest")]
    assert inventory.complete


def test_the_longest_repository_id_is_read() -> None:
    assert ids(take(SYSTEM, layers=[(f"{LAYER}x.json", manifest("a" * 512))])) == [("a" * 512, "content_manifest")]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        (f"{LAYER}x.json", manifest("a")[:-3]),
        (f"{LAYER}x.json", b""),
        (f"{LAYER}x.json", b"{"),
        (f"{SHARED}content-sets.json", b"junk"),
        (f"{SHARED}x.json", b'{"content_sets": ["a"'),
        (f"{SHARED}x.json", b'{"from_dnf_hint": tru'),
        (f"{LAYER}x.json", b'{"content_sets": "a"}'),
        (f"{LAYER}x.json", b'{"content_sets": [1]}'),
        (f"{LAYER}x.json", b'{"content_sets": [""]}'),
        (f"{LAYER}x.json", b'{"content_sets": ["' + b"a" * 513 + b'"]}'),
        (f"{LAYER}x.json", b'{"content_sets": ' + b"[" * 100_000),
        (f"{LAYER}x.json", b'{"content_sets": ["a"]' + b" " * (9 << 20)),
    ],
)
def test_a_damaged_content_manifest_is_never_passed_over(path: str, data: bytes) -> None:
    inventory = take(SYSTEM, layers=[(path, data)])
    assert codes(inventory) == ["content-manifest-unreadable"]
    assert len(inventory.problems[0].message) < 1000


def test_without_a_manifest_the_dnf_history_tells(tmp_path: Path) -> None:
    history = dnf4(tmp_path / "h", [(1, 1, "install"), (2, 2, "install"), (3, 1, "install")])
    inventory = take({**SYSTEM, "var/lib/dnf/history.sqlite": history})
    assert inventory.repositories == (RepositoryId("appstream", "dnf_history"), RepositoryId("baseos", "dnf_history"))
    assert [package.repository for package in inventory.packages] == ["baseos", "appstream"]
    assert inventory.complete


def test_repositories_of_packages_that_are_gone_do_not_count(tmp_path: Path) -> None:
    history = dnf4(tmp_path / "h", [(1, 1, "install"), (3, 2, "install")])
    assert ids(take({**SYSTEM, "var/lib/dnf/history.sqlite": history})) == [("baseos", "dnf_history")]


def test_the_newer_dnf_counts_before_the_older(tmp_path: Path) -> None:
    files = {
        "var/lib/dnf/history.sqlite": dnf4(tmp_path / "4", [(1, 1, "install"), (2, 1, "install")]),
        "usr/lib/sysimage/libdnf5/transaction_history.sqlite": dnf5(tmp_path / "5", [(1, 2, "install")]),
    }
    assert [package.repository for package in take({**SYSTEM, **files}).packages] == ["appstream", "baseos"]


def test_repositories_are_those_of_the_manifest_and_of_the_history(tmp_path: Path) -> None:
    """Who builds on an image with a manifest installs from other repositories, and writes none."""
    files = {**SYSTEM, "var/lib/dnf/history.sqlite": dnf4(tmp_path / "h", [(1, 1, "install")])}
    both = take({**files, f"{LAYER}x.json": manifest("a")})
    assert ids(both) == [("a", "content_manifest"), ("baseos", "dnf_history")]
    assert {package.repository for package in both.packages} == {""}
    assert ids(take({**files, f"{LAYER}x.json": manifest("baseos")})) == [("baseos", "content_manifest")]
    hinted = take({**files, f"{LAYER}x.json": manifest("a", from_dnf_hint=True)})
    assert ids(hinted) == [("a", "content_manifest"), ("baseos", "dnf_history")]
    only = take({**files, f"{LAYER}x.json": b'{"from_dnf_hint": true}'})
    assert ids(only) == [("baseos", "dnf_history")]


def test_a_damaged_history_is_said(tmp_path: Path) -> None:
    history = dnf4(tmp_path / "h", [(1, 1, "install")])
    files = {**SYSTEM, "var/lib/dnf/history.sqlite": history[:5000]}
    assert codes(take(files)) == ["dnf-history-unreadable"]
    assert codes(take({**files, f"{LAYER}x.json": manifest("a")})) == ["dnf-history-unreadable"]
    journal = {"var/lib/dnf/history.sqlite-journal": bytes.fromhex("d9d505f920a163d7") + bytes(500)}
    assert codes(take({**SYSTEM, "var/lib/dnf/history.sqlite": history, **journal})) == ["dnf-history-unreadable"]
    assert codes(take({**SYSTEM, "var/lib/dnf/history.sqlite": b""})) == []


# CPEs of the image itself


def labels_json(cpe: t.Any) -> bytes:
    return json.dumps({"name": "x", "architecture": "x86_64", "cpe": cpe}).encode()


def test_cpes_of_labels() -> None:
    inventory = take(
        {**SYSTEM, f"{SHARED}labels.json": labels_json("cpe:/a:redhat:b:1")},
        layers=[("root/buildinfo/labels.json", labels_json('"cpe:/a:redhat:a:1"'))],
        labels={"cpe": "'cpe:/a:redhat:c:1'"},
    )
    assert inventory.label_cpes == ("cpe:/a:redhat:a:1", "cpe:/a:redhat:b:1", "cpe:/a:redhat:c:1")
    assert inventory.complete


@pytest.mark.parametrize("cpe", [None, 1, "", "no cpe", "cpe:" + "x" * 600])
def test_what_is_no_cpe_is_none(cpe: t.Any) -> None:
    assert take({**SYSTEM, f"{SHARED}labels.json": labels_json(cpe)}).label_cpes == ()


@pytest.mark.parametrize("data", [b"{", b"\xff", b"{" + b" " * 300_000 + b"}"])
def test_damaged_labels_are_said(data: bytes) -> None:
    assert codes(take({**SYSTEM, f"{SHARED}labels.json": data})) == ["labels-unreadable"]


def test_of_a_mounted_root_it_is_said_what_may_be_hidden() -> None:
    bare = take(SYSTEM)
    assert codes(of_mounted_root(bare, {})) == ["layers-unseen"]
    assert codes(of_mounted_root(bare, None)) == ["layers-unseen", "config-unseen"]
    manifest = json.dumps({"content_sets": ["rhel-9-for-x86_64-baseos-rpms"]}).encode()
    seen = take({**SYSTEM, "root/buildinfo/content_manifests/a.json": manifest})
    whole = of_mounted_root(seen, {"cpe": "cpe:/a:b", "name": "n"})
    assert whole.problems == ()
    assert (whole.label_cpes, whole.labels) == (("cpe:/a:b",), {"cpe": "cpe:/a:b", "name": "n"})
    other = take({**SYSTEM, "etc/os-release": b"ID=fedora\n"})
    assert codes(of_mounted_root(other, {})) == []


def test_every_code_is_explained() -> None:
    for code, text in problems.PROBLEMS.items():
        assert code == code.lower()
        assert text.endswith(".")
    with pytest.raises(KeyError):
        problems.problem("no-such-code", "x")
