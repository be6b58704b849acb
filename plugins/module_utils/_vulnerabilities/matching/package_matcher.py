# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of a feed about single packages, and the findings that they make of one build.

What packages have in common is worked out once; what is kept is bounded, and changes no result.
"""

from __future__ import annotations

import functools
import typing as t

from ..._packages.model import Package
from ..cpes import Cpe, Relation, parse_cpe
from ..documents.model import UNKNOWN_MODULE, UNTOLD_ARCH
from ..index.form import Group, Title
from ..index.reader import FeedIndex
from ..model import SEVERITIES, Finding
from .builds import parse_build, parse_label, stream_of
from .caches import Kept
from .packages import ANY_MODULE, is_headers, is_module, may_be_module, module_names, module_of, same_module
from .precedence import BuildCase, may_apply
from .products import Products
from .scope import names_known
from .statements import NOT_AFFECTED, BuildStatus, Origin, PrecedenceStep, Said, Shared, names_fix
from .tracing import Considered, Trace
from .unread import Unread

_ARCHES: t.Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}
#: Bounds of the caches: groups as read, statements ready to be weighed, findings. Each is some 300 bytes.
GROUPS_KEPT = 250_000
STATEMENTS_KEPT = 400_000
FINDINGS_KEPT = 250_000
_PRODUCTS_KEPT = 64

_Groups: t.TypeAlias = "list[tuple[int, list[tuple[Group, frozenset[str]]]]]"


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


class PackageMatcher:
    """Matches single packages against one feed index. Not for several threads at once."""

    def __init__(self, index: FeedIndex) -> None:
        self.index = index
        self.package_names = names_known(index.meta)
        self.unread = Unread(index.rejected() if index.info.rejected else ())
        products = index.products
        order = sorted(range(len(products)), key=products.__getitem__)
        self._ranks = [rank for _product, rank in sorted(zip(order, range(len(order))))]
        self._titles: dict[int, Title] = {}
        self._groups: Kept[str, _Groups] = Kept(GROUPS_KEPT)
        self._cpes: dict[str, frozenset[Cpe]] = {}
        self._unverified: dict[str, frozenset[str]] = {}
        self._products: Kept[tuple[frozenset[str], tuple[int, int] | None], Products] = Kept(_PRODUCTS_KEPT)
        self._tables: Kept[tuple[t.Any, ...], _Table] = Kept(STATEMENTS_KEPT)
        self._results: Kept[tuple[t.Any, ...], _Result] = Kept(FINDINGS_KEPT)

    def products_of(self, cpes: t.Iterable[str], release: tuple[int, int] | None = None) -> Products:
        """Relate the feed's products to images with these CPEs and this os-release."""
        key = frozenset(cpes), release
        products = self._products.get(key)
        return products or self._products.put(key, Products(sorted(key[0]), self.index.products, release), 0)

    def groups(self, name: str) -> _Groups:
        """Read the statements about a package, with the architectures taken apart."""
        kept_groups = self._groups.get(name)
        if kept_groups is not None:
            return kept_groups
        numbered_groups = [
            (number, [(group, _arches_of(group.arches)) for group in groups])
            for number, groups in self.index.groups(name)
        ]
        missing = [number for number, _groups in numbered_groups if number not in self._titles]
        self._titles.update(self.index.vulnerabilities(missing))
        return self._groups.put(name, numbered_groups, sum(len(groups) for _number, groups in numbered_groups))

    def cpes(self, name: str) -> frozenset[Cpe]:
        """Every product that the feed says anything for about a package."""
        product_cpes = self._cpes.get(name)
        if product_cpes is None:
            products = {
                product
                for _number, groups in self.groups(name)
                for group, _arches in groups
                for product in group.products
            }
            cpes = (parse_cpe(self.index.products[product][0]) for product in products)
            product_cpes = self._cpes[name] = frozenset(cpe for cpe in cpes if cpe is not None)
        return product_cpes

    def unverified(self, name: str) -> frozenset[str]:
        """The documents without a verified signature that say something of a package: of any product, in any state."""
        paths = self._unverified.get(name)
        if paths is None:
            titles = (self._titles[number] for number, _groups in self.groups(name))
            paths = self._unverified[name] = frozenset(title.path for title in titles if not title.verified)
        return paths

    # -- one package --

    def result(self, package: Package, products: Products, origin: Origin) -> _Result:
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
        kept_result = self._results.get(key)
        if kept_result is None:
            result = self.result_anew(package, products, origin)
            kept_result = self._results.put(key, result, len(result.findings) + len(result.unread))
        return kept_result

    def result_anew(self, package: Package, products: Products, origin: Origin) -> _Result:
        source = origin.name
        if is_headers(package.name, source):
            return _Result((), None)
        module = module_of(package)
        table = self.table(products, package.name, source, _ARCHES.get(package.arch, package.arch), module)
        case = BuildCase(package, origin, products.own_majors, products.release)
        findings: list[Finding] = []
        for shared in table.shared:
            if shared.fixes is not None and case.is_newest(shared.fixes):
                continue
            outcome = case.weigh_shared(shared)
            if outcome is not None:
                # Statements that are equal are one object: the first of them is meant.
                place = next(place for place, statement in enumerate(shared.said) if statement is outcome.said)
                findings += [self.finding(package, module, cve, outcome, *numbers[place]) for cve, numbers in shared.of]
        return _Result(tuple(findings), table, self.unread.naming(package))

    def table(self, products: Products, name: str, source: str, arch: str, module: str) -> _Table:
        """The statements about packages of a name, architecture and module, and about their source package."""
        key = (products, name, source, arch, module)
        table = self._tables.get(key)
        if table is None:
            table = self.table_anew(products, name, source, arch, module)
            self._tables.put(key, table, sum(len(shared.said) + len(shared.of) for shared in table.shared))
        return table

    def table_anew(self, products: Products, name: str, source: str, arch: str, module: str) -> _Table:
        entries: dict[str, list[tuple[Said, Title, str]]] = {}
        same: dict[tuple[t.Any, ...], dict[int, Said]] = {}
        statement_count = applicable = 0
        for about, binary in _names(name, source, module):
            for number, groups in self.groups(about):
                title = self._titles[number]
                for group, arches in groups:
                    related = products.related(group.products)
                    if not related or _left_out(group, arches, binary=binary, arch=arch, module=module):
                        continue
                    statement_count += 1
                    by_product = same.setdefault((binary, _is_certain(arches, binary=binary), group[:6]), {})
                    statements = entries.setdefault(title.cve, [])
                    for product, relation in related:
                        statement = by_product.get(product)
                        if statement is None:
                            statement = by_product[product] = self.said(
                                group, arches, product, relation, binary=binary, module=module
                            )
                        statements.append((statement, title, group.cvss))
                        applicable += relation.applies
        return _Table(_share(entries), statement_count, applicable)

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

    def finding(
        self, package: Package, module: str, cve: str, outcome: BuildStatus, title: Title, cvss: str
    ) -> Finding:
        """The finding that an outcome stands for; ``title`` and ``cvss`` are those of the statement that it names."""
        chosen = outcome.said
        cpe, identity = self.index.products[chosen.product]
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
        self, package: Package, products: Products, origin: Origin, vulnerability: str, *, covered: bool
    ) -> Trace | None:
        """The same for one package and one vulnerability, with every step; None where the feed says nothing."""
        steps: list[PrecedenceStep] = []
        case = BuildCase(package, origin, products.own_majors, products.release, steps)
        considered = tuple(self.consider(case, package, origin.name, products, vulnerability))
        if not considered:
            return None
        left_out = "kernel_headers" if is_headers(package.name, origin.name) else ""
        finding = None
        if covered and not left_out:
            outcome = case.weigh([item.said for item in considered if item.said])
            if outcome is not None:
                item = next(item for item in considered if item.said is outcome.said)
                module = case.own_module
                finding = self.finding(package, module, vulnerability, outcome, item.title, item.group.cvss)
        return Trace(package, covered, left_out, considered, tuple(steps), finding)

    def consider(
        self, case: BuildCase, package: Package, source: str, products: Products, vulnerability: str
    ) -> t.Iterator[Considered]:
        """Every statement about a package and a vulnerability, with the reason where it is not weighed."""
        module = case.own_module
        arch = _ARCHES.get(package.arch, package.arch)
        for name, binary in _names(package.name, source, module):
            for number, groups in self.groups(name):
                title = self._titles[number]
                for group, arches in groups if title.cve == vulnerability else ():
                    left_out = _left_out(group, arches, binary=binary, arch=arch, module=module)
                    for product in group.products:
                        relation = products.relations[product]
                        if left_out or relation is None:
                            yield Considered(title, group, product, name, left_out or "product", None, False)
                        else:
                            statement = self.said(group, arches, product, relation, binary=binary, module=module)
                            yield Considered(title, group, product, name, "", statement, case.applies(statement))


def _names(name: str, source: str, module: str) -> list[tuple[str, bool]]:
    """The names under which a feed speaks of a package, each with whether it is the package's own."""
    return [(name, True), (source, False), *((about, False) for about in module_names(module))]


def _share(entries: t.Mapping[str, t.Sequence[tuple[Said, Title, str]]]) -> tuple[Shared, ...]:
    """Put the vulnerabilities together of which the same is said; none that nothing is found in, however weighed."""
    shared: dict[tuple[int, ...], Shared] = {}
    for cve, statements in entries.items():
        every = tuple(statement for statement, _title, _cvss in statements)
        applying = [statement for statement in every if statement.relation.applies or may_apply(statement)]
        if all(statement.status == NOT_AFFECTED for statement in applying):
            continue
        key = tuple(map(id, every))
        if key not in shared:
            shared[key] = _shared(every, applying)
        shared[key].of.append((cve, [(title, cvss) for _statement, title, cvss in statements]))
    return tuple(shared.values())


def _shared(statements: tuple[Said, ...], applying: t.Sequence[Said]) -> Shared:
    """Return what vulnerabilities share of which the same is said."""
    fixes = {(statement.binary, statement.evr): statement for statement in statements if names_fix(statement)}
    is_plain = all(statement.status == NOT_AFFECTED or names_fix(statement) for statement in applying)
    is_compared = any(statement.build is not None for statement in statements)
    return Shared(statements, tuple(fixes.values()) if is_plain else None, None if is_compared else {}, [])


_SOURCE_ONLY = frozenset({"src"})
_ANY_ARCHES = frozenset({"*", "noarch", UNTOLD_ARCH})


@functools.lru_cache(maxsize=4096)
def _arches_of(text: str) -> frozenset[str]:
    return frozenset(text.split(" "))


def _left_out(group: Group, arches: frozenset[str], *, binary: bool, arch: str, module: str) -> str:
    """Why a group says nothing of a package: ``architecture``, ``binary``, ``module``; empty when it does.

    ``binary``: whether the group's name is the package's or that of its source.
    """
    if binary and not _is_for(arch, arches):
        return "architecture"
    if not binary and not _may_name_source(group, arches):
        return "binary"
    if not same_module(group.module, module) and not may_be_module(group, module):
        return "module"
    return ""


def _is_for(arch: str, arches: frozenset[str]) -> bool:
    """Return whether what is said for architectures is said for one.

    A package that became noarch is what the vendor built for each architecture before.
    """
    return arch in arches or not arches.isdisjoint(_ANY_ARCHES) or (arch == "noarch" and arches != _SOURCE_ONLY)


def _may_name_source(group: Group, arches: frozenset[str]) -> bool:
    """Return whether the group's name may be that of a source package, or of a module.

    A component without architecture may be the source package, as in old documents without a version, and in new ones
    with it.
    """
    if "src" in arches or parse_label(group.evr) is not None:
        return True
    return group.status != NOT_AFFECTED and (UNTOLD_ARCH in arches or ("*" in arches and not group.evr))


def _is_certain(arches: frozenset[str], *, binary: bool) -> bool:
    """Return whether the document tells that what a group names is a binary, or a source."""
    if UNTOLD_ARCH not in arches:
        return True
    return len(arches - {"src", UNTOLD_ARCH}) > 0 if binary else "src" in arches
