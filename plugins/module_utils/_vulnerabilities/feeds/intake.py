# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the documents of a feed one by one, and writing them into the index."""

from __future__ import annotations

import contextlib
import hashlib
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, LimitExceeded
from ..documents.csaf_vex import DOCUMENT_LIMIT
from ..index.form import LEFT_OUT, REJECTED, DocumentRow
from ..index.packing import Packed
from ..index.reader import FeedIndex, IndexedDocument, RejectedDocument, rejected_document
from ..index.writer import Writer
from .parsing import Form, Refusal, write_outcome
from .repository_map import REPOSITORY_MAP, Repositories, read_repository_map
from .signatures import REJECTED_FOR, BadSignature, Keys
from .sources import DOCUMENTS_LIMIT
from .workers import Workers

#: Called with the number of documents done and the number of all, 0 when it is not known.
Progress = t.Callable[[int, int], None]


class Intake:
    """Takes documents one by one and writes them into the index.

    ``known``: what ``old``, the index that is changed, was made of, by path; without what could not be read. Of these,
    documents with the same content are not read again. Those that are neither taken nor kept are removed at the end.
    """

    def __init__(
        self,
        writer: Writer,
        old: FeedIndex | None,
        names: frozenset[str],
        form: Form,
        progress: Progress | None,
        total: int,
    ) -> None:
        self.writer = writer
        self.names = names
        self.form = form
        self.progress = progress
        self.total = total
        self.known: dict[str, IndexedDocument] = {}
        self.documents = 0
        self.newest = ""
        self.rejected: list[RejectedDocument] = []
        self.repositories: Repositories | None = None
        self._seen: set[str] = set()
        self.signature_key = ""
        self._keys: Keys | None = None
        self._whole_is_signed = False
        self._verified: dict[str, str] = {}
        self._badly_signed: dict[str, tuple[str, str, str]] = {}
        if old is not None:
            self._old = {document.path for document in old.documents()}
            unread = {document.path for document in old.rejected()}
            self.known = {document.path: document for document in old.documents() if document.path not in unread}
        else:
            self._old = set()
        self._workers = Workers((names, form), self._done)

    def __enter__(self) -> Intake:
        self._workers.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._workers.__exit__(*details)

    def remember(self, old: FeedIndex | None, keys: Keys | None) -> None:
        """Take over what is known of signatures; with other keys only what was rejected, until they say otherwise."""
        self._keys = keys
        self.signature_key = keys.fingerprint if keys else old.info.signature_key if old else ""
        if old is None:
            return
        covered = set(old.info.signature_key.split()) <= set(self.signature_key.split())
        for row in old.rows():
            self._remember_row(row, covered=covered)

    def _remember_row(self, row: DocumentRow, *, covered: bool) -> None:
        if row.verified and covered:
            self._verified[row.path] = row.sha256
        elif row.verified and row.path in self._old:
            self.writer.set_verified(row.path, False)
        elif row.category == REJECTED and row.note.startswith(REJECTED_FOR):
            self._badly_signed[row.path] = (row.sha256, row.note, row.revision)

    @contextlib.contextmanager
    def archive(self, path: Path, signature: t.Callable[[], bytes | None]) -> t.Iterator[None]:
        """While the documents of an archive are taken: a good signature of the whole verifies them all."""
        content = signature() if self._keys else None
        if self._keys and content is not None:
            try:
                self._keys.check_file(str(path), content)
            except BadSignature as error:
                raise CorruptData(
                    f"the archive is not what its maker signed: {error.message}",
                    code=error.code,
                    hint="fetch it again; else somebody has changed it, or the key is not its maker's",
                )
            self._whole_is_signed = True
        try:
            yield
        finally:
            self._whole_is_signed = False

    def file_names(self) -> set[str]:
        """Names of all documents that were taken, without their folders."""
        return {path.rpartition("/")[2] for path in self._seen}

    def keep(self, path: str) -> None:
        """A document that is known, and as it was."""
        if path not in self._old:
            raise CorruptData(f"the index does not have {path}, which the feed says is as it was", code="feed-damaged")
        self._see(path)

    def take(self, path: str, data: bytes | None, stamp: str = "", verified: bool = False) -> None:
        """One file of the feed; None: it is too large to be read. ``stamp``, ``verified``: as in IndexWriter.put."""
        name = path.rpartition("/")[2]
        if name == REPOSITORY_MAP and data is not None:
            self.repositories = read_repository_map(data, path)
            return
        self._see(path)
        sha256 = hashlib.sha256(data).hexdigest() if data is not None else "too large"
        verified = verified or self._is_verified(path, sha256)
        indexed = self.known.get(path)
        bad = self._badly_signed.get(path, ("", "", ""))
        if bad[0] == sha256 and not verified:
            self.writer.reject(path, sha256, stamp, *bad[1:])
        elif indexed is not None and indexed.sha256 == sha256:
            self._renew(indexed, path, stamp, verified=verified)
        elif data is None:
            scope = self.form.format.scope(b"", path)
            self.writer.reject(path, sha256, stamp, f"it has more than {DOCUMENT_LIMIT} bytes", scope=scope)
        else:
            self._workers.read((path, sha256, stamp, verified), path, data)
        self.tick()

    def _is_verified(self, path: str, sha256: str) -> bool:
        return self._whole_is_signed or self._verified.get(path) == sha256

    def _renew(self, indexed: IndexedDocument, path: str, stamp: str, *, verified: bool) -> None:
        """Note what is new of a document that has not changed."""
        if stamp > indexed.stamp:
            self.writer.set_stamp(path, stamp)
        if verified:
            self.writer.set_verified(path, True)

    def _see(self, path: str) -> None:
        if path in self._seen:
            raise CorruptData(f"the feed has {path} twice; which of them counts?", code="feed-damaged")
        if len(self._seen) >= DOCUMENTS_LIMIT:
            raise LimitExceeded(f"the feed has more than {DOCUMENTS_LIMIT} documents")
        self._seen.add(path)

    def _done(self, document: tuple[str, str, str, bool], document_outcome: Packed | Refusal) -> None:
        path, sha256, stamp, verified = document
        write_outcome(self.writer, path, sha256, stamp, document_outcome, verified=verified)

    def finish(self) -> None:
        """All documents were taken."""
        self._workers.finish()
        if self.form.format.keeps_vanished:
            self._seen |= self._old
        for path in self._old - self._seen:
            self.writer.remove(path)
        self.writer.settle()
        for row in self.writer.rows():
            self.newest = max(self.newest, row.revision)
            self.documents += row.category not in (REJECTED, LEFT_OUT)
            if row.category == REJECTED:
                self.rejected.append(rejected_document(row, self.signature_key))
        self.rejected.sort(key=lambda document: document.path)

    def tick(self) -> None:
        """Say how far it is."""
        if self.progress:
            self.progress(len(self._seen), self.total)
