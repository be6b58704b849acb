# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``make venv`` and ``make demo`` print while pip works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "progress.py"
SCRIPT = 'print("Collecting a>=1 (from -r r.txt (line 1))\\nCollecting b (from a->-r r.txt)\\nInstalling a, b"); '


def told(status: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PROGRAM, sys.executable, "-c", f"{SCRIPT}raise SystemExit({status})"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_without_a_terminal_one_line_tells_that_it_works() -> None:
    done = told(0)
    assert done.stdout.splitlines() == ["pip is installing the requirements"]
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failure_shows_all_and_keeps_the_status() -> None:
    done = told(3)
    assert done.returncode == 3
    assert "Collecting b" in done.stderr
