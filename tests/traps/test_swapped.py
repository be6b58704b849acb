# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in root folders that change while they are read: whoever writes there must not choose what is read."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.tests.traps.situation import VULNERABLE, Situation, outcome, write_image

trap_and_twin = pytest.mark.parametrize("trap", [True, False], ids=["trap", "twin"])


@trap_and_twin
@pytest.mark.parametrize("place", ["var", "var/lib/rpm", "var/lib/rpm/rpmdb.sqlite"])
def test_a_folder_is_swapped_for_a_symlink_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: bool, place: str
) -> None:
    """Fools whoever looks at a name and then opens it: the symlink leads out of the root, to a patched database.

    In the twin what is put there is no symlink: the image itself has that database now.
    """
    write_image(Situation(form="rootfs"), tmp_path / "patched")
    read, other = tmp_path / "image" / place, tmp_path / "patched" / place
    changed: list[Path] = []
    original = os.open

    def swap(path: t.Any, *rest: t.Any, **options: t.Any) -> int:
        if path == read.name and "dir_fd" in options and not changed:
            changed.append(read.rename(tmp_path / "old"))
            if trap:
                read.symlink_to(other)
            else:
                other.rename(read)
        return original(path, *rest, **options)

    monkeypatch.setattr(os, "open", swap)
    found = outcome(Situation(form="rootfs", packages=VULNERABLE), tmp_path)
    assert changed
    assert found.verdict == ("inconclusive" if trap else "passed"), found
    assert ("unreadable" in found.codes) is trap
