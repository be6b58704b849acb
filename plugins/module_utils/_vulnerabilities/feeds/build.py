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
import json
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, InputError
from ..._core.times import utc_text
from ..formats.table import FORMATS
from ..index.form import REJECTED
from ..index.reader import FeedIndex, RejectedDocument, is_index
from ..index.work_folders import work_folder
from ..index.writer import IndexUpdate, IndexWriter, Writer, touch
from ..model import FeedInfo
from .digests import content_digest, digest_of
from .intake import Intake, Progress
from .parsing import CSAF, Form
from .repository_map import Repositories, given_map, known_repositories
from .signatures import Keys
from .sources import Feed, shown, sources_of
from .spool import DocumentSpool
from .sync import KnownDocument, KnownFeed
from .verification import verify_index

if t.TYPE_CHECKING:
    from ..._images.access import Access

#: Raised when the readers see something else in the same documents: older indexes are then built anew.
READER_VERSION = 1


@dataclasses.dataclass(frozen=True)
class BuildResult:
    """Outcome of building an index. ``changed`` False: the feed is the same, and the index was kept.

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
    """Keys to check signatures. ``names``: packages whose documents are asked for one by one, where the source
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
    checked = utc_text(now, "now")
    _check_form(form, is_signed=signatures is not None, has_map=bool(repository_map))
    if names is not None and not (names := set(names)):
        raise InputError("no package names to build a feed index for; expected at least one, or none given at all")
    folder = Path(dest).absolute().parent
    if not dry_run and not folder.is_dir():
        raise InputError(f"the folder of the feed index does not exist: {folder}")
    with contextlib.ExitStack() as stack:
        target = dest
        if dry_run:
            target = str(Path(stack.enter_context(work_folder(dest, None))) / "index")
        compilation = _Compilation(
            source,
            dest,
            target,
            form,
            repository_map,
            tuple(sorted(names or ())),
            access,
            checked,
            progress,
            signatures.keys if signatures else None,
            sources or sources_of(source, repository_map),
        )
        result = compilation.run()
        if signatures is None:
            return result
        return compilation.verify(result, signatures)


def _check_form(form: Form, *, is_signed: bool, has_map: bool) -> None:
    """Refuse what a format does not have."""
    form.check()
    if is_signed and not form.format.is_signed:
        signed = " and ".join(item.name for item in FORMATS.values() if item.is_signed)
        raise InputError(f"signatures are checked of the format {signed}, not of {form.name}")
    if has_map and not form.format.takes_map:
        raise InputError(f"a repository map belongs to Red Hat's data, not to the format {form.name}")


class _Previous:
    """The index that is to be replaced, and what of it can be relied on.

    ``trusted``: the index, unless somebody else compiled it and proof is asked for. ``base``: the index, where what it
    was made of need not be read again. ``is_rekeyed``: everything is read again, for its signatures. ``known``: what a
    feed has to know of it.
    """

    def __init__(self, index: FeedIndex, basis: str, keys: Keys | None) -> None:
        # What somebody else compiled is nothing to build on where proof is asked for: neither its statements, which it
        # may have for documents that say something else, nor what it calls verified.
        is_foreign = keys is not None and not is_proved(index, keys)
        is_read_alike = index.meta.get("basis") == basis
        self.index = index
        self.trusted = None if is_foreign else index
        self.base = self.trusted if is_read_alike else None
        # With another key everything is read again, for the signature of the archive.
        self.is_rekeyed = is_foreign or (keys is not None and index.info.signature_key != keys.fingerprint)
        documents = {row.path: KnownDocument(row.sha256, row.stamp, row.category != REJECTED) for row in index.rows()}
        self.known = KnownFeed(documents, index.meta.get("feed", {}), is_read_alike and not self.is_rekeyed)

    def holds(self, key: str, value: str) -> bool:
        """Return whether its ``fingerprint`` or ``serial`` is this, and it is to be kept then."""
        return bool(self.index.meta.get(key) == value) and not self.is_rekeyed


@dataclasses.dataclass(frozen=True)
class _Compilation:
    """One call of ``build_index``, but for the signatures of single documents.

    ``target``: ``dest``, or another place where that is to stay as it is. ``names``: sorted. ``checked``: RFC 3339.
    """

    source: str
    dest: str
    target: str
    form: Form
    repository_map: str
    names: tuple[str, ...]
    access: Access | None
    checked: str
    progress: Progress | None
    keys: Keys | None
    sources: list[str]

    @property
    def is_dry_run(self) -> bool:
        """True if ``dest`` is to stay as it is."""
        return self.target != self.dest

    @property
    def basis(self) -> str:
        """Digest of how documents are read: equal for indexes that can share what was read."""
        return digest_of("reader", str(READER_VERSION), json.dumps(self.names), *self.form)

    def tick(self) -> None:
        """Say that something is going on."""
        if self.progress:
            self.progress(0, 0)

    def run(self) -> BuildResult:
        """Compile the feed, unless the index was made of it."""
        folder = Path(self.dest).absolute().parent
        with contextlib.ExitStack() as stack:
            old = stack.enter_context(FeedIndex.open(self.dest)) if has_index(self.dest) else None
            # What is fetched needs room, which a temporary folder in memory may not have.
            work = Path(stack.enter_context(work_folder(self.dest, None if self.is_dry_run else folder)))
            if old is not None:
                check_same_form(old, self.form, self.dest)
            spool_folder = work / "spool" if self.is_dry_run else folder / f".{Path(self.dest).name}.spool"
            spool = stack.enter_context(DocumentSpool(spool_folder, self.tick))
            previous = _Previous(old, self.basis, self.keys) if old is not None else None
            feed = self._open_feed(previous, work, spool)
            own_map = self._given_map(old)
            if own_map is not None:
                feed.state["given_map"] = [shown(self.repository_map), own_map.etag]
            fingerprint = digest_of(self.basis, feed.fingerprint(), own_map.digest if own_map else "")
            if previous is not None and previous.holds("fingerprint", fingerprint):
                result = self._keep(previous.index, feed)
            else:
                result = self._write(previous, feed, own_map, fingerprint)
            spool.remove()
            return result

    def _open_feed(self, previous: _Previous | None, work: Path, spool: DocumentSpool) -> Feed:
        return self.form.format.open(
            self.source,
            self.access,
            work,
            self.tick,
            now=self.checked,
            known_feed=previous.known if previous else None,
            spool=spool,
            with_map=not self.repository_map,
        )

    def verify(self, result: BuildResult, signatures: Signatures) -> BuildResult:
        """Check the signatures of the compiled feed."""
        verified = verify_index(
            self.source,
            self.target if Path(self.target).exists() else self.dest,
            signatures.keys,
            names=signatures.names,
            access=self.access,
            tick=self.tick,
            target=self.target,
        )
        if not verified.changed:
            return result
        with FeedIndex.open(self.target) as index:
            info = dataclasses.replace(index.info, checked=result.info.checked)
            return BuildResult(True, info, tuple(index.rejected()), index.meta["skipped"], result.changed_documents)

    def _write(
        self, previous: _Previous | None, feed: Feed, own_map: Repositories | None, fingerprint: str
    ) -> BuildResult:
        """Read the feed and write the index, unless it would say the same as the one that is there."""
        old = previous.index if previous else None
        base = previous.base if previous else None
        trusted = previous.trusted if previous else None
        writer: Writer = IndexWriter(self.target) if base is None else IndexUpdate(self.dest, self.target)
        with writer:
            if old is not None and not self.is_dry_run:
                writer.check_place(old.identity)
            intake = Intake(writer, base, frozenset(self.names), self.form, self.progress, feed.total)
            intake.remember(trusted, self.keys)
            with intake:
                feed.read(intake)
                intake.finish()
            self._check_not_empty(intake)
            if old is not None:
                _check_not_less(old, intake, self.names, feed.deletions_since(old.info.newest))
            repositories = own_map or intake.repositories
            if repositories is None and old is not None and feed.state.get("map") == "archive":
                # It is in the archive, which did not have to be read.
                repositories = known_repositories(old.repositories())
            contents = writer.contents()
            content = digest_of(self.basis, content_digest(contents), repositories.digest if repositories else "")
            serial = f"{feed.label}+{intake.newest}+{content[:16]}"
            if previous is not None and previous.holds("serial", serial):
                return self._keep(previous.index, feed)
            writer.set_repositories(repositories.cpes if repositories else {})
            made_of = {"serial": serial, "basis": self.basis, "fingerprint": fingerprint}
            writer.finish(
                {**made_of, **self._told(feed, intake, trusted, has_map=repositories is not None)}, intake.tick
            )
            before = {path: item.sha256 for path, item in previous.known.documents.items()} if previous else {}
            count = len(dict(contents.items() ^ before.items()))
            with FeedIndex.open(self.target) as index:
                return BuildResult(True, index.info, tuple(intake.rejected), index.meta["skipped"], count)

    def _told(self, feed: Feed, intake: Intake, trusted: FeedIndex | None, *, has_map: bool) -> dict[str, t.Any]:
        """Return what an index notes of its data and of where they are from."""
        form = self.form
        cpes = (cpe for cpe, _product in intake.writer.products())
        notes = {
            "format": form.name,
            "form": list(form),
            "coverage": form.format.coverage,
            "distributions": form.format.distributions(form.distribution, cpes),
            "checked": self.checked,
            "repository_map": has_map,
            "names": self.names,
            "sources": self.sources,
            "feed": feed.state,
            "signature_key": intake.signature_key,
        }
        # What it calls verified is taken over, and the word for it.
        if trusted is not None and "origin" in trusted.meta:
            notes["origin"] = trusted.meta["origin"]
        return notes

    def _keep(self, old: FeedIndex, feed: Feed) -> BuildResult:
        """Leave the index as it is, but for the time of the check."""
        if not self.is_dry_run and (old.info.checked, old.meta.get("sources")) != (self.checked, self.sources):
            touch(self.dest, self.checked, self.sources, feed.state)
        info = dataclasses.replace(old.info, checked=self.checked)
        return BuildResult(False, info, tuple(old.rejected()), old.meta.get("skipped", {}))

    def _given_map(self, old: FeedIndex | None) -> Repositories | None:
        """The map that was asked for; the one in the index where the server says that it did not change."""
        noted_map = old.meta.get("feed", {}).get("given_map", ["", ""]) if old is not None else ["", ""]
        if old is None or noted_map[0] != shown(self.repository_map):
            return given_map(self.repository_map, self.access, self.tick)
        return given_map(self.repository_map, self.access, self.tick, noted_map[1], old.repositories)

    def _check_not_empty(self, intake: Intake) -> None:
        if intake.documents:
            return
        reason = "it has none at all"
        if intake.rejected:
            first = intake.rejected[0]
            reason = f"{len(intake.rejected)} were rejected, the first: {first.path}: {first.reason}"
        raise CorruptData(
            f"the feed {shown(self.source)} has no readable {self.form.format.noun}: {reason}",
            code="feed-empty",
            partial=intake.rejected,
        )


def _check_not_less(index: FeedIndex, intake: Intake, names: tuple[str, ...], deletions: set[str]) -> None:
    """Refuse half a copy of the feed, or yesterday's: what is missing in it would look like nothing found.

    Documents are only counted alike where both indexes are for the same names. ``deletions``: names of the documents
    that the vendor took back since the index was built.
    """
    old = index.info
    hint = "fetch the feed again, or delete the index to build it from this feed all the same"
    # Those that were taken back, or cannot be read any more, are not a measure of the rest.
    vanished = deletions | {document.path.rpartition("/")[2] for document in intake.rejected}
    newest = max((row.revision for row in index.rows() if row.path.rpartition("/")[2] not in vanished), default="")
    if intake.newest < newest:
        raise CorruptData(
            f"the feed is older than the index: its newest document is of {intake.newest}, the index has {newest}",
            code="feed-older",
            hint=hint,
        )
    document_count, expected = intake.documents + len(intake.rejected), old.documents + old.rejected - len(deletions)
    if document_count < expected and old.names == names:
        raise CorruptData(
            f"the feed has {document_count} documents; expected at least {expected}, the number of the index without"
            f" {len(deletions)} that were taken back since",
            code="feed-shrunk",
            hint=hint,
        )
    # As many others in their place do not make up for those that are gone.
    had = {row.path.rpartition("/")[2] for row in index.rows() if row.vulnerabilities}
    lost = sorted(had - intake.file_names() - deletions)
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
    """Return whether what an index calls verified was verified here, or by somebody who is known.

    One that was imported (``importing``) has noted what proved where it is from: fingerprints of keys, a checksum, or
    nothing.
    """
    origin = index.meta.get("origin")
    return origin is None or origin == keys.fingerprint or str(origin).startswith("sha256:")


def has_index(dest: str) -> bool:
    """Return whether there is an index to compare with. Raises InputError for a file that is something else."""
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
