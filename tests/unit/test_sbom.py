# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SBOM of the collection: CycloneDX by its schema, with what requirements.lock has and nothing else."""

from __future__ import annotations

import importlib
import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

CHECKOUT = Path(__file__).resolve().parents[2]
#: A package of a lock, its marker, and its hashes.
ENTRY = re.compile(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+?))?((?: \\\n\s+--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def sbom() -> t.Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHECKOUT / "tests" / "tools"))
        return importlib.import_module("sbom")


@pytest.fixture(scope="module")
def text(sbom: t.Any) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        return str(sbom.document())


def test_it_is_cyclonedx_by_the_schema(text: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"library"', '"librarian"')) is not None
    assert json.loads(text)["specVersion"] == "1.6"


def test_it_is_of_the_collection(text: str) -> None:
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    about = json.loads(text)["metadata"]
    assert about["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert (about["component"]["name"], about["component"]["version"]) == ("imagescan.openshift", galaxy["version"])
    assert about["component"]["licenses"] == [{"expression": "GPL-3.0-or-later"}]


def test_its_components_are_those_of_the_lock(text: str) -> None:
    document = json.loads(text)
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    entries = [match.groups(default="") for match in ENTRY.finditer(lock)]
    assert len(entries) == sum("==" in line.partition(";")[0] for line in lock.splitlines()) > 20
    purls = {f"pkg:pypi/{name}@{version}": marker.replace("'", '"') for name, version, marker, _ in entries}
    found = {one["purl"]: one.get("properties", [{"value": ""}])[0]["value"] for one in document["components"]}
    assert found == purls
    assert len(document["components"]) == len(entries)
    assert [(one["name"], one["version"]) for one in document["components"]] == [entry[:2] for entry in entries]
    (dependency,) = document["dependencies"]
    assert dependency["ref"] == document["metadata"]["component"]["bom-ref"]
    assert set(dependency["dependsOn"]) == set(purls)


def test_a_package_has_a_hash_if_it_has_one_file(sbom: t.Any) -> None:
    one, two = (f"{name}==1 \\\n    --hash=sha256:{'ab' * 32}" for name in ("one", "two"))
    first, second = sbom.components(f"{one}\n{two} \\\n    --hash=sha256:{'cd' * 32}\n")
    assert [str(each.content) for each in first.hashes] == ["ab" * 32]
    assert not second.hashes


def test_the_same_input_gives_the_same_document(sbom: t.Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert sbom.document() == text
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000001")
    assert sbom.document() != text
