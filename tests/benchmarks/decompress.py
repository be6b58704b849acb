# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limit that no reader of gzip layers can beat: ``decompress.py BLOB...`` prints the seconds that isal needs.

The blobs are in memory before the clock starts, one thread works, nothing is hashed or kept.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from isal import isal_zlib

STEP = 128 * 1024


def seconds(blobs: list[bytes]) -> float:
    start = time.perf_counter()
    for blob in blobs:
        member = isal_zlib.decompressobj(31)
        for at in range(0, len(blob), STEP):
            member.decompress(blob[at : at + STEP])
        assert member.eof
    return time.perf_counter() - start


if __name__ == "__main__":
    print(seconds([Path(name).read_bytes() for name in sys.argv[1:]]))
