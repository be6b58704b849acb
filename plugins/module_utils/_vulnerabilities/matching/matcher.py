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
import contextlib
import functools
import gc
import operator
import re
import typing as t

from ..._images.model import Problem
from ..._packages.model import Inventory, Package
from ..cpes import RHEL, Cpe, ImageProducts, Relation, assumed_cpes, parse_cpe
from ..distributions import RED_HAT
from ..documents.model import UNKNOWN_MODULE, UNTOLD_ARCH
from ..index.form import Group, Title
from ..index.reader import FeedIndex
from ..model import SEVERITIES, AppliedCpe, Coverage, Finding, Match, UnreadDocument
from .builds import parse_build, parse_label, stream_of
from .packages import (
    ANY_MODULE,
    is_headers,
    is_module,
    may_be_module,
    module_names,
    module_of,
    names_of,
    same_module,
    source_epochs,
    source_of,
    tells_source,
)
from .precedence import NOT_AFFECTED, BuildCase, BuildStatus, Origin, PrecedenceStep, Said, Shared, may_apply, names_fix
from .scope import Scope, names_known
from .unread import Unread

_SUFFIXED = re.compile(r"(.+)__([0-9]{1,3})(?:_DOT_([0-9]{1,3}))?")
_ARCHES: t.Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}


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


class Considered(t.NamedTuple):
    """One statement that was looked at for a package, for explanations.

    ``name``: of the package or source package that it is about. ``left_out``: why it was not weighed, one of the words
    of ``_left_out`` or ``product``; empty where it was weighed as ``said``. ``applies``: whether it concerns the build.
    """

    title: Title
    group: Group
    product: int
    name: str
    left_out: str
    said: Said | None
    applies: bool


class Trace(t.NamedTuple):
    """Steps from one package to its finding of one vulnerability, or to none.

    ``covered``: whether the feed speaks of the package at all (its vendor built it); without it nothing was weighed.
    ``left_out``: ``kernel_headers`` where the package is not matched for being one, else empty.
    """

    package: Package
    covered: bool
    left_out: str
    considered: tuple[Considered, ...]
    steps: tuple[PrecedenceStep, ...]
    finding: Finding | None


class _Table(t.NamedTuple):
    """Statements about a package, whatever its build.

    Only what can lead to a finding is in ``shared``; ``seen`` and ``applicable`` count everything.
    """

    shared: tuple[Shared, ...]
    seen: int
    applicable: int


class _Result(t.NamedTuple):
    """Result for one build. ``unread``: documents that could not be read and name it (see ``Unread.naming``)."""

    findings: tuple[Finding, ...]
    table: _Table | None
    unread: tuple[tuple[int, str], ...] = ()


_K = t.TypeVar("_K", bound=t.Hashable)
_V = t.TypeVar("_V")


class _Kept(t.Generic[_K, _V]):
    """A cache that is bounded by the weight of what it holds; what was not used for longest goes first.

    functools.lru_cache counts entries alone, and one kernel package weighs as much as a thousand others.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._entries: collections.OrderedDict[_K, tuple[_V, int]] = collections.OrderedDict()

    def get(self, key: _K) -> _V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: _K, value: _V, weight: int) -> _V:
        self._entries[key] = (value, weight + 1)
        self._weight += weight + 1
        while self._weight > self._limit and len(self._entries) > 1:
            _key, (_value, lost) = self._entries.popitem(last=False)
            self._weight -= lost
        return value


#: Bounds of the caches: groups as read, statements ready to be weighed, findings. Each is some 300 bytes.
GROUPS_KEPT = 250_000
STATEMENTS_KEPT = 400_000
FINDINGS_KEPT = 250_000
RELATED_KEPT = 20_000
_PRODUCTS_KEPT = 64
_MATCHES_KEPT = 4

_Groups: t.TypeAlias = "list[tuple[int, list[tuple[Group, frozenset[str]]]]]"


@contextlib.contextmanager
def _without_collection(*, many: bool) -> t.Iterator[None]:
    """Without Python's search for cycles: what is read and kept here has none, and searching it took half the time.

    With ``many`` matches, cycles among what is new are then dropped, and what lives on is not searched again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on and many:
            gc.collect(0)
            gc.freeze()
        if was_on:
            gc.enable()


class _Products(ImageProducts):
    """The products of images, and how those of the feed relate to them. ``release``: as in ``BuildCase``."""

    def __init__(
        self, cpes: t.Iterable[str], products: t.Sequence[tuple[str, str]], release: tuple[int, int] | None
    ) -> None:
        super().__init__(cpes)
        self.release = release
        self.own_majors = {cpe.major for cpe in self.rhel}
        by_cpe = {cpe: self.relate(cpe) for cpe, _product in products}
        self.relations = [by_cpe[cpe] for cpe, _product in products]
        self._related: dict[tuple[int, ...], list[tuple[int, Relation]]] = {}

    def related(self, products: t.Sequence[int]) -> list[tuple[int, Relation]]:
        """Those of the feed's products that have to do with the images. The feed names the same ones over and over."""
        key = tuple(products)
        known = self._related.get(key)
        if known is None:
            if len(self._related) > RELATED_KEPT:
                self._related.clear()
            every = ((product, self.relations[product]) for product in key)
            known = self._related[key] = [(product, found) for product, found in every if found is not None]
        return known


class Matcher:
    """Matches inventories against one feed index.

    What inventories have in common is worked out once: packages of one build in images with the same products, and the
    same packages altogether. What is kept is bounded, and changes no result. Not for several threads at once.
    """

    def __init__(self, index: FeedIndex) -> None:
        self.index = index
        self.package_names = names_known(index.meta)
        self.unread = Unread(index.rejected() if index.info.rejected else ())
        products = index.products
        order = sorted(range(len(products)), key=products.__getitem__)
        self._ranks = [rank for _product, rank in sorted(zip(order, range(len(order))))]
        self._titles: dict[int, Title] = {}
        self._groups: _Kept[str, _Groups] = _Kept(GROUPS_KEPT)
        self._cpes: dict[str, frozenset[Cpe]] = {}
        self._unverified: dict[str, frozenset[str]] = {}
        self._products: _Kept[tuple[frozenset[str], tuple[int, int] | None], _Products] = _Kept(_PRODUCTS_KEPT)
        self._tables: _Kept[tuple[t.Any, ...], _Table] = _Kept(STATEMENTS_KEPT)
        self._results: _Kept[tuple[t.Any, ...], _Result] = _Kept(FINDINGS_KEPT)
        self._matches: collections.deque[tuple[tuple[t.Any, ...], Match]] = collections.deque(maxlen=_MATCHES_KEPT)

    def match(self, inventory: Inventory) -> Match:
        """Match one inventory: see ``match_inventory``."""
        # Compared and not hashed: nearly all differ in the first package, or are the very same objects.
        key = (inventory.packages, inventory.kind, inventory.os, inventory.repositories, inventory.label_cpes)
        for known, match in self._matches:
            if known == key:
                return match
        with _without_collection(many=bool(self._matches)):
            match = _InventoryMatching(self, inventory).match()
        self._matches.append((key, match))
        return match

    def trace(self, inventory: Inventory, vulnerability: str) -> tuple[Trace, ...]:
        """Trace one vulnerability for each package of which the feed says something about it."""
        return _InventoryMatching(self, inventory).trace(vulnerability)

    def repositories(self, inventory: Inventory) -> list[tuple[str, str, tuple[str, ...]]]:
        """The repositories of an inventory: id, where it is named, and its CPEs."""
        run = _InventoryMatching(self, inventory)
        return [(one.id, one.source, run.cpes_of(one.id)) for one in dict.fromkeys(inventory.repositories)]

    def products_of(self, cpes: t.Iterable[str], release: tuple[int, int] | None = None) -> _Products:
        """Relate the feed's products to images with these CPEs and this os-release."""
        key = frozenset(cpes), release
        known = self._products.get(key)
        return known or self._products.put(key, _Products(sorted(key[0]), self.index.products, release), 0)

    def groups(self, name: str) -> _Groups:
        """Read the statements about a package, with the architectures taken apart."""
        known = self._groups.get(name)
        if known is not None:
            return known
        found = [
            (number, [(group, _arches_of(group.arches)) for group in groups])
            for number, groups in self.index.groups(name)
        ]
        missing = [number for number, _groups in found if number not in self._titles]
        self._titles.update(self.index.vulnerabilities(missing))
        return self._groups.put(name, found, sum(len(groups) for _number, groups in found))

    def cpes(self, name: str) -> frozenset[Cpe]:
        """Every product that the feed says anything for about a package."""
        known = self._cpes.get(name)
        if known is None:
            products = {
                product
                for _number, groups in self.groups(name)
                for group, _arches in groups
                for product in group.products
            }
            cpes = (parse_cpe(self.index.products[product][0]) for product in products)
            known = self._cpes[name] = frozenset(cpe for cpe in cpes if cpe is not None)
        return known

    def unverified(self, name: str) -> frozenset[str]:
        """The documents without a verified signature that say something of a package: of any product, in any state."""
        known = self._unverified.get(name)
        if known is None:
            titles = (self._titles[number] for number, _groups in self.groups(name))
            known = self._unverified[name] = frozenset(title.path for title in titles if not title.verified)
        return known

    # -- one package --

    def result(self, package: Package, products: _Products, origin: Origin) -> _Result:
        """The findings of a package in images with these products."""
        key = (
            products,
            package.name,
            package.epoch,
            package.version,
            package.release,
            package.arch,
            package.source_rpm,
            package.modularity,
            origin.epoch,
        )
        known = self._results.get(key)
        if known is None:
            result = self.result_anew(package, products, origin)
            known = self._results.put(key, result, len(result.findings) + len(result.unread))
        return known

    def result_anew(self, package: Package, products: _Products, origin: Origin) -> _Result:
        source = origin.name
        if is_headers(package.name, source):
            return _Result((), None)
        module = module_of(package)
        arch = _ARCHES.get(package.arch, package.arch)
        key = (products, package.name, source, arch, module)
        table = self._tables.get(key)
        if table is None:
            table = self.table(products, package.name, source, arch, module)
            self._tables.put(key, table, sum(len(shared.said) + len(shared.of) for shared in table.shared))
        case = BuildCase(package, origin, products.own_majors, products.release)
        findings: list[Finding] = []
        for shared in table.shared:
            if shared.fixes is not None and case.is_newest(shared.fixes):
                continue
            outcome = case.weigh_shared(shared)
            if outcome is not None:
                # Statements that are equal are one object: the first of them is meant.
                place = next(place for place, said in enumerate(shared.said) if said is outcome.said)
                findings += [self.finding(package, module, cve, outcome, *numbers[place]) for cve, numbers in shared.of]
        return _Result(tuple(findings), table, self.unread.naming(package))

    def table(self, products: _Products, name: str, source: str, arch: str, module: str) -> _Table:
        """Collect the statements about packages of a name, architecture and module, and about their source package."""
        entries: dict[str, list[tuple[Said, int, str]]] = {}
        same: dict[tuple[t.Any, ...], dict[int, Said]] = {}
        seen = applicable = 0
        for about, binary in ((name, True), (source, False), *((one, False) for one in module_names(module))):
            for number, groups in self.groups(about):
                for group, arches in groups:
                    related = products.related(group.products)
                    if not related or _left_out(group, arches, binary=binary, arch=arch, module=module):
                        continue
                    seen += 1
                    known = same.setdefault((binary, _is_certain(arches, binary=binary), group[:6]), {})
                    found = entries.setdefault(self._titles[number].cve, [])
                    for product, relation in related:
                        said = known.get(product)
                        if said is None:
                            said = known[product] = self.said(
                                group, arches, product, relation, binary=binary, module=module
                            )
                        found.append((said, number, group.cvss))
                        applicable += relation.applies
        shared: dict[tuple[int, ...], Shared] = {}
        for cve, found in entries.items():
            applying = [said for said, _number, _cvss in found if said.relation.applies or may_apply(said)]
            if all(said.status == NOT_AFFECTED for said in applying):
                continue  # no weighing finds anything in it
            key = tuple(id(said) for said, _number, _cvss in found)
            one = shared.get(key)
            if one is None:
                every = tuple(said for said, _number, _cvss in found)
                fixes = {(said.binary, said.evr): said for said in every if names_fix(said)}
                plain = all(said.status == NOT_AFFECTED or names_fix(said) for said in applying)
                compared = any(said.build is not None for said in every)
                one = shared[key] = Shared(
                    every, tuple(fixes.values()) if plain else None, None if compared else {}, []
                )
            one.of.append((cve, [(number, cvss) for _said, number, cvss in found]))
        return _Table(tuple(shared.values()), seen, applicable)

    def said(
        self, group: Group, arches: frozenset[str], product: int, relation: Relation, *, binary: bool, module: str
    ) -> Said:
        """A statement, ready to be weighed for packages of a module."""
        label = parse_label(group.evr)
        build = label[0] if label else parse_build(group.evr) if group.evr else None
        # What is said of a module's companion clears nothing of it.
        exact = (is_module if group.status == NOT_AFFECTED else same_module)(group.module, module)
        return Said(
            relation,
            group.status,
            build,
            label[1] if label else stream_of(build.release if build else ""),
            group.severity,
            group.fix_state,
            group.advisory,
            group.evr,
            product,
            self._ranks[product],
            binary,
            exact,
            group.module,
            _is_certain(arches, binary=binary),
            label is not None,
        )

    def finding(self, package: Package, module: str, cve: str, outcome: BuildStatus, number: int, cvss: str) -> Finding:
        """The finding that an outcome stands for; ``number`` and ``cvss`` are those of the statement that it names."""
        chosen = outcome.said
        cpe, identity = self.index.products[chosen.product]
        title = self._titles[number]
        return Finding(
            id=cve,
            package=package.nevra,
            name=package.name,
            severity=SEVERITIES[outcome.severity],
            status=outcome.status,
            fixed_in=outcome.fixed_in or self.fixed_only_in(outcome.elsewhere),
            advisory=chosen.advisory if outcome.fixed_in else "",
            module="" if module in (UNKNOWN_MODULE, ANY_MODULE) else module,
            cpe=cpe,
            product=identity,
            revision=title.revision,
            document=title.path,
            cvss=cvss,
        )

    def fixed_only_in(self, fixes: t.Sequence[Said]) -> str:
        streams = sorted({":".join(self.index.products[fix.product][0].split(":")[3:5]) for fix in fixes})
        return f"fixed only in {', '.join(streams)}" if streams else ""

    def trace_package(
        self, package: Package, products: _Products, origin: Origin, vulnerability: str, *, covered: bool
    ) -> Trace | None:
        """The same for one package and one vulnerability, with every step; None where the feed says nothing."""
        source = origin.name
        module = module_of(package)
        arch = _ARCHES.get(package.arch, package.arch)
        steps: list[PrecedenceStep] = []
        case = BuildCase(package, origin, products.own_majors, products.release, steps)
        considered: list[Considered] = []
        entries: list[tuple[Said, int, str]] = []
        for name, binary in ((package.name, True), (source, False), *((one, False) for one in module_names(module))):
            for number, groups in self.groups(name):
                title = self._titles[number]
                for group, arches in groups if title.cve == vulnerability else ():
                    left_out = _left_out(group, arches, binary=binary, arch=arch, module=module)
                    for product in group.products:
                        relation = products.relations[product]
                        reason = left_out or ("product" if relation is None else "")
                        said = None
                        if relation is not None and not left_out:
                            said = self.said(group, arches, product, relation, binary=binary, module=module)
                            entries.append((said, number, group.cvss))
                        applies = said is not None and case.applies(said)
                        considered.append(Considered(title, group, product, name, reason, said, applies))
        if not considered:
            return None
        headers = is_headers(package.name, source)
        finding = None
        if covered and not headers:
            outcome = case.weigh([said for said, _number, _cvss in entries])
            if outcome is not None:
                number, cvss = next((number, cvss) for said, number, cvss in entries if said is outcome.said)
                finding = self.finding(package, module, vulnerability, outcome, number, cvss)
        left = "kernel_headers" if headers else ""
        return Trace(package, covered, left, tuple(considered), tuple(steps), finding)


class _InventoryMatching:
    """Matching of one inventory."""

    def __init__(self, matcher: Matcher, inventory: Inventory) -> None:
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

    def match_package(self, package: Package, products: _Products) -> tuple[Finding, ...]:
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
        covered, _others = self.scope()
        cpes, _unmapped = self.products(covered)
        supported = self.own.supported(covered)
        products = self.matcher.products_of((cpe.cpe for cpe in cpes), self.own.minor_release)
        known = set(covered)
        found = (
            self.matcher.trace_package(
                package, products, self.origin_of(package), vulnerability, covered=supported and package in known
            )
            for package in dict.fromkeys(self.inventory.packages)
            if package.name != "gpg-pubkey"
        )
        return tuple(trace for trace in found if trace is not None)

    def problems(self, covered: t.Sequence[Package]) -> t.Iterator[Problem]:
        names = self.index.info.names
        if names:
            known = frozenset(names)
            missing = [p.nevra for p in covered if p.name not in known or source_of(p)[0] not in known]
            if missing:
                shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
                yield Problem(
                    "feed-partial",
                    f"the feed index was built for {len(names)} package names alone; {len(missing)} packages of the "
                    f"image are not among them: {shown}",
                )
        yield from self.unknown_sources(covered)
        yield from self.strangers(covered)
        yield from self.own.problems(covered, self.matcher.groups)

    def unknown_sources(self, covered: t.Sequence[Package]) -> t.Iterator[Problem]:
        """Packages whose headers name no source package. The feed speaks of most packages by that."""
        unknown = [package.nevra for package in covered if not tells_source(package)]
        if unknown and self.own.builder is RED_HAT:
            shown = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
            text = f"the headers of {len(unknown)} packages name no source package: what the feed says of it was not "
            yield Problem("source-unknown", f"{text}seen: {shown}")

    def strangers(self, covered: t.Sequence[Package]) -> t.Iterator[Problem]:
        """Packages that were built for something else than the image is known to have: nobody looked at what is said
        of them. A few of another Enterprise Linux are usual; they count when the feed says something of them there.
        """
        if not self.majors:
            return
        usual = _most_common_major(covered)
        others: list[str] = []
        layered: list[str] = []
        for package in covered:
            stream = stream_of(package.release)
            if stream.product and self.is_unnamed(package, stream.product):
                layered.append(package.nevra)
            elif stream.major in self.majors or not stream.major:
                continue
            elif stream.major == usual or self.is_about(package, stream.major):
                others.append(package.nevra)
        own = ", ".join(map(str, sorted(self.majors)))
        for code, packages, what in (
            (
                "release-mismatch",
                others,
                f"built for another Enterprise Linux than {own}, which the image is by what it says",
            ),
            (
                "product-unknown",
                layered,
                "built for a layered product, and no repository or label of the image names it",
            ),
        ):
            if packages:
                shown = ", ".join(packages[:5]) + (" …" if len(packages) > 5 else "")
                text = f"{len(packages)} packages are {what}: what the feed says about them was not seen: {shown}"
                yield Problem(code, text)

    def is_unnamed(self, package: Package, mark: str) -> bool:
        """True if the image names none of the layered products that a package with a mark in its dist tag may be of."""
        if mark == "fdp" and any(cpe.channel == "fastdatapath" for cpe in self.cpes):
            return False  # Fast Datapath is a channel of Enterprise Linux
        own = {cpe.product for cpe in self.cpes if cpe.family != RHEL}
        if mark == "rhaos":
            return not any(product.startswith("openshift") for product in own)
        names = (package.name, source_of(package)[0])
        said = {cpe.product for name in names for cpe in self.matcher.cpes(name) if cpe.family != RHEL}
        return not own or (bool(said) and not own & said)

    def is_about(self, package: Package, major: int) -> bool:
        """Return whether the feed says anything of a package for one Enterprise Linux."""
        return any(
            cpe.major == major for name in (package.name, source_of(package)[0]) for cpe in self.matcher.cpes(name)
        )

    # -- scope --

    def scope(self) -> tuple[list[Package], list[Coverage]]:
        """The packages that the vendor built, once each, and the others."""
        builder = self.own.builder
        covered: list[Package] = []
        others: list[Coverage] = []
        for package in dict.fromkeys(self.inventory.packages):
            if package.name == "gpg-pubkey":
                continue
            signed, named = builder.signed(package), builder.named(package)
            if not signed and (package.key_id or not named):
                others.append(Coverage(package.nevra, package.name, package.vendor, package.key_id))
            elif not signed:
                self.counts["vendor_by_name"] += 1
            # With the vendor's text and another key it may be either: it is matched, and listed as foreign, too.
            if signed or named:
                covered.append(package)
        return covered, others

    def products(self, covered: t.Sequence[Package]) -> tuple[list[AppliedCpe], list[str]]:
        """The CPEs of the image, where each comes from, and the repositories that have none."""
        if self.own.release:
            return self.own.cpes(), []
        found: dict[str, AppliedCpe] = {}
        unmapped: list[str] = []
        for repository in self.inventory.repositories:
            cpes = self.cpes_of(repository.id)
            if not cpes and repository.id not in unmapped:
                unmapped.append(repository.id)
            for cpe in cpes:
                found.setdefault(cpe, AppliedCpe(cpe, repository.source))
        for cpe in self.inventory.label_cpes:
            found.setdefault(cpe, AppliedCpe(cpe, "label"))
        mapped = [cpe.cpe for cpe in found.values() if cpe.source != "label"]
        if unmapped or not any(cpe.major for cpe in ImageProducts(mapped).rhel):
            for assumed in self.assumed(covered):
                found.setdefault(assumed.cpe, assumed)
        return list(found.values()), sorted(unmapped)

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


_SOURCE_ONLY = frozenset({"src"})
_ANY_ARCHES = frozenset({"*", "noarch", UNTOLD_ARCH})


@functools.lru_cache(maxsize=4096)
def _arches_of(text: str) -> frozenset[str]:
    return frozenset(text.split(" "))


def _left_out(group: Group, arches: frozenset[str], *, binary: bool, arch: str, module: str) -> str:
    """Why a group says nothing of a package: ``architecture``, ``binary``, ``module``; empty when it does.

    ``binary``: whether the group's name is the package's or that of its source.
    """
    if binary:
        # A package that became noarch is what the vendor built for each architecture before.
        meant = arch in arches or not arches.isdisjoint(_ANY_ARCHES)
        if not meant and (arch != "noarch" or arches == _SOURCE_ONLY):
            return "architecture"
    elif "src" not in arches and parse_label(group.evr) is None:
        # A component without architecture may be the source package, as in old documents without a version, and in new
        # ones with it.
        untold = UNTOLD_ARCH in arches or ("*" in arches and not group.evr)
        if group.status == NOT_AFFECTED or not untold:
            return "binary"
    if not same_module(group.module, module) and not may_be_module(group, module):
        return "module"
    return ""


def _is_certain(arches: frozenset[str], *, binary: bool) -> bool:
    """Return whether the document tells that what a group names is a binary, or a source."""
    if UNTOLD_ARCH not in arches:
        return True
    return len(arches - {"src", UNTOLD_ARCH}) > 0 if binary else "src" in arches


def _most_common_major(packages: t.Sequence[Package]) -> int:
    """The Enterprise Linux that most packages were built for; 0 when no release tells."""
    majors = collections.Counter(stream_of(package.release).major for package in packages)
    majors.pop(0, None)
    return majors.most_common(1)[0][0] if majors else 0


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else 0
