# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the documents of a feed come from: a folder, an archive, or a server."""

from __future__ import annotations

import hashlib
import os
import typing as t
import urllib.parse
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded
from ..._core.times import now_text
from ..documents.csaf_vex import DOCUMENT_LIMIT
from .archives import read_archive
from .digests import content_digest, digest_of
from .downloads import FeedClient, FetchError, is_url, local_path, shown_url, split_url
from .layout import ARCHIVE_LATEST, ARCHIVE_NAME, CHANGES, DELETIONS, is_document, listed, read_list
from .signatures import SIGNATURE_LIMIT, SUFFIX, read_signature
from .sites import FolderSite, HttpSite, fetch_archive, marks_of
from .spool import DocumentSpool
from .sync import DocumentSink, KnownFeed, SyncedFeed

if t.TYPE_CHECKING:
    from ..._images.access import Access

DOCUMENTS_LIMIT = 1_000_000


def shown(source: str) -> str:
    """A source for messages, without secrets. URLs of several repositories have blanks between them."""
    return " ".join(map(shown_url, source.split())) if is_url(source) else source


def sources_of(source: str, repository_map: str) -> list[str]:
    """List the sources that an index remembers."""
    return [shown(source), shown(repository_map)]


class Feed(t.Protocol):
    """A source of documents. ``label``: first part of the serial. ``total``: number of documents, 0 when unknown.

    ``state``: what the next update has to know, to be kept with the index; complete after ``read``.
    """

    label: str
    total: int
    state: dict[str, t.Any]

    def fingerprint(self) -> str:
        """Equal as long as the feed is the same."""

    def deletions_since(self, moment: str) -> set[str]:
        """Names of documents that the vendor took back after a time (RFC 3339); none where the source does not tell."""

    def read(self, sink: DocumentSink) -> None:
        """Give every document to ``sink``, or say that it is as the index has it."""


def open_feed(
    source: str,
    access: Access | None,
    work: Path,
    tick: t.Callable[[], None],
    *,
    now: str = "",
    known_feed: KnownFeed | None = None,
    spool: DocumentSpool | None = None,
    with_map: bool = True,
) -> Feed:
    """The feed behind a path or URL. Raises InputError where there is none.

    ``work``: a folder for what is fetched; ``spool``: where it is kept instead, for another run to go on.
    ``known_feed``: what is in the index. ``now``: time of this check. ``with_map``: whether the feed's repository
    map is wanted.
    """
    now = now or now_text()
    if is_url(source) and not source.lower().startswith("file://"):
        client = FeedClient(access, tick=tick)
        spool = spool or DocumentSpool(work / "spool", tick)
        match = ARCHIVE_NAME.fullmatch(split_url(source).path.rpartition("/")[2])
        if match is not None:
            return _UrlArchive(source, match[1], client, spool, tick)
        site = HttpSite(source, client)
        return SyncedFeed(site, known_feed, now, spool=spool, tick=tick, with_map=with_map)
    path = local_path(source)
    if (path / ARCHIVE_LATEST).is_file():
        return SyncedFeed(FolderSite(path, tick), known_feed, now, tick=tick, with_map=with_map)
    if path.is_dir():
        return FolderFeed(path, tick)
    if path.is_file():
        return _ArchiveFeed(path, tick)
    raise InputError(
        f"there is no feed at {path}; expected a folder of CSAF-VEX documents, an archive of them, or a URL",
        code="feed-not-found",
    )


def listing_of(url: str) -> str:
    """The URL of the file that names the newest archive of a feed; empty where the feed is an archive itself."""
    parts = split_url(url)
    if ARCHIVE_NAME.fullmatch(parts.path.rpartition("/")[2]):
        return ""
    return urllib.parse.urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ARCHIVE_LATEST}"))


class FolderFeed:
    """A folder of documents, without those that its lists say were taken back. ``paths``: of the documents."""

    label = "folder"

    def __init__(self, root: Path, tick: t.Callable[[], None]) -> None:
        self.root = root
        self.tick = tick
        self.state: dict[str, t.Any] = {}
        self.deletions = read_list(FolderSite(root), DELETIONS)
        paths = _documents_in(root)
        changes = read_list(FolderSite(root), CHANGES)
        # A copy may still have what the vendor took back; without the list of changes nothing tells that it came back.
        vanished = {path for path, deleted in self.deletions.items() if changes and deleted >= changes.get(path, "")}
        self.paths = sorted(path for path in paths if path not in vanished)
        if changes:
            self.state["listed"] = len(listed(changes, self.deletions))
        self.total = len(self.paths)

    def fingerprint(self) -> str:
        contents: dict[str, str] = {}
        for path in self.paths:
            self.tick()
            data = self.content(path)
            contents[path] = hashlib.sha256(data).hexdigest() if data is not None else "too large"
        return "folder " + content_digest(contents)

    def deletions_since(self, moment: str) -> set[str]:
        return {path.rpartition("/")[2] for path, deleted in self.deletions.items() if deleted > moment}

    def read(self, sink: DocumentSink) -> None:
        for path in self.paths:
            sink.take(path, self.content(path))

    def content(self, path: str) -> bytes | None:
        try:
            with (self.root / path).open("rb") as stream:
                data = stream.read(DOCUMENT_LIMIT + 1)
        except OSError as error:
            raise InputError(f"the document {self.root / path} cannot be read: {error.strerror or error}") from error
        return data if len(data) <= DOCUMENT_LIMIT else None


def folders_in(root: Path, folder: Path, names: t.Iterable[str]) -> list[str]:
    """Select the folders to go into below ``root``: neither hidden ones nor links.

    Where a link leads is read in its own place. Raises InputError where that is not in ``root``: what is there would
    be missing in silence.
    """
    folders: list[str] = []
    for name in sorted(names):
        path = folder / name
        if name.startswith("."):
            continue
        if not path.is_symlink():
            folders.append(name)
            continue
        inside = Path(os.path.relpath(path.resolve(), root.resolve()))
        if any(part.startswith(".") for part in inside.parts):  # ".." among them
            raise InputError(
                f"the folder {path} is a link to what is not read with {root}",
                hint="copy what it leads to in its place, or mount it there",
            )
    return folders


def _documents_in(root: Path) -> list[str]:
    paths: list[str] = []
    try:
        for folder, folders, files in os.walk(root, onerror=_raise):
            folders[:] = folders_in(root, Path(folder), folders)
            inner = Path(folder).relative_to(root)
            paths.extend((inner / name).as_posix() for name in files if is_document(name))
            if len(paths) > DOCUMENTS_LIMIT:
                raise LimitExceeded(f"the folder {root} has more than {DOCUMENTS_LIMIT} documents")
    except OSError as error:
        raise InputError(f"the folder {error.filename or root} cannot be read: {error.strerror or error}") from error
    return paths


def _raise(error: OSError) -> t.NoReturn:
    raise error


class _ArchiveFeed:
    total = 0

    def __init__(
        self,
        path: Path,
        tick: t.Callable[[], None],
        label: str = "",
        signature: t.Callable[[], bytes | None] | None = None,
    ) -> None:
        self.path = path
        self.signature = signature or (lambda: read_signature(path.with_name(path.name + SUFFIX)))
        self.tick = tick
        self.state: dict[str, t.Any] = {}
        match = ARCHIVE_NAME.fullmatch(path.name)
        self.label = label or (match[1] if match else "archive")

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        try:
            with self.path.open("rb") as stream:
                while data := stream.read(1 << 20):
                    self.tick()
                    digest.update(data)
        except OSError as error:
            raise InputError(f"the archive {self.path} cannot be read: {error.strerror or error}") from error
        return f"archive {digest.hexdigest()}"

    def deletions_since(self, moment: str) -> set[str]:
        return set()

    def read(self, sink: DocumentSink) -> None:
        with sink.archive(self.path, self.signature):
            read_archive(str(self.path), is_document, sink.take, member_limit=DOCUMENT_LIMIT)


class _UrlArchive:
    """An archive behind a URL."""

    total = 0

    def __init__(
        self, url: str, label: str, client: FeedClient, spool: DocumentSpool, tick: t.Callable[[], None]
    ) -> None:
        self.url = url
        self.label = label
        self.client = client
        self.spool = spool
        self.tick = tick
        self.state: dict[str, t.Any] = {}
        self.headers = client.head(url)
        self.fetched: _ArchiveFeed | None = None

    def fingerprint(self) -> str:
        marks = marks_of(self.headers)
        return digest_of("url", shown_url(self.url), *(marks or [self._archive().fingerprint()]))

    def deletions_since(self, moment: str) -> set[str]:
        return set()

    def _archive(self) -> _ArchiveFeed:
        if self.fetched is None:
            path = fetch_archive(self.client, self.url, self.headers, self.spool)
            self.fetched = _ArchiveFeed(path, self.tick, self.label, self._signature)
        return self.fetched

    def _signature(self) -> bytes | None:
        parts = split_url(self.url)
        try:
            return self.client.read(
                urllib.parse.urlunsplit(parts._replace(path=parts.path + SUFFIX)), limit=SIGNATURE_LIMIT
            )
        except FetchError as error:
            if error.status in (403, 404):  # some servers refuse what is not there
                return None
            raise

    def read(self, sink: DocumentSink) -> None:
        try:
            self._archive().read(sink)
        except (CorruptData, LimitExceeded):
            self.spool.drop_archive()
            raise
