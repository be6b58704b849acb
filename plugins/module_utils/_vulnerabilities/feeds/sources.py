# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the documents of a feed come from: a folder, an archive, or a server."""

from __future__ import annotations

import contextlib
import csv
import datetime
import email.utils
import hashlib
import json
import os
import re
import typing as t
import urllib.parse
from pathlib import Path

from ..._errors import CorruptData, InputError, LimitExceeded
from ..documents.csaf_vex import DOCUMENT_LIMIT
from ..times import parse_time, utc_text
from .archives import Take, read_archive
from .digests import content_digest, digest_of
from .downloads import Client, FetchError, Transfer, is_url, local_path, shown_url, split_url

if t.TYPE_CHECKING:
    from ..._images.access import Access

DOCUMENTS_LIMIT = 1_000_000
ARCHIVE_LIMIT = 16 << 30
CHANGES_LIMIT = 64 << 20
#: Documents fetched one by one after the archive. The vendor makes a new archive long before that.
CHANGED_LIMIT = 20_000
#: The vendor's list of changes may lag behind the archive; rows this much older are looked at once more.
OVERLAP = datetime.timedelta(hours=6)

#: An archive that says that it was made so long after the day in its name is a copy of another time.
COPIED_AFTER = datetime.timedelta(days=2)

_ARCHIVE_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,200}?)(?:\.tar(?:\.(?:zst|gz|xz))?|\.tgz|\.txz)")
_ROW_PATH = re.compile(r"[0-9]{4}/[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.json")


def shown(source: str) -> str:
    """A source for messages, without secrets."""
    return shown_url(source) if is_url(source) else source


def sources_of(source: str, repository_map: str) -> list[str]:
    """What an index remembers of where it came from."""
    return [shown(source), shown(repository_map)]


def is_document(path: str) -> bool:
    """Whether a file of a feed is a document, by its path."""
    return path.endswith(".json") and not any(part.startswith(".") for part in path.split("/"))


class Feed(t.Protocol):
    """A source of documents. ``label``: first part of the serial. ``total``: number of documents, 0 when unknown."""

    label: str
    total: int

    def fingerprint(self) -> str:
        """Equal as long as the feed is the same."""

    def deletions_since(self, moment: str) -> set[str]:
        """Names of documents that the vendor took back after a time (RFC 3339); none where the source does not tell."""

    def read(self, take: Take) -> None:
        """Give the path and the content of every file to ``take``; content None: it is too large."""


def open_feed(source: str, access: Access | None, work: Path, tick: t.Callable[[], None]) -> Feed:
    """The feed behind a path or URL. Raises InputError where there is none."""
    if is_url(source) and not source.lower().startswith("file://"):
        return _UrlFeed(source, Client(access, tick=tick), work, tick)
    path = local_path(source)
    if path.is_dir():
        return _FolderFeed(path, tick)
    if path.is_file():
        return _ArchiveFeed(path, tick)
    raise InputError(
        f"there is no feed at {path}; expected a folder of CSAF-VEX documents, an archive of them, or a URL",
        code="feed-not-found",
    )


class _FolderFeed:
    label = "folder"

    def __init__(self, root: Path, tick: t.Callable[[], None]) -> None:
        self.root = root
        self.tick = tick
        self.paths: list[str] = []
        try:
            for folder, folders, files in os.walk(root, onerror=_raise):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                inner = Path(folder).relative_to(root)
                self.paths.extend((inner / name).as_posix() for name in files if is_document(name))
                if len(self.paths) > DOCUMENTS_LIMIT:
                    raise LimitExceeded(f"the folder {root} has more than {DOCUMENTS_LIMIT} documents")
        except OSError as error:
            raise InputError(
                f"the folder {error.filename or root} cannot be read: {error.strerror or error}"
            ) from error
        self.paths.sort()
        self.total = len(self.paths)

    def fingerprint(self) -> str:
        contents: dict[str, str] = {}
        for path in self.paths:
            self.tick()
            data = self.content(path)
            contents[path] = hashlib.sha256(data).hexdigest() if data is not None else "too large"
        return "folder " + content_digest(contents)

    def deletions_since(self, moment: str) -> set[str]:
        return set()

    def read(self, take: Take) -> None:
        for path in self.paths:
            take(path, self.content(path))

    def content(self, path: str) -> bytes | None:
        try:
            with (self.root / path).open("rb") as stream:
                data = stream.read(DOCUMENT_LIMIT + 1)
        except OSError as error:
            raise InputError(f"the document {self.root / path} cannot be read: {error.strerror or error}") from error
        return data if len(data) <= DOCUMENT_LIMIT else None


def _raise(error: OSError) -> t.NoReturn:
    raise error


class _ArchiveFeed:
    total = 0

    def __init__(self, path: Path, tick: t.Callable[[], None], label: str = "") -> None:
        self.path = path
        self.tick = tick
        match = _ARCHIVE_NAME.fullmatch(path.name)
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

    def read(self, take: Take, replaced: t.Container[str] = ()) -> None:
        def wanted(path: str) -> bool:
            return is_document(path) and "/".join(path.split("/")[-2:]) not in replaced

        read_archive(str(self.path), wanted, take, member_limit=DOCUMENT_LIMIT)


class _UrlFeed:
    """An archive behind a URL, or a feed: the newest archive, and what changed since."""

    total = 0

    def __init__(self, url: str, client: Client, work: Path, tick: t.Callable[[], None]) -> None:
        self.client = client
        self.work = work
        self.tick = tick
        self.fetched: _ArchiveFeed | None = None
        #: Documents that changed after the archive was made -> when; None: they were deleted.
        self.changed: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.deletions: dict[str, str] = {}
        parts = split_url(url)
        name = parts.path.rpartition("/")[2]
        match = _ARCHIVE_NAME.fullmatch(name)
        self.base = url
        if match is None:
            self.base = urllib.parse.urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/"))
            match, url = self._latest()
        self.url = url
        self.label = match[1]
        self.headers = self.client.head(url)
        if self.base != self.url:
            self._read_changes(match[1])

    def _member(self, name: str) -> str:
        parts = split_url(self.base)
        return urllib.parse.urlunsplit(parts._replace(path=parts.path + name))

    def _latest(self) -> tuple[re.Match[str], str]:
        try:
            text = self.client.read(self._member("archive_latest.txt"), limit=4096)
        except FetchError as error:
            if error.status == 404:
                error.code = "feed-not-found"
                error.message = (
                    f"{shown_url(self.base)} is neither an archive (.tar, .tar.zst, .tar.gz, .tar.xz) nor a feed:"
                    " it has no archive_latest.txt"
                )
            raise
        name = text.decode("ascii", "replace").strip()
        match = _ARCHIVE_NAME.fullmatch(name)
        if match is None:
            raise CorruptData(
                f"{shown_url(self.base)}archive_latest.txt says {name[:80]!r}; expected the name of an archive",
                code="feed-damaged",
            )
        return match, self._member(name)

    def _read_changes(self, label: str) -> None:
        since = self._made(label) - OVERLAP
        self.deletions = self._rows("deletions.csv", datetime.datetime.min.replace(tzinfo=datetime.timezone.utc))
        for path, moment in self._rows("changes.csv", since).items():
            if moment > self.deletions.get(path, ""):
                self.changed[path] = moment
        self.deleted = {path for path, moment in self.deletions.items() if moment > utc_text(since)} - set(self.changed)
        if len(self.changed) > CHANGED_LIMIT:
            raise LimitExceeded(
                f"{len(self.changed)} documents of {shown_url(self.base)} changed after its newest archive; at most"
                f" {CHANGED_LIMIT} are fetched one by one"
            )

    def _made(self, label: str) -> datetime.datetime:
        """When the archive was made: by its header, or by the date in its name, if a mirror copied it much later."""
        made = None
        with contextlib.suppress(TypeError, ValueError, IndexError):
            made = email.utils.parsedate_to_datetime(self.headers.get("last-modified", ""))
            made = made if made.tzinfo else made.replace(tzinfo=datetime.timezone.utc)
        date = re.search(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", label)
        named = parse_time(f"{date[0]}T00:00:00Z", f"the date of {label}") if date else made
        made = made or named
        if made is None or named is None:
            raise CorruptData(f"nothing tells when the archive {shown_url(self.url)} was made", code="feed-damaged")
        return named if made - named > COPIED_AFTER else made

    def _rows(self, name: str, since: datetime.datetime) -> dict[str, str]:
        """Paths and times of a list of changes, newer than a time. A feed may have no such list."""
        try:
            data = self.client.read(self._member(name), limit=CHANGES_LIMIT)
        except FetchError as error:
            if error.status == 404:
                return {}
            raise
        found: dict[str, str] = {}
        where = shown_url(self._member(name))
        try:
            for number, row in enumerate(csv.reader(data.decode("utf-8").splitlines(), strict=True), 1):
                if not row:
                    continue
                if len(row) != 2 or not _ROW_PATH.fullmatch(row[0]):
                    raise CorruptData(
                        f'{where}, line {number}, is not like "2026/cve-2026-1234.json","<time>"', code="feed-damaged"
                    )
                moment = parse_time(row[1], f"{where}, line {number}")
                if moment > since:
                    text = utc_text(moment)
                    found[row[0]] = max(found.get(row[0], ""), text)
        except (UnicodeDecodeError, csv.Error) as error:
            raise CorruptData(f"{where} is not a CSV file: {error}", code="feed-damaged") from error
        return found

    def fingerprint(self) -> str:
        marks = [self.headers.get(key, "") for key in ("etag", "last-modified", "content-length")]
        if not (marks[0] or marks[1]):
            marks = [self._archive().fingerprint()]
        overlay = json.dumps([sorted(self.changed.items()), sorted(self.deleted)])
        return digest_of("url", shown_url(self.url), *marks, overlay)

    def deletions_since(self, moment: str) -> set[str]:
        return {path.rpartition("/")[2] for path, deleted in self.deletions.items() if deleted > moment}

    def _archive(self) -> _ArchiveFeed:
        if self.fetched is None:
            path = self.work / "archive"
            with path.open("w+b") as target:
                self.client.fetch(self.url, Transfer(target, ARCHIVE_LIMIT))
            self.fetched = _ArchiveFeed(path, self.tick, self.label)
        return self.fetched

    def read(self, take: Take) -> None:
        replaced = self.deleted | set(self.changed)
        self._archive().read(take, replaced)
        for path in sorted(self.changed):
            try:
                data: bytes | None = self.client.read(self._member(path), limit=DOCUMENT_LIMIT)
            except LimitExceeded:
                data = None
            take(path, data)
