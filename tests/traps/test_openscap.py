# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No trap of OpenSCAP passes, each for the reason that it must have; every twin passes."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.support.programs import require_program
from ansible_collections.imagescan.openshift.tests.support.requirements import missing
from ansible_collections.imagescan.openshift.tests.traps.openscap import (
    RHEL9,
    TRAPS,
    Evaluation,
    Outcome,
    Trap,
    outcome,
)

every_trap = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders for evaluations and for trimmed content."""
    for program in ("oscap", "fakechroot", "fakeroot"):
        require_program(program)
    if not Path(RHEL9).is_file():
        missing(f"the content {RHEL9} (ssg-nondebian)")
    return tmp_path_factory.mktemp("evaluations"), tmp_path_factory.mktemp("trimmed")


def evaluated(situation: Evaluation, places: tuple[Path, Path]) -> Outcome:
    """The outcome of a situation."""
    folder = places[0] / "one"
    folder.mkdir()
    try:
        return outcome(situation, folder, places[1])
    finally:
        shutil.rmtree(folder)


@every_trap
def test_trap_does_not_pass(trap: Trap, places: tuple[Path, Path]) -> None:
    found = evaluated(trap.trap, places)
    assert found.verdict != "passed", trap.fools
    assert found.verdict == trap.verdict, found
    assert set(trap.codes) <= set(found.codes), found


TWINS = [trap for number, trap in enumerate(TRAPS) if trap.twin not in [other.twin for other in TRAPS[:number]]]


@pytest.mark.parametrize("trap", TWINS, ids=lambda trap: trap.name)
def test_twin_passes(trap: Trap, places: tuple[Path, Path]) -> None:
    assert evaluated(trap.twin, places) == Outcome("passed", ())


@every_trap
def test_trap_and_twin_differ_in_one_field(trap: Trap) -> None:
    fields = [field.name for field in dataclasses.fields(Evaluation)]
    assert sum(getattr(trap.trap, name) != getattr(trap.twin, name) for name in fields) == 1


def test_names_are_unique() -> None:
    assert len({trap.name for trap in TRAPS}) == len(TRAPS)
