# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of one CSAF 2.x VEX document, as Red Hat publishes them (one document a CVE).

Reads the shape of the ``vex`` feed (branches by architecture, modules as products of their own or as a qualifier) and
of the ``vex-feed`` feed (flat branches, source packages alone). Package URLs are taken apart here and not by a
library: a full feed has some ten million of them, and what is not understood must be told apart from what is not RPM.
"""

from __future__ import annotations

import collections
import json
import re
import typing as t
import urllib.parse

from ..._errors import CorruptData, LimitExceeded
from ..._images.safe_json import unique_keys
from ..cpes import parse_cpe
from ..times import utc_text
from .advisories import TEXT_LIMIT, kept_text
from .model import UNKNOWN_MODULE, Document, Row

DOCUMENT_LIMIT = 64 << 20  # bytes; the largest published ones have some 30 MB
VALUE_LIMIT = 2_000_000  # JSON values: some 200 MB of Python objects
DEPTH_LIMIT = 16  # branches inside branches; published documents have at most 4
NESTING_LIMIT = 5  # relationships of relationships

_STATUSES: t.Mapping[str, str] = {
    "fixed": "fixed",
    "first_fixed": "fixed",
    "known_affected": "known_affected",
    "first_affected": "known_affected",
    "last_affected": "known_affected",
    "known_not_affected": "known_not_affected",
    "under_investigation": "under_investigation",
    "unknown": "under_investigation",
}
_SEVERITIES: t.Mapping[str, str] = {
    "critical": "critical",
    "important": "important",
    "high": "important",
    "moderate": "moderate",
    "medium": "moderate",
    "low": "low",
    "none": "none",
}
_ORDER = ("none", "low", "moderate", "important", "critical")
_FIX_STATES: t.Mapping[str, str] = {
    "affected": "affected",
    "fix deferred": "fix_deferred",
    "will not fix": "will_not_fix",
    "out of support scope": "out_of_support",
}
_THREATS = frozenset(["exploit_status", "impact", "target_set"])  # section 3.2.3.14.1 of CSAF 2.0
_CATEGORY_STATES: t.Mapping[str, str] = {"none_available": "affected", "no_fix_planned": "will_not_fix"}

_CVE = re.compile(r"[A-Z][A-Z0-9]{1,15}-[A-Za-z0-9:-]{1,48}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}")
_EPOCH = re.compile(r"[0-9]{1,10}")
_ARCH = re.compile(r"[A-Za-z0-9_]{1,32}")
_VERSION_RELEASE = re.compile(r"[A-Za-z0-9._+~^]{1,128}-[A-Za-z0-9._+~^]{1,128}")
#: A build by its id. Ids of the newer feed have no architecture but that of sources, and a release has dots, too, so
#: architectures are told by name: those of rpm's rpmrc.
_NEVRA = re.compile(
    r"(?P<name>.+)-(?P<epoch>[0-9]{1,10}):(?P<evr>[^-:/]+-[^-:/]+?)"
    r"(?:\.(?P<arch>src|nosrc|noarch|x86_64(?:_v[2-4])?|amd64|em64t|ia32e|i[3-6]86|athlon|geode|pentium[34]|aarch64"
    r"|arm[a-z0-9]*|ppc[a-z0-9]*|s390x?|ia64|alpha[a-z0-9]*|sparc[a-z0-9]*|mips[a-z0-9]*|riscv(?:32|64)|loongarch64))?"
)
_MODULE_NAME = re.compile(r"(?P<module>[^:/@]+:[^:/@]+)/(?P<name>[^/:]+)")
_MODULE_ID = re.compile(r"(?P<module>[^:/@]+:[^:/@]+):[0-9]{8,}:[0-9a-f]{6,}")
_MODULE_BUILD = re.compile(r"\.module[+_]([A-Za-z0-9.]+\+[0-9]+\+[0-9a-f]+)")
_MODULE = re.compile(r"[A-Za-z0-9._+-]{1,100}:[A-Za-z0-9._+-]{1,100}")
_CPE = re.compile(r"cpe:[\x21-\x7e]{1,250}")
_UNREADABLE = "?"
_VECTOR = re.compile(r"(?:CVSS:[0-9]\.[0-9]/)?[A-Za-z]{1,4}:[A-Za-z]{1,10}(?:/[A-Za-z]{1,4}:[A-Za-z]{1,10}){1,40}")
_ADVISORY = re.compile(r"[A-Z][A-Za-z]{1,15}-[0-9]{4}[:-][0-9A-Za-z]{1,16}")

#: Types of package URLs that are no RPM packages (github.com/package-url/purl-spec, and Red Hat's own for modules). Any
#: other is taken for a damaged one, of which the id tells the rest.
_OTHER_TYPES = frozenset(
    [
        "alpm",
        "apk",
        "bitbucket",
        "bitnami",
        "cargo",
        "cocoapods",
        "composer",
        "conan",
        "conda",
        "cpan",
        "cran",
        "deb",
        "docker",
        "gem",
        "generic",
        "github",
        "golang",
        "hackage",
        "hex",
        "huggingface",
        "julia",
        "luarocks",
        "maven",
        "mlflow",
        "npm",
        "nuget",
        "oci",
        "opam",
        "otp",
        "pub",
        "pypi",
        "qpkg",
        "rpmmod",
        "swid",
        "swift",
        "vscode-extension",
        "yocto",
    ]
)

_ESCAPED_NAME = re.compile(rb"\\(?:u00[0-7]|/)")
_PURL_NAME = re.compile(rb'"pkg:rpm/(?:[^/"]*/)*([^/"@?#]*)')
_PART = re.compile(rb'"product_reference"\s*:\s*"([^"\\]*)"')


class _Component(t.NamedTuple):
    name: str
    arch: str
    module: str
    evr: str


class _Score(t.NamedTuple):
    """``newer``: of CVSS version 3. ``text``: as in reports. ``severity``: the worst by any score of the product."""

    newer: bool
    number: float
    text: str
    severity: str


def load(data: bytes, where: str) -> dict[str, t.Any]:
    """Parse a document's JSON within its bounds. ``where`` names it in messages."""
    if len(data) > DOCUMENT_LIMIT:
        raise LimitExceeded(f"{where} has {len(data)} bytes; at most {DOCUMENT_LIMIT} are read")
    if data.count(b",") + data.count(b"{") + data.count(b"[") > VALUE_LIMIT:
        raise LimitExceeded(f"{where} has more than {VALUE_LIMIT} values")
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, parse_int=_number, parse_float=_number, object_pairs_hook=unique_keys)
    except RecursionError as error:
        raise CorruptData(f"{where} is nested too deep to be a CSAF document") from error
    except ValueError as error:
        raise CorruptData(f"{where} is not readable JSON: {_reason(error)}") from error
    if not isinstance(value, dict) or "document" not in value:
        raise CorruptData(f"{where} is not a CSAF document: it has no 'document'", code="not-csaf")
    return value


def may_name(data: bytes, names: t.Container[str]) -> bool:
    """Whether the document's text seems to say something of one of these packages, without reading it.

    Only a hint: of a damaged document it is certain of nothing. Texts that are cut or escape names count as naming all.
    """
    text = data.strip()
    if not text.startswith(b"{") or not text.endswith(b"}") or text.count(b"{") != text.count(b"}"):
        return True
    if _ESCAPED_NAME.search(text):
        return True
    for purl in set(_PURL_NAME.findall(text)):
        name = purl.decode("utf-8", "replace")
        if (urllib.parse.unquote(name) if "%" in name else name) in names:
            return True
    for identity in set(_PART.findall(text)):
        name = identity.decode("utf-8", "replace").partition("::")[0]
        match = _NEVRA.fullmatch(name) or _MODULE_NAME.fullmatch(name)
        name = match["name"] if match else name
        if name in names or (name.endswith(".src") and name[: -len(".src")] in names):
            return True
    return False


def _number(text: str) -> float:
    """Numbers as float: no integer that takes minutes to parse; the documents' only numbers are CVSS scores."""
    return float(text)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:120]


def read_document(data: bytes, where: str, *, names: t.Container[str] | None = None) -> Document:
    """Read one document; with ``names`` only what it says of these packages. ``where`` names it in messages.

    Raises CorruptData for what is not a CSAF document, LimitExceeded for what is too large.
    """
    return _Reader(load(data, where), where, names).read()


class _Reader:
    def __init__(self, root: dict[str, t.Any], where: str, names: t.Container[str] | None) -> None:
        self.root = root
        self.where = where
        self.names = names
        self.skipped: collections.Counter[str] = collections.Counter()
        self.products: dict[str, dict[str, t.Any]] = {}
        self.relationships: dict[str, tuple[str, str]] = {}
        self.spoken: set[str] = set()
        self.judged: set[str] = set()  # ids of which a vulnerability says more than their status
        self.names_packages = False  # whether anything was said of an RPM or a module
        self.groups: dict[str, list[str]] = {}
        self.components: dict[str, _Component | str] = {}
        self.wholes: dict[str, tuple[str, str]] = {}
        self.resolved: dict[str, tuple[_Component, str, str] | str] = {}

    def read(self) -> Document:
        head = self.dict_of(self.root, "document", required=True)
        category = self.text_of(head, "category", required=True)
        version = head.get("csaf_version", "2.0")
        if not isinstance(version, str) or not version.startswith("2."):
            raise CorruptData(f"{self.where} has csaf_version {str(version)[:20]!r}; expected 2.0 or 2.1")
        tracking = self.dict_of(head, "tracking", required=True)
        date = self.text_of(tracking, "current_release_date", required=True)
        revision = utc_text(date, f"{self.where}: current_release_date")
        deleted = self.text_of(tracking, "status").strip().casefold() == "deleted"
        if deleted:
            return Document(category, revision, True, (), {})
        vulnerabilities = self.list_of(self.root, "vulnerabilities", dict)
        if not vulnerabilities:
            raise CorruptData(f"{self.where} has no vulnerabilities; expected at least one")
        tree = self.dict_of(self.root, "product_tree")
        self.read_products(tree)
        self.read_relationships(tree)
        for group in self.list_of(tree, "product_groups", dict):
            self.groups[self.text_of(group, "group_id")] = self.list_of(group, "product_ids", str)
        aggregate = self.severity(self.text_of(self.dict_of(head, "aggregate_severity"), "text"))
        found: list[tuple[str, tuple[Row, ...]]] = []
        for vulnerability in vulnerabilities:
            cve = self.text_of(vulnerability, "cve") or self.text_of(tracking, "id")
            if not _CVE.fullmatch(cve):
                raise CorruptData(f"{self.where}: {ascii(cve)[:60]} is not the id of a vulnerability")
            found.append((cve, tuple(self.read_vulnerability(vulnerability, aggregate))))
        self.check_unspoken()
        return Document(category, revision, False, tuple(found), dict(self.skipped))

    # -- values of the right type, or an error that names them --

    def dict_of(self, holder: dict[str, t.Any], key: str, *, required: bool = False) -> dict[str, t.Any]:
        value = holder.get(key)
        if value is None and not required:
            return {}
        if not isinstance(value, dict):
            raise CorruptData(f"{self.where}: {key} is not an object")
        return value

    def text_of(self, holder: dict[str, t.Any], key: str, *, required: bool = False) -> str:
        value = holder.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            raise CorruptData(f"{self.where}: {key} is not text")
        return value

    def list_of(self, holder: dict[str, t.Any], key: str, kind: type) -> list[t.Any]:
        value = holder.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
            raise CorruptData(f"{self.where}: {key} is not a list of {'objects' if kind is dict else 'texts'}")
        return value

    # -- product tree --

    def read_products(self, tree: dict[str, t.Any]) -> None:
        for product in self.list_of(tree, "full_product_names", dict):
            self.add_product(product)
        pending = [(branch, 1) for branch in self.list_of(tree, "branches", dict)]
        while pending:
            branch, depth = pending.pop()
            if depth > DEPTH_LIMIT:
                raise LimitExceeded(f"{self.where}: branches are nested deeper than {DEPTH_LIMIT}")
            if not branch.get("product") and not branch.get("branches"):
                # CSAF has one of them in each branch.
                raise CorruptData(f"{self.where} has a branch of its product tree in which nothing is")
            if "product" in branch:
                self.add_product(self.dict_of(branch, "product"))
            if "branches" in branch:
                pending.extend((inner, depth + 1) for inner in self.list_of(branch, "branches", dict))

    def add_product(self, product: dict[str, t.Any]) -> None:
        identity = self.text_of(product, "product_id", required=True)
        helper = self.dict_of(product, "product_identification_helper")
        if self.products.setdefault(identity, helper) != helper:
            raise CorruptData(f"{self.where} defines {ascii(identity)[:100]} twice, and not alike")

    def read_relationships(self, tree: dict[str, t.Any]) -> None:
        for relationship in self.list_of(tree, "relationships", dict):
            whole_name = self.dict_of(relationship, "full_product_name", required=True)
            identity = self.text_of(whole_name, "product_id", required=True)
            part = self.text_of(relationship, "product_reference", required=True)
            whole = self.text_of(relationship, "relates_to_product_reference", required=True)
            if identity in self.products or self.relationships.setdefault(identity, (part, whole)) != (part, whole):
                raise CorruptData(f"{self.where} defines {ascii(identity)[:100]} twice, and not alike")

    def check_unspoken(self) -> None:
        """Refuse a document that relates a component to a product, or defines one, and says nothing of it.

        Vendors derive the tree from what they say: what nobody speaks of was said before something was lost. A
        relationship of a component that is not defined says nothing to anybody; such leftovers are counted, but not
        where they may be all that is left of what was said: in documents that say nothing of packages, or something of
        a product as a whole.
        """
        ends = {end for relationship in self.relationships.values() for end in relationship}
        for identity in self.relationships.keys() - self.spoken - ends:
            part = self.relationships[identity][0]
            if part in self.products or self.related(part):
                raise CorruptData(
                    f"{self.where} has no status for {ascii(identity)[:100]}, which its product tree names"
                )
            self.skipped["undefined"] += 1
        for identity in (self.spoken | ends) - self.relationships.keys():
            ends.update(self.related(identity) or ())
        for identity in self.products.keys() - self.spoken - ends:
            if "cpe" not in self.products[identity]:
                raise CorruptData(f"{self.where} defines {ascii(identity)[:100]}, of which nothing is said")
        if self.skipped["undefined"] and (self.skipped["no_relationship"] or not self.names_packages):
            raise CorruptData(f"{self.where} relates components that its product tree does not define")

    def related(self, identity: str) -> tuple[str, str] | None:
        """Component and product that an id joins: by its relationship or, where that is missing, by what it is made of.

        Ids have colons in their parts: only parts that the document defines count.
        """
        found = self.relationships.get(identity)
        if found is None and identity not in self.products and len(identity) <= 4 * TEXT_LIMIT:
            at = identity.find(":")
            while at >= 0 and found is None:
                whole, part = identity[:at], identity[at + 1 :]
                if whole in self.products and part in self.products:
                    found = (part, whole)
                at = identity.find(":", at + 1)
        return found

    def resolve(self, identity: str) -> tuple[_Component, str, str] | str:
        """Component, CPE and product id behind the id of a relationship, or the reason why there are none."""
        known = self.resolved.get(identity)
        if known is None:
            known = self.resolved[identity] = self.resolve_anew(identity)
        return known

    def resolve_anew(self, identity: str) -> tuple[_Component, str, str] | str:
        relationship = self.related(identity)
        if relationship is None:
            if identity not in self.products:
                raise self.undefined(identity)
            if "cpe" not in self.products[identity]:
                # Vendors speak of whole products, which have a CPE; a component alone has lost its product.
                raise CorruptData(f"{self.where} speaks of {ascii(identity)[:100]} and of no product that has it")
            return "no_relationship"
        part, whole = relationship
        module = ""
        for _level in range(NESTING_LIMIT):
            outer = self.related(whole)
            inner = self.related(part)
            if outer is not None:
                middle, whole = outer
            elif inner is not None:
                part, middle = inner
            else:
                break
            if middle not in self.products:
                raise self.undefined(middle)
            module = module or self.module_of(middle)
        else:
            raise CorruptData(
                f"{self.where}: the relationships of {ascii(identity)[:100]} are nested too deep, or in a circle"
            )
        product = self.wholes.get(whole)
        if product is None:
            if whole not in self.products:
                raise self.undefined(whole)
            cpe = self.products[whole].get("cpe")
            if not isinstance(cpe, str) or not _CPE.fullmatch(cpe) or parse_cpe(cpe) is None:
                cpe = _UNREADABLE
            product = self.wholes[whole] = (cpe, kept_text(whole))
        component = self.components.get(part)
        if component is None:
            if part not in self.products:
                raise self.undefined(part)
            component = self.components[part] = self.component_of(part)
        if isinstance(component, str):
            return component
        if product[0] == _UNREADABLE:
            # Passed over, what is said of the product's packages would look like nothing said.
            raise CorruptData(
                f"{self.where}: the CPE of the product {ascii(product[1])[:100]} is missing or cannot be read"
            )
        if module and not component.module:
            component = component._replace(module=module)
        return component, *product

    def undefined(self, identity: str) -> CorruptData:
        return CorruptData(f"{self.where} speaks of {ascii(identity)[:100]}, which its product tree does not define")

    def module_of(self, identity: str) -> str:
        """``name:stream`` when the id is that of a module's build, else empty."""
        match = _MODULE_ID.fullmatch(identity)
        told = self.module_name(match["module"]) if match else ""
        purl = self.products.get(identity, {}).get("purl")
        if isinstance(purl, str) and purl.startswith("pkg:rpmmod/"):
            path = urllib.parse.unquote(purl[len("pkg:rpmmod/") :].partition("?")[0])
            name, at, stream = path.rpartition("/")[2].partition("@")
            module = self.module_name(f"{name}:{stream}" if at else name)
            if told not in ("", module) and UNKNOWN_MODULE not in (told, module):
                raise CorruptData(f"{self.where}: {ascii(identity)[:100]} and its package URL name two modules")
            return told if told and module == UNKNOWN_MODULE else module
        return told

    def module_name(self, text: str) -> str:
        """``name:stream`` out of ``name:stream[:version[:context]]``."""
        module = ":".join(text.split(":")[:2])
        if _MODULE.fullmatch(module):
            return module
        self.skipped["module_malformed"] += 1
        return UNKNOWN_MODULE

    def component_of(self, identity: str) -> _Component | str:
        """The RPM that a component's id stands for, or the reason why it is none."""
        purl = self.products.get(identity, {}).get("purl")
        if isinstance(purl, str) and purl:
            if purl.startswith("pkg:rpm/"):
                return self.component_of_purl(purl, identity)
            if purl.startswith("pkg:rpmmod/") and ":" in (module := self.module_of(identity)):
                return _Component(module, "", module, "")
            if purl.partition(":")[2].partition("/")[0] in _OTHER_TYPES and purl.startswith("pkg:"):
                return "not_rpm"
            self.skipped["purl_malformed"] += 1
        return self.component_of_name(identity)

    def component_of_purl(self, purl: str, identity: str) -> _Component | str:
        path, _mark, rest = purl[len("pkg:rpm/") :].partition("#")[0].partition("?")
        namespace, slash, last = path.rpartition("/")
        readable = not slash or all(map(_NAME.fullmatch, namespace.split("/")))
        foreign = bool(slash) and namespace.casefold() != "redhat"
        name, _at, version = last.partition("@")
        qualifiers: dict[str, str] = {}
        if rest:
            for pair in rest.split("&"):
                key, _is, value = pair.partition("=")
                qualifiers[key.lower()] = urllib.parse.unquote(value) if "%" in value else value
        if "%" in name:
            name = urllib.parse.unquote(name)
        if "%" in version:
            version = urllib.parse.unquote(version)
        epoch = qualifiers.get("epoch", "")
        if ":" in version:
            epoch, _colon, version = version.partition(":")
        # It is a package of another vendor only where all else can be read: the vendor may be damaged, too.
        damaged = foreign and version and not _VERSION_RELEASE.fullmatch(version)
        if damaged or not readable or not _NAME.fullmatch(name):
            component = self.component_of_name(identity)
            if not isinstance(component, str):
                self.skipped["purl_malformed"] += 1
            return component
        arch, module = qualifiers.get("arch", ""), qualifiers.get("rpmmod", "")
        build, _mark, suffix = identity.partition("::")
        module = module or suffix
        nevra = _NEVRA.fullmatch(build)
        if foreign:
            if nevra and (nevra["name"], nevra["evr"]) != (name, version or nevra["evr"]):
                raise self.two_packages(identity)
            return "other_namespace"
        if nevra:
            # The id says it once more. What the package URL lacks is that of the id; what differs is damaged in one.
            told = nevra["arch"] or ""
            if not _VERSION_RELEASE.fullmatch(version):
                epoch, version = nevra["epoch"], nevra["evr"]
            if not _EPOCH.fullmatch(epoch):
                epoch = nevra["epoch"]
            if not _ARCH.fullmatch(arch):
                arch = told
            said = nevra["name"], int(nevra["epoch"]), nevra["evr"], (told or arch).replace("nosrc", "src")
            if said != (name, int(epoch), version, arch.replace("nosrc", "src")):
                raise self.two_packages(identity)
        elif build == f"{name}.src":
            arch = arch or "src"
        if version and not epoch:
            # A package URL leaves out an epoch of 0, and some leave out any; the id tells.
            epoch, colon, _rest = identity[len(name) + 1 :].partition(":")
            if not (colon and identity.startswith(name + "-")):
                epoch = ""
        return self.component(name, arch, self.module_name(module) if module else "", epoch, version)

    def two_packages(self, identity: str) -> CorruptData:
        return CorruptData(f"{self.where}: {ascii(identity)[:100]} and its package URL name two packages")

    def component_of_name(self, identity: str) -> _Component | str:
        if len(identity) > 4 * TEXT_LIMIT:
            return "not_rpm"
        identity, mark, suffix = identity.partition("::")
        module = self.module_name(suffix) if mark else ""
        match = _MODULE_NAME.fullmatch(identity)
        nevra = _NEVRA.fullmatch(identity)
        if nevra:
            return self.component(nevra["name"], nevra["arch"] or "", module, nevra["epoch"], nevra["evr"])
        if match:
            identity, module = match["name"], self.module_name(match["module"])
        elif whole := self.module_of(identity):
            return _Component(whole, "", whole, "") if ":" in whole else "module"
        name, dot, arch = identity.rpartition(".")
        if dot and arch == "src":
            return self.component(name, "src", module, "", "")
        return self.component(identity, "", module, "", "")

    def component(self, name: str, arch: str, module: str, epoch: str, version: str) -> _Component | str:
        if not _NAME.fullmatch(name):
            return "not_rpm"
        if arch and not _ARCH.fullmatch(arch):
            self.skipped["arch_malformed"] += 1
            arch = ""
        evr = ""
        if version:
            if _VERSION_RELEASE.fullmatch(version) and (not epoch or _EPOCH.fullmatch(epoch)):
                evr = f"{int(epoch)}:{version}" if epoch else version
            else:
                self.skipped["version_malformed"] += 1
                evr = _UNREADABLE
        return _Component(name, arch, module, evr)

    # -- vulnerabilities --

    def ids_of(self, holder: dict[str, t.Any], key: str = "product_ids") -> list[str] | None:
        """Product ids that something is said of, None where it is said of the whole document."""
        groups = self.list_of(holder, "group_ids", str)
        if holder.get(key) is None and not groups:
            return None
        found: list[str] = list(self.list_of(holder, key, str))
        for group in groups:
            if group not in self.groups:
                raise self.undefined(group)
            found.extend(self.groups[group])
        self.judged.update(found)
        return found

    def severity(self, text: str) -> str:
        """A severity in our words; empty for no text; what cannot be read counts as the worst, never as little."""
        text = text.strip().casefold()
        if not text:
            return ""
        known = _SEVERITIES.get(text)
        if known is None:
            self.skipped["severity_unreadable"] += 1
            return "critical"
        return known

    def read_vulnerability(self, vulnerability: dict[str, t.Any], aggregate: str) -> list[Row]:
        self.judged = set()
        severities, common = self.read_severities(vulnerability)
        states, advisories = self.read_remediations(vulnerability)
        # An aggregate of "none" means that nobody rated it.
        aggregate = aggregate if aggregate != "none" else ""
        scores = self.read_scores(vulnerability)
        # Where products are rated, one that is not has lost its rating, and the aggregate may be that of another one.
        # Vendors rate products where they score them: with scores and an aggregate alone, all ratings were lost.
        rated = bool(severities or common or (aggregate and self.list_of(vulnerability, "scores", dict)))
        found: list[Row] = []
        said: dict[str, str] = {}
        modules: dict[str, set[str]] = {}
        for key, identities in self.dict_of(vulnerability, "product_status").items():
            status = _STATUSES.get(key)
            if not isinstance(identities, list) or not all(isinstance(identity, str) for identity in identities):
                raise CorruptData(f"{self.where}: product_status.{ascii(key)[1:40]} is not a list of texts")
            if not identities:
                raise CorruptData(f"{self.where} says nothing: product_status.{ascii(key)[1:40]} is empty")
            if key == "recommended":
                self.spoken.update(identities)
                continue
            if status is None:
                # It may be a damaged "fixed", which says more than any word for what is not known.
                raise CorruptData(f"{self.where}: product_status has {ascii(key)[:40]}, which is no status of CSAF")
            for identity in identities:
                if said.setdefault(identity, status) != status:
                    raise CorruptData(f"{self.where} gives {ascii(identity)[:100]} more than one status")
                resolved = self.resolve(identity)
                if isinstance(resolved, str):
                    self.skipped[resolved] += 1
                    continue
                component, cpe, product = resolved
                whole = component.name == component.module
                if whole and status in ("fixed", "known_not_affected"):
                    # Of a module the packages are listed beside it, each with its build.
                    self.skipped["not_rpm"] += 1
                    continue
                self.names_packages = True
                if component.evr == _UNREADABLE:
                    if status == "fixed":
                        raise CorruptData(f"{self.where}: the version of {ascii(identity)[:100]} cannot be read")
                    component = component._replace(evr="")
                build = _MODULE_BUILD.search(component.evr)
                if build and component.module:
                    modules.setdefault(build[1], set()).add(component.module)
                if self.names is not None and component.name not in self.names and not whole:
                    continue  # a module may have packages of these names
                severity = severities.get(identity, "")
                severity = severity if severity not in ("", "none") else common or severity
                if severity == "none" or not (severity or (rated and status != "known_not_affected")):
                    # "None" for what has the flaw, too, means that nobody rated it, where anything else is said.
                    score = scores[identity].severity if identity in scores else ""
                    severity = _worse(aggregate, score) or severity
                if not severity:
                    self.skipped["severity_missing"] += 1
                    severity = "critical"
                state = ""
                if status == "fixed" and not component.evr:
                    self.skipped["fixed_without_version"] += 1
                elif status == "known_affected":
                    state = states.get(identity, "affected")
                elif status == "under_investigation":
                    state = "under_investigation"
                found.append(
                    Row(
                        component.name,
                        status,
                        component.module,
                        component.evr,
                        severity,
                        state,
                        advisories.get(identity, ""),
                        scores[identity].text if identity in scores else "",
                        component.arch,
                        cpe,
                        product,
                    )
                )
        if not said:
            raise CorruptData(f"{self.where} says nothing: its product_status is empty")
        self.spoken.update(said)
        lost = self.judged - self.spoken
        if lost:
            # Ratings, scores and fixes are of what has a status, in all real documents.
            raise CorruptData(f"{self.where} has no status for {ascii(min(lost))[:100]}, of which it says more")
        for at, row in enumerate(found):
            build = None if row.module else _MODULE_BUILD.search(row.evr)
            if build:
                # Old documents list some builds of a module without it; another build of the same module has it.
                named = modules.get(build[1], set())
                if len(named) != 1:
                    self.skipped["module_unknown"] += 1
                found[at] = row._replace(module=min(named) if len(named) == 1 else UNKNOWN_MODULE)
        return found

    def read_severities(self, vulnerability: dict[str, t.Any]) -> tuple[dict[str, str], str]:
        """Severity for each product id, and the one that is said of all.

        Passed over, a damaged one would leave a lower rating that is said of more.
        """
        found: dict[str, str] = {}
        common = ""
        for threat in self.list_of(vulnerability, "threats", dict):
            category = self.text_of(threat, "category")
            if category not in _THREATS:
                raise CorruptData(f"{self.where}: {ascii(category)[:40]} is no category of a threat")
            if category != "impact":
                continue
            severity = self.severity(self.text_of(threat, "details"))
            identities = self.ids_of(threat)
            if not severity or identities == []:
                raise CorruptData(f"{self.where} has a threat that says no impact, or of no product")
            if identities is None:
                common = _worse(common, severity)
                continue
            for identity in identities:
                if identity not in self.products and self.related(identity) is None:
                    raise self.undefined(identity)
                found[identity] = _worse(found.get(identity, ""), severity)
        return found, common

    def read_scores(self, vulnerability: dict[str, t.Any]) -> dict[str, _Score]:
        """CVSS for each product id: of version 3 where there is one; the worse one where several are given."""
        found: dict[str, _Score] = {}
        for score in self.list_of(vulnerability, "scores", dict):
            for key in ("cvss_v3", "cvss_v2"):
                values = self.dict_of(score, key)
                number = values.get("baseScore")
                if isinstance(number, float):
                    text = self.cvss(number, values.get("vectorString"))
                    own = _Score(key == "cvss_v3", number, text, _of_score(number))
                    for identity in self.ids_of(score, "products") or ():
                        found[identity] = _worse_score(found[identity], own) if identity in found else own
                    break
        return found

    def cvss(self, number: float, vector: t.Any) -> str:
        """Base score and vector as text; empty where the score is none. A vector that is none is left out."""
        if not 0 <= number <= 10:
            self.skipped["cvss_malformed"] += 1
            return ""
        if isinstance(vector, str) and _VECTOR.fullmatch(vector[: TEXT_LIMIT + 1]) and len(vector) <= TEXT_LIMIT:
            return f"{number:.1f} {vector}"
        self.skipped["cvss_malformed"] += 1
        return f"{number:.1f}"

    def read_remediations(self, vulnerability: dict[str, t.Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Fix state and advisory for each product id."""
        states: dict[str, str] = {}
        advisories: dict[str, str] = {}
        for remediation in self.list_of(vulnerability, "remediations", dict):
            category = self.text_of(remediation, "category")
            identities = self.ids_of(remediation) or ()
            if category == "vendor_fix":
                named = _ADVISORY.findall(self.text_of(remediation, "url"))
                for identity in identities if named else ():
                    advisories.setdefault(identity, named[-1])
            elif category in _CATEGORY_STATES:
                details = self.text_of(remediation, "details").strip().casefold()
                state = _FIX_STATES.get(details, _CATEGORY_STATES[category])
                for identity in identities:
                    states.setdefault(identity, state)
        return states, advisories


def _of_score(number: float) -> str:
    """Severity by CVSS base score, for products that nobody rated; what is no score counts as the worst."""
    if not 0 <= number < 9:
        return "critical"
    return "low" if number < 4 else "moderate" if number < 7 else "important"


def _worse_score(one: _Score, two: _Score) -> _Score:
    shown = max(one, two, key=lambda score: (score.newer, bool(score.text), score.number))
    return shown._replace(severity=_worse(one.severity, two.severity))


def _worse(one: str, two: str) -> str:
    if not one or not two:
        return one or two
    return max(one, two, key=_ORDER.index)
