# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the example fleet: ``python examples/fleet/build.py DESTINATION``. Needs no network, no root, no packages."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path


def main() -> None:
    """Read the command line and write the images and the feed."""
    parser = argparse.ArgumentParser(description="Write the images and the vulnerability feed of the example fleet.")
    parser.add_argument("destination", type=Path, help="folder to write to; it is made where it is missing")
    destination = parser.parse_args().destination
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    importlib.import_module("examples.fleet.fleet").build(destination)
    print(f"The example fleet is in {destination}")


if __name__ == "__main__":
    main()
