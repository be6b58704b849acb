# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``updateinfo.xml``: the advisories of yum repositories."""

from __future__ import annotations

import typing as t

from ..distributions import parse_distribution
from ..documents.model import Document
from ..documents.unread import EVERYTHING
from ..documents.updateinfo import read_advisory
from ..feeds.advisories import listing_of_repository, open_repositories
from .model import FeedFormat


def _read(data: bytes, where: str, names: t.Collection[str], distribution: str) -> Document:
    return read_advisory(data, where, names=names or None, distribution=distribution)


FORMAT = FeedFormat(
    name="updateinfo",
    noun="advisory",
    coverage="fixes",
    open=open_repositories,
    listing=listing_of_repository,
    read=_read,
    scope=lambda _data, _path: EVERYTHING,  # such a feed is of one distribution, which its user names
    distributions=lambda distribution, _cpes: list(parse_distribution(distribution)[0].ids),
    needs_distribution=True,
    takes_urls=True,
    # A repository lists what is current; an advisory leaves it when its packages are replaced.
    keeps_vanished=True,
)
