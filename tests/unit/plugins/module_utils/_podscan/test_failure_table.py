# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failure table of docs/cluster.md has what the code has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._podscan import (
    image_volumes,
    jobs,
    planning,
    pod_watcher,
    results,
    scanner_image,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import (
    image_answers,
    image_process,
    image_reader,
    shard_run,
)

PAGE = Path(__file__).resolve().parents[5] / "docs" / "cluster.md"
#: Given by image_volumes.py in the words of a registry; the table leaves those to ``method: local``.
OF_REGISTRIES = {"registry-unavailable"}


def documented() -> dict[str, str]:
    """Code -> the row, of the table with the heading ``code``."""
    table = PAGE.read_text(encoding="utf-8").partition("| code |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|(.*)\|$", table, re.MULTILINE)
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def codes_in(path: str) -> set[str]:
    """Codes that calls in a file give in so many words."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    given = [
        word.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "code"
    ]
    return {str(value.value) for value in given if isinstance(value, ast.Constant)}


def test_every_code_is_documented_and_no_other() -> None:
    rooms = (
        image_answers,
        image_process,
        image_reader,
        shard_run,
        results,
        planning,
        pod_watcher,
        scanner_image,
        image_volumes,
    )
    in_words = (codes_in(str(room.__file__)) for room in rooms)
    known = {*jobs.CAUSES, results.REFUSED, image_answers.RESULT_TOO_LARGE}.union(*in_words)
    assert set(documented()) == known - OF_REGISTRIES


def test_rows_name_the_options_that_help() -> None:
    rows = documented()
    for code, (_what, hint) in jobs.CAUSES.items():
        for option in re.findall(r"\b[a-z]+_[a-z_]+\b", hint):
            assert f"`{option}`" in rows[code], code
