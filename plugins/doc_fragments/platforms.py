# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``argument_specs.platforms``."""

from __future__ import annotations


class ModuleDocFragment:
    """Platforms, which choose the images of a multi-platform index that count."""

    DOCUMENTATION = r"""
options:
  platforms:
    description:
      - Platforms of the nodes that run the images, as C(os/architecture) or C(os/architecture/variant). Of a
        multi-platform index, every image that such a node could run counts, whatever its container runtime.
      - C(linux/amd64) means nodes with any x86-64 processor. Images for C(linux/amd64/v3) therefore count as well, but
        an index is only V(passed) if it also has an image that every such node can run. For a newer variant, images for
        older ones count.
        If an index has no image for the architecture itself, C(linux/386) counts for C(linux/amd64), and C(linux/arm)
        for C(linux/arm64), because containerd falls back to them.
      - Images whose entry in the index names no platform always count.
      - Empty means every image that the index has.
    type: list
    elements: str
    default: []
"""
