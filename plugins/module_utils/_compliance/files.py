# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of results as people have them: plain, or compressed with gzip, bzip2, xz or zstd.

Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from .._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from .._images.compression import decompress_file

#: Results of OpenSCAP shrink to a fifteenth with gzip and to a fiftieth with xz. More than this to one is accepted for
#: the first bytes only.
EXPANSION = 200
EXPANSION_FREE = 32 << 20


def read_chunks(path: Path) -> t.Iterator[bytes]:
    """Read a file, unpacked, in pieces of at most about 2 MiB.

    Raises InputError where it cannot be opened, CorruptData (``results-truncated``, ``results-damaged``, or
    ``zstd-unavailable``) and LimitExceeded (``limit-results``).
    """
    taken = unpacked = 0
    try:
        with path.open("rb") as stream:

            def read(size: int) -> bytes:
                nonlocal taken
                data = stream.read(size)
                taken += len(data)
                return data

            for chunk in decompress_file(read):
                unpacked += len(chunk)
                if unpacked > EXPANSION_FREE + EXPANSION * taken:
                    raise LimitExceeded(
                        f"{path}: {taken} compressed bytes unpack to {unpacked} or more: a decompression bomb",
                        code="limit-results",
                    )
                yield chunk
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", hint="check the path and its rights"
        ) from error
    except ScanError as error:
        if isinstance(error, LimitExceeded) and error.code == "limit-results":
            raise
        code = {"layer-truncated": "results-truncated", "zstd-unavailable": error.code}.get(
            error.code, "results-damaged"
        )
        message = error.message.replace("the layer is", "it is")
        raise CorruptData(f"{path} cannot be read: {message}", code=code, hint=error.hint) from error
