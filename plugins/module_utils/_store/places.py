# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file is still there when the job that wrote it is over.

A job of AWX or Automation Controller runs in a container of its own, which is thrown away. A store that went with it
would have every run scan everything again, and forget which flags are ours.
"""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

#: AWX sets it for every job, and never empty.
JOB_VARIABLE = "AWX_PRIVATE_DATA_DIR"
#: Where ansible-runner keeps a job's own files in an execution environment, as a volume of the job.
JOB_FOLDER = "/runner"
#: File systems in memory, and the layers of a container.
FLEETING_TYPES = ("tmpfs", "ramfs", "overlay", "fuse-overlayfs")
#: In the path of a volume of a pod that lives as long as the pod.
FLEETING_VOLUME = "/kubernetes.io~empty-dir/"
MOUNTS = Path("/proc/self/mountinfo")


def dies_with_job(path: str, environ: t.Mapping[str, str], mounts: str) -> bool:
    """Whether a file at an absolute path is gone when this process's job of AWX is over. False where there is no job.

    ``mounts``: the text of /proc/self/mountinfo. What is on no volume of its own is in the container.
    """
    job = environ.get(JOB_VARIABLE)
    if not job:
        return False
    real = os.path.realpath(path)
    if any(_is_below(real, folder) for folder in (JOB_FOLDER, os.path.realpath(job))):
        return True
    mount_point, place, kind = "/", "/", "overlay"
    for line in mounts.splitlines():
        before, _dash, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5:
            continue
        point = _unescaped(fields[4])
        # Of two on one folder, the later one is seen.
        if _is_below(real, point) and len(point) >= len(mount_point):
            mount_point, place, kind = point, fields[3], after.split(" ")[0]
    return mount_point == "/" or kind in FLEETING_TYPES or FLEETING_VOLUME in place


def mounts_of_process() -> str:
    """Return what ``dies_with_job`` asks for; empty where the system does not tell."""
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _unescaped(text: str) -> str:
    """A path as proc(5) writes it, with blanks and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
