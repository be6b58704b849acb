# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some tests, at once or after each change: ``make test-one T=…``, ``make watch T=…`` (``T=… one.py [watch]``).

T is what pytest takes: folders, files, ``file::test``, relative to the checkout; or a target of ansible-test by its
folder. Long tests are run, too. Makes the
environment of the tests when it is not there; what tests need besides (Debian packages, the programs of a cluster) they
ask for themselves. Standard library only, since this runs before any environment exists.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from environments import (
    CHECKOUT,
    TEST_REQUIREMENTS,
    USER_REQUIREMENTS,
    ansible_test_environment,
    copied_tree,
    environment,
    this_python,
)

#: What a change in makes tests run again.
WATCHED = ("plugins", "extensions", "roles", "playbooks", "examples", "docs", "tests", "meta", "changelogs")
PAUSE = 0.5
TARGETS = "tests/integration/targets/"


def run(tests: t.Sequence[str]) -> int:
    """Run tests with their output on the terminal; the worst exit status of pytest and ansible-test."""
    venv = environment("test", this_python(), USER_REQUIREMENTS + TEST_REQUIREMENTS)
    targets = [name.removeprefix(TARGETS).strip("/") for name in tests if name.startswith(TARGETS)]
    files = [name for name in tests if not name.startswith(TARGETS)]
    status = 0
    if files:
        settings = {**os.environ, "PYTHONPATH": "", "PATH": f"{venv / 'bin'}:{os.environ['PATH']}"}
        command = [str(venv / "bin" / "python"), "-m", "pytest", "-q", "-ra", *files]
        status = subprocess.run(command, cwd=CHECKOUT, env=settings, check=False).returncode
    if targets:
        version = "{}.{}".format(*sys.version_info[:2])
        command = [str(venv / "bin" / "ansible-test"), "integration", "--local", "--python", version, *targets]
        settings = ansible_test_environment(venv)
        status = max(status, subprocess.run(command, cwd=copied_tree("one"), env=settings, check=False).returncode)
    return status


def named(text: str) -> list[str]:
    """Names of tests that stand side by side; a parameter's name may have spaces."""
    return re.split(r"\s+(?=tests/)", text.strip()) if text.strip() else []


def changes(folder: Path) -> dict[str, int]:
    """When each file below the watched folders was changed last, in nanoseconds."""
    times = {}
    for name in WATCHED:
        for path in (folder / name).rglob("*"):
            if "__pycache__" not in path.parts:
                try:
                    times[str(path)] = path.stat().st_mtime_ns
                except OSError:
                    continue  # it went in the meantime
    return times


def watch(tests: t.Sequence[str], folder: Path = CHECKOUT) -> t.NoReturn:
    """Run tests, and again after each change."""
    while True:
        seen = changes(folder)
        run(tests)
        print("waiting for a change (Ctrl+C ends it)", flush=True)
        while changes(folder) == seen:
            time.sleep(PAUSE)


def main(arguments: list[str]) -> int:
    """See the top of this file."""
    watching = arguments == ["watch"]
    tests = named(os.environ.get("T", ""))
    if not tests:
        print("name a test: make test-one T=tests/unit/test_suite.py", file=sys.stderr)
        return 2
    try:
        return watch(tests) if watching else run(tests)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
