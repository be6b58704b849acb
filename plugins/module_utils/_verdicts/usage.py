# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of exceptions: which are needed, which have ended or will soon, and what of VEX was used."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t

from .applying import Entry, Exceptions, ImageNames, for_policy
from .exceptions import Acceptance
from .vex_statements import VexDocument
from .wording import counted

#: Images that are named of one exception's use, and exceptions that are named of one warning.
IMAGES_KEPT = 20
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class EntryUsage:
    """Use of one entry of a file over all images.

    ``state``: ``used``, ``unused`` (it is about nothing in any image), ``expired``, or ``fixed`` (all that it is about
    has a fix now, which ends it). ``days_left``: whole days until its last day, negative after it, None without a date.
    ``number``: findings and rules that it is about. ``images``: at most 20 of the images.
    """

    entry: Acceptance
    state: str
    days_left: int | None
    number: int
    images: tuple[str, ...]

    def expires_within(self, days: int) -> bool:
        """Return whether it still holds and its last day comes within so many days."""
        return self.days_left is not None and 0 <= self.days_left <= days


@dataclasses.dataclass(frozen=True)
class _ReportedFinding:
    """A finding of a report's image object."""

    id: str
    name: str
    package: str
    status: str


def _judged_names(document: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """The names that an image was judged by: an unconfirmed one stands in the report with the digest behind its tag."""
    plain = ((name, name.removesuffix(f"@{document['digest']}")) for name in document["references"])
    return tuple(sorted({short if ":" in short.rpartition("/")[2] else name for name, short in plain}))


class Usages:
    """Counts what exceptions are about, image by image."""

    def __init__(self, exceptions: Exceptions, today: datetime.date) -> None:
        self._exceptions = exceptions
        self._today = today
        self._number: dict[int, int] = collections.defaultdict(int)
        self._open: dict[int, int] = collections.defaultdict(int)
        self._images: dict[int, list[str]] = collections.defaultdict(list)

    def add(self, document: t.Mapping[str, t.Any], indexes: t.Iterable[str] = ()) -> None:
        """Count one image object of a report. ``indexes``: digests of the indexes that the image is in."""
        named = ImageNames((document["digest"], *indexes), _judged_names(document), document["os"].partition(" ")[0])
        entries = self._exceptions.of_image(named, self._today)
        policies = {policy["name"] for policy in document["policies"]}
        entry_states: list[tuple[Entry, str]] = []
        for item in document["vulnerabilities"]:
            # A package is written name-epoch:version-release.arch.
            name = item["package"].rsplit("-", 2)[0]
            entry_states += entries.about_finding(_ReportedFinding(item["id"], name, item["package"], item["status"]))
        for rule in (document["compliance"] or {"rules": ()})["rules"]:
            entry_states += entries.about_rule(rule)
        for entry, state in entry_states:
            if not policies or any(for_policy(entry, name) for name in policies):
                self._count(entry, state, document["reference"] or document["digest"])

    def _count(self, entry: Entry, state: str, image: str) -> None:
        self._number[id(entry)] += 1
        self._open[id(entry)] += state != "fix_available"
        images = self._images[id(entry)]
        if len(images) < IMAGES_KEPT and image not in images:
            images.append(image)

    def result(self) -> list[EntryUsage]:
        """One for each entry of a file, in their order."""
        usages = []
        for entry in self._exceptions.entries:
            if not isinstance(entry, Acceptance):
                continue
            number = self._number.get(id(entry), 0)
            state = "used" if number else "unused"
            if number and not self._open[id(entry)]:
                state = "fixed"
            if not entry.holds(self._today):
                state = "expired"
            days_left = (entry.expires - self._today).days if entry.expires is not None else None
            usages.append(EntryUsage(entry, state, days_left, number, tuple(self._images.get(id(entry), ()))))
        return usages

    def cleared(self, document: VexDocument) -> int:
        """Number of findings that the statements of a file clear; they must be among the exceptions."""
        return sum(self._number.get(id(statement), 0) for statement in document.statements)


def counts(usages: t.Sequence[EntryUsage], days: int) -> dict[str, int]:
    """Count the exceptions in each state, and those that end within so many days."""
    states = dict.fromkeys(("used", "unused", "expired", "fixed"), 0)
    for usage in usages:
        states[usage.state] += 1
    return {**states, "expiring": sum(usage.expires_within(days) for usage in usages)}


def describe(usage: EntryUsage, days: int) -> dict[str, t.Any]:
    """One exception with what became of it, for results of modules."""
    entry = usage.entry
    return {
        "file": entry.where,
        "line": entry.line,
        "id": entry.id,
        "rule": entry.rule,
        "packages": list(entry.packages),
        "images": list(entry.images),
        "policies": list(entry.policies),
        "owner": entry.owner,
        "reason": entry.reason,
        "ticket": entry.ticket,
        "justification": entry.justification,
        "expires": str(entry.expires or ""),
        "when": "fixed" if entry.until_fixed else "",
        "state": usage.state,
        "expiring": usage.expires_within(days),
        "days_left": usage.days_left,
        "number": usage.number,
        "used_by": list(usage.images),
    }


def describe_vex(document: VexDocument, usages: Usages) -> dict[str, t.Any]:
    """Describe the use of one file of VEX."""
    return {
        "path": document.path,
        "id": document.id,
        "author": document.author,
        "verified": document.verified,
        "statements": len(document.statements),
        "used": usages.cleared(document),
        "problems": list(document.problems),
    }


def warnings(usages: t.Sequence[EntryUsage], days: int, *, whole: bool) -> list[str]:
    """Sentences about exceptions that need somebody. ``whole``: everything was judged, so that unused means it."""
    by_state: dict[str, list[EntryUsage]] = collections.defaultdict(list)
    for usage in usages:
        by_state[usage.state].append(usage)
    texts = [
        ("expired", by_state["expired"]),
        ("ended, since all that is accepted has a fix now", by_state["fixed"]),
        (f"with an end within {days} days", [usage for usage in usages if usage.expires_within(days)]),
        ("about nothing in any image", by_state["unused"] if whole else []),
    ]
    return [f"{counted(len(named), 'exception')} {text}: {_places(named)}" for text, named in texts if named]


def _places(usages: t.Sequence[EntryUsage]) -> str:
    entries = [usage.entry for usage in usages[:_NAMED]]
    shown = ", ".join(f"{entry.label} ({entry.where}, line {entry.line})" for entry in entries)
    return shown + (f" and {len(usages) - _NAMED} more" if len(usages) > _NAMED else "")
