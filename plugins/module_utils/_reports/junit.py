# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit XML, as pipelines show it: a test suite for each image, a test case for each policy.

What is not known is an error, never a test that passed, and never one that was skipped.
"""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from .._core.text import visible
from .._verdicts.model import worst
from .document import CLUSTER_STATES, NO_IMAGES, ReportFormat, about_cluster

#: Verdict -> element of a test case; what passed has none.
_ELEMENTS = {"failed": "failure", "error": "error", "inconclusive": "error"}
_COUNTED = {"failures": ("failed",), "errors": ("error", "inconclusive")}
_LONGEST = 300


def render(report: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of report.junit.xml; an equal report gives equal bytes."""
    root = ElementTree.Element("testsuites", {"name": "imagescan.openshift"})
    verdicts = [verdict for image in report["images"] for verdict in _add_suite(root, image, report["as_of"])]
    if not verdicts:
        suite = ElementTree.SubElement(root, "testsuite", {"name": "images"})
        case = ElementTree.SubElement(suite, "testcase", {"classname": "images", "name": "images"})
        ElementTree.SubElement(case, "error", {"message": NO_IMAGES, "type": "inconclusive"})
        _count(suite, ["inconclusive"])
        verdicts = ["inconclusive"]
    clusters = report.get("clusters", ())
    if clusters:
        suite = ElementTree.SubElement(root, "testsuite", {"name": "clusters"})
        states = ["passed" if cluster["state"] == "complete" else "error" for cluster in clusters]
        for cluster, state in zip(clusters, states):
            name = visible(cluster["name"])
            case = ElementTree.SubElement(suite, "testcase", {"classname": "clusters", "name": name})
            if state == "error":
                message = visible(f"{name} {CLUSTER_STATES[cluster['state']]}: {cluster['reason']}", _LONGEST)
                element = ElementTree.SubElement(case, "error", {"message": message, "type": cluster["state"]})
                element.text = f"{visible(cluster['reason'])}\n{about_cluster(cluster)}"
        _count(suite, states)
        verdicts += states
    _count(root, verdicts)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _add_suite(root: ElementTree.Element, image: t.Mapping[str, t.Any], as_of: str) -> list[str]:
    """Add an image; the verdicts of its test cases."""
    name = visible(image["reference"] or image["digest"])
    attributes = {"name": name}
    if as_of:
        attributes["timestamp"] = visible(as_of.removesuffix("Z"), 40)  # the format has no time zone
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    properties = ElementTree.SubElement(suite, "properties")
    for key in ("digest", "platform", "os"):
        ElementTree.SubElement(properties, "property", {"name": key, "value": visible(image[key])})
    policies = {policy["name"]: policy["verdict"] for policy in image["policies"]} or {"no policy": image["verdict"]}
    if worst(list(policies.values())) != image["verdict"]:
        # What is said of the whole image, such as that it was scanned again since, counts for each policy.
        policies = {policy: worst([verdict, image["verdict"]]) for policy, verdict in policies.items()}
    for policy, verdict in sorted(policies.items()):
        case = ElementTree.SubElement(suite, "testcase", {"classname": name, "name": visible(policy)})
        if verdict in _ELEMENTS:
            _add_outcome(case, verdict, image["reasons"])
    _count(suite, list(policies.values()))
    return list(policies.values())


def _add_outcome(case: ElementTree.Element, verdict: str, reasons: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    message = visible(reasons[0]["message"], _LONGEST) if reasons else f"the image is {verdict}"
    element = ElementTree.SubElement(case, _ELEMENTS[verdict], {"message": message, "type": verdict})
    lines = (f"{visible(reason['message'])} [{visible(reason['code'])}]" for reason in reasons)
    element.text = "\n".join(lines) or message


def _count(element: ElementTree.Element, verdicts: t.Sequence[str]) -> None:
    element.set("tests", str(len(verdicts)))
    for name, counted in _COUNTED.items():
        element.set(name, str(sum(verdict in counted for verdict in verdicts)))


FORMAT = ReportFormat("junit", "JUnit XML", "report.junit.xml", render)
