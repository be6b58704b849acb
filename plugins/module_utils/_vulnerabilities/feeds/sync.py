# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feed in the vendor's layout, on a server or in a folder, and what an index lacks of it.

::

    archive_latest.txt          names the newest archive: csaf_vex_2026-08-20.tar.zst
    csaf_vex_2026-08-20.tar.zst all documents as of that day
    changes.csv                 "2026/cve-2026-1234.json","2026-08-21T10:11:12+00:00", the newest first
    deletions.csv               the same for documents that were taken back
    2026/cve-2026-1234.json     the documents as they are now, each perhaps with a signature, .json.asc
    repository-to-cpe.json      perhaps

First the archive is read, and what changed since; later only what changed, as long as the list of changes reaches back
far enough. Nothing of this is taken on trust: the list may lag behind the documents, documents behind the list, and a
mirror behind everything, so that each comparison has some hours of overlap and what seems to go back is refused.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime
import email.utils
import hashlib
import io
import re
import secrets
import typing as t
import urllib.parse
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from ..._core.times import parse_time, utc_text
from ..documents.csaf_vex import DOCUMENT_LIMIT
from .archives import read_archive
from .downloads import FeedClient, Fetched, FetchError, Transfer, shown_url, split_url
from .repository_map import REPOSITORY_MAP, REPOSITORY_MAP_LIMIT
from .signatures import SIGNATURE_LIMIT, SUFFIX
from .spool import DocumentSpool, KeptArchive

ARCHIVE_LIMIT = 16 << 30
CHANGES_LIMIT = 32 << 20  # some 600,000 rows
LINE_LIMIT = 4096  # characters of a line of such a list
#: Documents fetched one by one after the archive. The vendor makes a new archive long before that.
CHANGED_LIMIT = 20_000
#: So many documents, one by one, take as long as an archive.
ARCHIVE_WORTH = 2_000
#: So many documents of the list may be in neither the archive nor the list of deletions.
MISSING_LIMIT = 500
#: How far lists, documents and archives may lag behind each other.
OVERLAP = datetime.timedelta(hours=6)
#: A time further ahead is a mistake.
AHEAD = datetime.timedelta(days=1)
_ASKED_AGAIN = 3  # times, when a document ends in the middle
_NONE = "none"  # stands for the ETag of a list that the feed does not have

ARCHIVE_LATEST = "archive_latest.txt"
CHANGES, DELETIONS = "changes.csv", "deletions.csv"
ARCHIVE_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,200}?)(?:\.tar(?:\.(?:zst|gz|xz))?|\.tgz|\.txz)")
_ROW_PATH = re.compile(r"[0-9]{4}/[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.json")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class KnownDocument(t.NamedTuple):
    """State of a document in an index. ``stamp``: its time in the list of changes. ``good``: it could be read."""

    sha256: str
    stamp: str
    good: bool


@dataclasses.dataclass(frozen=True)
class KnownFeed:
    """State of a feed in an index. ``state``: ``SyncedFeed.state`` of that time.

    ``usable``: whether the index can be updated, and need not be built anew.
    """

    documents: t.Mapping[str, KnownDocument]
    state: t.Mapping[str, t.Any]
    usable: bool


class DocumentSink(t.Protocol):
    """Takes a feed's documents, each once."""

    def take(self, path: str, data: bytes | None, stamp: str = "") -> None:
        """A file; content None: it is too large. ``stamp``: its time in the list of changes."""

    def keep(self, path: str) -> None:
        """A document that the index has, and that is as it was."""

    def archive(self, path: Path, signature: t.Callable[[], bytes | None]) -> contextlib.AbstractContextManager[None]:
        """For the time in which the documents of an archive are given. ``signature``: gets that of the whole."""


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
    kept = spool.kept_archive()
    etag = headers.get("etag", "")
    validator = etag if etag.startswith('"') else headers.get("last-modified", "")
    if kept is None or not validator or (kept.url, kept.validator) != (shown_url(url), validator):
        spool.drop_archive()
        kept = None
    try:
        with spool.archive.open("r+b" if kept else "w+b") as target:
            size = target.seek(0, io.SEEK_END)
            if kept is not None and size == kept.length:
                return spool.archive
            transfer = Transfer(
                target,
                ARCHIVE_LIMIT,
                size=size,
                validator=kept.validator if kept else "",
                started=lambda version, length: spool.keep_archive(KeptArchive(shown_url(url), version, length)),
            )
            client.fetch(url, transfer)
            size = transfer.size
    except OSError as error:
        raise ScanError(f"what is fetched cannot be kept: {error.strerror or error}", code="disk-full") from error
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) != size:
        spool.drop_archive()
        raise FetchError(f"{shown_url(url)} cannot be fetched: it has {size} bytes, {announced} were announced")
    return spool.archive


class SyncedFeed:
    """Documents of a feed in the vendor's layout that an index lacks; a Feed.

    ``label``: name of the newest archive. ``partial``: the archive is not needed, since the index has what is in it.

    ``now``: time of this check, RFC 3339. ``known``: what the index has, if there is one.
    Raises FetchError, CorruptData (``feed-damaged``, ``feed-older``) or another ScanError.
    """

    def __init__(
        self,
        site: Site,
        known: KnownFeed | None,
        now: str,
        *,
        spool: DocumentSpool | None = None,
        tick: t.Callable[[], None] = lambda: None,
        with_map: bool = True,
    ) -> None:
        self._site = site
        self._spool = spool
        self._names = (CHANGES, DELETIONS, *([REPOSITORY_MAP] if with_map and site.has_map else []))
        self._with_map = with_map
        self._map: bytes | None = None
        self._tick = tick
        self._now = now
        self._documents = known.documents if known else {}
        self._old: dict[str, t.Any] = dict(known.state) if known else {}
        if known is not None and not (known.usable and self._old.get("source") == site.shown("")):
            # Another mirror has its own ETags, and may lag; only its times can be compared.
            self._old = {"through": self._old.get("through", ""), "label": self._old.get("label", "")}
        self._young: dict[str, str] = self._old.get("young", {})
        self.total = 0
        self.partial = False
        self._changes: dict[str, str] = {}
        self._deletions: dict[str, str] = {}
        self._fetch: dict[str, str] = {}
        self._changed: t.Container[str] = ()
        self._gone: set[str] = set()
        #: Documents that the list has and that are nowhere else.
        self.nowhere: set[str] = set()
        self.label, self._archive = self._latest()
        self._check_label()
        self._headers = site.head(self._archive)
        self._since = utc_text(self._made() - OVERLAP)
        self.state: dict[str, t.Any] = {
            "source": site.shown(""),
            "label": self.label,
            "archive": [self.label, *marks_of(self._headers)],
            "base": self._old.get("base"),
            "since": self._old.get("since", ""),
            "through": self._old.get("through", ""),
            "map": self._old.get("map", ""),
            "listed": self._old.get("listed", 0),
            "etags": {},
        }
        self._compare()
        self.state["fingerprint"] = self._fingerprint()

    # -- what there is --

    def _latest(self) -> tuple[str, str]:
        try:
            data = self._site.read(ARCHIVE_LATEST, limit=4096).data or b""
        except FetchError as error:
            if error.status == 404:
                error.hint = "give the address of an archive (.tar, .tar.zst, .tar.gz, .tar.xz) or of such a feed"
            raise
        name = data.decode("ascii", "replace").strip()
        match = ARCHIVE_NAME.fullmatch(name)
        if match is None:
            raise CorruptData(
                f"{self._site.shown(ARCHIVE_LATEST)} says {name[:80]!r}; expected the name of an archive",
                code="feed-damaged",
            )
        return match[1], name

    def _check_label(self) -> None:
        old, new = _DATE.search(self._old.get("label", "")), _DATE.search(self.label)
        if old and new and new[0] < old[0]:
            raise CorruptData(
                f"the feed {self._site.shown('')} is older than the index: its newest archive is {self.label}, the"
                f" index has {self._old['label']}",
                code="feed-older",
                hint="fetch the feed again, or delete the index to build it from this feed all the same",
            )

    def _made(self) -> datetime.datetime:
        """When the archive was made, or a little earlier.

        A mirror's copy says when it was copied; what changed between the two would be nowhere. So the day in the name
        counts from its first moment, unless the server says earlier.
        """
        made = None
        with contextlib.suppress(TypeError, ValueError, IndexError):
            made = email.utils.parsedate_to_datetime(self._headers.get("last-modified", ""))
            made = made if made.tzinfo else made.replace(tzinfo=datetime.timezone.utc)
        date = _DATE.search(self.label)
        named = parse_time(f"{date[0]}T00:00:00Z", f"the date of {self.label}") if date else made
        if named is None:
            raise CorruptData(
                f"nothing tells when the archive {self._site.shown(self._archive)} was made", code="feed-damaged"
            )
        return min(named, made) if made else named

    def _lists(self) -> dict[str, bytes] | None:
        """The lists of changes and deletions, and the map; None where they, and the archive, are as they were."""
        same = self._is_archive(self._old.get("archive")) and not self._lacks_map()
        old: t.Mapping[str, str] = self._old.get("etags", {}) if same else {}
        found = {name: self._list(name, old.get(name, "")) for name in self._names}
        if all(one.data is None for one in found.values()):
            self.state["etags"] = old
            return None
        found = {name: self._list(name, "") if one.data is None else one for name, one in found.items()}
        self.state["etags"] = {name: one.etag for name, one in found.items()}
        return {name: one.data or b"" for name, one in found.items()}

    def _list(self, name: str, etag: str) -> Fetched:
        limit = REPOSITORY_MAP_LIMIT if name == REPOSITORY_MAP else CHANGES_LIMIT
        try:
            return self._site.read(name, "" if etag == _NONE else etag, limit=limit)
        except FetchError as error:
            if error.status == 404:
                return Fetched(None if etag == _NONE else b"", _NONE)
            raise

    def _is_archive(self, other: object) -> bool:
        """Return whether the archive is the one that was seen at another time; never where nothing tells that."""
        return len(self.state["archive"]) > 1 and self.state["archive"] == other

    # -- what is to be done --

    def _compare(self) -> None:
        lists = self._lists()
        if lists is None:
            self.partial = True
            self._fetch = self._again()
            self._note_young(self._young)
            if self._fetch and REPOSITORY_MAP in self._names:
                self._map = self._list(REPOSITORY_MAP, "").data or None
            self.total = len(self._documents)
            return
        changes = self._changes = read_rows(lists[CHANGES], self._site.shown(CHANGES), self._tick)
        deletions = self._deletions = read_rows(lists[DELETIONS], self._site.shown(DELETIONS), self._tick)
        self._check_through()
        self._map = lists.get(REPOSITORY_MAP) or None
        alive = listed(changes, deletions)
        self.state["listed"] = len(alive)
        self._note_young(alive)
        base: str = self._old.get("since", "")
        none = KnownDocument("", "", False)
        changed = {
            path: stamp
            for path, stamp in alive.items()
            if stamp > base and stamp != self._documents.get(path, none).stamp
        }
        after = {path: stamp for path, stamp in alive.items() if stamp > self._since}
        self.partial = self._reaches_back() and self._has_map() and len(changed) <= len(after) + ARCHIVE_WORTH
        if self.partial and self._site.copied and not self._is_archive(self._old["base"]):
            # A copy may have what changed in its new archive alone.
            self.partial = all(self._is_copied(path) for path in {**self._again(), **changed})
        self._changed = frozenset(changed) if self.partial else frozenset()
        if self.partial:
            self._gone = {
                path
                for path, stamp in deletions.items()
                if path not in alive and stamp > base and stamp >= self._documents.get(path, none).stamp
            }
            fetch = {**self._again(), **changed}
            self._fetch = {path: stamp for path, stamp in fetch.items() if path not in self._gone}
            self.total = len(self._documents.keys() | self._fetch.keys())
        else:
            self._fetch = after
            self._gone = {path for path, stamp in deletions.items() if path not in alive and stamp > self._since}
            self.state["base"], self.state["since"] = self.state["archive"], self._since
            self.state["map"] = "beside" if self._map else ""
        if len(self._fetch) > CHANGED_LIMIT:
            raise LimitExceeded(
                f"{len(self._fetch)} documents of {self._site.shown('')} changed after its newest archive; at most"
                f" {CHANGED_LIMIT} are fetched one by one",
                hint="wait for the next archive, which the vendor makes every day",
            )

    def _note_young(self, stamps: t.Mapping[str, str]) -> None:
        self.state["young"] = {path: stamp for path, stamp in stamps.items() if self._is_young(stamp, self._now)}

    def _has_map(self) -> bool:
        """Return whether the map is to be had without the archive, if there was one."""
        return not self._with_map or self._old.get("map", "") == ("beside" if self._map else "")

    def _lacks_map(self) -> bool:
        """Return whether the feed's map is wanted, and the index has another one that was given instead."""
        return self._with_map and "given_map" in self._old

    def _fingerprint(self) -> str:
        if self.partial and not self._fetch and not self._gone and not self._map and self.label == self._old["label"]:
            return str(self._old["fingerprint"])
        return secrets.token_hex(16)  # like no other

    def fingerprint(self) -> str:
        """That of the index, as long as nothing happened since."""
        return str(self.state["fingerprint"])

    def _check_through(self) -> None:
        """Refuse lists that are older than those that were read before: they would hide what is known by now."""
        ahead = utc_text(parse_time(self._now, "now") + AHEAD)
        times = (*self._changes.values(), *self._deletions.values())
        if not times:
            return  # Then only an archive counts, and what was read of it before.
        through = max((stamp for stamp in times if stamp <= ahead), default="")
        if through < self._old.get("through", ""):
            raise CorruptData(
                f"the feed {self._site.shown('')} is older than the index: its newest change is of"
                f" {through or 'no time'}, the index has those up to {self._old['through']}",
                code="feed-older",
                hint="fetch the feed again, or delete the index to build it from this feed all the same",
            )
        self.state["through"] = through

    def _reaches_back(self) -> bool:
        """Return whether the changes tell all that happened since the index was made."""
        if not self._old.get("base") or (self._old["through"] and not self._changes):
            return False
        if self._is_archive(self._old["base"]):
            return True
        if not self._changes or len(self.state["archive"]) == 1:
            return False
        before: str = self._old["since"]
        if self._old["through"]:
            before = max(before, utc_text(parse_time(self._old["through"], "through") - OVERLAP))
        return min(self._changes.values()) <= before and max(self._changes.values()) > self._since

    def _again(self) -> dict[str, str]:
        """Documents that may have been behind their list when they were fetched, and those that could not be read."""
        unread = {
            path: document.stamp
            for path, document in self._documents.items()
            if not document.good and _ROW_PATH.fullmatch(path)
        }
        young = {path: stamp for path, stamp in self._young.items() if path in self._documents}
        return {**unread, **young}

    def _is_young(self, stamp: str, moment: str) -> bool:
        """Return whether a document may have been behind its row in the list at a moment."""
        return stamp > utc_text(parse_time(moment, "now") - OVERLAP)

    # -- what it says --

    def deletions_since(self, _moment: str) -> set[str]:
        """Names of documents that the vendor took back since the index was made."""
        # As the lists tell it of what the index has, whatever the time: a list that lags has late news of old times.
        told = self._deletions.keys() & self._documents.keys()
        return {path.rpartition("/")[2] for path in told if self._deletions[path] >= self._changes.get(path, "")}

    def read(self, sink: DocumentSink) -> None:
        """Give every document to ``sink``, or say that it is as the index has it."""
        if self._map:
            sink.take(REPOSITORY_MAP, self._map)
        if self.partial:
            there = {path for path, stamp in self._fetch.items() if self._is_there(path, stamp)}
            for path in self._documents.keys() - there - self._gone:
                sink.keep(path)
            seen = set(self._documents)
        else:
            archive = self._site.fetch_archive(self._archive, self._headers, self._spool)
            there = {path for path, stamp in self._fetch.items() if self._is_there(path, stamp)}
            seen = self._read_archive(archive, there | self._gone, sink)
            there |= self._missing(seen | there)
        for path in sorted(there):
            stamp = self._stamp(path)
            sink.take(path, self._document(path, stamp), stamp)

    def _stamp(self, path: str) -> str:
        known = self._documents.get(path)
        return self._changes.get(path) or self._young.get(path) or (known.stamp if known else "")

    def _read_archive(self, archive: Path, replaced: t.Container[str], sink: DocumentSink) -> set[str]:
        """Take what is in the archive and in no better place; gives the paths of all that is in it."""
        seen: set[str] = set()

        def wanted(name: str) -> bool:
            if not is_document(name) or (name.rpartition("/")[2] == REPOSITORY_MAP and self._map):
                return False
            seen.add(short(name))
            return short(name) not in replaced

        def take(name: str, data: bytes | None) -> None:
            if name.rpartition("/")[2] == REPOSITORY_MAP:
                self.state["map"] = "archive"
            path = short(name)
            sink.take(path, data, self._changes.get(path, ""))

        try:
            with sink.archive(archive, self.signature):
                read_archive(str(archive), wanted, take, member_limit=DOCUMENT_LIMIT)
        except (CorruptData, LimitExceeded):
            if self._spool is not None:
                self._spool.drop_archive()
            raise
        return seen

    def _missing(self, seen: t.Container[str]) -> set[str]:
        """Documents that the list has and the archive lacks, though it is younger; those that are still to be had."""
        missing = [
            path for path, stamp in self._changes.items() if path not in seen and stamp > self._deletions.get(path, "")
        ]
        if len(missing) > MISSING_LIMIT:
            raise CorruptData(
                f"the archive {self._site.shown(self._archive)} lacks {len(missing)} documents that"
                f" {self._site.shown(CHANGES)} has, the first: {missing[0]}",
                code="feed-damaged",
            )
        found = {path for path in missing if self._is_there(path, self._changes[path])}
        self.nowhere = set(missing) - found
        if self.nowhere and self._site.copied:
            raise CorruptData(
                f"{len(self.nowhere)} documents that {self._site.shown(CHANGES)} has are neither in the archive"
                f" {self._site.shown(self._archive)} nor beside it, the first: {min(self.nowhere)}",
                code="feed-damaged",
                hint="copy them, too; take those that the vendor's server does not have, either, out of the list",
            )
        return found

    def _is_copied(self, path: str) -> bool:
        """Return whether a document lies in a copy as a file."""
        try:
            self._site.head(path)
        except FetchError as error:
            if error.status == 404:
                return False
            raise
        return True

    def signature(self) -> bytes | None:
        """The detached signature of the archive; None where there is none."""
        try:
            return self._site.read(f"{self._archive}{SUFFIX}", limit=SIGNATURE_LIMIT).data
        except FetchError as error:
            if error.status in (403, 404):  # some servers refuse what is not there
                return None
            raise

    def _is_there(self, path: str, stamp: str) -> bool:
        try:
            self._document(path, stamp)
        except _DocumentGone:
            return False
        return True

    def _document(self, path: str, stamp: str) -> bytes | None:
        """A document; _Gone where there is none and what is known of it stands."""
        kept = self._spool.document(path, stamp) if self._spool is not None else None
        # One that may have been behind the list when it was kept, and would not be looked at again, does not count.
        if kept is not None and (self._is_young(stamp, self._now) or not self._is_young(stamp, kept[1])):
            return kept[0]
        try:
            data = self._whole(path)
        except LimitExceeded:
            return None
        except FetchError as error:
            if error.status != 404:
                raise
            if self.partial:
                known = path in self._documents and not (self._site.copied and path in self._changed)
            else:
                known = stamp <= utc_text(self._made())
            if known:
                raise _DocumentGone(path)
            raise
        if self._spool is not None:
            self._spool.keep(path, stamp, self._now, data)
        return data

    def _whole(self, path: str) -> bytes:
        """A document; where it ends in the middle it is asked for again, and given as it is in the end."""
        data = b""
        for _attempt in range(_ASKED_AGAIN):
            self._tick()
            data = self._site.read(path, limit=DOCUMENT_LIMIT).data or b""
            if data.rstrip().endswith(b"}"):
                break
        return data


class _DocumentGone(Exception):
    """A document that is not there, which is not a reason to stop."""


def short(path: str) -> str:
    """Path of a document as the lists write it."""
    found = "/".join(path.split("/")[-2:])
    return found if _ROW_PATH.fullmatch(found) else path


def is_document(path: str) -> bool:
    """Return whether a file of a feed is a document, by its path."""
    return path.endswith(".json") and not any(part.startswith(".") for part in path.split("/"))


def read_list(site: Site, name: str) -> dict[str, str]:
    """Paths and times (RFC 3339, UTC) of a list of changes; none where there is no such list."""
    try:
        data = site.read(name, limit=CHANGES_LIMIT).data or b""
    except FetchError as error:
        if error.status == 404:
            return {}
        raise
    return read_rows(data, site.shown(name))


def listed(changes: t.Mapping[str, str], deletions: t.Mapping[str, str]) -> dict[str, str]:
    """Select the changes that were not taken back since: the maker never shortens the list."""
    return {path: stamp for path, stamp in changes.items() if stamp > deletions.get(path, "")}


def _lines(data: bytes, where: str) -> t.Iterator[str]:
    """The lines of a list, none of them endless."""
    for number, line in enumerate(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""), 1):
        if len(line) > LINE_LIMIT:
            raise CorruptData(f"{where}, line {number}, has more than {LINE_LIMIT} characters", code="feed-damaged")
        yield line


def read_rows(data: bytes, where: str, tick: t.Callable[[], None] = lambda: None) -> dict[str, str]:
    """Paths and times (RFC 3339, UTC) of a list of changes. Raises CorruptData (``feed-damaged``)."""
    found: dict[str, str] = {}
    try:
        for number, row in enumerate(csv.reader(_lines(data, where), strict=True), 1):
            if not row:
                continue
            if len(row) != 2 or not _ROW_PATH.fullmatch(row[0]):
                raise CorruptData(
                    f'{where}, line {number}, is not like "2026/cve-2026-1234.json","<time>"', code="feed-damaged"
                )
            try:
                text = utc_text(row[1], f"{where}, line {number}")
            except CorruptData as error:
                error.code = "feed-damaged"
                raise
            found[row[0]] = max(found.get(row[0], ""), text)
            if not number % 1000:
                tick()
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorruptData(f"{where} is not a CSV file: {error}", code="feed-damaged") from error
    return found
