# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking the signatures of an index's documents, after it was built or updated.

An archive that is signed is checked before it is read, and all of its documents are verified by that. What this leaves
is checked document by document: from a folder or an archive every one, from a server only those that say something of
the packages that are asked for, since its maker serves them slowly by design. What was found is kept in the index
beside the document's digest, so that nothing is asked twice.

A good signature makes a document verified, a bad one has it rejected: what it said is dropped, and as long as there is
one such document no image passes by the index, since names may have been taken out of it, too. A document without a
signature is neither: it counts as before, and a policy that requires signatures does not let an image pass by it. The
same holds where the feed has by now another version of the document than the index: the next update brings that.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import typing as t
from pathlib import Path

from ..._core.errors import LimitExceeded, ScanError
from ..documents.csaf_vex import DOCUMENT_LIMIT
from ..index.form import LEFT_OUT, REJECTED, DocumentRow
from ..index.reader import FeedIndex
from ..index.writer import IndexUpdate
from .archives import read_archive
from .downloads import FeedClient, FetchError, is_url, local_path, split_url
from .layout import ARCHIVE_LATEST, ARCHIVE_NAME, short
from .parsing import CSAF, Form, outcome, write_outcome
from .signatures import REJECTED_FOR, SIGNATURE_LIMIT, SUFFIX, BadSignature, Keys
from .sites import FolderSite, HttpSite, Site

if t.TYPE_CHECKING:
    from ..._images.access import Access

#: An update copies the index; so many documents are asked for in between, from a server.
BATCH = 1000
#: Where the first so many documents have no signature, the others are not asked for in this run.
GIVEN_UP_AFTER = 50
#: Bytes of signatures held in memory while their archive is read.
_SIGNATURES_LIMIT = 256 << 20


@dataclasses.dataclass(frozen=True)
class VerificationResult:
    """Outcome of verifying the documents that were not verified yet.

    ``verified``: number of those that are now. ``rejected``: path and reason of each that has a bad signature.
    ``unsigned``: number of those without any. ``changed``: whether the index says something else now.
    """

    verified: int
    rejected: tuple[tuple[str, str], ...]
    unsigned: int
    changed: bool


class Signed(t.NamedTuple):
    """A document as the feed has it now, and its signature. None: there is none."""

    path: str
    data: bytes | None
    signature: bytes | None


#: Gets what is found; what it gives says whether to go on.
Visit = t.Callable[[Signed], bool]


def verify_index(
    source: str,
    index: str,
    keys: Keys,
    *,
    names: t.Iterable[str] | None = None,
    access: Access | None = None,
    tick: t.Callable[[], None] = lambda: None,
    target: str | None = None,
) -> VerificationResult:
    """Check signatures of the documents of an index, made from ``source``, that are not verified by these keys.

    ``names``: packages whose documents are asked for, where the source is a server; None: all of them. ``target``:
    where the changed index is written, by default in its own place, each time as a whole. Raises InputError,
    FetchError, CorruptData or another ScanError; what was found out before is kept.
    """
    remote = is_remote(source)
    run = _VerificationRun(index, target or index, keys, BATCH if remote else 0)
    todo = run.start(names if remote else None)
    try:
        if todo:
            _visit_documents(source, list(todo), access, tick, run.take)
    finally:
        # An interrupt, too, must not lose what it took hours to fetch.
        run.write()
    return VerificationResult(run.counts["good"], tuple(run.rejected.items()), run.counts["unsigned"], run.changed)


class _VerificationRun:
    """Takes documents, and writes what was found in batches (0: all at once).

    Between them another run may put another index in place: what was found then counts for the documents alone that
    are still the same there.
    """

    def __init__(self, index: str, target: str, keys: Keys, batch: int) -> None:
        self.index = index
        self.target = target
        self.keys = keys
        self.counts: collections.Counter[str] = collections.Counter()
        self.rejected: dict[str, str] = {}
        self.changed = False
        self._batch = batch
        self._todo: dict[str, DocumentRow] = {}
        self._key = ""
        self._good: dict[str, bytes] = {}
        self._bad: dict[str, str] = {}

    def start(self, names: t.Iterable[str] | None) -> t.Mapping[str, DocumentRow]:
        """Select the documents to check, by path."""
        with FeedIndex.open(self.index) as opened:
            self._key = opened.info.signature_key
            about = None if names is None else {document.path for document in opened.documents_about(names)}
            rows = list(opened.rows())
        still = self._covers(self._key)
        unchecked = (row for row in rows if not (row.verified and still))
        self._todo.update((row.path, row) for row in unchecked if _is_chosen(row, about))
        if set(self._key.split()) != set(self.keys.fingerprint.split()):
            self.write(always=True)
        return self._todo

    def _covers(self, key: str) -> bool:
        """Return whether what was verified by these keys still is: a key may no longer count."""
        return set(key.split()) <= set(self.keys.fingerprint.split())

    def take(self, document: Signed) -> bool:
        row = self._todo[document.path]
        if document.signature is None:
            self.counts["unsigned"] += 1
            return not self._batch or self.counts["unsigned"] < GIVEN_UP_AFTER or self.counts["signed"] > 0
        self.counts["signed"] += 1
        if document.data is None or hashlib.sha256(document.data).hexdigest() != row.sha256:
            return True
        self._check(row, document.data, document.signature)
        if self._batch and len(self._good) + len(self._bad) >= self._batch:
            self.write()
        return True

    def _check(self, row: DocumentRow, data: bytes, signature: bytes) -> None:
        rejected = row.category == REJECTED
        try:
            self.keys.check(data, signature)
        except BadSignature as error:
            reason = f"{REJECTED_FOR}{error.message}"
            self.rejected[row.path] = reason
            if not rejected or row.note != reason:
                self._bad[row.path] = reason
        else:
            self._good[row.path] = data if rejected else b""

    def write(self, *, always: bool = False) -> None:
        """Note in the index what was found. Raises ScanError (``feed-busy``) where another run has checked it with
        other keys meanwhile.
        """
        if not (self._good or self._bad or always):
            return
        with IndexUpdate(self.index, self.target) as update:
            key = str(update.meta["signature_key"])
            self._check_key(key)
            if not self._covers(key):
                for path in [row.path for row in update.rows() if row.verified]:
                    update.set_verified(path, False)
            for path, reason in self._bad.items():
                self._write_bad(update, path, reason)
            for path, data in self._good.items():
                self._write_good(update, path, data)
            update.finish({"signature_key": self.keys.fingerprint})
        self.index = self.target
        self._key = self.keys.fingerprint
        self.changed = True
        self._good, self._bad = {}, {}

    def _check_key(self, key: str) -> None:
        if key != self._key and not self._covers(key):
            raise ScanError(
                f"another run has checked the signatures of the feed index {self.target} with other keys meanwhile",
                code="feed-busy",
                hint="run it again; give all runs for an index the same keys",
            )

    def _write_bad(self, update: IndexUpdate, path: str, reason: str) -> None:
        row = self._same(update, path)
        if row is None:
            del self.rejected[path]
        else:
            update.reject(path, row.sha256, row.stamp, reason, row.revision)

    def _write_good(self, update: IndexUpdate, path: str, data: bytes) -> None:
        row = self._same(update, path)
        if row is None:
            return
        self.counts["good"] += 1
        if data:  # it was rejected, and what it says is not in the index
            form = Form(*update.meta.get("form", CSAF))
            document_outcome = outcome(path, data, frozenset(update.meta["names"]), form)
            write_outcome(update, path, row.sha256, row.stamp, document_outcome, verified=True)
        else:
            update.set_verified(path, True)

    def _same(self, update: IndexUpdate, path: str) -> DocumentRow | None:
        """The document in the index as it is now; None where that is not the one that was checked."""
        was, row = self._todo[path], update.row(path)
        if row is None or row.sha256 != was.sha256 or (row.category == REJECTED) != (was.category == REJECTED):
            return None
        return row


def _is_chosen(row: DocumentRow, about: t.Container[str] | None) -> bool:
    """Return whether a document counts. One that could not be read is not less able to have been changed."""
    if row.category in (LEFT_OUT, REJECTED):
        return row.category == REJECTED
    return bool(row.statements) and (about is None or row.path in about)


def is_remote(source: str) -> bool:
    """Return whether a source is fetched over a network."""
    return is_url(source) and not source.lower().startswith("file://")


def _visit_documents(
    source: str, paths: list[str], access: Access | None, tick: t.Callable[[], None], visit: Visit
) -> None:
    """Give the documents at these paths, and their signatures, as far as the source has them one by one."""
    if is_remote(source):
        if ARCHIVE_NAME.fullmatch(split_url(source).path.rpartition("/")[2]) is None:
            _from_site(HttpSite(source, FeedClient(access, tick=tick)), paths, tick, visit)
        return
    path = local_path(source)
    if path.is_file():
        _from_archive(path, {short(document_path): document_path for document_path in paths}, {}, tick, visit)
        return
    # What does not lie in the folder itself stands in its newest archive.
    packed: dict[str, str] = {}
    signatures: dict[str, bytes] = {}

    def loose(document: Signed) -> bool:
        if document.data is not None and document.signature is not None:
            return visit(document)
        packed[short(document.path)] = document.path
        if document.signature is not None:
            signatures[short(document.path)] = document.signature
        return True

    _from_site(FolderSite(path), paths, tick, loose)
    archive = _newest_archive(path)
    if archive is not None and packed:
        _from_archive(archive, packed, signatures, tick, visit)
    else:
        for document_path in packed.values():
            visit(Signed(document_path, None, None))


def _newest_archive(folder: Path) -> Path | None:
    try:
        archive = folder / (folder / ARCHIVE_LATEST).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return archive if ARCHIVE_NAME.fullmatch(archive.name) and archive.is_file() else None


def _from_site(site: Site, paths: t.Iterable[str], tick: t.Callable[[], None], visit: Visit) -> None:
    for path in sorted(paths):
        tick()
        signature = _read(site, path + SUFFIX, SIGNATURE_LIMIT)
        data = _read(site, path, DOCUMENT_LIMIT) if signature is not None else None
        if not visit(Signed(path, data, signature)):
            return


def _read(site: Site, name: str, limit: int) -> bytes | None:
    try:
        return site.read(name, limit=limit).data
    except FetchError as error:
        if error.status in (404, 410):
            return None
        raise
    except LimitExceeded:
        return b""  # it is there, and nothing good


def _from_archive(
    archive: Path, paths: dict[str, str], signatures: dict[str, bytes], tick: t.Callable[[], None], visit: Visit
) -> None:
    """From an archive, read twice: signatures stand after what they are for. ``paths``: short -> as in the index."""
    held = 0

    def is_signature(path: str) -> bool:
        return path.endswith(SUFFIX) and short(path.removesuffix(SUFFIX)) in paths

    def take_signature(path: str, data: bytes | None) -> None:
        nonlocal held
        tick()
        held += len(data or b"")
        if held > _SIGNATURES_LIMIT:
            raise LimitExceeded(f"the archive {archive} has more than {_SIGNATURES_LIMIT >> 20} MiB of signatures")
        # One that is too large is there all the same, and nothing good.
        signatures.setdefault(short(path.removesuffix(SUFFIX)), data or b"")

    def is_signed(path: str) -> bool:
        return short(path) in paths and short(path) in signatures

    def take(path: str, data: bytes | None) -> None:
        tick()
        visit(Signed(paths[short(path)], data, signatures[short(path)]))

    read_archive(str(archive), is_signature, take_signature, member_limit=SIGNATURE_LIMIT)
    for key, path in paths.items():
        if key not in signatures:
            visit(Signed(path, None, None))
    if any(key in signatures for key in paths):
        read_archive(str(archive), is_signed, take, member_limit=DOCUMENT_LIMIT)
