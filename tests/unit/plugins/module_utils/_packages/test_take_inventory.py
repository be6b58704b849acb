# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories of whole images: from layers, and from a root folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import rpmdb
from ansible_collections.imagescan.openshift.examples.fleet.images import (
    Blobs,
    Entry,
    files,
    folder,
    image,
    layer,
    layout_files,
    opaque,
    os_release,
    symlink,
    whiteout,
    write_folder,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Image
from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import RootFolder, open_target
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import Inventory

OLD = [rpmdb.Rpm("bash", "5.1", "1.el9")]
NEW = [rpmdb.Rpm("bash", "5.1", "2.el9"), rpmdb.Rpm("zlib", "1", "1.el9")]
SYSTEM = [
    Entry("etc/os-release", os_release(id="rhel", version_id="9.4")),
    *files("var/lib/rpm", rpmdb.sqlite_files(OLD)),
    Entry("usr/bin/bash", b"x", mode=0o755),
]
MANIFESTS = "root/buildinfo/content_manifests"


def manifest(*sets: str) -> bytes:
    return json.dumps({"content_sets": list(sets)}).encode()


def take(path: Path, *layers: list[Entry], labels: dict[str, str] | None = None) -> Inventory:
    blobs: Blobs = {}
    descriptor = image(blobs, [layer(entries) for entries in layers], labels=labels)
    write_folder(path, layout_files(blobs, {"latest": descriptor}))
    opened = open_target(f"oci:{path}:latest", Access())
    assert isinstance(opened, Image)
    return take_inventory(opened)


def codes(inventory: Inventory) -> list[str]:
    return [entry.code for entry in inventory.problems]


def test_the_database_of_the_top_layer_counts(tmp_path: Path) -> None:
    inventory = take(tmp_path, SYSTEM, files("var/lib/rpm", rpmdb.sqlite_files(NEW)), labels={"a": "b"})
    assert [package.evr for package in inventory.packages] == ["0:5.1-2.el9", "0:1-1.el9"]
    assert inventory.complete
    assert (inventory.kind, inventory.labels) == ("rpm", {"a": "b"})


def test_a_database_behind_a_symlinked_folder_is_found_once(tmp_path: Path) -> None:
    real = [*files("usr/lib/sysimage/rpm", rpmdb.ndb_files(NEW)), symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm")]
    inventory = take(tmp_path, [SYSTEM[0], *real])
    assert len(inventory.packages) == 2
    assert inventory.complete


@pytest.mark.parametrize(
    "top",
    [
        [whiteout("var/lib/rpm/rpmdb.sqlite")],
        [whiteout("var/lib/rpm")],
        [opaque("var/lib/rpm")],
        [opaque("var")],
        [folder("var/lib/rpm/rpmdb.sqlite")],
        [Entry("var/lib/rpm", b"a file")],
        [symlink("var/lib/rpm/rpmdb.sqlite", "elsewhere")],
    ],
)
def test_a_database_that_is_gone_is_missed(top: list[Entry], tmp_path: Path) -> None:
    inventory = take(tmp_path, SYSTEM, top)
    assert inventory.kind == "rpm"
    assert "rpmdb-missing" in codes(inventory)
    assert not inventory.packages


def test_a_database_that_leads_in_a_circle_is_missed(tmp_path: Path) -> None:
    inventory = take(tmp_path, SYSTEM, [symlink("var/lib/rpm/rpmdb.sqlite", "rpmdb.sqlite")])
    assert "rpmdb-missing" in codes(inventory)


def test_manifests_of_hidden_layers_count(tmp_path: Path) -> None:
    inventory = take(
        tmp_path,
        [*SYSTEM, Entry(f"{MANIFESTS}/base.json", manifest("rhel-9-baseos"))],
        [opaque(MANIFESTS), Entry(f"{MANIFESTS}/app.json", manifest("layered"))],
        [Entry(f"{MANIFESTS}/app.json", manifest("layered-2"))],
    )
    assert [one.id for one in inventory.repositories] == ["layered", "layered-2", "rhel-9-baseos"]


def test_labels_of_hidden_layers_count(tmp_path: Path) -> None:
    name = "usr/share/buildinfo/labels.json"
    inventory = take(
        tmp_path,
        [*SYSTEM, Entry(name, b'{"cpe": "cpe:/a:redhat:base:9"}')],
        [Entry(name, b'{"cpe": "\\"cpe:/a:redhat:app:1\\""}')],
        labels={"cpe": "cpe:/a:redhat:app:2"},
    )
    assert inventory.label_cpes == ("cpe:/a:redhat:app:1", "cpe:/a:redhat:app:2", "cpe:/a:redhat:base:9")


def test_a_write_ahead_log_in_a_layer_of_its_own_is_applied(tmp_path: Path) -> None:
    hot = rpmdb.sqlite_files(OLD, in_log=[rpmdb.Rpm("zlib", "1", "1.el9")])
    base = [SYSTEM[0], Entry("var/lib/rpm/rpmdb.sqlite", hot["rpmdb.sqlite"])]
    log = [Entry("var/lib/rpm/rpmdb.sqlite-wal", hot["rpmdb.sqlite-wal"])]
    assert [package.name for package in take(tmp_path / "1", base, log).packages] == ["bash", "zlib"]
    assert [package.name for package in take(tmp_path / "2", base).packages] == ["bash"]


def test_kinds_of_images_without_rpm(tmp_path: Path) -> None:
    assert take(tmp_path / "1", [Entry("app", b"\x7fELF", mode=0o755)]).kind == "static"
    assert take(tmp_path / "2", [Entry("bin/sh", b"x", mode=0o755)]).kind == "unknown"
    assert take(tmp_path / "3", [Entry("app/lib/x.jar", b"PK")]).kind == "unknown"
    debian = [Entry("etc/os-release", b"ID=debian\n"), Entry("var/lib/dpkg/status.d/a", b"Package: a\n")]
    inventory = take(tmp_path / "4", debian)
    assert (inventory.kind, inventory.not_examined["dpkg"]) == ("dpkg", 1)


def test_a_root_folder_gives_what_the_image_gives(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_folder(root, {entry.path: entry.data for entry in SYSTEM})
    opened = open_target(f"rootfs:{root}", Access())
    assert isinstance(opened, RootFolder)
    assert take_inventory(opened) == take(tmp_path / "image", SYSTEM)
