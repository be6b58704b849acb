# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go along a path, component by component, through the symlinks on it.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import typing as t

from .._core.errors import CorruptData

#: Symlinks on one path; Linux stops there too.
FOLLOWED = 40


class SymlinkLoop(CorruptData):
    """A path leads through more symlinks than Linux follows (``symlink-loop``)."""


class PathSteps:
    """The components of a path, one after the other, without empty ones and ``.``. Whoever iterates knows the links.

    ``left``: components that are still to go, the next one last.
    """

    def __init__(self, path: str) -> None:
        self.left = path.split("/")[::-1]
        self._path = path
        self._followed = 0

    def __iter__(self) -> t.Iterator[str]:
        while self.left:
            name = self.left.pop()
            if name not in ("", "."):
                yield name

    def expect_link(self) -> None:
        """Refuse one more symlink where it is too many, before anybody reads it. Raises SymlinkLoop."""
        if self._followed >= FOLLOWED:
            raise SymlinkLoop(f"the folder {self._path!r} leads through a loop of symlinks", code="symlink-loop")

    def follow(self, target: str) -> None:
        """Go on with the target of the symlink that the last component is. Raises SymlinkLoop."""
        self.expect_link()
        self._followed += 1
        self.left.extend(target.split("/")[::-1])

    def rest(self, *names: str) -> str:
        """Join names and what is still to go."""
        return "/".join([*names, *self.left[::-1]])
