# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: terse
type: stdout
short_description: Show progress, verdicts and what went wrong
version_added: 0.7.0
author: the imagescan.openshift authors (@imagescan)
description:
  - Shows the lines that the modules of this collection print, the messages of C(debug), warnings, and tasks that fail.
  - Tasks that went well or were skipped are not shown, nor is a recap where nothing failed.
extends_documentation_fragment:
  - ansible.builtin.default_callback
  - ansible.builtin.result_format_callback
"""

EXAMPLES = r"""
#   ANSIBLE_STDOUT_CALLBACK=imagescan.openshift.terse ansible-playbook imagescan.openshift.scan -e ...
"""

import typing as t

from ansible.plugins.callback.default import CallbackModule as DefaultCallback


class CallbackModule(DefaultCallback):
    """Print what a person acts on; see the documentation."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "imagescan.openshift.terse"

    def set_options(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Read the options. Without these two, names of tasks are printed with their results alone."""
        super().set_options(*args, **kwargs)
        self.set_option("display_ok_hosts", False)
        self.set_option("display_skipped_hosts", False)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Print nothing."""
        self._play = play

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        """Print nothing."""

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Print what a task was there to print, and warnings of all others."""
        content, task = _parts_of(result)
        if task.action in ("debug", "ansible.builtin.debug", "ansible.legacy.debug"):
            self.set_option("display_ok_hosts", True)
            super().v2_runner_on_ok(result)
            self.set_option("display_ok_hosts", False)
        else:
            self._handle_warnings(content)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        """Print what a loop was there to print, and warnings of all others."""
        self.v2_runner_on_ok(result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Print the recap where something failed."""
        if stats.failures or stats.dark:
            super().v2_playbook_on_stats(stats)


def _parts_of(result: t.Any) -> tuple[t.Any, t.Any]:
    """The content of a result and its task; both lost their underscore in ansible-core 2.19."""
    if hasattr(result, "task"):
        return result.result, result.task
    return result._result, result._task
