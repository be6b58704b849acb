# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of ``updateinfo.xml``, the advisories of a yum repository (Rocky, Oracle, Fedora, Amazon and Alma Linux).

One file holds all advisories of a repository. ``split`` reads it as a stream, with the standard library's expat, and
gives each advisory as a small document of its own (JSON), which ``read_advisory`` reads: so that an index knows each of
them, and takes a new one without reading the others again. Document types and entities, which bombs are made of, are
refused; updateinfo has none.
"""

from __future__ import annotations

import collections
import json
import re
import typing as t
import xml.parsers.expat

from ..._core.errors import CorruptData, LimitExceeded
from ..._core.safe_json import field, read_object
from ..._core.times import utc_text
from ..._packages.rpm.modules import is_modular
from ..distributions import DISTRIBUTIONS, Distribution, parse_distribution
from .advisories import build_of, is_name, kept_text, modules_in, read_severity, title_severity
from .model import UNKNOWN_MODULE, Document, StatementRow

ADVISORY_LIMIT = 16 << 20  # bytes of one advisory's document
ADVISORIES_LIMIT = 200_000  # of one file
TEXT_LIMIT = 1 << 20  # characters of one element's text
PENDING_LIMIT = 4 << 20  # bytes that the parser holds back because no element has ended
DEPTH_LIMIT = 32
PACKAGES_LIMIT = 100_000  # of one advisory
VULNERABILITIES_LIMIT = 5000  # of one advisory
ROWS_LIMIT = 1_000_000  # packages times vulnerabilities

#: The date of an advisory that has none.
NO_DATE = "1970-01-01T00:00:00Z"

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_ID = re.compile(r"[A-Za-z][A-Za-z0-9]{1,31}-[A-Za-z0-9:._-]{1,64}")
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?")
_RELEASE = re.compile(r"(?:Rocky|Oracle|Alma|Amazon|Fedora)\s?(?:Linux)?\s+([0-9]{1,4})(?:\..*)?", re.IGNORECASE)
_ARCH = re.compile(r"[A-Za-z0-9_]{1,32}")
_MODULE = re.compile(r"[A-Za-z0-9._+-]{1,100}:[A-Za-z0-9._+-]{1,100}")
#: What stands in these elements: anything else may be a damaged one, whose packages would be lost.
_CHILDREN: t.Mapping[tuple[str, ...], frozenset[str]] = {
    ("updates",): frozenset({"update"}),
    ("updates", "update", "references"): frozenset({"reference"}),
    ("updates", "update", "pkglist"): frozenset({"collection"}),
    ("updates", "update", "pkglist", "collection"): frozenset({"name", "module", "package"}),
}
#: Where what counts stands, and nowhere else.
_PARENTS: t.Mapping[str, tuple[str, ...]] = {
    "issued": ("updates", "update"),
    "updated": ("updates", "update"),
    "pkglist": ("updates", "update"),
    "reference": ("updates", "update", "references"),
    "collection": ("updates", "update", "pkglist"),
    "module": ("updates", "update", "pkglist", "collection"),
    "package": ("updates", "update", "pkglist", "collection"),
}
_TYPES = frozenset({"security", "bugfix", "enhancement", "newpackage", "recommended", "optional", "unspecified", ""})
_SOURCE_LIMIT = 512  # characters of a file name
_SOURCE = re.compile(
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9._+-]{0,254})-(?P<build>[A-Za-z0-9._+~^]+-[A-Za-z0-9._+~^]+)\.src\.rpm"
)
#: Elements whose text is kept.
_TEXTS = frozenset({"id", "title", "severity", "release", "summary", "description"})

Json = dict[str, t.Any]


def split(chunks: t.Iterable[bytes], where: str) -> t.Iterator[tuple[str, bytes]]:
    """Each advisory of an ``updateinfo.xml``: its id and its document. ``where`` names the file in messages.

    Of advisories with one id, which differ in their packages, the second is called ``<id>#2`` and so on; equal ones
    are given once. Raises CorruptData (``feed-damaged``, ``feed-truncated``) and LimitExceeded.
    """
    splitter = _Splitter(where)
    documents_of: dict[str, set[bytes]] = {}
    for number, advisory in enumerate(splitter.read(chunks), 1):
        if number > ADVISORIES_LIMIT:
            raise LimitExceeded(f"{where} has more than {ADVISORIES_LIMIT} advisories")
        identity = advisory["id"]
        if not _ID.fullmatch(identity):
            raise CorruptData(
                f"{where}: {ascii(identity)[:60]} is not the id of an advisory (it is number {number})",
                code="feed-damaged",
            )
        data = json.dumps(advisory, sort_keys=True, separators=(",", ":")).encode()
        if len(data) > ADVISORY_LIMIT:
            raise LimitExceeded(f"{where}: the advisory {identity} has more than {ADVISORY_LIMIT} bytes")
        documents = documents_of.setdefault(identity, set())
        if data not in documents:
            documents.add(data)
            yield (f"{identity}#{len(documents)}" if len(documents) > 1 else identity), data


class _Splitter:
    def __init__(self, where: str) -> None:
        self.where = where
        self.path: list[str] = []
        self.text: list[str] = []
        self.size = 0
        self.done: list[Json] = []
        self.advisory: Json = {}
        self.collection: Json = {}
        self.parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.EntityDeclHandler = self.refuse
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def read(self, chunks: t.Iterable[bytes]) -> t.Iterator[Json]:
        byte_count = 0
        empty = True
        for chunk in chunks:
            for start in range(0, len(chunk), 1 << 16):
                part = chunk[start : start + (1 << 16)]
                empty = False
                byte_count += len(part)
                self.parse(part, last=False)
                yield from self.taken()
                # Where nothing ends, the parser keeps all of it.
                if byte_count - self.parser.CurrentByteIndex > PENDING_LIMIT:
                    raise LimitExceeded(f"{self.where} has a tag of more than {PENDING_LIMIT} bytes")
        if empty:
            raise CorruptData(f"{self.where} is empty", code="feed-truncated")
        self.parse(b"", last=True)
        yield from self.taken()

    def parse(self, data: bytes, *, last: bool) -> None:
        try:
            self.parser.Parse(data, last)
        except xml.parsers.expat.ExpatError as error:
            reason = xml.parsers.expat.ErrorString(error.code)
            raise CorruptData(
                f"{self.where} is not whole XML: {reason} at line {error.lineno}, column {error.offset}",
                code="feed-truncated" if last else "feed-damaged",
            ) from error

    def taken(self) -> list[Json]:
        advisories, self.done = self.done, []
        return advisories

    def refuse(self, *_details: object) -> None:
        raise CorruptData(f"{self.where} declares a document type; updateinfo has none", code="feed-damaged")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        self.path.append(name)
        if len(self.path) > DEPTH_LIMIT:
            raise LimitExceeded(f"{self.where} is nested deeper than {DEPTH_LIMIT}")
        if len(self.path) == 1 and name != "updates":
            raise CorruptData(
                f"{self.where} begins with <{kept_text(name)}>; an updateinfo.xml begins with <updates>",
                code="feed-damaged",
            )
        above = tuple(self.path[:-1])
        children = _CHILDREN.get(above)
        if (children is not None and name not in children) or _PARENTS.get(name, above) != above:
            raise CorruptData(
                f"{self.where} has a <{kept_text(name)[:40]}> in <{kept_text(above[-1])[:40]}>: it is damaged",
                code="feed-damaged",
            )
        self.text, self.size = [], 0
        self.open(name, attributes)

    def open(self, name: str, attributes: dict[str, str]) -> None:
        """Take what an element's attributes say into the advisory."""
        if self.path == ["updates", "update"]:
            self.advisory = {
                "id": "",
                "type": attributes.get("type", ""),
                "status": attributes.get("status", ""),
                "dates": {},
                "cves": [],
                "references": [],
                "collections": [],
            }
            self.collection = {}
        elif name in ("issued", "updated"):
            self.advisory["dates"][name] = attributes.get("date", "")
        elif name == "reference":
            self.reference(attributes)
        elif name == "collection":
            self.collection = {"module": "", "packages": []}
            self.advisory_list("collections").append(self.collection)
        elif name == "module":
            self.collection["module"] = f"{attributes.get('name', '')}:{attributes.get('stream', '')}"
        elif name == "package":
            self.package(attributes)

    def advisory_list(self, key: str) -> list[t.Any]:
        entries: list[t.Any] = self.advisory[key]
        if len(entries) >= PACKAGES_LIMIT:
            raise LimitExceeded(f"{self.where}: an advisory has more than {PACKAGES_LIMIT} {key}")
        return entries

    def reference(self, attributes: dict[str, str]) -> None:
        texts = " ".join(attributes.get(key, "") for key in ("id", "title", "href"))
        key = "cves" if attributes.get("type", "").casefold() == "cve" else "references"
        self.advisory_list(key).extend(_CVE.findall(texts.upper()))

    def package(self, attributes: dict[str, str]) -> None:
        packages: list[t.Any] = self.collection["packages"]
        if len(packages) >= PACKAGES_LIMIT:
            raise LimitExceeded(f"{self.where}: an advisory has more than {PACKAGES_LIMIT} packages")
        packages.append([attributes.get(key, "") for key in ("name", "epoch", "version", "release", "arch", "src")])

    def characters(self, data: str) -> None:
        if self.path[-1] not in _TEXTS:
            return
        self.size += len(data)
        if self.size > TEXT_LIMIT:
            raise LimitExceeded(f"{self.where} has a <{self.path[-1]}> of more than {TEXT_LIMIT} characters")
        self.text.append(data)

    def end(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        if len(self.path) == 3 and name in _TEXTS and self.advisory:
            text = "".join(self.text).strip()
            if name in ("summary", "description"):
                self.advisory["text"] = sorted({*self.advisory.get("text", ()), *_CVE.findall(text)})
            else:
                self.advisory[name] = text[:1000]
        elif self.path == ["updates", "update"]:
            self.done.append(self.advisory)
            self.advisory, self.collection = {}, {}
        self.path.pop()


def read_advisory(data: bytes, where: str, *, names: t.Container[str] | None = None, distribution: str) -> Document:
    """Read one document that ``split`` made; with ``names`` only what it says of these packages.

    ``distribution``: whose advisory it is, like ``rocky:9``; nothing in the file says it for certain. Raises
    CorruptData for an advisory that is plainly one of another distribution or release.
    The category is ``updateinfo``, or ``updateinfo-other`` for what fixes no vulnerability.
    """
    owner, release = parse_distribution(distribution)
    return _Advisory(read_object(data, where, limit=ADVISORY_LIMIT), where, owner, release, names).read()


class _Advisory:
    def __init__(
        self, root: Json, where: str, owner: Distribution, release: str, names: t.Container[str] | None
    ) -> None:
        self.root = root
        self.where = where
        self.owner = owner
        self.release = release
        self.names = names
        self.skipped: collections.Counter[str] = collections.Counter()

    def text_of(self, key: str) -> str:
        return field(self.root, key, str, self.where) or ""

    def list_of(self, holder: Json, key: str, kind: type) -> list[t.Any]:
        items = field(holder, key, list, self.where) or []
        if not all(isinstance(item, kind) for item in items):
            raise CorruptData(f"{self.where}: {key} is not as it was written")
        return items

    def read(self) -> Document:
        identity = self.text_of("id")
        self.check_owner(identity)
        revision = self.revision()
        cves = self.cves()
        if not self.is_about_security():
            return Document("updateinfo-other", revision, False, (), {"not_security": 1})
        if self.text_of("status").casefold() in ("retracted", "withdrawn"):
            return Document("updateinfo", revision, True, (), {})
        if len(cves) > VULNERABILITIES_LIMIT:
            raise CorruptData(f"{self.where} is about more than {VULNERABILITIES_LIMIT} vulnerabilities")
        if not any(self.packages(collection) for collection in self.list_of(self.root, "collections", dict)):
            raise CorruptData(f"{self.where} is about security and names no package")
        rows = tuple(dict.fromkeys(self.rows(identity)))
        vulnerabilities = tuple(cves or [identity])
        if len(rows) * len(vulnerabilities) > ROWS_LIMIT:
            raise CorruptData(f"{self.where} says more than {ROWS_LIMIT} things")
        return Document(
            "updateinfo",
            revision,
            False,
            tuple((vulnerability, rows) for vulnerability in vulnerabilities),
            dict(self.skipped),
        )

    def cves(self) -> list[str]:
        cves = sorted({*self.list_of(self.root, "cves", str), *self.list_of(self.root, "references", str)})
        return cves or sorted({*_CVE.findall(self.text_of("title")), *self.list_of(self.root, "text", str)})

    def is_about_security(self) -> bool:
        kind = self.text_of("type").casefold()
        if kind not in _TYPES:
            raise CorruptData(f"{self.where}: {ascii(kind)[:40]} is not a type of an advisory")
        return kind in ("security", "") or bool(self.list_of(self.root, "cves", str))

    def check_owner(self, identity: str) -> None:
        """Refuse an advisory that contradicts what the user says of the feed."""
        if not identity.startswith(self.owner.advisories):
            owners = [
                distribution.name for distribution in DISTRIBUTIONS if identity.startswith(distribution.advisories)
            ]
            if owners:
                raise CorruptData(
                    f"{self.where} is an advisory of {owners[0]}, and the feed is said to be of {self.owner.name}",
                    code="feed-distribution",
                    hint="give the distribution that the repository is of",
                )
        named = _RELEASE.fullmatch(self.text_of("release"))
        if named and named[1] != self.release:
            raise CorruptData(
                f"{self.where} is for {kept_text(self.text_of('release'))}, and the feed is said to be for"
                f" {self.owner.name} {self.release}",
                code="feed-distribution",
                hint="give the release that the repository is of",
            )

    def revision(self) -> str:
        dates = field(self.root, "dates", dict, self.where) or {}
        for key in ("updated", "issued"):
            text = dates.get(key)
            match = _DATE.match(text) if isinstance(text, str) else None
            if match:
                return utc_text(f"{match[1]}T{match[2] or '00:00'}Z", f"{self.where}: {key}")
        self.skipped["date_missing"] += 1
        return NO_DATE

    def rows(self, identity: str) -> t.Iterator[StatementRow]:
        title = self.text_of("title")
        severity = read_severity(self.text_of("severity")) or title_severity(title)
        if not severity:
            self.skipped["severity_missing"] += 1
            severity = "critical"
        cpe = self.owner.cpe(self.release)
        product = f"{self.owner.name} {self.release}"
        for collection in self.list_of(self.root, "collections", dict):
            module = self.module(field(collection, "module", str, self.where) or "", modules_in(title))
            for name, epoch, version, release, arch, source in self.packages(collection):
                if not is_name(name):
                    raise CorruptData(f"{self.where}: {ascii(name)[:60]} is not the name of a package")
                if arch and not _ARCH.fullmatch(arch):
                    self.skipped["arch_malformed"] += 1
                    arch = ""
                # Without an epoch it is not known; as 0, older builds with an epoch would count as fixed.
                evr = build_of(f"{epoch}:{version}-{release}" if epoch else f"{version}-{release}")
                if not evr:
                    raise CorruptData(f"{self.where}: the version of {name} cannot be read")
                if self.owner.release_of(release) not in ("", self.release):
                    self.skipped["other_release"] += 1
                stated = self.module_of(evr, module)
                row = StatementRow(name, "fixed", stated, evr, severity, "", identity, "", arch, cpe, product)
                yield from filter(self.is_asked_for, _with_source(row, source))

    def is_asked_for(self, row: StatementRow) -> bool:
        """Return whether a row is about one of the packages that are read."""
        return self.names is None or row.name in self.names

    def module_of(self, evr: str, module: str) -> str:
        """The module of a build that is listed with one; a build without the mark of a module may be of it or not."""
        if not module and not is_modular(evr):
            return ""
        stated = module if module and is_modular(evr) else UNKNOWN_MODULE
        if stated == UNKNOWN_MODULE:
            self.skipped["module_unknown"] += 1
        return stated

    def packages(self, collection: Json) -> list[list[str]]:
        packages = self.list_of(collection, "packages", list)
        if not all(len(package) == 6 and all(isinstance(text, str) for text in package) for package in packages):
            raise CorruptData(f"{self.where}: packages is not as it was written")
        return packages

    def module(self, listed: str, titled: list[str]) -> str:
        """``name:stream`` of a collection, unknown where its own word and the title's differ, empty where none says."""
        if listed and not _MODULE.fullmatch(listed):
            self.skipped["module_malformed"] += 1
            return UNKNOWN_MODULE
        if listed and titled and listed not in titled:
            # Rocky Linux lists builds of ruby:2.6 in an advisory about ruby:2.5: which of them is meant?
            return UNKNOWN_MODULE
        if not listed and len(titled) == 1:
            return titled[0]
        return listed


def _with_source(row: StatementRow, source: str) -> t.Iterator[StatementRow]:
    """A row and that of its source package: not every package that was built is listed everywhere."""
    yield row
    match = _SOURCE.fullmatch(source.rpartition("/")[2][-_SOURCE_LIMIT:])
    if match:
        yield row._replace(name=match["name"], evr=match["build"], arch="src")
