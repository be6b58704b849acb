# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run pip and tell what it does: its last line in place on a terminal, else that it works; all of it if it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys


def main(command: list[str]) -> int:
    """Run the command; its exit status."""
    in_place = sys.stdout.isatty()
    kept: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            kept.append(line.rstrip())
            if in_place:
                width = shutil.get_terminal_size().columns - 1
                print(f"\r\033[K{kept[-1].strip()[:width]}", end="", flush=True)
            elif len(kept) == 1:
                print("pip is installing the requirements", flush=True)
    if in_place:
        print("\r\033[K", end="", flush=True)
    if process.returncode:
        print("\n".join(kept), file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
