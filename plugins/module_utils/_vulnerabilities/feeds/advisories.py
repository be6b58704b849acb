# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where advisories come from: OSV records in a folder, an archive or a zip, and ``updateinfo.xml`` of repositories."""

from __future__ import annotations

import io
import os
import re
import typing as t
import urllib.parse
import zipfile
import zlib
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded
from ..._images.limits import GIB, Budget, Limits
from ..documents.osv import RECORD_LIMIT
from ..documents.updateinfo import split
from .archives import unpack_file
from .digests import content_digest, digest_of
from .downloads import FeedClient, Transfer, is_url, local_path, shown_url, split_url
from .layout import is_document
from .repodata import CHECKSUMS, ListedFile, PrimaryReader, read_repomd
from .sites import ARCHIVE_LIMIT
from .sources import Feed, folders_in, listing_of, open_feed
from .sync import DocumentSink, KnownFeed

if t.TYPE_CHECKING:
    from ..._images.access import Access

REPOSITORIES_LIMIT = 1000  # below one folder
REPOMD_LIMIT = 4 << 20
UPDATEINFO_LIMIT = 2 * GIB  # compressed; the largest published ones have some 20 MB
#: Updateinfo expands some 20 times.
LIMITS = Limits(uncompressed=32 * GIB, expansion=400, expansion_free=GIB, entries=2_000_000, seconds=3600.0)
#: Bytes of a zip's list of members, which is read as a whole: some 500,000 members.
_DIRECTORY_LIMIT = 64 << 20
_UPDATEINFO = re.compile(r"(?:.*[-.])?updateinfo\.xml(?:\.(?:gz|xz|zst))?")
_REPOMD = "repodata/repomd.xml"
_STEP = 1 << 18


def open_records(source: str, access: Access | None, work: Path, tick: t.Callable[[], None], **options: t.Any) -> Feed:
    """A feed of OSV records: a folder or tar of them, or the zip that osv.dev serves, here or behind a URL.

    ``options``: those of ``open_feed``.
    """
    if is_url(source) and not source.lower().startswith("file://"):
        if _is_zip(source):
            return _ZipFeed(_Remote(source, FeedClient(access, tick=tick), work / "records.zip"), tick)
    elif (path := local_path(source)).is_file() and _begins(path, b"PK"):
        return _ZipFeed(_Local(path), tick)
    return open_feed(source, access, work, tick, **options)


def listing_of_records(url: str) -> str:
    """As ``listing_of``; a zip is a feed, too."""
    return "" if _is_zip(url) else listing_of(url)


def listing_of_repository(url: str) -> str:
    """The URL of the ``repomd.xml`` of a repository; empty where the URL names an updateinfo."""
    parts = split_url(url)
    if _UPDATEINFO.fullmatch(parts.path.rpartition("/")[2]):
        return ""
    folder = parts.path.rstrip("/").removesuffix(f"/{_REPOMD}")
    return urllib.parse.urlunsplit(parts._replace(path=f"{folder}/{_REPOMD}"))


def _is_zip(url: str) -> bool:
    return split_url(url).path.lower().endswith(".zip")


def open_repositories(
    source: str,
    access: Access | None,
    work: Path,
    tick: t.Callable[[], None],
    *,
    known_feed: KnownFeed | None = None,
    **_options: t.Any,
) -> Feed:
    """A feed of ``updateinfo.xml``: one file, a repository (with ``repodata``), or a folder with several.

    ``source``: a path, or URLs with blanks between them: a distribution is spread over several repositories, and what
    is left out of them looks like what has no advisory. The names of all packages of the repositories are remembered
    for that (``Feed.state``, ``package_names``). ``known_feed``: what is in the index. Other options of ``open_feed``
    are accepted and change nothing.
    """
    state = dict(known_feed.state) if known_feed is not None else {}
    if is_url(source) and not source.lower().startswith("file://"):
        client = FeedClient(access, tick=tick)
        files: list[_Repository] = []
        urls = list(dict.fromkeys(source.split()))
        for number, url in enumerate(urls):
            repository = _remote(url, client, work / f"repository-{number}")
            files.append(repository if len(urls) > 1 else repository._replace(prefix=""))
        return _RepositoriesFeed(files, tick, state)
    path = local_path(source)
    if path.is_file():
        if path.name == "repomd.xml":
            path = path.parent.parent
        else:
            return _RepositoriesFeed([_Repository("", _Local(path), None)], tick, state)
    if not path.is_dir():
        raise InputError(
            f"there is no feed at {path}; expected an updateinfo.xml, a folder with repodata, or a URL",
            code="feed-not-found",
        )
    return _RepositoriesFeed(list(_repositories_in(path)), tick, state)


def _remote(url: str, client: FeedClient, target: Path) -> _Repository:
    """The repository at a URL, or the updateinfo that the URL names."""
    parts = split_url(url)
    listing = listing_of_repository(url)
    if not listing:
        return _Repository(parts.path.strip("/"), _Remote(url, client, target), None)
    folder = split_url(listing).path.removesuffix(_REPOMD)
    base = urllib.parse.urlunsplit(parts._replace(path=folder))
    listed = read_repomd(client.read(listing, limit=REPOMD_LIMIT), shown_url(base))
    updateinfo, primary = (
        _Remote(_below(base, listed_file.path), client, target.with_name(f"{target.name}-{number}"), listed_file)
        for number, listed_file in enumerate(listed)
    )
    return _Repository(folder.strip("/"), updateinfo, primary)


def _below(base: str, path: str) -> str:
    parts = split_url(base)
    return urllib.parse.urlunsplit(parts._replace(path=parts.path + urllib.parse.quote(path)))


def _begins(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(start)) == start
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


class _File(t.Protocol):
    """A file, here or behind a URL. ``shown``: its name in messages. ``label``: a short one for the serial."""

    shown: str
    label: str

    def mark(self, tick: t.Callable[[], None]) -> str:
        """Equal as long as the file is the same."""

    def path(self, tick: t.Callable[[], None]) -> Path:
        """The file, here and checked."""


class _Repository(t.NamedTuple):
    """A repository: its advisories and, where it is one and not a file alone, the list of its packages."""

    prefix: str
    updateinfo: _File
    primary: _File | None


class _Local:
    def __init__(self, path: Path, listed: ListedFile | None = None) -> None:
        self.shown = str(path)
        self.label = path.name
        self._path = path
        self._listed = listed

    def mark(self, tick: t.Callable[[], None]) -> str:
        # A copy may have a new list beside a file of yesterday, which is then no feed that did not change.
        _check(self._path, self._listed, self.shown, tick)
        return _digest(self._path, "sha256", tick) if self._listed is None else self._listed.checksum

    def path(self, tick: t.Callable[[], None]) -> Path:
        _check(self._path, self._listed, self.shown, tick)
        return self._path


class _Remote:
    """Fetched when it is read, so that an unchanged one costs one request."""

    def __init__(self, url: str, client: FeedClient, target: Path, listed: ListedFile | None = None) -> None:
        self.shown = shown_url(url)
        self.label = split_url(url).path.rpartition("/")[2]
        self._url = url
        self._client = client
        self._target = target
        self._listed = listed
        self._fetched = False

    def mark(self, tick: t.Callable[[], None]) -> str:
        if self._listed is not None:
            return f"{self.shown} {self._listed.checksum}"
        headers = self._client.head(self._url)
        marks = [headers.get(key, "") for key in ("etag", "last-modified", "content-length")]
        if marks[0] or marks[1]:
            return " ".join([self.shown, *marks])
        return _digest(self.path(tick), "sha256", tick)

    def path(self, tick: t.Callable[[], None]) -> Path:
        if not self._fetched:
            limit = UPDATEINFO_LIMIT if self._listed is not None else ARCHIVE_LIMIT
            with self._target.open("w+b") as target:
                self._client.fetch(self._url, Transfer(target, limit))
            _check(self._target, self._listed, self.shown, tick)
            self._fetched = True
        return self._target


def _digest(path: Path, kind: str, tick: t.Callable[[], None]) -> str:
    digest = CHECKSUMS[kind]()
    try:
        with path.open("rb") as stream:
            while data := stream.read(_STEP):
                tick()
                digest.update(data)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def _check(path: Path, listed: ListedFile | None, shown: str, tick: t.Callable[[], None]) -> None:
    if listed is not None and _digest(path, listed.kind, tick) != listed.checksum:
        raise CorruptData(
            f"{shown} does not have the checksum that repomd.xml names: it is damaged, cut, or of another time",
            code="feed-damaged",
            hint="fetch the repository's metadata again, repomd.xml first",
        )


# -- repositories --


def _repositories_in(root: Path) -> t.Iterator[_Repository]:
    """The repositories at and below a folder; without one, files named like updateinfo."""
    repositories: list[_Repository] = []
    loose: list[_Repository] = []

    def fail(error: OSError) -> t.NoReturn:
        raise InputError(f"the folder {error.filename or root} cannot be read: {error.strerror or error}") from error

    for folder, folders, files in os.walk(root, onerror=fail):
        folders[:] = folders_in(root, Path(folder), folders)
        inner = Path(folder).relative_to(root)
        if inner.name == "repodata" or (not inner.parts and root.name == "repodata"):
            if "repomd.xml" in files:
                repositories.append(_repository_of(Path(folder), inner))
            folders.clear()
        else:
            loose += _loose_in(Path(folder), inner, files)
        if len(repositories) + len(loose) > REPOSITORIES_LIMIT:
            raise LimitExceeded(f"the folder {root} has more than {REPOSITORIES_LIMIT} repositories")
    if not repositories and not loose:
        raise InputError(
            f"there is neither a repository (repodata/repomd.xml) nor an updateinfo.xml in {root}",
            code="feed-not-found",
        )
    yield from repositories or loose


def _loose_in(folder: Path, inner: Path, files: t.Iterable[str]) -> list[_Repository]:
    return [
        _Repository((inner / name[: name.rindex(".xml")]).as_posix(), _Local(folder / name), None)
        for name in sorted(files)
        if _UPDATEINFO.fullmatch(name)
    ]


def _repository_of(repodata: Path, inner: Path) -> _Repository:
    """The repository of a folder ``repodata``. ``inner``: the same folder, from where the search began."""
    base = repodata.parent
    prefix = inner.parent.as_posix() if inner.parts else ""
    listed = read_repomd(_small(repodata / "repomd.xml"), str(base))
    updateinfo, primary = (_Local(base / listed_file.path, listed_file) for listed_file in listed)
    return _Repository(prefix.strip("."), updateinfo, primary)


def _small(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(REPOMD_LIMIT + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > REPOMD_LIMIT:
        raise LimitExceeded(f"{path} has more than {REPOMD_LIMIT} bytes")
    return data


class _RepositoriesFeed:
    """Each advisory of each repository is a document: ``<repository>/<advisory>``."""

    total = 0

    def __init__(
        self, repositories: t.Sequence[_Repository], tick: t.Callable[[], None], state: dict[str, t.Any]
    ) -> None:
        self._repositories = repositories
        places: dict[str, str] = {}
        for prefix, updateinfo, _primary in repositories:
            if prefix in places:  # One would stand for both.
                raise InputError(
                    f"two of the repositories have the same path: {places[prefix]} and {updateinfo.shown}",
                    hint="leave one of them out, or read them from folders of different names",
                )
            places[prefix] = updateinfo.shown
        self._tick = tick
        self.label = "updateinfo"
        self.state = state

    def fingerprint(self) -> str:
        marks: dict[str, str] = {}
        for prefix, *files in self._repositories:
            marks[prefix] = " ".join(file.mark(self._tick) for file in files if file is not None)
        return "updateinfo " + content_digest(marks)

    def deletions_since(self, moment: str) -> set[str]:
        return set()

    def read(self, sink: DocumentSink) -> None:
        number = 0
        names: set[str] = set()
        for prefix, file, primary in self._repositories:
            for identity, data in split(unpack_file(str(file.path(self._tick)), LIMITS), file.shown):
                sink.take(f"{prefix}/{identity}" if prefix else identity, data)
                number += 1
            if primary is not None:
                chunks = unpack_file(str(primary.path(self._tick)), LIMITS)
                names |= PrimaryReader(primary.shown).read(self._ticking(chunks))
        if not number:
            shown = ", ".join(repository.updateinfo.shown for repository in self._repositories[:3])
            raise CorruptData(f"there is no advisory at all in {shown}", code="feed-empty")
        whole = all(repository.primary is not None for repository in self._repositories)
        self.state = {"package_names": sorted(names)} if whole else {}

    def _ticking(self, chunks: t.Iterable[bytes]) -> t.Iterator[bytes]:
        for chunk in chunks:
            self._tick()
            yield chunk


# -- records --


class _ZipFeed:
    """A zip of OSV records. Members are read one after the other, each bounded and checked by its CRC."""

    total = 0

    def __init__(self, file: _File, tick: t.Callable[[], None]) -> None:
        self._file = file
        self._tick = tick
        self.state: dict[str, t.Any] = {}
        self.label = re.sub(r"[^A-Za-z0-9._-]", "-", self._file.label.removesuffix(".zip"))[:100] or "zip"

    def fingerprint(self) -> str:
        return digest_of("zip", self._file.mark(self._tick))

    def deletions_since(self, moment: str) -> set[str]:
        return set()

    def read(self, sink: DocumentSink) -> None:
        path = self._file.path(self._tick)
        budget = Budget(LIMITS)
        shown = self._file.shown
        try:
            _check_end(path, shown)
            with _Bounded(io.FileIO(path), shown) as stream, zipfile.ZipFile(stream) as archive:
                for member in archive.infolist():
                    budget.add_entries(1)
                    if not member.is_dir() and is_document(member.filename):
                        sink.take(member.filename, _content(archive, member, budget))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
            raise CorruptData(f"the archive {shown} is damaged: {str(error)[:200]}", code="feed-damaged") from error
        except OSError as error:
            raise InputError(f"the archive {shown} cannot be read: {error.strerror or error}") from error


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: Budget) -> bytes | None:
    """A member; None for one that is too large. What the directory says of its size is not believed."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Of the others, zipfile unpacks whatever a step of input expands to.
        raise CorruptData(
            f"{ascii(member.filename)[:200]} is packed with the method {member.compress_type} of zip; expected deflate",
            code="feed-damaged",
        )
    parts: list[bytes] = []
    size = 0
    budget.add_bytes(member.compress_size, 0)
    with archive.open(member) as stream:
        while data := stream.read(_STEP):
            size += len(data)
            budget.add_bytes(0, len(data))
            if size > RECORD_LIMIT:
                return None
            parts.append(data)
    return b"".join(parts)


class _Bounded(io.BufferedReader):
    """A zip for ``zipfile``, which reads at once whatever size the list of members is said to have, and in which of
    several places that is said depends on Python's version.
    """

    def __init__(self, raw: io.FileIO, shown: str) -> None:
        super().__init__(raw)
        self._shown = shown

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _DIRECTORY_LIMIT:
            raise LimitExceeded(f"the list of members of {self._shown} has more than {_DIRECTORY_LIMIT} bytes")
        return super().read(size)


def _check_end(path: Path, shown: str) -> None:
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - (1 << 16) - 22))
        tail = stream.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        raise CorruptData(f"the archive {shown} is cut: the end of the zip is missing", code="feed-truncated")
