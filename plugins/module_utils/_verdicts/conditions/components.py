# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``unexamined``: components that no RPM data covers."""

from __future__ import annotations

import dataclasses
import typing as t

from ..documents import Field
from ..model import Reason
from ..schema import COMPONENTS
from ..wording import counted
from .base import Case, Code, Condition, Reasons, Step
from .kinds import KindTerms

EXAMPLE = """\

  # Components that no RPM data covers: ignore, inconclusive or fail; one word for all of them or one for each of
  # jar, python, npm, dpkg, apk. They are counted in the report in any case.
  unexamined: ignore
"""
_ACTIONS = ("ignore", "inconclusive", "fail")
CODES: t.Mapping[str, Code] = {
    "unexamined-components": Code(
        "failed",
        "The image holds components that RPM data says nothing about, and the policy forbids them.",
        "Remove them, examine them with another tool, or allow them under 'unexamined'.",
    ),
    "components-not-examined": Code(
        "inconclusive",
        "The image holds components that RPM data says nothing about.",
        "Examine them with another tool, or allow them under 'unexamined'.",
    ),
}


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class ComponentTerms(KindTerms):
    """``unexamined``: (kind of component, what is done about it)."""

    unexamined: tuple[tuple[str, str], ...] = ()


def _parse(field: Field) -> dict[str, t.Any]:
    description = "what to do about components that are not examined"
    if isinstance(field.value, str):
        action = field.choice(_ACTIONS, description)
        return {"unexamined": tuple((kind, action) for kind in COMPONENTS)}
    fields = field.mapping(
        COMPONENTS, f"ignore, inconclusive or fail, or one of them for each of {', '.join(COMPONENTS)}"
    )
    return {
        "unexamined": tuple(
            (kind, fields[kind].choice(_ACTIONS, description) if kind in fields else "ignore") for kind in COMPONENTS
        )
    }


def _reasons(policy: ComponentTerms, case: Case) -> Reasons:
    counts = {kind: number for kind, number in case.facts["not_examined"].items() if number}
    if case.inventory.kind in policy.accept:
        counts.pop(case.inventory.kind, None)
    for action, code, verb in (
        ("fail", "unexamined-components", "forbids them"),
        ("inconclusive", "components-not-examined", "wants them examined"),
    ):
        kinds = [kind for kind, its_action in policy.unexamined if its_action == action]
        numbers = {kind: counts[kind] for kind in kinds if kind in counts}
        if numbers:
            total = counted(sum(numbers.values()), "component")
            shown = ", ".join(f"{number} {kind}" for kind, number in numbers.items())
            yield Reason(code, f"{total} not examined ({shown}); the policy '{policy.name}' {verb}")


UNEXAMINED = Condition(
    "unexamined",
    EXAMPLE,
    _parse,
    CODES,
    {Step.COMPONENTS: _reasons},
    asks=lambda policy: any(action != "ignore" for _kind, action in policy.unexamined),
)
