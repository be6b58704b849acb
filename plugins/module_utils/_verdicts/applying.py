# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which exceptions and which statements of VEX hold for which finding of which image."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t

from .exceptions import Acceptance
from .identifiers import folded_id
from .vex_statements import VexStatement

Entry = t.Union[Acceptance, VexStatement]

_FIXED = "fix_available"
_IDS_KEPT = 100_000


@dataclasses.dataclass(frozen=True)
class ImageNames:
    """Names of an image. ``digests``: its own first, then those of the indexes it is in. ``distribution``: the
    os-release ID."""

    digests: tuple[str, ...]
    references: tuple[str, ...]
    distribution: str

    @property
    def digest(self) -> str:
        """Its own digest, or empty."""
        return self.digests[0] if self.digests else ""


@dataclasses.dataclass(frozen=True)
class Used:
    """An exception that is about something in an image.

    ``state``: ``accepted``, ``expired`` or ``fix_available`` (it ends when there is a fix, and there is one).
    ``findings``: (id, package); ``rules``: ids.
    """

    entry: Entry
    state: str
    findings: tuple[tuple[str, str], ...] = ()
    rules: tuple[str, ...] = ()

    def document(self) -> dict[str, t.Any]:
        """The object of the report (``schema.IMAGE_SCHEMA``)."""
        entry = self.entry
        fields: dict[str, t.Any] = {"kind": "exception", "status": "", "time": ""}
        if isinstance(entry, Acceptance):
            fields.update(reason=entry.reason, owner=entry.owner, ticket=entry.ticket, policies=list(entry.policies))
            fields.update(expires=str(entry.expires or ""), when="fixed" if entry.until_fixed else "")
        else:
            fields.update(kind="vex", status=entry.status, time=entry.time, reason=entry.impact, owner=entry.author)
            fields.update(ticket="", policies=[], expires="", when="")
        return {
            **fields,
            "id": entry.label,
            "state": self.state,
            "justification": entry.justification,
            "findings": [{"id": identifier, "package": package} for identifier, package in self.findings],
            "rules": list(self.rules),
        }


@dataclasses.dataclass(frozen=True)
class Accepted:
    """Accepted findings of an image: finding (id, package) and rule id -> how the exception is called."""

    findings: t.Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    rules: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


class AskedFinding(t.Protocol):
    """Finding to look up."""

    @property
    def id(self) -> str:
        """Such as CVE-2026-1."""

    @property
    def name(self) -> str:
        """Name of the package."""

    @property
    def package(self) -> str:
        """``name-epoch:version-release.arch``."""

    @property
    def status(self) -> str:
        """One of ``STATUSES``."""


class Exceptions:
    """The exceptions of a run, ready to be asked about many images."""

    def __init__(self, entries: t.Iterable[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self._by_digest: dict[str, list[VexStatement]] = collections.defaultdict(list)
        self._by_name: list[VexStatement] = []
        acceptances: list[Acceptance] = []
        for entry in self.entries:
            if isinstance(entry, Acceptance):
                acceptances.append(entry)
            elif entry.image.digest:
                self._by_digest[entry.image.digest].append(entry)
            else:
                self._by_name.append(entry)
        # The one that holds longest explains the finding.
        acceptances.sort(key=_order)
        self.for_rules = [acceptance for acceptance in acceptances if acceptance.rule]
        self._for_findings = [acceptance for acceptance in acceptances if acceptance.id]
        self._images = {acceptance.images: acceptance for acceptance in acceptances}
        self._with_policies = [acceptance for acceptance in acceptances if acceptance.policies]
        # Images share findings: a thousand patterns are compared with each id once.
        self._by_id: dict[str, list[Acceptance]] = {}

    def of_image(self, image: ImageNames, today: datetime.date) -> ImageExceptions:
        """Those that are meant for an image, as of a day (UTC)."""
        covered = {
            patterns for patterns, entry in self._images.items() if entry.covers_image(image.digest, image.references)
        }
        statements = [item for digest in dict.fromkeys(image.digests) for item in self._by_digest.get(digest, ())]
        statements += [item for item in self._by_name if item.is_about_image(image.digests, image.references)]
        by_policy = any(entry.images in covered for entry in self._with_policies)
        return ImageExceptions(self, covered, statements, image.distribution, today, by_policy)

    def for_id(self, identifier: str) -> list[Acceptance]:
        """Those for findings of an id, in whatever image and package, best first."""
        acceptances = self._by_id.get(identifier)
        if acceptances is None:
            if len(self._by_id) >= _IDS_KEPT:
                self._by_id.clear()
            acceptances = [acceptance for acceptance in self._for_findings if acceptance.covers_id(identifier)]
            self._by_id[identifier] = acceptances
        return acceptances


class ImageExceptions:
    """The exceptions that are meant for one image.

    ``covered``: patterns of images that are about it. ``by_policy``: whether what is accepted depends on the policy.
    """

    def __init__(
        self,
        exceptions: Exceptions,
        covered: t.Container[tuple[str, ...]],
        statements: t.Sequence[VexStatement],
        distribution: str,
        today: datetime.date,
        by_policy: bool,
    ) -> None:
        self._exceptions = exceptions
        self._covered = covered
        self._distribution = distribution
        self._today = today
        self._statements: dict[str, list[VexStatement]] = collections.defaultdict(list)
        for statement in statements:
            for name in statement.compared_ids:
                self._statements[name].append(statement)
        self.by_policy = by_policy

    def about_finding(self, finding: AskedFinding) -> t.Iterator[tuple[Entry, str]]:
        """Find the entries about a finding, with their state, best first; of VEX only what clears it."""
        for acceptance in self._exceptions.for_id(finding.id):
            if acceptance.images in self._covered and acceptance.covers_package(finding.name, finding.package):
                state = "accepted" if acceptance.holds(self._today) else "expired"
                if acceptance.until_fixed and finding.status == _FIXED:
                    state = "fix_available"
                yield acceptance, state
        newest = self._newest(finding)
        if newest is not None and newest.clears:
            yield newest, "accepted"

    def about_rule(self, rule: t.Mapping[str, t.Any]) -> t.Iterator[tuple[Entry, str]]:
        """Find the entries about a failed rule. A rule that was not evaluated cannot be accepted."""
        for acceptance in self._exceptions.for_rules:
            if rule["result"] == "fail" and acceptance.images in self._covered and acceptance.covers_rule(rule["id"]):
                yield acceptance, "accepted" if acceptance.holds(self._today) else "expired"

    def accepted(
        self, findings: t.Iterable[AskedFinding], rules: t.Iterable[t.Mapping[str, t.Any]], policy: str | None
    ) -> Accepted:
        """Collect what a policy accepts; without one, by what holds for every policy."""
        result: dict[tuple[str, str], str] = {}
        counting: set[tuple[str, str]] = set()
        for finding in findings:
            labels = [
                entry.label
                for entry, state in self.about_finding(finding)
                if state == "accepted" and for_policy(entry, policy)
            ]
            if labels:
                result.setdefault((finding.id, finding.package), labels[0])
            else:
                # Two products may say different things of one package; what one of them leaves open counts.
                counting.add((finding.id, finding.package))
        for key in counting:
            result.pop(key, None)
        by_rule: dict[str, str] = {}
        for rule in rules:
            for entry, state in self.about_rule(rule):
                if state == "accepted" and for_policy(entry, policy):
                    by_rule.setdefault(rule["id"], entry.label)
        return Accepted(result, by_rule)

    def used(
        self,
        findings: t.Iterable[AskedFinding],
        rules: t.Iterable[t.Mapping[str, t.Any]],
        policies: t.Collection[str],
    ) -> list[Used]:
        """List the entries that apply to the image and one of its policies.

        Of several that accept one finding under the same policies the first explains it, and the others are not named;
        one that no longer holds is named where nothing else accepts the finding.
        """
        by_finding: dict[tuple[int, str], tuple[Entry, list[tuple[str, str]], list[str]]] = {}

        def keep(entries: t.Iterable[tuple[Entry, str]], finding: tuple[str, str] | None, rule: str) -> None:
            for entry, state in _explaining(entries, policies):
                usage = by_finding.setdefault((id(entry), state), (entry, [], []))
                if finding is not None:
                    usage[1].append(finding)
                else:
                    usage[2].append(rule)

        for finding in findings:
            keep(self.about_finding(finding), (finding.id, finding.package), "")
        for rule in rules:
            keep(self.about_rule(rule), None, rule["id"])
        return [
            Used(entry, state, tuple(sorted(set(used_findings))), tuple(sorted(set(failed))))
            for (_identity, state), (entry, used_findings, failed) in by_finding.items()
        ]

    def _newest(self, finding: AskedFinding) -> VexStatement | None:
        statements = [
            item
            for item in self._statements.get(folded_id(finding.id), ())
            if item.is_about_package(finding.package, self._distribution)
        ]
        return max(statements, key=lambda item: (item.time, not item.clears, item.document), default=None)


def _explaining(entries: t.Iterable[tuple[Entry, str]], policies: t.Collection[str]) -> t.Iterator[tuple[Entry, str]]:
    open_policies = set(policies) or {""}
    later = []
    for entry, state in entries:
        explained = {name for name in open_policies if for_policy(entry, name)}
        if state != "accepted":
            later.append((entry, state))
        elif explained:
            yield entry, state
            open_policies -= explained
    for entry, state in later:
        if any(for_policy(entry, name) for name in open_policies):
            yield entry, state


def for_policy(entry: Entry, policy: str | None) -> bool:
    """Return whether an entry holds for the verdict of a policy; without one, whether it holds for every one."""
    if not isinstance(entry, Acceptance) or not entry.policies:
        return True
    return policy is not None and entry.covers_policy(policy)


def _order(entry: Acceptance) -> tuple[t.Any, ...]:
    ends = entry.expires if entry.expires is not None else datetime.date.max
    texts = (entry.id, entry.rule, entry.owner, entry.reason, entry.ticket, entry.justification)
    return (-ends.toordinal(), entry.until_fixed, texts, entry.packages, entry.images, entry.policies)
