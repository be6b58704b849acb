# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the flags of a cluster to what the store's verdicts say, in an order that a crash at any moment survives.

A run reads verdicts and flags, decides (``_flags/plan.py``), and stops before it starts where it would flag too much.
Then: what passes no more leaves the passed lists; what is flagged comes on the deny list, then on its Image object;
what is cleared leaves its Image object, then the deny list; what passes comes on the passed lists. So whatever
interrupts a run leaves the stricter state, and the next run repairs it.

Several runs may work at once. Each changes only what it decided about, asks the store once more before it clears
anything, and looks again at the end: where a verdict changed meanwhile, it goes on until flags and verdicts agree.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from .._core.errors import InputError, ScanError
from .._discovery.images import GROUP as IMAGE_GROUP
from .._flags.annotations import AnnotationPatch, absent, desired, read_deny
from .._flags.names import GROUP
from .._flags.plan import (
    FlagLimit,
    FlagPlan,
    FlagRow,
    InUse,
    PlanOptions,
    Seen,
    Snapshot,
    check_limit,
    harmless,
    make_plan,
)
from .._flags.transition import CLEAR
from .._kubernetes.client import KubernetesClient
from .._kubernetes.errors import FORBIDDEN, OF_THE_CLUSTER, ApiError
from . import flags, lists
from .result import Result, find_foreign
from .running_pods import RunningPods, read_running
from .standing import Read, Standing

IMAGE_ANNOTATION, DENY_LIST = "image_annotation", "deny_list"
TARGETS = (IMAGE_ANNOTATION, DENY_LIST)
#: How often verdicts may change under a run before it leaves the rest to the next one.
ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class FlagOptions:
    """Options of a run. ``targets``: None for those that the cluster has. Others as in ``annotations.desired``."""

    provider: str
    limit: FlagLimit
    wishes: PlanOptions
    targets: tuple[str, ...] | None = None
    adopt: bool = False
    cloudforms_keys: bool = False
    concurrency: int = flags.CONCURRENCY


class _AllBut:
    """Every entry of a list but some. ``may_go`` has the last word on each of these, whenever the list is planned."""

    def __init__(self, names: t.Collection[str], may_go: t.Callable[[str], bool] = lambda name: True) -> None:
        self._names = frozenset(names)
        self._may_go = may_go

    def __contains__(self, name: object) -> bool:
        return not (isinstance(name, str) and name in self._names and self._may_go(name))


@dataclasses.dataclass(frozen=True)
class _View:
    """State of the cluster. ``lists``: None where they are not a target. ``states``: of Image objects, if these are."""

    lists: lists.Lists | None
    states: t.Mapping[str, flags.ImageState]
    seen: Seen


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
        self._client = client
        self._options = options
        self._read = read
        self._now = now
        self._beat = beat
        self.result = Result()
        self._targets = self._find_targets()

    def _find_targets(self) -> frozenset[str]:
        there = [
            name
            for name, group in ((IMAGE_ANNOTATION, IMAGE_GROUP), (DENY_LIST, GROUP))
            if self._client.has_group(group)
        ]
        if self._options.targets is None and not there:
            raise InputError(
                f"{self._client.server} has neither Image objects nor deny lists, so nothing in it could hold a flag",
                code="no-targets",
                hint="run the playbook imagescan.openshift.enforce first; it installs the deny lists",
            )
        return frozenset(there if self._options.targets is None else self._options.targets)

    # -- present

    def reconcile(self, *, dry_run: bool) -> Result:
        """Set and clear flags until they are what the verdicts say.

        Raises ScanError before anything is done where too much would be flagged; ApiError where the cluster fails: what
        was done until then stays, and the next run goes on from there.
        """
        snapshot = self._read(None)
        counted: frozenset[str] | None = None
        for number in range(ROUNDS):
            view = self._look(snapshot)
            running = read_running(self._client)
            plan = make_plan(snapshot, view.seen, self._options.wishes, running, now=self._now)
            try:
                counted = self._check_limit(plan, view, running, counted)
            except ScanError as error:
                if not dry_run:
                    self._take_off_harmless(harmless(plan, snapshot, running), view, error)
                    raise
                self.result.refused = str(error)
            if number == 0:
                self._begin(plan, view, running)
            touched = self._act(plan, snapshot, view, running, dry_run=dry_run)
            if dry_run or not touched:
                break
            later = self._read(touched)
            if all(later.subjects.get(digest) == snapshot.subjects[digest] for digest in touched):
                break
            snapshot = later
        return self.result

    def _check_limit(
        self, plan: FlagPlan, view: _View, running: RunningPods, before: frozenset[str] | None
    ) -> frozenset[str]:
        """Raise ScanError where too much would be flagged; what counts is what runs where enforcement acts."""
        in_use: InUse = running
        requiring: InUse | None = None
        where = ""
        if view.lists is not None:
            reach = view.lists.reach
            if reach is not None:
                in_use = running.within(reach.touches)
                where = " where enforcement acts"
            if view.lists.is_required:
                # Whoever did not write down where has to be taken for everywhere.
                named = reach.required if reach is not None else ()
                requiring = running.within(named.__contains__) if named else in_use
        return check_limit(
            plan, view.seen, in_use, self._options.limit, requiring=requiring, before=before, where=where
        )

    def _take_off_harmless(self, digests: frozenset[str], view: _View, error: ScanError) -> None:
        """Take failed images that nobody uses off the passed lists, even if the run does too much."""
        if view.lists is None or not digests:
            return
        self._take_off(view, digests, dry_run=False)
        error.message += f"; {len(digests)} images that failed and that nobody uses were taken off the passed lists"

    def _look(self, snapshot: Snapshot) -> _View:
        """Read the flags of all images, or of those in the snapshot."""
        found = lists.read_lists(self._client, self._options.provider) if DENY_LIST in self._targets else None
        self.result.is_enforced = found is None or not found.shards or bool(found.enforced_by)
        states: t.Mapping[str, flags.ImageState] = {}
        if IMAGE_ANNOTATION in self._targets:
            states = flags.read_images(self._client, None if snapshot.whole else list(snapshot.subjects))
        denies = {digest: read_deny(state.annotations, self._options.provider) for digest, state in states.items()}
        seen = Seen(
            denied=found.digests if found is not None else None,
            listed=found.references if found is not None else {},
            passed=found.passed_digests if found is not None and found.passed else None,
            images=frozenset(states),
            denying=frozenset(digest for digest, deny in denies.items() if deny.ours),
            changed=frozenset(digest for digest, deny in denies.items() if deny.drifted),
            leftover=frozenset(digest for digest, deny in denies.items() if self._options.adopt and deny.leftover),
        )
        return _View(found, states, seen)

    def _begin(self, plan: FlagPlan, view: _View, running: RunningPods) -> None:
        """Keep for the result what the first look shows."""
        result = self.result
        result.kept += plan.kept
        result.drifted += plan.drifted
        result.next_due = plan.next_due
        result.in_use = len(running.images)
        result.foreign += find_foreign(view.states, self._options.provider)

    def _act(
        self, plan: FlagPlan, snapshot: Snapshot, view: _View, running: RunningPods, *, dry_run: bool
    ) -> frozenset[str]:
        """Carry a plan out; the digests that were changed."""
        decide = self._decider(snapshot, plan.fates)
        due = [
            outcome.digest
            for outcome in flags.apply_all(
                self._client,
                decide,
                [digest for digest in plan.fates if digest in view.states],
                view.states,
                dry_run=True,
            )
            if outcome.state != flags.SAME
        ]
        setting = [digest for digest in due if plan.fates[digest] != CLEAR]
        clearing = [digest for digest in due if plan.fates[digest] == CLEAR]
        self._take_off(view, plan.clear_passed, dry_run=dry_run)
        self._list(plan, view, running, dry_run=dry_run)
        failed, broken = self._patch(decide, setting, view, dry_run=dry_run)
        if view.lists is None:
            self.result.note([row for row in plan.flagged if row.digest not in failed], "flagged", running)
        if broken is not None:
            raise broken

        asked = {digest for digest, fate in plan.fates.items() if fate == CLEAR} | plan.set_passed.keys()
        for name in plan.clear_references:
            asked |= set(snapshot.places.get(name, ()))
        standing = Standing(asked, snapshot, None if dry_run else self._read)
        cleared = self._clear(plan, snapshot, view, running, decide, clearing, standing, dry_run=dry_run)
        passing = {digest: until for digest, until in plan.set_passed.items() if digest in standing.digests()}
        self._pass(view, passing, dry_run=dry_run)
        touched = {*due, *cleared, *plan.set_digests, *plan.set_passed, *plan.clear_passed}
        return frozenset(touched & snapshot.subjects.keys())

    def _written(
        self, view: _View, write: t.Callable[[lists.Lists], lists.Written], tell: t.Callable[[lists.Lists], None]
    ) -> None:
        """Write lists, and tell what stands there then, also where that broke off in the midst."""
        if view.lists is None:
            return
        stands = view.lists
        try:
            stands = write(view.lists).lists
        except ScanError as error:
            if isinstance(error.partial, lists.Written):
                stands = error.partial.lists
            raise
        finally:
            tell(stands)

    def _take_off(self, view: _View, digests: frozenset[str], *, dry_run: bool) -> None:
        """Take digests off the passed lists."""
        if dry_run or not digests:
            self.result.tell_passed(view.seen, {}, digests)
            return
        self._written(
            view,
            lambda there: lists.pass_entries(self._client, there, {}, keep=_AllBut(digests)),
            lambda stands: self.result.tell_passed(view.seen, {}, digests - stands.passed_digests.keys()),
        )

    def _pass(self, view: _View, passing: t.Mapping[str, str], *, dry_run: bool) -> None:
        """Put digests on the passed lists."""
        if dry_run or not passing:
            self.result.tell_passed(view.seen, passing, ())
            return

        def write(_there: lists.Lists) -> lists.Written:
            fresh = lists.read_lists(self._client, self._options.provider)
            return lists.pass_entries(self._client, fresh, passing, keep=_AllBut(()))

        def tell(stands: lists.Lists) -> None:
            there = stands.passed_digests
            written = {one: until for one, until in passing.items() if there.get(one) == until}
            self.result.tell_passed(view.seen, written, ())

        self._written(view, write, tell)

    def _list(self, plan: FlagPlan, view: _View, running: RunningPods, *, dry_run: bool) -> None:
        """Put what is flagged on the deny lists."""
        digests, references = plan.set_digests, plan.set_references

        def tell(stands: lists.Lists | None) -> None:
            if stands is None:
                self.result.tell_entries(view.seen, digests, references, (), ())
                self.result.note(plan.flagged, "flagged", running)
                return
            there, named = stands.digests, stands.references
            self.result.tell_entries(
                view.seen,
                {one: entry for one, entry in digests.items() if there.get(one) == entry},
                {one: entry for one, entry in references.items() if named.get(one) == entry},
                (),
                (),
            )
            self.result.note([row for row in plan.flagged if row.digest in there], "flagged", running)

        if view.lists is not None and (dry_run or not (digests or references)):
            tell(None)
            return
        self._written(view, lambda there: lists.set_entries(self._client, there, digests, references), tell)

    def _clear(
        self,
        plan: FlagPlan,
        snapshot: Snapshot,
        view: _View,
        running: RunningPods,
        decide: flags.Decide,
        clearing: t.Sequence[str],
        standing: Standing,
        *,
        dry_run: bool,
    ) -> frozenset[str]:
        """Take flags back whose verdicts stand, from Image objects, then from the deny lists; all that were to go."""
        cleared = frozenset(digest for digest, fate in plan.fates.items() if fate == CLEAR)

        def lift(state: flags.ImageState) -> AnnotationPatch:
            return decide(state) if state.digest in standing.digests() else flags.NOTHING

        failed, broken = self._patch(lift, clearing, view, dry_run=dry_run)

        def may_go(name: str) -> bool:
            if name in plan.clear_digests:
                return name in standing.digests() and name not in failed
            return standing.leads_there(name) and not failed.intersection(snapshot.places[name])

        def tell(gone: t.Collection[str], lifted: t.Collection[str]) -> None:
            self.result.tell_entries(view.seen, {}, {}, gone, lifted)
            done = (standing.digests() & cleared) - failed - (plan.clear_digests - set(gone))
            self.result.note([row for row in plan.cleared if row.digest in done], "cleared", running)

        if broken is not None:
            tell((), ())
            raise broken
        gone = {name for name in plan.clear_digests if may_go(name)}
        lifted = {name for name in plan.clear_references if may_go(name)}
        if dry_run or not (gone or lifted):
            tell(gone, lifted)
            return cleared
        self._written(
            view,
            lambda there: lists.clear_entries(self._client, there, {}, {}, keep=_AllBut(gone | lifted, may_go)),
            lambda stands: tell(gone - stands.digests.keys(), lifted - stands.references.keys()),
        )
        return cleared

    def _decider(self, snapshot: Snapshot, fates: t.Mapping[str, str]) -> flags.Decide:
        options = self._options

        def decide(state: flags.ImageState) -> AnnotationPatch:
            return desired(
                snapshot.subjects[state.digest].facts,
                fates[state.digest],
                state.annotations,
                state.labels,
                provider=options.provider,
                adopt=options.adopt,
                cloudforms_keys=options.cloudforms_keys,
                now=self._now,
            )

        return decide

    def _patch(
        self, decide: flags.Decide, digests: t.Sequence[str], view: _View, *, dry_run: bool
    ) -> tuple[frozenset[str], ApiError | None]:
        """Change Image objects; the digests of those that could not be, and what the cluster itself refuses."""
        done = 0

        def count(outcome: flags.FlagOutcome) -> None:
            nonlocal done
            done += 1
            self._beat(f"flagged {done}/{len(digests)} Image objects")

        outcomes = flags.apply_all(
            self._client,
            decide,
            digests,
            view.states,
            concurrency=self._options.concurrency,
            dry_run=dry_run,
            beat=count,
        )
        failed = set()
        broken: ApiError | None = None
        for outcome in outcomes:
            if outcome.state == flags.WRITTEN and outcome.before is not None:
                self.result.tell_image(outcome.before, outcome.change)
            if outcome.state == flags.FAILED and outcome.error is not None:
                failed.add(outcome.digest)
                if isinstance(outcome.error, ApiError) and outcome.error.code in (*OF_THE_CLUSTER, FORBIDDEN):
                    broken = broken or outcome.error
                    continue
                self.result.problems.append(outcome)
        return frozenset(failed), broken

    # -- absent

    def take_back(self, *, everything: bool, dry_run: bool) -> Result:
        """Take back what is ours, of all images or of those that ``read`` gives. First Image objects, then lists.

        Passed lists that namespaces require stay as they are: without them everything would be refused there.
        """
        snapshot = Snapshot({}, {}, whole=True) if everything else self._read(None)
        view = self._look(snapshot)
        running = read_running(self._client)
        self.result.in_use = len(running.images)
        self.result.foreign += find_foreign(view.states, self._options.provider)
        subjects, seen = snapshot.subjects, view.seen

        def decide(state: flags.ImageState) -> AnnotationPatch:
            return absent(state.annotations, state.labels, provider=self._options.provider, adopt=self._options.adopt)

        failed, broken = self._patch(decide, sorted(view.states), view, dry_run=dry_run)
        denied, passed = seen.denied or {}, seen.passed or {}
        names = {name for subject in subjects.values() for name in subject.references}
        gone = {digest for digest in denied if (everything or digest in subjects) and digest not in failed}
        lifted = {name for name in seen.listed if everything or name in names}
        ended = frozenset(digest for digest in passed if everything or digest in subjects)
        if ended and view.lists is not None and view.lists.is_required:
            self.result.warnings.append(
                f"the passed lists keep {len(ended)} images, since there are namespaces where nothing runs that is not "
                "on these lists; run the playbook imagescan.openshift.enforce with an empty "
                "enforce_require_passed_namespaces first to take them back, too"
            )
            ended = frozenset()

        def tell(gone: t.Collection[str], lifted: t.Collection[str]) -> None:
            self.result.tell_entries(view.seen, {}, {}, gone, lifted)
            ours = seen.denying | (seen.leftover if self._options.adopt else frozenset())
            ours = (ours - failed - (denied.keys() - set(gone))) | set(gone)
            rows = []
            for digest in sorted(ours):
                one = subjects.get(digest)
                names = (one.reference, one.references) if one else ("", ())
                rows.append(FlagRow(digest, names[0], "its flag is taken back", names[1]))
            self.result.note(rows, "cleared", running)

        if broken is not None:
            tell((), ())
            raise broken
        try:
            self._take_off(view, ended, dry_run=dry_run)
        except ScanError:
            tell((), ())
            raise
        if dry_run or view.lists is None or not (gone or lifted):
            tell(gone, lifted)
            return self.result
        self._written(
            view,
            lambda there: lists.clear_entries(self._client, there, {}, {}, keep=_AllBut(gone | lifted)),
            lambda stands: tell(gone - stands.digests.keys(), lifted - stands.references.keys()),
        )
        return self.result
