# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cron daemon, in a mount namespace of its own, with nothing of the machine's crontabs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import typing as t
from pathlib import Path

from .programs import require_program
from .requirements import missing

#: For cron: its folders are ours, the machine's crontabs are not there, and nobody else's faketime shares its memory.
NAMESPACE = """
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
mkdir /run/spool /run/spool/crontabs
mount --bind /run/spool /var/spool/cron
: > /run/empty
mount --bind /run/empty /etc/crontab
mount --bind "$1" /etc/cron.d
shift
exec "$@"
"""


@contextlib.contextmanager
def cron(folder: Path, *before: str, **environment: str) -> t.Iterator[None]:
    """A cron daemon that reads ``folder``/cron.d and nothing else, until the block is left."""
    if os.geteuid() != 0:
        missing("root: cron needs it, and so does a mount namespace")
    command = ["unshare", "--mount", "--fork", "--pid", "--kill-child", "sh", "-c", NAMESPACE, "cron"]
    command += [str(folder / "cron.d"), *before, require_program("cron"), "-f"]
    with subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL) as daemon:
        try:
            yield
        finally:
            daemon.kill()
