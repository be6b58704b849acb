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
    SUCCESSFUL_POLICY,
    absent,
    desired,
    ours,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.facts import FlagFacts
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.transition import fate
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
PROVIDERS = ("imagescan", "team-b")
FOREIGN_MARK = "imagescan.github.io/deny.foreign"
#: What CloudForms writes into its keys; ours names the provider.
THEIRS = "a policy of CloudForms"
REASONS = {"failed": (("vulnerability", "m"),), "passed": ()}


def act(
    annotations: dict[str, str],
    verdict: str,
    provider: str,
    *,
    adopt: bool = False,
    cloudforms_keys: bool = False,
    **flags: bool,
) -> None:
    """What a run does to an image; ``absent`` for what ``state: absent`` does."""
    if verdict == "absent":
        change = absent(annotations, {}, provider=provider, adopt=adopt)
    else:
        reasons = REASONS.get(verdict, (("x", "y"),))
        facts = FlagFacts("sha256:" + "a" * 64, verdict, (f"p of {provider}",), reasons, {}, "", "", "", None)
        what = fate(verdict, flagged=ours(annotations, provider, adopt=adopt), **flags)
        change = desired(
            facts, what, annotations, {}, provider=provider, adopt=adopt, cloudforms_keys=cloudforms_keys, now=NOW
        )
    patch(annotations, change.annotations)


def patch(annotations: dict[str, str], change: t.Mapping[str, str | None]) -> None:
    """As the server merges."""
    for key, value in change.items():
        if value is None:
            annotations.pop(key, None)
        else:
            annotations[key] = value


def said(text: str | None) -> str | None:
    """An empty text is what an API server makes of null, and says nothing."""
    return text if text and text.strip() else None


class Owners(RuleBasedStateMachine):
    """Two providers, Alice, who writes by hand whenever she likes, CloudForms, and a program that writes over all.

    The oracle knows nothing of marks: it remembers who denies, and hears Alice wherever the value is another than the
    last run left. What she writes without changing the value nobody can hear; what she removes is nobody's word.
    """

    def __init__(self) -> None:
        super().__init__()
        self.annotations: dict[str, str] = {"theirs": "kept"}
        self.denying: dict[str, bool] = dict.fromkeys(PROVIDERS, False)
        self.word: str | None = None
        self.left: str | None = None

    @rule(
        provider=st.sampled_from(PROVIDERS),
        verdict=st.sampled_from((*VERDICTS, "absent")),
        strict=st.booleans(),
        adopt=st.booleans(),
        keys=st.booleans(),
    )
    def a_run(self, provider: str, verdict: str, strict: bool, adopt: bool, keys: bool) -> None:
        before = dict(self.annotations)
        value = said(before.get(DENY_EXECUTION))
        if value != self.left:
            self.word = value
        act(
            self.annotations,
            verdict,
            provider,
            adopt=adopt,
            cloudforms_keys=keys,
            flag_inconclusive=strict,
            flag_errors=strict,
        )
        if verdict == "failed" or (strict and verdict in ("inconclusive", "error")):
            self.denying[provider] = True
        elif verdict in ("passed", "absent"):
            self.denying[provider] = False
        counts = self.denying[provider] or verdict in ("passed", "absent")
        adopted = adopt and counts and before.get(FAILED_POLICY) == THEIRS
        if adopted and self.word == "true":
            self.word = None
        self.left = said(self.annotations.get(DENY_EXECUTION))
        denied = any(self.denying.values())
        assert (self.left == "true") == (denied or self.word == "true")
        # Her "false" beside a mark that says so, too, changes nothing; other words stand as they were written.
        heard = None if self.word == "false" else self.word
        if not denied:
            assert self.left == heard or (heard is None and self.left == "false")
        recorded = self.annotations.get(FOREIGN_MARK)
        assert recorded == (heard if denied else None) or (denied and recorded == self.word)
        self.look_at_keys(before, provider, verdict, keys, adopted)
        again = dict(self.annotations)
        act(
            again,
            verdict,
            provider,
            adopt=adopt,
            cloudforms_keys=keys,
            flag_inconclusive=strict,
            flag_errors=strict,
        )
        assert again == self.annotations

    def look_at_keys(self, before: dict[str, str], provider: str, verdict: str, asked: bool, adopted: bool) -> None:
        """CloudForms' keys after a run. Theirs is told from ours by what is in it."""
        failed, successful = (self.annotations.get(key) for key in (FAILED_POLICY, SUCCESSFUL_POLICY))
        if before.get(FAILED_POLICY) == THEIRS:
            assert (failed == THEIRS) != adopted
        if before.get(SUCCESSFUL_POLICY) == THEIRS and not asked:
            assert successful == THEIRS
        mine = f"p of {provider}"
        if not asked or verdict == "absent":
            assert mine not in (failed, successful)
        elif self.denying[provider]:
            assert failed is not None
            assert successful is None
        elif verdict == "passed":
            assert failed != mine
            assert any(self.denying.values()) or failed or successful
        else:
            assert failed != mine
            assert successful in (None, *(f"p of {name}" for name in PROVIDERS if name != provider))
        # Both stand only where CloudForms left them so, or wrote one beside ours since.
        assert not (failed and successful) or THEIRS in (failed, successful)

    @rule(word=st.sampled_from(("true", "true", "false", None, "yes", "True", " true", "", " ")))
    def alice(self, word: str | None) -> None:
        patch(self.annotations, {DENY_EXECUTION: word})

    @rule(failed=st.booleans())
    def cloudforms(self, failed: bool) -> None:
        """It writes both, and lets the other key stand."""
        key = FAILED_POLICY if failed else SUCCESSFUL_POLICY
        patch(self.annotations, {key: THEIRS, DENY_EXECUTION: "true" if failed else "false"})

    @rule()
    def a_program_that_writes_over_all(self) -> None:
        self.annotations = {"theirs": "kept"}
        self.denying = dict.fromkeys(PROVIDERS, False)
        self.word = self.left = None

    @invariant()
    def others_keep_what_they_wrote(self) -> None:
        assert self.annotations["theirs"] == "kept"

    def teardown(self) -> None:
        for provider in PROVIDERS:
            self.a_run(provider, "absent", False, False, False)
        assert set(self.annotations) <= {"theirs", DENY_EXECUTION, FAILED_POLICY, SUCCESSFUL_POLICY}
        assert self.left in (self.word, None)
        assert {self.annotations.get(key, THEIRS) for key in (FAILED_POLICY, SUCCESSFUL_POLICY)} == {THEIRS}


Owners.TestCase.settings = settings(max_examples=3 * settings().max_examples, stateful_step_count=30, deadline=None)
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
