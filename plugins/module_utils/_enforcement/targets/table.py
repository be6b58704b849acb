# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of targets of flags. To add one: a file beside this one with its entry, and the entry here."""

from __future__ import annotations

import typing as t

from ..._core.errors import InputError
from ..._kubernetes.client import KubernetesClient
from . import (
    deny_list,
    image_annotation,
)
from .base import FlagTarget

#: In the order in which flags are set, so ordered by ``order``.
TARGETS: tuple[FlagTarget, ...] = (
    deny_list.DENY_LIST,
    image_annotation.IMAGE_ANNOTATION,
)


def find_targets(client: KubernetesClient, names: t.Collection[str] | None) -> list[FlagTarget]:
    """The targets with these names; None for those that the cluster has. Raises InputError where it has none."""
    if names is not None:
        return [target for target in TARGETS if target.name in names]
    present = [target for target in TARGETS if client.has_group(target.group)]
    if not present:
        kinds = " nor ".join(target.describe for target in reversed(TARGETS))
        raise InputError(
            f"{client.server} has neither {kinds}, so nothing in it could hold a flag",
            code="no-targets",
            hint="run the playbook imagescan.openshift.enforce first; it installs the deny lists",
        )
    return present
