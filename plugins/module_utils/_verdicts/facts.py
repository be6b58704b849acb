# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image object of report.json: all facts about an image, and what is said of it."""

from __future__ import annotations

import re
import typing as t

from .._compliance.model import RULE_RESULTS, Results
from .._images.model import Problem
from .._vulnerabilities.model import Finding
from .applying import Accepted
from .conditions.base import sorted_problems
from .model import ImageVerdict, Reason
from .schema import COMPONENTS
from .subject import Subject, gravity


def image_document(subject: Subject, verdict: ImageVerdict) -> dict[str, t.Any]:
    """The image object of report.json (``schema.IMAGE_SCHEMA``); its lists are sorted: equal facts, equal objects."""
    document = build_facts(subject, Accepted(verdict.excepted, verdict.excepted_rules))
    document["verdict"] = verdict.verdict
    document["policies"] = [
        {"name": policy.name, "sha256": policy.sha256, "verdict": policy.verdict} for policy in verdict.policies
    ]
    document["reasons"] = [_code_and_message(reason) for reason in verdict.reasons]
    document["exceptions"] = [dict(exception) for exception in verdict.exceptions]
    return with_names(document, subject.names, subject.unconfirmed)


def with_names(
    document: dict[str, t.Any], references: t.Iterable[str], unconfirmed: t.Container[str]
) -> dict[str, t.Any]:
    """The image object with these names.

    A name of which nobody can tell which image it has now passes by none: an image that passed has it with its digest
    behind it, ``name:tag@digest``, so that it is the name of this image alone. One that did not pass has it as it is.
    """

    def shown(name: str) -> str:
        return f"{name}@{document['digest']}" if name in unconfirmed and document["digest"] else name

    names = sorted(set(references) - {""})
    if document["verdict"] == "passed":
        names = sorted(set(map(shown, names)))
    old_reference = shown(document["reference"]) if document["verdict"] == "passed" else document["reference"]
    reference = old_reference if old_reference in names or not names else names[0]
    return {**document, "reference": reference, "references": names}


def build_facts(subject: Subject, accepted: Accepted) -> dict[str, t.Any]:
    """The image object without its verdict, as expressions of policies see it."""
    inventory, match = subject.inventory, subject.match
    not_examined = inventory.not_examined if inventory else {}
    findings, cpes = (match.findings, match.cpes) if match else ((), ())
    return {
        "digest": subject.digest,
        "reference": subject.reference,
        "references": list(subject.names),
        "os": f"{inventory.os.id} {inventory.os.version_id}".strip() if inventory else "",
        "platform": subject.platform,
        "packages": len(inventory.packages) if inventory else 0,
        "not_examined": {kind: not_examined.get(kind, 0) for kind in COMPONENTS},
        "inventory": {
            "complete": inventory is not None and inventory.complete,
            "problems": list(map(_code_and_message, sorted_problems(inventory.problems))) if inventory else [],
            "repositories": [
                {"cpe": cpe, "source": source} for cpe, source in sorted({(cpe.cpe, cpe.source) for cpe in cpes})
            ],
        },
        "vulnerabilities": [_vulnerability(finding, accepted) for finding in sorted(findings, key=gravity)],
        "compliance": _compliance(subject, accepted.rules),
    }


def _vulnerability(finding: Finding, accepted: Accepted) -> dict[str, t.Any]:
    return {
        "id": finding.id,
        "name": finding.name,
        "package": finding.package,
        "severity": finding.severity,
        "status": finding.status,
        "fixed_in": finding.fixed_in,
        "advisory": finding.advisory,
        "module": finding.module,
        "cvss": finding.cvss,
        "cvss_score": _score(finding.cvss),
        "cpe": finding.cpe,
        "product": finding.product,
        "document": finding.document,
        "revision": finding.revision,
        "exception": accepted.findings.get((finding.id, finding.package), ""),
    }


def _score(cvss: str) -> float | None:
    """The base score of ``Finding.cvss``; None where the vendor gives none."""
    number = cvss.partition(" ")[0]
    return float(number) if re.fullmatch(r"\d{1,2}(\.\d)?", number) else None


def compliance_facts(results: Results, *, tailoring: str = "", partial: bool = False) -> dict[str, t.Any]:
    """The object of report.json, but for what is accepted.

    ``tailoring``: SHA-256 of the file that the profile was tailored by. ``partial``: only some of its rules were asked
    for.
    """
    return {
        "profile": results.profile,
        "benchmark": {"id": results.benchmark.id, "version": results.benchmark.version},
        "content": results.content,
        "tailoring": tailoring,
        "partial": partial,
        "score": results.score,
        "counts": {result: results.counts[result] for result in RULE_RESULTS},
        "problems": [_code_and_message(problem) for problem in sorted_problems(results.problems)],
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "result": rule.result,
                "severity": rule.severity,
                "identifiers": sorted({value for _system, value in rule.identifiers}),
                "references": sorted(set(rule.references)),
            }
            for rule in sorted(results.rules, key=lambda rule: (rule.id, rule.instances))
        ],
    }


def _compliance(subject: Subject, accepted: t.Mapping[str, str]) -> dict[str, t.Any] | None:
    results = subject.compliance
    if results is None:
        return None
    # Results that a failed attempt was to replace must not look like those of today.
    late = [] if subject.compliance_problem is None else [_code_and_message(subject.compliance_problem)]
    return {
        **results,
        "problems": [*late, *results["problems"]],
        "rules": [{**rule, "exception": accepted.get(rule["id"], "")} for rule in results["rules"]],
    }


def _code_and_message(reason: Reason | Problem) -> dict[str, str]:
    return {"code": reason.code, "message": reason.message}
