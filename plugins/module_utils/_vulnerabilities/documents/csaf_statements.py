# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of a CSAF document: what each of its vulnerabilities says of which product."""

from __future__ import annotations

import re
import typing as t

from ..._core.errors import CorruptData
from .advisories import TEXT_LIMIT
from .csaf_components import MODULE_BUILD, UNREADABLE
from .csaf_json import CsafFields
from .csaf_tree import ProductTree
from .model import UNKNOWN_MODULE, StatementRow

STATUSES: t.Mapping[str, str] = {
    "fixed": "fixed",
    "first_fixed": "fixed",
    "known_affected": "known_affected",
    "first_affected": "known_affected",
    "last_affected": "known_affected",
    "known_not_affected": "known_not_affected",
    "under_investigation": "under_investigation",
    "unknown": "under_investigation",
}
SEVERITIES: t.Mapping[str, str] = {
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
_WORKAROUNDS = ("workaround", "mitigation")

_VECTOR = re.compile(r"(?:CVSS:[0-9]\.[0-9]/)?[A-Za-z]{1,4}:[A-Za-z]{1,10}(?:/[A-Za-z]{1,4}:[A-Za-z]{1,10}){1,40}")
_ADVISORY = re.compile(r"[A-Z][A-Za-z]{1,15}-[0-9]{4}[:-][0-9A-Za-z]{1,16}")


class _Score(t.NamedTuple):
    """``newer``: of CVSS version 3. ``text``: as in reports. ``severity``: the worst by any score of the product."""

    newer: bool
    number: float
    text: str
    severity: str


class _Ratings(t.NamedTuple):
    """Ratings of products by one vulnerability beside their status, by product id.

    ``common``: the severity that is said of all. ``aggregate``: the document's. ``rated``: whether products are rated.
    ``states``: fix states of what has no fix. ``fixes``: ids with a fix; ``advisories`` has
    the advisory if one is named.
    """

    severities: dict[str, str]
    common: str
    aggregate: str
    rated: bool
    scores: dict[str, _Score]
    states: dict[str, str]
    fixes: set[str]
    advisories: dict[str, str]


class StatementReader:
    """Reads the vulnerabilities of one document; with ``names`` only what they say of these packages."""

    def __init__(self, fields: CsafFields, tree: ProductTree, names: t.Container[str] | None) -> None:
        self.fields = fields
        self.tree = tree
        self.names = names
        # Of the vulnerability that is read: ids of which it says more than their status, those of scores and
        # workarounds, rows, and modules by build.
        self.judged: set[str] = set()
        self.mentioned: set[str] = set()
        self.rows: list[StatementRow] = []
        self.modules: dict[str, set[str]] = {}

    def ids_of(self, holder: dict[str, t.Any], key: str = "product_ids", *, passing: bool = False) -> list[str] | None:
        """Product ids that something is said of, None where it is said of the whole document.

        ``passing``: they need no status, see ``check_judged``.
        """
        groups = self.fields.list_of(holder, "group_ids", str)
        if holder.get(key) is None and not groups:
            return None
        identities: list[str] = list(self.fields.list_of(holder, key, str))
        for group in groups:
            if group not in self.tree.groups:
                raise self.tree.undefined(group)
            identities.extend(self.tree.groups[group])
        (self.mentioned if passing else self.judged).update(identities)
        return identities

    def severity(self, text: str) -> str:
        """A severity in our words; empty for no text; what cannot be read counts as the worst, never as little."""
        text = text.strip().casefold()
        if not text:
            return ""
        severity = SEVERITIES.get(text)
        if severity is None:
            self.fields.skipped["severity_unreadable"] += 1
            return "critical"
        return severity

    def read_vulnerability(self, vulnerability: dict[str, t.Any], aggregate: str) -> list[StatementRow]:
        """Read what one vulnerability says of packages. ``aggregate``: the severity of the whole document."""
        self.judged, self.mentioned = set(), set()
        ratings = self.read_ratings(vulnerability, aggregate)
        self.rows, self.modules = [], {}
        statuses: dict[str, str] = {}
        for key, identities in self.fields.dict_of(vulnerability, "product_status").items():
            for identity, status in self.read_status(key, identities):
                statuses[identity] = self.worse_status(identity, statuses.get(identity, status), status)
        if not statuses:
            raise CorruptData(f"{self.fields.where} says nothing: its product_status is empty")
        for identity, status in statuses.items():
            if status == "known_not_affected":
                # Vendors name no fix for what is not affected: it had another status.
                status = "known_affected" if identity in ratings.states else status
                status = "fixed" if identity in ratings.fixes and status == "known_not_affected" else status
            self.read_statement(identity, status, ratings)
        self.tree.spoken.update(statuses)
        self.check_judged()
        return [self.with_module(row) for row in self.rows]

    def worse_status(self, identity: str, first: str, second: str) -> str:
        """The worse of two statuses of one product. A fix beside "under investigation" is one of nobody knows what."""
        if first == second or second == "known_not_affected":
            return first
        if first == "known_not_affected":
            return second
        if "known_affected" in (first, second):
            return "known_affected"
        raise CorruptData(f"{self.fields.where} gives {ascii(identity)[:100]} more than one status")

    def check_judged(self) -> None:
        """Refuse what is said of products without a status: they had one.

        Ratings and fixes are of what has a status, in all real documents; scores and workarounds nearly always.
        """
        for identity in sorted((self.judged | self.mentioned) - self.tree.spoken):
            if identity in self.judged or not self.tree.is_leftover(identity):
                raise CorruptData(
                    f"{self.fields.where} has no status for {ascii(identity)[:100]}, of which it says more"
                )
            self.fields.skipped["no_status"] += 1

    def read_status(self, key: str, identities: t.Any) -> t.Iterator[tuple[str, str]]:
        """Yield each product id with its status in our words; none for what is only recommended."""
        status = STATUSES.get(key)
        if not isinstance(identities, list) or not all(isinstance(identity, str) for identity in identities):
            raise CorruptData(f"{self.fields.where}: product_status.{ascii(key)[1:40]} is not a list of texts")
        if not identities:
            raise CorruptData(f"{self.fields.where} says nothing: product_status.{ascii(key)[1:40]} is empty")
        if key == "recommended":
            self.tree.spoken.update(identities)
            return
        if status is None:
            # It may be a damaged "fixed", which says more than any word for what is not known.
            raise CorruptData(
                f"{self.fields.where}: product_status has {ascii(key)[:40]}, which is not a status of CSAF"
            )
        for identity in identities:
            yield identity, status

    def read_statement(self, identity: str, status: str, ratings: _Ratings) -> None:
        """Add the row of one product id, if it stands for an RPM or a module."""
        resolved = self.tree.resolve(identity)
        if isinstance(resolved, str):
            self.fields.skipped[resolved] += 1
            return
        component, cpe, product = resolved
        whole = component.name == component.module
        if whole and not component.evr and status in ("fixed", "known_not_affected"):
            # Of a module without a build the packages are listed beside it, each with its own.
            self.fields.skipped["not_rpm"] += 1
            return
        self.tree.names_packages = True
        if component.evr == UNREADABLE:
            if status == "fixed":
                raise CorruptData(f"{self.fields.where}: the version of {ascii(identity)[:100]} cannot be read")
            component = component._replace(evr="")
        build = MODULE_BUILD.search(component.evr)
        if build and component.module:
            self.modules.setdefault(build[1], set()).add(component.module)
        if self.names is not None and component.name not in self.names and not whole:
            return  # a module may have packages of these names
        severity = self.severity_of(identity, status, ratings)
        state = ""
        if status == "fixed" and not component.evr:
            self.fields.skipped["fixed_without_version"] += 1
        elif status == "known_affected":
            state = ratings.states.get(identity, "affected")
        elif status == "under_investigation":
            state = "under_investigation"
        self.rows.append(
            StatementRow(
                component.name,
                status,
                component.module,
                component.evr,
                severity,
                state,
                ratings.advisories.get(identity, ""),
                ratings.scores[identity].text if identity in ratings.scores else "",
                component.arch,
                cpe,
                product,
            )
        )

    def with_module(self, row: StatementRow) -> StatementRow:
        """A row with the module of its build: old documents list some builds without it, and others with it."""
        build = None if row.module else MODULE_BUILD.search(row.evr)
        if not build:
            return row
        named = self.modules.get(build[1], set())
        if len(named) != 1:
            self.fields.skipped["module_unknown"] += 1
        return row._replace(module=min(named) if len(named) == 1 else UNKNOWN_MODULE)

    # -- what else is said of products --

    def read_ratings(self, vulnerability: dict[str, t.Any], aggregate: str) -> _Ratings:
        """Read severities, scores, fix states and advisories."""
        severities, common = self.read_severities(vulnerability)
        states, fixes, advisories = self.read_remediations(vulnerability)
        # An aggregate of "none" means that nobody rated it.
        aggregate = aggregate if aggregate != "none" else ""
        scores = self.read_scores(vulnerability)
        # Where products are rated, one that is not has lost its rating, and the aggregate may be that of another one.
        # Vendors rate products where they score them: with scores and an aggregate alone, all ratings were lost.
        rated = bool(severities or common or (aggregate and self.fields.list_of(vulnerability, "scores", dict)))
        return _Ratings(severities, common, aggregate, rated, scores, states, fixes, advisories)

    def severity_of(self, identity: str, status: str, ratings: _Ratings) -> str:
        """The severity of one product id; the worst where nothing tells it."""
        severity = ratings.severities.get(identity, "")
        severity = severity if severity not in ("", "none") else ratings.common or severity
        if severity == "none" or not (severity or (ratings.rated and status != "known_not_affected")):
            # "None" for what has the flaw, too, means that nobody rated it, where anything else is said.
            score = ratings.scores[identity].severity if identity in ratings.scores else ""
            severity = _worse(ratings.aggregate, score) or severity
        if not severity:
            self.fields.skipped["severity_missing"] += 1
            severity = "critical"
        return severity

    def read_severities(self, vulnerability: dict[str, t.Any]) -> tuple[dict[str, str], str]:
        """Severity for each product id, and the one that is said of all.

        Passed over, a damaged one would leave a lower rating that is said of more.
        """
        severities: dict[str, str] = {}
        common = ""
        for threat in self.fields.list_of(vulnerability, "threats", dict):
            category = self.fields.text_of(threat, "category")
            if category not in _THREATS:
                raise CorruptData(f"{self.fields.where}: {ascii(category)[:40]} is not a category of a threat")
            if category != "impact":
                continue
            severity = self.severity(self.fields.text_of(threat, "details"))
            identities = self.ids_of(threat)
            if not severity or identities == []:
                raise CorruptData(f"{self.fields.where} has a threat that says no impact, or of no product")
            if identities is None:
                common = _worse(common, severity)
                continue
            for identity in identities:
                if identity not in self.tree.products and self.tree.related(identity) is None:
                    raise self.tree.undefined(identity)
                severities[identity] = _worse(severities.get(identity, ""), severity)
        return severities, common

    def read_scores(self, vulnerability: dict[str, t.Any]) -> dict[str, _Score]:
        """CVSS for each product id: of version 3 where there is one; the worse one where several are given."""
        scores: dict[str, _Score] = {}
        for score in self.fields.list_of(vulnerability, "scores", dict):
            for key in ("cvss_v3", "cvss_v2"):
                values = self.fields.dict_of(score, key)
                number = values.get("baseScore")
                if isinstance(number, float):
                    text = self.cvss(number, values.get("vectorString"))
                    own = _Score(key == "cvss_v3", number, text, _of_score(number))
                    for identity in self.ids_of(score, "products", passing=True) or ():
                        scores[identity] = _worse_score(scores[identity], own) if identity in scores else own
                    break
        return scores

    def cvss(self, number: float, vector: t.Any) -> str:
        """Base score and vector as text; empty where the score is none. A vector that is none is left out."""
        if not 0 <= number <= 10:
            self.fields.skipped["cvss_malformed"] += 1
            return ""
        if isinstance(vector, str) and _VECTOR.fullmatch(vector[: TEXT_LIMIT + 1]) and len(vector) <= TEXT_LIMIT:
            return f"{number:.1f} {vector}"
        self.fields.skipped["cvss_malformed"] += 1
        return f"{number:.1f}"

    def read_remediations(self, vulnerability: dict[str, t.Any]) -> tuple[dict[str, str], set[str], dict[str, str]]:
        """Read fix states by product id, the ids with a fix, and advisories by product id."""
        states: dict[str, str] = {}
        fixes: set[str] = set()
        advisories: dict[str, str] = {}
        for remediation in self.fields.list_of(vulnerability, "remediations", dict):
            category = self.fields.text_of(remediation, "category")
            identities = self.ids_of(remediation, passing=category in _WORKAROUNDS) or ()
            if category == "vendor_fix":
                fixes.update(identities)
                named = _ADVISORY.findall(self.fields.text_of(remediation, "url"))
                for identity in identities if named else ():
                    advisories.setdefault(identity, named[-1])
            elif category in _CATEGORY_STATES:
                details = self.fields.text_of(remediation, "details").strip().casefold()
                state = _FIX_STATES.get(details, _CATEGORY_STATES[category])
                for identity in identities:
                    states.setdefault(identity, state)
        return states, fixes, advisories


def _of_score(number: float) -> str:
    """Severity by CVSS base score, for products that nobody rated; what is not a score counts as the worst."""
    if not 0 <= number < 9:
        return "critical"
    return "low" if number < 4 else "moderate" if number < 7 else "important"


def _worse_score(first: _Score, second: _Score) -> _Score:
    shown = max(first, second, key=lambda score: (score.newer, bool(score.text), score.number))
    return shown._replace(severity=_worse(first.severity, second.severity))


def _worse(first: str, second: str) -> str:
    if not first or not second:
        return first or second
    return max(first, second, key=_ORDER.index)
