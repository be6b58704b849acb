# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a feed or a bundle of one to an index. What is a bundle is told by its content.

What a bundle brings is as old as the check that its maker made. One that was made before what is there is refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, InputError, ScanError
from ..index.reader import FeedIndex, damage
from ..index.work_folders import work_folder
from ..index.writer import IndexUpdate, touch
from .archives import unpack_file
from .build import (
    BuildResult,
    Signatures,
    build_index,
    check_same_form,
    has_index,
    is_proved,
)
from .bundles import INDEX_FILE, BundleManifest, check_checksum, digest_file, is_bundle, read_bundle
from .downloads import FeedClient, FetchError, local_path, split_url
from .intake import Progress
from .layout import ARCHIVE_LATEST, ARCHIVE_NAME
from .parsing import CSAF, Form
from .repository_map import REPOSITORY_MAP
from .signatures import SIGNATURE_LIMIT, SUFFIX, BadSignature, read_signature
from .sites import fetch_archive, marks_of
from .sources import sources_of
from .spool import DocumentSpool
from .verification import is_remote

if t.TYPE_CHECKING:
    from ..._images.access import Access

_HINT = "export it again, or delete the index to take this one all the same"
_BUNDLE = "bundle "


def import_feed(
    source: str,
    dest: str,
    *,
    form: Form = CSAF,
    repository_map: str = "",
    names: t.Iterable[str] | None = None,
    access: Access | None = None,
    now: str,
    progress: Progress | None = None,
    dry_run: bool = False,
    signatures: Signatures | None = None,
    checksum: str = "",
) -> BuildResult:
    """As ``build_index``, where ``source`` may also be a bundle, by path or URL.

    ``checksum``: ``sha256:...`` that the bundle must have; empty: it need not. Raises as ``build_index``, and
    CorruptData for a damaged or incomplete bundle, and for one that was made before what is at ``dest``.
    """
    tick: t.Callable[[], None] = (lambda: progress(0, 0)) if progress else (lambda: None)
    names = None if names is None else sorted(set(names))
    build = functools.partial(
        build_index,
        dest=dest,
        form=form,
        names=names,
        access=access,
        progress=progress,
        dry_run=dry_run,
        signatures=signatures,
    )
    folder = Path(dest).absolute().parent
    if not dry_run and not folder.is_dir():
        raise InputError(f"the folder of the feed index does not exist: {folder}")
    with contextlib.ExitStack() as stack:
        run = _Import(source, dest, repository_map, signatures, access, tick)
        old = stack.enter_context(FeedIndex.open(dest)) if has_index(dest) else None
        if old is not None:
            check_same_form(old, form, dest)
        work = Path(stack.enter_context(work_folder(dest, None if dry_run else folder)))
        same = old is not None and run.fits(old, names)
        bundle = run.fetch(old, same, checksum, work, dry_run)
        if old is not None and same and run.is_same(old, checksum):
            return _as_it_was(old)
        if bundle is None:
            if checksum:
                raise InputError(f"{run.shown} is not a bundle; only bundles have a checksum")
            return build(source, repository_map=repository_map, now=now)
        try:
            if checksum:
                check_checksum(bundle, checksum, tick)
            sources = run.sources(bundle)
            if old is not None and same and run.is_same(old, checksum, sources[2]):
                if not dry_run:
                    touch(dest, old.info.checked, sources, old.meta.get("feed"))
                run.done()
                return _as_it_was(old)
            manifest = read_bundle(bundle, work / "bundle", tick)
            if manifest.format != form.name:
                raise InputError(f"the bundle {run.shown} is of the format {manifest.format}, not {form.name}")
            _check_not_older(old, manifest)
            if manifest.kind == "index":
                if repository_map:
                    raise InputError(f"{run.shown} brings a compiled index, to which no repository map can be added")
                noted = {"sources": sources, "origin": run.check_origin(bundle, checksum)}
                packed = work / "bundle" / INDEX_FILE
                result = run.take_index(packed, work / "index", form, manifest, old, noted, dry_run)
            else:
                unpacked, packed_map = _unpacked_feed(work / "bundle", manifest)
                result = build(
                    str(unpacked), repository_map=repository_map or packed_map, now=manifest.checked, sources=sources
                )
        except CorruptData:
            run.done()  # so that it is fetched anew
            raise
        run.done()
        return result


def _unpacked_feed(folder: Path, manifest: BundleManifest) -> tuple[Path, str]:
    """Find what to read of a bundle's feed: a single archive and the map beside it, or the folder as a whole."""
    archives = [path for path in manifest.files if "/" not in path and ARCHIVE_NAME.fullmatch(path)]
    if len(archives) != 1 or ARCHIVE_LATEST in manifest.files:
        return folder, ""
    return folder / archives[0], str(folder / REPOSITORY_MAP) if REPOSITORY_MAP in manifest.files else ""


def _as_it_was(old: FeedIndex) -> BuildResult:
    return BuildResult(False, old.info, tuple(old.rejected()), old.meta.get("skipped", {}))


def _check_not_older(old: FeedIndex | None, manifest: BundleManifest) -> None:
    if old is not None and manifest.checked < old.info.checked:
        raise CorruptData(
            f"the bundle is older than the index: its feed was checked {manifest.checked}, that of the index"
            f" {old.info.checked}",
            code="feed-older",
            hint=_HINT,
        )


class _Import:
    """One import: how the bundle comes here, and what it is allowed to do."""

    def __init__(
        self,
        source: str,
        dest: str,
        repository_map: str,
        signatures: Signatures | None,
        access: Access | None,
        tick: t.Callable[[], None],
    ) -> None:
        self._source = source
        self._dest = dest
        self._signatures = signatures
        self._access = access
        self._tick = tick
        self._own = sources_of(source, repository_map)
        self.shown = self._own[0]
        self._marks: list[str] = []
        self._spool: DocumentSpool | None = None
        self._signature: bytes | None = None

    def fetch(self, old: FeedIndex | None, same: bool, checksum: str, work: Path, dry_run: bool) -> Path | None:
        """The bundle as a file; None where the source is something else, or still the same and that is enough."""
        if not is_remote(self._source):
            return self._local_bundle()
        if ARCHIVE_NAME.fullmatch(split_url(self._source).path.rpartition("/")[2]) is None:
            return None
        if old is not None and old.meta.get("sources") == self._own:
            return None  # it was an archive, and is fetched only if it has changed
        folder = Path(self._dest).absolute().parent / f".{Path(self._dest).name}.spool"
        self._spool = DocumentSpool(work / "spool" if dry_run else folder, self._tick)
        try:
            client = FeedClient(self._access, tick=self._tick)
            headers = client.head(self._source)
            self._marks = marks_of(headers)
            if old is not None and same and self.is_same(old, checksum):
                self._spool.remove()
                return None
            path = fetch_archive(client, self._source, headers, self._spool)
            if is_bundle(path):
                self._signature = self._fetch_signature(client)
                return path
        finally:
            # What is not a bundle is found there by whoever reads archives.
            self._spool.close()
        return None

    def _local_bundle(self) -> Path | None:
        path = local_path(self._source)
        if not path.is_file() or not is_bundle(path):
            return None
        if self._signatures is not None:
            self._signature = read_signature(path.with_name(path.name + SUFFIX))
        return path

    def _fetch_signature(self, client: FeedClient) -> bytes | None:
        if self._signatures is None:
            return None
        parts = split_url(self._source)
        url = parts._replace(path=parts.path + SUFFIX).geturl()
        try:
            return client.read(url, limit=SIGNATURE_LIMIT)
        except FetchError as error:
            if error.status in (403, 404):  # some servers refuse what is not there
                return None
            raise

    def done(self) -> None:
        """It is in the index."""
        if self._spool is not None:
            self._spool.remove()

    def sources(self, bundle: Path) -> list[str]:
        """Sources that the index remembers: where the bundle came from, and which it was."""
        return [*self._own, f"{_BUNDLE}sha256:{digest_file(bundle, self._tick).sha256}", *self._marks]

    def is_same(self, old: FeedIndex, checksum: str, bundle: str = "") -> bool:
        """True if an index was made of this bundle: by its digest, or by the server's word where that is not known."""
        sources = old.meta.get("sources", [])
        if (
            sources[:2] != self._own
            or not sources[2:]
            or (checksum and sources[2] != f"{_BUNDLE}{checksum.strip().lower()}")
        ):
            return False
        return bool(sources[2] == bundle if bundle else self._marks and sources[3:] == self._marks)

    def fits(self, old: FeedIndex, names: list[str] | None) -> bool:
        """Return whether an index that was made of the same bundle is what is wanted."""
        if self._signatures is not None:
            keys = self._signatures.keys
            if old.info.signature_key != keys.fingerprint or not is_proved(old, keys):
                return False
        return names is None or old.info.names == tuple(names) or old.meta.get("feed", {}).get("imported") is True

    def check_origin(self, bundle: Path, checksum: str) -> str:
        """A compiled index says itself which of its documents are verified: whoever asks for proof needs its own.

        Gives what proves where it is from, as ``is_proved`` takes it.
        """
        if self._signatures is not None and self._signature is not None:
            try:
                self._signatures.keys.check_file(str(bundle), self._signature)
            except BadSignature as error:
                raise CorruptData(
                    f"the bundle {self.shown} is not what its maker signed: {error.message}", code=error.code
                )
            return self._signatures.keys.fingerprint
        if self._signatures is not None and not checksum:
            raise InputError(
                f"nothing proves who compiled the index in {self.shown}",
                code="feed-unsigned",
                hint="sign the bundle with a key of signature_key (gpg --armor --detach-sign), or give its checksum",
            )
        return checksum.strip().lower()

    def take_index(
        self,
        packed: Path,
        file: Path,
        form: Form,
        manifest: BundleManifest,
        old: FeedIndex | None,
        noted: dict[str, t.Any],
        dry_run: bool,
    ) -> BuildResult:
        """Put a compiled index in its place. ``noted``: what it remembers of where it came from."""
        try:
            with file.open("wb") as target:
                for chunk in unpack_file(str(packed)):
                    self._tick()
                    target.write(chunk)
        except OSError as error:
            raise ScanError(f"the index cannot be unpacked: {error.strerror or error}", code="disk-full") from error
        with FeedIndex.open(str(file)) as index:
            info = index.info
            facts = (info.serial, info.format, info.newest, info.checked, info.signature_key)
            if facts != (manifest.serial, manifest.format, manifest.newest, manifest.checked, manifest.signature_key):
                raise CorruptData(
                    "the index in the bundle is not the one that its manifest tells of", code="bundle-damaged"
                )
            told_form = index.meta.get("form", list(CSAF))
            if told_form != list(form):
                raise InputError(
                    f"the index in the bundle {self.shown} holds data of the format {ascii(told_form)[:100]}, not"
                    f" {' '.join(filter(None, form))}",
                    code="feed-index-other",
                    hint="give the format and the distribution of the bundle, or another bundle",
                )
            if old is not None:
                self._check_not_less(old, index)
            changed = old is None or _says(old) != _says(index)
            result = BuildResult(
                changed,
                info,
                tuple(index.rejected()),
                index.meta.get("skipped", {}),
            )
            with damage(str(file)):
                state = dict(index.meta["feed"])  # which tells, too, what packages the feed's repositories have
        if not dry_run:
            with IndexUpdate(str(file), self._dest) as update:
                if old is not None:
                    update.check_place(old.identity)
                update.finish({**noted, "feed": {**state, "imported": True}}, self._tick)
        return result

    @staticmethod
    def _check_not_less(old: FeedIndex, new: FeedIndex) -> None:
        if new.info.newest < old.info.newest:
            raise CorruptData(
                f"the index in the bundle is older: its newest document is of {new.info.newest}, the one here has"
                f" {old.info.newest}",
                code="feed-older",
                hint=_HINT,
            )
        had = {row.path.rpartition("/")[2] for row in old.rows() if row.vulnerabilities}
        lost = sorted(had - {row.path.rpartition("/")[2] for row in new.rows()})
        if lost:
            raise CorruptData(
                f"the index in the bundle lacks {len(lost)} documents of the one here, the first: {lost[0][:100]}",
                code="feed-shrunk",
                hint=_HINT,
            )


def _says(index: FeedIndex) -> tuple[t.Any, ...]:
    """Return the values that tell whether two indexes say the same."""
    info = dataclasses.replace(index.info, checked="")
    return info, sorted((row.path, row.sha256, row.verified, row.category, row.scope) for row in index.rows())
