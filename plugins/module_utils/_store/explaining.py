# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why images in the store have their verdict, and why one vulnerability is found in them or not. Nothing is written.

Matching and judging are asked, and tell what they did: see ``_vulnerabilities.matching.explain``. What a policy says
of one vulnerability is what ``judge`` says of the image when it had no other finding.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.text import visible
from .._verdicts.codes import shown_code
from .._verdicts.conditions.packages import accepts
from .._verdicts.model import VERDICTS, ImageVerdict
from .._verdicts.policies import Policy
from .._verdicts.subject import Subject
from .._vulnerabilities.matching.explain import (
    explain,
    explain_coverage,
    explain_feed,
    explain_products,
    unseen,
)
from .._vulnerabilities.model import Coverage, Finding, Match
from .judging import Judging
from .model import StoredChild, StoredImage

#: Lines of one explanation.
LINES_LIMIT = 1000
_SHOWN = 10
#: Codes of reasons that are about one vulnerability.
_ABOUT_FINDINGS = ("vulnerability", "under-investigation")


@dataclasses.dataclass(frozen=True)
class Explanation:
    """One image, and one vulnerability or none.

    ``outcome``: with a vulnerability one of ``explain.OUTCOMES`` or ``accepted``, without one the verdict; ``index``
    for an index, whose images are explained each for itself. ``lines``: text, indented by two blanks a level.
    """

    digest: str
    reference: str
    id: str
    outcome: str
    lines: tuple[str, ...]


class Explaining:
    """Explains what one run of judging would say."""

    def __init__(self, judging: Judging, policies: t.Sequence[Policy]) -> None:
        self._judging = judging
        self._policies = policies

    def image(
        self, image: StoredImage, children: t.Mapping[str, t.Sequence[StoredChild]], vulnerability: str
    ) -> Explanation:
        """Explain one image; without a vulnerability its verdict."""
        if vulnerability[:4].casefold() == "cve-":
            vulnerability = vulnerability.upper()
        head = [f"Image {visible(image.reference, 300)}", f"  digest {visible(image.digest, 200) or 'not known'}"]
        if image.kind == "index":
            head.append("  An index of images for several platforms; its verdict is the worst of theirs:")
            listed = children.get(image.key, ())
            head += [f"  {visible(child.platform, 60)}: {visible(child.digest, 200)}" for child in listed[:_SHOWN]]
            return Explanation(image.digest, image.reference, vulnerability, "index", tuple(head))
        subject = self._judging.subject(image)
        verdict = self._judging.verdict(subject)
        head.append(f"  {visible(image.platform, 60) or 'platform not known'}, scanned {_when(image.scanned_at)}")
        outcome, lines = (
            self._vulnerability(subject, verdict, vulnerability) if vulnerability else self._verdict(subject, verdict)
        )
        lines = head + lines
        if len(lines) > LINES_LIMIT:
            lines = [*lines[: LINES_LIMIT - 1], f"and {len(lines) - LINES_LIMIT + 1} more lines"]
        return Explanation(image.digest, image.reference, vulnerability, outcome, tuple(lines))

    def _vulnerability(self, subject: Subject, verdict: ImageVerdict, vulnerability: str) -> tuple[str, list[str]]:
        inventory, match = subject.inventory, subject.match
        matcher = self._judging.matcher(inventory) if inventory is not None else None
        if inventory is None or match is None or matcher is None:
            missing = "the image has no inventory" if inventory is None else "there is no vulnerability data"
            return "not_judged", [f"Nothing can be said: {missing}", *_verdict_lines(verdict)]
        explanation = explain(matcher, inventory, match, vulnerability)
        lines = [
            *explain_products(matcher, inventory, match),
            *explain_feed(match.feed),
            *explanation.lines,
        ]
        findings = tuple(finding for finding in match.findings if finding.id == vulnerability)
        outcome = explanation.outcome
        if findings:
            alone = self._judging.verdict(dataclasses.replace(subject, match=_only(match, findings)))
            accepted = {(finding.id, finding.package) for finding in findings} <= set(alone.excepted)
            outcome = "accepted" if accepted else outcome
            lines += self._counting(alone)
        hidden = [visible(subject.scan_problem.message, 400)] if subject.scan_problem is not None else []
        hidden += unseen(inventory, match)
        if hidden and outcome not in ("affected", "under_investigation"):
            outcome = "not_judged"
            lines.append("Not judged, whatever is said above, since not everything was seen")
            lines += [f"  {text}" for text in hidden[:_SHOWN]]
            if len(hidden) > _SHOWN:
                lines.append(f"  and {len(hidden) - _SHOWN} more")
        return outcome, [*lines, *_verdict_lines(verdict)]

    def _counting(self, alone: ImageVerdict) -> list[str]:
        """Return what exceptions and policies make of an image that has these findings and no others."""
        lines = ["What exceptions and policies make of it"]
        lines += [f"  {text}" for text in _exceptions(alone)]
        policies = {policy.name: policy for policy in self._policies}
        for verdict in alone.policies:
            reasons = [reason for reason in verdict.reasons if reason.code in _ABOUT_FINDINGS]
            policy = policies[verdict.name]
            if reasons:
                lines += [f"  policy '{verdict.name}': {visible(reason.message, 600)}" for reason in reasons[:_SHOWN]]
            elif policy.max_severity is None:
                lines.append(f"  policy '{verdict.name}': sets no limit to single vulnerabilities")
            else:
                only = ", counts only what has a fix" if policy.fixable else ""
                lines.append(
                    f"  policy '{verdict.name}': not broken by it (allows at most {policy.max_severity}{only})"
                )
        if not alone.policies:
            lines.append("  no policy selects the image")
        return lines

    def _verdict(self, subject: Subject, verdict: ImageVerdict) -> tuple[str, list[str]]:
        lines = _verdict_lines(verdict)
        inventory, match = subject.inventory, subject.match
        if inventory is not None:
            matcher = self._judging.matcher(inventory)
            lines += explain_products(matcher, inventory, match)
            lines += explain_coverage(inventory, match)
            lines += self._foreign(match, verdict)
        lines += explain_feed(match.feed if match is not None else subject.feed)
        used = _exceptions(verdict)
        if used:
            lines += ["Exceptions that are about the image", *(f"  {text}" for text in used)]
        return verdict.verdict, lines

    def _foreign(self, match: Match | None, verdict: ImageVerdict) -> list[str]:
        """Packages that the data do not cover, by maker, and the entry of each policy that accepts them."""
        makers: dict[tuple[str, str], list[Coverage]] = {}
        for package in match.not_covered if match is not None else ():
            makers.setdefault((package.vendor, package.key_id), []).append(package)
        lines = ["Packages that the data do not cover"] if makers else []
        selecting = {policy.name for policy in verdict.policies}
        for (vendor, key_id), packages in sorted(makers.items()):
            key = f"key {visible(key_id, 40)}" if key_id else "not signed"
            named = ", ".join(visible(package.package, 120) for package in packages[:_SHOWN])
            ending = f" and {len(packages) - _SHOWN} more" if len(packages) > _SHOWN else ""
            lines.append(f"  {visible(vendor, 80) or 'no vendor'}, {key}: {named}{ending}")
            for policy in self._policies:
                if policy.name in selecting:
                    lines.append(f"    policy '{policy.name}': {_accepted_by(policy, packages[0])}")
        return lines


def _accepted_by(policy: Policy, package: Coverage) -> str:
    ways = {accepts(entry, package): entry for entry in reversed(policy.accept_vendors)}
    for way, text in (("key", "accepted by its key"), ("vendor", "accepted by the vendor text alone, a guess")):
        if way in ways:
            comment = visible(ways[way].comment, 100)
            return text + (f" ({comment})" if comment else "")
    return "forbids them" if policy.not_covered == "fail" else "accepts no such key"


def _exceptions(verdict: ImageVerdict) -> list[str]:
    """The exceptions and statements of VEX that are about something in the image."""
    lines = []
    for entry in verdict.exceptions[:_SHOWN]:
        number = len(entry["findings"]) + len(entry["rules"])
        ends = entry["expires"] or entry["when"] or "no end"
        owner = visible(entry["owner"], 100) or "nobody named"
        text = f"{entry['kind']} {visible(entry['id'], 200)}: {entry['state'].replace('_', ' ')}, in {number} places"
        lines.append(f"{text}; by {owner}, until {ends}: {visible(entry['reason'], 300)}")
    if len(verdict.exceptions) > _SHOWN:
        lines.append(f"and {len(verdict.exceptions) - _SHOWN} more exceptions")
    return lines


def _verdict_lines(verdict: ImageVerdict) -> list[str]:
    lines = [f"Verdict: {verdict.verdict}"]
    for policy in sorted(verdict.policies, key=lambda policy: (-VERDICTS.index(policy.verdict), policy.name)):
        lines.append(f"  policy '{policy.name}': {policy.verdict}")
    lines += [f"  {visible(reason.message, 600)} [{shown_code(reason.code)}]" for reason in verdict.reasons[:_SHOWN]]
    if len(verdict.reasons) > _SHOWN:
        lines.append(f"  and {len(verdict.reasons) - _SHOWN} more reasons")
    if not verdict.reasons:
        lines.append("  nothing stands against it")
    return lines


def _only(match: Match, findings: tuple[Finding, ...]) -> Match:
    return dataclasses.replace(match, findings=findings)


def _when(time: str) -> str:
    return visible(time, 40) or "never"
