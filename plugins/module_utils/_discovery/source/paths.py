# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in folders and archives."""

from __future__ import annotations

import typing as t

from ..._core.errors import InputError, ScanError
from ..._images.access import Access
from ..._images.targets import list_targets
from ..._scanner.targets import canonical_name
from ..model import NamedImage
from .model import DiscoverySource, Gathered

NAME = "paths"


def gather(paths: t.Iterable[str], _access: Access) -> Gathered:
    """List what is in layouts, archives and unpacked root folders."""
    gathered = Gathered()
    for path in paths:
        try:
            targets = list_targets(path)
            if not targets:
                raise InputError("no image is in it", subject=path)
            gathered.named += [NamedImage(canonical_name(target), NAME) for target in targets]
        except ScanError as error:
            gathered.fail(path, NAME, error)
    return gathered


SOURCE = DiscoverySource(NAME, {"type": "list", "elements": "path", "default": []}, gather)
