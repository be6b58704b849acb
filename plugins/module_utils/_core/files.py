# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written for others to read."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a file in its place as a whole: a reader sees the old one or the new one. Raises OSError."""
    # A temporary file has the mode 0600 from its first moment.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - text in
    except BaseException:  # an interrupt, too, must leave nothing behind
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - text in
        raise
