# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for a person on the terminal, out of the way of callbacks that write a document to stdout."""

from __future__ import annotations

from ansible import constants
from ansible.utils.display import Display

MACHINES = ("json", "jsonl", "junit", "null")
display = Display()


def show_line(line: str, setting: str = "") -> None:
    """Print a line. ``setting``: the name of the colour that the person chose for its kind, such as COLOR_OK."""
    callback = str(constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK")).rpartition(".")[2]
    display.display(line, color=getattr(constants, setting) if setting else None, stderr=callback in MACHINES)
