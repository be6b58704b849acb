# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No trap passes, each for the reason that it must have; every twin passes, so that "never pass" is not an answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.traps.corpus import TRAPS
from ansible_collections.imagescan.openshift.tests.traps.situation import Situation, outcome
from ansible_collections.imagescan.openshift.tests.traps.trap import Trap

every_trap = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)


@every_trap
def test_trap_does_not_pass(trap: Trap, tmp_path: Path) -> None:
    found = outcome(trap.trap, tmp_path)
    assert found.verdict != "passed", trap.fools
    assert found.verdict == trap.verdict, found
    assert set(trap.codes) <= set(found.codes), found


TWINS = [trap for number, trap in enumerate(TRAPS) if trap.twin not in [other.twin for other in TRAPS[:number]]]


@pytest.mark.parametrize("trap", TWINS, ids=lambda trap: trap.name)
def test_twin_passes(trap: Trap, tmp_path: Path) -> None:
    found = outcome(trap.twin, tmp_path)
    assert found.verdict == "passed", found


@every_trap
def test_trap_and_twin_differ_in_one_field(trap: Trap) -> None:
    fields = [field.name for field in dataclasses.fields(Situation)]
    assert sum(getattr(trap.trap, name) != getattr(trap.twin, name) for name in fields) == 1


def test_the_corpus_is_whole() -> None:
    names = [trap.name for trap in TRAPS]
    assert len(names) == len(set(names))
    assert len(names) >= 25
    assert {trap.verdict for trap in TRAPS} == {"failed", "inconclusive", "error"}
