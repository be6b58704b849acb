# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is without a test, and options that are described once are described as they are."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs

CHECKOUT = Path(__file__).resolve().parents[2]
TARGETS = CHECKOUT / "tests" / "integration" / "targets"
KINDS = {
    "plugins/modules/*.py": "",
    "plugins/filter/*.py": "filter_",
    "plugins/lookup/*.py": "lookup_",
    "roles/*": "role_",
    "playbooks/*.yml": "playbook_",
}
#: What does nothing without a cluster -> its test in tests/cluster, and how that calls it. No integration target: the
#: stage ``cluster`` runs these.
ON_A_CLUSTER = {
    "access_info": ("test_setup.py", 'call("access_info"'),
    "cluster_objects": ("test_objects.py", '"cluster_objects"'),
    "cluster_objects_info": ("test_objects.py", '"cluster_objects_info"'),
    "service_account_kubeconfig": ("test_setup.py", '"service_account_kubeconfig"'),
    "role_setup": ("test_setup.py", 'do("setup")'),
    "playbook_setup": ("test_setup.py", 'do("setup")'),
    "playbook_teardown": ("test_setup.py", 'do("teardown")'),
    "enforcement_lists": ("test_role_enforce.py", '"enforcement_lists"'),
    "role_enforce": ("test_role_enforce.py", 'do("enforce")'),
    "playbook_enforce": ("test_role_enforce.py", 'do("enforce")'),
    "enforcement_info": ("test_drill.py", '"imagescan.openshift.enforcement_info"'),
    "playbook_unflag": ("test_flagging.py", 'play(place.cluster, "unflag"'),
    "playbook_drift": ("test_flagging.py", 'play(place.cluster, "drift"'),
    "playbook_clusters": ("test_clusters.py", 'examples("clusters", "many_clusters")'),
    "playbook_drill": ("test_drill.py", 'play(place.cluster, "drill"'),
}
ROLES = [path.name for path in sorted((CHECKOUT / "roles").iterdir())]
#: Variables of roles that a filter's error must not show.
SECRETS = ("store_password", "api_key", "password", "secrets")
FRAGMENTS = ("store", "tls", "registry_access", "platforms", "cluster", "exceptions")


def content() -> list[str]:
    """The integration target that each module, filter, lookup, role and playbook must have."""
    return sorted(prefix + path.stem for pattern, prefix in KINDS.items() for path in CHECKOUT.glob(pattern))


def modules() -> list[str]:
    """Modules with an integration target."""
    return [path.stem for path in sorted((CHECKOUT / "plugins/modules").glob("*.py")) if path.stem not in ON_A_CLUSTER]


@pytest.mark.parametrize("name", sorted(set(content()) - set(ON_A_CLUSTER)))
def test_everything_has_an_integration_target(name: str) -> None:
    tests = [TARGETS / name / "tasks" / "main.yml", TARGETS / name / "runme.sh"]
    assert any(path.is_file() for path in tests)


@pytest.mark.parametrize("name", ROLES)
def test_every_role_has_a_molecule_scenario(name: str) -> None:
    scenario = CHECKOUT / "extensions" / "molecule" / name
    settings = yaml.safe_load((scenario / "molecule.yml").read_text(encoding="utf-8"))
    assert {"check", "converge", "idempotence", "verify"} <= set(settings["scenario"]["test_sequence"])
    converge = yaml.safe_load((scenario / "converge.yml").read_text(encoding="utf-8"))
    assert f"imagescan.openshift.{name}" in {role["role"] for play in converge for role in play["roles"]}


@pytest.mark.parametrize("name", sorted(ON_A_CLUSTER))
def test_what_needs_a_cluster_is_tested_on_one(name: str) -> None:
    assert name in content()
    assert not (TARGETS / name).exists(), "it has a target; take it off the list"
    file, call = ON_A_CLUSTER[name]
    text = (CHECKOUT / "tests/cluster" / file).read_text(encoding="utf-8")
    assert call in text
    assert "check" in text
    assert "again" in text
    assert "\ndef test_" in text


def test_the_tests_on_a_cluster_are_part_of_make_test() -> None:
    stages = (CHECKOUT / "tests/tools/suite.py").read_text(encoding="utf-8")
    always = stages.partition("\nSTAGES")[2].partition("\n}")[0]
    assert '"cluster": stage_cluster' in always
    assert '["tests/cluster"]' in stages


@pytest.mark.parametrize("name", modules())
def test_every_module_is_tested_in_check_mode_and_again(name: str) -> None:
    text = (TARGETS / name / "tasks" / "test.yml").read_text(encoding="utf-8")
    assert "check_mode: true" in text
    assert "again" in text
    assert "Give input that is wrong" in text


@pytest.mark.parametrize("name", modules())
def test_no_result_has_a_name_that_means_something_to_ansible(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.imagescan.openshift.plugins.modules.{name}")
    ours = set(yaml.safe_load(module.RETURN) or {})
    assert not ours & {"skipped", "failed", "changed", "results", "warnings", "diff", "msg", "exception"}


@pytest.mark.parametrize("path", sorted((CHECKOUT / "plugins/modules").glob("*.py")), ids=lambda path: path.stem)
def test_a_module_is_documentation_a_spec_and_one_call(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    documented = [
        node.end_lineno or 0
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("DOCUMENTATION", "EXAMPLES", "RETURN")
    ]
    assert len(documented) == 3
    code = [line for line in text.splitlines()[max(documented) :] if line.strip()]
    assert len(code) <= 60, "move what it does into its service in module_utils/_ansible"


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_describes_what_its_options_are(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.imagescan.openshift.plugins.doc_fragments.{name}")
    described = yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]
    options = getattr(argument_specs, name)()
    assert set(described) == set(options)
    for option, spec in options.items():
        documented = {key: described[option].get(key) for key in ("type", "elements", "default", "required", "aliases")}
        assert documented == {key: spec.get(key) for key in documented}, option


@pytest.mark.parametrize("name", ROLES)
def test_every_variable_of_a_role_is_described_and_has_its_type(name: str) -> None:
    role = CHECKOUT / "roles" / name
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    normalised = " ".join(next((role / "vars").rglob("main.yml")).read_text(encoding="utf-8").split())
    assert set(defaults) == set(specs["argument_specs"]["main"]["options"])
    # Passwords stay as they are: a filter's error would show them.
    for variable in set(defaults) - {f"{name}_{secret}" for secret in SECRETS}:
        is_group = f"query('imagescan.openshift.option_group', '{variable}')" in normalised
        assert is_group or f"{{{{ {variable} | imagescan.openshift.survey_value(" in normalised


@pytest.mark.parametrize(
    ("tasks", "module"), [("discover", "image_info"), ("scan", "image_scan"), ("flag", "image_flag")]
)
def test_the_role_gives_every_option_of_its_modules(tasks: str, module: str) -> None:
    role = CHECKOUT / "roles" / "scan" / "tasks"
    given: set[str] = set()
    for task in yaml.safe_load((role / f"{tasks}.yml").read_text(encoding="utf-8")):
        for one in (task, *task.get("block", ())):
            given |= set(one.get(f"imagescan.openshift.{module}", ()))
    for task in yaml.safe_load((role / "main.yml").read_text(encoding="utf-8")):
        given |= set(task.get("module_defaults", {}).get("group/imagescan.openshift.cluster", ()))
    source = importlib.import_module(f"ansible_collections.imagescan.openshift.plugins.modules.{module}")
    documented = yaml.safe_load(source.DOCUMENTATION)
    options = set(documented["options"])
    for name in documented["extends_documentation_fragment"]:
        fragment = name.rpartition(".")[2]
        if fragment in FRAGMENTS:
            options |= set(getattr(argument_specs, fragment)())
    assert given <= options
    # What fails a run is applied in its last step. The rest is for kubernetes.core alone.
    assert options - given <= {"fail_on", "persist_config", "proxy_headers"}


def test_nothing_is_read_from_folders_that_are_not_there_at_run_time() -> None:
    for folder in ("plugins", "roles", "playbooks"):
        for path in (CHECKOUT / folder).rglob("*"):
            if path.suffix in (".py", ".yml"):
                text = path.read_text(encoding="utf-8")
                assert not any(f"{name}/" in text for name in ("examples", "tests/unit", "docs/docsite")), path
