# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the data files for AWX name is there: variables, playbooks, credentials, options of modules."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
ROLE = CHECKOUT / "roles" / "controller"
PROJECT = CHECKOUT / "examples" / "controller" / "project"
SHIPPED = ROLE / "files" / "objects.yml"
FILES = [SHIPPED, CHECKOUT / "examples" / "controller" / "objects.yml"]
#: Options that come from elsewhere than the data file.
ADDED = {"survey_enabled", "inputs", "update_secrets", "lookup_organization"}


class Loader(yaml.SafeLoader):
    """Reads text that Ansible does not template."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(t.cast("yaml.ScalarNode", node)))


def read(path: Path) -> t.Any:
    """A YAML file."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def variables_of(role: str) -> set[str]:
    """Variables that a role knows."""
    return set(read(CHECKOUT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"])


def shared() -> set[str]:
    """Variables that several roles take their defaults from."""
    text = "".join(path.read_text(encoding="utf-8") for path in CHECKOUT.glob("roles/*/defaults/main.yml"))
    return set(re.findall(r"\b(imagescan_\w+)", text))


def known_to(playbook: str) -> set[str]:
    """Variables that a playbook of the project uses, by the roles and lines of the one that it imports."""
    imported = read(PROJECT / playbook)[0]["ansible.builtin.import_playbook"]
    assert imported.startswith("imagescan.openshift.")
    text = (CHECKOUT / "playbooks" / f"{imported.rpartition('.')[2]}.yml").read_text(encoding="utf-8")
    roles = set(re.findall(r"(?:role|name): imagescan\.openshift\.(\w+)$", text, re.MULTILINE))
    assert roles
    return shared() | set(re.findall(r"\b(\w+) \| default\(''\)", text)) | set().union(*map(variables_of, roles))


def variables_in(value: t.Any) -> set[str]:
    """Names in extra variables: a dictionary, or the text of an expression that makes one."""
    if isinstance(value, dict):
        return set(value)
    return set(re.findall(r"'(\w+)':", value or ""))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_what_a_job_template_gives_and_asks_for_is_a_variable_of_its_playbook(path: Path) -> None:
    templates = read(path)["job_templates"]
    assert len(templates) >= 2
    for template in templates:
        known = known_to(template["playbook"])
        asked = {one["variable"] for one in template["survey_spec"]["spec"]}
        assert asked
        assert asked <= known, (template["name"], asked - known)
        given = variables_in(template["extra_vars"])
        assert given
        assert given <= known, (template["name"], given - known)


def test_what_credentials_inject_is_a_variable_of_the_roles_or_of_the_modules() -> None:
    modules = (CHECKOUT / "plugins/module_utils/_ansible/argument_specs.py").read_text(encoding="utf-8")
    injected: set[str] = set()
    for kind in read(SHIPPED)["credential_types"]:
        fields = {one["id"] for one in kind["inputs"]["fields"]}
        assert set(kind["inputs"]["required"]) <= fields
        used = re.findall(r"{{ (\w+) }}", str(kind["injectors"]))
        assert set(used) == fields
        variables = set(kind["injectors"].get("extra_vars", ()))
        assert variables <= variables_of("scan") | shared()
        environ = set(kind["injectors"].get("env", ()))
        assert all(f'env_fallback, ["{name}"]' in modules for name in environ)
        injected |= variables | environ
    assert injected == {"scan_kubeconfigs", "REGISTRY_AUTH_FILE", "IMAGESCAN_STORE_PASSWORD", "imagescan_store"}


def test_the_shipped_file_names_nothing_that_it_does_not_make() -> None:
    data = read(SHIPPED)
    names = {
        kind: {one["name"] for one in found if "name" in one} for kind, found in data.items() if isinstance(found, list)
    }
    types = {"OpenShift or Kubernetes API Bearer Token"} | names["credential_types"]
    assert {one["credential_type"] for one in data["credentials"]} <= types
    for template in data["job_templates"]:
        assert set(template["credentials"]) <= names["credentials"]
        assert (template["project"], template["inventory"]) == ("imagescan", "imagescan")
    nodes = {one["identifier"] for one in data["workflow_nodes"]}
    for node in data["workflow_nodes"]:
        assert ("approval_node" in node) != (node.get("unified_job_template") in names["job_templates"])
        assert {other for key in ("always_nodes", "success_nodes") for other in node.get(key, ())} <= nodes
    # Where a schedule looks for one of these, it looks among all of them.
    unified = [*names["job_templates"], *names["workflow_job_templates"], *names["projects"]]
    assert len(unified) == len(set(unified))
    assert {one["unified_job_template"] for one in data["schedules"]} <= set(unified)


def test_what_nodes_of_the_workflow_give_is_asked_for() -> None:
    """The controller ignores what no survey of the template asks for."""
    data = read(SHIPPED)
    asked = {
        one["name"]: {question["variable"] for question in one["survey_spec"]["spec"]} for one in data["job_templates"]
    }
    given = [node for node in data["workflow_nodes"] if node.get("extra_data")]
    assert len(given) == 3
    for node in given:
        assert set(node["extra_data"]) <= asked[node["unified_job_template"]]


def test_no_data_file_holds_a_secret() -> None:
    for path in FILES:
        data = read(path)
        assert all("inputs" not in one for one in data.get("credentials", ()))
        assert not re.search(r"password:|token:", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", ["controller.yml", "secrets.yml"])
def test_the_example_gives_what_the_role_knows(file: str) -> None:
    given = read(CHECKOUT / "examples" / "controller" / file)
    assert {name for name in given if name.startswith("controller_")} <= variables_of("controller")
    assert set(given.get("controller_scan_variables", {})) <= variables_of("scan")
    credentials = {one["name"] for one in read(SHIPPED)["credentials"]}
    assert set(given.get("controller_secrets", credentials)) == credentials


def test_the_tasks_give_every_option_that_an_object_may_have() -> None:
    allowed = read(ROLE / "vars" / "main.yml")["controller__options"]
    given: dict[str, set[str]] = {}
    for task in read(ROLE / "tasks" / "present.yml"):
        if "action" in task:
            kind = re.search(r"controller__data\.(\w+) ", task["loop"])
            assert kind, task["name"]
            given[kind[1]] = given.get(kind[1], set()) | (set(task["args"]) - ADDED)
    # The types' own key of that name.
    given["credential_types"].add("inputs")
    assert given == {kind: set(options) for kind, options in allowed.items()}


def test_all_kinds_are_removed_that_do_not_go_with_another() -> None:
    variables = read(ROLE / "vars" / "main.yml")
    removed = [one["key"] for one in variables["controller__removed"]]
    assert set(removed) == set(variables["controller__options"]) - {"hosts", "schedules", "workflow_nodes"}
    assert removed[-1] == "organizations"
