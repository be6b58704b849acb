# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking of layers into a folder, for the tests of all that takes part in it."""

from __future__ import annotations

import gc
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack import unpack
from ansible_collections.imagescan.openshift.plugins.module_utils._images.unpack_root import Unpacked
from ansible_collections.imagescan.openshift.tests.support.layouts import File, image_of


def unpacked(root: Path, *layers: t.Iterable[File] | bytes, **options: t.Any) -> Unpacked:
    """Unpack layers as a user who may not own."""
    return unpack(image_of(*layers), root, owning=False, threads=1, **options)


def make(path: Path) -> Path:
    """A new folder."""
    path.mkdir()
    return path


def names(root: Path) -> set[str]:
    """Every path in a folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def open_files(*, collect: bool = False) -> int:
    """The number of files that this process has open. ``collect``: first close what only garbage of tests holds."""
    if collect:
        gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
