# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Precedence of all that a feed says of one build.

Statements about one package and one vulnerability are weighed like this:

1. "Not affected" for a product at least as exactly named clears what else is said of the same family of products, but
   not what is said of another Enterprise Linux, another kind of update stream, another product with the same CPE, or
   the minor release that the build was made for.
2. "Fixed" beats "affected": a build is fixed when it is not older than the fix of its own stream (``builds``), or than
   every fix. All fixes of one Enterprise Linux count for that, those of its update streams too, because a build that
   has the fix has it wherever it was installed from. Being newer than every fix is not enough where a product that the
   build may be of is affected and has no fix.
3. "Affected" beats "under investigation". An investigation ends with a fix of a product that the image has, not with
   one of another update stream alone.
"""

from __future__ import annotations

import functools
import itertools
import operator
import typing as t

from ..._packages.model import Package
from ..cpes import RHEL, Relation
from ..documents.model import UNKNOWN_MODULE
from ..index.form import FIX_STATES
from ..model import STATUSES
from .builds import (
    Build,
    compare_builds,
    is_rebuild,
    module_build,
    of_numbered_stream,
    parse_build,
    parse_label,
    same_version,
    stream_of,
)
from .packages import module_of
from .statements import (
    AFFECTED,
    FIXED,
    NOT_AFFECTED,
    BuildStatus,
    Origin,
    PrecedenceStep,
    Said,
    Shared,
    names_fix,
    readings,
)


class BuildCase:
    """An installed build: itself, its source, its module, and the streams that they were made in.

    ``majors``: Enterprise Linux that the image has. ``release``: its major and minor by os-release, None where that
    does not tell them. ``steps``: where to note how it was weighed, None for nowhere.
    """

    def __init__(
        self,
        package: Package,
        origin: Origin,
        majors: set[int],
        release: tuple[int, int] | None = None,
        steps: list[PrecedenceStep] | None = None,
    ) -> None:
        self.binary = parse_build(package.evr)
        self.source = parse_build(origin.build)
        self.source_epoch = origin.epoch
        self.stream = stream_of(package.release)
        self.label_build: Build | None
        self.label_build, self.label_stream = parse_label(package.modularity) or (None, self.stream)
        self.release = release
        self.is_main = package.name == origin.name
        self.of_own_major = self.stream.major in majors
        self.own_module = module_of(package)
        self.module_build = module_build(package.release)
        self.steps = steps
        self.module = ""

    def note(self, kind: str, statement: Said | None = None, counterpart: Said | None = None, order: int = 0) -> None:
        """Note a step, once."""
        if self.steps is not None:
            step = PrecedenceStep(kind, statement, counterpart, order, self.module)
            if step not in self.steps:
                self.steps.append(step)

    def is_newest(self, fixes: t.Sequence[Said]) -> bool:
        """Return whether the build is not older than any fix. Where fixes are all that is said, it has the fix then."""
        return all(self.compare(fix) >= 0 for fix in fixes)

    def applies(self, statement: Said) -> bool:
        """Return whether a statement concerns the build: the image has its product, or the build was made for it."""
        relation = statement.relation
        if relation.family == RHEL and self.of_own_major and relation.major not in (0, self.stream.major):
            return False  # an image with products of two Enterprise Linux, and the build is of the other one
        if relation.applies:
            return True
        return may_apply(statement) and self.may_come_from(relation)

    def is_of(self, relation: Relation) -> bool:
        """Return whether the dist tag names the minor release of Enterprise Linux that something is said of."""
        named = (relation.major, relation.minor, "")
        return relation.minor is not None and (self.stream.major, self.stream.minor, self.stream.product) == named

    def may_come_from(self, relation: Relation) -> bool:
        """Return whether the build may be one of the minor release of Enterprise Linux that something is said of.

        By its dist tag, by its module's build or, for a plain dist tag, by the image's os-release: an update stream
        begins with the builds of its minor release, whatever tag these have.
        """
        if relation.minor is None:
            return False
        named = [(self.stream.major, self.stream.minor), (self.label_stream.major, self.label_stream.minor)]
        if self.release is not None and self.stream.minor is None and self.stream.major == self.release[0]:
            named.append(self.release)
        return not self.stream.product and (relation.major, relation.minor) in named

    def may_be_of(self, relation: Relation, fixed: t.Sequence[Said]) -> bool:
        """True if the build may have been made for a release: builds stay in later minor releases, not in earlier.

        Where the main stream has a fix, a plain dist tag tells as much: what the release inherited is older than it.
        """
        if relation.minor is None:
            return True
        if self.stream.minor is not None:
            return self.stream.minor <= relation.minor
        main = (fix.relation for fix in fixed if fix.relation.family == relation.family and not fix.relation.stream)
        return not any(later.minor is None or later.minor > relation.minor for later in main)

    def outranks(self, clear: Said, statement: Said) -> bool:
        """Return whether "not affected" takes precedence over another statement.

        Said of one minor release, it does not clear what is said of the one that the build was made for; said of one
        kind of update stream, not what is said of another. Several products may have one CPE: an image does not tell
        which of them it has, so that "not affected" of one does not clear the other.
        """
        if clear.product != statement.product and clear.relation == statement.relation:
            return False
        if self.may_come_from(statement.relation) and clear.relation.minor != statement.relation.minor:
            return False
        if statement.relation.stream not in ("", clear.relation.stream):
            return False
        return _outranks(clear, statement)

    def installed(self, statement: Said) -> Build | None:
        """The build to compare with that of a statement; None where the package does not tell that of its module."""
        if statement.of_module:
            return self.label_build
        return self.binary if statement.binary else self.source

    def weigh_shared(self, shared: Shared) -> BuildStatus | None:
        """The same as ``weigh``; where no build is named, once for all builds of a stream."""
        if shared.known is None:
            return self.weigh(shared.said)
        key = (self.stream, self.label_stream, self.of_own_major)
        if key not in shared.known:
            shared.known[key] = self.weigh(shared.said)
        return shared.known[key]

    def weigh(self, statements: t.Sequence[Said]) -> BuildStatus | None:
        """Weigh the statements about the build; None when it is not affected, fixed, or when nothing applies."""
        return _worst(map(self.weigh_reading, readings(statements, is_main=self.is_main)))

    def weigh_reading(self, statements: t.Sequence[Said]) -> BuildStatus | None:
        """The same for one meaning of the statements."""
        exact = [statement for statement in statements if statement.exact]
        if any(map(self.applies, exact)):
            return self.weigh_module([*exact, *own_fixes(self, self.own_module, statements)])
        # Which module is meant is not known: the build is only clear when it is for each of them.
        modules: dict[str, list[Said]] = {}
        for statement in statements:
            modules.setdefault(statement.module, []).append(statement)
        outcomes = []
        for module in sorted(modules):
            self.module = module
            of_module = modules[module]
            is_unknown = module == UNKNOWN_MODULE
            own = own_fixes(self, self.own_module if is_unknown else module, statements)
            if is_unknown and own:
                of_module = list(itertools.filterfalse(names_fix, of_module))
            outcomes.append(self.weigh_module(of_module + own))
        return _worst(outcomes)

    def weigh_module(self, statements: t.Sequence[Said]) -> BuildStatus | None:
        """The same for statements about one module, or about no module."""
        uncleared = self.uncleared(statements)
        if not uncleared:
            return None
        fixed, affected, investigated = _by_status(uncleared)
        if not fixed and not affected:
            return self.still_investigated(investigated)
        fixes = self.comparable(list(filter(names_fix, statements)))
        unsettled = self.unsettled(uncleared, fixed)
        if fixes and self.is_fixed(fixes, sure=not unsettled):
            return None if fixed else self.still_investigated(investigated)
        if not affected and unsettled and self.is_fixed(fixes, sure=True):
            return self.still_investigated(unsettled)
        return self.vulnerable(fixed, affected, fixes)

    def uncleared(self, statements: t.Sequence[Said]) -> list[Said]:
        """List the statements that apply and say that something is wrong, unless "not affected" outranks them."""
        applicable = list(filter(self.applies, statements))
        clearing = [clear for clear in applicable if clear.status == NOT_AFFECTED and self.clears(clear)]
        uncleared: list[Said] = []
        for statement in applicable:
            if statement.status != NOT_AFFECTED:
                clear = next((clear for clear in clearing if self.outranks(clear, statement)), None)
                if clear is None:
                    uncleared.append(statement)
                else:
                    self.note("outranked", statement, clear)
        if not uncleared:
            self.note("not_affected" if applicable else "nothing_applies", next(iter(clearing), None))
        return uncleared

    def unsettled(self, statements: t.Sequence[Said], fixed: t.Sequence[Said]) -> list[Said]:
        """List what is said without a fix of products of which the build may be, and that get none of the fixes."""
        settled = {_fixed_by(fix.relation) for fix in fixed}
        return [
            statement
            for statement in statements
            if not names_fix(statement)
            and _fixed_by(statement.relation) not in settled
            and self.may_be_of(statement.relation, fixed)
        ]

    def vulnerable(self, fixed: t.Sequence[Said], affected: t.Sequence[Said], fixes: t.Sequence[Said]) -> BuildStatus:
        """The status of a build that has none of the fixes: the smallest one that can be installed, if there is one."""
        severity = max(statement.severity for statement in (*fixed, *affected))
        newer = _of_product(
            [fix for fix in fixes if fix.relation.available and self.compare(fix) < 0], self.stream.product
        )
        if newer:
            first = min(newer, key=functools.cmp_to_key(_order))
            self.note("fix_available", first)
            return BuildStatus(first, "fix_available", severity, first.evr, ())
        first = min(affected or fixed, key=_rank)
        self.note("open", first)
        return BuildStatus(first, FIX_STATES[first.fix_state] or "affected", severity, "", fixes)

    def still_investigated(self, statements: t.Sequence[Said]) -> BuildStatus | None:
        """The status where nothing is worse than these; None where nothing is said."""
        if not statements:
            return None
        first = min(statements, key=_rank)
        self.note("investigated", first)
        return BuildStatus(first, "under_investigation", max(statement.severity for statement in statements), "", ())

    def clears(self, statement: Said) -> bool:
        """Return whether "not affected" may be believed of this very build."""
        relation = statement.relation
        believed = statement.exact and (relation.clears or (relation.applies and self.is_of(relation)))
        if relation.stream and relation.minor is not None and self.stream.minor != relation.minor:
            believed = False  # said of one update stream, and the build may come from the main one
        believed = believed and (statement.build is None or self.compare(statement) >= 0)
        if not believed:
            self.note("not_believed", statement)
        return believed

    def compare(self, statement: Said) -> int:
        """Order of the installed build and the one that a statement names."""
        build = t.cast(Build, statement.build)
        installed = self.installed(statement)
        if installed is None:
            order = -1
        else:
            order = compare_builds(installed, build)
            if not statement.binary and build.epoch and self.is_of_older_epoch(installed, build):
                order = -1
        self.note("compared", statement, order=order)
        return order

    def is_of_older_epoch(self, installed: Build, build: Build) -> bool:
        """True if the source package may have an older epoch than a build, which then is newer whatever its version.

        Where nothing in the image tells its epoch, a package with an older one of its own is believed to be as new as
        the build only with the same version.
        """
        epoch = build.epoch or 0
        if self.source_epoch is not None:
            return self.source_epoch < epoch
        return (self.binary.epoch or 0) < epoch and not same_version(installed, build)

    def comparable(self, fixes: list[Said]) -> list[Said]:
        """The fixes to compare with: in each stream those of binaries or, where there are none, of the source package.

        Of a product that is built for several Enterprise Linux, only those for this one, if there are some.
        """
        binaries = {_stream_key(fix) for fix in fixes if fix.binary}
        fixes = [fix for fix in fixes if fix.binary or _stream_key(fix) not in binaries]
        major = self.stream.major
        own = [fix for fix in fixes if not major or fix.stream.major in (0, major)]
        return own or fixes

    def is_fixed(self, fixes: t.Sequence[Said], *, sure: bool) -> bool:
        """Return whether the build has the fix.

        ``sure``: every product of which the build may be, and that has the flaw, has a fix among these. Otherwise a
        build that is merely newer than all fixes may be one that nobody fixed, and only its own stream tells.
        """
        if sure and self.is_newest(_of_product(fixes, self.stream.product)):
            self.note("fixed_newest")
            return True
        own: dict[str, list[Said]] = {}
        for fix in fixes:
            if fix.stream.tag == (self.label_stream if fix.of_module else self.stream).tag:
                own.setdefault(fix.relation.family, []).append(fix)
        if not own or not all(self.has_fix_of(stream, sure=sure) for stream in own.values()):
            return False
        self.note("fixed_in_stream")
        return True

    def has_fix_of(self, fixes: t.Sequence[Said], *, sure: bool) -> bool:
        """Return whether the build has one of the fixes of its own stream."""
        if not self.has_fix_of_module([fix for fix in fixes if fix.of_module], sure=sure):
            return False
        fixes = [fix for fix in fixes if not fix.of_module]
        same = list(filter(self.same_version, fixes))
        if same:
            return self.has_fix_of_version(same)
        if not fixes:
            return True
        # A rebase inside the stream: what is older than its last fix is not known to have it.
        return (sure or self.stream.distinctive) and self.is_newest(fixes)

    def has_fix_of_version(self, fixes: t.Sequence[Said]) -> bool:
        """Return whether the build has one of the fixes of its own stream and version."""
        orders = list(map(self.compare, fixes))
        # A build between those of several modules, or of several builds of a module, may be an older one of either.
        between = [
            order
            for fix, order in zip(fixes, orders)
            if fix.module == UNKNOWN_MODULE or is_rebuild(fix.build, self.installed(fix))
        ]
        return 0 in orders or (max(orders) >= 0 and min(between, default=0) >= 0)

    def has_fix_of_module(self, fixes: t.Sequence[Said], *, sure: bool) -> bool:
        """Return whether the module's build is one of the fixes of its own stream, or not older than any of them.

        Which packages a build of a module has in which version is not told: one between two fixes may lack the second.
        """
        if not fixes or any(self.compare(fix) == 0 for fix in fixes):
            return True
        return (sure or self.label_stream.distinctive) and self.is_newest(fixes)

    def same_version(self, statement: Said) -> bool:
        """Return whether the installed build and the one that a statement names have the same epoch and version."""
        installed = self.installed(statement)
        return installed is not None and statement.build is not None and same_version(installed, statement.build)


def _by_status(statements: t.Sequence[Said]) -> tuple[list[Said], list[Said], list[Said]]:
    """Statements that name a fix, those that say that there is a flaw, and those that leave it open."""
    fixed: list[Said] = []
    affected: list[Said] = []
    investigated: list[Said] = []
    for statement in statements:
        if names_fix(statement):
            fixed.append(statement)
        else:
            (affected if statement.status in (AFFECTED, FIXED) else investigated).append(statement)
    return fixed, affected, investigated


def _worst(outcomes: t.Iterable[BuildStatus | None]) -> BuildStatus | None:
    """The first of the highest severity; None where each of several ways to read the statements clears the build."""
    return max(filter(None, outcomes), key=operator.attrgetter("severity"), default=None)


def own_fixes(case: BuildCase, module: str, statements: t.Sequence[Said]) -> list[Said]:
    """The fixes of which the document does not tell the module, and that are of this one.

    None for packages that belong to no module.
    """
    if not module:
        return []
    unnamed = (statement for statement in statements if statement.module == UNKNOWN_MODULE and names_fix(statement))
    return [fix for fix in unnamed if _is_of_module(case, module, fix)]


def _is_of_module(case: BuildCase, module: str, fix: Said) -> bool:
    """Return whether a fix is of the build's own build of its module, or of the module's stream by its number."""
    build = t.cast(Build, fix.build)
    if case.module_build and module_build(build.release) == case.module_build:
        return True
    installed = case.installed(fix)
    return installed is not None and all(of_numbered_stream(module, candidate) for candidate in (build, installed))


def may_apply(statement: Said) -> bool:
    """Return whether the flaw of an update stream that the image does not name concerns builds with its dist tag."""
    relation = statement.relation
    return bool(relation.stream) and relation.minor is not None and statement.status != NOT_AFFECTED


def _fixed_by(relation: Relation) -> tuple[t.Any, ...]:
    """Equal for products that get the same fixes. Extended life (no minor) continues the main stream."""
    return (relation.family, relation.minor is not None and relation.stream, relation.minor)


def _stream_key(fix: Said) -> tuple[t.Any, ...]:
    """Equal for fixes of one product's stream."""
    return (*_fixed_by(fix.relation), fix.stream.tag)


def _outranks(clear: Said, statement: Said) -> bool:
    """Return whether "not affected" takes precedence over another statement."""
    return (
        clear.relation.family == statement.relation.family
        and (
            not (clear.relation.major and statement.relation.major) or clear.relation.major == statement.relation.major
        )
        and clear.relation.specificity >= statement.relation.specificity
        and (not statement.relation.channel or clear.relation.channel in ("", statement.relation.channel))
        and (clear.binary or not statement.binary)
    )


def _rank(statement: Said) -> tuple[t.Any, ...]:
    """The statement to report first: the most exact product, the binary, the state in our order."""
    state = FIX_STATES[statement.fix_state]
    order = STATUSES.index(state) if state in STATUSES else 0
    return (-statement.relation.specificity, not statement.binary, order, statement.rank)


def _order(first: Said, second: Said) -> int:
    """Lowest fix first; equal ones by product, so that the choice does not depend on the order of reading."""
    return compare_builds(t.cast(Build, first.build), t.cast(Build, second.build)) or first.rank - second.rank


def _of_product(fixes: t.Sequence[Said], product: str) -> t.Sequence[Said]:
    """Fixes with a mark of a product in their dist tag; all where none has it."""
    return [fix for fix in fixes if fix.stream.product == product] or fixes
