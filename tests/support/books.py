# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A book for scans and ledgers that knows nothing beforehand and keeps what it is told."""

from __future__ import annotations

from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.model import IndexOutcome, ScanOutcome


class MemoryBook:
    """Outcomes and indexes, in the order in which they came."""

    def __init__(self) -> None:
        self.outcomes: list[ScanOutcome] = []
        self.indexes: list[IndexOutcome] = []

    def is_current(self, digest: str) -> bool:
        """Nothing is."""
        return False

    def children_of(self, digest: str) -> None:
        """Nobody knows any."""

    def record(self, outcome: ScanOutcome) -> None:
        """Keep it."""
        self.outcomes.append(outcome)

    def record_index(self, outcome: IndexOutcome) -> None:
        """Keep it."""
        self.indexes.append(outcome)

    def beat(self, line: str) -> None:
        """Nobody looks."""
