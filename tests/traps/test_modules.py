# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The traps that lie in images, as one fleet through the public modules: what a playbook is told is what was judged."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
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

PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - imagescan.openshift.vulnerability_feed:
        path: "{{ folder }}/feed"
        repository_map: "{{ folder }}/repository-to-cpe.json"
        index: "{{ folder }}/index"
    - imagescan.openshift.image_scan:
        store: "sqlite:///{{ folder }}/store.sqlite"
        images: "{{ targets }}"
        platforms: [linux/amd64]
    - imagescan.openshift.image_verdict:
        store: "sqlite:///{{ folder }}/store.sqlite"
        index: "{{ folder }}/index"
        policies: ["{{ folder }}/policies.yml"]
      register: judged
    - ansible.builtin.copy:
        content: "{{ judged.verdicts | to_json }}"
        dest: "{{ folder }}/verdicts.json"
        mode: "0600"
"""


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
    (folder / "play.yml").write_text(PLAY)
    (folder / "vars.json").write_text(json.dumps({"folder": str(folder), "targets": list(targets)}))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", "-e", "@vars.json"]
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = json.loads((folder / "verdicts.json").read_text())
    return {targets[one["reference"]]: one for one in verdicts if one["reference"] in targets}


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, t.Any]]:
    return run(tmp_path_factory.mktemp("traps"), {trap.name: trap.trap for trap in FLEET})


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, t.Any]]:
    return run(tmp_path_factory.mktemp("twins"), {trap.name: trap.twin for trap in FLEET})


@pytest.mark.parametrize("trap", FLEET, ids=lambda trap: trap.name)
def test_modules_tell_the_trap_and_pass_the_twin(
    trap: Trap, traps: dict[str, dict[str, t.Any]], twins: dict[str, dict[str, t.Any]]
) -> None:
    found = traps[trap.name]
    assert found["verdict"] == trap.verdict, found
    assert set(trap.codes) <= {reason["code"] for reason in found["reasons"]}, found
    assert twins[trap.name]["verdict"] == "passed", twins[trap.name]


def test_the_fleet_is_not_small() -> None:
    assert len(FLEET) >= 25
