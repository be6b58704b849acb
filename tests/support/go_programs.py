# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small Go programs that tests ask as oracles: built once from pinned modules and kept in the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

from .programs import require_program

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagescan-openshift" / "oracles"


def go_program(source: Path) -> Path:
    """Path of the program that a folder of Go files makes; skips the test aloud without Go.

    A first build takes about half a minute of one processor.
    """
    files = sorted([*source.glob("*.go"), *source.glob("go.*")])
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]
    program = CACHE / f"{source.name}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{source.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            made = program.with_suffix(".new")
            command = [require_program("go"), "build", "-trimpath", "-ldflags=-s -w", "-o", str(made), "."]
            settings = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0"}
            subprocess.run(command, cwd=source, env=settings, check=True)
            made.rename(program)
    return program
