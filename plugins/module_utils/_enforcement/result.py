# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result of a run over the flags of a cluster: what was flagged and cleared, whom that concerns, what differs."""

from __future__ import annotations

import dataclasses
import typing as t

from .._flags.annotations import AnnotationPatch, Quality, others_say, read_deny
from .._flags.plan import Drift, FlagRow, Seen
from .flags import FlagOutcome, ImageState
from .running_pods import RunningPod, RunningPods

#: Quality annotations of other scanners that are read of one image.
SCANNERS_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Affected:
    """Who uses an image whose flag changes. ``change``: ``flagged`` or ``cleared``."""

    row: FlagRow
    change: str
    pods: tuple[RunningPod, ...]


@dataclasses.dataclass(frozen=True)
class Foreign:
    """An image whose execution somebody else denies: other providers of ours by name, or one who left no name.

    ``scanners``: what other scanners say of it, which may tell who that is.
    """

    digest: str
    providers: tuple[str, ...]
    unnamed: bool
    scanners: tuple[Quality, ...] = ()


@dataclasses.dataclass
class Result:
    """Result of a run, or of a dry run. ``before`` and ``after``: what differs, by its place in the cluster.

    ``problems``: images whose object could not be changed. ``refused``: of a dry run, why a real one would stop.
    ``is_enforced``: False where there are deny lists that no policy reads. ``warnings``: sentences for a person.
    """

    flagged: list[FlagRow] = dataclasses.field(default_factory=list)
    cleared: list[FlagRow] = dataclasses.field(default_factory=list)
    kept: list[FlagRow] = dataclasses.field(default_factory=list)
    drifted: list[Drift] = dataclasses.field(default_factory=list)
    affected: list[Affected] = dataclasses.field(default_factory=list)
    foreign: list[Foreign] = dataclasses.field(default_factory=list)
    problems: list[FlagOutcome] = dataclasses.field(default_factory=list)
    before: dict[str, str] = dataclasses.field(default_factory=dict)
    after: dict[str, str] = dataclasses.field(default_factory=dict)
    next_due: str = ""
    in_use: int = 0
    refused: str = ""
    is_enforced: bool = True
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        """True if anything in the cluster differs."""
        return bool(self.before or self.after)

    def note(self, rows: t.Iterable[FlagRow], change: t.Literal["flagged", "cleared"], running: RunningPods) -> None:
        """Keep what happens to images, and whom that concerns."""
        for row in rows:
            (self.flagged if change == "flagged" else self.cleared).append(row)
            pods = running.using(row.digest, row.references)
            if pods:
                self.affected.append(Affected(row, change, tuple(pods)))

    def tell_image(self, state: ImageState, change: AnnotationPatch) -> None:
        """Note what a patch changes of an Image object."""
        for kind, before, after in (
            ("annotation", state.annotations, change.annotations),
            ("label", state.labels, change.labels),
        ):
            for key, value in after.items():
                self._tell(f"image {state.digest}, {kind} {key}", before.get(key), value)

    def tell_entries(
        self,
        seen: Seen,
        digests: t.Mapping[str, t.Any],
        references: t.Mapping[str, t.Any],
        gone: t.Collection[str],
        lifted: t.Collection[str],
    ) -> None:
        """Note entries that come on the deny lists, and digests and references that leave them."""
        for kind, current, entries, cleared in (
            ("digest", seen.denied or {}, digests, gone),
            ("reference", seen.listed, references, lifted),
        ):
            for name in sorted({*entries, *cleared}):
                texts = [
                    _entry_text(entry) if entry is not None else None
                    for entry in (current.get(name), entries.get(name))
                ]
                self._tell(f"deny list, {kind} {name}", *texts)

    def tell_passed(self, seen: Seen, passing: t.Mapping[str, str], gone: t.Collection[str]) -> None:
        """Note digests that come on the passed lists, and that leave them."""
        current = seen.passed or {}
        for digest in sorted({*passing, *gone}):
            texts = [
                None if until is None else (f"until {until}" if until else "no end")
                for until in (current.get(digest), passing.get(digest))
            ]
            self._tell(f"passed list, digest {digest}", *texts)

    def _tell(self, place: str, before: str | None, after: str | None) -> None:
        """Note a difference; over several rounds, that between the first state and the last."""
        if place not in self.after and before is not None:
            self.before.setdefault(place, before)
        if after is None:
            self.after.pop(place, None)
        else:
            self.after[place] = after


def _entry_text(entry: t.Any) -> str:
    return f"{entry.text} (may be started again until {entry.grace_until})" if entry.grace_until else str(entry.text)


def find_foreign(states: t.Mapping[str, ImageState], provider: str) -> list[Foreign]:
    """Find the images whose execution somebody else denies."""
    rows = []
    for digest, state in sorted(states.items()):
        deny = read_deny(state.annotations, provider)
        if deny.is_foreign or deny.others:
            said = others_say(state.annotations, provider)[:SCANNERS_SHOWN]
            rows.append(Foreign(digest, deny.others, deny.is_foreign, said))
    return rows
