# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result of every reader of documents, whatever their format."""

from __future__ import annotations

import dataclasses
import typing as t

#: Where the document says that a package belongs to a module and not to which.
UNKNOWN_MODULE = "?"
#: Where the document does not tell whether a build is that of a source package or of a binary.
UNTOLD_ARCH = "?"


class StatementRow(t.NamedTuple):
    """One statement without what the whole document shares (see ``model.Statement`` for the fields)."""

    name: str
    status: str
    module: str
    evr: str
    severity: str
    fix_state: str
    advisory: str
    cvss: str
    arch: str
    cpe: str
    product: str


@dataclasses.dataclass(frozen=True)
class Document:
    """Content of one document. ``vulnerabilities``: CVE (or advisory, where it names none) and its rows.

    ``category``: ``csaf_vex``, ``osv`` or ``updateinfo`` for what can be matched, else what the document says that it
    is. ``deleted``: the vendor took it back. ``skipped``: reason ->
    number of product ids that say nothing about an RPM or of which something was not understood.
    """

    category: str
    revision: str
    deleted: bool
    vulnerabilities: tuple[tuple[str, tuple[StatementRow, ...]], ...]
    skipped: t.Mapping[str, int]
