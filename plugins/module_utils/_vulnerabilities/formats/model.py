# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface of a format of vulnerability data, for all that reads, keeps and judges by a feed."""

from __future__ import annotations

import dataclasses
import typing as t

from ..documents.model import Document
from ..documents.unread import UnreadScope

if t.TYPE_CHECKING:
    from ..feeds.sources import Feed


@dataclasses.dataclass(frozen=True)
class FeedFormat:
    """A format of vulnerability data: an entry of ``table.FORMATS``, defined in a file of its own.

    ``name``: as in options and in indexes. ``noun``: one of its documents, in messages. ``coverage``: as in
    ``FeedInfo``; ``fixes`` for data that tells nothing of what is not fixed.
    ``open``: the feed behind a path or URL; arguments as of ``sources.open_feed``.
    ``listing``: the URL of a feed -> that of the small file that is fetched first; empty for a feed that is one file.
    ``read``: a document's bytes, its file name, the packages to read it for (all where it is empty) and the user's
    distribution -> what it says; raises ScanError.
    ``scope``: bytes and path of a document that cannot be read -> what it can concern.
    ``distributions``: the user's distribution and the products of an index -> ``FeedInfo.distributions``.
    ``left_out``: codes of errors of files that are none of the feed's documents, and no damage.
    ``needs_distribution``: its user tells whose documents they are, like ``rocky:9``; nothing in them does.
    ``takes_urls``: several URLs make one feed. ``keeps_vanished``: documents that are no longer in the feed stay true.
    ``is_signed``: single documents have signatures. ``takes_map``: a map leads from repositories to its products.
    """

    name: str
    noun: str
    coverage: str
    open: t.Callable[..., Feed]
    read: t.Callable[[bytes, str, t.Collection[str], str], Document]
    scope: t.Callable[[bytes, str], UnreadScope]
    distributions: t.Callable[[str, t.Iterable[str]], list[str]]
    listing: t.Callable[[str], str] = lambda _url: ""
    left_out: frozenset[str] = frozenset()
    needs_distribution: bool = False
    takes_urls: bool = False
    keeps_vanished: bool = False
    is_signed: bool = False
    takes_map: bool = False
