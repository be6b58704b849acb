# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an image has another verdict than before: the reasons that came and those that are gone."""

from __future__ import annotations

import typing as t

from .codes import CODES
from .model import VERDICTS

#: Most reasons that are told of one change; the image itself has all that stand against it now.
SHOWN = 5

Document = t.Mapping[str, t.Any]


def difference(before: Document, after: Document) -> list[dict[str, str]]:
    """Explain the difference between two objects of one image (``judge.image_document``).

    Dictionaries of ``code``, ``message`` and ``state`` (``new`` or ``gone``), those that decide first: what came where
    the verdict is worse, what is gone where it is better, notes such as those about exceptions after them.
    """
    came = [{**one, "state": "new"} for one in _missing_in(before, after)]
    gone = [{**one, "state": "gone"} for one in _missing_in(after, before)]
    worse = VERDICTS.index(after["verdict"]) > VERDICTS.index(before["verdict"])
    found = came + gone if worse else gone + came
    found.sort(key=lambda one: one["code"] in CODES and CODES[one["code"]].effect == "note")  # stable
    found += _policies(before, after)
    if len(found) > SHOWN:
        more = f"and {len(found) - SHOWN + 1} more reasons that are new or gone"
        found = [*found[: SHOWN - 1], {"code": "more", "message": more, "state": found[SHOWN - 1]["state"]}]
    return found


def _missing_in(one: Document, other: Document) -> list[dict[str, str]]:
    """The reasons of ``other`` that ``one`` does not have."""
    known = {(reason["code"], reason["message"]) for reason in one.get("reasons", ())}
    return [
        {"code": reason["code"], "message": reason["message"]}
        for reason in other.get("reasons", ())
        if (reason["code"], reason["message"]) not in known
    ]


def _policies(before: Document, after: Document) -> list[dict[str, str]]:
    """That other policies judged, where no reason tells the difference."""
    sets = [{(one["name"], one["sha256"]) for one in document.get("policies", ())} for document in (before, after)]
    if sets[0] == sets[1]:
        return []
    names = [", ".join(sorted(name for name, _sha256 in one)) or "none" for one in sets]
    text = f"judged by other policies: {names[1]}; before by {names[0]}"
    if names[0] == names[1]:
        text = f"judged by another version of the policies {names[1]}"
    return [{"code": "policies-changed", "message": text, "state": "new"}]
