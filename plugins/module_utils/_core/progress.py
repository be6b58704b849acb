# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's side of a watched task: lines for the person, and a sign of life from the playbook.

The action plugin (``plugin_utils/_watched.py``) makes a folder and names it in ``IMAGESCAN_PROGRESS``. It touches
``alive`` every second and shows each new content of ``progress``. Without the variable (``async``, another host) the
module runs to its end without lines.
"""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

from .errors import Abandoned

VARIABLE = "IMAGESCAN_PROGRESS"
#: Without a sign of life for this long nobody waits for the result any more (seconds).
PATIENCE = 15.0
#: A line is written at least this often, and, unless it is the last one, at most this often (seconds). A person then
#: sees one every 10 s: the module beats every two seconds or more often, and the action plugin looks every second.
AT_LEAST = 7.0
AT_MOST = 3.0


class Progress:
    """Lines about one long task. Not safe for several threads: the main thread of the module calls it."""

    def __init__(self, folder: str | None = None, clock: t.Callable[[], float] = time.monotonic) -> None:
        folder = os.environ.get(VARIABLE, "") if folder is None else folder
        self._folder = Path(folder) if folder else None
        self._clock = clock
        self._shown = ""
        self._shown_at = float("-inf")
        self._number = 0

    def beat(self, line: str, *, last: bool = False) -> None:
        """Say where the task is; call it at least every two seconds.

        Raises Abandoned when the playbook is gone: nothing new may be started then.
        """
        if self._folder is None:
            return
        self.check()
        now = self._clock()
        waited = now - self._shown_at
        if not (last or waited >= AT_LEAST or (line != self._shown and waited >= AT_MOST)):
            return
        self._number += 1
        # The number makes a line that says the same again a new one: a silent minute looks like a hang.
        text = f"{self._number} {' '.join(line.split())[:400]}\n"
        try:
            with (self._folder / "progress").open("w", encoding="utf-8", errors="replace") as out:
                out.write(text)
        except FileNotFoundError as error:
            raise Abandoned("the playbook that asked for this task is gone") from error
        except OSError:
            return  # A full disk costs the line, not the task.
        self._shown, self._shown_at = line, now

    def check(self) -> None:
        """Raise Abandoned when the playbook is gone."""
        if self._folder is None:
            return
        try:
            silence = time.time() - (self._folder / "alive").stat().st_mtime
        except FileNotFoundError as error:
            raise Abandoned("the playbook that asked for this task is gone") from error
        if silence > PATIENCE:
            raise Abandoned(f"the playbook that asked for this task has given no sign of life for {silence:.0f} s")


def remaining(done_count: int, total: int, seconds: float) -> str:
    """``, about 6 min left``, or nothing while too little is done to tell."""
    if done_count < 1 or total <= done_count or seconds < 3:
        return ""
    remaining_seconds = seconds / done_count * (total - done_count)
    if remaining_seconds < 90:
        return f", about {max(1, round(remaining_seconds))} s left"
    if remaining_seconds < 5400:
        return f", about {round(remaining_seconds / 60)} min left"
    return f", about {remaining_seconds / 3600:.1f} h left"
