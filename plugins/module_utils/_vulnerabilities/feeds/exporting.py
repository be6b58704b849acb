# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packing a feed, or a compiled index, into a bundle (see ``bundles``).

A feed is read as for an index, so that a cut archive or lists that contradict it are found where they can be mended,
and what was read is packed in the feed's own layout: the newest archive, the lists, what changed since, signatures.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
import shutil
import typing as t
from pathlib import Path

from ..._core.errors import InputError, LimitExceeded, ScanError
from ..._core.times import utc_text
from ..documents.csaf_vex import may_name
from ..formats.csaf_vex import FORMAT
from ..index.reader import FeedIndex
from ..index.work_folders import work_folder
from .bundles import FILES_LIMIT, INDEX_FILE, BundleManifest, digest_file, is_bundle, read_bundle, write_bundle
from .digests import digest_of
from .downloads import FeedClient, Fetched, FetchError, local_path
from .layout import ARCHIVE_LATEST, ARCHIVE_NAME, CHANGES, DELETIONS, is_document
from .repository_map import REPOSITORY_MAP, REPOSITORY_MAP_LIMIT, read_repository_map
from .signatures import SIGNATURE_LIMIT, SUFFIX, Keys, read_signature
from .sites import FolderSite, HttpSite, Site
from .sources import FolderFeed, shown
from .spool import DocumentSpool
from .sync import SyncedFeed
from .verification import is_remote

if t.TYPE_CHECKING:
    from ..._images.access import Access

#: Where a bundle has the key that came with it. It is for people; an import takes its keys from its user alone.
KEY_FILE = "signature-key.asc"
_LEVEL = 12  # 19 saves a tenth and takes thirteen times as long


@dataclasses.dataclass(frozen=True)
class Export:
    """Outcome of an export. ``changed``: it has other content than before. ``checksum``: ``sha256:...``, empty when
    nothing was written. ``unsigned``: documents whose signature was wanted and does not exist.
    """

    changed: bool
    manifest: BundleManifest
    checksum: str
    unsigned: int = 0


def export_index(index: str, dest: str, *, tick: t.Callable[[], None], dry_run: bool = False) -> Export:
    """Pack a compiled index. Raises InputError, CorruptData or another ScanError; ``dest`` is then as it was."""
    import zstandard

    with FeedIndex.open(index) as opened, _work(dest, dry_run) as work:
        info = opened.info
        with Path(index).open("rb") as source, (work / INDEX_FILE).open("wb") as target, _room(dest):
            size = source.seek(0, 2)
            source.seek(0)
            compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=-1)
            with compressor.stream_writer(target, size=size, closefd=False) as writer:
                while data := source.read(1 << 20):
                    tick()
                    writer.write(data)
        files = {INDEX_FILE: digest_file(work / INDEX_FILE, tick)}
        manifest = BundleManifest(
            "index", info.format, info.serial, info.newest, info.checked, info.signature_key, files
        )
        return _write(work, manifest, dest, tick, dry_run)


def export_feed(
    source: str,
    dest: str,
    *,
    now: str,
    repository_map: str = "",
    keys: Keys | None = None,
    names: t.Collection[str] = (),
    access: Access | None = None,
    tick: t.Callable[[], None] = lambda: None,
    dry_run: bool = False,
) -> Export:
    """Pack a feed: a URL or a folder in the vendor's layout, a folder of documents, or an archive of them.

    ``names``: packages about which the archive's documents get their signatures along; those of documents that changed
    since are always taken. ``keys``: they are put into the bundle, and checked are the archive and what changed when
    it is imported, not here. Raises as ``export_index``; what was fetched before is kept beside ``dest`` for the next
    attempt.
    """
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(_work(dest, dry_run))
        spool_folder = work / ".spool" if dry_run else Path(dest).absolute().parent / f".{Path(dest).name}.spool"
        spool = stack.enter_context(DocumentSpool(spool_folder, tick))
        packing = _Packing(work, spool, frozenset(names), utc_text(now))
        with _room(dest):
            label, newest = packing.pack(source, access, tick)
            if repository_map:
                packing.add(REPOSITORY_MAP, _map(repository_map, access, tick))
            if keys is not None:
                packing.add(KEY_FILE, keys.public.encode())
        if len(packing.paths) > FILES_LIMIT:
            raise LimitExceeded(
                f"the bundle would have {len(packing.paths)} files; at most {FILES_LIMIT} are packed",
                hint="put the documents into an archive, and export that",
            )
        files = {path: digest_file(work / path, tick) for path in sorted(packing.paths)}
        content = digest_of(*(f"{path} {file.sha256}" for path, file in files.items()))
        manifest = BundleManifest(
            "feed",
            FORMAT.name,
            f"{label}+{newest}+{content[:16]}",
            newest,
            utc_text(now),
            keys.fingerprint if keys else "",
            files,
        )
        result = _write(work, manifest, dest, tick, dry_run)
        spool.remove()
        return dataclasses.replace(result, unsigned=packing.unsigned)


class _Packing:
    """Collects the files of a feed in a folder. It is a Site that notes what is read from another, and a Sink."""

    def __init__(self, work: Path, spool: DocumentSpool, names: frozenset[str], now: str) -> None:
        self.work = work
        self.paths: set[str] = set()
        self.unsigned = 0
        self.has_map = False
        self.copied = False
        self._spool = spool
        self._names = names
        self._now = now
        self._site: Site = FolderSite(work)
        self._signed: dict[str, str] = {}
        self._in_archive = False

    def pack(self, source: str, access: Access | None, tick: t.Callable[[], None]) -> tuple[str, str]:
        """Collect everything. Gives the label of the feed, and the time of its newest change where it tells one."""
        path = Path() if is_remote(source) else local_path(source)
        if not is_remote(source) and not (path / ARCHIVE_LATEST).is_file():
            return self._pack_files(path, tick), ""
        self._site = HttpSite(source, FeedClient(access, tick=tick)) if is_remote(source) else FolderSite(path, tick)
        self.has_map, self.copied = self._site.has_map, self._site.copied
        feed = SyncedFeed(self, None, self._now, spool=self._spool, tick=tick)
        feed.read(self)
        if feed.nowhere:
            self._leave_out(feed.nowhere)
        for document, content in sorted(self._signed.items()):
            tick()
            signature = self._signature(document, content)
            if signature is None:
                self.unsigned += 1
            else:
                self.add(document + SUFFIX, signature)
        return feed.label, str(feed.state["through"])

    def _leave_out(self, nowhere: t.Container[str]) -> None:
        """Take documents that the server does not have off the list of changes: they would be missing in a bundle."""
        text = io.StringIO()
        with (self.work / CHANGES).open(encoding="utf-8", newline="") as rows:
            rows_kept = (row for row in csv.reader(rows) if row and row[0] not in nowhere)
            csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows_kept)
        self.add(CHANGES, text.getvalue().encode())

    def _pack_archive(self, path: Path) -> str:
        match = ARCHIVE_NAME.fullmatch(path.name)
        if match is None or is_bundle(path):
            raise InputError(f"{path} is not an archive of a feed (.tar, .tar.zst, .tar.gz, .tar.xz)")
        for file in (path, path.with_name(path.name + SUFFIX)):
            if file.is_file():
                self._copy(file, file.name)
        return match[1]

    def _pack_files(self, path: Path, tick: t.Callable[[], None]) -> str:
        if path.is_file():
            return self._pack_archive(path)
        if not path.is_dir():
            raise InputError(f"there is no feed at {path}", code="feed-not-found")
        feed = FolderFeed(path, tick)
        for name in feed.paths:
            tick()
            self._copy(path / name, name)
            signature = read_signature(path / (name + SUFFIX))
            if signature is not None:
                self.add(name + SUFFIX, signature)
        if not self.paths:
            raise InputError(f"the folder {path} has no documents", code="feed-empty")
        for name in (CHANGES, DELETIONS):  # without them, what was taken back would be there again
            if (path / name).is_file():
                self._copy(path / name, name)
        return "folder"

    def add(self, name: str, data: bytes) -> None:
        """Put a file into the bundle."""
        target = self.work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self.paths.add(name)

    def _copy(self, source: Path, name: str) -> None:
        target = self.work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, target)
        self.paths.add(name)

    def _signature(self, path: str, content: str) -> bytes | None:
        """That of a document; what an interrupted run has fetched already is not asked for again."""
        spooled = self._spool.document(path + SUFFIX, content)
        if spooled is not None:
            return spooled[0]
        try:
            data = self._site.read(path + SUFFIX, limit=SIGNATURE_LIMIT).data
        except FetchError as error:
            if error.status == 404:
                return None
            raise
        if data is not None:
            self._spool.keep(path + SUFFIX, content, self._now, data)
        return data

    # -- as a Site --

    def shown(self, name: str) -> str:
        return self._site.shown(name)

    def head(self, name: str) -> dict[str, str]:
        return self._site.head(name)

    def read(self, name: str, etag: str = "", *, limit: int) -> Fetched:
        fetched = self._site.read(name, etag, limit=limit)
        if fetched.data is not None and not is_document(name):
            self.add(name, fetched.data)
        return fetched

    def fetch_archive(self, name: str, headers: t.Mapping[str, str], spool: DocumentSpool | None) -> Path:
        archive = self._site.fetch_archive(name, headers, spool)
        self._copy(archive, name)
        return archive

    # -- as a Sink --

    @contextlib.contextmanager
    def archive(self, path: Path, signature: t.Callable[[], bytes | None]) -> t.Iterator[None]:
        signature()  # which reads it, and by that it is packed
        self._in_archive = True
        try:
            yield
        finally:
            self._in_archive = False

    def take(self, path: str, data: bytes | None, stamp: str = "") -> None:
        if data is None:
            raise LimitExceeded(f"the document {path} of the feed is too large")
        if path == REPOSITORY_MAP:
            if not self._in_archive:
                self.add(path, data)
            return
        if not self._in_archive:
            self.add(path, data)
        elif not (self._names and may_name(data, self._names)):
            return
        self._signed[path] = hashlib.sha256(data).hexdigest()

    def keep(self, path: str) -> None:
        raise ScanError(f"the feed does not give {path}, and nothing is known of it")  # it was told so


@contextlib.contextmanager
def _work(dest: str, dry_run: bool) -> t.Iterator[Path]:
    folder = Path(dest).absolute().parent
    if not dry_run and not folder.is_dir():
        raise InputError(f"the folder of the bundle does not exist: {folder}")
    with work_folder(dest, None if dry_run else folder) as work:
        yield Path(work)


@contextlib.contextmanager
def _room(dest: str) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ScanError(
            f"what goes into the bundle {dest} cannot be kept: {error.strerror or error}",
            code="disk-full",
            hint="is there room on the disk?",
        ) from error


def _map(source: str, access: Access | None, tick: t.Callable[[], None]) -> bytes:
    """The content of a repository map, which is one."""
    if is_remote(source):
        data = FeedClient(access, tick=tick).read(source, limit=REPOSITORY_MAP_LIMIT)
    else:
        path = local_path(source)
        data = FolderSite(path.parent).read(path.name, limit=REPOSITORY_MAP_LIMIT).data or b""
    read_repository_map(data, shown(source))
    return data


def _write(work: Path, manifest: BundleManifest, dest: str, tick: t.Callable[[], None], dry_run: bool) -> Export:
    place = Path(dest).absolute()
    old = _old(place, tick)
    changed = old is None or dataclasses.replace(old, checked=manifest.checked) != manifest
    if dry_run:
        return Export(changed, manifest, "")
    if old == manifest:
        return Export(False, manifest, f"sha256:{digest_file(place, tick).sha256}")
    return Export(changed, manifest, write_bundle(work, manifest, place, tick))


def _old(place: Path, tick: t.Callable[[], None]) -> BundleManifest | None:
    """The manifest of the bundle that is there, if it is whole. Raises InputError for a file that is something else."""
    if not place.exists():
        return None
    if not is_bundle(place):
        raise InputError(f"{place} exists and is not a bundle; it is not overwritten")
    try:
        return read_bundle(place, None, tick)
    except InputError:
        raise
    except ScanError:
        return None  # a damaged one of ours is written again
