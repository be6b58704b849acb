# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document's statements in groups, as the index keeps them: small enough to travel between processes."""

from __future__ import annotations

import typing as t

from ..documents.model import Document
from ..model import SEVERITIES
from .form import FIX_STATES, STATEMENT_STATUSES


class Packed(t.NamedTuple):
    """One document. ``products``: (CPE, product id). ``vulnerabilities``: id, and for each package its groups, as in
    ``form.Group``, with numbers into ``products``. ``statements``: how many statements these are.
    """

    category: str
    revision: str
    deleted: bool
    skipped: dict[str, int]
    statements: int
    products: list[tuple[str, str]]
    vulnerabilities: list[tuple[str, list[tuple[str, list[list[t.Any]]]]]]


def pack(document: Document) -> Packed:
    """Group the statements of a document."""
    numbers: dict[tuple[str, str], int] = {}
    total = 0
    vulnerabilities: list[tuple[str, list[tuple[str, list[list[t.Any]]]]]] = []
    for cve, rows in document.vulnerabilities:
        shared: dict[tuple[str, ...], dict[tuple[str, ...], set[str]]] = {}
        for row in rows:
            products = shared.get(row[:8])
            if products is None:
                products = shared[row[:8]] = {}
            arches = products.get(row[9:])
            if arches is None:
                arches = products[row[9:]] = set()
            arches.add(row.arch)
        by_name: dict[str, list[list[t.Any]]] = {}
        for (name, status, module, evr, severity, fix_state, advisory, cvss), products in shared.items():
            by_arches: dict[str, list[int]] = {}
            for (cpe, product), arches in products.items():
                total += len(arches)
                number = numbers.setdefault((cpe, product), len(numbers))
                by_arches.setdefault(" ".join(sorted(arch or "*" for arch in arches)), []).append(number)
            head = (
                STATEMENT_STATUSES.index(status),
                module,
                evr,
                SEVERITIES.index(severity),
                FIX_STATES.index(fix_state),
                advisory,
                cvss,
            )
            by_name.setdefault(name, []).extend([*head, group, text] for text, group in by_arches.items())
        vulnerabilities.append((cve, list(by_name.items())))
    return Packed(
        document.category,
        document.revision,
        document.deleted,
        dict(document.skipped),
        total,
        list(numbers),
        vulnerabilities,
    )
