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
import re
import typing as t

from .._compliance.model import RULE_RESULTS, RULE_SEVERITIES, Results
from .._core.errors import InputError
from .._core.text import visible
from .._core.times import CLOCK_SKEW, read_time
from .._images.model import Problem
from .._images.platforms import choose, parse_platform, platform_of
from .._rpm.model import Inventory
from .._vulnerabilities.distributions import fewest_documents
from .._vulnerabilities.model import SEVERITIES, Coverage, FeedInfo, Finding, Match, UnreadDocument
from .applying import Accepted, Entry, Exceptions, Named, Used
from .codes import CODES
from .expressions import evaluate
from .model import VERDICTS, ImageVerdict, PolicyVerdict, Reason, worst
from .policies import AcceptedVendor, Condition, Policy
from .schema import COMPONENTS
from .vex import Statement

#: At most so many reasons of one code, the gravest first; the last says how many more there are.
REASON_LIMIT = 25
#: How far a vendor may date a change ahead of us: a day begins earlier elsewhere.
CHANGE_SKEW = datetime.timedelta(days=1)

_NAMES_SHOWN = 5
#: Results of rules that nobody knows the outcome of.
_UNCLEAR = ("error", "unknown", "notchecked")


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is known of one image.

    ``reference``: the name that reports show; ``references``: all of them. ``platform``: ``os/architecture[/variant]``.
    ``scanned_at``: RFC 3339, when the inventory was taken. ``scan_problem``: what the last scan said if it failed, or
    ``not_scanned_yet``; an older inventory may be there all the same. ``feed``: the data at hand, ``match`` what it
    says of the inventory. ``compliance``: what ``compliance_facts`` gives, None where no rules were evaluated, and
    ``evaluated_at`` when they were. ``compliance_problem``: why the last attempt at them failed; older ones may be
    there all the same.
    ``index_digests``: digests of the indexes that the image is in. ``unconfirmed``: those of the references of which
    nobody can tell whether they lead to the image now.
    """

    digest: str
    reference: str = ""
    references: tuple[str, ...] = ()
    platform: str = ""
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    inventory: Inventory | None = None
    scanned_at: str = ""
    scan_problem: Reason | None = None
    match: Match | None = None
    feed: FeedInfo | None = None
    compliance: t.Mapping[str, t.Any] | None = None
    compliance_problem: Reason | None = None
    evaluated_at: str = ""
    index_digests: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every reference, sorted."""
        return tuple(sorted({*self.references, self.reference} - {""}))


class _Found(t.NamedTuple):
    """A reason and what it leads to: a verdict, or ``note``."""

    effect: str
    reason: Reason


@dataclasses.dataclass(frozen=True, order=True)
class Child:
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
    """What all policies that select the image say of it. ``now`` has a time zone."""
    exceptions = exceptions if isinstance(exceptions, Exceptions) else Exceptions(exceptions)
    distribution = subject.inventory.os.id if subject.inventory else ""
    named = Named((subject.digest, *subject.index_digests), subject.names, distribution)
    meant = exceptions.of_image(named, now.astimezone(datetime.timezone.utc).date())
    findings = subject.match.findings if subject.match else ()
    rules = subject.compliance["rules"] if subject.compliance else ()
    selecting = [
        policy for policy in policies if policy.images.selects(subject.names or ("",), subject.platform, subject.labels)
    ]
    used = meant.used(findings, rules, [policy.name for policy in selecting])
    common = _scan_reasons(subject)
    found = [*common, *_exception_notes(used)]
    verdicts = []
    views: list[Accepted] = []
    facts: dict[str, t.Any] = {}
    for policy in selecting:
        if not views or meant.by_policy:
            views.append(meant.accepted(findings, rules, policy.name))
            facts = _facts(subject, views[-1])
        own = list(common)
        if subject.inventory is not None:
            own += _PolicyReasons(subject, subject.inventory, policy, facts, views[-1], now).all()
        verdicts.append(PolicyVerdict(policy.name, policy.sha256, _verdict_of(own), _ordered(own)))
        found += own
    if not verdicts:
        found.append(_no_policy(subject, policies))
        views.append(meant.accepted(findings, rules, None))
    return ImageVerdict(
        digest=subject.digest,
        verdict=_verdict_of(found),
        reasons=_ordered(found),
        policies=tuple(sorted(verdicts, key=lambda verdict: verdict.name)),
        excepted=_in_all([view.findings for view in views]),
        excepted_rules=_in_all([view.rules for view in views]),
        exceptions=tuple(sorted((one.document() for one in used), key=_exception_order)),
    )


def judge_index(
    subject: Subject,
    children: t.Sequence[Child],
    verdicts: t.Mapping[str, ImageVerdict],
    platforms: t.Sequence[str] = (),
) -> ImageVerdict:
    """The verdict on a multi-platform index: the worst of its images for the platforms that are asked for.

    ``children`` without attestations. ``verdicts``: of the images, by digest. ``platforms``: those of the nodes, or
    what the user wants, as ``platforms.choose`` understands them; empty means all that the index has.
    """
    wanted = sorted(set(platforms))
    positions, missing = choose([platform_of(child.platform) for child in children], list(map(parse_platform, wanted)))
    chosen = [children[position] for position in positions]
    reasons: list[Reason] = []
    if not children:
        reasons.append(Reason("index-empty", "The index names no image"))
    have = _some(sorted({child.platform for child in children}))
    for platform in missing if children else ():
        text = f"The index has no image that every {platform} node can run; it has {have}"
        reasons.append(Reason("platform-missing", text))
    results = ["inconclusive"] if reasons else []
    by_policy: dict[tuple[str, str], list[str]] = {}
    judged = {child: verdicts[child.digest] for child in chosen if child.digest in verdicts}
    for child in sorted(set(chosen) - set(judged)):
        text = f"{visible(child.platform, 100)}: the image {visible(child.digest, 100)} has no verdict yet"
        reasons.append(Reason("not_scanned_yet", text))
        results.append("inconclusive")
    # The worst image explains the index, so it comes first.
    for child in sorted(judged, key=lambda child: (-VERDICTS.index(judged[child].verdict), child)):
        verdict = judged[child]
        results.append(verdict.verdict)
        reasons += [Reason(one.code, f"{visible(child.platform, 100)}: {one.message}") for one in verdict.reasons]
        for policy in verdict.policies:
            by_policy.setdefault((policy.name, policy.sha256), []).append(policy.verdict)
    return ImageVerdict(
        digest=subject.digest,
        verdict=worst(results),
        reasons=tuple(_bounded(reasons)),
        policies=tuple(
            PolicyVerdict(name, sha256, worst(found), ()) for (name, sha256), found in sorted(by_policy.items())
        ),
    )


def image_document(subject: Subject, verdict: ImageVerdict) -> dict[str, t.Any]:
    """The image object of report.json (``schema.IMAGE_SCHEMA``); its lists are sorted: equal facts, equal objects."""
    document = _facts(subject, Accepted(verdict.excepted, verdict.excepted_rules))
    document["verdict"] = verdict.verdict
    document["policies"] = [
        {"name": policy.name, "sha256": policy.sha256, "verdict": policy.verdict} for policy in verdict.policies
    ]
    document["reasons"] = [_code_and_message(reason) for reason in verdict.reasons]
    document["exceptions"] = [dict(one) for one in verdict.exceptions]
    return with_names(document, subject.names, subject.unconfirmed)


def with_names(
    document: dict[str, t.Any], references: t.Iterable[str], unconfirmed: t.Container[str]
) -> dict[str, t.Any]:
    """The image object with these names.

    A name of which nobody can tell which image it has now passes by none: an image that passed has it with its digest
    behind it, ``name:tag@digest``, so that it is the name of this image alone. One that did not pass has it as it is.
    """

    def shown(name: str) -> str:
        return f"{name}@{document['digest']}" if name in unconfirmed and document["digest"] else name

    names = sorted(set(references) - {""})
    if document["verdict"] == "passed":
        names = sorted(set(map(shown, names)))
    kept = shown(document["reference"]) if document["verdict"] == "passed" else document["reference"]
    reference = kept if kept in names or not names else names[0]
    return {**document, "reference": reference, "references": names}


def _facts(subject: Subject, accepted: Accepted) -> dict[str, t.Any]:
    inventory, match = subject.inventory, subject.match
    counts = dict.fromkeys(COMPONENTS, 0)
    vulnerabilities = []
    if inventory is not None:
        counts.update((kind, inventory.not_examined.get(kind, 0)) for kind in COMPONENTS)
    for finding in sorted(match.findings if match else (), key=_gravity):
        vulnerabilities.append(
            {
                "id": finding.id,
                "name": finding.name,
                "package": finding.package,
                "severity": finding.severity,
                "status": finding.status,
                "fixed_in": finding.fixed_in,
                "advisory": finding.advisory,
                "module": finding.module,
                "cvss": finding.cvss,
                "cvss_score": _score(finding.cvss),
                "cpe": finding.cpe,
                "product": finding.product,
                "document": finding.document,
                "revision": finding.revision,
                "exception": accepted.findings.get((finding.id, finding.package), ""),
            }
        )
    os_name = f"{inventory.os.id} {inventory.os.version_id}".strip() if inventory else ""
    return {
        "digest": subject.digest,
        "reference": subject.reference,
        "references": list(subject.names),
        "os": os_name,
        "platform": subject.platform,
        "packages": len(inventory.packages) if inventory else 0,
        "not_examined": counts,
        "inventory": {
            "complete": inventory is not None and inventory.complete,
            "problems": [_code_and_message(one) for one in _problems(inventory.problems)] if inventory else [],
            "repositories": [
                {"cpe": cpe, "source": source}
                for cpe, source in sorted({(found.cpe, found.source) for found in (match.cpes if match else ())})
            ],
        },
        "vulnerabilities": vulnerabilities,
        "compliance": _compliance(subject, accepted.rules),
    }


def _score(cvss: str) -> float | None:
    """The base score of ``Finding.cvss``; None where the vendor gives none."""
    number = cvss.partition(" ")[0]
    return float(number) if re.fullmatch(r"\d{1,2}(\.\d)?", number) else None


def compliance_facts(results: Results, *, tailoring: str = "", partial: bool = False) -> dict[str, t.Any]:
    """The object of report.json, but for what is accepted.

    ``tailoring``: SHA-256 of the file that the profile was tailored by. ``partial``: only some of its rules were asked
    for.
    """
    return {
        "profile": results.profile,
        "benchmark": {"id": results.benchmark.id, "version": results.benchmark.version},
        "content": results.content,
        "tailoring": tailoring,
        "partial": partial,
        "score": results.score,
        "counts": {result: results.counts[result] for result in RULE_RESULTS},
        "problems": [_code_and_message(one) for one in _problems(results.problems)],
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "result": rule.result,
                "severity": rule.severity,
                "identifiers": sorted({value for _system, value in rule.identifiers}),
                "references": sorted(set(rule.references)),
            }
            for rule in sorted(results.rules, key=lambda rule: (rule.id, rule.instances))
        ],
    }


def _compliance(subject: Subject, accepted: t.Mapping[str, str]) -> dict[str, t.Any] | None:
    given = subject.compliance
    if given is None:
        return None
    # Results that a failed attempt was to replace must not look like those of today.
    late = [] if subject.compliance_problem is None else [_code_and_message(subject.compliance_problem)]
    return {
        **given,
        "problems": [*late, *given["problems"]],
        "rules": [{**rule, "exception": accepted.get(rule["id"], "")} for rule in given["rules"]],
    }


def _problems(problems: t.Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.code, problem.message))


def _code_and_message(reason: Reason | Problem) -> dict[str, str]:
    return {"code": reason.code, "message": reason.message}


def _scan_reasons(subject: Subject) -> list[_Found]:
    """What stands against an image whatever a policy says."""
    problem = subject.scan_problem
    if problem is not None:
        # Any other code is that of the ScanError that ended the scan.
        effect = "inconclusive" if problem.code in ("not_scanned_yet", "name-unconfirmed") else "error"
        return [_Found(effect, Reason(problem.code, visible(problem.message, 1000)))]
    if subject.inventory is None:
        return [_found("not_scanned_yet", "The image has not been scanned yet")]
    return []


def _no_policy(subject: Subject, policies: t.Sequence[Policy]) -> _Found:
    if not policies:
        return _found("no-policy", "There is no policy to judge by")
    name = visible(subject.reference or subject.digest, 300)
    names = _some([policy.name for policy in policies])
    return _found("no-policy", f"No policy selects {name} (there are: {names})")


_Key = t.TypeVar("_Key", str, tuple[str, str])


def _in_all(views: t.Sequence[t.Mapping[_Key, str]]) -> dict[_Key, str]:
    """What is accepted in the eyes of every policy: what one of them counts is a finding."""
    return {key: label for key, label in sorted(views[0].items()) if all(key in view for view in views)}


def _exception_notes(used: t.Iterable[Used]) -> list[_Found]:
    """What to say about the exceptions that hold, and about those that no longer do."""
    notes = []
    for one in used:
        entry, number = one.entry, len(one.findings) + len(one.rules)
        what = _count(number, "rule" if one.rules else "finding")
        if isinstance(entry, Statement):
            text = f"{_count(number, 'finding')} cleared by {visible(entry.author, 100)} ({visible(entry.label, 200)})"
            why = visible(entry.justification or entry.impact, 300)
            notes.append(_found("vex-applied", f"{text}: {entry.status}" + (f", {why}" if why else "")))
            continue
        owner = f" by {visible(entry.owner, 100)}" if entry.owner else ""
        what += f" of {visible(entry.label, 100)}"
        why = visible(entry.reason, 300) + (f" ({visible(entry.ticket, 100)})" if entry.ticket else "")
        if one.state == "accepted":
            limited = f" for the policies {_some(entry.policies)}" if entry.policies else ""
            notes.append(_found("exception-applied", f"{what} accepted{owner} {entry.until}{limited}: {why}"))
        elif one.state == "expired":
            text = f"{what}, accepted{owner} {entry.until}: the exception has expired ({why})"
            notes.append(_found("exception-expired", text))
        else:
            text = f"{what}, accepted{owner} {entry.until}: there is a fix now, so it counts again ({why})"
            notes.append(_found("exception-ended", text))
    return sorted(notes, key=lambda one: (one.reason.code, one.reason.message))


def _exception_order(document: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
    return (document["id"], document["state"], repr(sorted(document.items())))


@dataclasses.dataclass(frozen=True)
class _PolicyReasons:
    """The reasons of one policy for one image that has an inventory."""

    subject: Subject
    inventory: Inventory
    policy: Policy
    facts: dict[str, t.Any]
    accepted: Accepted
    now: datetime.datetime

    def all(self) -> t.Iterator[_Found]:
        yield from self.scan_age()
        yield from self.contents()
        if self.policy.asks("vulnerabilities") and self.inventory.kind not in self.policy.accept:
            feed, match = self.subject.feed, self.subject.match
            if feed is None or match is None or match.feed is None:
                yield _found("feed-missing", "There is no vulnerability data to judge the image by")
            else:
                yield from self.feed(feed, match.feed)
                yield from self.unread(match.unread)
                yield from self.signatures(feed, match)
                yield from self.coverage(match)
        # What was found counts even where not everything was seen.
        if self.policy.max_severity is not None and self.subject.match is not None:
            yield from self.findings(self.subject.match, self.policy.max_severity)
        yield from self.unexamined()
        yield from self.compliance()
        yield from self.conditions()

    def scan_age(self) -> t.Iterator[_Found]:
        yield from self.age("The image was scanned", self.subject.scanned_at)

    def age(self, what: str, moment: str) -> t.Iterator[_Found]:
        limit = self.policy.scan_age
        if limit is None:
            return
        time = read_time(moment, zoned=True)
        if time is None or time > self.now + CLOCK_SKEW:
            yield _found("scan-time", f"{what} {self.shown_time(moment)}")
        elif self.now - time > datetime.timedelta(seconds=limit):
            yield _found("scan-stale", f"{what} {moment}; the policy '{self.policy.name}' allows {_span(limit)}")

    def contents(self) -> t.Iterator[_Found]:
        inventory = self.inventory
        if inventory.problems:
            problems = _count(len(inventory.problems), "problem")
            yield _found(
                "inventory-incomplete",
                f"Not everything in the image could be read ({problems}), so packages may be missing",
            )
            for problem in _problems(inventory.problems):
                yield _problem(problem)
        if inventory.kind != "rpm":
            if inventory.kind in self.policy.accept:
                text = (
                    f"The image has no RPM database; the policy '{self.policy.name}' accepts the kind {inventory.kind}"
                )
                yield _found("kind-accepted", text)
            else:
                accepts = _some(self.policy.accept) or "no other kind than rpm"
                yield _found(
                    "no-package-database",
                    f"The image has no RPM database (kind {visible(inventory.kind, 40)}); the policy "
                    f"'{self.policy.name}' accepts {accepts}",
                )
        elif inventory.database is None and any(one.code == "rpmdb-missing" for one in inventory.problems):
            pass  # said already
        elif all(package.name == "gpg-pubkey" for package in inventory.packages):
            yield _found("no-packages", "The RPM database has no package")
        elif inventory.database is None or inventory.database.rows != len(inventory.packages):
            rows = inventory.database.rows if inventory.database else 0
            yield _found(
                "package-count",
                f"The RPM database counts {_count(rows, 'package')}, and {len(inventory.packages)} were read",
            )

    def feed(self, feed: FeedInfo, used: FeedInfo) -> t.Iterator[_Found]:
        if used.serial != feed.serial:
            text = f"The image was matched against the vulnerability data {visible(used.serial, 80)}"
            yield _found("match-outdated", f"{text}, and {visible(feed.serial, 80)} is at hand")
        limit = self.policy.feed_age
        checked = read_time(feed.checked, zoned=True)
        if limit is not None:
            if checked is None or checked > self.now + CLOCK_SKEW:
                yield _found("feed-time", f"The vulnerability data was last checked {self.shown_time(feed.checked)}")
            elif self.now - checked > datetime.timedelta(seconds=limit):
                yield _found(
                    "feed-stale",
                    f"The vulnerability data was last checked {feed.checked}; the policy '{self.policy.name}' allows "
                    f"{_span(limit)}",
                )
        yield from self.size(feed)
        limit = self.policy.newest_age
        newest = read_time(feed.newest, zoned=True)
        if limit is not None and newest is not None and newest > self.now + CHANGE_SKEW:
            yield _found(
                "feed-time", f"The newest change in the vulnerability data is of {self.shown_time(feed.newest)}"
            )
        elif limit is not None and (newest is None or self.now - newest > datetime.timedelta(seconds=limit)):
            text = f"The newest change in the vulnerability data is of {visible(feed.newest, 40) or 'an unknown time'}"
            yield _found("feed-stale", f"{text}; the policy '{self.policy.name}' allows {_span(limit)}")
        if not feed.statements:
            yield _found("feed-incomplete", "The vulnerability data has no statement in it")

    def size(self, feed: FeedInfo) -> t.Iterator[_Found]:
        """A part of a feed finds a part of what is wrong, and looks as clean as the whole."""
        own = dict(self.policy.min_documents).get(feed.format)
        wanted = fewest_documents(feed) if own is None else own
        number = feed.documents + feed.rejected
        if number >= wanted:
            return
        by = f"the policy '{self.policy.name}' wants at least {wanted}"
        if own is None:
            by = f"a whole feed of {', '.join(feed.distributions)} has at least {wanted}"
            by += f" (its maker lists {feed.listed})" if feed.listed else ""
        yield _found(
            "feed-too-small",
            f"The vulnerability data has {_count(number, 'document')}; {by}: fetch all of it, or state how many it has"
            f" in 'vulnerabilities.min_documents' of the policy '{self.policy.name}'",
        )

    def unread(self, documents: t.Sequence[UnreadDocument]) -> t.Iterator[_Found]:
        """Documents that could not be read and may be about the image."""
        accepted = {(one.document, one.sha256) for one in self.policy.accept_unread}
        left = [one for one in documents if (one.path, one.sha256) not in accepted]
        for one in left:
            about = "it names no package that can be relied on, so it may be about any package of the image"
            if one.names:
                about = f"it names {_some(one.names)}, which the image has"
            remedy = "conclusive once the feed has a document that can be read"
            if len(one.sha256) == 64:
                remedy += f", or a policy accepts it under 'accept_unread' with the SHA-256 {one.sha256}"
            text = f"The document {visible(one.path, 200)} of the feed could not be read; {about}; {remedy}"
            yield _found("feed-incomplete", text)
        if len(left) < len(documents):
            number = _count(len(documents) - len(left), "document")
            text = f"{number} of the feed could not be read and may be about the image"
            yield _found("feed-unread-accepted", f"{text}; the policy '{self.policy.name}' accepts each by its SHA-256")

    def signatures(self, feed: FeedInfo, match: Match) -> t.Iterator[_Found]:
        if not self.policy.require_signed_feed:
            return
        required = f"The policy '{self.policy.name}' requires a signed feed"
        if not feed.signature_key:
            yield _found("feed-unsigned", f"{required}, and no signature of the vulnerability data was checked")
        elif match.unverified:
            documents = _count(match.unverified, "document")
            yield _found(
                "feed-unsigned",
                f"{required}, and {documents} about packages of the image without a verified signature",
            )

    def coverage(self, match: Match) -> t.Iterator[_Found]:
        for problem in _problems(match.problems):
            yield _problem(problem)
        if self.inventory.kind != "rpm":
            return
        if not match.supported:
            yield _found(
                "distribution-not-covered",
                f"The vulnerability data does not cover {visible(self.facts['os'], 80) or 'an unknown distribution'}",
            )
            return
        if not match.cpes:
            yield _found("no-product", "No product of the vulnerability data applies to the image")
        elif match.counts.get("packages_covered", 1) and not match.counts.get("statements_applicable"):
            packages = _count(len(self.inventory.packages), "package")
            yield _found("nothing-applicable", f"The vulnerability data says nothing about any of the {packages}")
        if match.feed is not None and match.feed.coverage == "fixes":
            text = (
                f"The vulnerability data of {visible(self.facts['os'], 80)} lists published fixes alone: what has no"
                " fix yet is not in it"
            )
            if self.policy.require_full_coverage:
                yield _found("feed-coverage", f"{text}; the policy '{self.policy.name}' requires data about all")
            else:
                yield _found("feed-fixes-only", text)
        unmapped = self.unmapped(match)
        if unmapped:
            repositories = _count(len(unmapped), "repository", "repositories")
            text = f"{repositories} of the image without a product in the map: {_some(unmapped)}"
            yield _found("repository-unmapped", text)
        if match.cpes and all(cpe.source == "assumed" for cpe in match.cpes):
            cpes = _some(sorted({cpe.cpe for cpe in match.cpes}))
            yield _found(
                "repositories-assumed", f"The image does not say from which repositories it was built; assumed: {cpes}"
            )
        yield from self.not_covered(match)

    def unmapped(self, match: Match) -> list[str]:
        """Repositories without a product from which there may be packages that the feed should cover.

        The dnf history tells the repository of each package, a content manifest does not.
        """
        others = {package.package for package in match.not_covered}
        used = {package.repository for package in self.inventory.packages if package.nevra not in others}
        stated = {one.id for one in self.inventory.repositories if one.source != "dnf_history"}
        return sorted(set(match.unmapped) & (used | stated))

    def not_covered(self, match: Match) -> t.Iterator[_Found]:
        left: list[Coverage] = []
        guessed: list[Coverage] = []
        for package in sorted(match.not_covered, key=lambda one: (one.package, one.key_id, one.vendor)):
            ways = {accepts(vendor, package) for vendor in self.policy.accept_vendors}
            if "key" not in ways:
                (guessed if "vendor" in ways else left).append(package)
        by_name = match.counts.get("vendor_by_name", 0)
        if by_name:
            text = f"{_count(by_name, 'package')} taken as the distribution's own by the vendor text alone"
            yield _found("vendor-guessed", f"{text}, without a signature of its keys")
        if guessed:
            text = f"{_count(len(guessed), 'package')} accepted by the vendor text alone: {_packages(guessed)}"
            yield _found("vendor-guessed", text)
        if left:
            forbidden = self.policy.not_covered == "fail"
            text = f"{_count(len(left), 'package')} that the vulnerability data does not cover: {_packages(left)}"
            yield _found(
                "packages-forbidden" if forbidden else "packages-not-covered",
                f"{text}; the policy '{self.policy.name}' {'forbids them' if forbidden else 'accepts no such key'}",
            )

    def findings(self, match: Match, allowed: str) -> t.Iterator[_Found]:
        highest = SEVERITIES.index(allowed)
        groups: dict[tuple[str, ...], list[str]] = {}
        for finding in sorted(match.findings, key=_gravity):
            if SEVERITIES.index(finding.severity) <= highest or (finding.id, finding.package) in self.accepted.findings:
                continue
            if self.policy.fixable and finding.status != "fix_available":
                continue
            key = (finding.id, finding.severity, finding.status, finding.fixed_in, finding.advisory)
            groups.setdefault(key, []).append(finding.package)
        limit = f"the policy '{self.policy.name}' allows at most {allowed}"
        for (identifier, severity, status, fixed_in, advisory), packages in groups.items():
            name = f"{visible(identifier, 60)} in {_some(packages)}"
            if status == "under_investigation":
                text = f"{name} would be {severity}, and the vendor still investigates it; {limit}"
                yield _found("under-investigation", text)
            else:
                yield _found("vulnerability", f"{name} is {severity}; {_fix(status, fixed_in, advisory)}; {limit}")

    def unexamined(self) -> t.Iterator[_Found]:
        counts = self.facts["not_examined"]
        accepted = self.inventory.kind if self.inventory.kind in self.policy.accept else ""
        for action, code in (("fail", "unexamined-components"), ("inconclusive", "components-not-examined")):
            kinds = [kind for kind, wanted in self.policy.unexamined if wanted == action and kind != accepted]
            found = [f"{counts[kind]} {kind}" for kind in kinds if counts[kind]]
            if found:
                forbids = "forbids them" if action == "fail" else "wants them examined"
                total = _count(sum(counts[kind] for kind in kinds), "component")
                text = f"{total} not examined ({', '.join(found)}); the policy '{self.policy.name}' {forbids}"
                yield _found(code, text)

    def compliance(self) -> t.Iterator[_Found]:
        policy, results, given = self.policy, self.facts["compliance"], self.subject.compliance
        # What has no RPM packages has no rules either, and the policy accepts that.
        if not policy.asks("compliance") or self.inventory.kind in policy.accept:
            return
        problem = self.subject.compliance_problem
        if problem is not None:
            yield _Found("error", Reason(problem.code, visible(problem.message, 1000)))
        if results is None or given is None:
            if problem is None:
                text = f"The policy '{policy.name}' asks about OpenSCAP results, and there are none"
                yield _found("compliance-missing", text)
            return
        if results["partial"]:
            text = f"Only {_count(len(results['rules']), 'rule')} of the profile were asked for"
            yield _found("compliance-partial", text)
        yield from self.age("The rules were evaluated", self.subject.evaluated_at)
        for one in given["problems"]:
            yield _problem(Problem(one["code"], one["message"]))
        if policy.compliance_profile not in ("", results["profile"], results["profile"].rpartition("_profile_")[2]):
            text = f"The rules of the profile {visible(results['profile'], 200)} were evaluated"
            asked = visible(policy.compliance_profile, 200)
            yield _found("compliance-profile", f"{text}; the policy '{policy.name}' asks for {asked}")
        yield from self.rules_without_result(results)
        if policy.min_score is not None and results["score"] is not None and results["score"] < policy.min_score:
            text = f"The score is {results['score']:g}; the policy '{policy.name}' demands {policy.min_score:g}"
            yield _found("compliance-score", text)
        if policy.max_failed_severity is not None:
            highest = _rule_rank(policy.max_failed_severity)
            failed = [rule for rule in results["rules"] if rule["result"] == "fail" and not rule["exception"]]
            for rule in sorted(failed, key=lambda rule: (-_rule_rank(rule["severity"]), rule["id"])):
                if _rule_rank(rule["severity"]) > highest:
                    yield _found(
                        "compliance-rule-failed",
                        f"Rule {visible(rule['id'], 200)} failed ({visible(rule['title'], 200)}), severity "
                        f"{rule['severity']}; the policy '{policy.name}' allows at most {policy.max_failed_severity}",
                    )

    def rules_without_result(self, results: t.Mapping[str, t.Any]) -> t.Iterator[_Found]:
        """Rules that oscap could not decide. They may all have failed, which matters unless that would be allowed."""
        policy, rules = self.policy, results["rules"]
        if not any(rule["result"] in ("pass", "fixed", "fail") for rule in rules):
            if not results["problems"]:
                yield _found("compliance-incomplete", "no rule has a result")
            return
        unclear = [rule for rule in rules if rule["result"] in _UNCLEAR]
        by_score = policy.min_score is not None or any(map(_asks_for_score, policy.conditions))
        if not by_score:
            # Conditions are tried with these rules failed, and passed.
            allowed = "high" if policy.max_failed_severity is None else policy.max_failed_severity
            unclear = [rule for rule in unclear if _rule_rank(rule["severity"]) > _rule_rank(allowed)]
        if unclear:
            names = _some([f"{rule['id']} ({rule['result']})" for rule in unclear])
            yield _found("compliance-incomplete", f"{_count(len(unclear), 'rule')} without a result: {names}")
        elif policy.min_score is not None and results["score"] is None:
            yield _found("compliance-incomplete", f"there is no score; the policy '{policy.name}' demands one")

    def conditions(self) -> t.Iterator[_Found]:
        for condition in self.policy.conditions:
            where = f"condition '{visible(condition.name, 100)}' of the policy '{self.policy.name}'"
            if "compliance" in condition.reads and self.facts["compliance"] is None:
                continue  # said already
            try:
                holds = evaluate(condition.that, self.facts)
            except InputError as error:
                yield _found("policy-error", f"{where} {error.message}: {visible(condition.that, 300)}")
                continue
            if not holds:
                because = visible(condition.message, 500) or f"it demands {visible(condition.that, 300)}"
                yield _found("condition-broken", f"{where} is broken: {because}")
            elif "compliance" in condition.reads and not self.holds_in_any_case(condition):
                unclear = [rule for rule in self.facts["compliance"]["rules"] if rule["result"] in _UNCLEAR]
                names = _some([f"{rule['id']} ({rule['result']})" for rule in unclear])
                yield _found("compliance-incomplete", f"{where} depends on rules without a result: {names}")
            elif not self.holds_for_any_score(condition):
                ids = sorted({one["id"] for one in self.facts["vulnerabilities"] if one["cvss_score"] is None})
                yield _found("cvss-missing", f"{where} depends on findings without a CVSS score: {_some(ids)}")

    def holds_for_any_score(self, condition: Condition) -> bool:
        """Whether a condition that holds also holds if every missing CVSS score were the lowest, or the highest."""
        findings = self.facts["vulnerabilities"]
        if "cvss_score" not in condition.that or all(one["cvss_score"] is not None for one in findings):
            return True
        for score in (0.0, 10.0):
            scored = [one if one["cvss_score"] is not None else {**one, "cvss_score": score} for one in findings]
            try:
                if not evaluate(condition.that, {**self.facts, "vulnerabilities": scored}):
                    return False
            except InputError:
                return False
        return True

    def holds_in_any_case(self, condition: Condition) -> bool:
        """Whether a condition that holds also holds if every rule without a result failed, or passed."""
        results = self.facts["compliance"]
        unclear = sum(rule["result"] in _UNCLEAR for rule in results["rules"])
        for result in ("fail", "pass") if unclear else ():
            rules = [{**rule, "result": result} if rule["result"] in _UNCLEAR else rule for rule in results["rules"]]
            counts = {**results["counts"], **dict.fromkeys(_UNCLEAR, 0), result: results["counts"][result] + unclear}
            facts = {**self.facts, "compliance": {**results, "rules": rules, "counts": counts}}
            try:
                if not evaluate(condition.that, facts):
                    return False
            except InputError:
                return False
        return True

    def shown_time(self, text: str) -> str:
        if read_time(text, zoned=True) is None:
            return f"at an unknown time ('{visible(text, 40)}')"
        return f"{text}, which lies in the future"


def accepts(vendor: AcceptedVendor, package: Coverage) -> str:
    """``key`` or ``vendor``, by which a policy's entry accepts a package; empty where it does not."""
    if vendor.vendor and vendor.vendor.casefold() != package.vendor.casefold():
        return ""
    if not vendor.key_id:
        return "vendor"
    return "key" if vendor.key_id == package.key_id.lower() else ""


def _fix(status: str, fixed_in: str, advisory: str) -> str:
    by = f" by {visible(advisory, 60)}" if advisory else ""
    build = visible(fixed_in, 200)
    if status == "fix_available":
        return f"fixed in {build or 'a newer build'}{by}"
    state = status.replace("_", " ")
    return f"{build}{by} ({state})" if build else f"no fix ({state})"


def _gravity(finding: Finding) -> tuple[t.Any, ...]:
    return (
        -SEVERITIES.index(finding.severity),
        finding.status != "fix_available",
        finding.id,
        finding.package,
        finding.module,
        finding.status,
        finding.fixed_in,
        finding.advisory,
        finding.cpe,
        finding.product,
        finding.document,
        finding.revision,
        finding.cvss,
    )


def _asks_for_score(condition: Condition) -> bool:
    return "compliance" in condition.reads and "score" in condition.that


def _rule_rank(severity: str) -> int:
    """Rank of a rule's severity; ``none`` is below all, ``unknown`` counts as ``high``."""
    return -1 if severity == "none" else RULE_SEVERITIES.index("high" if severity == "unknown" else severity)


def _span(seconds: int) -> str:
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % unit == 0 and seconds:
            return _count(seconds // unit, name)
    return _count(seconds, "second")


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _some(names: t.Sequence[str]) -> str:
    shown = ", ".join(visible(name, 120) for name in names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _packages(packages: t.Sequence[Coverage]) -> str:
    texts = []
    for package in packages[:_NAMES_SHOWN]:
        signed = f"key {visible(package.key_id, 40)}" if package.key_id else "not signed"
        texts.append(f"{visible(package.package, 120)} ({visible(package.vendor, 60) or 'no vendor'}, {signed})")
    more = len(packages) - _NAMES_SHOWN
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


def _found(code: str, message: str) -> _Found:
    return _Found(CODES[code].effect, Reason(code, message))


def _problem(problem: Problem) -> _Found:
    """Something that could not be seen never passes, whatever its code."""
    return _Found("inconclusive", Reason(problem.code, visible(problem.message, 500)))


def _verdict_of(found: t.Iterable[_Found]) -> str:
    return worst(["passed", *(one.effect for one in found if one.effect != "note")])


def _ordered(found: t.Iterable[_Found]) -> tuple[Reason, ...]:
    """The gravest first, each once; reasons of one effect stay in the order in which they were found."""

    def rank(one: _Found) -> int:
        return 1 if one.effect == "note" else -VERDICTS.index(one.effect)

    return tuple(_bounded([one.reason for one in sorted(dict.fromkeys(found), key=rank)]))


def _bounded(reasons: t.Sequence[Reason]) -> t.Iterator[Reason]:
    numbers: dict[str, int] = {}
    for reason in reasons:
        numbers[reason.code] = numbers.get(reason.code, 0) + 1
    given: dict[str, int] = {}
    for reason in reasons:
        given[reason.code] = given.get(reason.code, 0) + 1
        if given[reason.code] < REASON_LIMIT or numbers[reason.code] <= REASON_LIMIT:
            yield reason
        elif given[reason.code] == REASON_LIMIT:
            more = numbers[reason.code] - REASON_LIMIT + 1
            yield Reason(reason.code, f"and {more} more of this kind; the report names all of them")
