# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a feed (a folder, an archive, a URL) to a feed index.

An index is only replaced by a whole one: a truncated archive, a broken download or a feed without documents is an error
and leaves the old index as it is. Single documents that cannot be read are counted and listed, and the index says so.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import dataclasses
import datetime
import email.utils
import hashlib
import json
import os
import re
import typing as t
import urllib.parse
import urllib.request
from pathlib import Path

from .._errors import CorruptData, InputError, LimitExceeded, ScanError
from .archives import read_archive
from .csaf_vex import DOCUMENT_LIMIT, may_name, read_document, revision_in
from .downloads import Client, FetchError, is_url, shown_url, split_url
from .index import FeedIndex, IndexWriter, is_index, touch, work_folder
from .model import FeedInfo
from .times import parse_time, utc_text

if t.TYPE_CHECKING:
    from .._images.access import Access

#: Raised when the readers see something else in the same documents: older indexes are then built anew.
READER_VERSION = 1
DOCUMENTS_LIMIT = 1_000_000
LISTED_LIMIT = 1000  # rejected documents that an index names
ARCHIVE_LIMIT = 16 << 30
CHANGES_LIMIT = 64 << 20
#: Documents fetched one by one after the archive. The vendor makes a new archive long before that.
CHANGED_LIMIT = 20_000
REPOSITORY_MAP = "repository-to-cpe.json"
REPOSITORY_MAP_LIMIT = 64 << 20
#: The vendor's list of changes may lag behind the archive; rows this much older are looked at once more.
OVERLAP = datetime.timedelta(hours=6)

#: An archive that says that it was made so long after the day in its name is a copy of another time.
COPIED_AFTER = datetime.timedelta(days=2)

_DOCUMENT_NAME = re.compile(r"cve-[0-9]{4}-[0-9]{4,}\.json", re.IGNORECASE)
_ARCHIVE_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,200}?)(?:\.tar(?:\.(?:zst|gz|xz))?|\.tgz|\.txz)")
_ROW_PATH = re.compile(r"[0-9]{4}/[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.json")

#: Called with the number of documents done and the number of all, 0 when it is not known.
Progress = t.Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Rejected:
    """A document that could not be read: where it stands in the feed, and why."""

    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class BuildResult:
    """What became of an index. ``changed`` False: the feed is the same, and the index was kept.

    ``rejected``: documents that could not be read. ``skipped``: reason -> number of documents (``not_csaf``,
    ``not_vex``, ``deleted``) or of product ids (the others) that were left out: they say nothing about RPM packages.
    """

    changed: bool
    info: FeedInfo
    rejected: tuple[Rejected, ...]
    skipped: t.Mapping[str, int]


def build_index(
    source: str,
    dest: str,
    *,
    repository_map: str = "",
    names: t.Iterable[str] | None = None,
    access: Access | None = None,
    now: str | datetime.datetime,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> BuildResult:
    """Compile a feed into the index file ``dest``, unless it is compiled already.

    ``source``: a folder of CSAF-VEX documents, an archive of them (tar, plain or compressed with gzip, xz or zstd), or
    the URL of such an archive or of a feed (with ``archive_latest.txt``). ``repository_map``: file or URL of
    ``repository-to-cpe.json``; empty: the one in the folder or archive, if any. ``names``: only what the feed says of
    these packages; the index remembers that it is partial. ``now``: RFC 3339 text or an aware datetime, the time of
    this check. ``dry_run``: do everything but write ``dest``.
    Raises InputError, CorruptData, LimitExceeded or another ScanError; ``dest`` is then as it was before.
    """
    checked = utc_text(now, "now")
    sources = sources_of(source, repository_map)
    wanted = () if names is None else tuple(sorted(set(names)))
    if names is not None and not wanted:
        raise InputError("no package names to build a feed index for; expected at least one, or none given at all")
    folder = Path(dest).absolute().parent
    if not dry_run and not folder.is_dir():
        raise InputError(f"the folder of the feed index does not exist: {folder}")
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(FeedIndex.open(dest)) if _has_index(dest) else None
        tick: t.Callable[[], None] = (lambda: progress(0, 0)) if progress else (lambda: None)
        # What is fetched needs room, which a temporary folder in memory may not have.
        work = Path(stack.enter_context(work_folder(dest, None if dry_run else folder)))
        feed = _open_feed(source, access, work, tick)
        given = _given_map(repository_map, access, tick)
        basis = _digest("reader", str(READER_VERSION), json.dumps(wanted), given.digest if given else "")
        fingerprint = _digest(basis, feed.fingerprint())
        if old is not None and old.meta.get("fingerprint") == fingerprint:
            return _unchanged(old, dest, checked, sources, dry_run)
        target = str(work / "index") if dry_run else dest
        build = _Build(stack.enter_context(IndexWriter(target)), frozenset(wanted), progress, feed.total)
        feed.read(build)
        if not build.documents:
            seen = "it has none at all"
            if build.rejected:
                first = build.rejected[0]
                seen = f"{len(build.rejected)} were rejected, the first: {first.path}: {first.reason}"
            raise CorruptData(f"the feed {shown(source)} has no readable CSAF-VEX document: {seen}", code="feed-empty")
        if old is not None:
            _check_not_less(old, build, wanted, feed.deletions_since(old.info.newest))
        repositories = given or build.repositories
        content = _digest(basis, build.content(), repositories.digest if repositories else "")
        serial = f"{feed.label}+{build.newest}+{content[:16]}"
        if old is not None and old.info.serial == serial:
            return _unchanged(old, dest, checked, sources, dry_run)
        if repositories is not None:
            build.writer.add_repositories(repositories.cpes)
        build.writer.finish(
            {
                "serial": serial,
                "fingerprint": fingerprint,
                "format": "csaf-vex",
                "checked": checked,
                "newest": build.newest,
                "documents": build.documents,
                "repository_map": repositories is not None,
                "names": wanted,
                "sources": sources,
                "rejected": len(build.rejected),
                "rejected_documents": [[one.path, one.reason] for one in build.rejected[:LISTED_LIMIT]],
                "skipped": dict(sorted(build.skipped.items())),
            },
            build.tick,
        )
        with FeedIndex.open(target) as index:
            return BuildResult(True, index.info, tuple(build.rejected), index.meta["skipped"])


def _check_not_less(index: FeedIndex, build: _Build, names: tuple[str, ...], deletions: set[str]) -> None:
    """Refuse half a copy of the feed, or yesterday's: what is missing in it would look like nothing found.

    Documents are only counted alike where both indexes are for the same names. ``deletions``: names of the documents
    that the vendor took back since the index was built.
    """
    old = index.info
    hint = "fetch the feed again, or delete the index to build it from this feed all the same"
    if build.newest < old.newest:
        raise CorruptData(
            f"the feed is older than the index: its newest document is of {build.newest}, the index has {old.newest}",
            code="feed-older",
            hint=hint,
        )
    seen, expected = build.documents + len(build.rejected), old.documents + old.rejected - len(deletions)
    if seen < expected and old.names == names:
        raise CorruptData(
            f"the feed has {seen} documents; expected at least {expected}, the number of the index without"
            f" {len(deletions)} that were taken back since",
            code="feed-shrunk",
            hint=hint,
        )
    # As many others in their place do not make up for those that are gone.
    lost = sorted({path.rpartition("/")[2] for path in index.paths()} - build.file_names() - deletions)
    if lost:
        raise CorruptData(
            f"the feed lacks {len(lost)} documents of the index that nobody took back, the first: {lost[0][:100]}",
            code="feed-shrunk",
            hint=hint,
        )


def shown(source: str) -> str:
    """A source for messages, without secrets."""
    return shown_url(source) if is_url(source) else source


def sources_of(source: str, repository_map: str) -> list[str]:
    """What an index remembers of where it came from."""
    return [shown(source), shown(repository_map)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _has_index(dest: str) -> bool:
    """Whether there is an index to compare with. Raises InputError for a file that is something else."""
    path = Path(dest)
    if not path.exists():
        return False
    if not is_index(dest):
        raise InputError(f"{dest} exists and is not a feed index; it is not overwritten")
    try:
        FeedIndex.open(dest).close()
    except CorruptData:
        return False  # a damaged index of ours is built again
    return True


def _unchanged(old: FeedIndex, dest: str, checked: str, sources: list[str], dry_run: bool) -> BuildResult:
    if not dry_run and (old.info.checked, old.meta.get("sources")) != (checked, sources):
        touch(dest, checked, sources)
    rejected = tuple(Rejected(path, reason) for path, reason in old.meta.get("rejected_documents", ()))
    info = dataclasses.replace(old.info, checked=checked)
    return BuildResult(False, info, rejected, old.meta.get("skipped", {}))


# -- repositories --


@dataclasses.dataclass(frozen=True)
class _Repositories:
    cpes: t.Mapping[str, tuple[str, ...]]
    digest: str


def _given_map(source: str, access: Access | None, tick: t.Callable[[], None]) -> _Repositories | None:
    if not source:
        return None
    if is_url(source) and not source.lower().startswith("file://"):
        return read_repository_map(
            Client(access, tick=tick).read(source, limit=REPOSITORY_MAP_LIMIT), shown_url(source)
        )
    path = _local(source)
    try:
        with path.open("rb") as stream:
            data = stream.read(REPOSITORY_MAP_LIMIT + 1)
    except OSError as error:
        raise InputError(f"the repository map {path} cannot be read: {error.strerror or error}") from error
    return read_repository_map(data, str(path))


def read_repository_map(data: bytes, where: str) -> _Repositories:
    """Read ``repository-to-cpe.json``: ``{"data": {"<repository id>": {"cpes": ["cpe:/..."]}}}``."""
    if len(data) > REPOSITORY_MAP_LIMIT:
        raise LimitExceeded(f"the repository map {where} has more than {REPOSITORY_MAP_LIMIT} bytes")
    try:
        entries = json.loads(data.decode("utf-8-sig"))["data"]
        cpes = {key: tuple(value["cpes"]) for key, value in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptData(
            f"the repository map {where} is not one: expected JSON like"
            ' {"data": {"<repository id>": {"cpes": ["cpe:/..."]}}}',
            code="repository-map-corrupt",
        ) from error
    for key, values in cpes.items():
        if not all(isinstance(value, str) and value.startswith("cpe:") and len(value) <= 256 for value in values):
            raise CorruptData(
                f"the repository map {where} has something else than CPEs for {ascii(key)[:100]}",
                code="repository-map-corrupt",
            )
    if not cpes:
        raise CorruptData(f"the repository map {where} is empty", code="repository-map-corrupt")
    return _Repositories(cpes, _digest(json.dumps(cpes, sort_keys=True)))


# -- documents --


class _Build:
    """Takes documents one by one and writes them into the index."""

    def __init__(self, writer: IndexWriter, names: frozenset[str], progress: Progress | None, total: int) -> None:
        self.writer = writer
        self.names = names
        self.progress = progress
        self.total = total
        self.documents = 0
        self.newest = ""
        self.rejected: list[Rejected] = []
        self.skipped: collections.Counter[str] = collections.Counter()
        self.repositories: _Repositories | None = None
        self._contents: dict[str, str] = {}
        self._about: dict[str, str] = {}

    def content(self) -> str:
        """Digest of everything that was taken, whatever the order."""
        return _content_digest(self._contents)

    def file_names(self) -> set[str]:
        """Names of all documents that were taken, without their folders."""
        return {path.rpartition("/")[2] for path in self._contents}

    def take(self, path: str, data: bytes | None) -> None:
        """One file of the feed; None: it is too large to be read."""
        name = path.rpartition("/")[2]
        if name == REPOSITORY_MAP and data is not None:
            self.repositories = read_repository_map(data, path)
            return
        if path in self._contents:
            raise CorruptData(f"the feed has {path} twice; which of them counts?", code="feed-damaged")
        if len(self._contents) >= DOCUMENTS_LIMIT:
            raise LimitExceeded(f"the feed has more than {DOCUMENTS_LIMIT} documents")
        self._contents[path] = hashlib.sha256(data).hexdigest() if data is not None else "too large"
        try:
            if data is None:
                raise LimitExceeded(f"it has more than {DOCUMENT_LIMIT} bytes")
            self.read(path, data)
        except ScanError as error:
            if error.code == "not-csaf" and not _DOCUMENT_NAME.fullmatch(name):
                self.skipped["not_csaf"] += 1
            elif isinstance(error, (CorruptData, LimitExceeded)):
                self.rejected.append(Rejected(path, error.message))
            else:
                raise
        self.tick()

    def tick(self) -> None:
        """Say how far it is."""
        if self.progress:
            self.progress(len(self._contents), self.total)

    def read(self, path: str, data: bytes) -> None:
        where = path.rpartition("/")[2]
        if self.names and not may_name(data, self.names):
            self.newest = max(self.newest, revision_in(data, where))
            self.documents += 1
            return
        document = read_document(data, where, names=self.names or None)
        if document.category != "csaf_vex":
            if _DOCUMENT_NAME.fullmatch(where):
                raise CorruptData(
                    f"it is about a CVE, and of the category {ascii(document.category)[:60]}, not csaf_vex"
                )
            self.skipped["not_vex"] += 1
            return
        for cve, _rows in document.vulnerabilities:
            first = self._about.setdefault(cve, path)
            if first != path:
                # Added up, an older "not affected" would clear what the newer one says.
                raise CorruptData(f"it is about {cve}, and so is {first}; a feed says it once")
        self.newest = max(self.newest, document.revision)
        self.documents += 1
        self.skipped["deleted"] += document.deleted
        for key, count in document.skipped.items():
            self.skipped[key] += count
        for cve, rows in document.vulnerabilities:
            if rows or not self.names:
                self.writer.add(path, document.revision, cve, rows)


def _content_digest(contents: t.Mapping[str, str]) -> str:
    return _digest(*(f"{path} {digest}" for path, digest in sorted(contents.items())))


def _is_document(path: str) -> bool:
    return path.endswith(".json") and not any(part.startswith(".") for part in path.split("/"))


class _Feed(t.Protocol):
    """A source of documents. ``label``: first part of the serial. ``total``: number of documents, 0 when unknown."""

    label: str
    total: int

    def fingerprint(self) -> str:
        """Equal as long as the feed is the same."""

    def deletions_since(self, moment: str) -> set[str]:
        """Names of documents that the vendor took back after a time (RFC 3339); none where the source does not tell."""

    def read(self, build: _Build) -> None:
        """Give every document to the build."""


def _local(source: str) -> Path:
    if source.lower().startswith("file://"):
        parts = split_url(source)
        if parts.netloc not in ("", "localhost"):
            raise InputError(f"{source} names the host {parts.netloc}; a file URL is file:///path")
        return Path(urllib.request.url2pathname(parts.path))
    return Path(source)


def _open_feed(source: str, access: Access | None, work: Path, tick: t.Callable[[], None]) -> _Feed:
    if is_url(source) and not source.lower().startswith("file://"):
        return _UrlFeed(source, Client(access, tick=tick), work, tick)
    path = _local(source)
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
                self.paths.extend((inner / name).as_posix() for name in files if _is_document(name))
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
        return "folder " + _content_digest(contents)

    def deletions_since(self, moment: str) -> set[str]:
        return set()

    def read(self, build: _Build) -> None:
        for path in self.paths:
            build.take(path, self.content(path))

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

    def read(self, build: _Build, replaced: t.Container[str] = ()) -> None:
        def wanted(path: str) -> bool:
            return _is_document(path) and "/".join(path.split("/")[-2:]) not in replaced

        read_archive(str(self.path), wanted, build.take, member_limit=DOCUMENT_LIMIT)


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
        return _digest("url", shown_url(self.url), *marks, overlay)

    def deletions_since(self, moment: str) -> set[str]:
        return {path.rpartition("/")[2] for path, deleted in self.deletions.items() if deleted > moment}

    def _archive(self) -> _ArchiveFeed:
        if self.fetched is None:
            path = self.work / "archive"
            with path.open("w+b") as target:
                self.client.fetch(self.url, target, limit=ARCHIVE_LIMIT)
            self.fetched = _ArchiveFeed(path, self.tick, self.label)
        return self.fetched

    def read(self, build: _Build) -> None:
        replaced = self.deleted | set(self.changed)
        self._archive().read(build, replaced)
        for path in sorted(self.changed):
            try:
                data: bytes | None = self.client.read(self._member(path), limit=DOCUMENT_LIMIT)
            except LimitExceeded:
                data = None
            build.take(path, data)
