# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: one for each format, and OpenSCAP's own pages."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import typing as t
from pathlib import Path

from .._compliance.oscap import find_tools
from .._compliance.pages import render_page
from .._core.errors import ScanError
from .._core.files import write_whole
from .._reports import metrics
from .._reports.document import ReportFormat, Times, newest_time
from .._reports.formats import FORMATS
from .._store.current import InForce
from .._store.store import Store


@dataclasses.dataclass(frozen=True)
class ReportFile:
    """A file of the report. ``before``: what it holds, None where it is not there. ``content``: what it is to hold."""

    format: ReportFormat
    path: Path
    mode: int
    before: bytes | None
    content: bytes

    @property
    def is_news(self) -> bool:
        """True if it changes, and says anything else then but that time passed."""
        return self.before is None or self.format.differs(self.before, self.content)


def render_files(params: t.Mapping[str, t.Any], report: t.Mapping[str, t.Any], state: InForce) -> list[ReportFile]:
    """Render the files of the formats that are asked for, in the order of the table."""
    times = Times(newest_time(image.scanned_at for image in state.images), state.judged_at)
    files = []
    for item in FORMATS:
        if item.name not in params["formats"] or item.render is None:
            continue
        path, mode = absolute(params["dest"]) / item.filename, 0o600
        if item is metrics.FORMAT and params["metrics_file"]:
            path, mode = absolute(params["metrics_file"]), 0o644  # node_exporter is another user
        before = read_before(path)
        content = item.render(report, times) if item.timed else item.render(report)
        files.append(ReportFile(item, path, mode, before, content))
    return files


@dataclasses.dataclass
class Pages:
    """OpenSCAP's pages: digest -> path, whether one was made or removed, and why others could not be made."""

    paths: dict[str, str] = dataclasses.field(default_factory=dict)
    made: bool = False
    errors: list[ScanError] = dataclasses.field(default_factory=list)


def write_pages(store: Store, digests: t.Iterable[str], folder: Path, *, check_mode: bool) -> Pages:
    """Make OpenSCAP's pages, each once for an answer. A page of an older answer goes, whatever becomes of the new."""
    oscap = find_tools().oscap
    pages = Pages()
    for digest in digests:
        arf = store.evaluations.arf(digest)
        name = digest.replace(":", "-")
        path = _page_path(folder, name, arf)
        old = [page for page in folder.glob(f"{name}-*.html") if page != path]
        pages.made |= bool(old)
        if not check_mode:
            _remove(old)
        if arf is None or path is None:
            continue
        if not path.is_file():
            pages.made = True
            error = None if check_mode else _write_page(path, arf, oscap)
            if error is not None:
                error.subject = digest
                pages.errors.append(error)
                continue
        pages.paths[digest] = str(path)
    return pages


def _page_path(folder: Path, name: str, arf: bytes | None) -> Path | None:
    return None if arf is None else folder / f"{name}-{hashlib.sha256(arf).hexdigest()[:12]}.html"


def _write_page(path: Path, arf: bytes, oscap: str) -> ScanError | None:
    """Make one page. Returns why it could not be made; raises ScanError if no page could be written."""
    try:
        write(path, render_page(arf, oscap))
    except ScanError as error:
        if error.code == "report-unwritable":
            raise
        return error
    return None


def write_files(files: t.Iterable[ReportFile]) -> None:
    """Write those files of a report that differ."""
    for file in files:
        if file.before != file.content:
            write(file.path, file.content, file.mode)


def _remove(paths: t.Iterable[Path]) -> None:
    """Remove files of a report."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ScanError(
                f"{path} cannot be removed: {error.strerror or error}",
                code="report-unwritable",
                hint="check its rights",
            ) from error


def absolute(path: str) -> Path:
    """Return a path as it is told to others."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links


def read_before(path: Path) -> bytes | None:
    """Read the present content of a file; None if it does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ScanError(f"{path} cannot be read: {error.strerror or error}", code="report-unwritable") from error


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write one file of a report, and its folder."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, content, mode)
    except OSError as error:
        raise ScanError(
            f"{path} cannot be written: {error.strerror or error}",
            code="report-unwritable",
            hint="check the folder, its rights and the room on the disk",
        ) from error
