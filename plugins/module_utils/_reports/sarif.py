# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as SARIF 2.1.0, as code scanning shows it: a result for each finding, failed rule and open question.

An image that did not pass has a result at least. The fingerprint of a result has the name of the image and of the
package in it but neither digest nor version, so that a rebuild with the same finding is not a new alert.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
import urllib.parse

from .._core.text import visible
from .._verdicts.codes import CODES
from .document import CLUSTER_STATES, NO_IMAGES, ReportFormat, about_cluster

_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
#: Severity of a finding or of a rule -> level of its result.
_LEVELS = {"critical": "error", "important": "error", "high": "error", "moderate": "warning", "medium": "warning"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: Results of rules of OpenSCAP that are results here, and the level of those that have no answer.
_RULES = {"fail": "", "error": "warning", "unknown": "warning", "notchecked": "warning"}

Json = dict[str, t.Any]


def render(report: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of report.sarif; an equal report gives equal bytes."""
    rules: dict[str, Json] = {}
    results: list[Json] = []
    for image in report["images"]:
        results += _results(image, rules)
    if not report["images"]:
        _rule(rules, "no-images", "A report without images")
        results.append(
            _result({"reference": "images", "digest": "", "platform": ""}, "no-images", "error", NO_IMAGES, "")
        )
    for cluster in report.get("clusters", ()):
        if cluster["state"] != "complete":
            results.append(_cluster_result(cluster, rules))
    ordered = {name: number for number, name in enumerate(sorted(rules))}
    for result in results:
        result["ruleIndex"] = ordered[result["ruleId"]]
    run = {
        "tool": {
            "driver": {
                "name": "imagescan.openshift",
                "informationUri": "https://galaxy.ansible.com/ui/repo/published/imagescan/openshift/",
                "rules": [rules[name] for name in ordered],
            }
        },
        "invocations": [{"executionSuccessful": _is_whole(report)}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def _results(image: t.Mapping[str, t.Any], rules: dict[str, Json]) -> t.Iterator[Json]:
    """Make the results of one image; adds the rules that it names."""
    open_results = 0
    for result, exception in (*_finding_results(image, rules), *_rule_results(image, rules)):
        open_results += _suppress(result, exception)
        yield result
    for reason in image["reasons"]:
        effect = CODES[reason["code"]].effect if reason["code"] in CODES else image["verdict"]
        # Findings and rules have results of their own.
        if effect in ("note", "passed") or (reason["code"] in _TOLD and open_results):
            continue
        open_results += 1
        yield _reason_result(image, reason, effect, rules)
    if image["verdict"] != "passed" and not open_results:
        code = f"image-{image['verdict']}"
        _rule(rules, code, f"An image is {image['verdict']}")
        yield _result(image, code, "error", f"the image is {image['verdict']}", "verdict")


def _finding_results(image: t.Mapping[str, t.Any], rules: dict[str, Json]) -> t.Iterator[tuple[Json, str]]:
    """Results of vulnerabilities, each with what accepts it."""
    for finding in image["vulnerabilities"]:
        fix = f", fixed in {visible(finding['fixed_in'], 200)}" if finding["fixed_in"] else f": {finding['status']}"
        text = f"{visible(finding['package'], 300)} has the {finding['severity']} {visible(finding['id'], 100)}{fix}"
        level = _LEVELS.get(finding["severity"], "note")
        _rule(rules, finding["id"], "A vulnerability of a package", score=finding.get("cvss", ""))
        yield _result(image, finding["id"], level, text, _unversioned(finding["package"])), finding["exception"]


def _rule_results(image: t.Mapping[str, t.Any], rules: dict[str, Json]) -> t.Iterator[tuple[Json, str]]:
    """Results of OpenSCAP rules, each with what accepts it."""
    for rule in image["compliance"]["rules"] if image["compliance"] else ():
        if rule["result"] in _RULES:
            level = _RULES[rule["result"]] or _LEVELS.get(rule["severity"], "note")
            text = f"{visible(rule['title'], 500)}: {rule['result']}"
            _rule(rules, rule["id"], visible(rule["title"], 500))
            yield _result(image, rule["id"], level, text, "rule"), rule["exception"]


def _reason_result(
    image: t.Mapping[str, t.Any], reason: t.Mapping[str, str], effect: str, rules: dict[str, Json]
) -> Json:
    code = reason["code"]
    _rule(rules, code, CODES[code].meaning if code in CODES else "A problem of a scan")
    level = "warning" if effect == "inconclusive" else "error"
    return _result(image, code, level, visible(reason["message"]), reason["message"])


#: Codes of reasons that repeat findings and rules.
_TOLD = ("vulnerability", "compliance-rule-failed")


def _result(image: t.Mapping[str, t.Any], rule: str, level: str, text: str, subject: str) -> Json:
    name = image["reference"].partition("@")[0] or image["reference"] or image["digest"]
    # Where two results are about the same, each keeps its own number as long as the other stays.
    identity = [name, image["platform"], rule, subject]
    fingerprint = hashlib.sha256(json.dumps(identity).encode("ascii")).hexdigest()
    shown = visible(image["reference"] or image["digest"], 500)
    return {
        "ruleId": visible(rule, 200) or "unknown",
        "level": level,
        "message": {"text": f"{shown}: {text}"},
        "locations": [
            {
                # The name of an image is not a path; as one it groups results where they are shown.
                "physicalLocation": {
                    "artifactLocation": {"uri": urllib.parse.quote(visible(name, 500), safe="/")},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": visible(image["digest"] or name, 500), "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"imagescan/v1": fingerprint},
    }


def _is_whole(report: t.Mapping[str, t.Any]) -> bool:
    """Return whether there are images, none of them could not be scanned, and every cluster is complete."""
    clusters = report.get("clusters", ())
    return (
        bool(report["images"])
        and not report["counts"]["error"]
        and all(entry["state"] == "complete" for entry in clusters)
    )


def _cluster_result(cluster: t.Mapping[str, t.Any], rules: dict[str, Json]) -> Json:
    """That nothing is known of what a cluster runs, or less than all."""
    code = f"cluster-{cluster['state'].replace('_', '-')}"
    _rule(rules, code, f"A cluster {CLUSTER_STATES[cluster['state']]}")
    image = {"reference": f"cluster/{cluster['name']}", "digest": "", "platform": ""}
    text = f"{CLUSTER_STATES[cluster['state']]}: {visible(cluster['reason'])}; {about_cluster(cluster)}"
    return _result(image, code, "error", text, "cluster")


def _suppress(result: Json, exception: str) -> bool:
    """Say that a result is accepted, if it is; whether it counts."""
    if exception:
        result["suppressions"] = [{"kind": "external", "justification": visible(exception, 300)}]
    return not exception


def _rule(rules: dict[str, Json], identifier: str, text: str, *, score: str = "") -> None:
    name = visible(identifier, 200) or "unknown"
    code = CODES.get(identifier)
    rule: Json = rules.setdefault(name, {"id": name, "shortDescription": {"text": text or name}})
    if code is not None:
        rule["help"] = {"text": code.remedy}
    if _CVE.fullmatch(name):
        rule["helpUri"] = f"https://www.cve.org/CVERecord?id={name}"
    number = score.partition(" ")[0]
    if re.fullmatch(r"\d{1,2}(\.\d)?", number):
        # What code scanning sorts by; the same vulnerability may have another score for another package.
        worst = max(float(number), float(rule.get("properties", {}).get("security-severity", 0)))
        rule["properties"] = {"security-severity": f"{worst:.1f}"}


def _unversioned(package: str) -> str:
    """Name and architecture of ``name-epoch:version-release.arch``."""
    build, _dot, arch = package.rpartition(".")
    return f"{build.rsplit('-', 2)[0]}.{arch}"


FORMAT = ReportFormat("sarif", "SARIF", "report.sarif", render)
