# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of targets of flags: a new one is a file and its entry; each is documented, and the shipped account may
do what it needs and no more."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.targets.base import FlagTarget
from ansible_collections.imagescan.openshift.plugins.module_utils._enforcement.targets.table import TARGETS
from ansible_collections.imagescan.openshift.plugins.modules import image_flag
from ansible_collections.imagescan.openshift.tests.support.flag_cluster import DENY, IMAGES, FlagCluster
from ansible_collections.imagescan.openshift.tests.support.recorded_cluster import digest
from ansible_collections.imagescan.openshift.tests.support.seams import CHECKOUT, Copy
from ansible_collections.imagescan.openshift.tests.support.servers import running_server
from ansible_collections.imagescan.openshift.tests.support.verdict_store import VerdictStore

GROUP = "toy.example.com"
NOTES = f"/apis/{GROUP}/v1/notes"
TOY = f"""
from __future__ import annotations

from ..._flags.plan import Seen
from ..._flags.transition import CLEAR, SET
from .base import FlagTarget, Observation


def observe(run, snapshot):
    notes = dict(run.client.items("{NOTES}", lambda note: (note["metadata"]["name"], note["metadata"])))
    denying = frozenset(name for name, note in notes.items() if note["labels"].get("denied"))
    drift = {{name: ("its note does not say that we deny it",) for name in notes.keys() - denying}}
    return Observation(Seen(images=frozenset(notes), denying=denying, drift=drift), notes)


def write(flag_round, observation, digests, value):
    for digest in sorted(digests):
        head = {{"resourceVersion": observation.state[digest]["resourceVersion"], "labels": {{"denied": value}}}}
        if not flag_round.dry_run:
            flag_round.run.client.merge_patch(f"{NOTES}/{{digest}}", {{"metadata": head}})


def of_fate(flag_round, observation, wanted):
    fates = flag_round.plan.fates
    return {{digest for digest in observation.state if fates.get(digest) == wanted}}


def set_flags(flag_round, observation):
    digests = of_fate(flag_round, observation, SET)
    write(flag_round, observation, digests - observation.held, "yes")
    flag_round.tell_flagged(digests)


def clear_flags(flag_round, observation):
    digests = of_fate(flag_round, observation, CLEAR) & observation.held & flag_round.standing.digests()
    write(flag_round, observation, digests, None)
    observation.held -= digests


def take_back(flag_round, observation):
    write(flag_round, observation, observation.held, None)
    observation.held = frozenset()


TARGET = FlagTarget(
    name="note",
    order=15,
    describe="notes",
    group="{GROUP}",
    rights={{("{GROUP}", "notes"): "list patch"}},
    observe=observe,
    set=set_flags,
    clear=clear_flags,
    take_back=take_back,
)
"""
NAMES = [target.name for target in TARGETS]
A, B = digest("a"), digest("b")


def test_a_target_is_one_file_and_its_entry(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    copy.add("_enforcement/targets/toy.py", TOY)
    copy.enter(
        "_enforcement/targets/table.py",
        (")\nfrom .base", "    toy,"),
        ("    image_annotation.IMAGE_ANNOTATION,\n", "    toy.TARGET,"),
    )
    store = VerdictStore(tmp_path / "store.db")
    store.put({A: "failed", B: "passed"}, {"quay.io/team/a:1": A, "quay.io/team/b:1": B})
    cluster = FlagCluster("imagescan.github.io", "image.openshift.io", GROUP)
    cluster.make_list("deny", "imagescan-0")
    cluster.make_image(A)
    for name in (A, B):
        cluster.put(f"{NOTES}/{name}", {"metadata": {"name": name, "labels": {}}})
    with running_server(cluster) as server:
        wish = {"store": str(store.path), "host": f"http://{server.host}", "api_key": "x", "max_new_flags": "100%"}

        def flag(**options: t.Any) -> tuple[dict[str, t.Any], list[str]]:
            cluster.calls.clear()
            return copy.module("image_flag", {**wish, **options}), cluster.writes

        note = f"PATCH {NOTES}/{A}"
        places = [f"PATCH {DENY}/imagescan-0", note, f"PATCH {IMAGES}/{A}"]
        result, writes = flag()
        assert ([row["digest"] for row in result["flagged"]], writes) == ([A], places)
        cluster.objects[f"{NOTES}/{A}"]["metadata"]["labels"] = {}
        result, writes = flag()
        assert [drift["what"] for drift in result["drifted"]] == ["its note does not say that we deny it"]
        assert writes == [note]
        store.put({A: "passed"}, {"quay.io/team/a:1": A})
        result, writes = flag()
        assert ([row["digest"] for row in result["cleared"]], writes) == ([A], places[::-1])
        store.put({A: "failed"}, {"quay.io/team/a:1": A})
        result, writes = flag(targets=["note"])
        assert ([row["digest"] for row in result["flagged"]], writes) == ([A], [note])
        result, writes = flag(targets=["note"], state="absent")
        assert ([row["digest"] for row in result["cleared"]], writes) == ([A], [note])


def test_targets_stand_in_the_order_in_which_flags_are_set() -> None:
    assert [target.order for target in TARGETS] == sorted({target.order for target in TARGETS})
    assert len(set(NAMES)) == len(NAMES) > 1


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_every_target_is_documented(target: FlagTarget) -> None:
    option = yaml.safe_load(image_flag.DOCUMENTATION)["options"]["targets"]
    assert sorted(option["choices"]) == sorted(NAMES)
    assert f"V({target.name}) " in " ".join(option["description"])
    specification = (CHECKOUT / "roles/scan/meta/argument_specs.yml").read_text(encoding="utf-8")
    role = yaml.safe_load(specification)["argument_specs"]["main"]["options"]["scan_flag_targets"]["description"]
    assert set(re.findall(r"V\((\w+)\)", role)) == set(NAMES)
    rights = (CHECKOUT / "docs/rights.md").read_text(encoding="utf-8").splitlines()
    for (group, resource), verbs in target.rights.items():
        assert f"    {resource}.{group}: {verbs}" in rights


def test_the_shipped_account_may_do_what_the_targets_need_and_no_more() -> None:
    variables = yaml.safe_load((CHECKOUT / "roles/setup/vars/main.yml").read_text(encoding="utf-8"))
    granted = {
        (group, resource): " ".join(rule["verbs"])
        for name in re.findall(r"setup__\w+_rules", variables["setup__flagger_rules"])
        for rule in variables[name]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted.pop(("", "pods")) == "list", "who uses an image, which does not depend on targets"
    assert granted == {right: verbs for target in TARGETS for right, verbs in target.rights.items()}
