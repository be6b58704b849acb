# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alpine packages: counted, not examined. Standard library only: the scanner pod runs this file."""

from __future__ import annotations

import re

from .._images.file_selection import FileSelection
from .kinds import ImageRoot, KindReading, PackageKind, count_matches

_PLACES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_PACKAGE = re.compile(rb"^P:", re.MULTILINE)


def _read(root: ImageRoot) -> KindReading:
    files = root.content.files
    counts = [count_matches(_PACKAGE, files[path]) for path in _PLACES if path in files]
    return KindReading(is_present=bool(counts), counted=max(counts, default=0))


KIND = PackageKind(name="apk", wanted=FileSelection(files=frozenset(_PLACES)), read=_read)
