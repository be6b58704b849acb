# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan of a run of flags: which images are flagged, cleared and kept, and what the lists shall say.

Made of the verdicts in force and of what the cluster has. It decides; the service ``_enforcement/reconciler.py`` acts.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from .._core.errors import InputError, ScanError
from .._core.text import visible
from .._core.times import utc_text
from .facts import FlagFacts
from .lists import Entry, deny_text
from .namespace_scope import Reach
from .transition import CLEAR, KEEP, SET, fate

_WHY_LIMIT = 300


@dataclasses.dataclass(frozen=True)
class FlagSubject:
    """One image of the store. ``reference``: the name to show. ``references``: its names with tags, in full form.

    ``until`` and ``lasting``: how long its pass holds (``validity.Validity``), empty for no end or no pass.
    ``failed_last``: nobody knows whether it passes, and it failed when somebody did.
    """

    facts: FlagFacts
    reference: str = ""
    references: tuple[str, ...] = ()
    until: str = ""
    lasting: str = ""
    failed_last: bool = False

    @property
    def digest(self) -> str:
        """Digest of the image."""
        return self.facts.digest


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Content of the store. ``places``: every name with a tag in the store, in full form, and the digests it leads to:
    one, or more where it is spelt in several ways.

    ``whole``: the subjects are all images of the store. Otherwise ``ended``: indexes that hold some of them and do not
    pass, or not any more.
    """

    subjects: t.Mapping[str, FlagSubject]
    places: t.Mapping[str, t.Collection[str]]
    whole: bool
    ended: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Seen:
    """Our flags and list entries in the cluster.

    ``denied`` and ``listed``: digests and references on our deny lists, None where they are not a target. ``passed``:
    digests on our passed lists, None where there are none. ``images``: digests that have an object of their own, of
    which ``denying`` say that we deny, and ``leftover`` may be cleared although another program flagged them.
    ``drift``: how the object differs from one that says that we deny. ``reach``: where the lists act, None where nobody
    wrote that down; ``is_required``: nothing runs in some namespaces that is not on the passed lists.
    """

    denied: t.Mapping[str, Entry] | None = None
    listed: t.Mapping[str, Entry] = dataclasses.field(default_factory=dict)
    passed: t.Mapping[str, str] | None = None
    images: frozenset[str] = frozenset()
    denying: frozenset[str] = frozenset()
    leftover: frozenset[str] = frozenset()
    drift: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    reach: Reach | None = None
    is_required: bool = False

    @property
    def held(self) -> frozenset[str]:
        """Every digest with a flag that is ours to clear."""
        return frozenset({*self.denying, *self.leftover, *(self.denied or ())})

    def flagged(self, digest: str) -> bool:
        """Return whether a flag of ours is on the image, in whichever place."""
        return digest in self.denying or (self.denied is not None and digest in self.denied)


def join_seen(parts: t.Iterable[Seen]) -> Seen:
    """Join what several targets hold, of which one has lists."""
    joined = Seen()
    for part in parts:
        drift = dict(joined.drift)
        for digest, differences in part.drift.items():
            drift[digest] = (*drift.get(digest, ()), *differences)
        joined = Seen(
            denied=joined.denied if part.denied is None else part.denied,
            listed={**joined.listed, **part.listed},
            passed=joined.passed if part.passed is None else part.passed,
            images=joined.images | part.images,
            denying=joined.denying | part.denying,
            leftover=joined.leftover | part.leftover,
            drift=drift,
            reach=part.reach or joined.reach,
            is_required=part.is_required or joined.is_required,
        )
    return joined


class InUse(t.Protocol):
    """Images that run in the cluster."""

    @property
    def images(self) -> frozenset[str]:
        """Keys of the images that run."""

    def images_of(self, names: t.Iterable[str]) -> frozenset[str]:
        """Those of ``images`` that digests and references in full form mean."""


@dataclasses.dataclass(frozen=True)
class FlagLimit:
    """Limit of newly flagged images in use: a number, or per cent of them."""

    value: float
    percent: bool

    def allows(self, new: int, total: int) -> bool:
        """Return whether so many are few enough."""
        return new * 100 <= self.value * total if self.percent else new <= self.value

    def __str__(self) -> str:
        return f"{self.value:g}%" if self.percent else f"{self.value:g}"


def parse_limit(text: str) -> FlagLimit:
    """A number of images, or per cent of those in use (``10%``). Raises InputError."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,3})?)\s*(%?)\s*", text, re.ASCII)
    if not match or (not match[2] and "." in match[1]) or (match[2] and float(match[1]) > 100):
        raise InputError(f"max_new_flags is {visible(text, 40)!r}; expected a number like 20, or per cent like 10%")
    return FlagLimit(float(match[1]), bool(match[2]))


@dataclasses.dataclass(frozen=True)
class PlanOptions:
    """Options of a plan. ``grace``: for how long what runs may be started again once it is flagged; None: not at
    all, but what was promised before is kept."""

    flag_inconclusive: bool = False
    flag_errors: bool = False
    grace: datetime.timedelta | None = None


@dataclasses.dataclass(frozen=True)
class FlagRow:
    """One image and what becomes of its flag. ``references``: those of its names that are on the deny list or come."""

    digest: str
    reference: str
    why: str
    references: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Drift:
    """A flag of ours that is not as we left it, by somebody else or a run that was interrupted."""

    digest: str
    reference: str
    what: str


@dataclasses.dataclass(frozen=True)
class FlagPlan:
    """Actions of a run. The digests in ``fates`` are all that were decided about; see ``transition.py``.

    ``flagged``: newly; ``cleared``: flags that go; ``kept``: flags that stay. ``set_...``: entries that are missing or
    differ. ``set_passed``: digest -> until. ``next_due``: when a run is needed next although nothing else changed.
    """

    fates: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    flagged: tuple[FlagRow, ...] = ()
    cleared: tuple[FlagRow, ...] = ()
    kept: tuple[FlagRow, ...] = ()
    drifted: tuple[Drift, ...] = ()
    set_digests: t.Mapping[str, Entry] = dataclasses.field(default_factory=dict)
    set_references: t.Mapping[str, Entry] = dataclasses.field(default_factory=dict)
    clear_digests: frozenset[str] = frozenset()
    clear_references: frozenset[str] = frozenset()
    set_passed: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    clear_passed: frozenset[str] = frozenset()
    next_due: str = ""


def make_plan(
    snapshot: Snapshot, state: Seen, wishes: PlanOptions, in_use: InUse, *, now: datetime.datetime
) -> FlagPlan:
    """Decide about every image of the snapshot. ``now`` has a time zone."""
    return _Planning(snapshot, state, wishes, in_use, now).plan()


def plan_withdrawal(snapshot: Snapshot, state: Seen) -> FlagPlan:
    """Plan to take back every flag of ours, or where a snapshot is not whole those of its images."""
    subjects = snapshot.subjects
    names = {name for subject in subjects.values() for name in subject.references}

    def select(digests: t.Iterable[str]) -> frozenset[str]:
        return frozenset(digest for digest in digests if snapshot.whole or digest in subjects)

    rows = []
    for digest in sorted(select(state.held)):
        subject = subjects.get(digest)
        reference, references = (subject.reference, subject.references) if subject else ("", ())
        rows.append(FlagRow(digest, reference, "its flag is taken back", references))
    return FlagPlan(
        cleared=tuple(rows),
        clear_digests=select(state.denied or ()),
        clear_references=frozenset(name for name in state.listed if snapshot.whole or name in names),
        clear_passed=select(state.passed or ()),
    )


def check_limit(
    plan: FlagPlan,
    state: Seen,
    in_use: InUse,
    limit: FlagLimit,
    *,
    requiring: InUse | None = None,
    before: frozenset[str] | None = None,
    where: str = "",
) -> frozenset[str]:
    """Raise ScanError, before anything is done, where more of what runs would be flagged than is allowed.

    ``in_use``: what runs where flags count; ``where``: that in words, empty for everywhere. ``requiring``: what runs
    where only what passed may, so that losing a pass is as bad as a flag; None for nowhere. ``before``: what earlier
    rounds of the run gave, None in the first; the result is for the next one.
    """
    new = in_use.images_of(
        {row.digest for row in plan.flagged}
        | (plan.set_digests.keys() - (state.denied or {}).keys())
        | (plan.set_references.keys() - state.listed.keys())
    )
    losing = requiring.images_of(plan.clear_passed) if requiring is not None else frozenset()
    hits, total = new | losing | (before or frozenset()), len(in_use.images)
    if limit.allows(len(hits), total):
        return hits
    share = f" ({100 * len(hits) / total:.3g}%)" if total else ""
    raise ScanError(
        f"nothing {'' if before is None else 'more '}was flagged: {len(hits)} of {total} images in use{where}{share} "
        f"would be flagged newly{' or lose a pass that they need' if losing else ''}, and max_new_flags allows "
        f"{limit}{_example(plan, in_use)}",
        code="too-many-flags",
        hint="look at the vulnerability data and the policies that changed last, and at the run in check mode with "
        f"--diff; if all of it is right, run again with max_new_flags: {len(hits)}",
    )


def _example(plan: FlagPlan, in_use: InUse) -> str:
    for row in plan.flagged:
        if in_use.images_of((row.digest, *row.references)):
            return f"; the first: {row.reference or row.digest}: {row.why}"
    return ""


def harmless(plan: FlagPlan, snapshot: Snapshot, in_use: InUse) -> frozenset[str]:
    """Select what may leave the passed lists even if a run does too much: images that failed and that nobody uses."""
    return frozenset(
        digest
        for digest in plan.clear_passed & snapshot.subjects.keys()
        if snapshot.subjects[digest].facts.verdict == "failed"
        and not in_use.images_of((digest, *snapshot.subjects[digest].references))
    )


class _Planning:
    def __init__(
        self, snapshot: Snapshot, state: Seen, wishes: PlanOptions, in_use: InUse, now: datetime.datetime
    ) -> None:
        self._snapshot = snapshot
        self._seen = state
        self._wishes = wishes
        self._in_use = in_use
        self._now = utc_text(now)
        self._end_of_grace = None if wishes.grace is None else _end(now, wishes.grace)
        self._fates: dict[str, str] = {}
        self._rows: dict[str, list[FlagRow]] = {"flagged": [], "cleared": [], "kept": []}
        self._drifted: list[Drift] = []
        self._digests: dict[str, Entry] = {}
        self._references: dict[str, Entry] = {}
        self._lifted: set[str] = set()

    def plan(self) -> FlagPlan:
        state = self._seen
        for digest in sorted(self._snapshot.subjects):
            self._decide(self._snapshot.subjects[digest])
        self._keep_unknown()
        denied = state.denied or {}
        set_passed, clear_passed, passes = self._passes()
        moved_names = frozenset(name for name in state.listed if name not in self._references and self._is_free(name))
        self._look_for_left(moved_names)
        ends = [*self._ends_of_grace(moved_names), *passes]
        lists = state.denied is not None
        return FlagPlan(
            fates=self._fates,
            flagged=tuple(self._rows["flagged"]),
            cleared=tuple(self._rows["cleared"]),
            kept=tuple(self._rows["kept"]),
            drifted=tuple(self._drifted),
            set_digests=_differing(self._digests, denied) if lists else {},
            set_references=_differing(self._references, state.listed) if lists else {},
            clear_digests=frozenset(self._lifted & denied.keys()),
            clear_references=moved_names,
            set_passed=set_passed,
            clear_passed=clear_passed,
            next_due=min((end for end in ends if end > self._now), default=""),
        )

    def _decide(self, subject: FlagSubject) -> None:
        state, digest = self._seen, subject.digest
        if state.denied is None and digest not in state.images:
            return  # nothing in the cluster could hold a flag
        is_ours = state.flagged(digest)
        decided = fate(
            subject.facts.verdict,
            flagged=is_ours or digest in state.leftover,
            flag_inconclusive=self._wishes.flag_inconclusive,
            flag_errors=self._wishes.flag_errors,
        )
        self._fates[digest] = decided
        if decided == CLEAR:
            self._lifted.add(digest)
            self._note("cleared", subject, "it passed")
            return
        if decided == KEEP and not is_ours:
            return
        # A flag that stays stands in every place.
        self._fates[digest] = SET
        self._deny(subject, is_ours, decided)
        reason = _why(subject.facts)
        if decided == KEEP:
            reason += "; only an image that passes is cleared"
        self._note("kept" if is_ours else "flagged", subject, reason)
        if is_ours:
            self._look_for_drift(subject)

    def _deny(self, subject: FlagSubject, is_ours: bool, decided: str) -> None:
        facts = subject.facts
        text = deny_text(facts.policies, facts.reasons, facts.report_url)
        existing_entry = (self._seen.denied or {}).get(subject.digest)
        self._digests[subject.digest] = self._entry(subject.digest, text, existing_entry, decided, not is_ours)
        for name in subject.references:
            existing_entry = self._seen.listed.get(name)
            self._references[name] = self._entry(name, text, existing_entry, decided, existing_entry is None)

    def _entry(self, name: str, text: str, existing_entry: Entry | None, decided: str, is_new: bool) -> Entry:
        if existing_entry is not None and decided == KEEP:
            text = existing_entry.text  # it says why the image was flagged
        until = existing_entry.grace_until if existing_entry is not None else ""
        if self._end_of_grace is not None:
            if existing_entry is None and is_new and self._in_use.images_of((name,)):
                until = self._end_of_grace
            # A shorter grace than before ends it earlier, a longer one changes nothing.
            until = min(until, self._end_of_grace)
        return Entry(text, until if until > self._now else "")

    def _look_for_drift(self, subject: FlagSubject) -> None:
        state, digest = self._seen, subject.digest
        for difference in state.drift.get(digest, ()):
            self._drift(subject, difference)
        if state.denied is not None and digest not in state.denied:
            self._drift(subject, "it is not on the deny list")
        elif state.denied is not None:
            for name in subject.references:
                if name not in state.listed:
                    self._drift(subject, f"its name {name} is not on the deny list")

    def _look_for_left(self, moved_names: t.Collection[str]) -> None:
        """Names that stayed when their tag was moved. Those of an image that is cleared now go with it."""
        for name in sorted(moved_names):
            digests = sorted(self._snapshot.places[name])
            if self._lifted.isdisjoint(digests):
                subject = self._snapshot.subjects[digests[0]]
                self._drift(subject, f"its name {name} is on the deny list, and it is not denied")

    def _keep_unknown(self) -> None:
        """Flags on what the store does not know are not taken back: nobody knows what is in it."""
        if not self._snapshot.whole:
            return
        for digest in sorted({*(self._seen.denied or ()), *self._seen.denying} - self._snapshot.subjects.keys()):
            reason = "the store does not know it; state: absent takes its flag back"
            self._rows["kept"].append(FlagRow(digest, "", reason))
        for name in sorted(self._seen.listed.keys() - self._references.keys() - self._snapshot.places.keys()):
            self._rows["kept"].append(
                FlagRow("", name, "the store does not know the name; state: absent takes it back")
            )

    def _ends_of_grace(self, moved_names: t.Container[str]) -> t.Iterator[str]:
        """Ends of the graces of entries that stand once the plan is carried out."""
        digests = {**(self._seen.denied or {}), **self._digests}
        references = {**self._seen.listed, **self._references}
        yield from (entry.grace_until for digest, entry in digests.items() if digest not in self._lifted)
        yield from (entry.grace_until for name, entry in references.items() if name not in moved_names)

    def _is_free(self, reference: str) -> bool:
        """Return whether a listed reference leads to an image that passes, or to another one that is not denied.

        What nobody knows stays, and so does what failed until somebody knows that it passes.
        """
        digests = self._snapshot.places.get(reference, ())
        subjects = self._snapshot.subjects
        return bool(digests) and all(
            digest in subjects and digest not in self._digests and not subjects[digest].failed_last
            for digest in digests
        )

    def _passes(self) -> tuple[dict[str, str], frozenset[str], list[str]]:
        listed = self._seen.passed
        if listed is None:
            return {}, frozenset(), []
        subjects = self._snapshot.subjects
        passing = {digest: subject for digest, subject in subjects.items() if subject.facts.verdict == "passed"}
        ends = {digest: subject.lasting for digest, subject in passing.items()}
        missing = {digest: end for digest, end in ends.items() if listed.get(digest) != end}
        listed_digests = (
            listed.keys() if self._snapshot.whole else (subjects.keys() | self._snapshot.ended) & listed.keys()
        )
        removed_digests = listed_digests - passing.keys()
        return missing, frozenset(removed_digests), [subject.until for subject in passing.values()]

    def _note(self, kind: str, subject: FlagSubject, reason: str) -> None:
        self._rows[kind].append(FlagRow(subject.digest, subject.reference, reason, subject.references))

    def _drift(self, subject: FlagSubject, difference: str) -> None:
        self._drifted.append(Drift(subject.digest, subject.reference, difference))


def _end(now: datetime.datetime, grace: datetime.timedelta) -> str:
    """When a grace ends; with the calendar at the latest."""
    try:
        return utc_text(now + grace)
    except OverflowError:
        return utc_text(datetime.datetime.max.replace(tzinfo=datetime.timezone.utc))


def _why(facts: FlagFacts) -> str:
    reason = visible(facts.reasons[0][1], _WHY_LIMIT) if facts.reasons else ""
    ending = f" (and {len(facts.reasons) - 1} more)" if len(facts.reasons) > 1 else ""
    return f"{facts.verdict}: {reason}{ending}" if reason else facts.verdict


def _differing(entries: t.Mapping[str, Entry], existing_entries: t.Mapping[str, Entry]) -> dict[str, Entry]:
    return {name: entry for name, entry in entries.items() if existing_entries.get(name) != entry}
