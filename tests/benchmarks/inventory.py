# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark measures of ours: ``inventory.py REFERENCE [--standard-library]`` prints the package count."""

from __future__ import annotations

import sys


def main(reference: str, *options: str) -> int:
    if "--standard-library" in options:
        for name in ("isal", "zstandard"):
            sys.modules[name] = None  # type: ignore[assignment] # the import system's way to say: not installed
    from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
    from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import ImageIndex
    from ansible_collections.imagescan.openshift.plugins.module_utils._images.targets import open_target
    from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import take_inventory

    opened = open_target(reference, Access(plain_http=(reference.partition("/")[0],)))
    assert not isinstance(opened, ImageIndex)
    inventory = take_inventory(opened)
    assert not inventory.problems, inventory.problems
    print(len(inventory.packages))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
