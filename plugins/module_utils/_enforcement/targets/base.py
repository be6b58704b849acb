# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a target of flags: an entry of ``table.TARGETS``, defined in a file of its own."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..._flags.plan import FlagLimit, FlagPlan, PlanOptions, Seen, Snapshot
from ..._kubernetes.client import KubernetesClient
from ..flags import CONCURRENCY
from ..result import Foreign, Result
from ..running_pods import RunningPods
from ..standing import Standing


@dataclasses.dataclass(frozen=True)
class FlagOptions:
    """Options of a run. ``targets``: None for those that the cluster has. Others as in ``annotations.desired``."""

    provider: str
    limit: FlagLimit
    wishes: PlanOptions
    targets: tuple[str, ...] | None = None
    adopt: bool = False
    cloudforms_keys: bool = False
    concurrency: int = CONCURRENCY


@dataclasses.dataclass(frozen=True)
class FlagRun:
    """One run. ``now`` has a time zone; ``beat`` is told how far it is; ``result`` has what was done so far."""

    client: KubernetesClient
    options: FlagOptions
    now: datetime.datetime
    beat: t.Callable[[str], None]
    result: Result = dataclasses.field(default_factory=Result)


@dataclasses.dataclass
class Observation:
    """Flags that a target holds. ``seen``: its part of what a plan is made of; ``state``: what the target keeps of it.

    ``held``: the images whose flag it still holds; a target says so after it cleared some, or failed to.
    """

    seen: Seen
    state: t.Any
    foreign: t.Sequence[Foreign] = ()

    def __post_init__(self) -> None:
        self.held: t.AbstractSet[str] = self.seen.held


@dataclasses.dataclass
class FlagRound:
    """One plan, and what is needed to carry it out. ``standing``: the images whose verdicts stand, of those that clear.

    ``failed``: images whose flag a target could not clear, so that the next ones keep theirs. ``touched``: images that
    were changed.
    """

    run: FlagRun
    snapshot: Snapshot
    plan: FlagPlan
    running: RunningPods
    standing: Standing
    dry_run: bool
    failed: set[str] = dataclasses.field(default_factory=set)
    touched: set[str] = dataclasses.field(default_factory=set)
    _told: set[str] = dataclasses.field(default_factory=set)

    def tell_flagged(self, digests: t.Container[str]) -> None:
        """Note the new flags that a target holds now. An image is flagged as soon as one target holds its flag."""
        rows = [row for row in self.plan.flagged if row.digest in digests and row.digest not in self._told]
        self._told.update(row.digest for row in rows)
        self.run.result.note(rows, "flagged", self.running)

    def tell_cleared(self, observations: t.Iterable[Observation]) -> None:
        """Note the flags that no target holds any more."""
        held = {digest for observation in observations for digest in observation.held}
        cleared = self.standing.digests() - held
        self.run.result.note([row for row in self.plan.cleared if row.digest in cleared], "cleared", self.running)


_Step = t.Callable[[FlagRound, Observation], None]


def _nothing(_round: FlagRound, _observation: Observation) -> None:
    """Do nothing."""


@dataclasses.dataclass(frozen=True)
class FlagTarget:
    """A place in the cluster where flags are written.

    ``name``: as in the option ``targets``. ``order``: flags are set from the lowest to the highest and cleared in
    reverse, so what refuses images comes first. ``describe``: its objects in the plural. ``group``: the API group
    without which a cluster does not have it. ``rights``: (group, resource) -> verbs that the account needs.

    ``observe`` reads the flags on the images of a snapshot. ``set`` does what a plan sets, and takes images off lists
    of what may run. ``clear`` does what it clears, as long as the verdicts stand, ``take_back`` whatever they say.
    ``admit`` puts images on lists of what may run, once every target has cleared. In a dry run they only fill the
    result. All raise ApiError.
    """

    name: str
    order: int
    describe: str
    group: str
    rights: t.Mapping[tuple[str, str], str]
    observe: t.Callable[[FlagRun, Snapshot], Observation]
    set: _Step
    clear: _Step
    take_back: _Step
    admit: _Step = _nothing
