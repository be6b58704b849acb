# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is without a test, and options that are described once are described as they are."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils import _argument_specs

CHECKOUT = Path(__file__).resolve().parents[2]
TARGETS = CHECKOUT / "tests" / "integration" / "targets"
KINDS = {
    "plugins/modules/*.py": "",
    "plugins/filter/*.py": "filter_",
    "roles/*": "role_",
    "playbooks/*.yml": "playbook_",
}
FRAGMENTS = ("store", "tls", "registry_access", "platforms", "cluster")


def content() -> list[str]:
    """The integration target that each module, filter, role and playbook must have."""
    return sorted(prefix + path.stem for pattern, prefix in KINDS.items() for path in CHECKOUT.glob(pattern))


@pytest.mark.parametrize("name", content())
def test_everything_has_an_integration_target(name: str) -> None:
    tests = [TARGETS / name / "tasks" / "main.yml", TARGETS / name / "runme.sh"]
    assert any(path.is_file() for path in tests)


@pytest.mark.parametrize("name", [path.stem for path in sorted((CHECKOUT / "plugins/modules").glob("*.py"))])
def test_every_module_is_tested_in_check_mode_and_again(name: str) -> None:
    text = (TARGETS / name / "tasks" / "test.yml").read_text(encoding="utf-8")
    assert "check_mode: true" in text
    assert "again" in text
    assert "Give input that is wrong" in text


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_describes_what_its_options_are(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.imagescan.openshift.plugins.doc_fragments.{name}")
    described = yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]
    options = getattr(_argument_specs, name)()
    assert set(described) == set(options)
    for option, spec in options.items():
        documented = {key: described[option].get(key) for key in ("type", "elements", "default", "required", "aliases")}
        assert documented == {key: spec.get(key) for key in documented}, option


def test_every_variable_of_the_role_is_described_and_has_its_type() -> None:
    role = CHECKOUT / "roles" / "scan"
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    normalised = (role / "vars/main.yml").read_text(encoding="utf-8")
    assert set(defaults) == set(specs["argument_specs"]["main"]["options"])
    for variable in set(defaults) - {"scan_store_password", "scan_api_key", "scan_password"}:
        assert f"{{{{ {variable} | imagescan.openshift.survey_value(" in normalised


def test_nothing_is_read_from_folders_that_are_not_there_at_run_time() -> None:
    for folder in ("plugins", "roles", "playbooks"):
        for path in (CHECKOUT / folder).rglob("*"):
            if path.suffix in (".py", ".yml"):
                text = path.read_text(encoding="utf-8")
                assert not any(f"{name}/" in text for name in ("examples", "tests/unit", "docs/docsite")), path
