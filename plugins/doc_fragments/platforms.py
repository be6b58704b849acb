# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of ``_argument_specs.platforms``."""

from __future__ import annotations


class ModuleDocFragment:
    """Which images of a multi-platform index count."""

    DOCUMENTATION = r"""
options:
  platforms:
    description:
      - Which images of a multi-platform index count, as C(os/architecture) or C(os/architecture/variant).
      - Usually the platforms of the nodes that run the images. An index that lacks one of them is never V(passed).
      - Empty means every platform that the index has.
    type: list
    elements: str
    default: []
"""
