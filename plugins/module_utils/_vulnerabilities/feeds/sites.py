# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places that feeds lie in, servers and folders, and fetching an archive from a server."""

from __future__ import annotations

import hashlib
import io
import typing as t
import urllib.parse
from pathlib import Path

from ..._core.errors import InputError, LimitExceeded, ScanError
from .downloads import FeedClient, Fetched, FetchError, Transfer, shown_url, split_url, validator_of
from .spool import DocumentSpool, KeptArchive

ARCHIVE_LIMIT = 16 << 30


class Site(t.Protocol):
    """Where the files of a feed are. A file that is not there is a FetchError with the status 404.

    ``has_map``: whether a repository map may lie beside the documents. ``copied``: a document that is not there may
    not have been copied; from its maker's server it is gone.
    """

    has_map: bool
    copied: bool

    def shown(self, name: str) -> str:
        """A file for messages."""

    def head(self, name: str) -> dict[str, str]:
        """Return the headers of a file, names in lower case."""

    def read(self, name: str, etag: str = "", *, limit: int) -> Fetched:
        """A small file, unless it is the version that ``etag`` stands for."""

    def fetch_archive(self, name: str, headers: t.Mapping[str, str], spool: DocumentSpool | None) -> Path:
        """The archive as a whole, as a file."""


class HttpSite:
    """A feed on a server. Vendors have their map elsewhere, and some servers refuse what is not there with 403."""

    has_map = False
    copied = False

    def __init__(self, url: str, client: FeedClient) -> None:
        parts = split_url(url)
        self._parts = parts._replace(path=parts.path.rstrip("/") + "/")
        self._client = client

    def url(self, name: str) -> str:
        """The address of a file."""
        return urllib.parse.urlunsplit(self._parts._replace(path=self._parts.path + name))

    def shown(self, name: str) -> str:
        """A file for messages."""
        return shown_url(self.url(name))

    def head(self, name: str) -> dict[str, str]:
        """Return the headers of a file."""
        return self._client.head(self.url(name))

    def read(self, name: str, etag: str = "", *, limit: int) -> Fetched:
        """A small file, unless it is the version that ``etag`` stands for."""
        return self._client.read_if_changed(self.url(name), etag, limit=limit)

    def fetch_archive(self, name: str, headers: t.Mapping[str, str], spool: DocumentSpool | None) -> Path:
        """The archive; what an earlier run left of it is not fetched again."""
        if spool is None:
            raise InputError("an archive is fetched into a spool")
        return fetch_archive(self._client, self.url(name), headers, spool)


class FolderSite:
    """A copy of a feed in a folder, as it is carried over an air gap."""

    has_map = True
    copied = True

    def __init__(self, root: Path, tick: t.Callable[[], None] = lambda: None) -> None:
        self._root = root
        self._tick = tick

    def shown(self, name: str) -> str:
        """A file for messages."""
        return str(self._root / name)

    def head(self, name: str) -> dict[str, str]:
        """The digest of a file alone, as its ETag: its time is that of the copy."""
        digest = hashlib.sha256()
        try:
            with (self._root / name).open("rb") as stream:
                while data := stream.read(1 << 20):
                    self._tick()
                    digest.update(data)
        except OSError as error:
            raise self._error(name, error) from error
        return {"etag": f'"{digest.hexdigest()}"'}

    def read(self, name: str, etag: str = "", *, limit: int) -> Fetched:
        """A small file, unless it is the version that ``etag``, its digest, stands for."""
        try:
            with (self._root / name).open("rb") as stream:
                data = stream.read(limit + 1)
        except OSError as error:
            raise self._error(name, error) from error
        if len(data) > limit:
            raise LimitExceeded(f"{self.shown(name)} has more than {limit} bytes")
        own = f'"{hashlib.sha256(data).hexdigest()}"'
        return Fetched(None if etag == own else data, own)

    def fetch_archive(self, name: str, headers: t.Mapping[str, str], spool: DocumentSpool | None) -> Path:
        """The archive, where it is."""
        return self._root / name

    def _error(self, name: str, error: OSError) -> FetchError:
        missing = isinstance(error, FileNotFoundError)
        return FetchError(
            f"{self.shown(name)} cannot be read: {error.strerror or error}",
            status=404 if missing else 0,
            code="feed-not-found" if missing else "feed-unreachable",
        )


def marks_of(headers: t.Mapping[str, str]) -> list[str]:
    """Return the headers that tell one version of a file from another; empty where nothing does."""
    marks = [headers.get(key, "") for key in ("etag", "last-modified", "content-length")]
    return marks if marks[0] or marks[1] else []


def fetch_archive(client: FeedClient, url: str, headers: t.Mapping[str, str], spool: DocumentSpool) -> Path:
    """An archive as a whole; what an earlier run left of it, and still is of this version, is not fetched again.

    ``headers``: what the server told of it.
    """
    validator = validator_of(headers)
    kept_archive = _kept_version(spool, url, validator)
    try:
        with spool.archive.open("r+b" if kept_archive else "w+b") as target:
            size = target.seek(0, io.SEEK_END)
            if kept_archive is not None and size == kept_archive.length:
                return spool.archive
            transfer = Transfer(
                target,
                ARCHIVE_LIMIT,
                size=size,
                validator=validator if kept_archive else "",
                started=lambda version, length: spool.keep_archive(KeptArchive(shown_url(url), version, length)),
            )
            client.fetch(url, transfer)
            size = transfer.size
    except OSError as error:
        raise ScanError(f"what is fetched cannot be kept: {error.strerror or error}", code="disk-full") from error
    announced = headers.get("content-length", "")
    if not _is_length(announced, size):
        spool.drop_archive()
        raise FetchError(f"{shown_url(url)} cannot be fetched: it has {size} bytes, {announced} were announced")
    return spool.archive


def _kept_version(spool: DocumentSpool, url: str, validator: str) -> KeptArchive | None:
    """Return what is kept of an archive; dropped where it is another one, or another version of it."""
    kept_archive = spool.kept_archive()
    if kept_archive and validator and (kept_archive.url, kept_archive.validator) == (shown_url(url), validator):
        return kept_archive
    spool.drop_archive()
    return None


def _is_length(announced: str, size: int) -> bool:
    """Return whether a size is the announced one, if any was announced."""
    return not (announced.isascii() and announced.isdigit()) or int(announced) == size
