# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stages and files of tests cost: recorded in costs.json, so that a stage that grows is noticed.

``stages`` has the processor seconds that a stage may use in ``make test``; half as much again fails the run. It counts
the commands of the stage, not the making of environments, which depends on the package index. ``files`` has the seconds
of each file of tests on a cluster, for their order. ``python3 tests/tools/costs.py`` writes the figures of the last run
of everything that it finds in build/ over the old ones; stages get a fifth more than they used. Standard library only.
"""

from __future__ import annotations

import contextvars
import json
import sys
import threading
import typing as t
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
COSTS = HERE / "costs.json"
BUILD = HERE.parents[1] / "build"
#: What the last run used, stage -> processor seconds.
USED = BUILD / "logs" / "used.json"
#: What is over the budget by less is drift, or a busy machine.
TOLERANCE = 1.5
#: How much more than it used a stage is given.
ROOM = 1.2

_stage: contextvars.ContextVar[str] = contextvars.ContextVar("stage", default="")
_used: dict[str, float] = defaultdict(float)
_counting = threading.Lock()


def begin(stage: str) -> None:
    """Count what this thread runs from here on, and threads with a copy of its context, for a stage."""
    _stage.set(stage)
    with _counting:
        _used[stage] = 0.0


def count(seconds: float) -> None:
    """Add processor seconds to those of the stage."""
    with _counting:
        _used[_stage.get()] += seconds


def used(stage: str) -> float:
    """The processor seconds of a stage so far."""
    return _used.get(stage, 0.0)


def recorded(kind: str) -> dict[str, float]:
    """``stages`` or ``files`` of costs.json."""
    costs: dict[str, dict[str, float]] = json.loads(COSTS.read_text(encoding="utf-8"))
    return costs[kind]


def excess(stage: str) -> str:
    """What to say of a stage that used half as much again as it may, or more; empty for others."""
    budget = recorded("stages").get(stage)
    if budget is None or used(stage) < TOLERANCE * budget:
        return ""
    return (
        f"{stage} used {used(stage):.0f} s of processor time; {budget:.0f} s are set aside for it. Find out what became"
        " slower (build/logs/times.tsv, `processor` in build/*.xml), or raise the budget in tests/tools/costs.json"
    )


def keep() -> None:
    """Write down what the stages of this run used."""
    USED.parent.mkdir(parents=True, exist_ok=True)
    USED.write_text(json.dumps(dict(sorted(_used.items())), indent=1) + "\n", encoding="utf-8")


def seconds_of_files(reports: t.Iterable[Path]) -> dict[str, float]:
    """File of tests -> seconds, from reports in JUnit's form."""
    found: dict[str, float] = defaultdict(float)
    for report in reports:
        for case in ET.parse(report).getroot().iter("testcase"):
            names = [part for part in str(case.get("classname")).split(".") if part.startswith("test_")]
            found[f"{names[0]}.py"] += float(case.get("time", 0))
    return {name: round(seconds, 1) for name, seconds in sorted(found.items())}


def main() -> int:
    """Renew costs.json."""
    costs = json.loads(COSTS.read_text(encoding="utf-8"))
    if USED.is_file():
        figures = json.loads(USED.read_text(encoding="utf-8"))
        costs["stages"] |= {name: round(ROOM * seconds) for name, seconds in figures.items() if name in costs["stages"]}
    costs["files"] |= seconds_of_files(BUILD.glob("cluster-*.xml"))
    COSTS.write_text(json.dumps(costs, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
