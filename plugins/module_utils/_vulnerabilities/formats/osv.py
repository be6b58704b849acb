# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OSV records of AlmaLinux and Rocky Linux: one for each advisory."""

from __future__ import annotations

import re
import typing as t

from ..._core.errors import CorruptData
from ..distributions import DISTRIBUTIONS, distribution_of_product
from ..documents.model import Document
from ..documents.osv import read_record
from ..documents.unread import EVERYTHING, UnreadScope
from ..feeds.advisories import listing_of_records, open_records
from .model import FeedFormat

_RECORD_NAME = re.compile(rf"(?:{'|'.join(name for one in DISTRIBUTIONS for name in one.advisories)}).*\.json")


def _read(data: bytes, where: str, names: t.Collection[str], _distribution: str) -> Document:
    try:
        return read_record(data, where, names=names or None)
    except CorruptData as error:
        if error.code == "not-osv" and _RECORD_NAME.fullmatch(where):
            error.code = "corrupt-data"
        raise


def _scope(_data: bytes, path: str) -> UnreadScope:
    """The distribution that a record is of, by the name of its file."""
    name = path.rpartition("/")[2]
    owners = (owner for owner in DISTRIBUTIONS if name.startswith(owner.advisories))
    return next((UnreadScope((), tuple(sorted(owner.ids))) for owner in owners), EVERYTHING)


def _distributions(_distribution: str, cpes: t.Iterable[str]) -> list[str]:
    owners = (distribution_of_product(cpe) for cpe in set(cpes))
    return sorted({name for owner in owners if owner is not None for name in owner.ids})


FORMAT = FeedFormat(
    name="osv",
    noun="OSV record",
    coverage="fixes",
    open=open_records,
    listing=listing_of_records,
    read=_read,
    scope=_scope,
    distributions=_distributions,
    left_out=frozenset({"not-osv"}),
)
