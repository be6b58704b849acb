# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/enforcement.md names every way of OpenShift's kinds that is open, and what closes it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.imagescan.openshift.tests.support.openshift_ways import REFUSED, UNTRIED, WAYS

DOCS = Path(__file__).resolve().parents[2] / "docs/enforcement.md"
HEADING = "| open way | what happens | what closes it |"


def test_the_guide_names_the_open_ways_and_no_others() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    start = lines.index(HEADING) + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert sorted(row[0] for row in rows) == sorted({way.open for way in WAYS if way.open} | set(UNTRIED))
    assert all(len(row) == 3 and all(row) for row in rows)


def test_there_are_sixty_and_each_is_one_of_its_own() -> None:
    assert len(WAYS) >= 60
    assert len({way.title for way in WAYS}) == len(WAYS)
    assert all(way.make(way.bad) != way.make(way.good) or way.change for way in REFUSED if way.bad)
