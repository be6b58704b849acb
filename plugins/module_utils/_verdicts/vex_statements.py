# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of VEX documents, and what each of them is about."""

from __future__ import annotations

import dataclasses
import typing as t

from .identifiers import folded_id, mentioned_ids
from .vex_names import ImageName, PackageName

#: Statuses that say that a finding counts, or may.
COUNTING = ("affected", "under_investigation")


@dataclasses.dataclass(frozen=True)
class VexStatement:
    """Statement of a maker about a vulnerability in an image, or in one package of it (None: in all).

    ``ids``: the vulnerability and its aliases, as they are written. ``status``: in the words of OpenVEX. ``time``: RFC
    3339, UTC. ``document``: the id of the document that says so; ``author``: who published it.
    """

    ids: tuple[str, ...]
    status: str
    image: ImageName
    package: PackageName | None
    time: str
    justification: str = ""
    impact: str = ""
    document: str = ""
    author: str = ""

    @property
    def clears(self) -> bool:
        """True if a finding is no longer one: the maker fixed it in what is named, or says why it does not matter.

        What is fixed must be a build: "the image of that name is fixed" would be said of its older builds, too.
        """
        if self.status == "fixed":
            return bool(self.image.digest or (self.package is not None and self.package.build))
        return self.status == "not_affected" and bool(self.justification or self.impact)

    @property
    def widely(self) -> bool:
        """True if it says that a finding counts, or may; what is unclear in it must not save what was said before."""
        return self.status in COUNTING

    @property
    def compared_ids(self) -> tuple[str, ...]:
        """The ids by which it is looked up (``folded_id``); what counts is about every id that it may mean."""
        if not self.widely:
            return tuple(dict.fromkeys(map(folded_id, self.ids)))
        return tuple(dict.fromkeys(identifier for text in self.ids for identifier in mentioned_ids(text)))

    def is_about_image(self, digests: t.Container[str], references: t.Collection[str]) -> bool:
        """Return whether it is about an image. ``digests``: its own and those of the indexes that it is in."""
        return self.image.names(digests, references, widely=self.widely)

    def is_about_package(self, package: str, distribution: str) -> bool:
        """Return whether it is about a package (``name-epoch:version-release.arch``) of its image."""
        return self.package is None or self.package.names(package, distribution, widely=self.widely)

    @property
    def label(self) -> str:
        """Name in reports."""
        return f"vex:{self.document}"


@dataclasses.dataclass(frozen=True)
class VexDocument:
    """One file. ``verified``: it was signed with a named key; without that there are no statements.

    ``problems``: what is not used, and why, at most 20 sentences.
    """

    path: str
    id: str = ""
    author: str = ""
    verified: bool = False
    statements: tuple[VexStatement, ...] = ()
    problems: tuple[str, ...] = ()
