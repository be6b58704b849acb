# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two providers and people flag and clear one image in all orders; and what each verdict does after each other one."""

from __future__ import annotations

import datetime
import itertools
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.annotations import (
    DENY_EXECUTION,
    FAILED_POLICY,
    Facts,
    absent,
    desired,
    ours,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.fate import fate
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
PROVIDERS = ("imagescan", "team-b", "alice")
REASONS = {"failed": (("vulnerability", "m"),), "passed": ()}


def act(annotations: dict[str, str], verdict: str, provider: str, *, adopt: bool = False, **flags: bool) -> None:
    """What a run does to an image; ``absent`` for what ``state: absent`` does."""
    if verdict == "absent":
        change = absent(annotations, {}, provider=provider, adopt=adopt)
    else:
        facts = Facts("sha256:" + "a" * 64, verdict, ("p",), REASONS.get(verdict, (("x", "y"),)), {}, "", "", "", None)
        what = fate(verdict, flagged=ours(annotations, provider, adopt=adopt), **flags)
        change = desired(facts, what, annotations, {}, provider=provider, adopt=adopt, now=NOW)
    patch(annotations, change.annotations)


def patch(annotations: dict[str, str], change: t.Mapping[str, str | None]) -> None:
    """As the server merges."""
    for key, value in change.items():
        if value is None:
            annotations.pop(key, None)
        else:
            annotations[key] = value


class Owners(RuleBasedStateMachine):
    """The oracle knows nothing of marks: it remembers who denies, and hears a person wherever the value is another than
    the last run left. What a person writes without changing the value nobody can hear."""

    def __init__(self) -> None:
        super().__init__()
        self.annotations: dict[str, str] = {"theirs": "kept"}
        self.denying: dict[str, bool] = dict.fromkeys(PROVIDERS, False)
        self.word: str | None = None
        self.left: str | None = None

    @rule(provider=st.sampled_from(PROVIDERS), verdict=st.sampled_from((*VERDICTS, "absent")), strict=st.booleans())
    def a_run(self, provider: str, verdict: str, strict: bool) -> None:
        value = self.annotations.get(DENY_EXECUTION)
        if value != self.left:
            self.word = value
        act(self.annotations, verdict, provider, flag_inconclusive=strict, flag_errors=strict)
        if verdict == "failed" or (strict and verdict in ("inconclusive", "error")):
            self.denying[provider] = True
        elif verdict in ("passed", "absent"):
            self.denying[provider] = False
        self.left = self.annotations.get(DENY_EXECUTION)
        denied = any(self.denying.values())
        assert (self.left == "true") == (denied or self.word == "true")
        if not denied and self.word not in (None, "false"):
            assert self.left == self.word  # as it was written

    @rule(word=st.sampled_from(("true", "false", None, "yes")))
    def a_person(self, word: str | None) -> None:
        patch(self.annotations, {DENY_EXECUTION: word})

    @invariant()
    def others_keep_what_they_wrote(self) -> None:
        assert self.annotations["theirs"] == "kept"

    def teardown(self) -> None:
        for provider in PROVIDERS:
            self.a_run(provider, "absent", False)
        assert set(self.annotations) <= {"theirs", DENY_EXECUTION}
        assert self.annotations.get(DENY_EXECUTION) in (self.word, None)


Owners.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
test_deny_is_the_or_over_owners_in_all_orders = Owners.TestCase


#: Whether we deny after a verdict, True or False, or None: as before; for each option that speaks of the verdict.
FATES: dict[str, tuple[bool | None, bool | None]] = {
    "passed": (False, False),
    "failed": (True, True),
    "inconclusive": (None, True),
    "error": (None, True),
}
OPTIONS = {"inconclusive": "flag_inconclusive", "error": "flag_errors"}
#: Who was there before us, and what they wrote. Leftovers become ours by ``adopt`` with the first verdict that counts.
OWNERS = {
    "nobody": {},
    "another provider": {DENY_EXECUTION: "true", "imagescan.github.io/deny.team-b": "true"},
    "another provider that allows": {DENY_EXECUTION: "false", "imagescan.github.io/deny.team-b": "false"},
    "a person": {DENY_EXECUTION: "true"},
    "a person who allows": {DENY_EXECUTION: "false"},
    "cloudforms": {DENY_EXECUTION: "true", FAILED_POLICY: "p"},
}


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("old", VERDICTS)
@pytest.mark.parametrize("new", VERDICTS)
def test_the_matrix_of_verdicts(old: str, new: str, owner: str) -> None:
    for inconclusive, errors, adopt in itertools.product((False, True), repeat=3):
        flags = {"flag_inconclusive": inconclusive, "flag_errors": errors}
        annotations = dict(OWNERS[owner])
        others, mine = OWNERS[owner].get(DENY_EXECUTION) == "true", False
        for verdict in (old, new):
            act(annotations, verdict, "imagescan", adopt=adopt, **flags)
            decided = FATES[verdict][flags.get(OPTIONS.get(verdict, ""), False)]
            mine = mine if decided is None else decided
            if decided is not None and adopt and owner == "cloudforms":
                others = False
            assert (annotations.get(DENY_EXECUTION) == "true") == (mine or others), (verdict, flags, adopt)
            assert ours(annotations, "imagescan") == mine
        assert annotations.get("imagescan.github.io/deny.team-b") == OWNERS[owner].get(
            "imagescan.github.io/deny.team-b"
        )
