# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of one CSAF 2.x VEX document, as Red Hat publishes them (one document a CVE).

Reads the shape of the ``vex`` feed (branches by architecture, modules as products of their own or as a qualifier) and
of the ``vex-feed`` feed (``csaf_flat``: flat branches, builds without architecture, builds of whole modules).
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from ..._core.errors import CorruptData
from ..._core.times import utc_text
from .csaf_components import parse_build_id, parse_name_id
from .csaf_flat import is_flat, modules_named
from .csaf_json import DOCUMENT_LIMIT, CsafFields, load
from .csaf_statements import StatementReader
from .csaf_tree import ProductTree
from .model import Document, StatementRow

__all__ = ["DOCUMENT_LIMIT", "may_name", "read_document"]

_CVE = re.compile(r"[A-Z][A-Z0-9]{1,15}-[A-Za-z0-9:-]{1,48}")

_ESCAPED_NAME = re.compile(rb"\\(?:u00[0-7]|/)")
_PURL_NAME = re.compile(rb'"pkg:rpm/(?:[^/"]*/)*([^/"@?#]*)')
_PART = re.compile(rb'"product_reference"\s*:\s*"([^"\\]*)"')


def read_document(data: bytes, where: str, *, names: t.Container[str] | None = None) -> Document:
    """Read one document; with ``names`` only what it says of these packages. ``where`` names it in messages.

    Raises CorruptData for what is not a CSAF document, LimitExceeded for what is too large.
    """
    root = load(data, where)
    fields = CsafFields(where)
    head = fields.dict_of(root, "document", required=True)
    category = fields.text_of(head, "category", required=True)
    _check_version(head, where)
    tracking = fields.dict_of(head, "tracking", required=True)
    date = fields.text_of(tracking, "current_release_date", required=True)
    revision = utc_text(date, f"{where}: current_release_date")
    deleted = fields.text_of(tracking, "status").strip().casefold() == "deleted"
    if deleted:
        return Document(category, revision, True, (), {})
    vulnerabilities = fields.list_of(root, "vulnerabilities", dict)
    if not vulnerabilities:
        raise CorruptData(f"{where} has no vulnerabilities; expected at least one")
    tree = ProductTree(fields, fields.dict_of(root, "product_tree"))
    helpers = (helper.get("purl") for helper in tree.products.values())
    purls = [purl for purl in helpers if isinstance(purl, str)]
    tree.parts.flat = is_flat(fields, tracking, tree.categories, purls)
    statements = StatementReader(fields, tree, names)
    aggregate = statements.severity(fields.text_of(fields.dict_of(head, "aggregate_severity"), "text"))
    statements_by_cve: list[tuple[str, tuple[StatementRow, ...]]] = []
    for vulnerability in vulnerabilities:
        cve = fields.text_of(vulnerability, "cve") or fields.text_of(tracking, "id")
        if not _CVE.fullmatch(cve):
            raise CorruptData(f"{where}: {ascii(cve)[:60]} is not the id of a vulnerability")
        statements_by_cve.append((cve, tuple(statements.read_vulnerability(vulnerability, aggregate))))
    tree.check_unspoken()
    return Document(category, revision, False, tuple(statements_by_cve), dict(fields.skipped))


def _check_version(head: dict[str, t.Any], where: str) -> None:
    version = head.get("csaf_version", "2.0")
    if not isinstance(version, str) or not version.startswith("2."):
        raise CorruptData(f"{where} has csaf_version {str(version)[:20]!r}; expected 2.0 or 2.1")


def may_name(data: bytes, names: t.Container[str]) -> bool:
    """Return whether the document's text seems to say something of one of these packages, without reading it.

    Only a hint: of a damaged document it is certain of nothing. Texts that are cut or escape names count as naming all.
    """
    text = data.strip()
    if _is_cut(text) or _ESCAPED_NAME.search(text):
        return True
    for purl in set(_PURL_NAME.findall(text)):
        name = purl.decode("utf-8", "replace")
        if (urllib.parse.unquote(name) if "%" in name else name) in names:
            return True
    if any(module in names for module in modules_named(text)):
        return True
    return any(_id_names(identity.decode("utf-8", "replace"), names) for identity in set(_PART.findall(text)))


def _is_cut(text: bytes) -> bool:
    return not text.startswith(b"{") or not text.endswith(b"}") or text.count(b"{") != text.count(b"}")


def _id_names(identity: str, names: t.Container[str]) -> bool:
    build = parse_build_id(identity)
    name = build.name if build else parse_name_id(identity)[0]
    return name in names or name.rpartition("/")[2] in names or identity in names
