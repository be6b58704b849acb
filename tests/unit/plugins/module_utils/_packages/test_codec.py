# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories survive JSON, and nothing else is taken for one."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Problem
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.codec import (
    inventory_from_dict,
    inventory_to_dict,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    SCHEMA_VERSION,
    Inventory,
    OsRelease,
    Package,
    PackageDatabase,
    RepositoryId,
)
from hypothesis import given
from hypothesis import strategies as st

FULL = Inventory(
    kind="rpm",
    os=OsRelease("rhel", "9.4", "Red Hat", "Red Hat 9", ("fedora",), "cpe:/o:redhat:enterprise_linux:9", "server"),
    packages=(
        Package("a", None, "1", "2", "noarch"),
        Package("a", 0, "1", "2", "noarch"),
        Package("b", 3, "1", "2", "x86_64", "b.src.rpm", "v", "0" * 16, "m:s:v:c", "MIT", 5, 6, "baseos"),
    ),
    database=PackageDatabase("var/lib/rpm/Packages", "bdb", 3),
    repositories=(RepositoryId("baseos", "content_manifest"),),
    label_cpes=("cpe:/a:x:y",),
    labels={"z": "1", "a": "2"},
    not_examined={"jar": 2},
    problems=(Problem("rpmdb-empty", "it is empty"),),
)
EMPTY = Inventory("static", OsRelease(), (), None, (), (), {}, {}, ())


@pytest.mark.parametrize("inventory", [FULL, EMPTY])
def test_back_and_forth(inventory: Inventory) -> None:
    text = json.dumps(inventory_to_dict(inventory))
    assert inventory_from_dict(json.loads(text)) == inventory
    assert json.dumps(inventory_to_dict(inventory_from_dict(json.loads(text)))) == text


TEXTS = st.text(max_size=5)
PACKAGES = st.builds(
    Package, TEXTS, st.none() | st.integers(0, 9), TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS,
    st.integers(0, 9), st.integers(0, 9), TEXTS,
)  # fmt: skip


@given(st.lists(PACKAGES, max_size=4))
def test_every_package_back_and_forth(packages: list[Package]) -> None:
    inventory = Inventory("rpm", OsRelease(), tuple(packages), None, (), (), {}, {}, ())
    assert inventory_from_dict(json.loads(json.dumps(inventory_to_dict(inventory)))) == inventory


def test_a_newer_version_is_refused() -> None:
    value = {**inventory_to_dict(FULL), "schema_version": SCHEMA_VERSION + 1, "new": 1}
    with pytest.raises(CorruptData) as caught:
        inventory_from_dict(value)
    assert caught.value.code == "inventory-too-new"


def edits() -> dict[str, t.Callable[[dict[str, t.Any]], object]]:
    return {
        "no version": lambda v: v.pop("schema_version"),
        "version as text": lambda v: v.update(schema_version="1"),
        "version as truth": lambda v: v.update(schema_version=True),
        "missing field": lambda v: v.pop("problems"),
        "unknown field": lambda v: v.update(surprise=1),
        "unknown kind": lambda v: v.update(kind="flatpak"),
        "kind as number": lambda v: v.update(kind=1),
        "packages as object": lambda v: v.update(packages={}),
        "package as text": lambda v: v["packages"].append("bash"),
        "package without release": lambda v: v["packages"][0].pop("release"),
        "package with unknown field": lambda v: v["packages"][0].update(colour="red"),
        "epoch as text": lambda v: v["packages"][0].update(epoch="1"),
        "epoch as null": lambda v: v["packages"][0].update(epoch=None),
        "negative size": lambda v: v["packages"][0].update(size=-1),
        "os without id": lambda v: v["os"].pop("id"),
        "os id_like as text": lambda v: v["os"].update(id_like="fedora"),
        "database as list": lambda v: v.update(database=[]),
        "rows as text": lambda v: v["database"].update(rows="3"),
        "label as number": lambda v: v["labels"].update(x=1),
        "count as truth": lambda v: v["not_examined"].update(jar=True),
        "problem without code": lambda v: v["problems"][0].pop("code"),
        "repository as text": lambda v: v["repositories"].append("x"),
    }


@pytest.mark.parametrize("name", edits())
def test_anything_else_is_refused(name: str) -> None:
    value = copy.deepcopy(inventory_to_dict(FULL))
    edits()[name](value)
    with pytest.raises(CorruptData):
        inventory_from_dict(value)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(CorruptData):
        inventory_from_dict(value)
