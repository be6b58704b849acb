# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of package kinds: a new one is a file and its entry, and each is documented as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import WANTED
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.kinds import PackageKind
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.table import (
    PACKAGE_KINDS,
    feeds_of,
    scheme_of,
)
from ansible_collections.imagescan.openshift.tests.support.seams import CHECKOUT, PACKAGE, Copy

TOY = """
from __future__ import annotations

from .._images.file_selection import FileSelection
from .kinds import ImageRoot, KindReading, PackageKind
from .model import Package, PackageDatabase
from .problems import problem


def _read(root: ImageRoot) -> KindReading:
    file = root.content.files.get("var/lib/toy/installed")
    if file is None:
        return KindReading(is_present=False)
    pairs = [line.split() for line in bytes(file.data).decode().splitlines()]
    packages = tuple(Package(name, None, version, "1", "noarch") for name, version in pairs)
    database = PackageDatabase("var/lib/toy/installed", "toy", len(packages))
    return KindReading(True, packages, database, problems=root.os_problems)


KIND = PackageKind(
    name="toy",
    wanted=FileSelection(files=frozenset({"var/lib/toy/installed"}), folders={"usr/share/buildinfo": ("*.toy",)}),
    read=_read,
    scheme=lambda one, two: (len(one) > len(two)) - (len(one) < len(two)),
    feeds=("osv",),
)
"""
BUNDLE = f"""
import json, sys
from {PACKAGE}.module_utils._scanner.bundle import make_bundle
with open(sys.argv[1], "wb") as file:
    file.write(make_bundle())
print("null")
"""
#: What a pod does with a root, by the files of its program alone.
LOOK = f"""
import json, sys
sys.path.insert(0, sys.argv[1])
sys.modules.pop("ansible_collections", None)
from {PACKAGE}.module_utils._images.targets import RootFolder
from {PACKAGE}.module_utils._packages import codec, inventory, table
assert inventory.__file__.startswith(sys.argv[1]), inventory.__file__
values = codec.inventory_to_dict(inventory.take_inventory(RootFolder(sys.argv[2], "sha256:1", "a")))
assert codec.inventory_to_dict(codec.inventory_from_dict(values)) == values
kept = inventory.WANTED.folders["usr/share/buildinfo"]
print(json.dumps([values, table.scheme_of("toy")("10", "9"), table.feeds_of("toy"), kept]))
"""


@pytest.fixture(name="copy")
def copy_with_toy(tmp_path: Path) -> Copy:
    """A copy of the plugins with one kind more."""
    copy = Copy(tmp_path / "copy")
    copy.add("_packages/toy.py", TOY)
    copy.enter("_packages/table.py", (")\nfrom .kinds", "    toy,"), ("    )\n}", "        toy.KIND,"))
    return copy


@pytest.fixture(name="root")
def root_with_toys(tmp_path: Path) -> Path:
    """A root folder with two packages of that kind."""
    root = tmp_path / "root"
    (root / "var/lib/toy").mkdir(parents=True)
    (root / "var/lib/toy/installed").write_text("spoon 2.1\nfork 10\n")
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text("ID=toybox\n")
    return root


def test_a_kind_is_one_file_and_its_entry(copy: Copy, root: Path) -> None:
    pytest.importorskip("ansible", reason="the stage oldest-python has no ansible-core")
    read = copy.module("rpm_info", {"path": str(root)})
    assert [package["nevra"] for package in read["packages"]] == ["fork-0:10-1.noarch", "spoon-0:2.1-1.noarch"]


def test_a_kind_is_in_the_program_of_the_pods(copy: Copy, root: Path, tmp_path: Path) -> None:
    bundle = str(tmp_path / "program.pyz")
    copy.python(BUNDLE, bundle)
    values, order, feeds, kept = copy.python(LOOK, bundle, str(root))
    assert (values["kind"], values["problems"], values["database"]["rows"]) == ("toy", [], 2)
    assert [package["name"] for package in values["packages"]] == ["fork", "spoon"]
    assert (order, feeds, kept) == (1, ["osv"], ["*.json", "*.toy"]), "both kinds' patterns of one folder are kept"
    (root / "etc/os-release").unlink()
    values, *_rest = copy.python(LOOK, bundle, str(root))
    assert [entry["code"] for entry in values["problems"]] == ["os-release-missing"]


def test_what_is_counted_has_neither_feeds_nor_order() -> None:
    assert [feeds_of(name) for name in ("dpkg", "apk", "static", "unknown")] == [()] * 4
    with pytest.raises(InputError, match="versions of dpkg packages cannot be compared"):
        scheme_of("dpkg")


@pytest.mark.parametrize("item", PACKAGE_KINDS.values(), ids=list(PACKAGE_KINDS))
def test_every_kind_is_kept_and_documented(item: PackageKind) -> None:
    assert PACKAGE_KINDS[item.name] is item
    assert item.wanted.files <= WANTED.files
    assert set(item.wanted.folders) <= set(WANTED.folders)
    assert item.wanted.layer_folders <= WANTED.layer_folders
    assert bool(item.scheme) == bool(item.feeds)
    feeds = ", ".join(f"`{name}`" for name in item.feeds) or "none: counted, not examined"
    lines = (CHECKOUT / "docs/matching.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith(f"| `{item.name}` |")]
    assert [row[3] for row in rows] == [feeds]
    places = {path.rpartition("/")[0] for path in item.wanted.files if not path.startswith("usr/lib/sysimage/libdnf5")}
    assert any(f"`{place}" in rows[0][2] for place in places), rows
