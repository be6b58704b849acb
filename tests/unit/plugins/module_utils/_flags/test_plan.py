# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of a run of flags: right at once, right after a crash at any step, and stopped before they do too much."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.facts import FlagFacts
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.lists import Entry
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.plan import (
    FlagLimit,
    FlagPlan,
    FlagSubject,
    PlanOptions,
    Seen,
    Snapshot,
    _why,
    check_limit,
    harmless,
    make_plan,
    parse_limit,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._flags.transition import CLEAR, KEEP, SET
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.model import VERDICTS
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)
LATER = "2026-11-25T00:00:00Z"
DIGESTS = tuple("sha256:" + letter * 64 for letter in "abcdef")
A, B, C = DIGESTS[:3]
NAME, OTHER = "quay.io/team/app:1", "quay.io/team/other:2"


@dataclasses.dataclass(frozen=True)
class Use:
    """What runs: images by digest or name alone."""

    images: frozenset[str] = frozenset()

    def images_of(self, names: t.Iterable[str]) -> frozenset[str]:
        """Those that run."""
        return self.images & frozenset(names)


def subject(digest: str, verdict: str, *references: str, until: str = "", message: str = "it is bad") -> FlagSubject:
    """An image of the store."""
    facts = FlagFacts(digest, verdict, ("default",), (("code", message),), {}, "", "", "", None)
    return FlagSubject(facts, references[0] if references else "", references, until, until)


def snapshot(*subjects: FlagSubject, whole: bool = True, **places: str) -> Snapshot:
    """A store."""
    leads = {name: [one.digest] for one in subjects for name in one.references}
    return Snapshot({one.digest: one for one in subjects}, {**leads, **places}, whole)


# Both defaults are frozen.
def plan(store: Snapshot, seen: Seen, wishes: PlanOptions = PlanOptions(), running: Use = Use()) -> FlagPlan:  # noqa: B008 - frozen
    """The plan."""
    return make_plan(store, seen, wishes, running, now=NOW)


def drift(images: t.Collection[str], denying: t.Collection[str]) -> dict[str, tuple[str, ...]]:
    """How Image objects differ from ones that say that we deny."""
    return {digest: ("its Image object does not say that we deny it",) for digest in images if digest not in denying}


def entry(until: str = "", text: str = "policy default: it is bad") -> Entry:
    """What a failed image has on the deny list."""
    return Entry(text, until)


def after(seen: Seen, done: FlagPlan, *, step: int = 6) -> Seen:
    """What the cluster has once the first ``step`` steps of a plan are done, in the order of the service."""
    denied, listed, passed, denying = (
        dict(seen.denied or {}),
        dict(seen.listed),
        dict(seen.passed or {}),
        set(seen.denying),
    )
    if step > 0:
        passed = {digest: until for digest, until in passed.items() if digest not in done.clear_passed}
    if step > 1:
        denied.update(done.set_digests)
        listed.update(done.set_references)
    if step > 2:
        denying |= {digest for digest, fate in done.fates.items() if fate == SET and digest in seen.images}
    if step > 3:
        denying -= {digest for digest, fate in done.fates.items() if fate == CLEAR}
    if step > 4:
        denied = {digest: one for digest, one in denied.items() if digest not in done.clear_digests}
        listed = {name: one for name, one in listed.items() if name not in done.clear_references}
    if step > 5:
        passed.update(done.set_passed)
    return dataclasses.replace(
        seen,
        denied=denied if seen.denied is not None else None,
        listed=listed,
        passed=passed if seen.passed is not None else None,
        denying=frozenset(denying),
        drift=drift(seen.images, denying),
    )


def is_idle(done: FlagPlan) -> bool:
    """Whether nothing is left to be done on the lists, and no flag changes."""
    lists = (done.set_digests, done.set_references, done.clear_digests, done.clear_references)
    return not any((*lists, done.set_passed, done.clear_passed, done.flagged, done.cleared, done.drifted))


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("where", ["", "list", "image", "both"])
@pytest.mark.parametrize("also", ["", "inconclusive", "error"])
def test_every_verdict_on_every_state(verdict: str, where: str, also: str) -> None:
    seen = Seen(
        denied={A: entry()} if where in ("list", "both") else {},
        images=frozenset([A]),
        denying=frozenset([A] if where in ("image", "both") else []),
        drift=drift([A], [A] if where in ("image", "both") else []),
    )
    wishes = PlanOptions(flag_inconclusive=also == "inconclusive", flag_errors=also == "error")
    done = plan(snapshot(subject(A, verdict)), seen, wishes)
    must = verdict == "failed" or verdict == also
    assert [row.digest for row in done.flagged] == ([A] if must and not where else [])
    assert [row.digest for row in done.cleared] == ([A] if verdict == "passed" and where else [])
    assert [row.digest for row in done.kept] == ([A] if verdict != "passed" and where else [])
    assert len(done.drifted) == (where in ("list", "image") and verdict != "passed")
    assert done.fates[A] == (SET if must or (where and verdict != "passed") else CLEAR if where else KEEP)
    assert done.clear_digests == ({A} if verdict == "passed" and where in ("list", "both") else set())
    denied = after(seen, done).denied
    assert denied is not None
    assert (A in denied) == (must or bool(where and verdict != "passed"))


def told(done: FlagPlan) -> list[tuple[str, str]]:
    """Digest and what of the drift."""
    return [(one.digest, one.what) for one in done.drifted]


@pytest.mark.parametrize("verdict", ["failed", "inconclusive", "error"])
def test_a_name_that_was_taken_off_the_list_is_told_and_put_back(verdict: str) -> None:
    store = snapshot(subject(A, verdict, NAME, OTHER))
    done = plan(store, Seen(denied={A: entry()}, listed={OTHER: entry()}))
    assert told(done) == [(A, f"its name {NAME} is not on the deny list")]
    assert NAME in done.set_references
    assert told(plan(store, after(Seen({A: entry()}, {OTHER: entry()}), done))) == []


def test_an_image_that_is_not_on_the_list_is_told_of_once_whatever_its_names() -> None:
    seen = Seen(denied={}, images=frozenset([A]), denying=frozenset([A]))
    assert told(plan(snapshot(subject(A, "failed", NAME)), seen)) == [(A, "it is not on the deny list")]


def test_no_name_is_missed_where_the_lists_are_no_target() -> None:
    seen = Seen(denied=None, images=frozenset([A]), denying=frozenset([A]))
    assert told(plan(snapshot(subject(A, "failed", NAME)), seen)) == []


def test_a_name_that_stayed_on_the_list_when_its_tag_moved_is_told_and_lifted() -> None:
    store = snapshot(subject(A, "failed"), subject(B, "passed", NAME))
    seen = Seen(denied={A: entry()}, listed={NAME: entry()})
    done = plan(store, seen)
    assert told(done) == [(B, f"its name {NAME} is on the deny list, and it is not denied")]
    assert done.clear_references == {NAME}
    assert told(plan(store, after(seen, done))) == []


def test_a_name_that_goes_with_its_image_is_no_drift() -> None:
    done = plan(snapshot(subject(A, "passed", NAME)), Seen(denied={A: entry()}, listed={NAME: entry()}))
    assert (told(done), done.clear_references) == ([], {NAME})


@pytest.mark.parametrize("whole", [True, False])
def test_a_name_that_nobody_knows_is_kept_and_told(whole: bool) -> None:
    done = plan(snapshot(subject(A, "passed"), whole=whole), Seen(denied={}, listed={NAME: entry()}))
    unknown = [(row.digest, row.reference) for row in done.kept]
    assert (unknown, told(done), done.clear_references) == ([("", NAME)] if whole else [], [], frozenset())


_SUBJECTS = st.dictionaries(
    st.sampled_from(DIGESTS),
    st.tuples(st.sampled_from(VERDICTS), st.sampled_from(["one", "another"]), st.sampled_from(["", LATER])),
    max_size=6,
)
_PLACES = st.dictionaries(st.sampled_from([NAME, OTHER, "quay.io/team/third:3"]), st.sampled_from(DIGESTS), max_size=3)
_ENTRIES = st.dictionaries(st.sampled_from(DIGESTS), st.sampled_from([entry(), entry(LATER), entry(text="old")]))
_LISTED = st.dictionaries(st.sampled_from([NAME, OTHER, "quay.io/team/third:3"]), st.just(entry(text="old")))
_SOME = st.frozensets(st.sampled_from(DIGESTS))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Snapshot, Seen, Use]:
    """A store, a cluster in any state, and what runs."""
    places = draw(_PLACES)
    subjects = {
        digest: subject(digest, verdict, *sorted(n for n in places if places[n] == digest), until=end, message=message)
        for digest, (verdict, message, end) in draw(_SUBJECTS).items()
    }
    images = draw(_SOME)
    passed = draw(st.none() | st.dictionaries(st.sampled_from(DIGESTS), st.sampled_from(["", LATER])))
    denying = draw(_SOME) & images
    seen = Seen(draw(_ENTRIES), draw(_LISTED), passed, images, denying, drift=drift(images, denying))
    store = Snapshot(subjects, {name: [digest] for name, digest in places.items()}, draw(st.booleans()))
    return store, seen, Use(draw(_SOME))


@settings(max_examples=4 * settings().max_examples, deadline=None)
@given(worlds(), st.integers(0, 6), st.sampled_from([0, 3]))
def test_a_crash_at_any_step_is_repaired_and_never_lax(
    world: tuple[Snapshot, Seen, Use], step: int, hours: int
) -> None:
    store, seen, running = world
    wishes = PlanOptions(grace=datetime.timedelta(hours=hours))
    done = plan(store, seen, wishes, running)
    whole = after(seen, done)
    crashed = after(seen, done, step=step)
    # Whatever was flagged anywhere and did not pass is flagged still, at every step.
    for digest in DIGESTS:
        verdict = store.subjects[digest].facts.verdict if digest in store.subjects else ""
        if seen.flagged(digest) and verdict != "passed":
            assert crashed.flagged(digest)
        if digest in (crashed.passed or {}) and step > 0 and (store.whole or digest in store.subjects):
            assert verdict == "passed"
    again = plan(store, crashed, wishes, running)
    repaired = after(crashed, again)
    assert (repaired.denied or {}).keys() == (whole.denied or {}).keys()
    assert repaired.listed.keys() == whole.listed.keys()
    assert (repaired.passed, repaired.denying) == (whole.passed, whole.denying)
    assert is_idle(plan(store, repaired, wishes, running))


def test_a_name_that_leads_elsewhere_is_lifted() -> None:
    seen = Seen(denied={A: entry()}, listed={NAME: entry(), OTHER: entry()})
    moved = snapshot(subject(A, "failed", OTHER), subject(B, "error", NAME))
    assert plan(moved, seen).clear_references == {NAME}
    assert plan(snapshot(subject(A, "failed")), seen).clear_references == frozenset()  # nobody knows where they lead
    both = dataclasses.replace(moved, places={NAME: [A, B], OTHER: [A]})
    assert plan(both, seen).clear_references == frozenset()  # one of two spellings still leads to it
    part = dataclasses.replace(moved, subjects={A: moved.subjects[A]}, whole=False)
    assert plan(part, seen).clear_references == frozenset()


def test_a_name_stays_while_nobody_knows_whether_what_failed_there_passes_now() -> None:
    seen = Seen(denied={}, listed={NAME: entry()})
    for verdict in ("error", "inconclusive"):
        # Somebody took the digest off the list, so that nothing but its name tells of the flag.
        failed = dataclasses.replace(subject(A, verdict, NAME), failed_last=True)
        assert plan(snapshot(failed), seen).clear_references == frozenset()
        assert plan(snapshot(subject(B, verdict, NAME)), seen).clear_references == {NAME}  # it led elsewhere
    assert plan(snapshot(subject(A, "passed", NAME)), seen).clear_references == {NAME}


def test_what_the_store_does_not_know_stays_flagged() -> None:
    seen = Seen(
        denied={A: entry()}, listed={NAME: entry()}, passed={B: ""}, images=frozenset([C]), denying=frozenset([C])
    )
    done = plan(snapshot(), seen)
    assert [row.digest or row.reference for row in done.kept] == [A, C, NAME]
    assert is_idle(dataclasses.replace(done, clear_passed=frozenset()))
    assert done.clear_passed == {B}
    assert plan(snapshot(whole=False), seen).clear_passed == frozenset()


def test_a_run_on_some_images_takes_theirs_off_the_passed_lists_and_indexes_that_hold_them() -> None:
    index, ended, other = DIGESTS[3:]
    seen = Seen(denied={}, passed={A: "", B: "2026-11-20T00:00:00Z", C: "", index: "", ended: "", other: ""})
    subjects = (subject(A, "passed"), subject(B, "inconclusive"), subject(C, "failed"))
    part = dataclasses.replace(snapshot(*subjects, whole=False), ended=frozenset([ended]))
    done = plan(part, seen)
    assert (done.clear_passed, done.set_passed) == ({B, C, ended}, {})


def test_without_a_place_for_it_nothing_is_flagged() -> None:
    done = plan(snapshot(subject(A, "failed", NAME), subject(B, "failed")), Seen(images=frozenset([B])))
    assert [row.digest for row in done.flagged] == [B]
    assert (done.set_digests, done.set_references) == ({}, {})


def test_a_grace_is_given_once_and_ends() -> None:
    store = snapshot(subject(A, "failed", NAME), subject(B, "failed"))
    wishes = PlanOptions(grace=datetime.timedelta(hours=2))
    first = plan(store, Seen(denied={}), wishes, Use(frozenset([A, NAME])))
    end = "2026-11-24T14:00:00Z"
    assert {name: one.grace_until for name, one in {**first.set_digests, **first.set_references}.items()} == {
        A: end,
        B: "",
        NAME: end,
    }
    assert first.next_due == end
    seen = after(Seen(denied={}), first)
    longer = PlanOptions(grace=datetime.timedelta(hours=9))
    assert is_idle(plan(store, seen, PlanOptions(), Use(frozenset([A, B]))))  # a run that is not told of any grace
    at_once = plan(store, seen, PlanOptions(grace=datetime.timedelta()))
    assert {name: one.grace_until for name, one in at_once.set_digests.items()} == {A: ""}
    assert is_idle(plan(store, seen, longer, Use(frozenset([A, B]))))
    shorter = plan(store, seen, PlanOptions(grace=datetime.timedelta(hours=1)))
    assert shorter.set_digests[A].grace_until == "2026-11-24T13:00:00Z"
    ended = make_plan(store, seen, longer, Use(), now=NOW + datetime.timedelta(hours=2))
    assert ended.set_digests[A].grace_until == ""
    assert ended.next_due == ""


def test_what_ends_now_is_not_due_again() -> None:
    seen = Seen(denied={A: entry(until="2026-11-24T12:00:00Z"), B: entry(until="2026-11-24T12:00:01Z")})
    assert plan(snapshot(), seen, PlanOptions()).next_due == "2026-11-24T12:00:01Z"
    assert plan(snapshot(), dataclasses.replace(seen, denied={A: seen.denied[A]}), PlanOptions()).next_due == ""


def test_a_grace_beyond_the_calendar_ends_with_it() -> None:
    late = datetime.datetime(9999, 12, 30, tzinfo=datetime.timezone.utc)
    wishes = PlanOptions(grace=datetime.timedelta(days=3650))
    done = make_plan(snapshot(subject(A, "failed")), Seen(denied={}), wishes, Use(frozenset([A])), now=late)
    assert done.set_digests[A].grace_until == "9999-12-31T23:59:59Z"


def test_an_unknown_verdict_is_no_verdict() -> None:
    with pytest.raises(ScanError, match="the verdict is 'fine'"):
        plan(snapshot(subject(A, "fine")), Seen(denied={}))


# The circuit breaker.


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("10%", FlagLimit(10, percent=True)),
        (" 2.5 % ", FlagLimit(2.5, percent=True)),
        ("0", FlagLimit(0, percent=False)),
        ("20", FlagLimit(20, percent=False)),
    ],
)
def test_limits_are_numbers_or_shares(text: str, limit: FlagLimit) -> None:
    assert parse_limit(text) == limit
    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "ten", "-1", "1.5", "101%", "1e3", "10%%", "٣", "10 20"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="max_new_flags is "):
        parse_limit(text)


@pytest.mark.parametrize(
    ("new", "of", "stops"), [(10, 100, False), (11, 100, True), (1, 9, True), (0, 0, False), (3, 30, False)]
)
def test_eleven_of_a_hundred_are_too_many(new: int, of: int, stops: bool) -> None:
    names = [f"sha256:{number:064x}" for number in range(of)]
    store = snapshot(*(subject(name, "failed") for name in names[:new]), subject(A, "failed"))
    running = Use(frozenset(names))
    done = plan(store, Seen(denied={}), running=running)
    if not stops:
        check_limit(done, Seen(denied={}), running, FlagLimit(10, percent=True))
        return
    with pytest.raises(ScanError) as caught:
        check_limit(done, Seen(denied={}), running, FlagLimit(10, percent=True))
    assert caught.value.code == "too-many-flags"
    assert f"nothing was flagged: {new} of {of} images in use ({100 * new / of:.3g}%)" in caught.value.message
    assert caught.value.hint.endswith(f"run again with max_new_flags: {new}")
    check_limit(done, Seen(denied={}), running, parse_limit(str(new)))


def test_what_is_flagged_already_does_not_count_and_a_name_does() -> None:
    store = snapshot(subject(A, "failed", NAME))
    running = Use(frozenset([A, NAME]))
    flagged = Seen(denied={A: entry()}, listed={NAME: entry()})
    check_limit(plan(store, flagged, running=running), flagged, running, FlagLimit(0, percent=False))
    unlisted = dataclasses.replace(flagged, listed={})
    with pytest.raises(ScanError, match="1 of 2 images in use"):
        check_limit(plan(store, unlisted, running=running), unlisted, running, FlagLimit(0, percent=False))


def test_what_was_listed_no_more_counts_although_it_was_flagged() -> None:
    store = snapshot(subject(A, "failed"), subject(B, "failed"))
    running = Use(frozenset([A, B]))
    seen = Seen(denied={B: entry()}, images=frozenset([A]), denying=frozenset([A]))
    done = plan(store, seen, running=running)
    assert done.flagged == ()
    with pytest.raises(ScanError, match="nothing was flagged: 1 of 2 images in use"):
        check_limit(done, seen, running, FlagLimit(0, percent=False))


def test_earlier_rounds_of_a_run_count() -> None:
    running = Use(frozenset([A, B]))
    done = plan(snapshot(subject(A, "failed")), Seen(denied={}), running=running)
    counted = check_limit(done, Seen(denied={}), running, FlagLimit(1, percent=False))
    assert counted == {A}
    later = plan(snapshot(subject(B, "failed")), Seen(denied={A: entry()}), running=running)
    with pytest.raises(ScanError, match="nothing more was flagged: 2 of 2 images in use"):
        check_limit(later, Seen(denied={A: entry()}), running, FlagLimit(1, percent=False), before=counted)


def test_where_a_pass_is_required_losing_it_counts() -> None:
    store = snapshot(subject(A, "inconclusive"), subject(B, "failed"), subject(C, "inconclusive"))
    seen = Seen(denied={B: entry()}, passed={A: "", B: "", C: ""})
    everywhere = Use(frozenset([A, B, C, DIGESTS[3]]))
    done = plan(store, seen, running=everywhere)
    assert done.clear_passed == {A, B, C}
    check_limit(done, seen, everywhere, FlagLimit(0, percent=False))  # nothing is required anywhere
    with pytest.raises(ScanError) as caught:
        check_limit(done, seen, everywhere, FlagLimit(1, percent=False), requiring=Use(frozenset([A, B])))
    assert caught.value.message.startswith(
        "nothing was flagged: 2 of 4 images in use (50%) would be flagged newly or lose a pass that they need, and"
    )
    check_limit(done, seen, everywhere, FlagLimit(2, percent=False), requiring=Use(frozenset([A, B])))


def test_what_failed_and_nobody_uses_leaves_the_passed_lists_in_any_case() -> None:
    unclear = DIGESTS[3]
    store = snapshot(
        subject(A, "failed"), subject(B, "failed"), subject(C, "failed", NAME), subject(unclear, "inconclusive")
    )
    seen = Seen(denied={}, passed={A: "", B: "", C: "", unclear: "", DIGESTS[4]: ""})
    running = Use(frozenset([B, NAME]))
    done = plan(store, seen, running=running)
    assert done.clear_passed == {A, B, C, unclear, DIGESTS[4]}
    assert harmless(done, store, running) == {A}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ((), "failed"),
        (("it is bad",), "failed: it is bad"),
        (("it is bad", "it is old", "it is large"), "failed: it is bad (and 2 more)"),
    ],
)
def test_a_change_names_the_first_reason_and_counts_the_others(messages: tuple[str, ...], text: str) -> None:
    facts = subject(A, "failed").facts
    assert _why(dataclasses.replace(facts, reasons=tuple(("code", message) for message in messages))) == text
