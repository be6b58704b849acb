# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a long task, and when it gives up."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import Abandoned
from ansible_collections.imagescan.openshift.plugins.module_utils._core.progress import Progress, remaining


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the action plugin makes."""
    (tmp_path / "alive").touch()
    (tmp_path / "progress").touch()
    return tmp_path


def test_without_a_watcher_nothing_happens() -> None:
    Progress("").beat("line")


def test_a_line_is_written_and_an_unchanged_one_again_after_seven_seconds(folder: Path) -> None:
    clock = Clock()
    progress = Progress(str(folder), clock)
    seen = []
    for second in range(20):
        clock.now = 1000.0 + second
        progress.beat("scanned 1/9")
        seen.append((folder / "progress").read_text())
    assert sorted(set(seen)) == ["1 scanned 1/9\n", "2 scanned 1/9\n", "3 scanned 1/9\n"]
    assert seen[6] == "1 scanned 1/9\n"
    assert seen[7] == "2 scanned 1/9\n"


def test_lines_that_change_are_not_a_flood(folder: Path) -> None:
    clock = Clock()
    progress = Progress(str(folder), clock)
    seen = set()
    for tenth in range(100):
        clock.now = 1000.0 + tenth / 10
        progress.beat(f"scanned {tenth}/100")
        seen.add((folder / "progress").read_text())
    assert len(seen) <= 4


def test_a_line_cannot_break_out_of_its_line(folder: Path) -> None:
    Progress(str(folder)).beat("a\nb\r" + "x" * 1000)
    text = (folder / "progress").read_text()
    assert text.count("\n") == 1
    assert text.startswith("1 a b x")
    assert len(text) < 500


def test_it_gives_up_when_the_folder_is_gone(tmp_path: Path) -> None:
    with pytest.raises(Abandoned):
        Progress(str(tmp_path / "gone")).beat("line")


def test_it_gives_up_when_nobody_gives_a_sign_of_life(folder: Path) -> None:
    progress = Progress(str(folder))
    progress.beat("line")
    old = time.time() - 16
    os.utime(folder / "alive", (old, old))
    with pytest.raises(Abandoned, match="sign of life"):
        progress.beat("line")


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (0, 10, 60, ""),
        (10, 10, 60, ""),
        (5, 10, 2, ""),
        (1, 2, 30, ", about 30 s left"),
        (40, 312, 60, ", about 7 min left"),
        (1, 1000, 60, ", about 16.6 h left"),
    ],
)
def test_the_rest_is_estimated(done: int, total: int, seconds: float, text: str) -> None:
    assert remaining(done, total, seconds) == text
