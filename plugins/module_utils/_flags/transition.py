# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effect of a verdict on our flags. Nothing but ``passed`` clears one."""

from __future__ import annotations

from .._core.errors import CorruptData
from .._core.text import visible
from .._verdicts.model import VERDICTS

SET, CLEAR, KEEP = "set", "clear", "keep"


def fate(verdict: str, *, flagged: bool, flag_inconclusive: bool = False, flag_errors: bool = False) -> str:
    """``SET``, ``CLEAR`` or ``KEEP``.

    ``flagged``: whether a flag of ours is on the image. ``flag_inconclusive``, ``flag_errors``: also flag what could
    not be judged, or not be scanned. Raises CorruptData for an unknown verdict.
    """
    if verdict not in VERDICTS:
        raise CorruptData(
            f"the verdict is {visible(str(verdict), 60)!r}; known are {', '.join(VERDICTS)}", code="unknown-verdict"
        )
    if verdict == "passed":
        return CLEAR if flagged else KEEP
    sets = {"failed": True, "inconclusive": flag_inconclusive, "error": flag_errors}
    return SET if sets[verdict] else KEEP
