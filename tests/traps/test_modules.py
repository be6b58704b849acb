# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traps that lie in images, as one fleet through the public modules: what a playbook is told is what was judged."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.modules import run_module
from ansible_collections.imagescan.openshift.tests.support.policies import SMALL_POLICY_TEXT
from ansible_collections.imagescan.openshift.tests.traps.corpus import TRAPS
from ansible_collections.imagescan.openshift.tests.traps.situation import Situation, write_feed, write_image
from ansible_collections.imagescan.openshift.tests.traps.trap import Trap

#: Fields that say how an image is judged: where they are the usual ones, many images can share one run.
SHARED = (
    *("platforms", "documents", "repositories", "edit_feed", "edit_index", "names", "feed", "feed_age"),
    *("advisories", "signed_by", "edit_signed", "feed_key", "carried", "may_be_small"),
    *("policy", "exceptions", "vex", "scan_age", "scanned", "edit_inventory"),
)


def shared(trap: Trap) -> bool:
    """Whether trap and twin are judged in the usual way."""
    usual = Situation()
    return all(getattr(one, name) == getattr(usual, name) for one in (trap.trap, trap.twin) for name in SHARED)


FLEET = [trap for trap in TRAPS if shared(trap)]


def run(folder: Path, situations: t.Mapping[str, Situation]) -> dict[str, dict[str, t.Any]]:
    """Name -> the entry of ``verdicts``."""
    write_feed(Situation(), folder)
    targets = {}
    for name, situation in situations.items():
        # A label makes each image another one: a store knows images by their digest.
        label = (("trap", name),)
        children = tuple((platform, dataclasses.replace(one, labels=label)) for platform, one in situation.children)
        labelled = dataclasses.replace(situation, labels=label, children=children)
        targets[write_image(labelled, folder / "images" / name)] = name
    (folder / "policies.yml").write_text(SMALL_POLICY_TEXT)
    store, index = f"sqlite:///{folder}/store.sqlite", str(folder / "index")
    feed = {"path": str(folder / "feed"), "repository_map": str(folder / "repository-to-cpe.json"), "index": index}
    called("vulnerability_feed", feed, folder)
    called("image_scan", {"store": store, "images": list(targets), "platforms": ["linux/amd64"]}, folder)
    policies = [str(folder / "policies.yml")]
    judged = called("image_verdict", {"store": store, "index": index, "policies": policies}, folder)
    return {targets[one["reference"]]: one for one in judged["verdicts"] if one["reference"] in targets}


def called(module: str, arguments: dict[str, t.Any], folder: Path) -> dict[str, t.Any]:
    """The result of a module that must not fail."""
    result = run_module(module, arguments, folder)
    assert not result.get("failed"), result
    return result


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, t.Any]]:
    """Of all traps, and of all twins, whose names end in ``-twin``."""
    situations = {trap.name: trap.trap for trap in FLEET} | {f"{trap.name}-twin": trap.twin for trap in FLEET}
    return run(tmp_path_factory.mktemp("fleet"), situations)


@pytest.mark.parametrize("trap", FLEET, ids=lambda trap: trap.name)
def test_modules_tell_the_trap_and_pass_the_twin(trap: Trap, verdicts: dict[str, dict[str, t.Any]]) -> None:
    found, twin = verdicts[trap.name], verdicts[f"{trap.name}-twin"]
    assert found["verdict"] == trap.verdict, found
    assert set(trap.codes) <= {reason["code"] for reason in found["reasons"]}, found
    assert twin["verdict"] == "passed", twin


def test_the_fleet_is_not_small() -> None:
    assert len(FLEET) >= 25
