# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check of a feed's server before a run: it has the feed, unless the index is so young that nobody will ask it."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from .._core.errors import InputError
from .._images.access import Access
from .._vulnerabilities.feeds.downloads import FeedClient, local_path
from .._vulnerabilities.feeds.parsing import Form
from .._vulnerabilities.feeds.signatures import Keys
from .._vulnerabilities.feeds.sources import listing_of, sources_of
from .feed_index import source_of, young_index


def check_feed_url(params: t.Mapping[str, t.Any]) -> None:
    """Raise ScanError where the feed or its map cannot be had: one request for each, of which nothing is read."""
    form = Form(params["feed_format"], params["feed_distribution"] or "")
    form.check()
    source = source_of({"path": "", "url": params["feed_url"], "format": form.name})
    repository_map = params["repository_map"] or ""
    keys = Keys.read(params["feed_signature_key"]) if params["feed_signature_key"] else None
    if _is_young(params, sources_of(source, repository_map), form, keys):
        return
    client = FeedClient(
        Access(
            ca_file=params["feed_ca_cert"] or "",
            validate_certs=params["feed_validate_certs"],
            timeout=params["timeout"],
        )
    )
    for url in source.split():
        # An archive may be a bundle of any format.
        _ask(client, (listing_of(url) and form.format.listing(url)) or url)
    if "://" in repository_map:
        _ask(client, repository_map)


def _is_young(params: t.Mapping[str, t.Any], sources: list[str], form: Form, keys: Keys | None) -> bool:
    """Return True if the index is so young that nobody will ask for the feed."""
    present = datetime.now(timezone.utc)
    young = young_index(params["feed_index"] or "", params["feed_max_age"], present, sources, form, keys)
    # Which packages an index for a store needs is not known before the images are.
    return young is not None and (params["feed_for_store"] or not young.names)


def _ask(client: FeedClient, url: str) -> None:
    if not url.lower().startswith("file://"):
        client.ask(url)
    elif not local_path(url).exists():
        raise InputError(f"there is nothing at {url}", code="feed-not-found", hint="check the path in the URL")
