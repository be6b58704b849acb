# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going along a path: components come in order, targets of symlinks take the place of theirs, and loops end."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.symlinks import (
    FOLLOWED,
    PathSteps,
    SymlinkLoop,
)


@pytest.mark.parametrize(
    ("path", "names"),
    [("", []), ("/", []), ("a/b", ["a", "b"]), ("/a//./b/", ["a", "b"]), ("../a/..", ["..", "a", ".."])],
)
def test_components_come_in_order(path: str, names: list[str]) -> None:
    assert list(PathSteps(path)) == names


def test_the_target_of_a_symlink_comes_before_what_is_left() -> None:
    steps = PathSteps("a/link/c/d")
    seen = []
    for name in steps:
        seen.append(name)
        if name == "link":
            steps.follow("/x/../y")
            assert steps.rest("a", "b") == "a/b//x/../y/c/d"
    assert seen == ["a", "link", "x", "..", "y", "c", "d"]
    assert (steps.left, steps.rest()) == ([], "")


def test_as_many_symlinks_are_followed_as_linux_follows() -> None:
    steps = PathSteps("a/b")
    for _link in range(FOLLOWED):
        steps.follow("c")
    with pytest.raises(SymlinkLoop, match="the folder 'a/b' leads through a loop of symlinks") as caught:
        steps.follow("c")
    assert (FOLLOWED, caught.value.code) == (40, "symlink-loop")
