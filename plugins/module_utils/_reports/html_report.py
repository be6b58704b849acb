# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML page that needs nothing else: no script, no font, no picture, no request.

Everything foreign goes through ``visible`` and the template's autoescape; the content security policy allows the one
style sheet by its hash and nothing more. Folding and filtering are plain HTML and CSS. Thousands of images stay
usable because browsers lay out only what is on the screen (``content-visibility``) and because the number of table
rows is bounded; report.json has them all.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import re
import typing as t

from .._compliance.guards import PROBLEMS as RULE_PROBLEMS
from .._core.text import visible
from .._packages.problems import PROBLEMS
from .._verdicts.codes import CODES, shown_code
from .._vulnerabilities.model import SEVERITIES
from .document import ATTENTION, CLUSTER_STATES, ReportFormat, about_cluster, about_size
from .html_template import STYLE, TEMPLATE

#: Rows of findings in the whole page, and of one image at least and at most.
ROWS_LIMIT = 15_000
ROWS_LEAST = 5
ROWS_MOST = 500
#: Packages named in one row.
PACKAGES_SHOWN = 8
#: Products named in one row.
PRODUCTS_SHOWN = 4

_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_ADVISORY = re.compile(r"RH[SBE]A-\d{4}:\d{1,9}")

_VERDICT_TEXTS = {
    "failed": "A condition of a policy is broken.",
    "error": "The image could not be scanned.",
    "inconclusive": "Not everything that a policy asks about could be seen, so nothing can be promised.",
    "passed": "Everything that the policies ask about was seen, is fresh, and holds.",
}
_STATUS_TEXTS = {
    "fix_available": "fix available",
    "affected": "affected, no fix yet",
    "will_not_fix": "will not be fixed",
    "fix_deferred": "fix deferred",
    "out_of_support": "out of support",
    "under_investigation": "under investigation",
}


def render(report: t.Mapping[str, t.Any]) -> bytes:
    """The page in UTF-8; an equal report gives equal bytes."""
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        autoescape=True,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = lambda number: f"{number:,}"
    environment.filters["shown"] = shown_code
    images = sorted(
        report["images"], key=lambda image: (ATTENTION.index(image["verdict"]), image["reference"], image["digest"])
    )
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    rows = max(ROWS_LEAST, min(ROWS_MOST, ROWS_LIMIT // max(1, len(images))))
    page = environment.from_string(TEMPLATE).render(
        style=markupsafe.Markup(STYLE),
        style_hash=digest,
        report=report,
        feed_size=about_size(report["feed"]) if report["feed"] else "",
        verdicts=[(verdict, report["counts"][verdict], _VERDICT_TEXTS[verdict]) for verdict in ATTENTION],
        policies=_policies(images),
        clusters=[
            {**item, "said": CLUSTER_STATES[item["state"]], "about": about_cluster(item)}
            for item in sorted(report.get("clusters", ()), key=lambda item: (item["state"] == "complete", item["name"]))
        ],
        images=[_image(image, rows) for image in images],
        unfold=len(images) <= 2,
    )
    # Lone surrogates have become escapes already; this only makes that certain.
    return page.encode("utf-8", "backslashreplace")


def _harmless(value: t.Any) -> t.Any:
    import markupsafe

    return visible(value) if isinstance(value, str) and not isinstance(value, markupsafe.Markup) else value


def _policies(images: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Each policy with the number of images for each verdict."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for image in images:
        for policy in image["policies"]:
            verdict_counts = counts.setdefault((policy["name"], policy["sha256"]), dict.fromkeys(ATTENTION, 0))
            verdict_counts[policy["verdict"]] += 1
    return [{"name": name, "sha256": sha256, "counts": counts[name, sha256]} for name, sha256 in sorted(counts)]


def _image(image: t.Mapping[str, t.Any], rows: int) -> dict[str, t.Any]:
    """An image object with what the template shows beside it."""
    groups = _groups(image["vulnerabilities"])
    counts = _count_vulnerabilities(image["vulnerabilities"])
    sources = {repository["source"] for repository in image["inventory"]["repositories"]}
    return {
        **image,
        "name": image["reference"] or image["digest"],
        "others": [reference for reference in image["references"] if reference != image["reference"]],
        "explained": [{**reason, "advice": _advice(reason["code"])} for reason in image["reasons"]],
        "change": image.get("change"),
        "groups": groups[:rows],
        "groups_left": len(groups) - len(groups[:rows]),
        "severities": _above_zero((severity, counts[severity]) for severity in reversed(SEVERITIES)),
        # An image without an inventory differs from an empty one: it is neither complete nor has it problems.
        "seen": image["inventory"]["complete"] or bool(image["inventory"]["problems"]),
        "unexamined": sum(image["not_examined"].values()),
        "unexamined_kinds": _above_zero(image["not_examined"].items()),
        "assumed": sources == {"assumed"},
        "failed_rules": _failed_rules(image["compliance"])[:rows],
    }


#: Rule results that need no attention.
_QUIET = ("pass", "fixed", "notapplicable", "notselected", "informational")


def _above_zero(numbers: t.Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return [(name, number) for name, number in numbers if number]


def _count_vulnerabilities(findings: t.Iterable[t.Mapping[str, t.Any]]) -> collections.Counter[str]:
    """Count vulnerabilities by severity: each once, however many packages have it, by the worst it has in them."""
    worst: dict[str, str] = {}
    for finding in findings:
        severity = worst.setdefault(finding["id"], finding["severity"])
        worst[finding["id"]] = max(severity, finding["severity"], key=SEVERITIES.index)
    return collections.Counter(worst.values())


def _failed_rules(compliance: t.Mapping[str, t.Any] | None) -> list[dict[str, t.Any]]:
    return [rule for rule in compliance["rules"] if rule["result"] not in _QUIET] if compliance else []


def _groups(findings: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Findings that differ only in the package become one row; the order stays."""
    groups: dict[tuple[str, ...], dict[str, t.Any]] = {}
    for finding in findings:
        key = tuple(
            finding[name] for name in ("id", "severity", "status", "fixed_in", "advisory", "module", "exception")
        )
        group = groups.setdefault(
            key,
            {
                **finding,
                "packages": [],
                "products": {},
                # Verdicts of older versions of the collection do not have these.
                "cvss": finding.get("cvss", ""),
                "document": finding.get("document", ""),
                "revision": finding.get("revision", ""),
                "url": f"https://www.cve.org/CVERecord?id={finding['id']}" if _CVE.fullmatch(finding["id"]) else "",
                "advisory_url": f"https://access.redhat.com/errata/{finding['advisory']}"
                if _ADVISORY.fullmatch(finding["advisory"])
                else "",
                "state": _STATUS_TEXTS[finding["status"]],
            },
        )
        group["packages"].append(finding["package"])
        if finding.get("cpe"):
            group["products"].setdefault((finding["product"], finding["cpe"]))
    for group in groups.values():
        group["packages_left"] = max(0, len(group["packages"]) - PACKAGES_SHOWN)
        group["packages"] = group["packages"][:PACKAGES_SHOWN]
        group["products_left"] = max(0, len(group["products"]) - PRODUCTS_SHOWN)
        group["products"] = list(group["products"])[:PRODUCTS_SHOWN]
    return list(groups.values())


def _advice(code: str) -> str:
    """Advise what to do about a reason; for a problem of an inventory or of rules, what it means."""
    return CODES[code].remedy if code in CODES else PROBLEMS.get(code, RULE_PROBLEMS.get(code, ""))


FORMAT = ReportFormat("html", "HTML page", "report.html", render)
