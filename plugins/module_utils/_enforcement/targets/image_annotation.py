# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags in annotations and a label of OpenShift's Image objects."""

from __future__ import annotations

import typing as t

from ..._discovery.images import GROUP
from ..._flags.annotations import AnnotationPatch, Deny, absent, desired, read_deny
from ..._flags.plan import Seen, Snapshot
from ..._flags.transition import CLEAR
from ..._kubernetes.errors import FORBIDDEN, OF_THE_CLUSTER, ApiError
from .. import flags
from ..result import find_foreign
from .base import FlagRound, FlagRun, FlagTarget, Observation


def _observe(run: FlagRun, snapshot: Snapshot) -> Observation:
    provider = run.options.provider
    states = flags.read_images(run.client, None if snapshot.whole else list(snapshot.subjects))
    denies = {digest: read_deny(state.annotations, provider) for digest, state in states.items()}
    seen = Seen(
        images=frozenset(states),
        denying=frozenset(digest for digest, deny in denies.items() if deny.ours),
        leftover=frozenset(digest for digest, deny in denies.items() if run.options.adopt and deny.leftover),
        drift=_drifts(denies),
    )
    return Observation(seen, states, find_foreign(states, provider))


def _drifts(denies: t.Mapping[str, Deny]) -> dict[str, tuple[str, ...]]:
    changed = ("images.openshift.io/deny-execution of its Image object was changed",)
    lacking = ("its Image object does not say that we deny it",)
    drifted = {digest: changed for digest, deny in denies.items() if deny.drifted}
    return {**drifted, **{digest: lacking for digest, deny in denies.items() if not deny.ours}}


def _set(flag_round: FlagRound, observation: Observation) -> None:
    fates = flag_round.plan.fates
    decide = _decider(flag_round)
    due = _due(flag_round, observation, decide, [digest for digest, fate in fates.items() if fate != CLEAR])
    flag_round.touched.update(due)
    failed, refusal = _patch(flag_round, observation, decide, due)
    flag_round.tell_flagged({row.digest for row in flag_round.plan.flagged} - failed)
    if refusal is not None:
        raise refusal


def _clear(flag_round: FlagRound, observation: Observation) -> None:
    fates = flag_round.plan.fates
    decide = _decider(flag_round)
    due = _due(flag_round, observation, decide, [digest for digest, fate in fates.items() if fate == CLEAR])

    def lift(state: flags.ImageState) -> AnnotationPatch:
        return decide(state) if state.digest in flag_round.standing.digests() else flags.NOTHING

    _lift(flag_round, observation, lift, due)


def _take_back(flag_round: FlagRound, observation: Observation) -> None:
    options = flag_round.run.options

    def decide(state: flags.ImageState) -> AnnotationPatch:
        return absent(state.annotations, state.labels, provider=options.provider, adopt=options.adopt)

    _lift(flag_round, observation, decide, sorted(observation.state))


def _lift(flag_round: FlagRound, observation: Observation, decide: flags.Decide, digests: t.Sequence[str]) -> None:
    failed, refusal = _patch(flag_round, observation, decide, digests)
    flag_round.failed.update(failed)
    observation.held = failed
    if refusal is not None:
        raise refusal


def _decider(flag_round: FlagRound) -> flags.Decide:
    run, plan, subjects = flag_round.run, flag_round.plan, flag_round.snapshot.subjects

    def decide(state: flags.ImageState) -> AnnotationPatch:
        return desired(
            subjects[state.digest].facts,
            plan.fates[state.digest],
            state.annotations,
            state.labels,
            provider=run.options.provider,
            adopt=run.options.adopt,
            cloudforms_keys=run.options.cloudforms_keys,
            now=run.now,
        )

    return decide


def _due(flag_round: FlagRound, observation: Observation, decide: flags.Decide, digests: t.Iterable[str]) -> list[str]:
    """Select the images whose object differs from what it should say. Nothing is asked for that."""
    states = observation.state
    present = [digest for digest in digests if digest in states]
    outcomes = flags.apply_all(flag_round.run.client, decide, present, states, dry_run=True)
    return [outcome.digest for outcome in outcomes if outcome.state != flags.SAME]


def _patch(
    flag_round: FlagRound, observation: Observation, decide: flags.Decide, digests: t.Sequence[str]
) -> tuple[frozenset[str], ApiError | None]:
    """Change Image objects; the digests of those that could not be, and what the cluster itself refuses."""
    run = flag_round.run
    done = 0

    def count(outcome: flags.FlagOutcome) -> None:
        nonlocal done
        done += 1
        run.beat(f"flagged {done}/{len(digests)} Image objects")

    outcomes = flags.apply_all(
        run.client,
        decide,
        digests,
        observation.state,
        concurrency=run.options.concurrency,
        dry_run=flag_round.dry_run,
        beat=count,
    )
    failed = set()
    refusal: ApiError | None = None
    for outcome in outcomes:
        if outcome.state == flags.WRITTEN and outcome.before is not None:
            run.result.tell_image(outcome.before, outcome.change)
        if outcome.state == flags.FAILED and outcome.error is not None:
            failed.add(outcome.digest)
            if isinstance(outcome.error, ApiError) and outcome.error.code in (*OF_THE_CLUSTER, FORBIDDEN):
                refusal = refusal or outcome.error
                continue
            run.result.problems.append(outcome)
    return frozenset(failed), refusal


IMAGE_ANNOTATION = FlagTarget(
    name="image_annotation",
    order=20,
    describe="Image objects",
    group=GROUP,
    rights={(GROUP, "images"): "get list patch"},
    observe=_observe,
    set=_set,
    clear=_clear,
    take_back=_take_back,
)
