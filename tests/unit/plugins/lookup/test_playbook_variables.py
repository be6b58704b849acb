# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of playbooks: former names count with a warning, misspelt ones are found."""

from __future__ import annotations

import datetime
import re
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible_collections.imagescan.openshift.plugins.lookup import playbook_variables
from ansible_collections.imagescan.openshift.plugins.lookup.playbook_variables import LookupModule
from ansible_collections.imagescan.openshift.plugins.plugin_utils._variables import (
    PLAYBOOKS,
    ROLES,
    SHARED,
    options_of,
)

FOLDER = ROLES.parent / "playbooks"


class Templar:
    """Gives variables as they are."""

    def template(self, value: t.Any, **_options: t.Any) -> t.Any:
        return value


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """Extra variables of the command line."""
    given: dict[str, t.Any] = {}
    monkeypatch.setattr(playbook_variables, "load_extra_vars", lambda _loader: given)
    return given


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(playbook_variables.display, "deprecated", lambda text, **_options: texts.append(text))
    return texts


def read(name: str, **variables: t.Any) -> dict[str, t.Any]:
    (found,) = LookupModule(templar=Templar()).run([name], variables)
    return found


@pytest.mark.usefixtures("extra")
def test_a_former_name_counts_with_a_warning(told: list[str]) -> None:
    assert read("explain", image="a", id="CVE-1", dest="") == {
        "mistakes": [],
        "scan_references": "a",
        "explain_id": "CVE-1",
    }
    assert told == [
        "The variable image is now called scan_references.",
        "The variable id is now called explain_id.",
    ]


@pytest.mark.usefixtures("extra")
def test_a_new_name_counts_without_one(told: list[str]) -> None:
    assert read("explain", scan_references=["a"], image=" ") == {"mistakes": [], "scan_references": ["a"]}
    assert told == []


def test_of_both_names_the_one_of_the_command_line_wins(extra: dict[str, t.Any], told: list[str]) -> None:
    # Somebody's own variable of that name in the inventory.
    assert read("explain", scan_store="new", store="old")["scan_store"] == "new"
    assert told == []
    extra["store"] = "old"
    assert read("explain", scan_store="new", store="old")["scan_store"] == "old"
    assert told == ["The variable store is now called scan_store."]
    extra["scan_store"] = "new"
    assert read("explain", scan_store="new", store="old") == {
        "mistakes": ["scan_store and store are both given; remove store, which is its former name"]
    }


@pytest.mark.usefixtures("extra")
@pytest.mark.parametrize(
    ("playbook", "name", "text"),
    [
        ("explain", "explain_ids", "the playbook explain has no variable explain_ids; did you mean 'explain_id'?"),
        ("explain", "explian_id", "the playbook explain has no variable explian_id; did you mean 'explain_id'?"),
        ("explain", "scan_stor", "the role scan has no variable scan_stor; did you mean 'scan_store'?"),
        ("quickstart", "quickstart_image", "the playbook quickstart has no variable quickstart_image"),
        ("quickstart", "imagescan_dri", "the roles have no variable imagescan_dri; did you mean 'imagescan_dir'?"),
    ],
)
def test_a_misspelt_name_is_found(playbook: str, name: str, text: str) -> None:
    assert read(playbook, **{name: "x"}) == {"mistakes": [text]}


@pytest.mark.usefixtures("extra", "told")
def test_a_wrong_value_of_its_own_is_a_mistake_under_both_names() -> None:
    text = (
        "clusters_steps: jugde is not possible; expected any of discover, scan, judge, flag, report; "
        "did you mean 'judge'?"
    )
    assert read("clusters", clusters_steps="scan,jugde")["mistakes"] == [text]
    assert read("clusters", steps="scan,jugde")["mistakes"] == [text]
    assert read("drill", drill_action="dney")["mistakes"] == [
        "drill_action: dney is not possible; expected deny, warn or audit; did you mean 'deny'?"
    ]
    assert read("drift", drift_fail="perhaps")["mistakes"] == [
        "drift_fail: 'perhaps' is not a truth value: expected yes or no"
    ]
    given = {"unflag_ids": ["CVE-1"], "unflag_expires": datetime.date(2099, 1, 2), "unflag_owner": ""}
    found = read("unflag", **given)
    assert (found["mistakes"], found["unflag_expires"]) == ([], "2099-01-02")


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_types_are_those_that_the_playbook_reads_them_with(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    used = dict(
        re.findall(
            r"(\w+)\s*\|\s*default\(''\)\s*\|(?: string \|)?\s*imagescan\.openshift\.survey_value\('(\w+)'", text
        )
    )
    own = PLAYBOOKS[name].own
    assert {variable: kind for variable, kind in used.items() if variable in own} == {
        variable: kind for variable, kind in own.items() if variable in used
    }


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_the_playbook_documents_its_variables_and_gives_them_before_anything_else(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text(encoding="utf-8")
    playbook = PLAYBOOKS[name]
    known = {*playbook.own, *SHARED}.union(*map(options_of, playbook.roles))
    documented = set(re.findall(r"(?m)^#   (\w+_\w+)  ", text))
    assert {*playbook.own, *playbook.former.values()} <= documented <= known
    play = yaml.safe_load(text)[0]
    first, *others = [task for task in play["tasks"] if "ansible.builtin.set_fact" not in task]
    assert play["tasks"].index(first) <= 1, "checked first"
    assert "mistakes" in str(first["ansible.builtin.assert"]["that"])
    assert f"query('imagescan.openshift.playbook_variables', '{name}')" in str(play)
    assert not set(playbook.former) & set(re.findall(r"(?<!\.)\b\w+\b(?= \| default)", str(others)))


@pytest.mark.parametrize("name", PLAYBOOKS)
@pytest.mark.usefixtures("extra")
def test_what_a_playbook_sets_itself_is_known(name: str) -> None:
    for play in yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8")):
        assert read(name, **play.get("vars", {}))["mistakes"] == []


def test_a_playbook_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AnsibleError, match="is not one of"):
        read("nothing")
