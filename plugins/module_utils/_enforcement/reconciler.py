# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the flags of a cluster to what the store's verdicts say, in an order that a crash at any moment survives.

A run reads verdicts and flags, decides (``_flags/plan.py``), and stops before it starts where it would flag too much.
Then: what passes no more leaves the passed lists; what is flagged comes on the deny list, then on its Image object;
what is cleared leaves its Image object, then the deny list; what passes comes on the passed lists. So whatever
interrupts a run leaves the stricter state, and the next run repairs it. The places are in ``targets/table.py``.

Several runs may work at once. Each changes only what it decided about, asks the store once more before it clears
anything, and looks again at the end: where a verdict changed meanwhile, it goes on until flags and verdicts agree.
"""

from __future__ import annotations

import datetime
import typing as t

from .._core.errors import ScanError
from .._flags.plan import (
    FlagPlan,
    InUse,
    Seen,
    Snapshot,
    check_limit,
    harmless,
    join_seen,
    make_plan,
    plan_withdrawal,
)
from .._flags.transition import CLEAR
from .._kubernetes.client import KubernetesClient
from .result import Result
from .running_pods import RunningPods, read_running
from .standing import Read, Standing
from .targets.base import FlagOptions, FlagRound, FlagRun, FlagTarget, Observation
from .targets.table import find_targets

#: How often verdicts may change under a run before it leaves the rest to the next one.
ROUNDS = 5
_Observed = list[tuple[FlagTarget, Observation]]


class Flagging:
    """One run. ``read`` gives the verdicts; ``now`` has a time zone; ``beat`` is told how far it is.

    ``result`` has what was done so far, also where the run ended with an error.
    """

    def __init__(
        self,
        client: KubernetesClient,
        options: FlagOptions,
        read: Read,
        *,
        now: datetime.datetime,
        beat: t.Callable[[str], None] = lambda line: None,
    ) -> None:
        self._run = FlagRun(client, options, now, beat)
        self._read = read
        self.result = self._run.result
        self._targets = find_targets(client, options.targets)

    # -- present

    def reconcile(self, *, dry_run: bool) -> Result:
        """Set and clear flags until they are what the verdicts say.

        Raises ScanError before anything is done where too much would be flagged; ApiError where the cluster fails: what
        was done until then stays, and the next run goes on from there.
        """
        snapshot = self._read(None)
        counted: frozenset[str] | None = None
        for number in range(ROUNDS):
            observed, seen = self._look(snapshot)
            running = read_running(self._run.client)
            plan = make_plan(snapshot, seen, self._run.options.wishes, running, now=self._run.now)
            try:
                counted = self._check_limit(plan, seen, running, counted)
            except ScanError as error:
                if not dry_run:
                    self._take_off_harmless(plan, snapshot, observed, running, error)
                    raise
                self.result.refused = str(error)
            if number == 0:
                self.result.kept += plan.kept
                self.result.drifted += plan.drifted
                self.result.next_due = plan.next_due
                self._begin(observed, running)
            touched = self._act(plan, snapshot, observed, running, dry_run=dry_run)
            if dry_run or not touched:
                break
            later = self._read(touched)
            if all(later.subjects.get(digest) == snapshot.subjects[digest] for digest in touched):
                break
            snapshot = later
        return self.result

    def _look(self, snapshot: Snapshot) -> tuple[_Observed, Seen]:
        """Read the flags of all images, or of those in the snapshot."""
        observed = [(target, target.observe(self._run, snapshot)) for target in self._targets]
        return observed, join_seen(observation.seen for _target, observation in observed)

    def _begin(self, observed: _Observed, running: RunningPods) -> None:
        """Keep for the result what the first look shows."""
        self.result.in_use = len(running.images)
        for _target, observation in observed:
            self.result.foreign += observation.foreign

    def _check_limit(
        self, plan: FlagPlan, seen: Seen, running: RunningPods, before: frozenset[str] | None
    ) -> frozenset[str]:
        """Raise ScanError where too much would be flagged; what counts is what runs where enforcement acts."""
        reach = seen.reach
        in_use: InUse = running if reach is None else running.within(reach.touches)
        requiring: InUse | None = None
        if seen.is_required:
            # Whoever did not write down where has to be taken for everywhere.
            requiring = running.within(reach.required.__contains__) if reach and reach.required else in_use
        return check_limit(
            plan,
            seen,
            in_use,
            self._run.options.limit,
            requiring=requiring,
            before=before,
            where="" if reach is None else " where enforcement acts",
        )

    def _take_off_harmless(
        self, plan: FlagPlan, snapshot: Snapshot, observed: _Observed, running: RunningPods, error: ScanError
    ) -> None:
        """Take failed images that nobody uses off the passed lists, even if the run does too much."""
        digests = harmless(plan, snapshot, running)
        if not digests:
            return
        allowed = FlagPlan(clear_passed=digests)
        flag_round = FlagRound(self._run, snapshot, allowed, running, Standing((), snapshot, None), dry_run=False)
        for target, observation in observed:
            target.set(flag_round, observation)
        error.message += f"; {len(digests)} images that failed and that nobody uses were taken off the passed lists"

    def _act(
        self, plan: FlagPlan, snapshot: Snapshot, observed: _Observed, running: RunningPods, *, dry_run: bool
    ) -> frozenset[str]:
        """Carry a plan out; the digests that were changed."""
        cleared = {digest for digest, fate in plan.fates.items() if fate == CLEAR}
        asked = cleared | plan.set_passed.keys()
        for name in plan.clear_references:
            asked |= set(snapshot.places.get(name, ()))
        standing = Standing(asked, snapshot, None if dry_run else self._read)
        flag_round = FlagRound(self._run, snapshot, plan, running, standing, dry_run)
        for target, observation in observed:
            target.set(flag_round, observation)
        try:
            for target, observation in reversed(observed):
                target.clear(flag_round, observation)
        finally:
            flag_round.tell_cleared(observation for _target, observation in observed)
        for target, observation in observed:
            target.admit(flag_round, observation)
        return frozenset((flag_round.touched | cleared) & snapshot.subjects.keys())

    # -- absent

    def take_back(self, *, everything: bool, dry_run: bool) -> Result:
        """Take back what is ours, of all images or of those that ``read`` gives, in the order in which flags clear."""
        snapshot = Snapshot({}, {}, whole=True) if everything else self._read(None)
        observed, seen = self._look(snapshot)
        running = read_running(self._run.client)
        self._begin(observed, running)
        plan = plan_withdrawal(snapshot, seen)
        standing = Standing([row.digest for row in plan.cleared], snapshot, None)
        flag_round = FlagRound(self._run, snapshot, plan, running, standing, dry_run)
        try:
            for target, observation in reversed(observed):
                target.take_back(flag_round, observation)
        finally:
            flag_round.tell_cleared(observation for _target, observation in observed)
        return self.result
