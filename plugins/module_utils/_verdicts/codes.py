# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codes of reasons: what each means and what to do. Judge, documentation and HTML report use this one table."""

from __future__ import annotations

import typing as t

from .._core.text import visible
from .conditions.base import Code
from .conditions.table import CONDITIONS

#: Reasons that the judge gives. Errors of a scan keep the code of their ``ScanError``; problems of an inventory keep
#: theirs and follow ``inventory-incomplete``.
CODES: t.Mapping[str, Code] = {
    "scan-error": Code("error", "The image could not be scanned.", "Read the cause; scan again."),
    "name-unconfirmed": Code(
        "inconclusive",
        "The image was asked for by a name with a tag, and its registry has not said which image it has now.",
        "Have the step 'discover' ask it: name it in scan_references, and let ask_registries be true.",
    ),
    "not_scanned_yet": Code("inconclusive", "The image was never scanned.", "Run the step 'scan'."),
    "no-policy": Code(
        "inconclusive",
        "No policy selects this image.",
        "Add a policy that selects it; one without 'images' selects all.",
    ),
    "platform-missing": Code(
        "inconclusive",
        "The index has no image that every node of a wanted platform can run.",
        "Push an image for the platform, or do not ask for it. If all nodes have a newer processor, name its variant.",
    ),
    "index-empty": Code("inconclusive", "The index names no image.", "Push the images that belong to it."),
    "exception-applied": Code("note", "Findings are accepted by an exception.", "Nothing until it expires."),
    "exception-expired": Code(
        "note", "An exception has expired and no longer accepts its findings.", "Renew it or repair the image."
    ),
    "exception-ended": Code(
        "note",
        "An exception ended because its findings have a fix now, so they count again.",
        "Update the package; take the exception out of the file.",
    ),
    "vex-applied": Code(
        "note", "Findings do not matter or are fixed, says signed VEX of the image's maker.", "Nothing."
    ),
    **{code: row for condition in CONDITIONS for code, row in condition.codes.items()},
}


def shown_code(code: str) -> str:
    """The code of a reason as people read it, with hyphens in all of them; programs get one with underscores."""
    return visible(code, 60).replace("_", "-")
