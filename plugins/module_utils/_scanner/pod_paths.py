# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a scanner pod: the places where they are mounted, pull secrets, the termination message."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import typing as t

from .._core.errors import ScanError
from .._images.access import Access
from .._images.credentials import Credentials

_STATUS_LIMIT = 4000
_SECRET_FILES = (".dockerconfigjson", ".dockercfg")


@dataclasses.dataclass(frozen=True)
class PodPaths:
    """Where the pod finds what is mounted into it. ``root``: in front of every path; empty in a real pod."""

    root: str = ""

    @property
    def plan(self) -> str:
        """The plan."""
        return f"{self.root}/plan/plan.json"

    @property
    def ca_file(self) -> str:
        """Certificates to trust beside those of the system; may be absent."""
        return f"{self.root}/program/ca.crt"

    @property
    def pull_secrets(self) -> str:
        """A folder for each pull secret; may be absent."""
        return f"{self.root}/pull-secrets"

    @property
    def token(self) -> str:
        """The projected token for the integrated registry."""
        return f"{self.root}/registry-token/token"

    @property
    def layers(self) -> str:
        """Layers that are kept for the next image."""
        return f"{self.root}/scratch/layers"

    @property
    def tree(self) -> str:
        """Return what the evaluator sees, too; absent where no rule is evaluated."""
        return f"{self.root}/tree"

    @property
    def status(self) -> str:
        """The container's termination message."""
        return f"{self.root}/dev/termination-log"


def _present_files(folder: str) -> list[str]:
    paths = [f"{folder}/{file}" for file in _SECRET_FILES]
    return [path for path in paths if os.path.lexists(path)]


def pull_secrets(places: PodPaths) -> tuple[tuple[str, ...], list[str]]:
    """Files with credentials that are mounted now, and what is wrong with those that cannot be used."""
    try:
        names = sorted(entry.name for entry in os.scandir(places.pull_secrets) if not entry.name.startswith("."))
    except FileNotFoundError:
        return (), []
    except OSError as error:
        return (), [f"the pull secrets cannot be read: {error.strerror}"]
    files: list[str] = []
    problems: list[str] = []
    for name in names:
        present = _present_files(f"{places.pull_secrets}/{name}")
        if not present:
            problems.append(f"the pull secret {name} holds neither {' nor '.join(_SECRET_FILES)}")
        for path in present:
            try:
                Credentials(Access(auth_files=(path,)))
                files.append(path)
            except ScanError as error:
                problems.append(f"the pull secret {name} cannot be used: {error.message}")
    return tuple(files), problems


def write_status(places: PodPaths, value: t.Mapping[str, t.Any]) -> None:
    """Write the termination message. It is a help for people; what counts are the frames."""
    text = json.dumps(value)
    if len(text) > _STATUS_LIMIT:
        text = json.dumps({**value, "doing": t.cast("list[str]", value.get("doing", []))[:20]})
    with contextlib.suppress(OSError):
        handle = os.open(places.status, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # One write over what was there, blanks behind it: whoever reads or kills at any moment finds a message.
            os.write(handle, text.encode().ljust(os.fstat(handle).st_size))
            os.ftruncate(handle, len(text.encode()))
        finally:
            os.close(handle)
