# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements of a feed apply to the packages of an image, and what they say of them.

Only packages that the vendor built count (by signing key or, failing that, vendor text); the others are listed. A
statement applies when the image has its product (``cpes``), and name, architecture and module are the package's. The
flaw of an update stream also applies to builds whose dist tag names it. Statements about a source package apply to
everything built from it, compared without epoch; those about a module to all that belongs to it. What applies to one
package and vulnerability is then weighed (``precedence``).

Of the kernel's packages, those with headers and documentation alone are left out and counted: nothing of them runs.
All others are reported, unlike in matchers that keep a list of names: tools like perf are the kernel's code, too.
"""

from __future__ import annotations

import collections
import operator
import re
import typing as t

from ..._images.model import Problem
from ..._packages.model import Inventory, Package
from ..cpes import RHEL, Cpe, ImageProducts, assumed_cpes, parse_cpe
from ..distributions import RED_HAT
from ..index.reader import FeedIndex
from ..model import AppliedCpe, Coverage, Finding, Match, UnreadDocument
from .builds import stream_of
from .caches import without_collection
from .package_matcher import PackageMatcher
from .packages import names_of, source_epochs, source_of, tells_source
from .products import Products
from .scope import Scope, few
from .statements import Origin
from .tracing import Trace

_SUFFIXED = re.compile(r"(.+)__([0-9]{1,3})(?:_DOT_([0-9]{1,3}))?")
_MATCHES_KEPT = 4


def match_inventory(inventory: Inventory, index: FeedIndex | None) -> Match:
    """Match one inventory against a feed.

    What cannot be matched is told: packages of other vendors in ``not_covered``, another distribution by ``supported``,
    repositories without a product in ``unmapped`` (the main channels are then assumed in addition), packages that a
    partial index was not built for in ``problems``. ``index`` None: there is no feed, nothing is known.
    """
    if index is None:
        problem = Problem("no-feed", "there is no vulnerability data to match against")
        return Match((), (), (), (), False, None, {"packages": len(inventory.packages)}, (problem,))
    return Matcher(index).match(inventory)


class Matcher:
    """Matches inventories against one feed index.

    What inventories have in common is worked out once: packages of one build in images with the same products, and the
    same packages altogether. What is kept is bounded, and changes no result. Not for several threads at once.
    """

    def __init__(self, index: FeedIndex) -> None:
        self.index = index
        self._packages = PackageMatcher(index)
        self._matches: collections.deque[tuple[tuple[t.Any, ...], Match]] = collections.deque(maxlen=_MATCHES_KEPT)

    def match(self, inventory: Inventory) -> Match:
        """Match one inventory: see ``match_inventory``."""
        # Compared and not hashed: nearly all differ in the first package, or are the very same objects.
        key = (inventory.packages, inventory.kind, inventory.os, inventory.repositories, inventory.label_cpes)
        for known_key, match in self._matches:
            if known_key == key:
                return match
        with without_collection(many=bool(self._matches)):
            match = _InventoryMatching(self._packages, inventory).match()
        self._matches.append((key, match))
        return match

    def trace(self, inventory: Inventory, vulnerability: str) -> tuple[Trace, ...]:
        """Trace one vulnerability for each package of which the feed says something about it."""
        return _InventoryMatching(self._packages, inventory).trace(vulnerability)

    def repositories(self, inventory: Inventory) -> list[tuple[str, str, tuple[str, ...]]]:
        """The repositories of an inventory: id, where it is named, and its CPEs."""
        run = _InventoryMatching(self._packages, inventory)
        return [
            (repository.id, repository.source, run.cpes_of(repository.id))
            for repository in dict.fromkeys(inventory.repositories)
        ]


class _InventoryMatching:
    """Matching of one inventory."""

    def __init__(self, matcher: PackageMatcher, inventory: Inventory) -> None:
        self.matcher = matcher
        self.inventory = inventory
        self.index = matcher.index
        self.own = Scope(inventory, matcher.index.info, matcher.index.products, matcher.package_names)
        self.epochs = source_epochs(inventory.packages)
        self.counts: collections.Counter[str] = collections.Counter()
        self.named: dict[int, set[str]] = {}
        self.majors: set[int] = set()
        self.cpes: list[Cpe] = []

    def match(self) -> Match:
        covered, not_covered = self.scope()
        cpes, unmapped = self.products(covered)
        supported = self.own.supported(covered)
        findings: list[Finding] = []
        if supported:
            products = self.matcher.products_of((cpe.cpe for cpe in cpes), self.own.minor_release)
            self.majors = products.own_majors
            self.cpes = products.cpes
            for package in covered:
                findings += self.match_package(package, products)
        findings.sort(key=operator.attrgetter("id", "package"))
        counts = dict.fromkeys(
            (
                "packages",
                "packages_covered",
                "packages_matched",
                "vendor_by_name",
                "kernel_headers",
                "statements_seen",
                "statements_applicable",
            ),
            0,
        )
        counts.update(self.counts)
        counts["packages"] = len(self.inventory.packages)
        counts["packages_covered"] = len(covered)
        return Match(
            findings=tuple(findings),
            cpes=tuple(cpes),
            not_covered=tuple(not_covered),
            unmapped=tuple(unmapped),
            supported=supported,
            feed=self.index.info,
            counts=counts,
            problems=tuple(self.problems(covered)),
            unverified=len(self.unverified(covered)),
            unread=self.unread() if supported and covered else (),
        )

    def unread(self) -> tuple[UnreadDocument, ...]:
        """Documents that could not be read and may say something of the packages that were matched."""
        ids = self.own.distribution.ids if self.own.distribution else ()
        return self.matcher.unread.concerning(self.named, ids)

    def unverified(self, covered: t.Sequence[Package]) -> frozenset[str]:
        if not self.index.info.signature_key:
            return frozenset()
        names = {name for package in covered for name in names_of(package)}
        return frozenset().union(*map(self.matcher.unverified, names))

    def match_package(self, package: Package, products: Products) -> tuple[Finding, ...]:
        """The findings of one package; counts what was seen."""
        result = self.matcher.result(package, products, self.origin_of(package))
        for number, name in result.unread:
            self.named.setdefault(number, set()).add(name)
        table = result.table
        if table is None:
            self.counts["kernel_headers"] += 1
        else:
            self.counts["statements_seen"] += table.seen
            self.counts["statements_applicable"] += table.applicable
            self.counts["packages_matched"] += bool(table.applicable)
        return result.findings

    def origin_of(self, package: Package) -> Origin:
        """The source package that a package was built from."""
        name, build = source_of(package)
        epoch = (package.epoch or 0) if package.name == name else self.epochs.get(package.source_rpm)
        return Origin(name, build, epoch)

    def trace(self, vulnerability: str) -> tuple[Trace, ...]:
        covered, _foreign = self.scope()
        cpes, _unmapped = self.products(covered)
        supported = self.own.supported(covered)
        products = self.matcher.products_of((cpe.cpe for cpe in cpes), self.own.minor_release)
        covered_set = set(covered)
        traces = (
            self.matcher.trace_package(
                package, products, self.origin_of(package), vulnerability, covered=supported and package in covered_set
            )
            for package in dict.fromkeys(self.inventory.packages)
            if package.name != "gpg-pubkey"
        )
        return tuple(trace for trace in traces if trace is not None)

    def problems(self, covered: t.Sequence[Package]) -> t.Iterator[Problem]:
        names = self.index.info.names
        if names:
            names_known = frozenset(names)
            missing = [p.nevra for p in covered if p.name not in names_known or source_of(p)[0] not in names_known]
            if missing:
                yield Problem(
                    "feed-partial",
                    f"the feed index was built for {len(names)} package names alone; {len(missing)} packages of the "
                    f"image are not among them: {few(missing)}",
                )
        yield from self.unknown_sources(covered)
        yield from self.strangers(covered)
        yield from self.own.problems(covered, self.matcher.groups)

    def unknown_sources(self, covered: t.Sequence[Package]) -> t.Iterator[Problem]:
        """Packages whose headers name no source package. The feed speaks of most packages by that."""
        unknown = [package.nevra for package in covered if not tells_source(package)]
        if unknown and self.own.builder is RED_HAT:
            text = f"the headers of {len(unknown)} packages name no source package: what the feed says of it was not "
            yield Problem("source-unknown", f"{text}seen: {few(unknown)}")

    def strangers(self, covered: t.Sequence[Package]) -> t.Iterator[Problem]:
        """Packages that were built for something else than the image is known to have: nobody looked at what is said
        of them. A few of another Enterprise Linux are usual; they count when the feed says something of them there.
        """
        if not self.majors:
            return
        usual = _most_common_major(covered)
        foreign: list[str] = []
        layered: list[str] = []
        for package in covered:
            stream = stream_of(package.release)
            if stream.product and self.is_unnamed(package, stream.product):
                layered.append(package.nevra)
            elif self.is_foreign(package, stream.major, usual):
                foreign.append(package.nevra)
        own = ", ".join(map(str, sorted(self.majors)))
        for code, packages, text in (
            (
                "release-mismatch",
                foreign,
                f"built for another Enterprise Linux than {own}, which the image is by what it says",
            ),
            (
                "product-unknown",
                layered,
                "built for a layered product, and no repository or label of the image names it",
            ),
        ):
            if packages:
                unseen = f"what the feed says about them was not seen: {few(packages)}"
                yield Problem(code, f"{len(packages)} packages are {text}: {unseen}")

    def is_foreign(self, package: Package, major: int, usual: int) -> bool:
        """Return whether a package is of an Enterprise Linux that the image has not, and that counts."""
        if not major or major in self.majors:
            return False
        return major == usual or any(cpe.major == major for cpe in self.cpes_about(package))

    def is_unnamed(self, package: Package, mark: str) -> bool:
        """True if the image names none of the layered products that a package with a mark in its dist tag may be of."""
        if mark == "fdp" and any(cpe.channel == "fastdatapath" for cpe in self.cpes):
            return False  # Fast Datapath is a channel of Enterprise Linux
        own = _layered(self.cpes)
        if mark == "rhaos":
            return not any(product.startswith("openshift") for product in own)
        named_products = _layered(self.cpes_about(package))
        return not own or (bool(named_products) and not own & named_products)

    def cpes_about(self, package: Package) -> frozenset[Cpe]:
        """Every product that the feed says anything for about a package or its source package."""
        return self.matcher.cpes(package.name) | self.matcher.cpes(source_of(package)[0])

    # -- scope --

    def scope(self) -> tuple[list[Package], list[Coverage]]:
        """The packages that the vendor built, once each, and the others."""
        builder = self.own.builder
        covered: list[Package] = []
        foreign: list[Coverage] = []
        for package in dict.fromkeys(self.inventory.packages):
            if package.name == "gpg-pubkey":
                continue
            signed, named = builder.signed(package), builder.named(package)
            if not signed and (package.key_id or not named):
                foreign.append(Coverage(package.nevra, package.name, package.vendor, package.key_id))
            elif not signed:
                self.counts["vendor_by_name"] += 1
            # With the vendor's text and another key it may be either: it is matched, and listed as foreign, too.
            if signed or named:
                covered.append(package)
        return covered, foreign

    def products(self, covered: t.Sequence[Package]) -> tuple[list[AppliedCpe], list[str]]:
        """The CPEs of the image, where each comes from, and the repositories that have none."""
        if self.own.release:
            return self.own.cpes(), []
        mapped, unmapped = self.mapped()
        applied = mapped + [AppliedCpe(cpe, "label") for cpe in self.inventory.label_cpes]
        if unmapped or not _names_release(mapped):
            applied += self.assumed(covered)
        by_cpe: dict[str, AppliedCpe] = {}
        for cpe in applied:
            by_cpe.setdefault(cpe.cpe, cpe)
        return list(by_cpe.values()), unmapped

    def mapped(self) -> tuple[list[AppliedCpe], list[str]]:
        """The CPEs of the repositories, and the repositories that have none."""
        repositories = self.inventory.repositories
        by_repository = {repository.id: self.cpes_of(repository.id) for repository in repositories}
        unmapped = sorted(repository for repository, cpes in by_repository.items() if not cpes)
        return [AppliedCpe(cpe, item.source) for item in repositories for cpe in by_repository[item.id]], unmapped

    def assumed(self, covered: t.Sequence[Package]) -> list[AppliedCpe]:
        os = self.inventory.os
        if not self.own.supported(covered):
            return []
        if os.id == "rhel" and _major(os.version_id):
            return assumed_cpes(os.version_id, os.cpe_name)
        # Not numbered like Enterprise Linux, or not at all: its packages tell which one they are for.
        return assumed_cpes(str(_most_common_major(covered) or ""), os.cpe_name)

    def cpes_of(self, repository: str) -> tuple[str, ...]:
        """CPEs of a repository; ids may carry the release (``__8``, ``__9_DOT_2``) that the map leaves out."""
        cpes = self.index.cpes_of(repository)
        match = _SUFFIXED.fullmatch(repository)
        if cpes or match is None:
            return cpes
        cpes = self.index.cpes_of(match[1])
        if not match[3]:
            return cpes
        minors = {cpe: parsed.minor if (parsed := parse_cpe(cpe)) else None for cpe in cpes}
        return tuple(cpe for cpe in cpes if minors[cpe] in (None, int(match[3]))) or cpes


def _most_common_major(packages: t.Sequence[Package]) -> int:
    """The Enterprise Linux that most packages were built for; 0 when no release tells."""
    majors = collections.Counter(stream_of(package.release).major for package in packages)
    majors.pop(0, None)
    return majors.most_common(1)[0][0] if majors else 0


def _names_release(cpes: t.Iterable[AppliedCpe]) -> bool:
    """Return whether one of the products is of a known release of Enterprise Linux."""
    return any(cpe.major for cpe in ImageProducts(cpe.cpe for cpe in cpes).rhel)


def _layered(cpes: t.Iterable[Cpe]) -> set[str]:
    """Names of the products that are not Enterprise Linux itself."""
    return {cpe.product for cpe in cpes if cpe.family != RHEL}


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else 0
