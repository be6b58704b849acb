# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the explanations of ``verdict_info`` on the terminal."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..plugin_utils._lines import show_line


class ActionModule(ActionBase):
    """Runs the module, then prints its explanations where the task asks for that."""

    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the module and print."""
        super().run(tmp, task_vars)
        wrap_async = bool(self._task.async_val)
        result: dict[str, t.Any] = self._execute_module(
            "imagescan.openshift.verdict_info", task_vars=task_vars, wrap_async=wrap_async
        )
        if not self._task.no_log and boolean(self._task.args.get("show", False), strict=False):
            show(result.get("explanations") or [])
        return result


def show(explanations: list[dict[str, t.Any]]) -> None:
    """Print explanations line by line, with an empty line between two of them."""
    for number, explanation in enumerate(explanations):
        for line in [""] * bool(number) + explanation["lines"]:
            show_line(line)
