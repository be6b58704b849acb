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
    added = [{**reason, "state": "new"} for reason in _missing_in(before, after)]
    removed = [{**reason, "state": "gone"} for reason in _missing_in(after, before)]
    is_worse = VERDICTS.index(after["verdict"]) > VERDICTS.index(before["verdict"])
    reasons = added + removed if is_worse else removed + added
    reasons.sort(key=lambda reason: reason["code"] in CODES and CODES[reason["code"]].effect == "note")  # stable
    reasons += _policies(before, after)
    if len(reasons) > SHOWN:
        ending = f"and {len(reasons) - SHOWN + 1} more reasons that are new or gone"
        reasons = [*reasons[: SHOWN - 1], {"code": "more", "message": ending, "state": reasons[SHOWN - 1]["state"]}]
    return reasons


def _missing_in(base: Document, current: Document) -> list[dict[str, str]]:
    """The reasons of ``current`` that ``base`` does not have."""
    pairs = {(reason["code"], reason["message"]) for reason in base.get("reasons", ())}
    return [
        {"code": reason["code"], "message": reason["message"]}
        for reason in current.get("reasons", ())
        if (reason["code"], reason["message"]) not in pairs
    ]


def _policies(before: Document, after: Document) -> list[dict[str, str]]:
    """That other policies judged, where no reason tells the difference."""
    sets = [{(item["name"], item["sha256"]) for item in document.get("policies", ())} for document in (before, after)]
    if sets[0] == sets[1]:
        return []
    names = [", ".join(sorted(name for name, _sha256 in policy_set)) or "none" for policy_set in sets]
    text = f"judged by other policies: {names[1]}; before by {names[0]}"
    if names[0] == names[1]:
        text = f"judged by another version of the policies {names[1]}"
    return [{"code": "policies-changed", "message": text, "state": "new"}]
