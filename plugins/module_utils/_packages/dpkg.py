# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages: counted, not examined. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import re

from .._images.file_selection import FileSelection
from .kinds import ImageRoot, KindReading, PackageKind, count_matches

_STATUS = "var/lib/dpkg/status"
_FOLDER = "var/lib/dpkg/status.d"
_INSTALLED = re.compile(rb"^Status:[^\n]* installed[ \t\r]*$", re.MULTILINE)
_PACKAGE = re.compile(rb"^Package:", re.MULTILINE)


def _read(root: ImageRoot) -> KindReading:
    files = root.content.files
    counts = [count_matches(_INSTALLED, files[_STATUS])] if _STATUS in files else []
    for path, file in files.items():
        if path.startswith(_FOLDER + "/") and not path.endswith(".md5sums"):
            counts.append(min(count_matches(_PACKAGE, file), 1))
    return KindReading(is_present=bool(counts), counted=sum(counts))


KIND = PackageKind(
    name="dpkg",
    wanted=FileSelection(files=frozenset((_STATUS,)), folders={_FOLDER: ("*",)}),
    read=_read,
)
