# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus: one entry for each known way to a false green. A new way that is found becomes an entry here first.

To add one: take the file of its family, give it a name, say whom it fools and how, and describe trap and twin by the
one field of ``Situation`` in which they differ (``hides`` and ``differs`` in ``trap.py`` write the usual ones).
"""

from __future__ import annotations

from . import (
    databases,
    distributions,
    exceptions,
    feeds,
    flat,
    judging,
    layers,
    matching,
    modules,
    products,
    programs,
    signatures,
)
from .trap import Trap

FAMILIES = {
    module.__name__.rpartition(".")[2]: module.TRAPS
    for module in (
        *(layers, programs, databases, matching, modules, flat, products, feeds, distributions, judging, exceptions),
        signatures,
    )
}
TRAPS: list[Trap] = [trap for traps in FAMILIES.values() for trap in traps]
