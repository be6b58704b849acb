# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of sources of images: a new one is a file and an entry, and each is documented as it is."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="the stage oldest-python has the standard library alone")

# Below it, since they need ansible-core, which brings yaml.
from ansible_collections.imagescan.openshift.extensions.eda.plugins.event_source import images as event_source  # noqa: E402
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.model import DiscoverySource  # noqa: E402
from ansible_collections.imagescan.openshift.plugins.module_utils._discovery.source.table import SOURCES, WATCHED  # noqa: E402
from ansible_collections.imagescan.openshift.plugins.modules import image_info  # noqa: E402
from ansible_collections.imagescan.openshift.tests.support.seams import CHECKOUT, Copy  # noqa: E402

TOY = """
from __future__ import annotations

from ..._core.errors import InputError
from ..._scanner.targets import canonical_name
from ..model import NamedImage
from .model import DiscoverySource, Gathered


def parse(options, params):
    if options["letters"] < 1:
        raise InputError("toy.letters is too small")
    return options["letters"]


def gather(letters, access):
    names = [f"registry.example.com/toy@sha256:{letter * 64}" for letter in "abc"[:letters]]
    return Gathered([NamedImage(canonical_name(name), "toy", name.partition("@")[2]) for name in names])


SOURCE = DiscoverySource(
    "toy", {"type": "dict", "options": {"letters": {"type": "int", "default": 2}}}, gather, parse
)
"""
DESCRIBED = yaml.safe_load(image_info.DOCUMENTATION)["options"]


def test_a_source_is_one_file_and_its_entry(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    copy.add("_discovery/source/toy.py", TOY)
    copy.enter(
        "_discovery/source/table.py",
        ("    workloads,\n)", "    toy,"),
        ("        workloads.SOURCE,\n", "        toy.SOURCE,"),
    )
    options = {"ask_registries": False, "references": ["registry.example.com/app:1"]}
    # With the defaults of its option, beside another source, which asks nobody.
    result = copy.module("image_info", {**options, "sources": ["toy", "references"]})
    assert [(image["digest"][7:9], image["sources"]) for image in result["images"]] == [
        ("aa", ["toy"]),
        ("bb", ["toy"]),
    ]
    assert [problem["source"] for problem in result["unidentified"]] == ["references"]
    # With its option and without the list of sources.
    assert copy.module("image_info", {"ask_registries": False, "toy": {"letters": 3}})["count"] == 3


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_documented(name: str) -> None:
    assert DESCRIBED["sources"]["choices"] == list(SOURCES)
    described(DESCRIBED[name], SOURCES[name].argument_spec)
    specification = (CHECKOUT / "roles/scan/meta/argument_specs.yml").read_text(encoding="utf-8")
    role = yaml.safe_load(specification)["argument_specs"]["main"]["options"]
    assert f"scan_{name}" in role
    assert set(re.findall(r"V\((\w+)\)", role["scan_sources"]["description"][0])) == set(SOURCES)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.in_cluster])
def test_the_role_has_an_account_for_every_source_in_a_cluster(name: str) -> None:
    variables = (CHECKOUT / "roles/scan/vars/main.yml").read_text(encoding="utf-8")
    assert f"'{name}' in scan__sources or scan__{name} | length > 0" in variables


def described(description: dict[str, t.Any], spec: t.Mapping[str, t.Any]) -> None:
    """Compare the description of an option with its argument spec, and those inside of it."""
    keys = ("type", "elements", "default", "required", "choices")
    assert {key: description.get(key) for key in keys} == {key: spec.get(key) for key in keys}
    inner, options = description.get("suboptions", {}), spec.get("options", {})
    assert set(inner) == set(options)
    for name, option in options.items():
        described(inner[name], option)


def test_the_event_source_offers_every_kind_that_tells_of_images() -> None:
    description = yaml.safe_load(event_source.DOCUMENTATION)["options"]["watch"]
    assert description["choices"] == list(WATCHED)
    assert set(re.findall(r"V\((\w+)\)", " ".join(description["description"]))) == set(WATCHED)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_a_source_finds_is_under_its_name(source: DiscoverySource) -> None:
    assert source.argument_spec["type"] == ("dict" if source.has_defaults else "list")
    assert source.in_cluster or not (source.tells_use or source.watch)
