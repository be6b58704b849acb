# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the readers of foreign data: ``run.py --cases 100000`` (all targets) or ``run.py --cases 2000 --target rpmdb``.

For each target: inputs without a failure, coverage of the readers above the floor, and, where a target has another
program to compare with, no difference. The status is 1 when anything is wrong; failing inputs stay in build/fuzz.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.imagescan.openshift.tests.fuzz import harness

CHECKOUT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="inputs for each target")
    parser.add_argument("--target", action="append", choices=harness.targets(), help="default: all")
    parser.add_argument("--seed", type=int, default=20_261_124, help="of the random numbers")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / "build" / "fuzz", help="for inputs and failures")
    parser.add_argument("--stage", choices=["fuzz", "replay", "compare"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    if arguments.stage:
        return stage(arguments.stage, arguments.target[0], arguments.cases, arguments.folder, arguments.seed)
    failures = 0
    for name in arguments.target or harness.targets():
        problems = run_target(name, arguments.cases, arguments.folder / name, arguments.seed)
        for problem in problems:
            print(f"{name}: {problem}", flush=True)
        failures += len(problems)
    print(f"{failures} problems")
    return 1 if failures else 0


def run_target(name: str, cases: int, folder: Path, seed: int) -> list[str]:
    """Fuzz, measure, compare; prints what was done and returns what is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    problems = []

    started = time.monotonic()
    process = call("fuzz", name, cases, folder, seed)
    done = re.search(r"stat::number_of_executed_units:\s*(\d+)", process.stderr)
    executed = int(done[1]) if done else 0
    print(f"{name}: {executed} cases in {time.monotonic() - started:.0f} s", flush=True)
    if process.returncode:
        problems.append(f"a case failed (see {folder}/failed-*):\n{process.stdout[-2000:]}\n{process.stderr[-4000:]}")
    elif executed < cases:
        problems.append(f"only {executed} of {cases} cases ran:\n{process.stderr[-2000:]}")

    process = call("replay", name, cases, folder, seed)
    if process.returncode:
        problems.append(f"the inputs cannot be run again:\n{process.stderr[-4000:]}")
    else:
        answer = json.loads(process.stdout.splitlines()[-1])
        print(f"{name}: {answer['percent']:.1f} % of the readers' lines, {answer['inputs']} inputs", flush=True)
        if answer["percent"] <= harness.COVERAGE_FLOOR:
            problems.append(f"coverage is not above {harness.COVERAGE_FLOOR} %; not run: {answer['missed']}")

    process = call("compare", name, cases, folder, seed)
    if process.returncode:
        problems.append(f"the comparison failed:\n{process.stdout[-2000:]}\n{process.stderr[-4000:]}")
    else:
        answer = json.loads(process.stdout.splitlines()[-1])
        if answer["compared"] is not None:
            print(f"{name}: {answer['compared']} mutants compared", flush=True)
            problems.extend(answer["problems"])
    return problems


def call(stage_name: str, name: str, cases: int, folder: Path, seed: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, __file__, "--stage", stage_name, "--target", name, "--cases", str(cases)]
    command += ["--folder", str(folder), "--seed", str(seed)]
    # The order of sets, too, is that of the run that found something.
    settings = {**os.environ, "PYTHONHASHSEED": str(seed % 2**32)}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=settings)


def stage(stage_name: str, name: str, cases: int, folder: Path, seed: int) -> int:
    if stage_name == "fuzz":
        harness.fuzz(name, cases, folder, seed)
    if stage_name == "replay":
        percent, missed, inputs = harness.replay(name, folder)
        print(json.dumps({"percent": percent, "missed": missed, "inputs": inputs}))
        return 0
    compare = getattr(harness.load(name), "compare", None)
    compared, problems = compare(cases, seed, folder) if compare else (None, [])
    print(json.dumps({"compared": compared, "problems": problems}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
