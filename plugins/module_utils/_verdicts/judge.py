# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging: what policies say of an image, from its inventory, its findings and the state of the vulnerability data.

A verdict depends on the facts and on the policies; ``now`` only decides whether something is too old or has expired.
No text has an age in it, so that a verdict that is made again a minute later is the same, byte for byte.
"""

from __future__ import annotations

import dataclasses
import datetime
import operator
import typing as t

from .._core.text import visible
from .._images.platforms import choose, parse_platform, platform_of
from .applying import Accepted, Entry, Exceptions, ImageNames, Used
from .codes import CODES
from .conditions.base import Case, Data, Outcome, Step
from .conditions.table import CONDITIONS, Policy
from .exceptions import Acceptance
from .facts import build_facts
from .model import VERDICTS, ImageVerdict, PolicyVerdict, Reason, worst
from .subject import Subject
from .vex_statements import VexStatement
from .wording import counted, listed

#: At most so many reasons of one code, the gravest first; the last says how many more there are.
REASON_LIMIT = 25
#: What finds reasons, in the order of its steps.
_REASONS = tuple(item.reasons[step] for step in Step for item in CONDITIONS if step in item.reasons)


@dataclasses.dataclass(frozen=True, order=True)
class JudgedChild:
    """One image of an index. ``platform``: ``os/architecture[/variant]``."""

    platform: str
    digest: str


def judge(
    subject: Subject,
    policies: t.Sequence[Policy],
    exceptions: Exceptions | t.Iterable[Entry],
    *,
    now: datetime.datetime,
) -> ImageVerdict:
    """Judge an image by all policies that select it. ``now`` has a time zone."""
    exceptions = exceptions if isinstance(exceptions, Exceptions) else Exceptions(exceptions)
    named = ImageNames((subject.digest, *subject.index_digests), subject.names, subject.distribution)
    image_exceptions = exceptions.of_image(named, now.astimezone(datetime.timezone.utc).date())
    findings, rules = subject.findings, subject.rules
    names = subject.names or ("",)
    selecting = [policy for policy in policies if policy.images.selects(names, subject.platform, subject.labels)]
    used = image_exceptions.used(findings, rules, [policy.name for policy in selecting])
    common = _scan_reasons(subject)
    outcomes = [*common, *_exception_notes(used)]
    verdicts = []
    views: list[Accepted] = []
    facts: dict[str, t.Any] = {}
    for policy in selecting:
        if not views or image_exceptions.by_policy:
            views.append(image_exceptions.accepted(findings, rules, policy.name))
            facts = build_facts(subject, views[-1])
        own = [*common, *_policy_outcomes(policy, subject, facts, views[-1], now)]
        verdicts.append(PolicyVerdict(policy.name, policy.sha256, _verdict_of(own), _ordered(own)))
        outcomes += own
    if not verdicts:
        outcomes.append(_no_policy(subject, policies))
        views.append(image_exceptions.accepted(findings, rules, None))
    return ImageVerdict(
        digest=subject.digest,
        verdict=_verdict_of(outcomes),
        reasons=_ordered(outcomes),
        policies=tuple(sorted(verdicts, key=operator.attrgetter("name"))),
        excepted=_in_all([view.findings for view in views]),
        excepted_rules=_in_all([view.rules for view in views]),
        exceptions=tuple(sorted(map(Used.document, used), key=_exception_order)),
    )


def judge_index(
    subject: Subject,
    children: t.Sequence[JudgedChild],
    verdicts: t.Mapping[str, ImageVerdict],
    platforms: t.Sequence[str] = (),
) -> ImageVerdict:
    """The verdict on a multi-platform index: the worst of its images for the platforms that are asked for.

    ``children`` without attestations. ``verdicts``: of the images, by digest. ``platforms``: those of the nodes, or
    what the user wants, as ``platforms.choose`` understands them; empty means all that the index has.
    """
    asked = [parse_platform(platform) for platform in sorted(set(platforms))]
    positions, missing = choose([platform_of(child.platform) for child in children], asked)
    chosen = {children[position] for position in positions}
    judged = {child: verdicts[child.digest] for child in chosen if child.digest in verdicts}
    reasons = [*_index_reasons(children, missing), *map(_without_verdict, sorted(chosen - set(judged)))]
    results = ["inconclusive"] if reasons else []
    by_policy: dict[tuple[str, str], list[str]] = {}
    # The worst image explains the index, so it comes first.
    for child in sorted(judged, key=lambda child: (-VERDICTS.index(judged[child].verdict), child)):
        verdict = judged[child]
        results.append(verdict.verdict)
        reasons += [Reason(own.code, f"{visible(child.platform, 100)}: {own.message}") for own in verdict.reasons]
        for policy in verdict.policies:
            by_policy.setdefault((policy.name, policy.sha256), []).append(policy.verdict)
    return ImageVerdict(
        digest=subject.digest,
        verdict=worst(results),
        reasons=tuple(_bounded(reasons)),
        policies=tuple(
            PolicyVerdict(name, sha256, worst(outcomes), ()) for (name, sha256), outcomes in sorted(by_policy.items())
        ),
    )


def _index_reasons(children: t.Sequence[JudgedChild], missing: t.Iterable[t.Any]) -> list[Reason]:
    """Find what stands against an index whatever its images are."""
    if not children:
        return [Reason("index-empty", "The index names no image")]
    text = f"node can run; it has {listed(sorted({child.platform for child in children}))}"
    return [Reason("platform-missing", f"The index has no image that every {platform} {text}") for platform in missing]


def _without_verdict(child: JudgedChild) -> Reason:
    text = f"{visible(child.platform, 100)}: the image {visible(child.digest, 100)} has no verdict yet"
    return Reason("not_scanned_yet", text)


def _policy_outcomes(
    policy: Policy, subject: Subject, facts: dict[str, t.Any], accepted: Accepted, now: datetime.datetime
) -> t.Iterator[Outcome]:
    """Return what the conditions of one policy find in an image; nothing where nobody knows what is in it."""
    if subject.inventory is None:
        return
    needs_data = policy.asks_vulnerabilities and subject.inventory.kind not in policy.accept
    case = Case(subject, subject.inventory, facts, accepted, _data(subject) if needs_data else None, now)
    for reasons in _REASONS:
        for finding in reasons(policy, case):
            yield finding if isinstance(finding, Outcome) else Outcome(CODES[finding.code].effect, finding)


def _data(subject: Subject) -> Data | None:
    feed, match = subject.feed, subject.match
    return Data(feed, match.feed, match) if feed and match and match.feed else None


def _scan_reasons(subject: Subject) -> list[Outcome]:
    """Find what stands against an image whatever a policy says."""
    problem = subject.scan_problem
    if problem is not None:
        # Any other code is that of the ScanError that ended the scan.
        effect = "inconclusive" if problem.code in ("not_scanned_yet", "name-unconfirmed") else "error"
        return [Outcome(effect, Reason(problem.code, visible(problem.message, 1000)))]
    if subject.inventory is None:
        return [_outcome("not_scanned_yet", "The image has not been scanned yet")]
    return []


def _no_policy(subject: Subject, policies: t.Sequence[Policy]) -> Outcome:
    if not policies:
        return _outcome("no-policy", "There is no policy to judge by")
    name = visible(subject.reference or subject.digest, 300)
    names = listed([policy.name for policy in policies])
    return _outcome("no-policy", f"No policy selects {name} (there are: {names})")


_Key = t.TypeVar("_Key", str, tuple[str, str])


def _in_all(views: t.Sequence[t.Mapping[_Key, str]]) -> dict[_Key, str]:
    """Collect what every policy accepts: what one of them counts is a finding."""
    return {key: label for key, label in sorted(views[0].items()) if all(key in view for view in views)}


def _exception_notes(used: t.Iterable[Used]) -> list[Outcome]:
    """Make notes about the exceptions that hold, and about those that no longer do."""
    notes = []
    for item in used:
        entry, number = item.entry, len(item.findings) + len(item.rules)
        if isinstance(entry, VexStatement):
            text = f"{counted(number, 'finding')} cleared by {visible(entry.author, 100)} ({visible(entry.label, 200)})"
            why = visible(entry.justification or entry.impact, 300)
            notes.append(_outcome("vex-applied", f"{text}: {entry.status}" + (f", {why}" if why else "")))
        else:
            subject = f"{counted(number, 'rule' if item.rules else 'finding')} of {visible(entry.label, 100)}"
            notes.append(_acceptance_note(entry, item.state, subject))
    return sorted(notes, key=lambda note: (note.reason.code, note.reason.message))


def _acceptance_note(entry: Acceptance, state: str, subject: str) -> Outcome:
    """Make a note about what was accepted, or no longer is. ``subject``: the findings or rules."""
    owner = f" by {visible(entry.owner, 100)}" if entry.owner else ""
    why = visible(entry.reason, 300) + (f" ({visible(entry.ticket, 100)})" if entry.ticket else "")
    if state == "accepted":
        limited = f" for the policies {listed(entry.policies)}" if entry.policies else ""
        return _outcome("exception-applied", f"{subject} accepted{owner} {entry.until}{limited}: {why}")
    text = f"{subject}, accepted{owner} {entry.until}"
    if state == "expired":
        return _outcome("exception-expired", f"{text}: the exception has expired ({why})")
    return _outcome("exception-ended", f"{text}: there is a fix now, so it counts again ({why})")


def _exception_order(document: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
    return (document["id"], document["state"], repr(sorted(document.items())))


def _outcome(code: str, message: str) -> Outcome:
    return Outcome(CODES[code].effect, Reason(code, message))


def _verdict_of(outcomes: t.Iterable[Outcome]) -> str:
    return worst(["passed", *(outcome.effect for outcome in outcomes if outcome.effect != "note")])


def _ordered(outcomes: t.Iterable[Outcome]) -> tuple[Reason, ...]:
    """The gravest first, each once; reasons of one effect stay in the order in which they were found."""

    def rank(outcome: Outcome) -> int:
        return 1 if outcome.effect == "note" else -VERDICTS.index(outcome.effect)

    return tuple(_bounded([outcome.reason for outcome in sorted(dict.fromkeys(outcomes), key=rank)]))


def _bounded(reasons: t.Sequence[Reason]) -> t.Iterator[Reason]:
    numbers: dict[str, int] = {}
    for reason in reasons:
        numbers[reason.code] = numbers.get(reason.code, 0) + 1
    shown_counts: dict[str, int] = {}
    for reason in reasons:
        shown_counts[reason.code] = shown_counts.get(reason.code, 0) + 1
        if shown_counts[reason.code] < REASON_LIMIT or numbers[reason.code] <= REASON_LIMIT:
            yield reason
        elif shown_counts[reason.code] == REASON_LIMIT:
            hidden_count = numbers[reason.code] - REASON_LIMIT + 1
            yield Reason(reason.code, f"and {hidden_count} more of this kind; the report names all of them")
