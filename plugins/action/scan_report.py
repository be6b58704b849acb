# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the table of ``scan_report`` on the terminal."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ..plugin_utils._lines import show_line

#: Words at the beginning of a line, and the setting that has their colour.
COLOURS = {
    "FAILED": "COLOR_ERROR",
    "ERROR": "COLOR_ERROR",
    "INCONCLUSIVE": "COLOR_WARN",
    "PASSED": "COLOR_OK",
    "COMPLETE": "COLOR_OK",
}


class ActionModule(ActionBase):
    """Runs the module, then prints the table that it returned."""

    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the module and print."""
        super().run(tmp, task_vars)
        wrap_async = bool(self._task.async_val)
        result: dict[str, t.Any] = self._execute_module(
            "imagescan.openshift.scan_report", task_vars=task_vars, wrap_async=wrap_async
        )
        if not self._task.no_log:
            show(result.get("table") or [], result.get("files") or {}, result.get("next_steps") or [])
        return result


def show(table: list[str], files: dict[str, str], commands: t.Sequence[str] = ()) -> None:
    """Print a table line by line, in the colours that the person chose for good and bad."""
    if not table:
        return
    # Imported here, so that only a task that shows files reads all formats.
    from ..module_utils._reports.formats import FORMATS

    labels = {item.name: item.label for item in FORMATS}
    for line in table:
        show_line(line, COLOURS.get(line.partition(" ")[0], ""))
    for kind, path in files.items():
        show_line(f"{labels.get(kind, kind)}: {path}")
    for line in commands:
        show_line(line)
