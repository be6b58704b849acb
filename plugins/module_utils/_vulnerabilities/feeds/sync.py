# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feed in the vendor's layout, on a server or in a folder, and what an index lacks of it.

First the archive is read, and what changed since; later only what changed, as long as the list of changes reaches back
far enough. Nothing of this is taken on trust: the list may lag behind the documents, documents behind the list, and a
mirror behind everything, so that each comparison has some hours of overlap and what seems to go back is refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import secrets
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, LimitExceeded
from ..._core.times import parse_time, utc_text
from ..documents.csaf_vex import DOCUMENT_LIMIT
from .archives import read_archive
from .downloads import Fetched, FetchError
from .layout import (
    CHANGES,
    CHANGES_LIMIT,
    DELETIONS,
    OVERLAP,
    ROW_PATH,
    is_document,
    is_there,
    is_young,
    listed,
    read_rows,
    short,
    whole_document,
)
from .newest_archive import NewestArchive
from .repository_map import REPOSITORY_MAP, REPOSITORY_MAP_LIMIT
from .sites import Site
from .spool import DocumentSpool

#: Documents fetched one by one after the archive. The vendor makes a new archive long before that.
CHANGED_LIMIT = 20_000
#: So many documents, one by one, take as long as an archive.
ARCHIVE_WORTH = 2_000
#: So many documents of the list may be in neither the archive nor the list of deletions.
MISSING_LIMIT = 500
#: A time further ahead is a mistake.
AHEAD = datetime.timedelta(days=1)
_NONE = "none"  # stands for the ETag of a list that the feed does not have


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


class SyncedFeed:
    """Documents of a feed in the vendor's layout that an index lacks; a Feed.

    ``label``: name of the newest archive. ``partial``: the archive is not needed, since the index has what is in it.

    ``now``: time of this check, RFC 3339. ``known_feed``: what the index has, if there is one.
    Raises FetchError, CorruptData (``feed-damaged``, ``feed-older``) or another ScanError.
    """

    def __init__(
        self,
        site: Site,
        known_feed: KnownFeed | None,
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
        self._documents = known_feed.documents if known_feed else {}
        self._old: dict[str, t.Any] = dict(known_feed.state) if known_feed else {}
        if known_feed is not None and not (known_feed.usable and self._old.get("source") == site.shown("")):
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
        self._archive = NewestArchive(site, self._old.get("label", ""))
        self.label = self._archive.label
        self._since = utc_text(self._archive.made() - OVERLAP)
        self.state = _first_state(site, self._archive, self._old)
        self._compare()
        self.state["fingerprint"] = self._fingerprint()

    # -- what there is --

    def _lists(self) -> dict[str, bytes] | None:
        """The lists of changes and deletions, and the map; None where they, and the archive, are as they were."""
        old = self._old_etags()
        fetched = {name: self._list(name, old.get(name, "")) for name in self._names}
        if all(file.data is None for file in fetched.values()):
            self.state["etags"] = old
            return None
        fetched = {name: self._list(name, "") if file.data is None else file for name, file in fetched.items()}
        self.state["etags"] = {name: file.etag for name, file in fetched.items()}
        return {name: file.data or b"" for name, file in fetched.items()}

    def _old_etags(self) -> t.Mapping[str, str]:
        """The versions of the lists that were read, unless the archive is another one or the map is not known."""
        same = self._archive.is_same(self._old.get("archive")) and not self._lacks_map()
        return self._old.get("etags", {}) if same else {}

    def _list(self, name: str, etag: str) -> Fetched:
        limit = REPOSITORY_MAP_LIMIT if name == REPOSITORY_MAP else CHANGES_LIMIT
        try:
            return self._site.read(name, "" if etag == _NONE else etag, limit=limit)
        except FetchError as error:
            if error.status == 404:
                return Fetched(None if etag == _NONE else b"", _NONE)
            raise

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
        self._changes = read_rows(lists[CHANGES], self._site.shown(CHANGES), self._tick)
        self._deletions = read_rows(lists[DELETIONS], self._site.shown(DELETIONS), self._tick)
        self._check_through()
        self._map = lists.get(REPOSITORY_MAP) or None
        self._choose(listed(self._changes, self._deletions))

    def _choose(self, alive: t.Mapping[str, str]) -> None:
        """Choose between single documents that changed and the archive. ``alive``: what the lists say there is."""
        self.state["listed"] = len(alive)
        self._note_young(alive)
        since = self._old.get("since", "")
        changed = {path: stamp for path, stamp in _after(since, alive) if stamp != self._indexed_stamp(path)}
        after = dict(_after(self._since, alive))
        fetch = {**self._again(), **changed}
        self.partial = self._reaches_back() and self._has_map() and len(changed) <= len(after) + ARCHIVE_WORTH
        if self.partial and self._site.copied and not self._archive.is_same(self._old["base"]):
            # A copy may have what changed in its new archive alone.
            self.partial = all(is_there(self._site, path) for path in fetch)
        deleted = {path: stamp for path, stamp in self._deletions.items() if path not in alive}
        if self.partial:
            self._changed = frozenset(changed)
            self._gone = {path for path, stamp in _after(since, deleted) if stamp >= self._indexed_stamp(path)}
            self._fetch = {path: fetch[path] for path in fetch if path not in self._gone}
            self.total = len(self._documents.keys() | self._fetch.keys())
        else:
            self._fetch = after
            self._gone = set(dict(_after(self._since, deleted)))
            self.state["base"], self.state["since"] = self.state["archive"], self._since
            self.state["map"] = "beside" if self._map else ""
        self._check_number()

    def _indexed_stamp(self, path: str) -> str:
        """Time of a document as the index has it; empty where it has none."""
        return self._documents[path].stamp if path in self._documents else ""

    def _check_number(self) -> None:
        if len(self._fetch) > CHANGED_LIMIT:
            raise LimitExceeded(
                f"{len(self._fetch)} documents of {self._site.shown('')} changed after its newest archive; at most"
                f" {CHANGED_LIMIT} are fetched one by one",
                hint="wait for the next archive, which the vendor makes every day",
            )

    def _note_young(self, stamps: t.Mapping[str, str]) -> None:
        self.state["young"] = {path: stamp for path, stamp in stamps.items() if is_young(stamp, self._now)}

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
        if self._archive.is_same(self._old["base"]):
            return True
        if not self._changes or len(self._archive.marks) == 1:
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
            if not document.good and ROW_PATH.fullmatch(path)
        }
        young = {path: stamp for path, stamp in self._young.items() if path in self._documents}
        return {**unread, **young}

    # -- what it says --

    def deletions_since(self, _moment: str) -> set[str]:
        """Names of documents that the vendor took back since the index was made."""
        # As the lists tell it of what the index has, whatever the time: a list that lags has late news of old times.
        paths = self._deletions.keys() & self._documents.keys()
        return {path.rpartition("/")[2] for path in paths if self._deletions[path] >= self._changes.get(path, "")}

    def read(self, sink: DocumentSink) -> None:
        """Give every document to ``sink``, or say that it is as the index has it."""
        if self._map:
            sink.take(REPOSITORY_MAP, self._map)
        if self.partial:
            available = {path for path, stamp in self._fetch.items() if self._is_there(path, stamp)}
            for path in self._documents.keys() - available - self._gone:
                sink.keep(path)
            packed = set(self._documents)
        else:
            archive = self._site.fetch_archive(self._archive.name, self._archive.headers, self._spool)
            available = {path for path, stamp in self._fetch.items() if self._is_there(path, stamp)}
            packed = self._read_archive(archive, available | self._gone, sink)
            available |= self._missing(packed | available)
        for path in sorted(available):
            stamp = self._stamp(path)
            sink.take(path, self._document(path, stamp), stamp)

    def _stamp(self, path: str) -> str:
        return self._changes.get(path) or self._young.get(path) or self._indexed_stamp(path)

    def _read_archive(self, archive: Path, replaced: t.Container[str], sink: DocumentSink) -> set[str]:
        """Take what is in the archive and in no better place; gives the paths of all that is in it."""
        packed: set[str] = set()

        def wanted(name: str) -> bool:
            if not is_document(name) or (name.rpartition("/")[2] == REPOSITORY_MAP and self._map):
                return False
            packed.add(short(name))
            return short(name) not in replaced

        def take(name: str, data: bytes | None) -> None:
            if name.rpartition("/")[2] == REPOSITORY_MAP:
                self.state["map"] = "archive"
            path = short(name)
            sink.take(path, data, self._changes.get(path, ""))

        try:
            with sink.archive(archive, self._archive.signature):
                read_archive(str(archive), wanted, take, member_limit=DOCUMENT_LIMIT)
        except (CorruptData, LimitExceeded):
            if self._spool is not None:
                self._spool.drop_archive()
            raise
        return packed

    def _missing(self, paths: t.Container[str]) -> set[str]:
        """Documents that the list has and the archive lacks, though it is younger; those that are still to be had."""
        missing = [
            path for path, stamp in self._changes.items() if path not in paths and stamp > self._deletions.get(path, "")
        ]
        if len(missing) > MISSING_LIMIT:
            raise CorruptData(
                f"the archive {self._site.shown(self._archive.name)} lacks {len(missing)} documents that"
                f" {self._site.shown(CHANGES)} has, the first: {missing[0]}",
                code="feed-damaged",
            )
        available = {path for path in missing if self._is_there(path, self._changes[path])}
        self.nowhere = set(missing) - available
        if self.nowhere and self._site.copied:
            raise CorruptData(
                f"{len(self.nowhere)} documents that {self._site.shown(CHANGES)} has are neither in the archive"
                f" {self._site.shown(self._archive.name)} nor beside it, the first: {min(self.nowhere)}",
                code="feed-damaged",
                hint="copy them, too; take those that the vendor's server does not have, either, out of the list",
            )
        return available

    def _is_there(self, path: str, stamp: str) -> bool:
        try:
            self._document(path, stamp)
        except _DocumentGone:
            return False
        return True

    def _document(self, path: str, stamp: str) -> bytes | None:
        """A document; _Gone where there is none and what is known of it stands."""
        spooled = self._spool.document(path, stamp) if self._spool is not None else None
        # One that may have been behind the list when it was kept, and would not be looked at again, does not count.
        if spooled is not None and (is_young(stamp, self._now) or not is_young(stamp, spooled[1])):
            return spooled[0]
        try:
            data = whole_document(self._site, path, self._tick)
        except LimitExceeded:
            return None
        except FetchError as error:
            if error.status != 404:
                raise
            if self._is_known(path, stamp):
                raise _DocumentGone(path)
            raise
        if self._spool is not None:
            self._spool.keep(path, stamp, self._now, data)
        return data

    def _is_known(self, path: str, stamp: str) -> bool:
        """Return whether what is known of a document may stand without it."""
        if self.partial:
            return path in self._documents and not (self._site.copied and path in self._changed)
        return stamp <= utc_text(self._archive.made())


def _after(moment: str, stamps: t.Mapping[str, str]) -> list[tuple[str, str]]:
    """Documents with a later time."""
    return [(path, stamp) for path, stamp in stamps.items() if stamp > moment]


class _DocumentGone(Exception):
    """A document that is not there, which is not a reason to stop."""


def _first_state(site: Site, archive: NewestArchive, old: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what is kept of a feed, before anything is compared."""
    return {
        "source": site.shown(""),
        "label": archive.label,
        "archive": archive.marks,
        "base": old.get("base"),
        "since": old.get("since", ""),
        "through": old.get("through", ""),
        "map": old.get("map", ""),
        "listed": old.get("listed", 0),
        "etags": {},
    }
