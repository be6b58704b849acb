# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of conditions: a new one is a file and its entry, and each is explained in the default policy."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.codes import CODES
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.conditions.base import Condition, Step
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.conditions.table import CONDITIONS
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.tests.support.seams import PACKAGE, Copy

TOY = """
from __future__ import annotations

import dataclasses

from ..model import Reason
from .base import Code, Condition, Limit, Step, Terms


@dataclasses.dataclass(frozen=True)
class ToyTerms(Terms):
    require_label: str = ""


def _reasons(policy, case):
    if policy.require_label and policy.require_label not in case.subject.labels:
        yield Reason("label-missing", f"The label {policy.require_label} is missing")


def _valid_until(policy, passed):
    if policy.require_label:
        yield Limit(passed.scanned_at, 60, "its labels were read at an unknown time", True)


REQUIRE_LABEL = Condition(
    "require_label",
    "\\n  # require_label: team   # a label that images must have\\n",
    lambda field: {"require_label": field.text()},
    {"label-missing": Code("failed", "A label is missing.", "Add it.")},
    {Step.CONTENTS: _reasons},
    asks=lambda policy: bool(policy.require_label),
    valid_until=_valid_until,
)
"""
LOOK = f"""
import datetime, json
from {PACKAGE}.module_utils._flags.validity import validity
from {PACKAGE}.module_utils._packages.model import Inventory, OsRelease
from {PACKAGE}.module_utils._verdicts.codes import CODES
from {PACKAGE}.module_utils._verdicts.facts import image_document
from {PACKAGE}.module_utils._verdicts.judge import judge
from {PACKAGE}.module_utils._verdicts.policies import DEFAULT_POLICY_TEXT, load_policies
from {PACKAGE}.module_utils._verdicts.subject import Subject
now = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.timezone.utc)
policies = load_policies("- {{name: a, require_label: team, accept: [static]}}", "p")
inventory = Inventory("static", OsRelease(), (), None, (), (), {{}}, {{}}, ())
found = []
for labels in ({{}}, {{"team": "a"}}):
    subject = Subject("sha256:1", labels=labels, inventory=inventory)
    verdict = judge(subject, policies, (), now=now)
    found.append([verdict.verdict, [reason.code for reason in verdict.reasons]])
times = dict(scanned_at="2026-11-24T12:00:00Z", evaluated_at="", feed_checked="", feed_newest="", now=now)
by_hash = {{policy.sha256: policy for policy in policies}}
until = validity(image_document(subject, verdict), by_hash, selecting=policies, **times).until
default, = load_policies(DEFAULT_POLICY_TEXT, "p")
print(json.dumps([found, until, CODES["label-missing"].remedy, default.sha256, "require_label" in DEFAULT_POLICY_TEXT]))
"""


def test_a_condition_is_one_file_and_its_entry(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    copy.add("_verdicts/conditions/toy.py", TOY)
    copy.enter(
        "_verdicts/conditions/table.py",
        ("    unread,\n", "    toy,"),
        (")\n\n\n@dataclasses", "    toy.REQUIRE_LABEL,"),
        ("    unread.UnreadTerms,\n", "    toy.ToyTerms,"),
    )
    verdicts, until, remedy, digest, is_explained = copy.python(LOOK)
    assert verdicts == [["failed", ["label-missing", "kind-accepted"]], ["passed", ["kind-accepted"]]]
    assert until == "2026-11-24T12:01:00Z"
    assert (remedy, is_explained) == ("Add it.", True)
    assert digest == load_policies(DEFAULT_POLICY_TEXT, "p")[0].sha256, "policies that do not use it stay the same"


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.key)
def test_every_condition_is_explained_and_read(condition: Condition) -> None:
    assert condition.example in DEFAULT_POLICY_TEXT
    shown = condition.example.replace(f"# {condition.key}:", f"{condition.key}:")
    assert condition.key in yaml.safe_load(shown)
    assert bool(condition.codes) == bool(condition.reasons) or condition.key == "accept_vendors"
    assert set(condition.reasons) <= set(Step)


def test_no_key_and_no_code_is_there_twice() -> None:
    keys = [condition.key for condition in CONDITIONS]
    codes = [code for condition in CONDITIONS for code in condition.codes]
    assert len(set(keys)) == len(keys)
    assert len(set(codes)) == len(codes)
    assert all(
        CODES[code].meaning and CODES[code].remedy and CODES[code].effect in (*VERDICTS, "note") for code in codes
    )
