# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selections of files: where they are looked for, and all that several of them ask for."""

from __future__ import annotations

from ansible_collections.imagescan.openshift.plugins.module_utils._images.file_selection import (
    FileSelection,
    join_selections,
)


def test_logs_are_looked_for_beside_what_their_database_is_found_to_be() -> None:
    selection = FileSelection(files=frozenset({"db/a", "db/a-wal", "db/b-journal", "db/c"}))
    found: dict[str, str] = {}
    places = []
    for asked, place in selection.places(found):
        places.append((asked, place))
        found["db/a"] = "real/a"
    assert places == [("db/a", "db/a"), ("db/a-wal", "real/a-wal"), ("db/b-journal", "db/b-journal"), ("db/c", "db/c")]


def test_patterns_of_one_folder_are_joined_and_each_stands_once() -> None:
    one = FileSelection(frozenset({"a"}), {"d": ("*.x", "*.y")}, frozenset({"d"}), file_limit=1)
    other = FileSelection(frozenset({"b"}), {"d": ("*.y", "*.z"), "e": ("*",)})
    expected = FileSelection(frozenset({"a", "b"}), {"d": ("*.x", "*.y", "*.z"), "e": ("*",)}, frozenset({"d"}))
    assert join_selections([one, other]) == expected
