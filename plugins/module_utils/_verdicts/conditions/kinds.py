# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``accept``: kinds of images without an RPM database; and whether the database that is there was read as a whole."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.text import visible
from ..._packages.model import Inventory
from ..._packages.table import feeds_of, label_of
from ..documents import Field
from ..model import Reason
from ..wording import counted, listed
from .base import Case, Code, Condition, Reasons, Step, Terms, sorted_problems, unseen

EXAMPLE = """\

  # Images without an RPM database are inconclusive unless their kind is accepted: static, dpkg, apk.
  accept: []
"""
#: Kinds without an RPM database that a policy can accept. ``unknown`` never: nobody knows what was not seen.
ACCEPTABLE_KINDS = ("static", "dpkg", "apk")
CODES: t.Mapping[str, Code] = {
    "inventory-incomplete": Code(
        "inconclusive",
        "Something in the image could not be read, so packages may be missing.",
        "The reasons that follow name what; repair the image or scan it in another way.",
    ),
    "no-package-database": Code(
        "inconclusive",
        "The image has no RPM database where there should be one.",
        "Scan it with a tool for its kind, or accept the kind under 'accept' (static, dpkg, apk).",
    ),
    "no-packages": Code(
        "inconclusive",
        "The RPM database is there, and no package is in it.",
        "Find out who emptied it; build the image so that its database stays.",
    ),
    "package-count": Code(
        "inconclusive",
        "The RPM database counts other packages than were read.",
        "Scan again; if it stays, report the image to us.",
    ),
    "kind-accepted": Code("note", "The image has no RPM database, and the policy accepts that.", "Nothing."),
}


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class KindTerms(Terms):
    """Kinds that need no RPM database."""

    accept: tuple[str, ...] = ()


def _parse(field: Field) -> dict[str, t.Any]:
    kinds = [
        child.choice(ACCEPTABLE_KINDS, "a kind of image that can be accepted")
        for child in field.items(f"a list of {', '.join(ACCEPTABLE_KINDS)}")
    ]
    return {"accept": tuple(sorted(set(kinds)))}


def _reasons(policy: KindTerms, case: Case) -> Reasons:
    inventory = case.inventory
    if inventory.problems:
        problems = counted(len(inventory.problems), "problem")
        text = f"Not everything in the image could be read ({problems}), so packages may be missing"
        yield Reason("inventory-incomplete", text)
        yield from map(unseen, sorted_problems(inventory.problems))
    if feeds_of(inventory.kind):
        yield from _database(inventory)
    elif inventory.kind in policy.accept:
        text = f"The image has no RPM database; the policy '{policy.name}' accepts the kind {inventory.kind}"
        yield Reason("kind-accepted", text)
    else:
        text = f"The image has no RPM database (kind {visible(inventory.kind, 40)})"
        accepts = listed(policy.accept) or "no other kind than rpm"
        yield Reason("no-package-database", f"{text}; the policy '{policy.name}' accepts {accepts}")


def _database(inventory: Inventory) -> Reasons:
    """Return whether all packages of the database were read."""
    if inventory.database is None and any(problem.code == "rpmdb-missing" for problem in inventory.problems):
        pass  # said already
    elif all(package.name == "gpg-pubkey" for package in inventory.packages):
        yield Reason("no-packages", f"The {label_of(inventory.kind)} database has no package")
    elif inventory.database is None or inventory.database.rows != len(inventory.packages):
        rows = inventory.database.rows if inventory.database else 0
        text = f"The {label_of(inventory.kind)} database counts {counted(rows, 'package')}"
        yield Reason("package-count", f"{text}, and {len(inventory.packages)} were read")


ACCEPT = Condition("accept", EXAMPLE, _parse, CODES, {Step.CONTENTS: _reasons})
