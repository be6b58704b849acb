# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a vulnerability was found in an image, or was not: the matcher's own steps as text that an auditor can check.

Nothing is decided here. The matcher notes what it looks at and what it makes of that (``Matcher.trace``); this file
writes it down. Texts are bounded, and whatever came from images or feeds is made harmless by ``visible``.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ..._core.text import visible
from ..._packages.model import Inventory, Package
from ..._packages.table import feeds_of, label_of
from ..cpes import Relation
from ..index.form import FIX_STATES, STATEMENT_STATUSES, Group
from ..model import SEVERITIES, FeedInfo, Match, UnreadDocument
from .builds import stream_of
from .matcher import Matcher
from .packages import source_of
from .statements import PrecedenceStep, Said
from .tracing import Considered, Trace

#: Packages that are explained in full, and statements of one of them; the rest is counted.
PACKAGES_SHOWN = 20
STATEMENTS_SHOWN = 40

#: What came out for a vulnerability, the worst first: it counts for an image when it does for one of its packages.
OUTCOMES = (
    "affected",
    "under_investigation",
    "not_judged",
    "not_covered",
    "left_out",
    "fixed",
    "not_affected",
    "nothing_applies",
    "not_mentioned",
)
#: Those that say that nothing is wrong.
CLEAN = ("fixed", "not_affected", "nothing_applies", "not_mentioned")

_SOURCES: t.Mapping[str, str] = {
    "content_manifest": "the content manifest",
    "dnf_history": "the dnf history",
    "label": "a label of the image",
    "os_release": "os-release",
    "assumed": "assumed from os-release, because the image does not name (all of) its repositories",
}
_LEFT_OUT: t.Mapping[str, str] = {
    "product": "of products that the image does not have",
    "architecture": "for other architectures",
    "binary": "about a binary package that is only named like the source package",
    "module": "about another module, or about none where the package belongs to one",
}
_ARCHES: t.Mapping[str, str] = {"*": "any architecture", "?": "a source package or a binary, which is not told"}
_STATUSES: t.Mapping[str, str] = {
    "fixed": "fixed",
    "known_affected": "affected",
    "known_not_affected": "not affected",
    "under_investigation": "under investigation",
}
_ENDS: t.Mapping[str, str] = {
    "nothing_applies": "nothing_applies",
    "not_affected": "not_affected",
    "investigated": "under_investigation",
    "fixed_newest": "fixed",
    "fixed_in_stream": "fixed",
    "fix_available": "affected",
    "open": "affected",
}


#: How weighing ended; ``{}``: the number of the statement.
_ENDINGS: t.Mapping[str, str] = {
    "nothing_applies": "nothing of this applies to the image",
    "not_affected": "not affected, by {}",
    "not_affected_unsaid": "nothing that applies says that it is affected",
    "investigated": "the vendor still investigates, by {}",
    "fixed_newest": "fixed: the build is not older than any fix that counts",
    "fixed_in_stream": "fixed: the build has the fix of its own stream",
    "fix_available": "vulnerable, and {} is the smallest fix that the image can install",
    "open": "vulnerable, by {}",
}


@dataclasses.dataclass(frozen=True)
class Explained:
    """``outcome``: one of OUTCOMES. ``lines``: text, indented by two blanks a level."""

    outcome: str
    lines: tuple[str, ...]


def explain(matcher: Matcher, inventory: Inventory, match: Match, vulnerability: str) -> Explained:
    """Explain why one vulnerability is found in an image or not. ``match``: what the matcher said of the inventory."""
    documents = _documents(matcher, vulnerability)
    lines = [f"What the data say of {visible(vulnerability, 60)}", *documents]
    if not documents:
        lines.append("  nothing: no document of the data is about it (was its id written right?)")
    traces = sorted(
        matcher.trace(inventory, vulnerability),
        key=lambda trace: (OUTCOMES.index(_outcome(trace)), trace.package.nevra),
    )
    outcome = _outcome(traces[0]) if traces else "not_mentioned"
    if not match.supported:
        outcome = "not_judged"
        lines.append("  The data do not cover the image's distribution, so that nothing of it was weighed.")
    elif not traces and documents:
        lines.append("  No package of the image is named there, neither by its own name nor by that of its source.")
    lines += _packages(matcher, traces)
    if match.feed is not None and match.feed.coverage != "full" and outcome in CLEAN:
        lines.append('The data list published fixes alone: nothing said is not "not affected".')
    return Explained(outcome, tuple(lines))


def _documents(matcher: Matcher, vulnerability: str) -> list[str]:
    """A line for each document about a vulnerability."""
    lines = []
    for title in matcher.index.titles_of(vulnerability):
        verified = "its signature was verified" if title.verified else "no signature of it was verified"
        lines.append(f"  document {visible(title.path, 200)}, released {visible(title.revision, 40)}; {verified}")
    return lines


def _packages(matcher: Matcher, traces: t.Sequence[Trace]) -> list[str]:
    """The first packages in full, and how many more there are of each outcome."""
    lines = [line for trace in traces[:PACKAGES_SHOWN] for line in _package(matcher, trace)]
    if len(traces) > PACKAGES_SHOWN:
        counts = collections.Counter(map(_outcome, traces[PACKAGES_SHOWN:]))
        listed = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(counts.items()))
        lines.append(f"And {len(traces) - PACKAGES_SHOWN} more packages: {listed}")
    return lines


def explain_products(matcher: Matcher | None, inventory: Inventory, match: Match | None) -> list[str]:
    """Describe the image, and how each of its products was found."""
    os = inventory.os
    name = (
        f"{os.pretty_name or os.name or 'unnamed system'} (ID {os.id or 'none'}, VERSION_ID {os.version_id or 'none'})"
    )
    lines = [f"Distribution: {visible(name, 200)}"]
    return lines if matcher is None or match is None else lines + _products(matcher, inventory, match)


def _products(matcher: Matcher, inventory: Inventory, match: Match) -> list[str]:
    lines = ["Products of the image, by which statements are chosen:" if match.cpes else "Products: none"]
    repositories = collections.defaultdict(list)
    for repository, source, cpes in matcher.repositories(inventory):
        for cpe in cpes:
            repositories[cpe, source].append(repository)
    for applied in match.cpes:
        where = _SOURCES[applied.source]
        named = repositories.get((applied.cpe, applied.source))
        if named:
            where = f"repository {_some(named)}, by {where}"
        lines.append(f"  {visible(applied.cpe, 200)}: {where}")
    if match.unmapped:
        lines.append(f"  repositories without a product in the data: {_some(match.unmapped)}")
    return lines


def explain_feed(feed: FeedInfo | None) -> list[str]:
    """Describe the data that were used."""
    if feed is None:
        return ["Data: none"]
    lines = [
        f"Data: {visible(feed.format, 40)} for {visible(', '.join(feed.distributions), 200)}, serial "
        f"{visible(feed.serial, 100)}",
        f"  last checked {visible(feed.checked, 40)}, newest change {visible(feed.newest, 40) or 'unknown'}; "
        f"{feed.documents} documents{' of ' + ' to '.join(map(str, dict.fromkeys(feed.years))) if feed.years else ''}, "
        f"{feed.statements} statements",
        f"  signatures: checked with the key {visible(feed.signature_key, 100)}"
        if feed.signature_key
        else "  signatures: none was checked",
    ]
    if feed.rejected:
        lines.append(f"  {feed.rejected} documents could not be read; they concern the images that have what they name")
    if feed.coverage != "full":
        lines.append('  only published fixes are known: no advisory does not mean "not affected"')
    if not feed.repository_map:
        lines.append("  without a map of repositories to products")
    if feed.names:
        lines.append(f"  built for {len(feed.names)} package names alone")
    return lines


def explain_coverage(inventory: Inventory, match: Match | None) -> list[str]:
    """Describe what of an image was seen, and what was not."""
    missing = _not_seen(inventory, match) or ["nothing is known to be out of sight"]
    return [*_seen(inventory, match), "What was not seen", *(f"  {line}" for line in missing)]


def _seen(inventory: Inventory, match: Match | None) -> list[str]:
    database = inventory.database
    packages = f"Packages: {len(inventory.packages)}"
    if database is not None:
        packages += (
            f" from {visible(database.path, 200)} ({visible(database.format, 40)}, which counts {database.rows})"
        )
    else:
        packages += f"; there is no RPM database (kind: {visible(inventory.kind, 20)})"
    lines = ["What was seen", f"  {packages}"]
    if match is not None:
        counts = match.counts
        lines.append(
            f"  {counts.get('packages_covered', 0)} of them are the distribution's own; the data say something that "
            f"applies of {counts.get('packages_matched', 0)} ({counts.get('statements_applicable', 0)} statements)"
        )
        if counts.get("vendor_by_name"):
            lines.append(f"  {counts['vendor_by_name']} of them only by the vendor's name, without one of its keys")
    by_source = collections.defaultdict(list)
    for repository in dict.fromkeys(inventory.repositories):
        by_source[repository.source].append(repository.id)
    for source, names in sorted(by_source.items()):
        lines.append(f"  repositories by {_SOURCES.get(source, visible(source, 40))}: {_some(names)}")
    if not inventory.repositories:
        lines.append("  repositories: the image names none")
    return lines


def _not_seen(inventory: Inventory, match: Match | None) -> list[str]:
    lines = []
    kinds = [f"{number} {visible(kind, 20)}" for kind, number in sorted(inventory.not_examined.items()) if number]
    if kinds:
        lines.append(f"components that no RPM data covers: {', '.join(kinds)}")
    for problem in (*inventory.problems, *(match.problems if match else ())):
        lines.append(f"{visible(problem.code, 60)}: {visible(problem.message, 400)}")
    if match is not None:
        if match.counts.get("kernel_headers"):
            lines.append(f"{match.counts['kernel_headers']} packages of kernel headers and documentation: left out")
        if match.not_covered:
            lines.append(f"packages that the data do not cover (another maker or no key): {len(match.not_covered)}")
        if not match.supported:
            lines.append("the data do not cover the image's distribution")
        lines += map(_unread, match.unread)
    return lines


def unseen(inventory: Inventory, match: Match) -> list[str]:
    """List what of an image or of the data was not seen. Unless it is empty, a clean result proves nothing."""
    lines = [visible(problem.message, 400) for problem in (*inventory.problems, *match.problems)]
    database = inventory.database
    if not feeds_of(inventory.kind) or database is None:
        lines.append(f"the image has no RPM database (kind: {visible(inventory.kind, 20)})")
    elif database.rows != len(inventory.packages):
        label = label_of(inventory.kind)
        lines.append(f"the {label} database counts {database.rows} packages, and {len(inventory.packages)} were read")
    lines += map(_unread, match.unread)
    return lines


def _unread(document: UnreadDocument) -> str:
    about = f"names {_some(document.names)}" if document.names else "may be about any package"
    return f"the document {visible(document.path, 200)} could not be read, and {about}"


def _outcome(trace: Trace) -> str:
    """The outcome for one package, by the step that the matcher ended with."""
    if trace.left_out:
        return "left_out"
    if not trace.covered:
        return "not_covered"
    if trace.finding is not None:
        return "under_investigation" if trace.finding.status == "under_investigation" else "affected"
    # Of several modules that may be meant, each ended in one way; the least sure of them tells.
    ends = [_ENDS[step.kind] for step in trace.steps if step.kind in _ENDS]
    return min(ends, key=OUTCOMES.index, default="nothing_applies")


def _package(matcher: Matcher, trace: Trace) -> list[str]:
    """A package, the statements about it, and how they were weighed."""
    lines = _description(trace.package)
    weighed = [item for item in trace.considered if item.said is not None]
    for number, item in enumerate(weighed[:STATEMENTS_SHOWN], 1):
        lines += _statement(matcher, item, number)
    if len(weighed) > STATEMENTS_SHOWN:
        lines.append(f"  and {len(weighed) - STATEMENTS_SHOWN} more statements that were weighed")
    lines += _others(matcher, [item for item in trace.considered if item.said is None])
    numbers = {id(item.said): number for number, item in enumerate(weighed, 1)}
    return lines + [f"  {line}" for line in _weighing(trace, numbers)]


def _description(package: Package) -> list[str]:
    source, source_build = source_of(package)
    stream = stream_of(package.release)
    signed = f"signed with the key {visible(package.key_id, 40)}" if package.key_id else "not signed"
    built = f"built from {visible(source, 100)}-{visible(source_build, 100)}"
    module = f"module {visible(package.modularity, 100)}" if package.modularity else "of no module"
    return [
        f"Package {visible(package.nevra, 200)}",
        f"  vendor {visible(package.vendor, 80) or 'not named'}, {signed}; {built}; {module}; "
        + (f"stream {visible(stream.tag, 40)} by its dist tag" if stream.tag else "no dist tag"),
    ]


def _weighing(trace: Trace, numbers: t.Mapping[int, int]) -> list[str]:
    """The steps to the result. ``numbers``: those of statements, by their identity."""
    if trace.left_out == "kernel_headers":
        return ["=> left out: nothing of the kernel's headers and documentation runs"]
    if not trace.covered:
        return ["=> not weighed: the data do not speak of this package, which its distribution did not build"]
    steps = [_step(trace.package, step, numbers) for step in trace.steps]
    if len(steps) > STATEMENTS_SHOWN:
        steps[STATEMENTS_SHOWN - 1 : -1] = [f"and {len(steps) - STATEMENTS_SHOWN} more steps"]
    return [*steps, f"=> {_result(trace)}"]


def _statement(matcher: Matcher, item: Considered, number: int) -> list[str]:
    """A statement that was weighed, what it is about, and what the image has of that."""
    group, statement = item.group, t.cast(Said, item.said)
    cpe, product = matcher.index.products[item.product]
    kind = "module" if item.name == group.module else "package" if statement.binary else "source package"
    subject = f"{kind} {visible(item.name, 100)}"
    if group.module not in ("", item.name):
        subject += f" of {'an unnamed module' if group.module == '?' else 'the module ' + visible(group.module, 100)}"
    arches = ", ".join(_ARCHES.get(arch, visible(arch, 100)) for arch in group.arches.split(" "))
    return [
        f"  [{number}] {_assertion(group)}",
        f"      {subject}, {arches}; product {visible(product, 100)}, {visible(cpe, 150)}: "
        f"{_possession(statement.relation, applies=item.applies)}",
    ]


def _assertion(group: Group) -> str:
    """The status that a group gives, with the build, advisory, severity and CVSS."""
    status = STATEMENT_STATUSES[group.status]
    text = _STATUSES[status]
    if group.evr:
        text += f" {'in' if status == 'fixed' else 'at'} {visible(group.evr, 100)}"
    if group.advisory:
        text += f" by {visible(group.advisory, 60)}"
    if FIX_STATES[group.fix_state] and status == "known_affected":
        text += f" ({FIX_STATES[group.fix_state].replace('_', ' ')})"
    return text + f", {SEVERITIES[group.severity]}" + (f", CVSS {visible(group.cvss, 100)}" if group.cvss else "")


def _possession(relation: Relation, *, applies: bool) -> str:
    """Return whether the image has a statement's product. ``applies``: the statement concerns the build."""
    if applies and not relation.applies:
        return "a release that the image does not name, and the one that the build was made for by its dist tag"
    if relation.applies and not applies:
        return "a product of the image for another Enterprise Linux than the build was made for"
    if not relation.applies:
        return "an update stream that the image does not have: its fixed builds count, and nothing else"
    if relation.clears:
        return "the image has this product"
    return 'the image has this product or one like it; "not affected" would not be believed'


def _others(matcher: Matcher, considered: t.Sequence[Considered]) -> list[str]:
    """List what was said and not weighed, counted by reason."""
    by_reason: dict[str, list[Considered]] = {}
    # Where the source is named like the package, each was looked at twice.
    for item in {(id(item.group), item.product, item.left_out): item for item in considered}.values():
        by_reason.setdefault(item.left_out, []).append(item)
    lines = []
    for reason in _LEFT_OUT:
        group = by_reason.get(reason)
        if group:
            texts = dict.fromkeys(
                f"{_STATUSES[STATEMENT_STATUSES[item.group.status]]} {item.group.evr}".strip()
                + f" in {matcher.index.products[item.product][0]}"
                for item in group
            )
            count = "1 statement" if len(group) == 1 else f"{len(group)} statements"
            lines.append(f"  left out: {count} {_LEFT_OUT[reason]}: {_some(list(texts))}")
    return lines


def _step(package: Package, step: PrecedenceStep, numbers: t.Mapping[int, int]) -> str:
    of = f"[{numbers[id(step.said)]}]" if step.said is not None else ""
    if step.kind == "outranked":
        return f'{of} does not count: [{numbers[id(step.other)]}] says "not affected" of a product named as exactly'
    if step.kind == "not_believed":
        return f"{of} is not believed: it is not said of this very product, stream or build"
    if step.kind == "compared" and step.said is not None:
        order = {-1: "older than", 0: "the same as", 1: "newer than"}[step.order]
        return (
            f"the build {visible(_own_build(package, step.said), 100)} is {order} {visible(step.said.evr, 100)} of {of}"
        )
    about = f" (as of the module {visible(step.module, 100)})" if step.module else ""
    kind = "not_affected_unsaid" if step.kind == "not_affected" and not of else step.kind
    return _ENDINGS[kind].format(of) + about


def _own_build(package: Package, statement: Said) -> str:
    """The build that is compared with that of a statement: the module's, the package's or its source's."""
    if statement.of_module:
        return package.modularity or "(of no known module)"
    return package.evr if statement.binary else source_of(package)[1]


def _result(trace: Trace) -> str:
    finding = trace.finding
    if finding is None:
        return f"no finding: {_outcome(trace).replace('_', ' ')}"
    text = f"finding: {finding.status.replace('_', ' ')}, {finding.severity}"
    if finding.fixed_in:
        text += f", {visible(finding.fixed_in, 200)}"
    return text + (f" by {visible(finding.advisory, 60)}" if finding.advisory else "")


def _some(names: t.Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(visible(name, 150) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
