# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of OpenSCAP made by hand, small enough to see what is in them."""

from __future__ import annotations

XCCDF = "http://checklists.nist.gov/xccdf/1.2"
XCCDF_OLD = "http://checklists.nist.gov/xccdf/1.1"
OVAL_CHECKS = "http://oval.mitre.org/XMLSchema/oval-definitions-5"
RULE = "xccdf_org.example_rule_"


def rule_result(
    name: str = "a", result: str = "pass", inside: str = "", *, definition: str = "oval:x:def:1", severity: str = "high"
) -> str:
    """A rule-result. ``inside`` comes after its result."""
    ref = f'<check-content-ref name="{definition}" href="#oval0"/>'
    return (
        f'<rule-result idref="{RULE}{name}" severity="{severity}" weight="2.5" time="2026-11-25T11:00:00+01:00">'
        f'<result>{result}</result>{inside}<check system="{OVAL_CHECKS}">{ref}</check></rule-result>'
    )


def test_result(
    *rules: str, namespace: str = XCCDF, more: str = "", attributes: str = 'end-time="2026-11-25T10:00:09Z"'
) -> str:
    """A TestResult with these rule-results."""
    return (
        f'<TestResult xmlns="{namespace}" id="t1" start-time="2026-11-25T12:30:00+02:30" {attributes}'
        ' test-system="cpe:/a:redhat:openscap:1.3.7"><benchmark id="b1" href="b.xml"/><title>x</title>'
        '<identity authenticated="0" privileged="0">root</identity><profile idref="p1"/><target>host</target>'
        '<target-address>127.0.0.1</target-address><target-facts><fact name="f" type="string">v</fact></target-facts>'
        f'<platform idref="cpe:/o:x:y:9"/>{more}{"".join(rules)}'
        '<score system="urn:xccdf:scoring:flat" maximum="8">2</score>'
        '<score system="urn:xccdf:scoring:default" maximum="100">50.5</score></TestResult>'
    )


def rule(name: str = "a", inside: str = "<title>Rule</title>") -> str:
    """A Rule of the benchmark."""
    return f'<Rule id="{RULE}{name}" severity="medium">{inside}</Rule>'


def benchmark(*rules: str, namespace: str = XCCDF, more: str = "") -> str:
    """A Benchmark with these rules, two groups deep. ``more`` comes at its end: a TestResult."""
    groups = f'<Group id="g"><title>Group</title><Group id="h">{"".join(rules)}</Group></Group>'
    return f'<Benchmark xmlns="{namespace}" id="b1"><title>x</title><version>0.9</version>{groups}{more}</Benchmark>'


def oval(*definitions: str) -> str:
    """OVAL results."""
    inside = f"<results><system><definitions>{''.join(definitions)}</definitions></system></results>"
    copy = f'<oval_definitions xmlns="{OVAL_CHECKS}"><definitions><definition id="d"/></definitions></oval_definitions>'
    return f'<oval_results xmlns="http://oval.mitre.org/XMLSchema/oval-results-5">{copy}{inside}</oval_results>'


def definition(name: str = "oval:x:def:1", result: str = "true", inside: str = "") -> str:
    """The result of an OVAL definition with one test and one extended definition."""
    return (
        f'<definition definition_id="{name}" result="{result}" version="1"><criteria operator="AND" result="{result}">'
        f'<criteria><criterion test_ref="oval:x:tst:1" result="{result}"/></criteria>'
        f'<extend_definition definition_ref="oval:x:def:9" result="true"/>{inside}</criteria></definition>'
    )


def arf(test: str, content: str = "", *reports: str) -> str:
    """An ARF: the benchmark inside a data stream, the TestResult, and reports ``oval0`` and so on."""
    stream = (
        f'<ds:data-stream-collection id="c"><ds:component id="x">{content}</ds:component></ds:data-stream-collection>'
    )
    others = "".join(
        f'<arf:report id="oval{number}"><arf:content>{one}</arf:content></arf:report>'
        for number, one in enumerate(reports)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<arf:asset-report-collection'
        ' xmlns:arf="http://scap.nist.gov/schema/asset-reporting-format/1.1"'
        ' xmlns:ds="http://scap.nist.gov/schema/scap/source/1.2"><arf:report-requests><arf:report-request id="r">'
        f"<arf:content>{stream}</arf:content></arf:report-request></arf:report-requests><arf:reports>"
        f'<arf:report id="xccdf1"><arf:content>{test}</arf:content></arf:report>{others}</arf:reports>'
        "</arf:asset-report-collection>\n"
    )


def whole() -> str:
    """An ARF with a bit of everything."""
    words = (
        "<title>First <sub>one</sub></title><title>Second</title><description>d <b>e</b></description>"
        '<reference href="h1">CCI-1</reference><reference href="h2"/><reference href="h1">CCI-1</reference>'
        '<rationale>r</rationale><ident system="s">CCE-1</ident><fix system="sh">true</fix>'
    )
    inside = (
        '<ident system="s">CCE-1</ident><ident system="t">CVE-1</ident><message severity="info">m &amp; n</message>'
    )
    two = '<check-content-ref name="oval:x:def:2" href="#oval1"/>'
    complex_check = f'<complex-check operator="OR"><check system="{OVAL_CHECKS}">{two}</check></complex-check>'
    rules = (
        rule_result("a", "fail", inside),
        rule_result("b", "pass", "<instance>i1</instance>" + complex_check),
        rule_result("c", "notselected"),
        rule_result("d", "notchecked"),
    )
    content = benchmark(rule("a", words), rule("b"), rule("c"), rule("d"))
    return arf(test_result(*rules), content, oval(definition()), oval(definition("oval:x:def:2", "false")))
