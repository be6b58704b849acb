# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt variables of roles are found, and what is none of a role's variables is left alone."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible_collections.imagescan.openshift.plugins.lookup.unknown_variables import LookupModule
from ansible_collections.imagescan.openshift.plugins.plugin_utils._variables import (
    OTHERS,
    ROLES,
    SHARED,
    unknown_of_role,
)

NAMES = sorted(path.name for path in ROLES.iterdir())


class Templar:
    """Gives variables as they are."""

    def template(self, value: t.Any, **_options: t.Any) -> t.Any:
        return value


def lookup() -> LookupModule:
    return LookupModule(templar=Templar())


def unknown(role: str, **variables: t.Any) -> list[str]:
    return lookup().run([role], variables)


@pytest.mark.parametrize(
    ("role", "name", "meant"),
    [
        ("scan", "scan_referenzes", "scan_references"),
        ("scan", "scan_fail_no", "scan_fail_on"),
        ("scan", "scan_policy", "scan_policies"),
        ("scan", "scan_Policies", "scan_policies"),
        ("feed", "feed_signature_keys", "feed_signature_key"),
        ("setup", "setup_kubeconfg_dir", "setup_kubeconfig_dir"),
        ("enforce", "enforce_namespace", "enforce_namespaces"),
        ("schedule", "schedule_calender", "schedule_calendar"),
        ("controller", "controller_organisation", "controller_organization"),
    ],
)
@pytest.mark.parametrize("value", ["x", "", None, [], {"changed": True}], ids=repr)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(
    role: str, name: str, meant: str, value: t.Any
) -> None:
    assert unknown(role, **{name: value}) == [f"the role {role} has no variable {name}; did you mean '{meant}'?"]


def test_what_resembles_nothing_is_named_too() -> None:
    assert unknown("scan", scan_xyzzy=1, scan_qwertz=1) == [
        "the role scan has no variable scan_qwertz",
        "the role scan has no variable scan_xyzzy",
    ]


@pytest.mark.parametrize(
    "name",
    ["sacn_references", "Scan_references", "scan-references", "scanreferences", "scans_references", "scanr_eferences"],
)
def test_the_prefix_may_be_misspelt_too(name: str) -> None:
    assert unknown("scan", **{name: "x"}) == [f"the role scan has no variable {name}; did you mean 'scan_references'?"]


@pytest.mark.parametrize("name", ["seed_dir", "scheduler_timezone", "myscan_dir", "scandal", "span", "dir"])
def test_what_others_call_alike_is_left_alone(name: str) -> None:
    assert lookup().run(NAMES, {name: "x"}) == []


def test_what_roles_share_is_misspelt_once() -> None:
    text = "the roles have no variable imagescan_stoer; did you mean 'imagescan_store'?"
    assert lookup().run(["scan", "feed"], {"imagescan_stoer": "x"}) == [text]
    assert lookup().run(["setup"], {"imagscan_dir": "x"}) == [
        "the roles have no variable imagscan_dir; did you mean 'imagescan_dir'?"
    ]


def test_everything_that_is_read_with_the_shared_prefix_is_known() -> None:
    read: set[str] = set()
    top = ROLES.parent
    for pattern in (
        "roles/*/defaults/main.yml",
        "roles/*/files/*.yml",
        "playbooks/*.yml",
        "extensions/eda/rulebooks/*.yml",
    ):
        for path in top.glob(pattern):
            code = re.sub(r"(?m)^ *#.*$", "", path.read_text(encoding="utf-8"))
            read |= set(re.findall(r"(?<![\w.-])imagescan_[a-z_]+", code))
    assert {"imagescan_dir", "imagescan_event_steps", "imagescan_provider"} <= read <= SHARED


@pytest.mark.parametrize("role", NAMES)
def test_the_options_of_a_role_and_what_is_its_own_are_known(role: str) -> None:
    text = (ROLES / role / "defaults/main.yml").read_text(encoding="utf-8")
    own = yaml.safe_load(next((ROLES / role / "vars").rglob("main.yml")).read_text(encoding="utf-8"))
    assert unknown_of_role(role, {**yaml.safe_load(text), **own}) == []


@pytest.mark.parametrize(
    "value",
    [
        {"changed": False, "failed": False, "stdout": ""},
        {"changed": True, "results": [{"item": 1}], "msg": "All items completed"},
        {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"},
    ],
)
def test_results_of_tasks_are_no_variables_of_a_role(value: t.Any) -> None:
    assert unknown("scan", scan_result=value) == []


def test_variables_of_loops_are_none_either() -> None:
    assert unknown("scan", scan_target="a", scan_number=1, ansible_loop_var="scan_target") == [
        "the role scan has no variable scan_number"
    ]
    loop = {"ansible_loop_var": "scan_target", "ansible_index_var": "scan_number"}
    assert unknown("scan", scan_target="a", scan_number=1, **loop) == []


def test_variables_of_others_are_left_alone() -> None:
    assert unknown("scan", scanner_image=1, feed_sauce=1, imagescan_dir="x", myscan_x=1, scan=1) == []
    assert unknown("feed", feed_export_dest="x", feed_indexes=[]) == []


def test_everything_that_is_handed_on_in_a_workflow_is_known() -> None:
    """AWX gives it to the next job as variables, which must not be refused there."""
    found: dict[str, set[str]] = {}
    for path in [*ROLES.rglob("tasks/*.yml"), *(ROLES.parent / "playbooks").glob("*.yml")]:
        for block in re.findall(
            r"set_stats:\n\s+data:\n(.*?)\n\s+(?:per_host|aggregate):", path.read_text(), re.DOTALL
        ):
            names = re.findall(r"^\s+([a-z][a-z_]+):", block, re.MULTILINE)
            for name in names:
                found.setdefault(name.partition("_")[0], set()).add(name)
    assert {"scan", "feed", "schedule"} <= set(found)
    for role in set(found) & set(NAMES):
        assert unknown(role, **dict.fromkeys(found[role], "x")) == [], role
        assert found[role] <= set(OTHERS[role])


@pytest.mark.parametrize("role", NAMES)
def test_every_role_refuses_them_before_anything_else(role: str) -> None:
    tasks = yaml.safe_load((ROLES / role / "tasks/main.yml").read_text(encoding="utf-8"))
    assert f"query('imagescan.openshift.unknown_variables', '{role}')" in str(tasks[0])


@pytest.mark.parametrize("role", ["", "nothing", "../scan", "scan/../scan", 1])
def test_a_role_that_is_not_there_is_an_error(role: str) -> None:
    with pytest.raises(AnsibleError, match="has no role"):
        lookup().run([role], {})
    assert not (Path("nothing")).exists()


def test_in_a_dictionary_for_a_role_every_name_is_one_of_its_variables() -> None:
    given = {
        "scan_dir": "/x",
        "imagescan_store": "y",
        "scan_reference": "a",
        "stor": "z",
        "sacn_index": "i",
        "scan_method": "jbo",
    }
    assert lookup().run(["scan"], {"scan_fial_on": "x"}, given=given) == [
        "the role scan has no variable sacn_index; did you mean 'scan_index'?",
        "the role scan has no variable scan_reference; did you mean 'scan_references'?",
        "the role scan has no variable stor; did you mean 'scan_store'?",
        "scan_method: jbo is not possible; expected local, job or image_volume; did you mean 'job'?",
    ]
    assert lookup().run(["scan"], {"scan_fial_on": "x"}, given={}) == []
