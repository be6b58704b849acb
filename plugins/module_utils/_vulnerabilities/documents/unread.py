# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scope of a document that cannot be read: a second reader, which takes a document for text and not for JSON.

A scope that lacks a package is a false green, so the reader takes too many names rather than too few, and gives up
("everything that the feed speaks for") where nothing proves that the names are all there:

* CSAF-VEX. A statement names its package in three parts of the document: where the product tree defines the component
  (``branches``), where it relates it to a product (``relationships``), and where it has its status
  (``product_status``). Each part begins with its own key. As long as all three keys are there, no one place that was
  cut out, overwritten or changed has all three names of a package in it, and no two places do. CPEs do not narrow the
  scope: a product is often named once.
* OSV and updateinfo. A record names each package once, so nothing tells whether one is missing. The name of the file,
  which is outside of the document, tells whose advisory it is.

One pass of a regular expression over at most ``csaf_vex.DOCUMENT_LIMIT`` bytes; what is kept is bounded too.
"""

from __future__ import annotations

import json
import re
import typing as t
import urllib.parse

#: Bounds of what is looked at and kept of one document. The largest published ones have a tenth of it.
QUOTES_LIMIT = 4_000_000
TEXTS_LIMIT = 200_000
TEXT_BYTES_LIMIT = 64 << 20
NAMES_LIMIT = 50_000

#: The keys that begin the three parts of a CSAF document in which a package is named.
_PARTS = tuple(re.compile(rb'"%s"\s{0,100}:' % key) for key in (b"branches", b"relationships", b"product_status"))
#: What stands between two quotes, and is not a key. Both quotes may belong to a second match: with one quote too many
#: or too few, what was outside of texts is inside, and the other way round.
_TEXT = re.compile(rb'"([^"\x00-\x1f]{1,8192})(?=")(?!"\s{0,100}:)')
#: Texts of documents that are neither ids nor names of packages.
_OTHER_TEXT = re.compile(
    r"(?:cpe|https?|mailto|CVSS|AV):|pkg:(?!rpm)[a-z]+/|[0-9]{4}-[0-9]{2}-[0-9]{2}T", re.IGNORECASE
)
_PURL = re.compile(r".{0,8}:rpm(?:mod)?/")
_SEPARATOR = re.compile(r"[:/]")
_VERSION = re.compile(r"-[0-9]")
_BUILD = re.compile(r"[0-9][^-]*-[0-9].*")
#: Names have a letter, and are not digests of container images.
_NAME = re.compile(r"(?![0-9a-f]{64})(?=.*[A-Za-z])[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}")


class UnreadScope(t.NamedTuple):
    """Scope of a document that could not be read.

    ``names``: of packages, source packages and modules without their streams, sorted. ``distributions``: ``ID`` of
    os-release. With neither it is everything that its feed speaks for.
    """

    names: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()


#: The scope of a document of which nothing can be relied on.
EVERYTHING = UnreadScope()


def _ids_spell_names(by_id: set[str], by_purl: set[str]) -> bool:
    """Return whether ids name packages; where not, a package is named in its package URL alone.

    One that differs may be damaged.
    """
    return bool(by_purl & by_id) and len(by_purl - by_id) <= 1


def csaf_vex_scope(data: bytes, _path: str) -> UnreadScope:
    """Give the names of everything that a CSAF document may be about, or everything where some may be missing."""
    if data.count(b'"') > QUOTES_LIMIT or not all(key.search(data) for key in _PARTS):
        return EVERYTHING
    texts = _texts(data)
    if texts is None:
        return EVERYTHING
    by_purl: set[str] = set()
    by_id: set[str] = set()
    for text in texts:
        purl = _PURL.match(text)
        if purl is not None:
            by_purl.update(_names_of_purl(text[purl.end() :]))
        else:
            by_id.update(_names_of_id(text))
        if len(by_id) + len(by_purl) > NAMES_LIMIT:
            return EVERYTHING
    if by_purl and not _ids_spell_names(by_id, by_purl):
        return EVERYTHING
    return UnreadScope(tuple(sorted(by_id | by_purl)))


def _texts(data: bytes) -> set[str] | None:
    """Everything between two quotes that may be an id or a package URL; None where there is too much of it."""
    pieces: set[bytes] = set()
    size = 0
    for match in _TEXT.finditer(data):
        piece = match[1]
        if piece not in pieces:
            pieces.add(piece)
            size += len(piece)
            if len(pieces) > TEXTS_LIMIT or size > TEXT_BYTES_LIMIT:
                return None
    return {text for text in map(_decoded, pieces) if text and not _OTHER_TEXT.match(text)}


def _decoded(piece: bytes) -> str:
    """A text without JSON's escapes; empty where it is none that names anything."""
    text = piece.decode("utf-8", "replace")
    if "\\" in text:
        try:
            text = str(json.loads(f'"{text}"'))
        except ValueError:
            return ""
    if " " in text:
        # A sentence, or the name of a product and an id: "Red Hat build of Quarkus:quarkus-core".
        _product, colon, identity = text.rpartition(" ")[2].partition(":")
        text = identity if colon and not identity.startswith("//") else ""
    return "" if any(map(str.isspace, text)) else text


def _names_of_purl(purl: str) -> t.Iterator[str]:
    """Names in an RPM's or module's package URL without its type: of the package, and of its module."""
    path, _mark, qualifiers = purl.partition("#")[0].partition("?")
    for text in (path, qualifiers):
        if "%" in text:
            path, qualifiers = urllib.parse.unquote(path), urllib.parse.unquote(qualifiers)
    yield from _if_name(path.partition("@")[0].rpartition("/")[2])
    for pair in qualifiers.split("&"):
        key, _is, value = pair.partition("=")
        if key.casefold() == "rpmmod":
            yield from _if_name(value.partition(":")[0])


def _names_of_id(text: str) -> t.Iterator[str]:
    """All that may be a package's or module's name in a product id.

    Ids join product, module and build with colons: ``AppStream-8.6.0.Z:nodejs:16:8060:ad00:nodejs-1:16.19.1-1.src``.
    A build's name ends before a hyphen and a digit, as names may themselves (``java-1.8.0-openjdk``).
    """
    before = ""
    for part in _SEPARATOR.split(urllib.parse.unquote(text) if "%" in text else text):
        # Behind an epoch the rest of a build says nothing new.
        if not (_BUILD.fullmatch(part) and _VERSION.search(before)):
            yield from _if_name(part.removesuffix(".src"))
            for version in _VERSION.finditer(part):
                yield from _if_name(part[: version.start()])
        before = part


def _if_name(text: str) -> t.Iterator[str]:
    if _NAME.fullmatch(text):
        yield text
