# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe what a kind of packages has to tell, for all that reads and judges packages.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._images.file_selection import FileSelection
from .._images.model import KeptFile, Problem, RootContent
from .model import OsRelease, Package, PackageDatabase, RepositoryId


@dataclasses.dataclass(frozen=True)
class ImageRoot:
    """The merged root that a kind reads from.

    ``content``: what the walk kept of all kinds' selections. ``labels``: of the image's config. ``os_problems``: what
    an image must be told about its os-release where its packages are examined.
    """

    content: RootContent
    labels: t.Mapping[str, str]
    os: OsRelease
    os_problems: tuple[Problem, ...]


@dataclasses.dataclass(frozen=True)
class KindReading:
    """The packages of one kind.

    ``is_present``: the image has a database of the kind, or should have one. ``counted``: packages that were counted
    and not examined. The other fields are as in ``Inventory``.
    """

    is_present: bool
    packages: tuple[Package, ...] = ()
    database: PackageDatabase | None = None
    repositories: tuple[RepositoryId, ...] = ()
    label_cpes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    counted: int = 0


@dataclasses.dataclass(frozen=True)
class PackageKind:
    """A kind of packages: an entry of ``table.PACKAGE_KINDS``, defined in a file or folder of its own.

    ``name``: as in ``Inventory.kind`` and, for what is counted, in ``Inventory.not_examined``.
    ``wanted``: the files that ``read`` needs, kept in the one pass over the layers.
    ``read``: the packages in the merged root; damage is in the problems of what it returns, and it raises nothing.
    ``scheme``: order of two versions (-1, 0 or 1); None for packages that are only counted.
    ``label``: the name as people write it, where it is another one.
    ``feeds``: names of the feed formats that speak of these packages; without one, nothing of an image is supported.
    """

    name: str
    wanted: FileSelection
    read: t.Callable[[ImageRoot], KindReading]
    scheme: t.Callable[[str, str], int] | None = None
    feeds: tuple[str, ...] = ()
    label: str = ""


def count_matches(pattern: re.Pattern[bytes], file: KeptFile) -> int:
    """Count where a pattern matches in a file, which may be an mmap."""
    return sum(1 for _match in pattern.finditer(file.data))
