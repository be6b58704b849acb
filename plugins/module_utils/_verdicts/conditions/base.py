# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a condition of a policy: an entry of ``table.CONDITIONS``, defined in a file of its own."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import hashlib
import json
import typing as t

from ..._core.text import visible
from ..._core.times import CLOCK_SKEW
from ..._images.model import Problem
from ..._packages.model import Inventory
from ..._vulnerabilities.model import FeedInfo, Match
from ..applying import Accepted
from ..documents import Field
from ..model import Reason
from ..selection import ALL_IMAGES, Selection
from ..subject import Subject

#: Raise it when the default of a field changes, or what a field means: verdicts by the old one are then of another
#: policy.
DEFAULTS_REVISION = 1


@dataclasses.dataclass(frozen=True)
class Code:
    """``effect``: the verdict that a reason with this code leads to, or ``note`` where it changes nothing."""

    effect: str
    meaning: str
    remedy: str


class Outcome(t.NamedTuple):
    """A reason and what it leads to: a verdict, or ``note``."""

    effect: str
    reason: Reason


#: What a condition finds. A reason alone leads to what its code says (``Code.effect``).
Reasons = t.Iterator[t.Union[Reason, Outcome]]


class Step(enum.IntEnum):
    """The order in which conditions are asked. Reasons of one effect are shown in it."""

    SCAN = 1
    CONTENTS = 2
    DATA = 3
    SIZE = 4
    NEWEST = 5
    UNREAD = 6
    SIGNATURES = 7
    COVERAGE = 8
    FINDINGS = 9
    COMPONENTS = 10
    RULES = 11
    EXPRESSIONS = 12


class Data(t.NamedTuple):
    """The vulnerability data at hand, and what it says of the image. ``used``: the data that it was matched against."""

    feed: FeedInfo
    used: FeedInfo
    match: Match


@dataclasses.dataclass(frozen=True)
class Case:
    """An image that has an inventory, as one policy sees it.

    ``facts``: the image object that expressions are evaluated on. ``accepted``: what exceptions accept for the policy.
    ``data``: None where the policy asks nothing of it, or where there is none. ``now`` has a time zone.
    """

    subject: Subject
    inventory: Inventory
    facts: dict[str, t.Any]
    accepted: Accepted
    data: Data | None
    now: datetime.datetime


class Pass(t.NamedTuple):
    """When the facts behind a pass are of; RFC 3339, empty where there was no scan, no data or no rules.

    ``compliance``: the object of the report, None where no rules were evaluated.
    """

    scanned_at: str
    evaluated_at: str
    feed_checked: str
    feed_newest: str
    compliance: t.Mapping[str, t.Any] | None


class Limit(t.NamedTuple):
    """Validity of a pass by one condition: so many seconds after ``moment`` (RFC 3339).

    ``unknown``: what is said where the moment is not known or later than ``skew`` from now. ``lasting``: a new check of
    the data does not move it.
    """

    moment: str
    seconds: int
    unknown: str
    lasting: bool
    skew: datetime.timedelta = CLOCK_SKEW


def _no_limits(_policy: t.Any, _passed: Pass) -> t.Iterator[Limit]:
    return iter(())


@dataclasses.dataclass(frozen=True)
class Condition:
    """A key of policies.

    ``example``: its lines in the default policy, which explain it. ``parse``: its value -> fields of the policy.
    ``codes``: of the reasons that it gives. ``reasons``: step -> what stands against an image; arguments are the policy
    and the case. ``asks``: whether a policy that says this and no more can fail an image; None for a
    key with which none can. ``valid_until``: how long a pass holds by the policy.
    """

    key: str
    example: str
    parse: t.Callable[[Field], dict[str, t.Any]]
    codes: t.Mapping[str, Code] = dataclasses.field(default_factory=dict)
    reasons: t.Mapping[Step, t.Callable[[t.Any, Case], Reasons]] = dataclasses.field(default_factory=dict)
    asks: t.Callable[[t.Any], bool] | None = None
    valid_until: t.Callable[[t.Any, Pass], t.Iterator[Limit]] = _no_limits


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class Terms:
    """The fields that every policy has. Each condition adds its own; ``table.Policy`` has all of them.

    Only that one is made, so its parents need no methods of a dataclass, which take time to generate.
    """

    name: str
    description: str = ""
    images: Selection = ALL_IMAGES

    @property
    def sha256(self) -> str:
        """Digest of what the policy says, in hexadecimal.

        Layout, comments, the order of keys and defaults that are written out do not change it. A field that a later
        version adds does not, either, as long as a policy does not use it.
        """
        values = {"defaults": DEFAULTS_REVISION, **_said(self)}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _said(value: t.Any) -> t.Any:
    """A value as JSON has it; of a dataclass the fields that differ from their defaults."""
    if isinstance(value, tuple):
        return [_said(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    pairs = ((field, getattr(value, field.name)) for field in dataclasses.fields(value) if field.compare)
    return {field.name: _said(item) for field, item in pairs if item != field.default}


def unseen(problem: Problem) -> Outcome:
    """Something that could not be seen never passes, whatever its code."""
    return Outcome("inconclusive", Reason(problem.code, visible(problem.message, 500)))


def sorted_problems(problems: t.Iterable[Problem]) -> list[Problem]:
    """Problems in a stable order."""
    return sorted(problems, key=lambda problem: (problem.code, problem.message))
