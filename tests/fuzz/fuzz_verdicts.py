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

from ansible_collections.imagescan.openshift.plugins.module_utils._errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._rpm.model import Database, Inventory
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.judge import Subject, judge
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities import cpes
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import csaf_vex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
    wanted_names,
)
from ansible_collections.imagescan.openshift.tests.fuzz import trees
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
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
_STRICT = "- {name: strict, vulnerabilities: {max_severity: none, fixable: false}}\n"
_POLICIES = {name: load_policies(text, name) for name, text in (("default", DEFAULT_POLICY_TEXT), ("strict", _STRICT))}
_OPENSHIFT = "cpe:/a:redhat:openshift:4.16::el9"


class Base(t.NamedTuple):
    """A document, an image that does not pass because of it, and the policies by which it does not."""

    document: Json
    image: Inventory
    repositories: t.Mapping[str, t.Sequence[str]]
    policies: tuple[str, ...] = ("default", "strict")

    @property
    def neutral(self) -> Json:
        """Something about each package of the image, so that the feed is about it: none is affected."""
        names = sorted({package.name for package in self.image.packages})
        return document("CVE-2026-9999", *(not_affected(MAIN_9, name) for name in names))


def _base(said: t.Sequence[Says], *nevras: str, cpe: str = MAIN_9, strict: bool = False, **more: t.Any) -> Base:
    return _of(document(_CVE, *said, aggregate="Important"), *nevras, cpe=cpe, strict=strict, **more)


def _of(item: Json, *nevras: str, cpe: str = MAIN_9, strict: bool = False, **more: t.Any) -> Base:
    packages = [rpm("bash-5.1.8-9.el9.x86_64"), *(rpm(nevra, **more) for nevra in nevras)]
    policies = ("strict",) if strict else ("default", "strict")
    database = Database("var/lib/rpm/rpmdb.sqlite", "sqlite", len(packages))
    image = dataclasses.replace(inventory(*packages, repositories=["repo"]), database=database)
    return Base(item, image, {"repo": [MAIN_9, cpe]}, policies)


def _new_shape() -> Json:
    """As the newer feed writes it: flat branches, source packages alone, names without version, few fields."""
    component = "curl-0:7.76.1-26.el9_3.2.src"
    unfixed = "curl"
    tree = {
        "branches": [
            {
                "category": "vendor",
                "name": "Red Hat",
                "branches": [
                    _branch("rhel-9.3.0.z", cpe="cpe:/a:redhat:enterprise_linux:9"),
                    _branch("rhel-10.0.z", cpe="cpe:/a:redhat:enterprise_linux:10.0"),
                    _branch(component, purl="pkg:rpm/redhat/curl@7.76.1-26.el9_3.2?arch=src"),
                    _branch(unfixed, purl="pkg:rpm/redhat/curl?arch=src"),
                ],
            }
        ],
        "relationships": [_relationship("rhel-9.3.0.z", component), _relationship("rhel-10.0.z", unfixed)],
    }
    item = document(_CVE, affected(MAJOR_9, "curl"), aggregate="Important")
    both = [f"rhel-9.3.0.z:{component}", f"rhel-10.0.z:{unfixed}"]
    item["product_tree"] = tree
    item["vulnerabilities"] = [
        {
            "cve": _CVE,
            "product_status": {"fixed": both[:1], "known_affected": both[1:]},
            "threats": [{"category": "impact", "details": "Important", "product_ids": both}],
            "remediations": [
                {"category": "vendor_fix", "product_ids": both[:1], "url": "https://x/errata/RHSA-2026:1"},
                {"category": "none_available", "details": "Affected", "product_ids": both[1:]},
            ],
        }
    ]
    return item


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
    _of(_new_shape(), "libcurl-7.76.1-26.el9.x86_64", source="curl-7.76.1-26.el9.src.rpm"),
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
)


@functools.lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="imagescan-fuzz-")


class Reading(t.NamedTuple):
    """What the reader makes of a document: all that the index can depend on."""

    document: t.Any
    alone: t.Any


def reading(data: bytes, names: frozenset[str]) -> Reading:
    """Equal readings lead to equal verdicts, so that each of them is built into an index once."""

    def attempt(function: t.Callable[..., t.Any], **more: t.Any) -> t.Any:
        try:
            found = function(data, "cve-2026-1000.json", **more)
        except ScanError as error:
            assert error.code and str(error).isprintable(), "an error that cannot be shown"
            return error.code
        return found.category, found.deleted, found.vulnerabilities

    return Reading(attempt(csaf_vex.read_document), attempt(csaf_vex.read_document, names=names))


_KNOWN: dict[tuple[int, Reading], tuple[str, ...]] = {}


def passing(number: int, data: bytes) -> tuple[str, ...]:
    """The policies by which the image of a base passes, when this document takes the place of the base's."""
    base = BASES[number]
    key = (number, reading(data, frozenset(wanted_names(base.image))))
    known = _KNOWN.get(key)
    if known is None:
        both = (_passing(base, data, names) for names in (None, wanted_names(base.image)))
        known = _KNOWN[key] = tuple(sorted({name for found in both for name in found}))
    return known


def _passing(base: Base, data: bytes | None, names: t.Sequence[str] | None) -> t.Iterator[str]:
    with tempfile.TemporaryDirectory(dir=_folder().name) as folder:
        feed = Path(folder) / "feed" / "2026"
        feed.mkdir(parents=True)
        (feed / "cve-2026-9999.json").write_text(json.dumps(base.neutral))
        if data is not None:
            (feed / "cve-2026-1000.json").write_bytes(data)
        mapped = write_map(Path(folder) / "map.json", base.repositories)
        dest = Path(folder) / "index"
        try:
            build_index(str(feed.parent), str(dest), repository_map=str(mapped), names=names, now=NOW)
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

    ``products``: CPE and package URL by product id. ``relationships``: both ends by id. ``ratings``: severities.
    """

    products: t.Mapping[str, tuple[t.Any, t.Any]]
    relationships: t.Mapping[str, tuple[t.Any, t.Any]]
    ratings: frozenset[str]
    deleted: bool

    @classmethod
    def of(cls, root: t.Any) -> Meaning:
        products: dict[str, tuple[t.Any, t.Any]] = {}
        relationships: dict[str, tuple[t.Any, t.Any]] = {}
        ratings: set[str] = set()
        for path in trees.nodes(root):
            value = trees.at(root, path)
            if path[-1] in ("details", "text") and isinstance(value, str):
                ratings.add(value.strip().casefold())
            if not isinstance(value, dict):
                continue
            helper, name = value.get("product_identification_helper"), value.get("full_product_name")
            if isinstance(helper, dict) and isinstance(value.get("product_id"), str):
                products[value["product_id"]] = helper.get("cpe"), helper.get("purl")
            if isinstance(name, dict) and isinstance(name.get("product_id"), str):
                ends = value.get("product_reference"), value.get("relates_to_product_reference")
                relationships[name["product_id"]] = ends
        try:
            status = root["document"]["tracking"]["status"]
        except (LookupError, TypeError):
            status = ""
        deleted = isinstance(status, str) and status.strip().casefold() == "deleted"
        return cls(products, relationships, frozenset(ratings), deleted)


def _explained(before: Json, data: bytes) -> bool:
    """Whether a mutant is another valid document that says something else, and not the same one, damaged."""
    try:
        after = trees.parsed(data)
    except (ValueError, RecursionError):
        return False
    old, new = Meaning.of(before), Meaning.of(after)
    for identity in old.products.keys() & new.products.keys():
        (old_cpe, old_purl), (cpe, purl) = old.products[identity], new.products[identity]
        if cpe != old_cpe and isinstance(cpe, str) and cpes.parse_cpe(cpe) is not None:
            return True  # another product
        if purl != old_purl and isinstance(purl, str) and _WELL_FORMED_PURL.fullmatch(purl):
            return True  # another package, architecture, version or module
    for identity in old.relationships.keys() & new.relationships.keys():
        ends = new.relationships[identity]
        if ends != old.relationships[identity] and all(isinstance(end, str) and end in new.products for end in ends):
            return True  # another product or component that the document has
    if (new.ratings - old.ratings) & csaf_vex._SEVERITIES.keys():
        return True  # another severity: the policy allows it
    return new.deleted or _moved(before, after)  # the vendor took it back, or says something else of a product


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
    return any(identity in gone and status in csaf_vex._STATUSES for status, identity in new - old)


# -- the target --


def one_case(data: bytes) -> None:
    if not data or data[0] >= len(BASES):
        return
    number, data = data[0], data[1:]
    found = passing(number, data)
    if found:
        assert _explained(BASES[number].document, data), f"the image of base {number} passes by {', '.join(found)}"


def seeds() -> list[bytes]:
    for number, base in enumerate(BASES):
        without = {*_passing(base, None, None), *_passing(base, None, wanted_names(base.image))}
        assert without == set(base.policies), f"the image of base {number} does not pass without its document"
        assert not passing(number, _text(base)), f"the image of base {number} passes with its document"
    return [bytes((number,)) + _text(base) for number, base in enumerate(BASES)]


def _text(base: Base) -> bytes:
    return json.dumps(base.document).encode()


def mutate(data: bytes, source: random.Random) -> bytes:
    """A change of the tree, or of bytes."""
    number, data = data[:1], data[1:]
    if not number or number[0] >= len(BASES) or source.random() < 0.02:
        other = source.randrange(len(BASES))
        return bytes((other,)) + trees.random_change(BASES[other].document, source)
    if source.random() < 0.7:
        with contextlib.suppress(ValueError, RecursionError):
            return number + trees.random_change(trees.parsed(data), source)
    return number + mutate_bytes(data, source)


def compare(cases: int, seed: int, folder: Path) -> tuple[int, list[str]]:
    """Every single change of each base; at most ``cases`` of them, evenly spread."""
    changes = [
        (number, what, data) for number, base in enumerate(BASES) for what, data in trees.single_changes(base.document)
    ]
    random.Random(seed).shuffle(changes)
    problems = []
    for number, what, data in changes[: max(cases, 1)]:
        try:
            one_case(bytes((number,)) + data)
        except AssertionError as error:
            problems.append(f"{what}: {error}")
    return min(len(changes), max(cases, 1)), sorted(problems)
