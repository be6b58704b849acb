# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vulnerabilities``: findings, and whether the vulnerability data is such that it would have more."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.text import visible
from ..._packages.model import Inventory
from ..._packages.table import feeds_of
from ..._vulnerabilities.distributions import fewest_documents
from ..._vulnerabilities.model import FEED_FORMATS, SEVERITIES, Match
from ..documents import Field
from ..model import Reason
from ..subject import gravity
from ..wording import counted, listed
from .base import Case, Code, Condition, Reasons, Step, sorted_problems, unseen
from .expressions import ExpressionTerms
from .kinds import KindTerms

EXAMPLE = """\

  vulnerabilities:
    max_severity: moderate   # a finding above this breaks the policy
    fixable: true            # true: only findings with a fix available count; false: all count
    # All distributions but Red Hat's publish fixes alone, nothing of what has none yet: true makes their images
    # inconclusive, false says so in a note.
    require_full_coverage: false
    # A part of the data finds a part of the holes: with fewer documents images are inconclusive. Left out, the number
    # follows from the vendor, and is at least 90 % of what its own list names (docs/feeds.md). One number, or one for
    # each format.
    # min_documents: {csaf-vex: 40000, osv: 4000}
"""
_DOCUMENTS_LIMIT = 1_000_000  # as many as a feed may have
CODES: t.Mapping[str, Code] = {
    "vulnerability": Code(
        "failed",
        "A finding is worse than the policy allows.",
        "Update the package to the fixed version and rebuild the image, or accept the finding in an exception.",
    ),
    "under-investigation": Code(
        "inconclusive",
        "The vendor still investigates whether the package is affected, and the severity is above the limit.",
        "Wait for the vendor, or accept the finding in an exception.",
    ),
    "feed-missing": Code("inconclusive", "There is no vulnerability data to judge by.", "Sync a feed."),
    "match-outdated": Code(
        "inconclusive",
        "The image was matched against other data than is at hand.",
        "Judge again with the current index.",
    ),
    "feed-too-small": Code(
        "inconclusive",
        "The vulnerability data has fewer documents than its vendor publishes, so it is a part of them.",
        "Sync the whole feed; or state under 'vulnerabilities.min_documents' how many documents it has.",
    ),
    "feed-partial": Code(
        "inconclusive",
        "The index was built for other packages than this image has.",
        "Build the index again with this image's packages, or for all.",
    ),
    "feed-coverage": Code(
        "inconclusive",
        "The vulnerability data lists published fixes alone, and the policy wants to know of what has no fix yet, too.",
        "Drop 'vulnerabilities.require_full_coverage'; distributions other than Red Hat publish no such data.",
    ),
    "feed-fixes-only": Code(
        "note",
        "The vulnerability data lists published fixes alone: packages without an advisory may be vulnerable, too.",
        "Nothing; or refuse such data with 'vulnerabilities.require_full_coverage'.",
    ),
    "feed-architecture": Code(
        "inconclusive",
        "The vulnerability data names packages of this image for other architectures alone.",
        "Sync the feed of the image's architecture.",
    ),
    "feed-repositories": Code(
        "inconclusive",
        "Packages of this image are in none of the repositories that the vulnerability data is of.",
        "Sync with every repository that the image has packages from.",
    ),
    "feed-release": Code(
        "inconclusive",
        "The vulnerability data names builds for another release than it is said to be about.",
        "Sync with the right 'distribution'.",
    ),
    "distribution-not-covered": Code(
        "inconclusive",
        "The vulnerability data does not cover this distribution.",
        "Give a feed for it, or select the image by a policy that does not ask about vulnerabilities.",
    ),
    "no-product": Code(
        "inconclusive",
        "No product of the vulnerability data applies to this image.",
        "Check the repository ids of the image and the repository map of the feed.",
    ),
    "nothing-applicable": Code(
        "inconclusive",
        "The vulnerability data says nothing at all about any package of this image, which is not credible.",
        "Check that the feed is whole and for this distribution.",
    ),
    "release-mismatch": Code(
        "inconclusive",
        "The packages are built for another Enterprise Linux than os-release and repositories name.",
        "Find out where the os-release or the content manifest comes from; keep those of the base image.",
    ),
    "product-unknown": Code(
        "inconclusive",
        "Packages are built for a layered product, and nothing in the image says for which.",
        "Keep the dnf history in the image, or build it with content manifests or the label 'cpe'.",
    ),
    "source-unknown": Code(
        "inconclusive",
        "The headers of packages name no source package, by which the vulnerability data speaks of most packages.",
        "Install the packages as the vendor built them: its headers name it.",
    ),
    "repository-unmapped": Code(
        "inconclusive",
        "Repositories of the image have no product in the map, so a product may not have been looked at.",
        "Sync the feed with an up-to-date repository-to-cpe.json.",
    ),
    "repositories-assumed": Code(
        "note",
        "The image does not say from which repositories it was built; the distribution's own were assumed.",
        "Build with content manifests, or keep the dnf history in the image.",
    ),
}


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class VulnerabilityTerms(KindTerms, ExpressionTerms):
    """Terms for findings and for the data.

    ``max_severity``: None where it is not asked. ``min_documents``: (format of a feed, number); for formats that are
    not named the vendor's own number counts.
    """

    max_severity: str | None = None
    fixable: bool = False
    require_full_coverage: bool = False
    min_documents: tuple[tuple[str, int], ...] = ()

    @property
    def asks_vulnerabilities(self) -> bool:
        """True if the policy asks about findings; the products of an inventory come from the data, too."""
        return self.max_severity is not None or self.reads("vulnerabilities", "inventory")


def _parse(field: Field) -> dict[str, t.Any]:
    keys = ("max_severity", "fixable", "require_full_coverage", "min_documents")
    fields = field.mapping(keys, "max_severity, fixable, require_full_coverage and min_documents")
    if "max_severity" not in fields:
        raise field.error("max_severity is missing: the worst severity that is still allowed")
    return {
        "max_severity": fields["max_severity"].choice(SEVERITIES, "a severity"),
        **{key: fields[key].flag() for key in ("fixable", "require_full_coverage") if key in fields},
        **({"min_documents": _min_documents(fields["min_documents"])} if "min_documents" in fields else {}),
    }


def _min_documents(field: Field) -> tuple[tuple[str, int], ...]:
    if isinstance(field.value, str):
        number = field.whole_number(_DOCUMENTS_LIMIT)
        return tuple((name, number) for name in sorted(FEED_FORMATS))
    fields = field.mapping(FEED_FORMATS, f"a number of documents, or one for each of {', '.join(FEED_FORMATS)}")
    return tuple((name, child.whole_number(_DOCUMENTS_LIMIT)) for name, child in sorted(fields.items()))


def _data(policy: VulnerabilityTerms, case: Case) -> Reasons:
    if case.data is None:
        if policy.asks_vulnerabilities and case.inventory.kind not in policy.accept:
            yield Reason("feed-missing", "There is no vulnerability data to judge the image by")
    elif case.data.used.serial != case.data.feed.serial:
        text = f"The image was matched against the vulnerability data {visible(case.data.used.serial, 80)}"
        yield Reason("match-outdated", f"{text}, and {visible(case.data.feed.serial, 80)} is at hand")


def _size(policy: VulnerabilityTerms, case: Case) -> Reasons:
    """A part of a feed finds a part of what is wrong, and looks as clean as the whole."""
    if case.data is None:
        return
    feed = case.data.feed
    policy_minimum = dict(policy.min_documents).get(feed.format)
    minimum = fewest_documents(feed) if policy_minimum is None else policy_minimum
    number = feed.documents + feed.rejected
    if number >= minimum:
        return
    demand = f"the policy '{policy.name}' wants at least {minimum}"
    if policy_minimum is None:
        demand = f"a whole feed of {', '.join(feed.distributions)} has at least {minimum}"
        demand += f" (its maker lists {feed.listed})" if feed.listed else ""
    yield Reason(
        "feed-too-small",
        f"The vulnerability data has {counted(number, 'document')}; {demand}: fetch all of it, or state how many it has"
        f" in 'vulnerabilities.min_documents' of the policy '{policy.name}'",
    )


def _coverage(policy: VulnerabilityTerms, case: Case) -> Reasons:
    if case.data is None:
        return
    match = case.data.match
    yield from map(unseen, sorted_problems(match.problems))
    if not feeds_of(case.inventory.kind):
        return
    if not match.supported:
        name = visible(case.facts["os"], 80) or "an unknown distribution"
        yield Reason("distribution-not-covered", f"The vulnerability data does not cover {name}")
        return
    if not match.cpes:
        yield Reason("no-product", "No product of the vulnerability data applies to the image")
    elif match.counts.get("packages_covered", 1) and not match.counts.get("statements_applicable"):
        packages = counted(len(case.inventory.packages), "package")
        yield Reason("nothing-applicable", f"The vulnerability data says nothing about any of the {packages}")
    if match.feed is not None and match.feed.coverage == "fixes":
        yield _fixes_alone(policy, case)
    yield from _repositories(case.inventory, match)


def _repositories(inventory: Inventory, match: Match) -> Reasons:
    """Repositories that lead to no product, or are not known."""
    unmapped = _unmapped(inventory, match)
    if unmapped:
        repositories = counted(len(unmapped), "repository", "repositories")
        text = f"{repositories} of the image without a product in the map: {listed(unmapped)}"
        yield Reason("repository-unmapped", text)
    if match.cpes and all(cpe.source == "assumed" for cpe in match.cpes):
        text = "The image does not say from which repositories it was built"
        yield Reason("repositories-assumed", f"{text}; assumed: {listed(sorted({cpe.cpe for cpe in match.cpes}))}")


def _fixes_alone(policy: VulnerabilityTerms, case: Case) -> Reason:
    text = (
        f"The vulnerability data of {visible(case.facts['os'], 80)} lists published fixes alone: what has no fix yet is"
        " not in it"
    )
    if policy.require_full_coverage:
        return Reason("feed-coverage", f"{text}; the policy '{policy.name}' requires data about all")
    return Reason("feed-fixes-only", text)


def _unmapped(inventory: Inventory, match: Match) -> list[str]:
    """Repositories without a product from which there may be packages that the feed should cover.

    The dnf history tells the repository of each package, a content manifest does not.
    """
    uncovered = {package.package for package in match.not_covered}
    used = {package.repository for package in inventory.packages if package.nevra not in uncovered}
    stated_ids = {repository.id for repository in inventory.repositories if repository.source != "dnf_history"}
    return sorted(set(match.unmapped) & (used | stated_ids))


def _findings(policy: VulnerabilityTerms, case: Case) -> Reasons:
    match, allowed = case.subject.match, policy.max_severity
    if allowed is None or match is None:
        return
    highest = SEVERITIES.index(allowed)
    groups: dict[tuple[str, ...], list[str]] = {}
    for finding in sorted(match.findings, key=gravity):
        if SEVERITIES.index(finding.severity) <= highest or (finding.id, finding.package) in case.accepted.findings:
            continue
        if policy.fixable and finding.status != "fix_available":
            continue
        key = (finding.id, finding.severity, finding.status, finding.fixed_in, finding.advisory)
        groups.setdefault(key, []).append(finding.package)
    limit = f"the policy '{policy.name}' allows at most {allowed}"
    for (identifier, severity, status, fixed_in, advisory), packages in groups.items():
        name = f"{visible(identifier, 60)} in {listed(packages)}"
        if status == "under_investigation":
            text = f"{name} would be {severity}, and the vendor still investigates it; {limit}"
            yield Reason("under-investigation", text)
        else:
            yield Reason("vulnerability", f"{name} is {severity}; {_fix(status, fixed_in, advisory)}; {limit}")


def _fix(status: str, fixed_in: str, advisory: str) -> str:
    source = f" by {visible(advisory, 60)}" if advisory else ""
    build = visible(fixed_in, 200)
    if status == "fix_available":
        return f"fixed in {build or 'a newer build'}{source}"
    state = status.replace("_", " ")
    return f"{build}{source} ({state})" if build else f"no fix ({state})"


VULNERABILITIES = Condition(
    "vulnerabilities",
    EXAMPLE,
    _parse,
    CODES,
    {Step.DATA: _data, Step.SIZE: _size, Step.COVERAGE: _coverage, Step.FINDINGS: _findings},
    asks=lambda policy: policy.asks_vulnerabilities,
)
