# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References that a person wrote."""

from __future__ import annotations

import typing as t

from ..._core.errors import ScanError
from ..._images.access import Access
from ..._scanner.targets import canonical_name
from ..model import NamedImage
from .model import DiscoverySource, Gathered

NAME = "references"


def gather(references: t.Iterable[str], _access: Access) -> Gathered:
    """Bring references to their canonical form."""
    gathered = Gathered()
    for reference in references:
        try:
            gathered.named.append(NamedImage(canonical_name(reference.strip()), NAME))
        except ScanError as error:
            gathered.fail(reference, NAME, error)
    return gathered


SOURCE = DiscoverySource(NAME, {"type": "list", "elements": "str", "default": []}, gather)
