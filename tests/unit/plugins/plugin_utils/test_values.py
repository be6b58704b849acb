# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that a variable cannot have are told, and whatever a survey may give is not."""

from __future__ import annotations

import importlib
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible_collections.imagescan.openshift.plugins.plugin_utils._values import (
    CHOICES,
    OPTIONS,
    types_of,
    wrong_values,
)
from ansible_collections.imagescan.openshift.plugins.plugin_utils._variables import ROLES, options_of

NAMES = [path.name for path in ROLES.iterdir()]
#: Variable -> the module and the option that have the same choices.
OF_MODULES = {
    "drill_action": ("enforcement_info", "action"),
    "enforce_action": ("enforcement_info", "action"),
    "feed_feeds.format": ("vulnerability_feed", "format"),
    "feed_state": ("vulnerability_feed", "state"),
    "scan_feed_format": ("vulnerability_feed", "format"),
    "scan_flag_state": ("image_flag", "state"),
    "scan_flag_targets": ("image_flag", "targets"),
    "scan_method": ("image_scan", "method"),
    "scan_report_formats": ("scan_report", "formats"),
    "scan_sources": ("image_info", "sources"),
}


def wrong(role: str, **variables: t.Any) -> list[str]:
    return wrong_values(role, variables, lambda value: value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "scan_method",
            "image-volume",
            "scan_method: image-volume is not possible; expected local, job or image_volume; "
            "did you mean 'image_volume'?",
        ),
        (
            "scan_sources",
            ["workload"],
            "scan_sources: workload is not possible; expected any of references, paths, "
            "registry, openshift, workloads; did you mean 'workloads'?",
        ),
        (
            "scan_steps",
            "scan, jugde",
            "scan_steps: jugde is not possible; expected any of discover, scan, judge, flag, "
            "report; did you mean 'judge'?",
        ),
        (
            "scan_parallel",
            "two",
            "scan_parallel: 'two' is not a whole number: invalid literal for int() with base 10: 'two'",
        ),
        ("scan_in_use", "perhaps", "scan_in_use: 'perhaps' is not a truth value: expected yes or no"),
        ("scan_openshift", "{password: x}", "scan_openshift is not a dictionary"),
        ("scan_pods", {"pod_memry": "1Gi"}, "scan_pods has no option pod_memry; did you mean 'pod_memory'?"),
        (
            "setup_state",
            "absnet",
            "setup_state: absnet is not possible; expected present or absent; did you mean 'absent'?",
        ),
        (
            "feed_feeds",
            [{"url": "u"}, {"indx": "x", "format": "osv"}],
            "feed_feeds, entry 2 has no option indx; did you mean 'index'?",
        ),
        ("scan_kubeconfigs", {"discovr": "x"}, "scan_kubeconfigs has no option discovr; did you mean 'discover'?"),
        ("scan_registry", {"hots": "x"}, "scan_registry, entry 1 has no option hots; did you mean 'host'?"),
        ("enforce_passed_shards", 3, "enforce_passed_shards: 3 is not possible; expected 1, 2, 4, 8 or 16"),
        (
            "schedule_kind",
            "awx",
            "schedule_kind: awx is not possible; expected systemd, cron or cronjob; schedules of AWX "
            "belong to its job templates: imagescan.openshift.controller",
        ),
        (
            "enforce_kubeconfig",
            '{"token": "Kanari3"',
            "enforce_kubeconfig is not a kubeconfig, neither a dictionary nor paths",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(name: str, value: t.Any, text: str) -> None:
    assert wrong(name.partition("_")[0], **{name: value}) == [text]


def test_choices_hold_for_options_in_dictionaries_too() -> None:
    choices = ", ".join(CHOICES["scan_workloads.kinds"])
    assert wrong("scan", scan_workloads={"kinds": ["jobs", "pod"]}) == [
        f"scan_workloads: kinds: pod is not possible; expected any of {choices}; did you mean 'pods'?"
    ]
    assert wrong("feed", feed_feeds=[{"format": "ovs"}])[0].endswith("; did you mean 'osv'?")
    assert wrong("feed", feed_feeds=[{"format": ""}, {"format": None}, {"format": "osv"}]) == []
    assert wrong("scan", scan_workloads={"kinds": "pods, jobs"}) == []


@pytest.mark.parametrize("name", [name for name in CHOICES if name.partition("_")[0] in NAMES and "." not in name])
def test_every_choice_is_taken_and_documented(name: str) -> None:
    role = name.partition("_")[0]
    kind = types_of(role)[name]
    given: list[t.Any] = ["", None, *CHOICES[name]]
    if kind == "list":
        given += [list(CHOICES[name]), ",".join(CHOICES[name]), "\n".join(CHOICES[name]), []]
    assert [wrong(role, **{name: value}) for value in given] == [[]] * len(given)
    assert wrong(role, **{name: "nothing of the kind"}) != []
    spec = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    description = str(spec["argument_specs"]["main"]["options"][name]["description"])
    assert [choice for choice in CHOICES[name] if f"V({choice})" not in description] == []


@pytest.mark.parametrize("name", OF_MODULES)
def test_the_choices_are_those_of_the_module(name: str) -> None:
    module, option = OF_MODULES[name]
    source = importlib.import_module(f"ansible_collections.imagescan.openshift.plugins.modules.{module}")
    assert list(CHOICES[name]) == yaml.safe_load(source.DOCUMENTATION)["options"][option]["choices"]


def documented(module: str) -> dict[str, t.Any]:
    """Options of a module."""
    source = importlib.import_module(f"ansible_collections.imagescan.openshift.plugins.modules.{module}")
    options: dict[str, t.Any] = yaml.safe_load(source.DOCUMENTATION)["options"]
    return options


def test_the_options_of_dictionaries_are_those_of_modules() -> None:
    for name in ("registry", "openshift", "workloads"):
        assert list(OPTIONS[f"scan_{name}"]) == list(documented("image_info")[name]["suboptions"])
    kinds = documented("image_info")["workloads"]["suboptions"]["kinds"]["choices"]
    assert list(CHOICES["scan_workloads.kinds"]) == kinds
    assert set(OPTIONS["feed_feeds"]) <= set(documented("vulnerability_feed"))


def test_no_default_is_made_of_what_is_checked_first() -> None:
    """Cores before 2.19 render the defaults for the argument spec, where a mistake would be told at length."""
    for role in NAMES:
        text = (ROLES / role / "defaults/main.yml").read_text(encoding="utf-8")
        assert f"{role}__" not in text


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_defaults_are_right_and_every_variable_has_a_type(role: str) -> None:
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text(encoding="utf-8"))
    assert wrong(role, **{name: value for name, value in defaults.items() if "{{" not in str(value)}) == []
    assert set(types_of(role)) <= set(options_of(role))
    assert len(types_of(role)) >= len(options_of(role)) - 5


def test_what_is_known_later_is_left_and_what_cannot_be_rendered_is_told() -> None:
    def template(value: t.Any) -> t.Any:
        if value == "later":
            raise AnsibleUndefinedVariable("it is not defined")
        if value == "broken":
            raise AnsibleError("it does not end")
        return value

    given = {"scan_dir": "later", "scan_pods": "later", "scan_store": "broken", "scan_method": "x"}
    assert wrong_values("scan", given, template) == [
        "scan_store: it does not end",
        "scan_method: x is not possible; expected local, job or image_volume",
    ]
