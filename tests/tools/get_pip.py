# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the program that ansible-test downloads to put pip into its environments.

Python brings a pip of its own, so nothing has to be fetched from a third host. Takes the arguments of that program:
packages to install, and switches that only concern what it would install beside pip.
"""

from __future__ import annotations

import runpy
import subprocess
import sys

SWITCHES = ("--no-setuptools", "--no-wheel")


def main() -> None:
    """Install Python's own pip, then let it install what is asked for."""
    # In a process of its own: ensurepip hides pip's configuration from the process that runs it.
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    sys.argv = ["pip", "install", *(argument for argument in sys.argv[1:] if argument not in SWITCHES)]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
