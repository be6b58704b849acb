# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check of a feed's server before a run: it has the feed, unless the index is so young that nobody will ask it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone
from pathlib import Path

from .._core.errors import InputError
from .._images.access import Access
from .._vulnerabilities.feeds.downloads import FeedClient, local_path
from .._vulnerabilities.feeds.parsing import Form
from .._vulnerabilities.feeds.signatures import Keys
from .._vulnerabilities.feeds.sources import listing_of, sources_of
from .feed_index import young_index

#: Bytes of a list that is read to see that the server has it.
_LIST_LIMIT = 32 << 20


def check_feed_url(params: t.Mapping[str, t.Any]) -> None:
    """Raise ScanError where the feed cannot be had: one small request for each address, as the step judge makes it."""
    form = Form(params["feed_format"], params["feed_distribution"] or "")
    form.check()
    keys = Keys.read(params["feed_signature_key"]) if params["feed_signature_key"] else None
    sources = sources_of(" ".join(params["feed_url"]), params["repository_map"] or "")
    hours, present = params["feed_max_age"], datetime.now(timezone.utc)
    young = young_index(params["feed_index"], hours, present, sources, form, keys) if params["feed_index"] else None
    # Which packages an index for a store needs is not known before the images are.
    if young is not None and (params["feed_for_store"] or not young.names):
        return
    client = FeedClient(
        Access(
            ca_file=params["feed_ca_cert"] or "",
            validate_certs=params["feed_validate_certs"],
            timeout=params["timeout"],
        )
    )
    for url in params["feed_url"]:
        if url.lower().startswith("file://"):
            _check_there(local_path(url))
            continue
        listing = listing_of(url) and form.format.listing(url)  # an archive may be a bundle of any format
        if listing:
            client.read(listing, limit=_LIST_LIMIT)
        else:
            client.head(url)


def _check_there(path: Path) -> None:
    if not path.exists():
        raise InputError(f"there is no feed at {path}", code="feed-not-found", hint="check the path in the URL")
