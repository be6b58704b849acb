# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry of the corpus is, and the two usual ways to write one."""

from __future__ import annotations

import dataclasses
import typing as t

from .situation import PATCHED, VULNERABLE, Situation


@dataclasses.dataclass(frozen=True)
class Trap:
    """A known way to a false green.

    ``fools``: whom it fools, and how. ``trap`` must end in ``verdict`` with all of ``codes`` among its
    reasons; ``twin`` differs from it in one field, and passes.
    """

    name: str
    fools: str
    trap: Situation
    twin: Situation
    verdict: str
    codes: tuple[str, ...]


def hides(name: str, fools: str, **fields: t.Any) -> Trap:
    """Something hides a vulnerable package. The twin has the same something, and the package is patched."""
    return Trap(
        name,
        fools,
        Situation(packages=VULNERABLE, **fields),
        Situation(packages=PATCHED, **fields),
        "failed",
        ("vulnerability",),
    )


def differs(
    name: str,
    fools: str,
    field: str,
    trap: t.Any,
    twin: t.Any = None,
    *,
    verdict: str = "inconclusive",
    codes: tuple[str, ...] | str = ("vulnerability",),
    **both: t.Any,
) -> Trap:
    """Trap and twin differ in ``field``; without ``twin`` the twin has the field's default. ``both`` holds for both."""
    situation = Situation(**both)
    other = situation if twin is None else dataclasses.replace(situation, **{field: twin})
    return Trap(
        name,
        fools,
        dataclasses.replace(situation, **{field: trap}),
        other,
        verdict,
        (codes,) if isinstance(codes, str) else codes,
    )
