# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read where everything is in a data stream: rules, profiles and OVAL items, by their bytes.

Sources: NISTIR 7275r4 (XCCDF 1.2), SP 800-126r3 (data streams), OVAL 5.11. Standard library only: it runs in the pod.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import xml.parsers.expat
from pathlib import Path

from ..._core.errors import CorruptData, InputError, LimitExceeded
from ..streaming import DEPTH_LIMIT

CONTENT_LIMIT = 256 << 20
_STEP = 1 << 20
_XCCDF = "http://checklists.nist.gov/xccdf/1.2"
_DS = "http://scap.nist.gov/schema/scap/source/1.2"
_OVAL = "http://oval.mitre.org/XMLSchema/oval-definitions-5"
_OCIL = "http://scap.nist.gov/schema/ocil/2"
_XLINK = "http://www.w3.org/1999/xlink"
_CATALOG = "urn:oasis:names:tc:entity:xmlns:xml:catalog"
_TAG = re.compile(rb"""<[^>"']*(?:"[^"]*"[^>"']*|'[^']*'[^>"']*)*>""")
#: What is cut out of the elements that stay: texts for people who read the whole guide.
_TEXTS: t.Mapping[str, frozenset[str]] = {
    "Rule": frozenset(("description", "warning", "rationale", "fixtext", "question")),
    "Group": frozenset(("description", "warning", "rationale", "question", "reference")),
    "Value": frozenset(("description", "warning", "question", "reference")),
    "Profile": frozenset(("description", "reference")),
    "Benchmark": frozenset(("description", "notice", "front-matter", "rear-matter", "reference")),
}
_SECTIONS = frozenset(("definitions", "tests", "objects", "states", "variables"))
_REFERENCES = frozenset(("definition_ref", "test_ref", "object_ref", "state_ref", "var_ref"))
_REFERENCE_TEXTS = frozenset((f"{_OVAL} object_reference", f"{_OVAL} filter", f"{_OVAL}#independent var_ref"))


@dataclasses.dataclass
class ContentItem:
    """An element of which all or part may be cut. ``cuts``: parts to leave out where the rest stays (start, end)."""

    id: str
    start: int
    end: int = -1
    selected: bool = True
    groups: tuple[str, ...] = ()
    cuts: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    checks: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    selections: list[tuple[str, bool]] = dataclasses.field(default_factory=list)
    uses: set[str] = dataclasses.field(default_factory=set)
    conditions: list[tuple[bool, tuple[str, ...]]] = dataclasses.field(default_factory=list)
    extends: str = ""
    title: str = ""
    cluster: str = ""


class ContentIndex:
    """Where everything is in a data stream, in one pass."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = data
        self.where = where
        self.benchmark: ContentItem | None = None
        self.benchmark_version = ""
        self.benchmark_platforms: list[str] = []
        self.rules: dict[str, ContentItem] = {}
        self.groups: dict[str, ContentItem] = {}
        self.values: dict[str, ContentItem] = {}
        self.profiles: dict[str, ContentItem] = {}
        #: OVAL component id -> item id -> item
        self.oval: dict[str, dict[str, ContentItem]] = {}
        self.components: dict[str, ContentItem] = {}
        self.questionnaires: set[str] = set()
        #: component-ref id -> (component id, item)
        self.references: dict[str, tuple[str, ContentItem]] = {}
        #: names in the checklist's catalog -> (component-ref id, item)
        self.catalog: dict[str, tuple[str, ContentItem]] = {}
        self.checklist = ""
        #: Right behind which tags something of ours goes in.
        self.catalog_end = -1
        self.checks_end = -1
        self.benchmark_end = -1
        self.collection_end = -1
        self.streams = 0

    def wrong(self, damage: str) -> CorruptData:
        """The error for content that is damaged."""
        return CorruptData(f"{self.where} {damage}", code="content-damaged")


def read_index(data: bytes, where: str) -> ContentIndex:
    """The index of a data stream. Raises InputError for another document, CorruptData and LimitExceeded."""
    index = ContentIndex(data, where)
    _IndexReader(index).read()
    if index.collection_end < 0 or not index.streams:
        raise InputError(
            f"{where} is not an SCAP source data stream",
            hint="give a file like ssg-rhel9-ds.xml",
            code="content-kind",
        )
    if index.streams > 1 or index.benchmark is None or min(index.catalog_end, index.checks_end) < 0:
        raise InputError(
            f"{where} has {index.streams} data streams, and one with one XCCDF 1.2 benchmark is needed",
            code="content-kind",
        )
    return index


class _IndexReader:
    """One pass over a data stream. ``holders``: open elements of interest (depth, local name, item)."""

    def __init__(self, index: ContentIndex) -> None:
        self.index = index
        self.data = index.data
        self.parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
        self.path: list[str] = []
        self.text: list[str] = []
        self.keep_text = False
        self.component = ""
        self.section = ""
        self.holders: list[tuple[int, str, ContentItem]] = []
        self.cutting = -1  # depth of what is being cut whole
        self.groups: list[str] = []
        self.wanted_depth = 0
        self.in_checklists = False
        self.checklist_depth = -1

    def read(self) -> None:
        """Fill the index."""
        parser = self.parser
        parser.buffer_text = True
        parser.ordered_attributes = False
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        parser.StartDoctypeDeclHandler = self.refuse
        parser.XmlDeclHandler = self.declared
        try:
            for begin in range(0, len(self.data), _STEP):
                parser.Parse(self.data[begin : begin + _STEP], False)
            parser.Parse(b"", True)
        except xml.parsers.expat.ExpatError as error:
            raise self.index.wrong(f"is not XML: {error}") from error

    def tag_end(self, at: int) -> int:
        """The place behind the tag that begins at a place."""
        match = _TAG.match(self.data, at)
        if match is None:
            raise self.index.wrong("has a tag that does not end")
        return match.end()

    def element_end(self, start: int, at: int) -> int:
        """The place behind an element. Of one that is only one tag expat tells the place behind it."""
        head = self.tag_end(start)
        return head if self.data[head - 2 : head] == b"/>" else self.tag_end(at)

    def refuse(self, *_details: object) -> None:
        """Refuse a document type, which could declare entities."""
        raise self.index.wrong("has a document type")

    def declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        """Refuse encodings of which the bytes are not those of the text."""
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise self.index.wrong(f"is encoded in {encoding[:40]!r}; expected UTF-8")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.path.append(name)
        depth = len(self.path)
        if depth > DEPTH_LIMIT:
            raise LimitExceeded(f"{self.index.where} is nested too deep", code="limit-content")
        if self.cutting >= 0:
            return
        at = self.parser.CurrentByteIndex
        if self.component:
            self.start_in_component(name, attributes, at, depth)
        else:
            self.start_in_stream(name, attributes, at, depth)

    def start_in_component(self, name: str, attributes: dict[str, str], at: int, depth: int) -> None:
        """An element of a benchmark, of OVAL definitions or of a questionnaire begins."""
        namespace, _space, local = name.rpartition(" ")
        if namespace == _XCCDF:
            self.start_xccdf(local, attributes, at, depth)
            if self.holders and self.holders[-1][0] == depth - 1:
                self.start_child(self.holders[-1][1], local, at, depth)
        elif depth == self.wanted_depth and self.section and "id" in attributes:
            self.holders.append((depth, "oval", ContentItem(attributes["id"], at)))
        elif namespace == _OVAL and local in _SECTIONS and depth == self.wanted_depth - 1:
            self.section = local
        elif name == f"{_OVAL} oval_definitions" and depth == 3:
            self.index.oval[self.component] = {}
            self.wanted_depth = 5
        elif name == f"{_OCIL}.0 ocil" and depth == 3:
            self.index.questionnaires.add(self.component)
        if self.section and self.holders and self.holders[-1][1] == "oval":
            self.holders[-1][2].uses.update(attributes[key] for key in _REFERENCES & attributes.keys())
            if name in _REFERENCE_TEXTS:
                self.start_text()

    def start_child(self, parent: str, local: str, at: int, depth: int) -> None:
        """An element right below an item of the benchmark begins."""
        if local in _TEXTS.get(parent, ()):
            self.cutting = depth
            self.holders.append((depth, "cut", ContentItem("", at)))
        elif parent == "Rule" and local == "fix":
            self.cutting = depth
            self.holders.append((depth, "fix", ContentItem("", self.tag_end(at))))
        elif local == "title" or (local == "version" and parent == "Benchmark"):
            self.start_text()

    def start_text(self) -> None:
        """Text begins that is kept."""
        self.keep_text = True
        self.text.clear()

    def start_component(self, identifier: str, at: int) -> None:
        """A component of the collection begins."""
        if not identifier or identifier in self.index.components:
            raise self.index.wrong("has a component without an id of its own")
        self.component = identifier
        self.index.components[identifier] = ContentItem(identifier, at)
        self.wanted_depth = -1

    def start_checklist(self, target: str, depth: int) -> None:
        """The reference to the checklist begins."""
        if self.index.checklist:
            raise self.index.wrong("has several checklists; expected one")
        self.index.checklist = target
        self.checklist_depth = depth

    def start_in_stream(self, name: str, attributes: dict[str, str], at: int, depth: int) -> None:
        """An element begins that is a component, or says what a stream has."""
        index = self.index
        namespace, _space, local = name.rpartition(" ")
        if namespace == _DS and local in ("component", "extended-component") and depth == 2:
            self.start_component(attributes.get("id", ""), at)
        elif name == f"{_DS} data-stream":
            index.streams += 1
        elif name == f"{_DS} checklists":
            self.in_checklists = True
        elif name == f"{_DS} component-ref":
            identifier = attributes.get("id", "")
            target = attributes.get(f"{_XLINK} href", "").lstrip("#")
            item = ContentItem(identifier, at)
            index.references[identifier] = (target, item)
            self.holders.append((depth, "component-ref", item))
            if self.in_checklists:
                self.start_checklist(target, depth)
        elif name == f"{_CATALOG} uri" and self.in_checklists:
            item = ContentItem(attributes.get("name", ""), at)
            index.catalog[item.id] = (attributes.get("uri", "").lstrip("#"), item)
            self.holders.append((depth, "uri", item))

    def start_xccdf(self, local: str, attributes: dict[str, str], at: int, depth: int) -> None:
        """An element of the benchmark begins."""
        index, holders, groups = self.index, self.holders, self.groups
        items_of: dict[str, dict[str, ContentItem]] = {
            "Rule": index.rules,
            "Group": index.groups,
            "Value": index.values,
            "Profile": index.profiles,
        }
        if local == "Benchmark":
            if index.benchmark is not None:
                raise index.wrong("has several benchmarks; expected one")
            index.benchmark = ContentItem(attributes.get("id", ""), at)
            holders.append((depth, local, index.benchmark))
        elif local in items_of:
            item = ContentItem(attributes.get("id", ""), at, selected=is_true(attributes.get("selected", "true")))
            item.groups = tuple(groups)
            item.extends = attributes.get("extends", "")
            item.cluster = attributes.get("cluster-id", "")
            if not item.id or item.id in items_of[local]:
                raise index.wrong(f"has a {local} without an id of its own")
            items_of[local][item.id] = item
            holders.append((depth, local, item))
            if local == "Group":
                groups.append(item.id)
        elif holders:
            holder_depth, kind, holder = holders[-1]
            if kind == "Rule":
                _note_in_rule(holder, local, attributes)
            elif kind == "Profile" and local == "select":
                holder.selections.append((attributes.get("idref", ""), is_true(attributes.get("selected", ""))))
            elif kind == "Benchmark" and local == "platform" and depth == holder_depth + 1:
                index.benchmark_platforms.append(attributes.get("idref", ""))

    def end(self, name: str) -> None:
        """An element ends."""
        depth = len(self.path)
        self.path.pop()
        if self.cutting >= 0 and depth > self.cutting:
            return
        at = self.parser.CurrentByteIndex
        namespace, _space, local = name.rpartition(" ")
        if self.holders and self.holders[-1][0] == depth:
            if self.end_item(at):
                return
        elif self.keep_text and self.holders:
            self.end_text(name, local)
        self.keep_text = False
        if namespace == _OVAL and local in _SECTIONS and depth == 4:
            self.section = ""
        elif namespace == _DS:
            self.end_in_stream(local, at, depth)
        elif name == f"{_CATALOG} catalog" and self.in_checklists and depth == self.checklist_depth + 1:
            self.index.catalog_end = at

    def end_item(self, at: int) -> bool:
        """End the innermost element of interest; True for a fix, of which the tags stay."""
        _depth, kind, item = self.holders.pop()
        if kind == "fix":
            if self.data[item.start - 2 : item.start] != b"/>":
                self.holders[-1][2].cuts.append((item.start, at))
            self.cutting = -1
            return True
        item.end = self.element_end(item.start, at)
        if kind == "cut":
            self.holders[-1][2].cuts.append((item.start, item.end))
            self.cutting = -1
        elif kind == "oval":
            items = self.index.oval[self.component]
            if item.id in items:
                raise self.index.wrong(f"has two OVAL items {item.id[:100]!r}")
            items[item.id] = item
        elif kind == "Group":
            self.groups.pop()
        elif kind == "Benchmark":
            self.index.benchmark_end = at
        return False

    def end_in_stream(self, local: str, at: int, depth: int) -> None:
        """An element ends that is a component, or says what a stream has."""
        if depth == 2 and local in ("component", "extended-component"):
            item = self.index.components[self.component]
            item.end = self.element_end(item.start, at)
            self.component = ""
        elif local == "checklists":
            self.in_checklists = False
        elif local == "checks":
            self.index.checks_end = at
        elif depth == 1:
            self.index.collection_end = at

    def end_text(self, name: str, local: str) -> None:
        """Keep the text of an element that ends."""
        value = " ".join("".join(self.text).split())
        item = self.holders[-1][2]
        if name in _REFERENCE_TEXTS:
            item.uses.add(value)
        elif local == "title":
            item.title = item.title or value[:500]
        elif local == "version":
            self.index.benchmark_version = value[:200]

    def characters(self, value: str) -> None:
        """Keep text where it is wanted."""
        if self.keep_text and self.cutting < 0:
            self.text.append(value)


def _note_in_rule(rule: ContentItem, local: str, attributes: dict[str, str]) -> None:
    if local == "check-content-ref":
        rule.checks.append((attributes.get("href", ""), attributes.get("name", "")))
    elif local in ("requires", "conflicts"):
        names = tuple(attributes.get("idref", "").split())
        rule.uses.update(names)
        rule.conditions.append((local == "requires", names))


def is_true(text: str) -> bool:
    return text.strip() in ("true", "1")


@dataclasses.dataclass(frozen=True)
class Profile:
    """A profile that may be asked for."""

    id: str
    title: str


def list_profiles(path: str | Path) -> list[Profile]:
    """The profiles of a data stream, in its order. Raises InputError, CorruptData and LimitExceeded."""
    index = read_index(read_limited(path, "the content", CONTENT_LIMIT), str(path))
    return [Profile(item.id, item.title) for item in index.profiles.values()]


def read_limited(path: str | Path, subject: str, limit: int) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{subject} {str(path)[:300]} cannot be read: {error}", code="content-missing") from error
    if len(data) > limit:
        raise InputError(f"{subject} {str(path)[:300]} has more than {limit} bytes", code="content-kind")
    return data
