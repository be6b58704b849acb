# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dictionaries of module options: their types, the variables they replace, and what is refused."""

from __future__ import annotations

import importlib
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible_collections.imagescan.openshift.plugins.lookup import option_group
from ansible_collections.imagescan.openshift.plugins.lookup.option_group import FORMER_NAMES, GROUPS, LookupModule
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import argument_specs
from ansible_collections.imagescan.openshift.plugins.plugin_utils._variables import options_of, unknown_of_role

#: Type of a module option, its elements -> type of the filter survey_value.
TYPES = {
    ("list", "str"): "list",
    ("list", "dict"): "dicts",
    ("list", "raw"): "list",
    ("dict", None): "dict",
    ("raw", None): "kubeconfig",
    ("bytes", None): "str",
}


class Templar:
    """Gives variables as they are."""

    def template(self, value: t.Any, **_options: t.Any) -> t.Any:
        return value


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(option_group.display, "deprecated", lambda text, **_options: texts.append(text))
    return texts


def options(name: str, **variables: t.Any) -> dict[str, t.Any]:
    (found,) = LookupModule(templar=Templar()).run([name], variables)
    return found


def documented(module: str) -> dict[str, t.Any]:
    """Options of a module with those of its fragments, as ansible-doc has them."""
    source = importlib.import_module(f"ansible_collections.imagescan.openshift.plugins.modules.{module}")
    text = yaml.safe_load(source.DOCUMENTATION)
    found: dict[str, t.Any] = dict(text["options"])
    for name in ("cluster", "registry_access"):
        found.update(getattr(argument_specs, name)())
    return found


@pytest.mark.parametrize("name", GROUPS)
def test_the_options_have_the_types_of_the_module(name: str) -> None:
    known = documented("image_scan")
    if name == "scan_compliance":
        known = known["compliance"]["suboptions"]
        assert set(known) == set(GROUPS[name].types)
    for option, kind in GROUPS[name].types.items():
        of_module = known[option]["type"]
        wanted = TYPES.get((of_module, known[option].get("elements")), of_module)
        assert kind == "secret" if option in ("api_key", "password") else kind == wanted, option


def test_every_option_of_registries_and_access_is_there() -> None:
    given = {*GROUPS["scan_access"].types, *GROUPS["scan_registries"].types}
    assert set(argument_specs.registry_access()) - given == {"timeout"}
    assert set(argument_specs.cluster()) - given == {"proxy_headers", "persist_config"}


@pytest.mark.parametrize("text", [False, True])
def test_text_of_a_survey_means_the_same_as_a_dictionary(text: bool) -> None:
    given: t.Any = "pods=4 pod_memory=1Gi pull_secrets=a,b" if text else {"pods": "4", "pod_memory": "1Gi"}
    wanted = {"pods": 4, "pod_memory": "1Gi", **({"pull_secrets": ["a", "b"]} if text else {})}
    assert options("scan_pods", scan_pods=given) == wanted
    assert options("scan_pods", scan_pods='{"pods": 4, "start_timeout": 1.5}') == {"pods": 4, "start_timeout": 1.5}


def test_what_is_empty_is_not_given() -> None:
    empty = {"pods": "", "pull_secrets": [], "pod_proxy": {}, "pod_cpu": None}
    assert options("scan_pods", scan_pods=empty) == {}
    assert options("scan_pods", scan_pods="") == options("scan_pods", scan_pods=None) == options("scan_pods") == {}
    assert options("scan_registries", scan_registries={"registry_validate_certs": "no"}) == {
        "registry_validate_certs": False
    }


@pytest.mark.parametrize("name", GROUPS)
def test_a_variable_of_0_6_0_counts_with_a_warning(name: str, told: list[str]) -> None:
    values: dict[str, t.Any] = {"int": "3", "float": "3", "bool": "yes", "dict": {"a": "b"}, "dicts": {"a": "b"}}
    group = GROUPS[name]
    for option, kind in group.types.items():
        del told[:]
        found = options(name, **{group.former_name(option): values.get(kind, "x")})
        assert list(found) == [option]
        assert [text.split()[2] for text in told] == [group.former_name(option)]
        assert options(name, **{group.former_name(option): ""}) == {}
    assert not FORMER_NAMES & set(options_of("scan"))
    assert unknown_of_role("scan", dict.fromkeys(FORMER_NAMES, "x")) == []


@pytest.mark.parametrize("pods", [4, "4", " 4 "])
def test_a_number_of_pods_counts_with_a_warning(pods: t.Any, told: list[str]) -> None:
    assert options("scan_pods", scan_pods=pods) == {"pods": 4}
    assert told == ["The variable scan_pods is deprecated. Use scan_pods: {pods: ...}."]


def test_a_shared_variable_counts_where_the_role_has_none() -> None:
    shared = {"imagescan_host": "https://a", "imagescan_registry_auth_file": "/a", "imagescan_pods": 9}
    assert options("scan_access", **shared) == {"host": "https://a"}
    assert options("scan_access", **shared, scan_access={"host": "https://b"}) == {"host": "https://b"}
    assert options("scan_registries", **shared) == {"registry_auth_file": "/a"}
    assert options("scan_pods", **shared) == {}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"scan_pods": {"pod_memry": "1Gi"}}, r"scan_pods has no option pod_memry; did you mean 'pod_memory'\?"),
        ({"scan_pods": {"pods": "many"}}, "scan_pods.pods: .*'many' is not a whole number"),
        ({"scan_pods": "many"}, "scan_pods is neither a dictionary nor a text of key=value"),
        ({"scan_pods": ["pods"]}, "scan_pods is neither"),
        ({"scan_pods": "pods=4 many"}, "scan_pods is neither"),
        ({"scan_pods": True}, "scan_pods is neither"),
        ({"scan_pods": {"pod_cpu": "1"}, "scan_pod_cpu": "2"}, "scan_pods.pod_cpu and scan_pod_cpu are both given"),
        ({"scan_pod_cpu": True}, "scan_pod_cpu: .*True is not text"),
    ],
)
def test_what_is_wrong_is_named(variables: dict[str, t.Any], message: str) -> None:
    with pytest.raises(AnsibleError, match=message):
        options("scan_pods", **variables)


def test_no_error_shows_a_password() -> None:
    for access in ("password=Kanari3 host", '{"password": "Kanari3"', ["Kanari3"]):
        with pytest.raises(AnsibleError) as error:
            options("scan_access", scan_access=access)
        assert "Kanari3" not in str(error.value)


def test_a_dictionary_that_no_role_has_is_refused() -> None:
    with pytest.raises(AnsibleError, match="scan_sources is not one of scan_access, scan_compliance"):
        options("scan_sources")
