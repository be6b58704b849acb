# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walk through an XML document of SCAP as a stream, with the standard library's expat, and bounds for everything.

No document type is accepted, so there are no entities; depth, tags, texts and the whole are bounded by us and not by a
version of a library. Standard library only: the scanner pod runs this file.
"""

from __future__ import annotations

import typing as t
import xml.parsers.expat

from .._core.errors import CorruptData, LimitExceeded

#: Bytes of one document, unpacked. All 1,486 rules of a RHEL 9 benchmark with full OVAL results make 46 MB.
FILE_LIMIT = 512 << 20
#: Elements inside each other. oscap writes up to about 30.
DEPTH_LIMIT = 200
#: Bytes of one tag with its attributes, and characters of one text that is read.
PENDING_LIMIT = 1 << 20
#: Tags up to which only the ends of elements are looked at where all passes by. Each open one costs expat 150 bytes.
UNSEEN_LIMIT = 300_000
#: Different names of elements and attributes: expat keeps all of them. A data stream with results has about 800.
NAMES_LIMIT = 20_000
#: Characters that are kept of one text.
TEXT_LIMIT = 2000

#: What expat itself decodes. Of another encoding we would see other names than other readers do.
_ENCODINGS = ("utf-8", "utf-16", "us-ascii", "iso-8859-1")
_STEP = 1 << 16

#: As expat gives them in order: name, value, name, value. ``pairs`` makes a dictionary of them.
Attributes = list[str]
Begin = t.Optional[t.Callable[[Attributes], None]]
Finish = t.Optional[t.Callable[[str, Attributes], None]]


class KnownElement(t.NamedTuple):
    """An element that is looked into, in tables by ``namespace name``.

    ``inside``: what may stand in it; None where it is a text. ``begin`` gets its attributes when it begins, ``finish``
    its text (single spaces, cut at TEXT_LIMIT; empty unless it is a text) and its attributes when it ends.
    """

    inside: dict[str, t.Any] | None = None
    begin: Begin = None
    finish: Finish = None


Table = dict[str, KnownElement]

#: For starts and for ends of elements.
_Handlers = list[t.Callable[..., None]]

#: Of elements that a table does not have: what is known inside is nothing, and it stays out of sight.
_NOTHING: Table = {}
_PASSING = KnownElement(_NOTHING)


def pairs(attributes: Attributes) -> dict[str, str]:
    """Attributes by name."""
    return dict(zip(attributes[::2], attributes[1::2]))


def walk(
    chunks: t.Iterable[bytes],
    where: str,
    top: Table,
    unknown: t.Callable[[str, Table], None],
    flat: t.Container[str] = (),
) -> None:
    """Call what the tables say for each element of a document. Where they do not have one, all inside it passes by.

    ``top``: what the document may begin with. ``unknown`` gets the name of an element that will pass by, once for each
    table that does not have it, and that table (an empty one where it stands in a text); it may raise. ``flat``: local
    names of elements that never stand inside one of their name (if they do, that is damage), which lets them pass by at
    half the cost. ``where`` names the document in messages.
    Raises CorruptData (``results-damaged``, ``results-truncated``) and LimitExceeded (``limit-results``).
    """
    text: list[str] = []
    parser, check = _parser(where, top, unknown, flat, text)
    byte_count = 0
    for chunk in chunks:
        for at in range(0, len(chunk), _STEP):
            part = chunk[at : at + _STEP]
            byte_count += len(part)
            if byte_count > FILE_LIMIT:
                raise _limit(where, f"has more than {FILE_LIMIT >> 20} MiB")
            _parse(parser, part, where, last=False)
            check(part)
            # Where nothing ends, the parser or the text keeps all of it.
            if byte_count - parser.CurrentByteIndex > PENDING_LIMIT or sum(map(len, text)) > PENDING_LIMIT:
                raise _limit(where, f"has a tag or a text of more than {PENDING_LIMIT} bytes")
            if len(parser.intern) > NAMES_LIMIT:
                raise _limit(where, f"has more than {NAMES_LIMIT} names of elements and attributes")
    if not byte_count:
        raise CorruptData(f"{where} is empty", code="results-truncated")
    _parse(parser, b"", where, last=True)


def _parse(parser: xml.parsers.expat.XMLParserType, data: bytes, where: str, *, last: bool) -> None:
    try:
        parser.Parse(data, last)
    except xml.parsers.expat.ExpatError as error:
        reason = xml.parsers.expat.ErrorString(error.code)
        raise CorruptData(
            f"{where} is not whole XML: {reason} at line {error.lineno}, column {error.offset}",
            code="results-truncated" if last else "results-damaged",
        ) from error


def _limit(where: str, excess: str) -> LimitExceeded:
    return LimitExceeded(f"{where} {excess}", code="limit-results")


def _parser(
    where: str, top: Table, unknown: t.Callable[[str, Table], None], flat: t.Container[str], text: list[str]
) -> tuple[xml.parsers.expat.XMLParserType, t.Callable[[bytes], None]]:
    """A parser, and what to call after each part.

    The handlers are functions that share names, since most of the time of reading goes into them.
    """
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.ordered_attributes = True
    _check_prolog(parser, where)
    handlers: _Handlers = []
    pass_by, check = _passing(parser, where, flat, handlers)
    add, clear = text.append, text.clear
    stack: list[tuple[str, Table | None, Finish, Attributes]] = [("", None, None, [])]
    push, pop = stack.append, stack.pop
    table: Table | None = top

    def start(name: str, attributes: Attributes) -> None:
        nonlocal table
        if table is None:
            # Markup inside a text: its words belong to it.
            unknown(name, _NOTHING)
            push((name, None, None, attributes))
        else:
            entry = table.get(name)
            if entry is None:
                unknown(name, table)
                entry = table[name] = _PASSING
            inside, begin, finish = entry
            if inside is _NOTHING:
                pass_by(name, len(stack) - 1)
                return
            push((name, table, finish, attributes))
            table = inside
            if inside is None:
                parser.CharacterDataHandler = add
            if begin is not None:
                begin(attributes)
        if len(stack) > DEPTH_LIMIT + 1:
            raise _limit(where, f"is nested deeper than {DEPTH_LIMIT}")

    def end(name: str) -> None:
        nonlocal table
        own, above, finish, attributes = pop()
        if own != name:
            raise CorruptData(
                f"{where} has an element that should not be inside one of its name", code="results-damaged"
            )
        if table is not None:
            table = above
            if finish is not None:
                finish("", attributes)
        elif above is not None:
            table = above
            parser.CharacterDataHandler = None
            words = " ".join("".join(text).split())
            clear()
            if finish is not None:
                finish(words if len(words) <= TEXT_LIMIT else words[: TEXT_LIMIT - 1] + "…", attributes)

    handlers += (start, end)
    parser.StartElementHandler, parser.EndElementHandler = handlers
    return parser, check


def _check_prolog(parser: xml.parsers.expat.XMLParserType, where: str) -> None:
    """Refuse encodings that other readers may not know, and document types."""

    def declared(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            damage = f"is written in {encoding[:40]!a}; UTF-8 is read"
            raise CorruptData(f"{where} {damage}", code="results-damaged")

    def refuse(*_details: object) -> None:
        raise CorruptData(f"{where} declares a document type; results have none", code="results-damaged")

    parser.XmlDeclHandler = declared
    parser.StartDoctypeDeclHandler = refuse


def _passing(
    parser: xml.parsers.expat.XMLParserType, where: str, flat: t.Container[str], handlers: _Handlers
) -> tuple[t.Callable[[str, int], None], t.Callable[[bytes], None]]:
    """A function that lets an element that has begun at a depth pass by, and what to call after each part.

    ``handlers`` are set again when the element ends.
    """
    depth = outside = 0  # where we are in what passes by, and where that began
    passing = ""  # what passes by, if it is flat
    unseen = 0

    def pass_by(name: str, above: int) -> None:
        nonlocal depth, outside, passing, unseen
        if name.rpartition(" ")[2] in flat:
            passing, unseen = name, 0
            parser.StartElementHandler = None
            parser.EndElementHandler = flat_end
            return
        outside = above
        depth = outside + 1
        parser.StartElementHandler = skip_start
        parser.EndElementHandler = skip_end

    def skip_start(_name: str, _attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_LIMIT:
            raise _limit(where, f"is nested deeper than {DEPTH_LIMIT}")

    def skip_end(_name: str) -> None:
        nonlocal depth
        depth -= 1
        if depth == outside:
            parser.StartElementHandler, parser.EndElementHandler = handlers

    def flat_end(name: str) -> None:
        nonlocal passing, depth
        depth -= 1
        if name == passing:
            passing = ""
            parser.StartElementHandler, parser.EndElementHandler = handlers

    def check(part: bytes) -> None:
        nonlocal unseen, depth
        if passing and parser.StartElementHandler is None:
            unseen += part.count(b"<")
            if unseen > UNSEEN_LIMIT:
                depth = 0
                parser.StartElementHandler = skip_start

    return pass_by, check
