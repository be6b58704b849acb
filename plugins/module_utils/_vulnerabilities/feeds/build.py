# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a feed (a folder, an archive, a URL) to a feed index.

An index is only replaced by a whole one: a truncated archive, a broken download or a feed without documents is an error
and leaves the old index as it is. Single documents that cannot be read are counted and listed, and the index says so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded
from ..._core.times import utc_text
from ..documents.csaf_vex import DOCUMENT_LIMIT
from ..documents.unread import scope_of
from ..index.form import LEFT_OUT, REJECTED
from ..index.packing import Packed
from ..index.reader import FeedIndex, IndexedDocument, RejectedDocument, is_index, rejected_document
from ..index.writer import IndexUpdate, IndexWriter, Writer, touch, work_folder
from ..model import FeedInfo
from .advisories import open_records, open_repositories
from .digests import content_digest, digest_of
from .parsing import CSAF, Form, Refusal, write_outcome
from .repository_map import REPOSITORY_MAP, Repositories, given_map, known_repositories, read_repository_map
from .signatures import REJECTED_FOR, BadSignature, Keys
from .sources import DOCUMENTS_LIMIT, Feed, open_feed, shown, sources_of
from .spool import Spool
from .sync import Known, KnownDocument
from .verification import verify_index
from .workers import Workers

if t.TYPE_CHECKING:
    from ..._images.access import Access

#: Raised when the readers see something else in the same documents: older indexes are then built anew.
READER_VERSION = 1
#: Called with the number of documents done and the number of all, 0 when it is not known.
Progress = t.Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class BuildResult:
    """What became of an index. ``changed`` False: the feed is the same, and the index was kept.

    ``rejected``: documents that could not be read. ``skipped``: reason -> number of documents (``not_csaf``,
    ``not_vex``, ``deleted``) or of product ids (the others) that were left out: they say nothing about RPM packages.
    ``changed_documents``: how many were added, replaced or removed.
    """

    changed: bool
    info: FeedInfo
    rejected: tuple[RejectedDocument, ...]
    skipped: t.Mapping[str, int]
    changed_documents: int = 0


@dataclasses.dataclass(frozen=True)
class Signatures:
    """What signatures are checked with. ``names``: packages whose documents are asked for one by one, where the source
    is a server; none of them where it is empty. See ``verification``.
    """

    keys: Keys
    names: frozenset[str] = frozenset()


def build_index(
    source: str,
    dest: str,
    *,
    form: Form = CSAF,
    repository_map: str = "",
    names: t.Iterable[str] | None = None,
    access: Access | None = None,
    now: str | datetime.datetime,
    progress: Progress | None = None,
    dry_run: bool = False,
    signatures: Signatures | None = None,
    sources: list[str] | None = None,
) -> BuildResult:
    """Compile a feed into the index file ``dest``, unless it is compiled already, and check its signatures.

    ``source``: a folder of CSAF-VEX documents, an archive of them (tar, plain or compressed with gzip, xz or zstd), or
    the URL of such an archive or of a feed (with ``archive_latest.txt``). With another ``form``, what ``advisories``
    opens: OSV records (also as a zip), or ``updateinfo.xml`` of repositories. ``repository_map``: file or URL of
    ``repository-to-cpe.json``; empty: the one in the folder or archive, if any. ``names``: only what the feed says of
    these packages; the index remembers that it is partial. ``now``: RFC 3339 text or an aware datetime, the time of
    this check. ``dry_run``: do everything but write ``dest``. ``signatures`` None: none is checked, and what was
    verified before stays so. ``sources``: what the index remembers of where it came from, where that is not ``source``.
    Raises InputError, CorruptData, LimitExceeded or another ScanError; ``dest`` is then as it was before, or compiled
    where it is the checking of single documents that failed.
    """
    if signatures is not None and form != CSAF:
        raise InputError(f"signatures are checked of the format {CSAF.name}, not of {form.name}")
    with contextlib.ExitStack() as stack:
        target = dest
        if dry_run:
            target = str(Path(stack.enter_context(work_folder(dest, None))) / "index")
        result = _compile(
            source,
            dest,
            target,
            form=form,
            repository_map=repository_map,
            names=names,
            access=access,
            now=now,
            progress=progress,
            keys=signatures.keys if signatures else None,
            sources=sources or sources_of(source, repository_map),
        )
        if signatures is None:
            return result
        checked = verify_index(
            source,
            target if Path(target).exists() else dest,
            signatures.keys,
            names=signatures.names,
            access=access,
            tick=(lambda: progress(0, 0)) if progress else (lambda: None),
            target=target,
        )
        if not checked.changed:
            return result
        with FeedIndex.open(target) as index:
            info = dataclasses.replace(index.info, checked=result.info.checked)
            return BuildResult(True, info, tuple(index.rejected()), index.meta["skipped"], result.changed_documents)


def _compile(
    source: str,
    dest: str,
    target: str,
    *,
    form: Form,
    repository_map: str,
    names: t.Iterable[str] | None,
    access: Access | None,
    now: str | datetime.datetime,
    progress: Progress | None,
    keys: Keys | None,
    sources: list[str],
) -> BuildResult:
    """As ``build_index``, but for the signatures of single documents. ``target``: ``dest``, or another place where it
    is to stay as it is.
    """
    dry_run = target != dest
    checked = utc_text(now, "now")
    form.check()
    if repository_map and form != CSAF:
        raise InputError(f"a repository map belongs to Red Hat's data, not to the format {form.name}")
    wanted = () if names is None else tuple(sorted(set(names)))
    if names is not None and not wanted:
        raise InputError("no package names to build a feed index for; expected at least one, or none given at all")
    folder = Path(dest).absolute().parent
    if not dry_run and not folder.is_dir():
        raise InputError(f"the folder of the feed index does not exist: {folder}")
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(FeedIndex.open(dest)) if has_index(dest) else None
        tick: t.Callable[[], None] = (lambda: progress(0, 0)) if progress else (lambda: None)
        # What is fetched needs room, which a temporary folder in memory may not have.
        work = Path(stack.enter_context(work_folder(dest, None if dry_run else folder)))
        if old is not None:
            check_same_form(old, form, dest)
        basis = digest_of("reader", str(READER_VERSION), json.dumps(wanted), *form)
        kept = work / "spool" if dry_run else folder / f".{Path(dest).name}.spool"
        spool = stack.enter_context(Spool(kept, tick))
        # What somebody else compiled is nothing to build on where proof is asked for: neither its statements, which it
        # may have for documents that say something else, nor what it calls verified.
        foreign = keys is not None and old is not None and not is_proved(old, keys)
        # With another key everything is read again, for the signature of the archive.
        rekeyed = foreign or (keys is not None and old is not None and old.info.signature_key != keys.fingerprint)
        known = _known(old, basis, not rekeyed) if old is not None else None
        feed: Feed
        if form.name == "updateinfo":
            feed = open_repositories(source, access, work, tick, known=known)
        else:
            opener = open_records if form.name == "osv" else open_feed
            feed = opener(
                source, access, work, tick, now=checked, known=known, spool=spool, with_map=not repository_map
            )
        given = _given_map(repository_map, access, tick, old)
        if given is not None:
            feed.state["given_map"] = [shown(repository_map), given.etag]
        fingerprint = digest_of(basis, feed.fingerprint(), given.digest if given else "")
        if old is not None and old.meta.get("fingerprint") == fingerprint and not rekeyed:
            spool.remove()
            return _unchanged(old, dest, checked, sources, dry_run, feed.state)
        # What the old index was made of need not be read again, as long as it would be read in the same way.
        base = old if old is not None and old.meta.get("basis") == basis and not foreign else None
        writer: Writer = IndexWriter(target) if base is None else IndexUpdate(dest, target)
        stack.enter_context(writer)
        if old is not None and not dry_run:
            writer.check_place(old.identity)
        build = _Build(writer, base, frozenset(wanted), form, progress, feed.total)
        build.remember(None if foreign else old, keys)
        with build:
            feed.read(build)
            build.finish()
        if not build.documents:
            seen = "it has none at all"
            if build.rejected:
                first = build.rejected[0]
                seen = f"{len(build.rejected)} were rejected, the first: {first.path}: {first.reason}"
            raise CorruptData(
                f"the feed {shown(source)} has no readable {form.documents}: {seen}",
                code="feed-empty",
                partial=build.rejected,
            )
        if old is not None:
            _check_not_less(old, build, wanted, feed.deletions_since(old.info.newest))
        repositories = given or build.repositories
        if repositories is None and old is not None and feed.state.get("map") == "archive":
            # It is in the archive, which did not have to be read.
            repositories = known_repositories(old.repositories())
        contents = writer.contents()
        content = digest_of(basis, content_digest(contents), repositories.digest if repositories else "")
        serial = f"{feed.label}+{build.newest}+{content[:16]}"
        if old is not None and old.info.serial == serial and not rekeyed:
            spool.remove()
            return _unchanged(old, dest, checked, sources, dry_run, feed.state)
        writer.set_repositories(repositories.cpes if repositories else {})
        writer.finish(
            {
                "serial": serial,
                "basis": basis,
                "fingerprint": fingerprint,
                "format": form.name,
                "form": list(form),
                "coverage": form.coverage,
                "distributions": form.distributions(cpe for cpe, _product in writer.products()),
                "checked": checked,
                "repository_map": repositories is not None,
                "names": wanted,
                "sources": sources,
                "feed": feed.state,
                "signature_key": build.signature_key,
                # What it calls verified is taken over, and the word for it.
                **({"origin": old.meta["origin"]} if old is not None and "origin" in old.meta and not foreign else {}),
            },
            build.tick,
        )
        spool.remove()
        before = {path: one.sha256 for path, one in known.documents.items()} if known else {}
        count = len(dict(contents.items() ^ before.items()))
        with FeedIndex.open(target) as index:
            return BuildResult(True, index.info, tuple(build.rejected), index.meta["skipped"], count)


def _check_not_less(index: FeedIndex, build: _Build, names: tuple[str, ...], deletions: set[str]) -> None:
    """Refuse half a copy of the feed, or yesterday's: what is missing in it would look like nothing found.

    Documents are only counted alike where both indexes are for the same names. ``deletions``: names of the documents
    that the vendor took back since the index was built.
    """
    old = index.info
    hint = "fetch the feed again, or delete the index to build it from this feed all the same"
    # Those that were taken back, or cannot be read any more, are no measure of the rest.
    gone = deletions | {one.path.rpartition("/")[2] for one in build.rejected}
    newest = max((row.revision for row in index.rows() if row.path.rpartition("/")[2] not in gone), default="")
    if build.newest < newest:
        raise CorruptData(
            f"the feed is older than the index: its newest document is of {build.newest}, the index has {newest}",
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
    had = {row.path.rpartition("/")[2] for row in index.rows() if row.vulnerabilities}
    lost = sorted(had - build.file_names() - deletions)
    if lost:
        raise CorruptData(
            f"the feed lacks {len(lost)} documents of the index that nobody took back, the first: {lost[0][:100]}",
            code="feed-shrunk",
            hint=hint,
        )


def check_same_form(old: FeedIndex, form: Form, dest: str) -> None:
    """An index holds one kind of data; another one in its place would be taken for a feed that lost everything."""
    had = Form(*old.meta.get("form", CSAF))
    if had != form:
        raise InputError(
            f"the index {dest} holds data of the format {' '.join(filter(None, had))}, not"
            f" {' '.join(filter(None, form))}",
            code="feed-index-other",
            hint="give another file, or delete this one",
        )


def is_proved(index: FeedIndex, keys: Keys) -> bool:
    """Whether what an index calls verified was verified here, or by somebody who is known.

    One that was imported (``importing``) has noted what proved where it is from: fingerprints of keys, a checksum, or
    nothing.
    """
    origin = index.meta.get("origin")
    return origin is None or origin == keys.fingerprint or str(origin).startswith("sha256:")


def has_index(dest: str) -> bool:
    """Whether there is an index to compare with. Raises InputError for a file that is something else."""
    path = Path(dest)
    if not path.exists():
        return False
    if not is_index(dest):
        raise InputError(f"{dest} exists and is not a feed index; it is not overwritten")
    try:
        with FeedIndex.open(dest) as index:
            index.rows()
    except CorruptData:
        return False  # a damaged index of ours is built again
    except InputError as error:
        if error.code != "feed-index-older":
            raise
        return False
    return True


def _given_map(
    source: str, access: Access | None, tick: t.Callable[[], None], old: FeedIndex | None
) -> Repositories | None:
    """The map that was asked for; the one in the index where the server says that it did not change."""
    told = old.meta.get("feed", {}).get("given_map", ["", ""]) if old is not None else ["", ""]
    if old is None or told[0] != shown(source):
        return given_map(source, access, tick)
    return given_map(source, access, tick, told[1], old.repositories)


def _known(old: FeedIndex, basis: str, usable: bool) -> Known:
    """What a feed has to know of the index."""
    documents = {row.path: KnownDocument(row.sha256, row.stamp, row.category != REJECTED) for row in old.rows()}
    return Known(documents, old.meta.get("feed", {}), usable and old.meta.get("basis") == basis)


def _unchanged(
    old: FeedIndex, dest: str, checked: str, sources: list[str], dry_run: bool, state: dict[str, t.Any]
) -> BuildResult:
    if not dry_run and (old.info.checked, old.meta.get("sources")) != (checked, sources):
        touch(dest, checked, sources, state)
    info = dataclasses.replace(old.info, checked=checked)
    return BuildResult(False, info, tuple(old.rejected()), old.meta.get("skipped", {}))


class _Build:
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
            self.known = {one.path: one for one in old.documents() if one.path not in unread}
        else:
            self._old = set()
        self._workers = Workers((names, form), self._done)

    def __enter__(self) -> _Build:
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
        verified = verified or self._whole_is_signed or self._verified.get(path) == sha256
        known = self.known.get(path)
        bad = self._badly_signed.get(path, ("", "", ""))
        if bad[0] == sha256 and not verified:
            self.writer.reject(path, sha256, stamp, *bad[1:])
        elif known is not None and known.sha256 == sha256:
            if stamp > known.stamp:
                self.writer.set_stamp(path, stamp)
            if verified:
                self.writer.set_verified(path, True)
        elif data is None:
            scope = scope_of(b"", path, self.form.name)
            self.writer.reject(path, sha256, stamp, f"it has more than {DOCUMENT_LIMIT} bytes", scope=scope)
        else:
            self._workers.read((path, sha256, stamp, verified), path, data)
        self.tick()

    def _see(self, path: str) -> None:
        if path in self._seen:
            raise CorruptData(f"the feed has {path} twice; which of them counts?", code="feed-damaged")
        if len(self._seen) >= DOCUMENTS_LIMIT:
            raise LimitExceeded(f"the feed has more than {DOCUMENTS_LIMIT} documents")
        self._seen.add(path)

    def _done(self, document: tuple[str, str, str, bool], found: Packed | Refusal) -> None:
        path, sha256, stamp, verified = document
        write_outcome(self.writer, path, sha256, stamp, found, verified=verified)

    def finish(self) -> None:
        """All documents were taken."""
        self._workers.finish()
        if self.form.keeps_vanished:
            self._seen |= self._old
        for path in self._old - self._seen:
            self.writer.remove(path)
        self.writer.settle()
        for row in self.writer.rows():
            self.newest = max(self.newest, row.revision)
            self.documents += row.category not in (REJECTED, LEFT_OUT)
            if row.category == REJECTED:
                self.rejected.append(rejected_document(row, self.signature_key))
        self.rejected.sort(key=lambda one: one.path)

    def tick(self) -> None:
        """Say how far it is."""
        if self.progress:
            self.progress(len(self._seen), self.total)
