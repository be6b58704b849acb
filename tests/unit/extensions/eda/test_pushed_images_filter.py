# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event filter ``pushed_images``, and the rulebooks."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.extensions.eda.plugins.event_filter import pushed_images
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError

CHECKOUT = Path(__file__).resolve().parents[4]
EDA = CHECKOUT / "extensions/eda"
META = {"endpoint": "hook", "headers": {"X-Secret": "canary"}, "source": {"name": "webhook"}}
QUAY = {"docker_url": "quay.example.com/team/app", "updated_tags": ["1"]}


def test_a_push_becomes_an_event_without_headers() -> None:
    found = pushed_images.main({"payload": QUAY, "meta": META}, registries=["quay.example.com"])
    assert found["imagescan"]["count"] == 1
    assert found["imagescan"]["images"][0]["reference"] == "quay.example.com/team/app:1"
    assert found["meta"] == {"endpoint": "hook", "source": {"name": "webhook"}}
    assert "canary" not in str(found)


@pytest.mark.parametrize("event", [{}, {"payload": None}, {"payload": "x", "meta": None}, {"payload": {"events": 1}}])
def test_anything_else_becomes_an_event_with_a_reason(event: dict[str, object]) -> None:
    found = pushed_images.main(event, registries="quay.example.com")["imagescan"]
    assert (found["images"], found["count"]) == ([], 0)
    assert found["reason"]


def test_registries_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pushed_images.VARIABLE, "quay.example.com, harbor.example.com:8443")
    assert set(pushed_images.registries_of(None)) == {"quay.example.com", "harbor.example.com:8443"}
    assert pushed_images.registries_of({"inside:5000": "outside.example.com"}) == {"inside:5000": "outside.example.com"}


@pytest.mark.parametrize("given", [None, "", [], {}, 7, ["not a host"]])
def test_without_registries_nothing_is_believed(given: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pushed_images.VARIABLE, raising=False)
    with pytest.raises(InputError):
        pushed_images.main({"payload": QUAY}, registries=given)


def test_it_finds_the_collection_as_ansible_rulebook_runs_it() -> None:
    module = runpy.run_path(str(EDA / "plugins/event_filter/pushed_images.py"))
    assert module["main"]({"payload": QUAY}, registries=["quay.example.com"])["imagescan"]["count"] == 1


def test_the_filter_is_described() -> None:
    assert set(yaml.safe_load(pushed_images.DOCUMENTATION)["options"]) == {"registries"}
    for example in yaml.safe_load(pushed_images.EXAMPLES):
        (given,) = example["filters"]
        pushed_images.registries_of(given["imagescan.openshift.pushed_images"]["registries"])


@pytest.mark.parametrize("path", sorted((EDA / "rulebooks").glob("*.yml")), ids=lambda path: path.stem)
def test_a_rulebook_runs_one_playbook_for_a_batch_and_drops_none(path: Path) -> None:
    (ruleset,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    runs = [rule for rule in ruleset["rules"] if "run_playbook" in rule["action"]]
    assert len(runs) == 1
    assert runs[0]["action"]["run_playbook"]["name"] == "imagescan.openshift.scan"
    # What these suppress is gone.
    assert not any("throttle" in rule for rule in ruleset["rules"])
    assert ruleset.get("execution_strategy", "sequential") == "sequential"


def test_hub_is_told_of_what_there_is() -> None:
    listed = yaml.safe_load((CHECKOUT / "meta/extensions.yml").read_text(encoding="utf-8"))["extensions"]
    kinds = {path.parent.name for path in (EDA / "plugins").glob("*/*.py")}
    assert {one["args"]["ext_dir"] for one in listed} == {f"eda/plugins/{kind}" for kind in kinds}
