# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No damage to a document makes an image pass: from the document through index and matcher to the verdict.

Each base is a document and an image that does not pass because of it, and that passes without it. A mutant of the
document must not make the image pass either, unless it is another valid document: one in which a value says something
else (``_explained``; only a signature tells such a document from the vendor's). ``compare`` makes every single change
of every base's tree; the fuzzer makes what is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import random
import re
import tempfile
import typing as t
from pathlib import Path
from xml.etree import ElementTree

from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import (
    Inventory,
    Package,
    PackageDatabase,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.subject import Subject
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities import cpes
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import (
    advisories,
    csaf_components,
    csaf_statements,
    csaf_vex,
    osv,
    updateinfo,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import (
    CSAF,
    Form,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.signatures import (
    BadSignature,
    Keys,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.packages import wanted_names
from ansible_collections.imagescan.openshift.tests.fuzz import trees
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
from ansible_collections.imagescan.openshift.tests.support.openpgp import Signer
from ansible_collections.imagescan.openshift.tests.support.policies import SMALL_POLICY_TEXT
from ansible_collections.imagescan.openshift.tests.support.vex import (
    EUS_9_2,
    MAIN_8,
    MAIN_9,
    MAJOR_9,
    Json,
    Says,
    affected,
    document,
    fixed,
    inventory,
    not_affected,
    rpm,
    write_map,
)

#: The targets ``json`` and ``advisories`` measure them.
READERS = ()

NOW = datetime.datetime(2026, 8, 21, 13, 0, tzinfo=datetime.timezone.utc)
_CVE = "CVE-2026-1000"
_STRICT = "- {name: strict, vulnerabilities: {max_severity: none, fixable: false, min_documents: 0}}\n"
_POLICIES = {name: load_policies(text, name) for name, text in (("default", SMALL_POLICY_TEXT), ("strict", _STRICT))}
_BASH = "bash-5.1.8-9.el9.x86_64"
_OPENSHIFT = "cpe:/a:redhat:openshift:4.16::el9"


class Base(t.NamedTuple):
    """A document, an image that does not pass because of it, and the policies by which it does not.

    ``text`` stands at ``path`` of a feed of the form; ``neutral`` (path, text) says something harmless of each package
    of the image, so that the feed is about it.
    """

    text: bytes
    image: Inventory
    repositories: t.Mapping[str, t.Sequence[str]]
    policies: tuple[str, ...]
    neutral: tuple[str, bytes]
    form: Form = CSAF
    path: str = "2026/cve-2026-1000.json"

    @property
    def document(self) -> Json:
        value: Json = json.loads(self.text)
        return value


def _base(said: t.Sequence[Says], *nevras: str, cpe: str = MAIN_9, strict: bool = False, **more: t.Any) -> Base:
    return _of(document(_CVE, *said, aggregate="Important"), *nevras, cpe=cpe, strict=strict, **more)


def _of(item: Json, *nevras: str, cpe: str = MAIN_9, strict: bool = False, **more: t.Any) -> Base:
    packages = [rpm(_BASH), *(rpm(nevra, **more) for nevra in nevras)]
    policies = ("strict",) if strict else ("default", "strict")
    names = sorted({package.name for package in packages})
    neutral = document("CVE-2026-9999", *(not_affected(MAIN_9, name) for name in names))
    image = _counted(inventory(*packages, repositories=["repo"]))
    repositories = {"repo": [MAIN_9, cpe]}
    text = json.dumps(item).encode()
    return Base(text, image, repositories, policies, ("2026/cve-2026-9999.json", json.dumps(neutral).encode()))


def _counted(image: Inventory) -> Inventory:
    database = PackageDatabase("var/lib/rpm/rpmdb.sqlite", "sqlite", len(image.packages))
    return dataclasses.replace(image, database=database)


_LIBS = "openssl-libs-1:3.0.7-27.el9.x86_64"


def _record() -> Base:
    """A record of AlmaLinux."""

    def affected_by(name: str, fix: str) -> Json:
        package = {"ecosystem": "AlmaLinux:9", "name": name}
        return {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fix}]}]}

    def record(identity: str, cve: str, *entries: Json) -> bytes:
        value = {
            "schema_version": "1.7.0",
            "id": identity,
            "modified": "2026-03-01T10:00:00Z",
            "published": "2026-03-01T10:00:00Z",
            "summary": "Important: openssl security update",
            "related": [cve],
            "affected": list(entries),
            "references": [{"type": "ADVISORY", "url": f"https://errata.almalinux.org/9/{identity}.html"}],
        }
        return json.dumps(value).encode()

    packages = [_of_vendor(one, "AlmaLinux", "d36cb86cb86b3716") for one in (_BASH, _LIBS)]
    image = _counted(inventory(*packages, os_id="almalinux", repositories=[]))
    libs = affected_by("openssl-libs", "1:3.0.7-28.el9_4")
    text = record("ALSA-2026:1000", _CVE, libs, affected_by("openssl", "1:3.0.7-28.el9_4"))
    harmless = [affected_by(name, fix) for name, fix in (("bash", "0:1-1.el9"), ("openssl-libs", "0:1-1.el9"))]
    neutral = ("ALSA-2026:9999.json", record("ALSA-2026:9999", "CVE-2026-9999", *harmless))
    return Base(text, image, {}, ("default", "strict"), neutral, Form("osv"), "ALSA-2026:1000.json")


def _of_vendor(nevra: str, vendor: str, key: str) -> Package:
    source = "openssl-3.0.7-27.el9.src.rpm" if nevra == _LIBS else ""
    return rpm(nevra, vendor=vendor, key=key, source=source)


def _updateinfo() -> Base:
    """The advisories of a repository of Rocky Linux."""

    def package(name: str, epoch: str, version: str, release: str) -> str:
        return (
            f'<package name="{name}" epoch="{epoch}" version="{version}" release="{release}" arch="x86_64" '
            f'src="a.src.rpm"><filename>{name}-{version}-{release}.x86_64.rpm</filename></package>'
        )

    def advisories(identity: str, cve: str, *packages: str) -> bytes:
        return (
            '<updates><update from="releng@rockylinux.org" status="final" type="security" version="2">'
            f"<id>{identity}</id><title>Important: openssl security update</title>"
            '<issued date="2026-03-01 10:00:00"/><updated date="2026-03-01 10:00:00"/>'
            "<release>Rocky Linux 9</release><severity>Important</severity>"
            f'<references><reference href="https://x/{cve}" id="{cve}" type="cve" title="{cve}"/></references>'
            f'<pkglist><collection short="RL9"><name>Rocky Linux 9</name>{"".join(packages)}</collection></pkglist>'
            "</update></updates>"
        ).encode()

    packages = [_of_vendor(one, "Rocky Enterprise Software Foundation", "702d426d350d275d") for one in (_BASH, _LIBS)]
    image = _counted(inventory(*packages, os_id="rocky", repositories=[]))
    text = advisories("RLSA-2026:1000", _CVE, package("openssl-libs", "1", "3.0.7", "28.el9_4"))
    harmless = (package("bash", "0", "1", "1.el9"), package("openssl-libs", "0", "1", "1.el9"))
    neutral = ("neutral/updateinfo.xml", advisories("RLSA-2026:9999", "CVE-2026-9999", *harmless))
    form = Form("updateinfo", "rocky:9")
    return Base(text, image, {}, ("default", "strict"), neutral, form, "base/updateinfo.xml")


def _new_shape(*said: tuple[str, str, str]) -> Json:
    """As the newer feed writes it: flat branches, few fields. ``said``: status, id and package URL of components.

    Each is said of a product of its own minor release, as the feed does.
    """
    products = [f"rhel-9.{3 + number}.0.z" for number in range(len(said))]
    wholes = [f"{product}:{identity}" for product, (_status, identity, _purl) in zip(products, said)]
    item = document(_CVE, affected(MAJOR_9, "curl"), aggregate="Important")
    item["document"]["tracking"]["generator"] = {"engine": {"name": "CSAF Generator", "version": "2.0.1"}}
    item["product_tree"] = {
        "branches": [
            {
                "category": "vendor",
                "name": "Red Hat",
                "branches": [
                    *(_branch(product, cpe="cpe:/a:redhat:enterprise_linux:9") for product in products),
                    *(_branch(identity, purl=purl) for _status, identity, purl in said),
                ],
            }
        ],
        "relationships": [
            _relationship(product, identity) for product, (_status, identity, _purl) in zip(products, said)
        ],
    }
    statuses: dict[str, list[str]] = {}
    for whole, (status, _identity, _purl) in zip(wholes, said):
        statuses.setdefault(status, []).append(whole)
    remediations: list[Json] = []
    for status, category in (("fixed", "vendor_fix"), ("known_affected", "none_available")):
        if status in statuses:
            url = {"url": "https://x/errata/RHSA-2026:1"} if status == "fixed" else {"details": "Affected"}
            remediations.append({"category": category, "product_ids": statuses[status], **url})
    threats = [{"category": "impact", "details": "Important", "product_ids": wholes}]
    item["vulnerabilities"] = [
        {"cve": _CVE, "product_status": statuses, "threats": threats, "remediations": remediations}
    ]
    return item


_CURL = ("fixed", "curl-0:7.76.1-26.el9_3.2.src", "pkg:rpm/redhat/curl@7.76.1-26.el9_3.2?arch=src")
_CURL_10 = ("known_affected", "tool", "pkg:rpm/redhat/tool?arch=src")
_DOTNET = ("fixed", "dotnet6.0-0:6.0.126-1.el9_3", "pkg:rpm/redhat/dotnet6.0@6.0.126-1.el9_3?epoch=0")
_NODEJS = (
    "fixed",
    "nodejs-0:20-9040020240807145403.rhel9",
    "pkg:rpm/redhat/nodejs@20-9040020240807145403.rhel9?epoch=0",
)
_PKI = ("known_affected", "pki:10.6/pki-core/pki-ca", "pkg:rpm/redhat/pki-ca?upstream=pki:10.6/pki-core")


def _branch(identity: str, **helper: str) -> Json:
    product = {"name": identity, "product_id": identity, "product_identification_helper": helper}
    return {"category": "product_version", "name": identity, "product": product}


def _relationship(product: str, component: str) -> Json:
    return {
        "category": "default_component_of",
        "full_product_name": {"name": "a name", "product_id": f"{product}:{component}"},
        "product_reference": component,
        "relates_to_product_reference": product,
    }


def _nested() -> Json:
    """A build of a module that the document names by nesting, and no package URL for the build."""
    part = "libtpms-0:0.9.1-1.module+el9.6.0+14480+c0a3aa0f.x86_64"
    module = "virt:rhel:9060020230403063348:ad008a3a"
    item = document(_CVE, affected(MAJOR_9, "curl"), aggregate="Important")
    item["product_tree"] = {
        "branches": [
            {
                "category": "vendor",
                "name": "Red Hat",
                "branches": [
                    _branch("AppStream-9.6.0.Z", cpe="cpe:/a:redhat:enterprise_linux:9::appstream"),
                    _branch(module, purl=f"pkg:rpmmod/redhat/{module.replace(':', '@', 1)}"),
                    _branch(part),
                ],
            }
        ],
        "relationships": [
            _relationship("AppStream-9.6.0.Z", module),
            _relationship(f"AppStream-9.6.0.Z:{module}", part),
        ],
    }
    whole = f"AppStream-9.6.0.Z:{module}:{part}"
    threats = [{"category": "impact", "details": "Important", "product_ids": [whole]}]
    item["vulnerabilities"] = [{"cve": _CVE, "product_status": {"fixed": [whole]}, "threats": threats}]
    return item


def _rated_apart() -> Json:
    """A flaw that is low in general and important for one of its products; both have the same score."""
    said = [fixed(MAIN_9, "openssl-libs", "1:3.0.7-28.el9_4", severity="Important")]
    item = document(_CVE, *said, fixed(MAIN_9, "tool", "0:1.0-2.el9", severity="Low"), aggregate="Low")
    vulnerability = item["vulnerabilities"][0]
    ids = list(vulnerability["product_status"]["fixed"])
    vulnerability["scores"] = [{"cvss_v3": {"baseScore": 5.3, "version": "3.1"}, "products": ids}]
    vulnerability["threats"].append({"category": "exploit_status", "details": "No exploit is known"})
    return item


def _of_a_file() -> Json:
    """Builds of modules whose ids are names of files, each defined in two builds of its module, as in CVE-2024-6923.

    A workaround names a family of products, and a score a component that is not defined.
    """
    part = "ruby-2.5.9-111.module+el9.4.0+19193+435404ae.x86_64.rpm-ruby:2.5"
    purl = "pkg:rpm/redhat/ruby@2.5.9-111.module%2Bel9.4.0%2B19193%2B435404ae?arch=x86_64&epoch=1&rpmmod=ruby:2.5"
    item = document(_CVE, affected(MAJOR_9, "curl"), aggregate="Important")
    builds = [
        _branch(part, purl=f"{purl}:{version}") for version in ("9040020230627:b46abd14", "9040020230701:6a631399")
    ]
    family = {
        "category": "product_family",
        "name": "Tools",
        "branches": [_branch("tools", cpe="cpe:/a:redhat:tools:1")],
    }
    product = _branch("AppStream-9.4.0.Z", cpe="cpe:/a:redhat:enterprise_linux:9::appstream")
    branches = [family, product, *builds]
    item["product_tree"] = {
        "branches": [{"category": "vendor", "name": "Red Hat", "branches": branches}],
        "relationships": [_relationship("AppStream-9.4.0.Z", part)],
    }
    whole = f"AppStream-9.4.0.Z:{part}"
    item["vulnerabilities"] = [
        {
            "cve": _CVE,
            "product_status": {"fixed": [whole]},
            "threats": [{"category": "impact", "details": "Important", "product_ids": [whole]}],
            "scores": [{"cvss_v3": {"baseScore": 7.5, "version": "3.1"}, "products": ["tools:a:1.Final", whole]}],
            "remediations": [
                {"category": "vendor_fix", "product_ids": [whole], "url": "https://x/errata/RHSA-2026:1"},
                {"category": "workaround", "details": "Do not use it", "product_ids": ["Tools", whole]},
            ],
        }
    ]
    return item


def _said_twice() -> Json:
    """A build that is fixed and not affected, and a package that is affected and not affected."""
    said = [
        fixed(MAIN_9, "openssl-libs", "1:3.0.7-28.el9_4", severity="Important"),
        affected(MAIN_9, "tool", severity="Important"),
    ]
    item = document(_CVE, *said, aggregate="Important")
    statuses = item["vulnerabilities"][0]["product_status"]
    statuses["known_not_affected"] = [*statuses["fixed"], *statuses["known_affected"]]
    return item


BASES: tuple[Base, ...] = (
    _base(
        [
            fixed(MAIN_9, "openssl-libs", "1:3.0.7-28.el9_4", severity="Important"),
            fixed(MAIN_9, "openssl", "1:3.0.7-28.el9_4", arch="src", severity="Important"),
            fixed(EUS_9_2, "openssl-libs", "1:3.0.7-18.el9_2", severity="Important"),
            not_affected(MAIN_8, "openssl-libs"),
        ],
        "openssl-libs-1:3.0.7-27.el9.x86_64",
        source="openssl-3.0.7-27.el9.src.rpm",
    ),
    _base([affected(MAJOR_9, "tool", severity="Critical")], "tool-1.0-1.el9.noarch", strict=True),
    _of(_new_shape(_CURL, _CURL_10), "libcurl-7.76.1-26.el9.x86_64", source="curl-7.76.1-26.el9.src.rpm"),
    _of(
        _new_shape(_DOTNET, _CURL_10),
        "dotnet-runtime-6.0-6.0.125-1.el9_3.x86_64",
        source="dotnet6.0-6.0.125-1.el9_3.src.rpm",
    ),
    _of(
        _new_shape(_NODEJS),
        "npm-1:10.8.1-1.20.16.0.1.module+el9.4.0+22197+9e60f127.x86_64",
        source="nodejs-20.16.0-1.module+el9.4.0+22197+9e60f127.src.rpm",
        module="nodejs:20:9040020240807145402:rhel9",
    ),
    _of(_new_shape(_PKI), "pki-ca-10.6-1.module+el9.4.0+1+aaaaaaaa.noarch", module="pki:10.6", strict=True),
    _of(_nested(), "libtpms-0.9.0-1.module+el9.5.0+14000+aaaaaaaa.x86_64", module="virt:rhel"),
    _base(
        [affected(MAJOR_9, "perl", module="perl:5.32"), not_affected(MAIN_8, "perl", module="perl:5.30")],
        "perl-5.32.1-1.module+el9.0.0+1+aaaaaaaa.x86_64",
        module="perl:5.32",
        strict=True,
    ),
    _base(
        [fixed(_OPENSHIFT, "openshift-clients", "0:4.16.0-202.el9", severity="Critical")],
        "openshift-clients-4.16.0-100.el9.x86_64",
        cpe=_OPENSHIFT,
    ),
    _record(),
    _updateinfo(),
    _of(_rated_apart(), _LIBS, source="openssl-3.0.7-27.el9.src.rpm"),
    _of(_of_a_file(), "ruby-1:2.5.9-110.module+el9.3.0+18000+aaaaaaaa.x86_64", module="ruby:2.5"),
    _of(_said_twice(), _LIBS, source="openssl-3.0.7-27.el9.src.rpm"),
    _base(
        [affected("cpe:/a:redhat:openshift:4.*::el9", "openshift-clients", severity="Critical")],
        "openshift-clients-4.16.0-100.el9.x86_64",
        cpe=_OPENSHIFT,
        strict=True,
    ),
)


@functools.lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="imagescan-fuzz-")


def reading(base: Base, data: bytes) -> t.Any:
    """What the readers make of a document. Equal readings lead to equal verdicts, so that each is judged once."""

    names = frozenset(wanted_names(base.image))

    def attempt(function: t.Callable[..., t.Any], one: bytes, **more: t.Any) -> t.Any:
        try:
            found = function(one, base.path.rpartition("/")[2], **more)
        except ScanError as error:
            assert error.code and str(error).isprintable(), "an error that cannot be shown"
            return error.code, base.form.format.scope(one, base.path)
        return found.category, found.deleted, found.vulnerabilities

    if base.form.name == "updateinfo":
        read = functools.partial(updateinfo.read_advisory, distribution=base.form.distribution)
        try:
            advisories = list(updateinfo.split([data], "updateinfo.xml"))
        except ScanError as error:
            assert error.code and str(error).isprintable(), "an error that cannot be shown"
            return error.code
        return tuple((identity, attempt(read, one), attempt(read, one, names=names)) for identity, one in advisories)
    whole = osv.read_record if base.form.name == "osv" else csaf_vex.read_document
    return attempt(whole, data), attempt(whole, data, names=names)


_KNOWN: dict[tuple[int, t.Any], tuple[str, ...]] = {}


def passing(number: int, data: bytes) -> tuple[str, ...]:
    """The policies by which the image of a base passes, when this document takes the place of the base's."""
    base = BASES[number]
    key = (number, reading(base, data))
    known = _KNOWN.get(key)
    if known is None:
        both = (_passing(base, data, names) for names in (None, wanted_names(base.image)))
        known = _KNOWN[key] = tuple(sorted({name for found in both for name in found}))
    return known


def _passing(base: Base, data: bytes | None, names: t.Sequence[str] | None) -> t.Iterator[str]:
    with tempfile.TemporaryDirectory(dir=_folder().name) as folder:
        feed = Path(folder) / "feed"
        path, text = base.neutral
        for name, content in ((path, text), (base.path, data)):
            if content is not None:
                (feed / name).parent.mkdir(parents=True, exist_ok=True)
                (feed / name).write_bytes(content)
        mapped = str(write_map(Path(folder) / "map.json", base.repositories)) if base.repositories else ""
        dest = Path(folder) / "index"
        try:
            build_index(str(feed), str(dest), form=base.form, repository_map=mapped, names=names, now=NOW)
        except ScanError:
            return
        with FeedIndex.open(str(dest)) as index:
            match = match_inventory(base.image, index)
            subject = Subject(
                digest="sha256:" + "0" * 64,
                reference="example.com/app:1",
                platform="linux/amd64",
                inventory=base.image,
                scanned_at="2026-08-21T12:00:00Z",
                match=match,
                feed=index.info,
            )
        for name in base.policies:
            if judge(subject, _POLICIES[name], (), now=NOW).verdict == "passed":
                yield name


# -- what explains that a mutant passes --

_WELL_FORMED_PURL = re.compile(r"pkg:(rpm|rpmmod|oci|generic|maven)/[A-Za-z0-9%._+~/-]+(@[A-Za-z0-9%._+~^:-]+)?(\?.*)?")


class Meaning(t.NamedTuple):
    """Where a document says what it is about. With another well-formed value there, it is another document.

    ``products``: CPEs and package URLs by product id. ``relationships``: both ends by id.
    """

    products: t.Mapping[str, list[tuple[t.Any, t.Any]]]
    relationships: t.Mapping[str, tuple[t.Any, t.Any]]
    deleted: bool

    @classmethod
    def of(cls, root: t.Any) -> Meaning:
        products: dict[str, list[tuple[t.Any, t.Any]]] = {}
        relationships: dict[str, tuple[t.Any, t.Any]] = {}
        for path in trees.nodes(root):
            value = trees.at(root, path)
            if not isinstance(value, dict):
                continue
            helper, name = value.get("product_identification_helper"), value.get("full_product_name")
            if isinstance(helper, dict) and isinstance(value.get("product_id"), str):
                products.setdefault(value["product_id"], []).append((helper.get("cpe"), helper.get("purl")))
            elif path[-1] == "product" and isinstance(value.get("product_id"), str):
                # Defined all the same, as many builds are in real documents: its id tells what it is.
                products.setdefault(value["product_id"], []).append((None, None))
            if isinstance(name, dict) and isinstance(name.get("product_id"), str):
                ends = value.get("product_reference"), value.get("relates_to_product_reference")
                relationships[name["product_id"]] = ends
        try:
            status = root["document"]["tracking"]["status"]
        except (LookupError, TypeError):
            status = ""
        deleted = isinstance(status, str) and status.strip().casefold() == "deleted"
        return cls(products, relationships, deleted)


def explained(base: Base, data: bytes) -> bool:
    """Whether a mutant is another valid document that says something else, and not the same one, damaged."""
    try:
        if base.form.name == "updateinfo":
            return _other_advisories(ElementTree.fromstring(base.text), ElementTree.fromstring(data))
        before, after = trees.parsed(base.text), trees.parsed(data)
    except (ValueError, RecursionError, ElementTree.ParseError):
        return False
    if base.form.name == "osv":
        return _other_record(before, after)
    return _other_document(before, after) or _never_rated(base, after)


def _other_document(before: Json, after: t.Any) -> bool:
    old, new = Meaning.of(before), Meaning.of(after)
    for identity in old.products.keys() & new.products.keys():
        old_cpe, old_purl = old.products[identity][0]
        for cpe, purl in new.products[identity]:
            if (cpe, purl) in old.products[identity]:
                continue
            if cpe != old_cpe and isinstance(cpe, str) and cpes.parse_cpe(cpe) is not None:
                return True  # another product
            if purl != old_purl and isinstance(purl, str) and _WELL_FORMED_PURL.fullmatch(purl):
                build, module = csaf_components.parse_build_id(identity), csaf_components.MODULE_ID.fullmatch(identity)
                if not purl.startswith("pkg:rpm/redhat/" if build else "pkg:rpmmod/" if module else "\0"):
                    # Another package, or whose it is. The id of a build tells all but that: what differs is damaged.
                    return True
    for identity in old.relationships.keys() & new.relationships.keys():
        ends = new.relationships[identity]
        known = all(isinstance(end, str) and (end in new.products or end in new.relationships) for end in ends)
        if ends != old.relationships[identity] and known:
            return True  # another product or component that the document has
    if _rated_otherwise(before, after):
        return True  # another severity: the policy allows it
    # The vendor took it back, says something else of a product, or clears another one.
    return new.deleted or _moved(before, after) or _cleared(old, after, new)


def _moved(before: Json, after: t.Any) -> bool:
    """Whether an id stands under another status, and no longer under its own."""

    def said(document: t.Any) -> set[tuple[str, str]]:
        statuses = document["vulnerabilities"][0]["product_status"]
        return {(status, identity) for status, ids in statuses.items() for identity in ids}

    try:
        old, new = said(before), said(after)
    except (LookupError, TypeError, AttributeError):
        return False
    gone = {identity for _status, identity in old - new}
    return any(identity in gone and status in csaf_statements.STATUSES for status, identity in new - old)


def _cleared(old: Meaning, after: t.Any, new: Meaning) -> bool:
    """Whether a component of a product is cleared, both defined, of which the document said nothing before.

    An advisory lists as fixed all that it rebuilt; where its document says in as many words that one of them never had
    the flaw, that is believed (``test_an_advisory_that_rebuilt_what_never_had_the_flaw``).
    """
    try:
        ids = set(after["vulnerabilities"][0]["product_status"]["known_not_affected"]) - old.relationships.keys()
    except (LookupError, TypeError):
        return False
    return any(
        identity[: colon.start()] in new.products and identity[colon.end() :] in new.products
        for identity in ids
        for colon in re.finditer(":", identity)
    )


def _ratings(document: t.Any) -> dict[str, set[str]]:
    """Severities by product id, and under the empty id those of the whole document."""
    found: dict[str, set[str]] = {}
    for threat in document["vulnerabilities"][0].get("threats") or ():
        word = threat["details"].strip().casefold()
        if threat["category"] == "impact" and word in csaf_statements.SEVERITIES:
            for identity in threat.get("product_ids") or [""]:
                found.setdefault(identity, set()).add(word)
    return found


def _rated_otherwise(before: Json, after: t.Any) -> bool:
    """Whether another severity stands for a product."""
    try:
        old, new = _ratings(before), _ratings(after)
    except (LookupError, TypeError, AttributeError):
        return False
    return any(new.get(identity, new.get("", words)) != words for identity, words in old.items())


def _never_rated(base: Base, after: t.Any) -> bool:
    """Whether the image passes only because no product is rated, in a document that may never have rated one.

    Real documents have an aggregate alone (CVE-2023-0030 and CVE-2023-1017 of the test data), or none at all as long as
    nobody rated the flaw (CVE-2026-0006): nothing in such a document tells that it had ratings. With an aggregate and
    scores it does.
    """
    try:
        aggregate = (after["document"].get("aggregate_severity") or {}).get("text")
        vulnerability = after["vulnerabilities"][0]
        if _ratings(after) or (aggregate and vulnerability.get("scores")):
            return False
        vulnerability["threats"] = [{"category": "impact", "details": "Critical"}]
    except (LookupError, TypeError, AttributeError):
        return False
    text = trees.written(after)
    return not any(list(_passing(base, text, names)) for names in (None, wanted_names(base.image)))


def _entries(record: t.Any) -> list[tuple[str, str, tuple[str, ...]]]:
    """Package, ecosystem and fixes of each entry of a record that is whole."""
    found = []
    for one in record["affected"]:
        package, events = one["package"], [event for part in one["ranges"] for event in part["events"]]
        fixes = [event["fixed"] for event in events if "fixed" in event]
        known = advisories.is_name(package["name"]) and _ECOSYSTEM.fullmatch(package["ecosystem"])
        if known and all(map(advisories.build_of, fixes)):
            found.append((package["name"], package["ecosystem"], tuple(fixes)))
    return found


_ECOSYSTEM = re.compile(r"[A-Za-z][A-Za-z .+-]*(:[0-9.]+)?")


def _other_record(before: Json, after: t.Any) -> bool:
    identity = after.get("id") if isinstance(after, dict) else None
    if isinstance(identity, str) and osv._ID.fullmatch(identity) and not identity.startswith("ALSA-"):
        return True  # a record of somebody else, or about no vulnerability
    if isinstance(after, dict) and after.get("withdrawn"):
        return True  # the vendor took it back
    try:
        old, new = _entries(before), _entries(after)
    except (LookupError, TypeError, AttributeError):
        return False
    if len(new) < len(after["affected"]) or not new:
        return False
    # A record has one place for what it says of a package. Without that, or with another name, release or version
    # there, it is another record. So it is where the vendor rates it lower.
    rated = advisories.title_severity(str(after.get("summary")))
    return set(new) != set(old) or rated in _LESSER


_LESSER = ("low", "moderate")
_PLACE = ("name", "epoch", "version", "release", "arch")


def _other_advisories(before: ElementTree.Element, after: ElementTree.Element) -> bool:
    def said(root: ElementTree.Element) -> set[tuple[str, ...]]:
        packages = root.iterfind("update/pkglist/collection/package")
        return {tuple(one.get(key, "") for key in _PLACE) for one in packages}

    old, new = said(before), said(after)
    if (
        old != new
        and new
        and all(
            advisories.is_name(name) and advisories.build_of(f"{epoch}:{version}-{release}".lstrip(":"))
            for name, epoch, version, release, arch in new - old
            if re.fullmatch(r"\w{0,32}", arch)
        )
    ):
        return True  # another package, version or architecture
    update = after.find("update")
    if update is None:
        # Without its advisory it is another file, which the checksum in repomd.xml would tell.
        return after.tag == "updates" and len(after) == 0
    words = (update.findtext("severity") or "", (update.findtext("title") or "").partition(":")[0])
    rated = {advisories.read_severity(word) for word in words}
    return bool(rated.intersection(_LESSER)) or update.get("status") in ("retracted", "withdrawn")


# -- the target --


#: The first byte of an input is the number of its base.
CHOOSING = 1


def one_case(data: bytes) -> None:
    if not data or data[0] >= len(BASES):
        return
    number, data = data[0], data[1:]
    found = passing(number, data)
    if found:
        assert explained(BASES[number], data), f"the image of base {number} passes by {', '.join(found)}"


def seeds() -> list[bytes]:
    for number, base in enumerate(BASES):
        without = {*_passing(base, None, None), *_passing(base, None, wanted_names(base.image))}
        assert without == set(base.policies), f"the image of base {number} does not pass without its document"
        assert not passing(number, base.text), f"the image of base {number} passes with its document"
    return [bytes((number,)) + base.text for number, base in enumerate(BASES)]


def _random_change(base: Base, data: bytes, source: random.Random) -> bytes:
    if base.form.name == "updateinfo":
        return trees.random_xml_change(data, source)
    return trees.random_change(trees.parsed(data), source)


def mutate(data: bytes, source: random.Random) -> bytes:
    """A change of the tree, or of bytes."""
    number, data = data[:1], data[1:]
    if not number or number[0] >= len(BASES) or source.random() < 0.02:
        other = source.randrange(len(BASES))
        return bytes((other,)) + _random_change(BASES[other], BASES[other].text, source)
    if source.random() < 0.7:
        with contextlib.suppress(ValueError, RecursionError, ElementTree.ParseError):
            return number + _random_change(BASES[number[0]], data, source)
    return number + mutate_bytes(data, source)


def _holds(keys: Keys, data: bytes, signature: bytes) -> bool:
    try:
        keys.check(data, signature)
    except BadSignature:
        return False
    return True


def compare(cases: int, seed: int, folder: Path) -> tuple[int, list[str]]:
    """Every single change of each base; at most ``cases`` of them, evenly spread.

    What is another valid document, and makes the image pass, must fail by the signature of the vendor's.
    """
    changes: list[tuple[int, str, bytes]] = []
    for number, base in enumerate(BASES):
        if base.form.name == "updateinfo":
            found = trees.xml_changes(base.text.decode())
        else:
            found = trees.single_changes(base.document)
        changes += [(number, what, data) for what, data in found]
    random.Random(seed).shuffle(changes)
    signer = Signer()
    keys = Keys.of(str(signer.certificate).encode(), "the key")
    signatures = [signer.sign(base.text) for base in BASES]
    problems = []
    for base, signature in zip(BASES, signatures):
        keys.check(base.text, signature)
    for number, what, data in changes[: max(cases, 1)]:
        try:
            one_case(bytes((number,)) + data)
            if passing(number, data) and _holds(keys, data, signatures[number]):
                problems.append(f"{what}: the image passes, and the signature holds")
        except (AssertionError, LookupError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"{what}: {error!r}")
    return min(len(changes), max(cases, 1)), sorted(problems)
