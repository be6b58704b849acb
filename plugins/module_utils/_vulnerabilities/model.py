# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of vulnerability data and of matching."""

from __future__ import annotations

import dataclasses
import typing as t

from .._images.model import Problem

#: Version of the feed index's form; an index with a newer one is refused.
SCHEMA_VERSION = 3

#: Names of the entries of ``formats.table``, in its order.
FEED_FORMATS = (
    "csaf-vex",
    "osv",
    "updateinfo",
)

SEVERITIES = ("none", "low", "moderate", "important", "critical")

#: Finding states of DESIGN 5.3.
STATUSES = ("fix_available", "affected", "will_not_fix", "fix_deferred", "out_of_support", "under_investigation")


@dataclasses.dataclass(frozen=True)
class Statement:
    """One line of a feed: what one document says of one package of one product.

    ``status``: ``fixed``, ``known_affected``, ``known_not_affected`` or ``under_investigation``.
    ``arch``: empty for any, ``src`` for a source package, ``?`` for a build of which the document does not tell whether
    it is a source package. ``module``: ``name:stream``, empty for none, ``?`` where the
    document says that there is one and not which.
    ``evr``: ``epoch:version-release`` of the build that is named (for ``fixed``: the fix), without ``epoch:`` where the
    document does not tell it; the label ``name:stream:version:context`` for the build of a whole module; empty where no
    build is named. ``severity``: one of SEVERITIES, of this product.
    ``fix_state``: one of STATUSES for what is not fixed, else empty. ``revision``: the document's current release date,
    RFC 3339. ``cvss``: base score and vector (``7.5 CVSS:3.1/AV:N/...``), empty where the document gives none.
    """

    cve: str
    name: str
    arch: str
    module: str
    cpe: str
    product: str
    status: str
    evr: str
    severity: str
    fix_state: str
    advisory: str
    cvss: str
    revision: str


@dataclasses.dataclass(frozen=True)
class FeedInfo:
    """Facts of the feed in use. Times are RFC 3339, UTC.

    ``serial``: identifies the data (same serial, same statements). ``checked``: last successful check, from which the
    feed's age is counted. ``newest``: newest change in the data. ``repository_map``: whether repository-to-cpe data
    is in it. ``names``: not empty when the index was built for these package names alone (binary and source names).
    ``rejected``: number of documents that could not be read, so that what they say is not in the index.
    ``distributions``: ``ID`` of os-release of those that the feed speaks for. ``coverage``: ``full``, or ``fixes``
    where it lists fixes alone, so that nothing said of a package is not "not affected". ``signature_key``: fingerprints
    of the OpenPGP keys (one blank between them) by which documents were verified; empty: none was. ``verified``: number
    of documents whose signature was checked and is good. ``listed``: number of documents that the maker's own list
    (``changes.csv`` or ``index.txt``) names; 0 where the source has none. ``years``: the first and the last year in the
    names of its documents; empty where they name none.
    """

    serial: str
    format: str
    checked: str
    newest: str
    documents: int
    statements: int
    repository_map: bool
    names: tuple[str, ...] = ()
    rejected: int = 0
    distributions: tuple[str, ...] = ("rhel", "rhcos")
    coverage: str = "full"
    signature_key: str = ""
    verified: int = 0
    listed: int = 0
    years: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Finding:
    """A statement that applies to a package of an image and says that it is, or may be, vulnerable.

    ``package``: ``name-epoch:version-release.arch``. ``status``: one of STATUSES. ``fixed_in``: EVR that fixes it in an
    applicable stream, or a sentence "fixed only in ...", or empty. ``severity``: one of SEVERITIES. ``document``: path
    of the document in its feed that says it, ``revision``: as of when. ``cvss``: as in Statement, for this product.
    """

    id: str
    package: str
    name: str
    severity: str
    status: str
    fixed_in: str
    advisory: str
    module: str
    cpe: str
    product: str
    revision: str
    document: str = ""
    cvss: str = ""


@dataclasses.dataclass(frozen=True)
class AppliedCpe:
    """A CPE taken to apply to the image.

    ``source``: ``content_manifest``, ``dnf_history``, ``label``, ``os_release`` or ``assumed``.
    """

    cpe: str
    source: str


@dataclasses.dataclass(frozen=True)
class Coverage:
    """A package that the feed says nothing about because another vendor built it."""

    package: str
    name: str
    vendor: str
    key_id: str


@dataclasses.dataclass(frozen=True)
class UnreadDocument:
    """A document of the feed that could not be read, and that may concern an image.

    ``path``: in its feed. ``sha256``: of its bytes, in hex. ``names``: packages, source packages and modules of the
    image that it names, sorted; empty where nothing tells what it is about, so that it may be about all of them.
    """

    path: str
    sha256: str
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Match:
    """The result of matching one inventory against one feed index.

    ``not_covered``: packages that the feed does not cover. ``unmapped``: repository ids without a CPE in the map.
    ``supported``: the feed covers this distribution at all (``False``: nothing of the image can be judged by it).
    ``counts``: ``packages``, ``packages_covered``, ``packages_matched`` (the feed says something of them for a product
    of the image), ``vendor_by_name`` (covered by the vendor's name alone, without one of its keys),
    ``kernel_headers`` (left out), ``statements_seen``, ``statements_applicable``.
    ``problems``: what makes the findings incomplete; as long as there is one, no finding does not mean clean.
    ``unverified``: how many documents say something of the image's packages and have no verified signature, where the
    feed has a ``signature_key``; else 0, and none has. ``unread``: documents that could not be read and may say
    something of the image's packages, by path.
    """

    findings: tuple[Finding, ...]
    cpes: tuple[AppliedCpe, ...]
    not_covered: tuple[Coverage, ...]
    unmapped: tuple[str, ...]
    supported: bool
    feed: FeedInfo | None
    counts: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    unverified: int = 0
    unread: tuple[UnreadDocument, ...] = ()
