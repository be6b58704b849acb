# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dry run over a feed: how much it has, and which of its documents would be refused, by cause."""

from __future__ import annotations

import dataclasses
import re
import tempfile
import typing as t
from pathlib import Path

from ..._core.errors import CorruptData
from ..._core.text import visible, wrap
from ..distributions import fewest_documents
from ..index.reader import RejectedDocument
from ..model import FeedInfo
from .build import Signatures
from .importing import import_feed
from .intake import Progress
from .parsing import CSAF, LEFT_OUT_CODES, Form

if t.TYPE_CHECKING:
    from ..._images.access import Access

#: Documents that a cause names, and causes that a check keeps apart: what is beyond counts as one.
EXAMPLES = 3
CAUSES_LIMIT = 200
OTHER = "other causes"

_CAUSE_LENGTH = 160
_WIDTH = 100
#: What differs from document to document: quoted text, also cut in its midst; a file; an identifier; a number.
_QUOTED = re.compile(r"b?'(?:[^'\\]|\\.)*'|b?\"(?:[^\"\\]|\\.)*\"|(?<![^\s(])['\"]\S*")
_FILE = re.compile(r"\S+\.json\b")
_IDENTIFIER = re.compile(r"\b[A-Z]{2,}[A-Z0-9]*-[0-9]{4}[-:]\S*[0-9A-Za-z]")
_NUMBER = re.compile(r"(?<![A-Za-z])[0-9][0-9.:]*\b")


@dataclasses.dataclass(frozen=True)
class Cause:
    """Why documents are refused.

    ``cause``: the same for every document that is refused for it, without identifiers and numbers. ``documents``: paths
    of the first of them. ``reason``: what is wrong with the first, in full.
    """

    cause: str
    count: int
    documents: tuple[str, ...]
    reason: str


@dataclasses.dataclass(frozen=True)
class CheckedFeed:
    """Findings of a dry run. ``info``: of the index that would be made; None where no document can be read.

    ``rejected``: every document that would be refused. ``skipped``: as in ``build.BuildResult``. ``fewest``: number of
    documents that a whole feed of its vendor has at least, 0 where that is not known.
    """

    info: FeedInfo | None
    rejected: tuple[RejectedDocument, ...]
    skipped: t.Mapping[str, int]
    fewest: int

    @property
    def causes(self) -> list[Cause]:
        """Why documents are refused, the most frequent cause first."""
        return group_causes(self.rejected)


def check_feed(
    source: str,
    *,
    form: Form = CSAF,
    repository_map: str = "",
    access: Access | None = None,
    now: str,
    progress: Progress | None = None,
    signatures: Signatures | None = None,
    checksum: str = "",
) -> CheckedFeed:
    """Read a whole feed or bundle as for a new index, and keep nothing of it but what would be refused.

    What is fetched and compiled takes room where temporary files go. Raises as ``import_feed``, but not where every
    document is refused.
    """
    with tempfile.TemporaryDirectory(prefix="imagescan-") as folder:
        try:
            built = import_feed(
                source,
                str(Path(folder) / "index"),
                form=form,
                repository_map=repository_map,
                access=access,
                now=now,
                progress=progress,
                dry_run=True,
                signatures=signatures,
                checksum=checksum,
            )
        except CorruptData as error:
            if error.code != "feed-empty" or not error.partial:
                raise
            return CheckedFeed(None, tuple(error.partial), {}, 0)
    return CheckedFeed(built.info, built.rejected, built.skipped, fewest_documents(built.info))


def group_causes(rejected: t.Iterable[RejectedDocument]) -> list[Cause]:
    """The causes, the most frequent first, each with the first documents by path."""
    documents_by_cause: dict[str, list[RejectedDocument]] = {}
    for document in sorted(rejected, key=lambda document: document.path):
        cause = cause_of(document)
        if cause not in documents_by_cause and len(documents_by_cause) >= CAUSES_LIMIT:
            cause = OTHER
        documents_by_cause.setdefault(cause, []).append(document)
    causes = [
        Cause(cause, len(group), tuple(document.path for document in group[:EXAMPLES]), group[0].reason)
        for cause, group in documents_by_cause.items()
    ]
    return sorted(causes, key=lambda cause: (-cause.count, cause.cause))


def cause_of(rejected: RejectedDocument) -> str:
    """The reason without what differs from document to document."""
    name = rejected.path.rpartition("/")[2]
    text = rejected.reason[:2000].removeprefix(name).lstrip(" :,")
    for pattern in (_QUOTED, _FILE, _IDENTIFIER, _NUMBER):
        text = pattern.sub("…", text)
    return visible(" ".join(text.split()), _CAUSE_LENGTH) or "no reason was given"


def lines_of(checked: CheckedFeed, source: str) -> list[str]:
    """Format the result of a dry run for a terminal."""
    info, number = checked.info, len(checked.rejected)
    read = info.documents if info is not None else 0
    summary = f"{visible(source, 300)}: {read:,} documents can be read, {number:,} would be refused"
    if info is not None and info.years:
        summary += f"; of {' to '.join(map(str, dict.fromkeys(info.years)))}"
    summary += _files_left_out(checked.skipped)
    lines = wrap(summary, _WIDTH)
    if number:
        lines += ["", f"{'refused':>8}  cause"]
    lines += [line for cause in checked.causes for line in _cause_lines(cause)]
    if read + number < checked.fewest:
        lines += ["", *wrap(_shortage(info, checked.fewest), _WIDTH)]
    return lines


def _files_left_out(skipped: t.Mapping[str, int]) -> str:
    left_out = sum(skipped.get(code.replace("-", "_"), 0) for code in LEFT_OUT_CODES)
    return f"; {left_out:,} {'file is' if left_out == 1 else 'files are'} not part of it" if left_out else ""


def _cause_lines(cause: Cause) -> list[str]:
    """A cause with the number of its documents, and the first of them."""
    first, *lines = wrap(cause.cause, _WIDTH - 10)
    more = " …" if cause.count > len(cause.documents) else ""
    lines += wrap(", ".join(visible(path, 200) for path in cause.documents) + more, 90)
    return [f"{cause.count:>8,}  {first}", *(" " * 10 + line for line in lines)]


def _shortage(info: FeedInfo | None, fewest: int) -> str:
    listed = f" (its maker lists {info.listed:,})" if info is not None and info.listed else ""
    return (
        f"Only a part of the data: a whole feed of {', '.join(info.distributions) if info is not None else ''} has"
        f" at least {fewest:,} documents{listed}. No image passes by this one unless the policy states"
        " 'vulnerabilities.min_documents'."
    )
