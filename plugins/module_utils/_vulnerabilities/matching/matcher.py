# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements of a feed apply to the packages of an image, and what they say of them.

For one package and one vulnerability the statements are weighed like this:

1. Only packages that the vendor built count (by signing key or, failing that, vendor text); the others are listed.
2. A statement applies when the image has its product (``cpes``), and name, architecture and module are the package's.
   Statements about a source package apply to everything built from it, compared without epoch.
3. "Not affected" for a product at least as exactly named clears what else is said of the same family of products.
4. "Fixed" beats "affected": a build is fixed when it is not older than the fix of its own stream (``builds``), or than
   every fix. All fixes of one Enterprise Linux count for that, those of its update streams too, because a build that
   has the fix has it wherever it was installed from.
5. "Affected" beats "under investigation".

Of the kernel's packages, those with headers and documentation alone are left out and counted: nothing of them runs.
All others are reported, unlike in matchers that keep a list of names: tools like perf are the kernel's code, too.
"""

from __future__ import annotations

import collections
import functools
import re
import typing as t

from ..._images.model import Problem
from ..._rpm.model import Inventory, Package
from ..cpes import RHEL, Cpe, ImageProducts, Relation, assumed_cpes, parse_cpe
from ..documents.model import UNKNOWN_MODULE
from ..index.form import FIX_STATES, STATEMENT_STATUSES, Group, Title
from ..index.reader import FeedIndex
from ..model import SEVERITIES, STATUSES, AppliedCpe, Coverage, Finding, Match
from .builds import Build, Stream, compare_builds, parse_build, same_version, stream_of

#: Last 16 hex digits of Red Hat's signing keys: release keys 1999, 2006 and 2 (2009), auxiliary keys 2006, 2018 and 3
#: (2022), beta keys.
RED_HAT_KEYS = frozenset(
    {
        "219180cddb42a60e",
        "5326810137017186",
        "199e2f91fd431d51",
        "45689c882fa658e0",
        "f76f66c3d4082792",
        "5054e4a45a6340b3",
        "fd372689897da07a",
        "938a80caf21541eb",
    }
)

_KERNEL_HEADERS = re.compile(
    r"kernel(?:-[a-z0-9]+)?-(?:headers|cross-headers|doc|devel|devel-matched|abi-[a-z]+)|kernel-srpm-macros"
)
_SOURCE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<release>[^-]+?)\.(?:no)?src\.rpm")
_SUFFIXED = re.compile(r"(.+)__([0-9]{1,3})(?:_DOT_([0-9]{1,3}))?")
_ARCHES: t.Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}

_FIXED = STATEMENT_STATUSES.index("fixed")
_AFFECTED = STATEMENT_STATUSES.index("known_affected")
_NOT_AFFECTED = STATEMENT_STATUSES.index("known_not_affected")
_MODULAR = (".module+", ".module_")


def source_of(package: Package) -> tuple[str, str]:
    """Name and ``version-release`` of the source package; the package's own where the header does not tell."""
    match = _SOURCE.fullmatch(package.source_rpm)
    if match is None:
        return package.name, f"{package.version}-{package.release}"
    return match["name"], f"{match['version']}-{match['release']}"


def wanted_names(inventory: Inventory) -> tuple[str, ...]:
    """The names that an index must be built for so that it is whole for this inventory: of packages and sources."""
    names: set[str] = set()
    for package in inventory.packages:
        if package.name != "gpg-pubkey":
            names.update((package.name, source_of(package)[0]))
    return tuple(sorted(names))


def match_inventory(inventory: Inventory, index: FeedIndex | None) -> Match:
    """Match one inventory against a feed.

    What cannot be matched is told: packages of other vendors in ``not_covered``, another distribution by ``supported``,
    repositories without a product in ``unmapped`` (the main channels are then assumed in addition), packages that a
    partial index was not built for in ``problems``. ``index`` None: there is no feed, nothing is known.
    """
    if index is None:
        problem = Problem("no-feed", "there is no vulnerability data to match against")
        return Match((), (), (), (), False, None, {"packages": len(inventory.packages)}, (problem,))
    return _Matcher(inventory, index).run()


class _Said(t.NamedTuple):
    """One statement about one package of the image, ready to be weighed."""

    relation: Relation
    status: int
    build: Build | None
    stream: Stream
    severity: int
    fix_state: int
    advisory: str
    evr: str
    cvss: str
    product: int
    rank: int
    binary: bool
    exact: bool
    module: str


class _Matcher:
    def __init__(self, inventory: Inventory, index: FeedIndex) -> None:
        self.inventory = inventory
        self.index = index
        self.counts: collections.Counter[str] = collections.Counter()
        self.titles: dict[int, Title] = {}
        self.relevant: dict[str, list[tuple[int, Group, frozenset[str], list[tuple[int, Relation]]]]] = {}
        self.relations: list[Relation | None] = []
        self.ranks: list[int] = []
        self.majors: set[int] = set()
        self.cpes: list[Cpe] = []

    def run(self) -> Match:
        covered, not_covered = self.scope()
        cpes, unmapped = self.products(covered)
        supported = self.supported(covered)
        findings: list[Finding] = []
        if supported:
            products = ImageProducts(cpe.cpe for cpe in cpes)
            self.majors = {cpe.major for cpe in products.rhel}
            self.cpes = products.cpes
            self.relations = [products.relate(cpe) for cpe, _product in self.index.products]
            order = sorted(range(len(self.relations)), key=self.index.products.__getitem__)
            self.ranks = [rank for _product, rank in sorted(zip(order, range(len(order))))]
            for package in covered:
                findings.extend(self.match_package(package))
        findings.sort(key=lambda finding: (finding.id, finding.package))
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
        )

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
        yield from self.strangers(covered)

    def strangers(self, covered: t.Sequence[Package]) -> t.Iterator[Problem]:
        """Packages that were built for something else than the image is known to have: nobody looked at what is said
        of them. A few of another Enterprise Linux are usual; they count when the feed says something of them there.
        """
        if not self.majors:
            return
        has_layered = any(cpe.family != RHEL for cpe in self.cpes)
        usual = _most_common_major(covered)
        others: list[str] = []
        layered: list[str] = []
        for package in covered:
            stream = stream_of(package.release)
            if stream.product and not has_layered:
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
                "built for a layered product, and no repository or label of the image names one",
            ),
        ):
            if packages:
                shown = ", ".join(packages[:5]) + (" …" if len(packages) > 5 else "")
                text = f"{len(packages)} packages are {what}: what the feed says about them was not seen: {shown}"
                yield Problem(code, text)

    def is_about(self, package: Package, major: int) -> bool:
        """Whether the feed says anything of a package for one Enterprise Linux."""
        for name in (package.name, source_of(package)[0]):
            for _number, groups in self.index.groups(name):
                for group in groups:
                    cpes = (parse_cpe(self.index.products[product][0]) for product in group.products)
                    if any(cpe is not None and cpe.major == major for cpe in cpes):
                        return True
        return False

    # -- scope --

    def scope(self) -> tuple[list[Package], list[Coverage]]:
        """The packages that the vendor built, once each, and the others."""
        covered: list[Package] = []
        others: list[Coverage] = []
        for package in dict.fromkeys(self.inventory.packages):
            if package.name == "gpg-pubkey":
                continue
            signed = package.key_id.lower()[-16:] in RED_HAT_KEYS
            named = package.vendor.strip().casefold().startswith("red hat")
            if not signed and (package.key_id or not named):
                others.append(Coverage(package.nevra, package.name, package.vendor, package.key_id))
            elif not signed:
                self.counts["vendor_by_name"] += 1
            # With the vendor's text and another key it may be either: it is matched, and listed as foreign, too.
            if signed or named:
                covered.append(package)
        return covered, others

    def supported(self, covered: t.Sequence[Package]) -> bool:
        """Whether the feed is about this distribution: Red Hat's own, or an unnamed one made of its packages."""
        os = self.inventory.os
        if self.inventory.kind != "rpm":
            return False
        if not os.id:
            return bool(covered)
        own = parse_cpe(os.cpe_name)
        return os.id in ("rhel", "rhcos") or (own is not None and own.vendor == "redhat")

    def products(self, covered: t.Sequence[Package]) -> tuple[list[AppliedCpe], list[str]]:
        """The CPEs of the image, where each comes from, and the repositories that have none."""
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
        if not self.supported(covered):
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

    # -- one package --

    def match_package(self, package: Package) -> t.Iterator[Finding]:
        source, source_build = source_of(package)
        if source.startswith("kernel") and _KERNEL_HEADERS.fullmatch(package.name):
            self.counts["kernel_headers"] += 1
            return
        module = _module(package)
        arch = _ARCHES.get(package.arch, package.arch)
        said: dict[str, list[tuple[int, _Said]]] = {}
        seen = 0
        for name, binary in ((package.name, True), (source, False)):
            for number, group, arches, related in self.about(name):
                if binary:
                    # A package that became noarch is what the vendor built for each architecture before.
                    meant = arch in arches or "*" in arches or "noarch" in arches
                    if not meant and (arch != "noarch" or arches == _SOURCE_ONLY):
                        continue
                elif "src" not in arches and ("*" not in arches or group.evr or group.status == _NOT_AFFECTED):
                    # A component without architecture and version may be the source package, as in old documents.
                    continue
                exact = _same_module(group.module, module)
                if not exact and not _may_be_module(group, module):
                    continue
                seen += 1
                build = parse_build(group.evr) if group.evr else None
                stream = stream_of(build.release if build else "")
                for product, relation in related:
                    entry = _Said(
                        relation,
                        group.status,
                        build,
                        stream,
                        group.severity,
                        group.fix_state,
                        group.advisory,
                        group.evr,
                        group.cvss,
                        product,
                        self.ranks[product],
                        binary,
                        exact,
                        group.module,
                    )
                    said.setdefault(self.titles[number].cve, []).append((number, entry))
        applicable = sum(entry.relation.applies for entries in said.values() for _number, entry in entries)
        self.counts["statements_seen"] += seen
        self.counts["statements_applicable"] += applicable
        self.counts["packages_matched"] += bool(applicable)
        case = _Case(parse_build(package.evr), parse_build(source_build), stream_of(package.release))
        for cve, entries in said.items():
            outcome = case.weigh([entry for _number, entry in entries])
            if outcome is None:
                continue
            chosen = outcome.said
            (number, *_others) = (number for number, entry in entries if entry is chosen)
            cpe, identity = self.index.products[chosen.product]
            yield Finding(
                id=cve,
                package=package.nevra,
                name=package.name,
                severity=SEVERITIES[outcome.severity],
                status=outcome.status,
                fixed_in=outcome.fixed_in or self.fixed_only_in(outcome.elsewhere),
                advisory=chosen.advisory if outcome.fixed_in else "",
                module="" if module == UNKNOWN_MODULE else module,
                cpe=cpe,
                product=identity,
                revision=self.titles[number].revision,
                document=self.titles[number].path,
                cvss=chosen.cvss,
            )

    def fixed_only_in(self, fixes: t.Sequence[_Said]) -> str:
        streams = sorted({":".join(self.index.products[fix.product][0].split(":")[3:5]) for fix in fixes})
        return f"fixed only in {', '.join(streams)}" if streams else ""

    def about(self, name: str) -> list[tuple[int, Group, frozenset[str], list[tuple[int, Relation]]]]:
        """What the feed says of a package for products that have to do with the image."""
        known = self.relevant.get(name)
        if known is None:
            known = self.relevant[name] = []
            relations = self.relations
            for number, groups in self.index.groups(name):
                for group in groups:
                    related = [
                        (product, found) for product in group.products if (found := relations[product]) is not None
                    ]
                    if related:
                        known.append((number, group, frozenset(group.arches.split(" ")), related))
            self.titles.update(self.index.vulnerabilities(number for number, *_rest in known))
        return known


_SOURCE_ONLY = frozenset({"src"})


def _module(package: Package) -> str:
    """``name:stream`` of a modular package; unknown where only the release says that it is one."""
    if package.modularity:
        return ":".join(package.modularity.split(":")[:2])
    return UNKNOWN_MODULE if any(mark in package.release for mark in _MODULAR) else ""


def _same_module(stated: str, module: str) -> bool:
    if UNKNOWN_MODULE in (stated, module):
        return False
    if stated == module:
        return True
    one, _colon, stream = stated.partition(":")
    two, _colon, own = module.partition(":")
    # Some documents name a module after its companion for developers.
    return stream == own and (one == f"{two}-devel" or two == f"{one}-devel")


def _may_be_module(group: Group, module: str) -> bool:
    """Whether one side belongs to a module that is not known, so that the other may be meant."""
    if module == UNKNOWN_MODULE:
        return bool(group.module)
    if group.module != UNKNOWN_MODULE:
        return False
    return bool(module) or not any(mark in group.evr for mark in _MODULAR)


def _most_common_major(packages: t.Sequence[Package]) -> int:
    """The Enterprise Linux that most packages were built for; 0 when no release tells."""
    majors = collections.Counter(stream_of(package.release).major for package in packages)
    majors.pop(0, None)
    return majors.most_common(1)[0][0] if majors else 0


def _major(version: str) -> int:
    digits = version.partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else 0


class _Outcome(t.NamedTuple):
    said: _Said
    status: str
    severity: int
    fixed_in: str
    elsewhere: t.Sequence[_Said]


class _Case:
    """An installed build: itself, its source (epoch unknown) and the stream it was made in."""

    def __init__(self, binary: Build, source: Build, stream: Stream) -> None:
        self.binary = binary
        self.source = source
        self.stream = stream

    def installed(self, said: _Said) -> Build:
        return self.binary if said.binary else self.source

    def weigh(self, said: t.Sequence[_Said]) -> _Outcome | None:
        """What is true of the build; None when it is not affected, fixed, or when nothing applies."""
        exact = [one for one in said if one.exact]
        if any(one.relation.applies for one in exact):
            return self.weigh_module(exact)
        # Which module is meant is not known: the build is only clear when it is for each of them.
        modules: dict[str, list[_Said]] = {}
        for one in said:
            modules.setdefault(one.module, []).append(one)
        outcomes = [self.weigh_module(modules[module]) for module in sorted(modules)]
        return max((one for one in outcomes if one), key=lambda one: one.severity, default=None)

    def weigh_module(self, said: t.Sequence[_Said]) -> _Outcome | None:
        """The same for statements about one module, or about no module."""
        applicable = [one for one in said if one.relation.applies]
        clearing = [one for one in applicable if one.status == _NOT_AFFECTED and self.clears(one)]
        open_ = [
            one
            for one in applicable
            if one.status != _NOT_AFFECTED and not any(_outranks(clear, one) for clear in clearing)
        ]
        if not open_:
            return None
        fixed = [one for one in open_ if one.status == _FIXED and one.build is not None]
        affected = [one for one in open_ if one.status == _AFFECTED or (one.status == _FIXED and one.build is None)]
        if not fixed and not affected:
            first = min(open_, key=_rank)
            return _Outcome(first, "under_investigation", max(one.severity for one in open_), "", ())
        fixes = self.comparable([one for one in said if one.status == _FIXED and one.build is not None], fixed)
        orphans = {one.relation.family for one in affected} - {one.relation.family for one in fixed}
        if fixes and self.is_fixed(fixes, sure=not orphans):
            return None
        severity = max(one.severity for one in (*fixed, *affected))
        newer = [one for one in fixes if one.relation.available and self.compare(one) < 0]
        own = [one for one in newer if one.stream.product == self.stream.product] or newer
        if own:
            first = min(own, key=functools.cmp_to_key(_order))
            return _Outcome(first, "fix_available", severity, first.evr, ())
        first = min(affected or fixed, key=_rank)
        return _Outcome(first, FIX_STATES[first.fix_state] or "affected", severity, "", fixes)

    def clears(self, one: _Said) -> bool:
        """Whether "not affected" may be believed of this very build."""
        relation = one.relation
        if not relation.clears or not one.exact:
            return False
        if relation.stream and relation.minor is not None and self.stream.minor != relation.minor:
            return False  # said of one update stream, and the build may come from the main one
        return one.build is None or self.compare(one) >= 0

    def compare(self, one: _Said) -> int:
        """Order of the installed build and the one that a statement names."""
        return compare_builds(self.installed(one), t.cast(Build, one.build))

    def comparable(self, fixes: list[_Said], applicable: t.Sequence[_Said]) -> list[_Said]:
        """The fixes to compare with: of binaries where there are any that apply, else of the source package.

        Of a product that is built for several Enterprise Linux, only those for this one, if there are some.
        """
        pool = applicable or fixes
        binary = any(one.binary for one in pool)
        fixes = [one for one in fixes if one.binary == binary]
        major = self.stream.major
        own = [one for one in fixes if not major or one.stream.major in (0, major)]
        return own or fixes

    def is_fixed(self, fixes: t.Sequence[_Said], *, sure: bool) -> bool:
        """Whether the build has the fix.

        ``sure``: every family of products that calls the package affected has a fix among these. Otherwise a build that
        is merely newer than all fixes may be one that nobody fixed, and only its own stream tells.
        """
        if sure:
            peers = [one for one in fixes if one.stream.product == self.stream.product] or fixes
            if all(self.compare(one) >= 0 for one in peers):
                return True
        own: dict[str, list[_Said]] = {}
        for one in fixes:
            if one.stream.tag == self.stream.tag:
                own.setdefault(one.relation.family, []).append(one)
        return bool(own) and all(self.has_fix_of(stream, sure=sure) for stream in own.values())

    def has_fix_of(self, fixes: t.Sequence[_Said], *, sure: bool) -> bool:
        """Whether the build has one of the fixes of its own stream."""
        same = [one for one in fixes if one.build is not None and same_version(self.installed(one), one.build)]
        if same:
            return any(self.compare(one) >= 0 for one in same)
        # A rebase inside the stream: what is older than its last fix is not known to have it.
        return (sure or self.stream.distinctive) and all(self.compare(one) >= 0 for one in fixes)


def _outranks(clear: _Said, other: _Said) -> bool:
    """Whether "not affected" takes precedence over another statement."""
    return (
        clear.relation.family == other.relation.family
        and clear.relation.specificity >= other.relation.specificity
        and (not other.relation.channel or clear.relation.channel in ("", other.relation.channel))
        and (clear.binary or not other.binary)
    )


def _rank(one: _Said) -> tuple[t.Any, ...]:
    """The statement to report first: the most exact product, the binary, the state in our order."""
    state = FIX_STATES[one.fix_state]
    order = STATUSES.index(state) if state in STATUSES else 0
    return (-one.relation.specificity, not one.binary, order, one.rank)


def _order(one: _Said, two: _Said) -> int:
    """Lowest fix first; equal ones by product, so that the choice does not depend on the order of reading."""
    return compare_builds(t.cast(Build, one.build), t.cast(Build, two.build)) or one.rank - two.rank
