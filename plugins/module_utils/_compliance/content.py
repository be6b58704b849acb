# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content that oscap evaluates: which data stream, whether it fits, and what of it a profile needs.

A data stream of the SCAP Security Guide has 20 to 40 MB, most of it texts for readers and rules of other profiles.
``trim`` leaves them out by cutting bytes out of the document, never by writing it anew, so that what stays is what it
was. It adds one rule of ours, the canary: it passes only if oscap counts as many packages as we did and, searching the
file systems that it takes for local, finds a file that we wrote. What was trimmed is kept, since all images with the
same content and profile need it.

Sources: NISTIR 7275r4 (XCCDF 1.2), SP 800-126r3 (data streams), OVAL 5.11. Standard library only: it runs in the pod.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tempfile
import typing as t
import xml.parsers.expat
import zlib
from pathlib import Path

from .._core.errors import CorruptData, InputError, LimitExceeded
from .._images.model import Problem
from .._packages.model import OsRelease
from .streaming import DEPTH_LIMIT

#: Where distributions install the SCAP Security Guide.
FOLDERS = ("/usr/share/xml/scap/ssg/content",)
CONTENT_LIMIT = 256 << 20
TAILORING_LIMIT = 8 << 20

CANARY_RULE = "xccdf_io.github.imagescan_rule_canary"
#: Where the canary looks for ``TOKEN`` (see ``tree``): podman makes this file in every container.
CANARY_FILE = "run/.containerenv"
_PACKAGES, _TOKEN = b"@imagescan-packages@", b"@imagescan-token@"

_VERSION = 1  # of what is kept
_STEP = 1 << 20
_XCCDF = "http://checklists.nist.gov/xccdf/1.2"
_DS = "http://scap.nist.gov/schema/scap/source/1.2"
_OVAL = "http://oval.mitre.org/XMLSchema/oval-definitions-5"
_OCIL = "http://scap.nist.gov/schema/ocil/2"
_XLINK = "http://www.w3.org/1999/xlink"
_CATALOG = "urn:oasis:names:tc:entity:xmlns:xml:catalog"
_PROFILE_PREFIX = "xccdf_org.ssgproject.content_profile_"
_RULE_PREFIX = "xccdf_org.ssgproject.content_rule_"
_TAG = re.compile(rb"""<[^>"']*(?:"[^"]*"[^>"']*|'[^']*'[^>"']*)*>""")
_TOUCHING = re.compile(rb">(?=<[A-Za-z])")
_SSG_NAME = re.compile(r"ssg-([a-z0-9]+)-(?:ds|xccdf|ds-1\.[23]|xccdf-1\.[12])\.xml")
_CPE = re.compile(r"cpe:(?:/|2\.3:)o:([^:]+):([^:]+)(?::([^:]*))?")

#: ID of os-release -> the start of the content's name, to which the major version is added where it ends with "-".
_PRODUCTS: t.Mapping[str, str] = {
    **{name: f"{name}-" for name in ("rhel", "centos", "ol", "almalinux", "anolis", "alinux", "uos")},
    "sles": "sle-",
    "sled": "sle-",
    "opensuse-leap": "opensuse",
    "fedora": "fedora",
    "rhcos": "rhcos4",
}
#: Product in os-release -> in content.
_OTHER_NAMES = {"sles": "linux_enterprise_server", "sled": "linux_enterprise_desktop"}
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


@dataclasses.dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate. Paths are of this machine.

    ``profile``: id, whole or without the guide's prefix (``cis``). ``content``: a SCAP source data stream; empty:
    chosen by the image's os-release. ``tailoring``: an XCCDF tailoring file that has the profile; empty: none.
    ``rules``: ids, whole or without the guide's prefix, to evaluate only these of the profile; empty: all of them.
    """

    profile: str
    content: str = ""
    tailoring: str = ""
    rules: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Trimmed:
    """Content trimmed to one profile.

    ``profile``: its whole id. ``rules``: ids that the profile selects, without the canary. ``platforms``: CPEs that the
    benchmark is for; empty where it is for all. ``digest``: of the content as it was. ``tailoring``: the file's bytes.
    """

    digest: str
    benchmark: str
    version: str
    profile: str
    rules: tuple[str, ...]
    platforms: tuple[str, ...]
    document: bytes
    tailoring: bytes = b""

    def for_image(self, packages: int, token: str) -> bytes:
        """The document with the canary that expects this number of packages, and ``token`` in its file."""
        return self.document.replace(_PACKAGES, b"%d" % packages).replace(_TOKEN, token.encode("ascii"))


def choose(os_release: OsRelease, folders: t.Sequence[str] = FOLDERS) -> Path | None:
    """The data stream of the SCAP Security Guide for a distribution, or None where there is none."""
    name = os_release.id
    start = _PRODUCTS.get(name, "")
    if not start:
        return None
    major = _major(os_release.version_id)
    if start.endswith("-"):
        if not major:
            return None
        start = f"cs{major}" if name == "centos" and int(major) > 8 else start[:-1] + major
    for folder in folders:
        path = Path(folder) / f"ssg-{start}-ds.xml"
        if path.is_file():
            return path
    return None


def fits(os_release: OsRelease, platforms: t.Sequence[str]) -> Problem | None:
    """Why a benchmark for these platforms is not for this distribution; None when it is.

    Content for another product or major version calls every rule not applicable, and exits with 0.
    """
    # Where a benchmark only names expressions of its own, oscap alone can tell: then nothing would be applicable.
    platforms = [cpe for cpe in platforms if not cpe.startswith("#")]
    if not platforms:
        return None
    wanted = _product(os_release.cpe_name) or _product_of_id(os_release)
    known = {_product(cpe) for cpe in platforms} - {None}
    if wanted in known:
        return None
    name = os_release.pretty_name or f"{os_release.id} {os_release.version_id}".strip() or "nothing that it names"
    return Problem("content-other-product", f"the content is for {', '.join(platforms[:3])}; the image is {name[:100]}")


def _product(cpe: str) -> tuple[str, str, str] | None:
    match = _CPE.match(cpe)
    return (match[1], _OTHER_NAMES.get(match[2], match[2]), _major(match[3] or "")) if match else None


def _product_of_id(os_release: OsRelease) -> tuple[str, str, str] | None:
    names = {
        "rhel": ("redhat", "enterprise_linux"),
        "centos": ("centos", "centos"),
        "fedora": ("fedoraproject", "fedora"),
        "ol": ("oracle", "linux"),
        "almalinux": ("almalinux", "almalinux"),
        "sles": ("suse", "linux_enterprise_server"),
        "sled": ("suse", "linux_enterprise_desktop"),
        "opensuse-leap": ("opensuse", "leap"),
    }
    found = names.get(os_release.id)
    return (*found, _major(os_release.version_id)) if found else None


def _major(version: str) -> str:
    match = re.match(r"\d{1,4}", version)
    return match[0] if match else ""


# Reading


@dataclasses.dataclass
class _Item:
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


class _Index:
    """Where everything is in a data stream, in one pass."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = data
        self.where = where
        self.benchmark: _Item | None = None
        self.benchmark_version = ""
        self.benchmark_platforms: list[str] = []
        self.rules: dict[str, _Item] = {}
        self.groups: dict[str, _Item] = {}
        self.values: dict[str, _Item] = {}
        self.profiles: dict[str, _Item] = {}
        #: OVAL component id -> item id -> item
        self.oval: dict[str, dict[str, _Item]] = {}
        self.components: dict[str, _Item] = {}
        self.questionnaires: set[str] = set()
        #: component-ref id -> (component id, item)
        self.references: dict[str, tuple[str, _Item]] = {}
        #: names in the checklist's catalog -> (component-ref id, item)
        self.catalog: dict[str, tuple[str, _Item]] = {}
        self.checklist = ""
        #: Right behind which tags something of ours goes in.
        self.catalog_end = -1
        self.checks_end = -1
        self.benchmark_end = -1
        self.collection_end = -1
        self.streams = 0
        self._parse()

    def _wrong(self, what: str) -> CorruptData:
        return CorruptData(f"{self.where} {what}", code="content-damaged")

    def _parse(self) -> None:
        parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.ordered_attributes = False
        data = self.data
        path: list[str] = []
        text: list[str] = []
        keep_text = False
        component = ""
        section = ""
        holders: list[tuple[int, str, _Item]] = []  # depth, local name, item
        cutting = -1  # depth of what is being cut whole
        groups: list[str] = []
        wanted_depth = 0
        in_checklists = False
        checklist_depth = -1

        def tag_end(at: int) -> int:
            match = _TAG.match(data, at)
            if match is None:
                raise self._wrong("has a tag that does not end")
            return match.end()

        def element_end(start: int, at: int) -> int:
            # Of an element that is only one tag expat tells the place behind it.
            head = tag_end(start)
            return head if data[head - 2 : head] == b"/>" else tag_end(at)

        def refuse(*_details: object) -> None:
            raise self._wrong("has a document type")

        def declared(_version: str, encoding: str | None, _standalone: int) -> None:
            if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
                raise self._wrong(f"is encoded in {encoding[:40]!r}; expected UTF-8")

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal component, section, cutting, keep_text, in_checklists, checklist_depth, wanted_depth
            path.append(name)
            depth = len(path)
            if depth > DEPTH_LIMIT:
                raise LimitExceeded(f"{self.where} is nested too deep", code="limit-content")
            if cutting >= 0:
                return
            at = parser.CurrentByteIndex
            namespace, _space, local = name.rpartition(" ")
            if component:
                if namespace == _XCCDF:
                    self._xccdf(local, attributes, at, depth, holders, groups)
                    holder = holders[-1] if holders else None
                    if holder and holder[0] == depth - 1 and local in _TEXTS.get(holder[1], ()):
                        cutting = depth
                        holders.append((depth, "cut", _Item("", at)))
                    elif holder and holder[0] == depth - 1 and holder[1] == "Rule" and local == "fix":
                        cutting = depth
                        holders.append((depth, "fix", _Item("", tag_end(at))))
                    elif (
                        holder
                        and holder[0] == depth - 1
                        and (local == "title" or (local == "version" and holder[1] == "Benchmark"))
                    ):
                        keep_text = True
                        text.clear()
                elif depth == wanted_depth and section and "id" in attributes:
                    item = _Item(attributes["id"], at)
                    holders.append((depth, "oval", item))
                elif namespace == _OVAL and local in _SECTIONS and depth == wanted_depth - 1:
                    section = local
                elif name == f"{_OVAL} oval_definitions" and depth == 3:
                    self.oval[component] = {}
                    wanted_depth = 5
                elif name == f"{_OCIL}.0 ocil" and depth == 3:
                    self.questionnaires.add(component)
                if section and holders and holders[-1][1] == "oval":
                    uses = holders[-1][2].uses
                    for key in _REFERENCES & attributes.keys():
                        uses.add(attributes[key])
                    if name in _REFERENCE_TEXTS:
                        keep_text = True
                        text.clear()
                return
            if namespace == _DS and local in ("component", "extended-component") and depth == 2:
                component = attributes.get("id", "")
                if not component or component in self.components:
                    raise self._wrong("has a component without an id of its own")
                self.components[component] = _Item(component, at)
                wanted_depth = -1
            elif name == f"{_DS} data-stream":
                self.streams += 1
            elif name == f"{_DS} checklists":
                in_checklists = True
            elif name == f"{_DS} component-ref":
                identifier = attributes.get("id", "")
                target = attributes.get(f"{_XLINK} href", "").lstrip("#")
                item = _Item(identifier, at)
                self.references[identifier] = (target, item)
                holders.append((depth, "component-ref", item))
                if in_checklists:
                    if self.checklist:
                        raise self._wrong("has several checklists; expected one")
                    self.checklist = target
                    checklist_depth = depth
            elif name == f"{_CATALOG} uri" and in_checklists:
                item = _Item(attributes.get("name", ""), at)
                self.catalog[item.id] = (attributes.get("uri", "").lstrip("#"), item)
                holders.append((depth, "uri", item))

        def end(name: str) -> None:
            nonlocal component, section, cutting, keep_text, in_checklists, checklist_depth
            depth = len(path)
            path.pop()
            if cutting >= 0 and depth > cutting:
                return
            at = parser.CurrentByteIndex
            namespace, _space, local = name.rpartition(" ")
            if holders and holders[-1][0] == depth:
                _depth, kind, item = holders.pop()
                if kind == "fix":
                    if data[item.start - 2 : item.start] != b"/>":
                        holders[-1][2].cuts.append((item.start, at))
                    cutting = -1
                    return
                item.end = element_end(item.start, at)
                if kind == "cut":
                    holders[-1][2].cuts.append((item.start, item.end))
                    cutting = -1
                elif kind == "oval":
                    known = self.oval[component]
                    if item.id in known:
                        raise self._wrong(f"has two OVAL items {item.id[:100]!r}")
                    known[item.id] = item
                elif kind == "Group":
                    groups.pop()
                elif kind == "Benchmark":
                    self.benchmark_end = at
            elif keep_text and holders:
                value = " ".join("".join(text).split())
                if name in _REFERENCE_TEXTS:
                    holders[-1][2].uses.add(value)
                elif local == "title":
                    holders[-1][2].title = holders[-1][2].title or value[:500]
                elif local == "version":
                    self.benchmark_version = value[:200]
            keep_text = False
            if namespace == _OVAL and local in _SECTIONS and depth == 4:
                section = ""
            elif namespace == _DS:
                if depth == 2 and local in ("component", "extended-component"):
                    item = self.components[component]
                    item.end = element_end(item.start, at)
                    component = ""
                elif local == "checklists":
                    in_checklists = False
                elif local == "checks":
                    self.checks_end = at
                elif depth == 1:
                    self.collection_end = at
            elif name == f"{_CATALOG} catalog" and in_checklists and depth == checklist_depth + 1:
                self.catalog_end = at

        def characters(value: str) -> None:
            if keep_text and cutting < 0:
                text.append(value)

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = characters
        parser.StartDoctypeDeclHandler = refuse
        parser.XmlDeclHandler = declared
        try:
            for begin in range(0, len(data), _STEP):
                parser.Parse(data[begin : begin + _STEP], False)
            parser.Parse(b"", True)
        except xml.parsers.expat.ExpatError as error:
            raise self._wrong(f"is not XML: {error}") from error
        if self.collection_end < 0 or not self.streams:
            raise InputError(
                f"{self.where} is not an SCAP source data stream",
                hint="give a file like ssg-rhel9-ds.xml",
                code="content-kind",
            )
        if self.streams > 1 or self.benchmark is None or min(self.catalog_end, self.checks_end) < 0:
            raise InputError(
                f"{self.where} has {self.streams} data streams, and one with one XCCDF 1.2 benchmark is needed",
                code="content-kind",
            )

    def _xccdf(
        self,
        local: str,
        attributes: dict[str, str],
        at: int,
        depth: int,
        holders: list[tuple[int, str, _Item]],
        groups: list[str],
    ) -> None:
        """An element of the benchmark begins."""
        here: dict[str, dict[str, _Item]] = {
            "Rule": self.rules,
            "Group": self.groups,
            "Value": self.values,
            "Profile": self.profiles,
        }
        holder = holders[-1][2] if holders else None
        if local == "Benchmark":
            if self.benchmark is not None:
                raise self._wrong("has several benchmarks; expected one")
            self.benchmark = _Item(attributes.get("id", ""), at)
            holders.append((depth, local, self.benchmark))
        elif local in here:
            item = _Item(attributes.get("id", ""), at, selected=_true(attributes.get("selected", "true")))
            item.groups = tuple(groups)
            item.extends = attributes.get("extends", "")
            item.cluster = attributes.get("cluster-id", "")
            if not item.id or item.id in here[local]:
                raise self._wrong(f"has a {local} without an id of its own")
            here[local][item.id] = item
            holders.append((depth, local, item))
            if local == "Group":
                groups.append(item.id)
        elif local == "select" and holder is not None and holders[-1][1] == "Profile":
            holder.selections.append((attributes.get("idref", ""), _true(attributes.get("selected", ""))))
        elif local == "check-content-ref" and holder is not None and holders[-1][1] == "Rule":
            holder.checks.append((attributes.get("href", ""), attributes.get("name", "")))
        elif local in ("requires", "conflicts") and holder is not None and holders[-1][1] == "Rule":
            names = tuple(attributes.get("idref", "").split())
            holder.uses.update(names)
            holder.conditions.append((local == "requires", names))
        elif local == "platform" and holders and holders[-1][1] == "Benchmark" and depth == holders[-1][0] + 1:
            self.benchmark_platforms.append(attributes.get("idref", ""))


def _true(text: str) -> bool:
    return text.strip() in ("true", "1")


@dataclasses.dataclass(frozen=True)
class Profile:
    """A profile that may be asked for."""

    id: str
    title: str


def list_profiles(path: str | Path) -> list[Profile]:
    """The profiles of a data stream, in its order. Raises InputError, CorruptData and LimitExceeded."""
    index = _Index(_read(path, "the content", CONTENT_LIMIT), str(path))
    return [Profile(item.id, item.title) for item in index.profiles.values()]


# Tailoring


@dataclasses.dataclass
class _Tailored:
    href: str = ""
    benchmark: str = ""
    profiles: dict[str, _Item] = dataclasses.field(default_factory=dict)
    named: set[str] = dataclasses.field(default_factory=set)


def _read_tailoring(data: bytes, where: str) -> _Tailored:
    found = _Tailored()
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    depth = 0
    top = ""
    profile: _Item | None = None

    def wrong(what: str) -> InputError:
        return InputError(f"the tailoring file {where} {what}", code="tailoring-damaged")

    def refuse(*_details: object) -> None:
        raise wrong("has a document type")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, top, profile
        depth += 1
        local = name.rpartition(" ")[2]
        top = top or local
        if depth > DEPTH_LIMIT:
            raise wrong("is nested too deep")
        if local == "benchmark" and depth == 2:
            found.href, found.benchmark = attributes.get("href", ""), attributes.get("id", "")
        elif local == "Profile" and depth == 2:
            profile = _Item(attributes.get("id", ""), 0, extends=attributes.get("extends", ""))
            found.profiles[profile.id] = profile
        elif profile is not None and depth == 3 and "idref" in attributes:
            found.named.add(attributes["idref"])
            if local == "select":
                profile.selections.append((attributes["idref"], _true(attributes.get("selected", ""))))

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except xml.parsers.expat.ExpatError as error:
        raise wrong(f"is not XML: {error}") from error
    if top != "Tailoring":
        raise wrong(f"begins with {top[:40]!r}, not with Tailoring")
    return found


def _check_tailoring(tailored: _Tailored, index: _Index, where: str, content: str) -> None:
    """Raise InputError where a tailoring file is for another benchmark: its selections would do nothing."""

    def other(what: str) -> InputError:
        return InputError(
            f"the tailoring file {where} is for another benchmark than {content}: {what}",
            code="tailoring-mismatch",
            hint="tailor the benchmark that is evaluated",
        )

    benchmark = t.cast(_Item, index.benchmark)
    if tailored.benchmark and tailored.benchmark != benchmark.id:
        raise other(f"it names {tailored.benchmark[:200]}")
    one, two = _SSG_NAME.fullmatch(Path(tailored.href).name), _SSG_NAME.fullmatch(Path(content).name)
    if one and two and one[1] != two[1]:
        raise other(f"it names {Path(tailored.href).name}")
    clusters = {item.cluster for item in (*index.rules.values(), *index.groups.values())} - {""}
    known = {*index.rules, *index.groups, *index.values, *clusters}
    strange = sorted(tailored.named - known)
    if strange:
        raise other(f"{len(strange)} ids are not in it, {strange[0][:200]} among them")
    for profile in tailored.profiles.values():
        if profile.extends and profile.extends not in index.profiles and profile.extends not in tailored.profiles:
            raise other(f"it extends the profile {profile.extends[:200]}")


# Trimming


def trim(wanted: EvaluationRequest, content: Path, cache: Path | None = None) -> Trimmed:
    """The content trimmed to what is wanted of it, from ``cache`` (a folder that exists) where it is there.

    Raises InputError for a profile or rule that does not exist and a tailoring file of another benchmark, CorruptData
    and LimitExceeded for content that is unusable.
    """
    data = _read(content, "the content", CONTENT_LIMIT)
    tailoring = _read(wanted.tailoring, "the tailoring file", TAILORING_LIMIT) if wanted.tailoring else b""
    digest = hashlib.sha256(data).hexdigest()
    question = [_VERSION, digest, wanted.profile, sorted(wanted.rules), hashlib.sha256(tailoring).hexdigest()]
    # The content's name is part of what a tailoring file is checked against.
    question.append(content.name if tailoring else "")
    key = hashlib.sha256(json.dumps(question).encode()).hexdigest()
    kept = _load(cache / f"{key}.content") if cache is not None else None
    if kept is None:
        kept = _trim(data, digest, tailoring, wanted, content)
        if cache is not None:
            _save(kept, cache / f"{key}.content")
    return dataclasses.replace(kept, tailoring=tailoring)


def _trim(data: bytes, digest: str, tailoring: bytes, wanted: EvaluationRequest, content: Path) -> Trimmed:
    index = _Index(data, str(content))
    profiles: dict[str, _Item] = dict(index.profiles)
    tailored = None
    if tailoring:
        tailored = _read_tailoring(tailoring, wanted.tailoring)
        _check_tailoring(tailored, index, wanted.tailoring, str(content))
    offered = tailored.profiles if tailored else index.profiles
    profile = _find_profile(wanted.profile, offered, wanted.tailoring or str(content))
    chain = _chain(profile, offered, profiles)
    rules = _selected(index, chain)
    if wanted.rules:
        rules = _only(wanted.rules, index, rules, profile.id)
    if not rules:
        raise InputError(f"the profile {profile.id} selects no rule", code="profile-empty")
    benchmark = t.cast(_Item, index.benchmark)
    return Trimmed(
        digest="sha256:" + digest,
        benchmark=benchmark.id,
        version=index.benchmark_version,
        profile=profile.id,
        rules=tuple(sorted(rules)),
        platforms=tuple(index.benchmark_platforms),
        document=_cut(index, rules, {item.id for item in chain}),
    )


def _find_profile(name: str, offered: t.Mapping[str, _Item], where: str) -> _Item:
    for identifier in (name, _PROFILE_PREFIX + name):
        if identifier in offered:
            return offered[identifier]
    ends = [item for identifier, item in offered.items() if identifier.endswith("_profile_" + name)]
    if len(ends) == 1:
        return ends[0]
    there = ", ".join(identifier.replace(_PROFILE_PREFIX, "") for identifier in list(offered)[:30])
    raise InputError(f"{where} has no profile {name[:200]!r}", code="profile-missing", hint=f"it has {there or 'none'}")


def _chain(profile: _Item, offered: t.Mapping[str, _Item], base: t.Mapping[str, _Item]) -> list[_Item]:
    """A profile and those that it extends, the basic one first. One of the tailoring file may extend its namesake."""
    chain = [profile]
    while chain[-1].extends:
        last = chain[-1]
        found = offered.get(last.extends)
        if found is None or any(found is item for item in chain):
            found = base.get(last.extends)
        if found is None or any(found is item for item in chain):
            raise InputError(
                f"the profile {last.id} extends {last.extends[:200]!r}, which does not exist", code="profile-missing"
            )
        chain.append(found)
    return chain[::-1]


def _selected(index: _Index, chain: t.Sequence[_Item]) -> set[str]:
    """Ids of the rules that a profile selects: itself and every group around it is selected, and what it requires.

    oscap evaluates no rule of which a condition does not hold: one of the items of each ``requires`` is selected, and
    none of a ``conflicts``.
    """
    items = {**index.groups, **index.rules}
    state = {identifier: item.selected for identifier, item in items.items()}
    clusters: dict[str, list[str]] = {}
    for identifier, item in items.items():
        if item.cluster:
            clusters.setdefault(item.cluster, []).append(identifier)
    for profile in chain:
        for name, selected in profile.selections:
            for identifier in clusters.get(name, (name,)):
                if identifier in state:
                    state[identifier] = selected
    return {
        identifier
        for identifier, item in index.rules.items()
        if state[identifier]
        and all(state[group] for group in item.groups)
        and all(any(state.get(name, False) for name in names) == required for required, names in item.conditions)
    }


def _only(names: t.Sequence[str], index: _Index, selected: set[str], profile: str) -> set[str]:
    found = set()
    for name in names:
        identifier = name if name in index.rules else _RULE_PREFIX + name
        if identifier not in index.rules:
            raise InputError(f"the benchmark has no rule {name[:200]!r}", code="rule-missing")
        if identifier not in selected:
            raise InputError(f"the profile {profile} does not select the rule {name[:200]!r}", code="rule-missing")
        found.add(identifier)
    return found


def _cut(index: _Index, rules: set[str], profiles: set[str]) -> bytes:
    """The document without what these rules and profiles do not need, and with the canary."""
    cuts: list[tuple[int, int]] = []
    benchmark = t.cast(_Item, index.benchmark)
    cuts.extend(benchmark.cuts)
    # A rule that another one requires or excludes must be there, selected or not: oscap aborts without it.
    kept = _closure(index.rules, rules)
    elements = (
        *((item, item.id in profiles) for item in index.profiles.values()),
        *((item, True) for item in (*index.groups.values(), *index.values.values())),
        *((item, item.id in kept) for item in index.rules.values()),
    )
    for item, stays in elements:
        cuts.extend(item.cuts if stays else [(item.start, item.end)])
    checks: dict[str, set[str]] = {}
    whole: set[str] = set()
    for identifier in kept:
        for href, name in index.rules[identifier].checks:
            component = index.references.get(index.catalog.get(href, ("",))[0], ("",))[0]
            if name:
                checks.setdefault(component, set()).add(name)
            else:
                whole.add(component)
    platforms = _platform_components(index)
    for component, items in index.oval.items():
        if component in whole or component in platforms:
            continue
        needed = _closure(items, checks.get(component, set()))
        cuts.extend((item.start, item.end) for identifier, item in items.items() if identifier not in needed)
    cuts.extend(_unused_texts(index))
    inserts = [
        (index.catalog_end, _CANARY_URI),
        (index.checks_end, _CANARY_REFERENCE),
        (index.benchmark_end, _CANARY_RULE_XML),
        (index.collection_end, _CANARY_COMPONENT),
    ]
    return _assemble(index.data, cuts, inserts)


def _platform_components(index: _Index) -> set[str]:
    """OVAL components that no rule names: they say what platforms are, and are small."""
    named = {index.references.get(target, ("",))[0] for target, _item in index.catalog.values()}
    return set(index.oval) - named


def _closure(items: t.Mapping[str, _Item], names: set[str]) -> set[str]:
    found: set[str] = set()
    todo = [name for name in names if name in items]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(used for used in items[name].uses if used in items)
    return found


def _unused_texts(index: _Index) -> t.Iterator[tuple[int, int]]:
    """Questionnaires for people: the components, and all that refers to them."""
    for component in index.questionnaires:
        yield index.components[component].start, index.components[component].end
    gone = {name for name, (target, _item) in index.references.items() if target in index.questionnaires}
    for name in gone:
        yield index.references[name][1].start, index.references[name][1].end
    for target, uri in index.catalog.values():
        if target in gone:
            yield uri.start, uri.end


def _assemble(data: bytes, cuts: list[tuple[int, int]], inserts: list[tuple[int, bytes]]) -> bytes:
    parts: list[bytes] = []
    at = 0
    marks = sorted([(start, 1, end, b"") for start, end in cuts] + [(place, 0, place, text) for place, text in inserts])
    for start, _order, end, text in marks:
        if start < at:
            continue  # inside something that is cut already
        parts.append(data[at:start])
        parts.append(text)
        at = end
    parts.append(data[at:])
    # oscap passes over an element that stands right behind some others, or aborts.
    return _TOUCHING.sub(b">\n", b"".join(parts))


# What we add. It declares its own namespaces, so it does not matter which prefixes the content uses.

_CANARY_URI = (
    b'<uri xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog" name="imagescan-canary-oval.xml"'
    b' uri="#scap_io.github.imagescan_cref_canary"/>\n'
)
_CANARY_REFERENCE = (
    b'<component-ref xmlns="http://scap.nist.gov/schema/scap/source/1.2" xmlns:xlink="http://www.w3.org/1999/xlink"'
    b' id="scap_io.github.imagescan_cref_canary" xlink:href="#scap_io.github.imagescan_comp_canary"/>\n'
)
_CANARY_RULE_XML = (
    b'\n<Rule xmlns="http://checklists.nist.gov/xccdf/1.2" id="' + CANARY_RULE.encode() + b'" selected="true"'
    b' severity="info" weight="0.0">\n<title>oscap sees what imagescan sees</title>\n'
    b'<check system="http://oval.mitre.org/XMLSchema/oval-definitions-5">\n'
    b'<check-content-ref href="imagescan-canary-oval.xml" name="oval:io.github.imagescan:def:1"/>\n</check>\n</Rule>\n'
)
_CANARY_COMPONENT = (
    rb"""<component xmlns="http://scap.nist.gov/schema/scap/source/1.2" id="scap_io.github.imagescan_comp_canary"
 timestamp="2026-01-01T00:00:00">
<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"
 xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5"
 xmlns:ind="http://oval.mitre.org/XMLSchema/oval-definitions-5#independent"
 xmlns:linux="http://oval.mitre.org/XMLSchema/oval-definitions-5#linux">
<generator><oval:product_name>imagescan</oval:product_name><oval:schema_version>5.11</oval:schema_version>
<oval:timestamp>2026-01-01T00:00:00</oval:timestamp></generator>
<definitions><definition class="compliance" id="oval:io.github.imagescan:def:1" version="1">
<metadata><title>oscap sees what imagescan sees</title><description>packages, and a file</description></metadata>
<criteria operator="AND"><criterion test_ref="oval:io.github.imagescan:tst:1"/>
<criterion test_ref="oval:io.github.imagescan:tst:2"/></criteria></definition></definitions>
<tests>
<ind:variable_test check="all" check_existence="at_least_one_exists" comment="as many packages"
 id="oval:io.github.imagescan:tst:1" version="1"><ind:object object_ref="oval:io.github.imagescan:obj:1"/>
<ind:state state_ref="oval:io.github.imagescan:ste:1"/></ind:variable_test>
<ind:textfilecontent54_test check="all" check_existence="only_one_exists" comment="the same file"
 id="oval:io.github.imagescan:tst:2" version="1"><ind:object object_ref="oval:io.github.imagescan:obj:3"/>
</ind:textfilecontent54_test>
</tests>
<objects>
<ind:variable_object id="oval:io.github.imagescan:obj:1" version="1">
<ind:var_ref>oval:io.github.imagescan:var:1</ind:var_ref></ind:variable_object>
<linux:rpminfo_object id="oval:io.github.imagescan:obj:2" version="1">
<linux:name operation="pattern match">.*</linux:name></linux:rpminfo_object>
<ind:textfilecontent54_object id="oval:io.github.imagescan:obj:3" version="1">
<ind:behaviors recurse="directories" recurse_direction="down" recurse_file_system="local"/>
<ind:path>/"""
    + b"</ind:path><ind:filename>".join(CANARY_FILE.encode().rsplit(b"/", 1))
    + rb"""</ind:filename><ind:pattern operation="pattern match">^imagescan="""
    + _TOKEN
    + rb"""$</ind:pattern>
<ind:instance datatype="int">1</ind:instance></ind:textfilecontent54_object>
</objects>
<states><ind:variable_state id="oval:io.github.imagescan:ste:1" version="1">
<ind:value datatype="int" operation="equals">"""
    + _PACKAGES
    + rb"""</ind:value></ind:variable_state></states>
<variables><local_variable comment="number of packages" datatype="int" id="oval:io.github.imagescan:var:1" version="1">
<count><object_component item_field="name" object_ref="oval:io.github.imagescan:obj:2"/></count></local_variable>
</variables>
</oval_definitions></component>
"""
)


# Files


def _read(path: str | Path, what: str, limit: int) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{what} {str(path)[:300]} cannot be read: {error}", code="content-missing") from error
    if len(data) > limit:
        raise InputError(f"{what} {str(path)[:300]} has more than {limit} bytes", code="content-kind")
    return data


def _save(trimmed: Trimmed, path: Path) -> None:
    """Keep it; where that fails (the disk is full) it will be trimmed again."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=".trim-", dir=path.parent)
        try:
            with open(handle, "wb") as out:
                out.write(_to_bytes(trimmed))
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError:
        return


_KEPT = ("digest", "benchmark", "version", "profile", "rules", "platforms")


def _load(path: Path) -> Trimmed | None:
    try:
        return _of_bytes(path.read_bytes())
    except OSError:
        return None


def _to_bytes(trimmed: Trimmed) -> bytes:
    """All but the tailoring file, behind a checksum."""
    body = json.dumps({name: getattr(trimmed, name) for name in _KEPT}).encode() + b"\n" + trimmed.document
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _of_bytes(data: bytes) -> Trimmed | None:
    checksum, _line, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        return None  # cut, by a disk that was full perhaps
    head, _line, document = body.partition(b"\n")
    facts: dict[str, t.Any] = json.loads(head)
    facts.update({name: tuple(facts[name]) for name in ("rules", "platforms")})
    return Trimmed(document=document, **facts)


def pack_trimmed(trimmed: Trimmed) -> bytes:
    """Trimmed content without its tailoring file, to be sent elsewhere; equal content gives equal bytes."""
    return zlib.compress(_to_bytes(trimmed), 9)


def unpack_trimmed(data: bytes) -> Trimmed:
    """What ``pack_trimmed`` gave. Raises CorruptData."""
    try:
        found = _of_bytes(zlib.decompress(data))
    except zlib.error as error:
        raise CorruptData(f"the content is damaged: {error}", code="content-kind") from error
    if found is None:
        raise CorruptData("the content is damaged", code="content-kind")
    return found
