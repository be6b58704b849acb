# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flags as entries of the deny lists, and passes as entries of the passed lists, which admission reads.

They are one target: the same requests read both, and who is given one is given the other.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import ScanError
from ..._flags.names import DENY_PLURAL, GROUP, PASSED_PLURAL
from ..._flags.plan import Seen, Snapshot
from .. import lists
from .base import FlagRound, FlagRun, FlagTarget, Observation


class _AllBut:
    """Every entry of a list but some. ``may_go`` has the last word on each of these, whenever the list is planned."""

    def __init__(self, names: t.Collection[str], may_go: t.Callable[[str], bool] = lambda name: True) -> None:
        self._names = frozenset(names)
        self._may_go = may_go

    def __contains__(self, name: object) -> bool:
        return not (isinstance(name, str) and name in self._names and self._may_go(name))


def _observe(run: FlagRun, _snapshot: Snapshot) -> Observation:
    current = lists.read_lists(run.client, run.options.provider)
    run.result.is_enforced = not current.shards or bool(current.enforced_by)
    seen = Seen(
        denied=current.digests,
        listed=current.references,
        passed=current.passed_digests if current.passed else None,
        reach=current.reach,
        is_required=current.is_required,
    )
    return Observation(seen, current)


def _set(flag_round: FlagRound, observation: Observation) -> None:
    plan = flag_round.plan
    digests, references = plan.set_digests, plan.set_references
    flag_round.touched.update(digests, plan.clear_passed)
    _take_off(flag_round, observation, plan.clear_passed)

    def tell(current: lists.Lists) -> None:
        denied, listed = current.digests, current.references
        flag_round.run.result.tell_entries(
            observation.seen,
            {digest: entry for digest, entry in digests.items() if denied.get(digest) == entry},
            {name: entry for name, entry in references.items() if listed.get(name) == entry},
            (),
            (),
        )
        flag_round.tell_flagged(denied)

    if flag_round.dry_run or not (digests or references):
        flag_round.run.result.tell_entries(observation.seen, digests, references, (), ())
        flag_round.tell_flagged({row.digest for row in plan.flagged})
        return
    client = flag_round.run.client
    _write(observation, lambda current: lists.set_entries(client, current, digests, references), tell)


def _clear(flag_round: FlagRound, observation: Observation) -> None:
    plan, standing = flag_round.plan, flag_round.standing

    def may_go(name: str) -> bool:
        if name in plan.clear_digests:
            return name in standing.digests() and name not in flag_round.failed
        return standing.leads_there(name) and not flag_round.failed.intersection(flag_round.snapshot.places[name])

    digests = {digest for digest in plan.clear_digests if may_go(digest)}
    names = {name for name in plan.clear_references if may_go(name)}
    _lift(flag_round, observation, digests, names, may_go)


def _take_back(flag_round: FlagRound, observation: Observation) -> None:
    """Take entries back. Passed lists that namespaces require stay: without them everything would be refused there."""
    plan = flag_round.plan
    if plan.clear_passed and observation.seen.is_required:
        flag_round.run.result.warnings.append(
            f"the passed lists keep {len(plan.clear_passed)} images, since there are namespaces where nothing runs "
            "that is not on these lists; run the playbook imagescan.openshift.enforce with an empty "
            "enforce_require_passed_namespaces first to take them back, too"
        )
    else:
        _take_off(flag_round, observation, plan.clear_passed)
    digests = plan.clear_digests - flag_round.failed
    _lift(flag_round, observation, digests, plan.clear_references, lambda name: True)


def _lift(
    flag_round: FlagRound,
    observation: Observation,
    digests: t.AbstractSet[str],
    names: t.AbstractSet[str],
    may_go: t.Callable[[str], bool],
) -> None:
    """Take digests and names off the deny lists."""
    run, denied = flag_round.run, observation.seen.denied or {}

    def tell(cleared: t.AbstractSet[str], lifted: t.AbstractSet[str]) -> None:
        run.result.tell_entries(observation.seen, {}, {}, cleared, lifted)
        observation.held = denied.keys() - cleared

    if flag_round.dry_run or not (digests or names):
        tell(digests, names)
        return
    keep = _AllBut(digests | names, may_go)
    _write(
        observation,
        lambda current: lists.clear_entries(run.client, current, {}, {}, keep=keep),
        lambda current: tell(digests - current.digests.keys(), names - current.references.keys()),
    )


def _take_off(flag_round: FlagRound, observation: Observation, digests: frozenset[str]) -> None:
    """Take digests off the passed lists."""
    run, seen = flag_round.run, observation.seen
    if flag_round.dry_run or not digests:
        run.result.tell_passed(seen, {}, digests)
        return
    _write(
        observation,
        lambda current: lists.pass_entries(run.client, current, {}, keep=_AllBut(digests)),
        lambda current: run.result.tell_passed(seen, {}, digests - current.passed_digests.keys()),
    )


def _admit(flag_round: FlagRound, observation: Observation) -> None:
    """Put digests on the passed lists."""
    run, seen = flag_round.run, observation.seen
    due, standing = flag_round.plan.set_passed, flag_round.standing
    flag_round.touched.update(due)
    passing = {digest: until for digest, until in due.items() if digest in standing.digests()}
    if flag_round.dry_run or not passing:
        run.result.tell_passed(seen, passing, ())
        return

    def write(_current: lists.Lists) -> lists.Written:
        fresh = lists.read_lists(run.client, run.options.provider)
        return lists.pass_entries(run.client, fresh, passing, keep=_AllBut(()))

    def tell(current: lists.Lists) -> None:
        passed = current.passed_digests
        written = {digest: until for digest, until in passing.items() if passed.get(digest) == until}
        run.result.tell_passed(seen, written, ())

    _write(observation, write, tell)


def _write(
    observation: Observation,
    write: t.Callable[[lists.Lists], lists.Written],
    tell: t.Callable[[lists.Lists], None],
) -> None:
    """Write lists, and tell what stands there then, also where that broke off in the midst."""
    current: lists.Lists = observation.state
    try:
        current = write(current).lists
    except ScanError as error:
        if isinstance(error.partial, lists.Written):
            current = error.partial.lists
        raise
    finally:
        tell(current)


DENY_LIST = FlagTarget(
    name="deny_list",
    order=10,
    describe="deny lists",
    group=GROUP,
    rights={(GROUP, DENY_PLURAL): "get list create patch delete", (GROUP, PASSED_PLURAL): "get list patch"},
    observe=_observe,
    set=_set,
    clear=_clear,
    take_back=_take_back,
    admit=_admit,
)
