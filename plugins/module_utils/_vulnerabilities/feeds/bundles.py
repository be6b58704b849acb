# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles: one tar that carries a feed, or a compiled index, to where there is no network.

The first member is the manifest, JSON::

    {"schema_version": 1, "kind": "feed" or "index", "format": "csaf-vex", "serial": "...", "newest": RFC 3339 or "",
     "checked": RFC 3339, "signature_key": fingerprints or "", "files": {"<path>": {"sha256": "...", "size": n}, ...}}

The members after it are exactly its files, in its order. ``checked`` is when the feed's maker was last asked, and what
is imported keeps it: an old bundle does not get younger by being imported again. The digests guard against damage and
loss on the way. Who made the bundle they do not tell: that do the signatures of the documents, checked with a key that
the importing side has, or a checksum of the whole that came by another way.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded, ScanError
from ..._core.safe_json import read_object
from ..._core.times import utc_text
from ..._images.tar import FILE
from .archives import starts_with, walk_archive

MANIFEST = "imagescan-bundle.json"
SCHEMA_VERSION = 1
KINDS = ("feed", "index")
#: The one file of a bundle of the kind ``index``.
INDEX_FILE = "index.zst"
MANIFEST_LIMIT = 64 << 20
FILES_LIMIT = 100_000
_STEP = 1 << 20
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}(?:/[A-Za-z0-9][A-Za-z0-9._+-]{0,200}){0,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "fetch or export the bundle again"


class Digest(t.NamedTuple):
    """Expected content of a file. ``sha256``: hexadecimal. ``size``: bytes."""

    sha256: str
    size: int


@dataclasses.dataclass(frozen=True)
class BundleManifest:
    """Manifest of a bundle; see the module's docstring."""

    kind: str
    format: str
    serial: str
    newest: str
    checked: str
    signature_key: str
    files: t.Mapping[str, Digest]

    def encoded(self) -> bytes:
        """As the bundle has it."""
        files = {path: {"sha256": file.sha256, "size": file.size} for path, file in self.files.items()}
        values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self), "files": files}
        return json.dumps(values, indent=1).encode()


def digest_file(path: Path, tick: t.Callable[[], None] = lambda: None) -> Digest:
    """Digest and size of a file. Raises InputError."""
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as stream:
            while data := stream.read(_STEP):
                tick()
                digest.update(data)
                size += len(data)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return Digest(digest.hexdigest(), size)


def check_checksum(path: Path, checksum: str, tick: t.Callable[[], None] = lambda: None) -> None:
    """Raise unless a file has the checksum that the user wrote, ``sha256:<hexadecimal>``."""
    kind, _colon, expected = checksum.strip().lower().partition(":")
    if kind != "sha256" or not _SHA256.fullmatch(expected):
        raise InputError(f"the checksum {checksum[:100]!r} is not like sha256:<64 hexadecimal digits>")
    actual = digest_file(path, tick).sha256
    if actual != expected:
        raise CorruptData(
            f"the bundle {path} has the checksum sha256:{actual}; expected {checksum}",
            code="bundle-checksum",
            hint=_HINT,
        )


def is_bundle(path: Path) -> bool:
    """Return whether a file is a bundle, by its content. Raises InputError where it cannot be read."""
    return starts_with(str(path), MANIFEST.encode() + b"\0")


def write_bundle(folder: Path, manifest: BundleManifest, dest: Path, tick: t.Callable[[], None] = lambda: None) -> str:
    """Pack the manifest's files, which lie in ``folder``, and put the bundle in its place as a whole, mode 0600.

    Equal input gives equal bytes. Gives the checksum (``sha256:...``) of the bundle. Raises ScanError.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{dest.name}-", dir=dest.parent)
        try:
            with open(descriptor, "w+b") as out:
                with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
                    content = manifest.encoded()
                    tar.addfile(_member(MANIFEST, len(content)), io.BytesIO(content))
                    for path, file in manifest.files.items():
                        with (folder / path).open("rb") as stream:
                            tar.addfile(_member(path, file.size), _Ticking(stream, tick))
                out.flush()
                os.fsync(out.fileno())
            read_bundle(Path(temporary), None, tick)  # what was packed is what the manifest says
            checksum = digest_file(Path(temporary), tick).sha256
            Path(temporary).replace(dest)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise ScanError(
            f"the bundle {dest} cannot be written: {error.strerror or error}",
            code="bundle-unwritable",
            hint="is there room on the disk?",
        ) from error
    return f"sha256:{checksum}"


def read_bundle(path: Path, folder: Path | None, tick: t.Callable[[], None] = lambda: None) -> BundleManifest:
    """Unpack a bundle into an empty folder, or only check it (None).

    Raises CorruptData (``bundle-damaged``, ``feed-truncated``) unless it has all that its manifest names, each with its
    size and digest, and nothing else; InputError for a newer form.
    """
    reader = _BundleReader(path, folder, tick)
    try:
        walk_archive(str(path), reader.visit)
    except ScanError:
        if reader.error is not None:
            raise reader.error  # the walk has wrapped it
        raise
    return reader.whole()


class _BundleReader:
    """Takes a bundle's members as they come."""

    def __init__(self, path: Path, folder: Path | None, tick: t.Callable[[], None]) -> None:
        self.path = path
        self.folder = folder
        self.tick = tick
        self.manifest: BundleManifest | None = None
        self.left: list[str] = []
        self.error: ScanError | None = None

    def visit(self, name: str, kind: str, size: int, _link: str) -> _Head | _Body:
        with self.remembered():
            return self.take(name, kind, size)

    def take(self, name: str, kind: str, size: int) -> _Head | _Body:
        if kind != FILE:
            raise self.damaged(f"it has {ascii(name)[:200]}, which is not a regular file")
        if self.manifest is None:
            if name != MANIFEST:
                raise self.damaged(f"it does not start with {MANIFEST}")
            if size > MANIFEST_LIMIT:
                raise LimitExceeded(f"the manifest of the bundle {self.path} has more than {MANIFEST_LIMIT} bytes")
            return _Head(self)
        if not self.left or name != self.left[-1]:
            expected = f"where {self.left[-1]} is expected" if self.left else "after the last of its files"
            raise self.damaged(f"it has {ascii(name)[:200]} {expected}")
        self.left.pop()
        file = self.manifest.files[name]
        if size != file.size:
            raise self.damaged(f"{name} has {size} bytes; expected {file.size}")
        return _Body(self, name, file)

    @contextlib.contextmanager
    def remembered(self) -> t.Iterator[None]:
        """Keep the error that the walk is going to wrap."""
        try:
            yield
        except ScanError as error:
            self.error = error
            raise

    def begin(self, data: bytes) -> None:
        self.manifest = read_manifest(data, str(self.path))
        self.left = list(self.manifest.files)[::-1]

    def whole(self) -> BundleManifest:
        if self.manifest is None:
            raise self.damaged("it has no manifest")
        if self.left:
            raise self.damaged(f"it lacks {len(self.left)} of its files, the first: {self.left[-1]}")
        return self.manifest

    def damaged(self, reason: str) -> CorruptData:
        return CorruptData(f"the bundle {self.path} is damaged: {reason}", code="bundle-damaged", hint=_HINT)


class _Head:
    """Takes the manifest."""

    def __init__(self, reader: _BundleReader) -> None:
        self._reader = reader
        self._parts: list[bytes] = []

    def write(self, data: memoryview) -> None:
        self._parts.append(bytes(data))

    def finish(self) -> None:
        with self._reader.remembered():
            self._reader.begin(b"".join(self._parts))


class _Body:
    """Takes one file."""

    def __init__(self, reader: _BundleReader, name: str, file: Digest) -> None:
        self._reader = reader
        self._name = name
        self._file = file
        self._digest = hashlib.sha256()
        self._out: t.BinaryIO | None = None
        if reader.folder is not None:
            target = reader.folder / name
            with self._errors():
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._out = target.open("xb")

    def write(self, data: memoryview) -> None:
        self._digest.update(data)
        with self._reader.remembered():
            self._reader.tick()
        if self._out is not None:
            with self._errors():
                self._out.write(data)

    def finish(self) -> None:
        if self._out is not None:
            with self._errors():
                self._out.close()
        with self._reader.remembered():
            self._check()

    def _check(self) -> None:
        if self._digest.hexdigest() != self._file.sha256:
            raise self._reader.damaged(f"{self._name} has another digest than its manifest says")

    @contextlib.contextmanager
    def _errors(self) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            failed = ScanError(
                f"{self._name} of the bundle {self._reader.path} cannot be unpacked: {error.strerror or error}",
                code="disk-full",
                hint="is there room on the disk?",
            )
            self._reader.error = failed
            raise failed from error


def read_manifest(data: bytes, where: str) -> BundleManifest:
    """A manifest. Raises CorruptData (``bundle-damaged``), InputError for one of a newer form."""
    subject = f"the manifest of the bundle {where}"
    values = read_object(data, subject, limit=MANIFEST_LIMIT)
    version = values.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{subject} has schema version {version}; {SCHEMA_VERSION} is the newest known",
            code="bundle-newer",
            hint="update the collection, or export with this version of it",
        )
    try:
        return _manifest_of(values)
    except (KeyError, TypeError, AttributeError, ValueError, CorruptData) as error:
        raise CorruptData(f"{subject} is damaged: {error}"[:500], code="bundle-damaged", hint=_HINT) from error


def _manifest_of(values: t.Mapping[str, t.Any]) -> BundleManifest:
    files = {
        _checked(path, _PATH): Digest(_checked(file["sha256"], _SHA256), _size(file["size"]))
        for path, file in values["files"].items()
    }
    texts = {key: values[key] for key in ("kind", "format", "serial", "newest", "checked", "signature_key")}
    is_of_form = values.get("schema_version") == SCHEMA_VERSION and values["kind"] in KINDS
    if not is_of_form or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(f"its kind is {ascii(texts['kind'])[:40]}; expected one of {', '.join(KINDS)}")
    _check_files(files, is_index=values["kind"] == "index")
    texts["checked"] = utc_text(texts["checked"], "checked")  # times are compared as texts
    texts["newest"] = texts["newest"] and utc_text(texts["newest"], "newest")
    return BundleManifest(files=files, **texts)


def _check_files(files: t.Collection[str], *, is_index: bool) -> None:
    if MANIFEST in files or not 0 < len(files) <= FILES_LIMIT:
        raise ValueError(f"it names {len(files)} files; expected 1 to {FILES_LIMIT}")
    if is_index and set(files) != {INDEX_FILE}:
        raise ValueError(f"a bundle of an index has {INDEX_FILE} and nothing else")
    # A file where another one needs a folder cannot be unpacked.
    if {str(parent) for path in files for parent in Path(path).parents} & set(files):
        raise ValueError("it names a path both as a file and as a folder")


def _checked(text: t.Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{ascii(text)[:100]} is not allowed there")
    return text


def _size(value: t.Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{ascii(value)[:100]} is not a size")
    return value


def _member(path: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size = size
    member.mode = 0o644
    return member


class _Ticking(io.RawIOBase):
    """A file whose reading says that the work goes on."""

    def __init__(self, stream: t.BinaryIO, tick: t.Callable[[], None]) -> None:
        self._stream = stream
        self._tick = tick

    def read(self, size: int = -1) -> bytes:
        self._tick()
        return self._stream.read(size)
