# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that tests start: those of the operating system as oracles or servers, and those of Ansible."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from .requirements import missing


def require_program(name: str) -> str:
    """Path of a program; skips the test aloud when it is not installed."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        missing(f"the program {name}")
    return str(path)


def ansible_environment(home: Path) -> dict[str, str]:
    """Variables for programs of Ansible, with nothing of the caller's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("K8S_AUTH_", "ANSIBLE_", "KUBE"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "HOME": str(home), "PATH": path, "LC_ALL": "C.UTF-8"}
