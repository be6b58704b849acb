# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the program that ansible-test downloads to put pip into its environments.

Python brings a pip of its own, so nothing has to be fetched from a third host. The arguments name releases of pip,
setuptools and wheel; they are ignored, since any pip installs the wheels that ansible-test asks for.
"""

from __future__ import annotations

import ensurepip
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path


def main() -> None:
    """Put Python's own pip into this environment."""
    wheels = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("*.whl"))
    if not any(wheel.name.startswith("pip-") for wheel in wheels):  # a Python of Debian's has them elsewhere
        subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
        return
    # Not by ensurepip, which compiles all of pip: that takes longer than what pip is needed for.
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(sysconfig.get_path("purelib"))


if __name__ == "__main__":
    main()
