# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes of pytest that share the files of tests: hooks for a conftest.

IMAGESCAN_TEST_HEAP names a folder. Who is first to make a file there that is named as a file of tests runs that one;
the others pass over it. So every file runs once, as a whole, and nobody waits while there is one left. A file
``expected`` there lists what should have been taken in the end.
"""

from __future__ import annotations

import functools
import json
import math
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

HEAP = "IMAGESCAN_TEST_HEAP"
EXPECTED = "expected"
_FAILED_STARTS = (OSError, RuntimeError, subprocess.SubprocessError)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that nobody begins one when the others are done; in the usual order without a heap.

    A file without a recorded time comes first, and the larger before the smaller.
    """
    if os.environ.get(HEAP):
        costs = Path(__file__).resolve().parents[1] / "tools" / "costs.json"
        seconds = json.loads(costs.read_text(encoding="utf-8"))["files"]
        items.sort(key=lambda item: (-seconds.get(item.path.name, math.inf), -item.path.stat().st_size, item.path))


def pytest_collection_finish(session: pytest.Session) -> None:
    """List the files of which a test is left when options have chosen; every process writes the same."""
    if heap := os.environ.get(HEAP):
        names = "".join(f"{name}\n" for name in sorted({item.path.name for item in session.items}))
        Path(heap, EXPECTED).write_text(names, encoding="utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """True, and nothing is done, for a test in a file that another process took."""
    heap = os.environ.get(HEAP)
    return None if not heap or _is_taken(Path(heap, item.path.name)) else True


@functools.cache
def _is_taken(sign: Path) -> bool:
    try:
        sign.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Startable(t.Protocol):
    """A cluster, as far as it concerns ``start``."""

    def start(self) -> object:
        """Start it; what an earlier attempt left is ended."""


def start(cluster: Startable, session: pytest.Session) -> None:
    """Start a cluster, once more where that fails. Where that fails, too, this process ends and takes no other file."""
    try:
        cluster.start()
        return
    except _FAILED_STARTS as error:
        print(f"the first start of the test cluster failed: {error}", file=sys.__stderr__, flush=True)
    try:
        cluster.start()
    except _FAILED_STARTS as error:
        session.shouldfail = f"no test cluster: {error}"
        raise
